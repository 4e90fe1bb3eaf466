"""The panel: outcomes × units × periods as arrays, built from cells, with every bad input refused by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import narwhals as nw
import numpy as np
import pandas as pd

from evaluation import checks
from evaluation.cells import Cells, beyond_cells
from evaluation.cells.moments import Moments, moments_of
from evaluation.errors import PanelError

NEVER = checks.NEVER
ROWS = "rows"  # the weight of cells by which estimates are those of the rows
Made = TypeVar("Made")


@dataclass(frozen=True, eq=False)
class Panel:
    """Who is observed when, and who is treated from when.

    Attributes:
        unit: name of the unit column.
        period: name of the period column.
        units: N labels, sorted.
        periods: T labels, in order.
        outcomes: names of the O outcomes.
        values: outcomes, O × N × T, NaN where missing.
        weights: weights of cells, O × N × T, 1 where unweighted, 0 where the cell is missing.
        cohort: position of each unit's first treated period (N); `NEVER` where never treated within the window.
        clusters: name → (codes (N), labels); always has the unit itself.
        region: name of the cluster that is the region, or None.
        default_cluster: the cluster that errors take when none is named.
        weighted: whether weights were given.
        dropped: (unit, reason) for units left out.
        notices: what was done to the input, in plain words.
        covariates: names of the C covariates.
        covariate_values: covariates, C × N × T, NaN where missing; None without any.
        intensity: intensity of the reform, N × T, 0 without it (it may go up and down), NaN where missing; None where not given.
        eligible: whether each unit is of the kind that the reform is for (N, bool); None where not given.
        moments: counts, means and products of the rows within cells; None where cells do not weigh by their rows.
        made: what `once` keeps; a changed panel begins without.
    """

    unit: str
    period: str
    units: tuple[Any, ...]
    periods: tuple[Any, ...]
    outcomes: tuple[str, ...]
    values: np.ndarray
    weights: np.ndarray
    cohort: np.ndarray
    clusters: Mapping[str, tuple[np.ndarray, tuple[Any, ...]]]
    region: str | None = None
    default_cluster: str = ""
    weighted: bool = False
    dropped: tuple[tuple[Any, str], ...] = ()
    notices: tuple[str, ...] = field(default=())
    covariates: tuple[str, ...] = ()
    covariate_values: np.ndarray | None = None
    intensity: np.ndarray | None = None
    eligible: np.ndarray | None = None
    moments: Moments | None = None
    made: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        """Everything but what can be made again."""
        return {**self.__dict__, "made": {}}

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        unit: str,
        period: str,
        first_treated: str,
        outcome: str | Sequence[str],
        weight: str | None = None,
        cluster: str | Sequence[str] | None = None,
        covariates: str | Sequence[str] = (),
        region: str | None = None,
        periods: Sequence[Any] | None = None,
        intensity: str | None = None,
        eligible: str | None = None,
    ) -> Panel:
        """Build a panel from one row for each unit and period.

        Args:
            frame: pandas, Polars or DuckDB frame.
            unit: column of the unit.
            period: column of the period (integers or strings).
            first_treated: column with the label of the first treated period; 0 or missing means never treated.
            outcome: one or more numeric columns; missing values are missing cells.
            weight: numeric column of weights, not negative.
            cluster: columns to cluster by, constant within a unit; the first is the default (else the unit itself).
            covariates: numeric columns, missing values allowed; a result of an estimator that uses none of them warns.
            region: column of the region; default the cluster called "region", if there is one.
            periods: the order of periods; default sorted. Rows of other periods are left out, with a notice.
            intensity: numeric column of the reform's intensity, 0 or more, 0 before the first treated period.
            eligible: column of 0 and 1, one value a unit: 1 where the reform is for units of this kind (triple difference).

        Raises:
            PanelError: anything that cannot be used, with what, where and what to do.
        """
        outcomes = (outcome,) if isinstance(outcome, str) else tuple(outcome)
        checks.check_outcomes(outcomes)
        covariates = (covariates,) if isinstance(covariates, str) else tuple(covariates)
        named = (cluster,) if isinstance(cluster, str) else tuple(cluster or ())
        attributes = [name for name in dict.fromkeys([*named, *([region] if region else [])]) if name != unit]
        numeric = [*outcomes, *covariates, *(name for name in (weight, intensity, eligible) if name)]
        rows = _rows(frame, [unit, period, first_treated, *attributes, *numeric])
        checks.check_numeric(rows, numeric)
        checks.check_keys(rows, unit, period)
        checks.check_duplicates(rows, unit, period)
        checks.check_finite(rows, unit, period, outcomes, weight)
        rows, order, notices = checks.order_periods(rows, period, periods)
        treatment = checks.one_row_each(rows, unit, first_treated, attributes)
        units = tuple(treatment.index.tolist())
        spread = _spread(rows, unit, period, units, order)
        values = np.stack([spread(name) for name in outcomes])
        weights = np.ones(values.shape) if weight is None else np.repeat(spread(weight)[None], len(outcomes), axis=0)
        asked = (treatment, first_treated, weight, named, region, order, notices)
        panel = _assemble((unit, period), outcomes, values, weights, *asked)
        return _with_extras(panel, rows, covariates, intensity, eligible)

    @classmethod
    def from_cells(
        cls,
        cells: Cells,
        *,
        treatment: Any,
        outcome: Mapping[str, tuple[str, str | None, float]],
        first_treated: str = "first_treated",
        weight: str | None = None,
        cluster: str | Sequence[str] | None = None,
        region: str | None = None,
        periods: Sequence[Any] | None = None,
        extras: Any = None,
        covariates: Sequence[str] = (),
        intensity: str | None = None,
        row_covariates: Sequence[str] = (),
    ) -> Panel:
        """Build a panel from cells.

        Args:
            cells: sums by unit, period (and strata, which are added up).
            treatment: frame with the unit, `first_treated` and the cluster columns, one row for each unit.
            outcome: name → (numerator, denominator, scale): scale × sum / sum; denominator None: the mean of the numerator.
            first_treated: column of `treatment` with the first treated period; 0 or missing means never treated.
            weight: None; "rows": each cell by the sum of its rows' weights, or their number, and estimates are those of the rows;
                "denominator": each outcome's own; or the name of a summed column.
            cluster: columns of `treatment` to cluster by; the first is the default (else the unit itself).
            region: column of `treatment` that is the region; default the cluster called "region".
            periods: the order of periods; default sorted.
            extras: frame with one row a unit and period, for covariates and intensity; needed where these are named.
            covariates: numeric columns of `extras`, those of the whole cell (the mean of its rows, say).
            intensity: numeric column of `extras`: the reform's intensity, 0 without it.
            row_covariates: covariates and strata of the cells that `two_way_fixed_effects` takes out with covariates="rows"; they
                need weight="rows".

        Raises:
            PanelError: anything that cannot be used, with what, where and what to do.
        """
        checks.check_outcomes(tuple(outcome))
        named = (cluster,) if isinstance(cluster, str) else tuple(cluster or ())
        attributes = [name for name in dict.fromkeys([*named, *([region] if region else [])]) if name != cells.unit]
        who = _rows(treatment, [cells.unit, first_treated, *attributes])
        checks.check_units_known(cells.frame[cells.unit], who[cells.unit], cells.unit)
        who = checks.one_row_each(
            who[who[cells.unit].isin(cells.frame[cells.unit].unique())], cells.unit, first_treated, attributes
        )
        rows, order, notices = checks.order_periods(cells.frame, cells.period, periods)
        who = who[who.index.isin(rows[cells.unit].unique())]
        kept = Cells(rows.reset_index(drop=True), cells.recipe, cells.pivots)
        values, weights, moments = _of_cells(kept, tuple(who.index), order, outcome, weight, row_covariates)
        asked = (who, first_treated, weight, named, region, order, notices, moments)
        panel = _assemble((cells.unit, cells.period), tuple(outcome), values, weights, *asked)
        if extras is None:
            return panel
        named_extras = [*covariates, *([intensity] if intensity else [])]
        beside = _rows(extras, [cells.unit, cells.period, *named_extras])
        checks.check_numeric(beside, named_extras)
        checks.check_duplicates(beside, cells.unit, cells.period)
        beside = beside[beside[cells.unit].isin(panel.units) & beside[cells.period].isin(panel.periods)]
        return _with_extras(panel, beside, tuple(covariates), intensity, None)

    @property
    def treated(self) -> np.ndarray:
        """Whether each unit is treated within the window (N)."""
        return self.cohort < NEVER

    def select(self, keep: np.ndarray, reason: str = "", periods: np.ndarray | None = None) -> Panel:
        """The panel of the units where `keep` (N, bool) holds; `periods` (T, bool) may cut off the last periods, no others."""
        when = np.ones(len(self.periods), bool) if periods is None else periods
        clusters = {}
        for name, (codes, labels) in self.clusters.items():
            used, again = np.unique(codes[keep], return_inverse=True)
            clusters[name] = (again, tuple(labels[code] for code in used))
        gone = tuple((self.units[i], reason) for i in np.flatnonzero(~keep)) if reason else ()
        cohort = self.cohort[keep]
        return replace(
            self,
            units=tuple(u for u, k in zip(self.units, keep, strict=True) if k),
            periods=tuple(p for p, k in zip(self.periods, when, strict=True) if k),
            values=self.values[:, keep][:, :, when],
            weights=self.weights[:, keep][:, :, when],
            cohort=cohort,
            clusters=clusters,
            dropped=self.dropped + gone,
            covariate_values=None if self.covariate_values is None else self.covariate_values[:, keep][:, :, when],
            intensity=None if self.intensity is None else self.intensity[keep][:, when],
            eligible=None if self.eligible is None else self.eligible[keep],
            moments=None if self.moments is None else self.moments.cut(keep, when),
        )

    def without_first(self, count: int) -> Panel:
        """The panel without its first `count` periods; units that start in them are treated from the first one that is left."""
        if not 0 <= count < len(self.periods):
            raise PanelError(f"A window of {len(self.periods)} periods cannot lose its first {count}. Leave at least one.")
        kept = self.select(np.ones(len(self.units), bool), periods=np.arange(len(self.periods)) >= count)
        return replace(kept, cohort=np.where(self.treated, np.maximum(self.cohort - count, 0), self.cohort))

    def outcome(self, name: str) -> Panel:
        """The panel of one outcome."""
        if name not in self.outcomes:
            raise PanelError(f"There is no outcome {name!r} in the panel. It has: {', '.join(self.outcomes)}.")
        if len(self.outcomes) == 1:
            return self
        known: dict[str, Panel] = self.made.setdefault("outcomes", {})
        if name not in known:
            at = self.outcomes.index(name)
            values, weights = self.values[at : at + 1], self.weights[at : at + 1]
            moments = None if self.moments is None else self.moments.outcome(at)
            alone = replace(self, outcomes=(name,), values=values, weights=weights, moments=moments)
            if moments is None:  # the sums of rows are an outcome's own
                alike = (one.made for one in tuple(known.values()) if np.array_equal(one.weights, weights))
                object.__setattr__(alone, "made", next(alike, alone.made))
            known[name] = alone
        return known[name]

    def once(self, key: Any, make: Callable[[], Made]) -> Made:
        """What `make` gives, made the first time only and kept as long as the panel.

        Outcomes that are seen in the same cells under the same weights share it, so it may depend on everything but values.

        Args:
            key: what it is, with all options that it depends on.
            make: makes it.

        Returns:
            The one object; nobody may change it.
        """
        if key not in self.made:
            self.made[key] = make()
        found: Made = self.made[key]
        return found

    def observations(self, weights: np.ndarray) -> int:
        """Observations of the first outcome where weights (N × T) are above 0: rows where they are known, else cells."""
        return int((weights > 0).sum() if self.moments is None else self.moments.rows[0][weights > 0].sum())

    def cluster_codes(self, name: str | None = None) -> tuple[str, np.ndarray]:
        """Name and codes (N) of a cluster; None means the default. Unknown names raise `PanelError`."""
        name = name or self.default_cluster
        if name not in self.clusters:
            raise PanelError(
                f"There is no cluster {name!r} in the panel. It has: {', '.join(self.clusters)}. Name it in cluster=."
            )
        return name, self.clusters[name][0]


def _rows(frame: Any, columns: Sequence[str]) -> pd.DataFrame:
    names = list(dict.fromkeys(columns))
    plain = isinstance(frame, pd.DataFrame) and frame.columns.is_unique
    native = None if plain else nw.from_native(frame).lazy()
    known = list(frame.columns) if native is None else native.collect_schema().names()
    for name in names:
        if name not in known:
            raise PanelError(f"There is no column {name!r}. The columns are: {', '.join(map(str, known))}.")
    table = frame[names] if native is None else nw.to_native(native.select(*names).collect("pandas"))
    if table.empty:
        raise PanelError("The frame has no rows. Check the filter that made it.")
    return table.reset_index(drop=True)


def _assemble(
    names: tuple[str, str],
    outcomes: tuple[str, ...],
    values: np.ndarray,
    weights: np.ndarray,
    treatment: pd.DataFrame,
    first_treated: str,
    weight: str | None,
    named: Sequence[str],
    region: str | None,
    order: tuple[Any, ...],
    notices: list[str],
    moments: Moments | None = None,
) -> Panel:
    """The panel from values and weights (O × N × T), checked; `names` are those of unit and period."""
    unit, units = names[0], tuple(treatment.index.tolist())
    checks.check_values(values, outcomes, units, order)
    weights = checks.check_weights(weights, values, units, order, weight, notices)
    values = np.where(weights > 0, values, np.nan)
    cohort = checks.cohort_positions(treatment[first_treated], order, notices)
    checks.check_some_treated(cohort, first_treated)
    clusters = {unit: (np.arange(len(units)), units)}
    for name in [*named, *([region] if region else [])]:
        if name != unit:
            clusters[name] = checks.codes(treatment[name])
    if region is None and "region" in clusters:
        region = "region"
    return Panel(
        unit=unit,
        period=names[1],
        units=units,
        periods=order,
        outcomes=outcomes,
        values=values,
        weights=np.where(np.isnan(values), 0.0, weights),
        cohort=cohort,
        clusters=clusters,
        region=region,
        default_cluster=named[0] if named else unit,
        weighted=weight is not None,
        notices=tuple(notices),
        moments=moments,
    )


def _of_cells(
    cells: Cells,
    units: tuple[Any, ...],
    order: tuple[Any, ...],
    measures: Mapping[str, tuple[str, str | None, float]],
    weight: str | None,
    row_covariates: Sequence[str],
) -> tuple[np.ndarray, np.ndarray, Moments | None]:
    """Values and weights of cells, O × N × T, and the moments of their rows where cells weigh by them."""
    frame = cells.frame
    row = pd.Index(units).get_indexer(pd.Index(frame[cells.unit]))
    column = pd.Index(list(order)).get_indexer(pd.Index(frame[cells.period]))
    shape = (len(units), len(order))
    if weight == ROWS:
        return _of_rows(cells, measures, row_covariates, row, column, shape)
    if row_covariates:
        raise PanelError("Covariates of single rows need cells that weigh by their rows. Give weight='rows'.")
    return (*_ratios(cells, measures, weight, row, column, shape), None)


def _spread(
    rows: pd.DataFrame, unit: str, period: str, units: tuple[Any, ...], order: tuple[Any, ...]
) -> Callable[[str], np.ndarray]:
    """A function from a column's name to its values by unit and period (N × T), NaN where missing; one row each."""
    row = pd.Index(units).get_indexer(pd.Index(rows[unit]))
    column = pd.Index(list(order)).get_indexer(pd.Index(rows[period]))

    def spread(name: str) -> np.ndarray:
        out = np.full((len(units), len(order)), np.nan)
        out[row, column] = rows[name].to_numpy(float, na_value=np.nan)
        return out

    return spread


