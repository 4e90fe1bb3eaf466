"""Files to try the platform with: the North East's last return, which the demonstration leaves out, with faults and without."""

import numpy as np

from pilots.demonstration.design import LAST, NORTH_EAST, WEST_MIDLANDS, terms
from pilots.demonstration.files import csv_bytes
from pilots.demonstration.synthetic import DEFAULT_SEED, EHCP_PROCESS, Programme, programme

WITH_FAULTS, CORRECTED = "with faults", "corrected"
HARTLEPOOL, REDCAR = "E06000001", "E06000003"
NO_CODE = "E06000999"
RESTATED = (EHCP_PROCESS, WEST_MIDLANDS, "2024/25 autumn")  # the return that was sent with a mistake first
RESTATED_AUTHORITY = "E06000020"
REASON = "The figures of Telford and Wrekin were those of the term before. These are the right ones."


def example_files(seed: int = DEFAULT_SEED) -> dict[str, bytes]:
    """`ehcp_process` of the North East for 2024/25 summer, as CSV.

    Args:
        seed: of the demonstration.

    Returns:
        `with faults`: three errors (a part above its whole, a code that is none, `<5` in place of a number) and one query (three
        of four requests refused). `corrected`: the figures as they should be.
    """
    made = programme(seed)
    return {WITH_FAULTS: _with_faults(made), CORRECTED: made.returns[EHCP_PROCESS].file(NORTH_EAST, LAST)}


def _with_faults(made: Programme) -> bytes:
    table = made.returns[EHCP_PROCESS]
    columns, rows = list(table.cells), table.rows(NORTH_EAST, LAST)
    row_of = {row[0]: row for row in rows}
    at = columns.index
    # Those with the largest figures last term: there the faults are no large change as well.
    timely, refusing = _largest(made, "plans_issued_within_20_weeks"), _largest(made, "requests_refused")
    row_of[timely][at("plans_issued_within_20_weeks")] = str(int(row_of[timely][at("plans_issued")]) + 12)
    row_of[refusing][at("requests_refused")] = str(round(0.75 * int(row_of[refusing][at("requests")])))
    row_of[REDCAR][at("exceptions")] = "<5"
    return csv_bytes(columns, [*rows, [NO_CODE, *row_of[HARTLEPOOL][1:]]])


def _largest(made: Programme, column: str) -> str:
    """The authority of the North East with the largest figure in the term before the last."""
    table = made.returns[EHCP_PROCESS]
    at = np.flatnonzero((table.region == NORTH_EAST) & (table.period == terms()[-2]))
    return str(table.authority[at[np.argmax(np.nan_to_num(table.values[column][at]))]])


def restated_files(made: Programme) -> tuple[bytes, bytes]:
    """The return of `RESTATED` as first checked, with an error, and as first sent, with a mistake that no check sees."""
    collection, region, period = RESTATED
    table = made.returns[collection]
    columns, rows = list(table.cells), table.rows(region, period)
    earlier = {row[0]: row for row in table.rows(region, "2023/24 summer")}
    mistaken = [[row[0], row[1], *earlier.get(row[0], row)[2:]] if row[0] == RESTATED_AUTHORITY else row for row in rows]
    refused = [list(row) for row in mistaken]
    refused[0][columns.index("plans_issued_within_20_weeks")] = "approx 40"
    return csv_bytes(columns, refused), csv_bytes(columns, mistaken)
