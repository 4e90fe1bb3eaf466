"""Effects and their errors under many assignments at once, for the outcome and for the reform itself.

A null effect θ0 takes θ0·D off the outcome, D being 1 on treated cells as assigned. Effects and scores are linear in the outcome,
so both channels together give the statistic of every assignment under every θ0 without fitting anything again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse

from evaluation.inference.assignment import Draws
from evaluation.panel import NEVER, Panel

HELD = 400_000  # numbers held at once in one array: few enough to stay near the processor
ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Moments:
    """What R assignments give for one effect; the first is the assignment as it was.

    Attributes:
        effect: 2 × R; the effect on the outcome and on the reform.
        square: 3 × R; Σ over clusters of (Σ scores)²: outcome, outcome × reform, reform.
        usable: R; whether the effect can be had under the assignment.
    """

    effect: np.ndarray
    square: np.ndarray
    usable: np.ndarray

    def clean(self) -> Moments:
        """Rounding dust in the scores of the reform set to zero: as assigned, a constant effect leaves no residual."""
        square = self.square.copy()
        dust = square[2] <= ROUNDING * np.nanmax(square[2], initial=0.0)
        square[1:, dust] = 0.0
        return Moments(self.effect, square, self.usable)


@dataclass(frozen=True, eq=False)
class Pairs:
    """Group-time contrasts from a base to a later period, P of them, for units (or atoms).

    Attributes:
        start: P; place in the list of starts.
        stratum: P; contrasts that are averaged together first.
        multiple: P; periods that a contrast sums over.
        compare: (Q + 1) × P; whether units of a start compare (last line: those that never start).
        change: 2 × N × P; weight × change of outcome and of reform.
        weight: N × P; weight of the change, 0 where it is not observed.
        size: N; weight in group shares.
    """

    start: np.ndarray
    stratum: np.ndarray
    multiple: np.ndarray
    compare: np.ndarray
    change: np.ndarray
    weight: np.ndarray
    size: np.ndarray

    def summed(self, atom: np.ndarray) -> Pairs:
        """The same for atoms."""
        on = sparse.csr_matrix((np.ones(len(atom)), (atom, np.arange(len(atom)))))
        change = np.stack([on @ self.change[0], on @ self.change[1]])
        return replace(self, change=change, weight=on @ self.weight, size=on @ self.size)


def reform(panel: Panel) -> np.ndarray:
    """1 on treated cells (N × T), whatever is observed."""
    return (panel.cohort[:, None] <= np.arange(len(panel.periods))).astype(float)


def pairs_of(panel: Panel, options: Mapping[str, Any], aggregate: str, starts: np.ndarray) -> Pairs:
    """The contrasts that `group_time` averages for one outcome, without covariates; see METHODS.md, `randomisation`."""
    weight, size = _unit_weights(panel, options)
    place, time, base = _post_cells(panel, options, starts)
    both = weight[:, time] * (weight[:, base] > 0)
    filled = np.nan_to_num(panel.values[0])
    on = reform(panel)
    change = np.stack([both * (y[:, time] - y[:, base]) for y in (filled, on)])
    compare = _compare(panel, options, starts, place, time, base)
    event = time - starts[place]
    stratum = {"event_time": event, "calendar": time}.get(aggregate, np.zeros(len(time), int))
    stratum = np.unique(stratum, return_inverse=True)[1].reshape(-1)
    out = Pairs(place, stratum, np.ones(len(time)), compare, change, both, size)
    same = np.array_equal(both, np.repeat(both[:, :1], both.shape[1], axis=1)) if both.size else False
    return _collapsed(out) if same else out


def _unit_weights(panel: Panel, options: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    given, seen = panel.weights[0], panel.weights[0] > 0
    if (options["unit_weight"] or "first") == "own":
        count = seen.sum(axis=1)
        return given, np.divide(given.sum(axis=1), count, out=np.zeros(len(given)), where=count > 0)
    first = given[np.arange(len(given)), seen.argmax(axis=1)]
    return np.where(seen, first[:, None], 0.0), first


def _post_cells(panel: Panel, options: Mapping[str, Any], starts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Start (its place), period and base of every contrast after a start."""
    count, ahead = len(panel.periods), int(options["anticipation"])
    limited = options["control"] == "last_treated" or not (panel.cohort >= NEVER).any()
    last = starts.max() if limited else NEVER
    found = [
        (q, t, int(g) - ahead - 1)
        for q, g in enumerate(starts)
        if g < min(last, count) and g - ahead - 1 >= 0
        for t in range(int(g), count)
    ]
    table = np.array(found, dtype=int).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]


