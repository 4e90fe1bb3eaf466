"""The figures of outcomes as a release has them, published or returned, under the codes of today."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from data_contracts import contracts, load_contract
from evaluation.cells import Cells, cells
from pilots import releases
from pilots.catalogue import Outcome, publications
from pilots.errors import UserError
from pilots.forecasts import CAME, EXPECTED, held_against
from pilots.frozen import Data, once, vintage_values
from pilots.periods import ordered
from pilots.places import resolve
from pilots.published import counting
from pilots.releases import Release
from pilots.storage.base import canonical_json

NUMERATOR, DENOMINATOR = "numerator", "denominator"
ROWS = "rows"  # a measure that every collection has: each row of a return is one
COUNTED = "in the numerator"
AUTHORITY, SCHOOL = "authority", "school"  # who is observed


@dataclass(frozen=True)
class Source:
    """The figures of one outcome in a release.

    Attributes:
        rows: authority, period, numerator and denominator (one row a stratum), and school where these are observed; missing where
            a symbol stands or nothing came.
        symbols: authority (or school), period, symbol of the cells in which a symbol stands in place of a figure.
        notices: what was left out on the way, in plain words.
        late: days by which the return of a cell came late, by authority (or school) and period; only of those that did.
    """

    rows: pd.DataFrame
    symbols: pd.DataFrame
    notices: tuple[str, ...] = ()
    late: Mapping[tuple[str, str], int] = field(default_factory=dict)

    @cached_property
    def lines(self) -> pd.Series:
        """The rows as canonical JSON, sorted, under the index of `rows`."""
        return lines_of(self.rows)

    @cached_property
    def cells(self) -> Cells:
        """Sums of the rows by authority (or school) and period; those of what is asked are among them."""
        unit = SCHOOL if SCHOOL in self.rows else AUTHORITY
        return cells(self.rows, unit=unit, period="period", outcomes=self.parts, cross=False, pivots=0.0)

    @cached_property
    def cell_of(self) -> pd.Series:
        """Position of each row's cell among `cells`, under the index of `rows`."""
        return self.rows.groupby([self.cells.unit, self.cells.period], sort=True).ngroup()

    def cells_of(self, rows: pd.DataFrame) -> Cells:
        """The cells that some of the rows are of."""
        mine = np.unique(self.cell_of.loc[rows.index])
        return Cells(self.cells.frame.iloc[mine].reset_index(drop=True), self.cells.recipe, self.cells.pivots)

    @property
    def parts(self) -> list[str]:
        """The columns that the outcome is made of."""
        return [name for name in (NUMERATOR, DENOMINATOR) if name in self.rows]


def figures(store: Data, release: Release, outcome: Outcome, unit: str = AUTHORITY) -> Source:
    """The figures that a release has for an outcome, by authority or by school.

    Raises:
        UserError: the release has none of them; the message says what to import or wait for.
    """
    if unit == SCHOOL and not by_school(outcome):
        raise UserError(f"{outcome.label} is known of authorities and not of schools. Take unit out of the plan.")
    if outcome.source in publications():
        return once(store, ("figures", release.id, outcome.id), lambda: _published(store, release, outcome))
    if outcome.source in contracts():
        return once(store, ("figures", release.id, outcome.id, unit), lambda: _returned(store, release, outcome, unit))
    raise UserError(
        f"{outcome.label} comes from “{outcome.source}”, which is neither a publication nor a collection of this platform."
    )


def by_school(outcome: Outcome) -> bool:
    """Whether an outcome comes from returns that have a row a school."""
    return outcome.source in contracts() and load_contract(outcome.source).with_role(SCHOOL) is not None


