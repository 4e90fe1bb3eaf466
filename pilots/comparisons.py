"""A return beside what came before it: the last version, the last period, its totals, its gaps, and the figures it will give."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from data_contracts import Contract, load_contract
from pilots.access import Actor, check_actor_can
from pilots.catalogue import Outcome, outcomes
from pilots.decisions import reached
from pilots.errors import UserError
from pilots.figures import DENOMINATOR, NUMERATOR, returned_figures
from pilots.life import ACCEPTED, SIGNED_OFF, SUBMITTED
from pilots.periods import parse
from pilots.places import current_authorities, names
from pilots.storage import Store
from pilots.storage.submissions import stored_submission, stored_submissions
from pilots.tables import records
from pilots.targets import previous_submission, rows_of, target_of

DONE, MISSING = "done", "missing"
CHANGES = ["key", "column", "label", "before", "after", "change", "percent"]
_STANDING = (ACCEPTED, SIGNED_OFF, SUBMITTED)  # which version a new one is compared with: the first of these that there is


@dataclass(frozen=True)
class Difference:
    """How a return differs from another.

    Attributes:
        against: the other: reference of a submission.
        period: its period.
        added: keys that the other lacks, in words.
        removed: keys that only the other has.
        changes: one row a changed cell, largest moves first: key, column, label, before, after (as they stand, symbols too),
            change (numbers only) and percent (of the value before; missing where that is 0).
        same: number of cells that are the same.
    """

    against: str
    period: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changes: pd.DataFrame
    same: int

    def summary(self) -> str:
        """The difference in one sentence."""
        counts = f"{len(self.added):,} rows added, {len(self.removed):,} removed, {len(self.changes):,} cells changed"
        return f"Beside {self.against} ({self.period}): {counts}, {self.same:,} the same."

    def to_dict(self) -> dict[str, Any]:
        """The difference as plain JSON."""
        return {
            "against": self.against,
            "period": self.period,
            "added": list(self.added),
            "removed": list(self.removed),
            "changes": _records(self.changes),
            "same": self.same,
        }


@dataclass(frozen=True)
class Comparison:
    """A return beside what came before it.

    Attributes:
        version: against the version of the same return that stands; None where there is none.
        last: against the return of the last period; None where there is none.
        totals: one row a column that adds up: column, label, unit, now, version and last (missing where there is none), symbols
            (cells of this return with a symbol, which no total holds).
        coverage: one row an authority: authority, name, then for each measure `done`, `missing`, or what stands there.
        preview: one row an outcome and authority, as the evaluator will see it: outcome, label, unit, authority, name, numerator,
            denominator, figure (missing where it cannot be made), last (of the last period).
    """

    version: Difference | None
    last: Difference | None
    totals: pd.DataFrame
    coverage: pd.DataFrame
    preview: pd.DataFrame

    def to_dict(self) -> dict[str, Any]:
        """The comparison as plain JSON."""
        return {
            "version": None if self.version is None else self.version.to_dict(),
            "last": None if self.last is None else self.last.to_dict(),
            "totals": _records(self.totals),
            "coverage": _records(self.coverage),
            "preview": _records(self.preview),
        }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return records(table.astype(object).where(table.notna(), None))


def compare_rows(store: Store, actor: Actor, collection: str, region: str, period: str, rows: pd.DataFrame) -> Comparison:
    """Set the rows of a checked file beside what came before, before it is submitted.

    Args:
        store: where to look.
        actor: a lead of the region, an evaluator or an administrator.
        collection: what is asked for.
        region: code of the region (E12…).
        period: as the collection has it.
        rows: `Report.rows` of a check without errors.

    Raises:
        NotAllowed: the actor may not read returns of this region.
        UserError: there is no such collection, region or period.
    """
    check_actor_can(actor, "read_returns", region)
    target = target_of(collection, region, period)
    with store.read() as connection:
        versions = stored_submissions(connection, collection=collection, region=region, period=target.period)
    standing = [one for status in _STANDING for one in versions if one["status"] == status]
    return _compared(store, target.contract, rows, region, target.period, standing[0] if standing else None)


def compare_submission(store: Store, actor: Actor, reference: str) -> Comparison:
    """Set a submission beside the version whose place it takes, and beside the last period.

    Raises:
        NotAllowed: the actor may not read it.
        UserError: there is no such submission.
    """
    row = reached(store, actor, "read_returns", reference)
    with store.read() as connection:
        before = stored_submission(connection, row["supersedes"]) if row["supersedes"] else None
    contract = load_contract(row["collection"], row["contract_version"])
    return _compared(store, contract, rows_of(store, row), row["region"], row["period"], before)


def _compared(
    store: Store, contract: Contract, rows: pd.DataFrame, region: str, period: str, before: dict[str, Any] | None
) -> Comparison:
    earlier = previous_submission(store, target_of(contract.name, region, period))
    version_rows = None if before is None else rows_of(store, before)
    last_rows = None if earlier is None else rows_of(store, earlier)
    return Comparison(
        None if before is None or version_rows is None else difference(contract, version_rows, rows, before["reference"], period),
        None
        if earlier is None or last_rows is None
        else difference(contract, last_rows, rows, earlier["reference"], earlier["period"]),
        totals(contract, rows, version_rows, last_rows),
        coverage(contract, rows, region, period),
        preview(contract.name, rows, last_rows),
    )


def difference(contract: Contract, before: pd.DataFrame, after: pd.DataFrame, against: str, period: str) -> Difference:
    """How two sets of typed rows of one collection differ; rows are matched by the contract's key, the period left out.

    Args:
        contract: of the rows after.
        before: typed rows; columns that it lacks are not compared.
        after: typed rows.
        against: what the rows before are, for the reader.
        period: of the rows before.
    """
    when = contract.with_role("period")
    key = [name for name in contract.key if when is None or name != when.name]
    columns = [column for column in contract.columns if column.name not in contract.key and column.name in before.columns]
    old, new = _by_key(before, key), _by_key(after, key)
    both = [found for found in new if found in old]
    changes, same = [], 0
    for column in columns:
        then, now = _texts(before, column.name), _texts(after, column.name)
        for found in both:
            if then[old[found]] == now[new[found]]:
                same += 1
            else:
                numbers = _moved(before, after, column.name, old[found], new[found]) if column.is_number else (None, None)
                changes.append([_in_words(found), column.name, column.label, then[old[found]], now[new[found]], *numbers])
    table = pd.DataFrame(changes, columns=CHANGES).astype({"change": "Float64", "percent": "Float64"})
    order = table["percent"].abs().fillna(float("inf")).where(table["change"].notna(), -1.0).astype(float)
    table = table.iloc[order.sort_values(ascending=False, kind="stable").index].reset_index(drop=True)
    added = tuple(_in_words(found) for found in new if found not in old)
    return Difference(against, period, added, tuple(_in_words(found) for found in old if found not in new), table, same)


def _by_key(rows: pd.DataFrame, key: Sequence[str]) -> dict[tuple[str, ...], int]:
    cells = [rows[name].astype(str) for name in key]
    return {found: place for place, found in enumerate(zip(*cells, strict=True))}


def _in_words(key: tuple[str, ...]) -> str:
    known = names()
    return ", ".join(f"{known[part]} ({part})" if part in known else part for part in key)


def _texts(rows: pd.DataFrame, column: str) -> list[str]:
    """The cells as they would stand in the file: symbols where they do."""
    marks = rows[f"{column}__symbol"] if f"{column}__symbol" in rows.columns else [None] * len(rows)
    values = rows[column].astype(object)
    return [str(mark) if isinstance(mark, str) else _text(value) for value, mark in zip(values, marks, strict=True)]


def _text(value: Any) -> str:
    if value is None or pd.isna(value):
        return ""
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _moved(before: pd.DataFrame, after: pd.DataFrame, column: str, old: int, new: int) -> tuple[float | None, float | None]:
    """The change of a number, and in per cent of the one before."""
    then, now = before[column].iloc[old], after[column].iloc[new]
    if pd.isna(then) or pd.isna(now):
        return None, None
    change = float(now) - float(then)
    return change, (100 * change / abs(float(then)) if then else None)


def totals(contract: Contract, rows: pd.DataFrame, version: pd.DataFrame | None, last: pd.DataFrame | None) -> pd.DataFrame:
    """Totals of the columns that add up (whole numbers and pounds), beside those of the other returns."""
    found = []
    for column in contract.columns:
        if not column.measure or not (column.type == "integer" or "£" in column.unit):
            continue
        marks = rows[f"{column.name}__symbol"].notna().sum() if f"{column.name}__symbol" in rows.columns else 0
        sums = [
            None if one is None or column.name not in one.columns else _sum(one[column.name]) for one in (rows, version, last)
        ]
        found.append([column.name, column.label, column.unit, *sums, int(marks)])
    return pd.DataFrame(found, columns=["column", "label", "unit", "now", "version", "last", "symbols"])


def _sum(values: pd.Series) -> float | int | None:
    total = values.sum(min_count=1)
    if pd.isna(total):
        return None
    return int(total) if float(total).is_integer() else float(total)


def coverage(contract: Contract, rows: pd.DataFrame, region: str, period: str) -> pd.DataFrame:
    """What each authority of the region has given for each measure; empty where rows are of no authority."""
    place = contract.with_role("authority")
    if place is None:
        return pd.DataFrame(columns=["authority", "name"])
    known = current_authorities(parse(period).end)
    expected = known.loc[known["region"] == region, "authority"].tolist()
    codes = sorted({*rows[place.name].astype(str), *(expected if contract.coverage == "region" else [])})
    measures = [column for column in contract.columns if column.measure]
    shown = names()
    table = [
        [code, shown.get(code, code), *(_given(rows[rows[place.name] == code], column.name, contract) for column in measures)]
        for code in codes
    ]
    return pd.DataFrame(table, columns=["authority", "name", *(column.label for column in measures)])


def _given(rows: pd.DataFrame, column: str, contract: Contract) -> str:
    """`done`, `missing`, or the symbols that stand in place of values, with what they mean."""
    texts = _texts(rows, column)
    if not any(texts):
        return MISSING
    marks = sorted({text for text in texts if text in contract.missing_values})
    words = [f"{mark}: {contract.missing_values[mark]}" for mark in marks] + ([MISSING] if not all(texts) else [])
    part = "in part " if words and any(text and text not in contract.missing_values for text in texts) else ""
    return part + ", ".join(words) if words else DONE


def preview(collection: str, rows: pd.DataFrame, last: pd.DataFrame | None) -> pd.DataFrame:
    """The figures that these rows give, made just as an evaluation makes them, beside those of the last period."""
    found = []
    for outcome in outcomes():
        if outcome.source == collection:
            now, then = _figures(rows, outcome), {} if last is None else _figures(last, outcome)
            for code, (top, bottom, figure) in now.items():
                before = then.get(code, (None, None, None))[2]
                words = [outcome.id, outcome.label, outcome.unit, code, names().get(code, code)]
                found.append([*words, top, bottom, figure, before])
    columns = ["outcome", "label", "unit", "authority", "name", "numerator", "denominator", "figure", "last"]
    table = pd.DataFrame(found, columns=columns)
    return table.astype(dict.fromkeys(columns[5:], "Float64"))


def _figures(rows: pd.DataFrame, outcome: Outcome) -> dict[str, tuple[float | None, float | None, float | None]]:
    """Numerator, denominator and figure by authority; strata are added up, and one that is missing leaves all missing."""
    try:
        table = returned_figures(rows, outcome).rows
    except UserError:
        return {}  # a last period without the outcome's strata has no figure to set beside this one
    found: dict[str, tuple[float | None, float | None, float | None]] = {}
    for code, group in table.groupby("authority", sort=True):
        top = group[NUMERATOR].sum(skipna=False)
        bottom = group[DENOMINATOR].sum(skipna=False) if outcome.denominator else None
        made = not pd.isna(top) and (bottom is None or (not pd.isna(bottom) and bottom != 0))
        figure = outcome.scale * top / (1.0 if bottom is None else bottom) if made else None
        found[str(code)] = (_or_none(top), _or_none(bottom), figure)
    return found


def _or_none(value: float | None) -> float | None:
    return None if value is None or pd.isna(value) else float(value)


def gaps(table: pd.DataFrame) -> pd.DataFrame:
    """The table of coverage folded for a narrow screen: each authority with what it lacks.

    Returns:
        One row an authority: Local authority, Given (`9 of 10`), Missing and Symbol in place of a number (labels of measures,
        with symbols). Measures that nobody has given (`given_by_nobody`) are left out: they say the same of each.
    """
    nobody = given_by_nobody(table)
    measures = [label for label in table.columns[2:] if label not in nobody]
    found = []
    for row in table.to_dict("records"):
        missing = [label for label in measures if MISSING in row[label]]
        marked = [f"{label} ({row[label]})" for label in measures if row[label] != DONE and MISSING not in row[label]]
        given = f"{len(measures) - len(missing) - len(marked)} of {len(measures)}"
        lacking = "everything" if missing == measures else "; ".join(missing)
        found.append([row["name"], given, lacking, "; ".join(marked)])
    return pd.DataFrame(found, columns=["Local authority", "Given", "Missing", "Symbol in place of a number"])


def given_by_nobody(table: pd.DataFrame) -> list[str]:
    """Measures of a table of coverage that are missing for each authority."""
    return [label for label in table.columns[2:] if table[label].eq(MISSING).all()]
