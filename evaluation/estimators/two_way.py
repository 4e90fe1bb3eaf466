"""Two-way fixed effects: static and event study, by weighted least squares on cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from evaluation.errors import NotEstimable
from evaluation.estimators.design import Estimator, Pieces, all_at_once, dots, drop_treated_throughout
from evaluation.panel import NEVER, Panel

RANK = 1e-10  # relative size below which a direction counts as not identified
DEFAULTS = {"reference": -1, "period_by": None, "covariates": "none"}


def prepare(panel: Panel, options: Mapping[str, Any]) -> Panel | NotEstimable:
    """Leave out units treated throughout, and cells without the covariates that are used; refuse when all start at once."""
    kept = drop_treated_throughout(panel)
    if isinstance(kept, NotEstimable):
        return kept
    if options["period_by"] is not None:
        kept.cluster_codes(options["period_by"])
    if options["covariates"] == "by_period":
        if kept.covariate_values is None:
            return NotEstimable(
                "the panel has no covariates", "Name them in Panel.from_frame(covariates=[...]), or use covariates='none'."
            )
        known = ~np.isnan(kept.covariate_values).any(axis=0)
        kept = replace(kept, values=np.where(known, kept.values, np.nan), weights=np.where(known, kept.weights, 0.0))
    elif kept.covariates:
        unused = f"two_way_fixed_effects uses no covariates: {', '.join(kept.covariates)} changed nothing."
        kept = replace(kept, notices=tuple(dict.fromkeys([*kept.notices, unused])))
    return all_at_once(kept) or kept


def within(columns: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, int]:
    """Residuals of columns (N × T × P) from unit and period effects under weights (N × T).

    One exact solve of the T × T normal equations left after unit means are taken out (Frisch, Waugh, Lovell): no iteration.
    Returns the residuals and the rank of the period effects beside the unit effects.
    """
    total = weights.sum(axis=1)
    share = np.divide(weights, total[:, None], out=np.zeros_like(weights), where=total[:, None] > 0)
    centred = columns - np.einsum("nt,ntp->np", share, columns)[:, None, :]
    normal = np.diag(weights.sum(axis=0)) - weights.T @ share
    cross = np.einsum("nt,ntp->tp", weights, centred)
    values, vectors = np.linalg.eigh(normal)
    good = values > RANK * max(values.max(), np.finfo(float).tiny)
    effects = (vectors[:, good] / values[good]) @ (vectors[:, good].T @ cross)
    return centred - effects[None] + (share @ effects)[:, None, :], int(good.sum())


def within_groups(columns: np.ndarray, weights: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, int]:
    """Residuals from unit effects and period effects of each group (N codes), and how many of the latter there are."""
    out, count = np.empty_like(columns), 0
    for code in np.unique(group):
        own = group == code
        out[own], rank = within(columns[own], weights[own])
        count += (rank + 1) * bool((weights[own] > 0).any())
    return out, count


def by_period(panel: Panel) -> np.ndarray:
    """Each covariate in each period as a column of its own, N × T × C·T; centred and scaled, which changes no other column."""
    if panel.covariate_values is None:
        return np.empty((*panel.weights[0].shape, 0))
    seen = panel.weights[0] > 0
    columns = []
    for values in panel.covariate_values:
        spread = float(values[seen].std())
        scaled = np.where(seen, (np.nan_to_num(values) - values[seen].mean()) / (spread or 1.0), 0.0)
        columns.append(scaled[:, :, None] * np.eye(len(panel.periods)))
    return np.concatenate(columns, axis=2)


def without(columns: np.ndarray, controls: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, int]:
    """Residuals of columns (N × T × P) from controls (N × T × C) by weighted least squares, and the rank of the controls."""
    if not controls.shape[2]:
        return columns, 0
    weighted = controls * weights[:, :, None]
    values, vectors = np.linalg.eigh(np.einsum("nta,ntb->ab", weighted, controls))
    good = values > RANK * max(values.max(), float(weights.sum()))
    beta = (vectors[:, good] / values[good]) @ (vectors[:, good].T @ np.einsum("nta,ntp->ap", weighted, columns))
    return columns - controls @ beta, int(good.sum())


def regressors(panel: Panel, aggregate: str, reference: int) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Treatment columns (N × T × K) and their labels."""
    time = np.arange(len(panel.periods))[None, :]
    treated = panel.treated[:, None]
    if aggregate == "overall":
        return (treated & (time >= panel.cohort[:, None]))[:, :, None].astype(float), [{"kind": "overall"}]
    event = np.where(treated, time - np.where(treated, panel.cohort[:, None], 0), NEVER)
    seen = panel.weights[0] > 0
    times = [int(e) for e in np.unique(event[treated & seen]) if e not in (reference, NEVER)]
    columns = (event[:, :, None] == np.array(times, dtype=int)).astype(float)
    return columns, [{"event_time": e, "kind": "post" if e >= 0 else "pre"} for e in times]


