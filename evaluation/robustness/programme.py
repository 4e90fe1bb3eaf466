"""What else was going on: neighbours of the treated, other programmes in the comparison group, breaks in the series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evaluation.errors import NotEstimable, OptionError
from evaluation.estimators.design import plural
from evaluation.panel import NEVER, Panel
from evaluation.result import Result
from evaluation.robustness.refit import Ask, effect, moved, one_outcome, overall_row, positions, worst
from evaluation.robustness.row import Check, listing, not_told, say
from evaluation.robustness.working import Working
from evaluation.words import about

NEIGHBOURS = "Did the reform spill over to the neighbours that it is compared with?"
PROGRAMMES = "Did something else help the places that it is compared with?"
BREAKS = "Was the outcome measured in the same way throughout?"
UNIT = "units of the outcome"


def neighbours(panel: Panel, adjacent: Sequence[Any], ask: Ask) -> Check:
    """The effect without comparison units next to treated ones.

    Args:
        panel: of one outcome.
        adjacent: units that border a treated one; treated ones among them stay.
        ask: estimator, options, cluster and level.

    Returns:
        A `Check`: number is the move of the effect; rows have comparison ("all", "without neighbours"),
        units, estimate, lower, upper.

    Raises:
        OptionError: several outcomes, a unit that is not in the panel, or a wrong option.
    """
    one_outcome(panel, "neighbours")
    gone = positions(panel, adjacent, "adjacent") & (panel.cohort >= NEVER)
    full = effect(panel, ask)
    never = int((panel.cohort >= NEVER).sum())
    rows: list[dict[str, Any]] = [{"comparison": "all", "units": never, **full}]
    if not gone.any():
        words = f"No {panel.unit} that is compared with borders a treated one."
        return Check("neighbours", NEIGHBOURS, 0.0, UNIT, words, "none", tuple(rows))
    without = effect(panel.select(~gone), ask)
    rows.append({"comparison": "without neighbours", "units": never - int(gone.sum()), **without})
    for found in (full, without):
        if "not_estimable" in found:
            return not_told("neighbours", NEIGHBOURS, NotEstimable(**found["not_estimable"]), rows)
    move, concern = moved(full, without)
    tail = {
        "serious": "So spill-over may matter, or the neighbours are unlike the rest.",
        "some": "That is a large move, or one that just changes what one would conclude.",
        "none": "So spill-over to neighbours does not drive it.",
        None: "Whether that is more than chance cannot be told, since the effect has no error.",
    }[concern]
    words = (
        f"Without {plural(int(gone.sum()), panel.unit)} next to treated ones the effect is {say(without['estimate'])} "
        f"instead of {say(full['estimate'])}. {tail}"
    )
    return Check("neighbours", NEIGHBOURS, move, UNIT, words, concern, tuple(rows))


def co_interventions(panel: Panel, programmes: Mapping[Any, Sequence[str]], ask: Ask) -> Check:
    """The effect without the comparison units of each other programme, and without those of any.

    Args:
        panel: of one outcome.
        programmes: unit → names of other programmes it is in; treated units may be among them and stay.
        ask: estimator, options, cluster and level.

    Returns:
        A `Check`: number is the largest move of the effect; rows have without (programme), units, treated,
        estimate, lower, upper, move.

    Raises:
        OptionError: several outcomes, a unit that is not in the panel, or a wrong option.
    """
    one_outcome(panel, "co_interventions")
    positions(panel, list(programmes), "programmes")
    full = effect(panel, ask)
    if "not_estimable" in full:
        return not_told("co_interventions", PROGRAMMES, NotEstimable(**full["not_estimable"]))
    rows, concerns = [], []
    for name, members in _members(panel, programmes):
        gone = members & (panel.cohort >= NEVER)
        again = effect(panel.select(~gone), ask) if gone.any() else full
        move, concern = moved(full, again)
        count = {"units": int(gone.sum()), "treated": int((members & panel.treated).sum())}
        rows.append({"without": name, **count, **again, "move": move})
        concerns.append(concern)
    told = [row for row in rows if row["move"] is not None]
    if not rows or not any(row["units"] for row in rows):
        words = f"No {panel.unit} that is compared with is in another programme on the list."
        return Check("co_interventions", PROGRAMMES, 0.0, UNIT, words, "none", tuple(rows))
    if not told:
        why = NotEstimable(**rows[0]["not_estimable"])
        return not_told("co_interventions", PROGRAMMES, why, rows)
    return _programmes_check(panel, full, rows, told, concerns)


def _members(panel: Panel, programmes: Mapping[Any, Sequence[str]]) -> list[tuple[str, np.ndarray]]:
    names = sorted({name for given in programmes.values() for name in given})
    out = [(name, np.array([name in programmes.get(unit, ()) for unit in panel.units])) for name in names]
    if len(names) > 1:
        out.append(("any of them", np.logical_or.reduce([members for _, members in out])))
    return out


def _programmes_check(
    panel: Panel, full: dict[str, Any], rows: list[dict[str, Any]], told: list[dict[str, Any]], concerns: Sequence[str | None]
) -> Check:
    top = max(told, key=lambda row: abs(row["move"]))
    concern = worst(concerns)
    words = (
        f"Without the {plural(top['units'], panel.unit)} in {top['without']} the effect is {say(top['estimate'])} "
        f"instead of {say(full['estimate'])}, the largest change."
    )
    if concern == "serious":
        words += " What is concluded depends on whether they are compared with."
    refused = [row["without"] for row in rows if "not_estimable" in row]
    if refused:
        words += f" Without {listing(refused)} nothing is left to compare with."
        concern = "some" if concern == "none" else concern
    both = [row["without"] for row in rows if row["treated"] and row["without"] != "any of them"]
    if both:
        words += f" Treated ones are also in {listing(both)}."
        concern = "some" if concern == "none" else concern
    return Check("co_interventions", PROGRAMMES, abs(top["move"]), UNIT, words, concern, tuple(rows))


def series_breaks(panel: Panel, result: Result | NotEstimable, breaks: Sequence[tuple[Any, str]]) -> Check:
    """Which share of the effect compares cells across a break in how the outcome is measured.

    A unit's weights add up to zero over time, so what stands after a break is what is carried across it: Σ over treated units of
    |Σ after the break of w| ÷ Σ of their positive weights, 0 to 1.

    Args:
        panel: of one outcome.
        result: of a linear estimator, with a row for the effect as a whole; all its rows are given.
        breaks: (first period measured in the new way, what changed).

    Returns:
        A `Check`: number is the largest share of the whole effect that lies across a break; rows have period, text,
        effect, share, starts (units that start in that very period).

    Raises:
        OptionError: several outcomes, or a period that is not in the panel.
    """
    one_outcome(panel, "series_breaks")
    for period, _ in breaks:
        if period not in panel.periods:
            raise OptionError(f"breaks: {period!r} is not a {panel.period} of the panel. Name the first one measured anew.")
    inside = [(period, text) for period, text in breaks if period != panel.periods[0]]
    if not inside:
        return Check("series_breaks", BREAKS, 0.0, "share of the effect", "No break lies inside the window.", "none")
    if isinstance(result, NotEstimable):
        return not_told("series_breaks", BREAKS, result)
    at = overall_row(result, "series_breaks")
    rows = []
    for k in range(len(result.estimates)):
        model = Working.of(result, k)
        if isinstance(model, NotEstimable):
            return not_told("series_breaks", BREAKS, model)
        for period, text in inside:
            if period in result.panel.periods:
                rows.append(_across(result, model, k, period, text, k == at))
    return _breaks_check(panel, rows)


def _across(result: Result, model: Working, k: int, period: Any, text: str, whole: bool) -> dict[str, Any]:
    first = result.panel.periods.index(period)
    mine = model.weights[result.panel.treated]
    carried, total = np.abs(mine[:, first:].sum(axis=1)).sum(), np.maximum(mine, 0.0).sum()
    label = {
        name: value for name, value in result.labels.iloc[k].items() if name not in ("outcome", "kind") and value is not None
    }
    return {
        "period": period,
        "text": text,
        "effect": "overall" if whole else ", ".join(f"{name} {value}" for name, value in label.items()) or "other",
        "whole": whole,
        "share": float(carried / total) if total > 0 else 0.0,
        "starts": int((result.panel.cohort == first).sum()),
    }


def _breaks_check(panel: Panel, rows: list[dict[str, Any]]) -> Check:
    whole = [row for row in rows if row["whole"]]
    clash = [row for row in whole if row["starts"]]
    top = max(whole, key=lambda row: row["share"], default=None)
    share = top["share"] if top else 0.0
    if clash:
        starters = plural(clash[0]["starts"], panel.unit)
        words = (
            f"The series changed in {clash[0]['period']} ({clash[0]['text']}), when {starters} started: "
            "the two cannot be told apart where the change did not touch everyone alike."
        )
        return Check("series_breaks", BREAKS, share, "share of the effect", words, "serious", tuple(rows))
    if top is None or not share:
        words = "No part of the effect compares cells across a break in the series."
        return Check("series_breaks", BREAKS, 0.0, "share of the effect", words, "none", tuple(rows))
    words = (
        f"{about(share)} of the effect compares values before and after {top['period']} ({top['text']}). That does no harm "
        "where the change touched treated and comparison alike."
    )
    return Check("series_breaks", BREAKS, share, "share of the effect", words, "some", tuple(rows))
