"""One result object for every estimator: labels, estimates, scores; errors and intervals are made when asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from evaluation.errors import PanelError
from evaluation.inference import INFERENCES, Inference, infer
from evaluation.panel import Panel


@dataclass(frozen=True, eq=False)
class Result:
    """Effects of one estimator.

    Attributes:
        estimator: its name in `ESTIMATORS`.
        options: the options as used, defaults filled in.
        aggregate: cells, overall, event_time, cohort, calendar or region.
        labels: K rows; `outcome`, `kind` (pre, reference, post, average, overall) and the aggregate's own columns.
        estimates: K, in units of the outcome.
        scores: N × K; the variance is factor × Σ over clusters of (Σ over its units of the scores)².
        support: N × K booleans: treated units that a row rests on.
        used: N × K booleans: units that enter a row at all, treated or comparison.
        compared: N × K booleans: units that a row compares with.
        parameters: K; parameters a small-sample factor counts beyond those nested in units, or 0 where it counts none.
        observations: K; observations used.
        panel: the panel after units were dropped.
        own_df: K; degrees of freedom where the errors are the estimator's own (placebo draws, one series over time), so that no
            clustering changes them; None where they come from the scores of units.
        warnings: what a reader must know, in plain words.
        builder: makes the weights on cells when asked.
        refit: panel → the same estimator, options and aggregate on another panel; inferences that reassign or leave out use it.
    """

    estimator: str
    options: Mapping[str, Any]
    aggregate: str
    labels: pd.DataFrame
    estimates: np.ndarray
    scores: np.ndarray
    support: np.ndarray
    used: np.ndarray
    compared: np.ndarray
    parameters: np.ndarray
    observations: np.ndarray
    panel: Panel
    warnings: tuple[str, ...] = ()
    own_df: np.ndarray | None = None
    builder: Callable[[], sparse.csr_matrix] | None = field(default=None, repr=False)
    refit: Callable[[Panel], Any] | None = field(default=None, repr=False)

    @property
    def estimable(self) -> bool:
        """Always True; `NotEstimable` has False."""
        return True

    @property
    def units(self) -> tuple[Any, ...]:
        """Labels of the N units."""
        return self.panel.units

    @cached_property
    def kinds(self) -> np.ndarray:
        """The labels' `kind` (K, text): read by every method of inference."""
        return np.array(self.labels["kind"].tolist())

    @cached_property
    def outcomes(self) -> np.ndarray:
        """The labels' `outcome` (K, text)."""
        return np.array(self.labels["outcome"].tolist())

    @property
    def dropped(self) -> tuple[tuple[Any, str], ...]:
        """(unit, reason) for units left out."""
        return self.panel.dropped

    @cached_property
    def weights(self) -> sparse.csr_matrix:
        """Weights on cells, K × (N·T), units slowest: `weights @ outcome.ravel()` (missing as 0) is the estimate."""
        if self.builder is None:
            raise PanelError(f"{self.estimator} keeps no weights on cells.")
        return self.builder()

    def weights_frame(self, row: int = 0) -> pd.DataFrame:
        """Which cells carry row number `row`: unit, period, treated, weight; zero weights left out."""
        line = self.weights[row].tocoo()
        unit, period = np.divmod(line.col, len(self.panel.periods))
        frame = pd.DataFrame(
            {
                self.panel.unit: [self.panel.units[i] for i in unit],
                self.panel.period: [self.panel.periods[t] for t in period],
                "treated": self.panel.cohort[unit] <= period,
                "weight": line.data,
            }
        )
        return frame[frame["weight"] != 0].reset_index(drop=True)

    def inference(self, name: str = "clustered", cluster: str | None = None, **options: Any) -> Inference:
        """Errors by a method of `INFERENCES`; `cluster` is a column named in the panel, default the panel's own."""
        if not options and (name, cluster) in self._inferred:
            return self._inferred[name, cluster]
        takes_refit = name in INFERENCES and "refit" in INFERENCES[name][1]
        bound = {"refit": self.refit} if takes_refit and self.refit is not None else {}
        found = infer(self, name, cluster, {**bound, **options})
        if not options:
            self._inferred[name, cluster] = found
        return found

    @cached_property
    def _inferred(self) -> dict[tuple[str, str | None], Inference]:
        """What was inferred already without options of its own: tables, tests and bounds ask for the same again."""
        return {}

    def frame(
        self, level: float = 0.95, cluster: str | None = None, inference: str = "clustered", **options: Any
    ) -> pd.DataFrame:
        """Label columns, estimate, std_error, statistic, df, p_value, lower, upper for one level of confidence."""
        return self.inference(inference, cluster, **options).frame(level)

    def rows(self, keep: np.ndarray) -> Result:
        """The result with only the rows where `keep` (K, bool) holds."""
        builder, whole = self.builder, np.flatnonzero(keep)
        return Result(
            estimator=self.estimator,
            options=self.options,
            aggregate=self.aggregate,
            labels=self.labels[keep].reset_index(drop=True),
            estimates=self.estimates[keep],
            scores=self.scores[:, keep],
            support=self.support[:, keep],
            used=self.used[:, keep],
            compared=self.compared[:, keep],
            parameters=self.parameters[keep],
            observations=self.observations[keep],
            panel=self.panel,
            warnings=self.warnings,
            own_df=None if self.own_df is None else self.own_df[keep],
            builder=None if builder is None else lambda: builder()[whole],
            refit=self.refit,
        )


__all__ = ["INFERENCES", "Result"]
