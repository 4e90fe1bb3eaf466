"""The breakdown value: how strong a violation of parallel trends the finding survives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

START = np.array([0.0, 0.05, 0.1, 0.2, 0.4, 1.0])  # shares of the limit, finer near 0
INSIDE = 8  # values tried between two neighbours


@dataclass(frozen=True)
class Breakdown:
    """The largest violation at which, and at every smaller one tried, the interval still leaves out zero.

    Attributes:
        value: the largest that was seen to leave out zero; 0 where even none does not.
        beyond: whether the interval left out zero at every value up to the limit, so that `value` is the limit.
        limit: the largest value searched.
        tolerance: how far below the true breakdown value `value` may lie.
    """

    value: float
    beyond: bool
    limit: float
    tolerance: float

    def to_dict(self) -> dict[str, Any]:
        """Every field as plain JSON."""
        return dict(self.__dict__)


def breakdown(leaves_out_zero: Callable[[np.ndarray], np.ndarray], limit: float, tolerance: float) -> Breakdown:
    """Search for the breakdown value between 0 and `limit` on a grid that closes in; the function takes many values at once."""
    grid = START * limit
    clear = leaves_out_zero(grid)
    if clear.all():
        return Breakdown(limit, True, limit, tolerance)
    at = int(clear.argmin())
    if at == 0:
        return Breakdown(0.0, False, limit, tolerance)
    low, high = float(grid[at - 1]), float(grid[at])
    while high - low > tolerance:
        grid = np.linspace(low, high, INSIDE + 2)
        clear = leaves_out_zero(grid[1:-1])
        at = INSIDE if clear.all() else int(clear.argmin())
        low, high = float(grid[at]), float(grid[at + 1])
    return Breakdown(low, False, limit, tolerance)
