"""The life of a return: its states in one table, with who has to do what next and where it can go from there.

Screens, commands, tasks and the documentation read this table; nothing else says what comes after what.
"""

from dataclasses import dataclass, field

from pilots.errors import UserError

SUBMITTED, SIGNED_OFF, ACCEPTED = "submitted", "signed_off", "accepted"
RETURNED, WITHDRAWN, SUPERSEDED = "returned", "withdrawn", "superseded"
NOT_SENT = "not_sent"
AT_SUBMISSION, AT_ACCEPTANCE = "submission", "acceptance"


@dataclass(frozen=True)
class State:
    """One state of a submission.

    Attributes:
        words: the state for a reader.
        done: what was done, in the past tense, for the history.
        owner: who has to do the next step; blank where nobody has to do anything.
        next_step: what is to be done, one sentence or two.
        steps: the states that it can go to, each with the action of `pilots.access.ACTIONS` that takes it there.
        gives_way_at: whether a newer version takes its place when that one is submitted, or when it is accepted; blank where it
            stays what it is.
    """

    words: str
    done: str
    owner: str
    next_step: str
    steps: dict[str, str] = field(default_factory=dict)
    gives_way_at: str = ""


STATES: dict[str, State] = {
    NOT_SENT: State("not sent", "", "lead", "The lead sends the return, or declares that there is nothing to return."),
    SUBMITTED: State(
        "submitted, not yet signed",
        "submitted",
        "approver",
        "An approver of the region signs it, or sends it back to the lead with a reason.",
        {SIGNED_OFF: "sign_off_return", RETURNED: "decline_return", WITHDRAWN: "withdraw_return"},
        AT_SUBMISSION,
    ),
    SIGNED_OFF: State(
        "signed, not yet accepted",
        "signed",
        "DfE",
        "The department accepts it, or sends it back to the lead with a reason.",
        {ACCEPTED: "accept_return", RETURNED: "send_back_return", WITHDRAWN: "withdraw_return"},
        AT_SUBMISSION,
    ),
    RETURNED: State(
        "sent back",
        "sent back",
        "lead",
        "The lead reads the reason, puts the file right and sends it again.",
        {WITHDRAWN: "withdraw_return"},
        AT_SUBMISSION,
    ),
    ACCEPTED: State(
        "accepted",
        "accepted",
        "",
        "There is nothing to do: releases take it. To correct it, the lead sends a new version.",
        {RETURNED: "send_back_return"},
        AT_ACCEPTANCE,
    ),
    SUPERSEDED: State(
        "superseded by a later version", "superseded", "", "There is nothing to do. It is kept, and a later version counts."
    ),
    WITHDRAWN: State(
        "withdrawn", "withdrawn", "lead", "It is kept, but does not count. The return is due again: the lead sends a new version."
    ),
}

LIVE = (SUBMITTED, SIGNED_OFF, ACCEPTED)  # states of a version that is on its way, or in force


class NotPossible(UserError):
    """A step that the state of a return does not allow; the message says what state it is in and what can be done."""


def action_for(state: str, to: str) -> str | None:
    """The action that takes a return from one state to another; None where there is no such step."""
    return STATES[state].steps.get(to)


def check_step(reference: str, state: str, to: str, since: str = "") -> None:
    """Stop unless a return can go from its state to another.

    Args:
        reference: of the submission, for the message.
        state: where it is.
        to: where it is to go.
        since: what brought it to its state, for the message.

    Raises:
        NotPossible: it cannot; the message says what can be done instead.
    """
    here = STATES[state]
    if to in here.steps:
        return
    told = f" {since}" if since else ""
    raise NotPossible(f"{reference} cannot be {STATES[to].done}: it is {here.words}.{told} {here.next_step}")
