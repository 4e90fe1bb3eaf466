"""Times every estimator on a panel of local authorities, side by side with its peers, and prints ratios.

    python -m benchmarks.panel [--repeat 20] [--seed 1] [--threads 1] [--json]

The panel is drawn from the seed: 153 authorities × 24 terms = 3,672 cells, nine partnerships that start one after the other.
Peers begin with the frame and end with estimates and standard errors by authority; ours is timed so too, and from a panel that
is ready. In each round every contender runs twice and the second run counts, so that caches are warm for all of them, and
whatever else the machine does falls on all of them alike. Times are of the processor, which is steadier on a shared machine.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import json
import os
import platform
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.contenders import AUTHORITIES, TASKS, Found, Ours, Peer, Task, draw

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "POLARS_MAX_THREADS",
)
PEERS = ("pyfixest", "diff-diff", "csdid", "linearmodels", "statsmodels")
BENEATH = ("numpy", "scipy", "pandas")
DIFFERS = "Differs from ours: estimate, error (rows; factor of the error)"
ENOUGH, FEWEST = 20.0, 3  # a contender that took so many seconds in so many runs is not run again


@dataclass
class Contender:
    """One entry of a task, with its times in milliseconds, or why it has none."""

    name: str
    start: Callable[[], Callable[[], Any]]
    times: list[float] = field(default_factory=list)
    last: Any = None
    problem: str = ""

    def once(self, keep: bool) -> None:
        """Run twice, quietly, and time the second; `keep` records it."""
        if self.problem or (len(self.times) >= FEWEST and sum(self.times) > ENOUGH * 1000):
            return
        try:
            with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
                warnings.simplefilter("ignore")
                gc.collect()
                self.start()()
                work = self.start()
                gc.disable()
                begun = time.process_time()
                self.last = work()
                taken = (time.process_time() - begun) * 1000
        except Exception as error:  # whatever a peer does is part of the table
            self.problem = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            return
        finally:
            gc.enable()
        if keep:
            self.times.append(taken)

    @property
    def summary(self) -> dict[str, Any]:
        """Runs, minimum and median."""
        if self.problem or not self.times:
            return {"problem": self.problem or "not run"}
        return {"runs": len(self.times), "min_ms": min(self.times), "median_ms": float(np.median(self.times))}


def versions(packages: tuple[str, ...]) -> dict[str, str | None]:
    """Version of each package, None where it is not installed."""
    out: dict[str, str | None] = {}
    for package in packages:
        try:
            out[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            out[package] = None
    return out


def agreement(ours: Found, theirs: Found) -> dict[str, Any]:
    """Rows in common; the largest difference of estimates (over the larger of ours and its error) and of errors (relative)."""
    shared = [key for key in ours if key in theirs and np.isfinite([*ours[key], *theirs[key]]).all()]
    if not shared:
        return {"rows": 0}
    mine, other = np.array([ours[key] for key in shared]), np.array([theirs[key] for key in shared])
    size = np.abs(mine).max(axis=1)
    return {
        "rows": len(shared),
        "estimate": float((np.abs(mine[:, 0] - other[:, 0]) / size).max()),
        "error": float(np.abs(other[:, 1] / mine[:, 1] - 1).max()),
    }


def of_ours(ours: Ours, frame: pd.DataFrame) -> dict[str, Contender]:
    """Ours twice: from the frame, as peers begin, and from a panel that is ready, which keeps nothing of an earlier run."""
    ready = ours.panel(frame)

    def start() -> Callable[[], Any]:
        panel = replace(ready)
        return lambda: ours.run(panel)

    return {
        "from the frame": Contender("from the frame", lambda: lambda: ours.run(ours.panel(frame))),
        "from the panel": Contender("from the panel", start),
    }


def of_peer(peer: Peer, frame: pd.DataFrame) -> Contender:
    """A peer's contender; each run has a copy of its own, made before the clock starts."""

    def start() -> Callable[[], Any]:
        copy = frame.copy()
        return lambda: peer.run(copy)

    return Contender(f"{peer.package} {peer.call}", start)


def measure(task: Task, frame: pd.DataFrame, repeat: int, installed: dict[str, str | None]) -> dict[str, Any]:
    """One task: warm up, then `repeat` rounds of everyone."""
    ours = of_ours(task.ours, frame)
    peers = [(peer, of_peer(peer, frame)) for peer in task.peers]
    for peer, contender in peers:
        if installed[peer.package] is None:
            contender.problem = "not installed"
    everyone = [*ours.values(), *(contender for _, contender in peers)]
    for turn in range(repeat + 1):
        for contender in everyone:
            contender.once(keep=turn > 0)
    rows = []
    for peer, contender in peers:
        row = {"package": peer.package, "call": peer.call, "lacks": peer.lacks, **contender.summary}
        if "problem" not in row:
            row |= compared(task.ours, ours, peer, contender, frame)
        rows.append(row)
    summaries = {name: contender.summary for name, contender in ours.items()}
    return {"task": task.name, "target_ms": task.target, "ours": summaries, "peers": rows, "without": list(task.without)}


