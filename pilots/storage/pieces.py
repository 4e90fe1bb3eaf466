"""Finished pieces of evaluations whose run is not stored yet, so that one which was interrupted goes on from there."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Column, Connection, String, Table, Text, delete, insert, or_, select

from pilots.storage.base import METADATA, Moment

PIECES = Table(
    "pieces",
    METADATA,
    Column("key", String(64), primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("document", Text, nullable=False),
)


def kept_pieces(connection: Connection, keys: Collection[str]) -> dict[str, tuple[str, str]]:
    """SHA-256 and text of the documents that are kept, by key."""
    rows = connection.execute(select(PIECES).where(PIECES.c.key.in_(keys))).mappings()
    return {row["key"]: (row["sha256"], row["document"]) for row in rows}


def keep_piece(connection: Connection, *, key: str, sha256: str, document: str, at: datetime) -> None:
    """Keep a document under a key; one that is there already is replaced."""
    connection.execute(delete(PIECES).where(PIECES.c.key == key))
    connection.execute(insert(PIECES).values(key=key, sha256=sha256, made_at=at, document=document))


def forget_pieces(connection: Connection, keys: Collection[str], before: datetime) -> None:
    """Remove the pieces of these keys, and all that nobody came back for since a moment."""
    connection.execute(delete(PIECES).where(or_(PIECES.c.key.in_(keys), PIECES.c.made_at < before)))
