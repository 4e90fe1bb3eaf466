"""Stage `types`: each cell's text against the pattern of its column, before anything is cast."""

import polars as pl

from data_contracts.contract import Column, Contract
from data_contracts.diagnosis import diagnose
from data_contracts.reading.table import ROW
from data_contracts.state import State

SPACE = " \t\n\r\u00a0\u2007\u202f\u200b\u200c\u200d\u2060\ufeff"
_PATTERNS = {
    "integer": r"^-?[0-9]{1,15}$",
    "number": r"^-?[0-9]{1,15}(\.[0-9]{1,20})?$",
    "date": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
}
_LONG_DECIMAL = r"\.[0-9]{14,}$"
_MOST_DIAGNOSED = 50_000
_DTYPES = {"integer": pl.Int64, "number": pl.Float64, "date": pl.Date, "string": pl.String}
_SPECIAL = {
    "error": "types.cell_error",
    "no_value": "types.formula_without_value",
    "date": "types.became_date",
    "percent": "types.percent_cell",
}


def trim(state: State) -> None:
    """Take spaces off the ends of cells, and say so."""
    for column in state.contract.columns:
        if column.name not in state.data.columns:
            continue
        before = state.data[column.name]
        after = before.str.strip_chars(SPACE)
        changed = int((before != after).sum())
        if changed:
            row = int(state.data.filter(before != after)[ROW][0])
            state.data = state.data.with_columns(after.alias(column.name))
            state.add("types.trimmed", row=row, column=column.name, count=f"{changed:,}", cell="")


def cast(state: State) -> None:
    """Make the grid of values, texts and symbols; say what cannot be cast."""
    parts = [state.data.select(ROW)]
    special = _special_cells(state)
    for column in state.contract.columns:
        if column.name in state.data.columns:
            parts.append(_cast_column(state, column, special.get(column.name, {})))
    state.grid = pl.concat(parts, how="horizontal")


def _special_cells(state: State) -> dict[str, dict[int, tuple[str, str]]]:
    """What the reader of workbooks said of cells in the columns found: rule and text, by column and row."""
    found: dict[str, dict[int, tuple[str, str]]] = {}
    for mark in state.marks(*_SPECIAL):
        name = state.column_at(mark.position)
        if name is None:
            continue
        if not _harmless(mark.kind, state.contract.column(name)):
            found.setdefault(name, {})[mark.row] = (_SPECIAL[mark.kind], mark.text)
    return found


def _harmless(kind: str, column: Column) -> bool:
    """A date where one is asked for; a per cent where the number that the cell holds, a share of 1, is what is asked for."""
    share = column.is_number and column.maximum is not None and float(column.maximum) <= 1
    return (kind == "date" and column.type == "date") or (kind == "percent" and (share or not column.is_number))


def _cast_column(state: State, column: Column, special: dict[int, tuple[str, str]]) -> pl.DataFrame:
    name, rows, text = column.name, state.data[ROW], state.data[column.name]
    marked = rows.is_in(list(special)) if special else pl.repeat(False, text.len(), eager=True)
    if special:
        seen = [{ROW: row, "value": entered, "#rule": rule} for row, (rule, entered) in special.items()]
        state.add_groups(pl.DataFrame(seen).join(rows.to_frame(), on=ROW).sort(ROW), name, unit=column.unit or "text")
    blank = (text == "") & ~marked
    allowed = _allowed(state.contract, column)
    if column.required:
        rule = "types.blank" if column.is_number else "types.no_entry"
        state.add_rows(rule, blank, name, label=column.label, symbols=allowed)
    symbol = text.is_in(list(column.symbols)) & ~marked if column.symbols else pl.repeat(False, text.len(), eager=True)
    fits = text.str.contains(_PATTERNS[column.type]) if column.type in _PATTERNS else text != ""
    values = text.set(~(fits & ~symbol & ~marked), None)
    typed = (
        values.str.to_date("%Y-%m-%d", strict=False) if column.type == "date" else values.cast(_DTYPES[column.type], strict=False)
    )
    bad = typed.is_null() & ~blank & ~symbol & ~marked
    if bad.any():
        found = pl.DataFrame([rows.filter(bad), text.filter(bad).alias("value")])
        late = bool(state.table and state.table.late)
        words = _diagnoses(column, found["value"].unique(maintain_order=True).to_list(), late)
        state.add_groups(found.join(words, on="value", maintain_order="left"), name, unit=column.unit or "", symbols=allowed)
    if column.type == "number":
        state.add_once("types.long_decimal", fits & text.str.contains(_LONG_DECIMAL), name)
    marks = text.set(~symbol, None)
    return pl.DataFrame([typed.alias(name), text.alias(f"{name}#text"), marks.alias(f"{name}#symbol")])


def _diagnoses(column: Column, texts: list[str], late: bool) -> pl.DataFrame:
    """The rule that each of these texts breaks: value, #rule, suggestion. Past a great number they are only said not to fit."""
    general = "types.not_a_date" if column.type == "date" else "types.not_a_number"
    said = [diagnose(column, text, late) for text in texts[:_MOST_DIAGNOSED]] + [(general, {})] * max(
        len(texts) - _MOST_DIAGNOSED, 0
    )
    rules, words = [rule for rule, _ in said], [more.get("suggestion", "") for _, more in said]
    return pl.DataFrame({"value": texts, "#rule": rules, "suggestion": words})


def _allowed(contract: Contract, column: Column) -> str:
    """The symbols that may stand in the column, as the end of a sentence; blank where there are none."""
    marks = ", ".join(f"{mark} ({contract.missing_values.get(mark, mark)})" for mark in column.symbols)
    return f" Or enter a symbol: {marks}." if marks else ""
