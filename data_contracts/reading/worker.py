"""Reads one workbook from standard input and writes its cells as JSON text, as a process of its own with the standard library only.

A workbook is a ZIP file of XML documents. Its directory is looked at first; the documents are then parsed as streams, with no entity
ever expanded, so that neither a cell far away nor a document that unpacks to hundreds of megabytes takes more memory than the
limits allow.
"""

import io
import json
import re
import resource
import sys
import zipfile
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any
from xml.parsers import expat

MOST_ENTRIES = 5_000
MOST_CHARACTERS = 200_000_000
MOST_MARKS = 5_000
RATIO_FROM = 5_000_000
_DATE_IDS = {*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)}
_PERCENT_IDS = {9, 10}
_LITERALS = re.compile(r'"[^"]*"|\\.|_.|\*.|\[[^\]]*\]')
_CELL = re.compile(r"^([A-Za-z]{1,3})(\d{1,7})$")


class Fault(Exception):
    """The workbook cannot or must not be read: id of the rule, and a detail for its message."""

    def __init__(self, rule: str, detail: str = "") -> None:
        super().__init__(rule)
        self.rule, self.detail = rule, detail


Handler = Callable[[str, dict[str, str]], None]


def parse(stream: Iterator[bytes], start: Handler, end: Callable[[str], None], text: Callable[[str], None]) -> None:
    """Parse an XML document as a stream; one that declares a document type (and so could declare entities) is refused."""

    def refuse(*_: object) -> None:
        raise Fault("file.xml_entities")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = lambda name, attributes: start(local(name), attributes)
    parser.EndElementHandler = lambda name: end(local(name))
    parser.CharacterDataHandler = text
    try:
        for piece in stream:
            parser.Parse(piece, False)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise Fault("file.damaged") from error


def local(name: str) -> str:
    """A name without its namespace prefix."""
    return name.rpartition(":")[2]


class Package:
    """The ZIP file, after a look at its directory."""

    def __init__(self, content: bytes, settings: dict[str, int]) -> None:
        self.limit, self.taken = settings["unpacked"], 0
        try:
            self.file = zipfile.ZipFile(io.BytesIO(content))
        except (zipfile.BadZipFile, ValueError, OverflowError, NotImplementedError) as error:
            raise Fault("file.damaged") from error
        self.names = {info.filename for info in self.file.infolist()}
        self.look(settings)

    def look(self, settings: dict[str, int]) -> None:
        """Refuse by names and sizes, before anything is unpacked."""
        entries = self.file.infolist()
        for info in entries:
            name = info.filename.replace("\\", "/")
            if name.startswith("/") or ".." in name.split("/") or re.match(r"^[A-Za-z]:", name):
                raise Fault("file.unsafe_names", info.filename[:100])
            if info.flag_bits & 1:
                raise Fault("file.password")
        if len(entries) > MOST_ENTRIES or sum(info.file_size for info in entries) > self.limit:
            raise Fault("file.bomb")
        large = [info for info in entries if info.file_size > RATIO_FROM]
        if any(info.file_size > settings["ratio"] * max(info.compress_size, 1) for info in large):
            raise Fault("file.bomb")
        self.look_at_kind()

    def look_at_kind(self) -> None:
        """Refuse what is no plain workbook."""
        lower = {name.lower() for name in self.names}
        if any(name.endswith("vbaproject.bin") or "macrosheets/" in name for name in lower):
            raise Fault("file.macros")
        if "xl/workbook.bin" in lower:
            raise Fault("file.binary_workbook")
        if "mimetype" in lower and "content.xml" in lower:
            raise Fault("file.open_document")
        if any(name.endswith(".iwa") for name in lower):
            raise Fault("file.numbers")
        if any(
            name.startswith(("xl/externallinks/", "xl/querytables/", "xl/connections", "xl/embeddings/", "xl/activex/"))
            for name in lower
        ):
            raise Fault("file.external_links")
        if "xl/workbook.xml" not in lower:
            raise Fault("file.other_kind", "a ZIP file that is not a workbook")

    def stream(self, name: str) -> Iterator[bytes]:
        """Unpack one document piece by piece; the directory may lie about sizes, so what comes out is counted."""
        try:
            with self.file.open(name) as handle:
                while piece := handle.read(1 << 16):
                    self.taken += len(piece)
                    if self.taken > self.limit:
                        raise Fault("file.bomb")
                    yield piece
        except (zipfile.BadZipFile, KeyError, EOFError, OSError, NotImplementedError, RuntimeError, ValueError) as error:
            raise Fault("file.damaged") from error
        except Exception as error:
            # zlib.error and its kin, whose classes differ by the way an entry was packed.
            if isinstance(error, Fault | expat.ExpatError | MemoryError):
                raise
            raise Fault("file.damaged") from error


