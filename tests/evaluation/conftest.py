"""Panels that the tests of this folder share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evaluation import Panel

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


@pytest.fixture(scope="session")
def golden() -> Path:
    return GOLDEN


@pytest.fixture(scope="session")
def golden_frame() -> Callable[[str], pd.DataFrame]:
    frames = {name: pd.read_csv(GOLDEN / f"{name}.csv") for name in ("panel", "panel_unbalanced")}
    return lambda name: frames[name].copy()


@pytest.fixture(scope="session")
def golden_panel(golden_frame: Callable[[str], pd.DataFrame]) -> Panel:
    return Panel.from_frame(
        golden_frame("panel"), unit="authority", period="term", first_treated="first_term", outcome="rate", cluster="region"
    )


@pytest.fixture(scope="session")
def draw() -> Callable[..., pd.DataFrame]:
    """A panel in long form, drawn from a seed: unit and period effects, noise and an effect from the start on."""

    def make(
        seed: int = 1,
        units: int = 18,
        periods: int = 6,
        starts: tuple[int, ...] = (0, 3, 5),
        regions: int = 3,
        effect: float = 2.0,
        missing: float = 0.0,
    ) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        unit = np.repeat(np.arange(units), periods)
        period = np.tile(np.arange(1, periods + 1), units)
        first = np.array(starts)[unit % len(starts)]
        level, common = rng.normal(0, 3, units)[unit], rng.normal(0, 1, periods)[period - 1]
        on = (first > 0) & (period >= first)
        rows = pd.DataFrame(
            {
                "unit": unit,
                "period": period,
                "first": first,
                "region": (unit // len(starts)) % regions,
                "size": rng.integers(50, 500, units)[unit] + period,
                "y": level + common + effect * on + rng.normal(0, 1, len(unit)),
            }
        )
        return rows[rng.random(len(rows)) >= missing].reset_index(drop=True)

    return make


@pytest.fixture(scope="session")
def build() -> Callable[..., Panel]:
    """`Panel.from_frame` on what `draw` makes."""

    def make(frame: pd.DataFrame, **changes: object) -> Panel:
        named: dict[str, object] = {
            "unit": "unit",
            "period": "period",
            "first_treated": "first",
            "outcome": "y",
            "cluster": "region",
        }
        return Panel.from_frame(frame, **{**named, **changes})  # type: ignore[arg-type]

    return make
