"""What is wrong with a cell that does not fit its column: the first description that applies."""

import re
from datetime import date, timedelta
from functools import lru_cache

from data_contracts.contract import Column

MARKS = {
    "..", ".", "-", "–", "—", "n/a", "na", "n.a.", "null", "none", "nil", ":", "~", "*", "**",
    "[c]", "[x]", "[z]", "[low]", "[k]", "[u]", "nan", "supp", "suppressed", "s", "?", "tbc",
    "not known", "unknown", "#n/a", "#value!", "#ref!", "#div/0!",
}  # fmt: skip
_LOOK_ALIKE = str.maketrans({"O": "0", "o": "0", "l": "1", "I": "1", "S": "5", "B": "8"})
_NUMBER = re.compile(r"^-?\d+(\.\d+)?$", re.ASCII)
_NUMBERS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("types.formula", re.compile(r"^=")),
    ("types.cell_error", re.compile(r"^#[A-Z/0]+[!?]?$")),
    ("types.below_sign", re.compile(r"^[<>≤≥]=?\s*\d")),
    ("types.footnote_mark", re.compile(r"^-?\d+(\.\d+)?\s*[*†‡¹²³]+$|^\d+\s*[\[(][a-z0-9][\])]$")),
    ("types.approximate", re.compile(r"^(approx\w*\.?|about|around|circa|c\.|~|est\.?|estimated)\s*\d", re.IGNORECASE)),
    ("types.currency", re.compile(r"[£$€]|\bGBP\b")),
    ("types.percent_sign", re.compile(r"\d\s*%$")),
    ("types.odd_minus", re.compile(r"^[−–—‐‑]\s*\d")),
    ("types.thousands", re.compile(r"^-?\d{1,3}([ ,'_\u00a0\u202f\u2009]\d{3})+(\.\d+)?$", re.ASCII)),
    ("types.decimal_comma", re.compile(r"^-?\d+,\d+$", re.ASCII)),
    ("types.exponent", re.compile(r"^-?\d+(\.\d+)?[eE][+-]?\d+$", re.ASCII)),
    ("types.odd_digits", re.compile(r"^-?(?=.*[^\x00-\x7f])[\d.,]+$")),
)
_DAY_FIRST = re.compile(r"^(\d{1,2})[/.\-](\d{1,2})[/.\-](\d{4})$", re.ASCII)
_SHORT_YEAR = re.compile(r"^\d{1,2}[/.\-]\d{1,2}[/.\-]\d{2}$", re.ASCII)


def diagnose(column: Column, text: str, late: bool = False) -> tuple[str, dict[str, str]]:
    """Why a text does not fit a column.

    Args:
        column: the column it stands in.
        text: the cell's text, trimmed.
        late: the workbook counts dates from 1904.

    Returns:
        Id of the rule it breaks, and further words for its message.
    """
    if column.type == "date" and text.lower() in column.symbols:
        return "types.symbol_case", {"suggestion": text.lower()}
    return _date(text[:200], late) if column.type == "date" else _number(text[:200], column.type == "integer", column.symbols)


@lru_cache(maxsize=10_000)
def _number(text: str, whole: bool, symbols: tuple[str, ...]) -> tuple[str, dict[str, str]]:
    if text.lower() in symbols:
        return "types.symbol_case", {"suggestion": text.lower()}
    if text.lower() in MARKS or text.lower() in {"z", "x", "c", "low", "k", "u"}:
        return "types.unknown_symbol", {}
    for rule, pattern in _NUMBERS:
        if pattern.search(text):
            return rule, {"suggestion": _suggestion(rule, text)}
    if _NUMBER.match(text):
        too_long = len(text.lstrip("-").partition(".")[0]) > 15 or not whole
        return ("types.too_many_digits", {}) if too_long else ("types.not_whole", {})
    if _NUMBER.match(text.translate(_LOOK_ALIKE)):
        return "types.letter_for_digit", {"suggestion": text.translate(_LOOK_ALIKE)}
    if re.match(r"^-?\d+(\.\d+)?\s*[A-Za-z][A-Za-z ]*$", text, re.ASCII) and not re.match(r"^0[xXbBoO]", text):
        return "types.unit_in_cell", {"suggestion": re.sub(r"\s*[A-Za-z ]+$", "", text)}
    return "types.not_a_number", {}


def _suggestion(rule: str, text: str) -> str:
    """The number as it should stand, where that is certain; otherwise what to enter in words."""
    bare = re.sub(r"[^\d.\-]", "", text.replace("−", "-"))
    certain = rule in {"types.thousands", "types.currency"} and re.fullmatch(r"-?\d+(\.\d+)?", bare, re.ASCII)
    return f"{bare}" if certain else "the number itself"


@lru_cache(maxsize=10_000)
def _date(text: str, late: bool) -> tuple[str, dict[str, str]]:
    if re.fullmatch(r"[1-6]\d{4}", text, re.ASCII):
        first = date(1904, 1, 1) if late else date(1899, 12, 30)
        return "types.date_serial", {"suggestion": (first + timedelta(days=int(text))).isoformat()}
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
        return "types.date_impossible", {}
    if re.match(r"^\d{4}-\d{2}-\d{2}[T ]", text, re.ASCII):
        return "types.date_with_time", {"suggestion": text[:10]}
    if _SHORT_YEAR.match(text):
        return "types.date_short_year", {}
    found = _DAY_FIRST.match(text)
    return _day_first(int(found[1]), int(found[2]), int(found[3])) if found else ("types.not_a_date", {})


def _day_first(first: int, second: int, year: int) -> tuple[str, dict[str, str]]:
    """A date written with slashes: which of the two is the month is said, never taken for granted."""
    readings = []
    for day, month in ((first, second), (second, first)):
        try:
            readings.append(date(year, month, day).isoformat())
        except ValueError:
            continue
    if not readings:
        return "types.date_impossible", {}
    return "types.date_format", {"suggestion": " or ".join(dict.fromkeys(readings))}
