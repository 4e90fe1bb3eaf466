"""From a run's stored document to what a face shows: words, tables and pictures. Nothing is estimated or recomputed here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas

from evaluation import ESTIMATORS
from pilots.charts import Mark, Picture, comparisons, ends_of, event_study, forest, number, signed_weights
from pilots.places import names, region_names
from pilots.tables import moment
from pilots.wording import plain

Question = Mapping[str, Any]

ESTIMATOR_WORDS = {name: one.title for name, one in ESTIMATORS.items()}
BACON_WORDS = {
    "Treated vs Untreated": "With those that never start",
    "Earlier vs Later Treated": "With those that start later",
    "Later vs Earlier Treated": "With those that have started already",
}
AGGREGATE_WORDS = {"event_time": "by time since the start", "region": "by region"}
# One region alone is one cluster by region: its own interval has to come from its authorities.
REGIONAL_CLUSTER = "authority"
CLUSTER_WORDS = {"region": "region", "authority": "local authority"}
FINE = 0.5  # standard errors below this are shown with two decimals


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
    """The headline as one line: estimate, interval, what was clustered, and p-value; or what would make an estimate possible."""
    headline = question["headline"]
    if "not_estimable" in headline:
        return sentence(headline["not_estimable"]["remedy"]) or "Nothing in this release would make an estimate possible."
    unit, cluster, digits = question["unit_label"], headline["cluster"], digits_of(question)
    clusters = headline["clusters"]
    return (
        f"Effect {number(headline['estimate'], digits)} {unit}, {headline['level']:.0%} interval "
        f"{number(headline['lower'], digits)} to {number(headline['upper'], digits)} (p {equal_to(headline['p_value'])}; "
        f"standard error {headline['std_error']:.{digits}f}, clustered by {CLUSTER_WORDS[cluster]}: {clusters} clusters)."
    )


def refusal_words(refusal: Mapping[str, str]) -> str:
    """Why there is no number, and what would make one possible."""
    return f"Not estimable: {sentence(refusal['reason'])} {sentence(refusal['remedy'])}".strip()


def sentence(text: str) -> str:
    """Words with one full stop at their end; nothing stays nothing."""
    return f"{text.strip().rstrip('.')}." if text.strip() else ""


def digits_of(question: Question) -> int:
    """Decimals that the headline's precision deserves: two where its standard error is below a half, one otherwise."""
    error = question["headline"].get("std_error")
    return 2 if error is not None and error < FINE else 1


def probability(value: float | None) -> str:
    """A p-value for readers: never 0."""
    if value is None:
        return "not known"
    return "less than 0.001" if value < 0.001 else f"{value:.3f}"


def equal_to(value: float | None) -> str:
    """A p-value after the letter p, as in “p = 0.003” and “p less than 0.001”."""
    words = probability(value)
    return f"= {words}" if words[0].isdigit() else words


def truth_of(question: Question) -> Mapping[str, Any]:
    """The known true effects, where the data are synthetic; else nothing."""
    return question.get("truth") or {}


def truth_words(question: Question) -> str:
    """What the truth is, where the data are synthetic; else nothing."""
    truth = truth_of(question).get("overall")
    if truth is None:
        return ""
    words = f"The true effect in the demonstration is {number(truth, digits_of(question))} {question['unit_label']}"
    headline = question["headline"]
    if headline.get("lower") is not None and headline.get("upper") is not None:
        inside = headline["lower"] <= truth <= headline["upper"]
        words += f", {'inside' if inside else 'outside'} the {headline['level']:.0%} interval"
    return f"{words}. Orange diamonds show the truth."


def run_words(document: Mapping[str, Any]) -> str:
    """A run in a list: when, which plan, which release."""
    plan, release = document["plan"], document["release"]["name"]
    return f"{moment(document['made_at'])}: {plan['plan']} {plan['version']} on release {release} ({document['run_id']})"


def run_rows(document: Mapping[str, Any]) -> list[dict[str, str]]:
    """One row an outcome of a run: run, made, plan, outcome, verdict."""
    plan = document["plan"]
    about = {"run": document["run_id"], "made": moment(document["made_at"]), "plan": f"{plan['plan']} {plan['version']}"}
    return [
        {**about, "outcome": question["outcome_label"], "verdict": question["verdict"]["words"]}
        for question in document["questions"]
    ]


def absent(question: Question, aggregate: str) -> str:
    """Why the headline's estimator has no rows of an aggregate; nothing where it has some."""
    name = headline_estimator(question)
    mine = [one for one in question["results"] if one["estimator"] == name and one["aggregate"] == aggregate]
    if any(one["rows"] for one in mine):
        return ""
    refused = next((one["not_estimable"] for one in mine if one["not_estimable"]), None)
    if refused is None:
        return f"Not computable: {ESTIMATOR_WORDS.get(name, name)} has no effects {AGGREGATE_WORDS.get(aggregate, aggregate)}."
    return refusal_words(refused)


def event_study_picture(question: Question) -> Picture | None:
    """The headline estimator's effects by periods since the start, with the truth where it is known."""
    truth = truth_of(question).get("by_event_time") or {}
    marks = []
    for row in rows_of(question, headline_estimator(question), "event_time"):
        step = row["label"].get("event_time")
        if isinstance(step, int):
            marks.append(_mark(row, str(step), step, truth.get(str(step)), row["std_error"] is None and row["estimate"] == 0))
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
    rows = {row["label"]["region"]: row for row in rows_of(question, headline_estimator(question), "region", REGIONAL_CLUSTER)}
    marks = [_mark(rows[code], name, at, truths.get(code)) for at, (code, name) in enumerate(names.items()) if code in rows]
    if not marks:
        return None
    return forest(
        [*marks, _together(question, "All together", len(marks))],
        title="Effect by region",
        outcome=question["outcome_label"],
        what="region",
        unit=question["unit_label"],
        level=question["level"],
    )


