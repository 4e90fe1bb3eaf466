"""The check: stages in order, all faults at once, one report."""

import hashlib
from collections.abc import Callable

import pandas as pd

from data_contracts.context import Context
from data_contracts.contract import Contract
from data_contracts.found import Findings, table_of
from data_contracts.reading import Limits, safe_name
from data_contracts.reading.table import ROW
from data_contracts.report import Report
from data_contracts.stages import file, history, rows, shape, template, text, types, values
from data_contracts.state import State

# A check is a function that takes the state and adds findings to it; it is in force by its line here. Within a stage the order is
# that of the lines; a stage is left out when an earlier one leaves it nothing to read.
STAGES: dict[str, tuple[Callable[[State], None], ...]] = {
    "file": (file.name, file.contents),
    "shape": (
        template.recognise,
        shape.headings,
        shape.columns,
        shape.second_heading,
        shape.stray_rows,
        shape.ragged,
        shape.blanks,
        shape.workbook,
    ),
    "types": (types.trim, types.cast),
    "values": (
        values.ranges,
        values.choices,
        values.patterns,
        values.events,
        values.reforms,
        values.proportions,
        values.authorities,
        values.periods,
        values.asked,
        text.free_text,
        text.personal_data,
    ),
    "rows": (rows.duplicates, rows.double_count, rows.coverage, rows.declared, rows.revealed),
    "history": (history.large_changes, history.locked),
}


def check(
    contract: Contract,
    filename: str,
    content: bytes,
    context: Context,
    limits: Limits | None = None,
    edits: Callable[[State], object] | None = None,
) -> Report:
    """Check a file against a contract. Never raises for what is in the file.

    Args:
        contract: what the file must look like.
        filename: as sent; only ever shown.
        content: the bytes as received.
        context: region, period, codes, and what came before.
        limits: how much is read and for how long.
        edits: is given the state once the file is read; it may put corrections that were accepted into the tables.

    Returns:
        A Report with every finding, and typed rows where there is no error.
    """
    state = State(contract, context, filename, content, limits or Limits())
    for stage, checks in STAGES.items():
        if stage != "file" and state.table is None:
            break
        if stage not in {"file", "shape"} and (not state.positions or state.data.is_empty()):
            break
        for one in checks:
            one(state)
        if stage == "file" and edits is not None:
            edits(state)
    return _report(state)


def _report(state: State) -> Report:
    findings = Findings.sorted([*state.tables_of_findings, table_of(state.findings)])
    wanted = not len(findings.of_severity("error"))
    return Report(
        sha256=hashlib.sha256(state.content).hexdigest(),
        filename=safe_name(state.filename),
        contract=state.contract.name,
        version=state.contract.version,
        sheet=state.sheet,
        rows_read=state.rows_read,
        rows_with_errors=state.rows_with_errors,
        ignored_columns=tuple(state.ignored),
        header_matches=tuple(state.matches),
        findings=findings,
        rows=_typed(state) if wanted else None,
    )


def _typed(state: State) -> pd.DataFrame:
    """Typed rows in the contract's order, with symbols beside values."""
    columns: dict[str, pd.Series] = {"row": pd.Series(state.grid[ROW].to_list(), dtype="int64")}
    for column in state.contract.columns:
        found = column.name in state.grid.columns
        content = state.grid[column.name].to_list() if found else [None] * state.grid.height
        kind = {"integer": "Int64", "number": "Float64"}.get(column.type, "object")
        columns[column.name] = pd.Series(content, dtype=kind)
        if column.symbols:
            marks = state.grid[f"{column.name}#symbol"].to_list() if found else [None] * state.grid.height
            columns[f"{column.name}__symbol"] = pd.Series(marks, dtype="object")
    return pd.DataFrame(columns)
