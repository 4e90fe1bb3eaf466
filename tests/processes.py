"""Processes that tests start: how they are waited for, where they listen, how one is made to stand still in time."""

import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from email.message import Message
from pathlib import Path
from typing import Any

PATIENCE = 300.0  # seconds after which what is waited for counts as never coming; on a quiet machine all comes within a few
HALTING = Path(__file__).with_name("halting")
HELD: list[socket.socket] = []


def until(holds: Callable[[], Any], what: Callable[[], str] | str, every: float = 0.01) -> Any:
    """Wait until something holds, however busy the machine is, and give it; `what` says what did not come."""
    deadline = time.monotonic() + PATIENCE
    while not (found := holds()):
        told = what if isinstance(what, str) else "" if time.monotonic() < deadline else what()
        assert time.monotonic() < deadline, f"not within {PATIENCE:.0f} seconds: {told}"
        time.sleep(every)
    return found


def free_port() -> int:
    """A port of this machine that nobody else is given as long as this process lives.

    The socket that found it stays bound: the system gives its port to nobody who asks for any. A server that is started on the
    port can bind it beside (SO_REUSEADDR, which servers set), because the first one does not listen.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    HELD.append(holder)
    return int(holder.getsockname()[1])


def healthy(address: str, process: subprocess.Popen[Any]) -> Message | None:
    """The headers with which a server of screens says that it is well; none where it does not answer yet."""
    assert process.poll() is None, f"the server ended with code {process.returncode}"
    try:
        with urllib.request.urlopen(f"{address}/_stcore/health", timeout=PATIENCE) as answer:
            return answer.headers if answer.status == 200 else None
    except OSError:
        return None


@contextmanager
def halted(moment: str, args: Sequence[str], env: Mapping[str, str], **more: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process and wait until it stands still, with all that it started, at a moment of its own work.

    What is done to it meanwhile comes at that moment, however the machine is: it goes on afterwards and is waited for.
    `halting/sitecustomize.py` has the moments.
    """
    places = os.pathsep.join(filter(None, [str(HALTING), env.get("PYTHONPATH")]))
    run = subprocess.Popen(args, env={**env, "PYTHONPATH": places, "HALT_AT": moment}, start_new_session=True, **more)
    try:
        seen = os.WSTOPPED | os.WEXITED | os.WNOWAIT | os.WNOHANG
        until(lambda: os.waitid(os.P_PID, run.pid, seen), f"the process did not come to “{moment}”")
        assert run.poll() is None, f"the process was over before “{moment}”"
        yield run
        with suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGCONT)
        run.wait(timeout=PATIENCE)
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
