"""HonestDiD 0.2.6 and pretrends, row by row."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from numpy.random import MT19937
from scipy import optimize, special

import evaluation.sensitivity  # noqa: F401  (its modules are then in sys.modules)
from evaluation.sensitivity import pretrend_power, relative_magnitudes, smoothness
from evaluation.sensitivity.conditional import differences, mixture
from evaluation.sensitivity.pretrend_power import trend_under
from evaluation.sensitivity.smoothness import folded_normal_quantile, frontier
from evaluation.sensitivity.study import as_study

RELATIVE = ["rm first", "rm average", "rm first, published", "rm average, published", "sdrm first, published"]
SMOOTH = ["sd first", "sd average", "sd first, published", "sd average, published"]


def r_normals(count: int, seed: int = 0) -> np.ndarray:
    """`rnorm(count)` after `set.seed(seed)`: Mersenne Twister seeded by R's own rule, two uniforms to each inversion."""
    word = np.uint32(seed)
    words = []
    with np.errstate(over="ignore"):
        for _ in range(50):
            word = np.uint32(69069) * word + np.uint32(1)
        for _ in range(625):
            word = np.uint32(69069) * word + np.uint32(1)
            words.append(word)
    twister = MT19937()
    twister.state = {"bit_generator": "MT19937", "state": {"key": np.array(words[1:], np.uint32), "pos": 624}}
    raw = twister.random_raw(2 * count).astype(float) * 2.3283064365386963e-10
    uniform = np.clip(raw, 2.328306437080797e-10 / 2, 1 - 2.328306437080797e-10 / 2)
    big = 134217728.0
    return special.ndtri((np.floor(big * uniform[0::2]) + uniform[1::2]) / big)


def r_critical_value(covariance: np.ndarray, mix: np.ndarray, kappa: float, draws: int = 1000) -> float:
    """The least-favourable critical value as HonestDiD simulates it, for 2R moments (R upper, then R lower) with m = mix."""
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    moments = r_normals(draws * len(covariance)).reshape(draws, -1) @ root
    count, deviation = len(mix), np.sqrt(np.diag(covariance))
    upper, lower = moments[:, :count], moments[:, count:]
    weight, positive = np.abs(mix), mix >= 0
    lines = [
        np.where(positive, upper, lower) @ weight / (np.where(positive, deviation[:count], deviation[count:]) @ weight),
        np.where(positive, lower, upper) @ weight / (np.where(positive, deviation[count:], deviation[:count]) @ weight),
    ]
    alone = [weight[np.arange(count) != r].any() for r in range(count)]
    lines += [(upper[:, r] + lower[:, r]) / (deviation[r] + deviation[count + r]) for r in range(count) if alone[r]]
    return float(np.quantile(np.max(lines, axis=0), 1 - kappa))


def bounds_of(case: dict[str, Any], order: int = 1) -> tuple[np.ndarray, np.ndarray, float]:
    """Ours and R's ends (A × 2), and the standard error of the effect."""
    args = case["estimates"], case["covariance"], case["pre"], len(case["contrast"]), case["contrast"]
    made = relative_magnitudes(*args, values=[row["Mbar"] for row in case["rows"]], order=order)
    late = case["covariance"][case["pre"] :, case["pre"] :]
    ours = np.array([[one.lower, one.upper] for one in made])
    return (
        ours,
        np.array([[row["lb"], row["ub"]] for row in case["rows"]]),
        float(np.sqrt(case["contrast"] @ late @ case["contrast"])),
    )


def test_the_draws_are_those_of_r() -> None:
    known = [1.262954284880793, -0.3262333607056494, 1.3297992629225, 1.2724293214294, 0.4146414344564]
    assert r_normals(5) == pytest.approx(known, abs=1e-9)


@pytest.mark.parametrize("name", RELATIVE)
def test_relative_magnitudes_agree_with_r_but_for_its_simulated_critical_value(name: str, honest: dict[str, Any]) -> None:
    ours, theirs, error = bounds_of(honest[name], order=2 if name.startswith("sdrm") else 1)
    # R's first stage takes the 0.995 quantile of 1,000 draws: that alone moves an end by up to 0.1 standard errors
    assert np.abs(ours - theirs).max() < 0.1 * error
    assert np.median(np.abs(ours - theirs)) < honest[name]["step"]


