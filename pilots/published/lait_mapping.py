"""From rows of the Local Authority Interactive Tool to measures: names by the aliases, kinds of year, the codes of today."""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache

import polars as pl

from pilots.catalogue import Aliases
from pilots.periods import ACADEMIC, CALENDAR, FINANCIAL, FIRST_YEAR, LAST_YEAR, Period, PeriodError, parse
from pilots.places import Resolution, authorities, code_for_name, names, resolve
from pilots.published.cells import SPREADSHEET_NUMBER
from pilots.published.figures import expected
from pilots.published.lait_table import LongTable
from pilots.published.mapping import CODES, FINDINGS, LONG
from pilots.published.reconciled import Account, kinds_of
from pilots.published.remarks import Remarks
from pilots.published.rows import ROW

SHORT = "Short Desc"
# The tool's own numbers of England (970) and of its regions (980 to 990), which stand among the authorities.
AGGREGATES = frozenset({"970", *(str(number) for number in range(980, 991))})
JANUARY = "january"
KINDS = {"academic year": ACADEMIC, JANUARY: ACADEMIC, "calendar year": CALENDAR, "financial year": FINANCIAL}
NOTHING = ("-", "")  # what a rectangular table has where there is nothing to say
_YEARS = re.compile(r"^(\d{4})(?:[/-](\d{2}))?$", re.ASCII)
_SUFFIX = re.compile(r"\s*\(Pre LG\)$")  # the tool's mark on an authority before a local government reorganisation


def period_of(years: str, kind: str) -> Period:
    """The period that the tool's `Years` means for a measure.

    Args:
        years: `2016`, `2015/16` or `2016-17`.
        kind: `academic year`, `january`, `calendar year` or `financial year`, by the tool's data dictionary. A single year names
            the one in which an academic or financial year ends; a count in January goes to its academic year.

    Raises:
        PeriodError: it is no year, does not join two that follow each other, or does not fit the kind.
    """
    match = _YEARS.match(years)
    if match is None or not FIRST_YEAR <= int(match[1]) <= LAST_YEAR:
        raise PeriodError(f"“{years}” is not a year. The tool writes 2016, 2015/16 or 2016-17.")
    year, second = int(match[1]), match[2]
    if second is None:
        return Period(KINDS[kind], year if kind == "calendar year" else year - 1)
    if int(second) != (year + 1) % 100:
        raise PeriodError(f"“{years}” does not join two years that follow each other.")
    if kind in ("calendar year", JANUARY):
        raise PeriodError(f"“{years}” joins two years, but by the tool's data dictionary the measure is by {kind}.")
    return Period(KINDS[kind], year)


@cache
def _codes() -> dict[str, list[tuple[str, str]]]:
    """(start, code) of each three-digit number, oldest first."""
    table = authorities()
    found: dict[str, list[tuple[str, str]]] = {}
    for code, number, start in table.loc[table["old_code"] != "", ["authority", "old_code", "start"]].itertuples(index=False):
        found.setdefault(str(number), []).append((str(start), str(code)))
    return {number: sorted(pairs) for number, pairs in found.items()}


@cache
def authority_of(number: str, name: str, period: str) -> Resolution:
    """The authority of today behind a three-digit number, by the rules for codes (`pilots.places.resolve`).

    Args:
        number: as found, for example `301`.
        name: as found; a name that is known and belongs to another number is refused.
        period: the period of the figure.

    Returns:
        A Resolution whose `code` is the number. A number that an area kept when its code changed is `current`.
    """
    pairs = _codes().get(number)
    if pairs is None:
        return Resolution(
            number, None, "unknown", f"“{number}” is not the number of an upper-tier authority in England. Left out."
        )
    named = code_for_name(_SUFFIX.sub("", name))
    if named is not None and names()[named] not in {names()[code] for _, code in pairs}:
        message = f"The number {number} is that of {names()[pairs[-1][1]]}, but the name beside it is {name}. Left out."
        return Resolution(number, None, "name differs", message)
    end = parse(period).end.isoformat()
    code = next((code for start, code in reversed(pairs) if start <= end), pairs[0][1])
    found = resolve(code, period)
    if found.kind in ("recoded", "ended") and found.authority in {code for _, code in pairs}:
        return Resolution(number, found.authority, "current")
    return Resolution(number, found.authority, found.kind, found.message)


