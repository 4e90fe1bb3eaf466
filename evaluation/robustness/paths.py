"""Residual paths of units without the reform: what the outcome does by itself, drawn again for as long a window as is wanted.

A drawn path of a unit is the whole residual path of a unit that was never treated, with its own serial correlation. Units of one
cluster share a part: √r × a path common to the cluster + √(1 − r) × a path of the unit, r estimated within clusters. Where too
few units are seen without the reform for the whole window, paths are a first-order autoregression with drawn innovations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize, sparse

from evaluation.errors import NotEstimable
from evaluation.estimators.two_way import within
from evaluation.panel import Panel

DONORS = 20  # whole paths needed before they are drawn as they are
COMPLETE = 0.8  # share of the window in which a donor must be seen
PAIRS = 10  # first differences of treated units needed before their own spread counts
SHORTEST = 3  # untreated cells of a unit below which it tells nothing of its path


@dataclass(frozen=True, eq=False)
class Paths:
    """What the outcome does by itself.

    Attributes:
        residual: untreated residuals in units of the outcome divided by `spread`, N × T, NaN where treated or missing.
        spread: relative standard deviation of each unit (N).
        rho: first-order autocorrelation, corrected for the unit means taken out.
        sd: standard deviation of one cell of a unit of spread 1.
        common: correlation of two units of one cluster, 0 to 1.
        treated_spread: standard deviation of treated over that of other units, by changes in the same periods; 1 where few.
        donors: rows of `residual` that can be drawn whole.
        method: "whole paths" or "autoregression".
    """

    residual: np.ndarray
    spread: np.ndarray
    rho: float
    sd: float
    common: float
    treated_spread: float
    donors: np.ndarray
    method: str


def learn(panel: Panel, codes: np.ndarray, ahead: int = 0) -> Paths | NotEstimable:
    """Residual paths of one outcome from cells before any treatment, less `ahead` periods of anticipation.

    Args:
        panel: of one outcome.
        codes: cluster of each unit (N).
        ahead: periods before the start that are not counted as untreated.
    """
    weights = panel.weights[0]
    when = np.arange(weights.shape[1])[None, :]
    clean = (when < (panel.cohort[:, None] - ahead)) & (weights > 0)
    clean &= (clean.sum(axis=1) >= SHORTEST)[:, None]
    if not clean.any():
        return NotEstimable(
            f"no {panel.unit} is seen in {SHORTEST} periods without the reform", "Add periods before the first start."
        )
    values = np.nan_to_num(panel.values[0])[:, :, None]
    left = within(values, clean.astype(float))[0][:, :, 0]
    residual = np.where(clean, left, np.nan)
    size = np.nanstd(residual)
    if not size > 1e-12 * max(float(np.abs(values).max()), 1e-300):
        return NotEstimable("the outcome does not vary beyond unit and period effects", "Check the outcome.")
    spread = _spread(panel, residual, clean)
    residual = residual / spread[:, None]
    treated_spread = _treated_spread(residual, panel.treated)
    spread = spread * np.where(panel.treated, treated_spread, 1.0)
    residual = residual / np.where(panel.treated, treated_spread, 1.0)[:, None]
    rho, sd = _serial(residual, clean)
    donors = np.flatnonzero(~panel.treated & (clean.mean(axis=1) >= COMPLETE))
    method = "whole paths" if len(donors) >= DONORS else "autoregression"
    return Paths(residual, spread, rho, sd, _common(residual, codes), treated_spread, donors, method)


def _spread(panel: Panel, residual: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """Relative standard deviations of units (N, mean square 1): variance = a + b ÷ weight, not negative; 1 where unweighted."""
    count = clean.sum(axis=1)
    if not panel.weighted:
        return np.ones(len(count))
    total = np.where(panel.weights[0] > 0, panel.weights[0], 0.0).sum(axis=1) / np.maximum((panel.weights[0] > 0).sum(axis=1), 1)
    size = np.where(total > 0, total, np.median(total[total > 0]))
    known = count >= SHORTEST
    square = np.nansum(residual**2, axis=1)[known] / (count[known] - 1)
    columns = np.column_stack([np.ones(known.sum()), size.mean() / size[known]])
    root = np.sqrt(count[known] / (columns.sum(axis=1) ** 2))  # small units vary more: they count less in the fit
    coefficients, _ = optimize.nnls(columns * root[:, None], square * root)
    variance = np.column_stack([np.ones(len(size)), size.mean() / size]) @ coefficients
    if not variance.min() > 0:
        return np.ones(len(count))
    return np.asarray(np.sqrt(variance / variance.mean()))


def _serial(residual: np.ndarray, clean: np.ndarray) -> tuple[float, float]:
    """Autocorrelation and standard deviation of a stationary first-order autoregression whose unit means were taken out.

    What taking out the mean does to the two moments is known exactly for a path of n cells, so the sample ratio is inverted.
    """
    filled = np.nan_to_num(residual)
    both = clean[:, 1:] & clean[:, :-1]
    lag = (filled[:, 1:] * filled[:, :-1])[both].mean() if both.any() else 0.0
    length = max(int(round(float(np.average(clean.sum(axis=1), weights=clean.sum(axis=1))))), SHORTEST)
    square = float((filled**2).sum() / clean.sum())
    gap = np.abs(np.subtract.outer(np.arange(length), np.arange(length)))

    def moments(rho: float) -> tuple[float, float]:
        gamma = rho ** gap.astype(float)
        gamma = gamma - gamma.mean(axis=0) - gamma.mean(axis=1)[:, None] + gamma.mean()
        return float(np.trace(gamma) / length), float(np.trace(gamma, offset=1) / (length - 1))

    def miss(rho: float) -> float:
        square_one, lag_one = moments(rho)
        return lag_one / square_one - lag / square

    low, high = -0.95, 0.98
    rho = high if miss(high) <= 0 else low if miss(low) >= 0 else float(optimize.brentq(miss, low, high))
    return rho, float(np.sqrt(square / moments(rho)[0]))


def _treated_spread(residual: np.ndarray, treated: np.ndarray) -> float:
    """Standard deviation of changes of treated units over that of the others in the same periods; 1 where too few are seen.

    The same periods: a year in which everything moved, after the reform began, must not make the treated look calm.
    """
    change = np.diff(residual, axis=1)
    seen = np.isfinite(change)
    here, there = (seen[side].sum(axis=0) for side in (treated, ~treated))
    both = (here > 0) & (there > 0)
    if here[both].sum() < PAIRS or there[both].sum() < PAIRS:
        return 1.0
    square = np.nan_to_num(change) ** 2
    own = square[treated][:, both].sum()
    other = (square[~treated][:, both].sum(axis=0) / there[both]) @ here[both]
    return float(np.sqrt(own / other)) if own > 0 and other > 0 else 1.0


def _common(residual: np.ndarray, codes: np.ndarray) -> float:
    """Correlation within clusters: products of two units in one period over squares, all pairs of all clusters together."""
    seen, filled = np.isfinite(residual), np.nan_to_num(residual)
    groups = int(codes.max()) + 1
    total, count, square = (np.zeros((groups, residual.shape[1])) for _ in range(3))
    np.add.at(total, codes, filled)
    np.add.at(count, codes, seen)
    np.add.at(square, codes, filled**2)
    if not (square * np.maximum(count - 1, 0)).sum() > 0:
        return 0.0
    return float(np.clip((total**2 - square).sum() / (square * np.maximum(count - 1, 0)).sum(), 0.0, 0.95))


@dataclass(frozen=True, eq=False)
class Picks:
    """Which paths make up outcomes without the reform: A parts, one for each unit and one for each cluster with a common path.

    Attributes:
        bank: paths to draw from, T × B.
        index: A × D; the path of each part in each draw.
        onto: N × A; how much of each part's path a unit's outcome has.
    """

    bank: np.ndarray
    index: np.ndarray
    onto: sparse.csr_matrix

    def outcomes(self) -> np.ndarray:
        """N × T × D, in units of the outcome."""
        periods, draws = len(self.bank), self.index.shape[1]
        drawn = self.bank[:, self.index].transpose(1, 0, 2).reshape(len(self.index), -1)
        return np.asarray(self.onto @ drawn).reshape(-1, periods, draws)


def pick(paths: Paths, codes: np.ndarray, periods: int, draws: int, rng: np.random.Generator) -> Picks:
    """Paths drawn for units clustered by `codes` (N): a unit's own and, where its cluster has other units, the cluster's."""
    units, size = len(codes), np.bincount(codes)
    bank = _bank(paths, periods, rng)
    index = rng.integers(0, bank.shape[1], (units, draws))
    shared = size[codes] > 1
    if not (paths.common > 0 and shared.any()):
        return Picks(bank, index, sparse.csr_matrix(sparse.diags_array(paths.spread)))
    clusters = np.flatnonzero(size > 1)
    index = np.concatenate([index, rng.integers(0, bank.shape[1], (len(size), draws))[clusters]])
    own = np.where(shared, np.sqrt(1 - paths.common), 1.0) * paths.spread
    place = units + np.searchsorted(clusters, codes[shared])
    data = np.concatenate([own, np.sqrt(paths.common) * paths.spread[shared]])
    rows, columns = np.concatenate([np.arange(units), np.flatnonzero(shared)]), np.concatenate([np.arange(units), place])
    return Picks(bank, index, sparse.csr_matrix((data, (rows, columns)), shape=(units, len(index))))


def _bank(paths: Paths, periods: int, rng: np.random.Generator, least: int = 500) -> np.ndarray:
    """Paths to draw from, periods × count, of a unit of spread 1."""
    if paths.method == "whole paths":
        known = paths.residual[paths.donors]
        copies = 1 if known.shape[1] == periods and np.isfinite(known).all() else -(-least // len(known))
        return _continued(np.tile(known, (copies, 1)), paths, periods, rng).T
    innovations = _innovations(paths)
    burn = 60
    path = np.zeros((burn + periods, 4 * least))
    drawn = innovations[rng.integers(0, len(innovations), path.shape)]
    path[0] = drawn[0]
    for t in range(1, len(path)):
        path[t] = paths.rho * path[t - 1] + drawn[t]
    return path[burn:]


def _innovations(paths: Paths) -> np.ndarray:
    """Residual innovations of the autoregression, centred and scaled to its variance."""
    step = paths.residual[:, 1:] - paths.rho * paths.residual[:, :-1]
    known = step[np.isfinite(step)]
    if len(known) < 2 or not known.std() > 0:
        known = paths.residual[np.isfinite(paths.residual)]
    centred = known - known.mean()
    return np.asarray(centred / centred.std() * paths.sd * np.sqrt(1 - paths.rho**2))


def _continued(known: np.ndarray, paths: Paths, periods: int, rng: np.random.Generator) -> np.ndarray:
    """Paths with their missing cells, and periods beyond the last, filled by the autoregression around a drawn mean.

    A residual path has its mean taken out, so it would come back to its own mean and not to the unit's: the difference is drawn.
    """
    count, length = known.shape
    innovations = _innovations(paths)
    gap = np.abs(np.subtract.outer(np.arange(length), np.arange(length)))
    mean_sd = paths.sd * float(np.sqrt((paths.rho ** gap.astype(float)).mean()))
    offset = rng.normal(0, mean_sd, count)
    out = np.full((count, periods), np.nan)
    out[:, : min(length, periods)] = known[:, :periods]
    first = np.isnan(out[:, 0])
    out[first, 0] = rng.choice(known[np.isfinite(known)], int(first.sum()))
    for t in range(1, periods):
        empty = np.isnan(out[:, t])
        drawn = innovations[rng.integers(0, len(innovations), count)]
        again = paths.rho * (out[:, t - 1] + offset) + drawn - offset
        out[empty, t] = again[empty]
    return out
