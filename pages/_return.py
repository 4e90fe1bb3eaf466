"""One return as screens show it: its state, whose the next step is, the step itself, its receipt, its history, its findings."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from data_contracts.corrections import Correction
from pages import _corrections
from pages import _frame as frame
from pages._comparison import difference
from pilots import corrections, returns, staleness
from pilots.access import actor_can, taken_before
from pilots.comparisons import compare_submission
from pilots.life import ACCEPTED, RETURNED, SIGNED_OFF, STATES, WITHDRAWN
from pilots.receipts import Receipt
from pilots.tables import moment

FINDINGS = {
    "severity": "Kind",
    "row": "Row",
    "column": "Column",
    "value": "You entered",
    "message": "What was found",
    "explanation": "Explanation",
    "rule": "Rule",
}
# What a step is called on its button, what whoever takes it says by it, and what they are asked for.
STEPS: dict[str, tuple[str, str, str]] = {
    "sign_off_return": ("Sign this return", "By signing you say that its figures are complete and right, and may be used.", ""),
    "accept_return": ("Accept this return", "By accepting you let the next release take its figures.", ""),
    "decline_return": ("Send it back", "The lead reads your reason and sends a new version.", "What is wrong, and what to do"),
    "send_back_return": ("Send it back", "The lead reads your reason and sends a new version.", "What is wrong, and what to do"),
    "withdraw_return": (
        "Withdraw this return",
        "It is kept, but does not count. The return is due again.",
        "Why it is withdrawn",
    ),
}
TASKS: dict[str, Callable[..., Receipt]] = {
    SIGNED_OFF: returns.sign_off_return,
    ACCEPTED: returns.accept_return,
    RETURNED: returns.send_back_return,
    WITHDRAWN: returns.withdraw_return,
}


def one(reference: str) -> None:
    """One return: where it stands, its next step, its receipt, its history and its findings."""
    store, actor = frame.store(), frame.acting()
    chosen = returns.submission(store, actor, reference)
    st.header(reference)
    standing(chosen)
    steps(chosen)
    st.subheader("Receipt")
    frame.table(frame.facts(chosen.text(), "Receipt"), "Receipt")
    downloads(chosen)
    corrected(chosen)
    used(chosen)
    st.subheader("What became of it")
    became = [
        {"what": entry["words"].capitalize(), "when": moment(entry["at"]), "who": entry["by"], "why": entry["reason"]}
        for entry in returns.history(store, actor, reference)
    ]
    steps_taken = frame.records(became, {"what": "Step", "when": "When", "who": "Who", "why": "Reason"})
    frame.table(steps_taken, "Steps of the return")
    changed(chosen)
    st.subheader("What was found")
    found = returns.findings(store, actor, reference)
    if found:
        told = [{**each, "severity": each["severity"].capitalize()} for each in found]
        frame.long_table(frame.records(told, FINDINGS), f"findings-{reference}", "What the check found")
    else:
        st.write("Nothing was found in this return.")


def standing(chosen: Receipt) -> None:
    """The state of a return, who has to do the next step, and what it is."""
    state = STATES[chosen.status]
    owner = f"Next step by: {state.owner}. " if state.owner else ""
    reason = f" Reason: {chosen.status_reason}" if chosen.status in (RETURNED, WITHDRAWN) else ""
    frame.banner(f"This return is {state.words}.{reason}")
    st.write(f"{owner}{state.next_step}")


def downloads(chosen: Receipt) -> None:
    """The receipt and the file as it was sent, to keep."""
    name, content = returns.original_file(frame.store(), frame.acting(), chosen.reference)
    left, right = st.columns(2)
    left.download_button("Download the receipt", chosen.text(), f"{chosen.reference}.txt", "text/plain")
    right.download_button("Download the file as it was sent", content, name, "application/octet-stream")


def corrected(chosen: Receipt) -> None:
    """The corrections that were accepted with it, and its table as corrected."""
    if not chosen.corrections:
        return
    store, actor, reference = frame.store(), frame.acting(), chosen.reference
    made = [Correction.from_dict(one) for one in corrections.corrections_of(store, actor, reference)]
    _, content = corrections.corrected_file(store, actor, reference) or ("", b"")
    _corrections.made(made, content.decode(), chosen.filename)


def changed(chosen: Receipt) -> None:
    """What differs from the version whose place it takes."""
    if chosen.supersedes is None:
        return
    with st.expander(f"What changed since {chosen.supersedes}"):
        found = compare_submission(frame.store(), frame.acting(), chosen.reference).version
        if found is None:
            st.write("The version before has no rows to compare with.")
        else:
            difference(found, "Beside the version before", chosen.reference)


def used(chosen: Receipt) -> None:
    """The runs that rest on this return: where it does not count any more, they are stale."""
    found = staleness.runs_that_used(frame.store(), frame.acting(), chosen.reference)
    if not found:
        return
    st.subheader("Results that used it")
    if chosen.status != ACCEPTED:
        st.write("These results are marked as stale: this return does not count any more.")
    frame.table(frame.records(found, {"run_id": "Run", "plan": "Plan", "made": "Made"}), "Results that used the return")


def steps(chosen: Receipt) -> None:
    """The steps that the reader may take with this return, each with a button; those that need a reason ask for it."""
    actor = frame.acting()
    took = {"submitted": chosen.submitted_by, "signed": chosen.signed_off_by}
    for to, action in STATES[chosen.status].steps.items():
        if not actor_can(actor, action, chosen.region):
            continue
        mine = taken_before(actor, action, took)
        if mine:
            st.write(f"You {mine} this return, so another person has to do this step: {STEPS[action][0].lower()}.")
        else:
            step(chosen, to, action)
    again = chosen.status in (RETURNED, WITHDRAWN, ACCEPTED) and frame.may("submit_return", chosen.region)
    if again and st.button("Send a new version"):
        send(chosen.collection, chosen.region, chosen.period)


def step(chosen: Receipt, to: str, action: str) -> None:
    """One step: what it means, what is asked for, and its button."""
    label, meaning, ask = STEPS[action]
    task, told = TASKS[to], f"{chosen.reference} is {STATES[to].done}"
    if not ask:
        st.write(meaning)
        if st.button(label, type="primary"):
            with frame.faults_shown():
                task(frame.store(), frame.acting(), chosen.reference)
                done(told, STATES[to].next_step)
        return
    with st.expander(label), st.form(f"{to}-{chosen.reference}", border=False):
        st.write(meaning)
        reason = st.text_area(ask)
        if st.form_submit_button(label):
            with frame.faults_shown():
                task(frame.store(), frame.acting(), chosen.reference, reason)
                done(told, STATES[to].next_step)


def done(title: str, line: str) -> None:
    """Show at the top of the next rerun what was done."""
    st.session_state["done"] = (title, line)
    st.rerun()


def told_done() -> None:
    """What was done just now."""
    title, line = st.session_state.pop("done", (None, None))
    if title:
        frame.boxed("done", title, [line])


def send(collection: str, region: str, period: str) -> None:
    """Open the screen that sends a return, with the return chosen."""
    for name, value in (("collection", collection), ("region", region), ("period", period)):
        st.session_state[name] = value
    st.switch_page("pages/submit.py")


def open_return(reference: str) -> None:
    """Open the screen of returns at one of them."""
    st.session_state["opened"] = reference
    st.switch_page("pages/returns_list.py")
