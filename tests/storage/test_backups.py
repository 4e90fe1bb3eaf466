"""A backup of either database is taken back by the other, whole or not at all; damage anywhere in the file is found."""

import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from pilots import auditing, backups, deadlines, plans, releases, returns
from pilots.access import Actor
from pilots.backups import BackupError
from pilots.deadlines import day_of
from pilots.errors import UserError
from pilots.plans import named_plan
from pilots.storage import METADATA, Store, accounts, audit
from pilots.storage.copies import CopyError

EHCP, NORTH_EAST, TERM = "ehcp_process", "E12000001", "2023/24 autumn"


@pytest.fixture
def filled(any_store: Store, administrator: Actor, accepted: Any, ehcp_csv: Any, people: Any) -> Store:
    """A store with something in most of its tables."""
    people(any_store)
    first = returns.submit_return(any_store, administrator, EHCP, NORTH_EAST, TERM, "é.csv", ehcp_csv(NORTH_EAST, TERM))
    accepted(any_store, first.reference)
    asked = deadlines.ask_extension(any_store, administrator, EHCP, NORTH_EAST, TERM, day_of("7", "1", "2030"), "A flood.")
    deadlines.decide_extension(any_store, administrator, asked.reference, False, "No.")
    returns.declare_nil_return(any_store, administrator, EHCP, NORTH_EAST, "2023/24 spring", "Nothing came “in”.")
    plans.register_plan(any_store, administrator, named_plan("ehcp_timeliness"))
    releases.make_release(any_store, administrator, "first")
    return any_store


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Another store than the filled one, on each database in turn."""
    url = f"sqlite:///{tmp_path / 'empty.sqlite'}"
    if request.param == "postgresql":
        server = request.getfixturevalue("postgresql")
        with create_engine(server).begin() as connection:
            connection.execute(text("CREATE SCHEMA IF NOT EXISTS restored"))
        options = {"options": "-csearch_path=restored"}
        url = make_url(server).update_query_dict(options).render_as_string(hide_password=False)
    opened = Store.open(url)
    yield opened
    opened.close()
    if request.param == "postgresql":
        with create_engine(server).begin() as connection:
            connection.execute(text("DROP SCHEMA restored CASCADE"))


def digests(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        found: dict[str, Any] = json.loads(archive.read("manifest.json"))["tables"]
        assert set(found) == set(METADATA.tables) - {"sessions"}, "every table is in it but that of who is signed in"
        return found


def test_either_database_takes_back_what_the_other_gave(
    filled: Store, empty: Store, administrator: Actor, ehcp_csv: Any, tmp_path: Path
) -> None:
    made = backups.back_up(filled, administrator, tmp_path / "a.zip")
    done = backups.restore(empty, administrator, tmp_path / "a.zip")
    assert done == made and done.faults == () and done.files == 2
    again = backups.back_up(empty, administrator, tmp_path / "b.zip")
    before, after = digests(tmp_path / "a.zip"), digests(tmp_path / "b.zip")
    assert after.pop("audit_events")["rows"] == before.pop("audit_events")["rows"] + 1
    assert after == before, "every row is the same, bit for bit"
    assert auditing.verify_audit(empty, administrator, [made.mark, again.mark]).faults == ()
    with empty.read() as connection:
        assert audit.events(connection)[0]["action"] == "restore"
    for one in returns.submissions(filled, administrator):
        assert returns.submission(empty, administrator, one.reference) == one
        assert returns.original_file(empty, administrator, one.reference) == returns.original_file(
            filled, administrator, one.reference
        )
    # And life goes on: numbers go on after those that were restored.
    new = ehcp_csv(NORTH_EAST, TERM, first=120)
    sent = returns.submit_return(empty, administrator, EHCP, NORTH_EAST, TERM, "b.csv", new, reason="Two more.")
    assert sent.version == 2


def test_what_is_written_meanwhile_is_not_in_it(filled: Store, administrator: Actor, tmp_path: Path) -> None:
    told: list[str] = []

    def others_work(share: float, words: str) -> None:
        if not told:
            with filled.write(administrator, "manage_accounts", "late") as connection:
                accounts.save_account(
                    connection, issuer="development", subject="late", name="Late", role="researcher", regions=[]
                )
        told.append(words)
        assert 0 <= share <= 1

    with filled.read() as connection:
        before = audit.last_event(connection)
    made = backups.back_up(filled, administrator, tmp_path / "a.zip", others_work)
    assert made.mark == auditing.mark_of(before)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert b'"late"' not in archive.read("tables/accounts.jsonl")
    assert auditing.verify_audit(filled, administrator).events == before["events"] + 1


@pytest.fixture
def backup(store: Store, administrator: Actor, ehcp_csv: Any, tmp_path: Path) -> bytes:
    returns.submit_return(store, administrator, EHCP, NORTH_EAST, TERM, "a.csv", ehcp_csv(NORTH_EAST, TERM))
    backups.back_up(store, administrator, tmp_path / "whole.zip")
    return (tmp_path / "whole.zip").read_bytes()


def edited(content: bytes, name: str, change: Callable[[bytes], bytes | None]) -> bytes:
    """A backup in which one member is another, or is left out; the container itself is sound."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(made, "w") as new:
        for member in old.namelist():
            kept = change(old.read(member)) if member == name else old.read(member)
            if kept is not None:
                new.writestr(member, kept)
    return made.getvalue()


