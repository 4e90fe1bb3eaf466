import hashlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from data_contracts import Report
from pilots import accounts as accounts_module
from pilots import returns, uploads
from pilots.access import Actor, NotAllowed
from pilots.errors import UserError
from pilots.receipts import Receipt
from pilots.returns import ReturnNotAccepted
from pilots.storage import Store, audit
from pilots.storage import store as store_module
from pilots.storage.blobs import kept_bytes
from tests.processes import PATIENCE
from tests.returns.threads import side_by_side

EHCP, NORTH_EAST, NORTH_WEST, TERM = "ehcp_process", "E12000001", "E12000002", "2023/24 autumn"
People = dict[str, Actor]
Csv = Callable[..., bytes]


@pytest.fixture
def staff(store: Store, people: Callable[[Store], People]) -> People:
    return people(store)


@pytest.fixture
def lead(staff: People) -> Actor:
    return staff[f"lead-{NORTH_EAST}"]


def send(store: Store, actor: Actor, content: bytes, period: str = TERM, **more: Any) -> Receipt:
    return returns.submit_return(store, actor, EHCP, NORTH_EAST, period, "return.csv", content, **more)


def steps(store: Store) -> Iterator[tuple[str, str | None, str]]:
    """Action, step and subject of each event about a return, oldest first."""
    with store.read() as connection:
        for event in reversed(audit.events(connection)):
            if event["action"] != "manage_accounts":
                yield event["action"], event["detail"].get("step"), event["subject"]


def test_from_check_to_acceptance_and_a_new_version(store: Store, staff: People, lead: Actor, ehcp_csv: Csv) -> None:
    content = ehcp_csv(NORTH_EAST, TERM)
    report = returns.check_return(store, lead, EHCP, NORTH_EAST, TERM, "return.csv", content)
    assert not report.errors and not report.queries
    assert returns.submissions(store, lead) == [] and returns.latest(store, lead, EHCP, NORTH_EAST, TERM) is None

    first = send(store, lead, content)
    assert first.reference == "EHCP-PROCESS-E12000001-2023-24-AUTUMN-v1"
    assert (first.version, first.status, first.rows, first.supersedes) == (1, "submitted", 12, None)
    assert first.sha256 == hashlib.sha256(content).hexdigest()
    assert first.submitted_by == lead.subject and first.received_at <= first.submitted_at

    signed = returns.sign_off_return(store, staff[f"approver-{NORTH_EAST}"], first.reference)
    assert (signed.status, signed.signed_off_by) == ("signed_off", f"approver-{NORTH_EAST}")
    taken = returns.accept_return(store, staff["evaluator"], first.reference)
    assert (taken.status, taken.accepted_by, taken.signed_off_by) == ("accepted", "evaluator", f"approver-{NORTH_EAST}")

    second = send(store, lead, ehcp_csv(NORTH_EAST, TERM, first=120), reason="Two requests were missed.")
    assert (second.version, second.supersedes, second.reason) == (2, first.reference, "Two requests were missed.")
    # What was accepted stays in force until the new version is accepted too.
    returns.sign_off_return(store, staff[f"approver-{NORTH_EAST}"], second.reference)
    assert returns.submission(store, lead, first.reference).status == "accepted"
    returns.accept_return(store, staff["evaluator"], second.reference)
    assert returns.submission(store, lead, first.reference).status == "superseded"
    assert [one.reference for one in returns.submissions(store, lead)] == [second.reference, first.reference]
    assert [one.reference for one in returns.submissions(store, lead, newest=1)] == [second.reference]
    assert [one.reference for one in returns.submissions(store, lead, status="superseded")] == [first.reference]
    assert returns.periods_sent(store, lead) == [TERM]
    newest = returns.latest(store, lead, EHCP, NORTH_EAST, TERM)
    assert newest is not None and newest.reference == second.reference

    # Nothing of the first version is lost.
    assert returns.original_file(store, lead, first.reference) == ("return.csv", content)
    assert returns.submission_rows(store, lead, first.reference)["requests"].tolist() == list(range(100, 112))
    assert returns.submission_rows(store, lead, second.reference)["requests"].tolist() == list(range(120, 132))
    assert list(steps(store)) == [
        ("check_return", "received", "EHCP-PROCESS-E12000001-2023-24-AUTUMN"),
        ("check_return", "checked", "EHCP-PROCESS-E12000001-2023-24-AUTUMN"),
        ("submit_return", "received", "EHCP-PROCESS-E12000001-2023-24-AUTUMN"),
        ("submit_return", "checked", "EHCP-PROCESS-E12000001-2023-24-AUTUMN"),
        ("submit_return", "submitted", first.reference),
        ("sign_off_return", None, first.reference),
        ("accept_return", None, first.reference),
        ("submit_return", "received", "EHCP-PROCESS-E12000001-2023-24-AUTUMN"),
        ("submit_return", "checked", "EHCP-PROCESS-E12000001-2023-24-AUTUMN"),
        ("submit_return", "submitted", second.reference),
        ("sign_off_return", None, second.reference),
        ("accept_return", None, second.reference),
    ]


