"""Known truth: false alarms and coverage under the mechanism that assigned, within Monte Carlo error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from evaluation import Inference, Panel, Result, estimate
from evaluation.inference.assignment import draw_assignments, groups_of

DESIGNS = ((3, "groups"), (1, "within_region"))
REPEATS = 400


def margin(rate: float) -> float:
    """Three Monte Carlo errors."""
    return 3 * float(np.sqrt(rate * (1 - rate) / REPEATS))


def effect(panel: Panel, name: str = "group_time") -> Result:
    result = estimate(panel, name)
    assert isinstance(result, Result)
    return result


def drawn_again(panel: Panel, seed: int, common: float, size: float, louder: float = 1.0) -> Panel:
    """New noise with shocks common to a group, an effect of the given size, treated noise `louder` times that of others."""
    rng = np.random.default_rng(seed)
    codes = panel.clusters["group"][0]
    noise = rng.normal(size=panel.values.shape) + common * rng.normal(size=(codes.max() + 1, panel.values.shape[2]))[codes]
    on = panel.cohort[:, None] <= np.arange(len(panel.periods))
    scale = np.where(panel.treated, louder, 1.0)[:, None]
    return replace(panel, values=np.where(np.isnan(panel.values), np.nan, scale * noise + size * on))


def regrouped(panel: Panel, cohort: np.ndarray, together: int) -> Panel:
    """The panel under another assignment; where others stand alone, the new partnerships are those that start together."""
    if together > 1:
        return replace(panel, cohort=cohort)
    region = panel.clusters["region"][0]
    treated = cohort < np.iinfo(np.int32).max
    codes = np.unique(np.where(treated, region, 1000 + np.arange(len(cohort))), return_inverse=True)[1]
    labels = tuple(range(int(codes.max()) + 1))
    return replace(panel, cohort=cohort, clusters={**panel.clusters, "group": (codes, labels)})


@pytest.mark.slow
@pytest.mark.parametrize(("together", "scheme"), DESIGNS)
@pytest.mark.parametrize(
    ("name", "statistic"), [("group_time", "t"), ("group_time", "coefficient"), ("two_way_fixed_effects", "t")]
)
def test_false_alarms_under_the_placebo_mechanism(
    together: int, scheme: str, name: str, statistic: str, partnerships: Callable[..., Panel], run: Callable[..., Inference]
) -> None:
    """One outcome with common shocks, placebo assignments: 5% are found, give or take three Monte Carlo errors."""
    panel = partnerships(seed=7, together=together, others=9, effect=0.0, common=1.0, starts=(4,))
    groups = groups_of(panel, "group", panel.clusters["group"][0])
    draws = draw_assignments(groups, scheme, False, REPEATS, 11)
    alarms = []
    for row in range(1, REPEATS + 1):
        placebo = effect(regrouped(panel, draws.cohort(row), together), name)
        alarms.append(run("randomisation", placebo, "group", statistic=statistic, draws=199).p_value[0] <= 0.05)
    assert np.mean(alarms) == pytest.approx(0.05, abs=margin(0.05))


@pytest.mark.slow
@pytest.mark.parametrize(("together", "common"), [(3, 0.7), (1, 0.0)])
@pytest.mark.parametrize("statistic", ["t", "coefficient"])
def test_intervals_cover(
    together: int, common: float, statistic: str, partnerships: Callable[..., Panel], run: Callable[..., Inference]
) -> None:
    """Every group or unit as noisy as any other, effect 0.5: intervals of 90% hold it 90 times in 100."""
    panel = partnerships(together=together, starts=(4,), missing=0.05)
    covered = []
    for seed in range(REPEATS):
        result = effect(drawn_again(panel, seed, common, 0.5))
        lower, upper = run("randomisation", result, "group", statistic=statistic, draws=199, seed=seed).interval(0.9)
        covered.append(lower[0] <= 0.5 <= upper[0])
    assert np.mean(covered) == pytest.approx(0.9, abs=margin(0.9))


@pytest.mark.slow
def test_shocks_common_to_partners_only(partnerships: Callable[..., Panel], run: Callable[..., Inference]) -> None:
    """Partners share shocks, others do not, so sets of others are calmer: the t-statistic holds, the coefficient alarms."""
    panel = partnerships(together=1, others=9, regions=9, starts=(4,))
    alarms: dict[str, list[bool]] = {"t": [], "coefficient": []}
    for seed in range(REPEATS):
        result = effect(drawn_again(panel, seed, 1.0, 0.0))
        for statistic, found in alarms.items():
            found.append(run("randomisation", result, "group", statistic=statistic, draws=199).p_value[0] <= 0.05)
    assert np.mean(alarms["t"]) <= 0.05 + margin(0.05)
    assert np.mean(alarms["coefficient"]) > 0.1


@pytest.mark.slow
def test_one_treated_group(partnerships: Callable[..., Panel], run: Callable[..., Inference]) -> None:
    """One of 41 like groups is treated, so each rank is as likely: as published p ≤ 0.05 for four ranks, else for two."""
    panel = partnerships(regions=1, others=120, starts=(4,))
    alarms: dict[tuple[str, bool], list[bool]] = {
        (name, exact): [] for name in ("conley_taber", "ferman_pinto") for exact in (False, True)
    }
    for seed in range(REPEATS):
        result = effect(drawn_again(panel, seed, 1.0, 0.0))
        for (name, exact), found in alarms.items():
            found.append(run(name, result, "group", finite_sample=exact).p_value[0] <= 0.05)
    for (_, exact), found in alarms.items():
        rate = 2 / 41 if exact else 4 / 41
        assert np.mean(found) == pytest.approx(rate, abs=margin(rate))


@pytest.mark.slow
def test_sign_changes_are_calm(partnerships: Callable[..., Panel], run: Callable[..., Inference]) -> None:
    """Nine partnerships, treated noise one and a half times that of the others: about 5% are found, or fewer."""
    panel = partnerships(regions=9, others=12, starts=(4, 5))
    alarms = [
        run("sign_change", effect(drawn_again(panel, seed, 0.5, 0.0, louder=1.5)), "group").p_value[0] <= 0.05
        for seed in range(REPEATS)
    ]
    assert 0.015 <= np.mean(alarms) <= 0.05 + margin(0.05)
