"""From a release and a plan to a panel: the register to starts and stops, figures to cells, and everything that was left out."""

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from evaluation import Panel
from evaluation.cells import Cells
from pilots import releases
from pilots.catalogue import Outcome, reform
from pilots.catalogue import outcome as outcome_named
from pilots.errors import UserError
from pilots.figures import AUTHORITY, DENOMINATOR, NUMERATOR, SCHOOL, figures, lines_of
from pilots.frozen import Data, once
from pilots.periods import containing, first_full, ordered, parse
from pilots.places import (
    alike,
    bordering,
    called,
    current_authorities,
    names,
    partnerships,
    regions_of,
    resolve,
    without_known_borders,
)
from pilots.plans import Plan
from pilots.releases import Release
from pilots.schools import on_from, school_starts, without_schools_beside
from pilots.storage.base import canonical_json

PARTNERSHIP = "partnership"  # the cluster of those that were assigned together; whoever compares stands alone


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
    key = ("question", release.id, outcome.id, *_over_time(plan), plan.comparison, plan.weights)
    return once(store, key, lambda: _question(store, release, plan, outcome, spells))


def _over_time(plan: Plan) -> tuple[Hashable, ...]:
    """What a plan says of who is observed when and with what intensity; plans that say the same see the same."""
    return plan.unit, plan.reform, plan.start, plan.intensity, plan.first, plan.last, plan.covariates


def _question(store: Data, release: Release, plan: Plan, outcome: Outcome, spells: pd.DataFrame) -> Question:
    source = figures(store, release, outcome, plan.unit)
    rows = source.rows[source.rows["period"].isin(plan.periods)]
    if rows.empty:
        there = ordered(source.rows["period"])
        raise UserError(
            f"There are no figures for {outcome.label} from {plan.first} to {plan.last}; there are some from {there[0]} to "
            f"{there[-1]}. Change the plan's window."
        )
    kind = outcome.frequency
    if plan.unit == SCHOOL:
        first = once(store, ("schools", release.id, plan.reform), lambda: school_starts(store, release, plan))
        stop: dict[str, str] = {}
    else:
        first, stop = once(store, ("starts", release.id, plan.reform, plan.start, kind), lambda: starts(spells, plan, kind))
    units, beside = _units(rows, plan, first, _told_to_compare(store, release, plan))
    rows = rows[rows[plan.unit].isin(units[plan.unit])]
    rows = rows[
        rows["period"].isin(rows.loc[rows[NUMERATOR].notna(), "period"].unique())
    ]  # a period in which nobody has a figure is none
    key = ("extras", release.id, *_over_time(plan), kind, tuple(units[plan.unit]))
    extras, extra_lines = once(store, key, lambda: _with_lines(_extras(store, release, plan, units, spells, kind)))
    summed, whole = source.cells_of(rows), len(rows)
    path = _panel(summed, units, outcome, plan, extras, "intensity", plan.weights)
    rows, stopped = _without_stopped(rows, stop, plan.last)
    if len(rows) == whole:
        panel = replace(path, intensity=None)
    else:
        summed = source.cells_of(rows)
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
    lines = source.lines[source.lines.index.isin(rows.index)]
    digest = _digest(list(lines), list(lines_of(units)), extra_lines)
    return Question(panel, path, other_weights, treated, gaps, stopped, tuple(dict.fromkeys(notices)), digest, late)


def _late_cells(panel: Panel, late: Mapping[tuple[str, str], int]) -> tuple[tuple[str, str, int], ...]:
    """Authority, period and days late of the panel's figures that came late."""
    seen = np.argwhere(panel.weights[0] > 0) if late else ()
    there = ((str(panel.units[unit]), str(panel.periods[period])) for unit, period in seen)
    return tuple((*cell, late[cell]) for cell in there if cell in late)


def _late_words(panel: Panel, late: Sequence[tuple[str, str, int]]) -> str:
    """How many of the panel's figures came late, and how late the latest."""
    most = max(days for _, _, days in late)
    periods = ordered({period for _, period, _ in late})
    return (
        f"{len(late):,} of {int((panel.weights[0] > 0).sum()):,} figures came after the day on which they were due, up to "
        f"{most:,} day{'' if most == 1 else 's'} late: those of {', '.join(periods)}."
    )


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
    table = units[[plan.unit]].merge(pd.DataFrame({"period": plan.periods}, dtype=object), how="cross")
    level = on_from(units, plan) if plan.unit == SCHOOL else intensities(spells, plan, kind)
    table["intensity"] = [level.get(key, 0.0) for key in table.itertuples(index=False, name=None)]
    for name in plan.covariates:
        about = outcome_named(name)
        source = figures(store, release, about, plan.unit)
        sums = source.rows.groupby([plan.unit, "period"])[source.parts].sum(min_count=1)
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


def _digest(*tables: Sequence[str]) -> str:
    """SHA-256 of the figures, starts, intensities and covariates, each given as sorted lines."""
    return hashlib.sha256(canonical_json(tables).encode()).hexdigest()


def _with_lines(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    return table, list(lines_of(table))


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
    place = regions_of()
    table = rows.loc[rows["authority"].isin(list(place)), list(dict.fromkeys([plan.unit, "authority"]))]
    table = table.drop_duplicates(plan.unit, keep="last").sort_values(plan.unit, ignore_index=True)
    codes = list(table["authority"])
    together = partnerships().set_index("authority")["partnership"].to_dict()
    about = {
        "region": [place[code] for code in codes],
        "first_treated": [first.get(who) for who in table[plan.unit]],
        PARTNERSHIP: [f"Partnership {together[code]}" if code in together else code for code in codes],
    }
    table = table.assign(**{name: pd.Series(values, table.index, dtype=object) for name, values in about.items()})
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
