"""The audit log: who did what, for whoever may read it, and whether the log is whole."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pilots.access import Actor, check_actor_can
from pilots.errors import UserError
from pilots.storage import Store, audit
from pilots.storage.base import stored_json
from pilots.storage.told import untold


class AuditError(UserError):
    """A mark that cannot be read; the message says how one is written."""


@dataclass(frozen=True)
class Verified:
    """What a check of the audit log found.

    Attributes:
        events: how many events there are.
        mark: number and digest of the last one, `NUMBER:DIGEST`. Kept outside of the store, it shows later whether events up to
            there were taken off the end or made anew.
        faults: one sentence a fault; none where the log is whole.
    """

    events: int
    mark: str
    faults: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON."""
        return {**asdict(self), "faults": list(self.faults), "whole": not self.faults}

    def text(self) -> str:
        """For a terminal."""
        said = "The audit log is whole." if not self.faults else f"The audit log is not whole: {len(self.faults):,} faults."
        count = "1 event" if self.events == 1 else f"{self.events:,} events"
        return "\n".join([f"{said} {count}.", *self.faults, f"Mark, to be kept elsewhere: {self.mark}"])


def audit_events(
    store: Store,
    actor: Actor,
    action: str | None = None,
    subject: str | None = None,
    who: str | None = None,
    limit: int | None = None,
) -> list[dict[str, Any]]:
    """Events of the audit log, newest first.

    Args:
        store: where.
        actor: an administrator.
        action: only this action: a name in `pilots.access.ACTIONS`, or `sign_in`, `sign_out`, `refuse_sign_in`.
        subject: only what was done to this, such as the reference of a submission.
        who: only what this account did, by its subject.
        limit: not more than so many.

    Returns:
        One mapping an event: id, at, actor, issuer, role, action, subject, detail, previous, digest.

    Raises:
        NotAllowed: the actor may not read the audit log.
    """
    check_actor_can(actor, "read_audit")
    with store.read() as connection:
        return audit.events(connection, action=action, subject=subject, actor=who, limit=limit)


def exported_audit(store: Store, actor: Actor) -> str:
    """The whole log as JSON lines, oldest event first, with all that its digests are made from.

    Raises:
        NotAllowed: the actor may not read the audit log.
    """
    found = reversed(audit_events(store, actor))
    return "".join(f"{stored_json({**event, 'at': event['at'].isoformat()})}\n" for event in found)


def verify_audit(store: Store, actor: Actor, marks: Sequence[str] = ()) -> Verified:
    """Check the log: that each event is as it was stored and follows the one before, and that it tells of all that is stored.

    Args:
        store: where.
        actor: an administrator.
        marks: `NUMBER:DIGEST` as an earlier check, or a backup, gave them: the log must still have these events.

    Raises:
        NotAllowed: the actor may not read the audit log.
        AuditError: a mark cannot be read.
    """
    check_actor_can(actor, "read_audit")
    wanted = [_mark(text) for text in marks]
    with store.read() as connection:
        faults = [*audit.verify(connection), *untold(connection)]
        for number, digest in wanted:
            if audit.digest_of(connection, number) != digest:
                faults.append(f"Event {number} is not the one that was marked: events were taken off the end, or made anew.")
        last = audit.last_event(connection)
    return Verified(last["events"], mark_of(last), tuple(faults))


def mark_of(last: Mapping[str, Any]) -> str:
    """The mark of the last event, to be kept elsewhere."""
    return f"{last['last']}:{last['digest']}"


def _mark(text: str) -> tuple[int, str]:
    number, colon, digest = text.strip().partition(":")
    if not colon or not number.isdecimal() or len(digest) != 64:
        raise AuditError(f"“{text}” is no mark. A mark is NUMBER:DIGEST, as pilots audit verify and pilots backup write it.")
    return int(number), digest
