"""Runs: a plan on a release gives evidence, kept with all that is needed to get the same numbers again."""

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pilots import releases
from pilots.access import Actor, check_actor_can
from pilots.answers import KEPT_FOR, Answers, Refusal, answers
from pilots.catalogue import reform
from pilots.demonstration.known import is_demonstration
from pilots.errors import UserError
from pilots.fanout import Workers, workers_set
from pilots.plans import Plan, load_plan
from pilots.releases import Release
from pilots.storage import Store, evaluations, pieces
from pilots.storage.base import canonical_json, now
from pilots.versions import code_version

LONGEST_SHOWN = 200  # characters of a value that differs
Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Run:
    """A stored run: its id, and its document as plain JSON."""

    run_id: str
    document: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """The document."""
        return self.document


@dataclass(frozen=True)
class Rerun:
    """What came of running again: whether every number is the same to the last bit, and what differs.

    Attributes:
        run_id: the run that was repeated.
        same: whether all results are equal, bit for bit.
        differences: one sentence a difference, the causes first.
        results_digest: of the new results.
    """

    run_id: str
    same: bool
    differences: tuple[str, ...]
    results_digest: str

    def text(self) -> str:
        """The outcome in plain words."""
        if self.same:
            start = f"{self.run_id} gives the same numbers again, to the last bit (results digest {self.results_digest})."
            return "\n".join([start, *self.differences])
        return "\n".join([f"{self.run_id} does not give the same numbers:", *self.differences])

    def to_dict(self) -> dict[str, Any]:
        """The outcome as plain JSON."""
        return {
            "run_id": self.run_id,
            "same": self.same,
            "differences": list(self.differences),
            "results_digest": self.results_digest,
        }


