"""Results on panels: golden numbers, and every method against plain matrices on small panels with gaps and weights."""

import json

import numpy as np
import pandas as pd
import pytest

from evaluation.estimators import estimate
from evaluation.inference.regression import regression
from evaluation.inference.small_sample import CR2_DEFAULTS, CR3_DEFAULTS, cr2, cr3
from evaluation.inference.wild import DEFAULTS, Draws, kernel, quadratics, wild, wild_row
from evaluation.inference.working import cells_of, panel_model, prepare
from evaluation.panel import Panel

EXACT = 1e-8  # relative
ENGINES = 1e-9  # relative: the same regression by panel and by rows
BRUTE = 1e-8  # relative: against pseudo-inverses of whole matrices


@pytest.fixture(scope="module")
def two_way(golden):
    name, d = golden
    made = Panel.from_frame(d, "authority", "term", "first_term", "rate", cluster=["region", "authority"])
    return name, estimate(made, "two_way_fixed_effects")


@pytest.mark.parametrize("cluster", ["authority", "region"])
def test_cr2_equals_clubsandwich(two_way, panel_numbers, cluster):
    name, result = two_way
    want, got = panel_numbers[name][f"clubSandwich_CR2_{cluster}"][0], cr2(result, cluster, CR2_DEFAULTS)
    row = got.frame().iloc[0]
    assert (row["std_error"], row["df"], row["p_value"]) == pytest.approx(
        (want["SE"], want["df_Satt"], want["p_Satt"]), rel=EXACT
    )


def test_cr3_equals_summclust_where_clubsandwich_was_singular(two_way, panel_numbers):
    name, result = two_way
    for cluster in ("authority", "region"):
        assert "singular" in str(panel_numbers[name][f"clubSandwich_CR3_{cluster}"])
    assert cr3(result, "region", CR3_DEFAULTS).std_error[0] == pytest.approx(panel_numbers[name]["crv3_region"], rel=EXACT)
    mean = cr3(result, "region", {**CR3_DEFAULTS, "centre": "mean"})
    assert mean.std_error[0] == pytest.approx(panel_numbers[name]["crv3j_region"], rel=EXACT)


def test_wild_equals_boottest(two_way, panel_numbers):
    name, result = two_way
    n, units, periods = result.observations[0], 153, 12
    for null in (True, False):
        want = panel_numbers[name][f"wild_rademacher_region_null_{str(null).upper()}"]
        got = wild(result, "region", {**DEFAULTS, "impose_null": null, "ties": False})
        assert got.p_value[0] == want["p"]
        counted = result.parameters[0] + units - 1  # boottest's factor counts the unit effects, ours does not
        assert counted == units + periods
        ratio = np.sqrt((n - result.parameters[0]) / (n - counted))
        assert got.estimates[0] / (got.std_error[0] * ratio) == pytest.approx(want["t"], rel=EXACT)
        lower, upper = got.interval(0.95)
        assert (lower[0], upper[0]) == pytest.approx(want["ci"], abs=1e-4 * (want["ci"][1] - want["ci"][0]))


@pytest.mark.parametrize("name", ["two_way_fixed_effects", "group_time", "imputation"])
@pytest.mark.parametrize("working", ["equal", "inverse_weights"])
def test_cr2_and_cr3_are_those_of_whole_matrices(plain, name, working):
    result = estimate(plain.panel(plain.frame(3)), name)
    m, y, root, unit, when = plain.full_projection(result.panel)
    cell = unit * len(result.panel.periods) + when
    w = result.weights.toarray()[0][cell] / root
    on = (result.panel.cohort[unit] <= when) * root
    r = m - np.outer(m @ on, w)
    codes = result.panel.cluster_codes("group")[1][unit]
    scale = root if working == "equal" else np.ones_like(root)
    raw = r * scale[None, :] / scale[:, None]  # errors of equal variance before the scaling
    b, df = plain.bell_mccaffrey(raw @ raw.T, w * scale, codes)
    sums = [b[own] @ (r @ y / scale)[own] for own in plain.masks(codes)]
    got = cr2(result, "group", {"working": working})
    assert got.std_error[0] == pytest.approx(np.sqrt(np.sum(np.square(sums))), rel=BRUTE)
    assert got.df[0] == pytest.approx(df, rel=BRUTE)
    b, _ = plain.bell_mccaffrey(r @ r.T, w, codes, -1.0)
    sums = [b[own] @ (r @ y)[own] for own in plain.masks(codes)]
    want = np.sqrt((len(sums) - 1) / len(sums) * np.sum(np.square(sums)))
    assert cr3(result, "group", CR3_DEFAULTS).std_error[0] == pytest.approx(want, rel=BRUTE)


