"""Stale runs: those that rest on a return that does not count any more, since another version, or none, has taken its place."""

from collections.abc import Mapping
from typing import Any

from pilots.access import Actor, check_actor_can
from pilots.catalogue import outcome
from pilots.collections import REGISTER
from pilots.decisions import reached
from pilots.errors import UserError
from pilots.life import STATES
from pilots.plans import PlanError, load_plan
from pilots.storage import Store
from pilots.storage.evaluations import run_sources
from pilots.storage.releases import released_and_gone, releases_with
from pilots.tables import moment


def stale_runs(store: Store, actor: Actor) -> dict[str, list[str]]:
    """Why runs are stale, one sentence a return that does not count any more, by run; runs that stand are not in it.

    Raises:
        NotAllowed: the actor may not read runs.
    """
    check_actor_can(actor, "read_runs")
    with store.read() as connection:
        gone = released_and_gone(connection)
        sources = run_sources(connection) if gone else []
    found: dict[str, list[str]] = {}
    for run in sources:
        used = _collections(run)
        mine = [one for one in gone if one["release"] == run["release_id"] and (used is None or one["collection"] in used)]
        if mine:
            found[run["run_id"]] = [_why(one) for one in mine]
    return found


def runs_that_used(store: Store, actor: Actor, reference: str) -> list[dict[str, str]]:
    """The runs that rest on a submission, newest first: run_id, plan, made.

    Raises:
        NotAllowed: the actor may not read the submission.
        UserError: there is no such submission.
    """
    row = reached(store, actor, "read_returns", reference)
    with store.read() as connection:
        releases = releases_with(connection, row["id"])
        sources = [run for run in run_sources(connection) if run["release_id"] in releases]
    used = [(run, _collections(run)) for run in sources]
    return [
        {"run_id": run["run_id"], "plan": run["plan"], "made": moment(run["made_at"])}
        for run, names in used
        if names is None or row["collection"] in names
    ]


def _collections(run: Mapping[str, Any]) -> set[str] | None:
    """The collections whose returns a run rests on, the register always; None where its plan cannot be read any more."""
    try:
        plan = load_plan(run["plan_text"])
        asked = [*plan.outcomes, *plan.covariates, *plan.placebo_outcomes]
        return {REGISTER, *(outcome(name).source for name in asked)}
    except (PlanError, UserError):
        return None


def _why(gone: Mapping[str, Any]) -> str:
    said = f" {gone['reason']}" if gone["reason"] else ""
    return f"{gone['reference']} was {STATES[gone['state']].done} on {moment(gone['at'])}.{said}"
