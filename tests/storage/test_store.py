import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from pilots.access import Actor, NotAllowed
from pilots.storage import Store, StoreError, accounts, audit, settings
from pilots.storage import store as store_module
from tests.processes import PATIENCE


def test_change_and_audit_event_are_kept_together(any_store: Store, administrator: Actor) -> None:
    with any_store.write(administrator, "build_demonstration", "colour", {"why": "a test"}) as connection:
        settings.set_setting(connection, "colour", {"name": "blue"})
    with any_store.read() as connection:
        assert settings.get_setting(connection, "colour") == {"name": "blue"}
        (event,) = audit.events(connection)
    assert (event["actor"], event["action"], event["subject"]) == ("local-administrator", "build_demonstration", "colour")
    assert event["detail"] == {"why": "a test"} and event["at"].tzinfo is not None


def test_change_and_audit_event_are_rolled_back_together(any_store: Store, administrator: Actor) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        any_store.write(administrator, "build_demonstration", "colour") as connection,
    ):
        settings.set_setting(connection, "colour", "blue")
        raise ZeroDivisionError
    with any_store.read() as connection:
        assert settings.get_setting(connection, "colour", "none") == "none"
        assert audit.events(connection) == []


def test_event_that_cannot_be_stored_takes_its_change_with_it(any_store: Store, administrator: Actor) -> None:
    with (
        pytest.raises(ValueError, match="Out of range float"),
        any_store.write(administrator, "build_demonstration", "colour", {"share": float("nan")}) as connection,
    ):
        settings.set_setting(connection, "colour", "blue")
    with any_store.read() as connection:
        assert settings.get_setting(connection, "colour") is None


def test_what_is_written_through_a_reading_connection_is_not_kept(any_store: Store) -> None:
    with any_store.read() as connection:
        settings.set_setting(connection, "colour", "blue")
    with any_store.read() as connection:
        assert settings.get_setting(connection, "colour") is None


def test_reader_sees_one_state_whatever_is_written_meanwhile(any_store: Store, administrator: Actor) -> None:
    def write(colour: str) -> None:
        with any_store.write(administrator, "build_demonstration", colour) as connection:
            settings.set_setting(connection, "colour", colour)

    write("blue")
    with any_store.read() as connection:
        assert settings.get_setting(connection, "colour") == "blue"
        write("red")
        assert settings.get_setting(connection, "colour") == "blue"
    with any_store.read() as connection:
        assert settings.get_setting(connection, "colour") == "red"


def test_writer_sees_what_was_written_while_it_waited(any_store: Store, administrator: Actor) -> None:
    def count(_: int) -> None:
        with any_store.write(administrator, "build_demonstration", "count") as connection:
            settings.set_setting(connection, "count", settings.get_setting(connection, "count", 0) + 1)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, range(20)))
    with any_store.read() as connection:
        assert settings.get_setting(connection, "count") == 20


@pytest.mark.parametrize("how", ["removed", "moved", "replaced"])
def test_file_that_goes_away_is_told_and_nothing_is_written_where_nobody_finds_it(
    sqlite_url: str, administrator: Actor, tmp_path: Path, how: str
) -> None:
    store, place = Store.open(sqlite_url), tmp_path / "store.sqlite"
    place.unlink() if how == "removed" else place.rename(tmp_path / "elsewhere.sqlite")
    if how == "replaced":
        Store.open(sqlite_url).close()
    words = "is another file than the one that was opened" if how == "replaced" else "has gone: it was moved or removed"
    with pytest.raises(StoreError, match=f"could not be read: its file {words}. Nothing was changed. Put it back"), store.read():
        pass
    with pytest.raises(StoreError, match=words), store.write(administrator, "make_release", "x"):
        pass
    assert place.exists() == (how == "replaced"), "no empty store takes its place"
    if how == "moved":
        (tmp_path / "elsewhere.sqlite").rename(place)
        with store.write(administrator, "make_release", "x") as connection:
            settings.set_setting(connection, "colour", "blue")
    store.close()


def test_damaged_file_is_told(sqlite_url: str, administrator: Actor, tmp_path: Path) -> None:
    store, place = Store.open(sqlite_url), tmp_path / "store.sqlite"
    with store.write(administrator, "make_release", "x"):
        pass
    store.close()
    whole = place.read_bytes()
    with place.open("r+b") as handle:
        handle.seek(4096)
        handle.write(b"?" * (len(whole) - 4096))
    with (
        pytest.raises(StoreError, match="could not be read: .*Its file is damaged.*restore a backup"),
        store.read() as connection,
    ):
        audit.events(connection)
    with pytest.raises(StoreError, match="damaged"), store.write(administrator, "make_release", "y"):
        pass
    with pytest.raises(StoreError, match="cannot be opened: .*malformed"):
        Store.open(sqlite_url)
    place.write_bytes(whole)
    with store.write(administrator, "make_release", "y") as connection:
        assert audit.verify(connection) == []
    store.close()


def test_file_that_goes_away_while_it_is_written_to_gives_no_receipt(
    sqlite_url: str, administrator: Actor, tmp_path: Path
) -> None:
    store = Store.open(sqlite_url)
    with pytest.raises(StoreError, match="What was written may be lost"), store.write(administrator, "make_release", "x"):
        (tmp_path / "store.sqlite").unlink()
    store.close()


