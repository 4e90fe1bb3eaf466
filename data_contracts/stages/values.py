"""Stage `values`: typed values against ranges, lists, codes and periods."""

import re
from datetime import date
from typing import Any

import polars as pl

from data_contracts.context import period_kind, period_span
from data_contracts.contract import Column
from data_contracts.reading.table import ROW
from data_contracts.stages.shape import plain
from data_contracts.state import State

_YEARS = re.compile(r"(20\d{2})\D{0,3}(?:20)?(\d{2})?")
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


def choices(state: State) -> None:
    """Values that the contract lists."""
    for column in _found(state):
        if column.choices:
            values = state.grid[column.name]
            state.add_rows(
                "values.not_in_list",
                values.is_not_null() & ~values.is_in(list(column.choices)),
                column.name,
                choices=", ".join(column.choices),
            )


def reforms(state: State) -> None:
    """Names of reforms that the catalogue has."""
    column = state.contract.with_role("reform")
    if column is None or column.name not in state.grid.columns or not state.context.known_reforms:
        return
    values = state.grid[column.name]
    known = sorted(state.context.known_reforms)
    state.add_rows("values.unknown_reform", values.is_not_null() & ~values.is_in(known), column.name, choices=", ".join(known))


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
    lookup = {
        str(row["authority"]): {str(key): str(value) for key, value in row.items() if value is not None and value == value}
        for row in table.to_dict("records")
    }
    when = _when(state)
    pairs = state.grid.select(ROW, pl.col(column.name), when.alias("#when")).filter(pl.col(column.name).is_not_null())
    for code, moment in pairs.select(column.name, "#when").unique(maintain_order=True).iter_rows():
        rule, more = _authority(state, lookup, code, moment)
        if rule:
            rows = pairs.filter((pl.col(column.name) == code) & pl.col("#when").eq_missing(pl.lit(moment)))[ROW].to_list()
            for row in rows:
                state.add(rule, row=row, column=column.name, value=code, **more)


def _when(state: State) -> pl.Expr:
    """Text of the period, or of the start date, that tells when a code must be in force."""
    period = state.contract.with_role("period")
    if period and period.name in state.grid.columns:
        return pl.col(f"{period.name}#text")
    return pl.col("start#text") if "start#text" in state.grid.columns else pl.lit(state.context.period, dtype=pl.String)


def _authority(state: State, lookup: dict[str, dict[str, str]], code: str, when: str | None) -> tuple[str, dict[str, str]]:
    row = lookup.get(code)
    if row is None:
        return _no_code(lookup, code, state.context.region)
    if state.context.region and row["region"] != state.context.region:
        return "values.other_region", {"name": row["name"], "region": row["region"], "own": state.context.region}
    span = period_span(when or "")
    successors = " ".join(
        f"{lookup[heir]['name']} ({heir})" if heir in lookup else heir for heir in row.get("successors", "").split()
    )
    then = f" Use {successors}." if successors else ""
    ended, began = row.get("end", ""), row.get("start", "")
    first = span[0].isoformat() if span else (when or "")
    if ended and first and ended < first:
        return "values.ended_code", {"name": row["name"], "end": ended, "then": then}
    if span and began > span[1].isoformat():
        same = [old for old in lookup.values() if code in old.get("successors", "").split() and old.get("change") == "continues"]
        rule = "values.recoded" if same else "values.early_code"
        return rule, {"name": row["name"], "start": began, "old": same[0]["authority"] if same else ""}
    return "", {}


def _no_code(lookup: dict[str, dict[str, str]], code: str, region: str | None) -> tuple[str, dict[str, str]]:
    live = sorted((row for row in lookup.values()), key=lambda row: (bool(row.get("end")), row["authority"]))
    if code.upper() in lookup:
        return "values.code_case", {"suggestion": code.upper()}
    named = next((row for row in live if plain(row["name"]) == plain(code)), None)
    if named:
        return "values.name_for_code", {"suggestion": named["authority"], "name": named["name"]}
    if re.fullmatch(r"\d{3}", code, re.ASCII):
        old = next((row for row in live if row.get("old_code") == code), None)
        return "values.old_code", {"suggestion": f"{old['authority']} ({old['name']})" if old else "the GSS code"}
    if re.fullmatch(r"E07\d{6}", code, re.ASCII):
        return "values.district_code", {}
    if re.fullmatch(r"[WSN]\d{8}", code, re.ASCII):
        return "values.other_nation", {}
    return "values.unknown_authority", {}


def periods(state: State) -> None:
    """The period: readable, of the right kind, the one asked for, not in the future."""
    column = state.contract.with_role("period")
    if column is None or column.name not in state.grid.columns:
        return
    texts = state.grid[column.name].drop_nulls().unique(maintain_order=True).to_list()
    good = [text for text in texts if period_kind(text) == state.contract.period_kind]
    for text in texts:
        rule, more = _period(state, text)
        if rule:
            for row, value in state.where(pl.col(column.name) == text, column.name):
                state.add(rule, row=row, column=column.name, value=value, **more)
    if not state.context.period and len(good) > 1:
        row = state.grid.filter(pl.col(column.name) == good[1])[ROW][0]
        state.add("values.mixed_periods", row=row, column=column.name, value=good[1], first=good[0])


def _period(state: State, text: str) -> tuple[str, dict[str, str]]:
    wanted = state.contract.period_kind
    if period_kind(text) != wanted:
        guess = _term_from(text) if wanted == "term" else ""
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


def _term_from(text: str) -> str:
    """The term that a text most likely means, as a suggestion; blank where it is not plain."""
    years, terms = _YEARS.search(text), [term for term in _TERMS if term in text.lower()]
    if not years or not years[2] or len(terms) != 1:
        return ""
    guess = f"{years[1]}/{years[2]} {terms[0]}"
    return guess if period_span(guess) else ""
