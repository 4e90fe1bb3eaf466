"""Interaction-weighted event study (Sun, Abraham 2021): an effect for each cohort and period, averaged by observed shares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from evaluation.errors import NotEstimable, OptionError
from evaluation.estimators import group_time
from evaluation.estimators.design import Estimator, Pieces, dots, plural
from evaluation.estimators.least_squares import GroupDesign, Rows, Saturated, group_design, listed, rows_of, saturated
from evaluation.panel import Panel

DEFAULTS = {"control": "never_treated", "reference": -1}
CHOICES = {"control": ("never_treated", "last_treated")}


def prepare(panel: Panel, options: Mapping[str, Any]) -> Panel | NotEstimable:
    """Leave out what is treated throughout; with the last cohort as comparison, also periods from its start on."""
    reference = options["reference"]
    if isinstance(reference, bool) or not isinstance(reference, int | np.integer) or reference >= 0:
        raise OptionError(f"reference must be an event time before the start, such as -1, not {reference!r}.")
    return with_comparison(panel, options["control"])


def with_comparison(panel: Panel, control: str) -> Panel | NotEstimable:
    """The panel that a comparison needs, as group_time has it; refuses where no unit compares."""
    made = group_time.prepare(panel, {"control": control, "anticipation": 0, "unbalanced": "pairs", "method": "unadjusted"})
    if not isinstance(made, NotEstimable) and not (made.cohort < len(made.periods)).any():
        return NotEstimable("no unit adopts before the last cohort", "Widen the window, or add units that never adopt.")
    return made


def fit(panel: Panel, aggregate: str, options: Mapping[str, Any]) -> Pieces | NotEstimable:
    """Least squares of one outcome on unit and period effects and an effect for each cohort and period but the reference."""
    weights = panel.weights[0]
    design = group_design(panel, weights, int(options["reference"]))
    fitted = saturated(panel.values[0], weights, design.code, design.design, design.fixed)
    return pieces_of(panel, aggregate, design, fitted, fitted.rank + 1, int(options["reference"]))


def identified(panel: Panel, design: GroupDesign, fitted: Saturated) -> tuple[GroupDesign, tuple[str, ...]]:
    """The effects that the data identify, and a notice of those they do not."""
    good = design.possible() & fitted.identified(design.contrasts)
    if good.all():
        return design, ()
    names = [f"{panel.periods[g]} in {panel.periods[t]}" for g, t in zip(design.cohort[~good], design.time[~good], strict=True)]
    words = f"{plural(len(names), 'cohort by period effect')} left out, with nothing to compare with: {listed(names)}."
    return design.keep(good), (words,)


def rows_in(panel: Panel, aggregate: str, design: GroupDesign, reference: int | None) -> tuple[GroupDesign, Rows] | NotEstimable:
    """The effects an aggregate averages, and how; an event study has its reference as a row of 0."""
    if not (design.time >= design.cohort).any():
        return NotEstimable(
            "no period after the reform has both treated and comparison cells", "Widen the window, or add comparison units."
        )
    if aggregate not in ("event_time", "cells"):
        design = design.keep(design.time >= design.cohort)
    rows = rows_of(panel, aggregate, design.cohort, design.time, design.weight)
    if aggregate != "event_time" or reference is None:
        return design, rows
    at = sum(label["event_time"] is not None and label["event_time"] < reference for label in rows.labels)
    labels = [*rows.labels[:at], {"event_time": reference, "kind": "reference"}, *rows.labels[at:]]
    return design, Rows(labels, np.insert(rows.shares, at, 0.0, axis=1))


def pieces_of(
    panel: Panel, aggregate: str, design: GroupDesign, fitted: Saturated, parameters: int, reference: int | None
) -> Pieces | NotEstimable:
    """Averages of cohort × period effects, shares taken as fixed."""
    design, notices = identified(panel, design, fitted)
    chosen = rows_in(panel, aggregate, design, reference)
    if isinstance(chosen, NotEstimable):
        return chosen
    design, rows = chosen
    contrasts = sparse.csr_array(design.contrasts) @ rows.shares
    support, compared, used = who(panel, design, rows.shares, reference is not None)
    return Pieces(
        labels=pd.DataFrame(rows.labels),
        estimates=fitted.estimates @ contrasts,
        scores=fitted.scores(contrasts),
        support=support,
        used=used,
        compared=compared,
        parameters=parameters,
        observations=int((fitted.weights > 0).sum()),
        builder=lambda: dots(fitted.on_cells(contrasts)),
        warnings=notices,
    )


def who(panel: Panel, design: GroupDesign, shares: np.ndarray, own_only: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Treated units each row rests on, units it compares with, and all units of the one regression (N × K each).

    `own_only`: cohorts have a profile of their own, so that only the units that do not adopt compare.
    """
    groups, periods, count = len(design.design), len(panel.periods), shares.shape[1]
    picked = np.zeros((groups, periods, count), bool)
    group, time = design.group, design.time
    picked[group, time] = shares != 0
    seen = panel.weights[0] > 0
    support = np.zeros((len(seen), count), bool)
    for g in range(groups):
        at = design.code == g
        support[at] = seen[at].astype(float) @ picked[g].astype(float) > 0
    asked, observed = (np.asarray(mask.any(axis=axes)) for mask, axes in ((picked, (0, 1)), (seen, 1)))
    used = observed[:, None] & asked[None, :]
    if own_only:
        return support, used & (panel.cohort >= periods)[:, None], used
    untreated = seen & (panel.cohort[:, None] > np.arange(periods)[None, :])
    return support, untreated.astype(float) @ picked.any(axis=0).astype(float) > 0, used


INTERACTION_WEIGHTED = Estimator(
    prepare,
    fit,
    DEFAULTS,
    CHOICES,
    ("overall", "cells", "event_time", "cohort", "calendar"),
    title="Interaction-weighted (Sun and Abraham)",
    assumes="Without the reform, areas that start together would have moved like those that never start.",
)
