"""How the screen sets a return beside what came before it, and shows the figures that it will give."""

from __future__ import annotations

import pandas
import streamlit as st

from pages import _frame as frame
from pilots.comparisons import Comparison, Difference, gaps, given_by_nobody
from pilots.tables import telling

CHANGES = {"key": "Row", "label": "Column", "before": "Before", "after": "Now", "change": "Change", "percent": "Change, %"}
TOTALS = {
    "label": "Total of",
    "now": "This return",
    "version": "Last version",
    "last": "Last period",
    "symbols": "Cells with a symbol",
}
PREVIEW = {
    "name": "Local authority",
    "numerator": "Numerator",
    "denominator": "Denominator",
    "figure": "Figure",
    "last": "Last period",
}
SHOWN = 15  # largest moves on the screen; the download has all


def comparison_of(found: Comparison) -> None:
    """All of it: gaps, figures, totals, and what changed."""
    st.header("Before you submit: look at what you send")
    coverage(found.coverage)
    preview(found.preview)
    totals(found.totals)
    if found.version is not None:
        difference(found.version, "Beside the version before", "version")
    if found.last is not None:
        difference(found.last, "Beside the last period", "last")


def numbers(column: pandas.Series) -> list[str]:
    """Numbers with their thousands marked and as many decimals each: none where all are whole, else one, or two below 10."""
    found = [None if value is None or pandas.isna(value) else float(str(value)) for value in column]
    known = [value for value in found if value is not None]
    decimals = 0 if all(value == int(value) for value in known) else 1 if max(map(abs, known)) >= 10 else 2
    return ["" if value is None else f"{value:,.{decimals}f}" for value in found]


def coverage(table: pandas.DataFrame) -> None:
    """Which authorities have given what."""
    if table.empty:
        return
    st.subheader("Who has given what")
    nobody = given_by_nobody(table)
    if nobody:
        st.write(f"Given for no local authority: {'; '.join(nobody)}.")
    folded = gaps(table)
    lacking = folded[folded["Missing"].ne("") | folded["Symbol in place of a number"].ne("")]
    words = f"{'all other' if nobody else 'all'} {table.shape[1] - 2 - len(nobody):,} measures"
    if lacking.empty:
        st.write(f"All {len(table):,} local authorities have given {words}.")
    else:
        st.write(f"{len(table) - len(lacking):,} of {len(table):,} local authorities have given {words}. The others:")
        frame.table(telling(lacking), "Local authorities without some measures")
    frame.download(table, "coverage", "Download each authority by measure (CSV)")


def preview(table: pandas.DataFrame) -> None:
    """The figures as an evaluator will see them."""
    if table.empty:
        return
    st.subheader("The figures that evaluators will see")
    labels = list(dict.fromkeys(table["label"]))
    chosen = st.selectbox("Outcome", labels, key="preview")
    mine = table[table["label"] == chosen]
    st.write(f"Numerator divided by denominator, in {mine['unit'].iloc[0]}. A blank figure cannot be made.")
    shown = mine[list(PREVIEW)].rename(columns=PREVIEW)
    shown = shown.assign(**{name: numbers(shown[name]) for name in list(PREVIEW.values())[1:]})
    frame.table(shown, f"Figures that evaluators will see: {chosen}")


def totals(table: pandas.DataFrame) -> None:
    """Totals to tie out with one's own records."""
    if table.empty:
        return
    st.subheader("Totals, to compare with your own records")
    there = [name for name in TOTALS if name in ("label", "now", "symbols") or table[name].notna().any()]
    shown = table[there].astype(object)
    for name in there[1:]:
        shown[name] = [text for value in shown[name] for text in numbers(pandas.Series([value], dtype=object))]
    frame.table(shown.rename(columns=TOTALS), "Totals of the return")


def difference(found: Difference, title: str, key: str) -> None:
    """What was added, removed and changed, largest moves first."""
    st.subheader(title)
    st.write(found.summary())
    for words, rows in (("Rows added", found.added), ("Rows removed", found.removed)):
        if rows:
            more = f" and {len(rows) - SHOWN:,} more" if len(rows) > SHOWN else ""
            st.markdown(f"{words}: {'; '.join(rows[:SHOWN])}{more}.")
    if found.changes.empty:
        return
    shown = found.changes[list(CHANGES)].head(SHOWN).astype(object)
    for name in ("change", "percent"):
        shown[name] = numbers(shown[name])
    if len(found.changes) > SHOWN:
        st.caption(f"The {SHOWN} largest moves of {len(found.changes):,}. The download has all.")
    frame.table(shown.rename(columns=CHANGES), f"{title}: largest moves first")
    frame.download(found.changes, f"changes-{key}", f"Download all changes: {title.lower()} (CSV)")
