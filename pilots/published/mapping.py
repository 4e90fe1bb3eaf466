"""From the rows of one file to measures: totals only, periods read, codes of today, columns by the publication's aliases."""

from difflib import get_close_matches
from fnmatch import fnmatchcase

import polars as pl

from pilots.catalogue import FileAlias, in_force
from pilots.periods import ACADEMIC, CALENDAR, Period, PeriodError, from_ees
from pilots.places import Resolution, resolve, used_together
from pilots.published.reconciled import Account, kinds_of, value_columns
from pilots.published.remarks import Remarks
from pilots.published.rows import ROW, Rows, Unusable

# The columns of the standard layout that say where, when and which breakdown.
STANDARD = ("time_*", "geographic_level", "country_*", "region_*", "new_la_code", "old_la_code", "la_name", "breakdown_topic")
BOTH_TERMS = "autumn and spring"
LONG = ["measure", "period", "authority", "text", "file", "column", ROW, "refused"]
CODES = {key: pl.String for key in ("code", "name", "period", "kind", "authority", "message", "file")} | {"finding": pl.Boolean}
# A code of no authority, or one beside its successor, is a finding of whatever period.
FINDINGS = ("unknown", "both", "name differs")


def period_of(time_period: str, time_identifier: str, alias: FileAlias) -> Period:
    """The period that two time columns mean in a file of this kind.

    Raises:
        PeriodError: they do not fit each other, or the file has counts in January and the period is no calendar year.
    """
    spelt = time_identifier.strip().lower()
    if alias.period == BOTH_TERMS and spelt == "autumn and spring term":
        return from_ees(time_period, ACADEMIC)
    period = from_ees(time_period, CALENDAR if alias.period == "january" and spelt == "january" else time_identifier)
    if alias.period != "january":
        return period
    if period.kind != CALENDAR:
        raise PeriodError(f"The file counts in January of calendar years, but the period is marked {time_identifier}.")
    return Period(ACADEMIC, period.year - 1)


def latest_edition(rows: Rows, alias: FileAlias) -> str:
    """The reporting year that the newest period of a file belongs to: the year after a calendar year, or the second one of two.

    Returns:
        A year, or "" where no period can be read.
    """
    years = []
    for time_period, identifier in rows.authorities.select("time_period", "time_identifier").unique().iter_rows():
        try:
            years.append(period_of(time_period, identifier, alias).year + 1)
        except PeriodError:
            continue  # told by `map_rows`, with the number of rows
    return str(max(years)) if years else ""


def map_rows(rows: Rows, alias: FileAlias, edition: str, remarks: Remarks) -> tuple[pl.DataFrame, pl.DataFrame, Account]:
    """Turn one file's rows into measures.

    Args:
        rows: of the file.
        alias: what its columns mean.
        edition: reporting year of the release; aliases are bound to editions.
        remarks: gets what could not be used.

    Returns:
        The cells, one row each (columns `LONG`), the codes that are not today's (columns `CODES`), and the account of all cells.

    Raises:
        Unusable: the file gives no figure.
    """
    if alias.unused:
        raise Unusable(alias.unused[0].lower() + alias.unused[1:].rstrip("."))
    columns = _chosen(rows, alias, edition, remarks)
    _tell_columns(rows, alias, columns, remarks)
    table, regions = _totals(rows, alias)
    steps = [("aggregate", rows.authorities[ROW]), ("breakdown", table[ROW])]
    table = _with_periods(rows, alias, table, remarks)
    steps.append(("period", table[ROW]))
    table, codes = _with_authorities(rows, table)
    steps.append(("authority", table[ROW]))
    if alias.blank:
        table = table.with_columns(pl.col(list(dict.fromkeys(columns.values()))).replace(list(alias.blank), ""))
    parts = [_measured(rows, block, table, regions, columns, remarks) for block in alias.rows]
    cells = pl.concat(parts)
    if cells.is_empty():
        raise Unusable("none of its columns and rows is known under the aliases of this edition")
    values = value_columns(rows.header, (*STANDARD, *_conditions(alias)))
    return cells, codes, Account(rows.name, kinds_of(rows.cells, list(values), alias.blank), values, steps)


def _bounds(column: str, since: str, until: str) -> str:
    return f"{column} (editions {since or 'before'} to {until or 'now'})" if since or until else column


