"""Workbooks: the reader is a process of its own with limits, and an ordinary workbook of a lead is read right."""

import io
import json
import os
import subprocess
import sys
import zipfile
from datetime import date, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from openpyxl import Workbook
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from data_contracts import Context, Limits, Report, check, load_contract
from data_contracts.reading import read, workbook, worker

SETTINGS = {
    "memory": 1_000_000_000,
    "seconds": 30,
    "unpacked": 150_000_000,
    "ratio": 200,
    "columns": 200,
    "rows": 1_100_000,
    "cells": 30_000_000,
    "cell": 32_767,
}


def found(report: Report) -> list[tuple[str, int | None, str | None]]:
    return [(finding.rule, finding.row, finding.cell) for finding in report.findings]


def register(contexts: dict[str, Context], content: bytes) -> Report:
    return check(load_contract("reform_register"), "a.xlsx", content, contexts["reform_register"])


def process(contexts: dict[str, Context], content: bytes) -> Report:
    return check(load_contract("ehcp_process"), "a.xlsx", content, contexts["ehcp_process"])


def test_an_ordinary_workbook_of_a_lead_is_read_right(contexts: dict[str, Context], tables: ModuleType) -> None:
    """Dates as date cells in three formats, a per cent cell for a share, numbers as text, a figure that a formula gave."""

    def change(book: Workbook) -> None:
        sheet = book.active
        sheet["C2"].number_format, sheet["C3"].number_format, sheet["C4"].number_format = (
            "dd/mm/yyyy",
            "d mmm yy",
            "[$-809]dddd d mmmm yyyy",
        )
        sheet["E3"] = "3"
        sheet["F3"] = 0.6
        sheet["F3"].number_format = "0%"

    report = register(contexts, tables.as_book(tables.example("reform_register"), change))
    assert report.findings == () and report.rows is not None
    assert report.rows["start"][:3].tolist() == [date(2024, 1, 8), date(2024, 9, 1), date(2023, 11, 6)]
    assert report.rows["end"].isna().sum() == 5
    assert report.rows["stage"][1] == 3 and report.rows["intensity"][1] == 0.6
    assert report.sheet == "Return"


def test_numbers_read_as_excel_shows_them(contexts: dict[str, Context], tables: ModuleType) -> None:
    cells = {
        "L3": '<c r="L3"><v>20.800000000000001</v></c>',
        "C3": '<c r="C3"><v>1.88E2</v></c>',
        "D3": '<c r="D3" t="str"><f>10*2</f><v>20</v></c>',
        "M3": '<c r="M3" t="inlineStr"><is><r><t>one_x000D_</t></r><r><t>\ntwo</t></r><rPh><t>no</t></rPh></is></c>',
    }
    report = process(contexts, tables.as_excel(tables.example("ehcp_process"), cells))
    assert [finding.rule for finding in report.findings] == ["shape.formulas"] and report.rows is not None
    row = report.rows.iloc[1]
    assert (row["average_weeks"], row["requests"], row["requests_refused"], row["note"]) == (20.8, 188, 20, "one two")


def test_dates_count_from_1904_where_the_workbook_says_so(contexts: dict[str, Context], tables: ModuleType) -> None:
    def change(book: Workbook) -> None:
        book.epoch = CALENDAR_MAC_1904

    report = register(contexts, tables.as_book(tables.example("reform_register"), change))
    assert report.rows is not None and report.rows["start"][0] == date(2024, 1, 8)


def test_a_formula_that_was_never_calculated_is_told(contexts: dict[str, Context], tables: ModuleType) -> None:
    def change(book: Workbook) -> None:
        book.active["L4"] = "=AVERAGE(18, 20)"

    report = process(contexts, tables.as_book(tables.example("ehcp_process"), change))
    assert found(report) == [("types.formula_without_value", 4, "L4")]
    assert report.errors[0].value == "=AVERAGE(18, 20)"


