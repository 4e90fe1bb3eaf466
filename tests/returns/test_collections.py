import csv
import io

import pytest
import yaml

from data_contracts import load_contract, parse_contract
from pilots import collections, returns
from pilots.errors import UserError
from pilots.periods import parse
from pilots.storage import Store
from pilots.storage.base import now


def test_regions_are_asked_for_all_but_the_register() -> None:
    labels = collections.returned_by_regions()
    assert list(labels) == returns.collections() and "reform_register" not in labels
    assert {"ehcp_process", "ap_tiers"} <= set(labels) and all(labels.values())


@pytest.mark.parametrize("collection", ["ehcp_process", "ap_tiers"])
def test_periods_due_are_terms_up_to_the_present_one_newest_first(store: Store, collection: str) -> None:
    due = [parse(label) for label in collections.periods_due(store, collection)]
    assert str(due[-1]) == "2019/20 autumn" and due[0].start <= now().date() <= due[0].end
    assert all(later == earlier.next() for later, earlier in zip(due, due[1:], strict=False))
    assert {period.kind for period in due} == {load_contract(collection).period_kind}


def test_register_has_no_periods(store: Store) -> None:
    with pytest.raises(UserError, match="not asked for by period"):
        collections.periods_due(store, "reform_register")
    with pytest.raises(UserError, match="There is no contract"):
        collections.periods_due(store, "x")


@pytest.mark.parametrize("collection", ["ehcp_process", "ap_tiers", "reform_register"])
def test_contract_file_is_the_contract_and_its_template(collection: str) -> None:
    found = collections.contract_file(collection)
    assert parse_contract(found.text) == load_contract(collection)
    assert yaml.safe_load(found.text)["kind"] == "DataContract"
    headings = next(csv.reader(io.StringIO(found.template)))
    assert headings == [column.name for column in load_contract(collection).columns]
