"""Stage `values`: typed values against ranges, lists, codes and periods."""

import re
from datetime import date
from typing import Any

import polars as pl

from data_contracts.asked import asked_words, is_asked
from data_contracts.codes import Codes
from data_contracts.context import period_kind, period_span
from data_contracts.contract import Column
from data_contracts.reading.table import ROW
from data_contracts.state import State

_YEARS = re.compile(r"(20\d{2})\D{0,3}(?:20)?(\d{2})?")
# What a spreadsheet makes of texts like 5-10 and 0-4.
_BECAME_DATE = (
    r"(?i)^\d{1,2}-(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)|^(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)-\d{2}$"
)
_TERMS = ("autumn", "spring", "summer")


def _found(state: State) -> list[Column]:
    return [column for column in state.contract.columns if column.name in state.grid.columns]


def ranges(state: State) -> None:
    """Least and greatest values."""
    for column in _found(state):
        for rule, limit, below in (("values.too_small", column.minimum, True), ("values.too_large", column.maximum, False)):
            if limit is None:
                continue
            bound: Any = date.fromisoformat(str(limit)) if column.type == "date" else limit
            values = state.grid[column.name]
            outside = (values < bound if below else values > bound).fill_null(False)
            state.add_rows(rule, outside, column.name, limit=str(limit), unit=column.unit)
            _leave_out(state, column.name, outside)


def _leave_out(state: State, name: str, wrong: pl.Series) -> None:
    """Take values at fault out of the grid, so that no rule says the same again; their text stays."""
    if wrong.any():
        state.grid = state.grid.with_columns(pl.when(~wrong).then(pl.col(name)).alias(name))


def choices(state: State) -> None:
    """Values that the contract lists."""
    for column in _found(state):
        if column.choices:
            values = state.grid[column.name]
            wrong = values.is_not_null() & ~values.is_in(list(column.choices))
            if not wrong.any():
                continue
            dates = wrong & values.str.contains(_BECAME_DATE)
            short = [choice.lstrip("0") for choice in column.choices if choice.startswith("0")]
            lost = wrong & values.str.strip_chars_start("0").is_in(short)
            listed = column.listed_choices
            state.add_rows("values.became_date", dates, column.name, choices=listed)
            state.add_rows("values.lost_zero", lost & ~dates, column.name, choices=listed)
            state.add_rows("values.not_in_list", wrong & ~dates & ~lost, column.name, choices=listed)
            _leave_out(state, column.name, wrong)


def patterns(state: State) -> None:
    """Texts that are written in one way, such as the URN of a school."""
    for column in _found(state):
        if column.pattern:
            values = state.grid[column.name]
            wrong = (values.is_not_null() & ~values.str.contains(column.pattern)).fill_null(False)
            state.add_rows("values.not_as_written", wrong, column.name, label=column.label, expected=column.pattern_words)
            _leave_out(state, column.name, wrong)


def events(state: State) -> None:
    """The date of an event lies in the period of the return."""
    column, span = state.contract.with_role("event"), period_span(state.context.period or "")
    if column is None or column.name not in state.grid.columns or span is None:
        return
    outside = ~state.grid[column.name].is_between(*span).fill_null(True)
    state.add_rows("values.other_period", outside, column.name, period=state.context.period)


def reforms(state: State) -> None:
    """Names of reforms that the catalogue has."""
    column = state.contract.with_role("reform")
    if column is None or column.name not in state.grid.columns or not state.context.known_reforms:
        return
    values = state.grid[column.name]
    known = sorted(state.context.known_reforms)
    wrong = values.is_not_null() & ~values.is_in(known)
    state.add_rows("values.unknown_reform", wrong, column.name, choices=", ".join(known))


def proportions(state: State) -> None:
    """A column of per cents that all lie between 0 and 1 was perhaps given as proportions."""
    for column in _found(state):
        if not column.is_number or not ("%" in column.unit or "per cent" in column.unit):
            continue
        values = state.grid.filter(pl.col(column.name) != 0)
        if values.height >= 3 and bool((values[column.name].abs() <= 1).all()):
            state.add("values.proportion", row=values[ROW][0], column=column.name, value=values[f"{column.name}#text"][0])


