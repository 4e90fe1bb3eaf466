"""Templates: a return to fill in, made from its contract, as a workbook and as CSV."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import product
from typing import Any

import pandas as pd
from openpyxl import Workbook
from openpyxl.styles import Alignment, Border, Font, PatternFill, Protection, Side
from openpyxl.utils import get_column_letter
from openpyxl.workbook.defined_name import DefinedName
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from data_contracts.contract import Column, Contract
from data_contracts.guide import Guide, guide
from data_contracts.sheets import GUIDE, IDENTITY, IDENTITY_KEYS, LISTS, RETURN

MOST_ROWS = 5_000  # more rows than this are not written beforehand: nobody fills them in by hand
_SPARE_ROWS = 1_000  # rows below the last one written that have lists and formats too
_LONGEST_HINT = 255  # what Excel shows of a hint
_LISTS_FROM = 4
_FORMATS = {"integer": "0", "number": "General", "date": "yyyy-mm-dd", "string": "@"}
_HEADING = PatternFill("solid", fgColor="1D70B8")
_KEY_HEADING = PatternFill("solid", fgColor="003078")
_LINE = Border(bottom=Side(style="thin", color="B1B4B6"))


@dataclass(frozen=True)
class Filling:
    """What a template is made for, beside its contract.

    Attributes:
        region: code of the region; blank for the whole country.
        period: the period of the return; blank where it has none.
        authorities: code and name of those that the return is about, in the order of the rows.
        reforms: names of reforms that may be entered.
        rows: keys to write beforehand: value by column.
    """

    region: str = ""
    period: str = ""
    authorities: tuple[tuple[str, str], ...] = ()
    reforms: tuple[str, ...] = ()
    rows: tuple[Mapping[str, str], ...] = ()


def key_rows(
    contract: Contract, period: str, authorities: Sequence[str], previous: pd.DataFrame | None = None
) -> list[dict[str, str]]:
    """Keys of the rows that a return is expected to have.

    Args:
        contract: of the return.
        period: the period of the return.
        authorities: codes of those that the return is about.
        previous: typed rows of the last return; its keys come again, for authorities that are still there.

    Returns:
        Value by column, one mapping a row: those of the last return first, then every authority that it lacks with every
        stratum, where the contract expects all of them. Empty where rows are events, which do not come again.
    """
    key = [contract.column(name) for name in contract.key]
    if any(column.type == "date" for column in key):
        return []
    place = contract.with_role("authority")
    again = _keys_again(contract, period, set(authorities), previous)
    known = {row[place.name] for row in again} if place and place in key else set()
    fresh: list[dict[str, str]] = []
    if contract.coverage == "region" and place in key:
        options = [_options(column, period, [code for code in authorities if code not in known]) for column in key]
        fresh = [dict(zip(contract.key, cells, strict=True)) for cells in product(*options)]
    rows = [*again, *fresh]
    return rows if len(rows) <= MOST_ROWS else []


def _options(column: Column, period: str, authorities: Sequence[str]) -> Sequence[str]:
    """What may stand in a key column: one blank where anything may."""
    if column.role == "authority":
        return authorities
    return [period] if column.role == "period" else column.choices or [""]


def _keys_again(contract: Contract, period: str, authorities: set[str], previous: pd.DataFrame | None) -> list[dict[str, str]]:
    if previous is None or any(name not in previous.columns for name in contract.key):
        return []
    when, place = contract.with_role("period"), contract.with_role("authority")
    rows = []
    for cells in previous[list(contract.key)].to_dict("records"):
        row = {str(name): "" if pd.isna(value) else str(value) for name, value in cells.items()}
        if when and when.name in row:
            row[when.name] = period
        if not place or place.name not in row or row[place.name] in authorities:
            rows.append(row)
    return rows


def template_csv(contract: Contract, filling: Filling) -> str:
    """The template as CSV (RFC 4180): headings, and the keys that are known."""
    names = [column.name for column in contract.columns]
    held = io.StringIO()
    writer = csv.writer(held)
    writer.writerow(names)
    writer.writerows([row.get(name, "") for name in names] for row in filling.rows)
    return held.getvalue()


def template_workbook(contract: Contract, filling: Filling) -> bytes:
    """The template as a workbook.

    Args:
        contract: what the return must look like.
        filling: for which region and period, and the keys that are known.

    Returns:
        The bytes of an XLSX with the sheets `Return` (headings in row 1, frozen and locked; lists, limits and hints on its
        cells), `Guide`, `Lists`, and the very hidden `_contract` with contract, version, region and period.
    """
    book = Workbook()
    sheet, notes, lists, hidden = _sheets(book)
    places = _write_lists(book, lists, contract, filling)
    _write_rows(sheet, contract, filling)
    last = len(filling.rows) + 1 + _SPARE_ROWS
    for place, column in enumerate(contract.columns, 1):
        _lay_out(sheet, column, place, last, column.name in contract.key)
        _limit(sheet, column, get_column_letter(place), last, places.get(column.name))
    _lock(sheet)
    _write_guide(notes, guide(contract))
    for pair in zip(IDENTITY_KEYS, (contract.name, contract.version, filling.region, filling.period), strict=True):
        hidden.append(pair)
    held = io.BytesIO()
    book.save(held)
    return held.getvalue()


def _sheets(book: Workbook) -> tuple[Worksheet, Worksheet, Worksheet, Worksheet]:
    first: Any = book.active
    first.title = RETURN
    notes, lists, hidden = (book.create_sheet(name) for name in (GUIDE, LISTS, IDENTITY))
    hidden.sheet_state = "veryHidden"
    return first, notes, lists, hidden


def _write_rows(sheet: Worksheet, contract: Contract, filling: Filling) -> None:
    names = [column.name for column in contract.columns]
    sheet.append(names)
    for row in filling.rows:
        sheet.append([_typed(column, row.get(column.name, "")) for column in contract.columns])
    beside = max((place for place, name in enumerate(names, 1) if name in contract.key), default=0) + 1
    sheet.freeze_panes = f"{get_column_letter(beside)}2"


def _typed(column: Column, text: str) -> str | float | None:
    """A key as Excel has it: a number as a number, all else as text."""
    return float(text) if column.is_number and text else text or None


def _lay_out(sheet: Worksheet, column: Column, place: int, last: int, is_key: bool) -> None:
    """Formats of one column: of the whole column, so that rows added below have them too."""
    whole = sheet.column_dimensions[get_column_letter(place)]
    whole.width = float(min(max(len(column.name) + 3, 13), 26)) if column.is_number else 24.0 if not column.free_text else 40.0
    whole.number_format = _FORMATS[column.type]
    whole.protection = Protection(locked=False)
    head = sheet.cell(1, place)
    head.font, head.fill = Font(bold=True, color="FFFFFF"), _KEY_HEADING if is_key else _HEADING
    head.alignment, head.protection = Alignment(wrap_text=True, vertical="top"), Protection(locked=True)
    for number in range(2, last - _SPARE_ROWS + 1):
        cell = sheet.cell(number, place)
        cell.number_format, cell.border, cell.protection = _FORMATS[column.type], _LINE, Protection(locked=False)


def _limit(sheet: Worksheet, column: Column, letter: str, last: int, listed: str | None) -> None:
    """What Excel itself takes in a column, with a hint on the heading and on the cells."""
    need = "Required." if column.required else "May be left blank."
    hint = _cut(f"{column.label}. {column.description} {need}")
    check = _validation(column, f"{letter}2", listed)
    check.promptTitle = column.name[:32]
    check.prompt = hint
    check.showInputMessage = True
    symbols = f" Or a symbol: {', '.join(column.symbols)}." if column.symbols else ""
    check.errorTitle, check.error, check.showErrorMessage = "Not accepted here", _cut(f"{column.allowed}.{symbols}"), True
    check.add(f"{letter}2:{letter}{last}")
    sheet.add_data_validation(check)
    head = DataValidation(promptTitle=column.name[:32], prompt=hint, showInputMessage=True)
    head.add(f"{letter}1")
    sheet.add_data_validation(head)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_HINT else f"{text[: _LONGEST_HINT - 1]}…"


def _validation(column: Column, cell: str, listed: str | None) -> DataValidation:
    """The limit of one column; `cell` is the first that it holds for."""
    if listed:
        return DataValidation(type="list", formula1=listed, allow_blank=True)
    if column.is_number:
        return DataValidation(type="custom", formula1=_number_formula(column, cell), allow_blank=True)
    if column.type == "date":
        least, most = (
            _date_formula(limit, other) for limit, other in ((column.minimum, "1990-01-01"), (column.maximum, "2199-12-31"))
        )
        if column.symbols:
            days = f"IF(ISNUMBER({cell}),AND({cell}>={least},{cell}<={most}),{_symbols(column, cell)})"
            return DataValidation(type="custom", formula1=days, allow_blank=True)
        return DataValidation(type="date", operator="between", formula1=least, formula2=most, allow_blank=True)
    return DataValidation(type="textLength", operator="lessThanOrEqual", formula1=str(column.max_length), allow_blank=True)


def _number_formula(column: Column, cell: str) -> str:
    """A number within the limits, or one of the symbols. Written with IF: in AND and OR alone a text would be an error."""
    tests = [f"{cell}>={column.minimum}"] if column.minimum is not None else []
    tests += [f"{cell}<={column.maximum}"] if column.maximum is not None else []
    tests += [f"INT({cell})={cell}"] if column.type == "integer" else []
    return f"IF(ISNUMBER({cell}),{_joined('AND', tests, 'TRUE')},{_symbols(column, cell)})"


def _symbols(column: Column, cell: str) -> str:
    return _joined("OR", [f'EXACT({cell},"{mark}")' for mark in column.symbols], "FALSE")


def _joined(word: str, tests: Sequence[str], none: str) -> str:
    return f"{word}({','.join(tests)})" if tests else none


def _date_formula(limit: float | str | None, otherwise: str) -> str:
    day = date.fromisoformat(str(limit or otherwise))
    return f"DATE({day.year},{day.month},{day.day})"


def _write_lists(book: Workbook, sheet: Worksheet, contract: Contract, filling: Filling) -> dict[str, str]:
    """Write what may be chosen, a column of the sheet each; gives the name of the list by column of the return."""
    sheet.append(["Lists: what may be chosen in the sheet Return. Changing them changes nothing in the checks."])
    sheet["A1"].font = Font(bold=True)
    found: dict[str, str] = {}
    at = 1
    for column in contract.columns:
        values = _listed(column, filling)
        if not values:
            continue
        _write_list(sheet, at, f"Choices for: {column.name}", values)
        letter = get_column_letter(at)
        # By a name: Excel moves limits that point at another sheet into a part of the file that other programs do not keep.
        found[column.name] = f"list_{column.name}"
        area = f"{LISTS}!${letter}${_LISTS_FROM}:${letter}${_LISTS_FROM + len(values) - 1}"
        book.defined_names[found[column.name]] = DefinedName(found[column.name], attr_text=area)
        at += 1
        if column.role == "authority":
            _write_list(sheet, at, "Name", [name for _, name in filling.authorities])
            at += 1
    if contract.missing_values:
        _write_list(sheet, at, "Symbols in place of a number", list(contract.missing_values))
        _write_list(sheet, at + 1, "Meaning", list(contract.missing_values.values()))
    return found


def _listed(column: Column, filling: Filling) -> Sequence[str]:
    if column.role == "authority":
        return [code for code, _ in filling.authorities]
    if column.role == "period":
        return [filling.period] if filling.period else []
    return filling.reforms if column.role == "reform" else column.choices


def _write_list(sheet: Worksheet, at: int, heading: str, values: Sequence[str]) -> None:
    sheet.cell(_LISTS_FROM - 1, at, heading).font = Font(bold=True)
    for number, value in enumerate(values):
        _write_text(sheet, _LISTS_FROM + number, at, value)
    sheet.column_dimensions[get_column_letter(at)].width = float(min(max(len(text) for text in (heading, *values)) + 2, 60))


def _write_text(sheet: Worksheet, row: int, at: int, text: str) -> None:
    """A text as a text, whatever it looks like."""
    cell: Any = sheet.cell(row, at, text)
    cell.data_type, cell.number_format = "s", "@"
    cell.alignment = Alignment(wrap_text=True, vertical="top")


def _lock(sheet: Worksheet) -> None:
    """Lock the headings only, without a password; rows can be added, deleted, sorted and formatted."""
    sheet.protection.sheet = True
    for name in ("formatCells", "formatColumns", "formatRows", "insertRows", "deleteRows", "sort", "autoFilter"):
        setattr(sheet.protection, name, False)


def _write_guide(sheet: Worksheet, words: Guide) -> None:
    for place, width in enumerate((34, 34, 60, 12, 16, 40, 40, 40), 1):
        sheet.column_dimensions[get_column_letter(place)].width = float(width)
    at = _write_block(sheet, 1, f"{words.title}, contract {words.version}", [], words.facts)
    fields = [tuple(row.values()) for row in words.columns]
    headings = ["Name of the column", "In words", "What to enter", "Required", "Unit", "Allowed", "Symbols", "Also read as"]
    at = _write_block(sheet, at, "Columns", headings, fields)
    if words.symbols:
        at = _write_block(sheet, at, "Symbols in place of a number", ["Symbol", "Meaning"], list(words.symbols.items()))
    rules = [(rule["rule"], rule["consequence"], rule["message"]) for rule in words.rules]
    _write_block(sheet, at, "What is checked across columns", ["Check", "If not so", "What is said"], rules)


def _write_block(sheet: Worksheet, at: int, title: str, headings: list[str], rows: Iterable[Sequence[str]]) -> int:
    """A title, headings and rows from a row on; gives the row after a gap."""
    sheet.cell(at, 1, title).font = Font(bold=True, size=14)
    for place, heading in enumerate(headings, 1):
        sheet.cell(at + 1, place, heading).font = Font(bold=True)
    at += 2 if headings else 1
    for row in rows:
        for place, text in enumerate(row, 1):
            _write_text(sheet, at, place, text)
        at += 1
    return at + 1
