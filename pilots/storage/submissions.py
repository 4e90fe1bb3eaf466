"""Submissions: one uploaded version of a return each. Rows are only ever added; what became of one is told by its events."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    ForeignKey,
    Integer,
    Select,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    bindparam,
    case,
    func,
    insert,
    select,
)
from sqlalchemy.exc import IntegrityError

from pilots.storage.base import METADATA, Moment, now

SIGNED_OFF = "signed_off"

SUBMISSIONS = Table(
    "submissions",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("reference", String(160), nullable=False, unique=True),
    Column("collection", String(80), nullable=False),
    Column("region", String(9), nullable=False),
    Column("period", String(20), nullable=False),
    Column("version", Integer, nullable=False),
    Column("contract_version", String(20), nullable=False),
    Column("check_id", Integer, ForeignKey("checks.id"), nullable=False, unique=True),
    Column("sha256", String(64), ForeignKey("blobs.sha256"), nullable=False),
    Column("filename", String(300), nullable=False),
    Column("row_count", Integer, nullable=False),
    Column("rows_digest", String(64), nullable=False),
    Column("reason", Text),
    Column("explanations", JSON, nullable=False),
    Column("supersedes", String(160)),
    Column("received_at", Moment, nullable=False),
    Column("submitted_at", Moment, nullable=False),
    Column("submitted_by", String(200), nullable=False),
    UniqueConstraint("collection", "region", "period", "version"),
)

ROWS = Table(
    "submission_rows",
    METADATA,
    Column("submission_id", Integer, ForeignKey("submissions.id"), primary_key=True),
    Column("row", Integer, primary_key=True),
    Column("data", JSON, nullable=False),
)

EVENTS = Table(
    "submission_events",
    METADATA,
    Column("submission_id", Integer, ForeignKey("submissions.id"), primary_key=True),
    Column("state", String(40), primary_key=True),
    Column("at", Moment, nullable=False),
    Column("by", String(200), nullable=False),
    Column("reason", Text),
)


class VersionTaken(Exception):
    """Another submission of the same return has this version: the database decided for it."""


def add_submission(connection: Connection, rows: Sequence[tuple[int, dict[str, Any]]], **facts: Any) -> int:
    """Store a submission with its typed rows.

    Args:
        connection: inside a writing transaction.
        rows: row number in the file and its values as plain JSON.
        **facts: the columns of `submissions` but for id, row_count and submitted_at.

    Returns:
        The submission's number.

    Raises:
        VersionTaken: someone else submitted this version first.
    """
    try:
        with connection.begin_nested():
            made = connection.execute(insert(SUBMISSIONS).values(row_count=len(rows), submitted_at=now(), **facts))
    except IntegrityError as error:
        raise VersionTaken(facts["reference"]) from error
    (number,) = made.inserted_primary_key or (None,)
    if rows:
        connection.execute(insert(ROWS), [{"submission_id": number, "row": row, "data": data} for row, data in rows])
    return int(number)  # type: ignore[arg-type]


def add_state(connection: Connection, number: int, state: str, by: str, reason: str | None = None) -> bool:
    """Note that a submission has come to a state. False where it was there already."""
    try:
        with connection.begin_nested():
            connection.execute(insert(EVENTS).values(submission_id=number, state=state, at=now(), by=by, reason=reason))
    except IntegrityError:
        return False
    return True


@cache
def _submissions(*names: str) -> Select[Any]:
    """Submissions with their status: superseded by a later signed one, or, while unsigned, by any later one.

    `names` are the columns asked for equality, `regions` and `status`, each a parameter of the query. Only collection, region and
    period narrow what is compared: versions of one return are compared with each other. Kept, since making it takes longer than
    running it.
    """
    signed = and_(EVENTS.c.submission_id == SUBMISSIONS.c.id, EVENTS.c.state == SIGNED_OFF)
    same_return = [SUBMISSIONS.c.collection, SUBMISSIONS.c.region, SUBMISSIONS.c.period]
    signed_version = case((EVENTS.c.state.is_not(None), SUBMISSIONS.c.version), else_=0)
    narrow = [SUBMISSIONS.c[name] == bindparam(name) for name in names if name in ("collection", "region", "period")]
    if "regions" in names:
        narrow.append(SUBMISSIONS.c.region.in_(bindparam("regions", expanding=True)))
    inner = (
        select(
            SUBMISSIONS,
            EVENTS.c.at.label("signed_off_at"),
            EVENTS.c.by.label("signed_off_by"),
            func.max(SUBMISSIONS.c.version).over(partition_by=same_return).label("latest_version"),
            func.max(signed_version).over(partition_by=same_return).label("latest_signed"),
        )
        .select_from(SUBMISSIONS.outerjoin(EVENTS, signed))
        .where(*narrow)
        .subquery()
    )
    unsigned = inner.c.signed_off_at.is_(None)
    status = case(
        (inner.c.version < inner.c.latest_signed, "superseded"),
        (and_(unsigned, inner.c.version < inner.c.latest_version), "superseded"),
        (unsigned, "submitted"),
        else_=SIGNED_OFF,
    )
    query = select(inner, status.label("status")).order_by(inner.c.id.desc())
    return query.where(status == bindparam("status")) if "status" in names else query


def stored_submissions(connection: Connection, regions: Sequence[str] | None = None, **equal: str | None) -> list[dict[str, Any]]:
    """Submissions with status and sign-off, newest first, of these regions (None: all).

    Args:
        connection: a reading connection.
        regions: codes of regions; None for all.
        **equal: `collection=`, `region=`, `period=`, `status=` narrow further; None does not.
    """
    asked: dict[str, Any] = {name: value for name, value in equal.items() if value is not None}
    if regions is not None:
        asked["regions"] = list(regions)
    return [dict(row) for row in connection.execute(_submissions(*sorted(asked)), asked).mappings()]


def stored_submission(connection: Connection, reference: str) -> dict[str, Any] | None:
    """One submission with its status, or None."""
    key = select(SUBMISSIONS.c.collection, SUBMISSIONS.c.region, SUBMISSIONS.c.period).where(SUBMISSIONS.c.reference == reference)
    place = connection.execute(key).mappings().first()
    if place is None:
        return None
    return next(one for one in stored_submissions(connection, **place) if one["reference"] == reference)


def latest_submission(connection: Connection, collection: str, region: str, period: str) -> dict[str, Any] | None:
    """The newest version of a return, or None where nothing was submitted."""
    found = stored_submissions(connection, collection=collection, region=region, period=period)
    return found[0] if found else None


def stored_rows(connection: Connection, numbers: Sequence[int]) -> dict[int, list[tuple[int, dict[str, Any]]]]:
    """The typed rows of some submissions: by submission number, file row number and values in file order."""
    found: dict[int, list[tuple[int, dict[str, Any]]]] = {number: [] for number in numbers}
    # One query a submission: a list of thousands of numbers is more than SQLite binds at once.
    for number in numbers:
        query = select(ROWS.c.row, ROWS.c.data).where(ROWS.c.submission_id == number).order_by(ROWS.c.row)
        found[number] = [(row, data) for row, data in connection.execute(query)]
    return found
