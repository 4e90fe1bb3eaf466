"""Examples that break the rules which hold for every contract. Loaded by conftest.py."""

import dataclasses
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from contract_broken import NO_REGION, Broken, Expected, add, edit, edited, one, wider
from contract_tables import Rows, as_book, as_csv, as_excel, example
from openpyxl import Workbook
from openpyxl.comments import Comment

from data_contracts import Context, Limits, check, load_contract


def previous() -> Any:
    """The last return, in which row 2 had a twelfth of the requests."""
    before = check(load_contract("ehcp_process"), "a.csv", as_csv(example("ehcp_process")), Context()).rows
    assert before is not None
    return before.assign(requests=before["requests"].where(before["row"] != 2, 19), period="2022/23 autumn")


def number(rule: str, entered: str) -> Broken:
    """A case of a cell that is no number."""
    return dataclasses.replace(edit(rule, "ehcp_process", 3, "requests", requests=entered), name=entered)


def day(rule: str, entered: str) -> Broken:
    """A case of a cell that is no date."""
    return dataclasses.replace(edit(rule, "reform_register", 4, "start", start=entered), name=entered)


def noted(rule: str, entered: str) -> Broken:
    """A case of a note that must not stand."""
    return dataclasses.replace(edit(rule, "ehcp_process", 3, "note", note=entered), name=ascii(entered)[:30])


TYPES = (
    *(
        number("types.unknown_symbol", entered)
        for entered in ("n/a", "..", "-", "–", ":", "~", "*", "[c]", "NaN", "nil", "#REF!")
    ),
    number("types.symbol_case", "C"),
    number("types.cell_error", "#NAME?"),
    number("types.formula", "=C2+1"),
    *(number("types.below_sign", entered) for entered in ("<5", "≥ 10")),
    *(number("types.footnote_mark", entered) for entered in ("5*", "12 [a]")),
    *(number("types.approximate", entered) for entered in ("approx 12", "c. 12", "~12")),
    number("types.currency", "£1000"),
    number("types.percent_sign", "12%"),
    *(number("types.odd_minus", entered) for entered in ("−5", "– 5")),
    *(number("types.thousands", entered) for entered in ("1 188", "1,188", "1_000", "1\u00a0188")),
    number("types.decimal_comma", "12,5"),
    number("types.exponent", "1e3"),
    number("types.odd_digits", "１２"),
    *(number("types.not_whole", entered) for entered in ("12.5", "12.0")),
    number("types.too_many_digits", "1234567890123456"),
    *(number("types.letter_for_digit", entered) for entered in ("12O", "l2")),
    number("types.unit_in_cell", "12 requests"),
    *(number("types.not_a_number", entered) for entered in ("inf", "0x1A", "twelve", "1.2.3", "--5", "5-10")),
    day("types.date_serial", "45236"),
    *(day("types.date_impossible", entered) for entered in ("2024-02-30", "31/02/2024")),
    day("types.date_with_time", "2024-02-03 09:00"),
    day("types.date_short_year", "06/11/23"),
    *(day("types.date_format", entered) for entered in ("06/11/2023", "13/11/2023", "11.13.2023")),
    *(day("types.not_a_date", entered) for entered in ("autumn", "2023-11", "Nov 2023", "20231106")),
    Broken(
        "types.trimmed",
        "ehcp_process",
        lambda: as_csv(edited("ehcp_process", 3, requests=" 188\u00a0")),
        (("types.trimmed", 3, "requests"),),
    ),
)

