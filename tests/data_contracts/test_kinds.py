"""Kinds of rules over rows together, and words for numbers and conditions, on tables worked by hand."""

import csv
import io
from typing import Any

import pytest
import yaml

from data_contracts import Context, ContractError, check, parse_contract

COLUMNS = {"school": "string", "term": "string", "one": "integer", "two": "integer", "opened": "date", "why": "string"}


def contract_with(rule: dict[str, Any]) -> Any:
    """A contract of a few columns with one rule, which points at the first column."""
    words = [{"property": name, "value": f"{name} {{other}} {{last}} {{last_day}}"} for name in ("message", "fix")]
    quality = {"id": "tried", "engine": "data_contracts", "severity": "error", "type": "custom", "customProperties": words}
    document = {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": "made_up",
        "name": "made_up",
        "version": "1.0.0",
        "status": "active",
        "schema": [
            {
                "name": "made_up",
                "properties": [
                    {"name": name, "logicalType": kind, "customProperties": [{"property": "symbols", "value": ["x"]}]}
                    for name, kind in COLUMNS.items()
                ],
                "quality": [{**quality, "implementation": {"at": "school", **rule}}],
            }
        ],
    }
    return parse_contract(yaml.safe_dump(document))


def found(rule: dict[str, Any], rows: str, before: str = "") -> dict[int, str]:
    """Message by row, of rows written one a line with the columns' values divided by spaces and a dot for a blank."""
    contract = contract_with(rule)
    accepted = check(contract, "before.csv", as_csv(before), Context()).rows if before else None
    report = check(contract, "a.csv", as_csv(rows), Context(previous=accepted))
    assert {finding.rule for finding in report.findings} <= {"tried"}, report.findings
    return {finding.row or 0: finding.message.removeprefix("message ") for finding in report.findings}


def as_csv(rows: str) -> bytes:
    held = io.StringIO()
    lines = [[cell.replace("_", " ") if cell != "." else "" for cell in line.split()] for line in rows.strip().splitlines()]
    csv.writer(held).writerows([list(COLUMNS), *lines])
    return held.getvalue().encode()


def test_constant_holds_rows_of_one_group_to_the_first_that_has_a_value() -> None:
    rule = {"kind": "constant", "within": ["school"], "of": "one"}
    rows = """
a . .  1 . .
a . 12 1 . .
b . 13 1 . .
a . 13 1 . .
a . 12 1 . .
a . x  1 . .
. . 14 1 . .
a . 14 1 . .
"""
    assert found(rule, rows) == {5: "12 ? ?", 9: "12 ? ?"}


def test_not_after_period_compares_with_the_last_day_of_the_rows_own_period() -> None:
    rule = {"kind": "not_after_period", "date": "opened", "period": "term"}
    rows = """
a 2023/24_autumn . . 2023-12-31 .
a 2023/24_autumn . . 2024-01-01 .
a 2023/24_spring . . 2024-01-01 .
a 2023/24_spring . . 2024-04-01 .
a 2023/24_spring . . . .
a never          . . 2030-01-01 .
a .              . . 2030-01-01 .
"""
    assert found(rule, rows) == {3: "? ? 2023-12-31", 5: "? ? 2024-03-31"}


def test_falls_only_with_compares_with_the_last_return_of_the_same_key() -> None:
    rule = {"kind": "falls_only_with", "key": ["school", "two"], "of": "one", "reason": "why"}
    before = """
a . 3 1 . .
a . 2 2 . .
b . 4 1 . .
c . x 1 . .
d . 4 1 . .
"""
    now = """
a . 2 1 . .
a . 2 2 . .
b . 3 1 . left
c . 0 1 . .
d . x 1 . .
e . 0 1 . .
"""
    assert found(rule, now, before) == {2: "? 3 ?"}
    assert found(rule, now) == {}


@pytest.mark.parametrize(
    ("then", "rows", "wrong"),
    [
        ({"at_least": [{"positive": ["one", "two"]}, 2]}, "a . 1 2 . .\na . 0 5 . .\na . x 5 . .\na . . . . .", {3}),
        ({"at_least": ["one", {"product": ["two", 0.1]}]}, "a . 3 30 . .\na . 2 30 . .\na . 4 30 . .", {3}),
        (
            {"any": [{"column": "one", "equals": 0}, {"column": "why", "filled": True}]},
            "a . 0 . . .\na . 1 . . b\na . 1 . . .",
            {4},
        ),
        ({"any": [{"column": "one", "above": 0}, {"column": "two", "above": 0}]}, "a . x 1 . .\na . x 0 . .\na . 0 0 . .", {4}),
    ],
)
def test_words_for_numbers_and_conditions(then: dict[str, Any], rows: str, wrong: set[int]) -> None:
    assert set(found({"kind": "implies", "when": {"column": "school", "filled": True}, "then": then}, rows)) == wrong


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"kind": "at_most", "left": {"quotient": ["one", "two"]}, "right": 1}, "no number that a rule can use"),
        ({"kind": "implies", "when": {"column": "one", "odd": True}, "then": {"column": "two", "above": 0}}, "no condition"),
        ({"kind": "constant", "within": ["pupil"], "of": "one"}, "pupil"),
    ],
)
def test_a_rule_in_words_that_there_are_not_is_a_fault_of_the_contract(rule: dict[str, Any], words: str) -> None:
    with pytest.raises(ContractError, match=words):
        found(rule, "a . 1 1 . .")
