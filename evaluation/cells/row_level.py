"""What cells cannot carry, and the way out: least squares on the rows, by linearmodels, with the memory that it needs."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from evaluation.cells.recipe import Recipe
from evaluation.cells.sources import collected, opened, schema_of
from evaluation.errors import NotEstimable, PanelError

# What a row takes for each of its columns: the column, linearmodels' copies, and the fixed effects taken out of each. Measured
# with four columns: 142 bytes at one million rows, 125 at six million.
BYTES_PER_VALUE = 8 * 16
LIMIT = 4 * 2**30  # bytes above which the rows are not brought into memory unless more is allowed


@dataclass(frozen=True, eq=False)
class RowFit:
    """Least squares on rows, as linearmodels gives it.

    Attributes:
        frame: regressor, estimate, std_error (clustered, with linearmodels' small-sample factor), one row each.
        rows: rows that were used.
        memory: bytes that it was estimated to need.
    """

    frame: pd.DataFrame
    rows: int
    memory: int


def beyond_cells(
    recipe: Recipe,
    *,
    covariates: Sequence[str] = (),
    effects: Sequence[str] = (),
    clusters: Sequence[str] = (),
    median: bool = False,
) -> NotEstimable | None:
    """Why cells of a recipe cannot carry an analysis; None where they can.

    Args:
        recipe: what the cells are made of.
        covariates: columns that are to enter as regressors.
        effects: columns that are to have fixed effects.
        clusters: columns that errors are to be clustered by, apart from columns of the treatment table.
        median: whether a median or another quantile is asked for.

    Returns:
        The reason, and the way on the rows (`row_level`) as the remedy.
    """
    remedy = "Fit on the rows with evaluation.cells.row_level, which says first how much memory that needs."
    if median:
        return NotEstimable("a median is no sum: cells do not have it", "Ask for a mean or a share, or read the rows themselves.")
    unknown = [name for name in covariates if name not in (*recipe.covariates, *recipe.strata)]
    if unknown:
        again = f"Make the cells again with covariates=[{unknown[0]!r}], or with it in strata. {remedy}"
        return NotEstimable(f"the cells have neither cross products nor strata of {unknown[0]!r}", again)
    finer = [name for name in effects if name not in recipe.keys]
    if finer:
        return NotEstimable(
            f"effects of each {finer[0]} are finer than cells: where one is not seen in every period, sums do not carry them",
            remedy,
        )
    inside = [name for name in clusters if name != recipe.unit]
    if inside:
        return NotEstimable(f"errors clustered by {inside[0]} split the {recipe.unit}: only sums of whole units are left", remedy)
    return None


def row_level(
    source: Any,
    outcome: str,
    regressors: Sequence[str],
    *,
    effects: Sequence[str],
    cluster: str,
    weight: str | None = None,
    engine: str | None = None,
    options: Mapping[str, Any] | None = None,
    limit: int = LIMIT,
) -> RowFit:
    """Least squares on the rows with any fixed effects, by linearmodels (`AbsorbingLS`).

    Args:
        source: as for `cells`.
        outcome: numeric column.
        regressors: numeric columns, the treatment among them.
        effects: columns whose every value has a fixed effect (pupil, term, …).
        cluster: column that errors are clustered by.
        weight: numeric column of weights, or None.
        engine: as for `cells`.
        options: as for `cells`.
        limit: bytes of memory that may be used.

    Raises:
        PanelError: a column is missing, or the rows would need more memory than `limit`; the message says how much.
    """
    lazy, module = opened(source, engine, options or {})
    columns = list(dict.fromkeys([outcome, *regressors, *effects, cluster, *([weight] if weight else [])]))
    known = schema_of(lazy, module)
    for name in columns:
        if name not in known:
            raise PanelError(f"There is no column {name!r}. The columns are: {', '.join(map(str, known))}.")
    whole = lazy.select(*columns).drop_nulls()
    rows = int(collected(whole.select(nw.len().alias("rows")), module)["rows"].iloc[0])
    memory = memory_of(rows, len(columns))
    if memory > limit:
        raise PanelError(
            f"{rows:,} rows with {len(columns)} columns need about {memory / 2**30:.1f} GB of memory, and {limit / 2**30:.1f} GB "
            "are allowed. Allow more with limit=, take a sample, or ask what cells can carry."
        )
    if not rows:
        raise PanelError("No row has all of the columns. Check for missing values.")
    table = collected(whole, module).reset_index(drop=True)
    absorbed = pd.DataFrame({name: pd.Categorical(table[name]) for name in effects})
    # linearmodels takes longer to load than all else here together, and only a fit on the rows needs it.
    absorbing = importlib.import_module("linearmodels.iv.absorbing")
    model = absorbing.AbsorbingLS(
        table[outcome].astype(float),
        table[list(regressors)].astype(float),
        absorb=absorbed,
        weights=None if weight is None else table[weight].astype(float),
    )
    fitted = model.fit(cov_type="clustered", clusters=pd.Series(pd.factorize(table[cluster])[0]), debiased=True)
    frame = pd.DataFrame(
        {
            "regressor": list(fitted.params.index),
            "estimate": np.asarray(fitted.params),
            "std_error": np.asarray(fitted.std_errors),
        }
    )
    return RowFit(frame, rows, memory)


def memory_of(rows: int, columns: int) -> int:
    """Bytes that a fit on rows needs, about."""
    return rows * columns * BYTES_PER_VALUE
