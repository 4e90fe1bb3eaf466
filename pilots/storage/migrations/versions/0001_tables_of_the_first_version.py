"""Tables of the first version."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# In the order in which they refer to one another.
TABLES = (
    "settings",
    "accounts",
    "audit_events",
    "blobs",
    "checks",
    "findings",
    "submissions",
    "submission_rows",
    "submission_events",
    "published_vintages",
    "published_values",
    "releases",
    "release_submissions",
    "release_vintages",
    "plans",
    "runs",
)
# What is written once and never changed or deleted; the database itself refuses.
APPEND_ONLY = (
    "audit_events",
    "blobs",
    "findings",
    "submissions",
    "submission_rows",
    "submission_events",
    "published_vintages",
    "published_values",
    "releases",
    "release_submissions",
    "release_vintages",
    "plans",
    "runs",
)


def upgrade() -> None:
    _platform()
    _checks()
    _submissions()
    _published()
    _releases()
    _evaluations()
    if op.get_bind().dialect.name == "postgresql":
        _guards_postgresql()
    else:
        _guards_sqlite()


def losses(connection: sa.Connection) -> dict[str, int]:
    """What there is no room for in tables older than these: anything at all."""
    there = set(sa.inspect(connection).get_table_names())  # newer tables tell of theirs themselves
    tables = [table for table in TABLES if table in there]
    return {f"all of {table}": connection.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one() for table in tables}


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_change()")


def _platform() -> None:
    """What every room needs: settings, accounts, the audit log, original bytes."""
    op.create_table(
        "settings",
        sa.Column("key", sa.String(length=80), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_settings")),
    )
    op.create_table(
        "accounts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("issuer", sa.String(length=300), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("regions", sa.JSON(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("issuer", "subject", name=op.f("uq_accounts_issuer_subject")),
    )
    op.create_table(
        "audit_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("issuer", sa.String(length=300), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("action", sa.String(length=60), nullable=False),
        sa.Column("subject", sa.String(length=300), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_events")),
        sa.UniqueConstraint("digest", name=op.f("uq_audit_events_digest")),
    )
    op.create_index(op.f("ix_audit_events_action_subject"), "audit_events", ["action", "subject"])
    op.create_table(
        "blobs",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("kept_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_blobs")),
    )


def _checks() -> None:
    """Files that came, and what was found in them."""
    op.create_table(
        "checks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("filename", sa.String(length=300), nullable=False),
        sa.Column("collection", sa.String(length=80), nullable=False),
        sa.Column("region", sa.String(length=9), nullable=False),
        sa.Column("period", sa.String(length=20), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_by", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("contract_version", sa.String(length=20), nullable=True),
        sa.Column("errors", sa.Integer(), nullable=True),
        sa.Column("queries", sa.Integer(), nullable=True),
        sa.Column("notes", sa.Integer(), nullable=True),
        sa.Column("report", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(["sha256"], ["blobs.sha256"], name=op.f("fk_checks_sha256_blobs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checks")),
    )
    op.create_index(op.f("ix_checks_collection_region_period"), "checks", ["collection", "region", "period"])
    op.create_table(
        "findings",
        sa.Column("check_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("rule", sa.String(length=120), nullable=False),
        sa.Column("severity", sa.String(length=10), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("fix", sa.Text(), nullable=False),
        sa.Column("sheet", sa.Text(), nullable=True),
        sa.Column("row", sa.Integer(), nullable=True),
        sa.Column("cell", sa.String(length=20), nullable=True),
        sa.Column("column", sa.Text(), nullable=True),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("key", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["check_id"], ["checks.id"], name=op.f("fk_findings_check_id_checks")),
        sa.PrimaryKeyConstraint("check_id", "position", name=op.f("pk_findings")),
    )


def _submissions() -> None:
    """Returns as they were submitted and signed off."""
    op.create_table(
        "submissions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("reference", sa.String(length=160), nullable=False),
        sa.Column("collection", sa.String(length=80), nullable=False),
        sa.Column("region", sa.String(length=9), nullable=False),
        sa.Column("period", sa.String(length=20), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("contract_version", sa.String(length=20), nullable=False),
        sa.Column("check_id", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("filename", sa.String(length=300), nullable=False),
        sa.Column("row_count", sa.Integer(), nullable=False),
        sa.Column("rows_digest", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("explanations", sa.JSON(), nullable=False),
        sa.Column("supersedes", sa.String(length=160), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("submitted_by", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["check_id"], ["checks.id"], name=op.f("fk_submissions_check_id_checks")),
        sa.ForeignKeyConstraint(["sha256"], ["blobs.sha256"], name=op.f("fk_submissions_sha256_blobs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_submissions")),
        sa.UniqueConstraint("check_id", name=op.f("uq_submissions_check_id")),
        sa.UniqueConstraint(
            "collection", "region", "period", "version", name=op.f("uq_submissions_collection_region_period_version")
        ),
        sa.UniqueConstraint("reference", name=op.f("uq_submissions_reference")),
    )
    op.create_table(
        "submission_rows",
        sa.Column("submission_id", sa.Integer(), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["submission_id"], ["submissions.id"], name=op.f("fk_submission_rows_submission_id_submissions")),
        sa.PrimaryKeyConstraint("submission_id", "row", name=op.f("pk_submission_rows")),
    )
    op.create_table(
        "submission_events",
        sa.Column("submission_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["submission_id"], ["submissions.id"], name=op.f("fk_submission_events_submission_id_submissions")
        ),
        sa.PrimaryKeyConstraint("submission_id", "state", name=op.f("pk_submission_events")),
    )


def _published() -> None:
    """Published series."""
    op.create_table(
        "published_vintages",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("reference", sa.String(length=40), nullable=False),
        sa.Column("publication", sa.String(length=120), nullable=False),
        sa.Column("edition", sa.String(length=20), nullable=False),
        sa.Column("filename", sa.String(length=300), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("alias_version", sa.String(length=20), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_by", sa.String(length=200), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_published_vintages")),
        sa.UniqueConstraint("reference", name=op.f("uq_published_vintages_reference")),
        sa.UniqueConstraint("sha256", name=op.f("uq_published_vintages_sha256")),
    )
    op.create_table(
        "published_values",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("vintage_id", sa.Integer(), nullable=False),
        sa.Column("measure", sa.String(length=80), nullable=False),
        sa.Column("period", sa.String(length=20), nullable=False),
        sa.Column("authority", sa.String(length=9), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("symbol", sa.String(length=8), nullable=True),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["vintage_id"], ["published_vintages.id"], name=op.f("fk_published_values_vintage_id_published_vintages")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_published_values")),
    )
    op.create_index("published_values_by_vintage", "published_values", ["vintage_id", "measure"])


def _releases() -> None:
    """Frozen sets of both."""
    op.create_table(
        "releases",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("reference", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.String(length=200), nullable=False),
        sa.Column("submissions", sa.JSON(), nullable=False),
        sa.Column("vintages", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_releases")),
        sa.UniqueConstraint("name", name=op.f("uq_releases_name")),
        sa.UniqueConstraint("reference", name=op.f("uq_releases_reference")),
    )
    op.create_table(
        "release_submissions",
        sa.Column("release_id", sa.Integer(), nullable=False),
        sa.Column("submission_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["release_id"], ["releases.id"], name=op.f("fk_release_submissions_release_id_releases")),
        sa.ForeignKeyConstraint(
            ["submission_id"], ["submissions.id"], name=op.f("fk_release_submissions_submission_id_submissions")
        ),
        sa.PrimaryKeyConstraint("release_id", "submission_id", name=op.f("pk_release_submissions")),
    )
    op.create_table(
        "release_vintages",
        sa.Column("release_id", sa.Integer(), nullable=False),
        sa.Column("vintage_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["release_id"], ["releases.id"], name=op.f("fk_release_vintages_release_id_releases")),
        sa.ForeignKeyConstraint(
            ["vintage_id"], ["published_vintages.id"], name=op.f("fk_release_vintages_vintage_id_published_vintages")
        ),
        sa.PrimaryKeyConstraint("release_id", "vintage_id", name=op.f("pk_release_vintages")),
    )


def _evaluations() -> None:
    """Registered plans and their runs."""
    op.create_table(
        "plans",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("plan", sa.String(length=80), nullable=False),
        sa.Column("version", sa.String(length=20), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("registered_by", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_plans")),
        sa.UniqueConstraint("plan", "version", name="one_text_for_each_plan_version"),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.String(length=40), nullable=False),
        sa.Column("plan", sa.String(length=80), nullable=False),
        sa.Column("plan_digest", sa.String(length=64), nullable=False),
        sa.Column("plan_text", sa.Text(), nullable=False),
        sa.Column("release_id", sa.String(length=40), nullable=False),
        sa.Column("release_digest", sa.String(length=64), nullable=False),
        sa.Column("code_version", sa.String(length=120), nullable=False),
        sa.Column("results_digest", sa.String(length=64), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.String(length=200), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
        sa.UniqueConstraint("run_id", name=op.f("uq_runs_run_id")),
    )


def _guards_sqlite() -> None:
    for table in APPEND_ONLY:
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )


def _guards_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
    )
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
