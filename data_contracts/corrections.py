"""Safe corrections: what a person would surely type instead, offered and never made unasked, and the check with those accepted.

The bytes received stay what they are. An accepted correction replaces the text of one cell before the stages that follow, so that
everything else that the reader saw (formats, merged and hidden cells) still counts.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd

from data_contracts.checking import check
from data_contracts.context import Context, period_span
from data_contracts.contract import Column, Contract
from data_contracts.diagnosis import diagnose
from data_contracts.findings import Finding, shown
from data_contracts.headings import plain
from data_contracts.reading import Limits
from data_contracts.reading.table import ROW, RawTable, cell_name, cell_place
from data_contracts.report import Report
from data_contracts.stages.text import tells_of_persons
from data_contracts.stages.types import SPACE
from data_contracts.stages.values import term_from
from data_contracts.state import State

MOST_ROUNDS = 4  # a correction may bring others to light: a heading put right, then the cells below it
MOST_TRIMMED = 1_000  # cells of one column whose spaces are offered one by one
_TRIMMED = "types.trimmed"
_GROUPS = re.compile(r"[ ,'_\u00a0\u202f\u2009]")
_MIDNIGHT = re.compile(r"^\d{4}-\d{2}-\d{2}[T ](00:00(:00(\.0+)?)?Z?)$")


@dataclass(frozen=True, slots=True)
class Correction:
    """One cell and what would stand there instead.

    Attributes:
        rule: id of the rule whose finding it puts right.
        row: row number as a spreadsheet shows it.
        cell: reference such as `C5`.
        column: name of the contract's column.
        before: what stands there.
        after: what would stand there.
        certain: whether all of its kind may be accepted at once; where not, each is asked about by itself.
    """

    rule: str
    row: int
    cell: str
    column: str
    before: str
    after: str
    certain: bool

    @property
    def key(self) -> str:
        """A text that names it within its file."""
        return f"{self.rule}@{self.cell}"

    def to_dict(self) -> dict[str, Any]:
        """The correction as plain JSON."""
        return {**asdict(self), "key": self.key}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Correction":
        """The correction that `to_dict` gave."""
        return cls(**{name: value for name, value in plain.items() if name != "key"})


@dataclass(frozen=True)
class Corrected:
    """A check with the accepted corrections made.

    Attributes:
        report: of the check; its digest is that of the bytes received.
        made: corrections that were accepted and made.
        offered: corrections on offer that were not accepted.
        unknown: what was accepted but fits no correction on offer.
        text: the table with the corrections made, as CSV with the row numbers of the file; blank where none was made.
        identifiers: whether the file was refused and holds identifiers of persons, in whatever cell of whatever sheet.
    """

    report: Report
    made: tuple[Correction, ...]
    offered: tuple[Correction, ...]
    unknown: tuple[str, ...]
    text: str
    identifiers: bool = False


Place = tuple[str | None, int, int]
Fix = tuple[str, bool] | None  # what to enter, and whether that is certain
CodeOfName = Callable[[str], str | None]


def check_corrected(
    contract: Contract,
    filename: str,
    content: bytes,
    context: Context,
    accept: Iterable[str] = (),
    code_of_name: CodeOfName | None = None,
    limits: Limits | None = None,
) -> Corrected:
    """Check a file with the corrections that its sender accepts.

    Args:
        contract: what the file must look like.
        filename: as sent; only ever shown.
        content: the bytes as received.
        context: region, period, codes, and what came before.
        accept: keys of corrections (`Correction.key`), or ids of rules for all certain ones of a rule.
        code_of_name: gives the code of an authority for other names that it goes by.
        limits: of reading.
    """
    wanted, edits, made = set(accept), dict[Place, str](), list[Correction]()
    bounds = limits or Limits()
    for last in [False] * MOST_ROUNDS + [True]:
        report, state = _checked(contract, filename, content, context, bounds, edits)
        offered = list(_offers(state, report, code_of_name))
        chosen = [one for one in offered if one.key in wanted or (one.certain and one.rule in wanted)]
        if last or not chosen:
            break
        made += chosen
        edits |= {(state.sheet, *cell_place(one.cell)): one.after for one in chosen}
    used = {one.key for one in made} | {one.rule for one in made}
    kept = tuple(replace(one, before=shown(one.before)) for one in made)
    return Corrected(
        report,
        kept,
        tuple(replace(one, before=shown(one.before)) for one in offered),
        tuple(sorted(wanted - used)),
        _as_csv(state.table) if made else "",
        bool(report.errors) and tells_of_persons(state),
    )


def _checked(
    contract: Contract, filename: str, content: bytes, context: Context, limits: Limits, edits: dict[Place, str]
) -> tuple[Report, State]:
    """The report of a check with these texts put into the raw tables, and what the check knew."""
    held: list[State] = []

    def patch(state: State) -> None:
        held.append(state)
        if edits and state.tables:
            state.tables = tuple(_with_edits(table, edits) for table in state.tables)
            state.table = state.tables[0]

    report = check(contract, filename, content, context, limits, patch)
    return report, held[0]


def _with_edits(table: RawTable, edits: dict[Place, str]) -> RawTable:
    place_of = {row: at for at, row in enumerate(table.cells[ROW].to_list())}
    columns: dict[str, dict[int, str]] = {}
    for (sheet, row, position), text in edits.items():
        if sheet == table.sheet and row in place_of:
            columns.setdefault(str(position), {})[place_of[row]] = text
    cells = table.cells.with_columns(
        table.cells[name].scatter(list(texts), list(texts.values())).alias(name) for name, texts in columns.items()
    )
    return replace(table, cells=cells)


def _as_csv(table: RawTable | None) -> str:
    """The table as CSV; rows that the reader passed over are blank lines, so that row numbers stay."""
    if table is None:
        return ""
    held = io.StringIO()
    writer = csv.writer(held)
    number = 0
    for row, _, *texts in table.cells.iter_rows():
        held.write("\r\n" * (row - number - 1))
        writer.writerow(texts)
        number = row
    return held.getvalue()


def _offers(state: State, report: Report, code_of_name: CodeOfName | None) -> Iterator[Correction]:
    """Every correction on offer, in the order of the findings."""
    if state.table is None or not any(finding.rule in CORRECTABLE for finding in report.findings):
        return
    known = {column.name: column for column in state.contract.columns}
    rows = {finding.row for finding in report.findings if finding.rule in FIXES and finding.row}
    held = {
        int(cells[0]): cells[2:] for cells in state.table.cells.filter(state.table.cells[ROW].is_in(sorted(rows))).iter_rows()
    }
    asked = _Asked(state, code_of_name)
    for finding in report.findings:
        column = known.get(finding.column or "")
        if column is None or finding.row is None:
            continue
        if finding.rule == _TRIMMED:
            yield from _trims(state, column)
        elif finding.rule in FIXES and finding.cell:
            text = held[finding.row][cell_place(finding.cell)[1]]
            fix = FIXES[finding.rule](asked, finding, column, text.strip(SPACE))
            if fix and fix[0] != text:
                yield Correction(finding.rule, finding.row, finding.cell, column.name, text, *fix)


def _trims(state: State, column: Column) -> Iterator[Correction]:
    """Cells of a column with spaces at their ends."""
    if state.table is None:
        return
    place = state.positions[column.name]
    below = state.table.cells.filter(
        (state.table.cells[ROW] > state.header) & ~state.table.cells[ROW].is_in(sorted(state.set_aside))
    )
    text = below[str(place)]
    odd = below.filter(text != text.str.strip_chars(SPACE)).select(ROW, str(place)).head(MOST_TRIMMED)
    for row, found in odd.iter_rows():
        yield Correction(_TRIMMED, row, cell_name(row, place), column.name, found, found.strip(SPACE), True)


class _Asked:
    """What corrections of a file ask of its surroundings.

    Args:
        state: of the check.
        code_of_name: code of an authority for a name that it goes by.
    """

    def __init__(self, state: State, code_of_name: CodeOfName | None) -> None:
        self.context, self.code_of_name = state.context, code_of_name
        self.codes = self._in_force(state.context)

    @staticmethod
    def _in_force(context: Context) -> pd.DataFrame:
        """Codes of the sender's region in force in the period; all of them where neither is known."""
        table, span = context.authorities, period_span(context.period or "")
        if span:
            ended = table["end"].fillna("").astype(str)
            table = table[(table["start"] <= span[1].isoformat()) & ((ended == "") | (ended >= span[0].isoformat()))]
        return table[table["region"] == context.region] if context.region else table

    def the_one(self, codes: Iterable[str]) -> Fix:
        """The code, where there is exactly one."""
        found = sorted(set(codes))
        return (found[0], True) if len(found) == 1 else None

    def by_name(self, text: str) -> Fix:
        """The code in force of a name, however it is spelt, where there is exactly one."""
        same = self.codes.loc[[plain(name) == plain(text) for name in self.codes["name"]], "authority"]
        if len(same):
            return self.the_one(same)
        code = self.code_of_name(text) if self.code_of_name else None
        return (code, True) if code and code in set(self.codes["authority"]) else None

    def by_old_code(self, text: str) -> Fix:
        """The code in force that goes with an old three-digit code, where there is exactly one."""
        return self.the_one(self.codes.loc[self.codes["old_code"] == text, "authority"])

    def successor(self, text: str) -> Fix:
        """The code of the same area under its new code."""
        table = self.context.authorities
        if not {"change", "successors"} <= set(table.columns):
            return None
        row = table[(table["authority"] == text) & (table["change"] == "continues")]
        heirs = [] if row.empty else str(row["successors"].iloc[0]).split()
        return self.the_one(heirs) if set(heirs) <= set(self.codes["authority"]) else None


