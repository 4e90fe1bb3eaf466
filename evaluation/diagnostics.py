"""What speaks for and against believing an estimate, each as a row with its number and plain reading; see METHODS.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from evaluation.errors import NotEstimable, OptionError
from evaluation.inference import Inference
from evaluation.result import Result
from evaluation.words import probability

SINGULAR = 1e-10  # smallest over largest eigenvalue of the correlations below which a covariance counts as singular
PERIODS_PER_DF = 2.0  # degrees of freedom for each period of a joint test whose errors rest on few clusters
CAUTION = "A passed test is not by itself a reason to believe."


@dataclass(frozen=True)
class PretrendTest:
    """Joint test that all effects before the reform are zero.

    Attributes:
        statistic: Wald statistic divided by df1.
        df1: number of periods tested.
        df2: clusters less one; with errors that have their own degrees of freedom (CR2), the fewest of any effect tested.
        p_value: of F(df1, df2).
        p_value_hotelling: by Hotelling's rule for few clusters: statistic × (df2 + 1 − df1) ÷ df2 against F(df1, df2 + 1 − df1).
        cluster: the column clustered by.
        periods: event times tested.
        left_out: event times before the reform that are not tested: they have no error of their own, or there are more periods
            than so few clusters can test together (the last before the reform are tested).
        reading: what it says, in plain words.
    """

    statistic: float
    df1: int
    df2: float
    p_value: float
    p_value_hotelling: float
    cluster: str
    periods: tuple[int, ...]
    left_out: tuple[int, ...]
    reading: str

    def to_dict(self) -> dict[str, Any]:
        """Every field as plain JSON."""
        return {**self.__dict__, "periods": list(self.periods), "left_out": list(self.left_out)}


@dataclass(frozen=True)
class DetectableEffect:
    """Smallest effect that the design finds with a given power.

    Attributes:
        value: in units of the outcome, 0 or more.
        power: probability of finding an effect of that size.
        alpha: level of the two-sided test.
        cluster: the column clustered by.
        df: degrees of freedom of the t-distribution.
        method: how it was had.
    """

    value: float
    power: float
    alpha: float
    cluster: str
    df: float
    method: str

    def to_dict(self) -> dict[str, Any]:
        """Every field as plain JSON."""
        return dict(self.__dict__)


def pretrend_test(
    result: Result | NotEstimable, cluster: str | None = None, inference: str = "clustered"
) -> PretrendTest | NotEstimable:
    """Test jointly that the effects before the reform (rows of kind "pre") are zero.

    Args:
        result: an `event_time` result of one outcome; a `NotEstimable` is handed back.
        cluster: column to cluster by; default the panel's own.
        inference: a method of `INFERENCES` that gives a covariance.

    Returns:
        The test, or `NotEstimable` where no such row exists, the clusters are too few or the covariance is singular.

    Raises:
        OptionError: the result is of another aggregate, or of several outcomes.
    """
    if isinstance(result, NotEstimable):
        return result
    _check_one_outcome(result, "pretrend_test")
    if result.aggregate != "event_time":
        raise OptionError(f"pretrend_test needs aggregate='event_time', not {result.aggregate!r}. Estimate it so.")
    found = result.inference(inference, cluster=cluster)
    before = _before(result)
    if not len(before):
        return NotEstimable(
            "there is no period before the reform to test, beside the one compared with", "Use a window that begins earlier."
        )
    usable = before[np.isfinite(found.std_error[before])]
    if not len(usable):
        return NotEstimable(
            f"no effect before the reform has an error clustered by {found.cluster}", "Cluster by a column with more groups."
        )
    clusters = int(found.clusters[usable].min())
    usable = _as_many_as_can_be_tested(found, usable, clusters)
    freedom = float(found.df[usable].min())
    if len(usable) >= clusters:
        return NotEstimable(
            f"{len(usable)} periods before the reform cannot be tested together with {clusters} clusters by {found.cluster}",
            f"Cluster by {result.panel.unit}, or use a window with fewer than {clusters} periods before the reform.",
        )
    times = result.labels["event_time"]
    tested, left_out = (tuple(int(times[k]) for k in rows) for rows in (usable, np.setdiff1d(before, usable)))
    return _wald(found, usable, (clusters, freedom), tested, left_out)


def _as_many_as_can_be_tested(found: Inference, usable: np.ndarray, clusters: int) -> np.ndarray:
    """The last periods before the start, as many as errors that rest on few clusters can carry in one test."""
    if not found.df[usable].min() < clusters - 1:
        return usable
    most = 1
    while most < len(usable) and (most + 1) * PERIODS_PER_DF <= found.df[usable[-most - 1 :]].min():
        most += 1
    return usable[-most:]


def _before(result: Result) -> np.ndarray:
    """Rows before the reform, less the periods in which it was anticipated: those may differ from zero by design."""
    ahead = int(result.options.get("anticipation", 0))
    times = result.labels["event_time"].fillna(0).to_numpy(int)
    return np.flatnonzero((result.labels["kind"] == "pre").to_numpy(bool) & (times < -ahead))


def _wald(
    found: Inference, rows: np.ndarray, size: tuple[int, float], periods: tuple[int, ...], left_out: tuple[int, ...]
) -> PretrendTest | NotEstimable:
    """`size`: clusters, and the fewest degrees of freedom of any effect tested (clusters less one, or CR2's own)."""
    clusters, freedom = size
    error = found.std_error[rows]
    correlations = found.covariance[np.ix_(rows, rows)] / np.outer(error, error)
    sizes = np.linalg.eigvalsh(correlations)
    if sizes[0] < SINGULAR * sizes[-1]:
        return NotEstimable(
            f"the errors of the {len(rows)} effects before the reform, clustered by {found.cluster}, are not independent: "
            "their covariance is singular",
            "Cluster by a column with more groups, or use a window with fewer periods before the reform.",
        )
    scaled = found.estimates[rows] / error
    count, rest = len(rows), freedom if np.isfinite(freedom) else clusters - 1.0
    statistic = float(scaled @ np.linalg.solve(correlations, scaled)) / count
    p_value = float(stats.f.sf(statistic, count, rest))
    hotelling = float(stats.f.sf(statistic * (rest + 1 - count) / rest, count, rest + 1 - count))
    reading = _reading(p_value, hotelling, found.cluster, clusters, count, left_out)
    return PretrendTest(statistic, count, rest, p_value, hotelling, found.cluster, periods, left_out, reading)


def _reading(p_value: float, hotelling: float, cluster: str, clusters: int, count: int, left_out: tuple[int, ...]) -> str:
    many = f"{count} periods" if count > 1 else "one period"
    if p_value >= 0.05:
        words = f"No difference in path before the reform was found, over {many} tested. {CAUTION}"
    elif hotelling < 0.05:
        words = f"The groups already moved apart before the reform, over {many} tested: the effect may be an older trend."
    else:
        words = (
            f"Cannot tell whether the groups moved apart before the reform, over {many} tested: with {clusters} clusters by "
            f"{cluster} this test alarms too easily, and by Hotelling's stricter rule {probability(hotelling)}."
        )
    if not left_out:
        return words
    when = ", ".join(str(time).replace("-", "\N{MINUS SIGN}") for time in left_out)
    return f"{words} Not tested, because too few clusters by {cluster} stand behind them: {when}."


def smallest_detectable_effect(
    result: Result | NotEstimable, cluster: str | None = None, power: float = 0.8, alpha: float = 0.05
) -> DetectableEffect | NotEstimable:
    """The smallest effect found with `power` by a two-sided test at `alpha`: (t(1 − alpha/2) + t(power)) × standard error.

    Args:
        result: of one outcome, with a row of kind "overall" or "average"; a `NotEstimable` is handed back.
        cluster: column to cluster by; default the panel's own.
        power: between `alpha` and 1.
        alpha: between 0 and 1.

    Returns:
        The effect, in units of the outcome, or `NotEstimable` where the row has no error.

    Raises:
        OptionError: power or alpha out of range, several outcomes, or a result without such a row.
    """
    if isinstance(result, NotEstimable):
        return result
    if not 0 < alpha < power < 1:
        raise OptionError(f"power and alpha must have 0 < alpha < power < 1, not power={power!r}, alpha={alpha!r}.")
    _check_one_outcome(result, "smallest_detectable_effect")
    rows = np.flatnonzero(result.labels["kind"].isin(["overall", "average"]).to_numpy(bool))
    if not len(rows):
        raise OptionError(f"{result.aggregate!r} has no row for the effect as a whole. Use aggregate='overall'.")
    found = result.inference("clustered", cluster=cluster)
    error, df = float(found.std_error[rows[0]]), float(found.df[rows[0]])
    if not np.isfinite(error):
        return _no_error(found, int(rows[0]))
    value = float(stats.t.ppf(1 - alpha / 2, df) + stats.t.ppf(power, df)) * error
    return DetectableEffect(value, power, alpha, found.cluster, df, "analytic")


def _no_error(found: Inference, row: int = 0) -> NotEstimable:
    why = {"treated": found.treated_clusters[row], "comparison": found.comparison_clusters[row]}
    few = [f"it rests on one {side} {found.cluster}" for side, count in why.items() if count < 2]
    reason = " and ".join(few) or f"its outcome does not vary between clusters by {found.cluster}"
    return NotEstimable(
        f"the effect has no standard error clustered by {found.cluster}: {reason}",
        "Cluster by a column in which more groups have the reform and more compare.",
    )


def _check_one_outcome(result: Result, who: str) -> None:
    if result.labels["outcome"].nunique() > 1:
        raise OptionError(f"{who} takes one outcome at a time. Estimate panel.outcome(name), or keep one with result.rows().")
