"""From one question's panel to its evidence: every estimate asked for, checks, warnings, verdict and reading, as plain JSON.

What a reader is told is made from results here and nowhere typed in: the same document feeds screens, command line and export.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from evaluation import (
    ESTIMATORS,
    NotEstimable,
    Panel,
    PanelError,
    Result,
    estimate,
    pretrend_test,
    smallest_detectable_effect,
)
from evaluation.few_clusters import FewClusters, few_clusters
from evaluation.rating import facts_of, rate
from evaluation.reading import reading
from evaluation.verdict import not_estimable_verdict, verdict
from pilots.catalogue import Outcome
from pilots.costs import Spent
from pilots.evidence import apart, belief
from pilots.evidence.causes import ALONE, described, not_causal
from pilots.evidence.cautions import warnings_of
from pilots.evidence.names import named
from pilots.makeup import makeup
from pilots.panels import PARTNERSHIP, Question
from pilots.periods import TERM, parse
from pilots.plans import EstimatorChoice, Plan

Results = dict[tuple[int, str], Result | NotEstimable]
POWER = 0.8  # with which an effect counts as one that would have been seen
AGGREGATES = ("overall", "event_time", "cells", "cohort", "calendar", "region")


def evidence(
    plan: Plan,
    about: Outcome,
    asked: Question,
    truth: pd.DataFrame | None = None,
    planned: bool | None = None,
    placebos: Panel | None = None,
    spent: Spent | NotEstimable | None = None,
    tell: Callable[[float, str], None] | None = None,
) -> dict[str, Any]:
    """The evidence on one outcome of a plan.

    Args:
        plan: what was asked.
        about: the outcome.
        asked: its panel and what is known of it.
        truth: authority, period, effect: the known true effects, on synthetic data only.
        placebos: panel of the outcomes that the reform cannot move, where the plan names some.
        spent: what the reform cost for each authority and period, or why that is not known.
        planned: whether the plan was sealed before its result could be seen; None where that is not known.
        tell: told the share done and what is being done.

    Returns:
        Plain JSON: see `pilots.views` for who reads what.
    """
    say = tell or (lambda share, words: None)
    refusal = not_causal(plan)
    results = _estimates(plan, about, asked, say, refusal)
    choice = plan.headline_choice
    at = plan.estimators.index(choice)
    overall, event = results[at, "overall"], results.get((at, "event_time"))
    cluster = plan.headline.cluster
    say(0.4, f"{about.label}: inference for few areas")
    few = _few(plan, overall)
    say(0.5, f"{about.label}: checks")
    pretrends = _pretrends(plan, event)
    pretrend = next(one for one in pretrends if one["cluster"] == cluster)
    errors = inference_by(cluster, event) if isinstance(event, Result) else "clustered"
    limits = belief.bounds_of(event, plan, errors)
    panel = panel_for(asked, choice)
    power = belief.power(plan, panel, overall)
    document = {
        "outcome": about.id,
        "outcome_label": about.label,
        "note": about.note,
        "unit_label": about.effect_unit,
        "direction": about.direction,
        "guardrail": about.guardrail,
        "units": plan.unit,
        "period_word": "term" if about.frequency == TERM else "year",
        "level": plan.level,
        "smallest_effect": plan.smallest(about.id),
        "data_digest": asked.digest,
        "late": {"figures": len(asked.late), "of": int((asked.panel.weights[0] > 0).sum())},
        "headline": _headline(plan, overall, cluster, few),
        "few_clusters": _few_document(few),
        "results": [row for (number, aggregate), one in results.items() for row in _reports(plan, number, aggregate, one)],
        "design": _design(plan, asked),
        "design_card": named(belief.card(panel, overall, few), about),
        "pretrends": pretrends,
        "pretrend": pretrend,
        "smallest_detectable_effect": _detectable(overall, cluster, few, power),
        "bounds": limits,
        "placebo": belief.placebo_picture(few),
        "power": named(power, about),
        "regional": apart.regional(plan, about, results.get((at, "region"))),
        "leads_partners": apart.leads_partners(plan, choice, about, panel) if refusal is None else None,
        "described": described(asked.path),
        "guardrails": [one for one in (apart.harm(plan, about, overall),) if one is not None],
        "look": apart.look(plan, about, few, lambda level: _few(plan, overall, level)),
        "makeup": makeup(asked.panel, overall),
        "truth": _truth(truth, {aggregate: one for (number, aggregate), one in results.items() if number == at}),
    }
    steps = belief.checks(plan, about, asked, panel, overall, errors, placebos, lambda words: say(0.6, f"{about.label}: {words}"))
    first = [belief.pretrend_check(pretrend), belief.missed(event, plan, errors, plan.smallest(about.id))]
    document["checks"] = [named(one, about) for one in (*first, belief.bounds_check(limits), *steps)]
    document["specifications"] = belief.specifications_document(steps)
    document["cost"] = apart.cost(plan, about, document, spent)
    document["verdict"] = _verdict(plan, about, document)
    document["warnings"] = warnings_of(plan, about, asked, overall)
    document["rating"] = rate(facts_of(document, planned)).to_dict()
    document["reading"] = list(reading(document))
    say(1.0, about.label)
    return document


def _estimates(
    plan: Plan, about: Outcome, asked: Question, say: Callable[[float, str], None], refusal: NotEstimable | None
) -> Results:
    results: Results = {}
    for number, choice in enumerate(plan.estimators):
        say(0.4 * number / len(plan.estimators), f"{about.label}: {choice.name.replace('_', ' ')}")
        for aggregate in AGGREGATES:
            if aggregate in ESTIMATORS[choice.name].aggregates:
                results[number, aggregate] = refusal or estimate(
                    panel_for(asked, choice), choice.name, aggregate=aggregate, **choice.options
                )
    return results


def _few(plan: Plan, overall: Result | NotEstimable, level: float | None = None) -> FewClusters | NotEstimable:
    """Inference for few assigned areas; an estimator with errors of its own has none."""
    if isinstance(overall, Result) and overall.own_df is not None:
        return NotEstimable(
            f"{overall.estimator} has errors of its own, which no reassignment of areas changes",
            "Name an estimator whose estimate is a weighted sum of figures, for example group_time, as the headline.",
        )
    drawn = {"draws": plan.inference.draws, "seed": plan.inference.seed}
    return few_clusters(overall, PARTNERSHIP, level=level or plan.level, distribution=level is None, **drawn)


def _few_document(few: FewClusters | NotEstimable) -> dict[str, Any]:
    if isinstance(few, NotEstimable):
        return {"not_estimable": few.to_dict()}
    plain = few.to_dict()
    for row in plain["methods"]:
        details = row.pop("details")
        row.update({name: details.get(name) for name in ("draws", "assignments", "smallest_p", "enumerated", "scheme")})
    return {**plain, "not_estimable": None}


def panel_for(asked: Question, choice: EstimatorChoice) -> Panel:
    """The panel that an estimator sees: with what comes after a stop only where it can take a reform that goes on and off."""
    return asked.path if ESTIMATORS[choice.name].uses_intensity else asked.panel


def _number(value: Any) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)


def _label(column: str, value: Any) -> Any:
    return None if pd.isna(value) else int(value) if column == "event_time" else value


def _rows(result: Result, cluster: str, level: float, inference: str) -> list[dict[str, Any]]:
    made = result.inference(inference, cluster).numbers(level)
    columns = {name: result.labels[name].tolist() for name in result.labels.columns if name != "outcome"}
    numbers = ("estimate", "std_error", "df", "p_value", "lower", "upper")
    return [
        {
            "label": {name: _label(name, values[k]) for name, values in columns.items()},
            **{name: _number(made[name][k]) for name in numbers},
        }
        for k in range(len(result.estimates))
    ]


def _reports(plan: Plan, number: int, aggregate: str, result: Result | NotEstimable) -> list[dict[str, Any]]:
    """One entry a clustering. A region alone is one cluster by region, so its own error comes from its authorities only."""
    choice = plan.estimators[number]
    alone = aggregate == "region"
    clusters = [one for one in plan.clusters if not (alone and one in ("region", PARTNERSHIP))] or ["authority"]
    made = []
    for cluster in clusters:
        entry: dict[str, Any] = {
            "estimator": choice.name,
            "options": dict(choice.options),
            "aggregate": aggregate,
            "cluster": cluster,
        }
        if isinstance(result, NotEstimable):
            made.append({**entry, "rows": [], "warnings": [], "not_estimable": result.to_dict()})
            continue
        try:
            entry["inference"] = inference_by(cluster, result)
            rows, refused = _rows(result, cluster, plan.level, entry["inference"]), None
            if all(row["std_error"] is None for row in rows):  # stacked with gaps, for one, has no working model
                entry["inference"] = "clustered"
                rows = _rows(result, cluster, plan.level, "clustered")
        except PanelError as error:
            rows, refused = [], {"reason": str(error), "remedy": ""}
        made.append({**entry, "rows": rows, "warnings": list(result.warnings), "not_estimable": refused})
    return made


def inference_by(cluster: str, result: Result) -> str:
    """How errors by a clustering are had: CR2 where few partnerships were assigned and the estimator keeps weights."""
    return "cr2" if cluster == PARTNERSHIP and result.own_df is None and result.builder is not None else "clustered"


def _headline(plan: Plan, result: Result | NotEstimable, cluster: str, few: FewClusters | NotEstimable) -> dict[str, Any]:
    """The effect with the p-value and interval of the inference for few areas; by the plain clustering where that has none."""
    about = {"estimator": plan.headline.estimator, "cluster": cluster, "level": plan.level}
    if isinstance(result, NotEstimable):
        return {**about, "not_estimable": result.to_dict()}
    if isinstance(few, FewClusters):
        return {**about, **_by_few(result, cluster, few)}
    try:
        inference = result.inference(inference_by(cluster, result), cluster)
    except PanelError as error:
        return {**about, "not_estimable": {"reason": str(error), "remedy": ""}}
    row = _rows(result, cluster, plan.level, inference.name)[0]
    if row["std_error"] is None:
        reason = " ".join(inference.warnings) or "the error cannot be had"
        remedy = (
            f"The estimate alone is {row['estimate']:.2f}. Another clustering, or more treated clusters, would allow an interval."
        )
        return {**about, "estimate": row["estimate"], "not_estimable": {"reason": reason.rstrip("."), "remedy": remedy}}
    counts = {"clusters": int(inference.clusters[0]), "treated_clusters": int(inference.treated_clusters[0])}
    return {**about, **{name: row[name] for name in row if name != "label"}, **counts, "method": inference.name}


def _by_few(result: Result, cluster: str, few: FewClusters) -> dict[str, Any]:
    """Estimate, p-value and interval as the rule for few areas gives them, with the clustered error beside."""
    try:
        inference = result.inference(inference_by(cluster, result), cluster)
        error, df = _number(inference.std_error[0]), _number(inference.df[0])
        counts = {"clusters": int(inference.clusters[0]), "treated_clusters": int(inference.treated_clusters[0])}
    except PanelError:  # all in one cluster: the inference for few areas does not need it
        error, df, counts = None, None, {"clusters": 1, "treated_clusters": 1}
    numbers = {"estimate": few.estimate, "std_error": error, "df": df, "p_value": few.p_value}
    ends = {"lower": few.lower, "upper": few.upper}
    return {**numbers, **ends, **counts, "method": few.method, "method_label": few.label, "treated_units": few.treated_units}


def _design(plan: Plan, asked: Question) -> dict[str, Any]:
    panel = asked.panel
    seen, treated = panel.weights[0] > 0, panel.treated
    cohorts = [(panel.periods[at], int((panel.cohort == at).sum())) for at in np.unique(panel.cohort[treated])]
    stop = {code: parse(period) for code, period in asked.stopped}
    order = [parse(str(period)) for period in panel.periods]
    ended = sum(sum(not when < stop[str(unit)] for when in order) for unit in panel.units if str(unit) in stop)
    codes = {name: panel.clusters[name][0] for name in plan.clusters}
    return {
        "treated_units": int(treated.sum()),
        "comparison_units": int((~treated).sum()),
        "cohorts": [{"first_treated": str(period), "units": count} for period, count in cohorts],
        "clusters": {name: len(np.unique(code)) for name, code in codes.items()},
        "treated_clusters": {name: len(np.unique(code[treated])) for name, code in codes.items()},
        "periods": [str(period) for period in panel.periods],
        "cells": int(seen.sum()),
        "missing_cells": int((~seen).sum()) - ended,
        "missing_treated_cells": len(asked.gaps),
        "cells_after_stop": ended,
        "dropped": [{"authority": str(unit), "reason": reason} for unit, reason in panel.dropped],
    }


def _pretrends(plan: Plan, result: Result | NotEstimable | None) -> list[dict[str, Any]]:
    """The joint pre-trend test of the headline's estimator, under each clustering."""
    made: list[dict[str, Any]] = []
    for cluster in plan.clusters:
        if result is None:
            refusal = NotEstimable(f"{plan.headline.estimator} has no event study", "Name an estimator that has one.")
            made.append({"cluster": cluster, "not_estimable": refusal.to_dict()})
            continue
        found = result if isinstance(result, NotEstimable) else pretrend_test(result, cluster, inference_by(cluster, result))
        if isinstance(found, NotEstimable):
            made.append({"cluster": cluster, "not_estimable": found.to_dict()})
        else:
            made.append({**found.to_dict(), "cluster": cluster, "not_estimable": None})
    return made


