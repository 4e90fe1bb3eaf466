"""Looks over time: how strict each look must be so that all of them together keep the error that was planned.

Error is spent as information comes in (Lan, DeMets 1983) by the function that behaves like O'Brien and Fleming's boundaries; the
boundary of a look is found by recursive numerical integration (Armitage, McPherson, Rowe 1969).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, inf, isfinite
from typing import Any

import numpy as np
from scipy import optimize, stats

from evaluation import words
from evaluation.errors import NotEstimable, OptionError

FURTHEST = 22.0  # no boundary lies further out: a smaller chance than SMALLEST counts as nothing
SMALLEST = 1e-100
CLOSEST = 1e-3  # smallest step of information between looks, as a share of the planned total
PER_SPREAD = 6  # integration nodes to a standard deviation of the next step

Interval = Callable[[float], tuple[float, float]]


@dataclass(frozen=True)
class LookPlan:
    """The boundary of each look.

    Attributes:
        information: at each look, as a share of the planned total.
        spent: error spent up to and including each look, two-sided.
        critical: on the scale of a normal statistic; inf where a look spends nothing.
        nominal_p: two-sided p-value that a look must be below.
        alpha: error over all looks, two-sided.
        reading: what it says, in plain words.
    """

    information: tuple[float, ...]
    spent: tuple[float, ...]
    critical: tuple[float, ...]
    nominal_p: tuple[float, ...]
    alpha: float
    reading: str

    def to_dict(self) -> dict[str, Any]:
        """Every field as plain JSON."""
        found: dict[str, Any] = words.plain(self.__dict__)
        return found


@dataclass(frozen=True)
class Look:
    """What one look shows.

    Attributes:
        number: which look it is, from 1.
        information: share of the planned total at this look.
        estimate: the effect, in `unit`.
        p_value: two-sided, of this look alone.
        nominal_p: what it must be below at this look.
        adjusted_p: smallest error over all looks at which this look would show an effect (1: at none).
        lower: lower end of the interval for this look (−inf: no end).
        upper: upper end.
        level: of that interval at this look alone, 1 − `nominal_p`; over all looks together the intervals hold with 1 − `alpha`.
        shown: whether an effect is shown at this look.
        final: whether all error is spent.
        spent: error spent up to and including this look.
        alpha: error over all looks, two-sided.
        warnings: what was not as planned.
        reading: what it says, in plain words.
    """

    number: int
    information: float
    estimate: float
    p_value: float
    nominal_p: float
    adjusted_p: float
    lower: float
    upper: float
    level: float
    shown: bool
    final: bool
    spent: float
    alpha: float
    warnings: tuple[str, ...]
    reading: str

    @property
    def estimable(self) -> bool:
        """Always True; `NotEstimable` has False."""
        return True

    def to_dict(self) -> dict[str, Any]:
        """Every field as plain JSON."""
        found: dict[str, Any] = words.plain(self.__dict__)
        return found


def spending(information: float, alpha: float = 0.05) -> float:
    """Error spent at a share of the planned information: 4 × (1 − Φ(z(1 − alpha/4) ÷ √share)), two-sided.

    Each side spends half of `alpha` (Lan, DeMets 1983, Biometrika 70, α₁*). From a share of 1 on all of `alpha` is spent.
    """
    share = min(information, 1.0)
    return float(4 * stats.norm.sf(stats.norm.isf(alpha / 4) / np.sqrt(share)))


def plan_looks(information: Sequence[float], alpha: float = 0.05, *, final: bool = False) -> LookPlan:
    """Boundaries of looks at these shares of the planned information, in order.

    Args:
        information: of the looks that were held, or are planned: above 0 and growing by 0.001 or more; 1 is the planned total.
            A share above 1 (more information than planned) spends all that is left.
        alpha: error over all looks, two-sided.
        final: whether the last look is the last of all although less than planned is known: it then spends all that is left.

    Returns:
        `LookPlan`. A planned look that was not held is left out: what it would have spent goes to the next one.

    Raises:
        OptionError: shares that do not grow, a look after all is spent, an alpha out of range.
    """
    shares = _checked(information, alpha)
    spent = [spending(share, alpha) for share in shares]
    if final:
        spent[-1] = alpha
    critical = _boundaries(shares, np.diff([0.0, *spent]))
    nominal = tuple(float(2 * stats.norm.sf(one)) for one in critical)
    each = ", ".join(f"p below {one:.2g}" for one in nominal)
    many = "1 look" if len(shares) == 1 else f"{len(shares)} looks"
    reading = f"{many}, {words.percent(alpha)} error over all looks together. An effect is shown at: {each}."
    return LookPlan(tuple(shares), tuple(spent), critical, nominal, alpha, reading)


def _checked(information: Sequence[float], alpha: float) -> list[float]:
    words.check_share("alpha", alpha, "Use 0.05 for 5% over all looks.")
    shares = [float(one) for one in information]
    if not shares or not all(0 < one < inf for one in shares):
        raise OptionError(f"information must be one or more shares above 0, not {shares!r}. The planned total is 1.")
    for before, after in zip([0.0, *shares], shares, strict=False):
        if after - before < CLOSEST * (1 - 1e-9):
            raise OptionError(
                f"information must grow by {CLOSEST:g} or more from look to look, not from {before:g} to {after:g}. "
                "Give the planned shares, or leave out a look that added nothing."
            )
    if len(shares) > 1 and shares[-2] >= 1:
        raise OptionError("A look at all planned information spends all error: there can be no look after it. Plan for more.")
    return shares


def _boundaries(shares: Sequence[float], steps: np.ndarray) -> tuple[float, ...]:
    """Critical values: at each look the chance to cross first there is that look's part of the error."""
    out: list[float] = []
    places, density = np.zeros(1), np.ones(1)  # where the sum of information stands, and how likely, if not crossed before
    for k, (share, step) in enumerate(zip(shares, steps, strict=True)):
        gap = share - (shares[k - 1] if k else 0.0)
        limit = _limit(places, density, gap, step, np.sqrt(share))
        out.append(limit / float(np.sqrt(share)))
        if k + 1 < len(shares):
            places, density = _carried(places, density, gap, min(limit, 9 * float(np.sqrt(share))), shares[k + 1] - share)
    return tuple(out)


