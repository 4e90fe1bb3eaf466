"""Delimited text to a raw table: which sign divides the cells, quotes, ragged rows, line ends."""

import csv
import io
import re
from collections import Counter

import polars as pl

from data_contracts.reading.table import ROW, WIDTH, Limits, RawTable, make_table
from data_contracts.reading.text import Remark

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "upright bars"}
_DECLARED = re.compile(r"^\ufeff?\"?sep=([,;\t|])\"?\n", re.IGNORECASE)
_SMART_QUOTED = re.compile("(^|[,;\t|\n])[“”][^“”\n]*[“”](?=[,;\t|\n]|$)")


def read_delimited(text: str, limits: Limits) -> tuple[RawTable | None, list[Remark]]:
    """Read delimited text.

    Returns:
        The raw table with blank rows left out, or None where nothing can be read; and remarks.
    """
    text, remarks = _line_ends(text)
    skipped = 0
    declared = _DECLARED.match(text)
    if declared:
        text, skipped = text[declared.end() :], 1
        remarks.append(Remark("file.declared_delimiter", {"delimiter": DELIMITERS[declared[1]]}))
    if not text or text.isspace():
        return None, [*remarks, Remark("file.blank", {}, fatal=True)]
    if text.count("\n") > limits.rows:
        return None, [*remarks, too_many(limits)]
    delimiter = declared[1] if declared else _delimiter(text)
    if not declared and delimiter != ",":
        remarks.append(Remark("file.delimiter", {"delimiter": DELIMITERS[delimiter]}))
    if ("“" in text or "”" in text) and _SMART_QUOTED.search(text):
        remarks.append(Remark("file.smart_quotes", _place(text, _SMART_QUOTED, skipped)))
    if '"' not in text and delimiter in text:
        table, faults = _even(text, delimiter, skipped, limits) or _plain(text, delimiter, skipped, limits)
    else:
        table, faults = _quoted(text, delimiter, skipped, limits)
    return table, [*remarks, *faults]


def too_many(limits: Limits) -> Remark:
    """That a table has more rows or cells than are read."""
    return Remark("file.too_many_cells", {"rows": f"{limits.rows:,}", "cells": f"{limits.cells:,}"}, fatal=True)


def _line_ends(text: str) -> tuple[str, list[Remark]]:
    if "\r" not in text:
        return text, []
    windows = text.count("\r\n")
    kinds = {"\\r\\n": windows, "\\n": text.count("\n") - windows, "\\r": text.count("\r") - windows}
    used = [name for name, count in kinds.items() if count]
    remarks: list[Remark] = []
    # A line break inside a quoted cell is a lone one in files of Windows: no fault.
    if len(used) > 1 and '"' not in text:
        remarks.append(Remark("file.line_ends", {}))
    elif used == ["\\r"]:
        remarks.append(Remark("file.old_line_ends", {}))
    return text.replace("\r\n", "\n").replace("\r", "\n"), remarks


def _delimiter(text: str) -> str:
    """The sign that divides most of the first rows into the same number of cells."""
    lines = [re.sub(r'"[^"]*"', "", line) for line in text[:20_000].split("\n")[:30] if line.strip()]
    best, score = ",", (0, 0)
    for sign in DELIMITERS:
        counts = Counter(line.count(sign) for line in lines)
        counts.pop(0, None)
        if counts:
            number, times = max(counts.items(), key=lambda item: (item[1], item[0]))
            score, best = max((score, best), ((times, number), sign), key=lambda item: item[0])
    return best


def _place(text: str, pattern: re.Pattern[str], skipped: int) -> dict[str, object]:
    found = pattern.search(text)
    if not found:
        return {}
    return {"row": text.count("\n", 0, found.start(0) + 1) + 1 + skipped, "value": found.group().strip(",;\t|\n")}


