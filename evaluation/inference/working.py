"""The working model that linear methods of inference share: every linear estimate is w'y under unit and period effects.

All arrays are in the space scaled by the root of the weights, so that taking the effects out is an orthogonal projection M. With
the outcome's effect direction D taken out as well, residuals are R y, where R = M − M D w'. For least squares on the same effects
this R is that of the regression itself, so that errors and bootstraps are those of the regression.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.inference.base import Inference, Scored, clusters_with, dust, group_sums
from evaluation.panel import Made, Panel

RANK = 1e-10  # relative size below which a direction counts as not identified
LEVELS = 1e-7  # relative part of a row's weights that unit and period effects may keep before the row is refused
ONE = 1e-6  # how near to 1 (or 0) weights × direction must be


@dataclass(frozen=True, eq=False)
class WorkingModel:
    """Effects that are taken out, as an orthogonal projection.

    Attributes:
        root: n; roots of the weights of the observed cells or rows.
        basis: n × r; orthonormal columns that span the effects beyond those of `units`.
        units: n; codes of effects that are taken out by demeaning and lie within clusters, or None.
        outcome: n; the outcome × root.
        cell: n; position in the panel (unit × T + period), or the row of the frame.
    """

    root: np.ndarray
    basis: np.ndarray
    units: np.ndarray | None
    outcome: np.ndarray
    cell: np.ndarray

    def residual(self, columns: np.ndarray) -> np.ndarray:
        """M × columns (n × p)."""
        out = columns
        if self.units is not None:
            out = columns - self.unit_part(columns)
        return np.asarray(out - self.basis @ (self.basis.T @ out))

    def unit_part(self, columns: np.ndarray) -> np.ndarray:
        """Projection of columns (n × p) on the effects of units."""
        if self.units is None:
            return np.zeros_like(columns)
        along = np.bincount(self.units, self.root**2)
        means = group_sums(columns * self.root[:, None], self.units) / np.where(along > 0, along, 1.0)[:, None]
        return np.asarray(self.root[:, None] * means[self.units])


@dataclass(frozen=True, eq=False)
class Row:
    """One effect under the working model; R = M − columns × coefficients'. Rows of outcomes alike share all but the residual.

    Attributes:
        model: the effects taken out.
        weights: n; weights on cells ÷ root.
        columns: n × J; directions taken out after the effects, M D: the row's own first.
        coefficients: n × J; what gives their sizes, the row's own weights first.
        residual: n; R y.
        estimate: the effect.
        direction: what the own direction is: "treated", "intensity", "eligible" or "weights".
    """

    model: WorkingModel
    weights: np.ndarray
    columns: np.ndarray
    coefficients: np.ndarray
    residual: np.ndarray
    estimate: float
    direction: str

    @property
    def shape(self) -> tuple[int, int]:
        """The same for rows that share their weights and columns, as long as one of them is kept."""
        return id(self.weights), id(self.columns)


@dataclass(frozen=True, eq=False)
class Prepared:
    """Rows of a result as the methods take them.

    Attributes:
        rows: K; None where a row can have no error of this kind.
        cluster: name of the column clustered by.
        codes: N; cluster of each unit.
        counts: clusters, treated and comparison clusters, K each.
        warnings: rows without an error and why.
        real: K; rows that are not a reference.
    """

    rows: tuple[Row | None, ...]
    cluster: str
    codes: np.ndarray
    counts: tuple[np.ndarray, np.ndarray, np.ndarray]
    warnings: tuple[str, ...]
    real: np.ndarray


def panel_model(panel: Panel, at: int, options: Mapping[str, Any] | None = None) -> WorkingModel:
    """Unit and period effects of outcome number `at`, weighted, on its observed cells.

    The options of two-way fixed effects are heeded: `period_by`, period effects for each group of units, and
    `covariates="by_period"`, each covariate in each period.
    """
    asked = options or {}
    weights = panel.weights[at]
    seen = np.flatnonzero(weights.ravel() > 0)
    by = asked.get("period_by")
    group = np.zeros(len(weights), int) if by is None else panel.cluster_codes(by)[1]
    root = np.sqrt(weights.ravel()[seen])
    units, when = np.divmod(seen, weights.shape[1])
    parts = [_period_basis(weights, group == code)[units, when] for code in np.unique(group)]
    outcome = panel.values[at].ravel()[seen] * root
    codes = np.cumsum(np.diff(units, prepend=units[:1]) > 0)  # cells come unit by unit
    model = WorkingModel(root, np.hstack(parts) * root[:, None], codes, outcome, seen)
    if asked.get("covariates") != "by_period" or panel.covariate_values is None:
        return model
    known = panel.covariate_values.reshape(len(panel.covariates), -1)[:, seen]
    columns = [np.eye(weights.shape[1])[when] * ((x - x.mean()) / (x.std() or 1.0) * root)[:, None] for x in known]
    return WorkingModel(root, np.hstack([model.basis, _span(model, np.hstack(columns))]), codes, outcome, seen)


def _period_basis(weights: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Effects of periods of the units where `own` holds, free of unit effects: N × T × r, orthonormal under the weights."""
    held = np.where(own[:, None], weights, 0.0)
    total = held.sum(axis=1)
    share = np.divide(held, total[:, None], out=np.zeros_like(held), where=total[:, None] > 0)
    values, vectors = np.linalg.eigh(np.diag(held.sum(axis=0)) - held.T @ share)
    good = values > RANK * max(values.max(), np.finfo(float).tiny)
    effects = vectors[:, good] / np.sqrt(values[good])
    return np.where(own[:, None, None], effects[None] - (share @ effects)[:, None, :], 0.0)


