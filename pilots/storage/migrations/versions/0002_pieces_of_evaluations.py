"""Pieces of evaluations that are not finished."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "pieces",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_pieces")),
    )


def losses(connection: sa.Connection) -> dict[str, int]:
    """Nothing: a piece of an evaluation that was stopped is worked out again, to the same numbers."""
    return {}


def downgrade() -> None:
    op.drop_table("pieces")
