"""What each reform did: the evaluator's screen. It shows a stored run and recomputes nothing."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from pages import _frame as frame
from pilots import runs, views
from pilots.charts import Picture

# What these say is about the data; it stands below the evidence, so that warnings about the result keep their weight.
NOTES = ("notice", "estimator")


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


def headline(question: dict[str, Any]) -> None:
    """The verdict, the number, three sentences, the known truth, and what warns."""
    frame.verdict(question["outcome_label"], question["verdict"]["words"], views.headline_words(question))
    st.markdown(" ".join(question["reading"]))
    truth = views.truth_words(question)
    if truth:
        frame.banner(truth)
    for item in question["warnings"]:
        if item["kind"] not in NOTES:
            frame.warning(item["text"])


@st.cache_data(show_spinner=False, max_entries=200)
def pictures(run_id: str, outcome: str, _question: dict[str, Any]) -> dict[str, Picture | None]:
    """The pictures of one outcome of a run, drawn once: a stored run never changes."""
    return {
        "event-study": views.event_study_picture(_question),
        "regions": views.regional_picture(_question),
        "leave-out": views.leave_out_picture(_question),
        "estimators": views.estimators_picture(_question),
        "weights": views.weights_picture(_question),
        "bacon": views.bacon_picture(_question),
    }


def evidence(question: dict[str, Any], drawn: dict[str, Picture | None], key: str) -> None:
    """The pictures, each with its table, and the checks."""
    st.header("What happened, and when")
    shown(drawn["event-study"], views.absent(question, "event_time"), f"event-study-{key}")
    if drawn["event-study"] is not None or drawn["regions"] is not None:
        st.header("Where")
        shown(drawn["regions"], views.absent(question, "region"), f"regions-{key}")
    if drawn["regions"] is not None:
        st.caption(
            "Regions stand in official order. This is no league table: each region has few authorities, and its interval, "
            "clustered by local authority, cannot show what all authorities of a region share."
        )
    st.header("Whether to believe it")
    frame.table(views.belief_table(question))
    shown(drawn["leave-out"], "", f"leave-out-{key}")
    st.header("Other ways to estimate the same effect")
    shown(drawn["estimators"], "", f"estimators-{key}")
    frame.table(views.assumptions_table(question))
    with st.expander("Every estimate under every clustering"):
        frame.table(views.estimates_table(question))
    st.header("What the numbers are made of")
    for words in views.makeup_words(question):
        st.write(words)
    shown(drawn["weights"], "", f"weights-{key}")
    shown(drawn["bacon"], "", f"bacon-{key}")
    carriers = views.carriers_table(question)
    if len(carriers):
        with st.expander("The cells that carry the headline"):
            frame.table(carriers)
    st.subheader("Who is compared with whom")
    frame.table(views.design_table(question))
    notes = [item["text"] for item in question["warnings"] if item["kind"] in NOTES]
    if notes:
        with st.expander(f"Notes on the data ({len(notes)})"):
            st.markdown("\n".join(f"- {text}" for text in notes))


def shown(picture: Picture | None, reason: str, key: str) -> None:
    """A picture, or the reason why there is none."""
    if picture is not None:
        frame.picture(picture, key)
    elif reason:
        st.write(reason)


def provenance(run: Any, question: dict[str, Any]) -> None:
    """Where the numbers come from, and how to get them again."""
    st.header("Where this comes from")
    frame.table(views.provenance_table(run.document, question))
    run_id = run.document["run_id"]
    st.markdown(f"Get the same numbers again with one command: `pilots rerun {run_id}`")
    document = json.dumps(run.document, indent=1, ensure_ascii=False)
    st.download_button("Download the whole run (JSON)", document, f"{run_id}.json", "application/json")
    if not frame.may("evaluate") or not st.button("Run again and compare"):
        return
    report = frame.with_progress(lambda tell: runs.rerun(frame.store(), frame.acting(), run_id, progress=tell), "Running again")
    if report.same:
        frame.boxed("done", "The same numbers, to the last bit", [report.text()])
    else:
        frame.boxed("error", "The numbers differ", list(report.differences))


def nothing_yet() -> None:
    """What to do where there is no run."""
    st.write("There are no results yet.")
    if frame.may("import_published"):
        st.markdown("1. Import published data, or take in signed-off returns.\n2. Make a release and evaluate a plan.")
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
    key = f"{run.document['run_id']}-{question['outcome']}"
    headline(question)
    evidence(question, pictures(run.document["run_id"], question["outcome"], question), key)
    provenance(run, question)


frame.show(main)
