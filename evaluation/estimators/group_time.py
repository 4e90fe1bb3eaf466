"""Group-time average effects (Callaway, Sant'Anna 2021), with covariates or without, and every aggregation of them.

Each effect is a difference of differences of weighted means, so it is a row of weights on cells; all effects of an outcome are
made at once as units × effects arrays. With covariates the weights come from `two_group`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse

from evaluation.errors import NotEstimable, OptionError
from evaluation.estimators import two_group
from evaluation.estimators.aggregate import Effects, aggregate_effects
from evaluation.estimators.design import AGGREGATES, Estimator, Pieces, all_at_once, drop_treated_throughout, plural
from evaluation.panel import NEVER, Panel

CHOICES = {
    "control": ("never_treated", "not_yet_treated", "last_treated"),
    "base": ("varying", "universal"),
    "unbalanced": ("pairs", "rows", "cross_sections", "drop"),
    "unit_weight": (None, "first", "own"),
    "method": (None, "unadjusted", *two_group.METHODS),
}
ROWS = ("rows", "cross_sections")  # each period's mean is over whoever is observed in it
DEFAULTS = {
    "control": "never_treated",
    "anticipation": 0,
    "base": "varying",
    "unbalanced": "pairs",
    "unit_weight": None,
    "method": None,
}
PROBLEMS = {
    two_group.NO_OVERLAP: f"no overlap, the covariates tell treated from comparison (propensity {two_group.OVERLAP} or more)",
    two_group.SINGULAR: "the units to be fitted are too few, or too alike in the covariates, for the regression",
}
REMEDIES = {
    two_group.NO_OVERLAP: "Use fewer covariates, add comparison units that are like the treated, or use method='regression'.",
    two_group.SINGULAR: "Use fewer covariates, add units, or use method='unadjusted'.",
}
BLOCK = 1_000_000  # numbers held at once while effects with covariates are made


def prepare(panel: Panel, options: Mapping[str, Any]) -> Panel | NotEstimable:
    """Leave out what has no period before or no comparison, or say why nothing is left."""
    ahead = options["anticipation"]
    if not isinstance(ahead, int | np.integer) or isinstance(ahead, bool) or ahead < 0:
        raise OptionError(f"anticipation must be a whole number of periods, 0 or more, not {ahead!r}.")
    kept = drop_treated_throughout(panel)
    if isinstance(kept, NotEstimable):
        return kept
    kept = _with_known_covariates(kept, options)
    if isinstance(kept, NotEstimable):
        return kept
    if options["unbalanced"] == "drop":
        complete = ~np.isnan(kept.values).any(axis=(0, 2))
        if not complete.any():
            return NotEstimable("no unit is observed in every period", "Use unbalanced='pairs'.")
        kept = kept if complete.all() else kept.select(complete, reason="missing in some period")
    if not (kept.cohort >= NEVER).any() or options["control"] == "last_treated":
        return _without_never(kept, options)
    return kept


def method_of(panel: Panel, options: Mapping[str, Any]) -> str:
    """How covariates are used: as asked, doubly robust by default, not at all where the panel has none."""
    return "unadjusted" if not panel.covariates else str(options["method"] or "doubly_robust")


def _with_known_covariates(panel: Panel, options: Mapping[str, Any]) -> Panel | NotEstimable:
    """Leave out units whose covariates are never known; where each period's own are used, cells without them are missing."""
    if method_of(panel, options) == "unadjusted" or panel.covariate_values is None:
        return panel
    known = ~np.isnan(panel.covariate_values).any(axis=0)
    if options["unbalanced"] != "pairs":
        without = int((~known & ~np.isnan(panel.values)).any(axis=0).sum())
        said = (f"{without} cells with an outcome but not all covariates count as missing.",) if without else ()
        values = np.where(known, panel.values, np.nan)
        weights = np.where(np.isnan(values), 0.0, panel.weights)
        panel = replace(panel, values=values, weights=weights, notices=(*panel.notices, *said))
    keep = known.any(axis=1)
    if not (panel.treated & keep).any():
        return NotEstimable("no treated unit has all covariates in any period", "Use fewer covariates, or method='unadjusted'.")
    return panel if keep.all() else panel.select(keep, reason="some covariate is missing in every period")


