"""Least squares that the staggered estimators share, unit effects always taken out in closed form (no N × N matrix anywhere).

Two fits: `first_stage` (unit and period effects from untreated cells; Borusyak, Jaravel, Spiess 2024, equation 5) and `saturated`
(effects that vary by cohort and period only; its normal equations are sums of one T × T block a cohort).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import linalg, sparse
from scipy.sparse import csgraph

from evaluation.errors import NotEstimable
from evaluation.panel import Panel, shares

RANK = 1e-10  # relative size below which a direction counts as not identified


@dataclass(frozen=True, eq=False)
class Rows:
    """What is asked for: K labelled rows, each an average of n effects (of cells or of cohort × period groups).

    Attributes:
        labels: K.
        shares: n × K; each column sums to 1.
    """

    labels: list[dict[str, Any]]
    shares: np.ndarray


def rows_of(
    panel: Panel, aggregate: str, cohort: np.ndarray, time: np.ndarray, weight: np.ndarray, region: np.ndarray | None = None
) -> Rows:
    """Average n effects by weight into the rows of an aggregate; all but `overall` and `cells` end with their own average.

    Args:
        panel: for the names of periods and regions.
        aggregate: overall, cells, event_time, cohort, calendar or region.
        cohort: positions of the start (n).
        time: positions of the period (n).
        weight: weights of the effects (n), positive.
        region: codes of the region (n), where the aggregate is region.

    The average is that of the rows after the start: plain over event times and periods, by size of cohort (its mean weight a
    period) over cohorts, by weight over regions.
    """
    code = {
        "overall": np.zeros_like(time),
        "cells": cohort * len(panel.periods) + time,
        "event_time": time - cohort,
        "cohort": cohort,
        "calendar": time,
        "region": np.zeros_like(time) if region is None else region,
    }[aggregate]
    found, at = np.unique(code, return_inverse=True)
    shares = np.zeros((len(code), len(found)))
    shares[np.arange(len(code)), at] = weight / np.bincount(at, weight)[at]
    labels = [_label(panel, aggregate, int(c)) for c in found]
    if aggregate in ("overall", "cells"):
        return Rows(labels, shares)
    after = np.array([label["kind"] == "post" for label in labels])
    if not after.any():
        return Rows(labels, shares)
    size: np.ndarray = np.ones(len(found))
    if aggregate in ("cohort", "region"):
        size = np.bincount(at, weight)
    if aggregate == "cohort":
        size = size / np.array([len(np.unique(time[at == k])) for k in range(len(found))])
    average = np.where(after, size, 0.0) / size[after].sum()
    key = _column(panel, aggregate)
    return Rows([*labels, {key: None, "kind": "average"}], np.column_stack([shares, shares @ average]))


def _column(panel: Panel, aggregate: str) -> str:
    if aggregate == "region":
        name = panel.region or "region"
        return "region" if name in ("outcome", "kind") else name
    return {"event_time": "event_time", "cohort": "cohort", "calendar": "period"}[aggregate]


def _label(panel: Panel, aggregate: str, code: int) -> dict[str, Any]:
    if aggregate == "overall":
        return {"kind": "overall"}
    if aggregate == "cells":
        group, time = divmod(code, len(panel.periods))
        kind = "post" if time >= group else "pre"
        return {"cohort": panel.periods[group], "period": panel.periods[time], "event_time": time - group, "kind": kind}
    if aggregate == "event_time":
        return {"event_time": code, "kind": "post" if code >= 0 else "pre"}
    if aggregate == "region":
        return {_column(panel, aggregate): panel.clusters[panel.region or ""][1][code], "kind": "post"}
    return {_column(panel, aggregate): panel.periods[code], "kind": "post"}


def no_region(panel: Panel, aggregate: str) -> NotEstimable | None:
    """The refusal when regions are asked for and the panel has none."""
    if aggregate == "region" and panel.region is None:
        return NotEstimable("the panel has no region", "Name the region's column in Panel.from_frame(region=...).")
    return None


def treated_cells(panel: Panel) -> np.ndarray:
    """Cells at or after their unit's start (N × T)."""
    on: np.ndarray = panel.cohort[:, None] <= np.arange(len(panel.periods))[None, :]
    return on


