"""Returns: what was sent, what was found, and signing off."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages import _frame as frame
from pilots import returns
from pilots.places import region_names

COLUMNS = {
    "reference": "Reference",
    "collection": "Collection",
    "region_name": "Region",
    "period": "Period",
    "version": "Version",
    "status": "Status",
    "rows": "Rows",
    "received_at": "Received",
}
FINDINGS = {
    "severity": "Kind",
    "cell": "Cell",
    "column": "Column",
    "value": "Value",
    "message": "What was found",
    "explanation": "Explanation",
}


def one(reference: str) -> None:
    """One return: its findings and its next step."""
    store, actor = frame.store(), frame.reader()
    chosen = returns.submission(store, actor, reference)
    st.header(reference)
    found = returns.findings(store, actor, reference)
    if found:
        frame.table(frame.records(found, FINDINGS).fillna("").astype(str))
    else:
        st.write("Nothing was found in this return.")
    if chosen["status"] != "submitted":
        return
    if not frame.may("sign_off_return", chosen["region"]):
        st.write("Next step: the region signs this return off.")
        return
    st.write(
        "Next step: sign this return off. You say that the figures are complete and right, and that the department may use them."
    )
    if st.button("Sign off this return", type="primary"):
        with frame.faults_shown():
            returns.sign_off_return(store, actor, reference)
            st.session_state["signed_off"] = reference
            st.rerun()


def main() -> None:
    """Show the screen."""
    st.title("Returns")
    signed = st.session_state.pop("signed_off", None)
    if signed:
        frame.boxed("done", f"{signed} is signed off", ["The department can now include it in a release."])
    with frame.faults_shown():
        found: list[dict[str, Any]] = returns.submissions(frame.store(), frame.reader())
        if not found:
            st.write("No returns have been sent yet.")
            return
        names = region_names()
        for row in found:
            row["region_name"] = names.get(row["region"], row["region"] or "England")
        left, right = st.columns(2)
        region = left.selectbox("Region", ["All", *sorted({row["region_name"] for row in found})])
        period = right.selectbox("Period", ["All", *sorted({row["period"] for row in found if row["period"]}, reverse=True)])
        shown = [row for row in found if region in ("All", row["region_name"]) and period in ("All", row["period"])]
        shown.sort(key=lambda row: row["received_at"], reverse=True)
        st.caption(f"{len(shown)} of {len(found)} returns. The newest 40 are shown; the download has all.")
        listing = frame.records(shown, COLUMNS).astype(str)
        frame.table(listing.head(40))
        frame.download(listing, "returns")
        reference = st.selectbox("Open a return", [row["reference"] for row in shown], index=None, key="reference")
        if reference:
            one(reference)


main()
