"""Where each estimator breaks, and by how much: the figures of METHODS.md. `python -m tests.estimators_all.breaks` prints them.

Each estimate here is a sum of weights × cells that do not go by the outcome, so its bias is its estimate of an outcome without
noise, less the truth: exact, with no draws. Levels and common paths change nothing and are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation import Panel
from tests.estimators_all.truths import (
    AUTHORITY,
    FIRST,
    KIND,
    ONE_START,
    PAIRED,
    TIME,
    evenness,
    fitted,
    of_event_times,
    of_treated_cells,
    panel_of,
    size,
    started,
)

Truth = Callable[[np.ndarray, np.ndarray], float]


@dataclass(frozen=True)
class Way:
    """An estimator as it is asked: name, options, who starts when, the truth of its overall effect, columns of its panel."""

    name: str
    options: Mapping[str, Any]
    first: np.ndarray
    truth: Truth
    eligible: bool = False


def stacked_truth(effect: np.ndarray, first: np.ndarray) -> float:
    return of_event_times(effect, first, 2, size(first))


def projected_truth(effect: np.ndarray, first: np.ndarray) -> float:
    return of_event_times(effect, first, 4, evenness(first))


WAYS: dict[str, Way] = {
    "two_by_two": Way("two_by_two", {}, ONE_START, of_treated_cells),
    "two_way_fixed_effects": Way("two_way_fixed_effects", {}, FIRST, of_treated_cells),
    "group_time": Way("group_time", {}, FIRST, of_treated_cells),
    "group_time, not yet treated": Way("group_time", {"control": "not_yet_treated"}, FIRST, of_treated_cells),
    "group_time, anticipation=1": Way("group_time", {"anticipation": 1}, FIRST, of_treated_cells),
    "interaction_weighted": Way("interaction_weighted", {}, FIRST, of_treated_cells),
    "interaction_weighted, reference=-2": Way("interaction_weighted", {"reference": -2}, FIRST, of_treated_cells),
    "imputation": Way("imputation", {}, FIRST, of_treated_cells),
    "two_stage": Way("two_stage", {}, FIRST, of_treated_cells),
    "extended_two_way": Way("extended_two_way", {}, FIRST, of_treated_cells),
    "stacked": Way("stacked", {}, FIRST, stacked_truth),
    "local_projections": Way("local_projections", {}, FIRST, projected_truth),
    "switchers": Way("switchers", {}, FIRST, of_treated_cells),
    "rollout, beta 1": Way("rollout", {"beta": "callaway_santanna"}, FIRST, of_treated_cells),
    "synthetic, did": Way("synthetic", {"method": "did"}, FIRST, of_treated_cells),
    "triple_difference": Way("triple_difference", {}, PAIRED, of_treated_cells, eligible=True),
}


def since(first: np.ndarray) -> np.ndarray:
    """Periods since the start, N × T; far below zero for who never starts."""
    return np.where(first[:, None] > 0, TIME - first[:, None], -99)


def effect_of(first: np.ndarray, grows: bool = False) -> np.ndarray:
    """Effect 1 from the start on, or one that begins with 0.5 and grows by 0.5 a period."""
    return np.where(since(first) >= 0, 0.5 + 0.5 * since(first) if grows else 1.0, 0.0)


# What breaks, and what it adds to the outcome of adopters (N × T, from their starts).
NOTHING = "effects that grow"
WORLDS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    NOTHING: lambda first: np.zeros((len(first), len(TIME))),
    "half the effect a period early": lambda first: 0.5 * (since(first) == -1),
    "a trend of 0.1 a period": lambda first: 0.1 * TIME * (first > 0)[:, None],
    "a passing dip of 0.5 two periods before": lambda first: -0.5 * (since(first) == -2),
}


def bias(way: Way, world: str) -> float:
    """Bias of the overall effect ÷ its truth."""
    first = way.first
    effect, moved = effect_of(first, grows=world == NOTHING), WORLDS[world](first)
    who = (1 - KIND if way.eligible else np.ones(len(first)))[:, None]
    columns = {"eligible": 1 - KIND, "authority": AUTHORITY} if way.eligible else {}
    # The error of a gap that does not vary is refused, so a trace of noise stands in both kinds, the same in all of them.
    trace = 1e-9 * np.random.default_rng(1).normal(size=effect.shape)
    result = fitted(panel_of(((effect + moved) * who + trace)[None], first, **columns), way.name, way.options)
    truth = way.truth(effect, first)
    return float(result.estimates[0]) / truth - 1


def poisson_bias(exposed: float) -> float:
    """Bias ÷ truth where adopters' counts rise by the same number as the others', from a level `exposed` times as high."""
    level, path = np.where(FIRST > 0, 20.0 * exposed, 20.0)[:, None], 1.0 * TIME
    untreated = level + path
    mean = np.where(started(FIRST), untreated * np.exp(0.2), untreated)
    panel: Panel = panel_of(mean[None], FIRST)
    truth = float((mean - untreated)[started(FIRST)].mean())
    return float(fitted(panel, "extended_two_way", {"family": "poisson"}).estimates[0]) / truth - 1


def percent(share: float) -> str:
    """A bias in whole percent of the truth, as the page prints it."""
    number = round(100 * share)
    return f"{'+' if number > 0 else '−' if number < 0 else ''}{abs(number)}%"


def table() -> list[str]:
    """The lines of the page's table."""
    head = ["| | " + " | ".join(WORLDS) + " |", "|---" * (len(WORLDS) + 1) + "|"]
    return head + [f"| `{name}` | " + " | ".join(percent(bias(way, w)) for w in WORLDS) + " |" for name, way in WAYS.items()]


if __name__ == "__main__":
    print("\n".join(table()))
    print(f"Poisson, equal rises of counts from twice the level: {percent(poisson_bias(2.0))}")
