"""Errors from scores. A method is a function of (result, cluster, options) and a line in `INFERENCES`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from scipy import stats

from evaluation.errors import OptionError, PanelError, check_choice
from evaluation.panel import Panel

FACTORS = ("CR1", "CR1_all_effects", "none")
DISTRIBUTIONS = ("t", "normal")


class Scored(Protocol):
    """What a method needs of a `Result`; see there for the shapes."""

    @property
    def labels(self) -> pd.DataFrame:
        """Label columns, K rows."""

    @property
    def estimates(self) -> np.ndarray:
        """K."""

    @property
    def scores(self) -> np.ndarray:
        """N × K."""

    @property
    def own_df(self) -> np.ndarray | None:
        """K, or None where the errors come from the scores of units."""

    @property
    def support(self) -> np.ndarray:
        """N × K: treated units that a row rests on."""

    @property
    def used(self) -> np.ndarray:
        """N × K: units that enter a row."""

    @property
    def compared(self) -> np.ndarray:
        """N × K: units that a row compares with."""

    @property
    def parameters(self) -> np.ndarray:
        """K; counted by a small-sample factor."""

    @property
    def observations(self) -> np.ndarray:
        """K."""

    @property
    def panel(self) -> Panel:
        """The units, and what they cluster by."""


@dataclass(frozen=True, eq=False)
class Inference:
    """Errors of K effects, with how they were had.

    Attributes:
        name: the method in `INFERENCES`.
        cluster: the column clustered by.
        clusters: K; clusters that enter each row.
        treated_clusters: K; clusters with treated units in each row.
        comparison_clusters: K; clusters with units that each row compares with.
        factor: name of the small-sample factor.
        labels: label columns (K rows).
        estimates: K.
        covariance: K × K, factor included; NaN where a row's error cannot be had.
        df: K; degrees of freedom of the t-distribution (inf: normal).
        warnings: rows without an error and why.
    """

    name: str
    cluster: str
    clusters: np.ndarray
    treated_clusters: np.ndarray
    comparison_clusters: np.ndarray
    factor: str
    labels: pd.DataFrame
    estimates: np.ndarray
    covariance: np.ndarray
    df: np.ndarray
    warnings: tuple[str, ...] = ()

    @property
    def std_error(self) -> np.ndarray:
        """Standard errors (K), NaN for reference rows and where none can be had."""
        return np.sqrt(np.diag(self.covariance))

    def frame(self, level: float = 0.95) -> pd.DataFrame:
        """Label columns, estimate, std_error, statistic, df, p_value, lower, upper for a level between 0 and 1."""
        if not 0 < level < 1:
            raise OptionError(f"level must lie between 0 and 1, not {level!r}. Use 0.95 for a 95% interval.")
        error = self.std_error
        with np.errstate(invalid="ignore", divide="ignore"):
            statistic = self.estimates / error
        half = stats.t.ppf((1 + level) / 2, self.df) * error
        numbers = {
            "estimate": self.estimates,
            "std_error": error,
            "statistic": statistic,
            "df": np.where(np.isnan(error), np.nan, self.df),
            "p_value": 2 * stats.t.sf(np.abs(statistic), self.df),
            "lower": self.estimates - half,
            "upper": self.estimates + half,
        }
        return pd.concat([self.labels, pd.DataFrame(numbers)], axis=1)


def infer(result: Scored, name: str, cluster: str | None, options: Mapping[str, Any]) -> Inference:
    """Run one method of `INFERENCES`; unknown names and options raise `OptionError`."""
    check_choice("inference", name, tuple(INFERENCES))
    method, defaults = INFERENCES[name]
    for option in options:
        if option not in defaults:
            listed = ", ".join(defaults) or "none"
            raise OptionError(f"Inference {name!r} has no option {option!r}. Its options are: {listed}.")
    return method(result, cluster, {**defaults, **options})


def clustered(result: Scored, cluster: str | None, options: Mapping[str, Any]) -> Inference:
    """Cluster-robust errors (CR1 by default) with t(G-1); see METHODS.md."""
    check_choice("factor", options["factor"], FACTORS)
    check_choice("distribution", options["distribution"], DISTRIBUTIONS)
    name, codes = result.panel.cluster_codes(cluster)
    if result.own_df is not None:
        return _own(result, name, codes, result.own_df)
    groups, treated, compared = (_count(units, codes) for units in (result.used, result.support, result.compared))
    real = result.used.any(axis=0)
    if real.any() and (groups[real] < 2).all():
        raise PanelError(
            f"All units are in one {name}: errors clustered by {name} cannot be had. Cluster by {result.panel.unit}."
        )
    factor = _factor(result, options["factor"], groups, codes)
    covariance = _covariance(result.scores, codes) * np.sqrt(np.outer(factor, factor))
    flat = np.sqrt(np.diag(covariance)) <= _dust(result)
    alone = {"one treated": real & (treated == 1), "one comparison": real & (compared == 1)}
    warnings = [
        f"{int(rows.sum())} of {len(rows)} effects rest on {which} {name}: its own variation cannot be seen, "
        f"so they have no error clustered by {name}."
        for which, rows in alone.items()
        if rows.any()
    ]
    covariance = _blank(covariance, alone["one treated"] | alone["one comparison"] | (groups < 2) | flat)
    still = int((flat & real & (result.labels["kind"] != "reference").to_numpy(bool)).sum())
    if still:
        warnings.append(f"{still} of {len(flat)} effects do not vary at all between clusters by {name}, so they have no error.")
    df = np.where(groups > 1, groups - 1.0, np.nan) if options["distribution"] == "t" else np.full(len(groups), np.inf)
    counts = (groups, treated, compared)
    return Inference(
        "clustered", name, *counts, options["factor"], result.labels, result.estimates, covariance, df, tuple(warnings)
    )


def _own(result: Scored, name: str, codes: np.ndarray, df: np.ndarray) -> Inference:
    """Errors in which no unit has a share: one unit carries each whole, so they are the same under every clustering."""
    covariance = _covariance(result.scores, codes)
    covariance = _blank(covariance, np.sqrt(np.diag(covariance)) <= _dust(result))
    counts = (_count(result.used, codes), _count(result.support, codes), _count(result.compared, codes))
    said = (f"The errors are the estimator's own: clustering by {name} changes nothing.",)
    return Inference("clustered", name, *counts, "none", result.labels, result.estimates, covariance, df, said)


def influence(result: Scored, cluster: str | None, options: Mapping[str, Any]) -> Inference:
    """The errors of R's `did`: √Σψ²/n, no small-sample factor, normal quantiles; kept for comparison."""
    name, codes = result.panel.cluster_codes(cluster or result.panel.unit)
    covariance = _covariance(result.scores, codes)
    covariance = _blank(covariance, np.sqrt(np.diag(covariance)) <= np.sqrt(np.finfo(float).eps) * 10)
    counts = (_count(result.used, codes), _count(result.support, codes), _count(result.compared, codes))
    df = np.full(len(result.estimates), np.inf)
    return Inference("influence", name, *counts, "none", result.labels, result.estimates, covariance, df)


