"""From a run's stored document to the effect in its parts: regions, leads and partners, other choices, harms, families, cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas

from pilots.charts import Mark, Picture, RegionMark, Specification, forest, interval, number, regions, specification_curve
from pilots.places import region_names
from pilots.views.belief import part
from pilots.views.common import ESTIMATOR_WORDS, Question, digits_of, mark_of, probability, refusal_words, sentence, truth_of
from pilots.views.pictures import own_regions

HARM_WORDS = {
    "harm_seen": "Harm seen",
    "harm_ruled_out": "Harm beyond the margin ruled out",
    "cannot_tell": "Cannot tell",
    "not_estimable": "Not estimable",
}


def regional_picture(question: Question) -> Picture | None:
    """Each region's effect beside the one drawn to the mean, in official order, never ranked; all together below."""
    rows = _regional_rows(question)
    if not any(row.get("estimate") is not None for row in rows.values()):
        return own_regions(question)
    truths = truth_of(question).get("by_region") or {}
    marks = []
    for at, (code, name) in enumerate(region_names().items()):
        if code in rows:
            row = rows[code]
            drawn = None
            if row.get("shrunken") is not None:
                drawn = Mark(name, at, row["shrunken"], row.get("shrunken_lower"), row.get("shrunken_upper"))
            ranks = None if row.get("rank_lower") is None else (row["rank_lower"], row["rank_upper"])
            marks.append(RegionMark(mark_of(row, name, at, truths.get(code)), drawn, ranks))
    pooled = _pooled(question)
    if pooled.get("estimate") is None:
        together = mark_of(question["headline"], "All together", len(marks))
    else:
        together = mark_of(pooled, "Mean of regions", len(marks))
    return regions(marks, together, outcome=question["outcome_label"], unit=question["unit_label"], level=question["level"])


def _regional_rows(question: Question) -> dict[str, Mapping[str, Any]]:
    """The rows of regions by their code; a row may name its region by code or by name, under either of two keys."""
    found, known = part(question, "regional") or {}, region_names()
    codes = {**{code: code for code in known}, **{name: code for code, name in known.items()}}
    rows = {}
    for row in found.get("rows") or found.get("regions") or []:
        code = next((codes[row[key]] for key in ("region", "label") if row.get(key) in codes), None)
        if code is not None:
            rows[code] = row
    return rows


def _pooled(question: Question) -> Mapping[str, Any]:
    """The mean of regions; nothing where it was not computed."""
    found = part(question, "regional") or {}
    return found.get("pooled") or found.get("overall") or {}


def leads_picture(question: Question) -> Picture | None:
    """Leads and partners apart, with all together below."""
    found = part(question, "leads_partners")
    if found is None or not any(row.get("estimate") is not None for row in found.get("rows") or []):
        return None
    marks = [mark_of(row, row["group"], at) for at, row in enumerate(found["rows"])]
    return forest(
        [*marks, mark_of(question["headline"], "All together", len(marks), strong=True)],
        title="Leads and partners apart",
        outcome=question["outcome_label"],
        what="group",
        unit=question["unit_label"],
        level=question["level"],
    )


def leads_words(question: Question) -> str:
    """The difference between leads and partners, and why it is asked."""
    found = part(question, "leads_partners")
    difference = (found or {}).get("difference") or {}
    if difference.get("not_estimable"):
        return refusal_words(difference["not_estimable"])
    why = "Leads were chosen on how well they did before, so their figures may fall back of themselves."
    if difference.get("estimate") is None:
        return why if found else ""
    between = interval(mark_of(difference, "", 0), digits_of(question))
    return f"Leads less partners: {between} {question['unit_label']}. {why}"


def specification_picture(question: Question) -> Picture | None:
    """The effect under every declared set of choices, sorted, above what was chosen."""
    rows = (part(question, "specifications") or {}).get("rows") or []
    known = [_specification(row) for row in rows if row.get("estimate") is not None]
    if len(known) < 2:
        return None
    return specification_curve(known, outcome=question["outcome_label"], unit=question["unit_label"], level=question["level"])


def _specification(row: Mapping[str, Any]) -> Specification:
    choices = {str(name).replace("_", " ").capitalize(): _choice(name, value) for name, value in row["choices"].items()}
    mark = mark_of(row, f"{', '.join(choices.values())}: {interval(mark_of(row, '', 0))}", 0)
    return Specification(choices, mark, probability(row.get("p_value")), bool(row.get("plan")))


def _choice(name: str, value: Any) -> str:
    if name == "estimator":
        return str(ESTIMATOR_WORDS.get(value, value)).split(" (")[0]
    return "none" if value is None else str(value).replace("_", " ")


def guardrails_table(*questions: Question) -> pandas.DataFrame:
    """Outcomes of a plan that are watched for harm: what is said, the effect with its interval, and the margin; each once."""
    return _harms_frame([one for question in questions for one in question.get("guardrails") or []])


def harms_table(document: Mapping[str, Any]) -> pandas.DataFrame:
    """All that is watched for harm in a run: outcomes of its plan, the guardrails of its reform, and what no return measures."""
    unseen = {"reason": "no return measures it", "remedy": ""}
    missed = [{"outcome": what, "label": what.capitalize(), "not_estimable": unseen} for what in document.get("unwatched") or []]
    return _harms_frame([*_watched(document), *missed])


def harm_words(document: Mapping[str, Any]) -> list[str]:
    """What is said of each outcome watched for harm, one line each, and what no return measures."""
    lines = [f"{one['label']}: {_harm_said(one).lower()}" for one in _watched(document)]
    unwatched = document.get("unwatched") or []
    return [*lines, *([f"No return measures: {', '.join(unwatched)}"] if unwatched else [])]


