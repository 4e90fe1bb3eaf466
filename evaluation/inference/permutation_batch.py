"""Effects and errors of a linear estimator under many assignments, all outcomes at once, on complete, unweighted cells.

Weights by start are had in closed form for every assignment (`permutation_weights`); outcomes share them, and everything else
that does not depend on the outcome.
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
            METHODS.md, randomisation). Each start's weights must then be a multiple of one profile, held against units that never
            start.
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
    usable = np.asarray(np.isfinite(effect).all(axis=0))
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
    own = np.einsum("dqt,dqt->dq", sizes.on - share[:, None, :], made)
    return _Part(members, start, which, counts, made, _products(made[:, -1]), own, size)


def _products(weights: np.ndarray) -> np.ndarray:
    """Products of two columns of D × T, in the order of the upper triangle: D × T(T + 1)/2."""
    periods, low = weights.shape[1], 0
    column = np.ascontiguousarray(weights.T)
    out = np.empty((periods * (periods + 1) // 2, len(weights)))
    for t in range(periods):
        np.multiply(column[t], column[t:], out=out[low : low + periods - t])
        low += periods - t
    return out.T


def _distinct(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First row of each different one, and which of them each row is."""
    radix = counts.max(axis=0) + 1
    if np.log2(radix).sum() < 62:
        place = np.r_[1, np.cumprod(radix[:-1]).astype(np.int64)].astype(np.int64)
        return np.unique(counts.astype(np.int64) @ place, return_index=True, return_inverse=True)[1:]
    first, which = np.unique(counts, axis=0, return_index=True, return_inverse=True)[1:]
    return first, which.reshape(-1)


def _fill(atoms: _Atoms, part: _Part, team_first: np.ndarray, own_scores: bool, effect: np.ndarray, square: np.ndarray) -> None:
    """Effects (2 × O × R) and squares (3 × O × R) of the assignments of one part, written where they belong."""
    totals = _never_totals(atoms, part)
    compared = _compared(atoms, part) if own_scores else None
    reform: _Scores | None = None
    for number, own, never in _carried(atoms, part):
        made = _scores(part, number, own, never, compared)
        if reform is None:
            reform = made
            effect[1], square[2] = made.effect, np.maximum(_sums(part, totals, team_first, made, made), 0.0)
            continue
        effect[0, number - 1] = made.effect
        square[0, number - 1] = np.maximum(_sums(part, totals, team_first, made, made), 0.0)
        square[1, number - 1] = _sums(part, totals, team_first, made, reform)


@dataclass(frozen=True, eq=False)
class _Totals:
    """Sums over all atoms, as if none started.

    Attributes:
        products: 2 × O × D; of what outcomes carry, with itself and with that of the reform.
        sized: O × D; of size × what outcomes carry.
        size: of size².
    """

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


