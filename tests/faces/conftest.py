"""A store of one's own for each test, and the command line on it."""

import html
import importlib.util
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import streamlit as st
from click.testing import CliRunner, Result
from streamlit.runtime.context import ContextProxy
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest, app_test

from pilots.__main__ import pilots

ROOT = Path(__file__).resolve().parents[2]


def _load(name: str) -> ModuleType:
    """A module of this folder, which is no package; the others may import it as `faces_<name>`."""
    spec = importlib.util.spec_from_file_location(f"faces_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


FILLED = _load("filled")


@pytest.fixture
def question() -> dict[str, Any]:
    """A question's document as older runs have it."""
    return FILLED.small()


@pytest.fixture
def full() -> dict[str, Any]:
    """A question's document with every part that a run can have."""
    return FILLED.filled(FILLED.small())


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty store, which the command line works on."""
    url = f"sqlite:///{tmp_path / 'own.sqlite'}"
    monkeypatch.setenv("PILOTS_DATABASE_URL", url)
    monkeypatch.setenv("COLUMNS", "120")  # one width of tables, wherever the tests run
    return url


@pytest.fixture
def command(database: str) -> Callable[..., Result]:
    """Run a command; a fault of ours comes through as the exception that it is."""

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(pilots, list(arguments), catch_exceptions=False)

    return run


def plain(body: str) -> str:
    """The words of a piece of HTML; where a word may break, it is still one word."""
    return re.sub(r"<style>.*?</style>|<[^>]+>", " ", body.replace("<wbr>", ""), flags=re.DOTALL)


class VisitedBefore(PagesManager):
    """Streamlit as it is once anybody opened the front door: AppTest forgets that between two runs, a server does not."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        PagesManager.uses_pages_directory = False


class Screen:
    """The screens as one reader sees them, without a browser."""

    def __init__(self) -> None:
        self.app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=600)
        self.run()

    def run(self) -> None:
        self.app.run()
        assert not self.app.exception, [one.value for one in self.app.exception]
        bodies = [element.proto.body for element in self.app.get("html") if "<table" in element.proto.body]
        captions = [re.findall(r"<table[^>]*><caption>([^<]+)</caption>", body) for body in bodies]
        assert all(captions), f"a table says nowhere what it is: {bodies[captions.index([])][:300]}"
        assert len(captions) == len({tuple(one) for one in captions}), f"two tables say the same of themselves: {captions}"

    def press(self, label: str) -> None:
        next(button for button in self.app.button if button.label == label).click()
        self.run()

    def sign_in(self, name: str) -> None:
        self.go("pages/sign_in.py")
        radio = self.app.radio[0]
        radio.set_value(next(option for option in radio.options if option.startswith(name)))
        self.press("Sign in")

    def go(self, page: str) -> None:
        self.app.switch_page(page)
        self.run()
        # AppTest asks for this page at every later run, as no browser does: from here the screens themselves say where to go.
        self.app._page_hash = ""

    def choose(self, label: str, value: str) -> None:
        next(box for box in self.app.selectbox if box.label == label).set_value(value)
        self.run()

    def upload(self, filename: str, content: bytes) -> None:
        self.app.file_uploader[0].upload(filename, content, "text/csv")
        self.run()

    @property
    def buttons(self) -> list[str]:
        return [button.label for button in self.app.button]

    @property
    def words(self) -> str:
        """What stands on the screen, in plain words."""
        parts = [
            element.value for kind in ("title", "header", "subheader", "markdown", "caption") for element in self.app.get(kind)
        ]
        parts += [plain(element.proto.body) for element in self.app.get("html")]
        return html.unescape(" ".join(" ".join(map(str, parts)).split()))


@pytest.fixture
def screen(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Screen]]:
    """Open the screens on a store (the test's own one, if none is named) from a browser that names this host.

    It opened the link that the server printed, unless `link` is False.
    """

    def open_screens(url: str = database, host: str = "127.0.0.1:8501", link: bool = True) -> Screen:
        st.cache_resource.clear()
        st.cache_data.clear()
        monkeypatch.setenv("PILOTS_DATABASE_URL", url)
        monkeypatch.setattr(ContextProxy, "headers", property(lambda _: {"Host": host}))
        monkeypatch.setattr(ContextProxy, "ip_address", None)
        monkeypatch.setattr(ContextProxy, "cookies", property(lambda _: {"pilots_local_8501": "key"} if link else {}))
        monkeypatch.setenv("PILOTS_LOCAL_KEY", "key")
        monkeypatch.setattr(app_test, "PagesManager", VisitedBefore)
        return Screen()

    yield open_screens
    st.cache_resource.clear()
    st.cache_data.clear()
