"""Imputation (Borusyak, Jaravel, Spiess 2024): unit and period effects from untreated cells, effects as what is left.

Two-stage estimates (Gardner 2022) are the same averages with other errors; `two_stage` uses what is here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
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
from evaluation.estimators.two_way import within
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
class Imputed:
    """Effects of treated cells, and the rows asked for.

    Attributes:
        stage: the first stage.
        unit: n; unit of each treated cell that counts.
        time: n; its period.
        effect: n; outcome less imputed untreated outcome.
        rows: labels, and shares n × K.
        warnings: cells and units left out, in plain words.
    """

    stage: FirstStage
    unit: np.ndarray
    time: np.ndarray
    effect: np.ndarray
    rows: Rows
    warnings: tuple[str, ...]


def impute(panel: Panel, aggregate: str) -> Imputed | NotEstimable:
    """Impute the untreated outcome of every treated cell that has one, and average by weight into rows."""
    stage = first_stage(panel)
    on = treated_cells(panel) & (panel.weights[0] > 0)
    unit, time = np.nonzero(on & stage.imputed)
    if len(unit) == 0:
        return NotEstimable(
            "no treated cell has an untreated outcome to compare with: nobody is untreated at the same time",
            "Add units that do not adopt, or adopt later.",
        )
    region = None if panel.region is None else panel.clusters[panel.region][0][unit]
    rows = rows_of(panel, aggregate, panel.cohort[unit], time, panel.weights[0][unit, time], region)
    return Imputed(stage, unit, time, stage.residual[unit, time], rows, _left_out(panel, stage, on))


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
    found = no_region(panel, aggregate) or impute(panel, aggregate)
    if isinstance(found, NotEstimable):
        return found
    centre, single = _centres(panel, found, options)
    pieces = pieces_of(panel, found, found.rows.shares * (found.effect[:, None] - centre))
    if single:
        pieces = add_warning(
            pieces,
            f"{single} of the groups ({options['average_by']}) that errors are centred by hold one treated {panel.unit}: "
            "its own variation cannot be seen, so these errors are too small.",
        )
    if aggregate != "event_time" or options["pretrends"] == 0:
        return pieces
    before = _pretrends(panel, options["pretrends"])
    if isinstance(before, Pieces):
        return _joined(before, pieces)
    if options["pretrends"] is None:  # nobody asked for leads: the effects after the start stand without them
        return add_warning(pieces, f"There is no test of trends before the start: {before.reason}.")
    return before


def _centres(panel: Panel, found: Imputed, options: Mapping[str, Any]) -> tuple[np.ndarray, int]:
    """The average effect (n × K) that each cell's effect is held against, and how many groups have one unit.

    Equation 8 of the paper: in a group of cells, Σ over units of (Σv)(Σvτ) / Σ over units of (Σv)²: what makes the error as
    small as it can be while staying conservative. With `leave_out`, a cell's own unit is left out of its average.
    """
    cohort, event = panel.cohort[found.unit], found.time - panel.cohort[found.unit]
    key = {"cohort_period": cohort * len(panel.periods) + found.time, "event_time": event, "cohort": cohort}[
        options["average_by"]
    ]
    group = np.unique(key, return_inverse=True)[1]
    pair_key, pair = np.unique(group * len(panel.units) + found.unit, return_inverse=True)
    group_of_pair = pair_key // len(panel.units)
    to_pair = sparse.csr_array((np.ones(len(pair)), (pair, np.arange(len(pair)))))
    to_group = sparse.csr_array((np.ones(len(pair_key)), (group_of_pair, np.arange(len(pair_key)))))
    weight = found.rows.shares
    total, product = to_pair @ weight, to_pair @ (weight * found.effect[:, None])
    top, bottom = (to_group @ (total * product))[group_of_pair], (to_group @ total**2)[group_of_pair]
    single = int((np.bincount(group_of_pair) == 1).sum())
    if options["leave_out"]:
        alone = np.isclose(bottom, total**2, rtol=1e-12, atol=0)
        top, bottom = top - total * product, np.where(alone, 0.0, bottom - total**2)
    return np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0)[pair], single


def pieces_of(panel: Panel, found: Imputed, treated_part: np.ndarray) -> Pieces:
    """`Pieces` from what treated cells (n × K) and the first stage bring to the scores."""
    shares, stage = found.rows.shares, found.stage
    unit_term, period = stage.on_periods(found.unit, found.time, shares)
    sum_by_unit = sparse.csr_array(
        (np.ones(len(found.unit)), (found.unit, np.arange(len(found.unit)))), shape=(len(panel.units), len(found.unit))
    )
    support = (sum_by_unit @ (shares != 0).astype(float)) > 0
    first = np.asarray((stage.weights > 0).any(axis=1))[:, None]
    when = np.zeros((len(panel.periods), shares.shape[1]))
    np.add.at(when, found.time, (shares != 0).astype(float))

    def builder() -> sparse.csr_matrix:
        whole = stage.on_cells(unit_term, period)
        whole[:, found.unit, found.time] += shares.T
        return dots(whole)

    return Pieces(
        labels=pd.DataFrame(found.rows.labels),
        estimates=found.effect @ shares,
        scores=sum_by_unit @ treated_part + stage.scores(period),
        support=support,
        used=support | first,
        compared=(stage.weights > 0).astype(float) @ when > 0,
        parameters=0,
        observations=int((stage.weights > 0).sum()) + len(found.unit),
        builder=builder,
        warnings=found.warnings,
    )


def add_warning(pieces: Pieces, words: str) -> Pieces:
    """The same pieces with one warning more."""
    return Pieces(**{**vars(pieces), "warnings": (*pieces.warnings, words)})


def _pretrends(panel: Panel, leads: int | None) -> Pieces | NotEstimable:
    """The paper's test (equation 9): leads of treatment in a two-way fit of the untreated cells only."""
    most = DEFAULT_LEADS if leads is None else int(leads)
    least = 1 if leads is None else most
    for count in range(most, least - 1, -1):
        made = _leads(panel, count)
        if made is None:
            continue
        if count == most:
            return made
        return add_warning(made, f"The test of trends before the start has {count} of {most} leads: more are not identified.")
    return NotEstimable(
        f"{plural(least, 'lead')} before the start cannot be told from unit and period effects",
        "Ask for fewer in pretrends=, or 0 for none, or use a window that begins earlier.",
    )