def _published(store: Data, release: Release, outcome: Outcome) -> Source:
    references = releases.vintage_references(release, outcome.source)
    if not references:
        raise UserError(
            f"Release {release.name} has no published figures for {outcome.label}. Import {outcome.source} "
            "(pilots import-ees FILE.zip, or pilots import-lait FILE), then make a new release."
        )
    measures = list(dict.fromkeys([*outcome.numerator, *outcome.denominator]))
    values = counting(vintage_values(store, references, measures))
    if values.empty:
        raise UserError(
            f"The published figures in release {release.name} do not have {', '.join(measures)}. Import a release that does."
        )
    wide = values.pivot(index=["authority", "period"], columns="measure", values="value").reindex(columns=measures)
    marks = values[values["symbol"].notna()].drop_duplicates(["authority", "period"])[["authority", "period", "symbol"]]
    mixed = values.groupby("period")["reference"].nunique()
    mixed_periods = ordered(mixed.index[mixed > 1])
    wide = wide[~wide.index.get_level_values("period").isin(mixed_periods)]
    notices = [f"{period}: the parts of this rate come from different editions. Left out." for period in mixed_periods]
    return Source(_ratio(wide.reset_index(), outcome), marks.reset_index(drop=True), tuple(notices))


def _returned(store: Data, release: Release, outcome: Outcome, unit: str) -> Source:
    rows = releases.collection_rows(store, release, outcome.source)
    if rows.empty:
        raise UserError(
            f"Release {release.name} has no accepted returns of {outcome.source}, so there is nothing on {outcome.label}. "
            "Have the returns signed and accepted, then make a new release."
        )
    return returned_figures(rows, outcome, _late_days(release, outcome.source), unit)


def returned_figures(
    rows: pd.DataFrame, outcome: Outcome, late_days: Mapping[tuple[str, str], int] | None = None, unit: str = AUTHORITY
) -> Source:
    """The figures that typed rows of a collection give for an outcome.

    Args:
        rows: as `Report.rows` has them, of one return or of several.
        outcome: one whose source is the collection.
        late_days: days by which returns came late, by region and period; the rows then have a column `region`.
        unit: `authority` or, of collections by school, `school`.

    Raises:
        UserError: the collection has no such measure, or no rows of the outcome's strata.
    """
    contract = load_contract(outcome.source)
    column_of = {measure: column for column, measure in contract.measures.items()}
    wanted = [name for name in dict.fromkeys([*outcome.numerator, *outcome.denominator]) if name != ROWS]
    absent = [measure for measure in wanted if measure not in column_of]
    if absent:
        raise UserError(
            f"The collection {outcome.source} has no measure “{absent[0]}”. Correct the outcome {outcome.id} in the catalogue."
        )
    rows = rows[_in_strata(rows, contract.strata, outcome.strata)]
    if outcome.forecast is not None:
        return _forecast_errors(rows, outcome, column_of[wanted[0]])
    # Returns made to an earlier version of the contract may lack a column that came later.
    rows = rows.reindex(columns=list(dict.fromkeys([*rows.columns, *(column_of[measure] for measure in wanted)])))
    # Plain strings here and below: what follows looks single labels up over and over, which Arrow does slowly.
    table = rows[["authority", "period"]].astype(object)
    school = contract.with_role(SCHOOL)
    if unit == SCHOOL and school is not None:
        table[SCHOOL] = rows[school.name].astype(str).astype(object)
    table[ROWS] = 1.0
    for measure in wanted:
        table[measure] = rows[column_of[measure]].astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    if outcome.numerator_strata:
        table[COUNTED] = _in_strata(rows, contract.strata, outcome.numerator_strata, needed=False).to_numpy()
    marked = [name for name in (f"{column_of[measure]}__symbol" for measure in wanted) if name in rows]
    table["symbol"] = rows[marked].bfill(axis=1).iloc[:, 0] if marked else None
    days = late_days or {}
    table["late"] = [days.get(key, 0) for key in zip(rows["region"], table["period"], strict=True)] if days else 0
    table, notices = _todays_codes(table.reset_index(drop=True))
    marks = table.loc[table["symbol"].notna(), [unit, "period", "symbol"]].drop_duplicates([unit, "period"])
    late = table.loc[table["late"] > 0, [unit, "period", "late"]].itertuples(index=False, name=None)
    by_cell = {(str(who), str(period)): int(count) for who, period, count in late}
    return Source(_ratio(table, outcome), marks.reset_index(drop=True), notices, by_cell)


