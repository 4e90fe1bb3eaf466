"""From a run's stored document to its pictures of effects: by time, by region, by what is left out, by estimator, by makeup."""

from __future__ import annotations

from dataclasses import replace

import pandas

from pilots.charts import Mark, Picture, comparisons, event_study, forest, signed_weights
from pilots.places import region_names
from pilots.views.common import (
    ESTIMATOR_WORDS,
    REGIONAL_CLUSTER,
    Question,
    headline_cluster,
    headline_estimator,
    left_out_rows,
    mark_of,
    rows_of,
    together,
    truth_of,
)

BACON_WORDS = {
    "Treated vs Untreated": "With those that never start",
    "Earlier vs Later Treated": "With those that start later",
    "Later vs Earlier Treated": "With those that have started already",
}


def event_study_picture(question: Question) -> Picture | None:
    """The headline estimator's effects by periods since the start, with the truth where it is known."""
    truth = truth_of(question).get("by_event_time") or {}
    marks = []
    for row in rows_of(question, headline_estimator(question), "event_time"):
        step = row["label"].get("event_time")
        if isinstance(step, int):
            marks.append(mark_of(row, str(step), step, truth.get(str(step)), row["std_error"] is None and row["estimate"] == 0))
    if not marks:
        return None
    return event_study(
        sorted(marks, key=lambda mark: mark.position),
        outcome=question["outcome_label"],
        unit=question["unit_label"],
        period=question.get("period_word", "period"),
        level=question["level"],
    )


def own_regions(question: Question) -> Picture | None:
    """Each region's effect, and all together below; regions in their official order, never ranked."""
    truths = truth_of(question).get("by_region") or {}
    names = region_names()
    rows = {row["label"]["region"]: row for row in rows_of(question, headline_estimator(question), "region", REGIONAL_CLUSTER)}
    marks = [mark_of(rows[code], name, at, truths.get(code)) for at, (code, name) in enumerate(names.items()) if code in rows]
    if not marks:
        return None
    return forest(
        [*marks, together(question, "All together", len(marks))],
        title="Effect by region",
        outcome=question["outcome_label"],
        what="region",
        unit=question["unit_label"],
        level=question["level"],
    )


def leave_out_picture(question: Question) -> Picture | None:
    """The overall effect with each region left out in turn."""
    rows = {region_names().get(row["left_out"], row["left_out"]): row for row in left_out_rows(question)}
    order = [name for name in region_names().values() if name in rows]
    marks = [mark_of(rows[name], name, at) for at, name in enumerate(order)]
    if not any(mark.estimate is not None for mark in marks):
        return None
    return forest(
        [*marks, replace(together(question, "None left out", len(marks)), truth=None)],
        title="The effect with each region left out in turn",
        outcome=question["outcome_label"],
        what="region left out",
        unit=question["unit_label"],
        level=question["level"],
    )


def estimators_picture(question: Question) -> Picture | None:
    """Every estimator's overall effect on one axis, under the headline's clustering."""
    wanted = headline_cluster(question)
    marks: list[Mark] = []
    for result in question["results"]:
        if result["aggregate"] == "overall" and result["cluster"] == wanted and result["rows"]:
            short = ESTIMATOR_WORDS[result["estimator"]].split(" (")[0]
            again = sum(mark.label.startswith(short) for mark in marks)
            marks.append(mark_of(result["rows"][0], f"{short} ({again + 1})" if again else short, len(marks)))
    if len(marks) < 2:
        return None
    truth = truth_of(question).get("overall")
    return forest(
        [replace(mark, truth=truth) for mark in marks] if truth is not None else marks,
        title="The effect by each estimator",
        outcome=question["outcome_label"],
        what="estimator",
        unit=question["unit_label"],
        level=question["level"],
    )


def weights_picture(question: Question) -> Picture | None:
    """How the two-way number weighs treated cells, with weights below zero in plain sight."""
    found = question["makeup"]["two_way_weights"]
    if found["not_estimable"]:
        return None
    return signed_weights(
        pandas.DataFrame(found["by_event_time"]),
        title="How the two-way number weighs periods since the start",
        period=question.get("period_word", "period"),
    )


def bacon_picture(question: Question) -> Picture | None:
    """Which comparisons make the two-way number."""
    found = question["makeup"]["bacon"]
    if found["not_estimable"]:
        return None
    rows = pandas.DataFrame(found["comparisons"])
    rows["kind"] = rows["type"].map(BACON_WORDS)
    rows["untreated"] = ["never" if one["untreated"] is None else str(one["untreated"]) for one in found["comparisons"]]
    rows["treated"] = rows["treated"].astype(str)
    whole = "" if not found["left_out"] else f" ({found['authorities']} authorities without a gap)"
    return comparisons(
        rows[["kind", "treated", "untreated", "estimate", "weight"]],
        title=f"Which comparisons make the two-way number{whole}",
        unit=question["unit_label"],
    )