def _span(model: WorkingModel, columns: np.ndarray) -> np.ndarray:
    """Orthonormal columns that span what the effects of a model leave of columns (n × p)."""
    vectors, sizes, _ = np.linalg.svd(model.residual(columns), full_matrices=False)
    return np.asarray(vectors[:, sizes > np.sqrt(RANK) * float(np.sqrt((columns**2).sum(axis=0).max()))])


def least_squares_row(model: WorkingModel, target: np.ndarray) -> Row | None:
    """The coefficient of a column (n, scaled) by least squares beside the effects; None where it is not identified."""
    column = model.residual(target[:, None])[:, 0]
    size = _size(column, target)
    if size is None:
        return None
    weights = column / size
    estimate = float(weights @ model.outcome)
    residual = model.residual(model.outcome[:, None])[:, 0] - estimate * column
    return Row(model, weights, column[:, None], weights[:, None], residual, estimate, "treated")


def _size(column: np.ndarray, target: np.ndarray) -> float | None:
    """Square of what the effects leave of a target; None where that is nothing."""
    size = float(column @ column)
    return size if size > RANK * max(float(target @ target), np.finfo(float).tiny) else None


def prepare(result: Scored, cluster: str | None) -> Prepared:
    """Rows of a result under the working model, with the reason for each that has none.

    Raises:
        PanelError: the estimator keeps no weights on cells, or there is no such cluster.
    """
    name, codes = result.panel.cluster_codes(cluster)
    counts = (clusters_with(result.used, codes), clusters_with(result.support, codes), clusters_with(result.compared, codes))
    real = result.kinds != "reference"
    rows: list[Row | None] = [None] * len(real)
    if result.own_df is not None:
        said = (f"The errors of {result.estimator} are its own, not those of a sum over cells: this method gives none.",)
        return Prepared(tuple(rows), name, codes, counts, said, real)
    alone, warnings = _alone(name, counts, real)
    weights, outcomes = result.weights, result.outcomes
    levels = np.zeros(len(real), bool)
    cache: dict[bytes, WorkingModel] = {}
    known: dict[tuple[bytes, bytes], list[_Shape | None]] = {}
    for at, outcome in enumerate(result.panel.outcomes):
        mine = np.flatnonzero((outcomes == outcome) & real & ~alone)
        if len(mine):
            model = _same_effects(result, at, cache)
            chosen = weights if len(mine) == len(real) else weights[mine]
            given = np.asarray(chosen.toarray())[:, model.cell] / model.root
            shapes = known.setdefault((result.panel.weights[at].tobytes(), given.tobytes()), [])
            shapes = shapes or _shapes(result.panel, model, given, shapes)
            for k, row in zip(mine, _rows_of_outcome(model, shapes), strict=True):
                rows[k], levels[k] = row, row is None
    if levels.any():
        warnings.append(
            f"{int(levels.sum())} of {len(real)} effects ({_names(result, levels)}) are not free of the levels of units or "
            "periods, so the working model does not fit them and they have no error of this kind."
        )
    return Prepared(tuple(rows), name, codes, counts, tuple(warnings), real)