def _heading(_: _Asked, finding: Finding, column: Column, text: str) -> Fix:
    return column.name, finding.rule != "shape.misspelt_heading"


def _thousands(_: _Asked, finding: Finding, column: Column, text: str) -> Fix:
    """One group of three after a comma could be decimals, in a column that takes them."""
    bare = _GROUPS.sub("", text)
    return bare, column.type == "integer" or "." in text or len(_GROUPS.findall(text)) > 1 or "," not in text


def _currency(_: _Asked, finding: Finding, column: Column, text: str) -> Fix:
    bare = re.sub(r"[£\s,]|GBP", "", text)
    return (bare, True) if "£" in column.unit and _is_number(column, bare) else None


def _percent(_: _Asked, finding: Finding, column: Column, text: str) -> Fix:
    bare = text.rstrip("%").strip()
    return (bare, True) if ("%" in column.unit or "per cent" in column.unit) and _is_number(column, bare) else None


def _unit(_: _Asked, finding: Finding, column: Column, text: str) -> Fix:
    found = re.fullmatch(r"(-?\d+(?:\.\d+)?)\s*([A-Za-z ]+)", text, re.ASCII)
    same = found and plain(found[2]).rstrip("s") == plain(column.unit).rstrip("s")
    return (found[1], True) if found and same and _is_number(column, found[1]) else None


