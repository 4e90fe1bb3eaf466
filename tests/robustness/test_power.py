from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from evaluation import NotEstimable, OptionError, Panel, Result, estimate
from evaluation.robustness import Ask, Power, power_by_simulation, power_next_period
from evaluation.robustness.paths import Paths, learn, pick
from evaluation.robustness.power import extended
from evaluation.robustness.refit import without_cells
from evaluation.robustness.working import Scorer, Working

Make = Callable[..., Panel]
SIZES, STARTS, ALONE = (4, 4, 4, 4, 4, 3, 3, 3, 3), (9, 9, 9, 11, 11, 11, 13, 13, 13), 121


def design() -> tuple[np.ndarray, np.ndarray]:
    """Clusters and first periods of nine partnerships and of authorities that stand alone."""
    cluster = np.concatenate([np.repeat(np.arange(9), SIZES), 9 + np.arange(ALONE)])
    return cluster, np.concatenate([np.repeat(STARTS, SIZES), np.zeros(ALONE, int)])


def noise(rng: np.random.Generator, cluster: np.ndarray, periods: int, draws: int, rho: float, common: float) -> np.ndarray:
    """Stationary autoregressions of variance 1 with a part common to the cluster, N × T × draws."""

    def paths(count: int) -> np.ndarray:
        steps = rng.normal(size=(periods, count, draws))
        for t in range(1, periods):
            steps[t] = rho * steps[t - 1] + np.sqrt(1 - rho**2) * steps[t]
        return steps

    both = np.sqrt(common) * paths(int(cluster.max()) + 1)[:, cluster] + np.sqrt(1 - common) * paths(len(cluster))
    return np.asarray(both.transpose(1, 0, 2))


def panel_of(y: np.ndarray, missing: float = 0.0, seed: int = 1) -> Panel:
    cluster, first = design()
    units, periods = y.shape
    frame = pd.DataFrame(
        {
            "unit": np.repeat(np.arange(units), periods),
            "period": np.tile(np.arange(1, periods + 1), units),
            "first": np.repeat(first, periods),
            "cluster": np.repeat(cluster, periods),
            "y": y.ravel(),
        }
    )
    frame = frame[np.random.default_rng(seed).random(len(frame)) >= missing]
    return Panel.from_frame(frame, unit="unit", period="period", first_treated="first", outcome="y", cluster="cluster")


def drawn_panel(seed: int, periods: int = 20, rho: float = 0.5, common: float = 0.3, missing: float = 0.04) -> Panel:
    rng = np.random.default_rng(seed)
    cluster, _ = design()
    y = noise(rng, cluster, periods, 1, rho, common)[:, :, 0]
    return panel_of(y + rng.normal(0, 3, (len(y), 1)) + rng.normal(0, 1, periods), missing, seed)


def powered(panel: Panel, ask: Ask, **options: object) -> Power:
    found = power_by_simulation(panel, ask, **options)  # type: ignore[arg-type]
    assert isinstance(found, Power), found
    return found


def test_power_is_plain_json_with_a_rising_curve() -> None:
    found = powered(drawn_panel(1), Ask("group_time"), draws=500)
    document = found.to_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    shares = [point["power"] for point in document["curve"]]
    assert shares[0] == pytest.approx(0.05, abs=0.01) and shares[-1] > 0.95
    assert np.all(np.diff(shares) > -0.01)
    near = np.interp(found.detectable, [point["effect"] for point in document["curve"]], shares)
    assert near == pytest.approx(0.8, abs=0.005)
    assert found.details["paths"] == "whole paths" and "80% of the time" in found.reading


def test_same_seed_same_numbers_whatever_the_order_of_rows_and_other_seeds_differ() -> None:
    panel = drawn_panel(2)
    first, again, other = (powered(panel, Ask("group_time"), draws=300, seed=seed) for seed in (1, 1, 2))
    assert first == again and first.detectable != other.detectable


