"""What is told apart: regions, leads and partners, harm, looks; each from results made elsewhere, as plain JSON."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from evaluation import NotEstimable, Panel, Result, estimate
from evaluation.families import (
    Effect,
    RandomEffects,
    RegionalEffects,
    cost_ratio,
    difference,
    guardrail,
    regional_effects_of,
    take_look,
)
from evaluation.few_clusters import FewClusters, few_clusters
from pilots.catalogue import Outcome
from pilots.costs import Spent
from pilots.panels import PARTNERSHIP, owners
from pilots.places import partnerships, region_names
from pilots.plans import EstimatorChoice, Plan

LEADS = ("lead", "joint lead")
GROUPS = (("Leads", LEADS), ("Partners", ("partner",)))
ALPHA = 0.05  # of each one-sided test of a guardrail


def regional(plan: Plan, about: Outcome, by_region: Result | NotEstimable | None) -> dict[str, Any] | None:
    """Each region's effect, plain and shrunken, with an interval for its rank, and the pooled one; regions in the order given."""
    if not isinstance(by_region, Result):
        return None if by_region is None else {"not_estimable": by_region.to_dict()}
    found = regional_effects_of(
        by_region.inference("cr2", by_region.panel.unit),
        direction=about.direction,
        unit=about.effect_unit,
        level=plan.level,
        draws=plan.inference.draws,
        seed=plan.inference.seed,
    )
    return {"not_estimable": found.to_dict()} if isinstance(found, NotEstimable) else _regions(found)


def _regions(found: RegionalEffects) -> dict[str, Any]:
    plain = found.to_dict()
    rows = [{"region": region_names().get(row["label"], row["label"]), **row} for row in plain["regions"]]
    overall = plain["overall"]
    pooled = None
    if isinstance(found.overall, RandomEffects):
        pooled = {name: overall[name] for name in ("estimate", "lower", "upper", "prediction_lower", "prediction_upper", "i2")}
        pooled["tau"] = None if overall["tau2"] is None else float(np.sqrt(overall["tau2"]))
    reading = plain["reading"]
    for code, name in region_names().items():
        reading = reading.replace(code, name)
    return {"rows": rows, "pooled": pooled, "reading": reading, "not_estimable": None}


def leads_partners(plan: Plan, choice: EstimatorChoice, about: Outcome, panel: Panel) -> dict[str, Any]:
    """The effect among leads and among partners, each against the same comparison, and their difference."""
    role = partnerships().set_index("authority")["role"]
    found: dict[str, Result | NotEstimable] = {}
    for words, roles in GROUPS:
        mine = np.array([code in role.index and role[code] in roles for code in owners(panel)])
        if not (mine & panel.treated).any():
            found[words] = NotEstimable(f"no {words.lower()} have the reform in this window", "Use a longer window.")
        else:
            found[words] = estimate(panel.select(mine | ~panel.treated), choice.name, aggregate="overall", **choice.options)
    rows = [_group(plan, words, one) for words, one in found.items()]
    return {"rows": rows, "difference": _difference(plan, about, rows, found)}


def _group(plan: Plan, words: str, result: Result | NotEstimable) -> dict[str, Any]:
    if isinstance(result, NotEstimable):
        return {"group": words, "not_estimable": result.to_dict()}
    treated = int(result.support[:, 0].sum())
    row = result.frame(level=plan.level, cluster=PARTNERSHIP).iloc[0]
    numbers = ("estimate", "std_error", "df", "lower", "upper", "p_value")
    return {"group": words, "authorities": treated, **{name: _number(row[name]) for name in numbers}, "not_estimable": None}


def _number(value: Any) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)


def _difference(
    plan: Plan, about: Outcome, rows: list[dict[str, Any]], found: dict[str, Result | NotEstimable]
) -> dict[str, Any]:
    refused = next((row["not_estimable"] for row in rows if row["not_estimable"]), None)
    if refused:
        return {"not_estimable": refused}
    first, second = (Effect(row["group"], row["estimate"], row["std_error"] or np.nan, row["df"] or np.nan) for row in rows)
    results = [one for one in found.values() if isinstance(one, Result)]
    told = difference(first, second, _shared(*results), level=plan.level, unit=about.effect_unit)
    if isinstance(told, NotEstimable):
        return {"not_estimable": told.to_dict()}
    return {**told.to_dict(), "not_estimable": None}


def _shared(first: Result, second: Result) -> float:
    """Covariance of two effects on panels that share comparison units, by partnership, from their scores."""
    sums: list[dict[Any, float]] = []
    for one in (first, second):
        codes, labels = one.panel.clusters[PARTNERSHIP]
        total = np.bincount(codes, one.scores[:, 0], len(labels))
        sums.append(dict(zip(labels, total, strict=True)))
    both = sums[0].keys() & sums[1].keys()
    return float(sum(sums[0][label] * sums[1][label] for label in sorted(both, key=str)))


