"""The commands that set vintages of published data side by side."""

from __future__ import annotations

from pathlib import Path

import click
import pandas

from pilots.commands import COMMANDS
from pilots.commands.shared import Session, task_command
from pilots.commands.text import table, wrapped
from pilots.published import account_of_file, account_of_vintage, compare_vintages
from pilots.tables import telling

SHOWN_ROWS = 12


@click.group("published", short_help=COMMANDS["published"][1])
def published() -> None:
    """Published data: what became of every cell of a file, and what was restated between two vintages."""


@task_command("published compare")
@click.argument("before")
@click.argument("after")
def compare(session: Session, before: str, after: str) -> None:
    """List what changed from vintage BEFORE to vintage AFTER of one publication, by their references."""
    found = compare_vintages(session.store, session.actor, before, after)
    lines = [wrapped(found.summary())]
    for title, frame in found.tables().items():
        lines += ["", f"{title} ({len(frame):,})", table(frame.head(SHOWN_ROWS))]
        if len(frame) > SHOWN_ROWS:
            lines.append(f"… and {len(frame) - SHOWN_ROWS:,} more (see --json)")
    session.tell(found.to_dict(), "\n".join(lines))


@task_command("published account")
@click.argument("what", metavar="REFERENCE|FILE")
def account(session: Session, what: str) -> None:
    """Say what became of every cell: of a vintage (EES-…, LAIT-…), or of a FILE as its import would, without storing it.

    Cells are counted by what stands in them (a number, each symbol, blank), and by what became of them: stored, or left out and
    why. A file that is known but not used has its account too.
    """
    path = Path(what)
    if path.is_file():
        with session.progress(f"Reading {path.name}") as tell:
            found = account_of_file(session.actor, path.name, path.read_bytes(), tell)
    else:
        found = account_of_vintage(session.store, session.actor, what)
    session.tell(found.to_dict(), "\n".join([wrapped(found.summary()), *account_text(found.tables())]))


def account_text(tables: dict[str, pandas.DataFrame]) -> list[str]:
    """Tables of an account for a terminal: columns that say nothing of this file are left out."""
    lines = []
    for title, frame in tables.items():
        lines += ["", f"{title} ({len(frame):,})", table(telling(frame))]
    return lines


for one in (account, compare):
    published.add_command(one)