def _detectable(
    result: Result | NotEstimable, cluster: str, few: FewClusters | NotEstimable, power: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The smallest effect that this result could have shown four times in five, from how wide its interval turned out.

    What could be expected to be seen before any figure came is the power by simulation; where the interval has no ends, that
    stands here too.
    """
    if isinstance(result, NotEstimable):
        return None
    if isinstance(few, FewClusters) and few.lower is not None and few.upper is not None:
        reach = stats.norm.ppf((1 + few.level) / 2)
        error = (few.upper - few.lower) / 2 / reach
        value = float((reach + stats.norm.ppf(POWER)) * error)
        return {"value": value, "power": POWER, "alpha": 1 - few.level, "method": "interval", "cluster": few.assignment}
    if isinstance(few, FewClusters) and not power.get("not_estimable"):
        kept = ("power", "alpha", "cluster", "df")
        return {"value": power["detectable"], "method": "simulation", **{name: power[name] for name in kept}}
    found = smallest_detectable_effect(result, cluster)
    return {"value": None, "reason": found.reason} if isinstance(found, NotEstimable) else found.to_dict()


def _truth(truth: pd.DataFrame | None, results: Mapping[str, Result | NotEstimable]) -> dict[str, Any] | None:
    """The known truth of exactly what each row estimates: the row's own weights on cells, put on the true effects."""
    if truth is None:
        return None
    made: dict[str, Any] = {}
    for aggregate, words in (("overall", "overall"), ("event_time", "by_event_time"), ("region", "by_region")):
        result = results.get(aggregate)
        if not isinstance(result, Result):
            continue
        values = result.weights @ _effects(truth, result).ravel()
        if aggregate == "overall":
            made[words] = float(values[0])
            continue
        labels = result.labels[aggregate]
        made[words] = {str(label): float(value) for label, value in zip(labels, values, strict=True) if not pd.isna(label)}
    return made


def _effects(truth: pd.DataFrame, result: Result) -> np.ndarray:
    effects = np.zeros((len(result.panel.units), len(result.panel.periods)))
    unit = {label: at for at, label in enumerate(result.panel.units)}
    period = {label: at for at, label in enumerate(result.panel.periods)}
    for authority, when, effect in truth[["authority", "period", "effect"]].itertuples(index=False, name=None):
        if authority in unit and when in period:
            effects[unit[authority], period[when]] = effect
    return effects


def _verdict(plan: Plan, about: Outcome, document: Mapping[str, Any]) -> dict[str, str]:
    headline, detectable = document["headline"], document["smallest_detectable_effect"]
    if "not_estimable" in headline:
        found = not_estimable_verdict(headline["not_estimable"]["reason"])
    elif plan.headline.estimator == "interrupted_series":
        found = not_estimable_verdict(ALONE)
    else:
        found = verdict(
            estimate=headline["estimate"],
            lower=headline["lower"],
            upper=headline["upper"],
            detectable=detectable["value"] if detectable else None,
            smallest_effect=plan.smallest(about.id),
            direction=about.direction,
            unit=about.effect_unit,
            level=plan.level,
        )
    return {"kind": found.kind, "words": found.words}
