"""Accepted corrections go the whole way: the file stays as it came, the changes are written down, the rows are corrected."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from pilots import returns
from pilots.access import LOCAL_ADMINISTRATOR, Actor, NotAllowed
from pilots.corrections import corrected_file, corrections_of
from pilots.errors import UserError
from pilots.returns import ReturnNotAccepted
from pilots.storage import Store, audit
from pilots.storage.blobs import kept_bytes

EHCP, NORTH_EAST, TERM = "ehcp_process", "E12000001", "2023/24 autumn"
ABOUT = (EHCP, NORTH_EAST, TERM, "autumn.csv")
Csv = Callable[..., bytes]
People = Callable[[Store], dict[str, Actor]]
RULES = ("values.name_for_code", "types.thousands")


@pytest.fixture
def faulty(ehcp_csv: Csv) -> bytes:
    """A return with two names for codes and a mark between thousands."""
    content = ehcp_csv(NORTH_EAST, TERM).replace(b"E06000001", b"Hartlepool").replace(b"E06000047", b"Durham")
    return content.replace(b",102,20,", b',"1,020",20,')


def test_the_file_is_kept_and_the_rows_are_the_corrected_ones(any_store: Store, people: People, faulty: bytes) -> None:
    lead = people(any_store)[f"lead-{NORTH_EAST}"]
    checked = returns.check_with_corrections(any_store, lead, *ABOUT, faulty)
    assert {one.rule for one in checked.offered} == set(RULES) and checked.made == ()
    part = returns.check_with_corrections(any_store, lead, *ABOUT, faulty, [checked.offered[0].key])
    assert len(part.made) == 1 and len(part.offered) == 2 and part.report.errors
    with pytest.raises(ReturnNotAccepted, match="errors"):
        returns.submit_return(any_store, lead, *ABOUT, faulty, corrections=[checked.offered[0].key])

    receipt = returns.submit_return(any_store, lead, *ABOUT, faulty, corrections=RULES)
    assert (receipt.corrections, receipt.sha256) == (3, hashlib.sha256(faulty).hexdigest())
    assert "3 corrections accepted" in receipt.text() and str(receipt.corrected_sha256) in receipt.text()
    assert returns.original_file(any_store, lead, receipt.reference) == ("autumn.csv", faulty)
    rows = returns.submission_rows(any_store, lead, receipt.reference)
    assert set(rows["authority"]) >= {"E06000001", "E06000047"} and 1020 in set(rows["requests"])
    made = corrections_of(any_store, lead, receipt.reference)
    assert {(one["before"], one["after"]) for one in made} == {
        ("Hartlepool", "E06000001"),
        ("Durham", "E06000047"),
        ("1,020", "1020"),
    }
    name, content = corrected_file(any_store, lead, receipt.reference) or ("", b"")
    assert name == "autumn-corrected.csv" and hashlib.sha256(content).hexdigest() == receipt.corrected_sha256
    assert not returns.check_return(any_store, lead, *ABOUT[:3], name, content).errors
    name, book = corrected_file(any_store, lead, receipt.reference, as_workbook=True) or ("", b"")
    assert name == "autumn-corrected.xlsx" and not returns.check_return(any_store, lead, *ABOUT[:3], name, book).errors
    with any_store.read() as connection:
        assert kept_bytes(connection, receipt.sha256) == faulty
        told = [event["detail"] for event in audit.events(connection) if event["detail"].get("corrected_sha256")]
    assert told[0]["corrections"] == [one["key"] for one in made] and told[0]["sha256"] == receipt.sha256


def test_sending_again_is_told_apart_from_other_corrections(store: Store, faulty: bytes) -> None:
    def send(*corrections: str, **more: Any) -> Any:
        return returns.submit_return(store, LOCAL_ADMINISTRATOR, *ABOUT, faulty, corrections=corrections, **more)

    first = send(*RULES)
    assert send(*reversed(RULES)).repeated, "the same file with the same corrections is the same return"
    with pytest.raises(ReturnNotAccepted, match="errors"):
        send()
    with pytest.raises(ReturnNotAccepted, match="not on offer for this file: nonsense"):
        send(*RULES, "nonsense")
    assert [one.reference for one in returns.submissions(store, LOCAL_ADMINISTRATOR)] == [first.reference]


def test_what_is_not_on_offer_is_told(store: Store, faulty: bytes, ehcp_csv: Csv) -> None:
    with pytest.raises(UserError, match="not on offer for this file: types.symbol_case.*On offer are now: values.name_for_code"):
        returns.check_with_corrections(store, LOCAL_ADMINISTRATOR, *ABOUT, faulty, ["types.symbol_case"])
    receipt = returns.submit_return(store, LOCAL_ADMINISTRATOR, *ABOUT, ehcp_csv(NORTH_EAST, TERM))
    assert receipt.corrections == 0 and "correction" not in receipt.text()
    assert corrected_file(store, LOCAL_ADMINISTRATOR, receipt.reference) is None
    assert corrections_of(store, LOCAL_ADMINISTRATOR, receipt.reference) == []


def test_a_check_gives_its_corrected_table_without_submitting_it(store: Store, faulty: bytes) -> None:
    returns.check_with_corrections(store, LOCAL_ADMINISTRATOR, *ABOUT, faulty, RULES)
    (check,) = returns.checks(store, LOCAL_ADMINISTRATOR)
    name, content = corrected_file(store, LOCAL_ADMINISTRATOR, check["reference"]) or ("", b"")
    assert name == "autumn-corrected.csv" and b"E06000047" in content and b"Durham" not in content
    assert len(corrections_of(store, LOCAL_ADMINISTRATOR, check["reference"])) == 3
    assert returns.submissions(store, LOCAL_ADMINISTRATOR) == [] and check["sha256"] == hashlib.sha256(faulty).hexdigest()
    with pytest.raises(UserError, match="There is no check"):
        corrected_file(store, LOCAL_ADMINISTRATOR, "CHECK-000099")


def test_only_those_who_read_the_return_read_its_corrections(store: Store, people: People, faulty: bytes) -> None:
    staff = people(store)
    reference = returns.submit_return(store, LOCAL_ADMINISTRATOR, *ABOUT, faulty, corrections=RULES).reference
    assert len(corrections_of(store, staff["evaluator"], reference)) == 3
    for task in (corrections_of, corrected_file):
        with pytest.raises(NotAllowed, match="cannot read returns"):
            task(store, staff["lead-E12000002"], reference)
        with pytest.raises(UserError, match="There is no submission"):
            task(store, LOCAL_ADMINISTRATOR, "X-v1")
