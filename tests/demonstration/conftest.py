"""The synthetic programme of the default seed, and a store that was filled with it, interrupted once on the way."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
import polars as pl
import pytest

from evaluation import Panel, Result
from evaluation.cells import cells
from pilots.access import LOCAL_ADMINISTRATOR
from pilots.catalogue import outcome
from pilots.demonstration import Programme, programme
from pilots.demonstration.build import build_demonstration, demonstration_plans
from pilots.demonstration.design import places, terms
from pilots.panels import starts
from pilots.plans import Plan
from pilots.register import all_spells
from pilots.storage import Store


@pytest.fixture(scope="session")
def made() -> Programme:
    return programme()


@pytest.fixture(scope="session")
def plan_of() -> dict[str, Plan]:
    return {plan.plan: plan for plan in demonstration_plans()}


class Interrupted(Exception):
    """What stops the first build on its way."""


@dataclass(frozen=True)
class Built:
    """A built demonstration, and what was told of the build that was interrupted and of the one that went on."""

    store: Store
    first: list[tuple[float, str]]
    second: list[tuple[float, str]]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    store = Store.open(f"sqlite:///{tmp_path_factory.mktemp('demonstration') / 'store.sqlite'}")
    first: list[tuple[float, str]] = []
    second: list[tuple[float, str]] = []

    def stop_soon(share: float, words: str) -> None:
        first.append((share, words))
        if share > 0.1:
            raise Interrupted

    with pytest.raises(Interrupted):
        build_demonstration(store, LOCAL_ADMINISTRATOR, progress=stop_soon)
    build_demonstration(store, LOCAL_ADMINISTRATOR, progress=lambda share, words: second.append((share, words)))
    yield Built(store, first, second)
    store.close()


@pytest.fixture(scope="session")
def panel_of(plan_of: dict[str, Plan]) -> Callable[[Programme, str, str], Panel]:
    """The panel of one outcome of a demonstration plan, made from a programme without a store."""

    def panel(made: Programme, plan_name: str, outcome_name: str) -> Panel:
        plan = plan_of[plan_name]
        spells = made.spells.assign(
            start=pd.to_datetime(made.spells["start"]).dt.date,
            end=pd.Series([date.fromisoformat(day) if day else None for day in made.spells["end"]], dtype=object),
            stage=made.spells["stage"].astype(int),
            intensity=made.spells["intensity"].astype(float),
        )
        first, stop = starts(all_spells([spells]), plan, "term")
        rows = made.outcome_rows(outcome(outcome_name))
        order = {term: at for at, term in enumerate(terms())}
        until = rows["authority"].map(stop).map(order).fillna(len(order))
        rows = rows[(rows["period"].map(order) < until) & ~rows["authority"].isin(plan.comparison.leave_out)]
        frame = pl.from_pandas(rows.astype({"authority": str, "period": str}))
        made = cells(frame, unit="authority", period="period", outcomes=["numerator", "denominator"], cross=False, pivots=0.0)
        where = places()
        treatment = pd.DataFrame({"authority": where.codes, "region": where.regions})
        treatment["first_treated"] = [first.get(code) for code in where.codes]
        return Panel.from_cells(
            made,
            treatment=treatment,
            outcome={outcome_name: ("numerator", "denominator", 100.0)},
            cluster=("region",),
            region="region",
            periods=list(terms()),
        )

    return panel


@pytest.fixture(scope="session")
def truth_of() -> Callable[[Programme, str, str, Result], np.ndarray]:
    """The truth of exactly what each row of a result estimates: its weights on cells, put on the true effects."""

    def truth(made: Programme, reform: str, outcome_name: str, result: Result) -> np.ndarray:
        unit = {label: at for at, label in enumerate(result.panel.units)}
        period = {label: at for at, label in enumerate(result.panel.periods)}
        effects = np.zeros((len(unit), len(period)))
        mine = made.effects[(made.effects["reform"] == reform) & (made.effects["outcome"] == outcome_name)]
        for code, term, effect in mine[["authority", "period", "effect"]].itertuples(index=False, name=None):
            if code in unit and term in period:
                effects[unit[code], period[term]] = effect
        return np.asarray(result.weights @ effects.ravel())

    return truth
