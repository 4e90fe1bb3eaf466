"""The commands that set vintages of published data side by side."""

from __future__ import annotations

import click

from pilots.commands import COMMANDS
from pilots.commands.shared import Session, task_command
from pilots.commands.text import table, wrapped
from pilots.published import compare_vintages

SHOWN_ROWS = 12


@click.group("published", short_help=COMMANDS["published"][1])
def published() -> None:
    """Set two vintages of published data side by side: what was restated between them."""


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


published.add_command(compare)
