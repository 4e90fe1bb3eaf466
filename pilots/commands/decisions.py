"""Commands of `pilots returns`: what is due, more time, explaining, signing, accepting, sending back, withdrawing, nil."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import click
import pandas

from pilots import collections as asking
from pilots import corrections, deadlines
from pilots import due as lists
from pilots import explanations as explaining
from pilots import returns as tasks
from pilots.commands.checked import CORRECTION_COLUMNS, explanations_of
from pilots.commands.shared import Session, about_a_return, new_file, region_code, task_command
from pilots.commands.text import table, wrapped
from pilots.deadlines import Extension
from pilots.errors import UserError
from pilots.explanations import Query
from pilots.places import region_names
from pilots.tables import moment

DUE_COLUMNS = {
    "timing": "When",
    "due": "Due",
    "collection": "Collection",
    "region": "Region",
    "period": "Period",
    "state_words": "State",
    "owner": "Next step by",
    "reference": "Newest version",
    "more_time": "More time",
}
QUERY_COLUMNS = {
    "key": "Query",
    "message": "What was found",
    "explanation": "Explanation",
    "offered": "Said of it before",
    "offered_from": "In",
}


@task_command("returns due")
@click.option("--region", help="Only this region, by code or name.")
@click.option("--collection", help="Only this collection.")
@click.option("--mine", is_flag=True, help="Only those whose next step is yours.")
@click.option("--everything", is_flag=True, help="Accepted returns too.")
def due(session: Session, region: str | None, collection: str | None, mine: bool, everything: bool) -> None:
    """List the returns that are asked for, the most urgent first: when each is due, its state and whose the next step is."""
    code = None if region is None else region_code(region)
    found = lists.returns_due(session.store, session.actor, code, collection, everything)
    found = lists.waiting_for(found, session.actor) if mine else found
    plain = [one.to_dict() for one in found]
    listed = pandas.DataFrame(plain, columns=list(DUE_COLUMNS))
    listed["region"] = listed["region"].map(region_names())
    text = table(listed.rename(columns=DUE_COLUMNS)) if found else "Nothing is due."
    asked = asking.asked_now(session.store, session.actor)
    session.tell(plain, text if asked.until is None else f"{text}\n\n{wrapped(asked.words)}")


@task_command("returns asked-until")
@click.argument("day", required=False, type=click.DateTime(["%Y-%m-%d"]))
@click.option("--no-end", is_flag=True, help="Ask for returns without an end.")
def asked_until(session: Session, day: datetime | None, no_end: bool) -> None:
    """Show until when returns are asked for, or set it to DAY, such as 2025-08-31: what ends later is not asked for.

    What was sent already stays. The last day, once set, stands with the list of returns due.
    """
    if day is not None and no_end:
        raise click.UsageError("Give either DAY or --no-end.")
    store, actor = session.store, session.actor
    if day is None and not no_end:
        found = asking.asked_now(store, actor)
    else:
        found = asking.set_asked_until(store, actor, None if day is None else day.date())
    session.tell(found.to_dict(), wrapped(found.words))


@task_command("returns extend")
@about_a_return
@click.option("--until", required=True, type=click.DateTime(["%Y-%m-%d"]), help="The new day, such as 2025-03-14.")
@click.option("--reason", required=True, help="Why more time is needed.")
def extend(session: Session, collection: str, region: str, period: str, until: datetime, reason: str) -> None:
    """Ask the department for more time for a return."""
    day: date = until.date()
    made = deadlines.ask_extension(session.store, session.actor, collection, region_code(region), period, day, reason)
    session.tell(made.to_dict(), extension_text(made))


@task_command("returns more-time")
def more_time(session: Session) -> None:
    """List the requests for more time, newest first."""
    found = deadlines.extensions(session.store, session.actor)
    plain = [one.to_dict() for one in found]
    columns = ["reference", "collection", "region", "period", "until", "reason"]
    listed = pandas.DataFrame(plain, columns=columns).assign(decision=[one.words for one in found])
    session.tell(plain, table(listed.rename(columns=str.capitalize)) if found else "Nobody has asked for more time.")


@task_command("returns decide")
@click.argument("reference")
@click.option("--grant/--refuse", "granted", required=True, help="Move the deadline to the day asked for, or leave it.")
@click.option("--note", help="What to tell the lead; needed to refuse.")
def decide(session: Session, reference: str, granted: bool, note: str | None) -> None:
    """Grant or refuse the request for more time of REFERENCE (MORE-TIME-…)."""
    made = deadlines.decide_extension(session.store, session.actor, reference, granted, note)
    session.tell(made.to_dict(), extension_text(made))


def extension_text(made: Extension) -> str:
    """A request for more time, for a terminal."""
    lines = [
        f"Reference: {made.reference}",
        f"Return: {made.collection} {made.region} {made.period}",
        f"Asked for: until {made.until}, {moment(made.asked_at)} by {made.asked_by}: {made.reason}",
        f"State: {made.words}",
    ]
    if made.decided_at is not None:
        lines.append(f"Decided: {moment(made.decided_at)} by {made.decided_by}{f': {made.note}' if made.note else ''}")
    return "\n".join(lines)


@task_command("returns explain")
@click.argument("reference")
@click.option("--explain", "explanations", multiple=True, metavar="KEY=TEXT", help="By query or by rule. May be repeated.")
@click.option("--carry-forward", is_flag=True, help="Take over what was said of the same queries before.")
def explain(session: Session, reference: str, explanations: tuple[str, ...], carry_forward: bool) -> None:
    """Explain the queries of the checked file of REFERENCE (CHECK-…); submitting that file takes the explanations along.

    Without options it lists the queries, with what was said of the same ones in the version or the period before.
    """
    store, actor = session.store, session.actor
    if explanations or carry_forward:
        found = explaining.explain_return(store, actor, reference, explanations_of(explanations), carry_forward)
    else:
        found = explaining.queries_of_check(store, actor, reference)
    session.tell([one.to_dict() for one in found], queries_text(found))


def queries_text(found: list[Query]) -> str:
    """The queries of a file, for a terminal, and how many still lack an explanation."""
    if not found:
        return "The file has no queries."
    listed = pandas.DataFrame([one.to_dict() for one in found], columns=list(QUERY_COLUMNS))
    open_ones = sum(one.explanation is None for one in found)
    offered = sum(one.explanation is None and one.offered is not None for one in found)
    lines = [table(listed.rename(columns=QUERY_COLUMNS)), "", f"Without explanation: {open_ones} of {len(found)}."]
    if offered:
        lines.append(f"For {offered} of them something was said before. Take it over with: --carry-forward")
    return "\n".join(lines)


@task_command("returns sign")
@click.argument("reference")
def sign(session: Session, reference: str) -> None:
    """Sign the return of REFERENCE: its figures are complete and right. Whoever submitted it cannot sign it."""
    receipt = tasks.sign_off_return(session.store, session.actor, reference)
    session.tell(receipt.to_dict(), receipt.text())


@task_command("returns accept")
@click.argument("reference")
def accept(session: Session, reference: str) -> None:
    """Accept the signed return of REFERENCE for the department, so that releases take it."""
    receipt = tasks.accept_return(session.store, session.actor, reference)
    session.tell(receipt.to_dict(), receipt.text())


@task_command("returns send-back")
@click.argument("reference")
@click.option("--reason", required=True, help="What is wrong and what to do, for the lead.")
def send_back(session: Session, reference: str, reason: str) -> None:
    """Send the return of REFERENCE back to its lead: as approver in place of signing it, as the department once it is signed."""
    receipt = tasks.send_back_return(session.store, session.actor, reference, reason)
    session.tell(receipt.to_dict(), receipt.text())


@task_command("returns withdraw")
@click.argument("reference")
@click.option("--reason", required=True, help="Why it is taken back.")
def withdraw(session: Session, reference: str, reason: str) -> None:
    """Take back the return of REFERENCE before it is accepted. It is kept, and the return is due again."""
    receipt = tasks.withdraw_return(session.store, session.actor, reference, reason)
    session.tell(receipt.to_dict(), receipt.text())


@task_command("returns nil")
@about_a_return
@click.option("--reason", required=True, help="Why there is nothing to return.")
def nil(session: Session, collection: str, region: str, period: str, reason: str) -> None:
    """Declare that there is nothing to return for a period. It is signed and accepted like every other return."""
    receipt = tasks.declare_nil_return(session.store, session.actor, collection, region_code(region), period, reason)
    session.tell(receipt.to_dict(), receipt.text())


@task_command("returns history")
@click.argument("reference")
def history(session: Session, reference: str) -> None:
    """Show who did what to the return of REFERENCE, and when."""
    found = tasks.history(session.store, session.actor, reference)
    rows = [[one["step"], one["words"], moment(one["at"]), one["by"], one["reason"]] for one in found]
    session.tell(found, table(pandas.DataFrame(rows, columns=["Step", "What", "When", "Who", "Reason"])))


@task_command("returns corrected")
@click.argument("reference")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def corrected(session: Session, reference: str, file: Path) -> None:
    """Write the table of REFERENCE (a return, or CHECK-…) with its accepted corrections into FILE: CSV, or XLSX by its ending.

    The file as it came stays in the store, and nothing is submitted. The workbook lists every correction too.
    """
    as_workbook = file.suffix.lower() == ".xlsx"
    found = corrections.corrected_file(session.store, session.actor, reference, as_workbook)
    if found is None:
        raise UserError(f"No correction was accepted with {reference}, so its table is the file as it was sent.")
    made = corrections.corrections_of(session.store, session.actor, reference)
    new_file(file, found[1])
    listed = pandas.DataFrame(made)[list(CORRECTION_COLUMNS)].rename(columns=CORRECTION_COLUMNS)
    listed = listed.rename(columns={CORRECTION_COLUMNS["after"]: "Became"})
    count = f"{len(made):,} correction{'' if len(made) == 1 else 's'}"
    lines = [f"{file} has the table of {reference} with {count} made.", "", table(listed)]
    session.tell({"reference": reference, "file": str(file), "corrections": made}, "\n".join(lines))


COMMANDS_OF_RETURNS = (
    due,
    asked_until,
    extend,
    more_time,
    decide,
    explain,
    corrected,
    sign,
    accept,
    send_back,
    withdraw,
    nil,
    history,
)