def nothing(*_: object) -> None:
    """Take no notice."""


def shared_strings(package: Package) -> list[str]:
    """Texts that cells point to."""
    strings: list[str] = []
    if "xl/sharedStrings.xml" not in package.names:
        return strings
    state: dict[str, Any] = {"in": False, "phonetic": 0, "parts": []}

    def start(name: str, _: dict[str, str]) -> None:
        if name == "si":
            state["parts"] = []
        elif name == "rPh":
            state["phonetic"] += 1
        elif name == "t":
            state["in"] = not state["phonetic"]

    def end(name: str) -> None:
        if name == "t":
            state["in"] = False
        elif name == "rPh":
            state["phonetic"] -= 1
        elif name == "si":
            strings.append("".join(state["parts"]))

    def text(piece: str) -> None:
        if state["in"]:
            state["parts"].append(piece)

    parse(package.stream("xl/sharedStrings.xml"), start, end, text)
    return strings


def formats(package: Package) -> list[str]:
    """For each cell style: `date`, `percent` or a blank."""
    kinds: list[str] = []
    if "xl/styles.xml" not in package.names:
        return kinds
    codes: dict[int, str] = {}
    state = {"in": False}

    def start(name: str, attributes: dict[str, str]) -> None:
        if name == "numFmt":
            codes[int(attributes.get("numFmtId", 0))] = attributes.get("formatCode", "")
        elif name == "cellXfs":
            state["in"] = True
        elif name == "xf" and state["in"]:
            kinds.append(format_kind(int(attributes.get("numFmtId", 0)), codes))

    def end(name: str) -> None:
        if name == "cellXfs":
            state["in"] = False

    parse(package.stream("xl/styles.xml"), start, end, nothing)
    return kinds


def format_kind(number: int, codes: dict[int, str]) -> str:
    """What a number format makes of a number."""
    plain = _LITERALS.sub("", codes.get(number, ""))
    if number in _PERCENT_IDS or "%" in plain:
        return "percent"
    return "date" if number in _DATE_IDS or ("general" not in plain.lower() and re.search(r"[dmyhsDMYHS]", plain)) else ""


def workbook(package: Package) -> tuple[list[tuple[str, str, bool]], bool]:
    """Sheets as (name, document, hidden), and whether dates count from 1904."""
    targets: dict[str, str] = {}
    sheets: list[tuple[str, str, bool]] = []
    flags = {"1904": False}

    def relation(name: str, attributes: dict[str, str]) -> None:
        if name == "Relationship" and attributes.get("TargetMode") != "External":
            target = attributes.get("Target", "")
            targets[attributes.get("Id", "")] = target.lstrip("/") if target.startswith("/") else f"xl/{target}"

    def sheet(name: str, attributes: dict[str, str]) -> None:
        if name == "workbookPr":
            flags["1904"] = attributes.get("date1904", "0") in {"1", "true"}
        elif name == "sheet":
            identity = next((value for key, value in attributes.items() if local(key) == "id"), "")
            if identity in targets and "worksheet" in targets[identity]:
                sheets.append((attributes.get("name", ""), targets[identity], attributes.get("state", "visible") != "visible"))

    if "xl/_rels/workbook.xml.rels" in package.names:
        parse(package.stream("xl/_rels/workbook.xml.rels"), relation, nothing, nothing)
    parse(package.stream("xl/workbook.xml"), sheet, nothing, nothing)
    return sheets, flags["1904"]


