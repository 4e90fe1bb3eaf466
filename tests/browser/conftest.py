"""The real server on a demonstration store, a browser that looks at it, and what every look asserts."""

import json
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from oidc_provider_mock import User, run_server_in_thread
from playwright.sync_api import Browser, Page, Request, WebSocket, sync_playwright
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from tests import processes
from tests.processes import free_port, healthy, until

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SETTLED = '[data-testid="stApp"][data-test-script-state="notRunning"]'
WIDTHS = {1280: 900, 360: 780}
PATIENCE = 1000 * processes.PATIENCE  # milliseconds
# Whatever reaches further to the right than the window does; Streamlit's own side bar lies outside while it is closed.
TOO_WIDE = """() => [...document.querySelectorAll('[data-testid="stMain"] *')]
  .filter(one => one.getBoundingClientRect().right > window.innerWidth + 1 && !one.closest('svg'))
  .map(one => one.outerHTML.slice(0, 120)).slice(0, 3)"""
# Tables that do not say what they are, or say the same as another on the screen.
UNTOLD = """() => [...document.querySelectorAll('[data-testid="stMain"] table')]
  .map(one => one.caption?.textContent.trim() ?? '')
  .filter((words, at, all) => !words || all.indexOf(words) !== at)"""
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is missing; install it with: apt-get install chromium fonts-liberation")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def provider() -> Iterator[str]:
    """A real OpenID Connect provider that asks nobody for a password. Gives its address, which is its issuer.

    It says much of “bea”, as providers of large organisations do: what is said does not fit into one cookie.
    """
    known = [User(sub="bea", claims={"profile": f"https://id.example.org/{secrets.token_hex(2000)}"})]
    with run_server_in_thread(port=free_port(), user_claims=known) as server:
        yield f"http://127.0.0.1:{server.server_port}"


@pytest.fixture(scope="session")
def with_provider(provider: str, serve: Callable[..., str]) -> Callable[..., str]:
    """Start `pilots serve` on a store with sign-in set up, and give its address; another one where a proxy stands before it."""

    def start(database: str, *options: str, address: str = "", port: int = 0) -> str:
        port = port or free_port()
        settings = {
            "METADATA_URL": f"{provider}/.well-known/openid-configuration",
            "CLIENT_ID": "evidence",
            "CLIENT_SECRET": "no secret",
            "REDIRECT_URL": f"{address or f'http://127.0.0.1:{port}'}/oauth2callback",
            "COOKIE_SECRET": "0123456789abcdef" * 4,
        }
        environment = {f"PILOTS_SIGN_IN_{name}": value for name, value in settings.items()}
        return serve(database, *options, port=port, environment=environment)

    return start


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """Start `pilots serve` on a store and give the link that it prints; `port` and `environment` are for sign-in."""
    running: list[subprocess.Popen[str]] = []

    def start(database: str, *options: str, port: int = 0, environment: dict[str, str] | None = None) -> str:
        port, folder = port or free_port(), tmp_path_factory.mktemp("server")
        with (folder / "said.json").open("w") as said, (folder / "log.txt").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "pilots", "serve", "--json", "--port", str(port), *options],
                env={**os.environ, "PILOTS_DATABASE_URL": database, **(environment or {})},
                stdout=said,
                stderr=log,
                text=True,
            )
        running.append(process)
        address = f"http://127.0.0.1:{port}"
        until(lambda: healthy(address, process), f"{address} answers", every=0.2)
        return str(json.loads((folder / "said.json").read_text())["open"])

    yield start
    for process in running:
        process.terminate()
        process.wait(timeout=processes.PATIENCE)


