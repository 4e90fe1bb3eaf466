"""Known truths: no bias where the assumptions hold, and how much where they do not (the figures of METHODS.md)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evaluation import Panel, Result, estimate

DRAWS = 500
AUTHORITIES, PERIODS = 60, 8
Numbers = tuple[float, float]


def base(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Outcome without the reform of two kinds in each authority, AUTHORITIES × 2 × PERIODS, and the authorities' own part of it.

    Levels of units, common periods, shocks of authorities and of units that last (autocorrelation ½).
    """
    shocks = rng.normal(0, 1, (AUTHORITIES, 3, PERIODS))
    for t in range(1, PERIODS):
        shocks[:, :, t] = 0.5 * shocks[:, :, t - 1] + np.sqrt(0.75) * shocks[:, :, t]
    common = rng.normal(0, 1, (AUTHORITIES, 2, 1)) + rng.normal(0, 1, PERIODS)
    return common + shocks[:, :2], np.broadcast_to(shocks[:, 2:], common.shape)


def panel_of(build: Callable[..., Panel], y: np.ndarray, first: np.ndarray, path: np.ndarray, pairs: bool, **named: Any) -> Panel:
    """One unit an authority (the first kind), or both kinds."""
    kinds = 2 if pairs else 1
    rows = np.indices((AUTHORITIES, kinds, PERIODS)).reshape(3, -1)
    frame = pd.DataFrame({"authority": rows[0], "eligible": 1 - rows[1], "period": rows[2] + 1, "y": y[:, :kinds].ravel()})
    frame["unit"], frame["first"] = frame["authority"] * 2 + rows[1], first[rows[0]]
    frame["intensity"] = np.repeat(path[:, None, :], kinds, axis=1).ravel()
    return build(frame, **named)


def mean_and_error(values: list[float]) -> Numbers:
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))


def overall(panel: Panel, name: str, **options: Any) -> float:
    result = estimate(panel, name, **options)
    assert isinstance(result, Result)
    return float(result.estimates[0])


# Starts in 3, 5, 6 or never; a third stops two periods later; the authorities 0 and 1 of every five had it from the start.
NUMBER = np.arange(AUTHORITIES)
FIRST = np.array([3, 5, 6, 0])[NUMBER % 4]
WHEN = np.arange(1, PERIODS + 1)
ON = (FIRST[:, None] > 0) & (FIRST[:, None] <= WHEN)
STOPS = (NUMBER % 3 == 0)[:, None] & (FIRST[:, None] + 2 <= WHEN)
HAD = (NUMBER % 5 < 2)[:, None]


def switchers(build: Callable[..., Panel], draws: int, drift: float) -> tuple[float, float, float]:
    """Effects that come and go half a period late; units that change drift apart by `drift` a period towards more effect."""
    path = np.where(HAD, ~ON | STOPS, ON & ~STOPS).astype(float)
    started = np.where(HAD[:, 0], 1, FIRST)
    gain = 1 + (NUMBER % 7) / 7  # of each authority; half of it comes a period late, and stays a period after a stop
    lagged = np.concatenate([path[:, :1], path[:, :-1]], axis=1)
    effect = gain[:, None] * (path + lagged) / 2
    kept = gain[:, None] * path[:, :1]  # what it would have been had nothing changed
    sense = np.where(HAD, -1, 1)
    truth = (sense * (effect - kept))[ON].sum() / np.abs(path - path[:, :1])[ON].sum()
    got = []
    for seed in range(draws):
        y, _ = base(np.random.default_rng(seed))
        y[:, 0] += effect + drift * sense * ON * (WHEN - FIRST[:, None] + 1)
        got.append(overall(panel_of(build, y, started, path, pairs=False, intensity="intensity"), "switchers"))
    mean, error = mean_and_error(got)
    return mean, float(truth), error


@pytest.mark.slow
def test_switchers(build: Callable[..., Panel]) -> None:
    assert_unbiased(*switchers(build, DRAWS, 0.0))


