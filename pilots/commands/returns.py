"""Commands for returns: check, submit, look up. `decisions` has what comes after."""

from __future__ import annotations

from pathlib import Path

import click
import pandas

from data_contracts.annotation import annotated as marked_copy
from pilots import returns as tasks
from pilots.commands import COMMANDS, USER_FAULT, decisions
from pilots.commands.checked import (
    FINDING_COLUMNS,
    corrected,
    corrections_plain,
    corrections_text,
    explained,
    explanations_of,
    findings_told,
    report_text,
)
from pilots.commands.compared import comparison_text
from pilots.commands.shared import Session, about_a_return, content_of, file_argument, new_file, region_code, task_command
from pilots.commands.text import table
from pilots.comparisons import compare_rows
from pilots.deadlines import late_words
from pilots.explanations import newest_check
from pilots.life import STATES
from pilots.tables import heading, moment

NEW_FILE = click.Path(dir_okay=False, path_type=Path)
RECEIPT_COLUMNS = ("reference", "status", "rows", "received_at", "late_days", "submitted_by")


@task_command("check")
@file_argument
@about_a_return
@corrected
@click.option("--annotated", type=NEW_FILE, help="Write a copy with the findings marked in it to this file (XLSX).")
@click.option("--findings", "listed", type=NEW_FILE, help="Write all findings to this file (CSV).")
@click.option("--compare", is_flag=True, help="Set the return beside the version before and the last period.")
def check(
    session: Session,
    file: Path,
    collection: str,
    region: str,
    period: str,
    corrections: tuple[str, ...],
    annotated: Path | None,
    listed: Path | None,
    compare: bool,
) -> None:
    """Check FILE without submitting it.

    Every finding is told at once. The exit code is 1 where there are errors.
    """
    store, actor, code, content = session.store, session.actor, region_code(region), content_of(file)
    done = tasks.check_with_corrections(store, actor, collection, code, period, file.name, content, corrections)
    report = done.report
    if annotated:
        new_file(annotated, marked_copy(report, content))
    if listed:
        new_file(listed, report.to_csv().encode("utf-8-sig"))
    kept = newest_check(store, actor, collection, code, period, report.sha256)
    plain = {**report.to_dict(), "check": kept, "corrections": corrections_plain(done)}
    text = "\n".join([report_text(report), *corrections_text(done), f"The check is kept as {kept}."])
    if compare and report.rows is not None:
        beside = compare_rows(store, actor, collection, code, period, report.rows)
        plain, text = {**plain, "comparison": beside.to_dict()}, f"{text}\n\n{comparison_text(beside)}"
    session.tell(plain, text)
    if report.errors:
        raise click.exceptions.Exit(USER_FAULT)


@task_command("submit")
@file_argument
@about_a_return
@explained
@corrected
def submit(
    session: Session,
    file: Path,
    collection: str,
    region: str,
    period: str,
    explanations: tuple[str, ...],
    reason: str | None,
    corrections: tuple[str, ...],
) -> None:
    """Check FILE and submit it as the next version of a return. Earlier versions are kept."""
    given, code, content = explanations_of(explanations), region_code(region), content_of(file)
    with findings_told(session):
        receipt = tasks.submit_return(
            session.store, session.actor, collection, code, period, file.name, content, given, reason, corrections
        )
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
