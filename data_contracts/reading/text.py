"""From bytes to text: the encoding is found, and said when it is not UTF-8."""

import re
from dataclasses import dataclass
from itertools import islice

# Bytes that Windows-1252 leaves unassigned: a file that has them is something else.
_NOT_WINDOWS = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
# In Mac Roman these are á to è, ò, ’ and –; in Windows-1252 capitals and odd signs, which neither follow small letters nor stand
# alone between spaces.
_MAC_SIGNS = re.compile(rb"[a-z][\x88-\x8a\x8c\x8e\x98]|[a-z][\x87\x91-\x9f][a-z]|[a-z]\xd5[a-z]|[ 0-9]\xd0[ 0-9]")
_WINDOWS_SIGNS = re.compile(rb"[a-z][\x92\x96\x97\x9a\x9c\x9e\x9f][a-z]|[ 0-9][\x96\x97][ 0-9]|\x93[A-Za-z]|\x80[0-9]")
_LONG_LETTER = re.compile(rb"[\xc3-\xf4][\x80-\xbf]+|\xc2[\x80-\xbf]")
_LINE_END = re.compile(rb"\r\n|\r|\n")
_TEXT_LINE_END = re.compile(r"\r\n|\r|\n")
# Every byte but those of control characters, to be taken out: a look at what is left is quicker than a search.
_NO_CONTROLS = bytes({*range(256)} - {*range(9), *range(14, 32)})
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
    if content.translate(None, _NO_CONTROLS) and _CONTROLS.search(text):
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
        row = len(_LINE_END.findall(content, 0, error.start)) + 1
    if _mixed(content):
        text = content.decode("cp1252", errors="replace")
        return text, [Remark("file.encoding_mixed", {"row": row, "value": _line(text, row)})]
    if _NOT_WINDOWS.search(content) or len(_MAC_SIGNS.findall(content)) > len(_WINDOWS_SIGNS.findall(content)):
        text = content.decode("mac-roman")
        return text, [Remark("file.encoding_unclear", {"row": row, "value": _line(text, row)})]
    text = content.decode("cp1252")
    return text, [Remark("file.encoding", {"encoding": "Windows-1252", "example": _example(text)})]


def _mixed(content: bytes) -> bool:
    """Whether some of the letters beyond ASCII are whole UTF-8 sequences, though not all are."""
    for found in islice(_LONG_LETTER.finditer(content), 100_000):
        try:
            found.group().decode("utf-8")
        except UnicodeDecodeError:
            continue
        return True
    return False


def _line(text: str, row: int) -> str:
    return _TEXT_LINE_END.split(text, row)[row - 1]


def _example(text: str) -> str:
    found = re.search(r"\S*[^\x00-\x7f]\S*", text)
    return f" For example, we read “{found.group()[:40]}”." if found else ""


def _controls(text: str, remarks: list[Remark]) -> tuple[str, list[Remark]]:
    """Text with NUL or control characters: a table all the same if they are few, otherwise not text at all."""
    odd = len(_CONTROLS.findall(text[:100_000]))
    if odd > max(20, len(text[:100_000]) // 50):
        return "", [Remark("file.not_text", {}, fatal=True)]
    before = _CONTROLS.split(text, 1)[0]
    row = len(_TEXT_LINE_END.findall(before)) + 1
    return _CONTROLS.sub("", text), [*remarks, Remark("file.nul", {"row": row})]
