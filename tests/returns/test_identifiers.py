"""A file that holds identifiers of persons is checked, refused and not kept: nothing of them is in the store or in its copies."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from click.testing import CliRunner
from openpyxl.comments import Comment
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from pilots import auditing, backups, deadlines, explanations, returns
from pilots.__main__ import pilots
from pilots.access import Actor
from pilots.errors import UserError
from pilots.register import register_reforms
from pilots.returns import ReturnNotAccepted
from pilots.storage import METADATA, Store
from pilots.storage.blobs import NotKept, keep_again, keep_bytes, kept_bytes, remove_bytes, removed_bytes
from pilots.storage.checks import NOT_KEPT, add_check, finish_check, mark_not_kept
from pilots.unkept import purge

EHCP, NORTH_EAST, TERM = "ehcp_process", "E12000001", "2023/24 autumn"
SECRET = "A123456789012"
Csv = Callable[..., bytes]


def in_a_text(content: bytes) -> bytes:
    first, *others = content.decode().splitlines()
    return "\n".join([f"{first},remarks", *(f"{line},Pupil {SECRET}" for line in others), ""]).encode()


def in_a_number(content: bytes) -> bytes:
    return content.replace(b",21.5,", f",{SECRET},".encode(), 1).replace(b",20,60,", f",{SECRET},60,".encode(), 1)


def without_headings(content: bytes) -> bytes:
    return f"{SECRET},Smith,1\nB123456789012,Jones,2\n".encode()


def headed_alone(content: bytes) -> bytes:
    return b"Surname,Forename,Year\nSmith,A123,7\n"


def workbook(content: bytes, hidden: bool) -> bytes:
    """The return as a workbook, with a note on another sheet."""
    book, held = openpyxl.Workbook(), io.BytesIO()
    for line in content.decode().splitlines():
        book.active.append([int(one) if one.isdigit() else one for one in line.split(",")])  # type: ignore[union-attr]
    notes = book.create_sheet("Working")
    notes["B7"] = f"See {SECRET}"
    notes.sheet_state = "hidden" if hidden else "visible"
    book.save(held)
    return held.getvalue()


def commented(content: bytes) -> bytes:
    """The return as a workbook, with a comment at a cell."""
    book, held = openpyxl.load_workbook(io.BytesIO(workbook(content, False))), io.BytesIO()
    del book["Working"]
    book.worksheets[0]["C3"].comment = Comment(f"See {SECRET}", "Someone")
    book.save(held)
    return held.getvalue()


FILES: dict[str, Callable[[bytes], bytes]] = {
    "in a text": in_a_text,
    "in a number": in_a_number,
    "without headings": without_headings,
    "headed": headed_alone,
    "on another sheet": lambda content: workbook(content, False),
    "at a cell of a sheet": commented,
    "on a hidden sheet": lambda content: workbook(content, True),
}


def holding(store: Store, what: str) -> set[str]:
    """Table and column of each place in the store where a text stands."""
    found = set()
    with store.read() as connection:
        for table in METADATA.sorted_tables:
            for row in connection.execute(select(table)).mappings():
                found |= {f"{table.name}.{name}" for name, value in row.items() if what in str(value)}
    return found


@pytest.mark.parametrize("name", FILES)
def test_a_file_with_identifiers_is_refused_and_not_kept(
    any_store: Store, administrator: Actor, ehcp_csv: Csv, tmp_path: Path, name: str
) -> None:
    content = FILES[name](ehcp_csv(NORTH_EAST, TERM))
    about = (EHCP, NORTH_EAST, TERM, "return.xlsx" if "sheet" in name else "return.csv", content)
    for _ in range(2):  # sent again it is no more kept than before
        with pytest.raises(ReturnNotAccepted) as caught:
            returns.submit_return(any_store, administrator, *about)
        report = caught.value.report
        assert report is not None and SECRET not in str(caught.value) and report.findings[-1].rule == "text.not_kept"
        assert holding(any_store, SECRET) == set()
    check = returns.checks(any_store, administrator)[0]
    assert (check["state"], check["filename"]) == (NOT_KEPT, about[3]) and check["errors"] > 0
    with any_store.read() as connection, pytest.raises(NotKept, match="was not kept: it held identifiers"):
        kept_bytes(connection, check["sha256"])
    with pytest.raises(NotKept):
        explanations.queries_of_check(any_store, administrator, check["reference"])
    assert returns.findings(any_store, administrator, check["reference"])[-1]["rule"] == "text.not_kept"
    assert auditing.verify_audit(any_store, administrator).faults == ()
    if any_store.engine.dialect.name == "sqlite":
        files = [path for path in tmp_path.iterdir() if path.name.startswith("store.sqlite")]
        assert files and not [
            path for path in files if content[:200] in path.read_bytes() or SECRET.encode() in path.read_bytes()
        ]


def test_a_name_with_an_identifier_is_not_kept(any_store: Store, administrator: Actor, ehcp_csv: Csv) -> None:
    good, name = ehcp_csv(NORTH_EAST, TERM), f"return_{SECRET}_x.csv"
    sent = returns.submit_return(any_store, administrator, EHCP, NORTH_EAST, TERM, name, good)
    assert sent.filename == "return (not shown) x.csv" and holding(any_store, SECRET) == set()


def test_what_people_write_beside_a_return_holds_no_identifier(any_store: Store, administrator: Actor, ehcp_csv: Csv) -> None:
    about, words = (EHCP, NORTH_EAST, TERM), f"Ask about {SECRET}."
    content = ehcp_csv(NORTH_EAST, TERM)
    sent = returns.submit_return(any_store, administrator, *about, "a.csv", content).reference
    check = returns.checks(any_store, administrator)[0]["reference"]
    later, register = deadlines.day_of("7", "1", "2090"), b"authority,reform,start,end,stage,intensity,halted_reason\n"
    said: list[Callable[[], Any]] = [
        lambda: returns.submit_return(any_store, administrator, *about, "a.csv", content + b"\n", reason=words),
        lambda: returns.submit_return(any_store, administrator, *about, "a.csv", content, {"many_refused": words}, "x"),
        lambda: returns.declare_nil_return(any_store, administrator, *about, words),
        lambda: returns.send_back_return(any_store, administrator, sent, words),
        lambda: returns.withdraw_return(any_store, administrator, sent, words),
        lambda: explanations.explain_return(any_store, administrator, check, {"many_refused": words}),
        lambda: deadlines.ask_extension(any_store, administrator, *about, later, words),
        lambda: deadlines.decide_extension(any_store, administrator, "MORE-TIME-0001", False, words),
        lambda: register_reforms(any_store, administrator, "r.csv", register, reason=words),
    ]
    for task in said:
        with pytest.raises(UserError, match="unique pupil number|fit no query") as caught:
            task()
        assert SECRET not in str(caught.value)
    assert holding(any_store, SECRET) == set()


def test_a_good_file_that_was_put_right_is_kept(any_store: Store, administrator: Actor, ehcp_csv: Csv) -> None:
    good = ehcp_csv(NORTH_EAST, TERM)
    with pytest.raises(ReturnNotAccepted):
        returns.submit_return(any_store, administrator, EHCP, NORTH_EAST, TERM, "a.csv", in_a_text(good))
    sent = returns.submit_return(any_store, administrator, EHCP, NORTH_EAST, TERM, "a.csv", good)
    assert returns.original_file(any_store, administrator, sent.reference) == ("a.csv", good)


# What nobody can look into.
UNREAD = {
    "register.pdf": b"%PDF-1.7\n" + bytes(600),
    "secret.xlsx": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le"),
    "old.xls": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "Workbook".encode("utf-16-le"),
}


@pytest.mark.parametrize("name", UNREAD)
def test_a_file_that_nobody_can_look_into_is_refused_and_kept(any_store: Store, administrator: Actor, name: str) -> None:
    with pytest.raises(ReturnNotAccepted):
        returns.submit_return(any_store, administrator, EHCP, NORTH_EAST, TERM, name, UNREAD[name])
    check = returns.checks(any_store, administrator)[0]
    with any_store.read() as connection:
        assert kept_bytes(connection, check["sha256"]) == UNREAD[name]


def refused_before(store: Store, actor: Actor, name: str, content: bytes, finished: bool = True) -> str:
    """A refused file as an older platform left it: kept, whatever is in it."""
    detail: dict[str, Any] = {"step": "received"}
    with store.write(actor, "check_return", "x", detail) as connection:
        sha256 = keep_bytes(connection, content)
        facts = {"collection": EHCP, "region": NORTH_EAST, "period": TERM, "filename": name}
        number, _ = add_check(connection, received_by="a", sha256=sha256, **facts)
        detail |= {"sha256": sha256, "check": number}
        if finished:
            columns = ("sheet", "row", "cell", "column", "value")
            fault = {"rule": "x", "severity": "error", "message": "x", "fix": "x", "key": "x", **dict.fromkeys(columns)}
            finish_check(connection, number, contract_version="1.0.0", report={}, findings=[fault])
    return sha256


def test_refused_files_from_before_are_found_and_removed(
    any_store: Store, administrator: Actor, ehcp_csv: Csv, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = ehcp_csv(NORTH_EAST, TERM)
    sent: Any = returns.submit_return(any_store, administrator, EHCP, NORTH_EAST, TERM, "good.csv", good)
    may = {refused_before(any_store, administrator, "negative.csv", good.replace(b",20,60,", b",-20,60,")), sent.sha256}
    may.add(refused_before(any_store, administrator, "empty.csv", b""))
    refused_before(any_store, administrator, "good.csv", good)  # the same bytes, for which a submission stands
    held = {name: make(good) for name, make in FILES.items()}
    gone = {
        refused_before(any_store, administrator, "f.xlsx" if "sheet" in name else "f.csv", one, name != "headed"): NOT_KEPT
        for name, one in held.items()
    }
    may |= {refused_before(any_store, administrator, name, content) for name, content in UNREAD.items()}
    with any_store.write(administrator, "import_published", "cases.csv") as connection:
        gone[keep_bytes(connection, FILES["in a text"](good) + b"\n")] = "left by an import that was refused"
    monkeypatch.setenv("PILOTS_DATABASE_URL", any_store.engine.url.render_as_string(hide_password=False))
    looked = CliRunner().invoke(pilots, ["purge", "--check", "--json"], catch_exceptions=False)
    assert {one["sha256"]: one["state"] for one in json.loads(looked.stdout)["found"]} == gone
    with any_store.read() as connection:
        assert removed_bytes(connection) == [], "it only looked"
    done = CliRunner().invoke(pilots, ["purge"], catch_exceptions=False).stdout
    assert f"{len(gone) + 5} refused files were looked through" in done and "f.csv: not kept: it held identifiers" in done
    with any_store.read() as connection:
        assert set(removed_bytes(connection)) == set(gone)
        assert all(kept_bytes(connection, sha256) is not None for sha256 in may)
    assert holding(any_store, SECRET) == set()
    assert auditing.verify_audit(any_store, administrator).faults == ()
    again = purge(any_store, administrator)
    assert (again.looked, again.found) == (5, ()) and again.text().endswith("looked through. All may be kept.")


def test_a_backup_holds_nothing_of_it_and_is_taken_back(
    any_store: Store, administrator: Actor, ehcp_csv: Csv, tmp_path: Path
) -> None:
    with pytest.raises(ReturnNotAccepted):
        returns.submit_return(any_store, administrator, EHCP, NORTH_EAST, TERM, "a.csv", in_a_text(ehcp_csv(NORTH_EAST, TERM)))
    made = backups.back_up(any_store, administrator, tmp_path / "a.zip")
    assert backups.check_backup(administrator, tmp_path / "a.zip") == made
    empty = Store.open(f"sqlite:///{tmp_path / 'empty.sqlite'}")
    assert backups.restore(empty, administrator, tmp_path / "a.zip").faults == ()
    assert holding(empty, SECRET) == set() and returns.checks(empty, administrator)[0]["state"] == NOT_KEPT
    empty.close()


def test_removed_bytes_that_the_log_does_not_tell_of_are_found(any_store: Store, administrator: Actor, removed: str) -> None:
    found = auditing.verify_audit(any_store, administrator).faults
    assert any(f"the bytes of the file with SHA-256 {removed} were removed" in fault for fault in found)


@pytest.fixture
def removed(any_store: Store, administrator: Actor) -> Iterator[str]:
    """Digest of a file of three bytes that was removed past the tasks."""
    with any_store.write(administrator, "build_demonstration", "x") as connection:
        sha256 = keep_bytes(connection, b"abc")
        facts = {"collection": EHCP, "region": NORTH_EAST, "period": TERM, "filename": "a.csv"}
        number, _ = add_check(connection, received_by="a", sha256=sha256, **facts)
        mark_not_kept(connection, number)
        remove_bytes(connection, sha256)
    yield sha256


def test_the_database_takes_no_other_change_of_bytes(any_store: Store, administrator: Actor, removed: str) -> None:
    with any_store.write(administrator, "build_demonstration", "y") as connection:
        other = keep_bytes(connection, b"xyz")
        add_check(connection, received_by="a", sha256=other, collection=EHCP, region=NORTH_EAST, period=TERM, filename="b.csv")
    mine, others = f"WHERE sha256 = '{removed}'", f"WHERE sha256 = '{other}'"
    gone = "content = '', removed_at = '2026-01-01 00:00:00+00:00'"
    for statement in (
        f"UPDATE blobs SET {gone} {others}",  # no check says why
        f"UPDATE blobs SET content = 'abcd', removed_at = NULL {mine}",
        f"UPDATE blobs SET content = 'abc' {mine}",
        f"UPDATE blobs SET size = 4 {mine}",
        f"UPDATE blobs SET sha256 = 'other' {mine}",
        f"DELETE FROM blobs {mine}",
    ):
        with pytest.raises(DBAPIError, match="blobs is append-only"), any_store.engine.begin() as connection:
            connection.execute(text(statement))
    with any_store.write(administrator, "build_demonstration", "z") as connection:
        keep_again(connection, b"abc")
        assert kept_bytes(connection, removed) == b"abc"


def test_bytes_on_which_a_submission_rests_stay(any_store: Store, administrator: Actor, ehcp_csv: Csv) -> None:
    sent: Any = returns.submit_return(any_store, administrator, EHCP, NORTH_EAST, TERM, "a.csv", ehcp_csv(NORTH_EAST, TERM))
    with any_store.write(administrator, "build_demonstration", "x") as connection:
        mark_not_kept(connection, 1)
    with (
        pytest.raises(DBAPIError, match="blobs is append-only"),
        any_store.write(administrator, "build_demonstration", "y") as connection,
    ):
        remove_bytes(connection, sent.sha256)
