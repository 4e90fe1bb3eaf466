"""Effects of a reform that comes with different intensity (Callaway, Goodman-Bacon, Sant'Anna 2024), without covariates.

A unit's dose is its first intensity above 0. Within each cohort and period the change of the outcome is put against the dose:
the slope is the average causal response per unit of dose, under strong parallel trends; the mean of a bin of doses, less the
comparison units', is its average effect under ordinary parallel trends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse

from evaluation.errors import NotEstimable, OptionError
from evaluation.estimators.aggregate import Effects
from evaluation.estimators.design import AGGREGATES, Estimator, Pieces, all_at_once, drop_treated_throughout, plural
from evaluation.estimators.triple_difference import Observed, One, Part, collect, observed, parts, pieces
from evaluation.panel import NEVER, Panel

CHOICES = {"target": ("slope", "level"), "control": ("never_treated", "not_yet_treated")}
DEFAULTS = {"target": "slope", "degree": 1, "bins": 3, "control": "never_treated", "anticipation": 0}
STRONG = (
    "A slope is the effect of one more unit of dose only under strong parallel trends: units with another dose would have "
    "responded alike at this dose. Ordinary parallel trends do not give that."
)
SELECTED = (
    "Effects of two bins of doses differ by the dose and by who chose it: their difference is an effect of the dose only under "
    "strong parallel trends."
)


def prepare(panel: Panel, options: Mapping[str, Any]) -> Panel | NotEstimable:
    """Leave out who has no dose or no period before, or say why there is no estimate."""
    _check(options)
    if panel.intensity is None:
        return NotEstimable("the panel has no intensity", "Name its column in Panel.from_frame(intensity=...).")
    kept = drop_treated_throughout(panel)
    if isinstance(kept, NotEstimable):
        return kept
    undosed = kept.treated & np.isnan(doses(kept))
    if undosed.any():
        kept = kept.select(~undosed, reason="treated, but its intensity is nowhere above 0: it has no dose")
    dose = doses(kept)[kept.treated]
    if not len(dose):
        return NotEstimable("no treated unit has an intensity above 0", "Give the reform's intensity where it is in place.")
    if len(np.unique(dose)) == 1:
        return NotEstimable(
            f"all doses are equal ({dose[0]:g}), so nothing can be said of more or less of it",
            "Use group_time for the effect at this dose, or add units with another.",
        )
    return kept


def _check(options: Mapping[str, Any]) -> None:
    for name, least in (("degree", 1), ("anticipation", 0)):
        value = options[name]
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
            raise OptionError(f"{name} must be a whole number, {least} or more, not {value!r}.")
    bins = options["bins"]
    if isinstance(bins, int | np.integer) and not isinstance(bins, bool) and bins >= 1:
        return
    edges = list(bins) if isinstance(bins, Sequence) and not isinstance(bins, str) else []
    numbers = all(isinstance(e, int | float | np.number) and not isinstance(e, bool) and np.isfinite(e) for e in edges)
    if not (edges and numbers and edges == sorted(set(edges))):
        raise OptionError(
            f"bins must be a number of bins of like size, 1 or more, or the doses that part them in rising order, not {bins!r}."
        )


def doses(panel: Panel) -> np.ndarray:
    """First intensity above 0 of each treated unit (N); NaN for others, and where there is none."""
    if panel.intensity is None:
        return np.full(len(panel.units), np.nan)
    above = np.nan_to_num(panel.intensity) > 0
    first = panel.intensity[np.arange(len(above)), above.argmax(axis=1)]
    return np.where(above.any(axis=1) & panel.treated, first, np.nan)


def edges_of(dose: np.ndarray, bins: int | Sequence[float]) -> np.ndarray:
    """The doses that part the bins, outer ends included; a bin takes its lower end, the last its upper end too."""
    inner = np.quantile(dose, np.arange(1, bins) / bins) if isinstance(bins, int | np.integer) else np.array(bins, float)
    inner = np.unique(inner)
    return np.array([dose.min(), *inner[(inner > dose.min()) & (inner <= dose.max())], dose.max()])


def _level(data: Observed, members: np.ndarray, compare: np.ndarray, change: np.ndarray) -> Part | None:
    """Mean change of `members` less that of `compare`; None where one side is unseen."""
    line, score = np.zeros(len(change)), np.zeros(len(change))
    for side, sense in ((members, 1.0), (compare, -1.0)):
        total = data.weight[side].sum()
        if not total > 0:
            return None
        line[side] = sense * data.weight[side] / total
        score[side] = line[side] * (change[side] - np.average(change[side], weights=data.weight[side]))
    return Part(line, score, members | compare, compare)


def _slope(data: Observed, members: np.ndarray, change: np.ndarray, degree: int) -> Part | None:
    """Mean slope, over the doses of `members`, of a polynomial through their changes; None with too few doses.

    The comparison units' mean change is one number at every dose, so a slope does not need them.
    """
    at = np.flatnonzero(members)
    dose, share = doses(data.panel)[at], data.weight[at] / data.weight[at].sum()
    if len(np.unique(dose)) <= degree:
        return None
    spread = np.ptp(dose)
    scaled = (dose - share @ dose) / spread  # powers of a small number about 0, for the sake of rounding
    power = np.arange(degree + 1)
    columns = scaled[:, None] ** power
    rises = power * scaled[:, None] ** np.maximum(power - 1, 0) / spread
    bread = np.linalg.inv(columns.T @ (share[:, None] * columns))
    line, score = np.zeros(len(change)), np.zeros(len(change))
    line[at] = share * (columns @ bread @ (share @ rises))
    coefficients = bread @ (columns.T @ (share * change[at]))
    rise = rises @ coefficients
    score[at] = line[at] * (change[at] - columns @ coefficients) + share * (rise - share @ rise)
    return Part(line, score, members, np.zeros(len(change), bool))


def _comparison(panel: Panel, group: int, time: int, base: int, options: Mapping[str, Any]) -> np.ndarray:
    """Units that compare (N)."""
    if options["control"] == "never_treated":
        return panel.cohort >= NEVER
    return (panel.cohort > max(time, base) + int(options["anticipation"])) & (panel.cohort != group)


def effects(
    panel: Panel, options: Mapping[str, Any], target: str, within: np.ndarray, by_region: bool = False
) -> tuple[Effects, tuple[str, ...]]:
    """Slopes or levels, by cohort and period, of treated units `within` (N); what cannot be had is left out, with a notice."""
    data, without = observed(panel), 0
    made: list[One] = []
    for group in (int(g) for g in np.unique(panel.cohort[within])):
        base = group - int(options["anticipation"]) - 1
        for time in range(len(panel.periods)) if base >= 0 else ():
            change, both = data.values[:, time] - data.values[:, base], data.seen[:, time] & data.seen[:, base]
            compare = _comparison(panel, group, time, base, options) & both
            for region, units in parts(panel, group, by_region):
                members = units & within
                seen = members & both
                slope = target == "slope"
                part = _slope(data, seen, change, int(options["degree"])) if slope else _level(data, seen, compare, change)
                if part is None:
                    without += 1
                else:
                    made.append(One(group, region, time, base, members, part))
    reason = "with too few different doses" if target == "slope" else "without treated or comparison units observed"
    notices = (f"{plural(without, 'effect')} of a cohort in a period {reason} left out.",) if without else ()
    return collect(data, made), notices


def fit(panel: Panel, aggregate: str, options: Mapping[str, Any]) -> Pieces | NotEstimable:
    """Slopes or levels of one outcome, aggregated; `cells` are the levels of bins of doses."""
    if aggregate == "region" and panel.region is None:
        return NotEstimable("the panel has no region", "Name the region's column in Panel.from_frame(region=...).")
    slope = options["target"] == "slope" and aggregate != "cells"
    if not slope:
        refusal = _no_comparison(panel, options)
        if refusal:
            return refusal
    if aggregate == "cells":
        return _by_bin(panel, options)
    found, notices = effects(panel, options, "slope" if slope else "level", panel.treated, by_region=aggregate == "region")
    if not (found.time >= found.group).any():
        if slope:
            count = int(options["degree"]) + 1
            where = " within one region" if aggregate == "region" else ""
            return NotEstimable(
                f"no cohort{where} has {count} or more different doses observed before and after its start",
                "Use target='level', a lower degree, or add units that start together with other doses.",
            )
        return _nothing()
    return pieces(panel, found, aggregate, (*_changing(panel), *notices, *([STRONG] if slope else [])))


def _no_comparison(panel: Panel, options: Mapping[str, Any]) -> NotEstimable | None:
    refusal = all_at_once(panel)
    if refusal:
        return replace(refusal, remedy=f"{refusal.remedy} Or use target='slope', which compares doses with each other.")
    if options["control"] == "never_treated" and not (panel.cohort >= NEVER).any():
        return NotEstimable("every unit adopts within the window, so none is never treated", "Use control='not_yet_treated'.")
    return None


def _nothing() -> NotEstimable:
    return NotEstimable(
        "no period after the reform has both treated and comparison cells", "Widen the window, or add comparison units."
    )


def _changing(panel: Panel) -> tuple[str, ...]:
    """Says how many treated units do not keep their dose: the first one counts."""
    dose = doses(panel)[:, None]
    given = np.full(panel.values.shape[1:], np.nan) if panel.intensity is None else panel.intensity
    after = np.arange(len(panel.periods)) >= panel.cohort[:, None]
    moved = int((after & ~np.isnan(given) & (given != dose)).any(axis=1).sum())
    return (f"{plural(moved, panel.unit)} did not keep one dose throughout: the first above 0 counts.",) if moved else ()


def _bins(panel: Panel, bins: int | Sequence[float]) -> list[tuple[dict[str, Any], np.ndarray]]:
    """Labels and units (N) of each bin of doses that has some, and of all treated units."""
    dose = doses(panel)
    edges = edges_of(dose[panel.treated], bins)
    place = np.clip(np.searchsorted(edges, dose, side="right") - 1, 0, len(edges) - 2)
    out: list[tuple[dict[str, Any], np.ndarray]] = []
    for at, (lower, upper) in enumerate(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)):
        within = panel.treated & (place == at)
        if within.any():
            label = {"dose": f"{lower:g} to {upper:g}", "dose_from": lower, "dose_to": upper}
            out.append(({**label, "mean_dose": float(dose[within].mean()), "kind": "post"}, within))
    label = {"dose": None, "dose_from": None, "dose_to": None, "mean_dose": float(dose[panel.treated].mean())}
    return [*out, ({**label, "kind": "average"}, panel.treated)]


def _by_bin(panel: Panel, options: Mapping[str, Any]) -> Pieces | NotEstimable:
    """The level of each bin of doses over all periods after the start, and of all treated units."""
    rows: list[Pieces] = []
    labels: list[dict[str, Any]] = []
    notices: list[str] = []
    for label, within in _bins(panel, options["bins"]):
        found, said = effects(panel, options, "level", within)
        if (found.time >= found.group).any():
            labels.append(label)
            rows.append(pieces(panel, found, "overall", ()))
            notices += [f"Doses {label['dose'] or 'of all units'}: {notice}" for notice in said]
        else:
            notices.append(f"Doses {label['dose'] or 'of all units'}: nobody is observed on both sides: left out.")
    if not rows:
        return _nothing()
    return Pieces(
        labels=labels,
        estimates=np.concatenate([row.estimates for row in rows]),
        scores=np.column_stack([row.scores for row in rows]),
        support=np.column_stack([row.support for row in rows]),
        used=np.column_stack([row.used for row in rows]),
        compared=np.column_stack([row.compared for row in rows]),
        parameters=0,
        observations=rows[0].observations,
        builder=lambda: sparse.csr_matrix(sparse.vstack([row.builder() for row in rows])),
        warnings=(*_changing(panel), *notices, SELECTED),
    )


DOSE = Estimator(
    prepare,
    fit,
    DEFAULTS,
    CHOICES,
    AGGREGATES,
    uses_intensity=True,
    title="Dose response",
    assumes="Without the reform, areas with more and with less of it would have moved alike.",
)