VALUES = (
    add("values.unknown_authority", "ehcp_process", 2, "authority", authority="E06999999"),
    add("values.code_case", "ehcp_process", 2, "authority", authority="e06000001"),
    add("values.name_for_code", "ehcp_process", 2, "authority", authority="Hartlepool"),
    add("values.old_code", "ehcp_process", 2, "authority", authority="805"),
    add("values.district_code", "ehcp_process", 2, "authority", authority="E07000008"),
    add("values.other_nation", "ehcp_process", 2, "authority", authority="W06000001"),
    add("values.other_region", "ehcp_process", 2, "authority", authority="E08000035"),
    # Gateshead is there under its present code as well.
    add("values.ended_code", "ehcp_process", 2, "authority", ("rows.double_count", 14, "authority"), authority="E08000020"),
    one("values.early_code", "ehcp_process", "authority", authority="E06000063", period="2022/23 autumn"),
    one("values.recoded", "ehcp_process", "authority", authority="E08000038"),
    *(
        dataclasses.replace(edit("values.not_a_period", "ehcp_process", 3, "period", period=entered), name=entered)
        for entered in ("202324", "2023-24", "2023Q3", "Autumn 2023/24", "2023/25 autumn")
    ),
    edit("values.wrong_period", "ehcp_process", 3, "period", period="2023/24 spring"),
    Broken(
        "values.not_asked",
        "ehcp_process",
        lambda: as_csv(example("ehcp_process")),
        (("values.not_asked", None, None),),
        {"asked_until": date(2023, 12, 30)},
    ),
    one("values.future_period", "ehcp_process", "period", context={"today": date(2023, 8, 31)}),
    Broken(
        "values.mixed_periods",
        "ehcp_process",
        lambda: as_csv(edited("ehcp_process", 3, period="2023/24 spring")),
        (("values.mixed_periods", 3, "period"),),
        NO_REGION,
    ),
    edit("values.unknown_reform", "reform_register", 4, "reform", reform="ap_tier"),
    Broken(
        "values.proportion",
        "shares",
        lambda: b"area,share\na,0.1\nb,0.2\nc,0.3\n",
        (("values.proportion", 2, "share"),),
    ),
    Broken(
        "values.not_as_written",
        "visits",
        lambda: b"visited,place\n2023-10-02,ABC\n2023-10-03,Ab1\n,\n",
        (("values.not_as_written", 3, "place"), ("shape.blank_rows", None, None)),
    ),
    Broken(
        "values.other_period",
        "visits",
        lambda: b"visited,place\n2023-09-01,ABC\n2023-12-31,ABC\n2024-01-01,ABC\n2023-08-31,\n",
        (("values.other_period", 4, "visited"), ("values.other_period", 5, "visited")),
        {"period": "2023/24 autumn"},
    ),
)

PUPIL = "A123456789012"
TEXT = (
    *(
        noted("text.runs", entered)
        for entered in ('=HYPERLINK("https://example.org")', "+1", "-1+1", "@SUM(1)", "- cmd|' /C calc'!A0", "＝1")
    ),
    # A tab or a line break before the sign does not hide it: it is taken off, and said.
    Broken(
        "text.runs",
        "ehcp_process",
        lambda: as_csv(edited("ehcp_process", 3, note="\t=1+1")),
        (("text.runs", 3, "note"), ("types.trimmed", 3, "note")),
        name="tab",
    ),
    *(noted("text.markup", entered) for entered in ("<script>alert(1)</script>", "< img src=x>", "<!-- x -->")),
    *(noted("text.invisible", entered) for entered in ("a\u202eb", "a\u200bb")),
    *(noted("text.mojibake", entered) for entered in ("Â£5", "cafÃ©", "itâ€™s")),
    *(noted("text.other_alphabet", entered) for entered in ("pаid", "Ωmega")),
    *(
        noted("text.personal_data", entered)
        for entered in (
            f"Pupil {PUPIL} moved",
            "Family at SW1A 1AA",
            "family at sw1a 1aa",
            "Write to jo.bloggs@example.org",
            "DoB 12/03/2014",
            "One child born on 3 May 2012",
            "NHS 943 476 5919",
            "NHS 9434765919",
            "NI number AB123456C",
        )
    ),
    Broken(
        "text.personal_data",
        "visits",
        lambda: f"visited,place\n2023-10-02,{PUPIL}\n".encode(),
        (("text.personal_data", 2, "place"), ("values.not_as_written", 2, "place")),
    ),
    Broken(
        "text.personal_heading",
        "ehcp_process",
        lambda: as_csv(wider("Date of birth", "x")),
        (("text.personal_heading", 1, "Date of birth"),),
    ),
    Broken(
        "text.personal_data",
        "ehcp_process",
        lambda: as_csv(wider("id", PUPIL)),
        (*(("text.personal_data", row, "id") for row in range(2, 14)), ("shape.ignored_column", 1, "id")),
        name="in a column that is not read",
    ),
    Broken(
        "text.personal_data",
        "ehcp_process",
        lambda: f"For {PUPIL}\n".encode() + as_csv(example("ehcp_process")),
        (("text.personal_data", 1, None), ("shape.title_rows", 2, None)),
        name="above the headings",
    ),
)

