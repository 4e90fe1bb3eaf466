"""Effects of a reform from panels: arrays and frames in, results out. Knows no store, no screen, no clock."""

from evaluation.cells import Cells
from evaluation.decomposition import BaconDecomposition, TwoWayWeights, bacon_decomposition, two_way_weights
from evaluation.diagnostics import DetectableEffect, PretrendTest, leave_one_out, pretrend_test, smallest_detectable_effect
from evaluation.errors import NotEstimable, OptionError, PanelError
from evaluation.estimators import AGGREGATES, ESTIMATORS, estimate
from evaluation.inference import INFERENCES, Inference
from evaluation.panel import Panel
from evaluation.result import Result
from evaluation.verdict import Verdict, not_estimable_verdict, verdict

__all__ = [
    "AGGREGATES",
    "BaconDecomposition",
    "Cells",
    "DetectableEffect",
    "ESTIMATORS",
    "INFERENCES",
    "Inference",
    "NotEstimable",
    "OptionError",
    "Panel",
    "PanelError",
    "PretrendTest",
    "Result",
    "TwoWayWeights",
    "Verdict",
    "bacon_decomposition",
    "estimate",
    "leave_one_out",
    "not_estimable_verdict",
    "pretrend_test",
    "smallest_detectable_effect",
    "two_way_weights",
    "verdict",
]
