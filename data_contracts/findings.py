"""What a check says: findings, one row each, and the report that carries them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from importlib import resources
from typing import Any

import pandas as pd
import yaml

from data_contracts.personal import masked

SEVERITIES = ("error", "query", "note")
SHOWN_VALUE = 120


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found in a file.

    Attributes:
        rule: id of the rule, `stage.rule` for those of every contract, the bare id for those of one contract.
        severity: `error` (must be put right), `query` (put right or explain) or `note` (nothing to do).
        message: what is wrong, in plain English.
        fix: what to do about it.
        sheet: sheet of the workbook; None in a CSV file.
        row: row number as a spreadsheet shows it; None where the finding is about the file.
        cell: reference such as `C5`; None where no one cell is meant.
        column: name of the contract's column, or the heading found.
        value: what was entered, shortened, and masked where it looks personal.
    """

    rule: str
    severity: str
    message: str
    fix: str
    sheet: str | None = None
    row: int | None = None
    cell: str | None = None
    column: str | None = None
    value: str | None = None

    @property
    def key(self) -> str:
        """A text that names this finding within its report; explanations of queries are kept under it."""
        place = self.cell or (f"row {self.row}" if self.row else None) or self.column or ""
        return "@".join(part for part in (self.rule, place, "" if self.row else (self.value or "")) if part)


@dataclass(frozen=True, slots=True)
class HeaderMatch:
    """How one heading of the file was understood.

    Attributes:
        found: the heading as it stands in the file.
        column: the contract's column it was taken for.
        how: `same`, `spelling` (case, spaces, invisible characters) or `alias` (another name that the contract declares).
    """

    found: str
    column: str
    how: str

    def __iter__(self) -> Any:
        """Unpack as (found, column, how)."""
        return iter((self.found, self.column, self.how))


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
    findings: tuple[Finding, ...] = ()
    rows: pd.DataFrame | None = field(default=None, compare=False)

    def _of(self, severity: str) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity == severity)

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Findings that must be put right."""
        return self._of("error")

    @property
    def queries(self) -> tuple[Finding, ...]:
        """Findings to put right or explain."""
        return self._of("query")

    @property
    def notes(self) -> tuple[Finding, ...]:
        """Findings that ask for nothing."""
        return self._of("note")

    def summary(self) -> str:
        """One sentence with the counts, in plain English."""
        counts = f"{_count(len(self.errors), 'error')}, {_count(len(self.queries), 'query')}, {_count(len(self.notes), 'note')}"
        start = f"{_count(self.rows_read, 'row')} read, {self.rows_with_errors} with errors: {counts}."
        if self.errors:
            return f"{start} The errors must be put right before the return can be submitted."
        if self.queries:
            return f"{start} Put right or explain each query to submit the return."
        return f"{start} The return can be submitted."

    def by_rule(self) -> list[dict[str, Any]]:
        """Number of findings of each rule, errors first: rule, severity, count, fix."""
        counts = Counter((finding.rule, finding.severity) for finding in self.findings)
        fixes = {finding.rule: finding.fix for finding in reversed(self.findings)}
        order = sorted(counts, key=lambda pair: (SEVERITIES.index(pair[1]), -counts[pair], pair[0]))
        return [
            {"rule": rule, "severity": severity, "count": counts[rule, severity], "fix": fixes[rule]} for rule, severity in order
        ]

    def frame(self) -> pd.DataFrame:
        """The findings as a table: rule, severity, sheet, row, cell, column, value, message, fix, key."""
        names = ["rule", "severity", "sheet", "row", "cell", "column", "value", "message", "fix", "key"]
        table = pd.DataFrame([[getattr(finding, name) for name in names] for finding in self.findings], columns=names)
        return table.astype({"row": "Int64"})

    def to_csv(self) -> str:
        """The findings as CSV to open in a spreadsheet: a text that would run there as a formula has an apostrophe before it."""
        table = self.frame()
        for name in table.columns.drop("row"):
            table[name] = [f"'{cell}" if str(cell).startswith(("=", "+", "-", "@")) else cell for cell in table[name]]
        return str(table.to_csv(index=False, lineterminator="\r\n"))

    def to_dict(self) -> dict[str, Any]:
        """Everything but the typed rows, as plain JSON."""
        plain = {
            item.name: getattr(self, item.name)
            for item in fields(self)
            if item.name not in {"rows", "findings", "header_matches"}
        }
        plain["ignored_columns"] = list(self.ignored_columns)
        plain["header_matches"] = [asdict(match) for match in self.header_matches]
        plain["findings"] = [{**asdict(finding), "key": finding.key} for finding in self.findings]
        plain["summary"] = self.summary()
        return plain


def _count(number: int, word: str) -> str:
    plural = f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
    return f"{number:,} {word if number == 1 else plural}"


@cache
def built_in_rules() -> dict[str, dict[str, str]]:
    """Rules that hold for every contract, by id: severity, message, fix."""
    text = resources.files(__package__).joinpath("rules.yaml").read_text(encoding="utf-8")
    return {f"{stage}.{name}": rule for stage, rules in yaml.safe_load(text).items() for name, rule in rules.items()}


class _Blanks(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "?"


def fill(template: str, values: Mapping[str, Any]) -> str:
    """Put values into a message of ours; values are only ever put in, never read as a template."""
    return template.format_map(_Blanks(values))


def shown(value: object) -> str:
    """A value as it may be shown: in one line, without control characters or identifiers of persons, shortened."""
    start = str(value)[: 10 * SHOWN_VALUE]
    text = masked("".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in start))
    return text if len(text) <= SHOWN_VALUE else f"{text[:SHOWN_VALUE]}…"


# Words of the contract's own, which are shown whole: the list of what may be entered is no use when it is cut.
_OURS = frozenset({"choices", "expected", "symbols", "label", "unit"})


def built_in(rule: str, **values: Any) -> Finding:
    """A finding of a rule of `rules.yaml`.

    Args:
        rule: its id.
        **values: sheet, row, cell, column, value, and whatever else the message names.
    """
    words = built_in_rules()[rule]
    safe = {name: shown(value) if isinstance(value, str) and name not in _OURS else value for name, value in values.items()}
    place: dict[str, Any] = {name: safe.get(name) for name in ("sheet", "row", "cell", "column", "value")}
    return Finding(rule, words["severity"], fill(words["message"], safe), fill(words["fix"], safe), **place)
