"""What one check has found out so far; each stage reads it and adds to it."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import polars as pl

from data_contracts.codes import Codes
from data_contracts.context import Context
from data_contracts.contract import Contract, Rule
from data_contracts.findings import Finding, HeaderMatch, built_in, built_in_rules, safe_word
from data_contracts.found import rows_of_one_rule
from data_contracts.reading.table import ROW, Limits, Mark, RawTable, cell_name


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
        comments: cell and text of the comments of a workbook, whichever sheet they are on.
        table: the one that holds the return; None until found.
        template: what the hidden sheet of a template says, by key; empty where there is none.
        header: row number of the headings.
        matches: how headings were understood.
        ignored: headings the contract does not know.
        positions: place of each column found in the table, from 0.
        data: data rows: row number and the trimmed text of each column found.
        fits: for each column found, whether the text of a cell can be cast.
        set_aside: numbers of the rows that were taken out with an error.
        rows_read: number of data rows, those that were taken out with an error included.
        grid: beside the row number, for each column found its typed value (null where blank, symbol or fault), its text as
            `<column>#text` and its symbol as `<column>#symbol`.
        findings: those added one by one.
        tables_of_findings: those added many at once.
        rules: those with a finding.
        wrong: numbers of the rows with an error, with repeats.
    """

    contract: Contract
    context: Context
    filename: str
    content: bytes
    limits: Limits
    tables: tuple[RawTable, ...] = ()
    comments: tuple[tuple[str, str], ...] = ()
    table: RawTable | None = None
    template: dict[str, str] = field(default_factory=dict)
    header: int = 0
    matches: list[HeaderMatch] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    ignored_positions: list[int] = field(default_factory=list)
    positions: dict[str, int] = field(default_factory=dict)
    data: pl.DataFrame = field(default_factory=pl.DataFrame)
    fits: pl.DataFrame = field(default_factory=pl.DataFrame)
    set_aside: set[int] = field(default_factory=set)
    rows_read: int = 0
    grid: pl.DataFrame = field(default_factory=pl.DataFrame)
    findings: list[Finding] = field(default_factory=list)
    rules: set[str] = field(default_factory=set)
    tables_of_findings: list[pl.DataFrame] = field(default_factory=list)
    wrong: list[pl.Series] = field(default_factory=list)

    @property
    def sheet(self) -> str | None:
        """Name of the sheet being read."""
        return self.table.sheet if self.table else None

    @cached_property
    def codes(self) -> Codes:
        """The table of authorities' codes."""
        return Codes(self.context.authorities)

    def cell(self, row: int | None, column: str | None) -> str | None:
        """Reference of a cell, such as `C5`."""
        if row is None or column not in self.positions:
            return None
        return cell_name(row, self.positions[column])

    def remember(self, rule: str, severity: str, rows: pl.Series) -> None:
        """Remember which rules had findings, and the rows with an error."""
        self.rules.add(rule)
        if severity == "error":
            self.wrong.append(rows.filter(rows > self.header))

    @property
    def rows_with_errors(self) -> int:
        """Number of data rows with at least one error."""
        return pl.concat(self.wrong).n_unique() if self.wrong else 0

    def add(self, rule: str, **values: Any) -> None:
        """Add one finding of a built-in rule."""
        row, column = values.get("row"), values.get("column")
        self.remember(rule, built_in_rules()[rule]["severity"], pl.Series([row] if row else [], dtype=pl.Int64))
        values.setdefault("sheet", self.sheet)
        if values.get("cell") is None:
            values["cell"] = self.cell(row, column)
        self.findings.append(built_in(rule, **values))

    def add_rows(self, rule: str, mask: pl.Series, column: str, **values: Any) -> None:
        """Add a finding of a built-in rule for every data row that a mask names, with the text of the column as its value."""
        if not mask.any():
            return
        self.add_table(rule, self.data.select(ROW, pl.col(column).alias("value")).filter(mask), column, **values)

    def add_table(self, rule: str, rows: pl.DataFrame, column: str | None, **values: Any) -> None:
        """Add a finding of a built-in rule for each row of a table.

        Args:
            rule: its id.
            rows: `#row`, `value`, and further words of each row for the message.
            column: the column meant; None where the whole row is.
            **values: words that are the same for all rows; `sheet` and `place` (from 0) where they are not the table's own.
        """
        words = built_in_rules()[rule]
        same = {"column": column} | {name: safe_word(name, value) for name, value in values.items()}
        self._add(rule, words["severity"], words["message"], words["fix"], rows, column, same)

    def add_groups(self, rows: pl.DataFrame, column: str | None, **values: Any) -> None:
        """Add findings of several built-in rules: the rule of each row is in the table's column `#rule`."""
        for (rule,), group in rows.partition_by("#rule", as_dict=True, maintain_order=True, include_key=False).items():
            self.add_table(rule, group, column, **values)

    def add_once(self, rule: str, mask: pl.Series, column: str) -> None:
        """Add one finding of a built-in rule for all data rows that a mask names: the first of them, and their number."""
        count = int(mask.sum())
        if count:
            row, text = self.data.select(ROW, column).filter(mask).row(0)
            self.add(rule, row=row, column=column, value=text, count=f"{count:,}")

    def add_rule(self, rule: Rule, rows: pl.DataFrame) -> None:
        """Add a finding of a rule of the contract for each row of a table: `#row`, and the words for its message."""
        value = pl.col(rule.column) if rule.column in rows.columns else pl.lit(None, dtype=pl.String)
        self._add(rule.id, rule.severity, rule.message, rule.fix, rows.with_columns(value.alias("value")), rule.column, {})

    def _add(
        self, rule: str, severity: str, message: str, fix: str, rows: pl.DataFrame, column: str | None, same: dict[str, Any]
    ) -> None:
        if rows.height:
            self.remember(rule, severity, rows[ROW])
            place = same.pop("place", self.positions.get(column or ""))
            about = {"sheet": self.sheet} | same | {"#column": column}
            self.tables_of_findings.append(rows_of_one_rule(rule, severity, message, fix, rows, place, about))

    def marks(self, *kinds: str) -> list[Mark]:
        """Marks of the workbook reader below the headings."""
        if self.table is None:
            return []
        return [mark for mark in self.table.marks if mark.kind in kinds and mark.row > self.header]

    def column_at(self, position: int) -> str | None:
        """The contract's column at a place in the table."""
        return next((name for name, place in self.positions.items() if place == position), None)
