"""The same cells from every source and engine; an engine is a setting."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest

from evaluation import OptionError, PanelError
from evaluation.cells import ENGINES, cells, sources


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    rng = np.random.default_rng(9)
    many = 3000
    frame = pd.DataFrame(
        {
            "la": rng.choice(["001", "E06000002", "Ynys Môn"], many),
            "term": rng.integers(202301, 202304, many),
            "need": rng.choice(["autism", "speech"], many),
            "days": rng.poisson(4, many),
            "score": rng.normal(100, 15, many),
            "age": rng.normal(9, 2, many),
            "w": rng.uniform(0.5, 2, many),
        }
    )
    frame.loc[rng.random(many) < 0.1, "score"] = np.nan
    return frame


@pytest.fixture(scope="module")
def folders(rows: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder of Parquet files and one of CSV files, in parts and in folders below."""
    root = tmp_path_factory.mktemp("cases")
    for form in ("parquet", "csv"):
        for at, part in enumerate(np.array_split(np.arange(len(rows)), 3)):
            folder = root / form / f"part={at}"
            folder.mkdir(parents=True)
            piece = pl.from_pandas(rows.iloc[part])
            piece.write_parquet(folder / "rows.parquet") if form == "parquet" else piece.write_csv(folder / "rows.csv")
    return {form: root / form for form in ("parquet", "csv")}


def made(source: Any, engine: str | None = None) -> pd.DataFrame:
    found = cells(
        source,
        "la",
        "term",
        ["days", "score"],
        covariates=["age"],
        weight="w",
        strata=["need"],
        engine=engine,
    )
    return found.frame


@pytest.mark.parametrize("form", ["parquet", "csv"])
@pytest.mark.parametrize("engine", ["duckdb", "polars"])
def test_folders_of_files_give_the_cells_of_their_rows(
    rows: pd.DataFrame, folders: dict[str, Path], form: str, engine: str
) -> None:
    expected = made(rows)
    found = made(folders[form], engine).astype({"la": str})
    expected["la"] = expected["la"].astype(str)
    counts = [name for name in expected if expected[name].dtype == "int64"]
    assert found[counts].equals(expected[counts].astype(found[counts].dtypes.to_dict()))
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-12, atol=1e-9)


FRAMES: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda frame: frame,
    "polars": pl.from_pandas,
    "polars lazy": lambda frame: pl.from_pandas(frame).lazy(),
    "duckdb": duckdb.from_df,
}


@pytest.mark.parametrize("kind", FRAMES)
def test_frames_give_the_same_cells(rows: pd.DataFrame, kind: str) -> None:
    pd.testing.assert_frame_equal(made(FRAMES[kind](rows)), made(rows), check_dtype=False, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("engine", ["duckdb", "polars"])
@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_a_frame_in_memory_goes_to_the_engine_asked_for(rows: pd.DataFrame, kind: str, engine: str) -> None:
    pd.testing.assert_frame_equal(made(FRAMES[kind](rows), engine), made(rows), check_dtype=False, rtol=1e-12, atol=1e-9)


def test_wrong_sources_and_engines_are_told(rows: pd.DataFrame, tmp_path: Path, folders: dict[str, Path]) -> None:
    with pytest.raises(OptionError, match="engine 'dask' does not exist. Choose one of: 'duckdb', 'polars', 'spark'"):
        made(rows, "dask")
    with pytest.raises(PanelError, match="A lazy frame of duckdb cannot be scanned on polars"):
        made(duckdb.from_df(rows), "polars")
    with pytest.raises(PanelError, match="There is no file or folder"):
        made(tmp_path / "none")
    with pytest.raises(PanelError, match="has no Parquet or CSV file"):
        made(tmp_path)
    with pytest.raises(PanelError, match="of different kinds: csv, parquet"):
        made([folders["csv"], folders["parquet"]])
    (tmp_path / "notes.txt").write_text("no rows")
    with pytest.raises(PanelError, match="not from 'txt'"):
        made(tmp_path / "notes.txt")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no more")
    for engine in ("duckdb", "polars"):
        with pytest.raises(PanelError, match="The rows cannot be read"):
            made(tmp_path / "broken.parquet", engine)


def test_text_among_numbers_of_a_csv_file_is_told(rows: pd.DataFrame, tmp_path: Path) -> None:
    shown = rows.astype({"score": object}).fillna("")
    shown.loc[5, "score"] = "c"
    shown.to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(PanelError, match="Column 'score' is not numeric"):
        made(tmp_path / "rows.csv")
    shutil.rmtree(tmp_path)


def test_an_engine_that_is_not_installed_says_what_to_install(monkeypatch: pytest.MonkeyPatch, rows: pd.DataFrame) -> None:
    monkeypatch.setitem(ENGINES, "polars", ("evaluation.cells.engines.nowhere", "some-package"))
    with pytest.raises(PanelError, match="The engine polars is not installed here .* Run: pip install some-package"):
        sources.engine_named("polars")
