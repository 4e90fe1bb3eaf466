"""Randomisation inference: the reform assigned in every other way that it could have been, by group, within regions or not."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from scipy import sparse

from evaluation.errors import NotEstimable, PanelError, check_choice
from evaluation.inference.assignment import Draws, Groups, check_whole, draw_assignments, groups_of, scheme_of
from evaluation.inference.base import Inference, Scored, group_sums
from evaluation.inference.contrasts import placed
from evaluation.inference.inversion import Reference, interval, reference_of
from evaluation.inference.permutation import Moments, by_pairs, by_start, by_weights, pairs_of, reform
from evaluation.inference.permutation_batch import by_closed_form
from evaluation.inference.permutation_imputation import by_imputation
from evaluation.inference.permutation_two_way import by_two_way
from evaluation.inference.permutation_weights import Sizes, weights_by_start
from evaluation.panel import Panel

DEFAULTS: dict[str, Any] = {
    "statistic": "t",
    "scheme": None,
    "permute_starts": False,
    "draws": 9999,
    "refit_draws": 499,
    "seed": 1,
    "refit": None,
}
STATISTICS = ("t", "coefficient")
BY_START = (
    "extended_two_way",
    "imputation",
    "interaction_weighted",
    "local_projections",
    "stacked",
    "two_by_two",
    "two_stage",
    "two_way_fixed_effects",
)  # linear, and on complete cells their weights depend on the start alone
LINEAR = (*BY_START, "group_time")
IMPUTED = ("imputation", "two_stage")  # the same estimate
NO_REASSIGNMENT = {
    "dose": "the intensity that a group would have had is not known",
    "switchers": "when a group would have stopped is not known",
    "interrupted_series": "it has no comparison group",
}
SHOWN = 2000  # effects under reassignment kept for the picture
FEW = 20  # assignments below which no p-value can be 0.05 or less
AGREEMENT = 1e-8  # relative difference allowed between a kernel and the estimate

Refit = Callable[[Panel], Any]


@dataclass(frozen=True, eq=False)
class _Row:
    """One effect under reassignment."""

    moments: Moments
    how: str
    linear: bool


@dataclass(frozen=True, eq=False)
class _Reassigned:
    """What one result gives under reassignment, whichever statistic is asked for.

    Attributes:
        key: result's cluster and the options that it depends on.
        groups, draws, said: the groups, the assignments and what must be said of the scheme.
        rows: by row of the result.
    """

    key: tuple[Any, ...]
    groups: Groups
    draws: Draws
    said: tuple[str, ...]
    rows: Mapping[int, _Row]


LATEST: WeakKeyDictionary[Any, _Reassigned] = WeakKeyDictionary()  # of the last result only: a second statistic is free


def randomisation(result: Scored, cluster: str | None, options: Mapping[str, Any]) -> Inference:
    """P-values and intervals by reassignment of the reform; see METHODS.md.

    Args:
        result: rows of kind overall and average are inferred; others get NaN.
        cluster: column of the groups that were assigned whole.
        options: `DEFAULTS`, filled in. `statistic`: "t" or "coefficient"; `scheme`: None, "groups" or "within_region";
            `permute_starts`; `draws`; `refit_draws`: most reassignments where each needs a new fit; `seed`; `refit`: panel →
            result of the same estimator, options and aggregate, needed where no exact kernel exists.

    Raises:
        OptionError: an option out of range, or a scheme that the panel does not allow.
        PanelError: the estimator cannot be reassigned, or needs `refit` and has none.
    """
    _check(result, options)
    made = _reassigned(result, cluster, options)
    groups, draws, rows = made.groups, made.draws, made.rows
    references = {k: reference_of(row.moments, options["statistic"]) for k, row in rows.items()}
    warnings = [*groups.warnings, *made.said, *_warnings(result, groups, draws, rows, _whole(result))]
    return _inference(result, groups, draws, rows, references, options, warnings)


def _whole(result: Scored) -> np.ndarray:
    """Rows that are inferred."""
    return result.labels["kind"].isin(["overall", "average"]).to_numpy(bool)


def _reassigned(result: Scored, cluster: str | None, options: Mapping[str, Any]) -> _Reassigned:
    name, codes = result.panel.cluster_codes(cluster)
    key = (name, *(options[one] for one in DEFAULTS if one != "statistic"))
    latest = LATEST.get(result)
    if latest is not None and latest.key == key:
        return latest
    groups = groups_of(result.panel, name, codes)
    scheme, said = scheme_of(groups, options["scheme"])
    draws = draw_assignments(groups, scheme, bool(options["permute_starts"]), options["draws"], options["seed"])
    if int((draws.starts < len(result.panel.periods)).sum()) == 0:
        raise PanelError("No group starts within the window, so there is nothing to reassign.")
    rows = _closed_forms(result, draws)
    for k in np.flatnonzero(_whole(result)):
        if int(k) not in rows:
            rows[int(k)] = _row(result, int(k), draws, options)
    made = _Reassigned(key, groups, draws, said, dict(sorted(rows.items())))
    LATEST.clear()
    LATEST[result] = made
    return made


def _check(result: Scored, options: Mapping[str, Any]) -> None:
    check_choice("statistic", options["statistic"], STATISTICS)
    check_whole(options, draws=1, refit_draws=1, seed=0)
    if result.estimator in NO_REASSIGNMENT:
        raise PanelError(f"{result.estimator} cannot be reassigned: {NO_REASSIGNMENT[result.estimator]}. Use another estimator.")


def _complete(weights: np.ndarray) -> bool:
    """Whether all cells (N × T) are observed and have one weight."""
    return bool((weights == weights[0, 0]).all() and weights[0, 0] > 0)


def _closed_forms(result: Scored, draws: Draws) -> dict[int, _Row]:
    """Moments of the effects on complete outcomes together, where weights have a closed form; each checked by its estimate."""
    panel, grouped = result.panel, result.estimator == "group_time"
    at = {str(outcome): o for o, outcome in enumerate(panel.outcomes) if _complete(panel.weights[o])}
    outcome = {int(k): str(result.labels["outcome"].iloc[k]) for k in np.flatnonzero(_whole(result))}
    chosen = {k: at[name] for k, name in outcome.items() if name in at}
    fits = _plain(result, panel) if grouped else result.estimator in BY_START and not _with_covariates(result, panel)
    if not fits or len(chosen) < (2 if grouped else 1):  # pairs are faster for one outcome
        return {}

    def weights(sizes: Sizes) -> np.ndarray | None:
        return weights_by_start(result.estimator, sizes, result.aggregate, result.options)

    found = by_closed_form(panel.values[list(chosen.values())], panel.cohort, draws, weights, grouped)
    rows = {k: _Row(moments, "exact", True) for k, moments in zip(chosen, found or (), strict=False)}
    return {k: row for k, row in rows.items() if _agrees(result, k, row, panel.outcome(outcome[k]))}


def _row(result: Scored, k: int, draws: Draws, options: Mapping[str, Any]) -> _Row:
    """Moments of one effect by the fastest exact way, checked against the estimate."""
    panel = result.panel.outcome(str(result.labels["outcome"].iloc[k]))
    complete = _complete(panel.weights[0])
    found: _Row | None = None
    if result.estimator == "group_time" and _plain(result, panel):
        pairs = pairs_of(panel, result.options, result.aggregate, draws.starts)
        constant = bool((pairs.multiple > 1).any() or complete)
        if len(pairs.start) and (result.aggregate != "region" or constant):
            found = _Row(by_pairs(pairs, draws, result.aggregate), "exact", True)
    elif result.estimator in BY_START and complete and not _with_covariates(result, panel) and _has_weights(result):
        static = result.estimator == "two_way_fixed_effects" and result.aggregate == "overall"
        found = _by_cohort_sizes(result, k, panel, draws, {**options, "refit": None} if static else options)
    if found is None and result.estimator == "two_way_fixed_effects" and result.aggregate == "overall":
        found = _Row(by_two_way(panel, draws), "exact", True)
    if found is None and result.estimator in IMPUTED and not panel.covariates and result.aggregate in ("overall", "region"):
        moments = by_imputation(panel, draws)
        found = None if moments is None else _Row(moments, "exact", True)
    if found is not None and _agrees(result, k, found, panel):
        return found
    return _refitted(result, k, panel, draws, options)


def _plain(result: Scored, panel: Panel) -> bool:
    """Whether group-time effects are those of pairs of observations without covariates."""
    without = not panel.covariates or result.options["method"] == "unadjusted"
    return without and result.options["unbalanced"] in ("pairs", "drop")


def _with_covariates(result: Scored, panel: Panel) -> bool:
    return bool(panel.covariates) and result.estimator in ("extended_two_way", "imputation", "two_stage")


def _has_weights(result: Scored) -> bool:
    return result.estimator != "extended_two_way" or result.options["family"] == "gaussian"


def _agrees(result: Scored, k: int, row: _Row, panel: Panel) -> bool:
    size = max(abs(float(result.estimates[k])), float(np.nanstd(panel.values)))
    return abs(float(row.moments.effect[0, 0]) - float(result.estimates[k])) <= AGREEMENT * size


def _by_cohort_sizes(result: Scored, k: int, panel: Panel, draws: Draws, options: Mapping[str, Any]) -> _Row | None:
    """Weights once for every number of units by start; None where they are not a matter of starts, or too many are needed."""
    sizes = np.bincount(draws.atom).astype(float)
    on = by_start(draws.members, draws.start, len(draws.starts), len(sizes))
    counts = np.column_stack([matrix @ sizes for matrix in on])
    distinct, which = np.unique(counts, axis=0, return_inverse=True)
    which = which.reshape(-1)
    if len(distinct) > 1 and (options["refit"] is None or len(distinct) > options["refit_draws"]):
        return None
    effect, square = np.empty((2, len(counts))), np.empty((3, len(counts)))
    for at in range(len(distinct)):
        chosen = np.flatnonzero(which == at)
        weights = _weights_by_start(result, k, panel, draws, int(chosen[0]), options)
        if weights is None:
            return None
        part = by_weights(panel, weights, draws, chosen)
        effect[:, chosen], square[:, chosen] = part.effect, part.square
    return _Row(Moments(effect, square, np.asarray(np.isfinite(effect).all(axis=0))).clean(), "exact", True)


def _weights_by_start(
    result: Scored, k: int, panel: Panel, draws: Draws, row: int, options: Mapping[str, Any]
) -> np.ndarray | None:
    """Weights on a unit's cells by its start, (Q + 1) × T, or None where units of one start differ."""
    cohort, cells = draws.cohort(row), (len(panel.units), len(panel.periods))
    if row == 0:
        line: sparse.csr_matrix = result.weights[k]
        if len(result.panel.outcomes) > 1 and line.shape[1] != cells[0] * cells[1]:
            return None
    else:
        other = options["refit"](replace(panel, cohort=cohort))
        if isinstance(other, NotEstimable) or len(other.panel.units) != cells[0] or len(other.panel.periods) != cells[1]:
            return None
        line = other.weights[_same_row(result, k, other)]
    weights = line.toarray().reshape(cells)
    out = np.zeros((len(draws.starts) + 1, cells[1]))
    for q, start in enumerate([*draws.starts, cohort.max()]):
        units = weights[cohort == start]
        if not len(units) or (q == len(draws.starts) and (start == draws.starts).any()):
            continue
        out[q] = units.mean(axis=0)
        if np.abs(units - out[q]).max() > 1e-9 * np.abs(weights).max():
            return None
    return out


