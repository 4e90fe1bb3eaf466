"""Bad input × every estimator: refused by name with what to do, or answered for a reason that stands here, and then rightly.

A refusal is a `PanelError` that says what is wrong and what to do, or a `NotEstimable` with reason and remedy. Nothing else may
come back: where an estimator can answer honestly, `ANSWERS` says why, and the test checks the number against the truth.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evaluation import ESTIMATORS, NotEstimable, OptionError, PanelError, Result

Draw = Callable[..., pd.DataFrame]
Answer = Callable[..., Result | NotEstimable]
OUTCOMES = ["y", "z", "s", "count"]
ALL = list(ESTIMATORS)


def set_to(frame: pd.DataFrame, columns: list[str], value: float, rows: Any) -> pd.DataFrame:
    out = frame.astype({column: float for column in columns})
    out.loc[rows, columns] = value
    return out


# What no panel may hold. How the frame is spoilt, what it is built with beside, and what the refusal says.
PANELS: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], dict[str, Any], str]] = {
    "duplicate cells": (
        lambda f: pd.concat([f, f.iloc[[3]]]),
        {},
        r"Duplicate cells: unit 0 has more than one row for period 4 .* Keep one row for each",
    ),
    "units that change cohort": (
        lambda f: set_to(f, ["first"], 8, f.index[(f["unit"] == 4) & (f["period"] == 9)]),
        {},
        r"1 units change cohort: 'first' differs within unit 4.*give one value a unit",
    ),
    "all-missing outcomes": (
        lambda f: set_to(f, OUTCOMES, np.nan, slice(None)),
        {},
        r"Outcome '[yzs]' is missing in every cell\. Check the column, or leave the outcome out",
    ),
    "one of two outcomes all missing": (
        lambda f: f.assign(gone=np.nan),
        {"outcome": ["y", "gone"]},
        r"Outcome 'gone' is missing in every cell",
    ),
    "infinite values": (
        lambda f: set_to(f, OUTCOMES, np.inf, 7),
        {},
        r"Outcome '[yzs]' is infinite for 0 in 8 \(1 cells in all\)\. Make it missing",
    ),
    "minus infinity": (lambda f: set_to(f, OUTCOMES, -np.inf, 7), {}, r"Outcome '[yzs]' is infinite for 0 in 8"),
    "negative weights": (
        lambda f: set_to(f, ["size"], -1, 7),
        {"weight": "size"},
        r"Weight 'size' is negative or infinite for 0 in 8 \(1 cells in all\)\. Correct it",
    ),
    "infinite weights": (lambda f: set_to(f, ["size"], np.inf, 7), {"weight": "size"}, "Weight 'size' is negative or infinite"),
}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("kind", PANELS)
def test_what_no_panel_may_hold(draw: Draw, asks: dict[str, Any], answer: Answer, kind: str, name: str) -> None:
    spoil, named, words = PANELS[kind]
    assert isinstance(answer(draw(asks[name].starts), name), Result), "the frame must be good before it is spoilt"
    with pytest.raises(PanelError, match=words):
        answer(spoil(draw(asks[name].starts)), name, **named)


def test_every_estimator_is_asked(asks: dict[str, Any]) -> None:
    assert set(asks) == set(ESTIMATORS), "a new estimator needs a line in conftest.py, and so a line in every table here"


def blank(frame: pd.DataFrame, rows: pd.Series) -> pd.DataFrame:
    """No outcome in these rows."""
    return set_to(frame, OUTCOMES, np.nan, rows)


# Questions without an answer: the starts, what is taken away, and what a refusal must be about.
QUESTIONS: dict[str, tuple[tuple[int, ...], Callable[[pd.DataFrame], pd.Series] | None, str]] = {
    "treated throughout": ((0, 1), None, "treated throughout the window"),
    "no never treated": ((6, 8), None, "none is never treated"),
    "all start at once": ((6,), None, "all 48 units start at once"),
    "every cohort empty": ((0, 6, 8), lambda f: f["first"] > 0, "every cohort is empty"),
    "an empty cohort": ((0, 0, 6, 8), lambda f: f["first"] == 6, "empty"),
    "never treated without outcomes": ((0, 6), lambda f: f["first"] == 0, "comparison"),
    "treated without outcomes after": ((0, 6), lambda f: (f["first"] > 0) & (f["period"] >= 6), "treated|both"),
    "treated without outcomes before": ((0, 6), lambda f: (f["first"] > 0) & (f["period"] < 6), "treated|both"),
    "comparison without outcomes after": ((0, 6), lambda f: (f["first"] == 0) & (f["period"] >= 6), "comparison"),
    "comparison without outcomes before": ((0, 6), lambda f: (f["first"] == 0) & (f["period"] < 6), "comparison"),
    "sides in different periods": ((0, 6), lambda f: (f["first"] == 0) == (f["period"] % 2 == 0), "both|comparison"),
}
GAPS = "missing cells"
MOVES = "treatment moves together with the unit and period effects|event study is not identified|observed from its start on"
UNTREATED = "nobody is untreated at the same time"
BEFORE = "no treated unit is observed before its start"
COMPLETE = "observed in every period"
DOSES = "different doses observed before and after its start|both treated and comparison"
KAPPA = "no start has both sides observed"
SIDES = "no treated or no comparison unit is observed before and after"
CLEAN = "both starting and clean comparison units"
STABLE = "no change has a stable comparison"
FOUR = "both adopters and comparison"
# Where an estimator says the same in other words, or meets something else first.
OTHER_WORDS: dict[str, dict[str, str]] = {
    "dose": {
        "treated without outcomes after": DOSES,
        "treated without outcomes before": DOSES,
        "sides in different periods": DOSES,
    },
    "imputation": {
        "never treated without outcomes": UNTREATED,
        "treated without outcomes after": UNTREATED,
        "treated without outcomes before": BEFORE,
        "comparison without outcomes after": UNTREATED,
        "comparison without outcomes before": UNTREATED,
        "sides in different periods": UNTREATED,
    },
    "interrupted_series": {
        "every cohort empty": COMPLETE,
        "an empty cohort": COMPLETE,
        "treated without outcomes after": COMPLETE,
        "treated without outcomes before": COMPLETE,
        "sides in different periods": COMPLETE,
    },
    "rollout": {kind: GAPS for kind, (_, gone, _) in QUESTIONS.items() if gone},
    "stacked": {kind: KAPPA for kind, (_, gone, _) in QUESTIONS.items() if gone and kind != "every cohort empty"},
    "switchers": {
        "all start at once": "all 48 units change at once",
        **{kind: STABLE for kind, (_, gone, _) in QUESTIONS.items() if gone and kind != "every cohort empty"},
    },
    "synthetic": {
        "no never treated": "0 units that never adopt",
        "every cohort empty": COMPLETE,
        "never treated without outcomes": COMPLETE,
        "treated without outcomes after": COMPLETE,
        "treated without outcomes before": COMPLETE,
        "comparison without outcomes after": COMPLETE,
        "comparison without outcomes before": COMPLETE,
        "sides in different periods": COMPLETE,
    },
    "triple_difference": {
        "treated without outcomes after": FOUR,
        "treated without outcomes before": FOUR,
    },
    "two_way_fixed_effects": {kind: MOVES for kind, (_, gone, _) in QUESTIONS.items() if gone and kind != "every cohort empty"},
}
OTHER_WORDS["two_stage"] = OTHER_WORDS["imputation"]
# Where an estimator answers, and why that is honest. Each answer must be the truth when there is no noise.
SLOPE = "a slope compares doses within a cohort and needs no comparison"
NOT_YET = "units that start later compare until they start, which is its default"
ALONE = "it compares with nobody, and every result says so"
OTHERS = "the other cohorts have an answer; the empty one is named in warnings or dropped"
ANSWERS: dict[str, dict[str, str]] = {
    "dose": {
        "no never treated": SLOPE,
        "all start at once": SLOPE,
        "an empty cohort": OTHERS,
        "never treated without outcomes": SLOPE,
        "comparison without outcomes after": SLOPE,
        "comparison without outcomes before": SLOPE,
    },
    "extended_two_way": {"no never treated": NOT_YET, "an empty cohort": OTHERS},
    "group_time": {"an empty cohort": OTHERS},
    "imputation": {"no never treated": NOT_YET, "an empty cohort": OTHERS},
    "interaction_weighted": {"an empty cohort": OTHERS},
    "interrupted_series": {
        "no never treated": ALONE,
        "all start at once": ALONE,
        "never treated without outcomes": ALONE,
        "comparison without outcomes after": ALONE,
        "comparison without outcomes before": ALONE,
    },
    "local_projections": {"no never treated": NOT_YET, "an empty cohort": OTHERS},
    "rollout": {"no never treated": NOT_YET},
    "stacked": {"no never treated": NOT_YET, "an empty cohort": OTHERS},
    "switchers": {
        "treated throughout": "units that were on from the start and stop are compared with those that stay on",
        "no never treated": NOT_YET,
        "an empty cohort": OTHERS,
    },
    "synthetic": {"an empty cohort": OTHERS},
    "triple_difference": {"an empty cohort": OTHERS},
    "two_stage": {"no never treated": NOT_YET, "an empty cohort": OTHERS},
    "two_way_fixed_effects": {
        "no never treated": "units that start later compare; with constant effects, which it assumes, the number is right",
        "an empty cohort": OTHERS,
    },
}
# Aggregates of theirs that are refused even so: levels need a comparison, and an event study needs units that never adopt.
STILL_REFUSED = {"dose": ("cells",), "two_way_fixed_effects": ("event_time",)}
# Rows that are effects at the doses that units have, so that no one number is the truth of all.
BY_DOSE = {("dose", "cells"), ("switchers", "cells"), ("switchers", "event_time")}
CASES = [(name, kind) for name in ALL for kind in QUESTIONS]


def asked(draw: Draw, kind: str, name: str, noise: float) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The frame of a question, and options: estimators of one cohort are asked about the cohort that it concerns."""
    starts, gone, _ = QUESTIONS[kind]
    frame = draw(starts, noise=noise, line=name == "interrupted_series")
    several = len([start for start in starts if start > 0]) > 1
    options = {"cohort": 6} if several and "cohort" in ESTIMATORS[name].options else {}
    return (blank(frame, gone(frame)) if gone else frame), options


