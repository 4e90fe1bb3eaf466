from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from evaluation import (
    DetectableEffect,
    NotEstimable,
    OptionError,
    Panel,
    PretrendTest,
    Result,
    estimate,
    pretrend_test,
    smallest_detectable_effect,
)

Draw = Callable[..., pd.DataFrame]
Build = Callable[..., Panel]


def estimated(panel: Panel, name: str = "group_time", **options: object) -> Result:
    result = estimate(panel, name, **options)  # type: ignore[arg-type]
    assert isinstance(result, Result)
    return result


def joint(result: Result, cluster: str | None = None) -> PretrendTest:
    found = pretrend_test(result, cluster)
    assert isinstance(found, PretrendTest)
    return found


def test_pretrend_is_the_wald_statistic_over_its_periods(golden_panel: Panel) -> None:
    result = estimated(golden_panel, "two_way_fixed_effects", aggregate="event_time")
    found = joint(result, "authority")
    inference = result.inference(cluster="authority")
    rows = np.flatnonzero(result.labels["kind"] == "pre")
    b, v = result.estimates[rows], inference.covariance[np.ix_(rows, rows)]
    assert found.df1 == len(rows) == 8 and found.df2 == 152
    assert found.statistic == pytest.approx(float(b @ np.linalg.inv(v) @ b) / 8, rel=1e-9)
    assert found.p_value == pytest.approx(stats.f.sf(found.statistic, 8, 152))
    assert found.periods == (-9, -8, -7, -6, -5, -4, -3, -2) and found.left_out == ()
    assert found.cluster == "authority"


def test_pretrend_of_one_period_is_the_two_sided_t_test(draw: Draw, build: Build) -> None:
    panel = build(draw(units=30, periods=4, starts=(0, 3), regions=6))
    result = estimated(panel, "two_way_fixed_effects", aggregate="event_time")
    found = joint(result)
    row = result.frame().loc[lambda f: f["kind"] == "pre"].iloc[0]
    assert found.df1 == 1
    assert found.p_value == pytest.approx(row["p_value"])
    assert found.p_value_hotelling == pytest.approx(row["p_value"])


def test_pretrend_refuses_as_many_periods_as_clusters(draw: Draw, build: Build) -> None:
    result = estimated(build(draw(periods=7, starts=(0, 5, 6))), aggregate="event_time")
    found = pretrend_test(result, "region")
    assert isinstance(found, NotEstimable)
    assert "3 clusters by region" in found.reason and "Cluster by unit" in found.remedy
    assert isinstance(pretrend_test(result, "unit"), PretrendTest)


def test_pretrend_refuses_a_singular_covariance(draw: Draw, build: Build) -> None:
    # Two adopters that move together before the reform: two effects, one source of error.
    frame = draw(units=8, periods=5, starts=(0, 4), regions=8)
    frame.loc[frame["period"] == 2, "y"] = frame.loc[frame["period"] == 1, "y"].to_numpy()
    result = estimated(build(frame, cluster="unit"), "two_way_fixed_effects", aggregate="event_time")
    found = pretrend_test(result)
    assert isinstance(found, NotEstimable)
    assert "singular" in found.reason and found.remedy


def test_pretrend_needs_a_period_before(draw: Draw, build: Build) -> None:
    result = estimated(build(draw(periods=3, starts=(0, 2)), cluster="unit"), aggregate="event_time")
    found = pretrend_test(result)
    assert isinstance(found, NotEstimable)
    assert "no period before the reform" in found.reason


def test_pretrend_leaves_anticipated_periods_out(draw: Draw, build: Build) -> None:
    panel = build(draw(units=30, periods=8, starts=(0, 6)), cluster="unit")
    plain = joint(estimated(panel, aggregate="event_time"))
    ahead = joint(estimated(panel, aggregate="event_time", anticipation=1))
    assert plain.periods == (-4, -3, -2, -1)
    assert ahead.periods == (-4, -3, -2)


def test_pretrend_names_periods_that_rest_on_one_cluster(draw: Draw, build: Build) -> None:
    frame = draw(units=40, periods=8, starts=(0, 4), regions=10)
    late = frame["unit"] == 1
    frame.loc[late, "first"] = 6  # the earliest event times rest on this unit alone
    found = joint(estimated(build(frame, cluster="unit"), "two_way_fixed_effects", aggregate="event_time"))
    assert found.left_out == (-5, -4)
    assert found.periods == (-3, -2)
    assert "because too few clusters by unit stand behind them: \N{MINUS SIGN}5, \N{MINUS SIGN}4." in found.reading