def test_hidden_rows_are_read_and_asked_about(contexts: dict[str, Context], tables: ModuleType) -> None:
    def change(book: Workbook) -> None:
        book.active.row_dimensions[6].hidden = True
        # A hidden row without any cell is no row.
        book.active.row_dimensions[40].hidden = True

    report = process(contexts, tables.as_book(tables.example("ehcp_process"), change))
    assert [(finding.rule, finding.row) for finding in report.findings] == [("shape.hidden_row", 6), ("shape.blank_rows", None)]
    assert report.findings[0].severity == "query"
    assert report.rows is not None and len(report.rows) == 12


def test_merged_cells_below_the_headings_are_told_and_titles_above_are_not(
    contexts: dict[str, Context], tables: ModuleType
) -> None:
    def change(book: Workbook) -> None:
        sheet = book.active
        sheet.insert_rows(1, 2)
        sheet["A1"] = "Return of the North East"
        sheet.merge_cells("A1:D1")
        sheet.merge_cells("C5:C6")

    report = process(contexts, tables.as_book(tables.example("ehcp_process"), change))
    assert found(report) == [
        ("shape.merged", 5, "C5"),
        ("types.blank", 6, "C6"),
        ("shape.title_rows", 3, None),
    ]


def test_the_sheet_with_the_headings_is_found_whatever_its_place(contexts: dict[str, Context], tables: ModuleType) -> None:
    def change(book: Workbook) -> None:
        book.create_sheet("Notes", 0)["A1"] = "How to fill in this return"
        book.create_sheet("Old")["A1"] = "authority"
        book["Old"].sheet_state = "veryHidden"

    report = process(contexts, tables.as_book(tables.example("ehcp_process"), change))
    assert found(report) == [("shape.other_sheets", None, None)] and report.notes[0].value == "Notes, Old"
    assert report.sheet == "Return"


def test_a_code_that_excel_turned_into_a_date_is_told_with_the_date(contexts: dict[str, Context], tables: ModuleType) -> None:
    def change(book: Workbook) -> None:
        book.active["C3"] = datetime(2026, 5, 10)

    report = process(contexts, tables.as_book(tables.example("ehcp_process"), change))
    assert [(finding.rule, finding.value) for finding in report.findings] == [("types.became_date", "2026-05-10")]


def test_a_per_cent_cell_is_refused_where_the_unit_is_no_share(contexts: dict[str, Context], tables: ModuleType) -> None:
    def change(book: Workbook) -> None:
        book.active["L3"] = 0.123
        book.active["L3"].number_format = "0.0%"

    report = process(contexts, tables.as_book(tables.example("ehcp_process"), change))
    assert [(finding.rule, finding.value) for finding in report.findings] == [("types.percent_cell", "12.3%")]


def test_many_of_one_mark_hide_no_other(contexts: dict[str, Context], tables: ModuleType) -> None:
    """Six thousand merged cells must not make the reader forget a hidden row."""
    merged = "".join(f'<mergeCell ref="A{row}:B{row}"/>' for row in range(20, 6_020))
    content = tables.as_excel(
        tables.example("ehcp_process"), rows='<row r="14" hidden="1"><c r="A14" t="str"><v>E06000001</v></c></row>'
    )
    content = tables.repacked(
        content,
        {tables.SHEET: lambda part: part.replace(b"</sheetData>", f"</sheetData><mergeCells>{merged}</mergeCells>".encode())},
    )
    rules = [finding.rule for finding in process(contexts, content).findings]
    assert "shape.hidden_row" in rules and rules.count("shape.merged") == worker.MOST_MARKS


# --- the reader as a wall ---


