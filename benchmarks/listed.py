"""The inference on every reform and outcome of the demonstration, without what evidence has besides: with 1, 2 and 4 workers.

    python -m benchmarks.listed [--workers 1 2 4] [--draws 9999] [--store FILE] [--small] [--json]

From the release to numbers, as evidence has them: the plan's estimators and those of six that it lacks, each with the effect and
the event study and CR2 errors by the headline's clusters; for the headline inference for few areas with 9,999 draws, placebo
dates and outcomes, each region and each authority left out, bounds with the breakdown value. Warm: one plan is worked on first,
so that libraries are loaded. `benchmarks.programme`, which is not warm, takes in all the rest: effects by cohort, year, region
and cell, other specifications, power by simulation, missing returns, families, harm, and storing it. The digests must be equal.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from typing import Any

from benchmarks import programme
from evaluation import PanelError, Result, estimate
from evaluation.estimators import ESTIMATORS
from evaluation.few_clusters import FewClusters, few_clusters
from evaluation.robustness import leave_out, placebo_dates, placebo_outcomes
from pilots import releases
from pilots.access import LOCAL_ADMINISTRATOR
from pilots.asking import Piece, Tell, pieces_of
from pilots.demonstration.known import true_effects
from pilots.evidence import belief, panel_for
from pilots.evidence.document import inference_by
from pilots.fanout import Workers, fan_out
from pilots.frozen import Shared
from pilots.panels import PARTNERSHIP
from pilots.plans import EstimatorChoice, Plan
from pilots.standing import standing
from pilots.storage import Store
from pilots.storage.base import canonical_json, now

Numbers = dict[str, Any]
AGGREGATES = ("overall", "event_time")


def listed(piece: Piece, tell: Tell) -> Numbers:
    """All that the list has of one outcome."""
    plan, found = piece.plan, Numbers()
    for choice in plan.estimators:
        results = _results(piece, choice)
        for aggregate, result in results.items():
            found[f"{choice.name} {dict(choice.options)} {aggregate}"] = _with_errors(result, plan)
        if choice.name == plan.headline.estimator and "overall" in results:
            found["headline"] = _headline(piece, choice, results)
    return found


def _results(piece: Piece, choice: EstimatorChoice) -> dict[str, Result]:
    panel, able = panel_for(piece.asked, choice), ESTIMATORS[choice.name].aggregates
    asked = [name for name in AGGREGATES if name in able]
    made = {name: estimate(panel, choice.name, aggregate=name, **dict(choice.options)) for name in asked}
    return {name: one for name, one in made.items() if isinstance(one, Result)}


def _with_errors(result: Result, plan: Plan) -> Numbers:
    cluster = plan.headline.cluster
    try:
        made = result.inference(inference_by(cluster, result), cluster).numbers(plan.level)
    except PanelError as error:
        return {"refused": str(error)}
    return {name: [value if isfinite(value) else None for value in values.tolist()] for name, values in made.items()}


def _headline(piece: Piece, choice: EstimatorChoice, results: dict[str, Result]) -> Numbers:
    plan, overall, event = piece.plan, results["overall"], results.get("event_time")
    cluster, drawn = plan.headline.cluster, {"draws": plan.inference.draws, "seed": plan.inference.seed}
    few = None if overall.own_df is not None else few_clusters(overall, PARTNERSHIP, level=plan.level, **drawn)
    errors = inference_by(cluster, event) if event else "clustered"
    ask, panel = belief.asked_again(plan, cluster, errors), panel_for(piece.asked, choice)
    checks = [
        leave_out(panel, ask, "region"),
        leave_out(panel, ask),
        placebo_dates(panel, ask, actual=float(overall.estimates[0])),
        *([placebo_outcomes(piece.placebos, piece.placebos.outcomes, ask)] if piece.placebos is not None else []),
    ]
    return {
        "few": [few.p_value, few.lower, few.upper] if isinstance(few, FewClusters) else str(few),
        "checks": [one.to_dict() for one in checks],
        "bounds": belief.bounds_of(event, plan, errors),
    }


def _read(store: Store, plans: list[Plan]) -> Iterator[Piece]:
    data, release = Shared(store), releases.release(store, LOCAL_ADMINISTRATOR)
    spells, truths, at = releases.register_spells(data, release), true_effects(store), now()
    for plan in plans:
        yield from pieces_of(data, release, plan, spells, truths, standing(store, plan, at, spells))


def _worked(store: Store, plans: list[Plan], workers: int) -> Numbers:
    """The list of every outcome of plans, by its name."""
    expected = sum(len(plan.outcomes) for plan in plans)
    done = fan_out(listed, _read(store, plans), expected, Workers(workers), lambda piece, share, words: None)
    return {f"{piece.plan.plan} {piece.about.id}": numbers for piece, numbers in done}


def one(path: Path, workers: int, small: bool, draws: int) -> dict[str, Any]:
    """The list with so many workers, in this process and those that it starts."""
    store, plans = Store.open(f"sqlite:///{path}"), programme.plans_asked(small, draws)
    _worked(store, programme.plans_asked(True, programme.SMALL_DRAWS), workers)
    begun = time.perf_counter()
    found = _worked(store, plans, workers)
    took = time.perf_counter() - begun
    digests = {name: hashlib.sha256(canonical_json(numbers).encode()).hexdigest() for name, numbers in found.items()}
    effects = sum(len(row.get("estimate", [])) for numbers in found.values() for row in numbers.values())
    counts = {"plans": len(plans), "outcomes": len(found), "effects": effects}
    return {"seconds": took, **programme.used_by(workers), **counts, "refused": [], "digests": digests}


if __name__ == "__main__":
    sys.exit(programme.main("benchmarks.listed", one, "The inference of the whole programme"))
