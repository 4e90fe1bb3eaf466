"""Case-level files to cells, on the machine where they lie: no row leaves it, and no identifier of a person is read."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data_contracts.personal import personal, personal_heading
from evaluation import PanelError
from evaluation.cells import Cells, Recipe, cells, columns_of, files_of
from pilots.access import Actor, check_actor_can
from pilots.errors import FileIsThere, NotWritable, UserError
from pilots.storage.base import canonical_json
from pilots.storage.cases import cells_of_table, columns_of_table
from pilots.tables import records

SMALL = 5  # cells with fewer rows are told: shared files have them suppressed
CLUSTER = "spark"  # the engine that takes all files at once and finds lost work again by itself
PIECE = 1 << 20  # bytes read at a time for a digest


@dataclass(frozen=True)
class CellsReport:
    """What became of rows.

    Attributes:
        output: the file of cells.
        sha256: its digest.
        files: files that were read, or the table.
        reused: how many of them were done by an earlier run that was interrupted.
        rows: rows that were read.
        cells: cells they went to.
        small: cells with one to four rows.
        outcomes: for each outcome, rows without it, rows without a covariate or weight, and rows used.
        pivots: number from which each value counts.
    """

    output: str
    sha256: str
    files: int
    reused: int
    rows: int
    cells: int
    small: int
    outcomes: list[dict[str, Any]]
    pivots: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)


def make_cells(
    actor: Actor,
    source: Path,
    output: Path,
    recipe: Recipe,
    engine: str = "duckdb",
    options: dict[str, Any] | None = None,
    progress: Callable[[float, str], None] = lambda share, what: None,
) -> CellsReport:
    """Make cells of a file or a folder of files, one after the other, and write them.

    What is done is kept in a folder beside the output until all is: an interrupted run goes on where it stopped, as long as the
    file's bytes and what is asked for are the same.

    Args:
        actor: who asks.
        source: a Parquet or CSV file, or a folder of them.
        output: the new file of cells, `.parquet` or `.csv`.
        recipe: what the cells are to be made of.
        engine: duckdb, polars or spark.
        options: settings of the engine.
        progress: told the share that is done, by bytes, and what comes next.

    Raises:
        NotAllowed: the actor may not.
        UserError: the output is there already or cannot be written; or a file has identifiers of persons, cannot be read, is
            there twice, or its rows cannot be summed.
    """
    check_actor_can(actor, "make_cells")
    _check_output(output)
    try:
        files, _ = files_of(source)
        parts = [files] if engine == CLUSTER else [[file] for file in files]
        for part in parts:
            _refuse_identifiers(columns_of(part, engine, options), part[0].name)
        return _in_parts(parts, output, recipe, engine, options or {}, progress)
    except PanelError as error:
        raise UserError(str(error)) from error


def make_cells_of_table(actor: Actor, url: str, table: str, output: Path, recipe: Recipe) -> CellsReport:
    """Make cells of a table of a SQL database, summed there in one statement, and write them.

    Args:
        actor: who asks.
        url: an SQLAlchemy URL of SQLite or PostgreSQL.
        table: the table, or a view.
        output: the new file of cells, `.parquet` or `.csv`.
        recipe: what the cells are to be made of.

    Raises:
        NotAllowed: the actor may not.
        UserError: the output is there already or cannot be written; or the table has identifiers of persons, cannot be read,
            or its rows cannot be summed.
    """
    check_actor_can(actor, "make_cells")
    _check_output(output)
    _refuse_identifiers(columns_of_table(url, table), f"The table {table}")
    try:
        made = cells_of_table(url, table, recipe)
        _refuse_identifying_keys(made)
        return _written(made, output, files=1, reused=0)
    except PanelError as error:
        raise UserError(str(error)) from error


def recipe_from(
    unit: str,
    period: str,
    outcomes: Sequence[str],
    covariates: Sequence[str] = (),
    weight: str | None = None,
    strata: Sequence[str] = (),
) -> Recipe:
    """What cells are to be made of, checked.

    Raises:
        UserError: a column is named twice or in a way that cells cannot have, or is an identifier of persons.
    """
    _refuse_identifiers([unit, period, *outcomes, *covariates, *strata, *([weight] if weight else [])], "What you ask for")
    try:
        return Recipe(unit, period, tuple(outcomes), tuple(covariates), weight, tuple(strata))
    except PanelError as error:
        raise UserError(str(error)) from error


def _in_parts(
    parts: list[list[Path]],
    output: Path,
    recipe: Recipe,
    engine: str,
    options: dict[str, Any],
    progress: Callable[[float, str], None],
) -> CellsReport:
    kept = output.with_name(f"{output.name}.parts")
    _make_folder(kept)
    sizes = [sum(file.stat().st_size for file in part) for part in parts]
    seen: dict[str, Path] = {}
    done, reused, total = 0, 0, None
    for part, size in zip(parts, sizes, strict=True):
        progress(done / max(sum(sizes), 1), f"Reading {part[0].name}")
        digest = _digest(part, recipe)
        if digest in seen:
            raise UserError(f"{part[0].name} and {seen[digest].name} are the same file. Rows would count twice: take one away.")
        seen[digest] = part[0]
        path = kept / f"{digest}.parquet"
        if path.exists():
            reused += len(part)
        else:
            made = cells(
                part,
                recipe.unit,
                recipe.period,
                recipe.outcomes,
                covariates=recipe.covariates,
                weight=recipe.weight,
                strata=recipe.strata,
                cross=recipe.cross,
                engine=engine,
                options=options,
            )
            _refuse_identifying_keys(made)
            _whole(made, path)
        one = Cells.read(path)
        total = one if total is None else total + one
        done += size
    assert total is not None, "files_of gives at least one file"
    report = _written(total, output, sum(map(len, parts)), reused)
    progress(1.0, "Done")
    shutil.rmtree(kept)
    return report


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NotWritable(folder, error) from error


def _whole(made: Cells, path: Path) -> None:
    """Write cells so that the file is there whole or not at all."""
    unfinished = path.with_name(f"unfinished-{path.name}")
    made.write(unfinished)
    unfinished.replace(path)


def _written(made: Cells, output: Path, files: int, reused: int) -> CellsReport:
    _make_folder(output.parent)
    _check_new(output)
    _whole(made, output)
    count = made.frame["count"]
    return CellsReport(
        output=str(output),
        sha256=_sha256([output]),
        files=files,
        reused=reused,
        rows=int(count.sum()),
        cells=len(made.frame),
        small=int((count < SMALL).sum()),
        outcomes=records(made.dropped()),
        pivots=dict(made.pivots),
    )


def _check_output(output: Path) -> None:
    if output.suffix not in (".parquet", ".csv"):
        raise UserError(f"Cells are kept as .parquet or .csv. Name the output so, not {output.name}.")
    _check_new(output)


def _check_new(output: Path) -> None:
    """Stop where the output is there already: before the work, and once more before it is written."""
    if output.exists():
        raise FileIsThere(output)


def _refuse_identifiers(columns: Sequence[str], where: str) -> None:
    """Stop where a column is called like an identifier of persons."""
    found = [name for name in columns if personal_heading(name)]
    if found:
        listed = ", ".join(f"“{name}”" for name in found)
        raise UserError(
            f"{where} has identifiers of persons: {listed}. Nothing was read. Take these columns out: cells need none of them."
        )


def _refuse_identifying_keys(made: Cells) -> None:
    """Stop where a unit, period or stratum is an identifier of a person, whatever its column is called."""
    for name in made.recipe.keys:
        for value in made.frame[name].dropna().unique():
            kind = personal(str(value))
            if kind:
                raise UserError(
                    f"Column “{name}” holds identifiers of persons ({kind}). Nothing was written. Name a column of authorities, "
                    "schools or groups."
                )


def _digest(part: Sequence[Path], recipe: Recipe) -> str:
    """What a part of the work is known by: the bytes of its files and what is asked for."""
    return hashlib.sha256(f"{_sha256(part)}{canonical_json(asdict(recipe))}".encode()).hexdigest()


def _sha256(files: Sequence[Path]) -> str:
    made = hashlib.sha256()
    for path in files:
        with path.open("rb") as handle:
            while piece := handle.read(PIECE):
                made.update(piece)
    return made.hexdigest()
