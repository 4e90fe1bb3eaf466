"""What is watched for harm with a reform: each guardrail of the catalogue, one-sided against its margin."""

from collections.abc import Sequence
from typing import Any

from evaluation import NotEstimable, Panel, estimate
from pilots.catalogue import Guardrail, outcome
from pilots.evidence.apart import one_sided
from pilots.evidence.causes import not_causal
from pilots.plans import Plan


def harms(plan: Plan, watched: Sequence[tuple[Guardrail, Panel | NotEstimable]]) -> list[dict[str, Any]]:
    """Whether harm is seen, harm beyond the margin ruled out, or neither can be told, by the headline's estimator.

    Args:
        plan: what was asked; its margins stand before those of the catalogue.
        watched: each guardrail with its panel as the headline's estimator sees it, or why there is none.

    Returns:
        Plain JSON, one entry a guardrail.
    """
    return [_harm(plan, about, panel) for about, panel in watched]


def _harm(plan: Plan, about: Guardrail, panel: Panel | NotEstimable) -> dict[str, Any]:
    choice = next(one for one in plan.estimators if one.name == plan.headline.estimator)
    asked = not_causal(plan) or panel
    overall = estimate(asked, choice.name, aggregate="overall", **choice.options) if isinstance(asked, Panel) else asked
    margin = plan.margins.get(about.outcome, about.margin)
    found = one_sided(plan, outcome(about.outcome), overall, margin, about.direction)
    return {**found, "harm_is": about.harm, "why": about.why}
