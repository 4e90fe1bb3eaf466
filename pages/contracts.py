"""Contracts and templates: what each return must look like, what changed, and files to fill in."""

from __future__ import annotations

import pandas
import streamlit as st

from pages import _contract as shown
from pages import _frame as frame
from pilots import collections, templates
from pilots.collections import REGISTER
from pilots.places import region_names

HEADINGS = {
    "title": "Return",
    "version": "Version",
    "grain": "Rows",
    "period_kind": "Asked for each",
    "asked_from": "From",
    "name": "Name",
}


def listing(names: list[str]) -> None:
    """All collections with the version in force."""
    found = [vars(templates.contract_of(name)) for name in names]
    frame.table(frame.records(found, HEADINGS), "All returns")


def files(collection: str) -> None:
    """Template, example and contract as files."""
    st.header("Files")
    region, period = "", ""
    if collection != REGISTER:
        known = region_names()
        mine = [code for code in known if frame.may("read_returns", code)]
        left, right = st.columns(2)
        region = left.selectbox("Region of the template", mine, format_func=known.__getitem__)
        period = shown.period_of(collection, "Period of the template", right)
    st.write("The template has the rows that are expected: those of the last return, or every authority of the region.")
    shown.template_buttons(collection, region, period)
    left, right = st.columns(2)
    left.download_button(
        "Download a filled-in example (CSV)", templates.example(collection), f"{collection}-example.csv", "text/csv"
    )
    right.download_button(
        "Download the contract (YAML)", collections.contract_text(collection), f"{collection}.yaml", "text/plain"
    )


def changes(collection: str) -> None:
    """What changed since the version before."""
    told = templates.changes(collection)
    if told:
        st.header("What changed since the last version")
        frame.table(pandas.DataFrame({"Change": told}), "Changes since the last version")


def main() -> None:
    """Show the screen."""
    st.title("Contracts and templates")
    st.write("What each return must look like, in plain English. The checks are made from the same text.")
    labels = {**collections.returned_by_regions(), REGISTER: templates.contract_of(REGISTER).title}
    collection = st.selectbox("Return", list(labels), format_func=labels.__getitem__)
    words = templates.field_guide(collection)
    st.header(f"{words.title}, version {words.version}")
    changes(collection)
    files(collection)
    st.header("Field guide")
    shown.guide(words)
    st.header("All returns")
    listing(list(labels))


frame.show(main)
