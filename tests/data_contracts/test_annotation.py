"""What goes back to the sender: each finding marked in its cell, the sender's own formats kept, nothing that runs."""

import io
from types import ModuleType
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook
from openpyxl.comments import Comment
from openpyxl.styles import Font, PatternFill

from data_contracts import Context, Limits, Report, check, contracts, load_contract
from data_contracts.annotation import annotated, place_of
from data_contracts.reading import marker
from data_contracts.sheets import FINDINGS, RETURN

NAMES = sorted(contracts())


def opened(report: Report, content: bytes, limits: Limits | None = None) -> Workbook:
    return load_workbook(io.BytesIO(annotated(report, content, limits)), rich_text=True)


def assert_marks(book: Workbook, sheet: str, report: Report) -> None:
    """Every error and query that names a row is marked where it says, and every finding is listed with a link there."""
    for finding in report.findings:
        if place_of(finding) and finding.severity != "note":
            cell = book[sheet][place_of(finding)]
            assert finding.message in cell.comment.text and finding.fix in cell.comment.text
            assert cell.fill.patternType == "solid" and cell.border.left.style in ("thick", "mediumDashed")
    marked = [cell.coordinate for cells in book[sheet].iter_rows() for cell in cells if cell.comment]
    assert set(marked) == {place_of(finding) for finding in report.findings} - {""}
    listed = list(book[FINDINGS].iter_rows(min_row=6))
    assert [row[5].value for row in listed] == [finding.message for finding in report.findings]
    for row, finding in zip(listed, report.findings, strict=True):
        assert row[0].value == finding.severity.capitalize()
        place = place_of(finding)
        quoted = sheet.replace("'", "''")
        assert (row[1].hyperlink.location == f"'{quoted}'!{place}") if place else row[1].hyperlink is None


@pytest.mark.parametrize("name", NAMES)
def test_the_copy_of_a_text_file_has_every_finding_in_its_place(name: str, contexts: dict[str, Context]) -> None:
    contract = load_contract(name)
    for example in contract.broken_examples()[:4]:
        content = example.text.encode()
        report = check(contract, "return.csv", content, contexts[name])
        book = opened(report, content)
        assert_marks(book, RETURN, report)
        cells = [cell.value for cells in book[RETURN].iter_rows() for cell in cells if cell.value is not None]
        assert all(isinstance(value, str) for value in cells) and cells[0] in example.text


def test_the_senders_own_workbook_keeps_its_formats(contexts: dict[str, Context], tables: ModuleType) -> None:
    contract, table = load_contract("ehcp_process"), tables.example("ehcp_process")
    table[1][2], table[4][0] = "<5", "Stockton-on-Tees"

    def change(book: Workbook) -> None:
        sheet = book.active
        sheet.title = "It's ours"
        sheet["D3"].font, sheet["D4"].fill = Font(bold=True, color="FF0000"), PatternFill("solid", fgColor="00FF00")
        sheet["L3"].number_format, sheet.column_dimensions["A"].width = "0.00", 33.0
        sheet["C2"].comment = Comment("Ask Ned", "Ann")
        book.create_sheet("Other")["A1"] = "=1+1"

    content = tables.as_book(table, change)
    report = check(contract, "return.xlsx", content, contexts["ehcp_process"])
    book = opened(report, content)
    assert_marks(book, "It's ours", report)
    sheet = book["It's ours"]
    assert sheet["D3"].font.bold and sheet["D4"].fill.fgColor.rgb == "0000FF00"
    assert sheet["L3"].number_format == "0.00" and sheet.column_dimensions["A"].width == 33
    assert sheet["C2"].comment.text.startswith("Error: “<5”") and sheet["C2"].comment.text.endswith("in your file: Ask Ned")
    assert book.sheetnames == [FINDINGS, "It's ours", "Other"] and book["Other"]["A1"].value == "=1+1"
    assert [cell.value for cell in sheet[3]][:3] == ["E06000002", "2023/24 autumn", 188]

    # The copy, sent in again as it is, has the same errors; put right, it loses the marks.
    again = annotated(report, content)
    second = check(contract, "return.xlsx", again, contexts["ehcp_process"])
    assert [finding.key for finding in second.errors] == [finding.key for finding in report.errors]
    sheet["C2"], sheet["A5"] = 238, "E06000004"
    held = io.BytesIO()
    book.save(held)
    third = check(contract, "return.xlsx", held.getvalue(), contexts["ehcp_process"])
    assert not third.errors
    clean = opened(third, held.getvalue())
    assert clean.sheetnames == [FINDINGS, "It's ours", "Other"]
    assert clean["It's ours"]["A5"].comment is None and clean["It's ours"]["A5"].fill.patternType is None
    assert clean["It's ours"]["C2"].comment.text == "Ask Ned" and clean["It's ours"]["C2"].fill.patternType is None


