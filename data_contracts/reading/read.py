"""Bytes to raw tables, whatever kind of file they are."""

from dataclasses import dataclass

from data_contracts.reading.delimited import read_delimited
from data_contracts.reading.names import safe_name
from data_contracts.reading.sniff import kind_of
from data_contracts.reading.table import Limits, RawTable
from data_contracts.reading.text import Remark, decode
from data_contracts.reading.workbook import read_workbook


@dataclass(frozen=True)
class Reading:
    """Raw tables of a file (none where it cannot be read) and what was remarkable about it."""

    tables: tuple[RawTable, ...]
    remarks: tuple[Remark, ...]


def read(filename: str, content: bytes, limits: Limits) -> Reading:
    """Read a file by its bytes; its name only tells whether the two disagree."""
    if len(content) > limits.file_bytes:
        return Reading((), (Remark("file.too_large", {"limit": f"{limits.file_bytes / 1_000_000:,g} MB"}, fatal=True),))
    kind, word = kind_of(content)
    if kind.startswith("file."):
        return Reading((), (Remark(kind, {"kind": word}, fatal=True),))
    if kind == "zip":
        tables, remarks = read_workbook(content, limits)
        return Reading(tables, tuple(remarks))
    text, said = decode(content)
    if any(remark.fatal for remark in said):
        return Reading((), tuple(said))
    table, more = read_delimited(text, limits)
    ending = safe_name(filename).lower().rpartition(".")[2]
    if ending in {"xlsx", "xlsm", "xls", "xlsb", "ods", "pdf", "numbers"}:
        said = [Remark("file.wrong_ending", {"ending": ending}), *said]
    return Reading((table,) if table else (), (*said, *more))
