"""Panels, references and a way to run the estimators of this folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evaluation import ESTIMATORS, NotEstimable, Panel, Result, estimate
from evaluation.estimators.design import Estimator
from evaluation.estimators.extended_two_way import EXTENDED_TWO_WAY
from evaluation.estimators.imputation import IMPUTATION
from evaluation.estimators.interaction_weighted import INTERACTION_WEIGHTED
from evaluation.estimators.local_projections import LOCAL_PROJECTIONS
from evaluation.estimators.stacked import STACKED
from evaluation.estimators.two_stage import TWO_STAGE

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
REFERENCE = Path(__file__).resolve().parent / "reference"
SHARED = Path(__file__).resolve().parents[2] / ".." / "shared"
OURS: dict[str, Estimator] = {
    "imputation": IMPUTATION,
    "two_stage": TWO_STAGE,
    "interaction_weighted": INTERACTION_WEIGHTED,
    "stacked": STACKED,
    "local_projections": LOCAL_PROJECTIONS,
    "extended_two_way": EXTENDED_TWO_WAY,
}


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, estimator in OURS.items():
        monkeypatch.setitem(ESTIMATORS, name, estimator)


@pytest.fixture(scope="session")
def run() -> Callable[..., Result]:
    def call(panel: Panel, name: str, aggregate: str = "overall", **options: Any) -> Result:
        made = estimate(panel, name, aggregate=aggregate, **options)
        assert isinstance(made, Result), made
        return made

    return call


@pytest.fixture(scope="session")
def refuse() -> Callable[..., NotEstimable]:
    def call(panel: Panel, name: str, aggregate: str = "overall", **options: Any) -> NotEstimable:
        made = estimate(panel, name, aggregate=aggregate, **options)
        assert isinstance(made, NotEstimable), "a number where none can be had"
        assert made.reason and made.remedy
        return made

    return call


@pytest.fixture(scope="session")
def reference() -> dict[str, Any]:
    read: dict[str, Any] = json.loads((GOLDEN / "reference.json").read_text(encoding="utf-8"))
    return read


@pytest.fixture(scope="session")
def package() -> Callable[[str], dict[str, Any]]:
    return lambda name: dict(json.loads((REFERENCE / name).read_text(encoding="utf-8")))


@pytest.fixture(scope="session")
def package_rows() -> Callable[[str], pd.DataFrame]:
    return lambda name: pd.read_csv(REFERENCE / name)


@pytest.fixture(scope="session")
def golden_frame() -> Callable[[str], pd.DataFrame]:
    frames = {name: pd.read_csv(GOLDEN / f"{name}.csv") for name in ("panel", "panel_unbalanced")}
    return lambda name: frames[name].copy()


@pytest.fixture(scope="session")
def golden_panel(golden_frame: Callable[[str], pd.DataFrame]) -> Callable[..., Panel]:
    def make(name: str, outcome: str = "rate", **named: Any) -> Panel:
        return Panel.from_frame(
            golden_frame(name), "authority", "term", "first_term", outcome, **{"cluster": ["authority", "region"], **named}
        )

    return make


@pytest.fixture(scope="session")
def mpdta() -> Callable[[str], Panel]:
    path = SHARED / "data" / "did_bench" / "mpdta.csv"
    if not path.exists():
        pytest.skip("../shared/data/did_bench/mpdta.csv is not here: the public set is not copied into the project")
    frame = pd.read_csv(path)
    frame = frame.assign(
        first=frame["first.treat"].astype(int), county=frame["countyreal"].astype(int), emp=np.exp(frame["lemp"])
    )
    return lambda outcome: Panel.from_frame(frame, "county", "year", "first", outcome)


@pytest.fixture(scope="session")
def close() -> Callable[..., None]:
    def check(ours: float, theirs: float, what: object, tolerance: float = 1e-6) -> None:
        assert abs(ours - theirs) <= tolerance * abs(theirs), f"{what}: {ours!r} where the reference has {theirs!r}"

    return check


@pytest.fixture(scope="session")
def draw() -> Callable[..., pd.DataFrame]:
    """A panel in long form from a seed: unit and period effects, noise, an effect from the start on, and a count."""

    def make(
        seed: int = 1, units: int = 24, periods: int = 7, starts: tuple[int, ...] = (0, 0, 3, 5), missing: float = 0.0
    ) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        unit, period = np.repeat(np.arange(units), periods), np.tile(np.arange(1, periods + 1), units)
        first = np.array(starts)[unit % len(starts)]
        on = (first > 0) & (period >= first)
        level, common = rng.normal(0, 2, units)[unit], rng.normal(0, 1, periods)[period - 1]
        size = rng.integers(50, 500, units)[unit] + rng.integers(0, 30, len(unit))
        mean = size / 20 * np.exp(0.3 * level / 2 + 0.2 * common + 0.4 * on)
        rows = pd.DataFrame(
            {
                "unit": unit,
                "period": period,
                "first": first,
                "region": (unit // len(starts)) % 3,
                "size": size.astype(float),
                "y": level + common + 2.0 * on * (1 + 0.3 * (period - first)) + rng.normal(0, 1, len(unit)),
                "count": rng.poisson(mean).astype(float),
            }
        )
        return rows[rng.random(len(rows)) >= missing].reset_index(drop=True)

    return make


@pytest.fixture(scope="session")
def build() -> Callable[..., Panel]:
    def make(frame: pd.DataFrame, outcome: str = "y", **named: Any) -> Panel:
        return Panel.from_frame(frame, "unit", "period", "first", outcome, **{"cluster": ["unit", "region"], **named})

    return make
