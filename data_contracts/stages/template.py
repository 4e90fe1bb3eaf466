"""Stage `shape`: a workbook made from a template says on a hidden sheet what it was made for; that is compared and told."""

import polars as pl

from data_contracts.contract import ContractError, contracts, load_contract
from data_contracts.reading.table import RawTable
from data_contracts.sheets import IDENTITY, IDENTITY_KEYS
from data_contracts.state import State


def recognise(state: State) -> None:
    """Read the hidden sheet of a template and say where it was made for another return. The rows decide, never the sheet."""
    marked = [table for table in state.tables if table.sheet == IDENTITY]
    if not marked or len(state.tables) == 1:
        return
    state.tables = tuple(table for table in state.tables if table.sheet != IDENTITY)
    state.table = state.tables[0]
    state.template = _said(marked[0])
    made_for = state.template.get("contract", "")
    if made_for and made_for != state.contract.name:
        state.add("shape.template_contract", value=made_for, expected=state.contract.title, sheet=IDENTITY)
        return
    _version(state, state.template.get("version", ""))
    for key, wanted in (("region", state.context.region), ("period", state.context.period)):
        found = state.template.get(key, "")
        if found and wanted and found != wanted:
            state.add(f"shape.template_{key}", value=found, expected=wanted, sheet=IDENTITY)


def _said(table: RawTable) -> dict[str, str]:
    """The sheet's rows of key and value."""
    if table.width < 2:
        return {}
    pairs = table.cells.select(pl.nth(2).str.strip_chars(), pl.nth(3).str.strip_chars()).head(20).iter_rows()
    return {key: value for key, value in pairs if key in IDENTITY_KEYS}


def _version(state: State, made_from: str) -> None:
    name, version = state.contract.name, state.contract.version
    if not made_from or made_from == version:
        return
    if made_from not in contracts().get(name, []):
        state.add("shape.template_version", value=made_from, expected=version, sheet=IDENTITY)
        return
    state.add("shape.template_older", value=made_from, expected=version, changes=_changes(state, made_from), sheet=IDENTITY)


def _changes(state: State, made_from: str) -> str:
    """What the versions have and lack beside each other, as the end of a message; blank where that cannot be told."""
    try:
        then = {column.name for column in load_contract(state.contract.name, made_from).columns}
    except ContractError:
        return ""
    now = {column.name for column in state.contract.columns}
    new = ", ".join(column.name for column in state.contract.columns if column.name not in then)
    gone = ", ".join(sorted(then - now))
    return (f" New columns: {new}." if new else "") + (f" No longer asked for: {gone}." if gone else "")