def map_table(name: str, table: LongTable, publication: Aliases, remarks: Remarks) -> tuple[pl.DataFrame, pl.DataFrame, Account]:
    """Turn the tool's rows into measures.

    Args:
        name: of the file.
        table: its rows.
        publication: the aliases.
        remarks: gets what could not be used, and one row of `files` for each group of measures.

    Returns:
        The cells, one row each (columns `LONG`; `file` is the group of measures), the numbers that are not
        today's authorities (columns `CODES`), and the account of all cells.
    """
    rows = table.rows
    known = _known(publication)
    _tell_unknown(name, rows, publication, known, remarks)
    placed = rows.join(_names(known), on="short", how="inner", maintain_order="left")
    authority_rows = _without_aggregates(placed, remarks)
    dated = _with_periods(authority_rows, remarks)
    cells, codes = _with_authorities(dated, remarks)
    _tell_groups(name, rows, placed, authority_rows, publication, remarks)
    unused = {short for alias in publication.files if alias.unused for short in alias.left}
    taken = rows.filter(~pl.col("short").is_in(sorted(unused)))
    parts = (("unused", taken), ("no_measure", placed), ("aggregate", authority_rows), ("period", dated), ("authority", cells))
    steps = [(reason, part[ROW]) for reason, part in parts]
    account = Account(name, kinds_of(rows, ["text"], spelling=SPREADSHEET_NUMBER), {"text": "text"}, steps)
    return cells.with_columns(refused=pl.lit(False)).rename({"short": "column"}).select(LONG), codes, account


@dataclass(frozen=True)
class _Known:
    """One measure of the tool that is taken: our name for it, its group, and its kind of year."""

    short: str
    measure: str
    group: str
    kind: str


def _known(publication: Aliases) -> list[_Known]:
    return [
        _Known(where[SHORT], measure, alias.id, alias.period)
        for alias in publication.files
        for where, measures in alias.rows
        for measure in measures
    ]


def _names(known: list[_Known]) -> pl.DataFrame:
    rows = [(one.short, one.measure, one.group, one.kind) for one in known]
    return pl.DataFrame(rows, schema={key: pl.String for key in ("short", "measure", "file", "kind")}, orient="row")


def _tell_unknown(name: str, rows: pl.DataFrame, publication: Aliases, known: list[_Known], remarks: Remarks) -> None:
    """Tell the measures that nobody knows, and of the groups that the file has, those that are lacking."""
    have = dict(rows.group_by("short").len().sort("short").iter_rows())
    unused = {short for alias in publication.files for short in alias.left}
    absent = [one for one in known if one.short not in have]
    wanted = {one.short.lower(): one.short for one in absent}
    for short, count in have.items():
        if short not in unused and short not in {one.short for one in known}:
            like = get_close_matches(short.lower(), list(wanted), n=1, cutoff=0.8)
            facts = {"measure": short or "blank", "rows": count, "like": wanted[like[0]] if like else ""}
            remarks.add("unknown_measures", file=name, **facts)
    there = {one.group for one in known if one.short in have}
    for one in absent:
        if one.group in there:
            facts = {"measure": one.measure, "expected": f"{SHORT} = {one.short}", "reason": "there is no such row"}
            remarks.add("missing_columns", file=one.group, **facts)


