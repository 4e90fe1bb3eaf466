"""Families of outcomes: stepdown by hand and against plain loops, the score bootstrap against data made anew, false alarms."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation import Panel, Result, estimate
from evaluation.errors import NotEstimable, OptionError, PanelError
from evaluation.families import Family, family, outcome_family, stepdown
from evaluation.families.score_bootstrap import ScoreBootstrap, score_bootstrap


def made(*given: Any, **options: Any) -> Family:
    found = family(*given, **options)
    assert isinstance(found, Family)
    return found


def test_stepdown_by_hand() -> None:
    # Largest of both: 1, 2, 3, 4; of the second alone: 1, 2, 0.5, 1.
    null = np.array([[0.5, 1.0], [1.0, 2.0], [3.0, 0.5], [4.0, 1.0]])
    # 3.5 is reached by one draw of four; then 1.5 by one of the second alone, so the p of the first holds: 2 ÷ 5.
    assert stepdown(np.array([3.5, 1.5]), null) == pytest.approx([2 / 5, 2 / 5])
    # 1 of the second is reached by three: 4 ÷ 5.
    assert stepdown(np.array([-3.5, 1.0]), null) == pytest.approx([2 / 5, 4 / 5])
    assert stepdown(np.array([5.0, 0.6]), null) == pytest.approx([1 / 5, 4 / 5])
    # With the observed assignment among the draws nothing is added.
    assert stepdown(np.array([3.5, 1.0]), null, identity_included=True) == pytest.approx([1 / 4, 3 / 4])


def slowly(statistics: np.ndarray, null: np.ndarray) -> list[float]:
    """Romano and Wolf 2016 in plain loops."""
    order = sorted(range(len(statistics)), key=lambda k: -abs(statistics[k]))
    out, before = [0.0] * len(statistics), 0.0
    for place, k in enumerate(order):
        left = order[place:]
        reached = sum(max(abs(row[j]) for j in left) >= abs(statistics[k]) for row in null)
        before = max(before, (1 + reached) / (1 + len(null)))
        out[k] = before
    return out


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 8))
def test_stepdown_is_the_published_algorithm(seed: int, count: int) -> None:
    random = np.random.Generator(np.random.PCG64(seed))
    statistics, null = random.normal(0, 2, count), random.normal(0, 1, (60, count))
    found = stepdown(statistics, null)
    assert found == pytest.approx(slowly(statistics, null), abs=1e-12)
    order = random.permutation(count)
    assert stepdown(statistics[order], null[:, order]) == pytest.approx(found[order], abs=1e-12)


def test_outcomes_that_are_one_cost_nothing() -> None:
    random = np.random.Generator(np.random.PCG64(1))
    null = random.normal(size=(999, 1))
    found = made(["a", "b", "c"], [2.5, 2.5, 2.5], np.repeat(null, 3, axis=1))
    for one in found.outcomes:
        assert one.adjusted_p == one.p_value
        assert one.holm_p == pytest.approx(min(1, 3 * one.p_value))


def test_holm_and_words() -> None:
    # 99 draws of 1 … 99 hundredths for each: the p of x is (1 + draws at or above x) ÷ 100.
    null = np.repeat(np.arange(1, 100)[:, None] / 100, 3, axis=1)
    found = made(["absence", "exclusions", "plans"], [0.985, 0.965, np.nan], null)
    first, second, third = found.outcomes
    assert (first.p_value, second.p_value) == (pytest.approx(0.02), pytest.approx(0.04))
    assert (first.holm_p, second.holm_p) == (pytest.approx(0.04), pytest.approx(0.04))
    assert third.note and third.p_value != third.p_value
    assert found.smallest_p == 0.01
    assert found.reading == (
        "2 of 2 outcomes show an effect with at most a 5% chance of any false alarm: "
        "absence (p = 0.020), exclusions (p = 0.040). "
        "Not tested: plans."
    )
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["outcomes"][2]["adjusted_p"] is None


def test_what_was_significant_alone_is_said() -> None:
    random = np.random.Generator(np.random.PCG64(1))
    found = made([str(k) for k in range(20)], [2.2, *[0.1] * 19], random.normal(size=(1999, 20)))
    assert found.outcomes[0].p_value < 0.05 < found.outcomes[0].adjusted_p
    assert "0 of 20 outcomes" in found.reading and "Below 0.05 alone, but not as one of 20: 0." in found.reading


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ((["a"], [1.0, 2.0], np.ones((9, 2))), "for each of the 1 labels"),
        ((["a", "b"], [1.0, 2.0], np.ones((9, 3))), "for each of the 2 labels"),
        ((["a", "b"], [1.0, 2.0], np.full((9, 2), np.nan)), "must be finite"),
        ((["a"], [1.0], np.ones((0, 1))), "must be draws × 1"),
    ],
)
def test_bad_input(given: Any, says: str) -> None:
    with pytest.raises(PanelError, match=says):
        family(*given)


def test_error_of_a_given_resampling() -> None:
    # 20 true nulls, correlation 0.5, exact null draws. 600 families: Monte Carlo error 0.9 points.
    random = np.random.Generator(np.random.PCG64(6))

    def drawn(count: int) -> np.ndarray:
        return np.sqrt(0.5) * (random.normal(size=(count, 20)) + random.normal(size=(count, 1)))

    alarms = [(stepdown(drawn(1)[0], drawn(499)) <= 0.05).any() for _ in range(600)]
    assert np.mean(alarms) == pytest.approx(0.05, abs=0.027)


def panel(random: np.random.Generator, treated: int, compared: int, outcomes: int, periods: int = 8, apart: int = 1) -> Panel:
    """Partnerships of 3 or 4 authorities on both sides, starts in periods 4 to 4 + `apart` − 1, all nulls true."""
    groups = treated + compared
    partnership = np.repeat(np.arange(groups), 3 + np.arange(groups) % 2)
    starts = np.where(np.arange(groups) < treated, 4 + np.arange(groups) % apart, 0)
    frame = pd.DataFrame(
        {
            "unit": np.repeat(np.arange(len(partnership)), periods),
            "partnership": np.repeat(partnership, periods),
            "period": np.tile(np.arange(1, periods + 1), len(partnership)),
            "first": np.repeat(starts[partnership], periods),
        }
    )
    names = [f"y{k}" for k in range(outcomes)]
    values = pd.DataFrame(drawn_values(random, partnership, periods, outcomes).reshape(-1, outcomes), columns=names)
    return Panel.from_frame(pd.concat([frame, values], axis=1), "unit", "period", "first", names, cluster=["partnership"])


def drawn_values(random: np.random.Generator, partnership: np.ndarray, periods: int, outcomes: int) -> np.ndarray:
    """Correlation 0.3 within partnerships, 0.5 from term to term and 0.5 between outcomes: N × T × outcomes."""

    def shocks(count: int) -> np.ndarray:
        parts = np.sqrt(0.5) * (random.normal(size=(count, periods, outcomes)) + random.normal(size=(count, periods, 1)))
        for t in range(1, periods):
            parts[:, t] = 0.5 * parts[:, t - 1] + np.sqrt(0.75) * parts[:, t]
        return parts

    return np.sqrt(0.3) * shocks(partnership.max() + 1)[partnership] + np.sqrt(0.7) * shocks(len(partnership))


def overall(given: Panel, name: str = "group_time") -> Result:
    result = estimate(given, name)
    assert isinstance(result, Result)
    return result


def test_the_score_bootstrap_is_the_wild_bootstrap_on_the_data() -> None:
    # One start, two periods, each unit a cluster: changes d. With the null imposed both sides have the comparison's mean;
    # d* = sign × (d − mean of comparison), and t* is the plain two-sample statistic of d*.
    random = np.random.Generator(np.random.PCG64(9))
    d = random.normal(0, 1, (30, 2)) + np.where(np.arange(30) < 14, 0.5, 0)[:, None]
    rows = [(i, t, 2 if i < 14 else 0, *(d[i] * (t == 2))) for i in range(30) for t in (1, 2)]
    frame = pd.DataFrame(rows, columns=["unit", "period", "first", "a", "b"])
    result = overall(Panel.from_frame(frame, "unit", "period", "first", ["a", "b"]))
    found = score_bootstrap(result, None, None, 50, 3)
    assert isinstance(found, ScoreBootstrap)
    signs = np.random.Generator(np.random.PCG64(3)).integers(0, 2, (50, 30)) * 2.0 - 1.0
    for k in range(2):
        moved = signs * (d[:, k] - d[14:, k].mean())
        one, other = moved[:, :14], moved[:, 14:]
        t = (one.mean(axis=1) - other.mean(axis=1)) / np.sqrt(one.var(axis=1) / 14 + other.var(axis=1) / 16)
        assert found.null[:, k] == pytest.approx(t, rel=1e-9)
        assert found.statistics[k] == pytest.approx(
            (d[:14, k].mean() - d[14:, k].mean()) / np.sqrt(d[:14, k].var() / 14 + d[14:, k].var() / 16), rel=1e-9
        )


@pytest.mark.parametrize("name", ["group_time", "two_way_fixed_effects"])
def test_from_a_result(name: str) -> None:
    given = panel(np.random.Generator(np.random.PCG64(4)), 9, 20, 3, apart=3)
    values = given.values.copy()
    values[1] += 3 * (np.arange(8) >= given.cohort[:, None])
    result = overall(replace(given, values=values), name)
    found = outcome_family(result, draws=999)
    assert isinstance(found, Family)
    assert [one.label for one in found.outcomes] == ["y0", "y1", "y2"]
    assert [one.shown for one in found.outcomes] == [False, True, False]
    assert found.method == "score bootstrap with the null imposed, signs by partnership, errors by partnership"
    again = outcome_family(result, draws=999)
    assert isinstance(again, Family) and again.to_dict() == found.to_dict()
    if name == "group_time":
        plain = result.inference("clustered", factor="none")
        assert [one.statistic for one in found.outcomes] == pytest.approx((plain.estimates / plain.std_error).tolist())


def test_a_ready_resampling_is_used() -> None:
    result = overall(panel(np.random.Generator(np.random.PCG64(2)), 4, 10, 2))
    null = np.random.Generator(np.random.PCG64(3)).standard_t(5, (499, 2))
    found = outcome_family(result, null=null)
    assert isinstance(found, Family) and found.method == "given"
    statistics = np.array([one.statistic for one in found.outcomes])
    assert [one.adjusted_p for one in found.outcomes] == pytest.approx(stepdown(statistics, null).tolist())


def test_few_treated_clusters_and_finer_signs_are_said() -> None:
    result = overall(panel(np.random.Generator(np.random.PCG64(2)), 3, 10, 2))
    found, finer = outcome_family(result, draws=199), outcome_family(result, draws=199, subcluster="unit")
    assert isinstance(found, Family) and isinstance(finer, Family)
    few = "Only 3 treated clusters by partnership: p-values are fragile, and only very large effects can be shown."
    assert found.warnings == (few,) and found.reading.endswith(few)
    assert "signs by unit, errors by partnership" in finer.method
    assert finer.warnings == (
        few,
        "Signs drawn by unit within partnership alarm too often where comparison clusters are single units.",
    )


def test_refusals() -> None:
    random = np.random.Generator(np.random.PCG64(2))
    alone = outcome_family(overall(panel(random, 1, 10, 2)))
    assert isinstance(alone, NotEstimable) and "fewer than two treated" in alone.reason and "null=" in alone.remedy
    given = panel(random, 4, 10, 2)
    by_event = estimate(given, "group_time", aggregate="event_time")
    with pytest.raises(OptionError, match="aggregate='overall'"):
        outcome_family(by_event)
    with pytest.raises(OptionError, match="draws must be 99"):
        outcome_family(overall(given), draws=9)
    with pytest.raises(PanelError, match="must lie within the clusters by unit"):
        outcome_family(overall(given), cluster="unit", subcluster="partnership")
    bare = outcome_family(replace(overall(given), builder=None))
    assert isinstance(bare, NotEstimable) and "keeps no weights" in bare.reason
    own = outcome_family(replace(overall(given), own_df=np.ones(2)))
    assert isinstance(own, NotEstimable)
    refusal = NotEstimable("no", "yes")
    assert outcome_family(refusal) is refusal
    assert isinstance(family(["a"], [np.nan], np.ones((9, 1))), NotEstimable)


def false_alarms(treated: int, compared: int, alone: bool, families: int, seed: int) -> float:
    """Share of families of 20 true nulls with any alarm, on two periods that the score bootstrap sees as changes."""
    random = np.random.Generator(np.random.PCG64(seed))
    sizes = [3 + g % 2 for g in range(treated)] + [1 if alone else 3 + g % 2 for g in range(compared)]
    partnership = np.repeat(np.arange(len(sizes)), sizes)
    units = len(partnership)
    frame = pd.DataFrame(
        {
            "unit": np.repeat(np.arange(units), 2),
            "partnership": np.repeat(partnership, 2),
            "period": np.tile([1, 2], units),
            "first": np.repeat(np.where(partnership < treated, 2, 0), 2),
        }
    )
    names = [f"y{k}" for k in range(20)]
    frame = pd.concat([frame, pd.DataFrame(np.zeros((2 * units, 20)), columns=names)], axis=1)
    given = Panel.from_frame(frame, "unit", "period", "first", names, cluster=["partnership"])
    alarms = []
    for draw in range(families):
        changes = drawn_values(random, partnership, 1, 20).transpose(2, 0, 1)
        values = np.concatenate([np.zeros_like(changes), changes], axis=2)
        found = outcome_family(overall(replace(given, values=values)), draws=399, seed=draw)
        assert isinstance(found, Family)
        alarms.append(any(one.shown for one in found.outcomes))
    return float(np.mean(alarms))


@pytest.mark.slow
@pytest.mark.parametrize(("treated", "compared", "alone"), [(9, 30, False), (9, 121, True), (3, 121, True)])
def test_error_over_twenty_true_nulls(treated: int, compared: int, alone: bool) -> None:
    # 150 families: Monte Carlo error 1.8 points; 6% and two of them are allowed. METHODS.md has the figures of 500.
    assert false_alarms(treated, compared, alone, 150, 7) <= 0.06 + 0.036


@pytest.mark.slow
def test_error_over_twenty_true_nulls_with_three_starts() -> None:
    # 150 families of eight terms each: Monte Carlo error 1.8 points.
    random = np.random.Generator(np.random.PCG64(7))
    given = panel(random, 9, 30, 20, apart=3)
    partnership = given.clusters["partnership"][0]
    alarms = []
    for draw in range(150):
        values = drawn_values(random, partnership, 8, 20).transpose(2, 0, 1)
        found = outcome_family(overall(replace(given, values=values)), draws=399, seed=draw)
        assert isinstance(found, Family)
        alarms.append(any(one.shown for one in found.outcomes))
    assert np.mean(alarms) <= 0.06 + 0.036, np.mean(alarms)