def _without_never(panel: Panel, options: Mapping[str, Any]) -> Panel | NotEstimable:
    """Without never-treated units the last cohort compares, up to its own start, as in R's `did`."""
    refusal = all_at_once(panel)
    if refusal:
        return refusal
    if options["control"] == "never_treated":
        return NotEstimable(
            "every unit adopts within the window, so none is never treated",
            "Use control='not_yet_treated', or control='last_treated'.",
        )
    last = int(panel.cohort[panel.cohort < NEVER].max())
    keep = panel.cohort < NEVER
    if options["control"] == "last_treated" and not keep.all():
        panel = panel.select(keep, reason="never treated: control='last_treated' compares with the last cohort only")
    if len(np.unique(panel.cohort)) < 2:
        return NotEstimable("all units that adopt start at once", "Use control='never_treated'.")
    before = np.arange(len(panel.periods)) < last - options["anticipation"]
    if before.sum() < 2:
        return NotEstimable("fewer than two periods lie before the last cohort starts", "Use a longer window.")
    return panel.select(np.ones(len(panel.units), bool), periods=before)


def cells_of(panel: Panel, options: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[str, ...]]:
    """Group, time and base of every effect that the design allows, with notices of cohorts that have none."""
    count, ahead = len(panel.periods), int(options["anticipation"])
    universal = options["base"] == "universal"
    found, notices = [], []
    for group in (int(g) for g in np.unique(panel.cohort) if g < count):
        long_base = group - ahead - 1
        if long_base < 0:
            notices.append(f"The cohort that starts in {panel.periods[group]} has no period before its anticipation: left out.")
            continue
        for time in range(0 if universal else 1, count):
            base = long_base if universal or time >= group else time - 1
            found.append((group, time, base))
    table = np.array(found, dtype=int).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2], tuple(notices)


def comparison(panel: Panel, group: np.ndarray, time: np.ndarray, base: np.ndarray, options: Mapping[str, Any]) -> np.ndarray:
    """Units that compare, N × K."""
    cohort = panel.cohort[:, None]
    if options["control"] == "never_treated":
        return np.repeat(cohort >= NEVER, len(group), axis=1)
    if options["control"] == "last_treated":
        return np.repeat(cohort == panel.cohort.max(), len(group), axis=1)
    return (cohort > np.maximum(time, base) + options["anticipation"]) & (cohort != group)


def effects(panel: Panel, options: Mapping[str, Any], by_region: bool = False) -> tuple[Effects, tuple[str, ...]]:
    """Every group-time effect of one outcome, with scores; effects without both sides observed are left out, with a notice."""
    group, time, base, notices = cells_of(panel, options)
    region = np.full(len(group), -1)
    members = panel.cohort[:, None] == group
    if by_region and panel.region is not None:
        codes = panel.clusters[panel.region][0]
        pairs = [(k, r) for k in range(len(group)) for r in np.unique(codes[members[:, k]])]
        pick, region = np.array(pairs, dtype=int).reshape(-1, 2).T
        group, time, base = group[pick], time[pick], base[pick]
        members = (panel.cohort[:, None] == group) & (codes[:, None] == region)
    compare = comparison(panel, group, time, base, options)
    weight, size = unit_weights(panel, options)
    structural = time == base
    problem = np.zeros(len(group), int)
    if method_of(panel, options) == "unadjusted":
        if panel.covariates:
            notices = (*notices, f"method='unadjusted': {', '.join(panel.covariates)} changed nothing.")
        own = options["unbalanced"] in ROWS
        estimates, scores, entered = _contrast(panel.values[0], weight, members, compare, time, base, rows=own)
    else:
        estimates, scores, entered, problem, trimmed = _adjusted(panel, weight, members, compare, time, base, options)
        notices = (*notices, *_problems(panel, np.where(structural, 0, problem), np.where(structural, 0, trimmed), group, time))
        in_both = (weight[:, time] > 0) & (weight[:, base] > 0) & (members | compare) & ~structural
        lost = int((in_both & ~entered).any(axis=1).sum())
        if lost:
            notices = (*notices, f"{plural(lost, panel.unit)} without a covariate in the earlier period: not in those effects.")
    estimates[structural], scores[:, structural] = 0.0, 0.0
    keep = structural | np.isfinite(estimates)
    unseen = int((~keep & (problem == two_group.FINE)).sum())
    if unseen:
        notices = (*notices, f"{unseen} group-time effects have no treated or no comparison cells observed: left out.")
    out = Effects(
        group[keep],
        region[keep],
        time[keep],
        base[keep],
        estimates[keep],
        scores[:, keep],
        members[:, keep],
        entered[:, keep],
        size,
    )
    return out, notices


