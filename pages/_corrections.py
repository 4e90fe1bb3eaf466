"""How the screen offers corrections: all certain ones of a kind at once, or one by one. Nothing is made unasked."""

from __future__ import annotations

from collections.abc import Sequence

import pandas
import streamlit as st

from data_contracts.corrected_copy import corrected_workbook
from data_contracts.corrections import WORDS, Correction
from pages import _frame as frame
from pilots.corrections import corrected_name
from pilots.templates import XLSX

ONE_BY_ONE = 20  # of a kind that are offered each by itself; the others are accepted together, or put right in the file
COLUMNS = {"cell": "Cell", "column": "Column", "before": "You entered", "after": "Would become"}


def made(corrections: Sequence[Correction], text: str, filename: str) -> None:
    """The corrections that were accepted and made, and the corrected table to keep.

    Args:
        corrections: that were made.
        text: the table as corrected, as CSV.
        filename: of the file that was checked.
    """
    if not corrections:
        return
    st.subheader(f"Corrections accepted ({len(corrections):,})")
    st.write("They are recorded with the return. The file itself is kept as it was sent.")
    shown = listed(corrections[: frame.SHOWN_ROWS]).rename(columns={COLUMNS["after"]: "Became"})
    frame.table(shown, "Corrections accepted")
    if len(corrections) > frame.SHOWN_ROWS:
        st.caption(f"The first {frame.SHOWN_ROWS} of {len(corrections):,} are shown. The Excel file lists all.")
    st.write("Downloading the corrected file submits nothing.")
    left, right = st.columns(2)
    left.download_button(
        "Download the corrected file (Excel)",
        lambda: corrected_workbook(text, corrections),
        corrected_name(filename, True),
        XLSX,
        key="corrected-xlsx",
    )
    right.download_button(
        "Download the corrected file (CSV)", text.encode(), corrected_name(filename, False), "text/csv", key="corrected-csv"
    )


def listed(corrections: Sequence[Correction]) -> pandas.DataFrame:
    """Corrections as a table."""
    return frame.records([one.to_dict() for one in corrections], COLUMNS)


def offered(corrections: Sequence[Correction], digest: str) -> list[str]:
    """Offer corrections; gives the keys and rules that were ticked when the button was pressed, and nothing before.

    Args:
        corrections: on offer.
        digest: tells this file's boxes from those of others.
    """
    if not corrections:
        return []
    st.header("Corrections you can accept here")
    st.write("We change nothing unless you say so. Your file is kept as you sent it, and each correction is recorded.")
    by_rule: dict[str, list[Correction]] = {}
    for one in corrections:
        by_rule.setdefault(one.rule, []).append(one)
    with st.form(f"corrections-{digest}"):
        ticked = [key for rule, found in by_rule.items() for key in kind(rule, found, digest)]
        pressed = st.form_submit_button("Accept the ticked corrections and check again")
    if pressed and not ticked:
        frame.boxed(
            "error", "There is a problem", ["No correction is ticked. Tick those that you accept, or put your file right."]
        )
    return ticked if pressed else []


def kind(rule: str, found: Sequence[Correction], digest: str) -> list[str]:
    """The boxes of one kind of correction; gives what is ticked."""
    st.subheader(f"{WORDS[rule]} ({len(found)})")
    frame.table(listed(found[: frame.SHOWN_ROWS]), WORDS[rule])
    if len(found) > frame.SHOWN_ROWS:
        st.caption(f"The first {frame.SHOWN_ROWS} of {len(found):,} are shown.")
    ticked = []
    sure = [one for one in found if one.certain]
    if len(sure) > 1 and st.checkbox(f"Accept all {len(sure):,}: {WORDS[rule].lower()}", key=f"all-{digest}-{rule}"):
        ticked.append(rule)
    for one in found[:ONE_BY_ONE]:
        words = f"Accept {one.cell}: “{one.before}” becomes “{one.after}”"
        if st.checkbox(words, key=f"one-{digest}-{one.key}"):
            ticked.append(one.key)
    return ticked
