"""Reads one workbook from standard input and writes its cells as JSON: a process of its own, with the standard library only.

A workbook is a ZIP file of XML documents. Its directory is looked at first; the documents are then parsed as streams, with no
entity ever expanded, so that neither a cell far away nor a document that unpacks to hundreds of megabytes takes more memory than
the limits allow. Two readings of one file must not differ: parts with the same name, rows and cells out of order are refused.
"""

import io
import json
import posixpath
import re
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any
from xml.parsers import expat

if sys.platform != "win32":
    import resource

MOST_ENTRIES = 5_000
MOST_CHARACTERS = 100_000_000
MOST_MARKS = 5_000
RATIO_FROM = 5_000_000
_DATE_IDS = {*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)}
_PERCENT_IDS = {9, 10}
_LITERALS = re.compile(r'"[^"]*"|\\.|_.|\*.|\[[^\]]*\]')
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_LINE_ENDS = re.compile(r"\r\n|\r|\n")
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
        if error.code == expat.errors.codes[expat.errors.XML_ERROR_NO_MEMORY]:
            raise Fault("file.too_heavy") from error
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
        packed = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
        if len(self.names) < len(entries) or any(info.compress_type not in packed for info in entries):
            raise Fault("file.damaged")
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
        except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, OSError, RuntimeError, ValueError) as error:
            raise Fault("file.damaged") from error


def nothing(*_: object) -> None:
    """Take no notice."""


def shared_strings(package: Package, document: str) -> list[str]:
    """Texts that cells point to."""
    strings: list[str] = []
    if document not in package.names:
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
            strings.append(unescaped("".join(state["parts"])))

    def text(piece: str) -> None:
        if state["in"]:
            state["parts"].append(piece)

    parse(package.stream(document), start, end, text)
    return strings


def unescaped(text: str) -> str:
    """A text with the control characters that Excel writes like `_x000D_`."""
    return _ESCAPED.sub(lambda found: chr(code) if (code := int(found[1], 16)) < 0xD800 else found[0], text)


def formats(package: Package, document: str) -> list[str]:
    """For each cell style: `date`, `percent` or a blank."""
    kinds: list[str] = []
    if document not in package.names:
        return kinds
    codes: dict[int, str] = {}
    state = {"in": False}

    def start(name: str, attributes: dict[str, str]) -> None:
        if name == "numFmt":
            codes[whole(attributes.get("numFmtId"), 0)] = attributes.get("formatCode", "")
        elif name == "cellXfs":
            state["in"] = True
        elif name == "xf" and state["in"]:
            kinds.append(format_kind(whole(attributes.get("numFmtId"), 0), codes))

    def end(name: str) -> None:
        if name == "cellXfs":
            state["in"] = False

    parse(package.stream(document), start, end, nothing)
    return kinds


def format_kind(number: int, codes: dict[int, str]) -> str:
    """What a number format makes of a number."""
    plain = _LITERALS.sub("", codes.get(number, ""))
    if number in _PERCENT_IDS or "%" in plain:
        return "percent"
    return "date" if number in _DATE_IDS or ("general" not in plain.lower() and re.search(r"[dmyhsDMYHS]", plain)) else ""


class Workbook:
    """The table of contents: sheets as (name, document, hidden), other documents, and whether dates count from 1904."""

    def __init__(self, package: Package) -> None:
        self.targets: dict[str, str] = {}
        self.documents = {"sharedStrings": "xl/sharedStrings.xml", "styles": "xl/styles.xml"}
        self.sheets: list[tuple[str, str, bool]] = []
        self.late = False
        if "xl/_rels/workbook.xml.rels" in package.names:
            parse(package.stream("xl/_rels/workbook.xml.rels"), self.relation, nothing, nothing)
        parse(package.stream("xl/workbook.xml"), self.sheet, nothing, nothing)

    def relation(self, name: str, attributes: dict[str, str]) -> None:
        """Where a part of the workbook lies."""
        if name != "Relationship" or attributes.get("TargetMode") == "External":
            return
        document = posixpath.normpath(posixpath.join("/xl", attributes.get("Target", ""))).lstrip("/")
        kind = attributes.get("Type", "").rpartition("/")[2]
        if kind == "worksheet":
            self.targets[attributes.get("Id", "")] = document
        elif kind in self.documents:
            self.documents[kind] = document

    def sheet(self, name: str, attributes: dict[str, str]) -> None:
        """One sheet; sheets that hold only a chart are passed over."""
        if name == "workbookPr":
            self.late = attributes.get("date1904", "0") in {"1", "true"}
        elif name == "sheet":
            identity = next((value for key, value in attributes.items() if local(key) == "id"), "")
            if identity in self.targets:
                hidden = attributes.get("state", "visible") != "visible"
                self.sheets.append((attributes.get("name", ""), self.targets[identity], hidden))


