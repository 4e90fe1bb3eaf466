"""The command that sets a return beside what came before it, and its text."""

from __future__ import annotations

import click
import pandas

from pilots.commands.shared import Session, task_command
from pilots.commands.text import table, wrapped
from pilots.comparisons import Comparison, Difference, compare_submission, gaps, given_by_nobody

CHANGES = {"key": "Row", "column": "Column", "before": "Before", "after": "Now", "percent": "Change, %"}
TOTALS = {"column": "Total of", "now": "This return", "version": "Last version", "last": "Last period", "symbols": "Symbols"}
PREVIEW = {"outcome": "Outcome", "name": "Local authority", "figure": "Figure", "last": "Last period"}
SHOWN = 20


def comparison_text(found: Comparison) -> str:
    """A comparison for a terminal; the largest moves, and as JSON all of them."""
    lines: list[str] = []
    for difference in (found.version, found.last):
        if difference is not None:
            lines += [*_difference(difference), ""]
    for title, frame, columns in (
        ("Totals", found.totals, TOTALS),
        ("Figures as evaluators will see them", found.preview, PREVIEW),
    ):
        if not frame.empty:
            lines += [f"{title}:", table(_rounded(frame[list(columns)]).rename(columns=columns)), ""]
    if not found.coverage.empty:
        nobody = given_by_nobody(found.coverage)
        lines += [f"Given for no local authority: {'; '.join(nobody)}.", ""] if nobody else []
        lines += ["Who has given what:", table(gaps(found.coverage))]
    return "\n".join(lines).rstrip()


def _difference(found: Difference) -> list[str]:
    lines = [wrapped(found.summary())]
    lines += [
        wrapped(f"{words}: {'; '.join(rows)}.") for words, rows in (("Added", found.added), ("Removed", found.removed)) if rows
    ]
    if not found.changes.empty:
        lines.append(table(_rounded(found.changes[list(CHANGES)].head(SHOWN)).rename(columns=CHANGES)))
    return lines


def _rounded(frame: pandas.DataFrame) -> pandas.DataFrame:
    """Numbers with at most two decimals."""
    shown = frame.astype(object)
    for name in frame.columns:
        if pandas.api.types.is_float_dtype(frame[name]):
            shown[name] = [None if pandas.isna(value) else f"{value:.2f}".rstrip("0").rstrip(".") for value in frame[name]]
    return shown


@task_command("compare")
@click.argument("reference")
def compare(session: Session, reference: str) -> None:
    """Set the return of REFERENCE beside the version before it and the last period."""
    found = compare_submission(session.store, session.actor, reference)
    session.tell(found.to_dict(), comparison_text(found))