def _chosen(rows: Rows, alias: FileAlias, edition: str, remarks: Remarks) -> dict[str, str]:
    """The column of each measure in this file; a measure without one is told and left out."""
    differing = {one.column for one in rows.duplicates if not one.identical}
    found: dict[str, str] = {}
    for measures in (measures for _, measures in alias.rows):
        for measure, pairs in measures.items():
            there = [(column, in_force(since, until, edition)) for column, since, until in pairs if column in rows.header]
            usable = [column for column, valid in there if valid and column not in differing]
            if usable:
                found[measure] = usable[0]
                continue
            if not there:
                reason = "there is no such column"
            elif any(valid for _, valid in there):
                reason = f"{there[0][0]} stands in the file more than once, and its copies differ"
            else:
                reason = f"{there[0][0]} is in the file, but is not the name of edition {edition}"
            expected = " or ".join(_bounds(*pair) for pair in pairs)
            remarks.add("missing_columns", file=rows.name, measure=measure, expected=expected, reason=reason)
    return found


def _tell_columns(rows: Rows, alias: FileAlias, chosen: dict[str, str], remarks: Remarks) -> None:
    for one in rows.duplicates:
        used = "the first copy" if one.column in chosen.values() else "no"
        facts = {"column": one.column, "copies": one.copies, "identical": one.identical, "used": used}
        remarks.add("duplicated_columns", file=rows.name, **facts)
    conditions = _conditions(alias)
    wanted = [column for column in alias.columns if column not in rows.header]
    for column in dict.fromkeys(rows.header):
        standard = any(fnmatchcase(column, pattern) for pattern in STANDARD)
        if standard or column in conditions or column in alias.columns or alias.knows(column):
            continue
        close = {name.lower(): name for name in wanted}
        like = get_close_matches(column.lower(), list(close), n=1, cutoff=0.8)
        remarks.add("unknown_columns", file=rows.name, column=column, like=close[like[0]] if like else "")


def _conditions(alias: FileAlias) -> list[str]:
    """The columns that say which rows count."""
    columns = {column for where, _ in alias.rows for column in where}
    return sorted(columns | ({alias.totals_column} if alias.totals_column else set()))


def _totals(rows: Rows, alias: FileAlias) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of authorities and of regions that are totals."""
    conditions = _conditions(alias)
    missing = [column for column in conditions if column not in rows.header]
    if missing:
        raise Unusable(f"it has no column {missing[0]}, which says what is a total")
    stripped = [pl.col(column).str.strip_chars() for column in conditions]
    table, regions = rows.authorities.with_columns(stripped), rows.regions.with_columns(stripped)
    if alias.totals_column is None:
        return table, regions
    labels = table[alias.totals_column].unique(maintain_order=True).to_list()
    total = pl.col(alias.totals_column).is_in(list(alias.totals_labels))
    table, regions = table.filter(total), regions.filter(total)
    if table.is_empty():
        raise Unusable(
            f"no row has {alias.totals_column} = {' or '.join(alias.totals_labels)}, which marks totals (it has: {_few(labels)})"
        )
    return table, regions


def _few(words: list[str]) -> str:
    return ", ".join(words[:5]) + (f" and {len(words) - 5} more" if len(words) > 5 else "")


def _with_periods(rows: Rows, alias: FileAlias, table: pl.DataFrame, remarks: Remarks) -> pl.DataFrame:
    """The table with `period`; rows whose period cannot be read are told and left out."""
    keys = ["time_period", "time_identifier"]
    found = []
    for time_period, identifier, count in table.group_by(keys).len().sort(keys).iter_rows():
        try:
            found.append((time_period, identifier, str(period_of(time_period, identifier, alias))))
        except PeriodError as error:
            facts = {"time_period": time_period, "time_identifier": identifier, "rows": count, "reason": str(error)}
            remarks.add("periods", file=rows.name, **facts)
    schema = {key: pl.String for key in (*keys, "period")}
    return table.join(pl.DataFrame(found, schema=schema, orient="row"), on=keys, how="inner", maintain_order="left")


def _with_authorities(rows: Rows, table: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The table with `authority`, today's code; and the codes that are not today's. Rows without an authority are left out."""
    keys = ["new_la_code", "period"]
    name = pl.col("la_name") if "la_name" in table.columns else pl.lit("").alias("la_name")
    pairs = table.group_by(keys).agg(name.first()).sort(keys)
    found: list[tuple[Resolution, str, str]] = [(resolve(code, period), period, la) for code, period, la in pairs.iter_rows()]
    known = [(one.code, period, one.authority) for one, period, _ in found if one.authority is not None]
    told = [
        (one.code, la, period, one.kind, one.authority or "", one.message, rows.name, one.misdated or one.kind in FINDINGS)
        for one, period, la in found
        if one.kind != "current"
    ]
    told += _both(rows.name, pairs)
    places = pl.DataFrame(known, schema={key: pl.String for key in (*keys, "authority")}, orient="row")
    codes = pl.DataFrame(told, schema=CODES, orient="row")
    return table.join(places, on=keys, how="inner", maintain_order="left"), codes


