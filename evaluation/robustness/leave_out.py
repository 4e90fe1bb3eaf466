"""Leave out each local authority, or each region, in turn: does one of them carry the effect?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from evaluation.errors import NotEstimable, PanelError
from evaluation.panel import Panel
from evaluation.robustness.refit import Ask, effect, moved, one_outcome, worst
from evaluation.robustness.row import Check, not_told, say

Left = tuple[Any, np.ndarray]


def leave_out(panel: Panel, ask: Ask, by: str | None = None, treated_only: bool = True) -> Check:
    """The effect as a whole with each unit, or each level of a cluster, left out in turn and estimated again.

    Args:
        panel: of one outcome.
        ask: estimator, options, cluster and level.
        by: None or the panel's unit: each unit; else a cluster ("region"): its treated and comparison units together.
        treated_only: leave out only units or levels with the reform.

    Returns:
        A `Check`: number is the largest move of the effect; rows have left_out, estimate, lower, upper, p_value, move.

    Raises:
        OptionError: several outcomes or a wrong option.
        PanelError: there is no such cluster.
    """
    one_outcome(panel, "leave_out")
    name = by or panel.unit
    check = f"leave_one_{name}_out"
    asks = f"Does one {name} carry the effect?"
    full = effect(panel, ask)
    if "not_estimable" in full:
        return not_told(check, asks, NotEstimable(**full["not_estimable"]))
    rows, concerns = [], []
    for label, keep in _levels(panel, name, treated_only):
        again = _again(panel, keep, name, ask)
        move, concern = moved(full, again)
        rows.append({"left_out": label, **again, "move": move})
        concerns.append(concern)
    told = [row for row in rows if row["move"] is not None]
    if not told:
        reason = f"without any one {name} nothing is left to estimate"
        return not_told(check, asks, NotEstimable(reason, f"The result rests on one {name} alone."), rows)
    alone = [row for row in rows if "not_estimable" in row]
    top = max(told, key=lambda row: abs(row["move"]))
    concern = "serious" if alone else worst(concerns)
    return Check(
        check, asks, abs(top["move"]), "units of the outcome", _reading(full, top, name, alone, concern), concern, tuple(rows)
    )


def _levels(panel: Panel, name: str, treated_only: bool) -> Iterator[Left]:
    _, codes = panel.cluster_codes(name)
    wanted = codes[panel.treated] if treated_only else codes
    for code in np.unique(wanted):
        yield panel.clusters[name][1][code], codes != code


def _again(panel: Panel, keep: np.ndarray, name: str, ask: Ask) -> dict[str, Any]:
    if not panel.treated[keep].any():
        return {"not_estimable": NotEstimable(f"without this {name} nobody has the reform", f"It rests on one {name}.").to_dict()}
    try:
        return effect(panel.select(keep), ask)
    except PanelError as error:
        if panel.cluster_codes(ask.cluster)[0] != name:
            raise
        return {"not_estimable": NotEstimable(str(error), f"Cluster by {panel.unit}.").to_dict()}


def _reading(full: Mapping[str, Any], top: Mapping[str, Any], name: str, alone: list[dict[str, Any]], concern: str | None) -> str:
    out = (
        f"Without {name} {top['left_out']}, the largest change, the effect is {say(top['estimate'])} "
        f"instead of {say(full['estimate'])}."
    )
    if alone:
        return f"{out} Without {name} {alone[0]['left_out']} there is no estimate at all: the effect rests on it."
    last = {
        "serious": f" What one would conclude depends on that one {name}.",
        "some": " That is a large move, or one that just changes what one would conclude.",
        "none": f" No single {name} carries it.",
        None: " Whether that is more than chance cannot be told, since the effect has no error.",
    }
    return out + last[concern]
