"""What every method of inference takes and gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pandas as pd
from scipy import sparse, special

from evaluation.errors import OptionError
from evaluation.panel import Panel


class Scored(Protocol):
    """What a method needs of a `Result`; see there for the shapes."""

    @property
    def labels(self) -> pd.DataFrame:
        """Label columns, K rows."""

    @property
    def kinds(self) -> np.ndarray:
        """K; the labels' `kind`."""

    @property
    def outcomes(self) -> np.ndarray:
        """K; the labels' `outcome`."""

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

    @property
    def weights(self) -> sparse.csr_matrix:
        """K × (N·T): weights on cells; raises `PanelError` where the estimator keeps none."""

    @property
    def estimator(self) -> str:
        """Its name in `ESTIMATORS`."""

    @property
    def options(self) -> Mapping[str, Any]:
        """Its options, defaults filled in."""

    @property
    def aggregate(self) -> str:
        """Its aggregate."""


FEW_COLUMNS = 6  # up to which sums are faster one column at a time


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
        own_p: K; two-sided p-values where the method has its own (resampling), NaN where none can be had; None: from t and df.
        own_interval: level → (lower, upper), K each, where the method has its own (inversion); ±inf where it has no end.
        details: what else a reader must know, as plain JSON: draws, enumerated, smallest p that can be reached, and the like.
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
    own_p: np.ndarray | None = None
    own_interval: Callable[[float], tuple[np.ndarray, np.ndarray]] | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def std_error(self) -> np.ndarray:
        """Standard errors (K), NaN for reference rows and where none can be had."""
        return np.sqrt(np.diag(self.covariance))

    def frame(self, level: float = 0.95) -> pd.DataFrame:
        """Label columns, estimate, std_error, statistic, df, p_value, lower, upper for a level between 0 and 1."""
        return pd.concat([self.labels, pd.DataFrame(self.numbers(level))], axis=1)

    def numbers(self, level: float = 0.95) -> dict[str, np.ndarray]:
        """The columns of `frame` beside the labels, by name, K each."""
        if not 0 < level < 1:
            raise OptionError(f"level must lie between 0 and 1, not {level!r}. Use 0.95 for a 95% interval.")
        error = self.std_error
        with np.errstate(invalid="ignore", divide="ignore"):
            statistic = self.estimates / error
        lower, upper = self.interval(level)
        return {
            "estimate": self.estimates,
            "std_error": error,
            "statistic": statistic,
            "df": np.where(np.isnan(error), np.nan, self.df),
            "p_value": self.p_value,
            "lower": lower,
            "upper": upper,
        }

    @property
    def p_value(self) -> np.ndarray:
        """Two-sided p-values (K), NaN where none can be had."""
        if self.own_p is not None:
            return self.own_p
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(2 * special.stdtr(self.df, -np.abs(self.estimates / self.std_error)))

    def interval(self, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper ends (K each) for a level between 0 and 1; NaN where there is none, ±inf where it has no end."""
        if self.own_interval is not None:
            return self.own_interval(level)
        half = special.stdtrit(self.df, (1 + level) / 2) * self.std_error
        return self.estimates - half, self.estimates + half


def dust(result: Scored) -> np.ndarray:
    """What rounding alone can leave of an error that is zero, by row: it goes with the size of the outcome."""
    largest = np.fmax.reduce(np.abs(result.panel.values), axis=(1, 2))
    size = dict(zip(result.panel.outcomes, largest, strict=True))
    return np.array([size[name] for name in result.outcomes.tolist()]) * np.finfo(float).eps * 100


def group_sums(columns: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Sums of columns (n × p) within codes (n): G × p. Where each stands alone these are the columns themselves, not a copy."""
    n, groups = len(codes), int(codes.max()) + 1
    if _each_alone(codes):
        return np.asarray(columns, dtype=float)
    if 0 < columns.shape[1] <= FEW_COLUMNS:
        return np.column_stack([np.bincount(codes, column, groups) for column in columns.T])
    spread = sparse.csr_matrix((np.ones(n), codes, np.arange(n + 1)), shape=(n, groups))
    return np.asarray(spread.T @ columns)


def clusters_with(used: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Number of clusters with at least one such unit, by row of the result."""
    if _each_alone(codes):
        return np.asarray(used.sum(axis=0))
    return np.asarray((group_sums(used.astype(float), codes) > 0).sum(axis=0))


def _each_alone(codes: np.ndarray) -> bool:
    """Whether codes are 0, 1, 2, …, as those of units are."""
    return bool(codes[-1] == len(codes) - 1 and (codes == np.arange(len(codes))).all())


Method = Callable[[Scored, "str | None", Mapping[str, Any]], Inference]
