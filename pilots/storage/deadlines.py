"""More time for a return: what was asked for, and what was decided. Both are written once; a request is decided once."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Boolean, Column, Connection, ForeignKey, Index, Integer, String, Table, Text, func, insert, select
from sqlalchemy.exc import IntegrityError

from pilots.storage.base import METADATA, Moment, now

REQUESTS = Table(
    "extension_requests",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("collection", String(80), nullable=False),
    Column("region", String(9), nullable=False),
    Column("period", String(20), nullable=False),
    Column("until", String(10), nullable=False),
    Column("reason", Text, nullable=False),
    Column("asked_at", Moment, nullable=False),
    Column("asked_by", String(200), nullable=False),
    Index(None, "collection", "region", "period"),
)

DECISIONS = Table(
    "extension_decisions",
    METADATA,
    Column("request_id", Integer, ForeignKey("extension_requests.id"), primary_key=True),
    Column("granted", Boolean, nullable=False),
    Column("note", Text),
    Column("decided_at", Moment, nullable=False),
    Column("decided_by", String(200), nullable=False),
)


class DecisionTaken(Exception):
    """A request for more time was decided already: the database decided for the first."""


def add_request(connection: Connection, *, asked_by: str, **facts: str) -> int:
    """Keep a request: collection, region, period, until (ISO day) and reason. Gives its number."""
    made = connection.execute(insert(REQUESTS).values(asked_at=now(), asked_by=asked_by, **facts))
    (number,) = made.inserted_primary_key or (None,)
    return int(number)  # type: ignore[arg-type]


def add_decision(connection: Connection, number: int, granted: bool, by: str, note: str | None) -> None:
    """Decide on a request.

    Raises:
        DecisionTaken: it was decided already.
    """
    values = {"request_id": number, "granted": granted, "note": note, "decided_at": now(), "decided_by": by}
    try:
        with connection.begin_nested():
            connection.execute(insert(DECISIONS).values(**values))
    except IntegrityError as error:
        raise DecisionTaken(number) from error


def stored_requests(
    connection: Connection, regions: Sequence[str] | None = None, number: int | None = None
) -> list[dict[str, Any]]:
    """Requests with what was decided (None while nothing is), newest first, of these regions (None: all)."""
    decided = [column for column in DECISIONS.c if column.name != "request_id"]
    query = select(REQUESTS, *decided).select_from(REQUESTS.outerjoin(DECISIONS)).order_by(REQUESTS.c.id.desc())
    if regions is not None:
        query = query.where(REQUESTS.c.region.in_(list(regions)))
    if number is not None:
        query = query.where(REQUESTS.c.id == number)
    return [dict(row) for row in connection.execute(query).mappings()]


def granted_until(connection: Connection, collection: str, region: str, period: str) -> str | None:
    """The latest day (ISO text) to which a return's deadline was moved; None where it was not."""
    same = (REQUESTS.c.collection == collection, REQUESTS.c.region == region, REQUESTS.c.period == period)
    query = select(func.max(REQUESTS.c.until)).join(DECISIONS).where(*same, DECISIONS.c.granted)
    return connection.execute(query).scalar()
