from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from evaluation import AGGREGATES, Panel, Result, estimate

Draw = Callable[..., pd.DataFrame]
Build = Callable[..., Panel]

CALLS: list[tuple[str, str, dict[str, Any]]] = [
    ("two_by_two", "overall", {}),
    ("two_way_fixed_effects", "overall", {}),
    ("two_way_fixed_effects", "event_time", {}),
    *[("group_time", aggregate, {}) for aggregate in AGGREGATES],
    *[("group_time", "overall", {"control": control}) for control in ("not_yet_treated", "last_treated")],
    ("group_time", "event_time", {"base": "universal", "anticipation": 1}),
    *[("group_time", "event_time", {"unbalanced": how}) for how in ("rows", "drop")],
    ("group_time", "overall", {"unit_weight": "own"}),
]
IDS = ["-".join([name, aggregate, *map(str, options.values())]) for name, aggregate, options in CALLS]
# Panels small enough to be drawn often: seed, share of cells missing, weighted or not.
DRAWN = {"seed": st.integers(0, 10_000), "missing": st.sampled_from([0.0, 0.06]), "weighted": st.booleans()}
often = settings(max_examples=6)


def starts_for(name: str, options: dict[str, Any]) -> tuple[int, ...]:
    return (0, 3) if name == "two_by_two" else (3, 5, 6) if options.get("control") == "last_treated" else (0, 3, 5)


def run(panel: Panel, name: str, aggregate: str, options: dict[str, Any]) -> Result:
    result = estimate(panel, name, aggregate=aggregate, **options)
    if options.get("unbalanced") == "drop":  # a draw may leave out every unit that never adopts, and then the refusal is right
        assume((panel.weights[0, ~panel.treated] > 0).all(axis=1).any())
    assert isinstance(result, Result)
    return result


def same(ours: Result, theirs: Result, scale: float = 1.0) -> None:
    pd.testing.assert_frame_equal(ours.labels, theirs.labels)
    assert ours.estimates == pytest.approx(scale * theirs.estimates, rel=1e-8, abs=1e-8 * abs(scale))
    for cluster in ("unit", "region"):
        mine, other = ours.inference(cluster=cluster), theirs.inference(cluster=cluster)
        assert mine.std_error == pytest.approx(abs(scale) * other.std_error, rel=1e-7, abs=1e-9 * abs(scale), nan_ok=True)


@pytest.mark.parametrize(("name", "aggregate", "options"), CALLS, ids=IDS)
@given(**DRAWN)
@often
def test_unit_and_period_effects_and_scale(
    draw: Draw, build: Build, name: str, aggregate: str, options: dict[str, Any], seed: int, missing: float, weighted: bool
) -> None:
    frame = draw(seed, starts=starts_for(name, options), missing=missing, units=24)
    weight = "size" if weighted else None
    before = run(build(frame, weight=weight), name, aggregate, options)
    rng = np.random.default_rng(seed)
    shift = rng.normal(0, 5, 24)[frame["unit"]]
    # A period's effect leaves each unit's own mean only where everyone is observed in the same periods.
    balanced = missing == 0 or name != "two_by_two"
    shift = shift + (rng.normal(0, 5, 7)[frame["period"]] if balanced else 0.0)
    # With rows in place of pairs, a unit's effect goes out only where it stands in both periods with one weight.
    if options.get("unbalanced") != "rows" or (missing == 0 and not weighted):
        same(run(build(frame.assign(y=frame["y"] + shift), weight=weight), name, aggregate, options), before)
    same(run(build(frame.assign(y=-7 * frame["y"]), weight=weight), name, aggregate, options), before, scale=-7)


@pytest.mark.parametrize(("name", "aggregate", "options"), CALLS, ids=IDS)
@given(**DRAWN)
@often
def test_order_of_rows_and_columns_and_labels(
    draw: Draw, build: Build, name: str, aggregate: str, options: dict[str, Any], seed: int, missing: float, weighted: bool
) -> None:
    frame = draw(seed, starts=starts_for(name, options), missing=missing, units=24)
    weight = "size" if weighted else None
    before = run(build(frame, weight=weight), name, aggregate, options)
    shuffled = frame.sample(frac=1, random_state=seed)[list(frame.columns)[::-1]]
    after = run(build(shuffled, weight=weight), name, aggregate, options)
    pd.testing.assert_frame_equal(after.frame(), before.frame(), rtol=0, atol=0, check_exact=True)
    assert np.array_equal(after.scores, before.scores)
    # Units under other names come in another order: equal to rounding.
    renamed = frame.assign(unit=np.random.default_rng(seed).permutation(24)[frame["unit"]])
    same(run(build(renamed, weight=weight), name, aggregate, options), before)


