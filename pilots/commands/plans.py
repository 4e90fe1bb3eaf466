"""Commands for plans: list them, seal one before looking, show what a seal says."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click
import pandas

from pilots import plans as planning
from pilots.commands import COMMANDS
from pilots.commands.shared import Session, file_argument, task_command
from pilots.commands.text import table
from pilots.plans import Plan, PlanError
from pilots.standing import standing_now
from pilots.tables import heading, moment, short

PLAN_COLUMNS = ["plan", "version", "title", "reform", "outcomes", "window", "digest", "registered", "sealed_at"]


@task_command("plans")
def plans(session: Session) -> None:
    """List the plans: those registered in the store, and those that ship."""
    registered = planning.plans(session.store, session.actor)
    known = {plan.digest for plan in registered}
    shipped = [plan for plan in planning.shipped_plans() if plan.digest not in known]
    when = planning.seals(session.store, session.actor)
    found = [plan_facts(plan, when.get(plan.digest)) for plan in [*registered, *shipped]]
    listed = pandas.DataFrame(found, columns=PLAN_COLUMNS)
    listed["outcomes"] = listed["outcomes"].map(", ".join)
    listed["window"] = listed["window"].map(" to ".join)
    listed["digest"] = listed["digest"].map(short)
    listed["sealed"] = [moment(plan["sealed_at"]) if plan["sealed_at"] else "ships, not sealed" for plan in found]
    listed = listed.drop(columns=["registered", "sealed_at"])
    session.tell(found, table(listed.rename(columns=heading)))


@click.group("plan", short_help=COMMANDS["plan"][1])
def plan() -> None:
    """Seal a plan before looking at results, or show its seal.

    The seal is the digest of what the plan says, with the moment. A sealed version is never changed.
    """


@task_command("plan seal")
@click.argument("name", metavar="PLAN")
def seal(session: Session, name: str) -> None:
    """Seal PLAN: the path of a YAML file, or the name of a plan that ships.

    Seal it before a release holds figures from after the reform's start: one that is sealed later says so, and loses a lock.
    """
    _seal(session, plan_named(session, name))


@task_command("plan show")
@click.argument("name", metavar="PLAN")
def show_plan(session: Session, name: str) -> None:
    """Show PLAN, its seal and whether that was in time: the path of a YAML file, or the name of a plan."""
    chosen = plan_named(session, name)
    stands = standing_now(session.store, session.actor, chosen)
    session.tell(
        {**plan_facts(chosen, _sealed_at(session, chosen)), "standing": stands.to_dict()}, f"{stands.words}\n\n{chosen.text}"
    )


@task_command("plan-register")
@file_argument
def plan_register(session: Session, file: Path) -> None:
    """Seal the plan in FILE (YAML), before anybody looks at results. A sealed version is never changed."""
    _seal(session, plan_from(file))


plan.add_command(seal)
plan.add_command(show_plan, "show")


def _seal(session: Session, chosen: Plan) -> None:
    planning.register_plan(session.store, session.actor, chosen)
    stands, at = standing_now(session.store, session.actor, chosen), _sealed_at(session, chosen)
    lines = [f"Registered: {chosen.plan}, version {chosen.version}", f"Seal: {chosen.digest}", stands.words]
    session.tell({**plan_facts(chosen, at), "standing": stands.to_dict()}, "\n".join(lines))


def _sealed_at(session: Session, chosen: Plan) -> datetime | None:
    return planning.seals(session.store, session.actor).get(chosen.digest)


def plan_from(path: Path) -> Plan:
    """The plan in a file.

    Raises:
        PlanError: it is no text, or no plan.
    """
    try:
        return planning.load_plan(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise PlanError(f"{path.name} is no text in UTF-8. Give a plan written in YAML.") from error


def plan_named(session: Session, name: str) -> Plan:
    """The plan at a path, or else the newest registered one of that name, or else the shipped one.

    Raises:
        PlanError: there is none.
    """
    if Path(name).is_file():
        return plan_from(Path(name))
    registered = [plan for plan in planning.plans(session.store, session.actor) if plan.plan == name]
    return registered[-1] if registered else planning.named_plan(name)


def newest_registered(session: Session) -> list[Plan]:
    """The newest version of every registered plan.

    Raises:
        PlanError: none is registered.
    """
    newest = {plan.plan: plan for plan in planning.plans(session.store, session.actor)}
    if not newest:
        raise PlanError("No plan is registered in this store. Register one (pilots plan-register FILE), or name a plan.")
    return list(newest.values())


def plan_facts(plan: Plan, sealed_at: datetime | None) -> dict[str, Any]:
    """A plan and its seal as plain JSON."""
    return {
        "plan": plan.plan,
        "version": plan.version,
        "title": plan.title,
        "question": plan.question,
        "reform": plan.reform,
        "outcomes": list(plan.outcomes),
        "window": [plan.first, plan.last],
        "digest": plan.digest,
        "registered": sealed_at is not None,
        "sealed_at": None if sealed_at is None else sealed_at.isoformat(timespec="seconds"),
        "text": plan.text,
    }
