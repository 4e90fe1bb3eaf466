"""The whole programme, as `pilots evaluate --all` does it: every plan of the demonstration, with 1, 2 and 4 workers.

    python -m benchmarks.programme [--workers 1 2 4] [--draws 9999] [--store FILE] [--small] [--json]

Every outcome of every demonstration plan gets the estimators of its plan and those of SIX that the plan lacks, inference for few
areas with 9,999 draws, and all that evidence has besides: placebo dates, units and outcomes, each authority and region left out,
other specifications, bounds, power by simulation, regions, harm. Workers begin while the release is read. The demonstration is
built first (`--store` takes an SQLite file that has it; it is copied, not written to). Each number of workers runs in a process
of its own on a copy of its own. Seconds of CPU are those of all processes, memory is that of the largest. The digests of all
results must be equal: the exit status says so.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pilots import runs
from pilots.access import LOCAL_ADMINISTRATOR
from pilots.demonstration.build import build_demonstration, demonstration_plans
from pilots.fanout import Workers, end_workers
from pilots.plans import Plan
from pilots.plans.model import changed
from pilots.storage import Store

SIX = ("group_time", "imputation", "two_stage", "interaction_weighted", "stacked", "two_way_fixed_effects")
COUNTS, DRAWS = (1, 2, 4), 9_999
SMALL_PLANS, SMALL_DRAWS = 2, 199


def asked(plan: Plan, draws: int) -> Plan:
    """A plan with its own estimators and the others of SIX, and with so many draws."""
    own = [{"name": one.name, "options": dict(one.options)} for one in plan.estimators]
    there = {one.name for one in plan.estimators}
    more = [{"name": name} for name in SIX if name not in there]
    return changed(plan, {"estimators": [*own, *more], "inference.draws": draws})


def plans_asked(small: bool, draws: int) -> list[Plan]:
    """Every plan of the demonstration, or the first two."""
    return [asked(plan, draws) for plan in demonstration_plans()[: SMALL_PLANS if small else None]]


def effects_in(document: dict[str, Any]) -> int:
    """Effects of a run: every estimator's, in every aggregate, each counted once whatever it is clustered by."""
    found = {
        (question["outcome"], row["estimator"], json.dumps(row["options"]), row["aggregate"], json.dumps(one["label"]))
        for question in document["questions"]
        for row in question["results"]
        for one in row["rows"]
    }
    return len(found)


def one(store: Path, workers: int, small: bool, draws: int) -> dict[str, Any]:
    """All plans with so many workers, in this process and those that it starts."""
    open_store, plans = Store.open(f"sqlite:///{store}"), plans_asked(small, draws)
    begun = time.perf_counter()
    made = runs.evaluate_plans(open_store, LOCAL_ADMINISTRATOR, plans, workers=Workers(workers))
    took = time.perf_counter() - begun
    return {
        "seconds": took,
        **used_by(workers),
        "plans": len(made.runs),
        "refused": [f"{one.plan.plan}: {one.reason}" for one in made.refused],
        "outcomes": sum(len(run.document["questions"]) for run in made.runs),
        "effects": sum(effects_in(run.document) for run in made.runs),
        "digests": {run.document["plan"]["plan"]: run.document["results_digest"] for run in made.runs},
    }


def used_by(workers: int) -> dict[str, Any]:
    """What so many workers, which end now, and this process used."""
    if workers > 1:
        end_workers()  # so that what the workers used is counted
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu, largest = sum(one.ru_utime + one.ru_stime for one in used), max(one.ru_maxrss for one in used)
    return {"workers": workers, "cpu": cpu, "megabytes": largest / 1024}


def measured(module: str, store: Path, workers: int, small: bool, draws: int) -> dict[str, Any]:
    """One number of workers in a process of its own, on a copy of the store."""
    copy = store.with_name(f"{workers}_workers.sqlite")
    shutil.copyfile(store, copy)
    command = [sys.executable, "-m", module, "--one", str(workers), "--store", str(copy), "--draws", str(draws)]
    made = subprocess.run([*command, *(["--small"] if small else [])], capture_output=True, text=True, check=False)
    if made.returncode:
        raise SystemExit(f"With {workers} workers it failed:\n{made.stderr}")
    found: dict[str, Any] = json.loads(made.stdout.splitlines()[-1])
    print(f"{workers} workers: {found['seconds']:.1f} s, {found['cpu']:.1f} s of CPU", file=sys.stderr, flush=True)
    return found


def demonstration(folder: Path, given: Path | None) -> Path:
    """A copy of the demonstration's store in a folder: of the one given, or built there."""
    path = folder / "demonstration.sqlite"
    if given is not None:
        shutil.copyfile(given, path)
        return path
    print("Building the demonstration (a few minutes) …", file=sys.stderr, flush=True)
    store = Store.open(f"sqlite:///{path}")
    build_demonstration(store, LOCAL_ADMINISTRATOR)
    store.close()
    return path


def table(lines: list[dict[str, Any]]) -> str:
    """The lines as a Markdown table."""
    out = [
        "| Workers | Seconds | of CPU | Largest process, MB | Plans | Outcomes | Effects |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for line in lines:
        numbers = f"{line['seconds']:.1f} | {line['cpu']:.1f} | {line['megabytes']:.0f}"
        out.append(f"| {line['workers']} | {numbers} | {line['plans']} | {line['outcomes']} | {line['effects']:,} |")
    return "\n".join(out)


def main(module: str, work: Callable[[Path, int, bool, int], dict[str, Any]], title: str) -> int:
    """Print time, memory and whether the digests are equal; the exit status is 1 where they are not, or a plan was refused.

    `module` does the `work` on a store with so many workers, small or not, and so many draws.
    """
    parser = argparse.ArgumentParser(
        description=sys.modules["__main__"].__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, nargs="+", default=list(COUNTS))
    parser.add_argument("--draws", type=int)
    parser.add_argument("--store", type=Path, help="an SQLite file with the finished demonstration; else it is built")
    parser.add_argument("--small", action="store_true", help=f"{SMALL_PLANS} plans with {SMALL_DRAWS} draws")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    draws = given.draws or (SMALL_DRAWS if given.small else DRAWS)
    if given.one:
        print(json.dumps(work(given.store, given.one, given.small, draws)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        store = demonstration(Path(folder), given.store)
        lines = [measured(module, store, count, given.small, draws) for count in given.workers]
    same, refused = all(line["digests"] == lines[0]["digests"] for line in lines), lines[0]["refused"]
    if given.json:
        print(json.dumps({"draws": draws, "same": same, "lines": lines}, indent=2))
    else:
        print(f"{title}, {draws:,} draws\n\n{table(lines)}\n")
        print("The digests of all results are equal." if same else "THE DIGESTS DIFFER.")
        print("\n".join(f"Refused: {one}" for one in refused), end="\n" if refused else "")
    return 0 if same and not refused else 1


if __name__ == "__main__":
    sys.exit(main("benchmarks.programme", one, "The whole programme"))
