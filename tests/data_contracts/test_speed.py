"""How long a check may take: the bounds are many times what was measured, so that only a fault of method breaks them."""

import time
from types import ModuleType

import pytest

from data_contracts import Context, Report, check, load_contract

CONTRACT = load_contract("ehcp_process")


def timed(content: bytes, context: Context) -> tuple[float, Report]:
    begun = time.perf_counter()
    report = check(CONTRACT, "a.csv", content, context)
    return time.perf_counter() - begun, report


def test_a_return_of_a_region_is_checked_in_a_moment(contexts: dict[str, Context], tables: ModuleType) -> None:
    """Measured: 17 ms. The demonstration is built from hundreds of checks."""
    content = tables.as_csv(tables.example("ehcp_process"))
    assert min(timed(content, contexts["ehcp_process"])[0] for _ in range(5)) < 0.25


def large(tables: ModuleType, rows: int) -> bytes:
    """Rows whose codes are all unknown and all different, with a broken rule in each."""
    heading, first, *_ = tables.example("ehcp_process")
    first = [*first[:3], "300", *first[4:]]
    content: bytes = tables.as_csv([heading, *([f"X{number:08}", *first[1:]] for number in range(rows))])
    return content


@pytest.mark.slow
def test_a_hundred_thousand_faulty_rows_do_not_take_the_square_of_the_time(
    contexts: dict[str, Context], tables: ModuleType
) -> None:
    """Measured: 5 s; two minutes when each code was looked for in all rows."""
    seconds, report = timed(large(tables, 100_000), contexts["ehcp_process"])
    assert seconds < 40
    assert report.rows_with_errors == 100_000
    more = {finding.message.split(" ")[2] for finding in report.notes if finding.rule == "file.more_of_the_same"}
    assert more == {"80,000"}
