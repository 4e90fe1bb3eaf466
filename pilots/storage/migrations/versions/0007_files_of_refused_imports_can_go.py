"""The content of a file that nothing refers to, as a refused import left it, can be removed."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_OF_FILE = "SELECT 1 FROM checks WHERE checks.sha256 = OLD.sha256"
_SAID = f"{_OF_FILE} AND checks.state = 'not kept: it held identifiers'"
_BEFORE = f"EXISTS ({_SAID})"
_NOW = f"(EXISTS ({_SAID}) OR NOT EXISTS ({_OF_FILE}))"


def upgrade() -> None:
    _guard(_NOW)


def losses(connection: sa.Connection) -> dict[str, int]:
    """Nothing: a file that was removed stays so."""
    return {}


def downgrade() -> None:
    _guard(_BEFORE)


def _allowed(why: str) -> str:
    """The one change of a blob that the database takes, as 0005 has it, but for why its content may go."""
    same = "NEW.sha256 = OLD.sha256 AND NEW.size = OLD.size AND NEW.kept_at = OLD.kept_at"
    goes = (
        f"OLD.removed_at IS NULL AND NEW.removed_at IS NOT NULL AND length(NEW.content) = 0 AND {why} "
        "AND NOT EXISTS (SELECT 1 FROM submissions WHERE submissions.sha256 = OLD.sha256) "
        "AND NOT EXISTS (SELECT 1 FROM corrections WHERE corrections.sha256 = OLD.sha256) "
        "AND NOT EXISTS (SELECT 1 FROM published_vintages WHERE published_vintages.sha256 = OLD.sha256)"
    )
    comes_back = "OLD.removed_at IS NOT NULL AND NEW.removed_at IS NULL AND length(NEW.content) = OLD.size"
    return f"({same} AND (({goes}) OR ({comes_back})))"


def _guard(why: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE OR REPLACE FUNCTION refuse_change_of_blob() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN IF {_allowed(why)} THEN RETURN NEW; END IF; RAISE EXCEPTION 'blobs is append-only'; END $$"
        )
        return
    op.execute("DROP TRIGGER blobs_no_update")
    op.execute(
        f"CREATE TRIGGER blobs_no_update BEFORE UPDATE ON blobs WHEN NOT {_allowed(why)} "
        "BEGIN SELECT RAISE(ABORT, 'blobs is append-only'); END"
    )