def _compare(
    panel: Panel, options: Mapping[str, Any], starts: np.ndarray, place: np.ndarray, time: np.ndarray, base: np.ndarray
) -> np.ndarray:
    cohort = np.r_[starts, NEVER][:, None]
    if options["control"] == "never_treated":
        return np.repeat(cohort >= NEVER, len(place), axis=1)
    if options["control"] == "last_treated":
        return np.repeat(cohort == panel.cohort.max(), len(place), axis=1)
    return (cohort > np.maximum(time, base) + int(options["anticipation"])) & (np.arange(len(cohort))[:, None] != place)


def _collapsed(pairs: Pairs) -> Pairs:
    """Where every contrast has the same weights, those of one start with the same comparison are one sum."""
    key = np.column_stack([pairs.start, pairs.stratum, pairs.compare.T])
    rows, to = np.unique(key, axis=0, return_inverse=True)
    onto = np.zeros((len(to), len(rows)))
    onto[np.arange(len(to)), to.reshape(-1)] = 1.0
    compare = rows[:, 2:].T.astype(bool)
    return Pairs(rows[:, 0], rows[:, 1], onto.sum(axis=0), compare, pairs.change @ onto, pairs.weight @ onto, pairs.size)


def by_pairs(pairs: Pairs, draws: Draws, aggregate: str) -> Moments:
    """Group-time effects under every assignment, exactly as `group_time` makes them, with its scores.

    Args:
        pairs: of units, from `pairs_of`.
        draws: the assignments.
        aggregate: overall, event_time, cohort, calendar or region: whose overall row is meant.
    """
    table = pairs.summed(draws.atom)
    count = len(draws.members)
    effect, square = np.empty((2, count)), np.empty((3, count))
    width = max(len(table.size), draws.members.shape[1], (len(draws.starts) + 1) * 3 * len(table.start))
    step = max(1, HELD // width)
    for low in range(0, count, step):
        part = slice(low, low + step)
        effect[:, part], square[:, part] = _pairs_block(table, draws.members[part], draws.start[part], draws, aggregate)
    return Moments(effect, square, np.asarray(np.isfinite(effect).all(axis=0))).clean()


def by_start(members: np.ndarray, start: np.ndarray, count: int, width: int) -> Iterator[sparse.csr_matrix]:
    """Which atoms have each start, a matrix (rows × atoms) for each of `count` starts."""
    rows, slots = members.shape
    fixed = bool((start == start[0]).all())
    for q in range(count):
        columns = np.flatnonzero(start[0] == q) if fixed else np.arange(slots)
        held = (start[:, columns] == q).astype(float).reshape(-1)
        pointer = np.arange(rows + 1) * len(columns)
        indices = members[:, columns].reshape(-1)
        yield sparse.csr_matrix((held, indices, pointer), shape=(rows, width))


@dataclass(frozen=True, eq=False)
class _Block:
    """Contrasts of some assignments: means, coefficients of scores and what shares add to them."""

    effect: np.ndarray
    treated_mean: np.ndarray
    compared_mean: np.ndarray
    treated_part: np.ndarray
    compared_part: np.ndarray
    moved: np.ndarray


def _pairs_block(
    table: Pairs, members: np.ndarray, start: np.ndarray, draws: Draws, aggregate: str
) -> tuple[np.ndarray, np.ndarray]:
    """Effects (2 × R) and squares (3 × R) of R assignments."""
    block = _contrasts(table, members, start, len(draws.starts), aggregate)
    rest = _comparison_scores(table, block, members)
    slots = _slot_scores(table, block, members, start, len(draws.starts))
    teams = np.add.reduceat(slots, draws.team_first, axis=1) if slots.shape[1] else slots
    square = np.stack([_dot(rest[i], rest[j]) + _dot(teams[i].T, teams[j].T) for i, j in ((0, 0), (0, 1), (1, 1))])
    return block.effect, square


def _dot(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.einsum("ra,ra->r", left, right)


def _contrasts(table: Pairs, members: np.ndarray, start: np.ndarray, count: int, aggregate: str) -> _Block:
    rows, pairs = len(members), len(table.start)
    whole = np.concatenate([table.change[0], table.change[1], table.weight, table.size[:, None]], axis=1)
    sums = np.empty((count + 1, rows, whole.shape[1]))
    for q, on in enumerate(by_start(members, start, count, len(table.size))):
        sums[q] = on @ whole
    sums[count] = whole.sum(axis=0) - sums[:count].sum(axis=0)
    own = np.arange(pairs)
    mine = [sums[table.start, :, i * pairs + own].T for i in range(3)]
    theirs = [np.einsum("qp,qrp->rp", table.compare.astype(float), sums[:, :, i * pairs : (i + 1) * pairs]) for i in range(3)]
    seen = (mine[2] > 0) & (theirs[2] > ROUNDING * whole[:, 2 * pairs : 3 * pairs].sum(axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        treated_mean = np.stack([np.where(seen, m / mine[2], 0.0) for m in mine[:2]])
        compared_mean = np.stack([np.where(seen, m / theirs[2], 0.0) for m in theirs[:2]])
        gap = treated_mean - compared_mean
        per_share = _per_share(table, seen, sums[:, :, -1].T, aggregate)
        weight = sums[table.start, :, -1].T * per_share
        effect = np.einsum("rp,crp->cr", weight, gap)
        effect[:, ~seen.any(axis=1)] = np.nan
        compared_part = np.where(seen, weight / theirs[2], 0.0)
        treated_part = np.where(seen, weight / mine[2], 0.0)
    moved = _moved(table, per_share, weight, gap, count)
    return _Block(effect, treated_mean, compared_mean, treated_part, compared_part, moved)


def _per_share(table: Pairs, seen: np.ndarray, shares: np.ndarray, aggregate: str) -> np.ndarray:
    """Weight of every contrast divided by its start's share (R × P)."""
    multiple = table.multiple * seen
    if aggregate == "cohort":
        periods = _summed_by(multiple, table.start, shares.shape[1])
        multiple = multiple / np.where(periods > 0, periods, 1.0)[:, table.start]
    strata = int(table.stratum.max()) + 1
    total = _summed_by(multiple * shares[:, table.start], table.stratum, strata)
    real = (total > 0).sum(axis=1, keepdims=True)
    return np.asarray(multiple / np.where(total > 0, total, 1.0)[:, table.stratum] / np.maximum(real, 1))


def _summed_by(values: np.ndarray, key: np.ndarray, count: int) -> np.ndarray:
    """Columns of values (… × P) added up by key: … × count."""
    onto = np.zeros((len(key), count))
    onto[np.arange(len(key)), key] = 1.0
    return np.asarray(values @ onto)


def _moved(table: Pairs, per_share: np.ndarray, weight: np.ndarray, gap: np.ndarray, count: int) -> np.ndarray:
    """What one unit of size adds to a score because shares are estimated, by start: 2 × R × Q."""
    strata = int(table.stratum.max()) + 1
    heavy = _summed_by(weight, table.stratum, strata)
    mean = _summed_by(weight * gap, table.stratum, strata) / np.where(heavy > 0, heavy, 1.0)
    return _summed_by(per_share * (gap - mean[:, :, table.stratum]), table.start, count)


def _comparison_scores(table: Pairs, block: _Block, members: np.ndarray) -> np.ndarray:
    """Scores of atoms that never start, 0 for the others: 2 × R × A."""
    never = table.compare[-1]
    part = block.compared_part[:, never]
    out = np.empty((2, len(members), len(table.size)))
    column = np.arange(len(members))[:, None]
    for channel in range(2):
        factors = np.hstack([-part, part * block.compared_mean[channel][:, never]])
        out[channel] = factors @ np.hstack([table.change[channel][:, never], table.weight[:, never]]).T
        out[channel][column, members] = 0.0
    return out


def _slot_scores(table: Pairs, block: _Block, members: np.ndarray, start: np.ndarray, count: int) -> np.ndarray:
    """Scores of atoms that start, in the order of the columns: 2 × S × R, so that numpy runs along the rows."""
    out = np.zeros((2, members.shape[1], len(members)))
    fixed = bool((start == start[0]).all())
    change, weight = table.change.transpose(0, 2, 1).copy(), table.weight.T.copy()
    parts = block.treated_part.T.copy(), -block.compared_part.T
    means = block.treated_mean.transpose(0, 2, 1).copy(), block.compared_mean.transpose(0, 2, 1).copy()
    for q in range(count):
        row, column = (slice(None), np.flatnonzero(start[0] == q)) if fixed else np.nonzero(start == q)
        atom = members.T[column, row]
        score = [table.size[atom] * moved[row, q] for moved in block.moved]
        for which, part, mean in zip((table.start == q, table.compare[q]), parts, means, strict=True):
            for p in np.flatnonzero(which):
                heavy, share = weight[p].take(atom), part[p, row]
                for channel in range(2):
                    score[channel] += share * (change[channel, p].take(atom) - mean[channel, p, row] * heavy)
        out[:, column, row] = score
    return out


def by_weights(panel: Panel, weights: np.ndarray, draws: Draws, chosen: np.ndarray) -> Moments:
    """Effects of a linear estimator whose weights on cells depend on the start alone, complete cells of one outcome.

    The score of a unit is Σ over periods of weight × residual, the residual being that of unit and period effects and one
    constant effect: for `two_way_fixed_effects` the least-squares score.

    Args:
        panel: of one outcome, every cell observed.
        weights: (Q + 1) × T; weights on a unit's cells by its start, the last line for units that never start.
        draws: the assignments.
        chosen: those in which the starts have as many units as the weights are for.
    """
    members, start = draws.members[chosen], draws.start[chosen]
    atoms, never = int(draws.atom.max()) + 1, len(draws.starts)
    size = np.bincount(draws.atom, minlength=atoms).astype(float)
    share = _treated_share(panel, draws, int(chosen[0]))
    on = np.r_[draws.starts, NEVER][:, None] <= np.arange(len(panel.periods))
    own = ((on - share) * weights).sum(axis=1)
    table = []
    for y in (panel.values[0], reform(panel)):
        by_atom = np.zeros((atoms, never + 1))
        np.add.at(by_atom, draws.atom, (y - y.mean(axis=0)) @ weights.T)
        table.append(by_atom)
    effect = np.stack([a[:, never].sum() + (a[members, start] - a[members, never]).sum(axis=1) for a in table])
    slots = np.stack([a[members, start] - e[:, None] * own[start] * size[members] for a, e in zip(table, effect, strict=True)])
    teams = np.add.reduceat(slots, draws.team_first, axis=2)
    left, right = (0, 0, 1), (0, 1, 1)
    rest = _rest_squares([a[:, never] for a in table], size, effect * own[never], members)
    square = np.stack([_dot(teams[i], teams[j]) for i, j in zip(left, right, strict=True)]) + rest
    return Moments(effect, square, np.ones(len(chosen), bool))


def _treated_share(panel: Panel, draws: Draws, row: int) -> np.ndarray:
    """Share of units treated in each period (T) under one assignment."""
    return np.asarray((draws.cohort(row)[:, None] <= np.arange(len(panel.periods))).mean(axis=0))


def _rest_squares(table: list[np.ndarray], size: np.ndarray, taken: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Σ over atoms in no column of the products of (table − taken × size): 3 × R."""

    def left(values: np.ndarray) -> np.ndarray:
        return np.asarray(values.sum() - values[members].sum(axis=1))

    by_size, sizes = [left(a * size) for a in table], left(size * size)
    out = []
    for i, j in ((0, 0), (0, 1), (1, 1)):
        cross = left(table[i] * table[j])
        out.append(cross - taken[i] * by_size[j] - taken[j] * by_size[i] + taken[i] * taken[j] * sizes)
    return np.stack(out)
