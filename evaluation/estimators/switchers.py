"""Effects of a treatment that may go up and down, by time since it first changed (de Chaisemartin, D'Haultfœuille 2024).

A unit whose treatment changes is compared with units that had the same treatment in the first period and have not changed yet.
Each effect is a difference of differences of weighted means, so it is a row of weights on cells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from evaluation.errors import NotEstimable, OptionError
from evaluation.estimators.design import AGGREGATES, Ends, Estimator, Pieces, plural
from evaluation.panel import Panel

CHOICES = {"switchers": ("all", "in", "out"), "small_sample": ("cohort", "none")}
DEFAULTS = {"switchers": "all", "effects": None, "placebos": None, "small_sample": "cohort"}
SIGNS = {"all": (1, -1), "in": (1,), "out": (-1,)}
DIRECTIONS = {1: "in", -1: "out"}
DIGITS = 10  # two intensities are the same when they agree to so many decimals


@dataclass(frozen=True, eq=False)
class Paths:
    """The path of treatment of each unit.

    Attributes:
        treatment: N × T, filled where it was missing.
        baseline: treatment in the first period known (N).
        first: position of the first change (N), T where there is none.
        sign: 1 where the first change is upwards, -1 downwards, 0 none (N).
        usable: N × T; cells in which the unit can stand for its path.
    """

    treatment: np.ndarray
    baseline: np.ndarray
    first: np.ndarray
    sign: np.ndarray
    usable: np.ndarray


@dataclass(frozen=True, eq=False)
class Changes:
    """Effects of a first change before aggregation, K of them.

    Attributes:
        baseline: treatment before (K).
        sign: 1 upwards, -1 downwards (K).
        first: position of the change (K).
        time: position of the period (K), before `first` for placebos.
        region: region code (K), -1 where all regions are pooled.
        amount: weight of the units that changed (K).
        dose: Σ weight × distance of their treatment from the baseline in `time` (K).
        estimates: K; downward changes with their sign turned, so that all are effects of more treatment.
        scores: N × K.
        lines: N × K; weight on the change of each unit since the period before `first`.
        members: N × K booleans: units that changed.
        compared: N × K booleans: units that had not.
    """

    baseline: np.ndarray
    sign: np.ndarray
    first: np.ndarray
    time: np.ndarray
    region: np.ndarray
    amount: np.ndarray
    dose: np.ndarray
    estimates: np.ndarray
    scores: np.ndarray
    lines: np.ndarray
    members: np.ndarray
    compared: np.ndarray


def prepare(panel: Panel, options: Mapping[str, Any]) -> Panel | NotEstimable:
    """Leave out units without a known path, or say why no effect can be had."""
    for name, least in (("effects", 1), ("placebos", 0)):
        value = options[name]
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if value is not None and not (whole and value >= least):
            raise OptionError(f"{name} must be a whole number of periods, {least} or more, or None for all, not {value!r}.")
    if panel.intensity is not None:
        unknown = np.isnan(_raw(panel)).all(axis=1)
        if unknown.any():
            panel = panel.select(~unknown, reason="its intensity is missing throughout")
    if not len(panel.units):
        return NotEstimable("no unit has a known intensity", "Correct the intensity.")
    return _refusal(panel, paths(panel), options["switchers"]) or panel


def _refusal(panel: Panel, known: Paths, which: str) -> NotEstimable | None:
    """Why there is nothing to estimate whatever the outcome, or None."""
    switches = np.isin(known.sign, SIGNS[which])
    if not switches.any():
        words = {"all": "changes", "in": "goes up", "out": "goes down"}[which]
        return NotEstimable(
            f"no {panel.unit}'s treatment {words} within the window",
            "Use a window in which it does, or another choice of switchers.",
        )
    for i in np.flatnonzero(switches):
        if ((known.baseline == known.baseline[i]) & (known.first > known.first[i])).any():
            return None
    if len(np.unique(known.first)) == 1:
        reason = f"all {plural(len(panel.units), panel.unit)} change at once"
    else:
        reason = "no stable comparison exists at any period: no unit keeps the treatment that a changing one began with"
    return NotEstimable(reason, "Add units with the same treatment at the start that do not change, or change later.")


def _raw(panel: Panel) -> np.ndarray:
    """Treatment as given (N × T), NaN where unknown."""
    started = np.arange(len(panel.periods)) >= panel.cohort[:, None]
    if panel.intensity is None:
        return started.astype(float)
    return np.round(np.where(np.isnan(panel.intensity) & ~started, 0.0, panel.intensity), DIGITS)


def paths(panel: Panel) -> Paths:
    """Baseline, first change and direction of each unit; every unit must have a known treatment in some period."""
    raw = _raw(panel)
    known, (units, count) = ~np.isnan(raw), raw.shape
    when, row = np.arange(count), np.arange(units)
    start, last = known.argmax(axis=1), count - 1 - known[:, ::-1].argmax(axis=1)
    baseline = raw[row, start]
    differs = known & (raw != baseline[:, None])
    first = np.where(differs.any(axis=1), differs.argmax(axis=1), count)
    still = known & (when < first[:, None])  # the treatment is known not to have changed
    last_still = count - 1 - still[:, ::-1].argmax(axis=1)
    undated = (first < count) & (last_still < first - 1)
    first = np.where(undated, count, first)
    end = np.where(undated, last_still, np.where(first < count, count - 1, last))
    at_first = raw[row, np.minimum(first, count - 1)]
    filled = np.where(when < first[:, None], baseline[:, None], np.where(known, raw, at_first[:, None]))
    above = np.logical_or.accumulate(filled > baseline[:, None], axis=1)
    below = np.logical_or.accumulate(filled < baseline[:, None], axis=1)
    usable = (when >= start[:, None]) & (when <= end[:, None]) & ~(above & below)
    sign = np.where(first < count, np.sign(at_first - baseline), 0).astype(int)
    return Paths(filled, baseline, first, sign, usable)


@dataclass(frozen=True, eq=False)
class _Contrast:
    """One effect before its numbers: who changed and who had not, and the two periods of the change of the outcome."""

    baseline: float
    sign: int
    first: int
    time: int
    row: int  # the period whose weights count
    members: np.ndarray
    compared: np.ndarray


def _contrasts(
    panel: Panel, known: Paths, options: Mapping[str, Any], lacking: list[tuple[float, int, int]]
) -> Iterator[_Contrast]:
    """Every effect and placebo that the design allows; changes without a comparison are added to `lacking`."""
    seen = (panel.weights[0] > 0) & known.usable
    count = len(panel.periods)
    most = count if options["effects"] is None else int(options["effects"])
    leads = count if options["placebos"] is None else int(options["placebos"])
    switches = np.isin(known.sign, SIGNS[options["switchers"]])
    kinds = {(known.baseline[i], known.sign[i], known.first[i]) for i in np.flatnonzero(switches)}
    for level, sign, first in sorted(kinds):
        alike = known.baseline == level
        changed = alike & (known.sign == sign) & (known.first == first)
        for time in range(first, min(count, first + most)):
            both = seen[:, time] & seen[:, first - 1]
            members, compared = changed & both, alike & (known.first > time) & both
            if members.any() and not compared.any():
                lacking.append((float(level), int(first), time))
            if not (members.any() and compared.any()):
                continue
            yield _Contrast(float(level), int(sign), int(first), time, time, members, compared)
            ahead = time - first + 1
            earlier = first - 1 - ahead
            if ahead > leads or earlier < 0:
                continue
            members, compared = members & seen[:, earlier], compared & seen[:, earlier]
            if members.any() and compared.any():
                yield _Contrast(float(level), int(sign), int(first), earlier, time, members, compared)


def _by_region(contrast: _Contrast, codes: np.ndarray) -> Iterator[tuple[int, _Contrast]]:
    for region in np.unique(codes[contrast.members]):
        yield int(region), replace(contrast, members=contrast.members & (codes == region))


def effects(panel: Panel, options: Mapping[str, Any], by_region: bool = False) -> tuple[Changes | None, tuple[str, ...]]:
    """Every effect of one outcome with its scores, and notices of changes left out; None where there is no effect."""
    known = paths(panel)
    lacking: list[tuple[float, int, int]] = []
    found = [(-1, one) for one in _contrasts(panel, known, options, lacking)]
    if by_region and panel.region is not None:
        codes = panel.clusters[panel.region][0]
        found = [pair for _, one in found for pair in _by_region(one, codes)]
    found.sort(key=lambda pair: (pair[1].baseline, -pair[1].sign, pair[1].first, pair[1].time, pair[0]))
    notices = _notices(panel, lacking)
    if not any(one.time >= one.first for _, one in found):
        return None, notices
    return _measured(panel, known, found, options["small_sample"] == "cohort"), notices


def _measured(panel: Panel, known: Paths, found: list[tuple[int, _Contrast]], correct: bool) -> Changes:
    """The numbers of every contrast."""
    lines = np.zeros((len(panel.units), len(found)))
    scores = np.zeros_like(lines)
    estimates, amount, dose = (np.zeros(len(found)) for _ in range(3))
    filled = np.nan_to_num(panel.values[0])
    for k, (_, one) in enumerate(found):
        weight = panel.weights[0][:, one.row]
        change = filled[:, one.time] - filled[:, one.first - 1]
        for side, sense in ((one.members, one.sign), (one.compared, -one.sign)):
            lines[side, k] = sense * weight[side] / weight[side].sum()
        estimates[k] = lines[:, k] @ change
        scores[:, k] = lines[:, k] * _demeaned(change, weight, one, known.treatment[:, one.first], correct)
        amount[k] = weight[one.members].sum()
        moved = np.abs(known.treatment[:, one.row] - known.baseline)
        dose[k] = weight[one.members] @ moved[one.members]
    return Changes(
        baseline=np.array([one.baseline for _, one in found]),
        sign=np.array([one.sign for _, one in found]),
        first=np.array([one.first for _, one in found]),
        time=np.array([one.time for _, one in found]),
        region=np.array([region for region, _ in found]),
        amount=amount,
        dose=dose,
        estimates=estimates,
        scores=scores,
        lines=lines,
        members=np.column_stack([one.members for _, one in found]),
        compared=np.column_stack([one.compared for _, one in found]),
    )


def _demeaned(change: np.ndarray, weight: np.ndarray, one: _Contrast, level: np.ndarray, correct: bool) -> np.ndarray:
    """Changes less the mean of the unit's cohort × √(n/(n − 1)) (N); a cohort of one takes the mean of both sides."""
    out = np.zeros(len(change))
    cohorts = [one.members & (level == value) for value in np.unique(level[one.members])]
    for group in (*cohorts, one.compared):
        pool = group if group.sum() > 1 else one.members | one.compared
        mean = np.average(change[pool], weights=weight[pool])
        size = int(pool.sum())
        factor = np.sqrt(size / (size - 1)) if correct else 1.0
        out[group] = factor * (change[group] - mean)
    return out