def test_cr3_is_the_jackknife_of_estimating_again(plain):
    result = estimate(plain.panel(plain.frame(5)), "two_way_fixed_effects")
    codes = result.panel.cluster_codes("group")[1]
    without = [estimate(result.panel.select(codes != g), "two_way_fixed_effects").estimates[0] for g in np.unique(codes)]
    away = np.array(without) - result.estimates[0]
    got = cr3(result, "group", CR3_DEFAULTS).std_error[0]
    assert got == pytest.approx(np.sqrt(5 / 6 * np.sum(away**2)), rel=BRUTE)
    grouped = estimate(result.panel, "group_time")
    refit = cr3(grouped, "group", {**CR3_DEFAULTS, "refit": lambda panel: estimate(panel, "group_time")})
    without = [estimate(grouped.panel.select(codes != g), "group_time").estimates[0] for g in np.unique(codes)]
    assert refit.std_error[0] == pytest.approx(
        np.sqrt(5 / 6 * np.sum((np.array(without) - grouped.estimates[0]) ** 2)), rel=BRUTE
    )
    assert refit.details["refit"]


@pytest.mark.parametrize("kind", ["11", "13", "31", "33"])
@pytest.mark.parametrize("null", [True, False])
@pytest.mark.parametrize("name", ["two_way_fixed_effects", "group_time"])
def test_every_wild_draw_is_that_of_a_refit(plain, kind, null, name):
    result = estimate(plain.panel(plain.frame(4)), name)
    m, y, root, unit, when = plain.full_projection(result.panel)
    w = result.weights.toarray()[0][unit * len(result.panel.periods) + when] / root
    a = m @ ((result.panel.cohort[unit] <= when) * root)
    u = m @ y - result.estimates[0] * a
    codes, delta = result.panel.cluster_codes("group")[1][unit], 0.7
    stars, t = plain.wild(m, a, w, u, codes, codes, kind, null, delta)
    row = prepare(result, "group").rows[0]
    cells = cells_of(row, result.panel.cluster_codes("group")[1], len(result.panel.periods))[1]
    test, _, _ = wild_row(row, cells, cells, {**DEFAULTS, "type": kind, "impose_null": null})
    clear = np.abs(stars / t - 1) > 1e-6  # draws that tie with the data are tested by themselves
    assert clear.sum() >= len(stars) - 4
    want = (np.sum(stars[clear] > t) + np.sum(~clear)) / len(stars)
    assert test.p_value(delta) == want
    at = delta if null else 0.0
    top = test.top[0] - at * test.top[1]
    bottom = test.bottom[0] - 2 * at * test.bottom[1] + at**2 * test.bottom[2]
    assert np.sort(np.tile(np.abs(top) / np.sqrt(bottom), 2)) == pytest.approx(np.sort(stars), rel=1e-6, abs=1e-9)


