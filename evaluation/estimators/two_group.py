"""Two groups and two periods with covariates: regression, inverse probability, doubly robust; many contrasts at once.

K contrasts stand side by side as K × R arrays. A row is a unit with its change (`paired`), or a unit in one period, the later
period's rows first (`stacked`, repeated cross-sections). What a contrast weighs each row's outcome with is fixed by treatment,
weights and covariates alone; the outcome comes in with `estimates` and `scores`. Equations: METHODS.md, `group_time`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from evaluation.panel import shares

METHODS = ("regression", "ipw", "doubly_robust")
TRIM = 0.995  # comparison rows at or above it get no weight, as in R's DRDID
OVERLAP = 0.999  # a contrast with a row at or above it has no overlap, as in R's did
RANK = 1e-10  # share of variance below which a direction of the covariates counts as constant
STEPS = 60
FINE, NO_OVERLAP, SINGULAR = 0, 1, 2


@dataclass(frozen=True, eq=False)
class Rows:
    """K contrasts of R rows.

    Attributes:
        treated: weights of treated rows, K × R, 0 elsewhere.
        compared: weights of comparison rows, K × R, 0 elsewhere.
        columns: a constant and the covariates, turned so that they have mean 0, variance 1 and no correlation within each
            contrast (K × R × P); constant directions are 0.
        empty: columns that are 0 throughout (K × P).
    """

    treated: np.ndarray
    compared: np.ndarray
    columns: np.ndarray
    empty: np.ndarray

    @cached_property
    def propensity(self) -> Propensity:
        """Logit of being treated, which no outcome changes."""
        return _propensity(self)


@dataclass(frozen=True, eq=False)
class Contrasts:
    """What a method gives for K contrasts.

    Attributes:
        weights: K × R; `(weights * outcome).sum(axis=1)` are the estimates.
        estimates: K; NaN where there is a problem.
        scores: K × R.
        problem: K; FINE, NO_OVERLAP or SINGULAR.
        trimmed: K; comparison rows without weight because their propensity is `TRIM` or more.
    """

    weights: np.ndarray
    estimates: np.ndarray
    scores: np.ndarray
    problem: np.ndarray
    trimmed: np.ndarray


@dataclass(frozen=True, eq=False)
class Propensity:
    """Logit of being treated: fitted shares (K × R), odds weights of comparison rows, scores × inverse Hessian."""

    fitted: np.ndarray
    odds: np.ndarray
    influence: np.ndarray
    problem: np.ndarray
    trimmed: np.ndarray


def rows_of(treated: np.ndarray, compared: np.ndarray, covariates: np.ndarray) -> Rows:
    """Rows of K contrasts from weights (K × R) and covariates (K × R × C); rows with a missing covariate have no weight."""
    known = ~np.isnan(covariates).any(axis=2)
    treated, compared = np.where(known, treated, 0.0), np.where(known, compared, 0.0)
    weight = treated + compared
    total = np.where(weight.sum(axis=1) > 0, weight.sum(axis=1), 1.0)
    filled = np.where(weight[..., None] > 0, np.nan_to_num(covariates), 0.0)
    mean = np.einsum("kr,krc->kc", weight, filled) / total[:, None]
    centred = np.where(weight[..., None] > 0, filled - mean[:, None, :], 0.0)
    size = np.sqrt(np.einsum("kr,krc->kc", weight, centred**2) / total[:, None])
    level = np.abs(filled).max(axis=1, initial=0.0)
    varies = size > np.sqrt(RANK) * level * 1e-3
    scaled = centred * np.where(varies, 1.0 / np.where(varies, size, 1.0), 0.0)[:, None, :]
    values, vectors = np.linalg.eigh(_gram(scaled, weight) / total[:, None, None])
    good = values > RANK * scaled.shape[2]
    turned = scaled @ (vectors * np.where(good, 1.0 / np.sqrt(np.where(good, values, 1.0)), 0.0)[:, None, :])
    columns = np.concatenate([(weight > 0)[..., None].astype(float), turned], axis=2)
    return Rows(treated, compared, columns, np.column_stack([np.zeros(len(good), bool), ~good]))


def paired(rows: Rows, change: np.ndarray, method: str) -> Contrasts:
    """Effects on changes (K × R): Sant'Anna, Zhao 2020, equations 2.2 (regression), 2.5 (Hájek ipw), 2.6 and 3.1 (panel)."""
    x = rows.columns
    treated = shares(rows.treated)
    mean = _mean(treated, x)
    score = rows.propensity if method != "regression" else None
    odds = np.zeros_like(treated) if score is None else shares(score.odds)
    plain = method == "ipw"
    inverse, singular = _inverse(x, rows.compared, rows.empty)
    fitted = np.zeros_like(inverse[:, 0]) if plain else mean - _mean(odds, x)
    adjust = _on_rows(x, rows.compared, inverse, fitted)
    weights = treated - odds - adjust
    residual = change if plain else change - _fit(x, rows.compared, inverse, change)
    up, down = residual - _dot(treated, residual), residual - _dot(odds, residual)
    scores = treated * up - odds * down - adjust * residual
    if score is not None:
        scores -= _influence(score, x, odds * down)
    return _finish(weights, change, scores, score, singular & ~np.bool_(plain))


