"""How screens show what a return must look like, and hand out templates."""

from __future__ import annotations

import pandas
import streamlit as st

from data_contracts.guide import Guide
from pages import _frame as frame
from pilots import templates

COLUMNS = {
    "column": "Name",
    "label": "In words",
    "description": "What to enter",
    "unit": "Unit",
    "required": "Required",
    "allowed": "Allowed",
    "symbols": "Symbols",
    "other_headings": "Also read as",
}
RULES = {"message": "What is said", "fix": "What to do", "consequence": "If not so", "rule": "Rule"}


def template_buttons(collection: str, region: str, period: str) -> None:
    """Buttons for the template of one return; each file is made when it is asked for."""
    store, actor = frame.store(), frame.acting()
    left, right = st.columns(2)
    for place, words, as_csv in ((left, "Excel", False), (right, "CSV", True)):
        name, media_type = templates.filename_of(collection, region, period, as_csv)
        place.download_button(
            f"Download the template ({words})",
            lambda as_csv=as_csv: templates.template(store, actor, collection, region, period, as_csv).content,
            name,
            media_type,
            key=f"template-{words}",
        )


def guide(words: Guide) -> None:
    """The field guide: what holds for the whole return, its columns, symbols and checks."""
    frame.table(pandas.DataFrame(list(words.facts), columns=["About the return", "Answer"]))
    st.subheader("Columns")
    frame.table(frame.records(list(words.columns), COLUMNS))
    if words.symbols:
        st.subheader("Symbols in place of a number")
        frame.table(pandas.DataFrame(list(words.symbols.items()), columns=["Symbol", "Meaning"]))
    if words.rules:
        st.subheader("What is checked across columns and rows")
        frame.table(frame.records(list(words.rules), RULES))
