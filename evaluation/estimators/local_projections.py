"""Local projections (Dube, Girardi, Jordà, Taylor 2025): long differences on starting, clean controls, one fit a horizon."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.errors import NotEstimable, OptionError
from evaluation.estimators.design import Estimator, Pieces, all_at_once, dots, drop_treated_throughout, plural
from evaluation.estimators.least_squares import listed, with_small_sample
from evaluation.panel import NEVER, Panel

DEFAULTS = {"control": "not_yet_treated", "pre": None, "post": None, "reweight": False}
CHOICES = {"control": ("not_yet_treated", "never_treated"), "reweight": (False, True)}


def prepare(panel: Panel, options: Mapping[str, Any]) -> Panel | NotEstimable:
    """Leave out units treated throughout; refuse when nobody compares."""
    for name in ("pre", "post"):
        value = options[name]
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if value is not None and not (whole and value >= 0):
            raise OptionError(f"{name} must be a whole number of periods, 0 or more, or None for all there are, not {value!r}.")
    kept = drop_treated_throughout(panel)
    if isinstance(kept, NotEstimable):
        return kept
    if options["control"] == "never_treated" and not (kept.cohort >= NEVER).any():
        return NotEstimable("every unit adopts within the window, so none is never treated", "Use control='not_yet_treated'.")
    return all_at_once(kept) or kept


@dataclass(frozen=True, eq=False)
class Projection:
    """One horizon: its coefficient, scores (N), weights on cells (N × T), and who stands in its regression (N booleans)."""

    horizon: int
    estimate: float
    score: np.ndarray
    on_cells: np.ndarray
    treated: np.ndarray
    compared: np.ndarray
    entered: np.ndarray


def fit(panel: Panel, aggregate: str, options: Mapping[str, Any]) -> Pieces | NotEstimable:
    """Coefficients of one outcome at every horizon asked for, and the plain mean of those from the start on."""
    last = len(panel.periods) - 1
    pre = last if options["pre"] is None else int(options["pre"])
    post = last - 1 if options["post"] is None else int(options["post"])
    horizons = [h for h in range(-min(pre, last), min(post, last - 1) + 1) if h != -1 and (h >= 0 or aggregate == "event_time")]
    made = {h: project(panel, h, options) for h in horizons}
    found = [one for one in made.values() if one is not None]
    after = np.array([one.horizon >= 0 for one in found], bool)
    if not after.any():
        return NotEstimable(
            "no period after the reform has both starting and clean comparison units",
            "Widen the window, or add comparison units.",
        )
    rows, labels = _rows(found, aggregate, pre)
    stacked = [
        np.array([getattr(one, name) for one in found]) for name in ("treated", "compared", "entered", "score", "on_cells")
    ]
    scores, on_cells = stacked[3:]
    support, compared, used = (_in_rows(rows, units) for units in stacked[:3])
    lost = [h for h in horizons if made[h] is None and abs(h) <= last - 1]
    return Pieces(
        labels=labels,
        estimates=rows @ np.array([one.estimate for one in found]),
        scores=scores.T @ rows.T,
        support=support,
        used=used,
        compared=compared,
        parameters=0,
        observations=int((panel.weights[0] > 0).sum()),
        builder=lambda: dots(np.tensordot(rows, on_cells, axes=1)),
        warnings=_lost(lost),
    )


def _lost(lost: list[int]) -> tuple[str, ...]:
    if not lost:
        return ()
    return (f"{plural(len(lost), 'horizon')} left out, with no starting or no clean comparison units: {listed(lost, most=12)}.",)


def _in_rows(rows: np.ndarray, units: np.ndarray) -> np.ndarray:
    found: np.ndarray = ((rows != 0).astype(float) @ units.astype(float)).T > 0
    return found


def _rows(found: list[Projection], aggregate: str, pre: int) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """How horizons make rows (K × horizons), and their labels; −1 is the period compared with."""
    after = np.array([one.horizon >= 0 for one in found])
    mean = after / after.sum()
    if aggregate == "overall":
        return mean[None, :], [{"kind": "overall"}]
    rows, labels = [], []
    for k, one in enumerate(found):
        rows.append(np.eye(1, len(found), k)[0])
        labels.append({"event_time": one.horizon, "kind": "post" if one.horizon >= 0 else "pre"})
    if pre > 0:
        at = int((~after).sum())
        rows.insert(at, np.zeros(len(found)))
        labels.insert(at, {"event_time": -1, "kind": "reference"})
    return np.array([*rows, mean]), [*labels, {"event_time": None, "kind": "average"}]


def project(panel: Panel, horizon: int, options: Mapping[str, Any]) -> Projection | None:
    """Regress the change from one period before to `horizon` after on starting, with period effects; None where it cannot be.

    A unit compares in a period while it is untreated through the horizon. Plain least squares weights starts by how evenly the
    period is split (equation 10 of the paper); with `reweight` each start counts the same (section 3.3).
    """
    periods = len(panel.periods)
    time = np.arange(max(1, -horizon), periods - max(horizon, 0))
    if len(time) == 0:
        return None
    cohort, values, seen = panel.cohort[:, None], np.nan_to_num(panel.values[0]), panel.weights[0] > 0
    starts = cohort == time
    clean = cohort >= NEVER if options["control"] == "never_treated" else cohort > time + max(horizon, 0)
    inside = (starts | clean) & seen[:, time + horizon] & seen[:, time - 1]
    weight = np.where(inside, panel.weights[0][:, time - 1], 0.0)
    change = values[:, time + horizon] - values[:, time - 1]
    total = weight.sum(axis=0)
    share = np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)
    treated_share = (share * starts).sum(axis=0)
    split = (inside & starts).any(axis=0) & (inside & ~starts).any(axis=0)  # by who is there: shares round, and 1 may fall short
    centred = np.where(inside & split, starts - treated_share, 0.0)
    if options["reweight"]:
        weight = weight * np.divide(1.0, 1 - treated_share, out=np.zeros_like(total), where=treated_share < 1)
    size = float((weight * centred**2).sum())
    if not size > 0:
        return None
    moved = np.where(inside, change - (share * change).sum(axis=0), 0.0)
    carried = weight * centred / size
    estimate = float((carried * moved).sum())
    score = (carried * (moved - estimate * centred)).sum(axis=1)
    on_cells = np.zeros((len(panel.units), periods))
    on_cells[:, time + horizon] += carried
    on_cells[:, time - 1] -= carried
    return Projection(
        horizon,
        estimate,
        with_small_sample(score, int(inside.sum()), 1 + int((total > 0).sum())),
        on_cells,
        (inside & starts)[:, split].any(axis=1),
        (inside & ~starts)[:, split].any(axis=1),
        inside.any(axis=1),
    )


LOCAL_PROJECTIONS = Estimator(
    prepare,
    fit,
    DEFAULTS,
    CHOICES,
    ("overall", "event_time"),
    title="Local projections (Dube and others)",
    assumes="Without the reform, areas that start would have moved like those not yet started, horizon by horizon.",
)
