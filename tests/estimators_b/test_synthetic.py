from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evaluation import NotEstimable, Panel, Result, estimate
from evaluation.errors import OptionError
from evaluation.estimators.synthetic import fit_cohort, frank_wolfe, placebo, rows_of

METHODS = ("sdid", "sc", "did")
EXACT = 1e-6


def fitted(panel: Panel, **options: Any) -> Result:
    result = estimate(panel, "synthetic", **options)
    assert isinstance(result, Result), result
    return result


def refused(panel: Panel, **options: Any) -> NotEstimable:
    result = estimate(panel, "synthetic", **options)
    assert isinstance(result, NotEstimable), result
    return result


HAND = {
    "a": (5, [1.0, 2.0, 3.0, 4.0, 8.0, 9.0]),
    "b": (5, [3.0, 4.0, 5.0, 6.0, 12.0, 13.0]),
    "c": (0, [0.0, 0.0, 0.0, 0.0, 1.0, 1.0]),
    "d": (0, [2.0, 2.0, 2.0, 2.0, 5.0, 5.0]),
}


def test_difference_in_differences_by_hand(table: Callable[..., Panel]) -> None:
    # changes of means: a 8.5 − 2.5 = 6, b 12.5 − 4.5 = 8, c 1, d 3; (6 + 8)/2 − (1 + 3)/2 = 5
    result = fitted(table(HAND), method="did")
    assert result.estimates == pytest.approx([5.0], rel=1e-12)
    # leaving out a, b, c, d: 6, 4, 4, 6, each 1 from their mean; the variance is 3/4 × 4
    assert result.inference("influence").std_error == pytest.approx([np.sqrt(3.0)], rel=1e-12)


def test_synthetic_control_by_hand(table: Callable[..., Panel]) -> None:
    # a and b average 1, 2, 1, 3 before, which is c to the letter: d gets no weight, and the effect is 10 − 4 = 6
    panel = table(
        {
            "a": (5, [0.0, 1.0, 1.0, 2.0, 9.0]),
            "b": (5, [2.0, 3.0, 1.0, 4.0, 11.0]),
            "c": (0, [1.0, 2.0, 1.0, 3.0, 4.0]),
            "d": (0, [9.0, 7.0, 9.0, 6.0, 2.0]),
        }
    )
    assert fitted(panel, method="sc").estimates == pytest.approx([6.0], rel=1e-9)
    cohort = fit_cohort(panel.values[0], np.array([2, 3]), np.array([0, 1]), 4, "sc")
    assert cohort.units == pytest.approx([1.0, 0.0], abs=1e-9)


def test_refuses_the_jackknife_where_one_unit_is_the_whole_comparison(table: Callable[..., Panel]) -> None:
    # a and b lie beyond c, away from d: the best weights are c alone, with nothing left to compare with without it
    panel = table(
        {
            "a": (5, [-1.0, 0.0, 0.0, 1.0, 9.0]),
            "b": (5, [1.0, 2.0, 0.0, 3.0, 11.0]),
            "c": (0, [1.0, 2.0, 1.0, 3.0, 4.0]),
            "d": (0, [9.0, 7.0, 9.0, 6.0, 2.0]),
        }
    )
    assert "'c' alone carries the comparison" in refused(panel, method="sc").reason


def test_three_methods_equal_synthdid_on_the_golden_panel(cohort_8: Panel, reference: dict[str, Any]) -> None:
    wanted = reference["panel"]["synthdid_cohort8"]
    for method in METHODS:
        assert fitted(cohort_8, method=method).estimates == pytest.approx([wanted[method]], rel=EXACT)
    error = fitted(cohort_8).inference("influence").std_error
    assert error == pytest.approx([wanted["se_jackknife"]], rel=EXACT)
    members = np.flatnonzero(cohort_8.treated)
    cohort = fit_cohort(cohort_8.values[0], np.flatnonzero(~cohort_8.treated), members, 7, "sdid")
    assert cohort.periods == pytest.approx(wanted["lambda"], rel=EXACT)
    assert cohort.units.sum() == pytest.approx(wanted["omega_sum"], rel=EXACT)


