"""The design card: how much there is to learn from, before any number is believed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import exp, lgamma, log
from typing import Any

import numpy as np

from evaluation.errors import NotEstimable, OptionError, PanelError
from evaluation.estimators.design import plural
from evaluation.panel import NEVER, Panel
from evaluation.result import Result
from evaluation.robustness.refit import one_outcome, overall_row, positions
from evaluation.robustness.row import Check, check_whole, listing, not_told, say
from evaluation.robustness.working import Working, partial_leverage, working_df
from evaluation.words import about

ASKS = "How much is there to learn from?"
FEW, ENOUGH = 5, 9  # treated assignment units below which the result is fragile, and from which no concern is raised
LARGE_SHARE = 0.5  # share of treated cells in one cluster from which the result is mostly that cluster's
ALPHA = 0.05

Row = dict[str, Any]


def _row(item: str, label: str, value: float | None, note: str = "", **more: Any) -> Row:
    return {"item": item, "label": label, "value": value, "note": note, **more}


def design_card(
    panel: Panel,
    result: Result | NotEstimable,
    assignment: str | None = None,
    region: str | None = None,
    small: int = 10,
    *,
    df: float | None = None,
    smallest_p: float | None = None,
    other_reforms: Sequence[tuple[Any, str, Any, Any]] | None = None,
    counts: np.ndarray | None = None,
) -> Check:
    """Units and cells by cohort, clusters, leverage, degrees of freedom, and the smallest p that randomisation can reach.

    Args:
        panel: of one outcome, as given to the estimator.
        result: of the estimator, with a row for the effect as a whole.
        assignment: column of what was assigned (the partnership); default the panel's own cluster.
        region: column within which starts are permuted; None: among all assignment units.
        small: counts below this and above zero fall under the disclosure limit.
        df: Bell–McCaffrey degrees of freedom of CR2, where known; else those of the unadjusted variance, from the weights.
        smallest_p: that of the randomisation used, where known; else 1 ÷ the number of ways to permute starts among groups.
        other_reforms: (unit, name, first period, last period or None) for each other reform that a unit has.
        counts: N × T, the number of pupils or cases behind each cell.

    Returns:
        A `Check`: number is the treated assignment units; rows have item, label, value, note.

    Raises:
        OptionError: several outcomes, an unknown cluster, unit, period or option.
    """
    one_outcome(panel, "design_card")
    check_whole("small", small, 1)
    if isinstance(result, NotEstimable):
        return not_told("design_card", ASKS, result)
    name, codes = result.panel.cluster_codes(assignment)
    rows = [*_units(result.panel, name, codes), *_clusters(result)]
    model = Working.of(result, overall_row(result, "design_card"))
    rows += _weights_rows(model, name, codes, df)
    treated = len(np.unique(codes[result.panel.treated]))
    if smallest_p is None:
        chance = _assignments(result.panel, name, codes, region)
    else:
        chance = [_row("smallest_p", "smallest p that randomisation can reach", float(smallest_p), "of the randomisation used")]
    rows += [
        *chance,
        *_largest(result.panel, name, codes),
        *_overlaps(panel, other_reforms),
        *_small_cells(panel, counts, small),
    ]
    reading, concern = _reading(rows, name, treated)
    return Check(
        "design_card", ASKS, float(treated), f"{plural(2, name)[2:]} that have the reform", reading, concern, tuple(rows)
    )


def _units(panel: Panel, name: str, codes: np.ndarray) -> list[Row]:
    """Units, assignment units and treated cells by start, then the comparison units."""
    seen = panel.weights[0] > 0
    after = panel.cohort[:, None] <= np.arange(len(panel.periods))[None, :]
    rows = []
    for start in np.unique(panel.cohort[panel.treated]):
        members = panel.cohort == start
        cells = int((seen & after)[members].sum())
        missing = int((~seen & after)[members].sum())
        groups = len(np.unique(codes[members]))
        note = f"in {plural(groups, name)}; {plural(cells, 'cell')} under the reform seen, {missing} missing"
        label = f"{panel.unit}: starts in {panel.periods[start]}"
        rows.append(_row("cohort", label, int(members.sum()), note, groups=groups, cells=cells, missing=missing))
    never = panel.cohort >= NEVER
    groups = len(np.unique(codes[never]))
    note = f"{plural(int(seen[never].sum()), 'cell')} seen; {plural(groups, 'cluster')} by {name}"
    rows.append(_row("comparison", f"{panel.unit}: does not start within the window", int(never.sum()), note))
    return rows


def _clusters(result: Result) -> list[Row]:
    """Clusters of every column, and how many of them have treated units."""
    rows, at = [], overall_row(result, "design_card")
    used, support = result.used[:, at], result.support[:, at]
    for column, (codes, _) in result.panel.clusters.items():
        total, treated = len(np.unique(codes[used])), len(np.unique(codes[support]))
        rows.append(_row("clusters", f"clusters by {column}", total, f"{treated} of them with the reform", treated=treated))
    return rows


def _largest(panel: Panel, name: str, codes: np.ndarray) -> list[Row]:
    """The share of treated cells that lie in the largest cluster."""
    after = (panel.cohort[:, None] <= np.arange(len(panel.periods))[None, :]) & (panel.weights[0] > 0)
    cells = np.bincount(codes, after.sum(axis=1))
    if not cells.sum():
        return []
    top, label = float(cells.max() / cells.sum()), panel.clusters[name][1][int(cells.argmax())]
    return [_row("largest_share", f"share of treated cells in the largest {name}", top, f"{name} {label}")]


def _weights_rows(model: Working | NotEstimable, name: str, codes: np.ndarray, df: float | None) -> list[Row]:
    """Partial leverage, effective clusters and degrees of freedom, from the weights on cells."""
    if isinstance(model, NotEstimable):
        known = [] if df is None else [_row("df", "Bell–McCaffrey degrees of freedom", float(df), "given")]
        return [_row("effective_clusters", "effective clusters", None, f"not known: {model.reason}"), *known]
    leverage = partial_leverage(model, codes)
    labels = model.panel.clusters[name][1]
    order = np.argsort(-leverage.round(12), kind="stable")[:12]  # rounding must not order equal shares
    by_cluster = [{name: labels[g], "share": float(leverage[g])} for g in order]
    top = f"{name} {labels[order[0]]}: {about(leverage[order[0]])} of the effect's variance, were all cells alike"
    effective = 1 / float((leverage**2).sum())
    same = "1 ÷ Σ share²; the same as Carter, Schnepel and Steigerwald (2017) where errors are independent"
    rows = [
        _row("leverage", f"largest partial leverage by {name}", float(leverage.max()), top, by_cluster=by_cluster),
        _row("effective_clusters", f"effective clusters by {name}", effective, same),
    ]
    if df is not None:
        return [*rows, _row("df", "Bell–McCaffrey degrees of freedom", float(df), "of CR2")]
    own = working_df(model, codes)
    note = "of the unadjusted clustered variance, from the weights" if own else "not known: the effect is no single constant"
    return [*rows, _row("df", "Bell–McCaffrey degrees of freedom", own, note)]


def _labels(panel: Panel, codes: np.ndarray) -> dict[int, tuple[int, ...]]:
    """What each assignment unit was given: the starts of its members; a single one where all start together."""
    out = {}
    for code in np.unique(codes):
        starts = panel.cohort[codes == code]
        out[int(code)] = tuple(sorted({int(start) for start in starts}))
    return out


def log_assignments(panel: Panel, codes: np.ndarray, within: np.ndarray | None = None) -> float:
    """Natural logarithm of the number of ways to hand out the starts among groups (N codes), within each level of `within`."""
    level = np.zeros(len(codes), int) if within is None else within
    given = _labels(panel, codes)
    total = 0.0
    for value in np.unique(level):
        groups = np.unique(codes[level == value])
        counts = Counter(given[int(code)] for code in groups)
        total += lgamma(len(groups) + 1) - sum(lgamma(count + 1) for count in counts.values())
    return total


def _assignments(panel: Panel, name: str, codes: np.ndarray, region: str | None) -> list[Row]:
    where = None
    if region is not None:
        region, where = panel.cluster_codes(region)
        mixed = [code for code in np.unique(codes) if len(np.unique(where[codes == code])) > 1]
        if mixed:
            label = panel.clusters[name][1][mixed[0]]
            raise PanelError(f"{name} {label} lies in more than one {region}: starts cannot be permuted within {region}.")
    amount = log_assignments(panel, codes, where)
    within = f" within each {region}" if region else ""
    many = f"about 10 to the power of {amount / log(10):.0f}" if amount > log(1e6) else f"{round(exp(amount)):,}"
    note = f"{many} ways to hand out the starts among {plural(len(np.unique(codes)), name)}{within}"
    return [_row("smallest_p", "smallest p that randomisation can reach", exp(-amount), note, log10_assignments=amount / log(10))]


def _overlaps(panel: Panel, reforms: Sequence[tuple[Any, str, Any, Any]] | None) -> list[Row]:
    """Treated units with another reform while they have this one, and comparison units with another at any time."""
    if reforms is None:
        return []
    at = {period: t for t, period in enumerate(panel.periods)}
    treated: dict[str, set[Any]] = {}
    compare: dict[str, set[Any]] = {}
    for unit, reform, first, last in reforms:
        for period in (first, last):
            if period is not None and period not in at:
                raise OptionError(f"other_reforms: {period!r} is not a {panel.period} of the panel, for {unit!r}, {reform!r}.")
        i = int(np.flatnonzero(positions(panel, [unit], "other_reforms"))[0])
        end = len(panel.periods) - 1 if last is None else at[last]
        if panel.cohort[i] >= NEVER:
            compare.setdefault(reform, set()).add(unit)
        elif end >= panel.cohort[i]:
            treated.setdefault(reform, set()).add(unit)
    rows = []
    for reform in sorted({*treated, *compare}):
        here, there = sorted(treated.get(reform, ()), key=str), sorted(compare.get(reform, ()), key=str)
        note = f"treated: {listing(here)}; comparison: {listing(there)}"
        rows.append(_row("overlap", f"also have {reform}", len(here), note, treated=len(here), comparison=len(there)))
    return rows or [_row("overlap", "also have another reform", 0, "none does", treated=0, comparison=0)]


def _small_cells(panel: Panel, counts: np.ndarray | None, small: int) -> list[Row]:
    if counts is None:
        return []
    given = np.asarray(counts, float)
    if given.shape != panel.values.shape[1:]:
        raise OptionError(f"counts must have one number for each unit and period, {panel.values.shape[1:]}, not {given.shape}.")
    few = (given > 0) & (given < small)
    return [_row("small_cells", f"cells with fewer than {small}", int(few.sum()), f"{about(float(few.mean()))} of all cells")]


def _reading(rows: list[Row], name: str, treated: int) -> tuple[str, str]:
    """The card in two sentences, and the concern that goes with it."""
    value = {row["item"]: row["value"] for row in rows}
    words = [f"{plural(treated, name)} have the reform" if treated != 1 else f"One {name} has the reform"]
    if value.get("effective_clusters") is not None:
        words.append(f"and the effect rests on the equivalent of {say(value['effective_clusters'])} equally important ones")
    out = ", ".join(words) + "."
    concern = "none" if treated >= ENOUGH else "some" if treated >= FEW else "serious"
    if value["smallest_p"] > ALPHA:
        concern = "serious"
        out += f" Chance alone could never be ruled out by reassigning starts: the smallest p is {say(value['smallest_p'])}."
    elif treated == 1:
        out += " Its own ups and downs cannot be told from an effect, except by comparing it with places that did not start."
    elif treated < FEW:
        out += " With so few, every number here is fragile."
    elif value.get("largest_share", 0) > LARGE_SHARE:
        out += f" One {name} has more than half of what was seen under the reform."
        concern = "some" if concern == "none" else concern
    elif treated < ENOUGH:
        out += " That is few: only methods made for few groups can be trusted."
    else:
        out += " That is enough for the methods used here."
    overlap = sum(row.get("treated", 0) for row in rows if row["item"] == "overlap")
    if overlap:
        out += f" {overlap} treated also have another reform at the same time, which the number cannot tell apart."
        concern = "some" if concern == "none" else concern
    return out, concern


__all__ = ["design_card", "log_assignments"]
