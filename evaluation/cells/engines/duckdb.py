"""DuckDB: the engine for one machine. Reads in pieces, on all cores, and spills to disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa

FAULTS: tuple[type[Exception], ...] = (duckdb.Error,)
COLLECT: dict[str, Any] = {"backend": "pandas"}


def read(files: Sequence[str], form: str, options: Mapping[str, Any], as_text: bool = False) -> Any:
    """A relation over files; `options` are DuckDB's settings, such as memory_limit; `as_text` keeps CSV cells text."""
    connection = _connected(options)
    if form == "parquet":
        return connection.read_parquet(list(files))
    if as_text:
        # Nothing is guessed: where all cells are text, headings cannot be told from rows.
        return connection.read_csv(list(files), all_varchar=True, header=True, delimiter=",", quotechar='"', escapechar='"')
    return connection.read_csv(list(files), sample_size=100_000)


def take(table: pa.Table, options: Mapping[str, Any]) -> Any:
    """A relation over a table in memory."""
    return _connected(options).from_arrow(table)


def _connected(options: Mapping[str, Any]) -> duckdb.DuckDBPyConnection:
    # The relation keeps its connection alive, and nothing is shared with anybody else's default one.
    return duckdb.connect(config={"preserve_insertion_order": False, **options})
