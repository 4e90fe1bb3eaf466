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
def golden_panel() -> Callable[..., Panel]:
    """The golden panels with nine partnerships, one a region; other authorities stand alone."""
    frames = {name: pd.read_csv(GOLDEN / f"{name}.csv") for name in ("panel", "panel_unbalanced")}

    def make(name: str = "panel", **changes: object) -> Panel:
        frame = frames[name].copy()
        alone = "A" + frame["authority"].astype(str)
        frame["partnership"] = np.where(frame["first_term"] > 0, "P" + frame["region"].astype(str), alone)
        named: dict[str, object] = {
            "unit": "authority",
            "period": "term",
            "first_treated": "first_term",
            "outcome": "rate",
            "cluster": ["partnership", "region"],
        }
        return Panel.from_frame(frame, **{**named, **changes})  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def small() -> Callable[..., Panel]:
    """A panel of `pairs` treated and `alone` other units in clusters of two, from given outcomes or noise."""

    def make(
        treated: int = 6,
        others: int = 12,
        periods: int = 6,
        starts: tuple[int, ...] = (4,),
        effect: float = 0.0,
        drift: float = 0.0,
        noise: float = 1.0,
        seed: int = 1,
        **changes: object,
    ) -> Panel:
        rng = np.random.default_rng(seed)
        units = treated + others
        first = np.array([starts[(i // 2) % len(starts)] if i < treated else 0 for i in range(units)])
        unit, period = np.repeat(np.arange(units), periods), np.tile(np.arange(1, periods + 1), units)
        on = (first[unit] > 0) & (period >= first[unit])
        y = rng.normal(0, 2, units)[unit] + rng.normal(0, 1, periods)[period - 1] + rng.normal(0, noise, len(unit))
        y = y + effect * on + drift * period * (first[unit] > 0)
        frame = pd.DataFrame({"unit": unit, "period": period, "first": first[unit], "pair": unit // 2, "y": y})
        frame["z"] = rng.normal(size=len(frame))
        named: dict[str, object] = {
            "unit": "unit",
            "period": "period",
            "first_treated": "first",
            "outcome": "y",
            "cluster": "pair",
        }
        return Panel.from_frame(frame, **{**named, **changes})  # type: ignore[arg-type]

    return make
