"""The fast kernels give what fitting every reassigned panel gives, and draw from the assignments that they say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from evaluation import Inference, Panel, Result, estimate
from evaluation.inference.assignment import Draws, draw_assignments, groups_of, scheme_of
from evaluation.inference.base import group_sums
from evaluation.inference.permutation import by_pairs, pairs_of
from evaluation.inference.permutation_two_way import by_two_way
from evaluation.panel import NEVER

DESIGNS = ((3, "groups"), (3, "within_region"), (1, "within_region"), (1, "groups"))


def drawn(panel: Panel, scheme: str | None, permute: bool = False, draws: int = 4, seed: int = 1) -> Draws:
    groups = groups_of(panel, "group", panel.clusters["group"][0])
    return draw_assignments(groups, scheme_of(groups, scheme)[0], permute, draws, seed)


def result_of(panel: Panel, name: str, aggregate: str = "overall", **options: Any) -> Result:
    result = estimate(panel, name, aggregate=aggregate, **options)
    assert isinstance(result, Result)
    return result


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("aggregate", ["overall", "event_time", "cohort", "calendar"])
@pytest.mark.parametrize(
    "options", [{}, {"control": "not_yet_treated"}, {"anticipation": 1}, {"unit_weight": "own"}, {"base": "universal"}]
)
def test_group_time_kernel_equals_refits(
    design: tuple[int, str], aggregate: str, options: dict[str, Any], partnerships: Callable[..., Panel], by_hand: Any
) -> None:
    together, scheme = design
    for missing, weighted, permute in ((0.0, False, False), (0.1, True, True), (0.1, False, False)):
        panel = partnerships(together=together, missing=missing, weighted=weighted)
        draws = drawn(panel, scheme, permute, draws=2)
        result = result_of(panel, "group_time", aggregate, **options)
        moments = by_pairs(pairs_of(panel, result.options, aggregate, draws.starts), draws, aggregate)
        for row in range(len(draws.members)):
            effect, square = by_hand(panel, draws.cohort(row), draws.clusters(row), "group_time", aggregate, **options)
            assert moments.effect[:, row] == pytest.approx(effect, abs=1e-10)
            assert moments.square[:, row] == pytest.approx(square, abs=1e-10)


@given(
    seed=st.integers(0, 10**6),
    design=st.sampled_from(DESIGNS),
    missing=st.sampled_from([0.0, 0.05, 0.3]),
    control=st.sampled_from(["never_treated", "not_yet_treated"]),
    weighted=st.booleans(),
)
@settings(max_examples=20)
def test_group_time_kernel_property(
    seed: int,
    design: tuple[int, str],
    missing: float,
    control: str,
    weighted: bool,
    partnerships: Callable[..., Panel],
    by_hand: Any,
) -> None:
    panel = partnerships(seed, regions=3, others=4, team=2, together=design[0], periods=6, missing=missing, weighted=weighted)
    draws = drawn(panel, design[1], draws=2, seed=seed)
    assume(isinstance(estimate(panel, "group_time", control=control), Result))
    result = result_of(panel, "group_time", control=control)
    moments = by_pairs(pairs_of(result.panel, result.options, "overall", draws.starts), draws, "overall")
    for row in range(len(draws.members)):
        effect, square = by_hand(panel, draws.cohort(row), draws.clusters(row), "group_time", "overall", control=control)
        assert moments.usable[row] == np.isfinite(effect).all()
        if not moments.usable[row]:
            continue
        assert moments.effect[:, row] == pytest.approx(effect, abs=1e-10)
        assert moments.square[:, row] == pytest.approx(square, abs=1e-10)


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize(("missing", "weighted"), list(product([0.0, 0.15], [False, True])))
def test_two_way_kernel_equals_refits(
    design: tuple[int, str], missing: float, weighted: bool, partnerships: Callable[..., Panel], by_hand: Any
) -> None:
    panel = partnerships(together=design[0], missing=missing, weighted=weighted)
    draws = drawn(panel, design[1], design[1] == "within_region", draws=5)
    moments = by_two_way(panel, draws)
    for row in range(len(draws.members)):
        effect, square = by_hand(panel, draws.cohort(row), draws.clusters(row), "two_way_fixed_effects", "overall")
        assert moments.effect[:, row] == pytest.approx(effect, abs=1e-10)
        assert moments.square[:, row] == pytest.approx(square, abs=1e-10)


@pytest.mark.parametrize("name", ["two_way_fixed_effects", "imputation", "stacked", "local_projections", "interaction_weighted"])
@pytest.mark.parametrize("design", DESIGNS)
def test_estimates_by_weights_equal_refits(
    name: str, design: tuple[int, str], partnerships: Callable[..., Panel], run: Callable[..., Inference], by_hand: Any
) -> None:
    panel = partnerships(together=design[0])
    aggregate = "event_time" if name in ("local_projections", "interaction_weighted") else "overall"
    result = result_of(panel, name, aggregate)
    found = run("randomisation", result, "group", scheme=design[1], draws=6)
    assert found.details["kernel"]["y"] == "exact"
    draws = drawn(panel, design[1], draws=6)
    for row in range(1, 7):
        effect, _ = by_hand(panel, draws.cohort(row), draws.clusters(row), name, aggregate)
        assert found.details["distribution"]["y"][row - 1] == pytest.approx(effect[0], abs=1e-9)


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("name", ["group_time", "two_way_fixed_effects"])
def test_error_is_that_of_clustered(
    design: tuple[int, str], name: str, partnerships: Callable[..., Panel], run: Callable[..., Inference]
) -> None:
    """As assigned, the t-statistic is estimate ÷ error of `clustered` without a factor, by the group."""
    result = result_of(partnerships(together=design[0], missing=0.05), name)
    found = run("randomisation", result, "group", scheme=design[1], draws=3)
    assert found.std_error == pytest.approx(result.inference("clustered", "group", factor="none").std_error, rel=1e-10)


def test_exact_and_refitted_agree(partnerships: Callable[..., Panel], run: Callable[..., Inference]) -> None:
    """Covariates make every reassignment a new fit; with a constant covariate the numbers are those without."""
    panel = partnerships(regions=3, others=3, periods=5, starts=(3, 4))
    exact = run("randomisation", result_of(panel, "group_time"), "group", draws=60)
    ones = np.ones((1, *panel.values.shape[1:]))
    with_constant = replace(panel, covariates=("one",), covariate_values=ones)
    refitted = run("randomisation", result_of(with_constant, "group_time"), "group", draws=60, refit_draws=60)
    assert refitted.details["kernel"]["y"] == "refitted"
    assert refitted.p_value == pytest.approx(exact.p_value, abs=1e-12)
    assert refitted.interval(0.8)[0] == pytest.approx(exact.interval(0.8)[0], abs=1e-6)
    assert refitted.interval(0.8)[1] == pytest.approx(exact.interval(0.8)[1], abs=1e-6)


@pytest.mark.parametrize("method", ["regression", "ipw", "doubly_robust"])
@pytest.mark.parametrize(
    "missing, weighted, options", [(0.0, False, {"control": "not_yet_treated"}), (0.15, True, {"anticipation": 1})]
)
def test_effects_with_covariates_fitted_together_equal_refits(
    method: str, missing: float, weighted: bool, options: dict[str, Any], partnerships: Callable[..., Panel], by_hand: Any
) -> None:
    """All starts at once, with cells and covariates missing or weights: what each fit by itself gives."""
    panel = partnerships(regions=3, others=5, periods=6, starts=(3, 5), missing=missing, weighted=weighted)
    rng = np.random.default_rng(3)
    known = rng.normal(0, 1, (2, *panel.values.shape[1:])) + np.arange(len(panel.units))[:, None] % 7
    known[0, rng.random(known[0].shape) < 0.05] = np.nan
    panel = replace(panel, covariates=("a", "b"), covariate_values=known)
    draws = drawn(panel, None, draws=12)
    result = result_of(panel, "group_time", method=method, **options)
    on = (panel.cohort[:, None] <= np.arange(6)).astype(float)
    both = replace(
        panel,
        outcomes=("y", "reform"),
        values=np.stack([panel.values[0], np.where(np.isnan(panel.values[0]), np.nan, on)]),
        weights=np.repeat(panel.weights, 2, axis=0),
    )
    cohorts = np.array([draws.cohort(row) for row in range(13)])
    effects, scores = result.refit.under(both, cohorts)  # type: ignore[union-attr]
    for row, cohort in enumerate(cohorts):
        effect, square = by_hand(panel, cohort, draws.clusters(row), "group_time", "overall", method=method, **options)
        sums = group_sums(scores[row], draws.clusters(row))
        assert effects[row] == pytest.approx(effect, abs=1e-10, nan_ok=True)
        if np.isfinite(effect).all():
            assert (sums.T @ sums)[[0, 0, 1], [0, 1, 1]] == pytest.approx(square, abs=1e-10)
    assert np.isfinite(effects).all(axis=1).sum() > 6
    assert result.refit.under(both, np.where(cohorts == 2, 0, cohorts)) is None  # type: ignore[union-attr]


@pytest.mark.parametrize("permute", [False, True])
@pytest.mark.parametrize("design", DESIGNS)
def test_every_assignment_is_listed_once(design: tuple[int, str], permute: bool, partnerships: Callable[..., Panel]) -> None:
    panel = partnerships(regions=2, others=2, team=2, together=min(design[0], 2), starts=(3, 5))
    draws = drawn(panel, design[1], permute, draws=20_000)
    assert draws.enumerated
    seen = {(tuple(draws.cohort(r)), tuple(draws.clusters(r))) for r in range(len(draws.members))}
    assert len(seen) == len(draws.members) == draws.possible
    assert np.array_equal(draws.cohort(0), panel.cohort)


def test_counts_by_hand(partnerships: Callable[..., Panel]) -> None:
    """Two regions, one pair of authorities treated in each, two more alone: C(4, 2)² sets; × 2 when starts are permuted."""
    panel = partnerships(regions=2, others=2, team=2, together=1, starts=(3, 5))
    assert drawn(panel, None).possible == 36
    assert drawn(panel, None, permute=True).possible == 72
    grouped = partnerships(regions=2, others=4, team=2, together=2, starts=(3, 5))
    assert drawn(grouped, None).possible == 6 * 5  # six groups, two starts
    assert drawn(grouped, "within_region").possible == 3 * 3


@pytest.mark.parametrize("permute", [False, True])
@pytest.mark.parametrize("design", DESIGNS)
def test_random_draws_keep_what_was_assigned(design: tuple[int, str], permute: bool, partnerships: Callable[..., Panel]) -> None:
    panel = partnerships(together=design[0])
    draws = drawn(panel, design[1], permute, draws=50)
    region, group = panel.clusters["region"][0], panel.clusters["group"][0]
    for row in range(51):
        cohort = draws.cohort(row)
        starts = np.unique(cohort[cohort < NEVER], return_counts=True)
        assert len(np.unique(draws.members[row])) == draws.members.shape[1]
        if design[1] == "within_region":
            for r in np.unique(region):
                chosen = cohort[(region == r) & (cohort < NEVER)]
                assert len(chosen) == 3 and len(set(chosen)) == 1
                assert permute or set(chosen) == set(panel.cohort[(region == r) & panel.treated])
        else:
            assert all(len(set(cohort[group == g])) == 1 for g in np.unique(group))
            by_group = [int(cohort[group == g][0]) for g in np.unique(group)]
            assert sorted(by_group) == sorted(int(panel.cohort[group == g][0]) for g in np.unique(group))
        assert set(starts[0]) == set(panel.cohort[panel.treated])


def test_random_draws_are_uniform(partnerships: Callable[..., Panel]) -> None:
    panel = partnerships(regions=2, others=4, team=2, together=2, starts=(3, 5))
    groups = groups_of(panel, "group", panel.clusters["group"][0])
    draws = draw_assignments(groups, "groups", False, 29, 1)
    assert draws.enumerated
    random = np.vstack([draw_assignments(groups, "groups", False, 28, seed).members[1:] for seed in range(200)])
    counts = np.unique(random, axis=0, return_counts=True)[1]
    assert len(counts) == 30
    expected = len(random) / 30
    assert ((counts - expected) ** 2 / expected).sum() < 58.3  # chi-squared with 29 degrees of freedom, 0.999


def test_same_numbers_whatever_the_order_of_rows(partnerships: Callable[..., Panel], run: Callable[..., Inference]) -> None:
    panel = partnerships(together=1, missing=0.05)
    first = run("randomisation", result_of(panel, "group_time"), draws=200, seed=5)
    again = run("randomisation", result_of(panel, "group_time"), draws=200, seed=5)
    other = run("randomisation", result_of(panel, "group_time"), draws=200, seed=6)
    assert first.p_value == again.p_value
    assert first.details == again.details
    assert first.details["distribution"] != other.details["distribution"]


def test_outcomes_share_draws(partnerships: Callable[..., Panel], run: Callable[..., Inference]) -> None:
    panel = partnerships(outcomes=2, missing=0.04)
    together = run("randomisation", result_of(panel, "group_time"), draws=99)
    for k, name in enumerate(panel.outcomes):
        alone = run("randomisation", result_of(panel.outcome(name), "group_time"), draws=99)
        assert together.p_value[k] == alone.p_value[0]
        assert together.interval(0.9)[0][k] == alone.interval(0.9)[0][0]
        assert together.details["distribution"][name] == alone.details["distribution"][name]


@pytest.mark.parametrize(("control", "never"), [("not_yet_treated", False), ("last_treated", False), ("last_treated", True)])
def test_group_time_kernel_where_the_last_to_start_compare(
    control: str, never: bool, partnerships: Callable[..., Panel], by_hand: Any
) -> None:
    panel = partnerships(missing=0.05)
    if not never:
        cohort = np.where(panel.treated, panel.cohort, 6)
        panel = replace(panel, cohort=cohort)
    result = result_of(panel, "group_time", control=control)
    draws = drawn(result.panel, "groups", draws=6)
    moments = by_pairs(pairs_of(result.panel, result.options, "overall", draws.starts), draws, "overall")
    assert moments.effect[0, 0] == pytest.approx(result.estimates[0], abs=1e-12)
    for row in range(len(draws.members)):
        effect, square = by_hand(result.panel, draws.cohort(row), draws.clusters(row), "group_time", "overall", control=control)
        assert moments.effect[:, row] == pytest.approx(effect, abs=1e-10)
        assert moments.square[:, row] == pytest.approx(square, abs=1e-10)
