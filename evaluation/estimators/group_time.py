"""Group-time average effects (Callaway, Sant'Anna 2021), with covariates or without, and every aggregation of them.

Each effect is a difference of differences of weighted means, so it is a row of weights on cells; all effects of an outcome are
made at once as units × effects arrays. With covariates the weights come from `two_group`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from evaluation.errors import NotEstimable, OptionError
from evaluation.estimators import two_group
from evaluation.estimators.aggregate import Effects, aggregate_effects
from evaluation.estimators.design import AGGREGATES, Ends, Estimator, Pieces, all_at_once, drop_treated_throughout, plural
from evaluation.estimators.group_time_scores import ByKind, Dense, Kinds
from evaluation.panel import NEVER, Panel, shares

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
CACHED = 50_000  # and where starts are reassigned: few enough to stay near the processor


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


def comparison(
    panel: Panel, starts: np.ndarray, group: np.ndarray, time: np.ndarray, base: np.ndarray, options: Mapping[str, Any]
) -> np.ndarray:
    """Which of U starts compare in each of K effects, U × K."""
    cohort = starts[:, None]
    if options["control"] == "never_treated":
        return np.repeat(cohort >= NEVER, len(group), axis=1)
    if options["control"] == "last_treated":
        return np.repeat(cohort == panel.cohort.max(), len(group), axis=1)
    return (cohort > np.maximum(time, base) + options["anticipation"]) & (cohort != group)


@dataclass(frozen=True, eq=False)
class Comparisons:
    """Every effect that the design allows, K of them, whatever the outcome; see `Effects` for kinds of units.

    Attributes:
        group, region, time, base: K.
        kind: of each unit (N).
        members: U × K; treated units.
        compare: U × K; units that compare.
        weight: weights of cells, N × T.
        size: weight of each unit in group shares (N).
        kinds: where units of a kind are alike throughout.
        notices: cohorts that have none.
    """

    group: np.ndarray
    region: np.ndarray
    time: np.ndarray
    base: np.ndarray
    kind: np.ndarray
    members: np.ndarray
    compare: np.ndarray
    weight: np.ndarray
    size: np.ndarray
    kinds: Kinds | None
    notices: tuple[str, ...]


def comparisons(panel: Panel, options: Mapping[str, Any], by_region: bool) -> Comparisons:
    """The effects that the design allows; units are alike where all are seen throughout under one weight, without covariates."""
    group, time, base, notices = cells_of(panel, options)
    region, place = np.full(len(group), -1), np.full(len(panel.units), -1)
    if by_region and panel.region is not None:
        place = panel.clusters[panel.region][0]
        pairs = [(k, r) for k in range(len(group)) for r in np.unique(place[panel.cohort == group[k]])]
        pick, region = np.array(pairs, dtype=int).reshape(-1, 2).T
        group, time, base = group[pick], time[pick], base[pick]
    weight, size = unit_weights(panel, options)
    given = panel.weights[0]
    alike = method_of(panel, options) == "unadjusted" and bool((given > 0).all() and (given == given[:, :1]).all())
    cohort, kind = panel.cohort, np.arange(len(panel.units))
    if alike:
        places = int(place.max()) + 2  # a place is -1 where regions are pooled
        alone, kind = np.unique(panel.cohort.astype(np.int64) * places + place + 1, return_inverse=True)
        cohort, place = alone // places, alone % places - 1
    members = cohort[:, None] == group
    if (region >= 0).any():
        members &= place[:, None] == region
    compare = comparison(panel, cohort, group, time, base, options)
    kinds = Kinds(kind, weight[:, 0], members, compare, time, base, len(panel.periods)) if alike else None
    return Comparisons(group, region, time, base, kind, members, compare, weight, size, kinds, notices)


LATEST: WeakKeyDictionary[Panel, dict[Any, tuple[Effects, tuple[str, ...]]]] = WeakKeyDictionary()  # of the last outcome only


def effects(panel: Panel, options: Mapping[str, Any], by_region: bool = False) -> tuple[Effects, tuple[str, ...]]:
    """Every group-time effect of one outcome; those without both sides observed are left out, with a notice.

    They are kept until another panel asks, so that every further aggregate of an outcome is free of them.
    """
    key = (by_region, *(options[name] for name in DEFAULTS))
    kept = LATEST.get(panel)
    if kept is None:
        kept = {}
        LATEST.clear()
        LATEST[panel] = kept
    if key not in kept:
        kept[key] = _effects(panel, panel.once(("comparisons", *key), lambda: comparisons(panel, options, by_region)), options)
    return kept[key]


def _effects(panel: Panel, made: Comparisons, options: Mapping[str, Any]) -> tuple[Effects, tuple[str, ...]]:
    notices, structural = made.notices, made.time == made.base
    problem = np.zeros(len(made.time), int)
    scores: ByKind | Dense
    if method_of(panel, options) == "unadjusted":
        if panel.covariates:
            notices = (*notices, f"method='unadjusted': {', '.join(panel.covariates)} changed nothing.")
        if made.kinds is not None:
            estimates, scores = made.kinds.effects(panel.values[0])
            entered = made.members | made.compare
        else:
            estimates, each, entered = _contrast(panel.values[0], made, rows=options["unbalanced"] in ROWS)
            scores = Dense(each, lambda: cell_weights(panel, made, options))
    else:
        estimates, each, entered, problem, trimmed = _adjusted(panel, made, options)
        scores = Dense(each, lambda: cell_weights(panel, made, options))
        blank = [np.where(structural, 0, one) for one in (problem, trimmed)]
        notices = (*notices, *_problems(panel, blank[0], blank[1], made.group, made.time))
        seen = made.weight > 0
        in_both = seen[:, made.time] & seen[:, made.base] & (made.members | made.compare) & ~structural
        lost = int((in_both & ~entered).any(axis=1).sum())
        if lost:
            notices = (*notices, f"{plural(lost, panel.unit)} without a covariate in the earlier period: not in those effects.")
    estimates = np.where(structural, 0.0, estimates)
    if isinstance(scores, Dense):
        scores.scores[:, structural] = 0.0
    keep = structural | np.isfinite(estimates)
    unseen = int((~keep & (problem == two_group.FINE)).sum())
    if unseen:
        notices = (*notices, f"{unseen} group-time effects have no treated or no comparison cells observed: left out.")
    sides = (made.members, made.compare & entered, entered)
    whole = Effects(made.group, made.region, made.time, made.base, estimates, scores, made.kind, *sides, made.size)
    return whole if keep.all() else whole.only(keep), notices


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


def _contrast(values: np.ndarray, made: Comparisons, rows: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(mean of treated − mean of comparison) of the change from base to time, scores and units that enter (N × K)."""
    filled, shape = np.nan_to_num(values), made.members.shape
    estimates, scores, entered = np.zeros(shape[1]), np.zeros(shape), np.zeros(shape, bool)
    size = max(1, BLOCK // shape[0])
    for first in range(0, shape[1], size):
        block = slice(first, first + size)
        time, base = made.time[block], made.base[block]
        later, earlier = made.weight[:, time], made.weight[:, base]
        if rows:  # each period's mean over whoever is observed in it
            parts = [(filled[:, time], later, 1.0), (filled[:, base], earlier, -1.0)]
        else:  # the change of units observed in both
            parts = [(filled[:, time] - filled[:, base], later * (earlier > 0), 1.0)]
        for change, cell_weight, sign in parts:
            for side, sense in ((made.members[:, block], 1.0), (made.compare[:, block], -1.0)):
                w = np.where(side, cell_weight, 0.0)
                total = w.sum(axis=0)
                share = np.divide(w, total, out=w, where=total > 0)
                mean = np.where(total > 0, np.einsum("nk,nk->k", share, change), np.nan)
                estimates[block] += sign * sense * mean
                scores[:, block] += sign * sense * share * (change - np.nan_to_num(mean))
                entered[:, block] |= share > 0
    return estimates, scores, entered


def _blocks(
    panel: Panel, made: Comparisons, options: Mapping[str, Any]
) -> Iterator[tuple[slice, two_group.Contrasts, np.ndarray]]:
    """Effects with covariates a block at a time, with the rows that enter (K × R)."""
    known = panel.covariate_values
    if known is None:
        return
    filled, rows, method = np.nan_to_num(panel.values[0]).T, options["unbalanced"] in ROWS, method_of(panel, options)
    size = max(1, BLOCK // (len(panel.units) * (len(panel.covariates) + 1) * (2 if rows else 1)))
    for first in range(0, len(made.time), size):
        block = slice(first, first + size)
        t, b = made.time[block], made.base[block]
        if len(made.time) <= size:  # few enough to be kept, for outcomes alike and weights on cells; `made` too, whose id it is
            _, given = panel.once(("rows", id(made)), lambda: (made, _rows(known, made, slice(None), rows)))
        else:
            given = _rows(known, made, block, rows)
        if rows:
            found = two_group.stacked(given, np.hstack([filled[t], filled[b]]), method)
        else:
            found = two_group.paired(given, filled[t] - filled[b], method)
        yield block, found, given.treated + given.compared > 0


def _rows(covariates: np.ndarray, made: Comparisons, block: slice, rows: bool) -> two_group.Rows:
    """The rows of a block of effects, from covariates (C × N × T); `rows`: each period's rows stand by themselves."""
    t, b, treated, other = made.time[block], made.base[block], made.members.T[block], made.compare.T[block]
    known, w = covariates.transpose(2, 1, 0), made.weight.T
    if rows:  # each period's rows with their own covariates
        both = np.hstack([w[t], w[b]])
        treated, other = np.tile(treated, 2), np.tile(other, 2)
        at = np.concatenate([known[t], known[b]], axis=1)
    else:  # units observed in both, with their covariates in the earlier of the two periods
        both = w[t] * (w[b] > 0)
        at = known[np.minimum(t, b)]
    return two_group.rows_of(np.where(treated, both, 0.0), np.where(other, both, 0.0), at)


def _adjusted(
    panel: Panel, made: Comparisons, options: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Estimates (K), scores and units that enter (N × K), problems and trimmed comparison cells (K), with covariates."""
    count, units = len(made.time), len(panel.units)
    estimates, scores, entered = np.zeros(count), np.zeros((units, count)), np.zeros((units, count), bool)
    problem, trimmed = np.zeros(count, int), np.zeros(count, int)
    for block, found, enters in _blocks(panel, made, options):
        halves = (len(found.estimates), -1, units)
        estimates[block], problem[block], trimmed[block] = found.estimates, found.problem, found.trimmed
        scores[:, block] = found.scores.reshape(halves).sum(axis=1).T
        entered[:, block] = enters.reshape(halves).any(axis=1).T
    unseen = ~((entered & made.members).any(axis=0) & (entered & made.compare).any(axis=0))
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


def cell_weights(panel: Panel, made: Comparisons, options: Mapping[str, Any]) -> Ends:
    """Weights of every group-time effect on cells."""
    if method_of(panel, options) != "unadjusted":
        later, earlier = _adjusted_weights(panel, made, options)
    else:
        weights, seen = made.weight[:, made.time], made.weight[:, made.base]
        if options["unbalanced"] in ROWS:
            later, earlier = _less_comparison(made, weights), -_less_comparison(made, seen)
        else:
            later = _less_comparison(made, weights * (seen > 0))
            earlier = -later
    return Ends(later, earlier, made.time, made.base, len(panel.periods))


def _less_comparison(made: Comparisons, weights: np.ndarray) -> np.ndarray:
    """Each unit's share of the treated mean less its share of the comparison mean (N × K), from weights of cells (N × K)."""
    own, other = (shares(np.where(side, weights, 0.0).T) for side in (made.members, made.compare))
    return (own - other).T


def _adjusted_weights(panel: Panel, made: Comparisons, options: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Weights on later and earlier cells of effects with covariates (N × K): linear in the outcome once those are given."""
    later, earlier = np.zeros((2, len(panel.units), len(made.time)))
    real = made.time != made.base
    for block, found, _ in _blocks(panel, made, options):
        halves = np.where(real[block, None, None], found.weights.reshape(int(real[block].size), -1, len(panel.units)), 0.0)
        later[:, block] = halves[:, 0].T
        earlier[:, block] = halves[:, 1].T if halves.shape[1] == 2 else -later[:, block]
    return later, earlier


def fit(panel: Panel, aggregate: str, options: Mapping[str, Any]) -> Pieces | NotEstimable:
    """Group-time effects of one outcome, aggregated."""
    if aggregate == "region" and panel.region is None:
        return NotEstimable("the panel has no region", "Name the region's column in Panel.from_frame(region=...).")
    limited = options["control"] == "last_treated" or not (panel.cohort >= NEVER).any()
    found, notices = effects(panel, options, by_region=aggregate == "region")
    if limited:
        found = found.only(found.group < panel.cohort[panel.cohort < NEVER].max())
    if not (found.time >= found.group).any():
        return _nothing_after(notices)
    combined = aggregate_effects(found, panel, aggregate)
    picked = combined.on_effects != 0
    return Pieces(
        labels=combined.labels,
        estimates=combined.estimates,
        scores=combined.scores,
        support=found.in_any(found.members & found.entered, picked),
        used=found.in_any(found.entered, picked),
        compared=found.in_any(found.compared, picked),
        parameters=0,
        observations=int((panel.weights[0] > 0).sum()),
        builder=lambda: found.scores.on_cells(combined.on_effects),
        warnings=notices,
    )


def under_starts(
    panel: Panel, aggregate: str, options: Mapping[str, Any], cohorts: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Overall effects with covariates under other ways to spread the panel's starts over its units, all fitted together.

    Args:
        panel: of O outcomes, seen in the same cells under the same weights.
        aggregate: of the result.
        options: of the estimator.
        cohorts: R × N; position of each unit's first treated period under each way.

    Returns:
        Effects (R × O, NaN where none can be had) and scores (R × N × O), as `fit` gives them one by one; None where only `fit`
        can tell.
    """
    known, method = panel.covariate_values, method_of(panel, options)
    alike = bool((panel.weights == panel.weights[0]).all()) and bool((cohorts >= NEVER).any(axis=1).all() and cohorts.min() > 0)
    asked = aggregate == "overall" and options["unbalanced"] == "pairs" and options["control"] != "last_treated"
    if known is None or method == "unadjusted" or not (alike and asked) or np.isnan(known).any(axis=0).all(axis=1).any():
        return None
    cells = np.array(cells_of(panel, options)[:3])
    group, time, base = cells[:, cells[1] >= cells[0]]
    weight, size = unit_weights(panel, options)
    both = (weight[:, time] * (weight[:, base] > 0)).T
    change = np.nan_to_num(panel.values[:, :, time] - panel.values[:, :, base]).transpose(0, 2, 1)
    sides = comparison(panel, np.unique(cohorts), group, time, base, options).T
    # contrasts of the same units under the same weights are one, of the sum of their changes
    _, first, one = np.unique(np.column_stack([group, base, sides, both]), axis=0, return_index=True, return_inverse=True)
    many = np.bincount(one.reshape(-1))
    group, time, base, both = group[first], time[first], base[first], both[first]
    changes = np.stack([[each[one.reshape(-1) == k].sum(axis=0) for k in range(len(first))] for each in change])
    at = known.transpose(2, 1, 0)[base]
    effects, scores = np.empty((len(cohorts), len(changes))), np.empty((*cohorts.shape, len(changes)))
    step = max(1, CACHED // at.size)
    for low in range(0, len(cohorts), step):
        part = slice(low, low + step)
        start, ways = cohorts[part], len(cohorts[part])
        member = start[:, None, :] == group[:, None]
        other = comparison(panel, start.ravel(), group, time, base, options).reshape(*start.shape, -1).transpose(0, 2, 1)
        treated, compared = (np.where(side, both, 0.0).reshape(-1, len(size)) for side in (member, other))
        rows = two_group.rows_of(treated, compared, np.tile(at, (ways, 1, 1)))
        for o, change in enumerate(changes):
            found = two_group.paired(rows, np.tile(change, (ways, 1)), method)
            real = np.isfinite(found.estimates) & rows.treated.any(axis=1) & rows.compared.any(axis=1)
            estimates = np.where(real, found.estimates, 0.0).reshape(ways, -1)
            shares_of = (member @ size) * real.reshape(ways, -1)
            total = (shares_of * many).sum(axis=1, keepdims=True)
            share = np.divide(shares_of, total, out=np.full_like(shares_of, np.nan), where=total > 0)
            effects[part, o] = (share * estimates).sum(axis=1)
            moved = np.where(shares_of > 0, estimates - many * effects[part, o, None], 0.0) / np.where(total > 0, total, 1.0)
            own = np.where(real[:, None], found.scores, 0.0).reshape(member.shape)
            scores[part, :, o] = np.einsum("rp,rpn->rn", share, own) + size * np.einsum("rp,rpn->rn", moved, member)
    return effects, scores


def _nothing_after(notices: tuple[str, ...]) -> NotEstimable:
    """The refusal when no effect after the start is left: for want of overlap, of variation, or of cells."""
    for kind, words in PROBLEMS.items():
        if any(words in notice for notice in notices):
            return NotEstimable(f"{words}, in every period after the reform", REMEDIES[kind])
    return NotEstimable(
        "no period after the reform has both treated and comparison cells", "Widen the window, or add comparison units."
    )


GROUP_TIME = Estimator(
    prepare,
    fit,
    DEFAULTS,
    CHOICES,
    AGGREGATES,
    uses_covariates=True,
    under_starts=under_starts,
    title="Group-time (Callaway and Sant’Anna)",
    assumes="Without the reform, areas that start together would have moved like those that compare.",
)