def test_unit_and_period_effects_change_nothing_and_scale_goes_through() -> None:
    panel = drawn_panel(3)
    ask = Ask("two_way_fixed_effects")
    first = powered(panel, ask, draws=300)
    moved = replace(panel, values=panel.values + np.arange(153.0)[None, :, None] + np.arange(20.0)[None, None, :] ** 2)
    assert powered(moved, ask, draws=300).detectable == pytest.approx(first.detectable, rel=1e-8)
    assert powered(replace(panel, values=7 * panel.values), ask, draws=300).detectable == pytest.approx(7 * first.detectable)


def test_what_happens_after_the_start_is_not_used() -> None:
    panel = drawn_panel(4)
    after = panel.treated[:, None] & (np.arange(20)[None, :] >= panel.cohort[:, None])
    changed = replace(panel, values=panel.values + 50 * after[None])
    assert powered(changed, Ask("group_time"), draws=200) == powered(panel, Ask("group_time"), draws=200)


def test_a_supplied_test_is_used() -> None:
    panel = drawn_panel(5)
    ask = Ask("two_way_fixed_effects")
    result = estimate(panel, "two_way_fixed_effects")
    assert isinstance(result, Result)
    model = Working.of(result)
    assert isinstance(model, Working)
    scorer = Scorer.of(model, panel.cluster_codes()[1])
    factor = 130 / 129 * (result.observations[0] - 1) / (result.observations[0] - result.parameters[0])

    def same(outcomes: np.ndarray) -> np.ndarray:
        effects, scores = scorer.sums(outcomes)
        return np.asarray(2 * stats.t.sf(np.abs(effects) / np.sqrt(factor * (scores**2).sum(axis=0)), 129))

    plain = powered(panel, ask, draws=400, calibrate=False)
    given = powered(panel, ask, draws=400, test=same, effects=np.linspace(0, 1, 21))
    assert given.critical is None and given.nominal is None
    assert given.false_alarms == plain.false_alarms
    assert given.detectable == pytest.approx(plain.detectable, rel=0.03)  # one sign, not the mean of both
    nobody = power_by_simulation(panel, ask, draws=100, test=lambda y: np.ones(y.shape[2]))
    assert isinstance(nobody, NotEstimable) and "80%" in nobody.reason


def test_one_more_period_helps() -> None:
    panel = drawn_panel(6)
    now, then = powered(panel, Ask("group_time")), power_next_period(panel, Ask("group_time"), 6)
    assert isinstance(then, Power)
    assert then.sampling_sd < now.sampling_sd
    longer = extended(panel, 2)
    assert longer.values.shape == (1, 153, 22) and longer.periods[-2:] == ("next 1", "next 2")
    assert (longer.weights[0, :, -1] > 0).all()


def test_where_few_are_seen_untreated_paths_are_an_autoregression(small: Make) -> None:
    panel = small(treated=12, others=6, periods=10, starts=(5, 7))
    found = powered(panel, Ask("imputation"), draws=300)
    assert found.details["paths"] == "autoregression" and found.details["donors"] == 6


def test_refusals(small: Make, golden_panel: Make) -> None:
    panel = small()
    one = power_by_simulation(small(treated=2), Ask("group_time"))
    assert isinstance(one, NotEstimable) and "rests on one pair" in one.reason
    fitted = power_by_simulation(golden_panel(), Ask("synthetic"), draws=100)
    assert isinstance(fitted, NotEstimable) and "fitted to the outcome" in fitted.reason
    counts = power_by_simulation(golden_panel(), Ask("extended_two_way", {"family": "poisson"}))
    assert isinstance(counts, NotEstimable) and "keeps no weights" in counts.reason
    flat = power_by_simulation(replace(panel, values=np.zeros_like(panel.values)), Ask("group_time"))
    assert isinstance(flat, NotEstimable) and "does not vary" in flat.reason
    short = without_cells(small(starts=(4,)), np.broadcast_to(np.arange(6) < 2, (18, 6)) | np.eye(18, 6, 3, dtype=bool))
    assert isinstance(power_by_simulation(short.select(short.treated), Ask("group_time")), NotEstimable)
    for options in ({"draws": 5}, {"power": 0.01}, {"alpha": 0.0}, {"effects": np.array([1.0, 0.5])}):
        with pytest.raises(OptionError):
            power_by_simulation(panel, Ask("group_time"), **options)
    with pytest.raises(OptionError, match="no option 'bogus'"):
        power_next_period(panel, Ask("group_time"), bogus=1)
    with pytest.raises(OptionError, match="periods must be a whole number"):
        power_next_period(panel, Ask("group_time"), 0)


