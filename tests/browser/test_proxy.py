"""The proxy of docs/operators.md as it stands there: TLS, sign-in, a websocket and a file of some size through it."""

import re
import shutil
import socket
import ssl
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from pilots.access import LEAD, LOCAL_ADMINISTRATOR
from pilots.accounts import save_account
from pilots.storage import Store
from tests.processes import PATIENCE, free_port, until

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
BEA = "bea"
HOST = "evidence.example.org"
ADDRESS = f"https://{HOST}"
AROUND = """daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
{server}
}}
"""


def sample() -> str:
    """The proxy's configuration as the operators' page has it."""
    (found,) = re.findall(r"```nginx\n(.*?)```", (ROOT / "docs" / "operators.md").read_text(encoding="utf-8"), re.DOTALL)
    return found


def certificate(folder: Path) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={HOST}"]
    command += ["-keyout", str(folder / "evidence.key"), "-out", str(folder / "evidence.pem")]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """Starts the proxy; gives its port and the one where it looks for the server."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None or shutil.which("openssl") is None:
        pytest.skip("nginx or openssl is missing; install them with: apt-get install nginx-light openssl")
    outside, inside = free_port(), free_port()
    certificate(tmp_path)
    server = sample().replace("listen 443 ssl", f"listen 127.0.0.1:{outside} ssl").replace("/etc/ssl", str(tmp_path))
    server = server.replace("127.0.0.1:8501", f"127.0.0.1:{inside}")
    (tmp_path / "nginx.conf").write_text(AROUND.format(folder=tmp_path, server=server), encoding="utf-8")
    process = subprocess.Popen([program, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")])

    def listens() -> bool:
        assert process.poll() is None, (tmp_path / "error.log").read_text(encoding="utf-8")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", outside)) == 0

    until(listens, "the proxy listens")
    yield outside, inside
    process.terminate()
    process.wait(timeout=PATIENCE)


def test_the_proxy_of_the_operators_page(
    proxied: tuple[int, int], tmp_path: Path, with_provider: Callable[..., str], provider: str, browser: Browser, looker: Any
) -> None:
    outside, inside = proxied
    store = Store.open(f"sqlite:///{tmp_path / 'own.sqlite'}")
    save_account(store, LOCAL_ADMINISTRATOR, BEA, "Bea", LEAD, ["E12000001"], provider)
    assert with_provider(store.address, address=ADDRESS, port=inside) == ADDRESS
    named = [f"--host-resolver-rules=MAP {HOST}:443 127.0.0.1:{outside}", "--no-sandbox", "--disable-gpu"]
    there = browser.browser_type.launch(executable_path="/usr/bin/chromium", args=named)
    page = there.new_context(ignore_https_errors=True, viewport={"width": 1280, "height": 900}).new_page()
    through = type(looker)(page)
    through.open(ADDRESS)
    through.come_from(BEA)
    through.sees("Returns due")
    cookies = {one["name"]: one for one in page.context.cookies()}
    assert all(one["secure"] for one in cookies.values() if one["domain"] == HOST) and "_streamlit_user" in cookies
    assert sum(len(one["value"]) for one in cookies.values()) > 8_192, "more than servers take in one header by themselves"
    through.go("Send a return")
    through.upload("large.csv", b"authority,period\n" * 80_000)
    through.press("Check my file")
    through.sees("Errors: you must put these right")
    assert list((tmp_path / "body").iterdir()) == [], "the file was not written to the proxy's disk"
    there.close()
    store.close()

    request = urllib.request.Request(f"https://127.0.0.1:{outside}/", headers={"Host": HOST})
    with urllib.request.urlopen(request, timeout=PATIENCE, context=ssl._create_unverified_context()) as answer:
        assert answer.headers["Strict-Transport-Security"].startswith("max-age=")
        assert answer.headers["X-Frame-Options"] == "DENY" and "script-src 'self'" in answer.headers["Content-Security-Policy"]
