"""Rows of a collection that some authorities send for some periods: where they stand, and their text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from data_contracts import load_contract
from pilots.demonstration.design import codes_at, places, terms
from pilots.demonstration.files import Table

# Two years of each kind, with the term at whose end a year's code is that of its end: the numbers of terms.
YEARS: dict[str, tuple[int, ...]] = {"financial year": (13, 16), "academic year": (14, 17)}
_LABELS = {"financial year": ("2023-24", "2024-25"), "academic year": ("2023/24", "2024/25")}


@dataclass(frozen=True, eq=False)
class Grid:
    """Where R rows stand, ordered by region, period, authority, school and kind.

    Attributes:
        authority, term: numbers of the authority of today and of the term.
        kind, names: number and name of the kind of row.
        school: number of the school in its authority.
        year: 0 or 1, of collections by year.
        period: label of each row's period.
    """

    authority: np.ndarray
    term: np.ndarray
    kind: np.ndarray
    names: np.ndarray
    school: np.ndarray
    year: np.ndarray
    period: np.ndarray


def grid(
    numbers: Sequence[int],
    kinds: Sequence[str] = ("",),
    *,
    regions: Sequence[str] | None = None,
    only: Sequence[str] | None = None,
    partners: bool = False,
    each: int = 1,
    kind: str = "term",
) -> Grid:
    """The rows of a collection.

    Args:
        numbers: of the terms; of years, those of `YEARS`.
        kinds: names of the rows that each authority (or school) has.
        regions: those that send; None for all.
        only: the authorities that send; None for all.
        partners: whether only those of the programme send.
        each: schools of an authority.
        kind: of the periods.
    """
    where = places()
    mine = np.ones(len(where.codes), bool)
    if regions is not None:
        mine &= np.isin(where.regions, regions)
    if only is not None:
        mine &= np.isin(where.codes, only)
    if partners:
        mine &= where.partner
    shape = (int(mine.sum()), len(numbers), each, len(kinds))
    authority, at, school, row = (one.ravel() for one in np.indices(shape))
    authority = np.flatnonzero(mine)[authority]
    order = np.lexsort((row, school, authority, at, where.region[authority]))
    authority, at, school, row = authority[order], at[order], school[order], row[order]
    term = np.array(numbers)[at]
    labels = np.array(terms(), dtype=object)[term] if kind == "term" else np.array(_LABELS[kind], dtype=object)[at]
    return Grid(authority, term, row, np.array(kinds, dtype=object)[row], school, at, labels)


def table_of(collection: str, at: Grid, given: Mapping[str, np.ndarray]) -> Table:
    """The table of a collection: numbers as text, `z` where there is none; columns that are not given stay empty.

    Args:
        collection: its name.
        at: where the rows stand.
        given: values by column; text columns as arrays of objects.
    """
    where, (codes, _) = places(), codes_at()
    cells: dict[str, np.ndarray] = {}
    values: dict[str, np.ndarray] = {}
    own = {"authority": codes[at.authority, at.term], "period": at.period}
    for column in load_contract(collection).columns:
        value = {**own, **given}.get(column.name)
        if value is None:
            value = np.full(len(at.period), "", dtype=object)
        if value.dtype != object:
            values[column.name] = value.astype(float)
            value = _texts(value)
        cells[column.name] = value
    region = np.array(where.regions, dtype=object)[at.authority]
    return Table(collection, region, np.array(where.codes, dtype=object)[at.authority], at.period, cells, values, {})


def _texts(value: np.ndarray) -> np.ndarray:
    """Numbers as text, whole ones without a point."""
    if np.issubdtype(value.dtype, np.integer):
        return np.asarray(value.astype(str).astype(object))
    return np.array(["z" if np.isnan(one) else f"{one:g}" for one in value], dtype=object)
