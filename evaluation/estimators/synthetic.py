"""Synthetic difference-in-differences (Arkhangelsky, Athey, Hirshberg, Imbens, Wager 2021), cohort by cohort.

Units that never adopt are weighted so that they move with the treated units before the start, and periods before the start
so that they stand for those after it; the effect is a difference of differences under both. Synthetic control and plain
difference-in-differences are the same thing with other weights. Numbers are those of R's `synthdid` 0.0.9.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.errors import NotEstimable, OptionError
from evaluation.estimators.design import Estimator, Pieces, all_at_once, dots, drop_treated_throughout, plural
from evaluation.panel import NEVER, Panel

CHOICES = {"method": ("sdid", "sc", "did"), "errors": ("jackknife", "placebo")}
DEFAULTS = {"method": "sdid", "errors": "jackknife", "draws": 200, "seed": 1}
BEFORE = 4  # fewest periods before the start
FIRST_PASS, LONGEST = 100, 10_000  # iterations before small weights are set to zero, and after
BATCH = 4_000_000  # numbers held at once when placebo draws are fitted together


@dataclass(frozen=True)
class Tuning:
    """Penalties and stopping rule of one cohort's fit, all multiples of the noise (equation 2.2 of the paper)."""

    zeta_units: float
    zeta_periods: float
    decrease: float
    method: str


@dataclass(frozen=True, eq=False)
class Cohort:
    """One cohort's fit: position of its start, its members (positions), weights of comparison units and of periods before."""

    start: int
    members: np.ndarray
    units: np.ndarray
    periods: np.ndarray
    tuning: Tuning


@dataclass(frozen=True, eq=False)
class Row:
    """One effect: its label, and M averages over cohort × period (M × C × T booleans) of which it is the plain mean."""

    label: dict[str, Any]
    masks: np.ndarray


def prepare(panel: Panel, options: Mapping[str, Any]) -> Panel | NotEstimable:
    """Keep complete units with enough periods before, or say why too few are left."""
    for name, least in (("draws", 2), ("seed", 0)):
        value = options[name]
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
            raise OptionError(f"{name} must be a whole number, {least} or more, not {value!r}.")
    if panel.weighted:
        return NotEstimable("synthetic takes no weights", "Build the panel without weight=.")
    kept = drop_treated_throughout(panel)
    if isinstance(kept, NotEstimable):
        return kept
    complete = ~np.isnan(kept.values).any(axis=(0, 2))
    early = kept.cohort < BEFORE
    refusal = all_at_once(kept) or _too_few(kept, complete, early)
    if refusal:
        return refusal
    kept = kept if complete.all() else kept.select(complete, reason="missing in some period: synthetic needs every cell")
    early = kept.cohort < BEFORE
    kept = kept if not early.any() else kept.select(~early, reason=f"fewer than {BEFORE} periods before its start")
    return _no_error(kept, options) or kept


def _too_few(panel: Panel, complete: np.ndarray, early: np.ndarray) -> NotEstimable | None:
    if not complete.any():
        return NotEstimable(
            f"no {panel.unit} is observed in every period",
            "Use a window without gaps, or an estimator that allows missing cells.",
        )
    compare = int((complete & (panel.cohort >= NEVER)).sum())
    if compare < 2:
        return NotEstimable(
            f"{plural(compare, panel.unit)} that never adopt and are observed in every period: two are the fewest to weight",
            "Add units that never adopt, or a window in which they are observed throughout.",
        )
    if not (panel.treated & complete).any():
        return NotEstimable("no treated unit is observed in every period", "Use a window without gaps.")
    if not (panel.treated & complete & ~early).any():
        return NotEstimable(
            f"every treated unit has fewer than {BEFORE} periods before its start: nothing to fit the weights to",
            "Use a window that begins earlier.",
        )
    return None


def _no_error(panel: Panel, options: Mapping[str, Any]) -> NotEstimable | None:
    """The refusal when the error asked for cannot be had."""
    treated, compare = int(panel.treated.sum()), int((~panel.treated).sum())
    if options["errors"] == "placebo" and compare <= treated:
        return NotEstimable(
            f"placebo errors need more {panel.unit} that never adopt ({compare}) than treated ones ({treated})",
            "Use errors='jackknife', or add units that never adopt.",
        )
    starts, sizes = np.unique(panel.cohort[panel.treated], return_counts=True)
    if options["errors"] == "jackknife" and sizes.min() < 2:
        when = ", ".join(str(panel.periods[g]) for g in starts[sizes < 2])
        return NotEstimable(
            f"one {panel.unit} alone starts in {when}: the jackknife cannot leave it out", "Use errors='placebo', or drop it."
        )
    return None


