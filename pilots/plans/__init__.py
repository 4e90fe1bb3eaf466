"""Plans: which question is asked of which data in which way, written down before looking. A plan is one YAML document."""

from pilots.plans.model import Comparison, EstimatorChoice, Headline, Plan, PlanError, changed, load_plan
from pilots.plans.tasks import named_plan, plans, register_plan, seals, shipped_plans

__all__ = [
    "Comparison",
    "EstimatorChoice",
    "Headline",
    "Plan",
    "PlanError",
    "changed",
    "load_plan",
    "named_plan",
    "plans",
    "register_plan",
    "seals",
    "shipped_plans",
]