def _both(file: str, pairs: pl.DataFrame) -> list[tuple[str, str, str, str, str, str, str, bool]]:
    """An ended code and its successor in one period: the area stands there twice."""
    found = []
    for (period,), part in pairs.group_by("period", maintain_order=True):
        called = dict(part.select("new_la_code", "la_name").iter_rows())
        for old, heir in used_together(called):
            today = resolve(old, str(period)).authority
            done = "Figures that differ are not taken." if today else f"The rows of {old} are left out."
            text = f"{called[old]} ({old}) and {called[heir]} ({heir}), which followed it, both stand for {period}. {done}"
            found.append((old, called[old], str(period), "both", today or "", text, file, True))
    return found


def _measured(
    rows: Rows,
    block: tuple[dict[str, str], dict[str, list[tuple[str, str, str]]]],
    table: pl.DataFrame,
    regions: pl.DataFrame,
    columns: dict[str, str],
    remarks: Remarks,
) -> pl.DataFrame:
    """The cells of one block of measures, in long form."""
    where, measures = block
    conditions = [pl.col(column) == value for column, value in where.items()]
    part, totals = (frame.filter(*conditions) if conditions else frame for frame in (table, regions))
    wanted = [measure for measure in measures if measure in columns]
    if part.is_empty() and len(table):
        condition = " and ".join(f"{column} = {value}" for column, value in where.items())
        for measure in wanted:
            facts = {"measure": measure, "expected": condition, "reason": "there is no such row"}
            remarks.add("missing_columns", file=rows.name, **facts)
    pieces = []
    for measure in wanted:
        source = {"measure": pl.lit(measure), "file": pl.lit(rows.name), "column": pl.lit(columns[measure])}
        piece = part.with_columns(pl.col(ROW).cast(pl.Int64), refused=_region_total(part, totals, columns[measure], measure))
        _tell_region_totals(piece.filter("refused"), rows.name, columns[measure], measure, remarks)
        pieces.append(piece.with_columns(text=pl.col(columns[measure])).with_columns(**source).select(LONG))
    schema: dict[str, pl.DataType] = {name: pl.String() for name in LONG} | {ROW: pl.Int64(), "refused": pl.Boolean()}
    return pl.concat(pieces) if pieces else pl.DataFrame(schema=schema)


def _region_total(part: pl.DataFrame, totals: pl.DataFrame, column: str, measure: str) -> pl.Series:
    """Which cells are a total of the region, copied into the rows of its authorities.

    It has happened (all of Yorkshire and The Humber, new plans of 2022). Two authorities cannot both have the whole of their
    region. Rates (`published_…`) can be alike.
    """
    keys = ["time_period", "time_identifier", "region_code"]
    if "region_code" not in part.columns or totals.is_empty() or measure.startswith("published_"):
        return pl.repeat(False, len(part), eager=True)
    region = totals.select(*keys, total=pl.col(column).str.strip_chars()).unique(keys, keep="none")
    joined = part.select(*keys, text=pl.col(column).str.strip_chars()).join(region, on=keys, how="left", maintain_order="left")
    alike = (pl.col("text") == pl.col("total")) & pl.col("text").str.contains(r"[1-9]")
    alike = alike.fill_null(False)
    return joined.select(alike & (alike.sum().over(keys) > 1)).to_series()


def _tell_region_totals(refused: pl.DataFrame, file: str, column: str, measure: str, remarks: Remarks) -> None:
    keys = ["period", "region_name" if "region_name" in refused.columns else "region_code"]
    if refused.is_empty():
        return
    for (period, region), cells in refused.group_by(keys, maintain_order=True):
        facts = {"column": column, "measure": measure, "period": period, "region": region}
        remarks.add("region_totals", file=file, **facts, found=cells[column][0].strip(), authorities=len(cells))
