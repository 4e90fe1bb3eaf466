"""Send a return: check first, see every finding at once, explain queries, submit, keep the receipt."""

from __future__ import annotations

import hashlib
from typing import Any

import streamlit as st

from data_contracts.corrections import Corrected
from pages import _comparison, _corrections
from pages import _frame as frame
from pages._contract import period_of, template_buttons
from pages._explain import explained
from pages._findings import findings_of
from pages._return import open_return
from pilots import collections, comparisons, returns
from pilots.life import ACCEPTED, STATES, SUBMITTED
from pilots.places import region_names
from pilots.receipts import Receipt


def choose() -> tuple[str, str, str]:
    """What the return is for: collection, region, period."""
    names = region_names()
    mine = [code for code in names if frame.may("submit_return", code)]
    labels = collections.returned_by_regions()
    collection = st.selectbox("Collection", list(labels), format_func=labels.__getitem__, key="collection")
    left, right = st.columns(2)
    region = left.selectbox("Region", mine, format_func=names.__getitem__, key="region")
    period = period_of(collection, "Period", right, key="period")
    return collection, region, period


def receipt(found: Receipt) -> None:
    """The receipt, to read and to keep, and the next step."""
    frame.boxed("done", "Return received", found.text().splitlines())
    if found.status == SUBMITTED:
        st.write(f"Next step by: {STATES[SUBMITTED].owner}. {STATES[SUBMITTED].next_step}")
    if st.button("See where it stands", type="primary"):
        open_return(found.reference)
    st.download_button("Download the receipt", found.text(), f"{found.reference}.txt", "text/plain")
    st.header("Send another return")


def submit(about: tuple[str, ...], upload: Any, done: Corrected) -> None:
    """Ask what is still needed, then submit."""
    collection, region, period = about[:3]
    store, actor = frame.store(), frame.acting()
    st.header("Submit")
    explanations = explained(done.report, collection, region, period) if done.report.queries else {}
    before = returns.latest(store, actor, collection, region, period)
    reason = None
    if before is not None:
        when = "once it is accepted" if before.status == ACCEPTED else "at once"
        frame.banner(
            f"You have sent this return before ({before.reference}). The new version takes its place {when}; both are kept."
        )
        reason = st.text_input("Why are you sending it again?", key="reason")
    if st.button("Submit this return", type="primary"):
        with frame.faults_shown():
            st.session_state["receipt"] = returns.submit_return(
                store,
                actor,
                collection,
                region,
                period,
                upload.name,
                upload.getvalue(),
                explanations=explanations,
                reason=reason or None,
                corrections=[one.key for one in done.made],
            )
            st.session_state.pop("checked", None)
            # A new key empties the uploader: the file that was submitted does not stay in the server's memory.
            st.session_state["uploads"] = st.session_state.get("uploads", 0) + 1
            st.rerun()


def check(about: tuple[str, ...], content: bytes, corrections: list[str]) -> None:
    """Check the file with the corrections that are accepted, and keep what came out for this session."""
    with st.spinner("Checking"), frame.faults_shown():
        done = returns.check_with_corrections(frame.store(), frame.acting(), *about[:4], content, corrections)
        beside = None
        if done.report.rows is not None:
            beside = comparisons.compare_rows(frame.store(), frame.acting(), *about[:3], done.report.rows)
        st.session_state["checked"] = (about, done, beside)


def main() -> None:
    """Show the screen."""
    st.title("Send a return")
    st.write("We check your file first. Nothing is submitted until you press Submit.")
    if "receipt" in st.session_state:
        receipt(st.session_state["receipt"])
    collection, region, period = choose()
    template_buttons(collection, region, period)
    st.page_link("pages/contracts.py", label="What this return must look like, and an example")
    upload = st.file_uploader("Your file (CSV or XLSX, up to 50 MB)", key=f"file-{st.session_state.get('uploads', 0)}")
    if upload is None:
        return
    st.session_state.pop("receipt", None)
    content = upload.getvalue()
    about = (collection, region, period, upload.name, hashlib.sha256(content).hexdigest())
    if st.button("Check my file", type="primary"):
        check(about, content, [])
    known, done, beside = st.session_state.get("checked", (None, None, None))
    if known != about:
        return
    findings_of(done.report, about[-1], content)
    _corrections.made(done.made, done.text, done.report.filename)
    accepted = _corrections.offered(done.offered, f"{about[-1][:12]}-{len(done.made)}")
    if accepted:
        check(about, content, [*(one.key for one in done.made), *accepted])
        st.rerun()
    if beside is not None:
        _comparison.comparison_of(beside)
    if not done.report.errors:
        submit(about, upload, done)


frame.show(main)