TOGETHER = (
    add("rows.duplicate", "ehcp_process", 3, "authority"),
    add("rows.conflict", "ehcp_process", 3, "authority", requests="187"),
    Broken(
        "rows.missing_authority",
        "ehcp_process",
        lambda: as_csv(example("ehcp_process")[:-1]),
        (("rows.missing_authority", None, "authority"),),
    ),
    Broken(
        "history.large_change",
        "ehcp_process",
        lambda: as_csv(example("ehcp_process")),
        (("history.large_change", 2, "requests"),),
        {"previous": previous},
    ),
)

SHAPE = (
    Broken(
        "shape.no_headings", "ehcp_process", lambda: as_csv(example("ehcp_process")[1:]), (("shape.no_headings", None, None),)
    ),
    Broken(
        "shape.alias",
        "ehcp_process",
        lambda: as_csv([["GSS code", "Term", *example("ehcp_process")[0][2:]], *example("ehcp_process")[1:]]),
        (("shape.alias", 1, "authority"), ("shape.alias", 1, "period")),
    ),
    *(
        Broken(
            rule,
            "ehcp_process",
            lambda first=first: as_csv([*example("ehcp_process"), [first, *["7"] * 12]]),  # type: ignore[misc]
            ((rule, 14, None),),
            name=first,
        )
        for rule, first in (
            ("shape.total_row", "Total"),
            ("shape.total_row", "Region total"),
            ("shape.total_row", "England"),
            ("shape.example_row", "Example: E06000001"),
        )
    ),
    Broken(
        "shape.footnote",
        "ehcp_process",
        lambda: as_csv([*example("ehcp_process"), ["Source: case system", *[""] * 12]]),
        (("shape.footnote", 14, None),),
    ),
)


def in_book(
    rule: str, change: Callable[[Workbook], None], *expect: Expected, contract: str = "ehcp_process", name: str = ""
) -> Broken:
    """A case of the good example as a workbook, changed by a function."""
    return Broken(rule, contract, lambda: as_book(example(contract), change), expect, name=name)


def put(cell: str, value: Any, number_format: str = "") -> Callable[[Workbook], None]:
    def change(book: Workbook) -> None:
        book.active[cell] = value
        if number_format:
            book.active[cell].number_format = number_format

    return change


def hide_sheet(book: Workbook) -> None:
    book.create_sheet("Notes")["A1"] = "Nothing here"
    book["Return"].sheet_state = "hidden"


def second_sheet(book: Workbook) -> None:
    copy = book.copy_worksheet(book["Return"])
    copy.title = "Return (2)"


def other_sheet(book: Workbook) -> None:
    book.create_sheet("Working")["A1"] = "Yes"


def sheet_of_pupils(book: Workbook) -> None:
    sheet = book.create_sheet("Working")
    sheet["A1"], sheet["B7"] = "Reference", PUPIL


def hide_row(book: Workbook) -> None:
    book.active.row_dimensions[5].hidden = True


