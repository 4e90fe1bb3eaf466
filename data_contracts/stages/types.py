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
    columns = [column for column in state.contract.columns if column.name in state.data.columns]
    state.fits = state.data.select(_fits(column) for column in columns)
    for column in columns:
        name, after = column.name, pl.col(column.name).str.strip_chars(SPACE)
        # What fits the pattern of a number or a date has no space to take off.
        asked = state.data.select(ROW, name)
        asked = asked.filter(~state.fits[name]) if column.type in _PATTERNS else asked
        changed = asked.filter(after != pl.col(name))[ROW]
        if len(changed):
            state.data = state.data.with_columns(after)
            state.fits = state.fits.with_columns(state.data.select(_fits(column)).to_series())
            state.add("types.trimmed", row=int(changed[0]), column=name, count=f"{len(changed):,}", cell="")


def _fits(column: Column) -> pl.Expr:
    """Whether the text of a cell can be cast."""
    text = pl.col(column.name)
    return text.str.contains(_PATTERNS[column.type]) if column.type in _PATTERNS else text != ""


def cast(state: State) -> None:
    """Make the grid of values, texts and symbols; say what cannot be cast."""
    special = _special_cells(state)
    columns = [column for column in state.contract.columns if column.name in state.data.columns]
    parts = [part for column in columns for part in _parts(column, special.get(column.name, {}))]
    # Lazily, so that what a value, its fault and its symbol have in common is worked out once.
    both = state.data.hstack(state.fits.rename(lambda name: f"{name}#fits"))
    made = both.lazy().select(ROW, *parts).collect()
    for column in columns:
        _say(state, made, column, special.get(column.name, {}))
    state.grid = made.select(name for name in made.columns if not name.endswith(("#blank", "#bad", "#long")))


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


def _parts(column: Column, special: dict[int, tuple[str, str]]) -> list[pl.Expr]:
    """A column's values, texts and symbols, and which cells are blank, bad, or have a great many decimals."""
    name, text = column.name, pl.col(column.name)
    unmarked = ~pl.col(ROW).is_in(list(special)) if special else pl.lit(True)
    blank = (text == "") & unmarked
    symbol = text.is_in(list(column.symbols)) & unmarked if column.symbols else pl.lit(False)
    fits = pl.col(f"{name}#fits") & ~symbol & unmarked
    kept = pl.when(fits).then(text)
    typed = kept.str.to_date("%Y-%m-%d", strict=False) if column.type == "date" else kept.cast(_DTYPES[column.type], strict=False)
    parts = [
        typed.alias(name),
        text.alias(f"{name}#text"),
        (pl.when(symbol).then(text) if column.symbols else pl.lit(None, dtype=pl.String)).alias(f"{name}#symbol"),
        blank.alias(f"{name}#blank"),
        (typed.is_null() & ~blank & ~symbol & unmarked).alias(f"{name}#bad"),
    ]
    return [*parts, (fits & text.str.contains(_LONG_DECIMAL)).alias(f"{name}#long")] if column.type == "number" else parts


def _say(state: State, made: pl.DataFrame, column: Column, special: dict[int, tuple[str, str]]) -> None:
    """What cannot be cast, and what is blank."""
    name, allowed = column.name, _allowed(state.contract, column)
    if special:
        seen = [{ROW: row, "value": entered, "#rule": rule} for row, (rule, entered) in special.items()]
        state.add_groups(pl.DataFrame(seen).join(made.select(ROW), on=ROW).sort(ROW), name, unit=column.unit or "text")
    if column.required:
        rule = "types.blank" if column.is_number else "types.no_entry"
        state.add_rows(rule, made[f"{name}#blank"], name, label=column.label, symbols=allowed)
    if made[f"{name}#bad"].any():
        found = made.select(ROW, pl.col(f"{name}#text").alias("value")).filter(made[f"{name}#bad"])
        late = bool(state.table and state.table.late)
        words = _diagnoses(column, found["value"].unique(maintain_order=True).to_list(), late)
        state.add_groups(found.join(words, on="value", maintain_order="left"), name, unit=column.unit or "", symbols=allowed)
    if f"{name}#long" in made.columns:
        state.add_once("types.long_decimal", made[f"{name}#long"], name)


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
