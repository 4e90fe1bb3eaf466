"""Every bad input at the door of the store: its bytes are kept, unless they hold identifiers, and what was found beside."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from data_contracts import Context, Limits, load_contract
from pilots import returns
from pilots.access import LOCAL_ADMINISTRATOR, NotAllowed
from pilots.returns import ReturnNotAccepted
from pilots.storage import Store
from pilots.storage.blobs import NotKept, kept_bytes
from pilots.storage.checks import CHECKED, NOT_KEPT, stored_check, stored_findings
from pilots.uploads import Target, examine, receive

NORTH_EAST, TERM = "E12000001", "2023/24 autumn"
PLACE = ("rule", "severity", "row", "cell")


@pytest.fixture(scope="module")
def kept(lasting_url: Callable[[], str]) -> Iterator[Store]:
    """One store for all bad inputs."""
    store = Store.open(lasting_url())
    yield store
    store.close()


def sent(store: Store, case: Any, content: bytes, contexts: dict[str, Context]) -> None:
    """Send a file the way of every return; one that needs a contract or a context of its own joins that way one step later."""
    if case.contract == "ehcp_process" and not case.context:
        returns.check_return(store, LOCAL_ADMINISTRATOR, case.contract, NORTH_EAST, TERM, case.filename, content)
        return
    target = Target(case.loaded(), NORTH_EAST, TERM)
    upload = receive(store, LOCAL_ADMINISTRATOR, "check_return", target, case.filename, content)
    examine(store, LOCAL_ADMINISTRATOR, "check_return", target, upload, case.known(contexts))


def test_findings_of_each_are_kept_and_bytes_unless_they_tell_of_persons(
    bad_file: Any, kept: Store, contexts: dict[str, Context]
) -> None:
    content = bad_file.content()
    sent(kept, bad_file, content, contexts)
    check = returns.checks(kept, LOCAL_ADMINISTRATOR)[0]
    with kept.read() as connection:
        found, row = stored_findings(connection, check["id"]), stored_check(connection, check["id"])
        personal = {"text.personal_data", "text.personal_heading"} & {one["rule"] for one in found}
        if personal:
            with pytest.raises(NotKept):
                kept_bytes(connection, check["sha256"])
            assert found.pop()["rule"] == "text.not_kept"
        else:
            assert kept_bytes(connection, check["sha256"]) == content
    assert row is not None and row["state"] == (NOT_KEPT if personal else CHECKED)
    assert check["sha256"] == row["report"]["sha256"] == hashlib.sha256(content).hexdigest()
    # Limits that were lowered for a case are not those of the store: there the file is a good one, or only larger.
    if bad_file.limits == Limits():
        places = [tuple(one[name] for name in PLACE) for one in found]
        assert sorted(places, key=str) == sorted(bad_file.expect, key=str)
        assert all(one["message"] and one["fix"] for one in found)


def good() -> bytes:
    return load_contract("ehcp_process").example_csv().encode()


def submitted(store: Store, content: bytes, filename: str = "return.csv", reason: str | None = None) -> Any:
    return returns.submit_return(store, LOCAL_ADMINISTRATOR, "ehcp_process", NORTH_EAST, TERM, filename, content, reason=reason)


def told(store: Store, content: bytes, filename: str = "return.csv") -> list[tuple[str, str]]:
    """Rule and message of what a check says and keeps."""
    returns.check_return(store, LOCAL_ADMINISTRATOR, "ehcp_process", NORTH_EAST, TERM, filename, content)
    reference = returns.checks(store, LOCAL_ADMINISTRATOR)[0]["reference"]
    return [(one["rule"], one["message"]) for one in returns.findings(store, LOCAL_ADMINISTRATOR, reference)]


def test_item_90_the_same_file_under_another_name_is_told_and_the_note_is_kept(store: Store) -> None:
    first = submitted(store, good())
    ((rule, message),) = told(store, good(), "another name.csv")
    assert rule == "history.same_file" and first.reference in message
    assert submitted(store, good(), "another name.csv").repeated


def test_items_87_and_90_an_older_version_after_a_newer_one_is_told_and_asks_for_a_reason(store: Store) -> None:
    older, newer = good(), good().replace(b",238,29,", b",239,29,")
    first = submitted(store, older)
    second = submitted(store, newer, reason="One request more.")
    ((rule, message),) = told(store, older)
    assert rule == "history.older_file" and first.reference in message and second.reference in message
    with pytest.raises(ReturnNotAccepted, match=f"{second.reference}.*give a reason"):
        submitted(store, older)


def test_item_84_a_lead_cannot_send_the_file_of_another_region(store: Store, people: Any) -> None:
    lead = people(store)["lead-E12000002"]
    with pytest.raises(NotAllowed):
        returns.check_return(store, lead, "ehcp_process", NORTH_EAST, TERM, "return.csv", good())
    assert returns.checks(store, LOCAL_ADMINISTRATOR) == []
