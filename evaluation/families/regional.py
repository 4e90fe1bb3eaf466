"""Effects by region: random effects across them, each region's shrunken effect, and the places it could take.

No league table: regions stay in the order given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import inf, isfinite, nan
from typing import Any

import numpy as np
from scipy import stats

from evaluation import words
from evaluation.errors import NotEstimable, OptionError, PanelError, check_choice
from evaluation.families.heterogeneity import Shrunken, Turned, predict, q_root, reml, shrink
from evaluation.families.ranks import RankIntervals, rank_intervals
from evaluation.inference import Inference

METHODS = ("REML", "PM")
DIRECTIONS = ("higher_is_better", "lower_is_better", None)
SINGULAR = 1e-10  # smallest over largest eigenvalue of the correlations below which a covariance counts as singular


@dataclass(frozen=True)
class RandomEffects:
    """The mean effect over regions and how much regions differ beyond chance.

    Attributes:
        regions: K; effects combined.
        estimate: mean of the regions' true effects.
        std_error: its error with τ² taken as known.
        std_error_hartung_knapp: its error by Hartung and Knapp, behind `lower` and `upper`.
        df: K − 1.
        p_value: two-sided, Hartung and Knapp.
        lower: lower end of the interval for the mean.
        upper: upper end.
        tau2: variance of the true effects.
        tau2_lower: lower end of its interval (Q-profile).
        tau2_upper: upper end.
        prediction_lower: lower end for the true effect of another region like these; NaN with two regions.
        prediction_upper: upper end.
        q: Cochran's Q.
        q_p_value: of χ²(K − 1), for no difference between regions.
        i2: share of the variation between estimates that is not chance, 0 to 1.
        method: REML or PM (Paule, Mandel).
        level: of all intervals.
        reading: what it says, in plain words.
    """

    regions: int
    estimate: float
    std_error: float
    std_error_hartung_knapp: float
    df: float
    p_value: float
    lower: float
    upper: float
    tau2: float
    tau2_lower: float
    tau2_upper: float
    prediction_lower: float
    prediction_upper: float
    q: float
    q_p_value: float
    i2: float
    method: str
    level: float
    reading: str

    @property
    def estimable(self) -> bool:
        """Always True; `NotEstimable` has False."""
        return True

    def to_dict(self) -> dict[str, Any]:
        """Every field as plain JSON."""
        found: dict[str, Any] = words.plain(self.__dict__)
        return found


@dataclass(frozen=True)
class Region:
    """One region: its own effect, the shrunken one, and the places it could take.

    Attributes:
        label: its name.
        estimate: its own effect.
        std_error: its standard error.
        df: degrees of freedom.
        lower: lower end of its own interval.
        upper: upper end.
        shrunken: the effect with the other regions taken into account; NaN with two regions.
        shrunken_lower: lower end.
        shrunken_upper: upper end.
        pull: share of the way from its own estimate to the mean (0: own, 1: mean).
        rank_lower: best place that it could take (1: best, or largest where neither way is better).
        rank_upper: worst place.
        note: why there is no effect, or nothing.
    """

    label: str
    estimate: float
    std_error: float
    df: float
    lower: float = nan
    upper: float = nan
    shrunken: float = nan
    shrunken_lower: float = nan
    shrunken_upper: float = nan
    pull: float = nan
    rank_lower: int | None = None
    rank_upper: int | None = None
    note: str = ""


@dataclass(frozen=True)
class RegionalEffects:
    """All regions, in the order given.

    Attributes:
        regions: one a region.
        overall: the random effects, or why there are none.
        pairs: labels of regions that can be told apart, the better (or larger, where neither way is better) first.
        level: of all intervals.
        direction: which way is better, or None.
        unit: words for the unit.
        reading: what it says, in plain words.
    """

    regions: tuple[Region, ...]
    overall: RandomEffects | NotEstimable
    pairs: tuple[tuple[str, str], ...]
    level: float
    direction: str | None
    unit: str
    reading: str

    @property
    def estimable(self) -> bool:
        """Always True; `NotEstimable` has False."""
        return True

    def to_dict(self) -> dict[str, Any]:
        """Every field as plain JSON."""
        out: dict[str, Any] = words.plain({field.name: getattr(self, field.name) for field in fields(self)})
        out["regions"] = [words.plain(region.__dict__) for region in self.regions]
        out["overall"] = self.overall.to_dict()
        return out


def random_effects(
    estimates: Sequence[float] | np.ndarray,
    std_errors: Sequence[float] | np.ndarray | None = None,
    *,
    covariance: np.ndarray | None = None,
    method: str = "REML",
    truncate: bool = True,
    level: float = 0.95,
    unit: str = "",
) -> RandomEffects | NotEstimable:
    """Combine K ≥ 2 effects that may differ between regions.

    Args:
        estimates: K, finite.
        std_errors: K, above 0; not needed with `covariance`.
        covariance: K × K, where the estimates depend on each other (a shared comparison group); else they are independent.
        method: REML (Viechtbauer 2005), or PM: τ² at which the generalised Q is K − 1 (Paule, Mandel 1982).
        truncate: the error of Hartung and Knapp is never below the one with τ² known (Röver, Knapp, Friede 2015).
        level: of all intervals.
        unit: words for the unit.

    Returns:
        `RandomEffects`, or `NotEstimable` with fewer than two regions or a covariance that is singular.

    Raises:
        OptionError: an unknown method, a level out of range.
        PanelError: shapes that do not fit, values that are not finite, errors of 0 or less.
    """
    check_choice("method", method, METHODS)
    words.check_share("level", level, "Use 0.95 for a 95% interval.")
    values = np.asarray(estimates, float)
    spread = _covariance(values, std_errors, covariance)
    count = len(values)
    if count < 2:
        return NotEstimable("fewer than two regions have an effect with an error", "Add regions.")
    if isinstance(spread, NotEstimable):
        return spread
    turned = Turned.of(values, spread)
    tau2 = reml(turned) if method == "REML" else q_root(turned, count - 1)
    at, zero = turned.at(np.array([tau2])), turned.at(np.array([0.0]))
    mean, error = float(at.mean[0]), float(1 / np.sqrt(at.information[0]))
    factor = float(at.q[0]) / (count - 1)
    knapp = error * float(np.sqrt(max(factor, 1.0) if truncate else factor))
    quantile = float(stats.t.isf((1 - level) / 2, count - 1))
    tail = (1 - level) / 2
    low2, high2 = (q_root(turned, float(stats.chi2.ppf(share, count - 1))) for share in (1 - tail, tail))
    another = predict(turned, level) if count > 2 else (nan, nan)
    lost = float((zero.weight**2 * turned.x**2).sum() / zero.information[0])
    typical = (count - 1) / (float(zero.weight.sum()) - lost)
    q = float(zero.q[0])
    p_value = float(2 * stats.t.sf(abs(mean) / knapp, count - 1)) if knapp > 0 else nan
    lower, upper = mean - quantile * knapp, mean + quantile * knapp
    numbers = (tau2, low2, high2, *another, q, float(stats.chi2.sf(q, count - 1)), tau2 / (tau2 + typical))
    reading = _overall_reading(count, mean, lower, upper, *another, low2, level, unit)
    return RandomEffects(
        count, mean, error, knapp, float(count - 1), p_value, lower, upper, *numbers, method=method, level=level, reading=reading
    )


def _covariance(
    values: np.ndarray, std_errors: Sequence[float] | np.ndarray | None, covariance: np.ndarray | None
) -> np.ndarray | NotEstimable:
    count = len(values)
    if covariance is None:
        if std_errors is None:
            raise PanelError("Give std_errors or a covariance.")
        errors = np.asarray(std_errors, float)
        if errors.shape != (count,):
            raise PanelError(f"There are {count} estimates and {errors.size} errors. Give one error each.")
        covariance = np.diag(errors**2)
    spread = np.asarray(covariance, float)
    if values.ndim != 1 or spread.shape != (count, count):
        raise PanelError(f"The covariance of {count} estimates must be {count} × {count}, not {spread.shape}.")
    if not (np.isfinite(values).all() and np.isfinite(spread).all()):
        raise PanelError("Estimates and errors must be finite. Leave regions without an effect or an error out.")
    if (np.diag(spread) <= 0).any() or not np.allclose(spread, spread.T, rtol=1e-9, atol=0):
        raise PanelError("A covariance must be symmetric with variances above 0. Check the errors.")
    error = np.sqrt(np.diag(spread))
    sizes = np.linalg.eigvalsh(spread / np.outer(error, error))
    if count and sizes[0] < SINGULAR * sizes[-1]:
        return NotEstimable(
            "the regions' effects do not vary apart from each other: their covariance is singular",
            "Take errors by a column with more groups.",
        )
    return (spread + spread.T) / 2


def _overall_reading(
    count: int, mean: float, lower: float, upper: float, low: float, high: float, low2: float, level: float, unit: str
) -> str:
    size = words.with_unit(words.number(mean, words.places((upper - lower) / 2)), unit)
    text = f"The mean effect over {count} regions is {size} ({words.percent(level)} interval {words.span(lower, upper)})."
    text += " Regions differ by more than chance." if low2 > 0 else " No difference between regions beyond chance was shown."
    if isfinite(low):
        text += f" In another region like these an effect of {words.with_unit(words.span(low, high), unit)} is to be expected."
    return text


def regional_effects(
    labels: Sequence[str],
    estimates: Sequence[float] | np.ndarray,
    std_errors: Sequence[float] | np.ndarray,
    df: Sequence[float] | np.ndarray | float = inf,
    *,
    covariance: np.ndarray | None = None,
    direction: str | None = None,
    unit: str = "",
    level: float = 0.95,
    draws: int = 9999,
    seed: int = 1,
) -> RegionalEffects | NotEstimable:
    """Each region's effect with its interval, random effects, shrunken effects and intervals for ranks, in the order given.

    Shrunken effects and ranks take each error widened to its own t-quantile, so that with an infinite df they are the plain ones
    and with few df they know it; the random effects take the errors as they are.

    Args:
        labels: K names, each once.
        estimates: K; NaN where a region has none.
        std_errors: K; NaN where a region has none.
        df: K, or one for all.
        covariance: K × K, where regions share comparison units; its diagonal must be the squares of the errors.
        direction: `higher_is_better`, `lower_is_better` or None: place 1 is the best, or the largest effect with None.
        unit: words for the unit.
        level: of all intervals; those for ranks hold for all regions at once.
        draws: for the ranks.
        seed: of the draws.

    Returns:
        `RegionalEffects`; regions without an effect or an error stay in it with a note. `NotEstimable` where no region has both.

    Raises:
        OptionError: an unknown direction, a level or a number of draws out of range.
        PanelError: shapes that do not fit, labels twice, errors of 0 or less.
    """
    check_choice("direction", direction, DIRECTIONS)
    words.check_share("level", level, "Use 0.95 for a 95% interval.")
    if draws < 99:
        raise OptionError(f"draws must be 99 or more, not {draws!r}.")
    names, values, errors, freedom = _aligned(labels, estimates, std_errors, df)
    spread = np.diag(errors**2) if covariance is None else np.asarray(covariance, float)
    known = np.isfinite(values) & np.isfinite(errors) & ~np.isnan(freedom)
    if not known.any():
        return NotEstimable(
            "no region has an effect with an error", "Take errors by the unit: a region alone has none by region."
        )
    if spread.shape != (len(names), len(names)) or not np.allclose(np.diag(spread)[known], errors[known] ** 2, rtol=1e-6):
        raise PanelError("The covariance must be K × K, with the squares of the errors on its diagonal.")
    block = spread[np.ix_(known, known)]
    overall = random_effects(values[known], covariance=block, level=level, unit=unit)
    quantile = stats.t.isf((1 - level) / 2, freedom[known])
    wider = quantile / stats.norm.isf((1 - level) / 2)
    widened = block * np.outer(wider, wider)
    shrunken = shrink(values[known], widened, level) if known.sum() > 2 and isinstance(overall, RandomEffects) else None
    sign = -1.0 if direction == "lower_is_better" else 1.0
    ranks = rank_intervals(sign * values[known], block, float(freedom[known].min()), level=level, draws=draws, seed=seed)
    regions = _regions(names, values, errors, freedom, known, quantile, shrunken, ranks)
    kept = [name for name, one in zip(names, known, strict=True) if one]
    pairs = tuple((kept[i], kept[j]) for i, j in zip(*np.nonzero(ranks.above), strict=True))
    reading = _reading(regions, overall, pairs, kept, direction)
    return RegionalEffects(regions, overall, pairs, level, direction, unit, reading)


def regional_effects_of(found: Inference, **options: Any) -> RegionalEffects | NotEstimable:
    """`regional_effects` of the inference of a result with `aggregate="region"` and one outcome.

    The row over all regions (of kind "average") is left out; the covariance is the inference's own.

    Raises:
        PanelError: the rows are not one a region, or are of several outcomes.
    """
    labels = found.labels
    own = ~labels["kind"].isin(["average", "overall"]).to_numpy(bool)
    columns = [name for name in labels.columns if name not in ("outcome", "kind")]
    if len(columns) != 1 or labels["outcome"].nunique() != 1 or labels.loc[own, columns[0]].duplicated().any():
        raise PanelError("regional_effects_of takes one outcome's effects by region. Use aggregate='region' and one outcome.")
    covariance = np.asarray(found.covariance)[np.ix_(own, own)]
    names = [str(name) for name in labels.loc[own, columns[0]]]
    return regional_effects(
        names, found.estimates[own], found.std_error[own], np.asarray(found.df, float)[own], covariance=covariance, **options
    )


def _aligned(
    labels: Sequence[str],
    estimates: Sequence[float] | np.ndarray,
    std_errors: Sequence[float] | np.ndarray,
    df: Sequence[float] | np.ndarray | float,
) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
    names, values, errors = [str(name) for name in labels], np.asarray(estimates, float), np.asarray(std_errors, float)
    given = np.asarray(df, float)
    freedom = np.full(len(names), given) if given.ndim == 0 else given
    if not values.shape == errors.shape == freedom.shape == (len(names),):
        raise PanelError(f"Give one estimate, error and df for each of the {len(names)} labels.")
    if len(set(names)) < len(names):
        raise PanelError("Each region may come once only. Check the labels.")
    if (errors <= 0).any() or (freedom <= 0).any():
        raise PanelError("Errors and degrees of freedom must be above 0. Use NaN where there are none.")
    return names, values, errors, freedom


def _regions(
    names: list[str],
    values: np.ndarray,
    errors: np.ndarray,
    freedom: np.ndarray,
    known: np.ndarray,
    quantile: np.ndarray,
    shrunken: Shrunken | None,
    ranks: RankIntervals,
) -> tuple[Region, ...]:
    out, at = [], 0
    for name, value, error, one_df, has in zip(names, values, errors, freedom, known, strict=True):
        basis = (name, float(value), float(error), float(one_df))
        if not has:
            out.append(Region(*basis, note="no effect or no error: not combined with the others"))
            continue
        half = float(quantile[at] * error)
        pulled = (nan, nan, nan, nan)
        if shrunken is not None:
            parts = (shrunken.estimates, shrunken.lower, shrunken.upper, shrunken.pull)
            pulled = tuple(float(part[at]) for part in parts)  # type: ignore[assignment]
        places = (int(ranks.lower[at]), int(ranks.upper[at]))
        out.append(Region(*basis, float(value) - half, float(value) + half, *pulled, *places))
        at += 1
    return tuple(out)


def _reading(
    regions: tuple[Region, ...],
    overall: RandomEffects | NotEstimable,
    pairs: tuple[tuple[str, str], ...],
    kept: list[str],
    direction: str | None,
) -> str:
    first = overall.reading if isinstance(overall, RandomEffects) else f"No mean over regions: {overall.reason}."
    count = len(kept)
    compared = count * (count - 1) // 2
    if not compared:
        order = "One region cannot be compared."
    elif not pairs:
        order = "No two regions can be told apart: each could take any place."
    else:
        better = "larger than" if direction is None else "better than"
        order = f"{len(pairs)} of {compared} pairs of regions can be told apart: "
        order += ", ".join(f"{a} {better} {b}" for a, b in pairs) + "."
    missing = [region.label for region in regions if region.note]
    left = f" Without an effect or an error: {', '.join(missing)}." if missing else ""
    return f"{first} {order}{left} The order of the regions is not a ranking."
