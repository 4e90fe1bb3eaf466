"""What plans ask of a release, read into pieces of work that know no store and can be answered anywhere."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pandas as pd

from evaluation import NotEstimable, Panel, PanelError
from pilots.catalogue import Guardrail, Outcome, outcome, watched
from pilots.costs import Spent, spent
from pilots.errors import UserError
from pilots.evidence import evidence, family, harms, joined, panel_for
from pilots.figures import AUTHORITY, SCHOOL, by_school
from pilots.frozen import Data
from pilots.panels import Question, question
from pilots.periods import containing, parse
from pilots.plans import EstimatorChoice, Plan
from pilots.releases import Release
from pilots.standing import Standing
from pilots.storage.base import canonical_json
from pilots.versions import code_version, library_versions

Document = dict[str, Any]
Tell = Callable[[float, str], None]
Watched = tuple[tuple[Guardrail, Panel | NotEstimable], ...]


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

    @property
    def name(self) -> str:
        """What it is called in the audit log."""
        return self.about.id

    @property
    def label(self) -> str:
        """What it is called before readers."""
        return self.about.label

    @cached_property
    def key(self) -> str:
        """SHA-256 of all that the answer depends on: data, plan, code and the libraries that it calls."""
        asked = self.asked
        told = [asked.digest, asked.gaps, asked.stopped, asked.late, asked.notices, self.standing.planned(self.about.id)]
        return _key(self.plan, self.about.id, [*told, repr(self.spent), self.beside])

    def answer(self, tell: Tell) -> Document:
        """The evidence on the outcome.

        Raises:
            PanelError: there is none, and why.
        """
        planned = self.standing.planned(self.about.id)
        return evidence(self.plan, self.about, self.asked, self.truth, planned, self.placebos, self.spent, tell)


@dataclass(frozen=True, eq=False)
class Together:
    """What is told of a plan beside each of its outcomes: all of them as a family, and harm. It can go to another process.

    Attributes:
        plan: what is asked.
        panels: of its outcomes, as the headline's estimator sees them.
        watched: each guardrail with its panel, or why there is none.
        digests: of all these panels.
    """

    plan: Plan
    panels: dict[str, Panel]
    watched: Watched
    digests: tuple[str, ...]

    @property
    def name(self) -> str:
        """What it is called in the audit log."""
        return "family and harm"

    @property
    def label(self) -> str:
        """What it is called before readers."""
        return f"{self.plan.title}: family and harm"

    @cached_property
    def key(self) -> str:
        """SHA-256 of all that the answer depends on, as of a `Piece`."""
        return _key(self.plan, self.name, [repr([about for about, _ in self.watched]), self.digests])

    def answer(self, tell: Tell) -> Document:
        """The family of the plan's outcomes (None for one outcome), and what is watched for harm.

        Raises:
            PanelError: there is none, and why.
        """
        tell(0.0, self.label)
        return {"family": family(self.plan, self.panels), "harms": harms(self.plan, self.watched)}


def answer(piece: Piece | Together, tell: Tell) -> Document | str:
    """What a piece of work gives, or why there is nothing."""
    try:
        return piece.answer(tell)
    except PanelError as error:
        return f"{piece.label}: {error}"


@dataclass(frozen=True)
class Asked:
    """A plan with all its pieces, as a release has them.

    Attributes:
        plan: what is asked.
        standing: whether it was planned.
        pieces: one for each of its outcomes, in the plan's order.
        together: what is told beside these.
    """

    plan: Plan
    standing: Standing
    pieces: tuple[Piece, ...]
    together: Together

    @property
    def every(self) -> tuple[Piece | Together, ...]:
        """All of its work, the longest first."""
        return (*self.pieces, self.together)


def asked_of(
    data: Data, release: Release, plan: Plan, spells: pd.DataFrame, truths: pd.DataFrame | None, stands: Standing
) -> Asked:
    """Read all that a plan asks of a release.

    Args:
        data: where the release lies.
        release: which.
        plan: what is asked.
        spells: the register of the release.
        truths: the known true effects, on synthetic data only.
        stands: whether it was planned.

    Raises:
        UserError: the release has no figures for the plan.
    """
    pieces = pieces_of(data, release, plan, spells, truths, stands)
    return Asked(plan, stands, pieces, _together(data, release, plan, spells, pieces))


def pieces_of(
    data: Data, release: Release, plan: Plan, spells: pd.DataFrame, truths: pd.DataFrame | None, stands: Standing
) -> tuple[Piece, ...]:
    """The outcomes of a plan; as `asked_of`."""
    beyond = {name: _asked(data, release, plan, outcome(name), spells) for name in plan.placebo_outcomes}
    placebos = joined({name: one.panel for name, one in beyond.items()}) if beyond else None
    pieces = []
    for name in plan.outcomes:
        about, truth = outcome(name), None
        if truths is not None:
            truth = truths[(truths["reform"] == plan.reform) & (truths["outcome"] == name)]
        asked = _asked(data, release, plan, about, spells)
        cost = spent(data, release, plan, asked, about.frequency)
        beside = (*(one.digest for one in beyond.values()), "" if truth is None else _digest_of(truth))
        pieces.append(Piece(plan, about, asked, truth, stands, placebos, cost, beside))
    return tuple(pieces)


def _together(data: Data, release: Release, plan: Plan, spells: pd.DataFrame, pieces: Sequence[Piece]) -> Together:
    """The outcomes of a plan, and the guardrails of its reform and of these."""
    choice = plan.headline_choice
    panels = {piece.about.id: panel_for(piece.asked, choice) for piece in pieces}
    guarded = [(one, *_guarded(data, release, plan, one, spells, choice)) for one in watched(plan.reform, plan.outcomes)]
    digests = (*(piece.asked.digest for piece in pieces), *(digest for _, _, digest in guarded))
    return Together(plan, panels, tuple((about, panel) for about, panel, _ in guarded), digests)


def _guarded(
    data: Data, release: Release, plan: Plan, about: Guardrail, spells: pd.DataFrame, choice: EstimatorChoice
) -> tuple[Panel | NotEstimable, str]:
    """The panel of a guardrail and its digest, or why there is none."""
    watching = outcome(about.outcome)
    try:
        asked = _asked(data, release, _by_periods_of(plan, watching), watching, spells)
    except UserError as error:
        return NotEstimable(str(error), ""), str(error)
    return panel_for(asked, choice), asked.digest


def _by_periods_of(plan: Plan, about: Outcome) -> Plan:
    """The plan over the same time, in the periods and units by which an outcome comes; covariates come by the plan's own."""
    first, last = parse(plan.first), parse(plan.last)
    if plan.unit == SCHOOL and not by_school(about):
        plan = replace(plan, unit=AUTHORITY, covariates=())
    if about.frequency == first.kind:
        return plan
    window = (str(containing(first.start, about.frequency)), str(containing(last.end, about.frequency)))
    return replace(plan, first=window[0], last=window[1], covariates=())


def _asked(data: Data, release: Release, plan: Plan, about: Outcome, spells: pd.DataFrame) -> Question:
    try:
        return question(data, release, plan, about, spells)
    except PanelError as error:
        raise UserError(f"{about.label}: {error}") from error


def _key(plan: Plan, name: str, told: Sequence[Any]) -> str:
    content = [plan.digest, name, told, code_version(), library_versions()]
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def _digest_of(frame: pd.DataFrame) -> str:
    return hashlib.sha256(canonical_json(frame.astype(object).values.tolist()).encode()).hexdigest()
