"""A process killed at any moment of checking, submitting and signing: what was told stands, nothing is there by half.

PILOTS_DEATHS is how many times it is killed on each database; 40 without it.
"""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any

import pytest

from pilots import auditing, returns
from pilots.access import APPROVER, LOCAL_ADMINISTRATOR, Actor
from pilots.places import region_names
from pilots.storage import Store
from pilots.storage.checks import CHECKED, RECEIVED, REPEATED
from pilots.storage.submissions import stored_rows, stored_submissions
from pilots.typed_rows import digest
from tests.processes import until

DEATHS = int(os.environ.get("PILOTS_DEATHS", "40"))
EHCP, TERMS = "ehcp_process", ("2021/22 autumn", "2022/23 autumn", "2023/24 autumn")
APPROVES = Actor("approver", "Approver", APPROVER, tuple(region_names()))
Csv = Callable[..., bytes]
Start = Callable[..., tuple[int, Path]]


@pytest.fixture
def start(any_url: str, tmp_path: Path) -> Iterator[Start]:
    """Starts a process on a job in a moment: its number, and the file in which it tells."""
    made = 0
    script = Path(__file__).with_name("zygote.py")
    zygote = subprocess.Popen([sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def started(region: str, term: str, content: bytes, **more: Any) -> tuple[int, Path]:
        nonlocal made
        made += 1
        told = tmp_path / f"{made}.told"
        job = {"url": any_url, "region": region, "term": term, "content": content.decode(), "told": str(told)}
        assert zygote.stdin is not None and zygote.stdout is not None
        zygote.stdin.write(json.dumps({**job, "gate": "", "halt": "", "reason": "Again.", "sign": True, **more}) + "\n")
        zygote.stdin.flush()
        return int(zygote.stdout.readline()), told

    yield started
    zygote.communicate()


def lines(told: Path) -> list[list[str]]:
    found = [line.split() for line in told.read_text(encoding="utf-8").splitlines()] if told.exists() else []
    assert not [line for line in found if line[0] == "failed"], found
    return found


def waited_for(told: Path, word: str) -> list[list[str]]:
    until(lambda: word in [line[0] for line in lines(told)], f"a process comes to “{word}”", every=0.001)
    return lines(told)


def killed(number: int) -> None:
    """Kill a process, and wait until it is gone."""
    try:
        os.kill(number, signal.SIGKILL)
        while True:
            os.kill(number, 0)
            time.sleep(0.001)
    except ProcessLookupError:
        pass


def again(store: Store, region: str, term: str, content: bytes) -> None:
    """What somebody does who was cut off: the same once more."""
    said = {"history.large_change": "A test."}
    about = (EHCP, region, term, "return.csv", content)
    got = returns.submit_return(store, LOCAL_ADMINISTRATOR, *about, said, "Again.")
    returns.sign_off_return(store, APPROVES, got.reference)


@pytest.mark.slow
def test_killed_at_any_moment_every_receipt_stands_and_a_retry_does_no_harm(any_url: str, ehcp_csv: Csv, start: Start) -> None:
    store, chance = Store.open(any_url), random.Random(16)
    places = cycle((region, term) for region in region_names() for term in TERMS)
    told_in_order = ("ready", "checked", "submitted", "signed_off", "end")
    reached, spent = dict.fromkeys(told_in_order, 0), dict.fromkeys(told_in_order, 0.0)
    for death in range(DEATHS):
        region, term = next(places)
        content = ehcp_csv(region, term, 100 + death)
        halt = told_in_order[death % 20 - 1] if death % 20 in (1, 2, 3) else ""  # killed before the next part, for certain
        number, told = start(region, term, content, halt=halt)
        if halt:
            waited_for(told, halt)
        elif death % 20 == 0:  # how long each part takes, as busy as the machine is now; this one is killed at its end
            for before, after in pairwise(told_in_order):
                waited_for(told, before)
                began = time.monotonic()
                waited_for(told, after)
                spent[before] = time.monotonic() - began
        else:
            # The check takes most of the time: two of three die after it, where more is at stake.
            after = chance.choice(told_in_order[:3])
            waited_for(told, after)
            time.sleep(chance.uniform(0, spent[after]))
        killed(number)
        said = lines(told)
        reached[said[-1][0]] += 1
        found = {row["reference"]: row for row in _of(store, region, term)}
        for state, reference, sha256 in [line for line in said if len(line) == 3]:
            row = found[reference]
            assert row["sha256"] == sha256 and (state == "submitted" or row["signed_off_at"] is not None)
        again(store, region, term, content)
        mine = [row for row in _of(store, region, term) if row["sha256"] == hashlib.sha256(content).hexdigest()]
        assert [row["status"] for row in mine] == ["signed_off"]
        assert len(_of(store, region, term)) == len(found) + (mine[0]["reference"] not in found)
    _whole(store)
    print(f"{DEATHS} deaths on {store.engine.dialect.name}; the last thing told was: {reached}")
    if DEATHS >= 40:
        assert min(reached["ready"], reached["checked"], reached["submitted"], reached["end"]) >= 2
    store.close()


def _of(store: Store, region: str, term: str) -> list[dict[str, Any]]:
    with store.read() as connection:
        return stored_submissions(connection, collection=EHCP, region=region, period=term)


def _whole(store: Store) -> None:
    """Every submission has all of its rows, every check a state that says what became of it, and the log tells of all."""
    with store.read() as connection:
        for row in stored_submissions(connection):
            rows = stored_rows(connection, [row["id"]])[row["id"]]
            assert (len(rows), digest(rows)) == (row["row_count"], row["rows_digest"])
    states = {check["state"] for check in returns.checks(store, LOCAL_ADMINISTRATOR)}
    assert states <= {CHECKED, RECEIVED, REPEATED}
    assert auditing.verify_audit(store, LOCAL_ADMINISTRATOR).faults == ()


@pytest.mark.slow
def test_of_fifty_people_at_once_one_wins_and_the_others_are_told(
    any_url: str, ehcp_csv: Csv, start: Start, tmp_path: Path
) -> None:
    store, region, term, gate = Store.open(any_url), "E12000001", TERMS[2], tmp_path / "gate"
    files = [ehcp_csv(region, term, 100 + person) for person in range(50)]
    started = [start(region, term, content, gate=str(gate), reason=None, sign=False)[1] for content in files]
    for told in started:
        waited_for(told, "ready")
    gate.touch()
    said = [waited_for(told, "end")[1] for told in started]
    won = [line for line in said if line[0] == "submitted"]
    assert len(won) == 1 and [line[0] for line in said].count("refused") == 49
    assert all(won[0][1] in " ".join(line) for line in said), "the others are told who was first"
    assert [row["reference"] for row in _of(store, region, term)] == [won[0][1]]
    assert len(returns.checks(store, LOCAL_ADMINISTRATOR)) == 50
    _whole(store)
    store.close()
