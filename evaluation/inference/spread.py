"""R R', the covariance of residuals under independent errors, as a simple matrix less one of low rank."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evaluation.inference.base import group_sums
from evaluation.inference.working import Row, WorkingModel


@dataclass(frozen=True, eq=False)
class Spread:
    """R R' = simple − factors × core × factors', simple being block-diagonal by units.

    Attributes:
        factors: n × m.
        core: m × m, symmetric.
        scaled: whether in the scaled space, where simple takes out unit means; else in the space of the outcome.
        shared: how many factors are the model's basis, with 1 for a core and nothing between them and the others.
    """

    model: WorkingModel
    factors: np.ndarray
    core: np.ndarray
    scaled: bool
    shared: int = 0

    def simple(self, vector: np.ndarray) -> np.ndarray:
        """The block-diagonal part × a vector (n)."""
        model, column = self.model, vector[:, None]
        if model.units is None:
            return vector
        if self.scaled:
            return np.asarray(vector - model.unit_part(column)[:, 0])
        return np.asarray(_centre(model, _centre_back(model, column))[:, 0])

    def times(self, vector: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Block-diagonal of R R' by clusters × a vector (n)."""
        inner = group_sums(self.factors * vector[:, None], codes) @ self.core
        return np.asarray(self.simple(vector) - (self.factors * inner[codes]).sum(axis=1))


def spread_of(row: Row, scaled: bool = True) -> Spread:
    """R R' of a row."""
    model = row.model
    a, c = row.columns, row.coefficients
    if scaled:
        core = _blocks(np.eye(model.basis.shape[1]), _pair(c.T @ c))
        return Spread(model, np.hstack([model.basis, a, c]), core, True, model.basis.shape[1])
    root = model.root[:, None]
    raw, weights = model.basis / root, c * root
    gram = (model.basis * root).T @ (model.basis * root)
    factors = [raw, _centre(model, model.basis * root), a / root, model.residual(weights * root) / root]
    return Spread(model, np.hstack(factors), _blocks(_pair(gram), _pair(weights.T @ weights)), False)


def restricted_spread(model: WorkingModel) -> Spread:
    """M itself: the covariance of residuals when the effect is given."""
    return Spread(model, model.basis, np.eye(model.basis.shape[1]), True, model.basis.shape[1])


def _pair(gram: np.ndarray) -> np.ndarray:
    """Core of A C' + C A' − A gram A' over [A, C]."""
    one = np.eye(len(gram))
    return np.block([[-gram, one], [one, np.zeros_like(gram)]])


def _blocks(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    out = np.zeros((len(first) + len(second),) * 2)
    out[: len(first), : len(first)], out[len(first) :, len(first) :] = first, second
    return out


def _centre(model: WorkingModel, columns: np.ndarray) -> np.ndarray:
    """Columns (n × p, unscaled) less their unit's weighted mean."""
    root = model.root[:, None]
    return np.asarray(columns - model.unit_part(columns * root) / root)


def _centre_back(model: WorkingModel, columns: np.ndarray) -> np.ndarray:
    """The transpose of `_centre`."""
    root = model.root[:, None]
    return np.asarray(columns - root * model.unit_part(columns / root))
