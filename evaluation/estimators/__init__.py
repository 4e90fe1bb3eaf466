"""Estimators by name: `ESTIMATORS`, and `estimate`, which checks options, runs one and returns the one result object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from evaluation.errors import NotEstimable, OptionError, PanelError, check_choice
from evaluation.estimators.design import AGGREGATES, Estimator, Pieces, empty_cohorts, unused
from evaluation.estimators.dose import DOSE
from evaluation.estimators.extended_two_way import EXTENDED_TWO_WAY
from evaluation.estimators.group_time import GROUP_TIME
from evaluation.estimators.imputation import IMPUTATION
from evaluation.estimators.interaction_weighted import INTERACTION_WEIGHTED
from evaluation.estimators.interrupted_series import INTERRUPTED_SERIES
from evaluation.estimators.local_projections import LOCAL_PROJECTIONS
from evaluation.estimators.rollout import ROLLOUT
from evaluation.estimators.stacked import STACKED
from evaluation.estimators.switchers import SWITCHERS
from evaluation.estimators.synthetic import SYNTHETIC
from evaluation.estimators.triple_difference import TRIPLE_DIFFERENCE
from evaluation.estimators.two_by_two import TWO_BY_TWO
from evaluation.estimators.two_stage import TWO_STAGE
from evaluation.estimators.two_way_rows import TWO_WAY
from evaluation.panel import Panel
from evaluation.result import Result

ESTIMATORS: dict[str, Estimator] = {
    "dose": DOSE,
    "extended_two_way": EXTENDED_TWO_WAY,
    "group_time": GROUP_TIME,
    "imputation": IMPUTATION,
    "interaction_weighted": INTERACTION_WEIGHTED,
    "interrupted_series": INTERRUPTED_SERIES,
    "local_projections": LOCAL_PROJECTIONS,
    "rollout": ROLLOUT,
    "stacked": STACKED,
    "switchers": SWITCHERS,
    "synthetic": SYNTHETIC,
    "triple_difference": TRIPLE_DIFFERENCE,
    "two_by_two": TWO_BY_TWO,
    "two_stage": TWO_STAGE,
    "two_way_fixed_effects": TWO_WAY,
}


def check_options(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """Options with defaults filled in; a wrong name or value raises `OptionError` that lists the valid ones."""
    check_choice("Estimator", name, tuple(ESTIMATORS))
    estimator = ESTIMATORS[name]
    for option, value in options.items():
        if option not in estimator.options:
            raise OptionError(f"Estimator {name!r} has no option {option!r}. Its options are: {', '.join(estimator.options)}.")
        if option in estimator.choices:
            check_choice(f"Option {option} of {name}", value, estimator.choices[option])
    return {**estimator.options, **options}


def estimate(panel: Panel, name: str, *, aggregate: str = "overall", **options: Any) -> Result | NotEstimable:
    """Estimate effects for all outcomes of a panel.

    Args:
        panel: who is observed and treated when.
        name: a key of `ESTIMATORS`.
        aggregate: overall, cells, event_time, cohort, calendar or region, as far as the estimator has it.
        options: the estimator's own, by name.

    Returns:
        `Result`, or `NotEstimable` with the reason and what would make it possible.

    Raises:
        OptionError: an unknown estimator, aggregate or option.
    """
    filled = check_options(name, options)
    check_choice("aggregate", aggregate, AGGREGATES)
    estimator = ESTIMATORS[name]
    if aggregate not in estimator.aggregates:
        raise OptionError(f"{name} has no aggregate {aggregate!r}. It has: {', '.join(estimator.aggregates)}.")
    ready = estimator.prepare(panel, filled)
    if isinstance(ready, NotEstimable):
        return NotEstimable(ready.reason, ready.remedy, name, aggregate)
    fits: list[Pieces] = []
    for outcome in ready.outcomes:
        alone = ready.outcome(outcome)
        empty, refusal = empty_cohorts(alone)
        one = refusal or estimator.fit(alone, aggregate, filled)
        if isinstance(one, NotEstimable):
            reason = one.reason if len(ready.outcomes) == 1 else f"{outcome}: {one.reason}"
            return NotEstimable(reason, one.remedy, name, aggregate)
        fits.append(replace(one, warnings=(*one.warnings, *_left_empty(alone, empty))))
    return _result(ready, name, aggregate, filled, fits)


def _left_empty(panel: Panel, empty: list[Any]) -> tuple[str, ...]:
    if not empty:
        return ()
    cohorts = "cohort is" if len(empty) == 1 else "cohorts are"
    listed = ", ".join(map(str, empty))
    return (f"{len(empty)} {cohorts} empty and not in the result: no {panel.unit} that starts in {listed} has a value.",)


def _labels(outcomes: tuple[str, ...], given: list[Sequence[Mapping[str, Any]]]) -> pd.DataFrame:
    """Label columns of all outcomes, the outcome first; outcomes that share their labels have them read once."""
    names = tuple(dict.fromkeys(name for rows in given for row in rows for name in row))
    known: dict[int, tuple[tuple[Any, ...], ...]] = {}
    for rows in given:
        if id(rows) not in known:
            known[id(rows)] = tuple(tuple(_plain(row.get(name)) for row in rows) for name in names)
    every = tuple(known[id(rows)] for rows in given)
    types = frozenset(type(value) for columns in every for column in columns for value in column)
    return _frame(outcomes, names, every, types).copy(deep=False)


@lru_cache(maxsize=256)
def _frame(
    outcomes: tuple[str, ...], names: tuple[str, ...], every: tuple[tuple[tuple[Any, ...], ...], ...], types: frozenset[type]
) -> pd.DataFrame:
    """The frame of labels: checks that estimate again ask for the same one many times. Types keep 1 and 1.0 apart."""
    sizes = [len(columns[0]) for columns in every]
    made: dict[str, Any] = {"outcome": pd.array(np.repeat(outcomes, sizes).tolist(), dtype="str")}
    for at, name in enumerate(names):
        values = [value for columns in every for value in columns[at]]
        made[name] = pd.array(values, dtype="Int64") if name == "event_time" else pd.Series(values, dtype=object)
    return pd.DataFrame(made)


def _plain(value: Any) -> Any:
    """A label without numpy; None where it is missing."""
    if isinstance(value, str):
        return value
    plain = value.item() if isinstance(value, np.generic) and not isinstance(value, np.datetime64) else value
    return None if pd.isna(plain) else plain


def _result(panel: Panel, name: str, aggregate: str, options: dict[str, Any], fits: list[Pieces]) -> Result:
    labels = _labels(panel.outcomes, [one.labels for one in fits])
    many = len(fits) > 1
    warnings = [f"{o}: {w}" if many else w for o, one in zip(panel.outcomes, fits, strict=True) for w in one.warnings]
    repeat = [len(one.estimates) for one in fits]
    return Result(
        estimator=name,
        options=options,
        aggregate=aggregate,
        labels=labels,
        estimates=np.concatenate([one.estimates for one in fits]),
        scores=np.column_stack([one.scores for one in fits]),
        support=np.column_stack([one.support for one in fits]),
        used=np.column_stack([one.used for one in fits]),
        compared=np.column_stack([one.compared for one in fits]),
        parameters=np.repeat([one.parameters for one in fits], repeat),
        observations=np.repeat([one.observations for one in fits], repeat),
        own_df=None if fits[0].own_df is None else np.repeat([float(one.own_df or 0) for one in fits], repeat),
        panel=panel,
        warnings=(*panel.notices, *warnings, *unused(name, ESTIMATORS[name], panel)),
        builder=fits[0].builder if not many else lambda: sparse.csr_matrix(sparse.vstack([one.builder() for one in fits])),
        refit=Again(name, aggregate, options),
    )


@dataclass(frozen=True)
class Again:
    """An estimator with its options, to be fitted to another panel."""

    name: str
    aggregate: str
    options: Mapping[str, Any]

    def __call__(self, panel: Panel) -> Result | NotEstimable:
        """The result on a panel."""
        return estimate(panel, self.name, aggregate=self.aggregate, **self.options)

    def under(self, panel: Panel, cohorts: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Effects and scores under other starts (R × N) at once: `Estimator.under_starts`; None where they are fitted singly."""
        together = ESTIMATORS[self.name].under_starts
        return None if together is None else together(panel, self.aggregate, self.options, cohorts)


__all__ = ["AGGREGATES", "ESTIMATORS", "Estimator", "NotEstimable", "PanelError", "check_options", "estimate"]