class Looker:
    """A browser page with eyes: every look waits until the screen stands, checks it, and keeps a picture where one is wanted."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        self.strangers: list[str] = []
        self.asked = 0  # how often the browser has asked the server for a screen
        self.waiting = False  # whether the server owes it one
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", self._note)
        page.on("websocket", self._listen)

    def _note(self, request: Request) -> None:
        # The last is the style sheet of the provider that the tests sign in with: not a page of ours.
        inside = ("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:", "about:", "https://cdn.jsdelivr.net/npm/@picocss/")
        if not request.url.startswith(inside):
            self.strangers.append(request.url)

    def _listen(self, line: WebSocket) -> None:
        line.on("framesent", self._sent)
        line.on("framereceived", self._received)
        line.on("close", lambda _: setattr(self, "waiting", False))

    def _sent(self, frame: str | bytes) -> None:
        if isinstance(frame, bytes) and BackMsg.FromString(frame).WhichOneof("type") == "rerun_script":
            self.asked, self.waiting = self.asked + 1, True

    def _received(self, frame: str | bytes) -> None:
        if isinstance(frame, bytes):
            told = ForwardMsg.FromString(frame)
            if told.WhichOneof("type") == "script_finished" and told.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                self.waiting = False

    def _until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait for what the browser and the server say to each other, which is heard only while the page is waited for."""
        deadline = time.monotonic() + processes.PATIENCE
        while not holds():
            assert time.monotonic() < deadline, f"not within {processes.PATIENCE:.0f} seconds: {what}"
            self.page.wait_for_timeout(20)

    def does(self, step: Callable[[], Any]) -> None:
        """Take a step and wait for the screen that it asks the server for; what stands there already is not asked for."""
        before, soon = self.asked, time.monotonic() + 5
        step()
        while self.asked == before and time.monotonic() < soon:
            self.page.wait_for_timeout(20)
        self.settled()

    def settled(self) -> None:
        self.page.wait_for_timeout(150)
        self._until(lambda: not self.waiting, "the server has given the screen")
        self.page.wait_for_selector(SETTLED)
        self.page.wait_for_selector('[data-testid="stSkeleton"]', state="detached")
        self.page.wait_for_timeout(150)
        assert self.page.get_by_test_id("stException").count() == 0, "the screen shows a fault of ours"

    def open(self, address: str) -> None:
        self.page.goto(address)
        self.page.wait_for_selector("h1")
        self.settled()

    def press(self, name: str) -> None:
        if self.page.evaluate("document.activeElement?.matches('input, textarea')"):
            # What was typed goes to the server first: a screen that comes under the pointer could swallow the press.
            self.page.evaluate("document.activeElement.blur()")
            self.settled()
        self.does(self.page.get_by_role("button", name=name, exact=True).click)

    def go(self, name: str) -> None:
        self.does(self.page.get_by_test_id("stSidebarNav").get_by_role("link", name=name, exact=True).click)

    def choose(self, label: str, option: str | re.Pattern[str]) -> None:
        box = self.page.get_by_role("combobox", name=label)
        # A list closes when the page scrolls: whoever uses it has it before their eyes first.
        box.evaluate("one => one.scrollIntoView({block: 'center'})")
        self.settled()
        box.click()
        self.does(self.page.get_by_role("option", name=option, exact=True).click)

    def upload(self, name: str, content: bytes) -> None:
        chosen = {"name": name, "mimeType": "text/csv", "buffer": content}
        self.does(lambda: self.page.locator('input[type="file"]').first.set_input_files(chosen))  # type: ignore[arg-type]
        # The chip's words are cut in the middle when they are long; its label has the whole name.
        self.page.locator(f'[data-testid="stFileChip"][aria-label^="{name},"]').wait_for()
        self.settled()

    def sign_in(self, who: str) -> None:
        self.does(self.page.get_by_test_id("stSidebarNav").get_by_role("link", name="Sign").click)
        self.page.get_by_test_id("stRadio").get_by_text(who).click()
        self.settled()
        self.press("Sign in")
        # The reader's first screen may take a while to come; until then the one before still stands.
        self.page.wait_for_function("() => !(document.querySelector('h1')?.innerText ?? 'Sign').startsWith('Sign')")
        self.settled()

    def come_from(self, subject: str, button: str = "Sign in") -> None:
        """Sign in at the provider as somebody, and come back."""
        self.page.get_by_test_id("stMain").get_by_role("button", name=button, exact=True).click()
        self.page.locator('input[name="sub"]').fill(subject)
        self.page.get_by_role("button", name="Authorize").click()
        self.page.wait_for_selector("h1:has-text('')")
        self.page.wait_for_selector(SETTLED)
        self.settled()

    def text(self) -> str:
        return self.page.get_by_test_id("stMain").inner_text()

    def work(self, name: str, words: str) -> None:
        """Press a button behind which lies long work, and wait for the words that tell its end."""
        self.page.get_by_role("button", name=name, exact=True).click()
        self.page.get_by_test_id("stMain").get_by_text(words).first.wait_for(timeout=3 * PATIENCE)
        self.settled()

    def sees(self, words: str) -> None:
        """Wait until words stand on the screen: what a task gives may come after the press that asked for it has settled."""
        self.page.get_by_test_id("stMain").get_by_text(words).first.wait_for()
        self.settled()

    def look(self, name: str) -> None:
        """Check the screen at both widths, and keep pictures of it."""
        for width, height in WIDTHS.items():
            self.page.set_viewport_size({"width": width, "height": height})
            self.settled()
            self._keep(f"{name}-{width}")
            wide = self.page.evaluate(TOO_WIDE)
            assert wide == [], f"{name} at {width}: {wide}"
            untold = self.page.evaluate(UNTOLD)
            assert untold == [], f"{name}: tables without a caption of their own: {untold}"
            found = [one for one in Axe().run(self.page).response["violations"] if one["impact"] in SERIOUS]
            told = [f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:200]}" for one in found]
            assert not told, f"{name} at {width}: {told}"
        self.page.set_viewport_size({"width": 1280, "height": WIDTHS[1280]})
        self.settled()

    def _keep(self, name: str) -> None:
        folder = os.environ.get("PILOTS_SCREENSHOTS")
        if not folder:
            return
        Path(folder).mkdir(parents=True, exist_ok=True)
        # Streamlit scrolls inside the page: the window is made as tall as what it holds.
        size = self.page.viewport_size or {"width": 1280, "height": 900}
        tall = self.page.evaluate("document.querySelector('[data-testid=\"stMain\"]').scrollHeight")
        self.page.set_viewport_size({"width": size["width"], "height": max(int(tall), size["height"])})
        self.settled()
        self.page.screenshot(path=str(Path(folder) / f"{name}.png"))
        self.page.set_viewport_size(size)
        self.settled()


@pytest.fixture
def looker(browser: Browser) -> Iterator[Looker]:
    context = browser.new_context(viewport={"width": 1280, "height": WIDTHS[1280]}, locale="en-GB", accept_downloads=True)
    made = Looker(context.new_page())
    yield made
    context.close()
    assert made.errors == []
    assert made.strangers == []
