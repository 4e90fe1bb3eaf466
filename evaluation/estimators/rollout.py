"""The efficient estimator for random rollouts (Roth, Sant'Anna 2023): start dates as good as random, so earlier outcomes adjust.

Each effect is a difference of cohort means after the start, less β times the same difference one period before it. β = 1 is
difference-in-differences with units not yet treated (or, for `sun_abraham`, with the last to start); the efficient β makes the
variance least. Numbers are those of R's
`staggered` 1.2.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from evaluation.errors import NotEstimable
from evaluation.estimators.design import Estimator, Pieces, all_at_once, dots, drop_treated_throughout, plural
from evaluation.panel import NEVER, Panel

CHOICES = {"beta": ("efficient", "callaway_santanna", "sun_abraham"), "errors": ("adjusted", "neyman")}
DEFAULTS = {"beta": "efficient", "errors": "adjusted"}
ASSUMES = (
    "It assumes that start dates are as good as random: that which unit starts when has nothing to do with its outcomes. "
    "Where starts were chosen, use group_time."
)
ROUNDING = 1e-12  # relative size below which a difference of variances is none
CUT = float(np.sqrt(np.finfo(float).eps))  # relative size below which a direction of a covariance counts as none (MASS::ginv)


@dataclass(frozen=True, eq=False)
class Moments:
    """What the estimator needs of the data.

    Attributes:
        starts: positions of the cohorts' starts, in order (G); `NEVER` last, if some never adopt.
        sizes: units in each (G).
        means: G × T.
        spread: covariances between periods within each cohort, G × T × T.
        code: cohort of each unit (N).
    """

    starts: np.ndarray
    sizes: np.ndarray
    means: np.ndarray
    spread: np.ndarray
    code: np.ndarray


@dataclass(frozen=True, eq=False)
class Row:
    """One effect: its label and its weights on the effects of cohort g in period t, as {(g, t): weight}, g counting cohorts."""

    label: dict[str, Any]
    weight: dict[tuple[int, int], float]


def prepare(panel: Panel, options: Mapping[str, Any]) -> Panel | NotEstimable:
    """Leave out units treated throughout; refuse missing cells, cohorts of one unit, weights, and no comparison."""
    if panel.weighted:
        return NotEstimable("rollout takes no weights", "Build the panel without weight=.")
    kept = drop_treated_throughout(panel)
    if isinstance(kept, NotEstimable):
        return kept
    refusal = all_at_once(kept)
    if refusal:
        return refusal
    holes = np.isnan(kept.values).any(axis=0)
    if holes.any():
        i, t = np.argwhere(holes)[0]
        return NotEstimable(
            f"{plural(int(holes.any(axis=1).sum()), kept.unit)} with missing cells, "
            f"first {kept.units[i]!r} in {kept.periods[t]!r}: rollout needs every cell",
            "Leave those units out, or use group_time, which allows missing cells.",
        )
    starts, sizes = np.unique(kept.cohort, return_counts=True)
    if sizes.min() < 2:
        when = ", ".join("the units that never adopt" if g >= NEVER else str(kept.periods[g]) for g in starts[sizes < 2])
        return NotEstimable(
            f"cohorts of one {kept.unit} ({when}): their spread cannot be seen",
            "Use a coarser period, so that starts fall together, or leave those units out.",
        )
    return kept


def moments(panel: Panel) -> Moments:
    """Means and covariances of one outcome by cohort."""
    values = panel.values[0]
    starts, code, sizes = np.unique(panel.cohort, return_inverse=True, return_counts=True)
    means = np.array([values[code == g].mean(axis=0) for g in range(len(starts))])
    spread = np.array([np.cov(values[code == g], rowvar=False) for g in range(len(starts))])
    return Moments(starts, sizes.astype(float), means, spread, code)


def rows_of(panel: Panel, cohorts: Moments, aggregate: str) -> list[Row]:
    """The rows of an aggregate; all but `cells` and `overall` end with their average, estimated as one effect of its own."""
    last, count = int(cohorts.starts[-1]), len(panel.periods)
    post = [(g, t) for g, start in enumerate(cohorts.starts) for t in range(int(min(start, count)), min(last, count))]
    start = {g: int(s) for g, s in enumerate(cohorts.starts)}
    if aggregate == "overall":
        return [Row({"kind": "overall"}, _shares(post, cohorts.sizes))]
    if aggregate == "cells":
        return [
            Row(
                {"cohort": panel.periods[start[g]], "period": panel.periods[t], "event_time": t - start[g], "kind": "post"},
                {(g, t): 1.0},
            )
            for g, t in post
        ]
    if aggregate == "cohort":
        rows = [
            Row({"cohort": panel.periods[start[g]], "kind": "post"}, _even([pair for pair in post if pair[0] == g]))
            for g in dict.fromkeys(g for g, _ in post)
        ]
        size = np.array([cohorts.sizes[next(iter(row.weight))[0]] for row in rows])
        return [*rows, _blend(rows, size, {"cohort": None, "kind": "average"})]
    if aggregate == "calendar":
        rows = [
            Row({"period": panel.periods[t], "kind": "post"}, _shares([pair for pair in post if pair[1] == t], cohorts.sizes))
            for t in sorted({t for _, t in post})
        ]
        return [*rows, _blend(rows, np.ones(len(rows)), {"period": None, "kind": "average"})]
    return _event_time(post, start, cohorts, last, count)


def _event_time(post: list[tuple[int, int]], start: dict[int, int], cohorts: Moments, last: int, count: int) -> list[Row]:
    pre = [(g, t) for g in start if start[g] < min(last, count) for t in range(start[g])]
    by_event: dict[int, list[tuple[int, int]]] = {}
    for g, t in [*pre, *post]:
        by_event.setdefault(t - start[g], []).append((g, t))
    rows = []
    for event in sorted(by_event):
        kind = "reference" if event == -1 else ("post" if event >= 0 else "pre")
        rows.append(Row({"event_time": event, "kind": kind}, _shares(by_event[event], cohorts.sizes)))
    after = [row for row in rows if row.label["kind"] == "post"]
    return [*rows, _blend(after, np.ones(len(after)), {"event_time": None, "kind": "average"})]


def _shares(pairs: list[tuple[int, int]], sizes: np.ndarray) -> dict[tuple[int, int], float]:
    total = sum(sizes[g] for g, _ in pairs)
    return {(g, t): float(sizes[g] / total) for g, t in pairs}


def _even(pairs: list[tuple[int, int]]) -> dict[tuple[int, int], float]:
    return {pair: 1.0 / len(pairs) for pair in pairs}


def _blend(rows: list[Row], size: np.ndarray, label: dict[str, Any]) -> Row:
    weight: dict[tuple[int, int], float] = {}
    for row, share in zip(rows, size / size.sum(), strict=True):
        for pair, w in row.weight.items():
            weight[pair] = weight.get(pair, 0.0) + float(share) * w
    return Row(label, weight)


def compares(cohorts: Moments, g: int, t: int, last_only: bool) -> np.ndarray:
    """Cohorts that compare with cohort g in period t (G): those that start later than both, or of them the last alone."""
    later = cohorts.starts > max(int(cohorts.starts[g]), t)
    return np.asarray(later & (cohorts.starts == cohorts.starts[-1]) if last_only else later)


def contrasts(row: Row, cohorts: Moments, count: int, last_only: bool) -> tuple[np.ndarray, np.ndarray]:
    """What a row takes of cohort means after the start, and of the same cohorts' means one period before it: two G × T arrays."""
    after, before = np.zeros((len(cohorts.starts), count)), np.zeros((len(cohorts.starts), count))
    for (g, t), weight in row.weight.items():
        side = np.zeros(len(cohorts.starts))
        compare = compares(cohorts, g, t, last_only)
        side[compare] = -cohorts.sizes[compare] / cohorts.sizes[compare].sum()
        side[g] = 1.0
        after[:, t] += weight * side
        before[:, int(cohorts.starts[g]) - 1] += weight * side
    return after, before


