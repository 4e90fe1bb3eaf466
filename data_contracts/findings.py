"""What a check says: findings, one row each, and the words of the rules that hold for every contract."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

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


def safe_word(name: str, value: Any) -> Any:
    """A word of a message as it may be shown."""
    return shown(value) if isinstance(value, str) and name not in _OURS else value


def built_in(rule: str, **values: Any) -> Finding:
    """A finding of a rule of `rules.yaml`.

    Args:
        rule: its id.
        **values: sheet, row, cell, column, value, and whatever else the message names.
    """
    words = built_in_rules()[rule]
    safe = {name: safe_word(name, value) for name, value in values.items()}
    place: dict[str, Any] = {name: safe.get(name) for name in ("sheet", "row", "cell", "column", "value")}
    return Finding(rule, words["severity"], fill(words["message"], safe), fill(words["fix"], safe), **place)
