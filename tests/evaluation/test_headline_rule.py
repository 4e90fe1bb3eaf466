"""Which methods decide by the number of treated partnerships, and what is shown of them: worked by the rows themselves."""

import numpy as np
import pandas as pd
import pytest

from evaluation import Panel, Result, estimate
from evaluation.few_clusters import FewClusters, few_clusters

REGIONS, UNITS, PERIODS = 9, 8, 6


def panel(treated: int, effect: float = 0.0, seed: int = 3) -> Panel:
    """Nine regions of eight authorities; in the first `treated` the first three start in the fourth period."""
    rng = np.random.default_rng(seed)
    unit, period = np.divmod(np.arange(REGIONS * UNITS * PERIODS), PERIODS)
    region, within = np.divmod(unit, UNITS)
    starts = (region < treated) & (within < 3)
    shock = rng.normal(0, 0.5, (REGIONS, 2, PERIODS))[region, starts.astype(int), period]
    rate = rng.normal(0, 1, REGIONS * UNITS)[unit] + shock + rng.normal(0, 1, len(unit)) + effect * (starts & (period >= 3))
    frame = pd.DataFrame({"authority": unit, "period": period, "region": region, "rate": rate})
    frame["first_treated"] = np.where(starts, 3, np.nan)
    frame["partnership"] = np.where(starts, region, 100 + unit)
    return Panel.from_frame(
        frame, "authority", "period", "first_treated", "rate", cluster=("partnership", "region"), region="region"
    )


def found(treated: int, effect: float = 0.0, seed: int = 3) -> FewClusters:
    result = estimate(panel(treated, effect, seed), "group_time")
    assert isinstance(result, Result)
    few = few_clusters(result, "partnership", draws=499, seed=1)
    assert isinstance(few, FewClusters)
    return few


@pytest.mark.parametrize(
    ("treated", "deciding"),
    [
        (1, ["conley_taber", "ferman_pinto"]),
        (3, ["randomisation", "wild_subcluster"]),
        (4, ["randomisation", "wild_subcluster"]),
        (5, ["randomisation"]),
        (8, ["randomisation"]),
        (9, ["randomisation", "wild_subcluster"]),
    ],
)
def test_the_larger_p_and_the_range_of_both_intervals_are_shown(treated: int, deciding: list[str]) -> None:
    few = found(treated, effect=0.8)
    rows = {row.method: row for row in few.methods}
    p = {name: rows[name].p_value for name in deciding}
    assert few.p_value == max(value for value in p.values() if value is not None)
    assert few.method == max(p, key=lambda name: p[name] or 0.0)
    assert [row.method for row in few.methods if row.headline] == [few.method]
    lowers, uppers = [rows[name].lower for name in deciding], [rows[name].upper for name in deciding]
    assert few.lower == (None if None in lowers else min(lowers)) and few.upper == (None if None in uppers else max(uppers))
    assert few.fragile == (treated <= 4)
    assert all(rows[name].label in few.label for name in deciding) and few.label.startswith("the more careful") == (
        len(deciding) > 1
    )


@pytest.mark.parametrize("treated", [3, 9])
def test_the_interval_leaves_zero_out_exactly_where_p_is_below_the_level(treated: int) -> None:
    clear = []
    for seed in range(6):
        few = found(treated, effect=0.25 * seed, seed=seed)
        outside = (few.lower is not None and few.lower > 0) or (few.upper is not None and few.upper < 0)
        assert outside == (few.p_value < 0.05)
        clear.append(outside)
    assert any(clear) and not all(clear)