def frank_wolfe(
    columns: np.ndarray, target: np.ndarray, zeta: float, start: np.ndarray, decrease: float, limit: int
) -> np.ndarray:
    """Weights on the simplex that minimise zeta² Σx² + Σ(columns·x − target)² / m, for D problems at once.

    Args:
        columns: D × m × n.
        target: D × m.
        zeta: root of the ridge penalty.
        start: weights to start from, D × n.
        decrease: stop when a step lowers the minimand by less than its square.
        limit: most steps.

    Returns:
        Weights, D × n, by Frank–Wolfe steps with exact line search, stopped where R's `synthdid` stops.
    """
    out, active = start.copy(), np.arange(len(start))
    x, a, b = start.copy(), columns, target
    rows = columns.shape[1]
    penalty = rows * zeta**2
    fitted, last = np.einsum("dmn,dn->dm", a, x), np.full(len(x), np.inf)
    for step in range(1, limit + 1):
        slope = np.einsum("dm,dmn->dn", fitted - b, a) + penalty * x
        best, each = slope.argmin(axis=1), np.arange(len(x))
        move = -x
        move[each, best] += 1.0
        change = a[each, :, best] - fitted
        curve = (change**2).sum(axis=1) + penalty * (move**2).sum(axis=1)
        length = np.divide(-(slope * move).sum(axis=1), curve, out=np.zeros(len(x)), where=curve > 0)
        x = x + np.clip(length, 0.0, 1.0)[:, None] * move
        fitted = np.einsum("dmn,dn->dm", a, x)
        value = zeta**2 * (x**2).sum(axis=1) + ((fitted - b) ** 2).sum(axis=1) / rows
        going = (last - value > decrease**2) if step > 1 else np.ones(len(x), bool)
        last = value
        if not going.all():
            out[active[~going]] = x[~going]
            active, x, a, b, fitted, last = active[going], x[going], a[going], b[going], fitted[going], last[going]
            if not len(active):
                return out
    out[active] = x
    return out


def _simplex(
    columns: np.ndarray, target: np.ndarray, zeta: float, start: np.ndarray, decrease: float, intercept: bool
) -> np.ndarray:
    """Weights in two passes: small ones of the first pass (a quarter of the largest or less) start the second at zero."""
    if intercept:
        columns, target = columns - columns.mean(axis=1, keepdims=True), target - target.mean(axis=1, keepdims=True)
    rough = frank_wolfe(columns, target, zeta, start, decrease, FIRST_PASS)
    rough = np.where(rough <= rough.max(axis=1, keepdims=True) / 4, 0.0, rough)
    return frank_wolfe(columns, target, zeta, rough / rough.sum(axis=1, keepdims=True), decrease, LONGEST)


