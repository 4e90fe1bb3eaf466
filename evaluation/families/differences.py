"""One effect less another: leads less partners, one region less another."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

import numpy as np
from scipy import stats

from evaluation import words
from evaluation.errors import NotEstimable, OptionError, PanelError


@dataclass(frozen=True)
class Effect:
    """One effect: its label, estimate, standard error and degrees of freedom (inf: normal)."""

    label: str
    estimate: float
    std_error: float
    df: float = inf


@dataclass(frozen=True)
class Difference:
    """One effect less another.

    Attributes:
        estimate: the first less the second, in `unit`.
        std_error: its standard error.
        df: degrees of freedom.
        p_value: two-sided.
        lower: lower end of the interval.
        upper: upper end.
        level: of the interval.
        reading: what it says, in plain words.
    """

    estimate: float
    std_error: float
    df: float
    p_value: float
    lower: float
    upper: float
    level: float
    reading: str

    def to_dict(self) -> dict[str, Any]:
        """Every field as plain JSON."""
        found: dict[str, Any] = words.plain(self.__dict__)
        return found


def difference(
    first: Effect, second: Effect, covariance: float = 0.0, *, level: float = 0.95, unit: str = ""
) -> Difference | NotEstimable:
    """One effect less another: leads less partners, say.

    Args:
        first: an effect.
        second: the effect taken from it.
        covariance: of the two estimates; not 0 where they share comparison units.
        level: of the interval.
        unit: words for the unit.

    Returns:
        `Difference` with, where the covariance is 0, the degrees of freedom of Welch and Satterthwaite, else the smaller of the
        two; or `NotEstimable` where an effect or its error is missing, or the two do not vary apart from each other.

    Raises:
        OptionError: a level out of range, an error of 0 or less.
        PanelError: a covariance larger than the two errors allow.
    """
    words.check_share("level", level, "Use 0.95 for a 95% interval.")
    for one in (first, second):
        if not (isfinite(one.estimate) and isfinite(one.std_error)) or one.df != one.df:
            return NotEstimable(f"{one.label} has no effect or no error", "Compare effects that have both.")
        if one.std_error <= 0 or one.df <= 0:
            raise OptionError(f"std_error and df of {one.label} must be above 0, not {one.std_error!r} and {one.df!r}.")
    a, b = first.std_error**2, second.std_error**2
    if abs(covariance) > np.sqrt(a * b) * (1 + 1e-9):
        raise PanelError(f"The covariance {covariance!r} is larger than the two errors allow. Check where it comes from.")
    variance = a + b - 2 * covariance
    if variance <= (a + b) * 1e-12:
        return NotEstimable(f"{first.label} and {second.label} do not vary apart from each other", "Compare other effects.")
    df = min(first.df, second.df)
    if covariance == 0 and isfinite(df):
        df = (a + b) ** 2 / (a**2 / first.df + b**2 / second.df)
    value, error = first.estimate - second.estimate, float(np.sqrt(variance))
    half = float(stats.t.isf((1 - level) / 2, df)) * error
    p_value = float(2 * stats.t.sf(abs(value) / error, df))
    apart = value - half > 0 or value + half < 0
    size = words.with_unit(words.number(value, words.places(half)), unit)
    said = "are not shown to differ" if not apart else "differ"
    ends = words.span(value - half, value + half)
    reading = f"{first.label} and {second.label} {said}: {size} ({words.percent(level)} interval {ends})."
    return Difference(value, error, float(df), p_value, value - half, value + half, level, reading)
