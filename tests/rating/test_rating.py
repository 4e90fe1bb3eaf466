"""Every rule of the rating at its threshold, on either side of it and with nothing known; and the file of rules itself."""

import json
import math
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from evaluation.errors import OptionError, PanelError
from evaluation.rating import Rule, Rules, facts_of, load_rules, published_rules, rate

RULES = published_rules().rules
KEPT: dict[str, Any] = {
    "estimate": {"interval": True},
    "design": {"comparison": True, "by_lot": True},
    "few_clusters": {"available": True, "fragile": False},
    "trends": {"breakdown": 1.4},
    "power": {"ratio": 0.8},
    "agreement": {"distance": 0.3},
    "returns": {"missing_percent": 3.0, "series_breaks": 0},
    "plan": {"registered": True},
}
ALONE = 1e-9


def with_fact(path: str, value: Any) -> dict[str, Any]:
    facts = json.loads(json.dumps(KEPT))
    first, second = path.split(".")
    facts[first][second] = value
    return facts  # type: ignore[no-any-return]


def one(rule: Rule) -> Rules:
    return Rules("test", 5, (rule,))


def sides(rule: Rule) -> tuple[Any, Any]:
    """A fact just on the good side of the threshold, and one just beyond it."""
    if rule.condition == "is":
        return rule.threshold, not rule.threshold
    step = ALONE if rule.condition == "at_least" else -ALONE
    return rule.threshold + step, rule.threshold - step


def test_with_every_rule_kept_no_lock_is_lost() -> None:
    rating = rate(KEPT)
    assert (rating.locks, rating.of) == (5, 5)
    assert [judged.cost for judged in rating.rules] == [0] * len(RULES)
    assert not any(judged.against for judged in rating.rules)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_each_rule_at_its_threshold_and_on_either_side(rule: Rule) -> None:
    good, bad = sides(rule)
    for kept in (rule.threshold, good):
        judged = rate(with_fact(rule.fact, kept), one(rule))
        assert (judged.locks, judged.rules[0].cost, judged.rules[0].against) == (5, 0, "")
        assert judged.rules[0].number == kept
    lost = rate(with_fact(rule.fact, bad), one(rule))
    assert (lost.locks, lost.rules[0].cost, lost.rules[0].against) == (5 - rule.cost, rule.cost, rule.against)
    assert lost.rules[0].reason != judged.rules[0].reason
    assert lost.rules[0].reason.endswith(".") and "{" not in lost.rules[0].reason


@pytest.mark.parametrize("unknown", [None, math.nan, {"not_estimable": {"reason": "too few.", "remedy": ""}}, "left out"])
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_what_is_not_known_costs_and_says_so(rule: Rule, unknown: Any) -> None:
    if unknown == "left out":
        facts: dict[str, Any] = {}
    else:
        facts = with_fact(rule.fact, unknown)
        if unknown is not None and rule.condition == "is" and not isinstance(unknown, dict):
            with pytest.raises(PanelError, match="True or False"):
                rate(facts, one(rule))
            return
    judged = rate(facts, one(rule)).rules[0]
    assert judged.cost == rule.unknown_cost
    assert judged.number is None
    assert judged.reason.startswith("Not known: ")
    if isinstance(unknown, dict):
        assert judged.reason == "Not known: too few."


def test_every_fact_that_is_unknown_costs_a_lock_once() -> None:
    """Two rules may look at one fact: unknown, it costs one lock, not two."""
    for fact in {rule.fact for rule in RULES} - {"estimate.interval"}:
        assert sum(rule.unknown_cost for rule in RULES if rule.fact == fact) == 1, fact


def test_nothing_known_gives_no_lock_and_no_locks_are_owed() -> None:
    rating = rate({})
    assert rating.locks == 0
    assert sum(judged.cost for judged in rating.rules) > 5


def test_without_an_interval_nothing_is_left() -> None:
    assert rate(with_fact("estimate.interval", False)).locks == 0


def test_a_comparison_that_was_not_drawn_by_lot_reaches_four() -> None:
    assert rate(with_fact("design.by_lot", False)).locks == 4


def test_one_groups_own_trend_is_never_believed() -> None:
    facts = with_fact("design.comparison", False)
    facts["design"]["by_lot"] = False
    assert rate(facts).locks == 0


def test_drift_costs_one_lock_below_one_and_two_below_a_half() -> None:
    assert [rate(with_fact("trends.breakdown", value)).locks for value in (1.0, 0.99, 0.5, 0.49, 0.0)] == [5, 4, 4, 3, 3]


