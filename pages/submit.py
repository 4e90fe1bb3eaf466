"""Send a return: check first, see every finding at once, explain queries, submit, keep the receipt."""

from __future__ import annotations

import hashlib
from typing import Any

import streamlit as st

from pages import _frame as frame
from pilots import collections, returns
from pilots.places import region_names

COLUMNS = {
    "cell": "Cell",
    "row": "Row",
    "column": "Column",
    "value": "You entered",
    "message": "Problem",
    "fix": "How to put it right",
}
SHOWN = 50
BANDS = (
    ("errors", "error", "Errors: you must put these right", "These stop the return from being submitted."),
    ("queries", "query", "Queries: put right or explain", "Check each one. If the figure is right, say why below."),
    ("notes", "note", "Notes", "You do not need to do anything about these."),
)


def choose() -> tuple[str, str, str]:
    """What the return is for: collection, region, period."""
    names = region_names()
    actor = frame.reader()
    mine = [code for code in names if frame.may("submit_return", code)]
    labels = collections.returned_by_regions()
    collection = st.selectbox("Collection", list(labels), format_func=labels.__getitem__, key="collection")
    left, right = st.columns(2)
    region = left.selectbox("Region", mine, format_func=names.__getitem__, key="region", disabled=actor is None)
    period = right.selectbox("Period", collections.periods_due(frame.store(), collection), key="period")
    return collection, region, period


def findings_of(report: Any, digest: str) -> None:
    """The findings in three bands, the first rows of each on screen and all of them in the download."""
    st.header("What we found")
    kind = "error" if report.errors else "done"
    frame.boxed(kind, "There is a problem" if report.errors else "No errors", [report.summary()])
    for match in report.header_matches:
        if match.how != "same":
            st.markdown(f"The heading `{match.found}` was read as the column `{match.column}` ({match.how}).")
    if report.ignored_columns:
        st.markdown("Columns not used: " + ", ".join(f"`{name}`" for name in report.ignored_columns) + ".")
    everything = report.frame()
    for band, severity, title, hint in BANDS:
        found = getattr(report, band)
        if not found:
            continue
        st.subheader(f"{title} ({len(found)})")
        st.caption(hint)
        rows = everything[everything["severity"] == severity].drop(columns=["severity", "sheet", "rule", "key"]).head(SHOWN)
        frame.table(rows[list(COLUMNS)].rename(columns=COLUMNS).astype(object).where(rows.notna().to_numpy(), "").astype(str))
        if len(found) > SHOWN:
            st.caption(f"The first {SHOWN} are shown. Download the file to see all {len(found)}.")
    if len(everything):
        frame.download(everything, f"findings-{digest[:12]}", "Download all findings (CSV)")


def explanations_for(report: Any) -> dict[str, str]:
    """One answer for each rule with queries, used for all its queries."""
    answers: dict[str, str] = {}
    by_rule: dict[str, list[Any]] = {}
    for query in report.queries:
        by_rule.setdefault(query.rule, []).append(query)
    for rule, queries in sorted(by_rule.items()):
        many = f" (and {len(queries) - 1} more like it)" if len(queries) > 1 else ""
        text = st.text_area(f"Explain: {queries[0].message}{many}", key=f"explain-{rule}")
        if text.strip():
            answers |= {query.key: text.strip() for query in queries}
    return answers


def receipt(found: Any) -> None:
    """The receipt, to read and to keep."""
    lines = [
        f"Reference: {found.reference}",
        f"Rows: {found.rows}. Version: {found.version}. Received: {found.received_at}.",
        f"Fingerprint of your file (SHA-256): {found.sha256}",
    ]
    if found.supersedes:
        lines.append(f"It takes the place of {found.supersedes}, which is kept.")
    lines.append("Next: sign the return off under Returns, so that it can be used.")
    frame.boxed("done", "Return received", lines)
    st.download_button("Download the receipt", found.text(), f"{found.reference}.txt", "text/plain")


def submit(collection: str, region: str, period: str, upload: Any, report: Any) -> None:
    """Ask what is still needed, then submit."""
    store, actor = frame.store(), frame.reader()
    explanations = explanations_for(report) if report.queries else {}
    before = returns.latest(store, actor, collection, region, period)
    reason = None
    if before is not None:
        frame.banner(
            f"You have sent this return before ({before['reference']}). The new version takes its place; the old one is kept."
        )
        reason = st.text_input("Why are you sending it again?", key="reason")
    if st.button("Submit this return", type="primary"):
        with frame.faults_shown():
            content = upload.getvalue()
            st.session_state["receipt"] = returns.submit_return(
                store, actor, collection, region, period, upload.name, content, explanations=explanations, reason=reason or None
            )
            st.session_state.pop("checked", None)
            st.rerun()


def main() -> None:
    """Show the screen."""
    st.title("Send a return")
    st.write(
        "Choose what the return is for and add your file (CSV or XLSX, up to 50 MB). We check it first. "
        "Nothing is submitted until you press Submit."
    )
    found = st.session_state.pop("receipt", None)
    if found is not None:
        receipt(found)
    collection, region, period = choose()
    contract = collections.contract_file(collection)
    st.download_button("Download a template (CSV)", contract.template, f"{collection}.csv", "text/csv")
    upload = st.file_uploader("Your file", type=None, key="file")
    if upload is None:
        return
    digest = hashlib.sha256(upload.getvalue()).hexdigest()
    about = (collection, region, period, upload.name, digest)
    if st.button("Check my file", type="primary"):
        with frame.faults_shown():
            report = returns.check_return(
                frame.store(), frame.reader(), collection, region, period, upload.name, upload.getvalue()
            )
            st.session_state["checked"] = (about, report)
    known, report = st.session_state.get("checked", (None, None))
    if known != about:
        return
    findings_of(report, digest)
    if not report.errors:
        submit(collection, region, period, upload, report)


main()