def test_damage_to_any_part_is_found_and_nothing_is_restored(backup: bytes, administrator: Actor, tmp_path: Path) -> None:
    target = Store.open(f"sqlite:///{tmp_path / 'target.sqlite'}")
    with zipfile.ZipFile(io.BytesIO(backup)) as archive:
        sizes = {name: len(archive.read(name)) for name in archive.namelist()}
    changes: dict[str, Callable[[bytes], bytes | None]] = {
        "left out": lambda old: None,
        "a letter changed": lambda old: old[: len(old) // 2] + bytes([old[len(old) // 2] ^ 1]) + old[len(old) // 2 + 1 :],
        "a line more": lambda old: old + b"{}\n",
        "cut short": lambda old: old[:-2],
    }
    for name, size in sizes.items():
        for what, change in changes.items():
            if (size == 0 and what in ("a letter changed", "cut short")) or (name == "manifest.json" and what != "left out"):
                continue
            path = tmp_path / "damaged.zip"
            path.write_bytes(edited(backup, name, change))
            with pytest.raises(CopyError, match="damaged|not a whole backup"):
                backups.check_backup(administrator, path)
            with pytest.raises(CopyError):
                backups.restore(target, administrator, path)
    with target.read() as connection:
        assert audit.last_event(connection)["events"] == 0
    path.write_bytes(backup)
    assert backups.restore(target, administrator, path).faults == ()
    target.close()


def test_damage_that_makes_a_day_impossible_is_found(backup: bytes, administrator: Actor, tmp_path: Path) -> None:
    target, path = Store.open(f"sqlite:///{tmp_path / 'target.sqlite'}"), tmp_path / "damaged.zip"
    with zipfile.ZipFile(io.BytesIO(backup)) as archive:
        (name,) = [one for one in archive.namelist() if "audit_events" in one]
    path.write_bytes(edited(backup, name, lambda old: re.sub(rb'("at": ?"\d{4})-\d\d-\d\d', rb"\1-02-31", old, count=1)))
    with pytest.raises(CopyError, match="damaged"):
        backups.check_backup(administrator, path)
    with pytest.raises(CopyError, match="The rows of audit_events cannot be stored: day .* Nothing was changed"):
        backups.restore(target, administrator, path)
    with target.read() as connection:
        assert audit.last_event(connection)["events"] == 0
    target.close()


@pytest.mark.parametrize("length", [0, 100, -1, -1000])
def test_a_file_that_ends_early_is_no_backup(backup: bytes, length: int, administrator: Actor, tmp_path: Path) -> None:
    (tmp_path / "cut.zip").write_bytes(backup[:length])
    with pytest.raises(BackupError, match="not a whole backup"):
        backups.check_backup(administrator, tmp_path / "cut.zip")


def test_a_store_that_holds_something_is_left_alone(store: Store, backup: bytes, administrator: Actor, tmp_path: Path) -> None:
    with pytest.raises(CopyError, match="into an empty store, and this one is not"):
        backups.restore(store, administrator, tmp_path / "whole.zip")
    with pytest.raises(BackupError, match="is there already and was left as it is"):
        backups.back_up(store, administrator, tmp_path / "whole.zip")
    assert (tmp_path / "whole.zip").read_bytes() == backup


def test_tables_of_another_version_and_newer_backups_say_what_to_do(backup: bytes, administrator: Actor, tmp_path: Path) -> None:
    def other(**facts: Any) -> Path:
        (tmp_path / "other.zip").write_bytes(
            edited(backup, "manifest.json", lambda old: json.dumps({**json.loads(old), **facts}).encode())
        )
        return tmp_path / "other.zip"

    target = Store.open(f"sqlite:///{tmp_path / 'target.sqlite'}")
    with pytest.raises(CopyError, match="tables of version 0001.*the platform that made it"):
        backups.restore(target, administrator, other(tables_version="0001"))
    with pytest.raises(CopyError, match="made by a newer version"):
        backups.restore(target, administrator, other(format=2))
    target.close()


def test_a_backup_that_cannot_be_finished_leaves_no_file(store: Store, administrator: Actor, tmp_path: Path) -> None:
    def full(share: float, words: str) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(BackupError, match="No space left"):
        backups.back_up(store, administrator, tmp_path / "a.zip", full)
    assert not (tmp_path / "a.zip").exists()
    with pytest.raises(UserError, match="cannot be written"):
        backups.back_up(store, administrator, tmp_path / "no such folder" / "a.zip")
