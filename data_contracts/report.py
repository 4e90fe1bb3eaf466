"""The report of a check: every finding, how the file was read, and the typed rows."""

from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import pandas as pd
import polars as pl

from data_contracts.findings import SEVERITIES, Finding, HeaderMatch
from data_contracts.found import Findings, table_of

# So many of one kind in one column are kept with a check; beyond that the cause is plain, and the rest is counted.
MOST_OF_ONE_KIND = 20_000
_CSV = ["rule", "severity", "sheet", "row", "cell", "column", "value", "message", "fix", "key"]


@dataclass(frozen=True)
class Report:
    """The outcome of a check.

    Attributes:
        sha256: digest of the bytes received.
        filename: name of the file, made safe to show.
        contract: name of the contract.
        version: version of the contract.
        sheet: sheet the rows were read from; None for CSV.
        rows_read: data rows found, blank ones left out.
        rows_with_errors: data rows with at least one error.
        ignored_columns: headings that the contract does not know.
        header_matches: how each heading was understood.
        findings: every finding, errors first, then by row and column.
        rows: typed rows with their file row number in `row`; None where there are errors. Whole numbers are nullable Int64,
            numbers nullable Float64, dates `datetime.date`; `<column>__symbol` holds z, x, c, low, k or u where one stood in
            place of a value.
    """

    sha256: str
    filename: str
    contract: str
    version: str
    sheet: str | None = None
    rows_read: int = 0
    rows_with_errors: int = 0
    ignored_columns: tuple[str, ...] = ()
    header_matches: tuple[HeaderMatch, ...] = ()
    findings: Findings = field(default_factory=Findings)
    rows: pd.DataFrame | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "findings", Findings.of(self.findings))

    @property
    def errors(self) -> Findings:
        """Findings that must be put right."""
        return self.findings.of_severity("error")

    @property
    def queries(self) -> Findings:
        """Findings to put right or explain."""
        return self.findings.of_severity("query")

    @property
    def notes(self) -> Findings:
        """Findings that ask for nothing."""
        return self.findings.of_severity("note")

    def noted(self, *more: Finding, first: bool = False) -> "Report":
        """The report with findings of a task's own, after those of the file or before them."""
        own = table_of(more)
        tables = [own, self.findings.table] if first else [self.findings.table, own]
        return replace(self, findings=Findings(pl.concat(tables)))

    def summary(self) -> str:
        """One sentence with the counts, in plain English."""
        counts = f"{_count(len(self.errors), 'error')}, {_count(len(self.queries), 'query')}, {_count(len(self.notes), 'note')}"
        start = f"{_count(self.rows_read, 'row')} read, {self.rows_with_errors:,} with errors: {counts}."
        if self.errors:
            return f"{start} The errors must be put right before the return can be submitted."
        if self.queries:
            return f"{start} Put right or explain each query to submit the return."
        return f"{start} The return can be submitted."

    def by_rule(self) -> list[dict[str, Any]]:
        """Number of findings of each rule, errors first: rule, severity, count, fix."""
        groups = self.findings.table.group_by("rule", "severity").agg(pl.len().alias("count"), pl.col("fix").first())
        rows = groups.to_dicts()
        return sorted(rows, key=lambda row: (SEVERITIES.index(row["severity"]), -row["count"], row["rule"]))

    def frame(self) -> pd.DataFrame:
        """The findings as a table: rule, severity, sheet, row, cell, column, value, message, fix, key."""
        names = ["rule", "severity", "sheet", "row", "cell", "column", "value", "message", "fix", "key"]
        return self.findings.with_key().select(names).to_pandas().astype({"row": "Int64"})

    def to_csv(self) -> str:
        """The findings as CSV to open in a spreadsheet: a text that would run there as a formula has an apostrophe before it."""
        table = self.findings.with_key().select(_CSV)
        safe = table.with_columns(
            pl.when(pl.col(name).str.contains(r"^[=+\-@\t\r]")).then("'" + pl.col(name)).otherwise(pl.col(name)).alias(name)
            for name in _CSV
            if name != "row"
        )
        return safe.write_csv(line_terminator="\r\n", quote_style="necessary")

    def to_dict(self) -> dict[str, Any]:
        """Everything but the typed rows, as plain JSON; of a great number of one kind in one column the rest is counted."""
        plain = {
            item.name: getattr(self, item.name)
            for item in fields(self)
            if item.name not in {"rows", "findings", "header_matches"}
        }
        plain["ignored_columns"] = list(self.ignored_columns)
        plain["header_matches"] = [asdict(match) for match in self.header_matches]
        listed = self.findings.listed(MOST_OF_ONE_KIND)
        plain["findings"] = listed.with_key().to_dicts()
        plain["summary"] = self.summary()
        return plain


def _count(number: int, word: str) -> str:
    plural = f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
    return f"{number:,} {word if number == 1 else plural}"
