"""Stacked differences in differences (Wing, Freedman, Hollingsworth 2024) with corrective weights: the trimmed average."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

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
    """The stack, whatever the outcome, by sub-experiment (S) and event time of the window (E).

    Attributes:
        times: S; positions of the window's periods.
        shares: S; weights of treated and of comparison cells in the two means of each event time, N × E each.
        treated: N × E booleans.
        compared: N × E booleans.
        rows: number of rows of the stacked data set.
        labels: of the K rows asked for.
        contrasts: of event times, K × E.
        notices: starts trimmed.
    """

    times: tuple[np.ndarray, ...]
    shares: tuple[tuple[np.ndarray, np.ndarray], ...]
    treated: np.ndarray
    compared: np.ndarray
    rows: int
    labels: list[dict[str, Any]]
    contrasts: np.ndarray
    notices: tuple[str, ...]

    @cached_property
    def sides(self) -> tuple[np.ndarray, np.ndarray]:
        """Treated units that each row rests on, and units that it compares with, N × K each."""
        picked = (self.contrasts != 0).T.astype(float)
        return self.treated.astype(float) @ picked > 0, self.compared.astype(float) @ picked > 0

    def means(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Treated less comparison mean at each event time (E), with scores (N × E), of values (N × T)."""
        seen = [values[:, time] for time in self.times]
        sides = [sum((part[side] * y).sum(axis=0) for part, y in zip(self.shares, seen, strict=True)) for side in (0, 1)]
        score = np.zeros(self.treated.shape)
        for (share, corrected), y in zip(self.shares, seen, strict=True):
            score += share * (y - sides[0]) - corrected * (y - sides[1])
        return np.asarray(sides[0] - sides[1]), score

    def on_cells(self, count: int, periods: int) -> np.ndarray:
        """Weights whose product with the outcome is the difference at each event time, E × N × T."""
        out, event = np.zeros((self.treated.shape[1], count, periods)), np.arange(self.treated.shape[1])
        for time, (share, corrected) in zip(self.times, self.shares, strict=True):
            out[event, :, time] += (share - corrected).T
        return out


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


def stack(panel: Panel, aggregate: str, options: Mapping[str, Any]) -> Stack | NotEstimable:
    """The cells of each start's window; comparison cells carry Q, so that both sides mix starts alike."""
    pre, post = window(panel, options)
    starts, notices = sub_experiments(panel, pre, post, options)
    if not starts:
        return NotEstimable(
            f"no start has both sides observed from {plural(pre, 'period')} before to {plural(post, 'period')} after it",
            "Use a smaller kappa_pre or kappa_post, or a longer window.",
        )
    length, weights = pre + post + 1, panel.weights[0]
    total, parts = np.zeros(length), []
    sides = np.zeros((2, len(weights), length), bool)
    for start in starts:
        mine, theirs = sides_of(panel, start, pre, post, options)
        time = np.arange(start - pre, start + post + 1)
        mine_weight, their_weight = (np.where(side, weights[:, time], 0.0) for side in (mine, theirs))
        total += mine_weight.sum(axis=0)
        sides |= [mine, theirs]
        parts.append((time, mine_weight, their_weight))
    shares = tuple((mine / total, theirs / theirs.sum(axis=0) * (mine.sum(axis=0) / total)) for _, mine, theirs in parts)
    rows = sum(int((mine > 0).sum() + (theirs > 0).sum()) for _, mine, theirs in parts)
    contrasts, labels = _rows(pre, post, aggregate)
    times = tuple(time for time, _, _ in parts)
    return Stack(times, shares, sides[0], sides[1], rows, labels, contrasts, notices)


def fit(panel: Panel, aggregate: str, options: Mapping[str, Any]) -> Pieces | NotEstimable:
    """Differences of one outcome at each event time of the window, less that of the period before the start."""
    made = panel.once(("stack", aggregate, *options.values()), lambda: stack(panel, aggregate, options))
    if isinstance(made, NotEstimable):
        return made
    difference, score = made.means(np.nan_to_num(panel.values[0]))
    support, compared = made.sides
    shape = panel.weights[0].shape
    return Pieces(
        labels=made.labels,
        estimates=made.contrasts @ difference,
        scores=score @ made.contrasts.T,
        support=support,
        used=support | compared,
        compared=compared,
        parameters=2 * len(difference),
        observations=made.rows,
        builder=lambda: dots(np.tensordot(made.contrasts, made.on_cells(*shape), axes=1)),
        warnings=made.notices,
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
