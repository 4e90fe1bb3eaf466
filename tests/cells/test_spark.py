"""Apache Spark on a standalone cluster of this machine, a master and two workers: the same cells, whatever befalls a worker."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from evaluation.cells import Cells, cells
from tests import processes

pytestmark = pytest.mark.slow
HERE = "127.0.0.1"


@dataclass
class Cluster:
    """A running cluster: its address for a session, and the processes of its workers."""

    options: dict[str, Any]
    workers: list[subprocess.Popen[bytes]]


def started(folder: Path, home: Path, *arguments: str) -> subprocess.Popen[bytes]:
    own = {"SPARK_HOME": str(home), "SPARK_LOCAL_IP": HERE, "SPARK_DAEMON_MEMORY": "256m", "SPARK_LOCAL_DIRS": str(folder)}
    with (folder / f"{arguments[0].split('.')[-1]}{time.monotonic_ns()}.log").open("wb") as log:
        # A session of its own, so that a worker can be killed with the executor that it started.
        return subprocess.Popen(
            [str(home / "bin" / "spark-class"), *arguments],
            env={**os.environ, **own},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def until(what: str, holds: Callable[[], bool], folder: Path) -> None:
    def told() -> str:
        return "\n".join([what, *(path.read_text(errors="replace")[-2000:] for path in sorted(folder.glob("*.log")))])

    processes.until(holds, told, every=0.1)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    pyspark = pytest.importorskip("pyspark", reason="needs pyspark: pip install regional-partnership-evidence[spark]")
    if shutil.which("java") is None:
        pytest.skip("needs Java 17, which is not on this machine")
    folder, home = tmp_path_factory.mktemp("spark"), Path(pyspark.__path__[0])
    port = processes.free_port()
    address = f"spark://{HERE}:{port}"
    deploy = "org.apache.spark.deploy"
    master = started(folder, home, f"{deploy}.master.Master", "--host", HERE, "--port", str(port), "--webui-port", "0")
    limits = ("--cores", "1", "--memory", "600m", "--webui-port", "0", "--work-dir", str(folder))
    workers = []
    try:
        until(
            "The start of the master",
            lambda: any("MASTER" in p.read_text() or "ALIVE" in p.read_text() for p in folder.glob("Master*.log")),
            folder,
        )
        workers = [started(folder, home, f"{deploy}.worker.Worker", "--host", HERE, *limits, address) for _ in range(2)]
        registered = lambda: sum("Successfully registered" in p.read_text() for p in folder.glob("Worker*.log")) == 2  # noqa: E731
        until("The start of two workers", registered, folder)
        yield Cluster({"master": address, **settings(folder)}, workers)
    finally:
        for process in (*workers, master):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture(scope="module")
def session(cluster: Cluster, folder: Path) -> Iterator[Any]:
    """The session that the first scan opened."""
    cells(folder / "00.parquet", "school", "term", ["days"], engine="spark", options=cluster.options)
    opened = pytest.importorskip("pyspark.sql").SparkSession.getActiveSession()
    yield opened
    opened.stop()


def settings(folder: Path) -> dict[str, Any]:
    return {
        "spark.driver.host": HERE,
        "spark.driver.bindAddress": HERE,
        "spark.driver.memory": "512m",
        "spark.executor.memory": "512m",
        "spark.executor.cores": "1",
        "spark.local.dir": str(folder),
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "4",
        "spark.sql.files.maxPartitionBytes": "150k",
        "spark.sql.files.openCostInBytes": "50k",
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows in 24 Parquet files: outcomes with gaps, a weight, a covariate, a stratum."""
    root = tmp_path_factory.mktemp("rows")
    for part in range(24):
        rng = np.random.default_rng(part)
        many = 12_000
        frame = pl.DataFrame(
            {
                "school": rng.integers(0, 60, many),
                "term": rng.integers(1, 13, many),
                "need": rng.choice(["autism", "speech"], many),
                "days": rng.poisson(4, many),
                "score": rng.normal(1000, 15, many),
                "age": rng.normal(9, 2, many),
                "w": rng.uniform(0.5, 2, many),
            }
        )
        frame.with_columns(score=pl.when(pl.col("days") < 9).then(pl.col("score"))).write_parquet(root / f"{part:02}.parquet")
    return root


