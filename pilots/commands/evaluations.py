"""Commands for releases and runs."""

from __future__ import annotations

from typing import Any

import click
import pandas
import yaml

from pilots import plans as planning
from pilots import releases as freezing
from pilots import runs as running
from pilots import staleness, views
from pilots.commands import USER_FAULT
from pilots.commands.plans import newest_registered, plan_named
from pilots.commands.shared import Session, task_command
from pilots.commands.text import table, wrapped
from pilots.errors import UserError
from pilots.releases import Release
from pilots.tables import heading, moment

RELEASE_COLUMNS = ["id", "name", "made_at", "made_by", "returns", "series", "digest"]


@task_command("release")
@click.option("--name", help="A name for readers; without it, one is made from the date.")
def release(session: Session, name: str | None) -> None:
    """Freeze the accepted returns, the register and the published series of today."""
    with session.progress("Making the release") as tell:
        made = freezing.make_release(session.store, session.actor, name, progress=tell)
    session.tell(made.to_dict(), release_text(made))


@task_command("evaluate")
@click.argument("plans", nargs=-1, metavar="PLAN...")
@click.option("--all", "every", is_flag=True, help="Every registered plan that has no run on the release by this code.")
@click.option("--release", "release_name", metavar="NAME", help="Release to estimate on, by name or reference; else the newest.")
@click.option("--change", "changes", multiple=True, metavar="KEY=VALUE", help="Another value in the plan: an exploratory run.")
def evaluate(session: Session, plans: tuple[str, ...], every: bool, release_name: str | None, changes: tuple[str, ...]) -> None:
    """Estimate what each PLAN asks: the path of a YAML file, or the name of a plan that is registered or ships.

    Where there is no release yet, one is made first. Outcomes are worked on side by side, by as many processes as PILOTS_WORKERS
    says. It can be stopped at any moment: the same command goes on from there.

    With --change the run is exploratory and lists where it departs from the plan, for example --change level=0.9 or
    --change comparison.authorities=same_regions. Values are YAML.
    """
    if bool(plans) == every:
        raise click.UsageError("Name plans, or ask for all registered ones with --all.")
    chosen = newest_registered(session) if every else [plan_named(session, name) for name in plans]
    chosen = [planning.changed(plan, _changes(changes)) for plan in chosen] if changes else chosen
    frozen = release_for(session, release_name)
    try:
        with session.progress("Estimating") as tell:
            made = running.evaluate_plans(session.store, session.actor, chosen, frozen, tell, only_new=every)
    except KeyboardInterrupt:
        session.remark("What is finished is kept: the same command goes on from there.")
        raise
    if made.refused and len(chosen) == 1:
        raise UserError(made.refused[0].reason)
    text = "\n\n\n".join(run_text(run.document) for run in made.runs)
    session.tell(made.to_dict() if every or len(chosen) > 1 else made.runs[0].to_dict(), text)
    for one in made.refused:
        session.remark(f"Plan {one.plan.plan} was not evaluated. {one.reason}")
    if made.refused:
        raise click.exceptions.Exit(USER_FAULT)


@task_command("runs")
def runs(session: Session) -> None:
    """List the runs, newest first, with the verdict on each outcome, and which are stale: a return they rest on was replaced."""
    found = running.runs(session.store, session.actor)
    stale = staleness.stale_runs(session.store, session.actor)
    rows = [row for run in found for row in views.run_rows(run.document, stale.get(run.run_id, []))]
    text = table(pandas.DataFrame(rows).rename(columns=heading)) if rows else "There are no runs yet."
    why = [f"{run_id} is stale: {' '.join(reasons)}" for run_id, reasons in stale.items()]
    plain = [{**run.to_dict(), "stale": stale.get(run.run_id, [])} for run in found]
    session.tell(plain, "\n".join([text, *([""] if why else []), *why]))


@task_command("overview")
def overview(session: Session) -> None:
    """Every reform with each outcome asked: what is said, how far it can be believed, and what is watched for harm."""
    documents = [run.document for run in running.runs(session.store, session.actor)]
    found = views.overview_table(documents)
    plain = found.rename(columns=lambda name: name.lower().replace(" ", "_")).to_dict("records")
    first = [wrapped(words) for words in (views.overview_words(documents), *views.overview_harms(documents)) if words]
    session.tell(plain, "\n".join([*first, *([""] if first else []), table(found)]))


@task_command("show")
@click.argument("run_id")
def show(session: Session, run_id: str) -> None:
    """Show the results of the run RUN_ID."""
    run = running.run(session.store, session.actor, run_id)
    session.tell(run.to_dict(), run_text(run.document))


def _changes(pairs: tuple[str, ...]) -> dict[str, Any]:
    """Keys and YAML values of `--change KEY=VALUE`."""
    made = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not key.strip() or not equals:
            raise click.UsageError(f"--change takes KEY=VALUE, for example level=0.9, not “{pair}”.")
        try:
            made[key.strip()] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise click.UsageError(f"--change {key.strip()}: “{value}” is not YAML that can be read.") from error
    return made


def release_for(session: Session, name: str | None) -> Release:
    """The release of a name, or the newest; made first where there is none at all."""
    if name is not None or freezing.releases(session.store, session.actor):
        return freezing.release(session.store, session.actor, name)
    made = freezing.make_release(session.store, session.actor)
    session.remark(f"There was no release, so one was made: {made.name}.")
    return made


def release_text(made: Release) -> str:
    """A release for a terminal."""
    plain = {**made.to_dict(), "made_at": moment(made.made_at)}
    lines = [f"{heading(name)}: {plain[name]}" for name in RELEASE_COLUMNS]
    return "\n".join(lines)


def run_text(document: dict[str, Any]) -> str:
    """A run for a terminal: each outcome's verdict, reading and tables, then where it comes from."""
    parts = [document["title"], document["reform_label"], *map(wrapped, views.standing_words(document))]
    if document["synthetic"]:
        parts.append("Synthetic data: names and codes are real, numbers are not.")
    for question in document["questions"]:
        parts += ["", *question_text(question)]
    first = document["questions"][0]
    harms = views.harms_table(document)
    if len(harms):
        parts += ["", "Watched for harm with this reform", table(harms)]
    if document.get("unwatched"):
        parts += ["", f"No return measures: {', '.join(document['unwatched'])}."]
    return "\n".join([*parts, "", table(views.provenance_table(document, first))])


def question_text(question: dict[str, Any]) -> list[str]:
    """One outcome of a run, in lines."""
    label = question["outcome_label"]
    said = [
        question["verdict"]["words"],
        views.headline_words(question),
        " ".join(question["reading"]),
        views.truth_words(question),
        views.reading_of(question, "cost") or views.refused(question, "cost"),
    ]
    said += [f"Warning: {warning['text']}" for warning in question["warnings"]]
    lines = [label, "=" * len(label), *(wrapped(text) for text in said if text)]
    for title, frame in views.tables(question).items():
        lines += ["", title, table(frame)]
    return lines
