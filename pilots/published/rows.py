"""One CSV of a release as text cells: header, local authority rows, and what is wrong with its shape."""

import csv
import io
from collections import Counter
from dataclasses import dataclass, field

import polars as pl

ROW = "\x1frow"
REQUIRED = ("time_period", "time_identifier", "geographic_level", "new_la_code")
AUTHORITY_LEVEL, REGION_LEVEL = "local authority", "regional"
_STRAY = str.maketrans("", "", "\ufeff\u200b\u200c\u200d\u2060")


class Unusable(Exception):
    """A file of the release that gives no figures; the message says why. The others are taken in all the same."""


@dataclass(frozen=True)
class Duplicate:
    """A column that stands in a file more than once: its name, how often, and whether the copies say the same."""

    column: str
    copies: int
    identical: bool


@dataclass
class Rows:
    """The rows of one CSV.

    Attributes:
        name: of the file.
        header: column names in the order of the file, duplicates included.
        total: rows below the header.
        authorities: the rows of local authorities as text, blanks as "": the header's columns (of a duplicate the first copy)
            and `ROW`, the number of the row in the file.
        regions: the rows of regions, likewise.
        cells: all rows by place of the column (`place`), with `ROW`.
        duplicates: columns that stand in the file more than once.
    """

    name: str
    header: list[str]
    total: int
    cells: pl.DataFrame
    authorities: pl.DataFrame
    regions: pl.DataFrame
    duplicates: list[Duplicate] = field(default_factory=list)


def read_rows(name: str, text: str) -> Rows:
    """Read the text of one CSV.

    Args:
        name: of the file.
        text: decoded.

    Raises:
        Unusable: no header, no rows, rows of another length than the header, no column that the layout needs, or no rows of
            authorities.
    """
    header = header_of(text)
    _check_header(header)
    table = text_cells(text, len(header))
    if table.is_empty():
        raise Unusable("it has a header and no rows")
    duplicates = [_duplicate(table, header, column, copies) for column, copies in Counter(header).items() if copies > 1]
    first = {column: place(header.index(column)) for column in dict.fromkeys(header)}
    named = table.select(ROW, *(pl.col(at).alias(column) for column, at in first.items()))
    named = named.with_columns(pl.col(*REQUIRED).str.strip_chars())
    level = pl.col("geographic_level").str.to_lowercase()
    rows = named.filter(level == AUTHORITY_LEVEL)
    if rows.is_empty():
        levels = ", ".join(named["geographic_level"].unique().sort())
        raise Unusable(f"it has no rows of local authorities (its levels: {levels})")
    return Rows(name, header, len(table), table, rows, named.filter(level == REGION_LEVEL), duplicates)


def header_of(text: str) -> list[str]:
    """The column names of a CSV, without stray marks and spaces.

    Raises:
        Unusable: it is not CSV.
    """
    return [column.translate(_STRAY).replace("\xa0", " ").strip() for column in first_line(text)]


def place(at: int) -> str:
    """The name of a column by its position: a header may have one name twice."""
    return f"\x1f{at}"


def first_line(text: str) -> list[str]:
    """The cells of the first line, or none.

    Raises:
        Unusable: it is not CSV.
    """
    try:
        return next(csv.reader(io.StringIO(text[:100_000])), [])
    except csv.Error as error:
        raise Unusable(f"its header cannot be read ({error})") from None


def _check_header(header: list[str]) -> None:
    if not any(header):
        raise Unusable("it is empty, or its first line is blank where the column names should be")
    missing = [column for column in REQUIRED if column not in header]
    if missing:
        hint = " Are its columns separated by commas?" if len(header) == 1 else ""
        raise Unusable(f"it is not in the standard layout: there is no column {', '.join(missing)}.{hint}")


def text_cells(text: str, width: int) -> pl.DataFrame:
    """All cells below the header as text; blank lines are passed over, other short or long rows refused.

    Args:
        text: the whole file.
        width: cells of the header.

    Returns:
        Columns `place(0)`, `place(1)` and so on, and `ROW`, the number of the row in the file; blanks are "".

    Raises:
        Unusable: a row is shorter or longer than the header, or the text is not CSV.
    """
    try:
        table = pl.read_csv(io.BytesIO(text.encode()), has_header=False, infer_schema=False)
    except pl.exceptions.PolarsError:
        raise Unusable(_what_is_wrong(text, width)) from None
    if table.width != width:
        raise Unusable(_what_is_wrong(text, width))
    table.columns = [place(at) for at in range(width)]
    table = table.with_row_index(ROW, offset=1).slice(1)
    if table[place(width - 1)].null_count():
        # A blank last cell, or a row that is too short: polars cannot tell which, the standard library can.
        wrong = _ragged(text, width)
        if wrong:
            raise Unusable(wrong)
    blank = pl.all_horizontal(pl.exclude(ROW).fill_null("") == "")
    return table.filter(~blank).fill_null("")


def loose_cells(text: str) -> pl.DataFrame:
    """All cells of a text that is no table: every line that is not blank, the first included, filled up to the longest.

    Returns:
        The columns of `text_cells`.

    Raises:
        Unusable: it is not CSV.
    """
    try:
        lines = [(at, cells) for at, cells in enumerate(csv.reader(io.StringIO(text, newline="")), start=1) if any(cells)]
    except csv.Error as error:
        raise Unusable(f"it is not a CSV file ({error})") from None
    width = max((len(cells) for _, cells in lines), default=0)
    filled = [[*cells, *[""] * (width - len(cells))] for _, cells in lines]
    table = pl.DataFrame(filled, schema=[(place(at), pl.String) for at in range(width)], orient="row")
    return table.with_columns(pl.Series(ROW, [at for at, _ in lines], dtype=pl.UInt32))


def _ragged(text: str, width: int) -> str:
    for number, cells in enumerate(csv.reader(io.StringIO(text, newline="")), start=1):
        if cells and len(cells) != width:
            return f"row {number} has {len(cells)} cells and the header {width}"
    return ""


def _what_is_wrong(text: str, width: int) -> str:
    try:
        return _ragged(text, width) or "a quotation mark is opened and not closed"
    except csv.Error as error:
        return f"it is not a CSV file ({error})"


def _duplicate(table: pl.DataFrame, header: list[str], column: str, copies: int) -> Duplicate:
    places = [place(at) for at, name in enumerate(header) if name == column]
    identical = all(table[places[0]].equals(table[at]) for at in places[1:])
    return Duplicate(column, copies, identical)
