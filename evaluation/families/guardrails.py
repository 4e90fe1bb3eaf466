"""Guardrails: is harm seen, is harm beyond a margin ruled out, or can neither be told?

Two one-sided tests at the same level: of no harm (effect in the direction of harm ≤ 0) and of harm as large as the margin
(effect in the direction of harm ≥ margin). Both can be rejected at once: a small harm, seen, and smaller than the margin.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isfinite, nan
from typing import Any

from scipy import stats

from evaluation import words
from evaluation.errors import NotEstimable, OptionError, check_choice

KINDS = ("harm_seen", "harm_ruled_out", "cannot_tell")
DIRECTIONS = ("higher_is_better", "lower_is_better")

Interval = Callable[[float], tuple[float, float]]


@dataclass(frozen=True)
class Guardrail:
    """What is known about harm in one outcome.

    Attributes:
        kinds: `harm_seen`, `harm_ruled_out` (harm as large as the margin), both of them, or `cannot_tell` alone.
        estimate: the effect, in `unit`.
        harm: the effect in the direction of harm: positive is worse.
        lower: least harm that fits the data, one-sided at `alpha` (−inf: no end).
        upper: most harm that fits the data, one-sided at `alpha` (inf: no end).
        margin: largest harm that is tolerated, 0 or more, in `unit`.
        beyond: whether harm larger than the margin is seen (`lower` above `margin`).
        p_harm: one-sided p-value of no harm; NaN where an interval was given.
        p_margin: one-sided p-value of harm as large as the margin; NaN where an interval was given.
        alpha: level of each one-sided test.
        direction: `higher_is_better` or `lower_is_better`.
        unit: words for the unit.
        reading: what it says, in plain words.
    """

    kinds: tuple[str, ...]
    estimate: float
    harm: float
    lower: float
    upper: float
    margin: float
    beyond: bool
    p_harm: float
    p_margin: float
    alpha: float
    direction: str
    unit: str
    reading: str

    @property
    def estimable(self) -> bool:
        """Always True; `NotEstimable` has False."""
        return True

    @property
    def harm_seen(self) -> bool:
        """Whether any harm is seen."""
        return "harm_seen" in self.kinds

    @property
    def harm_ruled_out(self) -> bool:
        """Whether harm as large as the margin is ruled out."""
        return "harm_ruled_out" in self.kinds

    def to_dict(self) -> dict[str, Any]:
        """Every field as plain JSON."""
        found: dict[str, Any] = words.plain(self.__dict__)
        return found


def guardrail(
    estimate: float,
    std_error: float | None = None,
    df: float = inf,
    *,
    margin: float,
    direction: str,
    alpha: float = 0.05,
    unit: str = "",
    interval: Interval | None = None,
) -> Guardrail | NotEstimable:
    """Test an outcome for harm, one-sided against no harm and against a margin.

    Args:
        estimate: the effect, in `unit`.
        std_error: its standard error, above 0; not needed with `interval`.
        df: degrees of freedom of the t-distribution (inf: normal).
        margin: largest harm that is tolerated, 0 or more, in `unit`, as declared in the plan.
        direction: `higher_is_better` or `lower_is_better`: harm is the other way.
        alpha: level of each one-sided test, below 0.5.
        unit: words for the unit, for example "percentage points".
        interval: level → (lower, upper), a two-sided interval of the effect, for example from resampling. It is asked for the
            level 1 − 2 × alpha, and each end is taken as a one-sided bound; then `std_error` and `df` are not used.

    Returns:
        `Guardrail`, or `NotEstimable` where there is no effect or no error.

    Raises:
        OptionError: an unknown direction, a negative margin, a level out of range, an error of 0 or less, or an interval that
            does not hold the estimate.
    """
    _check(margin, direction, alpha)
    if not isfinite(estimate):
        return NotEstimable("the effect is no number", "Check the outcome's estimate.")
    sign = -1.0 if direction == "higher_is_better" else 1.0
    harm, p_harm, p_margin = sign * estimate, nan, nan
    if interval is not None:
        ends = interval(1 - 2 * alpha)
        low, high = sorted((sign * float(ends[0]), sign * float(ends[1])))
        if low != low or high != high:
            return NotEstimable("the effect has no interval", "Use another method of inference.")
        if not low <= harm <= high:
            raise OptionError(f"The interval {ends[0]!r} to {ends[1]!r} must hold the estimate {estimate!r}.")
    else:
        if std_error is None or not isfinite(std_error) or df != df:
            return NotEstimable("the effect has no error", "Give std_error and df, or an interval.")
        if std_error <= 0 or df <= 0:
            raise OptionError(f"std_error and df must be above 0, not {std_error!r} and {df!r}.")
        half = float(stats.t.isf(alpha, df)) * std_error
        low, high = harm - half, harm + half
        p_harm = float(stats.t.sf(harm / std_error, df))
        p_margin = float(stats.t.cdf((harm - margin) / std_error, df))
    kinds = tuple(kind for kind, holds in (("harm_seen", low > 0), ("harm_ruled_out", high < margin)) if holds)
    kinds, beyond = kinds or ("cannot_tell",), low > margin
    reading = _reading(kinds, beyond, harm, low, high, margin, direction, unit, alpha)
    return Guardrail(
        kinds, float(estimate), harm, low, high, float(margin), beyond, p_harm, p_margin, alpha, direction, unit, reading
    )


def _check(margin: float, direction: str, alpha: float) -> None:
    check_choice("direction", direction, DIRECTIONS)
    if not 0 <= margin < inf:
        raise OptionError(f"margin must be 0 or more, not {margin!r}. Give the largest harm that is tolerated, without a sign.")
    if not 0 < alpha < 0.5:
        raise OptionError(f"alpha must lie between 0 and 0.5, not {alpha!r}. Use 0.05 for one-sided 5% tests.")


def _reading(
    kinds: tuple[str, ...],
    beyond: bool,
    harm: float,
    low: float,
    high: float,
    margin: float,
    direction: str,
    unit: str,
    alpha: float,
) -> str:
    """Harm is told by the way the outcome goes when it gets worse: a rise or a fall."""
    way = "fall" if direction == "higher_is_better" else "rise"
    keep = words.places(high - low if isfinite(high - low) else harm)
    limit = f"the {words.with_unit(f'{margin:g}', unit)} that are tolerated"
    sure = f"one-sided {words.percent(alpha)} tests"
    least, most = (words.with_unit(words.number(end, keep), unit) for end in (low, high))
    size = words.with_unit(words.number(harm, keep), unit)
    if beyond and margin > 0:
        return f"Harm seen, and more than {limit}: a {way} of {size}, at least {least} ({sure})."
    if kinds == ("harm_seen", "harm_ruled_out"):
        return f"Harm seen, but less than {limit}: a {way} of {size}, between {least} and {most} ({sure})."
    if kinds == ("harm_seen",):
        rest = f", at least {least}" if isfinite(low) else ""
        over = f" Whether it is more than {limit} cannot be told." if margin > 0 else ""
        return f"Harm seen: a {way} of {size}{rest} ({sure}).{over}"
    if kinds == ("harm_ruled_out",):
        if high < 0 or margin == 0:
            return f"No harm: a {way} of any size is ruled out ({sure})."
        return f"A {way} as large as {limit} is ruled out: it is {most} at most ({sure}). No {way} was shown."
    could = f"a {way} of up to {most} is possible" if isfinite(high) else f"a {way} of any size is possible"
    return f"Cannot tell: {could}, and {limit} cannot be ruled out ({sure})."
