"""A truth that is known: every estimator's overall effect is on target where its assumptions hold, over 500 draws.

The draws are outcomes of one panel, so that one call estimates them all; `rollout` alone draws who starts when, call by call.
`triple_difference`, `dose` and `switchers` have their known truths in `tests/estimators_d`. A target that is missed by two Monte
Carlo errors comes up in one of twenty unbiased tests: the seed is fixed, so that these are the same draws each time.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evaluation import ESTIMATORS, Panel, Result, estimate

DRAWS, UNITS, PERIODS, SEED = 500, 40, 9, 20_260_118
NUMBER, TIME = np.arange(UNITS), np.arange(1, PERIODS + 1)
FIRST = np.array([0, 0, 5, 7])[NUMBER % 4]  # never, never, and two starts with four periods before
ELSEWHERE = {"dose": "doses(", "switchers": "switchers(", "triple_difference": "triples("}


def started(first: np.ndarray) -> np.ndarray:
    return (first[:, None] > 0) & (first[:, None] <= TIME)


def effects(first: np.ndarray) -> np.ndarray:
    """Effects N × T that grow from the start on, are larger for who starts late, and differ by unit."""
    gain = 1 + 0.5 * np.sin(NUMBER)
    grown = 0.5 + 0.4 * (TIME - first[:, None]) + 0.6 * (first[:, None] == 7)
    return np.where(started(first), gain[:, None] * grown, 0.0)


def untreated(rng: np.random.Generator, draws: int, shocks: float = 1.0) -> np.ndarray:
    """Outcomes without the reform, draws × N × T: levels of units, a common path, and noise that lasts."""
    noise = rng.normal(size=(draws, UNITS, PERIODS))
    for t in range(1, PERIODS):
        noise[:, :, t] = 0.4 * noise[:, :, t - 1] + np.sqrt(1 - 0.16) * noise[:, :, t]
    common = 0.3 * TIME + shocks * rng.normal(size=(draws, 1, PERIODS))
    return rng.normal(0, 3, (draws, UNITS, 1)) + common + noise


def panel_of(outcomes: np.ndarray, first: np.ndarray, weight: np.ndarray | None = None) -> Panel:
    """A panel with one outcome a draw (draws × N × T)."""
    names = [f"y{number:03}" for number in range(len(outcomes))]
    rows = pd.DataFrame(outcomes.reshape(len(outcomes), -1).T, columns=names)
    keys = pd.DataFrame({"unit": np.repeat(NUMBER, PERIODS), "period": np.tile(TIME, UNITS), "first": np.repeat(first, PERIODS)})
    if weight is not None:
        keys["weight"] = weight.ravel()
    return Panel.from_frame(
        pd.concat([keys, rows], axis=1), "unit", "period", "first", names, weight=None if weight is None else "weight"
    )


# Truths, each by its own formula. ATT(g, e): the mean effect of a cohort e periods after its start.
def of_treated_cells(effect: np.ndarray, first: np.ndarray) -> float:
    return float(effect[started(first)].mean())


def of_event_times(effect: np.ndarray, first: np.ndarray, last: int, weigh: Callable[[int, int], float]) -> float:
    """The plain mean over e = 0 … last of the weighted mean over the cohorts seen so long."""
    means = []
    for e in range(last + 1):
        cohorts = [g for g in np.unique(first[first > 0]).tolist() if g + e <= PERIODS]
        att = [effect[first == g, g + e - 1].mean() for g in cohorts]
        means.append(np.average(att, weights=[weigh(g, e) for g in cohorts]))
    return float(np.mean(means))


def size(first: np.ndarray) -> Callable[[int, int], float]:
    return lambda g, e: float((first == g).sum())


def evenness(first: np.ndarray) -> Callable[[int, int], float]:
    """n·D(1 − D) of a start against the units that stay clean (equation 10 of local projections)."""

    def weigh(g: int, e: int) -> float:
        starts, clean = float((first == g).sum()), float(((first == 0) | (first > g + e)).sum())
        return starts * clean / (starts + clean)

    return weigh


ONE_START = np.where(FIRST == 7, 0, FIRST)
# Estimator, options, who starts when, the effects, and the truth of its overall effect.
CONSTANT = np.where(started(FIRST), 1.0, 0.0)
Case = tuple[str, dict[str, Any], np.ndarray, np.ndarray, float]
GROWING = effects(FIRST)
MEAN = of_treated_cells(GROWING, FIRST)
CASES: dict[str, Case] = {
    "two_by_two": ("two_by_two", {}, ONE_START, effects(ONE_START), of_treated_cells(effects(ONE_START), ONE_START)),
    "two_way_fixed_effects, a constant effect": ("two_way_fixed_effects", {}, FIRST, CONSTANT, 1.0),
    "group_time": ("group_time", {}, FIRST, GROWING, MEAN),
    "group_time, not yet treated": ("group_time", {"control": "not_yet_treated"}, FIRST, GROWING, MEAN),
    "interaction_weighted": ("interaction_weighted", {}, FIRST, GROWING, MEAN),
    "imputation": ("imputation", {}, FIRST, GROWING, MEAN),
    "two_stage": ("two_stage", {}, FIRST, GROWING, MEAN),
    "extended_two_way": ("extended_two_way", {}, FIRST, GROWING, MEAN),
    "stacked": ("stacked", {}, FIRST, GROWING, of_event_times(GROWING, FIRST, 2, size(FIRST))),
    "local_projections": ("local_projections", {}, FIRST, GROWING, of_event_times(GROWING, FIRST, 4, evenness(FIRST))),
    "local_projections, reweighted": (
        "local_projections",
        {"reweight": True},
        FIRST,
        GROWING,
        of_event_times(GROWING, FIRST, 4, size(FIRST)),
    ),
    "synthetic, did": ("synthetic", {"method": "did"}, FIRST, GROWING, MEAN),
    "synthetic, sdid": ("synthetic", {}, FIRST, GROWING, MEAN),
}
FEW = {"synthetic, sdid": 150}  # a search for weights in each draw: fewer of them


def test_every_estimator_has_a_known_truth() -> None:
    here = {name for name, *_ in CASES.values()} | {"rollout", "interrupted_series"}
    there = Path(__file__).parents[1] / "estimators_d" / "test_known_truths.py"
    assert here | set(ELSEWHERE) == set(ESTIMATORS)
    assert all(f"assert_unbiased(*{call}" in there.read_text(encoding="utf-8") for call in ELSEWHERE.values())


def judge(case: str, truth: float, found: np.ndarray, said: np.ndarray, sizes: tuple[float, float] = (0.9, 1.15)) -> None:
    """Bias below two Monte Carlo errors; the mean reported error near the deviation of the estimates."""
    spread = float(found.std(ddof=1))
    bias, error, ratio = float(found.mean()) - truth, spread / np.sqrt(len(found)), float(said.mean()) / spread
    print(
        f"\n{case:42} truth {truth:8.4f}  mean {found.mean():8.4f}  bias {bias:+.4f}  Monte Carlo error {error:.4f}  "
        f"reported error ÷ deviation {ratio:.3f}  draws {len(found)}"
    )
    assert abs(bias) < 2 * error
    assert sizes[0] < ratio < sizes[1]


def ask(panel: Panel, name: str, options: dict[str, Any]) -> Result:
    result = estimate(panel, name, **options)
    assert isinstance(result, Result), result
    return result


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_overall_is_on_target(case: str) -> None:
    name, options, first, effect, truth = CASES[case]
    draws = FEW.get(case, DRAWS)
    outcomes = untreated(np.random.default_rng(SEED), DRAWS)[:draws] + effect
    result = ask(panel_of(outcomes, first), name, options)
    judge(case, truth, result.estimates, result.inference(cluster="unit").std_error)
    # The weights on cells, where they do not go by the outcome, make the truth of the effects alone.
    if case != "synthetic, sdid":
        assert ask(panel_of(effect[None], first), name, options).estimates == pytest.approx([truth], abs=1e-9)
        one = ask(panel_of(outcomes[:1], first), name, options)
        at = [one.panel.units.index(unit) for unit in one.panel.units]
        kept = np.isin(NUMBER, np.array(one.panel.units))
        assert len(at) == kept.sum() and one.weights @ effect[kept].ravel() == pytest.approx([truth], abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("beta", ["efficient", "callaway_santanna"])
def test_rollout_is_on_target_where_starts_are_drawn(beta: str) -> None:
    # Each unit has its effects whenever it starts: the truth is the mean over all units, at the cohorts' sizes and periods.
    rng = np.random.default_rng(SEED)
    base = untreated(rng, 1)[0]
    whole = [effects(np.full(UNITS, g))[:, g <= TIME].mean(axis=0) for g in (5, 7)]
    truth = float(np.concatenate(whole).mean())
    found, said = [], []
    for _ in range(DRAWS):
        first = rng.permutation(FIRST)
        result = ask(panel_of((base + effects(first))[None], first), "rollout", {"beta": beta})
        found.append(result.estimates[0])
        said.append(result.inference("influence", cluster="unit").std_error[0])
    judge(f"rollout, {beta}, random starts", truth, np.array(found), np.array(said))


@pytest.mark.slow
def test_interrupted_series_is_on_target_without_common_shocks() -> None:
    level_and_slope = np.where(started(ONE_START), 1 + 0.5 * (TIME - 5), 0.0)
    outcomes = untreated(np.random.default_rng(SEED), DRAWS, shocks=0.0) + level_and_slope
    result = ask(panel_of(outcomes, ONE_START), "interrupted_series", {"lags": 0})
    judge("interrupted_series, no common shocks", 2.0, result.estimates, result.inference().std_error, (0.5, 1.2))


@pytest.mark.slow
@pytest.mark.parametrize("effects_of", ["unit", "cohort"])
def test_poisson_with_exposure_is_on_target_on_the_scale_of_counts(effects_of: str) -> None:
    # Units and periods multiply the mean; the effect multiplies it too, more for late starters and as time goes on.
    rng = np.random.default_rng(SEED)
    exposure = rng.uniform(20, 100, (UNITS, 1)) * np.ones(PERIODS)
    mean = exposure * np.exp(0.4 * rng.normal(size=(UNITS, 1)) + 0.3 * rng.normal(size=PERIODS))
    log_effect = np.where(started(FIRST), 0.2 + 0.05 * (TIME - FIRST[:, None]) + 0.1 * (FIRST[:, None] == 7), 0.0)
    truth = float((mean * (np.exp(log_effect) - 1))[started(FIRST)].mean())
    counts = rng.poisson(mean * np.exp(log_effect), size=(DRAWS, UNITS, PERIODS)).astype(float)
    options = {"family": "poisson", "exposure": True, "effects": effects_of}
    result = ask(panel_of(counts, FIRST, exposure), "extended_two_way", options)
    judge(f"extended_two_way, Poisson, {effects_of} effects", truth, result.estimates, result.inference(cluster="unit").std_error)
