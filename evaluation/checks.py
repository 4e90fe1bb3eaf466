"""Checks of a panel's input: each refuses by name, saying what is wrong, where, and what to do."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from evaluation.errors import PanelError

NEVER = int(np.iinfo(np.int32).max)


def check_numeric(rows: pd.DataFrame, names: Sequence[str]) -> None:
    """Refuse columns that are not numbers."""
    for name in names:
        if not (pd.api.types.is_numeric_dtype(rows[name])):
            raise PanelError(f"Column {name!r} is not numeric. Convert it to numbers, with missing values as empty.")


def check_outcomes(outcomes: Sequence[str]) -> None:
    """Refuse no outcome, and one named twice."""
    if not outcomes:
        raise PanelError("No outcome is named. Name at least one column.")
    twice = [name for at, name in enumerate(outcomes) if name in outcomes[:at]]
    if twice:
        raise PanelError(f"Outcome {twice[0]!r} is named twice. Name each once.")


def check_keys(rows: pd.DataFrame, unit: str, period: str) -> None:
    """Refuse rows without a unit or a period."""
    for name in (unit, period):
        if bool(rows[name].isna().any()):
            where = int(np.flatnonzero(rows[name].isna())[0]) + 1
            raise PanelError(f"Column {name!r} is missing in row {where}. Give every row a {name}, or leave the row out.")


def check_duplicates(rows: pd.DataFrame, unit: str, period: str) -> None:
    """Refuse two rows for one unit and period."""
    if _ascending(rows[unit], rows[period]):
        return
    twice = rows.duplicated([unit, period])
    if bool(twice.any()):
        at = int(twice.to_numpy().argmax())
        who, when = (rows[name].tolist()[at] for name in (unit, period))
        raise PanelError(
            f"Duplicate cells: {unit} {who!r} has more than one row for {period} {when!r} "
            f"({int(twice.sum())} rows too many in all). Keep one row for each, or make cells first: evaluation.cells.cells."
        )


def _ascending(unit: pd.Series, period: pd.Series) -> bool:
    """Whether each row comes after the one before, by unit and period, as in a sorted file of whole numbers: none comes twice."""
    if not all(isinstance(one.dtype, np.dtype) and one.dtype.kind in "iu" for one in (unit, period)):
        return False
    who, when = unit.to_numpy(), period.to_numpy()
    return bool(((who[1:] > who[:-1]) | ((who[1:] == who[:-1]) & (when[1:] > when[:-1]))).all())


def check_finite(rows: pd.DataFrame, unit: str, period: str, outcomes: Sequence[str], weight: str | None) -> None:
    """Refuse infinite outcomes and weights, row by row, before anything is added up."""
    for name in (*outcomes, *([weight] if weight else [])):
        infinite = np.isinf(rows[name].to_numpy(float, na_value=np.nan))
        if not infinite.any():
            continue
        who, when = (rows[key].tolist()[int(infinite.argmax())] for key in (unit, period))
        where = f"for {who!r} in {when!r} ({int(infinite.sum())} cells in all)"
        if name == weight:
            raise PanelError(f"Weight {name!r} is negative or infinite {where}. Correct it.")
        raise PanelError(f"Outcome {name!r} is infinite {where}. Make it missing, or correct the denominator.")


def order_periods(
    rows: pd.DataFrame, period: str, periods: Sequence[Any] | None
) -> tuple[pd.DataFrame, tuple[Any, ...], list[str]]:
    """The order of periods, and the rows that fall in it."""
    present = sorted(rows[period].unique().tolist())
    if periods is None:
        order, notices = tuple(present), []
    else:
        order = tuple(periods)
        if len(set(order)) != len(order):
            raise PanelError("periods= names a period twice. Name each once, in order.")
        outside = [p for p in present if p not in set(order)]
        notices = [f"Periods left out because periods= does not name them: {', '.join(map(str, outside))}."] if outside else []
        rows = rows[rows[period].isin(order)]
        if rows.empty:
            raise PanelError(f"No row has a period named in periods=. The data have: {', '.join(map(str, present))}.")
    if len(order) < 2:
        raise PanelError(f"There is one period only ({order[0]}). A change needs at least two.")
    return rows, order, notices


def one_row_each(rows: pd.DataFrame, unit: str, first_treated: str, attributes: Sequence[str]) -> pd.DataFrame:
    """What must not change within a unit, one row for each, indexed by unit in sorted order."""
    who = pd.factorize(rows[unit])[0]
    first = np.flatnonzero(np.r_[True, np.maximum.accumulate(who)[:-1] < who[1:]])
    starts, codes = _starts(rows[first_treated])
    for name, words in [(first_treated, "change cohort"), *[(a, f"change {a}") for a in attributes]]:
        code = codes if name == first_treated else pd.factorize(rows[name], use_na_sentinel=False)[0]
        changed = code != code[first][who]
        if changed.any():
            units = sorted(rows[unit].iloc[first].iloc[np.unique(who[changed])].tolist())
            advice = "A unit starts once" if name == first_treated else "A cluster must hold whole units"
            raise PanelError(
                f"{len(units)} units {words}: {name!r} differs within {unit} {units[0]!r}. {advice}: give one value a unit."
            )
    for name in attributes:
        if bool(rows[name].isna().any()):
            without = rows[unit].tolist()[int(np.flatnonzero(rows[name].isna())[0])]
            raise PanelError(f"Column {name!r} is missing for {unit} {without!r}. Give every unit a {name}.")
    return rows.iloc[first].assign(**{first_treated: starts[first]}).set_index(unit).sort_index()


def _starts(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """The column with None for never, and a code for each different value; each is read once, since there are few of them."""
    codes, labels = pd.factorize(column, use_na_sentinel=False)
    read = np.empty(len(labels), object)
    read[:] = [_never_is_none(label) for label in labels]
    return read[codes], pd.factorize(read, use_na_sentinel=False)[0][codes]


def _never_is_none(value: Any) -> Any:
    if value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return None
    if isinstance(value, float) and np.isinf(value):
        raise PanelError("The first treated period is infinite. Use 0 or leave it empty for a unit that is never treated.")
    text = str(value).strip()
    if text in ("0", "0.0", ""):
        return None
    return int(value) if isinstance(value, float) and value == int(value) else value


def check_units_known(have: pd.Series, known: pd.Series, unit: str) -> None:
    """Refuse cells of units that the treatment table does not have."""
    missing = sorted(set(have.unique().tolist()) - set(known.unique().tolist()))
    if missing:
        raise PanelError(
            f"{len(missing)} units of the cells are not in the treatment table, first {missing[0]!r}. Add a row for each {unit}."
        )


def check_values(values: np.ndarray, outcomes: Sequence[str], units: Sequence[Any], periods: Sequence[Any]) -> None:
    """Refuse infinite and all-missing outcomes."""
    for at, name in enumerate(outcomes):
        _check_finite(f"Outcome {name!r}", values[at], units, periods)
        if np.isnan(values[at]).all():
            raise PanelError(f"Outcome {name!r} is missing in every cell. Check the column, or leave the outcome out.")


def check_covariates(covariates: Sequence[str]) -> None:
    """Refuse a covariate named twice."""
    twice = [name for at, name in enumerate(covariates) if name in covariates[:at]]
    if twice:
        raise PanelError(f"Covariate {twice[0]!r} is named twice. Name each once.")


def check_covariate_values(values: np.ndarray, names: Sequence[str], units: Sequence[Any], periods: Sequence[Any]) -> None:
    """Refuse infinite and all-missing covariates (C × N × T)."""
    for name, one in zip(names, values, strict=True):
        _check_finite(f"Covariate {name!r}", one, units, periods)
        if np.isnan(one).all():
            raise PanelError(f"Covariate {name!r} is missing in every cell. Check the column, or leave the covariate out.")


def check_intensity(intensity: np.ndarray, cohort: np.ndarray, name: str, units: Sequence[Any], periods: Sequence[Any]) -> None:
    """Refuse intensity (N × T) that is infinite, negative, or above 0 before the unit's first treated period (N)."""
    _check_finite(f"Intensity {name!r}", intensity, units, periods)
    before = np.arange(len(periods))[None, :] < cohort[:, None]
    wrong = {
        "is negative": (intensity < 0, "Intensity is 0 without the reform and above 0 with it: correct it"),
        "is above 0 before the first treated period": (
            before & (intensity > 0),
            "Correct the intensity, or let the unit start earlier",
        ),
    }
    for words, (cells, advice) in wrong.items():
        bad = np.argwhere(cells)
        if len(bad):
            i, t = bad[0]
            raise PanelError(
                f"Intensity {name!r} {words} for {units[i]!r} in {periods[t]!r} ({len(bad)} cells in all). {advice}."
            )


