"""The rows of a case-level file: opened, refused where they identify persons, and told apart by why they do not count."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

import narwhals as nw
import polars as pl

from data_contracts.caseforms import CaseForm
from data_contracts.findings import shown
from data_contracts.personal import ANY, personal, personal_heading
from data_contracts.reading import Limits, read
from data_contracts.reading.table import ROW as RAW_ROW
from evaluation import PanelError
from evaluation.cells import files_of
from evaluation.cells.sources import collected, opened, schema_of
from pilots.casereturns.expressions import FILE, REASON, ROW, SAME, Term, reason, spans, text_of, typed
from pilots.errors import UserError

WORKBOOK = ".xlsx"
FIRST = 2  # the number of the first row below the headings
LOOKED_AT = 1000  # different values that are asked for their check digits: one in six numbers of ten digits passes by chance


@dataclass(frozen=True)
class Source:
    """Where rows come from.

    Attributes:
        files: the files, one for a workbook.
        frame: the rows of a workbook, with their row numbers; None for other files.
        engine: duckdb, polars or spark.
        options: settings of the engine.
    """

    files: tuple[Path, ...]
    frame: pl.DataFrame | None
    engine: str
    options: Mapping[str, Any]

    def lazy(self) -> tuple[Any, Any]:
        """All rows as text, and the engine's module."""
        if self.frame is not None:
            return opened(self.frame.drop(ROW), self.engine, self.options)
        return opened(list(self.files), self.engine, self.options, as_text=True)

    def numbered(self) -> tuple[Any, Any]:
        """All rows as text with `ROW`, which counts through all files, and `FILE`; and Polars' module."""
        if self.frame is not None:
            return opened(self.frame.lazy().with_columns(pl.lit(str(self.files[0])).alias(FILE)), "polars", {})
        options = {"row_index_name": ROW, "row_index_offset": FIRST, "include_file_paths": FILE}
        return opened(list(self.files), "polars", options, as_text=True)

    def starts(self) -> dict[str, int]:
        """For each file what is taken off `ROW` to have the number that a spreadsheet shows."""
        if self.frame is not None:
            return {str(self.files[0]): 0}
        lazy, module = self.numbered()
        table = counted(lazy.group_by(FILE).agg(nw.col(ROW).min().alias("first")), module)
        return {str(name): int(first) - FIRST for name, first in table[[FILE, "first"]].itertuples(index=False)}


def source_of(path: Path, engine: str, options: Mapping[str, Any], form: CaseForm) -> Source:
    """Find the files of a file or a folder; a workbook is read at once.

    Raises:
        UserError: there is nothing to read.
    """
    # Without a place to spill to, no row is ever written to disk.
    settings = {"temp_directory": "", **options} if engine == "duckdb" else dict(options)
    if path.suffix.lower() == WORKBOOK and path.is_file():
        return Source((path,), _rows_of_workbook(path, form), engine, settings)
    try:
        return Source(tuple(files_of(path)[0]), None, engine, settings)
    except PanelError as error:
        raise UserError(str(error)) from error


def _rows_of_workbook(path: Path, form: CaseForm) -> pl.DataFrame:
    with path.open("rb") as handle:
        reading = read(path.name, handle.read(Limits().file_bytes + 1), Limits())
    wanted = {column.name for column in form.columns}
    for table in reading.tables:
        cells = table.cells.sort(RAW_ROW)
        names = [_plain(text or "") for text in cells.row(0)[2:]] if cells.height else []
        if wanted & set(names):
            headings = {str(at): text or f"column {at + 1}" for at, text in enumerate(cells.row(0)[2:])}
            _refuse_twice(list(headings.values()))
            texts = [pl.col(at).alias(name) for at, name in headings.items()]
            return cells.slice(1).select(pl.col(RAW_ROW).cast(pl.Int64).alias(ROW), *texts)
    raise UserError(
        f"{path.name} cannot be read as a table of cases. Put the headings in the first row of a sheet, without a password or "
        "macros, or save the sheet as CSV UTF-8."
    )


def headings_of(source: Source, form: CaseForm) -> tuple[dict[str, str], list[str]]:
    """Which heading of the file is which column of the form, and the headings that are none.

    Raises:
        UserError: a heading is that of an identifier of persons, two mean the same column, or one that is needed is missing.
    """
    found = _columns(source)
    refuse_headings(found)
    _refuse_twice(found)
    known = {column.name for column in form.columns}
    matched = {_plain(name): name for name in found if _plain(name) in known}
    missing = [column.name for column in form.columns if column.required and column.name not in matched]
    if missing:
        raise UserError(
            f"The file has no column {', '.join(missing)}. Put the headings in the first row, divide cells by commas and save as "
            f"UTF-8. “pilots guide --cases {form.collection}” has all columns."
        )
    return matched, [name for name in found if name not in matched.values()]


