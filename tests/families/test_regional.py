"""Regions: published meta-analyses, hand-worked cases, properties, and coverage where the truth is known."""

from __future__ import annotations

import json
from math import inf, nan
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.meta_analysis import combine_effects

from evaluation import Panel, Result, estimate
from evaluation.errors import NotEstimable, OptionError, PanelError
from evaluation.families import (
    Difference,
    Effect,
    RandomEffects,
    RegionalEffects,
    difference,
    random_effects,
    regional_effects,
    regional_effects_of,
)
from evaluation.families.heterogeneity import shrink
from evaluation.families.ranks import rank_intervals

# Thirteen trials of the BCG vaccine (Colditz et al. 1994): cases and others, vaccinated and not.
BCG = [
    (4, 119, 11, 128),
    (6, 300, 29, 274),
    (3, 228, 11, 209),
    (62, 13536, 248, 12619),
    (33, 5036, 47, 5761),
    (180, 1361, 372, 1079),
    (8, 2537, 10, 619),
    (505, 87886, 499, 87892),
    (29, 7470, 45, 7232),
    (17, 1699, 65, 1600),
    (186, 50448, 141, 27197),
    (5, 2493, 3, 2338),
    (27, 16886, 29, 17825),
]
# Eight schools (Rubin 1981).
SCHOOLS = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
SCHOOL_ERRORS = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])


def bcg() -> tuple[np.ndarray, np.ndarray]:
    """Log relative risks and their variances."""
    a, b, c, d = np.array(BCG, float).T
    return np.log(a / (a + b)) - np.log(c / (c + d)), 1 / a - 1 / (a + b) + 1 / c - 1 / (c + d)


def combined(*given: Any, **options: Any) -> RandomEffects:
    result = random_effects(*given, **options)
    assert isinstance(result, RandomEffects)
    return result


def regional(*given: Any, **options: Any) -> RegionalEffects:
    result = regional_effects(*given, **options)
    assert isinstance(result, RegionalEffects)
    return result


def test_bcg_as_metafor_publishes_it() -> None:
    # metafor's pages for dat.bcg (REML), printed to four decimals: tolerance half a unit of the last.
    y, v = bcg()
    found = combined(y, np.sqrt(v))
    known = {
        "estimate": -0.7145,
        "std_error": 0.1798,
        "tau2": 0.3132,
        "tau2_lower": 0.1197,
        "tau2_upper": 1.1115,
        "q": 152.2330,
        "i2": 0.9222,
        "std_error_hartung_knapp": 0.1808,
    }
    for name, value in known.items():
        assert getattr(found, name) == pytest.approx(value, abs=0.00005001), name
    # Its prediction interval with normal quantiles, on the ratio scale, from our numbers: 0.1546 to 1.5490.
    wide = stats.norm.isf(0.025) * np.hypot(found.std_error, np.sqrt(found.tau2))
    assert np.exp([found.estimate - wide, found.estimate + wide]) == pytest.approx([0.1546, 1.5490], abs=0.00005001)
    assert found.upper - found.estimate == pytest.approx(stats.t.isf(0.025, 12) * found.std_error_hartung_knapp, rel=1e-12)


def test_paule_mandel_and_hartung_knapp_as_statsmodels() -> None:
    y, v = bcg()
    theirs = combine_effects(y, v, method_re="iterated", use_t=True, atol=1e-12)
    ours = combined(y, np.sqrt(v), method="PM", truncate=False)
    assert ours.tau2 == pytest.approx(theirs.tau2, rel=1e-6)
    assert ours.estimate == pytest.approx(theirs.mean_effect_re, rel=1e-6)
    assert ours.std_error_hartung_knapp == pytest.approx(theirs.sd_eff_w_re_hksj, rel=1e-6)
    assert ours.q == pytest.approx(theirs.q, rel=1e-9)


