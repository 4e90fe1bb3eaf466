"""Sentences about a result, made from its document alone: the three that a minister reads, and the warnings' texts."""

from collections.abc import Mapping, Sequence
from typing import Any

WARNING_TEXTS = {
    "series_break": "There is a break in this series at {period}, inside the window. {text}",
    "gameable": "{text} The other measure is: {twin}.",
    "missing_authority": "{name} has no figure for {periods}. It has the reform: the estimate rests on the others there.",
    "missing_authorities": "{count} of {treated} authorities with the reform lack a figure for some period ({cells} cells).",
    "stopped": (
        "{count} authorities stopped the reform: {who}. What came after is left out: "
        "to have stopped is not the same as never to have begun."
    ),
    "partial_period": (
        "The reform counts from the first {kind} that begins after its start. A start in the middle of a {kind} leaves some of "
        "the reform in the {kind} before, which makes the effect look smaller."
    ),
}


def listed(words: Sequence[str]) -> str:
    """“a”, “a and b”, “a, b and c”."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def plain(value: float) -> str:
    """A size without its sign, to one decimal, two where it is small."""
    size = abs(value)
    return f"{size:.1f}" if size >= 0.95 else f"{size:.2f}"


def signed(value: float) -> str:
    """A number with a true minus sign."""
    return ("\u2212" if value < 0 else "") + plain(value)


def reading(document: Mapping[str, Any]) -> list[str]:
    """Three sentences: what was seen, what it means, and what stands in the way of believing it."""
    if "not_estimable" in document["headline"]:
        refusal = document["headline"]["not_estimable"]
        return [
            f"This question cannot be answered from these data: {_sentence(refusal['reason'])}",
            _sentence(refusal["remedy"]) or "Nothing in this release would change that.",
            "No number is given, because any number would mislead.",
        ]
    return [_seen(document), _meaning(document), _doubt(document)]


def _sentence(text: str) -> str:
    text = text.strip()
    return text if not text or text.endswith(".") else f"{text}."


def _seen(document: Mapping[str, Any]) -> str:
    headline, design, unit = document["headline"], document["design"], document["unit_label"]
    way = "higher" if headline["estimate"] >= 0 else "lower"
    return (
        f"With the reform, this measure stood {plain(headline['estimate'])} {unit} {way} in the {design['treated_units']} local "
        f"authorities that have it than if it had moved as in the {design['comparison_units']} that compare "
        f"({headline['level']:.0%} interval: {signed(headline['lower'])} to {signed(headline['upper'])})."
    )


def _meaning(document: Mapping[str, Any]) -> str:
    kind, unit = document["verdict"]["kind"], document["unit_label"]
    detectable = (document["smallest_detectable_effect"] or {}).get("value")
    smallest = document["smallest_effect"]
    if kind == "cannot_tell" and detectable is not None:
        return (
            "That fits with no effect and with effects in either direction: this comparison would reliably have seen only an "
            f"effect of {plain(detectable)} {unit} or more."
        )
    if kind == "no_effect_as_large" and smallest is not None:
        return (
            f"An effect of {plain(smallest)} {unit} or more, the smallest that was declared to matter, would not fit "
            "with these figures."
        )
    words = {"improved": "better", "worsened": "worse"}.get(kind)
    if words is None:
        return "The difference is larger than chance alone would bring; whether it is good or bad, this measure does not say."
    size = (
        ""
        if smallest is None or abs(document["headline"]["estimate"]) >= smallest
        else " It is smaller than what was declared to matter."
    )
    return f"That is a change for the {words}, and larger than chance alone would bring if the comparison is fair.{size}"


def _doubt(document: Mapping[str, Any]) -> str:
    kinds = [one["kind"] for one in document["warnings"]]
    test = document["pretrend"]
    doubts = []
    if "series_break" in kinds:
        doubts.append("the way of counting changed in the middle of the window")
    if not test.get("not_estimable") and test["p_value_hotelling"] < 0.1:
        doubts.append("the two groups were already on different paths before")
    if {"missing_authority", "missing_authorities"} & set(kinds):
        doubts.append("some returns of authorities with the reform are missing")
    if "stopped" in kinds:
        doubts.append("some authorities stopped the reform")
    if "gameable" in kinds:
        doubts.append("this measure can be improved without being faster")
    if not doubts:
        return "Authorities were not chosen by lot, so believe it only as far as the checks below go."
    return f"Read it with care: {listed(doubts)}, and the authorities were not chosen by lot."
