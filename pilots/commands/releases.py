"""Commands for releases: list them, compare two, and see what a restatement did to estimates."""

from __future__ import annotations

from typing import Any

import click
import pandas

from pilots import releases as freezing
from pilots import restatements
from pilots.commands import COMMANDS
from pilots.commands.plans import plan_named
from pilots.commands.shared import Session, task_command
from pilots.commands.text import table
from pilots.restatements import ReleaseComparison
from pilots.tables import heading, moment, short

COLUMNS = ["id", "name", "made_at", "made_by", "returns", "series", "digest"]
SHOWN = 40  # changed figures that a terminal shows; `--json` has all
CELLS = ["outcome_label", "authority_name", "period", "part", "before", "after", "change"]
EFFECTS = ["outcome_label", "estimator", "number", "before", "after", "change"]


@click.group("releases", invoke_without_command=True, short_help=COMMANDS["releases"][1])
@click.option("--json", "as_json", is_flag=True, help="Print plain JSON and nothing else.")
@click.option("--as", "acting_as", metavar="SUBJECT", help="Act as this development account.")
@click.pass_context
def releases(context: click.Context, as_json: bool, acting_as: str | None) -> None:
    """List the releases, newest first; compare two."""
    if context.invoked_subcommand is None:
        _listed(Session(as_json, acting_as))


def _listed(session: Session) -> None:
    found = [made.to_dict() for made in freezing.releases(session.store, session.actor)]
    listed = pandas.DataFrame(found, columns=COLUMNS)
    listed = listed.assign(digest=listed["digest"].map(short), made_at=listed["made_at"].map(moment))
    session.tell(found, table(listed.rename(columns=heading)) if found else "There is no release yet. Make one: pilots release")


@task_command("releases compare")
@click.argument("before")
@click.argument("after")
def compare(session: Session, before: str, after: str) -> None:
    """What changed from the release BEFORE to the release AFTER: returns, series, the register, and each figure."""
    found = restatements.compare_releases(session.store, session.actor, before, after)
    session.tell(found.to_dict(), compared_text(found))


@task_command("releases effect")
@click.argument("before")
@click.argument("after")
@click.option("--plan", "plan_name", required=True, metavar="PLAN", help="Path of a plan, or the name of one.")
def effect(session: Session, before: str, after: str, plan_name: str) -> None:
    """What the changes from BEFORE to AFTER did to the estimates of a plan: the same plan on both, side by side."""
    plan = plan_named(session, plan_name)
    with session.progress("Estimating on both releases") as tell:
        found = restatements.restatement_effect(session.store, session.actor, before, after, plan, progress=tell)
    text = [compared_text(found.comparison), "", plan.title, _table(found.estimates, EFFECTS)]
    session.tell(found.to_dict(), "\n".join(text))


def _table(rows: list[dict[str, Any]], columns: list[str]) -> str:
    return table(pandas.DataFrame(rows, columns=columns).rename(columns=heading))


def compared_text(found: ReleaseComparison) -> str:
    """A comparison for a terminal."""
    lines = [found.words]
    for title, rows in (("Returns", found.submissions), ("Published series", found.vintages), ("Register", found.spells)):
        if rows:
            lines += ["", title, _table(rows, list(rows[0]))]
    if found.cells:
        lines += ["", "Figures", _table(found.cells[:SHOWN], CELLS)]
    if len(found.cells) > SHOWN:
        lines.append(f"The first {SHOWN} of {len(found.cells):,} figures. --json has all.")
    return "\n".join(lines)


releases.add_command(compare)
releases.add_command(effect)
