"""The life of a return: numbered steps, deadlines with more time, notes on queries, nil returns."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

APPEND_ONLY = ("submission_steps", "query_notes", "extension_requests", "extension_decisions")
ACCEPTED_THEN = "Signed when a signature was all that releases asked for."
MOMENT = sa.DateTime(timezone=True)
Row = Mapping[str, Any]
SUBMISSIONS = sa.table(
    "submissions",
    *map(sa.column, ("id", "collection", "region", "period", "version", "submitted_by")),
    sa.column("submitted_at", MOMENT),
)
EVENTS = sa.table("submission_events", *map(sa.column, ("submission_id", "state", "by", "reason")), sa.column("at", MOMENT))
STEPS = sa.table("submission_steps", *map(sa.column, ("submission_id", "step", "state", "by", "reason")), sa.column("at", MOMENT))


def upgrade() -> None:
    op.add_column("submissions", sa.Column("due", sa.String(length=10), nullable=True))
    op.add_column("submissions", sa.Column("late_days", sa.Integer(), nullable=True))
    op.add_column("submissions", sa.Column("nil_reason", sa.Text(), nullable=True))
    _tables()
    connection = op.get_bind()
    steps = _steps(connection, _signed(connection))
    if steps:
        connection.execute(sa.insert(STEPS), steps)
    op.drop_table("submission_events")
    _guards(APPEND_ONLY)


def losses(connection: sa.Connection) -> dict[str, int]:
    """What older tables have no room for. They know who sent a return and who signed it; all else they would make up again."""
    queries = {
        "notes on queries": "SELECT count(*) FROM query_notes",
        "requests for more time": "SELECT count(*) FROM extension_requests",
        "decisions on more time": "SELECT count(*) FROM extension_decisions",
        "returns with a deadline, or declared to be nil": (
            "SELECT count(*) FROM submissions WHERE due IS NOT NULL OR late_days IS NOT NULL OR nil_reason IS NOT NULL"
        ),
    }
    counted = {words: connection.execute(sa.text(query)).scalar_one() for words, query in queries.items()}
    there = [dict(row) for row in connection.execute(sa.select(STEPS)).mappings()]
    again = _steps(connection, _signed_by_steps(connection))
    counted["steps of returns"] = sum(one not in again for one in there) + sum(one not in there for one in again)
    return counted


def downgrade() -> None:
    connection = op.get_bind()
    signed = [{**row, "state": "signed_off", "reason": None} for row in _signed_by_steps(connection).values()]
    for table in ("extension_decisions", "extension_requests", "query_notes", "submission_steps"):
        op.drop_table(table)
    for column in ("nil_reason", "late_days", "due"):
        op.drop_column("submissions", column)
    op.create_table(
        "submission_events",
        sa.Column("submission_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["submission_id"], ["submissions.id"], name=op.f("fk_submission_events_submission_id_submissions")
        ),
        sa.PrimaryKeyConstraint("submission_id", "state", name=op.f("pk_submission_events")),
    )
    if signed:
        connection.execute(sa.insert(EVENTS), signed)
    _guards(("submission_events",))


def _tables() -> None:
    op.create_table(
        "submission_steps",
        sa.Column("submission_id", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["submission_id"], ["submissions.id"], name=op.f("fk_submission_steps_submission_id_submissions")
        ),
        sa.PrimaryKeyConstraint("submission_id", "step", name=op.f("pk_submission_steps")),
        sa.UniqueConstraint("submission_id", "state", name=op.f("uq_submission_steps_submission_id_state")),
    )
    op.create_table(
        "query_notes",
        sa.Column("check_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["check_id"], ["checks.id"], name=op.f("fk_query_notes_check_id_checks")),
        sa.PrimaryKeyConstraint("check_id", "position", name=op.f("pk_query_notes")),
    )
    op.create_table(
        "extension_requests",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("collection", sa.String(length=80), nullable=False),
        sa.Column("region", sa.String(length=9), nullable=False),
        sa.Column("period", sa.String(length=20), nullable=False),
        sa.Column("until", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column("asked_by", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_extension_requests")),
    )
    op.create_index(
        op.f("ix_extension_requests_collection_region_period"), "extension_requests", ["collection", "region", "period"]
    )
    op.create_table(
        "extension_decisions",
        sa.Column("request_id", sa.Integer(), nullable=False),
        sa.Column("granted", sa.Boolean(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("decided_at", MOMENT, nullable=False),
        sa.Column("decided_by", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["request_id"], ["extension_requests.id"], name=op.f("fk_extension_decisions_request_id_extension_requests")
        ),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_extension_decisions")),
    )


def _signed(connection: sa.Connection) -> dict[int, Row]:
    """Who signed which submission and when, by the events of older tables."""
    query = sa.select(EVENTS.c.submission_id, EVENTS.c.at, EVENTS.c.by).where(EVENTS.c.state == "signed_off")
    return {row["submission_id"]: dict(row) for row in connection.execute(query).mappings()}


def _signed_by_steps(connection: sa.Connection) -> dict[int, Row]:
    """The same by the steps of these."""
    query = sa.select(STEPS.c.submission_id, STEPS.c.at, STEPS.c.by).where(STEPS.c.state == "signed_off")
    return {row["submission_id"]: dict(row) for row in connection.execute(query).mappings()}


def _steps(connection: sa.Connection, signed: Mapping[int, Row]) -> list[dict[str, Any]]:
    """What became of each submission, as numbered steps. What was signed counted at once: it was as good as accepted."""
    query = sa.select(SUBMISSIONS).order_by(*(SUBMISSIONS.c[name] for name in ("collection", "region", "period", "version")))
    rows = [{**row, "at": None, "by": None, **signed.get(row["id"], {})} for row in connection.execute(query).mappings()]
    steps: list[dict[str, Any]] = []
    for _, versions in groupby(rows, key=lambda row: (row["collection"], row["region"], row["period"])):
        for number, each in _steps_of_return(list(versions)):
            steps += [{"submission_id": number, "step": step, **one} for step, one in enumerate(each, start=1)]
    return steps


def _steps_of_return(versions: Sequence[Row]) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    signed = [row for row in versions if row["at"] is not None]
    for row in versions:
        steps = [{"state": "submitted", "at": row["submitted_at"], "by": row["submitted_by"], "reason": None}]
        if row["at"] is not None:
            steps.append({"state": "signed_off", "at": row["at"], "by": row["by"], "reason": None})
            steps.append({"state": "accepted", "at": row["at"], "by": row["by"], "reason": ACCEPTED_THEN})
        later = next((one for one in signed if one["version"] > row["version"]), None)
        newest = versions[-1]
        if later is not None:
            steps.append({"state": "superseded", "at": later["at"], "by": later["by"], "reason": None})
        elif row["at"] is None and row["version"] < newest["version"]:
            steps.append({"state": "superseded", "at": newest["submitted_at"], "by": newest["submitted_by"], "reason": None})
        yield row["id"], steps


def _guards(tables: Sequence[str]) -> None:
    """The database itself refuses to change or delete what is written once."""
    for table in tables:
        if op.get_bind().dialect.name == "postgresql":
            op.execute(
                f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
            )
            continue
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
