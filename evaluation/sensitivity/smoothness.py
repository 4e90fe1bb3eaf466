"""Bounds when the slope of the trend may change by at most M from one period to the next (Rambachan, Roth 2023)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from evaluation.errors import NotEstimable, PanelError, check_choice
from evaluation.sensitivity.breakdown import Breakdown, breakdown
from evaluation.sensitivity.conditional import Band, band, confidence_set, differences, mixture
from evaluation.sensitivity.study import Bound, Study, as_study, check_level, check_values

METHODS = ("fixed_length", "conditional")
LONGEST = 100  # knots of the path for each of its coefficients, at most; about three are usual
FINE = 17  # penalties tried on each stretch of the path before the best is refined
ROUNDS = 8


def smoothness(
    estimates: Any,
    covariance: Any,
    pre: int,
    post: int,
    contrast: Any,
    values: Sequence[float],
    level: float = 0.95,
    method: str = "fixed_length",
) -> tuple[Bound, ...] | NotEstimable:
    """Confidence sets for contrast'τ when the slope of the difference in trends changes by at most M a period.

    Δ^SD(M) of Rambachan, Roth (2023). "fixed_length" is the shortest interval of fixed length around an estimator linear in
    the estimates (HonestDiD's default here); "conditional" is the hybrid test of `relative_magnitudes`.

    Args:
        estimates: before, oldest first, then after, without the reference period (pre + post), in units of the outcome.
        covariance: of them, (pre + post) × (pre + post).
        pre: number of periods before, 2 or more.
        post: number of periods after.
        contrast: weights of the effect on those after (post).
        values: of M, 0 or more, in units of the outcome a period; 0 carries a straight line on.
        level: of confidence.
        method: fixed_length or conditional.

    Returns:
        One `Bound` a value, or `NotEstimable` with too few periods before or a singular covariance.

    Raises:
        PanelError: shapes that do not fit.
        OptionError: values, level or method out of range.
    """
    check_choice("method", method, METHODS)
    study = as_study(estimates, covariance, pre, post, contrast)
    if isinstance(study, NotEstimable):
        return study
    return smooth_bounds(study, check_values(values), check_level(level), method)


def smooth_bounds(study: Study, values: np.ndarray, level: float, method: str = "fixed_length") -> tuple[Bound, ...]:
    """As `smoothness`, from what is checked already."""
    if not len(values):
        return ()
    if method == "conditional":
        moments, group = smooth_band(study, values)
        found = confidence_set(moments, group, len(values), 1 - level, study.std_error * 1e-3)
    else:
        lower, upper = _fixed_length(study, frontier(study.covariance, study.pre, study.contrast), values, level)
        found = lower, upper, np.ones(len(values), bool)
    return tuple(
        Bound("smoothness", float(value), float(lower), float(upper), bool(whole))
        for value, lower, upper, whole in zip(values, *found, strict=True)
    )


def smooth_breakdown(study: Study, level: float, limit: float) -> Breakdown:
    """The largest M at which the fixed-length interval, and those of all smaller M tried, leave out zero; to 0.01 errors."""
    path = frontier(study.covariance, study.pre, study.contrast)

    def leaves_out_zero(values: np.ndarray) -> np.ndarray:
        lower, upper = _fixed_length(study, path, values, level)
        return (lower > 0) | (upper < 0)

    return breakdown(leaves_out_zero, limit, study.std_error * 0.01)


def _fixed_length(study: Study, path: Frontier, values: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    weights, half = shortest_interval(path, study.covariance, values, level)
    middle = weights @ study.estimates
    return middle - half, middle + half


@dataclass(frozen=True, eq=False)
class Frontier:
    """Every estimator that no other beats in both worst bias and variance: a path of straight stretches.

    Attributes:
        penalties: of bias against variance, at the J ends of stretches, falling.
        weights: on all estimates at those ends (J × (pre + post)); between two ends they are a mixture of both.
        biases: worst bias at M = 1 at those ends (J).
    """

    penalties: np.ndarray
    weights: np.ndarray
    biases: np.ndarray


def frontier(covariance: np.ndarray, pre: int, contrast: np.ndarray) -> Frontier:
    """The frontier between worst bias and variance of estimators that a straight trend does not mislead.

    The estimator is contrast'after + a'before. With s the twice-summed a, the last of which the straight trend fixes, the worst
    bias is M × (Σ|s| + a constant) and the variance is quadratic in s. So the frontier is a lasso path: exact, by homotopy.
    """
    post = len(contrast)
    before, _ = differences(pre, post, 2)
    straight = np.concatenate([np.zeros(pre - 1), [float(np.arange(1, post + 1) @ contrast)], contrast])
    constant = float(np.abs(mixture(contrast, 2)).sum())
    knots = _lasso_path(before @ covariance @ before.T, before @ covariance @ straight)
    coefficients = np.array([knot[1] for knot in knots]).reshape(len(knots), len(before))
    return Frontier(
        penalties=np.array([knot[0] for knot in knots]),
        weights=straight + coefficients @ before,
        biases=constant + np.abs(coefficients).sum(axis=1),
    )


def _lasso_path(gram: np.ndarray, linear: np.ndarray) -> list[tuple[float, np.ndarray]]:
    """Knots (λ, s) of argmin ½ s'Gs + linear's + λ‖s‖₁ from the first λ at which s is 0 down to 0."""
    count = len(linear)
    s = np.zeros(count)
    if not count:
        return [(0.0, s)]
    penalty = float(np.abs(linear).max())
    knots = [(penalty, s.copy())]
    signs = np.zeros(count)
    first = int(np.abs(linear).argmax())
    signs[first] = -np.sign(linear[first])
    dropped = -1
    for _ in range(LONGEST * count):
        if penalty <= 0:
            return knots
        active = np.flatnonzero(signs)
        direction = np.zeros(count)
        direction[active] = np.linalg.solve(gram[np.ix_(active, active)], signs[active])  # ds for each unit that λ falls
        fall, at, enters = _next_knot(gram, linear, s, signs, direction, penalty, dropped)
        s = s + fall * direction
        penalty = penalty - fall if at >= 0 else 0.0
        dropped = -1
        if at >= 0 and enters:
            signs[at] = -np.sign((gram @ s + linear)[at])
        elif at >= 0:
            s[at], signs[at], dropped = 0.0, 0.0, at
        knots.append((penalty, s.copy()))
    raise PanelError("The weights under smoothness go round in a circle. Leave out one period before, with before=.")


def _next_knot(
    gram: np.ndarray,
    linear: np.ndarray,
    s: np.ndarray,
    signs: np.ndarray,
    direction: np.ndarray,
    penalty: float,
    dropped: int,
) -> tuple[float, int, bool]:
    """How far λ falls until a coefficient enters or leaves, which (−1: none before λ is 0), and whether it enters."""
    gradient, change = gram @ s + linear, gram @ direction
    dust = 1e-12 * penalty
    best, at, enters = penalty, -1, False
    for j in range(len(s)):
        if signs[j] != 0:
            fall = -s[j] / direction[j] if signs[j] * direction[j] < 0 else np.inf
            options = [fall]
        else:
            # the gradient meets ±λ: gradient + fall·change = ±(penalty − fall)
            ends = ((penalty - gradient[j], 1 + change[j]), (penalty + gradient[j], 1 - change[j]))
            options = [top / slope for top, slope in ends if slope > 0 and (top > dust or j != dropped)]
        for fall in options:
            if max(fall, 0.0) < best:
                best, at, enters = max(float(fall), 0.0), j, signs[j] == 0
    return best, at, enters


def folded_normal_quantile(probability: float, mean: np.ndarray) -> np.ndarray:
    """The quantile of |N(mean, 1)|, by Newton steps; shape of `mean`."""
    mean = np.abs(mean)
    value = np.maximum(mean + special.ndtri(probability), -special.ndtri((1 - probability) / 2))
    for _ in range(30):
        gap = special.ndtr(value - mean) - special.ndtr(-value - mean) - probability
        density = (np.exp(-((value - mean) ** 2) / 2) + np.exp(-((value + mean) ** 2) / 2)) / np.sqrt(2 * np.pi)
        value = value - gap / density
        if np.abs(gap).max(initial=0.0) < 1e-13:
            break
    return np.asarray(value)


def shortest_interval(path: Frontier, covariance: np.ndarray, most: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """For each M in `most` (A): weights (A × (pre + post)) and half-length (A) of the shortest fixed-length interval.

    The half-length is convex along the frontier, so a grid that closes in on its best point finds it.
    """
    stretches = len(path.penalties) - 1
    low, high = np.zeros(len(most)), np.full(len(most), float(max(stretches, 1)))
    row = np.arange(len(most))
    for _ in range(ROUNDS):
        share = np.linspace(0, 1, max(FINE, 8 * stretches + 1))
        place = low[:, None] + share * (high - low)[:, None]
        weights, biases = _along(path, place)
        spread = np.sqrt(np.einsum("abk,kl,abl->ab", weights, covariance, weights))
        half = folded_normal_quantile(level, most[:, None] * biases / spread) * spread
        best = half.argmin(axis=1)
        low, high = place[row, np.maximum(best - 1, 0)], place[row, np.minimum(best + 1, len(share) - 1)]
    return weights[row, best], half[row, best]


def _along(path: Frontier, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights and worst biases at places of the path: 0 is its first end, 1 its second, and so on."""
    if len(path.penalties) == 1:
        return np.broadcast_to(path.weights[0], (*place.shape, path.weights.shape[1])), np.full(place.shape, path.biases[0])
    at = np.minimum(place.astype(int), len(path.penalties) - 2)
    share = place - at
    weights = (1 - share)[..., None] * path.weights[at] + share[..., None] * path.weights[at + 1]
    return weights, (1 - share) * path.biases[at] + share * path.biases[at + 1]


def smooth_band(study: Study, most: np.ndarray) -> tuple[Band, np.ndarray]:
    """Moments of the conditional test under smoothness: one restriction for each M, its bound known without error."""
    _, after = differences(study.pre, len(study.contrast), 2)
    count = len(after)
    spread = np.zeros((1, count + 1, count + 1))
    spread[0, :count, :count] = after @ study.covariance @ after.T
    return band(after @ study.estimates, np.ones(1), spread, mixture(study.contrast, 2), most)