def efficient_beta(after: np.ndarray, before: np.ndarray, cohorts: Moments) -> float:
    """β* = cov(θ̂, X̂) / var(X̂): the plug-in of the efficient β for the one X̂ of difference-in-differences."""
    across = np.einsum("gs,gst,gt,g->", before, cohorts.spread, after, 1.0 / cohorts.sizes)
    own = np.einsum("gs,gst,gt,g->", before, cohorts.spread, before, 1.0 / cohorts.sizes)
    return float(across / own) if own > 0 else 0.0


def adjustments(afters: list[np.ndarray], cohorts: Moments) -> np.ndarray:
    """How much of Neyman's variance outcomes before the first start show to be too much, K."""
    inverses: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    out = np.zeros(len(afters))
    for k, after in enumerate(afters):
        first = int(np.flatnonzero(np.abs(after).max(axis=1) > 0)[0])
        head = int(cohorts.starts[first])
        if first not in inverses:
            early = cohorts.spread[first:, :head, :head]
            inverses[first] = np.linalg.pinv(early, rcond=CUT), early.mean(axis=0)
        inverse, mean = inverses[first]
        across = np.einsum("gut,gt->gu", cohorts.spread[first:, :head], after[first:])
        slopes = np.einsum("gsu,gu->s", inverse, across)
        out[k] = slopes @ mean @ slopes / cohorts.sizes.sum()
    return out


