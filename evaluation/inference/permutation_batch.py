"""Effects and errors of a linear estimator under many assignments, all outcomes at once, on complete, unweighted cells.

Weights by start are had in closed form for every assignment (`permutation_weights`); outcomes share them, and everything else that
does not depend on the outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from evaluation.inference.assignment import Draws
from evaluation.inference.permutation import Moments
from evaluation.inference.permutation_weights import Sizes
from evaluation.panel import NEVER

BLOCK = 4_000_000  # numbers held at once in one array
Weights = Callable[[Sizes], "np.ndarray | None"]


@dataclass(frozen=True, eq=False)
class _Atoms:
    """What is drawn, A atoms: their sums over units, and how many units they have.

    Attributes:
        outcome: O × A × T; the first is the reform; each less its mean by period.
        size: A.
        starts: Q + 1; the last is `NEVER`.
    """

    outcome: np.ndarray
    size: np.ndarray
    starts: np.ndarray


@dataclass(frozen=True, eq=False)
class _Part:
    """R assignments, and the weights under each of their D different numbers of units by start.

    Attributes:
        members, start: R × S, as in `Draws`.
        which: R; place in `weights`.
        counts: D × (Q + 1).
        weights: D × (Q + 1) × T.
        products: D × T(T + 1)/2; products of two weights of units that never start.
        own: D × (Q + 1); Σ weight × (treatment less its share by period).
        size: R × S; units of each member.
    """

    members: np.ndarray
    start: np.ndarray
    which: np.ndarray
    counts: np.ndarray
    weights: np.ndarray
    products: np.ndarray
    own: np.ndarray
    size: np.ndarray


def by_closed_form(
    values: np.ndarray, cohort: np.ndarray, draws: Draws, weights: Weights, own_scores: bool = False
) -> list[Moments] | None:
    """Moments of each outcome, or None where the weights have no closed form.

    Args:
        values: O × N × T, every cell observed.
        cohort: positions of first treated periods as assigned (N).
        draws: the assignments.
        weights: units by start → weights on cells by start, D × (Q + 1) × T.
        own_scores: the scores of group-time effects, whose shares are estimated, instead of those with one constant effect (see
            METHODS.md, randomisation). They need weights that compare with units that never start.
    """
    atoms = _atoms(values, cohort, draws)
    count, slots = draws.members.shape
    periods = values.shape[2]
    width = max(slots * periods, len(atoms.starts) * periods, periods * (periods + 1) // 2)
    effect, square = np.empty((2, len(values), count)), np.empty((3, len(values), count))
    for low in range(0, count, max(1, BLOCK // width)):
        rows = slice(low, low + max(1, BLOCK // width))
        part = _part(atoms, draws.members[rows], draws.start[rows], weights)
        if part is None:
            return None
        _fill(atoms, part, draws.team_first, own_scores, effect[:, :, rows], square[:, :, rows])
    usable = np.isfinite(effect).all(axis=0)
    return [Moments(effect[:, o], square[:, o], usable[o]).clean() for o in range(len(values))]


def _atoms(values: np.ndarray, cohort: np.ndarray, draws: Draws) -> _Atoms:
    on = (cohort[:, None] <= np.arange(values.shape[2])).astype(float)
    both = np.concatenate([on[None], values])
    both = both - both.mean(axis=1, keepdims=True)
    onto = sparse.csr_matrix((np.ones(len(cohort)), (draws.atom, np.arange(len(cohort)))))
    return _Atoms(np.stack([onto @ y for y in both]), np.bincount(draws.atom).astype(float), np.r_[draws.starts, NEVER])


def _part(atoms: _Atoms, members: np.ndarray, start: np.ndarray, weights: Weights) -> _Part | None:
    starts, periods = len(atoms.starts), atoms.outcome.shape[2]
    size = atoms.size[members]
    cell = np.arange(len(members))[:, None] * starts + start
    counts = np.bincount(cell.ravel(), size.ravel(), len(members) * starts).reshape(-1, starts)
    counts[:, -1] = atoms.size.sum() - counts.sum(axis=1)
    first, which = _distinct(counts)
    counts = counts[first]
    sizes = Sizes(counts, atoms.starts, periods)
    made = weights(sizes)
    if made is None:
        return None
    share = counts @ sizes.on / atoms.size.sum()
    own = ((sizes.on - share[:, None, :]) * made).sum(axis=2)
    left, right = np.triu_indices(periods)
    products = made[:, -1, left] * made[:, -1, right]
    return _Part(members, start, which, counts, made, products, own, size)


def _distinct(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First row of each different one, and which of them each row is."""
    radix = counts.max(axis=0) + 1
    if np.log2(radix).sum() < 62:
        place = np.r_[1, np.cumprod(radix[:-1]).astype(np.int64)].astype(np.int64)
        return np.unique(counts.astype(np.int64) @ place, return_index=True, return_inverse=True)[1:]
    first, which = np.unique(counts, axis=0, return_index=True, return_inverse=True)[1:]
    return first, which.reshape(-1)


