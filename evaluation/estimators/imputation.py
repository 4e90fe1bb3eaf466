"""Imputation (Borusyak, Jaravel, Spiess 2024): unit and period effects from untreated cells, effects as what is left.

Two-stage estimates (Gardner 2022) are the same averages with other errors; `two_stage` uses what is here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from evaluation.errors import NotEstimable, OptionError
from evaluation.estimators.design import AGGREGATES, Estimator, Pieces, all_at_once, dots, drop_treated_throughout, plural
from evaluation.estimators.least_squares import (
    RANK,
    FirstStage,
    Rows,
    first_stage,
    listed,
    no_region,
    rows_of,
    treated_cells,
    with_small_sample,
)
from evaluation.estimators.two_way import Within, within_of
from evaluation.panel import Panel

DEFAULT_LEADS = 3
DEFAULTS = {"pretrends": None, "average_by": "cohort_period", "leave_out": False}
CHOICES = {"average_by": ("cohort_period", "event_time", "cohort"), "leave_out": (False, True)}


def prepare(panel: Panel, options: Mapping[str, Any]) -> Panel | NotEstimable:
    """Leave out units without an untreated period; refuse when all start at once."""
    leads = options.get("pretrends")
    whole = isinstance(leads, int | np.integer) and not isinstance(leads, bool)
    if leads is not None and not (whole and leads >= 0):
        raise OptionError(f"pretrends must be a whole number of periods before the start, 0 or more, not {leads!r}.")
    kept = drop_treated_throughout(panel)
    if isinstance(kept, NotEstimable):
        return kept
    untreated = ~treated_cells(kept)[None] & (kept.weights > 0)
    without = np.asarray(~untreated.any(axis=(0, 2)) & (kept.weights > 0).any(axis=(0, 2)))
    if without.all():
        return NotEstimable("no unit is observed untreated", "Use a window that begins before the reform.")
    if without.any():
        kept = kept.select(~without, reason="never observed untreated: its own level is not known")
    if not kept.treated.any():
        return NotEstimable("no treated unit is observed before its start", "Use a window that begins before the reform.")
    return all_at_once(kept) or kept


@dataclass(frozen=True, eq=False)
class Averages:
    """The rows asked for as averages of cells, whatever the outcome.

    Attributes:
        stage: the first stage.
        unit: n; unit of each cell that counts.
        time: n; its period.
        rows: labels, and shares n × K.
        warnings: cells and units left out, in plain words.
    """

    stage: FirstStage
    unit: np.ndarray
    time: np.ndarray
    rows: Rows
    warnings: tuple[str, ...]

    @cached_property
    def terms(self) -> tuple[np.ndarray, np.ndarray]:
        """What first-stage error costs, as unit (N × K) and period (T × K) terms."""
        return self.stage.on_periods(self.unit, self.time, self.rows.shares)

    @cached_property
    def by_unit(self) -> sparse.csr_array:
        """Adds cells up by unit, N × n."""
        cells = np.arange(len(self.unit))
        return sparse.csr_array((np.ones(len(cells)), (self.unit, cells)), shape=(len(self.stage.weights), len(cells)))

    @cached_property
    def sides(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Units that each row rests on, that it uses and that it compares with, N × K each."""
        picked, untreated = (self.rows.shares != 0).astype(float), self.stage.weights > 0
        support = (self.by_unit @ picked) > 0
        when = np.zeros((untreated.shape[1], picked.shape[1]))
        np.add.at(when, self.time, picked)
        return support, support | np.asarray(untreated.any(axis=1))[:, None], untreated.astype(float) @ when > 0


@dataclass(frozen=True, eq=False)
class Imputed:
    """Effects of the cells of one outcome.

    Attributes:
        averages: the rows.
        effect: n; outcome less imputed untreated outcome.
        residual: the same of all cells, N × T.
    """

    averages: Averages
    effect: np.ndarray
    residual: np.ndarray


