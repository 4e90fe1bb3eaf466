"""Bounds when the trend may break by at most some multiple of the largest break before (Rambachan, Roth 2023)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from evaluation.errors import NotEstimable, check_choice
from evaluation.sensitivity.breakdown import Breakdown, breakdown
from evaluation.sensitivity.conditional import Band, band, confidence_set, differences, mixture, reaches
from evaluation.sensitivity.study import Bound, Study, as_study, check_level, check_values

ORDERS = (1, 2)
NAMES = {1: "relative_magnitudes", 2: "relative_smoothness"}


def relative_magnitudes(
    estimates: Any,
    covariance: Any,
    pre: int,
    post: int,
    contrast: Any,
    values: Sequence[float] = (0.5, 1.0, 1.5, 2.0),
    level: float = 0.95,
    order: int = 1,
) -> tuple[Bound, ...] | NotEstimable:
    """Confidence sets for contrast'τ when the trend breaks after the reform by at most Mbar times the largest break before.

    Δ^RM(Mbar) of Rambachan, Roth (2023), or with order 2 their Δ^SDRM(Mbar), with the conditional and least-favourable hybrid
    test, kappa = (1 − level) ÷ 10, inverted and joined over which break is the largest and its sign. As
    `createSensitivityResults_relativeMagnitudes` of HonestDiD, with an exact critical value in the first stage.

    Args:
        estimates: before, oldest first, then after, without the reference period (pre + post), in units of the outcome.
        covariance: of them, (pre + post) × (pre + post).
        pre: number of periods before, 2 or more; with order 2 two periods leave a single break to go by.
        post: number of periods after.
        contrast: weights of the effect on those after (post).
        values: of Mbar, 0 or more.
        level: of confidence.
        order: 1: a break is a change of the difference in trends from one period to the next; 2: a change of that change.

    Returns:
        One `Bound` a value, or `NotEstimable` with too few periods before or a singular covariance.

    Raises:
        PanelError: shapes that do not fit.
        OptionError: values, level or order out of range.
    """
    check_choice("order", order, ORDERS)
    study = as_study(estimates, covariance, pre, post, contrast)
    return study if isinstance(study, NotEstimable) else relative_bounds(study, check_values(values), check_level(level), order)


def relative_bounds(study: Study, values: np.ndarray, level: float, order: int = 1) -> tuple[Bound, ...]:
    """As `relative_magnitudes`, from what is checked already."""
    if not len(values):
        return ()
    moments, group = relative_band(study, values, order)
    found = confidence_set(moments, group, len(values), 1 - level, study.std_error * 1e-3)
    return tuple(
        Bound(NAMES[order], float(value), float(lower), float(upper), bool(whole))
        for value, lower, upper, whole in zip(values, *found, strict=True)
    )


def relative_breakdown(study: Study, level: float, limit: float, order: int = 1) -> Breakdown:
    """The largest Mbar at which the set still leaves out zero, to 0.01."""

    def leaves_out_zero(values: np.ndarray) -> np.ndarray:
        moments, group = relative_band(study, values, order)
        return ~reaches(moments, group, len(values), 1 - level, 0.0)

    return breakdown(leaves_out_zero, limit, 0.01)


def relative_band(study: Study, values: np.ndarray, order: int) -> tuple[Band, np.ndarray]:
    """Moments for each value, each difference before that may be the largest, and each sign of it."""
    before, after = differences(study.pre, len(study.contrast), order)
    chosen = np.concatenate([before, -before])
    both = np.concatenate([np.broadcast_to(after, (len(chosen), *after.shape)), chosen[:, None, :]], axis=1)
    spread = both @ study.covariance @ both.transpose(0, 2, 1)
    return band(after @ study.estimates, chosen @ study.estimates, spread, mixture(study.contrast, order), values)
