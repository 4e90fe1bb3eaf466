"""Stage `shape`: a workbook made from a template says on a hidden sheet what it was made for; that is compared and told."""

import polars as pl

from data_contracts.contract import contracts
from data_contracts.reading.table import RawTable
from data_contracts.sheets import IDENTITY, IDENTITY_KEYS
from data_contracts.state import State
from data_contracts.versions import changes_since


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
    """What changed since the version that the template was made from, as the end of a message."""
    sentences = [change.sentence for change in changes_since(state.contract, made_from) if change.level != "patch"]
    return " ".join(["", *sentences])