def test_new_version_needs_a_reason(store: Store, lead: Actor, ehcp_csv: Csv) -> None:
    first = send(store, lead, ehcp_csv(NORTH_EAST, TERM))
    for reason in (None, "", "  "):
        with pytest.raises(ReturnNotAccepted, match=f"{first.reference}.*give a reason"):
            send(store, lead, ehcp_csv(NORTH_EAST, TERM, first=110), reason=reason)
    assert [one.version for one in returns.submissions(store, lead)] == [1]


def test_older_version_cannot_be_signed_off_any_more(store: Store, lead: Actor, approver: Actor, ehcp_csv: Csv) -> None:
    first = send(store, lead, ehcp_csv(NORTH_EAST, TERM))
    second = send(store, lead, ehcp_csv(NORTH_EAST, TERM, first=110), reason="A correction.")
    assert returns.submission(store, lead, first.reference).status == "superseded"
    with pytest.raises(UserError, match=f"{second.reference} has taken its place"):
        returns.sign_off_return(store, approver, first.reference)
    assert returns.submission(store, lead, first.reference).signed_off_at is None


def test_same_file_again_gives_the_receipt_it_had(store: Store, lead: Actor, ehcp_csv: Csv) -> None:
    content = ehcp_csv(NORTH_EAST, TERM)
    first = send(store, lead, content)
    again = returns.submit_return(store, lead, EHCP, NORTH_EAST, TERM, "another name.csv", content)
    assert again.repeated and again.reference == first.reference and not first.repeated
    assert "submitted this very file already" in again.text()
    assert len(returns.submissions(store, lead)) == 1
    assert [check["state"] for check in returns.checks(store, lead)] == ["the same file again", "checked"]
    report = returns.check_return(store, lead, EHCP, NORTH_EAST, TERM, "return.csv", content)
    assert [note.rule for note in report.notes] == ["history.same_file"]


def test_older_file_sent_after_a_newer_one_is_a_new_version(store: Store, lead: Actor, ehcp_csv: Csv) -> None:
    older = ehcp_csv(NORTH_EAST, TERM)
    send(store, lead, older)
    send(store, lead, ehcp_csv(NORTH_EAST, TERM, first=110), reason="A correction.")
    with pytest.raises(ReturnNotAccepted, match="give a reason"):
        send(store, lead, older)
    assert send(store, lead, older, reason="The correction was wrong.").version == 3


def test_errors_are_all_told_and_stored_and_nothing_is_submitted(store: Store, lead: Actor, ehcp_csv: Csv) -> None:
    content = ehcp_csv(NORTH_EAST, TERM).replace(b",20,60,", b",-20,sixty,", 1).replace(b"E06000002", b"E09000001")
    with pytest.raises(ReturnNotAccepted, match="There are .* errors") as caught:
        send(store, lead, content)
    assert caught.value.report is not None
    told = {(finding.rule, finding.cell) for finding in caught.value.report.errors}
    assert len(told) >= 3
    (check,) = returns.checks(store, lead)
    assert (check["state"], check["errors"]) == ("checked", len(caught.value.report.errors))
    stored = returns.findings(store, lead, check["reference"])
    assert {(finding["rule"], finding["cell"]) for finding in stored if finding["severity"] == "error"} == told
    assert all(finding["message"] and finding["fix"] for finding in stored)
    assert returns.submissions(store, lead) == []
    with store.read() as connection:
        assert kept_bytes(connection, check["sha256"]) == content