@pytest.mark.parametrize(("name", "kind"), [case for case in CASES if case[1] not in ANSWERS.get(case[0], {})])
def test_a_question_without_an_answer_is_refused(draw: Draw, answer: Answer, name: str, kind: str) -> None:
    frame, options = asked(draw, kind, name, noise=1.0)
    words = OTHER_WORDS.get(name, {}).get(kind, QUESTIONS[kind][2])
    for aggregate in ESTIMATORS[name].aggregates:
        found = answer(frame, name, aggregate, options)
        assert isinstance(found, NotEstimable), f"{aggregate}: a number where none can be had"
        assert found.estimator == name and found.aggregate == aggregate
        assert re.search(words, found.reason), found.reason
        assert found.remedy.endswith(".") and len(found.remedy) > 10
        with pytest.raises(PanelError, match="There is no estimate: "):
            found.frame()
        with pytest.raises(PanelError, match="There is no estimate: "):
            found.inference()


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name, answers in ANSWERS.items() for kind in answers])
def test_an_answer_stands_in_the_table_and_is_the_truth(
    draw: Draw, asks: dict[str, Any], answer: Answer, name: str, kind: str
) -> None:
    assert ANSWERS[name][kind] and name in ESTIMATORS and kind in QUESTIONS
    frame, options = asked(draw, kind, name, noise=0.0)
    if name == "triple_difference":  # its effect is on eligible units alone
        frame["y"] -= 2.0 * ((frame["first"] > 0) & (frame["period"] >= frame["first"]) & (frame["eligible"] == 0))
    for aggregate in ESTIMATORS[name].aggregates:
        found = answer(frame, name, aggregate, options)
        if aggregate in STILL_REFUSED.get(name, ()) and kind != "an empty cohort":
            assert isinstance(found, NotEstimable) and found.reason and found.remedy
            continue
        assert isinstance(found, Result), found
        after = found.labels["kind"].isin(["post", "average", "overall"]).to_numpy(bool)
        wanted = np.full(int(after.sum()), 2.0)
        if (name, aggregate) not in BY_DOSE:
            assert found.estimates[after] == pytest.approx(wanted, abs=1e-6), aggregate
        if kind == "an empty cohort":
            units = set(frame.loc[frame["first"] == 6, "unit"])
            said = any(
                "1 cohort is empty and not in the result: no unit that starts in 6 has a value" in w for w in found.warnings
            )
            assert said or units <= {unit for unit, _ in found.dropped}


