"""From a run's stored document to its tables and the words about its makeup."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas

from evaluation import ESTIMATORS
from evaluation.words import units_of
from pilots.charts import Picture, ends_of, number
from pilots.places import called
from pilots.tables import moment
from pilots.views.belief import (
    bends_picture,
    checks_table,
    design_card_table,
    drift_picture,
    few_clusters_table,
    placebo_picture,
    power_picture,
    power_table,
    rating_table,
    returns_table,
)
from pilots.views.common import (
    CLUSTER_WORDS,
    Question,
    equal_to,
    estimator_words,
    left_out_rows,
    mark_of,
    probability,
    sentence,
    standing_words,
    unit_heading,
)
from pilots.views.parts import (
    cost_table,
    described_table,
    guardrails_table,
    leads_picture,
    regional_picture,
    specification_picture,
)
from pilots.views.pictures import event_study_picture, leave_out_picture
from pilots.wording import plain


def makeup_words(question: Question) -> list[str]:
    """What cannot be drawn of the makeup, and why; and how concentrated the headline is."""
    makeup, said = question["makeup"], []
    for name, what in (
        ("bacon", "The comparisons of the two-way number"),
        ("two_way_weights", "The weights of the two-way number"),
    ):
        if makeup[name]["not_estimable"]:
            said.append(f"{what} cannot be shown: {sentence(makeup[name]['not_estimable']['reason'])}")
    carriers = makeup["carriers"]
    if not carriers["not_estimable"]:
        said.append(f"Half of all weight in the headline lies on {carriers['half']} of {carriers['cells']} cells.")
    return said


def assumptions_table(question: Question) -> pandas.DataFrame:
    """What each estimator of the plan assumes, one sentence each."""
    used = dict.fromkeys(result["estimator"] for result in question["results"])
    rows = [(ESTIMATORS[name].title, ESTIMATORS[name].assumes) for name in used]
    return pandas.DataFrame(rows, columns=["Estimator", "Its number is an effect if"])


def carriers_table(question: Question) -> pandas.DataFrame:
    """The cells with the largest weights in the headline; no rows where it keeps no weights."""
    found = question["makeup"]["carriers"]
    rows = [
        (
            called(one["authority"]),
            one["period"],
            "yes" if one["treated"] else "no",
            number(one["weight"], 4),
        )
        for one in ([] if found["not_estimable"] else found["largest"])
    ]
    return pandas.DataFrame(rows, columns=[unit_heading(question), "Period", "With the reform", "Weight"])


def estimates_table(question: Question) -> pandas.DataFrame:
    """Every estimator's overall effect under every clustering, side by side; what is not estimable says why."""
    rows = []
    level = f"{question['level']:.0%} interval"
    for result in question["results"]:
        if result["aggregate"] != "overall":
            continue
        base = {"Estimator": estimator_words(result), "Clustered by": CLUSTER_WORDS[result["cluster"]]}
        if result["not_estimable"]:
            rows.append({**base, "Effect": "not estimable", level: result["not_estimable"]["reason"]})
        for row in result["rows"]:
            mark = mark_of(row, "", 0)
            error = "not known" if row["std_error"] is None else f"{row['std_error']:.2f}"
            ends = {"Effect": number(mark.estimate, 2), level: ends_of(mark)}
            rows.append({**base, **ends, "Standard error": error, "p-value": probability(row["p_value"])})
    return pandas.DataFrame(rows)


def design_table(question: Question) -> pandas.DataFrame:
    """Who is compared with whom, and what is missing."""
    design = question["design"]
    starts = ", ".join(f"{cohort['first_treated']}: {cohort['units']}" for cohort in design["cohorts"])
    clusters = ", ".join(f"{count} by {name}" for name, count in design["clusters"].items())
    treated = ", ".join(f"{count} by {name}" for name, count in design["treated_clusters"].items())
    who = units_of(question)
    rows = [
        (f"{who.capitalize()} with the reform", design["treated_units"]),
        (f"{who.capitalize()} that compare", design["comparison_units"]),
        (f"First period with the reform, and how many {who}", starts),
        ("Periods", f"{design['periods'][0]} to {design['periods'][-1]} ({len(design['periods'])})"),
        ("Clusters", clusters),
        ("Clusters with the reform", treated),
        (f"Cells ({unit_heading(question).lower()} by period)", design["cells"]),
        ("Cells missing", f"{design['missing_cells']}, of which {design['missing_treated_cells']} with the reform"),
    ]
    told = [(what, f"{value:,}" if isinstance(value, int) else value) for what, value in rows]
    return pandas.DataFrame(told, columns=["The comparison", "In this result"])


