"""`pilots cells`: from case-level files to cells, refused with identifiers, and gone on with after an interruption."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import create_engine

from evaluation.cells import Cells, cells
from pilots.__main__ import pilots
from pilots.access import Actor, NotAllowed
from pilots.casefiles import make_cells, recipe_from
from tests.processes import halted

ASKED = ("--unit", "school", "--period", "term", "--by", "need", "--outcome", "days", "--outcome", "score", "--covariate", "age")


def command(*typed: str | Path) -> Result:
    return CliRunner().invoke(pilots, ["cells", *map(str, typed)])


def told(*typed: str | Path) -> dict[str, Any]:
    result = command(*typed, "--json")
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def rows(seed: int, many: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pl.DataFrame(
        {
            "school": rng.integers(100000, 100030, many),
            "term": rng.integers(1, 7, many),
            "need": rng.choice(["autism", "speech"], many),
            "days": rng.poisson(4, many),
            "score": rng.normal(100, 15, many),
            "age": rng.normal(9, 2, many),
        }
    )
    return frame.with_columns(score=pl.when(pl.col("days") < 8).then(pl.col("score")))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "cases"
    made.mkdir()
    for part in range(4):
        rows(part, 800).write_parquet(made / f"{part}.parquet")
    return made


def test_a_folder_becomes_cells_and_the_report_says_what_was_left_out(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out" / "cells.csv"
    report = told(folder, output, *ASKED)
    everything = pl.read_parquet(folder / "*.parquet")
    expected = cells(everything, "school", "term", ["days", "score"], covariates=["age"], strata=["need"])
    found = Cells.read(output)
    pd.testing.assert_frame_equal(found.about(expected.pivots).frame, expected.frame, check_dtype=False, rtol=1e-12, atol=1e-8)
    assert (report["rows"], report["files"], report["reused"], report["cells"]) == (3200, 4, 0, len(expected.frame))
    assert report["small"] == int((expected.frame["count"] < 5).sum())
    without = int(everything["score"].null_count())
    assert [one["without_outcome"] for one in report["outcomes"]] == [0, without]
    again = command(folder, output, *ASKED)
    assert again.exit_code == 1 and "is there already and was left as it is" in " ".join(again.output.split())
    assert Cells.read(output).frame.equals(found.frame)
    said = " ".join(command(folder, tmp_path / "polars.csv", *ASKED, "--engine", "polars").output.split())
    assert "3,200 rows went to" in said and f"score: {3200 - without:,} rows used; left out: {without:,} without it." in said
    assert not (tmp_path / "out" / "cells.csv.parts").exists()


@pytest.mark.parametrize(
    "name", ["UPN", "pupil_uln", "NHS number", "DateOfBirth", "surname", "post_code", "e-mail", "name", "Given Name"]
)
def test_identifiers_are_refused_at_the_door(folder: Path, tmp_path: Path, name: str) -> None:
    rows(9, 10).with_columns(pl.lit("x").alias(name)).write_parquet(folder / "9.parquet")
    result = command(folder, tmp_path / "cells.csv", *ASKED)
    assert result.exit_code == 1
    assert f"9.parquet has identifiers of persons: “{name}”. Nothing was read." in result.output
    assert not list(tmp_path.glob("cells.csv*"))


def test_identifiers_under_another_name_are_refused_too(tmp_path: Path) -> None:
    frame = rows(1, 3).with_columns(case=pl.Series(["A123456789012", "B123456789012", "C123456789012"]))
    frame.write_csv(tmp_path / "cases.csv")
    result = command(tmp_path / "cases.csv", tmp_path / "cells.csv", "--unit", "case", "--period", "term", "--outcome", "days")
    assert "Column “case” holds identifiers of persons (unique pupil number (UPN))" in result.output
    assert not (tmp_path / "cells.csv").exists()


def test_a_table_of_a_database_becomes_cells(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'cases.sqlite'}"
    engine = create_engine(url)
    rows(3, 500).to_pandas().to_sql("cases", engine, index=False)
    engine.dispose()
    report = told(url, tmp_path / "cells.parquet", *ASKED, "--table", "cases")
    assert report["rows"] == 500 and Cells.read(tmp_path / "cells.parquet").frame["count"].sum() == 500
    assert "is there already" in told(url, tmp_path / "cells.parquet", *ASKED, "--table", "cases")["error"]
    assert "has no table “pupils”" in told(url, tmp_path / "others.parquet", *ASKED, "--table", "pupils")["error"]


def test_what_the_user_can_put_right_is_told(folder: Path, tmp_path: Path) -> None:
    (folder / "copy.parquet").write_bytes((folder / "0.parquet").read_bytes())
    assert "copy.parquet and 0.parquet are the same file" in told(folder, tmp_path / "cells.csv", *ASKED)["error"]
    (folder / "copy.parquet").unlink()
    assert "There is no column 'poverty'" in told(folder, tmp_path / "cells.csv", *ASKED, "--outcome", "poverty")["error"]
    assert "kept as .parquet or .csv" in told(folder, tmp_path / "cells.xlsx", *ASKED)["error"]
    assert "is no setting" in told(folder, tmp_path / "cells.csv", *ASKED, "--setting", "threads")["error"]
    assert "cannot be written: Not a directory" in told(folder, folder / "0.parquet" / "cells.csv", *ASKED)["error"]
    assert "There is no file or folder" in told(tmp_path / "none", tmp_path / "cells.csv", *ASKED)["error"]


def test_who_may_make_cells(folder: Path, tmp_path: Path) -> None:
    recipe = recipe_from("school", "term", ["days"])
    lead = Actor("lead", "A lead", "lead", ("E12000001",))
    assert make_cells(lead, folder, tmp_path / "cells.csv", recipe).rows == 3200
    with pytest.raises(NotAllowed):
        make_cells(Actor("visitor", "A visitor", "visitor"), folder, tmp_path / "cells.csv", recipe)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path: Path, how: signal.Signals) -> None:
    folder, output = tmp_path / "cases", tmp_path / "cells.parquet"
    folder.mkdir()
    for part in range(6):
        rows(part, 50_000).write_csv(folder / f"{part}.csv")
    typed = [sys.executable, "-m", "pilots", "cells", str(folder), str(output), *ASKED, "--setting", "threads=1"]
    parts = tmp_path / "cells.parquet.parts"
    with halted("rename unfinished- 2", typed, os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        assert len(list(parts.glob("unfinished-*"))) == 1, "the third is written, and is not there yet"
        running.send_signal(how)
    assert running.returncode != 0 and not output.exists()
    kept = len(list(parts.glob("[0-9a-f]*.parquet")))
    assert kept == 2 or (how == signal.SIGINT and 2 < kept < 6), "Ctrl+C may be heard a step later"
    rows(99, 1000).write_csv(folder / "0.csv")  # a file that is another now is done again
    report = told(folder, output, *ASKED)
    assert report["reused"] == kept - 1 and report["rows"] == 5 * 50_000 + 1000
    whole = tmp_path / "whole.parquet"
    told(folder, whole, *ASKED)
    first, second = Cells.read(output), Cells.read(whole)
    pd.testing.assert_frame_equal(first.about(second.pivots).frame, second.frame, rtol=1e-12, atol=1e-7)
    assert not parts.exists()
