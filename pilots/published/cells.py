"""What stands in a cell: a number, a symbol in place of one, nothing, or text that is neither."""

import pandas as pd
import polars as pl

SYMBOLS = ("z", "x", "c", "low", "k", "u", "~", ":", ".", "..", "-")
# Text that is neither a number nor a symbol, or a number that cannot be this authority's: the report says which.
UNUSABLE = "?"
# R writes 100000 as 1e+05; no other spelling of a power is a published figure. Digits are 0 to 9 of plain ASCII only.
NUMBER = r"^-?[0-9]+(\.[0-9]+)?(e\+[0-9]{1,2})?$"
# A spreadsheet saved as text writes 0.0844 as 8.4400000000000003E-2.
SPREADSHEET_NUMBER = r"^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?$"


def classified(cells: pl.DataFrame, spelling: str = NUMBER) -> pl.DataFrame:
    """Split the column `text` into `value` (number or null) and `symbol` (as found, `?` for other text, null otherwise).

    A blank cell has neither value nor symbol, a cell that is `refused` the symbol `?`. Nothing is turned into 0.
    `spelling` is the pattern of what counts as a number.
    """
    text = pl.col("text").str.strip_chars()
    number = text.str.contains(spelling) & ~pl.col("refused")
    value = pl.when(number).then(text).otherwise(None).cast(pl.Float64)
    symbol = pl.when(number | (text == "")).then(None).when(text.is_in(list(SYMBOLS))).then(text).otherwise(pl.lit(UNUSABLE))
    return cells.with_columns(value=value, symbol=symbol)


def shown(value: float | None, symbol: str | None) -> str:
    """A figure as a reader writes it: 94.8, x, or “blank”."""
    if symbol is not None and not pd.isna(symbol):
        return str(symbol)
    if value is None or pd.isna(value):
        return "blank"
    return str(int(value)) if float(value).is_integer() else str(value)
