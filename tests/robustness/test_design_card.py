from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from math import comb, exp, log10
from typing import Any

import numpy as np
import pytest

from evaluation import NotEstimable, OptionError, Panel, PanelError, Result, estimate
from evaluation.robustness import Check, design_card
from evaluation.robustness.design_card import log_assignments
from evaluation.robustness.working import Scorer, Working, partial_leverage, working_df

Make = Callable[..., Panel]


def rows_of(card: Check, item: str) -> list[Any]:
    return [row for row in card.rows if row["item"] == item]


def model_of(panel: Panel, name: str, **options: object) -> Working:
    result = estimate(panel, name, **options)
    assert isinstance(result, Result)
    model = Working.of(result)
    assert isinstance(model, Working)
    return model


def test_hand_worked_card(small: Make) -> None:
    # Two pairs of treated, two pairs of others, two periods, start in the second: every weight is ±1/4.
    panel = small(treated=4, others=4, periods=2, starts=(2,))
    card = design_card(panel, estimate(panel, "group_time"), small=5, counts=np.array([[4, 0]] + [[9, 9]] * 7))
    assert card.number == 2 and card.unit == "pairs that have the reform" and card.concern == "serious"
    (cohort,) = rows_of(card, "cohort")
    assert (cohort["value"], cohort["groups"], cohort["cells"], cohort["missing"]) == (4, 2, 4, 0)
    assert rows_of(card, "comparison")[0]["value"] == 4
    assert [(row["value"], row["treated"]) for row in rows_of(card, "clusters")] == [(8, 4), (4, 2)]
    assert rows_of(card, "largest_share")[0]["value"] == 0.5
    assert rows_of(card, "leverage")[0]["value"] == pytest.approx(0.25)
    assert rows_of(card, "effective_clusters")[0]["value"] == pytest.approx(4)
    # A difference of two groups of two equal cluster means: four clusters less two means.
    assert rows_of(card, "df")[0]["value"] == pytest.approx(2)
    assert rows_of(card, "smallest_p")[0]["value"] == pytest.approx(1 / 6)
    assert rows_of(card, "small_cells")[0]["value"] == 1
    assert "the smallest p is 0.167" in card.reading
    json.dumps(card.to_dict(), allow_nan=False)


def test_given_degrees_of_freedom_and_smallest_p_are_shown(small: Make) -> None:
    panel = small()
    card = design_card(panel, estimate(panel, "group_time"), df=3.5, smallest_p=0.01)
    assert rows_of(card, "df")[0]["value"] == 3.5 and rows_of(card, "smallest_p")[0]["value"] == 0.01
    assert card.concern == "serious" and "fragile" in card.reading


@pytest.mark.parametrize("name", ["two_way_fixed_effects", "group_time", "imputation", "stacked"])
@pytest.mark.parametrize("weight", [None, "pupils"])
def test_degrees_of_freedom_are_those_of_the_full_matrices(golden_panel: Make, name: str, weight: str | None) -> None:
    # Tolerance 1e-9 relative: the closed form against dense n × n matrices, unbalanced and weighted.
    panel = golden_panel("panel_unbalanced", weight=weight)
    panel = panel.select(np.arange(len(panel.units)) % 3 == 0)
    model = model_of(panel, name)
    codes = model.panel.cluster_codes("partnership")[1]
    units, periods = model.weights.shape
    seen = (model.cell_weights > 0).ravel()
    root = np.sqrt(model.cell_weights.ravel()[seen])
    dummies = np.hstack([np.kron(np.eye(units), np.ones((periods, 1))), np.kron(np.ones((units, 1)), np.eye(periods))])[seen]
    x = dummies * root[:, None]
    m = np.eye(seen.sum()) - x @ np.linalg.pinv(x)
    w = model.scaled.ravel()[seen]
    r = m - np.outer(m @ (model.treated.ravel()[seen] * root), w)
    by_cluster = np.zeros((seen.sum(), codes.max() + 1))
    by_cluster[np.arange(seen.sum()), np.repeat(codes, periods)[seen]] = w
    gram = by_cluster.T @ r @ r.T @ by_cluster
    assert working_df(model, codes) == pytest.approx(np.trace(gram) ** 2 / np.trace(gram @ gram), rel=1e-9)


def test_leverage_of_two_way_is_that_of_the_treatment_residual(golden_panel: Make) -> None:
    panel = golden_panel("panel_unbalanced", weight="pupils")
    model = model_of(panel, "two_way_fixed_effects")
    codes = model.panel.cluster_codes("region")[1]
    amount = np.bincount(codes, (model.cell_weights * model.treated_within**2).sum(axis=1))
    assert partial_leverage(model, codes) == pytest.approx(amount / amount.sum(), rel=1e-9)


