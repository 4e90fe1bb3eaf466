"""Who may do what, written once. Tasks call `check_actor_can`; a screen asks `actor_can` only to decide what to show."""

from dataclasses import dataclass

from pilots.errors import UserError

LEAD, EVALUATOR, RESEARCHER, ADMINISTRATOR = "lead", "evaluator", "researcher", "administrator"
LOCAL = "local"
ROLES = (LEAD, EVALUATOR, RESEARCHER, ADMINISTRATOR)

# One line an action: the words for a message, and the roles that may. A lead's actions always need one of the lead's own regions.
ACTIONS: dict[str, tuple[str, frozenset[str]]] = {
    "check_return": ("check a return", frozenset({LEAD, ADMINISTRATOR})),
    "submit_return": ("submit a return", frozenset({LEAD, ADMINISTRATOR})),
    "sign_off_return": ("sign off a return", frozenset({LEAD, ADMINISTRATOR})),
    "read_returns": ("read returns", frozenset({LEAD, EVALUATOR, ADMINISTRATOR})),
    "register_reforms": ("change the reform register", frozenset({ADMINISTRATOR})),
    "read_register": ("read the reform register", frozenset({LEAD, EVALUATOR, RESEARCHER, ADMINISTRATOR})),
    "import_published": ("import published series", frozenset({ADMINISTRATOR})),
    "read_published": ("read published series", frozenset({EVALUATOR, RESEARCHER, ADMINISTRATOR})),
    "make_release": ("make a release", frozenset({EVALUATOR, ADMINISTRATOR})),
    "read_releases": ("read releases", frozenset({EVALUATOR, RESEARCHER, ADMINISTRATOR})),
    "register_plan": ("register a plan", frozenset({EVALUATOR, ADMINISTRATOR})),
    "read_plans": ("read plans", frozenset({EVALUATOR, RESEARCHER, ADMINISTRATOR})),
    "evaluate": ("run an evaluation", frozenset({EVALUATOR, RESEARCHER, ADMINISTRATOR})),
    "read_runs": ("read runs", frozenset({EVALUATOR, RESEARCHER, ADMINISTRATOR})),
    "build_demonstration": ("build the demonstration programme", frozenset({ADMINISTRATOR})),
    "manage_accounts": ("manage accounts", frozenset({ADMINISTRATOR})),
    "read_audit": ("read the audit log", frozenset({ADMINISTRATOR})),
}

# For these, any lead may act without naming a region: the task shows a lead only the rows of the lead's regions.
NARROWED_FOR_LEADS = frozenset({"read_returns", "read_register"})


class NotAllowed(UserError):
    """The actor's role, or regions, do not allow the action."""


@dataclass(frozen=True)
class Actor:
    """Someone who acts.

    Attributes:
        subject: who it is, as the identity provider names the account.
        name: the name to show.
        role: one of `ROLES`.
        regions: codes of the regions that a lead answers for; empty for the other roles.
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
    if actor.role != LEAD:
        return True
    return region in actor.regions if region is not None else action in NARROWED_FOR_LEADS


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
        raise NotAllowed(f"{actor.name} cannot {words} for region {region}. A lead acts for their own regions only: {own}.")
    allowed = " or ".join(f"a {role}" if role in (LEAD, RESEARCHER) else f"an {role}" for role in ROLES if role in roles)
    raise NotAllowed(f"{actor.name} ({actor.role}) cannot {words}. Ask {allowed} to do it.")
