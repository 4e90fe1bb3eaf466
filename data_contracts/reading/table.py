"""The raw table: cells as text, with the row numbers that a spreadsheet shows; and the limits of reading."""

import re
from dataclasses import dataclass, field

import polars as pl

ROW = "#row"
WIDTH = "#width"
_CELL = re.compile(r"^([A-Z]{1,3})(\d+)$")


@dataclass(frozen=True)
class Limits:
    """How much of a file is read, and for how long.

    Attributes:
        file_bytes: greatest size of a file.
        unpacked_bytes: greatest size of a workbook once unpacked.
        pack_ratio: greatest ratio of unpacked to packed size of a large part of a workbook.
        worker_bytes: memory that the reader of workbooks may take.
        worker_seconds: time that it may take.
        columns: columns that are read.
        rows: greatest number of rows, blank ones included; a little more than a sheet of Excel has.
        cells: greatest number of rows times columns.
        cell_characters: longest cell.
    """

    file_bytes: int = 50_000_000
    unpacked_bytes: int = 150_000_000
    pack_ratio: int = 200
    worker_bytes: int = 1_000_000_000
    worker_seconds: int = 30
    columns: int = 200
    rows: int = 1_100_000
    cells: int = 30_000_000
    cell_characters: int = 32_767


@dataclass(frozen=True, slots=True)
class Mark:
    """Something the reader of workbooks saw at a cell.

    `kind` is no_value, error, date, percent, formula (once a sheet, `text` holds the number), hidden_row, hidden_column, merged,
    far or long.
    """

    row: int
    position: int
    kind: str
    text: str = ""


@dataclass(frozen=True)
class RawTable:
    """Cells as text.

    Attributes:
        cells: `#row` (row number from 1), `#width` (cells in the row), and `0`, `1`, … with the text of each cell, blank where
            there is none.
        sheet: name of the sheet; None for CSV.
        hidden: whether the sheet is hidden.
        marks: what the reader of workbooks saw.
        blank_rows: rows without any text that were left out.
        delimited: whether it comes from delimited text, where a row can have too many or too few cells.
        late: whether the workbook counts dates from 1904, as old ones of the Mac do.
    """

    cells: pl.DataFrame
    sheet: str | None = None
    hidden: bool = False
    marks: tuple[Mark, ...] = field(default=())
    blank_rows: int = 0
    delimited: bool = False
    late: bool = False

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.cells.width - 2


def column_letters(position: int) -> str:
    """Letters of a column by its place from 0: 0 is A, 26 is AA."""
    letters = ""
    number = position + 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def cell_name(row: int, position: int) -> str:
    """Reference of a cell by row number and place from 0."""
    return f"{column_letters(position)}{row}"


def cell_place(name: str) -> tuple[int, int]:
    """Row number and place from 0 of a cell reference; (0, 0) for other text."""
    found = _CELL.match(name)
    if not found:
        return 0, 0
    number = 0
    for letter in found[1]:
        number = number * 26 + ord(letter) - 64
    return int(found[2]), number - 1


def make_table(rows: list[list[str]], numbers: list[int], widths: list[int] | None = None) -> pl.DataFrame:
    """Cells of a table from rows of text, filled up with blanks to one width."""
    widest = max((len(row) for row in rows), default=0)
    columns = {str(place): [row[place] if place < len(row) else "" for row in rows] for place in range(widest)}
    counts = widths if widths is not None else [len(row) for row in rows]
    schema = {ROW: pl.Int64, WIDTH: pl.Int64} | {name: pl.String for name in columns}
    return pl.DataFrame({ROW: numbers, WIDTH: counts, **columns}, schema=schema)