@pytest.fixture()
def prop99(shared: Callable[[str], pd.DataFrame]) -> Panel:
    rows = shared("california_prop99.csv")
    rows["first"] = np.where(rows["State"] == "California", 1989, 0)
    return Panel.from_frame(rows, "State", "Year", "first", "PacksPerCapita")


@pytest.mark.parametrize("method", METHODS)
def test_proposition_99_equals_synthdid(prop99: Panel, reference: dict[str, Any], method: str) -> None:
    result = fitted(prop99, method=method, errors="placebo", draws=2)
    assert result.estimates == pytest.approx([reference["prop99"][method]], rel=EXACT)


def test_proposition_99_weights_and_placebo_error_equal_synthdid_under_its_own_draws(
    prop99: Panel, reference: dict[str, Any], r_sample: Any
) -> None:
    wanted, outside = reference["prop99"], np.flatnonzero(~prop99.treated)
    cohort = fit_cohort(prop99.values[0], outside, np.flatnonzero(prop99.treated), 19, "sdid")
    assert cohort.units == pytest.approx(wanted["omega"], rel=EXACT, abs=1e-10)
    assert cohort.periods == pytest.approx(wanted["lambda"], rel=EXACT, abs=1e-10)
    source = r_sample(12345)
    orders = np.array([source.permutation(38) for _ in range(wanted["se_placebo_reps"])])
    error = placebo(prop99.values[0], outside, [cohort], rows_of(prop99, [cohort], "overall"), orders)
    assert error == pytest.approx(np.ravel(wanted["se_placebo_seed12345"]), rel=EXACT)


def test_r_sample_is_that_of_r(r_sample: Any) -> None:
    assert (r_sample(42).permutation(10) + 1).tolist() == [1, 5, 10, 8, 2, 4, 6, 9, 7, 3]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("aggregate", ("overall", "cells", "event_time", "cohort", "calendar"))
def test_weights_times_outcome_is_the_estimate(
    draw: Callable[..., pd.DataFrame], build: Callable[..., Panel], method: str, aggregate: str
) -> None:
    panel = build(draw())
    result = fitted(panel, method=method, aggregate=aggregate)
    assert result.weights @ result.panel.values[0].ravel() == pytest.approx(result.estimates, rel=1e-10)
    assert (result.used == (result.support | result.compared)).all()


def test_several_starts_average_by_treated_cells(draw: Callable[..., pd.DataFrame], build: Callable[..., Panel]) -> None:
    frame = draw()
    alone = [fitted(build(frame[frame["first"].isin([0, start])])) for start in (6, 8)]
    cells = np.array([4 * 6.0, 2 * 6.0])  # periods treated × units
    together = fitted(build(frame))
    assert together.estimates[0] == pytest.approx(cells @ [one.estimates[0] for one in alone] / cells.sum(), rel=1e-12)
    cohorts = fitted(build(frame), aggregate="cohort")
    assert cohorts.labels["cohort"].tolist() == [6, 8, None]
    assert cohorts.estimates == pytest.approx([*(one.estimates[0] for one in alone), together.estimates[0]], rel=1e-12)
    errors = cohorts.inference("influence").std_error
    assert errors[:2] == pytest.approx([one.inference("influence").std_error[0] for one in alone], rel=1e-10)
    assert errors[2] == pytest.approx(together.inference("influence").std_error[0], rel=1e-12)


