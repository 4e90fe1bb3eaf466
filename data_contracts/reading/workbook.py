"""Workbooks: handed to a process of its own, with limits on memory and time, and taken back as text."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from data_contracts.reading.delimited import too_many
from data_contracts.reading.table import Limits, Mark, RawTable, make_table
from data_contracts.reading.text import Remark

_WORKER = Path(__file__).with_name("worker.py")
MARKER = Path(__file__).with_name("marker.py")
# What an interpreter may need to start at all; nothing else of the environment reaches the worker.
_KEPT = ("SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


def read_workbook(content: bytes, limits: Limits) -> tuple[tuple[RawTable, ...], list[Remark]]:
    """Read a workbook (or find that the ZIP file is none).

    Args:
        content: bytes of the file.
        limits: memory and time of the worker, sizes, columns.

    Returns:
        One raw table for each sheet with text in it, in order; and remarks.
    """
    answer = ask(content, settings_of(limits), limits.worker_seconds, _WORKER)
    if answer.get("fault") == "file.too_many_cells":
        return (), [too_many(limits)]
    if "fault" in answer:
        return (), [
            Remark(answer["fault"], {"kind": answer.get("detail", ""), "value": answer.get("detail") or None}, fatal=True)
        ]
    remarks = [Remark(item["rule"], item["values"]) for item in answer["remarks"]]
    tables = tuple(_table(sheet) for sheet in answer["sheets"])
    if not any(table.cells.height for table in tables):
        remarks.append(Remark("file.blank", {}, fatal=True))
    return tuple(table for table in tables if table.cells.height), remarks


def settings_of(limits: Limits) -> dict[str, Any]:
    """The limits as a worker takes them."""
    return {
        "memory": limits.worker_bytes,
        "seconds": limits.worker_seconds,
        "unpacked": limits.unpacked_bytes,
        "ratio": limits.pack_ratio,
        "columns": limits.columns,
        "rows": limits.rows,
        "cells": limits.cells,
        "cell": limits.cell_characters,
    }


def ask(content: bytes, settings: dict[str, Any], seconds: int, worker: Path) -> dict[str, Any]:
    """The answer of a worker; one that the system stopped was reading something too heavy."""
    # -I and -B: neither modules beside the worker nor the user's own are found, and nothing is written.
    command = [sys.executable, "-I", "-B", str(worker), json.dumps(settings)]
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    try:
        # The worker counts its own processor time; the clock allows for a machine that is busy with other work.
        # The path is this project's own file and the settings are numbers: nothing of the sender's is on the command line.
        done = subprocess.run(command, input=content, capture_output=True, timeout=3 * seconds + 5, check=False, env=kept)
    except subprocess.TimeoutExpired:
        return {"fault": "file.too_heavy"}
    if done.returncode < 0:
        return {"fault": "file.too_heavy"}
    if done.returncode > 0:
        # A fault of ours that only this file shows: it is told with its last line, so that it can be mended.
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        return {"fault": "file.reader_failed", "detail": said[-1] if said else f"code {done.returncode}"}
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _table(sheet: dict[str, Any]) -> RawTable:
    rows, numbers = [row for _, row in sheet["rows"]], [number for number, _ in sheet["rows"]]
    marks = tuple(Mark(*mark) for mark in sheet["marks"])
    return RawTable(make_table(rows, numbers), sheet["name"], sheet["hidden"], marks, sheet["blank_rows"], late=sheet["late"])
