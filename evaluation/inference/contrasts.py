"""One effect taken apart by treated group: window weights, own estimate, and what comparison units do over that window."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from evaluation.errors import PanelError
from evaluation.inference.assignment import Groups
from evaluation.inference.base import Inference, Scored
from evaluation.panel import Panel

NO_COMPARISON = (
    "Fewer than two units never adopt, so no comparison shows what happens without the reform. Add units that do not adopt."
)
RANK = 1e-10  # relative size below which a period effect is not told from the others


@dataclass(frozen=True, eq=False)
class Contrasts:
    """One row of a result, by treated group.

    Attributes:
        group: J; treated groups that carry the row, as numbers in `Groups`.
        window: J × T; Σ of the group's weights on cells.
        scale: J; Σ of its weights on treated cells, 0 where the row is about cells before the start.
        own: J; Σ of weight × (outcome − period effect of the comparison units).
        residual: C × T; comparison units' outcomes less unit and period effects fitted to them alone, 0 where missing.
        units: C; the comparison units.
        size: N; mean weight of a unit's cells.
    """

    group: np.ndarray
    window: np.ndarray
    scale: np.ndarray
    own: np.ndarray
    residual: np.ndarray
    units: np.ndarray
    size: np.ndarray


def contrasts_of(result: Scored, k: int, groups: Groups) -> Contrasts:
    """Take row k apart. Raises `PanelError` without weights on cells, or without a unit that never starts."""
    panel = result.panel.outcome(str(result.labels["outcome"].iloc[k]))
    never = np.flatnonzero(~groups.treated[groups.code] & (panel.weights[0] > 0).any(axis=1))
    if len(never) < 2:
        raise PanelError(NO_COMPARISON)
    weights = result.weights[k].toarray().reshape(len(panel.units), len(panel.periods))
    residual, period = comparison_fit(panel, never)
    on = panel.cohort[:, None] <= np.arange(len(panel.periods))
    carried = weights * (np.nan_to_num(panel.values[0]) - period)
    treated = np.flatnonzero(groups.treated)
    to = sparse.csr_matrix((np.ones(len(groups.code)), (groups.code, np.arange(len(groups.code)))))[treated]
    window, scale = to @ weights, to @ (weights * on).sum(axis=1)
    real = (window != 0).any(axis=1)
    given, seen = panel.weights[0], panel.weights[0] > 0
    size = np.divide(given.sum(axis=1), seen.sum(axis=1), out=np.zeros(len(given)), where=seen.any(axis=1))
    own = to @ carried.sum(axis=1)
    return Contrasts(treated[real], window[real], scale[real], own[real], residual, never, size)


def comparison_fit(panel: Panel, units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Residuals (C × T) and period effects (T) of units from weighted least squares on unit and period effects."""
    weights, outcome = panel.weights[0, units], np.nan_to_num(panel.values[0, units])
    total = weights.sum(axis=1, keepdims=True)
    share = weights / total
    centred = outcome - (share * outcome).sum(axis=1, keepdims=True)
    normal = np.diag(weights.sum(axis=0)) - weights.T @ share
    values, vectors = np.linalg.eigh(normal)
    good = values > RANK * max(values.max(), np.finfo(float).tiny)
    period = (vectors[:, good] / values[good]) @ (vectors[:, good].T @ (weights * centred).sum(axis=0))
    residual = centred - period + (share @ period)[:, None]
    return np.where(weights > 0, residual, 0.0), period


def placed(
    name: str,
    result: Scored,
    groups: Groups,
    p_value: np.ndarray,
    ends: Callable[[float], tuple[np.ndarray, np.ndarray]],
    details: Mapping[str, Any],
    warnings: Sequence[str],
    variance: np.ndarray | None = None,
) -> Inference:
    """An `Inference` with p-values and intervals of its own, and the groups that enter, are treated and compare in each row."""
    count = len(result.estimates)
    covariance = np.full((count, count), np.nan)
    if variance is not None:
        np.fill_diagonal(covariance, variance)
    onto = sparse.csr_matrix((np.ones(len(groups.code)), (groups.code, np.arange(len(groups.code)))))
    entered, treated, compared = (
        np.asarray((onto @ units.astype(float) > 0).sum(axis=0)) for units in (result.used, result.support, result.compared)
    )
    return Inference(
        name,
        groups.cluster,
        entered,
        treated,
        compared,
        "none",
        result.labels,
        result.estimates,
        covariance,
        np.full(count, np.nan),
        tuple(dict.fromkeys(warnings)),
        p_value,
        ends,
        details,
    )