def _notices(panel: Panel, lacking: list[tuple[float, int, int]]) -> tuple[str, ...]:
    if not lacking:
        return ()
    level, first, time = lacking[0]
    return (
        f"{plural(len(lacking), 'effect')} without a stable comparison left out: nobody with the same treatment at the start "
        f"had not changed yet. The first is that of units that change from {level:g} in {panel.periods[first]}, "
        f"in {panel.periods[time]}.",
    )


Row = tuple[dict[str, Any], np.ndarray]


def _average(found: Changes, keep: np.ndarray) -> np.ndarray:
    """Weights (K) that average effects by the weight of the units that changed."""
    return np.where(keep, found.amount, 0.0) / found.amount[keep].sum()


def _per_unit(found: Changes, keep: np.ndarray) -> np.ndarray:
    """Weights (K) of the total effect per unit of treatment; all zero where no treatment differs from the start."""
    total = found.dose[keep].sum()
    return np.where(keep, found.amount, 0.0) / total if total > 0 else np.zeros(len(found.time))


def _event_time(found: Changes, panel: Panel) -> list[Row]:
    event = found.time - found.first
    rows: list[Row] = []
    for e in sorted({*event.tolist(), -1}):
        at = event == e
        kind = "reference" if e == -1 else ("post" if e >= 0 else "pre")
        rows.append(({"event_time": int(e), "kind": kind}, _average(found, at) if at.any() else np.zeros(len(event))))
    after = [weight for label, weight in rows if label["kind"] == "post"]
    return [*rows, ({"event_time": None, "kind": "average"}, np.mean(after, axis=0))]


