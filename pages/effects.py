"""What each reform did: the evaluator's screen. It shows a stored run and recomputes nothing."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from typing import Any

import streamlit as st

from pages import _frame as frame
from pilots import bundles, runs, staleness, views
from pilots.charts import Picture

# What these say is about the data; it stands below the evidence, so that warnings about the result keep their weight.
NOTES = ("notice", "estimator")
ALL = "Everything on one page"
# A lock drawn with borders alone: a shut one is full and its shackle closed, an open one is empty and its shackle turned aside.
LOCK = "position:relative;display:inline-block;width:24px;height:26px"
SHACKLE = "position:absolute;top:1px;left:5px;width:14px;height:13px;box-sizing:border-box;border:3px solid #12436D"
SHACKLE += ";border-bottom:0;border-radius:7px 7px 0 0"
OPENED = ";transform-origin:0 100%;transform:rotate(-28deg)"
BODY = (
    "position:absolute;top:12px;left:2px;width:20px;height:14px;box-sizing:border-box;border:3px solid #12436D;border-radius:2px"
)
PICTURES: dict[str, Callable[[dict[str, Any]], Picture | None]] = {
    "event-study": views.event_study_picture,
    "regions": views.regional_picture,
    "drift": views.drift_picture,
    "bends": views.bends_picture,
    "placebo": views.placebo_picture,
    "leave-out": views.leave_out_picture,
    "power": views.power_picture,
    "specifications": views.specification_picture,
    "estimators": views.estimators_picture,
    "leads": views.leads_picture,
    "weights": views.weights_picture,
    "bacon": views.bacon_picture,
}


def choose(found: list[Any]) -> tuple[Any, dict[str, Any]]:
    """Let the reader choose reform, outcome and, where there are several, the run; the newest stands first."""
    answers: dict[str, dict[str, list[Any]]] = {}
    for run in found:
        for question in run.document["questions"]:
            outcomes = answers.setdefault(run.document["reform_label"], {})
            outcomes.setdefault(question["outcome_label"], []).append((run, question))
    left, right = st.columns(2)
    reform = left.selectbox("Reform", list(answers), key="reform", bind="query-params")
    outcome = right.selectbox("Outcome", list(answers[reform]), key="outcome", bind="query-params")
    several = answers[reform][outcome]
    if len(several) == 1:
        return several[0]
    words = {views.run_words(run.document): (run, question) for run, question in several}
    return words[st.selectbox(f"Run ({len(several)} of them, newest first)", list(words), key="run")]


def headline(question: dict[str, Any], document: dict[str, Any]) -> None:
    """Verdict, number, harm that is seen, locks, whether it was planned, three sentences, truth, what is watched, what warns."""
    frame.verdict(question["outcome_label"], question["verdict"]["words"], views.headline_words(question))
    for words in views.harm_seen_words(document, question):
        frame.warning(words)
    locks(question)
    said(*views.standing_words(document))
    st.markdown("\n\n".join(question["reading"]))
    truth = views.truth_words(question)
    if truth:
        frame.banner(truth)
    watched = views.harm_words(document)
    if watched:
        st.markdown("**Watched for harm beside it**\n\n" + "\n".join(f"- {words}" for words in watched))
    for item in question["warnings"]:
        if item["kind"] not in NOTES:
            frame.warning(item["text"])


def locks(question: dict[str, Any]) -> None:
    """The rating as locks, shut and open told apart by shape, with why each was lost."""
    rating, words = views.part(question, "rating"), views.locks_words(question)
    if rating is None:
        return
    drawn = "".join(_lock(at < rating["locks"]) for at in range(rating["of"]))
    st.html(
        '<p style="margin:.2rem 0 0 0;color:#0b0c0c;display:flex;align-items:center;gap:.6rem;flex-wrap:wrap">'
        f'<span role="img" aria-label="{html.escape(words)}" style="display:inline-flex;gap:.2rem">{drawn}</span>'
        f"<strong>{html.escape(words)}</strong>"
        "<span>How far this number can be believed, not whether the reform is good.</span></p>"
    )
    with st.expander(f"Why {words}"):
        lost = views.locks_lost(question)
        st.markdown("\n".join(f"- {words}" for words in lost) if lost else "No lock was lost.")
        frame.table(views.rating_table(question), "The rating, rule by rule")


def _lock(shut: bool) -> str:
    shackle, body = (SHACKLE, f"{BODY};background:#12436D") if shut else (SHACKLE + OPENED, f"{BODY};background:#ffffff")
    return f'<span style="{LOCK}"><span style="{shackle}"></span><span style="{body}"></span></span>'


@st.cache_data(show_spinner=False, max_entries=1000)
def picture_of(run_id: str, outcome: str, name: str, _question: dict[str, Any]) -> Picture | None:
    """One picture of one outcome of a run, drawn once and when it is asked for: a stored run never changes."""
    return PICTURES[name](_question)


def happened(question: dict[str, Any], run_id: str) -> None:
    """What happened, and when."""
    st.header("What happened, and when")
    shown(question, run_id, "event-study", views.absent(question, "event_time"))
    if "not_estimable" in question["headline"]:
        tabled("The figures as they are", views.described_table(question), "No effect: how the figures went, and how far apart.")
    said(views.reading_of(question, "look"), views.reading_of(question, "looks"))
    tabled("What it cost", views.cost_table(question), views.reading_of(question, "cost") or views.refused(question, "cost"))


def where(question: dict[str, Any], run_id: str) -> None:
    """Each region, in official order."""
    st.header("Where")
    said(views.reading_of(question, "regional") or views.pooled_words(question) or views.refused(question, "regional"))
    shown(question, run_id, "regions", views.absent(question, "region"))
    if picture_of(run_id, question["outcome"], "regions", question) is not None:
        st.caption(
            "Regions stand in official order. This is no league table: each region has few authorities, and its interval, "
            "clustered by local authority, cannot show what all authorities of a region share."
        )


def belief(question: dict[str, Any], run_id: str) -> None:
    """The checks, what drift the finding withstands, what chance gives, and the methods for few partnerships."""
    st.header("Whether to believe it")
    said(views.concerns_words(question))
    frame.table(views.belief_table(question), "What speaks for and against believing this number")
    if not question.get("checks"):  # else the check of drift says it
        said(views.refused(question, "bounds"))
    shown(question, run_id, "drift")
    shown(question, run_id, "bends")
    said(views.reading_of(question, "bounds"))
    shown(question, run_id, "placebo", views.refused(question, "placebo"))
    said(views.reading_of(question, "placebo"))
    tabled(
        "How sure, when few partnerships have the reform", views.few_clusters_table(question), views.few_clusters_words(question)
    )
    said_card = views.reading_of(question, "design_card") or views.refused(question, "design_card")
    tabled("What the number rests on", views.design_card_table(question), said_card)
    shown(question, run_id, "leave-out")


def power(question: dict[str, Any], run_id: str) -> None:
    """How small an effect this design could have seen, and what would make it see more."""
    st.header("How much could have been seen")
    said(views.reading_of(question, "power"), views.refused(question, "power"))
    shown(question, run_id, "power")
    frame.table(views.power_table(question), "How small an effect could be seen")
    tabled("The missing returns that would help most", views.returns_table(question))


def choices(question: dict[str, Any], run_id: str) -> None:
    """The effect under other reasonable choices, and by other estimators."""
    st.header("Other reasonable choices")
    said(views.choices_words(question))
    shown(question, run_id, "specifications", views.refused(question, "specifications"))
    shown(question, run_id, "estimators")
    st.subheader("What each estimator assumes")
    frame.table(views.assumptions_table(question), "What each estimator assumes")
    with st.expander("Every estimate under every clustering"):
        frame.table(views.estimates_table(question), "Every estimate under every clustering")


def harms(document: dict[str, Any]) -> None:
    """Outcomes watched for harm in the same run, and the outcomes as one family."""
    st.header("Harms")
    st.write("One-sided: harm is seen, harm as large as the margin is ruled out, or neither can be told.")
    watched = views.harms_table(document)
    if len(watched):
        frame.table(watched, "Outcomes watched for harm")
    else:
        st.write("No outcome of this run was watched for harm.")
    tabled("Several questions at once", views.family_table(document), views.reading_of(document, "family"))


def groups(question: dict[str, Any], run_id: str) -> None:
    """Leads and partners apart."""
    st.header("Leads and partners")
    said(views.leads_words(question))
    shown(question, run_id, "leads", views.refused(question, "leads_partners") or "This run does not tell them apart.")


def makeup(question: dict[str, Any], run_id: str) -> None:
    """What the numbers are made of, and who is compared with whom."""
    st.header("What the numbers are made of")
    said(*views.makeup_words(question))
    shown(question, run_id, "weights")
    shown(question, run_id, "bacon")
    carriers = views.carriers_table(question)
    if len(carriers):
        with st.expander("The cells that carry the headline"):
            frame.table(carriers, "The cells that carry the headline")
    tabled("Who is compared with whom", views.design_table(question))
    notes = [item["text"] for item in question["warnings"] if item["kind"] in NOTES]
    if notes:
        with st.expander(f"Notes on the data ({len(notes)})"):
            st.markdown("\n".join(f"- {text}" for text in notes))


@st.fragment
def evidence(question: dict[str, Any], document: dict[str, Any]) -> None:
    """The evidence in sections, one at a time or all on one page."""
    run_id = document["run_id"]
    sections: dict[str, Callable[[], None]] = {
        "What happened": lambda: happened(question, run_id),
        "Where": lambda: where(question, run_id),
        "Whether to believe it": lambda: belief(question, run_id),
        "What could be seen": lambda: power(question, run_id),
        "Other choices": lambda: choices(question, run_id),
        "Harms": lambda: harms(document),
        "Leads and partners": lambda: groups(question, run_id),
        "What it is made of": lambda: makeup(question, run_id),
    }
    chosen = st.radio("Show", [*sections, ALL], key="section", horizontal=True, bind="query-params")
    for name, show in sections.items():
        if chosen in (name, ALL):
            show()


def said(*texts: str) -> None:
    """Sentences, one paragraph each; what is empty is left out."""
    for text in texts:
        if text:
            st.write(text)


def tabled(title: str, rows: Any, text: str = "") -> None:
    """A table under its own title, with a sentence before it; nothing where there is neither."""
    if len(rows) or text:
        st.subheader(title)
        said(text)
    if len(rows):
        frame.table(rows, title)


def shown(question: dict[str, Any], run_id: str, name: str, reason: str = "") -> None:
    """A picture, or the reason why there is none."""
    picture = picture_of(run_id, question["outcome"], name, question)
    if picture is not None:
        frame.picture(picture, f"{name}-{run_id}-{question['outcome']}")
    elif reason:
        st.write(reason)


def provenance(run: Any, question: dict[str, Any]) -> None:
    """Where the numbers come from, and how to get them again."""
    st.header("Where this comes from")
    frame.table(views.provenance_table(run.document, question), "Where this comes from")
    run_id = run.document["run_id"]
    st.markdown(f"Get the same numbers again with one command: `pilots rerun {run_id}`")
    document = json.dumps(run.document, indent=1, ensure_ascii=False)
    st.download_button("Download the whole run (JSON)", document, f"{run_id}.json", "application/json")
    bundled(run_id)
    if not frame.may("evaluate") or not st.button("Run again and compare"):
        return
    report = frame.with_progress(lambda tell: runs.rerun(frame.store(), frame.acting(), run_id, progress=tell), "Running again")
    if report.same:
        frame.boxed("done", "The same numbers, to the last bit", [report.text()])
    else:
        frame.boxed("error", "The numbers differ", list(report.differences))


def bundled(run_id: str) -> None:
    """The run with its data and plain scripts, for those who may see small counts."""
    if not frame.may("make_bundle"):
        return
    if st.button("Make the bundle for researchers"):
        made = bundles.make_bundle(frame.store(), frame.acting(), run_id)
        st.download_button(
            "Download the bundle (ZIP)", made.zipped(), f"{run_id}.zip", "application/zip", type="primary", on_click="ignore"
        )
    st.caption(
        "The bundle holds data, plan and scripts for Python, R and Stata, and gives the same numbers anywhere. Small counts "
        "in it are not suppressed: do not pass it on."
    )


def stale(run_id: str) -> None:
    """Say above a result that returns which it rests on do not count any more."""
    reasons = staleness.stale_runs(frame.store(), frame.acting()).get(run_id, [])
    if not reasons:
        return
    frame.warning(
        "This result is stale: it rests on returns that were replaced or sent back since. Make a new release and evaluate again."
    )
    with st.expander(f"The returns that do not count any more ({len(reasons)})"):
        st.markdown("\n".join(f"- {text}" for text in reasons))


def nothing_yet() -> None:
    """What to do where there is no run."""
    st.write("There are no results yet.")
    if frame.may("import_published"):
        st.markdown("1. Import published data, or take in returns.\n2. Make a release and evaluate a plan.")
        if st.button("Import published data", type="primary"):
            st.switch_page("pages/published_data.py")
    else:
        st.write("An administrator imports published data. Then evaluate a plan.")
    if st.button("Evaluate a plan"):
        st.switch_page("pages/evaluate.py")


def main() -> None:
    """Show the screen."""
    st.title("What each reform did")
    found = runs.runs(frame.store(), frame.acting())
    if not found:
        nothing_yet()
        return
    run, question = choose(found)
    stale(run.document["run_id"])
    headline(question, run.document)
    evidence(question, run.document)
    provenance(run, question)


frame.show(main)
