"""Releases, plans and runs: freeze the data, choose a plan, estimate."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages import _frame as frame
from pilots import plans, releases, runs


def release_section() -> Any:
    """The releases there are, and making a new one. Gives the release chosen for the evaluation."""
    store, actor = frame.store(), frame.reader()
    st.header("1. The release: which data")
    made = releases.releases(store, actor)
    if made:
        columns = {"name": "Release", "made_at": "Made", "returns": "Returns", "series": "Published series", "digest": "Digest"}
        frame.table(frame.records([release.to_dict() for release in made], columns).astype(str))
    else:
        st.write("There is no release yet. A release freezes the signed-off returns and the published series.")
    if frame.may("make_release"):
        name = st.text_input("Name of a new release", key="release-name")
        if st.button("Make a release"):
            with frame.faults_shown():
                release = releases.make_release(store, actor, name)
                st.session_state["release-made"] = release.name
                st.rerun()
    if "release-made" in st.session_state:
        frame.boxed("done", f"Release {st.session_state['release-made']} is made", [])
    names = {release.id: release.name for release in made}
    chosen = st.selectbox("Evaluate on", list(names), format_func=names.__getitem__) if names else None
    return next((release for release in made if release.id == chosen), None)


def plan_section() -> Any:
    """The plan to evaluate: one that ships, one registered, or a file."""
    st.header("2. The plan: which question")
    known = plans.plans(frame.store(), frame.reader())
    options = {f"{plan.title} (registered)": plan for plan in known}
    digests = {plan.digest for plan in known}
    options |= {f"{plan.title} (ships with the platform)": plan for plan in plans.shipped_plans() if plan.digest not in digests}
    upload = st.file_uploader("Or add a plan (YAML)", key="plan")
    if upload is not None:
        plan = plans.load_plan(upload.getvalue().decode("utf-8", errors="replace"))
        options = {f"{plan.title} (from your file)": plan, **options}
    chosen = options[st.selectbox("Plan", list(options))]
    st.markdown(chosen.question)
    with st.expander("The plan as it is written"):
        st.code(chosen.text, language="yaml")
    return chosen


def main() -> None:
    """Show the screen."""
    st.title("Releases, plans and runs")
    with frame.faults_shown():
        release = release_section()
        plan = plan_section()
        st.header("3. Estimate")
        if release is None:
            st.write("Make a release first.")
        elif not frame.may("evaluate"):
            st.write("Sign in as an evaluator or a researcher to estimate.")
        elif st.button("Evaluate this plan", type="primary"):
            run = frame.with_progress(
                lambda tell: runs.evaluate(frame.store(), frame.reader(), plan, release=release, progress=tell), "Estimating"
            )
            words = [f"{question['outcome_label']}: {question['verdict']['words']}" for question in run.document["questions"]]
            frame.boxed("done", f"Run {run.document['run_id']} is stored", [*words, "Read it under What each reform did."])


main()