@pytest.mark.parametrize("change", [{"active": False}, {"role": "researcher"}, {"regions": ["E12000002"]}])
def test_account_closed_or_changed_stops_the_next_write(
    any_store: Store, administrator: Actor, change: dict[str, object]
) -> None:
    lead = Actor("anna", "Anna", "lead", ("E12000001",), "development")
    facts = {"issuer": "development", "subject": "anna", "name": "Anna", "role": "lead", "regions": ["E12000001"]}
    with any_store.write(administrator, "manage_accounts", "anna") as connection:
        accounts.save_account(connection, **facts)  # type: ignore[arg-type]
    with any_store.write(lead, "submit_return", "first") as connection:
        settings.set_setting(connection, "colour", "blue")
    with any_store.write(administrator, "manage_accounts", "anna") as connection:
        accounts.save_account(connection, **{**facts, **change})  # type: ignore[arg-type]
    with pytest.raises(NotAllowed, match="Nothing was changed"), any_store.write(lead, "submit_return", "second") as connection:
        settings.set_setting(connection, "colour", "red")
    with any_store.read() as connection:
        assert settings.get_setting(connection, "colour") == "blue"


def test_account_that_never_was_is_stopped(store: Store) -> None:
    with (
        pytest.raises(NotAllowed, match="is closed"),
        store.write(Actor("eve", "Eve", "administrator", (), "development"), "make_release", "x"),
    ):
        pass


def test_url_of_the_environment_chooses_the_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PILOTS_DATABASE_URL", f"sqlite:///{tmp_path / 'a' / 'b' / 'chosen.sqlite'}")
    Store.open().close()
    assert (tmp_path / "a" / "b" / "chosen.sqlite").is_file()


def test_without_a_url_the_store_is_a_file_under_var(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PILOTS_DATABASE_URL")
    monkeypatch.chdir(tmp_path)
    Store.open().close()
    assert (tmp_path / "var" / "pilots.sqlite").is_file()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "cannot be read"),
        ("oracle://somewhere/x", "SQLite or PostgreSQL"),
        ("postgresql+psycopg://nobody@127.0.0.1:1/none", "cannot be opened"),
    ],
)
def test_store_that_cannot_be_opened_says_what_to_do(url: str, words: str) -> None:
    with pytest.raises(StoreError, match=words):
        Store.open(url)


def test_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "letter.sqlite"
    path.write_text("Dear Minister, " * 200)
    with pytest.raises(StoreError, match="cannot be opened"):
        Store.open(f"sqlite:///{path}")
    assert path.read_text().startswith("Dear Minister")


def test_password_is_never_shown(store: Store) -> None:
    with pytest.raises(StoreError) as caught:
        Store.open("postgresql+psycopg://user:secret@127.0.0.1:1/none")
    assert "secret" not in str(caught.value)


def test_writer_that_waits_too_long_is_told(
    any_url: str, administrator: Actor, monkeypatch: pytest.MonkeyPatch, people: Callable[[Store], dict[str, Actor]]
) -> None:
    usual = store_module.BUSY_SECONDS
    monkeypatch.setattr(store_module, "BUSY_SECONDS", 1)
    store = Store.open(any_url)
    with store.write(administrator, "build_demonstration", "long"):
        began = time.monotonic()
        with (
            pytest.raises(StoreError, match="Nothing was changed. Try again"),
            store.write(administrator, "build_demonstration", "short"),
        ):
            pass
        assert 0.5 < time.monotonic() - began < usual, "it waited as long as is set, and no longer"
    with store.read() as connection:
        assert [event["subject"] for event in audit.events(connection)] == ["long"]
    store.close()


OPENS_WHEN_TOLD = """
import sys
from pilots.storage import Store
from pilots.storage import store as store_module
store_module.BUSY_SECONDS = 300
print("ready", flush=True)
sys.stdin.readline()
Store.open(sys.argv[1]).close()
print("opened", flush=True)
"""


def test_several_processes_open_a_new_store_at_once(any_url: str, administrator: Actor) -> None:
    command = [sys.executable, "-c", OPENS_WHEN_TOLD, any_url]
    children = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for child in children:
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    assert [child.communicate(timeout=PATIENCE)[0] for child in children] == ["opened\n"] * 3
    store = Store.open(any_url)
    with store.write(administrator, "build_demonstration", "colour") as connection:
        assert connection.execute(text("SELECT count(*) FROM alembic_version")).scalar_one() == 1
    store.close()


def test_several_threads_open_a_new_store_at_once(any_url: str) -> None:
    gate, found = threading.Barrier(4), []

    def open_one() -> None:
        gate.wait(timeout=PATIENCE)
        store = Store.open(any_url)
        with store.read() as connection:
            found.append(connection.execute(text("SELECT count(*) FROM alembic_version")).scalar_one())
        store.close()

    threads = [threading.Thread(target=open_one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1] * 4


def test_a_file_where_the_folder_should_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("not a folder", encoding="utf-8")
    with pytest.raises(StoreError, match="cannot be opened"):
        Store.open(f"sqlite:///{tmp_path / 'taken' / 'store.sqlite'}")
