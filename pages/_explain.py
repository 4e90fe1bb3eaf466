"""How a lead explains the queries of a file: a rule at once, one by one, or with what was said of the same query before."""

from __future__ import annotations

import streamlit as st

from data_contracts import Report
from pages import _frame as frame
from pilots import explanations
from pilots.explanations import Query

OFFERED = {"message": "What was found", "offered": "Said of it before", "offered_from": "In"}


def explained(report: Report, collection: str, region: str, period: str) -> dict[str, str]:
    """Ask for explanations of a report's queries, and give them by rule or by key, as submitting takes them."""
    found = explanations.queries_of(frame.store(), frame.acting(), collection, region, period, report)
    by_rule: dict[str, list[Query]] = {}
    for query in found:
        by_rule.setdefault(query.rule, []).append(query)
    answers: dict[str, str] = {}
    if found:
        st.subheader("Explain the queries")
        st.write("One text answers all queries of a rule. Each query needs an answer before you can submit.")
    for rule, queries in sorted(by_rule.items()):
        answers |= of_rule(rule, queries, report.sha256)
    if found and st.button("Keep these explanations for later"):
        keep(report, answers, collection, region, period)
    return answers


def of_rule(rule: str, queries: list[Query], file: str) -> dict[str, str]:
    """The explanations of one rule's queries: what is offered, one text for all, and a text for single ones."""
    key = f"{rule}-{file[:12]}"
    answers: dict[str, str] = {}
    offered = [query for query in queries if query.offered]
    if offered:
        frame.table(frame.records([query.to_dict() for query in offered[: frame.SHOWN_ROWS]], OFFERED), "What was said before")
        words = "it" if len(offered) == 1 else f"all {len(offered)} of them"
        if st.checkbox(f"What was said before still holds: take {words} over", key=f"carry-{key}"):
            answers |= {query.key: query.offered for query in offered if query.offered}
    more = len(queries) - 1
    many = f" (and {more} more like it)" if more else ""
    kept = {query.explanation for query in queries}
    known = kept.pop() if len(kept) == 1 else None
    message = queries[0].message.rstrip(".") if many else queries[0].message
    text = st.text_area(f"Explain: {message}{many}", value=known or "", key=f"explain-{key}").strip()
    if more:
        with st.expander("Explain them one by one"):
            for query in queries[: frame.SHOWN_ROWS]:
                own = st.text_area(
                    query.message, value=(query.explanation or "") if known is None else "", key=f"{query.key}-{key}"
                )
                answers |= {query.key: own.strip()} if own.strip() else {}
    return {**({rule: text} if text else {}), **answers}


def keep(report: Report, answers: dict[str, str], collection: str, region: str, period: str) -> None:
    """Keep the explanations with the checked file, so that they are there when the lead comes back to it."""
    store, actor = frame.store(), frame.acting()
    check = explanations.newest_check(store, actor, collection, region, period, report.sha256)
    with frame.faults_shown():
        if check is not None:
            explanations.explain_return(store, actor, check, answers)
            frame.boxed("done", "Your explanations are kept", ["They are here again when you check this very file."])
