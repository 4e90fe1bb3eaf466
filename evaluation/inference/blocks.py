"""Powers of the blocks of R R' that lie in one cluster each, times columns.

A block is 1 − Z on what is free of unit effects. Where the part of Z that all effects of a model share is small, clusters go by
moments of the effects' own few columns (`moments`); the others are decomposed.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from evaluation.errors import PanelError
from evaluation.inference.base import group_sums
from evaluation.inference.moments import Asked, Parts, Raised, raised
from evaluation.inference.spread import Effects, Spread
from evaluation.inference.working import WorkingModel

ZERO = 1e-10  # eigenvalue of a block of R R' below which its direction has no residual at all
BLOCK = 3_000  # cells of a cluster whose block may be decomposed whole
ROUNDED = 1e-11  # relative size below which two clusters are the same design
NUMBERS = 20_000_000  # most that F'F of all clusters may hold; with more, clusters that are the same design are decomposed once
PADDED = 1.5  # clusters go together as long as the largest has at most so many times the cells of the smallest


class Clusters:
    """The cells of clusters, and what a model's effects are within each: rows of one model share it.

    Attributes:
        codes: n; cluster of each cell, 0, 1, …, each with cells.
        order: n; the cells, one cluster after the other.
        starts: G; where each cluster starts among them.
        cells: for each size of clusters: their numbers (k) and the positions of their cells (k × size).
    """

    def __init__(self, codes: np.ndarray) -> None:
        self.codes = codes
        self.order = np.argsort(codes, kind="stable")
        sizes = np.bincount(codes)
        self.starts = np.cumsum(sizes) - sizes
        found = [np.flatnonzero(sizes == size) for size in np.unique(sizes)]
        self.cells = tuple((some, self.order[self.starts[some][:, None] + np.arange(sizes[some[0]])]) for some in found)
        self._known: dict[bool, tuple[np.ndarray, Parts | None]] = {}

    def __len__(self) -> int:
        """How many there are."""
        return len(self.starts)

    def sums(self, columns: np.ndarray) -> np.ndarray:
        """Sums of columns (n × …) by cluster (G × …)."""
        return np.asarray(np.add.reduceat(columns[self.order], self.starts, axis=0))

    @cached_property
    def padded(self) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
        """The cells of clusters of about one size: their numbers (k) and positions (k × size), n where a cluster has fewer."""
        groups: list[list[tuple[np.ndarray, np.ndarray]]] = []
        for some, at in self.cells:  # sizes rise
            if groups and at.shape[1] <= PADDED * groups[-1][0][1].shape[1]:
                groups[-1].append((some, at))
            else:
                groups.append([(some, at)])
        out = []
        for group in groups:
            wide = np.full((sum(len(some) for some, _ in group), group[-1][1].shape[1]), len(self.codes))
            done = 0
            for some, at in group:
                wide[done : done + len(some), : at.shape[1]] = at
                done += len(some)
            out.append((np.concatenate([some for some, _ in group]), wide))
        return tuple(out)

    def parts(self, effects: Effects) -> Parts | None:
        """What the effects take from each cluster, kept for the last model; None where it would be too much."""
        basis = effects.model.basis
        if effects.scaled not in self._known or self._known[effects.scaled][0] is not basis:
            factors, core, across = _with_units(effects, self)
            made = None
            if len(self) * len(core) ** 2 <= NUMBERS:
                made = Parts.of(factors, core, across, self.padded, len(self))
            self._known[effects.scaled] = basis, made
        return self._known[effects.scaled][1]


def _with_units(effects: Effects, clusters: Clusters) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Factors and core of 1 − M M' on what is free of unit effects, and which factors clusters share.

    In the space of the outcome the simple part is (1 − 1s')(1 − s1') for each unit, s its shares of weight: two factors more for
    each unit of the cluster that has most.
    """
    model, shared = effects.model, effects.factors.shape[1]
    if effects.scaled or model.units is None:
        return effects.factors, effects.core, np.ones(shared, bool)
    share, square = _shares(model)
    cluster = np.zeros(int(model.units.max()) + 1, int)
    cluster[model.units] = clusters.codes  # units lie within clusters
    order = np.argsort(cluster, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order)) - np.searchsorted(cluster[order], cluster[order])
    most = int(place.max()) + 1
    units = np.zeros((len(share), 2 * most))
    cells = np.arange(len(share))
    units[cells, 2 * place[model.units]] = 1.0
    units[cells, 2 * place[model.units] + 1] = share - square / 2
    core = np.zeros((shared + 2 * most,) * 2)
    core[:shared, :shared] = effects.core
    core[shared:, shared:] = np.kron(np.eye(most), [[0.0, 1.0], [1.0, 0.0]])
    return _seen(model, np.hstack([effects.factors, units])), core, np.arange(len(core)) < shared


