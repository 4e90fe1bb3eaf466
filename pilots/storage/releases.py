"""Releases: frozen sets of submissions and published vintages, under a digest. Written once and never changed."""

from typing import Any

from sqlalchemy import JSON, Column, Connection, ForeignKey, Integer, String, Table, func, insert, select

from pilots.storage.base import METADATA, Moment, now
from pilots.storage.published import VINTAGES
from pilots.storage.submissions import ROWS, STEPS, SUBMISSIONS

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


def released_submissions(connection: Connection, reference: str) -> list[dict[str, Any]]:
    """The submissions of a release as they are stored."""
    query = (
        select(SUBMISSIONS)
        .select_from(RELEASES)
        .join(RELEASE_SUBMISSIONS)
        .join(SUBMISSIONS)
        .where(RELEASES.c.reference == reference)
    )
    return [dict(row) for row in connection.execute(query.order_by(SUBMISSIONS.c.id)).mappings()]


def released_rows(connection: Connection, reference: str, collection: str | None = None) -> list[dict[str, Any]]:
    """The typed rows of a release, or those of one collection, by region, period and row.

    Args:
        connection: a reading connection.
        reference: of the release.
        collection: only this one; None for all.

    Returns:
        One mapping a row: submission_id, region, period, contract_version, row (number in the file), data.
    """
    about = (SUBMISSIONS.c.region, SUBMISSIONS.c.period)
    query = (
        select(ROWS.c.submission_id, *about, SUBMISSIONS.c.contract_version, ROWS.c.row, ROWS.c.data)
        .select_from(RELEASES)
        .join(RELEASE_SUBMISSIONS)
        .join(SUBMISSIONS)
        .join(ROWS)
        .where(RELEASES.c.reference == reference)
        .order_by(*about, ROWS.c.submission_id, ROWS.c.row)
    )
    if collection is not None:
        query = query.where(SUBMISSIONS.c.collection == collection)
    found = connection.execute(query)
    names = tuple(found.keys())  # asked of each of so many rows it would take as long as reading them
    return [dict(zip(names, row, strict=True)) for row in found]


def released_vintages(connection: Connection, reference: str) -> list[dict[str, Any]]:
    """The published vintages of a release as they are stored, in the order in which they came."""
    query = select(VINTAGES).select_from(RELEASES).join(RELEASE_VINTAGES).join(VINTAGES).where(RELEASES.c.reference == reference)
    return [dict(row) for row in connection.execute(query.order_by(VINTAGES.c.id)).mappings()]


def released_and_gone(connection: Connection) -> list[dict[str, Any]]:
    """Submissions that some release holds and that do not count any more: release, reference, collection, state, at, reason."""
    newest = (
        select(func.max(STEPS.c.step)).where(STEPS.c.submission_id == SUBMISSIONS.c.id).correlate(SUBMISSIONS).scalar_subquery()
    )
    last = STEPS.alias("last")
    query = (
        select(
            RELEASES.c.reference.label("release"),
            SUBMISSIONS.c.reference,
            SUBMISSIONS.c.collection,
            last.c.state,
            last.c.at,
            last.c.reason,
        )
        .select_from(RELEASES)
        .join(RELEASE_SUBMISSIONS)
        .join(SUBMISSIONS)
        .join(last, (last.c.submission_id == SUBMISSIONS.c.id) & (last.c.step == newest))
        .where(last.c.state != "accepted")
        .order_by(RELEASES.c.id, SUBMISSIONS.c.id)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def releases_with(connection: Connection, submission: int) -> set[str]:
    """References of the releases that hold a submission."""
    query = (
        select(RELEASES.c.reference)
        .select_from(RELEASES)
        .join(RELEASE_SUBMISSIONS)
        .where(RELEASE_SUBMISSIONS.c.submission_id == submission)
    )
    return set(connection.execute(query).scalars())
