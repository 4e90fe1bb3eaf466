"""Panels and calls that the tests of this folder share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evaluation import Inference, Panel, Result, estimate
from evaluation.inference.base import group_sums
from evaluation.inference.permutation import reform
from evaluation.inference.placebo_groups import DEFAULTS as PLACEBO
from evaluation.inference.placebo_groups import conley_taber, ferman_pinto
from evaluation.inference.randomisation import DEFAULTS as RANDOMISATION
from evaluation.inference.randomisation import randomisation
from evaluation.inference.sign_change import DEFAULTS as SIGN_CHANGE
from evaluation.inference.sign_change import sign_change

METHODS = {
    "randomisation": (randomisation, RANDOMISATION),
    "conley_taber": (conley_taber, PLACEBO),
    "ferman_pinto": (ferman_pinto, PLACEBO),
    "sign_change": (sign_change, SIGN_CHANGE),
}


@pytest.fixture(scope="session")
def run() -> Callable[..., Inference]:
    """One method on one result, with a refit bound to the result's own estimator."""

    def call(name: str, result: Result, cluster: str | None = None, **options: Any) -> Inference:
        method, defaults = METHODS[name]
        if name == "randomisation":
            options = {"refit": lambda p: estimate(p, result.estimator, aggregate=result.aggregate, **result.options), **options}
        return method(result, cluster, {**defaults, **options})

    return call


@pytest.fixture(scope="session")
def two_periods() -> Callable[..., Panel]:
    """Clusters over two periods whose change is `change`; those where `treated` adopt in the second."""

    def make(change: Any, treated: Any, **named: Any) -> Panel:
        change, treated = np.asarray(change, float), np.asarray(treated, bool)
        count = len(change)
        frame = pd.DataFrame(
            {
                "unit": np.tile(np.arange(count), 2),
                "period": np.repeat([1, 2], count),
                "first": np.tile(np.where(treated, 2, 0), 2),
                "y": np.concatenate([np.zeros(count), change]),
            }
        )
        for column, values in named.items():
            frame[column] = np.tile(np.asarray(values), 2)
        clusters = [name for name in named if name in ("group", "region")]
        weight = "size" if "size" in named else None
        return Panel.from_frame(
            frame, unit="unit", period="period", first_treated="first", outcome="y", cluster=clusters or None, weight=weight
        )

    return make


@pytest.fixture(scope="session")
def partnerships() -> Callable[..., Panel]:
    """Regions with one treated partnership each, other authorities in groups of `together` (1: alone)."""

    def make(
        seed: int = 1,
        regions: int = 4,
        others: int = 6,
        team: int = 3,
        together: int = 3,
        periods: int = 8,
        starts: tuple[int, ...] = (3, 5),
        effect: float = 0.5,
        missing: float = 0.0,
        weighted: bool = False,
        common: float = 0.0,
        outcomes: int = 1,
    ) -> Panel:
        rng = np.random.default_rng(seed)
        rows = []
        for region in range(regions):
            start = starts[region % len(starts)]
            for i in range(team + others):
                treated = i < team
                group = f"{region}-{0 if treated else 1 + (i - team) // together}"
                rows.append((f"{region}-{i:02d}", group, f"R{region}", start if treated else 0, rng.integers(50, 500)))
        who = pd.DataFrame(rows, columns=["unit", "group", "region", "first", "size"])
        frame = who.loc[np.repeat(np.arange(len(who)), periods)].reset_index(drop=True)
        frame["period"] = np.tile(np.arange(1, periods + 1), len(who))
        shock = rng.normal(0, 1, (who["group"].nunique(), periods))[pd.factorize(who["group"])[0]].reshape(-1)
        on = (frame["first"] > 0) & (frame["period"] >= frame["first"])
        names = [f"y{k}" if k else "y" for k in range(outcomes)]
        for name in names:
            level = np.repeat(rng.normal(0, 2, len(who)), periods)
            frame[name] = level + effect * on + common * shock + rng.normal(0, 1, len(frame))
            frame.loc[rng.random(len(frame)) < missing, name] = np.nan
        frame["size"] += frame["period"]
        return Panel.from_frame(
            frame,
            unit="unit",
            period="period",
            first_treated="first",
            outcome=names,
            cluster=["group", "region"],
            weight="size" if weighted else None,
        )

    return make


@pytest.fixture(scope="session")
def by_hand() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """Effects (2) and squares (3) of one reassignment by fitting it, for outcome and reform; NaN where not estimable."""

    def fit(panel: Panel, cohort: np.ndarray, clusters: np.ndarray, name: str, aggregate: str, **options: Any) -> Any:
        on = np.where(np.isnan(panel.values[0]), np.nan, reform(panel))
        both = replace(
            panel,
            outcomes=("y", "reform"),
            values=np.stack([panel.values[0], on]),
            weights=np.repeat(panel.weights, 2, axis=0),
            cohort=cohort,
        )
        result = estimate(both, name, aggregate=aggregate, **options)
        if not isinstance(result, Result):
            return np.full(2, np.nan), np.full(3, np.nan)
        at = np.flatnonzero(result.labels["kind"].isin(["overall", "average"]))
        sums = group_sums(result.scores[:, at], clusters)
        products = sums.T @ sums
        return result.estimates[at], np.array([products[0, 0], products[0, 1], products[1, 1]])

    return fit
