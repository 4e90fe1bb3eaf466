"""A file of a small release, and what is asked of an import of it. Loaded by conftest.py."""

from typing import Any

from pilots.published import ImportReport
from pilots.storage import Store
from pilots.storage import published as stored

NAME = "timeliness_20_week.csv"
REQUESTS = ["requests_received_in_year", "requests_decided_not_to_assess"]


def line(period: str, code: str, *cells: str) -> tuple[str, ...]:
    """A row of the timeliness file; cells that are not given are as for Hartlepool."""
    usual = ("100", "90", "60", "58", "60", "64.4", "1")
    return (period, code, *cells, *usual[len(cells) :])


def figure(store: Store, measure: str, period: str, authority: str, reference: str = "EES-0001") -> tuple[Any, Any] | None:
    """Value and symbol as stored; None where there is no such row."""
    with store.read() as connection:
        table = stored.vintage_values(connection, [reference], [measure])
    rows = table[(table["period"] == period) & (table["authority"] == authority)].astype(object)
    rows = rows.where(rows.notna(), None)
    assert len(rows) < 2
    return None if rows.empty else (rows.iloc[0]["value"], rows.iloc[0]["symbol"])


def told(brought: ImportReport, section: str, **facts: Any) -> list[dict[str, Any]]:
    """The rows of a section that have these facts."""
    return [row for row in brought.sections[section] if facts.items() <= row.items()]
