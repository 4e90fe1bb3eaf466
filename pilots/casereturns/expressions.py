"""What a case form says, as expressions that every engine reads alike. Cells are matched as text before they are cast."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import reduce
from operator import and_, or_
from typing import Any

import narwhals as nw

from data_contracts.caseforms import CaseColumn, CaseForm, Condition, Figure

ROW, FILE, REASON, SAME = "row_of_file", "file_of_row", "reason", "rows_of_the_same_key"
OUTSIDE = "cases.outside"
# Type → how its text is written; a time of midnight is what other programs add to a day.
_PATTERNS = {
    "date": r"^(19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}([ T]00:00:00(\.0+)?)?$",
    "integer": r"^[0-9]{1,9}(\.0+)?$",
    "number": r"^[0-9]{1,9}(\.[0-9]+)?$",
    "school": r"^[1-9][0-9]{5}$",
    "reference": r"^[A-Za-z0-9][A-Za-z0-9/_.\-]{0,39}$",
}
_RULES = {"date": "not_a_date", "integer": "not_a_number", "number": "not_a_number", "choice": "not_a_choice"}
_YES_NO = {"true": "yes", "false": "no"}
_BEFORE_FIRST = 306  # days from 1 March of year 0 to the day before 1 January of year 1, which is Python's day 1


class Term:
    """The first and the last day of the term, as day numbers of Python's calendar."""

    def __init__(self, first: date, last: date) -> None:
        self.first, self.last = first.toordinal(), last.toordinal()


def text_of(heading: str | None) -> Any:
    """The trimmed text of a column of the file; nothing where it is blank, or where the file has no such column."""
    if heading is None:
        return nw.lit(None, dtype=nw.String)
    text = nw.col(heading).cast(nw.String).str.strip_chars()
    return nw.when(text != "").then(text)


def typed(form: CaseForm) -> list[Any]:
    """Columns of texts made into days, numbers and words, and beside each the rule that its text breaks."""
    made = []
    for column in form.columns:
        text, value = nw.col(column.name), _value(column)
        filled = value if not column.blank else nw.when(text.is_null()).then(_constant(column, column.blank)).otherwise(value)
        made += [filled.alias(column.name), _fault(column, text, value).alias(_fault_name(column))]
    return made


def spans(form: CaseForm) -> list[Any]:
    """What lies between two days, in days or weeks."""
    return [
        ((nw.col(end) - nw.col(start)).cast(nw.Float64) / days).alias(name) for name, (start, end, days) in form.spans.items()
    ]


def reason(form: CaseForm, good: Sequence[str], term: Term) -> Any:
    """Why a row does not count: `rule@column`, the first that holds; nothing where it counts in a figure.

    Args:
        form: what the file looks like.
        good: codes of authorities that may stand in the return.
        term: of the return.
    """
    reasons: list[tuple[Any, str]] = [(nw.col("authority").is_null(), "cases.blank@authority")]
    reasons += [(~nw.col("authority").is_in(list(good)), "cases.authority@authority")]
    for column in form.columns:
        if column.type != "authority":
            broken = nw.col(_fault_name(column))
            reasons += [((broken == rule).fill_null(False), f"cases.{rule}@{column.name}") for rule in _rules_of(column)]
    reasons += [(nw.col(SAME) > 1, f"cases.twice@{form.key}")]
    reasons += [(all_of(form, one.where, term), f"{one.id}@{one.column}") for one in form.faults if not one.keeps]
    counts = reduce(or_, [all_of(form, figure.where, term) for figure in form.figures])
    found: Any = nw.when(~counts).then(nw.lit(OUTSIDE))
    for holds, words in reversed(reasons):
        found = nw.when(holds).then(nw.lit(words)).otherwise(found)
    return found


def outcomes(form: CaseForm, term: Term) -> dict[str, Any]:
    """What cells are made of: for each figure what it adds up, the rows that meet it, and those that make it unknown."""
    made: dict[str, Any] = {}
    for figure in form.figures:
        holds = all_of(form, figure.where, term)
        made[met(figure)] = _one_or_none(holds)
        if figure.unknown:
            made[unknown(figure)] = _one_or_none(all_of(form, figure.unknown, term))
        if figure.way == "sum":
            made[figure.name] = nw.when(holds).then(nw.col(figure.of)).otherwise(nw.lit(0.0))
        if figure.way == "mean":
            made[figure.name] = nw.when(holds).then(nw.col(figure.of))
    return made


