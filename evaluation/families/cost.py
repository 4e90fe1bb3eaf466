"""Cost for an effect, or effect for a cost: a ratio of two estimates with the interval of Fieller.

The interval holds every ratio ρ at which the numerator less ρ × the denominator does not differ from zero. Where the denominator
is itself not told apart from zero, that is no interval between two ends, and it is said so (Fieller 1954, Journal of the Royal
Statistical Society B 16).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite, nan, sqrt
from typing import Any

import numpy as np
from scipy import stats

from evaluation import words
from evaluation.errors import NotEstimable, OptionError, PanelError, check_choice

RATIOS = ("cost_per_effect", "effect_per_cost")
DIRECTIONS = ("higher_is_better", "lower_is_better", None)
SHAPES = ("bounded", "half_line", "exclusive", "whole_line")


@dataclass(frozen=True)
class Ratio:
    """A ratio with its intervals.

    Attributes:
        ratio: `cost_per_effect` (cost for one unit of improvement) or `effect_per_cost` (improvement for one unit of cost).
        estimate: of the ratio; NaN where the denominator is zero.
        shape: `bounded` (from `lower` to `upper`), `half_line` (one end), `exclusive` (all but what lies between `lower` and
            `upper`: below `lower` or above `upper`) or `whole_line` (any ratio).
        lower: lower end of Fieller's interval; −inf where it has none.
        upper: upper end; inf where it has none.
        delta_lower: lower end by the delta method, kept for comparison; NaN where the denominator is zero.
        delta_upper: upper end.
        effect: the effect in the direction of improvement, in `unit`.
        cost: the cost, in `cost_unit`.
        df: degrees of freedom.
        level: of both intervals.
        reading: what it says, in plain words.
    """

    ratio: str
    estimate: float
    shape: str
    lower: float
    upper: float
    delta_lower: float
    delta_upper: float
    effect: float
    cost: float
    df: float
    level: float
    reading: str

    @property
    def estimable(self) -> bool:
        """Always True; `NotEstimable` has False."""
        return True

    def holds(self, value: float) -> bool:
        """Whether a ratio lies within Fieller's interval, whatever its shape."""
        if self.shape == "exclusive":
            return value <= self.lower or value >= self.upper
        return self.lower <= value <= self.upper

    def to_dict(self) -> dict[str, Any]:
        """Every field as plain JSON."""
        found: dict[str, Any] = words.plain(self.__dict__)
        return found


def cost_ratio(
    effect: float,
    effect_error: float,
    cost: float,
    cost_error: float = 0.0,
    covariance: float = 0.0,
    df: float = inf,
    *,
    ratio: str = "cost_per_effect",
    direction: str | None = None,
    level: float = 0.95,
    unit: str = "",
    cost_unit: str = "",
) -> Ratio | NotEstimable:
    """Cost for one unit of improvement, or improvement for one unit of cost, with Fieller's interval.

    Args:
        effect: in `unit`.
        effect_error: its standard error, above 0.
        cost: of the same units over the same time, in `cost_unit`.
        cost_error: its standard error; 0 where the cost is known.
        covariance: of effect and cost.
        df: degrees of freedom of the errors (inf: normal).
        ratio: `cost_per_effect` or `effect_per_cost`.
        direction: with `lower_is_better` a fall is the improvement; None: the effect as it is.
        level: of the interval.
        unit: words for the unit of the effect, for example "percentage points".
        cost_unit: words for the unit of cost, for example "pounds an authority".

    Returns:
        `Ratio`, or `NotEstimable` where a number is missing.

    Raises:
        OptionError: an unknown ratio or direction, a level out of range, errors or df that cannot be.
        PanelError: a covariance larger than the two errors allow.
    """
    check_choice("ratio", ratio, RATIOS)
    check_choice("direction", direction, DIRECTIONS)
    words.check_share("level", level, "Use 0.95 for a 95% interval.")
    if not (all(isfinite(one) for one in (effect, effect_error, cost, cost_error, covariance)) and df == df):
        return NotEstimable("the effect, the cost or an error is missing", "Give both with their errors.")
    if effect_error <= 0 or cost_error < 0 or df <= 0:
        raise OptionError("effect_error and df must be above 0, and cost_error 0 or more.")
    if abs(covariance) > effect_error * cost_error * (1 + 1e-9):
        raise PanelError(f"The covariance {covariance!r} is larger than the two errors allow. Check where it comes from.")
    sign = -1.0 if direction == "lower_is_better" else 1.0
    improvement, both = (sign * effect, effect_error**2), sign * covariance
    spent = (float(cost), cost_error**2)
    top, bottom = (spent, improvement) if ratio == "cost_per_effect" else (improvement, spent)
    quantile = float(stats.t.isf((1 - level) / 2, df))
    if bottom == (0.0, 0.0):
        return NotEstimable("the cost is zero, so nothing can be divided by it", "Use ratio='cost_per_effect', or give the cost.")
    shape, lower, upper = fieller(top[0], bottom[0], top[1], bottom[1], both, quantile)
    value = delta = nan
    if abs(bottom[0]) > 1e-12 * sqrt(bottom[1]):
        value = top[0] / bottom[0]
        delta = quantile * sqrt(max(top[1] - 2 * value * both + value**2 * bottom[1], 0.0)) / abs(bottom[0])
    reading = _reading(ratio, value, shape, lower, upper, improvement[0], level, unit, cost_unit)
    ends = (lower, upper, value - delta, value + delta)
    return Ratio(ratio, value, shape, *ends, improvement[0], float(cost), float(df), level, reading)


