"""How often each method finds an effect where there is none, on real series of local authorities before 2023; and its power.

usage: python -m benchmarks.false_alarms LAIT.parquet [--draws 200] [--resamples 499] [--seed 1] [--series N]

Series: every measure with 5 to 12 yearly points up to 2022 at which 140 authorities or more have a value, on the authorities
complete over them (at least 100). A draw: in each of the nine regions four authorities (all, where fewer) adopt in one period
drawn from the third to one past the last (that region then does not adopt). Nothing happened, so the share of draws with
p < 0.05 should be 0.05. Power: the same with one and with two within-authority standard deviations added to every treated cell.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import Pool

import numpy as np
import pandas as pd
from scipy import stats
from tqdm import tqdm

from benchmarks.panel import with_threads
from evaluation import Panel, PanelError, Result, estimate
from evaluation.few_clusters import few_clusters_by_outcome

ALPHA = 0.05
ADDED = (0.0, 1.0, 2.0)  # within-authority standard deviations added to treated cells
HEADLINE = "our headline"
RARE = 10  # a method that fewer draws a series give a p-value for says nothing about its false alarms
LAST_YEAR = 2022
GROUP = "partnership"


@dataclass(frozen=True)
class Series:
    """One measure on complete authorities: name, values (N × T), region codes (N)."""

    name: str
    values: np.ndarray
    region: np.ndarray


def series(path: str) -> Iterator[Series]:
    """The measures of the file that fit the exercise."""
    frame = pd.read_parquet(path)
    frame["value"] = pd.to_numeric(frame["Values"], errors="coerce")
    frame = frame[frame["value"].notna() & (frame["Region"] != "NA")].copy()
    frame["year"] = frame["Years"].astype(str).str[:4].astype(int)
    place = frame.groupby("LA Number")["Region"].first().replace({"Inner London": "London", "Outer London": "London"})
    for name, rows in frame[frame["year"] <= LAST_YEAR].groupby("Short Desc"):
        wide = rows.groupby(["LA Number", "year"])["value"].mean().unstack()
        wide = wide.loc[:, wide.notna().sum() >= 140].dropna()
        if wide.shape[0] >= 100 and 5 <= wide.shape[1] <= 12:
            yield Series(str(name), wide.to_numpy(), pd.factorize(place.reindex(wide.index))[0])


def adoption(region: np.ndarray, periods: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """First treated period (N; `periods` = never) and the group assigned together (N) of one placebo draw."""
    first = np.full(len(region), periods)
    group = region.max() + 1 + np.arange(len(region))
    for code in range(region.max() + 1):
        members = np.flatnonzero(region == code)
        chosen = rng.choice(members, min(4, len(members)), replace=False)
        first[chosen] = rng.integers(2, periods + 1)
        group[chosen] = code
    return first, np.where(first < periods, group, region.max() + 1 + np.arange(len(region)))


def within_deviation(values: np.ndarray) -> float:
    """Standard deviation within authorities, period means taken out."""
    left = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0, keepdims=True) + values.mean()
    return float(np.sqrt((left**2).sum() / ((values.shape[0] - 1) * (values.shape[1] - 1))))


def panel_of(one: Series, first: np.ndarray, group: np.ndarray) -> Panel:
    """The panel of one draw: three outcomes, with nothing, one and two standard deviations added."""
    count, periods = one.values.shape
    treated = np.arange(periods)[None, :] >= first[:, None]
    step = within_deviation(one.values)
    unit, period = np.divmod(np.arange(count * periods), periods)
    frame = pd.DataFrame({"authority": unit, "period": period, "region": one.region[unit], GROUP: group[unit]})
    frame["first_treated"] = pd.array(np.where(first < periods, first, -1)[unit]).astype("Int64")
    frame.loc[frame["first_treated"] == -1, "first_treated"] = pd.NA
    names = []
    for size in ADDED:
        names.append(f"added {size:g}")
        frame[names[-1]] = (one.values + size * step * treated).ravel()
    return Panel.from_frame(frame, "authority", "period", "first_treated", names, cluster=(GROUP, "region"), region="region")


def usual(panel: Panel) -> dict[str, np.ndarray]:
    """P-values of what is usually done: two-way, errors by authority with 1.96 or by region with t(8)."""
    result = estimate(panel, "two_way_fixed_effects")
    if not isinstance(result, Result):
        raise PanelError(result.reason)
    by_authority = result.inference("clustered", "authority", factor="none", distribution="normal")
    errors = result.inference("clustered", "region", factor="none").std_error * np.sqrt(9 / 8)
    return {
        "two-way, by authority, 1.96": by_authority.p_value,
        "two-way, by region, t(8)": 2 * stats.t.sf(np.abs(result.estimates) / errors, 8),
    }


def ours(panel: Panel, estimator: str, resamples: int, seed: int) -> dict[str, np.ndarray]:
    """P-values of every method of the headline rule, and of the rule itself."""
    result = estimate(panel, estimator)
    if not isinstance(result, Result):
        raise PanelError(result.reason)
    found = list(few_clusters_by_outcome(result, GROUP, draws=resamples, seed=seed, intervals=False).values())
    made: dict[str, list[float]] = {}
    for k, one in enumerate(found):
        if not hasattr(one, "methods"):
            continue
        for row in one.methods:
            made.setdefault(row.label, [np.nan] * len(found))[k] = np.nan if row.p_value is None else row.p_value
        made.setdefault(HEADLINE, [np.nan] * len(found))[k] = one.p_value
    return {name: np.array(values) for name, values in made.items()}


def of_series(task: tuple[Series, int, int, int, str]) -> tuple[str, dict[str, np.ndarray]]:
    """P-values of one series: method → draws × sizes added."""
    one, draws, resamples, seed, estimator = task
    rng = np.random.default_rng([seed, *one.name.encode()])
    rows: dict[str, list[np.ndarray]] = {}
    for number in range(draws):
        first, group = adoption(one.region, one.values.shape[1], rng)
        if (first == one.values.shape[1]).all():
            continue  # no region adopts: there is nothing to estimate
        panel = panel_of(one, first, group)
        for name, p in {**usual(panel), **ours(panel, estimator, resamples, seed + number)}.items():
            rows.setdefault(name, []).append(p)
    return one.name, {name: np.array(values) for name, values in rows.items()}


def table(found: list[tuple[str, dict[str, np.ndarray]]]) -> pd.DataFrame:
    """Methods × mean and ninetieth percentile over series of the share of false alarms, and mean power, without the rare."""
    made = {}
    for name in dict.fromkeys(name for _, one in found for name in one):
        shares = np.array([_shares(one[name]) for _, one in found if name in one])
        made[name] = {
            "false alarms, mean": np.nanmean(shares[:, 0]),
            "p90 of series": np.nanquantile(shares[:, 0], 0.9),
            **{f"power at {size:g} sd": np.nanmean(shares[:, k]) for k, size in enumerate(ADDED) if size},
            "draws with a p-value": np.mean([np.isfinite(one[name][:, 0]).sum() for _, one in found if name in one]),
        }
    every = pd.DataFrame(made).T
    return every[every["draws with a p-value"] >= RARE]


def _shares(p: np.ndarray) -> np.ndarray:
    seen = np.isfinite(p)
    with np.errstate(invalid="ignore"):
        return np.where(seen.any(axis=0), (np.where(seen, p, 1.0) < ALPHA).sum(axis=0) / seen.sum(axis=0), np.nan)


def main() -> None:
    """Print the table for all methods."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--resamples", type=int, default=499)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--series", type=int, default=None, help="only so many series, spread evenly over all")
    parser.add_argument("--estimator", default="group_time")
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    with_threads(1)  # each worker has a core: libraries that take both would stand in each other's way
    begun = time.perf_counter()
    every = list(series(asked.file))
    if asked.series:
        every = [every[int(at)] for at in np.linspace(0, len(every) - 1, asked.series)]
    tasks = [(one, asked.draws, asked.resamples, asked.seed, asked.estimator) for one in every]
    with Pool(asked.workers) as pool:
        found = list(tqdm(pool.imap_unordered(of_series, tasks), total=len(tasks), desc="series"))
    print(f"{len(every)} series, {asked.draws} draws each, {asked.resamples} resamples, {asked.estimator}, seed {asked.seed}")
    print(table(sorted(found)).to_string(float_format="{:.3f}".format))
    print(f"{time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