def met(figure: Figure) -> str:
    """Outcome of the cells that counts the rows of a figure."""
    return f"met_{figure.name}"


def unknown(figure: Figure) -> str:
    """Outcome of the cells that counts the rows that make a figure unknown."""
    return f"unknown_{figure.name}"


def all_of(form: CaseForm, where: Sequence[Condition], term: Term) -> Any:
    """Whether a row meets all conditions; what is not known does not."""
    return reduce(and_, [_holds(form, one, term) for one in where])


def _holds(form: CaseForm, one: Condition, term: Term) -> Any:
    if "any" in one:
        return reduce(or_, [_holds(form, part, term) for part in one["any"]])
    column = nw.col(one["column"])
    return _says(form, one, column, term).fill_null(False)


def _says(form: CaseForm, one: Condition, column: Any, term: Term) -> Any:
    match next(word for word in one if word != "column"):
        case "term":
            return {
                "within": (column >= term.first) & (column <= term.last),
                "by_end": column <= term.last,
                "from_start": column.is_null() | (column >= term.first),
            }[one["term"]]
        case "equals":
            return column == _constant(form.column(one["column"]), one["equals"])
        case "one_of":
            return column.is_in(list(one["one_of"]))
        case "known":
            return ~column.is_null() if one["known"] == "yes" else column.is_null()
        case "at_most":
            return column <= float(one["at_most"])
        case "above":
            return column > float(one["above"])
        case "before":
            return column < nw.col(one["before"])
        case _:
            return column > nw.col(one["more_than"])


def _one_or_none(holds: Any) -> Any:
    return nw.when(holds).then(nw.lit(1)).otherwise(nw.lit(0))


def _constant(column: CaseColumn, text: str) -> Any:
    return nw.lit(float(text)) if column.type in ("integer", "number") else nw.lit(text)


def _rules_of(column: CaseColumn) -> tuple[str, ...]:
    broken = "not_a_choice" if column.choices else _RULES.get(column.type, "not_a_reference")
    return ("blank", broken) if column.required else (broken,)


def _fault_name(column: CaseColumn) -> str:
    return f"fault_of_{column.name}"


def _fault(column: CaseColumn, text: Any, value: Any) -> Any:
    broken = _rules_of(column)[-1]
    wrong = nw.when(~text.is_null() & value.is_null()).then(nw.lit(broken))
    return nw.when(text.is_null()).then(nw.lit("blank")).otherwise(wrong) if column.required else wrong


def _value(column: CaseColumn) -> Any:
    text = nw.col(column.name)
    if column.type == "authority":
        return text
    if column.choices:
        low = text.str.to_lowercase()
        for other, word in _YES_NO.items() if column.type == "yes_no" else ():
            low = nw.when(low == other).then(nw.lit(word)).otherwise(low)
        return nw.when(low.is_in(list(column.choices))).then(low)
    written = nw.when(text.str.contains(_PATTERNS[column.type])).then(text)
    if column.type == "date":
        return _day(written)
    if column.type in ("integer", "number"):
        number = written.cast(nw.Float64)
        return number if column.maximum is None else nw.when(number <= column.maximum).then(number)
    return written


def _day(text: Any) -> Any:
    """The number of a day by Python's calendar, from text that is written like one; nothing for a day that there is not."""
    year, month, day = (text.str.slice(at, many).cast(nw.Int64) for at, many in ((0, 4), (5, 2), (8, 2)))
    leap = ((year % 4 == 0) & (year % 100 != 0)) | (year % 400 == 0)
    short = nw.when(month == 2).then(nw.when(leap).then(nw.lit(29)).otherwise(nw.lit(28))).otherwise(nw.lit(30))
    last = nw.when(month.is_in([2, 4, 6, 9, 11])).then(short).otherwise(nw.lit(31))
    # Counted from 1 March, so that the day that leap years add is the last one.
    years = year - nw.when(month <= 2).then(nw.lit(1)).otherwise(nw.lit(0))
    months = (month + 9) % 12
    number = 365 * years + years // 4 - years // 100 + years // 400 + (153 * months + 2) // 5 + day - _BEFORE_FIRST
    there = (month >= 1) & (month <= 12) & (day >= 1) & (day <= last)
    return nw.when(there).then(number)
