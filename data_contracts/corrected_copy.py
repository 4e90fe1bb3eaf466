"""A corrected table as a workbook to keep, to work on and to send: the cells as corrected, and a list of every correction."""

import csv
import io
import re
from collections.abc import Sequence
from typing import Any

from openpyxl import Workbook
from openpyxl.styles import Alignment, Font
from openpyxl.worksheet.hyperlink import Hyperlink

from data_contracts.corrections import WORDS, Correction
from data_contracts.reading.marker import saved, write_text
from data_contracts.sheets import CORRECTIONS, RETURN

LINES = (
    "Corrections accepted with this file",
    "The sheet Return has the cells of the file with these corrections made. The file itself is kept as it was sent.",
)
HEADINGS = ("Cell", "Column", "You entered", "Became", "What was done")
_WIDTHS = (10, 28, 30, 30, 60)
_HEADINGS_AT = 4
# Numbers that come back from a workbook as the very same text; all else is written as text.
_NUMBER = re.compile(r"(0|-?[1-9]\d{0,14}|-?(0|[1-9]\d{0,8})\.\d{0,5}[1-9])", re.ASCII)


def corrected_workbook(text: str, made: Sequence[Correction]) -> bytes:
    """A workbook of a corrected table.

    Args:
        text: the table with the corrections made, as `Corrected.text` has it.
        made: the corrections.

    Returns:
        The bytes of an XLSX: the sheet `Return` with each cell in the row and column of the file, and the sheet `Corrections`
        with one row a correction and a link to its cell.
    """
    book = Workbook()
    sheet: Any = book.active
    sheet.title = RETURN
    for number, cells in enumerate(csv.reader(io.StringIO(text)), 1):
        for place, cell in enumerate(cells, 1):
            if _NUMBER.fullmatch(cell):
                sheet.cell(number, place).value = float(cell) if "." in cell else int(cell)
            elif cell:
                write_text(sheet, number, place, cell)
    _list(book, made)
    return saved(book)


def _list(book: Workbook, made: Sequence[Correction]) -> None:
    """The sheet of corrections, behind the return."""
    listed = book.create_sheet(CORRECTIONS)
    for number, line in enumerate(LINES, 1):
        write_text(listed, number, 1, line).font = Font(bold=number == 1, size=14 if number == 1 else 11)
    for place, (heading, width) in enumerate(zip(HEADINGS, _WIDTHS, strict=True), 1):
        write_text(listed, _HEADINGS_AT, place, heading).font = Font(bold=True)
        listed.column_dimensions[chr(64 + place)].width = float(width)
    for number, one in enumerate(made, _HEADINGS_AT + 1):
        for place, words in enumerate((one.cell, one.column, one.before, one.after, WORDS[one.rule]), 1):
            write_text(listed, number, place, words).alignment = Alignment(wrap_text=True, vertical="top")
        linked = listed.cell(number, 1)
        linked.font = Font(color="1A65A6", underline="single")
        linked.hyperlink = Hyperlink(ref=linked.coordinate, location=f"'{RETURN}'!{one.cell}", display=one.cell)
    listed.freeze_panes = f"A{_HEADINGS_AT + 1}"
