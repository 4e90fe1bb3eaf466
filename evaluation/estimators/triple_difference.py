"""Triple differences with staggered starts (Ortiz-Villavicencio, Sant'Anna 2025), without covariates.

Units are of two kinds: those that the reform is for (eligible) and the others of the same adopter, e.g. pupils with and without
SEN of an authority. The effect is the change of the gap between the two kinds, adopters less comparison. Each comparison cohort
gives its own triple difference, and these are averaged: pooling not-yet treated cohorts first would mix cohorts whose shares of
eligible units differ, and is biased.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.errors import NotEstimable, OptionError
from evaluation.estimators.aggregate import Effects, aggregate_effects
from evaluation.estimators.design import AGGREGATES, Ends, Estimator, Pieces, all_at_once, drop_treated_throughout, plural
from evaluation.estimators.group_time_scores import Dense
from evaluation.panel import NEVER, Panel

CHOICES = {
    "control": ("never_treated", "not_yet_treated"),
    "base": ("varying", "universal"),
    "combine": ("efficient", "size"),
}
DEFAULTS = {"control": "never_treated", "anticipation": 0, "base": "varying", "combine": "efficient"}


def prepare(panel: Panel, options: Mapping[str, Any]) -> Panel | NotEstimable:
    """Leave out what has no period before, and name a kind of unit that is missing."""
    ahead = options["anticipation"]
    if not isinstance(ahead, int | np.integer) or isinstance(ahead, bool) or ahead < 0:
        raise OptionError(f"anticipation must be a whole number of periods, 0 or more, not {ahead!r}.")
    if panel.eligible is None:
        return NotEstimable(
            "the panel does not say which units are eligible", "Name the column of 0 and 1 in Panel.from_frame(eligible=...)."
        )
    kept = drop_treated_throughout(panel)
    if isinstance(kept, NotEstimable):
        return kept
    refusal = all_at_once(kept)
    if refusal:
        return refusal
    if options["control"] == "never_treated" and not (kept.cohort >= NEVER).any():
        return NotEstimable("every unit adopts within the window, so none is never treated", "Use control='not_yet_treated'.")
    return _missing_kind(kept) or kept


def _missing_kind(panel: Panel) -> NotEstimable | None:
    """The refusal that names a cohort without units of one kind, or None."""
    for cohort in np.unique(panel.cohort):
        kinds = _eligible(panel)[panel.cohort == cohort]
        for missing, words in ((kinds.all(), "not eligible"), (not kinds.any(), "eligible")):
            if missing:
                who = "that never starts" if cohort >= NEVER else f"that starts in {panel.periods[cohort]}"
                return NotEstimable(
                    f"no {panel.unit} {who} is {words}",
                    "Give the units of both kinds the start of their adopter, or leave that cohort out.",
                )
    return None


def _eligible(panel: Panel) -> np.ndarray:
    return np.zeros(len(panel.units), bool) if panel.eligible is None else panel.eligible


@dataclass(frozen=True, eq=False)
class Observed:
    """One outcome as means of changes need it.

    Attributes:
        panel: the panel of the outcome.
        weight: of each unit in all periods (N), so that a change is never one of weights.
        seen: whether a cell is observed (N × T).
        values: the outcome, 0 where it is missing (N × T).
    """

    panel: Panel
    weight: np.ndarray
    seen: np.ndarray
    values: np.ndarray


def observed(panel: Panel) -> Observed:
    """The outcome of a panel of one, each unit with the weight of its first observed cell."""
    given, seen = panel.weights[0], panel.weights[0] > 0
    return Observed(panel, given[np.arange(len(given)), seen.argmax(axis=1)], seen, np.nan_to_num(panel.values[0]))


@dataclass(frozen=True, eq=False)
class Part:
    """Weights of an effect on the changes of units, their scores, the units that enter it and those it compares with (N each).

    A unit may enter with the weight 0, as one with the mean dose does in a slope.
    """

    line: np.ndarray
    score: np.ndarray
    entered: np.ndarray
    compared: np.ndarray


@dataclass(frozen=True, eq=False)
class One:
    """An effect: group, region code (-1: all), time and base positions, the units that it is of (N), and its numbers."""

    group: int
    region: int
    time: int
    base: int
    members: np.ndarray
    part: Part


def collect(data: Observed, made: Sequence[One]) -> Effects:
    """Effects as arrays; those of a base period on itself are 0."""
    table = np.array([(one.group, one.region, one.time, one.base) for one in made], dtype=int).reshape(-1, 4).T
    group, region, time, base = table
    shape = (len(data.weight), len(made))
    lines, scores = np.zeros(shape), np.zeros(shape)
    members, entered, compared = (np.zeros(shape, bool) for _ in range(3))
    for k, one in enumerate(made):
        members[:, k] = one.members
        if one.time != one.base:
            lines[:, k], scores[:, k] = one.part.line, one.part.score
            entered[:, k], compared[:, k] = one.part.entered, one.part.compared
    return Effects(
        group=group,
        region=region,
        time=time,
        base=base,
        estimates=((data.values[:, time] - data.values[:, base]) * lines).sum(axis=0),
        scores=Dense(scores, lambda: Ends(lines, -lines, time, base, data.values.shape[1])),
        kind=np.arange(len(data.weight)),
        members=members,
        compared=compared,
        entered=entered,
        size=data.weight,
    )


def pieces(panel: Panel, found: Effects, aggregate: str, warnings: tuple[str, ...]) -> Pieces:
    """Effects aggregated by the weight of the units that they are of."""
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
        warnings=warnings,
    )


def parts(panel: Panel, group: int, by_region: bool) -> list[tuple[int, np.ndarray]]:
    """Region code and units (N) of a cohort: all of it with code -1, or each of its regions."""
    units = panel.cohort == group
    if not by_region or panel.region is None:
        return [(-1, units)]
    codes = panel.clusters[panel.region][0]
    return [(int(r), units & (codes == r)) for r in np.unique(codes[units])]


def _cells(panel: Panel, options: Mapping[str, Any]) -> Iterator[tuple[int, int, int]]:
    """Group, time and base of every effect that the design allows."""
    count, ahead, universal = len(panel.periods), int(options["anticipation"]), options["base"] == "universal"
    for group in (int(g) for g in np.unique(panel.cohort) if g < count):
        long_base = group - ahead - 1
        for time in range(0 if universal else 1, count) if long_base >= 0 else ():
            yield group, time, long_base if universal or time >= group else time - 1


def _gap(data: Observed, units: np.ndarray, time: int, base: int) -> Part | None:
    """The gap, eligible less others, of the changes of `units`; None where one kind is unseen."""
    line, score = np.zeros(len(units)), np.zeros(len(units))
    change = data.values[:, time] - data.values[:, base]
    both, eligible = units & data.seen[:, time] & data.seen[:, base], _eligible(data.panel)
    for kind, sense in ((eligible, 1.0), (~eligible, -1.0)):
        side = both & kind
        total = data.weight[side].sum()
        if not total > 0:
            return None
        line[side] = sense * data.weight[side] / total
        score[side] = line[side] * (change[side] - np.average(change[side], weights=data.weight[side]))
    return Part(line, score, both, both)


def _comparison(data: Observed, group: int, time: int, base: int, options: Mapping[str, Any]) -> Part | NotEstimable | None:
    """The gap without a reform: the average over the cohorts that compare; None where none of them is seen."""
    cohort = data.panel.cohort
    if options["control"] == "never_treated":
        return _gap(data, cohort >= NEVER, time, base)
    later = [int(c) for c in np.unique(cohort) if c > max(time, base) + int(options["anticipation"]) and c != group]
    gaps = [(c, gap) for c in later if (gap := _gap(data, cohort == c, time, base)) is not None]
    if len(gaps) < 2:
        return gaps[0][1] if gaps else None
    if options["combine"] == "size":
        share = np.array([data.weight[cohort == c].sum() for c, _ in gaps])
    else:
        noise = np.array([(gap.score**2).sum() for _, gap in gaps])
        flat = [c for (c, _), variance in zip(gaps, noise, strict=True) if variance <= _dust(data)]
        if flat:
            return _no_variance(data.panel, flat[0])
        share = 1.0 / noise
    share = share / share.sum()
    line = share @ np.array([gap.line for _, gap in gaps])
    entered = np.any([gap.entered for _, gap in gaps], axis=0)
    return Part(line, share @ np.array([gap.score for _, gap in gaps]), entered, entered)


def _dust(data: Observed) -> float:
    """What rounding alone can leave of a variance that is zero."""
    return float((np.abs(data.values).max() * np.finfo(float).eps * 100) ** 2)


def _no_variance(panel: Panel, cohort: int) -> NotEstimable:
    who = "that never starts" if cohort >= NEVER else f"that starts in {panel.periods[cohort]}"
    return NotEstimable(
        f"the cohort {who} does not vary within its two kinds, so it cannot be weighted by its variance",
        "Use combine='size', or control='never_treated'.",
    )


def effects(panel: Panel, options: Mapping[str, Any], by_region: bool = False) -> tuple[Effects, tuple[str, ...]] | NotEstimable:
    """Every triple difference of one outcome; those without all four groups observed are left out, with a notice."""
    data, without = observed(panel), 0
    made: list[One] = []
    for group, time, base in _cells(panel, options):
        untreated = (
            _comparison(data, group, time, base, options) if time != base else _gap(data, panel.cohort == group, time, base)
        )
        if isinstance(untreated, NotEstimable):
            return untreated
        for region, units in parts(panel, group, by_region):
            gap = _gap(data, units, time, base)
            if gap is None or untreated is None:
                without += 1
                continue
            entered = gap.entered | untreated.entered
            part = Part(gap.line - untreated.line, gap.score - untreated.score, entered, untreated.compared)
            made.append(One(group, region, time, base, units & _eligible(panel), part))
    notices = (f"{plural(without, 'effect')} without all four groups observed left out.",) if without else ()
    return collect(data, made), notices


def fit(panel: Panel, aggregate: str, options: Mapping[str, Any]) -> Pieces | NotEstimable:
    """Triple differences of one outcome, aggregated by the weight of the eligible units that start."""
    if aggregate == "region" and panel.region is None:
        return NotEstimable("the panel has no region", "Name the region's column in Panel.from_frame(region=...).")
    made = effects(panel, options, by_region=aggregate == "region")
    if isinstance(made, NotEstimable):
        return made
    found, notices = made
    if not (found.time >= found.group).any():
        return NotEstimable(
            "no period after the reform has eligible and other units of both adopters and comparison observed",
            "Widen the window, or add comparison units.",
        )
    return pieces(panel, found, aggregate, notices)


TRIPLE_DIFFERENCE = Estimator(
    prepare,
    fit,
    DEFAULTS,
    CHOICES,
    AGGREGATES,
    uses_eligible=True,
    title="Triple difference",
    assumes="Without the reform, the gap between those who can benefit and those who cannot would have moved alike everywhere.",
)