def compared(ours: Ours, mine: dict[str, Contender], peer: Peer, contender: Contender, frame: pd.DataFrame) -> dict[str, Any]:
    """Ratios of minima and of medians, and how far the numbers agree."""
    theirs = contender.summary
    out: dict[str, Any] = {}
    for name, one in mine.items():
        out[f"ratio {name}"] = theirs["min_ms"] / one.summary["min_ms"]
        out[f"ratio of medians {name}"] = theirs["median_ms"] / one.summary["median_ms"]
    out["factor"] = peer.factor
    try:
        found = peer.read(contender.last)
    except Exception as error:  # a result that cannot be read is named, not dropped
        return {**out, "unread": f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"}
    return {**out, "agreement": agreement(ours.found(ours.panel(frame), peer.factor), found)}


def milliseconds(summary: dict[str, Any]) -> str:
    """Minimum and median, or the problem."""
    return summary["problem"] if "problem" in summary else f"{summary['min_ms']:.1f} / {summary['median_ms']:.1f}"


def met(summary: dict[str, Any], target: float | None) -> str:
    """Whether a target in milliseconds is met."""
    if target is None or "problem" in summary:
        return ""
    if summary["median_ms"] <= target:
        return "target met"
    return "target met by the minimum only" if summary["min_ms"] <= target else "target not met"


def peer_line(row: dict[str, Any]) -> list[str]:
    """Cells of one peer's line."""
    name = f"{row['package']} {row['call']}" + (f" ({row['lacks']})" if row["lacks"] else "")
    ratios = [f"{row[f'ratio {start}']:.1f}" if f"ratio {start}" in row else "" for start in ("from the frame", "from the panel")]
    agreed = row.get("agreement", {})
    words = row.get("unread", "no row in common" if agreed else "")
    if agreed.get("rows"):
        words = f"{agreed['estimate']:.0e}, {agreed['error']:.0e} ({agreed['rows']}; {row['factor']})"
    return ["", name, milliseconds(row), *ratios, words]


def table(report: dict[str, Any]) -> str:
    """The report as a Markdown table."""
    head = ["Task", "Who", "ms: minimum / median", "÷ ours, from the frame", "÷ ours, from the panel", DIFFERS]
    lines = [head, ["---"] * len(head)]
    for one in report["tasks"]:
        target = f" (target {one['target_ms']:g} ms)" if one["target_ms"] else ""
        for name, summary in one["ours"].items():
            lines.append([one["task"] + target, f"ours, {name}", milliseconds(summary), "", "", met(summary, one["target_ms"])])
        lines += [peer_line(row) for row in one["peers"]]
        if one["without"]:
            lines.append(["", ", ".join(one["without"]), "has none", "", "", ""])
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def text(report: dict[str, Any]) -> str:
    """The whole report for a reader."""
    peers = ", ".join(f"{name} {version or 'not installed'}" for name, version in report["peers"].items())
    beneath = ", ".join(f"{name} {version}" for name, version in report["beneath"].items())
    machine = report["machine"]
    return "\n".join(
        [
            f"{report['cells']} cells, seed {report['seed']}, {report['treated']} of {AUTHORITIES} authorities treated, "
            f"{report['cohorts']} cohorts; up to {report['repeat']} rounds after one to warm up; {report['at']}.",
            f"Python {machine['python']}, {machine['cores']} cores, {machine['threads']} thread(s) for BLAS and peers; "
            f"load {machine['load_before']:.2f} before, {machine['load_after']:.2f} after.",
            f"Peers: {peers}. Beneath: {beneath}.",
            "",
            table(report),
        ]
    )


def arguments() -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(description="Estimators on the panel of local authorities, side by side with their peers.")
    parser.add_argument("--repeat", type=int, default=20, help="rounds after the warm-up (default 20)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the drawn panel (default 1)")
    parser.add_argument("--threads", type=int, default=1, help="threads for BLAS and for peers (default 1)")
    parser.add_argument("--json", action="store_true", help="print JSON, not a table")
    chosen = parser.parse_args()
    if chosen.repeat < 1 or chosen.threads < 1:
        parser.error("--repeat and --threads are whole numbers of 1 or more.")
    return chosen


def with_threads(count: int) -> None:
    """Begin again with the number of threads set, since libraries read it once, when they are loaded."""
    wanted = {name: str(count) for name in THREADS}
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **wanted})


def main() -> None:
    """Measure every task and print the report."""
    chosen = arguments()
    with_threads(chosen.threads)
    before, frame = os.getloadavg()[0], draw(chosen.seed)
    starts = frame.drop_duplicates("authority")["first_term"]
    installed = versions(PEERS)
    tasks = []
    for task in TASKS:
        print(f"{task.name} …", file=sys.stderr)
        tasks.append(measure(task, frame, chosen.repeat, installed))
    report = {
        "at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "seed": chosen.seed,
        "repeat": chosen.repeat,
        "cells": len(frame),
        "treated": int((starts > 0).sum()),
        "cohorts": int(starts[starts > 0].nunique()),
        "machine": {
            "python": platform.python_version(),
            "cores": os.cpu_count(),
            "threads": chosen.threads,
            "load_before": before,
            "load_after": os.getloadavg()[0],
        },
        "peers": installed,
        "beneath": versions(BENEATH),
        "tasks": tasks,
    }
    print(json.dumps(report, indent=2) if chosen.json else text(report))


if __name__ == "__main__":
    main()