@given(st.floats(-5, 5), st.floats(0, 5), st.floats(0, 50), st.integers(0, 3))
def test_more_of_what_is_good_never_costs_more(breakdown: float, ratio: float, missing: float, breaks: int) -> None:
    facts = with_fact("trends.breakdown", breakdown)
    facts["power"]["ratio"], facts["returns"] = ratio, {"missing_percent": missing, "series_breaks": breaks}
    better = json.loads(json.dumps(facts))
    better["trends"]["breakdown"] += 0.7
    better["power"]["ratio"] *= 0.5
    better["returns"] = {"missing_percent": missing / 2, "series_breaks": max(0, breaks - 1)}
    low, high = rate(facts), rate(better)
    assert 0 <= low.locks <= high.locks <= 5
    assert low.locks == max(0, 5 - sum(judged.cost for judged in low.rules))


def test_the_size_and_sign_of_the_effect_are_no_business_of_the_rating() -> None:
    paths = {rule.fact for rule in RULES}
    assert not any("estimate.estimate" in path or "p_value" in path or "direction" in path for path in paths)


def test_a_rating_is_plain_json() -> None:
    stored = json.loads(json.dumps(rate(KEPT).to_dict(), allow_nan=False))
    assert {"locks", "of", "version", "rules"} == set(stored)
    assert {"rule", "label", "number", "threshold", "cost", "reason"} <= set(stored["rules"][0])
    assert [row["threshold"] for row in stored["rules"] if row["rule"] in ("trends", "returns", "fragile")] == [
        "no",
        "at least 1",
        "at most 10",
    ]


def test_numbers_stand_in_the_reasons() -> None:
    reasons = {judged.rule: judged.reason for judged in rate(with_fact("power.ratio", 2.254)).rules}
    assert reasons["power"] == "The smallest effect that could be seen is 2.25 times the smallest that matters."
    assert reasons["trends"].startswith("The finding stands even if the groups drifted apart 1.4 times as fast")


@pytest.mark.parametrize("value", ["many", [1], {"value": 1}])
def test_a_fact_of_the_wrong_kind_is_refused(value: Any) -> None:
    with pytest.raises(PanelError, match=r"trends\.breakdown must be a number"):
        rate(with_fact("trends.breakdown", value))


def test_yes_is_no_number_and_one_is_no_yes() -> None:
    with pytest.raises(PanelError, match="must be a number"):
        rate(with_fact("power.ratio", True))
    with pytest.raises(PanelError, match="must be True or False"):
        rate(with_fact("plan.registered", 1))


# The file of rules


def document() -> dict[str, Any]:
    rule = {
        "id": "returns",
        "topic": "t",
        "label": "l",
        "about": "a",
        "fact": "returns.missing",
        "at_most": 10,
        "cost": 1,
        "unknown_cost": 1,
        "kept": "{number} of {threshold}.",
        "lost": "Too many.",
        "against": "x",
        "source": "s",
    }
    return {"version": "1", "locks": 5, "rules": [rule]}


def test_rules_of_ones_own_are_read() -> None:
    rules = load_rules(yaml.safe_dump(document()))
    assert rate({"returns": {"missing": 4}}, rules).rules[0].reason == "4 of 10."


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"at_most": None, "at_least": 3}, "2 conditions"),
        ({"at_most": "ten"}, "at_most must be a number, not 'ten'"),
        ({"at_most": True}, "at_most must be a number"),
        ({"at_most": math.inf}, "at_most must be a number"),
        ({"cost": 0}, "costs nothing where it is lost"),
        ({"cost": 6}, "cost must be a whole number from 0 to 5, not 6"),
        ({"cost": 0.5}, "cost must be a whole number"),
        ({"unknown_cost": None}, "unknown_cost must be a whole number"),
        ({"kept": ""}, "has no kept"),
        ({"source": 3}, "has no source"),
        ({"kept": "{estimate} is large."}, "may hold {number} and {threshold} only"),
        ({"colour": "red"}, "unknown key 'colour'"),
    ],
)
def test_a_mistake_in_a_rule_is_named_with_its_rule(change: dict[str, Any], message: str) -> None:
    rules = document()
    rules["rules"][0] |= change
    with pytest.raises(OptionError, match="returns") as told:
        load_rules(yaml.safe_dump(rules))
    assert message in str(told.value)


