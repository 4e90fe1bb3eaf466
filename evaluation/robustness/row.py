"""One check as a row: what it asks, its number, a plain reading, how much it should worry, and a table for its picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil, log10
from typing import Any

import numpy as np

from evaluation.errors import NotEstimable, OptionError, check_choice
from evaluation.words import plain

CONCERNS = ("none", "some", "serious")
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Check:
    """What one check found.

    Attributes:
        check: its id.
        asks: the question in plain words.
        number: its main number, or None.
        unit: words for what the number counts.
        reading: one or two plain sentences.
        concern: "none", "some", "serious", or None where it cannot be told.
        rows: a table for a picture, one mapping a line, plain values only.
        not_estimable: why the question has no answer, or None.
    """

    check: str
    asks: str
    number: float | None
    unit: str
    reading: str
    concern: str | None
    rows: tuple[Mapping[str, Any], ...] = ()
    not_estimable: NotEstimable | None = None

    def __post_init__(self) -> None:
        check_choice("concern", self.concern, (*CONCERNS, None))

    def to_dict(self) -> dict[str, Any]:
        """Every field as plain JSON: no NaN and no infinity, None in their place."""
        return {
            "check": self.check,
            "asks": self.asks,
            "number": plain(self.number),
            "unit": self.unit,
            "reading": self.reading,
            "concern": self.concern,
            "rows": [plain(row) for row in self.rows],
            "not_estimable": None if self.not_estimable is None else self.not_estimable.to_dict(),
        }


def not_told(check: str, asks: str, why: NotEstimable, rows: Iterable[Mapping[str, Any]] = (), unit: str = "") -> Check:
    """The row of a question that cannot be answered here."""
    return Check(check, asks, None, unit, f"Cannot tell: {why.reason}. {why.remedy}", None, tuple(rows), why)


def say(value: float) -> str:
    """A number for a sentence: whole from 100 on, else three figures, with a real minus sign."""
    size = abs(value)
    places = 0 if size >= 100 else 1 if size == 0 else min(6, max(0, 2 - ceil(log10(size) - 1e-12) + 1))
    text = f"{value:,.{places}f}"
    if places:
        text = text.rstrip("0").rstrip(".")
    return (text.lstrip("-") if float(text.replace(",", "")) == 0 else text).replace("-", MINUS)


def listing(items: Iterable[Any], most: int = 5) -> str:
    """Items in a sentence, at most `most` of them, then how many more."""
    words = [str(item) for item in items]
    if len(words) <= most:
        return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else "none"
    return f"{', '.join(words[:most])} and {len(words) - most} more"


def check_between(name: str, value: float, low: float, high: float) -> None:
    """Raise `OptionError` unless low < value < high."""
    if not (isinstance(value, int | float | np.number) and low < value < high):
        raise OptionError(f"{name} must lie between {low:g} and {high:g}, not {value!r}.")


def check_whole(name: str, value: object, least: int) -> None:
    """Raise `OptionError` unless `value` is a whole number of `least` or more."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise OptionError(f"{name} must be a whole number, {least} or more, not {value!r}.")
