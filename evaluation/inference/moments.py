"""Powers of blocks 1 − Z of clusters by moments: Z is a small part that all effects of a model share, and that of a few columns.

With Z = H + U E U' and a start w = U e, (1 − tZ)⁻¹ w = Σ_k t^k H^k U (1 − t E M(t))⁻¹ e, where M(t) = Σ_k t^k U'H^k U is as small
as U has columns (Woodbury). The power −1 is that at t = 1. The power −1/2 is its mean over Gauss–Chebyshev nodes t, since
(1 − z)^(−1/2) = 1/π ∫ (1 − zt)⁻¹ (t(1 − t))^(−1/2) dt over 0 to 1. So K effects of a model cost products of small matrices.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

SHARED = 0.3  # norm of H up to which its powers are summed
NEAR = 0.1  # rough bounds of norms above which finer ones are worth their time
LARGEST = 0.999  # reach of Z up to which nodes are taken
ENOUGH = 1e-15  # relative size of a power of H after which no other counts
NODES = ((0.1, 6), (0.5, 12), (0.9, 31), (0.99, 100), (LARGEST, 330))  # up to each reach of Z: how many nodes are exact to 1e-16

Padded = tuple[tuple[np.ndarray, np.ndarray], ...]


@dataclass(frozen=True, eq=False)
class Parts:
    """What the effects of a model take from each of G clusters: H = F core F' in each.

    Attributes:
        core: m × m, symmetric.
        gram: G × m × m; F'F.
        step: G × m × m; F'F core, 0 where H is not small.
        held: F of padded clusters (k × size × m).
        size: G; no smaller than the norm of H.
        terms: how many powers of H count.
        across: m, bool; the factors that clusters share.
    """

    core: np.ndarray
    gram: np.ndarray
    step: np.ndarray
    held: tuple[np.ndarray, ...]
    size: np.ndarray
    terms: int
    across: np.ndarray

    @classmethod
    def of(cls, factors: np.ndarray, core: np.ndarray, across: np.ndarray, padded: Padded, count: int) -> Parts:
        """The parts of padded clusters from factors (n × m)."""
        held = tuple(_held(factors, at) for _, at in padded)
        gram = np.empty((count, len(core), len(core)))
        for (some, _), one in zip(padded, held, strict=True):
            gram[some] = one.transpose(0, 2, 1) @ one
        step = gram @ core if (core != np.eye(len(core))).any() else gram.copy()
        size = np.abs(step).sum(axis=2).max(axis=1, initial=0.0)  # no eigenvalue is larger than the largest sum of a row
        twice = step[size >= NEAR] @ step[size >= NEAR]
        size[size >= NEAR] = np.minimum(size[size >= NEAR], np.maximum(np.einsum("gij,gji->g", twice, twice), 0.0) ** 0.25)
        small = size < SHARED
        largest = max(float(size[small].max(initial=0.0)), np.finfo(float).tiny)
        step[~small] = 0.0
        return cls(core, gram, step, held, size, max(1, math.ceil(math.log(ENOUGH) / math.log(largest))), across)


def _held(values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Rows of values (n × …) where clusters have their cells, 0 where they have none (`at` is n)."""
    gone = at == len(values)
    if not gone.any():
        return values[at]
    out = values[np.where(gone, 0, at)]
    out[gone] = 0.0
    return out


@dataclass(frozen=True, eq=False)
class Asked:
    """K effects of one model, each with p columns of its own.

    Attributes:
        own: n × K × p; U of each.
        core: K × p × p; E of each, symmetric.
        start: K × p; e of each.
    """

    own: np.ndarray
    core: np.ndarray
    start: np.ndarray


@dataclass(frozen=True, eq=False)
class Raised:
    """b, the powers of blocks × the starts, and its sums within clusters.

    Attributes:
        parts: that it was made with.
        b: n × K.
        along: G × K × m; F'b.
        own: G × K × p; U'b.
        square: G × K; b'b.
        far: G × K, bool; clusters whose Z is too large for this: what stands for them is of no use.
    """

    parts: Parts
    b: np.ndarray
    along: np.ndarray
    own: np.ndarray
    square: np.ndarray
    far: np.ndarray


