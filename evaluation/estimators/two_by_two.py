"""One group, before and after, against units never treated: the difference of two changes of means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import sparse

from evaluation.errors import NotEstimable
from evaluation.estimators.design import Estimator, Pieces, all_at_once, drop_treated_throughout, plural
from evaluation.panel import NEVER, Panel

ROUNDING = 1e-9  # weight of a period that counts as none


def prepare(panel: Panel, options: Mapping[str, Any]) -> Panel | NotEstimable:
    """Keep one cohort and the never treated, or say why that cannot be."""
    kept = drop_treated_throughout(panel)
    if isinstance(kept, NotEstimable):
        return kept
    refusal = all_at_once(kept)
    if refusal:
        return refusal
    if not (kept.cohort >= NEVER).any():
        return NotEstimable(
            "every unit adopts within the window, so none is never treated", "Use group_time with control='not_yet_treated'."
        )
    starts = [int(g) for g in np.unique(kept.cohort) if g < NEVER]
    if len(starts) > 1 and options["cohort"] is None:
        when = ", ".join(str(kept.periods[g]) for g in starts)
        return NotEstimable(
            f"{plural(len(starts), 'cohort')} start at different times ({when})", "Name one in cohort=, or use group_time."
        )
    start = starts[0]
    if options["cohort"] is not None:
        named = [g for g in starts if kept.periods[g] == options["cohort"]]
        if not named:
            return NotEstimable(f"no unit starts in {options['cohort']}", "Name a period in which units start.")
        start = named[0]
    chosen = (kept.cohort == start) | (kept.cohort >= NEVER)
    return kept if chosen.all() else kept.select(chosen, reason=f"does not start in {kept.periods[start]}")


def fit(panel: Panel, aggregate: str, options: Mapping[str, Any]) -> Pieces | NotEstimable:
    """Change of each unit's mean, treated less comparison; units without both sides are left out, with a notice."""
    start = int(panel.cohort[panel.treated].min())
    after = np.arange(len(panel.periods)) >= start
    seen, filled = panel.weights[0] > 0, np.nan_to_num(panel.values[0])
    post, pre = seen & after, seen & ~after
    both = post.any(axis=1) & pre.any(axis=1)
    sides = [both & panel.treated, both & ~panel.treated]
    if not all(side.any() for side in sides):
        return NotEstimable("no treated or no comparison unit is observed before and after", "Widen the window.")
    shared = seen[sides[0]].any(axis=0) & seen[sides[1]].any(axis=0)
    if not (shared & after).any() or not (shared & ~after).any():
        return NotEstimable(
            "treated and comparison units are not observed in one same period before and one after", "Widen the window."
        )
    per_cell = _share(post) - _share(pre)
    change = (per_cell * filled).sum(axis=1)
    size = panel.weights[0][np.arange(len(seen)), seen.argmax(axis=1)]
    weight, score = np.zeros(len(seen)), np.zeros(len(seen))
    for side, sign in zip(sides, (1.0, -1.0), strict=True):
        share = np.where(side, size, 0.0) / size[side].sum()
        weight += sign * share
        score += sign * share * (change - share @ change)
    on_cells = weight[:, None] * per_cell
    lost = int((seen.any(axis=1) & ~both).sum())
    warnings = [f"{plural(lost, panel.unit)} not observed both before and after: left out."] if lost else []
    if np.abs(on_cells.sum(axis=0)).max() > ROUNDING:
        warnings.append(
            "Cells are missing, so periods weigh differently on the two sides and what is common to a period does not cancel. "
            "group_time compares period by period."
        )
    return Pieces(
        labels=[{"kind": "overall"}],
        estimates=np.array([weight @ change]),
        scores=score[:, None],
        support=sides[0][:, None],
        used=both[:, None],
        compared=sides[1][:, None],
        parameters=0,
        observations=int((seen & both[:, None]).sum()),
        builder=lambda: sparse.csr_matrix(on_cells.reshape(1, -1)),
        warnings=tuple(warnings),
    )


def _share(mask: np.ndarray) -> np.ndarray:
    count = mask.sum(axis=1, keepdims=True)
    return np.divide(mask, count, out=np.zeros(mask.shape), where=count > 0)


TWO_BY_TWO = Estimator(
    prepare,
    fit,
    {"cohort": None},
    {},
    ("overall",),
    title="Two by two",
    assumes="Without the reform, the one group that starts would have moved like those that never start.",
)
