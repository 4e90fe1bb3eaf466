"""Three sentences about a result that a minister understands, made from its stored document alone; see METHODS.md.

What was found; whether it can be believed and what stands against it; what to do, or what cannot be told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evaluation.errors import PanelError
from evaluation.verdict import KINDS
from evaluation.words import units_of

MOST = 4  # more doubts than these are counted, not named
STRENGTH = ("can hardly be believed", "rests on little", "is weakly supported", "is fairly well supported")
STRONG = "is well supported"
HARM_SEEN = "harm_seen"
WORTH_WAITING = 0.95  # a further period is mentioned where it lets an effect be seen that is at least a twentieth smaller
# What a failed check or a warning says against a number, as a clause. A test that was passed says nothing for it.
CHECKS = {
    "pretrend": "the two groups were already on different paths before the reform",
    "balance": "the groups were very different to begin with",
    "leave_one_region_out": "one region carries the result",
    "leave_one_authority_out": "one local authority carries the result",
    "placebo_dates": "something like it shows at dates when nothing started",
    "placebo_outcomes": "something like it shows where the reform could have done nothing",
    "missing_returns": "returns are missing more often where the reform is",
    "neighbours": "neighbours that compare may have felt the reform too",
    "co_interventions": "other programmes ran where it is compared with",
    "specification_curve": "other reasonable ways to estimate it give other answers",
    "influence": "a few figures carry the result",
}
WARNINGS = {
    "series_break": "the way of counting changed inside the window, which cannot be told apart from an effect",
    "missing_authority": "some returns of authorities with the reform are missing",
    "missing_authorities": "some returns of authorities with the reform are missing",
    "stopped": "some local authorities stopped the reform",
    "gameable": "the measure can be improved without anything being better",
}
# Where a rule of the rating has said it already, the warning is not said again.
SAID_BY_RULE = {"series_break": "series_breaks", "missing_authority": "returns", "missing_authorities": "returns"}


def reading(document: Mapping[str, Any]) -> tuple[str, str, str]:
    """Say a result in three sentences.

    Args:
        document: plain JSON of one question: headline (estimate, lower, upper, level, or not_estimable), verdict (kind), design
            (treated_units, comparison_units), unit_label, and where they are known outcome_label, direction, smallest_effect,
            power, smallest_detectable_effect, rating, checks, warnings, pretrend, guardrails, few_clusters.

    Returns:
        What was found, whether it can be believed, and what follows.

    Raises:
        PanelError: a part that every result has is missing, or the verdict is of no known kind.
    """
    for key in ("headline", "verdict", "unit_label", "design"):
        if key not in document:
            raise PanelError(f"The document has no {key}, so nothing can be said about it. Hand over one question of a run.")
    kind = document["verdict"]["kind"]
    if kind not in KINDS:
        raise PanelError(f"The verdict {kind!r} is of no known kind. The kinds are: {', '.join(KINDS)}.")
    if "not_estimable" in document["headline"] or kind == "not_estimable":
        return _nothing(document)
    return _found(document), _belief(document), _follows(document, kind)


def _nothing(document: Mapping[str, Any]) -> tuple[str, str, str]:
    refusal = document["headline"].get("not_estimable") or {}
    reason = _clause(refusal.get("reason", "")) or "the figures do not hold what it takes"
    remedy = str(refusal.get("remedy", "")).strip()
    return (
        f"This question cannot be answered from these figures: {reason}.",
        "There is no number to believe or to doubt, and none is given, because any number would mislead.",
        f"{_clause(remedy)}." if remedy else "Nothing in these figures would make an answer possible.",
    )


def _found(document: Mapping[str, Any]) -> str:
    headline, design, unit = document["headline"], document["design"], document["unit_label"]
    label = document.get("outcome_label")
    measure = f"“{label}”" if label else "this measure"
    others = design.get("comparison_units")
    same = f"than if it had moved as in the {others} that compare" if others else "than it would have been without it"
    ends = _range(headline.get("lower"), headline.get("upper"), unit)
    level = f"{100 * float(headline.get('level', 0.95)):g}"
    known = f"the range that fits with the figures, at {level}%, is {ends}" if ends else "how sure that is cannot be said"
    size, holders = _sized(float(headline["estimate"]), unit), f"the {design['treated_units']} {units_of(document)} that have it"
    return f"With the reform, {measure} stood {size} in {holders} {same}; {known}."


def _sized(value: float, unit: str) -> str:
    return f"{_size(value)} {unit} {'higher' if value >= 0 else 'lower'}"


def _range(lower: float | None, upper: float | None, unit: str) -> str:
    """The interval in words, each end with its way; nothing where there is none."""
    if lower is None or upper is None:
        return ""
    if lower >= 0:
        return f"{_size(lower)} to {_size(upper)} {unit} higher"
    if upper <= 0:
        return f"{_size(upper)} to {_size(lower)} {unit} lower"
    return f"from {_size(lower)} {unit} lower to {_size(upper)} higher"


def _belief(document: Mapping[str, Any]) -> str:
    doubts = list(dict.fromkeys(_doubts(document)))
    named = doubts if len(doubts) <= MOST else doubts[: MOST - 1]
    more = f"; {len(doubts) - len(named)} more reasons are given below" if len(named) < len(doubts) else ""
    rating = document.get("rating")
    if not rating:
        start = "How far it can be believed has not been rated"
    else:
        locks, of = int(rating["locks"]), int(rating["of"])
        words = STRENGTH[locks] if locks < len(STRENGTH) else STRONG
        start = f"This number {words} ({locks} of {of} locks)"
    if not named:
        return f"{start}, and none of the checks speaks against it."
    return f"{start}; against it stands that {_listed(named)}{more}."


def _doubts(document: Mapping[str, Any]) -> list[str]:
    """What stands against a number, the gravest first: series break, lost rules by their cost, serious checks, other warnings."""
    rules = (document.get("rating") or {}).get("rules") or []
    lost = {one["rule"]: str(one["against"]) for one in sorted(rules, key=_cost) if one["cost"] and one.get("against")}
    if "trends_half" in lost:
        lost.pop("trends", None)  # the stronger of the two says it
    first = [lost.pop("series_breaks")] if "series_breaks" in lost else []
    serious = [
        CHECKS[one["check"]] for one in document.get("checks") or [] if one.get("concern") == "serious" and one["check"] in CHECKS
    ]
    pretrend = document.get("pretrend") or {}
    if not document.get("checks") and not pretrend.get("not_estimable") and pretrend.get("p_value_hotelling", 1.0) < 0.1:
        serious.insert(0, CHECKS["pretrend"])
    kinds = [one["kind"] for one in document.get("warnings") or []]
    judged = {one["rule"]: one["cost"] for one in rules}
    warned = [WARNINGS[kind] for kind in kinds if kind in WARNINGS and not judged.get(SAID_BY_RULE.get(kind, ""), 0)]
    unknown = sum(one["cost"] > 0 and one["number"] is None for one in rules)
    gaps = [f"{unknown} of the things that the rating looks at {'is' if unknown == 1 else 'are'} not known"] if unknown else []
    usual = [] if rules else [f"the {units_of(document)} were not chosen by lot"]
    last = [lost.pop("by_lot")] if "by_lot" in lost else usual
    return [*first, *serious, *lost.values(), *warned, *gaps, *last]


def _cost(rule: Mapping[str, Any]) -> int:
    return -int(rule["cost"])


def _follows(document: Mapping[str, Any], kind: str) -> str:
    made = {
        "improved": _improved,
        "worsened": _worsened,
        "changed": lambda _: "Whether that is good or bad this measure does not say, so look at the others before a decision",
        "no_effect_as_large": _ruled_out,
        "cannot_tell": _cannot_tell,
    }[kind](document)
    own = document.get("outcome") if kind == "worsened" else None  # said already
    seen = [one for one in document.get("guardrails") or [] if one.get("kind") == HARM_SEEN]
    harms = [f"“{one['label']}”" for one in seen if own is None or one.get("outcome") != own]
    return f"{made}; harm was seen in {_listed(harms)}, so weigh that first." if harms else f"{made}."


def _weak(document: Mapping[str, Any]) -> bool:
    rating = document.get("rating")
    return rating is not None and int(rating["locks"]) <= 2


def _improved(document: Mapping[str, Any]) -> str:
    small = _below(document)
    if small:
        return f"That is a change for the better, but {small}, so by itself it is no reason to extend the reform"
    if _weak(document):
        return (
            "That would be a change for the better, but do not decide on this number alone: wait for better evidence or seek it"
        )
    return (
        "That is a change for the better and more than chance alone brings, to be weighed with its cost and with what got worse"
    )


def _worsened(document: Mapping[str, Any]) -> str:
    small = _below(document)
    also = f", although {small}" if small else ""
    if _weak(document):
        return f"That would be a change for the worse{also}: look into it now, but do not decide on this number alone"
    return f"That is a change for the worse and more than chance alone brings{also}: find out why before the reform goes further"


def _below(document: Mapping[str, Any]) -> str:
    """Said where the effect is smaller than what matters."""
    smallest = document.get("smallest_effect")
    if not smallest or abs(float(document["headline"]["estimate"])) >= float(smallest):
        return ""
    return f"less than the {_size(float(smallest))} {document['unit_label']} that were declared to matter"


def _ruled_out(document: Mapping[str, Any]) -> str:
    smallest = f"{_size(float(document['smallest_effect']))} {document['unit_label']}"
    return (
        f"An effect of {smallest} or more, the smallest that was declared to matter, would not fit with these figures, "
        "so do not count on one from the reform as it was run here"
    )


def _cannot_tell(document: Mapping[str, Any]) -> str:
    unit, power = document["unit_label"], document.get("power") or {}
    planned = power.get("detectable")
    detectable = (document.get("smallest_detectable_effect") or {}).get("value")
    detectable = planned if detectable is None else detectable
    if detectable is None:
        return "These figures cannot tell whether the reform did anything, nor how large an effect they could have shown"
    ahead = power.get("next_period")
    gain = float(ahead) / float(planned) if ahead and planned else 1.0
    following = gain * float(detectable) if gain < WORTH_WAITING else None
    more = f", and after one more {document.get('period_word', 'period')} of {_size(float(following))}" if following else ""
    return (
        "That is no sign that the reform does nothing: better and worse are both possible, and only an effect of "
        f"{_size(float(detectable))} {unit} or more would reliably have been seen{more}"
    )


def _size(value: float) -> str:
    """A size without its sign: one decimal, two where it is below 1, more where it would read as nothing."""
    size = abs(value)
    if size >= 0.95:
        return f"{size:,.1f}"
    text = f"{size:.2f}"
    return text if float(text) or not size else f"{size:.1g}"


def _clause(text: str) -> str:
    return str(text).strip().rstrip(".")


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
