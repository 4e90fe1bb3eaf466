"""Corrections that the sender of a file accepted: kept with the check, beside the bytes as they came. Written once."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import JSON, Column, Connection, ForeignKey, Integer, String, Table, insert, select

from pilots.storage.base import METADATA

CORRECTIONS = Table(
    "corrections",
    METADATA,
    Column("check_id", Integer, ForeignKey("checks.id"), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("made", JSON, nullable=False),
    Column("sha256", String(64), ForeignKey("blobs.sha256"), nullable=False),  # of the corrected table as CSV
)


def add_corrections(connection: Connection, number: int, made: Sequence[dict[str, Any]], sha256: str) -> None:
    """Store the corrections that were made for a check, and the digest of the corrected table, whose bytes are kept already."""
    connection.execute(insert(CORRECTIONS).values(check_id=number, count=len(made), made=list(made), sha256=sha256))


def stored_corrections(connection: Connection, number: int) -> dict[str, Any] | None:
    """The corrections of a check (count, made, sha256), or None where none were accepted."""
    found = connection.execute(select(CORRECTIONS).where(CORRECTIONS.c.check_id == number)).mappings().first()
    return None if found is None else dict(found)