def test_wild_by_subcluster_and_its_thin_products(plain):
    """Groups within clusters: every draw by whole matrices, by cluster sums, and by the thin products for many draws."""
    result = estimate(plain.panel(plain.frame(6)), "two_way_fixed_effects")
    row, periods = prepare(result, "group").rows[0], len(result.panel.periods)
    codes, groups = (cells_of(row, result.panel.cluster_codes(name)[1], periods)[1] for name in ("group", "unit"))
    made = kernel(row, codes, groups, "11", True)
    for kind, values in (("rademacher", [-1.0, 1.0]), ("webb", [-np.sqrt(1.5), -1.0, np.sqrt(0.5), np.sqrt(1.5)])):
        signs = np.random.default_rng(1).choice(values, (len(made.frame.cluster), 300))
        top, bottom = quadratics(made, Draws(signs, False, kind))
        many = Draws(np.tile(signs, 400), False, kind)
        assert len(made.frame.left) * many.values.size > 4_000_000
        thin_top, thin_bottom = quadratics(made, many)
        assert thin_top[:, :300] == pytest.approx(top, rel=1e-9, abs=1e-12)
        assert thin_bottom[:, :300] == pytest.approx(bottom, rel=1e-8, abs=1e-12)
    r = np.eye(len(row.weights)) - np.outer(row.columns[:, 0], row.weights)
    m = row.model.residual(np.eye(len(row.weights)))
    stars, _ = plain.wild(m, row.columns[:, 0], row.weights, row.residual, codes, groups, "11", True, 0.4)
    test, _, _ = wild_row(row, codes, groups, DEFAULTS)
    top, bottom = test.top[0] - 0.4 * test.top[1], test.bottom[0] - 0.8 * test.bottom[1] + 0.16 * test.bottom[2]
    assert np.sort(np.tile(np.abs(top) / np.sqrt(bottom), 2)) == pytest.approx(np.sort(stars), rel=1e-6, abs=1e-9)
    assert r @ m @ row.model.outcome == pytest.approx(row.residual, abs=1e-9)


@pytest.mark.parametrize("weighted", [True, False])
def test_panel_and_rows_are_one_regression(plain, weighted):
    d = plain.frame(8, weighted=weighted)
    d["on"] = ((d["first"] > 0) & (d["period"] >= d["first"])).astype(float)
    result = estimate(plain.panel(d, weighted), "two_way_fixed_effects")
    rows = regression(d, "y", "on", absorb=["unit", "period"], weight="w" if weighted else None, cluster=["group", "unit"])
    for cluster in ("group", "unit"):
        one, other = cr2(result, cluster, CR2_DEFAULTS).frame().iloc[0], rows.inference("cr2", cluster)
        assert (one["estimate"], one["std_error"], one["df"]) == pytest.approx(
            (other.estimate, other.std_error, other.df), rel=ENGINES
        )
        assert cr3(result, cluster, CR3_DEFAULTS).std_error[0] == pytest.approx(
            rows.inference("cr3", cluster).std_error, rel=ENGINES
        )
    for kind in ("11", "13", "31", "33"):
        for sub in (None, "unit"):
            options = {**DEFAULTS, "type": kind, "subcluster": sub}
            one, other = wild(result, "group", options), rows.inference("wild_cluster", "group", type=kind, subcluster=sub)
            assert one.p_value[0] == other.p_value
            assert one.interval(0.95)[0][0] == pytest.approx(other.lower, rel=1e-7)
            assert one.interval(0.95)[1][0] == pytest.approx(other.upper, rel=1e-7)


def test_period_effects_by_group_and_covariates_by_period(plain):
    """The model heeds the options of two-way fixed effects: errors equal those of the regression on rows."""
    d = plain.frame(9, units=18, missing=0.0)
    d["half"], d["x"] = d["unit"] % 2, np.sin(d["unit"] * 1.0)
    d["on"] = ((d["first"] > 0) & (d["period"] >= d["first"])).astype(float)
    d["half_period"] = d["half"] * 100 + d["period"]
    made = Panel.from_frame(d, "unit", "period", "first", "y", weight="w", cluster=["unit", "half"], covariates="x")
    result = estimate(made, "two_way_fixed_effects", period_by="half")
    rows = regression(d, "y", "on", absorb=["unit", "half_period"], weight="w", cluster="unit")
    assert cr2(result, "unit", CR2_DEFAULTS).std_error[0] == pytest.approx(rows.inference("cr2").std_error, rel=ENGINES)
    for t in range(1, 7):
        d[f"x{t}"] = d["x"] * (d["period"] == t)
    result = estimate(made, "two_way_fixed_effects", covariates="by_period")
    rows = regression(d, "y", "on", [f"x{t}" for t in range(1, 7)], ["unit", "period"], weight="w", cluster="unit")
    assert cr3(result, "unit", CR3_DEFAULTS).std_error[0] == pytest.approx(rows.inference("cr3").std_error, rel=1e-7)