def test_an_empty_cohort_leaves_the_others_as_they_are(draw: Draw, asks: dict[str, Any], answer: Answer) -> None:
    for name in [name for name, answers in ANSWERS.items() if "an empty cohort" in answers]:
        frame, options = asked(draw, "an empty cohort", name, noise=1.0)
        found, without = answer(frame, name, options=options), answer(frame[frame["first"] != 6], name, options=options)
        assert isinstance(found, Result) and isinstance(without, Result)
        assert found.estimates == pytest.approx(without.estimates, rel=1e-9), name
        assert not any("empty" in words for words in without.warnings)


@pytest.mark.parametrize("name", [name for name in ALL if name != "interrupted_series"])
def test_one_cluster_is_refused(draw: Draw, asks: dict[str, Any], answer: Answer, name: str) -> None:
    frame = draw(asks[name].starts, regions=1)
    for aggregate in ESTIMATORS[name].aggregates:
        found = answer(frame, name, aggregate, cluster="region")
        assert isinstance(found, Result)
        for ask in (found.frame, found.inference):
            with pytest.raises(PanelError, match=r"All units are in one region: .* Cluster by unit\."):
                ask()
        assert np.isnan(found.inference("influence", cluster="region").std_error).all()
        real = (found.labels["kind"] != "reference").to_numpy(bool)
        assert np.isfinite(found.inference(cluster="unit").std_error[real]).all() or aggregate == "region"


