"""What every face needs to write a table: cells, moments and digests as text, and which columns hold numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pandas

from pilots.periods import LONDON

_NUMBER = re.compile(r"^[-+\u2212]?[\d,]+(\.\d+)?%?$")


def text(value: Any) -> str:
    """A cell as text: blank where nothing is known, yes or no for what is true or not."""
    if value is True or value is False:
        return "yes" if value else "no"
    if value is None or (pandas.api.types.is_scalar(value) and pandas.isna(value)):
        return ""
    return str(value)


def texts(frame: pandas.DataFrame) -> list[list[str]]:
    """The cells of a table as text, row by row."""
    return [[text(value) for value in row] for row in frame.itertuples(index=False, name=None)]


def numeric(rows: Sequence[Sequence[str]]) -> list[bool]:
    """Whether each column holds numbers, which stand at the right; blanks do not count, and a blank column is none."""
    columns = list(zip(*rows, strict=True))
    return [any(column) and all(not cell or _NUMBER.match(cell) for cell in column) for column in columns]


def moment(when: str | datetime) -> str:
    """A stored moment (ISO text where it comes from JSON) for readers, by the clock in London."""
    at = datetime.fromisoformat(when) if isinstance(when, str) else when
    return f"{at.astimezone(LONDON):%d %b %Y, %H:%M %Z}"


def records(frame: pandas.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as mappings from the name of a column."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def telling(frame: pandas.DataFrame) -> pandas.DataFrame:
    """The columns of a table that say something: not blank, 0 or no in every row."""
    said = [any(text(value) not in ("", "0", "no") for value in frame[name]) for name in frame.columns]
    return frame.loc[:, said] if len(frame) else frame


def short(digest: str) -> str:
    """The first part of a digest: enough to tell two apart in a list."""
    return digest[:12]


def heading(name: object) -> str:
    """A column's name as a heading for readers."""
    return str(name).replace("_", " ").capitalize()
