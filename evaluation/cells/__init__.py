"""Rows to cells: counts, sums and cross products by unit, period and strata, in one scan on the engine that suits.

A linear estimator on cells gives the numbers that it gives on the rows. Adding cells is adding their sums, so a region can make
its own from rows that never leave it.
"""

from evaluation.cells.recipe import Recipe, Statistic
from evaluation.cells.row_level import RowFit, beyond_cells, row_level
from evaluation.cells.scan import LEAST, cells, from_sums
from evaluation.cells.sources import ENGINES, columns_of, files_of
from evaluation.cells.table import Cells

__all__ = [
    "ENGINES",
    "LEAST",
    "Cells",
    "Recipe",
    "RowFit",
    "Statistic",
    "beyond_cells",
    "cells",
    "columns_of",
    "files_of",
    "from_sums",
    "row_level",
]
