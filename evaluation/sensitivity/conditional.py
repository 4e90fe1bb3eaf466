"""Conditional and least-favourable hybrid test (Andrews, Roth, Pakes 2023) where each step of the trend has one bound.

Both restrictions of Rambachan and Roth (2023) ask: is there a path u of R steps with m'u = θ and |b − u| ≤ k v in every step?
Here b (R) are differences of the estimates, v is the largest difference before the reform (or 1) and m turns steps into the
effect. Studentised, with standard errors s⁺ and s⁻ of b − k v and −b − k v, the smallest possible largest moment is the largest
of a few lines in the two numbers x = m'b − θ and v, which are the vertices of the dual programme:

    (x − ‖m‖₁ k v) ÷ Σ|m|s⁺,    (−x − ‖m‖₁ k v) ÷ Σ|m|s⁻,    −2 k v ÷ (s⁺ + s⁻) of each step

(s⁺ and s⁻ change places where m is negative),

so no linear programme is ever solved, and all values of θ are tested at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import special

FLAT = 1e-12  # variance, or distance of a regression coefficient from 1, that counts as none
NODES, SHARES = np.polynomial.legendre.leggauss(12)
STEEP = 5.0  # standard deviations on either side in which the normal of x given v rises
FAR = 6.0  # standard deviations beyond which the normal has no mass that counts
SHARE = 10  # the first stage has alpha ÷ 10 of the size, as the paper recommends
STEPS = 20  # of the search for a critical value, at most; four or five are enough
GRID = 201  # values of θ tested before the ends are refined
COARSE = 33  # values of θ tested between a point and the end where only reaching the point matters
CHUNK = 400_000  # numbers of one array at most


@dataclass(frozen=True, eq=False)
class Band:
    """Moments of C restrictions, all of one effect; see the module for the letters.

    Attributes:
        centre: m'b (C).
        size: v (C), its estimate.
        covariance: of (m'b, v), C × 2 × 2.
        widen: ‖m‖₁ k (C): what a unit of v adds to each end of the set.
        above: Σ|m|s⁺ (C).
        below: Σ|m|s⁻ (C).
        steep: 2 k (C).
        narrowest: smallest s⁺ + s⁻ of a step that stands alone in a vertex (C), inf without one.
        broadest: largest of the same (C), inf without one.
    """

    centre: np.ndarray
    size: np.ndarray
    covariance: np.ndarray
    widen: np.ndarray
    above: np.ndarray
    below: np.ndarray
    steep: np.ndarray
    narrowest: np.ndarray
    broadest: np.ndarray

    def take(self, which: np.ndarray | slice) -> Band:
        """Some of the C restrictions."""
        return Band(**{name: value[which] for name, value in self.__dict__.items()})

    def vertices(self) -> np.ndarray:
        """Coefficients of the four lines on (x, v): C × 4 × 2."""
        out = np.zeros((len(self.centre), 4, 2))
        out[:, 0] = np.column_stack([1 / self.above, -self.widen / self.above])
        out[:, 1] = np.column_stack([-1 / self.below, -self.widen / self.below])
        out[:, 2, 1] = -self.steep / self.narrowest
        out[:, 3, 1] = -self.steep / self.broadest
        return out


def differences(pre: int, post: int, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Matrices that turn the estimates, without the reference period between them, into differences before and after.

    Returns:
        before, (pre + 1 − order) × (pre + post), oldest first, and after, post × (pre + post).
    """
    whole = np.diff(np.eye(pre + 1 + post), n=order, axis=0)
    steps = np.delete(whole, pre, axis=1)
    return steps[: pre + 1 - order], steps[pre + 1 - order :]


def mixture(contrast: np.ndarray, order: int) -> np.ndarray:
    """Weights m with contrast'τ = m'(differences of τ of that order), τ being 0 up to the reference period."""
    for _ in range(order):
        contrast = contrast[::-1].cumsum()[::-1]
    return contrast


def band(
    steps: np.ndarray, size: np.ndarray, covariance: np.ndarray, mix: np.ndarray, allowed: np.ndarray
) -> tuple[Band, np.ndarray]:
    """The moments of every allowed k for every choice of v.

    Args:
        steps: b (R).
        size: v of each choice (S).
        covariance: of (b, v) for each choice: S × (R + 1) × (R + 1).
        mix: m (R).
        allowed: values of k (A).

    Returns:
        The A·S restrictions, k slowest, and the number of the k of each.
    """
    count, k = len(steps), allowed[:, None, None]
    own = np.diagonal(covariance, axis1=1, axis2=2)[None, :, :count]
    cross, spread = covariance[None, :, :count, count], covariance[None, :, count, count, None]
    up, down = (np.sqrt(np.maximum(own + k**2 * spread + sign * 2 * k * cross, 0.0)) for sign in (-1.0, 1.0))
    weight, positive = np.abs(mix), mix >= 0
    # a step that alone makes up the effect has no vertex of its own: it lies between the first two
    alone = np.array([bool(weight[np.arange(count) != r].any()) for r in range(count)])
    both = up + down
    narrow = np.where(alone, both, np.inf).min(axis=2)
    broad = np.where(alone, both, -np.inf).max(axis=2)
    to_pair = np.zeros((count + 1, 2))
    to_pair[:count, 0], to_pair[count, 1] = mix, 1.0
    shape = both.shape[:2]
    moments = Band(
        centre=np.full(shape, mix @ steps).ravel(),
        size=np.broadcast_to(size, shape).ravel(),
        covariance=np.broadcast_to(to_pair.T @ covariance @ to_pair, (*shape, 2, 2)).reshape(-1, 2, 2),
        widen=np.broadcast_to(weight.sum() * allowed[:, None], shape).ravel(),
        above=(weight * np.where(positive, up, down)).sum(axis=2).ravel(),
        below=(weight * np.where(positive, down, up)).sum(axis=2).ravel(),
        steep=np.broadcast_to(2 * allowed[:, None], shape).ravel(),
        narrowest=narrow.ravel(),
        broadest=np.where(np.isfinite(broad), broad, np.inf).ravel(),
    )
    return moments, np.repeat(np.arange(len(allowed)), len(size))


def least_favourable(moments: Band, kappa: float) -> np.ndarray:
    """Critical values (C): the 1 − kappa quantile of the largest line when every moment is exactly zero, by quadrature."""
    spread = np.sqrt(moments.covariance[:, 1, 1])
    out = np.sqrt(moments.covariance[:, 0, 0]) * -special.ndtri(kappa / 2) / moments.above  # if only x is random
    moving = np.flatnonzero(moments.widen * spread > FLAT * moments.above)
    if len(moving):
        # −v has the value of v, so each is sought once: x and v are turned to vary together
        together = _turned(moments.take(moving))
        columns = [together.widen, together.above, together.below, together.narrowest, *together.covariance.reshape(-1, 4).T]
        key = np.round(np.column_stack(columns) / together.above[:, None], 10)
        _, first, again = np.unique(key, axis=0, return_index=True, return_inverse=True)
        out[moving] = _root(together.take(first), kappa)[again.ravel()]
    return np.asarray(out)


def _turned(moments: Band) -> Band:
    """The same restrictions with the sign of v turned where x and v vary against each other: the largest line varies alike."""
    turn = moments.covariance[:, 0, 1] < 0
    above, below = (np.where(turn, b, a) for a, b in ((moments.above, moments.below), (moments.below, moments.above)))
    covariance = moments.covariance.copy()
    covariance[:, 0, 1] = covariance[:, 1, 0] = np.abs(covariance[:, 0, 1])
    return replace(moments, above=above, below=below, covariance=covariance)


def _root(moments: Band, kappa: float) -> np.ndarray:
    """Secant steps on the probit of the probability, which is nearly a straight line in the critical value."""
    ends, target = moments.vertices(), -special.ndtri(kappa)
    deviations = np.sqrt(np.einsum("cja,cab,cjb->cj", ends, moments.covariance, ends).max(axis=1))
    low, high = deviations * target, deviations * -special.ndtri(kappa / ends.shape[1])  # one line alone, and Bonferroni

    def gap(value: np.ndarray) -> np.ndarray:
        return np.asarray(special.ndtri(np.clip(_probability(moments, value), 1e-12, 1 - 1e-12)) - target)

    before, at, value = gap(high), gap(low), low
    last = high
    for _ in range(STEPS):
        if np.abs(at).max() < 1e-6:
            break
        slope = np.where(at == before, np.inf, (at - before) / np.where(value == last, 1.0, value - last))
        last, before, value = value, at, np.clip(value - at / slope, low, high)
        at = gap(value)
    return value


def _probability(moments: Band, value: np.ndarray) -> np.ndarray:
    """Probability (C) that no line exceeds `value`: an integral over v of the normal of x given v."""
    spread = np.sqrt(moments.covariance[:, 1, 1])
    slope = moments.covariance[:, 0, 1] / spread**2
    rest = np.sqrt(np.maximum(moments.covariance[:, 0, 0] - slope**2 * spread**2, 0.0))
    wedge = np.minimum(moments.narrowest / moments.steep, (moments.above + moments.below) / (2 * moments.widen))
    first = np.clip(-value * wedge / spread, -FAR, FAR)
    tilts = [(moments.widen + sign * slope) * spread for sign in (-1, 1)]
    tilts = [np.where(tilt == 0, np.finfo(float).tiny ** 0.5, tilt) for tilt in tilts]
    bends = [
        (-value * side / tilt, rest / np.abs(tilt)) for side, tilt in zip((moments.above, moments.below), tilts, strict=True)
    ]
    sharp = [np.clip(at + sign * STEEP * width, first, FAR) for at, width in bends for sign in (-1, 1)]
    edges = np.sort([first, *sharp, np.maximum(first, 0.0), np.full(len(first), FAR)], axis=0)
    half = np.diff(edges, axis=0)[..., None] / 2
    z = edges[:-1, :, None] + half * (NODES + 1)
    v = z * spread[:, None]
    upper = ((value * moments.above)[:, None] + (moments.widen - slope)[:, None] * v) / rest[:, None]
    lower = (-(value * moments.below)[:, None] - (moments.widen + slope)[:, None] * v) / rest[:, None]
    inside = np.maximum(special.ndtr(upper) - special.ndtr(lower), 0.0)
    return np.asarray((half * SHARES * inside * np.exp(-(z**2) / 2)).sum(axis=(0, 2)) / np.sqrt(2 * np.pi))


def accepted(moments: Band, critical: np.ndarray, theta: np.ndarray, alpha: float) -> np.ndarray:
    """Whether each θ (C × T) is not rejected by the hybrid test of size alpha, with first-stage critical values (C)."""
    ends = moments.vertices()
    among = np.einsum("cja,cab,ckb->cjk", ends, moments.covariance, ends)
    distance = moments.centre[:, None] - theta
    lines = ends[:, None, :, 0] * distance[..., None] + (ends[:, :, 1] * moments.size[:, None])[:, None, :]
    lines[..., 2:] = np.where(np.isfinite(moments.narrowest)[:, None, None], lines[..., 2:], -np.inf)
    best = lines.argmax(axis=2)
    top = np.take_along_axis(lines, best[..., None], axis=2)[..., 0]
    row = np.arange(len(best))[:, None]
    variance = among[row, best, best]
    known = variance > FLAT
    with np.errstate(divide="ignore", invalid="ignore"):
        on_top = among[row, best] / variance[..., None]
        apart = 1 - on_top
        cut = (lines - on_top * top[..., None]) / apart
        low = np.where(apart > FLAT, cut, -np.inf).max(axis=2)
        high = np.minimum(np.where(apart < -FLAT, cut, np.inf).min(axis=2), critical[:, None])
        deviation = np.sqrt(variance)
        tail = _truncated_tail(top / deviation, low / deviation, high / deviation)
    second = (alpha - alpha / SHARE) / (1 - alpha / SHARE)
    passed = np.where(known, (top <= 0) | (top < low) | (tail >= second), top <= 0)
    return np.asarray(passed & (top <= critical[:, None]))


def _truncated_tail(value: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Probability beyond `value` of a standard normal kept between `low` and `high`, exact in the far tails too."""
    start, point, end = (special.log_ndtr(-x) for x in (low, value, high))
    beyond = np.exp(np.minimum(end - start, 0.0))
    return np.asarray((np.exp(point - start) - beyond) / (1 - beyond))


def confidence_set(
    moments: Band, group: np.ndarray, groups: int, alpha: float, tolerance: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ends of the union of the sets of each group of restrictions, found on a grid and refined by bisection.

    The first stage alone bounds every set, so the grid never cuts one off.

    Args:
        moments: C restrictions.
        group: number of the group of each (C).
        groups: how many groups.
        alpha: one less the level.
        tolerance: of the ends, in the outcome's units.

    Returns:
        lower, upper and whether the set has no gap, one a group.
    """
    critical = least_favourable(moments, alpha / SHARE)
    first, last = _outermost(moments, critical, group, groups)
    margin = (last - first) / (GRID - 3)
    grid = (first - margin)[:, None] + np.linspace(0, 1, GRID) * (last - first + 2 * margin)[:, None]

    def inside(theta: np.ndarray) -> np.ndarray:
        return _in_union(moments, critical, group, theta, alpha)

    kept = inside(grid)
    left, right = kept.argmax(axis=1), GRID - 1 - kept[:, ::-1].argmax(axis=1)
    row = np.arange(groups)
    whole = kept.sum(axis=1) == right - left + 1
    outer = np.column_stack([grid[row, left - 1], grid[row, right + 1]])
    inner = np.column_stack([grid[row, left], grid[row, right]])
    while np.abs(outer - inner).max() > tolerance:
        middle = (outer + inner) / 2
        found = inside(middle)
        inner, outer = np.where(found, middle, inner), np.where(found, outer, middle)
    return inner[:, 0], inner[:, 1], whole


def reaches(moments: Band, group: np.ndarray, groups: int, alpha: float, point: float) -> np.ndarray:
    """Whether the hull of each group's set (groups) holds `point`; the sets must hold their common centre, as these do."""
    critical = least_favourable(moments, alpha / SHARE)
    first, last = _outermost(moments, critical, group, groups)
    beyond = np.where(moments.centre[0] > point, np.minimum(first, point), np.maximum(last, point))
    theta = point + np.linspace(0, 1, COARSE) * (beyond - point)[:, None]
    return np.asarray(_in_union(moments, critical, group, theta, alpha).any(axis=1))


def _outermost(moments: Band, critical: np.ndarray, group: np.ndarray, groups: int) -> tuple[np.ndarray, np.ndarray]:
    """The ends that the first stage allows, one pair a group: beyond them it rejects every θ."""
    reach = moments.widen * moments.size
    first, last = np.full(groups, np.inf), np.full(groups, -np.inf)
    np.minimum.at(first, group, moments.centre - reach - critical * moments.above)
    np.maximum.at(last, group, moments.centre + reach + critical * moments.below)
    return first, last


def _in_union(moments: Band, critical: np.ndarray, group: np.ndarray, theta: np.ndarray, alpha: float) -> np.ndarray:
    """Whether each θ (groups × T) is accepted under any restriction of its group."""
    found = np.zeros(theta.shape, bool)
    size = max(1, CHUNK // (theta.shape[1] * 4))
    for at in range(0, len(group), size):
        part = slice(at, at + size)
        np.logical_or.at(found, group[part], accepted(moments.take(part), critical[part], theta[group[part]], alpha))
    return found
