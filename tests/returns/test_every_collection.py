"""The good example of every collection goes the whole way to the store and back, and the next return is held to it."""

import csv
import io

import pandas as pd
import pytest

from data_contracts import Contract, load_contract
from pilots import returns
from pilots.access import Actor
from pilots.places import authorities
from pilots.storage import Store


def about(contract: Contract) -> tuple[str, str]:
    """Region and period of the good example."""
    first = next(csv.DictReader(io.StringIO(contract.example_csv())))
    place, period = contract.with_role("authority"), contract.with_role("period")
    assert place
    region = authorities().set_index("authority")["region"][first[place.name]]
    return str(region), first[period.name] if period else contract.examples().period


@pytest.mark.parametrize("collection", returns.collections())
def test_what_was_sent_comes_back_from_each_database(any_store: Store, administrator: Actor, collection: str) -> None:
    contract = load_contract(collection)
    region, period = about(contract)
    sent = (any_store, administrator, collection, region, period, "return.csv", contract.example_csv().encode())
    report = returns.check_return(*sent)
    assert report.rows is not None and not report.queries
    receipt = returns.submit_return(*sent)
    pd.testing.assert_frame_equal(returns.submission_rows(any_store, administrator, receipt.reference), report.rows)


def test_a_stage_is_held_to_that_of_the_return_before(store: Store, administrator: Actor) -> None:
    contract = load_contract("standards_adoption")
    region, autumn = about(contract)
    good = contract.example_csv()
    returns.submit_return(store, administrator, contract.name, region, autumn, "a.csv", good.encode())
    lower = good.replace(autumn, "2024/25 spring").replace("identifying needs,4,61", "identifying needs,3,61")
    report = returns.check_return(store, administrator, contract.name, region, "2024/25 spring", "b.csv", lower.encode())
    assert [(one.rule, one.row, one.value) for one in report.errors] == [("fall_needs_reason", 2, "3")]
    assert "last time it was 4" in report.errors[0].message
