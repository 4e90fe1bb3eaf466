"""Every rule has an example that breaks it and gives exactly its finding; every contract has one that breaks none."""

from types import ModuleType
from typing import Any

import pandas as pd
import pytest

from data_contracts import Context, Contract, Report, built_in_rules, check, contracts, load_contract

NAMES = sorted(contracts())


CHECKED: dict[int, Report] = {}


def checked(broken: Any, contexts: dict[str, Context]) -> Report:
    """The report of an example, made once."""
    if id(broken) not in CHECKED:
        CHECKED[id(broken)] = broken.check(contexts)
    return CHECKED[id(broken)]


def test_each_broken_example_gives_exactly_its_findings(broken: Any, contexts: dict[str, Context]) -> None:
    report = checked(broken, contexts)
    found = [(finding.rule, finding.row, finding.column) for finding in report.findings]
    assert sorted(found, key=str) == sorted(broken.expect, key=str), [finding.message for finding in report.findings][:20]
    assert broken.rule in {rule for rule, _, _ in broken.expect}


def test_a_finding_about_a_cell_names_the_cell_and_shows_its_value(broken: Any, contexts: dict[str, Context]) -> None:
    contract = broken.loaded()
    names = [column.name for column in contract.columns]
    for finding in checked(broken, contexts).findings[:50]:
        assert "?" not in (finding.message + finding.fix).replace(finding.value or "?", ""), finding
        if finding.row and finding.column in names and not finding.rule.startswith("shape.") and finding.rule != "types.trimmed":
            assert finding.cell == f"{chr(65 + names.index(finding.column))}{finding.row}"
            assert finding.value is not None


def test_every_rule_has_an_example(broken_examples: tuple[Any, ...], bad_inputs: ModuleType) -> None:
    """Two have tests of their own: a fault of ours (test_workbooks.py), and the count of what is not kept (test_findings.py)."""
    shown = {case.rule for case in broken_examples} | {rule for case in bad_inputs.CASES for rule, *_ in case.expect}
    assert set(built_in_rules()) - shown == {"file.reader_failed", "file.more_of_the_same"}
    for name in NAMES:
        examples = {case.rule for case in broken_examples if case.contract == name}
        assert {rule.id for rule in load_contract(name).rules} <= examples


@pytest.mark.parametrize("name", NAMES)
def test_the_good_example_has_no_finding(name: str, contexts: dict[str, Context]) -> None:
    contract = load_contract(name)
    report = check(contract, "good.csv", contract.example_csv().encode(), contexts[name])
    assert report.findings == () and report.rows is not None
    assert len(report.rows) == report.rows_read > 5


@pytest.mark.parametrize("name", NAMES)
def test_a_workbook_gives_the_same_rows_and_findings_as_csv(name: str, contexts: dict[str, Context], tables: ModuleType) -> None:
    contract, table = load_contract(name), tables.example(name)
    from_csv = check(contract, "a.csv", tables.as_csv(table), contexts[name])
    from_book = check(contract, "a.xlsx", tables.as_book(table), contexts[name])
    assert from_book.findings == from_csv.findings == ()
    assert from_book.rows is not None and from_csv.rows is not None
    pd.testing.assert_frame_equal(from_book.rows, from_csv.rows)


@pytest.mark.parametrize("name", NAMES)
def test_a_broken_workbook_gives_the_same_findings_as_csv(
    name: str, contexts: dict[str, Context], tables: ModuleType, broken_module: ModuleType
) -> None:
    contract = load_contract(name)
    number = next(column.name for column in contract.columns if column.type == "integer")
    table = broken_module.edited(name, 3, **{number: "many"})
    table[4][0] = "nowhere"
    one, other = (check(contract, "a", made(table), contexts[name]) for made in (tables.as_csv, tables.as_book))
    assert one.errors
    places = [
        [(item.rule, item.row, item.cell, item.column, item.value, item.message) for item in report.findings]
        for report in (one, other)
    ]
    assert places[0] == places[1]


