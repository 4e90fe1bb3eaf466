import threading
from collections.abc import Callable

import pytest
from sqlalchemy import text

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
