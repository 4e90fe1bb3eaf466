"""Two-stage differences in differences (Gardner 2022): imputation's averages, errors of the two fits as one system."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from evaluation.errors import NotEstimable, OptionError
from evaluation.estimators import imputation
from evaluation.estimators.design import AGGREGATES, Estimator, Pieces
from evaluation.estimators.imputation import Averages, Imputed, averages_of, impute
from evaluation.estimators.least_squares import Rows
from evaluation.panel import Panel

DEFAULTS = {"reference": -1}


def prepare(panel: Panel, options: Mapping[str, Any]) -> Panel | NotEstimable:
    """As imputation: leave out units without an untreated period."""
    left_out = options["reference"]
    if left_out is not None and (isinstance(left_out, bool) or not isinstance(left_out, int | np.integer) or left_out >= 0):
        raise OptionError(f"reference must be an event time before the start, such as -1, or None, not {left_out!r}.")
    return imputation.prepare(panel, {})


def fit(panel: Panel, aggregate: str, options: Mapping[str, Any]) -> Pieces | NotEstimable:
    """Second-stage means of first-stage residuals of one outcome; event studies have them before the start too."""
    averages = averages_of(panel, aggregate)
    if isinstance(averages, NotEstimable):
        return averages
    if aggregate == "event_time":
        after, reference = averages, options["reference"]
        averages = panel.once(("averages with before", reference), lambda: _with_before(panel, after, reference))
    found, shares = impute(panel, averages), averages.rows.shares
    own = _own_mean(found, found.effect @ shares)
    return imputation.pieces_of(found, shares * (found.effect[:, None] - own))


def _own_mean(found: Imputed, estimates: np.ndarray) -> np.ndarray:
    """The second stage's fitted value of each cell in each row (n × K).

    In the rows themselves it is the row's estimate; in their average it is that of the row the cell belongs to.
    """
    own, rows = np.repeat(estimates[None, :], len(found.effect), axis=0), found.averages.rows
    if rows.labels[-1]["kind"] == "average":
        own[:, -1] = (rows.shares[:, :-1] != 0) @ estimates[:-1]
    return own


def _with_before(panel: Panel, found: Averages, reference: int | None) -> Averages:
    """Put the untreated cells of units that adopt, by event time, before the rows; the reference event time has none.

    All of them together are one too many: a unit's residuals before the start sum to zero. So one event time is left out.
    """
    stage = found.stage
    unit, time = np.nonzero((stage.weights > 0) & panel.treated[:, None])
    event = time - panel.cohort[unit]
    keep = event != reference if reference is not None else np.ones(len(event), bool)
    unit, time, event = unit[keep], time[keep], event[keep]
    if len(unit) == 0:
        return found
    weight = panel.weights[0][unit, time]
    times, at = np.unique(event, return_inverse=True)
    count, after = len(unit), found.rows.shares
    shares = np.zeros((count + len(after), len(times) + after.shape[1]))
    shares[np.arange(count), at] = weight / np.bincount(at, weight)[at]
    shares[count:, len(times) :] = after
    labels = [{"event_time": int(e), "kind": "pre"} for e in times]
    return Averages(
        stage,
        np.concatenate([unit, found.unit]),
        np.concatenate([time, found.time]),
        Rows([*labels, *found.rows.labels], shares),
        found.warnings,
    )


TWO_STAGE = Estimator(
    prepare,
    fit,
    DEFAULTS,
    {},
    AGGREGATES,
    title="Two-stage (Gardner)",
    assumes="Without the reform, all areas would have moved alike in every period, before the start too.",
)