@pytest.mark.parametrize("name", RELATIVE)
def test_with_the_critical_values_of_r_every_end_is_within_one_step_of_its_grid(
    name: str, honest: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    case, order = honest[name], 2 if name.startswith("sdrm") else 1
    before, after = differences(case["pre"], len(case["contrast"]), order)
    chosen = np.concatenate([before, -before])
    rows = [np.concatenate([after - r["Mbar"] * v, -after - r["Mbar"] * v]) for r in case["rows"] for v in chosen]
    mix = mixture(case["contrast"], order)
    simulated = np.array([r_critical_value(row @ case["covariance"] @ row.T, mix, 0.005) for row in rows])
    monkeypatch.setattr(sys.modules["evaluation.sensitivity.conditional"], "least_favourable", lambda *_: simulated)
    ours, theirs, error = bounds_of(case, order)
    inside = np.column_stack([theirs[:, 0] - ours[:, 0], ours[:, 1] - theirs[:, 1]])
    # R's ends are the outermost points of its grid that belong to the set: inside ours, by less than a step
    assert (inside > -2e-3 * error).all()
    assert (inside < case["step"] + 2e-3 * error).all()


@pytest.mark.parametrize("name", SMOOTH)
def test_fixed_length_intervals_are_as_long_as_those_of_r(name: str, honest: dict[str, Any]) -> None:
    case = honest[name]
    study = as_study(case["estimates"], case["covariance"], case["pre"], len(case["contrast"]), case["contrast"])
    args = case["estimates"], case["covariance"], case["pre"], len(case["contrast"]), case["contrast"]
    path = frontier(study.covariance, study.pre, study.contrast)
    for ours, row in zip(smoothness(*args, values=[row["M"] for row in case["rows"]]), case["rows"], strict=True):
        half = (ours.upper - ours.lower) / 2
        # R's quantile of |N(b, 1)| comes from a million draws: its error is below 0.005
        assert half == pytest.approx((row["ub"] - row["lb"]) / 2, abs=0.005 * study.std_error)
        # near the optimum the length hardly changes, so R's search stops at another estimator of the same length
        middle, centre = (ours.upper + ours.lower) / 2, (row["ub"] + row["lb"]) / 2
        assert middle == pytest.approx(centre, abs=0.05 * study.std_error)
        share = np.linspace(0, 1, 2001)[:, None]
        weights = np.concatenate([(1 - share) * a + share * b for a, b in zip(path.weights, path.weights[1:], strict=False)])
        biases = np.concatenate([(1 - share) * a + share * b for a, b in zip(path.biases, path.biases[1:], strict=False)])[:, 0]
        spread = np.sqrt(np.einsum("ak,kl,al->a", weights, study.covariance, weights))
        lengths = folded_normal_quantile(0.95, row["M"] * biases / spread) * spread
        near = np.abs(weights @ study.estimates - centre) < 0.01 * study.std_error
        assert near.any()
        assert lengths[near].min() == pytest.approx(half, abs=2e-3 * study.std_error)
        assert half <= lengths.min() + 1e-6 * study.std_error


@pytest.mark.parametrize("name", SMOOTH)
def test_fixed_length_intervals_are_the_shortest_by_a_search_that_knows_no_path(name: str, honest: dict[str, Any]) -> None:
    case = honest[name]
    pre, contrast = case["pre"], case["contrast"]
    times = np.concatenate([np.arange(-pre, 0), np.arange(1, len(contrast) + 1)])
    second = np.delete(np.diff(np.eye(pre + 1 + len(contrast)), n=2, axis=0), pre, axis=1)

    def estimator(free: np.ndarray) -> np.ndarray:
        weights = np.concatenate([free, [0.0], contrast])
        weights[pre - 1] = weights @ times
        return weights

    def half(free: np.ndarray, most: float) -> float:
        weights = estimator(free)
        bias = most * np.abs(np.linalg.lstsq(second.T, weights, rcond=None)[0]).sum()
        spread = np.sqrt(weights @ case["covariance"] @ weights)
        return float(folded_normal_quantile(0.95, np.array([bias / spread]))[0] * spread)

    args = case["estimates"], case["covariance"], pre, len(contrast), contrast
    error = float(np.sqrt(contrast @ case["covariance"][pre:, pre:] @ contrast))
    for most in (0.0, case["rows"][2]["M"]):
        options = {"xatol": 1e-9, "fatol": 1e-12, "maxiter": 4000, "maxfev": 4000, "adaptive": True}
        best = optimize.minimize(half, np.zeros(pre - 1), args=(most,), method="Nelder-Mead", options=options)
        (ours,) = smoothness(*args, values=[most])
        assert (ours.upper - ours.lower) / 2 == pytest.approx(best.fun, abs=1e-5 * error)
        assert (ours.upper + ours.lower) / 2 == pytest.approx(estimator(best.x) @ case["estimates"], abs=1e-3 * error)


def test_the_conditional_set_under_smoothness_agrees_with_r(honest: dict[str, Any]) -> None:
    case = honest["sd conditional, published"]
    args = case["estimates"], case["covariance"], case["pre"], len(case["contrast"]), case["contrast"]
    made = smoothness(*args, values=[row["M"] for row in case["rows"]], method="conditional")
    for ours, row in zip(made, case["rows"], strict=True):
        # within 0.02 standard errors: the step of R's grid there is 0.0003 = 0.016
        assert ours.lower == pytest.approx(row["lb"], abs=0.02 * 0.019)
        assert ours.upper == pytest.approx(row["ub"], abs=0.02 * 0.019)


def test_without_a_break_the_set_is_the_usual_interval(honest: dict[str, Any]) -> None:
    case = honest["rm first, published"]
    args = case["estimates"], case["covariance"], 4, 4, case["contrast"]
    (ours,) = relative_magnitudes(*args, values=[0.0])
    # the ends are refined to 1e-3 standard errors
    assert ours.lower == pytest.approx(honest["original"]["lb"][0], abs=2e-5)
    assert ours.upper == pytest.approx(honest["original"]["ub"][0], abs=2e-5)


def test_power_of_the_test_before_agrees_with_pretrends(honest: dict[str, Any]) -> None:
    case, r = honest["rm first, published"], honest["pretrends"]
    study = as_study(case["estimates"], case["covariance"], 4, 4, case["contrast"])
    ours = trend_under(study, r["slope_power50"], 1.96)
    assert ours.power == pytest.approx(r["df_power"][0]["Power"], rel=1e-3)
    assert ours.bayes_factor == pytest.approx(r["df_power"][0]["Bayes.Factor"], rel=1e-3)
    assert ours.likelihood_ratio == pytest.approx(r["df_power"][0]["Likelihood.Ratio"], rel=1e-9)
    means = [row["meanAfterPretesting"] for row in r["event_plot"] if "meanAfterPretesting" in row]
    assert [*ours.before_after_passing, *ours.after_after_passing] == pytest.approx(means, rel=1e-3)


def test_slopes_agree_with_pretrends_within_what_its_search_leaves(honest: dict[str, Any]) -> None:
    case, r = honest["rm first, published"], honest["pretrends"]
    made = pretrend_power(case["estimates"], case["covariance"], 4, 4, case["contrast"])
    study = as_study(case["estimates"], case["covariance"], 4, 4, case["contrast"])
    for power, trend in zip((0.5, 0.8), made.trends, strict=True):
        # R's `uniroot` stops at 1.2e-4 of slope: its slopes have power 0.5011 and 0.8006, ours the power asked for
        assert trend.slope == pytest.approx(r[f"slope_power{100 * power:.0f}"], abs=1.2e-4)
        assert trend_under(study, trend.slope, made.critical).power == pytest.approx(power, abs=1e-5)