def impute(panel: Panel, averages: Averages) -> Imputed:
    """Impute the untreated outcome of the cells that are averaged."""
    residual = averages.stage.residual(panel.values[0])
    return Imputed(averages, residual[averages.unit, averages.time], residual)


def averages_of(panel: Panel, aggregate: str) -> Averages | NotEstimable:
    """Every treated cell whose untreated outcome can be imputed, averaged by weight into rows; outcomes alike share them."""
    return panel.once(("averages", aggregate), lambda: no_region(panel, aggregate) or _averages(panel, aggregate))


def _averages(panel: Panel, aggregate: str) -> Averages | NotEstimable:
    stage = panel.once("first stage", lambda: first_stage(panel))
    on = treated_cells(panel) & (panel.weights[0] > 0)
    unit, time = np.nonzero(on & stage.imputed)
    if len(unit) == 0:
        return NotEstimable(
            "no treated cell has an untreated outcome to compare with: nobody is untreated at the same time",
            "Add units that do not adopt, or adopt later.",
        )
    region = None if panel.region is None else panel.clusters[panel.region][0][unit]
    rows = rows_of(panel, aggregate, panel.cohort[unit], time, panel.weights[0][unit, time], region)
    return Averages(stage, unit, time, rows, _left_out(panel, stage, on))


def _left_out(panel: Panel, stage: FirstStage, on: np.ndarray) -> tuple[str, ...]:
    """What of the treated cells could not be imputed, and why."""
    alone = np.asarray(on.any(axis=1) & ~(stage.weights > 0).any(axis=1))
    notices = []
    if alone.any():
        names = [panel.units[i] for i in np.flatnonzero(alone)]
        notices.append(f"{plural(len(names), panel.unit)} never observed untreated, so left out: {listed(names)}.")
    lost = on & ~stage.imputed & ~alone[:, None]
    if lost.any():
        when = [panel.periods[t] for t in np.flatnonzero(lost.any(axis=0))]
        notices.append(
            f"{plural(int(lost.sum()), 'treated cell')} left out: nobody comparable is untreated then ({listed(when)})."
        )
    return tuple(notices)


def fit(panel: Panel, aggregate: str, options: Mapping[str, Any]) -> Pieces | NotEstimable:
    """Averages of imputed effects of one outcome, with conservative errors."""
    averages = averages_of(panel, aggregate)
    if isinstance(averages, NotEstimable):
        return averages
    found = impute(panel, averages)
    key = ("centres", aggregate, options["average_by"], options["leave_out"])
    centred = panel.once(key, lambda: _centred(panel, averages, options))
    pieces = pieces_of(found, averages.rows.shares * (found.effect[:, None] - centred.of(found.effect)))
    single = centred.single
    if single:
        pieces = add_warning(
            pieces,
            f"{single} of the groups ({options['average_by']}) that errors are centred by hold one treated {panel.unit}: "
            "its own variation cannot be seen, so these errors are too small.",
        )
    if aggregate != "event_time" or options["pretrends"] == 0:
        return pieces
    leads = panel.once(("leads", options["pretrends"]), lambda: _leads(panel, options["pretrends"]))
    before = leads if isinstance(leads, NotEstimable) else _pretrends(panel, leads)
    if isinstance(before, Pieces):
        return _joined(before, pieces)
    if options["pretrends"] is None:  # nobody asked for leads: the effects after the start stand without them
        return add_warning(pieces, f"There is no test of trends before the start: {before.reason}.")
    return before


