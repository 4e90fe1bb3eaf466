"""The declared choices of the specification curve: who estimates, who compares, with which weights, over which window."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from evaluation import ESTIMATORS, Panel
from evaluation.robustness import Specification
from pilots.panels import Question, owners
from pilots.places import alike, bordering, without_known_borders
from pilots.plans import Plan

# Estimators of other effects, of another unit, or with errors that no clustering changes: no choices of the specification curve.
APART = ("dose", "interrupted_series", "rollout", "switchers", "synthetic", "triple_difference", "two_way_fixed_effects")
PLANNED, REGIONS, ALIKE, APART_FROM = "as planned", "same regions", "statistical neighbours", "without neighbours"
LATER, PROGRAMMES = "later adopters only", "without other programmes"
FEWEST = 2  # authorities that compare, below which a choice is none


def specifications(plan: Plan, asked: Question) -> Iterator[Specification]:
    """The declared choices: estimator, window and who compares; and the other weights, where who compares is as planned."""
    panels = list(_panels(plan, asked))
    choices = [one for one in plan.estimators if one.name not in APART]
    for choice, (words, panel, plain) in product(choices, panels):
        own = plain and choice.name == plan.headline.estimator
        title = ESTIMATORS[choice.name].title
        yield Specification({"estimator": title, **words}, panel, choice.name, dict(choice.options), own)


def _panels(plan: Plan, asked: Question) -> Iterator[tuple[dict[str, str], Panel, bool]]:
    weights = ("by size", "alike") if plan.weights == "denominator" else ("alike", "by size")
    chosen = [(who, weights[0], asked.panel, keep) for who, keep in _comparisons(plan, asked.panel)]
    if asked.other_weights is not None:
        chosen.append((PLANNED, weights[1], asked.other_weights, np.ones(len(asked.other_weights.units), bool)))
    for (who, how, whole, keep), since in product(chosen, (0, 1)):
        panel = whole if keep.all() else whole.select(keep)
        if since:
            first = int(panel.cohort[panel.treated].min()) if panel.treated.any() else 0
            if first < 4:  # a shorter window needs enough periods before the first start
                continue
            panel = panel.without_first(since)
        words = {"comparison": who, "weights": how, "window": f"from {panel.periods[0]}"}
        yield words, panel, how == weights[0] and who == PLANNED and not since


def _comparisons(plan: Plan, panel: Panel) -> Iterator[tuple[str, np.ndarray]]:
    """Who compares by each choice, and which of the panel's units that keeps; choices that change nothing are left out."""
    treated, region, codes = panel.treated, panel.clusters["region"][0], treated_codes(panel)
    yield PLANNED, np.ones(len(panel.units), bool)
    kept = {
        REGIONS: np.isin(region, np.unique(region[treated])),
        ALIKE: _among(panel, alike(codes)),
    }
    if not without_known_borders(codes):
        kept[APART_FROM] = ~_among(panel, bordering(codes))
    if plan.co_interventions:
        others = programmes(plan, panel)
        kept[PROGRAMMES] = np.array([unit not in others for unit in panel.units])
    for who, keep in kept.items():
        if not keep[~treated].all() and keep[~treated].sum() >= FEWEST:
            yield who, treated | keep
    # With covariates a model of the few that start later would fit anything.
    if len(np.unique(panel.cohort[treated])) > 1 and not treated.all() and not panel.covariates:
        yield LATER, treated


def _among(panel: Panel, codes: set[str]) -> np.ndarray:
    return np.array([code in codes for code in owners(panel)])


def treated_codes(panel: Panel) -> set[str]:
    """Codes of the authorities with the reform, or with a school that has it."""
    return {code for code, on in zip(owners(panel), panel.treated, strict=True) if on}


def bordering_units(panel: Panel) -> list[Any]:
    """Comparison units in authorities that border one with the reform, as far as the panel has them."""
    near = bordering(treated_codes(panel))
    return [unit for unit, code in zip(panel.units, owners(panel), strict=True) if code in near]


def programmes(plan: Plan, panel: Panel) -> dict[Any, list[str]]:
    """The names of the other programmes that the plan says each unit, or its authority, is in."""
    found: dict[Any, list[str]] = {}
    for unit, code in zip(panel.units, owners(panel), strict=True):
        for name, codes in plan.co_interventions.items():
            if code in codes:
                found.setdefault(unit, []).append(name)
    return found