def _same_effects(result: Scored, at: int, cache: dict[bytes, WorkingModel]) -> WorkingModel:
    """The model of an outcome; outcomes with the same weights share the effects."""
    panel, key = result.panel, result.panel.weights[at].tobytes()
    if key not in cache:
        cache[key] = panel_model(panel, at, result.options if result.estimator == "two_way_fixed_effects" else None)
        return cache[key]
    same = cache[key]
    outcome = panel.values[at].ravel()[same.cell] * same.root
    return WorkingModel(same.root, same.basis, same.units, outcome, same.cell)


@dataclass(frozen=True, eq=False)
class _Shape:
    """What a row is before an outcome is seen: outcomes alike share it; see `Row`.

    Attributes:
        weights, columns, coefficients, direction: as in `Row`.
        beside: column and coefficients of one constant effect that is taken out too, or None.
    """

    weights: np.ndarray
    columns: np.ndarray
    coefficients: np.ndarray
    direction: str
    beside: tuple[np.ndarray, np.ndarray] | None


def _shapes(panel: Panel, model: WorkingModel, weights: np.ndarray, out: list[_Shape | None]) -> list[_Shape | None]:
    """Shapes from weights (K × n, scaled), put into `out`; None where levels of units or periods remain in them."""
    norms = np.sqrt((weights**2).sum(axis=1))
    names, shapes = _directions(panel, model)
    given = np.column_stack(shapes)
    both = model.residual(np.hstack([given, weights.T]))
    columns, left = both[:, : len(names)], both[:, len(names) :]
    free = np.sqrt(((weights.T - left) ** 2).sum(axis=0)) <= LEVELS * norms
    size = _size(columns[:, -1], shapes[-1])
    along = weights @ given
    for k, w in enumerate(weights):
        fits = [j for j in range(len(names)) if abs(along[k, j] - 1) < ONE]
        if not free[k] or norms[k] == 0:
            out.append(None)
            continue
        own, direction = (columns[:, fits[0]], names[fits[0]]) if fits else (w / norms[k] ** 2, "weights")
        a, c, beside = own[:, None], w[:, None], None
        if size is not None and abs(along[k, -1]) < ONE:
            beside = columns[:, -1], columns[:, -1] / size
            a, c = np.column_stack([own, beside[0]]), np.column_stack([w, beside[1]])
        out.append(_Shape(w, a, c, direction, beside))
    return out


def _rows_of_outcome(model: WorkingModel, shapes: list[_Shape | None]) -> list[Row | None]:
    """Rows of the model's outcome."""
    centred, out = model.residual(model.outcome[:, None])[:, 0], list[Row | None]()
    for one in shapes:
        if one is None:
            out.append(None)
            continue
        rest, estimate = centred, float(one.weights @ model.outcome)
        if one.beside is not None:
            rest = centred - (one.beside[1] @ model.outcome) * one.beside[0]
        residual = rest - estimate * one.columns[:, 0]
        out.append(Row(model, one.weights, one.columns, one.coefficients, residual, estimate, one.direction))
    return out


