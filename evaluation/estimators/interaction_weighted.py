"""Interaction-weighted event study (Sun, Abraham 2021): an effect for each cohort and period, averaged by observed shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from evaluation.errors import NotEstimable, OptionError
from evaluation.estimators import group_time
from evaluation.estimators.design import Estimator, Pieces, dots, plural
from evaluation.estimators.least_squares import Along, GroupDesign, Rows, Saturated, group_design, listed, normal_of, rows_of
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
    weights, reference = panel.weights[0], int(options["reference"])
    design = panel.once(("saturated design", reference), lambda: group_design(panel, weights, reference))
    fitted = panel.once(("saturated normal", reference), lambda: normal_of(weights, design)).fit(panel.values[0])
    key = ("saturated layout", reference, aggregate)
    layout = panel.once(key, lambda: layout_of(panel, aggregate, design, fitted, reference))
    return pieces_of(layout, fitted, fitted.rank + 1)


@dataclass(frozen=True, eq=False)
class Layout:
    """What K rows of a saturated fit are, whatever the outcome.

    Attributes:
        labels: K.
        contrasts: of the parameters, P × K.
        along: what they take of the outcome.
        support, compared, used: as in `Result`.
        notices: effects left out.
    """

    labels: list[dict[str, Any]]
    contrasts: np.ndarray
    along: Along
    support: np.ndarray
    compared: np.ndarray
    used: np.ndarray
    notices: tuple[str, ...]


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


def layout_of(
    panel: Panel, aggregate: str, design: GroupDesign, fitted: Saturated, reference: int | None
) -> Layout | NotEstimable:
    """Averages of cohort × period effects, shares taken as fixed; of the fit only what no outcome changes is used."""
    design, notices = identified(panel, design, fitted)
    chosen = rows_in(panel, aggregate, design, reference)
    if isinstance(chosen, NotEstimable):
        return chosen
    design, rows = chosen
    contrasts = sparse.csr_array(design.contrasts) @ rows.shares
    sides = who(panel, design, rows.shares, reference is not None)
    return Layout(rows.labels, contrasts, fitted.along(contrasts), *sides, notices)


def pieces_of(layout: Layout | NotEstimable, fitted: Saturated, parameters: int) -> Pieces | NotEstimable:
    """The rows of one outcome."""
    if isinstance(layout, NotEstimable):
        return layout
    return Pieces(
        labels=layout.labels,
        estimates=fitted.estimates @ layout.contrasts,
        scores=fitted.scores(layout.along),
        support=layout.support,
        used=layout.used,
        compared=layout.compared,
        parameters=parameters,
        observations=int((fitted.weights > 0).sum()),
        builder=lambda: dots(fitted.on_cells(layout.along)),
        warnings=layout.notices,
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
