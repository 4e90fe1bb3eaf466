"""Text cells: nothing that runs, hides or tells of a person."""

import re

import polars as pl

from data_contracts.reading.table import cell_name
from data_contracts.state import State

_RUNS = r"^([=+@]|-[^\s])"
_MARKUP = r"<\s*[a-zA-Z/!?]"
_INVISIBLE = r"[\x00-\x08\x0b\x0c\x0e-\x1f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufffd]"
_MOJIBAKE = r"Ã[\u0080-\u00bf]|â€|Â[£\u00a0-\u00bf]"
_OTHER_ALPHABET = r"\p{Cyrillic}|\p{Greek}"
_PERSONAL = (
    ("unique pupil number (UPN)", r"(?i)\b[A-HJ-NP-RT-Z][0-9]{11}[0-9A-HJ-NP-RT-Z]\b"),
    ("postcode", r"\b[A-Z]{1,2}[0-9][A-Z0-9]? ?[0-9][A-Z]{2}\b"),
    ("e-mail address", r"\b[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+\.[A-Za-z]{2,}"),
    ("date of birth", r"(?i)(\bdob|\bd\.o\.b\.?|date of birth|\bborn)\b.{0,20}[0-9]"),
    ("national insurance number", r"\b[A-CEGHJ-PR-TW-Z]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]\b"),
)
_TEN = re.compile(r"\b\d{3}[ -]?\d{3}[ -]?\d{4}\b", re.ASCII)


def free_text(state: State) -> None:
    """Length, formulas, markup, invisible characters, wrongly decoded characters, other alphabets."""
    for column in state.contract.columns:
        if column.name not in state.data.columns or not column.free_text:
            continue
        text = pl.col(column.name)
        state.add_rows("text.too_long", text.str.len_chars() > column.max_length, column.name, most=column.max_length)
        for rule, pattern in (
            ("text.runs", _RUNS),
            ("text.markup", _MARKUP),
            ("text.invisible", _INVISIBLE),
            ("text.mojibake", _MOJIBAKE),
            ("text.other_alphabet", _OTHER_ALPHABET),
        ):
            state.add_rows(rule, text.str.contains(pattern), column.name)


def personal_data(state: State) -> None:
    """Identifiers in free text and in columns that would be ignored: a return of totals must tell of no person."""
    names = [column.name for column in state.contract.columns if column.free_text and column.name in state.data.columns]
    names += [name for name in state.data.columns if name.startswith("ignored ")]
    for name in names:
        seen: set[int] = set()
        for word, pattern in _PERSONAL:
            _say(state, name, word, [row for row, _ in state.where(pl.col(name).str.contains(pattern), name)], seen)
        tens = [row for row, text in state.where(pl.col(name).str.contains(_TEN.pattern), name) if _is_number_of_person(text)]
        _say(state, name, "NHS number or unique learner number (ULN)", tens, seen)


def _say(state: State, name: str, word: str, rows: list[int], seen: set[int]) -> None:
    """One finding a cell; the value itself is not repeated."""
    ignored = name.startswith("ignored ")
    place = int(name.removeprefix("ignored ")) if ignored else state.positions[name]
    heading = state.ignored[state.ignored_positions.index(place)] if ignored else name
    for row in rows:
        if row not in seen:
            seen.add(row)
            state.add("text.personal_data", row=row, cell=cell_name(row, place), column=heading, value="(not shown)", word=word)


def _is_number_of_person(text: str) -> bool:
    """Whether a ten-digit number in the text has the check digit of an NHS number or of a ULN."""
    for found in _TEN.finditer(text):
        digits = [int(letter) for letter in found.group() if letter.isdigit()]
        rest = sum(digit * (10 - place) for place, digit in enumerate(digits[:9])) % 11
        if len(set(digits)) > 1 and digits[9] in {(11 - rest) % 11, 10 - rest}:
            return True
    return False
