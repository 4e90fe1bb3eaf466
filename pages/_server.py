"""The screens as `pilots serve` runs them: what every answer tells the browser, and what nobody is given."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from pages import _frame as frame
from pages._identity import SIGN_OUT, configured, identity, is_local_key, local_cookie, noted, shortened
from pilots.sessions import IdentityError, sign_out, standing

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Any, Send], Awaitable[None]]
MEDIA = "/media/"
CLOSED = re.compile(r"^/_stcore/(metrics$|agent/)")  # what Streamlit tells of itself, and its door for programs: nobody's
HELD = re.compile(r"^/(_stcore/upload_file|media)/")  # where files go in, and where they come out


def own_scripts() -> str:
    """Digests of the scripts that stand in Streamlit's own page, as a policy names them."""
    page = (Path(st.__file__).parent / "static" / "index.html").read_text(encoding="utf-8")
    found = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    return "".join(f" 'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for text in found)


# Scripts and connections of the server's own alone, in no frame of another site's; styles are set in place by Streamlit itself.
POLICY = (
    f"default-src 'self'; script-src 'self'{own_scripts()}; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cross-origin-opener-policy": "same-origin",
}


class Guarded:
    """Adds headers to every answer, keeps cookies short and files closed, and what Streamlit tells of itself to itself."""

    def __init__(self, app: Application) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request, path = HTTPConnection(scope), scope["path"].rstrip("/")

        async def with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                held = [(name, value) for name, value in message["headers"] if name.decode().lower() not in HEADERS]
                held = [(name, shortened(value) if name.lower() == b"set-cookie" else value) for name, value in held]
                message["headers"] = [*held, *((name.encode(), value.encode()) for name, value in HEADERS.items())]
                if configured() is not None:
                    message["headers"] += noted(path, request.query_params, message["headers"])
            await send(message)

        answer: Application = self.app
        if CLOSED.search(path):
            answer = Response(status_code=404)
        elif "key" in request.query_params and is_local_key(request.query_params["key"]):
            answer = brought_link(request)
        elif HELD.search(path) and not await run_in_threadpool(admitted, request):
            answer = PlainTextResponse("You are not signed in.", status_code=401)
        elif path == SIGN_OUT:
            await run_in_threadpool(end_session, request)
        await answer(scope, receive, with_headers)


def admitted(request: HTTPConnection) -> bool:
    """Whether somebody is signed in who may send files to this server and take them from it."""
    if frame.synthetic() and (configured() is None or request.url.path.startswith(MEDIA)):
        return True  # visitors of the demonstration may take its tables
    if configured() is None:
        return is_local_key(request.cookies.get(local_cookie(request.headers.get("host"))))
    with suppress(IdentityError):
        who = identity(request.cookies)
        return who is not None and standing(frame.store(), who).actor is not None
    return False


def end_session(request: HTTPConnection) -> None:
    """End the session of whoever signs out, whether or not a screen did so before."""
    with suppress(IdentityError):  # nobody was signed in by such a cookie
        who = identity(request.cookies)
        if who is not None:
            sign_out(frame.store(), who)


def brought_link(request: HTTPConnection) -> Response:
    """A browser opened the link of `pilots serve`: it is known from now on, and the key leaves the address line."""
    answer = RedirectResponse(request.url.path, status_code=303)
    name = local_cookie(request.headers.get("host"))
    answer.set_cookie(name, request.query_params["key"], httponly=True, samesite="strict")
    return answer


def secrets() -> dict[str, Any] | None:
    """The settings of sign-in as Streamlit wants them; None where there are none."""
    settings = configured()
    if settings is None:
        return None
    named = ("client_id", "client_secret", "cookie_secret")
    held = {name: getattr(settings, name) for name in named}
    return {"auth": {**held, "redirect_uri": settings.redirect_url, "server_metadata_url": settings.metadata_url}}


app = st.App(Path(__file__).resolve().parents[1] / "app.py", middleware=[Middleware(Guarded)], secrets=secrets())
