"""Weights in closed form are those of the estimators, and the batch of outcomes gives what single outcomes and refits give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation import Inference, Panel, Result, estimate
from evaluation.inference import permutation_batch
from evaluation.inference.assignment import Draws, draw_assignments, groups_of, scheme_of
from evaluation.inference.permutation import by_pairs, by_weights, pairs_of
from evaluation.inference.permutation_batch import by_closed_form
from evaluation.inference.permutation_imputation import by_imputation
from evaluation.inference.permutation_weights import BUILDERS, Sizes, weights_by_start
from evaluation.panel import NEVER

AVERAGED = ("overall", "event_time", "cohort", "calendar")
CASES: list[tuple[str, tuple[str, ...], dict[str, Any]]] = [
    ("imputation", (*AVERAGED, "region"), {}),
    ("two_stage", (*AVERAGED, "region"), {}),
    ("interaction_weighted", AVERAGED, {}),
    ("interaction_weighted", AVERAGED, {"reference": -2}),
    ("interaction_weighted", AVERAGED, {"control": "last_treated"}),
    ("extended_two_way", AVERAGED, {}),
    ("extended_two_way", AVERAGED, {"control": "never_treated"}),
    ("extended_two_way", AVERAGED, {"effects": "cohort"}),
    ("extended_two_way", ("overall",), {"model": "static"}),
    ("two_way_fixed_effects", ("overall",), {}),
    ("two_by_two", ("overall",), {}),
    ("group_time", ("overall",), {}),
    ("group_time", ("overall",), {"anticipation": 1}),
    ("stacked", ("overall", "event_time"), {}),
    ("stacked", ("overall",), {"control": "never_treated"}),
    ("stacked", ("overall",), {"kappa_pre": 2, "kappa_post": 1}),
    ("local_projections", ("overall", "event_time"), {}),
    ("local_projections", ("overall",), {"control": "never_treated"}),
    ("local_projections", ("overall",), {"reweight": True}),
    ("local_projections", ("overall",), {"pre": 0, "post": 1}),
]
NAMES = sorted({name for name, _, _ in CASES} - {"two_by_two"})
DESIGNS = ((3, "groups"), (3, "within_region"), (1, "within_region"), (1, "groups"))


def complete(cohort: np.ndarray, periods: int, rng: np.random.Generator) -> Panel:
    """A panel with noise for the outcome and three regions."""
    units = len(cohort)
    frame = pd.DataFrame(
        {
            "unit": np.repeat(np.arange(units), periods),
            "period": np.tile(np.arange(1, periods + 1), units),
            "first": np.repeat(np.where(cohort < NEVER, cohort + 1, 0), periods),
            "region": np.repeat(rng.integers(0, 3, units), periods),
            "y": rng.normal(0, 1, units * periods),
        }
    )
    return Panel.from_frame(frame, "unit", "period", "first", "y", cluster="region", region="region")


def sizes_of(panel: Panel) -> Sizes:
    starts = np.r_[np.unique(panel.cohort[panel.treated]), NEVER]
    return Sizes((panel.cohort == starts[:, None]).sum(axis=1, keepdims=True).T.astype(float), starts, len(panel.periods))


def average(result: Result) -> int:
    return int(np.flatnonzero(result.labels["kind"].isin(["overall", "average"]))[0])


def test_every_closed_form_is_tested() -> None:
    assert {name for name, _, _ in CASES} == set(BUILDERS)


@pytest.mark.parametrize(("name", "aggregates", "options"), CASES)
@given(seed=st.integers(0, 10**6), periods=st.integers(4, 8), never=st.booleans())
@settings(max_examples=8)
def test_closed_form_is_the_estimators_own(
    name: str, aggregates: tuple[str, ...], options: dict[str, Any], seed: int, periods: int, never: bool
) -> None:
    """Tolerance 1e-10, on two panels with the same starts at once; the estimator keeps, drops and trims as it does."""
    rng = np.random.default_rng(seed)
    count = 1 if name == "two_by_two" else int(rng.integers(2, periods - 1))
    starts = np.r_[np.sort(rng.choice(np.arange(1, periods), count, replace=False)), [NEVER] * (never or count == 1)]
    panels = [complete(np.repeat(starts, rng.integers(1, 5, len(starts))), periods, rng) for _ in range(2)]
    for aggregate in aggregates:
        found = [estimate(panel, name, aggregate=aggregate, **options) for panel in panels]
        kept = [one for one in found if isinstance(one, Result)]
        if len(kept) < len(found):
            continue
        sizes = [sizes_of(one.panel) for one in kept]
        both = replace(sizes[0], counts=np.concatenate([one.counts for one in sizes]))
        made = weights_by_start(name, both, aggregate, kept[0].options)
        assert made is not None
        for one, weights in zip(kept, made, strict=True):
            cells = one.weights[average(one)].toarray().reshape(len(one.panel.units), -1)
            assert weights[np.searchsorted(both.starts, one.panel.cohort)] == pytest.approx(cells, abs=1e-10)


def test_imputation_by_hand() -> None:
    """A starts in period 1, B in 2, C never: effect = (A1 + A2 − 2·A0 + B2 + (B0 − 5·B1)/4 + (7·C0 + C1)/4 − 2·C2) ÷ 3."""
    made = weights_by_start("imputation", Sizes(np.ones((1, 3)), np.array([1, 2, NEVER]), 3), "overall", {})
    assert made is not None
    assert 3 * made[0] == pytest.approx(np.array([[-2, 1, 1], [0.25, -1.25, 1], [1.75, 0.25, -2]]), abs=1e-14)


@pytest.mark.parametrize(
    ("name", "aggregate", "options"),
    [
        ("group_time", "overall", {"control": "not_yet_treated"}),
        ("group_time", "event_time", {}),
        ("two_way_fixed_effects", "event_time", {}),
        ("two_way_fixed_effects", "overall", {"period_by": "region"}),
    ],
)
def test_what_has_no_closed_form_says_so(
    name: str, aggregate: str, options: dict[str, Any], partnerships: Callable[..., Panel]
) -> None:
    result = estimate(partnerships(together=1), name, aggregate=aggregate, **options)
    assert isinstance(result, Result)
    assert weights_by_start(name, sizes_of(result.panel), aggregate, result.options) is None


def drawn(panel: Panel, scheme: str, permute: bool = False, draws: int = 4) -> Draws:
    groups = groups_of(panel, "group", panel.clusters["group"][0])
    return draw_assignments(groups, scheme_of(groups, scheme)[0], permute, draws, 1)


def uneven(panel: Panel) -> Panel:
    """Comparison groups of two sizes where there are groups, so that starts have other numbers of units in every assignment."""
    if (np.bincount(panel.clusters["group"][0]) == 1).any():
        return panel
    codes, labels = panel.clusters["group"]
    names = np.array(labels)[codes]
    names[names == "0-1"] = "0-2"
    return replace(
        panel, clusters={**panel.clusters, "group": (np.unique(names, return_inverse=True)[1], tuple(np.unique(names)))}
    )


def closed(result: Result, draws: Draws) -> Any:
    def weights(sizes: Sizes) -> np.ndarray | None:
        return weights_by_start(result.estimator, sizes, result.aggregate, result.options)

    panel = result.panel
    return by_closed_form(panel.values, panel.cohort, draws, weights, result.estimator == "group_time")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("design", DESIGNS)
def test_moments_of_all_outcomes_equal_refits(name: str, design: tuple[int, str], partnerships: Callable[..., Panel]) -> None:
    """Effects and squares against the estimator's weights on every reassigned panel (group-time: against its own kernel)."""
    panel = uneven(partnerships(together=design[0], outcomes=2))
    draws = drawn(panel, design[1], design[1] == "within_region")
    result = estimate(panel, name)
    assert isinstance(result, Result)
    found = closed(result, draws)
    for o, outcome in enumerate(panel.outcomes):
        alone = panel.outcome(outcome)
        if name == "group_time":
            expected = by_pairs(pairs_of(alone, result.options, "overall", draws.starts), draws, "overall")
            assert found[o].effect == pytest.approx(expected.effect, abs=1e-12)
            assert found[o].square == pytest.approx(expected.square, abs=1e-12)
            continue
        for row in range(len(draws.members)):
            cohort = draws.cohort(row)
            again = estimate(replace(alone, cohort=cohort), name)
            assert isinstance(again, Result)
            cells = again.weights[0].toarray().reshape(len(panel.units), -1)
            by_start = np.array([cells[cohort == g].mean(axis=0) for g in (*draws.starts, NEVER)])
            expected = by_weights(alone, by_start, draws, np.array([row]))
            assert found[o].effect[:, row] == pytest.approx(expected.effect[:, 0], abs=1e-10)
            assert found[o].square[:, row] == pytest.approx(expected.square[:, 0], abs=1e-10)


