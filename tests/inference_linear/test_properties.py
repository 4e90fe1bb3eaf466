"""What must hold whatever the numbers: invariances, ends of intervals, covariances, options."""

import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.errors import OptionError, PanelError
from evaluation.estimators import estimate
from evaluation.inference.small_sample import CR2_DEFAULTS, CR3_DEFAULTS, cr2, cr3
from evaluation.inference.wild import DEFAULTS, batches, draw, wild, wild_row
from evaluation.inference.wild_interval import BootstrapTest, end_points
from evaluation.inference.working import cells_of, prepare
from evaluation.panel import Panel

WILD = {**DEFAULTS, "draws": 499, "subcluster": "unit", "weights": "rademacher"}
NAMES = st.sampled_from(["two_way_fixed_effects", "group_time", "imputation"])


def numbers(result, scale=1.0):
    """Errors ÷ scale, degrees of freedom, p-values and ends."""
    out = []
    for found in (cr2(result, "group", CR2_DEFAULTS), cr3(result, "group", CR3_DEFAULTS), wild(result, "group", WILD)):
        lower, upper = found.interval(0.95)
        ends = sorted([lower[0] / scale, upper[0] / scale])
        out.append([found.std_error[0] / abs(scale), found.df[0], found.p_value[0], *ends])
    return np.array(out)


@settings(max_examples=6)
@given(name=NAMES, seed=st.integers(0, 1_000), scale=st.sampled_from([-3.0, 0.01, 250.0]))
def test_levels_scale_and_row_order_change_nothing(plain, name, seed, scale):
    d = plain.frame(seed)
    rng = np.random.default_rng(seed)
    moved = d.assign(y=d["y"] * scale + rng.normal(size=99)[d["unit"]] * scale + rng.normal(size=99)[d["period"]] * scale)
    one, other = (estimate(plain.panel(rows), name) for rows in (d, moved.sample(frac=1, random_state=seed)))
    if not one.estimable or not np.isfinite(cr2(one, "group", CR2_DEFAULTS).std_error[0]):
        return
    assert other.estimates[0] == pytest.approx(one.estimates[0] * scale, rel=1e-7, abs=1e-9 * abs(scale))
    assert numbers(other, scale) == pytest.approx(numbers(one), rel=1e-5, abs=1e-7)


@settings(max_examples=8)
@given(
    name=NAMES,
    seed=st.integers(0, 1_000),
    kind=st.sampled_from(["11", "13", "31", "33"]),
    level=st.sampled_from([0.8, 0.9, 0.95]),
)
def test_p_crosses_alpha_at_the_ends(plain, name, seed, kind, level):
    result = estimate(plain.panel(plain.frame(seed)), name)
    row = prepare(result, "group").rows[0] if result.estimable else None
    if row is None:
        return
    codes, groups = (cells_of(row, result.panel.cluster_codes(c)[1], 6)[1] for c in ("group", "unit"))
    test, _, _ = wild_row(row, codes, groups, {**WILD, "type": kind})
    lower, upper, _ = end_points(test, 1 - level)
    for end in (lower, upper):
        if np.isfinite(end):
            assert test.p_value(end * (1 - 1e-6)) > 1 - level
            assert test.p_value(end * (1 + 1e-6)) <= 1 - level
        else:
            assert test.p_value(np.sign(end) * 1e3 * np.sqrt(test.variance)) > 1 - level


def test_permuting_units_changes_no_error(plain):
    d = plain.frame(3)
    new = np.random.default_rng(0).permutation(d["unit"].max() + 1)
    one, other = (estimate(plain.panel(rows), "group_time") for rows in (d, d.assign(unit=new[d["unit"]])))
    for method, options in ((cr2, CR2_DEFAULTS), (cr3, CR3_DEFAULTS), (wild, {**WILD, "subcluster": None})):
        for cluster in ("group", "unit"):
            a, b = (method(r, cluster, options).frame().iloc[0] for r in (one, other))
            assert a["std_error"] == pytest.approx(b["std_error"], rel=1e-9)
            if method is not wild or cluster == "group":  # twelve units and more are drawn, in the order of their labels
                assert a["p_value"] == pytest.approx(b["p_value"], rel=1e-9)


def test_covariance_between_rows(plain):
    """Rows that add up: the variance of a sum is that of the covariances, when the same residuals stand behind both."""
    result = estimate(plain.panel(plain.frame(4, units=18)), "two_way_fixed_effects", aggregate="event_time")
    for found in (cr2(result, "unit", CR2_DEFAULTS), cr3(result, "unit", CR3_DEFAULTS), wild(result, "unit", WILD)):
        real = np.isfinite(found.std_error)
        block = found.covariance[np.ix_(real, real)]
        assert block == pytest.approx(block.T)
        assert np.linalg.eigvalsh(block).min() > -1e-10 * block.max()


