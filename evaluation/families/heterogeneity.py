"""Random effects across regions: how much effects differ beyond chance, their mean, and each region's shrunken effect.

Estimates have a covariance S that is taken as known; true effects have mean μ and variance τ². Turned into the eigenvectors of S,
every quantity is a sum over eigenvalues, for correlated estimates (a shared comparison group) as for independent ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import optimize, special

NODES = 256  # Gauss–Legendre nodes for τ from 0 to infinity


@dataclass(frozen=True, eq=False)
class Turned:
    """Estimates in the eigenvectors of their covariance: K values `y`, the constant `x`, variances `size`, and the `basis`."""

    y: np.ndarray
    x: np.ndarray
    size: np.ndarray
    basis: np.ndarray

    @classmethod
    def of(cls, estimates: np.ndarray, covariance: np.ndarray) -> Turned:
        """Turn K estimates with a K × K positive definite covariance."""
        size, basis = np.linalg.eigh(covariance)
        return cls(basis.T @ estimates, basis.sum(axis=0), size, basis)

    def at(self, tau2: np.ndarray) -> Moments:
        """Mean, its information and what is left, for each τ² of a vector."""
        weight = 1 / (self.size + np.asarray(tau2, float)[..., None])
        information = (weight * self.x**2).sum(axis=-1)
        mean = (weight * self.x * self.y).sum(axis=-1) / information
        rest = self.y - self.x * mean[..., None]
        return Moments(weight, information, mean, rest, (weight * rest**2).sum(axis=-1))


@dataclass(frozen=True, eq=False)
class Moments:
    """At each τ²: weights, information on the mean, the mean, residuals and their weighted sum of squares (generalised Q)."""

    weight: np.ndarray
    information: np.ndarray
    mean: np.ndarray
    rest: np.ndarray
    q: np.ndarray


def restricted_log_likelihood(turned: Turned, tau2: np.ndarray) -> np.ndarray:
    """Restricted log likelihood of τ², up to a constant (Harville 1977)."""
    found = turned.at(tau2)
    return np.asarray(0.5 * (np.log(found.weight).sum(axis=-1) - np.log(found.information) - found.q))


def reml(turned: Turned) -> float:
    """τ² by restricted maximum likelihood, 0 or more: the best root of its derivative, or 0."""

    def slope(tau2: np.ndarray) -> np.ndarray:
        found = turned.at(tau2)
        lost = (found.weight**2 * turned.x**2).sum(axis=-1) / found.information
        return np.asarray((found.weight**2 * found.rest**2).sum(axis=-1) - (found.weight.sum(axis=-1) - lost))

    # Beyond the squares around the mean plus the largest variance the derivative is negative.
    unturned = turned.basis @ turned.y
    top = float(((unturned - unturned.mean()) ** 2).sum() + turned.size.max())
    grid = np.concatenate([[0.0], np.geomspace(top * 1e-8, top, 200)])
    slopes = slope(grid)
    down = np.flatnonzero((slopes[:-1] > 0) & (slopes[1:] <= 0))
    roots = [
        0.0,
        *(
            float(optimize.brentq(lambda one: float(slope(np.asarray(one))), grid[k], grid[k + 1], xtol=top * 1e-14))
            for k in down
        ),
    ]
    return roots[int(np.argmax(restricted_log_likelihood(turned, np.array(roots))))]


def q_root(turned: Turned, target: float) -> float:
    """τ² at which the generalised Q equals `target`, or 0 where it is smaller already (Q falls in τ²)."""

    def gap(tau2: float) -> float:
        return float(turned.at(np.array([tau2])).q[0]) - target

    if gap(0.0) <= 0:
        return 0.0
    high = float(turned.size.max())
    while gap(high) > 0:
        high *= 2
    return float(optimize.brentq(gap, 0.0, high, xtol=high * 1e-14))


@dataclass(frozen=True, eq=False)
class Shrunken:
    """Effects of K regions with the others' taken into account.

    Attributes:
        estimates: K; means over the distribution of τ.
        lower: K; lower ends.
        upper: K; upper ends.
        pull: K; share of the way from a region's own estimate to the mean, averaged over τ (0: own estimate, 1: the mean).
    """

    estimates: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    pull: np.ndarray


def shrink(estimates: np.ndarray, covariance: np.ndarray, level: float) -> Shrunken:
    """Shrunken effects with intervals that know that μ and τ are estimated: K ≥ 3.

    The restricted likelihood of τ (flat priors on μ and on τ: Rubin 1981; the aim of Morris 1983, whose closed form is an
    approximation of it) is integrated numerically; given τ each effect is normal.
    """
    turned = Turned.of(estimates, covariance)
    tau2, share = _over_tau(turned)
    found = turned.at(tau2)
    own = tau2[:, None] * found.weight
    middle = (own * turned.y + (1 - own) * turned.x * found.mean[:, None]) @ turned.basis.T
    spread = (own * turned.size) @ (turned.basis**2).T
    spread += (((1 - own) * turned.x) @ turned.basis.T) ** 2 / found.information[:, None]
    error = np.sqrt(spread)
    tail = (1 - level) / 2
    ends = [[_mixture_quantile(middle[:, k], error[:, k], share, q) for q in (tail, 1 - tail)] for k in range(len(estimates))]
    pull = share @ ((1 - own) @ (turned.basis**2).T)
    return Shrunken(share @ middle, np.array([e[0] for e in ends]), np.array([e[1] for e in ends]), pull)


def predict(turned: Turned, level: float) -> tuple[float, float]:
    """Ends of the interval for the true effect of another region, over the same distribution of τ as `shrink`: K ≥ 3."""
    tau2, share = _over_tau(turned)
    found = turned.at(tau2)
    error, tail = np.sqrt(tau2 + 1 / found.information), (1 - level) / 2
    return _mixture_quantile(found.mean, error, share, tail), _mixture_quantile(found.mean, error, share, 1 - tail)


@cache
def _nodes() -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(NODES)


def _over_tau(turned: Turned) -> tuple[np.ndarray, np.ndarray]:
    """τ² at nodes from 0 to infinity, and the share of each: restricted likelihood, flat in τ."""
    nodes, weights = _nodes()
    u = (nodes + 1) / 2
    estimates = turned.basis @ turned.y
    scale = float(np.sqrt(turned.size.mean()) + estimates.std())
    tau2 = (scale * u / (1 - u)) ** 2
    log_density = restricted_log_likelihood(turned, tau2) - 2 * np.log1p(-u)
    share = weights * np.exp(log_density - log_density.max())
    return tau2, share / share.sum()


def _mixture_quantile(middle: np.ndarray, error: np.ndarray, share: np.ndarray, quantile: float) -> float:
    """Quantile of a mixture of normal distributions."""
    far = 1 - float(special.ndtri(min(quantile, 1 - quantile) / 10))

    def gap(value: float) -> float:
        return float(share @ special.ndtr((value - middle) / error)) - quantile

    return _root(gap, float((middle - far * error).min()), float((middle + far * error).max()))


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    return float(optimize.brentq(function, low, high, xtol=(high - low) * 1e-13))
