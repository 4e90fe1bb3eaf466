"""Published data: import a release of Explore education statistics or the LAIT table, and see what could not be used."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import pandas
import streamlit as st

from pages import _frame as frame
from pilots import published
from pilots.published.remarks import tables_of
from pilots.tables import moment, short, telling

DIGEST = "Fingerprint"
COLUMNS = {
    "reference": "Reference",
    "title": "Publication",
    "edition": "Edition",
    "filename": "File",
    "imported_at": "Imported",
    "values": "Figures",
    "sha256": DIGEST,
}


def reported(report: Any) -> None:
    """What an import brought, and what it could not use."""
    st.header(f"{report.title}, {report.edition}")
    st.write(report.summary())
    st.markdown(f"Fingerprint of the file (SHA-256): `{report.sha256}`")
    sections(report.tables(), report.reference)


def _with_thousands(cell: Any) -> Any:
    """A whole number with its thousands marked; anything else as it is."""
    return f"{cell:,}" if isinstance(cell, Integral) and not isinstance(cell, bool) else cell


def imported(upload: Any) -> None:
    """Import a file and open its report; of one that gives no figure, say what became of its cells."""
    try:
        report = frame.with_progress(
            lambda tell: published.import_published(frame.store(), frame.acting(), upload.name, upload.getvalue(), progress=tell),
            "Reading the file",
        )
    except published.NotReadable as fault:
        frame.boxed("error", "There is a problem", str(fault).splitlines())
        sections(tables_of(fault.sections), upload.name)
        return
    st.session_state["vintage"] = report.reference
    st.session_state["imported"] = report.reference
    st.rerun()


def sections(tables: dict[str, pandas.DataFrame], name: str) -> None:
    """Each table under its heading, with all of it as a download."""
    for title, rows in tables.items():
        st.subheader(f"{title} ({len(rows):,})")
        if rows.empty:
            st.write("None.")
            continue
        # Columns that are 0 or blank in each row are for the download: the others have room.
        shown = telling(rows).head(frame.SHOWN_ROWS).map(_with_thousands)
        frame.long_table(shown, f"{name}-{title.lower().replace(' ', '-')}", title, rows)


def listing() -> None:
    """The vintages there are, and the report of one of them."""
    known = published.vintages(frame.store(), frame.acting())
    if not known:
        st.write("No published data have been imported yet.")
        return
    done = st.session_state.pop("imported", None)
    if done:
        frame.boxed("done", "The release is imported", [f"Reference: {done}", "Next: make a release and evaluate a plan."])
        if st.button("Next: evaluate a plan", type="primary"):
            st.switch_page("pages/evaluate.py")
    rows = frame.records(known, COLUMNS)
    rows = rows.assign(Imported=rows["Imported"].map(moment), **{DIGEST: rows[DIGEST].map(short)})
    frame.table(rows.map(_with_thousands), "Vintages that were imported")
    references = [vintage["reference"] for vintage in known]
    chosen = st.selectbox("What an import brought", references, index=None, key="vintage", placeholder="Choose a reference")
    if chosen:
        reported(published.report(frame.store(), frame.acting(), chosen))
    compared(known)


def compared(known: list[dict[str, Any]]) -> None:
    """What was restated between two vintages of one publication."""
    several = [one for one in known if sum(other["publication"] == one["publication"] for other in known) > 1]
    if not several:
        return
    st.header("What was restated")
    st.write("Set two imports of one publication side by side. Nothing is overwritten: the earlier figures are kept.")
    after = st.selectbox("Later import", [one["reference"] for one in several], key="after")
    mine = next(one["publication"] for one in several if one["reference"] == after)
    others = [one["reference"] for one in several if one["publication"] == mine and one["reference"] != after]
    before = st.selectbox("Earlier import", others, key="before")
    if not st.button("Compare"):
        return
    with frame.faults_shown():
        found = published.compare_vintages(frame.store(), frame.acting(), before, after)
        st.write(found.summary())
        sections(found.tables(), f"{before}-{after}")


def main() -> None:
    """Show the screen."""
    st.title("Published data")
    if frame.may("import_published"):
        st.header("Import a release")
        st.write(
            "Add one of these as it is. Nothing that was imported before is changed.\n\n"
            "- a release of Explore education statistics (ZIP, or one of its CSV files): EHC plans, absence, exclusions, "
            "alternative provision\n"
            "- the long table of the Local Authority Interactive Tool (CSV or Parquet), with the columns Short Desc, Years, LA "
            "Number, LA and Regions and Values"
        )
        upload = st.file_uploader("Release (ZIP, CSV or Parquet, up to 50 MB)", key="ees")
        if upload is not None and st.button("Import this release", type="primary"):
            imported(upload)
    else:
        st.write("An administrator imports published data.")
    st.header("What was imported")
    listing()


frame.show(main)
