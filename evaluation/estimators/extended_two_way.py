"""Extended two-way fixed effects: saturated in cohort and period (Wooldridge 2021), Poisson with exposure (Wooldridge 2023)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np
from scipy import sparse

from evaluation.errors import NotEstimable, OptionError, PanelError
from evaluation.estimators.design import Estimator, Pieces, plural
from evaluation.estimators.interaction_weighted import identified, layout_of, pieces_of, rows_in, who, with_comparison
from evaluation.estimators.least_squares import (
    GroupDesign,
    Rows,
    Saturated,
    group_design,
    listed,
    normal_of,
    static_design,
)
from evaluation.panel import Panel

DEFAULTS = {
    "control": "not_yet_treated",
    "family": "gaussian",
    "exposure": False,
    "model": "saturated",
    "scale": "outcome",
    "effects": "unit",
    "hold_effects": False,
}
CHOICES = {
    "control": ("not_yet_treated", "never_treated"),
    "family": ("gaussian", "poisson"),
    "exposure": (False, True),
    "model": ("saturated", "static"),
    "scale": ("outcome", "log"),
    "effects": ("unit", "cohort"),
    "hold_effects": (False, True),
}
STEPS, SETTLED = 100, 1e-10  # Poisson iterations, and the change of a fitted log mean at which they end
VANISHED = 1e-10  # share of the mean outcome below which a fitted mean is on its way to zero


def prepare(panel: Panel, options: Mapping[str, Any]) -> Panel | NotEstimable:
    """Leave out what is treated throughout; without never-treated units, also periods from the last start on."""
    if options["exposure"] and options["family"] != "poisson":
        raise OptionError("exposure=True is for family='poisson': the panel's weight is then the exposure of a count.")
    unused = [name for name, value in (("scale", "log"), ("hold_effects", True)) if options[name] == value]
    if unused and options["family"] != "poisson":
        raise OptionError(
            f"{unused[0]}={options[unused[0]]!r} is for family='poisson': a linear model has one scale and no slope."
        )
    if options["exposure"] and not panel.weighted:
        raise OptionError(
            "exposure=True needs a weight in the panel: name the column of exposures in Panel.from_frame(weight=...)."
        )
    return with_comparison(panel, options["control"])


def fit(panel: Panel, aggregate: str, options: Mapping[str, Any]) -> Pieces | NotEstimable:
    """Effects of one outcome by cohort and period, averaged."""
    if options["model"] == "static" and aggregate != "overall":
        raise OptionError(f"model='static' has one effect, so no aggregate {aggregate!r}. Ask for aggregate='overall'.")
    if options["family"] == "poisson":
        return _poisson(panel, aggregate, options)
    asked = (options["model"], options["control"])
    design, reference = panel.once(("extended design", *asked), lambda: _design(panel, panel.weights[0], options))
    normal = panel.once(
        ("extended normal", *asked, options["effects"]), lambda: normal_of(panel.weights[0], design, options["effects"])
    )
    fitted = normal.fit(panel.values[0])
    key = ("extended layout", *asked, options["effects"], aggregate)
    layout = panel.once(key, lambda: layout_of(panel, aggregate, design, fitted, reference))
    return pieces_of(layout, fitted, _parameters(fitted, options))


def _design(panel: Panel, weights: np.ndarray, options: Mapping[str, Any]) -> tuple[GroupDesign, int | None]:
    if options["model"] == "static":
        return static_design(panel, weights), None
    reference = -1 if options["control"] == "never_treated" else None
    return group_design(panel, weights, reference), reference


def _parameters(fitted: Saturated, options: Mapping[str, Any]) -> int:
    """What a small-sample factor counts: unit effects are nested in clusters and not counted, cohort effects are."""
    return fitted.rank + (1 if options["effects"] == "unit" else len(fitted.design))


@dataclass(frozen=True, eq=False)
class Counts:
    """A Poisson fit.

    Attributes:
        panel: without the cells that carry nothing.
        fitted: the last weighted least squares of the iterations: its scores are those of the maximum likelihood.
        design: cohort × period effects.
        mean: fitted mean, N × T.
        prior: weights of cells, N × T, 1 where unweighted or where the weight is the exposure.
        reference: event time compared with, or None.
        notices: units and periods left out.
    """

    panel: Panel
    fitted: Saturated
    design: GroupDesign
    mean: np.ndarray
    prior: np.ndarray
    reference: int | None
    notices: tuple[str, ...]


def _poisson(panel: Panel, aggregate: str, options: Mapping[str, Any]) -> Pieces | NotEstimable:
    counts = _fit_counts(panel, options)
    if isinstance(counts, NotEstimable):
        return counts
    parameters = _parameters(counts.fitted, options)
    if options["scale"] == "log":
        layout = layout_of(counts.panel, aggregate, counts.design, counts.fitted, counts.reference)
        made = pieces_of(layout, counts.fitted, parameters)
        if isinstance(made, NotEstimable):
            return made
        return replace(made, builder=_no_weights, warnings=(*counts.notices, *made.warnings))
    return _on_outcome(counts, aggregate, options, parameters)


def _no_weights() -> NoReturn:
    raise PanelError(
        "extended_two_way with family='poisson' keeps no weights on cells: its estimate is no sum of outcomes. "
        "Use family='gaussian'."
    )


def _fit_counts(panel: Panel, options: Mapping[str, Any]) -> Counts | NotEstimable:
    """Iterated weighted least squares from above; refuses negative outcomes and separation."""
    outcome, weights = np.nan_to_num(panel.values[0]), panel.weights[0]
    negative = np.argwhere((outcome < 0) & (weights > 0))
    if len(negative):
        i, t = negative[0]
        return NotEstimable(
            f"outcome {panel.outcomes[0]!r} is negative for {panel.units[i]!r} in {panel.periods[t]!r}, which no count is",
            "Use family='gaussian', or an outcome that is 0 or more.",
        )
    weights, notices = _informative(panel, outcome, weights, options["effects"])
    if not (weights > 0).any():
        return NotEstimable(f"outcome {panel.outcomes[0]!r} is 0 in every cell", "Use an outcome that is not always 0.")
    prior = np.where(weights > 0, 1.0, 0.0) if options["exposure"] else weights
    offset = np.log(np.where(weights > 0, weights, 1.0)) if options["exposure"] else np.zeros_like(weights)
    design, reference = _design(panel, prior, options)
    kept = _with_weights(panel, prior)
    solved = _iterate(outcome, prior, offset, design, options["effects"])
    if solved is None:
        return NotEstimable(
            "the Poisson fit does not settle", "Look at the outcome for single cells that are far from the others."
        )
    fitted, mean, vanished = solved
    if vanished.any():
        return _separated(panel, vanished)
    return Counts(kept, fitted, design, mean, prior, reference, notices)


def _with_weights(panel: Panel, weights: np.ndarray) -> Panel:
    """The panel of one outcome under other weights, cells without one missing."""
    return replace(panel, weights=weights[None], values=np.where(weights > 0, panel.values[0], np.nan)[None])


def _informative(panel: Panel, outcome: np.ndarray, weights: np.ndarray, effects: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Take out units (or cohorts) and periods that are all 0: their effect has no finite value, and they say nothing."""
    notices: list[str] = []
    while True:
        some = (outcome > 0) & (weights > 0)
        unit = np.asarray(some.any(axis=1))
        if effects == "cohort":
            unit = np.isin(panel.cohort, np.unique(panel.cohort[unit]))
        empty = [np.asarray(~kept & (weights > 0).any(axis=axis)) for kept, axis in ((unit, 1), (some.any(axis=0), 0))]
        if not (empty[0].any() or empty[1].any()):
            return weights, tuple(notices)
        for noun, names, gone in ((panel.unit, panel.units, empty[0]), (panel.period, panel.periods, empty[1])):
            if gone.any():
                who_or_when = [names[i] for i in np.flatnonzero(gone)]
                notices.append(
                    f"{plural(len(who_or_when), noun)} left out, the outcome being 0 throughout: {listed(who_or_when)}."
                )
        weights = np.where(empty[0][:, None] | empty[1][None, :], 0.0, weights)


