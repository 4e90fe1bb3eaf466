"""What a two-way fixed-effects number is made of: its 2×2 comparisons (Goodman-Bacon 2021) and its weights on treated cells.

The weights are those of de Chaisemartin and D'Haultfœuille (2020): where effects differ and some weights are negative, the number
can have the wrong sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from evaluation.errors import NotEstimable, OptionError, PanelError
from evaluation.estimators.design import all_at_once, drop_treated_throughout, plural
from evaluation.panel import NEVER, Panel
from evaluation.result import Result

NEVER_TREATED, EARLIER, LATER = "Treated vs Untreated", "Earlier vs Later Treated", "Later vs Earlier Treated"


@dataclass(frozen=True)
class Comparison:
    """One 2×2: a cohort against another that does not change then.

    Attributes:
        treated: first treated period of the cohort that changes.
        untreated: that of the cohort compared with; None: never treated.
        type: as R's `bacondecomp` calls it.
        estimate: difference of differences of the two cohorts' means, in units of the outcome.
        weight: its share in the two-way number; all of them add up to 1.
    """

    treated: Any
    untreated: Any
    type: str
    estimate: float
    weight: float


@dataclass(frozen=True)
class BaconDecomposition:
    """Every 2×2 of a two-way fixed-effects number.

    Attributes:
        outcome: its name.
        comparisons: the 2×2s, by treated and untreated start.
        dropped: (unit, reason) for units left out.
    """

    outcome: str
    comparisons: tuple[Comparison, ...]
    dropped: tuple[tuple[Any, str], ...] = ()

    @property
    def estimable(self) -> bool:
        """Always True; `NotEstimable` has False."""
        return True

    @property
    def estimate(self) -> float:
        """Σ weight × estimate: the two-way fixed-effects number itself."""
        return float(sum(one.weight * one.estimate for one in self.comparisons))

    @property
    def forbidden(self) -> float:
        """Weight on comparisons with units already treated: biased where effects change over time."""
        return float(sum(one.weight for one in self.comparisons if one.type == LATER))

    def frame(self) -> pd.DataFrame:
        """One row a comparison: treated, untreated, type, estimate, weight."""
        return pd.DataFrame([vars(one) for one in self.comparisons])

    def by_type(self) -> pd.DataFrame:
        """One row a type: weight, and the average estimate under the weights."""
        frame = self.frame().assign(part=lambda rows: rows["weight"] * rows["estimate"])
        sums = frame.groupby("type", sort=True)[["weight", "part"]].sum().reset_index()
        return pd.DataFrame({"type": sums["type"], "weight": sums["weight"], "estimate": sums["part"] / sums["weight"]})

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        rows = [{**vars(one), "treated": _plain(one.treated), "untreated": _plain(one.untreated)} for one in self.comparisons]
        return {
            "outcome": self.outcome,
            "estimate": self.estimate,
            "forbidden": self.forbidden,
            "comparisons": rows,
            "dropped": [{"unit": _plain(unit), "reason": reason} for unit, reason in self.dropped],
        }


@dataclass(frozen=True, eq=False)
class TwoWayWeights:
    """Weights of a two-way fixed-effects number on the effects of treated cells; they add up to 1.

    Attributes:
        outcome: its name.
        cells: treated cells that are observed.
        negative: those with a negative weight.
        sum_negative: the negative weights added up (0 or less).
        table: unit, period and weight of each treated cell.
    """

    outcome: str
    cells: int
    negative: int
    sum_negative: float
    table: pd.DataFrame

    @property
    def estimable(self) -> bool:
        """Always True; `NotEstimable` has False."""
        return True

    @property
    def share_negative(self) -> float:
        """Share of treated cells with a negative weight, 0 to 1."""
        return self.negative / self.cells

    def frame(self) -> pd.DataFrame:
        """Unit, period and weight of each treated cell."""
        return self.table.copy()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON, without the table."""
        return {
            "outcome": self.outcome,
            "cells": self.cells,
            "negative": self.negative,
            "share_negative": self.share_negative,
            "sum_negative": self.sum_negative,
        }