def test_paths_learn_what_they_were_drawn_from() -> None:
    # Means over ten panels; one panel's standard deviation is 0.03 (ρ), 0.05 (sd), 0.08 (common) and 7% (treated spread).
    cluster, first = design()
    for rho, common, ratio in ((0.0, 0.0, 1.0), (0.5, 0.3, 1.0), (0.8, 0.6, 2.0)):
        learned = []
        for seed in range(10):
            rng = np.random.default_rng(seed)
            y = noise(rng, cluster, 20, 1, rho, common)[:, :, 0] * np.where(first > 0, ratio, 1.0)[:, None]
            paths = learn(panel_of(y), cluster)
            assert isinstance(paths, Paths)
            learned.append((paths.rho, paths.sd, paths.common, paths.treated_spread / ratio))
        found = np.mean(learned, axis=0)
        assert found == pytest.approx([rho, 1.0, common, 1.0], abs=0.08)


def test_drawn_paths_have_the_moments_of_the_model() -> None:
    # Whole paths of 2,000 drawn panels: variance of a change over the window, and correlation within and between clusters.
    cluster, _ = design()
    paths = learn(drawn_panel(9, missing=0.0), cluster)
    assert isinstance(paths, Paths)
    known = replace(paths, common=0.4)
    y = pick(known, cluster, 20, 2000, np.random.default_rng(1)).outcomes()
    change = y[:, 15:].mean(axis=1) - y[:, :5].mean(axis=1)
    donors = paths.residual[paths.donors]
    truth = (donors[:, 15:].mean(axis=1) - donors[:, :5].mean(axis=1)).var() * paths.treated_spread**2
    assert change[:4].var() == pytest.approx(truth, rel=0.1)
    correlations = np.corrcoef(change[:8])
    assert correlations[:4, :4][np.triu_indices(4, 1)].mean() == pytest.approx(0.4, abs=0.05)
    assert np.abs(correlations[:4, 4:]).mean() < 0.05


@pytest.mark.parametrize("weighted", [False, True])
def test_drawn_paths_are_scored_as_the_outcomes_that_they_make(weighted: bool) -> None:
    """Looked up path by path, with gaps, with paths common to a cluster and spreads of units, or outcome by outcome."""
    panel = drawn_panel(5, periods=16, common=0.4)
    if weighted:
        size = np.random.default_rng(2).uniform(1, 9, panel.weights.shape)
        panel = replace(panel, weighted=True, weights=np.where(panel.weights > 0, size, 0.0))
    result = estimate(panel, "group_time")
    assert isinstance(result, Result)
    model, codes = Working.of(result), result.panel.cluster_codes()[1]
    paths = learn(panel, codes)
    assert isinstance(model, Working) and isinstance(paths, Paths) and paths.common > 0
    picks = pick(paths, codes, 16, 300, np.random.default_rng(4))
    scorer = Scorer.of(model, codes)
    for one, other in zip(scorer.drawn(picks), scorer.sums(picks.outcomes()), strict=True):
        assert one == pytest.approx(other, rel=1e-9, abs=1e-9 * np.abs(other).max())


def test_weighted_panels_vary_more_where_they_are_small() -> None:
    rng = np.random.default_rng(10)
    size = np.exp(rng.normal(5, 1, 120))
    y = rng.normal(size=(120, 12)) * np.sqrt(1 + 300 / size)[:, None]
    frame = pd.DataFrame({"u": np.repeat(np.arange(120), 12), "t": np.tile(np.arange(12), 120), "y": y.ravel()})
    frame["first"], frame["n"] = np.where(frame["u"] < 12, 8, 0), size[frame["u"]]
    panel = Panel.from_frame(frame, unit="u", period="t", first_treated="first", outcome="y", weight="n")
    paths = learn(panel, np.arange(120))
    assert isinstance(paths, Paths)
    others = ~panel.treated
    fitted, truth = paths.spread[others] * paths.sd, np.sqrt(1 + 300 / size[others])
    assert np.abs(fitted / truth - 1).max() < 0.25


