"""Files as they should not be: items 1 to 47 of the list of bad inputs, one builder a case. Loaded by conftest.py."""

import dataclasses
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from contract_tables import SHEET, as_book, example, repacked
from openpyxl import Workbook
from openpyxl.styles import PatternFill

from data_contracts import Context, Contract, Limits, load_contract, parse_contract
from data_contracts.reading import take

HEADING, *ROWS = example("ehcp_process")
# The example's only comma inside a cell is taken out, so that the plain cases have no quotation marks at all.
ROWS = [[cell.replace(",", "") for cell in row] for row in ROWS]
NOTE = HEADING.index("note")
Expected = tuple[str, str, int | None, str | None]  # rule, severity, row, cell


def lines(heading: list[str] | None = None, rows: list[list[str]] | None = None, mark: str = ",") -> list[str]:
    return [mark.join(cells) for cells in (heading or HEADING, *(rows or ROWS))]


def text(heading: list[str] | None = None, rows: list[list[str]] | None = None, mark: str = ",", end: str = "\n") -> str:
    return end.join([*lines(heading, rows, mark), ""])


def with_note(note: str) -> str:
    """The good table with a note in row 3."""
    rows = [list(row) for row in ROWS]
    rows[1][NOTE] = note
    return text(rows=rows)


def good() -> bytes:
    return text().encode()


def workbook(change: Callable[[Workbook], None] | None = None) -> bytes:
    """The good table as a workbook, changed by a function."""
    return as_book([HEADING, *ROWS], change)


def zipped(**parts: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as package:
        for name, content in parts.items():
            package.writestr(name, content)
    return held.getvalue()


def old_workbook(stream: str) -> bytes:
    """The start of an OLE2 file with one named stream, which is what a reader looks at."""
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504) + stream.encode("utf-16-le") + bytes(512)


def bomb() -> bytes:
    """About 210 KB that unpack to 210 MB of one sheet."""
    return repacked(workbook(), {SHEET: lambda part: part.replace(b"<sheetData>", b"<sheetData>" + b" " * 210_000_000)})


def far_cell() -> bytes:
    def change(book: Workbook) -> None:
        book.active["XFD1048576"] = "x"

    return workbook(change)


def formatted_rows() -> bytes:
    """300,000 rows that have a colour and nothing else, as when a whole column was formatted."""
    empty = b"".join(b'<row r="%d"><c r="A%d" s="1"/><c r="B%d" s="1"/></row>' % (row, row, row) for row in range(14, 300_014))

    def change(book: Workbook) -> None:
        book.active["A1"].fill = PatternFill("solid", "FFFF00")

    return repacked(workbook(change), {SHEET: lambda part: part.replace(b"</sheetData>", empty + b"</sheetData>")})


def entities(declaration: bytes, use: bytes) -> bytes:
    def change(part: bytes) -> bytes:
        body = part.partition(b"?>")[2] if part.startswith(b"<?xml") else part
        return b'<?xml version="1.0"?><!DOCTYPE w [' + declaration + b"]>" + body.replace(b"<sheetData>", b"<sheetData>" + use)

    return repacked(workbook(), {SHEET: change})


def laughs() -> bytes:
    steps = b"".join(b'<!ENTITY a%d "%s">' % (number, b"&a%d;" % (number - 1) * 10) for number in range(1, 10))
    return entities(b'<!ENTITY a0 "ha">' + steps, b'<row r="1"><c r="A1" t="str"><v>&a9;</v></c></row>')


def outside_entity() -> bytes:
    return entities(b'<!ENTITY x SYSTEM "file:///etc/passwd">', b'<row r="1"><c r="A1" t="str"><v>&x;</v></c></row>')


class Endless(io.RawIOBase):
    """A stream of 5 GB and more: it never ends, and counts what was read of it."""

    def __init__(self) -> None:
        self.given = 0

    def read(self, size: int = -1) -> bytes:
        assert size >= 0, "the whole stream was asked for at once"
        self.given += size
        return b"x" * size


def streamed() -> bytes:
    return take(Endless(), SMALL)  # type: ignore[arg-type]


SMALL = Limits(file_bytes=1_000_000)
TINY = Limits(file_bytes=1_000)


