"""The content of a file that held identifiers is removed; a check is found by its file."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# The one change of a blob that the database takes: its content goes when a check says why and nothing rests on it, and comes back
# when the same file is sent again and found to be without fault. Digest, size and the moment of its coming stay what they are.
_SAME = "NEW.sha256 = OLD.sha256 AND NEW.size = OLD.size AND NEW.kept_at = OLD.kept_at"
_GOES = (
    "OLD.removed_at IS NULL AND NEW.removed_at IS NOT NULL AND length(NEW.content) = 0 "
    "AND EXISTS (SELECT 1 FROM checks WHERE checks.sha256 = OLD.sha256 AND checks.state = 'not kept: it held identifiers') "
    "AND NOT EXISTS (SELECT 1 FROM submissions WHERE submissions.sha256 = OLD.sha256) "
    "AND NOT EXISTS (SELECT 1 FROM corrections WHERE corrections.sha256 = OLD.sha256) "
    "AND NOT EXISTS (SELECT 1 FROM published_vintages WHERE published_vintages.sha256 = OLD.sha256)"
)
_COMES_BACK = "OLD.removed_at IS NOT NULL AND NEW.removed_at IS NULL AND length(NEW.content) = OLD.size"
_ALLOWED = f"({_SAME} AND (({_GOES}) OR ({_COMES_BACK})))"


def upgrade() -> None:
    op.add_column("blobs", sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(op.f("ix_checks_sha256_collection_region_period"), "checks", ["sha256", "collection", "region", "period"])
    if op.get_bind().dialect.name == "postgresql":
        _guard_postgresql()
    else:
        _guard_sqlite()


def losses(connection: sa.Connection) -> dict[str, int]:
    """What older tables have no room for: there a file without content would look damaged."""
    query = "SELECT count(*) FROM blobs WHERE removed_at IS NOT NULL"
    return {"which files were removed, since they held identifiers": connection.execute(sa.text(query)).scalar_one()}


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER blobs_no_update ON blobs")
        op.execute("DROP FUNCTION refuse_change_of_blob()")
        op.execute("DROP TRIGGER blobs_no_change ON blobs")
        op.execute(
            "CREATE TRIGGER blobs_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON blobs "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    else:
        op.execute("DROP TRIGGER blobs_no_update")
        op.execute("CREATE TRIGGER blobs_no_update BEFORE UPDATE ON blobs BEGIN SELECT RAISE(ABORT, 'blobs is append-only'); END")
    op.drop_index(op.f("ix_checks_sha256_collection_region_period"), "checks")
    op.drop_column("blobs", "removed_at")


def _guard_sqlite() -> None:
    op.execute("DROP TRIGGER blobs_no_update")
    op.execute(
        f"CREATE TRIGGER blobs_no_update BEFORE UPDATE ON blobs WHEN NOT {_ALLOWED} "
        "BEGIN SELECT RAISE(ABORT, 'blobs is append-only'); END"
    )


def _guard_postgresql() -> None:
    op.execute("DROP TRIGGER blobs_no_change ON blobs")
    op.execute(
        "CREATE TRIGGER blobs_no_change BEFORE DELETE OR TRUNCATE ON blobs FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        "CREATE FUNCTION refuse_change_of_blob() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN IF {_ALLOWED} THEN RETURN NEW; END IF; RAISE EXCEPTION 'blobs is append-only'; END $$"
    )
    op.execute("CREATE TRIGGER blobs_no_update BEFORE UPDATE ON blobs FOR EACH ROW EXECUTE FUNCTION refuse_change_of_blob()")
