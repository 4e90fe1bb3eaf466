"""Polars: lazy frames on one machine, streamed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import narwhals as nw
import polars as pl
import pyarrow as pa

FAULTS: tuple[type[Exception], ...] = (pl.exceptions.PolarsError, nw.exceptions.NarwhalsError)
COLLECT: dict[str, Any] = {"backend": "polars", "engine": "streaming"}


def read(files: Sequence[str], form: str, options: Mapping[str, Any], as_text: bool = False) -> Any:
    """A lazy frame over files; `options` are those of `scan_parquet` or `scan_csv`; `as_text` keeps CSV cells text."""
    if form == "parquet":
        return pl.scan_parquet(list(files), **options)
    if as_text:
        return pl.scan_csv(list(files), **{"infer_schema": False, **options})
    return pl.scan_csv(list(files), **{"infer_schema_length": 100_000, **options})


def take(table: pa.Table, options: Mapping[str, Any]) -> Any:
    """A lazy frame over a table in memory."""
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame), "a table becomes a frame"
    return frame.lazy()