def test_one_cluster_does_not_touch_an_error_that_is_a_series_own(draw: Draw, answer: Answer) -> None:
    """The exception: an interrupted series has an error over time, which no clustering changes, and says so."""
    found = answer(draw((0, 6), regions=1), "interrupted_series", cluster="region")
    assert isinstance(found, Result)
    by_region, by_unit = found.inference(cluster="region"), found.inference(cluster="unit")
    assert by_region.std_error == pytest.approx(by_unit.std_error, rel=1e-12)
    assert any("clustering by region changes nothing" in words for words in by_region.warnings)


def test_switchers_on_and_never_off_refuse_treatment_throughout(draw: Draw, answer: Answer) -> None:
    found = answer(draw((0, 1)), "switchers", intensity="dose")
    assert isinstance(found, NotEstimable) and "no unit" in found.reason and found.remedy


@pytest.mark.parametrize("name", ALL)
def test_a_wrong_option_is_named(draw: Draw, asks: dict[str, Any], answer: Answer, name: str) -> None:
    with pytest.raises(OptionError, match=f"Estimator '{name}' has no option 'colour'. Its options are: "):
        answer(draw(asks[name].starts), name, options={"colour": "red"})
    for option, choices in ESTIMATORS[name].choices.items():
        with pytest.raises(OptionError, match=f"Option {option} of {name} 'red' does not exist. Choose one of: .*{choices[-1]}"):
            answer(draw(asks[name].starts), name, options={option: "red"})
    with pytest.raises(OptionError, match="aggregate 'colour' does not exist"):
        answer(draw(asks[name].starts), name, "colour")
