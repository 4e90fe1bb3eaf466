"""From group-time effects to overall, event time, cohort, calendar and region, with the influence of estimated shares."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from scipy import sparse

from evaluation.panel import Panel


class Scores(Protocol):
    """Scores and weights of group-time effects, without an array of units × effects where none is needed."""

    def scored(self, weights: np.ndarray) -> np.ndarray:
        """Scores (N × A) of sums of effects (A × K)."""

    def each(self) -> np.ndarray:
        """Scores of every effect (N × K)."""

    def on_cells(self, weights: np.ndarray) -> sparse.csr_matrix:
        """Weights of sums of effects (A × K) on cells, A × (N·T)."""

    def only(self, keep: np.ndarray) -> Scores:
        """Of some effects (K, bool)."""


@dataclass(frozen=True, eq=False)
class Effects:
    """Group-time effects before aggregation, K of them. Units that no effect tells apart are one kind, U of them.

    Attributes:
        group: cohort position (K).
        region: region code (K), -1 where all regions are pooled.
        time: period position (K).
        base: position of the period compared with (K).
        estimates: K.
        scores: of sums of them.
        kind: of each unit (N).
        members: U × K booleans: treated units of the effect's group (and region).
        compared: U × K booleans: units that compare and have a weight in the effect.
        entered: U × K booleans: units with a weight in the effect.
        size: weight of each unit in group shares (N).
    """

    group: np.ndarray
    region: np.ndarray
    time: np.ndarray
    base: np.ndarray
    estimates: np.ndarray
    scores: Scores
    kind: np.ndarray
    members: np.ndarray
    compared: np.ndarray
    entered: np.ndarray
    size: np.ndarray

    @property
    def shares(self) -> np.ndarray:
        """Size of the units of each effect's group (K)."""
        by_kind: np.ndarray = np.bincount(self.kind, self.size, len(self.members)) @ self.members
        return by_kind

    def only(self, keep: np.ndarray) -> Effects:
        """Some of the effects (K, bool)."""
        along = ("group", "region", "time", "base", "estimates", "members", "compared", "entered")
        parts = {name: getattr(self, name)[..., keep] for name in along}
        return replace(self, scores=self.scores.only(keep), **parts)

    def in_any(self, units: np.ndarray, picked: np.ndarray) -> np.ndarray:
        """Units (N × A) whose kind (U × K) stands in any of the effects picked for a row (A × K)."""
        found: np.ndarray = (units.astype(float) @ picked.T.astype(float) > 0)[self.kind]
        return found


@dataclass(frozen=True, eq=False)
class Combined:
    """Aggregated effects: labels, estimates, scores (N × A) and weights on the group-time effects (A × K)."""

    labels: list[dict[str, Any]]
    estimates: np.ndarray
    scores: np.ndarray
    on_effects: np.ndarray


@dataclass(frozen=True, eq=False)
class _Row:
    """One row: weights on effects (K), and what a unit's size adds to its score by its kind (U), shares being estimated."""

    label: dict[str, Any]
    estimate: float
    weight: np.ndarray
    moved: np.ndarray


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
    on_effects = np.array([row.weight for row in made])
    moved = np.column_stack([row.moved for row in made])
    scores = found.scores.scored(on_effects)
    scores += found.size[:, None] * moved[found.kind]
    return Combined([row.label for row in made], np.array([row.estimate for row in made]), scores, on_effects)


def _weighted(found: Effects, shares: np.ndarray, keep: np.ndarray, label: dict[str, Any]) -> _Row:
    """Average by group shares; the shares are estimated, and their influence is Σ w·1{in group}·(effect − average)/Σ shares."""
    kept = np.where(keep, shares, 0.0)
    total = kept.sum()
    weight = kept / total
    estimate = float(weight @ found.estimates)
    at = np.flatnonzero(keep)
    return _Row(label, estimate, weight, found.members[:, at] @ (found.estimates[at] - estimate) / total)


def _mean(rows: list[_Row], label: dict[str, Any]) -> _Row:
    return _Row(
        label,
        float(np.mean([row.estimate for row in rows])),
        np.mean([row.weight for row in rows], axis=0),
        np.mean([row.moved for row in rows], axis=0),
    )


def _cells(found: Effects, panel: Panel) -> Combined:
    """Every effect as it is: no average, so no row of its own for each."""
    after, reference = found.time >= found.group, found.time == found.base
    kinds = np.where(reference, "reference", np.where(after, "post", "pre")).tolist()
    labels = [
        {"cohort": panel.periods[g], "period": panel.periods[t], "event_time": t - g, "kind": kind}
        for g, t, kind in zip(found.group.tolist(), found.time.tolist(), kinds, strict=True)
    ]
    return Combined(labels, found.estimates, found.scores.each(), np.eye(len(found.time)))


def _overall(found: Effects, panel: Panel) -> list[_Row]:
    return [_weighted(found, found.shares, found.time >= found.group, {"kind": "overall"})]


def _event_time(found: Effects, panel: Panel) -> list[_Row]:
    event, shares = found.time - found.group, found.shares
    rows = []
    for e in np.unique(event):
        at = event == e
        kind = "reference" if bool((found.time[at] == found.base[at]).all()) else ("post" if e >= 0 else "pre")
        rows.append(_weighted(found, shares, at, {"event_time": int(e), "kind": kind}))
    after = [row for row in rows if row.label["event_time"] >= 0]
    return [*rows, _mean(after, {"event_time": None, "kind": "average"})]


def _cohort(found: Effects, panel: Panel) -> list[_Row]:
    post, shares = found.time >= found.group, found.shares
    groups = np.unique(found.group[post])
    rows, sizes, members = [], [], []
    for g in groups:
        at = np.flatnonzero(post & (found.group == g))
        weight = np.zeros(len(found.time))
        weight[at] = 1.0 / len(at)
        label = {"cohort": panel.periods[g], "kind": "post"}
        rows.append(_Row(label, float(weight @ found.estimates), weight, np.zeros(len(found.members))))
        members.append(found.members[:, at[0]])
        sizes.append(float(shares[at[0]]))
    total = sum(sizes)
    parts = np.array(sizes) / total
    effects = np.array([row.estimate for row in rows])
    estimate = float(parts @ effects)
    moved = np.column_stack(members) @ (effects - estimate) / total
    average = _Row({"cohort": None, "kind": "average"}, estimate, parts @ np.array([row.weight for row in rows]), moved)
    return [*rows, average]


def _calendar(found: Effects, panel: Panel) -> list[_Row]:
    post, shares = found.time >= found.group, found.shares
    rows = [
        _weighted(found, shares, post & (found.time == t), {"period": panel.periods[t], "kind": "post"})
        for t in np.unique(found.time[post])
    ]
    return [*rows, _mean(rows, {"period": None, "kind": "average"})]


def _region(found: Effects, panel: Panel) -> list[_Row]:
    post, shares = found.time >= found.group, found.shares
    name = panel.region or "region"
    labels = panel.clusters[name][1]
    column = "region" if name in ("outcome", "kind") else name
    rows = [
        _weighted(found, shares, post & (found.region == r), {column: labels[r], "kind": "post"})
        for r in np.unique(found.region[post])
    ]
    return [*rows, _weighted(found, shares, post, {column: None, "kind": "average"})]
