"""Worlds whose truth is known: one small design for each estimator, many draws of the outcome, and ways to break what it assumes.

A draw is one outcome of a panel, so that one call estimates them all; `rollout` alone draws who starts when, panel by panel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from evaluation import Panel, Result, estimate
from evaluation.panel import NEVER

UNITS, PERIODS = 40, 9
NUMBER, TIME = np.arange(UNITS), np.arange(1, PERIODS + 1)
FIRST = np.array([0, 0, 5, 7])[NUMBER % 4]  # never, never, and two starts with four periods before
ONE_START = np.where(FIRST == 7, 0, FIRST)
AUTHORITY = NUMBER // 2  # triple difference: two kinds of unit each
KIND = NUMBER % 2
PAIRED = np.array([0, 0, 5, 7])[AUTHORITY % 4]
DOSE = 0.2 + (NUMBER // 4 % 5) / 5  # alike in all cohorts: 0.2, 0.4, … 1
HAD = NUMBER // 4 % 5 < 2  # switchers: these had it from the first period, and lose it at their start
STOPS = NUMBER // 4 % 3 == 0  # and these go back two periods later


@dataclass(frozen=True)
class Case:
    """One estimator in a world of its own.

    Attributes:
        name: of the estimator.
        truth: of its overall effect, in the outcome's unit.
        panels: (generator, draws) → panels with as many outcomes in all.
        options: of the estimator.
        inference: and its options, for the errors that are held to the deviation of the estimates.
    """

    name: str
    truth: float
    panels: Callable[[np.random.Generator, int], Iterator[Panel]]
    options: Mapping[str, Any] = field(default_factory=dict)
    inference: str = "clustered"
    cluster: str = "unit"


def started(first: np.ndarray, time: np.ndarray = TIME) -> np.ndarray:
    return (first[:, None] > 0) & (first[:, None] <= time)


def growing(first: np.ndarray) -> np.ndarray:
    """Effects N × T that grow from the start on, are larger for who starts late, and differ by unit."""
    gain = 1 + 0.5 * np.sin(NUMBER)
    grown = 0.5 + 0.4 * (TIME - first[:, None]) + 0.6 * (first[:, None] == 7)
    return np.where(started(first), gain[:, None] * grown, 0.0)


def lasting(rng: np.random.Generator, shape: tuple[int, ...], part: float = 0.4) -> np.ndarray:
    """Noise of variance 1 that lasts: autocorrelation `part` along the last axis."""
    noise = rng.normal(size=shape)
    for t in range(1, shape[-1]):
        noise[..., t] = part * noise[..., t - 1] + np.sqrt(1 - part**2) * noise[..., t]
    return noise


def untreated(rng: np.random.Generator, draws: int, units: int = UNITS, periods: int = PERIODS) -> np.ndarray:
    """Outcomes without the reform, draws × N × T: levels of units, a common path with shocks, and noise that lasts."""
    common = 0.3 * np.arange(periods) + rng.normal(size=(draws, 1, periods))
    return rng.normal(0, 3, (draws, units, 1)) + common + lasting(rng, (draws, units, periods))


def panel_of(outcomes: np.ndarray, first: np.ndarray, **columns: np.ndarray) -> Panel:
    """A panel with one outcome a draw (draws × N × T); columns N × T for `weight`, `intensity`, or N for `eligible`, `authority`.

    Built from the first draw; the others take its place in turn, since a frame of 500 columns takes a minute.
    """
    draws, units, periods = outcomes.shape
    keys = {"unit": np.repeat(np.arange(units), periods), "period": np.tile(np.arange(1, periods + 1), units)}
    columns = {"first": first, "y": outcomes[0], **columns}
    spread = {name: np.broadcast_to(c if c.ndim == 2 else c[:, None], (units, periods)) for name, c in columns.items()}
    frame = pd.DataFrame(keys | {name: values.ravel() for name, values in spread.items()})
    named = {name: name for name in columns if name in ("weight", "intensity", "eligible")}
    cluster = ["unit", *(["authority"] if "authority" in columns else [])]
    panel = Panel.from_frame(frame, "unit", "period", "first", "y", cluster=cluster, **named)
    names = tuple(f"y{number:04}" for number in range(draws))
    return replace(panel, outcomes=names, values=outcomes, weights=np.repeat(panel.weights, draws, axis=0))


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


def plain(
    name: str, truth: float, effect: np.ndarray, first: np.ndarray = FIRST, options: Mapping[str, Any] | None = None, **more: Any
) -> Case:
    """The common world: trends alike, effects as given."""

    def panels(rng: np.random.Generator, draws: int) -> Iterator[Panel]:
        yield panel_of(untreated(rng, draws) + effect, first)

    return Case(name, truth, panels, options or {}, **more)


def rollout(beta: str) -> Case:
    """Each unit has its effects whenever it starts, and starts are drawn: the truth is the mean over all units."""
    whole = [growing(np.full(UNITS, g))[:, g <= TIME].mean(axis=0) for g in (5, 7)]

    def panels(rng: np.random.Generator, draws: int) -> Iterator[Panel]:
        base = untreated(rng, 1)
        panel = panel_of(base, FIRST)
        for _ in range(draws):
            first = rng.permutation(FIRST)
            yield replace(panel, values=base + growing(first), cohort=np.where(first > 0, first - 1, NEVER))

    return Case("rollout", float(np.concatenate(whole).mean()), panels, {"beta": beta}, "influence")


def dose(target: str, degree: int = 1) -> Case:
    """Units that differ in dose but not in what a dose does; what else they gain has nothing to do with the dose."""
    bend = 0.8 * (degree > 1)
    on = started(FIRST)
    grown = np.where(on, 1 + 0.25 * (TIME - FIRST[:, None]), 0.0)
    response, slope = DOSE + bend * DOSE**2, 1 + 2 * bend * DOSE
    truth = (grown * (slope if target == "slope" else response)[:, None])[on].mean()

    def panels(rng: np.random.Generator, draws: int) -> Iterator[Panel]:
        gain = 1 + 0.3 * rng.normal(size=(draws, UNITS, 1))
        yield panel_of(
            untreated(rng, draws) + gain * response[:, None] * grown, FIRST, intensity=np.where(on, DOSE[:, None], 0.0)
        )

    return Case("dose", float(truth), panels, {"target": target, "degree": degree})


def switchers(name: str, direction: str) -> Case:
    """Some start, some lose it, some go back; half of the effect comes a period late and stays a period after a stop."""
    on = started(FIRST)
    back = STOPS[:, None] & on & (FIRST[:, None] + 2 <= TIME)
    path = np.where(HAD[:, None], ~on | back, on & ~back).astype(float)
    gain = (1 + NUMBER % 7 / 7)[:, None]
    lagged = np.concatenate([path[:, :1], path[:, :-1]], axis=1)
    effect, sense = gain * (path + lagged) / 2, np.where(HAD, -1, 1)[:, None]
    counted = on & {"all": HAD | ~HAD, "in": ~HAD, "out": HAD}[direction][:, None]
    truth = (sense * (effect - gain * path[:, :1]))[counted].sum() / np.abs(path - path[:, :1])[counted].sum()

    def panels(rng: np.random.Generator, draws: int) -> Iterator[Panel]:
        yield panel_of(untreated(rng, draws) + effect, np.where(HAD, 1, FIRST), intensity=path)

    return Case(name, float(truth), panels, {"switchers": direction})


def triples(**options: Any) -> Case:
    """Authorities that start have shocks and a path of their own, the same for both kinds of their units."""
    on, eligible = started(PAIRED), 1 - KIND
    effect = growing(PAIRED) * eligible[:, None]
    local = 0.2 * TIME * (PAIRED > 0)[:, None] + 0.7 * on  # no parallel trends, but a gap that is
    truth = effect[on & (eligible > 0)[:, None]].mean()

    def panels(rng: np.random.Generator, draws: int) -> Iterator[Panel]:
        shared = lasting(rng, (draws, UNITS // 2, PERIODS))[:, AUTHORITY]
        kinds = rng.normal(size=(draws, 2, PERIODS))[:, KIND]
        y = untreated(rng, draws) + shared + kinds + local + effect
        yield panel_of(y, PAIRED, eligible=eligible, authority=AUTHORITY)

    return Case("triple_difference", float(truth), panels, options, cluster="authority")


def factors(method: str) -> Case:
    """Two factors move each unit by loadings of its own: no two have one trend. Few units, since the search is slow."""
    units, periods, start = 12, 8, 7
    first = np.where(np.arange(units) < 3, start, 0)
    effect = 1.0 * started(first, np.arange(1, periods + 1))

    def panels(rng: np.random.Generator, draws: int) -> Iterator[Panel]:
        loads = rng.normal(size=(draws, units, 2))
        paths = np.cumsum(rng.normal(0, 0.4, (draws, 2, periods)), axis=2)
        level = rng.normal(0, 2, (draws, units, 1))
        yield panel_of(level + loads @ paths + rng.normal(size=(draws, units, periods)) + effect, first)

    return Case("synthetic", 1.0, panels, {"method": method}, "influence")


def one_series(lags: int) -> Case:
    """Five units that start together share shocks that last; the trend would have gone on."""
    periods, start, units = 24, 15, 6
    time, first = np.arange(1, periods + 1), np.array([15, 15, 15, 15, 15, 0])
    effect = np.where(time >= start, 1 + 0.1 * (time - start), 0.0)

    def panels(rng: np.random.Generator, draws: int) -> Iterator[Panel]:
        shocks = lasting(rng, (draws, 1, periods), 0.4 if lags else 0.0)
        noise = 0.3 * rng.normal(size=(draws, units, periods))
        yield panel_of(rng.normal(0, 3, (draws, units, 1)) + 0.2 * time + shocks + noise + effect, first)

    return Case("interrupted_series", float(effect[time >= start].mean()), panels, {"lags": lags})


def counts(effects: str) -> Case:
    """Units, periods and the reform multiply the mean of a count with an exposure; the effect differs by start and by time."""
    fixed = np.random.default_rng(7)
    exposure = fixed.uniform(20, 100, (UNITS, 1)) * np.ones(PERIODS)
    mean = exposure * np.exp(0.4 * fixed.normal(size=(UNITS, 1)) + 0.3 * fixed.normal(size=PERIODS))
    log_effect = np.where(started(FIRST), 0.2 + 0.05 * (TIME - FIRST[:, None]) + 0.1 * (FIRST[:, None] == 7), 0.0)
    truth = (mean * (np.exp(log_effect) - 1))[started(FIRST)].mean()

    def panels(rng: np.random.Generator, draws: int) -> Iterator[Panel]:
        yield panel_of(rng.poisson(mean * np.exp(log_effect), (draws, UNITS, PERIODS)).astype(float), FIRST, weight=exposure)

    options = {"family": "poisson", "exposure": True, "effects": effects}
    return Case("extended_two_way", float(truth), panels, options)


GROWING, CONSTANT = growing(FIRST), 1.0 * started(FIRST)
MEAN = of_treated_cells(GROWING, FIRST)
CASES: dict[str, Case] = {
    "two_by_two": plain("two_by_two", of_treated_cells(growing(ONE_START), ONE_START), growing(ONE_START), ONE_START),
    "two_way_fixed_effects": plain("two_way_fixed_effects", 1.0, CONSTANT),
    "group_time": plain("group_time", MEAN, GROWING),
    "group_time, not yet treated": plain("group_time", MEAN, GROWING, options={"control": "not_yet_treated"}),
    "interaction_weighted": plain("interaction_weighted", MEAN, GROWING),
    "imputation": plain("imputation", MEAN, GROWING),
    "two_stage": plain("two_stage", MEAN, GROWING),
    "extended_two_way": plain("extended_two_way", MEAN, GROWING),
    "extended_two_way, Poisson": counts("unit"),
    "extended_two_way, Poisson, cohort effects": counts("cohort"),
    "stacked": plain("stacked", of_event_times(GROWING, FIRST, 2, size(FIRST)), GROWING),
    "local_projections": plain("local_projections", of_event_times(GROWING, FIRST, 4, evenness(FIRST)), GROWING),
    "local_projections, reweighted": plain(
        "local_projections", of_event_times(GROWING, FIRST, 4, size(FIRST)), GROWING, options={"reweight": True}
    ),
    "switchers": switchers("switchers", "all"),
    "switchers, in": switchers("switchers", "in"),
    "switchers, out": switchers("switchers", "out"),
    "dose": dose("slope"),
    "dose, a curve": dose("slope", 2),
    "dose, level": dose("level"),
    "triple_difference": triples(),
    "triple_difference, not yet treated": triples(control="not_yet_treated"),
    "rollout": rollout("efficient"),
    "synthetic": factors("sdid"),
    "synthetic, did": factors("did"),
    "interrupted_series": one_series(1),
    "interrupted_series, no lags": one_series(0),
}


def fitted(panel: Panel, name: str, options: Mapping[str, Any]) -> Result:
    result = estimate(panel, name, **options)
    assert isinstance(result, Result), result
    return result


def simulate(case: Case, draws: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Estimates and reported errors of the draws."""
    found, said = [], []
    for panel in case.panels(np.random.default_rng(seed), draws):
        result = fitted(panel, case.name, case.options)
        found.append(result.estimates)
        said.append(result.inference(case.inference, cluster=case.cluster).std_error)
    return np.concatenate(found), np.concatenate(said)
