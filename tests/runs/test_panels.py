"""From the register to first treated periods and stops, on spells that a reader can follow."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
import yaml

from data_contracts import Context, check, load_contract
from pilots.catalogue import Outcome
from pilots.figures import lines_of, returned_figures
from pilots.panels import _without_stopped, intensities, starts
from pilots.plans import Plan, load_plan, named_plan
from pilots.storage.base import canonical_json

HARTLEPOOL, STOCKTON = "E06000001", "E06000004"


def plan(start: str = "first_full_period") -> Plan:
    document = yaml.safe_load(named_plan("ehcp_timeliness").text)
    return load_plan(yaml.safe_dump({**document, "reform": "digital_ehcp", "start": start}))


def spells(*rows: tuple[str, str, str | None, int, float]) -> pd.DataFrame:
    """Authority, start, end, stage, intensity; one reform."""
    columns = ["authority", "start", "end", "stage", "intensity"]
    table = pd.DataFrame(rows, columns=columns, dtype=object).assign(
        region="E12000001", reform="digital_ehcp", halted_reason=None
    )
    for name in ("start", "end"):
        days = [None if day is None else date.fromisoformat(day) for day in table[name]]
        table[name] = pd.Series(days, dtype=object)
    return table


@pytest.mark.parametrize(
    ("rule", "kind", "expected"),
    [
        ("first_full_period", "term", "2023/24 summer"),
        ("containing_period", "term", "2023/24 spring"),
        ("first_full_period", "calendar year", "2025"),
        ("containing_period", "calendar year", "2024"),
        ("first_full_period", "academic year", "2024/25"),
    ],
)
def test_the_first_treated_period_follows_the_plan(rule: str, kind: str, expected: str) -> None:
    first, stop = starts(spells((HARTLEPOOL, "2024-02-12", None, 2, 0.5)), plan(rule), kind)
    assert first == {HARTLEPOOL: expected}
    assert stop == {}


def test_a_start_on_the_first_day_counts_that_period_in_full() -> None:
    first, _ = starts(spells((HARTLEPOOL, "2024-01-01", None, 2, 0.5)), plan(), "term")
    assert first == {HARTLEPOOL: "2023/24 spring"}


def test_a_next_stage_is_no_stop_and_preparation_is_no_start() -> None:
    table = spells(
        (HARTLEPOOL, "2024-01-01", "2024-08-31", 2, 0.5),
        (HARTLEPOOL, "2024-09-01", None, 3, 1.0),
        (STOCKTON, "2023-10-01", "2024-08-31", 0, 0.0),
        (STOCKTON, "2024-09-01", "2024-12-31", 2, 0.5),
    )
    first, stop = starts(table, plan(), "term")
    assert first == {HARTLEPOOL: "2023/24 spring", STOCKTON: "2024/25 autumn"}
    assert stop == {STOCKTON: "2024/25 spring"}


def test_what_comes_after_a_stop_is_left_out() -> None:
    periods = ["2023/24 autumn", "2023/24 spring", "2023/24 summer", "2024/25 autumn"]
    rows = pd.DataFrame([(code, period, 1.0) for code in (HARTLEPOOL, STOCKTON) for period in periods])
    rows.columns = pd.Index(["authority", "period", "numerator"])
    kept, stopped = _without_stopped(rows, {STOCKTON: "2023/24 summer"}, periods[-1])
    assert kept.groupby("authority")["period"].apply(list).to_dict() == {HARTLEPOOL: periods, STOCKTON: periods[:2]}
    assert stopped == ((STOCKTON, "2023/24 summer"),)
    kept, stopped = _without_stopped(rows, {STOCKTON: "2024/25 spring"}, periods[-1])
    assert len(kept) == 8 and stopped == ()
    assert np.isfinite(kept["numerator"]).all()


def test_intensity_follows_the_spells_on_and_off() -> None:
    table = spells(
        (HARTLEPOOL, "2024-01-01", "2024-08-31", 2, 0.4),
        (HARTLEPOOL, "2024-09-01", None, 3, 0.9),
        (STOCKTON, "2024-01-01", "2024-04-30", 2, 0.5),
    )
    document = yaml.safe_load(plan().text) | {"outcomes": ["termly_requests_refused"], "smallest_effect": {}}
    document["window"] = {"first": "2023/24 autumn", "last": "2024/25 autumn"}
    on_off = load_plan(yaml.safe_dump(document))
    assert intensities(table, on_off, "term") == {
        (HARTLEPOOL, "2023/24 spring"): 1.0,
        (HARTLEPOOL, "2023/24 summer"): 1.0,
        (HARTLEPOOL, "2024/25 autumn"): 1.0,
        (STOCKTON, "2023/24 spring"): 1.0,
        (STOCKTON, "2023/24 summer"): 1.0,
    }
    graded = intensities(table, load_plan(yaml.safe_dump(document | {"intensity": "register"})), "term")
    assert graded[HARTLEPOOL, "2023/24 spring"] == 0.4 and graded[HARTLEPOOL, "2024/25 autumn"] == 0.9


def test_returns_of_an_earlier_contract_lack_what_came_later_and_no_more() -> None:
    newest, first = load_contract("ehcp_process"), load_contract("ehcp_process", "1.0.0")
    content = newest.example_csv().encode()
    old, new = (check(contract, "a.csv", content, Context()).rows for contract in (first, newest))
    assert old is not None and new is not None and "requests_first_time" not in old
    came_later = Outcome(
        "first_time", "Requests for the first time", "ehcp_process", ("requests_first_time",), ("requests",), "term"
    )
    both = pd.concat([old.assign(period="2023/24 autumn"), new.assign(period="2023/24 spring")], ignore_index=True)
    values = returned_figures(both, came_later).rows.dropna(subset="numerator")
    assert returned_figures(old, came_later).rows["numerator"].isna().all()
    assert set(values["period"]) == {"2023/24 spring"} and len(values) == int(new["requests_first_time"].notna().sum())


@pytest.mark.parametrize("name", ["Leeds", "a],[b", '"],["'])
def test_lines_are_the_rows_as_json_one_by_one_whatever_stands_in_them(name: str) -> None:
    table = pd.DataFrame({"name": ["York", name, None], "value": [1.5, np.nan, 2.0], "count": pd.array([1, None, 3], "Int64")})
    one_by_one = [canonical_json(["York", 1.5, 1]), canonical_json([name, None, None]), canonical_json([None, 2.0, 3])]
    found = lines_of(table)
    assert list(found) == sorted(one_by_one) and [one_by_one[at] for at in found.index] == list(found)