def true_detectable(panel: Panel, ask: Ask, rho: float, common: float, draws: int = 4000) -> tuple[float, np.ndarray]:
    """The effect that the same test finds 80% of the time in outcomes drawn from the truth itself, and the estimates."""
    cluster, _ = design()
    result = estimate(panel, ask.estimator, **ask.options)
    assert isinstance(result, Result)
    model = Working.of(result)
    assert isinstance(model, Working)
    scorer, rng = Scorer.of(model, result.panel.cluster_codes()[1]), np.random.default_rng(99)
    parts = [scorer.sums(noise(rng, cluster, 20, 500, rho, common)) for _ in range(draws // 500)]
    effects = np.concatenate([part[0] for part in parts])
    errors = np.sqrt(130 / 129 * np.concatenate([(part[1] ** 2).sum(axis=0) for part in parts]))
    limit = max(stats.t.ppf(0.975, 129), np.quantile(np.abs(effects) / errors, 0.95))
    # Found where effect + δ > limit × error: the 80th percentile of the δ that each draw needs, both signs.
    return float(np.quantile(np.concatenate([limit * errors - effects, limit * errors + effects]), 0.8)), effects


@pytest.mark.slow
@pytest.mark.parametrize("name", ["two_way_fixed_effects", "group_time"])
def test_the_detectable_effect_is_what_is_found_80_percent_of_the_time(name: str) -> None:
    # The mean over 12 panels lies within 10% of the truth, and the analytic figure within 10% of the simulated, in each panel.
    ask = Ask(name)
    found = [powered(drawn_panel(100 + k), ask, draws=1000, seed=k) for k in range(12)]
    truth, _ = true_detectable(drawn_panel(100), ask, 0.5, 0.3)
    assert np.mean([one.detectable for one in found]) == pytest.approx(truth, rel=0.10)
    for one in found:
        assert one.analytic == pytest.approx(one.detectable, rel=0.10)


@pytest.mark.slow
def test_fresh_panels_with_that_effect_are_found_80_percent_of_the_time() -> None:
    # 150 fresh panels with the mean effect of ten, each tested as in the draws: 80% ± 3 × 3.3 points.
    ask, rng, hits = Ask("two_way_fixed_effects"), np.random.default_rng(5), []
    found = [powered(drawn_panel(200 + k), ask, draws=1000, seed=k) for k in range(10)]
    effect, limit = (float(np.mean([getattr(one, name) for one in found])) for name in ("detectable", "critical"))
    cluster, first = design()
    on = (first[:, None] > 0) & (np.arange(1, 21)[None, :] >= first[:, None])
    for k in range(150):
        y = noise(rng, cluster, 20, 1, 0.5, 0.3)[:, :, 0] + effect * on
        result = estimate(panel_of(y, 0.04, k), ask.estimator)
        assert isinstance(result, Result)
        hits.append(abs(result.estimates[0]) > limit * result.inference().std_error[0])
    assert np.mean(hits) == pytest.approx(0.8, abs=0.1)


@pytest.mark.slow
def test_the_power_of_one_more_year_is_that_of_the_longer_panel() -> None:
    # Sampling error with three more periods, predicted from a panel of 17, against draws of the truth over 20: within 12%.
    cut = [drawn_panel(300 + k).select(np.ones(153, bool), periods=np.arange(20) < 17) for k in range(10)]
    ahead = [power_next_period(panel, Ask("two_way_fixed_effects"), 3, draws=1000) for panel in cut]
    _, effects = true_detectable(drawn_panel(300, missing=0.0), Ask("two_way_fixed_effects"), 0.5, 0.3)
    predicted = [one.sampling_sd for one in ahead if isinstance(one, Power)]
    assert len(predicted) == 10 and np.mean(predicted) == pytest.approx(effects.std(), rel=0.12)
