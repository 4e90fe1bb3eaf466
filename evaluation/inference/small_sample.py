"""Errors for few clusters: CR2 with Bell–McCaffrey degrees of freedom, and CR3 (the jackknife over clusters).

With R R' the covariance of residuals under independent errors, both are Σ over clusters of (b'û)², b the row's weights times a
power of the cluster's block of R R': −1/2 for CR2, −1 for CR3. R R' is a simple matrix less one of low rank, so that no block is
decomposed beyond that rank.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.errors import NotEstimable, OptionError, PanelError, check_choice
from evaluation.inference.base import Inference, Scored, group_sums
from evaluation.inference.working import ByShape, Prepared, Row, WorkingModel, assemble, cells_of, prepare
from evaluation.panel import Panel

CR2_DEFAULTS: dict[str, Any] = {"working": "equal"}
CR3_DEFAULTS: dict[str, Any] = {"centre": "estimate", "refit": None}
WORKING = ("equal", "inverse_weights")
CENTRES = ("estimate", "mean")
ZERO = 1e-10  # eigenvalue of a block of R R' below which its direction has no residual at all
LOST = 1e-6  # part of a cluster's weights that may lie where it has no residual
BLOCK = 3_000  # cells of a cluster whose block may be decomposed whole
ROUNDED = 1e-11  # relative size below which two clusters are the same design
DIRECT = 1_500  # clusters up to which degrees of freedom are summed over all pairs


@dataclass(frozen=True, eq=False)
class Spread:
    """R R' = simple − factors × core × factors', simple being block-diagonal by units.

    Attributes:
        factors: n × m.
        core: m × m, symmetric.
        scaled: whether in the scaled space, where simple takes out unit means; else in the space of the outcome.
    """

    model: WorkingModel
    factors: np.ndarray
    core: np.ndarray
    scaled: bool

    def simple(self, vector: np.ndarray) -> np.ndarray:
        """The block-diagonal part × a vector (n)."""
        model, column = self.model, vector[:, None]
        if model.units is None:
            return vector
        if self.scaled:
            return np.asarray(vector - model.unit_part(column)[:, 0])
        return np.asarray(_centre(model, _centre_back(model, column))[:, 0])

    def times(self, vector: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Block-diagonal of R R' by clusters × a vector (n)."""
        inner = group_sums(self.factors * vector[:, None], codes) @ self.core
        return np.asarray(self.simple(vector) - (self.factors * inner[codes]).sum(axis=1))


def spread_of(row: Row, scaled: bool = True) -> Spread:
    """R R' of a row."""
    model = row.model
    a, c = row.columns, row.coefficients
    if scaled:
        core = _blocks(np.eye(model.basis.shape[1]), _pair(c.T @ c))
        return Spread(model, np.hstack([model.basis, a, c]), core, True)
    root = model.root[:, None]
    raw, weights = model.basis / root, c * root
    gram = (model.basis * root).T @ (model.basis * root)
    factors = [raw, _centre(model, model.basis * root), a / root, model.residual(weights * root) / root]
    return Spread(model, np.hstack(factors), _blocks(_pair(gram), _pair(weights.T @ weights)), False)


def restricted_spread(model: WorkingModel) -> Spread:
    """M itself: the covariance of residuals when the effect is given."""
    return Spread(model, model.basis, np.eye(model.basis.shape[1]), True)


def _pair(gram: np.ndarray) -> np.ndarray:
    """Core of A C' + C A' − A gram A' over [A, C]."""
    one = np.eye(len(gram))
    return np.block([[-gram, one], [one, np.zeros_like(gram)]])


