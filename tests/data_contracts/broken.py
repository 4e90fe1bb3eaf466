"""What a broken example is: the good example with one thing wrong, and what is said of it. Loaded by conftest.py."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from contract_tables import Rows, as_csv, example

from data_contracts import Context, Contract, Limits, check, load_contract, parse_contract

Expected = tuple[str, int | None, str | None]  # rule, row, column
NO_REGION: dict[str, Any] = {"region": None, "period": None}

PER_CENT = """
apiVersion: v3.1.0
kind: DataContract
id: shares
name: shares
version: 1.0.0
status: active
schema:
  - name: shares
    properties:
      - {name: area, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 1}
      - {name: share, logicalType: number, required: true, customProperties: [{property: unit, value: "%"}]}
"""
VISITS = """
apiVersion: v3.1.0
kind: DataContract
id: visits
name: visits
version: 1.0.0
status: active
customProperties: [{property: periodKind, value: term}, {property: askedFrom, value: 2023/24 autumn}]
schema:
  - name: visits
    properties:
      - {name: visited, logicalType: date, required: true, customProperties: [{property: role, value: event}]}
      - name: place
        businessName: Place
        logicalType: string
        logicalTypeOptions: {pattern: "^[A-Z]{3}$"}
        customProperties: [{property: patternWords, value: "three capital letters, such as ABC"}]
"""
MADE_UP = {"shares": PER_CENT, "visits": VISITS}


@dataclass(frozen=True)
class Broken:
    """One case.

    Attributes:
        rule: the rule it is an example of.
        contract: name of the contract.
        content: makes the bytes.
        expect: every finding: rule, row, column.
        context: what differs from the good example's context; a function is asked for the value.
        limits: of reading.
        name: told apart by it in the test's output.
    """

    rule: str
    contract: str
    content: Callable[[], bytes]
    expect: tuple[Expected, ...]
    context: dict[str, Any] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    name: str = ""

    def loaded(self) -> Contract:
        return parse_contract(MADE_UP[self.contract]) if self.contract in MADE_UP else load_contract(self.contract)

    def check(self, contexts: dict[str, Context]) -> Any:
        changes = {name: value() if callable(value) else value for name, value in self.context.items()}
        context = dataclasses.replace(contexts.get(self.contract, Context()), **changes)
        return check(self.loaded(), "return.csv", self.content(), context, self.limits)


def edited(contract: str, row: int, **cells: str) -> Rows:
    """The good example with cells of one row changed; `row` as the spreadsheet shows it."""
    table = example(contract)
    for name, value in cells.items():
        table[row - 1][table[0].index(name)] = value
    return table


def added(contract: str, like: int, **cells: str) -> Rows:
    """The good example with a row at its end, like another with cells changed."""
    table = example(contract)
    table.append(list(table[like - 1]))
    for name, value in cells.items():
        table[-1][table[0].index(name)] = value
    return table


def only(contract: str, row: int, **cells: str) -> Rows:
    """The headings and one row of the good example."""
    table = edited(contract, row, **cells)
    return [table[0], table[row - 1]]


def wider(heading: str, value: str) -> Rows:
    """The good example of EHC plans with a column more."""
    table = example("ehcp_process")
    return [[*cells, value if number else heading] for number, cells in enumerate(table)]


def edit(rule: str, contract: str, row: int, column: str, *more: Expected, **cells: str) -> Broken:
    """A case of changed cells, found at the row and column."""
    return Broken(rule, contract, lambda: as_csv(edited(contract, row, **cells)), ((rule, row, column), *more))


def add(
    rule: str, contract: str, like: int, column: str, *more: Expected, context: dict[str, Any] | None = None, **cells: str
) -> Broken:
    """A case of a row added at the end, found there."""
    row = len(example(contract)) + 1
    return Broken(rule, contract, lambda: as_csv(added(contract, like, **cells)), ((rule, row, column), *more), context or {})


def one(rule: str, contract: str, column: str, *more: Expected, context: dict[str, Any] | None = None, **cells: str) -> Broken:
    """A case of one row alone, outside any region."""
    expect = ((rule, 2, column), *more)
    return Broken(rule, contract, lambda: as_csv(only(contract, 2, **cells)), expect, NO_REGION | (context or {}))
