"""Balance before the first start: are the treated like those they are compared with, in level and in how they were moving?"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from evaluation.errors import NotEstimable
from evaluation.panel import NEVER, Panel
from evaluation.robustness.row import Check, listing, not_told, say

ASKS = "Were the two groups alike before the reform, and moving alike?"
LARGE = 0.25  # standardised difference from which groups count as unlike (Imbens, Rubin 2015)
ALPHA = 0.05


def balance(panel: Panel, cluster: str | None = None) -> Check:
    """Levels and changes of outcomes and covariates before anybody starts, treated against those that never start.

    A level is a unit's mean over the periods before the first start; a change is its least-squares slope over them, by period.
    The standardised difference divides by √((s₁² + s₀²)/2) of units. The error is clustered (CR1), with t(G − 1).

    Args:
        panel: with any number of outcomes.
        cluster: column to cluster by; default the panel's own.

    Returns:
        A `Check`: number is the largest standardised difference of a change (of a level where no change can be had), in absolute
        value; rows have name, kind ("level" or "change"), treated, comparison, difference, standardised, p_value.

    Raises:
        PanelError: there is no such cluster.
    """
    _, codes = panel.cluster_codes(cluster)
    compare = panel.cohort >= NEVER
    first = int(panel.cohort[panel.treated].min()) if panel.treated.any() else 0
    if first < 1 or not compare.any():
        reason = f"no {panel.period} lies before the first start" if first < 1 else f"no {panel.unit} never starts"
        return not_told("balance", ASKS, NotEstimable(reason, "Widen the window, or add units that do not start."))
    rows = []
    for name, values, weights in _measures(panel):
        before = values[:, :first]
        weight = weights[:, :first]
        rows.append({"name": name, "kind": "level", **_compare(*_levels(before, weight), panel.treated, compare, codes)})
        if first > 1:
            rows.append({"name": name, "kind": "change", **_compare(*_slopes(before, weight), panel.treated, compare, codes)})
    return _summary(rows)


def _measures(panel: Panel) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Names, values and weights (N × T) of outcomes and covariates."""
    out = [(name, panel.values[k], panel.weights[k]) for k, name in enumerate(panel.outcomes)]
    if panel.covariate_values is not None:
        for name, values in zip(panel.covariates, panel.covariate_values, strict=True):
            out.append((name, values, np.isfinite(values).astype(float)))
    return out


def _levels(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of each unit (N, NaN where nothing is seen) and its mean weight."""
    count = (weights > 0).sum(axis=1)
    total = weights.sum(axis=1)
    mean = np.divide(np.nansum(values * weights, axis=1), total, out=np.full(len(values), np.nan), where=total > 0)
    return mean, np.divide(total, count, out=np.zeros(len(values)), where=count > 0)


def _slopes(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least-squares slope of each unit by period (N, NaN with fewer than two points) and its mean weight."""
    seen = (weights > 0) & np.isfinite(values)
    time = np.arange(values.shape[1])[None, :] * seen
    count = np.maximum(seen.sum(axis=1), 1)
    centred = np.where(seen, time - (time.sum(axis=1) / count)[:, None], 0.0)
    spread = (centred**2).sum(axis=1)
    slope = np.divide((centred * np.nan_to_num(values)).sum(axis=1), spread, out=np.full(len(values), np.nan), where=spread > 0)
    return slope, np.where(seen.any(axis=1), weights.sum(axis=1) / count, 0.0)


def _compare(
    value: np.ndarray, weight: np.ndarray, treated: np.ndarray, compare: np.ndarray, codes: np.ndarray
) -> dict[str, Any]:
    """Weighted means of two groups of units, their difference, standardised, with a clustered p-value."""
    known = np.isfinite(value) & (weight > 0)
    means, spreads, scores, groups = [], [], np.zeros(len(value)), []
    for side, sense in ((treated & known, 1.0), (compare & known, -1.0)):
        if not side.any():
            return dict.fromkeys(("treated", "comparison", "difference", "standardised", "std_error", "p_value"))
        share = weight[side] / weight[side].sum()
        mean = float(share @ value[side])
        means.append(mean)
        spreads.append(float(share @ (value[side] - mean) ** 2) * side.sum() / max(side.sum() - 1, 1))
        scores[side] = sense * share * (value[side] - mean)
        groups.append(len(np.unique(codes[side])))
    gap, pooled = means[0] - means[1], float(np.sqrt(sum(spreads) / 2))
    total = len(np.unique(codes[known & (treated | compare)]))
    error = float(np.sqrt(total / max(total - 1, 1) * (np.bincount(codes, scores) ** 2).sum()))
    has_error = min(groups) > 1 and error > 0
    return {
        "treated": means[0],
        "comparison": means[1],
        "difference": gap,
        "standardised": gap / pooled if pooled > 0 else None,
        "std_error": error if has_error else None,
        "p_value": float(2 * stats.t.sf(abs(gap) / error, total - 1)) if has_error else None,
    }


def _summary(rows: list[dict[str, Any]]) -> Check:
    told = [row for row in rows if row["standardised"] is not None]
    if not told:
        why = NotEstimable("no outcome is seen on both sides before the first start", "Widen the window.")
        return not_told("balance", ASKS, why, rows)
    large = {
        kind: [row for row in told if row["kind"] == kind and abs(row["standardised"]) >= LARGE] for kind in ("level", "change")
    }
    changes = [row for row in told if row["kind"] == "change"]
    drift = [row for row in changes if row["p_value"] is not None and row["p_value"] < ALPHA]
    firm = [row for row in drift if abs(row["standardised"]) >= LARGE]
    top = max(changes or told, key=lambda row: abs(row["standardised"]))
    if firm:
        words = f"Before the reform the two groups were already moving apart in {listing(row['name'] for row in firm)}."
    elif large["change"]:
        names = listing(row["name"] for row in large["change"])
        words = f"Before the reform the two groups moved somewhat differently in {names}, by no more than chance could do."
    elif changes:
        words = "Before the reform the two groups were moving much alike."
    else:
        words = "How the groups were moving before the reform cannot be told: only one period lies before the first start."
    if large["level"]:
        words += f" Their levels differed in {listing(row['name'] for row in large['level'])}."
    words += f" The largest difference in {top['kind']} is {say(abs(top['standardised']))} standard deviations ({top['name']})."
    concern = "serious" if firm else "some" if large["change"] or large["level"] or drift else "none" if changes else None
    return Check("balance", ASKS, abs(top["standardised"]), "standard deviations", words, concern, tuple(rows))
