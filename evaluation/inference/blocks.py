"""Powers of the blocks of R R' that lie in one cluster each, times a column.

Where a cluster is a small part of the whole its block is nearly 1, and the binomial series of the power, in the few dimensions of
the factors, is as exact as a decomposition and far shorter. The others are decomposed.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from evaluation.errors import PanelError
from evaluation.inference.spread import Spread

ZERO = 1e-10  # eigenvalue of a block of R R' below which its direction has no residual at all
BLOCK = 3_000  # cells of a cluster whose block may be decomposed whole
ROUNDED = 1e-11  # relative size below which two clusters are the same design
BOUNDS = (0.06, 0.5)  # largest eigenvalues of 1 − block, up to which clusters go by one series; beyond the last, none does
NUMBERS = 5_000_000  # most that F'F of all clusters may hold; with more, clusters that are the same design are decomposed once
ENOUGH = 1e-16  # relative size of a term after which no other counts


class Clusters:
    """The cells of clusters, and what a model's effects are within each: rows of one model share it.

    Attributes:
        codes: n; cluster of each cell, 0, 1, …, each with cells.
        onto: G × n; sums cells by cluster.
        cells: for each size of clusters: their numbers (k) and the positions of their cells (k × size).
    """

    def __init__(self, codes: np.ndarray) -> None:
        self.codes = codes
        order = np.argsort(codes, kind="stable")
        bounds = np.searchsorted(codes[order], np.arange(codes.max() + 2))
        sizes = np.diff(bounds)
        found = [np.flatnonzero(sizes == size) for size in np.unique(sizes)]
        self.cells = tuple((some, order[bounds[some][:, None] + np.arange(sizes[some[0]])]) for some in found)
        self.onto = sparse.csr_matrix((np.ones(len(codes)), order, bounds), shape=(len(sizes), len(codes)))
        self._known: tuple[np.ndarray, np.ndarray] | None = None

    def __len__(self) -> int:
        """How many there are."""
        return int(self.onto.shape[0])

    def gram(self, basis: np.ndarray) -> np.ndarray:
        """B'B within each cluster (G × r × r), kept for the basis that was asked for last."""
        if self._known is None or self._known[0] is not basis:
            made = np.zeros((len(self), basis.shape[1], basis.shape[1]))
            for clusters, at in self.cells:
                made[clusters] = basis[at].transpose(0, 2, 1) @ basis[at]
            self._known = basis, made
        return self._known[1]


def powered(spread: Spread, clusters: Clusters, power: float, column: np.ndarray) -> np.ndarray:
    """Each cluster's block of R R' to a power (−1/2 or −1, pseudo-inverse) × its part of a column (n).

    In the scaled space the column must be free of unit effects.
    """
    out = column.copy()
    if not (spread.scaled or spread.model.units is None):
        for _, at in clusters.cells:
            for mine in at:
                out[mine] = _whole(spread, mine, power) @ column[mine]
        return out
    far = np.ones(len(clusters), bool)
    if len(clusters) * spread.factors.shape[1] ** 2 <= NUMBERS:
        far = _by_series(spread, clusters, power, column, out)
    scale = max(float(np.abs(spread.factors).max(initial=0.0)), np.finfo(float).tiny)
    for some, cells in clusters.cells:
        at = cells[far[some]]
        if len(at):
            first, group = _same(np.round(spread.factors[at] / (scale * ROUNDED)).reshape(len(at), -1))
            bases, changes = _low_rank(spread.factors[at[first]], spread.core, power)
            for number in range(len(first)):
                mine = at[group == number]
                out[mine] += (column[mine] @ bases[number]) @ changes[number] @ bases[number].T
    return out


