"""What the tests of this folder share: the golden panels, and small drawn ones with covariates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
SHARED = Path(__file__).resolve().parents[2] / ".." / "shared"


@pytest.fixture(scope="session")
def golden() -> Path:
    return GOLDEN


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder beside the project; tests that need it skip where it is missing."""
    if not (SHARED / "golden" / "packages").exists():
        pytest.skip("../shared with the packages' reference numbers is not here")
    return SHARED


def shares(weight: np.ndarray) -> np.ndarray:
    return weight / weight.sum()


def fit(x: np.ndarray, y: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted least squares: fitted values for all rows, and each row's part in the coefficients."""
    inverse = np.linalg.inv(x.T @ (w[:, None] * x))
    beta = inverse @ (x.T @ (w * y))
    return x @ beta, (w * (y - x @ beta))[:, None] * (x @ inverse)


def logit(x: np.ndarray, d: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares treated, and each row's part in the coefficients."""
    beta = np.zeros(x.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-x @ beta))
        beta = beta + np.linalg.solve(x.T @ ((w * p * (1 - p))[:, None] * x), x.T @ (w * (d - p)))
    p = 1 / (1 + np.exp(-x @ beta))
    return p, (w * (d - p))[:, None] * (x @ np.linalg.inv(x.T @ ((w * p * (1 - p))[:, None] * x)))


def doubly_robust_rows(
    y: np.ndarray, post: np.ndarray, d: np.ndarray, x: np.ndarray, w: np.ndarray, sign: float = -1.0
) -> tuple[float, np.ndarray]:
    """Sant'Anna, Zhao 2020, equation 3.4, term by term as `DRDID::drdid_rc`: the effect, and the influence of each row.

    `sign` is that of the influence of the comparison regression of the earlier period: −1 is right, +1 is `drdid_rc` 1.2.3.
    """
    p, of_logit = logit(x, d, w)
    effect, influence, treated = 0.0, np.zeros(len(y)), shares(w * d)
    for when, plus in ((post, 1.0), (1 - post, -1.0)):
        own, odds = shares(w * d * when), shares(w * (1 - d) * when * p / (1 - p))
        control, of_control = fit(x, y, w * (1 - d) * when)
        adopter, of_adopter = fit(x, y, w * d * when)
        gap, rest = adopter - control, y - control
        effect += plus * ((own - odds) @ rest + (treated - own) @ gap)
        direct = own * (rest - own @ rest) - odds * (rest - odds @ rest)
        direct -= of_logit @ ((odds * (rest - odds @ rest)) @ x)
        regression = of_control @ ((own - odds) @ x)
        moved = treated * (gap - treated @ gap) - own * (gap - own @ gap) + (of_adopter - of_control) @ ((treated - own) @ x)
        influence += plus * (direct + moved) - (regression if plus > 0 else sign * regression)
    return effect, influence


@pytest.fixture(scope="session")
def drdid() -> Callable[..., tuple[float, np.ndarray]]:
    return doubly_robust_rows


@pytest.fixture(scope="session")
def draw() -> Callable[..., pd.DataFrame]:
    """A panel in long form in which the trend goes with a covariate `x`; `z` varies over time."""

    def make(
        seed: int = 1, units: int = 40, periods: int = 5, starts: tuple[int, ...] = (0, 0, 3, 4), missing: float = 0.0
    ) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        unit = np.repeat(np.arange(units), periods)
        period = np.tile(np.arange(1, periods + 1), units)
        first = np.array(starts)[unit % len(starts)]
        x = rng.normal(0.4 * (np.arange(units) % len(starts) > 1), 1)
        z = rng.normal(size=(units, periods)).cumsum(axis=1).ravel()
        level, common = rng.normal(0, 3, units), rng.normal(0, 1, periods)
        on = (first > 0) & (period >= first)
        trend = 0.5 * x[unit] * period
        frame = pd.DataFrame(
            {
                "unit": unit,
                "period": period,
                "first": first,
                "region": unit // 4 % 5,
                "size": rng.integers(50, 500, units)[unit] + period,
                "x": x[unit],
                "z": z,
                "y": level[unit] + common[period - 1] + trend + 2.0 * on + rng.normal(0, 1, len(unit)),
            }
        )
        return frame[rng.random(len(frame)) >= missing].reset_index(drop=True)

    return make
