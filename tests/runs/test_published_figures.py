"""The shipped plans on the figures as published: what comes out is pinned, and worked out a second time without our code."""

import csv
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pilots import published, releases, runs
from pilots.access import LOCAL_ADMINISTRATOR
from pilots.places import partnerships
from pilots.plans import named_plan
from pilots.storage import Store

ZIP = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "ees_zips" / "education-health-and-care-plans_2025.zip"
LEFT_OUT = {"E09000001", "E06000053"}

pytestmark = pytest.mark.skipif(
    not ZIP.exists(), reason="the published figures (../shared/data/ees_zips) are not beside the project"
)


@pytest.fixture(scope="module")
def questions(lasting_url: Callable[[], str]) -> dict[str, dict[str, Any]]:
    store = Store.open(lasting_url())
    published.import_ees(store, LOCAL_ADMINISTRATOR, ZIP.name, ZIP.read_bytes())
    releases.make_release(store, LOCAL_ADMINISTRATOR, "as published")
    made = [runs.evaluate(store, LOCAL_ADMINISTRATOR, named_plan(name)) for name in ("ehcp_timeliness", "new_plans_mainstream")]
    store.close()
    return {one["outcome"]: one for run in made for one in run.document["questions"]}


def rates(file: str, label: str, numerator: str, denominator: str) -> dict[str, dict[str, float]]:
    """Per cent by authority and year, read plainly from the zip; a symbol, or nothing to divide by, is no rate."""
    with zipfile.ZipFile(ZIP) as archive:
        text = io.TextIOWrapper(archive.open(f"data/{file}"), encoding="utf-8-sig")
        found: dict[str, dict[str, float]] = {}
        for row in csv.DictReader(text):
            whole, part = row[denominator], row[numerator]
            of_authority = row["geographic_level"] == "Local authority" and row["breakdown"] == label
            if of_authority and whole.isdigit() and part.isdigit() and int(whole):
                found.setdefault(row["new_la_code"], {})[row["time_period"]] = 100 * int(part) / int(whole)
    return {code: years for code, years in found.items() if code not in LEFT_OUT}


CASES = {
    "timeliness_20_weeks": (
        ("timeliness_20_week.csv", "All EHC plans issued", "plans_issued_within_20_weeks", "plans_issued_den"),
        (3.0182521603, 2.6484711231, 887, 19),
    ),
    "timeliness_20_weeks_excluding_exceptions": (
        ("timeliness_20_week.csv", "All EHC plans issued", "plans_issued_20_weeks_ex", "plans_issued_den_ex"),
        (2.2942478884, 2.8815234600, 886, 20),
    ),
    "new_plans_mainstream": (
        ("newplans.csv", "New EHC plans", "mainstream_total", "new_ehc_plans"),
        (1.1210184051, 1.4031681511, 877, 29),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_estimate_is_pinned_and_the_same_by_plain_arithmetic(questions: dict[str, dict[str, Any]], name: str) -> None:
    where, (estimate, error, cells, missing) = CASES[name]
    headline, design = questions[name]["headline"], questions[name]["design"]
    assert headline["estimate"] == pytest.approx(estimate, abs=5e-10)
    assert headline["std_error"] == pytest.approx(error, abs=5e-10)
    assert (design["cells"], design["missing_cells"]) == (cells, missing)
    assert (design["treated_units"], design["comparison_units"]) == (32, 119)
    treated = set(partnerships()["authority"])
    change: dict[bool, list[float]] = {True: [], False: []}
    for code, years in rates(*where).items():
        if {"2023", "2024"} <= set(years):
            change[code in treated].append(years["2024"] - years["2023"])
    assert np.mean(change[True]) - np.mean(change[False]) == pytest.approx(headline["estimate"], rel=1e-12)


def test_what_a_minister_would_read_is_a_null_with_what_it_could_have_seen(questions: dict[str, dict[str, Any]]) -> None:
    found = questions["timeliness_20_weeks"]
    assert found["verdict"] == {
        "kind": "cannot_tell",
        "words": "Cannot tell: could only have seen 8.7 percentage points or more",
    }
    headline = found["headline"]
    assert (headline["method"], headline["treated_units"]) == ("randomisation", 9)
    assert (headline["p_value"], headline["lower"], headline["upper"]) == pytest.approx((0.315, -3.06, 9.17), abs=0.02)
    assert "the way of counting changed inside the window" in found["reading"][1]
    assert found["reading"][2].startswith("That is no sign that the reform does nothing")


def test_the_warnings_are_those_that_the_figures_ask_for(questions: dict[str, dict[str, Any]]) -> None:
    texts = [one["text"] for one in questions["timeliness_20_weeks"]["warnings"]]
    assert any("break in this series at 2023" in text for text in texts)
    assert any(text.startswith("Leicester has no figure for 2023.") for text in texts)
    mainstream = {one["text"].split(" has no figure")[0] for one in questions["new_plans_mainstream"]["warnings"]}
    assert {"Leicester", "Wakefield", "Bradford", "Calderdale", "Leeds"} <= mainstream
