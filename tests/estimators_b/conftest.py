"""Panels, reference numbers and R's random numbers that the tests of this folder share."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evaluation import Panel
from evaluation.estimators import ESTIMATORS
from evaluation.estimators.interrupted_series import INTERRUPTED_SERIES
from evaluation.estimators.rollout import ROLLOUT
from evaluation.estimators.synthetic import SYNTHETIC

HERE = Path(__file__).resolve().parent
GOLDEN = HERE.parent / "golden"
SHARED = HERE.parents[1] / ".." / "shared" / "data" / "did_bench"


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, estimator in (("synthetic", SYNTHETIC), ("rollout", ROLLOUT), ("interrupted_series", INTERRUPTED_SERIES)):
        monkeypatch.setitem(ESTIMATORS, name, estimator)
    yield


@pytest.fixture(scope="session")
def reference() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((HERE / "reference" / "reference.json").read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(scope="session")
def golden_frame() -> pd.DataFrame:
    return pd.read_csv(GOLDEN / "panel.csv")


@pytest.fixture(scope="session")
def golden_panel(golden_frame: pd.DataFrame) -> Panel:
    return Panel.from_frame(golden_frame, "authority", "term", "first_term", "rate", cluster="region")


@pytest.fixture(scope="session")
def cohort_8(golden_frame: pd.DataFrame) -> Panel:
    rows = golden_frame[golden_frame["first_term"].isin([0, 8])]
    return Panel.from_frame(rows, "authority", "term", "first_term", "rate", cluster="region")


@pytest.fixture(scope="session")
def shared() -> Callable[[str], pd.DataFrame]:
    """A published set of ../shared/data/did_bench; the test is skipped, saying so, where it is missing."""

    def read(name: str) -> pd.DataFrame:
        path = SHARED / name
        if not path.exists():
            pytest.skip(f"{name} is not in ../shared/data/did_bench")
        return pd.read_csv(path)

    return read


@pytest.fixture(scope="session")
def table() -> Callable[..., Panel]:
    """A panel from rows of numbers: unit → (first treated period or 0, outcomes of periods 1, 2, …)."""

    def make(units: dict[str, tuple[int, list[float]]], **changes: Any) -> Panel:
        rows = [
            {"unit": unit, "period": t, "first": first, "y": y, "w": 1.0 + t}
            for unit, (first, values) in units.items()
            for t, y in enumerate(values, start=1)
        ]
        named: dict[str, Any] = {"unit": "unit", "period": "period", "first_treated": "first", "outcome": "y"}
        return Panel.from_frame(pd.DataFrame(rows), **{**named, **changes})

    return make


@pytest.fixture(scope="session")
def draw() -> Callable[..., pd.DataFrame]:
    """A panel in long form from a seed: unit and period effects, a common factor, noise, and an effect from the start on."""

    def make(
        seed: int = 1, units: int = 24, periods: int = 9, starts: tuple[int, ...] = (0, 0, 6, 8), effect: float = 2.0
    ) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        unit, period = np.repeat(np.arange(units), periods), np.tile(np.arange(1, periods + 1), units)
        first = np.array(starts)[unit % len(starts)]
        level, load = rng.normal(0, 3, units)[unit], rng.uniform(0, 1, units)[unit]
        common, factor = rng.normal(0, 1, periods)[period - 1], rng.normal(0, 1, periods)[period - 1]
        on = (first > 0) & (period >= first)
        y = level + common + load * factor + effect * on + rng.normal(0, 0.5, len(unit))
        return pd.DataFrame({"unit": unit, "period": period, "first": first, "region": unit % 5, "y": y})

    return make


@pytest.fixture(scope="session")
def build() -> Callable[..., Panel]:
    def make(frame: pd.DataFrame, **changes: Any) -> Panel:
        named: dict[str, Any] = {"unit": "unit", "period": "period", "first_treated": "first", "outcome": "y"}
        return Panel.from_frame(frame, **{**named, **changes})

    return make


class RSample:
    """`set.seed(seed)` and `sample(n)` of R 3.6 and later: Mersenne Twister, inversion by rejection of random bits."""

    def __init__(self, seed: int) -> None:
        keys = []
        for step in range(50 + 625):
            seed = (69069 * seed + 1) & 0xFFFFFFFF
            if step >= 51:  # the first word after the scrambling is the position, which R sets itself
                keys.append(seed)
        self.twister = np.random.MT19937()
        self.twister.state = {"bit_generator": "MT19937", "state": {"key": np.array(keys, dtype=np.uint32), "pos": 624}}

    def _below(self, n: int) -> int:
        bits = math.ceil(math.log2(n))
        while True:
            value = 0
            for _ in range(0, bits + 1, 16):
                value = 65536 * value + math.floor(int(self.twister.random_raw()) * 2.3283064365386963e-10 * 65536)
            value &= (1 << bits) - 1
            if value < n:
                return value

    def permutation(self, n: int) -> np.ndarray:
        left, out = list(range(n)), []
        for size in range(n, 0, -1):
            at = self._below(size)
            out.append(left[at])
            left[at] = left[size - 1]
        return np.array(out)


@pytest.fixture(scope="session")
def r_sample() -> type[RSample]:
    return RSample