def _without_aggregates(placed: pl.DataFrame, remarks: Remarks) -> pl.DataFrame:
    """The rows without those of England and its regions, which are counted; numbers lose the fraction of a float (301.0)."""
    placed = placed.with_columns(pl.col("number").str.replace(r"^(\d+)\.0+$", "${1}"))
    whole = pl.col("number").is_in(sorted(AGGREGATES))
    count = placed.filter(whole).height
    if count:
        remarks.notes.append(f"{count:,} rows of England and its regions are left out: an outcome is of local authorities.")
    return placed.filter(~whole)


def _with_periods(placed: pl.DataFrame, remarks: Remarks) -> pl.DataFrame:
    """The rows with `period`; those whose years cannot be read are told and left out."""
    keys = ["years", "kind"]
    found = []
    for file, years, kind, count in placed.group_by("file", *keys).len().sort("file", *keys).iter_rows():
        try:
            found.append((file, years, kind, str(period_of(years, kind))))
        except PeriodError as error:
            shorts = placed.filter((pl.col("file") == file) & (pl.col("years") == years))["short"].unique().sort()
            reason = f"{error} Measures: {', '.join(shorts)}."
            remarks.add("periods", file=file, time_period=years, time_identifier=kind, rows=count, reason=reason)
    schema = {key: pl.String for key in ("file", *keys, "period")}
    periods = pl.DataFrame(found, schema=schema, orient="row")
    return placed.join(periods, on=["file", *keys], how="inner", maintain_order="left")


def _with_authorities(dated: pl.DataFrame, remarks: Remarks) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows with `authority`, today's code, and the numbers that are not today's.

    The table is rectangular: authorities that had not begun, or had ended, have a row with “-” all the same. Such rows say
    nothing; they are counted and left out, so that “-” means a figure that is lacking.
    """
    keys = ["number", "name", "period"]
    pairs = dated.select(keys).unique().sort(keys)
    found = [(row, authority_of(*row)) for row in pairs.iter_rows()]
    schema = {key: pl.String for key in (*keys, "authority", "code_kind", "message")} | {"whole": pl.Boolean}
    known = [(*row, one.authority, one.kind, one.message, one.authority in expected(row[2])) for row, one in found]
    rows = dated.join(pl.DataFrame(known, schema=schema, orient="row"), on=keys, how="left", maintain_order="left")
    no_such = (pl.col("authority").is_null() & (pl.col("code_kind") == "split")) | (
        pl.col("authority").is_not_null() & ~pl.col("whole")
    )
    silent = pl.col("text").is_in(list(NOTHING)) & no_such
    count = rows.filter(silent).height
    if count:
        remarks.notes.append(
            f"{count:,} rows without a figure are of authorities that did not exist for the whole of the period. They are left "
            "out."
        )
    rows = rows.filter(~silent)
    told = rows.filter(pl.col("code_kind") != "current").with_columns(pl.col("authority").fill_null(""), code=pl.col("number"))
    # The tool writes today's number for years before it began; its numbers have no dates of their own.
    told = told.with_columns(finding=pl.col("code_kind").is_in([*FINDINGS, "ended", "early"]))
    codes = told.drop("kind").rename({"code_kind": "kind"}).select(list(CODES)).unique()
    return rows.filter(pl.col("authority").is_not_null()), codes


def _tell_groups(
    name: str, rows: pl.DataFrame, placed: pl.DataFrame, authority_rows: pl.DataFrame, publication: Aliases, remarks: Remarks
) -> None:
    """One row of `files` for each group of measures; the figures taken are counted when they are known."""
    every, mine = (dict(frame.group_by("file").len().iter_rows()) for frame in (placed, authority_rows))
    absent = []
    for alias in publication.files:
        count = rows.filter(pl.col("short").is_in(list(alias.left))).height if alias.unused else every.get(alias.id, 0)
        if count:
            facts = {"rows": count, "authority_rows": mine.get(alias.id, 0), "values": 0, "reason": alias.unused}
            remarks.add("files", file=name, read_as=alias.id, **facts)
        elif not alias.unused:
            absent.append(alias.id)
    if absent:
        remarks.notes.append(f"The file has nothing on: {', '.join(absent)}.")
