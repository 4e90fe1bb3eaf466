"""Stacked differences in differences (Wing, Freedman, Hollingsworth 2024) with corrective weights: the trimmed average."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from evaluation.errors import NotEstimable, OptionError
from evaluation.estimators.design import Estimator, Pieces, all_at_once, dots, drop_treated_throughout, plural
from evaluation.estimators.least_squares import listed
from evaluation.panel import NEVER, Panel

DEFAULTS = {"kappa_pre": None, "kappa_post": None, "control": "not_yet_treated"}
CHOICES = {"control": ("not_yet_treated", "never_treated")}


def prepare(panel: Panel, options: Mapping[str, Any]) -> Panel | NotEstimable:
    """Leave out units treated throughout; refuse when nobody compares."""
    for name, least in (("kappa_pre", 1), ("kappa_post", 0)):
        value = options[name]
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if value is not None and not (whole and value >= least):
            raise OptionError(f"{name} must be a whole number of periods, {least} or more, or None, not {value!r}.")
    kept = drop_treated_throughout(panel)
    if isinstance(kept, NotEstimable):
        return kept
    if options["control"] == "never_treated" and not (kept.cohort >= NEVER).any():
        return NotEstimable("every unit adopts within the window, so none is never treated", "Use control='not_yet_treated'.")
    return all_at_once(kept) or kept


def window(panel: Panel, options: Mapping[str, Any]) -> tuple[int, int]:
    """kappa_pre and kappa_post; by default the longest window that every cohort with later or no starters after it has."""
    starts = np.unique(panel.cohort)
    treated = starts[starts < NEVER]
    never = len(treated) < len(starts)
    end = len(panel.periods) - 1 if never else int(treated[-1]) - 1
    usable = treated if never else treated[:-1]
    pre = int(usable.min()) if options["kappa_pre"] is None else int(options["kappa_pre"])
    post = max(end - int(usable.max()), 0) if options["kappa_post"] is None else int(options["kappa_post"])
    return pre, post


@dataclass(frozen=True, eq=False)
class Stack:
    """The stack, as means by event time.

    Attributes:
        on_cells: E × N × T; weights whose product with the outcome is treated less comparison mean at each event time.
        difference: E.
        score: N × E.
        treated: N × E booleans.
        compared: N × E booleans.
        rows: number of rows of the stacked data set.
    """

    on_cells: np.ndarray
    difference: np.ndarray
    score: np.ndarray
    treated: np.ndarray
    compared: np.ndarray
    rows: int


def sub_experiments(panel: Panel, pre: int, post: int, options: Mapping[str, Any]) -> tuple[list[int], tuple[str, ...]]:
    """Starts whose whole window is observed with both sides, and a notice of those trimmed."""
    kept: list[int] = []
    trimmed: list[int] = []
    for start in (int(g) for g in np.unique(panel.cohort) if g < NEVER):
        sides = sides_of(panel, start, pre, post, options)
        inside = start - pre >= 0 and start + post < len(panel.periods)
        (kept if inside and all(side.any(axis=0).all() for side in sides) else trimmed).append(start)
    if not trimmed:
        return kept, ()
    names = listed([panel.periods[g] for g in trimmed])
    return kept, (
        f"{plural(len(trimmed), 'cohort')} trimmed (starts in {names}): not both treated and clean comparison units "
        f"in every period from {pre} before to {post} after the start.",
    )


def sides_of(panel: Panel, start: int, pre: int, post: int, options: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Observed cells of a start's own units and of its clean comparison, N × window each."""
    time = slice(max(start - pre, 0), start + post + 1)
    clean = panel.cohort >= NEVER if options["control"] == "never_treated" else panel.cohort > start + post
    seen = panel.weights[0][:, time] > 0
    return seen & (panel.cohort == start)[:, None], seen & clean[:, None]


