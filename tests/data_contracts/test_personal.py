"""A return of totals tells of no person: identifiers are refused wherever they stand, and never repeated."""

import csv
import io
import json
from types import ModuleType

import pytest

from data_contracts import Context, check, load_contract
from data_contracts.findings import shown
from data_contracts.personal import masked, personal

CONTRACT = load_contract("ehcp_process")
IDENTIFIERS = {
    "unique pupil number (UPN)": "A123456789012",
    "date of birth": "DoB 12/03/2014",
    "NHS number or unique learner number (ULN)": "943 476 5919",
    "postcode": "SW1A 1AA",
    "e-mail address": "jo.bloggs@example.org",
    "national insurance number": "AB123456C",
}
EVERYWHERE = ("authority", "period", "requests", "average_weeks", "note")


@pytest.mark.parametrize("column", EVERYWHERE)
@pytest.mark.parametrize("kind", sorted(IDENTIFIERS))
def test_an_identifier_is_refused_in_any_column_and_never_repeated(
    kind: str, column: str, contexts: dict[str, Context], tables: ModuleType, broken_module: ModuleType
) -> None:
    table = broken_module.edited("ehcp_process", 3, **{column: IDENTIFIERS[kind]})
    for content in (tables.as_csv(table), tables.as_csv([*table, [f"Total {IDENTIFIERS[kind]}", *["1"] * 12]])):
        report = check(CONTRACT, "a.csv", content, contexts["ehcp_process"])
        assert report.rows is None
        said = json.dumps(report.to_dict(), ensure_ascii=False) + report.to_csv()
        assert IDENTIFIERS[kind] not in said
    if column == "note":
        finding = next(finding for finding in report.findings if finding.rule == "text.personal_data")
        assert (finding.row, finding.cell, finding.value) == (3, "M3", "(not shown)") and kind in finding.message


@pytest.mark.parametrize("kind", sorted(IDENTIFIERS))
def test_an_identifier_as_a_heading_is_not_repeated(kind: str, contexts: dict[str, Context], tables: ModuleType) -> None:
    table = [[*cells, "" if number else IDENTIFIERS[kind]] for number, cells in enumerate(tables.example("ehcp_process"))]
    report = check(CONTRACT, "a.csv", tables.as_csv(table), contexts["ehcp_process"])
    assert IDENTIFIERS[kind] not in json.dumps(report.to_dict(), ensure_ascii=False)


@pytest.mark.parametrize(
    "text",
    [
        "E06000001",
        "2023/24 autumn",
        "KS2 3rd year",
        "12 plans on 19 September 2023",
        "1234567890",
        "0000000000",
        "01632 960001",
        "Regulation 12(3)",
        "s31 grant",
        "N/A",
        "newborn screening",
        "price @ 20",
    ],
)
def test_ordinary_words_are_no_identifier(text: str) -> None:
    assert personal(text) == "" and masked(text) == text


@pytest.mark.parametrize("kind", sorted(IDENTIFIERS))
def test_an_identifier_is_masked_within_a_text(kind: str) -> None:
    assert personal(f"see {IDENTIFIERS[kind]}, and more") == kind
    assert shown(f"see {IDENTIFIERS[kind]}, and more").startswith("see (not shown)")


def test_findings_do_not_run_in_a_spreadsheet(
    contexts: dict[str, Context], tables: ModuleType, broken_module: ModuleType
) -> None:
    table = broken_module.edited(
        "ehcp_process", 3, note='=HYPERLINK("https://example.org")', requests="=1+1", requests_refused="-x"
    )
    report = check(CONTRACT, "a.csv", tables.as_csv(table), contexts["ehcp_process"])
    rows = list(csv.DictReader(io.StringIO(report.to_csv())))
    assert {row["rule"] for row in rows} == {"text.runs", "types.formula", "types.not_a_number"}
    assert {row["value"][0] for row in rows} == {"'"}
    assert all(cell == "" or cell[0] not in "=+-@" for row in rows for cell in row.values())