def _cells(found: Changes, panel: Panel) -> list[Row]:
    rows: list[Row] = []
    for k in range(len(found.time)):
        label = {
            "cohort": panel.periods[found.first[k]],
            "period": panel.periods[found.time[k]],
            "event_time": int(found.time[k] - found.first[k]),
            "baseline": float(found.baseline[k]),
            "direction": DIRECTIONS[int(found.sign[k])],
            "kind": "post" if found.time[k] >= found.first[k] else "pre",
        }
        rows.append((label, np.eye(1, len(found.time), k)[0]))
    return rows


def _overall(found: Changes, panel: Panel) -> list[Row]:
    return [({"kind": "overall"}, _per_unit(found, found.time >= found.first))]


def _grouped(found: Changes, column: str, codes: np.ndarray, names: Any) -> list[Row]:
    """The effect per unit of treatment of each group of effects, and of all."""
    post = found.time >= found.first
    rows = [({column: names[c], "kind": "post"}, _per_unit(found, post & (codes == c))) for c in np.unique(codes[post])]
    return [*rows, ({column: None, "kind": "average"}, _per_unit(found, post))]


def _cohort(found: Changes, panel: Panel) -> list[Row]:
    return _grouped(found, "cohort", found.first, panel.periods)


def _calendar(found: Changes, panel: Panel) -> list[Row]:
    return _grouped(found, "period", found.time, panel.periods)


