"""Stage `rows`: rows together, and cells of a row together by the rules that a contract declares."""

from collections.abc import Iterable

import pandas as pd
import polars as pl

from data_contracts.context import period_span
from data_contracts.kinds import HISTORY_KINDS, KINDS
from data_contracts.reading.table import ROW
from data_contracts.state import State

_CONFIDENTIAL = "c"


def duplicates(state: State) -> None:
    """Two rows with the same key."""
    key = [name for name in state.contract.key]
    if any(name not in state.grid.columns for name in key) or not key:
        return
    texts = [f"{name}#text" for name in key]
    # Equal keys have equal digests: the few rows that share one are then compared by the keys themselves.
    again = state.grid.select(pl.struct(texts).hash()).to_series().is_duplicated()
    whole = state.grid.filter(again).filter(pl.all_horizontal(pl.col(name) != "" for name in texts))
    if whole.is_empty():
        return
    everything = [name for name in whole.columns if name.endswith("#text")]
    marked = whole.select(
        ROW,
        pl.concat_str(texts, separator=", ").alias("value"),
        first=pl.col(ROW).min().over(texts),
        alike=pl.col(ROW).min().over(everything),
    ).filter(pl.col(ROW) != pl.col("first"))
    same = pl.col("alike") == pl.col("first")
    state.add_table("rows.duplicate", marked.filter(same), key[0])
    state.add_table("rows.conflict", marked.filter(~same), key[0])


def double_count(state: State) -> None:
    """An authority under its old code and under the new one in the same return: its figures would count twice."""
    column, table = state.contract.with_role("authority"), state.context.authorities
    if column is None or column.name not in state.grid.columns or table.empty:
        return
    codes = state.codes
    present = set(state.grid[column.name].drop_nulls().unique().to_list())
    heirs = {code: [heir for heir in codes.heirs(code) if heir in present] for code in present}
    rest = [f"{name}#text" for name in state.contract.key if name != column.name and name in state.grid.columns]
    cells = state.grid.filter(
        pl.col(column.name).is_in([code for pair in heirs.items() if pair[1] for code in (pair[0], *pair[1])])
    )
    rows = {(cell[0], *cell[2:]): cell[1] for cell in cells.select(column.name, ROW, *rest).iter_rows()}
    for (code, *others), row in rows.items():
        both = [heir for heir in heirs.get(code, []) if (heir, *others) in rows]
        if both:
            words = " and ".join(f"{codes.rows[heir]['name']} ({heir}, row {rows[heir, *others]})" for heir in both)
            state.add("rows.double_count", row=row, column=column.name, value=code, name=codes.rows[code]["name"], heirs=words)


def coverage(state: State) -> None:
    """Every authority of the region in force in the period is expected."""
    column = state.contract.with_role("authority")
    table = state.context.authorities
    if state.contract.coverage != "region" or not state.context.region or table.empty:
        return
    if column is None or column.name not in state.grid.columns or "values.other_regions_file" in state.rules:
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


def revealed(state: State) -> None:
    """A confidential part beside its total and all the other parts: what is hidden can be worked out."""
    for rule in state.contract.rules:
        names = [*rule.arguments.get("parts", []), rule.arguments.get("total")] if rule.kind == "adds_up" else []
        if not names or any(not isinstance(name, str) or f"{name}#symbol" not in state.grid.columns for name in names):
            continue
        hidden = [pl.col(f"{name}#symbol").eq_missing(_CONFIDENTIAL) for name in names]
        known = [pl.col(name).is_not_null() for name in names]
        alone = (pl.sum_horizontal(hidden) == 1) & (pl.sum_horizontal(known) == len(names) - 1)
        for name, one in zip(names, hidden, strict=True):
            others = ", ".join(other for other in names if other != name)
            rows = state.grid.filter(alone & one).select(ROW, value=pl.lit(_CONFIDENTIAL))
            state.add_table("rows.revealed", rows, name, others=others)


def run_rules(state: State, history: bool) -> None:
    """Run the contract's rules of the stage `rows` or of the stage `history`."""
    for rule in state.contract.rules:
        if (rule.kind in HISTORY_KINDS) != history:
            continue
        found = KINDS[rule.kind](state, rule)
        if not isinstance(found, pl.DataFrame):
            pairs = [{ROW: row} | {name: str(word) for name, word in words.items()} for row, words in found]
            found = pl.DataFrame(pairs, schema_overrides={ROW: pl.Int64}, infer_schema_length=None)
        if found.is_empty():
            continue
        names = {name: name.removesuffix("#text") for name in state.grid.columns if name.endswith("#text")}
        texts = [pl.col(name).alias(word) for name, word in names.items() if word not in found.columns]
        state.add_rule(rule, state.grid.select(ROW, *texts).join(found, on=ROW, maintain_order="left"))
