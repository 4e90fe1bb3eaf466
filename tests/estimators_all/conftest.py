"""One drawn panel that every estimator can use, and how each is asked: starts, columns, options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evaluation import NotEstimable, Panel, Result, estimate


@dataclass(frozen=True)
class Ask:
    """How one estimator is asked.

    Attributes:
        outcome: the column whose effect it is after: `y` on or off, `z` and `s` by intensity.
        starts: first treated periods that units take in turn; 0 is never.
        columns: what its panel needs beside the rest.
        options: its options.
        weights: whether it takes weights.
    """

    outcome: str = "y"
    starts: tuple[int, ...] = (0, 0, 6, 8)
    columns: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    weights: bool = True


ONE_COHORT = (0, 0, 6, 6)
ASKS: dict[str, Ask] = {
    "dose": Ask(outcome="z", columns={"intensity": "dose"}),
    "extended_two_way": Ask(),
    "group_time": Ask(),
    "imputation": Ask(),
    "interaction_weighted": Ask(),
    "interrupted_series": Ask(starts=ONE_COHORT),
    "local_projections": Ask(),
    "rollout": Ask(weights=False),
    "stacked": Ask(),
    "switchers": Ask(outcome="s", columns={"intensity": "path"}),
    "synthetic": Ask(weights=False),
    "triple_difference": Ask(columns={"eligible": "eligible"}),
    "two_by_two": Ask(starts=ONE_COHORT),
    "two_stage": Ask(),
    "two_way_fixed_effects": Ask(),
}


@pytest.fixture(scope="session")
def asks() -> dict[str, Ask]:
    return ASKS


@pytest.fixture(scope="session")
def draw() -> Callable[..., pd.DataFrame]:
    """A panel in long form: pairs of units of an authority, levels, periods (a line or any), noise, an effect of 2.

    Effects: of `y` 2 while on, of `z` 2 × `dose`, of `s` 2 × `path` (a dose that stops); `count` is multiplied by e^0.4.
    """

    def make(
        starts: tuple[int, ...] = (0, 0, 6, 8),
        seed: int = 1,
        authorities: int = 24,
        periods: int = 10,
        noise: float = 1.0,
        missing: float = 0.0,
        regions: int = 4,
        line: bool = False,
    ) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        units = 2 * authorities
        unit, period = np.repeat(np.arange(units), periods), np.tile(np.arange(1, periods + 1), units)
        authority = unit // 2
        first = np.array(starts)[authority % len(starts)]
        on = (first > 0) & (period >= first)
        dose = np.where(on, 0.5 + (authority // len(starts)) % 3 / 2, 0.0)
        path = np.where((authority % 5 == 2) & (period >= first + 2), 0.0, dose)
        level, common = rng.normal(0, 3, units)[unit], rng.normal(0, 1, periods)[period - 1]
        shift = level + (0.3 * period if line else common) + noise * rng.normal(0, 1, len(unit))
        size = rng.integers(50, 500, units)[unit] + rng.integers(0, 30, len(unit))
        rows = pd.DataFrame(
            {
                "unit": unit,
                "authority": authority,
                "region": authority // len(starts) % regions,
                "period": period,
                "first": first,
                "eligible": unit % 2,
                "dose": dose,
                "path": path,
                "size": size.astype(float),
                "y": shift + 2.0 * on,
                "z": shift + 2.0 * dose,
                "s": shift + 2.0 * path,
                "count": rng.poisson(size / 10 * np.exp(level / 6 + common / 4 + 0.4 * on)).astype(float),
            }
        )
        return rows[rng.random(len(rows)) >= missing].reset_index(drop=True)

    return make


@pytest.fixture(scope="session")
def build() -> Callable[..., Panel]:
    def make(frame: pd.DataFrame, outcome: Any = "y", **named: Any) -> Panel:
        return Panel.from_frame(
            frame, "unit", "period", "first", outcome, **{"cluster": ["unit", "authority", "region"], **named}
        )

    return make


@pytest.fixture(scope="session")
def answer(asks: dict[str, Ask], build: Callable[..., Panel]) -> Callable[..., Result | NotEstimable]:
    """Ask one estimator about a frame, with its own columns and options, or others in their place."""

    def call(
        frame: pd.DataFrame, name: str, aggregate: str = "overall", options: dict[str, Any] | None = None, **named: Any
    ) -> Result | NotEstimable:
        ask = asks[name]
        panel = build(frame, **{"outcome": ask.outcome, **ask.columns, **named})
        return estimate(panel, name, aggregate=aggregate, **{**ask.options, **(options or {})})

    return call
