"""The audit log: who did what to what, and when. An event is stored in the transaction of the change it tells of."""

from typing import Any

from sqlalchemy import JSON, Column, Connection, Index, Integer, String, Table, insert, select

from pilots.access import Actor
from pilots.storage.base import METADATA, Moment, now

AUDIT = Table(
    "audit_events",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("issuer", String(300), nullable=False),
    Column("role", String(20), nullable=False),
    Column("action", String(60), nullable=False),
    Column("subject", String(300), nullable=False),
    Column("detail", JSON, nullable=False),
    Index(None, "action", "subject"),
)


def add_event(connection: Connection, actor: Actor, action: str, subject: str, detail: dict[str, Any]) -> None:
    """Store one event. `Store.write` calls this; nothing else needs to."""
    who = {"actor": actor.subject, "issuer": actor.issuer, "role": actor.role}
    connection.execute(insert(AUDIT).values(at=now(), **who, action=action, subject=subject, detail=detail))


def events(
    connection: Connection, *, action: str | None = None, subject: str | None = None, limit: int | None = None
) -> list[dict[str, Any]]:
    """Events, newest first: id, at, actor, issuer, role, action, subject, detail."""
    query = select(AUDIT).order_by(AUDIT.c.id.desc())
    if action is not None:
        query = query.where(AUDIT.c.action == action)
    if subject is not None:
        query = query.where(AUDIT.c.subject == subject)
    if limit is not None:
        query = query.limit(limit)
    return [dict(row) for row in connection.execute(query).mappings()]
