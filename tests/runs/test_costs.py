"""What a reform cost for each unit of improvement: from returns of costs, and as a plan states it."""

from collections.abc import Callable
from typing import Any

import pytest

from pilots import releases, returns, runs, views
from pilots.access import LOCAL_ADMINISTRATOR, Actor
from pilots.costs import _sums
from pilots.places import current_authorities, partnerships
from pilots.plans import Plan, PlanError
from pilots.releases import Release, collection_rows
from pilots.storage import Store
from tests.databases import on_sqlite_only
from tests.runs.small import one_outcome

NORTH_EAST, TERM = "E12000001", "2023/24 spring"


def cost_of(store: Store, plan: Plan) -> dict[str, Any]:
    return runs.evaluate(store, LOCAL_ADMINISTRATOR, plan).document["questions"][0]


def costs_csv(pounds: dict[str, tuple[int, int]]) -> bytes:
    """Two kinds of cost of the programme in spring 2024 by authority."""
    lines = ["authority,period,reform,category,spend,funded_by_programme,note"]
    for code, (staff, training) in pounds.items():
        lines.append(f"{code},{TERM},change_programme,staff,{staff},{staff},")
        lines.append(f"{code},{TERM},change_programme,training,{training},0,")
    return ("\n".join(lines) + "\n").encode()


def test_spend_of_returns_is_set_against_the_effect(
    store: Store, known: Any, released: Callable[..., Release], people: Callable[[Store], dict[str, Actor]]
) -> None:
    released(known)
    none = cost_of(store, one_outcome(costs={"collection": "programme_costs"}))["cost"]
    assert none["not_estimable"]["reason"].startswith("release first has no accepted returns of programme_costs")
    staff = people(store)
    programme = set(partnerships()["authority"])
    table = current_authorities()
    mine = [code for code in table.loc[table["region"] == NORTH_EAST, "authority"] if code in programme]
    pounds = {code: (30_000 + 1_000 * at, 6_000) for at, code in enumerate(mine)}
    sent = returns.submit_return(
        store, staff[f"lead-{NORTH_EAST}"], "programme_costs", NORTH_EAST, TERM, "costs.csv", costs_csv(pounds)
    )
    returns.sign_off_return(store, staff[f"approver-{NORTH_EAST}"], sent.reference)
    returns.accept_return(store, staff["evaluator"], sent.reference)
    release = releases.make_release(store, LOCAL_ADMINISTRATOR, "with costs")
    rows = collection_rows(store, release, "programme_costs")
    assert _sums(rows, "calendar year") == {(code, "2024"): float(sum(both)) for code, both in pounds.items()}
    question = cost_of(store, one_outcome(costs={"collection": "programme_costs"}))
    cost, headline = question["cost"], question["headline"]
    each = sum(map(sum, pounds.values())) / len(pounds)
    assert cost["spent"] == pytest.approx(each) and cost["estimate"] == pytest.approx(each / headline["estimate"])
    assert cost["source"] == "from returns for 4 of 32 authorities by periods with the reform"
    assert cost["lower"] < cost["estimate"] < cost["upper"] and cost["shape"] == "bounded"
    assert views.cost_table(question)["Pounds"].iloc[0] == f"{each:,.0f}"
    assert "What it cost" in views.tables(question)


@on_sqlite_only("the cost is worked out in memory from what the plan states")
def test_a_cost_that_the_plan_states_comes_with_its_error(store: Store, known: Any, released: Callable[..., Release]) -> None:
    released(known)
    sure, unsure = (cost_of(store, one_outcome(costs={"cost": 12000, "std_error": error}))["cost"] for error in (0, 4000))
    assert sure["estimate"] == unsure["estimate"]
    assert unsure["upper"] - unsure["lower"] > sure["upper"] - sure["lower"]
    assert "12,000 pounds an authority and year, as the plan states it" in sure["reading"]
    question = cost_of(store, one_outcome())
    assert question["cost"] is None and "What it cost" not in views.tables(question)


@pytest.mark.parametrize(
    ("costs", "words"),
    [
        ({"collection": "ap_tiers"}, "costs: collection cannot be “ap_tiers”"),
        ({"collection": "programme_costs", "reform": "magic"}, "There is no reform “magic”"),
        ({"cost": -1}, "costs: cost cannot be “-1”"),
        ({"cost": 1, "std_error": "much"}, "costs: std_error cannot be “much”"),
        ({"price": 1}, "costs has a collection and its reform"),
    ],
)
def test_costs_that_cannot_be_are_told(costs: dict[str, Any], words: str) -> None:
    with pytest.raises(PlanError) as caught:
        one_outcome(costs=costs)
    assert words in str(caught.value)