@dataclass(frozen=True)
class Evaluated:
    """What came of evaluating several plans.

    Attributes:
        runs: those stored now, in the order of the plans; a run that was there already stands in its place.
        refused: plans that the release cannot answer, with the reason; in the order of the plans.
    """

    runs: tuple[Run, ...]
    refused: tuple[Refusal, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The documents and the refusals as plain JSON."""
        refused = [{"plan": one.plan.plan, "version": one.plan.version, "error": one.reason} for one in self.refused]
        return {"runs": [run.document for run in self.runs], "refused": refused}


def evaluate(store: Store, actor: Actor, plan: Plan, release: Release | None = None, progress: Progress | None = None) -> Run:
    """Run a plan on a release and keep the result.

    Args:
        store: where the release lies and the run is kept.
        actor: an evaluator, a researcher or an administrator.
        plan: what is asked.
        release: which data; the newest release where none is named.
        progress: told the share done and what is being done.

    Raises:
        NotAllowed: the actor may not.
        UserError: there is no release, or the release has no figures for the plan.
    """
    made = evaluate_plans(store, actor, [plan], release, progress)
    if made.refused:
        raise UserError(made.refused[0].reason)
    return made.runs[0]


def evaluate_plans(
    store: Store,
    actor: Actor,
    plans: Sequence[Plan],
    release: Release | None = None,
    progress: Progress | None = None,
    workers: Workers | None = None,
    only_new: bool = False,
) -> Evaluated:
    """Run plans on a release, all their outcomes side by side, and keep each run as soon as its outcomes are finished.

    It can be interrupted at any moment, and goes on when it is called again: finished outcomes are kept, and taken up as long as
    data, plan, code and libraries are the same. A run is stored whole or not at all.

    Args:
        store: where the release lies and the runs are kept.
        actor: an evaluator, a researcher or an administrator.
        plans: what is asked.
        release: which data; the newest release where none is named.
        progress: told the share done and what is being done.
        workers: who does the work; without it, as PILOTS_WORKERS and PILOTS_BACKEND say. Numbers do not depend on it.
        only_new: leave a plan alone that has a run on this release by this code.

    Raises:
        NotAllowed: the actor may not.
        UserError: there is no release, or a setting cannot be read.
    """
    check_actor_can(actor, "evaluate")
    chosen = release or releases.release(store, actor)
    order = {plan.digest: number for number, plan in enumerate(plans)}
    made = _there(store, chosen, order) if only_new else {}
    moment = now()
    asked = [plan for plan in plans if plan.digest not in made]
    refused = []
    for one in answers(store, actor, chosen, asked, moment, workers or workers_set(), progress or _silent):
        if isinstance(one, Refusal):
            refused.append(one)
        else:
            made[one.plan.digest] = _stored_as_run(store, actor, chosen, one, moment)
    refused.sort(key=lambda one: order[one.plan.digest])
    return Evaluated(tuple(made[digest] for digest in order if digest in made), tuple(refused))


def _silent(share: float, words: str) -> None:
    """Nobody watches."""


def _there(store: Store, release: Release, digests: Collection[str]) -> dict[str, Run]:
    """The newest run of each plan on this release by this code, by the plan's digest."""
    found: dict[str, Run] = {}
    with store.read() as connection:
        for row in evaluations.stored_runs(connection):
            same = row["release_digest"] == release.digest and row["code_version"] == code_version()
            if same and row["plan_digest"] in digests:
                found.setdefault(row["plan_digest"], Run(row["run_id"], row["document"]))
    return found


def _stored_as_run(store: Store, actor: Actor, release: Release, found: Answers, asked_at: datetime) -> Run:
    """Make the document of a finished plan and keep it, in one transaction with letting go of its pieces."""
    moment, plan = now(), found.plan
    facts = {
        "plan": {"plan": plan.plan, "version": plan.version},
        "plan_digest": plan.digest,
        "release": {"id": release.id, "name": release.name},
        "release_digest": release.digest,
        "code_version": code_version(),
        "results_digest": found.digest,
    }
    run_id = "RUN-" + hashlib.sha256(canonical_json([facts, moment.isoformat()]).encode()).hexdigest()[:10]
    document = {
        "run_id": run_id,
        "made_at": _moment(moment),
        "made_by": actor.name,
        "title": plan.title,
        "question": plan.question,
        "reform": plan.reform,
        "reform_label": reform(plan.reform).label,
        "asked_at": asked_at.isoformat(),
        "registered_at": found.standing.sealed_at if found.standing.seal == plan.digest else None,
        "standing": found.standing.to_dict(),
        "synthetic": is_demonstration(store),
        **facts,
        "data_digests": {one["outcome"]: one["data_digest"] for one in found.questions},
        "questions": found.questions,
        "family": found.together,
        "harms": found.harms,
        "unwatched": list(reform(plan.reform).unwatched),
    }
    detail = {name: document[name] for name in ("plan_digest", "release_digest", "code_version", "results_digest")}
    with store.write(actor, "evaluate", run_id, detail) as connection:
        evaluations.add_run(
            connection,
            run_id=run_id,
            plan=plan.plan,
            plan_text=plan.text,
            release_id=release.id,
            made_at=moment,
            made_by=actor.subject,
            document=document,
            **detail,
        )
        pieces.forget_pieces(connection, found.keys, moment - KEPT_FOR)
    return Run(run_id, document)


def _moment(value: datetime) -> str:
    return value.isoformat(timespec="seconds")


def runs(store: Store, actor: Actor) -> list[Run]:
    """All runs with their documents, newest first.

    Raises:
        NotAllowed: the actor may not read runs.
    """
    check_actor_can(actor, "read_runs")
    with store.read() as connection:
        return [Run(row["run_id"], row["document"]) for row in evaluations.stored_runs(connection)]


def run(store: Store, actor: Actor, run_id: str) -> Run:
    """One run.

    Raises:
        NotAllowed: the actor may not read runs.
        UserError: there is no such run.
    """
    check_actor_can(actor, "read_runs")
    return Run(run_id, _stored(store, run_id)["document"])


def _stored(store: Store, run_id: str) -> dict[str, Any]:
    with store.read() as connection:
        row = evaluations.stored_run(connection, run_id)
    if row is None:
        raise UserError(f"There is no run “{run_id}” in this store. List the runs with: pilots runs.")
    return row


def rerun(store: Store, actor: Actor, run_id: str, progress: Progress | None = None) -> Rerun:
    """Make a run again from its release and its plan, and compare every number.

    Args:
        store: where the run is kept.
        actor: who may evaluate.
        run_id: of the run.
        progress: told the share done and what is being done.

    Raises:
        NotAllowed: the actor may not.
        UserError: there is no such run, or what is stored of its release has changed.
    """
    check_actor_can(actor, "evaluate")
    row = _stored(store, run_id)
    old, plan = row["document"], load_plan(row["plan_text"])
    release = releases.release(store, actor, row["release_id"])
    releases.verify(store, release)
    causes = _causes(old, plan, release)
    asked_at = datetime.fromisoformat(old["asked_at"]) if "asked_at" in old else row["made_at"]
    (again,) = answers(store, actor, release, [plan], asked_at, workers_set(), progress or _silent, reuse=False)
    if isinstance(again, Refusal):
        raise UserError(again.reason)
    same = again.digest == old["results_digest"]
    before = {"questions": old["questions"], "family": old.get("family"), "harms": old.get("harms", [])}
    after = {"questions": again.questions, "family": again.together, "harms": again.harms}
    found = () if same else tuple(differences(before, after))
    return Rerun(run_id, same, (*causes, *found), again.digest)


def _causes(old: Mapping[str, Any], plan: Plan, release: Release) -> list[str]:
    """What else is not as it was: the plan, the release, the code."""
    pairs = (
        ("The plan's digest", old["plan_digest"], plan.digest),
        ("The release's digest", old["release_digest"], release.digest),
        ("The code", old["code_version"], code_version()),
    )
    return [f"{what} was {before} and is now {after}." for what, before, after in pairs if before != after]


def differences(old: Any, new: Any, place: str = "") -> Iterator[str]:
    """Every place at which two documents differ, one sentence each; numbers with the size of the difference."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}, key=str):
            yield from differences(old.get(key, "nothing"), new.get(key, "nothing"), f"{place}.{key}" if place else str(key))
    elif isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            yield f"{place} had {len(old):,} entries and now has {len(new):,}."
            return
        for at, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from differences(before, after, f"{place}[{_named(before) or at}]")
    elif isinstance(old, float) and isinstance(new, float):
        if old != new:
            share = abs(new - old) / max(abs(old), abs(new))
            yield f"{place} was {old!r} and is now {new!r} (a relative difference of {share:.1e})."
    elif old != new:
        yield f"{place} was {_shown(old)} and is now {_shown(new)}."


def _named(entry: Any) -> str:
    """What tells an entry of a list from the others, where it says so; else blank."""
    known = entry if isinstance(entry, dict) else {}
    said = (known.get(name) for name in ("outcome", "estimator", "aggregate", "cluster", "check"))
    return " ".join(one for one in said if isinstance(one, str))


def _shown(value: Any) -> str:
    """A value as it stands in the document; of a long one the beginning."""
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
