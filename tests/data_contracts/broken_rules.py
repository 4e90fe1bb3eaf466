"""The broken examples that ship with the contracts, and what every column promises. Loaded by conftest.py."""

import dataclasses
from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial
from typing import Any

from contract_broken import Broken, add, edited
from contract_tables import as_csv

from data_contracts import BrokenExample, Column, Context, Contract, check, contracts, load_contract


def rows_of(contract: str, text: str) -> Any:
    """Typed rows of a return that was accepted."""
    rows = check(load_contract(contract), "a.csv", text.encode(), Context()).rows
    assert rows is not None
    return rows


def told(contract: str, example: BrokenExample) -> Broken:
    """An example that ships with a contract as a case."""
    before = {"previous": example.previous, "locked": example.locked}
    context = {word: partial(rows_of, contract, text) for word, text in before.items() if text}
    return Broken(example.rule, contract, example.text.encode, example.expected, context)


SHIPPED = tuple(told(name, example) for name in contracts() for example in load_contract(name).broken_examples())


def beyond(column: Column, limit: Any, step: int) -> str:
    if column.type == "date":
        return (date.fromisoformat(str(limit)) + timedelta(days=step)).isoformat()
    return f"{float(limit) + step:g}" if column.type == "number" else str(int(limit) + step)


def promises(column: Column) -> dict[str, str]:
    """What a column promises: a text that breaks each of the rules which hold for it."""
    found = {}
    if column.required:
        found["types.blank" if column.is_number else "types.no_entry"] = ""
    if column.minimum is not None:
        found["values.too_small"] = beyond(column, column.minimum, -1)
    if column.maximum is not None:
        found["values.too_large"] = beyond(column, column.maximum, 1)
    if column.choices:
        found["values.not_in_list"] = "none of them"
    if column.pattern:
        found["values.not_as_written"] = "none of them"
    if column.is_number:
        found["types.unknown_symbol"] = "n/a" if column.symbols else "c"
    if column.symbols:
        found["types.symbol_case"] = column.symbols[-1].upper()
    if column.free_text:
        found["text.too_long"] = "x" * (column.max_length + 1)
    return found


def of_columns(contract: Contract) -> Iterator[Broken]:
    """Each promise broken: for a key in a row of its own, so that nothing else is missing; for all other columns in one row."""
    row = contract.examples().quiet_row
    together: dict[str, dict[str, str]] = {}
    for column in contract.columns:
        for rule, text in promises(column).items():
            if column.name in contract.key:
                case = add(rule, contract.name, row, column.name, **{column.name: text})
                yield dataclasses.replace(case, name=f"{column.name} {text[:12]}")
            else:
                together.setdefault(rule, {})[column.name] = text
    for rule, cells in together.items():
        found = tuple((rule, row, name) for name in cells)
        yield Broken(rule, contract.name, partial(broken_row, contract.name, row, cells), found, name="all columns")


def broken_row(contract: str, row: int, cells: dict[str, str]) -> bytes:
    return as_csv(edited(contract, row, **cells))


COLUMNS = tuple(case for name in contracts() for case in of_columns(load_contract(name)))
CASES = (*SHIPPED, *COLUMNS)