def test_a_joint_test_asks_no_more_periods_than_few_partnerships_can_answer() -> None:
    rng = np.random.default_rng(11)
    team = np.repeat(np.arange(8), 4)
    first = np.where(team < 4, 10, 11)
    alarms = []
    for _ in range(150):
        values = rng.normal(size=(132, 14))
        values[:32] += 0.8 * rng.normal(size=(8, 14))[team]
        frame = pd.DataFrame({"unit": np.repeat(np.arange(132), 14), "period": np.tile(np.arange(14), 132), "y": values.ravel()})
        frame["first"] = np.repeat(np.where(np.arange(132) < 32, np.resize(first, 132), 0), 14)
        frame["team"] = np.repeat(np.where(np.arange(132) < 32, np.resize(team, 132), 100 + np.arange(132)), 14)
        panel = Panel.from_frame(frame, "unit", "period", "first", "y", cluster="team")
        event = estimated(panel, "group_time", aggregate="event_time", base="universal")
        found = pretrend_test(event, "team", "cr2")
        assert isinstance(found, PretrendTest) and 1 <= len(found.periods) <= 4 and found.periods[-1] == -2
        alarms.append(found.p_value_hotelling < 0.05)
    # 5% is nominal, two Monte Carlo errors above it are allowed.
    assert np.mean(alarms) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 150)


def test_a_passed_pretrend_test_is_no_reason_to_believe(draw: Draw, build: Build) -> None:
    panel = build(draw(seed=4, units=40, periods=6, starts=(0, 4)), cluster="unit")
    found = joint(estimated(panel, "two_way_fixed_effects", aggregate="event_time"))
    assert found.p_value >= 0.05
    assert "A passed test is not by itself a reason to believe." in found.reading


def test_a_trend_before_is_said(draw: Draw, build: Build) -> None:
    frame = draw(units=40, periods=6, starts=(0, 4))
    frame["y"] += frame["period"] * (frame["first"] > 0)
    found = joint(estimated(build(frame, cluster="unit"), aggregate="event_time"))
    assert found.p_value < 0.001 and found.p_value_hotelling < 0.001
    assert "already moved apart" in found.reading


def test_a_false_alarm_of_few_clusters_is_called_so(golden_panel: Panel) -> None:
    found = joint(estimated(golden_panel, "two_way_fixed_effects", aggregate="event_time"), "region")
    assert found.df1 == found.df2 == 8
    assert found.p_value < 0.001 and found.p_value_hotelling == pytest.approx(stats.f.sf(found.statistic / 8, 8, 1))
    assert found.reading.startswith("Cannot tell whether") and "p = 0.096" in found.reading


def test_pretrend_refuses_other_results(draw: Draw, build: Build) -> None:
    frame = draw()
    frame["z"] = frame["y"]
    with pytest.raises(OptionError, match="aggregate='event_time'"):
        pretrend_test(estimated(build(frame)))
    with pytest.raises(OptionError, match="one outcome at a time"):
        pretrend_test(estimated(build(frame, outcome=["y", "z"]), aggregate="event_time"))
    refusal = NotEstimable("all start at once", "Add units.")
    assert pretrend_test(refusal) is refusal


@pytest.mark.parametrize("aggregate", ["overall", "event_time", "cohort", "calendar"])
def test_smallest_detectable_effect_is_two_quantiles_times_the_error(golden_panel: Panel, aggregate: str) -> None:
    result = estimated(golden_panel, aggregate=aggregate)
    found = smallest_detectable_effect(result, "region", power=0.9, alpha=0.1)
    assert isinstance(found, DetectableEffect)
    error = result.frame(cluster="region")["std_error"].iloc[-1]
    assert found.value == pytest.approx((stats.t.ppf(0.95, 8) + stats.t.ppf(0.9, 8)) * error)
    assert (found.power, found.alpha, found.cluster, found.df, found.method) == (0.9, 0.1, "region", 8, "analytic")


def test_smallest_detectable_effect_keeps_its_promise() -> None:
    # t-tests of a true effect of that size, error known to its degrees of freedom, reject in about 80% of draws.
    rng = np.random.default_rng(3)
    size = float(stats.t.ppf(0.975, 150) + stats.t.ppf(0.8, 150))
    t = (rng.normal(size, 1, 20_000)) / np.sqrt(rng.chisquare(150, 20_000) / 150)
    assert np.mean(np.abs(t) > stats.t.ppf(0.975, 150)) == pytest.approx(0.8, abs=0.01)


def test_smallest_detectable_effect_refuses(draw: Draw, build: Build, golden_panel: Panel) -> None:
    with pytest.raises(OptionError, match="power and alpha"):
        smallest_detectable_effect(estimated(golden_panel), power=0.04)
    with pytest.raises(OptionError, match="Use aggregate='overall'"):
        smallest_detectable_effect(estimated(golden_panel, aggregate="cells"))
    frame = draw(units=10, starts=(0, 0, 0, 0, 0, 0, 0, 0, 0, 4))
    found = smallest_detectable_effect(estimated(build(frame)), "unit")
    assert isinstance(found, NotEstimable)
    assert "it rests on one treated unit" in found.reason
    assert smallest_detectable_effect(found) is found


def test_diagnostics_are_plain_json(golden_panel: Panel) -> None:
    event, overall = estimated(golden_panel, aggregate="event_time"), estimated(golden_panel)
    smallest = smallest_detectable_effect(overall)
    assert isinstance(smallest, DetectableEffect)
    written = [joint(event).to_dict(), smallest.to_dict()]
    assert json.loads(json.dumps(written)) == written
    assert set(written[0]) >= {"statistic", "df1", "df2", "p_value", "cluster", "periods", "reading"}
    assert set(written[1]) == {"value", "power", "alpha", "cluster", "df", "method"}
