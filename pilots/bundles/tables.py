"""Tables of a bundle: rows of returns and published figures to CSV and Parquet, and from CSV back without losing a bit."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from pilots.errors import UserError

ABOUT = ("reference", "collection", "region", "period", "contract_version", "row")
FIGURE = ("reference", "publication", "edition", "measure", "period", "authority", "value", "symbol", "source")
KINDS = {"integer": "Int64", "number": "Float64", "boolean": "boolean", "text": "object", "json": "object"}


class BundleError(UserError):
    """A bundle that cannot be made or read; the message says where and what to do."""


def kind_of(values: Sequence[Any]) -> str:
    """What all values of a column are; `json` where they are of several kinds, or a text that a blank cell could not tell."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {str} and "" not in values:
        return "text"
    return {frozenset({int}): "integer", frozenset({float}): "number", frozenset({bool}): "boolean"}.get(frozenset(kinds), "json")


def cell(value: Any, kind: str) -> str:
    """A value as the text of a cell: numbers with all their digits, nothing where there is none."""
    if value is None:
        return ""
    return str(value) if kind == "text" else json.dumps(value, ensure_ascii=False, allow_nan=False)


def value_of(text: str, kind: str, place: str) -> Any:
    """The value of a cell's text.

    Raises:
        BundleError: the text is none of that kind.
    """
    if text == "":
        return None
    if kind == "text":
        return text
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        raise BundleError(f"{place}: “{text}” is no {kind}. Take the bundle anew, or put the figure right.") from None
    return float(value) if kind == "number" else value


def csv_bytes(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    """A CSV in UTF-8 with lines ended by a line feed."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue().encode()


def csv_rows(content: bytes) -> list[dict[str, str]]:
    """The rows of a CSV, every cell as text."""
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def parquet_bytes(frame: pd.DataFrame) -> bytes:
    """A frame as Parquet."""
    kept = io.BytesIO()
    frame.to_parquet(kept, index=False)
    return kept.getvalue()


def typed(header: Sequence[str], rows: Sequence[Sequence[Any]], kinds: Mapping[str, str]) -> pd.DataFrame:
    """Values as a frame of typed columns; a value of a `json` column stands as its text."""
    columns = {}
    for at, name in enumerate(header):
        values = [cell(row[at], "json") if kinds[name] == "json" and row[at] is not None else row[at] for row in rows]
        columns[name] = pd.Series(values, dtype=KINDS[kinds[name]])
    return pd.DataFrame(columns)


def returns_table(rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[Any]], dict[str, Any]]:
    """Rows of one collection as a table.

    Args:
        rows: reference, collection, region, period, contract_version, row, data.

    Returns:
        Headings, rows of values, and what is needed to get the rows back: the kind of each column, and the columns of each
        submission.
    """
    names = list(dict.fromkeys(name for row in rows for name in row["data"]))
    header = [*ABOUT, *(f"data.{name}" for name in names)]
    table = [[*(row[name] for name in ABOUT), *(row["data"].get(name) for name in names)] for row in rows]
    kinds = {name: kind_of([row[at] for row in table]) for at, name in enumerate(header)}
    columns = {row["reference"]: list(row["data"]) for row in rows}
    return header, table, {"kinds": kinds, "columns": columns}


def returned_rows(content: bytes, about: Mapping[str, Any], place: str) -> list[dict[str, Any]]:
    """The rows of one collection from their CSV.

    Raises:
        BundleError: a cell is not of its column's kind, or the CSV lacks a column.
    """
    made = []
    kinds = about["kinds"]
    for number, row in enumerate(csv_rows(content), start=2):
        try:
            values = {name: value_of(row[name], kind, f"{place}, line {number}, {name}") for name, kind in kinds.items()}
        except (KeyError, TypeError):
            raise BundleError(f"{place}, line {number}: a column is missing. Take the bundle anew.") from None
        names = about["columns"].get(values["reference"], [])
        made.append({**{name: values[name] for name in ABOUT}, "data": {name: values[f"data.{name}"] for name in names}})
    return made


def figures_table(values: pd.DataFrame) -> list[list[Any]]:
    """Published figures as rows of values, in the order of `FIGURE`; None where there is none."""
    table = values[list(FIGURE)].astype(object)
    return [list(row) for row in table.where(table.notna(), None).itertuples(index=False, name=None)]


def figures_kinds() -> dict[str, str]:
    """Kinds of the columns of published figures."""
    return {name: "number" if name == "value" else "text" for name in FIGURE}


def figures_from(content: bytes, place: str) -> list[list[Any]]:
    """Published figures from their CSV, in the order of `FIGURE`.

    Raises:
        BundleError: a figure is no number, or the CSV lacks a column.
    """
    kinds, made = figures_kinds(), []
    for number, row in enumerate(csv_rows(content), start=2):
        try:
            made.append([value_of(row[name], kinds[name], f"{place}, line {number}, {name}") for name in FIGURE])
        except KeyError:
            raise BundleError(f"{place}, line {number}: a column is missing. Take the bundle anew.") from None
    return made


def changed_cells(written: bytes, there: bytes, keys: Sequence[str], kinds: Mapping[str, str]) -> Iterator[str]:
    """Every cell in which a CSV is not what its Parquet copy holds, one sentence each.

    Args:
        written: the Parquet copy, as it was written.
        there: the CSV as it is now.
        keys: columns that tell rows apart.
        kinds: kind of each column.
    """
    before = {key: row for key, row in _by_key(_texts(written, kinds), keys)}
    now = {key: row for key, row in _by_key(csv_rows(there), keys)}
    for key, row in before.items():
        where = ", ".join(part for part in key if part)
        if key not in now:
            yield f"{where}: the row is gone."
            continue
        named = row.get("data.authority")
        for name, old in row.items():
            new = now[key].get(name)
            if new != old:
                plain = name.removeprefix("data.")
                who = f", authority {named}" if named else ""
                yield f"{where}{who}: {plain} was {old or 'blank'} and is now {new or 'blank'}."
    yield from (f"{', '.join(filter(None, key))}: the row was not there." for key in now if key not in before)


def _by_key(rows: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    seen: dict[tuple[str, ...], int] = {}
    for row in rows:
        key = tuple(str(row.get(name, "")) for name in keys)
        seen[key] = seen.get(key, 0) + 1
        yield (key if seen[key] == 1 else (*key, f"number {seen[key]}")), row


def _texts(parquet: bytes, kinds: Mapping[str, str]) -> list[dict[str, str]]:
    """The cells of a Parquet copy as its CSV has them."""
    frame = pd.read_parquet(io.BytesIO(parquet)).astype(object)
    plain = frame.where(frame.notna(), None)
    shown = {name: "text" if kind == "json" else kind for name, kind in kinds.items()}
    return [
        {name: cell(value, shown[name]) for name, value in zip(plain.columns, row, strict=True)}
        for row in plain.itertuples(index=False, name=None)
    ]
