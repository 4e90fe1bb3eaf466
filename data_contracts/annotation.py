"""What goes back to the sender of a file: a copy with the findings marked in it."""

import base64
import hashlib
import json
import tempfile
from typing import Any

from openpyxl import Workbook

from data_contracts.findings import Finding
from data_contracts.reading import Limits, read
from data_contracts.reading.marker import mark, saved, write_text
from data_contracts.reading.table import ROW, WIDTH, RawTable, cell_place
from data_contracts.reading.workbook import MARKER, ask, settings_of
from data_contracts.report import Report
from data_contracts.sheets import FINDINGS, RETURN

MOST_MARKS = 5_000
MOST_LISTED = 10_000
_MOST_ROWS = 50_000  # of a text table that are written out whole; above, only headings and rows with findings
_LAST_ROW = 1_048_576
TITLE = "What the check of this file found"


def annotated(report: Report, content: bytes, limits: Limits | None = None) -> bytes:
    """A workbook with the findings marked in it.

    The sender's own workbook keeps its formats; what openpyxl cannot keep (charts, pictures, pivot tables) is left out of the
    copy. A text file, or a workbook too heavy to be marked, becomes a workbook of its cells as text. A file that could not be
    read gives the list of findings alone.

    Args:
        report: of the check.
        content: the bytes that were checked.
        limits: of reading.

    Returns:
        The bytes of an XLSX. Its first sheet lists the findings with links to the cells; each cell with an error or a query is
        filled, has a border and a comment.

    Raises:
        ValueError: the bytes are not those of the report.
    """
    if hashlib.sha256(content).hexdigest() != report.sha256:
        raise ValueError("these are not the bytes that were checked")
    bounds = limits or Limits()
    if report.sheet is not None:
        marked = _marked_copy(report, content, bounds)
        if marked is not None:
            return marked
    return _marked_text(report, content, bounds)


def _marked_copy(report: Report, content: bytes, limits: Limits) -> bytes | None:
    """The sender's own workbook, marked in a process of its own; None where that is too heavy."""
    job = json.dumps(_job(report, str(report.sheet), "")).encode()
    # openpyxl keeps sheets in files while it writes: they are gone with the folder, whatever becomes of the process.
    with tempfile.TemporaryDirectory(prefix="marked-") as folder:
        parts = b"%d\n%b%b" % (len(job), job, content)
        answer = ask(parts, {**settings_of(limits), "folder": folder}, limits.worker_seconds, MARKER)
    return base64.b64decode(answer["workbook"]) if "workbook" in answer else None


def _marked_text(report: Report, content: bytes, limits: Limits) -> bytes:
    """A workbook of the file's cells as text, each where the findings say it is."""
    tables = read(report.filename, content, limits).tables
    table = next((one for one in tables if one.sheet == report.sheet), tables[0] if tables else None)
    book = Workbook()
    first: Any = book.active
    first.title = RETURN
    note = _write_cells(first, table, report) if table is not None else "The file could not be read, so that no cell is marked."
    mark(book, _job(report, RETURN, note))
    return saved(book)


def _write_cells(sheet: Any, table: RawTable, report: Report) -> str:
    """Write the cells as text; gives what must be said about it."""
    cells = table.cells.filter(table.cells[ROW] <= _LAST_ROW)
    said = "Your file is shown here as text, each cell in its place."
    if cells.height > _MOST_ROWS:
        wanted = {finding.row for finding in report.findings[:MOST_LISTED] if finding.row} | {1}
        cells = cells.filter(cells[ROW].is_in(sorted(wanted))).head(_MOST_ROWS)
        said = "Your file is long: only its first row and rows with findings are shown here, as text, each cell in its place."
    for number, _, *texts in cells.select(ROW, WIDTH, *(name for name in cells.columns if name not in {ROW, WIDTH})).iter_rows():
        for place, text in enumerate(texts, 1):
            if text:
                write_text(sheet, number, place, text)
    return said


def _job(report: Report, sheet: str, note: str) -> dict[str, Any]:
    lines = [
        TITLE,
        report.summary(),
        note or "This is a copy of your workbook. Charts, pictures and pivot tables may be missing.",
    ]
    counted = len(report.findings)
    legend = "Cells with an error have a thick border, those with a query a dashed one; both have a comment."
    more = f" The first {MOST_LISTED:,} of {counted:,} findings are listed; the CSV has all." if counted > MOST_LISTED else ""
    marks = _marks(report)
    fewer = f" The first {MOST_MARKS:,} cells are marked." if len(marks) > MOST_MARKS else ""
    return {
        "sheet": sheet,
        "name": FINDINGS,
        "lines": [*lines, legend + more + fewer],
        "marks": marks[:MOST_MARKS],
        "rows": [_listed(finding) for finding in report.findings[:MOST_LISTED]],
    }


def place_of(finding: Finding) -> str:
    """The cell at which a finding is marked: its own, the first of its row where an error or query is about the row, or none."""
    if finding.cell:
        return finding.cell
    return f"A{finding.row}" if finding.row and finding.severity != "note" else ""


def _marks(report: Report) -> list[tuple[str, str, str]]:
    """Cell, worst severity and text of the comment, one a cell; findings come errors first."""
    found: dict[str, tuple[str, list[str]]] = {}
    for finding in report.findings:
        place = place_of(finding)
        if place and cell_place(place)[0] <= _LAST_ROW:
            said = f"{finding.severity.capitalize()}: {finding.message}\nWhat to do: {finding.fix}\n({finding.rule})"
            found.setdefault(place, (finding.severity, []))[1].append(said)
    return [(place, severity, "\n\n".join(texts)) for place, (severity, texts) in found.items()]


def _listed(finding: Finding) -> list[Any]:
    """Cell, severity, then the texts of the list."""
    return [
        place_of(finding),
        finding.severity,
        finding.row,
        finding.column,
        finding.value,
        finding.message,
        finding.fix,
        finding.rule,
    ]