def _fill(
    atoms: _Atoms, part: _Part, team_first: np.ndarray, own_scores: bool, effect: np.ndarray, square: np.ndarray
) -> None:
    """Effects (2 × O × R) and squares (3 × O × R) of the assignments of one part, written where they belong."""
    totals = _never_totals(atoms, part)
    reform: _Scores | None = None
    for number, own, never, compared in _carried(atoms, part, own_scores):
        made = _scores(atoms, part, number, own, never, compared)
        if reform is None:
            reform = made
            slots, rest = _sums(part, totals, team_first, reform, reform, 0)
            effect[1], square[2] = reform.effect, np.maximum(slots + rest, 0.0)
            continue
        effect[0, number - 1] = made.effect
        for row, other in ((0, made), (1, reform)):
            slots, rest = _sums(part, totals, team_first, made, other, number)
            square[row, number - 1] = np.maximum(slots + rest, 0.0) if row == 0 else slots + rest


@dataclass(frozen=True, eq=False)
class _Totals:
    """Over all atoms, as if none started: Σ of products of outcomes with themselves and with the reform (2 × O × D), and Σ of
    size × outcome (O × D), and of size²."""

    products: np.ndarray
    sized: np.ndarray
    size: float


def _never_totals(atoms: _Atoms, part: _Part) -> _Totals:
    y = atoms.outcome
    left, right = np.triu_indices(y.shape[2])
    forms = np.stack([y.transpose(0, 2, 1) @ y, y.transpose(0, 2, 1) @ y[0]])
    forms = np.where(left == right, 0.5, 1.0) * (forms[:, :, left, right] + forms[:, :, right, left])
    never = part.weights[:, -1]
    return _Totals(forms @ part.products.T, (atoms.size @ y) @ never.T, float(atoms.size @ atoms.size))


