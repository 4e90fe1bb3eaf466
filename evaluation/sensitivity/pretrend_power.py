"""What a test of trends before the reform can miss (Roth 2022): slopes it finds with a given power, and the bias they bring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import optimize, special

from evaluation.errors import NotEstimable, OptionError
from evaluation.result import Result
from evaluation.sensitivity.study import Study, as_study, check_level, said, study_of

POINTS = 8191  # of the lattice; probabilities are right to 1e-5 on four periods and 3e-4 on eight
FIRST = (1, 3457, 2970, 3625, 3811, 1386, 2174, 3577, 2810, 2113, 1976, 1145, 4019)
# rank-1 lattice: component by component the smallest worst-case error for smooth functions (weights 0.8 to the power j)
GENERATOR = (*FIRST, 3754, 1245, 2712, 1943, 711, 1441, 2318, 2356, 34, 3928, 2960, 3889)


@dataclass(frozen=True)
class MissedTrend:
    """A straight difference in trends, what the test makes of it, and what it does to the estimate.

    Attributes:
        power: probability that some period before is significant under this trend.
        slope: a period, in units of the outcome; a falling trend of this size is the mirror image.
        bias: of the effect asked about, under this trend.
        bias_after_passing: the same, given that no period before is significant.
        before_after_passing: mean of the estimates before, given that (pre).
        after_after_passing: mean of the estimates after without any effect, given that (post).
        bayes_factor: probability of passing under this trend ÷ probability under parallel trends.
        likelihood_ratio: density of the estimates before under this trend ÷ under parallel trends.
        likelihood_ratio_falling: the same for the falling trend of this size.
    """

    power: float
    slope: float
    bias: float
    bias_after_passing: float
    before_after_passing: tuple[float, ...]
    after_after_passing: tuple[float, ...]
    bayes_factor: float
    likelihood_ratio: float
    likelihood_ratio_falling: float

    def to_dict(self) -> dict[str, Any]:
        """Every field as plain JSON."""
        lists = {name: list(value) for name, value in self.__dict__.items() if isinstance(value, tuple)}
        return {**self.__dict__, **lists}


@dataclass(frozen=True)
class PretrendPower:
    """Power of the usual test, which asks whether any period before is significant on its own.

    Attributes:
        estimate: the effect asked about, in units of the outcome.
        std_error: its standard error.
        critical: normal critical value of each period's test.
        false_alarm: probability that some period is significant under parallel trends.
        significant: whether some period is.
        trends: one a power asked for.
        cluster: the column clustered by ("" from arrays).
        clusters: how many (0 from arrays).
        before: event times tested (() from arrays).
        notes: what was not used.
        reading: what it says, in plain words.
    """

    estimate: float
    std_error: float
    critical: float
    false_alarm: float
    significant: bool
    trends: tuple[MissedTrend, ...]
    cluster: str
    clusters: int
    before: tuple[int, ...]
    notes: tuple[str, ...]
    reading: str

    @property
    def estimable(self) -> bool:
        """Always True; `NotEstimable` has False."""
        return True

    def to_dict(self) -> dict[str, Any]:
        """Every field as plain JSON."""
        plain = {**self.__dict__, "trends": [trend.to_dict() for trend in self.trends]}
        return {**plain, "before": list(self.before), "notes": list(self.notes)}


def pretrend_power(
    estimates: Any,
    covariance: Any,
    pre: int,
    post: int,
    contrast: Any = None,
    powers: Sequence[float] = (0.5, 0.8),
    level: float = 0.95,
) -> PretrendPower | NotEstimable:
    """Slopes that the usual test finds with given power, and what they do to the effect; as R's `pretrends`.

    Roth (2022); probabilities and means by the separation of variables of Genz (1992) on a fixed lattice.

    Args:
        estimates: before, oldest first, then after, without the reference period (pre + post), in units of the outcome.
        covariance: of them, (pre + post) × (pre + post).
        pre: number of periods before, 2 or more.
        post: number of periods after.
        contrast: weights of the effect on those after (post); default their mean.
        powers: each between 0 and 1.
        level: one less the level of each period's test.

    Returns:
        `PretrendPower`, or `NotEstimable` with too few periods before or a singular covariance.

    Raises:
        PanelError: shapes that do not fit.
        OptionError: powers or level out of range.
    """
    wanted = np.full(post, 1 / post) if contrast is None and post > 0 else contrast
    study = as_study(estimates, covariance, pre, post, wanted)
    return study if isinstance(study, NotEstimable) else _power(study, powers, level)


def missed_trend(
    result: Result | NotEstimable,
    cluster: str | None = None,
    row: str = "average",
    powers: Sequence[float] = (0.5, 0.8),
    level: float = 0.95,
    before: int | None = None,
    after: int | None = None,
    inference: str = "clustered",
    **options: Any,
) -> PretrendPower | NotEstimable:
    """`pretrend_power` of a result; arguments, periods used and refusals as in `bounds`."""
    if isinstance(result, NotEstimable):
        return result
    study = study_of(result, row, cluster, inference, options, before, after)
    if isinstance(study, NotEstimable):
        return NotEstimable(study.reason, study.remedy, result.estimator, result.aggregate)
    return _power(study, powers, level)


def trend_under(study: Study, slope: float, critical: float) -> MissedTrend:
    """What the test makes of one slope, and what the slope does to the effect."""
    pre = study.pre
    trend = slope * np.concatenate([np.arange(-pre, 0), np.arange(1, len(study.contrast) + 1)])
    early, cross = study.covariance[:pre, :pre], study.covariance[pre:, :pre]
    passing, mean = inside_box(trend[:pre], early, critical)
    parallel = _passing(np.zeros(pre), early, critical)
    later = trend[pre:] + cross @ np.linalg.solve(early, mean - trend[:pre])
    towards = float(trend[:pre] @ np.linalg.solve(early, study.estimates[:pre]))
    size = float(trend[:pre] @ np.linalg.solve(early, trend[:pre])) / 2
    return MissedTrend(
        power=1 - passing,
        slope=slope,
        bias=float(study.contrast @ trend[pre:]),
        bias_after_passing=float(study.contrast @ later),
        before_after_passing=tuple(mean.tolist()),
        after_after_passing=tuple(later.tolist()),
        bayes_factor=passing / parallel,
        likelihood_ratio=float(np.exp(towards - size)),
        likelihood_ratio_falling=float(np.exp(-towards - size)),
    )


def inside_box(mean: np.ndarray, covariance: np.ndarray, critical: float) -> tuple[float, np.ndarray]:
    """Probability that no element of N(mean, covariance) is significant, and its mean given that.

    Genz (1992): one coordinate after another is drawn inside its limits given those before, on a lattice (so no seed is needed);
    the product of the chances to be inside is the weight of a draw.
    """
    error = np.sqrt(np.diag(covariance))
    root = np.linalg.cholesky(covariance / np.outer(error, error))
    weight, draws = _weighed(mean / error, root, critical, len(mean))
    inside = mean / error + root @ (draws @ weight) / weight.sum()
    return float(weight.mean()), error * inside


def _passing(mean: np.ndarray, covariance: np.ndarray, critical: float) -> float:
    """The probability of `inside_box` alone."""
    error = np.sqrt(np.diag(covariance))
    root = np.linalg.cholesky(covariance / np.outer(error, error))
    return float(_weighed(mean / error, root, critical, len(mean) - 1)[0].mean())


def _weighed(shift: np.ndarray, root: np.ndarray, critical: float, wanted: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the lattice's draws, and the first coordinates that are wanted of them (wanted × POINTS)."""
    draws, weight = np.zeros((wanted, POINTS)), np.ones(POINTS)
    for j, uniform in enumerate(_lattice(len(shift))):
        given = shift[j] + root[j, :j] @ draws[:j]
        low, high = special.ndtr((-critical - given) / root[j, j]), special.ndtr((critical - given) / root[j, j])
        weight *= high - low
        if j < wanted:
            draws[j] = special.ndtri(np.clip(low + uniform * (high - low), 1e-300, 1 - 1e-16))
    return weight, draws


