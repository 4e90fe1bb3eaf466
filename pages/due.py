"""Returns due: what waits for whom, by when; more time; and declaring that there is nothing to return."""

from __future__ import annotations

from collections import Counter
from datetime import date
from functools import partial

import pandas
import streamlit as st

from pages import _frame as frame
from pages._return import done, open_return, send, told_done
from pilots import collections, deadlines
from pilots.access import ADMINISTRATOR, APPROVER, EVALUATOR, LEAD
from pilots.deadlines import Extension
from pilots.due import WITH_THE_REGION, DueReturn, returns_due, waiting_for
from pilots.places import region_names
from pilots.returns import declare_nil_return
from pilots.tables import moment

COLUMNS = {
    "title": "Collection",
    "region": "Region",
    "period": "Period",
    "timing": "When",
    "due": "Due",
    "state": "State",
    "owner": "Next step by",
}
ALL, SHOWN = "All", 10
OWNERS = {"lead": "leads", "approver": "approvers", "DfE": "department"}
# What the list is to its reader.
INTRODUCTIONS = {
    LEAD: "You send these returns for your region. An approver signs each one, then the department accepts it.",
    APPROVER: "You sign what the lead of your region has submitted. You never sign what you submitted yourself.",
    EVALUATOR: "You accept what an approver has signed, or send it back with a reason.",
    ADMINISTRATOR: "You may take any step, but only one of submitting, signing and accepting of each return.",
}


def named(one: DueReturn, with_region: bool) -> str:
    """A return in a list to choose from."""
    region = f", {region_names()[one.region]}" if with_region else ""
    return f"{one.title}{region}, {one.period}: {one.timing or one.state_words}"


def records(found: list[DueReturn]) -> list[dict[str, str]]:
    """The rows of the list for readers."""
    return [
        {
            "timing": one.timing.capitalize(),
            "due": f"{one.due:%d %b %Y}",
            "title": one.title,
            "region": region_names()[one.region],
            "period": one.period,
            "state": one.state_words.capitalize() + (", more time asked for" if one.more_time else ""),
            "owner": one.owner,
        }
        for one in found
    ]


def mine(found: list[DueReturn]) -> None:
    """What the reader has to do, the most urgent first: one to choose, what to do about it, and the first rows of the list."""
    waiting = waiting_for(found, frame.acting())
    late = sum(one.days_left < 0 and one.state in WITH_THE_REGION for one in waiting)
    st.header(f"Waiting for you ({len(waiting):,})")
    if not waiting:
        st.write("Nothing waits for you.")
        return
    if late:
        frame.warning(f"{late:,} of them {'is' if late == 1 else 'are'} late.")
    titles = sorted({one.title for one in waiting})
    if len(titles) > 1:
        title = st.selectbox("Collection", [ALL, *titles], key="due-collection")
        waiting = [one for one in waiting if title in (ALL, one.title)]
    several = len({one.region for one in waiting}) > 1
    chosen = st.selectbox("Choose a return", waiting, format_func=partial(named, with_region=several), key="due")
    if chosen.state in WITH_THE_REGION:
        with_the_region(chosen)
    elif chosen.reference and st.button("Open this return", type="primary"):
        open_return(chosen.reference)
    st.subheader("The most urgent" if len(waiting) > SHOWN else "All of them")
    frame.table(listed(waiting[:SHOWN]), "Returns that wait for you")


def listed(found: list[DueReturn]) -> pandas.DataFrame:
    """The list for readers; region and whose the next step is stand there only where there are several."""
    same = [name for name in ("region", "owner") if len({getattr(one, name) for one in found}) == 1]
    return frame.records(records(found), COLUMNS).drop(columns=[COLUMNS[name] for name in same])


def with_the_region(chosen: DueReturn) -> None:
    """What a lead can do about a return: send it, ask for more time, or declare that there is nothing."""
    left, right = st.columns(2)
    if left.button("Send this return", type="primary"):
        send(*chosen.key)
    if chosen.reference and right.button("Look at the last version"):
        open_return(chosen.reference)
    if frame.may("ask_extension", chosen.region):
        with st.expander("Ask for more time"):
            ask(chosen)
    if frame.may("declare_nil_return", chosen.region):
        with st.expander("There is nothing to return"), st.form("nil", border=False):
            st.write("A nil return says that there was nothing to count. It is signed and accepted like every other return.")
            reason = st.text_area("Why there is nothing to return")
            if st.form_submit_button("Declare a nil return"):
                with frame.faults_shown():
                    made = declare_nil_return(frame.store(), frame.acting(), *chosen.key, reason)
                    done(f"{made.reference} is submitted as a nil return", "An approver of the region signs it next.")