def stack(panel: Panel, starts: list[int], pre: int, post: int, options: Mapping[str, Any]) -> Stack:
    """Treated less comparison means at each event time; comparison cells carry Q, so that both sides mix starts alike."""
    length, (count, periods) = pre + post + 1, panel.weights[0].shape
    values, weights = np.nan_to_num(panel.values[0]), panel.weights[0]
    total = np.zeros(length)
    parts = []
    for start in starts:
        mine, theirs = sides_of(panel, start, pre, post, options)
        time = np.arange(start - pre, start + post + 1)
        mine_weight, their_weight = (np.where(side, weights[:, time], 0.0) for side in (mine, theirs))
        total += mine_weight.sum(axis=0)
        parts.append((time, mine, theirs, mine_weight, their_weight))
    carried = []
    means = np.zeros((2, length))
    for time, _, _, mine_weight, their_weight in parts:
        share = mine_weight / total
        corrected = their_weight / their_weight.sum(axis=0) * (mine_weight.sum(axis=0) / total)
        carried.append((share, corrected))
        means += [(share * values[:, time]).sum(axis=0), (corrected * values[:, time]).sum(axis=0)]
    on_cells, score = np.zeros((length, count, periods)), np.zeros((count, length))
    sides = np.zeros((2, count, length), bool)
    event = np.arange(length)
    for (time, mine, theirs, _, _), (share, corrected) in zip(parts, carried, strict=True):
        on_cells[event, :, time] += (share - corrected).T
        score += share * (values[:, time] - means[0]) - corrected * (values[:, time] - means[1])
        sides |= [mine, theirs]
    rows = sum(int(mine.sum() + theirs.sum()) for _, mine, theirs, _, _ in parts)
    return Stack(on_cells, means[0] - means[1], score, sides[0], sides[1], rows)


def fit(panel: Panel, aggregate: str, options: Mapping[str, Any]) -> Pieces | NotEstimable:
    """Differences of one outcome at each event time of the window, less that of the period before the start."""
    pre, post = window(panel, options)
    starts, notices = sub_experiments(panel, pre, post, options)
    if not starts:
        return NotEstimable(
            f"no start has both sides observed from {plural(pre, 'period')} before to {plural(post, 'period')} after it",
            "Use a smaller kappa_pre or kappa_post, or a longer window.",
        )
    made = stack(panel, starts, pre, post, options)
    rows, labels = _rows(pre, post, aggregate)
    picked = (rows != 0).T.astype(float)
    support, compared = (side.astype(float) @ picked > 0 for side in (made.treated, made.compared))
    return Pieces(
        labels=pd.DataFrame(labels),
        estimates=rows @ made.difference,
        scores=made.score @ rows.T,
        support=support,
        used=support | compared,
        compared=compared,
        parameters=2 * (pre + post + 1),
        observations=made.rows,
        builder=lambda: dots(np.tensordot(rows, made.on_cells, axes=1)),
        warnings=notices,
    )


def _rows(pre: int, post: int, aggregate: str) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Contrasts of event times with −1, the plain mean of those from the start on last."""
    event = np.arange(-pre, post + 1)
    contrast = np.eye(len(event)) - (event == -1)[None, :]
    mean = contrast[event >= 0].mean(axis=0)
    if aggregate == "overall":
        return mean[None, :], [{"kind": "overall"}]
    kinds = ["post" if e >= 0 else ("reference" if e == -1 else "pre") for e in event.tolist()]
    labels: list[dict[str, Any]] = [{"event_time": e, "kind": k} for e, k in zip(event.tolist(), kinds, strict=True)]
    return np.vstack([contrast, mean]), [*labels, {"event_time": None, "kind": "average"}]


STACKED = Estimator(
    prepare,
    fit,
    DEFAULTS,
    CHOICES,
    ("overall", "event_time"),
    title="Stacked (Wing and others)",
    assumes="Around each start, areas would have moved like those that do not start in the same window.",
)