def _ratios(
    cells: Cells,
    measures: Mapping[str, tuple[str, str | None, float]],
    weight: str | None,
    row: np.ndarray,
    column: np.ndarray,
    shape: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes as ratios of sums, and their weights (O × N × T each)."""
    values, weights = np.full((len(measures), *shape), np.nan), np.ones((len(measures), *shape))
    for at, (numerator, denominator, scale) in enumerate(measures.values()):
        top, complete = _sum(cells, numerator, row, column, shape)
        bottom, complete_too = _sum(cells, denominator, row, column, shape, count_of=numerator)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = scale * top / bottom
        values[at] = np.where(complete & complete_too & (bottom != 0), ratio, np.nan)
        if weight == "denominator":
            weights[at] = bottom
        elif weight is not None:
            weights[at], known = _sum(cells, weight, row, column, shape)
            weights[at][~known] = np.nan
    return values, weights


def _of_rows(
    cells: Cells,
    measures: Mapping[str, tuple[str, str | None, float]],
    covariates: Sequence[str],
    row: np.ndarray,
    column: np.ndarray,
    shape: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray, Moments]:
    """Outcomes as means over rows, their weights (O × N × T each), and what the rows have in them beyond."""
    ratio = next((name for name, (_, denominator, _) in measures.items() if denominator), None)
    if ratio is not None:
        raise PanelError(
            f"Outcome {ratio!r} is a ratio of sums, which no row has. Leave its denominator out, or take another weight."
        )
    numerators = [numerator for numerator, _, _ in measures.values()]
    checks.check_outcomes(numerators)
    for name in numerators:
        cells.rows(name)
    refusal = beyond_cells(cells.recipe, covariates=covariates)
    if refusal is not None:
        raise PanelError(f"It cannot be had from these cells: {refusal.reason}. {refusal.remedy}")
    if covariates and not cells.recipe.cross:
        raise PanelError("These cells have no cross products, which covariates of single rows need. Make them with cross=True.")
    scales = {numerator: scale for numerator, _, scale in measures.values()}
    moments, weights = moments_of(cells, scales, covariates, row, column, shape)
    pivots = np.array([scale * cells.pivots[name] for name, scale in scales.items()])
    values = np.where(weights > 0, moments.means[..., 0] + pivots[:, None, None], np.nan)
    return values, weights, moments


def _with_extras(
    panel: Panel, rows: pd.DataFrame, covariates: tuple[str, ...], intensity: str | None, eligible: str | None
) -> Panel:
    """The panel with covariates, intensity and eligibility, each checked, from rows with one line a unit and period."""
    if not covariates and intensity is None and eligible is None:
        return panel
    spread = _spread(rows, panel.unit, panel.period, panel.units, panel.periods)
    checks.check_covariates(covariates)
    values = np.array([spread(name) for name in covariates]) if covariates else None
    if values is not None:
        checks.check_covariate_values(values, covariates, panel.units, panel.periods)
    dose = None if intensity is None else spread(intensity)
    if dose is not None and intensity is not None:
        checks.check_intensity(dose, panel.cohort, intensity, panel.units, panel.periods)
    kind = None if eligible is None else checks.eligibility(spread(eligible), eligible, panel.units)
    return replace(panel, covariates=covariates, covariate_values=values, intensity=dose, eligible=kind)


def shares(weights: np.ndarray) -> np.ndarray:
    """Weights (N × T) over their sum by row; 0 where a row has none."""
    total = weights.sum(axis=1, keepdims=True)
    return np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)


def _sum(
    cells: Cells, name: str | None, row: np.ndarray, column: np.ndarray, shape: tuple[int, int], count_of: str | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Sum over strata of one value in each cell, and whether every stratum had it in all its rows that count."""
    source = name or count_of or ""
    present = cells.rows(source)
    amount = cells.total(source) if name else present
    whole = present > 0
    if name and count_of:  # a ratio of sums over different rows is no ratio: such a cell is missing
        whole &= present == cells.rows(count_of)
    total, seen, complete = np.zeros(shape), np.zeros(shape, bool), np.ones(shape, bool)
    np.add.at(total, (row, column), amount)
    seen[row, column] = True
    np.logical_and.at(complete, (row, column), whole)
    return total, seen & complete
