"""What a reform cost where and when it ran: from the returns of a release, or as the plan states it."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from data_contracts import contracts
from evaluation import NotEstimable
from pilots import releases
from pilots.frozen import Data
from pilots.panels import Question
from pilots.periods import containing, parse
from pilots.places import resolve
from pilots.plans import Plan
from pilots.releases import Release


@dataclass(frozen=True)
class Spent:
    """Pounds for each authority and period with the reform.

    Attributes:
        cost: in pounds.
        std_error: of the cost; 0 where it was counted and not sampled.
        cells: authorities by periods with the reform of which the cost is known; None where the plan states it.
        of: all of those in the panel.
    """

    cost: float
    std_error: float = 0.0
    cells: int | None = None
    of: int | None = None

    @property
    def words(self) -> str:
        """Where the cost is from."""
        if self.cells is None:
            return "as the plan states it"
        return f"from returns for {self.cells:,} of {self.of:,} authorities by periods with the reform"


def spent(store: Data, release: Release, plan: Plan, asked: Question, kind: str) -> Spent | NotEstimable | None:
    """What the reform of a plan cost, where the panel has it.

    Args:
        store: where the release lies.
        release: whose returns of costs are read.
        plan: with `costs`, or without.
        asked: the panel.
        kind: of its periods; terms are added up to them.

    Returns:
        The cost for each authority and period with the reform, or why it is not known; None where the plan asks for none.
    """
    if plan.costs is None:
        return None
    if plan.costs.cost is not None:
        return Spent(plan.costs.cost, plan.costs.std_error)
    collection, reform = plan.costs.collection, plan.costs.reform
    none = NotEstimable(
        f"release {release.name} has no accepted returns of {collection} for {reform} where and when it ran",
        "Have them sent and accepted, then make a new release.",
    )
    if collection not in contracts():
        return none
    rows = releases.collection_rows(store, release, collection)
    rows = rows[(rows["reform"] == reform) & rows["spend"].notna()]
    sums = _sums(rows, kind)
    cells = _cells_with_reform(asked)
    known = {cell: sums[cell] for cell in cells if cell in sums}
    return Spent(sum(known.values()) / len(known), 0.0, len(known), len(cells)) if known else none


def _sums(rows: pd.DataFrame, kind: str) -> dict[tuple[str, str], float]:
    """Spend by authority of today and period, over kinds of cost and terms."""
    sums: dict[tuple[str, str], float] = {}
    for code, term, pounds in rows[["authority", "period", "spend"]].itertuples(index=False, name=None):
        cell = (resolve(str(code), str(term)).authority or str(code), str(containing(parse(str(term)).start, kind)))
        sums[cell] = sums.get(cell, 0.0) + float(pounds)
    return sums


def _cells_with_reform(asked: Question) -> list[tuple[str, str]]:
    panel: Any = asked.panel
    return [
        (str(panel.units[unit]), str(panel.periods[at]))
        for unit in range(len(panel.units))
        for at in range(len(panel.periods))
        if panel.treated[unit] and at >= panel.cohort[unit] and panel.weights[0, unit, at] > 0
    ]
