"""Corrections that were accepted with a file: what they were, and the table as corrected. The file itself stays as it came."""

from typing import Any

from data_contracts.corrected_copy import corrected_workbook
from data_contracts.corrections import Correction
from pilots.access import Actor
from pilots.explanations import checked
from pilots.storage import Store
from pilots.storage.blobs import kept_bytes
from pilots.storage.corrections import stored_corrections


def _stored(store: Store, actor: Actor, reference: str) -> tuple[str, dict[str, Any] | None]:
    """Name of the file, and what was accepted with it."""
    number, row = checked(store, actor, reference)
    with store.read() as connection:
        return row["filename"], stored_corrections(connection, number)


def corrections_of(store: Store, actor: Actor, reference: str) -> list[dict[str, Any]]:
    """The corrections that were accepted with a submission or a check.

    Args:
        store: where.
        actor: who wants to read.
        reference: of a submission, or of a check (`CHECK-…`).

    Returns:
        One mapping a correction: rule, row, cell, column, before, after, certain, key.

    Raises:
        NotAllowed: the actor may not read it.
        UserError: there is no such submission or check.
    """
    _, found = _stored(store, actor, reference)
    return [] if found is None else list(found["made"])


def corrected_file(store: Store, actor: Actor, reference: str, as_workbook: bool = False) -> tuple[str, bytes] | None:
    """Name and bytes of the table of a submission or a check as corrected; None where no correction was accepted.

    Reading it submits nothing.

    Args:
        store: where.
        actor: who wants to read.
        reference: of a submission, or of a check (`CHECK-…`).
        as_workbook: as XLSX that also lists every correction, in place of the very CSV whose digest the receipt has.

    Raises:
        NotAllowed: the actor may not read it.
        UserError: there is no such submission or check.
    """
    filename, found = _stored(store, actor, reference)
    if found is None:
        return None
    with store.read() as connection:
        content = kept_bytes(connection, found["sha256"])
    if content is None:
        raise RuntimeError(f"the corrected table of {reference} is not in the store")
    if as_workbook:
        made = [Correction.from_dict(one) for one in found["made"]]
        return corrected_name(filename, True), corrected_workbook(content.decode(), made)
    return corrected_name(filename, False), content


def corrected_name(filename: str, as_workbook: bool) -> str:
    """A name for the corrected table of a file."""
    return f"{filename.rpartition('.')[0] or filename}-corrected.{'xlsx' if as_workbook else 'csv'}"
