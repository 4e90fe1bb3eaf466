"""Fits of statsmodels with every dummy written out, to which the closed forms must be equal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from evaluation import Panel, Result

Run = Callable[..., Result]
Draw = Callable[..., pd.DataFrame]
Build = Callable[..., Panel]


def dummies(rows: pd.DataFrame, column: str, leave_first: bool) -> pd.DataFrame:
    made = pd.get_dummies(rows[column], prefix=column, dtype=float)
    return made.iloc[:, 1:] if leave_first else made


def saturated_design(rows: pd.DataFrame, control: str, effects: str) -> tuple[pd.DataFrame, list[tuple[int, int]]]:
    fixed = [dummies(rows, {"unit": "unit", "cohort": "first"}[effects], False), dummies(rows, "period", True)]
    cells = []
    for g, t in sorted({(int(g), int(t)) for g, t in zip(rows["first"], rows["period"], strict=True) if g > 0}):
        if (t >= g) if control == "not_yet_treated" else (t != g - 1):
            cells.append((g, t))
    columns = {f"{g},{t}": ((rows["first"] == g) & (rows["period"] == t)).astype(float) for g, t in cells}
    return pd.concat([*fixed, pd.DataFrame(columns, index=rows.index)], axis=1), cells


def clustered(x: np.ndarray, hessian: np.ndarray, score: np.ndarray, unit: np.ndarray) -> np.ndarray:
    inverse = np.linalg.inv(hessian)
    sums = pd.DataFrame(x * score[:, None]).groupby(unit).sum().to_numpy()
    return np.asarray(inverse @ (sums.T @ sums) @ inverse)


@pytest.mark.parametrize("weight", [None, "size"])
@pytest.mark.parametrize("effects", ["unit", "cohort"])
@pytest.mark.parametrize("control", ["not_yet_treated", "never_treated"])
def test_saturated_linear_model(draw: Draw, build: Build, run: Run, control: str, effects: str, weight: str | None) -> None:
    rows = draw(missing=0.08)
    x, cells = saturated_design(rows, control, effects)
    w = np.ones(len(rows)) if weight is None else rows["size"].to_numpy()
    fit = sm.WLS(rows["y"], x, weights=w).fit()
    covariance = clustered(x.to_numpy(), x.T.to_numpy() @ (x.to_numpy() * w[:, None]), w * fit.resid.to_numpy(), rows["unit"])
    result = run(build(rows, weight=weight), "extended_two_way", "cells", control=control, effects=effects)
    ours = result.frame(factor="none", cluster="unit")
    assert list(zip(ours["cohort"], ours["period"], strict=True)) == cells
    assert ours["estimate"].to_numpy() == pytest.approx(fit.params.to_numpy()[-len(cells) :], abs=1e-9)
    assert ours["std_error"].to_numpy() == pytest.approx(np.sqrt(np.diag(covariance))[-len(cells) :], rel=1e-8)
    counted = x.shape[1] - (rows["unit"].nunique() - 1 if effects == "unit" else 0)
    assert result.parameters[0] == counted and result.observations[0] == len(rows)
    if control == "never_treated" and effects == "unit":
        again = run(build(rows, weight=weight), "interaction_weighted", "cells").frame(factor="none", cluster="unit")
        assert again["std_error"].to_numpy() == pytest.approx(ours["std_error"].to_numpy(), rel=1e-10)


@pytest.mark.parametrize("exposure", [False, True])
@pytest.mark.parametrize("effects", ["unit", "cohort"])
@pytest.mark.parametrize("control", ["not_yet_treated", "never_treated"])
def test_saturated_poisson_model_and_its_delta_method(
    draw: Draw, build: Build, run: Run, control: str, effects: str, exposure: bool
) -> None:
    rows = draw(missing=0.08)
    x, cells = saturated_design(rows, control, effects)
    offset = np.log(rows["size"].to_numpy()) if exposure else np.zeros(len(rows))
    fit = sm.GLM(rows["count"], x, family=sm.families.Poisson(), offset=offset).fit(tol=1e-14, maxiter=200)
    b, values = fit.params.to_numpy(), x.to_numpy()
    mean = np.exp(values @ b + offset)
    covariance = clustered(values, values.T @ (values * mean[:, None]), rows["count"].to_numpy() - mean, rows["unit"])
    options = {"family": "poisson", "control": control, "effects": effects, "exposure": exposure}
    panel = build(rows, "count", weight="size" if exposure else None)
    logs = run(panel, "extended_two_way", "cells", scale="log", **options).frame(factor="none", cluster="unit")
    assert logs["estimate"].to_numpy() == pytest.approx(b[-len(cells) :], abs=1e-8)
    assert logs["std_error"].to_numpy() == pytest.approx(np.sqrt(np.diag(covariance))[-len(cells) :], rel=1e-7)
    treated = ((rows["first"] > 0) & (rows["period"] >= rows["first"])).to_numpy()
    with_reform, without = values[treated], values[treated].copy()
    without[:, -len(cells) :] = 0.0
    up, down = np.exp(with_reform @ b + offset[treated]), np.exp(without @ b + offset[treated])
    slope = (up @ with_reform - down @ without) / treated.sum()
    ours = run(panel, "extended_two_way", **options).frame(factor="none", cluster="unit")
    assert ours["estimate"][0] == pytest.approx((up - down).mean(), rel=1e-9)
    assert ours["std_error"][0] == pytest.approx(np.sqrt(slope @ covariance @ slope), rel=1e-7)
    held = np.zeros_like(slope)
    held[-len(cells) :] = (up @ with_reform[:, -len(cells) :]) / treated.sum()
    ours = run(panel, "extended_two_way", hold_effects=True, **options).frame(factor="none", cluster="unit")
    assert ours["std_error"][0] == pytest.approx(np.sqrt(held @ covariance @ held), rel=1e-7)


def test_a_rate_weighted_by_its_denominator_is_a_count_with_exposure(draw: Draw, build: Build, run: Run) -> None:
    rows = draw(missing=0.05)
    count = run(build(rows, "count", weight="size"), "extended_two_way", family="poisson", exposure=True, scale="log")
    rate = build(rows.assign(rate=rows["count"] / rows["size"]), "rate", weight="size")
    again = run(rate, "extended_two_way", family="poisson", scale="log")
    cells, cells_again = (
        run(p, "extended_two_way", "cells", family="poisson", scale="log", exposure=e)
        for p, e in ((build(rows, "count", weight="size"), True), (rate, False))
    )
    assert cells.estimates == pytest.approx(cells_again.estimates, abs=1e-9)
    assert cells.scores == pytest.approx(cells_again.scores, abs=1e-9)
    assert count.estimates != pytest.approx(again.estimates, abs=1e-9), "the average weighs cells alike, or by denominator"


def stacked_rows(rows: pd.DataFrame, pre: int, post: int) -> pd.DataFrame:
    """The stack as the authors' code builds it: sub-experiments, clean controls, corrective weights by event time."""
    parts = []
    for start in sorted(set(rows["first"]) - {0}):
        if start - pre < rows["period"].min() or start + post > rows["period"].max():
            continue
        mine = rows[(rows["first"] == start) | (rows["first"] == 0) | (rows["first"] > start + post)]
        mine = mine[mine["period"].between(start - pre, start + post)]
        parts.append(mine.assign(sub=start, treat=(mine["first"] == start).astype(float), event=mine["period"] - start))
    whole = pd.concat(parts, ignore_index=True)
    count = whole.groupby(["sub", "event", "treat"])["unit"].transform("size")
    total = whole.groupby(["event", "treat"])["unit"].transform("size")
    share = (count / total).to_numpy()
    treated = whole[whole["treat"] == 1].groupby(["sub", "event"])["unit"].size()
    of = treated / treated.groupby("event").transform("sum")
    mine_share = of.reindex(pd.MultiIndex.from_frame(whole[["sub", "event"]])).to_numpy()
    return whole.assign(q=np.where(whole["treat"] == 1, 1.0, mine_share / share))


