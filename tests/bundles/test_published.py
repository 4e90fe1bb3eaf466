"""A bundle of a run on published figures: the same numbers on an empty machine, the cell that differs, both plain scripts."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from pilots import published, releases, runs
from pilots.access import EVALUATOR, LOCAL_ADMINISTRATOR, Actor
from pilots.bundles import make_bundle, rerun_bundle
from pilots.plans import load_plan, named_plan
from pilots.storage import Store

ROOT = Path(__file__).resolve().parents[2]
ZIP = ROOT / ".." / "shared" / "data" / "ees_zips" / "education-health-and-care-plans_2025.zip"
EVALUATES = Actor("local-evaluator", "Local evaluator", EVALUATOR)
FIGURES = "data/published/education-health-and-care-plans.csv"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not ZIP.exists(), reason="the published figures (../shared/data/ees_zips) are not beside the project"),
]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a bundle, and the digest of its results. The store is gone."""
    place = tmp_path_factory.mktemp("published")
    store = Store.open(f"sqlite:///{place / 'store.sqlite'}")
    published.import_ees(store, LOCAL_ADMINISTRATOR, ZIP.name, ZIP.read_bytes())
    releases.make_release(store, LOCAL_ADMINISTRATOR, "as published")
    estimators = [{"name": "group_time", "options": {"base": "universal"}}, {"name": "two_way_fixed_effects"}]
    fewer = {"plan": "own", "estimators": estimators, "inference": {"draws": 99, "seed": 1}}
    shipped = yaml.safe_load(named_plan("ehcp_timeliness").text)
    run = runs.evaluate(store, EVALUATES, load_plan(yaml.safe_dump({**shipped, **fewer})))
    make_bundle(store, EVALUATES, run.run_id).write(place / "bundle")
    store.close()
    (place / "store.sqlite").unlink()
    return place / "bundle", run.document["results_digest"]


def test_an_empty_machine_gives_the_same_numbers(bundle: tuple[Path, str], tmp_path: Path) -> None:
    folder, digest = bundle
    bare = {**os.environ, "PYTHONPATH": str(ROOT), "PILOTS_DATABASE_URL": "none://", "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "pilots", "rerun", str(folder), "--json"]
    done = subprocess.run(command, cwd=tmp_path, env=bare, capture_output=True, text=True, check=False)
    report: dict[str, Any] = json.loads(done.stdout)
    assert (done.returncode, report["same"], report["intact"], report["differences"]) == (0, True, True, []), report
    assert report["results_digest"] == digest and list(tmp_path.iterdir()) == []


def test_one_changed_figure_is_named_with_its_vintage_measure_and_cell(bundle: tuple[Path, str], tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(bundle[0], folder)
    figures = pd.read_csv(folder / FIGURES, dtype=str, keep_default_na=False)
    where = (figures["measure"] == "plans_issued_within_20_weeks") & (figures["period"] == "2024")
    at = figures.index[where & (figures["authority"] == "E06000001")][0]
    assert figures.loc[at, "value"] == "91.0"
    figures.loc[at, "value"] = "98.0"
    figures.to_csv(folder / FIGURES, index=False)
    said = rerun_bundle(EVALUATES, folder).text()
    cell = "vintage EES-0001, plans_issued_within_20_weeks, 2024, E06000001: value was 91.0 and is now 98.0."
    assert f"{FIGURES}: {cell}" in said
    assert "Vintage EES-0001 (education-health-and-care-plans, 2025) is not what was released." in said
    assert "EHC plans issued within 20 weeks: authority E06000001, 2024: numerator was 91.0 and is now 98.0." in said
    assert "headline.estimate was" in said


@pytest.mark.parametrize(("program", "name", "near"), [(sys.executable, "analysis.py", 1e-9), ("Rscript", "analysis.R", 1e-8)])
def test_the_plain_scripts_give_the_same_numbers(bundle: tuple[Path, str], program: str, name: str, near: float) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"needs {program}, which is not on this machine")
    done = subprocess.run([program, name], cwd=bundle[0], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = pd.read_csv(bundle[0] / ("analysis.csv" if name.endswith("py") else "analysis_r.csv"))
    assert found["apart"].max() <= near
    assert set(found["outcome"]) == {"timeliness_20_weeks", "timeliness_20_weeks_excluding_exceptions"}
    assert (found["std_error"].notna() & found["run_std_error"].notna()).sum() > 100
