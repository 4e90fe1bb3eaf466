"""p-values of the wild cluster bootstrap-t as a function of the null, and its inversion."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

TIE = 1e-9  # relative size below which two t² are the same
NONE = 1e-12  # relative size below which a draw's error does not grow with the null
STEP = 1.5  # ratio of the nulls that are tried, outward from the estimate
FIRST = 0.25  # standard errors from the estimate of the first
REACH = 27  # how many are tried on each side: to 9,000 standard errors
HALVINGS = 26  # of a bracket: to 1e-8 of the null's distance from the estimate


@dataclass(frozen=True, eq=False)
class BootstrapTest:
    """Draws of a t-statistic under every null; a null is δ = θ0 − θ̂.

    Attributes:
        top: 2 × B; θ* − θ0 is top[0] − δ top[1].
        bottom: 3 × B; the draw's variance is bottom[0] − 2 δ bottom[1] + δ² bottom[2].
        variance: of the estimate, without the factor that both share.
        enumerated: whether the draws are all there are.
        ties: whether a draw with the very |t| of the data counts, and among drawn ones the data themselves.
        impose_null: whether δ enters the draws.
    """

    top: np.ndarray
    bottom: np.ndarray
    variance: float
    enumerated: bool
    impose_null: bool
    ties: bool = True

    @cached_property
    def still(self) -> np.ndarray:
        """Draws whose variance does not grow with the null (B, bool)."""
        growth = self.bottom[2]
        return np.asarray(growth <= NONE * max(float(growth.max()), np.finfo(float).tiny))

    @cached_property
    def variances(self) -> np.ndarray:
        """`bottom`, free of what rounding leaves where a variance does not grow."""
        out = self.bottom.copy()
        out[1:, self.still] = 0.0
        return out

    @cached_property
    def forms(self) -> np.ndarray:
        """Coefficients (5 × B) in the null, in errors from the estimate: a draw counts where its quartic is not negative."""
        scale = np.sqrt(self.variance)
        start, slope = self.top[0] / scale, self.top[1]
        size = (start**2, -2 * start * slope, slope**2)
        error = self.variances * np.array([[1.0 / self.variance], [-2.0 / scale], [1.0]])
        out = np.zeros((5, self.top.shape[1]))
        out[:3] += size
        out[2:] -= self.near * error
        return out

    def accepted(self, delta: float, alpha: float) -> bool:
        """Whether the p-value of θ̂ + delta is above alpha."""
        powers = (delta / np.sqrt(self.variance)) ** np.arange(5)
        return self.share(int(np.count_nonzero(powers @ self.forms >= 0))) > alpha

    def share(self, count: int) -> float:
        """The p-value from the number of draws further out than the data."""
        draws = self.top.shape[1]
        return (count + 1) / (draws + 1) if self.ties and not self.enumerated else count / draws

    def p_value(self, delta: float) -> float:
        """Share of draws with |t*| at least (with `ties`, else above) the |t| of θ0 = θ̂ + delta."""
        at = delta if self.impose_null else 0.0
        top = self.top[0] - at * self.top[1]
        bottom = self.variances[0] - at * (2 * self.variances[1] - at * self.variances[2])
        return self.share(int(np.count_nonzero(top * top * self.variance >= delta * delta * self.near * bottom)))

    @property
    def smallest_p(self) -> float:
        """The smallest p-value that these draws can give."""
        return self.share(1 if self.enumerated and self.ties else 0)

    @property
    def near(self) -> float:
        """Ratio of t² from which a draw counts."""
        return 1 - TIE if self.ties else 1 + TIE

    @property
    def p_far(self) -> float:
        """The p-value as the null goes away from the estimate without end."""
        outside = self.still & (self.top[1] ** 2 * self.variance >= self.near * self.variances[0])
        return self.share(int(outside.sum()))


def end_points(test: BootstrapTest, alpha: float) -> tuple[float, float, bool]:
    """Lower and upper end of {δ: p > alpha}, ±inf where it has none, and whether the set is in pieces (then its hull)."""
    if not test.impose_null:
        half = _half_width(test, alpha)
        return -half, half, False
    if test.p_far > alpha:
        inside = [_side(test, alpha, sign)[1] for sign in (-1.0, 1.0)]
        return -np.inf, np.inf, any(inside)
    (lower, one), (upper, other) = (_side(test, alpha, sign) for sign in (-1.0, 1.0))
    return lower, upper, one or other


def _half_width(test: BootstrapTest, alpha: float) -> float:
    """Half the width where the draws do not depend on the null: the largest t* with a p-value above alpha × error."""
    with np.errstate(divide="ignore", invalid="ignore"):
        squares = np.sort(np.nan_to_num(test.top[0] ** 2 / test.variances[0], nan=np.inf))[::-1]
    accepted = [count for count in range(1, len(squares) + 1) if test.share(count) > alpha]
    if test.share(0) > alpha or not accepted:
        return float("inf")
    return float(np.sqrt(squares[accepted[0] - 1] * test.variance))


def _side(test: BootstrapTest, alpha: float, sign: float) -> tuple[float, bool]:
    """The outermost null with p above alpha on one side, and whether one further in has p at or below it."""
    error = sign * float(np.sqrt(test.variance))
    tried = error * FIRST * STEP ** np.arange(REACH)
    accepted = np.array([test.accepted(float(delta), alpha) for delta in tried])
    if accepted[-1]:
        return float(sign * np.inf), not bool(accepted.all())
    last = int(np.flatnonzero(accepted).max(initial=-1))
    inner, outer = (float(tried[last]) if last >= 0 else 0.0), float(tried[last + 1])
    for _ in range(HALVINGS):
        middle = (inner + outer) / 2
        inner, outer = (middle, outer) if test.accepted(middle, alpha) else (inner, middle)
    return inner, not bool(accepted[: last + 1].all())
