"""The answers to plans: their pieces read, spread over workers, kept when they are finished until their run is stored."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pandas as pd

from pilots import releases
from pilots.access import Actor
from pilots.asking import Asked, Document, Piece, Tell, Together, answer, asked_of
from pilots.demonstration.known import true_effects
from pilots.errors import UserError
from pilots.fanout import Workers, fan_out
from pilots.frozen import Frozen, Shared
from pilots.plans import Plan
from pilots.releases import Release
from pilots.standing import Standing, standing
from pilots.storage import Store, pieces
from pilots.storage.base import canonical_json, now, stored_json

KEPT_FOR = timedelta(days=30)  # a piece that nobody came back for is removed after that
READING = 0.05  # share of the time that reading the release takes


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


@dataclass(frozen=True)
class Refusal:
    """A plan that the release cannot answer, and why."""

    plan: Plan
    reason: str


@dataclass
class _Work:
    """Plans while their pieces are read, worked on and answered, and how much of the work is done.

    Attributes:
        plans: in the order in which they are read.
        tell: told the share done and what is being done.
        waiting: plans that were read and are not answered yet.
        refused: plans that cannot be answered, of which nobody was told yet.
        found: what is answered, by the key of the piece.
        read: how many plans were read.
        outcomes: of all plans but for those refused.
        answered: how many of them are.
        whole: the work that there is, in `_size`, but for what was refused or is kept from before.
        done: how much of it is.
    """

    plans: list[Plan]
    tell: Tell
    waiting: list[Asked] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    found: dict[str, Document | str] = field(default_factory=dict)
    read: int = 0
    outcomes: int = 0
    answered: int = 0
    whole: float = 0.0
    done: float = 0.0

    def refuse(self, plan: Plan, reason: str) -> None:
        """Take a plan off that has no pieces."""
        self.refused.append(Refusal(plan, reason))
        self.outcomes -= len(plan.outcomes)
        self.whole -= _size(plan)

    def take_up(self, asked: Asked, kept: Mapping[str, Document | str]) -> list[Piece | Together]:
        """Have a plan wait for its answers; the pieces that nobody has answered yet."""
        self.waiting.append(asked)
        self.found.update(kept)
        there = [piece for piece in asked.every if piece.key in kept]
        self.answered += sum(isinstance(piece, Piece) for piece in there)
        self.whole -= _size(asked.plan) * len(there) / len(asked.every)
        return [piece for piece in asked.every if piece.key not in kept]

    def answer(self, piece: Piece | Together, document: Document | str) -> None:
        """Have one more piece answered, and say so."""
        self.found[piece.key] = document
        self.answered += isinstance(piece, Piece)
        self.done += self._part(piece)
        self.say(f"{self.answered} of {self.outcomes} outcomes")

    def say(self, what: str, within: float = 0.0) -> None:
        """Tell what is being done, and the share that is done; `within` is what is done of pieces that are not answered."""
        reading = self.read / len(self.plans)
        answering = (self.done + within) / self.whole if self.whole > 0 else 1.0
        self.tell(READING * reading + (1 - READING) * min(answering, 1.0), what)

    def inside(self, piece: Piece | Together, share: float, what: str) -> None:
        """Be told how far one piece is."""
        self.say(what, share * self._part(piece))

    def finished(self) -> Iterator[Answers | Refusal]:
        """The plans that are answered or refused by now, each once."""
        refused, self.refused = self.refused, []
        yield from refused
        for one in [one for one in self.waiting if all(piece.key in self.found for piece in one.every)]:
            self.waiting = [other for other in self.waiting if other is not one]
            yield _answers(one, self.found)

    def _part(self, piece: Piece | Together) -> float:
        return _size(piece.plan) / (len(piece.plan.outcomes) + 1)


def _work(plans: Sequence[Plan], tell: Tell) -> _Work:
    """Plans of which nothing is read yet, those with the longest pieces first, so that workers end at about the same time."""
    order = sorted(plans, key=lambda plan: _size(plan) / len(plan.outcomes), reverse=True)
    return _Work(order, tell, outcomes=sum(len(plan.outcomes) for plan in plans), whole=sum(map(_size, plans)))


def _size(plan: Plan) -> float:
    """How much work a plan is, about: estimates by periods, of all outcomes."""
    return float(len(plan.outcomes) * len(plan.estimators) * len(plan.periods))


def _answers(asked: Asked, found: Mapping[str, Document | str]) -> Answers | Refusal:
    """What was found on a plan that is answered."""
    documents = [found[piece.key] for piece in asked.every]
    refusal = next((one for one in documents if isinstance(one, str)), None)
    if refusal is not None:
        return Refusal(asked.plan, refusal)
    *questions, beside = (one for one in documents if isinstance(one, dict))
    keys = tuple(piece.key for piece in asked.every)
    return Answers(asked.plan, questions, beside["family"], asked.standing, beside["harms"], keys)


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

    Workers begin with what is read while the rest is.

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
    work = _work(plans, tell)
    for piece, document in fan_out(answer, _read(store, release, at, work, reuse), work.outcomes, workers, work.inside):
        if reuse and not isinstance(document, str):
            _keep(store, actor, piece, document)
        work.answer(piece, document)
        yield from work.finished()
    yield from work.finished()
    tell(1.0, f"{work.answered} of {work.outcomes} outcomes")


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
    work = _work([plan], tell)
    wanted = work.take_up(asked_of(data, release, plan, releases.register_spells(data, release), truths, stands), {})
    for piece, document in fan_out(answer, wanted, work.outcomes, workers, work.inside):
        work.answer(piece, document)
    return next(work.finished())


def _read(store: Store, release: Release, at: datetime, work: _Work, reuse: bool) -> Iterator[Piece | Together]:
    """Read one plan after the other and give out those of its pieces that are not kept from before."""
    data = Shared(store)
    spells, truths = releases.register_spells(data, release), true_effects(store)
    for plan in work.plans:
        work.say(f"{plan.title}: reading the release")
        try:
            asked = asked_of(data, release, plan, spells, truths, standing(store, plan, at, spells))
        except UserError as error:
            work.refuse(plan, str(error))
        else:
            kept = _kept(store, [piece.key for piece in asked.every]) if reuse else {}
            yield from work.take_up(asked, kept)
        work.read += 1


def _kept(store: Store, keys: Iterable[str]) -> dict[str, Document | str]:
    """The documents kept under these keys, but for any that is not as it was written."""
    with store.read() as connection:
        rows = pieces.kept_pieces(connection, list(keys))
    return {key: json.loads(text) for key, (sha256, text) in rows.items() if _sha256(text) == sha256}


def _keep(store: Store, actor: Actor, piece: Piece | Together, document: Document) -> None:
    text = stored_json(document)
    subject = f"{piece.plan.plan} {piece.plan.version}, {piece.name}"
    with store.write(actor, "evaluate", subject, {"piece": piece.key}) as connection:
        pieces.keep_piece(connection, key=piece.key, sha256=_sha256(text), document=text, at=now())


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
