"""Whether a refused file may be kept: looked into without a contract, as long as that is possible."""

from typing import Any, Literal

from data_contracts.personal import personal
from data_contracts.reading import Limits, read
from data_contracts.stages.text import any_person, headed

Seen = Literal["", "identifiers", "unread"]


def look_into(filename: str, content: bytes, limits: Limits | None = None) -> Seen:
    """What speaks against keeping a file that was refused.

    Args:
        filename: as sent.
        content: the bytes as received.
        limits: how much is read and for how long.

    Returns:
        `identifiers` where a cell, a comment or a heading tells of persons, `unread` where there is something that nobody can
        look into, such as an encrypted workbook or a PDF, and blank where nothing speaks against it.
    """
    reading = read(filename, content, limits or Limits())
    if not reading.tables:
        return "unread" if content else ""
    comments: list[Any] = [remark.values.get("texts", ()) for remark in reading.remarks]
    tells = any(personal(text) for texts in comments for _, text in texts) or any(headed(table) for table in reading.tables)
    cells = (table.cells[str(place)] for table in reading.tables for place in range(table.width))
    return "identifiers" if tells or any(any_person(one) for one in cells) else ""
