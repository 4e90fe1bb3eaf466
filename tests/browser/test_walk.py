"""The trip of one return in a real browser: a lead sends it, an approver signs, an evaluator accepts it and sees the effect."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pilots.access import LOCAL_ADMINISTRATOR
from pilots.accounts import add_development_accounts
from pilots.demonstration import example_files
from pilots.returns import submission, submissions, submit_return
from pilots.storage import Store

pytestmark = pytest.mark.browser

COLLECTION, PERIOD = "Education, health and care plan process", "2024/25 summer"
REFERENCE = "EHCP-PROCESS-E12000001-2024-25-SUMMER-v1"
DIGITAL = "Digital and standard EHC plan"


@pytest.mark.slow
def test_from_a_return_with_faults_to_its_effect(demonstration_url: str, serve: Callable[..., str], looker: Any) -> None:
    files = example_files()
    looker.open(serve(demonstration_url, "--demonstration"))

    # The first screen shows a result, and says what it is made of.
    assert looker.page.locator("h1").inner_text() == "What each reform did"
    assert "Every figure on this screen is synthetic" in looker.text() and "The true effect in the demonstration" in looker.text()
    looker.look("01-first-screen")
    looker.choose("Reform", "Local SEND and AP partnership")
    looker.choose("Outcome", "EHC plans issued within 20 weeks, by term")
    assert "Not estimable: all 32 authorities start at once" in looker.text()
    looker.look("02-not-estimable")

    looker.go("Sign in")
    looker.look("03-sign-in")
    looker.sign_in("Lead of North East")
    assert looker.page.locator("h1").inner_text() == "Returns due" and "Waiting for you" in looker.text()
    looker.look("04-due")
    looker.choose("Collection", COLLECTION)
    # How many days are left depends on when the demonstration was built: it may have been before midnight. A stroke would end
    # the pattern in the browser.
    looker.choose("Choose a return", re.compile(f"^{COLLECTION}, {PERIOD}: due in [0-9]+ days$".replace("/", ".")))
    looker.press("Send this return")
    assert looker.page.locator("h1").inner_text() == "Send a return"
    looker.look("04-send")
    looker.upload("summer-draft.csv", files["with faults"])
    looker.press("Check my file")
    assert "Errors: you must put these right (3)" in looker.text()
    for words in ("You entered", "How to put it right", "values.unknown_authority", "“<5” is a range"):
        assert words in looker.text()
    assert looker.page.get_by_role("button", name="Submit this return").count() == 0
    looker.look("05-findings")

    looker.upload("summer.csv", files["corrected"])
    looker.press("Check my file")
    assert "No errors" in looker.text()
    looker.look("06-queries")
    for box in looker.page.get_by_role("textbox").all():
        box.fill("More staff since the spring; the figures are right.")
    looker.press("Submit this return")
    looker.sees("Return received")
    assert REFERENCE in looker.text()
    looker.look("07-receipt")
    looker.press("See where it stands")
    looker.sees("This return is submitted, not yet signed.")
    assert "Next step by: approver." in looker.text()
    assert looker.page.get_by_role("button", name="Sign this return").count() == 0
    looker.look("08-return")

    looker.sign_in("Approver of North East")
    looker.sees("Waiting for you (1)")
    looker.look("09-to-sign")
    looker.press("Open this return")
    looker.look("09-return-to-sign")
    looker.press("Sign this return")
    looker.sees(f"{REFERENCE} is signed")

    looker.sign_in("DfE evaluator")
    assert looker.page.locator("h1").inner_text() == "What each reform did"
    looker.go("Returns due")
    looker.sees("Waiting for you (1)")
    looker.press("Open this return")
    looker.press("Accept this return")
    looker.sees(f"{REFERENCE} is accepted")
    looker.look("09-accepted")
    looker.go("Releases, plans and runs")
    looker.page.get_by_role("textbox", name="Name of a new release").fill("With the summer return")
    looker.work("Make a release", "Release With the summer return is made")
    looker.choose("Plan", "Digital EHC plans and the 20-week limit (digital_ehcp 3, registered)")
    looker.work("Evaluate this plan", "is stored")
    looker.look("10-evaluated")
    looker.go("What each reform did")
    looker.choose("Reform", DIGITAL)
    looker.sees("Effect by terms since the start")
    assert "With the summer return" in looker.text()
    looker.look("11-effect")
    looker.work("Run again and compare", "The same numbers, to the last bit")

    store = Store.open(demonstration_url)
    (signed,) = submissions(store, LOCAL_ADMINISTRATOR, "ehcp_process", "E12000001", PERIOD)
    store.close()
    assert (signed.status, signed.submitted_by) == ("accepted", "lead-E12000001")
    assert (signed.signed_off_by, signed.accepted_by) == ("approver-E12000001", "evaluator")


@pytest.mark.slow
def test_what_else_becomes_of_a_return(
    tmp_path: Path, ehcp_csv: Callable[..., bytes], serve: Callable[..., str], looker: Any
) -> None:
    """More time, a nil return, sent back, withdrawn: on a store of one's own, each by whoever may."""
    address = f"sqlite:///{tmp_path / 'own.sqlite'}"
    store = Store.open(address)
    add_development_accounts(store, LOCAL_ADMINISTRATOR)
    key = ("ehcp_process", "E12000001", "2023/24 autumn")
    sent = submit_return(store, LOCAL_ADMINISTRATOR, *key, "autumn.csv", ehcp_csv("E12000001", "2023/24 autumn"))
    looker.open(serve(address))
    looker.sign_in("Lead of North East")
    looker.page.get_by_text("Ask for more time").first.click()
    looker.page.get_by_text("There is nothing to return").first.click()
    looker.settled()
    looker.look("30-due-open")
    for label, words in (("Day", "31"), ("Month", "3"), ("Year", "2099"), ("Why more time is needed", "A new system.")):
        looker.page.get_by_role("textbox", name=label, exact=True).fill(words)
    looker.press("Ask for more time")
    looker.sees("MORE-TIME-0001 is sent to the department")

    looker.sign_in("DfE evaluator")
    looker.go("Returns due")
    looker.look("31-decide")
    looker.press("Grant it")
    looker.sees("MORE-TIME-0001 is granted")

    looker.sign_in("Approver of North East")
    looker.press("Open this return")
    looker.page.get_by_text("Send it back").first.click()
    looker.page.get_by_role("textbox", name="What is wrong, and what to do").fill("Hartlepool is a term too old.")
    looker.press("Send it back")
    looker.sees(f"{sent.reference} is sent back")

    looker.sign_in("Lead of North East")
    looker.go("Returns")
    looker.choose("Open a return", sent.reference)
    looker.sees("Reason: Hartlepool is a term too old.")
    looker.look("32-sent-back")
    looker.page.get_by_text("Withdraw this return").first.click()
    looker.page.get_by_role("textbox", name="Why it is withdrawn").fill("It was sent for the wrong term.")
    looker.press("Withdraw this return")
    looker.sees(f"{sent.reference} is withdrawn")
    assert submission(store, LOCAL_ADMINISTRATOR, sent.reference).status == "withdrawn"
    store.close()