def _carried(atoms: _Atoms, part: _Part) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """For each outcome Σ weight × outcome of every member: by its start, and as if it never started (R × S each)."""
    rows, slots = part.members.shape
    few = len(part.weights) * len(atoms.starts) * len(atoms.size) <= 2 * rows * slots
    make, own_at, never_at = (_by_table if few else _by_pairs)(atoms, part)
    step = max(1, BLOCK // (rows * slots))
    for low in range(0, len(atoms.outcome), step):
        for at, values in enumerate(make(atoms.outcome[low : low + step])):
            yield low + at, np.take(values, own_at), np.take(values, never_at)


Lookup = tuple[Callable[[np.ndarray], np.ndarray], np.ndarray, np.ndarray]  # outcomes → their values, and places of R × S


def _by_table(atoms: _Atoms, part: _Part) -> Lookup:
    """Few different weights: every atom under each of them."""
    starts = len(atoms.starts)
    flat = part.weights.reshape(-1, part.weights.shape[2])
    first = part.members * len(flat) + part.which[:, None] * starts
    return lambda outcome: (outcome @ flat.T).reshape(len(outcome), -1), first + part.start, first + starts - 1


def _by_pairs(atoms: _Atoms, part: _Part) -> Lookup:
    """Many different weights: members in the order of their atoms, so that each atom's are one product of matrices."""
    starts, member = len(atoms.starts), part.members.ravel()
    flat = part.weights.reshape(-1, part.weights.shape[2])
    order = np.argsort(member.astype(np.int16) if len(atoms.size) < 2**15 else member, kind="stable")
    ends = np.searchsorted(member[order], np.arange(len(atoms.size) + 1))
    first = np.repeat(part.which * starts, part.members.shape[1])[order]
    sides = flat[first + part.start.ravel()[order]], flat[first + starts - 1]
    back = np.empty(part.members.shape, int)
    back.ravel()[order] = np.arange(len(order))

    def make(outcome: np.ndarray) -> np.ndarray:
        out = np.empty((len(outcome), 2 * len(member)))
        for side, weights in enumerate(sides):
            for atom in range(len(atoms.size)):
                low, high = ends[atom], ends[atom + 1]
                out[:, side * len(member) + low : side * len(member) + high] = outcome[:, atom] @ weights[low:high].T
        return out

    return make, back, back + len(member)


@dataclass(frozen=True, eq=False)
class _Compared:
    """What group-time scores are held against.

    Attributes:
        profiled: O × A × Q; outcomes by the profile of each start, of which its weights are a multiple.
        members: R × A; which atoms start.
        multiple: R × Q.
        share: R × Q; units of each start over those that never start.
        others: R; units that never start.
    """

    profiled: np.ndarray
    members: sparse.csr_matrix
    multiple: np.ndarray
    share: np.ndarray
    others: np.ndarray

    def taken(self, number: int, effect: np.ndarray) -> np.ndarray:
        """What is taken from each unit of a start, those that never start last: R × (Q + 1).

        It is the mean of those that never start under the start's weights, and the effect by the weight of its treated cells.
        Over all units an outcome adds up to zero, so that mean is had from the members.
        """
        mean = self.members @ self.profiled[number] * (-self.multiple / self.others[:, None])
        never = -(mean * self.share).sum(axis=1)
        return np.column_stack([mean + self.multiple * effect[:, None], never])


def _compared(atoms: _Atoms, part: _Part) -> _Compared:
    on = atoms.starts[:-1, None] <= np.arange(part.weights.shape[2])
    multiple = np.einsum("dqt,qt->dq", part.weights[:, :-1], on)
    profile = np.divide(part.weights[0, :-1], multiple[0][:, None], out=np.zeros(on.shape), where=multiple[0][:, None] > 0)
    rows, slots = part.members.shape
    pointer = np.arange(rows + 1) * slots
    members = sparse.csr_matrix((np.ones(rows * slots), part.members.ravel(), pointer), shape=(rows, len(atoms.size)))
    counts = part.counts[part.which]
    return _Compared(atoms.outcome @ profile.T, members, multiple[part.which], counts[:, :-1] / counts[:, -1:], counts[:, -1])


@dataclass(frozen=True, eq=False)
class _Scores:
    """One outcome: its effect (R), scores of members (R × S), and for the others what they carry and what is taken from it.

    Attributes:
        number: which outcome.
        effect: R.
        slot: R × S.
        never: R × S; what members would carry if they never started.
        taken: R; from each unit of an atom that never starts.
    """

    number: int
    effect: np.ndarray
    slot: np.ndarray
    never: np.ndarray
    taken: np.ndarray


def _scores(part: _Part, number: int, own: np.ndarray, never: np.ndarray, compared: _Compared | None) -> _Scores:
    effect = (own - never).sum(axis=1)
    taken = compared.taken(number, effect) if compared else part.own[part.which] * effect[:, None]
    at = np.arange(len(own))[:, None] * taken.shape[1] + part.start
    return _Scores(number, effect, own - np.take(taken, at) * part.size, never, taken[:, -1])


def _sums(part: _Part, totals: _Totals, team_first: np.ndarray, left: _Scores, right: _Scores) -> np.ndarray:
    """Σ of products of two outcomes' scores over teams and over the atoms that never start: R."""
    teams = [left.slot, right.slot]
    if len(team_first) < left.slot.shape[1]:
        teams = [np.add.reduceat(slot, team_first, axis=1) for slot in teams]
    form = totals.products[0 if left is right else 1, left.number][part.which]
    cross = form - _dot(left.never, right.never)
    sized = [totals.sized[one.number][part.which] - _dot(part.size, one.never) for one in (left, right)]
    size = totals.size - _dot(part.size, part.size)
    rest = cross - left.taken * sized[1] - right.taken * sized[0] + left.taken * right.taken * size
    return _dot(teams[0], teams[1]) + rest


def _dot(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.asarray(np.einsum("ra,ra->r", left, right))
