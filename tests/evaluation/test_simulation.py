"""A truth that is known: the estimator is on target, and its intervals hold it about as often as they say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from evaluation import Panel, Result, estimate

DRAWS, UNITS, PERIODS, REGIONS = 500, 60, 8, 12
FIRST = np.array([0, 0, 4, 6])[np.arange(UNITS) % 4]


def drawn(rng: np.random.Generator) -> pd.DataFrame:
    """Effects that grow with time and differ by cohort, on levels, trends, shocks by region and noise that lasts."""
    unit, period = np.repeat(np.arange(UNITS), PERIODS), np.tile(np.arange(1, PERIODS + 1), UNITS)
    first = FIRST[unit]
    noise = np.zeros((UNITS, PERIODS))
    for t in range(PERIODS):
        noise[:, t] = 0.4 * (noise[:, t - 1] if t else 0.0) + rng.normal(0, 1, UNITS)
    level, shocks = rng.normal(0, 3, UNITS)[unit], rng.normal(0, 0.5, (REGIONS, PERIODS))
    y = level + 0.3 * period + shocks[unit % REGIONS, period - 1] + noise.ravel() + truth(first, period)
    return pd.DataFrame({"unit": unit, "period": period, "first": first, "region": unit % REGIONS, "y": y})


def truth(first: np.ndarray, period: np.ndarray) -> np.ndarray:
    return np.where((first > 0) & (period >= first), 1.0 + 0.5 * (period - first) + (first == 6), 0.0)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"control": "never_treated"}, {"control": "not_yet_treated"}], ids=str)
def test_group_time_overall_is_on_target(options: dict[str, Any]) -> None:
    rng = np.random.default_rng(20_260_101)
    frame = drawn(rng)
    on = (frame["first"] > 0) & (frame["period"] >= frame["first"])
    target = float(truth(frame["first"].to_numpy(), frame["period"].to_numpy())[on].mean())
    estimates, held = [], []
    for _ in range(DRAWS):
        result = estimate(Panel.from_frame(drawn(rng), "unit", "period", "first", "y", cluster="region"), "group_time", **options)
        assert isinstance(result, Result)
        row = result.frame()
        estimates.append(float(result.estimates[0]))
        held.append(bool((row["lower"] <= target).all() and (target <= row["upper"]).all()))
    bias, error = np.mean(estimates) - target, np.std(estimates, ddof=1) / np.sqrt(DRAWS)
    coverage = float(np.mean(held))
    print(
        f"{options}: truth {target:.3f}, bias {bias:+.4f} (Monte Carlo error {error:.4f}), 95% intervals hold it {coverage:.1%}"
    )
    assert abs(bias) < 2 * error
    assert 0.88 < coverage < 0.99


@pytest.mark.slow
def test_two_way_is_off_target_where_effects_grow_and_says_so() -> None:
    # The warning of negative weights has a reason: on the same draws the two-way number misses the mean effect.
    rng = np.random.default_rng(7)
    late = {"first": np.array([2, 2, 2, 7])[np.arange(UNITS) % 4]}
    estimates = []
    for _ in range(60):
        frame = drawn(rng)
        frame["y"] -= truth(frame["first"].to_numpy(), frame["period"].to_numpy())
        frame["first"] = late["first"][frame["unit"]]
        frame["y"] += truth(frame["first"].to_numpy(), frame["period"].to_numpy())
        result = estimate(Panel.from_frame(frame, "unit", "period", "first", "y"), "two_way_fixed_effects")
        assert isinstance(result, Result)
        assert "carry a negative weight" in result.warnings[-1]
        estimates.append(float(result.estimates[0]))
    on = frame["period"] >= frame["first"]
    target = float(truth(frame["first"].to_numpy(), frame["period"].to_numpy())[on].mean())
    assert abs(np.mean(estimates) - target) > 10 * np.std(estimates, ddof=1) / np.sqrt(len(estimates))


@pytest.mark.slow
def test_size_of_the_joint_pretrend_test_with_few_clusters() -> None:
    # METHODS.md gives these shares: with 9 clusters F(q, G − 1) alarms too often, Hotelling's rule about as often as it should.
    rng = np.random.default_rng(7)
    alarms = []
    for _ in range(300):
        sums = rng.normal(size=(9, 4))
        statistic = 9 * sums.mean(axis=0) @ np.linalg.solve(np.cov(sums.T), sums.mean(axis=0)) / 4
        alarms.append([statistic > quantile for quantile in (3.838, 5.192 * 8 / 5)])  # F(4, 8) and F(4, 5) at 5%
    plain, hotelling = np.mean(alarms, axis=0)
    print(f"9 clusters, 4 periods: F(q, G − 1) {plain:.1%}, Hotelling {hotelling:.1%}")
    assert plain > 0.12
    assert 0.02 < hotelling < 0.09