def test_query_needs_an_explanation_by_key_or_by_rule(store: Store, lead: Actor, ehcp_csv: Csv) -> None:
    content = ehcp_csv(NORTH_EAST, TERM).replace(b",20,60,", b",90,60,", 1)
    with pytest.raises(ReturnNotAccepted, match="Explain each query.*many_refused@") as caught:
        send(store, lead, content, explanations={"many_refused": "  "})
    assert caught.value.report is not None
    (query,) = caught.value.report.queries
    with pytest.raises(ReturnNotAccepted, match="fit no query of the file: nonsense"):
        send(store, lead, content, explanations={"nonsense": "Because."})
    by_key = send(store, lead, content, explanations={query.key: "A backlog was cleared."})
    assert by_key.explanations == {query.key: "A backlog was cleared."}
    found = returns.findings(store, lead, by_key.reference)
    assert [one["explanation"] for one in found if one["severity"] == "query"] == ["A backlog was cleared."]
    other = content.replace(b",90,60,", b",91,60,")
    by_rule = send(store, lead, other, explanations={"many_refused": "As before."}, reason="One more refusal.")
    assert [one["explanation"] for one in returns.findings(store, lead, by_rule.reference)] == ["As before."]


def test_large_change_since_the_last_term_is_a_query(store: Store, lead: Actor, ehcp_csv: Csv) -> None:
    for period, first in (("2021/22 autumn", 100), ("2022/23 summer", 2000), ("2023/24 spring", 100)):
        send(store, lead, ehcp_csv(NORTH_EAST, period, first), period, explanations={"history.large_change": "A test."})
    report = returns.check_return(store, lead, EHCP, NORTH_EAST, TERM, "return.csv", ehcp_csv(NORTH_EAST, TERM, 100))
    assert {query.rule for query in report.queries} == {"history.large_change"} and len(report.queries) == 12
    assert "2022/23 summer" in report.queries[0].message


def test_period_that_is_not_asked_for_and_unknown_names_are_told(store: Store, administrator: Actor) -> None:
    def sent(collection: str, region: str, period: str) -> None:
        returns.check_return(store, administrator, collection, region, period, "return.csv", b"")

    with pytest.raises(UserError, match="There is no return “x”.*ehcp_process"):
        sent("x", NORTH_EAST, TERM)
    with pytest.raises(UserError, match="There is no return “reform_register”"):
        sent("reform_register", NORTH_EAST, TERM)
    with pytest.raises(UserError, match="There is no region “E13000001”.*North East"):
        sent(EHCP, "E13000001", TERM)
    with pytest.raises(
        UserError, match="asked for each term, and “2023/24” is not one .academic year.. Write it like 2023/24 autumn"
    ):
        sent(EHCP, NORTH_EAST, "2023/24")
    with pytest.raises(UserError, match="not a period"):
        sent(EHCP, NORTH_EAST, "last autumn")
    assert returns.checks(store, administrator) == []


def test_unknown_references_are_told(store: Store, administrator: Actor) -> None:
    with pytest.raises(UserError, match="There is no submission “X-v1”"):
        returns.submission(store, administrator, "X-v1")
    for step in (returns.sign_off_return, returns.accept_return):
        with pytest.raises(UserError, match="There is no submission “X-v1”"):
            step(store, administrator, "X-v1")
    for told in (returns.send_back_return, returns.withdraw_return):
        with pytest.raises(UserError, match="There is no submission “X-v1”"):
            told(store, administrator, "X-v1", "A reason.")
    with pytest.raises(UserError, match="There is no check “CHECK-000099”"):
        returns.findings(store, administrator, "CHECK-000099")


