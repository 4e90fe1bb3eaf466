"""The working model of a linear estimator: unit effects + period effects + θ × treated + error, with its weights on cells."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from evaluation.errors import NotEstimable, PanelError
from evaluation.estimators.two_way import within
from evaluation.inference.base import group_sums
from evaluation.panel import Panel
from evaluation.result import Result
from evaluation.robustness.paths import Picks
from evaluation.robustness.refit import overall_row

MANY = 4  # paths to a draw, beyond which outcomes are made one by one
CLOSE = 1e-6  # how near to 1 the weights of treated cells must add up


@dataclass(frozen=True, eq=False)
class Working:
    """One row of a result as weights on cells.

    Attributes:
        panel: the panel it was estimated on.
        weights: of the effect on cells, N × T, 0 where missing.
        cell_weights: those of the outcome, N × T: error variances go with their inverse.
        treated: cells under the reform that are observed, N × T.
    """

    panel: Panel
    weights: np.ndarray
    cell_weights: np.ndarray
    treated: np.ndarray

    @classmethod
    def of(cls, result: Result, row: int | None = None) -> Working | NotEstimable:
        """The working model of a row; default the effect as a whole. `NotEstimable` where the estimator is not linear."""
        panel, at = result.panel, overall_row(result, "this check") if row is None else row
        if result.builder is None or result.own_df is not None:
            reason = f"{result.estimator} is not a fixed sum of weights and cells"
            return NotEstimable(reason, "Use a linear estimator, for example group_time.")
        shape = (len(panel.units), len(panel.periods))
        try:
            on_cells = result.weights
        except PanelError as error:  # an estimator that keeps none says so when asked
            return NotEstimable(str(error).rstrip("."), "Use a linear estimator, for example group_time.")
        width = on_cells.shape[1]
        if width != shape[0] * shape[1]:
            return NotEstimable(f"the weights of {result.estimator} are not on the panel's cells", "Use group_time.")
        weights = np.asarray(on_cells[at].todense()).reshape(shape)
        outcome = panel.outcomes.index(str(result.labels["outcome"].iloc[at]))
        cells = panel.weights[outcome]
        on = (panel.cohort[:, None] <= np.arange(shape[1])[None, :]) & (cells > 0)
        return cls(panel, np.where(cells > 0, weights, 0.0), cells, on)

    @cached_property
    def constant(self) -> bool:
        """Whether the weights of treated cells add up to one, so that the model's θ is the effect."""
        return bool(abs(self.weights[self.treated].sum() - 1) < CLOSE)

    @cached_property
    def scaled(self) -> np.ndarray:
        """Weights on cells scaled to one error variance: w ÷ √ω, N × T."""
        root = np.sqrt(self.cell_weights)
        return np.divide(self.weights, root, out=np.zeros_like(self.weights), where=root > 0)

    @cached_property
    def treated_within(self) -> np.ndarray:
        """Treatment with unit and period effects taken out, N × T."""
        return within(self.treated[:, :, None].astype(float), self.cell_weights)[0][:, :, 0]

    def residuals(self, outcomes: np.ndarray) -> np.ndarray:
        """Residuals of outcomes (N × T × B) at the estimator's own effect, N × T × B; 0 where missing."""
        effects = np.einsum("nt,ntb->b", self.weights, outcomes)
        left, _ = within(outcomes, self.cell_weights)
        seen = (self.cell_weights > 0)[:, :, None]
        return np.where(seen, left - self.treated_within[:, :, None] * effects, 0.0)


