"""Typed rows on their way to the store and back: plain JSON in between, the same on every machine."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import pandas as pd

from data_contracts import Contract
from pilots.storage.base import canonical_json

Row = tuple[int, dict[str, Any]]


def _plain(value: Any) -> Any:
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, date):
        return value.isoformat()
    return value.item() if hasattr(value, "item") else value


def as_json(rows: pd.DataFrame) -> list[Row]:
    """Turn the typed rows of a report into (row number in the file, values as plain JSON), in file order.

    Args:
        rows: `Report.rows`: a column `row`, then the contract's columns. Dates become ISO text, blanks None.
    """
    names = [str(name) for name in rows.columns if name != "row"]
    columns = [[_plain(value) for value in rows[name].astype(object)] for name in names]
    numbers = [int(number) for number in rows["row"]]
    made = [
        (number, dict(zip(names, values, strict=True)))
        for number, values in zip(numbers, zip(*columns, strict=True), strict=True)
    ]
    return sorted(made, key=lambda row: row[0])


def digest(rows: Sequence[Row]) -> str:
    """SHA-256 of the rows' canonical JSON."""
    return hashlib.sha256(canonical_json([list(row) for row in rows]).encode()).hexdigest()


def as_frame(contract: Contract, rows: Iterable[Row]) -> pd.DataFrame:
    """Turn stored rows back into a typed frame, as `Report.rows` has it.

    Args:
        contract: the version that the rows were checked against.
        rows: (row number in the file, values as plain JSON).

    Returns:
        `row`, then the contract's columns: Int64, Float64, `datetime.date` or text; `<column>__symbol` where symbols may stand.
    """
    stored = list(rows)
    made: dict[str, pd.Series] = {"row": pd.Series([number for number, _ in stored], dtype="int64")}
    for column in contract.columns:
        values = [data.get(column.name) for _, data in stored]
        if column.type == "date":
            values = [None if value is None else date.fromisoformat(value) for value in values]
        kind = {"integer": "Int64", "number": "Float64"}.get(column.type, "object")
        made[column.name] = pd.Series(values, dtype=kind)
        if column.symbols:
            name = f"{column.name}__symbol"
            made[name] = pd.Series([data.get(name) for _, data in stored], dtype="object")
    return pd.DataFrame(made)
