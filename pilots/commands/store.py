"""Commands for the store as a whole: its audit log, backups, restoring."""

from __future__ import annotations

from pathlib import Path

import click
import pandas

from pilots import auditing, backups, migrating, unkept
from pilots.commands import COMMANDS, USER_FAULT
from pilots.commands.shared import Session, file_argument, new_file, task_command
from pilots.commands.text import table
from pilots.tables import moment

EVENT_COLUMNS = {"id": "Event", "at": "When", "actor": "Who", "role": "Role", "action": "Action", "subject": "What"}
NEW_FILE = click.Path(dir_okay=False, path_type=Path)


@click.group("audit", short_help=COMMANDS["audit"][1])
def audit() -> None:
    """List the audit log, write it to a file, or check that it is whole."""


@task_command("audit list")
@click.option("--action", help="Only this action, such as submit_return.")
@click.option("--subject", help="Only what was done to this, such as the reference of a return.")
@click.option("--who", metavar="ACCOUNT", help="Only what this account did.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Not more than so many.")
def list_events(session: Session, action: str | None, subject: str | None, who: str | None, limit: int) -> None:
    """List the newest events of the audit log."""
    found = auditing.audit_events(session.store, session.actor, action, subject, who, limit)
    listed = pandas.DataFrame(found, columns=list(EVENT_COLUMNS))
    listed["at"] = listed["at"].map(moment)
    session.tell(found, table(listed.rename(columns=EVENT_COLUMNS)) if found else "There are no such events.")


@task_command("audit export")
@click.argument("file", type=NEW_FILE)
def export(session: Session, file: Path) -> None:
    """Write the whole audit log to FILE, one event a line, as JSON: all that its digests are made from."""
    text = auditing.exported_audit(session.store, session.actor)
    new_file(file, text.encode())
    count = text.count("\n")
    session.tell({"file": str(file), "events": count}, f"{count:,} events were written to {file}.")


@task_command("audit verify")
@click.option("--mark", "marks", multiple=True, metavar="NUMBER:DIGEST", help="As noted down before. May be repeated.")
def verify(session: Session, marks: tuple[str, ...]) -> None:
    """Check that nothing in the audit log was changed, put in, moved or taken out.

    Events that were taken off the end are found where something that they told of is still stored, and always by a --mark
    that was kept elsewhere. The exit code is 1 where something was found.
    """
    found = auditing.verify_audit(session.store, session.actor, marks)
    session.tell(found.to_dict(), found.text())
    if found.faults:
        raise click.exceptions.Exit(USER_FAULT)


for one in (list_events, export, verify):
    audit.add_command(one)


@task_command("backup")
@click.argument("file", type=NEW_FILE)
def backup(session: Session, file: Path) -> None:
    """Copy the whole store into FILE, while it is in use: all tables, original files and the audit log, with digests.

    The file can be restored into SQLite and PostgreSQL alike.
    """
    with session.progress("Backing up") as tell:
        made = backups.back_up(session.store, session.actor, file, tell)
    session.tell(made.to_dict(), made.text())


@task_command("restore")
@file_argument
@click.option("--check", "only_check", is_flag=True, help="Only read the backup and check it; nothing is stored.")
def restore(session: Session, file: Path, only_check: bool) -> None:
    """Fill the empty store that PILOTS_DATABASE_URL names from the backup in FILE, and check all of it.

    The exit code is 1 where what was restored is not as it should be.
    """
    with session.progress("Checking" if only_check else "Restoring") as tell:
        if only_check:
            done = backups.check_backup(session.actor, file, tell)
        else:
            done = backups.restore(session.store, session.actor, file, tell)
    whole = (
        "The backup is whole; nothing was stored."
        if only_check
        else "Restored, with the audit log and every release as they were."
    )
    session.tell(done.to_dict(), "\n".join([*([] if done.faults else [whole]), done.text()]))
    if done.faults:
        raise click.exceptions.Exit(USER_FAULT)


@task_command("migrate")
@click.option("--to", "version", metavar="VERSION", help="Take the tables back to this older version.")
def migrate(session: Session, version: str | None) -> None:
    """Show the version of the store's tables, or take them back to those of an older platform.

    Tables are brought up to date when a store is opened; only the way back needs this command. It changes nothing where a
    row would be lost, and says how many of what. Stop the screens first.
    """
    if version is None:
        done = migrating.table_versions(session.store, session.actor)
    else:
        done = migrating.take_tables_back(session.store, session.actor, version)
    session.tell(done.to_dict(), done.text())


@task_command("purge")
@click.option("--check", "only_look", is_flag=True, help="Only say what would be removed; nothing is changed.")
def purge(session: Session, only_look: bool) -> None:
    """Remove the content of refused files that hold identifiers of persons.

    Since version 0007 of the tables such a file is removed when it is refused. This finds those from before, those of refused
    imports too, and those whose check died. Digest, size, name and findings stay; what a return rests on is never touched.
    """
    with session.progress("Looking through refused files") as tell:
        done = unkept.purge(session.store, session.actor, tell, only_look)
    session.tell(done.to_dict(), done.text())