def ask(chosen: DueReturn) -> None:
    """Ask for more time: a day, in three fields, and a reason."""
    if chosen.more_time:
        st.write(f"More time was asked for ({chosen.more_time}). The department has not decided yet.")
        return
    with st.form("more-time", border=False):
        st.write(f"It is due on {chosen.due:%d %B %Y}. Until when do you need?")
        day, month, year = day_fields()
        reason = st.text_area("Why more time is needed")
        if st.form_submit_button("Ask for more time"):
            with frame.faults_shown():
                until = deadlines.day_of(day, month, year)
                made = deadlines.ask_extension(frame.store(), frame.acting(), *chosen.key, until, reason)
                done(f"{made.reference} is sent to the department", f"You asked for time until {until:%d %B %Y}.")


def counts(found: list[DueReturn]) -> list[str]:
    """How many returns wait for whom, one sentence each."""
    owners = Counter(one.owner for one in found)
    late = sum(one.days_left < 0 and one.state in WITH_THE_REGION for one in found)
    told = [f"{owners[owner]:,} with the {words}." for owner, words in OWNERS.items() if owners[owner]]
    return [*told, f"{late:,} of them {'is' if late == 1 else 'are'} late." if late else "None is late."]


def more_time() -> None:
    """The requests for more time, and deciding on those that wait."""
    found = deadlines.extensions(frame.store(), frame.acting())
    if not found:
        return
    st.header("More time")
    waiting = [one for one in found if one.granted is None]
    if waiting and frame.may("decide_extension"):
        decide(waiting)
    rows = [
        {
            "Reference": one.reference,
            "Return": f"{collections.returned_by_regions()[one.collection]}, {region_names()[one.region]}, {one.period}",
            "Until": f"{date.fromisoformat(one.until):%d %b %Y}",
            "Reason": one.reason,
            "Asked": moment(one.asked_at),
            "Decision": one.words.capitalize() + (f": {one.note}" if one.note else ""),
        }
        for one in found
    ]
    frame.long_table(frame.records(rows, {name: name for name in rows[0]}), "more-time", "Requests for more time")


def decide(waiting: list[Extension]) -> None:
    """Grant or refuse one request."""
    titles = collections.returned_by_regions()
    chosen = st.selectbox(
        "A request that waits",
        waiting,
        format_func=lambda one: f"{one.reference}: {titles[one.collection]}, {region_names()[one.region]}, {one.period}",
    )
    with st.form("decide", border=False):
        st.write(f"Asked for until {date.fromisoformat(chosen.until):%d %B %Y}. The reason given: {chosen.reason}")
        note = st.text_area("What to tell the lead (needed to refuse)")
        left, right = st.columns(2)
        granted, refused = left.form_submit_button("Grant it"), right.form_submit_button("Refuse it")
        if granted or refused:
            with frame.faults_shown():
                made = deadlines.decide_extension(frame.store(), frame.acting(), chosen.reference, granted, note)
                done(f"{made.reference} is {made.words}", "The list of returns due shows it.")


def asked() -> None:
    """Until when returns are asked for; the department sets it here."""
    found = collections.asked_now(frame.store(), frame.acting())
    if found.until is not None or frame.may("set_asked_until"):
        st.header("Until when returns are asked for")
        st.write(found.words)
    if not frame.may("set_asked_until"):
        return
    with st.expander("Set the day"), st.form("asked-until", border=False):
        st.write(
            "A period that ends after this day is not asked for. What was sent already stays, and is still signed and accepted."
        )
        until = day_fields()
        left, right = st.columns(2)
        ends, on = left.form_submit_button("Ask until this day"), right.form_submit_button("Ask without an end")
        if ends or on:
            with frame.faults_shown():
                made = collections.set_asked_until(frame.store(), frame.acting(), deadlines.day_of(*until) if ends else None)
                done("The day is set", made.words)


def day_fields() -> list[str]:
    """Day, month and year as they are typed, in three fields."""
    fields = st.columns(3)
    return [field.text_input(name) for field, name in zip(fields, ("Day", "Month", "Year"), strict=True)]


def main() -> None:
    """Show the screen."""
    st.title("Returns due")
    told_done()
    st.write(INTRODUCTIONS[frame.acting().role])
    found = returns_due(frame.store(), frame.acting())
    mine(found)
    more_time()
    asked()
    st.header(f"Everything that is not finished ({len(found):,})")
    if not found:
        st.write("Every return that is asked for is accepted.")
        return
    st.write(" ".join(counts(found)))
    with st.expander("Show the list"):
        frame.long_table(listed(found), "due", "Returns that are not finished")


frame.show(main)