def _directions(panel: Panel, model: WorkingModel) -> tuple[list[str], list[np.ndarray]]:
    """Directions of a constant effect (n, scaled): eligible or dosed cells where the panel knows them, treated cells last."""
    unit, when = np.divmod(model.cell, len(panel.periods))
    on = panel.cohort[unit] <= when
    names, shapes = ["treated"], [on * model.root]
    if panel.intensity is not None:
        names.insert(0, "intensity")
        shapes.insert(0, np.nan_to_num(panel.intensity[unit, when]) * model.root)
    if panel.eligible is not None:
        names.insert(0, "eligible")
        shapes.insert(0, (on & panel.eligible[unit].astype(bool)) * model.root)
    return names, shapes


def _alone(name: str, counts: tuple[np.ndarray, ...], real: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Rows that rest on one treated or one comparison cluster, and the warnings that say so."""
    groups, treated, compared = counts
    kinds = {"one treated": real & (treated <= 1), "one comparison": real & (compared == 1)}
    warnings = [
        f"{int(rows.sum())} of {len(rows)} effects rest on {which} {name}: its own variation cannot be seen, "
        f"so they have no error clustered by {name}."
        for which, rows in kinds.items()
        if rows.any()
    ]
    return kinds["one treated"] | kinds["one comparison"] | (groups < 2), warnings


def _names(result: Scored, rows: np.ndarray) -> str:
    """Labels of rows in words, the first three."""
    shown = result.labels[rows].drop(columns=["outcome"], errors="ignore")
    said = [" ".join(str(v) for v in line if v is not None and v == v) for line in shown.head(3).itertuples(index=False)]
    return "; ".join(said) + ("; …" if int(rows.sum()) > 3 else "")


def assemble(
    name: str,
    result: Scored,
    made: Prepared,
    sums: np.ndarray,
    factor: str,
    df: np.ndarray,
    warnings: list[str],
    details: Mapping[str, Any],
) -> Inference:
    """An `Inference` from sums over clusters (G × K, factor included, NaN where a row has none): the covariance is sums'sums."""
    found = np.isfinite(sums).all(axis=0)
    whole = np.where(found[None, :], sums, 0.0)
    covariance = np.where(np.outer(found, found), whole.T @ whole, np.nan)
    flat = found & (np.sqrt(np.where(found, np.diag(covariance), np.inf)) <= dust(result))
    covariance[flat, :], covariance[:, flat] = np.nan, np.nan
    said = [*made.warnings, *warnings]
    if flat.any():
        said.append(f"{int(flat.sum())} of {len(flat)} effects do not vary at all between clusters, so they have no error.")
    return Inference(
        name,
        made.cluster,
        *made.counts,
        factor,
        result.labels,
        result.estimates,
        covariance,
        np.where(np.isfinite(np.diag(covariance)), df, np.nan),
        tuple(said),
        details=details,
    )


class ByShape:
    """What methods make of rows whatever their outcome, made once for rows that share their weights and columns."""

    def __init__(self) -> None:
        self.kept: dict[tuple[int, int], tuple[Row, Any]] = {}

    def of(self, row: Row, make: Callable[[], Made]) -> Made:
        """What `make` gives for this row, or gave for one of the same shape."""
        if row.shape not in self.kept:
            self.kept[row.shape] = (row, make())  # the row is kept so that its shape stays its own
        found: Made = self.kept[row.shape][1]
        return found


def cells_of(row: Row, codes: np.ndarray, periods: int) -> tuple[np.ndarray, np.ndarray]:
    """Clusters that the row's model observes, and their number (0, 1, …) for each of its cells, from codes of units (N)."""
    mine = codes[row.model.cell // periods]
    seen = np.bincount(mine) > 0
    return np.flatnonzero(seen), (np.cumsum(seen) - 1)[mine]
