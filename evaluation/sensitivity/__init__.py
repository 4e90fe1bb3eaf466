"""How far a finding depends on parallel trends: bounds (Rambachan, Roth 2023) and what a test before can miss (Roth 2022)."""

from evaluation.sensitivity.bounds import Bounds, bounds
from evaluation.sensitivity.breakdown import Breakdown
from evaluation.sensitivity.pretrend_power import MissedTrend, PretrendPower, missed_trend, pretrend_power
from evaluation.sensitivity.relative_magnitudes import relative_magnitudes
from evaluation.sensitivity.smoothness import smoothness
from evaluation.sensitivity.study import Bound

__all__ = [
    "Bound",
    "Bounds",
    "Breakdown",
    "MissedTrend",
    "PretrendPower",
    "bounds",
    "missed_trend",
    "pretrend_power",
    "relative_magnitudes",
    "smoothness",
]
