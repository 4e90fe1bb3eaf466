"""Corrections: what is offered, what is never guessed, and that the file with those accepted is as if typed so."""

import csv
import io
from types import ModuleType

import pandas as pd
import pytest
from openpyxl import Workbook, load_workbook

from data_contracts import Context, built_in_rules, check, contracts, load_contract
from data_contracts.corrected_copy import corrected_workbook
from data_contracts.corrections import CORRECTABLE, FIXES, WORDS, Correction, check_corrected
from pilots.places import code_for_name

NAMES = sorted(contracts())
EHCP = "ehcp_process"


def offers(tables: ModuleType, context: Context, contract: str = EHCP, row: int = 4, **cells: str) -> list[Correction]:
    """What is offered for the good example with cells of one row changed."""
    table = tables.example(contract)
    for name, text in cells.items():
        table[row - 1][table[0].index(name)] = text
    return list(
        check_corrected(load_contract(contract), "a.csv", tables.as_csv(table), context, code_of_name=code_for_name).offered
    )


@pytest.mark.parametrize(
    ("column", "text", "rule", "after", "certain"),
    [
        ("authority", "Middlesbrough", "values.name_for_code", "E06000002", True),
        ("authority", "middlesbrough ", "types.trimmed", "middlesbrough", True),
        ("authority", "Durham", "values.name_for_code", "E06000047", True),
        ("authority", "840", "values.old_code", "E06000047", True),
        ("authority", "e06000002", "values.code_case", "E06000002", True),
        ("period", "Autumn term 2023-24", "values.not_a_period", "2023/24 autumn", True),
        ("requests", " 212", "types.trimmed", "212", True),
        ("requests", "C", "types.symbol_case", "c", True),
        ("requests", "1,212", "types.thousands", "1212", True),
        ("requests", "1 212", "types.thousands", "1212", True),
        ("average_weeks", "1,940", "types.thousands", "1940", False),
        ("average_weeks", "19.4 weeks", "types.unit_in_cell", "19.4", True),
        ("requests", "2l2", "types.letter_for_digit", "212", False),
        ("requests", "−212", "types.odd_minus", "-212", False),
    ],
)
def test_a_cell_is_offered_its_correction(
    contexts: dict[str, Context], tables: ModuleType, column: str, text: str, rule: str, after: str, certain: bool
) -> None:
    found = [one for one in offers(tables, contexts[EHCP], **{column: text}) if one.rule == rule]
    assert [(one.row, one.column, one.after, one.certain) for one in found] == [(4, column, after, certain)]
    assert found[0].cell == f"{chr(65 + [one.name for one in load_contract(EHCP).columns].index(column))}4"


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("authority", "Atlantis"),
        ("authority", "Barnet"),  # of another region: that is not put right by its code
        ("period", "Spring 2023/24"),
        ("requests", "<5"),
        ("requests", "n/a"),
        ("requests", "–"),
        ("requests", "£212"),
        ("requests", "12%"),
        ("requests", "212 pupils"),
        ("requests", "2.5"),
        ("average_weeks", "19,4"),
    ],
)
def test_what_is_not_sure_is_never_offered(contexts: dict[str, Context], tables: ModuleType, column: str, text: str) -> None:
    assert offers(tables, contexts[EHCP], **{column: text}) == []


