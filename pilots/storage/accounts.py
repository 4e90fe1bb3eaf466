"""Accounts: who signs in, by issuer and subject, with a role and regions."""

from typing import Any

from sqlalchemy import JSON, Boolean, Column, Connection, Integer, String, Table, UniqueConstraint, insert, select, update

from pilots.access import LOCAL, Actor, NotAllowed
from pilots.storage.base import METADATA, Moment, now

ACCOUNTS = Table(
    "accounts",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("issuer", String(300), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("name", String(200), nullable=False),
    Column("role", String(20), nullable=False),
    Column("regions", JSON, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("changed_at", Moment, nullable=False),
    UniqueConstraint("issuer", "subject"),
)


def save_account(
    connection: Connection, *, issuer: str, subject: str, name: str, role: str, regions: list[str], active: bool = True
) -> None:
    """Add an account, or give the one of this issuer and subject a new name, role, regions or state."""
    values = {"name": name, "role": role, "regions": regions, "active": active, "changed_at": now()}
    mine = (ACCOUNTS.c.issuer == issuer) & (ACCOUNTS.c.subject == subject)
    if connection.execute(update(ACCOUNTS).where(mine).values(**values)).rowcount == 0:
        connection.execute(insert(ACCOUNTS).values(issuer=issuer, subject=subject, **values))


def stored_accounts(connection: Connection) -> list[dict[str, Any]]:
    """All accounts by issuer and subject."""
    query = select(ACCOUNTS).order_by(ACCOUNTS.c.issuer, ACCOUNTS.c.subject)
    return [dict(row) for row in connection.execute(query).mappings()]


def actors_named(connection: Connection, subject: str, issuer: str | None = None) -> list[Actor]:
    """The active accounts of a subject, as actors; more than one where two issuers know the same subject."""
    query = select(ACCOUNTS).where(ACCOUNTS.c.subject == subject, ACCOUNTS.c.active).order_by(ACCOUNTS.c.issuer)
    if issuer is not None:
        query = query.where(ACCOUNTS.c.issuer == issuer)
    rows = connection.execute(query).mappings()
    return [Actor(row["subject"], row["name"], row["role"], tuple(row["regions"]), row["issuer"]) for row in rows]


def confirm_actor(connection: Connection, actor: Actor) -> None:
    """Stop where an account was closed or changed since the actor signed in. Whoever runs Python on the store has no account.

    Raises:
        NotAllowed: the account is not as the actor says any more.
    """
    if actor.issuer == LOCAL:
        return
    found = actors_named(connection, actor.subject, actor.issuer)
    if not found:
        raise NotAllowed(f"The account of {actor.name} is closed. Nothing was changed. Ask an administrator.")
    if (found[0].role, found[0].regions) != (actor.role, actor.regions):
        raise NotAllowed(f"The role or the regions of {actor.name} have changed. Nothing was changed. Sign in again.")
