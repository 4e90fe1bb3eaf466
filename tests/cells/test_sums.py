"""Sums are safe: values count from a pivot, and the error stays below the bound of METHODS.md (Cells)."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest

from evaluation import PanelError
from evaluation.cells import Cells, cells

ROUNDING = 2.0**-53


@pytest.fixture(scope="module")
def billion() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    many = 20_000
    frame = pd.DataFrame({"unit": rng.integers(0, 4, many), "period": rng.integers(0, 3, many)})
    return frame.assign(y=1e9 + rng.normal(0, 1, many), x=rng.normal(-3e6, 5, many))


@pytest.mark.parametrize("engine", [None, "duckdb", "polars"])
def test_error_of_sums_stays_below_its_bound(billion: pd.DataFrame, engine: str | None) -> None:
    made = cells(billion, "unit", "period", ["y"], covariates=["x"], engine=engine)
    p, q = (Fraction(made.pivots[name]) for name in ("y", "x"))
    for at, ((_, _), rows) in enumerate(billion.groupby(["unit", "period"], sort=True)):
        ys, xs = ([Fraction(value) - pivot for value in rows[name]] for name, pivot in (("y", p), ("x", q)))
        exact = {
            "sum__y": (ys, 1),
            "cross__y__y": ([y * y for y in ys], 3),
            "cross__y__x": ([y * x for y, x in zip(ys, xs, strict=True)], 3),
        }
        for name, (terms, roundings) in exact.items():
            bound = (len(rows) + roundings) * ROUNDING * float(sum(map(abs, terms))) * 1.001
            assert abs(Fraction(float(made.frame[name][at])) - sum(terms)) <= bound, name
        # What is left within the cell has nine digits or more; without a pivot none would be right.
        variance = made.frame["cross__y__y"][at] - made.frame["sum__y"][at] ** 2 / made.frame["n__y"][at]
        true = float(sum(y * y for y in ys) - sum(ys) ** 2 / len(ys))
        assert variance == pytest.approx(true, rel=1e-9)
        naive = float((rows["y"] ** 2).sum() - rows["y"].sum() ** 2 / len(rows))
        assert abs(naive / true - 1) > 1e-3


def test_pivots_are_the_same_on_every_engine_and_stated(billion: pd.DataFrame) -> None:
    found = [dict(cells(billion, "unit", "period", ["y"], engine=engine).pivots) for engine in (None, "duckdb", "polars")]
    assert found[0] == found[1] == found[2] == {"y": float(np.float32(billion["y"].mean()))}
    declared = cells(billion, "unit", "period", ["y"], pivots={"y": 1e9})
    assert declared.pivots == {"y": 1e9}
    back = declared.about(found[0])
    assert back.mean("y") == pytest.approx(cells(billion, "unit", "period", ["y"]).mean("y"), rel=1e-15)


def test_whole_numbers_count_from_zero_exactly() -> None:
    frame = pd.DataFrame({"u": [1, 1, 2], "t": [1, 1, 1], "y": [3, 5, 10**9], "late": [True, False, True]})
    made = cells(frame, "u", "t", ["y", "late"])
    assert made.pivots == {"y": 0.0, "late": 0.0}
    assert made.frame["sum__y"].tolist() == [8, 10**9] and made.frame["cross__y__y"].tolist() == [34, 10**18]
    assert made.frame["sum__late"].tolist() == [1, 1]


def test_every_outcome_has_its_own_rows_and_what_was_dropped_is_said() -> None:
    frame = pd.DataFrame(
        {
            "u": [1, 1, 1, 1, 1, 2],
            "t": [1, 1, 1, 1, 1, 1],
            "a": [1.0, np.nan, 3.0, 4.0, 6.0, np.nan],
            "b": [1.0, 2.0, np.nan, 4.0, 7.0, 5.0],
            "x": [0.5, 0.5, 0.5, np.nan, 1.5, 0.5],
            "w": [1.0, 1.0, 1.0, 1.0, np.nan, 2.0],
        }
    )
    for source in (frame, pl.from_pandas(frame, nan_to_null=False), duckdb.from_df(frame)):
        made = cells(source, "u", "t", ["a", "b"], covariates=["x"], weight="w", pivots=0.0)
        said = made.dropped().set_index("outcome")
        assert said.loc["a"].tolist() == [6, 2, 2, 2] and said.loc["b"].tolist() == [6, 1, 2, 3]
        one = made.frame.iloc[0]
        assert (one["n__a"], one["sum__a"], one["sum__a__x"], one["cross__a__x"]) == (2, 4.0, 1.0, 2.0)
        assert (one["n__b"], one["sum__b"], one["n__a__b"], one["cross__a__b"]) == (2, 3.0, 1, 1.0)
        assert made.frame["sum__a"].tolist() == [4.0, 0.0] and np.isnan(made.mean("a")[1])
        assert made.frame["weight2__b"].tolist() == [2.0, 4.0]


@pytest.mark.parametrize("engine", [None, "duckdb", "polars"])
def test_what_cannot_be_summed_is_refused(billion: pd.DataFrame, engine: str | None) -> None:
    rows = billion.head(100).assign(w=1.0)
    infinite, negative = rows.copy(), rows.copy()
    infinite.loc[7, "y"] = np.inf
    negative.loc[7, "w"] = -1.0
    with pytest.raises(PanelError, match="Column 'y' is infinite or too large to add up in unit"):
        cells(infinite, "unit", "period", ["y"], engine=engine)
    with pytest.raises(PanelError, match="Weight 'w' is negative in unit"):
        cells(negative, "unit", "period", ["y"], weight="w", engine=engine)
    with pytest.raises(PanelError, match="There are no rows"):
        cells(rows.head(0), "unit", "period", ["y"], engine=engine)


def test_names_that_would_be_mixed_up_are_refused(billion: pd.DataFrame) -> None:
    with pytest.raises(PanelError, match="Column 'y' is named twice"):
        cells(billion, "unit", "period", ["y"], covariates=["y"])
    with pytest.raises(PanelError, match="has '__' in its name"):
        cells(billion.rename(columns={"y": "my__y"}), "unit", "period", ["my__y"])
    with pytest.raises(PanelError, match="Cells have a column 'count' of their own"):
        cells(billion.rename(columns={"unit": "count"}), "count", "period", ["y"])
    with pytest.raises(PanelError, match="No outcome is named"):
        cells(billion, "unit", "period", [])


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_file_of_cells_gives_them_back_to_the_last_bit(billion: pd.DataFrame, tmp_path: Path, suffix: str) -> None:
    rows = billion.assign(unit=billion["unit"].map("00{}".format), need=np.where(billion["x"] > -3e6, "a", None), w=0.1)
    made = cells(rows, "unit", "period", ["y"], covariates=["x"], weight="w", strata=["need"])
    path = tmp_path / f"cells{suffix}"
    made.write(path)
    again = Cells.read(path)
    assert again.recipe == made.recipe and again.pivots == made.pivots
    pd.testing.assert_frame_equal(again.frame, made.frame, rtol=0, atol=0, check_dtype=False)
    with pytest.raises(PanelError, match="no table of cells"):
        billion.to_csv(tmp_path / "rows.csv", index=False)
        Cells.read(tmp_path / "rows.csv")
    with pytest.raises(PanelError, match="kept as .parquet or .csv"):
        made.write(tmp_path / "cells.xlsx")


def test_the_mean_of_many_is_the_mean(billion: pd.DataFrame) -> None:
    made = cells(billion, "unit", "period", ["y"])
    for at, (_, rows) in enumerate(billion.groupby(["unit", "period"], sort=True)):
        assert made.mean("y")[at] == pytest.approx(math.fsum(rows["y"]) / len(rows), rel=2 * ROUNDING)