def _shares(model: WorkingModel) -> tuple[np.ndarray, np.ndarray]:
    """Each cell's share s of its unit's weight, and s's of its unit (n each)."""
    assert model.units is not None
    weights = model.root**2
    share = weights / np.bincount(model.units, weights)[model.units]
    return share, np.bincount(model.units, share**2)[model.units]


def powered(spread: Spread, clusters: Clusters, power: float, column: np.ndarray) -> np.ndarray:
    """Each cluster's block of R R' to a power (−1/2 or −1, pseudo-inverse) × its part of a column (n).

    In the scaled space the column must be free of unit effects.
    """
    count = spread.own.shape[1]
    core = np.zeros((count + 1,) * 2)
    core[:count, :count] = spread.core
    own = np.column_stack([spread.own, column])
    return powers(spread.effects, clusters, power, Asked(own[:, None, :], core[None], np.eye(count + 1)[count:])).b[:, 0]


def powers(effects: Effects, clusters: Clusters, power: float, asked: Asked) -> Raised:
    """The same for K effects of one model at once, with the sums of what is found along the factors."""
    parts = clusters.parts(effects)
    if parts is None:
        return _decomposed(effects, clusters, power, asked)
    if _by_cell(effects):
        own = _seen(effects.model, asked.own.reshape(len(effects.factors), -1)).reshape(asked.own.shape)
        asked = Asked(own, asked.core, asked.start)
    made = raised(parts, clusters.padded, power, asked)
    for k in np.flatnonzero(made.far.any(axis=0)):
        _put(effects, clusters, power, asked, made, int(k))
    return made


def _seen(model: WorkingModel, columns: np.ndarray) -> np.ndarray:
    """Columns (n × p) less what no residual has in the space of the outcome: each unit's shares of weight."""
    assert model.units is not None
    share, square = _shares(model)
    return np.asarray(columns - (share / square)[:, None] * group_sums(share[:, None] * columns, model.units)[model.units])


def _put(effects: Effects, clusters: Clusters, power: float, asked: Asked, made: Raised, k: int) -> None:
    """Decompose the blocks of the clusters that are too far for moments, for effect k, and put into `made` what comes of it."""
    far, own, parts = made.far[:, k], asked.own[:, k], made.parts
    column = own @ asked.start[k]
    for (some, at), factors in zip(clusters.padded, parts.held, strict=True):
        for place in np.flatnonzero(far[some]):
            cluster, mine = some[place], at[place][at[place] < len(column)]
            b = _decompose(Spread(effects, own, asked.core[k]), mine, power, column[mine][None])[0]
            made.b[mine, k] = b
            made.along[cluster, k] = b @ factors[place, : len(mine)]
            made.own[cluster, k], made.square[cluster, k] = b @ own[mine], b @ b


