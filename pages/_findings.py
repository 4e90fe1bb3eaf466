"""How screens that take a file show what its check found, and ask for explanations."""

from __future__ import annotations

import html

import pandas
import streamlit as st

from data_contracts import Report
from data_contracts.annotation import annotated
from pages import _frame as frame
from pilots.templates import XLSX, contract_of

COLUMNS = {
    "place": "Cell",
    "column": "Column",
    "value": "You entered",
    "message": "Problem",
    "fix": "How to put it right",
    "rule": "Rule",
}
BY_RULE = {"rule": "Rule", "kind": "Kind", "count": "Findings", "fix": "How to put it right"}
KINDS = {"error": "Error", "query": "Query", "note": "Note"}
BANDS = (
    ("error", "Errors: you must put these right", "These stop the return from being submitted."),
    ("query", "Queries: put right or explain", "Check each one. If the figure is right, say why below."),
    ("note", "Notes", "You do not need to do anything about these."),
)
ALL = "All rules"
HOW = {"same": "the same", "spelling": "case or spaces differ", "alias": "another name for it"}


def findings_of(report: Report, digest: str, content: bytes | None = None) -> None:
    """What the check found: summary with links, counts, files to keep, matched headings, by rule and cell by cell.

    Args:
        report: of the check.
        digest: tells this file's widgets from those of others.
        content: the bytes that were checked; with them the sender gets a marked copy back.
    """
    st.header("What we found")
    summary(report)
    counts(report)
    if report.findings:
        files(report, digest, content)
    headings(report)
    if report.findings:
        everything = report.frame()
        many = len(everything) > frame.SHOWN_ROWS  # then they are seen by rule first; of few, each one is nearer
        if many:
            by_rule(report)
        bands(everything, digest)
        if not many:
            by_rule(report)


def summary(report: Report) -> None:
    """The outcome at the top, with a link to each band."""
    numbers = {"error": len(report.errors), "query": len(report.queries), "note": len(report.notes)}
    links = "".join(
        f'<li><a href="#{severity}">{html.escape(title)} ({numbers[severity]:,})</a></li>'
        for severity, title, _ in BANDS
        if numbers[severity]
    )
    kind, role, title = ("error", "alert", "There is a problem") if report.errors else ("done", "status", "No errors")
    st.html(
        f'<div class="rep-{kind}" role="{role}"><p><strong>{title}</strong></p>'
        f"<p>{html.escape(report.summary())}</p>{f'<ul>{links}</ul>' if links else ''}</div>"
    )


def counts(report: Report) -> None:
    """How much was read, and from where."""
    where = f"{report.filename}, sheet {report.sheet}" if report.sheet else report.filename
    facts = [
        ("File", where),
        ("Rows read", f"{report.rows_read:,}"),
        ("Rows with errors", f"{report.rows_with_errors:,}"),
        ("Rows without errors", f"{report.rows_read - report.rows_with_errors:,}"),
        ("Columns not used", ", ".join(report.ignored_columns) or "none"),
        ("Checked against", f"{contract_of(report.contract).title} ({report.contract}), version {report.version}"),
    ]
    frame.table(pandas.DataFrame(facts, columns=["About the file", "Answer"]), "About the file")


def files(report: Report, digest: str, content: bytes | None) -> None:
    """The marked copy and the list of all findings."""
    stem = report.filename.rpartition(".")[0] or report.filename
    if content is not None:
        st.download_button(
            "Download your file with the findings marked (Excel)",
            lambda: annotated(report, content),
            f"{stem}-marked.xlsx",
            XLSX,
            key=f"marked-{digest[:12]}",
        )
    st.download_button(
        "Download all findings (CSV)",
        report.to_csv().encode("utf-8-sig"),
        f"{stem}-findings.csv",
        "text/csv",
        key=f"findings-{digest[:12]}",
    )


def headings(report: Report) -> None:
    """How each heading was understood; nothing is taken for something else without a word."""
    rows = [(match.found, match.column, HOW[match.how]) for match in report.header_matches]
    rows += [(name, "", "not used") for name in report.ignored_columns]
    if not rows:
        return
    odd = [row for row in rows if row[2] != HOW["same"]]
    st.subheader("Headings")
    st.write("All headings are those of the template." if not odd else "Check that each heading was understood as you meant it.")
    table = pandas.DataFrame(odd or rows, columns=["Your heading", "Our column", "How it fits"])
    with st.expander(f"Headings that differ ({len(odd)})" if odd else f"All headings ({len(rows)})", expanded=bool(odd)):
        frame.table(table, "How your headings were understood")


def by_rule(report: Report) -> None:
    """Number of findings of each rule."""
    st.subheader("By rule")
    rows = [{**row, "kind": KINDS[row["severity"]]} for row in report.by_rule()]
    frame.table(frame.records(rows, BY_RULE), "Number of findings of each rule")


def bands(everything: pandas.DataFrame, digest: str) -> None:
    """The findings in three bands, the first rows of each on screen; narrowed to one rule where there are many."""
    rules = list(dict.fromkeys(everything["rule"]))
    chosen = ALL
    if len(everything) > frame.SHOWN_ROWS and len(rules) > 1:
        chosen = st.selectbox("Show the findings of", [ALL, *rules], key=f"rule-{digest[:12]}")
    for severity, title, hint in BANDS:
        found = everything[everything["severity"] == severity]
        if found.empty:
            continue
        st.subheader(f"{title} ({len(found)})", anchor=severity)
        st.caption(hint)
        shown = found if chosen == ALL else found[found["rule"] == chosen]
        if len(shown) > frame.SHOWN_ROWS:
            st.caption(f"The first {frame.SHOWN_ROWS} of {len(shown):,} are shown. The downloads have all.")
        listed = shown.head(frame.SHOWN_ROWS).assign(place=places(shown.head(frame.SHOWN_ROWS)))
        frame.table(listed[list(COLUMNS)].rename(columns=COLUMNS), title)


def places(found: pandas.DataFrame) -> list[str]:
    """Where each finding is: a cell, a row, or the file as a whole."""
    return [
        str(cell) if isinstance(cell, str) and cell else "the file" if pandas.isna(row) else f"row {row}"
        for cell, row in zip(found["cell"], found["row"], strict=True)
    ]


def explanations_for(report: Report) -> dict[str, str]:
    """One answer for each rule with queries, used for all its queries."""
    answers: dict[str, str] = {}
    by_rule: dict[str, list[str]] = {}
    for query in report.queries:
        by_rule.setdefault(query.rule, []).append(query.message)
    for rule, messages in sorted(by_rule.items()):
        first = messages[0]
        many = f"{first.rstrip('.')} (and {len(messages) - 1} more like it)" if len(messages) > 1 else first
        text = st.text_area(f"Explain: {many}", key=f"explain-{rule}")
        if text.strip():
            answers[rule] = text.strip()
    return answers
