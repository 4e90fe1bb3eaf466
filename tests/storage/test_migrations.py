import re
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DBAPIError

from pilots.access import Actor
from pilots.storage import METADATA, Store, StoreError, audit, settings
from pilots.storage.migrations.upgrade import configuration, known_versions, stored_version
from pilots.storage.submissions import stored_steps, stored_submissions

SOURCES = Path(__file__).resolve().parents[2] / "pilots"
CHANGEABLE = {"accounts", "checks", "pieces", "sessions", "settings"}  # the current state of something; all else is written once
REMOVABLE = {"blobs"}  # written once, but for the content of a file with identifiers: see tests/returns/test_identifiers.py


def test_migrations_make_the_tables_that_the_code_wants(any_store: Store) -> None:
    with any_store.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, METADATA) == []


def test_comparison_would_see_a_difference(any_store: Store, tamper: Callable[[Store, str, str], None]) -> None:
    tamper(any_store, "runs", "ALTER TABLE runs ADD COLUMN colour VARCHAR(5)")
    with any_store.read() as connection:
        (found,) = compare_metadata(MigrationContext.configure(connection), METADATA)
    assert found[0] == "remove_column" and found[3].name == "colour"


def test_every_revision_follows_another_in_one_line() -> None:
    assert known_versions()[-1] == "0001"
    assert list(known_versions()) == sorted(known_versions(), reverse=True)


def test_store_knows_its_version_and_is_not_migrated_again(any_url: str, administrator: Actor) -> None:
    first = Store.open(any_url)
    with first.write(administrator, "build_demonstration", "colour") as connection:
        settings.set_setting(connection, "colour", "blue")
    first.close()
    second = Store.open(any_url)
    with second.read() as connection:
        assert stored_version(connection) == known_versions()[0]
        assert settings.get_setting(connection, "colour") == "blue"
        assert len(audit.events(connection)) == 1
    second.close()


def test_store_that_is_up_to_date_is_only_asked_for_its_version(any_url: str) -> None:
    said: list[str] = []

    def note(connection: object, cursor: object, statement: str, *more: object) -> None:
        said.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        Store.open(any_url).close()
        first = len(said)
        said.clear()
        Store.open(any_url).close()
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert first > 50 and len(said) < 12, f"it asks which version it is, and no more: {said}"
    assert not [one for one in said if re.match(r"\s*(CREATE|ALTER|DROP|INSERT|UPDATE|DELETE)", one, re.IGNORECASE)]


def test_store_of_a_newer_version_is_refused_and_left_alone(any_url: str) -> None:
    store = Store.open(any_url)
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    store.close()
    with pytest.raises(StoreError, match="version 9999.*Install the newer version"):
        Store.open(any_url)
    with store.engine.connect() as connection:
        assert stored_version(connection) == "9999"
    store.close()


# What stands in the database of somebody else; the second is of another application that uses alembic too.
OTHERS = [
    ["CREATE TABLE pupils (upn VARCHAR(13), name VARCHAR(80))", "INSERT INTO pupils VALUES ('A123', 'B')"],
    ["CREATE TABLE alembic_version (version_num VARCHAR(32))", "INSERT INTO alembic_version VALUES ('a1b2c3')"]
    + [f"CREATE TABLE other_{number} (id INTEGER)" for number in range(7)],
    ["CREATE TABLE alembic_version (version_num VARCHAR(32))", f"INSERT INTO alembic_version VALUES ('{known_versions()[0]}')"]
    + ["CREATE TABLE letters (id INTEGER)"],
    ["CREATE TABLE runs (id INTEGER)"],
]


