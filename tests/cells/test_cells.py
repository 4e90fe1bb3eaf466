from __future__ import annotations

from collections.abc import Callable
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest

from evaluation import Panel, PanelError, Result, estimate
from evaluation.cells import cells

BACKENDS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda frame: frame,
    "polars": pl.from_pandas,
    "polars lazy": lambda frame: pl.from_pandas(frame).lazy(),
    "duckdb": duckdb.from_df,
}


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    many = 4000
    frame = pd.DataFrame(
        {
            "unit": rng.integers(0, 12, many),
            "period": rng.integers(1, 6, many),
            "need": rng.choice(["autism", "speech"], many),
            "y": rng.normal(10, 2, many),
            "x": rng.normal(0, 1, many),
            "w": rng.uniform(0.5, 2, many),
        }
    )
    frame.loc[rng.random(many) < 0.05, "y"] = np.nan
    return frame


@pytest.mark.parametrize("backend", BACKENDS)
def test_cells_equal_sums_of_the_rows(rows: pd.DataFrame, backend: str) -> None:
    made = cells(BACKENDS[backend](rows), "unit", "period", ["y", "x"], weight="w", pivots=0.0).frame
    groups = rows.groupby(["unit", "period"], sort=True)
    assert made[["unit", "period"]].to_numpy().tolist() == groups.size().reset_index()[["unit", "period"]].to_numpy().tolist()
    assert made["count"].tolist() == groups.size().tolist()
    assert made["n__y"].tolist() == groups["y"].count().tolist()
    products = rows.assign(xy=rows.x * rows.y, yy=rows.y**2, wy=rows.w * rows.y, wxy=rows.w * rows.x * rows.y)
    sums = products.groupby(["unit", "period"], sort=True).sum(numeric_only=True)
    pairs = {
        "sum__y": "y",
        "sum__x": "x",
        "cross__y__x": "xy",
        "cross__y__y": "yy",
        "wsum__y": "wy",
    }
    for ours, theirs in pairs.items():
        assert made[ours].to_numpy() == pytest.approx(sums[theirs].to_numpy(), rel=1e-12), ours


@pytest.mark.parametrize("backend", BACKENDS)
def test_strata_split_cells(rows: pd.DataFrame, backend: str) -> None:
    made = cells(BACKENDS[backend](rows), "unit", "period", ["y"], strata=["need"])
    whole = cells(rows, "unit", "period", ["y"]).frame
    assert set(made.frame["need"]) == {"autism", "speech"}
    added = made.frame.groupby(["unit", "period"], as_index=False)[["count", "sum__y"]].sum()
    assert added["count"].tolist() == whole["count"].tolist()
    assert added["sum__y"].to_numpy() == pytest.approx(whole["sum__y"].to_numpy())


def test_cells_of_parts_add_up(rows: pd.DataFrame) -> None:
    whole = cells(rows, "unit", "period", ["y", "x"], weight="w")
    part = rows["unit"] < 5
    odd = np.arange(len(rows)) % 2 == 1
    for first in (part, odd):  # whole cells apart, and every cell split
        added = cells(rows[first], "unit", "period", ["y", "x"], weight="w") + cells(
            rows[~first], "unit", "period", ["y", "x"], weight="w"
        )
        assert added.pivots != whole.pivots
        pd.testing.assert_frame_equal(added.about(whole.pivots).frame, whole.frame, rtol=1e-12, atol=1e-10)


def test_cells_of_different_columns_do_not_add(rows: pd.DataFrame) -> None:
    with pytest.raises(PanelError, match="cannot be added"):
        cells(rows, "unit", "period", ["y"]) + cells(rows, "unit", "period", ["x"])


def test_a_missing_key_is_refused(rows: pd.DataFrame) -> None:
    for backend in BACKENDS.values():
        frame = rows.astype({"period": float})
        frame.loc[7, "period"] = np.nan
        with pytest.raises(PanelError, match="Column 'period' has missing values"):
            cells(backend(frame), "unit", "period", ["y"])