def _dust(result: Scored) -> np.ndarray:
    """What rounding alone can leave of an error that is zero, by row: it goes with the size of the outcome."""
    size = {name: np.nanmax(np.abs(values)) for name, values in zip(result.panel.outcomes, result.panel.values, strict=True)}
    return np.array([size[name] for name in result.labels["outcome"]]) * np.finfo(float).eps * 100


def _count(used: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Number of clusters with at least one such unit, by row of the result."""
    present = np.zeros((codes.max() + 1, used.shape[1]), bool)
    np.logical_or.at(present, codes, used)
    return present.sum(axis=0)


def cluster_sums(scores: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Scores added up within clusters: G × K."""
    sums = np.zeros((codes.max() + 1, scores.shape[1]))
    np.add.at(sums, codes, scores)
    return sums


def _covariance(scores: np.ndarray, codes: np.ndarray) -> np.ndarray:
    sums = cluster_sums(scores, codes)
    return sums.T @ sums


def _factor(result: Scored, name: str, groups: np.ndarray, codes: np.ndarray) -> np.ndarray:
    if name == "none":
        return np.ones(len(groups))
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = groups / (groups - 1.0)
        counted = result.parameters.astype(float)
        if name == "CR1_all_effects":  # linearmodels counts the unit effects too
            counted = np.where(counted > 0, counted + result.used.sum(axis=0) - 1, 0)
        n = result.observations
        residual = np.where(counted > 0, (n - 1.0) / (n - counted), 1.0)
    return np.where(np.isfinite(factor), factor, 0.0) * residual


def _blank(covariance: np.ndarray, rows: np.ndarray) -> np.ndarray:
    out = covariance.copy()
    out[rows, :] = np.nan
    out[:, rows] = np.nan
    return out


Method = Callable[[Scored, "str | None", Mapping[str, Any]], Inference]
INFERENCES: dict[str, tuple[Method, dict[str, Any]]] = {
    "clustered": (clustered, {"factor": "CR1", "distribution": "t"}),
    "influence": (influence, {}),
}