def unit_weights(panel: Panel, options: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Weights of cells (N × T) as the option says, and the weight of each unit in group shares (N)."""
    given, seen = panel.weights[0], panel.weights[0] > 0
    how = options["unit_weight"] or ("own" if options["unbalanced"] in ROWS else "first")
    if options["unbalanced"] == "cross_sections":  # nobody is followed: a cohort's share is that of its observations
        return given, given.sum(axis=1)
    if how == "own":
        total = np.divide(given.sum(axis=1), seen.sum(axis=1), out=np.zeros(len(given)), where=seen.any(axis=1))
        return given, total
    first = given[np.arange(len(given)), seen.argmax(axis=1)]
    return np.where(seen, first[:, None], 0.0), first


def _contrast(
    values: np.ndarray,
    weight: np.ndarray,
    members: np.ndarray,
    compare: np.ndarray,
    time: np.ndarray,
    base: np.ndarray,
    rows: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(mean of treated − mean of comparison) of the change from base to time, with scores (N × K)."""
    filled = np.nan_to_num(values)
    if rows:  # each period's mean over whoever is observed in it
        parts = [(filled[:, time], weight[:, time], 1.0), (filled[:, base], weight[:, base], -1.0)]
    else:  # the change of units observed in both
        both = weight[:, time] * (weight[:, base] > 0)
        parts = [(filled[:, time] - filled[:, base], both, 1.0)]
    estimates, scores = np.zeros(len(time)), np.zeros(members.shape)
    entered = np.zeros(members.shape, bool)
    for change, cell_weight, sign in parts:
        for side, sense in ((members, 1.0), (compare, -1.0)):
            w = np.where(side, cell_weight, 0.0)
            total = w.sum(axis=0)
            with np.errstate(divide="ignore", invalid="ignore"):
                share = w / total
                mean = np.where(total > 0, (share * change).sum(axis=0), np.nan)
            estimates += sign * sense * mean
            scores += sign * sense * np.where(side, np.nan_to_num(share) * (change - mean), 0.0)
            entered |= w > 0
    return estimates, scores, entered


def _blocks(
    panel: Panel,
    weight: np.ndarray,
    members: np.ndarray,
    compare: np.ndarray,
    time: np.ndarray,
    base: np.ndarray,
    options: Mapping[str, Any],
) -> Iterator[tuple[slice, two_group.Contrasts, np.ndarray]]:
    """Effects with covariates a block at a time, with the rows that enter (K × R)."""
    if panel.covariate_values is None:
        return
    filled, known = np.nan_to_num(panel.values[0]).T, panel.covariate_values.transpose(2, 1, 0)
    rows, method, w = options["unbalanced"] in ROWS, method_of(panel, options), weight.T
    size = max(1, BLOCK // (len(panel.units) * (len(panel.covariates) + 1) * (2 if rows else 1)))
    for first in range(0, len(time), size):
        block = slice(first, first + size)
        t, b, treated, other = time[block], base[block], members.T[block], compare.T[block]
        if rows:  # each period's rows with their own covariates
            both = np.hstack([w[t], w[b]])
            treated, other = np.tile(treated, 2), np.tile(other, 2)
            covariates = np.concatenate([known[t], known[b]], axis=1)
        else:  # units observed in both, with their covariates in the earlier of the two periods
            both = w[t] * (w[b] > 0)
            covariates = known[np.minimum(t, b)]
        given = two_group.rows_of(np.where(treated, both, 0.0), np.where(other, both, 0.0), covariates)
        if rows:
            found = two_group.stacked(given, np.hstack([filled[t], filled[b]]), method)
        else:
            found = two_group.paired(given, filled[t] - filled[b], method)
        yield block, found, given.treated + given.compared > 0


def _adjusted(
    panel: Panel,
    weight: np.ndarray,
    members: np.ndarray,
    compare: np.ndarray,
    time: np.ndarray,
    base: np.ndarray,
    options: Mapping[str, Any],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Estimates (K), scores and units that enter (N × K), problems and trimmed comparison cells (K), with covariates."""
    count, units = len(time), len(panel.units)
    estimates, scores, entered = np.zeros(count), np.zeros((units, count)), np.zeros((units, count), bool)
    problem, trimmed = np.zeros(count, int), np.zeros(count, int)
    for block, found, enters in _blocks(panel, weight, members, compare, time, base, options):
        halves = (len(found.estimates), -1, units)
        estimates[block], problem[block], trimmed[block] = found.estimates, found.problem, found.trimmed
        scores[:, block] = found.scores.reshape(halves).sum(axis=1).T
        entered[:, block] = enters.reshape(halves).any(axis=1).T
    unseen = ~((entered & members).any(axis=0) & (entered & compare).any(axis=0))
    return np.where(unseen, np.nan, estimates), scores, entered, np.where(unseen, two_group.FINE, problem), trimmed


def _problems(panel: Panel, problem: np.ndarray, trimmed: np.ndarray, group: np.ndarray, time: np.ndarray) -> tuple[str, ...]:
    """What a reader must know of effects that the covariates leave without comparison, or without some units."""
    out = []
    for kind, words in PROBLEMS.items():
        at = np.flatnonzero(problem == kind)
        if len(at):
            listed = ", ".join(f"{panel.periods[group[k]]} in {panel.periods[time[k]]}" for k in at[:5])
            more = ", …" if len(at) > 5 else ""
            out.append(f"{len(at)} group-time effects left out: {words} (cohort {listed}{more}).")
    cut = trimmed[problem == two_group.FINE]
    if cut.any():
        out.append(
            f"{int(cut.sum())} comparison cells in {int((cut > 0).sum())} group-time effects have a propensity of "
            f"{two_group.TRIM} or more and get no weight."
        )
    return tuple(out)


def cell_weights(panel: Panel, found: Effects, options: Mapping[str, Any]) -> sparse.csr_matrix:
    """Weights of every group-time effect on cells: K × (N·T)."""
    weight, _ = unit_weights(panel, options)
    compare = comparison(panel, found.group, found.time, found.base, options)
    periods, count = len(panel.periods), len(found.time)
    rows, columns, data = [], [], []
    shape = (count, len(panel.units) * periods)
    if method_of(panel, options) != "unadjusted":
        return _adjusted_weights(panel, found, weight, compare, options)
    for when, sign in ((found.time, 1.0), (found.base, -1.0)):
        for side, sense in ((found.members, 1.0), (compare, -1.0)):
            if options["unbalanced"] in ROWS:
                w = np.where(side, weight[:, when], 0.0)
            else:
                w = np.where(side, weight[:, found.time] * (weight[:, found.base] > 0), 0.0)
            total = w.sum(axis=0)
            w = np.divide(w, total, out=np.zeros_like(w), where=total > 0)
            i, k = np.nonzero(w)
            rows.append(k)
            columns.append(i * periods + when[k])
            data.append(sign * sense * w[i, k])
    return sparse.csr_matrix((np.concatenate(data), (np.concatenate(rows), np.concatenate(columns))), shape=shape)


def _adjusted_weights(
    panel: Panel, found: Effects, weight: np.ndarray, compare: np.ndarray, options: Mapping[str, Any]
) -> sparse.csr_matrix:
    """Weights on cells of effects with covariates: linear in the outcome once covariates and design are given."""
    periods, units, total = len(panel.periods), len(panel.units), []
    for block, made, _ in _blocks(panel, weight, found.members, compare, found.time, found.base, options):
        t, b = found.time[block], found.base[block]
        halves = made.weights.reshape(len(t), -1, units)
        later, earlier = halves[:, 0], (halves[:, 1] if halves.shape[1] == 2 else -halves[:, 0])
        real = (t != b)[:, None]
        for when, part in ((t, np.where(real, later, 0.0)), (b, np.where(real, earlier, 0.0))):
            k, i = np.nonzero(part)
            total.append((part[k, i], block.start + k, i * periods + when[k]))
    data, rows, columns = (np.concatenate(parts) for parts in zip(*total, strict=True))
    return sparse.csr_matrix((data, (rows, columns)), shape=(len(found.time), units * periods))


def fit(panel: Panel, aggregate: str, options: Mapping[str, Any]) -> Pieces | NotEstimable:
    """Group-time effects of one outcome, aggregated."""
    if aggregate == "region" and panel.region is None:
        return NotEstimable("the panel has no region", "Name the region's column in Panel.from_frame(region=...).")
    limited = options["control"] == "last_treated" or not (panel.cohort >= NEVER).any()
    found, notices = effects(panel, options, by_region=aggregate == "region")
    if limited:
        keep = found.group < panel.cohort[panel.cohort < NEVER].max()
        found = _only(found, keep)
    if not (found.time >= found.group).any():
        return _nothing_after(notices)
    combined = aggregate_effects(found, panel, aggregate)
    picked = np.abs(combined.on_effects.T) > 0
    compares = comparison(panel, found.group, found.time, found.base, options) & found.entered
    return Pieces(
        labels=combined.labels,
        estimates=combined.estimates,
        scores=combined.scores,
        support=_in_any(found.members & found.entered, picked),
        used=_in_any(found.entered, picked),
        compared=_in_any(compares, picked),
        parameters=0,
        observations=int((panel.weights[0] > 0).sum()),
        builder=lambda: sparse.csr_matrix(sparse.csr_matrix(combined.on_effects) @ cell_weights(panel, found, options)),
        warnings=notices,
    )


def _nothing_after(notices: tuple[str, ...]) -> NotEstimable:
    """The refusal when no effect after the start is left: for want of overlap, of variation, or of cells."""
    for kind, words in PROBLEMS.items():
        if any(words in notice for notice in notices):
            return NotEstimable(f"{words}, in every period after the reform", REMEDIES[kind])
    return NotEstimable(
        "no period after the reform has both treated and comparison cells", "Widen the window, or add comparison units."
    )


def _in_any(units: np.ndarray, picked: np.ndarray) -> np.ndarray:
    """Units (N × A) that stand in any of the effects (N × K) picked for a row (K × A)."""
    return np.asarray(units.astype(float) @ picked.astype(float) > 0)


def _only(found: Effects, keep: np.ndarray) -> Effects:
    return Effects(
        found.group[keep],
        found.region[keep],
        found.time[keep],
        found.base[keep],
        found.estimates[keep],
        found.scores[:, keep],
        found.members[:, keep],
        found.entered[:, keep],
        found.size,
    )


GROUP_TIME = Estimator(
    prepare,
    fit,
    DEFAULTS,
    CHOICES,
    AGGREGATES,
    uses_covariates=True,
    title="Group-time (Callaway and Sant’Anna)",
    assumes="Without the reform, areas that start together would have moved like those that compare.",
)