@dataclass(frozen=True)
class BadFile:
    """One case.

    Attributes:
        item: its number in the list.
        name: what is wrong with the file.
        content: makes the bytes.
        expect: every finding: rule, severity, row, cell.
        filename: as sent.
        limits: lowered where the real ones would take gigabytes.
        same_rows: without an error the typed rows are those of the good file.
        why: what a reader of the table must know.
        contract: name of the contract, or the text of one made up for the tests.
        context: what differs from the good example's context; a function is asked for the value.
    """

    item: int
    name: str
    content: Callable[[], bytes]
    expect: tuple[Expected, ...]
    filename: str = "return.csv"
    limits: Limits = field(default_factory=Limits)
    same_rows: bool = True
    why: str = ""
    contract: str | Contract = "ehcp_process"
    context: dict[str, Any] = field(default_factory=dict)

    def loaded(self) -> Contract:
        if isinstance(self.contract, Contract):
            return self.contract
        return parse_contract(self.contract) if "\n" in self.contract else load_contract(self.contract)

    def known(self, contexts: dict[str, Context]) -> Context:
        """The context of the check."""
        changes = {name: value() if callable(value) else value for name, value in self.context.items()}
        return dataclasses.replace(contexts.get(self.loaded().name, Context()), **changes)


def book_with(part: str) -> Callable[[], bytes]:
    """The good table as a workbook that has one part more."""
    return lambda: repacked(workbook(), add={part: b"x"})


def error(rule: str, row: int | None = None, cell: str | None = None) -> Expected:
    return rule, "error", row, cell


def note(rule: str, row: int | None = None, cell: str | None = None) -> Expected:
    return rule, "note", row, cell


def changed(row: int, column: str | int, value: str) -> list[list[str]]:
    """The good rows with one cell changed; `row` as the spreadsheet shows it."""
    rows = [list(cells) for cells in ROWS]
    rows[row - 2][HEADING.index(column) if isinstance(column, str) else column] = value
    return rows


def heading(**renamed: str) -> list[str]:
    return [renamed.get(name, name) for name in HEADING]


def quoted(row: int, note_cell: str, plain: bool = False) -> str:
    """The good table with a note written as given in one row."""
    written = lines()
    written[row - 1] = ",".join([*ROWS[row - 2][:NOTE], note_cell, *ROWS[row - 2][NOTE + 1 :]])
    return "\n".join([*written, ""])


def reordered() -> str:
    return text(HEADING[::-1], [row[::-1] for row in ROWS])


def longer() -> str:
    """A number with a comma between the thousands, which makes two cells of one."""
    return text(rows=changed(3, "requests", "1,188"))


def shorter() -> str:
    written = lines()
    written[3] = ",".join(ROWS[2][:6])
    return "\n".join([*written, ""])


def extra(name: str, value: str) -> str:
    return text([*HEADING, name], [[*row, value] for row in ROWS])


def without(name: str) -> str:
    place = HEADING.index(name)
    return text(
        *([*cells[:place], *cells[place + 1 :]] for cells in [HEADING]), rows=[[*row[:place], *row[place + 1 :]] for row in ROWS]
    )


def unnamed(place: int, values: str) -> str:
    return text([*HEADING[:place], "", *HEADING[place:]], [[*row[:place], values, *row[place:]] for row in ROWS])


WINDOWS = "Costs £5,000 – see the café’s list".replace(",", "")
MAC_NOTE = "The café’s list is at José’s"
HTML = "<html><body><table><tr><td>authority</td></tr></table></body></html>"
LONG_NAME = "a" * 300 + ".csv"