@dataclass(frozen=True, eq=False)
class Scorer:
    """Cluster sums w_g'û_g of many outcomes at once.

    Attributes:
        model: the working model.
        codes: cluster of each unit (N), G of them.
        on_periods: G × T: weights of period effects, with the sign to be taken off.
        with_treated: G: w_g'M·D.
        share: N × T: cell weights as shares of the unit.
    """

    model: Working
    codes: np.ndarray
    on_periods: np.ndarray
    with_treated: np.ndarray
    share: np.ndarray

    @classmethod
    def of(cls, model: Working, codes: np.ndarray) -> Scorer:
        """For clusters of units (N)."""
        w, groups = model.weights, int(codes.max()) + 1
        share, normal = _normal(model.cell_weights)
        on_periods = np.zeros((groups, w.shape[1]))
        np.add.at(on_periods, codes, w - share * w.sum(axis=1)[:, None])
        with_treated = np.bincount(codes, (w * model.treated_within).sum(axis=1), groups)
        return cls(model, codes, on_periods @ np.linalg.pinv(normal, hermitian=True, rcond=1e-10), with_treated, share)

    def sums(self, outcomes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Effects (D) and cluster sums (G × D) of outcomes, N × T × D without missing values."""
        own = np.einsum("nt,ntd->nd", self._of_units, outcomes)
        mean = np.einsum("nt,ntd->nd", self.share, outcomes)
        by_period = np.einsum("nt,ntd->td", self.model.cell_weights, outcomes) - self.model.cell_weights.T @ mean
        return self._sums(own, self.codes, np.einsum("nt,ntd->d", self.model.weights, outcomes), by_period)

    def drawn(self, picks: Picks) -> tuple[np.ndarray, np.ndarray]:
        """Effects (D) and cluster sums (G × D) of drawn outcomes: what each path brings is looked up, and no outcome is made."""
        (periods, count), (parts, draws) = picks.bank.shape, picks.index.shape
        if count > MANY * draws:  # looking up would take longer
            return self.sums(picks.outcomes())
        onto, omega = picks.onto.T.tocsr(), self.model.cell_weights
        tables = ((onto @ on) @ picks.bank for on in (self._of_units, self.model.weights))
        own, effects = (np.take_along_axis(table, picks.index, axis=1) for table in tables)
        centred = omega[:, :, None] * (np.eye(periods) - self.share[:, None, :])
        kinds, kind = np.unique(onto @ centred.reshape(len(omega), -1), axis=0, return_inverse=True)
        brought = (kinds.reshape(-1, periods, periods) @ picks.bank).transpose(0, 2, 1).reshape(-1, periods)
        lines = (picks.index + count * kind.reshape(-1, 1)).T.ravel()
        adds = sparse.csr_matrix((np.ones(lines.size), lines, np.arange(draws + 1) * parts), shape=(draws, len(brought)))
        codes = self.codes[onto.indices[onto.indptr[:-1]]]  # all units of a part lie in one cluster
        return self._sums(own, codes, effects.sum(axis=0), np.asarray(adds @ brought).T)

    @property
    def _of_units(self) -> np.ndarray:
        """Weights less those of the unit's mean, N × T."""
        return np.asarray(self.model.weights - self.share * self.model.weights.sum(axis=1)[:, None])

    def _sums(
        self, own: np.ndarray, codes: np.ndarray, effects: np.ndarray, by_period: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Effects and cluster sums from those of parts with their clusters, and period sums less unit means (T × D)."""
        scores = group_sums(own, codes) - self.on_periods @ by_period
        return effects, scores - self.with_treated[:, None] * effects


def _normal(omega: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cell weights as shares of the unit, and the normal matrix of period effects beside unit effects (T × T)."""
    total = omega.sum(axis=1)
    share = np.divide(omega, total[:, None], out=np.zeros_like(omega), where=total[:, None] > 0)
    return share, np.diag(omega.sum(axis=0)) - omega.T @ share


def working_df(model: Working, codes: np.ndarray) -> float | None:
    """Satterthwaite degrees of freedom of the clustered variance Σ(w_g'û_g)² under errors of one variance (ω-scaled).

    Bell, McCaffrey (2002) for the unadjusted variance: (tr G)² ÷ tr(G²), G = W'RR'W over clusters, R = M − M·D·w'. Unit effects
    lie within clusters, so G is a diagonal less a matrix of the rank of the periods, plus two: no N × N array is made.

    Args:
        model: the working model.
        codes: cluster of each unit (N).

    Returns:
        The degrees of freedom; None where the weights of treated cells do not add up to one.
    """
    if not model.constant:
        return None
    diagonal, left, core = _gram(model, codes)
    half = left.T @ left @ core
    inner = np.einsum("gi,ij,gj->g", left, core, left)
    trace = diagonal.sum() + inner.sum()
    square = (diagonal**2).sum() + 2 * (diagonal * inner).sum() + np.trace(half @ half)
    return float(trace**2 / square)


def _gram(model: Working, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """G as diagonal + left · core · left'."""
    w, omega = model.weights, model.cell_weights
    groups = int(codes.max()) + 1
    total = omega.sum(axis=1)
    by_unit = np.divide(w.sum(axis=1), np.sqrt(total), out=np.zeros_like(total), where=total > 0)
    diagonal = np.bincount(codes, (model.scaled**2).sum(axis=1) - by_unit**2, groups)
    share, normal = _normal(omega)
    on_periods = np.zeros((groups, w.shape[1]))
    np.add.at(on_periods, codes, w - share * w.sum(axis=1)[:, None])
    with_treated = np.bincount(codes, (w * model.treated_within).sum(axis=1), groups)
    own = within(np.divide(w, omega, out=np.zeros_like(w), where=omega > 0)[:, :, None], omega)[0][:, :, 0]
    with_weights = np.bincount(codes, (w * own).sum(axis=1), groups)
    left = np.column_stack([on_periods, with_weights, with_treated])
    periods = w.shape[1]
    core = np.zeros((periods + 2, periods + 2))
    core[:periods, :periods] = -np.linalg.pinv(normal, hermitian=True, rcond=1e-10)
    core[-2, -1] = core[-1, -2] = -1.0
    # R R' = M − M·w·(M·D)' − M·D·(M·w)' + (w'w)·(M·D)(M·D)' in scaled space
    core[-1, -1] = float((model.scaled**2).sum())
    return diagonal, left, core


def partial_leverage(model: Working, codes: np.ndarray) -> np.ndarray:
    """Each cluster's share of Σ w²/ω (G): for two-way least squares the partial leverage of the treatment."""
    amount = np.bincount(codes, (model.scaled**2).sum(axis=1), int(codes.max()) + 1)
    return np.asarray(amount / amount.sum())
