"""What all estimators share: the design of one outcome, and the pieces they hand back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse

from evaluation.errors import NotEstimable
from evaluation.panel import NEVER, Panel

UnderStarts = Callable[[Panel, str, Mapping[str, Any], np.ndarray], tuple[np.ndarray, np.ndarray] | None]

AGGREGATES = ("overall", "cells", "event_time", "cohort", "calendar", "region")


@dataclass(frozen=True, eq=False)
class Pieces:
    """What an estimator returns for one outcome; see `Result` for the shapes.

    `labels` has one mapping a row, None or no key where a row has no such label.
    `own_df` is set where the error is the estimator's own and no unit has a share in it: its degrees of freedom (inf: normal).
    """

    labels: Sequence[Mapping[str, Any]]
    estimates: np.ndarray
    scores: np.ndarray
    support: np.ndarray
    used: np.ndarray
    compared: np.ndarray
    parameters: int
    observations: int
    builder: Callable[[], sparse.csr_matrix]
    warnings: tuple[str, ...] = ()
    own_df: float | None = None


@dataclass(frozen=True)
class Estimator:
    """One line of `ESTIMATORS`.

    Attributes:
        prepare: (panel, options) → the panel it can use, or `NotEstimable`.
        fit: (panel of one outcome, aggregate, options) → `Pieces` or `NotEstimable`.
        options: names and defaults.
        choices: allowed values, for options that have a list.
        aggregates: those it supports.
        title: its name for readers.
        assumes: what must hold for its number to be an effect, in one sentence for readers.
        uses_covariates: whether it takes the panel's covariates into account.
        uses_intensity: whether it takes the reform's intensity into account.
        uses_eligible: whether it takes who is eligible into account.
        under_starts: (panel, aggregate, options, starts of units under R assignments, R × N) → the overall effects of its O
            outcomes (R × O) and their scores (R × N × O), or None where each has to be fitted by itself.
    """

    prepare: Callable[[Panel, Mapping[str, Any]], Panel | NotEstimable]
    fit: Callable[[Panel, str, Mapping[str, Any]], Pieces | NotEstimable]
    options: Mapping[str, Any]
    choices: Mapping[str, tuple[Any, ...]]
    aggregates: tuple[str, ...]
    title: str = ""
    assumes: str = ""
    uses_covariates: bool = False
    uses_intensity: bool = False
    uses_eligible: bool = False
    under_starts: UnderStarts | None = None


def unused(name: str, estimator: Estimator, panel: Panel) -> tuple[str, ...]:
    """Warnings that name what the panel was given and the estimator leaves aside."""
    out = []
    if panel.covariates and not estimator.uses_covariates:
        out.append(f"{name} uses no covariates: {', '.join(panel.covariates)} changed nothing.")
    if panel.intensity is not None and not estimator.uses_intensity:
        out.append(f"{name} does not use the reform's intensity: every treated unit counts alike.")
    if panel.eligible is not None and not estimator.uses_eligible:
        out.append(f"{name} does not use who is eligible: all units of an adopter count as treated.")
    return tuple(out)


def plural(count: int, noun: str) -> str:
    """A count with its noun: "1 authority", "2 authorities", "3 schools"."""
    if count == 1:
        return f"1 {noun}"
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{count:,} {noun[:-1]}ies"
    return f"{count:,} {noun}" if noun.endswith("s") else f"{count:,} {noun}s"


def drop_treated_throughout(panel: Panel, first_possible: int = 1) -> Panel | NotEstimable:
    """Leave out units treated before position `first_possible`: they have no period before the reform."""
    keep = panel.cohort >= first_possible
    if keep.all():
        return panel
    if not (panel.cohort[keep] < NEVER).any():
        return NotEstimable(
            f"all {plural(int(panel.treated.sum()), panel.unit)} that adopt are treated throughout the window",
            "Use a window that begins before the reform.",
        )
    return panel.select(keep, reason="treated throughout the window: no period before the reform")


def all_at_once(panel: Panel) -> NotEstimable | None:
    """The refusal when every unit adopts in the same period: no comparison exists at any time."""
    starts = np.unique(panel.cohort)
    if len(starts) == 1 and starts[0] < NEVER:
        return NotEstimable(
            f"all {plural(len(panel.units), panel.unit)} start at once",
            "Add units that do not adopt, or adopt later, to compare with.",
        )
    return None


def empty_cohorts(panel: Panel) -> tuple[list[Any], NotEstimable | None]:
    """Starts whose units have no value of a panel's one outcome, and the refusal when that is all of them."""
    seen = (panel.weights[0] > 0).any(axis=1)
    starts = np.unique(panel.cohort[panel.treated])
    empty = [panel.periods[g] for g in starts if not seen[panel.cohort == g].any()]
    if len(empty) < len(starts):
        return empty, None
    refusal = NotEstimable(
        f"every cohort is empty: no {panel.unit} that adopts has a value of {panel.outcomes[0]!r}",
        "Check the outcome of the units that adopt, or leave it out.",
    )
    return empty, refusal


@dataclass(frozen=True, eq=False)
class Ends:
    """Weights of K effects on the two cells of each unit that they compare.

    Attributes:
        later: on the cell of `time` (N × K).
        earlier: on the cell of `base` (N × K).
        time, base: positions of the periods (K).
        periods: T.
    """

    later: np.ndarray
    earlier: np.ndarray
    time: np.ndarray
    base: np.ndarray
    periods: int

    def only(self, keep: np.ndarray) -> Ends:
        """Of some effects (K, bool)."""
        return replace(self, later=self.later[:, keep], earlier=self.earlier[:, keep], time=self.time[keep], base=self.base[keep])

    def summed(self, weights: np.ndarray) -> sparse.csr_matrix:
        """Weights of sums of effects (A × K) on cells, A × (N·T)."""
        return _dots((self._sum(weight) for weight in weights), len(self.later) * self.periods)

    def _sum(self, weight: np.ndarray) -> np.ndarray:
        """One sum of effects on cells, N × T."""
        at = np.flatnonzero(weight)
        onto = np.eye(self.periods)
        sides = ((self.later, self.time), (self.earlier, self.base))
        return np.asarray(sum(side[:, at] @ (weight[at, None] * onto[when[at]]) for side, when in sides))


def dots(mask: np.ndarray) -> sparse.csr_matrix:
    """Dense K × N × T weights as a sparse K × (N·T) matrix."""
    return _dots(mask, int(np.prod(mask.shape[1:])))


def _dots(rows: Iterable[np.ndarray], width: int) -> sparse.csr_matrix:
    """Rows of so many numbers, one at a time, as a sparse matrix: built from its parts, since it is small and made often."""
    places, data = [np.zeros(0, np.int32 if width < 2**31 else np.int64)], [np.zeros(0)]
    for row in rows:
        flat = row.ravel()
        places.append(np.flatnonzero(flat).astype(places[0].dtype))
        data.append(flat[places[-1]])
    ends = np.cumsum([len(one) for one in data])
    return sparse.csr_matrix((np.concatenate(data), np.concatenate(places), ends), shape=(len(ends) - 1, width))
