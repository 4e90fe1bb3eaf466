"""Marks the findings in a workbook: fills, borders, comments, and a sheet that lists them with links to the cells.

Run as a script it takes the sender's own workbook from standard input, a process of its own with limits like the reader's, since
the workbook is untrusted input. The functions are used in the platform's process too, on workbooks that it made itself.
"""

import base64
import importlib.util
import io
import json
import sys
import tempfile
import warnings
from copy import copy
from pathlib import Path
from typing import Any

from openpyxl import Workbook, load_workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.comments import Comment
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.worksheet.hyperlink import Hyperlink
from openpyxl.worksheet.worksheet import Worksheet

AUTHOR = "Check of the return"
HEADINGS = ("Kind", "Go to", "Row", "Column", "You entered", "Problem", "How to put it right", "Rule")
_WIDTHS = (10, 12, 8, 28, 24, 60, 60, 28)
_HEADINGS_AT = 5
_OWN = "\n\nComment in your file: "
_RUNS = ("=", "+", "-", "@", "\t")  # what makes spreadsheets run a text as a formula
_LONGEST = 32_000  # a little less than a cell can hold
# Colour is never the only sign: kinds differ by border, and each cell has a comment that begins with the kind.
_FILLS = {"error": PatternFill("solid", fgColor="F6D7D2"), "query": PatternFill("solid", fgColor="FFF4CC")}
_SIDES = {"error": Side(style="thick", color="CA3535"), "query": Side(style="mediumDashed", color="0B0C0C")}


def plain_text(text: Any) -> str:
    """A text that a cell can hold."""
    return ILLEGAL_CHARACTERS_RE.sub("\N{REPLACEMENT CHARACTER}", str(text))[:_LONGEST]


def write_text(sheet: Worksheet, row: int, place: int, text: Any) -> Any:
    """Write a text as a text: one that begins like a formula is none, not even after it has been edited."""
    cell: Any = sheet.cell(row, place)
    cell.value = plain_text(text)
    cell.data_type, cell.number_format = "s", "@"
    cell.quotePrefix = cell.value.startswith(_RUNS)
    return cell


def mark(book: Workbook, job: dict[str, Any]) -> None:
    """Mark the findings in a workbook.

    Args:
        book: the workbook, changed in place.
        job: `sheet` (name of the sheet that was read), `name` (for the sheet of findings), `marks` (cell, severity, text), `rows`
            (severity, cell, and the texts under `HEADINGS` but for the link), `lines` (what stands above them).
    """
    sheet = book[job["sheet"]] if job["sheet"] in book.sheetnames else None
    if sheet is not None:
        _take_off(sheet)
        for cell, severity, text in job["marks"]:
            _mark_cell(sheet, cell, severity, text)
    _list(book, job, None if sheet is None else sheet.title)


def _take_off(sheet: Worksheet) -> None:
    """Take off the marks of an earlier check, where its copy is sent in again."""
    for cells in sheet.iter_rows():
        for cell in cells:
            if cell.comment is not None and cell.comment.author == AUTHOR:
                own = cell.comment.text.partition(_OWN)[2]
                cell.comment = Comment(own, "") if own else None
                cell.fill, cell.border = PatternFill(), Border()


def _mark_cell(sheet: Worksheet, place: str, severity: str, text: str) -> None:
    joined = next((area for area in sheet.merged_cells.ranges if place in area), None)
    cell: Any = sheet[joined.start_cell.coordinate if joined else place]
    if severity in _FILLS:
        side = _SIDES[severity]
        cell.fill, cell.border = _FILLS[severity], Border(left=side, right=side, top=side, bottom=side)
    own = f"{_OWN}{cell.comment.text}" if cell.comment is not None else ""
    cell.comment = Comment(plain_text(f"{text}{own}"), AUTHOR, height=160, width=360)


def _list(book: Workbook, job: dict[str, Any], marked: str | None) -> None:
    """The sheet of findings, first in the workbook and open when it is opened."""
    if job["name"] in book.sheetnames and book[job["name"]]["A1"].value == job["lines"][0]:
        del book[job["name"]]
    listed = book.create_sheet(job["name"], 0)
    for number, line in enumerate(job["lines"], 1):
        write_text(listed, number, 1, line).font = Font(bold=number == 1, size=14 if number == 1 else 11)
    for place, (heading, width) in enumerate(zip(HEADINGS, _WIDTHS, strict=True), 1):
        write_text(listed, _HEADINGS_AT, place, heading).font = Font(bold=True)
        listed.column_dimensions[chr(64 + place)].width = float(width)
    styles: dict[tuple[bool, bool], Any] = {}
    for number, (cell, severity, *texts) in enumerate(job["rows"], _HEADINGS_AT + 1):
        _list_one(listed, number, cell if marked else "", marked or "", [severity.capitalize(), cell, *texts], styles)
    listed.freeze_panes = f"A{_HEADINGS_AT + 1}"
    listed.auto_filter.ref = f"A{_HEADINGS_AT}:H{_HEADINGS_AT + max(len(job['rows']), 1)}"
    for other in book.worksheets:
        other.sheet_view.tabSelected = other is listed
    book.active = 0


def _list_one(
    listed: Worksheet, number: int, link: str, sheet: str, texts: list[Any], styles: dict[tuple[bool, bool], Any]
) -> None:
    """One finding; a style is made once and then shared, since making it takes longer than all else."""
    for place, text in enumerate(texts, 1):
        cell: Any = listed.cell(number, place)
        cell.value, cell.data_type = plain_text("" if text is None else text), "s"
        like = (cell.value.startswith(_RUNS), bool(link) and place == 2)
        if like not in styles:
            write_text(listed, number, place, cell.value).alignment = Alignment(wrap_text=True, vertical="top")
            if like[1]:
                cell.font = Font(color="1A65A6", underline="single")
            styles[like] = cell._style
        cell._style = copy(styles[like])
    if link:
        quoted = sheet.replace("'", "''")
        linked = listed.cell(number, 2)
        linked.hyperlink = Hyperlink(ref=linked.coordinate, location=f"'{quoted}'!{link}", display=link)


def saved(book: Workbook) -> bytes:
    """The bytes of a workbook."""
    held = io.BytesIO()
    book.save(held)
    return held.getvalue()


def _worker() -> Any:
    """The module of the reader: a process that finds no modules of ours loads it by its path."""
    spec = importlib.util.spec_from_file_location("workbook_worker", Path(__file__).with_name("worker.py"))
    if spec is None or spec.loader is None:
        raise ImportError("worker.py is missing")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    """Set the limits, look at the package, mark, answer: the job's length in the first line, then the job, then the workbook."""
    settings = json.loads(sys.argv[1])
    worker = _worker()
    worker.limit(settings["memory"], settings["seconds"], settings["unpacked"])
    tempfile.tempdir = settings["folder"]
    warnings.simplefilter("ignore")  # openpyxl warns of what it leaves out: the sheet of findings says so
    job = json.loads(sys.stdin.buffer.read(int(sys.stdin.buffer.readline())))
    content = sys.stdin.buffer.read()
    try:
        worker.Package(content, settings)
        book = load_workbook(io.BytesIO(content), rich_text=True)
        mark(book, job)
        answer = {"workbook": base64.b64encode(saved(book)).decode("ascii")}
    except worker.Fault as fault:
        answer = {"fault": fault.rule, "detail": fault.detail}
    except MemoryError:
        answer = {"fault": "file.too_heavy"}
    sys.stdout.buffer.write(json.dumps(answer).encode("ascii"))


if __name__ == "__main__":
    main()
