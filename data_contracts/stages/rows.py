"""Stage `rows`: rows together, and cells of a row together by the rules that a contract declares."""

from collections.abc import Iterable

import pandas as pd
import polars as pl

from data_contracts.context import period_span
from data_contracts.kinds import HISTORY_KINDS, KINDS
from data_contracts.reading.table import ROW
from data_contracts.state import State


def duplicates(state: State) -> None:
    """Two rows with the same key."""
    key = [name for name in state.contract.key]
    if any(name not in state.grid.columns for name in key) or not key:
        return
    texts = [f"{name}#text" for name in key]
    everything = [name for name in state.grid.columns if name.endswith("#text")]
    whole = state.grid.filter(pl.all_horizontal(pl.col(name) != "" for name in texts))
    marked = whole.select(
        ROW,
        *texts,
        first=pl.col(ROW).min().over(texts),
        alike=pl.col(ROW).min().over(everything),
    ).filter(pl.col(ROW) != pl.col("first"))
    for cells in marked.iter_rows(named=True):
        rule = "rows.duplicate" if cells["alike"] == cells["first"] else "rows.conflict"
        words = ", ".join(cells[name] for name in texts)
        state.add(rule, row=cells[ROW], column=key[0], value=words, first=cells["first"])


def coverage(state: State) -> None:
    """Every authority of the region in force in the period is expected."""
    column = state.contract.with_role("authority")
    table = state.context.authorities
    if state.contract.coverage != "region" or not state.context.region or table.empty:
        return
    if column is None or column.name not in state.grid.columns:
        return
    period = state.contract.with_role("period")
    given = state.grid[period.name].drop_nulls().unique().to_list() if period and period.name in state.grid.columns else []
    span = period_span(state.context.period or (given[0] if len(given) == 1 else ""))
    if span is None:
        return
    present = set(state.grid[column.name].drop_nulls().to_list()) | _set_aside(state)
    ended = table["end"].fillna("").astype(str)
    live = (
        (table["region"] == state.context.region)
        & (table["start"] <= span[1].isoformat())
        & ((ended == "") | (ended >= span[0].isoformat()))
    )
    heirs = {str(code): set(str(text).split()) for code, text in zip(table["authority"], _successors(table), strict=True)}
    for code, name in sorted(zip(table.loc[live, "authority"], table.loc[live, "name"], strict=True)):
        covered = code in present or bool(heirs[code] & present) or any(code in heirs.get(other, ()) for other in present)
        if not covered:
            state.add("rows.missing_authority", column=column.name, value=code, name=name, code=code)


def _set_aside(state: State) -> set[str]:
    """Texts of the rows that were taken out with an error: an authority named there is not missing as well."""
    if state.table is None or not state.set_aside:
        return set()
    rows = state.table.cells.filter(pl.col(ROW).is_in(list(state.set_aside)))
    return {text.strip() for cells in rows.iter_rows() for text in cells[2:]}


def _successors(table: pd.DataFrame) -> Iterable[object]:
    return table["successors"].fillna("") if "successors" in table.columns else [""] * len(table)


def declared(state: State) -> None:
    """The contract's own rules."""
    run_rules(state, history=False)


def run_rules(state: State, history: bool) -> None:
    """Run the contract's rules of the stage `rows` or of the stage `history`."""
    for rule in state.contract.rules:
        if (rule.kind in HISTORY_KINDS) != history:
            continue
        found = dict(KINDS[rule.kind](state, rule))
        texts = [pl.col(name).alias(name.removesuffix("#text")) for name in state.grid.columns if name.endswith("#text")]
        for cells in state.grid.filter(pl.col(ROW).is_in(list(found))).select(ROW, *texts).iter_rows(named=True):
            row = cells.pop(ROW)
            state.add_rule(rule, row, rule.column, {**cells, **found[row]})
