"""What becomes of a submission: signed, accepted, sent back, withdrawn. Each step is decided in the database, in one go."""

from collections.abc import Mapping
from typing import Any

from pilots.access import REGIONAL, Actor, actor_can, check_actor_can_reach, check_other_person
from pilots.errors import UserError
from pilots.life import (
    ACCEPTED,
    AT_ACCEPTANCE,
    AT_SUBMISSION,
    RETURNED,
    SIGNED_OFF,
    STATES,
    SUBMITTED,
    SUPERSEDED,
    WITHDRAWN,
    NotPossible,
    action_for,
    check_step,
)
from pilots.receipts import Receipt
from pilots.storage import Store
from pilots.storage.submissions import StepTaken, add_step, stored_steps, stored_submission, stored_submissions
from pilots.tables import moment
from pilots.wording import given_words


def reached(store: Store, actor: Actor, action: str, reference: str) -> dict[str, Any]:
    """A submission as it is stored, for somebody who may do this to it.

    Raises:
        NotAllowed: the actor may not.
        UserError: there is no such submission; only who may read every region's returns is told so.
    """
    with store.read() as connection:
        row = stored_submission(connection, reference)
    check_actor_can_reach(actor, action, reference, None if row is None else row["region"])
    if row is None:
        raise UserError(f"There is no submission “{reference}”. Look up its reference in the list of submissions.")
    return row


def sign_off_return(store: Store, actor: Actor, reference: str) -> Receipt:
    """Sign a submission: its figures are complete and right. Signing twice does no harm.

    Args:
        store: where.
        actor: an approver of the region, or an administrator; never the person who submitted it.
        reference: of the submission.

    Raises:
        NotAllowed: the actor may not, or submitted it.
        UserError: there is no such submission; NotPossible: its state does not allow it.
    """
    return _step(store, actor, "sign_off_return", reference, SIGNED_OFF)


def accept_return(store: Store, actor: Actor, reference: str) -> Receipt:
    """Accept a signed submission, so that releases take it; the version that was accepted before gives way.

    Args:
        store: where.
        actor: an evaluator or an administrator; neither the person who submitted it nor the one who signed it.
        reference: of the submission.

    Raises:
        NotAllowed: the actor may not, or took an earlier step.
        UserError: there is no such submission; NotPossible: its state does not allow it.
    """
    return _step(store, actor, "accept_return", reference, ACCEPTED)


def send_back_return(store: Store, actor: Actor, reference: str, reason: str) -> Receipt:
    """Send a submission back to its lead: an approver in place of signing it, the department once it is signed.

    Args:
        store: where.
        actor: an approver of the region, an evaluator or an administrator.
        reference: of the submission.
        reason: what is wrong and what to do, for the lead.

    Raises:
        NotAllowed: the actor may not at this step.
        UserError: there is no such submission or no reason; NotPossible: its state does not allow it.
    """
    with store.read() as connection:
        row = stored_submission(connection, reference)
    # The state of a return that somebody may not read must not show in the words of the refusal.
    seen = row is not None and actor_can(actor, "read_returns", row["region"])
    before_signing = row["status"] == SUBMITTED if row is not None and seen else actor.role in REGIONAL
    action = "decline_return" if before_signing else "send_back_return"
    return _step(store, actor, action, reference, RETURNED, given_words(reason, "Say why it is sent back: the lead reads it."))


def withdraw_return(store: Store, actor: Actor, reference: str, reason: str) -> Receipt:
    """Take back a submission that is not accepted yet. It is kept, and the return is due again.

    Args:
        store: where.
        actor: a lead of the region, or an administrator.
        reference: of the submission.
        reason: why.

    Raises:
        NotAllowed: the actor may not.
        UserError: there is no such submission or no reason; NotPossible: its state does not allow it.
    """
    return _step(store, actor, "withdraw_return", reference, WITHDRAWN, given_words(reason, "Say why it is withdrawn."))


def history(store: Store, actor: Actor, reference: str) -> list[dict[str, Any]]:
    """The steps of a submission, oldest first: step, state, words, at, by, reason.

    Raises:
        NotAllowed: the actor may not read it.
        UserError: there is no such submission.
    """
    row = reached(store, actor, "read_returns", reference)
    with store.read() as connection:
        steps = stored_steps(connection, row["id"])
    return [{**one, "words": STATES[one["state"]].done} for one in steps]


def people(row: Mapping[str, Any]) -> dict[str, str | None]:
    """Who took which step of a submission, as `pilots.access.OTHER_PERSONS` names the steps."""
    return {"submitted": row["submitted_by"], "signed": row["signed_off_by"]}


def _step(store: Store, actor: Actor, action: str, reference: str, to: str, reason: str | None = None) -> Receipt:
    """Take one step; in which state the submission is, and whether another was faster, is seen inside the transaction."""
    reached(store, actor, action, reference)
    detail: dict[str, Any] = {} if reason is None else {"reason": reason}
    with store.write(actor, action, reference, detail) as connection:
        row = stored_submission(connection, reference) or {}
        detail |= {"sha256": row["sha256"], "rows_digest": row["rows_digest"], "repeated": False}
        if (row["status"], row["status_by"]) == (to, actor.subject):
            detail["repeated"] = True
            return Receipt.from_row(row)
        _check_possible(row, action, to)
        check_other_person(actor, action, people(row))
        try:
            add_step(connection, row["id"], to, actor.subject, reason, after=row["status"])
        except StepTaken as error:
            raise NotPossible(f"{reference} went on to another state in this moment. Look at it again.") from error
        if to == ACCEPTED:
            detail["superseded"] = give_way(connection, row, AT_ACCEPTANCE, actor.subject)
        made = stored_submission(connection, reference) or {}
    return Receipt.from_row(made)


def _check_possible(row: Mapping[str, Any], action: str, to: str) -> None:
    when = moment(row["status_at"])
    said = f" The reason given: {row['status_reason']}" if row["status_reason"] else ""
    since = f"That was done on {when} by {row['status_by']}.{said}"
    check_step(row["reference"], row["status"], to, since)
    if action_for(row["status"], to) != action:
        raise NotPossible(f"{row['reference']} went on in this moment: it is {STATES[row['status']].words}. Look at it again.")


def give_way(connection: Any, newer: Mapping[str, Any], when: str, by: str) -> list[str]:
    """Let the versions before one give way to it; inside a writing transaction.

    Args:
        connection: of the transaction.
        newer: the version that takes their place: reference, version, collection, region, period.
        when: `pilots.life.AT_SUBMISSION` or `AT_ACCEPTANCE`; what gives way at submission has done so by the acceptance.
        by: subject of the account.

    Returns:
        References of those that gave way.
    """
    moments = (AT_SUBMISSION,) if when == AT_SUBMISSION else (AT_SUBMISSION, AT_ACCEPTANCE)
    same = {name: newer[name] for name in ("collection", "region", "period")}
    states = [name for name, state in STATES.items() if state.gives_way_at in moments]
    going = stored_submissions(connection, **same, before=newer["version"], states=states)
    for row in going:
        words = f"{newer['reference']} has taken its place."
        add_step(connection, row["id"], SUPERSEDED, by, words, after=row["status"])
    return [row["reference"] for row in going]
