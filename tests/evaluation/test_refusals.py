"""Bad input and questions without an answer: each refused by name with what to do; none returns a number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evaluation import NotEstimable, Panel, PanelError, Result, estimate

Draw = Callable[..., pd.DataFrame]
Build = Callable[..., Panel]


def change(frame: pd.DataFrame, column: str, value: Any, rows: Any = 0) -> pd.DataFrame:
    out = frame.copy()
    out[column] = out[column].astype(object if isinstance(value, str) else float)
    out.loc[rows, column] = value
    return out


BAD: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], dict[str, Any], str]] = {
    "duplicate cells": (
        lambda f: pd.concat([f, f.iloc[[3, 4]]]),
        {},
        r"Duplicate cells: unit 0 has more than one row for period 4 \(2 rows too many in all\).*Keep one row",
    ),
    "unit without a label": (lambda f: change(f, "unit", np.nan, 4), {}, "Column 'unit' is missing in row 5. Give every row"),
    "period missing": (lambda f: change(f, "period", np.nan, 4), {}, "Column 'period' is missing in row 5"),
    "units that change cohort": (lambda f: change(f, "first", 5, 8), {}, "1 units change cohort: 'first' differs within unit 1"),
    "units that change region": (
        lambda f: change(f, "region", 2, 8),
        {},
        "1 units change region: .* A cluster must hold whole units",
    ),
    "region missing": (
        lambda f: change(f, "region", np.nan, f.index[f["unit"] == 2]),
        {},
        "Column 'region' is missing for unit 2. Give every unit",
    ),
    "all-missing outcome": (lambda f: change(f, "y", np.nan, slice(None)), {}, "Outcome 'y' is missing in every cell"),
    "infinite value": (
        lambda f: change(f, "y", np.inf, 7),
        {},
        r"Outcome 'y' is infinite for 1 in 2 \(1 cells in all\).*correct the denominator",
    ),
    "minus infinity": (lambda f: change(f, "y", -np.inf, 7), {}, "Outcome 'y' is infinite"),
    "text outcome": (lambda f: change(f, "y", "c", 7), {}, "Column 'y' is not numeric. Convert it"),
    "negative weight": (
        lambda f: change(f, "size", -1, 7),
        {"weight": "size"},
        r"Weight 'size' is negative or infinite for 1 in 2 \(1 cells",
    ),
    "infinite weight": (lambda f: change(f, "size", np.inf, 7), {"weight": "size"}, "Weight 'size' is negative or infinite"),
    "no weight at all": (
        lambda f: change(f, "size", 0, slice(None)),
        {"weight": "size"},
        "No cell with an outcome has a weight above 0 in 'size'",
    ),
    "nobody treated": (lambda f: f.assign(first=0), {}, "No unit is treated within the window: every 'first' is 0"),
    "all treated later": (lambda f: f.assign(first=np.where(f["first"] > 0, 99, 0)), {}, "No unit is treated within the window"),
    "infinite start": (lambda f: change(f, "first", np.inf, f.index[f["unit"] == 1]), {}, "first treated period is infinite"),
    "start of another kind": (
        lambda f: change(f, "first", "soon", f.index[f["unit"] == 1]),
        {},
        "The first treated period 'soon' is no period of the panel. The periods are: 1, 2",
    ),
    "one period": (lambda f: f[f["period"] == 3], {}, r"There is one period only \(3\)"),
    "no rows": (lambda f: f[f["period"] > 99], {}, "The frame has no rows"),
    "no such column": (lambda f: f, {"outcome": "z"}, "There is no column 'z'. The columns are: unit, period"),
    "no such cluster": (lambda f: f, {"cluster": "ward"}, "There is no column 'ward'"),
    "no outcome": (lambda f: f, {"outcome": []}, "No outcome is named"),
    "outcome twice": (lambda f: f, {"outcome": ["y", "y"]}, "Outcome 'y' is named twice"),
    "period named twice": (lambda f: f, {"periods": [1, 2, 2]}, r"periods= names a period twice"),
    "no period in the order": (lambda f: f, {"periods": [91, 92]}, r"No row has a period named in periods="),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_by_name(draw: Draw, build: Build, name: str) -> None:
    spoil, changes, words = BAD[name]
    with pytest.raises(PanelError, match=words):
        build(spoil(draw()), **changes)


def starts(*values: int) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda frame: frame.assign(first=np.array(values)[frame["unit"] % len(values)])


EVERY = ("group_time", "two_by_two", "two_way_fixed_effects")
REFUSED: list[tuple[str, Callable[[pd.DataFrame], pd.DataFrame], tuple[str, ...], dict[str, Any], str, str]] = [
    ("all start at once", starts(3), EVERY, {}, "all 18 units start at once", "Add units that do not adopt"),
    ("treated throughout", starts(0, 1), EVERY, {}, "all 9 units that adopt are treated throughout", "begins before the reform"),
    (
        "no never treated",
        starts(3, 5),
        ("group_time", "two_by_two"),
        {},
        "every unit adopts within the window, so none is never treated",
        "not_yet_treated",
    ),
    (
        "no never treated, event study",
        starts(3, 5),
        ("two_way_fixed_effects",),
        {"aggregate": "event_time"},
        "event times and periods move together",
        "Add units that never adopt",
    ),
    ("two cohorts", starts(0, 3, 5), ("two_by_two",), {}, "2 cohorts start at different times", "Name one in cohort="),
    ("empty cohort", starts(0, 3, 5), ("two_by_two",), {"cohort": 4}, "no unit starts in 4", "in which units start"),
    (
        "last cohort too early",
        starts(2, 3),
        ("group_time",),
        {"control": "not_yet_treated", "anticipation": 1},
        "fewer than two periods lie before the last cohort starts",
        "longer window",
    ),
    (
        "one cohort as last treated",
        starts(0, 3),
        ("group_time",),
        {"control": "last_treated"},
        "all units that adopt start at once",
        "never_treated",
    ),
    (
        "anticipated throughout",
        starts(0, 2),
        ("group_time",),
        {"anticipation": 2},
        "no period after the reform has both treated and comparison cells",
        "Widen the window",
    ),
]
CASES = [(name, estimator) for name, _, estimators, *_ in REFUSED for estimator in estimators]


@pytest.mark.parametrize(("name", "estimator"), CASES)
def test_questions_without_an_answer(draw: Draw, build: Build, name: str, estimator: str) -> None:
    (_, spoil, _, options, reason, remedy) = next(case for case in REFUSED if case[0] == name)
    found = estimate(build(spoil(draw())), estimator, **options)
    assert isinstance(found, NotEstimable)
    assert reason in found.reason and remedy in found.remedy
    assert found.estimator == estimator
    with pytest.raises(PanelError, match="There is no estimate"):
        found.frame()


def test_regions_need_a_region(draw: Draw, build: Build) -> None:
    found = estimate(build(draw(), cluster=None), "group_time", aggregate="region")
    assert isinstance(found, NotEstimable) and "the panel has no region" in found.reason


@pytest.mark.parametrize("estimator", EVERY)
@pytest.mark.parametrize("side", ["treated", "comparison"])
def test_a_side_that_is_never_observed_after(draw: Draw, build: Build, estimator: str, side: str) -> None:
    frame = draw(starts=(0, 4))
    gone = (frame["first"] > 0) == (side == "treated")
    frame.loc[gone & (frame["period"] >= 4), "y"] = np.nan
    assert isinstance(estimate(build(frame), estimator), NotEstimable)


@pytest.mark.parametrize("estimator", EVERY)
def test_one_cluster_is_refused(draw: Draw, build: Build, estimator: str) -> None:
    result = estimate(build(draw(starts=(0, 4), regions=1)), estimator)
    assert isinstance(result, Result)
    with pytest.raises(PanelError, match="All units are in one region: .* Cluster by unit"):
        result.frame()
    assert np.isfinite(result.frame(cluster="unit")["std_error"]).all()


def test_one_cluster_is_refused_for_an_event_study(draw: Draw, build: Build) -> None:
    result = estimate(build(draw(starts=(0, 4), regions=1)), "two_way_fixed_effects", aggregate="event_time")
    assert isinstance(result, Result)
    with pytest.raises(PanelError, match="All units are in one region"):
        result.frame()


@pytest.mark.parametrize("estimator", EVERY)
@pytest.mark.parametrize("side", ["treated", "comparison"])
def test_one_cluster_on_a_side_gives_no_error(draw: Draw, build: Build, estimator: str, side: str) -> None:
    frame = draw(units=10, starts=(0, 4))
    alone = 1 if side == "treated" else 0
    frame = frame[(frame["unit"] % 2 != alone) | (frame["unit"] == alone)]
    result = estimate(build(frame, cluster="unit"), estimator)
    assert isinstance(result, Result)
    found = result.inference()
    assert np.isnan(found.std_error[0])
    assert f"rest on one {side} unit" in found.warnings[0]
    row = result.frame().iloc[0]
    assert np.isfinite(row["estimate"])
    assert row[["std_error", "lower", "upper", "p_value", "df"]].isna().all()


def test_an_outcome_that_does_not_vary_has_no_error(draw: Draw, build: Build) -> None:
    frame = draw(starts=(0, 4))
    frame["y"] = 0.1 * frame["period"] + 0.3 * (frame["period"] >= 4) * (frame["first"] > 0)
    for estimator in EVERY:
        result = estimate(build(frame, cluster="unit"), estimator)
        assert isinstance(result, Result)
        assert result.estimates[0] == pytest.approx(0.3)
        assert np.isnan(result.inference().std_error[0]), estimator
        assert "do not vary at all between clusters" in result.inference().warnings[0]


def test_units_treated_throughout_are_left_out_and_named(draw: Draw, build: Build) -> None:
    frame = starts(0, 1, 4)(draw())
    for estimator in EVERY:
        with_them, without = (estimate(build(rows, cluster="unit"), estimator) for rows in (frame, frame[frame["first"] != 1]))
        assert isinstance(with_them, Result) and isinstance(without, Result)
        assert with_them.estimates == pytest.approx(without.estimates)
        assert [unit for unit, _ in with_them.dropped] == sorted(frame.loc[frame["first"] == 1, "unit"].unique())
        assert "treated throughout" in with_them.dropped[0][1]


def test_what_was_done_to_the_input_is_said(draw: Draw, build: Build) -> None:
    frame = draw()
    late = build(starts(0, 3, 9)(frame))
    assert "6 units start after the last period (6) and count as never treated within the window." in late.notices
    between = build(frame.assign(first=np.where(frame["first"] == 3, 2.5, frame["first"])))
    assert "First treated periods that are no period of the panel count from the next one: 2.5 as 3." in between.notices
    window = build(frame, periods=[2, 3, 4, 5])
    assert "Periods left out because periods= does not name them: 1, 6." in window.notices
    weights = build(change(frame, "size", 0, [3, 4]), weight="size")
    assert "2 cells with an outcome but no weight (size) count as missing." in weights.notices


def test_a_panel_that_misses_cells_is_used_as_the_option_says(draw: Draw, build: Build) -> None:
    frame = draw(units=30, missing=0.1, seed=2)
    results = {how: estimate(build(frame), "group_time", unbalanced=how) for how in ("pairs", "rows", "drop")}
    values = []
    for result in results.values():
        assert isinstance(result, Result)
        values.append(float(result.estimates[0]))
    assert len(set(values)) == 3
    dropped = results["drop"]
    assert isinstance(dropped, Result)
    complete = frame.groupby("unit")["y"].count() == 6
    assert len(dropped.dropped) == int((~complete).sum())
