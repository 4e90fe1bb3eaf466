"""How often each method finds an effect where there is none, by the number of treated partnerships: the size table.

usage: python -m benchmarks.size_table [--draws 1000] [--resamples 999] [--seed 1]

The design: 121 comparison authorities, treated partnerships of three and four, correlation 0.3 within every group of three or
four (comparison authorities stand in such groups too), one start. The share of draws with p < 0.05 should be 0.05.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import stats
from tqdm import tqdm

from evaluation import Panel, PanelError, Result, estimate
from evaluation.few_clusters import few_clusters_by_outcome

TREATED = (4, 4, 4, 3, 4, 4, 3, 3, 3)  # sizes of the partnerships, 32 authorities in all
COMPARISON = (3, 4, 3) * 11 + (4, 4, 3)  # 36 groups, 121 authorities
CORRELATION = 0.3
COLUMNS = ((1, 1.0), (2, 1.0), (3, 1.0), (5, 1.0), (9, 1.0), (3, 2.25), (9, 2.25))  # treated partnerships, treated variance
ALPHA = 0.05
GROUP = "partnership"

# What the reference simulation (1,000 draws of its own) gave, in the order of COLUMNS; None: no p-value.
REFERENCE: dict[str, tuple[float | None, ...]] = {
    "authority, robust z": (0.35, 0.26, 0.21, 0.17, 0.17, 0.22, 0.18),
    "score-based, z": (0.70, 0.32, 0.17, 0.12, 0.08, 0.21, 0.09),
    "CR1, t(G-1)": (None, 0.29, 0.16, 0.10, 0.06, 0.19, 0.08),
    "CR2, Bell-McCaffrey": (None, 0.00, 0.03, 0.06, 0.04, 0.05, 0.05),
    "CR3, t(G-1)": (None, 0.16, 0.10, 0.08, 0.05, 0.12, 0.06),
    "wild": (None, 0.00, 0.00, 0.05, 0.04, 0.04, 0.05),
    "wild, subcluster": (None, 0.05, 0.05, 0.06, 0.04, 0.05, 0.05),
    "randomisation, coefficient": (0.03, 0.03, 0.03, 0.04, 0.05, 0.14, 0.12),
    "randomisation, t": (None, 0.05, 0.05, 0.06, 0.04, 0.08, 0.05),
    "Ferman-Pinto": (0.05, 0.04, 0.03, 0.04, 0.04, 0.15, 0.12),
}
HEADLINE = "our headline"


def simulated(treated: int, variance: float, draws: int, seed: int) -> Panel:
    """A panel of two periods with `draws` outcomes in which nothing happened; authorities of a group are correlated."""
    rng = np.random.default_rng([seed, treated, int(100 * variance)])
    sizes = np.array([*TREATED[:treated], *COMPARISON])
    group = np.repeat(np.arange(len(sizes)), sizes)
    on = group < treated
    shared = rng.standard_normal((draws, len(sizes)))[:, group]
    own = rng.standard_normal((draws, len(group)))
    change = (np.sqrt(CORRELATION) * shared + np.sqrt(1 - CORRELATION) * own) * np.where(on, np.sqrt(variance), 1.0)
    names = [f"draw {number}" for number in range(draws)]
    before = pd.DataFrame(np.zeros((len(group), draws)), columns=names)
    after = pd.DataFrame(change.T, columns=names)
    who = pd.DataFrame({"authority": np.arange(len(group)), GROUP: group, "first_treated": np.where(on, 1, -1)})
    rows = pd.concat([pd.concat([who.assign(period=period), values], axis=1) for period, values in ((0, before), (1, after))])
    rows["first_treated"] = rows["first_treated"].replace(-1, None)
    return Panel.from_frame(rows, "authority", "period", "first_treated", names, cluster=GROUP)


def p_values(result: Result, resamples: int, seed: int) -> dict[str, Callable[[], np.ndarray]]:
    """Each method's p-values over the outcomes of a result; called one by one, so that each can refuse."""
    drawn = {"draws": resamples, "seed": seed}

    def plain(name: str, cluster: str = GROUP, **options: object) -> Callable[[], np.ndarray]:
        return lambda: result.inference(name, cluster, **options).p_value

    def by_score() -> np.ndarray:  # where the treated group has no variation of its own, this error knows only the comparison's
        codes = result.panel.cluster_codes(GROUP)[1]
        sums = np.zeros((codes.max() + 1, result.scores.shape[1]))
        np.add.at(sums, codes, result.scores)
        return np.asarray(2 * stats.norm.sf(np.abs(result.estimates) / np.sqrt((sums**2).sum(axis=0))))

    return {
        "authority, robust z": plain("clustered", "authority", distribution="normal"),
        "score-based, z": by_score,
        "CR1, t(G-1)": plain("clustered"),
        "CR2, Bell-McCaffrey": plain("cr2"),
        "CR3, t(G-1)": plain("cr3"),
        "wild": plain("wild_cluster", **drawn),
        "wild, subcluster": plain("wild_cluster", subcluster="authority", **drawn),
        "randomisation, coefficient": plain("randomisation", statistic="coefficient", **drawn),
        "randomisation, t": plain("randomisation", statistic="t", **drawn),
        "Ferman-Pinto": plain("ferman_pinto", finite_sample=True, **drawn),
    }