def raised(parts: Parts, padded: Padded, power: float, asked: Asked) -> Raised:
    """Powers of the blocks × the starts of K effects; the power is −1/2 or −1."""
    count, rows, width = asked.own.shape
    groups, m = len(parts.gram), len(parts.core)
    here = [_held(asked.own, at) for _, at in padded]
    along, square = np.empty((groups, rows, width, m)), np.empty((groups, rows, width, width))
    for (some, _), factors, own in zip(padded, parts.held, here, strict=True):
        flat = own.reshape(*own.shape[:2], -1).transpose(0, 2, 1)
        along[some] = (flat @ factors).reshape(len(own), rows, width, m)
        each = flat.reshape(len(own), rows, width, -1)
        square[some] = each @ each.swapaxes(2, 3)
    chain = _chain(parts, along)
    back = np.ascontiguousarray(along.swapaxes(2, 3))
    moments = np.stack([square, *(one @ back for one in chain)], axis=2)
    top = _reach(parts, asked.core, square)
    far = ~((parts.size < SHARED)[:, None] & (top < LARGEST))
    shares = _shares(moments, asked, np.where(far, np.inf, top), power)
    first = shares[:, :, 0]
    rest = sum(np.einsum("gkp,gkpm->gkm", shares[:, :, k], one) for k, one in enumerate(chain, start=1))
    sums = (first[:, :, None] @ along)[:, :, 0] + rest @ parts.gram
    mine = (square @ first[..., None] + along @ rest[..., None])[..., 0]
    b = np.empty((count + 1, rows))  # the last takes what would lie where clusters have no cell
    for (some, at), factors, own in zip(padded, parts.held, here, strict=True):
        b[at] = np.einsum("gskp,gkp->gsk", own, first[some]) + factors @ rest[some].transpose(0, 2, 1)
    return Raised(parts, b[:-1], sums, mine, (first * mine).sum(axis=2) + (rest * sums).sum(axis=2), far)


def _chain(parts: Parts, along: np.ndarray) -> list[np.ndarray]:
    """H^k U along the factors for k = 1, 2, … (G × K × p × m each)."""
    flat = along.reshape(len(along), -1, along.shape[-1])
    out = [flat @ parts.core]
    while len(out) < parts.terms:
        out.append(out[-1] @ parts.step)
    return [one.reshape(along.shape) for one in out]


def _reach(parts: Parts, core: np.ndarray, square: np.ndarray) -> np.ndarray:
    """How near the eigenvalues z of Z may come to where nodes fail (G × K): z itself, or −z ÷ (1 − z) where that is larger."""
    turned = core @ square  # has the eigenvalues of U E U'
    twice = turned @ turned
    out = np.asarray(parts.size[:, None] + np.maximum(np.einsum("gkij,gkji->gk", twice, twice), 0.0) ** 0.25)
    g, k = np.nonzero(out >= NEAR)
    values, shared = np.linalg.eigvals(turned[g, k]).real, parts.size[g]
    below = shared - values.min(axis=1, initial=0.0)
    out[g, k] = np.maximum(shared + values.max(axis=1, initial=0.0), below / (1 + below))
    return out


def _shares(moments: np.ndarray, asked: Asked, top: np.ndarray, power: float) -> np.ndarray:
    """How much of each H^k U is in b, G × K × k × p."""
    groups, rows, terms, width = moments.shape[:4]
    out, one = np.zeros((groups, rows, terms, width)), np.eye(width)
    for pick, nodes in _nodes(top, power):
        g, k = np.nonzero(pick)
        powers = nodes[:, None] ** np.arange(terms)
        m = (powers * nodes[:, None]) @ moments[g, k].reshape(len(g), terms, width * width)
        matrix = one - asked.core[k][:, None] @ m.reshape(len(g), len(nodes), width, width)
        solved = np.linalg.solve(matrix, asked.start[k][:, None, :, None])
        out[g, k] = (powers.T / len(nodes)) @ solved[..., 0]
    return out


def _nodes(top: np.ndarray, power: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Which blocks (G × K, bool) go by which nodes."""
    if power == -1.0:
        yield top < LARGEST, np.ones(1)
        return
    below = -np.inf
    for bound, count in NODES:
        pick, below = (top >= below) & (top < bound), bound
        if pick.any():
            yield pick, np.cos((2 * np.arange(1, count + 1) - 1) * np.pi / (4 * count)) ** 2
