"""The researcher's door: what `evaluation` exports, and that it works as the design says."""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest

import evaluation
from evaluation import AGGREGATES, ESTIMATORS, INFERENCES, NotEstimable, OptionError, Panel, PanelError, Result, estimate

EXPORTED = [
    "AGGREGATES",
    "BaconDecomposition",
    "Cells",
    "DetectableEffect",
    "ESTIMATORS",
    "FewClusters",
    "INFERENCES",
    "Inference",
    "NotEstimable",
    "OptionError",
    "Panel",
    "PanelError",
    "PretrendTest",
    "Rating",
    "Result",
    "TwoWayWeights",
    "Verdict",
    "bacon_decomposition",
    "estimate",
    "few_clusters",
    "few_clusters_by_outcome",
    "not_estimable_verdict",
    "pretrend_test",
    "rate",
    "reading",
    "smallest_detectable_effect",
    "two_way_weights",
    "verdict",
]


def test_what_is_exported() -> None:
    assert evaluation.__all__ == EXPORTED
    for name in EXPORTED:
        exported = getattr(evaluation, name)
        assert exported.__doc__, name


def test_names() -> None:
    assert set(ESTIMATORS) >= {"group_time", "two_by_two", "two_way_fixed_effects"}
    assert set(INFERENCES) >= {"clustered", "influence"}
    assert sorted(AGGREGATES) == ["calendar", "cells", "cohort", "event_time", "overall", "region"]


@pytest.fixture
def frame(golden_frame: Callable[[str], pd.DataFrame]) -> pd.DataFrame:
    return golden_frame("panel")


def test_the_design_page_word_for_word(frame: pd.DataFrame) -> None:
    panel = Panel.from_frame(
        frame,
        unit="authority",
        period="term",
        first_treated="first_term",
        outcome="rate",
        weight=None,
        cluster="region",
        covariates=["deprivation"],
    )
    result = estimate(panel, "group_time", control="not_yet_treated", aggregate="event_time")
    assert isinstance(result, Result)
    table = result.frame()
    assert list(table)[:3] == ["outcome", "event_time", "kind"]
    assert {"estimate", "std_error", "lower", "upper"} <= set(table)
    narrow = result.frame(level=0.5)
    assert (narrow["upper"] - narrow["lower"] < table["upper"] - table["lower"]).all()
    found = result.inference("wild_cluster", cluster="region", draws=9999, seed=1).frame()
    after = (found["kind"] == "post").to_numpy(bool)
    assert found.loc[after, "p_value"].between(0, 1).all() and (found.loc[after, "lower"] < found.loc[after, "upper"]).all()


def test_covariates_are_carried_and_wrong_ones_named(frame: pd.DataFrame) -> None:
    plain = Panel.from_frame(frame, "authority", "term", "first_term", "rate")
    given = Panel.from_frame(frame, "authority", "term", "first_term", "rate", covariates=["deprivation", "pupils"])
    assert plain.notices == given.notices == () and plain.covariate_values is None
    assert given.covariate_values is not None and given.covariate_values.shape == (2, 153, 12)
    assert given.covariate_values[1].ravel().tolist() == frame.sort_values(["authority", "term"])["pupils"].tolist()
    with pytest.raises(PanelError, match="There is no column 'poverty'"):
        Panel.from_frame(frame, "authority", "term", "first_term", "rate", covariates=["poverty"])
    with pytest.raises(PanelError, match="Column 'name' is not numeric"):
        Panel.from_frame(frame.assign(name="x"), "authority", "term", "first_term", "rate", covariates=["name"])


def test_an_estimator_that_uses_no_covariates_says_so(frame: pd.DataFrame) -> None:
    given = Panel.from_frame(frame, "authority", "term", "first_term", "rate", covariates=["deprivation"])
    result = estimate(given, "two_way_fixed_effects")
    plain = estimate(Panel.from_frame(frame, "authority", "term", "first_term", "rate"), "two_way_fixed_effects")
    assert isinstance(result, Result) and isinstance(plain, Result)
    assert result.warnings[-1] == "two_way_fixed_effects uses no covariates: deprivation changed nothing."
    assert result.estimates == plain.estimates
    used = estimate(given, "group_time")
    assert isinstance(used, Result) and not any("changed nothing" in warning for warning in used.warnings)


