"""The overall effect on a changed panel, as plain numbers, and how far it moved: shared by the checks that estimate again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from evaluation.errors import NotEstimable, OptionError, PanelError
from evaluation.estimators import estimate
from evaluation.panel import Panel
from evaluation.result import Result
from evaluation.robustness.row import check_between

NUMBERS = ("estimate", "std_error", "lower", "upper", "p_value")
HUGE, MUCH, CLEAR = 2.0, 1.0, 0.5  # moves in standard errors: serious, some concern, enough to matter if the conclusion changes


@dataclass(frozen=True, eq=False)
class Ask:
    """What is estimated again and how its error is had.

    Attributes:
        estimator: a key of `ESTIMATORS`.
        options: the estimator's own.
        cluster: column to cluster by; None: the panel's own.
        level: of the intervals.
        inference: a method of `INFERENCES`.
        inference_options: its options.
    """

    estimator: str
    options: Mapping[str, Any] = field(default_factory=dict)
    cluster: str | None = None
    level: float = 0.95
    inference: str = "clustered"
    inference_options: Mapping[str, Any] = field(default_factory=dict)


def one_outcome(panel: Panel, who: str) -> None:
    """Raise `OptionError` where a panel has several outcomes."""
    if len(panel.outcomes) > 1:
        raise OptionError(f"{who} takes one outcome at a time. Give it panel.outcome(name).")


def overall_row(result: Result, who: str) -> int:
    """The row with the effect as a whole; `OptionError` where there is none, or several outcomes."""
    if len(set(result.outcomes)) > 1:
        raise OptionError(f"{who} takes one outcome at a time. Estimate panel.outcome(name), or keep one with result.rows().")
    rows = np.flatnonzero(np.isin(result.kinds, ["overall", "average"]))
    if not len(rows):
        raise OptionError(f"{result.aggregate!r} has no row for the effect as a whole. Use aggregate='overall'.")
    return int(rows[0])


def refit(panel: Panel, ask: Ask) -> Result | NotEstimable:
    """The overall effect on a panel."""
    if not panel.treated.any():
        return NotEstimable(f"no treated {panel.unit} is left", "Keep some of those that have the reform.")
    if not len(panel.units) > int(panel.treated.sum()) and not len(np.unique(panel.cohort)) > 1:
        return NotEstimable(f"no {panel.unit} is left to compare with", "Keep some that do not have the reform.")
    return estimate(panel, ask.estimator, aggregate="overall", **ask.options)


def numbers(result: Result | NotEstimable, ask: Ask) -> dict[str, Any]:
    """Estimate, std_error, lower, upper, p_value (None, with a note, where there is no error), or not_estimable."""
    check_between("level", ask.level, 0, 1)
    if isinstance(result, NotEstimable):
        return {"not_estimable": result.to_dict()}
    try:
        found = result.inference(ask.inference, cluster=ask.cluster, **ask.inference_options)
    except OptionError:
        raise
    except PanelError as error:  # fewer than two clusters are left: the effect stands, its error does not
        result.panel.cluster_codes(ask.cluster)
        return {**dict.fromkeys(NUMBERS), "estimate": float(result.estimates[0]), "note": str(error)}
    made = found.numbers(ask.level)
    out: dict[str, Any] = {name: float(made[name][0]) if np.isfinite(made[name][0]) else None for name in NUMBERS}
    if out["p_value"] is None:
        out["note"] = " ".join(found.warnings) or f"no error clustered by {found.cluster}"
    return out


def effect(panel: Panel, ask: Ask) -> dict[str, Any]:
    """`numbers` of `refit`: the overall effect on a panel as plain numbers."""
    return numbers(refit(panel, ask), ask)


def without_cells(panel: Panel, gone: np.ndarray) -> Panel:
    """The panel with cells (N × T, bool) of every outcome taken as missing."""
    return replace(
        panel,
        values=np.where(gone[None], np.nan, panel.values),
        weights=np.where(gone[None], 0.0, panel.weights),
    )


def positions(panel: Panel, units: Sequence[Any], what: str) -> np.ndarray:
    """Where units stand in the panel (N, bool); a name that is not there raises `OptionError`."""
    known = set(panel.units)
    unknown = [unit for unit in units if unit not in known]
    if unknown:
        raise OptionError(f"{what}: {unknown[0]!r} is not a {panel.unit} of the panel. Check the names, or leave it out.")
    wanted = set(units)
    return np.array([unit in wanted for unit in panel.units])


def moved(full: Mapping[str, Any], other: Mapping[str, Any], alpha: float = 0.05) -> tuple[float | None, str | None]:
    """How far an effect moved, and how much that matters: against its own error, its sign and what is concluded."""
    if other.get("estimate") is None or full.get("estimate") is None:
        return None, None
    move = other["estimate"] - full["estimate"]
    if full["std_error"] is None or full["p_value"] is None:
        return move, None
    size = abs(move) / full["std_error"]
    seen = full["p_value"] < alpha
    changes = other["p_value"] is not None and (other["p_value"] < alpha) != seen
    flips = seen and other["estimate"] * full["estimate"] < 0
    if flips or size > HUGE or (changes and size > CLEAR):
        return move, "serious"
    return move, "some" if changes or size > MUCH else "none"


def worst(concerns: Sequence[str | None]) -> str | None:
    """The most serious of several concerns; None where none can be told."""
    for concern in ("serious", "some", "none"):
        if concern in concerns:
            return concern
    return None
