"""What one check has found out so far; each stage reads it and adds to it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from data_contracts.context import Context
from data_contracts.contract import Contract, Rule
from data_contracts.findings import Finding, HeaderMatch, built_in, built_in_rules, fill, shown
from data_contracts.reading.table import ROW, Limits, Mark, RawTable, cell_name

MOST_OF_ONE_KIND = 20_000


@dataclass
class State:
    """What one check has found out so far.

    Attributes:
        contract: what the file must look like.
        context: what is known beside it.
        filename: as sent.
        content: the bytes.
        limits: how much is read.
        tables: raw tables read: one for CSV, one a sheet for a workbook.
        table: the one that holds the return; None until found.
        template: what the hidden sheet of a template says, by key; empty where there is none.
        header: row number of the headings.
        matches: how headings were understood.
        ignored: headings the contract does not know.
        positions: place of each column found in the table, from 0.
        data: data rows: row number and the trimmed text of each column found.
        set_aside: numbers of the rows that were taken out with an error.
        rows_read: number of data rows, those that were taken out with an error included.
        grid: beside the row number, for each column found its typed value (null where blank, symbol or fault), its text as
            `<column>#text` and its symbol as `<column>#symbol`.
        findings: all so far that are listed.
        counts: number of findings by rule and column, those not listed included.
        wrong_rows: numbers of the rows with an error.
    """

    contract: Contract
    context: Context
    filename: str
    content: bytes
    limits: Limits
    tables: tuple[RawTable, ...] = ()
    table: RawTable | None = None
    template: dict[str, str] = field(default_factory=dict)
    header: int = 0
    matches: list[HeaderMatch] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    ignored_positions: list[int] = field(default_factory=list)
    positions: dict[str, int] = field(default_factory=dict)
    data: pl.DataFrame = field(default_factory=pl.DataFrame)
    set_aside: set[int] = field(default_factory=set)
    rows_read: int = 0
    grid: pl.DataFrame = field(default_factory=pl.DataFrame)
    findings: list[Finding] = field(default_factory=list)
    counts: Counter[tuple[str, str | None]] = field(default_factory=Counter)
    wrong_rows: set[int] = field(default_factory=set)

    @property
    def sheet(self) -> str | None:
        """Name of the sheet being read."""
        return self.table.sheet if self.table else None

    def cell(self, row: int | None, column: str | None) -> str | None:
        """Reference of a cell, such as `C5`."""
        if row is None or column not in self.positions:
            return None
        return cell_name(row, self.positions[column])

    def listed(self, rule: str, severity: str, row: int | None, column: str | None) -> bool:
        """Count a finding; whether it is listed too: beyond a great number of one kind in one column it is not."""
        if severity == "error" and row is not None and row > self.header:
            self.wrong_rows.add(row)
        self.counts[rule, column] += 1
        return self.counts[rule, column] <= MOST_OF_ONE_KIND

    def add(self, rule: str, **values: Any) -> None:
        """Add a finding of a built-in rule."""
        row, column = values.get("row"), values.get("column")
        if not self.listed(rule, built_in_rules()[rule]["severity"], row, column):
            return
        values.setdefault("sheet", self.sheet)
        if values.get("cell") is None:
            values["cell"] = self.cell(row, column)
        self.findings.append(built_in(rule, **values))

    def add_rows(self, rule: str, mask: pl.Series | pl.Expr, column: str, **values: Any) -> None:
        """Add a finding of a built-in rule for every data row that a mask names, with the text of the column as its value."""
        for row, text in self.where(mask, column):
            self.add(rule, row=row, column=column, value=text, **values)

    def add_once(self, rule: str, mask: pl.Series, column: str) -> None:
        """Add one finding of a built-in rule for all data rows that a mask names: the first of them, and their number."""
        count = int(mask.sum())
        if count:
            row, text = next(self.where(mask, column))
            self.add(rule, row=row, column=column, value=text, count=f"{count:,}")

    def where(self, mask: pl.Series | pl.Expr, column: str) -> Iterator[tuple[int, str]]:
        """Row number and text of the column for every data row that a mask names."""
        if isinstance(mask, pl.Series) and not mask.any():
            return
        yield from self.data.filter(mask).select(ROW, column).iter_rows()

    def add_rule(self, rule: Rule, row: int | None, column: str | None, values: dict[str, Any]) -> None:
        """Add a finding of a rule of the contract."""
        if not self.listed(rule.id, rule.severity, row, column):
            return
        texts = {name: shown("" if value is None else value) for name, value in values.items()}
        value = texts.get(column or "")
        message, fix = fill(rule.message, texts), fill(rule.fix, texts)
        place = self.cell(row, column)
        self.findings.append(Finding(rule.id, rule.severity, message, fix, self.sheet, row, place, column, value))

    def marks(self, *kinds: str) -> list[Mark]:
        """Marks of the workbook reader below the headings."""
        if self.table is None:
            return []
        return [mark for mark in self.table.marks if mark.kind in kinds and mark.row > self.header]

    def column_at(self, position: int) -> str | None:
        """The contract's column at a place in the table."""
        return next((name for name, place in self.positions.items() if place == position), None)
