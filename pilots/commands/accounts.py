"""Commands for accounts."""

from __future__ import annotations

from typing import Any

import click
import pandas

from pilots import accounts as tasks
from pilots.access import ROLES
from pilots.commands import COMMANDS
from pilots.commands.shared import Session, region_code, task_command
from pilots.commands.text import table
from pilots.sessions import end_sessions
from pilots.sign_in import sign_in_settings
from pilots.tables import heading

COLUMNS = ["subject", "name", "role", "regions", "issuer", "active"]


@click.group("accounts", short_help=COMMANDS["accounts"][1])
def accounts() -> None:
    """List accounts, add one, or sign somebody out everywhere.

    An account of the issuer “development” signs in without a password, on this machine only, and only while no identity provider
    is set up. One of an identity provider is named by the issuer and the subject that somebody without an account is shown.
    """


@task_command("accounts list")
def list_accounts(session: Session) -> None:
    """List the accounts."""
    found = tasks.accounts(session.store, session.actor)
    session.tell(found, accounts_text(found) if found else "There are no accounts yet.")


@task_command("accounts add")
@click.argument("subject")
@click.option("--name", required=True, help="The name to show.")
@click.option("--role", required=True, type=click.Choice(ROLES))
@click.option("--region", "regions", multiple=True, help="A lead's region, by code or name. May be repeated.")
@click.option("--issuer", default=tasks.DEVELOPMENT, show_default=True, help="Who vouches for the subject.")
@click.option("--closed", is_flag=True, help="Close the account.")
def add(session: Session, subject: str, name: str, role: str, regions: tuple[str, ...], issuer: str, closed: bool) -> None:
    """Add an account named SUBJECT.

    Where there is one of that name already, it is given the new name, role, regions and state.
    """
    codes = [region_code(region) for region in regions]
    tasks.save_account(session.store, session.actor, subject, name, role, codes, issuer, not closed)
    saved = next(
        row
        for row in tasks.accounts(session.store, session.actor)
        if (row["issuer"], row["subject"]) == (issuer.strip(), subject.strip())
    )
    session.tell(saved, accounts_text([saved]))
    if issuer == tasks.DEVELOPMENT and sign_in_settings() is not None:
        session.remark("An identity provider is set up: this account signs in nowhere. Name its issuer with --issuer.")


@task_command("accounts sign-out")
@click.argument("subject")
@click.option("--issuer", required=True, help="The identity provider that vouches for the subject.")
def sign_out(session: Session, subject: str, issuer: str) -> None:
    """End every session of the account SUBJECT, on all machines. The account stays open: to close it, add it with --closed."""
    ended = end_sessions(session.store, session.actor, subject, issuer)
    words = "1 session was ended." if ended == 1 else f"{ended} sessions were ended."
    session.tell({"subject": subject, "issuer": issuer, "ended": ended}, words)


accounts.add_command(list_accounts)
accounts.add_command(add)
accounts.add_command(sign_out)


def accounts_text(found: list[dict[str, Any]]) -> str:
    """Accounts for a terminal."""
    listed = pandas.DataFrame(found, columns=COLUMNS)
    listed["regions"] = listed["regions"].map(", ".join)
    listed["active"] = listed["active"].map({True: "open", False: "closed"})
    return table(listed.rename(columns=heading))
