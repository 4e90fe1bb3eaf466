import threading
from collections.abc import Callable

import pytest
from sqlalchemy import text

from pilots import auditing, plans, releases, returns
from pilots.access import Actor
from pilots.storage import Store, audit

Tamper = Callable[[Store, str, str], None]


def write(store: Store, actor: Actor, count: int) -> None:
    for number in range(count):
        with store.write(
            actor, "build_demonstration", f"event {number}", {"size": 0.1 * number, "name": "é “–” 🙂", "at": (1, 2)}
        ):
            pass


def test_log_that_nobody_touched_is_whole(any_store: Store, administrator: Actor) -> None:
    write(any_store, administrator, 5)
    with any_store.read() as connection:
        events = audit.events(connection)
        assert audit.verify(connection) == []
    assert [event["subject"] for event in events] == [f"event {number}" for number in (4, 3, 2, 1, 0)]
    assert [event["previous"] for event in events[:-1]] == [event["digest"] for event in events[1:]]
    assert len({event["digest"] for event in events}) == 5


def test_empty_log_is_whole(store: Store) -> None:
    with store.read() as connection:
        assert audit.verify(connection) == []


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE audit_events SET actor = 'somebody' WHERE id = 3", ["Event 3 is not what was stored."]),
        ("UPDATE audit_events SET detail = '{}' WHERE id = 2", ["Event 2 is not what was stored."]),
        ("DELETE FROM audit_events WHERE id = 3", ["Event 4 does not follow"]),
        ("DELETE FROM audit_events WHERE id = 1", ["Event 2 does not follow"]),
    ],
)
def test_log_that_was_tampered_with_is_found(
    any_store: Store, administrator: Actor, tamper: Tamper, statement: str, found: list[str]
) -> None:
    write(any_store, administrator, 5)
    tamper(any_store, "audit_events", statement)
    with any_store.read() as connection:
        faults = audit.verify(connection)
    assert [fault[: len(words)] for fault, words in zip(faults, found, strict=True)] == found


def test_event_with_a_digest_made_for_it_breaks_the_one_after(any_store: Store, administrator: Actor, tamper: Tamper) -> None:
    write(any_store, administrator, 3)
    with any_store.read() as connection:
        event = next(one for one in audit.events(connection) if one["id"] == 2)
    forged = audit._digest({**event, "actor": "somebody"})
    tamper(any_store, "audit_events", f"UPDATE audit_events SET actor = 'somebody', digest = '{forged}' WHERE id = 2")
    with any_store.read() as connection:
        (fault,) = audit.verify(connection)
    assert fault.startswith("Event 3 does not follow the one before")


