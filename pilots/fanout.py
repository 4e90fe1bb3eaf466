"""Independent pieces of work side by side: on this machine's processes, or over a cluster by a backend of joblib's."""

import importlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from joblib import Parallel, cpu_count, delayed, parallel_config
from joblib.externals.loky import BrokenProcessPool

from pilots.errors import UserError

WORKERS_VARIABLE = "PILOTS_WORKERS"
BACKEND_VARIABLE = "PILOTS_BACKEND"
PROCESSES = "loky"  # processes of this machine, which live on for a while and take the next pieces too
Tell = Callable[[float, str], None]


@dataclass(frozen=True)
class Workers:
    """Who does the work.

    Attributes:
        count: how many pieces are worked on at once; −1 is as many as the backend has workers.
        backend: a name that joblib knows, or will know once `register` was called: `loky` (processes), `threading`, `dask`, …
        register: `module:function` to call first, where a cluster has to be joined or its backend made known; else empty.
    """

    count: int
    backend: str = PROCESSES
    register: str = ""


HERE = Workers(1)


def workers_set() -> Workers:
    """Who does the work by the settings PILOTS_WORKERS and PILOTS_BACKEND; without them a process for each core of this machine.

    PILOTS_BACKEND is a name of joblib's, or `NAME=MODULE:FUNCTION` with what makes it known, for example
    `spark=joblibspark:register_spark`.

    Raises:
        UserError: a setting cannot be read.
    """
    name, _, register = os.environ.get(BACKEND_VARIABLE, "").partition("=")
    backend = name.strip() or PROCESSES
    text = os.environ.get(WORKERS_VARIABLE, "").strip()
    if not text:
        return Workers(cpu_count() if backend == PROCESSES else -1, backend, register.strip())
    if not text.isdigit() or int(text) < 1:
        raise UserError(f"{WORKERS_VARIABLE} cannot be “{text}”. Write a whole number of 1 or more, or leave it out.")
    return Workers(int(text), backend, register.strip())


def within(tell: Tell, at: int, pieces: int, name: str = "") -> Tell:
    """Whom a piece tells how far it is, so that the whole tells it in its own share, with the piece's name before."""

    def told(share: float, what: str) -> None:
        tell((at + share) / pieces, f"{name}: {what}" if name else what)

    return told


def fan_out(
    task: Callable[[Any, Tell], Any], pieces: Sequence[Any], workers: Workers, tell: Tell, words: Callable[[int], str]
) -> Iterator[tuple[int, Any]]:
    """Do a task on every piece, as many at once as there are workers, and give each answer when it is there.

    Args:
        task: a function of a module, which a worker can import. It gets a piece and whom to tell how far it is; what it answers
            may depend on nothing but the piece.
        pieces: what is worked on; each must be able to go to another process.
        workers: who does it. One worker, or one piece, is done in this process.
        tell: told the share done and what is being done.
        words: for how many pieces are done, the words to tell.

    Yields:
        Position of the piece and its answer, in the order in which they are finished.

    Raises:
        UserError: there is no such backend, or a process that did some of the work was ended.
    """
    if workers.backend == PROCESSES and (workers.count == 1 or len(pieces) < 2):
        for at, piece in enumerate(pieces):
            yield at, task(piece, within(tell, at, len(pieces)))
        return
    _make_known(workers)
    try:
        with parallel_config(backend=workers.backend, n_jobs=workers.count):
            spread = Parallel(return_as="generator_unordered")
    except (ValueError, ImportError) as error:
        raise UserError(
            f"The backend “{workers.backend}” of {BACKEND_VARIABLE} cannot be used: {error} "
            "Name one that joblib knows, or NAME=MODULE:FUNCTION with the function that makes it known."
        ) from error
    parent = os.getpid() if workers.backend == PROCESSES else None
    calls = (delayed(_numbered)(at, task, piece, parent) for at, piece in enumerate(pieces))
    try:
        for done, answered in enumerate(spread(calls), start=1):
            yield answered
            tell(done / len(pieces), words(done))
    except BrokenProcessPool as error:
        raise UserError(
            "A process that did part of the work was ended from outside, as the system does where memory is short. What is "
            f"finished is kept: do the same again. If memory is short, set {WORKERS_VARIABLE} to a smaller number."
        ) from error


def _make_known(workers: Workers) -> None:
    if not workers.register:
        return
    module, _, function = workers.register.partition(":")
    try:
        getattr(importlib.import_module(module), function)()
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(
            f"“{workers.register}” of {BACKEND_VARIABLE} cannot be called: {error}. "
            "Write MODULE:FUNCTION of a package that is installed."
        ) from error


def _numbered(at: int, task: Callable[[Any, Tell], Any], piece: Any, parent: int | None) -> tuple[int, Any]:
    if parent is not None:
        _end_with(parent)
    return at, task(piece, lambda share, words: None)


@cache
def _end_with(parent: int) -> None:
    """Have this process end within a second when the one that it works for is gone: it would stay on for nobody."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
