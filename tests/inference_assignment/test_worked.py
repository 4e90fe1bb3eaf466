"""Small examples worked by hand, and properties that must hold whatever the numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation import Inference, Panel, Result, estimate
from evaluation.panel import NEVER


def effect(panel: Panel, name: str = "group_time", aggregate: str = "overall", **options: object) -> Result:
    result = estimate(panel, name, aggregate=aggregate, **options)
    assert isinstance(result, Result)
    return result


def shifted(panel: Panel, by: float) -> Panel:
    """The panel with an effect taken off the treated cells."""
    on = panel.cohort[:, None] <= np.arange(len(panel.periods))
    return replace(panel, values=panel.values - by * on)


def test_four_clusters_by_hand(two_periods: Callable[..., Panel], run: Callable[..., Inference]) -> None:
    """Changes 4, 1, 2, 3 and the first treated: effect 2; the others, as if treated, give −2, −2/3 and 2/3."""
    result = effect(two_periods([4, 1, 2, 3], [1, 0, 0, 0]))
    found = run("randomisation", result, statistic="coefficient")
    assert found.estimates[0] == pytest.approx(2.0)
    assert sorted(found.details["distribution"]["y"]) == pytest.approx([-2, -2 / 3, 2 / 3])
    assert found.p_value[0] == 0.5
    assert found.details["smallest_p"] == 0.25
    assert np.isnan(found.std_error[0])  # one treated cluster shows no variation of its own
    assert any("4 ways only" in line for line in found.warnings)
    assert np.isinf(found.interval(0.95)).all()


def test_interval_by_hand(two_periods: Callable[..., Panel], run: Callable[..., Inference]) -> None:
    """Under θ0 the first change is 4 − θ0: the effect is 2 − θ0 and that of cluster j is c_j + θ0/3 (c: −2, −2/3, 2/3).

    At 50% a null is kept when two of the four are as extreme, so when one more is: |c_j + θ0/3| ≥ |2 − θ0| for some j but none
    is needed beyond 1/2 < share. Cluster with c = 2/3 crosses at θ0 = 1 and 4; with −2/3 at 2 and 2; with −2 at 0 and 6.
    """
    found = run("randomisation", effect(two_periods([4, 1, 2, 3], [1, 0, 0, 0])), statistic="coefficient")
    lower, upper = found.interval(0.6)  # kept when the share exceeds 0.4: at least two of four
    assert lower[0] == pytest.approx(0.0, abs=1e-5)  # c = −2: |−2 + θ0/3| ≥ |2 − θ0| from 0 on
    assert upper[0] == pytest.approx(4.0, abs=1e-5)  # c = 2/3: |2/3 + θ0/3| ≥ |2 − θ0| up to 4


@pytest.mark.parametrize("statistic", ["t", "coefficient"])
@pytest.mark.parametrize(("name", "together"), [("group_time", 3), ("two_way_fixed_effects", 1), ("imputation", 3)])
def test_interval_ends_are_where_the_test_turns(
    statistic: str, name: str, together: int, partnerships: Callable[..., Panel], run: Callable[..., Inference]
) -> None:
    """Just inside the interval the reform's effect is kept by the test on the panel without it; just outside it is not."""
    panel = partnerships(together=together)
    options = {"cluster": "group", "statistic": statistic, "draws": 99}
    if name == "imputation":
        options["scheme"] = "within_region"
    found = run("randomisation", effect(panel, name), **options)
    lower, upper = found.interval(0.9)
    width = upper[0] - lower[0]
    assert np.isfinite(width) and width > 0
    for end, inward in ((lower[0], 1.0), (upper[0], -1.0)):
        inside = run("randomisation", effect(shifted(panel, end + inward * 1e-4 * width), name), **options)
        outside = run("randomisation", effect(shifted(panel, end - inward * 1e-4 * width), name), **options)
        assert inside.p_value[0] > 0.1 + 1e-9
        assert outside.p_value[0] <= 0.1 + 1e-9


@given(seed=st.integers(0, 10**6), scale=st.sampled_from([-3.0, 0.01, 200.0]), statistic=st.sampled_from(["t", "coefficient"]))
@settings(max_examples=12)
def test_units_of_measurement_and_levels_change_nothing(
    seed: int, scale: float, statistic: str, partnerships: Callable[..., Panel], run: Callable[..., Inference]
) -> None:
    panel = partnerships(seed, regions=3, others=4, team=2, together=1, periods=5, missing=0.05, starts=(3, 4))
    units, periods = len(panel.units), len(panel.periods)
    moved = scale * panel.values + np.arange(units)[None, :, None] + 3.0 * np.arange(periods)[None, None, :]
    options = {"cluster": "group", "statistic": statistic, "draws": 59}
    before = run("randomisation", effect(panel), **options)
    after = run("randomisation", effect(replace(panel, values=moved)), **options)
    assert after.p_value == pytest.approx(before.p_value)
    one, other = before.interval(0.8), after.interval(0.8)
    ends = sorted([scale * one[0][0], scale * one[1][0]])
    assert [other[0][0], other[1][0]] == pytest.approx(ends, abs=1e-5 * abs(ends[1] - ends[0]) + 1e-12)


