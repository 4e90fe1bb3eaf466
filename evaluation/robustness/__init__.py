"""What speaks for and against believing an effect, each as one row (`Check`), the design card, and power; see METHODS.md."""

from evaluation.robustness.balance import balance
from evaluation.robustness.design_card import design_card
from evaluation.robustness.influence import influence_of_cells
from evaluation.robustness.leave_out import leave_out
from evaluation.robustness.placebos import placebo_dates, placebo_outcomes
from evaluation.robustness.power import Power, power_by_simulation, power_next_period
from evaluation.robustness.programme import co_interventions, neighbours, series_breaks
from evaluation.robustness.refit import Ask
from evaluation.robustness.returns import missing_returns
from evaluation.robustness.row import Check
from evaluation.robustness.specification_curve import Specification, specification_curve
from evaluation.robustness.value_of_returns import missing_returns_value

__all__ = [
    "Ask",
    "Check",
    "Power",
    "Specification",
    "balance",
    "co_interventions",
    "design_card",
    "influence_of_cells",
    "leave_out",
    "missing_returns",
    "missing_returns_value",
    "neighbours",
    "placebo_dates",
    "placebo_outcomes",
    "power_by_simulation",
    "power_next_period",
    "series_breaks",
    "specification_curve",
]