def test_equal_errors_by_hand() -> None:
    # Errors 1; estimates 0, 3, 6: mean 3, variance 9. REML with equal errors: τ² = 9 − 1. HK error: √(9/3).
    found = combined([0.0, 3.0, 6.0], [1.0, 1.0, 1.0])
    assert found.tau2 == pytest.approx(8, rel=1e-9)
    assert found.estimate == pytest.approx(3)
    assert found.std_error_hartung_knapp == pytest.approx(np.sqrt(3), rel=1e-9)
    assert (found.q, found.i2) == (pytest.approx(18), pytest.approx(8 / 9))


def test_no_difference_is_zero_variance_and_the_common_effect() -> None:
    found = combined([1.0, 1.1, 0.9], [1.0, 1.0, 2.0])
    assert (found.tau2, found.tau2_lower, found.i2) == (0, 0, 0)
    assert found.estimate == pytest.approx((1 + 1.1 + 0.9 / 4) / 2.25)
    assert found.std_error_hartung_knapp == found.std_error  # never below
    assert combined([1.0, 1.1, 0.9], [1.0, 1.0, 2.0], truncate=False).std_error_hartung_knapp < found.std_error
    assert "No difference between regions beyond chance was shown" in found.reading


def test_a_shared_comparison_group_moves_the_mean_not_the_spread() -> None:
    # A shock common to all estimates with variance 4 adds 4 to the mean's variance and nothing to Q or τ².
    y, e = np.array([0.0, 3.0, 6.0, 2.0]), np.array([1.0, 2.0, 1.5, 1.0])
    apart, shared = combined(y, e), combined(y, covariance=np.diag(e**2) + 4)
    for name in ("tau2", "tau2_upper", "q", "estimate"):
        assert getattr(shared, name) == pytest.approx(getattr(apart, name), rel=1e-7), name
    assert shared.std_error**2 == pytest.approx(apart.std_error**2 + 4, rel=1e-7)


def test_schools_as_published() -> None:
    # Gelman et al., Bayesian Data Analysis, table 5.3: 200 draws, rounded to whole points. Tolerance 3 at the ends, 2 inside.
    published = {0: (-2, 7, 16, 31), 1: (-5, 3, 12, 23), 2: (-11, 2, 11, 19), 3: (-7, 4, 11, 21), 4: (-9, 1, 10, 18)}
    ends, middle = (shrink(SCHOOLS, np.diag(SCHOOL_ERRORS**2), level) for level in (0.95, 0.5))
    for k, (low, first, third, high) in published.items():
        assert (ends.lower[k], ends.upper[k]) == pytest.approx((low, high), abs=3)
        assert (middle.lower[k], middle.upper[k]) == pytest.approx((first, third), abs=2)
    assert ((ends.pull > 0) & (ends.pull < 1)).all()


def test_prediction_agrees_with_a_plain_sum_over_tau() -> None:
    y, v = bcg()
    found = combined(y, np.sqrt(v))
    taus = np.linspace(1e-4, 20, 100_001)
    w = 1 / (v + taus[:, None] ** 2)
    information = w.sum(axis=1)
    mean = w @ y / information
    log = 0.5 * np.log(w).sum(axis=1) - 0.5 * np.log(information) - 0.5 * (w * (y - mean[:, None]) ** 2).sum(axis=1)
    share = np.exp(log - log.max()) / np.exp(log - log.max()).sum()
    for end, below in ((found.prediction_lower, 0.025), (found.prediction_upper, 0.975)):
        assert share @ stats.norm.cdf((end - mean) / np.sqrt(taus**2 + 1 / information)) == pytest.approx(below, abs=1e-5)


def test_shrinking_agrees_with_a_plain_sum_over_tau() -> None:
    # The textbook formulas for independent estimates, on a grid, apart from our eigenvectors.
    taus = np.linspace(1e-4, 400, 200_001)
    w = 1 / (SCHOOL_ERRORS**2 + taus[:, None] ** 2)
    information = w.sum(axis=1)
    mean = w @ SCHOOLS / information
    log = 0.5 * np.log(w).sum(axis=1) - 0.5 * np.log(information) - 0.5 * (w * (SCHOOLS - mean[:, None]) ** 2).sum(axis=1)
    share = np.exp(log - log.max())
    share /= share.sum()
    b = taus[:, None] ** 2 * w
    expected = share @ (b * SCHOOLS + (1 - b) * mean[:, None])
    found = shrink(SCHOOLS, np.diag(SCHOOL_ERRORS**2), 0.95)
    assert found.estimates == pytest.approx(expected, abs=2e-3)  # the grid's own coarseness and its end
    error = np.sqrt(b * SCHOOL_ERRORS**2 + (1 - b) ** 2 / information[:, None])
    below = share @ stats.norm.cdf((found.lower - (b * SCHOOLS + (1 - b) * mean[:, None])) / error)
    assert below == pytest.approx(np.full(8, 0.025), abs=1e-4)