def test_rows_of_an_event_study(plain):
    result = estimate(plain.panel(plain.frame(10, units=18)), "group_time", aggregate="event_time", base="universal")
    for found in (cr2(result, "unit", CR2_DEFAULTS), wild(result, "unit", {**DEFAULTS, "draws": 199})):
        kinds = result.labels["kind"].to_numpy()
        assert np.isnan(found.std_error[kinds == "reference"]).all()
        assert np.isfinite(found.std_error[kinds != "reference"]).all()
        assert np.isfinite(found.p_value[kinds != "reference"]).all()
    directions = cr2(result, "unit", CR2_DEFAULTS).details["direction"]
    assert {d for d, k in zip(directions, kinds, strict=True) if k == "pre"} == {"weights"}
    assert {d for d, k in zip(directions, kinds, strict=True) if k == "post"} == {"treated"}


def test_details_of_wild_are_plain_and_say_what_was_drawn(plain):
    result = estimate(plain.panel(plain.frame(10, units=18)), "group_time", aggregate="event_time")
    details = json.loads(json.dumps(wild(result, "unit", {**DEFAULTS, "draws": 199}).details))
    assert (details["draws"], details["enumerated"], details["weights"], details["smallest_p"]) == (199, False, "webb", 1 / 200)
    few = wild(result, "group", DEFAULTS).details
    assert (few["draws"], few["enumerated"], few["weights"], few["smallest_p"]) == (64, True, "rademacher", 2 / 64)
    assert few["rows"][0]["groups"] == 6 and few["disconnected_at_95"] == []
    assert wild(result, "group", {**DEFAULTS, "ties": False}).details["smallest_p"] == 0.0


def test_outcomes_with_the_same_gaps_share_their_effects(plain):
    d = plain.frame(11)
    d["z"] = d["y"] ** 2
    both = Panel.from_frame(d, "unit", "period", "first", ["y", "z"], cluster=["group", "unit"])
    result = estimate(both, "group_time")
    rows = prepare(result, "unit").rows
    assert rows[0].model.basis is rows[1].model.basis
    for k, name in enumerate(["y", "z"]):
        alone = estimate(both.outcome(name), "group_time")
        assert cr2(result, "unit", CR2_DEFAULTS).std_error[k] == cr2(alone, "unit", CR2_DEFAULTS).std_error[0]
    model = panel_model(both, 0)
    assert model.residual(model.basis) == pytest.approx(np.zeros_like(model.basis), abs=1e-12)


def test_one_treated_cluster_has_no_error(plain):
    d = plain.frame(12)
    d["one"] = np.where(d["first"] > 0, 99, d["unit"])
    made = Panel.from_frame(d, "unit", "period", "first", "y", cluster=["one", "unit"])
    result = estimate(made, "two_way_fixed_effects")
    for found in (cr2(result, "one", CR2_DEFAULTS), cr3(result, "one", CR3_DEFAULTS), wild(result, "one", DEFAULTS)):
        assert np.isnan(found.std_error[0]) and np.isnan(found.p_value[0]) and np.isnan(found.interval(0.9)[0][0])
        assert "one treated one" in found.warnings[0]


def test_estimates_that_keep_levels_are_named(plain):
    """`rows` compares means over whoever is observed: levels of units stay in, and the model does not hold."""
    result = estimate(plain.panel(plain.frame(13, weighted=False), False), "group_time", unbalanced="rows")
    found = cr2(result, "unit", CR2_DEFAULTS)
    assert np.isnan(found.std_error[0])
    assert "(overall) are not free of the levels" in found.warnings[0]


def test_an_estimators_own_errors_stay_its_own():
    time = pd.DataFrame({"unit": [1] * 12, "period": range(12), "first": 6, "y": np.sin(np.arange(12.0)) + np.arange(12)})
    result = estimate(Panel.from_frame(time, "unit", "period", "first", "y"), "interrupted_series")
    assert result.own_df is not None
    found = cr2(result, None, CR2_DEFAULTS)
    assert np.isnan(found.std_error).all() and "its own" in found.warnings[0]
