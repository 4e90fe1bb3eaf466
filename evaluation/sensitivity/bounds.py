"""`bounds`: how far the finding depends on parallel trends, from a result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from scipy import special

from evaluation.errors import NotEstimable
from evaluation.result import Result
from evaluation.sensitivity.breakdown import Breakdown
from evaluation.sensitivity.relative_magnitudes import relative_bounds, relative_breakdown
from evaluation.sensitivity.smoothness import smooth_bounds, smooth_breakdown
from evaluation.sensitivity.study import Bound, Study, check_level, check_values, said, study_of

SHARES = (0.0, 0.25, 0.5, 1.0)  # default M, in standard errors of the effect
LIMIT = 10.0  # breakdown is searched up to this Mbar, and up to as many standard errors of M
MANY = 20  # clusters from which the normal critical values are not warned about
MANY_FOR_WEIGHTS = 40  # the same for intervals whose weights are chosen from the covariance


@dataclass(frozen=True)
class Bounds:
    """What is left of an effect when trends are not quite parallel.

    Attributes:
        row: average or first.
        event_times: those that the effect is an average over.
        before: event times that show how trends moved apart before.
        after: event times after, those that only carry the trend on included.
        estimate: the effect, in units of the outcome.
        std_error: its standard error.
        level: of confidence.
        original: the usual interval with normal critical values, right if trends are parallel: (lower, upper).
        relative_magnitudes: sets by Mbar.
        breakdown: the largest Mbar at which the set leaves out zero.
        smoothness: intervals by M.
        smoothness_breakdown: the largest M at which the interval leaves out zero.
        cluster: the column clustered by.
        clusters: how many.
        notes: what was not used, and what a reader must know.
        reading: what it says, in plain words.
    """

    row: str
    event_times: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    estimate: float
    std_error: float
    level: float
    original: tuple[float, float]
    relative_magnitudes: tuple[Bound, ...]
    breakdown: Breakdown
    smoothness: tuple[Bound, ...]
    smoothness_breakdown: Breakdown
    cluster: str
    clusters: int
    notes: tuple[str, ...]
    reading: str

    @property
    def estimable(self) -> bool:
        """Always True; `NotEstimable` has False."""
        return True

    def frame(self) -> pd.DataFrame:
        """One row a set: restriction, value, lower, upper, whole; the first is the usual interval ("none")."""
        first = Bound("none", 0.0, *self.original)
        return pd.DataFrame([one.to_dict() for one in (first, *self.relative_magnitudes, *self.smoothness)])

    def to_dict(self) -> dict[str, Any]:
        """Every field as plain JSON."""
        plain: dict[str, Any] = {}
        for name, value in self.__dict__.items():
            if isinstance(value, Breakdown):
                plain[name] = value.to_dict()
            elif isinstance(value, tuple):
                plain[name] = [one.to_dict() if isinstance(one, Bound) else one for one in value]
            else:
                plain[name] = value
        return plain


def bounds(
    result: Result | NotEstimable,
    cluster: str | None = None,
    row: str = "average",
    values: Sequence[float] = (0.5, 1.0, 1.5, 2.0),
    smoothness: Sequence[float] | None = None,
    level: float = 0.95,
    before: int | None = None,
    after: int | None = None,
    inference: str = "clustered",
    **options: Any,
) -> Bounds | NotEstimable:
    """Bounds of an effect that hold when trends are not parallel, and how far they may part before the finding goes.

    Rambachan, Roth (2023): see `relative_magnitudes` and `smoothness`. The period compared with is the last before the reform
    and its anticipation. Periods of anticipation are neither evidence on trends nor part of the effect; the trend runs on
    through them. Only event times without a gap around the reform are used.

    Args:
        result: an `event_time` result of one outcome with a reference row; a `NotEstimable` is handed back.
        cluster: column to cluster by; default the panel's own.
        row: "average" of the effects from event time 0 on, or the "first" (event time 0).
        values: of Mbar, 0 or more.
        smoothness: values of M, in units of the outcome a period; default 0, 0.25, 0.5 and 1 standard error of the effect.
        level: of confidence.
        before: use at most so many periods before (2 or more); default all.
        after: use event times below this (1 or more); the average is then over these; default all.
        inference: a method of `INFERENCES` that gives a covariance.
        options: its own.

    Returns:
        `Bounds`, or `NotEstimable`: effects not against one period, fewer than two before it, a singular covariance (as with more
        effects than clusters).

    Raises:
        OptionError: another aggregate, several outcomes, or an option out of range.
    """
    if isinstance(result, NotEstimable):
        return result
    check_level(level)
    multiples, given = check_values(values), None if smoothness is None else check_values(smoothness)
    study = study_of(result, row, cluster, inference, options, before, after)
    if isinstance(study, NotEstimable):
        return NotEstimable(study.reason, study.remedy, result.estimator, result.aggregate)
    error = study.std_error
    half = float(special.ndtri((1 + level) / 2)) * error
    relative, smooth = relative_breakdown(study, level, LIMIT), smooth_breakdown(study, level, LIMIT * error)
    most = check_values([share * error for share in SHARES]) if given is None else given
    sets = relative_bounds(study, multiples, level)
    notes = (*study.notes, *_gaps(sets), *_few(study))
    return Bounds(
        row=row,
        event_times=study.meant,
        before=study.times[: study.pre],
        after=study.times[study.pre :],
        estimate=study.estimate,
        std_error=error,
        level=level,
        original=(study.estimate - half, study.estimate + half),
        relative_magnitudes=sets,
        breakdown=relative,
        smoothness=smooth_bounds(study, most, level),
        smoothness_breakdown=smooth,
        cluster=study.cluster,
        clusters=study.clusters,
        notes=notes,
        reading=" ".join([_reading(level, relative, smooth), *_few(study)]),
    )


def _gaps(sets: tuple[Bound, ...]) -> tuple[str, ...]:
    gaps = [f"{one.value:g}" for one in sets if not one.whole]
    if not gaps:
        return ()
    return (f"At Mbar {', '.join(gaps)} the set has a gap: the ends shown are the outermost.",)


def _few(study: Study) -> tuple[str, ...]:
    """What few clusters do: METHODS.md has the coverage that was measured."""
    who = f"With {study.clusters} clusters by {study.cluster}"
    out = []
    if study.clusters < MANY:
        out.append(f"{who} the bounds may be too narrow: their critical values hold for many clusters.")
    if study.clusters < MANY_FOR_WEIGHTS:
        out.append(f"{who} do not rely on the intervals under smoothness: their weights need a covariance from more clusters.")
    return tuple(out)


def _reading(level: float, relative: Breakdown, smooth: Breakdown) -> str:
    """Two sentences, one a restriction."""
    sure = f"{100 * level:g}%"
    if relative.beyond:
        first = (
            f"The effect stays clear of zero even if trends break after the start by {relative.limit:g} times the largest break "
            "before it."
        )
    elif relative.value > 0:
        first = (
            "The effect stays clear of zero as long as trends break after the start by no more than "
            f"{relative.value:.2f} times the largest break before it."
        )
    else:
        first = f"The {sure} interval holds zero even if trends are parallel."
    if smooth.beyond:
        second = (
            "With the trend before carried on, it stays clear of zero even if the slope changes by "
            f"{said(smooth.limit)} a period."
        )
    elif smooth.value > 0:
        second = (
            "With the trend before carried on, it stays clear of zero as long as the slope changes by no more than "
            f"{said(smooth.value)} a period."
        )
    else:
        second = f"With the trend before carried on in a straight line, the {sure} interval holds zero."
    return f"{first} {second}"
