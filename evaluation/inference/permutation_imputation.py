"""Imputation (and two-stage) effects and errors under many assignments, with missing cells and weights, exactly.

Under an assignment the normal equations of the untreated cells are sums over atoms of one matrix for each start, so that they are
looked up; one small system is solved for each assignment.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from evaluation.inference.assignment import Draws
from evaluation.inference.permutation import Moments, reform
from evaluation.inference.permutation_two_way import two_way_residuals
from evaluation.panel import NEVER, Panel, shares

HELD = 2_000_000  # numbers held at once in one array


@dataclass(frozen=True, eq=False)
class _Tables:
    """Sums over the units of A atoms, by start, the last for units that never start: A(Q + 1) lines, T periods that are observed.

    Attributes:
        normal: lines × T(T + 1)/2; upper triangle of the normal equations of period effects from untreated cells.
        pulled: lines × T; weight of treated cells, less its sum by unit on untreated cells.
        size: lines; weight of treated cells that have an untreated cell of their unit.
        linked: lines × (T − 1); untreated units observed in two periods that follow each other.
        gain: 2 × lines; Σ weight of treated cells × residual less the unit's mean before, of outcome and of reform.
        before: 2 × lines × T; weight of untreated cells × residual less the unit's mean before.
        crossed: lines × T; weight × (treatment less its unit mean), all cells.
        inverse: T × T; pseudo-inverse of the normal equations of period effects from all cells.
    """

    normal: np.ndarray
    pulled: np.ndarray
    size: np.ndarray
    linked: np.ndarray
    gain: np.ndarray
    before: np.ndarray
    crossed: np.ndarray
    inverse: np.ndarray


def by_imputation(panel: Panel, draws: Draws) -> Moments | None:
    """The overall effect of one outcome under every assignment; None where some assignment leaves periods without a link.

    Scores are Σ over periods of weight × residual from unit effects, period effects and one constant effect.
    """
    tables = _tables(panel, draws)
    starts, count = len(draws.starts) + 1, len(draws.members)
    step = max(1, HELD // max(tables.normal.shape[1] * draws.members.shape[1], tables.pulled.shape[1] ** 2))
    effect, square = np.empty((2, count)), np.empty((3, count))
    for low in range(0, count, step):
        rows = slice(low, low + step)
        members = draws.members[rows]
        made = _block(tables, members, members * starts + draws.start[rows], starts, draws.team_first)
        if made is None:
            return None
        effect[:, rows], square[:, rows] = made
    return Moments(effect, square, np.asarray(np.isfinite(effect).all(axis=0))).clean()


def _tables(panel: Panel, draws: Draws) -> _Tables:
    seen = np.flatnonzero((panel.weights[0] > 0).any(axis=0))
    weights = panel.weights[0][:, seen]
    on = np.r_[draws.starts, NEVER][:, None] <= seen
    residual, inverse = two_way_residuals((np.nan_to_num(panel.values[0])[:, seen], reform(panel)[:, seen]), weights)
    share = shares(weights)
    onto = sparse.csr_matrix((np.ones(len(draws.atom)), (draws.atom, np.arange(len(draws.atom)))))
    made: list[list[np.ndarray]] = []
    for treated in on:
        found = _of_start(weights, treated, residual)
        crossed = weights * (treated - (share @ treated)[:, None])
        made.append([onto @ one for one in (*found, crossed)])
    normal, pulled, linked, sums, *before, crossed = (
        np.stack(parts, axis=1).reshape(-1, parts[0].shape[1]) for parts in zip(*made, strict=True)
    )
    return _Tables(normal, pulled, sums[:, 0], linked, sums[:, 1:].T, np.stack(before), crossed, inverse)


def _of_start(weights: np.ndarray, treated: np.ndarray, residual: np.ndarray) -> list[np.ndarray]:
    """What every unit brings if it has one start: normal, pulled, linked, (size, gains), before; N lines each."""
    left = weights * ~treated
    total = left.sum(axis=1, keepdims=True)
    share = np.divide(left, total, out=np.zeros_like(left), where=total > 0)
    taken = weights * treated * (total > 0)
    size = taken.sum(axis=1, keepdims=True)
    above = np.triu_indices(weights.shape[1])
    normal = -left[:, above[0]] * share[:, above[1]]
    normal[:, above[0] == above[1]] += left
    centred = residual - np.einsum("nt,knt->kn", share, residual)[:, :, None]
    sums = np.column_stack([size, *(taken * centred).sum(axis=2)])
    linked = ((left[:, 1:] > 0) & (left[:, :-1] > 0)).astype(float)
    return [normal, taken - share * size, linked, sums, *(left * centred)]


def _block(
    tables: _Tables, members: np.ndarray, line: np.ndarray, starts: int, team_first: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Effects (2 × R) and squares (3 × R); `line` (R × S) says which line of the tables each member is."""
    add = _Sums(line, starts, len(tables.size))
    if not (add(tables.linked) > 0.5).all() or not (add(tables.size[:, None]) > 0).all():
        return None
    size = add(tables.size[:, None])[:, 0]
    period = _solved(add(tables.normal), add(tables.pulled))
    reform_period = add(tables.crossed) @ tables.inverse
    above = np.triu_indices(period.shape[1])
    form = period[:, above[0]] * reform_period[:, above[1]] + reform_period[:, above[0]] * period[:, above[1]]
    form[:, above[0] == above[1]] /= 2
    never = slice(starts - 1, None, starts)
    own_rest = form @ tables.normal[never].T
    own = tables.size[line] + np.einsum("rsk,rk->rs", tables.normal[line], form)
    own -= np.einsum("rst,rt->rs", tables.pulled[line], reform_period)
    row = np.arange(len(members))[:, None]
    effect, teams, rests = np.empty((2, len(members))), [], []
    for channel, (gain, before) in enumerate(zip(tables.gain, tables.before, strict=True)):
        rest = -(period @ before[never].T)
        slot = gain[line] - np.einsum("rst,rt->rs", before[line], period)
        raw = slot.sum(axis=1) + rest.sum(axis=1) - rest[row, members].sum(axis=1)
        effect[channel] = raw / size
        slot -= effect[channel][:, None] * own
        rest -= effect[channel][:, None] * own_rest
        rest[row, members] = 0.0
        teams.append(np.add.reduceat(slot, team_first, axis=1) / size[:, None])
        rests.append(rest / size[:, None])
    pairs = ((0, 0), (0, 1), (1, 1))
    sums = [np.einsum("ra,ra->r", s[i], s[j]) for i, j in pairs for s in (teams, rests)]
    return effect, np.stack([sums[2 * k] + sums[2 * k + 1] for k in range(3)])


class _Sums:
    """Adds up lines of a table under every assignment: those of all atoms, each by its start."""

    def __init__(self, line: np.ndarray, starts: int, lines: int) -> None:
        pointer = np.arange(len(line) + 1) * line.shape[1]
        self.on = sparse.csr_matrix((np.ones(line.size), line.ravel(), pointer), shape=(len(line), lines))
        self.starts = starts

    def __call__(self, table: np.ndarray) -> np.ndarray:
        """Table (lines × K) → R × K."""
        by_atom = table.reshape(-1, self.starts, table.shape[1])
        change = by_atom - by_atom[:, -1:]
        return np.asarray(self.on @ change.reshape(table.shape) + by_atom[:, -1].sum(axis=0))


def _solved(normal: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Period effects (R × T, the first 0) from packed normal equations of linked periods."""
    periods = right.shape[1]
    above = np.triu_indices(periods)
    place = np.empty((periods, periods), int)
    place[above] = place.T[above] = np.arange(len(above[0]))
    out = np.zeros_like(right)
    out[:, 1:] = np.linalg.solve(normal[:, place[1:, 1:]], right[:, 1:, None])[:, :, 0]
    return out
