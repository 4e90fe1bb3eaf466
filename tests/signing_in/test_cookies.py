"""Cookies of a sign-in are kept for eight hours and sent by TLS alone; the next page can say what became of it."""

from typing import Any

import pytest

from pages import _identity
from pages._identity import is_local_key, local_cookie, noted, shortened
from pilots.sign_in import SignIn


@pytest.fixture(params=["https://evidence.example.org", "http://127.0.0.1:8501"])
def address(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    made = SignIn("https://id.example.org/x", "evidence", "s", f"{request.param}/oauth2callback", "0" * 32)
    monkeypatch.setattr(_identity, "configured", lambda: made)
    return str(request.param)


def test_cookies_last_no_longer_than_a_session_and_travel_by_tls_alone(address: str) -> None:
    secure = b"; Secure" if address.startswith("https") else b""
    assert shortened(b"_streamlit_user=a; Max-Age=2592000; Path=/") == b"_streamlit_user=a; Max-Age=28800; Path=/" + secure
    assert shortened(b"a=b; Max-Age=0; Secure") == b"a=b; Max-Age=0; Secure"


@pytest.mark.parametrize(
    ("path", "query", "cookie", "note"),
    [
        ("/auth/logout", "", b"_streamlit_user=; Max-Age=0", b"signed-out"),
        ("/oauth2callback", "error", b"", b"failed"),
        ("/oauth2callback", "code", b'_streamlit_user=""; Max-Age=0', b"failed"),
        ("/oauth2callback", "code", b"_streamlit_user=abc; Max-Age=28800", b""),
        ("/oauth2callback", "", b"", b""),
        ("/", "code", b"", b""),
    ],
)
def test_the_next_page_can_say_what_became_of_it(address: str, path: str, query: str, cookie: bytes, note: bytes) -> None:
    found: Any = noted(path, {query}, [(b"set-cookie", cookie)])
    assert [value.split(b";")[0] for _, value in found] == ([b"pilots_note=" + note] if note else [])


def test_without_a_key_of_the_server_no_key_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILOTS_LOCAL_KEY", "right")
    assert [is_local_key(given) for given in ("right", "wrong", "", None)] == [True, False, False, False]
    monkeypatch.setenv("PILOTS_LOCAL_KEY", "")
    assert not is_local_key("") and not is_local_key(None)
    assert local_cookie("127.0.0.1:8501") == local_cookie("localhost:8501") != local_cookie("127.0.0.1:8502")