@pytest.mark.parametrize(
    "statements", OTHERS, ids=["of cases", "of another application", "of one that counts as we do", "of the same name"]
)
def test_database_with_somebody_elses_tables_is_refused_and_left_alone(any_url: str, statements: list[str]) -> None:
    engine = create_engine(any_url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    file = Path(engine.url.database or "") if engine.dialect.name == "sqlite" else None
    before = inspect(engine).get_table_names(), file and file.read_bytes()
    with pytest.raises(StoreError, match="tables that this platform did not make: “.*Give the platform a database") as caught:
        Store.open(any_url)
    assert ("“other_0”, “other_1”, “other_2”, “other_3”, “other_4” and 2 more." in str(caught.value)) == (len(statements) > 7)
    assert (inspect(engine).get_table_names(), file and file.read_bytes()) == before, "not a byte of it is another"
    engine.dispose()


def test_an_empty_database_and_one_that_alembic_left_empty_are_taken(any_url: str) -> None:
    engine = create_engine(any_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
    engine.dispose()
    Store.open(any_url).close()


def test_migration_that_dies_leaves_nothing(any_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("alembic.operations.Operations.create_index", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            Store.open(any_url)
    engine = create_engine(any_url)
    assert inspect(engine).get_table_names() == []
    engine.dispose()
    Store.open(any_url).close()


# reference, version, signed at; the register's one version was signed by whoever registered it.
OLD_VERSIONS = [
    (1, "EHCP", "A-v1", 1, "2024-02-01 10:00:00"),
    (2, "EHCP", "A-v2", 2, None),
    (3, "EHCP", "A-v3", 3, "2024-04-01 10:00:00"),
    (4, "EHCP", "A-v4", 4, None),
    (5, "REGISTER", "R-v1", 1, "2024-02-01 10:00:00"),
    (6, "TIERS", "T-v1", 1, None),
    (7, "TIERS", "T-v2", 2, None),
]


def test_what_was_signed_in_an_older_store_counts_as_before(any_url: str) -> None:
    store = Store(create_engine(any_url))
    with store.engine.connect() as connection, connection.begin():
        command.upgrade(configuration(connection), "0001")
        connection.execute(text("INSERT INTO blobs VALUES ('a', 1, 'x', '2024-01-01 00:00:00')"))
        for number, collection, reference, version, signed in OLD_VERSIONS:
            connection.execute(
                text(
                    "INSERT INTO checks (id, sha256, filename, collection, region, period, received_at, received_by, state) "
                    f"VALUES ({number}, 'a', 'a.csv', '{collection}', 'E12000001', '2024', '2024-01-01 00:00:00', 'lead', "
                    "'checked')"
                )
            )
            connection.execute(
                text(
                    f"INSERT INTO submissions VALUES ({number}, '{reference}', '{collection}', 'E12000001', '2024', {version}, "
                    f"'1.0.0', {number}, 'a', 'a.csv', 0, 'd', NULL, '{{}}', NULL, '2024-01-01 00:00:00', "
                    f"'2024-0{version}-01 09:00:00', 'lead')"
                )
            )
            if signed:
                connection.execute(
                    text(f"INSERT INTO submission_events VALUES ({number}, 'signed_off', '{signed}', 'signer', NULL)")
                )
    store.close()
    upgraded = Store.open(any_url)
    with upgraded.read() as connection:
        found = {row["reference"]: row for row in stored_submissions(connection)}
        steps = {reference: stored_steps(connection, row["id"]) for reference, row in found.items()}
    upgraded.close()
    assert {reference: row["status"] for reference, row in found.items()} == {
        "A-v1": "superseded",
        "A-v2": "superseded",
        "A-v3": "accepted",
        "A-v4": "submitted",
        "R-v1": "accepted",
        "T-v1": "superseded",
        "T-v2": "submitted",
    }
    assert [one["state"] for one in steps["A-v1"]] == ["submitted", "signed_off", "accepted", "superseded"]
    assert (steps["A-v1"][3]["at"].month, steps["A-v1"][3]["by"]) == (4, "signer"), "a later signed version took its place"
    assert (steps["T-v1"][1]["at"].month, steps["T-v1"][1]["by"]) == (2, "lead"), "unsigned ones gave way to the newest"
    assert "a signature was all" in steps["A-v3"][2]["reason"]
    assert (found["A-v3"]["signed_off_by"], found["A-v3"]["due"], found["A-v3"]["late_days"]) == ("signer", None, None)


def _fill(store: Store, table: str) -> None:
    """Put one row into a table without looking at what it refers to."""
    column_values = []
    for column in METADATA.tables[table].columns:
        kind = str(column.type)
        value = {
            "INTEGER": "1",
            "FLOAT": "1",
            "JSON": "'{}'",
            "BOOLEAN": "true",
            "BLOB": "'x'",
            "DATETIME": "'2024-01-01 00:00:00'",
        }.get(kind, "'x'")
        column_values.append((f'"{column.name}"', value))
    names, values = zip(*column_values, strict=True)
    with store.engine.connect() as connection:
        off = "PRAGMA foreign_keys=OFF" if store.engine.dialect.name == "sqlite" else "SET session_replication_role = replica"
        connection.connection.cursor().execute(off)
        connection.execute(text(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(values)})"))
        connection.commit()
        connection.detach()


def test_the_database_refuses_to_change_what_is_written_once(any_store: Store) -> None:
    for table in sorted(set(METADATA.tables) - CHANGEABLE):
        _fill(any_store, table)
        column = next(iter(METADATA.tables[table].columns)).name
        for statement in (f'UPDATE {table} SET "{column}" = "{column}"', f"DELETE FROM {table}"):
            with pytest.raises(DBAPIError, match=f"{table} is append-only"), any_store.engine.begin() as connection:
                connection.execute(text(statement))
        with any_store.read() as connection:
            assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() == 1


def test_no_code_updates_or_deletes_what_is_written_once() -> None:
    changed = set()
    for path in SOURCES.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        changed |= {name.lower() for name in re.findall(r"\b(?:update|delete)\(([A-Z_]+)\)", source)}
    assert changed == CHANGEABLE | REMOVABLE
