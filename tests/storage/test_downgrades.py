"""Tables go back to each older version, exactly, on both databases; or not at all, where rows would be lost."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from alembic import command
from click.testing import CliRunner, Result
from sqlalchemy import Connection, create_engine, inspect, text

from pilots import deadlines, returns
from pilots.__main__ import pilots
from pilots.access import Actor
from pilots.deadlines import day_of
from pilots.storage import METADATA, Store, StoreError, audit
from pilots.storage.migrations.upgrade import configuration, downgrade, known_versions, stored_version

TRIGGERS = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT tgname, pg_get_triggerdef(pg_trigger.oid) FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
    "WHERE NOT tgisinternal AND relnamespace = current_schema::regnamespace "
    "UNION ALL SELECT proname, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = current_schema::regnamespace",
}


def schema(connection: Connection) -> dict[str, Any]:
    """All that there is but rows: columns, keys, constraints, indexes, triggers and their functions."""
    found, seen = {}, inspect(connection)
    for table in seen.get_table_names():
        columns = [{**one, "type": str(one["type"])} for one in seen.get_columns(table)]
        kinds = (seen.get_pk_constraint, seen.get_foreign_keys, seen.get_unique_constraints, seen.get_check_constraints)
        found[table] = [columns, *(kind(table) for kind in kinds), sorted(seen.get_indexes(table), key=str)]
    here = "main"
    if connection.dialect.name == "postgresql":
        here = str(connection.execute(text("SELECT current_schema")).scalar_one())
    triggers = connection.execute(text(TRIGGERS[connection.dialect.name])).all()
    found["triggers"] = sorted(tuple(str(part).replace(f"{here}.", "") for part in row) for row in triggers)
    return {name: str(value).replace(f"{here}.", "") for name, value in found.items()}


def test_down_gives_the_older_tables_and_up_again_the_newer_ones(any_url: str) -> None:
    store, seen = Store(create_engine(any_url)), {}
    with store.engine.connect() as connection, connection.begin():
        for version in reversed(known_versions()):
            command.upgrade(configuration(connection), version)
            seen[version] = schema(connection)
        assert len({str(one) for one in seen.values()}) == len(known_versions()), "a schema that differs is seen to differ"
        for version in known_versions()[1:]:
            downgrade(connection, version)
            assert stored_version(connection) == version and schema(connection) == seen[version]
        command.upgrade(configuration(connection), "head")
        assert schema(connection) == seen[known_versions()[0]]
        downgrade(connection, "base")
        assert set(inspect(connection).get_table_names()) == {"alembic_version"} and schema(connection)["triggers"] == "[]"
        command.upgrade(configuration(connection), "head")
        assert schema(connection) == seen[known_versions()[0]]
    store.close()


@pytest.fixture
def old(any_url: str) -> Store:
    """A store that the first version of the tables filled: a return whose second version was signed, and what went before."""
    store = Store(create_engine(any_url))
    when = "'2024-01-01 00:00:00.000000'"
    with store.engine.connect() as connection, connection.begin():
        command.upgrade(configuration(connection), "0001")
        connection.execute(text(f"INSERT INTO blobs VALUES ('a', 1, 'x', {when})"))
        for number in (1, 2, 3):
            connection.execute(
                text(
                    "INSERT INTO checks (id, sha256, filename, collection, region, period, received_at, received_by, state) "
                    f"VALUES ({number}, 'a', 'a.csv', 'EHCP', 'E12000001', '2024', {when}, 'lead', 'checked')"
                )
            )
            connection.execute(
                text(
                    f"INSERT INTO submissions VALUES ({number}, 'A-v{number}', 'EHCP', 'E12000001', '2024', {number}, '1.0.0', "
                    f"{number}, 'a', 'a.csv', 0, 'd', NULL, '{{}}', NULL, {when}, {when}, 'lead')"
                )
            )
        connection.execute(text(f"INSERT INTO submission_events VALUES (2, 'signed_off', {when}, 'signer', NULL)"))
    store.close()
    return store


def rows(connection: Connection) -> dict[str, list[Any]]:
    tables = sorted(inspect(connection).get_table_names())
    return {name: sorted(connection.execute(text(f"SELECT * FROM {name}")).all(), key=str) for name in tables}


def test_what_older_tables_have_room_for_is_there_after_down_and_up(old: Store) -> None:
    with old.engine.connect() as connection, connection.begin():
        before = rows(connection)
        command.upgrade(configuration(connection), "head")
        newest = rows(connection)
        assert len(newest["submission_steps"]) == 6
        downgrade(connection, "0001")
        assert rows(connection) == before
        command.upgrade(configuration(connection), "head")
        assert rows(connection) == newest
        with pytest.raises(StoreError, match=r"all of blobs \(1 row\); all of checks \(3 rows\)"):
            downgrade(connection, "base")


def test_what_would_be_lost_is_told_and_nothing_is_changed(
    any_store: Store, administrator: Actor, ehcp_csv: Callable[..., bytes], tamper: Any
) -> None:
    region, term = "E12000001", "2023/24 autumn"
    good = ehcp_csv(region, term)
    returns.submit_return(any_store, administrator, "ehcp_process", region, term, "a.csv", good)
    deadlines.ask_extension(any_store, administrator, "ehcp_process", region, term, day_of("7", "1", "2030"), "A flood.")
    with pytest.raises(returns.ReturnNotAccepted):
        upn = good.replace(b"plans_digital", b"pupil_name")
        returns.submit_return(any_store, administrator, "ehcp_process", region, term, "b.csv", upn)
    with any_store.read() as connection:
        before, there = rows(connection), schema(connection)
    lost = {
        "0004": ["which files were removed, since they held identifiers (1 row)"],
        "0002": ["requests for more time (1 row)", "returns with a deadline, or declared to be nil (1 row)"],
    }
    for version, words in lost.items():
        with (
            pytest.raises(StoreError, match="Nothing was changed.*restore a backup") as caught,
            any_store.write(administrator, "take_tables_back", version) as connection,
        ):
            downgrade(connection, version)
        assert all(one in str(caught.value) for one in words + lost["0004"]), caught.value
    with any_store.read() as connection:
        assert rows(connection) == before and schema(connection) == there


def test_a_step_that_older_tables_cannot_hold_is_counted(old: Store) -> None:
    with old.engine.connect() as connection, connection.begin():
        command.upgrade(configuration(connection), "head")
        at = "'2024-05-01 00:00:00'"
        connection.execute(text(f"INSERT INTO submission_steps VALUES (3, 2, 'withdrawn', {at}, 'lead', 'Wrong.')"))
        with pytest.raises(StoreError, match=r"steps of returns \(1 row\)"):
            downgrade(connection, "0002")
        assert set(METADATA.tables) < set(inspect(connection).get_table_names())


def test_the_command_goes_back_with_an_event_and_the_next_opening_goes_forth(
    any_url: str, monkeypatch: pytest.MonkeyPatch, people: Callable[[Store], dict[str, Actor]]
) -> None:
    monkeypatch.setenv("PILOTS_DATABASE_URL", any_url)

    def said(*typed: str) -> Result:
        return CliRunner().invoke(pilots, ["migrate", *typed], catch_exceptions=False)

    store = Store.open(any_url)
    people(store)
    newest, second = known_versions()[0], known_versions()[-2]
    done = json.loads(said("--to", second, "--json").stdout)
    assert (done["before"], done["now"]) == (newest, second)
    with store.engine.connect() as connection:
        assert stored_version(connection) == second and "submission_steps" not in inspect(connection).get_table_names()
        event = audit.events(connection)[0]
        assert (event["action"], event["detail"]) == ("take_tables_back", {"from": newest, "to": second})
        assert audit.verify(connection) == []
    assert f"The tables are of version {newest}, the newest" in said().stdout, "opening a store brings it up to date"
    text_said = " ".join(said("--to", "0001").stdout.split())
    assert f"of version 0001 now; they were of version {newest}" in text_said and "install the older one" in text_said
    refused = said("--to", "base")
    assert refused.exit_code == 1 and "There is no version “base” of the tables" in refused.stderr
    assert said("--as", "evaluator").exit_code == 1
    with Store.open(any_url).read() as connection:
        assert [one["action"] for one in audit.events(connection)].count("take_tables_back") == 2
    store.close()


@pytest.mark.parametrize("version", ["0009", known_versions()[0], ""])
def test_only_older_versions_can_be_named(any_store: Store, version: str) -> None:
    with any_store.read() as connection, pytest.raises(StoreError, match=f"0001, not to “{version}”. Nothing was changed"):
        downgrade(connection, version)
