"""Where rows come from: files and folders through an engine that is a setting, or a frame that is there already."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import narwhals as nw
import pandas as pd

from evaluation.errors import PanelError, check_choice

# Engine → (its module, what to install where it is missing).
ENGINES: dict[str, tuple[str, str]] = {
    "duckdb": ("evaluation.cells.engines.duckdb", "duckdb"),
    "polars": ("evaluation.cells.engines.polars", "polars"),
    "spark": ("evaluation.cells.engines.spark", "regional-partnership-evidence[spark]"),
}
DEFAULT = "duckdb"
FORMS = ("parquet", "csv")
# How narwhals calls an engine's frames.
IMPLEMENTATIONS = {"duckdb": "duckdb", "polars": "polars", "pyspark": "spark", "pyspark[connect]": "spark"}


def engine_named(name: str) -> ModuleType:
    """The module of an engine, imported now.

    Raises:
        OptionError: there is no such engine.
        PanelError: what it needs is not installed.
    """
    check_choice("engine", name, tuple(ENGINES))
    module, package = ENGINES[name]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise PanelError(
            f"The engine {name} is not installed here ({error.name} is missing). Run: pip install {package}"
        ) from error


def files_of(source: str | Path | Sequence[str | Path]) -> tuple[list[Path], str]:
    """The files of a file, a folder (all that is below it) or a list of files, in order of their names; and their form.

    Returns:
        The files, and `parquet` or `csv`.

    Raises:
        PanelError: there is nothing, or it is neither Parquet nor CSV, or both.
    """
    given = [source] if isinstance(source, str | Path) else list(source)
    found: list[Path] = []
    for path in map(Path, given):
        if not path.exists():
            raise PanelError(f"There is no file or folder {str(path)!r}. Check the path.")
        below = sorted(file for file in path.rglob("*") if file.suffix[1:].lower() in FORMS) if path.is_dir() else [path]
        if not below:
            raise PanelError(f"The folder {str(path)!r} has no Parquet or CSV file. Check the path.")
        found += below
    forms = {file.suffix[1:].lower() for file in found}
    if len(forms) > 1:
        raise PanelError(f"The files are of different kinds: {', '.join(sorted(forms))}. Give those of one kind.")
    form = forms.pop() if forms else ""
    if form not in FORMS:
        told = f"not from {form!r}" if form else "and this name ends in neither"
        raise PanelError(f"Rows are read from Parquet and CSV files, {told}. Convert the file, or give a frame.")
    return found, form


def opened(source: Any, engine: str | None, options: Mapping[str, Any], as_text: bool = False) -> tuple[Any, ModuleType | None]:
    """A lazy narwhals frame over a source, and the engine's module (None: pandas).

    Args:
        source: a path or several, or a frame of pandas, Polars, DuckDB or Spark.
        engine: a key of `ENGINES`; None: DuckDB for files, and a frame's own for a frame.
        options: the engine's.
        as_text: whether cells of CSV files stay text, whatever they look like.

    Raises:
        PanelError: the source cannot be opened, or is a lazy frame of another engine.
    """
    if isinstance(source, str | Path) or (isinstance(source, Sequence) and all(isinstance(one, str | Path) for one in source)):
        files, form = files_of(source)
        module = engine_named(engine or DEFAULT)
        try:
            return nw.from_native(module.read([str(file) for file in files], form, options, as_text)).lazy(), module
        except module.FAULTS as error:
            raise unreadable(error) from error
    frame = nw.from_native(source)
    own = IMPLEMENTATIONS.get(str(frame.implementation))
    if engine is None or engine == own:
        return frame.lazy(), engine_named(own) if own else None
    if isinstance(frame, nw.LazyFrame):
        raise PanelError(f"A lazy frame of {own} cannot be scanned on {engine}. Give its files, or leave the engine out.")
    module = engine_named(engine)
    return nw.from_native(module.take(frame.to_arrow(), options)).lazy(), module


def collected(lazy: Any, module: ModuleType | None) -> pd.DataFrame:
    """Run a lazy frame and bring it into memory.

    Raises:
        PanelError: the engine could not read the rows.
    """
    faults = _faults(module)
    try:
        return _as_pandas(lazy.collect(**({} if module is None else module.COLLECT)))
    except faults as error:
        raise unreadable(error) from error


def schema_of(lazy: Any, module: ModuleType | None) -> Mapping[str, Any]:
    """Columns of a lazy frame and their types.

    Raises:
        PanelError: the engine could not read the source.
    """
    faults = _faults(module)
    try:
        return dict(lazy.collect_schema())
    except faults as error:
        raise unreadable(error) from error


def columns_of(source: Any, engine: str | None = None, options: Mapping[str, Any] | None = None) -> list[str]:
    """Names of a source's columns; no row is read for them but what tells a text file's types."""
    lazy, module = opened(source, engine, options or {})
    return list(schema_of(lazy, module))


def _faults(module: ModuleType | None) -> tuple[type[Exception], ...]:
    faults: tuple[type[Exception], ...] = () if module is None else module.FAULTS
    return faults


def unreadable(error: Exception) -> PanelError:
    """What an engine says of rows that it cannot read, as a refusal."""
    said = " ".join(str(error).split())
    return PanelError(f"The rows cannot be read: {said[:300]}{'…' if len(said) > 300 else ''}")


def _as_pandas(frame: Any) -> pd.DataFrame:
    table: pd.DataFrame = frame.to_pandas()
    return table
