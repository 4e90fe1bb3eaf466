"""The outcomes of a plan as one family: which effects still stand when each is one of many that were looked at."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from evaluation import ESTIMATORS, NotEstimable, Panel, estimate
from evaluation.families import outcome_family
from evaluation.panel import NEVER
from pilots.catalogue import outcome
from pilots.evidence.causes import not_causal
from pilots.panels import PARTNERSHIP
from pilots.periods import ordered
from pilots.plans import Plan


def family(plan: Plan, panels: Mapping[str, Panel]) -> dict[str, Any] | None:
    """Adjusted p-values of the headline's estimator over all outcomes, with resampling that the outcomes share.

    Args:
        plan: what was asked.
        panels: outcome id → its panel as the headline's estimator sees it.

    Returns:
        Plain JSON; None for a plan with one outcome.
    """
    if len(panels) < 2:
        return None
    if (cause := not_causal(plan)) is not None:
        return {"not_estimable": cause.to_dict()}
    choice = plan.headline_choice
    if ESTIMATORS[choice.name].uses_covariates and plan.covariates:
        refusal = NotEstimable("the outcomes are not taken together where covariates are used", "Leave covariates out.")
        return {"not_estimable": refusal.to_dict()}
    result = estimate(joined(panels), choice.name, aggregate="overall", **choice.options)
    found = outcome_family(result, PARTNERSHIP, alpha=1 - plan.level, draws=plan.inference.draws, seed=plan.inference.seed)
    if isinstance(found, NotEstimable):
        return {"not_estimable": found.to_dict()}
    plain = found.to_dict()
    reading = plain["reading"]
    for name in sorted(panels, key=len, reverse=True):
        reading = reading.replace(name, outcome(name).label)
    rows = [
        {
            "outcome": row["label"],
            "label": outcome(row["label"]).label,
            "p_value": row["p_value"],
            "adjusted": row["adjusted_p"],
            "holm": row["holm_p"],
            "shown": row["shown"],
            "note": row["note"],
        }
        for row in plain["outcomes"]
    ]
    return {"method": "Romano–Wolf", "how": plain["method"], "rows": rows, "reading": reading, "not_estimable": None}


def joined(panels: Mapping[str, Panel]) -> Panel:
    """One panel of several outcomes; a unit or period that an outcome lacks is missing there."""
    every = list(panels.values())
    units = tuple(sorted({unit for one in every for unit in one.units}))
    order = ordered(str(period) for one in every for period in one.periods)
    shape = (len(every), len(units), len(order))
    values, weights = np.full(shape, np.nan), np.zeros(shape)
    cohort = np.full(len(units), NEVER)
    labels: dict[str, list[Any]] = {name: [None] * len(units) for name in every[0].clusters}
    row_of, column_of = ({label: at for at, label in enumerate(names)} for names in (units, order))
    for at, one in enumerate(every):
        rows = np.array([row_of[unit] for unit in one.units])
        columns = np.array([column_of[str(period)] for period in one.periods])
        values[at][np.ix_(rows, columns)] = one.values[0]
        weights[at][np.ix_(rows, columns)] = one.weights[0]
        start = np.where(one.treated, columns[np.minimum(one.cohort, len(columns) - 1)], NEVER)
        cohort[rows] = np.minimum(cohort[rows], start)
        for name, (codes, names) in one.clusters.items():
            for row, code in zip(rows, codes, strict=True):
                labels[name][row] = names[code]
    clusters = {name: _coded(column) for name, column in labels.items()}
    first = every[0]
    return Panel(
        unit=first.unit,
        period=first.period,
        units=units,
        periods=tuple(order),
        outcomes=tuple(panels),
        values=values,
        weights=weights,
        cohort=cohort,
        clusters=clusters,
        region=first.region,
        default_cluster=first.default_cluster,
        weighted=first.weighted,
    )


def _coded(labels: list[Any]) -> tuple[np.ndarray, tuple[Any, ...]]:
    names = sorted(set(labels), key=str)
    at = {name: code for code, name in enumerate(names)}
    return np.array([at[label] for label in labels]), tuple(names)
