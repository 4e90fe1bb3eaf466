"""Stage `file`: can the bytes be read at all, and what was remarkable in reading them."""

from typing import Any

from data_contracts.reading import read, safe_name
from data_contracts.state import State


def name(state: State) -> None:
    """Say when the file's name was changed before it is shown."""
    shown = safe_name(state.filename)
    if shown != state.filename:
        state.add("file.name", value=shown)


def contents(state: State) -> None:
    """Read the bytes into raw tables; what cannot be read says why."""
    reading = read(state.filename, state.content, state.limits)
    state.tables = reading.tables
    for remark in reading.remarks:
        if remark.rule == "file.comments":
            texts: Any = remark.values["texts"]
            state.comments = tuple((cell, text) for cell, text in texts)
        state.add(remark.rule, **{name: value for name, value in remark.values.items() if name != "texts"})
    if reading.tables:
        state.table = reading.tables[0]
