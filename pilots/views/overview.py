"""All reforms and their outcomes on one view, from the newest run of each plan and from the catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas

from pilots.catalogue import reforms
from pilots.views.belief import locks_words
from pilots.views.common import sentence
from pilots.views.parts import harm_summary
from pilots.wording import plain

COLUMNS = ["Reform", "Outcome", "What is said", "Belief", "Smallest effect that could be seen", "Watched for harm", "Run"]


def overview_table(documents: Iterable[Mapping[str, Any]]) -> pandas.DataFrame:
    """Each reform of the catalogue with each outcome asked: verdict, locks, smallest detectable effect, guardrails.

    Args:
        documents: of runs, newest first; of one plan the first counts.

    Returns:
        One row a reform and outcome, in the order of the catalogue, then of plans by name. A reform that nothing was asked of has
        one row, with why.
    """
    newest: dict[str, Mapping[str, Any]] = {}
    for document in documents:
        newest.setdefault(document["plan"]["plan"], document)
    rows: list[tuple[str, ...]] = []
    for reform in reforms():
        mine = [newest[name] for name in sorted(newest) if newest[name]["reform"] == reform.id]
        asked = [_row(reform.label, document, question) for document in mine for question in document["questions"]]
        why = sentence(f"Not estimable: {reform.not_causal}") if reform.not_causal else "Nothing was asked yet."
        rows += asked or [(reform.label, "", why, "", "", "", "")]
    return pandas.DataFrame(rows, columns=COLUMNS)


def _row(reform: str, document: Mapping[str, Any], question: Mapping[str, Any]) -> tuple[str, ...]:
    smallest = question.get("smallest_detectable_effect") or {}
    value = smallest.get("value")
    could = "not computable" if value is None else f"{plain(value)} {question['unit_label']}"
    harm = harm_summary(document) or "nothing"
    said = (question["outcome_label"], question["verdict"]["words"], locks_words(question), could, harm, document["run_id"])
    return (reform, *said)