@pytest.mark.parametrize("missing", [0.0, 0.08])
def test_stacked_is_the_weighted_regression_on_the_stack(draw: Draw, build: Build, run: Run, missing: float) -> None:
    rows = draw(missing=missing)
    whole = stacked_rows(rows, 2, 1)
    events = [-2, 0, 1]
    x = pd.concat([dummies(whole, "event", False), whole["treat"]], axis=1)
    for e in events:
        x[f"treat,{e}"] = whole["treat"] * (whole["event"] == e)
    fit = sm.WLS(whole["y"], x, weights=whole["q"]).fit(
        cov_type="cluster", cov_kwds={"groups": whole["unit"].to_numpy(), "use_correction": True}
    )
    result = run(build(rows), "stacked", "event_time", kappa_pre=2, kappa_post=1)
    ours = result.frame(cluster="unit").set_index("event_time")
    for e in events:
        assert ours.loc[e, "estimate"] == pytest.approx(fit.params[f"treat,{e}"], abs=1e-10)
        assert ours.loc[e, "std_error"] == pytest.approx(fit.bse[f"treat,{e}"], rel=1e-9)
    assert result.observations[0] == len(whole) and result.parameters[0] == x.shape[1]


@pytest.mark.parametrize("reweight", [False, True])
@pytest.mark.parametrize("horizon", [-3, 0, 2])
def test_local_projection_is_a_regression_on_long_differences(
    draw: Draw, build: Build, run: Run, horizon: int, reweight: bool
) -> None:
    rows = draw(missing=0.08).set_index(["unit", "period"])["y"].unstack()
    first = draw().groupby("unit")["first"].first()
    parts = []
    for t in rows.columns:
        if t - 1 in rows and t + horizon in rows:
            clean = (first == 0) | (first > t + max(horizon, 0))
            kept = (first == t) | clean
            change = rows[t + horizon] - rows[t - 1]
            parts.append(pd.DataFrame({"d": change[kept], "start": (first[kept] == t).astype(float), "t": t}).dropna())
    whole = pd.concat(parts).reset_index()
    share = whole.groupby("t")["start"].transform("mean")
    q = np.where(reweight, 1 / (1 - share), 1.0)
    x = pd.concat([dummies(whole, "t", False), whole["start"]], axis=1)
    fit = sm.WLS(whole["d"], x, weights=q).fit(
        cov_type="cluster", cov_kwds={"groups": whole["unit"].to_numpy(), "use_correction": True}
    )
    ours = run(build(draw(missing=0.08)), "local_projections", "event_time", reweight=reweight).frame(cluster="unit")
    mine = ours.set_index("event_time").loc[horizon]
    assert mine["estimate"] == pytest.approx(fit.params["start"], abs=1e-10)
    assert mine["std_error"] == pytest.approx(fit.bse["start"], rel=1e-9)


