"""Original bytes under their content hash. Those of a return are kept before anything looks into them; none is ever changed.

The one exception: what turns out to hold identifiers of persons is removed. Digest, size and the moment of its coming stay.
"""

import hashlib

from sqlalchemy import Column, Connection, Integer, LargeBinary, String, Table, insert, literal, not_, or_, select, update
from sqlalchemy.exc import IntegrityError

from pilots.errors import UserError
from pilots.storage.base import METADATA, Moment, now
from pilots.storage.checks import CHECKS
from pilots.storage.corrections import CORRECTIONS
from pilots.storage.published import VINTAGES
from pilots.storage.submissions import SUBMISSIONS

BLOBS = Table(
    "blobs",
    METADATA,
    Column("sha256", String(64), primary_key=True),
    Column("size", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("kept_at", Moment, nullable=False),
    Column("removed_at", Moment),  # when the content was removed, since it held identifiers of persons
)


class NotKept(UserError):
    """Bytes that were removed, since they held identifiers of persons."""


def keep_bytes(connection: Connection, content: bytes) -> str:
    """Keep bytes and give back their SHA-256; bytes that are there already are kept once, and those removed stay removed."""
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


def is_rested_on(connection: Connection, sha256: str) -> bool:
    """Whether a submission, a corrected table or a published vintage is these very bytes."""
    columns = (SUBMISSIONS.c.sha256, CORRECTIONS.c.sha256, VINTAGES.c.sha256)
    query = select(literal(1)).where(or_(*(select(column).where(column == sha256).exists() for column in columns)))
    return connection.execute(query).first() is not None


def remove_bytes(connection: Connection, sha256: str) -> None:
    """Remove the content of a refused file. The database refuses while anything rests on it, or a check does not say why."""
    there = (BLOBS.c.sha256 == sha256) & BLOBS.c.removed_at.is_(None)
    connection.execute(update(BLOBS).where(there).values(content=b"", removed_at=now()))


def keep_again(connection: Connection, content: bytes) -> None:
    """Keep bytes that were removed once, now that a check found no identifiers in them."""
    gone = (BLOBS.c.sha256 == hashlib.sha256(content).hexdigest()) & BLOBS.c.removed_at.is_not(None)
    connection.execute(update(BLOBS).where(gone).values(content=content, removed_at=None))


def has_bytes(connection: Connection, sha256: str) -> bool:
    """Whether bytes with this SHA-256 are kept."""
    return connection.execute(select(BLOBS.c.size).where(BLOBS.c.sha256 == sha256)).first() is not None


def kept_bytes(connection: Connection, sha256: str) -> bytes | None:
    """The bytes with this SHA-256, or None.

    Raises:
        NotKept: they were removed.
    """
    found = connection.execute(select(BLOBS.c.content, BLOBS.c.removed_at).where(BLOBS.c.sha256 == sha256)).first()
    if found is not None and found.removed_at is not None:
        raise NotKept(
            f"The file with SHA-256 {sha256} was not kept: it held identifiers of persons. "
            "What was found in it is kept. Send the file again without them."
        )
    return None if found is None else bytes(found.content)


def unused_bytes(connection: Connection) -> list[str]:
    """Digests of files that nothing refers to: until version 0007 of the tables a refused import left its file behind."""
    columns = (CHECKS.c.sha256, SUBMISSIONS.c.sha256, CORRECTIONS.c.sha256, VINTAGES.c.sha256)
    used = or_(*(select(column).where(column == BLOBS.c.sha256).exists() for column in columns))
    query = select(BLOBS.c.sha256).where(BLOBS.c.removed_at.is_(None), BLOBS.c.size > 0, not_(used)).order_by(BLOBS.c.kept_at)
    return list(connection.execute(query).scalars())


def removed_bytes(connection: Connection) -> list[str]:
    """Digests of all files whose content was removed."""
    return list(connection.execute(select(BLOBS.c.sha256).where(BLOBS.c.removed_at.is_not(None))).scalars())


def bytes_digest(connection: Connection, sha256: str) -> str | None:
    """The SHA-256 of the bytes as they are stored now; None where they are gone. Where it is another, somebody changed them."""
    content = connection.execute(select(BLOBS.c.content).where(BLOBS.c.sha256 == sha256)).scalar()
    return None if content is None else hashlib.sha256(bytes(content)).hexdigest()