def eligibility(values: np.ndarray, name: str, units: Sequence[Any]) -> np.ndarray:
    """One boolean a unit from 0 and 1 in its cells (N × T, NaN where it has none); refuse anything else, and changes."""
    other = np.argwhere(~(np.isnan(values) | np.isin(values, (0, 1))))
    if len(other):
        i, t = other[0]
        raise PanelError(f"Column {name!r} is {values[i, t]:g} for {units[i]!r}. Eligible is 1, not eligible 0: nothing else.")
    none = np.isnan(values).all(axis=1)
    if none.any():
        raise PanelError(f"Column {name!r} is missing for {units[int(none.argmax())]!r}. Give every unit 0 or 1.")
    least, most = np.nanmin(values, axis=1), np.nanmax(values, axis=1)
    if (least < most).any():
        raise PanelError(
            f"Column {name!r} changes within {units[int((least < most).argmax())]!r}. Give one value a unit: who is eligible "
            "must not change, so make a unit of each kind."
        )
    return np.asarray(most == 1)


def _check_finite(what: str, values: np.ndarray, units: Sequence[Any], periods: Sequence[Any]) -> None:
    infinite = np.argwhere(np.isinf(values))
    if len(infinite):
        i, t = infinite[0]
        raise PanelError(
            f"{what} is infinite for {units[i]!r} in {periods[t]!r} ({len(infinite)} cells in all). Correct it or leave it empty."
        )