@dataclass(frozen=True, eq=False)
class _Centred:
    """The groups of cells whose average effect each cell's effect is held against, before an outcome is seen.

    Equation 8 of the paper: in a group of cells, Σ over units of (Σv)(Σvτ) / Σ over units of (Σv)²: what makes the error as
    small as it can be while staying conservative. With `leave_out`, a cell's own unit is left out of its average.

    Attributes:
        shares: v, n × K.
        pair: n; group and unit of each cell.
        group: group of each pair.
        to_pair, to_group: add cells up by pair, and pairs by group.
        total: Σv by pair.
        bottom: Σ over units of (Σv)² by pair, 0 where there is no average.
        leave_out: as in the options.
        single: how many groups have one unit.
    """

    shares: np.ndarray
    pair: np.ndarray
    group: np.ndarray
    to_pair: sparse.csr_array
    to_group: sparse.csr_array
    total: np.ndarray
    bottom: np.ndarray
    leave_out: bool
    single: int

    def of(self, effect: np.ndarray) -> np.ndarray:
        """The average (n × K) of effects (n)."""
        product = self.to_pair @ (self.shares * effect[:, None])
        top = (self.to_group @ (self.total * product))[self.group]
        if self.leave_out:
            top = top - self.total * product
        return np.asarray(np.divide(top, self.bottom, out=np.zeros_like(top), where=self.bottom > 0)[self.pair])


def _centred(panel: Panel, found: Averages, options: Mapping[str, Any]) -> _Centred:
    cohort, event = panel.cohort[found.unit], found.time - panel.cohort[found.unit]
    by = {"cohort_period": cohort * len(panel.periods) + found.time, "event_time": event, "cohort": cohort}
    group = np.unique(by[options["average_by"]], return_inverse=True)[1]
    pair_key, pair = np.unique(group * len(panel.units) + found.unit, return_inverse=True)
    group_of_pair = pair_key // len(panel.units)
    to_pair = sparse.csr_array((np.ones(len(pair)), (pair, np.arange(len(pair)))))
    to_group = sparse.csr_array((np.ones(len(pair_key)), (group_of_pair, np.arange(len(pair_key)))))
    shares = found.rows.shares
    total = to_pair @ shares
    bottom = (to_group @ total**2)[group_of_pair]
    if options["leave_out"]:
        alone = np.isclose(bottom, total**2, rtol=1e-12, atol=0)
        bottom = np.where(alone, 0.0, bottom - total**2)
    single = int((np.bincount(group_of_pair) == 1).sum())
    return _Centred(shares, pair, group_of_pair, to_pair, to_group, total, bottom, bool(options["leave_out"]), single)


def pieces_of(found: Imputed, treated_part: np.ndarray) -> Pieces:
    """`Pieces` from what treated cells (n × K) and the first stage bring to the scores."""
    averages = found.averages
    shares, stage, (unit_term, period) = averages.rows.shares, averages.stage, averages.terms
    support, used, compared = averages.sides

    def builder() -> sparse.csr_matrix:
        whole = stage.on_cells(unit_term, period)
        whole[:, averages.unit, averages.time] += shares.T
        return dots(whole)

    return Pieces(
        labels=averages.rows.labels,
        estimates=found.effect @ shares,
        scores=averages.by_unit @ treated_part + stage.scores(found.residual, period),
        support=support,
        used=used,
        compared=compared,
        parameters=0,
        observations=int((stage.weights > 0).sum()) + len(averages.unit),
        builder=builder,
        warnings=averages.warnings,
    )


def add_warning(pieces: Pieces, words: str) -> Pieces:
    """The same pieces with one warning more."""
    return replace(pieces, warnings=(*pieces.warnings, words))


@dataclass(frozen=True, eq=False)
class _Leads:
    """Leads of treatment in a two-way fit of untreated cells, before an outcome is seen.

    Attributes:
        labels: K.
        within: takes unit and period effects out.
        weighted: weight × lead less its effects, N × T × K.
        x: the leads less their effects, N × T × K.
        inverse: of their normal matrix, K × K.
        support, used, compared: N × K.
        observations: untreated cells.
        warnings: fewer leads than asked for.
    """

    labels: list[dict[str, Any]]
    within: Within
    weighted: np.ndarray
    x: np.ndarray
    inverse: np.ndarray
    support: np.ndarray
    used: np.ndarray
    compared: np.ndarray
    observations: int
    warnings: tuple[str, ...]


