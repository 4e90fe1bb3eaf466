"""Whether to believe a number: the checks on one outcome, each as a row, and what the sensitivity pictures need."""

from collections.abc import Callable
from typing import Any

import numpy as np

from evaluation import NotEstimable, Panel, Result
from evaluation.few_clusters import FewClusters
from evaluation.robustness import (
    Ask,
    Check,
    balance,
    co_interventions,
    design_card,
    influence_of_cells,
    leave_out,
    missing_returns,
    missing_returns_value,
    neighbours,
    placebo_dates,
    placebo_outcomes,
    power_by_simulation,
    power_next_period,
    series_breaks,
    specification_curve,
)
from evaluation.sensitivity import Bounds, bounds, missed_trend
from evaluation.words import about
from pilots.catalogue import Outcome
from pilots.evidence import choices
from pilots.panels import PARTNERSHIP, Question
from pilots.periods import parse
from pilots.places import names, without_known_borders
from pilots.plans import Plan

POWER_DRAWS = 2000
LEADS = 5  # most periods before the start that bounds learn drift from
SHOWN = 400  # effects under reassignment that are kept for the picture
BEYOND = "Is an effect found where the reform can have none?"
NEXT_TO_IT = "Did the reform spill over to the neighbours that it is compared with?"
PROGRAMMES = "Does another programme in the comparison group hide or feign the effect?"
CHOICES = "Would other reasonable choices have led elsewhere?"
PRETREND = "Were the groups on different paths before the reform?"


def asked_again(plan: Plan, cluster: str, inference: str = "clustered") -> Ask:
    """What the checks estimate again: the headline's estimator and options, with errors by its clustering."""
    choice = plan.headline_choice
    return Ask(choice.name, dict(choice.options), cluster, plan.level, inference)


