"""Numbers in plain words and results as plain JSON, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, isfinite, log10
from typing import Any

import numpy as np

from evaluation.errors import OptionError

UNITS = {"school": "schools"}  # who is observed, where these are not authorities


def units_of(document: Mapping[str, Any]) -> str:
    """Who is observed in a stored question, in the plural."""
    return UNITS.get(document.get("units") or "", "local authorities")


def places(scale: float) -> int:
    """Decimal places for numbers of this scale: one from 1 on, else two figures."""
    size = abs(scale)
    return 1 if size >= 1 or size == 0 or not isfinite(size) else min(6, 1 + ceil(-log10(size)))


def number(value: float, decimals: int) -> str:
    """A number with a real minus sign; a zero has none."""
    text = f"{value:,.{decimals}f}"
    return (text.lstrip("-") if float(text.replace(",", "")) == 0 else text).replace("-", "\N{MINUS SIGN}")


def span(lower: float, upper: float, decimals: int | None = None) -> str:
    """An interval in words: "1.2 to 3.4"; an end that is infinite is said to be missing."""
    finite = [end for end in (lower, upper) if isfinite(end)]
    if not finite:
        return "any number"
    keep = places((upper - lower) / 2 if len(finite) == 2 else finite[0]) if decimals is None else decimals
    if not isfinite(lower):
        return f"{number(upper, keep)} or less"
    if not isfinite(upper):
        return f"{number(lower, keep)} or more"
    return f"{number(lower, keep)} to {number(upper, keep)}"


def with_unit(text: str, unit: str) -> str:
    """The text, followed by its unit where there is one."""
    return f"{text} {unit}" if unit else text


def probability(p_value: float) -> str:
    """A p-value in words, or that there is none."""
    if not isfinite(p_value):
        return "no p-value"
    return "p is less than 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"


def percent(level: float) -> str:
    """A share in percent without needless zeros: 0.95 is "95%"."""
    return f"{round(100 * level, 4):g}%"


def about(share: float) -> str:
    """A share as a percentage for a sentence: whole numbers, but never 0% or 100% of what is not."""
    if 0 < share < 0.005:
        return "less than 1%"
    if 0.995 <= share < 1:
        return "more than 99%"
    return f"{100 * share:.0f}%".replace("-", "\N{MINUS SIGN}")


def plain(value: Any) -> Any:
    """A value as plain JSON: lists for arrays and tuples, None for NaN and infinities, anything unknown as its text."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def check_share(what: str, value: float, example: str) -> None:
    """Raise `OptionError` when a level or an alpha does not lie between 0 and 1."""
    if not 0 < value < 1:
        raise OptionError(f"{what} must lie between 0 and 1, not {value!r}. {example}")
