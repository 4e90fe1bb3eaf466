"""From group-time effects to overall, event time, cohort, calendar and region, with the influence of estimated shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from evaluation.panel import Panel


@dataclass(frozen=True, eq=False)
class Effects:
    """Group-time effects before aggregation, K of them.

    Attributes:
        group: cohort position (K).
        region: region code (K), -1 where all regions are pooled.
        time: period position (K).
        base: position of the period compared with (K).
        estimates: K.
        scores: N × K.
        members: N × K booleans: treated units of the effect's group (and region).
        entered: N × K booleans: units with a weight in the effect.
        size: weight of each unit in group shares (N).
    """

    group: np.ndarray
    region: np.ndarray
    time: np.ndarray
    base: np.ndarray
    estimates: np.ndarray
    scores: np.ndarray
    members: np.ndarray
    entered: np.ndarray
    size: np.ndarray


@dataclass(frozen=True, eq=False)
class Combined:
    """Aggregated effects: labels, estimates, scores (N × A) and weights on the group-time effects (A × K)."""

    labels: pd.DataFrame
    estimates: np.ndarray
    scores: np.ndarray
    on_effects: np.ndarray


@dataclass(frozen=True, eq=False)
class _Row:
    label: dict[str, Any]
    estimate: float
    score: np.ndarray
    weight: np.ndarray


def aggregate_effects(found: Effects, panel: Panel, aggregate: str) -> Combined:
    """Combine group-time effects; each aggregate but `cells` and `overall` ends with its own average."""
    if aggregate == "cells":
        return _cells(found, panel)
    rows = {
        "overall": _overall,
        "event_time": _event_time,
        "cohort": _cohort,
        "calendar": _calendar,
        "region": _region,
    }
    made = rows[aggregate](found, panel)
    return Combined(
        labels=pd.DataFrame([row.label for row in made]),
        estimates=np.array([row.estimate for row in made]),
        scores=np.column_stack([row.score for row in made]),
        on_effects=np.array([row.weight for row in made]),
    )


def _shares(found: Effects) -> np.ndarray:
    return found.size @ found.members


def _weighted(found: Effects, keep: np.ndarray, label: dict[str, Any]) -> _Row:
    """Average by group shares; the shares are estimated, and their influence is Σ w·1{in group}·(effect − average)/Σ shares."""
    shares = np.where(keep, _shares(found), 0.0)
    weight = shares / shares.sum()
    estimate = float(weight @ found.estimates)
    at = np.flatnonzero(keep)
    moved = found.size * (found.members[:, at] @ (found.estimates[at] - estimate)) / shares.sum()
    return _Row(label, estimate, found.scores @ weight + moved, weight)


def _mean(rows: list[_Row], label: dict[str, Any]) -> _Row:
    return _Row(
        label,
        float(np.mean([row.estimate for row in rows])),
        np.mean([row.score for row in rows], axis=0),
        np.mean([row.weight for row in rows], axis=0),
    )


def _cells(found: Effects, panel: Panel) -> Combined:
    """Every effect as it is: no average, so no row of its own for each."""
    after, reference = found.time >= found.group, found.time == found.base
    labels = {
        "cohort": [panel.periods[g] for g in found.group],
        "period": [panel.periods[t] for t in found.time],
        "event_time": (found.time - found.group).astype(int),
        "kind": np.where(reference, "reference", np.where(after, "post", "pre")),
    }
    return Combined(pd.DataFrame(labels), found.estimates, found.scores, np.eye(len(found.time)))


def _overall(found: Effects, panel: Panel) -> list[_Row]:
    return [_weighted(found, found.time >= found.group, {"kind": "overall"})]


def _event_time(found: Effects, panel: Panel) -> list[_Row]:
    event = found.time - found.group
    rows = []
    for e in np.unique(event):
        at = event == e
        kind = "reference" if bool((found.time[at] == found.base[at]).all()) else ("post" if e >= 0 else "pre")
        rows.append(_weighted(found, at, {"event_time": int(e), "kind": kind}))
    after = [row for row in rows if row.label["event_time"] >= 0]
    return [*rows, _mean(after, {"event_time": None, "kind": "average"})]


def _cohort(found: Effects, panel: Panel) -> list[_Row]:
    post = found.time >= found.group
    groups = np.unique(found.group[post])
    rows, sizes, members = [], [], []
    for g in groups:
        at = np.flatnonzero(post & (found.group == g))
        weight = np.zeros(len(found.time))
        weight[at] = 1.0 / len(at)
        label = {"cohort": panel.periods[g], "kind": "post"}
        rows.append(_Row(label, float(weight @ found.estimates), found.scores @ weight, weight))
        members.append(found.members[:, at[0]])
        sizes.append(float(found.size @ found.members[:, at[0]]))
    shares, total = np.array(sizes) / sum(sizes), sum(sizes)
    effects = np.array([row.estimate for row in rows])
    estimate = float(shares @ effects)
    moved = found.size * (np.column_stack(members) @ (effects - estimate)) / total
    score = np.column_stack([row.score for row in rows]) @ shares + moved
    average = _Row({"cohort": None, "kind": "average"}, estimate, score, shares @ np.array([row.weight for row in rows]))
    return [*rows, average]


def _calendar(found: Effects, panel: Panel) -> list[_Row]:
    post = found.time >= found.group
    rows = [
        _weighted(found, post & (found.time == t), {"period": panel.periods[t], "kind": "post"})
        for t in np.unique(found.time[post])
    ]
    return [*rows, _mean(rows, {"period": None, "kind": "average"})]


def _region(found: Effects, panel: Panel) -> list[_Row]:
    post = found.time >= found.group
    name = panel.region or "region"
    labels = panel.clusters[name][1]
    column = "region" if name in ("outcome", "kind") else name
    rows = [
        _weighted(found, post & (found.region == r), {column: labels[r], "kind": "post"}) for r in np.unique(found.region[post])
    ]
    return [*rows, _weighted(found, post, {column: None, "kind": "average"})]
