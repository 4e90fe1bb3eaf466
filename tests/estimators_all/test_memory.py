"""Many schools: nothing as large as units × units is held, nor units × draws."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from benchmarks.school import draw
from evaluation import Panel, Result, estimate
from evaluation.inference.multiplier import LARGEST, multipliers, resampled

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


def test_draws_in_blocks_are_those_of_one_matrix() -> None:
    sums = np.random.default_rng(1).normal(size=(LARGEST // 500, 2))
    whole = multipliers(999, len(sums), "mammen", 7) @ sums
    assert np.allclose(resampled(sums, 999, "mammen", 7), whole, rtol=1e-12, atol=1e-10)