def leave_out_picture(question: Question) -> Picture | None:
    """The overall effect with each region left out in turn."""
    rows = {row["left_out"]: row for row in question.get("leave_one_region_out") or []}
    order = [(code, name) for code, name in region_names().items() if code in rows]
    marks = [_mark(rows[code], name, at) for at, (code, name) in enumerate(order)]
    if not any(mark.estimate is not None for mark in marks):
        return None
    return forest(
        [*marks, replace(_together(question, "None left out", len(marks)), truth=None)],
        title="The effect with each region left out in turn",
        outcome=question["outcome_label"],
        what="region left out",
        unit=question["unit_label"],
        level=question["level"],
    )


def estimators_picture(question: Question) -> Picture | None:
    """Every estimator's overall effect on one axis, under the headline's clustering."""
    wanted = headline_cluster(question)
    marks = []
    for result in question["results"]:
        if result["aggregate"] == "overall" and result["cluster"] == wanted and result["rows"]:
            short = ESTIMATOR_WORDS[result["estimator"]].split(" (")[0]
            again = sum(mark.label.startswith(short) for mark in marks)
            marks.append(_mark(result["rows"][0], f"{short} ({again + 1})" if again else short, len(marks)))
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


def assumptions_table(question: Question) -> pandas.DataFrame:
    """What each estimator of the plan assumes, one sentence each."""
    used = dict.fromkeys(result["estimator"] for result in question["results"])
    rows = [(ESTIMATORS[name].title, ESTIMATORS[name].assumes) for name in used]
    return pandas.DataFrame(rows, columns=["Estimator", "Its number is an effect if"])


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


def carriers_table(question: Question) -> pandas.DataFrame:
    """The cells with the largest weights in the headline; no rows where it keeps no weights."""
    found = question["makeup"]["carriers"]
    places = names()
    rows = [
        (
            places.get(one["authority"], one["authority"]),
            one["period"],
            "yes" if one["treated"] else "no",
            number(one["weight"], 4),
        )
        for one in ([] if found["not_estimable"] else found["largest"])
    ]
    return pandas.DataFrame(rows, columns=["Local authority", "Period", "With the reform", "Weight"])


def tables(question: Question) -> dict[str, pandas.DataFrame]:
    """Every table of a result by its title, in the order in which a reader wants them; those without rows are left out."""
    pictures = (event_study_picture(question), regional_picture(question), leave_out_picture(question))
    found = {picture.title: picture.table for picture in pictures[:2] if picture is not None}
    found["Whether to believe it"] = belief_table(question)
    found |= {picture.title: picture.table for picture in pictures[2:] if picture is not None}
    found["Other ways to estimate the same effect"] = estimates_table(question)
    found["What each estimator assumes"] = assumptions_table(question)
    found["The cells that carry the headline"] = carriers_table(question)
    found["Who is compared with whom"] = design_table(question)
    return {title: frame for title, frame in found.items() if len(frame)}


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
            mark = _mark(row, "", 0)
            error = "not known" if row["std_error"] is None else f"{row['std_error']:.2f}"
            ends = {"Effect": number(mark.estimate, 2), level: ends_of(mark)}
            rows.append({**base, **ends, "Standard error": error, "p-value": probability(row["p_value"])})
    return pandas.DataFrame(rows)


def estimator_words(result: Mapping[str, Any]) -> str:
    """An estimator's name for readers, with the options that were chosen."""
    chosen = sorted((result.get("options") or {}).items())
    options = ", ".join(f"{name} {value}".replace("_", " ") for name, value in chosen)
    name = ESTIMATOR_WORDS.get(result["estimator"], str(result["estimator"]).replace("_", " "))
    return f"{name} ({options})" if options else name


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
    rows = [_trend_row(trend, len(question["pretrends"]) > 1) for trend in question["pretrends"]]
    smallest = question["smallest_detectable_effect"]
    asked = "How small an effect could be seen?"
    if smallest is None or smallest.get("value") is None:
        rows.append((asked, "not computable", (smallest or {}).get("reason") or "There is no estimate."))
    else:
        text = f"With {smallest['power']:.0%} power this design finds effects of this size or larger."
        rows.append((asked, f"{plain(smallest['value'])} {question['unit_label']}", text))
    left = [row["estimate"] for row in question.get("leave_one_region_out") or [] if row.get("estimate") is not None]
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


def provenance_table(document: Mapping[str, Any], question: Question) -> pandas.DataFrame:
    """What a reader needs to get the same numbers again."""
    plan, registered = document["plan"], document.get("registered_at")
    rows = [
        ("Run", document["run_id"]),
        ("Made", f"{moment(document['made_at'])} by {document['made_by']}"),
        ("Plan", f"{plan['plan']}, version {plan['version']}"),
        ("Plan registered", moment(registered) if registered else "not before this run"),
        ("Plan digest", document["plan_digest"]),
        ("Release", document["release"]["name"]),
        ("Release digest", document["release_digest"]),
        ("Data digest", document["data_digests"].get(question["outcome"], "")),
        ("Code version", document["code_version"]),
        ("Results digest", document["results_digest"]),
    ]
    return pandas.DataFrame(rows, columns=["Provenance", "Value"])


def _together(question: Question, label: str, position: int) -> Mark:
    return replace(_mark(question["headline"], label, position, truth_of(question).get("overall")), strong=True)


def _mark(row: Mapping[str, Any], label: str, position: float, truth: float | None = None, reference: bool = False) -> Mark:
    return Mark(label, position, row.get("estimate"), row.get("lower"), row.get("upper"), truth, reference=reference)