@pytest.mark.parametrize("name", ["imputation", "group_time"])
@pytest.mark.parametrize("design", DESIGNS)
def test_blocks_change_nothing(
    name: str, design: tuple[int, str], partnerships: Callable[..., Panel], monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = uneven(partnerships(together=design[0], outcomes=3))
    draws = drawn(panel, design[1], draws=60)
    result = estimate(panel, name)
    assert isinstance(result, Result)
    whole = closed(result, draws)
    monkeypatch.setattr(permutation_batch, "BLOCK", 700)
    for one, other in zip(whole, closed(result, draws), strict=True):
        assert other.effect == pytest.approx(one.effect, abs=1e-13)
        assert other.square == pytest.approx(one.square, abs=1e-13)


def test_extended_two_way_is_exact_and_has_an_interval(partnerships: Callable[..., Panel], run: Callable[..., Inference]) -> None:
    """On complete cells its effect is that of imputation, so all that follows is too."""
    panel = partnerships()
    first, second = (
        run("randomisation", estimate(panel, name), "group", draws=99) for name in ("extended_two_way", "imputation")
    )
    assert first.details["kernel"]["y"] == "exact"
    assert first.p_value == second.p_value
    assert first.interval(0.9)[0] == pytest.approx(second.interval(0.9)[0], abs=1e-9)


def test_complete_and_incomplete_outcomes_stand_together(
    partnerships: Callable[..., Panel], run: Callable[..., Inference]
) -> None:
    """One outcome with a gap is fitted on its own; the others are as without it."""
    panel = partnerships(outcomes=3)
    values, weights = panel.values.copy(), panel.weights.copy()
    values[1, 4, 2], weights[1, 4, 2] = np.nan, 0.0
    gap = replace(panel, values=values, weights=weights)
    found = run("randomisation", estimate(gap, "stacked"), "group", draws=30, refit_draws=30)
    assert list(found.details["kernel"].values()) == ["exact", "refitted", "exact"]
    whole = run("randomisation", estimate(panel, "stacked"), "group", draws=30)
    assert list(found.p_value[[0, 2]]) == list(whole.p_value[[0, 2]])


def test_second_statistic_fits_nothing_again(partnerships: Callable[..., Panel], run: Callable[..., Inference]) -> None:
    """The other statistic of the same result is free; other draws, or another result, are not. Numbers are as of a fresh call."""
    panel = partnerships(missing=0.03, periods=5, starts=(3, 4))
    calls = []

    def refit(other: Panel) -> Any:
        calls.append(1)
        return estimate(other, "stacked")

    result = estimate(panel, "stacked")
    asked = {"draws": 12, "refit_draws": 12, "refit": refit}
    run("randomisation", result, "group", **asked)
    count = len(calls)
    second = run("randomisation", result, "group", statistic="coefficient", **asked)
    assert len(calls) == count == 13
    fresh = run("randomisation", estimate(panel, "stacked"), "group", statistic="coefficient", **asked)
    assert len(calls) == 2 * count
    assert second.p_value == fresh.p_value and second.details == fresh.details
    run("randomisation", result, "group", **{**asked, "seed": 2})
    assert len(calls) == 3 * count


def by_least_squares(panel: Panel, cohort: np.ndarray, clusters: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Effects and squares from a refit's weights on cells, and residuals of a least-squares fit on dummies, cell by cell."""
    again = estimate(replace(panel, cohort=cohort), name)
    assert isinstance(again, Result)
    kept = [panel.units.index(unit) for unit in again.panel.units]
    cells = np.zeros(panel.values[0].shape)
    cells[kept] = again.weights[0].toarray().reshape(len(kept), -1)
    unit, time = np.nonzero(panel.weights[0])
    root = np.sqrt(panel.weights[0][unit, time])
    dummies = np.column_stack([unit[:, None] == np.arange(len(panel.units)), time[:, None] == np.arange(len(panel.periods))])
    assigned, actual = ((one[:, None] <= np.arange(len(panel.periods))).astype(float) for one in (cohort, panel.cohort))
    effects, sums = [], []
    for outcome in (np.nan_to_num(panel.values[0]), actual):
        effects.append((cells * outcome).sum())
        left = (outcome - effects[-1] * assigned)[unit, time]
        fitted = dummies @ np.linalg.lstsq(dummies * root[:, None], left * root, rcond=None)[0]
        sums.append(np.bincount(clusters[unit], cells[unit, time] * (left - fitted)))
    return np.array(effects), np.array([sums[i] @ sums[j] for i, j in ((0, 0), (0, 1), (1, 1))])


@pytest.mark.parametrize("name", ["imputation", "two_stage"])
@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize(("missing", "weighted"), [(0.0, True), (0.1, False), (0.2, True)])
def test_imputation_with_gaps_and_weights(
    name: str, design: tuple[int, str], missing: float, weighted: bool, partnerships: Callable[..., Panel]
) -> None:
    """Effects and squares to 1e-10."""
    panel = uneven(partnerships(together=design[0], missing=missing, weighted=weighted))
    result = estimate(panel, name)
    assert isinstance(result, Result)
    panel = result.panel  # without units never seen untreated
    draws = drawn(panel, design[1], design[1] == "within_region")
    found = by_imputation(panel, draws)
    assert found is not None
    for row in range(len(draws.members)):
        effect, square = by_least_squares(panel, draws.cohort(row), draws.clusters(row), name)
        assert found.effect[:, row] == pytest.approx(effect, abs=1e-10)
        assert found.square[:, row] == pytest.approx(square, abs=1e-10)


def test_unit_seen_only_after_its_start(partnerships: Callable[..., Panel]) -> None:
    """Where an assignment makes a unit start before all that is seen of it, the unit is left out, as by the estimator."""
    panel = partnerships(together=1)
    values, weights = panel.values.copy(), panel.weights.copy()
    values[0, -1, :6], weights[0, -1, :6] = np.nan, 0.0
    panel = replace(panel, values=values, weights=weights)
    draws = drawn(panel, "within_region", draws=25)
    found = by_imputation(panel, draws)
    assert found is not None
    rows = [row for row in range(26) if draws.cohort(row)[-1] < NEVER]
    assert rows
    for row in rows:
        effect, square = by_least_squares(panel, draws.cohort(row), draws.clusters(row), "imputation")
        assert found.effect[:, row] == pytest.approx(effect, abs=1e-10)
        assert found.square[:, row] == pytest.approx(square, abs=1e-10)


def test_imputation_without_a_link_is_fitted_again(partnerships: Callable[..., Panel], run: Callable[..., Inference]) -> None:
    """Two groups alone are seen in the last period: the assignment that gives both the reform imputes nothing then."""
    panel = partnerships(regions=2, others=2, team=2, together=2, starts=(3, 5))
    values, weights = panel.values.copy(), panel.weights.copy()
    hidden = np.arange(4, 8)
    values[0, hidden, -1], weights[0, hidden, -1] = np.nan, 0.0
    panel = replace(panel, values=values, weights=weights)
    assert by_imputation(panel, drawn(panel, "groups", draws=30)) is None
    found = run("randomisation", estimate(panel, "imputation"), "group", draws=30, refit_draws=30)
    assert found.details["kernel"]["y"] == "refitted"


def test_imputation_with_gaps_is_exact(partnerships: Callable[..., Panel], run: Callable[..., Inference]) -> None:
    found = run("randomisation", estimate(partnerships(missing=0.05), "two_stage"), "group", draws=99, refit=None)
    assert found.details["kernel"]["y"] == "exact"
    assert np.isfinite(found.interval(0.8)[0][0])
