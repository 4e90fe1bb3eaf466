"""What commands share that check a file: how findings are told, and how queries are explained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
import pandas

from data_contracts import Report
from data_contracts.corrections import Corrected
from pilots.commands import USER_FAULT
from pilots.commands.shared import Session
from pilots.commands.text import plain_json, table
from pilots.uploads import ReturnNotAccepted

FINDING_COLUMNS = {
    "severity": "Kind",
    "row": "Row",
    "column": "Column",
    "value": "Value",
    "rule": "Rule",
    "message": "What is wrong",
    "fix": "How to put it right",
}


CORRECTION_COLUMNS = {"cell": "Cell", "column": "Column", "before": "Value", "after": "Would become", "key": "Key"}


def explained(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that go with a submission: explanations of queries, and the reason for a new version."""
    function = click.option("--reason", help="Why the file is sent again; needed from the second version on.")(function)
    words = "Explain a query, by its key or its rule. May be repeated."
    return click.option("--explain", "explanations", multiple=True, metavar="KEY=TEXT", help=words)(function)


def corrected(function: Callable[..., Any]) -> Callable[..., Any]:
    """The option by which corrections are accepted."""
    words = "Accept a correction by its key, or all certain ones of a rule. May be repeated."
    return click.option("--accept-corrections", "corrections", multiple=True, metavar="RULE", help=words)(function)


def corrections_plain(done: Corrected) -> dict[str, Any]:
    """What was corrected and what is on offer, as plain JSON."""
    return {"made": [one.to_dict() for one in done.made], "offered": [one.to_dict() for one in done.offered]}


def corrections_text(done: Corrected) -> list[str]:
    """What was corrected and what is on offer, for a terminal."""
    lines = []
    for title, found in (("Corrections accepted", done.made), ("Corrections on offer", done.offered)):
        if found:
            frame = pandas.DataFrame([one.to_dict() for one in found])[list(CORRECTION_COLUMNS)]
            lines += ["", f"{title}: {len(found):,}", table(frame.rename(columns=CORRECTION_COLUMNS))]
    if done.offered:
        sure = list(dict.fromkeys(one.rule for one in done.offered if one.certain)) or [done.offered[0].key]
        lines += ["Accept them with: " + " ".join(f"--accept-corrections {rule}" for rule in sure), ""]
    return lines


def explanations_of(pairs: tuple[str, ...]) -> dict[str, str]:
    """Explanations by key or rule, from texts such as `rule=why`.

    Raises:
        click.BadParameter: a text is not of that form.
    """
    given = {}
    for text in pairs:
        key, _, words = text.partition("=")
        if not key.strip() or not words.strip():
            raise click.BadParameter(f"“{text}” is not KEY=TEXT.", param_hint="--explain")
        given[key.strip()] = words.strip()
    return given


@contextmanager
def findings_told(session: Session) -> Iterator[None]:
    """Where a submission is not accepted, tell what was found before the fault; as JSON, both in one."""
    try:
        yield
    except ReturnNotAccepted as fault:
        if fault.report is None:
            raise
        if session.as_json:
            click.echo(plain_json({"error": str(fault), "problems": fault.problems, "report": fault.report.to_dict()}))
            raise click.exceptions.Exit(USER_FAULT) from fault
        click.echo(report_text(fault.report))
        raise


def report_text(report: Report) -> str:
    """A check's report for a terminal."""
    lines = [report.summary()]
    lines += [
        f"The heading “{match.found}” was read as {match.column}." for match in report.header_matches if match.how != "same"
    ]
    if report.ignored_columns:
        lines.append(f"Columns not used: {', '.join(report.ignored_columns)}.")
    if report.findings:
        frame = report.frame()[list(FINDING_COLUMNS)].astype(object)
        lines += ["", table(frame.rename(columns=FINDING_COLUMNS))]
    if report.queries and not report.errors:
        rules = sorted({query.rule for query in report.queries})
        lines += ["", "To explain the queries, submit with: " + " ".join(f'--explain "{rule}=WHY"' for rule in rules)]
    return "\n".join(lines)
