"""The static two-way effect and its least-squares scores under many assignments, with missing cells and weights, exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from evaluation.inference.assignment import Draws
from evaluation.inference.permutation import HELD, Moments, by_start, reform
from evaluation.panel import Panel, shares

RANK = 1e-10  # relative size below which a direction counts as not identified


@dataclass(frozen=True, eq=False)
class Tables:
    """Sums over the units of each atom; starts c are columns, A atoms, Q starts, T periods.

    Attributes:
        inverse: T × T; pseudo-inverse of the normal equations of period effects beside unit effects.
        outcome: 2 × A × Q; Σ weight × residual on the cells that start c would treat, of outcome and of reform.
        own: A × Q; Σ weight × (treatment − its unit mean)².
        cross: A × Q × T; Σ weight × (treatment − its unit mean).
        residual: 2 × A × T; Σ weight × residual from unit and period effects.
        spread: A × P; what each product of two period effects adds to a squared regressor, or A × 1 where units are alike.
        alike: T × T; the form that `spread` multiplies where units are alike, else None.
    """

    inverse: np.ndarray
    outcome: np.ndarray
    own: np.ndarray
    cross: np.ndarray
    residual: np.ndarray
    spread: np.ndarray
    alike: np.ndarray | None


def tables_of(panel: Panel, draws: Draws) -> Tables:
    """Tables of one outcome."""
    weights, periods = panel.weights[0], len(panel.periods)
    left, inverse = two_way_residuals((np.nan_to_num(panel.values[0]), reform(panel)), weights)
    share = shares(weights)
    onto = sparse.csr_matrix((np.ones(len(draws.atom)), (draws.atom, np.arange(len(draws.atom)))))
    on = (draws.starts[:, None] <= np.arange(periods)).astype(float)
    mean = share @ on.T
    centred = on[None] - mean[:, :, None]
    cross, own = weights[:, None, :] * centred, np.einsum("nt,nqt->nq", weights, centred**2)
    same = bool((weights == weights[:1]).all())
    first = weights[0]
    alike = np.diag(first) - np.outer(first, first) / first.sum() if same else None
    upper = np.triu_indices(periods)
    spread = np.ones((len(weights), 1)) if same else -(weights[:, upper[0]] * share[:, upper[1]])
    if not same:
        spread = spread * np.where(upper[0] == upper[1], 1.0, 2.0)
        spread[:, upper[0] == upper[1]] += weights
    carried = left * weights
    return Tables(
        inverse=inverse,
        outcome=np.stack([onto @ (c @ on.T) for c in carried]),
        own=onto @ own,
        cross=(onto @ cross.reshape(len(weights), -1)).reshape(-1, len(on), periods),
        residual=np.stack([onto @ c for c in carried]),
        spread=np.asarray(onto @ spread),
        alike=alike,
    )


def two_way_residuals(outcomes: tuple[np.ndarray, ...], weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Residuals of outcomes (each N × T) from unit and period effects, stacked.

    Beside them the pseudo-inverse of the normal equations of period effects beside unit effects (T × T).
    """
    share = shares(weights)
    values, vectors = np.linalg.eigh(np.diag(weights.sum(axis=0)) - weights.T @ share)
    good = values > RANK * values.max()
    inverse = (vectors[:, good] / values[good]) @ vectors[:, good].T
    return np.stack([_within(y, weights, share, inverse) for y in outcomes]), inverse


def _within(values: np.ndarray, weights: np.ndarray, share: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    """Residuals from unit and period effects (N × T)."""
    centred = values - (share * values).sum(axis=1, keepdims=True)
    period = inverse @ (weights * centred).sum(axis=0)
    return np.asarray(np.where(weights > 0, centred - period + (share @ period)[:, None], 0.0))


def by_two_way(panel: Panel, draws: Draws) -> Moments:
    """The static two-way effect of one outcome under every assignment, with the scores of least squares.

    With δ the period effects of the treatment, the regressor's residual is x = D − unit mean − δ + its unit mean, so that sums of
    x·residual and of x² over an atom need only tables by start and forms in δ.
    """
    tables = tables_of(panel, draws)
    count = len(draws.members)
    effect, square = np.empty((2, count)), np.empty((3, count))
    step = max(1, HELD // max(len(tables.own), tables.spread.shape[1], draws.members.shape[1]))
    for low in range(0, count, step):
        part = slice(low, low + step)
        effect[:, part], square[:, part] = _block(tables, draws.members[part], draws.start[part], draws.team_first)
    return Moments(effect, square, np.asarray(np.isfinite(effect).all(axis=0))).clean()


def _block(tables: Tables, members: np.ndarray, start: np.ndarray, team_first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    atoms, starts, periods = tables.cross.shape
    crossed, raw = np.zeros((len(members), periods)), np.zeros(len(members))
    top = np.zeros((2, len(members)))
    for q, on in enumerate(by_start(members, start, starts, atoms)):
        crossed += on @ tables.cross[:, q]
        raw += on @ tables.own[:, q]
        top += np.stack([on @ table[:, q] for table in tables.outcome])
    period = crossed @ tables.inverse
    bottom = raw - np.einsum("rt,rt->r", crossed, period)
    with np.errstate(divide="ignore", invalid="ignore"):
        effect = np.where(bottom > RANK * raw, top / bottom, np.nan)
    squares = _forms(tables, period)
    row, slot = np.arange(len(members))[:, None], members
    moved = np.stack([period @ tables.cross[:, q].T for q in range(starts)])[start, row, slot]
    squared = squares[row, slot if squares.shape[1] > 1 else 0] * (tables.spread[slot, 0] if tables.alike is not None else 1.0)
    squared = squared + tables.own[slot, start] - 2 * moved
    rests, teams = [], []
    for channel in range(2):
        score = -(period @ tables.residual[channel].T)
        mine = score[row, slot] + tables.outcome[channel][slot, start] - effect[channel][:, None] * squared
        score -= effect[channel][:, None] * (squares * tables.spread[:, 0] if tables.alike is not None else squares)
        score[row, slot] = 0.0
        rests.append(score)
        teams.append(np.add.reduceat(mine, team_first, axis=1))
    pairs = ((0, 0), (0, 1), (1, 1))
    sums = [np.einsum("ra,ra->r", rests[i], rests[j]) + np.einsum("ra,ra->r", teams[i], teams[j]) for i, j in pairs]
    with np.errstate(divide="ignore", invalid="ignore"):
        return effect, np.stack(sums) / bottom**2


def _forms(tables: Tables, period: np.ndarray) -> np.ndarray:
    """Σ weight × (period effect − its unit mean)² of every atom (R × A), or of one unit (R × 1) where units are alike."""
    if tables.alike is not None:
        return np.asarray(np.einsum("rt,ts,rs->r", period, tables.alike, period, optimize=True)[:, None])
    upper = np.triu_indices(period.shape[1])
    return np.asarray((period[:, upper[0]] * period[:, upper[1]]) @ tables.spread.T)