def test_the_corrected_workbook_is_the_corrected_table_and_lists_every_correction(
    contexts: dict[str, Context], tables: ModuleType
) -> None:
    table = tables.example(EHCP)
    table[3][0], table[3][2], table[4][11] = "Durham", "1,212", "0.30"
    table[5][-1], table[6][-1] = "=1+1 as we count", "007"
    table[2:2] = [[""] * len(table[0])]  # an empty row, which the corrected table keeps in its place
    done = check_corrected(
        load_contract(EHCP),
        "a.csv",
        tables.as_csv(table),
        contexts[EHCP],
        ("values.name_for_code", "types.thousands"),
        code_for_name,
    )
    assert len(done.made) == 2
    content = corrected_workbook(done.text, done.made)
    book = load_workbook(io.BytesIO(content))
    sheet, listed = book["Return"], book["Corrections"]
    assert [sheet[place].value for place in ("A5", "C5", "L6", "A3")] == ["E06000047", 1212, "0.30", None]
    note = load_contract(EHCP).columns[-1].name
    at = {cell.value: cell.column for cell in sheet[1]}[note]
    assert [(sheet.cell(row, at).value, sheet.cell(row, at).data_type) for row in (7, 8)] == [
        ("=1+1 as we count", "s"),
        ("007", "s"),
    ]
    rows = [[cell.value for cell in cells] for cells in listed.iter_rows(min_row=5)]
    assert [row[:4] for row in rows] == [[one.cell, one.column, one.before, one.after] for one in done.made]
    assert all(cells[0].hyperlink.location == f"'Return'!{cells[0].value}" for cells in listed.iter_rows(min_row=5))
    assert [Correction.from_dict(one.to_dict()) for one in done.made] == list(done.made)
    both = [
        check(load_contract(EHCP), name, bytes_, contexts[EHCP])
        for name, bytes_ in (("a.csv", done.text.encode()), ("a.xlsx", content))
    ]
    # A workbook has no blank rows to tell of: it says which row each cell is in.
    told = [[one for one in report.findings if one.rule != "shape.blank_rows"] for report in both]
    plain = [[(one.rule, one.cell, one.value) for one in found] for found in told]
    assert plain[0] == plain[1] and "values.name_for_code" not in {rule for rule, *_ in plain[0]}


def test_what_a_finding_advises_is_what_its_correction_does(contexts: dict[str, Context], tables: ModuleType) -> None:
    table = tables.example(EHCP)
    table[3][0] = "Durham"  # the name of an ended code of the same area
    done = check_corrected(load_contract(EHCP), "a.csv", tables.as_csv(table), contexts[EHCP], code_of_name=code_for_name)
    assert [one.after for one in done.offered] == ["E06000047"] and done.report.errors[0].fix == "Enter E06000047."


@pytest.mark.parametrize(
    ("text", "after", "certain"),
    [
        ("25/01/2024", "2024-01-25", True),
        ("03/04/2024", None, False),  # day and month could be either
        ("2024-01-08 00:00", "2024-01-08", True),
        ("2024-01-08 09:30", "2024-01-08", False),
        ("45299", None, False),
    ],
)
def test_dates_with_one_reading_are_offered(
    contexts: dict[str, Context], tables: ModuleType, text: str, after: str | None, certain: bool
) -> None:
    found = offers(tables, contexts["reform_register"], "reform_register", 4, start=text)
    assert [(one.after, one.certain) for one in found] == ([(after, certain)] if after else [])


def test_a_code_that_was_followed_by_the_same_area_is_offered_its_new_one(
    tables: ModuleType, contexts: dict[str, Context]
) -> None:
    codes = contexts[EHCP].authorities
    context = Context("E12000003", "2025/26 autumn", codes)
    table = [tables.example(EHCP)[0], ["E08000016", "2025/26 autumn", *tables.example(EHCP)[1][2:]]]
    (found,) = check_corrected(load_contract(EHCP), "a.csv", tables.as_csv(table), context).offered
    assert (found.rule, found.before, found.after) == ("values.ended_code", "E08000016", "E08000038")
    split = [tables.example(EHCP)[0], ["E10000006", "2025/26 autumn", *tables.example(EHCP)[1][2:]]]  # Cumbria became two
    north_west = Context("E12000002", "2025/26 autumn", codes)
    assert not check_corrected(load_contract(EHCP), "a.csv", tables.as_csv(split), north_west).offered


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_accepted_corrections_give_the_rows_that_were_meant(kind: str, contexts: dict[str, Context], tables: ModuleType) -> None:
    contract, good = load_contract(EHCP), tables.example(EHCP)
    meant = check(contract, "a.csv", tables.as_csv(good), contexts[EHCP])
    table = [list(cells) for cells in good]
    table[0][2], table[0][3], table[0][12] = "refusals received", "refusals", "NOTE"
    table[0][2] = "requests received"
    for row, cells in enumerate(table[1:], 1):
        cells[1] = "Autumn 2023/24"
        cells[0] = contexts[EHCP].authorities.set_index("authority")["name"][cells[0]] if row % 2 else f" {cells[0]}"
    table[4][3] = "C"
    content = tables.as_csv(table) if kind == "csv" else tables.as_book(table)
    before = check_corrected(contract, f"a.{kind}", content, contexts[EHCP])
    assert before.report.errors and before.made == () and before.text == ""
    rules = {one.rule for one in before.offered}
    done = check_corrected(contract, f"a.{kind}", content, contexts[EHCP], rules)
    assert done.report.findings == () and done.offered == () and done.unknown == ()
    assert len(done.made) == len(before.offered) == 3 + 12 + 12 + 1
    assert done.report.sha256 == before.report.sha256
    assert meant.rows is not None and done.report.rows is not None
    pd.testing.assert_frame_equal(done.report.rows, meant.rows)
    # The derived CSV is a return by itself.
    again = check(contract, "a.csv", done.text.encode(), contexts[EHCP])
    assert again.findings == () and again.rows is not None
    pd.testing.assert_frame_equal(again.rows, meant.rows)


