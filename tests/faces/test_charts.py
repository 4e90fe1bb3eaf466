"""The newer pictures: what they draw, what they say and what stands in their tables. The numbers here are made by hand."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilots.charts import (
    Bound,
    Mark,
    RegionMark,
    Specification,
    event_study,
    placebo,
    power_curve,
    regions,
    sensitivity,
    specification_curve,
)
from pilots.charts.base import cut_off
from pilots.charts.belief import SIDES, _bars


def rows(spec: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """Every row of a chart's data that has this column."""
    return [row for data in spec["datasets"].values() for row in data if key in row]


def test_bars_by_hand_end_at_the_effect_and_at_its_mirror_image() -> None:
    bars = _bars([-3.0, -1.9, 0.0, 0.5, 2.0, 2.0, 5.0], 2.0)
    large = bars[bars["side"] == SIDES[1]]
    # −3, 2, 2 and 5 are as large as 2, either way.
    assert large["count"].sum() == 4
    assert not ((bars["low"] < 2.0 - 1e-9) & (bars["high"] > 2.0 + 1e-9)).any()
    assert not ((bars["low"] < -2.0 - 1e-9) & (bars["high"] > -2.0 + 1e-9)).any()


@given(
    st.lists(st.floats(-50, 50), min_size=1, max_size=60),
    st.one_of(st.floats(-50, 50), st.just(0.0), st.floats(-1e-3, 1e-3)),
)
def test_bars_hold_every_estimate_on_its_own_side(estimates: list[float], actual: float) -> None:
    bars = _bars(estimates, actual)
    assert bars["count"].sum() == len(estimates)
    large = sum(abs(one) >= abs(actual) * (1 - 1e-9) for one in estimates)
    assert bars.loc[bars["side"] == SIDES[1], "count"].sum() == large
    assert (bars["high"] > bars["low"]).all()
    for one in estimates:
        assert ((bars["low"] <= one + 1e-6) & (one <= bars["high"] + 1e-6)).any(), one


def test_the_placebo_picture_counts_as_its_table_does() -> None:
    shown = placebo([-3.0, 0.1, 0.2, 2.5], 2.0, unit="points", note="p = 0.500.")
    assert "2 of 4 such effects are as large or larger, either way. p = 0.500." in shown.alt
    assert shown.table["Reassignments"].astype(int).sum() == 4
    large = shown.table[shown.table["Against the effect seen"] == "as large or larger"]
    assert large["Reassignments"].astype(int).sum() == 2
    assert rows(shown.spec, "words")[0]["words"] == "As it was: +2.0"


@pytest.mark.parametrize(
    ("breakdown", "beyond", "line", "told"),
    [
        (0.72, False, ["Falls at 0.72"], "From a drift of 0.72 on the interval holds zero."),
        (2.0, True, ["Stands past 2"], "leaves out zero at every drift up to 2, the largest looked at."),
        (None, False, [], "From which drift on the interval holds zero is not known."),
    ],
)
def test_the_sensitivity_plot_marks_where_the_finding_falls(
    breakdown: float | None, beyond: bool, line: list[str], told: str
) -> None:
    bounds = [Bound(0.5, 0.4, 4.0), Bound(1.0, -0.6, 5.0), Bound(2.0, None, None)]
    shown = sensitivity(
        bounds, Bound(0, 1.0, 3.0), breakdown=breakdown, beyond=beyond, unit="points", drift="Drift", title="Drift withstood"
    )
    assert [row["words"] for row in rows(shown.spec, "words")][: len(line)] == line
    assert shown.alt.endswith(told)
    assert list(shown.table["Drift"]) == ["as estimated", "0.5", "1", "2"]
    assert shown.table["Interval (points)"].iloc[-1] == "not known"
    drawn = rows(shown.spec, "kind")
    assert [(row["lower"], row["upper"]) for row in drawn[:3]] == [(1.0, 3.0), (0.4, 4.0), (-0.6, 5.0)]
    assert drawn[0]["value"] < 0, "the usual interval stands apart, left of every drift"


def test_the_power_curve_names_its_lines_and_leaves_out_what_lies_beyond_it() -> None:
    points = [(0.0, 0.05), (5.0, 0.5), (10.0, 0.9)]
    shown = power_curve(points, detectable=8.5, smallest=3.0, unit="points", title="Seen")
    assert [row["words"] for row in rows(shown.spec, "words")] == ["Can be seen from 8.5", "Matters from 3"]
    assert list(shown.table["Seen, % of times"]) == ["5%", "50%", "90%"]
    assert "The smallest effect seen 80% of the time is 8.5 points." in shown.alt
    assert rows(power_curve(points, detectable=11.0, smallest=None, unit="p", title="S").spec, "words") == []


