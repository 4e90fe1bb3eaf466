"""Sign-in with a real identity provider in a real browser: who comes in, who does not, and how a session ends."""

import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.error import HTTPError

import pytest
from playwright.sync_api import Browser
from sqlalchemy import select

from pilots.access import LEAD, LOCAL_ADMINISTRATOR
from pilots.accounts import add_development_accounts, save_account
from pilots.sessions import end_sessions
from pilots.storage import Store, audit
from pilots.storage.sessions import SESSIONS
from tests.processes import PATIENCE, free_port

pytestmark = pytest.mark.browser
NORTH_EAST = "E12000001"


@dataclass
class Service:
    """A server with sign-in set up, its store, and the provider behind it. Each test has people of its own."""

    address: str
    issuer: str
    store: Store

    def account(self, subject: str, active: bool = True) -> None:
        name = subject.capitalize()
        save_account(self.store, LOCAL_ADMINISTRATOR, subject, name, LEAD, [NORTH_EAST], self.issuer, active)

    def ages(self, subject: str, column: str, by: timedelta) -> None:
        """Let time pass for somebody's sessions: what is remembered of them is moved back."""
        theirs = SESSIONS.c.subject == subject
        with self.store.note() as connection:
            (moment,) = connection.execute(select(SESSIONS.c[column]).where(theirs)).scalars()
            connection.execute(SESSIONS.update().where(theirs).values({column: moment - by}))

    def events(self, subject: str) -> list[tuple[str, str]]:
        with self.store.read() as connection:
            found = audit.events(connection, subject=subject)
        return [(one["action"], one["actor"]) for one in reversed(found) if one["action"] != "manage_accounts"]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, with_provider: Callable[..., str], provider: str) -> Iterator[Service]:
    store = Store.open(f"sqlite:///{tmp_path_factory.mktemp('service') / 'own.sqlite'}")
    add_development_accounts(store, LOCAL_ADMINISTRATOR)
    yield Service(with_provider(store.address), provider, store)
    store.close()


def upload(server: str, cookies: str) -> int:
    """What the server answers to a file that is sent to it past its screens."""
    address = f"{server}/_stcore/upload_file/nobody/1"
    request = urllib.request.Request(address, data=b"x", method="PUT", headers={"Cookie": cookies})
    with pytest.raises(HTTPError) as caught:
        urllib.request.urlopen(request, timeout=PATIENCE)
    return caught.value.code


def go(looker: Any, name: str) -> None:
    """Choose a screen, which may not come."""
    looker.page.get_by_test_id("stSidebarNav").get_by_role("link", name=name, exact=True).click()


def test_sign_in_sign_out_and_no_way_back_by_a_copied_cookie(service: Service, looker: Any, browser: Browser) -> None:
    service.account("anna")
    refused: list[str] = []
    looker.page.on("response", lambda answer: refused.append(answer.url) if answer.status >= 400 else None)
    looker.open(service.address)
    assert refused == [], "what the page itself is made of is given to everybody"
    assert upload(service.address, "") == 401
    looker.come_from("anna")
    looker.sees("Returns due")
    assert "Signed in: Anna, regional lead, North East" in looker.page.get_by_test_id("stSidebar").inner_text()
    looker.go("Send a return")
    looker.page.get_by_role("combobox", name="Region").click()
    assert looker.page.get_by_role("option").all_inner_texts() == ["North East"]
    looker.page.keyboard.press("Escape")
    cookies = looker.page.context.cookies()
    (mine,) = [one for one in cookies if one["name"] == "_streamlit_user"]
    assert mine["httpOnly"] and 0 < mine["expires"] - time.time() <= 8 * 3600
    sent = "; ".join(f"{one['name']}={one['value']}" for one in cookies)
    assert upload(service.address, sent) in (400, 403), "let through to Streamlit, which knows no such page"

    looker.go("Sign out")
    looker.page.get_by_role("button", name="Sign out", exact=True).click()
    looker.page.get_by_role("button", name="End session").click()
    looker.sees("You have signed out")

    thief = browser.new_context()
    thief.add_cookies(cookies)
    page = thief.new_page()
    page.goto(service.address)
    page.get_by_text("You were signed out: you signed out in another window.").wait_for()
    assert "Not signed in" in page.get_by_test_id("stSidebar").inner_text()
    thief.close()
    assert upload(service.address, sent) == 401
    assert service.events("anna") == [("sign_in", "anna"), ("sign_out", "anna")]