def _carried(
    atoms: _Atoms, part: _Part, own_scores: bool
) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray | None]]:
    """For each outcome: Σ weight × outcome of every member by its start, and as if it never started (R × S each), and, where
    scores need it, the mean of the units that never start under the weights of each start (R × (Q + 1))."""
    rows, slots = part.members.shape
    count, starts = len(atoms.outcome), len(atoms.starts)
    way = _by_table if len(part.weights) * starts * len(atoms.size) <= 2 * rows * slots else _by_pairs
    step = max(1, BLOCK // (rows * slots))
    make = way(atoms, part)
    for low in range(0, count, step):
        own, never = make(atoms.outcome[low : low + step])
        compared = _compared(part, atoms.outcome[low : low + step]) if own_scores else None
        for at in range(len(own)):
            yield low + at, own[at], never[at], None if compared is None else compared[:, :, at]


def _by_table(atoms: _Atoms, part: _Part) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Few different weights: every atom under each of them, looked up."""
    starts = len(atoms.starts)
    flat = part.weights.reshape(-1, part.weights.shape[2])
    first = part.members * len(flat) + part.which[:, None] * starts
    own_at, never_at = first + part.start, first + starts - 1

    def make(outcome: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        table = (outcome @ flat.T).reshape(len(outcome), -1)
        return np.take(table, own_at, axis=1), np.take(table, never_at, axis=1)

    return make


def _by_pairs(atoms: _Atoms, part: _Part) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Many different weights: members in the order of their atoms, so that each atom's are one product of matrices."""
    starts, periods = len(atoms.starts), part.weights.shape[2]
    flat = part.weights.reshape(-1, periods)
    member = part.members.ravel()
    order = np.argsort(member.astype(np.int16) if len(atoms.size) < 2**15 else member, kind="stable")
    ends = np.searchsorted(member[order], np.arange(len(atoms.size) + 1))
    first = np.repeat(part.which * starts, part.members.shape[1])[order]
    own_weights, never_weights = flat[first + part.start.ravel()[order]], flat[first + starts - 1]

    def make(outcome: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        both = np.empty((2, len(outcome), len(member)))
        for atom in range(len(atoms.size)):
            at = slice(ends[atom], ends[atom + 1])
            for side, weights in enumerate((own_weights, never_weights)):
                both[side][:, order[at]] = outcome[:, atom] @ weights[at].T
        both = both.reshape(2, len(outcome), *part.members.shape)
        return both[0], both[1]

    return make


def _compared(part: _Part, outcome: np.ndarray) -> np.ndarray:
    """Mean of the units that never start under each start's weights: R × (Q + 1) × O. Over all units outcomes add up to zero."""
    count, atoms, periods = outcome.shape
    rows, slots = part.members.shape
    pointer = np.arange(rows + 1) * slots
    on = sparse.csr_matrix((np.ones(rows * slots), part.members.ravel(), pointer), shape=(rows, atoms))
    flat = np.ascontiguousarray(outcome.transpose(1, 2, 0)).reshape(atoms, -1)
    mean = (on @ flat).reshape(rows, periods, count) / -part.counts[part.which, -1][:, None, None]
    return np.asarray(part.weights[part.which] @ mean)


@dataclass(frozen=True, eq=False)
class _Scores:
    """One outcome: its effect (R), scores of members (R × S), and for the others what they carry and what is taken from it.

    Attributes:
        effect: R.
        slot: R × S.
        number: which outcome.
        never: R × S; what members would carry if they never started.
        taken: R; for each unit of an atom that never starts.
    """

    effect: np.ndarray
    slot: np.ndarray
    number: int
    never: np.ndarray
    taken: np.ndarray


def _scores(
    atoms: _Atoms, part: _Part, number: int, own: np.ndarray, never: np.ndarray, compared: np.ndarray | None
) -> _Scores:
    row = np.arange(len(own))[:, None]
    effect = (own - never).sum(axis=1)
    if compared is None:
        by_start = part.own[part.which] * effect[:, None]
    else:
        share = (part.weights * (atoms.starts[:, None] <= np.arange(part.weights.shape[2]))).sum(axis=2)
        by_start = compared + share[part.which] * effect[:, None]
    return _Scores(effect, own - by_start[row, part.start] * part.size, number, never, by_start[:, -1])


def _sums(
    part: _Part, totals: _Totals, team_first: np.ndarray, left: _Scores, right: _Scores, number: int
) -> tuple[np.ndarray, np.ndarray]:
    """Σ of products of two outcomes' scores, over teams and over the atoms that never start (R each)."""
    teams = [left.slot, right.slot]
    if len(team_first) < left.slot.shape[1]:
        teams = [np.add.reduceat(slot, team_first, axis=1) for slot in teams]
    form = totals.products[0 if left is right else 1, number][part.which]
    cross = form - _dot(left.never, right.never)
    sized = [totals.sized[one.number][part.which] - _dot(part.size, one.never) for one in (left, right)]
    size = totals.size - _dot(part.size, part.size)
    rest = cross - left.taken * sized[1] - right.taken * sized[0] + left.taken * right.taken * size
    return _dot(teams[0], teams[1]), rest


def _dot(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.asarray(np.einsum("ra,ra->r", left, right))