def test_a_condition_that_is_not_there_is_asked_for() -> None:
    rules = document()
    del rules["rules"][0]["at_most"]
    with pytest.raises(OptionError, match="0 conditions. Give it exactly one of: at_least, at_most, is"):
        load_rules(yaml.safe_dump(rules))
    rules["rules"][0]["is"] = 1
    with pytest.raises(OptionError, match="`is` must be true or false"):
        load_rules(yaml.safe_dump(rules))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rules: [", "not YAML"),
        ("- 1", "need the keys version, locks and rules"),
        ("{version: '1', locks: 5, rules: [], more: 1}", "and nothing else"),
        ("{version: '1', locks: 0, rules: [{}]}", "whole number of 1 or more"),
        ("{version: '1', locks: 5, rules: []}", "one rule or more"),
        ("{version: '1', locks: 5, rules: [7]}", "Rule number 1 is no list of keys"),
    ],
)
def test_a_file_that_is_no_file_of_rules_is_refused(text: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        load_rules(text)


def test_one_id_twice_is_refused() -> None:
    rules = document()
    rules["rules"] *= 2
    with pytest.raises(OptionError, match="'returns' stands there twice"):
        load_rules(yaml.safe_dump(rules))


# From the stored document to the facts


def question(**changes: Any) -> dict[str, Any]:
    def overall(name: str, estimate: float | None, cluster: str = "region") -> dict[str, Any]:
        rows = [] if estimate is None else [{"estimate": estimate}]
        return {"estimator": name, "aggregate": "overall", "cluster": cluster, "rows": rows}

    made = {
        "headline": {"estimator": "group_time", "cluster": "region", "estimate": -6.0, "lower": -10.0, "upper": -2.0},
        "design": {"treated_units": 30, "periods": ["a"] * 10, "missing_treated_cells": 9, "cells_after_stop": 0},
        "verdict": {"kind": "improved"},
        "smallest_effect": 4.0,
        "smallest_detectable_effect": {"value": 6.0},
        "warnings": [{"kind": "series_break", "text": ""}, {"kind": "notice", "text": ""}],
        "results": [
            overall("group_time", -6.0),
            overall("imputation", -8.0),
            overall("stacked", -1.0),
            overall("stacked", 50.0, cluster="authority"),
            overall("two_way_fixed_effects", 40.0),
            overall("synthetic", None),
        ],
        "few_clusters": {"p_value": 0.02, "fragile": True},
        "bounds": {
            "original": {"lower": -3.0, "upper": 3.5},
            "relative_magnitudes": [
                {"value": 1.5, "lower": -3.9, "upper": 3.9},
                {"value": 0.5, "lower": -3.5, "upper": 3.6},
                {"value": 1.0, "lower": -3.6, "upper": 4.0},
            ],
            "breakdown": {"relative_magnitudes": 0.7, "at_least": False},
        },
    }
    return {**made, **changes}


def test_the_facts_of_a_document_by_hand() -> None:
    facts = facts_of(question(), planned=True)
    assert facts["agreement"]["distance"] == pytest.approx(5 / 4)  # stacked: 5.0 above, the half-width there is 4.0
    assert facts["returns"] == {"missing_percent": pytest.approx(3.0), "series_breaks": 1}  # 9 of 30 × 10
    assert facts["power"]["ratio"] == pytest.approx(1.5)
    assert facts["trends"]["breakdown"] == 0.7
    assert facts["few_clusters"] == {"available": True, "fragile": True}
    # Lost: by lot, fragile, trends (one of two), power, agreement, series break.
    assert rate(facts).locks == 0
    assert [judged.rule for judged in rate(facts).rules if judged.cost] == [
        "by_lot",
        "fragile",
        "trends",
        "power",
        "agreement",
        "series_breaks",
    ]


def test_what_the_interval_could_show_goes_before_what_was_expected() -> None:
    known = question(power={"detectable": 2.0}, smallest_detectable_effect={"value": 3.0})
    assert facts_of(known)["power"]["ratio"] == pytest.approx(0.75)
    assert facts_of({**known, "smallest_detectable_effect": None})["power"]["ratio"] == pytest.approx(0.5)
    assert facts_of(question(smallest_effect=None))["power"]["ratio"] is None


def test_a_null_breaks_where_the_bounds_reach_an_effect_that_matters() -> None:
    null = question(verdict={"kind": "no_effect_as_large"})
    assert facts_of(null)["trends"]["breakdown"] == 0.5  # at 1.0 the upper end is 4.0, the smallest effect that matters
    null["bounds"]["original"] = {"lower": -3.0, "upper": 4.2}
    assert facts_of(null)["trends"]["breakdown"] == 0.0


def test_where_nothing_can_be_told_no_drift_can_overturn_it() -> None:
    (judged,) = [one for one in rate(facts_of(question(verdict={"kind": "cannot_tell"}))).rules if one.rule == "trends"]
    assert judged.cost == 1
    assert judged.reason == "Not known: nothing was found, and nothing ruled out, that a drift could overturn."


def test_a_refusal_keeps_its_reason() -> None:
    refusal = {"not_estimable": {"reason": "one period before the start", "remedy": ""}}
    reasons = {one.rule: one.reason for one in rate(facts_of(question(bounds=refusal, few_clusters=refusal))).rules}
    assert reasons["trends"] == reasons["fragile"] == reasons["few_clusters"] == "Not known: one period before the start."


def test_an_old_document_lacks_parts_and_an_estimate_that_is_refused_has_no_lock() -> None:
    refused = {"headline": {"estimator": "group_time", "cluster": "region", "not_estimable": {"reason": "r", "remedy": ""}}}
    assert rate(facts_of(refused)).locks == 0
    assert rate(facts_of({})).locks == 0


def test_an_interrupted_series_has_nobody_to_compare_with() -> None:
    own = question(headline={**question()["headline"], "estimator": "interrupted_series"})
    assert facts_of(own)["design"]["comparison"] is False
    assert rate(facts_of(own, planned=True)).locks == 0