def test_several_outcomes_in_one_call(frame: pd.DataFrame) -> None:
    panel = Panel.from_frame(frame, "authority", "term", "first_term", ["rate", "count"], cluster="region")
    both = estimate(panel, "group_time", aggregate="event_time")
    assert isinstance(both, Result)
    for name in ("rate", "count"):
        one = estimate(panel.outcome(name), "group_time", aggregate="event_time")
        assert isinstance(one, Result)
        same = both.rows((both.labels["outcome"] == name).to_numpy())
        pd.testing.assert_frame_equal(same.frame(), one.frame())
        assert np.array_equal(same.weights.toarray(), one.weights.toarray())


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_every_aggregate_has_labels_and_a_known_kind(frame: pd.DataFrame, aggregate: str) -> None:
    panel = Panel.from_frame(frame, "authority", "term", "first_term", "rate", cluster="region")
    result = estimate(panel, "group_time", aggregate=aggregate)
    assert isinstance(result, Result)
    assert set(result.labels["kind"]) <= {"pre", "reference", "post", "average", "overall"}
    assert len(result.labels) == len(result.estimates) == result.scores.shape[1] == result.compared.shape[1]
    assert result.frame(cluster="authority")["std_error"].notna().all()


def test_polars_and_duckdb_give_the_same_numbers(frame: pd.DataFrame) -> None:
    ours = [
        estimate(Panel.from_frame(form, "authority", "term", "first_term", "rate", cluster="region"), "group_time")
        for form in (frame, pl.from_pandas(frame), pl.from_pandas(frame).lazy(), duckdb.from_df(frame))
    ]
    for result in ours:
        assert isinstance(result, Result) and isinstance(ours[0], Result)
        pd.testing.assert_frame_equal(result.frame(), ours[0].frame(), rtol=0, atol=0)


def test_text_periods_in_a_given_order() -> None:
    terms = ["autumn", "spring", "summer"]
    rows = [
        (u, t, "summer" if u < 2 else None, float(u + terms.index(t) + 5 * (u < 2 and t == "summer")))
        for u in range(4)
        for t in terms
    ]
    frame = pd.DataFrame(rows, columns=["u", "t", "first", "y"])
    result = estimate(Panel.from_frame(frame, "u", "t", "first", "y", periods=terms), "group_time", aggregate="cells")
    assert isinstance(result, Result)
    assert result.estimates == pytest.approx([0.0, 5.0])
    assert result.labels["period"].tolist() == ["spring", "summer"]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ({"name": "magic"}, "Estimator 'magic' does not exist. Choose one of: 'dose', 'extended_two_way'"),
        ({"name": "group_time", "aggregate": "weekly"}, "aggregate 'weekly' does not exist"),
        ({"name": "two_by_two", "aggregate": "region"}, "two_by_two has no aggregate 'region'. It has: overall."),
        ({"name": "group_time", "controls": "never"}, "has no option 'controls'. Its options are: control, anticipation"),
        ({"name": "group_time", "control": "never"}, "Option control of group_time 'never' does not exist"),
        ({"name": "group_time", "anticipation": -1}, "anticipation must be a whole number"),
        ({"name": "group_time", "anticipation": 0.5}, "anticipation must be a whole number"),
    ],
)
def test_wrong_names_are_named(golden_panel: Panel, call: dict[str, str], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        estimate(golden_panel, **call)


def test_wrong_inference_is_named(golden_panel: Panel) -> None:
    result = estimate(golden_panel, "group_time")
    assert isinstance(result, Result)
    with pytest.raises(OptionError, match="inference 'bootstrap' does not exist"):
        result.inference("bootstrap")
    with pytest.raises(OptionError, match="has no option 'draws'. Its options are: factor, distribution"):
        result.inference("clustered", draws=999)
    with pytest.raises(OptionError, match="factor 'CR9' does not exist"):
        result.inference(factor="CR9")
    with pytest.raises(PanelError, match="There is no cluster 'ward' in the panel. It has: authority, region"):
        result.inference(cluster="ward")
    with pytest.raises(OptionError, match="level must lie between 0 and 1"):
        result.frame(level=95)


def test_what_is_not_estimable_has_no_number() -> None:
    refusal = NotEstimable("all start at once", "Add units that do not adopt.")
    assert not refusal.estimable
    with pytest.raises(PanelError, match="There is no estimate: all start at once. Add units"):
        refusal.frame()
    with pytest.raises(PanelError, match="all start at once"):
        refusal.inference()
    assert refusal.to_dict() == {"reason": "all start at once", "remedy": "Add units that do not adopt."}


def test_which_cells_carry_a_result(golden_panel: Panel) -> None:
    result = estimate(golden_panel, "two_way_fixed_effects")
    assert isinstance(result, Result)
    carried = result.weights_frame()
    assert list(carried) == ["authority", "term", "treated", "weight"]
    assert carried.loc[carried["treated"], "weight"].sum() == pytest.approx(1.0)
    assert carried["weight"].sum() == pytest.approx(0.0, abs=1e-12)
    assert np.isclose(carried.groupby("authority")["weight"].sum(), 0.0, atol=1e-12).all()
