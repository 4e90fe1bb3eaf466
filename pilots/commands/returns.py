"""Commands for returns: check, submit, sign off, look up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pandas

from pilots import returns as tasks
from pilots.commands import USER_FAULT
from pilots.commands.checked import FINDING_COLUMNS, explained, explanations_of, findings_told, report_text
from pilots.commands.shared import Session, content_of, file_argument, region_code, task_command
from pilots.commands.text import table
from pilots.tables import heading, moment

RECEIPT_COLUMNS = ("reference", "status", "rows", "received_at", "submitted_by")


def about_a_return(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that name a return."""
    for option in (
        click.option("--period", required=True, help="Such as “2023/24 autumn”."),
        click.option("--region", required=True, help="Code or name, such as E12000001 or “North East”."),
        click.option("--collection", required=True, help="What is asked for, such as ehcp_process."),
    ):
        function = option(function)
    return function


@task_command("check")
@file_argument
@about_a_return
def check(session: Session, file: Path, collection: str, region: str, period: str) -> None:
    """Check FILE without submitting it.

    Every finding is told at once. The exit code is 1 where there are errors.
    """
    code = region_code(region)
    report = tasks.check_return(session.store, session.actor, collection, code, period, file.name, content_of(file))
    session.tell(report.to_dict(), report_text(report))
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


@task_command("sign-off")
@click.argument("reference")
def sign_off(session: Session, reference: str) -> None:
    """Sign off the return of REFERENCE: its figures are complete and right, and may be used."""
    receipt = tasks.sign_off_return(session.store, session.actor, reference)
    session.tell(receipt.to_dict(), receipt.text())


@task_command("returns")
@click.option("--collection", help="Only this collection.")
@click.option("--region", help="Only this region, by code or name.")
@click.option("--period", help="Only this period.")
def returns(session: Session, collection: str | None, region: str | None, period: str | None) -> None:
    """List the returns that were submitted, newest first."""
    code = None if region is None else region_code(region)
    found = [receipt.to_dict() for receipt in tasks.submissions(session.store, session.actor, collection, code, period)]
    listed = pandas.DataFrame(found, columns=list(RECEIPT_COLUMNS))
    listed["received_at"] = listed["received_at"].map(moment)
    session.tell(found, table(listed.rename(columns=heading)) if found else "No returns have been submitted.")


@task_command("findings")
@click.argument("reference")
def findings(session: Session, reference: str) -> None:
    """Show what the check of a return, or a check alone (CHECK-…), found."""
    found = tasks.findings(session.store, session.actor, reference)
    columns = {**FINDING_COLUMNS, "explanation": "Explanation"}
    text = table(pandas.DataFrame(found)[list(columns)].rename(columns=columns)) if found else "Nothing was found."
    session.tell(found, text)
