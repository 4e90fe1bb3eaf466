"""What each reform did: the evaluator's screen. It shows a stored run and recomputes nothing."""

from __future__ import annotations

import html
import json
from typing import Any

import streamlit as st

from pages import _frame as frame
from pilots import runs, views


def choose(found: list[Any]) -> tuple[Any, dict[str, Any]]:
    """Let the reader choose reform, run and outcome; the latest run of each plan stands first."""
    reforms = {}
    for run in found:
        reforms.setdefault(run.document["reform_label"], []).append(run)
    left, right = st.columns(2)
    reform = left.selectbox("Reform", sorted(reforms), key="reform")
    answers = {}
    for run in reforms[reform]:
        for question in run.document["questions"]:
            answers.setdefault(question["outcome_label"], (run, question))
    outcome = right.selectbox("Outcome", list(answers), key="outcome")
    return answers[outcome]


def headline(question: dict[str, Any]) -> None:
    """The verdict, the number, and three sentences."""
    words, number = html.escape(question["verdict"]["words"]), html.escape(views.headline_words(question))
    st.html(f'<div class="rep-verdict"><div class="words">{words}</div><div class="number">{number}</div></div>')
    st.markdown(" ".join(question["reading"]))
    truth = views.truth_of(question).get("overall")
    if truth is not None:
        frame.banner(
            f"The true effect in the demonstration is {views.number(truth)} {question['unit_label']}. Orange diamonds show the truth."
        )


def evidence(question: dict[str, Any], key: str) -> None:
    """The pictures, each with its table."""
    pictures = {
        "event-study": views.event_study_picture(question),
        "regions": views.regional_picture(question),
        "leave-out": views.leave_out_picture(question),
    }
    st.header("What happened, and when")
    for name in ("event-study", "regions"):
        if pictures[name] is not None:
            frame.picture(pictures[name], f"{name}-{key}")
    st.caption(
        "Regions stand in official order. This is no league table: each region has few authorities, and its interval, clustered by "
        "authority, cannot show what all authorities of a region share."
    )
    st.header("Whether to believe it")
    frame.table(views.belief_table(question))
    if pictures["leave-out"] is not None:
        frame.picture(pictures["leave-out"], f"leave-out-{key}")
    st.subheader("Other ways to estimate the same effect")
    frame.table(views.estimates_table(question))
    st.subheader("Who is compared with whom")
    frame.table(views.design_table(question))


def provenance(run: Any, question: dict[str, Any]) -> None:
    """Where the numbers come from, and how to get them again."""
    st.header("Where this comes from")
    frame.table(views.provenance_table(run.document, question))
    st.markdown("Get the same numbers again with one command:")
    st.code(f"pilots rerun {run.document['run_id']}", language=None)
    document = json.dumps(run.document, indent=1, ensure_ascii=False)
    st.download_button("Download the whole run (JSON)", document, f"{run.document['run_id']}.json", "application/json")
    if st.button("Run again and compare"):
        with frame.faults_shown():
            report = frame.with_progress(
                lambda _: runs.rerun(frame.store(), frame.reader(), run.document["run_id"]), "Running again"
            )
            if report.same:
                frame.boxed("done", "The same numbers, to the last bit", [])
            else:
                frame.boxed("error", "The numbers differ", [str(difference) for difference in report.differences])


def main() -> None:
    """Show the screen."""
    st.title("What each reform did")
    actor = frame.reader()
    if actor is None:
        st.write("Sign in as an evaluator, a researcher or an administrator to read the evidence.")
        return
    with frame.faults_shown():
        found = runs.runs(frame.store(), actor)
        if not found:
            st.write("There are no results yet. Import published data, then run an evaluation.")
            return
        run, question = choose(found)
        headline(question)
        for item in question["warnings"]:
            frame.warning(item["text"])
        evidence(question, f"{run.document['run_id']}-{question['outcome']}")
        provenance(run, question)


main()
