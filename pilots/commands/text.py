"""Tables and JSON for a terminal."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Sequence
from typing import Any

import pandas

from pilots.tables import numeric, texts

GAP = "  "
NARROWEST = 6
LONG_WORD = 16  # longer words, such as digests, may be broken first
FALLBACK = (120, 40)
# Widest table that is easy to read; a very wide terminal leaves the rest blank.
WIDEST = 200


def width() -> int:
    """Columns that a table may take."""
    return min(shutil.get_terminal_size(FALLBACK).columns, WIDEST)


def table(frame: pandas.DataFrame, limit: int | None = None) -> str:
    """Write a table so that it fits the terminal: what does not fit is wrapped inside its column.

    Args:
        frame: headings and cells; missing values stay blank.
        limit: columns of the terminal; without it, those of this one.
    """
    headings = [str(name) for name in frame.columns]
    rows = texts(frame)
    if not headings:
        return ""
    widths = _widths(headings, rows, limit or width())
    right = numeric(rows) or [False] * len(headings)
    lines = _row(headings, widths, right)
    lines.append(GAP.join("-" * size for size in widths))
    for row in rows:
        lines += _row(row, widths, right)
    return "\n".join(line.rstrip() for line in lines)


def wrapped(text: str) -> str:
    """A sentence or several, wrapped to the terminal."""
    return textwrap.fill(text, width())


def plain_json(value: Any) -> str:
    """Write a value as JSON that every program reads: moments in ISO form, no NaN."""
    return json.dumps(plain(value), ensure_ascii=False, indent=2, allow_nan=False)


def plain(value: Any) -> Any:
    """A value made of lists, mappings with text keys, text, numbers and None only."""
    if isinstance(value, pandas.DataFrame):
        return [plain(row) for row in value.to_dict("records")]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if value is None or (pandas.api.types.is_scalar(value) and pandas.isna(value)):
        return None
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value.item() if hasattr(value, "item") else value


def _widths(headings: Sequence[str], rows: Sequence[Sequence[str]], limit: int) -> list[int]:
    """Each column as wide as its content; then the widest give way, one step at a time, until all fit, breaking words last."""
    columns = [[heading, *(row[at] for row in rows)] for at, heading in enumerate(headings)]
    widths = [max(map(len, column)) for column in columns]
    unbroken = [max(len(word) for cell in column for word in cell.split() or [""]) for column in columns]
    room = limit - len(GAP) * (len(headings) - 1)
    for floors in ([min(one, LONG_WORD) for one in unbroken], [NARROWEST] * len(columns)):
        while sum(widths) > room:
            slack = [size if size > floor else 0 for size, floor in zip(widths, floors, strict=True)]
            if not any(slack):
                break
            widths[slack.index(max(slack))] -= 1
    return widths


def _row(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> list[str]:
    wrapped = [textwrap.wrap(cell, size) or [""] for cell, size in zip(cells, widths, strict=True)]
    lines = []
    for at in range(max(len(parts) for parts in wrapped)):
        words = [parts[at] if at < len(parts) else "" for parts in wrapped]
        aligned = [
            word.rjust(size) if to_right else word.ljust(size) for word, size, to_right in zip(words, widths, right, strict=True)
        ]
        lines.append(GAP.join(aligned))
    return lines
