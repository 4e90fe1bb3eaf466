"""Runs: a plan on a release gives evidence, kept with all that is needed to get the same numbers again."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from evaluation import Panel, PanelError
from pilots import releases
from pilots.access import Actor, check_actor_can
from pilots.catalogue import outcome, reform
from pilots.demonstration.known import is_demonstration, true_effects
from pilots.errors import UserError
from pilots.evidence import evidence, family, joined, panel_for
from pilots.panels import question
from pilots.plans import Plan, load_plan
from pilots.releases import Release
from pilots.storage import Store, evaluations
from pilots.storage.base import canonical_json, now
from pilots.versions import code_version

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


def _answers(
    store: Store, release: Release, plan: Plan, progress: Progress | None
) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """The evidence on each outcome of a plan, and on all of them as a family."""
    tell = progress or (lambda share, words: None)
    spells = releases.register_spells(store, release)
    truths = true_effects(store)
    with store.read() as connection:
        registered = evaluations.plan_with_digest(connection, plan.digest) is not None
    headline = next(one for one in plan.estimators if one.name == plan.headline.estimator)
    placebos = _placebos(store, release, plan, spells)
    made, panels = [], {}
    for number, name in enumerate(plan.outcomes):
        about, start, each = outcome(name), number / len(plan.outcomes), 1 / len(plan.outcomes)
        tell(start, f"{about.label}: reading the release")
        truth = None if truths is None else truths[(truths["reform"] == plan.reform) & (truths["outcome"] == name)]
        try:
            asked = question(store, release, plan, about, spells)
            panels[name] = panel_for(asked, headline)
            answer = evidence(
                plan, about, asked, truth, registered, placebos, lambda share, words, s=start, e=each: tell(s + share * e, words)
            )
        except PanelError as error:
            raise UserError(f"{about.label}: {error}") from error
        made.append(answer)
    return made, family(plan, panels)


def _placebos(store: Store, release: Release, plan: Plan, spells: Any) -> Panel | None:
    """The panel of the outcomes that the reform cannot move; None where the plan names none."""
    if not plan.placebo_outcomes:
        return None
    return joined({name: question(store, release, plan, outcome(name), spells).panel for name in plan.placebo_outcomes})


def _digest(questions: list[dict[str, Any]], together: dict[str, Any] | None) -> str:
    return hashlib.sha256(canonical_json([questions, together]).encode()).hexdigest()


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
    check_actor_can(actor, "evaluate")
    chosen = release or releases.release(store, actor)
    questions, together = _answers(store, chosen, plan, progress)
    with store.read() as connection:
        registered = evaluations.plan_with_digest(connection, plan.digest)
    moment = now()
    facts = {
        "plan": {"plan": plan.plan, "version": plan.version},
        "plan_digest": plan.digest,
        "release": {"id": chosen.id, "name": chosen.name},
        "release_digest": chosen.digest,
        "code_version": code_version(),
        "results_digest": _digest(questions, together),
    }
    run_id = "RUN-" + hashlib.sha256(canonical_json([facts, moment.isoformat()]).encode()).hexdigest()[:10]
    document = {
        "run_id": run_id,
        "made_at": moment.isoformat(timespec="seconds"),
        "made_by": actor.name,
        "title": plan.title,
        "question": plan.question,
        "reform": plan.reform,
        "reform_label": reform(plan.reform).label,
        "registered_at": None if registered is None else _moment(registered["registered_at"]),
        "synthetic": is_demonstration(store),
        **facts,
        "data_digests": {one["outcome"]: one["data_digest"] for one in questions},
        "questions": questions,
        "family": together,
    }
    _keep(store, actor, plan, chosen, document, moment)
    return Run(run_id, document)


def _moment(value: datetime) -> str:
    return value.isoformat(timespec="seconds")


def _keep(store: Store, actor: Actor, plan: Plan, release: Release, document: dict[str, Any], moment: datetime) -> None:
    detail = {name: document[name] for name in ("plan_digest", "release_digest", "code_version", "results_digest")}
    with store.write(actor, "evaluate", document["run_id"], detail) as connection:
        evaluations.add_run(
            connection,
            run_id=document["run_id"],
            plan=plan.plan,
            plan_text=plan.text,
            release_id=release.id,
            made_at=moment,
            made_by=actor.subject,
            document=document,
            **detail,
        )


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
    questions, together = _answers(store, release, plan, progress)
    digest = _digest(questions, together)
    same = digest == old["results_digest"]
    before, after = ({"questions": old["questions"], "family": old.get("family")}, {"questions": questions, "family": together})
    found = () if same else tuple(differences(before, after))
    return Rerun(run_id, same, (*causes, *found), digest)


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
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for at, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from differences(before, after, f"{place}[{at}]")
    elif isinstance(old, float) and isinstance(new, float):
        if old != new:
            share = abs(new - old) / max(abs(old), abs(new))
            yield f"{place} was {old!r} and is now {new!r} (a relative difference of {share:.1e})."
    elif old != new:
        yield f"{place} was {old!r} and is now {new!r}."
