"""The broken examples that ship with the contracts, and what every column promises. Loaded by conftest.py."""

import dataclasses
from datetime import date, timedelta
from functools import partial
from typing import Any

from contract_broken import Broken, add, edit

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


def of_column(contract: Contract, column: Column) -> list[Broken]:
    """What every column promises: required, least, most, choices, symbols, length."""
    name, found = contract.name, []
    row = contract.examples().quiet_row

    def case(rule: str, value: str) -> None:
        # A key that is wrong is put into a row of its own, so that nothing else is missing.
        made = add if column.name in contract.key else edit
        found.append(
            dataclasses.replace(made(rule, name, row, column.name, **{column.name: value}), name=f"{column.name} {value[:12]}")
        )

    if column.required:
        case("types.blank" if column.is_number else "types.no_entry", "")
    if column.minimum is not None:
        case("values.too_small", beyond(column, column.minimum, -1))
    if column.maximum is not None:
        case("values.too_large", beyond(column, column.maximum, 1))
    if column.choices:
        case("values.not_in_list", "none of them")
    if column.pattern:
        case("values.not_as_written", "none of them")
    if column.is_number:
        case("types.unknown_symbol", "n/a" if column.symbols else "c")
    if column.symbols:
        case("types.symbol_case", column.symbols[-1].upper())
    if column.free_text:
        case("text.too_long", "x" * (column.max_length + 1))
    return found


COLUMNS = tuple(
    case for name in contracts() for column in load_contract(name).columns for case in of_column(load_contract(name), column)
)
CASES = (*SHIPPED, *COLUMNS)