def authorities(state: State) -> None:
    """Codes of authorities: known, of the sender's region, in force at the time."""
    column = state.contract.with_role("authority")
    table = state.context.authorities
    if column is None or column.name not in state.grid.columns or table.empty:
        return
    codes = state.codes
    pairs = state.grid.select(ROW, pl.col(column.name).alias("value"), _when(state).alias("#when")).drop_nulls("value")
    if _file_of_another_region(state, codes, pairs["value"]):
        return
    said = []
    for code, moment in pairs.select("value", "#when").unique().iter_rows():
        rule, more = codes.say(code, moment, state.context.region)
        if rule:
            said.append({"value": code, "#when": moment, "#rule": rule, **more})
    _say(state, pairs, said, ["value", "#when"], column.name)


def _say(state: State, rows: pl.DataFrame, said: list[dict[str, str | None]], on: list[str], column: str) -> None:
    """A finding for each row whose value (or pair of values) there is something to say about."""
    if said:
        words = pl.DataFrame(said, infer_schema_length=None)
        words = words.with_columns(pl.col(name).cast(pl.String) for name in words.columns)
        state.add_groups(rows.join(words, on=on, nulls_equal=True, maintain_order="left"), column)


def _file_of_another_region(state: State, codes: Codes, given: pl.Series) -> bool:
    """Whether all rows are of one region that is not the sender's: said once for the file, not for each row."""
    regions = {codes.rows.get(code, {}).get("region", "") for code in given.unique().to_list()}
    own = state.context.region
    if not own or len(regions) != 1 or "" in regions or own in regions:
        return False
    state.add("values.other_regions_file", value=regions.pop(), own=own)
    return True


def _when(state: State) -> pl.Expr:
    """Text of the period, or of the date of the event, that tells when a code must be in force."""
    for column in (state.contract.with_role("period"), state.contract.with_role("event")):
        if column and column.name in state.grid.columns:
            return pl.col(f"{column.name}#text")
    return pl.lit(state.context.period, dtype=pl.String)


def periods(state: State) -> None:
    """The period: readable, of the right kind, the one asked for, not in the future."""
    column = state.contract.with_role("period")
    if column is None or column.name not in state.grid.columns:
        return
    given = state.grid.select(ROW, pl.col(column.name).alias("value")).drop_nulls()
    texts = given["value"].unique(maintain_order=True).to_list()
    said = [{"value": text, "#rule": rule, **more} for text in texts for rule, more in [_period(state, text)] if rule]
    good = [text for text in texts if period_kind(text) == state.contract.period_kind]
    _say(state, given, said, ["value"], column.name)
    if not state.context.period and len(good) > 1:
        row = state.grid.filter(pl.col(column.name) == good[1])[ROW][0]
        state.add("values.mixed_periods", row=row, column=column.name, value=good[1], first=good[0])


def asked(state: State) -> None:
    """A period that the return is not asked for, told once for the file."""
    period, until = state.context.period, state.context.asked_until
    if period and not is_asked(state.contract, period, until):
        state.add("values.not_asked", value=period, asked=asked_words(state.contract, until))


def _period(state: State, text: str) -> tuple[str, dict[str, str]]:
    wanted = state.contract.period_kind
    if period_kind(text) != wanted:
        guess = term_from(text) if wanted == "term" else ""
        example = state.context.period or {"term": "2023/24 autumn", "financial year": "2023-24", "academic year": "2023/24"}.get(
            wanted, "2024"
        )
        return "values.not_a_period", {"kind": wanted, "suggestion": guess or f"the {wanted}, for example {example}"}
    if state.context.period and text != state.context.period:
        return "values.wrong_period", {"expected": state.context.period}
    span = period_span(text)
    if state.context.today and span and span[0] > state.context.today:
        return "values.future_period", {"start": span[0].isoformat()}
    return "", {}


def term_from(text: str) -> str:
    """The term that a text most likely means, as a suggestion; blank where it is not plain."""
    years, terms = _YEARS.search(text), [term for term in _TERMS if term in text.lower()]
    if not years or not years[2] or len(terms) != 1:
        return ""
    guess = f"{years[1]}/{years[2]} {terms[0]}"
    return guess if period_span(guess) else ""