def fieller(
    top: float, bottom: float, top_variance: float, bottom_variance: float, covariance: float, quantile: float
) -> tuple[str, float, float]:
    """Shape and ends of the ratios top ÷ bottom that fit: (top − ρ bottom)² ≤ quantile² × its variance.

    The roots of a ρ² − 2 b ρ + c with a = bottom² − quantile² × variance of bottom, and so on; `a` is positive where the
    denominator is told apart from zero. See `Ratio` for the shapes.
    """
    square = quantile**2
    a = bottom**2 - square * bottom_variance
    b = top * bottom - square * covariance
    c = top**2 - square * top_variance
    dust = 1e-13 * (bottom**2 + square * bottom_variance)
    if abs(a) <= dust:
        if b == 0:
            return "whole_line", -inf, inf
        return ("half_line", c / (2 * b), inf) if b > 0 else ("half_line", -inf, c / (2 * b))
    inside = b**2 - a * c
    if a < 0 and inside <= 0:
        return "whole_line", -inf, inf
    root = sqrt(max(inside, 0.0))
    far = b + float(np.copysign(root, b))  # the root without cancellation; the other follows from their product
    lower, upper = sorted((far / a, c / far)) if far != 0 else (0.0, 0.0)
    return ("bounded" if a > 0 else "exclusive"), lower, upper


def _reading(
    ratio: str,
    value: float,
    shape: str,
    lower: float,
    upper: float,
    improvement: float,
    level: float,
    unit: str,
    cost_unit: str,
) -> str:
    per_effect = ratio == "cost_per_effect"
    per, measure = (unit, cost_unit) if per_effect else (cost_unit, unit)
    what = "Cost for one unit of improvement" if per_effect else "Improvement for one unit of cost"
    what += f" ({per})" if per else ""
    ends = [end for end in (lower, upper) if isfinite(end)]
    keep = words.places((upper - lower) / 2 if len(ends) == 2 and upper > lower else (ends or [value])[0])
    size = words.with_unit(words.number(value, keep), measure) if isfinite(value) else "no number"
    sure = f"{words.percent(level)} interval"
    if shape == "bounded":
        text = f"{what}: {size} ({sure} {words.span(lower, upper, keep)})."
    elif shape == "whole_line":
        text = f"{what}: cannot be told. Effect and cost may both be zero, so any ratio is possible ({sure})."
    elif shape == "half_line":
        text = f"{what}: {size}; {words.span(lower, upper, keep)} is possible ({sure}): what it is divided by may be near zero."
    else:
        zero, (low, high) = "effect" if per_effect else "cost", (words.number(end, keep) for end in (lower, upper))
        text = (
            f"{what}: {size}, but the {zero} may be zero, so the ratio has no two ends: {high} or more is possible, and "
            f"{low} or less ({sure})."
        )
    if per_effect and improvement < 0:
        return f"The outcome got worse: a cost below zero is the cost for one unit of worsening. {text}"
    if per_effect and shape != "whole_line" and min([*ends, 0.0]) < 0 and not (shape == "half_line" and lower >= 0):
        return f"{text} A cost below zero means that the outcome may have got worse, or that money may have been saved."
    return text
