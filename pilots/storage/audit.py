"""The audit log: who did what to what, and when. An event is stored in the transaction of the change it tells of.

Each event carries the digest of the one before, so that an event cannot be changed, put in or taken out without a trace.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, Connection, Index, Integer, String, Table, func, insert, select

from pilots.access import Actor
from pilots.storage.base import METADATA, Moment, canonical_json, now, stored_json

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
    Column("previous", String(64), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Index(None, "action", "subject"),
)

_FIRST = "0" * 64  # what the first event has for the digest of the one before


def add_event(connection: Connection, actor: Actor, action: str, subject: str, detail: dict[str, Any]) -> None:
    """Store one event. `Store.write` calls this, under the lock of the one writer; nothing else needs to."""
    event = {
        "at": now(),
        "actor": actor.subject,
        "issuer": actor.issuer,
        "role": actor.role,
        "action": action,
        "subject": subject,
        "detail": json.loads(stored_json(detail)),
        "previous": connection.execute(select(AUDIT.c.digest).order_by(AUDIT.c.id.desc()).limit(1)).scalar() or _FIRST,
    }
    connection.execute(insert(AUDIT).values(**event, digest=_digest(event)))


def _digest(event: Mapping[str, Any]) -> str:
    parts = [event["previous"], event["at"].isoformat()]
    parts += [event[name] for name in ("actor", "issuer", "role", "action", "subject", "detail")]
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()


def verify(connection: Connection) -> list[str]:
    """Go through the log from the first event on.

    Returns:
        One sentence for each event that is not what was stored or does not follow the one before; empty where the log is whole.
        Events taken off the end leave no trace in the log itself: `pilots.storage.told` misses those of what is still stored, and
        the number and digest of the last event, kept elsewhere (`last_event`), show the rest.
    """
    found, previous = [], _FIRST
    for event in connection.execute(select(AUDIT).order_by(AUDIT.c.id)).mappings():
        if event["previous"] != previous:
            found.append(f"Event {event['id']} does not follow the one before it: an event was taken out, put in or moved.")
        if event["digest"] != _digest(dict(event)):
            found.append(f"Event {event['id']} is not what was stored.")
        previous = event["digest"]
    return found


def began_at(connection: Connection) -> datetime | None:
    """When the first event was stored, which is when the store came into use; None in a new store."""
    return connection.execute(select(AUDIT.c.at).order_by(AUDIT.c.id).limit(1)).scalar()


def last_event(connection: Connection) -> dict[str, Any]:
    """Number and digest of the last event, and how many there are. Kept elsewhere, they show events taken off the end."""
    last = connection.execute(select(AUDIT.c.id, AUDIT.c.digest).order_by(AUDIT.c.id.desc()).limit(1)).first()
    count = connection.execute(select(func.count()).select_from(AUDIT)).scalar_one()
    return {"events": int(count), "last": 0 if last is None else int(last.id), "digest": _FIRST if last is None else last.digest}


def digest_of(connection: Connection, number: int) -> str | None:
    """The digest of an event; None where there is none of that number. Before the first event it is a row of zeros."""
    if number == 0:
        return _FIRST
    return connection.execute(select(AUDIT.c.digest).where(AUDIT.c.id == number)).scalar()


def events(
    connection: Connection,
    *,
    action: str | None = None,
    subject: str | None = None,
    actor: str | None = None,
    limit: int | None = None,
) -> list[dict[str, Any]]:
    """Events, newest first: id, at, actor, issuer, role, action, subject, detail, previous, digest."""
    query = select(AUDIT).order_by(AUDIT.c.id.desc())
    if action is not None:
        query = query.where(AUDIT.c.action == action)
    if subject is not None:
        query = query.where(AUDIT.c.subject == subject)
    if actor is not None:
        query = query.where(AUDIT.c.actor == actor)
    if limit is not None:
        query = query.limit(limit)
    return [dict(row) for row in connection.execute(query).mappings()]
