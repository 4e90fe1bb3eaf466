"""Estimates from cells are those that linearmodels gives on the rows: coefficient and clustered error."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from linearmodels.iv.absorbing import AbsorbingLS
from linearmodels.panel import PanelOLS

from evaluation import NotEstimable, Panel, PanelError, Result, estimate
from evaluation.cells import Cells, beyond_cells, cells, row_level

NEVER_LATER = 99


def drawn(seed: int, units: int = 14, periods: int = 5, most: int = 9, level: float = 0.0) -> pd.DataFrame:
    """Rows in an unbalanced table: units of different size, empty cells, weights, an outcome that depends on what rows have."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(0, most, (units, periods)) * (rng.random((units, periods)) > 0.1)
    unit, period = (np.repeat(index.ravel(), sizes.ravel()) for index in np.indices(sizes.shape))
    first = np.where(rng.random(units) < 0.5, rng.integers(1, periods, units), 0)
    first[:3] = (1, 2, 0)
    frame = pd.DataFrame({"unit": unit, "period": period, "first": first[unit], "region": unit // 3})
    frame["age"] = rng.normal(10, 3, len(frame)) + frame["unit"] * 0.1
    frame["need"] = rng.choice(["autism", "moderate", "speech"], len(frame))
    frame["w"] = rng.uniform(0.2, 3, len(frame))
    frame["on"] = ((frame["first"] > 0) & (frame["period"] >= frame["first"])).astype(float)
    frame["y"] = level + frame["on"] + 0.5 * frame["age"] * (1 + frame["on"]) + (frame["need"] == "speech") * 2
    frame["y"] += rng.normal(0, 1, units)[unit] + rng.normal(0, 1, len(frame))
    return frame


def of_cells(rows: pd.DataFrame, weight: str | None, row_covariates: list[str]) -> Panel:
    strata = [name for name in row_covariates if name == "need"]
    given = [name for name in row_covariates if name != "need"]
    made = cells(rows, "unit", "period", ["y"], covariates=given, weight=weight, strata=strata)
    who = rows.groupby("unit", as_index=False)[["first", "region"]].first()
    return Panel.from_cells(
        made,
        treatment=who,
        outcome={"y": ("y", None, 1.0)},
        first_treated="first",
        weight="rows",
        cluster=("unit", "region"),
        row_covariates=row_covariates,
    )


def by_linearmodels(rows: pd.DataFrame, weight: str | None, row_covariates: list[str]) -> tuple[float, float, float]:
    """Coefficient of treatment, its error by unit and by region, on rows: each row is a time of its own in its unit."""
    rows = rows.reset_index(drop=True)
    index = [rows["unit"], rows.groupby("unit").cumcount()]
    regressors = [rows[["on"]], *[pd.get_dummies(rows["period"], prefix="t", dtype=float).iloc[:, 1:]]]
    for name in row_covariates:
        one = pd.get_dummies(rows[name], dtype=float).iloc[:, 1:] if name == "need" else rows[[name]]
        regressors.append(one)
    table = pd.concat(regressors, axis=1).set_index(index)
    y, w = rows["y"].set_axis(table.index), None if weight is None else rows[weight].set_axis(table.index)
    model = PanelOLS(y, table, entity_effects=True, weights=w, drop_absorbed=True)
    errors = []
    for cluster in ("unit", "region"):
        given = rows[[cluster]].set_axis(table.index)
        fitted = model.fit(cov_type="clustered", clusters=given, group_debias=True, count_effects=True, auto_df=False)
        errors.append(float(fitted.std_errors["on"]))
    return float(fitted.params["on"]), errors[0], errors[1]


def same_as_rows(rows: pd.DataFrame, weight: str | None, row_covariates: list[str]) -> None:
    panel = of_cells(rows, weight, row_covariates)
    result = estimate(panel, "two_way_fixed_effects", covariates="rows" if row_covariates else "none")
    if isinstance(result, NotEstimable):
        pytest.fail(result.reason)
    kept = rows[rows["unit"].isin(result.units)]
    coefficient, by_unit, by_region = by_linearmodels(kept, weight, row_covariates)
    assert result.estimates[0] == pytest.approx(coefficient, rel=1e-9)
    for cluster, error in (("unit", by_unit), ("region", by_region)):
        found = result.inference("clustered", cluster=cluster, factor="CR1_all_effects").std_error[0]
        assert found == pytest.approx(error, rel=1e-9), cluster


@settings(max_examples=8, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 10_000),
    weight=st.sampled_from([None, "w"]),
    row_covariates=st.sampled_from([[], ["age"], ["need"], ["age", "need"]]),
)
def test_any_rows_give_the_same_from_cells(seed: int, weight: str | None, row_covariates: list[str]) -> None:
    same_as_rows(drawn(seed), weight, row_covariates)


def test_a_billion_and_noise_gives_the_same_from_cells() -> None:
    rows = drawn(3, level=1e9)
    near = rows.assign(y=rows["y"] - 1e9)  # exact: both lie within a factor of two of a billion
    panel, other = of_cells(rows, None, ["age"]), of_cells(near, None, ["age"])
    ours, theirs = (estimate(one, "two_way_fixed_effects", covariates="rows") for one in (panel, other))
    assert isinstance(ours, Result) and isinstance(theirs, Result)
    assert ours.estimates[0] == pytest.approx(theirs.estimates[0], rel=1e-9)
    assert ours.frame()["std_error"][0] == pytest.approx(theirs.frame()["std_error"][0], rel=1e-9)


def test_event_study_with_covariates_equals_absorbing_least_squares() -> None:
    rows = drawn(11, units=20, periods=6)
    result = estimate(of_cells(rows, "w", ["age"]), "two_way_fixed_effects", aggregate="event_time", covariates="rows")
    assert isinstance(result, Result)
    kept = rows[rows["unit"].isin(result.units)].reset_index(drop=True)
    event = np.where(kept["first"] > 0, kept["period"] - kept["first"], NEVER_LATER)
    labels = result.labels["event_time"]
    times = [int(e) for e, kind in zip(labels, result.labels["kind"], strict=True) if kind in ("pre", "post")]
    table = pd.DataFrame({f"e{e}": (event == e).astype(float) for e in times}).assign(age=kept["age"])
    absorb = pd.DataFrame({"unit": pd.Categorical(kept["unit"]), "period": pd.Categorical(kept["period"])})
    fitted = AbsorbingLS(kept["y"], table, absorb=absorb, weights=kept["w"]).fit()
    ours = dict(zip(labels, result.estimates, strict=True))
    assert [ours[e] for e in times] == pytest.approx([fitted.params[f"e{e}"] for e in times], rel=1e-8, abs=1e-9)


def test_imputation_from_cells_equals_imputation_on_rows() -> None:
    rows = drawn(5, units=20)
    panel = of_cells(rows, None, [])
    result = estimate(panel, "imputation")
    assert isinstance(result, Result)
    kept = rows[rows["unit"].isin(result.units)].reset_index(drop=True)
    dummies = pd.concat([pd.get_dummies(kept[name], prefix=name, dtype=float) for name in ("unit", "period")], axis=1).to_numpy()
    off = kept["on"].to_numpy() == 0
    effects = kept["y"].to_numpy() - dummies @ np.linalg.lstsq(dummies[off], kept["y"].to_numpy()[off], rcond=None)[0]
    known = np.isin(kept["period"], kept["period"][off])
    assert result.estimates[0] == pytest.approx(effects[~off & known].mean(), rel=1e-9)


def test_what_cells_cannot_carry_is_said_with_the_way_on_rows() -> None:
    rows = drawn(1)
    made = cells(rows, "unit", "period", ["y"], covariates=["age"])
    assert beyond_cells(made.recipe, covariates=["age"], effects=["unit", "period"], clusters=["unit"]) is None
    asked: dict[str, dict[str, object]] = {
        "neither cross products nor strata of 'need'": {"covariates": ["need"]},
        "effects of each pupil are finer than cells": {"effects": ["pupil", "period"]},
        "clustered by class split the unit": {"clusters": ["class"]},
        "a median is no sum": {"median": True},
    }
    for words, question in asked.items():
        refusal = beyond_cells(made.recipe, **question)  # type: ignore[arg-type]
        assert refusal is not None and words in refusal.reason and "rows" in refusal.remedy
    with pytest.raises(PanelError, match="neither cross products nor strata of 'need'.*row_level"):
        Panel.from_cells(
            made,
            treatment=rows[["unit", "first"]].drop_duplicates(),
            outcome={"y": ("y", None, 1.0)},
            first_treated="first",
            weight="rows",
            row_covariates=["need"],
        )
    plain = of_cells(rows, None, [])
    refused = estimate(plain, "two_way_fixed_effects", covariates="rows")
    assert isinstance(refused, NotEstimable) and "row_level" in refused.remedy


def test_the_way_on_rows_is_linearmodels_and_says_its_memory() -> None:
    rows = drawn(2).assign(pupil=lambda frame: np.arange(len(frame)) // 3)
    fit = row_level(rows, "y", ["on", "age"], effects=["unit", "period"], cluster="unit", weight="w")
    panel = of_cells(rows, "w", ["age"])
    kept = estimate(panel, "two_way_fixed_effects", covariates="rows")
    assert isinstance(kept, Result) and fit.rows == len(rows) and fit.memory > 0
    if not kept.dropped:
        assert fit.frame["estimate"][0] == pytest.approx(kept.estimates[0], rel=1e-8)
    with pytest.raises(PanelError, match="rows with 5 columns need about .* GB of memory, and 0.0 GB are allowed"):
        row_level(rows, "y", ["on"], effects=["pupil", "period"], cluster="unit", limit=1000)


def test_weights_carry_the_number_only_where_no_covariate_differs_within_cells() -> None:
    rows = drawn(4)
    plain = estimate(of_cells(rows, None, []), "two_way_fixed_effects")
    assert isinstance(plain, Result)
    outcome = np.nan_to_num(plain.panel.values[0]).ravel()
    assert (plain.weights @ outcome)[0] == pytest.approx(plain.estimates[0], rel=1e-9)
    covered = estimate(of_cells(rows, None, ["age"]), "two_way_fixed_effects", covariates="rows")
    assert isinstance(covered, Result)
    with pytest.raises(PanelError, match="keeps no weights on cells"):
        _ = covered.weights


def test_cells_of_regions_add_up_to_the_whole() -> None:
    rows = drawn(8, level=1e6)
    parts = [cells(part, "unit", "period", ["y"], covariates=["age"], weight="w") for _, part in rows.groupby("region")]
    total: Cells = parts[0]
    for part in parts[1:]:
        total = total + part
    whole = cells(rows, "unit", "period", ["y"], covariates=["age"], weight="w")
    pd.testing.assert_frame_equal(total.about(whole.pivots).frame, whole.frame, rtol=1e-9, atol=1e-6)
