"""Commands for the reform register and for published data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import pandas

from pilots import published
from pilots import register as registers
from pilots.commands import USER_FAULT
from pilots.commands.checked import explained, explanations_of, findings_told
from pilots.commands.published import account_text
from pilots.commands.shared import Session, authority_code, content_of, file_argument, task_command
from pilots.commands.text import plain_json, table, wrapped
from pilots.errors import UserError
from pilots.neighbours import neighbours_table
from pilots.places import names, region_names
from pilots.published.remarks import tables_of
from pilots.tables import heading, moment

SHOWN_ROWS = 12  # rows of a long table that the terminal shows; the JSON has all
VINTAGE_COLUMNS = ["reference", "publication", "edition", "filename", "imported_at", "values"]


@task_command("register")
@file_argument
@explained
def register(session: Session, file: Path, explanations: tuple[str, ...], reason: str | None) -> None:
    """Check FILE and take it as the next version of the reform register."""
    given = explanations_of(explanations)
    with findings_told(session):
        receipt = registers.register_reforms(session.store, session.actor, file.name, content_of(file), given, reason)
    session.tell(receipt.to_dict(), receipt.text())


@task_command("spells")
@click.option("--reform", help="Only this reform, such as digital_ehcp.")
def spells(session: Session, reform: str | None) -> None:
    """List who had which reform, from when to when."""
    found = registers.spells(session.store, session.actor)
    if reform is not None:
        found = found[found["reform"] == reform]
    readable = found.assign(region=found["region"].map(region_names()), authority=found["authority"].map(names()))
    readable = readable.astype(object).where(readable.notna(), None)
    readable["end"] = readable["end"].map(lambda day: "goes on" if day is None else day)
    shown = readable.rename(columns=heading)
    session.tell(found, table(shown) if len(found) else "The register has no such spells.")


@task_command("neighbours")
@click.argument("authority", metavar="AUTHORITY")
def neighbours(session: Session, authority: str) -> None:
    """List the neighbours of AUTHORITY, by code or name: the ten most like it in figures, and those that border on it.

    Plans may compare with either: comparison.authorities is statistical_neighbours or not_bordering.
    """
    code = authority_code(authority)
    found = neighbours_table(code)
    lines = [f"{names()[code]} ({code}). Statistical neighbours are the Department’s of May 2025.", "", table(found)]
    session.tell({"authority": code, "neighbours": found.to_dict("records")}, "\n".join(lines))


@task_command("import-ees")
@click.argument("file", type=click.Path(exists=True, path_type=Path))
def import_ees(session: Session, file: Path) -> None:
    """Import FILE, a release of Explore education statistics as published: its ZIP, one of its CSV files, or a folder of these.

    The bytes are kept. What could not be used is told. A second vintage of a release takes nothing away. Of a folder each file is
    taken in by itself, and files that are refused are told with the reason.
    """
    if file.is_dir():
        _import_folder(session, file)
        return
    with refusal_told(session):
        report = _imported(session, file)
    session.tell(report.to_dict(), import_text(report))


@contextmanager
def refusal_told(session: Session) -> Iterator[None]:
    """Where nothing of a file can be taken in, tell what became of its cells before the fault; as JSON, both in one."""
    try:
        yield
    except published.NotReadable as fault:
        if not fault.sections["reconciled"]:
            raise
        if session.as_json:
            click.echo(plain_json({"error": str(fault), **fault.sections}))
            raise click.exceptions.Exit(USER_FAULT) from fault
        click.echo("\n".join([*account_text(tables_of(fault.sections)), ""]))
        raise


def _imported(session: Session, file: Path) -> published.ImportReport:
    with session.progress(f"Reading {file.name}") as tell:
        return published.import_ees(session.store, session.actor, file.name, file.read_bytes(), progress=tell)


def _import_folder(session: Session, folder: Path) -> None:
    """Import each ZIP and CSV of a folder; a CSV that describes another (.meta.csv) is no data."""
    names = [path for path in sorted(folder.iterdir()) if path.name.lower().endswith((".zip", ".csv"))]
    brought: list[published.ImportReport] = []
    refused: list[dict[str, Any]] = []
    for path in names:
        if path.name.lower().endswith(".meta.csv"):
            continue
        try:
            brought.append(_imported(session, path))
        except published.NotReadable as fault:
            refused.append({"file": path.name, "reason": str(fault), **fault.sections})
    if not brought:
        reasons = " ".join(entry["reason"] for entry in refused) or "It has no ZIP and no CSV file."
        raise UserError(f"Nothing of {folder} could be imported. {reasons}")
    lines = [wrapped(report.summary()) for report in brought]
    lines += [wrapped(f"Refused: {entry['reason']}") for entry in refused]
    session.tell({"imported": [report.to_dict() for report in brought], "refused": refused}, "\n\n".join(lines))


@task_command("import-lait")
@file_argument
def import_lait(session: Session, file: Path) -> None:
    """Import FILE, the long table of the Local Authority Interactive Tool, as CSV or Parquet.

    One row is a measure, a year and an authority, with the columns Short Desc, Years, LA Number, LA and Regions and Values. The
    bytes are kept. What could not be used is told. A later file takes nothing away.
    """
    content = file.read_bytes()
    with refusal_told(session), session.progress("Reading the table") as tell:
        report = published.import_lait(session.store, session.actor, file.name, content, progress=tell)
    session.tell(report.to_dict(), import_text(report))


def import_text(report: published.ImportReport) -> str:
    """What an import brought, for a terminal: the first rows of each table, and how many more there are."""
    lines = [wrapped(report.summary()), f"SHA-256 {report.sha256}"]
    for title, frame in report.tables().items():
        lines += ["", f"{title} ({len(frame):,})", table(frame.head(SHOWN_ROWS))]
        if len(frame) > SHOWN_ROWS:
            lines.append(f"… and {len(frame) - SHOWN_ROWS:,} more (see --json)")
    return "\n".join(lines)


@task_command("vintages")
def vintages(session: Session) -> None:
    """List the published data that were imported."""
    found = published.vintages(session.store, session.actor)
    listed = pandas.DataFrame(found, columns=VINTAGE_COLUMNS)
    listed["imported_at"] = listed["imported_at"].map(moment)
    shown = listed.rename(columns=heading)
    session.tell(found, table(shown) if found else "No published data have been imported.")
