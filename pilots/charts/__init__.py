"""Every chart of the platform, authored in Altair and handed over as a plain Vega-Lite dictionary.

A `Picture` carries the chart, the title that says what it shows, its alt text and its table, all made from the same rows, so
that none of them can say something else. Colour is never the only signal: shape, dash and words repeat it.
"""

from pilots.charts.base import Mark, Picture, ends_of, interval, number
from pilots.charts.belief import Bound, placebo, power_curve, sensitivity
from pilots.charts.effects import event_study, forest
from pilots.charts.makeup import comparisons, signed_weights
from pilots.charts.regions import RegionMark, regions
from pilots.charts.register import SPELL_COLUMNS, timeline
from pilots.charts.specifications import Specification, specification_curve

__all__ = [
    "SPELL_COLUMNS",
    "Bound",
    "Mark",
    "Picture",
    "RegionMark",
    "Specification",
    "comparisons",
    "ends_of",
    "event_study",
    "forest",
    "interval",
    "number",
    "placebo",
    "power_curve",
    "regions",
    "sensitivity",
    "signed_weights",
    "specification_curve",
    "timeline",
]
