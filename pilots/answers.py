"""The evidence on the outcomes of plans as independent pieces of work, each kept when it is finished until its run is stored."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import Any

import pandas as pd

from evaluation import NotEstimable, Panel, PanelError
from pilots import releases
from pilots.access import Actor
from pilots.catalogue import Guardrail, Outcome, outcome, watched
from pilots.costs import Spent, spent
from pilots.demonstration.known import true_effects
from pilots.errors import UserError
from pilots.evidence import evidence, family, harms, joined, panel_for
from pilots.fanout import Workers, fan_out
from pilots.frozen import Data, Frozen, Shared
from pilots.panels import AUTHORITY, SCHOOL, Question, by_school, question
from pilots.periods import containing, parse
from pilots.plans import Plan
from pilots.releases import Release
from pilots.standing import Standing, standing
from pilots.storage import Store, pieces
from pilots.storage.base import canonical_json, now, stored_json
from pilots.versions import code_version, library_versions

Document = dict[str, Any]
Tell = Callable[[float, str], None]
KEPT_FOR = timedelta(days=30)  # a piece that nobody came back for is removed after that
PREPARED = 0.05  # share of the time that reading the release takes, before anything is estimated


@dataclass(frozen=True, eq=False)
class Piece:
    """One outcome of a plan with all that its evidence is made from. It can go to another process.

    Attributes:
        plan: what is asked.
        about: the outcome.
        asked: its panel.
        truth: the known true effects on it, on synthetic data only.
        standing: whether it was planned.
        placebos: panel of the outcomes that the reform cannot move, where the plan names some.
        spent: what the reform cost, or why that is not known; None where the plan does not ask.
        beside: digests of what is not in the digest of `asked`.
    """

    plan: Plan
    about: Outcome
    asked: Question
    truth: pd.DataFrame | None
    standing: Standing
    placebos: Panel | None
    spent: Spent | NotEstimable | None
    beside: tuple[str, ...]

    @cached_property
    def key(self) -> str:
        """SHA-256 of all that the answer depends on: data, plan, code and the libraries that it calls."""
        asked, versions = self.asked, [code_version(), library_versions()]
        data = [
            asked.digest,
            asked.gaps,
            asked.stopped,
            asked.late,
            asked.notices,
            self.standing.planned(self.about.id),
            repr(self.spent),
            self.beside,
        ]
        return hashlib.sha256(canonical_json([self.plan.digest, self.about.id, data, versions]).encode()).hexdigest()


@dataclass(frozen=True)
class Answers:
    """What a plan found on a release.

    Attributes:
        plan: the plan.
        questions: the evidence on each of its outcomes, in the plan's order.
        together: on all of them as a family; None for a plan with one outcome.
        standing: whether it was planned.
        harms: on each outcome that is watched for harm with the reform.
        keys: under which the pieces are kept, to be let go of with the run.
    """

    plan: Plan
    questions: list[Document]
    together: Document | None
    standing: Standing
    harms: list[Document]
    keys: tuple[str, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of every result."""
        return hashlib.sha256(canonical_json([self.questions, self.together, self.harms]).encode()).hexdigest()


Watched = list[tuple[Guardrail, Panel | NotEstimable]]


@dataclass(frozen=True)
class Waiting:
    """A plan whose pieces are not all answered yet, and how to read what is watched for harm, which its workers do not need."""

    plan: Plan
    pieces: list[Piece]
    watched: Callable[[], Watched]


@dataclass(frozen=True)
class Refusal:
    """A plan that the release cannot answer, and why."""

    plan: Plan
    reason: str


def answer(piece: Piece, tell: Tell) -> Document | str:
    """The evidence on one outcome, or why there is none."""
    try:
        return evidence(
            piece.plan,
            piece.about,
            piece.asked,
            piece.truth,
            piece.standing.planned(piece.about.id),
            piece.placebos,
            piece.spent,
            tell,
        )
    except PanelError as error:
        return f"{piece.about.label}: {error}"


def answers(
    store: Store,
    actor: Actor,
    release: Release,
    plans: Sequence[Plan],
    at: datetime,
    workers: Workers,
    tell: Tell,
    reuse: bool = True,
) -> Iterator[Answers | Refusal]:
    """The answers to plans on a release, each when it is there: all outcomes of all plans are worked on side by side.

    Args:
        store: read, and written to here only: by the process that called, piece by piece.
        actor: who asks, for the audit log; the task has checked that they may.
        release: which data.
        plans: what is asked.
        at: the moment of the run; plans sealed later do not count.
        workers: who does the work. The numbers are the same whoever does it.
        tell: told the share done and what is being done.
        reuse: whether finished pieces are kept, and those of an interrupted call taken up.
    """
    waiting, refused = _prepared(store, release, plans, at, lambda share, words: tell(PREPARED * share, words))
    yield from refused
    every = [piece for one in waiting for piece in one.pieces]
    found = _kept(store, [piece.key for piece in every]) if reuse else {}
    yield from _finished(waiting, found)
    wanted = [piece for piece in every if piece.key not in found]
    start = len(every) - len(wanted)

    def words(done: int) -> str:
        return f"{start + done} of {len(every)} outcomes"

    def rest(share: float, what: str) -> None:
        tell(PREPARED + (1 - PREPARED) * share, what)

    for number, document in fan_out(answer, wanted, workers, rest, words):
        piece = wanted[number]
        found[piece.key] = document
        if reuse and not isinstance(document, str):
            _keep(store, actor, piece, document)
        yield from _finished(waiting, found)
    tell(1.0, words(len(wanted)))


