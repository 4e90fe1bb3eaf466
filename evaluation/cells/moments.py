"""What the rows of a panel's cells have in them beyond their mean: counts, means and products within cells, as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from evaluation.cells.recipe import joined
from evaluation.cells.table import Cells


@dataclass(frozen=True, eq=False)
class Moments:
    """Sufficient statistics of the rows of each cell, for an outcome (first) and P covariates of single rows.

    Attributes:
        covariates: P labels; of a stratum one for each of its values but the first.
        rows: number of rows, O × N × T, 0 where the cell is missing.
        means: weighted means, O × N × T × (1 + P), counted from the pivots of the cells; 0 where the cell is missing.
        spread: Σ w (v − mean of the cell)(u − mean of the cell), O × N × T × (1 + P) × (1 + P).
    """

    covariates: tuple[str, ...]
    rows: np.ndarray
    means: np.ndarray
    spread: np.ndarray

    def cut(self, units: np.ndarray, periods: np.ndarray) -> Moments:
        """Those of the units (N, bool) and periods (T, bool) that are kept."""
        parts = {name: getattr(self, name)[:, units][:, :, periods] for name in ("rows", "means", "spread")}
        return replace(self, **parts)

    def outcome(self, at: int) -> Moments:
        """Those of one outcome, by position."""
        return replace(self, rows=self.rows[[at]], means=self.means[[at]], spread=self.spread[[at]])


def moments_of(
    cells: Cells,
    outcomes: Mapping[str, float],
    covariates: Sequence[str],
    row: np.ndarray,
    column: np.ndarray,
    shape: tuple[int, int],
) -> tuple[Moments, np.ndarray]:
    """Moments on an N × T grid, strata added up, and what each cell weighs (O × N × T).

    Args:
        cells: with cross products, where covariates are named.
        outcomes: outcome → what it is multiplied by.
        covariates: covariates and strata of the cells that are to be carried.
        row: position of each cell's unit; all of them are on the grid.
        column: position of each cell's period.
        shape: N, T.
    """
    dummies = {name: _dummies(cells.frame[name]) for name in covariates if name in cells.recipe.strata}
    labels = tuple(label for name in covariates for label in (dummies[name][0] if name in dummies else [name]))
    count = 1 + len(labels)
    rows, weights = np.zeros((len(outcomes), *shape)), np.zeros((len(outcomes), *shape))
    sums, products = np.zeros((len(outcomes), *shape, count)), np.zeros((len(outcomes), *shape, count, count))
    for at, (outcome, scale) in enumerate(outcomes.items()):
        one, two = _of_outcome(cells, outcome, covariates, dummies, count)
        size = np.ones(count)
        size[0] = scale
        np.add.at(rows[at], (row, column), cells.rows(outcome))
        np.add.at(weights[at], (row, column), cells.amount(outcome))
        np.add.at(sums[at], (row, column), one * size)
        np.add.at(products[at], (row, column), two * np.outer(size, size))
    total = weights[..., None]
    means = np.divide(sums, total, out=np.zeros_like(sums), where=total > 0)
    spread = products - means[..., :, None] * sums[..., None, :]
    return Moments(labels, rows, means, spread), weights


def _dummies(column: pd.Series) -> tuple[list[str], np.ndarray]:
    """Labels and indicators (cells × values) of a stratum, without its first value."""
    codes, values = pd.factorize(column, sort=True, use_na_sentinel=False)
    indicators = (codes[:, None] == np.arange(1, len(values))[None, :]).astype(float)
    return [f"{column.name}={value}" for value in values[1:]], indicators


def _of_outcome(
    cells: Cells, outcome: str, covariates: Sequence[str], dummies: Mapping[str, tuple[list[str], np.ndarray]], count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Sums (cells × count) and products (cells × count × count) of an outcome and covariates, stratum by stratum.

    An indicator is constant within a line of the cells, so that its products are sums that the line already has.
    """
    w, frame = "w" if cells.recipe.weight else "", cells.frame
    amount = cells.amount(outcome)
    plain = [name for name in covariates if name not in dummies]
    places = _places(covariates, dummies)
    sums, products = np.zeros((len(frame), count)), np.zeros((len(frame), count, count))
    sums[:, 0] = frame[joined(f"{w}sum", outcome)]
    if covariates:
        products[:, 0, 0] = frame[joined(f"{w}cross", outcome, outcome)]
    order = [name for name in cells.recipe.covariates if name in plain]
    for at, x in enumerate(order):
        i = places[x][0]
        sums[:, i] = frame[joined(f"{w}sum", outcome, x)]
        products[:, 0, i] = products[:, i, 0] = frame[joined(f"{w}cross", outcome, x)]
        for z in order[at:]:
            j = places[z][0]
            products[:, i, j] = products[:, j, i] = frame[joined(f"{w}cross", outcome, x, z)]
    numbers = [0, *(places[name][0] for name in plain)]
    for name, (_, indicator) in dummies.items():
        sums[:, places[name]] = amount[:, None] * indicator
        for v in numbers:
            products[:, v, places[name]] = products[:, places[name], v] = sums[:, v, None] * indicator
        for other, (_, beside) in dummies.items():
            block = amount[:, None, None] * indicator[:, :, None] * beside[:, None, :]
            products[:, np.array(places[name])[:, None], np.array(places[other])[None, :]] = block
    return sums, products


def _places(covariates: Sequence[str], dummies: Mapping[str, tuple[list[str], np.ndarray]]) -> dict[str, list[int]]:
    """Where each covariate stands beside the outcome, which is at 0."""
    places, at = {}, 1
    for name in covariates:
        width = len(dummies[name][0]) if name in dummies else 1
        places[name] = list(range(at, at + width))
        at += width
    return places
