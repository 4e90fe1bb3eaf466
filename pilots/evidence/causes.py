"""Reforms of which no effect is asked, and what figures show without one."""

from typing import Any

import numpy as np

from evaluation import NotEstimable, Panel
from pilots.catalogue import reform
from pilots.plans import Plan

ALONE = "nobody compares, so whatever else changed at the start is in the departure from the earlier trend"
WITH, WITHOUT = "With the reform", "Without"


def not_causal(plan: Plan) -> NotEstimable | None:
    """Why no effect of the plan's reform is estimated, as the catalogue says; None where one can be asked for."""
    about = reform(plan.reform)
    return NotEstimable(about.not_causal, about.remedy) if about.not_causal else None


def without_twin(panel: Panel) -> NotEstimable | None:
    """Why nothing can be set beside the figures of a panel, where all of them are from where and while the reform runs."""
    running = panel.treated[:, None] & (np.arange(len(panel.periods)) >= panel.cohort[:, None])
    if (panel.weights[0] > 0)[~running].any():
        return None
    return NotEstimable(
        "figures come only from where and while the reform runs, so nothing can be set beside them",
        "Read their level, and set a limit to it instead of a margin.",
    )


def described(panel: Panel) -> list[dict[str, Any]]:
    """The figures of each period as they are: how many authorities, their mean and how far they lie apart.

    Args:
        panel: of one outcome; “with the reform” are the authorities that have it at any time of the window.

    Returns:
        Plain JSON, one entry a period and group: authorities, mean and standard deviation, each authority alike.
    """
    rows = []
    for words, mine in ((WITH, panel.treated), (WITHOUT, ~panel.treated)):
        for at, period in enumerate(panel.periods):
            seen = panel.values[0][mine & (panel.weights[0][:, at] > 0), at]
            if len(seen):
                spread = float(np.std(seen, ddof=1)) if len(seen) > 1 else None
                facts = {"period": str(period), "group": words, "authorities": len(seen)}
                rows.append({**facts, "mean": float(np.mean(seen)), "spread": spread})
    return rows
