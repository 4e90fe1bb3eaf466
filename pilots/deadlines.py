"""Deadlines: the day on which a return is due, how late one came, and more time, asked for by a lead, granted by the department.

A day is a day in London. What counts is when the bytes came, not when their check was done.
"""

from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any

from pilots.access import REGIONAL, Actor, check_actor_can
from pilots.errors import UserError
from pilots.periods import london_day, parse
from pilots.storage import Store
from pilots.storage import deadlines as stored
from pilots.storage.audit import began_at
from pilots.storage.base import now
from pilots.targets import Target, check_asked, target_of
from pilots.wording import given_words

PREFIX = "MORE-TIME-"


class DeadlineError(UserError):
    """More time that cannot be asked for or granted; the message says why and what to do."""


@dataclass(frozen=True)
class Extension:
    """A request for more time.

    Attributes:
        reference: names it for good, for example `MORE-TIME-0001`.
        collection: what is asked for.
        region: code of the region.
        period: of the return.
        until: the day asked for, as ISO text.
        reason: why.
        asked_at: when, with time zone.
        asked_by: subject of the account.
        granted: whether it was granted; None while nothing is decided.
        note: what the department said of it, or None.
        decided_at: when, or None.
        decided_by: subject of the account, or None.
    """

    reference: str
    collection: str
    region: str
    period: str
    until: str
    reason: str
    asked_at: datetime
    asked_by: str
    granted: bool | None
    note: str | None
    decided_at: datetime | None
    decided_by: str | None

    @property
    def words(self) -> str:
        """What became of it, for a reader."""
        return {None: "waits for the department", True: "granted", False: "refused"}[self.granted]

    def to_dict(self) -> dict[str, Any]:
        """The request as plain JSON; moments in ISO form."""
        return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(self).items()}


def _extension(row: dict[str, Any]) -> Extension:
    named = {name: row[name] for name in Extension.__dataclass_fields__ if name in row}
    return Extension(reference=f"{PREFIX}{row['id']:04d}", **named)


def day_of(day: str, month: str, year: str) -> date:
    """A day given in three fields.

    Raises:
        DeadlineError: it is not a day of the calendar.
    """
    try:
        return date(int(year), int(month), int(day))
    except ValueError as error:
        raise DeadlineError(f"“{day} {month} {year}” is not a day. Write the day, the month and the year as numbers.") from error


def first_due(target: Target, began: date) -> date:
    """The day on which a return is due unless more time is granted.

    Args:
        target: the return. It is due some days after its period, as many as its contract says.
        began: the day on which the store came into use: a period that was over by then counts from that day.
    """
    return max(parse(target.period).end, began) + timedelta(days=target.contract.due_days)


def days_late(due: date, received: datetime) -> int:
    """Days by which something came after the day on which it was due; 0 where it came in time."""
    return max((london_day(received) - due).days, 0)


def due_words(due: date, today: date) -> str:
    """When something is due, seen from a day: “due in 3 days”, “due today” or “2 days late”."""
    left = (due - today).days
    if left == 0:
        return "due today"
    days = f"{abs(left):,} day{'' if abs(left) == 1 else 's'}"
    return f"due in {days}" if left > 0 else f"{days} late"


def late_words(days: int | None) -> str:
    """How late a submission came, for a reader; blank where no deadline is known."""
    return "" if days is None else "in time" if days == 0 else f"{days:,} day{'' if days == 1 else 's'} late"


def deadline(connection: Any, target: Target) -> date:
    """The day on which a return is due, more time included.

    Args:
        connection: of the store.
        target: a return with a period.
    """
    due = first_due(target, began(connection))
    moved = stored.granted_until(connection, *target.key)
    return due if moved is None else max(due, date.fromisoformat(moved))


def began(connection: Any) -> date:
    """The day, in London, on which the store came into use; today where it is new."""
    return london_day(began_at(connection) or now())


def ask_extension(store: Store, actor: Actor, collection: str, region: str, period: str, until: date, reason: str) -> Extension:
    """Ask the department for more time for a return.

    Args:
        store: where.
        actor: a lead of the region, or an administrator.
        collection: what is asked for.
        region: code of the region.
        period: of the return.
        until: the new day on which it would be due.
        reason: why.

    Raises:
        NotAllowed: the actor may not.
        UserError: there is no such collection, region or period, it is not asked for, or no reason is given.
        DeadlineError: a day that is past or no later than the deadline, or a request that waits already.
    """
    check_actor_can(actor, "ask_extension", region)
    target, words = target_of(collection, region, period), given_words(reason, "Say why more time is needed.")
    detail: dict[str, Any] = {"until": until.isoformat(), "reason": words}
    with store.write(actor, "ask_extension", target.name, detail) as connection:
        check_asked(connection, target)
        due = deadline(connection, target)
        if until <= due or until < london_day(now()):
            raise DeadlineError(f"The return is due on {due:%d %B %Y}. Ask for a day that is later than that, and not past.")
        open_ones = [row for row in stored.stored_requests(connection, [region]) if row["granted"] is None]
        if any((row["collection"], row["period"]) == (target.collection, target.period) for row in open_ones):
            raise DeadlineError("More time was asked for already and is not decided yet. Wait for the department.")
        facts = {"collection": target.collection, "region": region, "period": target.period}
        number = stored.add_request(connection, asked_by=actor.subject, until=until.isoformat(), reason=words, **facts)
        detail["reference"] = f"{PREFIX}{number:04d}"
        (made,) = stored.stored_requests(connection, number=number)
    return _extension(made)


def decide_extension(store: Store, actor: Actor, reference: str, granted: bool, note: str | None = None) -> Extension:
    """Grant more time, or refuse it with a reason. A request is decided once.

    Args:
        store: where.
        actor: an evaluator or an administrator.
        reference: of the request (`MORE-TIME-…`).
        granted: True moves the deadline to the day asked for. What came before that stays as late as it was.
        note: what to tell the lead; needed to refuse.

    Raises:
        NotAllowed: the actor may not.
        UserError: it is refused without a reason.
        DeadlineError: there is no such request, or it was decided already.
    """
    check_actor_can(actor, "decide_extension")
    words = given_words(note, "" if granted else "Say why more time is refused: the lead reads it.")
    digits = reference.removeprefix(PREFIX)
    if not reference.startswith(PREFIX) or not digits.isdecimal():
        raise DeadlineError(f"There is no request “{reference}”. Look up its reference in the list of returns due.")
    with store.write(actor, "decide_extension", reference, {"granted": granted, "note": words or None}) as connection:
        found = stored.stored_requests(connection, number=int(digits))
        if not found:
            raise DeadlineError(f"There is no request “{reference}”. Look up its reference in the list of returns due.")
        try:
            stored.add_decision(connection, int(digits), granted, actor.subject, words or None)
        except stored.DecisionTaken as error:
            first = _extension(found[0])
            raise DeadlineError(
                f"{reference} was decided already: {first.words} by {first.decided_by}. Nothing was changed."
            ) from error
        (decided,) = stored.stored_requests(connection, number=int(digits))
    return _extension(decided)


def extensions(store: Store, actor: Actor) -> list[Extension]:
    """Requests for more time, newest first; regional roles see those of their regions.

    Raises:
        NotAllowed: the actor may not read returns.
    """
    check_actor_can(actor, "read_returns")
    with store.read() as connection:
        rows = stored.stored_requests(connection, list(actor.regions) if actor.role in REGIONAL else None)
    return [_extension(row) for row in rows]