def test_labels_of_units_do_not_matter(partnerships: Callable[..., Panel], run: Callable[..., Inference]) -> None:
    """Every assignment enumerated: putting units in another order gives the same p-value and the same set of effects."""
    panel = partnerships(regions=2, others=3, team=2, together=1, periods=5, starts=(3, 4))
    order = np.random.default_rng(3).permutation(len(panel.units))
    clusters = {name: (codes[order], labels) for name, (codes, labels) in panel.clusters.items()}
    clusters["unit"] = (np.arange(len(order)), tuple(panel.units[i] for i in order))
    other = replace(
        panel,
        units=clusters["unit"][1],
        values=panel.values[:, order],
        weights=panel.weights[:, order],
        cohort=panel.cohort[order],
        clusters=clusters,
    )
    one, two = (run("randomisation", effect(p), "group") for p in (panel, other))
    assert one.details["enumerated"] and one.details["assignments"] == 100
    assert one.p_value[0] == pytest.approx(two.p_value[0], abs=1e-12)
    assert sorted(one.details["distribution"]["y"]) == pytest.approx(sorted(two.details["distribution"]["y"]), abs=1e-12)


def test_region_as_cluster_draws_sets_within_regions(partnerships: Callable[..., Panel], run: Callable[..., Inference]) -> None:
    """Clustered by region, the treated of a region are one group and its other authorities stand alone."""
    panel = partnerships(together=1)
    by_region = run("randomisation", effect(panel), "region", draws=99)
    by_group = run("randomisation", effect(panel), "group", draws=99)
    assert by_region.details["scheme"] == "within_region"
    assert by_region.p_value[0] == by_group.p_value[0]
    assert by_region.details["distribution"] == by_group.details["distribution"]


def test_a_group_with_two_starts_is_taken_apart(partnerships: Callable[..., Panel], run: Callable[..., Inference]) -> None:
    panel = partnerships(together=3)
    cohort = panel.cohort.copy()
    cohort[0] = 4  # one authority of the first partnership starts at another time
    assert panel.cohort[0] == panel.cohort[1] == 2
    found = run("randomisation", effect(replace(panel, cohort=cohort)), "group", draws=50)
    assert any("start at different times" in line for line in found.warnings)
    assert found.treated_clusters[0] == 5
    assert (cohort < NEVER).sum() == 12


def test_sign_change_interval_by_hand(two_periods: Callable[..., Panel], run: Callable[..., Inference]) -> None:
    """Group effects 1, 2, 6: changing the sign of one is as extreme between 1 and 4, 2 and 3.5, 1.5 and 6."""
    found = run("sign_change", effect(two_periods([1, 2, 6, -1, 1], [1, 1, 1, 0, 0])))
    assert found.details["group_effects"]["y"] == pytest.approx([1, 2, 6])
    assert found.p_value[0] == 0.25
    lower, upper = found.interval(0.5)  # kept when more than half of the four pairs are as extreme
    assert (lower[0], upper[0]) == pytest.approx((1.5, 4.0))
    lower, upper = found.interval(0.7)  # kept when more than 0.3
    assert (lower[0], upper[0]) == pytest.approx((1.0, 6.0))
    assert np.isinf(found.interval(0.8)).all()  # 0.25 is the smallest p


@given(effects=st.lists(st.floats(-5, 5, allow_nan=False).map(lambda x: round(x, 3)), min_size=5, max_size=8, unique=True))
@settings(max_examples=40)
def test_sign_change_against_plain_enumeration(
    effects: list[float], two_periods: Callable[..., Panel], run: Callable[..., Inference]
) -> None:
    panel = two_periods([*effects, -1, 1], [1] * len(effects) + [0, 0])
    found = run("sign_change", effect(panel))
    count = len(effects)
    signs = 1 - 2 * ((np.arange(2**count)[:, None] >> np.arange(count)) & 1)

    def p_value(null: float) -> float:
        x = np.array(effects) - null
        return float((np.abs(signs @ x) >= abs(x.sum()) - 1e-9).mean())

    assert found.p_value[0] == pytest.approx(p_value(0.0), abs=1e-12)
    lower, upper = (end[0] for end in found.interval(0.9))
    if np.isfinite(lower):
        assert p_value(lower + 1e-6) > 0.1 >= p_value(lower - 1e-6)
        assert p_value(upper - 1e-6) > 0.1 >= p_value(upper + 1e-6)
    else:
        assert 2.0 ** (1 - count) > 0.1


