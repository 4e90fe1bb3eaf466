"""The figures of one release: the cells of all files together, each authority and period once, and who has none."""

from collections.abc import Iterator
from datetime import date
from functools import cache

import pandas as pd
import polars as pl

from pilots.periods import KINDS, ordered, parse
from pilots.places import authorities, names, partnerships, region_names
from pilots.published.cells import NUMBER, UNUSABLE, classified
from pilots.published.remarks import Remarks
from pilots.published.rows import ROW

KEY = ["measure", "period", "authority"]
NO_ROW = "no row"
_LONGEST_SOURCE = 200


def figures(cells: pl.DataFrame, remarks: Remarks, spelling: str = NUMBER) -> pd.DataFrame:
    """Numbers and symbols of the mapped cells of all files.

    Args:
        cells: measure, period, authority, text, file, column and row.
        remarks: gets the cells that cannot be read, and what is given more than once.
        spelling: the pattern of what counts as a number.

    Returns:
        One row a figure, in the order of measure, period and authority: these, value, symbol, source, file, column and row.
    """
    table = classified(cells, spelling)
    for row in table.filter((pl.col("symbol") == UNUSABLE) & ~pl.col("refused")).sort("file", ROW).iter_rows(named=True):
        facts = {"row": row[ROW], "column": row["column"], "found": row["text"].strip()[:80]}
        remarks.add("unreadable", file=row["file"], **facts, authority=row["authority"], period=row["period"])
    table = _once(table, remarks).sort(KEY)
    source = (pl.col("file") + ": " + pl.col("column")).str.slice(0, _LONGEST_SOURCE)
    return table.select(*KEY, "value", "symbol", source.alias("source"), "file", "column", pl.col(ROW).alias("row")).to_pandas()


def _once(table: pl.DataFrame, remarks: Remarks) -> pl.DataFrame:
    """Each figure once. Copies that say the same count once; where they differ, none is taken."""
    many = table.filter(pl.len().over(KEY) > 1)
    if many.is_empty():
        return table
    same = pl.col("value").n_unique().over(KEY) + pl.col("symbol").n_unique().over(KEY) == 2
    many = many.with_columns(same=same)
    for (measure, period, authority), copies in many.sort(*KEY, "file", ROW).group_by(KEY, maintain_order=True):
        places = ", ".join(f"{file} row {row}" for file, row in copies.select("file", ROW).iter_rows())
        found = ", ".join(text.strip() or "blank" for text in copies["text"])
        kept = "once" if copies["same"][0] else "none: they differ"
        remarks.add("repeated_rows", measure=measure, period=period, authority=authority, found=found, rows=places, kept=kept)
    differing = many.filter(~pl.col("same")).select(KEY).unique()
    return table.join(differing, on=KEY, how="anti").unique(KEY, keep="first", maintain_order=True)


@cache
def _began() -> dict[str, date]:
    """From when on each of today's authorities has had its area, under this code or an earlier one of the same area."""
    table = authorities()
    start = dict(zip(table["authority"], map(date.fromisoformat, table["start"]), strict=True))
    same_area = table[table["change"] == "continues"]
    before = dict(zip(same_area["successors"], same_area["authority"], strict=True))
    found: dict[str, date] = {}
    for code in table.loc[table["end"] == "", "authority"]:
        oldest = str(code)
        while oldest in before:
            oldest = str(before[oldest])
        found[code] = start[oldest]
    return found


def expected(period: str) -> frozenset[str]:
    """The authorities of today whose area was one authority for the whole of a period, so that a figure can be there."""
    start = parse(period).start
    return frozenset(code for code, began in _began().items() if began <= start)


def tell_gaps(table: pd.DataFrame, remarks: Remarks) -> None:
    """Tell, by file and period, the authorities without a row, or without a number where others have one."""
    words, programme = region_names(), partnerships()
    region = dict.fromkeys(names(), "")
    region |= {code: words[where] for code, where in zip(programme["authority"], programme["partnership"], strict=True)}
    found = sorted(_gaps(table), key=lambda gap: (not region[gap["authority"]], gap["file"], gap["period"], gap["authority"]))
    for gap in found:
        remarks.add("gaps", **gap, name=names()[gap["authority"]], programme=region[gap["authority"]])


def _gaps(table: pd.DataFrame) -> Iterator[dict[str, str]]:
    for (file, period), part in table.groupby(["file", "period"], sort=True):
        numbers = part[part["value"].notna()]
        wanted = set(numbers["measure"])
        have = numbers.groupby("authority")["measure"].agg(set).to_dict()
        for code in sorted(expected(str(period)) | set(part["authority"])) if wanted else ():
            lacking = wanted - have.get(code, set())
            if not lacking:
                continue
            cells = part[(part["authority"] == code) & part["measure"].isin(lacking)]
            kinds = set(cells["symbol"].fillna("blank").replace(UNUSABLE, "not usable"))
            kinds |= {NO_ROW} if len(cells) < len(lacking) else set()
            measures = "all" if lacking == wanted else ", ".join(sorted(lacking))
            where = {"file": str(file), "period": str(period), "authority": str(code)}
            yield {**where, "what": ", ".join(sorted(kinds)), "measures": measures}


def spanned(periods: list[str]) -> str:
    """Periods as few words, each kind by itself: “2019 to 2022, 2024”."""
    runs: list[list[str]] = []
    for period in sorted(ordered(periods), key=lambda one: KINDS.index(parse(one).kind)):
        if runs and str(parse(runs[-1][-1]).next()) == period:
            runs[-1].append(period)
        else:
            runs.append([period])
    return ", ".join(run[0] if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs)