def _same_row(result: Scored, k: int, other: Any) -> int:
    """The overall or average row of a refit of one outcome."""
    rows = np.flatnonzero((other.labels["kind"] == result.labels["kind"].iloc[k]).to_numpy(bool))
    return int(rows[0])


def _refitted(result: Scored, k: int, panel: Panel, draws: Draws, options: Mapping[str, Any]) -> _Row:
    """Moments by a new fit under each of at most `refit_draws` reassignments."""
    refit: Refit | None = options["refit"]
    if refit is None:
        raise PanelError(
            f"randomisation of {result.estimator} on this panel has to fit it again under each reassignment, and was given no "
            "way to: pass refit=, a function of a panel that gives the result."
        )
    count = min(len(draws.members), options["refit_draws"] + 1)
    linear = result.estimator in LINEAR and _has_weights(result)
    effect, square = np.full((2, count), np.nan), np.zeros((3, count))
    on = np.where(np.isnan(panel.values[0]), np.nan, reform(panel))
    both = replace(
        panel,
        outcomes=(*panel.outcomes, "reform"),
        values=np.stack([panel.values[0], on]),
        weights=np.repeat(panel.weights, 2, axis=0),
    )
    under = getattr(refit, "under", None) if linear else None
    cohorts = np.array([draws.cohort(row) for row in range(count)])
    together = None if under is None else under(both, cohorts)
    for row in range(count):
        if together is not None:
            effect[:, row], square[:, row] = together[0][row], _squares(together[1][row], draws.clusters(row))
            continue
        made = refit(replace(both if linear else panel, cohort=cohorts[row]))
        if not isinstance(made, NotEstimable):
            effect[:, row], square[:, row] = _moments_of(result, k, made, panel, draws.clusters(row))
    usable = np.isfinite(effect[0])
    out = _Row(Moments(np.nan_to_num(effect), square, usable).clean(), "refitted", linear)
    if not usable[0] or not _agrees(result, k, out, panel):
        raise PanelError("refit= does not give the estimate on the panel as it is. Bind it to the same estimator and options.")
    return out