def harms_seen(document: Mapping[str, Any], beside: str | None = None) -> list[Mapping[str, Any]]:
    """The outcomes watched for harm in which it is seen, but for the outcome that a reader looks at."""
    return [one for one in _watched(document) if one.get("kind") == "harm_seen" and one["outcome"] != beside]


def harm_seen_words(document: Mapping[str, Any], question: Question) -> list[str]:
    """The harm that is seen beside a question, a line each, with its size."""
    seen = [(one, sentence(one.get("words") or _harm_said(one))) for one in harms_seen(document, question["outcome"])]
    return [f"{one['label']}: {words[0].lower()}{words[1:]}" for one, words in seen]


def harm_summary(document: Mapping[str, Any]) -> str:
    """What is watched for harm in a run, in one cell: harm that is seen by name, all else by number."""
    watched, counts = _watched(document), dict.fromkeys(HARM_WORDS, 0)
    for one in watched:
        counts["not_estimable" if one.get("not_estimable") else str(one["kind"])] += 1
    seen = [f"{_harm_said(one)}: {one['label']}" for one in harms_seen(document)]
    rest = [f"{HARM_WORDS[kind]}: {count}" for kind, count in counts.items() if count and kind != "harm_seen"]
    unwatched = document.get("unwatched") or []
    return ". ".join([*seen, *rest, *([f"No return measures: {len(unwatched)}"] if unwatched else [])])


def _watched(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    own = [one for question in document["questions"] for one in question.get("guardrails") or []]
    return list({one["outcome"]: one for one in [*own, *(document.get("harms") or [])]}.values())


def _harm_said(one: Mapping[str, Any]) -> str:
    if one.get("not_estimable"):
        return HARM_WORDS["not_estimable"]
    if one.get("kind") == "harm_seen" and one.get("beyond"):
        return "Harm seen, beyond the margin"
    return HARM_WORDS.get(str(one["kind"]), str(one["kind"]).replace("_", " ").capitalize())


def _harms_frame(watched: Sequence[Mapping[str, Any]]) -> pandas.DataFrame:
    rows = []
    for one in {one["outcome"]: one for one in watched}.values():
        margin = "none declared" if one.get("margin") is None else f"{one['margin']:.3g} {one.get('unit_label', '')}".strip()
        if one.get("not_estimable"):
            effect, words = "not known", refusal_words(one["not_estimable"])
        else:
            effect = interval(mark_of(one, "", 0)) if one.get("estimate") is not None else "not known"
            words = sentence(one.get("words") or "")
        rows.append((one["label"], one.get("why") or "", _harm_said(one), effect, margin, words))
    table = pandas.DataFrame(rows, columns=["Watched for harm", "Why", "What is said", "Effect (interval)", "Margin", "In words"])
    return table if any(table["Why"]) else table.drop(columns="Why")


def described_table(question: Question) -> pandas.DataFrame:
    """The figures of each period as they are, with and without the reform; no rows in runs that did not keep them."""
    digits = digits_of(question)
    rows = [
        (
            one["period"],
            one["group"],
            str(one["authorities"]),
            f"{one['mean']:,.{digits}f}",
            "not known" if one["spread"] is None else f"{one['spread']:,.{digits}f}",
        )
        for one in question.get("described") or []
    ]
    return pandas.DataFrame(rows, columns=["Period", "Group", "Authorities", "Mean", "Standard deviation"])


def family_table(document: Mapping[str, Any]) -> pandas.DataFrame:
    """The outcomes of a run as one family: the chance of each alone, and corrected for asking several questions at once."""
    found = part(document, "family") or {}
    rows = [
        (row["label"], probability(row.get("p_value")), probability(row.get("adjusted")), probability(row.get("holm")))
        for row in found.get("rows") or []
    ]
    return pandas.DataFrame(
        rows, columns=["Outcome", "p-value alone", f"p-value, {found.get('method', 'corrected')}", "p-value, Holm"]
    )


def pooled_words(question: Question) -> str:
    """How much regions differ beyond chance; nothing where that was not computed."""
    pooled, digits = _pooled(question), digits_of(question)
    spread = pooled["tau2"] ** 0.5 if pooled.get("tau2") is not None else pooled.get("tau")
    if spread is None:
        return ""
    return (
        f"The mean of regions is {number(pooled['estimate'], digits)}; true effects of regions are taken to lie about "
        f"{spread:.{digits}f} {question['unit_label']} from it, beyond chance."
    )


def cost_table(question: Question) -> pandas.DataFrame:
    """What the reform cost, and what one unit of improvement did; no rows where that is not known."""
    found = part(question, "cost")
    if found is None:
        return pandas.DataFrame(columns=["What it cost", "Pounds"])
    ends = [_pounds(found[name], "no end") for name in ("lower", "upper")]
    between = f"below {ends[0]} or above {ends[1]}" if found["shape"] == "exclusive" else " to ".join(ends)
    rows = [
        (f"An authority and {question.get('period_word', 'period')} with the reform", _pounds(found["spent"], "not known")),
        (f"One unit of improvement ({question['unit_label']})", _pounds(found["estimate"], "not known")),
        (f"Its {question['level']:.0%} interval (Fieller)", between),
    ]
    return pandas.DataFrame(rows, columns=["What it cost", "Pounds"])


def _pounds(value: float | None, none: str) -> str:
    return none if value is None else f"{value:,.0f}".replace("-", "\u2212")
