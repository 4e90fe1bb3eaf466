"""From a run's stored document to what a face shows: words, tables and pictures. Nothing is estimated here, and nothing recomputed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas

from pilots.charts import Mark, Picture, event_study, forest, interval, number
from pilots.places import region_names

Question = Mapping[str, Any]

ESTIMATOR_WORDS = {
    "group_time": "Group-time (Callaway and Sant\u2019Anna)",
    "two_way_fixed_effects": "Two-way fixed effects",
    "two_by_two": "Two by two",
}
AGGREGATE_WORDS = {
    "overall": "overall",
    "event_time": "by time since the start",
    "cohort": "by start",
    "calendar": "by period",
    "region": "by region",
}


def rows_of(question: Question, estimator: str, aggregate: str, cluster: str | None = None) -> list[dict[str, Any]]:
    """The rows of one estimator and aggregate, as the run stored them.

    Args:
        question: One question of a run's document.
        estimator: Name of the estimator.
        aggregate: Name of the aggregate.
        cluster: Which clustering; without it, the headline's.
    """
    chosen = cluster or headline_cluster(question)
    for result in question["results"]:
        if result["estimator"] == estimator and result["aggregate"] == aggregate and result["cluster"] == chosen:
            return list(result["rows"])
    return []


def headline_cluster(question: Question) -> str | None:
    """The clustering that the headline uses, or None where there is no headline."""
    cluster = question["headline"].get("cluster")
    return None if cluster is None else str(cluster)


def headline_estimator(question: Question) -> str:
    """The estimator that the plan names as its headline."""
    return str(question["headline"].get("estimator") or question["results"][0]["estimator"])


def headline_words(question: Question) -> str:
    """The headline as one line: estimate, interval, what was clustered, and p-value."""
    headline = question["headline"]
    if "not_estimable" in headline:
        return f"Not estimable: {headline['not_estimable']['reason']}. {headline['not_estimable']['remedy']}"
    unit, cluster = question["unit_label"], headline["cluster"]
    clusters = question["design"]["clusters"].get(cluster)
    return (
        f"Effect {number(headline['estimate'])} {unit}, {headline['level']:.0%} interval {number(headline['lower'])} to "
        f"{number(headline['upper'])} (p = {probability(headline['p_value'])}; standard error {headline['std_error']:.1f}, "
        f"clustered by {cluster}: {clusters} clusters)."
    )


def probability(value: float | None) -> str:
    """A p-value for readers: never 0."""
    if value is None:
        return "not known"
    return "less than 0.001" if value < 0.001 else f"{value:.3f}"


def truth_of(question: Question) -> Mapping[str, Any]:
    """The known true effects, where the data are synthetic; else nothing."""
    return question.get("truth") or {}


def event_study_picture(question: Question) -> Picture | None:
    """The headline estimator's effects by periods since the start, with the truth where it is known."""
    truth = truth_of(question).get("by_event_time") or {}
    marks = []
    for row in rows_of(question, headline_estimator(question), "event_time"):
        step = row["label"].get("event_time")
        if isinstance(step, int):
            marks.append(_mark(row, str(step), step, truth.get(str(step))))
    if not marks:
        return None
    return event_study(
        sorted(marks, key=lambda mark: mark.position),
        outcome=question["outcome_label"],
        unit=question["unit_label"],
        period=question.get("period_word", "period"),
        level=question["level"],
    )


def regional_picture(question: Question) -> Picture | None:
    """Each region's effect, and all together below; regions in their official order, never ranked."""
    truths = truth_of(question).get("by_region") or {}
    names = region_names()
    marks = [
        _mark(row, names.get(row["label"]["region"], str(row["label"]["region"])), at, truths.get(row["label"]["region"]))
        for at, row in enumerate(rows_of(question, headline_estimator(question), "region", _authority_cluster(question)))
        if "region" in row["label"]
    ]
    if not marks:
        return None
    headline = question["headline"]
    together = Mark(
        "All together",
        len(marks),
        headline["estimate"],
        headline["lower"],
        headline["upper"],
        truth_of(question).get("overall"),
        strong=True,
    )
    return forest(
        [*marks, together],
        title=f"{question['outcome_label']}: effect by region",
        what="region",
        unit=question["unit_label"],
        level=question["level"],
    )


def leave_out_picture(question: Question) -> Picture | None:
    """The overall effect with each region left out in turn."""
    names = region_names()
    marks = [
        _mark(row, f"Without {names.get(row['left_out'], row['left_out'])}", at)
        for at, row in enumerate(question.get("leave_one_region_out") or [])
        if row.get("estimate") is not None
    ]
    if not marks:
        return None
    headline = question["headline"]
    together = Mark("All regions", len(marks), headline["estimate"], headline["lower"], headline["upper"], strong=True)
    return forest(
        [*marks, together],
        title="Does one region carry the result?",
        what="left out",
        unit=question["unit_label"],
        level=question["level"],
    )