def test_events_of_many_at_once_make_one_chain(any_store: Store, administrator: Actor) -> None:
    threads = [threading.Thread(target=write, args=(any_store, administrator, 6)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with any_store.read() as connection:
        assert audit.verify(connection) == []
        assert connection.execute(text("SELECT count(*) FROM audit_events")).scalar_one() == 24


def test_events_are_narrowed(store: Store, administrator: Actor) -> None:
    write(store, administrator, 3)
    with store.write(administrator, "make_release", "R0001"):
        pass
    with store.read() as connection:
        assert [event["subject"] for event in audit.events(connection, action="make_release")] == ["R0001"]
        assert [event["action"] for event in audit.events(connection, subject="event 1")] == ["build_demonstration"]
        assert len(audit.events(connection, limit=2)) == 2


WORDS = {
    "at": "'2020-01-01 00:00:00'",
    "actor": "'somebody'",
    "issuer": "'elsewhere'",
    "role": "'lead'",
    "action": "'accept_return'",
    "subject": "'another'",
    "detail": "'{\"size\": 9}'",
    "previous": f"'{'1' * 64}'",
    "digest": f"'{'2' * 64}'",
}
EVENTS = 6


def kinds_of_tampering(number: int) -> dict[str, list[str]]:
    """Statements by what they do to one event of the log."""
    one, last = f"WHERE id = {number}", EVENTS + 9
    found = {f"{column} edited": [f"UPDATE audit_events SET {column} = {value} {one}"] for column, value in WORDS.items()}
    if number < EVENTS:
        found["removed"] = [f"DELETE FROM audit_events {one}"]
        found["changed places with the next"] = [
            f"UPDATE audit_events SET id = {last} {one}",
            f"UPDATE audit_events SET id = {number} WHERE id = {number + 1}",
            f"UPDATE audit_events SET id = {number + 1} WHERE id = {last}",
        ]
        found["put at the end"] = [f"UPDATE audit_events SET id = {last} {one}"]
    columns = "at, actor, issuer, role, action, subject, detail, previous"
    found["put in again"] = [
        f"INSERT INTO audit_events (id, {columns}, digest) SELECT {last}, {columns}, '{'3' * 64}' FROM audit_events {one}"
    ]
    return found


def test_any_event_edited_removed_or_moved_is_found(any_store: Store, administrator: Actor, tamper: Tamper) -> None:
    write(any_store, administrator, EVENTS)
    tamper(any_store, "audit_events", "SELECT 1")  # lifts the guards
    tried = 0
    for number in range(1, EVENTS + 1):
        for what, statements in kinds_of_tampering(number).items():
            with any_store.engine.connect().execution_options(writes=True) as connection:
                transaction = connection.begin()
                for statement in statements:
                    connection.execute(text(statement))
                assert audit.verify(connection), f"event {number} {what}"
                transaction.rollback()
            tried += 1
    assert tried == EVENTS * 10 + (EVENTS - 1) * 3
    with any_store.read() as connection:
        assert audit.verify(connection) == []


@pytest.mark.parametrize("gone", range(1, 9))
def test_events_taken_off_the_end_are_found_by_what_they_told_of_and_by_a_mark(
    store: Store, administrator: Actor, accepted: Callable[..., object], ehcp_csv: Callable[..., bytes], tamper: Tamper, gone: int
) -> None:
    content = ehcp_csv("E12000001", "2023/24 autumn")
    sent = returns.submit_return(store, administrator, "ehcp_process", "E12000001", "2023/24 autumn", "a.csv", content)
    accepted(store, sent.reference)
    plans.register_plan(store, administrator, plans.named_plan("ehcp_timeliness"))
    releases.make_release(store, administrator, "first")
    with store.write(administrator, "build_demonstration", "colour"):
        pass  # an event that nothing stored bears witness to
    whole = auditing.verify_audit(store, administrator)
    assert whole.faults == () and whole.events == 8
    tamper(store, "audit_events", f"DELETE FROM audit_events WHERE id > {8 - gone}")
    found = auditing.verify_audit(store, administrator)
    assert bool(found.faults) == (gone > 1), "only the last event has no witness in the store"
    marked = auditing.verify_audit(store, administrator, [whole.mark])
    assert "Event 8 is not the one that was marked" in marked.faults[-1]


def test_a_log_that_was_made_anew_from_some_event_on_is_found_by_a_mark_alone(
    store: Store, administrator: Actor, tamper: Tamper
) -> None:
    write(store, administrator, 4)
    mark = auditing.verify_audit(store, administrator).mark
    with store.read() as connection:
        events = list(reversed(audit.events(connection)))
    tamper(store, "audit_events", "DELETE FROM audit_events WHERE id > 1")
    previous = events[0]["digest"]
    with store.engine.connect().execution_options(writes=True) as connection, connection.begin():
        for event in events[1:]:
            forged = {**event, "actor": "somebody", "previous": previous}
            previous = forged["digest"] = audit._digest(forged)
            connection.execute(audit.AUDIT.insert().values(**forged))
    assert auditing.verify_audit(store, administrator).faults == ()
    assert len(auditing.verify_audit(store, administrator, [mark]).faults) == 1


@pytest.mark.parametrize("mark", ["", "5", "x:y", f"-1:{'0' * 64}", "1:abc"])
def test_a_mark_that_cannot_be_read_is_told(store: Store, administrator: Actor, mark: str) -> None:
    with pytest.raises(auditing.AuditError, match="is no mark"):
        auditing.verify_audit(store, administrator, [mark])