def test_ranks_by_hand() -> None:
    # Errors of 0.1 and gaps of 1 and 10: all are told apart, but for the two that are equal.
    found = rank_intervals(np.array([10.0, 0.0, 0.0, -1.0]), 0.01 * np.eye(4))
    assert found.lower.tolist() == [1, 2, 2, 4]
    assert found.upper.tolist() == [1, 3, 3, 4]
    nothing = rank_intervals(np.array([1.0, 2.0, 3.0]), 100 * np.eye(3))
    assert (nothing.lower.tolist(), nothing.upper.tolist()) == ([1, 1, 1], [3, 3, 3])


def test_ranks_use_the_covariance() -> None:
    # Gaps of 1 with errors of 1 say nothing, unless nearly all of the error is shared.
    y = np.array([2.0, 1.0, 0.0])
    assert not rank_intervals(y, np.eye(3)).above.any()
    assert rank_intervals(y, 0.99 + 0.01 * np.eye(3)).lower.tolist() == [1, 2, 3]


def test_stepdown_shows_more_than_one_step() -> None:
    # One far above; the gap of the other two has t = 2.1: below the 2.34 of three pairs, above the 1.96 of the one pair left.
    gap = 2.1 * np.sqrt(2)
    assert rank_intervals(np.array([20.0, 0.0, gap]), np.eye(3)).lower.tolist() == [1, 3, 2]
    assert not rank_intervals(np.array([gap, 0.0, gap / 2]), np.eye(3)).above.any()


LABELS = ["North", "South", "East", "West"]


def test_everything_together_keeps_the_order_given() -> None:
    found = regional(LABELS, [-9.0, 0.0, 1.0, nan], [0.5, 0.5, 0.5, nan], 20, direction="lower_is_better", unit="days")
    assert [region.label for region in found.regions] == LABELS
    north, south, _, west = found.regions
    assert (north.rank_lower, north.rank_upper) == (1, 1)
    assert (south.rank_lower, south.rank_upper) == (2, 3)
    assert west.note and west.rank_lower is None
    assert north.upper == pytest.approx(-9 + stats.t.isf(0.025, 20) * 0.5)
    assert ("North", "South") in found.pairs and ("South", "North") not in found.pairs
    assert "North better than South" in found.reading and "Without an effect or an error: West." in found.reading
    assert "not a ranking" in found.reading
    text = json.dumps(found.to_dict(), allow_nan=False)
    assert json.loads(text)["regions"][3]["estimate"] is None


def test_few_degrees_of_freedom_widen_the_shrunken_interval() -> None:
    y, e = SCHOOLS, SCHOOL_ERRORS
    names = [str(k) for k in range(8)]
    wide, plain = regional(names, y, e, 3), regional(names, y, e)
    assert plain.regions[0].shrunken == pytest.approx(shrink(y, np.diag(e**2), 0.95).estimates[0])
    for few, many in zip(wide.regions, plain.regions, strict=True):
        assert few.shrunken_upper - few.shrunken_lower > many.shrunken_upper - many.shrunken_lower


def test_two_regions_and_one() -> None:
    two = regional(["A", "B"], [1.0, 2.0], [1.0, 1.0])
    assert isinstance(two.overall, RandomEffects) and two.overall.prediction_lower != two.overall.prediction_lower
    assert two.regions[0].shrunken != two.regions[0].shrunken
    one = regional(["A", "B"], [1.0, nan], [1.0, nan])
    assert isinstance(one.overall, NotEstimable) and "One region cannot be compared" in one.reading
    assert json.dumps(one.to_dict(), allow_nan=False)
    assert isinstance(regional_effects(["A"], [nan], [nan]), NotEstimable)
    assert isinstance(random_effects([1.0], [1.0]), NotEstimable)