@lru_cache(maxsize=4)
def _lattice(count: int) -> np.ndarray:
    """Points of the lattice, folded, count × POINTS."""
    places = np.outer(GENERATOR[:count], np.arange(POINTS) + 0.5) / POINTS
    return np.abs(2 * (places % 1) - 1)


def _power(study: Study, powers: Sequence[float], level: float) -> PretrendPower | NotEstimable:
    critical = float(special.ndtri((1 + check_level(level)) / 2))
    if not powers or not all(0 < power < 1 for power in powers):
        raise OptionError(f"powers must each lie between 0 and 1, not {list(powers)!r}. Use 0.5 and 0.8.")
    if study.pre > len(GENERATOR):
        return NotEstimable(f"{study.pre} periods before are more than can be integrated over", f"Use before={len(GENERATOR)}.")
    early = study.covariance[: study.pre, : study.pre]
    alarm = 1 - _passing(np.zeros(study.pre), early, critical)
    trends = tuple(trend_under(study, _slope(study, power, critical, alarm), critical) for power in powers)
    significant = bool((np.abs(study.estimates[: study.pre]) > critical * np.sqrt(np.diag(early))).any())
    return PretrendPower(
        estimate=study.estimate,
        std_error=study.std_error,
        critical=critical,
        false_alarm=alarm,
        significant=significant,
        trends=trends,
        cluster=study.cluster,
        clusters=study.clusters,
        before=study.times[: study.pre],
        notes=study.notes,
        reading=_reading(study, dict(zip(powers, trends, strict=True)), significant),
    )


def _slope(study: Study, power: float, critical: float, alarm: float) -> float:
    """The slope found with that power; 0 where the test alarms as often without any trend."""
    if alarm >= power:
        return 0.0
    pre = study.pre
    steps, early = np.arange(-pre, 0), study.covariance[:pre, :pre]
    # one period alone would find this slope with the power asked for, so all together find a smaller one
    most = float(((critical + special.ndtri(power)) * np.sqrt(np.diag(early)) / -steps).min())

    def gap(slope: float) -> float:
        return 1 - _passing(slope * steps, early, critical) - power

    top = max(most, 0.0)
    while gap(top) < 0:
        top = 1.1 * top + 1e-3 * float(np.sqrt(early[-1, -1]))
    return float(optimize.brentq(gap, 0.0, top, xtol=1e-7 * top))


def _reading(study: Study, trends: Mapping[float, MissedTrend], significant: bool) -> str:
    power, worst = max(trends.items())
    found = (
        "At least one period before the reform differs from the last before it."
        if significant
        else "No period before the reform differs from the last before it: that is by itself no reason to believe."
    )
    moved, end = "the estimate", f"the estimate is {said(study.estimate)}"
    if len(study.meant) > 1:
        alike = np.ptp(study.contrast[study.contrast != 0]) == 0
        moved = "the average of the event study" + (", in which every period since the start counts alike," if alike else "")
        end = f"that average is {said(study.estimate)}, and need not equal the effect as a whole"
    elif study.meant:
        moved = "the effect in one period"
        end = f"that effect is {said(study.estimate)}"
    missed = f"A difference in trends of {said(worst.slope)} a period would be noticed {100 * power:g}% of the time."
    moves = f"By itself it moves {moved} by {said(worst.bias)}, and by {said(worst.bias_after_passing)} where it went unnoticed"
    return f"{found} {missed} {moves}; {end}."
