"""Independent pieces of work side by side: on this machine's processes, or over a cluster by a backend of joblib's."""

import gc
import importlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, TypeVar

from joblib import Parallel, cpu_count, delayed, parallel_config
from joblib.externals.loky import FIRST_COMPLETED, BrokenProcessPool, ProcessPoolExecutor, wait
from threadpoolctl import threadpool_limits

from pilots.errors import UserError

WORKERS_VARIABLE = "PILOTS_WORKERS"
BACKEND_VARIABLE = "PILOTS_BACKEND"
PROCESSES = "loky"  # processes of this machine, which live on for a while and take the next pieces too
IDLE = 300  # seconds for which a process waits for more work
_POOLS: dict[int, ProcessPoolExecutor] = {}  # processes that may be there still, by how many
Tell = Callable[[float, str], None]
T = TypeVar("T")
A = TypeVar("A")


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
    task: Callable[[T, Tell], A],
    pieces: Iterable[T],
    expected: int,
    workers: Workers,
    tell: Callable[[T, float, str], None],
) -> Iterator[tuple[T, A]]:
    """Do a task on every piece, as many at once as there are workers, and give each answer when it is there.

    Workers are started before the first piece is taken, and each goes out when it is taken: pieces may be made while others are
    worked on. The thread that called takes them; on a cluster, all of them before it gives the first answer. Each process has one
    thread for its matrices: several would stand in each other's way, and sums would end in other last bits.

    Args:
        task: a function of a module, which a worker can import. It gets a piece and whom to tell how far it is; what it answers
            may depend on nothing but the piece.
        pieces: what is worked on; each must be able to go to another process.
        expected: how many pieces are worth a process; where it is one, all is done in this process.
        workers: who does it. One worker is this process.
        tell: told a piece, the share of it that is done and what is being done; by this process only.

    Yields:
        The piece and its answer, in the order in which they are finished.

    Raises:
        UserError: there is no such backend, or a process that did some of the work was ended.
    """
    with threadpool_limits(1, user_api="blas"):
        if workers.backend == PROCESSES and (workers.count == 1 or expected < 2):
            for piece in pieces:
                yield piece, task(piece, partial(tell, piece))
        elif workers.backend == PROCESSES:
            yield from _by_processes(task, pieces, workers.count if workers.count > 0 else cpu_count())
        else:
            yield from _by_backend(task, pieces, workers)


def end_workers() -> None:
    """End the processes that wait for more work; the next work starts new ones."""
    while _POOLS:
        _POOLS.popitem()[1].shutdown(wait=True)


def _by_processes(task: Callable[[T, Tell], A], pieces: Iterable[T], count: int) -> Iterator[tuple[T, A]]:
    """The same by processes of this machine, which are killed where it is given up.

    joblib would take the next piece under a lock that its workers wait for: none would begin before all are made.
    """
    if count not in _POOLS:
        _POOLS[count] = ProcessPoolExecutor(count, timeout=IDLE)
    pool, waiting = _POOLS[count], dict[Any, T]()
    try:
        for _ in range(count):
            pool.submit(_ready, task.__module__, os.getpid())
        for piece in pieces:
            waiting[pool.submit(_done, task, piece, os.getpid())] = piece
            for future in [one for one in waiting if one.done()]:
                yield waiting.pop(future), future.result()
        while waiting:
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                yield waiting.pop(future), future.result()
    except BaseException as error:
        _POOLS.pop(count, None)
        pool.shutdown(wait=False, kill_workers=True)
        if not isinstance(error, BrokenProcessPool):
            raise
        raise UserError(
            "A process that did part of the work was ended from outside, as the system does where memory is short. What is "
            f"finished is kept: do the same again. If memory is short, set {WORKERS_VARIABLE} to a smaller number."
        ) from error


def _by_backend(task: Callable[[T, Tell], A], pieces: Iterable[T], workers: Workers) -> Iterator[tuple[T, A]]:
    """The same by a backend of joblib's."""
    sent: dict[int, T] = {}
    for at, answered in _spread(workers)(_calls(task, pieces, sent)):
        yield sent.pop(at), answered


def _spread(workers: Workers) -> Parallel:
    """What spreads calls over workers: one call at a time, each as soon as it is there."""
    _make_known(workers)
    try:
        with parallel_config(backend=workers.backend, n_jobs=workers.count):
            return Parallel(return_as="generator_unordered", pre_dispatch="all", batch_size=1)
    except (ValueError, ImportError) as error:
        raise UserError(
            f"The backend “{workers.backend}” of {BACKEND_VARIABLE} cannot be used: {error} "
            "Name one that joblib knows, or NAME=MODULE:FUNCTION with the function that makes it known."
        ) from error


def _calls(task: Callable[[T, Tell], A], pieces: Iterable[T], sent: dict[int, T]) -> Iterator[Any]:
    """A call for each piece, under its number."""
    for at, piece in enumerate(pieces):
        sent[at] = piece
        yield delayed(_numbered)(at, task, piece)


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


def _ready(module: str, parent: int) -> None:
    """Import what the task needs, which takes longer than many a piece; what stays for good is not looked through for garbage."""
    _end_with(parent)
    gc.disable()
    importlib.import_module(module)
    gc.freeze()
    gc.enable()


def _numbered(at: int, task: Callable[[T, Tell], A], piece: T) -> tuple[int, A]:
    return at, _done(task, piece)


def _done(task: Callable[[T, Tell], A], piece: T, parent: int | None = None) -> A:
    if parent is not None:
        _end_with(parent)
    with threadpool_limits(1, user_api="blas"):
        return task(piece, lambda share, words: None)


@cache
def _end_with(parent: int) -> None:
    """Have this process end within a second when the one that it works for is gone: it would stay on for nobody."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
