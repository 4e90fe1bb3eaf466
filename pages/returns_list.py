"""Returns: what was sent, what was found, and signing off."""

from __future__ import annotations

import streamlit as st

from pages import _frame as frame
from pilots import collections, returns
from pilots.places import region_names
from pilots.receipts import STATUS_WORDS, Receipt
from pilots.tables import moment

ALL = "All"
FINDINGS = {
    "severity": "Kind",
    "row": "Row",
    "column": "Column",
    "value": "You entered",
    "message": "What was found",
    "explanation": "Explanation",
    "rule": "Rule",
}


def row(receipt: Receipt) -> dict[str, str]:
    """One return in the list."""
    return {
        "Reference": receipt.reference,
        "Collection": collections.returned_by_regions().get(receipt.collection, receipt.collection),
        "Region": region_names().get(receipt.region, "England"),
        "Period": receipt.period,
        "Rows": f"{receipt.rows:,}",
        "Status": STATUS_WORDS.get(receipt.status, receipt.status),
        "Received": moment(receipt.received_at),
    }


def one(reference: str) -> None:
    """One return: its receipt, its findings and its next step."""
    store, actor = frame.store(), frame.acting()
    chosen = returns.submission(store, actor, reference)
    st.header(reference)
    next_step(chosen)
    frame.table(frame.facts(chosen.text(), "Receipt"))
    name, content = returns.original_file(store, actor, reference)
    left, right = st.columns(2)
    left.download_button("Download the receipt", chosen.text(), f"{reference}.txt", "text/plain")
    right.download_button("Download the file as it was sent", content, name, "application/octet-stream")
    st.subheader("What was found")
    found = returns.findings(store, actor, reference)
    if found:
        frame.long_table(frame.records(found, FINDINGS), f"findings-{reference}")
    else:
        st.write("Nothing was found in this return.")


def next_step(chosen: Receipt) -> None:
    """What is to be done with a return that is not signed off."""
    if chosen.status != "submitted":
        return
    if not frame.may("sign_off_return", chosen.region):
        st.write("Next step: the region signs this return off.")
        return
    st.write("Next step: sign this return off. You say that its figures are complete and right, and may be used.")
    if st.button("Sign off this return", type="primary"):
        with frame.faults_shown():
            returns.sign_off_return(frame.store(), frame.acting(), chosen.reference)
            st.session_state["signed_off"] = chosen.reference
            st.rerun()


def listing(found: list[Receipt]) -> None:
    """The list, narrowed to one region or period, and a return to open."""
    rows = [row(receipt) for receipt in found]
    left, right = st.columns(2)
    regions = sorted({each["Region"] for each in rows})
    region = left.selectbox("Region", [ALL, *regions] if len(regions) > 1 else regions)
    period = right.selectbox("Period", [ALL, *sorted({each["Period"] for each in rows if each["Period"]}, reverse=True)])
    shown = [each for each in rows if region in (ALL, each["Region"]) and period in (ALL, each["Period"])]
    references = [each["Reference"] for each in shown]
    opened = st.session_state.pop("opened", None)
    if opened in references:
        st.session_state["reference"] = opened
    reference = st.selectbox("Open a return", references, index=None, key="reference", placeholder="Choose a reference")
    if reference:
        one(reference)
    st.header(f"{len(shown):,} of {len(rows):,} returns")
    frame.long_table(frame.records(shown, {name: name for name in rows[0]}), "returns")


def main() -> None:
    """Show the screen."""
    st.title("Returns")
    signed = st.session_state.pop("signed_off", None)
    if signed:
        frame.boxed("done", f"{signed} is signed off", ["The department can now include it in a release."])
    found = returns.submissions(frame.store(), frame.acting())
    if found:
        listing(found)
    else:
        st.write("No returns have been sent yet.")


frame.show(main)