def answers_from(
    data: Frozen, release: Release, plan: Plan, stands: Standing, truths: pd.DataFrame | None, workers: Workers, tell: Tell
) -> Answers | Refusal:
    """The answers to one plan on a release that lies in no store.

    Args:
        data: rows and figures of the release.
        release: which they are.
        plan: what is asked.
        stands: whether it was planned, which only the store can tell that the plan was sealed in.
        truths: the known true effects, on synthetic data only.
        workers: who does the work.
        tell: told the share done and what is being done.

    Raises:
        UserError: the release has no figures for the plan.
    """
    spells = releases.register_spells(data, release)
    mine = list(_pieces(data, release, plan, spells, truths, stands))
    waiting = [Waiting(plan, mine, partial(_watched, data, release, plan, spells))]
    done = fan_out(answer, mine, workers, tell, lambda count: f"{count} of {len(mine)} outcomes")
    return next(_finished(waiting, {mine[at].key: document for at, document in done}))


def _prepared(
    store: Store, release: Release, plans: Sequence[Plan], at: datetime, tell: Tell
) -> tuple[list[Waiting], list[Refusal]]:
    """The pieces of each plan, and the plans for which the release has no figures."""
    data = Shared(store)
    spells, truths = releases.register_spells(data, release), true_effects(store)
    made: list[Waiting] = []
    refused = []
    for number, plan in enumerate(plans):
        tell(number / len(plans), f"{plan.title}: reading the release")
        try:
            stands = standing(store, plan, at, spells)
            mine = list(_pieces(data, release, plan, spells, truths, stands))
            made.append(Waiting(plan, mine, partial(_watched, data, release, plan, spells)))
        except UserError as error:
            refused.append(Refusal(plan, str(error)))
    return made, refused


def _pieces(
    store: Data, release: Release, plan: Plan, spells: pd.DataFrame, truths: pd.DataFrame | None, stands: Standing
) -> Iterator[Piece]:
    beyond = {name: _asked(store, release, plan, outcome(name), spells) for name in plan.placebo_outcomes}
    placebos = joined({name: one.panel for name, one in beyond.items()}) if beyond else None
    for name in plan.outcomes:
        about, truth = outcome(name), None
        if truths is not None:
            truth = truths[(truths["reform"] == plan.reform) & (truths["outcome"] == name)]
        asked = _asked(store, release, plan, about, spells)
        cost = spent(store, release, plan, asked, about.frequency)
        beside = (*(one.digest for one in beyond.values()), "" if truth is None else _digest_of(truth))
        yield Piece(plan, about, asked, truth, stands, placebos, cost, beside)


def _watched(store: Data, release: Release, plan: Plan, spells: pd.DataFrame) -> Watched:
    """The guardrails of the plan's reform and outcomes, each with its panel, or why there is none."""
    choice = next(one for one in plan.estimators if one.name == plan.headline.estimator)
    found: Watched = []
    for one in watched(plan.reform, plan.outcomes):
        about = outcome(one.outcome)
        panel: Panel | NotEstimable
        try:
            panel = panel_for(_asked(store, release, _by_periods_of(plan, about), about, spells), choice)
        except UserError as error:
            panel = NotEstimable(str(error), "")
        found.append((one, panel))
    return found


def _by_periods_of(plan: Plan, about: Outcome) -> Plan:
    """The plan over the same time, in the periods and units by which an outcome comes; covariates come by the plan's own."""
    first, last = parse(plan.first), parse(plan.last)
    if plan.unit == SCHOOL and not by_school(about):
        plan = replace(plan, unit=AUTHORITY, covariates=())
    if about.frequency == first.kind:
        return plan
    window = (str(containing(first.start, about.frequency)), str(containing(last.end, about.frequency)))
    return replace(plan, first=window[0], last=window[1], covariates=())


def _asked(store: Data, release: Release, plan: Plan, about: Outcome, spells: pd.DataFrame) -> Question:
    try:
        return question(store, release, plan, about, spells)
    except PanelError as error:
        raise UserError(f"{about.label}: {error}") from error


def _digest_of(frame: pd.DataFrame) -> str:
    return hashlib.sha256(canonical_json(frame.astype(object).values.tolist()).encode()).hexdigest()


def _finished(waiting: list[Waiting], found: Mapping[str, Document | str]) -> Iterator[Answers | Refusal]:
    """The plans of which every outcome is answered; they are taken off the list."""
    for done in [one for one in waiting if all(piece.key in found for piece in one.pieces)]:
        waiting[:] = [one for one in waiting if one is not done]
        plan, mine = done.plan, done.pieces
        documents = [found[piece.key] for piece in mine]
        refusal = next((one for one in documents if isinstance(one, str)), None)
        if refusal is not None:
            yield Refusal(plan, refusal)
            continue
        choice = next(one for one in plan.estimators if one.name == plan.headline.estimator)
        together = family(plan, {piece.about.id: panel_for(piece.asked, choice) for piece in mine})
        answered = [one for one in documents if isinstance(one, dict)]
        keys = tuple(piece.key for piece in mine)
        yield Answers(plan, answered, together, mine[0].standing, harms(plan, done.watched()), keys)


def _kept(store: Store, keys: Iterable[str]) -> dict[str, Document | str]:
    """The documents kept under these keys, but for any that is not as it was written."""
    with store.read() as connection:
        rows = pieces.kept_pieces(connection, list(keys))
    return {key: json.loads(text) for key, (sha256, text) in rows.items() if _sha256(text) == sha256}


def _keep(store: Store, actor: Actor, piece: Piece, document: Document) -> None:
    text = stored_json(document)
    subject = f"{piece.plan.plan} {piece.plan.version}, {piece.about.id}"
    with store.write(actor, "evaluate", subject, {"piece": piece.key}) as connection:
        pieces.keep_piece(connection, key=piece.key, sha256=_sha256(text), document=text, at=now())


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