def _leads(panel: Panel, count: int) -> Pieces | None:
    """Coefficients of event times −count … −1, or None where they are not identified."""
    weights = np.where(treated_cells(panel), 0.0, panel.weights[0])
    event = np.arange(len(panel.periods))[None, :] - panel.cohort[:, None]
    columns = np.stack([event == e for e in range(-count, 0)], axis=2).astype(float)
    outcome = np.nan_to_num(panel.values[0])
    both, periods = within(np.concatenate([columns, outcome[:, :, None]], axis=2), weights)
    x, y = both[:, :, :-1], both[:, :, -1]
    weighted = x * weights[:, :, None]
    normal = np.einsum("ntk,ntj->kj", weighted, x)
    raw = np.einsum("nt,ntk->k", weights, columns)
    if not (raw > 0).all() or np.linalg.eigvalsh(normal / np.sqrt(np.outer(raw, raw))).min() < RANK:
        return None
    inverse = np.linalg.inv(normal)
    estimates = inverse @ np.einsum("ntk,nt->k", weighted, y)
    scores = np.einsum("ntk,nt->nk", weighted, y - x @ estimates) @ inverse
    observations = int((weights > 0).sum())
    present = np.asarray((weights > 0).any(axis=1))
    compares = np.asarray(present if len(np.unique(panel.cohort[panel.treated])) > 1 else present & ~panel.treated)
    return Pieces(
        labels=pd.DataFrame([{"event_time": e, "kind": "pre"} for e in range(-count, 0)]),
        estimates=estimates,
        scores=with_small_sample(scores, observations, count + periods + 1),
        support=np.asarray(((columns > 0) & (weights > 0)[:, :, None]).any(axis=1)),
        used=np.repeat(present[:, None], count, axis=1),
        compared=np.repeat(compares[:, None], count, axis=1),
        parameters=0,
        observations=observations,
        builder=lambda: dots(np.einsum("kj,ntj->knt", inverse, weighted)),
    )


def _joined(before: Pieces, after: Pieces) -> Pieces:
    return Pieces(
        labels=pd.concat([before.labels, after.labels], ignore_index=True),
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
