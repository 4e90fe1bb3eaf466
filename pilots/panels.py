"""From a release and a plan to a panel: figures to cells, the register to starts and stops, and everything that was left out."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from data_contracts import contracts, load_contract
from evaluation import Panel
from evaluation.cells import Cells, cells
from pilots import releases
from pilots.catalogue import Outcome, publications, reform
from pilots.catalogue import outcome as outcome_named
from pilots.errors import UserError
from pilots.forecasts import CAME, EXPECTED, held_against
from pilots.frozen import Data, once, vintage_values
from pilots.periods import containing, first_full, ordered, parse
from pilots.places import (
    alike,
    authorities,
    bordering,
    called,
    current_authorities,
    names,
    partnerships,
    resolve,
    without_known_borders,
)
from pilots.plans import Plan
from pilots.published import counting
from pilots.releases import Release
from pilots.schools import on_from, school_starts, without_schools_beside
from pilots.storage.base import canonical_json

NUMERATOR, DENOMINATOR = "numerator", "denominator"
ROWS = "rows"  # a measure that every collection has: each row of a return is one
COUNTED = "in the numerator"
AUTHORITY, SCHOOL = "authority", "school"  # who is observed
PARTNERSHIP = "partnership"  # the cluster of those that were assigned together; whoever compares stands alone


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


@dataclass(frozen=True)
class Question:
    """One outcome of a plan, ready to be estimated.

    Attributes:
        panel: who is observed and treated when; what comes after a stop is left out.
        other_weights: the panel with every authority alike where the plan weighs, and weighed where it does not; None without
            a denominator to weigh by.
        path: the same with what comes after a stop and with the reform's intensity, for estimators of reforms that go on and off.
        treated: codes of the authorities (or schools) with the reform within the window.
        gaps: authority and period of treated cells without a figure, with the symbol where one stands.
        stopped: authority and first period without the reform, for those that stopped within the window.
        notices: what was done and left out.
        digest: of the figures and starts that the panel was made from.
        late: authority, period and days of the cells whose return came late.
    """

    panel: Panel
    path: Panel
    other_weights: Panel | None
    treated: tuple[str, ...]
    gaps: tuple[tuple[str, str, str], ...] = ()
    stopped: tuple[tuple[str, str], ...] = ()
    notices: tuple[str, ...] = ()
    digest: str = ""
    late: tuple[tuple[str, str, int], ...] = ()


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
    table = rows[["authority", "period"]].astype(str)
    school = contract.with_role(SCHOOL)
    if unit == SCHOOL and school is not None:
        table[SCHOOL] = rows[school.name].astype(str)
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
    pairs = table[["authority", "period"]].drop_duplicates()
    found = {pair: resolve(*pair) for pair in pairs.itertuples(index=False, name=None)}
    target = [found[pair].authority for pair in table[["authority", "period"]].itertuples(index=False, name=None)]
    notices = sorted({one.message for one in found.values() if one.authority is None})
    kept = table.assign(authority=pd.Series(target, index=table.index))
    return kept[kept["authority"].notna()].reset_index(drop=True), tuple(notices)


def _ratio(table: pd.DataFrame, outcome: Outcome) -> pd.DataFrame:
    """Numerator and denominator of each row; missing where any of their parts is."""
    # Plain strings: what follows looks single labels up over and over, which Arrow does slowly.
    out = table[["authority", "period", *([SCHOOL] if SCHOOL in table else [])]].astype(object)
    out[NUMERATOR] = table[list(outcome.numerator)].sum(axis=1, skipna=False)
    if COUNTED in table:
        out[NUMERATOR] = out[NUMERATOR].where(table[COUNTED].astype(bool), 0.0)
    if outcome.denominator:
        out[DENOMINATOR] = table[list(outcome.denominator)].sum(axis=1, skipna=False)
        both = out[NUMERATOR].notna() & out[DENOMINATOR].notna()
        out.loc[~both, [NUMERATOR, DENOMINATOR]] = np.nan
    return out


def starts(spells: pd.DataFrame, plan: Plan, kind: str) -> tuple[dict[str, str], dict[str, str]]:
    """First treated period and, for those that stopped for good, first period without the reform, by authority.

    Args:
        spells: the register's spells, all reforms.
        plan: which reform, and what counts as the first treated period.
        kind: the kind of period of the outcome.
    """
    mine = spells[(spells["reform"] == plan.reform) & ~(pd.to_numeric(spells["intensity"], errors="coerce") == 0)]
    first, stop = {}, {}
    for authority, rows in mine.groupby("authority", sort=True):
        begun = min(rows["start"])
        period = first_full(begun, kind) if plan.start == "first_full_period" else containing(begun, kind)
        code = resolve(str(authority), period).authority or str(authority)
        first[code] = str(period)
        if rows["end"].notna().all():
            last = containing(max(rows["end"]), kind)
            stop[code] = str(last.next())
    return first, stop


def question(store: Data, release: Release, plan: Plan, outcome: Outcome, spells: pd.DataFrame) -> Question:
    """The panel of one outcome of a plan, with everything a reader must know of how it came about.

    Raises:
        UserError: the release cannot answer; PanelError: nobody is treated within the window, or the figures cannot be used.
    """
    source = figures(store, release, outcome, plan.unit)
    rows = source.rows[source.rows["period"].isin(plan.periods)]
    if rows.empty:
        there = ordered(source.rows["period"])
        raise UserError(
            f"There are no figures for {outcome.label} from {plan.first} to {plan.last}; there are some from {there[0]} to "
            f"{there[-1]}. Change the plan's window."
        )
    first, stop = starts(spells, plan, outcome.frequency)
    if plan.unit == SCHOOL:
        first, stop = school_starts(store, release, plan), {}
    units, beside = _units(rows, plan, first, _told_to_compare(store, release, plan))
    rows = rows[rows[plan.unit].isin(units[plan.unit])]
    rows = rows[
        rows["period"].isin(rows.loc[rows[NUMERATOR].notna(), "period"].unique())
    ]  # a period in which nobody has a figure is none
    extras = _extras(store, release, plan, units, spells, outcome.frequency)
    summed, whole = _summed(rows, outcome, plan.unit), len(rows)
    path = _panel(summed, units, outcome, plan, extras, "intensity", plan.weights)
    rows, stopped = _without_stopped(rows, stop, plan.last)
    if len(rows) == whole:
        panel = replace(path, intensity=None)
    else:
        summed = _summed(rows, outcome, plan.unit)
        panel = _panel(summed, units, outcome, plan, extras, None, plan.weights)
    other = "none" if plan.weights == "denominator" else "denominator"
    other_weights = _panel(summed, units, outcome, plan, extras, None, other) if outcome.denominator else None
    present = panel.periods
    treated = tuple(unit for unit, is_treated in zip(panel.units, panel.treated, strict=True) if is_treated)
    notices = [*source.notices, *beside, *panel.notices]
    lost = [period for period in plan.periods if period not in present]
    if lost:
        notices.append(f"There are no figures for {', '.join(lost)}.")
    absent = sorted(set(first) & set(units[plan.unit]) - set(panel.units))
    if absent:
        notices.append(f"There are no figures at all for {', '.join(called(code) for code in absent)}.")
    gaps = _gaps(panel, source.symbols, stopped)
    late = _late_cells(panel, source.late)
    if late:
        notices.append(_late_words(panel, late))
    return Question(
        panel, path, other_weights, treated, gaps, stopped, tuple(dict.fromkeys(notices)), _digest(rows, units, extras), late
    )


def _late_cells(panel: Panel, late: Mapping[tuple[str, str], int]) -> tuple[tuple[str, str, int], ...]:
    """Authority, period and days late of the panel's figures that came late."""
    there = [(str(panel.units[unit]), str(panel.periods[period])) for unit, period in np.argwhere(panel.weights[0] > 0)]
    return tuple((*cell, late[cell]) for cell in there if cell in late) if late else ()


