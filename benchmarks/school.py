"""A panel of schools: group-time, imputation and event study with 999 multiplier draws, beside peers, with memory; then growth.

    python -m benchmarks.school [--units 24000] [--repeat 3] [--only school|panel|growth] [--small] [--json]

24,000 schools × 24 terms = 576,000 cells, drawn from a fixed seed; one school in five starts, in ten cohorts. Every contender
runs in a process of its own and begins with the frame; it has run once on 600 schools before, so that imports and compilers are
out. Seconds are of the processor, on one thread: steadier than the clock on a shared machine. Memory is what the process's
largest (ru_maxrss) grew by. Errors are by school. Peers that are not installed are named; R's did and fixest join where Rscript
is installed with them, by the clock.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import growth
from benchmarks.contenders import DRAWS, load
from benchmarks.panel import with_threads
from evaluation import Panel, Result, estimate

UNITS, TERMS, COHORTS, WARM = 24_000, 24, 10, 600
SMALL = 1200
SLOW = 60.0  # seconds after which a contender is not run again
TARGET = 5.0
Run = Callable[[pd.DataFrame], Any]


def draw(units: int, seed: int = 1) -> pd.DataFrame:
    """One row a school and term: school, term, first_term (0: never), rate."""
    rng = np.random.default_rng([seed, units])
    first = np.where(np.arange(units) % 5 == 0, 8 + rng.permutation(units) % COHORTS, 0)
    school, term = np.repeat(np.arange(units), TERMS), np.tile(np.arange(1, TERMS + 1), units)
    since = term - first[school]
    on = (first[school] > 0) & (since >= 0)
    noise = rng.normal(0, 2, units)[school] + rng.normal(0, 1, TERMS)[term - 1] + rng.normal(0, 1, units * TERMS)
    return pd.DataFrame({"school": school, "term": term, "first_term": first[school], "rate": noise + on * (1 + 0.1 * since)})


def ours(estimator: str, *aggregates: str, **options: Any) -> Run:
    """From the frame to each aggregate with simultaneous bands."""

    def run(frame: pd.DataFrame) -> Any:
        panel, made = Panel.from_frame(frame, "school", "term", "first_term", "rate"), []
        for aggregate in aggregates:
            result = estimate(panel, estimator, aggregate=aggregate, **options)
            if not isinstance(result, Result):
                raise RuntimeError(str(result))
            made.append(result.frame(inference="multiplier", draws=DRAWS, seed=1))
        return made

    return run


def diff_diff(name: str, *post_fit: str, **options: Any) -> Run:
    def run(frame: pd.DataFrame) -> Any:
        fit = getattr(load("diff_diff"), name)(**options)
        made = fit.fit(frame, outcome="rate", unit="school", time="term", first_treat="first_term")
        return made, [made.aggregate(kind) for kind in post_fit]

    return run


def csdid(frame: pd.DataFrame) -> Any:
    names = {"yname": "rate", "idname": "school", "tname": "term", "gname": "first_term"}
    made = load("csdid.att_gt").ATTgt(data=frame, control_group="nevertreated", biters=DRAWS, **names)
    return made.fit(est_method="reg", bstrap=True).aggte("dynamic", bstrap=True, cband=True)


def pyfixest(frame: pd.DataFrame) -> Any:
    names = {"yname": "rate", "idname": "school", "tname": "term", "gname": "first_term"}
    return load("pyfixest").event_study(frame, estimator="saturated", att=False, **names).aggregate()


@dataclass(frozen=True)
class Contender:
    """One line: what it does, who does it, what must be installed, and what of the task it lacks."""

    task: str
    who: str
    package: str
    run: Run
    lacks: str = ""


ALL, AGGREGATES = "group-time, cells and four aggregates", ("cells", "overall", "event_time", "cohort", "calendar")
GROUP, IMPUTED, EVENT = "group-time, event study", "imputation, event study", "interaction-weighted event study"
REGRESSION = {"estimation_method": "reg", "n_bootstrap": DRAWS, "seed": 1}
CONTENDERS = {
    "ours_group": Contender(GROUP, "ours", "", ours("group_time", "event_time")),
    "diff_diff_group": Contender(
        GROUP, "diff-diff CallawaySantAnna", "diff_diff", diff_diff("CallawaySantAnna", "event_study", **REGRESSION)
    ),
    "csdid_group": Contender(GROUP, "csdid ATTgt", "csdid", csdid),
    "ours_all": Contender(ALL, "ours", "", ours("group_time", *AGGREGATES)),
    "diff_diff_all": Contender(
        ALL,
        "diff-diff CallawaySantAnna",
        "diff_diff",
        diff_diff("CallawaySantAnna", "event_study", "group", "simple", **REGRESSION),
        "no calendar aggregate",
    ),
    "ours_imputation": Contender(IMPUTED, "ours", "", ours("imputation", "event_time", pretrends=0)),
    "diff_diff_imputation": Contender(
        IMPUTED, "diff-diff ImputationDiD", "diff_diff", diff_diff("ImputationDiD", "event_study"), "no draws"
    ),
    "ours_event": Contender(EVENT, "ours", "", ours("interaction_weighted", "event_time")),
    "pyfixest_event": Contender(EVENT, "pyfixest saturated event study", "pyfixest", pyfixest, "no draws"),
    "diff_diff_event": Contender(EVENT, "diff-diff SunAbraham", "diff_diff", diff_diff("SunAbraham"), "no draws"),
}


def one(name: str, units: int, repeat: int) -> dict[str, Any]:
    """Run one contender in this process: seconds (the best), and megabytes that it took."""
    frame, small, chosen = draw(units), draw(WARM), CONTENDERS[name]
    times: list[float] = []
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        chosen.run(small)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        while len(times) < repeat and sum(times) < SLOW:
            begun = time.process_time()
            chosen.run(frame.copy())
            times.append(time.process_time() - begun)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"seconds": min(times), "runs": len(times), "megabytes": grown / 1024}


def measured(name: str, units: int, repeat: int) -> dict[str, Any]:
    """One contender in a process of its own, or why it has no time."""
    command = [sys.executable, "-m", "benchmarks.school", "--one", name, "--units", str(units), "--repeat", str(repeat)]
    chosen = CONTENDERS[name]
    line = {"task": chosen.task, "who": chosen.who, "lacks": chosen.lacks}
    try:
        made = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    except subprocess.TimeoutExpired:
        return {**line, "problem": "not done after 15 minutes"}
    if made.returncode:
        words = (made.stderr.strip().splitlines() or ["no message"])[-1]
        missing = chosen.package and f"No module named '{chosen.package}'" in words
        return {**line, "problem": "not installed" if missing else words[:200]}
    return {**line, **json.loads(made.stdout)}


R_CODE = """
args <- commandArgs(TRUE); d <- utils::read.csv(args[1]); n <- as.integer(args[2])
quiet <- function(x) suppressWarnings(suppressMessages(x))
clock <- function(who, task, run) cat(sprintf("%s\\t%s\\t%f\\n", task, who, system.time(quiet(run()))[["elapsed"]]))
if (requireNamespace("did", quietly = TRUE)) clock("R did", args[3], function() did::aggte(did::att_gt("rate", "term", "school",
  "first_term", data = d, est_method = "reg", bstrap = TRUE, biters = n), type = "dynamic"))
