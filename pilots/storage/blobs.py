"""Original bytes under their content hash. They are kept before anything looks into them, and never changed."""

import hashlib

from sqlalchemy import Column, Connection, Integer, LargeBinary, String, Table, insert, select
from sqlalchemy.exc import IntegrityError

from pilots.storage.base import METADATA, Moment, now

BLOBS = Table(
    "blobs",
    METADATA,
    Column("sha256", String(64), primary_key=True),
    Column("size", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("kept_at", Moment, nullable=False),
)


def keep_bytes(connection: Connection, content: bytes) -> str:
    """Keep bytes and give back their SHA-256; bytes that are there already are kept once."""
    sha256 = hashlib.sha256(content).hexdigest()
    if has_bytes(connection, sha256):
        return sha256
    try:
        with connection.begin_nested():
            connection.execute(insert(BLOBS).values(sha256=sha256, size=len(content), content=content, kept_at=now()))
    except IntegrityError:
        # Someone else kept the same bytes in this very moment: one copy is enough.
        if not has_bytes(connection, sha256):
            raise
    return sha256


def has_bytes(connection: Connection, sha256: str) -> bool:
    """Whether bytes with this SHA-256 are kept."""
    return connection.execute(select(BLOBS.c.size).where(BLOBS.c.sha256 == sha256)).first() is not None


def kept_bytes(connection: Connection, sha256: str) -> bytes | None:
    """The bytes with this SHA-256, or None."""
    found = connection.execute(select(BLOBS.c.content).where(BLOBS.c.sha256 == sha256)).scalar()
    return None if found is None else bytes(found)


def bytes_digest(connection: Connection, sha256: str) -> str | None:
    """The SHA-256 of the bytes as they are stored now; None where they are gone. Where it is another, somebody changed them."""
    content = kept_bytes(connection, sha256)
    return None if content is None else hashlib.sha256(content).hexdigest()
