"""How long the store takes with many submissions of 200 rows: submitting one more (12 rows), the lists, and a release of all.

Run it with `python -m benchmarks.store`. Times are milliseconds by the clock, and of the processor in brackets. Most submissions
are put in by one transaction for many, through the same functions of `pilots.storage` as the task; that the values of a row are
stored alike on both ways is checked before anything is timed.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from data_contracts import load_contract
from pilots import due, releases, returns
from pilots.access import APPROVER, EVALUATOR, LOCAL_ADMINISTRATOR, Actor
from pilots.places import current_authorities, region_names
from pilots.storage import Store
from pilots.storage.base import canonical_json
from pilots.storage.blobs import keep_bytes
from pilots.storage.checks import add_check, finish_check
from pilots.storage.submissions import add_step, add_submission, stored_rows, stored_submission
from pilots.targets import target_of
from pilots.typed_rows import digest

REGION, AT_ONCE = "E12000001", 200
SENT, SUBMITTED = "2024/25 spring", 100
ADMINISTRATOR, APPROVES, TAKES = LOCAL_ADMINISTRATOR, Actor("a", "A", APPROVER, tuple(region_names())), Actor("e", "E", EVALUATOR)


@cache
def authorities_of(region: str) -> list[str]:
    """Codes of a region's authorities."""
    codes = current_authorities()
    return codes.loc[codes["region"] == region, "authority"].tolist()


def ehcp_rows(region: str, period: str, count: int, number: int) -> list[tuple[int, dict[str, Any]]]:
    """Rows as the store keeps them, for a return of `ehcp_process` with as many rows as are asked for."""
    names = [column.name for column in load_contract("ehcp_process").columns]
    mine = authorities_of(region)
    fixed = {"period": period, "requests_refused": 20, "plans_issued": 60, "plans_issued_within_20_weeks": 30, "exceptions": 10}
    rows = []
    for row in range(count):
        values = {**dict.fromkeys(names), **fixed, "authority": mine[row % len(mine)], "requests": 100 + row + number}
        rows.append((row + 2, values))
    return rows


def fill(store: Store, start: int, end: int, rows: int) -> None:
    """Put accepted submissions in, each with its file, check, findings, rows and three steps."""
    regions = list(region_names())
    for first in range(start, end, AT_ONCE):
        with store.write(ADMINISTRATOR, "build_demonstration", f"submissions from {first}") as connection:
            for number in range(first, min(first + AT_ONCE, end)):
                put(connection, number, regions[number % len(regions)], rows)