def _even(text: str, delimiter: str, skipped: int, limits: Limits) -> tuple[RawTable | None, list[Remark]] | None:
    """Text without quotation marks or blank lines in which all rows are of one length, as most are; None for any other."""
    if "\n\n" in text or text.startswith(("\n", "\ufeff")):
        return None
    try:
        cells = pl.read_csv(
            text.encode(), separator=delimiter, has_header=False, infer_schema=False, quote_char=None, empty_string_is_null=False
        )
    except (pl.exceptions.ComputeError, pl.exceptions.NoDataError):
        return None
    lines = text.count("\n") + (not text.endswith("\n"))
    if cells.height != lines or not 1 < cells.width <= limits.columns:
        return None
    if cells.width * cells.height > limits.cells:
        return None, [too_many(limits)]
    # No row is longer: where the signs are as many as they can be, none is shorter either.
    if text.count(delimiter) != (cells.width - 1) * lines:
        return None
    names = [str(place) for place in range(cells.width)]
    cells.columns = names
    number = pl.int_range(1 + skipped, pl.len() + 1 + skipped, dtype=pl.Int64)
    table = cells.select(number.alias(ROW), pl.lit(cells.width, dtype=pl.Int64).alias(WIDTH), *names)
    if (cells[names[0]].str.strip_chars() == "").any():
        table = table.filter(pl.any_horizontal(pl.col(names).str.strip_chars() != ""))
        if table.is_empty():
            return None, [Remark("file.blank", {}, fatal=True)]
    return RawTable(table, blank_rows=lines - table.height, delimited=True), []


def _plain(text: str, delimiter: str, skipped: int, limits: Limits) -> tuple[RawTable | None, list[Remark]]:
    """Text without any quotation mark, split by column for speed."""
    lines = pl.DataFrame({"line": text.split("\n")}).with_row_index(ROW, offset=1 + skipped)
    lines = lines.with_columns(pl.col(ROW).cast(pl.Int64))
    kept = lines.filter(pl.col("line").str.contains(rf"[^\s{re.escape(delimiter)}]"))
    cells = kept["line"].str.count_matches(delimiter, literal=True).cast(pl.Int64) + 1
    if not kept.height:
        return None, [Remark("file.blank", {}, fatal=True)]
    widest = min(max(cells.to_list()), limits.columns)
    if widest * kept.height > limits.cells:
        return None, [too_many(limits)]
    # One part more than is kept: the last one holds whatever is left of the line.
    parts = kept["line"].str.splitn(delimiter, widest + 1).struct.unnest().select(pl.nth(range(widest)))
    named = parts.rename({name: str(place) for place, name in enumerate(parts.columns)}).fill_null("")
    table = pl.concat([kept.select(ROW), cells.to_frame(WIDTH), named], how="horizontal")
    blank = lines.height - kept.height - int(text.endswith("\n"))
    return RawTable(table, blank_rows=blank, delimited=True), []


def _quoted(text: str, delimiter: str, skipped: int, limits: Limits) -> tuple[RawTable | None, list[Remark]]:
    """Text with quotation marks, by the standard library's reader."""
    csv.field_size_limit(max(csv.field_size_limit(), limits.file_bytes + 1))
    rows: list[list[str]] = []
    numbers: list[int] = []
    widths: list[int] = []
    number, begun = skipped, 0
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    try:
        for number, row in enumerate(reader, start=1 + skipped):
            begun = reader.line_num
            if any(cell.strip() for cell in row):
                rows.append([cell.replace("\n", " ") for cell in row[: limits.columns]])
                numbers.append(number)
                widths.append(len(row))
    except csv.Error:
        # Strict reading stops where a quotation mark is not closed, or closed in the middle of a cell: what follows is a guess.
        return None, [Remark("file.unclosed_quote", {"row": number + 1, "value": text.split("\n")[begun][:200]}, fatal=True)]
    blank = number - skipped - len(rows)
    if not rows:
        return None, [Remark("file.blank", {}, fatal=True)]
    if max(len(row) for row in rows) * len(rows) > limits.cells:
        return None, [too_many(limits)]
    return RawTable(make_table(rows, numbers, widths), blank_rows=blank, delimited=True), []
