"""Two-way fixed effects: static and event study, by weighted least squares on cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from evaluation.errors import NotEstimable
from evaluation.estimators.design import Estimator, Pieces, all_at_once, dots, drop_treated_throughout
from evaluation.panel import NEVER, Panel, shares

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


@dataclass(frozen=True, eq=False)
class Within:
    """Takes unit and period effects out of columns: one exact solve once unit means are out (Frisch, Waugh, Lovell).

    Attributes:
        weights: of cells, N × T.
        share: the same over their sum by unit.
        vectors: T × r; directions in which period effects are identified beside unit effects.
        values: r; their eigenvalues.
    """

    weights: np.ndarray
    share: np.ndarray
    vectors: np.ndarray
    values: np.ndarray

    @property
    def rank(self) -> int:
        """Rank of the period effects beside the unit effects."""
        return len(self.values)

    def __call__(self, columns: np.ndarray) -> np.ndarray:
        """Residuals of columns (N × T, or N × T × P)."""
        if columns.ndim == 2:
            centred = columns - (self.share * columns).sum(axis=1, keepdims=True)
            effects = self._effects((self.weights * centred).sum(axis=0))
            return np.asarray(centred - effects + (self.share @ effects)[:, None])
        centred = columns - np.einsum("nt,ntp->np", self.share, columns)[:, None, :]
        effects = self._effects(np.einsum("nt,ntp->tp", self.weights, centred))
        return np.asarray(centred - effects[None] + (self.share @ effects)[:, None, :])

    def _effects(self, cross: np.ndarray) -> np.ndarray:
        return np.asarray((self.vectors / self.values) @ (self.vectors.T @ cross))


def within_of(weights: np.ndarray) -> Within:
    """What takes unit and period effects out under weights (N × T)."""
    share = shares(weights)
    values, vectors = np.linalg.eigh(np.diag(weights.sum(axis=0)) - weights.T @ share)
    good = values > RANK * max(values.max(), np.finfo(float).tiny)
    return Within(weights, share, vectors[:, good], values[good])


def within(columns: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, int]:
    """Residuals of columns (N × T × P) from unit and period effects under weights (N × T), and the rank of the latter."""
    made = within_of(weights)
    return made(columns), made.rank


Groups = tuple[tuple[np.ndarray, Within], ...]  # units that have period effects of their own, and what takes them out


def within_groups(weights: np.ndarray, group: np.ndarray) -> Groups:
    """What takes out unit effects, and period effects of each group (N codes)."""
    return tuple((np.flatnonzero(group == code), within_of(weights[group == code])) for code in np.unique(group))


def taken_out(columns: np.ndarray, groups: Groups) -> np.ndarray:
    """Residuals of columns (N × T, or N × T × P)."""
    if len(groups) == 1:
        return groups[0][1](columns)
    out = np.empty_like(columns)
    for units, made in groups:
        out[units] = made(columns[units])
    return out


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


@dataclass(frozen=True, eq=False)
class Controls:
    """Takes controls out by weighted least squares.

    Attributes:
        columns: N × T × C.
        weighted: the same × the weights.
        vectors: C × r; directions that are identified.
        values: r; their eigenvalues.
    """

    columns: np.ndarray
    weighted: np.ndarray
    vectors: np.ndarray
    values: np.ndarray

    def __call__(self, columns: np.ndarray) -> np.ndarray:
        """Residuals of columns (N × T × P)."""
        cross = np.einsum("nta,ntp->ap", self.weighted, columns)
        return np.asarray(columns - self.columns @ ((self.vectors / self.values) @ (self.vectors.T @ cross)))


def controls_of(columns: np.ndarray, weights: np.ndarray) -> Controls | None:
    """What takes controls (N × T × C) out under weights (N × T); None without any."""
    if not columns.shape[2]:
        return None
    weighted = columns * weights[:, :, None]
    values, vectors = np.linalg.eigh(np.einsum("nta,ntb->ab", weighted, columns))
    good = values > RANK * max(values.max(), float(weights.sum()))
    return Controls(columns, weighted, vectors[:, good], values[good])


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


@dataclass(frozen=True, eq=False)
class Regressors:
    """The right-hand side of the regression, whatever the outcome.

    Attributes:
        groups: takes unit and period effects out.
        controls: takes the controls out, or None.
        x: treatment columns less effects and controls, N × T × K.
        weighted: weight × x.
        inverse: of their normal matrix, K × K.
        transform: turns coefficients into rows.
        labels: of the rows.
        support, used, compared: N × rows.
        parameters: as in `Result`.
        warnings: negative weights.
    """

    groups: Groups
    controls: Controls | None
    x: np.ndarray
    weighted: np.ndarray
    inverse: np.ndarray
    transform: np.ndarray
    labels: list[dict[str, Any]]
    support: np.ndarray
    used: np.ndarray
    compared: np.ndarray
    parameters: int
    warnings: tuple[str, ...]

    def outcome(self, values: np.ndarray) -> np.ndarray:
        """An outcome (N × T, NaN where missing) less effects and controls."""
        left = taken_out(np.nan_to_num(values), self.groups)
        return left if self.controls is None else self.controls(left[:, :, None])[:, :, 0]

    def on_cells(self) -> np.ndarray:
        """Weights of coefficients on cells, K × N × T."""
        return on_cells(self.inverse, self.weighted)


def on_cells(inverse: np.ndarray, weighted: np.ndarray) -> np.ndarray:
    """Weights of coefficients on cells (K × N × T) from the inverse normal matrix and the weighted columns."""
    return np.asarray(np.einsum("kj,ntj->knt", inverse, weighted))


def fit(panel: Panel, aggregate: str, options: Mapping[str, Any]) -> Pieces | NotEstimable:
    """Least squares of one outcome on unit effects, period effects and the treatment columns."""
    key = ("two-way", aggregate, *(options[name] for name in DEFAULTS))
    made = panel.once(key, lambda: _regressors(panel, aggregate, options))
    if isinstance(made, NotEstimable):
        return made
    y = made.outcome(panel.values[0])
    estimates = made.inverse @ np.einsum("ntk,nt->k", made.weighted, y)
    scores = np.einsum("ntk,nt->nk", made.weighted, y - made.x @ estimates) @ made.inverse
    return Pieces(
        labels=made.labels,
        estimates=made.transform @ estimates,
        scores=scores @ made.transform.T,
        support=made.support,
        used=made.used,
        compared=made.compared,
        parameters=made.parameters,
        observations=int((panel.weights[0] > 0).sum()),
        builder=lambda: dots(np.tensordot(made.transform, made.on_cells(), axes=1)),
        warnings=made.warnings,
    )


def _regressors(panel: Panel, aggregate: str, options: Mapping[str, Any]) -> Regressors | NotEstimable:
    weights, reference = panel.weights[0], int(options["reference"])
    columns, labels = regressors(panel, aggregate, reference)
    if not labels:
        return _refusal(panel, aggregate)
    if reference < 0 and all(label["kind"] == "pre" for label in labels):
        return NotEstimable("no unit that adopts is observed from its start on", "Widen the window, or check the outcome.")
    everyone = np.zeros(len(weights), int)
    group = everyone if options["period_by"] is None else panel.cluster_codes(options["period_by"])[1]
    groups = within_groups(weights, group)
    x, controls = taken_out(columns, groups), None
    if options["covariates"] == "by_period":
        controls = controls_of(taken_out(by_period(panel), groups), weights)
        x = x if controls is None else controls(x)
    weighted = x * weights[:, :, None]
    normal = np.einsum("ntk,ntj->kj", weighted, x)
    raw = np.einsum("nt,ntk->k", weights, columns**2)
    if (np.linalg.eigvalsh(normal / np.sqrt(np.outer(raw, raw))).min() if (raw > 0).all() else 0.0) < RANK:
        return _refusal(panel, aggregate)
    inverse = np.linalg.inv(normal)
    observed = (weights > 0).any(axis=1)
    support = (panel.treated & observed)[:, None] & ((columns * (weights > 0)[:, :, None]) > 0).any(axis=1)
    transform, labels = _with_reference(labels, reference)
    real = (transform != 0).any(axis=1)[None, :]
    compares = observed if len(np.unique(panel.cohort[panel.treated])) > 1 else observed & ~panel.treated
    periods = sum((one.rank + 1) * bool((one.weights > 0).any()) for _, one in groups)
    return Regressors(
        groups,
        controls,
        x,
        weighted,
        inverse,
        transform,
        labels,
        support=(support.astype(float) @ (transform != 0).T) > 0,
        used=observed[:, None] & real,
        compared=compares[:, None] & real,
        parameters=columns.shape[2] + periods + (0 if controls is None else len(controls.values)),
        warnings=_warnings(panel, on_cells(inverse, weighted)[0]) if aggregate == "overall" else (),
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


def _warnings(panel: Panel, carried: np.ndarray) -> tuple[str, ...]:
    """Negative weights among those that the one effect has on cells (N × T)."""
    on = (panel.cohort[:, None] <= np.arange(len(panel.periods))[None, :]) & (panel.weights[0] > 0)
    negative = int((carried[on] < 0).sum())
    if not negative:
        return ()
    total = -float(carried[on & (carried < 0)].sum())
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
