"""Whatever comes to the door, the check answers: it never raises, and what it says fits together."""

import csv
import hashlib
import io
import zipfile
from types import ModuleType

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from data_contracts import Context, Contract, check, contracts, load_contract
from data_contracts.reading import safe_name, worker

CONTRACT = load_contract("ehcp_process")
QUICK = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
FEW = settings(QUICK, max_examples=15)
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


@QUICK
@given(content=st.binary(max_size=400), filename=st.text(max_size=30))
def test_any_bytes(content: bytes, filename: str, contexts: dict[str, Context]) -> None:
    answered(CONTRACT, filename, content, contexts["ehcp_process"])


@QUICK
@given(
    rows=st.lists(ROW, max_size=6),
    mark=st.sampled_from(",;\t|"),
    codec=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252", "mac-roman"]),
)
def test_any_table_under_good_headings(rows: list[list[str]], mark: str, codec: str, contexts: dict[str, Context]) -> None:
    held = io.StringIO()
    csv.writer(held, delimiter=mark).writerows([HEADINGS, *rows])
    answered(CONTRACT, "a.csv", held.getvalue().encode(codec, "replace"), contexts["ehcp_process"])


@QUICK
@given(
    changes=st.dictionaries(st.tuples(st.integers(0, 12), st.integers(0, 12)), CELLS, max_size=8),
    name=st.sampled_from(sorted(contracts())),
)
def test_any_cells_in_a_good_table(
    changes: dict[tuple[int, int], str], name: str, contexts: dict[str, Context], tables: ModuleType
) -> None:
    table = tables.example(name)
    for (row, place), text in changes.items():
        line = table[row % len(table)]
        line[place % len(line)] = text
    answered(load_contract(name), "a.csv", tables.as_csv(table), contexts[name])


@QUICK
@given(place=st.floats(0, 1), size=st.integers(0, 30), put=st.binary(max_size=30))
def test_a_good_text_with_bytes_cut_or_put_in(place: float, size: int, put: bytes, contexts: dict[str, Context]) -> None:
    good = CONTRACT.example_csv().encode()
    at = int(place * len(good))
    answered(CONTRACT, "a.csv", good[:at] + put + good[at + size :], contexts["ehcp_process"])


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


@QUICK
@given(place=st.floats(0, 1), size=st.integers(0, 40), put=st.binary(max_size=40))
def test_a_good_workbook_with_bytes_cut_or_put_in(place: float, size: int, put: bytes, book: bytes) -> None:
    at = int(place * len(book))
    read_or_refused(book[:at] + put + book[at + size :])


@QUICK
@given(
    part=st.integers(0, 20),
    place=st.floats(0, 1),
    size=st.integers(0, 60),
    put=st.one_of(
        st.binary(max_size=40),
        st.sampled_from([b"<c r='A1'>", b"</row>", b'r="99999999"', b"<v>", b't="s"', b"&#x1;", b"-1", b"1e999", b"nan"]),
    ),
)
def test_a_good_workbook_with_a_part_changed(part: int, place: float, size: int, put: bytes, book: bytes) -> None:
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


@FEW
@given(place=st.floats(0, 1), put=st.binary(max_size=40))
def test_a_changed_workbook_at_the_door(place: float, put: bytes, book: bytes, contexts: dict[str, Context]) -> None:
    at = int(place * len(book))
    answered(CONTRACT, "a.xlsx", book[:at] + put + book[at + len(put) :], contexts["ehcp_process"])


@QUICK
@given(filename=st.text(st.characters(codec=None), max_size=300))
def test_a_name_made_safe_can_be_shown_and_stored(filename: str) -> None:
    name = safe_name(filename)
    assert 0 < len(name) <= 100 and "/" not in name and "\\" not in name and name not in {".", ".."}
    name.encode("utf-8")
    assert safe_name(name) == name