@pytest.mark.parametrize("name", NAMES)
def test_columns_may_stand_in_any_order_under_any_known_heading(
    name: str, contexts: dict[str, Context], tables: ModuleType
) -> None:
    contract, table = load_contract(name), tables.example(name)
    plain = check(contract, "a.csv", tables.as_csv(table), contexts[name])
    others = [
        ([column.name] + [text for text in column.aliases if text.replace(" ", "_") != column.name])[-1]
        for column in contract.columns
    ]
    turned = [[*others[::-1]], *(cells[::-1] for cells in table[1:])]
    report = check(contract, "a.csv", tables.as_csv(turned), contexts[name])
    assert not report.errors and not report.queries
    aliased = {column.name for column, heading in zip(contract.columns, others, strict=True) if heading != column.name}
    assert len(aliased) >= len(others) - 1
    assert {match.column for match in report.header_matches if match.how == "alias"} == aliased
    assert {finding.column for finding in report.notes if finding.rule == "shape.alias"} == aliased
    assert plain.rows is not None and report.rows is not None
    pd.testing.assert_frame_equal(report.rows, plain.rows)


@pytest.mark.parametrize("name", NAMES)
def test_labels_are_known_headings(name: str, contexts: dict[str, Context], tables: ModuleType) -> None:
    contract, table = load_contract(name), tables.example(name)
    report = check(contract, "a.csv", tables.as_csv([[column.label for column in contract.columns], *table[1:]]), contexts[name])
    assert not report.errors and report.rows is not None


@pytest.mark.parametrize("name", [name for name in NAMES if any(column.symbols for column in load_contract(name).columns)])
def test_each_symbol_stands_in_place_of_a_number(
    name: str, contexts: dict[str, Context], tables: ModuleType, broken_module: ModuleType
) -> None:
    contract = load_contract(name)
    row = contract.examples().quiet_row

    def entered(columns: list[str], mark: str) -> Report:
        table = broken_module.edited(name, row, **dict.fromkeys(columns, mark))
        return check(contract, "a.csv", tables.as_csv(table), contexts[name])

    for mark in contract.missing_values:
        columns = [column.name for column in contract.columns if mark in column.symbols]
        forbidden = {column: rules_about(contract, column, mark) for column in columns}
        free = [column for column in columns if not forbidden[column]]
        report = entered(free, mark)
        assert not report.errors and report.rows is not None, report.errors
        for column in free:
            assert report.rows[f"{column}__symbol"][row - 2] == mark and pd.isna(report.rows[column][row - 2])
        for column in set(columns) - set(free):
            assert {finding.rule for finding in entered([column], mark).errors} == forbidden[column]


def rules_about(contract: Contract, column: str, mark: str) -> set[str]:
    """Rules of a contract that say where a symbol may stand in a column, such as z only where there is nothing to measure."""
    return {rule.id for rule in contract.rules if rule.arguments.get("then") == {"column": column, "not_symbol": [mark]}}


def test_symbols_of_the_contract_are_all_explained() -> None:
    for name in NAMES:
        contract = load_contract(name)
        assert {mark for column in contract.columns for mark in column.symbols} == set(contract.missing_values)


def test_a_list_of_what_may_be_entered_is_never_cut(
    contexts: dict[str, Context], tables: ModuleType, broken_module: ModuleType
) -> None:
    table = broken_module.edited("reform_register", 4, reform="nothing")
    report = check(load_contract("reform_register"), "a.csv", tables.as_csv(table), contexts["reform_register"])
    assert all(name in report.errors[0].fix for name in contexts["reform_register"].known_reforms)
    contract = load_contract("ehcp_process")
    report = check(contract, "a.csv", b"one,two\n1,2\n", contexts["ehcp_process"])
    assert all(column.name in report.errors[0].fix for column in contract.columns)
    report = check(
        contract, "a.csv", tables.as_csv(broken_module.edited("ehcp_process", 3, requests="")), contexts["ehcp_process"]
    )
    assert all(meaning in report.errors[0].fix for meaning in contract.missing_values.values())
