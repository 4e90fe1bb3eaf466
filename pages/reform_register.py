"""The reform register: who started what when, and who stopped."""

from __future__ import annotations

import streamlit as st

from pages import _frame as frame
from pilots import register
from pilots.catalogue import reform_labels
from pilots.charts import timeline
from pilots.places import names, region_names


def main() -> None:
    """Show the screen."""
    st.title("Reform register")
    with frame.faults_shown():
        spells = register.spells(frame.store(), frame.reader())
        readable = spells.assign(
            authority=spells["authority"].map(names()),
            region=spells["region"].map(region_names()),
            reform=spells["reform"].map(reform_labels()),
            start=spells["start"].astype(str),
            end=spells["end"]
            .astype(object)
            .where(spells["end"].notna(), None)
            .map(lambda day: None if day is None else str(day)),
        )
        frame.picture(timeline(readable, last=register.drawn_until(spells)), "register")
    if not frame.may("register_reforms"):
        st.write("An administrator changes the register.")
        return
    st.header("Add to the register")
    upload = st.file_uploader("Reform register (CSV or XLSX)", key="register")
    if upload is not None and st.button("Check and register", type="primary"):
        with frame.faults_shown():
            found = register.register_reforms(frame.store(), frame.reader(), upload.name, upload.getvalue())
            frame.boxed("done", f"{found.rows} spells registered", [f"Reference: {found.reference}"])


main()
