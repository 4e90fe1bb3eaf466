"""How screens that take a file show what its check found, and ask for explanations."""

from __future__ import annotations

import streamlit as st

from data_contracts import Report
from pages import _frame as frame

COLUMNS = {
    "row": "Row",
    "column": "Column",
    "value": "You entered",
    "message": "Problem",
    "fix": "How to put it right",
    "rule": "Rule",
}
BANDS = (
    ("error", "Errors: you must put these right", "These stop the return from being submitted."),
    ("query", "Queries: put right or explain", "Check each one. If the figure is right, say why below."),
    ("note", "Notes", "You do not need to do anything about these."),
)


def findings_of(report: Report, digest: str) -> None:
    """The findings in three bands, the first rows of each on screen and all of them in the download."""
    st.header("What we found")
    frame.boxed("error" if report.errors else "done", "There is a problem" if report.errors else "No errors", [report.summary()])
    for match in report.header_matches:
        if match.how != "same":
            st.markdown(f"The heading `{match.found}` was read as the column `{match.column}` ({match.how}).")
    if report.ignored_columns:
        st.markdown("Columns not used: " + ", ".join(f"`{name}`" for name in report.ignored_columns) + ".")
    everything = report.frame()
    for severity, title, hint in BANDS:
        found = everything[everything["severity"] == severity]
        if found.empty:
            continue
        st.subheader(f"{title} ({len(found)})")
        st.caption(hint)
        if len(found) > frame.SHOWN_ROWS:
            st.caption(f"The first {frame.SHOWN_ROWS} are shown. The download has all {len(found)}.")
        frame.table(found[list(COLUMNS)].rename(columns=COLUMNS).head(frame.SHOWN_ROWS))
    if len(everything):
        frame.download(everything, f"findings-{digest[:12]}", "Download all findings (CSV)")


def explanations_for(report: Report) -> dict[str, str]:
    """One answer for each rule with queries, used for all its queries."""
    answers: dict[str, str] = {}
    by_rule: dict[str, list[str]] = {}
    for query in report.queries:
        by_rule.setdefault(query.rule, []).append(query.message)
    for rule, messages in sorted(by_rule.items()):
        many = f" (and {len(messages) - 1} more like it)" if len(messages) > 1 else ""
        text = st.text_area(f"Explain: {messages[0]}{many}", key=f"explain-{rule}")
        if text.strip():
            answers[rule] = text.strip()
    return answers
