"""Accounts: who may sign in, with which role and for which regions."""

from collections.abc import Sequence
from typing import Any

from pilots.access import ADMINISTRATOR, APPROVER, EVALUATOR, LEAD, LOCAL, REGIONAL, RESEARCHER, ROLES, Actor, check_actor_can
from pilots.errors import UserError
from pilots.places import region_names
from pilots.storage import Store
from pilots.storage import accounts as stored

_SHOWN = (ADMINISTRATOR, EVALUATOR, RESEARCHER, LEAD, APPROVER)
LONGEST_NAME = 255  # characters of an issuer or a subject, as OpenID Connect has it for subjects
DEVELOPMENT = "development"  # the issuer of accounts that sign in without a password, on this machine only


class AccountError(UserError):
    """An account that cannot be saved; the message says what is wrong and what to write."""


def development_accounts() -> list[Actor]:
    """The accounts to try the platform with: administrator, evaluator, researcher, and of each region a lead and an approver."""
    people = [
        Actor("administrator", "Administrator", ADMINISTRATOR, (), DEVELOPMENT),
        Actor("evaluator", "DfE evaluator", EVALUATOR, (), DEVELOPMENT),
        Actor("researcher", "Researcher", RESEARCHER, (), DEVELOPMENT),
    ]
    leads = [Actor(f"lead-{code}", f"Lead of {name}", LEAD, (code,), DEVELOPMENT) for code, name in region_names().items()]
    approvers = [
        Actor(f"approver-{code}", f"Approver of {name}", APPROVER, (code,), DEVELOPMENT) for code, name in region_names().items()
    ]
    return [*people, *leads, *approvers]


def add_development_accounts(store: Store, actor: Actor) -> None:
    """Add the development accounts that are not there yet. Those that are there stay as they are, closed ones closed.

    Raises:
        NotAllowed: the actor may not manage accounts.
    """
    check_actor_can(actor, "manage_accounts")
    with store.read() as connection:
        known = {(row["issuer"], row["subject"]) for row in stored.stored_accounts(connection)}
    missing = [one for one in development_accounts() if (one.issuer, one.subject) not in known]
    if not missing:
        return
    detail = {"added": [one.subject for one in missing]}
    with store.write(actor, "manage_accounts", DEVELOPMENT, detail) as connection:
        for one in missing:
            facts: dict[str, Any] = {"issuer": one.issuer, "subject": one.subject, "name": one.name, "role": one.role}
            stored.save_account(connection, **facts, regions=list(one.regions))


def development_sign_in(store: Store) -> list[Actor]:
    """The open development accounts, regional roles last. Faces offer them on loopback only."""
    with store.read() as connection:
        rows = [row for row in stored.stored_accounts(connection) if row["issuer"] == DEVELOPMENT and row["active"]]
    rows.sort(key=lambda row: (_SHOWN.index(row["role"]), row["subject"]))
    return [Actor(row["subject"], row["name"], row["role"], tuple(row["regions"]), DEVELOPMENT) for row in rows]


def save_account(
    store: Store,
    actor: Actor,
    subject: str,
    name: str,
    role: str,
    regions: Sequence[str] = (),
    issuer: str = DEVELOPMENT,
    active: bool = True,
) -> Actor:
    """Add an account, or give the one of this issuer and subject a new name, role, regions or state. It works at once.

    Args:
        store: where.
        actor: an administrator.
        subject: who it is, as the issuer names the account.
        name: the name to show.
        role: one of `pilots.access.ROLES`.
        regions: codes of the regions of a lead or an approver; none for the other roles.
        issuer: who vouches for the subject.
        active: False closes the account.

    Raises:
        NotAllowed: the actor may not manage accounts.
        AccountError: subject, name, role or regions cannot be right, or an administrator would close their own account.
    """
    check_actor_can(actor, "manage_accounts")
    subject, name, issuer, wanted = subject.strip(), name.strip(), issuer.strip(), sorted(set(regions))
    _check(subject, name, role, wanted)
    if not issuer or issuer == LOCAL or len(issuer) > LONGEST_NAME:
        raise AccountError(f"“{issuer}” vouches for no accounts. Name an identity provider, or {DEVELOPMENT}.")
    if (issuer, subject) == (actor.issuer, actor.subject) and (role != ADMINISTRATOR or not active):
        raise AccountError("You cannot close your own account or take its role away. Ask another administrator to do it.")
    detail = {"name": name, "role": role, "regions": wanted, "active": active, "issuer": issuer}
    with store.write(actor, "manage_accounts", subject, detail) as connection:
        stored.save_account(connection, issuer=issuer, subject=subject, name=name, role=role, regions=wanted, active=active)
    return Actor(subject, name, role, tuple(wanted), issuer)


def _check(subject: str, name: str, role: str, regions: list[str]) -> None:
    if not subject or not name:
        raise AccountError("An account needs a subject and a name. Give both.")
    if len(subject) > 200 or len(name) > 200:
        raise AccountError("The subject and the name of an account have at most 200 characters. Shorten them.")
    if role not in ROLES:
        raise AccountError(f"There is no role “{role}”. The roles are: {', '.join(ROLES)}.")
    known = region_names()
    unknown = [code for code in regions if code not in known]
    if unknown:
        raise AccountError(f"There is no region “{unknown[0]}”. The regions are: {', '.join(known)}.")
    if role in REGIONAL and not regions:
        raise AccountError(f"The role {role} needs at least one region. Give its code, for example E12000001.")
    if role not in REGIONAL and regions:
        raise AccountError(f"Regions are for {' and '.join(REGIONAL)} only. Leave them out for the role {role}.")


def accounts(store: Store, actor: Actor) -> list[dict[str, Any]]:
    """All accounts by issuer and subject: issuer, subject, name, role, regions, active, changed_at.

    Raises:
        NotAllowed: the actor may not manage accounts.
    """
    check_actor_can(actor, "manage_accounts")
    with store.read() as connection:
        rows = stored.stored_accounts(connection)
    return [{name: value for name, value in row.items() if name != "id"} for row in rows]
