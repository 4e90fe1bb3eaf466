"""What must hold on any panel: weights give the estimate, and what a difference in differences may not depend on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evaluation import Panel, Result, pretrend_test

Run = Callable[..., Result]
Draw = Callable[..., pd.DataFrame]
Build = Callable[..., Panel]
LINEAR: list[tuple[str, dict[str, Any]]] = [
    ("imputation", {}),
    ("imputation", {"average_by": "event_time", "leave_out": True}),
    ("two_stage", {}),
    ("interaction_weighted", {}),
    ("interaction_weighted", {"control": "last_treated"}),
    ("interaction_weighted", {"reference": -2}),
    ("stacked", {}),
    ("stacked", {"kappa_pre": 1, "kappa_post": 1, "control": "never_treated"}),
    ("local_projections", {}),
    ("local_projections", {"reweight": True, "control": "never_treated"}),
    ("extended_two_way", {}),
    ("extended_two_way", {"control": "never_treated", "effects": "cohort"}),
]
POISSON: list[tuple[str, dict[str, Any]]] = [
    ("extended_two_way", {"family": "poisson"}),
    ("extended_two_way", {"family": "poisson", "control": "never_treated", "effects": "cohort"}),
    ("extended_two_way", {"family": "poisson", "scale": "log"}),
]
IDS = [f"{name}-{'-'.join(f'{v}' for v in options.values())}" for name, options in LINEAR + POISSON]


def cases(extra: bool = False) -> list[tuple[str, str, dict[str, Any]]]:
    from_all = [(n, a, o) for n, o in LINEAR for a in ("overall", "event_time")]
    wide = ("imputation", "two_stage", "interaction_weighted", "extended_two_way")
    return (
        from_all
        + [(n, a, {}) for n in wide for a in ("cells", "cohort", "calendar")]
        + [(n, "region", {}) for n in ("imputation", "two_stage")]
    )


@pytest.mark.parametrize(("name", "aggregate", "options"), cases())
@pytest.mark.parametrize("weight", [None, "size"])
def test_weights_times_outcome_are_the_estimates(
    draw: Draw, build: Build, run: Run, name: str, aggregate: str, options: dict[str, Any], weight: str | None
) -> None:
    result = run(build(draw(missing=0.08), weight=weight), name, aggregate, **options)
    outcome = np.nan_to_num(result.panel.values[0]).ravel()
    assert result.weights @ outcome == pytest.approx(result.estimates, abs=1e-9)
    by_unit = np.asarray(result.weights.todense()).reshape(len(result.estimates), len(result.units), -1)
    if name not in ("stacked",) and options.get("effects") != "cohort":
        assert np.abs(by_unit.sum(axis=2)).max() < 1e-9, "a unit's level would count"
    assert np.abs(by_unit.sum(axis=1)).max() < 1e-9, "a period's level would count"


@pytest.mark.parametrize(("name", "aggregate", "options"), cases())
def test_shapes_and_who_stands_in_a_row(
    draw: Draw, build: Build, run: Run, name: str, aggregate: str, options: dict[str, Any]
) -> None:
    result = run(build(draw(missing=0.05)), name, aggregate, **options)
    rows, units = len(result.labels), len(result.units)
    assert result.scores.shape == result.support.shape == result.used.shape == (units, rows)
    real = (result.labels["kind"] != "reference").to_numpy(bool)
    assert result.support[:, real].any(axis=0).all() and not result.support[:, ~real].any()
    adopts = result.panel.cohort < np.iinfo(np.int32).max
    assert not result.support[~adopts].any(), "support holds treated units only"
    assert (result.support <= result.used).all()
    weighted = np.abs(np.asarray(result.weights.todense())).reshape(rows, units, -1).sum(axis=2).T > 1e-12
    assert (weighted <= result.used).all(), "a unit with a weight that is not said to be used"
    assert np.abs(result.scores[~result.used]).max(initial=0.0) < 1e-12
    assert (result.frame().loc[real, "std_error"] > 0).all() or aggregate in ("cells", "region")


@pytest.mark.parametrize(("name", "options"), LINEAR, ids=IDS[: len(LINEAR)])
def test_unit_and_period_effects_change_nothing_and_scale_scales(
    draw: Draw, build: Build, run: Run, name: str, options: dict[str, Any]
) -> None:
    frame = draw()
    rng = np.random.default_rng(3)
    moved = frame.assign(y=frame["y"] + rng.normal(0, 5, 24)[frame["unit"]] + rng.normal(0, 5, 7)[frame["period"] - 1])
    before, after = run(build(frame), name, "event_time", **options), run(build(moved), name, "event_time", **options)
    assert after.estimates == pytest.approx(before.estimates, abs=1e-9)
    scaled = run(build(frame.assign(y=frame["y"] * -3)), name, "event_time", **options)
    assert scaled.estimates == pytest.approx(-3 * before.estimates, abs=1e-9)
    assert scaled.scores == pytest.approx(-3 * before.scores, abs=1e-9)
    if name != "stacked":  # its regression has no unit effects, so levels enter its error, as in the paper
        assert after.scores == pytest.approx(before.scores, abs=1e-9) or options.get("effects") == "cohort"


@pytest.mark.parametrize(("name", "options"), LINEAR + POISSON, ids=IDS)
def test_order_of_rows_changes_no_bit(draw: Draw, build: Build, run: Run, name: str, options: dict[str, Any]) -> None:
    frame, outcome = draw(missing=0.05), "count" if options.get("family") else "y"
    shuffled = frame.sample(frac=1, random_state=4).reset_index(drop=True)
    before, after = (run(build(rows, outcome), name, **options) for rows in (frame, shuffled))
    assert (before.estimates == after.estimates).all() and (before.scores == after.scores).all()


@pytest.mark.parametrize(("name", "options"), LINEAR + POISSON, ids=IDS)
def test_weight_of_two_is_a_unit_twice(draw: Draw, build: Build, run: Run, name: str, options: dict[str, Any]) -> None:
    frame, outcome = draw(missing=0.05), "count" if options.get("family") else "y"
    heavy = frame["unit"] % 3 == 0
    twice = pd.concat([frame, frame[heavy].assign(unit=frame["unit"] + 1000)])
    ours = run(build(frame.assign(w=1.0 + heavy), outcome, weight="w"), name, "event_time", **options)
    theirs = run(build(twice, outcome), name, "event_time", **options)
    assert ours.estimates == pytest.approx(theirs.estimates, abs=1e-8)
    copies = np.array([ours.units.index(u % 1000) for u in theirs.units])
    added = np.zeros_like(ours.scores)
    np.add.at(added, copies, theirs.scores)
    if name not in ("local_projections", "imputation"):  # more rows are counted, and v² is by unit
        assert added == pytest.approx(ours.scores, abs=1e-8)


@pytest.mark.parametrize(("name", "options"), LINEAR, ids=IDS[: len(LINEAR)])
def test_one_cohort_and_two_periods_are_two_by_two(
    draw: Draw, build: Build, run: Run, name: str, options: dict[str, Any]
) -> None:
    if {"control": "last_treated"}.items() <= options.items() or options.get("reference") == -2 or "kappa_post" in options:
        pytest.skip("two periods have no last cohort, no second period before and no period after the start's own")
    panel = build(draw(periods=2, starts=(0, 2, 0)), cluster=["unit", "region"])
    theirs = run(panel, "two_by_two")
    ours = run(panel, name, **{**options, **({"pretrends": 0} if name == "imputation" else {})})
    assert ours.estimates == pytest.approx(theirs.estimates, abs=1e-10)
    if name in ("two_stage", "interaction_weighted", "extended_two_way"):
        assert ours.scores == pytest.approx(theirs.scores, abs=1e-10)


@pytest.mark.parametrize("missing", [0.0, 0.07])
def test_imputation_two_stage_and_saturated_regression_agree_where_they_must(
    draw: Draw, build: Build, run: Run, missing: float
) -> None:
    panel = build(draw(missing=missing))
    first, second = run(panel, "imputation", "cells"), run(panel, "two_stage", "cells")
    assert first.estimates == pytest.approx(second.estimates, abs=1e-10)
    if not missing:
        assert run(panel, "extended_two_way", "cells").estimates == pytest.approx(first.estimates, abs=1e-10)
        iw = run(panel, "interaction_weighted", "cells")
        group_time = run(panel, "group_time", "cells", base="universal")
        keys = ["cohort", "period"]
        both = iw.frame().merge(group_time.frame(), on=keys, suffixes=("", "_gt"))
        assert len(both) == len(iw.labels)
        assert both["estimate"].to_numpy() == pytest.approx(both["estimate_gt"].to_numpy(), abs=1e-10)


def test_reweighted_projections_are_group_time_by_event(draw: Draw, build: Build, run: Run) -> None:
    panel = build(draw())
    ours = run(panel, "local_projections", "event_time", reweight=True, control="not_yet_treated").frame().set_index("event_time")
    theirs = run(panel, "group_time", "event_time", control="not_yet_treated").frame().set_index("event_time")
    for horizon in range(4):
        assert ours.loc[horizon, "estimate"] == pytest.approx(theirs.loc[horizon, "estimate"], abs=1e-10)


def test_never_treated_control_of_both_saturated_models_is_one_fit(draw: Draw, build: Build, run: Run) -> None:
    panel = build(draw(missing=0.06))
    iw = run(panel, "interaction_weighted", "event_time")
    etwfe = run(panel, "extended_two_way", "event_time", control="never_treated")
    assert etwfe.estimates == pytest.approx(iw.estimates, abs=1e-12)
    assert etwfe.frame()["std_error"].to_numpy() == pytest.approx(iw.frame()["std_error"].to_numpy(), nan_ok=True, abs=1e-12)


def test_several_outcomes_in_one_call(draw: Draw, build: Build, run: Run) -> None:
    frame = draw()
    panel = build(frame, ["y", "count"])
    for name in ("imputation", "two_stage", "interaction_weighted", "stacked", "local_projections", "extended_two_way"):
        both = run(panel, name, "event_time")
        one = run(build(frame, "count"), name, "event_time")
        assert both.estimates[len(one.estimates) :] == pytest.approx(one.estimates)
        assert both.weights.shape[0] == len(both.estimates)


@pytest.mark.parametrize("name", ["imputation", "two_stage", "interaction_weighted", "stacked", "local_projections"])
def test_rows_before_the_start_can_be_tested_together(draw: Draw, build: Build, run: Run, name: str) -> None:
    test = pretrend_test(run(build(draw()), name, "event_time"), "unit")
    assert test.to_dict()["p_value"] > 1e-6  # type: ignore[union-attr]


@pytest.mark.parametrize(("name", "options"), LINEAR, ids=IDS[: len(LINEAR)])
def test_effect_of_the_simulation_lies_within_three_errors(
    draw: Draw, build: Build, run: Run, name: str, options: dict[str, Any]
) -> None:
    frame = draw(seed=8, units=80)
    frame["y"] = frame["y"] - 2.0 * 0.3 * ((frame["first"] > 0) & (frame["period"] >= frame["first"])) * (
        frame["period"] - frame["first"]
    )
    result = run(build(frame), name, **options).frame()
    assert abs(result["estimate"][0] - 2.0) < 3 * result["std_error"][0]