def test_only_leads_of_the_region_and_administrators_send_and_leads_do_not_sign(
    store: Store, staff: People, lead: Actor, ehcp_csv: Csv
) -> None:
    content = ehcp_csv(NORTH_EAST, TERM)
    others = [staff[f"lead-{NORTH_WEST}"], staff["evaluator"], staff["researcher"]]
    reference = send(store, lead, content).reference
    for other in others:
        with pytest.raises(NotAllowed, match="cannot submit a return"):
            send(store, other, content)
        with pytest.raises(NotAllowed, match="cannot check a return"):
            returns.check_return(store, other, EHCP, NORTH_EAST, TERM, "return.csv", content)
        with pytest.raises(NotAllowed, match="cannot sign off a return"):
            returns.sign_off_return(store, other, reference)
    assert len(returns.checks(store, staff["administrator"])) == 1
    with pytest.raises(NotAllowed, match="cannot sign off a return"):
        returns.sign_off_return(store, lead, reference)
    assert returns.sign_off_return(store, staff["administrator"], reference).status == "signed_off"


def test_leads_read_their_own_region_only(store: Store, staff: People, lead: Actor, ehcp_csv: Csv) -> None:
    reference = send(store, lead, ehcp_csv(NORTH_EAST, TERM)).reference
    other = staff[f"lead-{NORTH_WEST}"]
    assert returns.submissions(store, other) == [] and returns.checks(store, other) == []
    assert returns.periods_sent(store, other) == []
    reads: list[Callable[[Actor], object]] = [
        lambda actor: returns.submission(store, actor, reference),
        lambda actor: returns.submission_rows(store, actor, reference),
        lambda actor: returns.original_file(store, actor, reference),
        lambda actor: returns.findings(store, actor, reference),
        lambda actor: returns.findings(store, actor, "CHECK-000001"),
        lambda actor: returns.latest(store, actor, EHCP, NORTH_EAST, TERM),
        lambda actor: returns.submissions(store, actor, region=NORTH_EAST),
        lambda actor: returns.checks(store, actor, region=NORTH_EAST),
    ]
    for read in reads:
        read(lead)
        read(staff["evaluator"])
        for stranger in (other, staff["researcher"]):
            with pytest.raises(NotAllowed, match="cannot read returns"):
                read(stranger)


def test_bytes_are_kept_when_the_check_dies(store: Store, lead: Actor, ehcp_csv: Csv, monkeypatch: pytest.MonkeyPatch) -> None:
    content = ehcp_csv(NORTH_EAST, TERM)

    def dies(*_: object) -> Report:
        raise MemoryError

    with monkeypatch.context() as broken, pytest.raises(MemoryError):
        broken.setattr(uploads, "check_corrected", dies)
        send(store, lead, content)
    (check,) = returns.checks(store, lead)
    assert check["state"] == "could not finish checking" and check["filename"] == "return.csv"
    with store.read() as connection:
        assert kept_bytes(connection, check["sha256"]) == content
    assert send(store, lead, content).version == 1