def test_cluster_sums_give_the_error_of_two_way_exactly(golden_panel: Make) -> None:
    panel = golden_panel("panel_unbalanced", weight="pupils")
    result = estimate(panel, "two_way_fixed_effects")
    assert isinstance(result, Result)
    model = model_of(panel, "two_way_fixed_effects")
    _, codes = result.panel.cluster_codes("partnership")
    effects, scores = Scorer.of(model, codes).sums(np.nan_to_num(panel.values[0])[:, :, None])
    plain = result.inference("clustered", cluster="partnership", factor="none")
    assert effects[0] == pytest.approx(result.estimates[0], rel=1e-12)
    assert np.sqrt((scores**2).sum()) == pytest.approx(plain.std_error[0], rel=1e-9)


def test_assignments_are_counted(golden_panel: Make) -> None:
    panel = golden_panel()
    _, codes = panel.cluster_codes("partnership")
    # 130 partnerships: three starts with three each, 121 never.
    ways = comb(130, 3) * comb(127, 3) * comb(124, 3)
    assert log_assignments(panel, codes) == pytest.approx(np.log(float(ways)), rel=1e-12)
    _, region = panel.cluster_codes("region")
    within = np.prod([len(np.unique(codes[region == r])) for r in range(9)])
    assert exp(log_assignments(panel, codes, region)) == pytest.approx(float(within), rel=1e-9)
    card = design_card(panel, estimate(panel, "group_time"), "partnership", "region")
    (row,) = rows_of(card, "smallest_p")
    assert row["value"] == pytest.approx(1 / within) and row["log10_assignments"] == pytest.approx(log10(within))
    assert card.concern == "none" and card.number == 9


def test_partnerships_across_regions_cannot_be_permuted_within(golden_panel: Make) -> None:
    panel = golden_panel()
    with pytest.raises(PanelError, match="lies in more than one authority"):
        design_card(panel, estimate(panel, "group_time"), "partnership", "authority")


def test_overlapping_reforms_are_counted_where_they_overlap(small: Make) -> None:
    panel = small(treated=20, others=20, starts=(4,))
    reforms = [(0, "AP", 5, None), (1, "AP", 1, 3), (2, "EHC", 2, 4), (30, "AP", 1, 2)]
    card = design_card(panel, estimate(panel, "group_time"), other_reforms=reforms)
    found = {row["label"]: (row["treated"], row["comparison"]) for row in rows_of(card, "overlap")}
    assert found == {"also have AP": (1, 1), "also have EHC": (1, 0)}  # unit 1 had AP before its own start
    assert card.concern == "some" and "2 treated also have another reform" in card.reading
    with pytest.raises(OptionError, match="9 is not a period of the panel"):
        design_card(panel, estimate(panel, "group_time"), other_reforms=[(0, "AP", 9, None)])
    with pytest.raises(OptionError, match="'nobody' is not a unit of the panel"):
        design_card(panel, estimate(panel, "group_time"), other_reforms=[("nobody", "AP", 1, None)])


def test_card_of_what_cannot_be_estimated_and_of_wrong_counts(small: Make) -> None:
    panel = small()
    refused = design_card(panel, NotEstimable("all start at once", "Add others."))
    assert refused.concern is None and "all start at once" in refused.reading
    with pytest.raises(OptionError, match="counts must have one number"):
        design_card(panel, estimate(panel, "group_time"), counts=np.ones((2, 2)))
    with pytest.raises(OptionError, match="one outcome at a time"):
        design_card(small(outcome=["y", "z"]), estimate(panel, "group_time"))


def test_one_large_partnership_is_some_concern(small: Make) -> None:
    panel = small(treated=40, others=40)
    labels = np.where(np.arange(80) < 24, 0, np.arange(80))
    clusters = {**panel.clusters, "pair": (np.unique(labels, return_inverse=True)[1], tuple(np.unique(labels)))}
    uneven = replace(panel, clusters=clusters)
    card = design_card(uneven, estimate(uneven, "group_time"))
    assert card.number == 17 and card.concern == "some" and "more than half" in card.reading


def test_poisson_has_no_weights_and_the_card_says_so(golden_panel: Make) -> None:
    panel = golden_panel()
    card = design_card(panel, estimate(panel, "extended_two_way", family="poisson"), "partnership")
    (row,) = rows_of(card, "effective_clusters")
    assert row["value"] is None and "keeps no weights" in row["note"] and card.number == 9
