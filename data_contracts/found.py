"""Findings as one table: a million faulty cells are rows of a frame, and objects are made of those that are looked at."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from string import Formatter
from typing import Any, overload

import polars as pl

from data_contracts.findings import SEVERITIES, SHOWN_VALUE, Finding, built_in, shown
from data_contracts.personal import ANY, SHORTEST_IDENTIFIER
from data_contracts.reading.table import ROW, cell_place, column_letters

_COLUMNS = ("rule", "severity", "message", "fix", "sheet", "row", "cell", "column", "value")
# The first of the place columns is the row of the cell, where there is one: findings about a row come before those of its cells.
SCHEMA: dict[str, Any] = {name: pl.Int64 if name == "row" else pl.String for name in _COLUMNS} | {
    "at": pl.Int64,
    "place": pl.Int64,
}
_PLAIN = rf"^[ -~]{{0,{SHOWN_VALUE}}}$"
_PIECE = 5_000


class Findings(Sequence[Finding]):
    """Findings, errors first, then by row and column. A sequence of `Finding`, each made when it is asked for.

    Attributes:
        table: one row a finding: rule, severity, message, fix, sheet, row, cell, column, value, and its place for sorting.
    """

    def __init__(self, table: pl.DataFrame | None = None) -> None:
        self.table = pl.DataFrame(schema=SCHEMA) if table is None else table

    @classmethod
    def of(cls, findings: Iterable[Finding]) -> "Findings":
        """Findings from single ones, in the order given."""
        return findings if isinstance(findings, cls) else cls(table_of(findings))

    @classmethod
    def sorted(cls, tables: Sequence[pl.DataFrame]) -> "Findings":
        """Findings of several tables in their order."""
        table = pl.concat(tables) if tables else pl.DataFrame(schema=SCHEMA)
        rank = pl.col("severity").replace_strict(SEVERITIES, range(len(SEVERITIES)), return_dtype=pl.Int8)
        order = [rank, pl.col("row").fill_null(0), "at", "place", "rule", pl.col("value").fill_null("")]
        return cls(table.sort(order, maintain_order=True) if table.height > 1 else table)

    def __len__(self) -> int:
        return self.table.height

    @overload
    def __getitem__(self, index: int) -> Finding: ...

    @overload
    def __getitem__(self, index: slice) -> "Findings": ...

    def __getitem__(self, index: int | slice) -> "Finding | Findings":
        if isinstance(index, slice):
            return Findings(self.table[index])
        return Finding(*self.table.select(_COLUMNS).row(index))

    def __iter__(self) -> Iterator[Finding]:
        for piece in self.table.select(_COLUMNS).iter_slices(_PIECE):
            for cells in piece.iter_rows():
                yield Finding(*cells)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Findings | tuple | list) and len(self) == len(other) and all(map(Finding.__eq__, self, other))

    def __hash__(self) -> int:
        return hash(tuple(self))

    def of_severity(self, severity: str) -> "Findings":
        """Those of one severity."""
        return Findings(self.table.filter(pl.col("severity") == severity))

    def listed(self, most: int) -> "Findings":
        """At most so many of one rule in one column, and a note that counts the rest."""
        number = pl.int_range(pl.len()).over("rule", "column")
        kept = self.table.filter(number < most)
        if kept.height == self.table.height:
            return self
        counts = self.table.group_by("rule", "column").len().filter(pl.col("len") > most).sort("rule", "column")
        rest = [
            built_in("file.more_of_the_same", other_rule=rule, column=column, count=f"{count - most:,}")
            for rule, column, count in counts.iter_rows()
        ]
        return Findings(pl.concat([kept, table_of(rest)]))

    def with_key(self) -> pl.DataFrame:
        """The table with `key`, as `Finding.key`, in place of the columns for sorting."""
        row = pl.format("row {}", pl.col("row"))
        cell = pl.when(pl.col("cell") != "").then(pl.col("cell"))
        where = pl.coalesce(cell, pl.when(pl.col("row") != 0).then(row), pl.col("column"))
        value = pl.when(pl.col("row").is_null()).then(pl.col("value"))
        parts = [pl.when(part != "").then(part) for part in (where, value)]
        key = pl.concat_str(pl.col("rule"), *parts, separator="@", ignore_nulls=True)
        return self.table.select(*_COLUMNS, key.alias("key"))


def table_of(findings: Iterable[Finding]) -> pl.DataFrame:
    """Single findings as a table."""
    rows = [(*(getattr(one, name) for name in _COLUMNS), *(cell_place(one.cell) if one.cell else (0, 0))) for one in findings]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def shown_all(texts: pl.Series) -> pl.Series:
    """Every text as it may be shown (`findings.shown`); only odd ones are looked at one by one."""
    long = texts.str.len_bytes() >= SHORTEST_IDENTIFIER
    odd = ~texts.str.contains(_PLAIN)
    if long.any():
        odd = odd | (long & texts.str.contains(ANY))
    odd = odd.fill_null(False)
    if not odd.any():
        return texts
    distinct = texts.filter(odd).unique()
    new = pl.Series([shown(text) for text in distinct.to_list()], dtype=pl.String)
    return texts.replace(distinct, new)


def filled(template: str, values: Mapping[str, Any], columns: Iterable[str]) -> pl.Expr:
    """A message of ours with values put in: of the row where a column has them, otherwise the same for all."""
    parts = []
    held = set(columns)
    for words, name, _, _ in Formatter().parse(template):
        if words:
            parts.append(pl.lit(words))
        if name is not None:
            parts.append(pl.col(name).cast(pl.String).fill_null("") if name in held else pl.lit(str(values.get(name, "?"))))
    return pl.concat_str(parts) if parts else pl.lit("")


def rows_of_one_rule(
    rule: str, severity: str, message: str, fix: str, rows: pl.DataFrame, place: int | None, values: Mapping[str, Any]
) -> pl.DataFrame:
    """Findings of one rule in one column.

    Args:
        rule: its id.
        severity: `error`, `query` or `note`.
        message: with `{words}` to put in.
        fix: likewise.
        rows: `#row`, `value`, and further words of each row.
        place: place of the column in the file, from 0; None where no one cell is meant.
        values: words that are the same for all rows, with `sheet` and `#column`.
    """
    texts = [name for name, kind in rows.schema.items() if kind == pl.String]
    safe = rows.with_columns(shown_all(rows[name]) for name in texts).rename({ROW: "row"})
    letters = None if place is None else column_letters(place)
    return safe.select(
        pl.lit(rule).alias("rule"),
        pl.lit(severity).alias("severity"),
        filled(message, values, safe.columns).alias("message"),
        filled(fix, values, safe.columns).alias("fix"),
        pl.lit(values.get("sheet"), dtype=pl.String).alias("sheet"),
        pl.col("row"),
        (pl.lit(None, dtype=pl.String) if letters is None else pl.format(f"{letters}{{}}", "row")).alias("cell"),
        pl.lit(values.get("#column"), dtype=pl.String).alias("column"),
        pl.col("value"),
        (pl.lit(0, dtype=pl.Int64) if place is None else pl.col("row")).alias("at"),
        pl.lit(place or 0, dtype=pl.Int64).alias("place"),
    )