class Sheet:
    """Takes the events of one sheet's document and keeps the cells with text in them, and marks of what is odd."""

    def __init__(
        self, strings: list[str], kinds: list[str], late: bool, settings: dict[str, int], budget: dict[str, int]
    ) -> None:
        self.strings, self.kinds, self.late, self.settings, self.budget = strings, kinds, late, settings, budget
        self.rows: list[tuple[int, list[str]]] = []
        self.marks: list[tuple[int, int, str, str]] = []
        self.blank = self.number = self.position = 0
        self.row: dict[int, str] = {}
        self.hidden_row = self.has_value = self.has_formula = self.phonetic = False
        self.type = self.style = self.inside = ""
        self.parts: list[str] = []
        self.formula: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        if name == "row":
            self.number = whole(attributes.get("r"), self.number + 1)
            self.position, self.row, self.hidden_row = -1, {}, attributes.get("hidden") in {"1", "true"}
        elif name == "c":
            self.begin_cell(attributes)
        elif name in {"v", "t", "f"}:
            self.inside = "" if self.phonetic else name
            self.has_value = self.has_value or name in {"v", "t"}
            self.has_formula = self.has_formula or name == "f"
        elif name == "rPh":
            self.phonetic = True
        elif name == "mergeCell":
            self.mark(*place(attributes.get("ref", "").partition(":")[0]), "merged", attributes.get("ref", ""))
        elif name == "col" and attributes.get("hidden") in {"1", "true"}:
            self.mark(0, whole(attributes.get("min"), 1) - 1, "hidden_column", "")

    def begin_cell(self, attributes: dict[str, str]) -> None:
        """A cell begins; one without a reference follows the one before."""
        reference = attributes.get("r", "")
        if reference:
            row, self.position = place(reference)
            self.number = row or self.number
        else:
            self.position += 1
        self.type, self.style = attributes.get("t", "n"), attributes.get("s", "")
        self.parts, self.formula, self.inside = [], [], ""
        self.has_value = self.has_formula = False

    def text(self, piece: str) -> None:
        """Characters within an element."""
        if self.inside in {"v", "t"}:
            self.parts.append(piece)
        elif self.inside == "f":
            self.formula.append(piece)

    def end(self, name: str) -> None:
        """An element ends."""
        if name == "c":
            self.end_cell()
        elif name == "row":
            self.end_row()
        elif name == "rPh":
            self.phonetic = False
        elif name in {"v", "t", "f"}:
            self.inside = ""

    def end_cell(self) -> None:
        """Keep the cell's text, if it has any."""
        content = self.content("".join(self.parts))
        if self.has_formula and not self.has_value:
            content = "=" + "".join(self.formula)
            self.mark(self.number, self.position, "no_value", content[:200])
        elif self.has_formula:
            self.mark(self.number, self.position, "formula", "")
        if not content:
            return
        if self.position >= self.settings["columns"]:
            self.mark(self.number, self.position, "far", content[:100])
            return
        if len(content) > self.settings["cell"]:
            self.mark(self.number, self.position, "long", "")
            content = content[: self.settings["cell"]]
        self.budget["characters"] -= len(content) + 4
        if self.budget["characters"] < 0:
            raise Fault("file.too_heavy")
        self.row[self.position] = content

    def content(self, raw: str) -> str:
        """The cell's text as a person would type it."""
        if self.type == "s":
            index = whole(raw, -1)
            return self.strings[index] if 0 <= index < len(self.strings) else ""
        if self.type == "e":
            self.mark(self.number, self.position, "error", raw)
            return raw
        if self.type == "b":
            return "TRUE" if raw == "1" else "FALSE"
        if self.type == "d":
            self.mark(self.number, self.position, "date", raw[:10])
            return raw[:10] if raw[10:] in {"", "T00:00:00", "T00:00:00Z"} else raw
        return self.figure(raw) if self.type == "n" and raw else raw

    def figure(self, raw: str) -> str:
        """A number as text: at most 15 digits as Excel shows, without an exponent; a date as its ISO text."""
        try:
            number = float(raw)
        except ValueError:
            return raw
        index = whole(self.style, 0)
        kind = self.kinds[index] if 0 <= index < len(self.kinds) else ""
        if kind == "date":
            content = self.day(number) or plain(number)
            self.mark(self.number, self.position, "date", content)
            return content
        if kind == "percent":
            self.mark(self.number, self.position, "percent", f"{plain(number * 100)}%")
        return plain(number)

    def day(self, serial: float) -> str:
        """ISO date of a serial number; blank where it is none."""
        if not 1 <= serial < 2_900_000 or serial != int(serial):
            return ""
        first = date(1904, 1, 1) if self.late else date(1899, 12, 30) if serial > 60 else date(1899, 12, 31)
        return (first + timedelta(days=int(serial))).isoformat()

    def mark(self, row: int, position: int, kind: str, text: str) -> None:
        """Remember something odd; beyond a great number of marks no more are kept, which the last one says."""
        if kind == "merged" and row == 0:
            return
        if len(self.marks) < MOST_MARKS or kind in {"error", "no_value", "date", "percent"}:
            self.budget["characters"] -= 40
            if self.budget["characters"] < 0:
                raise Fault("file.too_heavy")
            self.marks.append((row, position, kind, text))

    def end_row(self) -> None:
        """Keep the row, if any cell has text."""
        if not any(content.strip() for content in self.row.values()):
            self.blank += 1
            return
        last = max(self.row)
        self.rows.append((self.number, [self.row.get(position, "") for position in range(last + 1)]))
        if self.hidden_row:
            self.mark(self.number, 0, "hidden_row", "")


