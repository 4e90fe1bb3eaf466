"""How often 95% intervals hold the known truth, over synthetic demonstration programmes.

usage: python -m benchmarks.coverage [--programmes 500] [--resamples 999] [--first 0]

Every programme is drawn anew from its seed. Its true effect on every cell is known, so the truth of each estimate is its own
weights on those. Overall: the headline rule. By event time: CR2 by partnership, as the screen shows it. Beside them the plain
clustered intervals.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from multiprocessing import Pool

import numpy as np
import pandas as pd
from tqdm import tqdm

from benchmarks.panel import with_threads
from evaluation import Result, estimate
from evaluation.few_clusters import FewClusters, few_clusters
from pilots.demonstration import Programme, programme
from pilots.demonstration.panel import panel_of, truth_of
from pilots.panels import PARTNERSHIP

QUESTIONS = (
    ("digital_ehcp", "termly_timeliness_20_weeks"),
    ("digital_ehcp", "termly_exceptions"),
    ("mediation", "termly_requests_refused"),
    ("ap_tiers", "termly_ap_sustained"),
)
OPTIONS = {"control": "not_yet_treated"}
EVENT_TIMES = (0, 1, 2, 3)
Row = tuple[str, str, float, float, bool]  # question, what, error of the estimate, width of the interval, truth inside


def of_programme(task: tuple[int, int]) -> list[Row]:
    """Every interval of one programme."""
    seed, resamples = task
    made = programme(seed)
    return [row for reform, name in QUESTIONS for row in _rows(made, reform, name, resamples)]


def _rows(made: Programme, reform: str, name: str, resamples: int) -> Iterator[Row]:
    panel = panel_of(made, reform, name)
    question = f"{reform}: {name}"
    overall = estimate(panel, "group_time", **OPTIONS)
    event = estimate(panel, "group_time", aggregate="event_time", **OPTIONS)
    assert isinstance(overall, Result) and isinstance(event, Result)
    truth = float(truth_of(made, reform, name, overall)[0])
    error = float(overall.estimates[0]) - truth
    few = few_clusters(overall, PARTNERSHIP, draws=resamples, seed=made.seed)
    assert isinstance(few, FewClusters)
    for row in few.methods:
        if row.p_value is not None:
            yield question, f"overall, {row.label}", error, *_interval(row.lower, row.upper, truth)
    yield question, "overall, headline", error, *_interval(few.lower, few.upper, truth)
    truths = truth_of(made, reform, name, event)
    for how in ("cr2", "clustered"):
        low, high = event.inference(how, PARTNERSHIP).interval(0.95)
        for k, when in enumerate(event.labels["event_time"]):
            if not pd.isna(when) and int(when) in EVENT_TIMES:
                inside = bool(low[k] <= truths[k] <= high[k])
                yield (
                    question,
                    f"event time {when}, {how}",
                    float(event.estimates[k] - truths[k]),
                    float(high[k] - low[k]),
                    inside,
                )


def _interval(lower: float | None, upper: float | None, truth: float) -> tuple[float, bool]:
    """Width, and whether the truth lies inside; an end that is None is infinite."""
    low, high = (-np.inf if lower is None else lower), (np.inf if upper is None else upper)
    return high - low, low <= truth <= high


def main() -> None:
    """Print coverage by question."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programmes", type=int, default=500)
    parser.add_argument("--resamples", type=int, default=999)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    with_threads(1)  # each worker has a core: libraries that take both would stand in each other's way
    begun = time.perf_counter()
    tasks = [(seed, asked.resamples) for seed in range(asked.first, asked.first + asked.programmes)]
    with Pool(asked.workers) as pool:
        parts = list(tqdm(pool.imap(of_programme, tasks), total=len(tasks), desc="programmes"))
    table = pd.DataFrame([row for part in parts for row in part], columns=["question", "what", "error", "width", "inside"])
    found = table.groupby(["what", "question"]).agg(
        bias=("error", "mean"), spread=("error", "std"), width=("width", "median"), coverage=("inside", "mean")
    )
    print(f"{asked.programmes} programmes from seed {asked.first}; {asked.resamples} resamples")
    print(found.round(3).to_string())
    print(table.groupby("what")["inside"].mean().round(3).to_string())
    print(f"{time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
