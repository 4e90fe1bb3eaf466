"""What is watched for harm with a reform: each guardrail of the catalogue, one-sided against its margin."""

from collections.abc import Sequence
from typing import Any

from evaluation import NotEstimable, Panel, estimate
from pilots.catalogue import Guardrail, outcome
from pilots.evidence.apart import one_sided
from pilots.evidence.causes import ALONE, not_causal, without_twin
from pilots.plans import EstimatorChoice, Plan


def harms(plan: Plan, watched: Sequence[tuple[Guardrail, Panel | NotEstimable]]) -> list[dict[str, Any]]:
    """Whether harm is seen, harm beyond the margin ruled out, or neither can be told, by the headline's estimator.

    Args:
        plan: what was asked; its margins stand before those of the catalogue.
        watched: each guardrail with its panel as the headline's estimator sees it, or why there is none.

    Returns:
        Plain JSON, one entry a guardrail.
    """
    return [_harm(plan, about, panel) for about, panel in watched]


def _nothing_beside(choice: EstimatorChoice, panel: Panel | NotEstimable) -> NotEstimable | None:
    """Why there is nothing that a guardrail could be set beside, where that is so."""
    if choice.name == "interrupted_series":
        return NotEstimable(ALONE, "Name authorities that compare.")
    return without_twin(panel) if isinstance(panel, Panel) else None


def _harm(plan: Plan, about: Guardrail, panel: Panel | NotEstimable) -> dict[str, Any]:
    choice = plan.headline_choice
    asked = not_causal(plan) or _nothing_beside(choice, panel) or panel
    overall = estimate(asked, choice.name, aggregate="overall", **choice.options) if isinstance(asked, Panel) else asked
    margin = plan.margins.get(about.outcome, about.margin)
    found = one_sided(plan, outcome(about.outcome), overall, margin, about.direction)
    return {**found, "harm_is": about.harm, "why": about.why}
