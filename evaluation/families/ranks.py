"""Intervals for ranks: which places each region could take, from simultaneous tests of all differences between regions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BLOCK = 2_000  # draws at once


@dataclass(frozen=True, eq=False)
class RankIntervals:
    """Places that K effects could take, all of them together with the level asked for.

    Attributes:
        lower: K; best place (1: largest effect).
        upper: K; worst place.
        above: K × K; whether row's effect is shown to be larger than column's.
        draws: number of draws behind the critical values.
    """

    lower: np.ndarray
    upper: np.ndarray
    above: np.ndarray
    draws: int


def rank_intervals(
    estimates: np.ndarray, covariance: np.ndarray, df: float = np.inf, *, level: float = 0.95, draws: int = 9999, seed: int = 1
) -> RankIntervals:
    """Simultaneous intervals for ranks; rank 1 is the largest effect.

    All differences are tested together with the quantile of the largest |t| among them, then again among those not yet shown
    (stepdown), until none is added. A region's best place is one after those shown to lie above it, its worst leaves room for
    those shown to lie below. Mogstad, Romano, Shaikh, Wilhelm 2024 (Review of Economic Studies 91), section 3.

    Args:
        estimates: K.
        covariance: K × K.
        df: degrees of freedom that all errors share (the smallest of theirs); inf: normal.
        level: with which all K intervals hold at once.
        draws: of the estimates' errors.
        seed: of the draws.
    """
    count = len(estimates)
    first, second = np.triu_indices(count, 1)
    variances = np.diag(covariance)
    error = np.sqrt(np.maximum(variances[first] + variances[second] - 2 * covariance[first, second], 0))
    real = error > np.sqrt(variances.max()) * 1e-9
    first, second, error = first[real], second[real], error[real]
    above = np.zeros((count, count), bool)
    if len(first):
        statistic = (estimates[first] - estimates[second]) / error
        null = _null(covariance, df, first, second, error, draws, seed)
        shown = _stepdown(np.abs(statistic), null, level)
        up, down = shown & (statistic > 0), shown & (statistic < 0)
        above[first[up], second[up]] = True
        above[second[down], first[down]] = True
    return RankIntervals(1 + above.sum(axis=0), count - above.sum(axis=1), above, draws)


def _null(
    covariance: np.ndarray, df: float, first: np.ndarray, second: np.ndarray, error: np.ndarray, draws: int, seed: int
) -> np.ndarray:
    """|t| of all differences under no difference: draws × pairs."""
    random = np.random.Generator(np.random.PCG64(seed))
    size, basis = np.linalg.eigh(covariance)
    root = basis * np.sqrt(np.maximum(size, 0))
    errors = random.standard_normal((draws, len(covariance))) @ root.T
    if np.isfinite(df):
        errors /= np.sqrt(random.chisquare(df, draws) / df)[:, None]
    return np.asarray(np.abs(errors[:, first] - errors[:, second]) / error)


def _stepdown(statistic: np.ndarray, null: np.ndarray, level: float) -> np.ndarray:
    shown = np.zeros(len(statistic), bool)
    while not shown.all():
        largest = np.sort(null[:, ~shown].max(axis=1))
        rank = int(np.ceil(level * (len(largest) + 1)))
        if rank > len(largest):
            return shown
        new = ~shown & (statistic > largest[rank - 1])
        if not new.any():
            return shown
        shown |= new
    return shown
