"""The scan: one lazy expression from rows to cells, the same on every engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from evaluation.cells.recipe import Recipe, Statistic, joined
from evaluation.cells.sources import collected, opened, schema_of
from evaluation.cells.table import Cells
from evaluation.errors import PanelError

LEAST = "least_weight"  # the smallest weight of a cell, for the check alone


def cells(
    source: Any,
    unit: str,
    period: str,
    outcomes: str | Sequence[str],
    *,
    covariates: Sequence[str] = (),
    weight: str | None = None,
    strata: Sequence[str] = (),
    cross: bool = True,
    pivots: Mapping[str, float] | float | None = None,
    engine: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Cells:
    """Scan rows into cells: counts, sums and cross products by unit, period and strata.

    Args:
        source: a Parquet or CSV file, a folder or list of them, or a frame of pandas, Polars, DuckDB or Spark; one line a row
            (pupil, case, …).
        unit: column of the unit; no missing values.
        period: column of the period; no missing values.
        outcomes: numeric columns; a missing one is left out of its own sums, and counted.
        covariates: numeric columns that differ within a cell; a row without one counts for no outcome.
        weight: numeric column of row weights, not negative, or None.
        strata: columns that split cells further.
        cross: whether to take cross products; they grow with the square of the number of columns, and sums do not need them.
        pivots: number from which values count, by column or one for all. Where none is given, columns of whole numbers count
            from 0 and others from their mean in single precision, for which the rows are gone through once more.
        engine: duckdb, polars or spark; None: DuckDB for files, a frame's own for a frame.
        options: settings of the engine: see its module in `evaluation.cells.engines`.

    Raises:
        PanelError: a column is missing or not numeric, unit or period is missing in a row, a value is infinite, a weight
            negative, or the source cannot be read.
    """
    named = (outcomes,) if isinstance(outcomes, str) else tuple(outcomes)
    recipe = Recipe(unit, period, tuple(dict.fromkeys(named)), tuple(covariates), weight, tuple(strata), cross)
    lazy, module = opened(source, engine, options or {})
    whole = _check_columns(schema_of(lazy, module), recipe)
    lazy = lazy.select(*recipe.keys, *[nw.col(name).cast(nw.Float64) for name in recipe.numeric])
    given = dict.fromkeys(recipe.values, float(pivots)) if isinstance(pivots, int | float) else dict(pivots or {})
    fixed = {**{name: 0.0 for name in recipe.values if name in whole}, **given}
    searched = [name for name in recipe.values if name not in fixed]
    found, clean = _first_scan(lazy, module, searched) if searched else ({}, False)
    all_pivots = {name: (fixed | found)[name] for name in recipe.values}
    unclean = [name for name in recipe.numeric if name not in whole and not (clean and name in searched)]
    table = collected(_grouped(lazy, recipe, all_pivots, unclean), module)
    return from_sums(table, recipe, all_pivots)


def from_sums(table: pd.DataFrame, recipe: Recipe, pivots: Mapping[str, float]) -> Cells:
    """Cells from the sums that an engine or a database took, checked.

    Args:
        table: keys, the recipe's statistics and, with a weight, `LEAST`; in any order.
        recipe: what was asked for.
        pivots: number from which each value counts.

    Raises:
        PanelError: there are no rows, a key is missing, a sum is not finite or a weight is negative.
    """
    if table.empty:
        raise PanelError("There are no rows. Check the source, and the filter that made it.")
    for name in (recipe.unit, recipe.period):
        if bool(table[name].isna().any()):
            raise PanelError(f"Column {name!r} has missing values. Give every row a {name}, or leave the row out.")
    table = table.sort_values(list(recipe.keys), kind="stable").reset_index(drop=True)
    if recipe.weight and bool((table[LEAST].astype(float) < 0).any()):
        raise PanelError(
            f"Weight {recipe.weight!r} is negative in {_where(table, recipe, table[LEAST].astype(float) < 0)}. Correct it."
        )
    statistics = recipe.statistics()
    out = table[list(recipe.keys)].copy()
    for one in statistics:
        sums = table[one.name].astype(float).fillna(np.nan if one.factors else 0.0)
        out[one.name] = sums if one.factors else sums.astype("int64")
    for one in statistics:
        if one.factors:
            out[one.name] = out[one.name].where(_counted(out, one) > 0, 0.0)
            _check_finite(out, recipe, one)
    return Cells(out, recipe, dict(pivots))


def _counted(out: pd.DataFrame, one: Statistic) -> pd.Series:
    """Rows that a sum is over, by cell: engines differ in what a sum over none is."""
    parts = one.name.split("__")
    paired = joined("n", *parts[1:3])
    return out[paired] if len(parts) > 2 and paired in out else out[joined("n", parts[1])]


def _check_finite(out: pd.DataFrame, recipe: Recipe, one: Statistic) -> None:
    bad = ~np.isfinite(out[one.name])
    if bad.any():
        raise PanelError(
            f"Column {one.factors[-1]!r} is infinite or too large to add up in {_where(out, recipe, bad)}. Make such values "
            "missing, or correct them."
        )


def _where(table: pd.DataFrame, recipe: Recipe, bad: pd.Series) -> str:
    first = table.loc[bad, list(recipe.keys)].iloc[0].tolist()
    named = ", ".join(f"{name} {value!r}" for name, value in zip(recipe.keys, first, strict=True))
    return f"{named} ({int(bad.sum())} cells in all)"


def _check_columns(schema: Mapping[str, Any], recipe: Recipe) -> set[str]:
    """Refuse columns that are not there or not numeric; the names of those that hold whole numbers."""
    for name in [*recipe.keys, *recipe.numeric]:
        if name not in schema:
            raise PanelError(f"There is no column {name!r}. The columns are: {', '.join(map(str, schema))}.")
    for name in recipe.numeric:
        if not (schema[name].is_numeric() or schema[name] == nw.Boolean):
            raise PanelError(f"Column {name!r} is not numeric (it is {schema[name]}). Convert it, with missing values as empty.")
    return {name for name in recipe.numeric if schema[name].is_integer() or schema[name] == nw.Boolean}


def _first_scan(lazy: Any, module: ModuleType | None, names: Sequence[str]) -> tuple[dict[str, float], bool]:
    """Pivots of columns, and whether their sums are finite: then no NaN and no infinity is among these columns.

    Returns:
        Mean of each column in single precision, in which engines that add up in another order agree; and False where a column may
        hold a NaN.
    """
    totals = _totals(lazy, module, names)
    clean = all(np.isfinite(total) for total, _ in totals.values())
    if not clean:
        totals = _totals(lazy.with_columns(*[nw.col(name).fill_nan(None) for name in names]), module, names)
    return {name: _pivot(*totals[name]) for name in names}, clean


def _totals(lazy: Any, module: ModuleType | None, names: Sequence[str]) -> dict[str, tuple[float, int]]:
    sums = [nw.col(name).sum().alias(joined("sum", name)) for name in names]
    counts = [nw.col(name).count().alias(joined("n", name)) for name in names]
    line = collected(lazy.select(*sums, *counts), module).iloc[0]
    return {name: (_number(line[joined("sum", name)]), int(line[joined("n", name)])) for name in names}


def _number(value: Any) -> float:
    return 0.0 if value is None or value is pd.NA else float(value)


def _pivot(total: float, count: int) -> float:
    mean = total / count if count else 0.0
    with np.errstate(over="ignore"):
        single = float(np.float32(mean))
    # An infinite mean is left for the check of the sums, which says where.
    return single if np.isfinite(single) else 0.0


def _grouped(lazy: Any, recipe: Recipe, pivots: Mapping[str, float], unclean: Sequence[str]) -> Any:
    """The statistics by cell, not yet run.

    Products are made row by row and then only summed: pandas groups by plain sums 100 times faster than by expressions.
    """
    moved = []
    for name in recipe.numeric:
        value = nw.col(name).fill_nan(None) if name in unclean else nw.col(name)
        moved.append((value - pivots[name] if pivots.get(name) else value).alias(name))
    lazy = lazy.with_columns(*moved)
    products, sums = [], [nw.len().alias("count")]
    for one in recipe.statistics()[1:]:
        product = _product(one)
        if product is None:
            column = nw.col((*one.factors, *one.needs)[0])
            sums.append((column.sum() if one.factors else column.count()).alias(one.name))
        else:
            products.append(product.alias(one.name))
            sums.append(nw.col(one.name).sum())
    if recipe.weight:
        sums.append(nw.col(recipe.weight).min().alias(LEAST))
    return (lazy.with_columns(*products) if products else lazy).group_by(*recipe.keys).agg(*sums)


def _product(one: Statistic) -> Any:
    """What a row adds to a statistic; None where it is a plain sum or count of one column."""
    others = [name for name in one.needs if name not in one.factors]
    if len(one.factors) + len(others) == 1:
        return None
    if not one.factors:
        here = ~nw.col(one.needs[0]).is_null()
        for name in one.needs[1:]:
            here = here & ~nw.col(name).is_null()
        return here.cast(nw.Int64)
    product: Any = nw.col(one.factors[0])
    for name in one.factors[1:]:
        product = product * nw.col(name)
    for name in others:
        # A row without one of the others adds nothing: the product is made missing with it.
        product = nw.when(~nw.col(name).is_null()).then(product)
    return product
