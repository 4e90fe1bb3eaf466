"""Corrections that were accepted with a return: what they were, and the table as corrected. The file itself stays as it came."""

from typing import Any

from pilots.access import Actor
from pilots.decisions import reached
from pilots.storage import Store
from pilots.storage.blobs import kept_bytes
from pilots.storage.corrections import stored_corrections


def _stored(store: Store, actor: Actor, reference: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    row = reached(store, actor, "read_returns", reference)
    with store.read() as connection:
        return row, stored_corrections(connection, row["check_id"])


def corrections_of(store: Store, actor: Actor, reference: str) -> list[dict[str, Any]]:
    """The corrections that were accepted with a submission.

    Returns:
        One mapping a correction: rule, row, cell, column, before, after, certain, key.

    Raises:
        NotAllowed: the actor may not read it.
        UserError: there is no such submission.
    """
    _, found = _stored(store, actor, reference)
    return [] if found is None else list(found["made"])


def corrected_file(store: Store, actor: Actor, reference: str) -> tuple[str, bytes] | None:
    """Name and bytes of a submission's table as corrected, as CSV; None where no correction was accepted.

    Raises:
        NotAllowed: the actor may not read it.
        UserError: there is no such submission.
    """
    row, found = _stored(store, actor, reference)
    if found is None:
        return None
    with store.read() as connection:
        content = kept_bytes(connection, found["sha256"])
    if content is None:
        raise RuntimeError(f"the corrected table of {reference} is not in the store")
    return f"{row['filename'].rpartition('.')[0] or row['filename']}-corrected.csv", content