def _minus(_: _Asked, finding: Finding, column: Column, text: str) -> Fix:
    """A true minus sign; a dash could be a mark of another kind. Each is asked about."""
    bare = text.replace("\N{MINUS SIGN}", "-")
    return (bare, False) if bare != text and _is_number(column, bare) else None


def _letters(_: _Asked, finding: Finding, column: Column, text: str) -> Fix:
    rule, more = diagnose(column, text)
    return (more["suggestion"], False) if rule == finding.rule and _is_number(column, more["suggestion"]) else None


def _date(_: _Asked, finding: Finding, column: Column, text: str) -> Fix:
    suggestion = diagnose(column, text)[1].get("suggestion", "")
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", suggestion):
        return None
    return suggestion, finding.rule == "types.date_format" or bool(_MIDNIGHT.match(text))


def _choice(asked: _Asked, finding: Finding, column: Column, text: str) -> Fix:
    known = asked.context.known_reforms if column.role == "reform" else column.choices
    same = [choice for choice in known if plain(choice) == plain(text)]
    return (same[0], True) if len(same) == 1 else None


def _period(asked: _Asked, finding: Finding, column: Column, text: str) -> Fix:
    """The period asked for, written in another way."""
    guess = term_from(text)
    return (guess, True) if guess and guess == asked.context.period else None


def _is_number(column: Column, text: str) -> bool:
    return bool(re.fullmatch(r"-?\d{1,15}" if column.type == "integer" else r"-?\d{1,15}(\.\d{1,20})?", text, re.ASCII))


# A correction is a function that gives the text for a cell, and whether that is certain; it is in force by its line here.
FIXES: dict[str, Callable[[_Asked, Finding, Column, str], Fix]] = {
    "shape.alias": _heading,
    "shape.spelling": _heading,
    "shape.misspelt_heading": _heading,
    "types.symbol_case": lambda asked, finding, column, text: (text.lower(), True),
    "types.thousands": _thousands,
    "types.currency": _currency,
    "types.percent_sign": _percent,
    "types.unit_in_cell": _unit,
    "types.odd_minus": _minus,
    "types.letter_for_digit": _letters,
    "types.date_with_time": _date,
    "types.date_format": _date,
    "values.not_in_list": _choice,
    "values.unknown_reform": _choice,
    "values.not_a_period": _period,
    "values.code_case": lambda asked, finding, column, text: (text.upper(), True),
    "values.name_for_code": lambda asked, finding, column, text: asked.by_name(text),
    "values.unknown_authority": lambda asked, finding, column, text: asked.by_name(text),
    "values.old_code": lambda asked, finding, column, text: asked.by_old_code(text),
    "values.ended_code": lambda asked, finding, column, text: asked.successor(text),
}
CORRECTABLE = (_TRIMMED, *FIXES)

# Each kind of correction in plain English.
WORDS: dict[str, str] = {
    _TRIMMED: "Spaces at the ends of cells taken off",
    "shape.alias": "Headings written as the template has them",
    "shape.spelling": "Headings written as the template has them, in case and spaces",
    "shape.misspelt_heading": "Headings that look like one of the template",
    "types.symbol_case": "Symbols in small letters",
    "types.thousands": "Numbers without signs between the thousands",
    "types.currency": "Numbers without the pound sign",
    "types.percent_sign": "Numbers without the per cent sign",
    "types.unit_in_cell": "Numbers without their unit",
    "types.odd_minus": "Minus signs as on the keyboard",
    "types.letter_for_digit": "Digits in place of letters that look like them",
    "types.date_with_time": "Dates without the time of day",
    "types.date_format": "Dates as year, month, day",
    "values.not_in_list": "Values written as in the list",
    "values.unknown_reform": "Reforms written as in the catalogue",
    "values.not_a_period": "The period written as it is here",
    "values.code_case": "Codes in capital letters",
    "values.name_for_code": "Codes of local authorities in place of names",
    "values.unknown_authority": "Codes of local authorities in place of other names",
    "values.old_code": "Nine-character codes in place of three-digit ones",
    "values.ended_code": "The new code of the same area",
}
