"""Corrections that were accepted, kept with the check of their file."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "corrections",
        sa.Column("check_id", sa.Integer(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("made", sa.JSON(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["check_id"], ["checks.id"], name=op.f("fk_corrections_check_id_checks")),
        sa.ForeignKeyConstraint(["sha256"], ["blobs.sha256"], name=op.f("fk_corrections_sha256_blobs")),
        sa.PrimaryKeyConstraint("check_id", name=op.f("pk_corrections")),
    )
    _guards()


def losses(connection: sa.Connection) -> dict[str, int]:
    """What older tables have no room for."""
    return {"corrections that were accepted": connection.execute(sa.text("SELECT count(*) FROM corrections")).scalar_one()}


def downgrade() -> None:
    op.drop_table("corrections")


def _guards() -> None:
    """The database itself refuses to change or delete what is written once."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE TRIGGER corrections_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON corrections "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        return
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER corrections_no_{verb.lower()} BEFORE {verb} ON corrections "
            "BEGIN SELECT RAISE(ABORT, 'corrections is append-only'); END"
        )
