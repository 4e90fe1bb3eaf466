"""Published data: import an Explore education statistics release as published, and see what could not be used."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages import _frame as frame
from pilots import published


def reported(report: Any) -> None:
    """What an import brought, and what it could not use."""
    plain = report.to_dict()
    frame.boxed(
        "done",
        f"{plain['publication']}, release {plain['release']}",
        [plain["summary"], f"Fingerprint of the file (SHA-256): {plain['sha256']}"],
    )
    for title, rows in report.tables().items():
        st.subheader(f"{title} ({len(rows)})")
        if len(rows):
            frame.table(rows.head(40).astype(str))
            frame.download(rows, title.lower().replace(" ", "-"))
        else:
            st.write("None.")


def main() -> None:
    """Show the screen."""
    st.title("Published data")
    with frame.faults_shown():
        known = published.vintages(frame.store(), frame.reader())
        if known:
            columns = {
                "publication": "Publication",
                "release": "Release",
                "filename": "File",
                "imported_at": "Imported",
                "sha256": "Fingerprint (SHA-256)",
            }
            frame.table(frame.records(known, columns).astype(str))
        else:
            st.write(
                "No published data have been imported yet. Download a release from Explore education statistics and add the ZIP here."
            )
    if not frame.may("import_published"):
        st.write("An administrator imports published data.")
        return
    st.header("Import a release")
    st.write(
        "Add the ZIP of the Education, health and care plans release as it was published. A release that you have imported before stays as it was."
    )
    upload = st.file_uploader("Release (ZIP, up to 50 MB)", key="ees")
    if upload is not None and st.button("Import this release", type="primary"):
        with frame.faults_shown():
            st.session_state["imported"] = frame.with_progress(
                lambda tell: published.import_ees(frame.store(), frame.reader(), upload.name, upload.getvalue(), progress=tell),
                "Reading the release",
            )
    if "imported" in st.session_state:
        reported(st.session_state["imported"])


main()