def stacked(rows: Rows, outcome: np.ndarray, method: str) -> Contrasts:
    """Effects on rows of two periods (K × R, the later period's half first): Sant'Anna, Zhao 2020, equations 2.3 and 3.4.

    Both halves may hold the same units: scores are of rows, to be added up within units.
    """
    score = rows.propensity if method != "regression" else None
    half = np.arange(rows.treated.shape[1]) < rows.treated.shape[1] // 2
    weights, scores = np.zeros_like(rows.treated), np.zeros_like(rows.treated)
    singular = np.zeros(len(weights), bool)
    for when, sign in ((half, 1.0), (~half, -1.0)):
        w, s, bad = _period(rows, when, outcome, method, score)
        weights += sign * w
        scores += sign * s
        singular |= bad
    return _finish(weights, outcome, scores, score, singular)


def _period(
    rows: Rows, when: np.ndarray, outcome: np.ndarray, method: str, score: Propensity | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights, scores and singularity of one period's part: treated mean less what the comparison says it would be."""
    x, everyone = rows.columns, shares(rows.treated)
    treated = shares(rows.treated * when)
    odds = np.zeros_like(treated) if score is None else shares(score.odds * when)
    if method == "ipw":
        up, down = outcome - _dot(treated, outcome), outcome - _dot(odds, outcome)
        assert score is not None
        scores = treated * up - odds * down - _influence(score, x, odds * down)
        return treated - odds, scores, np.zeros(len(x), bool)
    mean = _mean(everyone, x)
    compared = rows.compared * when
    inverse, bad = _inverse(x, compared, rows.empty)
    control = _fit(x, compared, inverse, outcome)
    adjust = _on_rows(x, compared, inverse, mean - _mean(odds, x))
    residual = outcome - control
    if score is None:
        gap = control - _dot(everyone, control)
        scores = treated * (outcome - _dot(treated, outcome)) - everyone * gap - adjust * residual
        return treated - adjust, scores, bad
    own, bad_too = _inverse(x, rows.treated * when, rows.empty)
    treated_fit = _fit(x, rows.treated * when, own, outcome)
    shift = _on_rows(x, rows.treated * when, own, mean - _mean(treated, x))
    gap = treated_fit - control
    up, down = residual - _dot(treated, residual), residual - _dot(odds, residual)
    scores = treated * up - odds * down - adjust * residual - _influence(score, x, odds * down)
    scores += shift * (outcome - treated_fit) + everyone * (gap - _dot(everyone, gap)) - treated * (gap - _dot(treated, gap))
    return treated - odds - adjust + shift, scores, bad | bad_too


def _finish(
    weights: np.ndarray, outcome: np.ndarray, scores: np.ndarray, score: Propensity | None, singular: np.ndarray
) -> Contrasts:
    overlap = np.zeros(len(weights), bool) if score is None else score.problem
    problem = np.where(overlap, NO_OVERLAP, np.where(singular, SINGULAR, FINE))
    estimates = np.where(problem == FINE, (weights * outcome).sum(axis=1), np.nan)
    trimmed = np.zeros(len(weights), int) if score is None else score.trimmed
    return Contrasts(weights, estimates, scores, problem, trimmed)


def _propensity(rows: Rows) -> Propensity:
    """Weighted logit by Newton's method with halved steps, all contrasts at once."""
    x, treated, weight = rows.columns, rows.treated > 0, rows.treated + rows.compared
    total = np.where(weight.sum(axis=1) > 0, weight.sum(axis=1), 1.0)
    share = np.clip(rows.treated.sum(axis=1) / total, 1e-9, 1 - 1e-9)
    beta = np.zeros((len(x), x.shape[2]))
    beta[:, 0] = np.log(share / (1 - share))
    sign = np.where(treated, 1.0, -1.0)

    def loss(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        index = _times(x, at)
        small = np.exp(-np.abs(index))
        fitted = np.where(index > 0, 1.0, small) / (1.0 + small)
        return np.einsum("kr,kr->k", weight, np.log1p(small) + np.maximum(-sign * index, 0.0)) / total, fitted

    (value, fitted), moving = loss(beta), np.ones(len(x), bool)
    for _ in range(STEPS):
        slope = _mean(weight * (treated - fitted), x) / total[:, None]
        step = np.linalg.solve(_hessian(x, weight, fitted, rows.empty, total), slope[..., None])[..., 0]
        moving = (slope * step).sum(axis=1) > 1e-20
        if not moving.any():
            break
        length = np.where(moving, 1.0, 0.0)
        for _ in range(20):
            new, fitted = loss(beta + length[:, None] * step)
            worse = new > value * (1 + 1e-12)
            if not worse.any():
                break
            length = np.where(worse, length / 2, length)
        beta, value = beta + length[:, None] * step, new
    fitted = np.minimum(fitted, 1 - 1e-6)
    inverse = np.linalg.inv(_hessian(x, weight, fitted, rows.empty, total)) / total[:, None, None]
    influence = (weight * (treated - fitted))[..., None] * (x @ inverse)
    cut = (rows.compared > 0) & (fitted >= TRIM)
    odds = np.where(cut, 0.0, rows.compared * fitted / (1 - fitted))
    problem = ((weight > 0) & (fitted >= OVERLAP)).any(axis=1)
    return Propensity(fitted, odds, influence, problem, cut.sum(axis=1))


def _hessian(x: np.ndarray, weight: np.ndarray, fitted: np.ndarray, empty: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Mean of w p (1 − p) x x', made invertible on columns that are empty and, by a hair, where all shares are 0 or 1."""
    hessian = _gram(x, weight * fitted * (1 - fitted)) / total[:, None, None]
    return hessian + np.eye(x.shape[2]) * (empty[:, :, None] + 1e-16)


def _gram(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Σ over rows of w x x': K × P × P."""
    return np.asarray((x * weight[..., None]).swapaxes(1, 2) @ x)


def _inverse(x: np.ndarray, weight: np.ndarray, empty: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inverse of Σ w x x' (K × P × P) and where there is none: these rows do not vary in all that the contrast varies in."""
    total = weight.sum(axis=1)
    some = np.where(total > 0, total, 1.0)
    gram = _gram(x, weight) / some[:, None, None] + np.eye(x.shape[2]) * empty[:, :, None]
    singular = np.linalg.eigvalsh(gram)[:, 0] < RANK
    gram = np.where(singular[:, None, None], np.eye(x.shape[2]), gram)
    return np.linalg.inv(gram) / some[:, None, None], singular


def _mean(share: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.asarray((share[:, None, :] @ x)[:, 0])


def _times(x: np.ndarray, beta: np.ndarray) -> np.ndarray:
    return np.asarray((x @ beta[..., None])[..., 0])


def _dot(share: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.asarray((share * values).sum(axis=1, keepdims=True))


def _on_rows(x: np.ndarray, weight: np.ndarray, inverse: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Weights on rows of the least-squares fit at a point (K × P): w x'(Σ w x x')⁻¹ at."""
    return weight * _times(x, (inverse @ at[..., None])[..., 0])


def _fit(x: np.ndarray, weight: np.ndarray, inverse: np.ndarray, outcome: np.ndarray) -> np.ndarray:
    return _times(x, (inverse @ _mean(weight * outcome, x)[..., None])[..., 0])


def _influence(score: Propensity, x: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """How the estimated logit moves a mean whose derivative is Σ moved × x."""
    return _times(score.influence, _mean(moved, x))
