"""What a number is made of: the comparisons and weights behind the two-way number, and the cells that carry the headline."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from evaluation import NotEstimable, Panel, PanelError, Result, bacon_decomposition, estimate, two_way_weights

TOP = 12  # cells that are listed by name


def makeup(panel: Panel, headline: Result | NotEstimable) -> dict[str, Any]:
    """The makeup of one question's numbers, as plain JSON.

    Args:
        panel: one outcome.
        headline: the overall effect of the headline's estimator.

    Returns:
        `bacon` (comparisons of the two-way number by kind), `two_way_weights` (by periods since the start), `carriers` (the cells
        with the largest weights in the headline); each has `not_estimable` with a reason where it cannot be had.
    """
    return {"bacon": _bacon(panel), "two_way_weights": _weights(panel), "carriers": _carriers(headline)}


def _refused(reason: str, remedy: str = "") -> dict[str, Any]:
    return {"not_estimable": {"reason": reason, "remedy": remedy}}


def _bacon(panel: Panel) -> dict[str, Any]:
    """The comparisons, of the authorities without a gap: the decomposition holds for balanced panels only."""
    complete = (panel.weights[0] > 0).all(axis=1)
    if not complete.any():
        return _refused("no authority has a figure in every period", "Choose a window with fewer gaps.")
    found = bacon_decomposition(panel.select(complete, reason="has a gap"))
    if isinstance(found, NotEstimable):
        return {"not_estimable": found.to_dict()}
    kept = {"authorities": int(complete.sum()), "left_out": int((~complete).sum())}
    comparisons = found.to_dict()["comparisons"]
    return {**kept, "estimate": found.estimate, "forbidden": found.forbidden, "comparisons": comparisons, "not_estimable": None}


def _weights(panel: Panel) -> dict[str, Any]:
    """Weights of the two-way number on treated cells, added up by periods since the start, positive and negative apart."""
    result = estimate(panel, "two_way_fixed_effects")
    if isinstance(result, NotEstimable):
        return {"not_estimable": result.to_dict()}
    found = two_way_weights(result)
    start = dict(zip(result.panel.units, result.panel.cohort, strict=True))
    at = {period: number for number, period in enumerate(result.panel.periods)}
    steps: dict[int, list[float]] = {}
    for unit, period, weight in found.table[[result.panel.unit, result.panel.period, "weight"]].itertuples(
        index=False, name=None
    ):
        steps.setdefault(int(at[period] - start[unit]), []).append(float(weight))
    rows = [
        {"event_time": step, "positive": sum(w for w in weights if w > 0), "negative": sum(w for w in weights if w < 0)}
        for step, weights in sorted(steps.items())
    ]
    counts = {"cells": found.cells, "negative": found.negative, "sum_negative": float(found.sum_negative)}
    return {**counts, "by_event_time": rows, "not_estimable": None}


def _carriers(headline: Result | NotEstimable) -> dict[str, Any]:
    """The cells with the largest weights, and how many hold half of all weight."""
    if isinstance(headline, NotEstimable):
        return {"not_estimable": headline.to_dict()}
    try:
        table = headline.weights_frame()
    except PanelError as error:
        return _refused(str(error))
    sizes = np.sort(np.abs(table["weight"].to_numpy(float)))[::-1]
    half = int(np.searchsorted(np.cumsum(sizes), sizes.sum() / 2)) + 1
    order = table.assign(size=table["weight"].abs()).sort_values(["size", headline.panel.unit], ascending=[False, True]).head(TOP)
    rows: list[Mapping[str, Any]] = [
        {"authority": str(unit), "period": str(period), "treated": bool(treated), "weight": float(weight)}
        for unit, period, treated, weight in order[[headline.panel.unit, headline.panel.period, "treated", "weight"]].itertuples(
            index=False, name=None
        )
    ]
    return {"cells": len(sizes), "half": half, "largest": rows, "not_estimable": None}