def _region(found: Changes, panel: Panel) -> list[Row]:
    name = panel.region or "region"
    return _grouped(found, "region" if name in ("outcome", "kind") else name, found.region, panel.clusters[name][1])


ROWS: dict[str, Callable[[Changes, Panel], list[Row]]] = {
    "overall": _overall,
    "cells": _cells,
    "event_time": _event_time,
    "cohort": _cohort,
    "calendar": _calendar,
    "region": _region,
}


def fit(panel: Panel, aggregate: str, options: Mapping[str, Any]) -> Pieces | NotEstimable:
    """Effects of one outcome by time since the first change, aggregated."""
    if aggregate == "region" and panel.region is None:
        return NotEstimable("the panel has no region", "Name the region's column in Panel.from_frame(region=...).")
    found, notices = effects(panel, options, by_region=aggregate == "region")
    if found is None:
        return NotEstimable(
            "no change has a stable comparison: a unit with the same treatment at the start, not changed yet and observed",
            "Widen the window, or add units that do not change.",
        )
    rows = ROWS[aggregate](found, panel)
    idle = [label for label, weight in rows if label["kind"] != "reference" and not weight.any()]
    rows = [(label, weight) for label, weight in rows if label["kind"] == "reference" or weight.any()]
    if idle:
        notices += (
            f"{plural(len(idle), 'row')} left out: treatment is back at its start there, so nothing can be divided by it.",
        )
    weight = np.array([w for _, w in rows])
    picked = (weight != 0).T.astype(float)
    members, compared = found.members @ picked > 0, found.compared @ picked > 0
    return Pieces(
        labels=[label for label, _ in rows],
        estimates=weight @ found.estimates,
        scores=found.scores @ weight.T,
        support=members,
        used=members | compared,
        compared=compared,
        parameters=0,
        observations=int((panel.weights[0] > 0).sum()),
        builder=lambda: Ends(found.lines, -found.lines, found.time, found.first - 1, len(panel.periods)).summed(weight),
        warnings=notices,
    )


SWITCHERS = Estimator(
    prepare,
    fit,
    DEFAULTS,
    CHOICES,
    AGGREGATES,
    uses_intensity=True,
    title="Switchers (de Chaisemartin and D’Haultfœuille)",
    assumes="Areas that change would have moved like those with the same treatment before that have not changed yet.",
)
