"""Python reads this as it starts where its folder is on PYTHONPATH: the process halts its group once, at the moment of HALT_AT.

`insert TABLE`: a transaction that added to the table is committed. `rename PREFIX NUMBER`: as many files that began so were given
their names, and the next one is written and has none yet.
"""

import itertools
import os
import signal
import sys
import time
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.pool import Pool

KIND, _, WHAT = os.environ["HALT_AT"].partition(" ")
RENAMES = itertools.count()


def halt() -> None:
    os.environ["HALT_AT"] = "never"
    os.killpg(0, signal.SIGSTOP)
    time.sleep(0.2)  # a signal that came meanwhile may reach another thread first: it is told here, and not a step later


def note(connection: Any, cursor: object, statement: str, *more: object) -> None:
    if statement.startswith(f"INSERT INTO {WHAT} "):
        connection.info["added"] = True


def given_back(connection: object, record: Any) -> None:
    # A connection comes back when its transaction is over.
    if record.info.pop("added", False) and os.environ["HALT_AT"] != "never":
        halt()


def heard(name: str, given: tuple[Any, ...]) -> None:
    prefix, _, number = WHAT.partition(" ")
    if name == "os.rename" and os.path.basename(given[0]).startswith(prefix) and next(RENAMES) == int(number):
        halt()


if KIND == "insert":
    event.listen(Engine, "after_cursor_execute", note)
    event.listen(Pool, "checkin", given_back)
elif KIND == "rename":
    sys.addaudithook(heard)
