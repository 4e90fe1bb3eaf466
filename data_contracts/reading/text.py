"""From bytes to text: the encoding is found, and said when it is not UTF-8."""

import re
from dataclasses import dataclass

# Bytes that Windows-1252 leaves unassigned: a file that has them is something else.
_NOT_WINDOWS = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
# In Mac Roman these are é, è, ê, ï, ü and the like; in Windows-1252 capital or odd signs, which do not stand between small letters.
_MAC_LETTERS = re.compile(rb"[a-z][\x83-\x9f][a-z]")
_WINDOWS_LETTERS = re.compile(rb"[a-z][\x8a\x8c\x8e\x92-\x97\x9a\x9c\x9e\x9f][a-z]")
_LONG_LETTER = re.compile(rb"[\xc3-\xf4][\x80-\xbf]+|\xc2[\x80-\xbf]")
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f]")


@dataclass(frozen=True)
class Remark:
    """A rule that reading came upon, and the values for its message; `fatal` where nothing can be read."""

    rule: str
    values: dict[str, object]
    fatal: bool = False


def decode(content: bytes) -> tuple[str, list[Remark]]:
    """Text of the bytes, with remarks about how it was read."""
    for mark, codec, name in ((b"\xff\xfe", "utf-16-le", "UTF-16"), (b"\xfe\xff", "utf-16-be", "UTF-16")):
        if content.startswith(mark):
            return _sixteen(content[2:], codec, name)
    unmarked = _unmarked_sixteen(content[:4000])
    if unmarked:
        return _sixteen(content, unmarked, "UTF-16 without a mark")
    text, remarks = _eight(content.removeprefix(b"\xef\xbb\xbf"))
    if "\x00" in text or _CONTROLS.search(text[:100_000]):
        return _controls(text, remarks)
    return text, remarks


def _sixteen(content: bytes, codec: str, name: str) -> tuple[str, list[Remark]]:
    text = content.decode(codec, errors="replace").removeprefix("\ufeff")
    if "\ufffd" in text or _CONTROLS.search(text[:100_000]):
        return "", [Remark("file.not_text", {}, fatal=True)]
    return text, [Remark("file.encoding", {"encoding": name, "example": _example(text)})]


def _unmarked_sixteen(start: bytes) -> str | None:
    if len(start) < 8:
        return None
    even, odd = start[0::2].count(0), start[1::2].count(0)
    half = len(start) // 2
    if odd > 0.7 * half and even < 0.1 * half:
        return "utf-16-le"
    return "utf-16-be" if even > 0.7 * half and odd < 0.1 * half else None


def _eight(content: bytes) -> tuple[str, list[Remark]]:
    try:
        return content.decode("utf-8"), []
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
    if _NOT_WINDOWS.search(content) or len(_MAC_LETTERS.findall(content)) > len(_WINDOWS_LETTERS.findall(content)):
        text = content.decode("mac-roman")
        return text, [Remark("file.encoding_unclear", {"row": row, "value": _line(text, row)})]
    text = content.decode("cp1252")
    if _mixed(content):
        return text, [Remark("file.encoding_mixed", {"row": row, "value": _line(text, row)})]
    return text, [Remark("file.encoding", {"encoding": "Windows-1252", "example": _example(text)})]


def _mixed(content: bytes) -> bool:
    """Whether some of the letters beyond ASCII are whole UTF-8 sequences, though not all are."""
    for found in _LONG_LETTER.finditer(content):
        try:
            found.group().decode("utf-8")
        except UnicodeDecodeError:
            continue
        return True
    return False


def _line(text: str, row: int) -> str:
    lines = text.splitlines()
    return lines[row - 1] if row <= len(lines) else ""


def _example(text: str) -> str:
    found = re.search(r"\S*[^\x00-\x7f]\S*", text)
    return f" For example, we read “{found.group()[:40]}”." if found else ""


def _controls(text: str, remarks: list[Remark]) -> tuple[str, list[Remark]]:
    """Text with NUL or control characters: a table all the same if they are few, otherwise not text at all."""
    start = text[:100_000]
    odd = len(_CONTROLS.findall(start))
    if odd > max(20, len(start) // 50):
        return "", [Remark("file.not_text", {}, fatal=True)]
    found = _CONTROLS.search(text)
    row = text.count("\n", 0, found.start()) + 1 if found else None
    return _CONTROLS.sub("", text), [*remarks, Remark("file.nul", {"row": row})]