if (requireNamespace("fixest", quietly = TRUE)) clock("R fixest sunab", args[4], function() fixest::feols(
  rate ~ sunab(first_term, term) | school + term, d, cluster = ~school))
"""


def in_r(units: int) -> list[dict[str, Any]]:
    """R's did and fixest, where Rscript is installed; from the frame in R's memory."""
    if shutil.which("Rscript") is None:
        return [{"task": GROUP, "who": "R did, R fixest", "lacks": "", "problem": "Rscript is not installed"}]
    with tempfile.TemporaryDirectory() as folder:
        data, code = Path(folder) / "schools.csv", Path(folder) / "run.R"
        draw(units).to_csv(data, index=False)
        code.write_text(R_CODE)
        command = ["Rscript", str(code), str(data), str(DRAWS), GROUP, EVENT]
        made = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1800)
    if made.returncode or not made.stdout.strip():
        words = (made.stderr.strip().splitlines() or ["neither did nor fixest is installed"])[-1]
        return [{"task": GROUP, "who": "R did, R fixest", "lacks": "", "problem": words[:200]}]
    lines = [line.split("\t") for line in made.stdout.splitlines() if line.count("\t") == 2]
    return [{"task": task, "who": who, "lacks": "", "seconds": float(seconds), "runs": 1} for task, who, seconds in lines]


def schools(units: int, repeat: int) -> list[dict[str, Any]]:
    """Everyone's line, each with how many times as long as ours it took."""
    lines = [measured(name, units, repeat) for name in CONTENDERS] + in_r(units)
    base = {line["task"]: line["seconds"] for line in lines if line["who"] == "ours" and "seconds" in line}
    for line in lines:
        if line["who"] != "ours" and "seconds" in line and line["task"] in base:
            line["ratio"] = line["seconds"] / base[line["task"]]
    return lines


def table(lines: list[dict[str, Any]]) -> str:
    """The lines as a Markdown table."""
    out = ["| Task | Who | Seconds | Megabytes | ÷ ours |", "| --- | --- | --- | --- | --- |"]
    for line in lines:
        who = f"{line['who']} ({line['lacks']})" if line["lacks"] else line["who"]
        seconds = line["problem"] if "problem" in line else f"{line['seconds']:.2f}"
        memory = f"{line['megabytes']:.0f}" if "megabytes" in line else ""
        ratio = f"{line['ratio']:.1f}" if "ratio" in line else ""
        out.append(f"| {line['task']} | {who} | {seconds} | {memory} | {ratio} |")
    return "\n".join(out)


def main() -> None:
    """Print (c) the panel of schools, (d) the panel of local authorities, (e) growth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=int)
    parser.add_argument("--small", action="store_true", help=f"{SMALL:,} schools, each once, and the first steps of growth")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", choices=("school", "panel", "growth"))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", choices=list(CONTENDERS), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    with_threads(1)
    units, repeat = asked.units or (SMALL if asked.small else UNITS), 1 if asked.small else asked.repeat
    if asked.one:
        print(json.dumps(one(asked.one, units, repeat)))
        return
    found: dict[str, Any] = {}
    if asked.only in (None, "school"):
        found["schools"] = schools(units, repeat)
        if not asked.json:
            print(f"(c) {units:,} schools × {TERMS} terms, {DRAWS} multiplier draws\n\n{table(found['schools'])}\n")
    if asked.only in (None, "panel"):
        command = [sys.executable, "-m", "benchmarks.panel", "--json" if asked.json else "--threads=1"]
        command += ["--repeat", "1" if asked.small else "5"]
        made = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        found["authorities"] = json.loads(made) if asked.json else made
        if not asked.json:
            print(f"(d) The panel of local authorities\n\n{made}")
    if asked.only in (None, "growth"):
        found["growth"] = growth.measure(draw, asked.small)
        if not asked.json:
            where = "no picture of a small run" if asked.small else f"the picture is {growth.PICTURE}"
            print(f"(e) Growth; {where}\n\n{growth.table(found['growth'])}")
    if asked.json:
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
