"""Who dropped out: returns missing by treatment and by period, and whether the reform goes with it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from evaluation.errors import NotEstimable
from evaluation.panel import NEVER, Panel
from evaluation.robustness.refit import Ask, effect, one_outcome
from evaluation.robustness.row import Check, not_told
from evaluation.words import about, probability

ASKS = "Did returns go missing because of the reform?"
MANY, GAP, ALPHA = 0.10, 0.05, 0.05  # share missing, and difference of differences, from which there is concern
KEPT = ("control", "anticipation", "base")  # options of group_time that do not concern missing cells


def missing_returns(panel: Panel, ask: Ask) -> Check:
    """Share of cells missing, treated against comparison, before against after, and the effect of the reform on being missing.

    Args:
        panel: of one outcome.
        ask: cluster and level for the effect on missingness, by group_time; of its options those on the comparison.

    Returns:
        A `Check`: number is the effect on the share missing; rows have period, treated, comparison (shares missing) by period,
        and a last one with period None and the four shares before and after, estimate, lower, upper and p_value.

    Raises:
        OptionError: several outcomes, or a wrong option.
    """
    one_outcome(panel, "missing_returns")
    gone = panel.weights[0] <= 0
    treated, compare = panel.treated, panel.cohort >= NEVER
    if not treated.any() or not compare.any():
        why = NotEstimable(f"there is no {panel.unit} on one of the two sides", "Add units that do not start.")
        return not_told("missing_returns", ASKS, why)
    rows: list[dict[str, Any]] = [
        {"period": period, "treated": float(gone[treated, t].mean()), "comparison": float(gone[compare, t].mean())}
        for t, period in enumerate(panel.periods)
    ]
    shares = _four(panel, gone, treated, compare)
    found = _on_missing(panel, gone, ask) if gone.any() else {"estimate": 0.0, "p_value": None}
    rows.append({"period": None, **shares, **found})
    return _summary(rows, shares, found, float(gone.mean()))


def _four(panel: Panel, gone: np.ndarray, treated: np.ndarray, compare: np.ndarray) -> dict[str, float | None]:
    """Shares missing: treated by their own start, comparison by the first start of anybody."""
    when = np.arange(len(panel.periods))[None, :]
    start = np.where(treated, panel.cohort, panel.cohort[treated].min())[:, None]
    out: dict[str, float | None] = {}
    for side, units in (("treated", treated), ("comparison", compare)):
        for name, cells in (("before", when < start), ("after", when >= start)):
            picked = gone[cells & units[:, None]]
            out[f"{side}_{name}"] = float(picked.mean()) if picked.size else None
    return out


def _on_missing(panel: Panel, gone: np.ndarray, ask: Ask) -> dict[str, Any]:
    """The effect of the reform on being missing: group-time effects on a complete panel of zeros and ones."""
    complete = replace(
        panel,
        values=gone[None].astype(float),
        weights=np.ones_like(panel.weights),
        weighted=False,
        covariates=(),
        covariate_values=None,
    )
    kept = {name: value for name, value in ask.options.items() if ask.estimator == "group_time" and name in KEPT}
    return effect(complete, replace(ask, estimator="group_time", options=kept))


def _summary(rows: list[dict[str, Any]], shares: dict[str, float | None], found: dict[str, Any], overall: float) -> Check:
    unit = "change in the share missing"
    if overall == 0:
        return Check("missing_returns", ASKS, 0.0, unit, "Every return is in.", "none", tuple(rows))
    after = {side: shares[f"{side}_after"] for side in ("treated", "comparison")}
    words = f"{about(overall)} of returns are missing"
    if after["treated"] is not None and after["comparison"] is not None:
        words += f"; after the start {about(after['treated'])} of the treated and {about(after['comparison'])} of the others"
    size, p_value = found.get("estimate"), found.get("p_value")
    if size is None:
        why = NotEstimable(**found["not_estimable"])
        return Check(
            "missing_returns",
            ASKS,
            None,
            unit,
            f"{words}. Whether the reform changed that cannot be told.",
            None,
            tuple(rows),
            why,
        )
    if p_value is not None and p_value < ALPHA and abs(size) >= GAP:
        words += f". Returns went missing with the reform ({probability(p_value)}): those left may not be like those lost."
        return Check("missing_returns", ASKS, size, unit, words, "serious", tuple(rows))
    close = abs(size) >= GAP or overall >= MANY or (p_value is not None and p_value < ALPHA)
    words += ". No clear sign that the reform changed who answers." if not close else ". Too many, or too uneven, to set aside."
    return Check("missing_returns", ASKS, size, unit, words, "some" if close else "none", tuple(rows))