def test_a_disconnected_set_gives_its_hull():
    """One draw beats the data only around δ = 3: {p > 0.3} is in two pieces on that side."""
    top, bottom = np.zeros((2, 3)), np.ones((3, 3)) * np.array([[1.0], [0.0], [0.0]])
    top[0, 0], top[1, 0] = 1.0, 0.0  # counts for |δ| ≤ 1
    bottom[:, 1] = [9.0 + 1e-3, 3.0, 1.0]  # variance (δ − 3)² + 0.001: t* is large near 3 alone
    top[0, 1] = 0.2
    test = BootstrapTest(top, bottom, 1.0, True, True)
    assert test.p_value(0.5) > 0.3 and test.p_value(1.5) < 0.3 and test.p_value(3.0) > 0.3 and test.p_value(9.0) < 0.3
    lower, upper, pieces = end_points(test, 0.3)
    assert lower == pytest.approx(-1.0)
    assert (upper > 3.0) == pieces


def test_draws_are_the_same_for_a_seed_and_enumerate_each_pair_once():
    every = draw(4, 99, "auto", 1)
    assert every.enumerated and every.values.shape == (4, 8) and len({tuple(c) for c in every.values.T}) == 8
    assert draw(12, 99, "auto", 1).enumerated and not draw(13, 99, "auto", 1).enumerated
    assert draw(13, 9_999, "auto", 1).enumerated and draw(13, 99, "auto", 1).kind == "webb"
    drawn = draw(40, 2_000, "rademacher", 5).values
    assert set(np.unique(drawn)) == {-1.0, 1.0}
    assert np.array_equal(drawn, np.random.Generator(np.random.PCG64(5)).integers(0, 2, (2_000, 40), dtype=np.uint8).T * 2.0 - 1)
    webb = draw(40, 2_000, "webb", 5).values
    assert np.unique(webb**2) == pytest.approx([0.5, 1.0, 1.5])
    assert abs(webb.mean()) < 0.02 and abs((webb**2).mean() - 1) < 0.02


def test_draws_in_pieces_are_those_of_one_generator(monkeypatch):
    monkeypatch.setattr(sys.modules["evaluation.inference.wild"], "LARGEST", 4_000)
    pieces = list(batches(40, 1_000, "rademacher", 5))
    assert [piece.values.shape for piece in pieces] == [(40, 100)] * 10
    assert np.array_equal(np.hstack([piece.values for piece in pieces]), draw(40, 1_000, "rademacher", 5).values)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"type": "22"}, "type '22' does not exist"),
        ({"weights": "normal"}, "weights 'normal' does not exist"),
        ({"draws": 5}, "draws must be a whole number, 99 or more"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"impose_null": "yes"}, "impose_null 'yes' does not exist"),
        ({"ties": None}, "ties None does not exist"),
    ],
)
def test_bad_options_of_wild(plain, options, words):
    result = estimate(plain.panel(plain.frame(1)), "two_way_fixed_effects")
    with pytest.raises(OptionError, match=words):
        wild(result, "group", {**DEFAULTS, **options})


def test_other_bad_options(plain):
    result = estimate(plain.panel(plain.frame(1)), "two_way_fixed_effects")
    with pytest.raises(OptionError, match="working 'x'"):
        cr2(result, "group", {"working": "x"})
    with pytest.raises(OptionError, match="centre 'x'"):
        cr3(result, "group", {**CR3_DEFAULTS, "centre": "x"})
    with pytest.raises(OptionError, match="refit must be a function"):
        cr3(result, "group", {**CR3_DEFAULTS, "refit": 3})
    with pytest.raises(PanelError, match="lie in more than one unit"):
        wild(result, "unit", {**DEFAULTS, "subcluster": "group"})


@pytest.mark.slow
def test_false_alarms_with_five_treated_partnerships():
    """No effect, 40 comparison units alone and 5 treated groups of four with a shared shock: 300 draws, 5% of false alarms."""
    rng, alarms = np.random.default_rng(7), np.zeros(3)
    units, periods = 60, 6
    group = np.where(np.arange(units) < 20, np.arange(units) // 4, np.arange(units) + 100)
    base = pd.DataFrame({"unit": np.repeat(np.arange(units), periods), "period": np.tile(np.arange(1, periods + 1), units)})
    base["group"], base["first"] = group[base["unit"]], np.where(base["unit"] < 20, 4, 0)
    for _ in range(300):
        shock = rng.normal(size=(200, periods))[base["group"], base["period"] - 1]
        rows = base.assign(y=rng.normal(size=len(base)) + 0.6 * shock)
        result = estimate(_panel(rows), "two_way_fixed_effects")
        found = (
            result.inference("clustered", cluster="unit"),
            cr2(result, "group", CR2_DEFAULTS),
            wild(result, "group", {**WILD, "subcluster": "unit", "draws": 399}),
        )
        alarms += [one.p_value[0] <= 0.05 for one in found]
    naive, second, bootstrap = alarms / 300
    assert naive > 0.12
    assert second < 0.085
    assert 0.02 < bootstrap < 0.085


def _panel(rows):
    return Panel.from_frame(rows, "unit", "period", "first", "y", cluster=["group", "unit"])
