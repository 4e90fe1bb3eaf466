"""A question's document with every part that the screen can show, filled with values of a size that real ones have."""

import random
from collections.abc import Iterable
from copy import deepcopy
from typing import Any

from evaluation.rating import facts_of, rate
from evaluation.reading import reading

REGIONS = [f"E1200000{at}" for at in range(1, 10)]
CHECKS = (
    ("pretrend", "Were the groups on different paths before the reform?", 0.41, "p-value", "none", "No difference was found."),
    ("pretrend_power", "Could that test have missed a trend that matters?", 0.8, "a period", "some", "A slope of 0.8 a term."),
    ("bounds", "Does the finding stand if paths would have parted?", 0.72, "times the largest move before", "some", "It falls."),
    (
        "balance",
        "Were the two groups alike before the reform, and moving alike?",
        0.31,
        "standard deviations",
        "some",
        "They differ.",
    ),
    ("leave_one_region_out", "Does one region carry the effect?", 1.9, "units of the outcome", "none", "No region does."),
    (
        "placebo_dates",
        "Would an effect have been found before the reform began?",
        0.4,
        "units of the outcome",
        "none",
        "None is.",
    ),
    ("series_breaks", "Was the measure counted the same way throughout?", 0, "share of weight", "none", "There is no break."),
    ("influence", "Does a single number in the data carry the effect?", 0.6, "units of the outcome", "serious", "Two cells do."),
)


def filled(question: dict[str, Any], planned: bool = True) -> dict[str, Any]:
    """The document of an older run with all newer parts; its own numbers stay."""
    made, draw = deepcopy(question), random.Random(7)
    headline = made["headline"]
    effect, half = headline["estimate"], (headline["upper"] - headline["lower"]) / 2
    unit, periods = made["unit_label"], made["design"]["periods"]

    def around(value: float, width: float = half) -> dict[str, float]:
        return {"estimate": value, "lower": value - width, "upper": value + width}

    made["few_clusters"] = few_clusters(effect, half)
    made["design_card"] = design_card()
    made["checks"] = [
        {
            "check": check,
            "asks": asks,
            "number": number,
            "unit": of,
            "reading": said,
            "concern": concern,
            "rows": [],
            "not_estimable": None,
        }
        for check, asks, number, of, concern, said in CHECKS
    ]
    refusal = {"reason": "no outcome was declared beyond the reform’s reach", "remedy": "Name some in the plan."}
    made["checks"].append(
        {"check": "placebo_outcomes", "asks": "Is an effect found where the reform can have none?", "number": None, "unit": "",
         "reading": "", "concern": None, "rows": [], "not_estimable": refusal}
    )  # fmt: skip
    made["bounds"] = bounds(effect, half)
    made["placebo"] = {
        "actual": effect, "estimates": [draw.gauss(0, half / 2.1) for _ in range(400)], "p_value": 0.012, "assignments": 10**9,
        "reading": "Had the reform gone to other areas, a difference as large would have come up 1% of the time by chance alone.",
    }  # fmt: skip
    made["power"] = power(half, periods)
    made["specifications"] = {"rows": list(specifications(effect, half, draw)), "reading": "Over 48 choices the sign stays."}
    made["regional"] = {
        "rows": [region(code, effect + draw.gauss(0, half), half, effect) for code in REGIONS],
        "pooled": {**around(effect), "tau": half / 3},
        "reading": "Regions cannot be told apart.",
    }
    made["leads_partners"] = {
        "rows": [{"group": "Leads", **around(effect * 1.2)}, {"group": "Partners", **around(effect * 0.9)}],
        "difference": around(effect * 0.3),
    }
    made["guardrails"] = guardrails(unit)
    made["rating"] = rate(facts_of(made, planned)).to_dict()
    made["reading"] = list(reading(made))
    return made


def few_clusters(effect: float, half: float) -> dict[str, Any]:
    rows = (
        ("randomisation", "Randomisation, t-statistic", 0.012, 1.0, None, 9999, 10**9, 0.0001, "Starts permuted within regions."),
        ("wild", "Wild cluster bootstrap", 0.019, 1.06, None, 9999, None, None, "Webb weights."),
        ("cr2", "CR2 with Bell–McCaffrey degrees of freedom", 0.021, 1.1, 6.4, None, None, None, ""),
        ("clustered", "CR1 with t(G − 1)", 0.004, 0.9, 8.0, None, None, None, "Finds effects that are not there too often."),
    )
    methods = [
        {"method": name, "label": label, "p_value": p_value, "lower": effect - half * wide, "upper": effect + half * wide,
         "std_error": half / 2.3, "df": df, "draws": draws, "assignments": count, "smallest_p": least, "note": note,
         "headline": name == "cr2"}
        for name, label, p_value, wide, df, draws, count, least, note in rows
    ]  # fmt: skip
    rule = "9 treated partnerships. Of the methods that decide, the one with the largest p-value is the headline."
    return {"treated_units": 9, "assignment": "partnership", "methods": methods, "rule": rule, "p_value": 0.021,
            "lower": effect - half, "upper": effect + half, "fragile": False}  # fmt: skip