def scanned(folder: Path, engine: str, options: dict[str, Any] | None = None) -> Cells:
    return cells(
        folder,
        "school",
        "term",
        ["days", "score"],
        covariates=["age"],
        weight="w",
        strata=["need"],
        engine=engine,
        options=options,
    )


def same(found: Cells, expected: Cells) -> None:
    """Keys and counts equal; sums to 1e-12 of the sum of what was added."""
    assert found.pivots == expected.pivots
    keys = list(expected.recipe.keys)
    assert found.frame[keys].to_numpy().tolist() == expected.frame[keys].to_numpy().tolist()
    size = expected.frame["count"].to_numpy(float)
    for one in expected.recipe.statistics():
        ours, theirs = (cells.frame[one.name].to_numpy() for cells in (found, expected))
        if not one.factors:
            assert (ours == theirs).all(), one.name
            continue
        # A sum from a pivot lies near zero: its error goes with Σ|y − pivot|, for which n × the root of the mean square stands.
        scale = np.abs(theirs)
        if len(one.factors) == 1 and one.factors[0] in ("score", "age"):
            spread = {"score": 15.0, "age": 2.0}[one.factors[0]]
            scale = np.maximum(scale, size * spread)
        assert (np.abs(ours - theirs) <= 1e-12 * np.maximum(scale, 30.0 * size)).all(), one.name


def test_spark_gives_the_cells_of_duckdb(cluster: Cluster, folder: Path) -> None:
    found = scanned(folder, "spark", cluster.options)
    expected = scanned(folder, "duckdb")
    assert len(found.frame) == 60 * 12 * 2 and int(found.frame["count"].sum()) == 24 * 12_000
    same(found, expected)


def test_frames_of_spark_and_files_of_text_too(cluster: Cluster, session: Any, folder: Path, tmp_path: Path) -> None:
    same(scanned_frame(session.read.parquet(str(folder))), scanned(folder, "duckdb"))
    some = pl.read_parquet(folder / "00.parquet").head(2000)
    some.write_csv(tmp_path / "rows.csv")
    same(scanned(tmp_path / "rows.csv", "spark", cluster.options), scanned(tmp_path / "rows.csv", "duckdb"))
    in_memory = cells(some.to_pandas(), "school", "term", ["days"], engine="spark", options=cluster.options)
    pd.testing.assert_frame_equal(in_memory.frame, cells(some, "school", "term", ["days"]).frame, check_dtype=False)


def scanned_frame(frame: Any) -> Cells:
    return cells(frame, "school", "term", ["days", "score"], covariates=["age"], weight="w", strata=["need"])


def test_a_worker_killed_in_the_middle_changes_nothing(cluster: Cluster, session: Any, folder: Path, tmp_path: Path) -> None:
    tracker = session.sparkContext.statusTracker()
    found: list[Cells] = []
    jobs: list[threading.Thread] = []
    seen: dict[str, int] = {}

    def under_way() -> bool:
        for number in tracker.getActiveStageIds():
            stage = tracker.getStageInfo(number)
            if stage is not None and stage.numTasks > 8 and 1 <= stage.numCompletedTasks < stage.numTasks - 4:
                seen.update(done=stage.numCompletedTasks, of=stage.numTasks)
                return True
        return not jobs[-1].is_alive()

    while not seen and len(jobs) < 20:  # a machine that stands still for a while looks only when a job is over
        jobs.append(threading.Thread(target=lambda: found.append(scanned(folder, "spark", cluster.options))))
        jobs[-1].start()
        until("The middle of the job", under_way, tmp_path)
    assert seen, "each job was over before a worker could be killed"
    os.killpg(cluster.workers[0].pid, signal.SIGKILL)
    cluster.workers[0].wait()
    jobs[-1].join(processes.PATIENCE)
    assert not jobs[-1].is_alive() and len(found) == len(jobs), "the job did not end"
    for one in found:
        same(one, scanned(folder, "duckdb"))
