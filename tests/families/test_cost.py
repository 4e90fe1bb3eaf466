"""Cost for an effect: hand-worked ratios, the definition of the interval, and coverage where the truth is known."""

from __future__ import annotations

import json
from math import inf, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from evaluation.errors import NotEstimable, OptionError, PanelError
from evaluation.families import Ratio, cost_ratio, fieller

T8 = stats.t.isf(0.025, 8)


def found(*numbers: float, **options: Any) -> Ratio:
    result = cost_ratio(*numbers, **{"unit": "points", "cost_unit": "thousand pounds", **options})
    assert isinstance(result, Ratio)
    return result


def test_known_cost_by_hand() -> None:
    # With a known cost the interval is the cost divided by the ends of the effect: 10 ÷ (2 ± 1.96 × 0.5).
    result = found(2.0, 0.5, 10.0)
    half = stats.norm.isf(0.025) * 0.5
    assert (result.shape, result.estimate) == ("bounded", 5)
    assert (result.lower, result.upper) == pytest.approx((10 / (2 + half), 10 / (2 - half)))
    other = found(2.0, 0.5, 10.0, ratio="effect_per_cost")
    assert (other.lower, other.upper) == pytest.approx(((2 - half) / 10, (2 + half) / 10))
    assert (other.delta_lower, other.delta_upper) == pytest.approx((other.lower, other.upper))
    # Delta method for 1 ÷ effect: 10 × 0.5 ÷ 2² = 1.25.
    assert result.delta_upper - result.estimate == pytest.approx(stats.norm.isf(0.025) * 1.25)


def test_the_quadratic_by_hand() -> None:
    # Top 10 (variance 1), bottom 2 (variance 0.25), quantile 2, independent: a = 4 − 1, b = 20, c = 100 − 4.
    # Roots of 3ρ² − 40ρ + 96: (40 ± √(1600 − 1152)) ÷ 6.
    shape, lower, upper = fieller(10, 2, 1, 0.25, 0, 2)
    assert shape == "bounded"
    assert (lower, upper) == pytest.approx(((40 - np.sqrt(448)) / 6, (40 + np.sqrt(448)) / 6))
    # Bottom variance 2: a = 4 − 8 = −4, roots of −4ρ² − 40ρ + 96 outwards: (−40 ± √(1600 + 1536)) ÷ 8 = −12 and 2.
    assert fieller(10, 2, 1, 2, 0, 2) == ("exclusive", pytest.approx(-12), pytest.approx(2))
    # Top 1 with variance 1: c = 1 − 4; b = 2; b² − ac = 4 − 12 < 0.
    assert fieller(1, 2, 1, 2, 0, 2) == ("whole_line", -inf, inf)
    # Bottom variance 1: a = 0; −40ρ + 96 ≤ 0.
    assert fieller(10, 2, 1, 1, 0, 2) == ("half_line", pytest.approx(2.4), inf)
    assert fieller(-10, 2, 1, 1, 0, 2) == ("half_line", -inf, pytest.approx(-2.4))
    assert fieller(0, 2, 1, 1, 0, 2) == ("whole_line", -inf, inf)


@pytest.mark.parametrize(
    ("numbers", "options", "says"),
    [
        ((2.0, 0.5, 10.0), {}, "Cost for one unit of improvement (points): 5.0 thousand pounds (95% interval 3.4 to 9.8)."),
        ((2.0, 1.5, 10.0, 1.0), {}, "but the effect may be zero, so the ratio has no two ends: 2.0 or more is possible, and "),
        ((2.0, 1.5, 1.0, 1.0), {}, "cannot be told. Effect and cost may both be zero, so any ratio is possible"),
        ((-2.0, 0.5, 10.0), {}, "The outcome got worse: a cost below zero is the cost for one unit of worsening."),
        ((2.0, 0.5, 10.0), {"ratio": "effect_per_cost"}, "Improvement for one unit of cost (thousand pounds): 0.200 points"),
    ],
)
def test_words(numbers: tuple[float, ...], options: dict[str, Any], says: str) -> None:
    assert says in found(*numbers, **options).reading


def test_direction_turns_a_fall_into_an_improvement() -> None:
    rise, fall = found(2.0, 0.5, 10.0, 1.0, 0.2, 8), found(-2.0, 0.5, 10.0, 1.0, -0.2, 8, direction="lower_is_better")
    assert fall.to_dict() == rise.to_dict()


def test_a_denominator_of_zero() -> None:
    result = found(0.0, 1.0, 10.0, 1.0)
    assert result.estimate != result.estimate and result.shape == "exclusive"
    assert result.lower == pytest.approx(-result.upper)
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False))["estimate"] is None
    free = cost_ratio(1.0, 1.0, 0.0, ratio="effect_per_cost")
    assert isinstance(free, NotEstimable) and "cost is zero" in free.reason


def test_what_cannot_be_had() -> None:
    assert isinstance(cost_ratio(nan, 1.0, 1.0), NotEstimable)
    assert isinstance(cost_ratio(1.0, nan, 1.0), NotEstimable)
    with pytest.raises(OptionError, match="ratio 'cost' does not exist"):
        cost_ratio(1.0, 1.0, 1.0, ratio="cost")
    with pytest.raises(OptionError, match="must be above 0"):
        cost_ratio(1.0, 0.0, 1.0)
    with pytest.raises(OptionError, match="level must lie"):
        cost_ratio(1.0, 1.0, 1.0, level=95)
    with pytest.raises(PanelError, match="larger than the two errors allow"):
        cost_ratio(1.0, 1.0, 1.0, 1.0, 2.0)


numbers = st.floats(-20, 20)
errors = st.floats(0.05, 5)


@given(effect=numbers, error=errors, cost=numbers, cost_error=errors, correlation=st.floats(-0.95, 0.95), at=st.floats(-30, 30))
def test_the_interval_is_what_the_test_does_not_reject(
    effect: float, error: float, cost: float, cost_error: float, correlation: float, at: float
) -> None:
    both = correlation * error * cost_error
    result = found(effect, error, cost, cost_error, both, 8)
    variance = cost_error**2 - 2 * at * both + at**2 * error**2
    statistic = abs(cost - at * effect) / np.sqrt(variance)
    assume(abs(statistic - T8) > 1e-6)
    assert result.holds(at) == (statistic < T8)


@given(effect=numbers, error=errors, cost=st.floats(1, 20), cost_error=errors, scale=st.floats(0.01, 100))
def test_units_change_nothing(effect: float, error: float, cost: float, cost_error: float, scale: float) -> None:
    assume(abs(effect / error - stats.norm.isf(0.025)) > 1e-6 and abs(effect / error + stats.norm.isf(0.025)) > 1e-6)
    first, scaled = found(effect, error, cost, cost_error), found(scale * effect, scale * error, cost, cost_error)
    assert scaled.shape == first.shape
    assert (scaled.lower * scale, scaled.upper * scale) == pytest.approx((first.lower, first.upper), rel=1e-6)


def test_coverage_where_the_delta_method_fails() -> None:
    # Effect 1 with error 0.5, cost 3 with error 1, correlation 0.5; 4,000 draws: Monte Carlo error 0.35 points.
    random = np.random.Generator(np.random.PCG64(4))
    draws = random.multivariate_normal([1, 3], [[0.25, 0.25], [0.25, 1]], 4_000)
    results = [found(effect, 0.5, cost, 1.0, 0.25) for effect, cost in draws]
    assert np.mean([one.holds(3.0) for one in results]) == pytest.approx(0.95, abs=0.011)
    assert {one.shape for one in results} >= {"bounded", "exclusive"}
