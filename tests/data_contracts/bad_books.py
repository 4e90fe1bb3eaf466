"""Bad inputs 48 to 64: what workbooks bring with them. Loaded by conftest.py."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from contract_bad_files import HEADING, ROWS, BadFile, Expected, changed, error, note, workbook
from contract_tables import as_book, as_csv, as_excel, example
from openpyxl import Workbook
from openpyxl.comments import Comment
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from data_contracts import load_contract

# A contract with what those that ship have not all: ages, a rate beside its counts, parts and their total, a withdrawn column.
AGES = """
apiVersion: v3.1.0
kind: DataContract
id: ages
name: ages
version: 1.1.0
status: active
schema:
  - name: ages
    properties:
      - name: area
        logicalType: string
        required: true
        primaryKey: true
        primaryKeyPosition: 1
      - name: age
        logicalType: string
        required: true
        primaryKey: true
        primaryKeyPosition: 2
        customProperties: [{property: choices, value: ["5-10", "11-15", "016"]}]
      - name: pupils
        logicalType: integer
        required: true
        logicalTypeOptions: {minimum: 0}
        customProperties: [{property: symbols, value: [c, x]}]
      - name: girls
        logicalType: integer
        required: true
        logicalTypeOptions: {minimum: 0}
        customProperties: [{property: symbols, value: [c, x]}]
      - name: boys
        logicalType: integer
        required: true
        logicalTypeOptions: {minimum: 0}
        customProperties: [{property: symbols, value: [c, x]}]
      - name: absent
        logicalType: integer
        required: true
        logicalTypeOptions: {minimum: 0}
        customProperties: [{property: symbols, value: [c, x]}]
      - name: rate
        logicalType: number
        required: true
        logicalTypeOptions: {minimum: 0, maximum: 100}
        customProperties: [{property: unit, value: "%"}, {property: symbols, value: [c, x]}]
      - name: excluded
        logicalType: integer
        customProperties: [{property: until, value: 1.0.0}]
    quality:
      - id: add_up
        type: custom
        engine: data_contracts
        severity: error
        implementation: {kind: adds_up, at: pupils, parts: [girls, boys], total: pupils}
        customProperties:
          - {property: message, value: "Girls ({girls}) and boys ({boys}) do not add up to {pupils}."}
          - {property: fix, value: Check the three figures.}
      - id: rate_matches
        type: custom
        engine: data_contracts
        severity: error
        implementation: {kind: equal, at: rate, left: {product: [rate, pupils]}, right: {product: [absent, 100]}, tolerance: 5}
        customProperties:
          - {property: message, value: "The rate of {rate}% is not {absent} out of {pupils}."}
          - {property: fix, value: Check the rate and the figures it is made of.}
