"""The good example of a contract as a table, and tables as files. Loaded by conftest.py as `contract_tables`."""

import csv
import io
import zipfile
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any
from xml.sax.saxutils import escape

from openpyxl import Workbook

from data_contracts import load_contract

Rows = list[list[str]]
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
SHEET = "xl/worksheets/sheet1.xml"


def example(contract: str) -> Rows:
    """Headings and rows of the good example."""
    return list(csv.reader(io.StringIO(load_contract(contract).example_csv())))


def as_csv(table: Sequence[Sequence[str]]) -> bytes:
    held = io.StringIO()
    csv.writer(held, lineterminator="\n").writerows(table)
    return held.getvalue().encode()


def as_typed(cell: str) -> Any:
    """A cell as a person would have it in Excel: numbers and dates as such."""
    if cell.replace(".", "", 1).isdigit():
        return float(cell)
    if len(cell) == 10 and cell[4] == cell[7] == "-":
        return date.fromisoformat(cell)
    return cell or None


def as_book(table: Sequence[Sequence[str]], change: Callable[[Workbook], None] | None = None) -> bytes:
    """A workbook with the table on its one sheet `Return`, changed by a function."""
    book = Workbook()
    book.active.title = "Return"
    for cells in table:
        book.active.append([as_typed(cell) for cell in cells])
    if change:
        change(book)
    held = io.BytesIO()
    book.save(held)
    return held.getvalue()


def repacked(
    content: bytes, replace: dict[str, Callable[[bytes], bytes]] | None = None, add: dict[str, bytes] | None = None
) -> bytes:
    """A ZIP file with some of its parts changed and others added."""
    held = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as after:
        for info in before.infolist():
            change = (replace or {}).get(info.filename, bytes)
            after.writestr(info.filename, change(before.read(info)))
        for name, more in (add or {}).items():
            after.writestr(name, more)
    return held.getvalue()


def as_excel(
    table: Sequence[Sequence[str]], cells: dict[str, str] | None = None, texts: Sequence[str] = (), rows: str = ""
) -> bytes:
    """A workbook as Excel itself writes it, with shared texts, which openpyxl does not.

    Args:
        table: headings and rows.
        cells: XML of single cells, by reference, in place of the table's own.
        texts: XML of further shared texts; they come first.
        rows: XML of further rows.
    """
    shared = [*texts]
    written = []
    for number, line in enumerate(table, 1):
        parts = []
        for place, text in enumerate(line):
            name = f"{chr(65 + place)}{number}"
            if text.replace(".", "", 1).isdigit():
                part = f'<c r="{name}"><v>{text}</v></c>'
            else:
                part = f'<c r="{name}" t="s"><v>{len(shared)}</v></c>' if text else ""
                shared += [f"<si><t>{escape(text)}</t></si>"] if text else []
            parts.append((cells or {}).get(name, part))
        written.append(f'<row r="{number}">{"".join(parts)}</row>')
    sheet = f'<worksheet xmlns="{MAIN}"><sheetData>{"".join(written)}{rows}</sheetData></worksheet>'
    strings = f'<sst xmlns="{MAIN}">{"".join(shared)}</sst>'
    relation = f'<Relationship Id="rId9" Type="{OFFICE}/sharedStrings" Target="sharedStrings.xml"/></Relationships>'
    return repacked(
        as_book([["x"]]),
        {
            SHEET: lambda _: sheet.encode(),
            "xl/_rels/workbook.xml.rels": lambda part: part.replace(b"</Relationships>", relation.encode()),
        },
        {"xl/sharedStrings.xml": strings.encode()},
    )
