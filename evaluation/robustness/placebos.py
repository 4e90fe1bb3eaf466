"""Placebos: starts that never were, and outcomes that the reform could not touch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from evaluation.errors import NotEstimable, OptionError
from evaluation.estimators import ESTIMATORS, check_options
from evaluation.families.multiple import holm
from evaluation.panel import NEVER, Panel
from evaluation.robustness.refit import Ask, effect, one_outcome, without_cells
from evaluation.robustness.row import Check, check_whole, listing, not_told, say
from evaluation.words import about, probability

ALPHA = 0.05
DATES = "Would an effect have been found before the reform began?"
OUTCOMES = "Is an effect found where the reform can have none?"


def placebo_dates(panel: Panel, ask: Ask, periods: int = 3, actual: float | None = None) -> Check:
    """Effects of starts moved back by 1 to `periods` periods, on cells before the true start only.

    Args:
        panel: of one outcome.
        ask: estimator, options, cluster and level; an option `anticipation` moves the true start forward and is then zero.
        periods: how far back at most.
        actual: the effect at the true starts, to compare sizes with; default estimated.

    Returns:
        A `Check`: number is the largest placebo effect; rows have periods_earlier, estimate, lower, upper, p_value and
        adjusted (Holm).

    Raises:
        OptionError: several outcomes, or a wrong option.
    """
    one_outcome(panel, "placebo_dates")
    check_options(ask.estimator, dict(ask.options))
    check_whole("periods", periods, 1)
    rows = [{"periods_earlier": back, **_moved_back(panel, ask, back)} for back in range(1, periods + 1)]
    rows = _with_holm(rows)
    told = [row for row in rows if row.get("estimate") is not None]
    if not told:
        return not_told("placebo_dates", DATES, NotEstimable(**rows[0]["not_estimable"]), rows)
    full = actual if actual is not None else effect(panel, ask).get("estimate")
    return _dates_check(rows, told, full)


def _moved_back(panel: Panel, ask: Ask, back: int) -> dict[str, Any]:
    """The effect with every start `back` periods earlier, and nothing seen from the true start (or its anticipation) on."""
    if ESTIMATORS[ask.estimator].uses_intensity:
        return {"not_estimable": NotEstimable("a start that never was has no intensity", "Use group_time.").to_dict()}
    ahead = int(ask.options.get("anticipation", 0))
    start = np.where(panel.treated, panel.cohort - ahead, NEVER)
    when = np.arange(len(panel.periods))[None, :]
    clean = without_cells(panel, when >= start[:, None])
    cohort = np.where(panel.treated, np.maximum(start - back, 0), NEVER)
    options = {**ask.options, **({"anticipation": 0} if "anticipation" in ESTIMATORS[ask.estimator].options else {})}
    last = int(start[panel.treated].max())
    moved = replace(clean, cohort=cohort, intensity=None)
    if last < len(panel.periods):  # periods in which nobody is under the placebo carry no effect
        moved = moved.select(np.ones(len(panel.units), bool), periods=np.arange(len(panel.periods)) < last)
    if not (moved.cohort[panel.treated] > 0).any():
        return {"not_estimable": NotEstimable(f"no start can be moved back by {back}", "Use a longer window.").to_dict()}
    return effect(moved, replace(ask, options=options))


def _with_holm(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with Holm's adjusted p-values beside the plain ones."""
    known = [k for k, row in enumerate(rows) if row.get("p_value") is not None]
    adjusted = holm([rows[k]["p_value"] for k in known]).tolist()
    given = dict(zip(known, adjusted, strict=True))
    return [{**row, "adjusted": given.get(k)} for k, row in enumerate(rows)]


def _dates_check(rows: list[dict[str, Any]], told: list[dict[str, Any]], full: float | None) -> Check:
    top = max(told, key=lambda row: abs(row["estimate"]))
    tested = [row for row in told if row["p_value"] is not None]
    hits = [row for row in tested if row["p_value"] < ALPHA]
    firm = [row for row in tested if row["adjusted"] < ALPHA]
    concern = None if not tested else "serious" if firm else "some" if hits else "none"
    back = top["periods_earlier"]
    size = f"The largest is {say(top['estimate'])}, {back} {'period' if back == 1 else 'periods'} early"
    size += "." if full is None else f"; the effect itself is {say(full)}."
    if concern is None:
        words = "Effects of starts that never were have no error here, so they cannot be judged."
    elif hits:
        cause = "something else was moving" if firm else "something else may have been moving, or it is chance"
        words = f"An effect appears at {len(hits)} of {len(tested)} starts before the true one: {cause}."
    else:
        words = f"None of {len(tested)} starts before the true one shows an effect. That is no proof that none would later."
        if len(tested) == 1:
            words = "The start before the true one shows no effect. That is no proof that none would later."
    return Check("placebo_dates", DATES, abs(top["estimate"]), "units of the outcome", f"{words} {size}", concern, tuple(rows))


def placebo_outcomes(panel: Panel, outcomes: Sequence[str], ask: Ask) -> Check:
    """Effects on outcomes that were declared beyond the reform's reach.

    Args:
        panel: with these outcomes.
        outcomes: their names.
        ask: estimator, options, cluster and level.

    Returns:
        A `Check`: number is the share significant at 5%; rows have outcome, estimate, lower, upper, p_value, adjusted (Holm).

    Raises:
        OptionError: no outcome is named, or a wrong option.
        PanelError: there is no such outcome.
    """
    if isinstance(outcomes, str) or not outcomes:
        raise OptionError("outcomes must be a list with at least one name. Name outcomes that the reform cannot change.")
    rows = _with_holm([{"outcome": name, **effect(panel.outcome(name), ask)} for name in outcomes])
    tested = [row for row in rows if row.get("p_value") is not None]
    if not tested:
        refused = [NotEstimable(**row["not_estimable"]) for row in rows if "not_estimable" in row]
        none = NotEstimable("no declared outcome has an effect with an error", "Declare others, or cluster more finely.")
        why = refused[0] if refused else none
        return not_told("placebo_outcomes", OUTCOMES, why, rows)
    hits = [row for row in tested if row["p_value"] < ALPHA]
    firm = [row for row in tested if row["adjusted"] < ALPHA]
    concern = "serious" if firm else "some" if hits else "none"
    share = len(hits) / len(tested)
    if not hits:
        words = f"None of {len(tested)} outcomes that the reform cannot change shows an effect, as it should be."
    else:
        least = min(hits, key=lambda row: row["p_value"])
        words = (
            f"{len(hits)} of {len(tested)} outcomes that the reform cannot change ({about(share)}) show an effect: "
            f"{listing(row['outcome'] for row in hits)}. By chance alone one would expect 5%. "
            f"The clearest is {least['outcome']}, {probability(least['adjusted'])} after allowing for their number."
        )
    return Check("placebo_outcomes", OUTCOMES, share, "share of outcomes with an effect", words, concern, tuple(rows))