def test_difference_by_hand() -> None:
    # 3 − 1 = 2; error √(1 + 1) = 1.414; df of Welch with 4 and 9: 4 / (1/4 + 1/9) = 11.08.
    found = difference(Effect("Leads", 3.0, 1.0, 4), Effect("partners", 1.0, 1.0, 9), unit="points")
    assert isinstance(found, Difference)
    assert (found.estimate, found.std_error) == (2, pytest.approx(np.sqrt(2)))
    assert found.df == pytest.approx(4 / (1 / 4 + 1 / 9))
    assert found.reading.startswith(
        "Leads and partners are not shown to differ: 2.0 points (95% interval \N{MINUS SIGN}1.1 to 5.1)"
    )
    shared = difference(Effect("Leads", 3.0, 1.0, 4), Effect("partners", 1.0, 1.0, 9), 0.9)
    assert isinstance(shared, Difference)
    assert (shared.std_error, shared.df) == (pytest.approx(np.sqrt(0.2)), 4)
    assert "partners differ: 2.0" in shared.reading
    assert isinstance(difference(Effect("a", nan, 1), Effect("b", 1, 1)), NotEstimable)
    assert isinstance(difference(Effect("a", 2, 1), Effect("b", 1, 1), 1.0), NotEstimable)
    with pytest.raises(PanelError, match="larger than the two errors allow"):
        difference(Effect("a", 2, 1), Effect("b", 1, 1), 2.0)
    with pytest.raises(OptionError, match="must be above 0"):
        difference(Effect("a", 2, 0), Effect("b", 1, 1))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (([1.0, 2.0], [1.0]), "Give one error each"),
        (([1.0, 2.0], [1.0, 0.0]), "variances above 0"),
        (([1.0, nan], [1.0, 1.0]), "must be finite"),
        (([1.0, 2.0],), "Give std_errors or a covariance"),
    ],
)
def test_bad_input(given: Any, says: str) -> None:
    with pytest.raises(PanelError, match=says):
        random_effects(*given)


def test_bad_options() -> None:
    with pytest.raises(OptionError, match="method 'ML' does not exist"):
        random_effects([1.0, 2.0], [1.0, 1.0], method="ML")
    with pytest.raises(OptionError, match="level must lie between 0 and 1"):
        random_effects([1.0, 2.0], [1.0, 1.0], level=95)
    with pytest.raises(PanelError, match="once only"):
        regional_effects(["A", "A"], [1.0, 2.0], [1.0, 1.0])
    with pytest.raises(PanelError, match="squares of the errors"):
        regional_effects(["A", "B"], [1.0, 2.0], [1.0, 1.0], covariance=2 * np.eye(2))
    with pytest.raises(OptionError, match="draws must be 99"):
        regional_effects(["A", "B"], [1.0, 2.0], [1.0, 1.0], draws=9)
    refused = random_effects([1.0, 2.0], covariance=np.ones((2, 2)))
    assert isinstance(refused, NotEstimable) and "singular" in refused.reason


def test_from_a_result_by_region() -> None:
    random = np.random.Generator(np.random.PCG64(5))
    rows = [
        (f"{r}{i}", r, t, 4 if i < 3 else 0, random.normal() + (t >= 4) * (i < 3) * shift)
        for r, shift in (("North", 0.0), ("South", 8.0), ("East", 0.0))
        for i in range(9)
        for t in range(1, 7)
    ]
    frame = pd.DataFrame(rows, columns=["unit", "region", "period", "first", "y"])
    panel = Panel.from_frame(frame, "unit", "period", "first", "y", cluster=["unit", "region"])
    result = estimate(panel, "group_time", aggregate="region")
    assert isinstance(result, Result)
    found = regional_effects_of(result.inference(cluster="unit"), unit="points")
    assert isinstance(found, RegionalEffects)
    assert [region.label for region in found.regions] == ["East", "North", "South"]
    assert {pair[0] for pair in found.pairs} == {"South"}
    by_region = regional_effects_of(result.inference(cluster="region"))
    assert isinstance(by_region, NotEstimable)  # a region alone has no error by region
    whole = estimate(panel, "group_time")
    assert isinstance(whole, Result)
    with pytest.raises(PanelError, match="aggregate='region'"):
        regional_effects_of(whole.inference(cluster="unit"))


