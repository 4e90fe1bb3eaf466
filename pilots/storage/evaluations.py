"""Registered plans and finished runs in the store. Both are written once and never changed."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, Connection, Integer, String, Table, Text, UniqueConstraint, insert, select

from pilots.storage.base import METADATA, Moment

PLANS = Table(
    "plans",
    METADATA,
    Column("digest", String(64), primary_key=True),
    Column("plan", String(80), nullable=False),
    Column("version", String(20), nullable=False),
    Column("text", Text, nullable=False),
    Column("registered_at", Moment, nullable=False),
    Column("registered_by", String(200), nullable=False),
    UniqueConstraint("plan", "version", name="one_text_for_each_plan_version"),
)

RUNS = Table(
    "runs",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("run_id", String(40), nullable=False, unique=True),
    Column("plan", String(80), nullable=False),
    Column("plan_digest", String(64), nullable=False),
    Column("plan_text", Text, nullable=False),
    Column("release_id", String(40), nullable=False),
    Column("release_digest", String(64), nullable=False),
    Column("code_version", String(120), nullable=False),
    Column("results_digest", String(64), nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("made_by", String(200), nullable=False),
    Column("document", JSON, nullable=False),
)


def add_plan(connection: Connection, *, digest: str, plan: str, version: str, text: str, at: datetime, by: str) -> None:
    """Store a plan under the digest of its canonical form."""
    row = {"digest": digest, "plan": plan, "version": version, "text": text, "registered_at": at, "registered_by": by}
    connection.execute(insert(PLANS).values(**row))


def plan_with_digest(connection: Connection, digest: str) -> dict[str, Any] | None:
    """The plan registered under a digest, or None."""
    row = connection.execute(select(PLANS).where(PLANS.c.digest == digest)).mappings().first()
    return dict(row) if row is not None else None


def plan_with_version(connection: Connection, plan: str, version: str) -> dict[str, Any] | None:
    """The plan registered under a name and version, or None."""
    query = select(PLANS).where(PLANS.c.plan == plan, PLANS.c.version == version)
    row = connection.execute(query).mappings().first()
    return dict(row) if row is not None else None


def registered_plans(connection: Connection) -> list[dict[str, Any]]:
    """All registered plans by name and version."""
    rows = connection.execute(select(PLANS).order_by(PLANS.c.plan, PLANS.c.version, PLANS.c.digest)).mappings()
    return [dict(row) for row in rows]


def add_run(connection: Connection, **row: Any) -> None:
    """Store a run: run_id, plan, plan_text, release_id, digests, code_version, made_at, made_by, document."""
    connection.execute(insert(RUNS).values(**row))


def stored_run(connection: Connection, run_id: str) -> dict[str, Any] | None:
    """One run with its document, or None."""
    row = connection.execute(select(RUNS).where(RUNS.c.run_id == run_id)).mappings().first()
    return dict(row) if row is not None else None


def stored_runs(connection: Connection) -> list[dict[str, Any]]:
    """All runs with their documents, newest first."""
    columns = [column for column in RUNS.c if column.name != "plan_text"]
    return [dict(row) for row in connection.execute(select(*columns).order_by(RUNS.c.id.desc())).mappings()]


def run_sources(connection: Connection) -> list[dict[str, Any]]:
    """What each run rests on, newest first, without its document: run_id, plan, plan_text, release_id, made_at."""
    names = ("run_id", "plan", "plan_text", "release_id", "made_at")
    return [
        dict(row) for row in connection.execute(select(*(RUNS.c[name] for name in names)).order_by(RUNS.c.id.desc())).mappings()
    ]
