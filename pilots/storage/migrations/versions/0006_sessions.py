"""Sessions of people who signed in by an identity provider."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "sessions",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("issuer", sa.String(length=300), nullable=False),
        sa.Column("subject", sa.String(length=300), nullable=False),
        sa.Column("began_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("why", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_issuer_subject"), "sessions", ["issuer", "subject"])


def losses(connection: sa.Connection) -> dict[str, int]:
    """Nothing that is not in the audit log."""
    return {}


def downgrade() -> None:
    """Whoever is signed in signs in anew; the audit log keeps who did, and when."""
    op.drop_index(op.f("ix_sessions_issuer_subject"), table_name="sessions")
    op.drop_table("sessions")
