"""How long the whole of the inference takes: six estimators, 40 outcomes, on a panel of local authorities.

usage: python -m benchmarks.whole_evidence [--outcomes 40] [--draws 9999] [--workers 2] [--repeat 3]

For every estimator and outcome: the effect; inference for few assigned areas (randomisation on coefficient and t, wild cluster
bootstrap by partnership and by authority, CR2, sign changes) with intervals; a placebo date; each region left out; bounds at four
values with the breakdown value. Warm: one outcome runs first. No Python peer has inference for few treated clusters, nor bounds
by the published method; R's HonestDiD took 79 to 99 s for the bounds of one effect at four values in the reference runs.
"""

from __future__ import annotations

import argparse
import time
from multiprocessing import Pool

import numpy as np
import pandas as pd

from benchmarks.contenders import AUTHORITIES, TERMS, draw
from benchmarks.panel import with_threads
from evaluation import Panel, Result, estimate
from evaluation.few_clusters import few_clusters_by_outcome
from evaluation.robustness import Ask, placebo_dates
from evaluation.sensitivity import bounds

ESTIMATORS = ("interaction_weighted", "two_way_fixed_effects", "stacked", "imputation", "group_time", "two_stage")
GROUP = "partnership"
STEPS = ("effects", "few clusters", "placebo date", "regions left out", "bounds")


def panel_of(outcomes: int, seed: int) -> Panel:
    """The panel with `outcomes` outcomes: the drawn rate, each with noise of its own; comparison authorities in groups."""
    frame = draw(seed)
    rng = np.random.default_rng([seed, 1])
    names = [f"outcome {number}" for number in range(outcomes)]
    noise = pd.DataFrame(frame["rate"].to_numpy()[:, None] + rng.normal(0, 1, (len(frame), outcomes)), columns=names)
    frame = pd.concat([frame.drop(columns="rate"), noise], axis=1)
    frame[GROUP] = groups(frame)
    return Panel.from_frame(frame, "authority", "term", "first_term", names, cluster=(GROUP, "region"), region="region")


def groups(frame: pd.DataFrame) -> np.ndarray:
    """Adopters of a region together; its other authorities in groups of four."""
    who = frame.drop_duplicates("authority").set_index("authority")
    label: dict[int, str] = {}
    for region, rows in who.groupby("region"):
        adopters = rows.index[rows["first_term"] > 0]
        label |= dict.fromkeys(adopters, f"{region} partnership")
        label |= {unit: f"{region} group {at // 4}" for at, unit in enumerate(rows.index.difference(adopters))}
    return frame["authority"].map(label).to_numpy()


def work(task: tuple[Panel, str, int]) -> dict[str, float]:
    """Everything for one estimator on all outcomes of a panel; seconds by step."""
    panel, name, draws = task
    took = dict.fromkeys(STEPS, 0.0)

    def timed(step: str, begun: float) -> None:
        took[step] += time.perf_counter() - begun

    begun = time.perf_counter()
    overall = estimate(panel, name)
    event = estimate(panel, name, aggregate="event_time")
    assert isinstance(overall, Result) and isinstance(event, Result)
    timed("effects", begun)
    begun = time.perf_counter()
    few_clusters_by_outcome(overall, GROUP, draws=draws, seed=1)
    overall.inference("randomisation", GROUP, statistic="coefficient", draws=draws, seed=1).interval(0.95)
    timed("few clusters", begun)
    begun = time.perf_counter()
    codes = panel.clusters["region"][0]
    for region in np.unique(codes):  # all outcomes in one call
        without = estimate(panel.select(codes != region), name)
        assert isinstance(without, Result)
        without.frame(cluster=GROUP)
    timed("regions left out", begun)
    ask = Ask(name, cluster=GROUP)
    for outcome in panel.outcomes:
        alone = panel.outcome(outcome)
        begun = time.perf_counter()
        placebo_dates(alone, ask, periods=1, actual=0.0)
        timed("placebo date", begun)
        begun = time.perf_counter()
        bounds(event.rows((event.labels["outcome"] == outcome).to_numpy(bool)), "authority", before=6, after=4)
        timed("bounds", begun)
    return took


def main() -> None:
    """Print seconds by step and in all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outcomes", type=int, default=40)
    parser.add_argument("--draws", type=int, default=9999)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    asked = parser.parse_args()
    with_threads(1)  # each worker has a core: libraries that take both would stand in each other's way
    panel, warm = panel_of(asked.outcomes, 1), panel_of(1, 2)
    print(
        f"{AUTHORITIES} authorities × {TERMS} terms, {asked.outcomes} outcomes, {len(ESTIMATORS)} estimators, {asked.draws} draws"
    )
    with Pool(asked.workers) as pool:
        pool.map(work, [(warm, name, 99) for name in ESTIMATORS] * asked.workers, chunksize=1)
        for _ in range(asked.repeat):
            begun = time.perf_counter()
            found = pool.map(work, [(panel, name, asked.draws) for name in ESTIMATORS], chunksize=1)
            took = time.perf_counter() - begun
            table = pd.DataFrame(found, index=list(ESTIMATORS))
            print(table.assign(all=table.sum(axis=1)).round(2).to_string())
            print(f"wall clock on {asked.workers} workers: {took:.1f} s (the goal: below 10 s)\n")


if __name__ == "__main__":
    main()
