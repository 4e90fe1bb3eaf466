"""Bounds and the power of the test before, from results."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from evaluation import NotEstimable, OptionError, Panel, estimate
from evaluation.sensitivity import Bounds, PretrendPower, bounds, missed_trend, relative_magnitudes, smoothness
from evaluation.sensitivity.study import said

WINDOW = {"before": 4, "after": 3}


def made(result: object, **options: object) -> Bounds:
    found = bounds(result, **options)  # type: ignore[arg-type]
    assert isinstance(found, Bounds), found
    return found


def test_a_result_gives_what_its_arrays_give(panel: Panel, honest: dict) -> None:
    result = estimate(panel, "two_way_fixed_effects", aggregate="event_time")
    found = made(result, row="average", values=(0.5, 2), smoothness=(0.05,), **WINDOW)
    case = honest["rm average"]
    args = case["estimates"], case["covariance"], 4, 3, case["contrast"]
    # the covariance of the reference has another small-sample factor: 0.1% apart
    for ours, theirs in zip(found.relative_magnitudes, relative_magnitudes(*args, values=(0.5, 2)), strict=True):
        assert (ours.lower, ours.upper) == pytest.approx((theirs.lower, theirs.upper), abs=0.01 * found.std_error)
    (theirs,) = smoothness(*args, values=(0.05,))
    assert found.smoothness[0].lower == pytest.approx(theirs.lower, abs=0.01 * found.std_error)
    assert found.before == (-5, -4, -3, -2) and found.after == (0, 1, 2) == found.event_times
    assert found.estimate == pytest.approx(result.estimates[result.labels["event_time"].isin([0, 1, 2])].mean())
    assert found.clusters == 153 and not found.notes


def test_the_average_over_all_periods_is_the_average_row(panel: Panel) -> None:
    result = estimate(panel, "group_time", aggregate="event_time", base="universal")
    average = result.frame().iloc[-1]
    found = made(result)
    assert found.estimate == pytest.approx(average["estimate"])
    # a row's small-sample factor counts the clusters that enter it, and fewer enter some event times: 0.03% apart
    assert found.std_error == pytest.approx(average["std_error"], rel=1e-3)
    first = made(result, row="first", values=(), smoothness=())
    row = result.frame().query("event_time == 0").iloc[0]
    assert first.estimate == pytest.approx(row["estimate"]) and first.std_error == pytest.approx(row["std_error"])
    assert first.original[1] - first.estimate == pytest.approx(1.959963984540054 * row["std_error"])


def test_reading_says_the_breakdown_values(panel: Panel) -> None:
    found = made(estimate(panel, "two_way_fixed_effects", aggregate="event_time"), **WINDOW)
    assert f"{found.breakdown.value:.2f} times the largest break" in found.reading
    assert f"{found.smoothness_breakdown.value:.3g} a period" in found.reading
    assert 0.5 < found.breakdown.value < 1  # the set at 0.5 leaves out zero, that at 1 does not
    assert found.relative_magnitudes[0].upper < 0 < found.relative_magnitudes[1].upper


def test_an_interval_that_holds_zero_breaks_down_at_once(panel: Panel) -> None:
    frame = panel_frame(panel)
    rng = np.random.default_rng(3)
    frame["noise"] = rng.normal(size=len(frame))
    other = Panel.from_frame(frame, "authority", "term", "first", "noise")
    found = made(estimate(other, "two_way_fixed_effects", aggregate="event_time"), **WINDOW)
    assert found.original[0] < 0 < found.original[1]
    assert found.breakdown.value == 0 and not found.breakdown.beyond
    assert "holds zero even if trends are parallel" in found.reading


def panel_frame(panel: Panel) -> pd.DataFrame:
    units, periods = len(panel.units), len(panel.periods)
    first = [panel.periods[c] if c < periods else 0 for c in panel.cohort]
    return pd.DataFrame(
        {
            "authority": np.repeat(panel.units, periods),
            "term": np.tile(panel.periods, units),
            "first": np.repeat(first, periods),
            "rate": panel.values[0].ravel(),
        }
    )


def test_an_effect_far_from_zero_survives_all_that_is_searched(panel: Panel) -> None:
    frame = panel_frame(panel)
    frame["rate"] += 1000.0 * ((frame["first"] > 0) & (frame["term"] >= frame["first"]))
    found = made(estimate(Panel.from_frame(frame, "authority", "term", "first", "rate"), "stacked", aggregate="event_time"))
    assert found.breakdown.beyond and found.breakdown.value == found.breakdown.limit == 10
    assert "even if trends break after the start by 10 times" in found.reading


def test_another_reference_period_changes_nothing(panel: Panel) -> None:
    one, other = (estimate(panel, "two_way_fixed_effects", aggregate="event_time", reference=r) for r in (-1, -3))
    a, b = made(one, **WINDOW), made(other, **WINDOW)
    pd.testing.assert_frame_equal(a.frame(), b.frame(), rtol=1e-6)
    assert (a.breakdown, a.clusters, a.before) == (b.breakdown, b.clusters, b.before)


def test_anticipation_is_neither_before_nor_part_of_the_effect(panel: Panel) -> None:
    result = estimate(panel, "group_time", aggregate="event_time", base="universal", anticipation=1)
    found = made(result, row="first", values=(1.0,), **WINDOW)
    assert found.before == (-6, -5, -4, -3) and found.after == (-1, 0, 1, 2) and found.event_times == (0,)
    assert any("−1 may hold anticipation" in note for note in found.notes)
    # the trend runs over two steps to event time 0: as the second period after in the arrays
    rows = result.labels["event_time"].isin([*found.before, *found.after]).to_numpy(bool)
    covariance = result.inference("clustered").covariance[np.ix_(rows, rows)]
    (same,) = relative_magnitudes(result.estimates[rows], covariance, 4, 4, [0, 1, 0, 0], values=(1.0,))
    ours = found.relative_magnitudes[0]
    assert (ours.lower, ours.upper) == pytest.approx((same.lower, same.upper))


def test_few_clusters_are_said(panel: Panel) -> None:
    result = estimate(panel, "two_way_fixed_effects", aggregate="event_time")
    found = made(result, cluster="region", **WINDOW)
    assert found.clusters == 9 and "9 clusters by region the bounds may be too narrow" in found.reading
    assert "do not rely on the intervals under smoothness" in found.reading
    assert "do not rely" not in made(result, **WINDOW).reading
    power = missed_trend(result, cluster="region", **WINDOW)
    assert isinstance(power, PretrendPower) and power.clusters == 9


def test_more_effects_than_regions_are_refused(panel: Panel) -> None:
    result = estimate(panel, "two_way_fixed_effects", aggregate="event_time")
    for found in (bounds(result, cluster="region"), missed_trend(result, cluster="region")):
        assert isinstance(found, NotEstimable)
        assert "singular with 9 clusters by region" in found.reason and "Cluster by authority" in found.remedy
        assert found.estimator == "two_way_fixed_effects"


@pytest.mark.parametrize("name", ["group_time", "imputation", "two_stage", "extended_two_way"])
def test_effects_against_different_periods_are_refused(name: str, panel: Panel) -> None:
    found = bounds(estimate(panel, name, aggregate="event_time"))
    assert isinstance(found, NotEstimable) and "one and the same period" in found.reason and "universal" in found.remedy


def test_one_period_before_is_refused(panel: Panel) -> None:
    frame = panel_frame(panel).query("term >= 4 and (first == 0 or first == 6)")
    short = Panel.from_frame(frame, "authority", "term", "first", "rate")
    found = bounds(estimate(short, "two_way_fixed_effects", aggregate="event_time"))
    assert isinstance(found, NotEstimable) and found.reason.startswith("1 effect before the start")


def test_a_gap_cuts_the_periods_used(panel: Panel) -> None:
    result = estimate(panel, "two_way_fixed_effects", aggregate="event_time")
    without = result.rows(~result.labels["event_time"].isin([-5]).fillna(False).to_numpy(bool))
    found = made(without, values=(), smoothness=())
    assert found.before == (-4, -3, -2)
    assert any("behind a gap: event time −9, −8, −7, −6" in note for note in found.notes)


def test_wrong_options_are_named(panel: Panel) -> None:
    result = estimate(panel, "two_way_fixed_effects", aggregate="event_time")
    with pytest.raises(OptionError, match="aggregate='event_time'"):
        bounds(estimate(panel, "group_time"))
    with pytest.raises(OptionError, match="row"):
        bounds(result, row="last")
    with pytest.raises(OptionError, match="before must be"):
        bounds(result, before=1)
    with pytest.raises(OptionError, match="after must be"):
        bounds(result, after=0)
    with pytest.raises(OptionError, match="0 or more"):
        bounds(result, smoothness=(-1,))
    with pytest.raises(OptionError, match="level"):
        bounds(result, level=1.5)
    refused = NotEstimable("no", "none")
    assert bounds(refused) is refused and missed_trend(refused) is refused


def test_everything_goes_into_plain_json(panel: Panel) -> None:
    result = estimate(panel, "two_way_fixed_effects", aggregate="event_time")
    plain = json.loads(json.dumps(made(result, **WINDOW).to_dict(), allow_nan=False))
    assert plain["relative_magnitudes"][0]["value"] == 0.5 and plain["breakdown"]["limit"] == 10
    power = missed_trend(result, **WINDOW)
    assert isinstance(power, PretrendPower)
    plain = json.loads(json.dumps(power.to_dict(), allow_nan=False))
    assert [trend["power"] for trend in plain["trends"]] == pytest.approx([0.5, 0.8], abs=1e-5)
    assert "no reason to believe" in power.reading or "differs from the last before" in power.reading
    last = f"; that average is {said(power.estimate)}, and need not equal the effect as a whole."
    assert "moves the average of the event study, in which every period" in power.reading and power.reading.endswith(last)
    first = missed_trend(result, **WINDOW, row="first")
    assert isinstance(first, PretrendPower) and first.reading.endswith(f"; that effect is {said(first.estimate)}.")


def test_order_of_rows_changes_no_number(panel: Panel) -> None:
    frame = panel_frame(panel)
    mixed = frame.sample(frac=1, random_state=1)
    one, other = (
        made(estimate(Panel.from_frame(f, "authority", "term", "first", "rate"), "stacked", aggregate="event_time"))
        for f in (frame, mixed)
    )
    pd.testing.assert_frame_equal(one.frame(), other.frame(), rtol=1e-9)
