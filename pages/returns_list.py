"""Returns: what was sent, what was found, and what becomes of it: signed, accepted, sent back, withdrawn."""

from __future__ import annotations

import streamlit as st

from pages import _frame as frame
from pages._return import one, told_done
from pilots import collections, returns
from pilots.deadlines import late_words
from pilots.life import STATES
from pilots.places import region_names
from pilots.receipts import Receipt
from pilots.tables import moment

ALL = "All"


def row(receipt: Receipt) -> dict[str, str]:
    """One return in the list."""
    return {
        "Reference": receipt.reference,
        "Collection": collections.returned_by_regions().get(receipt.collection, receipt.collection),
        "Region": region_names().get(receipt.region, "England"),
        "Period": receipt.period,
        "Rows": "nil" if receipt.nil_reason else f"{receipt.rows:,}",
        "State": STATES[receipt.status].words.capitalize(),
        "Next step by": STATES[receipt.status].owner,
        "Received": moment(receipt.received_at),
        "Timing": late_words(receipt.late_days).capitalize(),
    }


def listing(found: list[Receipt]) -> None:
    """The list, narrowed to one region, period or state, and a return to open."""
    rows = [row(receipt) for receipt in found]
    left, middle, right = st.columns(3)
    regions = sorted({each["Region"] for each in rows})
    region = left.selectbox("Region", [ALL, *regions] if len(regions) > 1 else regions)
    period = middle.selectbox("Period", [ALL, *sorted({each["Period"] for each in rows if each["Period"]}, reverse=True)])
    state = right.selectbox("State", [ALL, *sorted({each["State"] for each in rows})])
    chosen = {"Region": region, "Period": period, "State": state}
    shown = [each for each in rows if all(value in (ALL, each[name]) for name, value in chosen.items())]
    references = [each["Reference"] for each in shown]
    opened = st.session_state.pop("opened", None)
    if opened in references:
        st.session_state["reference"] = opened
    reference = st.selectbox("Open a return", references, index=None, key="reference", placeholder="Choose a reference")
    title, table = f"{len(shown):,} of {len(rows):,} returns", frame.records(shown, {name: name for name in rows[0]})
    if reference:
        one(reference)
        with st.expander(title):
            frame.long_table(table, "returns")
    else:
        st.header(title)
        frame.long_table(table, "returns")


def main() -> None:
    """Show the screen."""
    st.title("Returns")
    told_done()
    found = returns.submissions(frame.store(), frame.acting())
    if found:
        listing(found)
    else:
        st.write("No returns have been sent yet.")


frame.show(main)
