"""A folder of 100 million rows, scanned to cells by DuckDB in less than 4 GB of memory.

    python -m benchmarks.cells_scan [--rows 100000000] [--engine duckdb] [--memory 2GB] [--folder FOLDER] [--json]

The folder is drawn from fixed seeds, part by part (2 million pupil-terms a Parquet file), in a temporary place unless one is
named; it is kept where it is named. Each scan runs in a process of its own, whose largest memory (ru_maxrss) is what is told.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from tqdm import tqdm

from evaluation.cells import cells

PART = 2_000_000
SCHOOLS, TERMS = 24_000, 24
GIGABYTE = 2**30


def part(number: int, rows: int) -> pl.DataFrame:
    """Pupil-terms of one part: the same for the same number on every machine."""
    rng = np.random.default_rng([7, number])
    school, term = rng.integers(0, SCHOOLS, rows), rng.integers(1, TERMS + 1, rows)
    on = (school % 5 == 0) & (term >= 9 + school % 7)
    days = rng.normal(12.0, 4.0, rows) + school % 13 * 0.1 + term * 0.05 - on
    return pl.DataFrame(
        {
            "school": school.astype(np.int32),
            "term": term.astype(np.int16),
            "sen": rng.integers(0, 3, rows).astype(np.int8),
            "age": rng.integers(5, 17, rows).astype(np.int8),
            "days_missed": days,
        }
    ).with_columns(days_missed=pl.when(pl.Series(rng.random(rows) > 0.02)).then(pl.col("days_missed")))


def generate(folder: Path, rows: int) -> None:
    """Write the parts that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in tqdm(range(-(-rows // PART)), desc="Drawing", file=sys.stderr, disable=not sys.stderr.isatty()):
        path = folder / f"part-{number:04}.parquet"
        if not path.exists():
            unfinished = path.with_suffix(".unfinished")
            part(number, min(PART, rows - number * PART)).write_parquet(unfinished)
            unfinished.rename(path)


def scan(folder: Path, engine: str, memory: str | None) -> dict[str, object]:
    """Scan once, in this process, and tell time and the largest memory."""
    options = {"memory_limit": memory} if memory and engine == "duckdb" else {}
    begun, worked = time.perf_counter(), time.process_time()
    made = cells(folder, "school", "term", ["days_missed"], covariates=["age"], strata=["sen"], engine=engine, options=options)
    return {
        "engine": engine,
        "rows": int(made.frame["count"].sum()),
        "cells": len(made.frame),
        "seconds": time.perf_counter() - begun,
        "cpu_seconds": time.process_time() - worked,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIGABYTE,
        "used": int(made.frame["n__days_missed"].sum()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--engine", action="append", choices=["duckdb", "polars"], help="may be given twice; default duckdb")
    parser.add_argument("--memory", default="2GB", help="DuckDB's memory_limit")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", choices=["duckdb", "polars"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(scan(given.folder, given.one, given.memory)))
        return
    with tempfile.TemporaryDirectory() as place:
        folder = given.folder or Path(place)
        generate(folder, given.rows)
        lines = []
        for engine in given.engine or ["duckdb"]:
            typed = [
                sys.executable,
                "-m",
                "benchmarks.cells_scan",
                "--one",
                engine,
                "--folder",
                str(folder),
                "--memory",
                given.memory,
            ]
            ran = subprocess.run(typed, stdout=subprocess.PIPE, text=True, check=True)
            lines.append(json.loads(ran.stdout))
        size = sum(path.stat().st_size for path in folder.glob("*.parquet")) / GIGABYTE
    if given.json:
        print(json.dumps({"disk_gb": size, "scans": lines}, indent=1))
        return
    print(f"{given.rows:,} rows in {size:.2f} GB of Parquet")
    for one in lines:
        print(
            f"{one['engine']}: {one['cells']:,} cells in {one['seconds']:.1f} s ({one['cpu_seconds']:.1f} s of CPU), "
            f"largest memory {one['peak_gb']:.2f} GB"
        )


if __name__ == "__main__":
    main()