def _leads(panel: Panel, leads: int | None) -> _Leads | NotEstimable:
    """As many leads as are asked for, or by default as are identified."""
    most = DEFAULT_LEADS if leads is None else int(leads)
    least = 1 if leads is None else most
    for count in range(most, least - 1, -1):
        made = _leads_of(panel, count)
        if made is None:
            continue
        if count == most:
            return made
        said = f"The test of trends before the start has {count} of {most} leads: more are not identified."
        return replace(made, warnings=(said,))
    return NotEstimable(
        f"{plural(least, 'lead')} before the start cannot be told from unit and period effects",
        "Ask for fewer in pretrends=, or 0 for none, or use a window that begins earlier.",
    )


def _leads_of(panel: Panel, count: int) -> _Leads | None:
    """Event times −count … −1, or None where they are not identified."""
    weights = np.where(treated_cells(panel), 0.0, panel.weights[0])
    event = np.arange(len(panel.periods))[None, :] - panel.cohort[:, None]
    columns = np.stack([event == e for e in range(-count, 0)], axis=2).astype(float)
    within = within_of(weights)
    x = within(columns)
    weighted = x * weights[:, :, None]
    normal = np.einsum("ntk,ntj->kj", weighted, x)
    raw = np.einsum("nt,ntk->k", weights, columns)
    if not (raw > 0).all() or np.linalg.eigvalsh(normal / np.sqrt(np.outer(raw, raw))).min() < RANK:
        return None
    present = np.asarray((weights > 0).any(axis=1))
    compares = np.asarray(present if len(np.unique(panel.cohort[panel.treated])) > 1 else present & ~panel.treated)
    return _Leads(
        labels=[{"event_time": e, "kind": "pre"} for e in range(-count, 0)],
        within=within,
        weighted=weighted,
        x=x,
        inverse=np.linalg.inv(normal),
        support=np.asarray(((columns > 0) & (weights > 0)[:, :, None]).any(axis=1)),
        used=np.repeat(present[:, None], count, axis=1),
        compared=np.repeat(compares[:, None], count, axis=1),
        observations=int((weights > 0).sum()),
        warnings=(),
    )


def _pretrends(panel: Panel, leads: _Leads) -> Pieces:
    """The paper's test (equation 9): coefficients of the leads for one outcome."""
    y = leads.within(np.nan_to_num(panel.values[0]))
    estimates = leads.inverse @ np.einsum("ntk,nt->k", leads.weighted, y)
    scores = np.einsum("ntk,nt->nk", leads.weighted, y - leads.x @ estimates) @ leads.inverse
    return Pieces(
        labels=leads.labels,
        estimates=estimates,
        scores=with_small_sample(scores, leads.observations, len(estimates) + leads.within.rank + 1),
        support=leads.support,
        used=leads.used,
        compared=leads.compared,
        parameters=0,
        observations=leads.observations,
        builder=lambda: dots(np.einsum("kj,ntj->knt", leads.inverse, leads.weighted)),
        warnings=leads.warnings,
    )


def _joined(before: Pieces, after: Pieces) -> Pieces:
    return Pieces(
        labels=[*before.labels, *after.labels],
        estimates=np.concatenate([before.estimates, after.estimates]),
        scores=np.column_stack([before.scores, after.scores]),
        support=np.column_stack([before.support, after.support]),
        used=np.column_stack([before.used, after.used]),
        compared=np.column_stack([before.compared, after.compared]),
        parameters=0,
        observations=after.observations,
        builder=lambda: sparse.csr_matrix(sparse.vstack([before.builder(), after.builder()])),
        warnings=(*before.warnings, *after.warnings),
    )


IMPUTATION = Estimator(
    prepare,
    fit,
    DEFAULTS,
    CHOICES,
    AGGREGATES,
    title="Imputation (Borusyak, Jaravel and Spiess)",
    assumes="Without the reform, all areas would have moved alike in every period, before the start too.",
)
