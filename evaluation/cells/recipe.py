"""What is summed over the rows of a cell: one list of statistics, which every engine writes in its own language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from evaluation.errors import PanelError

BETWEEN = "__"  # stands between the parts of a statistic's name


@dataclass(frozen=True)
class Statistic:
    """A sum over the rows of a cell.

    Attributes:
        name: the column that it becomes.
        factors: columns that are multiplied in each row; a value counts from its pivot, a weight as it is. Without any, rows are
            counted.
        needs: columns that a row must have; a row without one of them adds nothing.
    """

    name: str
    factors: tuple[str, ...]
    needs: tuple[str, ...]


@dataclass(frozen=True)
class Recipe:
    """What cells are to be made of.

    Attributes:
        unit: column of the unit; no missing values.
        period: column of the period; no missing values.
        outcomes: numeric columns; each has its own count, since each may be missing in other rows.
        covariates: numeric columns that differ between the rows of a cell; a row without one of them counts for no outcome.
        weight: numeric column of row weights, not negative, or None; a row without it counts for no outcome.
        strata: columns that split cells further.
        cross: whether cross products are taken; they grow with the square of the number of columns, and sums do not need them.
    """

    unit: str
    period: str
    outcomes: tuple[str, ...]
    covariates: tuple[str, ...] = ()
    weight: str | None = None
    strata: tuple[str, ...] = ()
    cross: bool = True

    def __post_init__(self) -> None:
        if not self.outcomes:
            raise PanelError("No outcome is named. Name at least one column.")
        used = [*self.keys, *self.numeric]
        twice = [name for at, name in enumerate(used) if name in used[:at]]
        if twice:
            raise PanelError(
                f"Column {twice[0]!r} is named twice. Name each once: a column is a unit, a period, a stratum, an outcome, a "
                "covariate or a weight."
            )
        odd = [name for name in used if BETWEEN in name]
        if odd:
            raise PanelError(f"Column {odd[0]!r} has {BETWEEN!r} in its name, which tells sums of cells apart. Rename it.")
        if "count" in self.keys:
            raise PanelError("Cells have a column 'count' of their own: unit, period and strata need another name. Rename it.")

    @property
    def keys(self) -> tuple[str, ...]:
        """Unit, period and strata."""
        return (self.unit, self.period, *self.strata)

    @property
    def values(self) -> tuple[str, ...]:
        """Outcomes and covariates: what counts from a pivot."""
        return (*self.outcomes, *self.covariates)

    @property
    def numeric(self) -> tuple[str, ...]:
        """Outcomes, covariates and the weight."""
        return (*self.values, *([self.weight] if self.weight else []))

    def needs(self, *outcomes: str) -> tuple[str, ...]:
        """Columns that a row must have to count for these outcomes."""
        return (*outcomes, *self.covariates, *([self.weight] if self.weight else []))

    def statistics(self) -> list[Statistic]:
        """All sums, in the order of their columns."""
        found = [Statistic("count", (), ())]
        if self.weight:
            found.append(Statistic(joined("weighted", self.weight), (), (self.weight,)))
        for outcome in self.outcomes:
            found += self._of_outcome(outcome)
        for one, other in combinations(self.outcomes, 2) if self.cross else ():
            found += self._of_pair(one, other)
        return found

    def _of_outcome(self, y: str) -> list[Statistic]:
        needs, by = self.needs(y), list(self.covariates)
        found = [Statistic(joined("has", y), (), (y,)), Statistic(joined("n", y), (), needs)]
        sums: list[tuple[str, tuple[str, ...]]] = [(joined("sum", y), (y,)), *[(joined("sum", y, x), (x,)) for x in by]]
        if self.cross:
            sums += [(joined("cross", y, y), (y, y)), *[(joined("cross", y, x), (y, x)) for x in by]]
            sums += [(joined("cross", y, a, b), (a, b)) for at, a in enumerate(by) for b in by[at:]]
        found += [Statistic(name, factors, needs) for name, factors in sums]
        if self.weight:
            w = self.weight
            found += [Statistic(joined("weight", y), (w,), needs), Statistic(joined("weight2", y), (w, w), needs)]
            found += [Statistic(f"w{name}", (w, *factors), needs) for name, factors in sums]
        return found

    def _of_pair(self, one: str, other: str) -> list[Statistic]:
        needs = self.needs(one, other)
        found = [Statistic(joined("n", one, other), (), needs), Statistic(joined("cross", one, other), (one, other), needs)]
        # With the sums of each over the rows that have both, the product can be taken about any other pivots.
        found += [Statistic(joined("pair", one, other, v), (v,), needs) for v in (one, other)]
        return found


def joined(*parts: str) -> str:
    """The name of a statistic from its parts."""
    return BETWEEN.join(parts)


def recipe_of(columns: Sequence[str]) -> Recipe:
    """The recipe that gave these columns of cells, unit and period first.

    Raises:
        PanelError: the columns are not those of cells.
    """
    names = [name for name in columns if not name.startswith(joined("pivot", ""))]
    if "count" not in names[2:]:
        raise PanelError("This is no table of cells: it has no column 'count' after unit and period. Make one with cells().")
    keys, rest = names[: names.index("count")], [name.split(BETWEEN) for name in names[names.index("count") + 1 :]]
    outcomes = tuple(parts[1] for parts in rest if parts[0] == "has")
    covariates = tuple(dict.fromkeys(parts[2] for parts in rest if parts[0] == "sum" and len(parts) == 3))
    weight = next((parts[1] for parts in rest if parts[0] == "weighted"), None)
    cross = any(parts[0] == "cross" for parts in rest)
    return Recipe(keys[0], keys[1], outcomes, covariates, weight, tuple(keys[2:]), cross)
