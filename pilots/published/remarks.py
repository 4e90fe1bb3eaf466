"""What an import could not use, or used with a change: rows of plain JSON under a fixed set of headings."""

from typing import Any

import pandas as pd

# Section: (heading for readers, {key: column heading}).
SECTIONS: dict[str, tuple[str, dict[str, str]]] = {
    "files": (
        "Files",
        {
            "file": "File",
            "read_as": "Read as",
            "rows": "Rows",
            "authority_rows": "Rows of authorities",
            "values": "Figures taken",
            "reason": "Why not used",
        },
    ),
    "reconciled": (
        "Cells accounted for",
        {
            "file": "File",
            "kind": "What stands there",
            "cells": "Cells read",
            "stored": "Stored",
            "unused": "File or group not used",
            "aggregate": "England and regions",
            "breakdown": "Other breakdowns",
            "period": "Period not readable",
            "authority": "No authority of today",
            "no_measure": "No measure",
            "region_total": "Total of a region",
            "repeated": "Given more than once",
            "unaccounted": "Not accounted for",
        },
    ),
    "gaps": (
        "Authorities without figures",
        {
            "period": "Period",
            "name": "Authority",
            "authority": "Code",
            "programme": "Partnership",
            "file": "File",
            "what": "What is there",
            "measures": "Measures",
        },
    ),
    "breaks": ("Breaks in the series", {"period": "First period counted anew", "text": "What changed", "outcomes": "Outcomes"}),
    "restated": (
        "Figures restated",
        {
            "measure": "Measure",
            "period": "Period",
            "name": "Authority",
            "authority": "Code",
            "old": "Before",
            "new": "Now",
            "against": "Compared with",
        },
    ),
    "region_totals": (
        "Totals of a region in the rows of its authorities (not used)",
        {
            "file": "File",
            "column": "Column",
            "measure": "Measure",
            "period": "Period",
            "region": "Region",
            "found": "Found",
            "authorities": "Authorities",
        },
    ),
    "duplicated_columns": (
        "Duplicated columns",
        {"file": "File", "column": "Column", "copies": "Copies", "identical": "Copies are the same", "used": "Used"},
    ),
    "unknown_columns": ("Columns that are not known", {"file": "File", "column": "Column", "like": "Looks like"}),
    "unknown_measures": (
        "Measures that are not known",
        {"file": "File", "measure": "Name in the file", "rows": "Rows left out", "like": "Looks like"},
    ),
    "missing_columns": (
        "Measures that a file did not give",
        {"file": "File", "measure": "Measure", "expected": "Looked for", "reason": "Why not"},
    ),
    "periods": (
        "Rows with a period that cannot be right",
        {
            "file": "File",
            "time_period": "time_period",
            "time_identifier": "time_identifier",
            "rows": "Rows left out",
            "reason": "Why",
        },
    ),
    "codes": (
        "Codes of authorities",
        {
            "code": "Code found",
            "name": "Name found",
            "kind": "Kind",
            "finding": "Does not fit the period",
            "authority": "Read as",
            "periods": "Periods",
            "files": "Files",
            "message": "What was done",
        },
    ),
    "unreadable": (
        "Cells that are neither a number nor a symbol",
        {"file": "File", "row": "Row", "column": "Column", "found": "Found", "authority": "Code", "period": "Period"},
    ),
    "repeated_rows": (
        "Figures given more than once",
        {
            "measure": "Measure",
            "period": "Period",
            "authority": "Code",
            "found": "Found",
            "rows": "Where",
            "kept": "Kept",
        },
    ),
}


def tables_of(sections: dict[str, list[dict[str, Any]]]) -> dict[str, pd.DataFrame]:
    """Each section that has rows, with headings for readers."""
    return {
        heading: pd.DataFrame(sections[name], columns=list(columns)).rename(columns=columns)
        for name, (heading, columns) in SECTIONS.items()
        if sections.get(name)
    }


class Remarks:
    """The remarks of one import, by section, and notes in sentences."""

    def __init__(self) -> None:
        self.sections: dict[str, list[dict[str, Any]]] = {name: [] for name in SECTIONS}
        self.notes: list[str] = []

    def add(self, section: str, **facts: Any) -> None:
        """Add a row to a section. Facts are text, whole numbers, True or False; lists are joined by the caller.

        Raises:
            KeyError: no such section, or other facts than its columns: a fault of ours.
        """
        columns = SECTIONS[section][1]
        if set(facts) != set(columns):
            raise KeyError(f"{section} has {', '.join(columns)}; given: {', '.join(facts)}")
        self.sections[section].append({name: facts[name] for name in columns})
