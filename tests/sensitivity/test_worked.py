"""Small cases worked by hand, other ways to the same numbers, properties and known truths."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special, stats

from evaluation import NotEstimable, OptionError, PanelError
from evaluation.sensitivity import pretrend_power, relative_magnitudes, smoothness
from evaluation.sensitivity.breakdown import breakdown
from evaluation.sensitivity.conditional import accepted, differences, least_favourable, mixture, reaches
from evaluation.sensitivity.pretrend_power import inside_box
from evaluation.sensitivity.relative_magnitudes import relative_band, relative_breakdown
from evaluation.sensitivity.smoothness import folded_normal_quantile, frontier, shortest_interval
from evaluation.sensitivity.study import as_study

Drawn = Callable[..., tuple[np.ndarray, np.ndarray]]
EXACT = 1e-8 * np.eye(4)  # estimates that are as good as known: the sets are then the identified sets


def test_relative_magnitudes_of_known_trends() -> None:
    # before 1, 3, (0): the largest step is 3; so the effect of 10 after one period is known to 3 times Mbar
    one = relative_magnitudes([1, 3, 10, 10], EXACT, 2, 2, [1, 0], values=[0.5, 1, 2])
    # twice as far after two periods: 1.5 times as far on average
    two = relative_magnitudes([1, 3, 10, 10], EXACT, 2, 2, [0.5, 0.5], values=[0.5, 1, 2])
    for first, both in zip(one, two, strict=True):
        assert (first.lower, first.upper) == pytest.approx((10 - 3 * first.value, 10 + 3 * first.value), abs=2e-3)
        assert (both.lower, both.upper) == pytest.approx((10 - 4.5 * both.value, 10 + 4.5 * both.value), abs=2e-3)
        assert first.whole and both.whole


def test_breaks_of_the_slope_of_known_trends() -> None:
    # before 1, 3, (0): steps 2 and −3, so the one break of the slope is −5; the line carried on gives −3 after one period
    (made,) = relative_magnitudes([1, 3, 10, 10], EXACT, 2, 2, [1, 0], values=[1], order=2)
    assert (made.lower, made.upper) == pytest.approx((13 - 5, 13 + 5), abs=2e-3)
    # −3 and −6 after one and two periods; M moves them by M and by 3 M
    (made,) = smoothness([1, 3, 10, 10], EXACT, 2, 2, [0, 1], values=[0.5], method="conditional")
    assert (made.lower, made.upper) == pytest.approx((16 - 1.5, 16 + 1.5), abs=2e-3)


def test_smoothness_of_a_straight_line_takes_it_out() -> None:
    # before −6, −3, (0) and 3 a period on: 10 and 13 are effects of 7 and 7
    (made,) = smoothness([-6, -3, 10, 13], EXACT, 2, 2, [0.5, 0.5], values=[0.0])
    assert (made.lower, made.upper) == pytest.approx((7, 7), abs=2e-3)
    # the bias of the average may reach M × (1 + 3) ÷ 2
    (made,) = smoothness([-6, -3, 10, 13], EXACT, 2, 2, [0.5, 0.5], values=[0.1])
    assert (made.lower, made.upper) == pytest.approx((7 - 0.2, 7 + 0.2), abs=2e-3)


def test_a_straight_line_is_taken_out_with_the_least_variance(drawn: Drawn) -> None:
    estimates, covariance = drawn(3, 5, 3)
    contrast, times = np.array([0.0, 0.5, 0.5]), np.array([-5, -4, -3, -2, -1, 1, 2, 3.0])
    # least variance under one linear condition, from its normal equations
    early, cross = covariance[:5, :5], covariance[:5, 5:] @ contrast
    free = -np.linalg.solve(early, cross)
    lean = np.linalg.solve(early, times[:5])
    weights = free - lean * (times[:5] @ free + times[5:] @ contrast) / (times[:5] @ lean)
    whole = np.concatenate([weights, contrast])
    half = special.ndtri(0.975) * np.sqrt(whole @ covariance @ whole)
    (made,) = smoothness(estimates, covariance, 5, 3, contrast, values=[0.0])
    assert made.lower == pytest.approx(whole @ estimates - half, abs=1e-6)
    assert made.upper == pytest.approx(whole @ estimates + half, abs=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_the_path_meets_the_conditions_of_a_minimum(seed: int, drawn: Drawn) -> None:
    # the first two have ties: coefficients that meet the penalty at the same point
    tied = {0: np.eye(9), 1: np.eye(9) + 1}
    covariance = tied[seed] if seed in tied else drawn(seed, 7, 2)[1]
    contrast = np.array([1.0, 0]) if seed % 4 == 3 else np.full(2, 1 / 2)
    path = frontier(covariance, 7, contrast)
    before, _ = differences(7, 2, 2)
    assert np.all(np.diff(path.penalties) <= 0) and path.penalties[-1] == 0
    for penalty, weights in zip(path.penalties, path.weights, strict=True):
        s = np.linalg.lstsq(before.T, weights - path.weights[0], rcond=None)[0]
        gradient = before @ covariance @ weights
        scale = max(path.penalties[0], 1e-12)
        assert np.abs(gradient).max() <= penalty + 1e-9 * scale  # no coordinate wants to move …
        moved = np.abs(s) > 1e-9
        assert gradient[moved] == pytest.approx(-penalty * np.sign(s[moved]), abs=1e-9 * scale)  # … and those that did are even


def test_no_mixture_of_the_path_is_shorter(drawn: Drawn) -> None:
    _, covariance = drawn(11, 6, 2)
    path = frontier(covariance, 6, np.array([0.5, 0.5]))
    share = np.linspace(0, 1, 4001)[:, None]
    weights = np.concatenate([(1 - share) * a + share * b for a, b in zip(path.weights, path.weights[1:], strict=False)])
    biases = np.concatenate([(1 - share) * a + share * b for a, b in zip(path.biases, path.biases[1:], strict=False)])[:, 0]
    spread = np.sqrt(np.einsum("ak,kl,al->a", weights, covariance, weights))
    most = np.array([0.0, 0.01, 0.05, 0.2, 2.0])
    _, half = shortest_interval(path, covariance, most, 0.9)
    for one, found in zip(most, half, strict=True):
        assert found == pytest.approx((folded_normal_quantile(0.9, one * biases / spread) * spread).min(), rel=1e-6)


def test_quantile_of_the_folded_normal() -> None:
    for mean in (0.0, 0.3, 2.0, 30.0):
        value = float(folded_normal_quantile(0.95, np.array([mean]))[0])
        assert stats.foldnorm.cdf(value, mean) == pytest.approx(0.95, abs=1e-10)


@pytest.mark.parametrize(("seed", "post", "order"), [(1, 1, 1), (2, 3, 1), (3, 4, 2), (4, 2, 1)])
def test_the_largest_moment_and_its_test_equal_the_linear_programme(seed: int, post: int, order: int, drawn: Drawn) -> None:
    """The test by linear programmes only: the smallest largest moment, its multipliers, and where they stay the same."""
    estimates, covariance = drawn(seed, 3, post)
    contrast = np.random.default_rng(seed).uniform(-0.5, 1, post) if post > 1 else np.ones(1)
    study, value = as_study(estimates, covariance, 3, post, contrast), 0.7
    moments, _ = relative_band(study, np.array([value]), order)
    critical = least_favourable(moments, 0.005)
    before, after = differences(3, post, order)
    free = np.linalg.svd(mixture(contrast, order)[None, :])[2][1:].T  # directions of the steps that leave the effect alone
    fixed = mixture(contrast, order) / (mixture(contrast, order) @ mixture(contrast, order))
    spread_of_effect = study.std_error
    for row, chosen in list(enumerate(np.concatenate([before, -before])))[seed % 2 :: 2]:
        lines = np.concatenate([after - value * chosen, -after - value * chosen])
        variance = lines @ covariance @ lines.T
        deviation = np.sqrt(np.diag(variance))
        nuisance = np.concatenate([free, -free])
        for theta in study.estimate + spread_of_effect * np.array([-4.0, -2.4, -1.9, 1.8, 2.2, 2.8]):
            y = lines @ estimates - theta * np.concatenate([fixed, -fixed])
            ours = accepted(moments.take([row]), critical[[row]], np.array([[theta]]), 0.05)[0, 0]
            assert ours == _accepted_by_programme(y, nuisance, variance, deviation, critical[row])


def _largest(y: np.ndarray, nuisance: np.ndarray, deviation: np.ndarray) -> tuple[float, np.ndarray]:
    cost = np.eye(1, nuisance.shape[1] + 1)[0]
    bounds = [(None, None)] * len(cost)
    found = optimize.linprog(cost, -np.column_stack([deviation, nuisance]), -y, bounds=bounds, method="highs")
    return float(found.fun), -found.ineqlin.marginals


def _accepted_by_programme(
    y: np.ndarray, nuisance: np.ndarray, variance: np.ndarray, deviation: np.ndarray, critical: float
) -> bool:
    top, weights = _largest(y, nuisance, deviation)
    if top > critical or top <= 0:
        return top <= 0
    along = variance @ weights / (weights @ variance @ weights)
    rest = y - along * top

    def still(at: float) -> bool:
        return bool(_largest(rest + along * at, nuisance, deviation)[0] <= at + 1e-9)

    ends = []
    for far, near in ((-60.0, top), (60.0, top)):
        if not still(far):
            while abs(far - near) > 1e-5:
                middle = (far + near) / 2
                far, near = (far, middle) if still(middle) else (middle, near)
        ends.append(near if not still(far) else far)
    sigma = float(np.sqrt(weights @ variance @ weights))
    low, high = ends[0] / sigma, min(ends[1], critical) / sigma
    tail = (stats.norm.sf(top / sigma) - stats.norm.sf(high)) / (stats.norm.sf(low) - stats.norm.sf(high))
    return bool(tail >= (0.05 - 0.005) / (1 - 0.005))


def test_the_critical_value_of_the_first_stage_by_simulation(drawn: Drawn) -> None:
    estimates, covariance = drawn(5, 3, 3)
    study = as_study(estimates, covariance, 3, 3, np.full(3, 1 / 3))
    moments, _ = relative_band(study, np.array([0.3, 1.0, 5.0]), 1)
    rng = np.random.default_rng(0)
    ends = moments.vertices()
    normals = rng.normal(size=(50_000, 2))
    for row, critical in enumerate(least_favourable(moments, 0.05)):
        draws = normals @ (ends[row] @ np.linalg.cholesky(moments.covariance[row])).T
        # 50,000 draws: the share beyond has an error of 0.001
        assert (draws.max(axis=1) > critical).mean() == pytest.approx(0.05, abs=0.003)


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.floats(0.01, 100), st.floats(-5, 5), st.integers(1, 3))
def test_units_and_effects_move_the_sets_with_them(seed: int, scale: float, effect: float, post: int) -> None:
    estimates, covariance = _drawn(seed, 3, post)
    contrast, values = np.full(post, 1 / post), [0.0, 0.5, 1.0]
    moved = estimates + effect * np.concatenate([np.zeros(3), np.ones(post)])
    tolerance = 3e-3 * np.sqrt(contrast @ covariance[3:, 3:] @ contrast)
    for restriction in (relative_magnitudes, smoothness):
        plain = restriction(estimates, covariance, 3, post, contrast, values=values)
        shifted = restriction(moved, covariance, 3, post, contrast, values=values)
        mirrored = restriction(-estimates, covariance, 3, post, contrast, values=values)
        for a, b, c in zip(plain, shifted, mirrored, strict=True):
            assert (b.lower - effect, b.upper - effect) == pytest.approx((a.lower, a.upper), abs=tolerance)
            assert (-c.upper, -c.lower) == pytest.approx((a.lower, a.upper), abs=tolerance)
    scaled = relative_magnitudes(scale * estimates, scale**2 * covariance, 3, post, contrast, values=values)
    for a, b in zip(relative_magnitudes(estimates, covariance, 3, post, contrast, values=values), scaled, strict=True):
        assert (b.lower / scale, b.upper / scale) == pytest.approx((a.lower, a.upper), abs=tolerance)


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.integers(1, 4))
def test_more_violation_never_makes_a_set_shorter(seed: int, post: int) -> None:
    estimates, covariance = _drawn(seed, 4, post)
    contrast = np.full(post, 1 / post)
    error = float(np.sqrt(contrast @ covariance[4:, 4:] @ contrast))
    sets = relative_magnitudes(estimates, covariance, 4, post, contrast, values=[0.0, 1.0, 2.0, 4.0])
    lengths = [one.upper - one.lower for one in sets]
    assert np.all(np.diff(lengths) > -5e-3 * error)
    assert sets[0].lower == pytest.approx(float(contrast @ estimates[4:]) - special.ndtri(0.975) * error, abs=2e-3 * error)
    fixed = smoothness(estimates, covariance, 4, post, contrast, values=[0.0, 0.05, 0.2, 1.0])
    assert np.all(np.diff([one.upper - one.lower for one in fixed]) > 0)


def _drawn(seed: int, pre: int, post: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(pre + post, pre + post + 2))
    return rng.normal(0, 0.2, pre + post), 0.01 * (mixed @ mixed.T / (pre + post) + 0.2)


@pytest.mark.parametrize("seed", range(4))
def test_breakdown_is_where_the_set_meets_zero(seed: int, drawn: Drawn) -> None:
    estimates, covariance = drawn(seed, 4, 3)
    estimates[4:] += 1.5
    contrast = np.full(3, 1 / 3)
    study = as_study(estimates, covariance, 4, 3, contrast)
    found = relative_breakdown(study, 0.95, 10.0)
    assert 0 < found.value < 10 and not found.beyond
    at, past = relative_magnitudes(estimates, covariance, 4, 3, contrast, values=[found.value, found.value + 0.02])
    assert at.lower > -2e-3 * study.std_error
    assert past.lower < 2e-3 * study.std_error
    moments, group = relative_band(study, np.array([found.value, found.value + 0.02]), 1)
    assert reaches(moments, group, 2, 0.05, 0.0).tolist() == [False, True]


def test_breakdown_at_both_ends_of_the_search() -> None:
    assert breakdown(lambda values: values < -1, 10.0, 0.01).value == 0
    far = breakdown(lambda values: values < 50, 10.0, 0.01)
    assert far.beyond and far.value == far.limit == 10
    between = breakdown(lambda values: values <= 3.456, 10.0, 0.01)
    assert 3.446 <= between.value <= 3.456


def test_one_period_before_is_tested_as_a_single_normal() -> None:
    inside, mean = inside_box(np.array([0.5]), np.array([[4.0]]), 1.96)
    assert inside == pytest.approx(stats.norm.cdf(1.96 - 0.25) - stats.norm.cdf(-1.96 - 0.25), abs=1e-12)
    cut = stats.truncnorm(-1.96 - 0.25, 1.96 - 0.25)
    assert mean[0] == pytest.approx(0.5 + 2 * cut.mean(), abs=1e-5)


def test_power_with_periods_that_vary_apart(drawn: Drawn) -> None:
    variance = np.array([0.04, 0.09, 0.01, 0.02, 0.05])
    made = pretrend_power(np.zeros(5), np.diag(variance), 3, 2, powers=(0.5,))
    (trend,) = made.trends
    error = np.sqrt(variance[:3])
    shift = trend.slope * np.array([3, 2, 1]) / error
    passing = np.prod(stats.norm.cdf(made.critical - shift) - stats.norm.cdf(-made.critical - shift))
    assert 1 - passing == pytest.approx(0.5, abs=1e-5)
    assert made.false_alarm == pytest.approx(1 - 0.95**3, abs=1e-5)
    assert trend.bayes_factor == pytest.approx(passing / 0.95**3, abs=1e-4)
    # nothing after varies with anything before, so passing changes nothing there
    assert trend.bias == pytest.approx(1.5 * trend.slope) and trend.bias_after_passing == pytest.approx(trend.bias)
    assert trend.likelihood_ratio == pytest.approx(np.exp(-0.5 * (shift**2).sum()))
    assert not made.significant


def test_a_test_that_alarms_too_often_has_no_slope_to_find() -> None:
    made = pretrend_power(np.zeros(21), np.eye(21), 20, 1, powers=(0.5, 0.8))
    assert made.false_alarm == pytest.approx(1 - 0.95**20, abs=1e-4)
    assert made.trends[0].slope == 0 and made.trends[1].slope > 0


def test_refusals() -> None:
    one, two = np.eye(2), np.eye(3)
    for made in (relative_magnitudes([1, 2], one, 1, 1, [1]), smoothness([1, 2], one, 1, 1, [1], values=[0])):
        assert isinstance(made, NotEstimable) and "two are the least" in made.reason
    flat = np.ones((3, 3))
    singular = relative_magnitudes([1, 2, 3], flat, 2, 1, [1])
    assert isinstance(singular, NotEstimable) and "singular" in singular.reason
    assert isinstance(pretrend_power([1, 2, 3], flat, 2, 1), NotEstimable)
    with pytest.raises(PanelError, match="3 × 3"):
        relative_magnitudes([1, 2, 3], one, 2, 1, [1])
    with pytest.raises(PanelError, match="finite"):
        relative_magnitudes([1, np.nan, 3], two, 2, 1, [1])
    with pytest.raises(PanelError, match="symmetric"):
        relative_magnitudes([1, 2, 3], two + np.eye(3, k=1), 2, 1, [1])
    with pytest.raises(OptionError, match="0 or more"):
        relative_magnitudes([1, 2, 3], two, 2, 1, [1], values=[-1])
    with pytest.raises(OptionError, match="level"):
        smoothness([1, 2, 3], two, 2, 1, [1], values=[1], level=95)
    with pytest.raises(OptionError, match="order"):
        relative_magnitudes([1, 2, 3], two, 2, 1, [1], order=3)
    with pytest.raises(OptionError, match="method"):
        smoothness([1, 2, 3], two, 2, 1, [1], values=[1], method="FLCI")
    with pytest.raises(OptionError, match="powers"):
        pretrend_power([1, 2, 3], two, 2, 1, powers=(80,))


@pytest.mark.slow
@pytest.mark.parametrize("restriction", ["relative", "smooth"])
def test_the_sets_hold_the_truth_as_often_as_they_say(restriction: str, drawn: Drawn) -> None:
    """A trend at the edge of what is allowed, 500 draws: at least 95% less two and a half errors of the simulation."""
    _, covariance = drawn(7, 4, 2)
    rng = np.random.default_rng(1)
    contrast, effect, held = np.array([0.5, 0.5]), 0.8, []
    trend = np.array([-3.0, 0, 0, 0, 0, 3, 6]) if restriction == "relative" else np.array([0, 0, 0, 0, 0, 0.1, 0.3])
    truth = np.delete(trend, 4) + effect * np.array([0, 0, 0, 0, 1, 1])
    for draw in rng.multivariate_normal(truth, covariance, 500):
        args = draw, covariance, 4, 2, contrast
        (one,) = relative_magnitudes(*args, values=[1.0]) if restriction == "relative" else smoothness(*args, values=[0.1])
        held.append(one.lower <= effect <= one.upper)
    assert np.mean(held) > 0.95 - 2.5 * np.sqrt(0.95 * 0.05 / 500)
    assert np.mean(held) < 0.99  # sets so wide that they hardly miss would say nothing
