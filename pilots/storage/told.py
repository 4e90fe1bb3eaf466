"""What is stored and not told of in the audit log: an event was taken out, even off the end, or a row put in past the tasks."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, Select, select

from pilots.storage.audit import AUDIT
from pilots.storage.blobs import removed_bytes
from pilots.storage.checks import CHECKS
from pilots.storage.evaluations import PLANS, RUNS
from pilots.storage.releases import RELEASES
from pilots.storage.submissions import STEPS, SUBMISSIONS

# The action that brings a submission to a state. What is superseded is told by the event of what took its place.
_ACTIONS = {
    "signed_off": ("sign_off_return",),
    "accepted": ("accept_return", "register_reforms"),
    "returned": ("send_back_return", "decline_return"),
    "withdrawn": ("withdraw_return",),
}


def untold(connection: Connection) -> list[str]:
    """One sentence for each stored thing without the event that tells of it.

    Looked at are files received and removed, submissions and their digests, what became of them, releases, runs and plans.
    """
    told = {fact for event in _each(connection, select(AUDIT)) for fact in _facts(event)}
    return [words for fact, words in _stored(connection) if fact not in told]


def _each(connection: Connection, query: Select[Any]) -> Iterator[Mapping[str, Any]]:
    for row in connection.execution_options(yield_per=1000).execute(query).mappings():
        yield dict(row)


def _facts(event: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    detail, action, subject = event["detail"], event["action"], event["subject"]
    step = detail.get("step")
    if step == "received" and "check" in detail:
        yield "check", detail["check"], detail["sha256"]
    if step == "submitted":
        yield "submission", subject, detail["rows_digest"]
    if detail.get("removed"):
        yield "removed", detail["sha256"]
    if "results_digest" in detail:
        yield "run", subject, detail["results_digest"]
    if action == "make_release":
        yield "release", detail.get("reference"), detail.get("digest")
    if action == "register_plan":
        yield "plan", detail["digest"]
    yield "action", action, subject


def _stored(connection: Connection) -> Iterator[tuple[tuple[Any, ...], str]]:
    for row in _each(connection, select(CHECKS.c.id, CHECKS.c.sha256)):
        yield ("check", row["id"], row["sha256"]), f"The log does not tell that file {row['id']} was received."
    for row in _each(connection, select(SUBMISSIONS.c.reference, SUBMISSIONS.c.rows_digest)):
        yield (
            ("submission", row["reference"], row["rows_digest"]),
            f"The log does not tell that {row['reference']} was submitted.",
        )
    for sha256 in removed_bytes(connection):
        yield ("removed", sha256), f"The log does not tell that the bytes of the file with SHA-256 {sha256} were removed."
    yield from _steps(connection)
    for row in _each(connection, select(RELEASES.c.reference, RELEASES.c.digest)):
        yield ("release", row["reference"], row["digest"]), f"The log does not tell that release {row['reference']} was made."
    for row in _each(connection, select(RUNS.c.run_id, RUNS.c.results_digest)):
        yield ("run", row["run_id"], row["results_digest"]), f"The log does not tell that {row['run_id']} was made."
    for row in _each(connection, select(PLANS.c.digest, PLANS.c.plan)):
        yield ("plan", row["digest"]), f"The log does not tell that the plan {row['plan']} was registered."


def _steps(connection: Connection) -> Iterator[tuple[tuple[Any, ...], str]]:
    query = select(SUBMISSIONS.c.reference, STEPS.c.state, AUDIT.c.action).select_from(SUBMISSIONS.join(STEPS))
    query = query.outerjoin(AUDIT, AUDIT.c.subject == SUBMISSIONS.c.reference)
    found: dict[tuple[str, str], set[str]] = {}
    for row in _each(connection, query.where(STEPS.c.state.in_(list(_ACTIONS)))):
        found.setdefault((row["reference"], row["state"]), set()).add(row["action"])
    for (reference, state), actions in found.items():
        if not actions & set(_ACTIONS[state]):
            words = state.replace("_", " ")
            yield ("step", reference, state), f"The log does not tell that {reference} was {words}."
