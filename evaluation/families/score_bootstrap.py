"""A wild bootstrap from scores with the null imposed, shared by all outcomes of a result.

Multipliers on the scores as they are hold badly with few treated clusters: the scores of the treated add up to nothing, so they
are too small. Here each treated unit gets back its share of the effect (the null is imposed), signs are drawn, and each side is
centred again before the error is taken, as if the effect were estimated anew (Cameron, Gelbach, Miller 2008; Kline, Santos 2012).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evaluation.errors import NotEstimable, PanelError
from evaluation.inference import group_sums
from evaluation.panel import NEVER
from evaluation.result import Result

FEW = 5  # treated clusters below which hardly anything can be shown
WEBB = np.sqrt(np.array([0.5, 1.0, 1.5]))
MANY = 12  # treated groups with a sign of their own above which signs are Rademacher's; up to it Webb's six values
BLOCK = 512  # draws at once


@dataclass(frozen=True, eq=False)
class ScoreBootstrap:
    """Statistics of K outcomes and of their shared resampling.

    Attributes:
        statistics: K; estimate ÷ √Σ(cluster sums of scores)², NaN where it cannot be had.
        null: draws × K, with every null true.
        method: how it was had, in words.
        warnings: what a reader must know.
    """

    statistics: np.ndarray
    null: np.ndarray
    method: str
    warnings: tuple[str, ...]


def score_bootstrap(
    result: Result, cluster: str | None, subcluster: str | None, draws: int, seed: int
) -> ScoreBootstrap | NotEstimable:
    """Resampled t-statistics of the rows of a result, signs shared by all rows.

    Args:
        result: rows whose weights on treated cells add up to 1 (overall effects).
        cluster: column to cluster errors by; default the panel's own.
        subcluster: finer column that signs are drawn by; None: the cluster.
        draws: number of draws.
        seed: of the draws.

    Returns:
        `ScoreBootstrap`, or `NotEstimable`: fewer than two clusters on a side, errors that are the estimator's own, or an
        estimator that keeps no weights.
    """
    name, codes = result.panel.cluster_codes(cluster)
    remedy = "Give null=, the statistics of a randomisation that the outcomes share."
    if result.own_df is not None:
        return NotEstimable("the errors are the estimator's own: no unit has a share in them", remedy)
    if result.builder is None:
        return NotEstimable(f"{result.estimator} keeps no weights on cells, so units have no share of the effect", remedy)
    sides = [np.unique(codes[side.any(axis=1)]) for side in (result.support, result.compared)]
    if min(len(side) for side in sides) < 2:
        return NotEstimable(f"fewer than two treated or comparison clusters by {name}", remedy)
    by, by_codes = _signs_by(result, name, subcluster)
    parts = _parts(result, codes, by_codes)
    statistics = _statistics(np.ones((1, len(parts.cluster))), parts)[0]
    random = np.random.Generator(np.random.PCG64(seed))
    groups = len(np.unique(by_codes[result.support.any(axis=1)]))
    null = np.empty((draws, len(result.estimates)))
    for start in range(0, draws, BLOCK):
        signs = _draw(random, min(BLOCK, draws - start), len(parts.cluster), groups)
        null[start : start + len(signs)] = _statistics(signs, parts)
    method = f"score bootstrap with the null imposed, signs by {by}, errors by {name}"
    return ScoreBootstrap(statistics, null, method, _said(len(sides[0]), name, by))


def _said(treated: int, name: str, by: str) -> tuple[str, ...]:
    out = []
    if treated < FEW:
        out.append(f"Only {treated} treated clusters by {name}: p-values are fragile, and only very large effects can be shown.")
    if by != name:
        out.append(f"Signs drawn by {by} within {name} alarm too often where comparison clusters are single units.")
    return tuple(out)


def _signs_by(result: Result, name: str, subcluster: str | None) -> tuple[str, np.ndarray]:
    by, codes = result.panel.cluster_codes(subcluster or name)
    above = result.panel.cluster_codes(name)[1]
    pairs = np.unique(np.column_stack([codes, above]), axis=0)
    if len(pairs) > len(np.unique(codes)):
        raise PanelError(f"Signs drawn by {by} must lie within the clusters by {name}. Name a finer column in subcluster=.")
    return by, codes


def _shares(result: Result) -> tuple[np.ndarray, np.ndarray]:
    """Shares of units in the effect (sums of weights on treated cells) and in the comparison: N × K, columns add up to 1."""
    units, periods = len(result.panel.units), len(result.panel.periods)
    weights = np.asarray(result.weights.todense()).reshape(-1, units, periods)
    on = np.arange(periods) >= np.where(result.panel.cohort < NEVER, result.panel.cohort, periods)[:, None]
    treated = (weights * on).sum(axis=2).T
    treated = treated / treated.sum(axis=0)
    size = np.where(result.support, 0.0, np.abs(weights).sum(axis=2).T) * result.compared
    compared = np.where(result.compared & ~result.support, size, 0.0)
    if (compared.sum(axis=0) == 0).any():  # everybody is treated in the end: those not yet treated compare
        compared = np.abs(weights).sum(axis=2).T * result.compared
    return treated, compared / compared.sum(axis=0)


@dataclass(frozen=True, eq=False)
class _Parts:
    """Restricted scores added up within the B groups that share a sign, sorted by cluster, and the shares of G clusters.

    `treated` and `compared` are B × K, `cluster` and `first` say where each cluster's groups begin, shares are G × K.
    """

    treated: np.ndarray
    compared: np.ndarray
    cluster: np.ndarray
    first: np.ndarray
    treated_share: np.ndarray
    compared_share: np.ndarray


def _parts(result: Result, codes: np.ndarray, by_codes: np.ndarray) -> _Parts:
    treated, compared = _shares(result)
    on = treated != 0
    restricted = result.scores + treated * result.estimates
    above = np.zeros(by_codes.max() + 1, int)
    above[by_codes] = codes
    order = np.argsort(above, kind="stable")
    first = np.flatnonzero(np.diff(above[order], prepend=-1))
    present = above[order][first]
    shares = [group_sums(share, codes)[present] for share in (treated, np.where(on, 0.0, compared))]
    sums = [group_sums(one, by_codes)[order] for one in (restricted * on, restricted * ~on)]
    return _Parts(sums[0], sums[1], above[order], first, shares[0], shares[1])


def _draw(random: np.random.Generator, draws: int, count: int, groups: int) -> np.ndarray:
    """Signs (draws × count): Rademacher's, or with few groups Webb's six values."""
    signs = random.integers(0, 2, (draws, count)) * 2.0 - 1.0
    return signs if groups > MANY else signs * WEBB[random.integers(0, 3, (draws, count))]


def _statistics(signs: np.ndarray, parts: _Parts) -> np.ndarray:
    """T of each draw (draws × K): the sum of signed scores over the error of the same, each side centred again."""
    top, bottom = signs @ parts.treated, signs @ parts.compared
    squares = np.empty_like(top)
    for k, score in enumerate((parts.treated + parts.compared).T):
        moved = np.add.reduceat(signs * score, parts.first, axis=1)
        moved -= np.column_stack([top[:, k], bottom[:, k]]) @ np.stack([parts.treated_share[:, k], parts.compared_share[:, k]])
        squares[:, k] = np.einsum("dg,dg->d", moved, moved)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = (top + bottom) / np.sqrt(squares)
    return np.asarray(np.where(np.isfinite(found), found, np.nan))
