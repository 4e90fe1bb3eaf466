"""Published series in the store: one vintage for each file taken in, and its values. Nothing here is ever overwritten."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from sqlalchemy import JSON, Column, Connection, Float, ForeignKey, Index, Integer, String, Table, func, insert, select
from sqlalchemy.exc import IntegrityError

from pilots.storage.base import METADATA, Moment, now

VINTAGES = Table(
    "published_vintages",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("reference", String(40), nullable=False, unique=True),
    Column("publication", String(120), nullable=False),
    Column("edition", String(20), nullable=False),
    Column("filename", String(300), nullable=False),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("alias_version", String(20), nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("received_by", String(200), nullable=False),
    Column("report", JSON, nullable=False),
)

VALUES = Table(
    "published_values",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("vintage_id", Integer, ForeignKey("published_vintages.id"), nullable=False),
    Column("measure", String(80), nullable=False),
    Column("period", String(20), nullable=False),
    Column("authority", String(9), nullable=False),
    Column("value", Float),
    Column("symbol", String(8)),
    Column("source", String(200), nullable=False),
    Index("published_values_by_vintage", "vintage_id", "measure"),
)

_COLUMNS = ["measure", "period", "authority", "value", "symbol", "source"]


class VintageTaken(Exception):
    """Someone else stored a vintage in the very same moment: of these bytes, or under the same number."""


def add_vintage(connection: Connection, *, values: pd.DataFrame, prefix: str = "EES", **facts: Any) -> str:
    """Store one vintage with its values.

    Args:
        connection: inside a writing transaction.
        values: one row a figure: measure, period, authority, value or symbol (neither where the cell was blank), source.
        prefix: what its reference begins with; references are counted by prefix.
        **facts: publication, edition, filename, sha256, alias_version, received_by, report (plain JSON).

    Returns:
        Its reference, for example `EES-0001` or `LAIT-0001`.

    Raises:
        VintageTaken: someone else was first; look whether these bytes are there now, and otherwise try again.
    """
    number = int(connection.execute(select(func.coalesce(func.max(VINTAGES.c.id), 0))).scalar_one()) + 1
    named = connection.execute(select(VINTAGES.c.reference).where(VINTAGES.c.reference.startswith(f"{prefix}-"))).scalars()
    reference = f"{prefix}-{max((int(name.rpartition('-')[2]) for name in named), default=0) + 1:04d}"
    try:
        with connection.begin_nested():
            connection.execute(insert(VINTAGES).values(id=number, reference=reference, received_at=now(), **facts))
    except IntegrityError as error:
        raise VintageTaken(reference) from error
    table = values[_COLUMNS].astype(object)
    table = table.where(table.notna(), None)
    rows = [dict(zip(_COLUMNS, row, strict=True), vintage_id=number) for row in table.itertuples(index=False, name=None)]
    if rows:
        connection.execute(insert(VALUES), rows)
    return reference


def vintages(connection: Connection, publication: str | None = None) -> list[dict[str, Any]]:
    """All vintages, or those of one publication, in the order in which they came."""
    query = select(VINTAGES).order_by(VINTAGES.c.id)
    if publication is not None:
        query = query.where(VINTAGES.c.publication == publication)
    return [dict(row) for row in connection.execute(query).mappings()]


def stored_vintage(connection: Connection, reference: str) -> dict[str, Any] | None:
    """One vintage by its reference, or None."""
    row = connection.execute(select(VINTAGES).where(VINTAGES.c.reference == reference)).mappings().first()
    return dict(row) if row is not None else None


def vintage_with_bytes(connection: Connection, sha256: str) -> dict[str, Any] | None:
    """The vintage made from these very bytes, or None."""
    row = connection.execute(select(VINTAGES).where(VINTAGES.c.sha256 == sha256)).mappings().first()
    return dict(row) if row is not None else None


def value_counts(connection: Connection) -> dict[str, int]:
    """How many figures each vintage has, by its reference."""
    counted = func.count(VALUES.c.id)
    query = select(VINTAGES.c.reference, counted).outerjoin(VALUES, VALUES.c.vintage_id == VINTAGES.c.id)
    return {reference: count for reference, count in connection.execute(query.group_by(VINTAGES.c.reference))}


def vintage_values(connection: Connection, references: Sequence[str], measures: Sequence[str] | None = None) -> pd.DataFrame:
    """The figures of some vintages.

    Args:
        connection: a reading connection.
        references: of the vintages.
        measures: only these; None for all.

    Returns:
        One row a figure: reference, publication, edition, then measure, period, authority, value, symbol, source; vintages in the
        order in which they came.
    """
    columns = [VINTAGES.c.reference, VINTAGES.c.publication, VINTAGES.c.edition, *(VALUES.c[name] for name in _COLUMNS)]
    query = select(*columns).join(VALUES, VALUES.c.vintage_id == VINTAGES.c.id).where(VINTAGES.c.reference.in_(list(references)))
    if measures is not None:
        query = query.where(VALUES.c.measure.in_(list(measures)))
    rows = connection.execute(query.order_by(VINTAGES.c.id, VALUES.c.id)).all()
    return pd.DataFrame(rows, columns=["reference", "publication", "edition", *_COLUMNS]).astype({"value": float})
