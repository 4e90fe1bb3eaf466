"""Stage `history`: against the last accepted return and against what is locked."""

import pandas as pd
import polars as pl

from data_contracts.reading.table import ROW
from data_contracts.stages.rows import run_rules
from data_contracts.state import State


def large_changes(state: State) -> None:
    """A value many times the last one, or a small part of it, is a query, with the last value beside it."""
    previous = state.context.previous
    period = state.contract.with_role("period")
    keys = [name for name in state.contract.key if not period or name != period.name]
    if previous is None or previous.empty or any(name not in state.grid.columns or name not in previous.columns for name in keys):
        return
    before = [tuple(str(cell) for cell in cells) for cells in zip(*(previous[key] for key in keys), strict=True)]
    when = previous[period.name].tolist() if period and period.name in previous.columns else [""] * len(before)
    for column in state.contract.columns:
        if column.is_number and column.measure and column.name in state.grid.columns and column.name in previous.columns:
            values = zip(before, previous[column.name].tolist(), when, strict=True)
            _compare(state, {key: (float(value), str(at)) for key, value, at in values if not pd.isna(value)}, keys, column.name)


def _compare(state: State, last: dict[tuple[str, ...], tuple[float, str]], keys: list[str], name: str) -> None:
    factor, least = state.contract.change_factor, state.contract.change_least
    now = state.grid.filter(pl.col(name).is_not_null()).select(ROW, *keys, name)
    found = []
    for row, *key, value in now.iter_rows():
        past = last.get(tuple(map(str, key)))
        if past is None or abs(value - past[0]) < least:
            continue
        if max(value, past[0]) >= factor * min(value, past[0]):
            found.append({ROW: row, "value": f"{value:g}", "last": f"{past[0]:g}", "when": past[1]})
    if found:
        state.add_table("history.large_change", pl.DataFrame(found), name)


def locked(state: State) -> None:
    """The contract's rules about what is locked."""
    run_rules(state, history=True)
