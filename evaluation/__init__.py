"""Effects of a reform from panels: arrays and frames in, results out. Knows no store, no screen, no clock."""

from evaluation.cells import Cells
from evaluation.errors import NotEstimable, OptionError, PanelError
from evaluation.estimators import AGGREGATES, ESTIMATORS, estimate
from evaluation.inference import INFERENCES, Inference
from evaluation.panel import Panel
from evaluation.result import Result

__all__ = [
    "AGGREGATES",
    "Cells",
    "ESTIMATORS",
    "INFERENCES",
    "Inference",
    "NotEstimable",
    "OptionError",
    "Panel",
    "PanelError",
    "Result",
    "estimate",
]
