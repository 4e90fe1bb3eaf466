"""What a browser's cookies say, and how they are set. Screens and the server in front of them ask here, so that they agree."""

from __future__ import annotations

import hmac
import json
import os
import re
from collections.abc import Container, Mapping, Sequence
from functools import cache
from typing import Any

from streamlit.auth_util import get_cookie_with_chunks
from streamlit.web.server.server_util import get_cookie_secret
from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from pilots.sessions import LONGEST, Identity, identity_of
from pilots.sign_in import CALLBACK, LOCAL_KEY_VARIABLE, SignIn, sign_in_settings

NOTE = "pilots_note"  # a cookie of some minutes by which the next page can say what became of a sign-in or a sign-out
SIGNED_OUT, FAILED = "signed-out", "failed"
SIGN_OUT = "/auth/logout"  # the address by which Streamlit takes its cookies back


@cache
def configured() -> SignIn | None:
    """How people on other machines sign in, read once: what was set when the server started holds until it ends."""
    return sign_in_settings()


def local_cookie(host: str | None) -> str:
    """The name of the cookie of a browser that opened the link of `pilots serve`: ports of one host share their cookies."""
    return f"pilots_local_{(host or '').rpartition(':')[2]}"


def is_local_key(given: str | None) -> bool:
    """Whether this is the key that `pilots serve` printed; where it printed none, nothing is."""
    key = os.environ.get(LOCAL_KEY_VARIABLE, "")
    return bool(key) and hmac.compare_digest(key.encode(), (given or "").encode())


def identity(cookies: Mapping[str, str]) -> Identity | None:
    """The sign-in that signed cookies tell of; None where there are none, or nobody here signed them.

    Raises:
        IdentityError: the provider did not say enough.
    """
    settings = configured()
    claims = claims_of(cookies) if settings is not None else {}
    return identity_of(claims, settings.client_id) if settings is not None and claims else None


def claims_of(cookies: Mapping[str, str]) -> dict[str, Any]:
    """The claims of the ID token that Streamlit put into its cookie when somebody came back from the provider."""

    def one(name: str) -> bytes | None:
        value = cookies.get(name)
        return None if value is None else decode_signed_value(get_cookie_secret(), name, value.encode("latin-1"))

    held = get_cookie_with_chunks(one, USER_COOKIE_NAME)
    claims: dict[str, Any] = {} if held is None else json.loads(held)
    return claims


def shortened(cookie: bytes) -> bytes:
    """A cookie of ours as it is set: by TLS alone where browsers come by TLS, and no longer than a session lasts."""
    settings, text = configured(), cookie.decode("latin-1")
    if settings is None:
        return cookie
    text = re.sub(r"(?i)(max-age=)(\d+)", lambda found: f"{found[1]}{min(int(found[2]), int(LONGEST.total_seconds()))}", text)
    if settings.encrypted and not re.search(r"(?i);\s*secure\b", text):
        text += "; Secure"
    return text.encode("latin-1")


def noted(path: str, query: Container[str], headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """A cookie that lets the next page say that somebody signed out, or came back from the provider without being signed in."""
    came_back = "code" in query or "error" in query
    cookies = [
        value for name, value in headers if name.lower() == b"set-cookie" and value.startswith(f"{USER_COOKIE_NAME}=".encode())
    ]
    signed_in = any(b"max-age=0" not in value.lower() for value in cookies)
    note = SIGNED_OUT if path == SIGN_OUT else FAILED if path == CALLBACK and came_back and not signed_in else None
    cookie = f"{NOTE}={note}; Path=/; Max-Age=300; HttpOnly; SameSite=Lax".encode()
    return [] if note is None else [(b"set-cookie", shortened(cookie))]
