"""From rows to an estimate with a clustered error: bare scan, ours, and peers on the rows, with the memory of each.

    python -m benchmarks.rows [--rows 1000000] [--rows 24000000] [--repeat 3] [--folder FOLDER] [--spark] [--small] [--json]

Pupil-terms in one Parquet file, drawn from a fixed seed: 153 authorities × 24 terms, 32 authorities that start one after the
other. Asked: the effect of the start with effects of authorities and terms, and its error clustered by authority. Every
contender runs in a process of its own and begins with the file; its time is from there to the error, imports left out, its
memory the largest of the process (ru_maxrss). The bare scan is the GROUP BY alone (count, sum, sum of squares), written by
hand for DuckDB. Peers that are not installed are named, and so are those that rows of such a number do not fit. `--spark` adds
the same cells by Apache Spark on the cores of this machine (needs Java 17 and the extra `spark`); its session is there before
the clock runs, and its CPU and memory are those of the Java process, from /proc.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

AUTHORITIES, TERMS, TREATED = 153, 24, 32
PIECE = 2_000_000
GIGABYTE = 2**30
Found = tuple[float, float]


def first_terms() -> np.ndarray:
    """The first treated term of each authority, 0 for those that never start."""
    first = np.zeros(AUTHORITIES, int)
    first[:TREATED] = 9 + np.arange(TREATED) % 9
    return first


def draw(path: Path, rows: int) -> None:
    """Write the file, unless it is there."""
    if path.exists():
        return
    pieces, first = [], first_terms()
    for number in range(-(-rows // PIECE)):
        rng, many = np.random.default_rng([11, number]), min(PIECE, rows - number * PIECE)
        authority, term = rng.integers(0, AUTHORITIES, many), rng.integers(1, TERMS + 1, many)
        on = (first[authority] > 0) & (term >= first[authority])
        level = np.random.default_rng(5).normal(0, 2, AUTHORITIES)[authority] + term * 0.1
        columns = {"authority": authority.astype(np.int16), "term": term.astype(np.int16), "on": on.astype(np.int8)}
        pieces.append(pl.DataFrame({**columns, "y": 20 + level - 0.5 * on + rng.normal(0, 5, many)}))
    pl.concat(pieces).write_parquet(path)


def bare(path: Path) -> Callable[[], Found | None]:
    duckdb, _ = importlib.import_module("duckdb"), importlib.import_module("pandas")

    def run() -> None:
        duckdb.connect().execute(
            f"SELECT authority, term, count(*), count(y), sum(y), sum(y * y) FROM '{path}' GROUP BY authority, term"
        ).fetch_df()

    return run


def ours(path: Path, pivots: float | None = None, **engine: Any) -> Callable[[], Found | None]:
    evaluation, package = importlib.import_module("evaluation"), importlib.import_module("evaluation.cells")
    frame = importlib.import_module("pandas").DataFrame
    if "engine" not in engine:
        importlib.import_module("duckdb")  # an engine is imported when it is asked for: imports are left out

    def run() -> Found:
        made = package.cells(path, "authority", "term", ["y"], pivots=pivots, **engine)
        who = frame({"authority": np.arange(AUTHORITIES), "first": first_terms()})
        measure = {"y": ("y", None, 1.0)}
        panel = evaluation.Panel.from_cells(made, treatment=who, outcome=measure, first_treated="first", weight="rows")
        found = evaluation.estimate(panel, "two_way_fixed_effects").inference()
        return float(found.estimates[0]), float(found.std_error[0])

    return run


def ours_declared(path: Path) -> Callable[[], Found | None]:
    return ours(path, pivots=20.0)


def on_spark(path: Path) -> Callable[[], Found | None]:
    sql = importlib.import_module("pyspark.sql")
    given = {"spark.master": f"local[{os.cpu_count()}]", "spark.driver.memory": "2g", "spark.ui.enabled": "false"}
    sql.SparkSession.builder.config(map=given).getOrCreate().range(1).count()
    return ours(path, engine="spark", options=given)


def java() -> tuple[float, float]:
    """Seconds of CPU and largest memory (bytes) of the Java processes that this one started; (0, 0) where there is no /proc."""
    used = [0.0, 0.0]
    waiting = [os.getpid()]
    while waiting and Path("/proc/self/task").exists():
        parent = waiting.pop()
        for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
            waiting.append(int(child))
            status = dict(line.split(":", 1) for line in Path(f"/proc/{child}/status").read_text().splitlines() if ":" in line)
            if status["Name"].strip() == "java":
                ticks = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[11:13]
                used[0] += sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
                used[1] = max(used[1], int(status["VmHWM"].split()[0]) * 1024)
    return used[0], used[1]


def pyfixest(path: Path) -> Callable[[], Found | None]:
    package = importlib.import_module("pyfixest")

    def run() -> Found:
        fit = package.feols("y ~ on | authority + term", data=pl.read_parquet(path).to_pandas(), vcov={"CRV1": "authority"})
        return float(fit.coef()["on"]), float(fit.se()["on"])

    return run


def linearmodels(path: Path) -> Callable[[], Found | None]:
    package, pandas = importlib.import_module("linearmodels.iv.absorbing"), importlib.import_module("pandas")

    def run() -> Found:
        rows = pl.read_parquet(path).to_pandas()
        absorb = pandas.DataFrame({name: pandas.Categorical(rows[name]) for name in ("authority", "term")})
        model = package.AbsorbingLS(rows["y"], rows[["on"]].astype(float), absorb=absorb)
        fit = model.fit(cov_type="clustered", clusters=rows["authority"])
        return float(fit.params["on"]), float(fit.std_errors["on"])

    return run


CONTENDERS: dict[str, Callable[[Path], Callable[[], Found | None]]] = {
    "bare scan (duckdb)": bare,
    "ours": ours,
    "ours, pivot declared": ours_declared,
    "pyfixest feols": pyfixest,
    "linearmodels AbsorbingLS": linearmodels,
}
SPARK = {"ours, cells by Spark": on_spark}
SMALL = 200_000
# Peers, and how many rows they get: linearmodels took about 0.7 GB and 3 s for each million.
PEERS = {"pyfixest feols": 24_000_000, "linearmodels AbsorbingLS": 6_000_000}


def one(name: str, path: Path) -> dict[str, Any]:
    """Run one contender in this process."""
    try:
        work = (CONTENDERS | SPARK)[name](path)
    except ModuleNotFoundError as error:
        return {"problem": f"{error.name} is not installed"}
    begun, worked, beside = time.perf_counter(), time.process_time(), java()[0]
    found = work()
    seconds, (other, memory) = time.perf_counter() - begun, java()
    taken = {"seconds": seconds, "cpu_seconds": time.process_time() - worked + other - beside}
    peak = max(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, memory) / GIGABYTE
    return {**taken, "peak_gb": peak, "estimate": found and found[0], "std_error": found and found[1]}


def measured(name: str, path: Path, rows: int, repeat: int) -> dict[str, Any]:
    """The fastest of some runs, each in a process of its own; a peer that dies (of memory, say) is told so."""
    best: dict[str, Any] = {}
    if rows > PEERS.get(name, rows):
        return {"problem": f"left out above {PEERS[name]:,} rows: memory"}
    for _ in range(1 if name in PEERS and rows > 1_000_000 else repeat):
        typed = [sys.executable, "-m", "benchmarks.rows", "--one", name, "--folder", str(path)]
        ran = subprocess.run(typed, capture_output=True, text=True)
        if ran.returncode:
            return {"problem": f"ended with {ran.returncode}: {' '.join(ran.stderr.split())[-200:]}"}
        found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
        if "problem" in found:
            return found
        best = found if not best or found["seconds"] < best["seconds"] else best
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, action="append", help="may be given again; default 1, 6 and 24 million")
    parser.add_argument("--repeat", type=int, default=3, help="runs of the scan and of ours; peers run once above a million rows")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--spark", action="store_true", help="the same cells by Apache Spark too")
    parser.add_argument("--small", action="store_true", help=f"{SMALL:,} rows, each once")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", choices=list(CONTENDERS | SPARK), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one(given.one, given.folder)))
        return
    contenders = [*CONTENDERS, *(SPARK if given.spark else {})]
    sizes = given.rows or ([SMALL] if given.small else [1_000_000, 6_000_000, 24_000_000])
    repeat = 1 if given.small else given.repeat
    tables: dict[int, dict[str, dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as place:
        for rows in sizes:
            folder = given.folder or Path(place)
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"rows-{rows}.parquet"
            draw(path, rows)
            tables[rows] = {name: measured(name, path, rows, repeat) for name in contenders}
    print(json.dumps(tables, indent=1) if given.json else "\n\n".join(text(rows, table) for rows, table in tables.items()))


def text(rows: int, table: dict[str, dict[str, Any]]) -> str:
    """The table of one size, as Markdown."""
    mine, scan = (table[name].get("seconds", float("nan")) for name in ("ours", "bare scan (duckdb)"))
    lines = [
        f"{rows:,} rows",
        "",
        "| Who | seconds | of CPU | ÷ bare scan | ÷ ours | largest memory, GB | estimate | error |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, found in table.items():
        if "problem" in found:
            lines.append(f"| {name} | {found['problem']} |  |  |  |  |  |  |")
            continue
        said = [f"{found['estimate']:.10f}", f"{found['std_error']:.10f}"] if found["estimate"] is not None else ["", ""]
        numbers = [
            f"{found['seconds']:.2f}",
            f"{found['cpu_seconds']:.2f}",
            f"{found['seconds'] / scan:.2f}",
            f"{found['seconds'] / mine:.1f}",
            f"{found['peak_gb']:.2f}",
        ]
        lines.append(f"| {name} | {' | '.join([*numbers, *said])} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
