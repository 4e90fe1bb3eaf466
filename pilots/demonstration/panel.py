"""The panel and the truth of a demonstration plan's outcome straight from a programme, without a store: for simulations."""

from datetime import date
from functools import cache

import numpy as np
import pandas as pd

from evaluation import Panel, Result
from evaluation.cells import cells
from pilots.catalogue import outcome
from pilots.demonstration.build import demonstration_plans
from pilots.demonstration.design import places, terms
from pilots.demonstration.synthetic import Programme
from pilots.panels import PARTNERSHIP, starts
from pilots.places import partnerships
from pilots.plans import Plan
from pilots.register import all_spells


def panel_of(made: Programme, plan_name: str, name: str) -> Panel:
    """The panel of one outcome of a demonstration plan, as its run's panel would be.

    Args:
        made: a synthetic programme of any seed.
        plan_name: a plan of `demonstration_plans`.
        name: an outcome of that plan.
    """
    plan = _plans()[plan_name]
    spells = made.spells.assign(
        start=pd.to_datetime(made.spells["start"]).dt.date,
        end=pd.Series([date.fromisoformat(day) if day else None for day in made.spells["end"]], dtype=object),
        stage=made.spells["stage"].astype(int),
        intensity=made.spells["intensity"].astype(float),
    )
    first, stop = starts(all_spells([spells]), plan, "term")
    rows = made.outcome_rows(outcome(name))
    order = {term: at for at, term in enumerate(terms())}
    until = rows["authority"].map(stop).map(order).fillna(len(order))
    rows = rows[(rows["period"].map(order) < until) & ~rows["authority"].isin(plan.comparison.leave_out)]
    where = places()
    together = partnerships().set_index("authority")["partnership"]
    treatment = pd.DataFrame({"authority": where.codes, "region": where.regions})
    treatment[PARTNERSHIP] = [f"Partnership {together[code]}" if code in together.index else code for code in where.codes]
    treatment["first_treated"] = [first.get(code) for code in where.codes]
    return Panel.from_cells(
        cells(
            rows.astype({"authority": str, "period": str}),
            unit="authority",
            period="period",
            outcomes=["numerator", "denominator"],
            cross=False,
            pivots=0.0,
        ),
        treatment=treatment,
        outcome={name: ("numerator", "denominator", 100.0)},
        cluster=("region", PARTNERSHIP),
        region="region",
        periods=list(terms()),
    )


@cache
def _plans() -> dict[str, Plan]:
    return {plan.plan: plan for plan in demonstration_plans()}


def truth_of(made: Programme, reform: str, name: str, result: Result) -> np.ndarray:
    """The truth of exactly what each row of a result estimates: the row's weights on cells, put on the true effects."""
    unit = {label: at for at, label in enumerate(result.panel.units)}
    period = {label: at for at, label in enumerate(result.panel.periods)}
    effects = np.zeros((len(unit), len(period)))
    mine = made.effects[(made.effects["reform"] == reform) & (made.effects["outcome"] == name)]
    for code, term, effect in mine[["authority", "period", "effect"]].itertuples(index=False, name=None):
        if code in unit and term in period:
            effects[unit[code], period[term]] = effect
    return np.asarray(result.weights @ effects.ravel())
