"""What must hold of every estimator on any panel; where it does not, `CHANGES` and its like say why, and the test checks that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evaluation import ESTIMATORS, NotEstimable, Panel, PanelError, Result

Draw = Callable[..., pd.DataFrame]
Answer = Callable[..., Result | NotEstimable]
SEEDS = (1, 2)
# Every estimator as it is by default, and those of its ways that are another computation: name, options, outcome.
WAYS: dict[str, tuple[str, dict[str, Any], str | None]] = {
    **{name: (name, {}, None) for name in ESTIMATORS},
    "dose, level": ("dose", {"target": "level"}, None),
    "extended_two_way, never": ("extended_two_way", {"control": "never_treated"}, None),
    "extended_two_way, Poisson": ("extended_two_way", {"family": "poisson"}, "count"),
    "extended_two_way, Poisson, log": ("extended_two_way", {"family": "poisson", "scale": "log"}, "count"),
    "group_time, not yet": ("group_time", {"control": "not_yet_treated"}, None),
    "group_time, universal": ("group_time", {"base": "universal"}, None),
    "local_projections, reweighted": ("local_projections", {"reweight": True}, None),
    "rollout, beta 1": ("rollout", {"beta": "callaway_santanna"}, None),
    "synthetic, did": ("synthetic", {"method": "did"}, None),
    "synthetic, sc": ("synthetic", {"method": "sc"}, None),
    "triple_difference, by size": ("triple_difference", {"control": "not_yet_treated", "combine": "size"}, None),
}
POISSON = [way for way, (_, options, _) in WAYS.items() if options.get("family") == "poisson"]
COMPLETE = ("interrupted_series", "rollout", "synthetic")  # need every cell of a unit
Ask = Callable[..., Result]


@pytest.fixture(params=list(WAYS))
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def run(way: str, answer: Answer) -> Ask:
    name, options, outcome = WAYS[way]

    def call(frame: pd.DataFrame, aggregate: str = "overall", **named: Any) -> Result:
        result = answer(frame, name, aggregate, options, **{**({"outcome": outcome} if outcome else {}), **named})
        assert isinstance(result, Result), result
        return result

    return call


@pytest.fixture
def frames(way: str, draw: Draw, asks: dict[str, Any]) -> Callable[..., list[pd.DataFrame]]:
    """Frames of several seeds with the starts that the way takes."""

    def call(**changes: Any) -> list[pd.DataFrame]:
        return [draw(asks[WAYS[way][0]].starts, seed=seed, **changes) for seed in SEEDS]

    return call


def aggregates(way: str) -> tuple[str, ...]:
    """All that the way has; the synthetic ones are slow, and averages of one curve."""
    slow = {"synthetic": ("overall", "event_time"), "synthetic, sc": ("overall",)}
    return slow.get(way, ESTIMATORS[WAYS[way][0]].aggregates)


# What an effect of units, of periods, or a common line moves, and why. Nothing else may move anything.
PROPORTIONAL = "a Poisson mean is multiplied by its effects: see the test of proportional effects"
CHANGES: dict[str, dict[str, str]] = {
    "interrupted_series": {"periods": "with no comparison a period's own shock is not told from the effect"},
    "rollout": {"units": "levels are outcomes too where starts are random: they move the efficient β"},
    "synthetic": {"periods": "the penalty goes by the deviation of first differences, which holds the periods' effects"},
    "synthetic, sc": {
        "units": "the fit has no intercept: levels are what it fits",
        "periods": "the penalty and the last step of the search go by first differences, as in sdid",
    },
    **{way: dict.fromkeys(("units", "periods", "line"), PROPORTIONAL) for way in POISSON},
}
# Errors that are moved although the estimate is not.
ERRORS_CHANGE = {
    "stacked": {"periods": "one regression over all stacks: a period is another event time in each, so its effect is left over"},
    "rollout, beta 1": {"units": "the default takes off what outcomes before the starts explain, and levels do"},
}


@pytest.mark.parametrize("what", ["units", "periods", "line"])
def test_an_effect_of_units_or_of_periods_changes_nothing(
    way: str, run: Ask, frames: Callable[..., list[pd.DataFrame]], what: str
) -> None:
    moves = {"estimates": 0.0, "errors": 0.0}
    for seed, frame in enumerate(frames()):
        rng = np.random.default_rng(seed)
        by = {"units": rng.normal(0, 5, 48)[frame["unit"]], "periods": rng.normal(0, 5, 11)[frame["period"]]}
        shift = by.get(what, 0.7 * frame["period"])
        moved = frame.assign(**{column: frame[column] + shift for column in ("y", "z", "s")})
        moved["count"] = frame["count"] + np.abs(shift)
        for aggregate in aggregates(way):
            before, after = run(frame, aggregate), run(moved, aggregate)
            moves["estimates"] = max(moves["estimates"], np.abs(after.estimates - before.estimates).max())
            errors = [np.nan_to_num(result.inference(cluster="unit").std_error) for result in (before, after)]
            moves["errors"] = max(moves["errors"], np.abs(errors[1] - errors[0]).max())
    close = 1e-5 if WAYS[way][0] in ("interrupted_series", "synthetic") else 1e-8  # these two search for their numbers
    for table, which in ((CHANGES, "estimates"), ({**CHANGES, **ERRORS_CHANGE}, "errors")):
        if what in table.get(way, {}):
            assert moves[which] > 10 * close, "no exception any more: take it out of the table"
        else:
            assert moves[which] < close


def test_factors_of_units_and_periods_change_no_poisson_coefficient_of_means(draw: Draw, answer: Answer) -> None:
    """Effects of units and periods multiply a Poisson mean where they add to a line: on the means themselves the fit is exact."""
    frame, rng = draw(), np.random.default_rng(1)
    on = (frame["first"] > 0) & (frame["period"] >= frame["first"])
    unit, period = rng.uniform(5, 50, 48)[frame["unit"]], rng.uniform(0.5, 2, 11)[frame["period"]]
    for mean in (np.exp(0.4 * on), unit * period * np.exp(0.4 * on)):
        exact = frame.assign(count=mean)
        log = answer(exact, "extended_two_way", "event_time", {"family": "poisson", "scale": "log"}, outcome="count")
        level = answer(exact, "extended_two_way", options={"family": "poisson"}, outcome="count")
        assert isinstance(log, Result) and isinstance(level, Result)
        assert log.estimates == pytest.approx(np.full(len(log.estimates), 0.4), rel=1e-8)
        assert level.estimates == pytest.approx([(mean * (1 - np.exp(-0.4)))[on].mean()], rel=1e-8)


def test_scaling_the_outcome_scales_estimates_and_errors(way: str, run: Ask, frames: Callable[..., list[pd.DataFrame]]) -> None:
    by = 7.0 if way in POISSON else -7.0
    scale = 1.0 if way.endswith("log") else by
    for frame in frames():
        scaled = frame.assign(**{column: by * frame[column] for column in ("y", "z", "s", "count")})
        for aggregate in aggregates(way):
            before, after = run(frame, aggregate), run(scaled, aggregate)
            assert after.estimates == pytest.approx(scale * before.estimates, rel=1e-6, abs=1e-8), aggregate
            errors = [result.inference(cluster="unit").std_error for result in (before, after)]
            assert errors[1] == pytest.approx(abs(scale) * errors[0], rel=1e-6, nan_ok=True), aggregate


def test_the_order_of_rows_and_columns_changes_not_a_bit(way: str, run: Ask, frames: Callable[..., list[pd.DataFrame]]) -> None:
    for frame in frames():
        mixed = frame.sample(frac=1, random_state=5)[list(frame.columns)[::-1]]
        for aggregate in aggregates(way):
            before, after = run(frame, aggregate), run(mixed, aggregate)
            pd.testing.assert_frame_equal(after.frame(), before.frame(), rtol=0, atol=0, check_exact=True)
            assert np.array_equal(after.scores, before.scores)
            assert after.warnings == before.warnings and after.dropped == before.dropped


def test_units_and_periods_of_other_names_are_the_same(way: str, run: Ask, frames: Callable[..., list[pd.DataFrame]]) -> None:
    for seed, frame in enumerate(frames()):
        other = np.random.default_rng(seed).permutation(48)
        renamed = frame.assign(
            unit=[f"u{other[unit]:02}" for unit in frame["unit"]],
            period=[f"t{period:02}" for period in frame["period"]],
            first=[f"t{first:02}" if first else None for first in frame["first"]],
        )
        before, after = run(frame), run(renamed)
        assert after.estimates == pytest.approx(before.estimates, rel=1e-7)
        for cluster in ("unit", "region"):
            errors = [result.inference(cluster=cluster).std_error for result in (before, after)]
            assert errors[1] == pytest.approx(errors[0], rel=1e-6)


def test_a_unit_of_weight_two_is_two_units(
    way: str, run: Ask, asks: dict[str, Any], frames: Callable[..., list[pd.DataFrame]]
) -> None:
    for frame in frames():
        double = frame["authority"] % 3 == 0
        weighted = frame.assign(size=1.0 + double)
        twins = pd.concat([frame, frame[double].assign(unit=frame["unit"] + 1000)])
        for aggregate in aggregates(way):
            twice = run(twins, aggregate)
            assert isinstance(twice, Result)
            if not asks[WAYS[way][0]].weights:  # the exception: they take no weights, and say so
                with pytest.raises(AssertionError, match=f"{WAYS[way][0]} takes no weights"):
                    run(weighted, aggregate, weight="size")
                continue
            once = run(weighted, aggregate, weight="size")
            if (WAYS[way][0], aggregate) == ("dose", "cells"):  # the exception: bins are of like numbers of units, not of weight
                once, twice = (result.rows((result.labels["kind"] == "average").to_numpy(bool)) for result in (once, twice))
            else:
                pd.testing.assert_frame_equal(once.labels, twice.labels)
            assert once.estimates == pytest.approx(twice.estimates, rel=1e-7, abs=1e-8), aggregate


def test_weights_of_one_are_no_weights(
    way: str, run: Ask, asks: dict[str, Any], frames: Callable[..., list[pd.DataFrame]]
) -> None:
    if not asks[WAYS[way][0]].weights:
        pytest.skip("takes no weights, which the test above holds")
    for frame in frames():
        plain, weighted = run(frame), run(frame.assign(size=3.0), weight="size")
        assert weighted.estimates == pytest.approx(plain.estimates, rel=1e-9)
        errors = [result.inference(cluster="unit").std_error for result in (plain, weighted)]
        assert errors[1] == pytest.approx(errors[0], rel=1e-7)


def test_several_outcomes_in_one_call_are_one_by_one(way: str, run: Ask, frames: Callable[..., list[pd.DataFrame]]) -> None:
    names = ["count", "double"] if way in POISSON else ["y", "z", "s"]
    for frame in frames():
        frame = frame.assign(double=2 * frame["count"] + 1)
        for aggregate in aggregates(way)[:2]:
            together = run(frame, aggregate, outcome=names)
            alone = [run(frame, aggregate, outcome=name) for name in names]
            assert together.labels["outcome"].tolist() == [
                name for name, one in zip(names, alone, strict=True) for _ in one.estimates
            ]
            assert np.array_equal(together.estimates, np.concatenate([one.estimates for one in alone]))
            assert np.array_equal(together.scores, np.column_stack([one.scores for one in alone]))
            numbers = pd.concat([one.frame() for one in alone], ignore_index=True)
            pd.testing.assert_frame_equal(together.frame(), numbers, rtol=1e-12, check_dtype=False)


def test_weights_on_cells_times_the_outcome_are_the_estimate(
    way: str, run: Ask, asks: dict[str, Any], frames: Callable[..., list[pd.DataFrame]]
) -> None:
    missing = {"rollout": 0.0, "synthetic": 0.01, "interrupted_series": 0.01}.get(WAYS[way][0], 0.05)
    for frame in frames(missing=missing):
        for weight in (None, "size") if asks[WAYS[way][0]].weights else (None,):
            for aggregate in aggregates(way):
                result = run(frame, aggregate, weight=weight)
                if way in POISSON:  # the exception: a Poisson mean is no sum of cells, and asking for weights says so
                    with pytest.raises(PanelError, match="keeps no weights on cells"):
                        _ = result.weights
                    continue
                outcome = result.panel.values[0].ravel()
                assert result.weights.shape == (len(result.estimates), outcome.size)
                assert result.weights @ np.nan_to_num(outcome) == pytest.approx(result.estimates, rel=1e-7, abs=1e-9), aggregate
                assert not result.weights[:, np.isnan(outcome)].count_nonzero()
                by_unit = abs(result.weights).toarray().reshape(len(result.estimates), len(result.units), -1).sum(axis=2)
                assert ((by_unit.T > 1e-9) <= result.used).all(), "a unit with a weight is not said to be used"


# One cohort and two periods: what the two-by-two number is there, or why there is none.
def gaps(frame: pd.DataFrame) -> pd.DataFrame:
    """Eligible less other unit of each authority."""
    wide = frame.pivot_table(index=["authority", "period", "first", "region"], columns="eligible", values="y").reset_index()
    return wide.assign(y=wide[1] - wide[0], unit=wide["authority"])


TWO_PERIODS: dict[str, str] = {
    "dose": "a slope is another question: its level is held in its place",
    "extended_two_way, Poisson": "on the scale of the outcome: held on the log scale, where it is the ratio of ratios",
    "interrupted_series": "needs 8 periods",
    "rollout": "an efficient β is not 1: held with β = 1",
    "synthetic": "needs 4 periods before: held with equal weights on more periods, below",
    "synthetic, did": "needs 4 periods before: held with equal weights on more periods, below",
    "synthetic, sc": "needs 4 periods before: held with equal weights on more periods, below",
}

# Errors that are not the two-by-two ones there, without a small-sample factor.
OWN_ERRORS: dict[Any, str] = {
    "local_projections": "each horizon carries (n − 1)/(n − k) in its scores",
    "local_projections, reweighted": "each horizon carries (n − 1)/(n − k) in its scores",
    "rollout, beta 1": "each cohort's covariance is over its units less one, and the adjustment is taken off",
    "switchers": "√(n/(n − 1)) of each cohort is in its scores",
    ("two_stage", "region"): "a second stage by region: what regions differ by is not in the error",
}


def test_one_cohort_and_two_periods_are_two_by_two(way: str, run: Ask, draw: Draw, answer: Answer) -> None:
    for seed in SEEDS:
        frame = draw((0, 2, 0), seed=seed, periods=2)
        if way in TWO_PERIODS:
            name, options, outcome = WAYS[way]
            refused = answer(frame, name, options=options, **({"outcome": outcome} if outcome else {}))
            wanted = answer(frame, "two_by_two", outcome=outcome or "y")
            assert isinstance(wanted, Result)
            assert isinstance(refused, NotEstimable) or not np.allclose(refused.estimates, wanted.estimates), (
                "it is equal: hold it"
            )
            continue
        if way in POISSON:
            sums = frame.groupby([frame["first"] > 0, "period"])["count"].sum()
            wanted_number = np.log(sums[True, 2] / sums[True, 1]) - np.log(sums[False, 2] / sums[False, 1])
            assert run(frame).estimates == pytest.approx([wanted_number], rel=1e-7)
            continue
        source = gaps(frame) if WAYS[way][0] == "triple_difference" else frame
        wanted = answer(source, "two_by_two", cluster="unit")
        assert isinstance(wanted, Result)
        columns = {"intensity": None} if way == "switchers" else {}  # on and never off, whatever the strength
        for aggregate in aggregates(way):
            result = run(frame, aggregate, outcome="y", **columns)
            last = np.arange(len(result.estimates)) == len(result.estimates) - 1
            parts = aggregate == "region" or (way, aggregate) == ("dose, level", "cells")  # their last row is the whole
            real = last if parts else (result.labels["kind"] != "reference").to_numpy(bool)
            assert result.estimates[real] == pytest.approx(np.full(real.sum(), wanted.estimates[0]), rel=1e-8), aggregate
            if way not in OWN_ERRORS and (way, aggregate) not in OWN_ERRORS:
                by = "authority" if WAYS[way][0] == "triple_difference" else "unit"
                ours, theirs = result.inference(cluster=by, factor="none"), wanted.inference(factor="none")
                assert ours.std_error[real] == pytest.approx(np.full(real.sum(), theirs.std_error[0]), rel=1e-7), aggregate


def test_synthetic_with_equal_weights_is_two_by_two_on_one_cohort(draw: Draw, answer: Answer) -> None:
    for seed in SEEDS:
        frame = draw((0, 6, 0), seed=seed)
        ours, theirs = answer(frame, "synthetic", options={"method": "did"}), answer(frame, "two_by_two")
        assert isinstance(ours, Result) and isinstance(theirs, Result)
        assert ours.estimates == pytest.approx(theirs.estimates, rel=1e-9)


def test_one_cohort_of_more_periods_is_two_by_two_wherever_all_periods_count_alike(draw: Draw, answer: Answer) -> None:
    """With one start and a complete panel, these compare the mean after with the mean before; the others take a base period."""
    alike = ("imputation", "two_stage", "extended_two_way", "two_way_fixed_effects", "synthetic, did")
    for seed in SEEDS:
        frame = draw((0, 6), seed=seed)
        wanted = answer(frame, "two_by_two")
        assert isinstance(wanted, Result)
        for way in alike:
            name, options, _ = WAYS[way]
            result = answer(frame, name, options=options)
            assert isinstance(result, Result)
            assert result.estimates == pytest.approx(wanted.estimates, rel=1e-9), way


def test_a_panel_is_not_changed_by_being_asked(
    way: str, answer: Answer, build: Callable[..., Panel], draw: Draw, asks: Any
) -> None:
    name, _, outcome = WAYS[way]
    panel = build(draw(asks[name].starts), **{"outcome": outcome or asks[name].outcome, **asks[name].columns})
    kept = panel.values.copy(), panel.weights.copy(), panel.cohort.copy()
    assert isinstance(answer(draw(asks[name].starts), name), Result)
    ESTIMATORS[name].prepare(panel, {**ESTIMATORS[name].options})
    assert all(
        np.array_equal(a, b, equal_nan=True) for a, b in zip(kept, (panel.values, panel.weights, panel.cohort), strict=True)
    )