def test_jackknife_over_several_starts_equals_leaving_out_by_hand(
    draw: Callable[..., pd.DataFrame], build: Callable[..., Panel]
) -> None:
    frame = draw(units=16)
    left = [fitted(build(frame[frame["unit"] != unit]), method="did").estimates[0] for unit in range(16)]
    wanted = np.sqrt(15 / 16 * ((np.array(left) - np.mean(left)) ** 2).sum())
    assert fitted(build(frame), method="did").inference("influence").std_error == pytest.approx([wanted], rel=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_scaling_scales_and_order_of_rows_does_not_matter(
    draw: Callable[..., pd.DataFrame], build: Callable[..., Panel], method: str
) -> None:
    frame = draw()
    plain = fitted(build(frame), method=method, aggregate="event_time")
    scaled = fitted(build(frame.assign(y=frame["y"] * 8)), method=method, aggregate="event_time")
    assert scaled.estimates == pytest.approx(8 * plain.estimates, rel=1e-9)
    assert scaled.scores == pytest.approx(8 * plain.scores, rel=1e-8, abs=1e-10)
    mixed = fitted(build(frame.sample(frac=1, random_state=3)), method=method, aggregate="event_time")
    assert (mixed.estimates == plain.estimates).all()
    assert (mixed.scores == plain.scores).all()


@pytest.mark.parametrize("method", ("sdid", "did"))
def test_unit_effects_and_a_common_trend_change_nothing(
    draw: Callable[..., pd.DataFrame], build: Callable[..., Panel], method: str
) -> None:
    frame = draw()
    moved = frame.assign(y=frame["y"] + (frame["unit"] * 7) % 5 + 0.5 * frame["period"])
    assert fitted(build(moved), method=method).estimates == pytest.approx(fitted(build(frame), method=method).estimates, rel=1e-8)


def test_any_period_effect_changes_nothing_in_did_and_moves_sdid_through_its_penalty_alone(
    draw: Callable[..., pd.DataFrame], build: Callable[..., Panel]
) -> None:
    frame = draw()
    moved = frame.assign(y=frame["y"] + (frame["period"] % 3) ** 2)
    assert fitted(build(moved), method="did").estimates == pytest.approx(fitted(build(frame), method="did").estimates, rel=1e-9)
    # the noise is the deviation of all first differences, period effects in it, as in the paper and in synthdid
    one = frame[frame["first"].isin([0, 6])]
    panels = [build(one), build(one.assign(y=one["y"] + (one["period"] % 3) ** 2))]
    noises = [np.std(np.diff(panel.values[0][~panel.treated][:, :5], axis=1), ddof=1) for panel in panels]
    assert noises[1] > 1.2 * noises[0]


def test_one_treated_unit_has_a_placebo_error_and_no_jackknife(table: Callable[..., Panel]) -> None:
    panel = table({**{k: v for k, v in HAND.items() if k != "b"}, "e": (0, [5.0, 4.0, 5.0, 4.0, 5.0, 6.0])})
    refusal = refused(panel)
    assert "one unit alone starts in 5" in refusal.reason
    assert "placebo" in refusal.remedy
    result = fitted(panel, method="did", errors="placebo", draws=60, seed=4)
    # placebo effects under equal weights: c −1.5, d 1.5, e 0, each against the other two; their deviation is about √1.5
    assert result.inference("influence").std_error == pytest.approx([np.sqrt(1.5)], rel=0.15)
    again = fitted(panel, method="did", errors="placebo", draws=60, seed=4)
    assert (again.scores == result.scores).all()
    other = fitted(panel, method="did", errors="placebo", draws=60, seed=5)
    assert (other.scores != result.scores).any()
    assert any("placebo starts" in warning for warning in result.warnings)


def test_placebo_errors_do_not_depend_on_the_batch(
    draw: Callable[..., pd.DataFrame], build: Callable[..., Panel], monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = build(draw(units=20, starts=(0, 0, 0, 6, 8)))
    whole = fitted(panel, errors="placebo", draws=7, aggregate="event_time")
    monkeypatch.setattr("evaluation.estimators.synthetic.BATCH", 1)
    single = fitted(panel, errors="placebo", draws=7, aggregate="event_time")
    assert single.scores == pytest.approx(whole.scores, rel=1e-9)


def test_frank_wolfe_finds_the_minimum() -> None:
    rng = np.random.default_rng(2)
    columns, target = rng.normal(size=(3, 12, 5)), rng.normal(size=(3, 12))
    x = frank_wolfe(columns, target, 0.5, np.full((3, 5), 0.2), 1e-8, 20_000)
    assert x.sum(axis=1) == pytest.approx(np.ones(3), rel=1e-12)
    assert (x >= 0).all()
    slope = np.einsum("dmn,dm->dn", columns, np.einsum("dmn,dn->dm", columns, x) - target) + 12 * 0.25 * x
    # at the minimum no vertex lies downhill: the duality gap is nil
    assert ((slope * x).sum(axis=1) - slope.min(axis=1)).max() < 1e-3


def test_missing_cells_drop_units_by_name(draw: Callable[..., pd.DataFrame], build: Callable[..., Panel]) -> None:
    frame = draw()
    result = fitted(build(frame[~((frame["unit"] == 4) & (frame["period"] == 2))]), method="did")
    assert result.dropped == ((4, "missing in some period: synthetic needs every cell"),)
    assert result.estimates == pytest.approx(fitted(build(frame[frame["unit"] != 4]), method="did").estimates, rel=1e-12)


def test_cohorts_that_start_too_early_are_dropped_by_name(draw: Callable[..., pd.DataFrame], build: Callable[..., Panel]) -> None:
    result = fitted(build(draw(starts=(0, 0, 4, 8))))
    assert {reason for _, reason in result.dropped} == {"fewer than 4 periods before its start"}
    assert len(result.dropped) == 6


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"starts": (0, 0, 3, 4)}, "fewer than 4 periods before"),
        ({"starts": (6, 6, 6, 8)}, "0 units that never adopt"),
        ({"starts": (6, 6)}, "start at once"),
        ({"starts": (1, 0)}, "treated throughout"),
    ],
)
def test_refuses_by_name(
    draw: Callable[..., pd.DataFrame], build: Callable[..., Panel], change: dict[str, Any], words: str
) -> None:
    refusal = refused(build(draw(**change)))
    assert words in refusal.reason
    assert refusal.remedy


