"""What a lead gets back, in a real browser: templates, marked copies, corrections to accept, the return beside the last one."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook

from data_contracts import Contract, contracts, load_contract
from data_contracts.sheets import CORRECTIONS, FINDINGS, IDENTITY, RETURN
from pilots import returns
from pilots.access import LOCAL_ADMINISTRATOR
from pilots.accounts import add_development_accounts
from pilots.collections import REGISTER, returned_by_regions
from pilots.places import authorities, region_names
from pilots.storage import Store

pytestmark = pytest.mark.browser

EHCP, TERM, NEXT = "ehcp_process", "2023/24 autumn", "2023/24 spring"


@pytest.fixture
def own(tmp_path: Path) -> str:
    """The URL of an empty store with development accounts."""
    url = f"sqlite:///{tmp_path / 'own.sqlite'}"
    store = Store.open(url)
    add_development_accounts(store, LOCAL_ADMINISTRATOR)
    store.close()
    return url


def table_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def as_workbook(table: list[list[str]]) -> bytes:
    """A workbook of the table, on a sheet with a name of its own."""
    book = Workbook()
    sheet: Any = book.active
    sheet.title = "Our figures"
    for cells in table:
        sheet.append([float(cell) if cell.replace(".", "", 1).isdigit() else cell or None for cell in cells])
    held = io.BytesIO()
    book.save(held)
    return held.getvalue()


def about(contract: Contract) -> tuple[str, str]:
    """Name of the region and the period of a contract's example."""
    first = dict(zip(*table_of(contract.example_csv())[:2], strict=True))
    place, period = contract.with_role("authority"), contract.with_role("period")
    codes = dict(zip(authorities()["authority"], authorities()["region"], strict=True))
    region = codes[first[place.name]] if place else "E12000001"
    return region_names()[region], first[period.name] if period else contract.examples().period


def downloaded(looker: Any, button: str) -> bytes:
    with looker.page.expect_download() as waited:
        looker.page.get_by_role("button", name=button, exact=True).click()
    return Path(waited.value.path()).read_bytes()


def faulty_workbook(contract: Contract) -> tuple[str, bytes]:
    """A rule of the contract, and a workbook that breaks it in a cell."""
    example = next(one for one in contract.broken_examples() if one.expected[0][1] and not one.previous and not one.locked)
    return example.rule, as_workbook(table_of(example.text))


def marks_are_where_findings_say(own: str, looker: Any, name: str, rule: str) -> None:
    """Check the file before the reader, open the copy that comes back, and hold its marks to the findings, one for one."""
    looker.press("Check my file")
    book = load_workbook(io.BytesIO(downloaded(looker, "Download your file with the findings marked (Excel)")))
    store = Store.open(own)
    (newest, *_) = returns.checks(store, LOCAL_ADMINISTRATOR, collection=name)
    found = returns.findings(store, LOCAL_ADMINISTRATOR, newest["reference"])
    store.close()
    assert rule in {one["rule"] for one in found}, name
    for one in (one for one in found if one["cell"] and one["severity"] != "note"):
        cell = book["Our figures"][one["cell"]]
        assert one["message"] in cell.comment.text and cell.fill.patternType == "solid" and cell.border.left.style
        assert one["message"] in looker.text()
    marked = {cell.coordinate for row in book["Our figures"].iter_rows() for cell in row if cell.comment}
    told = {one["cell"] or f"A{one['row']}" for one in found if one["cell"] or (one["row"] and one["severity"] != "note")}
    assert marked == told, f"{name}: marks without a finding, or findings without a mark"
    listed = list(book[FINDINGS].iter_rows(min_row=6))
    assert [row[5].value for row in listed] == [one["message"] for one in found]
    assert all(row[1].hyperlink for row, one in zip(listed, found, strict=True) if one["cell"])


def captions(looker: Any) -> set[str]:
    """What each table on the screen says it is; there is none that does not."""
    tables = looker.page.locator("table.rep-table")
    assert tables.count() == looker.page.locator("table.rep-table > caption").count()
    return set(looker.page.locator("table.rep-table > caption").all_text_contents())


