"""Errors for few clusters: CR2 with Bell–McCaffrey degrees of freedom, and CR3 (the jackknife over clusters).

With R R' the covariance of residuals under independent errors, both are Σ over clusters of (b'û)², b the row's weights times a
power of the cluster's block of R R': −1/2 for CR2, −1 for CR3. R R' is a simple matrix less one of low rank, so that no block is
decomposed beyond that rank.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from evaluation.errors import NotEstimable, OptionError, check_choice
from evaluation.inference.base import Inference, Scored, group_sums
from evaluation.inference.blocks import Clusters, powered
from evaluation.inference.spread import Spread, spread_of
from evaluation.inference.working import ByShape, Prepared, Row, assemble, cells_of, prepare
from evaluation.panel import Panel

CR2_DEFAULTS: dict[str, Any] = {"working": "equal"}
CR3_DEFAULTS: dict[str, Any] = {"centre": "estimate", "refit": None}
WORKING = ("equal", "inverse_weights")
CENTRES = ("estimate", "mean")
LOST = 1e-6  # part of a cluster's weights that may lie where it has no residual
DIRECT = 1_500  # clusters up to which degrees of freedom are summed over all pairs


def satterthwaite(spread: Spread, clusters: Clusters, b: np.ndarray) -> float:
    """Degrees of freedom of Σ (b'û)² by matching two moments (Bell, McCaffrey 2002, equation 12; Imbens, Kolesár 2016)."""
    inner = clusters.onto @ (spread.factors * b[:, None])
    own = clusters.onto @ (b * spread.simple(b))
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
    b, df = cr2_weights(row, Clusters(codes), working)
    return group_sums((b * row.residual)[:, None], codes)[:, 0], df


def cr2_weights(row: Row, clusters: Clusters, working: str) -> tuple[np.ndarray, float]:
    """b, which residuals in the scaled space are times, and degrees of freedom: no outcome changes them."""
    scaled = working == "inverse_weights" or bool(np.ptp(row.model.root) == 0)
    spread = spread_of(row, scaled)
    root = np.ones_like(row.model.root) if scaled else row.model.root
    b = powered(spread, clusters, -0.5, row.weights * root)
    return b / root, satterthwaite(spread, clusters, b)


def cr3_row(row: Row, clusters: Clusters) -> tuple[np.ndarray, np.ndarray]:
    """What the estimate loses with each cluster (θ̂ − θ̂ without it), and whether the effect is identified without it."""
    spread = spread_of(row)
    b = powered(spread, clusters, -1.0, row.weights)
    lost = np.sqrt(clusters.onto @ (row.weights - spread.times(b, clusters.codes)) ** 2)
    identified = lost <= LOST * float(np.sqrt((row.weights**2).sum()))
    return np.asarray(clusters.onto @ (b * row.residual)), identified


def cr2(result: Scored, cluster: str | None, options: Mapping[str, Any]) -> Inference:
    """CR2 errors with t and Bell–McCaffrey degrees of freedom, by row; see METHODS.md.

    Options: `working`, the variances that CR2 is unbiased under: "equal" (R's clubSandwich) or "inverse_weights".
    """
    check_choice("working", options["working"], WORKING)
    made = prepare(result, cluster)
    df, shared = np.full(len(made.rows), np.nan), ByShape()

    def one(k: int, row: Row, clusters: Clusters) -> np.ndarray:
        b, df[k] = shared.of(row, lambda: cr2_weights(row, clusters, options["working"]))
        return np.asarray(clusters.onto @ (b * row.residual))

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

    def closed(k: int, row: Row, clusters: Clusters) -> np.ndarray:
        sums, identified = cr3_row(row, clusters)
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


def _each(result: Scored, made: Prepared, one: Callable[[int, Row, Clusters], np.ndarray]) -> np.ndarray:
    """Sums by cluster of every row (G × K); NaN for rows that have none."""
    sums = np.full((int(made.codes.max()) + 1, len(made.rows)), np.nan)
    known: dict[int, tuple[np.ndarray, Clusters]] = {}  # by the cells that a model observes
    for k, row in enumerate(made.rows):
        if row is not None:
            if id(row.model.cell) not in known:
                present, codes = cells_of(row, made.codes, len(result.panel.periods))
                known[id(row.model.cell)] = present, Clusters(codes)
            present, clusters = known[id(row.model.cell)]
            sums[:, k] = 0.0
            sums[present, k] = one(k, row, clusters)
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