def test_regions_stand_as_given_with_the_shrunken_effect_beside_and_no_order_of_merit() -> None:
    marks = [
        RegionMark(Mark("North East", 0, 9.0, 1.0, 17.0), Mark("North East", 0, 5.0, 2.0, 8.0), (1, 2)),
        RegionMark(Mark("London", 1, -2.0, -9.0, 5.0, truth=1.0), Mark("London", 1, 1.0, -2.0, 4.0), (1, 2)),
    ]
    shown = regions(marks, Mark("Mean of regions", 2, 3.0, 1.0, 5.0), outcome="x", unit="points", level=0.95)
    assert list(shown.table["Region"]) == ["North East", "London", "Mean of regions"]
    assert list(shown.table["Drawn to the mean"]) == ["+5.00", "+1.00", "the mean"]
    assert list(shown.table["Place that it may hold"]) == ["1 to 2 of 2", "1 to 2 of 2", ""]
    assert "North East +9.0 (+1.0 to +17.0), drawn to the mean +5.0" in shown.alt
    kinds = {row["kind"] for row in rows(shown.spec, "kind")}
    assert kinds == {"Own figures", "Drawn to the mean", "All together"}
    dashes = {str(layer["mark"].get("strokeDash")) for layer in shown.spec["layer"] if layer["mark"]["type"] == "rule"}
    assert "[4, 3]" in dashes, "the shrunken effect is told by its dash as well"


def test_regions_without_shrunken_effects_have_no_such_columns() -> None:
    shown = regions(
        [RegionMark(Mark("London", 0, 1.0, None, None))], Mark("All", 1, 1.0, 0.0, 2.0), outcome="x", unit="p", level=0.9
    )
    assert list(shown.table.columns) == ["Region", "Effect (p)", "90% interval"]


def spec_rows() -> list[Specification]:
    made = []
    for at, (estimator, who) in enumerate(
        [("Group-time", "all"), ("Group-time", "near"), ("Imputation", "all"), ("Imputation", "near")]
    ):
        estimate = [3.0, 1.0, 2.0, -1.0][at]
        mark = Mark(f"{estimator}, {who}", 0, estimate, estimate - 1.5, estimate + 1.5)
        made.append(Specification({"Estimator": estimator, "Comparison": who, "Weights": "alike"}, mark, "0.040", at == 0))
    return made


def test_the_specification_curve_is_sorted_with_its_choices_below() -> None:
    shown = specification_curve(spec_rows(), outcome="x", unit="points", level=0.95)
    curve = sorted(rows(shown.spec, "estimate"), key=lambda row: row["at"])
    assert [row["estimate"] for row in curve] == [-1.0, 1.0, 2.0, 3.0]
    assert [row["kind"] for row in curve] == ["Other choices"] * 3 + ["The plan’s own"]
    matrix = {(row["line"].replace("\u2005", ""), round(row["left"] + 0.36)) for row in rows(shown.spec, "line")}
    assert matrix == {
        ("Estimator|Imputation", 0),
        ("Estimator|Group-time", 1),
        ("Estimator|Imputation", 2),
        ("Estimator|Group-time", 3),
        ("Comparison|near", 0),
        ("Comparison|near", 1),
        ("Comparison|all", 2),
        ("Comparison|all", 3),
    }, "a choice that is the same everywhere is left out"
    assert list(shown.table["Effect (points)"]) == ["\u22121.00", "+1.00", "+2.00", "+3.00"]
    assert list(shown.table["Weights"]) == ["alike"] * 4
    assert "2 intervals leave out zero. The plan’s own is number 4 from the lowest, +3.0." in shown.alt


def test_an_interval_beside_which_no_other_could_be_seen_is_cut_off_in_the_picture_alone() -> None:
    marks = [Mark(str(at), at, 1.0 + at, 0.0, 2.0 + 2 * at, truth=1.5) for at in range(4)]
    long = Mark("4", 4, 5.0, -190.0, 230.0, truth=1.5)
    about: dict[str, Any] = {"outcome": "Timeliness", "unit": "points", "level": 0.95}
    whole = event_study(marks, period="term", **about)
    assert whole.note == "" and not rows(whole.spec, "up")
    shown = event_study([*marks, long], period="term", **about)
    assert shown.note == "A line that ends in an arrow goes on: term 4 (\u2212190.0 to +230.0)."
    (drawn,) = [row for row in rows(shown.spec, "upper") if row["label"] == long.label]
    ends = sorted(row["value"] for row in rows(shown.spec, "up"))
    assert ends == [drawn["lower"], drawn["upper"]] and -2 < ends[0] < 0 and 8 < ends[1] < 10
    assert shown.table["95% interval"].iloc[-1] == "\u2212190.00\u00a0to\u00a0+230.00"
    cut = cut_off([*marks, *(replace(long, position=at) for at in range(4, 8))])
    assert cut.note == ""  # where half of the intervals are long, they are what there is to see


def test_a_choice_without_an_effect_is_not_drawn() -> None:
    missing = Specification(
        {"Estimator": "Stacked", "Comparison": "all", "Weights": "alike"}, Mark("", 0, None, None, None), "", False
    )
    shown = specification_curve([*spec_rows(), missing], outcome="x", unit="points", level=0.95)
    assert len(shown.table) == 4


def test_every_chart_is_plain_json_and_fits_its_container() -> None:
    shown = specification_curve(spec_rows(), outcome="x", unit="points", level=0.95)
    spec = json.loads(json.dumps(shown.spec, allow_nan=False))
    assert spec["width"] == "container"
