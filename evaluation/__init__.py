"""Effects of a reform from panels: arrays and frames in, results out. Knows no store, no screen, no clock."""

from evaluation.cells import Cells
from evaluation.decomposition import BaconDecomposition, TwoWayWeights, bacon_decomposition, two_way_weights
from evaluation.diagnostics import DetectableEffect, PretrendTest, pretrend_test, smallest_detectable_effect
from evaluation.errors import NotEstimable, OptionError, PanelError
from evaluation.estimators import AGGREGATES, ESTIMATORS, estimate
from evaluation.few_clusters import FewClusters, few_clusters, few_clusters_by_outcome
from evaluation.inference import INFERENCES, Inference
from evaluation.panel import Panel
from evaluation.rating import Rating, rate
from evaluation.reading import reading
from evaluation.result import Result
from evaluation.verdict import Verdict, not_estimable_verdict, verdict

__all__ = [
    "AGGREGATES",
    "BaconDecomposition",
    "Cells",
    "DetectableEffect",
    "ESTIMATORS",
    "FewClusters",
    "INFERENCES",
    "Inference",
    "NotEstimable",
    "OptionError",
    "Panel",
    "PanelError",
    "PretrendTest",
    "Rating",
    "Result",
    "TwoWayWeights",
    "Verdict",
    "bacon_decomposition",
    "estimate",
    "few_clusters",
    "few_clusters_by_outcome",
    "not_estimable_verdict",
    "pretrend_test",
    "rate",
    "reading",
    "smallest_detectable_effect",
    "two_way_weights",
    "verdict",
]