def harm(plan: Plan, about: Outcome, overall: Result | NotEstimable) -> dict[str, Any] | None:
    """For a guardrail among the plan's outcomes: harm seen, harm beyond the margin ruled out, or neither; else None."""
    if not about.guardrail or about.direction is None:
        return None
    return one_sided(plan, about, overall, plan.margin(about.id), about.direction)


def one_sided(plan: Plan, about: Outcome, overall: Result | NotEstimable, margin: float | None, direction: str) -> dict[str, Any]:
    """An effect against no harm and against a margin of harm, as plain JSON.

    Args:
        plan: draws and seed.
        about: the outcome watched.
        overall: the effect on it.
        margin: the harm that would still be borne, in the outcome's effect unit; None where nobody has said.
        direction: which way is better.
    """
    base = {"outcome": about.id, "label": about.label, "unit_label": about.effect_unit, "margin": margin}
    if isinstance(overall, NotEstimable):
        return {**base, "not_estimable": overall.to_dict()}
    if margin is None:
        refusal = NotEstimable("nobody has said how much harm could be borne", "Give margins in the plan.")
        return {**base, "not_estimable": refusal.to_dict()}
    drawn = {"draws": plan.inference.draws, "seed": plan.inference.seed}
    few = few_clusters(overall, PARTNERSHIP, level=1 - 2 * ALPHA, **drawn)
    if isinstance(few, NotEstimable):
        return {**base, "not_estimable": few.to_dict()}
    low, high = (np.inf * sign if end is None else end for end, sign in ((few.lower, -1), (few.upper, 1)))
    found = guardrail(
        few.estimate,
        margin=margin,
        direction=direction,
        alpha=ALPHA,
        unit=about.effect_unit,
        interval=lambda _: (min(low, few.estimate), max(high, few.estimate)),
    )
    if isinstance(found, NotEstimable):
        return {**base, "not_estimable": found.to_dict()}
    ends = {"lower": few.lower, "upper": few.upper}
    plain = found.to_dict()
    kind = "harm_seen" if found.harm_seen else "harm_ruled_out" if found.harm_ruled_out else "cannot_tell"
    return {**base, **plain, **ends, "kind": kind, "words": found.reading, "not_estimable": None}


def look(plan: Plan, about: Outcome, few: FewClusters | NotEstimable, again: Any) -> dict[str, Any] | None:
    """This look of those planned, judged by its own boundary; None where one look was planned.

    Args:
        plan: with `looks`.
        about: the outcome.
        few: the headline's inference.
        again: level → `FewClusters` at that level.
    """
    if plan.looks is None or isinstance(few, NotEstimable):
        return None
    planned = [number / plan.looks.planned for number in range(1, plan.looks.planned + 1)]

    def interval(level: float) -> tuple[float, float]:
        found = again(level)
        return (
            -np.inf if found.lower is None else min(found.lower, few.estimate),
            np.inf if found.upper is None else max(found.upper, few.estimate),
        )

    told = take_look(
        planned[: plan.looks.look],
        few.estimate,
        planned=planned,
        unit=about.effect_unit,
        interval=interval,
        p_value=few.p_value,
        alpha=1 - plan.level,
    )
    return told.to_dict()


def cost(plan: Plan, about: Outcome, document: Mapping[str, Any], spent: Spent | NotEstimable | None) -> dict[str, Any] | None:
    """What one unit of improvement cost, with Fieller's interval; None where nobody asked what the reform cost.

    Args:
        plan: whose level counts.
        about: the outcome.
        document: with the headline: estimate, std_error and df by its clustering.
        spent: pounds for each authority and period with the reform.
    """
    if spent is None:
        return None
    if isinstance(spent, NotEstimable):
        return {"not_estimable": spent.to_dict()}
    headline, period = document["headline"], document["period_word"]
    base = {"spent": spent.cost, "spent_error": spent.std_error, "source": spent.words}
    if headline.get("std_error") is None:
        refusal = NotEstimable("the effect has no standard error, so no cost can be set against it", "Name another headline.")
        return {**base, "not_estimable": refusal.to_dict()}
    found = cost_ratio(
        headline["estimate"],
        headline["std_error"],
        spent.cost,
        spent.std_error,
        df=headline.get("df") or np.inf,
        direction=about.direction,
        level=plan.level,
        unit=about.effect_unit,
        cost_unit=f"pounds an authority and {period}",
    )
    if isinstance(found, NotEstimable):
        return {**base, "not_estimable": found.to_dict()}
    said = f"The reform cost {spent.cost:,.0f} pounds an authority and {period}, {spent.words}."
    return {**base, **found.to_dict(), "reading": f"{said} {found.reading}", "not_estimable": None}