@pytest.mark.parametrize(("name", "aggregate", "options"), CALLS, ids=IDS)
@given(**DRAWN)
@often
def test_weights_on_cells_times_the_outcome_are_the_estimate(
    draw: Draw, build: Build, name: str, aggregate: str, options: dict[str, Any], seed: int, missing: float, weighted: bool
) -> None:
    frame = draw(seed, starts=starts_for(name, options), missing=missing, units=24)
    result = run(build(frame, weight="size" if weighted else None), name, aggregate, options)
    outcome = np.nan_to_num(result.panel.values[0]).ravel()
    assert result.weights @ outcome == pytest.approx(result.estimates, rel=1e-9, abs=1e-9)
    unseen = np.isnan(result.panel.values[0]).ravel()
    assert not result.weights[:, unseen].toarray().any()
    assert result.scores.sum(axis=0) == pytest.approx(np.zeros(len(result.estimates)), abs=1e-9)


@pytest.mark.parametrize(("name", "aggregate", "options"), CALLS, ids=IDS)
@given(seed=st.integers(0, 10_000))
@often
def test_a_unit_of_weight_two_is_two_units(
    draw: Draw, build: Build, name: str, aggregate: str, options: dict[str, Any], seed: int
) -> None:
    frame = draw(seed, starts=starts_for(name, options), units=24)
    double = np.random.default_rng(seed).random(24) < 0.4
    weighted = run(build(frame.assign(size=1 + double[frame["unit"]]), weight="size"), name, aggregate, options)
    twins = frame[double[frame["unit"]]].assign(unit=lambda f: f["unit"] + 100)
    twice = run(build(pd.concat([frame, twins])), name, aggregate, options)
    assert weighted.estimates == pytest.approx(twice.estimates, rel=1e-9, abs=1e-9)
    # By region both see the same clusters, so the errors agree too (without the factor that counts cells).
    errors = [result.inference(cluster="region", factor="none").std_error for result in (weighted, twice)]
    assert errors[0] == pytest.approx(errors[1], rel=1e-8, abs=1e-9, nan_ok=True)


@given(seed=st.integers(0, 10_000), weighted=st.booleans())
@often
def test_one_cohort_and_two_periods_give_one_number(draw: Draw, build: Build, seed: int, weighted: bool) -> None:
    frame = draw(seed, units=14, periods=2, starts=(0, 2), regions=3)
    if weighted:  # one weight a unit: estimators differ in whose weight counts where it changes
        frame["size"] = frame.groupby("unit")["size"].transform("first")
    panel = build(frame, weight="size" if weighted else None)
    first = run(panel, "two_by_two", "overall", {})
    for name in ("two_way_fixed_effects", "group_time"):
        other = run(panel, name, "overall", {})
        assert other.estimates == pytest.approx(first.estimates, rel=1e-9)
        assert other.scores == pytest.approx(first.scores, rel=1e-7, abs=1e-10)
        errors = [result.inference(cluster="unit", factor="none").std_error for result in (first, other)]
        assert errors[0] == pytest.approx(errors[1], rel=1e-8)
        assert other.weights.toarray() == pytest.approx(first.weights.toarray(), abs=1e-10)


@given(seed=st.integers(0, 10_000), weighted=st.booleans())
@often
def test_regions_and_cohorts_add_up_to_the_whole(draw: Draw, build: Build, seed: int, weighted: bool) -> None:
    panel = build(draw(seed, units=24), weight="size" if weighted else None)
    overall, regions = run(panel, "group_time", "overall", {}), run(panel, "group_time", "region", {})
    assert regions.estimates[-1] == pytest.approx(overall.estimates[0], rel=1e-9)
    assert regions.scores[:, -1] == pytest.approx(overall.scores[:, 0], rel=1e-7, abs=1e-10)


@given(seed=st.integers(0, 10_000))
@settings(often, max_examples=2)
def test_errors_by_unit_are_near_those_of_a_jackknife(draw: Draw, build: Build, seed: int) -> None:
    # Leaving out each unit in turn knows nothing of scores: that both agree shows their size, estimated shares included.
    frame = draw(seed, units=45, periods=6)
    result = run(build(frame, cluster="unit"), "group_time", "overall", {})
    left = np.array(
        [run(build(frame[frame["unit"] != u], cluster="unit"), "group_time", "overall", {}).estimates[0] for u in range(45)]
    )
    jackknife = float(np.sqrt(44 / 45 * ((left - left.mean()) ** 2).sum()))
    assert 0.9 < result.inference().std_error[0] / jackknife <= 1.02