FILE_CASES = (
    BadFile(1, "no bytes", lambda: b"", (error("file.empty"),)),
    BadFile(2, "headings only", lambda: lines()[0].encode(), (error("shape.no_rows"),)),
    BadFile(3, "blank lines only", lambda: b"\r\n \r\n\t\r\n\r\n", (error("file.blank"),)),
    BadFile(3, "commas only", lambda: b",,,\n,,,\n", (error("file.blank"),)),
    BadFile(
        4,
        "titles above",
        lambda: ("Regional return\nAutumn term\n\n" + text()).encode(),
        (note("shape.title_rows", 4), note("shape.blank_rows")),
    ),
    BadFile(5, "headings twice", lambda: text(rows=[HEADING, *ROWS]).encode(), (error("shape.second_heading", 2),)),
    BadFile(5, "groups above", lambda: ("Key,,Requests,,Plans\n" + text()).encode(), (note("shape.title_rows", 2),)),
    BadFile(6, "CSV named xlsx", good, (note("file.wrong_ending"),), "return.xlsx"),
    BadFile(7, "web page named xls", lambda: HTML.encode(), (error("file.web_page"),), "return.xls"),
    BadFile(7, "single file web page", lambda: b"MIME-Version: 1.0\n" + HTML.encode(), (error("file.web_page"),), "return.xls"),
    BadFile(8, "old workbook", lambda: old_workbook("Workbook"), (error("file.old_excel"),), "return.xls"),
    BadFile(
        8, "very old workbook", lambda: b"\x09\x08\x10\x00\x00\x06\x05\x00" + bytes(100), (error("file.old_excel"),), "return.xls"
    ),
    BadFile(9, "password", lambda: old_workbook("EncryptedPackage"), (error("file.password"),), "return.xlsx"),
    BadFile(10, "macros", book_with("xl/vbaProject.bin"), (error("file.macros"),), "return.xlsm"),
    BadFile(10, "old macros", book_with("xl/macrosheets/sheet1.xml"), (error("file.macros"),), "return.xlsx"),
    BadFile(11, "binary workbook", lambda: zipped(**{"xl/workbook.bin": b"x"}), (error("file.binary_workbook"),), "return.xlsb"),
    BadFile(
        12, "OpenDocument", lambda: zipped(mimetype=b"x", **{"content.xml": b"x"}), (error("file.open_document"),), "return.ods"
    ),
    BadFile(13, "Numbers", lambda: zipped(**{"Index/Document.iwa": b"x"}), (error("file.numbers"),), "return.numbers"),
    BadFile(
        13,
        "link to a Google sheet",
        lambda: b'{"url": "https://example.org/x", "doc_id": "1"}',
        (error("file.other_kind"),),
        "return.gsheet",
    ),
    BadFile(14, "PDF renamed", lambda: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj", (error("file.other_kind"),)),
    BadFile(15, "cut short", lambda: workbook()[:3000], (error("file.damaged"),), "return.xlsx"),
    BadFile(15, "not a workbook", lambda: zipped(**{"readme.txt": b"x"}), (error("file.other_kind"),), "return.xlsx"),
    BadFile(16, "unpacks to 210 MB", bomb, (error("file.bomb"),), "return.xlsx"),
    BadFile(
        17,
        "a cell at XFD1048576",
        far_cell,
        (error("shape.far_cell", 1_048_576, "XFD1048576"), note("shape.blank_rows")),
        "return.xlsx",
    ),
    BadFile(18, "300,000 formatted rows", formatted_rows, (note("shape.blank_rows"),), "return.xlsx"),
    BadFile(19, "entities that multiply", laughs, (error("file.xml_entities"),), "return.xlsx"),
    BadFile(19, "entity from outside", outside_entity, (error("file.xml_entities"),), "return.xlsx"),
    BadFile(20, "name that climbs", book_with("../../evil.xml"), (error("file.unsafe_names"),), "return.xlsx"),
    BadFile(20, "name from the root", book_with("/etc/evil"), (error("file.unsafe_names"),), "return.xlsx"),
    BadFile(20, "name with a drive", book_with("C:\\evil"), (error("file.unsafe_names"),), "return.xlsx"),
    BadFile(
        21,
        "links to other files",
        book_with("xl/externalLinks/externalLink1.xml"),
        (error("file.external_links"),),
        "return.xlsx",
    ),
    BadFile(21, "web query", book_with("xl/queryTables/queryTable1.xml"), (error("file.external_links"),), "return.xlsx"),
    BadFile(21, "data connection", book_with("xl/connections.xml"), (error("file.external_links"),), "return.xlsx"),
    BadFile(21, "embedded object", book_with("xl/embeddings/oleObject1.bin"), (error("file.external_links"),), "return.xlsx"),
    BadFile(22, "over the limit", good, (error("file.too_large"),), limits=TINY),
    BadFile(
        23,
        "5 GB as a stream",
        streamed,
        (error("file.too_large"),),
        limits=SMALL,
        why="`take` stops one byte past the size limit, whatever is still to come; the limit is lowered, the stream never ends",
    ),
    BadFile(24, "name with folders", good, (note("file.name"),), "../../etc/return.csv"),
    BadFile(24, "name with backslashes", good, (note("file.name"),), "C:\\fakepath\\return.csv"),
    BadFile(24, "name of 300 characters", good, (note("file.name"),), LONG_NAME),
    BadFile(24, "name with NUL", good, (note("file.name"),), "ret\x00urn.csv"),
    BadFile(24, "name that turns its direction", good, (note("file.name"),), "return\u202evsc.exe"),
    BadFile(24, "name with emoji", good, (), "return 📊.csv", why="an emoji does no harm: the name is shown as it is"),
    BadFile(24, "name of dots", good, (note("file.name"),), ".."),
    BadFile(
        25,
        "virus scanners' test file",
        lambda: b"X5O!P%@AP[4\\PZX54(P^)7CC)7}" + b"$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*",
        (error("file.virus"),),
    ),
)

SHAPE_CASES = (
    BadFile(26, "UTF-8 with a mark", lambda: text().encode("utf-8-sig"), (), why="CSV UTF-8 from Excel: what is asked for"),
    BadFile(27, "Windows-1252", lambda: with_note(WINDOWS).encode("cp1252"), (note("file.encoding"),), same_rows=False),
    BadFile(28, "UTF-16 LE, marked", lambda: b"\xff\xfe" + text().encode("utf-16-le"), (note("file.encoding"),)),
    BadFile(28, "UTF-16 BE, marked", lambda: b"\xfe\xff" + text().encode("utf-16-be"), (note("file.encoding"),)),
    BadFile(28, "UTF-16 LE, unmarked", lambda: text().encode("utf-16-le"), (note("file.encoding"),)),
    BadFile(28, "UTF-16 BE, unmarked", lambda: text().encode("utf-16-be"), (note("file.encoding"),)),
    BadFile(28, "UTF-16 cut in a letter", lambda: (b"\xff\xfe" + text().encode("utf-16-le"))[:-1], (error("file.not_text"),)),
    BadFile(29, "Mac Roman", lambda: with_note(MAC_NOTE).encode("mac-roman"), (error("file.encoding_unclear", 3),)),
    BadFile(
        30,
        "two encodings",
        lambda: (
            text(rows=changed(3, "note", "é")).encode()
            + ",".join([*ROWS[0][:NOTE], "café", *ROWS[0][NOTE + 1 :]]).encode("cp1252")
        ),
        (error("file.encoding_mixed", 14), error("rows.conflict", 14, "A14"), ("text.mojibake", "query", 3, "M3")),
        why="the note in row 3 is not what was meant, and is said to be so as well",
    ),
    BadFile(31, "NUL", lambda: with_note("a\x00b").encode(), (error("file.nul", 3),)),
    BadFile(31, "mostly NUL", lambda: b"\x00" * 5000, (error("file.not_text"),)),
    BadFile(32, "old Mac line ends", lambda: text(end="\r").encode(), (note("file.old_line_ends"),)),
    BadFile(
        32,
        "mixed line ends",
        lambda: ("\r\n".join(lines()[:5]) + "\n" + "\n".join(lines()[5:])).encode(),
        (note("file.line_ends"),),
    ),
    BadFile(33, "semicolons", lambda: text(mark=";").encode(), (note("file.delimiter"),)),
    BadFile(33, "tabs", lambda: text(mark="\t").encode(), (note("file.delimiter"),), "return.tsv"),
    BadFile(33, "upright bars", lambda: text(mark="|").encode(), (note("file.delimiter"),)),
    BadFile(34, "sep=;", lambda: ("sep=;\n" + text(mark=";")).encode(), (note("file.declared_delimiter"),)),
    BadFile(35, "row with too many cells", lambda: longer().encode(), (error("shape.row_long", 3),)),
    BadFile(36, "row with too few cells", lambda: shorter().encode(), (error("shape.row_short", 4),)),
    BadFile(37, "quotation mark left open", lambda: quoted(5, '"open').encode(), (error("file.unclosed_quote", 5),)),
    BadFile(37, "text after a quotation mark", lambda: quoted(5, '"one" two').encode(), (error("file.unclosed_quote", 5),)),
    BadFile(
        38, "line break in a quoted cell", lambda: quoted(5, '"one\ntwo"').encode(), (), same_rows=False, why="rightly quoted"
    ),
    BadFile(
        39,
        "comma at every end",
        lambda: unnamed(13, "").encode(),
        (),
        why="a column with neither heading nor values does no harm",
    ),
    BadFile(39, "values without a heading", lambda: unnamed(2, "7").encode(), (error("shape.unnamed_column", 2, "C2"),)),
    BadFile(40, "rows of commas", lambda: (text() + ",,,,,,,,,,,,\n\n" * 2).encode(), (note("shape.blank_rows"),)),
    BadFile(
        41, "heading twice", lambda: text([*HEADING[:-1], "requests"]).encode(), (error("shape.duplicate_heading", 1, "N1"),)
    ),
    BadFile(
        42,
        "case, space, hard space, no width",
        lambda: text(
            heading(authority="Authority", period=" period ", requests="requests\u00a0", exceptions="exc\u200beptions")
        ).encode(),
        tuple(note("shape.spelling", 1, cell) for cell in ("A1", "B1", "C1", "G1")),
    ),
    BadFile(
        43,
        "misspelt heading",
        lambda: text(heading(plans_issued="plans_isued")).encode(),
        (error("shape.misspelt_heading", 1, "E1"),),
    ),
    BadFile(44, "column missing", lambda: without("plans_digital").encode(), (error("shape.missing_column", 1),)),
    BadFile(45, "column too many", lambda: extra("officer", "team 4").encode(), (note("shape.ignored_column", 1, "O1"),)),
    BadFile(46, "other order", lambda: reordered().encode(), (), why="columns are found by their headings"),
    BadFile(47, "curly quotation marks", lambda: quoted(5, "“one”").encode(), (error("file.smart_quotes", 5),)),
)

CASES = (*FILE_CASES, *SHAPE_CASES)
