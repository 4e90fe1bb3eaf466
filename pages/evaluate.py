"""Releases, plans and runs: freeze the data, choose a plan, estimate."""

from __future__ import annotations

import streamlit as st

from pages import _frame as frame
from pilots import plans, releases, runs, staleness, views
from pilots.plans import Plan
from pilots.releases import Release
from pilots.standing import standing_now
from pilots.tables import moment, short

RELEASES = {"name": "Release", "made_at": "Made", "returns": "Returns", "series": "Published series", "digest": "Digest"}
RUNS = {
    "outcome": "Outcome",
    "verdict": "Verdict",
    "standing": "Planned or not",
    "plan": "Plan",
    "made": "Made",
    "run": "Run",
    "stale": "Stale",
}


def release_section() -> Release | None:
    """The releases there are, and making a new one. Gives the release chosen for the evaluation."""
    store, actor = frame.store(), frame.acting()
    st.header("1. The release: which data")
    st.write("A release freezes the accepted returns, the register and the published series as they stand.")
    made = releases.releases(store, actor)
    if made:
        rows = frame.records([release.to_dict() for release in made], RELEASES)
        frame.table(rows.assign(Made=rows["Made"].map(moment), Digest=rows["Digest"].map(short)), "Releases")
    else:
        st.write("There is no release yet.")
    done = st.session_state.pop("release-made", None)
    if done:
        frame.boxed("done", f"Release {done} is made")
    if frame.may("make_release"):
        with frame.faults_shown():
            make()
    names = {release.id: release.name for release in made}
    chosen = st.selectbox("Evaluate on", list(names), format_func=names.__getitem__) if names else None
    return next((release for release in made if release.id == chosen), None)


def make() -> None:
    """Make a release."""
    with st.form("release", clear_on_submit=True, border=False):
        name = st.text_input("Name of a new release (may stay blank)")
        if not st.form_submit_button("Make a release"):
            return
    release = frame.with_progress(
        lambda tell: releases.make_release(frame.store(), frame.acting(), name.strip() or None, progress=tell),
        "Making the release",
    )
    st.session_state["release-made"] = release.name
    st.rerun()


def plan_section() -> Plan:
    """The plan to evaluate: one that ships, one registered, or a file."""
    st.header("2. The plan: which question")
    known = plans.plans(frame.store(), frame.acting())
    options = {f"{plan.title} ({plan.plan} {plan.version}, registered)": plan for plan in known}
    digests = {plan.digest for plan in known}
    shipped = [plan for plan in plans.shipped_plans() if plan.digest not in digests]
    options |= {f"{plan.title} ({plan.plan} {plan.version}, ships with the platform)": plan for plan in shipped}
    chooser = st.container()
    upload = st.file_uploader("Or add a plan of your own (YAML)", key="plan")
    if upload is not None:
        own = plans.load_plan(upload.getvalue().decode("utf-8-sig", errors="replace"))
        options = {f"{own.title} ({own.plan} {own.version}, from your file)": own, **options}
    chosen = options[chooser.selectbox("Plan", list(options))]
    st.write(chosen.question)
    with st.expander("The plan as it is written"):
        st.code(chosen.text, language=None, wrap_lines=True)
    if chosen.digest in digests:
        stands = standing_now(frame.store(), frame.acting(), chosen)
        st.write(f"{stands.words} What it asks was written down, and stays.")
    elif frame.may("register_plan") and st.button("Register this plan"):
        plans.register_plan(frame.store(), frame.acting(), chosen)
        st.rerun()
    return chosen


def estimate_section(release: Release | None, plan: Plan) -> None:
    """Run the plan on the release."""
    st.header("3. Estimate")
    if release is None:
        st.write("Make a release first.")
    elif not frame.may("evaluate"):
        st.write("Sign in as an evaluator or a researcher to estimate.")
    elif st.button("Evaluate this plan", type="primary"):
        run = frame.with_progress(
            lambda tell: runs.evaluate(frame.store(), frame.acting(), plan, release=release, progress=tell), "Estimating"
        )
        words = [f"{question['outcome_label']}: {question['verdict']['words']}" for question in run.document["questions"]]
        frame.boxed("done", f"Run {run.run_id} is stored", words)
        st.page_link("pages/effects.py", label="Read it under What each reform did")


def runs_section() -> None:
    """The runs there are."""
    st.header("Runs")
    store, actor = frame.store(), frame.acting()
    stale = staleness.stale_runs(store, actor)
    found = [row for run in runs.runs(store, actor) for row in views.run_rows(run.document, stale.get(run.run_id, []))]
    if found:
        shown = RUNS if stale else {name: heading for name, heading in RUNS.items() if name != "stale"}
        frame.long_table(frame.records(found, shown), "runs", "Runs")
        if stale:
            st.write("A stale run rests on returns that were replaced or sent back since. Make a new release and evaluate again.")
    else:
        st.write("There are no runs yet.")


def main() -> None:
    """Show the screen."""
    st.title("Releases, plans and runs")
    release = release_section()
    plan = plan_section()
    estimate_section(release, plan)
    runs_section()


frame.show(main)