def _late_words(panel: Panel, late: Sequence[tuple[str, str, int]]) -> str:
    """How many of the panel's figures came late, and how late the latest."""
    most = max(days for _, _, days in late)
    periods = ordered({period for _, period, _ in late})
    return (
        f"{len(late):,} of {int((panel.weights[0] > 0).sum()):,} figures came after the day on which they were due, up to "
        f"{most:,} day{'' if most == 1 else 's'} late: those of {', '.join(periods)}."
    )


def _summed(rows: pd.DataFrame, outcome: Outcome, unit: str) -> Cells:
    """Cells of an outcome by authority (or school) and period."""
    return cells(rows, unit=unit, period="period", outcomes=_parts(outcome), cross=False, pivots=0.0)


def _parts(outcome: Outcome) -> list[str]:
    """The columns that an outcome is made of."""
    return [NUMERATOR, DENOMINATOR] if outcome.denominator else [NUMERATOR]


def owners(panel: Panel) -> list[str]:
    """The authority of each unit of a panel: its own code, or that of the authority in which a school lies."""
    if panel.unit == AUTHORITY:
        return [str(unit) for unit in panel.units]
    codes, labels = panel.clusters[AUTHORITY]
    return [str(labels[code]) for code in codes]


def _panel(
    summed: Cells,
    units: pd.DataFrame,
    outcome: Outcome,
    plan: Plan,
    extras: pd.DataFrame,
    intensity: str | None,
    weights: str,
) -> Panel:
    there = set(summed.frame["period"].unique())
    return Panel.from_cells(
        summed,
        treatment=units,
        outcome={outcome.id: (NUMERATOR, DENOMINATOR if outcome.denominator else None, outcome.scale)},
        first_treated="first_treated",
        weight="denominator" if weights == "denominator" and outcome.denominator else None,
        cluster=("region", PARTNERSHIP, AUTHORITY) if plan.unit == SCHOOL else ("region", PARTNERSHIP),
        region="region",
        periods=[period for period in plan.periods if period in there],
        extras=extras,
        covariates=plan.covariates,
        intensity=intensity,
    )


