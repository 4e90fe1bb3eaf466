"""The store: one database, SQLite or PostgreSQL, opened by URL. All writing goes through `Store.write`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError, OperationalError

from pilots.access import Actor
from pilots.storage.accounts import confirm_actor
from pilots.storage.audit import add_event
from pilots.storage.base import StoreError, stored_json
from pilots.storage.migrations.upgrade import FIRST_TABLE, is_up_to_date, upgrade

DATABASE_VARIABLE = "PILOTS_DATABASE_URL"
DEFAULT_URL = "sqlite:///var/pilots.sqlite"
BUSY_SECONDS = 30  # how long a writer waits for another before it gives up
WRITERS_LOCK = 7_232_683_151  # the advisory lock by which PostgreSQL lets one writer at a time in, as SQLite does; any number


def _prepare_sqlite(dbapi_connection: Any, _record: Any) -> None:
    # The driver's own transactions begin too late: SQLAlchemy's begin event says BEGIN instead.
    dbapi_connection.isolation_level = None
    cursor = dbapi_connection.cursor()
    # FULL: a receipt promises that the file is kept, so each commit waits for the disk, at about a millisecond.
    # secure_delete: what is removed is written over, not only given up.
    for pragma in (f"busy_timeout={BUSY_SECONDS * 1000}", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    tables = {name for (name,) in cursor.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()}
    if not tables or FIRST_TABLE in tables:  # the file of somebody else stays as it is: it is refused later, in words
        cursor.execute("PRAGMA journal_mode=WAL")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _begin_postgresql(connection: Connection) -> None:
    if not connection.get_execution_options().get("writes", False):
        # A reader sees one state of the store, as in SQLite. A writer must see what was written while it waited for the lock.
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        return
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'")
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITERS_LOCK})")


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "postgresql":
        engine = create_engine(url, json_serializer=stored_json, pool_pre_ping=True)
        event.listen(engine, "begin", _begin_postgresql)
        return engine
    if url.get_backend_name() != "sqlite":
        raise StoreError(
            f"The platform keeps its store in SQLite or PostgreSQL, not in {url.get_backend_name()}. Give another URL."
        )
    engine = create_engine(url, json_serializer=stored_json)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _which(path: Path) -> tuple[int, int]:
    """Which file stands there, whatever it is called."""
    found = path.stat()
    return found.st_dev, found.st_ino


class Store:
    """One database with the platform's tables. Make it with `Store.open`."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._file: tuple[Path, tuple[int, int]] | None = None  # SQLite's file as it was opened: its place, and which file it is

    @classmethod
    def open(cls, url: str | None = None) -> "Store":
        """Open a store and bring its tables up to date; safe when several processes open a new store at once.

        Args:
            url: an SQLAlchemy URL. Without it, that of the environment variable PILOTS_DATABASE_URL counts, for example
                `postgresql+psycopg://user@host/database`; without that, `sqlite:///var/pilots.sqlite`, in the folder from which
                Python was started.

        Raises:
            StoreError: the URL cannot be read, the database not reached, or its tables are of a newer version than this code.
        """
        text = url or os.environ.get(DATABASE_VARIABLE) or DEFAULT_URL
        try:
            parsed = make_url(text)
            store = cls(_engine(parsed))
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
            raise StoreError(
                f"The store's address cannot be read: {error}. Write {DATABASE_VARIABLE} like {DEFAULT_URL} "
                "or postgresql+psycopg://user@host/database."
            ) from error
        try:
            named = str(parsed.database or ":memory:")
            is_file = parsed.get_backend_name() == "sqlite" and named != ":memory:" and not named.startswith("file:")
            if is_file:
                Path(named).parent.mkdir(parents=True, exist_ok=True)
            store._migrate()
            if is_file:
                place = Path(named).absolute()
                store._file = place, _which(place)
        except (DatabaseError, OSError) as error:
            raise StoreError(
                f"The store {store.address} cannot be opened: {getattr(error, 'orig', None) or error}. "
                "Check that the place exists, that you may write there and that the disk is not full."
            ) from error
        return store

    @property
    def address(self) -> str:
        """The store's URL without its password."""
        return self.engine.url.render_as_string(hide_password=True)

    def _migrate(self) -> None:
        with self.engine.connect() as connection:
            if is_up_to_date(connection):
                return
        with self._writing() as connection:
            # Somebody else may have done it while this one waited for the lock.
            if not is_up_to_date(connection):
                upgrade(connection)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one state of the store, whatever is written meanwhile. What is written through it is not kept.

        Raises:
            StoreError: the database is gone.
        """
        self._check_there("read")
        with self._faults_told("read"), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self, actor: Actor, action: str, subject: str, detail: dict[str, Any] | None = None) -> Iterator[Connection]:
        """One transaction with its audit event: both are kept, or neither.

        Args:
            actor: who acts; permission is checked by the task before. An account closed or changed since then stops here.
            action: a name in `pilots.access.ACTIONS`, or one of the sign-ins and their ends (`pilots.sessions`).
            subject: what it is done to, for example the reference of a submission.
            detail: plain JSON for the audit log; it may be filled inside the block, since it is stored at the end.

        Raises:
            NotAllowed: the actor's account was closed or changed.
            StoreError: the database is busy, full or gone; nothing was changed.
        """
        kept = {} if detail is None else detail
        self._check_there("written to")
        with self._faults_told("written to"), self._writing() as connection:
            confirm_actor(connection, actor)
            yield connection
            add_event(connection, actor, action, subject, kept)
        # The system lets whoever has a file open write to it after it was removed: nobody is told that such a change is kept.
        self._check_there("written to", "What was written may be lost: look there before you send anything again.")

    @contextmanager
    def note(self) -> Iterator[Connection]:
        """One transaction without an event, for what changes nothing that the store tells of: when a session was last used.

        Raises:
            StoreError: the database is busy, full or gone; nothing was changed.
        """
        self._check_there("written to")
        with self._faults_told("written to"), self._writing() as connection:
            yield connection

    def wipe_log(self) -> None:
        """Empty SQLite's log of changes, in which removed bytes still stand; where somebody reads, the next writer will.

        PostgreSQL has no such command: see docs/operators.md.
        """
        if self.engine.dialect.name != "sqlite":
            return
        raw = self.engine.raw_connection()
        try:
            cursor = raw.cursor()
            cursor.execute("PRAGMA busy_timeout=1000")
            # What cannot be emptied now (a full disk) is emptied by a later writer: nothing that was promised hangs on it.
            with suppress(self.engine.dialect.loaded_dbapi.OperationalError):
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            cursor.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
            cursor.close()
        finally:
            raw.close()

    def _check_there(self, what: str, and_now: str = "Nothing was changed.") -> None:
        """Stop where SQLite's file is not the one that was opened: connections would go on with a file that nobody can find."""
        if self._file is None:
            return
        place, opened = self._file
        try:
            there = _which(place)
        except OSError:
            there = None
        if there != opened:
            how = "has gone: it was moved or removed" if there is None else "is another file than the one that was opened"
            raise StoreError(
                f"The store {self.address} could not be {what}: its file {how}. {and_now} Put it back where it was and try "
                "again; where it lies somewhere else now, start the platform again with its new address."
            )

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """The transaction of the one writer."""
        with self.engine.connect().execution_options(writes=True) as connection, connection.begin():
            yield connection

    @contextmanager
    def _faults_told(self, what: str) -> Iterator[None]:
        """Turn what the database's machine or its other users do to us into words."""
        try:
            yield
        except OperationalError as error:
            raise StoreError(
                f"The store {self.address} could not be {what}: {error.orig}. Nothing was changed. "
                "Try again; if it happens again, check that the disk is not full and the database runs."
            ) from error
        except DatabaseError as error:
            if type(error) is not DatabaseError:  # its kinds are faults of ours; by itself it is what SQLite says of a bad file
                raise
            raise StoreError(
                f"The store {self.address} could not be {what}: {error.orig}. Its file is damaged. Stop the platform, keep the "
                "file as it is, and restore a backup into a new one."
            ) from error

    def close(self) -> None:
        """Let go of the database's connections."""
        self.engine.dispose()