def listed(names: Sequence[Any], most: int = 5) -> str:
    """The first few names, and how many more."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(str(name) for name in names[:most]) + more


def with_small_sample(scores: np.ndarray, observations: int, parameters: int) -> np.ndarray:
    """Scores that carry the factor (n − 1)/(n − k) of their own regression, for rows that each have one."""
    return scores * np.sqrt((observations - 1.0) / max(observations - parameters, 1))


@dataclass(frozen=True, eq=False)
class FirstStage:
    """Unit and period effects from untreated cells, before an outcome is seen.

    Attributes:
        weights: weights of untreated cells, N × T, 0 elsewhere.
        share: the same over their sum by unit.
        inverse: generalised inverse of the period effects' normal matrix once unit effects are out, T × T.
        imputed: cells whose untreated outcome is identified, N × T.
        known: those of them that are observed.
    """

    weights: np.ndarray
    share: np.ndarray
    inverse: np.ndarray
    imputed: np.ndarray
    known: np.ndarray

    def residual(self, values: np.ndarray) -> np.ndarray:
        """Outcome (N × T, NaN where missing) less unit and period effect; 0 where not observed or not identified."""
        outcome = np.nan_to_num(values)
        mean = (self.share * outcome).sum(axis=1, keepdims=True)
        period = self.inverse @ (self.weights * (outcome - mean)).sum(axis=0)
        fitted = mean + period[None, :] - (self.share @ period)[:, None]
        return np.where(self.known, outcome - fitted, 0.0)

    def on_periods(self, unit: np.ndarray, time: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For K weightings (n × K) of cells (unit, time): what first-stage error costs, as unit (N × K) and period (T × K) terms.

        The weight on an untreated cell is −w·(unit term + period term): v* of Borusyak, Jaravel, Spiess (Proposition A3).
        """
        count, periods = self.weights.shape
        cell = np.arange(len(unit))
        by_unit = sparse.csr_array((np.ones(len(unit)), (unit, cell)), shape=(count, len(unit))) @ weight
        by_period = sparse.csr_array((np.ones(len(unit)), (time, cell)), shape=(periods, len(unit))) @ weight
        period = self.inverse @ (by_period - self.share.T @ by_unit)
        total = self.weights.sum(axis=1)[:, None]
        return np.divide(by_unit, total, out=np.zeros_like(by_unit), where=total > 0) - self.share @ period, period

    def scores(self, residual: np.ndarray, period: np.ndarray) -> np.ndarray:
        """Scores (N × K) of the first stage. Unit terms fall out: weighted residuals of a unit sum to zero."""
        made: np.ndarray = -(self.weights * residual) @ period
        return made

    def on_cells(self, unit_term: np.ndarray, period: np.ndarray) -> np.ndarray:
        """Weights on untreated cells, K × N × T."""
        made: np.ndarray = -self.weights[None] * (unit_term.T[:, :, None] + period.T[:, None, :])
        return made


def first_stage(panel: Panel) -> FirstStage:
    """Weighted two-way fit of untreated cells; every other cell's residual is its estimated effect."""
    weights = np.where(treated_cells(panel), 0.0, panel.weights[0])
    share = shares(weights)
    inverse = _pseudo_inverse(np.diag(weights.sum(axis=0)) - weights.T @ share)
    imputed = _connected(weights)
    return FirstStage(weights, share, inverse, imputed, imputed & (panel.weights[0] > 0))


def _connected(weights: np.ndarray) -> np.ndarray:
    """Cells whose unit and period are linked through untreated cells: their unit plus period effect is identified."""
    count, periods = weights.shape
    unit, time = np.nonzero(weights)
    graph = sparse.csr_array((np.ones(len(unit)), (unit, time + count)), shape=(count + periods, count + periods))
    part = csgraph.connected_components(graph, directed=False)[1]
    linked: np.ndarray = part[:count, None] == part[None, count:]
    return linked


