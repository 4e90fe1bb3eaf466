"""All reforms and their outcomes on one view, from the newest run of each plan and from the catalogue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import pandas

from pilots.catalogue import reforms
from pilots.views.belief import locks_words
from pilots.views.common import sentence
from pilots.views.parts import harm_summary, harms_seen
from pilots.wording import listed, plain

# How each kind of verdict is counted; the order is that of the sentence.
VERDICTS = {
    "improved": "improved",
    "worsened": "worsened",
    "changed": "changed",
    "no_effect_as_large": "no effect as large as would matter",
    "cannot_tell": "cannot tell",
    "not_estimable": "not estimable",
}
COLUMNS = ["Reform", "Outcome", "What is said", "Belief", "Smallest effect that could be seen", "Watched for harm", "Run"]


def overview_table(documents: Iterable[Mapping[str, Any]]) -> pandas.DataFrame:
    """Each reform of the catalogue with each outcome asked: verdict, locks, smallest detectable effect, guardrails.

    Args:
        documents: of runs, newest first; of one plan the first counts.

    Returns:
        One row a reform and outcome, in the order of the catalogue, then of plans by name. A reform that nothing was asked of has
        one row, with why.
    """
    newest = _newest(documents)
    rows: list[tuple[str, ...]] = []
    for reform in reforms():
        mine = [newest[name] for name in sorted(newest) if newest[name]["reform"] == reform.id]
        asked = [_row(reform.label, document, question) for document in mine for question in document["questions"]]
        why = sentence(f"Not estimable: {reform.not_causal}") if reform.not_causal else "Nothing was asked yet."
        rows += asked or [(reform.label, "", why, "", "", "", "")]
    return pandas.DataFrame(rows, columns=COLUMNS)


def overview_words(documents: Iterable[Mapping[str, Any]]) -> str:
    """The overview in a sentence: how many questions were answered how. Nothing where nothing was asked.

    Args:
        documents: of runs, newest first; of one plan the first counts.
    """
    counts = Counter(
        question["verdict"]["kind"] for document in _newest(documents).values() for question in document["questions"]
    )
    if not counts:
        return ""
    told = listed([f"{words}: {counts[kind]}" for kind, words in VERDICTS.items() if counts[kind]])
    return f"Of {counts.total():,} questions, {told}. “Cannot tell” does not mean “no effect”."


def overview_harms(documents: Iterable[Mapping[str, Any]]) -> list[str]:
    """The harm that is seen, one line a reform and outcome, in the order of the catalogue."""
    newest, labels = _newest(documents), {reform.id: reform.label for reform in reforms()}
    seen = [
        (labels.get(document["reform"], document["reform"]), one["label"])
        for document in sorted(
            newest.values(), key=lambda one: list(labels).index(one["reform"]) if one["reform"] in labels else -1
        )
        for one in harms_seen(document)
    ]
    return [f"Harm seen with {reform}: {label}." for reform, label in dict.fromkeys(seen)]


def _newest(documents: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The newest run of each plan, by the plan's name."""
    newest: dict[str, Mapping[str, Any]] = {}
    for document in documents:
        newest.setdefault(document["plan"]["plan"], document)
    return newest


def _row(reform: str, document: Mapping[str, Any], question: Mapping[str, Any]) -> tuple[str, ...]:
    smallest = question.get("smallest_detectable_effect") or {}
    value = smallest.get("value")
    could = "not computable" if value is None else f"{plain(value)} {question['unit_label']}"
    harm = harm_summary(document) or "nothing"
    said = (question["outcome_label"], question["verdict"]["words"], locks_words(question), could, harm, document["run_id"])
    return (reform, *said)