def _decomposed(effects: Effects, clusters: Clusters, power: float, asked: Asked) -> Raised:
    """The same where F'F of all clusters would be too much to hold: clusters that are the same design are decomposed once."""
    factors, core, across = _with_units(effects, clusters)
    rows = asked.own.shape[1]
    b = np.zeros((len(asked.own), rows))
    for k in range(rows):
        spread, column = Spread(effects, asked.own[:, k], asked.core[k]), asked.own[:, k] @ asked.start[k]
        for _, at in clusters.cells:
            first, group = _alike(spread, at)
            for number, place in enumerate(first):
                mine = at[group == number]
                b[mine, k] = _decompose(spread, at[place], power, column[mine])
    along = np.stack([clusters.sums(factors * one[:, None]) for one in b.T], axis=1)
    own = clusters.sums(asked.own * b[:, :, None])
    parts = Parts(core, np.empty((0, 0, 0)), np.empty((0, 0, 0)), (), np.empty(0), 0, across)
    return Raised(parts, b, along, own, clusters.sums(b**2), np.ones_like(along[..., 0], bool))


def _alike(spread: Spread, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First of each group of clusters (k × size) of the same design, and the group of every cluster."""
    if _by_cell(spread.effects):  # weights of cells are part of the design
        return np.arange(len(at)), np.arange(len(at))
    values = np.concatenate([spread.effects.factors[at], spread.own[at]], axis=2)
    scale = max(float(np.abs(values).max(initial=0.0)), np.finfo(float).tiny)
    return _same(np.round(values / (scale * ROUNDED)).reshape(len(at), -1))


def _same(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First of each group of equal rows, and the group of every row."""
    seen: dict[bytes, int] = {}
    first: list[int] = []
    group = np.zeros(len(keys), int)
    for i, key in enumerate(keys + 0.0):
        name = key.tobytes()
        if name not in seen:
            seen[name] = len(first)
            first.append(i)
        group[i] = seen[name]
    return np.array(first), group


def _by_cell(effects: Effects) -> bool:
    """Whether cells of a unit have weights of their own in the simple part of R R'."""
    return not effects.scaled and effects.model.units is not None


def _decompose(spread: Spread, at: np.ndarray, power: float, columns: np.ndarray) -> np.ndarray:
    """A cluster's block of R R' (cells `at`) to a power × columns (c × size), by its eigenvalues."""
    if _by_cell(spread.effects):
        return np.asarray(columns @ _whole(spread, at, power))
    factors = np.hstack([spread.effects.factors[at], spread.own[at]])
    basis, upper = np.linalg.qr(factors)
    values, vectors = np.linalg.eigh(np.eye(len(upper)) - upper @ _joint(spread) @ upper.T)
    turned = basis @ vectors  # on what is free of unit effects the block is 1 but for these directions
    return np.asarray(columns + ((columns @ turned) * (_raise(values, power) - 1.0)) @ turned.T)


def _joint(spread: Spread) -> np.ndarray:
    """Core of the factors of the effects and the own ones together."""
    shared = len(spread.effects.core)
    out = np.zeros((shared + len(spread.core),) * 2)
    out[:shared, :shared], out[shared:, shared:] = spread.effects.core, spread.core
    return out


def _whole(spread: Spread, at: np.ndarray, power: float) -> np.ndarray:
    """A cluster's block of R R' (cells `at`) to a power, where cells of a unit have weights of their own."""
    if len(at) > BLOCK:
        raise PanelError(
            f"A cluster has {len(at)} cells, more than the {BLOCK} up to which CR2 takes weights with equal variances. "
            "Use working='inverse_weights', or smaller clusters."
        )
    effects, model = spread.effects, spread.effects.model
    assert model.units is not None
    units = np.unique(model.units[at], return_inverse=True)[1]
    share, square = (one[at] for one in _shares(model))
    simple = np.eye(len(at)) - (units[:, None] == units) * (share + share[:, None] - square)
    low = effects.factors[at] @ effects.core @ effects.factors[at].T + spread.own[at] @ spread.core @ spread.own[at].T
    values, vectors = np.linalg.eigh(simple - low)
    return np.asarray((vectors * _raise(values, power)) @ vectors.T)


def _raise(values: np.ndarray, power: float) -> np.ndarray:
    """Eigenvalues to a power, 0 where they are 0."""
    good = values > ZERO * max(1.0, float(values.max(initial=0.0)))
    return np.where(good, np.where(good, values, 1.0) ** power, 0.0)
