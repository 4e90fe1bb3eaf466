"""How screens show what a return must look like, and hand out templates."""

from __future__ import annotations

from typing import Any

import pandas
import streamlit as st

from data_contracts.asked import asked_words
from data_contracts.guide import Guide
from pages import _frame as frame
from pilots import collections, templates
from pilots.errors import UserError

COLUMNS = {"column": "Name", "what": "What to enter", "required": "Required", "allowed": "Allowed", "marks": "Or a symbol"}
OTHERS = {"column": "Name", "other_headings": "Also read as"}
RULES = {"message": "What is said", "fix": "What to do", "consequence": "If not so", "rule": "Rule"}


def period_of(collection: str, label: str, place: Any = st, key: str | None = None) -> str:
    """Choose one of the periods for which a collection is asked for.

    Raises:
        UserError: it is not asked for yet, or not any more.
    """
    periods = collections.periods_due(frame.store(), collection)
    if not periods:
        asked = asked_words(templates.contract_of(collection), collections.asked_until(frame.store()))
        raise UserError(f"This return is asked for {asked}. There is nothing to send now.")
    return str(place.selectbox(label, periods, key=key))


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


def column(row: dict[str, str]) -> dict[str, str]:
    """One column in few cells: the symbols' meanings stand in a table of their own."""
    marks = ", ".join(part.split(" (")[0] for part in row["symbols"].split("), "))
    allowed = f"{row['allowed']} ({row['unit']})" if row["unit"] else row["allowed"]
    return {**row, "what": f"{row['label']}. {row['description']}", "allowed": allowed, "marks": marks}


def guide(words: Guide) -> None:
    """The field guide: what holds for the whole return, its columns, symbols and checks."""
    frame.table(pandas.DataFrame(list(words.facts), columns=["About the return", "Answer"]), "About the return")
    st.subheader("Columns")
    frame.table(frame.records([column(row) for row in words.columns], COLUMNS), "Columns of the return")
    with st.expander("Other headings that are read as these, and told"):
        others = [row for row in words.columns if row["other_headings"]]
        frame.table(frame.records(others, OTHERS), "Other headings that are understood")
    if words.symbols:
        st.subheader("Symbols in place of a number")
        frame.table(pandas.DataFrame(list(words.symbols.items()), columns=["Symbol", "Meaning"]), "Symbols and their meaning")
    if words.rules:
        st.subheader("What is checked across columns and rows")
        frame.table(frame.records(list(words.rules), RULES), "Checks across columns and rows")
