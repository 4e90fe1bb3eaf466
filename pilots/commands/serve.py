"""Commands that open the screens, and that build what they show first."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import click

import pilots
from pilots.accounts import add_development_accounts
from pilots.commands.shared import Session, task_command
from pilots.demonstration import is_demonstration
from pilots.demonstration.build import build_demonstration
from pilots.errors import UserError
from pilots.sign_in import LOCAL_KEY_VARIABLE, SignIn, sign_in_settings
from pilots.storage import Store
from pilots.storage.store import DATABASE_VARIABLE, DEFAULT_URL

DEMONSTRATION_URL = "sqlite:///var/demonstration.sqlite"
ADDRESS = "127.0.0.1"
LONGEST_HEADER = 32_768  # bytes; what providers say of somebody is in cookies, which may be longer than the 8,192 by default


@task_command("serve")
@click.option("--demonstration", "with_demonstration", is_flag=True, help="Show the synthetic programme, in a store of its own.")
@click.option("--port", type=click.IntRange(1, 65535), default=8501, show_default=True)
@click.option("--address", default=ADDRESS, show_default=True, help="Where to listen; another one only where sign-in is set up.")
def serve(session: Session, with_demonstration: bool, port: int, address: str) -> None:
    """Open the screens in a browser, on this machine only, or for others too where sign-in is set up (docs/operators.md).

    The store is your own, and empty at first. With --demonstration it is one of synthetic data, built before the screens open.
    """
    script, url, sign_in = screens(), address_of_store(with_demonstration), sign_in_settings()
    if address != ADDRESS and sign_in is None:
        raise UserError(f"Without sign-in the server listens on {ADDRESS} only. Set sign-in up first: docs/operators.md.")
    check_port(address, port)
    real = not with_store(session, url, with_demonstration, sign_in)
    where, key = f"http://{address}:{port}", secrets.token_urlsafe(24) if real and sign_in is None else ""
    link, more = where, ""
    if sign_in is not None:
        link, more = sign_in.address, f" Whoever has an account can sign in. Your proxy finds the server at {where}."
    elif key:
        link, more = f"{where}/?key={key}", " Keep this link to yourself: whoever has it can act with every development account."
    told = {"url": where, "open": link, "store": url, "demonstration": with_demonstration}
    session.tell(told, f"Open {link} in a browser.{more} Ctrl+C stops.")
    sys.stdout.flush()
    code = run_screens(script, url, (address, port), key, sign_in)
    if code > 0:
        raise click.exceptions.Exit(code)


@task_command("demonstration")
def demonstration(session: Session) -> None:
    """Build the synthetic demonstration programme in a store of its own.

    What is built already is kept; work that was interrupted goes on. PILOTS_DATABASE_URL chooses another store.
    """
    url = address_of_store(True)
    with_store(session, url, True, None)
    session.tell(
        {"store": url, "demonstration": True}, f"The demonstration programme is in {url}. See it: pilots serve --demonstration"
    )


def address_of_store(with_demonstration: bool) -> str:
    """The URL of the store that is shown: what the environment says, or a file of its own."""
    return os.environ.get(DATABASE_VARIABLE) or (DEMONSTRATION_URL if with_demonstration else DEFAULT_URL)


def with_store(session: Session, url: str, with_demonstration: bool, sign_in: SignIn | None) -> bool:
    """Make the store ready for the screens: the demonstration programme, or accounts for development where nobody else signs in.

    Returns:
        Whether it holds the demonstration.
    """
    store = Store.open(url)
    try:
        synthetic = is_demonstration(store)
        if with_demonstration:
            if not synthetic:
                session.remark("Building the demonstration programme. The first time this takes two to three minutes.")
            with session.progress("Building the demonstration programme") as tell:
                build_demonstration(store, session.actor, progress=tell)
        elif not synthetic and sign_in is None:
            add_development_accounts(store, session.actor)
        return with_demonstration or synthetic
    finally:
        store.close()


def screens() -> Path:
    """The file that Streamlit runs; it stands beside the package.

    Raises:
        UserError: it is not there.
    """
    script = Path(pilots.__file__).resolve().parents[1] / "app.py"
    if not script.is_file():
        raise UserError(f"The screens are not at {script}. Run pilots from a checkout of the project, installed with: make app")
    return script


def check_port(address: str, port: int) -> None:
    """Stop where the port is taken.

    Raises:
        UserError: another program listens there.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise UserError(f"Port {port} of {address} cannot be used: {error.strerror}. Choose another with --port.") from error


def settings(folder: Path) -> list[str]:
    """The settings that stand beside the screens, as options: Streamlit finds the file only where it starts in that folder."""
    held = tomllib.loads((folder / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    named = {f"--{section}.{name}": value for section, values in held.items() for name, value in values.items()}
    texts = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in named.items()}
    return [word for pair in texts.items() for word in pair]


def run_screens(script: Path, url: str, place: tuple[str, int], key: str, sign_in: SignIn | None) -> int:
    """Run the screens, guarded (`pages/_server.py`), until they end; what is printed goes to the error stream. Gives the code."""
    address, port = place
    options = [*settings(script.parent), "--server.port", str(port), "--server.address", address, "--server.headless", "true"]
    if sign_in is not None:
        options += ["--server.allowedHosts", sign_in.host]
    command = [sys.executable, "-m", "streamlit", "run", str(script.parent / "pages" / "_server.py"), *options]
    # By the environment, not by options, which every user of the machine can list.
    held = {DATABASE_VARIABLE: url, LOCAL_KEY_VARIABLE: key, "PYTHONPATH": _path(script.parent)}
    if sign_in is not None:
        held["STREAMLIT_SERVER_COOKIE_SECRET"] = sign_in.cookie_secret
        held["WEBSOCKETS_MAX_LINE_LENGTH"] = str(LONGEST_HEADER)
    with subprocess.Popen(command, env={**os.environ, **held}, stdout=sys.stderr.fileno()) as child:

        def stop(_number: int, _frame: Any) -> None:
            child.terminate()

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        return child.wait()


def _path(root: Path) -> str:
    """Where Python looks for modules: beside the screens first, since the server in front of them is one of them."""
    return os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])
