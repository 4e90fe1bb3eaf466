"""Published series as stored: the vintages, their reports, and the figures that count."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from pilots.access import Actor, check_actor_can
from pilots.catalogue import aliases
from pilots.errors import UserError
from pilots.published.report import ImportReport
from pilots.published.restatement import resolved
from pilots.storage import Store
from pilots.storage import published as stored

_FIGURE = ["measure", "period", "authority", "value", "symbol", "source", "edition", "reference"]


def vintages(store: Store, actor: Actor) -> list[dict[str, Any]]:
    """All vintages that were imported, newest first.

    Args:
        store: where.
        actor: who wants to read.

    Returns:
        One mapping a vintage: reference, publication, title, edition, filename, imported_at (a moment in UTC), sha256, values
        (how many).

    Raises:
        NotAllowed: the actor may not read published series.
    """
    check_actor_can(actor, "read_published")
    with store.read() as connection:
        rows, counts = stored.vintages(connection), stored.value_counts(connection)
    return [
        {
            "reference": row["reference"],
            "publication": row["publication"],
            "title": aliases(row["publication"]).title,
            "edition": row["edition"],
            "filename": row["filename"],
            "imported_at": row["received_at"],
            "sha256": row["sha256"],
            "values": counts[row["reference"]],
        }
        for row in reversed(rows)
    ]


def report(store: Store, actor: Actor, reference: str) -> ImportReport:
    """The report of one vintage, as it was when imported.

    Raises:
        NotAllowed: the actor may not read published series.
        UserError: there is no such vintage.
    """
    check_actor_can(actor, "read_published")
    with store.read() as connection:
        row = stored.stored_vintage(connection, reference)
    if row is None:
        raise UserError(f"There is no published vintage “{reference}”. Look up its reference in the list of vintages.")
    return ImportReport.from_vintage(row)


def measure_values(connection: Any, references: Sequence[str], measures: Sequence[str]) -> pd.DataFrame:
    """The figures of some measures over several vintages of one publication.

    Args:
        connection: of the store.
        references: of the vintages; their order does not matter.
        measures: names of measures.

    Returns:
        One row a figure: measure, period, authority (code of today), value, symbol, source, edition, reference. For each measure
        and period all rows are of one vintage: that of the newest edition which has any row there, and of it the newest vintage.
        A blank cell has neither value nor symbol.

    Raises:
        ValueError: the vintages are of several publications.
    """
    return counting(stored.vintage_values(connection, references, measures))


def counting(table: pd.DataFrame) -> pd.DataFrame:
    """Of the figures of several vintages of one publication, those that count: see `measure_values`.

    Raises:
        ValueError: the vintages are of several publications.
    """
    if table["publication"].nunique() > 1:
        raise ValueError(f"vintages of several publications: {', '.join(sorted(table['publication'].unique()))}")
    return resolved(table)[_FIGURE]