def whole(text: str | None, otherwise: int) -> int:
    """A whole number of at most seven digits, or another."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 8 else otherwise


def place(reference: str) -> tuple[int, int]:
    """Row number and place from 0 of a cell reference."""
    found = _CELL.match(reference)
    if not found:
        raise Fault("file.damaged")
    number = 0
    for letter in found[1].upper():
        number = number * 26 + ord(letter) - 64
    return int(found[2]), number - 1


def plain(number: float) -> str:
    """A number without an exponent, with at most 15 digits."""
    if number != number or number in (float("inf"), float("-inf")):
        return str(number)
    short = f"{number:.15g}"
    if "e" in short:
        short = f"{number:.20f}".rstrip("0").rstrip(".") if abs(number) < 1 else f"{number:.0f}"
    return "0" if short == "-0" else short


def read(content: bytes, settings: dict[str, int]) -> dict[str, Any]:
    """All sheets of a workbook."""
    package = Package(content, settings)
    sheets, late = workbook(package)
    strings, kinds = shared_strings(package), formats(package)
    budget = {"characters": MOST_CHARACTERS}
    answer: list[dict[str, Any]] = []
    for name, document, hidden in sheets:
        sheet = Sheet(strings, kinds, late, settings, budget)
        parse(package.stream(document), sheet.start, sheet.end, sheet.text)
        answer.append({"name": name, "hidden": hidden, "rows": sheet.rows, "marks": sheet.marks, "blank_rows": sheet.blank})
    remarks = [{"rule": "file.comments", "values": {}}] if any(name.startswith("xl/comments") for name in package.names) else []
    return {"sheets": answer, "remarks": remarks}


def main() -> None:
    """Set the limits, read, answer."""
    settings = json.loads(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (settings["memory"], settings["memory"]))
    resource.setrlimit(resource.RLIMIT_CPU, (settings["seconds"], settings["seconds"] + 2))
    try:
        answer = read(sys.stdin.buffer.read(), settings)
    except Fault as fault:
        answer = {"fault": fault.rule, "detail": fault.detail}
    except MemoryError:
        answer = {"fault": "file.too_heavy"}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
