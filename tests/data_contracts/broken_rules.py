"""Examples that break the rules of the contracts themselves, and what every column promises. Loaded by conftest.py."""

import dataclasses
from datetime import date, timedelta
from typing import Any

from contract_broken import Broken, add, edit, edited
from contract_tables import as_csv, example

from data_contracts import Column, Context, Contract, check, contracts, load_contract

EHCP = (
    edit("refused_within_requests", "ehcp_process", 2, "requests_refused", requests="5", requests_refused="6"),
    edit("within_20_weeks_within_issued", "ehcp_process", 13, "plans_issued_within_20_weeks", plans_issued_within_20_weeks="47"),
    edit("exceptions_add_up", "ehcp_process", 2, "plans_issued_excluding_exceptions", plans_issued_excluding_exceptions="135"),
    edit(
        "within_20_weeks_excluding_within_excluding",
        "ehcp_process",
        13,
        "plans_issued_within_20_weeks_excluding_exceptions",
        plans_issued_within_20_weeks_excluding_exceptions="41",
        plans_issued_within_20_weeks="42",
    ),
    edit(
        "within_20_weeks_excluding_within_all",
        "ehcp_process",
        13,
        "plans_issued_within_20_weeks_excluding_exceptions",
        plans_issued_within_20_weeks_excluding_exceptions="17",
    ),
    edit("exceptions_need_reason", "ehcp_process", 2, "exceptions_with_reason", exceptions_with_reason="5"),
    edit("digital_within_issued", "ehcp_process", 13, "plans_digital", plans_digital="47"),
    edit("average_needs_plans", "ehcp_process", 9, "average_weeks", average_weeks="20"),
    edit("plans_need_average", "ehcp_process", 2, "average_weeks", average_weeks="z"),
    edit(
        "many_exceptions",
        "ehcp_process",
        13,
        "exceptions",
        exceptions="24",
        exceptions_with_reason="24",
        plans_issued_excluding_exceptions="22",
    ),
    edit("many_refused", "ehcp_process", 12, "requests_refused", requests_refused="60"),
    edit(
        "average_against_timeliness",
        "ehcp_process",
        12,
        "average_weeks",
        plans_issued_within_20_weeks="31",
        plans_issued_within_20_weeks_excluding_exceptions="29",
    ),
)

AP = (
    edit("pupils_within_placements", "ap_tiers", 3, "pupils", pupils="38"),
    edit("ended_within_placements", "ap_tiers", 4, "placements_ended", placements_ended="10"),
    edit("returned_within_ended", "ap_tiers", 4, "returned_to_mainstream", returned_to_mainstream="4"),
    edit("sustained_within_returned", "ap_tiers", 4, "returned_after_12_weeks", returned_after_12_weeks="3"),
    edit("roll_within_pupils", "ap_tiers", 4, "on_mainstream_roll", on_mainstream_roll="10"),
    edit("tier_1_stays_on_roll", "ap_tiers", 2, "on_mainstream_roll", on_mainstream_roll="45"),
    edit("unregistered_within_placements", "ap_tiers", 4, "unregistered", unregistered="10"),
    # A full-time placement where there is none in an unregistered setting is two faults at once.
    edit(
        "full_time_within_unregistered",
        "ap_tiers",
        4,
        "unregistered_full_time",
        ("unregistered_full_time_law", 4, "unregistered_full_time"),
        unregistered_full_time="1",
    ),
    edit("sessions_need_placements", "ap_tiers", 10, "sessions", sessions="5"),
    edit("unregistered_full_time_law", "ap_tiers", 4, "unregistered_full_time", unregistered="1", unregistered_full_time="1"),
    edit("sessions_against_term", "ap_tiers", 4, "sessions", sessions="1351"),
    Broken(
        "tiers_missing",
        "ap_tiers",
        lambda: as_csv([cells for row, cells in enumerate(example("ap_tiers"), 1) if row != 4]),
        (("tiers_missing", 2, "tier"),),
    ),
)


def locked() -> Any:
    """A spell that was accepted: the file dates it back by a month."""
    accepted = check(load_contract("reform_register"), "a.csv", as_csv(example("reform_register")), Context()).rows
    assert accepted is not None
    return accepted.assign(
        start=[date(2023, 12, 6) if row == 4 else start for row, start in zip(accepted["row"], accepted["start"], strict=True)]
    )


REGISTER = (
    edit("end_after_start", "reform_register", 2, "end", end="2024-01-08"),
    Broken(
        "no_overlapping_spells",
        "reform_register",
        lambda: as_csv(edited("reform_register", 2, end="2024-09-01")),
        (("no_overlapping_spells", 3, "start"),),
    ),
    edit("stage_0_no_intensity", "reform_register", 8, "intensity", intensity="0.5"),
    edit("no_intensity_stage_0", "reform_register", 8, "stage", stage="1"),
    edit("reason_needs_end", "reform_register", 4, "halted_reason", halted_reason="Funding ended"),
    edit("end_needs_reason", "reform_register", 2, "halted_reason", halted_reason=""),
    Broken(
        "not_dated_back",
        "reform_register",
        lambda: as_csv(example("reform_register")),
        (("not_dated_back", 4, "start"),),
        {"locked": locked},
    ),
)


def beyond(column: Column, limit: Any, step: int) -> str:
    if column.type == "date":
        return (date.fromisoformat(str(limit)) + timedelta(days=step)).isoformat()
    return f"{float(limit) + step:g}" if column.type == "number" else str(int(limit) + step)


def of_column(contract: Contract, column: Column) -> list[Broken]:
    """What every column promises: required, least, most, choices, symbols, length."""
    name, found = contract.name, []
    # A row in which nothing depends on the column: a spell that has ended, a tier that may leave the roll.
    row = 2 if name == "reform_register" else 4

    def case(rule: str, value: str) -> None:
        # A key that is wrong is put into a row of its own, so that nothing else is missing.
        made = add if column.name in contract.key else edit
        found.append(
            dataclasses.replace(made(rule, name, row, column.name, **{column.name: value}), name=f"{column.name} {value[:12]}")
        )

    if column.required:
        case("types.blank" if column.is_number else "types.no_entry", "")
    if column.minimum is not None:
        case("values.too_small", beyond(column, column.minimum, -1))
    if column.maximum is not None:
        case("values.too_large", beyond(column, column.maximum, 1))
    if column.choices:
        case("values.not_in_list", "none of them")
    if column.is_number:
        case("types.unknown_symbol", "n/a" if column.symbols else "c")
    if column.symbols:
        case("types.symbol_case", column.symbols[-1].upper())
    if column.free_text:
        case("text.too_long", "x" * (column.max_length + 1))
    return found


COLUMNS = tuple(
    case for name in contracts() for column in load_contract(name).columns for case in of_column(load_contract(name), column)
)
CASES = (*EHCP, *AP, *REGISTER, *COLUMNS)
