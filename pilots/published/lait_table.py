"""The long table of the Local Authority Interactive Tool as text cells, from CSV or Parquet, with every refusal in words."""

import io
from dataclasses import dataclass, field

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pilots.published.files import MAX_UNPACKED, NotReadable, open_upload
from pilots.published.rows import ROW, Unusable, first_line, place, text_cells

PUBLICATION = "local-authority-interactive-tool"
# Column of the file → ours. `Data item` and `Region` are not needed: numbers tell regions from authorities.
COLUMNS = {"Short Desc": "short", "Years": "years", "LA Number": "number", "LA and Regions": "name", "Values": "text"}
MAX_ROWS = 5_000_000
LONGEST_CELL = 1_000
_PARQUET = b"PAR1"


@dataclass(frozen=True)
class LongTable:
    """The rows of the table as text.

    Attributes:
        rows: `short`, `years`, `number`, `name` and `text`, stripped, blanks as ""; and `ROW`, the number of the row in the file,
            its header counted as row 1.
        notes: what was done to read them, in sentences.
    """

    rows: pl.DataFrame
    notes: list[str] = field(default_factory=list)


def is_long_table(content: bytes) -> bool:
    """Whether a file looks like the tool's long table: Parquet, or text whose first line has its columns."""
    if content[:4] == _PARQUET:
        return True
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    line = content[:4096].decode(encoding, errors="replace").splitlines()[:1]
    return bool(line) and all(column in line[0] for column in COLUMNS)


def read_long_table(name: str, content: bytes) -> LongTable:
    """Read the table from CSV (or a zip of one) or Parquet.

    Args:
        name: of the file.
        content: its bytes.

    Raises:
        NotReadable: it is not such a file, lacks a column or has one twice, has no rows or too many; the message says what to do.
    """
    table = LongTable(_from_parquet(name, content)) if content[:4] == _PARQUET else _from_csv(name, content)
    if table.rows.is_empty():
        raise NotReadable(f"{name} has column names and no rows. Export the table again.")
    stripped = pl.col(*COLUMNS.values()).fill_null("").str.strip_chars()
    return LongTable(table.rows.with_columns(stripped), table.notes)


def _check_columns(name: str, header: list[str]) -> None:
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        raise NotReadable(
            f"{name} has no column {', '.join(missing)}, so it is not the long table of the Local Authority Interactive Tool. "
            f"The columns of that table are {', '.join(COLUMNS)}. "
            "A release of Explore education statistics is taken in by: pilots import-ees."
        )
    twice = [column for column in COLUMNS if header.count(column) > 1]
    if twice:
        raise NotReadable(f"{name} has the column {twice[0]} more than once, and nobody can say which counts. Export it again.")


def _check_length(name: str, rows: int) -> None:
    if rows > MAX_ROWS:
        raise NotReadable(f"{name} has {rows:,} rows; at most {MAX_ROWS:,} are read. Export fewer measures.")


def _from_csv(name: str, content: bytes) -> LongTable:
    upload = open_upload(name, content)
    if len(upload.tables) > 1:
        names = ", ".join(part for part, _ in upload.tables[:5])
        raise NotReadable(f"{name} has {len(upload.tables)} CSV files ({names}). Send the long table by itself.")
    text = upload.tables[0][1]
    try:
        header = [column.strip() for column in first_line(text)]
        _check_columns(name, header)
        table = text_cells(text, len(header))
    except Unusable as error:
        raise NotReadable(f"{name} cannot be read: {error}. Export it again as CSV or Parquet.") from None
    _check_length(name, len(table))
    named = [pl.col(place(header.index(column))).alias(ours) for column, ours in COLUMNS.items()]
    return LongTable(table.select(pl.col(ROW).cast(pl.Int64), *named), upload.notes)


def _from_parquet(name: str, content: bytes) -> pl.DataFrame:
    """The table with each distinct text held once, so that a small file cannot fill the memory."""
    try:
        _check_columns(name, list(pq.ParquetFile(io.BytesIO(content)).schema_arrow.names))
        file = pq.ParquetFile(io.BytesIO(content), read_dictionary=list(COLUMNS))
        _check_length(name, file.metadata.num_rows)
        unpacked = sum(file.metadata.row_group(at).total_byte_size for at in range(file.metadata.num_row_groups))
        if unpacked > MAX_UNPACKED:
            raise NotReadable(f"{name} unpacks to {unpacked // 2**20} MB; at most {MAX_UNPACKED // 2**20} MB are opened.")
        table = file.read(columns=list(COLUMNS))
        columns = [_as_text(name, column, table.column(column)) for column in COLUMNS]
    except (pa.ArrowException, OSError) as error:
        raise NotReadable(f"{name} is a broken Parquet file ({error}). Export it again, or as CSV.") from None
    return pl.DataFrame(columns).rename(COLUMNS).with_row_index(ROW, offset=2).with_columns(pl.col(ROW).cast(pl.Int64))


def _as_text(name: str, column: str, cells: pa.ChunkedArray) -> pl.Series:
    """A column as text. Whole numbers that are stored with a fraction (301.0) are written without it."""
    kind = cells.type
    if pa.types.is_dictionary(kind):
        longest = max((len(str(text)) for chunk in cells.chunks for text in chunk.dictionary.to_pylist()), default=0)
        if longest > LONGEST_CELL:
            raise NotReadable(
                f"{name} has a cell of {longest:,} characters in {column}. That is not this table. Export it again."
            )
        return pl.Series(column, pl.from_arrow(cells)).cast(pl.String)
    if pa.types.is_floating(kind) or pa.types.is_integer(kind):
        found = pl.Series(column, pl.from_arrow(cells)).cast(pl.Float64).fill_nan(None)
        whole = found.drop_nulls().is_finite().all() and (found.drop_nulls() % 1 == 0).all()
        return (found.cast(pl.Int64) if whole else found).cast(pl.String)
    if pa.types.is_null(kind):
        return pl.Series(column, [None] * len(cells), dtype=pl.String)
    raise NotReadable(f"{name} has {column} stored as {kind}; it must be text or numbers. Export it again, or as CSV.")