effects = st.lists(st.tuples(st.floats(-50, 50), st.floats(0.1, 20)), min_size=3, max_size=9)


@settings(max_examples=40)
@given(pairs=effects, shift=st.floats(-100, 100), scale=st.floats(0.1, 10))
def test_units_and_order_change_nothing(pairs: list[tuple[float, float]], shift: float, scale: float) -> None:
    y, e = (np.array(column) for column in zip(*pairs, strict=True))
    first, moved = combined(y, e), combined((scale * y + shift)[::-1], scale * e[::-1])
    assert moved.estimate == pytest.approx(scale * first.estimate + shift, abs=1e-4 * scale * (1 + abs(y).max()))
    assert moved.tau2 == pytest.approx(scale**2 * first.tau2, rel=1e-4, abs=1e-4 * scale**2)
    assert first.lower <= first.estimate <= first.upper
    assert first.prediction_lower <= first.lower and first.upper <= first.prediction_upper


@settings(max_examples=25)
@given(pairs=effects)
def test_shrunken_effects_lie_inside_their_intervals_and_ranks_make_sense(pairs: list[tuple[float, float]]) -> None:
    y, e = (np.array(column) for column in zip(*pairs, strict=True))
    found = shrink(y, np.diag(e**2), 0.95)
    assert ((found.lower < found.estimates) & (found.estimates < found.upper)).all()
    ranks = rank_intervals(y, np.diag(e**2), draws=499)
    own = 1 + (y[None, :] > y[:, None]).sum(axis=1)
    assert ((ranks.lower <= own) & (own <= ranks.upper)).all()


def simulated(tau: float, draws: int, df: float, seed: int) -> dict[str, float]:
    """Shares of draws in which the truth is inside: nine regions, errors 0.5 to 1.5 with `df`, true effects N(1, τ²)."""
    random = np.random.Generator(np.random.PCG64(seed))
    sizes = np.linspace(0.5, 1.5, 9)
    inside: dict[str, list[float]] = {name: [] for name in ("mean", "prediction", "shrunken", "ranks")}
    for _ in range(draws):
        truth = random.normal(1, tau, 9)
        errors = sizes * (np.sqrt(random.chisquare(df, 9) / df) if np.isfinite(df) else 1)
        found = regional([str(k) for k in range(9)], random.normal(truth, sizes), errors, df, draws=499)
        assert isinstance(found.overall, RandomEffects)
        inside["mean"].append(found.overall.lower <= 1 <= found.overall.upper)
        another = random.normal(1, tau)
        inside["prediction"].append(found.overall.prediction_lower <= another <= found.overall.prediction_upper)
        hits = [r.shrunken_lower <= t <= r.shrunken_upper for r, t in zip(found.regions, truth, strict=True)]
        inside["shrunken"].append(np.mean(hits))
        best, worst = 1 + (truth[None] > truth[:, None]).sum(axis=1), 9 - (truth[None] < truth[:, None]).sum(axis=1)
        inside["ranks"].append(
            all((r.rank_lower or 9) <= w and b <= (r.rank_upper or 0) for r, b, w in zip(found.regions, best, worst, strict=True))
        )
    return {name: float(np.mean(values)) for name, values in inside.items()}


@pytest.mark.slow
@pytest.mark.parametrize("tau", [0.0, 0.5, 1.5])
@pytest.mark.parametrize("df", [inf, 8])
def test_coverage(tau: float, df: float) -> None:
    # 400 draws: the Monte Carlo error of a share of 95% is 1.1 points; three of them are allowed.
    found = simulated(tau, 400, df, 11)
    assert min(found["mean"], found["shrunken"], found["ranks"]) >= 0.95 - 0.033, found
    assert found["prediction"] >= 0.95 - 0.033, found