@pytest.mark.slow
def test_switchers_are_biased_where_they_would_have_drifted_anyway(build: Callable[..., Panel]) -> None:
    # 0.1 a period over 6, 4 and 3 periods, 15 authorities each: 0.1 × 15 × (21 + 10 + 6), per period with another treatment:
    # 13 for an authority that does not go back, 2 a start for the five of each 15 that do.
    mean, truth, error = switchers(build, 100, 0.1)
    assert mean - truth == pytest.approx(0.1 * 15 * 37 / (10 * 13 + 5 * 6), abs=3 * error)


@pytest.mark.slow
@pytest.mark.parametrize(("gain", "target"), [("random", "slope"), ("random", "level"), ("selected", "level")])
def test_dose(build: Callable[..., Panel], gain: str, target: str) -> None:
    assert_unbiased(*doses(build, gain, target, DRAWS))


@pytest.mark.slow
def test_a_slope_is_biased_where_those_who_gain_more_take_more(build: Callable[..., Panel]) -> None:
    # The gain per unit of dose is 1 + dose for those who chose it: the mean is 1.6, the slope of chosen doses 2.2.
    mean, truth, error = doses(build, "selected", "slope", 100)
    assert mean - truth == pytest.approx(0.6, abs=3 * error)


def doses(build: Callable[..., Panel], gain: str, target: str, draws: int) -> tuple[float, float, float]:
    dose = 0.2 + (NUMBER // 4 % 5) / 5  # alike in all cohorts: 0.2, 0.4, … 1
    each = 1 + dose if gain == "selected" else np.full(AUTHORITIES, 1 + dose.mean())
    effect = np.where(ON, (each * dose)[:, None], 0.0)
    who = FIRST > 0
    truth = float(each[who].mean() if target == "slope" else (each * dose)[who].mean())
    got = []
    for seed in range(draws):
        y, _ = base(np.random.default_rng(seed))
        noisy = 1 + 0.3 * np.random.default_rng(10_000 + seed).normal(size=AUTHORITIES)  # gains that have nothing to do with it
        y[:, 0] += effect * (noisy[:, None] if gain == "random" else 1)
        panel = panel_of(build, y, FIRST, np.where(ON, dose[:, None], 0.0), pairs=False, intensity="intensity")
        got.append(overall(panel, "dose", target=target))
    mean, error = mean_and_error(got)
    return mean, truth, error


def triples(build: Callable[..., Panel], draws: int, parted: float, **options: Any) -> tuple[float, float, float]:
    """Eligible units have a trend of their own; authorities' shocks hit both kinds, harder while the reform is on."""
    effect = np.where(ON, 1 + (WHEN - FIRST[:, None]) / 4, 0.0)
    truth = float(effect[ON].mean())
    got = []
    for seed in range(draws):
        y, local = base(np.random.default_rng(seed))
        y = y + local + 0.7 * ON[:, None, :]  # whatever else comes with the start hits both kinds
        y[:, 0] += effect + 0.5 * WHEN + parted * ON * (WHEN - FIRST[:, None] + 1)
        panel = panel_of(build, y, FIRST, ON.astype(float), pairs=True, eligible="eligible", cluster="authority")
        got.append(overall(panel, "triple_difference", **options))
    mean, error = mean_and_error(got)
    return mean, truth, error


@pytest.mark.slow
@pytest.mark.parametrize(
    ("control", "combine"), [("never_treated", "efficient"), ("not_yet_treated", "efficient"), ("not_yet_treated", "size")]
)
def test_triple_difference(build: Callable[..., Panel], control: str, combine: str) -> None:
    assert_unbiased(*triples(build, DRAWS, 0.0, control=control, combine=combine))


@pytest.mark.slow
def test_a_triple_difference_is_biased_where_the_gap_would_have_moved_anyway(build: Callable[..., Panel]) -> None:
    # The gap of adopters widens by 0.2 a period from the start on: with 6, 4 and 3 periods, 0.2 × (21 + 10 + 6) ÷ 13.
    mean, truth, error = triples(build, 100, 0.2)
    assert mean - truth == pytest.approx(0.2 * 37 / 13, abs=3 * error)


def assert_unbiased(mean: float, truth: float, error: float) -> None:
    assert abs(mean - truth) < 2 * error, (mean, truth, error)
