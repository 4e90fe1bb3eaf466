"""Sessions of people who signed in by an identity provider: when each began, was last used and ended, and why."""

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Index, String, Table, delete, insert, select, update

from pilots.storage.base import METADATA, Moment

SESSIONS = Table(
    "sessions",
    METADATA,
    Column("key", String(64), primary_key=True),
    Column("issuer", String(300), nullable=False),
    Column("subject", String(300), nullable=False),
    Column("began_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
    Column("ended_at", Moment, nullable=True),
    Column("why", String(200), nullable=True),
    Index(None, "issuer", "subject"),
    # A backup does not hold them: whoever was signed in when it was made signs in anew.
    info={"copied": False},
)


def stored_session(connection: Connection, key: str) -> dict[str, Any] | None:
    """A session; None where there is none of that key."""
    row = connection.execute(select(SESSIONS).where(SESSIONS.c.key == key)).mappings().first()
    return None if row is None else dict(row)


def add_session(connection: Connection, *, key: str, issuer: str, subject: str, at: datetime, why: str | None = None) -> None:
    """Begin a session; with a reason, one that is over before it began."""
    ended = None if why is None else at
    values = {"key": key, "issuer": issuer, "subject": subject, "began_at": at, "seen_at": at, "ended_at": ended, "why": why}
    connection.execute(insert(SESSIONS).values(**values))


def see_session(connection: Connection, key: str, at: datetime) -> None:
    """Note that a session was used."""
    connection.execute(update(SESSIONS).where(SESSIONS.c.key == key).values(seen_at=at))


def end_session(connection: Connection, key: str, at: datetime, why: str) -> bool:
    """End a session; False where it was over."""
    mine = (SESSIONS.c.key == key) & SESSIONS.c.ended_at.is_(None)
    return connection.execute(update(SESSIONS).where(mine).values(ended_at=at, why=why)).rowcount > 0


def end_sessions_of(connection: Connection, issuer: str, subject: str, at: datetime, why: str) -> int:
    """End all sessions of an account, and say how many."""
    mine = (SESSIONS.c.issuer == issuer) & (SESSIONS.c.subject == subject) & SESSIONS.c.ended_at.is_(None)
    return int(connection.execute(update(SESSIONS).where(mine).values(ended_at=at, why=why)).rowcount)


def forget_sessions(connection: Connection, before: datetime) -> None:
    """Remove sessions that began before a moment: what signed them in begins none any more."""
    connection.execute(delete(SESSIONS).where(SESSIONS.c.began_at < before))
