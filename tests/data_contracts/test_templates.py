"""Templates: what a lead fills in is read back whole, and Excel is told what may be entered."""

import csv
import io
import re
from collections.abc import Sequence
from datetime import date
from types import ModuleType
from typing import Any

import pandas as pd
import pytest
from openpyxl import load_workbook

from data_contracts import Context, Contract, check, contracts, load_contract
from data_contracts.guide import guide
from data_contracts.sheets import GUIDE, IDENTITY, LISTS, RETURN
from data_contracts.templates import Filling, key_rows, template_csv, template_workbook

NAMES = sorted(contracts())
CODES = ("E06000001", "E06000047")


def filling(contract: Contract, context: Context) -> Filling:
    table = context.authorities
    mine = table[(table["end"] == "") & ((table["region"] == context.region) | (context.region is None))]
    pairs = tuple(zip(mine["authority"], mine["name"], strict=True))
    rows = key_rows(contract, context.period or "", [code for code, _ in pairs])
    return Filling(context.region or "", context.period or "", pairs, context.known_reforms, tuple(rows))


def entered(contract: Contract, heading: str, text: str) -> Any:
    """A text as Excel keeps what is typed into the column."""
    column = contract.column(heading)
    if column.is_number and re.fullmatch(r"-?\d+(\.\d+)?", text):
        return float(text)
    return date.fromisoformat(text) if column.type == "date" and text[:1].isdigit() else text or None


def filled(contract: Contract, content: bytes, table: Sequence[Sequence[str]]) -> bytes:
    """The template with the table's rows written over its own, as a lead would."""
    book = load_workbook(io.BytesIO(content))
    sheet = book[RETURN]
    names = [cell.value for cell in sheet[1]]
    sheet.delete_rows(2, sheet.max_row)
    for number, cells in enumerate(table[1:], 2):
        for heading, text in zip(table[0], cells, strict=True):
            sheet.cell(number, names.index(heading) + 1).value = entered(contract, heading, text)
    held = io.BytesIO()
    book.save(held)
    return held.getvalue()


@pytest.mark.parametrize("name", NAMES)
def test_a_filled_in_template_is_read_back_whole(name: str, contexts: dict[str, Context], tables: ModuleType) -> None:
    contract, context = load_contract(name), contexts[name]
    plain = check(contract, "good.csv", contract.example_csv().encode(), context)
    content = filled(contract, template_workbook(contract, filling(contract, context)), tables.example(name))
    report = check(contract, "good.xlsx", content, context)
    assert not report.errors and not report.queries
    assert {finding.rule for finding in report.findings} <= {"shape.other_sheets", "shape.blank_rows"}
    assert plain.rows is not None and report.rows is not None and report.sheet == RETURN
    pd.testing.assert_frame_equal(report.rows, plain.rows)


@pytest.mark.parametrize("name", NAMES)
def test_the_csv_template_has_the_same_headings_and_keys(name: str, contexts: dict[str, Context]) -> None:
    contract, made = load_contract(name), filling(load_contract(name), contexts[name])
    table = list(csv.DictReader(io.StringIO(template_csv(contract, made))))
    assert [{key: row[key] for key in contract.key} for row in table] == [dict(row) for row in made.rows]
    sheet = load_workbook(io.BytesIO(template_workbook(contract, made)))[RETURN]
    assert [cell.value for cell in sheet[1]] == [column.name for column in contract.columns]
    assert sheet.max_row == len(table) + 1


@pytest.mark.parametrize("name", NAMES)
def test_the_workbook_says_what_it_is_and_limits_every_column(name: str, contexts: dict[str, Context]) -> None:
    contract, context = load_contract(name), contexts[name]
    made = filling(contract, context)
    book = load_workbook(io.BytesIO(template_workbook(contract, made)))
    assert set(book.sheetnames) == {RETURN, GUIDE, LISTS, IDENTITY} and book.sheetnames[0] == RETURN
    hidden = book[IDENTITY]
    assert hidden.sheet_state == "veryHidden"
    told = [("contract", name), ("version", contract.version), ("region", made.region or None), ("period", made.period or None)]
    assert list(hidden.values) == told
    sheet = book[RETURN]
    assert sheet.protection.sheet and sheet["A1"].protection.locked and sheet.freeze_panes.endswith("2")
    limits = {str(check.sqref).split(":")[0]: check for check in sheet.data_validations.dataValidation}
    for place, column in enumerate(contract.columns):
        letter = chr(65 + place)
        check_of_cells, heading = limits[f"{letter}2"], limits[f"{letter}1"]
        assert heading.prompt.startswith(column.label[:100]) and len(heading.prompt) <= 255
        assert check_of_cells.type and check_of_cells.error and len(check_of_cells.error) <= 255
        assert len(check_of_cells.formula1) <= 255 and not sheet.column_dimensions[letter].protection.locked
        if column.choices:
            ((where, area),) = book.defined_names[check_of_cells.formula1].destinations
            words = [cell.value for (cell,) in book[where][area]]
            assert where == LISTS
            assert words == list(column.choices) and check_of_cells.type == "list"
        assert all(f'EXACT({letter}2,"{mark}")' in check_of_cells.formula1 for mark in column.symbols)
    words = [cell for row in book[GUIDE].values for cell in row if cell]
    assert {column.description for column in contract.columns} <= set(words)
    assert {rule["message"] for rule in guide(contract).rules} <= set(words)


def test_a_number_with_symbols_has_both_in_its_limit() -> None:
    contract = load_contract("ehcp_process")
    sheet = load_workbook(io.BytesIO(template_workbook(contract, Filling())))[RETURN]
    limits = {str(check.sqref).split(":")[0]: check.formula1 for check in sheet.data_validations.dataValidation}
    assert limits["C2"] == (
        "IF(ISNUMBER(C2),AND(C2>=0,C2<=20000,INT(C2)=C2),"
        'OR(EXACT(C2,"z"),EXACT(C2,"x"),EXACT(C2,"c"),EXACT(C2,"low"),EXACT(C2,"k"),EXACT(C2,"u")))'
    )


def test_keys_are_every_authority_with_every_stratum() -> None:
    rows = key_rows(load_contract("ap_tiers"), "2024/25 spring", CODES)
    assert [tuple(row.values()) for row in rows] == [(code, "2024/25 spring", tier) for code in CODES for tier in "123"]


def test_keys_of_the_last_return_come_again_under_the_new_period() -> None:
    previous = pd.DataFrame(
        {"authority": ["E06000047", "E06000047", "E06000099"], "period": "2023/24 autumn", "tier": ["3", "1", "1"]}
    )
    rows = key_rows(load_contract("ap_tiers"), "2024/25 spring", CODES, previous)
    assert [(row["authority"], row["tier"]) for row in rows] == [
        ("E06000047", "3"),
        ("E06000047", "1"),
        ("E06000001", "1"),
        ("E06000001", "2"),
        ("E06000001", "3"),
    ], "what the last return had comes first; an authority that is gone does not come, one that it lacked has every stratum"
    assert {row["period"] for row in rows} == {"2024/25 spring"}


def test_events_do_not_come_again() -> None:
    assert key_rows(load_contract("reform_register"), "", CODES, pd.DataFrame({"authority": ["E06000001"]})) == []
