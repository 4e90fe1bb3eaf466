"""Many schools: nothing as large as units × units is held, nor units × draws."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from benchmarks.school import draw
from evaluation import Panel, Result, estimate
from evaluation.inference.multiplier import LARGEST, WEIGHTS, resampled

UNITS = 4000


@pytest.fixture(scope="module")
def schools() -> Panel:
    frame = draw(UNITS)
    return Panel.from_frame(frame, "school", "term", "first_term", "rate")


@pytest.mark.parametrize("name", ["group_time", "imputation", "two_stage", "interaction_weighted"])
def test_no_array_of_units_by_units_or_by_draws(schools: Panel, name: str) -> None:
    tracemalloc.start()
    result = estimate(schools, name, aggregate="event_time")
    assert isinstance(result, Result)
    made = tracemalloc.get_traced_memory()[1]
    result.frame(inference="multiplier", draws=4999)
    drawn = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert made < 8 * UNITS**2 / 2, "half of what one number for each pair of units takes"
    assert drawn < 8 * UNITS * 4999 / 2, "half of what one number for each unit and draw takes"


def test_with_gaps_group_time_effects_grow_with_units_times_effects_by_what_methods_says() -> None:
    peaks, effects = [], 0
    for units in (UNITS, 2 * UNITS):
        frame = draw(units)
        gaps = frame[np.random.default_rng(3).random(len(frame)) > 0.04]
        panel = Panel.from_frame(gaps, "school", "term", "first_term", "rate")
        tracemalloc.start()
        result = estimate(panel, "group_time", aggregate="event_time")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert isinstance(result, Result) and "left out" not in str(result.warnings)
        effects = len(np.unique(panel.cohort)) - 1
    assert (peaks[1] - peaks[0]) / (UNITS * effects * 23) < 25, "bytes for each unit and effect"


@pytest.mark.parametrize("weights", ["mammen", "rademacher", "webb"])
def test_draws_in_blocks_have_the_mean_and_spread_of_one_matrix(weights: str) -> None:
    sums = np.random.default_rng(1).normal(size=(LARGEST // 1000, 2))
    drawn = resampled(sums, 2500, weights, 7).T
    wanted = np.sqrt((sums**2).sum(axis=0))
    assert np.array_equal(drawn, resampled(sums, 2500, weights, 7).T) and len(np.unique(drawn[:, 0])) == 2500
    assert np.allclose(drawn.std(axis=0), wanted, rtol=0.05), "four standard errors of a standard deviation from 2,500 draws"
    assert (np.abs(drawn.mean(axis=0)) < 4 * wanted / 50).all()


@pytest.mark.parametrize("weights", WEIGHTS)
def test_blocks_of_single_precision_are_products_with_weights_of_the_law(weights: str) -> None:
    drawn = resampled(np.eye(700), 2000, weights, 5, whole=0)  # the weights themselves, from three blocks of clusters
    assert abs(drawn.mean()) < 0.004 and abs((drawn**2).mean() - 1) < 0.004, "four Monte Carlo errors of 1.4 million"
    values = WEIGHTS[weights][0]
    assert np.abs(drawn[..., None] - values).min(axis=-1).max() < 3e-5, "Mammen's probability is rounded to 16 bits"
    if weights == "mammen":
        assert (drawn**3).mean() == pytest.approx(1, abs=0.01)
    near = np.corrcoef(np.vstack([drawn[[0, 255, 256, 699]], drawn[[0, 255, 256, 699]][:, ::-1]]))
    assert np.abs(near - np.eye(8))[np.triu_indices(8, 1)].max() < 4.5 / np.sqrt(2000), "no cluster and no draw goes with another"
    sums = np.random.default_rng(2).normal(size=(700, 30)) * np.logspace(-30, 30, 30)
    error = np.sqrt((sums**2).sum(axis=0))
    assert (np.abs(resampled(sums, 2000, weights, 5, whole=0) - sums.T @ drawn).max(axis=1) < 1e-5 * error).all()
