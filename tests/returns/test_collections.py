import pytest
import yaml

from data_contracts import load_contract, parse_contract
from pilots import collections, returns
from pilots.access import LOCAL_ADMINISTRATOR
from pilots.due import returns_due
from pilots.errors import UserError
from pilots.periods import containing, parse
from pilots.storage import Store
from pilots.storage.base import now
from pilots.storage.settings import set_setting


def test_regions_are_asked_for_all_but_the_register() -> None:
    labels = collections.returned_by_regions()
    assert list(labels) == returns.collections() and "reform_register" not in labels
    assert {"ehcp_process", "ap_tiers"} <= set(labels) and all(labels.values())


@pytest.mark.parametrize("collection", returns.collections())
def test_periods_due_go_from_the_contracts_first_to_the_present_one_newest_first(store: Store, collection: str) -> None:
    contract = load_contract(collection)
    due = [parse(label) for label in collections.periods_due(store, collection)]
    assert str(due[-1]) == contract.asked_from and due[0].start <= now().date() <= due[0].end
    assert all(later == earlier.next() for later, earlier in zip(due, due[1:], strict=False))
    assert {period.kind for period in due} == {contract.period_kind}


def test_a_programme_that_is_over_asks_for_nothing_more(store: Store) -> None:
    def until(day: str) -> tuple[list[str], list[str]]:
        with store.write(LOCAL_ADMINISTRATOR, "build_demonstration", "x", {}) as connection:
            set_setting(connection, collections.ASKED_UNTIL, day)
        return collections.periods_due(store, "fair_access"), collections.periods_due(store, "bands_tariffs")

    assert until("2023-08-31") == (["2022/23 summer", "2022/23 spring", "2022/23 autumn"], [])
    assert until("2024-04-01")[1] == ["2023-24"]
    assert until("2022-08-31") == ([], [])
    assert not [one for one in returns_due(store, LOCAL_ADMINISTRATOR) if one.collection == "fair_access"]
    assert until("2199-12-31")[0][0] == str(containing(now().date(), "term"))


def test_register_has_no_periods(store: Store) -> None:
    with pytest.raises(UserError, match="not asked for by period"):
        collections.periods_due(store, "reform_register")
    with pytest.raises(UserError, match="There is no contract"):
        collections.periods_due(store, "x")


@pytest.mark.parametrize("collection", ["ehcp_process", "ap_tiers", "reform_register"])
def test_the_contract_to_read_is_the_contract(collection: str) -> None:
    found = collections.contract_text(collection)
    assert parse_contract(found) == load_contract(collection) and yaml.safe_load(found)["kind"] == "DataContract"
