"""Covariates, intensity and eligibility of a panel: carried along, and wrong ones refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from evaluation import ESTIMATORS, Panel, PanelError
from evaluation.estimators.design import unused


@pytest.fixture
def frame() -> pd.DataFrame:
    rows = [
        (
            unit,
            period,
            3 if unit == "a" else 0,
            float(at + period),
            float(at),
            0.5 * (unit == "a" and period == 3),
            int(unit != "b"),
        )
        for at, unit in enumerate("abc")
        for period in (1, 2, 3)
    ]
    return pd.DataFrame(rows, columns=["unit", "period", "first", "y", "x", "dose", "kind"])


def build(frame: pd.DataFrame, **changes: Any) -> Panel:
    named: dict[str, Any] = {"covariates": ["x"], "intensity": "dose", "eligible": "kind"}
    return Panel.from_frame(frame, "unit", "period", "first", "y", **{**named, **changes})


def test_a_panel_without_them_is_as_before(frame: pd.DataFrame) -> None:
    plain = Panel.from_frame(frame, "unit", "period", "first", "y")
    assert plain.covariates == () and plain.covariate_values is None and plain.intensity is None and plain.eligible is None


def test_they_are_spread_over_units_and_periods(frame: pd.DataFrame) -> None:
    panel = build(frame.drop(index=4).sample(frac=1, random_state=1))
    assert panel.covariates == ("x",)
    assert panel.covariate_values is not None and panel.intensity is not None and panel.eligible is not None
    expected = np.array([[0.0, 0, 0], [1, np.nan, 1], [2, 2, 2]])
    assert np.array_equal(panel.covariate_values[0], expected, equal_nan=True)
    assert np.array_equal(panel.intensity, [[0, 0, 0.5], [0, np.nan, 0], [0, 0, 0]], equal_nan=True)
    assert panel.eligible.tolist() == [True, False, True]


def test_they_follow_the_units_and_periods_that_are_kept(frame: pd.DataFrame) -> None:
    panel = build(frame)
    part = panel.select(np.array([True, False, True]), reason="b is left out", periods=np.array([False, True, True]))
    assert part.covariate_values is not None and part.intensity is not None and part.eligible is not None
    assert part.covariate_values.tolist() == [[[0, 0], [2, 2]]]
    assert part.intensity.tolist() == [[0, 0.5], [0, 0]]
    assert part.eligible.tolist() == [True, True]
    one = panel.outcome("y")
    assert one.covariates == ("x",) and one.intensity is panel.intensity and one.eligible is panel.eligible


def at(frame: pd.DataFrame, row: int, column: str, value: object) -> pd.DataFrame:
    changed = frame.astype({column: object if isinstance(value, str) else float})
    changed.loc[row, column] = value
    return changed


@pytest.mark.parametrize(
    ("row", "column", "value", "words"),
    [
        (0, "x", np.inf, "Covariate 'x' is infinite for 'a' in 1 \\(1 cells in all\\)"),
        (0, "x", "high", "Column 'x' is not numeric"),
        (0, "dose", "high", "Column 'dose' is not numeric"),
        (2, "dose", np.inf, "Intensity 'dose' is infinite for 'a' in 3"),
        (2, "dose", -1.0, "Intensity 'dose' is negative for 'a' in 3"),
        (1, "dose", 0.2, "Intensity 'dose' is above 0 before the first treated period for 'a' in 2"),
        (5, "dose", 0.2, "Intensity 'dose' is above 0 before the first treated period for 'b' in 3"),
        (0, "kind", 2.0, "Column 'kind' is 2 for 'a'. Eligible is 1, not eligible 0"),
        (0, "kind", 0.0, "Column 'kind' changes within 'a'"),
    ],
)
def test_wrong_values_are_refused_by_name(frame: pd.DataFrame, row: int, column: str, value: object, words: str) -> None:
    with pytest.raises(PanelError, match=words):
        build(at(frame, row, column, value))


def test_what_is_missing_throughout_is_refused(frame: pd.DataFrame) -> None:
    with pytest.raises(PanelError, match="Covariate 'x' is missing in every cell"):
        build(frame.assign(x=np.nan))
    with pytest.raises(PanelError, match="Column 'kind' is missing for 'c'. Give every unit 0 or 1"):
        build(frame.assign(kind=frame["kind"].where(frame["unit"] != "c")))
    with pytest.raises(PanelError, match="Covariate 'x' is named twice"):
        build(frame, covariates=["x", "x"])
    with pytest.raises(PanelError, match="There is no column 'strength'"):
        build(frame, intensity="strength")


def test_an_estimator_names_what_it_leaves_aside(frame: pd.DataFrame) -> None:
    panel = build(frame)
    said = unused("two_by_two", ESTIMATORS["two_by_two"], panel)
    assert said[0] == "two_by_two uses no covariates: x changed nothing."
    assert len(said) == 3 and "intensity" in said[1] and "eligible" in said[2]
    assert not any("covariates" in words for words in unused("group_time", ESTIMATORS["group_time"], panel))
    assert unused("two_by_two", ESTIMATORS["two_by_two"], Panel.from_frame(frame, "unit", "period", "first", "y")) == ()
