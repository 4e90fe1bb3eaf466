"""Checks of uploaded files: what came, what became of the check, and every finding, of failed checks too."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, Connection, ForeignKey, Index, Integer, String, Table, Text, func, insert, select, update

from pilots.storage.base import METADATA, Moment, now

RECEIVED = "could not finish checking"  # stays so when the check dies half-way: the bytes are there, nothing else is
CHECKED = "checked"
REPEATED = "the same file again"
NIL = "nil return declared"
NOT_KEPT = "not kept: it held identifiers"  # checked, and its bytes removed in the same transaction; a trigger reads these words

CHECKS = Table(
    "checks",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("sha256", String(64), ForeignKey("blobs.sha256"), nullable=False),
    Column("filename", String(300), nullable=False),
    Column("collection", String(80), nullable=False),
    Column("region", String(9), nullable=False),
    Column("period", String(20), nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("received_by", String(200), nullable=False),
    Column("state", String(40), nullable=False),
    Column("checked_at", Moment),
    Column("contract_version", String(20)),
    Column("errors", Integer),
    Column("queries", Integer),
    Column("notes", Integer),
    Column("report", JSON),
    Index(None, "collection", "region", "period"),
    Index("ix_checks_sha256_collection_region_period", "sha256", "collection", "region", "period"),
)

FINDINGS = Table(
    "findings",
    METADATA,
    Column("check_id", Integer, ForeignKey("checks.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("rule", String(120), nullable=False),
    Column("severity", String(10), nullable=False),
    Column("message", Text, nullable=False),
    Column("fix", Text, nullable=False),
    Column("sheet", Text),
    Column("row", Integer),
    Column("cell", String(20)),
    Column("column", Text),
    Column("value", Text),
    Column("key", Text, nullable=False),
)

NOTES = Table(
    "query_notes",
    METADATA,
    Column("check_id", Integer, ForeignKey("checks.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("key", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("by", String(200), nullable=False),
)


def add_check(connection: Connection, *, received_by: str, **facts: Any) -> tuple[int, datetime]:
    """Note that a file (sha256, filename, collection, region, period) has come. Gives the check's number and when it came."""
    at = now()
    made = connection.execute(insert(CHECKS).values(received_at=at, received_by=received_by, state=RECEIVED, **facts))
    (number,) = made.inserted_primary_key or (None,)
    return int(number), at  # type: ignore[arg-type]


def finish_check(
    connection: Connection, number: int, *, contract_version: str, report: dict[str, Any], findings: Sequence[dict[str, Any]]
) -> None:
    """Store what a check found.

    Args:
        connection: inside a writing transaction.
        number: of the check.
        contract_version: the version of the contract it was checked against.
        report: the report as plain JSON, without findings.
        findings: one mapping a finding: the columns of `findings` but for check_id and position.
    """
    counts = {name: sum(finding["severity"] == one for finding in findings) for name, one in _SEVERITIES.items()}
    values = {"state": CHECKED, "checked_at": now(), "contract_version": contract_version, "report": report, **counts}
    connection.execute(update(CHECKS).where(CHECKS.c.id == number).values(**values))
    if findings:
        connection.execute(insert(FINDINGS), [{"check_id": number, "position": at, **one} for at, one in enumerate(findings)])


def mark_not_kept(connection: Connection, number: int) -> None:
    """Note that a file was checked and held identifiers, so that its bytes are not kept."""
    connection.execute(update(CHECKS).where(CHECKS.c.id == number).values(state=NOT_KEPT))


def refused_files(connection: Connection) -> dict[str, list[dict[str, Any]]]:
    """Checks by digest of the files that were refused, or whose check did not end, and that no other check found good."""
    found: dict[str, list[dict[str, Any]]] = {}
    columns = (CHECKS.c.id, CHECKS.c.sha256, CHECKS.c.filename, CHECKS.c.state, CHECKS.c.errors)
    for row in connection.execute(select(*columns).order_by(CHECKS.c.id)).mappings():
        found.setdefault(row["sha256"], []).append(dict(row))
    return {sha256: rows for sha256, rows in found.items() if all(map(_is_refused, rows))}


def _is_refused(row: Mapping[str, Any]) -> bool:
    return row["state"] == RECEIVED or (row["state"] == CHECKED and row["errors"] > 0)


def mark_repeated(connection: Connection, number: int) -> None:
    """Note that the file is the one that was submitted already, so that it was not checked again."""
    connection.execute(update(CHECKS).where(CHECKS.c.id == number).values(state=REPEATED, checked_at=now()))


def mark_nil(connection: Connection, number: int, contract_version: str) -> None:
    """Note that what came is the declaration of a nil return, in which there is nothing to check."""
    values = {"state": NIL, "checked_at": now(), "contract_version": contract_version, "errors": 0, "queries": 0, "notes": 0}
    connection.execute(update(CHECKS).where(CHECKS.c.id == number).values(**values))


def add_notes(connection: Connection, number: int, notes: Mapping[str, str], by: str) -> None:
    """Keep what somebody says of the queries of a check: text by key of finding, or by rule. A later text takes the place."""
    last = connection.execute(select(func.max(NOTES.c.position)).where(NOTES.c.check_id == number)).scalar()
    first, at = (0 if last is None else last + 1), now()
    rows = [
        {"check_id": number, "position": first + place, "key": key, "note": text, "at": at, "by": by}
        for place, (key, text) in enumerate(notes.items())
    ]
    if rows:
        connection.execute(insert(NOTES), rows)


def stored_notes(connection: Connection, collection: str, region: str, period: str, sha256: str) -> dict[str, str]:
    """What was said of the queries of a file, in whichever check of it for this return; the last word on each key."""
    query = (
        select(NOTES.c.key, NOTES.c.note)
        .join(CHECKS, CHECKS.c.id == NOTES.c.check_id)
        .where(CHECKS.c.collection == collection, CHECKS.c.region == region, CHECKS.c.period == period, CHECKS.c.sha256 == sha256)
        .order_by(NOTES.c.check_id, NOTES.c.position)
    )
    last = {key: note for key, note in connection.execute(query)}
    return {key: note for key, note in last.items() if note}


_SEVERITIES = {"errors": "error", "queries": "query", "notes": "note"}


def stored_checks(connection: Connection, regions: Sequence[str] | None = None, **equal: str | None) -> list[dict[str, Any]]:
    """Checks, newest first, of these regions (None: all); `collection=`, `region=`, `period=` narrow further."""
    query = select(CHECKS).order_by(CHECKS.c.id.desc())
    if regions is not None:
        query = query.where(CHECKS.c.region.in_(list(regions)))
    for name, value in equal.items():
        if value is not None:
            query = query.where(CHECKS.c[name] == value)
    return [dict(row) for row in connection.execute(query).mappings()]


def stored_check(connection: Connection, number: int) -> dict[str, Any] | None:
    """One check, or None."""
    row = connection.execute(select(CHECKS).where(CHECKS.c.id == number)).mappings().first()
    return None if row is None else dict(row)


def stored_findings(connection: Connection, number: int) -> list[dict[str, Any]]:
    """The findings of a check in their order."""
    columns = [column for column in FINDINGS.c if column.name not in ("check_id", "position")]
    query = select(*columns).where(FINDINGS.c.check_id == number).order_by(FINDINGS.c.position)
    return [dict(row) for row in connection.execute(query).mappings()]