def test_the_worker_needs_nothing_of_the_project_or_the_environment(tables: ModuleType, tmp_path: Path) -> None:
    """It starts in an empty folder, without environment, and has loaded nothing that is not of the standard library."""
    script = tmp_path / "outer.py"
    script.write_text(
        "import runpy, sys\n"
        f"sys.argv = ['worker.py', {json.dumps(json.dumps(SETTINGS))}]\n"
        f"runpy.run_path({str(workbook._WORKER)!r}, run_name='__main__')\n"
        "strange = sorted({name.split('.')[0] for name in sys.modules} - sys.stdlib_module_names - {'__main__', '__mp_main__'})\n"
        "sys.stderr.write(','.join(name for name in strange if not name.startswith(('_', 'sitecustomize'))))\n"
    )
    content = tables.as_book(tables.example("ehcp_process"))
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(script)], input=content, capture_output=True, cwd=tmp_path, env={}, check=True
    )
    assert done.stderr == b""
    assert len(json.loads(done.stdout)["sheets"][0]["rows"]) == 13


def test_the_worker_runs_in_this_interpreter_with_an_empty_environment(
    tables: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}
    real = subprocess.run

    def spy(command: list[str], **options: Any) -> Any:
        seen.update(options, command=command)
        return real(command, **options)

    monkeypatch.setenv("PYTHONSTARTUP", "/nowhere")
    monkeypatch.setenv("SECRET", "x")
    monkeypatch.setattr(workbook.subprocess, "run", spy)
    read("a.xlsx", tables.as_book(tables.example("ehcp_process")), Limits())
    assert seen["command"][:2] == [sys.executable, "-I"]
    assert set(seen["env"]) <= {"SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"}
    assert seen["timeout"] == 95 and "shell" not in seen


def in_worker(code: str) -> subprocess.CompletedProcess[bytes]:
    """Run code in a process that has set the worker's limits on itself."""
    folder = str(Path(worker.__file__).parent)
    start = f"import sys; sys.path.insert(0, {folder!r}); import worker; worker.limit(300_000_000, 2)\n"
    return subprocess.run([sys.executable, "-c", start + code], capture_output=True, env={}, timeout=600)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limits of memory and files are Linux's")
def test_the_limits_hold(tmp_path: Path) -> None:
    assert b"MemoryError" in in_worker("x = bytearray(400_000_000)").stderr
    assert in_worker("while True: pass").returncode < 0
    target = tmp_path / "written"
    assert in_worker(f"open({str(target)!r}, 'wb', 0).write(b'x')").returncode != 0
    assert not target.exists() or target.stat().st_size == 0
    assert in_worker("print('well')").stdout == b"well\n"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit of memory is Linux's")
def test_a_workbook_over_the_limit_of_memory_is_refused_and_not_waited_for(
    contexts: dict[str, Context], bad_files: ModuleType
) -> None:
    many = "".join(
        f'<row r="{row}">' + "".join(f'<c r="{letter}{row}"><v>{row}</v></c>' for letter in "ABCDEFGH") + "</row>"
        for row in range(20, 60_000)
    )
    content = bad_files.repacked(
        bad_files.workbook(), {bad_files.SHEET: lambda part: part.replace(b"</sheetData>", f"{many}</sheetData>".encode())}
    )
    report = check(load_contract("ehcp_process"), "a.xlsx", content, contexts["ehcp_process"], Limits(worker_bytes=60_000_000))
    assert [finding.rule for finding in report.findings] == ["file.too_heavy"]


