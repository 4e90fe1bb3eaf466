"""Where each method is right and where it breaks: 2,000 draws with a known effect, all at once (the figures of METHODS.md)."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.estimators.two_group import METHODS, paired, rows_of

DRAWS, UNITS, EFFECT = 2_000, 400, 1.0
# Which of the two models holds: that of the trend (linear in x), that of who is treated (a logit linear in x).
RIGHT = {
    ("linear", "linear"): {"regression", "ipw", "doubly_robust"},
    ("curved", "linear"): {"ipw", "doubly_robust"},
    ("linear", "curved"): {"regression", "doubly_robust"},
    ("curved", "curved"): set(),
}


def bias(trend: str, selection: str, method: str) -> tuple[float, float, float]:
    """Mean error, its Monte Carlo error, and the mean reported error as a share of the true one."""
    rng = np.random.default_rng(20)
    x = rng.normal(size=(DRAWS, UNITS))
    index = 0.6 * x - 0.5 if selection == "linear" else 0.5 * x**2 + 0.8 * x - 1.2
    treated = rng.random((DRAWS, UNITS)) < 1 / (1 + np.exp(-index))
    change = (x if trend == "linear" else 0.7 * x + 0.5 * x**2) + EFFECT * treated + rng.normal(size=(DRAWS, UNITS))
    found = paired(rows_of(treated.astype(float), (~treated).astype(float), x[..., None]), change, method)
    errors = found.estimates - EFFECT
    reported = np.sqrt((found.scores**2).sum(axis=1))
    return float(errors.mean()), float(errors.std() / np.sqrt(DRAWS)), float(reported.mean() / errors.std())


@pytest.mark.parametrize(("trend", "selection"), list(RIGHT))
@pytest.mark.parametrize("method", METHODS)
def test_bias(trend: str, selection: str, method: str) -> None:
    mean, error, ratio = bias(trend, selection, method)
    if method in RIGHT[trend, selection]:
        assert abs(mean) < 3 * error  # nine means are looked at; narrower than 2 errors of 500 draws
        assert ratio == pytest.approx(1.0, abs=0.1)
    else:
        assert abs(mean) > 10 * error
