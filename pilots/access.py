"""Who may do what, written once. Tasks call `check_actor_can`; a screen asks `actor_can` only to decide what to show."""

from collections.abc import Mapping
from dataclasses import dataclass

from pilots.errors import UserError

LEAD, APPROVER, EVALUATOR, RESEARCHER, ADMINISTRATOR = "lead", "approver", "evaluator", "researcher", "administrator"
LOCAL = "local"
ROLES = (LEAD, APPROVER, EVALUATOR, RESEARCHER, ADMINISTRATOR)
REGIONAL = (LEAD, APPROVER)  # roles that act for regions of their own only

# One line an action: the words for a message, and the roles that may. What a regional role does always needs one of its regions.
ACTIONS: dict[str, tuple[str, frozenset[str]]] = {
    "check_return": ("check a return", frozenset({LEAD, ADMINISTRATOR})),
    "submit_return": ("submit a return", frozenset({LEAD, ADMINISTRATOR})),
    "explain_return": ("explain the queries of a return", frozenset({LEAD, ADMINISTRATOR})),
    "declare_nil_return": ("declare that there is nothing to return", frozenset({LEAD, ADMINISTRATOR})),
    "withdraw_return": ("withdraw a return", frozenset({LEAD, ADMINISTRATOR})),
    "sign_off_return": ("sign off a return", frozenset({APPROVER, ADMINISTRATOR})),
    "decline_return": ("send a return back in place of signing it", frozenset({APPROVER, ADMINISTRATOR})),
    "accept_return": ("accept a return", frozenset({EVALUATOR, ADMINISTRATOR})),
    "send_back_return": ("send back a return that is signed", frozenset({EVALUATOR, ADMINISTRATOR})),
    "ask_extension": ("ask for more time for a return", frozenset({LEAD, ADMINISTRATOR})),
    "decide_extension": ("decide on more time for a return", frozenset({EVALUATOR, ADMINISTRATOR})),
    "set_asked_until": ("set until when returns are asked for", frozenset({EVALUATOR, ADMINISTRATOR})),
    "read_returns": ("read returns", frozenset({LEAD, APPROVER, EVALUATOR, ADMINISTRATOR})),
    "register_reforms": ("change the reform register", frozenset({ADMINISTRATOR})),
    "read_register": ("read the reform register", frozenset({LEAD, APPROVER, EVALUATOR, RESEARCHER, ADMINISTRATOR})),
    "import_published": ("import published series", frozenset({ADMINISTRATOR})),
    "read_published": ("read published series", frozenset({EVALUATOR, RESEARCHER, ADMINISTRATOR})),
    "make_release": ("make a release", frozenset({EVALUATOR, ADMINISTRATOR})),
    "read_releases": ("read releases", frozenset({EVALUATOR, RESEARCHER, ADMINISTRATOR})),
    "register_plan": ("register a plan", frozenset({EVALUATOR, ADMINISTRATOR})),
    "read_plans": ("read plans", frozenset({EVALUATOR, RESEARCHER, ADMINISTRATOR})),
    "evaluate": ("run an evaluation", frozenset({EVALUATOR, RESEARCHER, ADMINISTRATOR})),
    "read_runs": ("read runs", frozenset({EVALUATOR, RESEARCHER, ADMINISTRATOR})),
    "make_bundle": ("take a run with its data, unsuppressed, as a bundle", frozenset({EVALUATOR, RESEARCHER, ADMINISTRATOR})),
    "make_cells": ("make cells of case-level files", frozenset({LEAD, APPROVER, EVALUATOR, RESEARCHER, ADMINISTRATOR})),
    "build_demonstration": ("build the demonstration programme", frozenset({ADMINISTRATOR})),
    "manage_accounts": ("manage accounts", frozenset({ADMINISTRATOR})),
    "read_audit": ("read the audit log", frozenset({ADMINISTRATOR})),
    "back_up": ("back up the store", frozenset({ADMINISTRATOR})),
    "restore": ("restore a backup", frozenset({ADMINISTRATOR})),
    "purge": ("remove refused files that may not be kept", frozenset({ADMINISTRATOR})),
    "take_tables_back": ("take the store's tables back to an older version", frozenset({ADMINISTRATOR})),
}

# For these, regional roles may act without naming a region: the task shows them only the rows of their regions, or it is about
# files on their own machine.
NARROWED_TO_REGIONS = frozenset({"read_returns", "read_register", "make_cells"})

