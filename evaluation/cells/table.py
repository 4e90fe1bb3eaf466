"""Cells: one line for each unit × period × stratum, with what its rows add up to. They add, and they can be kept in a file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from evaluation.cells.recipe import Recipe, joined, recipe_of
from evaluation.errors import PanelError

_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")


@dataclass(frozen=True, eq=False)
class Cells:
    """Sufficient statistics of rows, one line for each unit × period × stratum, sorted by these.

    Attributes:
        frame: unit, period, strata, and for the rows of each cell: `count`; for an outcome y `has__y` (rows with it), `n__y`
            (rows with it, all covariates and the weight), over these `sum__y`, `sum__y__x`, `cross__y__y`, `cross__y__x`,
            `cross__y__x__z`; for two outcomes `n__a__b` and `cross__a__b` over the rows of both. With a weight also `weight__y`
            (its sum), `weight2__y` (that of its square), `wsum__…` and `wcross__…`. Every value counts from its pivot.
        recipe: what the cells are made of.
        pivots: number from which each outcome and covariate counts: Σ (y − pivot) keeps digits that Σ y would lose.
    """

    frame: pd.DataFrame
    recipe: Recipe
    pivots: Mapping[str, float]

    @property
    def unit(self) -> str:
        """Name of the unit column."""
        return self.recipe.unit

    @property
    def period(self) -> str:
        """Name of the period column."""
        return self.recipe.period

    def rows(self, outcome: str) -> np.ndarray:
        """Rows that count for an outcome, by cell; unknown outcomes raise `PanelError`."""
        self._check(outcome)
        return self.frame[joined("n", outcome)].to_numpy(float)

    def amount(self, outcome: str) -> np.ndarray:
        """What cells weigh for an outcome: the sum of weights, or the count of rows where there is no weight."""
        self._check(outcome)
        return self.frame[joined("weight" if self.recipe.weight else "n", outcome)].to_numpy(float)

    def total(self, outcome: str) -> np.ndarray:
        """Sum of an outcome over its rows, by cell, pivots put back and weights left out."""
        return np.asarray(self.frame[joined("sum", outcome)].to_numpy(float) + self.rows(outcome) * self.pivots[outcome])

    def mean(self, outcome: str, from_pivot: bool = False) -> np.ndarray:
        """Mean of an outcome, weighted where there is a weight, NaN where no row counts; from its pivot where asked for."""
        amount = self.amount(outcome)
        top = self.frame[joined("wsum" if self.recipe.weight else "sum", outcome)].to_numpy(float)
        mean = np.divide(top, amount, out=np.full(len(top), np.nan), where=amount > 0)
        return mean if from_pivot else mean + self.pivots[outcome]

    def dropped(self) -> pd.DataFrame:
        """What was left out of each outcome: rows in all, without it, with it but without a covariate or the weight, and used."""
        rows = int(self.frame["count"].sum())
        lines = []
        for outcome in self.recipe.outcomes:
            has, used = (int(self.frame[joined(kind, outcome)].sum()) for kind in ("has", "n"))
            lines.append((outcome, rows, rows - has, has - used, used))
        return pd.DataFrame(lines, columns=["outcome", "rows", "without_outcome", "without_covariate_or_weight", "used"])

    def about(self, pivots: Mapping[str, float]) -> Cells:
        """The same cells with values counted from other pivots."""
        moved = {name: self.pivots[name] - pivots[name] for name in self.recipe.values}
        if not any(moved.values()):
            return self
        frame, old = self.frame.copy(), self.frame
        for statistic in self.recipe.statistics():
            factors = [name for name in statistic.factors if name != self.recipe.weight]
            if not factors:
                continue
            count, sums = self._beside(statistic.name)
            if len(factors) == 1:
                frame[statistic.name] = old[statistic.name] + old[count] * moved[factors[0]]
                continue
            a, b = factors
            frame[statistic.name] = (
                old[statistic.name] + moved[a] * old[sums[b]] + moved[b] * old[sums[a]] + old[count] * moved[a] * moved[b]
            )
        return Cells(frame, self.recipe, dict(pivots))

    def __add__(self, other: Cells) -> Cells:
        """Cells of both sets of rows together: sums are added where the keys are the same."""
        if self.recipe != other.recipe:
            raise PanelError(
                "Cells of different columns cannot be added. Make both with the same unit, period, strata, outcomes, covariates "
                "and weight."
            )
        both = pd.concat([self.frame, other.about(self.pivots).frame])
        table = both.groupby(list(self.recipe.keys), sort=True, as_index=False, dropna=False).sum()
        return replace(self, frame=table)

    def write(self, path: Path) -> None:
        """Write to a `.parquet` or `.csv` file, pivots in columns of their own; read again it is the same to the last bit."""
        constant = {joined("pivot", name): self.pivots[name] for name in self.recipe.values}
        table = self.frame.assign(**constant)
        if path.suffix == ".parquet":
            table.to_parquet(path, index=False)
        elif path.suffix == ".csv":
            table.to_csv(path, index=False)
        else:
            raise PanelError(f"Cells are kept as .parquet or .csv, not as {path.suffix or path.name!r}. Name the file so.")

    @classmethod
    def read(cls, path: Path) -> Cells:
        """Read what `write` wrote.

        Raises:
            PanelError: the file is no table of cells.
        """
        table = pd.read_parquet(path) if path.suffix == ".parquet" else _from_csv(path)
        recipe = recipe_of([str(name) for name in table.columns])
        wanted = [*recipe.keys, *(one.name for one in recipe.statistics()), *(joined("pivot", name) for name in recipe.values)]
        lacking = [name for name in wanted if name not in table]
        if lacking:
            raise PanelError(f"{path.name} is no whole table of cells: the column {lacking[0]!r} is missing. Make it again.")
        pivots = {name: float(table[joined("pivot", name)].iloc[0]) for name in recipe.values} if len(table) else {}
        return cls(table[wanted[: -len(recipe.values)]], recipe, pivots or dict.fromkeys(recipe.values, 0.0))

    def _beside(self, name: str) -> tuple[str, dict[str, str]]:
        """The count (or sum of weights) and the plain sums that stand beside a statistic, by value."""
        kind, first, *rest = name.split("__")
        if kind == "pair" or (kind == "cross" and rest and rest[0] in self.recipe.outcomes and rest[0] != first):
            pair = (first, rest[0])
            return joined("n", *pair), {v: joined("pair", *pair, v) for v in pair}
        w = "w" if kind.startswith("w") else ""
        count = joined("weight" if w else "n", first)
        return count, {first: joined(f"{w}sum", first), **{x: joined(f"{w}sum", first, x) for x in self.recipe.covariates}}

    def _check(self, outcome: str) -> None:
        if outcome not in self.recipe.outcomes:
            raise PanelError(f"The cells have no sums of {outcome!r}. They have: {', '.join(self.recipe.outcomes)}.")


def _from_csv(path: Path) -> pd.DataFrame:
    """A table in which keys stay what they were: text such as 001 is no number."""
    text = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])
    if "count" not in text.columns:
        return text
    keys = list(text.columns[: text.columns.get_loc("count")])
    whole = {name for name in text.columns if text[name].map(_is_whole).all()}
    read = {name: text[name].astype("int64") if name in whole else text[name] for name in keys}
    numbers = {name: text[name].astype("int64" if _counts(name) else float) for name in text.columns if name not in keys}
    return pd.DataFrame(read | numbers)


def _counts(name: str) -> bool:
    return name.split("__")[0] in ("count", "has", "n", "weighted")


def _is_whole(text: object) -> bool:
    return isinstance(text, str) and _WHOLE.fullmatch(text) is not None
