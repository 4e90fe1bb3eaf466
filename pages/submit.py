"""Send a return: check first, see every finding at once, explain queries, submit, keep the receipt."""

from __future__ import annotations

import hashlib
from typing import Any

import streamlit as st

from data_contracts import Report
from pages import _frame as frame
from pages._findings import explanations_for, findings_of
from pages._return import open_return
from pilots import collections, returns
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
    period = right.selectbox("Period", collections.periods_due(frame.store(), collection), key="period")
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


def submit(collection: str, region: str, period: str, upload: Any, report: Report) -> None:
    """Ask what is still needed, then submit."""
    store, actor = frame.store(), frame.acting()
    st.header("Submit")
    explanations = explanations_for(report) if report.queries else {}
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
            content = upload.getvalue()
            st.session_state["receipt"] = returns.submit_return(
                store, actor, collection, region, period, upload.name, content, explanations=explanations, reason=reason or None
            )
            st.session_state.pop("checked", None)
            # A new key empties the uploader: the file that was submitted does not stay in the server's memory.
            st.session_state["uploads"] = st.session_state.get("uploads", 0) + 1
            st.rerun()


def main() -> None:
    """Show the screen."""
    st.title("Send a return")
    st.write("We check your file first. Nothing is submitted until you press Submit.")
    if "receipt" in st.session_state:
        receipt(st.session_state["receipt"])
    collection, region, period = choose()
    contract = collections.contract_file(collection)
    st.download_button("Download a template (CSV)", contract.template, f"{collection}.csv", "text/csv")
    upload = st.file_uploader("Your file (CSV or XLSX, up to 50 MB)", key=f"file-{st.session_state.get('uploads', 0)}")
    if upload is None:
        return
    st.session_state.pop("receipt", None)
    content = upload.getvalue()
    about = (collection, region, period, upload.name, hashlib.sha256(content).hexdigest())
    if st.button("Check my file", type="primary"):
        with st.spinner("Checking"):
            report = returns.check_return(frame.store(), frame.acting(), collection, region, period, upload.name, content)
        st.session_state["checked"] = (about, report)
    known, report = st.session_state.get("checked", (None, None))
    if known != about:
        return
    findings_of(report, about[-1])
    if not report.errors:
        submit(collection, region, period, upload, report)


frame.show(main)
