"""The files to try the platform with: faults that are found, and a corrected file that goes through."""

from datetime import date

import pytest

from data_contracts import Context, Report, check, load_contract
from pilots.demonstration import Programme, example_files
from pilots.demonstration.design import LAST, NORTH_EAST
from pilots.places import authorities


@pytest.fixture(scope="module")
def reports(made: Programme) -> dict[str, Report]:
    contract, known = load_contract("ehcp_process"), authorities()
    table = made.returns["ehcp_process"]
    before = check(contract, "last.csv", table.file(NORTH_EAST, "2024/25 spring"), Context(NORTH_EAST, "2024/25 spring", known))
    context = Context(NORTH_EAST, LAST, known, before.rows, today=date(2025, 9, 1))
    return {name: check(contract, f"{name}.csv", content, context) for name, content in example_files().items()}


def test_the_faults_are_found(reports: dict[str, Report]) -> None:
    report = reports["with faults"]
    assert {error.rule.split(".")[-1] for error in report.errors} == {
        "within_20_weeks_within_issued",
        "unknown_authority",
        "below_sign",
    }
    assert len(report.errors) == 3
    assert [query.rule.split(".")[-1] for query in report.queries] == ["many_refused"]


def test_the_corrected_file_has_nothing_to_explain(reports: dict[str, Report]) -> None:
    report = reports["corrected"]
    assert report.errors == () and report.queries == ()
    assert report.rows is not None and len(report.rows) == 12


def test_other_seeds_give_other_files() -> None:
    assert example_files(1)["corrected"] != example_files(2)["corrected"]
