"""Which missing return would narrow the interval most."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from evaluation.errors import NotEstimable
from evaluation.estimators import check_options
from evaluation.panel import Panel
from evaluation.robustness.paths import Paths, learn
from evaluation.robustness.refit import Ask, one_outcome, positions, refit
from evaluation.robustness.row import Check, check_whole, not_told
from evaluation.robustness.working import Working
from evaluation.words import about

CHECK, ASKS = "missing_returns_value", "Which missing return would tell us most?"
UNIT = "share by which the error shrinks"
WORTH = 0.001  # share of the error below which a return is not worth chasing for this effect


def missing_returns_value(panel: Panel, ask: Ask, top: int = 10, most: int = 60) -> Check:
    """Missing cells ranked by how far the error of the effect would shrink if each came in alone.

    Each cell is filled in turn and the estimator's weights are made again. Errors have the working covariance that the outcome
    shows without the reform (`paths`): an autoregression within units and a common part within clusters, scaled by unit.

    Args:
        panel: of one outcome.
        ask: a linear estimator, its options, and the cluster.
        top: rows to give.
        most: cells to try: those of treated units first, then those of the others, in the order of units and periods.

    Returns:
        A `Check`: number is the largest share by which the error shrinks; rows have unit, period, treated, shrinks (negative
        where the return would change the effect's own make-up so that the error grows).

    Raises:
        OptionError: several outcomes, or a wrong option.
    """
    one_outcome(panel, "missing_returns_value")
    check_whole("top", top, 1)
    check_whole("most", most, 1)
    missing = np.argwhere(panel.weights[0] <= 0)
    if not len(missing):
        return Check(CHECK, ASKS, 0.0, UNIT, "No return is missing.", "none")
    name, codes = panel.cluster_codes(ask.cluster)
    paths = learn(panel, codes, int(check_options(ask.estimator, dict(ask.options)).get("anticipation", 0)))
    if isinstance(paths, NotEstimable):
        return not_told(CHECK, ASKS, paths, unit=UNIT)
    now = _error(panel, ask, paths, name)
    if isinstance(now, NotEstimable):
        return not_told(CHECK, ASKS, now, unit=UNIT)
    first = np.argsort(~panel.treated[missing[:, 0]], kind="stable")[:most]
    rows: list[dict[str, Any]] = []
    for i, t in missing[first]:
        then = _error(_filled(panel, int(i), int(t)), ask, paths, name)
        if not isinstance(then, NotEstimable):
            shrinks = 1 - then / now
            cell = {"unit": panel.units[i], "period": panel.periods[t], "treated": bool(panel.treated[i])}
            rows.append({**cell, "shrinks": shrinks})
    return _summary(panel, sorted(rows, key=lambda row: -row["shrinks"])[:top], len(missing), len(first))


def _filled(panel: Panel, i: int, t: int) -> Panel:
    """The panel with one more cell, at the unit's mean and with its mean weight: weights do not depend on what it holds."""
    values, weights = panel.values.copy(), panel.weights.copy()
    seen = weights[0] > 0
    own = seen[i].any()
    values[0, i, t] = panel.values[0, i][seen[i]].mean() if own else np.nanmean(panel.values[0])
    weights[0, i, t] = weights[0, i][seen[i]].mean() if own else np.median(weights[0][seen])
    return replace(panel, values=values, weights=weights)


def _error(panel: Panel, ask: Ask, paths: Paths, cluster: str) -> float | NotEstimable:
    """The standard deviation of the effect under the working covariance."""
    result = refit(panel, ask)
    if isinstance(result, NotEstimable):
        return result
    model = Working.of(result)
    if isinstance(model, NotEstimable):
        return model
    kept = positions(panel, result.panel.units, CHECK)
    return working_error(model.weights * paths.spread[kept][:, None], result.panel.cluster_codes(cluster)[1], paths)


def working_error(weights: np.ndarray, codes: np.ndarray, paths: Paths) -> float:
    """√(w'Σw) for weights (N × T) times spread: Σ = sd² · ((1 − r) within units + r within clusters) · ρ^|t − s|."""
    gap = np.abs(np.subtract.outer(np.arange(weights.shape[1]), np.arange(weights.shape[1])))
    gamma = paths.rho ** gap.astype(float)
    together = np.zeros((int(codes.max()) + 1, weights.shape[1]))
    np.add.at(together, codes, weights)
    alone, shared = (float(((part @ gamma) * part).sum()) for part in (weights, together))
    return float(paths.sd * np.sqrt((1 - paths.common) * alone + paths.common * shared))


def _summary(panel: Panel, rows: list[dict[str, Any]], missing: int, tried: int) -> Check:
    if not rows:
        why = NotEstimable("none of the missing returns leaves an estimate when it comes in", "Check the panel.")
        return not_told(CHECK, ASKS, why, unit=UNIT)
    best = rows[0]
    if best["shrinks"] < WORTH:
        words = f"None of {missing} missing returns would narrow the interval by itself."
    else:
        words = (
            f"Of {missing} missing returns, that of {panel.unit} {best['unit']} for {best['period']} would tell most: "
            f"it alone would narrow the interval by {about(best['shrinks'])}."
        )
    if tried < missing:
        words += f" {tried} were tried."
    return Check(CHECK, ASKS, best["shrinks"], UNIT, words, "none", tuple(rows))