def design_card() -> dict[str, Any]:
    rows = (
        ("Local authorities that start in spring 2023/24", 11, "in 3 partnerships; 55 cells under the reform seen, 2 missing"),
        ("Local authorities that do not start", 119, "in 119 partnerships"),
        ("Largest partnership’s share of cells with the reform", 0.16, "North West"),
        ("Effective clusters", 7.3, "of 9"),
        ("Smallest p that randomisation can reach", 0.0001, "at 9,999 draws"),
    )
    return {"check": "design_card", "reading": "There is enough to learn from.", "not_estimable": None,
            "rows": [{"label": label, "value": value, "note": note} for label, value, note in rows]}  # fmt: skip


def bounds(effect: float, half: float) -> dict[str, Any]:
    def at(value: float, width: float) -> dict[str, float]:
        return {"value": value, "lower": effect - half * width, "upper": effect + half * width}

    beyond = abs(effect) / half - 1
    return {
        "original": {"lower": effect - half * 0.9, "upper": effect + half * 0.9},
        "relative_magnitudes": [at(value, 1 + 0.6 * value) for value in (0.5, 1.0, 1.5, 2.0)],
        "smoothness": [at(value, 1 + 0.8 * value) for value in (0.0, 0.25, 0.5, 1.0)],
        "breakdown": {"relative_magnitudes": max(0, beyond / 0.6), "at_least": False, "smoothness": max(0, beyond / 0.8)},
        "estimate": effect,
        "row": "average",
        "reading": "The finding stands until the groups part about half as fast as they ever did before.",
    }


def power(half: float, periods: list[str]) -> dict[str, Any]:
    steps = [half * share for share in (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)]
    shares = (0.05, 0.09, 0.2, 0.4, 0.61, 0.79, 0.9, 0.96, 0.99)
    return {
        "curve": [{"effect": effect, "power": share} for effect, share in zip(steps, shares, strict=True)],
        "detectable": half * 1.27,
        "analytic": half * 1.22,
        "next_period": half * 1.1,
        "returns": [
            {"authority": "E06000001", "period": periods[-1], "shrinks": 0.021},
            {"authority": "E08000003", "period": periods[-2], "shrinks": 0.008},
        ],
        "reading": "Effects of this size are seen four times in five.",
    }


def specifications(effect: float, half: float, draw: random.Random) -> Iterable[dict[str, Any]]:
    for estimator in ("Group-time (Callaway and Sant’Anna)", "Imputation", "Two-stage", "Interaction-weighted (Sun and Abraham)"):
        for comparison in ("all", "same regions"):
            for weights in ("alike", "by size"):
                for window in ("from autumn 2021/22", "from spring 2021/22", "from summer 2021/22"):
                    at = effect + draw.gauss(0, half / 3)
                    own = estimator.startswith("Group") and (comparison, weights, window) == (
                        "all",
                        "alike",
                        "from autumn 2021/22",
                    )
                    yield {
                        "choices": {"estimator": estimator, "comparison": comparison, "weights": weights, "window": window},
                        "estimate": at,
                        "lower": at - half,
                        "upper": at + half,
                        "p_value": 0.03,
                        "plan": own,
                    }


def region(code: str, at: float, half: float, mean: float) -> dict[str, Any]:
    drawn = mean + 0.4 * (at - mean)
    return {
        "region": code,
        "estimate": at,
        "lower": at - 2 * half,
        "upper": at + 2 * half,
        "shrunken": drawn,
        "shrunken_lower": drawn - 1.2 * half,
        "shrunken_upper": drawn + 1.2 * half,
        "rank_lower": 1,
        "rank_upper": 9,
    }


def guardrails(unit: str) -> list[dict[str, Any]]:
    said = (
        ("exceptions", "EHC plans with an exception to the 20 weeks, by term", "harm_seen", 3.6, 1.9, 5.4, "There is harm."),
        ("refused", "Requests for an assessment that were refused, by term", "cannot_tell", 0.7, -3.2, 4.6, "It cannot be told."),
        ("appeals", "Appeals to the tribunal, by term", "harm_ruled_out", 0.1, -0.3, 0.5, "Harm beyond the margin is ruled out."),
    )
    return [
        {
            "outcome": name,
            "label": label,
            "kind": kind,
            "words": words,
            "estimate": at,
            "lower": low,
            "upper": high,
            "margin": 2.0,
        }
        for name, label, kind, at, low, high, words in said
    ]


