"""The three sentences for every kind of result: what they say, and the words they never use."""

import re
from typing import Any

import pytest

from evaluation.errors import PanelError
from evaluation.rating import facts_of, rate
from evaluation.reading import reading

JARGON = re.compile(
    r"p-value|\bp\b ?[=<]|cluster|parallel trend|significan|estimat|standard error|treatment|treated|counterfactual|bootstrap|"
    r"confidence|null|robust|hypothes|specification|coefficient",
    re.IGNORECASE,
)


def document(estimate: float, lower: float, upper: float, kind: str, **changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "outcome_label": "Requests refused",
        "unit_label": "percentage points",
        "period_word": "term",
        "headline": {
            "estimator": "group_time",
            "cluster": "region",
            "estimate": estimate,
            "lower": lower,
            "upper": upper,
            "level": 0.95,
        },
        "design": {"treated_units": 32, "comparison_units": 119, "periods": ["a"] * 10, "missing_treated_cells": 0},
        "verdict": {"kind": kind, "words": ""},
        "smallest_effect": 3.0,
        "smallest_detectable_effect": {"value": 2.5},
        "warnings": [],
        "few_clusters": {"p_value": 0.01, "fragile": False},
        "bounds": {
            "original": {"lower": lower, "upper": upper},
            "relative_magnitudes": [{"value": 1.0, "lower": lower, "upper": upper}],
            "breakdown": {"relative_magnitudes": 1.3, "at_least": False},
        },
        "results": [
            {"estimator": name, "aggregate": "overall", "cluster": "region", "rows": [{"estimate": estimate}]}
            for name in ("group_time", "imputation")
        ],
    }
    made |= changes
    return made


def rated(made: dict[str, Any], planned: bool = True) -> dict[str, Any]:
    return {**made, "rating": rate(facts_of(made, planned=planned)).to_dict()}


def said(made: dict[str, Any]) -> tuple[str, str, str]:
    """The sentences, after what holds for all of them."""
    sentences = reading(made)
    assert len(sentences) == 3
    for sentence in sentences:
        assert sentence[0].isupper() and sentence.endswith(".") and not sentence.endswith("..")
        # One sentence: no full stop but the last, numbers aside.
        assert not re.search(r"\.\s", sentence), sentence
        assert not JARGON.search(sentence), sentence
        assert "-" not in re.sub(r"\w-\w", "", sentence), "a minus sign is U+2212"
    return sentences


def test_a_clear_effect() -> None:
    found, belief, follows = said(rated(document(-6.1, -10.1, -2.1, "improved")))
    assert found == (
        "With the reform, “Requests refused” stood 6.1 percentage points lower in the 32 local authorities that have it than if "
        "it had moved as in the 119 that compare; the range that fits with the figures, at 95%, is 2.1 to 10.1 percentage points "
        "lower."
    )
    assert belief == (
        "This number is well supported (4 of 5 locks); against it stands that the local authorities were not chosen by lot."
    )
    assert follows == (
        "That is a change for the better and more than chance alone brings, to be weighed with its cost and with what got worse."
    )


def test_a_clear_effect_that_cannot_be_believed_is_no_ground_to_decide() -> None:
    weak = document(6.1, 2.1, 10.1, "improved", few_clusters={"p_value": 0.04, "fragile": True}, smallest_detectable_effect=None)
    found, belief, follows = said(rated(weak, planned=False))
    assert "2.1 to 10.1 percentage points higher" in found
    assert belief.startswith(
        "This number rests on little (1 of 5 locks); against it stands that very few partnerships have the reform"
    )
    assert "it was not planned beforehand" in belief and "1 of the things that the rating looks at is not known" in belief
    assert "do not decide on this number alone" in follows


def test_a_clear_effect_that_is_too_small_to_matter() -> None:
    *_, follows = said(rated(document(-1.0, -1.5, -0.5, "improved")))
    assert follows == (
        "That is a change for the better, but less than the 3.0 percentage points that were declared to matter, so by itself it "
        "is no reason to extend the reform."
    )


def test_a_null_with_power() -> None:
    found, belief, follows = said(rated(document(0.2, -1.9, 2.3, "no_effect_as_large")))
    assert found.endswith("at 95%, is from 1.9 percentage points lower to 2.3 higher.")
    assert "4 of 5 locks" in belief
    assert follows == (
        "An effect of 3.0 percentage points or more, the smallest that was declared to matter, would not fit with these figures, "
        "so do not count on one from the reform as it was run here."
    )


def test_a_null_without_power() -> None:
    power = {"detectable": 23.2, "next_period": 19.6}
    seen = {"value": 11.6}
    _, belief, follows = said(rated(document(-0.4, -8.5, 7.7, "cannot_tell", power=power, smallest_detectable_effect=seen)))
    assert "effects that matter could have gone unseen" in belief
    assert follows == (
        "That is no sign that the reform does nothing: better and worse are both possible, and only an effect of 11.6 percentage "
        "points or more would reliably have been seen, and after one more term of 9.8."
    )


def test_a_null_of_which_not_even_the_power_is_known() -> None:
    *_, follows = said(document(-0.4, -8.5, 7.7, "cannot_tell", smallest_detectable_effect=None))
    assert follows == "These figures cannot tell whether the reform did anything, nor how large an effect they could have shown."


