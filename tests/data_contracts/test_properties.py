"""Whatever comes to the door, the check answers: it never raises, and what it says fits together."""

import csv
import hashlib
import io
import zipfile
from collections.abc import Callable
from types import ModuleType
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.utils.datetime import CALENDAR_MAC_1904, CALENDAR_WINDOWS_1900

from data_contracts import Context, Contract, check, contracts, load_contract
from data_contracts.reading import safe_name, worker

CONTRACT = load_contract("ehcp_process")
QUICK = settings(max_examples=60)
FEW = settings(QUICK, max_examples=15)


def many(examples: int, test: Callable[..., None]) -> Callable[..., None]:
    """The same property for the slow suite, which has 10,000 examples in all."""
    marked: Callable[..., None] = pytest.mark.slow(settings(QUICK, max_examples=examples)(test))
    return marked


HEADINGS = [column.name for column in CONTRACT.columns]
ODD = [
    "",
    " ",
    "0",
    "-1",
    "1e9",
    "1,5",
    "x",
    "c",
    "C",
    "=1",
    '"',
    "2023/24 autumn",
    "E06000001",
    "é",
    "\u202e",
    "2024-02-30",
    "9" * 30,
    "Total",
]
CELLS = st.one_of(st.sampled_from(ODD), st.text(max_size=12))
ROW = st.lists(CELLS, max_size=len(HEADINGS) + 2)
LIMITS = {
    "memory": 0,
    "seconds": 0,
    "unpacked": 50_000_000,
    "ratio": 200,
    "columns": 200,
    "rows": 10_000,
    "cells": 1_000_000,
    "cell": 32_767,
}


def answered(contract: Contract, filename: str, content: bytes, context: Context) -> None:
    """The check gives a report that fits together."""
    report = check(contract, filename, content, context)
    assert report.sha256 == hashlib.sha256(content).hexdigest()
    assert (report.rows is None) == bool(report.errors)
    assert report.rows is not None or report.findings
    for finding in report.findings:
        assert finding.message and finding.fix
        assert finding.message.isprintable() and (finding.value or "").isprintable()
    report.to_dict()
    report.frame()


def any_bytes(content: bytes, filename: str, contexts: dict[str, Context]) -> None:
    answered(CONTRACT, filename, content, contexts["ehcp_process"])


def any_table_under_good_headings(rows: list[list[str]], mark: str, codec: str, contexts: dict[str, Context]) -> None:
    held = io.StringIO()
    csv.writer(held, delimiter=mark).writerows([HEADINGS, *rows])
    answered(CONTRACT, "a.csv", held.getvalue().encode(codec, "replace"), contexts["ehcp_process"])


def any_cells_in_a_good_table(
    changes: dict[tuple[int, int], str], name: str, contexts: dict[str, Context], tables: ModuleType
) -> None:
    table = tables.example(name)
    for (row, place), text in changes.items():
        line = table[row % len(table)]
        line[place % len(line)] = text
    answered(load_contract(name), "a.csv", tables.as_csv(table), contexts[name])


def cut_text(place: float, size: int, put: bytes, contexts: dict[str, Context]) -> None:
    good = CONTRACT.example_csv().encode()
    at = int(place * len(good))
    answered(CONTRACT, "a.csv", good[:at] + put + good[at + size :], contexts["ehcp_process"])


VALUES = st.one_of(st.none(), st.integers(), st.floats(), st.booleans(), st.dates(), st.datetimes(), CELLS)


def made_workbook(rows: list[list[Any]], hidden: set[int], merged: bool, late: bool) -> bytes:
    """A workbook of any values under good headings, as openpyxl writes it."""
    book = Workbook()
    book.active.append(HEADINGS)
    for cells in rows:
        # What a worksheet cannot hold at all is no matter of the door.
        book.active.append([ILLEGAL_CHARACTERS_RE.sub("", cell) if isinstance(cell, str) else cell for cell in cells])
    for row in hidden:
        book.active.row_dimensions[row].hidden = True
    if merged:
        book.active.merge_cells("B2:C3")
    book.epoch = CALENDAR_MAC_1904 if late else CALENDAR_WINDOWS_1900
    held = io.BytesIO()
    book.save(held)
    return held.getvalue()


def read_or_refused(content: bytes) -> None:
    """The reader of workbooks reads, or says why it does not; nothing else may happen in it."""
    try:
        worker.read(content, LIMITS)
    except worker.Fault as fault:
        assert fault.rule.startswith("file.")


