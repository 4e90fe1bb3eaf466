"""Examples of what a contract refuses, kept as data: the good example with one thing wrong, and the findings that it gives.

`examples/broken.yaml` of a contract holds

- `quiet_row`: a row of the good example in which no rule of the contract turns on one cell alone (4 where it is left out); what
  holds for every column (blank, range, list, symbol, length) is tried there.
- `period`: the period of the return, where the rows carry none.
- `examples`: one or more entries for each rule, with `rule`, `row` and `column` of the finding expected, and what is changed:
  `edits` ({column: text} in that row, or a list of {row, column: text, …} for other rows), `add` (rows at the end, each
  {like: row, column: text, …}), `remove` (row numbers). `also` lists further findings expected, as [rule, row, column].
  `previous` and `locked` are the good example with changes of their own, for rules that look at the last return or at what is
  locked: {edits, add, remove}.

Rows are numbered as a spreadsheet shows them: the headings are row 1. Every cell is taken as text, just as it stands.
"""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from data_contracts.errors import ContractError

Expected = tuple[str, int | None, str | None]
Table = list[list[str]]
_QUIET_ROW = "4"
_CHANGES = {"edits", "add", "remove"}
_WORDS = _CHANGES | {"rule", "row", "column", "also", "previous", "locked"}


@dataclass(frozen=True)
class BrokenExample:
    """The good example with one thing wrong.

    Attributes:
        rule: the rule that it breaks.
        text: the return as CSV.
        expected: every finding that it gives: rule, row, column.
        previous: the last accepted return as CSV; blank where there is none.
        locked: what is locked, as CSV; blank where nothing is.
    """

    rule: str
    text: str
    expected: tuple[Expected, ...]
    previous: str = ""
    locked: str = ""


@dataclass(frozen=True)
class Examples:
    """All broken examples of a contract.

    Attributes:
        broken: the examples, in the file's order.
        quiet_row: row of the good example in which no rule turns on one cell alone.
        period: of the return, where the rows carry none; blank otherwise.
    """

    broken: tuple[BrokenExample, ...]
    quiet_row: int
    period: str


def read_examples(name: str, good: str, text: str) -> Examples:
    """Read the broken examples of a contract.

    Args:
        name: of the contract, for messages.
        good: its good example as CSV.
        text: its `broken.yaml`.

    Raises:
        ContractError: an entry names a row, a column or a word that there is not.
    """
    # Every scalar stays the text that it is: `yes`, 2024-09-01 and 007 are cells, not truth, dates and numbers.
    document = yaml.load(text, Loader=yaml.BaseLoader) or {}
    if not isinstance(document, dict) or not isinstance(document.get("examples", []), list):
        raise ContractError(f"The broken examples of {name} are not as they should be. Give a list under `examples`.")
    table = list(csv.reader(io.StringIO(good)))
    broken = tuple(_example(name, table, entry) for entry in document.get("examples", []))
    return Examples(broken, int(document.get("quiet_row", _QUIET_ROW)), document.get("period", ""))


def _example(name: str, good: Table, entry: Mapping[str, Any]) -> BrokenExample:
    if not isinstance(entry, dict) or not {"rule", "row", "column"} <= set(entry) <= _WORDS:
        raise ContractError(
            f"The broken examples of {name} have {entry!r}. It needs rule, row and column, and of {sorted(_WORDS)}."
        )
    where = f"The broken example of {name} for {entry['rule']}"
    also = tuple(_expected(where, list(item)) for item in entry.get("also", []))
    return BrokenExample(
        rule=entry["rule"],
        text=_as_csv(_changed(where, good, entry)),
        expected=(_expected(where, [entry["rule"], entry["row"], entry["column"]]), *also),
        previous=_other(where, good, entry, "previous"),
        locked=_other(where, good, entry, "locked"),
    )


def _expected(where: str, words: list[str]) -> Expected:
    if len(words) != 3:
        raise ContractError(f"{where} expects {words!r}. Write [rule, row, column]; leave row and column blank for the file.")
    return words[0], int(words[1]) if words[1] else None, words[2] or None


def _other(where: str, good: Table, entry: Mapping[str, Any], word: str) -> str:
    changes = entry.get(word)
    if changes is None:
        return ""
    if not isinstance(changes, dict) or not set(changes) <= _CHANGES:
        raise ContractError(f"{where} has {word} {changes!r}. Use {', '.join(sorted(_CHANGES))}.")
    return _as_csv(_changed(f"{where} ({word})", good, changes))


def _changed(where: str, good: Table, changes: Mapping[str, Any]) -> Table:
    """The good example with cells edited, rows added and rows removed, in this order."""
    table = [list(cells) for cells in good]
    edits = changes.get("edits", [])
    if isinstance(edits, dict):
        edits = [{"row": changes.get("row", ""), **edits}]
    for cells in edits:
        _put(where, table, _number(where, table, cells.get("row", "")), cells, "row")
    for cells in changes.get("add", []):
        table.append(list(table[_number(where, table, cells.get("like", "")) - 1]))
        _put(where, table, len(table), cells, "like")
    out = {_number(where, table, row) for row in changes.get("remove", [])}
    return [cells for row, cells in enumerate(table, 1) if row not in out]


def _put(where: str, table: Table, row: int, cells: Mapping[str, str], marker: str) -> None:
    for column, text in cells.items():
        if column == marker:
            continue
        if column not in table[0]:
            raise ContractError(f"{where} changes {column!r}, which the good example does not have.")
        table[row - 1][table[0].index(column)] = text


def _number(where: str, table: Table, text: str) -> int:
    if not text.isdigit() or not 2 <= int(text) <= len(table):
        raise ContractError(f"{where} names row {text!r}. Rows go from 2 to {len(table)}.")
    return int(text)


def _as_csv(table: Table) -> str:
    held = io.StringIO()
    csv.writer(held, lineterminator="\n").writerows(table)
    return held.getvalue()