def put(connection: Any, number: int, region: str, rows: int) -> None:
    """One accepted submission: the versions of a return come one after the other, each in the place of the last."""
    period = ("2021/22 autumn", "2022/23 autumn", "2023/24 autumn")[number // 9 % 3]
    target, made = target_of("ehcp_process", region, period), ehcp_rows(region, period, rows, number)
    # The file is the text of which the rows' digest is made, so that both have one digest.
    sha256 = keep_bytes(connection, canonical_json([list(row) for row in made]).encode())
    about = {"collection": target.collection, "region": region, "period": period}
    check, at = add_check(connection, received_by="a", sha256=sha256, filename="return.csv", **about)
    finish_check(connection, check, contract_version=target.contract.version, report={}, findings=[])
    version = number // 27 + 1
    added = add_submission(
        connection,
        made,
        **about,
        reference=f"{target.name}-v{version}",
        version=version,
        contract_version=target.contract.version,
        check_id=check,
        sha256=sha256,
        filename="return.csv",
        rows_digest=sha256,
        reason=None,
        explanations={},
        supersedes=None,
        received_at=at,
        submitted_by="a",
        due=None,
        late_days=0,
    )
    for before, state in ((None, "submitted"), ("submitted", "signed_off"), ("signed_off", "accepted")):
        add_step(connection, added, state, "a", after=before)


@dataclass(frozen=True)
class Times:
    """Milliseconds of each of some calls: by the clock, and of the processor, which other work on the machine sways less."""

    clock: list[float]
    processor: list[float]

    def least(self) -> str:
        return f"{min(self.clock):.0f} ({min(self.processor):.0f})"

    def median(self) -> str:
        return f"{statistics.median(self.clock):.0f} ({statistics.median(self.processor):.0f})"

    def late(self) -> str:
        """The 95th of 100."""
        clock, processor = (statistics.quantiles(each, n=20)[-1] for each in (self.clock, self.processor))
        return f"{clock:.0f} ({processor:.0f})"


def timed(task: Callable[[], Any], times: int = 5) -> Times:
    """The times of some calls."""
    clock, processor = [], []
    for _ in range(times):
        began, spent = time.perf_counter(), time.process_time()
        task()
        clock.append(1000 * (time.perf_counter() - began))
        processor.append(1000 * (time.process_time() - spent))
    return Times(clock, processor)


def send(store: Store, period: str, content: bytes) -> None:
    """Check and submit a return through the task."""
    said = {"history.large_change": "x"}
    returns.submit_return(store, ADMINISTRATOR, "ehcp_process", REGION, period, "return.csv", content, said, "x")


def csv_of(period: str, first: int) -> bytes:
    """A return of one region without a fault."""
    table = pd.DataFrame([values for _, values in ehcp_rows(REGION, period, 12, first)])
    whole = {"plans_issued_excluding_exceptions": 50, "plans_issued_within_20_weeks_excluding_exceptions": 28}
    table = table.assign(exceptions_with_reason=10, plans_digital=12, average_weeks=21.5, **whole)
    return table.to_csv(index=False).encode()


def check_same(store: Store) -> None:
    """The way in bulk stores what the task stores: the same rows, digest and facts of a return of the same table."""
    send(store, "2024/25 autumn", csv_of("2024/25 autumn", 7))
    with store.read() as connection:
        task = stored_submission(connection, "EHCP-PROCESS-E12000001-2024-25-AUTUMN-v1")
        assert task is not None
        rows = stored_rows(connection, [task["id"]])[task["id"]]
    assert task["rows_digest"] == digest(rows) and [number for number, _ in rows] == list(range(2, 14))
    bulk = ehcp_rows(REGION, "2024/25 autumn", 12, 7)
    for (number, values), (other, expected) in zip(rows, bulk, strict=True):
        assert number == other
        assert all(values[name] == expected[name] for name in expected if expected[name] is not None)


def measure(store: Store, size: int) -> dict[str, Any]:
    """One row of the table."""
    files = iter([csv_of(SENT, number + size) for number in range(SUBMITTED)])
    send(store, SENT, csv_of(SENT, size - 1))  # reads contracts and codes
    submit = timed(lambda: send(store, SENT, next(files)), SUBMITTED)
    reference = "EHCP-PROCESS-E12000001-2021-22-AUTUMN-v1"
    return {
        "submissions": size,
        "load": round(os.getloadavg()[0], 1),
        "submit, median ms": submit.median(),
        "submit, 95th of 100 ms": submit.late(),
        "list of returns due ms": timed(lambda: due.returns_due(store, ADMINISTRATOR)).least(),
        "returns on the screen ms": timed(lambda: returns.submissions(store, ADMINISTRATOR, newest=501)).least(),
        "all submissions ms": timed(lambda: returns.submissions(store, ADMINISTRATOR), 2).least(),
        "history of one ms": timed(lambda: returns.history(store, ADMINISTRATOR, reference)).least(),
        "release of all ms": timed(lambda: releases.make_release(store, ADMINISTRATOR, f"of {size}"), 1).least(),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 3000, 10_000])
    parser.add_argument("--rows", type=int, default=200)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(f"sqlite:///{Path(folder) / 'store.sqlite'}")
        check_same(store)
        there = 0
        for size in asked.sizes:
            began = time.perf_counter()
            fill(store, there, size, asked.rows)
            there = size
            filled = round(time.perf_counter() - began)
            print(json.dumps({**measure(store, size), "filled in s": filled}), flush=True)
        store.close()


if __name__ == "__main__":
    main()
