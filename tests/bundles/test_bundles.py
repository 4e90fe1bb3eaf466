"""A bundle gives the same numbers with nothing else at hand, and says which submission and cell differ where they do."""

import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pilots import runs
from pilots.access import EVALUATOR, LEAD, Actor, NotAllowed
from pilots.bundles import make_bundle, rerun_bundle
from pilots.bundles.tables import BundleError, cell, kind_of, value_of
from pilots.storage import Store
from tests.databases import on_sqlite_only

EVALUATES = Actor("local-evaluator", "Local evaluator", EVALUATOR)
ROOT = Path(__file__).resolve().parents[2]
Stored = tuple[Store, runs.Run]
files_alone = on_sqlite_only("a bundle's files do not know where they came from: the first two tests bring them from either")


def edited(path: Path, number: int, column: str, value: str) -> None:
    """Another value in one cell of a CSV; `number` counts from the first row."""
    with path.open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    rows[number][column] = value
    with path.open("w", newline="", encoding="utf-8") as handle:
        table = csv.DictWriter(handle, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def test_a_bundle_of_either_database_reruns_bit_for_bit_without_one(any_run: Stored, tmp_path: Path) -> None:
    store, run = any_run
    made = make_bundle(store, EVALUATES, run.run_id)
    assert made.files == make_bundle(store, EVALUATES, run.run_id).files
    made.write(tmp_path / "bundle")
    (tmp_path / "bundle.zip").write_bytes(made.zipped())
    store.close()
    for place in ("bundle", "bundle.zip"):
        again = rerun_bundle(EVALUATES, tmp_path / place)
        assert again.same and again.intact and again.differences == (), again.text()
        assert again.results_digest == run.document["results_digest"]
    with pytest.raises(BundleError, match="not empty"):
        made.write(tmp_path / "bundle")


def test_one_changed_value_is_named_with_its_submission_and_cell(stored_run: Stored, tmp_path: Path) -> None:
    store, run = stored_run
    folder = tmp_path / "bundle"
    made = make_bundle(store, EVALUATES, run.run_id)
    made.write(folder)
    returns = folder / "data/returns/ehcp_process.csv"
    row = pd.read_csv(returns, dtype=str).iloc[7]
    edited(returns, 7, "data.requests_refused", "90")
    again = rerun_bundle(EVALUATES, folder)
    assert not again.same and not again.intact
    where = f"submission {row['reference']}, {row['row']}, authority {row['data.authority']}"
    assert f"{where}: requests_refused was {row['data.requests_refused']} and is now 90." in again.text()
    assert (
        f"Submission {row['reference']} (ehcp_process, {row['region']}, {row['period']}) is not what was released."
        in again.text()
    )
    assert f"authority {row['data.authority']}, {row['period']}: numerator was" in again.text()
    assert "headline.estimate was" in again.text()

    # Whoever changes the copy and the manifest too is found out by the release's digests, and the cell by those of the run.
    parquet = returns.with_suffix(".parquet")
    frame = pd.read_parquet(parquet)
    frame.loc[7, "data.requests_refused"] = 90
    frame.to_parquet(parquet, index=False)
    manifest = json.loads((folder / "manifest.json").read_text())
    for path in (returns, parquet):
        manifest["files"][path.relative_to(folder).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    again = rerun_bundle(EVALUATES, folder)
    assert not again.same and again.differences[0].startswith(f"Submission {row['reference']} ")
    assert f"authority {row['data.authority']}, {row['period']}: numerator was" in again.differences[1]


def test_what_is_missing_added_or_unreadable_is_said(stored_run: Stored, tmp_path: Path) -> None:
    store, run = stored_run
    folder = tmp_path / "bundle"
    make_bundle(store, EVALUATES, run.run_id).write(folder)
    (folder / "analysis.do").unlink()
    (folder / "mine.txt").write_text("notes")
    (folder / "analysis.csv").write_text("what the script wrote")
    again = rerun_bundle(EVALUATES, folder)
    assert again.same and not again.intact
    assert again.differences == ("analysis.do is missing.", "mine.txt was not part of the bundle.")
    edited(folder / "data/returns/ehcp_process.csv", 0, "data.requests", "many")
    with pytest.raises(BundleError, match=r"ehcp_process.csv, line 2, data.requests: “many” is no integer"):
        rerun_bundle(EVALUATES, folder)
    (folder / "manifest.json").unlink()
    with (folder / "large").open("wb") as handle:
        handle.truncate(1 << 40)  # a folder that is none is not read: this file would fill the memory
    with pytest.raises(BundleError, match="is no bundle"):
        rerun_bundle(EVALUATES, folder)
    (folder / "manifest.json").write_text("{}")
    with pytest.raises(BundleError, match="holds more than a bundle can"):
        rerun_bundle(EVALUATES, folder)
    with pytest.raises(BundleError, match="neither the folder of a bundle nor a zip"):
        rerun_bundle(EVALUATES, folder / "mine.txt")


def ran(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """A plain script as somebody without this platform runs it."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session", params=["analysis.py", "analysis.R"])
def script(request: pytest.FixtureRequest) -> tuple[list[str], str, float]:
    """How one of the scripts is run, what it writes, and how near it comes."""
    if request.param == "analysis.py":
        return [sys.executable, "analysis.py"], "analysis.csv", 1e-9
    rscript = shutil.which("Rscript")
    if rscript is None:
        pytest.skip("needs Rscript, which is not on this machine")
    return [rscript, "--vanilla", "analysis.R"], "analysis_r.csv", 1e-8


@files_alone
def test_each_plain_script_gives_the_runs_numbers(
    stored_run: Stored, tmp_path: Path, script: tuple[list[str], str, float]
) -> None:
    store, run = stored_run
    folder, (command, written, near) = tmp_path / "bundle", script
    make_bundle(store, EVALUATES, run.run_id).write(folder)
    done = ran(command, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    found = pd.read_csv(folder / written)
    same = found[found["std_error"].notna() & found["run_std_error"].notna()]
    np.testing.assert_allclose(found["estimate"], found["run"], rtol=near, atol=near)
    np.testing.assert_allclose(same["std_error"], same["run_std_error"], rtol=near, atol=near)
    assert found["apart"].max() <= near
    kinds, errors = (one.groupby(["estimator", "aggregate"]).size().to_dict() for one in (found, same))
    assert {one for name, one in kinds if name == "group_time"} == {
        *("overall", "event_time", "cells", "cohort", "calendar", "region")
    }
    assert errors["two_way_fixed_effects", "overall"] == 2 and errors["two_way_fixed_effects", "event_time"] >= 8
    assert all(errors["group_time", one] >= 2 for name, one in kinds if name == "group_time")

    expected = pd.read_csv(folder / "expected.csv")
    expected.loc[expected["estimator"] == "group_time", "std_error"] *= 1 + 1e-7
    expected.to_csv(folder / "expected.csv", index=False)
    assert ran(command, folder).returncode == 1


@files_alone
def test_stata_and_parquet_files_hold_what_the_csv_holds(stored_run: Stored, tmp_path: Path) -> None:
    store, run = stored_run
    folder = tmp_path / "bundle"
    make_bundle(store, EVALUATES, run.run_id).write(folder)
    name = "termly_requests_refused"
    with pd.read_stata(folder / f"panel/{name}.dta", iterator=True) as reader:
        labels = reader.variable_labels()
        stata = reader.read(convert_categoricals=False)
    plain = pd.read_csv(folder / f"panel/{name}.csv")
    assert labels["post"] == "1 with the reform" and all(labels.values()) and labels["value"].endswith(", per cent of requests")
    assert len(stata) == len(plain) and list(stata.columns) == list(plain.columns)
    np.testing.assert_allclose(stata["value"], plain["value"], rtol=1e-15)
    missing = plain[(plain["region"] == "E12000009") & (plain["period"] == "2023/24 spring")]
    assert missing["value"].isna().all() and (missing["weight"] == 0).all() and len(missing) > 10
    parquet = pd.read_parquet(folder / f"panel/{name}.parquet")
    assert list(parquet.columns) == list(plain.columns) and (parquet["authority"] == plain["authority"]).all()
    written = (folder / "analysis.do").read_text(encoding="utf-8")
    assert written.count("{") == written.count("}") and f"foreach outcome in {name} {{" in written and "@" not in written


@files_alone
def test_r_opens_the_stata_file(stored_run: Stored, tmp_path: Path) -> None:
    rscript = shutil.which("Rscript")
    if rscript is None or ran([rscript, "-e", "library(haven)"], tmp_path).returncode:
        pytest.skip("needs Rscript with the package haven, which is not on this machine")
    store, run = stored_run
    make_bundle(store, EVALUATES, run.run_id).write(tmp_path / "bundle")
    words = """
        stata <- haven::read_dta("panel/termly_requests_refused.dta")
        plain <- read.csv("panel/termly_requests_refused.csv", encoding = "UTF-8")
        stopifnot(names(stata) == names(plain), is.na(stata$value) == is.na(plain$value), stata$authority == plain$authority)
        stopifnot(max(abs(stata$value - plain$value), na.rm = TRUE) < 1e-12, is.na(stata$event_time) == (plain$first_time == 0))
        cat(attr(stata$post, "label"))
    """
    done = ran([rscript, "-e", words], tmp_path / "bundle")
    assert (done.returncode, done.stdout) == (0, "1 with the reform"), done.stderr


def test_only_those_who_may_see_unsuppressed_figures_get_a_bundle(stored_run: Stored) -> None:
    store, run = stored_run
    with pytest.raises(NotAllowed, match="cannot take a run with its data, unsuppressed"):
        make_bundle(store, Actor("lead", "A lead", LEAD, ("E12000001",)), run.run_id)


@pytest.mark.slow
def test_the_same_bits_under_eight_hash_seeds_from_either_database_without_any(any_run: Stored, tmp_path: Path) -> None:
    store, run = any_run
    make_bundle(store, EVALUATES, run.run_id).write(tmp_path / "bundle")
    store.close()
    program = "import sys; sys.modules['sqlite3'] = sys.modules['psycopg'] = None; from pilots.__main__ import main; main()"
    command = [sys.executable, "-c", program, "rerun", str(tmp_path / "bundle"), "--json"]
    for seed in range(8) if store.engine.dialect.name == "sqlite" else (1, 6):
        seeded = {**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": str(ROOT), "PILOTS_DATABASE_URL": "none://"}
        done = subprocess.run(command, cwd=tmp_path, env=seeded, capture_output=True, text=True, check=False)
        report: dict[str, Any] = json.loads(done.stdout)
        assert done.returncode == 0 and report["same"] and report["intact"] and report["differences"] == [], (seed, report)
        assert report["results_digest"] == run.document["results_digest"]


@pytest.mark.parametrize(
    "values", [[1, None, -3], [0.1, 1e300, None, -0.0], ["a", None], ["", "a"], [True, False], [1, 2.5], ["1", 1]]
)
def test_values_come_back_from_their_cells_as_they_were(values: list[Any]) -> None:
    kind = kind_of(values)
    back = [value_of(cell(value, kind), kind, "here") for value in values]
    assert back == values and [type(one) for one in back] == [type(one) for one in values]