def test_refuses_gaps_weights_and_placebo_without_enough_comparison(
    draw: Callable[..., pd.DataFrame], build: Callable[..., Panel]
) -> None:
    frame = draw()
    hole = frame[(frame["period"] != 3) | (frame["unit"] % 2 == 0)]
    hole = hole[(hole["period"] != 4) | (hole["unit"] % 2 == 1)]
    assert "no unit is observed in every period" in refused(build(hole)).reason
    assert "takes no weights" in refused(build(frame.assign(w=1.0), weight="w")).reason
    assert "placebo errors need more unit" in refused(build(frame), errors="placebo").reason
    single = frame[(frame["first"] > 0) | (frame["unit"] == 0)]
    assert "1 unit that never adopt" in refused(build(single)).reason


@pytest.mark.parametrize("options", ({"draws": 1}, {"draws": 2.5}, {"seed": -1}, {"seed": True}, {"method": "scm"}))
def test_wrong_options_say_what_is_allowed(
    draw: Callable[..., pd.DataFrame], build: Callable[..., Panel], options: dict[str, Any]
) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        estimate(build(draw()), "synthetic", **options)


@pytest.mark.slow
def test_unbiased_where_only_a_factor_differs(draw: Callable[..., pd.DataFrame], build: Callable[..., Panel]) -> None:
    found = np.array([fitted(build(draw(seed=seed, units=20, starts=(0, 0, 0, 6)))).estimates[0] for seed in range(500)])
    assert abs(found.mean() - 2.0) < 2 * found.std(ddof=1) / np.sqrt(len(found))
