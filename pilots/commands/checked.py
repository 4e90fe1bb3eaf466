"""What commands share that check a file: how findings are told, and how queries are explained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from data_contracts import Report
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


def explained(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that go with a submission: explanations of queries, and the reason for a new version."""
    function = click.option("--reason", help="Why the file is sent again; needed from the second version on.")(function)
    words = "Explain a query, by its key or its rule. May be repeated."
    return click.option("--explain", "explanations", multiple=True, metavar="KEY=TEXT", help=words)(function)


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
