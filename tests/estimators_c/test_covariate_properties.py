"""What must not change an estimate with covariates, and what the weights on cells must give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation import AGGREGATES, NotEstimable, Panel, Result, estimate

Draw = Callable[..., pd.DataFrame]
METHODS = ("regression", "ipw", "doubly_robust")
CALLS: list[tuple[str, dict[str, Any]]] = [
    *[("cells", {"method": method, "base": base}) for method in METHODS for base in ("varying", "universal")],
    *[("overall", {"method": method, "unbalanced": how}) for method in METHODS for how in ("rows", "cross_sections", "drop")],
    *[(aggregate, {}) for aggregate in AGGREGATES if aggregate not in ("cells", "region")],
    ("region", {"method": "regression"}),
    ("event_time", {"control": "not_yet_treated", "anticipation": 1}),
]
IDS = ["-".join([aggregate, *map(str, options.values())]) for aggregate, options in CALLS]
DRAWN = {"seed": st.integers(0, 10_000), "missing": st.sampled_from([0.0, 0.06]), "weighted": st.booleans()}
often = settings(max_examples=4)


def run(frame: pd.DataFrame, aggregate: str, options: dict[str, Any], weighted: bool, covariates: tuple[str, ...]) -> Result:
    weight = "size" if weighted else None
    panel = Panel.from_frame(
        frame, "unit", "period", "first", "y", weight=weight, cluster=["unit", "region"], covariates=covariates
    )
    result = estimate(panel, "group_time", aggregate=aggregate, **options)
    assert isinstance(result, Result)
    return result


def same(ours: Result, theirs: Result, scale: float = 1.0) -> None:
    pd.testing.assert_frame_equal(ours.labels, theirs.labels)
    assert ours.estimates == pytest.approx(scale * theirs.estimates, rel=1e-7, abs=1e-7 * abs(scale))
    assert ours.scores == pytest.approx(scale * theirs.scores, rel=1e-6, abs=1e-8 * abs(scale))


@pytest.mark.parametrize(("aggregate", "options"), CALLS, ids=IDS)
@given(**DRAWN)
@often
def test_covariates(draw: Draw, aggregate: str, options: dict[str, Any], seed: int, missing: float, weighted: bool) -> None:
    frame = draw(seed, units=60, missing=missing)
    before = run(frame, aggregate, options, weighted, ("x", "z"))
    # In other units, in another order, mixed with each other, or beside one that is constant: the same.
    changed = frame.assign(x=1000 * frame["x"] - 3, z=frame["z"] + 2 * frame["x"], one=1.0, year=frame["period"] + 2000)
    constant = ("z", "one", "x") if options.get("unbalanced") in ("rows", "cross_sections") else ("year", "z", "one", "x")
    same(run(changed, aggregate, options, weighted, constant), before)
    # Shuffled rows: the same to the last bit.
    again = run(frame.sample(frac=1, random_state=seed), aggregate, options, weighted, ("x", "z"))
    assert np.array_equal(again.estimates, before.estimates) and np.array_equal(again.scores, before.scores)
    same(run(frame.assign(y=-7 * frame["y"]), aggregate, options, weighted, ("x", "z")), before, scale=-7)


@pytest.mark.parametrize(("aggregate", "options"), CALLS, ids=IDS)
@given(**DRAWN)
@often
def test_unit_and_period_effects_and_weights_on_cells(
    draw: Draw, aggregate: str, options: dict[str, Any], seed: int, missing: float, weighted: bool
) -> None:
    frame = draw(seed, units=60, missing=missing)
    before = run(frame, aggregate, options, weighted, ("x",))
    rng = np.random.default_rng(seed)
    shift = rng.normal(0, 5, 6)[frame["period"]]
    # A unit's effect goes out where it stands in both periods with one weight.
    if options.get("unbalanced") not in ("rows", "cross_sections") or not (missing or weighted):
        shift = shift + rng.normal(0, 5, 60)[frame["unit"]]
    same(run(frame.assign(y=frame["y"] + shift), aggregate, options, weighted, ("x",)), before)
    outcome = np.nan_to_num(before.panel.values[0]).ravel()
    assert before.weights @ outcome == pytest.approx(before.estimates, rel=1e-9, abs=1e-9)
    assert not before.weights[:, np.isnan(before.panel.values[0]).ravel()].toarray().any()
    assert before.scores.sum(axis=0) == pytest.approx(0.0, abs=1e-8)


@pytest.mark.parametrize("method", METHODS)
@given(seed=st.integers(0, 10_000))
@often
def test_a_unit_of_weight_two_is_two_units(draw: Draw, method: str, seed: int) -> None:
    frame = draw(seed, units=60)
    double = np.random.default_rng(seed).random(60) < 0.4
    weighted = run(frame.assign(size=1 + double[frame["unit"]]), "overall", {"method": method}, True, ("x",))
    twins = frame[double[frame["unit"]]].assign(unit=lambda f: f["unit"] + 100)
    twice = run(pd.concat([frame, twins]), "overall", {"method": method}, False, ("x",))
    assert weighted.estimates == pytest.approx(twice.estimates, rel=1e-9)
    errors = [result.inference(cluster="region", factor="none").std_error for result in (weighted, twice)]
    assert errors[0] == pytest.approx(errors[1], rel=1e-7)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("unbalanced", ["pairs", "rows", "cross_sections"])
def test_a_covariate_that_never_varies_is_none(draw: Draw, method: str, unbalanced: str) -> None:
    frame = draw(2, missing=0.05).assign(one=5.0)
    options = {"method": method, "unbalanced": unbalanced}
    for aggregate in ("cells", "overall"):
        same(run(frame, aggregate, options, False, ("one",)), run(frame, aggregate, options, False, ()))


def test_the_covariate_of_the_earlier_of_the_two_periods_counts(draw: Draw) -> None:
    frame = draw(4)
    for base, periods in (("varying", (2, 3)), ("universal", (2, 1))):  # cohort 3: after the start on 2; period 1 on 2

        def cell(table: pd.DataFrame, at: int, base: str = base) -> float:
            result = run(table, "cells", {"base": base, "method": "regression"}, False, ("z",))
            labels = result.labels
            return float(result.estimates[((labels["cohort"] == 3) & (labels["period"] == at)).to_numpy()][0])

        earlier = min(periods)
        moved = frame.assign(z=frame["z"].where(frame["period"] == earlier, 99.0 * frame["unit"] % 7))
        assert cell(moved, periods[1]) == pytest.approx(cell(frame, periods[1]))
        changed = frame.assign(z=frame["z"].where(frame["period"] != earlier, 99.0 * frame["unit"] % 7))
        assert abs(cell(changed, periods[1]) - cell(frame, periods[1])) > 1e-6


def test_units_without_covariates_are_left_out_and_named(draw: Draw) -> None:
    frame = draw(6)
    gone = frame.assign(x=frame["x"].where(frame["unit"] != 3))
    result = run(gone, "overall", {}, False, ("x",))
    assert result.dropped == ((3, "some covariate is missing in every period"),)
    same(result, run(frame[frame["unit"] != 3], "overall", {}, False, ("x",)))
    nobody = frame.assign(x=frame["x"].where(frame["first"] == 0))
    refusal = estimate(Panel.from_frame(nobody, "unit", "period", "first", "y", covariates="x"), "group_time")
    assert isinstance(refusal, NotEstimable) and "no treated unit has all covariates" in refusal.reason


def test_cells_without_covariates_are_counted_in_a_warning(draw: Draw) -> None:
    frame = draw(6)
    gone = frame.assign(x=frame["x"].where((frame["unit"] > 2) | (frame["period"] != 2)))
    (paired,) = run(gone, "overall", {}, False, ("x",)).warnings
    assert paired == "3 units without a covariate in the earlier period: not in those effects."
    (own,) = run(gone, "overall", {"unbalanced": "rows"}, False, ("x",)).warnings
    assert own == "3 cells with an outcome but not all covariates count as missing."


def test_effects_without_overlap_are_named_and_the_rest_is_kept(draw: Draw) -> None:
    frame = draw(8, units=80)
    apart = frame.assign(x=frame["x"] + 50.0 * (frame["first"] == 4))
    result = run(apart, "cells", {}, False, ("x",))
    assert set(result.labels["cohort"]) == {3}
    (words,) = result.warnings
    assert words.startswith("4 group-time effects left out: no overlap") and "cohort 4 in 2, 4 in 3, 4 in 4, 4 in 5" in words


def test_a_trend_that_goes_with_the_covariate_biases_only_the_unadjusted(draw: Draw) -> None:
    # The trend is x/2 a period and treated have a larger x: at event time 0 that is a bias of 0.5 × 0.4 on an effect of 2.
    draws = [draw(seed, units=60) for seed in range(120)]
    means = {}
    for method in ("unadjusted", *METHODS):
        numbers = [run(frame, "event_time", {"method": method}, False, ("x",)).frame() for frame in draws]
        zero = np.array([table.loc[table["event_time"] == 0, "estimate"].iloc[0] for table in numbers])
        means[method] = (zero.mean() - 2.0, zero.std() / np.sqrt(len(zero)))
    for method in METHODS:
        assert abs(means[method][0]) < 3 * means[method][1], means
    assert means["unadjusted"][0] > 4 * means["unadjusted"][1], means
