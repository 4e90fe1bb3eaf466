"""A least squares regression on rows, with the same errors and bootstraps as results on panels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from scipy import stats

from evaluation.errors import OptionError, PanelError, check_choice
from evaluation.inference.base import group_sums
from evaluation.inference.blocks import Clusters
from evaluation.inference.small_sample import (
    CENTRES,
    CR2_DEFAULTS,
    CR3_DEFAULTS,
    WORKING,
    cr2_row,
    cr3_row,
    jackknife,
    satterthwaite,
)
from evaluation.inference.spread import spread_of
from evaluation.inference.wild import DEFAULTS as WILD_DEFAULTS
from evaluation.inference.wild import check_nested, check_options, wild_row
from evaluation.inference.wild_interval import end_points
from evaluation.inference.working import RANK, Row, WorkingModel, least_squares_row

LARGEST = 50_000_000  # numbers of the dense matrix of regressors
FACTORS = ("CR0", "CR1", "CR1S")
METHODS: dict[str, dict[str, Any]] = {
    "clustered": {"factor": "CR1", "df": "clusters"},
    "cr2": CR2_DEFAULTS,
    "cr3": {"centre": CR3_DEFAULTS["centre"]},
    "wild_cluster": {**WILD_DEFAULTS, "null": 0.0},
}


@dataclass(frozen=True)
class Coefficient:
    """One coefficient with its error; `details` is plain JSON."""

    estimate: float
    std_error: float
    statistic: float
    df: float
    p_value: float
    lower: float
    upper: float
    details: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Regression:
    """Least squares of an outcome on a target, covariates and absorbed factors.

    Attributes:
        target: name of the regressor of interest.
        row: the working model of its coefficient.
        frame: the rows used.
        parameters: columns of the regression, absorbed levels and the intercept counted.
        dropped: rows left out because a value is missing or the weight is 0.
        cluster: the default column to cluster by.
    """

    target: str
    row: Row
    frame: pd.DataFrame
    parameters: int
    dropped: int
    cluster: str | None

    @property
    def estimate(self) -> float:
        """The coefficient of the target."""
        return self.row.estimate

    def codes(self, column: str | None = None) -> tuple[str, np.ndarray]:
        """Name and codes (n) of a column to cluster by; unknown and missing ones raise `PanelError`."""
        name = column or self.cluster
        if name is None or name not in self.frame:
            raise PanelError(f"There is no column {name!r} to cluster by. Name it in cluster= when making the regression.")
        codes = np.asarray(pd.factorize(self.frame[name], sort=True)[0])
        if codes.max() < 1:
            raise PanelError(f"All rows are in one {name}: no error clustered by {name} can be had. Use a finer column.")
        return name, codes

    def inference(self, name: str, cluster: str | None = None, level: float = 0.95, **options: Any) -> Coefficient:
        """Error, p-value and interval by clustered (CR0, CR1, CR1S), cr2, cr3 or wild.

        Raises:
            OptionError: an unknown method, option or value.
            PanelError: the column to cluster by cannot be used.
        """
        check_choice("inference", name, tuple(METHODS))
        for option in options:
            if option not in METHODS[name]:
                raise OptionError(f"{name!r} has no option {option!r}. Its options are: {', '.join(METHODS[name])}.")
        if not 0 < level < 1:
            raise OptionError(f"level must lie between 0 and 1, not {level!r}. Use 0.95 for a 95% interval.")
        filled = {**METHODS[name], **options}
        column, codes = self.codes(cluster)
        if name == "wild_cluster":
            return self._wild(column, codes, level, filled)
        error, df, details = getattr(self, f"_{name}")(codes, filled)
        return self._from_t(error, df, level, {"cluster": column, "clusters": int(codes.max()) + 1, **details})

    def _clustered(self, codes: np.ndarray, options: dict[str, Any]) -> tuple[float, float, dict[str, Any]]:
        check_choice("factor", options["factor"], FACTORS)
        check_choice("df", options["df"], ("clusters", "satterthwaite"))
        sums = group_sums((self.row.weights * self.row.residual)[:, None], codes)
        error = float(np.sqrt((sums**2).sum() * self._factor(options["factor"], len(sums))))
        if options["df"] == "clusters":
            return error, len(sums) - 1.0, {"factor": options["factor"]}
        scaled = bool(np.ptp(self.row.model.root) == 0)
        b = self.row.weights * (1.0 if scaled else self.row.model.root)
        return error, satterthwaite(spread_of(self.row, scaled), Clusters(codes), b), {"factor": options["factor"]}

    def _factor(self, name: str, groups: int) -> float:
        n = len(self.frame)
        small = groups / (groups - 1.0)
        return {"CR0": 1.0, "CR1": small, "CR1S": small * (n - 1.0) / (n - self.parameters)}[name]

    def _cr2(self, codes: np.ndarray, options: dict[str, Any]) -> tuple[float, float, dict[str, Any]]:
        check_choice("working", options["working"], WORKING)
        sums, df = cr2_row(self.row, codes, options["working"])
        return float(np.sqrt((sums**2).sum())), df, {"working": options["working"]}

    def _cr3(self, codes: np.ndarray, options: dict[str, Any]) -> tuple[float, float, dict[str, Any]]:
        check_choice("centre", options["centre"], CENTRES)
        lost, identified = cr3_row(self.row, Clusters(codes))
        if not identified.all():
            raise PanelError(
                f"The coefficient of {self.target} cannot be estimated without one of the clusters, so it has no jackknife error."
            )
        error = float(np.sqrt((jackknife(lost, options["centre"]) ** 2).sum()))
        return error, len(lost) - 1.0, {"centre": options["centre"], "without": (self.estimate - lost).tolist()}

    def _wild(self, column: str, codes: np.ndarray, level: float, options: dict[str, Any]) -> Coefficient:
        check_options(options)
        groups = codes
        if options["subcluster"] is not None:
            name, groups = self.codes(options["subcluster"])
            check_nested(name, groups, column, codes)
        test, drawn, observed = wild_row(self.row, codes, groups, options)
        factor = self._factor("CR1S", len(observed))
        if options["type"][1] == "3":
            factor = (len(observed) - 1.0) / len(observed)
        error = float(np.sqrt(test.variance * factor))
        lower, upper, pieces = end_points(test, 1 - level)
        kept = {key: options[key] for key in ("type", "impose_null", "subcluster", "ties", "seed", "null")}
        details = {"cluster": column, "clusters": len(observed), **kept, **drawn, "disconnected": pieces}
        away = self.estimate - options["null"]
        p = test.p_value(-away)
        return Coefficient(
            self.estimate, error, away / error, len(observed) - 1.0, p, self.estimate + lower, self.estimate + upper, details
        )

    def _from_t(self, error: float, df: float, level: float, details: dict[str, Any]) -> Coefficient:
        t = self.estimate / error
        half = float(stats.t.ppf((1 + level) / 2, df)) * error
        p = float(2 * stats.t.sf(abs(t), df))
        return Coefficient(self.estimate, error, t, df, p, self.estimate - half, self.estimate + half, details)


def regression(
    frame: Any,
    outcome: str,
    target: str,
    covariates: str | Sequence[str] = (),
    absorb: str | Sequence[str] = (),
    weight: str | None = None,
    cluster: str | Sequence[str] = (),
) -> Regression:
    """Least squares of `outcome` on `target`, covariates and the levels of absorbed columns, an intercept included.

    Args:
        frame: pandas, Polars or DuckDB frame, one row an observation.
        outcome: numeric column.
        target: numeric column, the regressor of interest.
        covariates: numeric columns.
        absorb: columns whose levels are effects.
        weight: numeric column of weights, not negative.
        cluster: columns that errors may cluster by; the first is the default.

    Raises:
        PanelError: a column is missing or not numeric, no row is left, or the target moves together with the other regressors.
    """
    covariates, absorb, cluster = (
        (names,) if isinstance(names, str) else tuple(names) for names in (covariates, absorb, cluster)
    )
    numeric = list(dict.fromkeys([outcome, target, *covariates, *([weight] if weight else [])]))
    rows = _read(frame, list(dict.fromkeys([*numeric, *absorb, *cluster])), numeric)
    used = rows.dropna()
    if weight is not None:
        if (used[weight] < 0).any():
            raise PanelError(f"Column {weight!r} has negative weights. Weights must be 0 or more.")
        used = used[used[weight] > 0]
    if used.empty:
        raise PanelError("No row has a value in every column that the regression needs.")
    root = np.ones(len(used)) if weight is None else np.sqrt(used[weight].to_numpy(float))
    basis = _basis(used, covariates, absorb, root)
    model = WorkingModel(root, basis, None, used[outcome].to_numpy(float) * root, np.arange(len(used)))
    row = least_squares_row(model, used[target].to_numpy(float) * root)
    if row is None:
        raise PanelError(f"{target!r} moves together with the other regressors: it has no coefficient. Leave some out.")
    used = used.reset_index(drop=True)
    return Regression(target, row, used, basis.shape[1] + 1, len(rows) - len(used), cluster[0] if cluster else None)


def _read(frame: Any, columns: list[str], numeric: list[str]) -> pd.DataFrame:
    native = nw.from_native(frame).lazy()
    known = native.collect_schema().names()
    for name in columns:
        if name not in known:
            raise PanelError(f"There is no column {name!r}. The columns are: {', '.join(known)}.")
    table = pd.DataFrame(nw.to_native(native.select(*columns).collect("pandas")))
    for name in numeric:
        if not pd.api.types.is_numeric_dtype(table[name]):
            raise PanelError(f"Column {name!r} is not numeric. Turn it into numbers.")
    values = table[numeric].to_numpy(float, na_value=np.nan)
    if np.isinf(values).any():
        raise PanelError(f"Column {numeric[int(np.isinf(values).any(axis=0).argmax())]!r} has infinite values. Take them out.")
    return table


def _basis(used: pd.DataFrame, covariates: Sequence[str], absorb: Sequence[str], root: np.ndarray) -> np.ndarray:
    """Orthonormal columns that span the intercept, covariates and levels, × root (n × p)."""
    levels = [np.asarray(pd.factorize(used[name], sort=True)[0]) for name in absorb]
    width = 1 + len(covariates) + sum(int(codes.max()) + 1 for codes in levels)
    if width * len(used) > LARGEST:
        raise PanelError(f"{len(used)} rows × {width} regressors are too many for this door. Make cells, and use a Panel.")
    dummies = [np.eye(int(codes.max()) + 1)[codes] for codes in levels]
    x = np.column_stack([np.ones(len(used)), *(used[name].to_numpy(float) for name in covariates), *dummies]) * root[:, None]
    x = x / np.sqrt(np.maximum((x**2).sum(axis=0), np.finfo(float).tiny))
    vectors, sizes, _ = np.linalg.svd(x, full_matrices=False)
    return np.asarray(vectors[:, sizes > RANK * sizes.max()])