def test_nothing_in_the_copy_of_a_text_file_runs(contexts: dict[str, Context], tables: ModuleType) -> None:
    table = tables.example("ehcp_process")
    nasty = ["=HYPERLINK(1)", "+1", "-1+2", "@SUM(1)", "\t=1", '=cmd|" /C calc"!A0']
    for row, text in enumerate(nasty, 1):
        table[row][12] = text
    content = tables.as_csv(table)
    report = check(load_contract("ehcp_process"), "=1+1.csv", content, contexts["ehcp_process"])
    book = opened(report, content)
    for sheet in book:
        for cell in (cell for cells in sheet.iter_rows() for cell in cells if cell.value):
            assert cell.data_type == "s", cell.coordinate
            assert cell.quotePrefix or not str(cell.value).startswith(("=", "+", "-", "@", "\t")), cell.coordinate
    assert [book[RETURN].cell(row, 13).value for row in range(2, 8)] == nasty
    assert not any(line.lstrip('"').startswith(("=", "+", "-", "@")) for line in report.to_csv().splitlines())


def test_a_merged_cell_is_marked_at_its_first(contexts: dict[str, Context], tables: ModuleType) -> None:
    content = tables.as_book(tables.example("ehcp_process"), lambda book: book.active.merge_cells("C2:C4"))
    report = check(load_contract("ehcp_process"), "return.xlsx", content, contexts["ehcp_process"])
    assert {finding.cell for finding in report.errors} >= {"C2", "C3", "C4"}
    sheet = opened(report, content)["Return"]
    assert all(finding.message[:20] for finding in report.errors) and sheet["C2"].comment.author == marker.AUTHOR


def test_a_workbook_too_heavy_to_be_marked_comes_back_as_text(contexts: dict[str, Context], tables: ModuleType) -> None:
    table = tables.example("ehcp_process")
    table[1][2] = "<5"

    def heavy(book: Workbook) -> None:
        other = book.create_sheet("Other")
        for _ in range(3000):
            other.append(["x"] * 13)

    content = tables.as_book(table, heavy)
    report = check(load_contract("ehcp_process"), "return.xlsx", content, contexts["ehcp_process"])
    book = opened(report, content, Limits(worker_bytes=60_000_000))
    assert book[RETURN]["C2"].comment.text.startswith("Error: “<5”") and book[RETURN]["C2"].data_type == "s"
    assert "as text" in book[FINDINGS]["A3"].value


def test_a_file_that_must_not_be_opened_gives_the_list_alone(contexts: dict[str, Context], tables: ModuleType) -> None:
    content = tables.repacked(tables.as_book(tables.example("ehcp_process")), add={"xl/vbaProject.bin": b"x"})
    report = check(load_contract("ehcp_process"), "return.xlsm", content, contexts["ehcp_process"])
    book = opened(report, content)
    assert [row[7] for row in book[FINDINGS].iter_rows(min_row=6, values_only=True)] == ["file.macros"]
    assert book[RETURN].max_row == 1 and "could not be read" in book[FINDINGS]["A3"].value


def test_other_bytes_than_those_checked_are_refused(contexts: dict[str, Context]) -> None:
    report = check(load_contract("ehcp_process"), "a.csv", b"authority\n", contexts["ehcp_process"])
    with pytest.raises(ValueError, match="not the bytes"):
        annotated(report, b"other")


def test_the_process_that_marks_writes_only_into_a_folder_that_is_gone(
    contexts: dict[str, Context], tables: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    content = tables.as_book(tables.example("ehcp_process"))
    report = check(load_contract("ehcp_process"), "return.xlsx", content, contexts["ehcp_process"])
    assert "your workbook" in opened(report, content)[FINDINGS]["A3"].value
    assert list(tmp_path.iterdir()) == []