@pytest.mark.slow
def test_the_screens_of_sign_in_and_that_nobody_comes_in_without_a_password(service: Service, looker: Any) -> None:
    service.account("bea")
    looker.open(service.address)
    looker.look("40-start")
    looker.go("Sign in")
    assert looker.page.get_by_role("radio").count() == 0 and "Development sign-in" not in looker.text()
    looker.page.get_by_role("button", name="Sign in", exact=True).click()
    looker.page.get_by_role("button", name="Deny").click()
    looker.sees("You were not signed in")
    looker.look("45-denied")
    looker.come_from("bea")
    looker.sees("Returns due")
    looker.go("Sign out")
    looker.look("41-sign-out")
    # By the address alone, past the screen's button.
    looker.page.goto(f"{service.address}/auth/logout")
    looker.page.get_by_role("button", name="End session").click()
    looker.sees("You have signed out")
    looker.look("42-signed-out")
    assert service.events("bea") == [("sign_in", "bea"), ("sign_out", "bea")]


@pytest.mark.slow
def test_who_has_no_account_is_told_what_to_send_to_whom(service: Service, looker: Any) -> None:
    looker.open(service.address)
    looker.come_from("eva")
    looker.sees("You cannot use this service yet")
    assert service.issuer in looker.text() and "eva" in looker.text()
    looker.look("43-no-account")
    looker.page.reload()
    looker.sees("You cannot use this service yet")
    save_account(service.store, LOCAL_ADMINISTRATOR, "eva", "Eva", "researcher", (), service.issuer)
    looker.come_from("eva")
    looker.sees("There are no results yet")
    assert service.events("eva") == [("refuse_sign_in", "server"), ("sign_in", "eva")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("column", "by", "words"),
    [
        ("seen_at", timedelta(minutes=61), "nothing was done for an hour"),
        ("began_at", timedelta(hours=8, minutes=1), "it is eight hours since you signed in"),
    ],
)
def test_a_session_that_is_over_does_nothing_more(service: Service, looker: Any, column: str, by: timedelta, words: str) -> None:
    subject = f"carl-{column}"
    service.account(subject)
    looker.open(service.address)
    looker.come_from(subject)
    looker.sees("Returns due")
    service.ages(subject, column, by)
    go(looker, "Send a return")
    looker.sees(f"You were signed out: {words}.")
    if column == "seen_at":
        looker.look("44-signed-out-by-time")
    looker.open(service.address)
    looker.sees(f"You were signed out: {words}.")
    looker.come_from(subject)
    looker.sees("Returns due")
    assert service.events(subject) == [("sign_in", subject), ("sign_out", "server"), ("sign_in", subject)]


@pytest.mark.slow
def test_an_account_that_is_closed_or_signed_out_by_others_is_out_at_once(service: Service, looker: Any) -> None:
    service.account("dora")
    looker.open(service.address)
    looker.come_from("dora")
    looker.sees("Returns due")
    end_sessions(service.store, LOCAL_ADMINISTRATOR, "dora", service.issuer)
    go(looker, "Returns")
    looker.sees("an administrator ended your session")
    looker.come_from("dora")
    looker.sees("Returns due")
    service.account("dora", active=False)
    go(looker, "Returns")
    looker.sees("the account was closed")


@pytest.mark.slow
def test_another_server_of_the_same_service_knows_who_signed_in(
    service: Service, with_provider: Callable[..., str], looker: Any
) -> None:
    """Two servers behind one address: a browser that is sent to the other one stays signed in, and is out on both."""
    port = free_port()
    with_provider(service.store.address, address=service.address, port=port)
    service.account("fay")
    looker.open(service.address)
    looker.come_from("fay")
    looker.sees("Returns due")
    looker.open(f"http://127.0.0.1:{port}")
    looker.sees("Returns due")
    end_sessions(service.store, LOCAL_ADMINISTRATOR, "fay", service.issuer)
    for address in (f"http://127.0.0.1:{port}", service.address):
        looker.open(address)
        looker.sees("an administrator ended your session")


@pytest.mark.slow
def test_visitors_of_the_demonstration_read_and_send_nothing(
    demonstration_url: str, with_provider: Callable[..., str], provider: str, looker: Any
) -> None:
    address = with_provider(demonstration_url, "--demonstration")
    looker.open(address)
    assert looker.page.locator("h1").inner_text() == "What each reform did"
    assert "Not signed in" in looker.page.get_by_test_id("stSidebar").inner_text()
    looker.page.get_by_text("Table and description").first.click()
    with looker.page.expect_download() as taken:
        looker.page.get_by_role("button", name="Download this table (CSV)").first.click()
    assert taken.value.path().read_bytes().startswith(b"\xef\xbb\xbf")
    assert upload(address, "") == 401
    looker.go("Sign in")
    assert looker.page.get_by_role("radio").count() == 0