def _forecast_errors(rows: pd.DataFrame, about: Outcome, column: str) -> Source:
    """By how much forecasts were off, as parts of a rate: what each figure was off by, over what came."""
    if about.forecast is None:
        raise RuntimeError(f"{about.id} is no forecast")
    today, notices = _todays_codes(rows.astype({"authority": str, "period": str}))
    table = held_against(today, about.forecast, column)
    came, expected = (table[name].astype("Float64").to_numpy(dtype=float, na_value=np.nan) for name in (CAME, EXPECTED))
    out = table[["authority", "period"]].assign(**{NUMERATOR: np.abs(came - expected), DENOMINATOR: came})
    return Source(out, pd.DataFrame(columns=["authority", "period", "symbol"]), notices)


def _late_days(release: Release, collection: str) -> dict[tuple[str, str], int]:
    """Days by which each return of a collection came late, by region and period; an older release does not know."""
    mine = [one for one in release.submissions if one["collection"] == collection]
    return {(one["region"], one["period"]): one.get("late_days") or 0 for one in mine}


def _in_strata(rows: pd.DataFrame, columns: Sequence[str], wanted: Sequence[str], needed: bool = True) -> pd.Series:
    """Which rows are of the strata wanted, named like “tier 3”: of any that one column has, and so for each column named."""
    keep = pd.Series(True, rows.index)
    if not wanted:
        return keep
    words = {name: name + " " + rows[name].astype(str) for name in columns}
    for name in columns:
        mine = [one for one in wanted if one.startswith(f"{name} ")]
        if mine:
            keep &= words[name].isin(mine)
    if needed and not keep.any():
        there = sorted({word for column in words.values() for word in column})
        raise UserError(f"None of the rows is of {', '.join(wanted)}. The rows are of: {', '.join(there)}.")
    return keep


def _todays_codes(table: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Rows under the codes of today; those of areas that were divided are left out, with a notice."""
    pairs = list(zip(table["authority"], table["period"], strict=True))
    found = {pair: resolve(*pair) for pair in set(pairs)}
    notices = sorted({one.message for one in found.values() if one.authority is None})
    kept = table.assign(authority=pd.Series([found[pair].authority for pair in pairs], table.index, dtype=object))
    return kept[kept["authority"].notna()].reset_index(drop=True), tuple(notices)


def _ratio(table: pd.DataFrame, outcome: Outcome) -> pd.DataFrame:
    """Numerator and denominator of each row; missing where any of their parts is."""
    out = table[["authority", "period", *([SCHOOL] if SCHOOL in table else [])]].astype(object)
    out[NUMERATOR] = table[list(outcome.numerator)].sum(axis=1, skipna=False)
    if COUNTED in table:
        out[NUMERATOR] = out[NUMERATOR].where(table[COUNTED].astype(bool), 0.0)
    if outcome.denominator:
        out[DENOMINATOR] = table[list(outcome.denominator)].sum(axis=1, skipna=False)
        both = out[NUMERATOR].notna() & out[DENOMINATOR].notna()
        out.loc[~both, [NUMERATOR, DENOMINATOR]] = np.nan
    return out


def lines_of(table: pd.DataFrame) -> pd.Series:
    """The rows as canonical JSON under the table's index, sorted: in a fixed order whatever the order in which they came."""
    rows = list(zip(*(_plain(column) for _, column in table.items()), strict=True))
    # All in one go is three times as fast, and can be taken apart where no text looks like the end of a row.
    texts = canonical_json(rows)[2:-2].split("],[")
    lines = [f"[{text}]" for text in texts] if len(texts) == len(rows) else [canonical_json(row) for row in rows]
    order = sorted(range(len(lines)), key=lines.__getitem__)
    return pd.Series([lines[at] for at in order], table.index[order], dtype=object)


def _plain(column: pd.Series) -> list[Any]:
    """The values as JSON has them, None where they are missing."""
    gone = column.isna().to_numpy()
    return (
        [None if missing else value for value, missing in zip(column.tolist(), gone, strict=True)]
        if gone.any()
        else column.tolist()
    )
