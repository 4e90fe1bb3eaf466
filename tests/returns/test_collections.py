from datetime import UTC, date, datetime
from typing import Any

import pytest
import yaml

from data_contracts import load_contract, parse_contract
from pilots import auditing, collections, returns
from pilots.access import LOCAL_ADMINISTRATOR
from pilots.due import returns_due
from pilots.errors import UserError
from pilots.periods import parse
from pilots.storage import Store


def test_regions_are_asked_for_all_but_the_register() -> None:
    labels = collections.returned_by_regions()
    assert list(labels) == returns.collections() and "reform_register" not in labels
    assert {"ehcp_process", "ap_tiers"} <= set(labels) and all(labels.values())


@pytest.mark.parametrize("collection", returns.collections())
def test_periods_due_go_from_the_contracts_first_to_the_present_one_newest_first(
    store: Store, collection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = load_contract(collection)
    monkeypatch.setattr(collections, "now", lambda: datetime(2026, 8, 31, 23, 30, tzinfo=UTC))  # September in London
    due = [parse(label) for label in collections.periods_due(store, collection)]
    assert str(due[-1]) == contract.asked_from and due[0].start <= date(2026, 9, 1) <= due[0].end
    assert all(later == earlier.next() for later, earlier in zip(due, due[1:], strict=False))
    assert {period.kind for period in due} == {contract.period_kind}


def test_a_programme_that_is_over_asks_for_nothing_more(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def until(day: str) -> tuple[list[str], list[str]]:
        collections.set_asked_until(store, LOCAL_ADMINISTRATOR, date.fromisoformat(day))
        return collections.periods_due(store, "fair_access"), collections.periods_due(store, "bands_tariffs")

    assert until("2023-08-31") == (["2022/23 summer", "2022/23 spring", "2022/23 autumn"], [])
    assert until("2024-04-01")[1] == ["2023-24"]
    assert until("2022-08-31") == ([], [])
    assert not [one for one in returns_due(store, LOCAL_ADMINISTRATOR) if one.collection == "fair_access"]
    monkeypatch.setattr(collections, "now", lambda: datetime(2026, 12, 31, 23, 59, tzinfo=UTC))
    assert until("2199-12-31")[0][0] == "2026/27 autumn"


def test_the_department_sets_until_when_returns_are_asked_for(store: Store, ehcp_csv: Any, people: Any) -> None:
    staff = people(store)
    lead, region, evaluator = staff["lead-E12000001"], "E12000001", staff["evaluator"]
    assert collections.asked_now(store, lead).to_dict() == {"until": None, "last": {}}
    made = collections.set_asked_until(store, evaluator, date(2024, 3, 31))
    assert made == collections.asked_now(store, lead) and made.until == date(2024, 3, 31)
    assert made.last == {"term": "2023/24 spring", "academic year": "2022/23", "financial year": "2023-24"}
    assert "until 31 March 2024, and for no period that ends later. The last are those for " in made.words
    assert all(word in made.words for word in ("spring term 2023/24", "academic year 2022/23", "financial year 2023-24"))
    assert {one.period for one in returns_due(store, lead, collection="area_inspection")} == set()
    assert max(parse(one.period) for one in returns_due(store, lead, collection="ehcp_process")) == parse("2023/24 spring")
    late = ("ehcp_process", region, "2023/24 summer", "late.csv", ehcp_csv(region, "2023/24 summer"))
    (query,) = returns.check_return(store, lead, *late).queries
    assert query.key == "values.not_asked@2023/24 summer" and "until 31 March 2024" in query.message
    with pytest.raises(UserError, match="until 31 March 2024"):
        returns.declare_nil_return(store, lead, *late[:3], "Nothing came.")
    collections.set_asked_until(store, evaluator, None)
    assert returns.check_return(store, lead, *late).queries == ()
    events = auditing.audit_events(store, LOCAL_ADMINISTRATOR, action="set_asked_until")
    assert [one["detail"] for one in events] == [
        {"until": None, "before": "2024-03-31"},
        {"until": "2024-03-31", "before": None},
    ]
    with pytest.raises(UserError, match="9999 is not a year"):
        collections.set_asked_until(store, evaluator, date(9999, 12, 31))
    with pytest.raises(UserError, match="in the future. Declare it once it has begun"):
        returns.declare_nil_return(store, lead, "ehcp_process", region, "2098/99 autumn", "Nothing will come.")


def test_register_has_no_periods(store: Store) -> None:
    with pytest.raises(UserError, match="not asked for by period"):
        collections.periods_due(store, "reform_register")
    with pytest.raises(UserError, match="There is no contract"):
        collections.periods_due(store, "x")


@pytest.mark.parametrize("collection", ["ehcp_process", "ap_tiers", "reform_register"])
def test_the_contract_to_read_is_the_contract(collection: str) -> None:
    found = collections.contract_text(collection)
    assert parse_contract(found) == load_contract(collection) and yaml.safe_load(found)["kind"] == "DataContract"
