"""A session begins with a fresh token, ends by its owner, by time, by its account or by others, and never comes back."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pilots import sessions
from pilots.access import LEAD, LOCAL_ADMINISTRATOR
from pilots.accounts import save_account
from pilots.errors import UserError
from pilots.sessions import IdentityError, identity_of, sign_out, standing, step
from pilots.storage import Store, audit

ISSUER, NORTH_EAST = "https://id.example.org", "E12000001"


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.moment = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        return self.moment

    def goes_on(self, **by: int) -> None:
        self.moment += timedelta(**by)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(sessions, "now", made)
    return made


@pytest.fixture
def signed(clock: Clock) -> Callable[..., Any]:
    """A sign-in at the provider, now: `signed(nonce, subject)`."""

    def made(nonce: str = "n1", subject: str = "anna") -> Any:
        claims = {"iss": ISSUER, "sub": subject, "aud": "evidence", "iat": clock().timestamp(), "nonce": nonce}
        return identity_of(claims, "evidence")

    return made


def with_account(store: Store, active: bool = True) -> None:
    save_account(store, LOCAL_ADMINISTRATOR, "anna", "Anna", LEAD, [NORTH_EAST], ISSUER, active)


def told(store: Store) -> list[tuple[str, str, Any]]:
    with store.read() as connection:
        found = [one for one in audit.events(connection) if one["action"] != "manage_accounts"]
    return [(one["actor"], one["action"], one["detail"].get("why")) for one in reversed(found)]


def test_a_session_begins_once_and_ends_with_sign_out_for_every_copy(any_store: Store, signed: Callable[..., Any]) -> None:
    with_account(any_store)
    first = signed()
    assert standing(any_store, first).actor is None, "nothing begins by looking"
    for _ in range(3):
        stands = step(any_store, first)
        assert stands.actor is not None and (stands.actor.regions, stands.actor.issuer) == ((NORTH_EAST,), ISSUER)
    sign_out(any_store, first)
    sign_out(any_store, first)
    assert [step(any_store, first).why for _ in range(2)] == [sessions.SIGNED_OUT] * 2
    assert step(any_store, signed("n2")).actor is not None, "a new sign-in is another session"
    assert told(any_store) == [("anna", "sign_in", None), ("anna", "sign_out", sessions.SIGNED_OUT), ("anna", "sign_in", None)]


def test_a_pause_of_an_hour_and_a_day_of_eight_hours_end_it(any_store: Store, clock: Clock, signed: Callable[..., Any]) -> None:
    with_account(any_store)
    paused, used = signed("paused"), signed("used")
    step(any_store, paused)
    step(any_store, used)
    for _ in range(9):
        clock.goes_on(minutes=53)
        assert step(any_store, used).actor is not None
    assert [one(any_store, paused).why for one in (standing, step, step)] == [sessions.PAUSED] * 3
    clock.goes_on(minutes=4)
    assert [one(any_store, used).why for one in (standing, step, step)] == [sessions.OVER] * 3
    assert told(any_store)[2:] == [("server", "sign_out", sessions.PAUSED), ("server", "sign_out", sessions.OVER)]
    clock.goes_on(minutes=31)
    step(any_store, signed("new"))
    with any_store.read() as connection:
        assert sessions.stored.stored_session(connection, used.key) is None, "forgotten, and its token is too old for another one"
    assert step(any_store, used).why == sessions.STALE


def test_an_account_that_is_closed_or_missing(any_store: Store, clock: Clock, signed: Callable[..., Any]) -> None:
    first = signed()
    assert [step(any_store, first).why for _ in range(2)] == [sessions.NO_ACCOUNT] * 2
    with_account(any_store)
    assert step(any_store, first).why == sessions.NO_ACCOUNT, "whoever was refused signs in again"
    second = signed("n2")
    assert step(any_store, second).actor is not None
    with_account(any_store, active=False)
    assert standing(any_store, second).why == step(any_store, second).why == sessions.CLOSED
    with_account(any_store)
    assert step(any_store, second).why == sessions.CLOSED, "a session that ended stays ended"
    assert [(who, what) for who, what, _ in told(any_store)] == [
        ("server", "refuse_sign_in"),
        ("anna", "sign_in"),
        ("server", "sign_out"),
    ]


def test_an_administrator_ends_all_sessions_of_an_account(any_store: Store, signed: Callable[..., Any]) -> None:
    with_account(any_store)
    here, there = signed("here"), signed("there")
    step(any_store, here)
    step(any_store, there)
    assert sessions.end_sessions(any_store, LOCAL_ADMINISTRATOR, "anna", ISSUER) == 2
    assert {step(any_store, one).why for one in (here, there)} == {sessions.ENDED_BY_OTHERS}
    assert sessions.end_sessions(any_store, LOCAL_ADMINISTRATOR, "anna", ISSUER) == 0
    with pytest.raises(UserError, match="There is no account “eve”"):
        sessions.end_sessions(any_store, LOCAL_ADMINISTRATOR, "eve", ISSUER)


def test_tabs_that_open_in_one_moment_are_one_session(any_store: Store, signed: Callable[..., Any]) -> None:
    with_account(any_store)
    first = signed()
    with ThreadPoolExecutor(4) as tabs:
        found = list(tabs.map(lambda _: step(any_store, first), range(4)))
    assert all(one.actor is not None for one in found) and told(any_store) == [("anna", "sign_in", None)]


def test_a_token_that_lay_about_begins_nothing(store: Store, clock: Clock, signed: Callable[..., Any]) -> None:
    with_account(store)
    old = signed()
    clock.goes_on(minutes=16)
    assert step(store, old).why == sessions.STALE and told(store) == []


@pytest.mark.parametrize(
    "wrong", [{"aud": "another"}, {"sub": ""}, {"sub": "x" * 256}, {"nonce": None}, {"iss": 7}, {"iat": "now"}, {"iat": True}]
)
def test_a_token_for_others_or_without_a_claim_is_refused(wrong: dict[str, Any]) -> None:
    claims = {"iss": ISSUER, "sub": "anna", "aud": ["evidence"], "iat": 1_700_000_000, "nonce": "n"}
    assert identity_of(claims, "evidence").subject == "anna"
    with pytest.raises(IdentityError):
        identity_of({**claims, **wrong}, "evidence")
