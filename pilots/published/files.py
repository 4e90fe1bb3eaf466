"""Opening an upload of published data: a zip or one CSV, with every refusal in words. Nothing is written to disk."""

import io
import lzma
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from pilots.errors import UserError

MAX_UPLOAD = 200 * 1024 * 1024
MAX_FILES = 500
MAX_UNPACKED = 1024 * 1024 * 1024
MAX_RATIO = 400  # published CSVs pack 10 to 30 times smaller; a bomb a thousand times
RATIO_FROM = 5 * 1024 * 1024  # small files may pack to almost nothing
DESCRIBES = "describes a data file"

# What zipfile and its decompressors raise on broken, truncated or protected parts.
_BROKEN = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, ValueError, NotImplementedError, EOFError, RuntimeError)


class NotReadable(UserError):
    """An upload that cannot be taken in; the message says what is wrong, where, and what to do.

    Attributes:
        sections: what was found before that, by section of the report: its files, and the account of their cells.
    """

    def __init__(self, message: str, sections: dict[str, list[dict[str, Any]]] | None = None) -> None:
        super().__init__(message)
        self.sections = {name: (sections or {}).get(name, []) for name in ("files", "reconciled")}


@dataclass
class Upload:
    """The parts of an upload.

    Attributes:
        tables: (file name, text) of each CSV, sorted by name.
        supporting: (file name, text) of each supporting CSV: nothing of it is used, and its cells are accounted for.
        guidance: text of the data guidance, or empty.
        ignored: (file name, reason) of parts that were not opened.
        notes: what was done to read them, in sentences.
    """

    tables: list[tuple[str, str]] = field(default_factory=list)
    supporting: list[tuple[str, str]] = field(default_factory=list)
    guidance: str = ""
    ignored: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def check_size(filename: str, content: bytes) -> None:
    """Stop an upload that is too large to be kept.

    Raises:
        NotReadable: it is.
    """
    if len(content) > MAX_UPLOAD:
        raise NotReadable(
            f"{filename} is {len(content) // 2**20} MB; at most {MAX_UPLOAD // 2**20} MB can be taken in. "
            "Send the data files of the release one by one."
        )


def open_upload(filename: str, content: bytes) -> Upload:
    """Open a zip of CSVs, or one CSV, as published.

    Args:
        filename: the name it came with.
        content: its bytes.

    Raises:
        NotReadable: empty, too large, not a zip and not CSV text, no CSV inside, a name that leads outside, or a zip bomb.
    """
    if not content:
        raise NotReadable(f"{filename} is empty (0 bytes). Download the file again.")
    check_size(filename, content)
    if content[:2] == b"PK":
        return _open_zip(filename, content)
    if filename.lower().endswith(".zip"):
        raise NotReadable(
            f"{filename} is not a zip file although its name ends in .zip. Download the release again (“Download all data”)."
        )
    upload = Upload()
    _add_table(upload, PurePosixPath(filename).name, content)
    return upload


def _open_zip(filename: str, content: bytes) -> Upload:
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    except _BROKEN as error:
        raise NotReadable(f"{filename} is a broken zip file ({error}). Download it again.") from None
    _check_entries(filename, entries)
    upload = Upload()
    for entry in sorted(entries, key=lambda item: item.filename):
        _take(upload, filename, archive, entry)
    if not upload.tables:
        raise NotReadable(f"{filename} has no CSV file. It must be the zip of a release with its data folder.")
    return upload


def _check_entries(filename: str, entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > MAX_FILES:
        raise NotReadable(f"{filename} has {len(entries)} files; at most {MAX_FILES} are opened.")
    for entry in entries:
        path = PurePosixPath(entry.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
            raise NotReadable(f"{filename} has a file whose name leads outside the zip (“{entry.filename}”). Refused as unsafe.")
        if entry.flag_bits & 1:
            raise NotReadable(f"{filename}: “{entry.filename}” is protected by a password. Send the release as published.")
        if entry.file_size > RATIO_FROM and entry.file_size > MAX_RATIO * max(entry.compress_size, 1):
            raise NotReadable(
                f"{filename}: “{entry.filename}” unpacks to {entry.file_size // 2**20} MB from almost nothing (a zip bomb). "
                "Refused. Download the release again."
            )
    total = sum(entry.file_size for entry in entries)
    if total > MAX_UNPACKED:
        raise NotReadable(f"{filename} unpacks to {total // 2**20} MB; at most {MAX_UNPACKED // 2**20} MB are opened.")


def _take(upload: Upload, filename: str, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    name = PurePosixPath(entry.filename).name
    lower = entry.filename.lower()
    if lower.endswith(".meta.csv"):
        upload.ignored.append((name, DESCRIBES))
        return
    if not lower.endswith((".csv", "guidance.txt")):
        upload.ignored.append((name, "not a CSV file"))
        return
    try:
        with archive.open(entry) as handle:  # never read more than the directory announced
            content = handle.read(entry.file_size + 1)
    except _BROKEN as error:
        raise NotReadable(f"{filename}: “{entry.filename}” cannot be unpacked ({error}). Download the zip again.") from None
    if len(content) > entry.file_size:
        raise NotReadable(f"{filename}: “{entry.filename}” is larger than the zip says. Refused.")
    if lower.endswith(".txt"):
        upload.guidance = content.decode("utf-8-sig", errors="replace")
    elif "supporting" in PurePosixPath(lower).parts[0]:
        _add_supporting(upload, name, content)
    else:
        _add_table(upload, name, content)


def _add_table(upload: Upload, name: str, content: bytes) -> None:
    if name in {known for known, _ in upload.tables}:
        raise NotReadable(f"There are two files “{name}”, and only one of them can be right. Send the release as published.")
    upload.tables.append((name, _text(upload, name, content)))


def _add_supporting(upload: Upload, name: str, content: bytes) -> None:
    """Keep a supporting file's text for the account; a name that is taken gets the folder's before it."""
    taken = {known for known, _ in [*upload.tables, *upload.supporting]}
    called = f"supporting-files/{name}" if name in taken else name
    upload.ignored.append((called, "supporting file, not open data in the standard layout"))
    try:
        upload.supporting.append((called, _text(Upload(), called, content)))
    except NotReadable:
        return  # bytes that are no text have no cells


def _text(upload: Upload, name: str, content: bytes) -> str:
    utf_16 = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    if not utf_16 and b"\x00" in content[:4096]:
        raise NotReadable(f"{name} is not text. It must be a CSV file or the zip of a release.")
    try:
        text = content.decode("utf-16" if utf_16 else "utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
        upload.notes.append(f"{name} is not UTF-8; it was read as Windows-1252. Look at names with accents.")
    # Old Macintosh line ends: the file is one long line otherwise.
    return text.replace("\r", "\n") if "\r" in text and "\n" not in text else text
