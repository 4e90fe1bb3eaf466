"""Influence of single cells: would one number, wrong or missing, change the effect?"""

from __future__ import annotations

from typing import Any

import numpy as np

from evaluation.errors import NotEstimable
from evaluation.panel import Panel
from evaluation.robustness.refit import Ask, moved, numbers, one_outcome, refit, without_cells, worst
from evaluation.robustness.row import Check, check_whole, not_told, say
from evaluation.robustness.working import Working
from evaluation.words import about

CHECK, ASKS = "influence", "Does a single number in the data carry the effect?"
UNIT = "units of the outcome"


def influence_of_cells(panel: Panel, ask: Ask, top: int = 10) -> Check:
    """The cells whose loss moves the effect most: ranked by |weight × residual|, the first `top` estimated again without.

    Args:
        panel: of one outcome.
        ask: a linear estimator, options, cluster and level.
        top: cells to estimate again without.

    Returns:
        A `Check`: number is the largest move; rows have unit, period, treated, weight, residual, estimate, move, share (of all
        absolute weight).

    Raises:
        OptionError: several outcomes, or a wrong option.
    """
    one_outcome(panel, "influence_of_cells")
    check_whole("top", top, 1)
    result = refit(panel, ask)
    full = numbers(result, ask)
    if isinstance(result, NotEstimable):
        return not_told(CHECK, ASKS, result)
    model = Working.of(result)
    if isinstance(model, NotEstimable):
        return not_told(CHECK, ASKS, model)
    outcome = np.nan_to_num(result.panel.values[0])[:, :, None]
    residual = model.residuals(outcome)[:, :, 0]
    leverage = np.abs(model.weights * residual).ravel()
    order = [int(cell) for cell in np.argsort(-leverage, kind="stable")[:top] if leverage[cell] > 0]
    if not order:
        return Check(CHECK, ASKS, 0.0, UNIT, "Every cell lies where the others put it: none moves the effect.", "none")
    rows = [_without(panel, result.panel, model, residual, cell, full, ask) for cell in order]
    return _summary(rows, full, np.abs(model.weights))


def _without(
    panel: Panel, used: Panel, model: Working, residual: np.ndarray, cell: int, full: dict[str, Any], ask: Ask
) -> dict[str, Any]:
    i, t = divmod(cell, len(used.periods))
    gone = np.zeros((len(panel.units), len(panel.periods)), bool)
    gone[panel.units.index(used.units[i]), panel.periods.index(used.periods[t])] = True
    again = numbers(refit(without_cells(panel, gone), ask), ask)
    move, concern = moved(full, again)
    return {
        "unit": used.units[i],
        "period": used.periods[t],
        "treated": bool(model.treated[i, t]),
        "weight": float(model.weights[i, t]),
        "residual": float(residual[i, t]),
        "share": float(abs(model.weights[i, t]) / np.abs(model.weights).sum()),
        **again,
        "move": move,
        "concern": concern,
    }


def _summary(rows: list[dict[str, Any]], full: dict[str, Any], sizes: np.ndarray) -> Check:
    told = sorted((row for row in rows if row["move"] is not None), key=lambda row: -abs(row["move"]))
    refused = [row for row in rows if row["move"] is None]
    if not told:
        return not_told(CHECK, ASKS, NotEstimable(**refused[0]["not_estimable"]), rows)
    top = told[0]
    heaviest = float(np.sort(sizes.ravel())[-10:].sum() / sizes.sum())
    words = (
        f"Without {top['unit']} in {top['period']}, the largest change, the effect is {say(top['estimate'])} instead of "
        f"{say(full['estimate'])}. The ten heaviest cells carry {about(heaviest)} of all weight."
    )
    concern = "serious" if refused else worst([row["concern"] for row in told])
    words += {
        "serious": " That one number decides what is concluded: check it with whoever sent it.",
        "some": " Check that number with whoever sent it.",
        "none": " No single number carries the effect.",
        None: " Whether that is more than chance cannot be told, since the effect has no error.",
    }[concern if not refused else "serious"]
    return Check(CHECK, ASKS, abs(top["move"]), UNIT, words, concern, (*told, *refused))
