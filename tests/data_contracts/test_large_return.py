"""Every fault planted in a large return is found, with its row, column, value and rule, and nothing else is."""

from benchmarks.returns_data import EACH_RULE, contract_text, large_return
from data_contracts import Context, check, parse_contract


def test_every_planted_fault_is_found_and_nothing_else() -> None:
    content, faults = large_return(20_000, 25)
    report = check(parse_contract(contract_text()), "large.csv", content, Context())
    found = {(one.row, one.column, one.rule) for one in report.errors}
    assert found == {(fault.row, fault.column, fault.rule) for fault in faults}
    assert {fault.rule for fault in faults} == EACH_RULE
    entered = {(one.row, one.column): one.value for one in report.errors}
    assert all(entered[fault.row, fault.column] == fault.value for fault in faults if fault.rule != "rows.duplicate")
    assert report.rows_with_errors == len(faults) == 25 * 17