@pytest.mark.parametrize("backend", BACKENDS)
def test_missing_and_wrong_columns_are_refused(rows: pd.DataFrame, backend: str) -> None:
    with pytest.raises(PanelError, match="There is no column 'z'. The columns are: unit, period"):
        cells(BACKENDS[backend](rows), "unit", "period", ["z"])
    with pytest.raises(PanelError, match="'need' is not numeric"):
        cells(BACKENDS[backend](rows), "unit", "period", ["need"])


@pytest.mark.parametrize("backend", BACKENDS)
def test_estimates_from_cells_equal_least_squares_on_rows(rows: pd.DataFrame, backend: str) -> None:
    treatment = pd.DataFrame({"unit": range(12), "first_treated": [3, 4, 0, 0] * 3})
    seen = rows.dropna(subset="y")
    panel = Panel.from_cells(
        cells(BACKENDS[backend](seen), "unit", "period", ["y"]),
        treatment=treatment,
        outcome={"y": ("y", None, 1.0)},
        weight="denominator",
    )
    result = estimate(panel, "two_way_fixed_effects")
    assert isinstance(result, Result)
    first = seen["unit"].map(treatment.set_index("unit")["first_treated"])
    on = ((first > 0) & (seen["period"] >= first)).astype(float)
    dummies = [pd.get_dummies(seen["unit"]), pd.get_dummies(seen["period"]).iloc[:, 1:]]
    design = np.column_stack([on, *[d.to_numpy(float) for d in dummies]])
    fit, *_ = np.linalg.lstsq(design, seen["y"].to_numpy(), rcond=None)
    assert result.estimates[0] == pytest.approx(fit[0], rel=1e-10)
    # The error by unit too: scores are sums over rows of the residual treatment times the residual.
    residual = seen["y"].to_numpy() - design @ fit
    rest = on - design[:, 1:] @ np.linalg.lstsq(design[:, 1:], on, rcond=None)[0]
    sums = (rest * residual).groupby(seen["unit"]).sum() / (rest**2).sum()
    found = result.inference(factor="none")
    assert found.std_error[0] == pytest.approx(float(np.sqrt((sums**2).sum())), rel=1e-9)


def test_rates_are_ratios_of_sums_and_missing_where_rows_differ() -> None:
    frame = pd.DataFrame(
        {
            "unit": list("AAAABBBB"),
            "period": [1, 1, 2, 2, 1, 1, 2, 2],
            "within": [1.0, 2, 3, np.nan, 1, 1, 2, 2],
            "issued": [2.0, 4, 4, 4, 4, 4, 4, 4],
        }
    )
    made = cells(frame, "unit", "period", ["within", "issued"])
    panel = Panel.from_cells(
        made,
        treatment=pd.DataFrame({"unit": ["A", "B"], "first_treated": [2, 0]}),
        outcome={"rate": ("within", "issued", 100.0)},
    )
    assert panel.values[0, 0, 0] == pytest.approx(50.0)
    assert np.isnan(panel.values[0, 0, 1])  # one of its rows has no numerator
    assert panel.values[0, 1].tolist() == [25.0, 50.0]


def test_a_unit_without_a_treatment_row_is_refused(rows: pd.DataFrame) -> None:
    made = cells(rows, "unit", "period", ["y"])
    treatment = pd.DataFrame({"unit": range(11), "first_treated": 0})
    with pytest.raises(PanelError, match="1 units of the cells are not in the treatment table, first 11"):
        Panel.from_cells(made, treatment=treatment, outcome={"y": ("y", None, 1.0)})
    with pytest.raises(PanelError, match="The cells have no sums of 'z'"):
        Panel.from_cells(
            made, treatment=pd.DataFrame({"unit": range(12), "first_treated": [3] + [0] * 11}), outcome={"z": ("z", None, 1.0)}
        )
