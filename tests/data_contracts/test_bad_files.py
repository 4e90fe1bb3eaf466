"""Bad inputs 1 to 90: each gives a clear message, keeps its digest, and never a traceback."""

import hashlib
import re
import resource
from types import ModuleType
from typing import Any

import pandas as pd

from data_contracts import Context, Limits, Report, check, load_contract
from data_contracts.reading import take

CONTRACT = load_contract("ehcp_process")
OF_A_PROGRAM = re.compile(r"Traceback|Error\b|Exception|\.py\b|/work|0x|None|\{|\}|\?(?!”)")


CHECKED: dict[tuple[int, str], tuple[bytes, Report]] = {}
SPENT: dict[tuple[int, str], float] = {}


def processor_seconds() -> float:
    """What this process and those that it has waited for have worked: a busy machine adds nothing."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def checked(case: Any, contexts: dict[str, Context]) -> tuple[bytes, Report]:
    """Bytes and report of a case; the heavy ones are made and checked once."""
    if (case.item, case.name) not in CHECKED:
        content = case.content()
        begun = processor_seconds()
        CHECKED[case.item, case.name] = content, check(case.loaded(), case.filename, content, case.known(contexts), case.limits)
        SPENT[case.item, case.name] = processor_seconds() - begun
    return CHECKED[case.item, case.name]


def test_each_bad_file_gives_its_findings(bad_file: Any, contexts: dict[str, Context]) -> None:
    content, report = checked(bad_file, contexts)
    found = [(finding.rule, finding.severity, finding.row, finding.cell) for finding in report.findings]
    assert sorted(found, key=str) == sorted(bad_file.expect, key=str), [finding.message for finding in report.findings]
    assert report.sha256 == hashlib.sha256(content).hexdigest()


def test_each_bad_file_is_told_in_plain_words(bad_file: Any, contexts: dict[str, Context]) -> None:
    _, report = checked(bad_file, contexts)
    for finding in report.findings:
        for words in (finding.message, finding.fix):
            assert len(words) >= 8 and words.endswith("."), words
            assert not OF_A_PROGRAM.search(words.replace(f"“{finding.value}”", "")), words
        assert finding.message != finding.fix
    assert bad_file.expect or bad_file.why, "a case without a finding says why"


def test_a_bad_file_with_an_error_has_no_rows_and_one_without_has_all(
    bad_file: Any, contexts: dict[str, Context], bad_files: ModuleType
) -> None:
    _, report = checked(bad_file, contexts)
    assert (report.rows is None) == bool(report.errors)
    if report.rows is None or not bad_file.same_rows:
        return
    wanted = check(CONTRACT, "return.csv", bad_files.good(), contexts["ehcp_process"]).rows
    assert wanted is not None
    pd.testing.assert_frame_equal(report.rows.drop(columns="row"), wanted.drop(columns="row"))


def test_every_item_of_the_list_has_a_case(bad_inputs: ModuleType) -> None:
    assert {case.item for case in bad_inputs.CASES} == set(range(1, 91))
    names = [(case.item, case.name) for case in bad_inputs.CASES]
    assert len(names) == len(set(names))


def test_a_stream_without_an_end_is_read_no_further_than_the_limit(bad_files: ModuleType) -> None:
    stream = bad_files.Endless()
    assert len(take(stream, Limits(file_bytes=3_000_000))) == 3_000_001
    assert stream.given == 3_000_001


def test_text_in_windows_1252_is_read_right(bad_files: ModuleType, contexts: dict[str, Context]) -> None:
    content = bad_files.with_note(bad_files.WINDOWS).encode("cp1252")
    report = check(CONTRACT, "return.csv", content, contexts["ehcp_process"])
    assert report.rows is not None and report.rows["note"][1] == bad_files.WINDOWS
    assert "Windows-1252" in report.notes[0].message and "£5000" in report.notes[0].message


def test_a_line_break_in_a_cell_shifts_no_row_number(bad_files: ModuleType, contexts: dict[str, Context]) -> None:
    content = bad_files.quoted(5, '"one\ntwo"').replace("E06000005,2023/24 autumn,125", "E06000005,2023/24 autumn,many").encode()
    report = check(CONTRACT, "return.csv", content, contexts["ehcp_process"])
    assert [(finding.rule, finding.row, finding.cell) for finding in report.findings] == [("types.not_a_number", 6, "C6")]


def test_heavy_workbooks_are_given_up_with_little_work(bad_files: ModuleType, contexts: dict[str, Context]) -> None:
    heavy = [case for case in bad_files.CASES if case.item in {16, 17, 18, 19}]
    for case in heavy:
        checked(case, contexts)
    assert {case.name: SPENT[case.item, case.name] for case in heavy if SPENT[case.item, case.name] > 30} == {}


def test_the_bomb_is_small_until_unpacked(bad_files: ModuleType) -> None:
    assert len(bad_files.bomb()) < 300_000
    assert len(bad_files.far_cell()) < 20_000


def test_more_rows_or_cells_than_are_read_are_refused(contexts: dict[str, Context], bad_files: ModuleType) -> None:
    for content in (bad_files.good(), bad_files.workbook()):
        for limits in (Limits(rows=10), Limits(cells=100)):
            report = check(CONTRACT, "return", content, contexts["ehcp_process"], limits)
            assert [finding.rule for finding in report.findings] == ["file.too_many_cells"]
