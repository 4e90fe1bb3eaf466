"""One group's own trend, before and after: interrupted time series by generalised least squares. Never a causal estimate.

The mean series of the treated units is regressed on a trend, a change of level and a change of slope at the start, with
autoregressive errors (statsmodels GLSAR). What is estimated is how far the fitted line after the start departs from the one
before it, carried on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from statsmodels.regression.linear_model import GLSAR

from evaluation.errors import NotEstimable, OptionError
from evaluation.estimators.design import Estimator, Pieces, drop_treated_throughout, plural
from evaluation.panel import Panel

DEFAULTS = {"cohort": None, "lags": 1}
POINTS, BEFORE, AFTER = 8, 3, 2  # fewest periods: in all, before the start, from the start on
ROUNDS, TOLERANCE = 100, 1e-10  # of the search for the autocorrelation
NOT_CAUSAL = "Not a causal estimate: no comparison. Whatever else changed at the start is in it."


@dataclass(frozen=True, eq=False)
class Trend:
    """The fitted line.

    Attributes:
        coefficients: level, slope, change of level, change of slope at the start.
        covariance: of the coefficients, 4 × 4.
        on_series: weights of the series that make the coefficients, 4 × T.
        df: residual degrees of freedom.
        settled: whether the search for the autocorrelation came to rest.
    """

    coefficients: np.ndarray
    covariance: np.ndarray
    on_series: np.ndarray
    df: int
    settled: bool


def prepare(panel: Panel, options: Mapping[str, Any]) -> Panel | NotEstimable:
    """Keep the treated units of one start that are observed throughout, or say why there is no series."""
    lags = options["lags"]
    if not isinstance(lags, int | np.integer) or isinstance(lags, bool) or not 0 <= lags <= 3:
        raise OptionError(f"lags must be 0, 1, 2 or 3, not {lags!r}.")
    kept = drop_treated_throughout(panel)
    if isinstance(kept, NotEstimable):
        return kept
    start = _start(kept, options["cohort"])
    if isinstance(start, NotEstimable):
        return start
    chosen = kept.cohort == start
    if not chosen.all():
        kept = kept.select(chosen, reason=f"does not start in {kept.periods[start]}: an interrupted series compares with nobody")
    before, after = start, len(kept.periods) - start
    if before + after < POINTS or before < BEFORE or after < AFTER:
        return NotEstimable(
            f"{plural(before, 'period')} before the start and {plural(after, 'period')} from it on: "
            f"a trend needs {POINTS} in all, {BEFORE} before and {AFTER} from the start on",
            "Use a longer window.",
        )
    complete = ~np.isnan(kept.values).any(axis=(0, 2))
    if not complete.any():
        return NotEstimable(f"no {kept.unit} is observed in every period", "Use a window without gaps.")
    return kept if complete.all() else kept.select(complete, reason="missing in some period: the mean would change its members")


def _start(panel: Panel, cohort: Any) -> int | NotEstimable:
    starts = [int(g) for g in np.unique(panel.cohort[panel.treated])]
    if cohort is None and len(starts) > 1:
        when = ", ".join(str(panel.periods[g]) for g in starts)
        return NotEstimable(f"{plural(len(starts), 'cohort')} start at different times ({when})", "Name one in cohort=.")
    named = starts if cohort is None else [g for g in starts if panel.periods[g] == cohort]
    if not named:
        return NotEstimable(f"no unit starts in {cohort}", "Name a period in which units start.")
    return named[0]


def fit_trend(series: np.ndarray, start: int, lags: int) -> Trend:
    """GLSAR of a series (T) on level, slope and their changes at position `start`; with `lags` 0, least squares."""
    time = np.arange(len(series), dtype=float)
    on = (time >= start).astype(float)
    design = np.column_stack([np.ones(len(series)), time, on, on * (time - start)])
    model = GLSAR(series, design, rho=np.zeros(0))
    fitted = model.fit()
    exact = np.abs(fitted.resid).max() <= 1e3 * np.finfo(float).eps * np.abs(series).max()
    if lags and not exact:  # a series on its line has no residuals to see an autocorrelation in
        model = GLSAR(series, design, rho=lags)
        fitted = model.iterative_fit(maxiter=ROUNDS, rtol=TOLERANCE)
    return Trend(
        coefficients=np.asarray(fitted.params),
        covariance=np.zeros((4, 4)) if exact else np.asarray(fitted.cov_params()),
        on_series=np.linalg.pinv(model.whiten(design)) @ model.whiten(np.eye(len(series))),
        df=int(fitted.df_resid),
        settled=bool(getattr(fitted, "converged", True)),
    )


def fit(panel: Panel, aggregate: str, options: Mapping[str, Any]) -> Pieces | NotEstimable:
    """How far the fitted line after the start departs from the one before it, on average and by period since the start."""
    start, weight = int(panel.cohort[0]), panel.weights[0]
    share = weight / weight.sum(axis=0)
    trend = fit_trend((share * panel.values[0]).sum(axis=0), start, int(options["lags"]))
    event = np.arange(len(panel.periods) - start)
    each = np.column_stack([np.zeros((len(event), 2)), np.ones(len(event)), event])
    labels: list[dict[str, Any]] = [{"kind": "overall"}]
    rows = each.mean(axis=0)[None]
    if aggregate == "event_time":
        labels = [{"event_time": int(e), "kind": "post"} for e in event] + [{"event_time": None, "kind": "average"}]
        rows = np.vstack([each, rows])
    scores = np.zeros((len(panel.units), len(rows)))
    # the error is that of one series over time: one unit carries it whole, so that no clustering changes it
    scores[0] = np.sqrt(np.einsum("kp,pq,kq->k", rows, trend.covariance, rows))
    everyone = np.ones((len(panel.units), len(rows)), bool)
    return Pieces(
        labels=labels,
        estimates=rows @ trend.coefficients,
        scores=scores,
        support=everyone,
        used=everyone,
        compared=~everyone,
        parameters=0,
        observations=len(panel.periods),
        builder=lambda: sparse.csr_matrix(((rows @ trend.on_series)[:, None, :] * share[None]).reshape(len(rows), -1)),
        warnings=_warnings(trend),
        own_df=float(trend.df),
    )


def _warnings(trend: Trend) -> tuple[str, ...]:
    said = [
        NOT_CAUSAL,
        f"The error is that of one series over time ({plural(trend.df, 'degree')} of freedom) and no cluster changes it.",
    ]
    if not trend.settled:
        said.append("The search for the autocorrelation did not come to rest: the error is rough. Try lags=0.")
    return tuple(said)


INTERRUPTED_SERIES = Estimator(
    prepare,
    fit,
    DEFAULTS,
    {},
    ("overall", "event_time"),
    title="Interrupted series",
    assumes="Nothing else changed at the start. There is no comparison, so this is not a causal estimate.",
)