class Sheet:
    """Takes the events of one sheet's document and keeps the cells with text in them, and marks of what is odd."""

    def __init__(
        self, strings: list[str], kinds: list[str], late: bool, settings: dict[str, int], budget: dict[str, int]
    ) -> None:
        self.strings, self.kinds, self.late, self.settings, self.budget = strings, kinds, late, settings, budget
        self.rows: list[tuple[int, list[str]]] = []
        self.marks: list[tuple[int, int, str, str]] = []
        self.counts: dict[str, int] = {}
        self.blank = self.number = self.position = self.formulas = self.widest = 0
        self.row: dict[int, str] = {}
        self.hidden_row = self.has_formula = self.phonetic = False
        self.type = self.style = self.inside = ""
        self.parts: list[str] = []
        self.formula: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        if name == "row":
            number = whole(attributes.get("r"), self.number + 1)
            if number <= self.number:
                raise Fault("file.damaged")
            self.number = number
            self.position, self.row, self.hidden_row = -1, {}, attributes.get("hidden") in {"1", "true"}
        elif name == "c":
            self.begin_cell(attributes)
        elif name in {"v", "t", "f"}:
            self.inside = "" if self.phonetic else name
            self.has_formula = self.has_formula or name == "f"
        elif name == "rPh":
            self.phonetic = True
        elif name == "mergeCell":
            self.mark(*place(attributes.get("ref", "").partition(":")[0]), "merged", attributes.get("ref", ""))
        elif name == "col" and attributes.get("hidden") in {"1", "true"}:
            self.mark(0, whole(attributes.get("min"), 1) - 1, "hidden_column", "")

    def begin_cell(self, attributes: dict[str, str]) -> None:
        """A cell begins; one without a reference follows the one before."""
        row, position = place(attributes["r"]) if attributes.get("r") else (self.number, self.position + 1)
        if row != self.number or position <= self.position:
            raise Fault("file.damaged")
        self.position = position
        self.type, self.style = attributes.get("t", "n"), attributes.get("s", "")
        self.parts, self.formula, self.inside = [], [], ""
        self.has_formula = False

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
        content = _LINE_ENDS.sub(" ", self.content("".join(self.parts)))
        if self.has_formula and not self.parts and self.type != "str":
            content = "=" + "".join(self.formula)
            self.mark(self.number, self.position, "no_value", content[:200])
        elif self.has_formula:
            self.formulas += 1
        if not content:
            return
        if self.position >= self.settings["columns"]:
            self.mark(self.number, self.position, "far", content[:100])
            return
        if len(content) > self.settings["cell"]:
            self.mark(self.number, self.position, "long", "")
            content = content[: self.settings["cell"]]
        self.spend(len(content))
        self.row[self.position] = content

    def content(self, raw: str) -> str:
        """The cell's text as a person would type it."""
        if self.type == "s":
            index = whole(raw, -1)
            return self.strings[index] if 0 <= index < len(self.strings) else ""
        if self.type in {"inlineStr", "str"}:
            return unescaped(raw)
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
        """ISO date of a serial number, with the time of day where there is one; blank where it is no date."""
        # Excel counts a 29 February 1900 that never was: serials up to 60 are a day off, and no return has such dates.
        if not 61 <= serial < 2_900_000:
            return ""
        minutes = round((serial - int(serial)) * 1440)
        day = (date(1904, 1, 1) if self.late else date(1899, 12, 30)) + timedelta(days=int(serial))
        return f"{day.isoformat()} {minutes // 60:02}:{minutes % 60:02}" if minutes else day.isoformat()

    def mark(self, row: int, position: int, kind: str, text: str) -> None:
        """Remember something odd; of the kinds that make a finding of their own, a great number is enough."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if self.counts[kind] <= MOST_MARKS or kind in {"error", "no_value", "date", "percent"}:
            self.spend(40)
            self.marks.append((row, position, kind, text))

    def spend(self, characters: int) -> None:
        """Count what the answer will hold, and stop before it is too much."""
        self.budget["characters"] -= characters
        if self.budget["characters"] < 0:
            raise Fault("file.too_heavy")

    def end_row(self) -> None:
        """Keep the row, if any cell has text."""
        if not any(content.strip() for content in self.row.values()):
            self.blank += 1
            return
        last = max(self.row)
        self.spend(4 * (last + 1))
        self.widest = max(self.widest, last + 1)
        if self.widest * (len(self.rows) + 1) > self.settings["cells"] or len(self.rows) >= self.settings["rows"]:
            raise Fault("file.too_many_cells")
        self.rows.append((self.number, [self.row.get(position, "") for position in range(last + 1)]))
        if self.hidden_row:
            self.mark(self.number, 0, "hidden_row", "")

    def end_sheet(self) -> None:
        """Say how many cells are formulas with a value."""
        if self.formulas:
            self.mark(self.number, 0, "formula", str(self.formulas))


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


def comments(package: Package) -> list[list[str]]:
    """Cell and text of each comment, without who wrote it."""
    found: list[list[str]] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        if name in ("comment", "threadedComment", "authors"):
            found.append([attributes.get("ref", ""), ""])

    def text(piece: str) -> None:
        if found:
            found[-1][1] += piece

    for name in package.names:
        if name.lower().startswith(("xl/comments", "xl/threadedcomments/")):
            parse(package.stream(name), start, nothing, text)
    return [one for one in found if one[0]]


def read(content: bytes, settings: dict[str, int]) -> dict[str, Any]:
    """All sheets of a workbook."""
    package = Package(content, settings)
    contents = Workbook(package)
    strings = shared_strings(package, contents.documents["sharedStrings"])
    kinds = formats(package, contents.documents["styles"])
    budget = {"characters": MOST_CHARACTERS}
    answer: list[dict[str, Any]] = []
    for name, document, hidden in contents.sheets:
        sheet = Sheet(strings, kinds, contents.late, settings, budget)
        parse(package.stream(document), sheet.start, sheet.end, sheet.text)
        sheet.end_sheet()
        facts = {"name": name, "hidden": hidden, "rows": sheet.rows, "marks": sheet.marks}
        answer.append({**facts, "blank_rows": sheet.blank, "late": contents.late})
    said = comments(package)
    return {"sheets": answer, "remarks": [{"rule": "file.comments", "values": {"texts": said}}] if said else []}


def limit(memory: int, seconds: int, written: int = 0) -> None:
    """Have the system stop this process at so many bytes and seconds, and let it write no file longer than `written` bytes.

    Windows has no such limits: there the counts of this module and the caller's clock hold alone.
    """
    if sys.platform == "win32":
        return
    # macOS refuses a limit of the address space below what the process was given.
    if sys.platform != "darwin":
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 2))
    resource.setrlimit(resource.RLIMIT_FSIZE, (written, written))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """Set the limits, read, answer."""
    settings = json.loads(sys.argv[1])
    limit(settings["memory"], settings["seconds"])
    try:
        answer = _bytes(read(sys.stdin.buffer.read(), settings))
    except Fault as fault:
        answer = _bytes({"fault": fault.rule, "detail": fault.detail})
    except MemoryError:
        answer = _bytes({"fault": "file.too_heavy"})
    sys.stdout.buffer.write(answer)


def _bytes(answer: dict[str, Any]) -> bytes:
    return json.dumps(answer, ensure_ascii=False).encode("utf-8")


if __name__ == "__main__":
    main()