def _iterate(
    outcome: np.ndarray, prior: np.ndarray, offset: np.ndarray, design: GroupDesign, effects: str
) -> tuple[Saturated, np.ndarray, np.ndarray] | None:
    """Maximum likelihood by iterated weighted least squares: the last fit, the means, and cells whose mean goes to zero."""
    at = prior > 0
    level = np.average(outcome[at], weights=prior[at])
    mean = np.where(at, (outcome + level) / 2, 0.0)
    old = np.where(at, np.log(np.where(at, mean, 1.0)), 0.0)
    for _ in range(STEPS):
        safe = np.where(at, mean, 1.0)
        working = old - offset + (outcome - mean) / safe
        fitted = normal_of(prior * mean, design, effects).fit(working)
        new = np.where(at, working - fitted.residual + offset, 0.0)
        mean = np.where(at, np.exp(np.clip(new, -700, 700)), 0.0)
        zero = at & (outcome == 0)
        separated = bool((zero & (mean < VANISHED * level)).any())
        if separated or np.abs(new - old)[at].max() < SETTLED:
            vanished = zero & separated & (mean < np.sqrt(VANISHED) * level)  # the others follow the first
            return _at_optimum(fitted, outcome, prior, mean), mean, vanished
        old = new
    return None


def _at_optimum(fitted: Saturated, outcome: np.ndarray, prior: np.ndarray, mean: np.ndarray) -> Saturated:
    """The fit with its residuals and weights at the final means."""
    residual = np.divide(outcome - mean, mean, out=np.zeros_like(mean), where=mean > 0)
    return replace(fitted, weights=prior * mean, residual=residual)


