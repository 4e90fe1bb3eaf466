"""Findings are rows of one table: objects are made of those that are looked at, and nothing is lost for want of them."""

import gc
from types import ModuleType
from typing import Any

import pytest

from data_contracts import Context, Finding, Findings, Report, check, parse_contract
from data_contracts.findings import shown
from data_contracts.found import shown_all, table_of
from data_contracts.report import MOST_OF_ONE_KIND


def faulty(broken_module: ModuleType, rows: int) -> Report:
    """A report of so many rows that all have a fault."""
    content = b"area,share\n" + b"".join(b"%d,x%d\n" % (number, number) for number in range(rows))
    return check(parse_contract(broken_module.PER_CENT), "shares.csv", content, Context())


def alive() -> int:
    return sum(type(one) is Finding for one in gc.get_objects())


def test_faulty_cells_are_rows_of_a_table_until_they_are_looked_at(broken_module: ModuleType) -> None:
    before = alive()
    report = faulty(broken_module, 60_000)
    table = report.frame()
    assert report.rows_with_errors == len(report.errors) == len(table) == 60_000
    assert "60,000 errors" in report.summary() and report.by_rule()[0]["count"] == 60_000
    assert alive() - before < 100
    # Past a great number of different entries the first description is not looked for any more; the fault is told all the same.
    assert set(table["rule"]) == {"types.not_a_number"}
    assert report.findings[59_999].cell == "B60001" and report.findings[-1].message == "“x59999” is not a number."


def test_what_is_kept_of_one_kind_is_limited_and_the_rest_is_counted(broken_module: ModuleType) -> None:
    kept = faulty(broken_module, MOST_OF_ONE_KIND + 1_234).to_dict()["findings"]
    assert len(kept) == MOST_OF_ONE_KIND + 1
    assert (kept[-1]["rule"], kept[-1]["column"], kept[-1]["severity"]) == ("file.more_of_the_same", "share", "note")
    assert kept[-1]["message"].startswith("There are 1,234 more findings of types.not_a_number in share")


SINGLES = (
    Finding("b.two", "query", "m", "f", row=2, cell="AA2", column="x", value="1"),
    Finding("a.one", "error", "m", "f", sheet="Return", column="y", value="v"),
    Finding("a.one", "error", "m", "f", row=2, column="x", value=""),
    Finding("c.three", "note", "m", "f"),
    Finding("b.two", "query", "m", "f", row=2, cell="B2", column="z"),
)


def test_findings_are_a_sequence_of_what_they_were_made_of() -> None:
    found = Findings.of(SINGLES)
    assert tuple(found) == SINGLES and found == SINGLES and found[1] == SINGLES[1] and found[1:3] == SINGLES[1:3]
    assert len(Findings()) == 0 and Findings() == () and not Findings()
    assert found != SINGLES[:4] and found != "text"
    assert found.with_key()["key"].to_list() == [one.key for one in SINGLES]
    assert [one.rule for one in Findings.sorted([table_of(SINGLES)])] == ["a.one", "a.one", "b.two", "b.two", "c.three"]
    assert [one.cell for one in Findings.sorted([table_of(SINGLES)]).of_severity("query")] == ["B2", "AA2"]


def test_a_task_adds_findings_of_its_own_after_or_before() -> None:
    report = Report("0" * 64, "a.csv", "c", "1.0.0", findings=SINGLES[:1])  # type: ignore[arg-type]
    assert report.noted(SINGLES[3]).findings == (SINGLES[0], SINGLES[3])
    assert report.noted(SINGLES[3], first=True).findings == (SINGLES[3], SINGLES[0])


@pytest.mark.parametrize("text", ["12", "a\tb", "é", "x" * 200, "Pupil A123456789012", "a\u202eb", "SW1A 1AA", "", "\U000e0001"])
def test_texts_of_a_table_are_shown_as_single_ones_are(text: str) -> None:
    series: Any = table_of([Finding("a", "note", "m", "f", value=text), Finding("a", "note", "m", "f", value="plain")])["value"]
    assert shown_all(series).to_list() == [shown(text), "plain"]