def test_a_harm() -> None:
    _, _, follows = said(rated(document(6.1, 2.1, 10.1, "worsened")))
    assert follows == (
        "That is a change for the worse and more than chance alone brings: find out why before the reform goes further."
    )
    *_, weak = said(rated(document(6.1, 2.1, 10.1, "worsened", bounds=None, smallest_effect=7.0, few_clusters=None)))
    assert weak.startswith("That would be a change for the worse, although less than the 7.0 percentage points")


def test_a_harm_elsewhere_is_told_beside_a_gain() -> None:
    guards = [
        {"label": "Plans with an exception", "kind": "harm_seen"},
        {"label": "Appeals", "kind": "harm_ruled_out"},
    ]
    *_, follows = said(rated(document(-6.1, -10.1, -2.1, "improved", guardrails=guards)))
    assert follows.endswith("; harm was seen in “Plans with an exception”, so weigh that first.")
    assert "Appeals" not in follows


def test_a_change_without_a_direction() -> None:
    *_, follows = said(rated(document(6.1, 2.1, 10.1, "changed")))
    assert follows.startswith("Whether that is good or bad this measure does not say")


def test_a_question_that_cannot_be_answered() -> None:
    refusal = {"reason": "all 32 authorities start at once", "remedy": "Add authorities that start later."}
    made = document(0, 0, 0, "not_estimable", headline={"not_estimable": refusal})
    assert said(rated(made)) == (
        "This question cannot be answered from these figures: all 32 authorities start at once.",
        "There is no number to believe or to doubt, and none is given, because any number would mislead.",
        "Add authorities that start later.",
    )
    made["headline"]["not_estimable"]["remedy"] = ""
    assert said(made)[2] == "Nothing in these figures would make an answer possible."


def test_a_broken_series_stands_first_among_the_doubts() -> None:
    broken = document(-6.1, -10.1, -2.1, "improved", warnings=[{"kind": "series_break", "text": ""}])
    _, belief, _ = said(rated(broken, planned=False))
    assert belief == (
        "This number is weakly supported (2 of 5 locks); against it stands that the way of counting changed inside the window, "
        "which cannot be told apart from an effect, it was not planned beforehand and the local authorities were not chosen by "
        "lot."
    )
    assert belief.count("the way of counting changed") == 1
    # Without a rating the break is told all the same.
    assert "the way of counting changed inside the window" in said(broken)[1]


def test_without_a_rating_it_says_so() -> None:
    _, belief, _ = said(document(-6.1, -10.1, -2.1, "improved"))
    assert belief == (
        "How far it can be believed has not been rated; against it stands that the local authorities were not chosen by lot."
    )


def test_checks_that_failed_are_told_and_those_that_passed_prove_nothing() -> None:
    checks = [
        {"check": "pretrend", "concern": "serious"},
        {"check": "placebo_dates", "concern": "some"},
        {"check": "balance", "concern": "none"},
        {"check": "leave_one_region_out", "concern": "serious"},
        {"check": "power", "concern": None},
    ]
    _, belief, _ = said(rated(document(-6.1, -10.1, -2.1, "improved", checks=checks)))
    assert belief.endswith(
        "against it stands that the two groups were already on different paths before the reform, one region carries the result "
        "and the local authorities were not chosen by lot."
    )


def test_an_old_run_with_different_paths_before_says_so() -> None:
    old = document(-6.1, -10.1, -2.1, "improved", pretrend={"not_estimable": None, "p_value_hotelling": 0.04})
    assert "already on different paths" in said(old)[1]
    old["pretrend"]["p_value_hotelling"] = 0.4
    assert "paths" not in said(old)[1]


def test_more_doubts_than_a_sentence_holds_are_counted() -> None:
    kinds = ("missing_authority", "missing_authority", "stopped", "gameable")
    warnings = [{"kind": kind, "text": ""} for kind in kinds]
    many = document(-6.1, -10.1, -2.1, "improved", warnings=warnings, smallest_detectable_effect={"value": 9.0})
    _, belief, _ = said(rated(many, planned=False))
    # Power, plan, returns, stops, gaming, lot: six doubts, three told.
    assert belief.endswith("and some returns of authorities with the reform are missing; 3 more reasons are given below.")


def test_sizes_are_written_for_readers() -> None:
    small = document(-0.004, -0.03, 0.022, "cannot_tell", unit_label="places per 1,000 pupils", outcome_label=None)
    assert "this measure stood 0.004 places per 1,000 pupils lower" in said(small)[0]
    large = document(1234.5, 1000.0, 1500.0, "changed", unit_label="pounds")
    assert "1,234.5 pounds higher" in said(large)[0] and "is 1,000.0 to 1,500.0 pounds higher" in said(large)[0]


def test_a_document_without_its_parts_is_refused() -> None:
    made = document(1, 0, 2, "changed")
    del made["design"]
    with pytest.raises(PanelError, match="The document has no design"):
        reading(made)
    with pytest.raises(PanelError, match="'great' is of no known kind"):
        reading(document(1, 0, 2, "great"))
