"""A warm process that forks one child a job: run by `test_deaths`, before any thread is started that a fork would lose.

A job is one line of JSON on the input: url, region, term, content (text), told (file to append to), gate (file to wait for),
reason, sign, halt (what it tells last: it stands still then). The child's number is the answer.
"""

import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from data_contracts import load_contract
from pilots import returns
from pilots.access import APPROVER, LOCAL_ADMINISTRATOR, Actor
from pilots.errors import UserError
from pilots.places import region_names
from pilots.storage import Store
from pilots.storage import store as store_module

EHCP = "ehcp_process"
APPROVES = Actor("approver", "Approver", APPROVER, tuple(region_names()))


def work(job: dict[str, Any]) -> None:
    """Check, submit and sign; each receipt is told as soon as it is given, and a refusal too."""
    about = (EHCP, job["region"], job["term"], "return.csv", job["content"].encode())
    handle = os.open(job["told"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def tell(*words: str) -> None:
        os.write(handle, (" ".join(words) + "\n").encode())
        if words[0] == job["halt"]:
            os.kill(os.getpid(), signal.SIGSTOP)

    try:
        store = Store.open(job["url"])
        tell("ready")
        while job["gate"] and not Path(job["gate"]).exists():
            time.sleep(0.001)
        if job["sign"]:
            returns.check_return(store, LOCAL_ADMINISTRATOR, *about)
            tell("checked")
        said = {"history.large_change": "A test."}
        got = returns.submit_return(store, LOCAL_ADMINISTRATOR, *about, said, job["reason"])
        tell("submitted", got.reference, got.sha256)
        if job["sign"]:
            returns.sign_off_return(store, APPROVES, got.reference)
            tell("signed_off", got.reference, got.sha256)
    except UserError as error:
        tell("refused", str(error).replace("\n", " "))
    except BaseException:
        tell("failed", traceback.format_exc().replace("\n", " | "))
    tell("end")


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the dead
    store_module.BUSY_SECONDS = 300  # fifty at once on a slow machine take longer than people would wait
    load_contract(EHCP)
    for line in sys.stdin:
        number = os.fork()
        if not number:
            work(json.loads(line))
            os._exit(0)
        print(number, flush=True)
