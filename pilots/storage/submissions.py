"""Submissions: one version of a return each. Rows are only ever added; what became of one is told by its numbered steps."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    JSON,
    BindParameter,
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    Integer,
    Select,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    bindparam,
    func,
    insert,
    select,
)
from sqlalchemy.exc import IntegrityError

from pilots.storage.base import METADATA, Moment, now
from pilots.storage.checks import CHECKS
from pilots.storage.corrections import CORRECTIONS

SUBMISSIONS = Table(
    "submissions",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("reference", String(160), nullable=False, unique=True),
    Column("collection", String(80), nullable=False),
    Column("region", String(9), nullable=False),
    Column("period", String(20), nullable=False),
    Column("version", Integer, nullable=False),
    Column("contract_version", String(20), nullable=False),
    Column("check_id", Integer, ForeignKey("checks.id"), nullable=False, unique=True),
    Column("sha256", String(64), ForeignKey("blobs.sha256"), nullable=False),
    Column("filename", String(300), nullable=False),
    Column("row_count", Integer, nullable=False),
    Column("rows_digest", String(64), nullable=False),
    Column("reason", Text),
    Column("explanations", JSON, nullable=False),
    Column("supersedes", String(160)),
    Column("received_at", Moment, nullable=False),
    Column("submitted_at", Moment, nullable=False),
    Column("submitted_by", String(200), nullable=False),
    Column("due", String(10)),  # the day on which it was due when it came, and the days that it came after it
    Column("late_days", Integer),
    Column("nil_reason", Text),  # why there was nothing to return; only where the return is nil
    UniqueConstraint("collection", "region", "period", "version"),
)

ROWS = Table(
    "submission_rows",
    METADATA,
    Column("submission_id", Integer, ForeignKey("submissions.id"), primary_key=True),
    Column("row", Integer, primary_key=True),
    Column("data", JSON, nullable=False),
)

STEPS = Table(
    "submission_steps",
    METADATA,
    Column("submission_id", Integer, ForeignKey("submissions.id"), primary_key=True),
    Column("step", Integer, primary_key=True),
    Column("state", String(20), nullable=False),
    Column("at", Moment, nullable=False),
    Column("by", String(200), nullable=False),
    Column("reason", Text),
    UniqueConstraint("submission_id", "state"),
)


class VersionTaken(Exception):
    """Another submission of the same return has this version: the database decided for it."""


def add_submission(connection: Connection, rows: Sequence[tuple[int, dict[str, Any]]], **facts: Any) -> int:
    """Store a submission with its typed rows.

    Args:
        connection: inside a writing transaction.
        rows: row number in the file and its values as plain JSON.
        **facts: the columns of `submissions` but for id, row_count and submitted_at.

    Returns:
        The submission's number.

    Raises:
        VersionTaken: someone else submitted this version first.
    """
    try:
        with connection.begin_nested():
            made = connection.execute(insert(SUBMISSIONS).values(row_count=len(rows), submitted_at=now(), **facts))
    except IntegrityError as error:
        raise VersionTaken(facts["reference"]) from error
    (number,) = made.inserted_primary_key or (None,)
    if rows:
        connection.execute(insert(ROWS), [{"submission_id": number, "row": row, "data": data} for row, data in rows])
    return int(number)  # type: ignore[arg-type]


class StepTaken(Exception):
    """A submission is not in the state any more from which it was to go on: someone else took a step first."""


def add_step(
    connection: Connection, number: int, state: str, by: str, reason: str | None = None, after: str | None = None
) -> None:
    """Bring a submission from the state `after` (None: from nothing) to another; the database decides which of two comes first.

    Raises:
        StepTaken: it is not in that state any more.
    """
    query = select(STEPS.c.step, STEPS.c.state).where(STEPS.c.submission_id == number).order_by(STEPS.c.step.desc()).limit(1)
    last = connection.execute(query).first()
    if (None if last is None else last.state) != after:
        raise StepTaken(state)
    step = 1 if last is None else last.step + 1
    values = {"submission_id": number, "step": step, "state": state, "at": now(), "by": by, "reason": reason}
    try:
        with connection.begin_nested():
            connection.execute(insert(STEPS).values(**values))
    except IntegrityError as error:
        raise StepTaken(state) from error


def stored_steps(connection: Connection, number: int) -> list[dict[str, Any]]:
    """The steps of a submission in their order: step, state, at, by, reason."""
    columns = [column for column in STEPS.c if column.name != "submission_id"]
    query = select(*columns).where(STEPS.c.submission_id == number).order_by(STEPS.c.step)
    return [dict(row) for row in connection.execute(query).mappings()]


@cache
def _submissions(*names: str) -> Select[Any]:
    """Submissions with their state, who signed and accepted them, and counts: of their check, and of corrections accepted in it.

    `names` are what is asked for, each a parameter of the query: columns, `regions`, `status`, `states`, `nil` (whether it is a
    nil return) and `before` (a version). Kept, since making it takes longer than running it.
    """
    present, signed, accepted, other = (STEPS.alias(name) for name in ("present", "signed", "accepted", "other"))
    newest = select(func.max(other.c.step)).where(other.c.submission_id == SUBMISSIONS.c.id).scalar_subquery()
    query = (
        select(
            SUBMISSIONS,
            present.c.state.label("status"),
            present.c.at.label("status_at"),
            present.c.by.label("status_by"),
            present.c.reason.label("status_reason"),
            signed.c.at.label("signed_off_at"),
            signed.c.by.label("signed_off_by"),
            accepted.c.at.label("accepted_at"),
            accepted.c.by.label("accepted_by"),
            CHECKS.c.queries,
            CHECKS.c.notes,
            func.coalesce(CORRECTIONS.c.count, 0).label("corrections"),
            CORRECTIONS.c.sha256.label("corrected_sha256"),
        )
        .select_from(SUBMISSIONS)
        .join(CHECKS, CHECKS.c.id == SUBMISSIONS.c.check_id)
        .outerjoin(CORRECTIONS, CORRECTIONS.c.check_id == SUBMISSIONS.c.check_id)
        .join(present, and_(present.c.submission_id == SUBMISSIONS.c.id, present.c.step == newest))
        .outerjoin(signed, and_(signed.c.submission_id == SUBMISSIONS.c.id, signed.c.state == "signed_off"))
        .outerjoin(accepted, and_(accepted.c.submission_id == SUBMISSIONS.c.id, accepted.c.state == "accepted"))
        .order_by(SUBMISSIONS.c.id.desc())
    )
    states = {"status": present.c.state == bindparam("status"), "states": present.c.state.in_(_several("states"))}
    return query.where(*(states[name] if name in states else _wanted(name) for name in names))


def _several(name: str) -> BindParameter[Any]:
    return bindparam(name, expanding=True)


def _wanted(name: str) -> ColumnElement[bool]:
    """A condition on submissions, with a parameter of its name."""
    special = {
        "regions": SUBMISSIONS.c.region.in_(_several("regions")),
        "before": SUBMISSIONS.c.version < bindparam("before"),
        "nil": SUBMISSIONS.c.nil_reason.is_not(None) == bindparam("nil"),
    }
    return special[name] if name in special else SUBMISSIONS.c[name] == bindparam(name)


def stored_submissions(
    connection: Connection, regions: Sequence[str] | None = None, newest: int | None = None, **more: Any
) -> list[dict[str, Any]]:
    """Submissions with their state, newest first, of these regions (None: all).

    Args:
        connection: a reading connection.
        regions: codes of regions; None for all.
        newest: how many at most; None for all.
        **more: `collection=`, `region=`, `period=`, `reference=`, `status=`, `states=` (several) and `before=` (a version) narrow
            further; None does not.
    """
    asked: dict[str, Any] = {name: value for name, value in more.items() if value is not None}
    if regions is not None:
        asked["regions"] = list(regions)
    query = _submissions(*sorted(asked))
    found = connection.execute(query if newest is None else query.limit(newest), asked)
    return [dict(row) for row in found.mappings()]


def stored_submission(connection: Connection, reference: str) -> dict[str, Any] | None:
    """One submission with its state, or None."""
    found = stored_submissions(connection, reference=reference)
    return found[0] if found else None


def latest_submission(connection: Connection, collection: str, region: str, period: str) -> dict[str, Any] | None:
    """The newest version of a return, or None where nothing was submitted."""
    return _newest(connection, {"collection": collection, "region": region, "period": period})


def latest_with_rows(
    connection: Connection, collection: str, region: str, period: str, states: Sequence[str]
) -> dict[str, Any] | None:
    """The newest version of a return that is in one of these states and is not nil, or None."""
    about = {"collection": collection, "region": region, "period": period}
    return _newest(connection, {**about, "states": list(states), "nil": False})


def latest_of_file(connection: Connection, collection: str, region: str, period: str, sha256: str) -> dict[str, Any] | None:
    """The newest version of a return that is this very file, or None."""
    return _newest(connection, {"collection": collection, "region": region, "period": period, "sha256": sha256})


def _newest(connection: Connection, asked: dict[str, Any]) -> dict[str, Any] | None:
    row = connection.execute(_newest_of(*sorted(asked)), asked).mappings().first()
    return None if row is None else dict(row)


@cache
def _newest_of(*names: str) -> Select[Any]:
    """The database goes back from the newest version to the first that is asked for, and no further."""
    return _submissions(*names).order_by(None).order_by(SUBMISSIONS.c.version.desc()).limit(1)


def periods_submitted(connection: Connection, collection: str, region: str) -> list[str]:
    """The periods for which a region has sent something. Each is looked up from the one before, whatever versions there are."""
    return list(connection.execute(_periods(), {"collection": collection, "region": region}).scalars())


@cache
def _periods() -> Select[Any]:
    mine = [SUBMISSIONS.c[name] == bindparam(name) for name in ("collection", "region")]
    found = select(func.min(SUBMISSIONS.c.period).label("period")).where(*mine).cte("periods", recursive=True)
    later = select(func.min(SUBMISSIONS.c.period)).where(*mine, SUBMISSIONS.c.period > found.c.period).scalar_subquery()
    found = found.union_all(select(later).where(found.c.period.is_not(None)))
    return select(found.c.period).where(found.c.period.is_not(None))


def sent_periods(connection: Connection, regions: Sequence[str] | None = None) -> set[str]:
    """The periods of all submissions of these regions (None: all); blank where a collection has none."""
    query = select(SUBMISSIONS.c.period).distinct()
    return set(connection.execute(query if regions is None else query.where(SUBMISSIONS.c.region.in_(list(regions)))).scalars())


def latest_submissions(connection: Connection, regions: Sequence[str], collection: str | None = None) -> list[dict[str, Any]]:
    """The newest version of each return of these regions, with its state."""
    asked = {"regions": list(regions)} | ({} if collection is None else {"collection": collection})
    return [dict(row) for row in connection.execute(_newest_of_each(*sorted(asked)), asked).mappings()]


@cache
def _newest_of_each(*names: str) -> Select[Any]:
    key = [SUBMISSIONS.c[name] for name in ("collection", "region", "period")]
    newest = select(*key, func.max(SUBMISSIONS.c.version).label("version")).group_by(*key).where(*map(_wanted, names)).subquery()
    same = (SUBMISSIONS.c[name] == newest.c[name] for name in ("collection", "region", "period", "version"))
    return _submissions().join(newest, and_(*same))


def references_in_force(
    connection: Connection, regions: Sequence[str], collection: str | None = None
) -> dict[tuple[str, str, str], str]:
    """References of the accepted versions of these regions, by collection, region and period."""
    asked = {"regions": list(regions)} | ({} if collection is None else {"collection": collection})
    query = _accepted(*sorted(asked))
    return {(row.collection, row.region, row.period): row.reference for row in connection.execute(query, asked)}


@cache
def _accepted(*names: str) -> Select[Any]:
    accepted, later = STEPS.alias("accepted"), STEPS.alias("later")
    since = select(later.c.step).where(later.c.submission_id == SUBMISSIONS.c.id, later.c.step > accepted.c.step)
    return (
        select(*(SUBMISSIONS.c[name] for name in ("collection", "region", "period", "reference")))
        .join(accepted, and_(accepted.c.submission_id == SUBMISSIONS.c.id, accepted.c.state == "accepted"))
        .where(~since.exists(), *map(_wanted, names))
        .order_by(SUBMISSIONS.c.version)
    )


def stored_rows(connection: Connection, numbers: Sequence[int]) -> dict[int, list[tuple[int, dict[str, Any]]]]:
    """The typed rows of some submissions: by submission number, file row number and values in file order."""
    found: dict[int, list[tuple[int, dict[str, Any]]]] = {number: [] for number in numbers}
    # One query a submission: a list of thousands of numbers is more than SQLite binds at once.
    for number in numbers:
        query = select(ROWS.c.row, ROWS.c.data).where(ROWS.c.submission_id == number).order_by(ROWS.c.row)
        found[number] = [(row, data) for row, data in connection.execute(query)]
    return found
