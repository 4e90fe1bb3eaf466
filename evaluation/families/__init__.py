"""What is said of several effects together: outcomes, regions, harms, looks over time, and cost for an effect."""

from evaluation.families.cost import Ratio, cost_ratio, fieller
from evaluation.families.differences import Difference, Effect, difference
from evaluation.families.guardrails import Guardrail, guardrail
from evaluation.families.looks import Look, LookPlan, plan_looks, spending, take_look
from evaluation.families.multiple import Family, Outcome, family, outcome_family, stepdown
from evaluation.families.regional import (
    RandomEffects,
    Region,
    RegionalEffects,
    random_effects,
    regional_effects,
    regional_effects_of,
)

__all__ = [
    "Difference",
    "Effect",
    "Family",
    "Guardrail",
    "Look",
    "LookPlan",
    "Outcome",
    "RandomEffects",
    "Ratio",
    "Region",
    "RegionalEffects",
    "cost_ratio",
    "difference",
    "family",
    "fieller",
    "guardrail",
    "outcome_family",
    "plan_looks",
    "random_effects",
    "regional_effects",
    "regional_effects_of",
    "spending",
    "stepdown",
    "take_look",
]
