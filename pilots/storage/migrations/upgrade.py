"""Bringing a store's tables up to date, and taking them back to those of an older version."""

import threading
from functools import cache
from importlib import resources

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from pilots.storage.base import StoreError

VERSION_TABLE = "alembic_version"
FIRST_TABLE = "audit_events"  # every version of a store has it
BASE = "base"  # what alembic calls the state before the first version
_ALONE = threading.Lock()  # alembic keeps the running migration in a global: one at a time in a process


def configuration(connection: Connection) -> Config:
    """Alembic's configuration for a connection; there is no alembic.ini."""
    made = Config()
    made.set_main_option("script_location", str(resources.files(__package__)).replace("%", "%%"))
    made.attributes["connection"] = connection
    return made


@cache
def known_versions() -> tuple[str, ...]:
    """The versions of the tables that this code knows, newest first."""
    scripts = ScriptDirectory(str(resources.files(__package__)))
    return tuple(script.revision for script in scripts.walk_revisions())


def stored_version(connection: Connection) -> str | None:
    """The version of the tables of a store; None where it has none yet."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()


def is_up_to_date(connection: Connection) -> bool:
    """Whether a store has the tables that this code wants."""
    return stored_version(connection) == known_versions()[0] and inspect(connection).has_table(FIRST_TABLE)


def upgrade(connection: Connection) -> None:
    """Make or change the tables, all or none, inside the writing transaction of a connection that no other writer shares.

    Raises:
        StoreError: the store was made by a newer version of the platform, or holds tables that are not the platform's.
    """
    version, tables = stored_version(connection), set(inspect(connection).get_table_names()) - {VERSION_TABLE}
    if tables and (version is None or FIRST_TABLE not in tables):
        raise StoreError(_of_others(sorted(tables)))
    if version is not None and version not in known_versions():
        raise StoreError(
            f"The store has tables of version {version}; this version of the platform knows {known_versions()[0]} at most. "
            "Nothing was changed. Install the newer version of the platform."
        )
    with _ALONE:
        command.upgrade(configuration(connection), "head")


def _of_others(tables: list[str]) -> str:
    named = ", ".join(f"“{name}”" for name in tables[:5]) + (f" and {len(tables) - 5:,} more" if len(tables) > 5 else "")
    return (
        f"The database holds tables that this platform did not make: {named}. Nothing was changed. Give the platform a "
        "database of its own, with nothing in it; on PostgreSQL a schema of its own will do (…?options=-csearch_path=pilots)."
    )


def downgrade(connection: Connection, version: str) -> None:
    """Take the tables back to an older version, inside the writing transaction of a connection; or change nothing at all.

    Args:
        connection: to a store whose tables this code knows.
        version: the version to go back to; `base` is before the first, where an empty store has none of our tables.

    Raises:
        StoreError: no such older version, or something is stored that its tables have no room for: the message says what.
    """
    here, known = stored_version(connection), known_versions()
    older = (*known[known.index(here) + 1 :], BASE) if here in known else ()
    if version not in older:
        raise StoreError(
            f"The tables are of version {here}. They can be taken back to {', '.join(older[:-1]) or 'no other'}, not to "
            f"“{version}”. Nothing was changed."
        )
    scripts = ScriptDirectory(str(resources.files(__package__)))
    lost: dict[str, int] = {}
    for script in list(scripts.walk_revisions(head=str(here)))[: older.index(version) + 1]:
        lost |= script.module.losses(connection)
    told = [f"{words} ({count:,} {'row' if count == 1 else 'rows'})" for words, count in lost.items() if count]
    if told:
        raise StoreError(
            f"Tables of version {version} have no room for what is stored: {'; '.join(told)}. It would be lost. Nothing was "
            "changed. To go back, install the older platform and restore a backup that it made into a new store."
        )
    with _ALONE:
        command.downgrade(configuration(connection), version)
