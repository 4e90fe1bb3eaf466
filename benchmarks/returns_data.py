"""A large return with planted faults, and the contract it is held against."""

import random
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import yaml

HEADING = ["area", "school", "phase", "opened", "requests", "refused", "issued", "in_time", "weeks", "note"]
PHASES = ["early years", "primary", "secondary", "all through"]
SYMBOLS = ["z", "x", "c"]
FIRST, LAST = "1990-01-01", "2026-08-31"
MOST, MOST_WEEKS, MOST_SCHOOLS, LONGEST = 20_000, 156, 9_999_999, 100


def _column(name: str, kind: str, key: int = 0, required: bool = True, **custom: Any) -> dict[str, Any]:
    limits = {word: custom.pop(word) for word in ("minimum", "maximum", "maxLength") if word in custom}
    column: dict[str, Any] = {"name": name, "logicalType": kind, "required": required, "logicalTypeOptions": limits}
    column |= {"primaryKey": True, "primaryKeyPosition": key} if key else {}
    return column | {"customProperties": [{"property": word, "value": value} for word, value in custom.items()]}


def _part(part: str, whole: str) -> dict[str, Any]:
    words = {"message": f"{{{part}}} of {{{whole}}} cannot be.", "fix": "Check both figures."}
    return {
        "id": f"{part}_within_{whole}",
        "type": "custom",
        "engine": "data_contracts",
        "severity": "error",
        "implementation": {"kind": "at_most", "at": part, "left": part, "right": whole},
        "customProperties": [{"property": word, "value": value} for word, value in words.items()],
    }


def contract_text() -> str:
    """The contract as Open Data Contract Standard YAML."""
    counts = [
        _column(name, "integer", minimum=0, maximum=MOST, symbols=SYMBOLS)
        for name in ("requests", "refused", "issued", "in_time")
    ]
    columns = [
        _column("area", "string", key=1, maxLength=12),
        _column("school", "integer", key=2, minimum=1, maximum=MOST_SCHOOLS),
        _column("phase", "string", choices=PHASES),
        _column("opened", "date", minimum=FIRST, maximum=LAST),
        *counts,
        _column("weeks", "number", minimum=0, maximum=MOST_WEEKS, symbols=SYMBOLS),
        _column("note", "string", required=False, maxLength=LONGEST),
    ]
    rules = [_part("refused", "requests"), _part("in_time", "issued")]
    head = {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": "schools",
        "name": "schools",
        "version": "1.0.0",
        "status": "active",
    }
    return yaml.safe_dump(head | {"schema": [{"name": "schools", "properties": columns, "quality": rules}]})


@dataclass(frozen=True)
class Fault:
    """One planted fault: row as a spreadsheet shows it, column, what stands there, and the rule that must find it."""

    row: int
    column: str
    value: str
    rule: str


# What is put into a cell, and which rule must say so: 17 kinds, 125 of each make 2,125.
PLANTED: tuple[tuple[str, str, str], ...] = (
    ("school", "", "types.blank"),
    ("school", "0", "values.too_small"),
    ("phase", "Primary", "values.not_in_list"),
    ("phase", "", "types.no_entry"),
    ("opened", "31/02/2020", "types.date_impossible"),
    ("opened", "06/11/2023", "types.date_format"),
    ("opened", "1889-01-01", "values.too_small"),
    ("requests", "1e3", "types.exponent"),
    ("requests", "1_000", "types.thousands"),
    ("refused", "99999", "values.too_large"),
    ("refused", "n/a", "types.unknown_symbol"),
    ("issued", "12O", "types.letter_for_digit"),
    ("in_time", "19999", "in_time_within_issued"),
    ("weeks", "inf", "types.not_a_number"),
    ("weeks", "156.5", "values.too_large"),
    ("note", "=1+1", "text.runs"),
    ("school", "(twice)", "rows.duplicate"),
)
EACH_RULE = {rule for _, _, rule in PLANTED}


def large_return(rows: int, each: int, seed: int = 1) -> tuple[bytes, list[Fault]]:
    """A CSV and what is wrong with it.

    Args:
        rows: number of data rows.
        each: faults of each kind.
        seed: of what is drawn.

    Returns:
        The bytes, and the faults by row.
    """
    drawn = random.Random(seed)
    days = [(date(1990, 1, 1) + timedelta(days=31 * number)).isoformat() for number in range(430)]
    table = []
    for number in range(rows):
        requests, issued = drawn.randrange(20, 400), drawn.randrange(20, 300)
        cells = [f"E{6 + number % 4:02}{number % 153:06}", str(100_000 + number), PHASES[number % 4], drawn.choice(days)]
        cells += [str(requests), str(drawn.randrange(requests)), str(issued), str(drawn.randrange(issued))]
        cells += [f"{drawn.uniform(5, 60):.1f}", "" if number % 20 else "checked by the school"]
        if number % 50 == 0:
            cells[4 + number % 5] = SYMBOLS[number % 3]
        table.append(cells)
    # Faults stand in every other row, so that the row before a repeated one has no fault of its own.
    places = drawn.sample(range(1, rows, 2), each * len(PLANTED))
    faults = []
    for turn, place in enumerate(places):
        column, value, rule = PLANTED[turn % len(PLANTED)]
        if rule == "rows.duplicate":
            table[place] = list(table[place - 1])
            faults.append(Fault(place + 2, "area", "", rule))
            continue
        cells = table[place]
        if rule == "in_time_within_issued":
            cells[6] = "100"
        value = f"-{turn + 1}" if value == "0" else value
        cells[HEADING.index(column)] = value
        faults.append(Fault(place + 2, column, value, rule))
    lines = "\n".join([",".join(HEADING), *map(",".join, table), ""])
    return lines.encode(), sorted(faults, key=lambda fault: (fault.row, fault.column))