def test_submission_is_not_stored_without_its_audit_event(
    store: Store, lead: Actor, ehcp_csv: Csv, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses_submissions(connection: Any, actor: Actor, action: str, subject: str, detail: dict[str, Any]) -> None:
        if detail.get("step") == "submitted":
            raise ZeroDivisionError
        audit.add_event(connection, actor, action, subject, detail)

    with monkeypatch.context() as broken, pytest.raises(ZeroDivisionError):
        broken.setattr(store_module, "add_event", refuses_submissions)
        send(store, lead, ehcp_csv(NORTH_EAST, TERM))
    assert returns.submissions(store, lead) == []
    assert [step for _, step, _ in steps(store)] == ["received", "checked"]
    assert send(store, lead, ehcp_csv(NORTH_EAST, TERM)).version == 1


def test_account_closed_while_the_file_is_checked_stops_the_submission(
    store: Store, lead: Actor, administrator: Actor, ehcp_csv: Csv, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = uploads.check_corrected

    def closes_the_account(*given: Any) -> Report:
        accounts_module.save_account(
            store, administrator, lead.subject, lead.name, lead.role, lead.regions, lead.issuer, active=False
        )
        return check(*given)

    monkeypatch.setattr(uploads, "check_corrected", closes_the_account)
    with pytest.raises(NotAllowed, match="is closed. Nothing was changed"):
        send(store, lead, ehcp_csv(NORTH_EAST, TERM))
    assert returns.submissions(store, administrator) == []
    assert [check["state"] for check in returns.checks(store, administrator)] == ["could not finish checking"]


def at_once(monkeypatch: pytest.MonkeyPatch, tasks: list[Callable[[], object]]) -> list[object]:
    """What each task gives or raises, when all of them have been checked before any is submitted."""
    gate, check = threading.Barrier(len(tasks)), uploads.check_corrected

    def waits(*given: Any) -> Report:
        report = check(*given)
        gate.wait(timeout=PATIENCE)
        return report

    monkeypatch.setattr(uploads, "check_corrected", waits)
    return side_by_side(tasks)


def test_of_two_files_at_once_one_wins_and_the_other_is_told(
    any_store: Store, administrator: Actor, ehcp_csv: Csv, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [ehcp_csv(NORTH_EAST, TERM, first=first) for first in (100, 110)]
    outcomes = at_once(monkeypatch, [lambda content=content: send(any_store, administrator, content) for content in files])
    (won,) = [one for one in outcomes if isinstance(one, Receipt)]
    (lost,) = [one for one in outcomes if isinstance(one, ReturnNotAccepted)]
    assert won.version == 1 and won.reference in str(lost) and "send it again with a reason" in str(lost)
    assert [one.reference for one in returns.submissions(any_store, administrator)] == [won.reference]
    states = sorted(check["state"] for check in returns.checks(any_store, administrator))
    assert states == ["checked", "checked"]


def test_version_accepted_while_a_new_one_is_checked_stays_in_force(
    store: Store, lead: Actor, ehcp_csv: Csv, accepted: Callable[[Store, str], Receipt], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, check = send(store, lead, ehcp_csv(NORTH_EAST, TERM)), uploads.check_corrected

    def accepts_first(*given: Any) -> Report:
        accepted(store, first.reference)
        return check(*given)

    monkeypatch.setattr(uploads, "check_corrected", accepts_first)
    second = send(store, lead, ehcp_csv(NORTH_EAST, TERM, first=110), reason="A correction.")
    statuses = {one.reference: one.status for one in returns.submissions(store, lead)}
    assert statuses == {first.reference: "accepted", second.reference: "submitted"}


def test_double_click_submits_once(
    any_store: Store, administrator: Actor, ehcp_csv: Csv, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = ehcp_csv(NORTH_EAST, TERM)
    outcomes = at_once(monkeypatch, [lambda: send(any_store, administrator, content)] * 2)
    receipts = [one for one in outcomes if isinstance(one, Receipt)]
    assert sorted(receipt.repeated for receipt in receipts) == [False, True]
    assert len({receipt.reference for receipt in receipts}) == 1
    assert len(returns.submissions(any_store, administrator)) == 1


def test_whole_way_is_the_same_on_each_database(
    any_store: Store, administrator: Actor, ehcp_csv: Csv, accepted: Callable[[Store, str], Receipt]
) -> None:
    content = ehcp_csv(NORTH_EAST, TERM).replace(b"E06000001", b"\xc3\x89 \x07\xf0\x9f\x99\x82")
    report = returns.check_return(any_store, administrator, EHCP, NORTH_EAST, TERM, "é \x00 “return”.csv", content)
    assert report.errors
    first = send(any_store, administrator, ehcp_csv(NORTH_EAST, TERM))
    accepted(any_store, first.reference)
    rows = returns.submission_rows(any_store, administrator, first.reference)
    assert rows["average_weeks"].tolist() == [21.5] * 12 and rows["average_weeks"].dtype == "Float64"
    assert str(rows["requests"].dtype) == "Int64" and rows["row"].tolist() == list(range(2, 14))
    assert returns.original_file(any_store, administrator, first.reference)[1] == ehcp_csv(NORTH_EAST, TERM)
    with any_store.read() as connection:
        assert audit.verify(connection) == []


def test_receipt_is_plain_text_and_plain_json(store: Store, lead: Actor, ehcp_csv: Csv) -> None:
    receipt = send(store, lead, ehcp_csv(NORTH_EAST, TERM))
    assert receipt.reference in receipt.text() and receipt.sha256 in receipt.text() and "not yet signed" in receipt.text()
    plain = receipt.to_dict()
    assert plain["received_at"] == receipt.received_at.isoformat() and plain["rows"] == 12
