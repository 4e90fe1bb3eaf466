"""What every view shares: which rows of a stored question are shown, and how numbers and refusals are put in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from evaluation import ESTIMATORS
from evaluation.few_clusters import in_text
from evaluation.words import units_of
from pilots.charts import Mark, number
from pilots.tables import moment

Question = Mapping[str, Any]

ESTIMATOR_WORDS = {name: one.title for name, one in ESTIMATORS.items()}
AGGREGATE_WORDS = {"event_time": "by time since the start", "region": "by region"}
# One region alone is one cluster by region: its own interval has to come from its authorities.
REGIONAL_CLUSTER = "authority"
CLUSTER_WORDS = {"region": "region", "authority": "local authority", "partnership": "partnership"}
STANDINGS = {
    "planned": "planned",
    "sealed_late": "planned late",
    "departs": "exploratory, departs from its plan",
    "exploratory": "exploratory",
}
HEADINGS = {"schools": "School", "local authorities": "Local authority"}
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


def left_out_rows(question: Question) -> list[dict[str, Any]]:
    """The effect with each region left out: the rows of that check; older runs kept a list of their own."""
    found = (one["rows"] for one in question.get("checks") or [] if one["check"] == "leave_one_region_out")
    return list(next(found, None) or question.get("leave_one_region_out") or [])


def headline_estimator(question: Question) -> str:
    """The estimator that the plan names as its headline."""
    return str(question["headline"].get("estimator") or question["results"][0]["estimator"])


def headline_words(question: Question) -> str:
    """The headline as one line: estimate, interval, what was clustered, and p-value; or what would make an estimate possible."""
    headline = question["headline"]
    if "not_estimable" in headline:
        return sentence(headline["not_estimable"]["remedy"]) or "Nothing in this release would make an estimate possible."
    unit, digits = question["unit_label"], digits_of(question)
    ends = _interval_words(headline, digits)
    what = "Departure from its own earlier trend" if headline.get("estimator") == "interrupted_series" else "Effect"
    return (
        f"{what} {number(headline['estimate'], digits)} {unit}, {headline['level']:.0%} interval {ends} "
        f"(p {equal_to(headline['p_value'])}; {_basis(headline, digits)})."
    )


def _interval_words(headline: Mapping[str, Any], digits: int) -> str:
    lower, upper = headline.get("lower"), headline.get("upper")
    if lower is None and upper is None:
        return "without ends"
    ends = [
        "no lower end" if lower is None else number(lower, digits),
        "no upper end" if upper is None else number(upper, digits),
    ]
    return " to ".join(ends)


def _basis(headline: Mapping[str, Any], digits: int) -> str:
    """By which method a p-value and an interval were had, and the clustered error beside."""
    said = []
    if headline.get("method_label"):
        units = f", {headline['treated_units']} partnerships with the reform" if headline.get("treated_units") else ""
        said.append(f"by {in_text(headline['method_label'])}{units}")
    if headline.get("std_error") is not None:
        by = CLUSTER_WORDS[headline["cluster"]]
        said.append(f"standard error {headline['std_error']:.{digits}f}, clustered by {by}: {headline['clusters']} clusters")
    return "; ".join(said) or "no standard error"


def unit_heading(question: Question) -> str:
    """Who is observed, as the heading of a column."""
    return HEADINGS[units_of(question)]


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


def standing_words(document: Mapping[str, Any]) -> list[str]:
    """Whether a run was planned or is exploratory, then where it departs from its plan, one sentence each."""
    found = document.get("standing")
    if not found:  # a run from before plans were sealed
        when = document.get("registered_at")
        return [f"Planned: registered on {moment(when)}." if when else "Exploratory: no plan was registered before this run."]
    return [found["words"], *(f"Departs from the plan in {one['words']}." for one in found["deviations"])]


def standing_short(document: Mapping[str, Any]) -> str:
    """A run's standing in a word or two, for lists."""
    found = document.get("standing")
    if not found:
        return STANDINGS["planned" if document.get("registered_at") else "exploratory"]
    return STANDINGS[found["kind"]]


def run_rows(document: Mapping[str, Any], stale: Sequence[str] = ()) -> list[dict[str, str]]:
    """One row an outcome of a run: run, made, plan, outcome, standing, verdict, and whether it is stale (why, one each)."""
    plan = document["plan"]
    about = {"run": document["run_id"], "made": moment(document["made_at"]), "plan": f"{plan['plan']} {plan['version']}"}
    state = f"yes ({len(stale)})" if stale else ""
    return [
        {
            **about,
            "outcome": question["outcome_label"],
            "standing": standing_short(document),
            "verdict": question["verdict"]["words"],
            "stale": state,
        }
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


def estimator_words(result: Mapping[str, Any]) -> str:
    """An estimator's name for readers, with the options that were chosen."""
    chosen = sorted((result.get("options") or {}).items())
    options = ", ".join(f"{name} {value}".replace("_", " ") for name, value in chosen)
    name = ESTIMATOR_WORDS.get(result["estimator"], str(result["estimator"]).replace("_", " "))
    return f"{name} ({options})" if options else name


def together(question: Question, label: str, position: int) -> Mark:
    """The headline as the row of all together."""
    return replace(mark_of(question["headline"], label, position, truth_of(question).get("overall")), strong=True)


def mark_of(
    row: Mapping[str, Any],
    label: str,
    position: float,
    truth: float | None = None,
    reference: bool = False,
    strong: bool = False,
) -> Mark:
    """A stored row as a mark of a chart."""
    ends = row.get("lower"), row.get("upper")
    return Mark(label, position, row.get("estimate"), *ends, truth, strong=strong, reference=reference)