def row(estimate: float | None, error: float | None, **label: Any) -> dict[str, Any]:
    known = estimate is not None and error is not None
    return {
        "label": label,
        "estimate": estimate,
        "std_error": error,
        "p_value": 0.0004 if known else None,
        "lower": estimate - 2 * error if known else None,
        "upper": estimate + 2 * error if known else None,
    }


def result(aggregate: str, rows: list[dict[str, Any]], cluster: str = "region", **more: Any) -> dict[str, Any]:
    base = {"estimator": "group_time", "options": {"control": "not_yet_treated"}, "not_estimable": None}
    return {**base, "aggregate": aggregate, "cluster": cluster, "rows": rows, **more}


def small() -> dict[str, Any]:
    """A small document of one question as older runs have it; its numbers are made by hand."""
    overall = row(-6.1, 2.0)
    return {
        "outcome": "requests_refused",
        "outcome_label": "Requests refused",
        "data_digest": "0123",
        "smallest_effect": 4.0,
        "direction": "lower_is_better",
        "verdict": {"kind": "improved", "words": "Improved by 6.1 percentage points (2.1 to 10.1)"},
        "reading": ["One.", "Two.", "Three."],
        "warnings": [],
        "unit_label": "percentage points",
        "period_word": "term",
        "level": 0.95,
        "headline": {"estimator": "group_time", "cluster": "region", "level": 0.95, "clusters": 9, **overall},
        "results": [
            result("overall", [overall]),
            result("event_time", [row(0.4, 1.0, event_time=-2), row(0.0, None, event_time=-1), row(-6.1, 2.0, event_time=0)]),
            # One row of a region that is in the document out of official order, one region without an error.
            result("region", [row(-3.0, 1.0, region="E12000007"), row(-9.0, None, region="E12000001")], cluster="authority"),
        ],
        "design": {
            "treated_units": 32,
            "comparison_units": 119,
            "cohorts": [{"first_treated": "2023/24 spring", "units": 32}],
            "clusters": {"region": 9, "authority": 151},
            "treated_clusters": {"region": 9, "authority": 32},
            "periods": ["2022/23 autumn", "2023/24 spring"],
            "cells": 300,
            "missing_cells": 2,
            "missing_treated_cells": 1,
        },
        "pretrends": [
            {
                "cluster": "region",
                "not_estimable": None,
                "p_value": 0.09,
                "p_value_hotelling": 0.2,
                "reading": "No difference was found.",
            },
            {"cluster": "authority", "not_estimable": {"reason": "too few periods", "remedy": ""}},
        ],
        "smallest_detectable_effect": {"value": 5.6, "power": 0.8},
        "leave_one_region_out": [
            {"left_out": "E12000007", **row(-5.0, 2.0)},
            {"left_out": "E12000001", "not_estimable": {"reason": "nobody is left", "remedy": ""}},
        ],
        "makeup": {
            "bacon": {
                "authorities": 140,
                "left_out": 11,
                "comparisons": [
                    {"treated": 6, "untreated": None, "type": "Treated vs Untreated", "estimate": -6.0, "weight": 0.75},
                    {"treated": 8, "untreated": 6, "type": "Later vs Earlier Treated", "estimate": 2.0, "weight": 0.25},
                ],
                "not_estimable": None,
            },
            "two_way_weights": {
                "by_event_time": [
                    {"event_time": 0, "positive": 0.9, "negative": 0.0},
                    {"event_time": 1, "positive": 0.2, "negative": -0.1},
                ],
                "not_estimable": None,
            },
            "carriers": {
                "cells": 40,
                "half": 9,
                "largest": [{"authority": "E06000001", "period": "2023/24 spring", "treated": True, "weight": 0.031}],
                "not_estimable": None,
            },
        },
        "truth": {"overall": -5.0, "by_event_time": {"-2": 0.0, "-1": 0.0, "0": -5.0}, "by_region": {"E12000007": -4.0}},
    }


def run_document(questions: list[dict[str, Any]]) -> dict[str, Any]:
    """A run's document around questions."""
    return {
        "run_id": "RUN-0001",
        "made_at": "2025-09-01T10:00:00+00:00",
        "made_by": "DfE evaluator",
        "title": "A plan",
        "reform_label": "Tailored lists",
        "registered_at": None,
        "synthetic": False,
        "plan": {"plan": "lists", "version": "1"},
        "plan_digest": "p",
        "release": {"id": "R", "name": "Summer"},
        "release_digest": "r",
        "code_version": "c",
        "results_digest": "d",
        "data_digests": {},
        "questions": questions,
    }
