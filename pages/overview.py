"""Overview: every reform with each outcome asked, on one view. It shows stored runs and recomputes nothing."""

from __future__ import annotations

import streamlit as st

from pages import _frame as frame
from pilots import runs, views


def main() -> None:
    """Show the screen."""
    st.title("All reforms on one view")
    documents = [run.document for run in runs.runs(frame.store(), frame.acting())]
    st.write(views.overview_words(documents))
    for words in views.overview_harms(documents):
        frame.warning(words)
    st.write(
        "Each reform with each outcome asked, from the newest run of each plan: what is said, how far it can be believed, how "
        "small an effect could have been seen, and what is watched for harm (harm that is seen by name, all else by number). A "
        "reform of which nothing can be estimated says why."
    )
    found = views.overview_table(documents)
    frame.table(found.drop(columns="Run"), "Each reform with each outcome asked")
    frame.download(found, "overview")
    st.page_link("pages/effects.py", label="Read one effect with all its evidence")


frame.show(main)