def belief_table(question: Question) -> pandas.DataFrame:
    """What speaks for and against believing the headline: one row a check, with its number and plain reading."""
    if question.get("checks"):
        return checks_table(question)
    rows = [_trend_row(trend, len(question["pretrends"]) > 1) for trend in question["pretrends"]]
    smallest = question["smallest_detectable_effect"]
    asked = "How small an effect could be seen?"
    if smallest is None or smallest.get("value") is None:
        rows.append((asked, "not computable", (smallest or {}).get("reason") or "There is no estimate."))
    else:
        text = f"With {smallest['power']:.0%} power this design finds effects of this size or larger."
        rows.append((asked, f"{plain(smallest['value'])} {question['unit_label']}", text))
    left = [row["estimate"] for row in left_out_rows(question) if row.get("estimate") is not None]
    if left:
        text = "The effect with each region left out in turn. A wide range means that one region carries the result."
        rows.append(("Does one region carry the result?", f"{number(min(left))} to {number(max(left))}", text))
    return pandas.DataFrame(rows, columns=["What is asked", "Number", "Plain reading"])


def _trend_row(trend: Mapping[str, Any], several: bool) -> tuple[str, str, str]:
    asked = "Were the groups on the same path before?"
    if several:
        asked += f" (by {CLUSTER_WORDS[trend['cluster']]})"
    if trend["not_estimable"]:
        return asked, "not computable", str(trend["not_estimable"]["reason"])
    return asked, f"p {equal_to(trend['p_value_hotelling'])}", str(trend["reading"])


def late_words(late: Mapping[str, int]) -> str:
    """How many of a question's figures came after the day on which they were due."""
    return f"{late['figures']:,} of {late['of']:,}" if late["figures"] else "none that is known of"


def provenance_table(document: Mapping[str, Any], question: Question) -> pandas.DataFrame:
    """What a reader needs to get the same numbers again."""
    plan, registered = document["plan"], document.get("registered_at")
    rows = [
        ("Run", document["run_id"]),
        ("Made", f"{moment(document['made_at'])} by {document['made_by']}"),
        ("Plan", f"{plan['plan']}, version {plan['version']}"),
        ("Plan registered", moment(registered) if registered else "not before this run"),
        ("Planned or exploratory", standing_words(document)[0]),
        *(("Departs from the plan", one["words"]) for one in (document.get("standing") or {}).get("deviations", [])),
        ("Plan digest", document["plan_digest"]),
        ("Release", document["release"]["name"]),
        ("Release digest", document["release_digest"]),
        ("Data digest", document["data_digests"].get(question["outcome"], "")),
        *([("Figures that came late", late_words(question["late"]))] if "late" in question else []),
        ("Code version", document["code_version"]),
        ("Results digest", document["results_digest"]),
    ]
    return pandas.DataFrame(rows, columns=["Provenance", "Value"])


def tables(question: Question) -> dict[str, pandas.DataFrame]:
    """Every table of a result by its title, in the order in which a reader wants them; those without rows are left out."""
    found: dict[str, pandas.DataFrame] = {"The rating, rule by rule": rating_table(question)}
    found |= _drawn(event_study_picture(question), regional_picture(question))
    found["Whether to believe it"] = belief_table(question)
    found |= _drawn(drift_picture(question), bends_picture(question), placebo_picture(question))
    found["Methods for few partnerships"] = few_clusters_table(question)
    found["What the number rests on"] = design_card_table(question)
    found |= _drawn(leave_out_picture(question), power_picture(question))
    found["How small an effect could be seen"] = power_table(question)
    found["Returns that would help most"] = returns_table(question)
    found |= _drawn(specification_picture(question))
    found["Watched for harm"] = guardrails_table(question)
    found |= _drawn(leads_picture(question))
    found["What it cost"] = cost_table(question)
    found["Other ways to estimate the same effect"] = estimates_table(question)
    found["What each estimator assumes"] = assumptions_table(question)
    found["The cells that carry the headline"] = carriers_table(question)
    found["Who is compared with whom"] = design_table(question)
    if "not_estimable" in question["headline"]:
        found["The figures as they are"] = described_table(question)
    return {title: frame for title, frame in found.items() if len(frame)}


def _drawn(*pictures: Picture | None) -> dict[str, pandas.DataFrame]:
    return {picture.title: picture.table for picture in pictures if picture is not None}
