"""Returns: what was sent, what was found, and what becomes of it: signed, accepted, sent back, withdrawn."""

from __future__ import annotations

import pandas
import streamlit as st

from pages import _frame as frame
from pages._return import one, told_done
from pilots import collections, returns
from pilots.deadlines import late_words
from pilots.life import NOT_SENT, STATES
from pilots.places import region_names
from pilots.receipts import Receipt
from pilots.register import ENGLAND
from pilots.tables import moment

ALL = "All"
SHOWN = 500  # returns to choose from at once


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


def listing(found: list[Receipt], whole: bool) -> None:
    """A return to open, and the list: all that fit, or the newest of them."""
    rows = [row(receipt) for receipt in found]
    references = [each["Reference"] for each in rows]
    opened = st.session_state.pop("opened", None)
    if opened is not None:
        st.session_state["reference"] = opened
        references = references if opened in references else [opened, *references]
    reference = st.selectbox("Open a return", references, index=None, key="reference", placeholder="Choose a reference")
    title = f"{len(rows):,} return{'' if len(rows) == 1 else 's'}" if whole else f"The newest {len(rows):,} returns"
    several = len(frame.acting().regions) != 1
    table = frame.records(rows, {name: name for name in rows[0] if several or name != "Region"})
    if reference:
        one(reference)
        with st.expander(title):
            listed(table, whole)
    else:
        st.header(title)
        listed(table, whole)


def listed(table: pandas.DataFrame, whole: bool) -> None:
    """The list, and how to come to what is not in it."""
    if not whole:
        st.write("There are more. To see them, choose a collection, a region, a period or a state.")
    frame.long_table(table, "returns", "Returns")


def narrowed() -> dict[str, str | None]:
    """What the reader wants to see: one collection, region, period or state, or all."""
    codes = frame.acting().regions or (*region_names(), ENGLAND)
    titles = collections.returned_by_regions()
    # Who has one region is not asked which.
    several = len(codes) > 1
    places = iter([*st.columns(2), *st.columns(2)] if several else st.columns(3))
    collection = next(places).selectbox("Collection", [None, *titles], format_func=lambda name: titles[name] if name else ALL)
    region = next(places).selectbox("Region", [None, *codes], format_func=region_named) if several else None
    periods = returns.periods_sent(frame.store(), frame.acting())
    period = next(places).selectbox("Period", [None, *periods], format_func=or_all)
    states = [name for name in STATES if name != NOT_SENT]
    state = next(places).selectbox("State", [None, *states], format_func=state_named)
    return {"collection": collection, "region": region, "period": period, "status": state}


def region_named(code: str | None) -> str:
    """A region in the list to choose from."""
    return ALL if code is None else region_names().get(code, "England")


def state_named(name: str | None) -> str:
    """A state in the list to choose from."""
    return STATES[name].words.capitalize() if name else ALL


def or_all(text: str | None) -> str:
    """A choice as it reads."""
    return text or ALL


def main() -> None:
    """Show the screen."""
    st.title("Returns")
    told_done()
    chosen = narrowed()
    found = returns.submissions(frame.store(), frame.acting(), **chosen, newest=SHOWN + 1)
    if found:
        listing(found[:SHOWN], whole=len(found) <= SHOWN)
    elif any(chosen[name] for name in ("collection", "period", "status")):
        st.write("No return fits what you chose.")
    else:
        st.write("No returns have been sent yet.")


frame.show(main)
