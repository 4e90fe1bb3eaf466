"""Errors for few clusters: CR2 with Bell–McCaffrey degrees of freedom, and CR3 (the jackknife over clusters).

With R R' the covariance of residuals under independent errors, both are Σ over clusters of (b'û)², b the row's weights times a
power of the cluster's block of R R': −1/2 for CR2, −1 for CR3. R R' is a simple matrix less one of low rank, so that no block is
decomposed beyond that rank.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from evaluation.errors import NotEstimable, OptionError, check_choice
from evaluation.inference.base import Inference, Scored
from evaluation.inference.blocks import Clusters, powered, powers
from evaluation.inference.moments import Asked, Raised
from evaluation.inference.spread import Spread, spread_of
from evaluation.inference.working import Prepared, Row, assemble, cells_of, prepare
from evaluation.panel import Panel

CR2_DEFAULTS: dict[str, Any] = {"working": "equal"}
CR3_DEFAULTS: dict[str, Any] = {"centre": "estimate", "refit": None}
WORKING = ("equal", "inverse_weights")
CENTRES = ("estimate", "mean")
LOST = 1e-6  # part of a cluster's weights that may lie where it has no residual
NUMBERS, TERMS = 8_000_000, 12  # what rows worked on at once may hold, and about how many moments they take
DIRECT = 1_500  # clusters up to which degrees of freedom are summed over all pairs


def satterthwaite(spread: Spread, clusters: Clusters, b: np.ndarray) -> float:
    """Degrees of freedom of Σ (b'û)² by matching two moments (Bell, McCaffrey 2002, equation 12; Imbens, Kolesár 2016)."""
    shared, own = spread.sums(b, clusters.codes)
    simple = clusters.sums(b * spread.effects.simple(b))
    return _degrees(simple, [(shared, spread.effects.core), (own, spread.core)])


def _degrees(simple: np.ndarray, low: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """(tr Ω)² ÷ tr(Ω²) of Ω = diag(simple) − Σ L core L', each L with a row for each cluster."""
    turned, left = np.hstack([left @ core for left, core in low]), np.hstack([left for left, _ in low])
    own = (turned * left).sum(axis=1)
    trace = float((simple - own).sum())
    if len(simple) <= DIRECT:
        whole = turned @ left.T
        np.fill_diagonal(whole, own - simple)
        total = float(np.vdot(whole, whole))
    else:
        gram = turned.T @ left
        total = float((simple**2 - 2 * simple * own).sum() + (gram * gram.T).sum())
    return trace**2 / total if total > 0 else float("nan")


def cr2_row(row: Row, codes: np.ndarray, working: str = "equal") -> tuple[np.ndarray, float]:
    """Sums b'û by cluster and Bell–McCaffrey degrees of freedom."""
    clusters = Clusters(codes)
    b, df = cr2_weights([row], clusters, working)
    return np.asarray(clusters.sums(b[:, 0] * row.residual)), float(df[0])


def cr2_weights(rows: Sequence[Row], clusters: Clusters, working: str) -> tuple[np.ndarray, np.ndarray]:
    """What residuals in the scaled space are times, b (n × K), and degrees of freedom (K): no outcome changes them.

    The rows are of one model and have as many columns each.
    """
    model = rows[0].model
    scaled = working == "inverse_weights" or bool(np.ptp(model.root) == 0)
    spreads = [spread_of(row, scaled) for row in rows]
    own, start = [one.own for one in spreads], np.eye(spreads[0].own.shape[1])[rows[0].columns.shape[1]]  # the weights
    core = np.stack([one.core for one in spreads])
    if not scaled:  # in the space of the outcome the weights are no column of R R'
        own = [np.column_stack([one.own, row.weights * model.root]) for one, row in zip(spreads, rows, strict=True)]
        core, start = np.pad(core, ((0, 0), (0, 1), (0, 1))), np.eye(own[0].shape[1])[-1]
    asked = Asked(np.stack(own, axis=1), core, np.tile(start, (len(rows), 1)))
    made = powers(spreads[0].effects, clusters, -0.5, asked)
    df = np.array([_degrees(*_variance(made, asked.core[k], k)) for k in range(len(rows))])
    return (made.b if scaled else made.b / model.root[:, None]), df


def _variance(made: Raised, core: np.ndarray, k: int) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    """What `_degrees` takes, from sums along the factors; the units' own factors lie within clusters."""
    across, along = made.parts.across, made.along[:, k]
    shared = made.parts.core[np.ix_(across, across)]
    simple = made.square[:, k]
    if not across.all():
        inside = along[:, ~across]
        simple = simple - ((inside @ made.parts.core[np.ix_(~across, ~across)]) * inside).sum(axis=1)
    return simple, [(along[:, across], shared), (made.own[:, k], core)]


def cr3_row(row: Row, clusters: Clusters) -> tuple[np.ndarray, np.ndarray]:
    """What the estimate loses with each cluster (θ̂ − θ̂ without it), and whether the effect is identified without it."""
    spread = spread_of(row)
    b = powered(spread, clusters, -1.0, row.weights)
    lost = np.sqrt(clusters.sums((row.weights - spread.times(b, clusters.codes)) ** 2))
    identified = lost <= LOST * float(np.sqrt((row.weights**2).sum()))
    return np.asarray(clusters.sums(b * row.residual)), identified


def cr2(result: Scored, cluster: str | None, options: Mapping[str, Any]) -> Inference:
    """CR2 errors with t and Bell–McCaffrey degrees of freedom, by row; see METHODS.md.

    Options: `working`, the variances that CR2 is unbiased under: "equal" (R's clubSandwich) or "inverse_weights".
    """
    check_choice("working", options["working"], WORKING)
    made = prepare(result, cluster)
    sums, df = np.full((int(made.codes.max()) + 1, len(made.rows)), np.nan), np.full(len(made.rows), np.nan)
    alike: dict[tuple[int, int], list[tuple[int, Row]]] = {}
    for k, row in enumerate(made.rows):
        if row is not None:
            alike.setdefault((id(row.model.basis), row.columns.shape[1]), []).append((k, row))
    known = ByCells(made.codes, len(result.panel.periods))
    for group in alike.values():
        some, rows = np.array([k for k, _ in group]), [row for _, row in group]
        present, clusters = known.of(rows[0])
        sums[:, some] = 0.0
        sums[np.ix_(present, some)], df[some] = _sums(rows, clusters, options["working"])
    details = {"working": options["working"], "direction": [None if row is None else row.direction for row in made.rows]}
    return assemble("cr2", result, made, sums, "CR2", df, [], details)


def _sums(rows: Sequence[Row], clusters: Clusters, working: str) -> tuple[np.ndarray, np.ndarray]:
    """Sums b'û by cluster (G × K) and degrees of freedom (K) of rows of one model; those of one shape share b."""
    places: dict[tuple[int, int], int] = {}
    shape = np.array([places.setdefault(row.shape, len(places)) for row in rows])
    first = [rows[int(np.flatnonzero(shape == place)[0])] for place in range(len(places))]
    held = (len(clusters.codes) + TERMS * len(clusters) * rows[0].model.basis.shape[1]) * 2 * rows[0].columns.shape[1]
    size = max(1, NUMBERS // held)
    made = [cr2_weights(first[at : at + size], clusters, working) for at in range(0, len(first), size)]
    b, df = np.hstack([one for one, _ in made]), np.concatenate([one for _, one in made])
    residuals = np.stack([row.residual for row in rows], axis=1)
    return np.asarray(clusters.sums(b[:, shape] * residuals)), df[shape]


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
    closed_form = refit is None or (result.estimator == "two_way_fixed_effects" and result.aggregate == "overall")
    if closed_form:
        sums, unidentified = _closed(result, made, options["centre"])
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


def _closed(result: Scored, made: Prepared, centre: str) -> tuple[np.ndarray, np.ndarray]:
    """Losses by the closed form (G × K; NaN for rows that have none), and which rows are not identified without a cluster."""
    sums, unidentified = np.full((int(made.codes.max()) + 1, len(made.rows)), np.nan), np.zeros(len(made.rows), bool)
    known = ByCells(made.codes, len(result.panel.periods))
    for k, row in enumerate(made.rows):
        if row is not None:
            present, clusters = known.of(row)
            lost, identified = cr3_row(row, clusters)
            unidentified[k] = not identified.all()
            sums[:, k] = 0.0
            sums[present, k] = jackknife(np.where(identified.all(), lost, np.nan), centre)
    return sums, unidentified


class ByCells:
    """Clusters that models observe, made once for models of the same cells."""

    def __init__(self, codes: np.ndarray, periods: int) -> None:
        self.codes, self.periods = codes, periods
        self.kept: dict[int, tuple[np.ndarray, np.ndarray, Clusters]] = {}

    def of(self, row: Row) -> tuple[np.ndarray, Clusters]:
        """Which clusters a row's model observes, and their cells."""
        cell = row.model.cell
        if id(cell) not in self.kept:
            present, codes = cells_of(row, self.codes, self.periods)
            self.kept[id(cell)] = cell, present, Clusters(codes)  # the cells are kept so that their id stays theirs
        return self.kept[id(cell)][1:]


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