def checks(
    plan: Plan,
    about: Outcome,
    asked: Question,
    panel: Panel,
    overall: Result | NotEstimable,
    inference: str,
    placebos: Panel | None,
    say: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Every check that estimates again or looks at the panel, as plain JSON, in the order in which they are shown."""
    if isinstance(overall, NotEstimable):
        return []
    ask = asked_again(plan, plan.headline.cluster, inference)
    made: list[Check] = []
    steps: list[tuple[str, Callable[[], Check]]] = [
        ("balance", lambda: balance(panel, plan.headline.cluster)),
        ("each region left out", lambda: leave_out(panel, ask, "region")),
        ("each authority left out", lambda: leave_out(panel, ask)),
        ("earlier dates", lambda: placebo_dates(panel, ask, actual=float(overall.estimates[0]))),
        ("outcomes beyond reach", lambda: _beyond_reach(placebos, ask)),
        ("missing returns", lambda: missing_returns(asked.path, ask)),
        ("neighbours", lambda: _neighbours(panel, ask)),
        ("other programmes", lambda: _other_programmes(plan, panel, ask)),
        ("series breaks", lambda: series_breaks(panel, overall, _breaks(about, panel))),
        ("other choices", lambda: _other_choices(plan, asked, ask)),
        ("single cells", lambda: influence_of_cells(panel, ask)),
    ]
    for words, step in steps:
        say(words)
        made.append(step())
    return [one.to_dict() for one in made]


def _neighbours(panel: Panel, ask: Ask) -> Check:
    """The effect without those that border on one with the reform, where borders are known."""
    unknown = without_known_borders(choices.treated_codes(panel))
    if not unknown:
        return neighbours(panel, choices.bordering_units(panel), ask)
    refusal = NotEstimable(
        f"{names()[unknown[0]]} has the reform, and its borders are not known",
        "The platform knows the borders of the programme’s 32 authorities.",
    )
    return _not_told("neighbours", NEXT_TO_IT, refusal)


def _not_told(check: str, asks: str, why: NotEstimable) -> Check:
    return Check(check, asks, None, "", f"Cannot tell: {why.reason}. {why.remedy}", None, (), why)


def _beyond_reach(placebos: Panel | None, ask: Ask) -> Check:
    if placebos is not None:
        return placebo_outcomes(placebos, placebos.outcomes, ask)
    refusal = NotEstimable(
        "the plan names no outcomes beyond the reform’s reach", "List them under placebo_outcomes in the plan."
    )
    return _not_told("placebo_outcomes", BEYOND, refusal)


def _other_programmes(plan: Plan, panel: Panel, ask: Ask) -> Check:
    if plan.co_interventions:
        return co_interventions(panel, choices.programmes(plan, panel), ask)
    refusal = NotEstimable("the plan names no other programmes", "List them under co_interventions in the plan.")
    return _not_told("co_interventions", PROGRAMMES, refusal)


def _other_choices(plan: Plan, asked: Question, ask: Ask) -> Check:
    declared = list(choices.specifications(plan, asked))
    if declared:
        return specification_curve(declared, ask)
    refusal = NotEstimable(
        "no estimator of the plan estimates this effect in another way", "Name one among the plan’s estimators."
    )
    return _not_told("specification_curve", CHOICES, refusal)


def _breaks(about: Outcome, panel: Panel) -> list[tuple[Any, str]]:
    """The outcome's breaks that fall inside the window, each at the first period counted in the new way."""
    order = [(parse(str(period)), period) for period in panel.periods]
    found = []
    for one in about.breaks:
        after = [period for when, period in order if not when < parse(one.period)]
        if after and len(after) < len(order):
            found.append((after[0], one.text))
    return found


def pretrend_check(test: dict[str, Any] | None) -> dict[str, Any]:
    """The joint test of paths before the reform, as a check."""
    if test is None or test.get("not_estimable"):
        why = (test or {}).get("not_estimable") or {"reason": "there is no event study", "remedy": ""}
        reading = f"Cannot tell: {why['reason']}. {why['remedy']}".strip()
        return _row("pretrend", PRETREND, None, "", reading, None, [], why)
    p_value = test["p_value_hotelling"]
    concern = "serious" if p_value < 0.05 else "some" if p_value < 0.1 else "none"
    return _row("pretrend", PRETREND, p_value, "p-value", test["reading"], concern, [], None)


def _row(
    check: str, asks: str, number: float | None, unit: str, reading: str, concern: str | None, rows: list[Any], refused: Any
) -> dict[str, Any]:
    return {
        "check": check,
        "asks": asks,
        "number": number,
        "unit": unit,
        "reading": reading,
        "concern": concern,
        "rows": rows,
        "not_estimable": refused,
    }


def missed(event: Result | NotEstimable | None, plan: Plan, inference: str, smallest: float | None) -> dict[str, Any]:
    """The trend that the test of earlier paths would have missed, as a check."""
    asks = "Could that test have missed a trend that matters?"
    if event is None:
        event = NotEstimable("there is no event study", "Name an estimator that has one.")
    power = missed_trend(event, plan.headline.cluster, level=plan.level, inference=inference, before=_shared_leads(event))
    if isinstance(power, NotEstimable):
        return _row("pretrend_power", asks, None, "", f"Cannot tell: {power.reason}. {power.remedy}", None, [], power.to_dict())
    plain = power.to_dict()
    trend = plain["trends"][-1]
    concern = None if smallest is None else "some" if abs(trend["bias"]) >= smallest else "none"
    return _row("pretrend_power", asks, trend["slope"], "a period", plain["reading"], concern, plain["trends"], None)


def bounds_of(event: Result | NotEstimable | None, plan: Plan, inference: str) -> dict[str, Any]:
    """The effect's bounds when trends are not quite parallel, as the document has them."""
    if event is None:
        return {"not_estimable": {"reason": "there is no event study", "remedy": "Name an estimator that has one."}}
    found = bounds(event, plan.headline.cluster, level=plan.level, inference=inference, before=_shared_leads(event))
    if isinstance(found, NotEstimable):
        return {"not_estimable": found.to_dict()}
    return {**bounds_document(found), "not_estimable": None}


def _shared_leads(event: Result | NotEstimable | None) -> int | None:
    """How many periods before are looked at for drift: those that every cohort has, and at most `LEADS`.

    Periods that only the last cohorts have rest on one or two partnerships, whose noise would pass for drift.
    """
    if not isinstance(event, Result):
        return None
    panel = event.panel
    ahead = int(event.options.get("anticipation", 0))
    shared = int(panel.cohort[panel.treated].min()) - 1 - ahead
    return max(2, min(shared, LEADS))


def bounds_document(found: Bounds) -> dict[str, Any]:
    """Bounds as the screen and the rating read them."""
    plain = found.to_dict()
    rows = {name: [_ends(one) for one in plain[name]] for name in ("relative_magnitudes", "smoothness")}
    return {
        **rows,
        "row": found.row,
        "estimate": found.estimate,
        "original": {"lower": found.original[0], "upper": found.original[1]},
        "breakdown": {
            "relative_magnitudes": found.breakdown.value,
            "at_least": found.breakdown.beyond,
            "smoothness": found.smoothness_breakdown.value,
            "smoothness_at_least": found.smoothness_breakdown.beyond,
        },
        "reading": found.reading,
        "notes": list(found.notes),
        "cluster": found.cluster,
    }


def _ends(one: dict[str, Any]) -> dict[str, Any]:
    return {name: one[name] for name in ("value", "lower", "upper")}


def bounds_check(found: dict[str, Any]) -> dict[str, Any]:
    """The bounds as a row among the checks."""
    asks = "Does the finding stand if paths would have parted without the reform?"
    refused = found.get("not_estimable")
    if refused:
        return _row("bounds", asks, None, "", f"Cannot tell: {refused['reason']}. {refused['remedy']}", None, [], refused)
    value = found["breakdown"]["relative_magnitudes"]
    leaves_out = found["original"]["lower"] > 0 or found["original"]["upper"] < 0
    concern = None if not leaves_out else "none" if value >= 1 else "some" if value >= 0.5 else "serious"
    return _row("bounds", asks, value, "times the largest move before", found["reading"], concern, [], None)


def card(panel: Panel, overall: Result | NotEstimable, few: FewClusters | NotEstimable) -> dict[str, Any]:
    """The design card."""
    df = None
    if isinstance(few, FewClusters):
        df = next((row.df for row in few.methods if row.method == "cr2"), None)
    return design_card(panel, overall, PARTNERSHIP, df=df).to_dict()


def power(plan: Plan, panel: Panel, overall: Result | NotEstimable) -> dict[str, Any]:
    """What the planned analysis could have seen, by simulation from the time before, with its analytic twin; and a period on."""
    if isinstance(overall, NotEstimable):
        return {"not_estimable": overall.to_dict()}
    ask = asked_again(plan, PARTNERSHIP)
    found = power_by_simulation(panel, ask, draws=POWER_DRAWS, seed=plan.inference.seed, alpha=1 - plan.level)
    if isinstance(found, NotEstimable):
        return {"not_estimable": found.to_dict()}
    later = power_next_period(panel, ask, draws=POWER_DRAWS, seed=plan.inference.seed, alpha=1 - plan.level)
    following = None if isinstance(later, NotEstimable) else later.detectable
    returns = missing_returns_value(panel, ask).to_dict()["rows"]
    worth = [row for row in returns if row["shrinks"] is not None and row["shrinks"] > 0]
    rows = [{"authority": row["unit"], "period": str(row["period"]), "shrinks": row["shrinks"]} for row in worth]
    return {**found.to_dict(), "next_period": following, "returns": rows, "not_estimable": None}


def placebo_picture(few: FewClusters | NotEstimable) -> dict[str, Any] | None:
    """The effect beside those under reassignment, thinned to at most `SHOWN`; None where nothing could be reassigned."""
    if isinstance(few, NotEstimable):
        return None
    for row in few.methods:
        found = row.details.get("distribution")
        if row.p_value is None or not found:
            continue
        values = np.sort(np.asarray(found.get(next(iter(found))) if isinstance(found, dict) else found, float))
        kept = values[np.unique(np.linspace(0, len(values) - 1, min(SHOWN, len(values))).astype(int))]
        share = float((np.abs(values) >= abs(few.estimate) * (1 - 1e-9)).mean())
        often = f"{about(share)} of the time by chance alone" if share else f"in none of {len(values):,} reassignments"
        reading = f"Had the reform gone to other areas, a difference at least as large would have come up {often}."
        return {
            "actual": few.estimate,
            "estimates": [float(one) for one in kept],
            "p_value": row.p_value,
            "assignments": row.details.get("assignments"),
            "reading": reading,
        }
    return None


def specifications_document(made: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The specification curve as its picture reads it."""
    found = next((one for one in made if one["check"] == "specification_curve"), None)
    if found is None:
        return None
    return {"rows": [row for row in found["rows"] if row.get("estimate") is not None], "reading": found["reading"]}
