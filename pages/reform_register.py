"""The reform register: who started what when, and who stopped."""

from __future__ import annotations

import hashlib
from typing import Any

import pandas
import streamlit as st

from data_contracts import Report
from pages import _frame as frame
from pages._contract import template_buttons
from pages._findings import explanations_for, findings_of
from pilots import collections, register
from pilots.catalogue import reform_labels
from pilots.charts import timeline
from pilots.neighbours import neighbours_table
from pilots.places import current_authorities, names, region_names


def shown(spells: pandas.DataFrame) -> None:
    """One reform's spells, as bars and as a table."""
    labels = reform_labels()
    present = [code for code in labels if code in set(spells["reform"])]
    if not present:
        st.write("No reform is registered yet.")
        return
    reform = st.selectbox("Reform", present, format_func=labels.__getitem__, key="register-reform")
    mine = spells[spells["reform"] == reform].sort_values(["region", "authority", "start"])
    readable = mine.assign(region=mine["region"].map(region_names()), authority=mine["authority"].map(names()))
    for column in ("start", "end"):
        readable[column] = [None if pandas.isna(day) else day.isoformat() for day in mine[column]]
    frame.picture(timeline(readable, reform=labels[reform], last=register.drawn_until(spells)), f"register-{reform}")


def add() -> None:
    """Check a file, then take it as the next version of the register."""
    template_buttons(collections.REGISTER, "", "")
    upload = st.file_uploader("Reform register (CSV or XLSX)", key="register")
    if upload is None:
        return
    content = upload.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    if st.button("Check my file", type="primary"):
        report = register.check_register(frame.store(), frame.acting(), upload.name, content)
        st.session_state["register-checked"] = (digest, report)
    known, report = st.session_state.get("register-checked", (None, None))
    if known != digest:
        return
    findings_of(report, digest, content)
    if not report.errors:
        take(upload, report)


def take(upload: Any, report: Report) -> None:
    """Ask what is still needed, then register."""
    explanations = explanations_for(report) if report.queries else {}
    reason = st.text_input("If the register was sent before: why do you send it again?", key="register-reason")
    if st.button("Register these reforms", type="primary"):
        found = register.register_reforms(
            frame.store(), frame.acting(), upload.name, upload.getvalue(), explanations, reason or None
        )
        frame.boxed("done", "The register is taken", found.text().splitlines())


def neighbours() -> None:
    """The neighbours of one authority, on the map and in the figures."""
    st.header("Who is like whom")
    st.write(
        "The ten authorities that are most like one in figures, as the Department drew them up in May 2025, and those that "
        "border on it. Among the other choices of every result, one compares with the first alone, and one leaves out the second."
    )
    known = names()
    codes = sorted(current_authorities()["authority"], key=known.__getitem__)
    chosen = st.selectbox("Local authority", codes, format_func=known.__getitem__, key="neighbours-of")
    frame.table(neighbours_table(chosen), f"Neighbours of {known[chosen]}")


def main() -> None:
    """Show the screen."""
    st.title("Reform register")
    st.header("Who has which reform")
    shown(register.spells(frame.store(), frame.acting()))
    neighbours()
    if not frame.may("register_reforms"):
        st.write("An administrator changes the register.")
        return
    st.header("Send a new version of the register")
    st.write(
        "The file has every spell, those that were accepted before included. A start that was accepted cannot be dated back."
    )
    add()


frame.show(main)
