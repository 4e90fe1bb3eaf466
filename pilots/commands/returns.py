"""Commands for returns: check, submit, look up. `decisions` has what comes after."""

from __future__ import annotations

from pathlib import Path

import click
import pandas

from pilots import returns as tasks
from pilots.commands import COMMANDS, USER_FAULT, decisions
from pilots.commands.checked import FINDING_COLUMNS, explained, explanations_of, findings_told, report_text
from pilots.commands.shared import Session, about_a_return, content_of, file_argument, region_code, task_command
from pilots.commands.text import table
from pilots.deadlines import late_words
from pilots.explanations import newest_check
from pilots.life import STATES
from pilots.tables import heading, moment

RECEIPT_COLUMNS = ("reference", "status", "rows", "received_at", "late_days", "submitted_by")


@task_command("check")
@file_argument
@about_a_return
def check(session: Session, file: Path, collection: str, region: str, period: str) -> None:
    """Check FILE without submitting it.

    Every finding is told at once. The exit code is 1 where there are errors.
    """
    code = region_code(region)
    report = tasks.check_return(session.store, session.actor, collection, code, period, file.name, content_of(file))
    kept = newest_check(session.store, session.actor, collection, code, period, report.sha256)
    session.tell({**report.to_dict(), "check": kept}, f"{report_text(report)}\nKept as {kept}.")
    if report.errors:
        raise click.exceptions.Exit(USER_FAULT)


@task_command("submit")
@file_argument
@about_a_return
@explained
def submit(
    session: Session,
    file: Path,
    collection: str,
    region: str,
    period: str,
    explanations: tuple[str, ...],
    reason: str | None,
) -> None:
    """Check FILE and submit it as the next version of a return. Earlier versions are kept."""
    given, code, content = explanations_of(explanations), region_code(region), content_of(file)
    with findings_told(session):
        receipt = tasks.submit_return(session.store, session.actor, collection, code, period, file.name, content, given, reason)
    session.tell(receipt.to_dict(), receipt.text())


@click.group("returns", invoke_without_command=True, short_help=COMMANDS["returns"][1])
@click.option("--collection", help="Only this collection.")
@click.option("--region", help="Only this region, by code or name.")
@click.option("--period", help="Only this period.")
@click.option("--json", "as_json", is_flag=True, help="Print plain JSON and nothing else.")
@click.option("--as", "acting_as", metavar="SUBJECT", help="Act as this development account.")
@click.pass_context
def returns(context: click.Context, as_json: bool, acting_as: str | None, **narrowed: str | None) -> None:
    """List the returns that were submitted, newest first; or do something about one."""
    if context.invoked_subcommand is None:
        listing(Session(as_json, acting_as), **narrowed)


def listing(session: Session, collection: str | None, region: str | None, period: str | None) -> None:
    """List the returns that were submitted, newest first."""
    code = None if region is None else region_code(region)
    found = [receipt.to_dict() for receipt in tasks.submissions(session.store, session.actor, collection, code, period)]
    listed = pandas.DataFrame(found, columns=list(RECEIPT_COLUMNS))
    listed["received_at"] = listed["received_at"].map(moment)
    listed["status"] = listed["status"].map(lambda state: STATES[state].words)
    listed["late_days"] = listed["late_days"].map(lambda days: "" if pandas.isna(days) else late_words(int(days)))
    shown = listed.rename(columns={"late_days": "timing"}).rename(columns=heading)
    session.tell(found, table(shown) if found else "No returns have been submitted.")


for one in decisions.COMMANDS_OF_RETURNS:
    returns.add_command(one)


@task_command("findings")
@click.argument("reference")
def findings(session: Session, reference: str) -> None:
    """Show what the check of a return, or a check alone (CHECK-…), found."""
    found = tasks.findings(session.store, session.actor, reference)
    columns = {**FINDING_COLUMNS, "explanation": "Explanation"}
    text = table(pandas.DataFrame(found)[list(columns)].rename(columns=columns)) if found else "Nothing was found."
    session.tell(found, text)