def hide_column(book: Workbook) -> None:
    book.active.column_dimensions["C"].hidden = True


def comment_on_a_pupil(book: Workbook) -> None:
    book.active["C3"].comment = Comment("Ask about A123456789012", "Someone")


def comment(book: Workbook) -> None:
    book.active["C3"].comment = Comment("Ask again", "Someone")


def merge(book: Workbook) -> None:
    book.active.merge_cells("M3:M4")


def excel(rule: str, content: Callable[[Rows], bytes], *expect: Expected) -> Broken:
    """A case of the good example of EHC plans as Excel writes it."""
    return Broken(rule, "ehcp_process", lambda: content(example("ehcp_process")), expect)


def repeated_text(table: Rows) -> bytes:
    """One long text that thousands of cells share: small in the file, and very large once written out."""
    row = '<row r="{0}">' + "".join(f'<c r="{letter}{{0}}" t="s"><v>0</v></c>' for letter in "ABCDEFGHIJ") + "</row>"
    rows = "".join(row.format(number) for number in range(20, 420))
    return as_excel(table, texts=[f"<si><t>{'long ' * 6000}</t></si>"], rows=rows)


BOOKS = (
    in_book("types.formula_without_value", put("C3", "=1+1"), ("types.formula_without_value", 3, "requests")),
    in_book("types.cell_error", put("C3", "#VALUE!"), ("types.cell_error", 3, "requests"), name="cell"),
    in_book("types.became_date", put("C3", date(2023, 5, 10)), ("types.became_date", 3, "requests")),
    in_book("types.percent_cell", put("C3", 0.123, "0.0%"), ("types.percent_cell", 3, "requests")),
    in_book(
        "types.date_with_time",
        put("C4", datetime(2023, 11, 6, 9, 30)),
        ("types.date_with_time", 4, "start"),
        contract="reform_register",
    ),
    in_book("shape.hidden_sheet", hide_sheet, ("shape.hidden_sheet", None, None), ("shape.other_sheets", None, None)),
    in_book("shape.several_sheets", second_sheet, ("shape.several_sheets", None, None)),
    in_book("shape.other_sheets", other_sheet, ("shape.other_sheets", None, None)),
    in_book(
        "text.personal_data",
        sheet_of_pupils,
        ("text.personal_data", 7, None),
        ("shape.other_sheets", None, None),
        name="on another sheet",
    ),
    in_book("shape.hidden_row", hide_row, ("shape.hidden_row", 5, None)),
    in_book("shape.hidden_column", hide_column, ("shape.hidden_column", None, "requests")),
    in_book("shape.merged", merge, ("shape.merged", 3, None)),
    excel(
        "shape.long_cell",
        lambda table: as_excel(table, {"M3": f'<c r="M3" t="inlineStr"><is><t>{"x" * 32_768}</t></is></c>'}),
        ("shape.long_cell", 3, None),
        ("text.too_long", 3, "note"),
    ),
    excel(
        "shape.formulas",
        lambda table: as_excel(
            table, {"C3": '<c r="C3"><f>C2-50</f><v>188</v></c>', "M3": '<c r="M3" t="str"><f>""</f><v></v></c>'}
        ),
        ("shape.formulas", None, None),
    ),
    excel("file.too_heavy", repeated_text, ("file.too_heavy", None, None)),
    in_book("file.comments", comment, ("file.comments", None, None)),
    in_book("text.personal_comment", comment_on_a_pupil, ("file.comments", None, None), ("text.personal_comment", None, None)),
    Broken(
        "file.too_many_cells",
        "ehcp_process",
        lambda: as_book(example("ehcp_process")),
        (("file.too_many_cells", None, None),),
        limits=Limits(rows=12),
    ),
)

CASES = (*TYPES, *VALUES, *TEXT, *TOGETHER, *SHAPE, *BOOKS)
