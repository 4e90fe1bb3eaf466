"""What the tests of this folder share: small panels, drawn panels, and where reference numbers are kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evaluation import Panel, Result, estimate

REFERENCE = Path(__file__).parent / "reference"


@pytest.fixture(scope="session")
def reference() -> Path:
    return REFERENCE


@pytest.fixture(scope="session")
def peers() -> dict[str, Any]:
    return dict(json.loads((REFERENCE / "peers.json").read_text(encoding="utf-8")))


@pytest.fixture(scope="session")
def found() -> Callable[..., Result]:
    """`estimate`, for tests in which there must be a number."""

    def run(panel: Panel, name: str, aggregate: str = "overall", **options: Any) -> Result:
        result = estimate(panel, name, aggregate=aggregate, **options)
        assert isinstance(result, Result), result
        return result

    return run


@pytest.fixture(scope="session")
def by_label() -> Callable[..., dict[Any, float]]:
    """Estimates by their labels; the average has the label None."""

    def read(result: Result, *columns: str) -> dict[Any, float]:
        labels = [result.labels[column].tolist() for column in columns]
        keys = [tuple(None if pd.isna(value) else value for value in row) for row in zip(*labels, strict=True)]
        return {key[0] if len(key) == 1 else key: float(e) for key, e in zip(keys, result.estimates, strict=True)}

    return read


@pytest.fixture(scope="session")
def written() -> Callable[..., pd.DataFrame]:
    """A frame from outcomes written out by unit, periods 1, 2, …; other columns by unit, or by unit and period."""

    def make(outcome: Mapping[str, Sequence[float]], **columns: Mapping[str, Any]) -> pd.DataFrame:
        rows = [{"unit": unit, "period": t + 1, "y": y} for unit, ys in outcome.items() for t, y in enumerate(ys)]
        frame = pd.DataFrame(rows)
        for name, values in columns.items():
            paths = any(isinstance(value, tuple) for value in values.values())
            frame[name] = [
                values[unit][period - 1] if paths else values.get(unit, 0)
                for unit, period in zip(frame["unit"], frame["period"], strict=True)
            ]
        return frame

    return make


@pytest.fixture(scope="session")
def draw() -> Callable[..., pd.DataFrame]:
    """Pairs of units (eligible and not) of authorities, with a dose, from a seed; effects are dose × 2 on eligible units."""

    def make(seed: int = 1, authorities: int = 24, periods: int = 7, starts: Sequence[int] = (0, 3, 5)) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        units = 2 * authorities
        unit, period = np.repeat(np.arange(units), periods), np.tile(np.arange(1, periods + 1), units)
        authority = unit // 2
        first = np.array(starts)[authority % len(starts)]
        on = (first > 0) & (period >= first)
        stopped = (authority % 4 == 1) & (period >= first + 2)
        dose = (1 + (authority // len(starts)) % 3) / 2
        level, common = rng.normal(0, 3, units)[unit], rng.normal(0, 1, periods)[period - 1]
        eligible = (unit % 2 == 0).astype(int)
        return pd.DataFrame(
            {
                "unit": unit,
                "authority": authority,
                "region": authority % 5,
                "period": period,
                "first": first,
                "eligible": eligible,
                "intensity": np.where(on & ~stopped, dose, 0.0),
                "kept": np.where(on, dose, 0.0),
                "size": rng.integers(1, 5, units)[unit],
                "y": level + common + 2 * dose * on * eligible + rng.normal(0, 1, len(unit)),
            }
        )

    return make


@pytest.fixture(scope="session")
def build() -> Callable[..., Panel]:
    """`Panel.from_frame` on what `draw` makes."""

    def make(frame: pd.DataFrame, **changes: Any) -> Panel:
        named: dict[str, Any] = {"unit": "unit", "period": "period", "first_treated": "first", "outcome": "y"}
        return Panel.from_frame(frame, **{**named, **changes})

    return make