def test_a_reader_that_breaks_is_told_with_its_reason(
    contexts: dict[str, Context], tables: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "broken.py"
    script.write_text("raise ZeroDivisionError('by nought')\n")
    monkeypatch.setattr(workbook, "_WORKER", script)
    report = process(contexts, tables.as_book(tables.example("ehcp_process")))
    assert [finding.rule for finding in report.findings] == ["file.reader_failed"]
    assert "by nought" in report.findings[0].message and report.rows is None


def test_a_reader_that_hangs_is_stopped(
    contexts: dict[str, Context], tables: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "slow.py"
    script.write_text("import time\ntime.sleep(60)\n")
    monkeypatch.setattr(workbook, "_WORKER", script)
    content = tables.as_book(tables.example("ehcp_process"))
    report = check(load_contract("ehcp_process"), "a.xlsx", content, contexts["ehcp_process"], Limits(worker_seconds=-1))
    assert [finding.rule for finding in report.findings] == ["file.too_heavy"]


def fault_of(content: bytes, **settings: int) -> str:
    with pytest.raises(worker.Fault) as raised:
        worker.read(content, SETTINGS | settings)
    return raised.value.rule


def rows_of(tables: ModuleType, xml: str) -> bytes:
    content: bytes = tables.as_excel([["x"]], rows=xml)
    return content


@pytest.mark.parametrize(
    "xml",
    [
        '<row r="3"/><row r="3"/>',
        '<row r="5"/><row r="3"/>',
        '<row r="3"><c r="A4"><v>1</v></c></row>',
        '<row r="3"><c r="B3"><v>1</v></c><c r="A3"><v>1</v></c></row>',
        '<row r="3"><c r="A3"><v>1</v></c><c r="A3"><v>2</v></c></row>',
        '<row r="3"><c r="?"><v>1</v></c></row>',
        '<row r="3"><c',
    ],
)
def test_a_sheet_that_two_readers_could_read_differently_is_damaged(xml: str, tables: ModuleType) -> None:
    assert fault_of(rows_of(tables, xml)) == "file.damaged"


def test_two_parts_of_one_name_are_refused(tables: ModuleType) -> None:
    held = io.BytesIO(tables.as_book([["x"]]))
    with zipfile.ZipFile(held, "a") as package, pytest.warns(UserWarning, match="Duplicate name"):
        package.writestr(tables.SHEET, b"<worksheet/>")
    assert fault_of(held.getvalue()) == "file.damaged"


def test_other_ways_of_packing_are_refused(tables: ModuleType) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_LZMA) as package:
        package.writestr("xl/workbook.xml", b"<workbook/>")
    assert fault_of(held.getvalue()) == "file.damaged"


def test_a_directory_that_lies_about_sizes_is_caught_by_counting(tables: ModuleType) -> None:
    """The directory says 10 bytes; what comes out is counted all the same."""
    content = bytearray(tables.repacked(tables.as_book([["x"]]), {tables.SHEET: lambda part: part + b" " * 3_000_000}))
    place = content.rindex(tables.SHEET.encode()) - 46
    assert content[place : place + 4] == b"PK\x01\x02"
    content[place + 24 : place + 28] = (10).to_bytes(4, "little")
    assert fault_of(bytes(content), unpacked=1_000_000) in {"file.bomb", "file.damaged"}


def test_too_many_parts_and_encrypted_parts_are_refused(tables: ModuleType) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as package:
        for number in range(worker.MOST_ENTRIES + 1):
            package.writestr(f"x{number}", b"")
    assert fault_of(held.getvalue()) == "file.bomb"
    locked = bytearray(tables.as_book([["x"]]))
    place = locked.rindex(b"PK\x01\x02")
    locked[place + 8] |= 1
    assert fault_of(bytes(locked)) == "file.password"


def test_a_wide_row_among_many_short_ones_is_not_spread_out(tables: ModuleType) -> None:
    short = "".join(f'<row r="{row}"><c r="A{row}"><v>1</v></c></row>' for row in range(3, 5_003))
    wide = '<row r="6000"><c r="GR6000"><v>1</v></c></row>'
    assert fault_of(rows_of(tables, short + wide), cells=900_000) == "file.too_many_cells"


def test_the_answer_never_names_a_path_of_this_machine(tables: ModuleType) -> None:
    for content in (tables.as_book([["x"]])[:500], b"PK\x03\x04" + bytes(100)):
        for remark in read("a.xlsx", content, Limits()).remarks:
            assert os.sep + "work" not in json.dumps(remark.values) and remark.rule == "file.damaged"
