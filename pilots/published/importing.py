"""The import of a release: files read, bytes and figures stored as one vintage, with a report of what could not be used."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pandas as pd
import polars as pl

from data_contracts.reading import safe_name
from pilots.access import Actor, check_actor_can
from pilots.catalogue import Aliases
from pilots.published.edition import alias_of, edition_of, publication_of, tell_absent_files
from pilots.published.figures import figures, spanned, tell_gaps
from pilots.published.files import DESCRIBES, NotReadable, Upload, check_size, open_upload
from pilots.published.mapping import CODES, LONG, STANDARD, latest_edition, map_rows
from pilots.published.outcomes import feeds, tell_breaks
from pilots.published.reconciled import Account, tell_account, unused_account
from pilots.published.remarks import Remarks
from pilots.published.report import ImportReport
from pilots.published.restatement import resolved, tell_changes
from pilots.published.rows import ROW, Rows, Unusable, header_of, loose_cells, read_rows, text_cells
from pilots.storage import Store
from pilots.storage import published as stored
from pilots.storage.blobs import keep_again, keep_bytes

Progress = Callable[[float, str], None]
ACTION = "import_published"


def import_ees(store: Store, actor: Actor, filename: str, content: bytes, progress: Progress | None = None) -> ImportReport:
    """Take in a release of Explore education statistics as it was published: its zip, or one of its CSV files.

    Nothing of a file that is refused is kept but its name, size and digest: whoever took a file of pupils by mistake left none
    of it. Nothing that is stored is ever overwritten: other bytes of the same release make a further vintage, and what changed
    is told.

    Args:
        store: where to.
        actor: who imports.
        filename: the name it came with.
        content: its bytes.
        progress: is told the share done (0 to 1) and what is being done.

    Returns:
        The report; where these very bytes are there already, that of their vintage, with `repeated` set.

    Raises:
        NotAllowed: the actor may not import published series.
        NotReadable: it cannot be taken in; the message says why and what to do.
    """
    came = receive(store, actor, filename, content, progress)
    if isinstance(came, ImportReport):
        return came
    remarks = Remarks()
    publication, edition, values = read_release(came.name, content, remarks, came.tell)
    return store_figures(came, publication, edition, values, remarks)


@dataclass(frozen=True)
class Received:
    """A file that came: where to, from whom, its safe name, its bytes, their SHA-256, and who is told of progress."""

    store: Store
    actor: Actor
    name: str
    content: bytes
    digest: str
    tell: Progress


def receive(store: Store, actor: Actor, filename: str, content: bytes, progress: Progress | None) -> Received | ImportReport:
    """Note that a file came, before anything looks into it; its bytes are kept with its figures.

    Args:
        store: where to.
        actor: who imports.
        filename: the name it came with.
        content: its bytes.
        progress: is told the share done (0 to 1) and what is being done.

    Returns:
        What was received; or, where these very bytes are a vintage already, its report with `repeated` set.

    Raises:
        NotAllowed: the actor may not import published series.
        NotReadable: the file is too large.
    """
    check_actor_can(actor, ACTION)
    tell = progress or (lambda share, words: None)
    name = safe_name(filename)
    check_size(name, content)
    digest = sha256(content).hexdigest()
    with store.read() as connection:
        known = stored.vintage_with_bytes(connection, digest)
    if known is not None:
        tell(1.0, "This file was imported before")
        return ImportReport.from_vintage(known, repeated=True)
    tell(0.02, "Taking the file")
    detail = {"step": "received", "filename": name, "size": len(content), "sha256": digest}
    with store.write(actor, ACTION, name, detail):
        pass
    return Received(store, actor, name, content, digest, tell)


def read_release(name: str, content: bytes, remarks: Remarks, tell: Progress) -> tuple[Aliases, str, pd.DataFrame]:
    """The publication, the edition and the figures of an upload; nothing is stored.

    Args:
        name: of the file.
        content: its bytes.
        remarks: gets what could not be used, and the account of every cell, also where nothing is used.
        tell: is told the share done and what is being done.

    Raises:
        NotReadable: it gives no figure, or cannot be read.
    """
    tell(0.05, f"Opening {name}")
    upload = open_upload(name, content)
    publication = publication_of(name, upload)
    tell_absent_files(upload)
    rows = _rows(upload, publication, remarks, tell)
    edition = edition_of(name, upload, _latest(rows, publication)).year if rows else ""
    cells, codes, accounts = _cells(rows, publication, edition, remarks, tell)
    for ignored, reason in upload.ignored:
        _tell_file(remarks, ignored, reason)
    together = (
        pl.concat(cells)
        if cells
        else pl.DataFrame(schema=dict.fromkeys(LONG, pl.String) | {ROW: pl.Int64, "refused": pl.Boolean})
    )
    values = figures(together, remarks) if cells else pd.DataFrame(columns=["file", "column", "row"])
    if codes:
        tell_codes(codes, remarks)
    unused = _unused(upload, {account.file for account in accounts})
    for account in [*accounts, *unused]:
        tell_account(account, together, values, remarks)
    rows_of = {account.file: len(account.kinds) for account in unused}
    for entry in remarks.sections["files"]:
        entry["rows"] = rows_of.get(entry["file"], entry["rows"])
    if not cells:
        raise NotReadable(_nothing(name, publication, remarks), remarks.sections)
    counts = values["file"].value_counts()
    for entry in remarks.sections["files"]:
        entry["values"] = int(counts.get(entry["file"], 0))
    remarks.notes[:0] = upload.notes
    return publication, edition, values


def _unused(upload: Upload, used: set[str]) -> list[Account]:
    """The accounts of the files of which nothing is used; one that is no table at all has no cells to account for."""
    found = []
    for name, text in upload.tables:
        if name not in used:
            try:
                header = header_of(text)
                found.append(unused_account(name, header, text_cells(text, len(header)), STANDARD))
            except Unusable:
                continue  # the file's own row says what is wrong with it
    return [*found, *(_supporting(name, text) for name, text in upload.supporting)]


def _supporting(name: str, text: str) -> Account:
    """The account of a supporting file: of a table as of a file that is not used, else of every cell of every line."""
    try:
        header = header_of(text)
        return unused_account(name, header, text_cells(text, len(header)), STANDARD)
    except Unusable:
        cells = loose_cells(text)
        return unused_account(name, [str(at) for at in range(cells.width - 1)], cells, ())


def _nothing(name: str, publication: Aliases, remarks: Remarks) -> str:
    files = [entry for entry in remarks.sections["files"] if entry["reason"] != DESCRIBES]
    reasons = "; ".join(f"{entry['file']}: {entry['reason']}" for entry in files[:5]).rstrip(".")
    known = {alias.unused for alias in publication.files if alias.unused}
    todo = "" if {entry["reason"] for entry in files} <= known else " Send the release as published."
    return f"{name} gives no figure for a local authority, so nothing was stored. {reasons}.{todo}"


def _rows(upload: Upload, publication: Aliases, remarks: Remarks, tell: Progress) -> list[Rows]:
    """The rows of every file that the publication knows by name; the others are told."""
    found = []
    for at, (name, text) in enumerate(upload.tables):
        tell(0.05 + 0.5 * at / len(upload.tables), f"Reading {name}")
        if not any(alias.matches(name) for alias in publication.files):
            _tell_file(remarks, name, alias_of(publication, name, "")[1])
            continue
        try:
            found.append(read_rows(name, text))
        except Unusable as error:
            known = [alias.unused for alias in publication.files if alias.matches(name) and alias.unused]
            _tell_file(remarks, name, known[0] if known else str(error))
    return found


def _latest(rows: list[Rows], publication: Aliases) -> str:
    """The reporting year of the newest figures of all files, or ""."""
    years = []
    for one in rows:
        named = [alias for alias in publication.files if alias.matches(one.name)]
        years += [latest_edition(one, alias) for alias in named[:1]]
    return max(years, default="")


def _cells(
    rows: list[Rows], publication: Aliases, edition: str, remarks: Remarks, tell: Progress
) -> tuple[list[pl.DataFrame], list[pl.DataFrame], list[Account]]:
    cells, codes, accounts = [], [], []
    for at, one in enumerate(rows):
        tell(0.55 + 0.2 * at / len(rows), f"Looking for figures in {one.name}")
        alias, reason = alias_of(publication, one.name, edition)
        try:
            if alias is None:
                raise Unusable(reason)
            part, found, account = map_rows(one, alias, edition, remarks)
        except Unusable as error:
            _tell_file(remarks, one.name, str(error), one, alias.id if alias else "")
            continue
        _tell_file(remarks, one.name, "", one, alias.id)
        cells.append(part)
        codes.append(found)
        accounts.append(account)
    return cells, codes, accounts


def _tell_file(remarks: Remarks, name: str, reason: str, rows: Rows | None = None, read_as: str = "") -> None:
    counts = {"rows": rows.total if rows else 0, "authority_rows": len(rows.authorities) if rows else 0}
    remarks.add("files", file=name, read_as=read_as, values=0, reason=reason, **counts)


def tell_codes(codes: list[pl.DataFrame], remarks: Remarks) -> None:
    """One remark a code and kind, over all files and periods.

    Args:
        codes: the codes that are not today's, in the columns `CODES`, one frame a file.
        remarks: gets them.
    """
    table = pl.concat(codes).sort(pl.col("finding").not_(), "code", "kind", "period")
    for (code, kind), part in table.group_by("code", "kind", maintain_order=True):
        first = dict(zip(CODES, part.row(0), strict=True))
        remarks.add(
            "codes",
            code=code,
            name=first["name"],
            kind=kind,
            finding=bool(part["finding"].any()),
            authority=first["authority"],
            periods=spanned(part["period"].unique().to_list()),
            files=", ".join(part["file"].unique().sort()),
            message=first["message"],
        )


def store_figures(came: Received, publication: Aliases, edition: str, values: pd.DataFrame, remarks: Remarks) -> ImportReport:
    """Store bytes, vintage, figures, report and audit event in one transaction; the database takes several one after another.

    Args:
        came: the file.
        publication: whose figures they are.
        edition: of the publication.
        values: one row a figure, as `pilots.published.figures.figures` gives them.
        remarks: what could not be used; gets gaps, breaks and what changed.

    Raises:
        NotReadable: someone else imported another file in the very same moment.
    """
    tell, name = came.tell, came.name
    tell(0.78, "Counting what is there and what is missing")
    fed = feeds(publication.publication, values, remarks)
    tell_breaks(fed, remarks)
    tell_gaps(values, remarks)
    facts = {"publication": publication.publication, "edition": edition, "filename": name, "sha256": came.digest}
    detail: dict[str, Any] = {"step": "imported", **facts, "values": len(values)}
    tell(0.85, f"Storing {len(values):,} figures")
    try:
        with came.store.write(came.actor, ACTION, f"{publication.publication} {edition}", detail) as connection:
            restates = _compare(connection, publication.publication, edition, values, remarks)
            kept = {
                "values": len(values),
                "outcomes": fed,
                "sections": remarks.sections,
                "restates": restates,
                "notes": remarks.notes,
            }
            keep_bytes(connection, came.content)
            keep_again(connection, came.content)  # where they came as a return before, were refused and removed
            by = {"alias_version": publication.version, "received_by": came.actor.subject}
            reference = stored.add_vintage(connection, values=values, prefix=publication.reference, report=kept, **by, **facts)
            detail["reference"] = reference
            detail["restates"] = restates
            row = stored.stored_vintage(connection, reference)
    except stored.VintageTaken as error:
        return _someone_was_first(came.store, name, came.digest, error)
    if row is None:
        raise RuntimeError(f"{reference} was stored but cannot be read back")
    tell(1.0, "Done")
    return ImportReport.from_vintage(row)


def _compare(connection: Any, publication: str, edition: str, values: pd.DataFrame, remarks: Remarks) -> list[str]:
    """Tell what changed against the earlier vintages of the same edition that have a figure in common; their references."""
    earlier = [row["reference"] for row in stored.vintages(connection, publication) if row["edition"] == edition]
    measures = sorted(set(values["measure"]))
    before = resolved(stored.vintage_values(connection, earlier, measures)) if earlier else pd.DataFrame()
    if before.empty:
        return []
    if not tell_changes(before, values, remarks):
        remarks.notes.append("The file is another than before, but every figure that both have is the same.")
    return sorted(before["reference"].unique())


def _someone_was_first(store: Store, name: str, digest: str, error: Exception) -> ImportReport:
    with store.read() as connection:
        first = stored.vintage_with_bytes(connection, digest)
    if first is None:
        raise NotReadable(f"While {name} was being read, someone else imported another release. Import {name} again.") from error
    return ImportReport.from_vintage(first, repeated=True)