def _separated(panel: Panel, vanished: np.ndarray) -> NotEstimable:
    unit, time = np.nonzero(vanished)
    names = [f"{panel.units[i]} in {panel.periods[t]}" for i, t in zip(unit, time, strict=True)]
    return NotEstimable(
        f"separation: the outcome is 0 in {plural(len(names), 'cell')} that effects fit perfectly ({listed(names)}), "
        "so the effect on its logarithm has no finite value",
        "Join periods or cohorts so that each has a count, leave these cells out, or use family='gaussian'.",
    )


def _on_outcome(counts: Counts, aggregate: str, options: Mapping[str, Any], parameters: int) -> Pieces | NotEstimable:
    """Mean difference of fitted means with and without the reform over treated cells, errors by the delta method."""
    panel, fitted = counts.panel, counts.fitted
    design, notices = identified(panel, counts.design, fitted)
    chosen = rows_in(panel, aggregate, design, counts.reference)
    if isinstance(chosen, NotEstimable):
        return chosen
    design, by_group = chosen
    unit, effect, shares = _cells(counts, design, by_group)
    time = design.time[effect]
    with_reform = counts.mean[unit, time]
    without = with_reform * np.exp(-(fitted.estimates @ design.contrasts)[effect])
    estimates = shares.T @ (with_reform - without)
    slope = _slope(counts, design, unit, effect, (with_reform, without), shares, options["hold_effects"])
    support, compared, used = who(panel, design, by_group.shares, counts.reference is not None)
    return Pieces(
        labels=by_group.labels,
        estimates=estimates,
        scores=slope,
        support=support,
        used=used,
        compared=compared,
        parameters=parameters,
        observations=int((fitted.weights > 0).sum()),
        builder=_no_weights,
        warnings=(*counts.notices, *notices),
    )


def _cells(counts: Counts, design: GroupDesign, rows: Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cells of each effect: their unit, the number of their effect, and their share in each row (m × K)."""
    number = np.full(design.design.shape[:2], -1)
    number[design.group, design.time] = np.arange(len(design.time))
    of_cell = np.where(counts.prior > 0, number[design.code], -1)
    unit, time = np.nonzero(of_cell >= 0)
    effect = of_cell[unit, time]
    return unit, effect, rows.shares[effect] * (counts.prior[unit, time] / design.weight[effect])[:, None]


def _slope(
    counts: Counts,
    design: GroupDesign,
    unit: np.ndarray,
    effect: np.ndarray,
    means: tuple[np.ndarray, np.ndarray],
    shares: np.ndarray,
    hold_effects: bool,
) -> np.ndarray:
    """Scores (N × K) by the delta method, through all parameters or (hold_effects) the cohort × period effects alone."""
    fitted, code = counts.fitted, design.code
    up, down = means[0][:, None] * shares, means[1][:, None] * shares
    picked = sparse.csr_array((np.ones(len(effect)), (effect, np.arange(len(effect)))), shape=(len(design.time), len(effect)))
    if hold_effects:
        return fitted.scores(fitted.along(design.contrasts @ (picked @ up)))
    point = design.design[design.group, design.time].T
    contrasts = point @ (picked @ (up - down)) + design.contrasts @ (picked @ down)
    by_unit = sparse.csr_array((np.ones(len(unit)), (unit, np.arange(len(unit)))), shape=(len(code), len(unit))) @ (up - down)
    for g, profile in enumerate(design.design):  # a unit effect is its mean less its share-weighted profile
        contrasts = contrasts - profile.T @ (fitted.share[code == g].T @ by_unit[code == g])
    scores = fitted.scores(fitted.along(contrasts))
    total, moved = fitted.weights.sum(axis=1), (fitted.weights * fitted.residual).sum(axis=1)
    pooled = np.bincount(code, total)
    in_cohort = np.zeros((len(pooled), shares.shape[1]))
    np.add.at(in_cohort, code, by_unit)
    return scores + (moved / pooled[code])[:, None] * in_cohort[code]


EXTENDED_TWO_WAY = Estimator(
    prepare,
    fit,
    DEFAULTS,
    CHOICES,
    ("overall", "cells", "event_time", "cohort", "calendar"),
    title="Extended two-way (Wooldridge)",
    assumes="Without the reform, areas that start at different times would have moved alike, and alike with the others.",
)