def check_weights(
    weights: np.ndarray, values: np.ndarray, units: Sequence[Any], periods: Sequence[Any], name: str | None, notices: list[str]
) -> np.ndarray:
    """Refuse negative and infinite weights; a cell without a weight is missing, and said to be."""
    seen = ~np.isnan(values)
    bad = np.argwhere(seen & ((weights < 0) | np.isinf(weights)))
    if len(bad):
        _, i, t = bad[0]
        raise PanelError(
            f"Weight {name!r} is negative or infinite for {units[i]!r} in {periods[t]!r} ({len(bad)} cells in all). Correct it."
        )
    without = int((seen & ~(weights > 0)).sum())
    if without and without == int(seen.sum()):
        raise PanelError(f"No cell with an outcome has a weight above 0 in {name!r}. Check the column, or leave it out.")
    if without:
        notices.append(f"{without} cells with an outcome but no weight ({name}) count as missing.")
    return np.nan_to_num(weights)


def cohort_positions(first: pd.Series, order: Sequence[Any], notices: list[str]) -> np.ndarray:
    """Position of each unit's first treated period; later than the window is never treated within it."""
    position = {label: at for at, label in enumerate(order)}
    codes, labels = pd.factorize(first, use_na_sentinel=False)
    out, between = np.full(len(labels), NEVER), {}
    for at, given in enumerate(labels.tolist()):
        label = _never_is_none(given)
        if label is None:
            continue
        out[at] = position[label] if label in position else _between(label, order)
        if label not in position and 0 < out[at] < len(order):
            between[label] = order[out[at]]
    if between:
        listed = ", ".join(f"{label} as {counted}" for label, counted in between.items())
        notices.append(f"First treated periods that are no period of the panel count from the next one: {listed}.")
    out = out[codes]
    late = int((out == len(order)).sum())
    if late:
        notices.append(f"{late} units start after the last period ({order[-1]}) and count as never treated within the window.")
    return np.where(out >= len(order), NEVER, out)


def _between(label: Any, order: Sequence[Any]) -> int:
    """Where a start that is no period of the panel falls: the next period in it."""
    try:
        ascending = list(order) == sorted(order)
        if ascending:
            return bisect_left(list(order), label)
    except TypeError:
        pass  # labels of another kind are refused below
    raise PanelError(
        f"The first treated period {label!r} is no period of the panel. The periods are: {', '.join(map(str, order))}."
    )


def check_some_treated(cohort: np.ndarray, first_treated: str) -> None:
    """Refuse a panel in which nobody is treated."""
    if not (cohort < NEVER).any():
        raise PanelError(f"No unit is treated within the window: every {first_treated!r} is 0, missing or after the last period.")


def codes(column: pd.Series) -> tuple[np.ndarray, tuple[Any, ...]]:
    """Codes and sorted labels of a cluster column."""
    labels = sorted(set(column.tolist()))
    where = {label: at for at, label in enumerate(labels)}
    return np.array([where[label] for label in column.tolist()]), tuple(labels)