@pytest.mark.parametrize("weight", [None, "size"])
def test_errors_of_two_stage_are_those_of_the_two_moments(draw: Draw, build: Build, run: Run, weight: str | None) -> None:
    """The sandwich of the stacked moments of both stages (Gardner 2022, section 3.3), with weights."""
    rows = draw(missing=0.08)
    w = np.ones(len(rows)) if weight is None else rows["size"].to_numpy()
    on = ((rows["first"] > 0) & (rows["period"] >= rows["first"])).to_numpy(float)
    z = pd.concat([dummies(rows, "unit", False), dummies(rows, "period", True)], axis=1).to_numpy()
    z0 = z * (1 - on)[:, None]
    first = np.linalg.lstsq(z0.T @ (z0 * w[:, None]), z0.T @ (w * rows["y"].to_numpy()), rcond=None)[0]
    residual = rows["y"].to_numpy() - z @ first
    effect = float((w * on * residual).sum() / (w * on).sum())
    pull = np.linalg.solve(z0.T @ (z0 * w[:, None]), z.T @ (w * on))
    score = w * on * (residual - effect) - (z0 @ pull) * w * (1 - on) * residual
    sums = pd.Series(score / (w * on).sum()).groupby(rows["unit"].to_numpy()).sum()
    ours = run(build(rows, weight=weight), "two_stage").frame(factor="none", cluster="unit")
    assert ours["estimate"][0] == pytest.approx(effect, abs=1e-10)
    assert ours["std_error"][0] == pytest.approx(np.sqrt((sums**2).sum()), rel=1e-9)


def test_settles_on_counts_that_differ_by_orders_of_magnitude(build: Build, run: Run) -> None:
    rng = np.random.default_rng(5)
    unit, period = np.repeat(np.arange(40), 6), np.tile(np.arange(1, 7), 40)
    first = np.where(unit % 4 == 0, 4, 0)
    mean = np.exp(rng.normal(2, 3, 40))[unit] * (1 + 0.2 * period)
    rows = pd.DataFrame(
        {"unit": unit, "period": period, "first": first, "y": rng.poisson(mean).astype(float), "region": unit % 5}
    )
    options: dict[str, Any] = {"family": "poisson", "scale": "log"}
    kept = rows.groupby("unit")["y"].transform("sum") > 0
    x, cells = saturated_design(rows[kept], "not_yet_treated", "unit")
    fit = sm.GLM(rows.loc[kept, "y"], x, family=sm.families.Poisson()).fit(tol=1e-14, maxiter=300)
    ours = run(build(rows), "extended_two_way", "cells", **options)
    assert ours.estimates == pytest.approx(fit.params.to_numpy()[-len(cells) :], rel=1e-7)