def _moments_of(result: Scored, k: int, made: Any, panel: Panel, clusters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Effects (2) and squares (3) of one refit; the reform's are 0 where it was not fitted."""
    at = np.flatnonzero((made.labels["kind"] == result.labels["kind"].iloc[k]).to_numpy(bool))
    kept = {unit: i for i, unit in enumerate(panel.units)}
    where = np.array([kept[unit] for unit in made.panel.units])
    square = _squares(made.scores[:, at], clusters[where])
    if len(at) == 1:
        return np.array([made.estimates[at[0]], 0.0]), square
    return made.estimates[at], square


def _squares(scores: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Σ over clusters of products of summed scores of outcome and reform (n × 2; n × 1: the reform's are 0)."""
    sums = group_sums(scores, clusters)
    products = np.zeros((2, 2))
    products[: sums.shape[1], : sums.shape[1]] = sums.T @ sums
    return products[[0, 0, 1], [0, 1, 1]]


def _warnings(result: Scored, groups: Groups, draws: Draws, rows: Mapping[int, _Row], whole: np.ndarray) -> list[str]:
    out = []
    others = int((~whole & (result.labels["kind"] != "reference").to_numpy(bool)).sum())
    if others:
        out.append(f"{others} effects are not overall or average: randomisation gives them no p-value.")
    if draws.possible < FEW:
        out.append(
            f"The reform could have been assigned in {draws.possible} ways only, so no p-value can be below "
            f"{1 / draws.possible:.3f}: this test cannot speak at 5%."
        )
    treated = int(groups.treated.sum())
    if treated == 1:
        out.append(f"One {groups.cluster} has the reform: its own variation cannot be seen, so there is no standard error.")
    elif treated < 5:
        out.append(f"{treated} {groups.cluster} groups have the reform: this p-value is fragile.")
    lost = max((int((~row.moments.usable).sum()) for row in rows.values()), default=0)
    if lost:
        out.append(f"{lost} reassignments give no estimate and are left out.")
    if any(row.how == "refitted" for row in rows.values()):
        count = max(row.moments.effect.shape[1] for row in rows.values() if row.how == "refitted") - 1
        out.append(f"No exact kernel fits this estimate: it was fitted again under {count} reassignments.")
    if any(not row.linear for row in rows.values()):
        out.append(f"There is no interval by inversion for {result.estimator}: it takes an effect that is linear in the outcome.")
    return out


def _inference(
    result: Scored,
    groups: Groups,
    draws: Draws,
    rows: Mapping[int, _Row],
    references: Mapping[int, Reference],
    options: Mapping[str, Any],
    warnings: list[str],
) -> Inference:
    count = len(result.estimates)
    p_value, variance = np.full(count, np.nan), np.full(count, np.nan)
    for k, reference in references.items():
        error = float(rows[k].moments.square[0, 0])
        dust = (np.finfo(float).eps * 100 * float(np.nanmax(np.abs(result.panel.values)))) ** 2
        if error <= dust and options["statistic"] == "t":
            warnings.append(f"{result.labels['outcome'].iloc[k]}: the effect does not vary at all between groups: no p-value.")
            continue
        p_value[k] = reference.p_value()
        if groups.treated.sum() > 1 and error > dust:
            variance[k] = error
    inverted = {k: references[k] for k in rows if rows[k].linear and np.isfinite(p_value[k])}

    def ends(level: float) -> tuple[np.ndarray, np.ndarray]:
        lower, upper = np.full(count, np.nan), np.full(count, np.nan)
        for k, reference in inverted.items():
            lower[k], upper[k], _ = interval(reference, level)
        return lower, upper

    return placed(
        "randomisation",
        result,
        groups,
        p_value,
        ends,
        details=_details(result, draws, rows, references, options),
        warnings=warnings,
        variance=variance,
    )


def _details(
    result: Scored, draws: Draws, rows: Mapping[int, _Row], references: Mapping[int, Reference], options: Mapping[str, Any]
) -> dict[str, Any]:
    looked = min((reference.effect.shape[1] for reference in references.values()), default=0)
    outcome = {k: str(result.labels["outcome"].iloc[k]) for k in rows}
    return {
        "statistic": options["statistic"],
        "scheme": draws.scheme,
        "draws": looked - 1,
        "seed": None if draws.enumerated else options["seed"],
        "assignments": draws.possible if draws.possible < 10**15 else None,
        "log10_assignments": _log10(draws.possible),
        "enumerated": draws.enumerated and looked == len(draws.members),
        "smallest_p": max(1 / draws.possible, 1 / max(looked, 1)),
        "kernel": {outcome[k]: row.how for k, row in rows.items()},
        "distribution": {outcome[k]: [float(x) for x in references[k].effect[0, 1 : SHOWN + 1]] for k in rows},
    }


def _log10(count: int) -> float:
    """Of an integer of any length."""
    digits = len(str(count))
    return math.log10(count) if digits < 300 else digits - 1 + math.log10(int(str(count)[:15]) / 1e14)