def test_every_other_screen_and_the_charts_table(demonstration_url: str, serve: Callable[..., str], looker: Any) -> None:
    address = serve(demonstration_url, "--demonstration")
    # A screen's own address works before anybody has opened the front door.
    looker.open(f"{address}/reform_register")
    assert "Every figure on this screen is synthetic" in looker.text() and "Who has which reform" in looker.text()
    looker.choose("Reform", "Tailored lists")
    looker.look("12-register")
    looker.page.get_by_text("Table and description").first.click()
    looker.settled()
    assert looker.page.get_by_role("columnheader", name="Local authority").count() == 1
    looker.sign_in("Administrator")
    for name, title in (
        ("Published data", "13-published"),
        ("Returns", "14-returns"),
        ("Releases, plans and runs", "15-evaluate"),
    ):
        looker.go(name)
        looker.look(title)


def test_an_empty_store_of_ones_own(tmp_path: Path, serve: Callable[..., str], looker: Any) -> None:
    looker.open(serve(f"sqlite:///{tmp_path / 'own.sqlite'}"))
    assert "synthetic" not in looker.text()
    looker.look("16-start")
    looker.press("Import published data")
    assert looker.page.locator("h1").inner_text() == "Published data"
    looker.look("17-import")
    looker.go("What each reform did")
    assert "There are no results yet." in looker.text()
    looker.look("18-nothing-yet")


@pytest.mark.slow
def test_published_data_as_they_are_give_a_verdict_with_its_warnings(
    shared: Path, tmp_path: Path, serve: Callable[..., str], looker: Any
) -> None:
    release = shared / "data" / "ees_zips" / "education-health-and-care-plans_2025.zip"
    looker.open(serve(f"sqlite:///{tmp_path / 'own.sqlite'}"))
    looker.press("Import published data")
    looker.upload(release.name, release.read_bytes())
    looker.press("Import this release")
    looker.page.get_by_text("The release is imported").wait_for()
    assert "Authorities without figures" in looker.text() and "Leicester" in looker.text()
    looker.look("19-import-report")
    looker.go("Releases, plans and runs")
    looker.press("Make a release")
    looker.press("Evaluate this plan")
    looker.page.get_by_text("is stored").wait_for()
    looker.go("What each reform did")
    for words in (
        "Cannot tell: could only have seen",
        "break in this series",
        "Leicester has no figure for 2023",
        "Release digest",
    ):
        assert words in looker.text()
    assert "synthetic" not in looker.text()
    looker.look("20-real-effect")
