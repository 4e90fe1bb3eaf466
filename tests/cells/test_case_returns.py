"""`pilots cells --collection`: case files to returns, identifiers refused, every row accounted for, nothing kept."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts import ContractError, contracts
from data_contracts.caseforms import case_forms, load_case_form, parse_case_form
from pilots.__main__ import pilots
from pilots.access import LOCAL_ADMINISTRATOR, Actor, NotAllowed
from pilots.casereturns import Asked, MadeReturn, make_return
from pilots.returns import submission_rows
from pilots.storage import Store
from tests.processes import PATIENCE, until

NORTH_EAST, TERM = "E12000001", "2024/25 autumn"
HARTLEPOOL, MIDDLESBROUGH = "E06000001", "E06000002"
EHCP = "authority,case,requested_on,first_request,decision,issued_on,exception,exception_reason,digital\n"


def made(path: Path, collection: str, engine: str = "duckdb", **more: Any) -> MadeReturn:
    return make_return(LOCAL_ADMINISTRATOR, path, Asked(collection, NORTH_EAST, TERM, **more), engine)


def rows_of(result: MadeReturn) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(result.content.decode())))


def written(tmp_path: Path, text: str, name: str = "cases.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def only(result: MadeReturn, authority: str = HARTLEPOOL, **strata: str) -> dict[str, str]:
    wanted = {"authority": authority, **strata}
    (row,) = [row for row in rows_of(result) if all(row[name] == value for name, value in wanted.items())]
    return {name: value for name, value in row.items() if name not in ("authority", "period", "note")}


def command(*typed: str | Path) -> Any:
    return CliRunner().invoke(pilots, [str(one) for one in typed])


def test_requests_and_plans_by_hand(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        EHCP
        + f"{HARTLEPOOL},1,2024-09-02,yes,refused,,,,\n"  # refused in the term
        + f"{HARTLEPOOL},2,2024-12-31,no,agreed,,,,\n"  # the last day of the term
        + f"{HARTLEPOOL},3,2024-05-01,yes,agreed,2024-09-18,no,,yes\n"  # 140 days: within 20 weeks
        + f"{HARTLEPOOL},4,2024-05-01,yes,agreed,2024-09-19,yes,other,no\n"  # 141 days, with an exception
        + f"{HARTLEPOOL},5,2024-02-29,yes,agreed,2024-10-10,yes,,\n"  # an exception without its reason counts as none
        + f"{HARTLEPOOL},6,2024-08-31,yes,refused,,,,\n",  # the day before the term
    )
    result = made(path, "ehcp_process")
    assert only(result) == {
        "requests": "2",
        "requests_refused": "1",
        "plans_issued": "3",
        "plans_issued_within_20_weeks": "1",
        "exceptions": "1",
        "exceptions_with_reason": "1",
        "plans_issued_excluding_exceptions": "2",
        "plans_issued_within_20_weeks_excluding_exceptions": "1",
        "plans_digital": "1",
        "average_weeks": "24",  # (140 + 141 + 224) / 7 / 3 = 24.05
        "requests_first_time": "1",
    }
    assert (result.account.rows, result.account.used, result.account.left_out) == (6, 5, {"cases.outside": 1})
    assert [one.rule for one in result.account.findings if one.rule == "exception_without_reason"]
    assert only(result, MIDDLESBROUGH)["requests"] == "x" and "E06000002" in str(result.account.findings)
    nothing = made(path, "ehcp_process", no_cases=(MIDDLESBROUGH,))
    assert only(nothing, MIDDLESBROUGH)["requests"] == "0" and only(nothing, MIDDLESBROUGH)["average_weeks"] == "z"


def test_placements_by_hand(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "authority,placement,child,tier,started_on,ended_on,sessions,on_mainstream_roll,returned_to_mainstream,"
        "still_there_after_12_weeks,registered,full_time\n"
        f"{HARTLEPOOL},1,A,1,2024-05-01,2024-09-01,10,yes,yes,yes,yes,yes\n"  # ends on the first day of the term
        f"{HARTLEPOOL},2,A,1,2024-10-01,,20,yes,,,yes,no\n"  # the same child again
        f"{HARTLEPOOL},3,B,1,2024-12-31,,3,yes,,,no,yes\n"
        f"{HARTLEPOOL},4,C,2,2024-09-09,2024-11-01,40,no,yes,,no,no\n"  # returned, 12 weeks not over
        f"{HARTLEPOOL},5,D,3,2024-05-01,2024-08-31,40,no,no,,yes,no\n"  # over before the term
        f"{HARTLEPOOL},6,E,3,2025-01-01,,40,no,,,yes,no\n",  # begins after it
    )
    result = made(path, "ap_tiers")
    # placements, pupils, sessions, on roll, ended, returned, after 12 weeks, unregistered, full time
    assert list(only(result, tier="1").values())[1:] == ["3", "2", "33", "2", "1", "1", "1", "1", "1"]
    assert list(only(result, tier="2").values())[1:] == ["1", "1", "40", "0", "1", "1", "x", "1", "0"]
    assert list(only(result, tier="3").values())[1:] == ["0"] * 9
    assert (result.account.used, result.account.left_out) == (4, {"cases.outside": 2})


def test_lists_by_hand(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "authority,plan,fsm,finalised_on,list_offered,settings_on_list,independent_on_list,preference_on_list,named_on_list,"
        "preference_named,independent_named,list_cost,appealed_on\n"
        f"{HARTLEPOOL},1,yes,2024-09-10,yes,4,1,yes,yes,yes,no,200.25,\n"
        f"{HARTLEPOOL},2,yes,2024-09-11,yes,1,,no,no,yes,yes,99.25,2024-10-01\n"
        f"{HARTLEPOOL},3,,2024-09-12,no,,,,,yes,no,,\n"  # a blank is unknown
        f"{HARTLEPOOL},4,no,2024-08-12,no,,,,,yes,no,,2024-09-01\n",  # finalised before, appealed in the term
    )
    result = made(path, "tailored_lists")
    # finalised, offered, settings, independent, of one, preferred, named, preference, independent named, cost, appeals
    assert list(only(result, fsm="yes").values())[1:] == ["2", "2", "5", "1", "1", "1", "1", "2", "1", "300", "1"]
    assert list(only(result, fsm="unknown").values())[1:] == ["1", *["0"] * 6, "1", "0", "0", "0"]
    assert list(only(result, fsm="no").values())[1:] == [*["0"] * 10, "1"]


def test_referrals_by_hand(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "authority,referral,referred_on,outcome,direction_requested,direction_made,school,days_out_of_school\n"
        f"{HARTLEPOOL},1,2024-09-10,admitted,,,100001,4\n"
        f"{HARTLEPOOL},2,2024-09-11,admitted,,,100001,9\n"
        f"{HARTLEPOOL},3,2024-09-12,refused,yes,yes,100002,\n"  # directed, not at school yet
        f"{HARTLEPOOL},4,2024-09-13,refused,yes,no,,\n"
        f"{HARTLEPOOL},5,2024-09-14,home_educated,,,,\n"
        f"{HARTLEPOOL},6,2024-09-15,,,,,\n"
        f"{MIDDLESBROUGH},1,2024-09-15,admitted,,,100001,\n",  # the other authority has references of its own
    )
    result = made(path, "fair_access", figures={(HARTLEPOOL, "schools_in_area"): "46"})
    # referrals, decided, admitted, refused, other, home, requested, made, median days, receiving, in area
    assert list(only(result).values()) == ["6", "5", "2", "2", "1", "1", "2", "1", "6.5", "2", "46"]
    assert list(only(result, MIDDLESBROUGH).values()) == ["1", "1", "1", *["0"] * 5, "x", "1", "x"]
    assert not result.account.check["errors"]


@pytest.mark.parametrize("collection", case_forms())
def test_the_example_becomes_a_return_that_can_be_submitted_on_either_engine(collection: str, tmp_path: Path) -> None:
    form = load_case_form(collection)
    assert form.contract == contracts()[collection][-1], "the form makes the newest version of the return"
    path = written(tmp_path, form.example_csv())
    first, second = made(path, collection), made(path, collection, "polars")
    assert first.content == second.content and first.account.left_out == second.account.left_out
    assert first.account.ready and first.account.check["queries"] == 0
    pl.read_csv(path).write_parquet(tmp_path / "cases.parquet")
    assert made(tmp_path / "cases.parquet", collection, "polars").content == first.content
    folder = tmp_path / "folder"
    folder.mkdir()
    lines = path.read_text().splitlines(keepends=True)
    written(folder, "".join(lines[:50]), "a.csv")
    written(folder, "".join([lines[0], *lines[50:]]), "b.csv")
    assert made(folder, collection, "polars").content == first.content


@pytest.mark.parametrize("collection", case_forms())
def test_a_return_made_of_cases_goes_on_to_be_checked_and_submitted(
    collection: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PILOTS_DATABASE_URL", f"sqlite:///{tmp_path}/store.sqlite")
    cases, out = written(tmp_path, load_case_form(collection).example_csv()), tmp_path / "made.csv"
    about = ("--collection", collection, "--region", "North East", "--period", TERM)
    account = json.loads(command("cells", cases, *about, "--out", out, "--json").stdout)
    assert account["engine"] == "polars" and account["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    check = json.loads(command("check", out, *about, "--json").stdout)
    assert (check["errors"] if "errors" in check else [one for one in check["findings"] if one["severity"] == "error"]) == []
    queries = {one["rule"] for one in check["findings"] if one["severity"] == "query"}
    why = [part for rule in sorted(queries) for part in ("--explain", f"{rule}=As in the cases")]
    receipt = json.loads(command("submit", out, *about, *why, "--json").stdout)
    assert (receipt["status"], receipt["rows"], receipt["sha256"]) == ("submitted", account_rows(out), account["sha256"])
    store = Store.open(f"sqlite:///{tmp_path}/store.sqlite")
    stored = submission_rows(store, LOCAL_ADMINISTRATOR, receipt["reference"])
    store.close()
    for column, total in account["totals"].items():
        assert float(stored[column].sum()) == total, column


def account_rows(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines()) - 1


def test_a_workbook_is_read_as_well(tmp_path: Path) -> None:
    text = load_case_form("ehcp_process").example_csv()
    book = openpyxl.Workbook()
    for line in csv.reader(io.StringIO(text)):
        cells = [date.fromisoformat(cell) if cell[:2] == "20" else cell or None for cell in line]
        book.active.append(cells)
    book.save(tmp_path / "cases.xlsx")
    found = made(tmp_path / "cases.xlsx", "ehcp_process")
    assert found.content == made(written(tmp_path, text), "ehcp_process").content


@pytest.mark.parametrize(
    "heading", ["UPN", "child_uln", "NHS number", "DateOfBirth", "Surname", "Full Name", "post code", "E-mail"]
)
def test_identifiers_are_refused_by_heading(tmp_path: Path, heading: str) -> None:
    path = written(tmp_path, EHCP.strip() + f",{heading}\n{HARTLEPOOL},1,2024-09-02,,,,,,,Secret\n")
    result = command(
        "cells", path, "--collection", "ehcp_process", "--region", "North East", "--period", TERM, "--out", tmp_path / "o"
    )
    assert result.exit_code == 1 and "identifiers of persons" in result.output and "Secret" not in result.output
    assert not (tmp_path / "o").exists()


IDENTIFIERS = ["A123456789012", "943 476 5919", "9434765919", "TS24 8AY", "a.child@example.org", "DOB 3/4/2012", "AB123456C"]


@pytest.mark.parametrize("value", IDENTIFIERS)
@pytest.mark.parametrize("column", ["case", "remarks"])
@pytest.mark.parametrize("engine", ["duckdb", "polars"])
def test_identifiers_are_refused_by_value(tmp_path: Path, value: str, column: str, engine: str) -> None:
    case, remarks = (value, "") if column == "case" else ("1", value)
    path = written(tmp_path, EHCP.strip() + f",remarks\n{HARTLEPOOL},{case},2024-09-02,,,,,,,{remarks}\n")
    typed = ("--collection", "ehcp_process", "--region", NORTH_EAST, "--period", TERM, "--engine", engine, "--json")
    result = command("cells", path, "--out", tmp_path / "o", *typed)
    said = json.loads(result.stdout)["error"]
    assert f"Column “{column}” holds identifiers of persons" in said and value not in said
    assert not (tmp_path / "o").exists()


def test_no_message_quotes_a_row(tmp_path: Path) -> None:
    ragged = written(tmp_path, EHCP + f"{HARTLEPOOL},1,2024-09-02,Rosie Cotton,,,,,,,,,\n")
    for engine in ("duckdb", "polars"):
        result = command(
            *("cells", ragged, "--collection", "ehcp_process", "--region", NORTH_EAST, "--period", TERM),
            *("--out", tmp_path / "o", "--engine", engine),
        )
        assert "cannot be read" in result.output and "Rosie" not in result.output, engine
    headless = written(tmp_path, f"{HARTLEPOOL},A123456789012,2024-09-02\n", "headless.csv")
    result = command(
        *("cells", headless, "--collection", "ehcp_process", "--region", NORTH_EAST, "--period", TERM, "--out", tmp_path / "o")
    )
    assert "first row holds identifiers" in result.output and "A123456789012" not in result.output
    odd = written(tmp_path, EHCP + f"Rosie Cotton,1,2024-09-02,,,,,,\n{HARTLEPOOL},2,Rosie,Cotton,,,,,\n", "odd.csv")
    assert "Rosie" not in json.dumps(made(odd, "ehcp_process").account.to_dict())


def test_rows_that_cannot_be_are_findings_with_their_row_and_are_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "cases"
    folder.mkdir()
    written(folder, EHCP + f"{HARTLEPOOL},1,2024-09-02,,,,,,\n\n{HARTLEPOOL},2,2024-09-31,,,,,,\n", "a.csv")
    written(
        folder,
        EHCP
        + f"{HARTLEPOOL},3,2024-09-20,,agreed,2024-09-19,,,\n"  # issued before it was asked for
        + f"{HARTLEPOOL},1,2024-09-02,,,,,,\n"  # also in the other file
        + "E08000003,4,2024-09-02,,,,,,\n"  # Manchester
        + f"{HARTLEPOOL},5,,,,,,,\n"
        + f"{HARTLEPOOL},6,2024-09-02,,perhaps,,,,\n"
        + f"{HARTLEPOOL},7,2024-09-02,,,,,,\n",
        "b.csv",
    )
    result = made(folder, "ehcp_process")
    assert result.account.left_out == {
        "cases.authority@authority": 1,
        "cases.blank@requested_on": 1,
        "cases.not_a_choice@decision": 1,
        "cases.not_a_date@requested_on": 1,
        "cases.twice@case": 2,
        "issued_before_requested@issued_on": 1,
    }
    assert (result.account.rows, result.account.used) == (8, 1)
    places = {(one.rule, one.sheet, one.row) for one in result.account.findings if one.row}
    assert {("cases.twice", "a.csv", 2), ("cases.twice", "b.csv", 3), ("issued_before_requested", "b.csv", 2)} <= places
    assert any("Manchester" in one.message for one in result.account.findings)
    assert rows_of(result)[0]["note"] == "Made from cases. Rows left out because something in them was wrong: 6."
    assert made(folder, "ehcp_process", "polars").content == result.content


DAYS = st.dates(date(2024, 3, 1), date(2025, 2, 28)).map(str) | st.sampled_from(["", "2024-02-30", "2024-13-01", "19/09/2024"])
LINES = st.lists(
    st.tuples(
        st.sampled_from([HARTLEPOOL, MIDDLESBROUGH, "E08000003", "", "Hartlepool"]),
        st.integers(1, 30).map(str) | st.just(""),
        DAYS,
        st.sampled_from(["yes", "NO", "", "true", "maybe"]),
        st.sampled_from(["agreed", "refused", "", "?"]),
        DAYS,
        st.sampled_from(["yes", "no", ""]),
        st.sampled_from(["other", ""]),
        st.sampled_from(["yes", " no ", ""]),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=15)
@given(LINES)
def test_every_row_is_accounted_for(lines: list[tuple[str, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder), EHCP + "".join(",".join(line) + "\n" for line in lines))
        first = made(path, "ehcp_process", "polars")
    account = first.account
    given_rows = [line for line in lines if any(cell.strip() for cell in line)]
    assert account.rows == len(given_rows) == account.used + sum(account.left_out.values())
    assert account.ready, account.check["findings"]
    own = {one["authority"]: one for one in account.by_authority}
    assert all(one["rows"] == one["used"] + one["other_terms"] + one["left_out"] for one in own.values())
    assert sum(one["used"] for one in own.values()) == account.used
    asked = [row for row in rows_of(first) if row["requests"] != "x"]
    assert sum(int(row["requests"]) for row in asked) == account.totals["requests"]
    faulty = sum(many for why, many in account.left_out.items() if why != "cases.outside")
    in_term = sum("2024-09-01" <= line[2] <= "2024-12-31" for line in given_rows)
    assert in_term - faulty <= account.totals["requests"] <= in_term


@settings(max_examples=2)
@given(st.lists(LINES, min_size=20, max_size=20))
def test_engines_agree_on_random_files(lists: list[list[tuple[str, ...]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder), EHCP + "".join(",".join(line) + "\n" for lines in lists for line in lines))
        first, second = (made(path, "ehcp_process", engine) for engine in ("duckdb", "polars"))
    assert first.content == second.content and first.account.left_out == second.account.left_out


def test_only_a_lead_of_the_region_and_only_forms_that_fit(tmp_path: Path) -> None:
    path = written(tmp_path, load_case_form("ehcp_process").example_csv())
    lead = Actor("lead", "A lead", "lead", ("E12000002",))
    with pytest.raises(NotAllowed):
        make_return(lead, path, Asked("ehcp_process", NORTH_EAST, TERM))
    typed = ("--region", NORTH_EAST, "--period", TERM, "--out", tmp_path / "o")
    assert "Returns that can be made from cases are" in command("cells", path, "--collection", "places", *typed).output
    assert (
        "columns of cells come from the case form"
        in command("cells", path, "--collection", "ehcp_process", *typed, "--unit", "authority").output
    )
    assert "The file has no column referral" in command("cells", path, "--collection", "fair_access", *typed).output
    text = "{collection: fair_access, version: 1.0.0, contract: 1.0.0, title: t, purpose: p, row: r, "
    text += "strata: [], figures: {}, columns: []}"
    with pytest.raises(ContractError, match="one column with key"):
        parse_case_form(text)
    with pytest.raises(ContractError, match="makes other columns than the return has"):
        parse_case_form(text.replace("columns: []", "columns: [{name: referral, type: reference, key: 'true'}]"))
    with pytest.raises(ContractError, match="called like an identifier"):
        parse_case_form(text.replace("columns: []", "columns: [{name: upn, type: reference, key: 'true'}]"))


def test_the_guide_and_the_example(tmp_path: Path) -> None:
    for collection in case_forms():
        said = json.loads(command("guide", "--cases", collection, "--example", tmp_path / collection, "--json").stdout)
        assert (tmp_path / collection).read_text().splitlines()[0] == ",".join(one["column"] for one in said["columns"])
        assert all(one["description"] and one["allowed"] for one in said["columns"])


def listing(*folders: Path) -> dict[str, tuple[int, int]]:
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def reads(process: int, path: Path) -> bool:
    """Whether the process holds the file open at this moment."""
    opened, found = f"/proc/{process}/fd", list[str]()
    with suppress(OSError):  # it has ended since it was looked at
        found = os.listdir(opened)
    for one in found:
        with suppress(FileNotFoundError):  # closed since it was listed
            if os.readlink(f"{opened}/{one}") == str(path):
                return True
    return False


def interrupted(start: Callable[[], subprocess.Popen[bytes]], path: Path, how: signal.Signals) -> bool:
    """Start a run and interrupt it as it reads; whether it was in time: a machine that stands still for a while is too late."""
    running = start()
    seen = (
        until(lambda: reads(running.pid, path) or running.poll() is not None, "the run reads its file") and running.poll() is None
    )
    running.send_signal(how)
    code = running.wait(timeout=PATIENCE)
    assert code == 0 or seen, "the run failed before it was interrupted"
    return code != 0


@pytest.mark.parametrize(
    "how", [None, pytest.param(signal.SIGKILL, marks=pytest.mark.slow), pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_nothing_is_kept(tmp_path: Path, how: signal.Signals | None) -> None:
    work, temporary, store = (tmp_path / name for name in ("work", "temporary", "store"))
    for folder in (work, temporary, store):
        folder.mkdir()
    days = [date(2024, 9, 1) + timedelta(days=at) for at in range(100)]
    lines = [f"{HARTLEPOOL},{at},{days[at % 100]},,,,,,\n" for at in range(300_000 if how else 100)]
    path = written(tmp_path, EHCP + "".join(lines))
    environment = {
        **os.environ,
        "TMPDIR": str(temporary),
        "PILOTS_DATABASE_URL": f"sqlite:///{store}/store.sqlite",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    typed = [sys.executable, "-m", "pilots", "cells", str(path), "--collection", "ehcp_process", "--region", NORTH_EAST]
    typed += ["--period", TERM, "--out", str(tmp_path / "made.csv"), "--setting", "memory_limit=400MB"]
    before = listing(work, temporary, store)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    start = partial(subprocess.Popen, typed, cwd=work, env=environment, **quiet)
    if how is None:
        assert start().wait(timeout=PATIENCE) == 0
    else:
        tried = 1
        while not interrupted(start, path, how):
            assert tried < 20, "each run was over before it could be interrupted"
            assert listing(work, temporary, store) == before
            (tmp_path / "made.csv").unlink()
            tried += 1
    assert listing(work, temporary, store) == before and (tmp_path / "made.csv").exists() is (how is None)