def headline(result: Result, resamples: int, seed: int) -> np.ndarray:
    """P-values of our headline rule; NaN where it claims none."""
    found = few_clusters_by_outcome(result, GROUP, draws=resamples, seed=seed, intervals=False)
    return np.array([one.p_value if one.estimable else np.nan for one in found.values()])


def share(p: np.ndarray) -> float | None:
    """Share of p-values below 0.05 among those that are there; None where a method gives none."""
    seen = p[np.isfinite(p)]
    return None if len(seen) == 0 else float((seen < ALPHA).mean())


def column(treated: int, variance: float, draws: int, resamples: int, seed: int) -> dict[str, float | None]:
    """One column of the table."""
    result = estimate(simulated(treated, variance, draws, seed), "two_way_fixed_effects")
    if not isinstance(result, Result):
        raise PanelError(result.reason)
    made: dict[str, float | None] = {}
    for name, method in p_values(result, resamples, seed).items():
        try:
            made[name] = share(method())
        except PanelError:  # a method that refuses this design has no p-value: a dash in the table
            made[name] = None
    made[HEADLINE] = share(headline(result, resamples, seed))
    return made


def table(draws: int, resamples: int, seed: int) -> pd.DataFrame:
    """The whole table: methods × columns."""
    names = [f"{treated}" if variance == 1 else f"{treated}, variance x {variance}" for treated, variance in COLUMNS]
    made = {}
    for name, (treated, variance) in zip(tqdm(names, desc="size table"), COLUMNS, strict=True):
        made[name] = column(treated, variance, draws, resamples, seed)
    return pd.DataFrame(made)


def main() -> None:
    """Print the table, the reference beside it, and where they differ by more than chance."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--resamples", type=int, default=999)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    begun = time.perf_counter()
    found = table(asked.draws, asked.resamples, asked.seed)
    print(f"Share of true nulls with p < 0.05; {asked.draws} draws, {asked.resamples} resamples, seed {asked.seed}")
    print(found.to_string(float_format="{:.3f}".format, na_rep="-"))
    print("\nDifference from the reference simulation, in Monte Carlo errors of both:")
    reference = pd.DataFrame(REFERENCE, index=found.columns).T.astype(float)
    mine = found.loc[reference.index].astype(float)
    pooled = (mine + reference) / 2
    floor = 2.0 / asked.draws  # a share of 0 has an error too
    error = np.sqrt(np.maximum(pooled * (1 - pooled), floor) * (1 / asked.draws + 1 / 1000))
    print(((mine - reference) / error).to_string(float_format="{:+.1f}".format, na_rep="-"))
    print(f"\n{time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