def fit(panel: Panel, aggregate: str, options: Mapping[str, Any]) -> Pieces | NotEstimable:
    """Effects of one outcome; Σ scores² over units is the variance asked for."""
    cohorts, count = moments(panel), len(panel.periods)
    rows = rows_of(panel, cohorts, aggregate)
    last_only = options["beta"] == "sun_abraham"
    pairs = [contrasts(row, cohorts, count, last_only) for row in rows]
    efficient = options["beta"] == "efficient"
    betas = [efficient_beta(after, before, cohorts) if efficient else 1.0 for after, before in pairs]
    on_means = np.array([after - beta * before for (after, before), beta in zip(pairs, betas, strict=True)])
    on_means[[row.label["kind"] == "reference" for row in rows]] = 0.0
    neyman = _scores(panel, cohorts, on_means)
    shrink = _shrink((neyman**2).sum(axis=0), adjustments([after for after, _ in pairs], cohorts))
    entered = (on_means != 0).any(axis=2).T[cohorts.code]
    treated, compared = _sides(rows, cohorts, last_only)
    return Pieces(
        labels=[row.label for row in rows],
        estimates=np.einsum("kgt,gt->k", on_means, cohorts.means),
        scores=neyman * shrink if options["errors"] == "adjusted" else neyman,
        support=entered & treated,
        used=entered,
        compared=entered & compared,
        parameters=0,
        observations=int(panel.values[0].size),
        builder=lambda: _on_cells(on_means, cohorts),
        warnings=_warnings(panel.unit, options, shrink),
    )


def _scores(panel: Panel, cohorts: Moments, on_means: np.ndarray) -> np.ndarray:
    """N × K: Σ over units of scores² is Σ over cohorts of a'Sa / size."""
    residual = panel.values[0] - cohorts.means[cohorts.code]
    scale = np.sqrt(cohorts.sizes * (cohorts.sizes - 1))[cohorts.code]
    return np.column_stack([(row[cohorts.code] * residual).sum(axis=1) / scale for row in on_means])


def _shrink(neyman: np.ndarray, less: np.ndarray) -> np.ndarray:
    """By what the adjustment multiplies each error, K; 0 where it would leave no variance."""
    left = np.where(neyman - less > ROUNDING * neyman, neyman - less, 0.0)
    return np.asarray(np.sqrt(np.divide(left, neyman, out=np.ones(len(less)), where=neyman > 0)))


def _on_cells(on_means: np.ndarray, cohorts: Moments) -> sparse.csr_matrix:
    per_unit = on_means / cohorts.sizes[None, :, None]
    return sparse.csr_matrix(sparse.vstack([dots(row[cohorts.code][None]) for row in per_unit]))


def _sides(rows: list[Row], cohorts: Moments, last_only: bool) -> tuple[np.ndarray, np.ndarray]:
    """Units that each row treats and those it compares with, two N × K arrays; a cohort can be both, at different times."""
    treated = np.zeros((len(cohorts.starts), len(rows)), bool)
    compared = treated.copy()
    for k, row in enumerate(rows):
        for g, t in row.weight:
            treated[g, k] = True
            compared[:, k] |= compares(cohorts, g, t, last_only)
    return treated[cohorts.code], compared[cohorts.code]


def _warnings(unit: str, options: Mapping[str, Any], shrink: np.ndarray) -> tuple[str, ...]:
    if options["errors"] == "neyman":
        return (ASSUMES,)
    least, gone = shrink[shrink > 0].min(initial=1.0), int((shrink == 0).sum())
    said = [
        ASSUMES,
        f"Errors are adjusted for what outcomes before the start foretell, as if each {unit} drew its start alone; "
        f"without that they are larger by {100 / least - 100:.1f}% at most (errors='neyman'), and those suit wider clusters.",
    ]
    if gone:
        said.append(f"{gone} of {len(shrink)} effects have no adjusted error: the adjustment is larger than the variance.")
    return tuple(said)


ROLLOUT = Estimator(
    prepare,
    fit,
    DEFAULTS,
    CHOICES,
    ("overall", "cells", "event_time", "cohort", "calendar"),
    title="Rollout (Roth and Sant’Anna)",
    assumes="Who started when was as good as random.",
)
