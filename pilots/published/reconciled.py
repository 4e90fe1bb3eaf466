"""Every cell of a file accounted for: by what stands in it, and by what became of it."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

import pandas as pd
import polars as pl

from pilots.published.cells import NUMBER, SYMBOLS
from pilots.published.remarks import Remarks
from pilots.published.rows import ROW, place

# What became of a cell that was not stored, in the order in which it is asked.
LEFT = ("unused", "aggregate", "breakdown", "period", "authority", "no_measure", "region_total", "repeated")
NUMBER_KIND, BLANK, OTHER = "number", "blank", "other text"
KINDS = pl.Enum([NUMBER_KIND, *SYMBOLS, BLANK, OTHER])


@dataclass(frozen=True)
class Account:
    """The cells of one file.

    Attributes:
        file: its name, or the group of measures.
        kinds: of each row (`ROW`) and each column that may hold a figure, what stands there (`KINDS`).
        columns: name of the measure's column in the report by column of `kinds`.
        steps: what a row must pass to be used, in order: why it is left out otherwise, and the rows that pass.
    """

    file: str
    kinds: pl.DataFrame
    columns: dict[str, str]
    steps: list[tuple[str, pl.Series]]


def kinds_of(table: pl.DataFrame, columns: list[str], blank: tuple[str, ...] = (), spelling: str = NUMBER) -> pl.DataFrame:
    """What stands in each cell.

    Args:
        table: text cells with `ROW`.
        columns: of the table.
        blank: words that stand for a blank.
        spelling: the pattern of what counts as a number.
    """
    return table.select(pl.col(ROW).cast(pl.Int64), *(_kind(column, blank, spelling).alias(column) for column in columns))


def _kind(column: str, blank: tuple[str, ...], spelling: str) -> pl.Expr:
    text = pl.col(column).str.strip_chars()
    other = pl.when(text.is_in(list(SYMBOLS))).then(text).otherwise(pl.lit(OTHER))
    filled = pl.when(text.str.contains(spelling)).then(pl.lit(NUMBER_KIND)).otherwise(other)
    return pl.when(text.is_in(["", *blank])).then(pl.lit(BLANK)).otherwise(filled).cast(KINDS)


def value_columns(header: list[str], described: tuple[str, ...]) -> dict[str, str]:
    """The columns of a file that may hold a figure: name in the header by place; a further copy of a name has none."""
    found: dict[str, str] = {}
    for at, name in enumerate(header):
        if not any(fnmatchcase(name, pattern) for pattern in described):
            found[place(at)] = "" if name in header[:at] else name
    return found


def unused_account(file: str, header: list[str], cells: pl.DataFrame, described: tuple[str, ...]) -> Account:
    """The account of a file of which nothing is used.

    Args:
        file: its name.
        header: its column names.
        cells: its rows by place of the column.
        described: patterns of the columns that hold no figure.
    """
    values = value_columns(header, described)
    return Account(file, kinds_of(cells, list(values)), values, [("unused", cells[ROW].clear())])


def tell_account(account: Account, cells: pl.DataFrame, values: pd.DataFrame, remarks: Remarks) -> None:
    """Tell, for each kind of cell, how many the file has and what became of them.

    Args:
        account: of the file.
        cells: those that became measures, of all files: file, column, `ROW`, refused.
        values: the figures that are stored: file, column, row.
        remarks: gets one row a kind; `unaccounted` is not 0 only by a fault of ours.
    """
    mine = cells.filter(pl.col("file") == account.file).select("column", ROW, "refused").unique(["column", ROW])
    stored = values.loc[values["file"] == account.file, ["column", "row"]]
    kept = (
        pl.from_pandas(stored).rename({"row": ROW}).with_columns(stored=pl.lit(True)).unique(["column", ROW])
        if len(stored)
        else None
    )
    reasons = _reasons(account, mine)
    counts: dict[tuple[str, str], int] = {}
    totals: dict[str, int] = {}
    for column, name in account.columns.items():
        cell = account.kinds.select(pl.col(ROW), pl.col(column).alias("kind")).with_columns(reason=reasons)
        for kind, count in cell.group_by("kind").len().iter_rows():
            totals[kind] = totals.get(kind, 0) + count
        for kind, reason, count in _fates(cell, name, mine, kept).group_by("kind", "fate").len().iter_rows():
            counts[kind, reason] = counts.get((kind, reason), 0) + count
    for kind in KINDS.categories:
        if kind in totals:
            fates = {name: counts.get((kind, name), 0) for name in ("stored", *LEFT)}
            unaccounted = totals[kind] - sum(fates.values())
            remarks.add("reconciled", file=account.file, kind=kind, cells=totals[kind], **fates, unaccounted=unaccounted)


def _reasons(account: Account, mine: pl.DataFrame) -> pl.Series:
    """Of each row, why none of it is used; "" where some of it is."""
    row, found = account.kinds[ROW], pl.Series([""]).new_from_index(0, len(account.kinds))
    for reason, passing in [*account.steps, ("breakdown", mine[ROW])]:
        out = ~row.is_in(passing.cast(pl.Int64).unique().to_list()) & (found == "")
        found = found.zip_with(~out, pl.Series([reason]).new_from_index(0, len(found)))
    return found.alias("reason")


def _fates(cell: pl.DataFrame, name: str, mine: pl.DataFrame, kept: pl.DataFrame | None) -> pl.DataFrame:
    """What became of each cell of one column."""
    used = mine.filter(pl.col("column") == name) if name else mine.clear()
    joined = cell.join(used.select(ROW, "refused"), on=ROW, how="left")
    there = kept.filter(pl.col("column") == name)[ROW].to_list() if kept is not None and name else []
    fate = (
        pl.when(pl.col("reason") != "")
        .then(pl.col("reason"))
        .when(pl.col("refused").is_null())
        .then(pl.lit("no_measure"))
        .when(pl.col(ROW).is_in(there) & pl.col("refused"))
        .then(pl.lit("region_total"))
        .when(pl.col(ROW).is_in(there))
        .then(pl.lit("stored"))
        .otherwise(pl.lit("repeated"))
    )
    return joined.with_columns(fate=fate)
