"""From a run's stored document to what speaks for and against its number: locks, checks, drift, placebo, few partnerships, power.

Each part may be absent in an older run, and is then left out; where a part could not be computed, its reason is shown instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas

from pilots.charts import Bound, Picture, ends_of, placebo, power_curve, sensitivity
from pilots.places import called
from pilots.views.common import FINE, Question, equal_to, mark_of, probability, refusal_words, sentence, unit_heading

GRAVITY = ("serious", "some", None, "none")  # of checks in their table; None: cannot be told
CONCERN_WORDS = {"none": "no concern", "some": "some concern", "serious": "serious concern", None: "cannot be told"}
OUTCOME_UNITS = "units of the outcome"  # what a check that knows no outcome says of its number
TINY = 0.0001
RELATIVE = "Drift, × the largest before"


def part(question: Question, name: str) -> Mapping[str, Any] | None:
    """A part of a result that was computed; None where it is absent or was refused."""
    found = question.get(name)
    return None if not found or (isinstance(found, Mapping) and found.get("not_estimable")) else found


def refused(question: Question, name: str) -> str:
    """Why a part of a result could not be computed; nothing where it was, or where the run knows no such part."""
    found = question.get(name)
    refusal = found.get("not_estimable") if isinstance(found, Mapping) else None
    return refusal_words(refusal) if refusal else ""


def reading_of(question: Question, name: str) -> str:
    """The plain reading that a part of a result brings with it; nothing where it has none."""
    found = part(question, name)
    return sentence(str(found.get("reading") or "")) if isinstance(found, Mapping) else ""


def choices_words(question: Question) -> str:
    """The reading of the effect under other choices, with the unit that its effects have; a refusal has none."""
    said = reading_of(question, "specifications")
    told = any(row.get("estimate") is not None for row in (part(question, "specifications") or {}).get("rows") or [])
    return f"In {question['unit_label']}: {said[0].lower()}{said[1:]}" if said and told else said


def locks_words(question: Question) -> str:
    """The rating in words, also the text for whoever does not see the locks."""
    rating = part(question, "rating")
    return "" if rating is None else f"{rating['locks']} of {rating['of']} locks"


def locks_lost(question: Question) -> list[str]:
    """Why locks were lost: one sentence a rule that cost one or more, in the rules' order."""
    rules = (part(question, "rating") or {}).get("rules", [])
    return [f"{rule['label']}: {_locks(rule['cost'])} lost. {sentence(rule['reason'])}" for rule in rules if rule["cost"]]


def rating_table(question: Question) -> pandas.DataFrame:
    """Every rule of the rating with the number it looked at, what it needs, and whether it cost a lock."""
    rows = [
        (rule["label"], _value(rule["number"]), _value(rule["threshold"]), _locks(rule["cost"], "none"), sentence(rule["reason"]))
        for rule in (part(question, "rating") or {}).get("rules", [])
    ]
    return pandas.DataFrame(rows, columns=["Rule", "Found", "Needed", "Locks lost", "Why"])


def _locks(count: int, none: str = "no lock") -> str:
    return none if not count else "1 lock" if count == 1 else f"{count} locks"


def _value(found: Any) -> str:
    if found is None:
        return "not known"
    if isinstance(found, bool):
        return "yes" if found else "no"
    return found if isinstance(found, str) else _size(float(found))


def _size(value: float) -> str:
    """A number to three figures, without an exponent; one that would read as nothing is said to be small."""
    if 0 < abs(value) < TINY:
        return f"less than {TINY:.4f}"
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return text.replace("-", "\u2212")


def checks_table(question: Question) -> pandas.DataFrame:
    """One row a check: what it asks, its number, how much it should worry, and what it says; the most serious first."""
    rows = []
    for one in sorted(question.get("checks") or [], key=_gravity):
        if one.get("not_estimable"):
            rows.append((one["asks"], "not computable", CONCERN_WORDS[None], refusal_words(one["not_estimable"])))
            continue
        rows.append(
            (one["asks"], _number_of(one, question["unit_label"]), CONCERN_WORDS[one.get("concern")], sentence(one["reading"]))
        )
    return pandas.DataFrame(rows, columns=["What is asked", "Number", "Concern", "Plain reading"])


def _gravity(check: Mapping[str, Any]) -> int:
    """Where a check stands among the others: serious, some, what cannot be told, none."""
    concern = None if check.get("not_estimable") else check.get("concern")
    return GRAVITY.index(concern if concern in GRAVITY else None)


def _number_of(check: Mapping[str, Any], outcome_unit: str) -> str:
    number, unit = check.get("number"), check.get("unit") or ""
    if number is None:
        return "none"
    if unit == "p-value":
        return f"p {equal_to(number)}"
    if unit.startswith("share "):
        return f"{100 * number:.0f}% {unit.removeprefix('share ')}"
    return f"{_size(number)} {unit.replace(OUTCOME_UNITS, outcome_unit)}".strip()


def concerns_words(question: Question) -> str:
    """How many checks bring concern, in one sentence; nothing where there are no checks."""
    checks = question.get("checks") or []
    if not checks:
        return ""
    counts = {kind: sum(one.get("concern") == kind and not one.get("not_estimable") for one in checks) for kind in CONCERN_WORDS}
    untold = len(checks) - counts["none"] - counts["some"] - counts["serious"]
    return (
        f"Of {len(checks)} checks, {counts['serious']} bring{'s' if counts['serious'] == 1 else ''} serious concern, "
        f"{counts['some']} some, {counts['none']} none; {untold} cannot be told. The most serious stand first. "
        "A check that was passed is not by itself a reason to believe."
    )