def _pseudo_inverse(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    good = values > RANK * max(values.max(), np.finfo(float).tiny)
    made: np.ndarray = (vectors[:, good] / values[good]) @ vectors[:, good].T
    return made


@dataclass(frozen=True, eq=False)
class Saturated:
    """A least-squares fit whose regressors vary by cohort and period only, with unit (or cohort) effects taken out.

    Attributes:
        code: cohort of each unit (N), 0 … G − 1.
        design: regressors, G × T × P.
        weights: N × T.
        share: weights over their sum by unit (or by cohort), N × T.
        inverse: generalised inverse of the normal matrix, P × P, sparse: zero between cohorts that share no parameter.
        known: P × R basis of the identified directions, or None where all but `fixed` are.
        estimates: P, 0 where fixed.
        residual: N × T.
        fixed: parameters set to zero: P booleans.
    """

    code: np.ndarray
    design: np.ndarray
    weights: np.ndarray
    share: np.ndarray
    inverse: sparse.csr_array
    known: np.ndarray | None
    estimates: np.ndarray
    residual: np.ndarray
    fixed: np.ndarray

    @property
    def rank(self) -> int:
        """Number of identified parameters."""
        return int((~self.fixed).sum()) if self.known is None else self.known.shape[1]

    def identified(self, contrasts: np.ndarray) -> np.ndarray:
        """Which contrasts (P × K) of the parameters the data identify (K)."""
        if self.known is None:
            return np.ones(contrasts.shape[1], bool)
        free = np.where(self.fixed[:, None], 0.0, contrasts)
        left = free - self.known @ (self.known.T @ free)
        found: np.ndarray = np.abs(left).max(axis=0) <= 1e-7 * np.maximum(np.abs(free).max(axis=0), 1.0)
        return found

    def along(self, contrasts: np.ndarray) -> Along:
        """What contrasts (P × K) take of each cohort and unit, whatever the outcome."""
        groups, periods, count = self.design.shape
        flat = sparse.csr_array(self.design.reshape(groups * periods, count))
        profile = np.asarray(flat @ (self.inverse @ contrasts)).reshape(groups, periods, -1)
        units = tuple(np.flatnonzero(self.code == g) for g in range(groups))
        centre = np.empty((len(self.code), contrasts.shape[1]))
        for g, at in enumerate(units):
            centre[at] = self.share[at] @ profile[g]
        return Along(profile, centre, units)

    def scores(self, along: Along) -> np.ndarray:
        """Scores (N × K) of contrasts."""
        moved = self.weights * self.residual
        out = np.empty(along.centre.shape)
        for profile, at in zip(along.profile, along.units, strict=True):
            out[at] = moved[at] @ profile
        out -= moved.sum(axis=1)[:, None] * along.centre
        return out

    def on_cells(self, along: Along) -> np.ndarray:
        """Weights of contrasts on cells, K × N × T: times the outcome they give the contrast."""
        spread = along.profile[self.code] - along.centre[:, None, :]
        made: np.ndarray = np.moveaxis(spread * self.weights[:, :, None], 2, 0)
        return made


@dataclass(frozen=True, eq=False)
class Along:
    """What K contrasts of a saturated fit take of the outcome.

    Attributes:
        profile: weights on the period dummies of each cohort, G × T × K.
        centre: their mean by unit, N × K.
        units: positions of each cohort's units, G of them.
    """

    profile: np.ndarray
    centre: np.ndarray
    units: tuple[np.ndarray, ...]


@dataclass(frozen=True, eq=False)
class Normal:
    """The normal equations of a saturated fit, solved before an outcome is seen: outcomes share them.

    Attributes:
        design: regressors and who has them.
        weights: N × T.
        effects: whether "unit" or "cohort" effects are taken out.
        share: as in `Saturated`, as are `inverse` and `known`.
        flat: the regressors as a sparse G·T × P matrix.
        onto: adds units up by cohort, G × N.
    """

    design: GroupDesign
    weights: np.ndarray
    effects: str
    share: np.ndarray
    inverse: sparse.csr_array
    known: np.ndarray | None
    flat: sparse.csr_array
    onto: sparse.csr_array

    def fit(self, values: np.ndarray) -> Saturated:
        """Fit values (N × T, NaN where missing)."""
        code, filled = self.design.code, np.nan_to_num(values)
        groups, periods = self.design.design.shape[:2]
        mean = (self.share * filled).sum(axis=1, keepdims=True)
        if self.effects != "unit":
            mean = _of_cohort(self.weights * filled, self.weights, code, groups)[:, None]
        right = self.onto @ (self.weights * (filled - mean))
        estimates = self.inverse @ (self.flat.T @ right.ravel())
        profile = (self.flat @ estimates).reshape(groups, periods)[code]
        pulled = (self.share * profile).sum(axis=1, keepdims=True)
        residual = np.where(self.weights > 0, filled - mean - profile + pulled, 0.0)
        known = (self.share, self.inverse, self.known)
        return Saturated(code, self.design.design, self.weights, *known, estimates, residual, self.design.fixed)


def normal_of(weights: np.ndarray, design: GroupDesign, effects: str = "unit") -> Normal:
    """Normal equations under weights (N × T), fixed parameters at zero, unit or cohort effects taken out.

    The normal matrix is Σ over cohorts of R'MR, with R the cohort's T × P regressors and M the T × T matrix of its period dummies
    once its units' effects are out.
    """
    code, regressors = design.code, design.design
    groups, periods, count = regressors.shape
    share = _shares(weights, code, groups, effects)
    blocks = np.empty((groups, periods, periods))
    for g in range(groups):
        at = code == g
        blocks[g] = np.diag(weights[at].sum(axis=0)) - weights[at].T @ share[at]
    flat = sparse.csr_array(regressors.reshape(groups * periods, count))
    inverse, known = _solve(flat.T @ (blocks @ regressors).reshape(groups * periods, count), design.fixed)
    onto = sparse.csr_array((np.ones(len(code)), (code, np.arange(len(code)))), shape=(groups, len(code)))
    return Normal(design, weights, effects, share, inverse, known, flat, onto)


def _shares(weights: np.ndarray, code: np.ndarray, groups: int, effects: str) -> np.ndarray:
    """Weights over their sum by unit; with cohort effects, every unit has its cohort's."""
    base = weights
    if effects != "unit":
        sums = np.zeros((groups, weights.shape[1]))
        np.add.at(sums, code, weights)
        base = sums[code]
    total = base.sum(axis=1, keepdims=True)
    return np.divide(base, total, out=np.zeros_like(base), where=total > 0)


def _of_cohort(top: np.ndarray, bottom: np.ndarray, code: np.ndarray, groups: int) -> np.ndarray:
    """Ratio of sums by cohort, for each unit (N)."""
    above = np.bincount(code, top.sum(axis=1), groups)
    below = np.bincount(code, bottom.sum(axis=1), groups)
    ratio: np.ndarray = np.divide(above, below, out=np.zeros(groups), where=below > 0)[code]
    return ratio


def _solve(normal: np.ndarray, fixed: np.ndarray) -> tuple[sparse.csr_array, np.ndarray | None]:
    """Inverse of the free part, block by block; where it is singular, the generalised one and a basis of what is identified."""
    inverse, free = np.zeros_like(normal), np.flatnonzero(~fixed)
    part = csgraph.connected_components(sparse.csr_array(normal[np.ix_(free, free)] != 0), directed=False)[1]
    bases, whole = [], True
    for p in range(part.max() + 1 if len(free) else 0):
        at = free[part == p]
        block = normal[np.ix_(at, at)]
        made = _cholesky_inverse(block)
        basis = np.eye(len(at))
        if made is None:
            values, vectors = np.linalg.eigh(block)
            good = values > RANK * max(values.max(), np.finfo(float).tiny)
            basis, whole = vectors[:, good], False
            made = (basis / values[good]) @ basis.T
        inverse[np.ix_(at, at)] = made
        placed = np.zeros((len(normal), basis.shape[1]))
        placed[at] = basis
        bases.append(placed)
    return sparse.csr_array(inverse), None if whole else np.column_stack(bases)


def _cholesky_inverse(block: np.ndarray) -> np.ndarray | None:
    """Inverse of a positive definite matrix, or None where it is not one to working precision."""
    size = np.diag(block)
    if not (size > 0).all():
        return None
    scale = 1 / np.sqrt(size)
    factor, failed = linalg.lapack.dpotrf(block * np.outer(scale, scale), lower=1)
    if failed or (np.diag(factor) ** 2).min() <= RANK:
        return None
    half = linalg.lapack.dtrtri(np.tril(factor), lower=1)[0] * scale  # of small blocks, on one thread: no waiting, same bits
    made: np.ndarray = half.T @ half
    return made


@dataclass(frozen=True, eq=False)
class GroupDesign:
    """Cohort × period effects as contrasts of a saturated fit.

    Attributes:
        code: cohort of each unit (N), 0 … G − 1.
        design: regressors, G × T × P.
        fixed: P booleans: parameters set to zero, by normalisation or because they are never observed.
        seen: P booleans: parameters with an observed cell, or fixed at a reference that is observed.
        group: cohort code of each effect (n).
        cohort: start of each effect (n).
        time: period of each effect (n).
        weight: weight of its observed cells (n).
        contrasts: P × n.
    """

    code: np.ndarray
    design: np.ndarray
    fixed: np.ndarray
    seen: np.ndarray
    group: np.ndarray
    cohort: np.ndarray
    time: np.ndarray
    weight: np.ndarray
    contrasts: np.ndarray

    def possible(self) -> np.ndarray:
        """Effects whose contrast needs observed parameters only (n)."""
        made: np.ndarray = ~((self.contrasts != 0) & ~self.seen[:, None]).any(axis=0)
        return made

    def keep(self, which: np.ndarray) -> GroupDesign:
        """The same with only some effects."""
        parts = {name: getattr(self, name)[which] for name in ("group", "cohort", "time", "weight")}
        return replace(self, **parts, contrasts=self.contrasts[:, which])


def group_design(panel: Panel, weights: np.ndarray, reference: int | None) -> GroupDesign:
    """The design with an effect of its own for each cohort and period.

    Args:
        panel: of one outcome; units that start after the last period compare.
        weights: N × T of the cells that enter.
        reference: event time compared with: every other period of a cohort then has its own effect, and the units that do not
            adopt compare. None: periods from the start on have an effect, and all untreated cells compare.
    """
    starts, code = np.unique(panel.cohort, return_inverse=True)
    groups, periods = len(starts), len(panel.periods)
    time, row = np.arange(periods), np.arange(groups)[:, None]
    by_group = np.zeros((groups, periods))
    np.add.at(by_group, code, weights)
    adopts = starts[:, None] < periods
    own = adopts & ((reference is not None) | (time[None, :] >= starts[:, None]))
    index = np.where(own, np.cumsum(own.ravel()).reshape(groups, periods) - 1 + periods, time[None, :])
    count = periods + int(own.sum())
    design, seen = np.zeros((groups, periods, count)), np.zeros(count, bool)
    design[row, time[None, :], index] = 1.0
    seen[index[by_group > 0]] = True
    fixed = ~seen
    fixed[np.flatnonzero(seen[:periods])[:1]] = True
    based = (
        np.zeros_like(own) if reference is None else adopts & (time[None, :] == np.where(adopts, starts[:, None], 0) + reference)
    )
    fixed[index[based]] = True
    group, when = np.nonzero(own & (by_group > 0) & ~based)
    contrasts = np.zeros((count, len(group)))
    column = np.arange(len(group))
    contrasts[index[group, when], column] += 1.0
    contrasts[when, column] -= 1.0
    if reference is not None:
        base = starts[group] + reference
        inside = (base >= 0) & (base < periods)
        base = np.where(inside, base, 0)
        contrasts[index[group, base], column] -= 1.0
        contrasts[base, column] += 1.0
        outside = np.unique(index[group, when][~inside])
        seen[outside] = False
    return GroupDesign(code, design, fixed, seen, group, starts[group], when, by_group[group, when], contrasts)


def static_design(panel: Panel, weights: np.ndarray) -> GroupDesign:
    """The design with period effects and one effect for all treated cells."""
    saturated_one = group_design(panel, weights, None)
    periods = len(panel.periods)
    design = np.concatenate([np.zeros((len(saturated_one.design), periods, periods)), saturated_one.design[:, :, :1] * 0], axis=2)
    design[:, np.arange(periods), np.arange(periods)] = 1.0
    design[:, :, periods] = saturated_one.design[:, :, periods:].sum(axis=2)
    seen = np.append((weights > 0).any(axis=0), True)
    fixed = ~seen
    fixed[np.flatnonzero(seen[:periods])[:1]] = True
    contrasts = np.zeros((periods + 1, len(saturated_one.time)))
    contrasts[periods] = 1.0
    return replace(saturated_one, design=design, fixed=fixed, seen=seen, contrasts=contrasts)
