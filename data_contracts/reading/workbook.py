"""Workbooks: handed to a process of its own, with limits on memory and time, and taken back as text."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from data_contracts.reading.table import Limits, Mark, RawTable, make_table
from data_contracts.reading.text import Remark

_WORKER = Path(__file__).with_name("worker.py")


def read_workbook(content: bytes, limits: Limits) -> tuple[tuple[RawTable, ...], list[Remark]]:
    """Read a workbook (or find that the ZIP file is none).

    Args:
        content: bytes of the file.
        limits: memory and time of the worker, sizes, columns.

    Returns:
        One raw table for each sheet with text in it, in order; and remarks.
    """
    settings = {
        "memory": limits.worker_bytes,
        "seconds": limits.worker_seconds,
        "unpacked": limits.unpacked_bytes,
        "ratio": limits.pack_ratio,
        "columns": limits.columns,
        "cell": limits.cell_characters,
    }
    command = [sys.executable, "-I", str(_WORKER), json.dumps(settings)]
    try:
        # The path is this project's own file and the settings are numbers: nothing of the sender's is on the command line.
        done = subprocess.run(command, input=content, capture_output=True, timeout=limits.worker_seconds + 5, check=False, env={})
    except subprocess.TimeoutExpired:
        return (), [Remark("file.too_heavy", {}, fatal=True)]
    try:
        answer: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 else {"fault": "file.too_heavy"}
    except ValueError:
        answer = {"fault": "file.damaged"}
    if "fault" in answer:
        return (), [
            Remark(answer["fault"], {"kind": answer.get("detail", ""), "value": answer.get("detail") or None}, fatal=True)
        ]
    remarks = [Remark(item["rule"], item["values"]) for item in answer["remarks"]]
    tables = tuple(_table(sheet) for sheet in answer["sheets"])
    if not any(table.cells.height for table in tables):
        remarks.append(Remark("file.blank", {}, fatal=True))
    return tuple(table for table in tables if table.cells.height), remarks


def _table(sheet: dict[str, Any]) -> RawTable:
    rows, numbers = [row for _, row in sheet["rows"]], [number for number, _ in sheet["rows"]]
    marks = tuple(Mark(*mark) for mark in sheet["marks"])
    return RawTable(make_table(rows, numbers), sheet["name"], sheet["hidden"], marks, sheet["blank_rows"])