def _by_series(spread: Spread, clusters: Clusters, power: float, column: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Put what the series gives into `out`; answers which clusters (G, bool) are too far from 1 for it."""
    gram = _gram(spread, clusters)
    shared, below = gram[:, : spread.shared, : spread.shared], 0.0
    own = gram[:, spread.shared :, spread.shared :] @ spread.core[spread.shared :, spread.shared :]
    square = np.maximum(np.einsum("gij,gji->g", own, own), 0.0)
    largest = np.sqrt(np.einsum("gij,gij->g", shared, shared)) + np.sqrt(square)  # norms: no eigenvalue of 1 − block is larger
    along = clusters.onto @ (spread.factors * column[:, None])
    norms, rows = clusters.onto @ column**2, np.zeros_like(along)
    for bound in BOUNDS:
        near = np.flatnonzero((largest >= below) & (largest < bound))
        below = bound
        if len(near):
            rows[near] = _series(gram[near], spread.core, along[near], norms[near], power)
    out += np.einsum("nm,nm->n", spread.factors, rows[clusters.codes])
    return ~(largest < below)


def _gram(spread: Spread, clusters: Clusters) -> np.ndarray:
    """F'F within each cluster, G × m × m, F being the factors."""
    shared, count = spread.shared, spread.factors.shape[1]
    gram = np.empty((len(clusters), count, count))
    if shared:
        gram[:, :shared, :shared] = clusters.gram(spread.model.basis)
    for j in range(shared, count):
        gram[:, :, j] = clusters.onto @ (spread.factors * spread.factors[:, j, None])
        gram[:, j, :] = gram[:, :, j]
    return gram


def _series(gram: np.ndarray, core: np.ndarray, along: np.ndarray, norms: np.ndarray, power: float) -> np.ndarray:
    """What y is in block^power × w = w + F y: Σ a_k (core gram)^(k−1) core F'w, with (1 − z)^power = Σ a_k z^k.

    Args:
        gram: k × m × m; F'F of each cluster.
        core: m × m, symmetric.
        along: k × m; F'w.
        norms: k; w'w.
        power: of the block.
    """
    term, factor, number = along @ core, -power, 1
    total = factor * term
    while True:
        ahead = (gram @ term[:, :, None])[:, :, 0]
        size = factor**2 * np.einsum("gm,gm->g", term, ahead)  # squared, of what was added last; each eigenvector's part falls
        if not (size > ENOUGH**2 * norms).any():  # in this sense, so that it ends where a number is not one
            return total
        number += 1
        factor *= (number - 1 - power) / number
        term = ahead @ core
        total += factor * term


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


def _low_rank(factors: np.ndarray, core: np.ndarray, power: float) -> tuple[np.ndarray, np.ndarray]:
    """(Q, E) with block^power = 1 + Q E Q' on what is free of unit effects: factors are clusters × size × m."""
    bases, upper = np.linalg.qr(factors)
    values, vectors = np.linalg.eigh(np.eye(bases.shape[2]) - upper @ core @ upper.transpose(0, 2, 1))
    raised = _raise(values, power) - 1.0
    return bases, (vectors * raised[:, None, :]) @ vectors.transpose(0, 2, 1)


def _whole(spread: Spread, at: np.ndarray, power: float) -> np.ndarray:
    """A cluster's block of R R' (rows `at`) to a power, where cells of a unit have weights of their own."""
    if len(at) > BLOCK:
        raise PanelError(
            f"A cluster has {len(at)} cells, more than the {BLOCK} up to which CR2 takes weights with equal variances. "
            "Use working='inverse_weights', or smaller clusters."
        )
    model = spread.model
    units = np.unique(model.units[at], return_inverse=True)[1] if model.units is not None else np.arange(len(at))
    share = model.root[at] ** 2 / np.bincount(units, model.root[at] ** 2)[units]
    square = np.bincount(units, share**2)[units]
    simple = np.eye(len(at)) - (units[:, None] == units) * (share + share[:, None] - square)
    block = simple - spread.factors[at] @ spread.core @ spread.factors[at].T
    values, vectors = np.linalg.eigh(block)
    return np.asarray((vectors * _raise(values, power)) @ vectors.T)


def _raise(values: np.ndarray, power: float) -> np.ndarray:
    """Eigenvalues to a power, 0 where they are 0."""
    good = values > ZERO * max(1.0, float(values.max(initial=0.0)))
    return np.where(good, np.where(good, values, 1.0) ** power, 0.0)