"""
AGE_HEADING = ["area", "age", "pupils", "girls", "boys", "absent", "rate"]
AGE_ROWS = [
    ["a", "5-10", "100", "40", "60", "5", "5"],
    ["a", "11-15", "80", "40", "40", "2", "2.5"],
    ["a", "016", "10", "6", "4", "0", "0"],
]
REGISTER = "reform_register"
NEWEST = load_contract("ehcp_process").version


def query(rule: str, row: int | None = None, cell: str | None = None) -> Expected:
    return rule, "query", row, cell


def ages(row: int = 2, **cells: str) -> bytes:
    """The table of ages with cells of one row changed."""
    rows = [list(line) for line in AGE_ROWS]
    for name, value in cells.items():
        rows[row - 2][AGE_HEADING.index(name)] = value
    return as_csv([AGE_HEADING, *rows])


def of_ages(item: int, name: str, *expect: Expected, row: int = 2, why: str = "", **cells: str) -> BadFile:
    return BadFile(item, name, lambda: ages(row, **cells), expect, contract=AGES, same_rows=False, why=why)


def cell(item: int, column: str, entered: str, *expect: Expected, row: int = 3, **more: Any) -> BadFile:
    """The good table with one cell changed; without an own list of findings there is one, at the cell."""
    return BadFile(
        item, f"{column} {ascii(entered)[:40]}", lambda: as_csv([HEADING, *changed(row, column, entered)]), expect, **more
    )


def book(item: int, name: str, change: Callable[[Workbook], None], *expect: Expected, **more: Any) -> BadFile:
    return BadFile(item, name, lambda: workbook(change), expect, "return.xlsx", **more)


def put(**cells: Any) -> Callable[[Workbook], None]:
    """Values put into cells."""

    def change(made: Workbook) -> None:
        for place, value in cells.items():
            made.active[place] = value

    return change


def last(item: int, name: str, cells: list[str], *expect: Expected) -> BadFile:
    """A row after the last one; its cells are filled up with blanks."""
    rows = [*ROWS, [*cells, *[""] * (len(HEADING) - len(cells))]]
    return BadFile(item, name, lambda: as_csv([HEADING, *rows]), expect)


def register(item: int, name: str, change: Callable[[Workbook], None], *expect: Expected) -> BadFile:
    """The good register as a workbook, changed."""
    return BadFile(
        item, name, lambda: as_book(example(REGISTER), change), expect, "register.xlsx", contract=REGISTER, same_rows=False
    )


def day(item: int, entered: str, rule: str) -> BadFile:
    """A start of the register as text, in a CSV."""

    def made() -> bytes:
        table = example(REGISTER)
        table[3][2] = entered
        return as_csv(table)

    return BadFile(item, f"date {entered}", made, (error(rule, 4, "C4"),), contract=REGISTER)


def template(**said: str) -> Callable[[Workbook], None]:
    """The hidden sheet of a template."""

    def change(made: Workbook) -> None:
        sheet = made.create_sheet("_contract")
        sheet.sheet_state = "veryHidden"
        for pair in said.items():
            sheet.append(pair)

    return change


def hidden_sheet(made: Workbook) -> None:
    made.create_sheet("Notes")["A1"] = "Nothing here"
    made["Return"].sheet_state = "hidden"


def second_sheet(made: Workbook) -> None:
    made.copy_worksheet(made["Return"]).title = "Return (2)"


def wrong_sheet(made: Workbook) -> None:
    made.active.title = "Sheet7"
    made.create_sheet("Return", 0)["A1"] = "See Sheet7"


def hidden_rows(made: Workbook) -> None:
    made.active.row_dimensions[5].hidden = True


def merged(made: Workbook) -> None:
    made.active.merge_cells("M3:M4")


def cells_as(**formats: tuple[Any, str]) -> Callable[[Workbook], None]:
    """Values put into cells with a number format."""

    def change(made: Workbook) -> None:
        for name, (value, shape) in formats.items():
            made.active[name] = value
            made.active[name].number_format = shape

    return change


def from_1904(made: Workbook) -> None:
    made.epoch = CALENDAR_MAC_1904


def serial_from_1904(made: Workbook) -> None:
    from_1904(made)
    made.active["C4"], made.active["C4"].number_format = 43774, "General"


def commented(made: Workbook) -> None:
    made.active["C3"] = None
    made.active["C3"].comment = Comment("188", "Someone")


def long_cell() -> bytes:
    return as_excel(example("ehcp_process"), {"M3": f'<c r="M3" t="inlineStr"><is><t>{"x" * 32_768}</t></is></c>'})


TITLE = ["Source: case system"]
CASES = (
    book(48, "on another sheet than Return", wrong_sheet, note("shape.other_sheets")),
    book(48, "hidden sheet", hidden_sheet, error("shape.hidden_sheet"), note("shape.other_sheets")),
    book(48, "several sheets", second_sheet, error("shape.several_sheets")),
    book(49, "hidden or filtered row", hidden_rows, query("shape.hidden_row", 5)),
    book(50, "merged", merged, error("shape.merged", 3, "M3")),
    book(51, "never calculated", put(C3="=100+88"), error("types.formula_without_value", 3, "C3")),
    *(book(52, mark, put(C3=mark), error("types.cell_error", 3, "C3")) for mark in ("#VALUE!", "#REF!", "#N/A")),
    register(53, "serial", cells_as(C4=(45236, "General")), error("types.date_serial", 4, "C4")),
    register(53, "dates from 1904", from_1904, note("shape.dates_from_1904")),
    register(53, "serial from 1904", serial_from_1904, error("types.date_serial", 4, "C4"), note("shape.dates_from_1904")),
    *(day(54, entered, "types.date_format") for entered in ("06/11/2023", "13/11/2023", "11.13.2023")),
    *(day(54, entered, "types.date_impossible") for entered in ("31/02/2026", "2026-02-31")),
    day(54, "06/11/23", "types.date_short_year"),
    register(54, "text in a workbook", put(C4="06/11/2023"), error("types.date_format", 4, "C4")),
    of_ages(55, "5-10 in a CSV", error("values.became_date", 2, "B2"), age="10-May"),
    of_ages(55, "zeros lost", error("values.lost_zero", 4, "B4"), row=4, age="16"),
    BadFile(
        55,
        "5-10 in a workbook",
        lambda: as_book([AGE_HEADING, *AGE_ROWS], put(B2=datetime(2026, 5, 10))),
        (error("types.became_date", 2, "B2"), error("values.lost_zero", 4, "B4")),
        "ages.xlsx",
        contract=AGES,
    ),
    *(
        cell(55, "authority", entered, *expect)
        for entered, expect in (
            ("6.0E+06", (error("values.code_became_number", 3, "A3"), query("rows.missing_authority"))),
            ("6000002", (error("values.code_became_number", 3, "A3"), query("rows.missing_authority"))),
        )
    ),
    book(56, "12.3% in weeks", cells_as(L3=(0.123, "0.0%")), error("types.percent_cell", 3, "L3")),
    book(57, "number as text", put(C3="188"), why="the text is a number: it is read as one"),
    cell(58, "average_weeks", "20.800000000000001", note("types.long_decimal", 3, "L3"), same_rows=False),
    book(
        58,
        "long decimal in a workbook",
        put(L3=20.8 + 4e-15),
        why="a workbook's number is read with the 15 digits that Excel shows",
    ),
    last(59, "total", ["Total", "", "1992", "375"], error("shape.total_row", 14)),
    last(59, "subtotal", ["Sub total", "2023/24 autumn", "7", "7"], error("shape.total_row", 14)),
    last(59, "England", ["E92000001", *ROWS[0][1:]], error("values.region_code", 14, "A14")),
    last(59, "region", ["E12000001", *ROWS[0][1:]], error("values.region_code", 14, "A14")),
    last(60, "source", TITLE, error("shape.footnote", 14)),
    last(60, "note in two cells", ["Note", "Figures are provisional."], error("shape.footnote", 14)),
    last(61, "example row", ["Example: E06000001", *ROWS[0][1:]], error("shape.example_row", 14)),
    last(61, "instruction", ["Enter one row for each authority", "like 2023/24 autumn"], error("shape.example_row", 14)),
    book(
        62, "template of this return", template(contract="ehcp_process", version=NEWEST, region="E12000001"), why="the right one"
    ),
    book(62, "template of another return", template(contract="ap_tiers", version="1.0.0"), error("shape.template_contract")),
    book(62, "older template", template(contract="ehcp_process", version="1.0.0"), note("shape.template_older")),
    book(62, "version that never was", template(contract="ehcp_process", version="0.9.0"), query("shape.template_version")),
    book(62, "another region's", template(contract="ehcp_process", region="E12000002"), note("shape.template_region")),
    book(62, "last term's", template(contract="ehcp_process", period="2022/23 summer"), note("shape.template_period")),
    book(63, "figure in a comment", commented, note("file.comments"), error("types.blank", 3, "C3")),
    BadFile(64, "32,768 characters", long_cell, (error("shape.long_cell", 3, "M3"), error("text.too_long", 3, "M3")), "a.xlsx"),
)