def test_ferman_pinto_scales_by_size_by_hand(two_periods: Callable[..., Panel], run: Callable[..., Inference]) -> None:
    """Two single units move by ±2 and two groups of four by ±1: variance 4 ÷ size, so a treated four sees ±1 only."""
    change = [3] * 4 + [2, -2] + [1] * 4 + [-1] * 4
    group = ["t"] * 4 + ["a", "b"] + ["c"] * 4 + ["d"] * 4
    result = effect(two_periods(change, [1] * 4 + [0] * 10, group=group))
    plain, scaled = (run(name, result, "group") for name in ("conley_taber", "ferman_pinto"))
    assert plain.details["distribution"]["y"] == pytest.approx([-2, -1, 1, 2])
    assert scaled.details["distribution"]["y"] == pytest.approx([-1, -1, 1, 1])
    assert plain.p_value[0] == scaled.p_value[0] == 0.2  # none is as large as 3: one in five, never 0
    assert scaled.interval(0.75)[0][0] == pytest.approx(2.0) and scaled.interval(0.75)[1][0] == pytest.approx(4.0)


def test_conley_taber_sums_over_treated_groups_by_hand(two_periods: Callable[..., Panel], run: Callable[..., Inference]) -> None:
    """Two treated units, each half of the effect; residuals −1, 0, 1: nine sums of halves from −1 to 1."""
    found = run("conley_taber", effect(two_periods([0.5, 0.5, -1, 0, 1], [1, 1, 0, 0, 0])))
    assert found.details["distribution"]["y"] == pytest.approx([-1, -0.5, -0.5, 0, 0, 0, 0.5, 0.5, 1])
    assert found.p_value[0] == pytest.approx(2 * 3 / 9)
    assert found.std_error[0] == pytest.approx(np.sqrt(1 / 3))


@pytest.mark.parametrize("method", ["conley_taber", "ferman_pinto"])
def test_the_real_effect_counted_among_the_placebo_ones(
    method: str, two_periods: Callable[..., Panel], run: Callable[..., Inference]
) -> None:
    """Residuals −2, −1, 0, 1, 2 and an effect of 2: as published 2 × 1/5; with itself counted 2 × 2/6."""
    result = effect(two_periods([2, -2, -1, 0, 1, 2], [1, 0, 0, 0, 0, 0]))
    plain, counted = run(method, result), run(method, result, finite_sample=True)
    assert plain.p_value[0] == pytest.approx(2 / 5)
    assert counted.p_value[0] == pytest.approx(4 / 6)
    assert plain.details["smallest_p"] == pytest.approx(1 / 6) and counted.details["smallest_p"] == pytest.approx(2 / 6)
    assert (plain.interval(0.5)[0][0], plain.interval(0.5)[1][0]) == pytest.approx((1, 3))  # more than a quarter on each side
    assert (counted.interval(0.5)[0][0], counted.interval(0.5)[1][0]) == pytest.approx((0, 4))
    assert np.isinf(counted.interval(0.7)).all()  # 0.3 is below the smallest p
    assert any("finite_sample=True" in line for line in plain.warnings)


def test_conley_taber_draws_sets_of_the_same_size(partnerships: Callable[..., Panel], run: Callable[..., Inference]) -> None:
    """Comparison authorities alone, one partnership of three: sets of three of the other 18, all 816, or of its region."""
    panel = partnerships(together=1, regions=3, effect=0.0)
    keep = ~panel.treated | (np.array(panel.clusters["region"][0]) == 0)
    result = effect(panel.select(keep))
    anywhere = run("conley_taber", result, "group")
    assert anywhere.details["draws"] == 816 and anywhere.details["enumerated"]
    assert run("conley_taber", result, "group", within_region=True).details["draws"] == 20  # C(6, 3)
    assert not run("conley_taber", result, "group", draws=500).details["enumerated"]


def test_every_row_after_the_start_has_placebo_p_values(
    partnerships: Callable[..., Panel], run: Callable[..., Inference]
) -> None:
    result = effect(partnerships(missing=0.05), aggregate="event_time")
    kind = result.labels["kind"].to_numpy(str)
    for name in ("conley_taber", "ferman_pinto"):
        p_value = run(name, result, "group").p_value
        assert ((p_value > 0) & (p_value <= 1))[kind != "reference"].all()
    signed = run("sign_change", result, "group").p_value
    assert np.isfinite(signed[(kind == "post") | (kind == "average")]).all()
    assert np.isnan(signed[kind == "pre"]).all()


@pytest.mark.parametrize("name", ["two_way_fixed_effects", "imputation", "stacked", "group_time"])
def test_group_effects_add_up_to_the_estimate(
    name: str, partnerships: Callable[..., Panel], run: Callable[..., Inference]
) -> None:
    """Where no treated group compares, the effects of groups with equal weights average to the estimate."""
    result = effect(partnerships(starts=(4,), regions=5), name)
    found = run("sign_change", result, "group")
    assert found.details["group_mean"]["y"] == pytest.approx(result.estimates[0], abs=1e-10)
