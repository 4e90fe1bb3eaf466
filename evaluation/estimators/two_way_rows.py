"""Two-way fixed effects of rows, exact from the sums of their cells, with covariates of single rows where cells carry them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse

from evaluation.errors import NotEstimable, PanelError
from evaluation.estimators import two_way
from evaluation.estimators.design import Pieces, dots
from evaluation.estimators.two_way import RANK
from evaluation.panel import Panel

ROWS = "rows"


def prepare(panel: Panel, options: Mapping[str, Any]) -> Panel | NotEstimable:
    """As two-way fixed effects on cells; refuse covariates of rows that the panel does not have."""
    if options["covariates"] != ROWS:
        return two_way.prepare(panel, options)
    if panel.moments is None or not panel.moments.covariates:
        return NotEstimable(
            "the panel has no covariates of single rows",
            "Make it with Panel.from_cells(weight='rows', row_covariates=[...]), or fit on the rows: evaluation.cells.row_level",
        )
    return two_way.prepare(panel, {**options, "covariates": "none"})


def fit(panel: Panel, aggregate: str, options: Mapping[str, Any]) -> Pieces | NotEstimable:
    """Least squares on the rows where their sums are known, else on cells."""
    if panel.moments is None:
        return two_way.fit(panel, aggregate, options)
    if options["covariates"] == "by_period":
        made = two_way.fit(panel, aggregate, options)
        return made if isinstance(made, NotEstimable) else replace(made, observations=panel.observations(panel.weights[0]))
    return _on_rows(panel, aggregate, options)


@dataclass(frozen=True, eq=False)
class Solved:
    """The fit on rows: K treatment columns less effects and covariates.

    Attributes:
        x: what is left of them on average in each cell, N × T × K.
        inverse: of their normal matrix, K × K.
        estimates: K.
        scores: N × K.
        rank: what the covariates add to the parameters.
    """

    x: np.ndarray
    inverse: np.ndarray
    estimates: np.ndarray
    scores: np.ndarray
    rank: int


def _on_rows(panel: Panel, aggregate: str, options: Mapping[str, Any]) -> Pieces | NotEstimable:
    assert panel.moments is not None, "only asked where rows are known"
    weights, reference = panel.weights[0], int(options["reference"])
    columns, labels = two_way.regressors(panel, aggregate, reference)
    if not labels or (reference < 0 and all(label["kind"] == "pre" for label in labels)):
        return two_way.fit(panel, aggregate, {**options, "covariates": "none"})  # it says why there is none
    count = panel.moments.means.shape[3] if options["covariates"] == ROWS else 1
    means, spread = panel.moments.means[0, :, :, :count], panel.moments.spread[0, :, :, :count, :count]
    both, periods = _within(panel, np.concatenate([columns, means], axis=2), options["period_by"])
    cut = columns.shape[2]
    found = _solved(both[:, :, :cut], both[:, :, cut], both[:, :, cut + 1 :], spread, weights)
    raw = np.einsum("nt,ntk->k", weights, columns**2)
    if (
        found is None
        or (raw <= 0).any()
        or np.linalg.eigvalsh(np.linalg.inv(found.inverse) / np.sqrt(np.outer(raw, raw))).min() < RANK
    ):
        return two_way._refusal(panel, aggregate)
    return _pieces(panel, aggregate, (columns, labels, reference), found, periods)


def _within(panel: Panel, columns: np.ndarray, period_by: str | None) -> tuple[np.ndarray, int]:
    """Columns (N × T × P) less unit effects and period effects (of each group), and how many period effects there are."""
    weights, out, count = panel.weights[0], np.empty_like(columns), 0
    group = np.zeros(len(weights), int) if period_by is None else panel.cluster_codes(period_by)[1]
    for code in np.unique(group):
        own = group == code
        out[own], rank = two_way.within(columns[own], weights[own])
        count += (rank + 1) * bool((weights[own] > 0).any())
    return out, count


def _solved(x: np.ndarray, y: np.ndarray, z: np.ndarray, spread: np.ndarray, weights: np.ndarray) -> Solved | None:
    """Least squares of y on x and z, all less effects, from means of cells and products within cells.

    Args:
        x: treatment columns, N × T × K; constant within a cell.
        y: outcome, N × T.
        z: covariates of rows, N × T × P.
        spread: products within cells of outcome and covariates, N × T × (1 + P) × (1 + P).
        weights: of cells, N × T.

    Covariates are taken out first (Frisch, Waugh, Lovell), those that say nothing new with them; within a cell only they and the
    outcome differ.
    """
    inside = spread.sum(axis=(0, 1))
    weighted = z * weights[:, :, None]
    normal = np.einsum("ntp,ntq->pq", weighted, z) + inside[1:, 1:]
    inverse, rank = _inverse(normal)
    on_x = inverse @ np.einsum("ntp,ntk->pk", weighted, x)
    on_y = inverse @ (np.einsum("ntp,nt->p", weighted, y) + inside[1:, 0])
    left_x, left_y = x - z @ on_x, y - z @ on_y
    moved = left_x * weights[:, :, None]
    square = np.einsum("ntk,ntj->kj", moved, left_x) + on_x.T @ inside[1:, 1:] @ on_x
    if np.linalg.matrix_rank(square) < len(square):
        return None
    final = np.linalg.inv(square)
    beta = final @ (np.einsum("ntk,nt->k", moved, left_y) - on_x.T @ (inside[1:, 0] - inside[1:, 1:] @ on_y))
    slopes = on_y - on_x @ beta
    within = spread[:, :, 1:, 0].sum(axis=1) - spread[:, :, 1:, 1:].sum(axis=1) @ slopes
    scores = np.einsum("ntk,nt->nk", moved, left_y - left_x @ beta) - within @ on_x
    return Solved(left_x, final, beta, scores @ final, rank)


def _inverse(normal: np.ndarray) -> tuple[np.ndarray, int]:
    """Generalised inverse of a normal matrix, and its rank; scaled first, so that units of measurement change nothing."""
    size = np.sqrt(np.diag(normal))
    scale = np.divide(1.0, size, out=np.zeros_like(size), where=size > 0)
    if not scale.any():
        return np.zeros_like(normal), 0
    values, vectors = np.linalg.eigh(normal * np.outer(scale, scale))
    good = values > RANK * values.max()
    return ((vectors[:, good] / values[good]) @ vectors[:, good].T) * np.outer(scale, scale), int(good.sum())


def _pieces(
    panel: Panel, aggregate: str, asked: tuple[np.ndarray, list[dict[str, Any]], int], found: Solved, periods: int
) -> Pieces:
    columns, labels, reference = asked
    weights = panel.weights[0]
    observed = (weights > 0).any(axis=1)
    support = (panel.treated & observed)[:, None] & ((columns * (weights > 0)[:, :, None]) > 0).any(axis=1)
    transform, labels = two_way._with_reference(labels, reference)
    real = (transform != 0).any(axis=1)[None, :]
    compares = observed if len(np.unique(panel.cohort[panel.treated])) > 1 else observed & ~panel.treated
    on_cells = np.einsum("kj,ntj->knt", found.inverse, found.x * weights[:, :, None])

    def builder() -> sparse.csr_matrix:
        if found.rank:
            raise PanelError(
                "two_way_fixed_effects with covariates='rows' keeps no weights on cells: what differs within cells is in its "
                "estimate too. Use covariates='none', or errors clustered by name."
            )
        return dots(np.tensordot(transform, on_cells, axes=1))

    return Pieces(
        labels=labels,
        estimates=transform @ found.estimates,
        scores=found.scores @ transform.T,
        support=(support.astype(float) @ (transform != 0).T) > 0,
        used=observed[:, None] & real,
        compared=compares[:, None] & real,
        parameters=len(found.estimates) + periods + found.rank,
        observations=panel.observations(weights),
        builder=builder,
        warnings=two_way._warnings(panel, on_cells[0]) if aggregate == "overall" else (),
    )


TWO_WAY = replace(
    two_way.TWO_WAY, prepare=prepare, fit=fit, choices={**two_way.TWO_WAY.choices, "covariates": ("none", "by_period", ROWS)}
)
