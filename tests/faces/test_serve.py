"""`pilots serve` as a process: it answers on this machine only, and ends with whoever started it."""

import json
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from urllib.error import HTTPError

import pytest
from click.testing import Result

from pilots.accounts import development_sign_in
from pilots.commands.serve import DEMONSTRATION_URL, address_of_store, screens
from pilots.storage import Store
from pilots.storage.store import DEFAULT_URL
from tests.processes import PATIENCE, free_port, healthy, until


def test_a_port_in_use_is_told_and_nothing_is_made(command: Callable[..., Result]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = command("serve", "--port", str(taken.getsockname()[1]), "--json")
    assert result.exit_code == 1
    assert "cannot be used" in json.loads(result.stdout)["error"]


def test_each_kind_of_store_has_a_place_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PILOTS_DATABASE_URL")
    assert address_of_store(True) == DEMONSTRATION_URL != address_of_store(False) == DEFAULT_URL
    monkeypatch.setenv("PILOTS_DATABASE_URL", "sqlite:///elsewhere.sqlite")
    assert address_of_store(True) == address_of_store(False) == "sqlite:///elsewhere.sqlite"


def test_the_screens_are_found() -> None:
    assert (screens().parent / "pages" / "effects.py").is_file()


def test_the_server_answers_on_loopback_and_ends_when_told(database: str) -> None:
    port = free_port()
    typed = [sys.executable, "-m", "pilots", "serve", "--port", str(port), "--json"]
    process = subprocess.Popen(typed, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        headers = until(lambda: healthy(f"http://127.0.0.1:{port}", process), "the server answers", every=0.2)
        policy = headers["Content-Security-Policy"]
        assert "script-src 'self' 'sha256-" in policy and "unsafe-eval" not in policy
        assert headers["X-Frame-Options"] == "DENY" and headers["X-Content-Type-Options"] == "nosniff"
        for hidden in ("metrics", "agent/openapi.json"):
            with pytest.raises(HTTPError, match="404"):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/{hidden}", timeout=PATIENCE)
        with pytest.raises(HTTPError, match="401"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/upload_file/x/1", timeout=PATIENCE)
    finally:
        process.terminate()
    said, _ = process.communicate(timeout=PATIENCE)
    told = json.loads(said)
    assert told.pop("open").startswith(f"http://127.0.0.1:{port}/?key=")
    assert told == {"url": f"http://127.0.0.1:{port}", "store": database, "demonstration": False}
    assert process.returncode == 0
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0, "the server has ended with the command"
    store = Store.open(database)
    assert {actor.role for actor in development_sign_in(store)} == {
        "lead",
        "approver",
        "evaluator",
        "researcher",
        "administrator",
    }
    store.close()