def solve(
    compare: np.ndarray, treated: np.ndarray, start: int, tuning: Tuning, units: np.ndarray, periods: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weights of comparison units (D × n) and of periods before (D × start), from starting values of the same shapes.

    `compare` is D × n × T; `treated` the mean series of the treated, D × T.
    """
    if tuning.method == "did":
        return units, periods
    before = compare[:, :, :start]
    if tuning.method == "sdid":
        after = compare[:, :, start:].mean(axis=2)
        periods = _simplex(before, after, tuning.zeta_periods, periods, tuning.decrease, True)
    flat = tuning.method == "sdid"
    units = _simplex(before.transpose(0, 2, 1), treated[:, :start], tuning.zeta_units, units, tuning.decrease, flat)
    return units, periods


def tune(compare: np.ndarray, start: int, treated: int, method: str) -> Tuning:
    """Penalties from the noise: the deviation of first differences of comparison units (n × T) before the start."""
    noise = float(np.std(np.diff(compare[:, :start], axis=1), ddof=1))
    after = compare.shape[1] - start
    ridge = 1e-6 if method == "sc" else (treated * after) ** 0.25
    return Tuning(ridge * noise, 1e-6 * noise, 1e-5 * noise, method)


def fit_cohort(values: np.ndarray, outside: np.ndarray, members: np.ndarray, start: int, method: str) -> Cohort:
    """Weights for one cohort from the outcome (N × T)."""
    compare = values[outside]
    tuning = tune(compare, start, len(members), method)
    level = 0.0 if method == "sc" else 1.0 / start  # synthetic control compares levels: no period before counts
    units, periods = solve(
        compare[None],
        values[members].mean(axis=0)[None],
        start,
        tuning,
        np.full((1, len(outside)), 1.0 / len(outside)),
        np.full((1, start), level),
    )
    return Cohort(start, members, units[0], periods[0], tuning)


def curves(values: np.ndarray, outside: np.ndarray, cohorts: list[Cohort]) -> np.ndarray:
    """Effect of each cohort in each period, C × T: the treated less the weighted comparison, less the same before."""
    gaps = np.array([values[one.members].mean(axis=0) - one.units @ values[outside] for one in cohorts])
    return gaps - np.array([one.periods @ gap[: one.start] for one, gap in zip(cohorts, gaps, strict=True)])[:, None]


def combine(row: Row, effects: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """A row's value from effects (… × C × T) and cohort sizes (… × C): the mean of its averages by treated cells."""
    top = np.einsum("mct,...c,...ct->...m", row.masks, sizes, effects)
    return np.asarray((top / np.einsum("mct,...c->...m", row.masks, sizes)).mean(axis=-1))


def rows_of(panel: Panel, cohorts: list[Cohort], aggregate: str) -> list[Row]:
    """The rows of an aggregate; all but `cells` and `overall` end with their average."""
    start, time = np.array([one.start for one in cohorts])[:, None], np.arange(len(panel.periods))[None, :]
    after, event = time >= start, time - start
    if aggregate == "overall":
        return [Row({"kind": "overall"}, after[None])]
    if aggregate == "cells":
        return [
            Row(_cell(panel, int(start[c, 0]), int(t)), (np.arange(len(cohorts))[:, None] == c)[None] & (time == t)[None])
            for c, t in np.argwhere(after)
        ]
    if aggregate == "cohort":
        own = [((start == g) & after)[None] for g in start[:, 0]]
        rows = [Row({"cohort": panel.periods[one.start], "kind": "post"}, m) for one, m in zip(cohorts, own, strict=True)]
        return [*rows, Row({"cohort": None, "kind": "average"}, after[None])]
    if aggregate == "event_time":
        rows = [Row({"event_time": int(e), "kind": "post"}, (after & (event == e))[None]) for e in np.unique(event[after])]
        return [*rows, _mean(rows, {"event_time": None, "kind": "average"})]
    when = np.flatnonzero(after.any(axis=0))
    rows = [Row({"period": panel.periods[t], "kind": "post"}, (after & (time == t))[None]) for t in when]
    return [*rows, _mean(rows, {"period": None, "kind": "average"})]


def _cell(panel: Panel, start: int, time: int) -> dict[str, Any]:
    return {"cohort": panel.periods[start], "period": panel.periods[time], "event_time": time - start, "kind": "post"}


def _mean(rows: list[Row], label: dict[str, Any]) -> Row:
    return Row(label, np.concatenate([row.masks for row in rows]))


def jackknife(values: np.ndarray, outside: np.ndarray, cohorts: list[Cohort], rows: list[Row]) -> np.ndarray:
    """Scores (N × K) from leaving out each unit with weights kept (algorithm 3): Σ scores² is the jackknife variance."""
    count = len(values)
    sizes = np.tile([float(len(one.members)) for one in cohorts], (count, 1))
    effects = np.tile(curves(values, outside, cohorts), (count, 1, 1))
    for c, one in enumerate(cohorts):
        treated, other = values[one.members].mean(axis=0), one.units @ values[outside]
        n = len(one.members)
        for units, without in (
            (one.members, (n * treated - values[one.members]) / (n - 1) - other),
            (outside, treated - _without_each(one.units, values[outside])),
        ):
            effects[units, c] = without - (without[:, : one.start] @ one.periods)[:, None]
        sizes[one.members, c] -= 1
    scores = np.zeros((count, len(rows)))
    for k, row in enumerate(rows):
        enter = np.concatenate([outside, *(cohorts[c].members for c in np.flatnonzero(row.masks.any(axis=(0, 2))))])
        left = combine(row, effects[enter], sizes[enter])
        scores[enter, k] = np.sqrt((len(enter) - 1) / len(enter)) * (left.mean() - left)
    return scores


def _without_each(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Weighted mean of values (n × T) without each unit in turn, weights scaled up again: n × T."""
    light = weights <= 0.5
    left = np.where(light, 1 - weights, 1.0)[:, None]
    out = np.asarray((weights @ values - weights[:, None] * values) / left)
    for heavy in np.flatnonzero(~light):  # one unit at most: taking it off a sum would leave rounding
        rest = np.delete(weights, heavy)
        out[heavy] = (rest / rest.sum()) @ np.delete(values, heavy, axis=0)
    return out


def placebo(values: np.ndarray, outside: np.ndarray, cohorts: list[Cohort], rows: list[Row], orders: np.ndarray) -> np.ndarray:
    """Standard errors (K) from giving the starts to comparison units, as many at each start as in truth (algorithm 4).

    Each of the D `orders` is a permutation of positions in `outside`: its last ones are the placebo treated, by start.
    """
    sizes = np.array([len(one.members) for one in cohorts])
    left = len(outside) - int(sizes.sum())
    ends = left + np.cumsum(sizes)
    batch = max(1, BATCH // max(1, values.shape[1] * len(outside)))
    drawn = []
    for first in range(0, len(orders), batch):
        order = orders[first : first + batch]
        compare = values[outside[order[:, :left]]]
        effects = np.empty((len(order), len(cohorts), values.shape[1]))
        for c, one in enumerate(cohorts):
            treated = values[outside[order[:, ends[c] - sizes[c] : ends[c]]]].mean(axis=1)
            begin = one.units[order[:, :left]]
            total = begin.sum(axis=1, keepdims=True)
            begin = np.where(total > 0, begin / np.where(total > 0, total, 1.0), 1.0 / left)
            units, periods = solve(compare, treated, one.start, one.tuning, begin, np.tile(one.periods, (len(order), 1)))
            gap = treated - np.einsum("dn,dnt->dt", units, compare)
            effects[:, c] = gap - np.einsum("dt,dt->d", periods, gap[:, : one.start])[:, None]
        drawn.append(np.column_stack([combine(row, effects, sizes.astype(float)) for row in rows]))
    return np.asarray(np.std(np.concatenate(drawn), axis=0))


def on_cells(panel: Panel, outside: np.ndarray, cohorts: list[Cohort], rows: list[Row]) -> np.ndarray:
    """Weights of every row on cells, K × N × T."""
    sizes = np.array([float(len(one.members)) for one in cohorts])
    out = np.zeros((len(rows), len(panel.units), len(panel.periods)))
    for k, row in enumerate(rows):
        share = row.masks * sizes[None, :, None]
        share = (share / share.sum(axis=(1, 2), keepdims=True)).mean(axis=0)
        for c, one in enumerate(cohorts):
            unit, period = np.zeros(len(panel.units)), share[c].copy()
            unit[one.members], unit[outside] = 1.0 / len(one.members), -one.units
            period[: one.start] -= one.periods * share[c].sum()
            out[k] += np.outer(unit, period)
    return out


def fit(panel: Panel, aggregate: str, options: Mapping[str, Any]) -> Pieces | NotEstimable:
    """Effects of one outcome, with scores whose squares add up to the error asked for."""
    values, outside = panel.values[0], np.flatnonzero(~panel.treated)
    starts = [int(g) for g in np.unique(panel.cohort[panel.treated])]
    cohorts = [fit_cohort(values, outside, np.flatnonzero(panel.cohort == g), g, options["method"]) for g in starts]
    rows = rows_of(panel, cohorts, aggregate)
    if options["errors"] == "jackknife":
        lone = [one for one in cohorts if (one.units > 0).sum() == 1]
        if lone:
            who = panel.units[outside[int(lone[0].units.argmax())]]
            reason = f"{panel.unit} {who!r} alone carries the comparison: the jackknife cannot leave it out"
            return NotEstimable(reason, "Use errors='placebo'.")
        scores = jackknife(values, outside, cohorts, rows)
    else:
        draw = np.random.default_rng(options["seed"])
        orders = np.array([draw.permutation(len(outside)) for _ in range(options["draws"])])
        scores = np.zeros((len(values), len(rows)))
        # no unit has a share in a placebo error: one treated unit carries it whole, so that no clustering changes it
        bearer = [cohorts[int(row.masks.any(axis=(0, 2)).argmax())].members[0] for row in rows]
        scores[bearer, np.arange(len(rows))] = placebo(values, outside, cohorts, rows, orders)
    sizes = np.array([float(len(one.members)) for one in cohorts])
    effects = curves(values, outside, cohorts)
    weights = on_cells(panel, outside, cohorts, rows)
    entered = (weights != 0).any(axis=2).T
    return Pieces(
        labels=[row.label for row in rows],
        estimates=np.array([float(combine(row, effects, sizes)) for row in rows]),
        scores=scores,
        support=entered & panel.treated[:, None],
        used=entered,
        compared=entered & ~panel.treated[:, None],
        parameters=0,
        observations=int(values.size),
        builder=lambda: dots(weights),
        warnings=_warnings(options),
        own_df=None if options["errors"] == "jackknife" else np.inf,
    )


def _warnings(options: Mapping[str, Any]) -> tuple[str, ...]:
    if options["errors"] == "placebo":
        return (
            f"The error is that of {options['draws']} placebo starts among units that never adopt (seed {options['seed']}): "
            "it assumes that treated units vary as they do, and no cluster changes it.",
        )
    if options["method"] == "sc":
        return ("The jackknife is not recommended for synthetic control: use errors='placebo'.",)
    return ()


SYNTHETIC = Estimator(
    prepare,
    fit,
    DEFAULTS,
    CHOICES,
    ("overall", "cells", "event_time", "cohort", "calendar"),
    title="Synthetic difference-in-differences",
    assumes="A weighted mix of the others that moved alike before would have gone on moving alike.",
)