def _columns(source: Source) -> list[str]:
    lists = []
    for file in source.files if source.frame is None else ():
        lazy, module = _safely(lambda file=file: opened([file], "polars", {}, as_text=True))
        lists.append([str(name) for name in _safely(lambda lazy=lazy, module=module: schema_of(lazy, module))])
    if source.frame is not None:
        lists.append([name for name in source.frame.columns if name != ROW])
    for file, names in zip(source.files, lists, strict=True):
        refuse_headings(names)
        if names != lists[0]:
            raise UserError(
                f"{file.name} has other columns than {source.files[0].name}. Give files of one form, columns in one order."
            )
    return lists[0]


def refuse_headings(names: Sequence[str]) -> None:
    """Stop where a heading is that of an identifier of persons, or is one.

    Raises:
        UserError: it is; nothing was read.
    """
    kinds = {kind for kind in map(personal, names) if kind}
    if kinds:
        raise UserError(
            f"The first row holds identifiers of persons ({', '.join(sorted(kinds))}) where headings should stand. Nothing was "
            "read. Put headings in the first row and take identifiers out."
        )
    called = [name for name in names if personal_heading(name)]
    if called:
        listed = ", ".join(f"“{shown(name)}”" for name in called)
        raise UserError(
            f"The file has identifiers of persons: {listed}. Nothing was read. Take these columns out: no return needs them. Use "
            "references of your own to tell rows apart."
        )


def _refuse_twice(names: Sequence[str]) -> None:
    plain = [_plain(name) for name in names]
    twice = sorted({name for name in plain if plain.count(name) > 1})
    if twice:
        raise UserError(f"More than one column is called {', '.join(map(shown, twice))}. Keep the right one.")


def _plain(heading: str) -> str:
    return re.sub(r"[\s\-]+", "_", heading.replace("\ufeff", "").strip().lower())


def refuse_values(source: Source, headings: Sequence[str]) -> None:
    """Stop where a cell of any column, part of the form or not, holds an identifier of a person.

    Raises:
        UserError: it does; the message names column and kind, never the cell.
    """
    lazy, module = _safely(source.lazy)
    texts = {name: nw.col(name).cast(nw.String) for name in headings}
    hits = {name: nw.when(text.str.contains(ANY)).then(nw.lit(1)).otherwise(nw.lit(0)) for name, text in texts.items()}
    line = counted(lazy.select(*[hit.sum().alias(f"hits {at}") for at, hit in enumerate(hits.values())]), module).iloc[0]
    for at, (name, text) in enumerate(texts.items()):
        if not _number(line[f"hits {at}"]):
            continue
        values = lazy.select(text.alias("value")).filter(nw.col("value").str.contains(ANY)).unique().head(LOOKED_AT)
        kinds = sorted({kind for kind in map(personal, counted(values, module)["value"]) if kind})
        if kinds:
            raise UserError(
                f"Column “{shown(name)}” holds identifiers of persons ({', '.join(kinds)}). Nothing was made. Take them out, or "
                "use references of your own that are no such numbers."
            )


def _number(value: Any) -> int:
    return 0 if value is None or value != value else int(value)


def prepared(lazy: Any, form: CaseForm, matched: Mapping[str, str], numbered: bool = False) -> Any:
    """Rows with the form's columns, typed, and what breaks them; rows that are wholly blank are none.

    Args:
        lazy: the rows as text.
        form: what they should look like.
        matched: heading of the file by column of the form.
        numbered: whether rows carry their numbers and files.
    """
    texts = [text_of(matched.get(column.name)).alias(column.name) for column in form.columns]
    rows = lazy.select(*([nw.col(ROW), nw.col(FILE)] if numbered else []), *texts)
    rows = rows.filter(reduce(or_, [~nw.col(column.name).is_null() for column in form.columns]))
    rows = rows.with_columns(nw.len().over("authority", form.key).alias(SAME))
    rows = rows.with_columns(*typed(form))
    return rows.with_columns(*spans(form)) if form.spans else rows


def with_reason(rows: Any, form: CaseForm, good: Sequence[str], term: Term) -> Any:
    """Prepared rows with the reason for which each does not count."""
    return rows.with_columns(reason(form, good, term).alias(REASON))


def counted(lazy: Any, module: Any) -> Any:
    """Run a lazy frame; what an engine says of rows that it cannot read is not passed on, as it may quote them.

    Raises:
        UserError: the rows cannot be read.
    """
    return _safely(lambda: collected(lazy, module))


def _safely(work: Any) -> Any:
    try:
        return work()
    except PanelError as error:
        raise unreadable(error) from None


def unreadable(error: PanelError) -> UserError:
    """A refusal of rows that an engine could not read, with the line where it is told and without the line's text."""
    line = re.search(r"(?i)\bline:? (\d+)", str(error))
    where = f" (near line {line[1]})" if line else ""
    return UserError(
        f"The rows cannot be read{where}. Each row needs as many cells as there are headings; save the file as CSV UTF-8, "
        "divided by commas, or as Parquet."
    )