@pytest.mark.slow
def test_a_faulty_workbook_of_each_contract_comes_back_with_its_marks(own: str, serve: Callable[..., str], looker: Any) -> None:
    looker.open(serve(own))
    looker.sign_in("Administrator")
    looker.go("Send a return")
    titles = returned_by_regions()
    assert {*titles, REGISTER} == set(contracts()), "a contract that this test does not send"
    for name, title in titles.items():
        contract = load_contract(name)
        region, period = about(contract)
        for label, option in (("Collection", title), ("Region", region), ("Period", period)):
            looker.choose(label, option)
        rule, content = faulty_workbook(contract)
        looker.upload(f"{name}.xlsx", content)
        marks_are_where_findings_say(own, looker, name, rule)
    looker.go("Reform register")
    rule, content = faulty_workbook(load_contract(REGISTER))
    looker.upload("register.xlsx", content)
    marks_are_where_findings_say(own, looker, REGISTER, rule)


@pytest.mark.slow
def test_corrections_are_accepted_and_the_return_is_set_beside_the_last(own: str, serve: Callable[..., str], looker: Any) -> None:
    good = load_contract(EHCP).example_csv()
    store = Store.open(own)
    last = good.replace("238,29", "260,31").encode()
    returns.submit_return(store, LOCAL_ADMINISTRATOR, EHCP, "E12000001", TERM, "autumn.csv", last)
    store.close()
    faulty = good.replace(TERM, NEXT).replace("E06000001", "Hartlepool").replace("E06000047", "Durham")
    faulty = faulty.replace(",212,62", ",2l2,62").replace("requests_refused", "Refused requests")

    looker.open(serve(own))
    looker.sign_in("Lead of North East")
    looker.go("Contracts and templates")
    looker.choose("Return", "Education, health and care plan process")
    for words in ("What changed since the last version", "What is checked across columns and rows", "All returns"):
        assert words in looker.text(), words
    looker.look("30-contracts")
    looker.go("Send a return")
    looker.choose("Collection", "Education, health and care plan process")
    looker.choose("Period", NEXT)
    template = load_workbook(io.BytesIO(downloaded(looker, "Download the template (Excel)")))
    assert list(template[IDENTITY].values)[3] == ("period", NEXT) and template["Return"].max_row == 13
    looker.upload("spring.csv", faulty.encode())
    looker.press("Check my file")
    assert "Errors: you must put these right (3)" in looker.text() and "Refused requests" in looker.text()
    looker.look("31-faults")
    assert captions(looker) >= {"About the file", "Errors: you must put these right", "Number of findings of each rule"}
    listed = downloaded(looker, "Download all findings (CSV)").decode("utf-8-sig")
    assert "values.name_for_code" in listed and listed.count("\n") > 3

    looker.page.get_by_text("Accept all 2: codes of local authorities in place of names").click()
    looker.page.get_by_text("Accept C4: “2l2” becomes “212”").click()
    looker.press("Accept the ticked corrections and check again")
    looker.page.get_by_text("Corrections accepted (3)").wait_for()
    looker.settled()
    assert "Corrections accepted (3)" in looker.text() and "No errors" in looker.text()
    corrected = load_workbook(io.BytesIO(downloaded(looker, "Download the corrected file (Excel)")))
    assert [corrected[RETURN][cell].value for cell in ("A2", "A7", "C4")] == ["E06000001", "E06000047", 212]
    assert {row[2].value for row in corrected[CORRECTIONS].iter_rows(min_row=5)} == {"Hartlepool", "2l2", "Durham"}
    assert b"E06000047" in downloaded(looker, "Download the corrected file (CSV)")
    store = Store.open(own)
    assert len(returns.submissions(store, LOCAL_ADMINISTRATOR)) == 1, "to accept and to download submits nothing"
    store.close()
    for words in ("Who has given what", "The figures that evaluators will see", "Beside the last period", "-22", "238"):
        assert words in looker.text(), words
    looker.look("32-corrected")
    assert captions(looker) >= {"Corrections accepted", "Totals of the return", "Beside the last period: largest moves first"}
    looker.press("Submit this return")
    looker.page.get_by_text("Return received").wait_for()
    assert "Return received" in looker.text() and "3 corrections accepted" in looker.text()
    store = Store.open(own)
    (receipt, _) = returns.submissions(store, LOCAL_ADMINISTRATOR)
    assert returns.original_file(store, LOCAL_ADMINISTRATOR, receipt.reference) == ("spring.csv", faulty.encode())
    store.close()
    looker.press("See where it stands")
    looker.sees("Corrections accepted (3)")
    looker.look("33-corrected-return")
    assert captions(looker) >= {"Receipt", "Steps of the return", "What the check found"}
    assert load_workbook(io.BytesIO(downloaded(looker, "Download the corrected file (Excel)")))[CORRECTIONS].max_row == 7