def estimates_table(question: Question) -> pandas.DataFrame:
    """Every estimator's overall effect under every clustering, side by side."""
    rows = []
    for result in question["results"]:
        if result["aggregate"] != "overall":
            continue
        base = {"Estimator": estimator_words(result), "Clustered by": result["cluster"]}
        if result["not_estimable"]:
            rows.append(
                {**base, "Effect": f"Not estimable: {result['not_estimable']['reason']}", "Standard error": "", "p-value": ""}
            )
        for row in result["rows"]:
            numbers = {"Standard error": f"{row['std_error']:.2f}", "p-value": probability(row["p_value"])}
            rows.append({**base, "Effect": interval(_mark(row, "", 0), 2), **numbers})
    return pandas.DataFrame(rows)


def detail_table(question: Question, aggregate: str) -> pandas.DataFrame:
    """The headline estimator's rows of one aggregate, under the headline's clustering."""
    names = region_names()
    rows = rows_of(question, headline_estimator(question), aggregate)
    words = [", ".join(names.get(str(value), str(value)) for value in row["label"].values()) for row in rows]
    return pandas.DataFrame(
        {
            AGGREGATE_WORDS[aggregate].capitalize(): words,
            f"Effect ({question['unit_label']})": [interval(_mark(row, "", 0), 2) for row in rows],
            "p-value": [probability(row["p_value"]) for row in rows],
        }
    )


def estimator_words(result: Mapping[str, Any]) -> str:
    """An estimator's name for readers, with the options that were chosen."""
    options = ", ".join(str(value).replace("_", " ") for _, value in sorted((result.get("options") or {}).items()))
    name = ESTIMATOR_WORDS.get(result["estimator"], str(result["estimator"]).replace("_", " "))
    return f"{name}: {options}" if options else name


def design_table(question: Question) -> pandas.DataFrame:
    """Who is compared with whom, and what is missing."""
    design = question["design"]
    starts = ", ".join(f"{cohort['first_treated']}: {cohort['units']}" for cohort in design["cohorts"])
    clusters = ", ".join(f"{count} by {name}" for name, count in design["clusters"].items())
    treated = ", ".join(f"{count} by {name}" for name, count in design["treated_clusters"].items())
    rows = [
        ("Local authorities with the reform", design["treated_units"]),
        ("Local authorities that compare", design["comparison_units"]),
        ("First period with the reform, and how many authorities", starts),
        ("Periods", f"{design['periods'][0]} to {design['periods'][-1]} ({len(design['periods'])})"),
        ("Clusters", clusters),
        ("Clusters with the reform", treated),
        ("Cells (authority by period)", design["cells"]),
        ("Cells missing", f"{design['missing_cells']}, of which {design['missing_treated_cells']} with the reform"),
    ]
    return pandas.DataFrame([(what, str(value)) for what, value in rows], columns=["The comparison", "In this result"])


def belief_table(question: Question) -> pandas.DataFrame:
    """What speaks for and against believing the headline: one row a check, with its number and plain reading."""
    trend, smallest = question["pretrend"], question["smallest_detectable_effect"]
    rows = []
    if trend.get("not_estimable"):
        rows.append(("Were the groups on the same path before?", "not computable", trend["not_estimable"]["reason"]))
    else:
        rows.append(("Were the groups on the same path before?", f"p = {probability(trend['p_value'])}", trend["reading"]))
    if smallest and smallest.get("value") is not None:
        text = f"With {smallest['power']:.0%} power this design finds effects of this size or larger ({smallest['method']}, by {smallest['cluster']})."
        rows.append(("How small an effect could be seen?", f"{smallest['value']:.1f} {question['unit_label']}", text))
    left = [row for row in question.get("leave_one_region_out") or [] if row.get("estimate") is not None]
    if left:
        low, high = min(row["estimate"] for row in left), max(row["estimate"] for row in left)
        text = "The effect with each region left out in turn. A wide range means that one region carries the result."
        rows.append(("Does one region carry the result?", f"{number(low)} to {number(high)}", text))
    return pandas.DataFrame(rows, columns=["What is asked", "Number", "Plain reading"])


def provenance_table(document: Mapping[str, Any], question: Question) -> pandas.DataFrame:
    """What a reader needs to get the same numbers again."""
    rows = [
        ("Run", document["run_id"]),
        ("Made", document["made_at"]),
        ("Plan", f"{document['plan']['plan']}, version {document['plan']['version']}"),
        ("Plan digest", document["plan_digest"]),
        ("Release digest", document["release_digest"]),
        ("Data digest", document["data_digests"].get(question["outcome"], "")),
        ("Code version", document["code_version"]),
        ("Results digest", document["results_digest"]),
    ]
    return pandas.DataFrame(rows, columns=["Provenance", "Value"])


def _authority_cluster(question: Question) -> str | None:
    # One region alone is one cluster by region: its own interval has to come from its authorities.
    return "authority" if "authority" in question["design"]["clusters"] else None


def _mark(row: Mapping[str, Any], label: str, position: float, truth: float | None = None) -> Mark:
    return Mark(label, position, row.get("estimate"), row.get("lower"), row.get("upper"), truth)
