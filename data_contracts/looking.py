"""Whether a refused file tells of persons: looked into without a contract."""

from typing import Any

from data_contracts.personal import personal
from data_contracts.reading import Limits, read
from data_contracts.stages.text import any_person, headed


def holds_identifiers(filename: str, content: bytes, limits: Limits | None = None) -> bool:
    """Whether a file that was refused tells of persons, and so may not be kept.

    Args:
        filename: as sent.
        content: the bytes as received.
        limits: how much is read and for how long.

    Returns:
        Whether a cell, a comment or a heading does. What cannot be read, such as an encrypted workbook, is not known to.
    """
    reading = read(filename, content, limits or Limits())
    comments: list[Any] = [remark.values.get("texts", ()) for remark in reading.remarks]
    commented = any(personal(text) for texts in comments for _, text in texts)
    return commented or any(headed(table) or any_person(table) for table in reading.tables)
