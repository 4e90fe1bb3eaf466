"""From sums of cells to the rows of a return."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from data_contracts import Contract
from data_contracts.caseforms import CaseForm, Figure
from evaluation.cells import Cells
from pilots.casereturns.expressions import met, unknown

NOT_AVAILABLE = "x"
Key = tuple[str, ...]


class Figures:
    """Figures by authority and strata.

    Args:
        form: how figures are made.
        table: sums of what is linear; None where no row counts.
        others: what is not, by figure and by authority and strata.
    """

    def __init__(self, form: CaseForm, table: Cells | None, others: Mapping[str, Mapping[Key, float]]) -> None:
        self._others = others
        self._at: dict[Key, int] = {}
        self._rows: dict[str, Any] = {}
        self._sums: dict[str, Any] = {}
        if table is not None:
            names = ["authority", *[f"by_{name}" for name in form.strata]]
            keys = table.frame[names].itertuples(index=False, name=None)
            self._at = {tuple(map(str, key)): at for at, key in enumerate(keys)}
            self._rows = {name: table.rows(name) for name in table.recipe.outcomes}
            self._sums = {name: table.total(name) for name in table.recipe.outcomes}

    def text(self, figure: Figure, key: Key) -> str:
        """What stands in the return: a number, or a symbol where there is none."""
        at = self._at.get(key)
        if at is None or not self._sums[met(figure)][at]:
            return figure.none or "0"
        many = self._sums[met(figure)][at]
        if figure.unknown and self._sums[unknown(figure)][at]:
            return NOT_AVAILABLE
        if figure.way == "count":
            return _written(many, 0)
        if not figure.linear:
            # A number of different values is 0 where rows meet the conditions and none has a value; a median is not known then.
            value = self._others[figure.name].get(key, None if figure.way == "median" else 0.0)
            return NOT_AVAILABLE if value is None else _written(value, figure.decimals)
        # For a sum every row has its 0 at least; one that lacks its value makes the sum unknown.
        rows = self._rows[figure.name][at]
        if figure.way == "sum":
            whole = rows == self._rows[met(figure)][at]
            return _written(self._sums[figure.name][at], figure.decimals) if whole else NOT_AVAILABLE
        return _written(self._sums[figure.name][at] / rows, figure.decimals) if rows else NOT_AVAILABLE

    def unknown_where(self, figure: Figure, key: Key) -> bool:
        """Whether a row makes a figure unknown, met or not."""
        at = self._at.get(key)
        return bool(figure.unknown) and at is not None and bool(self._sums[unknown(figure)][at])


def return_csv(
    contract: Contract,
    form: CaseForm,
    figures: Figures,
    period: str,
    codes: Sequence[str],
    absent: Sequence[str],
    given: Mapping[tuple[str, str], str],
    notes: Mapping[str, str],
) -> str:
    """The return as CSV in the contract's columns: a row for each authority, and for each of its strata.

    Args:
        contract: of the return.
        form: of the cases.
        figures: what was made.
        period: the term.
        codes: authorities of the region.
        absent: those without a row in the file.
        given: figures that no case tells, by authority and column.
        notes: what the first row of each authority says beside its figures.
    """
    by_name = {figure.name: figure for figure in form.figures}
    held = io.StringIO()
    writer = csv.writer(held, lineterminator="\n")
    writer.writerow([column.name for column in contract.columns])
    for code in codes:
        for number, strata in enumerate(product(*[form.column(name).choices for name in form.strata])):
            key, own = (code, *strata), dict(zip(form.strata, strata, strict=True))
            row = {"authority": code, "period": period, "note": "" if number else notes[code], **own}
            for name, figure in by_name.items():
                unknown_here = code in absent or figures.unknown_where(figure, key)
                row[name] = NOT_AVAILABLE if unknown_here else figures.text(figure, key)
            row |= {name: given.get((code, name), NOT_AVAILABLE) for name in form.outside}
            writer.writerow([row[column.name] for column in contract.columns])
    return held.getvalue()


def totals_of(contract: Contract, form: CaseForm, text: str) -> dict[str, float]:
    """Sum over the return's rows of each column that is a sum or a count; what is a symbol adds nothing."""
    summed = [figure.name for figure in form.figures if figure.way in ("count", "sum")]
    rows = list(csv.DictReader(io.StringIO(text)))
    return {name: sum(float(row[name]) for row in rows if row[name] not in contract.missing_values) for name in summed}


def _written(value: float, decimals: int) -> str:
    """A number as text, halves rounded up as people do, without zeros that say nothing."""
    scaled = int(value * 10**decimals + 0.5 + 1e-9)
    text = f"{scaled / 10**decimals:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if decimals else text
