"""Who is signed in by an identity provider: a session begins with a fresh token and ends by itself, by its owner or by others.

The provider says who somebody is; roles and regions stand in the accounts, by issuer and subject. What a browser holds is a
cookie that anybody could copy: so each sign-in is a session of the store, which is looked up at every step.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pilots.access import LOCAL, Actor, check_actor_can
from pilots.accounts import LONGEST_NAME
from pilots.errors import UserError
from pilots.storage import Store
from pilots.storage import accounts as stored_accounts
from pilots.storage import sessions as stored
from pilots.storage.base import canonical_json, now

LONGEST_PAUSE = timedelta(hours=1)
LONGEST = timedelta(hours=8)
FRESH = timedelta(minutes=15)  # how old a token may be that begins a session; clocks may differ by as much
NOTED_EVERY = timedelta(minutes=1)  # a session that is used is noted no oftener: a step shall not wait for the disk
SERVER = Actor("server", "The server", "server", (), LOCAL)  # who ends and refuses in the audit log; it has no role to act with

PAUSED = "nothing was done for an hour"
OVER = "it is eight hours since you signed in"
SIGNED_OUT = "you signed out in another window"
CLOSED = "the account was closed"
ENDED_BY_OTHERS = "an administrator ended your session"
STALE = "the sign-in took too long, or is an old one"
NO_ACCOUNT = "there is no account"


class IdentityError(UserError):
    """What the identity provider said of somebody cannot be used; the message says why."""


@dataclass(frozen=True)
class Identity:
    """One sign-in, as the identity provider vouched for it.

    Attributes:
        issuer: the provider.
        subject: who it is, as the provider names the account.
        issued_at: when the provider said so.
        nonce: a number used once, by which two sign-ins of one moment differ.
    """

    issuer: str
    subject: str
    issued_at: datetime
    nonce: str

    @property
    def key(self) -> str:
        """The session's key: a digest, so that the store holds nothing that signs anybody in."""
        parts = [self.issuer, self.subject, self.issued_at.isoformat(), self.nonce]
        return hashlib.sha256(canonical_json(parts).encode()).hexdigest()


@dataclass(frozen=True)
class Standing:
    """How somebody stands with the platform who came from the identity provider.

    Attributes:
        actor: who is signed in; None where nobody is.
        why: why nobody is; empty where somebody is.
    """

    actor: Actor | None
    why: str = ""


def identity_of(claims: Mapping[str, Any], client_id: str) -> Identity:
    """The sign-in that a token tells of.

    Args:
        claims: the claims of an ID token whose signature and nonce were checked.
        client_id: for whom the token must be.

    Raises:
        IdentityError: it is for somebody else, or lacks a claim.
    """
    audience = claims.get("aud")
    if client_id not in (audience if isinstance(audience, list) else [audience]):
        raise IdentityError("The identity provider signed you in to another service. Tell the administrator of this one.")
    issuer, subject, nonce, issued = (claims.get(name) for name in ("iss", "sub", "nonce", "iat"))
    names = [value for value in (issuer, subject, nonce) if isinstance(value, str) and 0 < len(value) <= LONGEST_NAME]
    if len(names) < 3 or isinstance(issued, bool) or not isinstance(issued, int | float):
        raise IdentityError("The identity provider did not say who you are in full. Tell the administrator of this service.")
    return Identity(names[0], names[1], datetime.fromtimestamp(issued, UTC), names[2])


def standing(store: Store, identity: Identity) -> Standing:
    """Whether somebody is signed in now. Nothing is written: `step` begins and ends sessions."""
    return _looked_up(store, identity)[1]


def _looked_up(store: Store, identity: Identity) -> tuple[dict[str, Any] | None, Standing]:
    """The session, where there is one, and how its owner stands."""
    with store.read() as connection:
        found = stored.stored_session(connection, identity.key)
        actors = stored_accounts.actors_named(connection, identity.subject, identity.issuer)
    if found is None:
        return None, Standing(None, STALE)
    why = found["why"] or _over(found) or ("" if actors else CLOSED)
    return found, Standing(None, why) if why else Standing(actors[0])


def _over(found: Mapping[str, Any]) -> str:
    if now() - found["began_at"] > LONGEST:
        return OVER
    return PAUSED if now() - found["seen_at"] > LONGEST_PAUSE else ""


def step(store: Store, identity: Identity) -> Standing:
    """Note that somebody did something: a sign-in that is new begins a session, one that is over is ended.

    Sign-ins, refusals and ends are events of the audit log.
    """
    found, stands = _looked_up(store, identity)
    if found is None:
        return _begin(store, identity)
    if stands.actor is None and found["ended_at"] is None:
        _end(store, SERVER, identity, stands.why)
    elif stands.actor is not None and now() - found["seen_at"] > NOTED_EVERY:
        with store.note() as connection:
            stored.see_session(connection, identity.key, now())
    return stands


class _KnownAlready(Exception):
    """Another tab of the same browser was quicker: nothing is to be written."""


def _begin(store: Store, identity: Identity) -> Standing:
    if abs(now() - identity.issued_at) > FRESH:
        return Standing(None, STALE)
    with store.read() as connection:
        actors = stored_accounts.actors_named(connection, identity.subject, identity.issuer)
    actor = actors[0] if actors else None
    action, why = ("sign_in", None) if actor else ("refuse_sign_in", NO_ACCOUNT)
    detail = {"issuer": identity.issuer, "session": identity.key[:12], **({"why": why} if why else {})}
    try:
        with store.write(actor or SERVER, action, identity.subject, detail) as connection:
            if stored.stored_session(connection, identity.key) is not None:
                raise _KnownAlready
            stored.forget_sessions(connection, now() - LONGEST - 2 * FRESH)
            facts = {"issuer": identity.issuer, "subject": identity.subject}
            stored.add_session(connection, key=identity.key, **facts, at=now(), why=why)
    except _KnownAlready:
        return standing(store, identity)
    return Standing(actor, why or "")


def sign_out(store: Store, identity: Identity) -> None:
    """End somebody's own session: the cookie that began it, and every copy of it, signs nobody in any more."""
    stands = standing(store, identity)
    if stands.actor is not None:
        _end(store, stands.actor, identity, SIGNED_OUT)


def _end(store: Store, actor: Actor, identity: Identity, why: str) -> None:
    detail = {"issuer": identity.issuer, "session": identity.key[:12], "why": why}
    try:
        with store.write(actor, "sign_out", identity.subject, detail) as connection:
            if not stored.end_session(connection, identity.key, now(), why):
                raise _KnownAlready
    except _KnownAlready:
        return


def end_sessions(store: Store, actor: Actor, subject: str, issuer: str) -> int:
    """End every session of an account, on all machines: for a device that was lost.

    Args:
        store: where.
        actor: an administrator.
        subject: who it is, as the issuer names the account.
        issuer: the identity provider.

    Returns:
        How many sessions were ended.

    Raises:
        NotAllowed: the actor may not manage accounts.
        UserError: there is no such account.
    """
    check_actor_can(actor, "manage_accounts")
    with store.read() as connection:
        known = {(row["issuer"], row["subject"]) for row in stored_accounts.stored_accounts(connection)}
    if (issuer, subject) not in known:
        raise UserError(f"There is no account “{subject}” of the issuer {issuer}. pilots accounts list shows them all.")
    detail: dict[str, Any] = {"issuer": issuer, "why": ENDED_BY_OTHERS}
    with store.write(actor, "manage_accounts", subject, detail) as connection:
        detail["ended"] = stored.end_sessions_of(connection, issuer, subject, now(), ENDED_BY_OTHERS)
    return int(detail["ended"])
