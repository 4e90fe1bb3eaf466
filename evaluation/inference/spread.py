"""R R', the covariance of residuals under independent errors, as a simple matrix less one of low rank."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evaluation.inference.base import group_sums
from evaluation.inference.working import Row, WorkingModel


@dataclass(frozen=True, eq=False)
class Effects:
    """M M' of a model: simple − factors × core × factors', simple being block-diagonal by units.

    Attributes:
        model: whose effects are taken out.
        scaled: whether in the scaled space, where simple takes out unit means; else in the space of the outcome.
        factors: n × m.
        core: m × m, symmetric.
    """

    model: WorkingModel
    scaled: bool
    factors: np.ndarray
    core: np.ndarray

    def simple(self, vector: np.ndarray) -> np.ndarray:
        """The block-diagonal part × a vector (n)."""
        model, column = self.model, vector[:, None]
        if model.units is None:
            return vector
        if self.scaled:
            return np.asarray(vector - model.unit_part(column)[:, 0])
        return np.asarray(_centre(model, _centre_back(model, column))[:, 0])


@dataclass(frozen=True, eq=False)
class Spread:
    """R R' of an effect: that of the effects taken out, less own × core × own'.

    Attributes:
        effects: of the model.
        own: n × p; directions taken out after the effects, then what gives their sizes.
        core: p × p, symmetric.
    """

    effects: Effects
    own: np.ndarray
    core: np.ndarray

    def sums(self, vector: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """By cluster (G × m, G × p): factors and own, each times a vector (n)."""
        column = vector[:, None]
        return group_sums(self.effects.factors * column, codes), group_sums(self.own * column, codes)

    def times(self, vector: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Block-diagonal of R R' by clusters × a vector (n)."""
        shared, own = self.sums(vector, codes)
        low = (self.effects.factors * (shared @ self.effects.core)[codes]).sum(axis=1)
        return np.asarray(self.effects.simple(vector) - low - (self.own * (own @ self.core)[codes]).sum(axis=1))


def effects_of(model: WorkingModel, scaled: bool = True) -> Effects:
    """M M' of a model."""
    if scaled:
        return Effects(model, True, model.basis, np.eye(model.basis.shape[1]))
    root = model.root[:, None]
    raw, weighted = model.basis / root, model.basis * root
    return Effects(model, False, np.hstack([raw, _centre(model, weighted)]), _pair(weighted.T @ weighted))


def spread_of(row: Row, scaled: bool = True) -> Spread:
    """R R' of a row."""
    model, a, c = row.model, row.columns, row.coefficients
    if scaled:
        return Spread(effects_of(model), np.hstack([a, c]), _pair(c.T @ c))
    root = model.root[:, None]
    weights = c * root
    own = np.hstack([a / root, model.residual(weights * root) / root])
    return Spread(effects_of(model, False), own, _pair(weights.T @ weights))


def restricted_spread(model: WorkingModel) -> Spread:
    """M itself: the covariance of residuals when the effect is given."""
    return Spread(effects_of(model), np.empty((len(model.root), 0)), np.empty((0, 0)))


def _pair(gram: np.ndarray) -> np.ndarray:
    """Core of A C' + C A' − A gram A' over [A, C]."""
    count = len(gram)
    out = np.eye(2 * count, k=count) + np.eye(2 * count, k=-count)
    out[:count, :count] = -gram
    return out


def _centre(model: WorkingModel, columns: np.ndarray) -> np.ndarray:
    """Columns (n × p, unscaled) less their unit's weighted mean."""
    root = model.root[:, None]
    return np.asarray(columns - model.unit_part(columns * root) / root)


def _centre_back(model: WorkingModel, columns: np.ndarray) -> np.ndarray:
    """The transpose of `_centre`."""
    root = model.root[:, None]
    return np.asarray(columns - root * model.unit_part(columns / root))