def _limit(places: np.ndarray, density: np.ndarray, gap: float, step: float, root: float) -> float:
    """Where the sum must lie so that the chance to lie beyond it, on either side, is `step`."""
    spread = np.sqrt(gap)

    def crossed(limit: float) -> float:
        beyond = stats.norm.sf((limit - places) / spread) + stats.norm.sf((limit + places) / spread)
        return float(density @ beyond)

    if step <= SMALLEST:
        return inf
    if crossed(0.0) <= step:
        return 0.0

    def gap_in_logs(limit: float) -> float:
        return float(np.log(max(crossed(limit), 1e-300)) - np.log(step))

    return float(optimize.brentq(gap_in_logs, 0.0, FURTHEST * root, xtol=1e-13))


def _carried(places: np.ndarray, density: np.ndarray, gap: float, limit: float, ahead: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes within the limits after this look, with their probability (node weights included)."""
    count = 32 * ceil(max(64, 2 * limit / np.sqrt(min(gap, ahead)) * PER_SPREAD) / 32)
    nodes, weights = _nodes(count)
    nodes = nodes * limit
    reached = stats.norm.pdf((nodes[:, None] - places) / np.sqrt(gap)) / np.sqrt(gap)
    return nodes, weights * limit * (reached @ density)


@lru_cache(maxsize=32)
def _nodes(count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(count)


def take_look(
    information: Sequence[float],
    estimate: float,
    std_error: float | None = None,
    df: float = inf,
    *,
    alpha: float = 0.05,
    planned: Sequence[float] | None = None,
    final: bool = False,
    unit: str = "",
    interval: Interval | None = None,
    p_value: float | None = None,
) -> Look | NotEstimable:
    """Judge the newest look by its own boundary.

    Args:
        information: shares of the planned total at all looks held so far, the newest last.
        estimate: the effect at the newest look, in `unit`.
        std_error: its standard error; not needed with `interval` and `p_value`.
        df: degrees of freedom: the boundary goes from the normal to the t-distribution through its p-value.
        alpha: error over all looks, two-sided.
        planned: shares of all planned looks, to say which were left out or added.
        final: whether this is the last look although less than planned is known.
        unit: words for the unit.
        interval: level → (lower, upper), with `p_value`, where inference has its own (resampling).
        p_value: two-sided, of this look alone.

    Returns:
        `Look`, or `NotEstimable` where there is no effect or no error.

    Raises:
        OptionError: as `plan_looks`; only one of `interval` and `p_value`; an error of 0 or less.
    """
    plan = plan_looks(information, alpha, final=final)
    if (interval is None) != (p_value is None):
        raise OptionError("Give interval and p_value together, or neither.")
    if not isfinite(estimate):
        return NotEstimable("the effect is no number", "Check the outcome's estimate.")
    nominal = plan.nominal_p[-1]
    if interval is None or p_value is None:
        if std_error is None or not isfinite(std_error) or df != df:
            return NotEstimable("the effect has no error", "Give std_error and df, or interval and p_value.")
        if std_error <= 0 or df <= 0:
            raise OptionError(f"std_error and df must be above 0, not {std_error!r} and {df!r}.")
        p_value = float(2 * stats.t.sf(abs(estimate) / std_error, df))
        half = float(stats.t.isf(nominal / 2, df)) * std_error if nominal > 0 else inf
        lower, upper = estimate - half, estimate + half
    else:
        lower, upper = (float(end) for end in interval(1 - nominal)) if nominal > 1e-12 else (-inf, inf)
    if not 0 <= p_value <= 1 or lower != lower or upper != upper:
        return NotEstimable("the effect has no p-value or no interval", "Use another method of inference.")
    last, share = final or plan.information[-1] >= 1, plan.information[-1]
    warnings = _not_as_planned(plan, planned, final)
    shown = p_value < nominal
    adjusted = _adjusted(plan.information, p_value, final)
    reading = _reading(plan, estimate, lower, upper, shown, last, adjusted, unit)
    number = len(plan.information)
    basis = (number, share, float(estimate), p_value, nominal, adjusted, lower, upper, 1 - nominal)
    return Look(*basis, shown, last, plan.spent[-1], alpha, warnings, reading)


def _adjusted(information: Sequence[float], p_value: float, final: bool) -> float:
    """Repeated p-value (Jennison, Turnbull 1989): the alpha whose boundary at this look is just met."""

    def gap(logit: float) -> float:
        alpha = 1 / (1 + np.exp(-logit))
        nominal = plan_looks(information, alpha, final=final).nominal_p[-1]
        return float(np.log(max(nominal, 1e-300)) - np.log(max(p_value, 1e-300)))

    low, high = -30.0, 7.0
    if gap(high) < 0:
        return 1.0
    if gap(low) > 0:
        return float(1 / (1 + np.exp(-low)))
    return float(1 / (1 + np.exp(-optimize.brentq(gap, low, high, xtol=1e-6))))


def _not_as_planned(plan: LookPlan, planned: Sequence[float] | None, final: bool) -> tuple[str, ...]:
    share, out = plan.information[-1], []
    if planned is not None:
        held, wanted = np.array(plan.information), np.array([float(one) for one in planned])
        skipped = [one for one in wanted if one < share - CLOSEST and (abs(held - one) > CLOSEST).all()]
        added = [one for one in held if (abs(wanted - one) > CLOSEST).all()]
        for what, looks, does in (
            ("planned and not held", skipped, "What it would have spent went to the next look."),
            ("held and not planned", added, "It spent by the information that it had."),
        ):
            if looks:
                listed = ", ".join(words.percent(round(one, 4)) for one in looks)
                out.append(f"Looks {what}, at shares of the planned information: {listed}. {does}")
    if share > 1:
        out.append(f"There is more information than planned ({words.percent(round(share, 4))}): this look spends all error left.")
    elif final and share < 1:
        out.append(f"This is the last look with {words.percent(round(share, 4))} of the planned information: all error is spent.")
    return tuple(out)


def _reading(
    plan: LookPlan, estimate: float, lower: float, upper: float, shown: bool, last: bool, adjusted: float, unit: str
) -> str:
    number, level = len(plan.information), words.percent(1 - plan.alpha)
    keep = words.places((upper - lower) / 2 if isfinite(upper - lower) else estimate)
    size = words.with_unit(words.number(estimate, keep), unit)
    ends = f"{level} over all looks: {words.span(lower, upper, keep)}"
    where = f"Look {number}{', the last' if last else ''}"
    if shown:
        return f"{where}: an effect is shown, {size} ({ends}; {words.probability(adjusted)} after all looks)."
    rest = "No effect was shown over all looks." if last else "It is too early to tell; the next look decides with more data."
    return f"{where}: no effect is shown, {size} ({ends}). {rest}"
