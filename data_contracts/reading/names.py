"""Names of files made safe to show, and bytes taken from a stream without taking too many."""

import unicodedata
from typing import BinaryIO

from data_contracts.personal import masked
from data_contracts.reading.table import Limits

_LONGEST_NAME = 100
_PIECE = 1 << 20


def safe_name(filename: str) -> str:
    """A file's name as it may be kept: no folders, control or direction characters or identifiers of persons, not too long."""
    last = filename.replace("\\", "/").rstrip("/").rpartition("/")[2]
    plain = "".join(letter for letter in last if unicodedata.category(letter)[0] != "C").strip()
    if plain in {"", ".", ".."}:
        return "unnamed file"
    words = plain.replace("_", " ")  # an underscore would hide that a word begins there
    without = masked(words)
    plain = without if without != words else plain
    return plain if len(plain) <= _LONGEST_NAME else f"{plain[: _LONGEST_NAME - 11]}…{plain[-10:]}"


def take(stream: BinaryIO, limits: Limits | None = None) -> bytes:
    """Read a stream up to the size limit and one byte more, so that a check can say that the file is too large.

    Args:
        stream: open for reading bytes; may be endless.
        limits: the size limit.

    Returns:
        The bytes: at most `limits.file_bytes + 1`.
    """
    most = (limits or Limits()).file_bytes + 1
    pieces: list[bytes] = []
    held = 0
    while held < most:
        piece = stream.read(min(_PIECE, most - held))
        if not piece:
            break
        pieces.append(piece)
        held += len(piece)
    return b"".join(pieces)
