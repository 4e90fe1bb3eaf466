"""Who a browser's cookies say it is. Screens and the server in front of them both ask here, so that they cannot differ."""

from __future__ import annotations

import hmac
import json
import os
from collections.abc import Mapping
from functools import cache
from typing import Any

from streamlit.auth_util import get_cookie_with_chunks
from streamlit.web.server.server_util import get_cookie_secret
from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from pilots.sessions import Identity, identity_of
from pilots.sign_in import LOCAL_KEY_VARIABLE, SignIn, sign_in_settings

SIGNED_OUT_COOKIE = "pilots_signed_out"  # set for some minutes after a sign-out, so that the next page can say it


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