@pytest.fixture(scope="module")
def book(tables: ModuleType) -> bytes:
    content: bytes = tables.as_excel(tables.example("ehcp_process"))
    return content


def cut_workbook(place: float, size: int, put: bytes, book: bytes) -> None:
    at = int(place * len(book))
    read_or_refused(book[:at] + put + book[at + size :])


def changed_part(part: int, place: float, size: int, put: bytes, book: bytes) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book)) as before, zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as after:
        names = before.namelist()
        for name in names:
            content = before.read(name)
            if name == names[part % len(names)]:
                at = int(place * len(content))
                content = content[:at] + put + content[at + size :]
            after.writestr(name, content)
    read_or_refused(held.getvalue())


def changed_workbook_at_the_door(place: float, put: bytes, book: bytes, contexts: dict[str, Context]) -> None:
    at = int(place * len(book))
    answered(CONTRACT, "a.xlsx", book[:at] + put + book[at + len(put) :], contexts["ehcp_process"])


def name_made_safe(filename: str) -> None:
    name = safe_name(filename)
    assert 0 < len(name) <= 100 and "/" not in name and "\\" not in name and name not in {".", ".."}
    name.encode("utf-8")
    assert safe_name(name) == name


BYTES = given(content=st.binary(max_size=400), filename=st.text(max_size=30))
test_any_bytes = QUICK(BYTES(any_bytes))
test_many_bytes = many(3000, BYTES(any_bytes))


TABLES = given(
    rows=st.lists(ROW, max_size=6),
    mark=st.sampled_from(",;\t|"),
    codec=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252", "mac-roman"]),
)
test_any_table_under_good_headings = QUICK(TABLES(any_table_under_good_headings))
test_many_table_under_good_headings = many(900, TABLES(any_table_under_good_headings))


CHANGED_CELLS = given(
    changes=st.dictionaries(st.tuples(st.integers(0, 12), st.integers(0, 12)), CELLS, max_size=8),
    name=st.sampled_from(sorted(contracts())),
)
test_any_cells_in_a_good_table = QUICK(CHANGED_CELLS(any_cells_in_a_good_table))
test_many_cells_in_a_good_table = many(900, CHANGED_CELLS(any_cells_in_a_good_table))


CUT_TEXT = given(place=st.floats(0, 1), size=st.integers(0, 30), put=st.binary(max_size=30))
test_cut_text = QUICK(CUT_TEXT(cut_text))
test_many_cut_text = many(800, CUT_TEXT(cut_text))


CUT_BOOK = given(place=st.floats(0, 1), size=st.integers(0, 40), put=st.binary(max_size=40))
test_cut_workbook = QUICK(CUT_BOOK(cut_workbook))
test_many_cut_workbook = many(2000, CUT_BOOK(cut_workbook))


CHANGED_PART = given(
    part=st.integers(0, 20),
    place=st.floats(0, 1),
    size=st.integers(0, 60),
    put=st.one_of(
        st.binary(max_size=40),
        st.sampled_from([b"<c r='A1'>", b"</row>", b'r="99999999"', b"<v>", b't="s"', b"&#x1;", b"-1", b"1e999", b"nan"]),
    ),
)
test_changed_part = QUICK(CHANGED_PART(changed_part))
test_many_changed_part = many(1300, CHANGED_PART(changed_part))


CHANGED_BOOK = given(place=st.floats(0, 1), put=st.binary(max_size=40))
test_changed_workbook_at_the_door = FEW(CHANGED_BOOK(changed_workbook_at_the_door))
test_many_changed_workbook_at_the_door = many(100, CHANGED_BOOK(changed_workbook_at_the_door))


NAMES = given(filename=st.text(st.characters(codec=None), max_size=300))
test_name_made_safe = QUICK(NAMES(name_made_safe))
test_many_name_made_safe = many(500, NAMES(name_made_safe))


def any_workbook(rows: list[list[Any]], hidden: set[int], merged: bool, late: bool) -> None:
    content = made_workbook(rows, hidden, merged, late)
    assert len(worker.read(content, LIMITS)["sheets"]) == 1


ANY_WORKBOOK = given(
    rows=st.lists(st.lists(VALUES, max_size=15), max_size=5),
    hidden=st.sets(st.integers(2, 9), max_size=2),
    merged=st.booleans(),
    late=st.booleans(),
)
test_any_workbook = QUICK(ANY_WORKBOOK(any_workbook))
test_many_workbook = many(500, ANY_WORKBOOK(any_workbook))
