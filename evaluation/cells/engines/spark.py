"""Apache Spark, for what one machine cannot hold: needs `pip install regional-partnership-evidence[spark]` and Java 17."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

FAULTS: tuple[type[Exception], ...] = (PySparkException, Py4JError)
COLLECT: dict[str, Any] = {"backend": "pyarrow"}


def read(files: Sequence[str], form: str, options: Mapping[str, Any], as_text: bool = False) -> Any:
    """A frame over files that every worker can read.

    Args:
        files: paths or addresses.
        form: parquet or csv.
        options: the session's: `master` or, for Spark Connect, `remote`, and Spark's own settings (`spark.…`). A session that is
            already there is used as it is.
        as_text: whether CSV cells stay text.
    """
    session = _session(options)
    if form == "parquet":
        return session.read.parquet(*files)
    return session.read.csv(list(files), header=True, inferSchema=not as_text, enforceSchema=False)


def take(table: pa.Table, options: Mapping[str, Any]) -> Any:
    """A frame over a table in memory."""
    return _session(options).createDataFrame(table)


def _session(options: Mapping[str, Any]) -> SparkSession:
    builder = SparkSession.builder
    settings = dict(options)
    if "remote" in settings:
        builder = builder.remote(str(settings.pop("remote")))
    elif "master" in settings:
        builder = builder.master(str(settings.pop("master")))
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()
