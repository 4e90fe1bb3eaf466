"""Wild cluster bootstrap-t: p-values, and intervals by inversion, under the working model.

A draw multiplies each group's residuals by one weight v. With R = M − a c', the cluster sums of a draw are K v, where
K[h, g] = q_h'R(u masked to g) is block-diagonal less a matrix of low rank: all draws are a few thin products, and no array
is larger than groups × draws. Under a null θ0 the residuals are û − (θ0 − θ̂) a, so each draw's t² is a ratio of two quadratics
in θ0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from typing import Any

import numpy as np
from scipy import sparse

from evaluation.errors import OptionError, PanelError, check_choice
from evaluation.inference.base import Inference, Scored, group_sums
from evaluation.inference.blocks import Clusters, powered
from evaluation.inference.spread import Spread, restricted_spread, spread_of
from evaluation.inference.wild_interval import BootstrapTest, end_points
from evaluation.inference.working import ByShape, Row, assemble, cells_of, prepare

DEFAULTS: dict[str, Any] = {
    "type": "11",
    "impose_null": True,
    "draws": 9_999,
    "weights": "auto",
    "subcluster": None,
    "ties": True,
    "seed": 20_230_302,
}
TYPES = ("11", "13", "31", "33")
WEIGHTS = ("auto", "rademacher", "webb")
FEW = 12  # groups up to which all sign vectors are taken, however few draws were asked
WEBB = np.sqrt(np.array([1.5, 1.0, 0.5, 0.5, 1.0, 1.5])) * np.array([-1, -1, -1, 1, 1, 1])
SMALL = 4_000_000  # clusters × groups × draws up to which cluster sums are made one by one
LARGEST = 20_000_000  # numbers of a matrix of draws up to which it is made whole
COMPRESS = 1e-13  # relative size below which a direction of the low-rank part is rounding


@dataclass(frozen=True, eq=False)
class Draws:
    """Weights of groups by draw: G × B; where enumerated, one of each pair v and −v, which give the same |t|."""

    values: np.ndarray
    enumerated: bool
    kind: str

    @cached_property
    def squares(self) -> np.ndarray:
        """Squares of the weights."""
        return self.values**2


@lru_cache(maxsize=4)
def draw(groups: int, draws: int, weights: str, seed: int) -> Draws:
    """Draws of group weights: all sign vectors where 2^G ≤ draws or G ≤ 12 (unless Webb's are asked), else from a seed."""
    if weights != "webb" and (groups <= FEW or 2.0**groups <= draws):
        number = np.arange(2 ** (groups - 1))
        bits = (number[None, :] >> np.arange(groups - 1)[:, None]) & 1
        values = np.vstack([np.ones((1, len(number))), 1.0 - 2.0 * bits])
        return _fixed(Draws(values, True, "rademacher"))
    return _fixed(_drawn(np.random.Generator(np.random.PCG64(seed)), groups, draws, weights))


def _drawn(random: np.random.Generator, groups: int, draws: int, weights: str) -> Draws:
    """Weights from a generator: Rademacher's where asked, else Webb's six points."""
    if weights == "rademacher":
        signs = random.integers(0, 2, (draws, groups), dtype=np.uint8)
        return Draws(np.ascontiguousarray(signs.T) * 2.0 - 1.0, False, "rademacher")
    picked = random.integers(0, 6, (draws, groups), dtype=np.uint8)
    return Draws(WEBB[np.ascontiguousarray(picked.T)], False, "webb")


def _fixed(made: Draws) -> Draws:
    made.values.setflags(write=False)
    return made


@dataclass(frozen=True, eq=False)
class Side:
    """One residual as the draws take it: K = own on the blocks − left × right'.

    Attributes:
        own: G; sums of q × residual.
        right: G × ρ.
        top: G; sums of weights × residual.
    """

    own: np.ndarray
    right: np.ndarray
    top: np.ndarray


@dataclass(frozen=True, eq=False)
class Frame:
    """What the draws of a row need before an outcome is seen, for H clusters and G groups.

    Attributes:
        cluster: G; the cluster of each group.
        left: H × ρ; orthonormal.
        q: n; weights, divided by their leverage for jackknife errors.
        weights: n; of the row.
        after: n × m; what a residual is summed along.
        bend: m × ρ; turns that into `right`.
        divided: what residuals of the bootstrap are divided by, within which clusters, or None.
        groups: of cells (n).
        column: n; what a unit of θ0 − θ̂ takes from the residual.
        known: the last draws and what they make of the slope.
    """

    cluster: np.ndarray
    left: np.ndarray
    q: np.ndarray
    weights: np.ndarray
    after: np.ndarray
    bend: np.ndarray
    divided: tuple[Spread, Clusters] | None
    groups: np.ndarray
    column: np.ndarray
    known: list[tuple[Draws, Moved]] = field(default_factory=list)

    def side(self, residual: np.ndarray) -> Side:
        """A residual (n) as the draws take it."""
        if self.divided is not None:
            residual = powered(*self.divided, -1.0, residual)
        sums = group_sums(np.column_stack([self.q, self.weights, self.after]) * residual[:, None], self.groups)
        return Side(sums[:, 0], sums[:, 2:] @ self.bend, sums[:, 1])

    @cached_property
    def slope(self) -> Side:
        """The side of what a unit of θ0 − θ̂ takes from the residual."""
        return self.side(self.column)

    @cached_property
    def single(self) -> np.ndarray:
        """Whether each group is a cluster of its own (G)."""
        return np.asarray(np.bincount(self.cluster)[self.cluster] == 1)

    @cached_property
    def joined(self) -> sparse.csr_matrix:
        """Adds up groups of clusters that have several."""
        inside = np.flatnonzero(~self.single)
        many, place = np.unique(self.cluster[inside], return_inverse=True)
        return sparse.csr_matrix((np.ones(len(inside)), (place, inside)), shape=(len(many), len(self.cluster)))

    def moved_slope(self, draws: Draws) -> Moved:
        """What draws make of the slope; outcomes share it."""
        if not self.known or self.known[0][0] is not draws:
            self.known[:] = [(draws, moved(self, self.slope, draws))]
        return self.known[0][1]


@dataclass(frozen=True, eq=False)
class Kernel:
    """A row's frame with its residual û, and the cluster sums (H) of the estimate itself, q'û."""

    frame: Frame
    residual: Side
    observed: np.ndarray


def frame_of(row: Row, codes: np.ndarray, groups: np.ndarray, kind: str, impose_null: bool) -> Frame:
    """The frame of a row, from clusters and groups of its cells (groups lie within clusters).

    `kind` is 11, 13, 31 or 33 (MacKinnon, Nielsen, Webb 2023): first 3, residuals of the bootstrap divided by their leverage
    within the cluster; second 3, jackknife errors in each t.
    """
    q, divided = row.weights, None
    if "3" in kind:
        clusters = Clusters(codes)
        if kind[1] == "3":
            q = powered(spread_of(row), clusters, -1.0, q)
        if kind[0] == "3":
            divided = (restricted_spread(row.model) if impose_null else spread_of(row)), clusters
    left = group_sums(np.hstack([row.model.basis, row.columns]) * q[:, None], codes)
    bases, sizes, turn = np.linalg.svd(left, full_matrices=False)
    keep = sizes > COMPRESS * max(float(sizes.max(initial=0.0)), np.finfo(float).tiny)
    cluster = np.zeros(int(groups.max()) + 1, int)
    cluster[groups] = codes
    after = np.hstack([row.model.basis, row.coefficients])
    bend = turn[keep].T * sizes[keep]
    return Frame(cluster, bases[:, keep], q, row.weights, after, bend, divided, groups, row.columns[:, 0])


def kernel(row: Row, codes: np.ndarray, groups: np.ndarray, kind: str, impose_null: bool, frame: Frame | None = None) -> Kernel:
    """What the draws of a row need; `frame` where another row of its shape has made it."""
    frame = frame or frame_of(row, codes, groups, kind, impose_null)
    return Kernel(frame, frame.side(row.residual), group_sums((frame.q * row.residual)[:, None], codes)[:, 0])


def quadratics(made: Kernel, draws: Draws) -> tuple[np.ndarray, np.ndarray]:
    """Numerators (2 × B) and the products of cluster sums (3 × B: û û, û a, a a) of every draw."""
    frame, values = made.frame, draws.values
    if len(frame.left) * values.size <= SMALL:
        sides = (made.residual, frame.slope)
        sums = [_cluster_sums(frame, side) @ values for side in sides]
        pairs = ((0, 0), (0, 1), (1, 1))
        top = np.stack([side.top for side in sides]) @ values
        return top, np.array([np.einsum("hb,hb->b", sums[i], sums[j]) for i, j in pairs])
    return _thin(made, draws)


def _cluster_sums(frame: Frame, side: Side) -> np.ndarray:
    """K itself, H × G."""
    out = -frame.left @ side.right.T
    out[frame.cluster, np.arange(len(frame.cluster))] += side.own
    return np.asarray(out)


@dataclass(frozen=True, eq=False)
class Moved:
    """What draws make of a side: numerators (B), left'blocks and the same − right'v (ρ × B), and blocks of several groups."""

    side: Side
    top: np.ndarray
    along: np.ndarray
    apart: np.ndarray
    blocks: np.ndarray

    def times(self, other: Moved, single: np.ndarray, draws: Draws) -> np.ndarray:
        """Σ over clusters of the products of both sums (B): Σ(block)² − |left'block|² + |left'block − right'v|²."""
        alone = self.side.own * other.side.own * single
        squares = alone.sum() if draws.kind == "rademacher" else alone @ draws.squares
        parts = (self.apart * other.apart).sum(axis=0) - (self.along * other.along).sum(axis=0)
        return np.asarray(squares + parts + (self.blocks * other.blocks).sum(axis=0))


def moved(frame: Frame, side: Side, draws: Draws) -> Moved:
    """One side under every draw, without the sums themselves."""
    along, rank = (frame.left[frame.cluster] * side.own[:, None]).T, frame.left.shape[1]
    product = np.vstack([side.top[None], along, along - side.right.T]) @ draws.values
    blocks = (frame.joined @ sparse.diags_array(side.own)) @ draws.values
    return Moved(side, product[0], product[1 : 1 + rank], product[1 + rank :], np.asarray(blocks))


def _thin(made: Kernel, draws: Draws) -> tuple[np.ndarray, np.ndarray]:
    """As `quadratics` without the sums."""
    frame = made.frame
    sides = moved(frame, made.residual, draws), frame.moved_slope(draws)
    pairs = ((0, 0), (0, 1), (1, 1))
    return np.stack([side.top for side in sides]), np.array([sides[i].times(sides[j], frame.single, draws) for i, j in pairs])


def batches(groups: int, draws: int, weights: str, seed: int) -> Iterator[Draws]:
    """Draws in pieces that fit into memory; one piece, kept for the next call, where all do."""
    if groups * draws <= LARGEST or groups <= FEW or 2.0**groups <= draws:
        yield draw(groups, draws, weights, seed)
        return
    random, size = np.random.Generator(np.random.PCG64(seed)), max(1, LARGEST // groups)
    for first in range(0, draws, size):
        yield _drawn(random, groups, min(size, draws - first), weights)


def wild_row(
    row: Row, codes: np.ndarray, groups: np.ndarray, options: Mapping[str, Any], frame: Frame | None = None
) -> tuple[BootstrapTest, dict[str, Any], np.ndarray]:
    """The test of a row, what a reader must know of its draws (plain JSON), and the cluster sums of its error."""
    made = kernel(row, codes, groups, options["type"], options["impose_null"], frame)
    count, kind, enumerated, parts = len(made.frame.cluster), "", False, []
    for draws in batches(count, int(options["draws"]), options["weights"], int(options["seed"])):
        parts.append(quadratics(made, draws))
        kind, enumerated = draws.kind, draws.enumerated
    top, bottom = (np.concatenate(part, axis=1) for part in zip(*parts, strict=True))
    test = BootstrapTest(top, bottom, float(made.observed @ made.observed), enumerated, options["impose_null"], options["ties"])
    said = {
        "draws": top.shape[1] * (2 if enumerated else 1),
        "enumerated": enumerated,
        "weights": kind,
        "groups": count,
        "smallest_p": test.smallest_p,
    }
    return test, said, made.observed


def wild(result: Scored, cluster: str | None, options: Mapping[str, Any]) -> Inference:
    """Wild cluster bootstrap-t by row; see METHODS.md for the options."""
    check_options(options)
    made = prepare(result, cluster)
    groups = subclusters(result, made.cluster, made.codes, options["subcluster"])
    count, periods = len(made.rows), len(result.panel.periods)
    sums = np.full((int(made.codes.max()) + 1, count), np.nan)
    tests: list[BootstrapTest | None] = [None] * count
    said: list[dict[str, Any] | None] = [None] * count
    factor, shared = _factor(result, made.counts[0], options["type"]), ByShape()
    for k, row in enumerate(made.rows):
        if row is None:
            continue
        present, codes, frame = shared.of(row, partial(_framed, row, made.codes, groups, periods, options))
        test, drawn, observed = wild_row(row, codes, frame.groups, options, frame)
        sums[:, k] = 0.0
        sums[present, k] = observed * np.sqrt(factor[k])
        tests[k], said[k] = test, {**drawn, "direction": row.direction}
    kept = {**_common(said), **{name: options[name] for name in ("type", "impose_null", "subcluster", "ties", "seed")}}
    found = assemble("wild_cluster", result, made, sums, _name(options), made.counts[0] - 1.0, [], {})
    tests = [test if np.isfinite(error) else None for test, error in zip(tests, found.std_error, strict=True)]
    return finish(found, tests, {**kept, "rows": said}, -result.estimates)


def _framed(
    row: Row, clusters: np.ndarray, groups: np.ndarray, periods: int, options: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray, Frame]:
    """Clusters that a row observes, their number for each of its cells, and its frame."""
    present, codes = cells_of(row, clusters, periods)
    return present, codes, frame_of(row, codes, cells_of(row, groups, periods)[1], options["type"], options["impose_null"])


def _common(said: list[dict[str, Any] | None]) -> dict[str, Any]:
    """What holds for all rows: the draws of the first, and the largest of the smallest p-values."""
    known = [one for one in said if one is not None]
    if not known:
        return {"draws": 0, "enumerated": False, "smallest_p": None}
    return {
        **{name: known[0][name] for name in ("draws", "enumerated", "weights")},
        "smallest_p": max(one["smallest_p"] for one in known),
    }


def finish(found: Inference, tests: list[BootstrapTest | None], details: dict[str, Any], null: np.ndarray) -> Inference:
    """The inference with p-values at a null (K, as θ0 − θ̂), and intervals by inversion."""
    p = np.array([np.nan if test is None else test.p_value(float(d)) for test, d in zip(tests, null, strict=True)])
    known: dict[float, tuple[np.ndarray, np.ndarray, list[int]]] = {}

    def ends(level: float) -> tuple[np.ndarray, np.ndarray, list[int]]:
        if level not in known:
            found_ends = [None if test is None else end_points(test, 1 - level) for test in tests]
            lower = np.array([np.nan if one is None else one[0] for one in found_ends]) + found.estimates
            upper = np.array([np.nan if one is None else one[1] for one in found_ends]) + found.estimates
            known[level] = lower, upper, [k for k, one in enumerate(found_ends) if one is not None and one[2]]
        return known[level]

    said = {**details, "disconnected_at_95": ends(0.95)[2]}
    return replace(found, own_p=p, own_interval=lambda level: ends(level)[:2], details=said)


def check_options(options: Mapping[str, Any]) -> None:
    """Raise `OptionError` for a value that does not exist."""
    check_choice("type", options["type"], TYPES)
    check_choice("weights", options["weights"], WEIGHTS)
    for name in ("impose_null", "ties"):
        check_choice(name, options[name], (True, False))
    for name, least in (("draws", 99), ("seed", 0)):
        value = options[name]
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
            raise OptionError(f"{name} must be a whole number, {least} or more, not {value!r}.")


def subclusters(result: Scored, cluster: str, codes: np.ndarray, name: str | None) -> np.ndarray:
    """Groups that the weights are drawn for (codes of units): the clusters, or a column whose groups lie within them."""
    if name is None:
        return codes
    named, groups = result.panel.cluster_codes(name)
    check_nested(named, groups, cluster, codes)
    return groups


def check_nested(name: str, groups: np.ndarray, cluster: str, codes: np.ndarray) -> None:
    """Raise `PanelError` when a group lies in more than one cluster."""
    pairs = np.unique(np.column_stack([groups, codes]), axis=0)
    if len(pairs) > len(np.unique(groups)):
        raise PanelError(
            f"Some {name} lie in more than one {cluster}, so {name} cannot be the subcluster. Name a finer column in subcluster=."
        )


def _factor(result: Scored, groups: np.ndarray, kind: str) -> np.ndarray:
    """Small-sample factors (K) of the error that is shown; the p-value does not depend on them."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if kind[1] == "3":
            return np.asarray((groups - 1.0) / groups)
        n, counted = result.observations, result.parameters
        return np.asarray(groups / (groups - 1.0) * np.where(counted > 0, (n - 1.0) / (n - counted), 1.0))


def _name(options: Mapping[str, Any]) -> str:
    return "CR3" if options["type"][1] == "3" else "CR1"