def fit(panel: Panel, aggregate: str, options: Mapping[str, Any]) -> Pieces | NotEstimable:
    """Least squares of one outcome on unit effects, period effects and the treatment columns."""
    weights = panel.weights[0]
    outcome = np.nan_to_num(panel.values[0])
    reference = int(options["reference"])
    columns, labels = regressors(panel, aggregate, reference)
    if not labels:
        return _refusal(panel, aggregate)
    if reference < 0 and all(label["kind"] == "pre" for label in labels):
        return NotEstimable("no unit that adopts is observed from its start on", "Widen the window, or check the outcome.")
    controls = by_period(panel) if options["covariates"] == "by_period" else np.empty((*weights.shape, 0))
    everyone = np.zeros(len(weights), int)
    group = everyone if options["period_by"] is None else panel.cluster_codes(options["period_by"])[1]
    both, periods = within_groups(np.concatenate([controls, columns, outcome[:, :, None]], axis=2), weights, group)
    cut = controls.shape[2]
    both, more = without(both[:, :, cut:], both[:, :, :cut], weights)
    x, y = both[:, :, :-1], both[:, :, -1]
    weighted = x * weights[:, :, None]
    normal = np.einsum("ntk,ntj->kj", weighted, x)
    raw = np.einsum("nt,ntk->k", weights, columns**2)
    if (np.linalg.eigvalsh(normal / np.sqrt(np.outer(raw, raw))).min() if (raw > 0).all() else 0.0) < RANK:
        return _refusal(panel, aggregate)
    inverse = np.linalg.inv(normal)
    estimates = inverse @ np.einsum("ntk,nt->k", weighted, y)
    residual = y - x @ estimates
    scores = np.einsum("ntk,nt->nk", weighted, residual) @ inverse
    on_cells = np.einsum("kj,ntj->knt", inverse, weighted)
    observed = (weights > 0).any(axis=1)
    support = (panel.treated & observed)[:, None] & ((columns * (weights > 0)[:, :, None]) > 0).any(axis=1)
    transform, labels = _with_reference(labels, reference)
    compares = observed if len(np.unique(panel.cohort[panel.treated])) > 1 else observed & ~panel.treated
    entered = np.repeat(observed[:, None], len(labels), axis=1)
    return Pieces(
        labels=pd.DataFrame(labels),
        estimates=transform @ estimates,
        scores=scores @ transform.T,
        support=(support.astype(float) @ (transform != 0).T) > 0,
        used=entered & (transform != 0).any(axis=1)[None, :],
        compared=compares[:, None] & (transform != 0).any(axis=1)[None, :],
        parameters=len(estimates) + periods + more,
        observations=int((weights > 0).sum()),
        builder=lambda: dots(np.tensordot(transform, on_cells, axes=1)),
        warnings=_warnings(panel, aggregate, on_cells),
    )


def _with_reference(labels: list[dict[str, Any]], reference: int) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Add the reference row (0) and the plain average of the effects after the start."""
    if "event_time" not in labels[0]:
        return np.eye(len(labels)), labels
    times = sorted([*(label["event_time"] for label in labels), reference])
    at = {label["event_time"]: k for k, label in enumerate(labels)}
    rows, out = [], []
    for time in times:
        row = np.zeros(len(labels))
        if time != reference:
            row[at[time]] = 1.0
        rows.append(row)
        out.append({"event_time": time, "kind": "reference" if time == reference else ("post" if time >= 0 else "pre")})
    after = np.array([float(label["event_time"] >= 0) for label in labels])
    if after.sum():
        rows.append(after / after.sum())
        out.append({"event_time": None, "kind": "average"})
    return np.array(rows), out


def _refusal(panel: Panel, aggregate: str) -> NotEstimable:
    never = (panel.cohort >= NEVER) & (panel.weights[0] > 0).any(axis=1)
    if aggregate == "event_time" and never.any():
        return NotEstimable(
            "the event study is not identified: too few cells are observed to tell event times from unit and period effects",
            "Widen the window, or add comparison units that are observed before and after the starts.",
        )
    if aggregate == "event_time":
        return NotEstimable(
            "the event study is not identified: without units that never adopt, event times and periods move together",
            "Add units that never adopt, or ask for aggregate='overall'.",
        )
    return NotEstimable(
        "treatment moves together with the unit and period effects", "Add units or periods that differ in treatment."
    )


def _warnings(panel: Panel, aggregate: str, on_cells: np.ndarray) -> tuple[str, ...]:
    if aggregate != "overall":
        return ()
    on = (panel.cohort[:, None] <= np.arange(len(panel.periods))[None, :]) & (panel.weights[0] > 0)
    negative = int((on_cells[0][on] < 0).sum())
    if not negative:
        return ()
    total = -float(on_cells[0][on & (on_cells[0] < 0)].sum())
    return (
        f"{negative} of {int(on.sum())} treated cells carry a negative weight ({total:.3f} in all): "
        "where effects differ, this number can have the wrong sign. Prefer group_time.",
    )


TWO_WAY = Estimator(
    prepare,
    fit,
    DEFAULTS,
    {"covariates": ("none", "by_period")},
    ("overall", "event_time"),
    uses_covariates=True,
    title="Two-way fixed effects",
    assumes="As group-time, and the effect is the same everywhere and at all times. Where it is not, this number can mislead.",
)