# Three steps of a return, three persons: whoever took one of these steps before cannot take this one, whatever the role.
OTHER_PERSONS: dict[str, tuple[str, ...]] = {
    "sign_off_return": ("submitted",),
    "accept_return": ("submitted", "signed"),
}


class NotAllowed(UserError):
    """The actor's role, or regions, do not allow the action."""


@dataclass(frozen=True)
class Actor:
    """Someone who acts.

    Attributes:
        subject: who it is, as the identity provider names the account.
        name: the name to show.
        role: one of `ROLES`.
        regions: codes of the regions that a lead or an approver answers for; empty for the other roles.
        issuer: who vouches for the subject: an identity provider, `development`, or `local` for whoever runs the store's machine.
    """

    subject: str
    name: str
    role: str
    regions: tuple[str, ...] = ()
    issuer: str = LOCAL


LOCAL_ADMINISTRATOR = Actor("local-administrator", "Local administrator", ADMINISTRATOR)


def actor_can(actor: Actor, action: str, region: str | None = None) -> bool:
    """Whether the actor may do something.

    Args:
        actor: who wants to act.
        action: a name in `ACTIONS`.
        region: the region that it is about, where it is about one.

    Raises:
        KeyError: no such action: a fault of ours.
    """
    _, roles = ACTIONS[action]
    if actor.role not in roles:
        return False
    if actor.role not in REGIONAL:
        return True
    return region in actor.regions if region is not None else action in NARROWED_TO_REGIONS


def check_actor_can(actor: Actor, action: str, region: str | None = None) -> None:
    """Stop unless the actor may do this.

    Args:
        actor: who wants to act.
        action: a name in `ACTIONS`.
        region: the region that it is about, where it is about one.

    Raises:
        NotAllowed: the role, or the regions, of the actor do not allow it; the message says who can.
    """
    if actor_can(actor, action, region):
        return
    words, roles = ACTIONS[action]
    if actor.role in roles:
        own = ", ".join(actor.regions) or "none"
        raise NotAllowed(
            f"{actor.name} cannot {words} for region {region}. {_a(actor.role)} acts for their own regions only: {own}."
        )
    *others, last = [_a(role).lower() for role in ROLES if role in roles]
    allowed = f"{', '.join(others)} or {last}" if others else last
    raise NotAllowed(f"{actor.name} ({actor.role}) cannot {words}. Ask {allowed} to do it.")


def check_actor_can_reach(actor: Actor, action: str, reference: str, region: str | None) -> None:
    """Stop unless the actor may do this to what a reference names.

    To a regional role a reference of another region and one that names nothing are told in the same words: whether another
    region has sent something, and how often, is not theirs to know.

    Args:
        actor: who wants to act.
        action: a name in `ACTIONS`.
        reference: as the actor gave it.
        region: the region of what it names; None where it names nothing.

    Raises:
        NotAllowed: the role, or the regions, of the actor do not allow it.
    """
    words, roles = ACTIONS[action]
    if actor.role not in roles:
        check_actor_can(actor, action)
    if actor.role in REGIONAL and region not in actor.regions:
        own = ", ".join(actor.regions) or "none"
        raise NotAllowed(f"{actor.name} cannot {words} by the reference “{reference}”: it is none of their regions’ ({own}).")


def _a(role: str) -> str:
    return f"A {role}" if role in (LEAD, RESEARCHER) else f"An {role}"


def taken_before(actor: Actor, action: str, steps: Mapping[str, str | None]) -> str | None:
    """The step of a return by which an actor is barred from this action; None where another person took them all.

    Args:
        actor: who wants to act.
        action: a name in `ACTIONS`.
        steps: subject of the account that took a step, by its words in `OTHER_PERSONS`. Subjects alone are compared: two accounts
            of one subject from two issuers count as one person.
    """
    return next((step for step in OTHER_PERSONS.get(action, ()) if steps.get(step) == actor.subject), None)


def check_other_person(actor: Actor, action: str, steps: Mapping[str, str | None]) -> None:
    """Stop where the actor took an earlier step of the same return: submitting, signing and accepting take three persons.

    Args:
        actor: who wants to act.
        action: a name in `ACTIONS`.
        steps: subject of the account that took a step, by its words in `OTHER_PERSONS`.

    Raises:
        NotAllowed: the actor took one of them.
    """
    step = taken_before(actor, action, steps)
    if step is not None:
        words = ACTIONS[action][0]
        raise NotAllowed(
            f"{actor.name} {step} this return and so cannot {words} too. Another person must do it; that holds for everybody, "
            "administrators included."
        )