def bacon_decomposition(panel: Panel, outcome: str | None = None) -> BaconDecomposition | NotEstimable:
    """Split the static two-way fixed-effects number into its 2×2 comparisons (Goodman-Bacon 2021, theorem 1).

    Args:
        panel: balanced and without weights; units treated throughout are left out, as `two_way_fixed_effects` does.
        outcome: which one, where the panel has several.

    Returns:
        The comparisons, or `NotEstimable` for a panel with missing cells or weights, or where all start at once.

    Raises:
        PanelError: no such outcome, or several and none named.
    """
    one = _one_outcome(panel, outcome)
    if one.weighted:
        return NotEstimable("the Bacon decomposition takes no weights", "Build the panel without weight=.")
    kept = drop_treated_throughout(one)
    if isinstance(kept, NotEstimable):
        return kept
    refusal = all_at_once(kept) or _unbalanced(kept)
    if refusal:
        return refusal
    starts = [int(g) for g in np.unique(kept.cohort)]
    means = {g: kept.values[0][kept.cohort == g].mean(axis=0) for g in starts}
    sizes = {g: int((kept.cohort == g).sum()) for g in starts}
    pairs = [(k, u) for k in starts if k < NEVER for u in starts if u != k]
    found = [_two_by_two(k, u, means, sizes, len(kept.periods)) for k, u in pairs]
    total = sum(weight for _, weight in found)
    comparisons = tuple(
        Comparison(kept.periods[k], None if u >= NEVER else kept.periods[u], _type(k, u), estimate, weight / total)
        for (k, u), (estimate, weight) in zip(pairs, found, strict=True)
    )
    return BaconDecomposition(kept.outcomes[0], comparisons, kept.dropped)


def _one_outcome(panel: Panel, outcome: str | None) -> Panel:
    if outcome is None and len(panel.outcomes) > 1:
        raise PanelError(f"The panel has several outcomes. Name one in outcome=: {', '.join(panel.outcomes)}.")
    return panel.outcome(outcome or panel.outcomes[0])


def _unbalanced(panel: Panel) -> NotEstimable | None:
    holes = np.isnan(panel.values[0])
    if not holes.any():
        return None
    i, t = np.argwhere(holes)[0]
    return NotEstimable(
        f"the panel is unbalanced: {plural(int(holes.any(axis=1).sum()), panel.unit)} with missing cells, "
        f"first {panel.units[i]!r} in {panel.periods[t]!r}",
        "Leave those units out: the decomposition holds for complete panels. Or use two_way_weights, which allows missing cells.",
    )


def _type(treated: int, untreated: int) -> str:
    if untreated >= NEVER:
        return NEVER_TREATED
    return EARLIER if treated < untreated else LATER


def _two_by_two(
    treated: int, untreated: int, means: dict[int, np.ndarray], sizes: dict[int, int], periods: int
) -> tuple[float, float]:
    """Estimate, and weight before scaling: (cells)² × n(1 − n) × D(1 − D) in the window in which only one of the two changes."""
    first = untreated if untreated < treated else 0
    last = periods if untreated < treated else min(untreated, periods)
    gap = means[treated] - means[untreated]
    estimate = float(gap[treated:last].mean() - gap[first:treated].mean())
    on = (last - treated) / (last - first)
    return estimate, sizes[treated] * sizes[untreated] * (last - first) ** 2 * on * (1 - on)


def two_way_weights(result: Result, outcome: str | None = None) -> TwoWayWeights:
    """Weights of a static two-way number on treated cells (de Chaisemartin, D'Haultfœuille 2020, theorem 1).

    Args:
        result: of `two_way_fixed_effects` with aggregate "overall".
        outcome: which one, where the result has several.

    Raises:
        OptionError: a result of another estimator or aggregate.
        PanelError: no such outcome, or several and none named.
    """
    if result.estimator != "two_way_fixed_effects" or result.aggregate != "overall":
        raise OptionError(
            f"Two-way weights come from two_way_fixed_effects with aggregate='overall', not from {result.estimator} "
            f"with aggregate={result.aggregate!r}."
        )
    name = _one_outcome(result.panel, outcome).outcomes[0]
    row, panel = result.panel.outcomes.index(name), result.panel
    weight = result.weights[row].toarray().reshape(len(panel.units), len(panel.periods))
    seen = panel.weights[row] > 0
    i, t = np.nonzero(seen & (panel.cohort[:, None] <= np.arange(len(panel.periods))[None, :]))
    on = weight[i, t]
    negative = on < -np.finfo(float).eps  # rounding of a zero weight is not a negative one
    table = pd.DataFrame({panel.unit: [panel.units[k] for k in i], panel.period: [panel.periods[k] for k in t], "weight": on})
    return TwoWayWeights(name, len(on), int(negative.sum()), float(on[negative].sum()), table)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