def _blocks(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    out = np.zeros((len(first) + len(second),) * 2)
    out[: len(first), : len(first)], out[len(first) :, len(first) :] = first, second
    return out


def _centre(model: WorkingModel, columns: np.ndarray) -> np.ndarray:
    """Columns (n × p, unscaled) less their unit's weighted mean."""
    root = model.root[:, None]
    return np.asarray(columns - model.unit_part(columns * root) / root)


def _centre_back(model: WorkingModel, columns: np.ndarray) -> np.ndarray:
    """The transpose of `_centre`."""
    root = model.root[:, None]
    return np.asarray(columns - root * model.unit_part(columns / root))


def powered(spread: Spread, codes: np.ndarray, power: float, columns: np.ndarray) -> np.ndarray:
    """Each cluster's block of R R' to a power (−1/2 or −1, pseudo-inverse) × its part of columns (n × p).

    In the scaled space the columns must be free of unit effects.
    """
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(codes.max() + 2))
    sizes = np.diff(bounds)
    out = columns.copy()
    scale = max(float(np.abs(spread.factors).max(initial=0.0)), np.finfo(float).tiny)
    for size in np.unique(sizes):
        clusters = np.flatnonzero(sizes == size)
        at = order[bounds[clusters][:, None] + np.arange(size)]
        if spread.scaled or spread.model.units is None:
            keys = np.round(spread.factors[at] / (scale * ROUNDED)).reshape(len(at), -1)
            first, group = _same(keys)
            bases, changes = _low_rank(spread.factors[at[first]], spread.core, power)
            for number in range(len(first)):
                mine = at[group == number]
                out[mine] += bases[number] @ (changes[number] @ (bases[number].T @ columns[mine]))
        else:
            for mine in at:
                out[mine] = _whole(spread, mine, power) @ columns[mine]
    return out


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


def satterthwaite(spread: Spread, codes: np.ndarray, b: np.ndarray) -> float:
    """Degrees of freedom of Σ (b'û)² by matching two moments (Bell, McCaffrey 2002, equation 12; Imbens, Kolesár 2016)."""
    inner = group_sums(spread.factors * b[:, None], codes)
    own = group_sums((b * spread.simple(b))[:, None], codes)[:, 0]
    low = np.einsum("gm,mj,gj->g", inner, spread.core, inner)
    trace = float((own - low).sum())
    if len(own) <= DIRECT:
        total = float(((np.diag(own) - inner @ spread.core @ inner.T) ** 2).sum())
    else:
        gram = spread.core @ (inner.T @ inner)
        total = float((own**2 - 2 * own * low).sum() + np.trace(gram @ gram))
    return trace**2 / total if total > 0 else float("nan")


def cr2_row(row: Row, codes: np.ndarray, working: str = "equal") -> tuple[np.ndarray, float]:
    """Sums b'û by cluster and Bell–McCaffrey degrees of freedom."""
    b, df = cr2_weights(row, codes, working)
    return group_sums((b * row.residual)[:, None], codes)[:, 0], df


def cr2_weights(row: Row, codes: np.ndarray, working: str) -> tuple[np.ndarray, float]:
    """b, which residuals in the scaled space are times, and degrees of freedom: no outcome changes them."""
    scaled = working == "inverse_weights" or bool(np.ptp(row.model.root) == 0)
    spread = spread_of(row, scaled)
    root = np.ones_like(row.model.root) if scaled else row.model.root
    b = powered(spread, codes, -0.5, (row.weights * root)[:, None])[:, 0]
    return b / root, satterthwaite(spread, codes, b)


