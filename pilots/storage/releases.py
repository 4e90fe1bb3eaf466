"""Releases: frozen sets of submissions and published vintages, under a digest. Written once and never changed."""

from typing import Any

from sqlalchemy import JSON, Column, Connection, ForeignKey, Integer, String, Table, func, insert, select

from pilots.storage.base import METADATA, Moment, now

RELEASES = Table(
    "releases",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("reference", String(40), nullable=False, unique=True),
    Column("name", String(120), nullable=False, unique=True),
    Column("digest", String(64), nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("made_by", String(200), nullable=False),
    Column("submissions", JSON, nullable=False),
    Column("vintages", JSON, nullable=False),
)

RELEASE_SUBMISSIONS = Table(
    "release_submissions",
    METADATA,
    Column("release_id", Integer, ForeignKey("releases.id"), primary_key=True),
    Column("submission_id", Integer, ForeignKey("submissions.id"), primary_key=True),
)

RELEASE_VINTAGES = Table(
    "release_vintages",
    METADATA,
    Column("release_id", Integer, ForeignKey("releases.id"), primary_key=True),
    Column("vintage_id", Integer, ForeignKey("published_vintages.id"), primary_key=True),
)


def add_release(connection: Connection, *, submission_ids: list[int], vintage_ids: list[int], **facts: Any) -> str:
    """Store a release and what belongs to it.

    Args:
        connection: inside a writing transaction.
        submission_ids: numbers of its submissions.
        vintage_ids: numbers of its published vintages.
        **facts: name, digest, made_by, submissions and vintages (their descriptions as plain JSON).

    Returns:
        Its reference, for example `R0001`.
    """
    number = int(connection.execute(select(func.coalesce(func.max(RELEASES.c.id), 0))).scalar_one()) + 1
    reference = f"R{number:04d}"
    connection.execute(insert(RELEASES).values(id=number, reference=reference, made_at=now(), **facts))
    if submission_ids:
        connection.execute(insert(RELEASE_SUBMISSIONS), [{"release_id": number, "submission_id": one} for one in submission_ids])
    if vintage_ids:
        connection.execute(insert(RELEASE_VINTAGES), [{"release_id": number, "vintage_id": one} for one in vintage_ids])
    return reference


def stored_releases(connection: Connection) -> list[dict[str, Any]]:
    """All releases, newest first."""
    return [dict(row) for row in connection.execute(select(RELEASES).order_by(RELEASES.c.id.desc())).mappings()]


def stored_release(connection: Connection, reference_or_name: str) -> dict[str, Any] | None:
    """The release with this reference, or else with this name, or None."""
    for column in (RELEASES.c.reference, RELEASES.c.name):
        row = connection.execute(select(RELEASES).where(column == reference_or_name)).mappings().first()
        if row is not None:
            return dict(row)
    return None


def release_before(connection: Connection, number: int) -> dict[str, Any] | None:
    """The release made before another, or None."""
    query = select(RELEASES).where(RELEASES.c.id < number).order_by(RELEASES.c.id.desc()).limit(1)
    row = connection.execute(query).mappings().first()
    return None if row is None else dict(row)