def test_what_is_not_certain_is_accepted_one_by_one_only(contexts: dict[str, Context], tables: ModuleType) -> None:
    table = tables.example(EHCP)
    table[3][2], table[4][2] = "2l2", "2O5"
    content, contract = tables.as_csv(table), load_contract(EHCP)
    by_rule = check_corrected(contract, "a.csv", content, contexts[EHCP], ["types.letter_for_digit"])
    assert by_rule.made == () and by_rule.unknown == ("types.letter_for_digit",) and len(by_rule.offered) == 2
    one = check_corrected(contract, "a.csv", content, contexts[EHCP], [by_rule.offered[0].key])
    assert [(made.cell, made.before, made.after) for made in one.made] == [("C4", "2l2", "212")]
    assert [left.cell for left in one.offered] == ["C5"] and [error.cell for error in one.report.errors] == ["C5"]


def test_a_heading_put_right_brings_the_cells_below_it_to_light(contexts: dict[str, Context], tables: ModuleType) -> None:
    table = tables.example(EHCP)
    table[0][2], table[3][2] = "reqests", "C"
    content, contract = tables.as_csv(table), load_contract(EHCP)
    (offered,) = check_corrected(contract, "a.csv", content, contexts[EHCP]).offered
    assert (offered.rule, offered.after, offered.certain) == ("shape.misspelt_heading", "requests", False)
    done = check_corrected(contract, "a.csv", content, contexts[EHCP], [offered.key, "types.symbol_case"])
    assert [one.rule for one in done.made] == ["shape.misspelt_heading", "types.symbol_case"] and not done.report.errors


def test_rows_keep_their_numbers_in_the_derived_csv(contexts: dict[str, Context], tables: ModuleType) -> None:
    table = tables.example(EHCP)
    table[3][0] = "e06000003"
    content = b"A title\n\n" + tables.as_csv(table)
    done = check_corrected(load_contract(EHCP), "a.csv", content, contexts[EHCP], ["values.code_case"])
    assert [one.cell for one in done.made] == ["A6"]
    lines = list(csv.reader(io.StringIO(done.text)))
    assert lines[5][0] == "E06000003" and lines[1] == []


def test_corrections_do_not_hide_what_a_workbook_says_of_other_cells(contexts: dict[str, Context], tables: ModuleType) -> None:
    table = tables.example(EHCP)
    table[3][0] = "e06000003"

    def change(book: Workbook) -> None:
        book.active["L5"] = 0.5
        book.active["L5"].number_format = "0%"

    done = check_corrected(load_contract(EHCP), "a.xlsx", tables.as_book(table, change), contexts[EHCP], ["values.code_case"])
    assert [(error.rule, error.cell) for error in done.report.errors] == [("types.percent_cell", "L5")]


@pytest.mark.parametrize("name", NAMES)
def test_the_good_example_needs_no_correction_and_its_names_for_codes_are_all_put_right(
    name: str, contexts: dict[str, Context], tables: ModuleType
) -> None:
    contract, table = load_contract(name), tables.example(name)
    assert check_corrected(contract, "a.csv", tables.as_csv(table), contexts[name]).offered == ()
    place = contract.with_role("authority")
    if place is None:
        return
    at, names = table[0].index(place.name), contexts[name].authorities.set_index("authority")["name"]
    by_name = [table[0], *([*cells[:at], names[cells[at]], *cells[at + 1 :]] for cells in table[1:])]
    done = check_corrected(contract, "a.csv", tables.as_csv(by_name), contexts[name], ["values.name_for_code"])
    assert done.report.findings == () and len(done.made) == len(table) - 1


def test_every_correction_of_the_table_is_of_a_rule_that_there_is() -> None:
    assert set(CORRECTABLE) <= set(built_in_rules()) and set(WORDS) == set(CORRECTABLE) == {"types.trimmed", *FIXES}