def few_clusters_table(question: Question) -> pandas.DataFrame:
    """Every method for few partnerships side by side, the headline's named."""
    rows = []
    for one in (part(question, "few_clusters") or {}).get("methods", []):
        label = f"{one['label']} (the headline)" if one.get("headline") else one["label"]
        basis = [] if one.get("assignments") is None else [f"{one['assignments']:,} reassignments possible"]
        basis += [] if one.get("draws") is None else [f"{one['draws']:,} drawn"]
        basis += [] if one.get("smallest_p") is None else [f"smallest p that can be had {probability(one['smallest_p'])}"]
        basis += [] if one.get("df") is None else [f"{_size(one['df'])} degrees of freedom"]
        error = one.get("std_error")
        rows.append(
            (
                label,
                ends_of(mark_of({"estimate": 0.0, **one}, "", 0)),
                probability(one.get("p_value")),
                "none" if error is None else f"{error:.{2 if error < FINE else 1}f}",
                "; ".join(basis),
                one.get("note") or "",
            )
        )
    level = f"{question['level']:.0%} interval"
    frame = pandas.DataFrame(rows, columns=["Method", level, "p-value", "Standard error", "Rests on", "Note"])
    return frame if (frame["Note"] != "").any() else frame.drop(columns="Note")


def few_clusters_words(question: Question) -> str:
    """Which rule chose the method, and what it means where the answer is fragile."""
    found = part(question, "few_clusters")
    if found is None:
        return refused(question, "few_clusters")
    rule = sentence(found.get("rule") or "")
    return f"{rule} One of them more or less could change the answer." if found.get("fragile") else rule


def design_card_table(question: Question) -> pandas.DataFrame:
    """What the number rests on: counts, shares and what they mean."""
    rows = [
        (row["label"], _value(row.get("value")), row.get("note") or "")
        for row in (part(question, "design_card") or {}).get("rows", [])
    ]
    return pandas.DataFrame(rows, columns=["The design", "Value", "Note"])


def drift_picture(question: Question) -> Picture | None:
    """How much drift after the start the finding withstands, against the largest drift seen before it."""
    title = "How much drift between the groups the finding withstands"
    return _sensitivity(question, "relative_magnitudes", "at_least", RELATIVE, title)


def bends_picture(question: Question) -> Picture | None:
    """How much the difference in trends may bend from one period to the next before the finding falls."""
    axis = f"Bend a {question.get('period_word', 'period')}, in the effect’s unit"
    return _sensitivity(question, "smoothness", "smoothness_at_least", axis, "How much bend in the trend the finding withstands")


def _sensitivity(question: Question, name: str, beyond: str, axis: str, title: str) -> Picture | None:
    found = part(question, "bounds")
    if found is None or not found.get(name):
        return None
    falls, ends = found.get("breakdown") or {}, found["original"]
    rows = sorted((Bound(row["value"], row["lower"], row["upper"]) for row in found[name]), key=lambda row: row.value)
    return sensitivity(
        rows,
        Bound(0.0, ends["lower"], ends["upper"]),
        breakdown=falls.get(name),
        beyond=bool(falls.get(beyond)),
        unit=question["unit_label"],
        drift=axis,
        title=title,
    )


def placebo_picture(question: Question) -> Picture | None:
    """The effect beside those of the reform given to other partnerships."""
    found = part(question, "placebo")
    if found is None or not found.get("estimates"):
        return None
    note = f"The chance of one as large, if the reform did nothing: p {equal_to(found.get('p_value'))}."
    return placebo(found["estimates"], found["actual"], unit=question["unit_label"], note=note)


def power_picture(question: Question) -> Picture | None:
    """How often effects of each size would be seen with this design."""
    found = part(question, "power")
    if found is None or not found.get("curve"):
        return None
    points = sorted((row["effect"], row["power"]) for row in found["curve"])
    return power_curve(
        points,
        detectable=found.get("detectable"),
        smallest=question.get("smallest_effect"),
        unit=question["unit_label"],
        title="How often an effect of each size would be seen",
    )


def power_table(question: Question) -> pandas.DataFrame:
    """The smallest effect that could be seen, by simulation and by formula, now and after one more period."""
    found, unit = part(question, "power"), question["unit_label"]
    analytic = question.get("smallest_detectable_effect") or {}
    rows = []
    if found is not None:
        following = f"After one more {question.get('period_word', 'period')}"
        for label, name in (
            ("Now, by simulation", "detectable"),
            ("Now, by formula", "analytic"),
            (following, "next_period"),
        ):
            if found.get(name) is not None:
                rows.append((label, f"{_size(found[name])} {unit}"))
    elif analytic.get("value") is not None:
        rows.append(("Now, by formula", f"{_size(analytic['value'])} {unit}"))
    if question.get("smallest_effect") is not None:
        rows.append(("Smallest that matters, as declared", f"{_size(question['smallest_effect'])} {unit}"))
    return pandas.DataFrame(rows, columns=["Smallest effect that could be seen four times in five", "Size"])


def returns_table(question: Question) -> pandas.DataFrame:
    """Which missing return would narrow the interval most."""
    rows = [
        (called(one["authority"]), str(one["period"]), f"{100 * one['shrinks']:.1f}%")
        for one in (part(question, "power") or {}).get("returns") or []
    ]
    return pandas.DataFrame(rows, columns=[unit_heading(question), "Missing return for", "Would narrow the interval by"])