def _extras(store: Data, release: Release, plan: Plan, units: pd.DataFrame, spells: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Intensity and covariates, one row an authority (or school) and period of the plan's window."""
    table = units[[plan.unit]].merge(pd.DataFrame({"period": plan.periods}), how="cross")
    level = on_from(units, plan) if plan.unit == SCHOOL else intensities(spells, plan, kind)
    table["intensity"] = [level.get(key, 0.0) for key in table.itertuples(index=False, name=None)]
    for name in plan.covariates:
        about = outcome_named(name)
        parts = figures(store, release, about, plan.unit).rows
        sums = parts.groupby([plan.unit, "period"])[_parts(about)].sum(min_count=1)
        ratio = about.scale * sums[NUMERATOR] / (sums[DENOMINATOR] if about.denominator else 1.0)
        ratio = ratio.where(np.isfinite(ratio.astype(float))).rename(name)
        table = table.merge(ratio.reset_index(), on=[plan.unit, "period"], how="left")
    return table


def intensities(spells: pd.DataFrame, plan: Plan, kind: str) -> dict[tuple[str, str], float]:
    """Intensity by authority and period, of the periods in which a spell runs; 1, or the register's, as the plan says."""
    mine = spells[(spells["reform"] == plan.reform) & ~(pd.to_numeric(spells["intensity"], errors="coerce") == 0)]
    found: dict[tuple[str, str], float] = {}
    for authority, start, end, level in mine[["authority", "start", "end", "intensity"]].itertuples(index=False, name=None):
        begun = first_full(start, kind) if plan.start == "first_full_period" else containing(start, kind)
        until = None if pd.isna(end) else containing(end, kind)
        for label in plan.periods:
            period = parse(label)
            if period < begun or (until is not None and until < period):
                continue
            key = (resolve(str(authority), period).authority or str(authority), label)
            found[key] = max(found.get(key, 0.0), 1.0 if plan.intensity == "on_off" else float(level))
    return found


def _digest(*tables: pd.DataFrame) -> str:
    """SHA-256 of the figures, starts, intensities and covariates, in a fixed order whatever the order in which they came."""
    content = [sorted(map(canonical_json, table.astype(object).where(table.notna(), None).values.tolist())) for table in tables]
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def _told_to_compare(store: Data, release: Release, plan: Plan) -> set[str]:
    """Authorities that a collection names for comparison, as the catalogue has it; none where the plan asks for none."""
    if plan.comparison.authorities != "as_catalogue":
        return set()
    told = reform(plan.reform).compared_with
    if told is None:
        raise UserError(
            f"The catalogue does not say who compares with {reform(plan.reform).label}. Name another comparison in the plan."
        )
    rows = releases.collection_rows(store, release, told.collection)
    pairs = (
        rows.loc[releases.rows_meant(rows, told), ["authority", "period"]].drop_duplicates().itertuples(index=False, name=None)
    )
    return {found for code, period in pairs if (found := resolve(str(code), str(period)).authority)}


def _units(rows: pd.DataFrame, plan: Plan, first: dict[str, str], told: set[str]) -> tuple[pd.DataFrame, list[str]]:
    """Authority (and school), region and first treated period of everyone who takes part; and who does not, in words."""
    place = authorities().set_index("authority")
    table = rows.loc[rows["authority"].isin(place.index), list(dict.fromkeys([plan.unit, "authority"]))]
    table = table.drop_duplicates(plan.unit, keep="last").sort_values(plan.unit, ignore_index=True)
    codes = list(table["authority"])
    table["region"] = table["authority"].map(place["region"])
    table["first_treated"] = [first.get(who) for who in table[plan.unit]]
    together = partnerships().set_index("authority")["partnership"].to_dict()
    table[PARTNERSHIP] = [f"Partnership {together[code]}" if code in together else code for code in codes]
    table = table[~table["authority"].isin(plan.comparison.leave_out)]
    table, beside = without_schools_beside(table) if plan.unit == SCHOOL else (table, [])
    adopts = table["first_treated"].notna()
    if plan.comparison.authorities == "same_regions":
        table = table[adopts | table["region"].isin(table.loc[adopts, "region"])]
    elif plan.comparison.authorities != "all_others":
        table = table[adopts | table["authority"].isin(_named_to_compare(plan, table.loc[adopts, "authority"], told))]
    if table.empty:
        raise UserError("The plan's comparison leaves out every authority. Change comparison in the plan.")
    return table.reset_index(drop=True), beside


def _named_to_compare(plan: Plan, adopters: pd.Series, told: set[str]) -> set[str]:
    """The codes of those that compare, where the plan's choice is one of authorities and not of whole regions."""
    who = plan.comparison.authorities
    if who == "statistical_neighbours":
        return alike(set(adopters))
    if who == "not_bordering":
        unknown = without_known_borders(set(adopters))
        if unknown:
            raise UserError(
                f"{names()[unknown[0]]} has the reform, and its borders are not known: the platform knows those of the "
                "programme’s 32 authorities. Choose another comparison in the plan."
            )
        return set(current_authorities()["authority"]) - bordering(set(adopters))
    if who == "programme_only":
        return set(partnerships()["authority"])
    return told if who == "as_catalogue" else set()


def _without_stopped(rows: pd.DataFrame, stop: dict[str, str], last: str) -> tuple[pd.DataFrame, tuple[tuple[str, str], ...]]:
    """Leave out what comes after a reform has stopped: those periods are neither with the reform nor without its traces."""
    present = set(rows["authority"].unique())
    ends = {code: period for code, period in stop.items() if code in present}
    if not ends:
        return rows, ()
    until = rows["authority"].map(ends)
    order = {period: parse(period).start for period in {*rows["period"].unique(), *ends.values()}}
    gone = until.notna() & (rows["period"].map(order) >= until.map(order))
    stopped = tuple(sorted((code, period) for code, period in ends.items() if not parse(last) < parse(period)))
    return rows[~gone], stopped


def _gaps(panel: Panel, symbols: pd.DataFrame, stopped: Sequence[tuple[str, str]]) -> tuple[tuple[str, str, str], ...]:
    """Cells of authorities with the reform that have no figure, with the symbol that stands there; stops are told elsewhere."""
    mark = {(code, period): symbol for code, period, symbol in symbols.itertuples(index=False, name=None)}
    stop = {code: parse(period) for code, period in stopped}
    found = []
    for unit, period in np.argwhere((panel.weights[0] == 0) & panel.treated[:, None]):
        code, when = str(panel.units[unit]), str(panel.periods[period])
        if code not in stop or parse(when) < stop[code]:
            found.append((code, when, str(mark.get((code, when), ""))))
    return tuple(found)
