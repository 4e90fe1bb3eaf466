"""Checks that estimate again: leave out, placebos, neighbours, other programmes, specifications, single cells."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from evaluation import OptionError, Panel, PanelError, Result, estimate
from evaluation.families.multiple import holm
from evaluation.robustness import (
    Ask,
    Specification,
    co_interventions,
    influence_of_cells,
    leave_out,
    neighbours,
    placebo_dates,
    placebo_outcomes,
    series_breaks,
    specification_curve,
)
from evaluation.robustness.placebos import _with_holm
from evaluation.robustness.refit import effect, moved, without_cells

Make = Callable[..., Panel]
ASK = Ask("group_time")


def overall(panel: Panel, name: str = "group_time", **options: object) -> float:
    result = estimate(panel, name, **options)
    assert isinstance(result, Result)
    return float(result.estimates[0])


def shifted(panel: Panel, cells: np.ndarray, by: float) -> Panel:
    return replace(panel, values=panel.values + by * cells[None])


@pytest.mark.parametrize("name", ["group_time", "two_way_fixed_effects"])
def test_leaving_out_one_region_equals_estimating_without_it(golden_panel: Make, name: str) -> None:
    panel = golden_panel("panel_unbalanced")
    check = leave_out(panel, replace(ASK, estimator=name, options={}, cluster="authority"), "region")
    codes, labels = panel.clusters["region"]
    assert [row["left_out"] for row in check.rows] == [labels[code] for code in np.unique(codes[panel.treated])]
    for row in check.rows:
        without = estimate(panel.select(codes != labels.index(row["left_out"])), name)
        assert isinstance(without, Result)
        again = without.inference("clustered", cluster="authority").frame(0.95).iloc[0]
        assert [row[one] for one in ("estimate", "lower", "p_value")] == [again[one] for one in ("estimate", "lower", "p_value")]
    full = estimate(panel, name)
    assert isinstance(full, Result)
    assert check.number == pytest.approx(max(abs(row["estimate"] - full.estimates[0]) for row in check.rows))


def test_leaving_out_each_unit_names_the_one_that_carries_the_effect(small: Make) -> None:
    panel = small(noise=0.1)
    outlier = np.zeros((18, 6), bool)
    outlier[4, 3:] = True
    panel = shifted(panel, outlier, 6.0)
    check = leave_out(panel, ASK)
    assert check.check == "leave_one_unit_out" and len(check.rows) == 6
    worst = max(check.rows, key=lambda row: abs(row["move"]))
    assert worst["left_out"] == 4 and "Without unit 4" in check.reading
    assert worst["estimate"] == pytest.approx(overall(panel.select(np.arange(18) != 4)))
    assert len(leave_out(panel, ASK, treated_only=False).rows) == 18


def test_leaving_out_the_only_treated_pair_is_serious(small: Make) -> None:
    panel = small(treated=2)
    check = leave_out(panel, replace(ASK, cluster="unit"), "pair", treated_only=False)
    alone = next(row for row in check.rows if row["left_out"] == 0)
    assert "nobody has the reform" in alone["not_estimable"]["reason"]
    assert check.concern == "serious" and "no estimate at all" in check.reading
    assert leave_out(panel, replace(ASK, cluster="unit"), "pair").not_estimable is not None


def test_no_effect_at_placebo_dates_of_quiet_data_and_one_where_a_trend_runs(small: Make) -> None:
    quiet = placebo_dates(small(treated=20, others=40, noise=0.5, effect=3.0), ASK, 2)
    assert [row["periods_earlier"] for row in quiet.rows] == [1, 2] and quiet.concern == "none"
    assert "None of 2 starts" in quiet.reading and "no proof" in quiet.reading
    drifting = placebo_dates(small(noise=0.2, drift=1.0), ASK, 2)
    assert drifting.concern == "serious" and drifting.number == pytest.approx(
        1.5, abs=0.3
    )  # mean of a drift over 1 and 2 periods
    json.dumps(drifting.to_dict(), allow_nan=False)


def test_placebo_date_by_hand(small: Make) -> None:
    # One start, moved back one period: the change from the period before that to the last before the true start.
    panel = small()
    y = panel.values[0]
    change = y[:, 2] - y[:, 1]
    row = placebo_dates(panel, ASK, 1).rows[0]
    assert row["estimate"] == pytest.approx(change[panel.treated].mean() - change[~panel.treated].mean())


def test_placebo_dates_never_see_what_came_after(small: Make) -> None:
    panel = small(starts=(4, 5), others=8)
    after = panel.treated[:, None] & (np.arange(6)[None, :] >= panel.cohort[:, None])
    first, second = (placebo_dates(p, ASK, 2, actual=0.0) for p in (panel, shifted(panel, after, 1e6)))
    assert first.rows == second.rows
    # With anticipation of one period the last before the start is out as well.
    ahead = replace(ASK, options={"anticipation": 1})
    early = panel.treated[:, None] & (np.arange(6)[None, :] >= panel.cohort[:, None] - 1)
    third, fourth = (placebo_dates(p, ahead, 1, actual=0.0) for p in (panel, shifted(panel, early, 1e6)))
    assert third.rows == fourth.rows


def test_placebo_dates_refuse_where_no_period_is_left(small: Make) -> None:
    check = placebo_dates(small(starts=(2,)), ASK, 2)
    assert check.not_estimable is not None and check.concern is None
    with pytest.raises(OptionError, match="no option 'bogus'"):
        placebo_dates(small(), Ask("group_time", {"bogus": 1}))


@settings(max_examples=25)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_is_that_of_statsmodels(p_values: list[float]) -> None:
    assert np.allclose(holm(p_values), multipletests(p_values, method="holm")[1], rtol=1e-12, atol=0)


def test_holm_by_hand_and_rows_without_a_p_value_stay_without() -> None:
    rows = _with_holm([{"p_value": p} for p in (0.01, 0.04, None, 0.03)])
    assert [row["adjusted"] for row in rows] == [pytest.approx(0.03), pytest.approx(0.06), None, pytest.approx(0.06)]
    assert _with_holm([{"p_value": None}]) == [{"p_value": None, "adjusted": None}]


def test_placebo_outcomes(small: Make) -> None:
    panel = small(outcome=["y", "z"], effect=6.0)
    check = placebo_outcomes(panel, ["z"], ASK)
    assert check.number == 0 and check.concern == "none" and "as it should be" in check.reading
    both = placebo_outcomes(panel, ["z", "y"], ASK)
    assert both.number == 0.5 and both.concern == "serious" and "(50%) show an effect: y" in both.reading
    with pytest.raises(OptionError, match="at least one name"):
        placebo_outcomes(panel, [], ASK)
    with pytest.raises(PanelError, match="no outcome 'x'"):
        placebo_outcomes(panel, ["x"], ASK)


def test_neighbours_that_share_the_effect_hide_it(small: Make) -> None:
    panel = small(noise=0.2, effect=2.0)
    after = np.zeros((18, 6), bool)
    after[6:12, 3:] = True  # half of those compared with move as the treated do
    panel = shifted(panel, after, 2.0)
    check = neighbours(panel, list(range(4, 12)), ASK)
    assert check.rows[1]["units"] == 6 and check.rows[1]["estimate"] == pytest.approx(2.0, abs=0.3)
    assert check.number == pytest.approx(1.0, abs=0.3) and check.concern in ("some", "serious")
    assert "Without 6 units next to treated ones" in check.reading
    assert neighbours(panel, [0, 1], ASK).concern == "none"
    with pytest.raises(OptionError, match="99 is not a unit"):
        neighbours(panel, [99], ASK)


def test_other_programmes_are_left_out_one_by_one_and_together(small: Make) -> None:
    panel = small(noise=0.2, effect=2.0)
    check = co_interventions(panel, {0: ["B"], 6: ["A"], 7: ["A", "B"], 8: ["B"]}, ASK)
    assert [(row["without"], row["units"], row["treated"]) for row in check.rows] == [
        ("A", 2, 0),
        ("B", 2, 1),
        ("any of them", 3, 1),
    ]
    keep = ~np.isin(np.arange(18), [6, 7, 8])
    assert check.rows[2]["estimate"] == pytest.approx(overall(panel.select(keep)))
    assert "Treated ones are also in B" in check.reading and check.concern == "some"
    assert co_interventions(panel, {}, ASK).concern == "none"


def test_all_that_compare_are_in_another_programme(small: Make) -> None:
    check = co_interventions(small(), {unit: ["A"] for unit in range(6, 18)}, ASK)
    assert check.not_estimable is not None and "to compare with" in check.reading


def test_share_of_the_effect_across_a_break_by_hand(small: Make) -> None:
    # Start in 4 of 6: effects in 4, 5 and 6 against 3, a third of the weight each.
    panel = small()
    result = estimate(panel, "group_time")
    shares = {b: series_breaks(panel, result, [(b, "new count")]) for b in (2, 3, 4, 5, 6)}
    assert [shares[b].number for b in shares] == pytest.approx([0, 0, 1, 2 / 3, 1 / 3], abs=1e-12)
    assert [shares[b].concern for b in shares] == ["none", "none", "serious", "some", "some"]
    assert "when 6 units started" in shares[4].reading and "67% of the effect" in shares[5].reading
    assert series_breaks(panel, result, [(1, "before it all")]).concern == "none"
    with pytest.raises(OptionError, match="7 is not a period"):
        series_breaks(panel, result, [(7, "later")])


def test_breaks_by_event_time(small: Make) -> None:
    panel = small()
    rows = series_breaks(panel, estimate(panel, "group_time", aggregate="event_time"), [(5, "new")]).rows
    share = {row["effect"]: row["share"] for row in rows}
    assert share["event_time 0"] == pytest.approx(0) and share["event_time 1"] == pytest.approx(1)
    assert share["overall"] == pytest.approx(2 / 3)


def test_specifications_are_sorted_and_the_plan_is_found(small: Make) -> None:
    panel = small(effect=4.0, noise=0.5, starts=(4, 5))
    names = ("two_way_fixed_effects", "group_time", "imputation", "stacked")
    given = [Specification({"estimator": name}, panel, name, plan=name == "group_time") for name in names]
    check = specification_curve([*given, Specification({"estimator": "dose"}, panel, "dose")], ASK)
    values = [row["estimate"] for row in check.rows[:4]]
    assert values == sorted(values) and values == pytest.approx(sorted(overall(panel, name) for name in names))
    assert check.number == 1 and "Over 4 declared choices" in check.reading and "1 more could not" in check.reading
    assert [row["plan"] for row in check.rows].count(True) == 1 and "not_estimable" in check.rows[4]
    assert check.concern == "none"


def test_specifications_that_disagree_are_serious(small: Make) -> None:
    up, down = small(effect=4.0, noise=0.3), small(effect=-4.0, noise=0.3)
    given = [Specification({"data": str(k)}, panel, "group_time", plan=k == 0) for k, panel in enumerate((up, down, down))]
    check = specification_curve(given, ASK)
    assert check.number == pytest.approx(1 / 3) and check.concern == "serious"


def test_specifications_that_cannot_be_compared_are_refused(small: Make) -> None:
    panel = small()
    with pytest.raises(OptionError, match="at least one"):
        specification_curve([], ASK)
    with pytest.raises(OptionError, match="same choices"):
        specification_curve([Specification({"a": "1"}, panel, "group_time"), Specification({"b": "1"}, panel, "group_time")], ASK)
    with pytest.raises(OptionError, match="plan=True on one"):
        specification_curve([Specification({"a": "1"}, panel, "group_time", plan=True)] * 2, ASK)


@pytest.mark.parametrize("name", ["group_time", "two_way_fixed_effects"])
def test_a_wrong_number_is_found(small: Make, name: str) -> None:
    panel = small(noise=0.2)
    wrong = np.zeros((18, 6), bool)
    wrong[3, 4] = True
    panel = shifted(panel, wrong, 30.0)
    check = influence_of_cells(panel, Ask(name), 4)
    top = check.rows[0]
    # Without the period compared with (3) a group-time effect loses the whole unit, wrong number and all.
    first = (3, 5, True) if name == "two_way_fixed_effects" else (3, 3, False)
    assert (top["unit"], top["period"], top["treated"]) == first and len(check.rows) == 4
    row = next(row for row in check.rows if (row["unit"], row["period"]) == (3, 5))
    assert row["estimate"] == pytest.approx(overall(without_cells(panel, wrong), name))
    assert check.number == pytest.approx(abs(top["estimate"] - overall(panel, name)))
    assert f"Without 3 in {first[1]}" in check.reading


def test_the_top_cells_are_those_that_move_a_two_way_effect_most(small: Make) -> None:
    # All cells left out one at a time: the cell named first is among the three that move the effect most.
    panel = small(treated=4, others=6, seed=3)
    full, moves = overall(panel, "two_way_fixed_effects"), []
    for cell in range(60):
        gone = np.zeros(60, bool)
        gone[cell] = True
        moves.append(abs(overall(without_cells(panel, gone.reshape(10, 6)), "two_way_fixed_effects") - full))
    check = influence_of_cells(panel, Ask("two_way_fixed_effects"), 10)
    assert check.number == pytest.approx(max(moves))


@pytest.mark.parametrize(
    ("other", "p_value", "concern"),
    [
        (1.0, 0.01, "none"),
        (1.3, 0.01, "none"),
        (1.6, 0.01, "some"),
        (0.9, 0.06, "some"),
        (0.6, 0.2, "serious"),
        (-0.1, 0.9, "serious"),
    ],
)
def test_moves_are_judged_by_error_sign_and_conclusion(other: float, p_value: float, concern: str) -> None:
    full = {"estimate": 1.0, "std_error": 0.4, "p_value": 0.02}
    assert moved(full, {"estimate": other, "p_value": p_value}) == (pytest.approx(other - 1), concern)
    assert moved({**full, "std_error": None}, {"estimate": 2.0, "p_value": None}) == (1.0, None)


def test_no_error_where_one_cluster_is_left_is_said(small: Make) -> None:
    panel = small(treated=2)
    found = effect(panel, ASK)
    assert found["estimate"] is not None and found["std_error"] is None and "one treated pair" in found["note"]
    with pytest.raises(PanelError, match="no cluster 'nothing'"):
        effect(panel, Ask("group_time", cluster="nothing"))


@settings(max_examples=8)
@given(shift=st.floats(-100, 100), scale=st.floats(0.1, 50))
def test_readings_do_not_hang_on_units_of_measurement(small: Make, shift: float, scale: float) -> None:
    panel = small(effect=2.0, starts=(4, 5), seed=4)
    other = replace(panel, values=panel.values * scale + shift)
    for check in (leave_out, influence_of_cells, placebo_dates):
        one, two = check(panel, ASK), check(other, ASK)
        assert one.concern == two.concern
        assert two.number == pytest.approx(scale * float(one.number or 0), rel=1e-6)
