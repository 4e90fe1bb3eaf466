"""Scores of group-time effects: units × effects where units differ, or by kind of unit where all are seen throughout.

Where every cell is observed and a unit's weight stays the same, units that start together (and lie in one region) are alike: an
effect is a difference of their sums, and the score of any sum of effects is the unit's outcomes times one profile of its kind. So
no array of units × effects is made, however many units there are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import sparse

from evaluation.estimators.design import Ends, dots


@dataclass(frozen=True, eq=False)
class Dense:
    """Scores of each effect, N × K, and what makes its weights on cells."""

    scores: np.ndarray
    cells: Callable[[], Ends]

    def scored(self, weights: np.ndarray) -> np.ndarray:
        """Scores (N × A) of sums of effects (A × K)."""
        return np.asarray(self.scores @ weights.T)

    def each(self) -> np.ndarray:
        """Scores of every effect (N × K)."""
        return self.scores

    def on_cells(self, weights: np.ndarray) -> sparse.csr_matrix:
        """Weights of sums of effects (A × K) on cells, A × (N·T)."""
        return self.cells().summed(weights)

    def only(self, keep: np.ndarray) -> Dense:
        """Of some effects."""
        return Dense(self.scores[:, keep], lambda: self.cells().only(keep))


@dataclass(frozen=True, eq=False)
class Kinds:
    """U kinds of units that K effects do not tell apart, before an outcome is seen.

    Attributes:
        kind: of each unit (N).
        weight: of each unit (N).
        members: U × K; the treated.
        compare: U × K; those that compare.
        time: position of the period (K).
        base: position of the period compared with (K).
        periods: T.
    """

    kind: np.ndarray
    weight: np.ndarray
    members: np.ndarray
    compare: np.ndarray
    time: np.ndarray
    base: np.ndarray
    periods: int

    @cached_property
    def units(self) -> tuple[np.ndarray, ...]:
        """Positions of each kind's units."""
        order = np.argsort(self.kind, kind="stable")
        ends = np.searchsorted(self.kind[order], np.arange(len(self.members) + 1))
        return tuple(order[low:high] for low, high in zip(ends[:-1], ends[1:], strict=True))

    @cached_property
    def totals(self) -> tuple[np.ndarray, np.ndarray]:
        """Weight of the treated, and of those that compare, by effect (K each)."""
        size = np.bincount(self.kind, self.weight, len(self.members))
        return size @ self.members, size @ self.compare

    @cached_property
    def carried(self) -> np.ndarray:
        """Weight of each effect on a unit of weight one of each kind, later period (U × K)."""
        sides = [np.divide(1.0, total, out=np.zeros(len(total)), where=total > 0) for total in self.totals]
        return np.asarray(self.members * sides[0] - self.compare * sides[1])

    @cached_property
    def change(self) -> np.ndarray:
        """1 in the later period, −1 in the one compared with (K × T), 0 where they are one."""
        out = np.zeros((len(self.time), self.periods))
        row = np.arange(len(self.time))
        out[row, self.time] += 1.0
        out[row, self.base] -= 1.0
        return out

    def profile(self, weights: np.ndarray) -> np.ndarray:
        """Weights of sums of effects (A × K) on the outcomes of a unit of weight one, U × A × T."""
        return np.asarray((weights * self.carried[:, None, :]) @ self.change)

    def only(self, keep: np.ndarray) -> Kinds:
        """Of some effects."""
        parts = {name: getattr(self, name)[..., keep] for name in ("members", "compare", "time", "base")}
        return replace(self, **parts)

    def effects(self, values: np.ndarray) -> tuple[np.ndarray, ByKind]:
        """Every effect of an outcome (N × T, none missing), NaN without both sides, and their scores."""
        centred = (values - values.mean(axis=1, keepdims=True)) * self.weight[:, None]
        units = len(self.kind)
        sums = sparse.csr_array((np.ones(units), (self.kind, np.arange(units))), shape=(len(self.members), units)) @ centred
        row, means = np.arange(len(self.time)), []
        for side, total in zip((self.members, self.compare), self.totals, strict=True):
            by_period = side.T.astype(float) @ sums
            change = by_period[row, self.time] - by_period[row, self.base]
            means.append(np.divide(change, total, out=np.full(len(total), np.nan), where=total > 0))
        return means[0] - means[1], ByKind(self, centred, np.nan_to_num(means[0]), np.nan_to_num(means[1]))


@dataclass(frozen=True, eq=False)
class ByKind:
    """Scores of one outcome by kind of unit.

    Attributes:
        kinds: K effects on U kinds.
        outcome: N × T; weight × outcome less its unit mean.
        treated_mean, compared_mean: mean change of each side (K).
    """

    kinds: Kinds
    outcome: np.ndarray
    treated_mean: np.ndarray
    compared_mean: np.ndarray

    def scored(self, weights: np.ndarray) -> np.ndarray:
        """Scores (N × A) of sums of effects (A × K)."""
        kinds = self.kinds
        profile = kinds.profile(weights)
        level = (kinds.carried * np.where(kinds.members, self.treated_mean, self.compared_mean)) @ weights.T
        out = np.empty((len(kinds.kind), len(weights)))
        for at, one, mean in zip(kinds.units, profile, level, strict=True):
            out[at] = self.outcome[at] @ one.T - kinds.weight[at, None] * mean
        return out

    def each(self) -> np.ndarray:
        """Scores of every effect (N × K)."""
        kinds, out = self.kinds, self.outcome[:, self.kinds.time] - self.outcome[:, self.kinds.base]
        mean = np.where(kinds.members, self.treated_mean, self.compared_mean)
        out -= kinds.weight[:, None] * mean[kinds.kind]
        out *= kinds.carried[kinds.kind]
        return np.asarray(out)

    def on_cells(self, weights: np.ndarray) -> sparse.csr_matrix:
        """Weights of sums of effects (A × K) on cells, A × (N·T)."""
        kinds = self.kinds
        whole = kinds.profile(weights).transpose(1, 0, 2)[:, kinds.kind] * kinds.weight[:, None]
        return dots(whole)

    def only(self, keep: np.ndarray) -> ByKind:
        """Of some effects."""
        return ByKind(self.kinds.only(keep), self.outcome, self.treated_mean[keep], self.compared_mean[keep])