def cr3_row(row: Row, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the estimate loses with each cluster (θ̂ − θ̂ without it), and whether the effect is identified without it."""
    spread = spread_of(row)
    b = powered(spread, codes, -1.0, row.weights[:, None])[:, 0]
    lost = np.sqrt(group_sums(((row.weights - spread.times(b, codes)) ** 2)[:, None], codes)[:, 0])
    identified = lost <= LOST * float(np.sqrt((row.weights**2).sum()))
    return group_sums((b * row.residual)[:, None], codes)[:, 0], identified


def cr2(result: Scored, cluster: str | None, options: Mapping[str, Any]) -> Inference:
    """CR2 errors with t and Bell–McCaffrey degrees of freedom, by row; see METHODS.md.

    Options: `working`, the variances that CR2 is unbiased under: "equal" (R's clubSandwich) or "inverse_weights".
    """
    check_choice("working", options["working"], WORKING)
    made = prepare(result, cluster)
    df, shared = np.full(len(made.rows), np.nan), ByShape()

    def one(k: int, row: Row, codes: np.ndarray) -> np.ndarray:
        b, df[k] = shared.of(row, lambda: cr2_weights(row, codes, options["working"]))
        return group_sums((b * row.residual)[:, None], codes)[:, 0]

    sums = _each(result, made, one)
    details = {"working": options["working"], "direction": [None if row is None else row.direction for row in made.rows]}
    return assemble("cr2", result, made, sums, "CR2", df, [], details)


def cr3(result: Scored, cluster: str | None, options: Mapping[str, Any]) -> Inference:
    """CR3 errors, the jackknife over clusters, with t(G − 1); see METHODS.md.

    Options: `centre`, "estimate" (CV3) or "mean" of the estimates without a cluster (CV3J); `refit`, None for the closed form
    under the working model, or a function panel → `Result` that estimates again without each cluster. The overall two-way effect
    always takes the closed form: for least squares it is the jackknife.
    """
    check_choice("centre", options["centre"], CENTRES)
    refit = options["refit"]
    if refit is not None and not callable(refit):
        raise OptionError(f"refit must be a function of a panel that gives a result, not {refit!r}. Leave it out for None.")
    made = prepare(result, cluster)
    unidentified = np.zeros(len(made.rows), bool)

    def closed(k: int, row: Row, codes: np.ndarray) -> np.ndarray:
        sums, identified = cr3_row(row, codes)
        unidentified[k] = not identified.all()
        return jackknife(np.where(identified.all(), sums, np.nan), options["centre"])

    closed_form = refit is None or (result.estimator == "two_way_fixed_effects" and result.aggregate == "overall")
    if closed_form:
        sums = _each(result, made, closed)
    else:
        sums, unidentified = _again(result, made, refit, options["centre"])
    warnings = []
    if unidentified.any():
        warnings.append(
            f"{int(unidentified.sum())} of {len(unidentified)} effects cannot be estimated without one of the {made.cluster} "
            "clusters, so they have no jackknife error."
        )
    details = {
        "centre": options["centre"],
        "refit": not closed_form,
        "direction": [None if row is None else row.direction for row in made.rows],
    }
    return assemble("cr3", result, made, sums, "CR3", made.counts[0] - 1.0, warnings, details)


def jackknife(lost: np.ndarray, centre: str) -> np.ndarray:
    """Losses by cluster × √((G − 1)/G), from their mean where asked."""
    groups = len(lost)
    return np.asarray((lost - (lost.mean() if centre == "mean" else 0.0)) * np.sqrt((groups - 1) / groups))


def _each(result: Scored, made: Prepared, one: Callable[[int, Row, np.ndarray], np.ndarray]) -> np.ndarray:
    """Sums by cluster of every row (G × K); NaN for rows that have none."""
    sums = np.full((int(made.codes.max()) + 1, len(made.rows)), np.nan)
    for k, row in enumerate(made.rows):
        if row is not None:
            present, codes = cells_of(row, made.codes, len(result.panel.periods))
            sums[:, k] = 0.0
            sums[present, k] = one(k, row, codes)
    return sums


def _again(result: Scored, made: Prepared, refit: Callable[[Panel], Any], centre: str) -> tuple[np.ndarray, np.ndarray]:
    """Losses by cluster from estimating again without each; rows that are missing once are not identified."""
    names = [c for c in result.labels.columns if c != "kind"]

    def keys(labels: Any) -> list[tuple[str, ...]]:
        return [tuple(map(str, line)) for line in labels[names].itertuples(index=False)]

    mine = keys(result.labels)
    clusters = np.unique(made.codes)
    lost = np.full((len(clusters), len(mine)), np.nan)
    for at, code in enumerate(clusters):
        other = refit(result.panel.select(made.codes != code))
        if not isinstance(other, NotEstimable):
            known = dict(zip(keys(other.labels), other.estimates, strict=True))
            lost[at] = result.estimates - np.array([known.get(key, np.nan) for key in mine])
    wanted = np.array([row is not None for row in made.rows])
    unidentified = wanted & ~np.isfinite(lost).all(axis=0)
    sums = np.column_stack([jackknife(column, centre) for column in lost.T])
    return np.where(wanted & ~unidentified, sums, np.nan), unidentified
