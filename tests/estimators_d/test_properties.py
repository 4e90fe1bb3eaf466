"""What must hold for all three estimators, whatever the data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evaluation import Panel, Result, estimate

AGGREGATES = ("overall", "cells", "event_time", "cohort", "calendar", "region")
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "switchers": ("switchers", {"intensity": "intensity"}, {}),
    "switchers without cohort factors": ("switchers", {"intensity": "intensity"}, {"small_sample": "none"}),
    "slope": ("dose", {"intensity": "kept"}, {}),
    "curve": ("dose", {"intensity": "kept"}, {"degree": 2}),
    "level": ("dose", {"intensity": "kept"}, {"target": "level", "control": "not_yet_treated"}),
    "triple": ("triple_difference", {"eligible": "eligible"}, {}),
    "triple, efficient": ("triple_difference", {"eligible": "eligible"}, {"control": "not_yet_treated"}),
    "triple, by size": ("triple_difference", {"eligible": "eligible"}, {"control": "not_yet_treated", "combine": "size"}),
}
Fit = Callable[..., Result]


@pytest.fixture(params=list(CASES))
def fit(request: pytest.FixtureRequest, build: Callable[..., Panel]) -> Fit:
    name, columns, options = CASES[request.param]

    def run(frame: pd.DataFrame, aggregate: str = "event_time", **changes: Any) -> Result:
        named = {"cluster": ["authority", "region"], "region": "region", **columns, **changes}
        result = estimate(build(frame, **named), name, aggregate=aggregate, **options)
        assert isinstance(result, Result), result
        return result

    return run


@pytest.fixture
def frame(draw: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    return draw(seed=4, authorities=36)


@pytest.fixture
def holed(frame: pd.DataFrame) -> pd.DataFrame:
    gone = np.random.default_rng(8).random(len(frame)) < 0.05
    return frame.assign(y=frame["y"].mask(gone))


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_the_weights_on_cells_make_the_estimate(fit: Fit, holed: pd.DataFrame, aggregate: str) -> None:
    for weight in (None, "size"):
        result = fit(holed, aggregate, weight=weight)
        cells = np.nan_to_num(result.panel.values[0]).ravel()
        assert result.weights @ cells == pytest.approx(result.estimates, abs=1e-12)
        assert result.weights.shape == (len(result.estimates), cells.size)
        missing = np.isnan(result.panel.values[0]).ravel()
        assert missing.any() and not result.weights[:, missing].count_nonzero()


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_unit_and_period_effects_change_nothing(fit: Fit, holed: pd.DataFrame, aggregate: str) -> None:
    plain = fit(holed, aggregate)
    shifted = holed.assign(y=holed["y"] + 7 * np.sin(holed["unit"]) + 3 * np.cos(2 * holed["period"]))
    other = fit(shifted, aggregate)
    assert other.estimates == pytest.approx(plain.estimates, abs=1e-10)
    assert other.inference().std_error == pytest.approx(plain.inference().std_error, abs=1e-10, nan_ok=True)


def test_scaling_scales(fit: Fit, holed: pd.DataFrame) -> None:
    plain, scaled = fit(holed), fit(holed.assign(y=-3 * holed["y"]))
    assert scaled.estimates == pytest.approx(-3 * plain.estimates)
    assert scaled.scores == pytest.approx(-3 * plain.scores, abs=1e-12)


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_the_order_of_rows_changes_not_a_bit(fit: Fit, holed: pd.DataFrame, aggregate: str) -> None:
    plain, other = fit(holed, aggregate), fit(holed.sample(frac=1, random_state=3), aggregate)
    assert (plain.estimates == other.estimates).all() and (plain.scores == other.scores).all()
    assert plain.labels.equals(other.labels) and plain.warnings == other.warnings


def test_twice_the_weight_is_twice_the_unit(request: pytest.FixtureRequest, fit: Fit, frame: pd.DataFrame) -> None:
    # Clustered above the unit. Cohort factors count units, and efficient weights go by each unit's variance: estimates
    # of the first, and neither of the second, can agree then.
    case = request.node.callspec.params["fit"]
    twice = frame["unit"] % 3 == 0
    weighed = fit(frame.assign(size=1 + twice), weight="size")
    copied = fit(pd.concat([frame, frame[twice].assign(unit=frame["unit"] + 1000)]), weight=None)
    if case == "triple, efficient":
        assert not np.allclose(weighed.estimates, copied.estimates)
        return
    assert weighed.estimates == pytest.approx(copied.estimates)
    if case != "switchers":
        assert weighed.inference().std_error == pytest.approx(copied.inference().std_error, nan_ok=True)


def test_scores_lie_on_units_that_enter(request: pytest.FixtureRequest, fit: Fit, holed: pd.DataFrame) -> None:
    # In averages, a unit of a cohort also moves the cohort's share; and one that compares early is treated later.
    single = "event_time" if CASES[request.node.callspec.params["fit"]][0] == "dose" else "cells"
    result = fit(holed[holed["first"] < 5], single)
    keep = ~result.labels["kind"].isin(["average"]).to_numpy()
    assert keep.sum() > 4
    assert not result.scores[:, keep][~result.used[:, keep]].any()
    assert not (result.support & result.compared).any()
    assert (result.used | ~(result.support | result.compared)).all()
    slope = not result.compared.any()
    assert slope == (request.node.callspec.params["fit"] in ("slope", "curve"))


def test_several_outcomes_in_one_call(fit: Fit, holed: pd.DataFrame) -> None:
    both = fit(holed.assign(z=2 * holed["y"]), outcome=["y", "z"])
    first, second = np.split(both.estimates, 2)
    assert first == pytest.approx(fit(holed).estimates) and second == pytest.approx(2 * first)
    assert both.weights.shape[0] == len(both.estimates)


def test_no_region_is_refused(build: Callable[..., Panel], frame: pd.DataFrame) -> None:
    for name, columns, options in CASES.values():
        result = estimate(build(frame, **columns), name, aggregate="region", **options)
        assert not result.estimable and "no region" in getattr(result, "reason", "")
