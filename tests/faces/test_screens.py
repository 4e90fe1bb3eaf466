from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from streamlit.runtime.context import ContextProxy

from pages import _frame, _identity
from pilots import returns
from pilots.access import LOCAL_ADMINISTRATOR
from pilots.accounts import add_development_accounts, save_account
from pilots.sessions import Identity
from pilots.sign_in import SignIn
from pilots.storage import Store

REGION, PERIOD = "E12000001", "2023/24 autumn"
SUBMIT, RETURNS, DUE = "pages/submit.py", "pages/returns_list.py", "pages/due.py"


@pytest.fixture
def own(database: str) -> Store:
    """The test's own store, with accounts to sign in with and nothing else."""
    store = Store.open(database)
    add_development_accounts(store, LOCAL_ADMINISTRATOR)
    return store


def test_an_empty_store_offers_to_import_published_data(own: Store, screen: Callable[..., Any]) -> None:
    shown = screen()
    assert "import published data first" in shown.words
    assert "synthetic" not in shown.words
    shown.press("Import published data")
    assert shown.app.title[0].value == "Published data"
    assert "Import a release" in shown.words and "Signed in: Administrator" in shown.app.sidebar.markdown[1].value


def test_a_browser_from_elsewhere_is_offered_nothing(own: Store, screen: Callable[..., Any]) -> None:
    shown = screen(host="evidence.example.org")
    assert shown.buttons == []
    shown.go("pages/sign_in.py")
    assert "No sign-in is set up for browsers on other machines" in shown.words and shown.buttons == []


def test_a_browser_without_the_link_that_the_server_printed_is_offered_nothing(own: Store, screen: Callable[..., Any]) -> None:
    shown = screen(link=False)
    assert shown.buttons == []
    shown.go("pages/sign_in.py")
    assert "open the link that" in shown.words and shown.buttons == []


@pytest.mark.parametrize(
    ("name", "title", "absent"),
    [
        ("Lead of North East", "Returns due", "pages/published_data.py"),
        ("Approver of North East", "Returns due", SUBMIT),
        ("DfE evaluator", "What each reform did", SUBMIT),
        ("Researcher", "What each reform did", RETURNS),
        ("Administrator", "What each reform did", ""),
    ],
)
def test_each_role_begins_where_its_work_is(own: Store, screen: Callable[..., Any], name: str, title: str, absent: str) -> None:
    shown = screen()
    shown.sign_in(name)
    assert shown.app.title[0].value == title
    if absent:
        with pytest.raises(ValueError, match="Could not find a navigation page"):
            shown.go(absent)


def test_signing_in_needs_a_choice_and_signing_out_ends_it(own: Store, screen: Callable[..., Any]) -> None:
    shown = screen()
    shown.go("pages/sign_in.py")
    shown.press("Sign in")
    assert "Choose who you are." in shown.words
    shown.sign_in("Researcher")
    shown.go("pages/sign_in.py")
    shown.press("Sign out")
    assert shown.app.sidebar.markdown[1].value == "Not signed in"


def test_a_closed_account_is_signed_out_at_the_next_step(own: Store, screen: Callable[..., Any]) -> None:
    shown = screen()
    shown.sign_in("Researcher")
    save_account(own, LOCAL_ADMINISTRATOR, "researcher", "Researcher", "researcher", active=False)
    shown.run()
    assert shown.app.sidebar.markdown[1].value == "Not signed in"


def about_the_return(shown: Any) -> None:
    shown.go(SUBMIT)
    shown.choose("Collection", "ehcp_process")
    shown.choose("Period", PERIOD)


def test_a_return_goes_from_a_lead_to_an_approver_to_the_department(
    own: Store, screen: Callable[..., Any], ehcp_csv: Callable[..., bytes]
) -> None:
    good = ehcp_csv(REGION, PERIOD)
    shown = screen()
    shown.sign_in("Lead of North East")
    about_the_return(shown)
    shown.upload("autumn.csv", good.replace(b",20,", b",2O,", 1))
    assert "What we found" not in shown.words
    shown.press("Check my file")
    assert "There is a problem" in shown.words and "Errors: you must put these right (1)" in shown.words
    assert "“2O” has a letter in place of a digit" in shown.words and "requests_refused" in shown.words
    assert "Submit this return" not in shown.buttons
    shown.upload("autumn.csv", good)
    assert "There is a problem" not in shown.words, "findings of another file are gone"
    shown.press("Check my file")
    shown.press("Submit this return")
    assert "Return received" in shown.words and "EHCP-PROCESS-E12000001-2023-24-AUTUMN-v1" in shown.words
    assert "Next step by: approver." in shown.words
    shown.press("See where it stands")
    assert shown.app.title[0].value == "Returns" and "This return is submitted, not yet signed." in shown.words
    assert "Sign this return" not in shown.buttons, "a lead does not sign"

    shown.sign_in("Approver of North East")
    assert "Waiting for you (1)" in shown.words
    shown.press("Open this return")
    shown.press("Sign this return")
    assert "AUTUMN-v1 is signed" in shown.words and "Next step by: DfE." in shown.words
    assert "Sign this return" not in shown.buttons and "Accept this return" not in shown.buttons

    shown.sign_in("DfE evaluator")
    shown.go(DUE)
    shown.press("Open this return")
    shown.press("Accept this return")
    assert "AUTUMN-v1 is accepted" in shown.words
    (receipt,) = returns.submissions(own, LOCAL_ADMINISTRATOR)
    assert (receipt.status, receipt.submitted_by) == ("accepted", "lead-E12000001")
    assert (receipt.signed_off_by, receipt.accepted_by) == ("approver-E12000001", "evaluator")


def test_what_is_sent_back_comes_to_the_lead_with_its_reason(
    own: Store, screen: Callable[..., Any], ehcp_csv: Callable[..., bytes]
) -> None:
    sent = returns.submit_return(own, LOCAL_ADMINISTRATOR, "ehcp_process", REGION, PERIOD, "a.csv", ehcp_csv(REGION, PERIOD))
    shown = screen()
    shown.sign_in("Approver of North East")
    shown.press("Open this return")
    shown.press("Send it back")
    assert "Say why it is sent back" in shown.words
    shown.app.text_area[0].set_value("Hartlepool is a term too old.")
    shown.press("Send it back")
    assert f"{sent.reference} is sent back" in shown.words and "Reason: Hartlepool is a term too old." in shown.words
    shown.sign_in("Lead of North East")
    shown.go(RETURNS)
    shown.choose("Open a return", sent.reference)
    assert "Next step by: lead." in shown.words
    shown.press("Send a new version")
    assert shown.app.title[0].value == "Send a return"
    chosen = {box.label: box.value for box in shown.app.selectbox}
    assert (chosen["Collection"], chosen["Region"], chosen["Period"]) == ("ehcp_process", REGION, PERIOD)


def test_what_was_said_of_a_query_before_is_offered_and_kept(
    own: Store, screen: Callable[..., Any], ehcp_csv: Callable[..., bytes]
) -> None:
    def refusing(period: str) -> bytes:
        return ehcp_csv(REGION, period).replace(b",20,60,", b",90,60,", 2)

    why = {"many_refused": "A backlog was cleared."}
    returns.submit_return(own, LOCAL_ADMINISTRATOR, "ehcp_process", REGION, PERIOD, "a.csv", refusing(PERIOD), explanations=why)
    shown = screen()
    shown.sign_in("Lead of North East")
    shown.go(SUBMIT)
    shown.choose("Collection", "ehcp_process")
    shown.choose("Period", "2023/24 spring")
    shown.upload("spring.csv", refusing("2023/24 spring"))
    shown.press("Check my file")
    assert "Said of it before" in shown.words and "A backlog was cleared." in shown.words
    shown.press("Submit this return")
    assert "Explain each query" in shown.words, "nothing is carried forward by itself"
    shown.app.checkbox[0].check()
    shown.run()
    shown.press("Keep these explanations for later")
    assert "Your explanations are kept" in shown.words
    shown.press("Submit this return")
    assert "Return received" in shown.words
    newest = returns.submissions(own, LOCAL_ADMINISTRATOR, "ehcp_process", REGION, "2023/24 spring")[0]
    assert len(newest.explanations) == 2 and set(newest.explanations.values()) == {"A backlog was cleared."}


def test_a_new_version_shows_its_difference_to_the_one_before(
    own: Store, screen: Callable[..., Any], ehcp_csv: Callable[..., bytes]
) -> None:
    about = ("ehcp_process", REGION, PERIOD)
    returns.declare_nil_return(own, LOCAL_ADMINISTRATOR, *about, "No figures yet.")
    for first in (100, 120):
        sent = returns.submit_return(own, LOCAL_ADMINISTRATOR, *about, "a.csv", ehcp_csv(REGION, PERIOD, first), reason="Found.")
        shown = screen()
        shown.sign_in("Lead of North East")
        shown.go(RETURNS)
        shown.choose("Open a return", sent.reference)
        assert "Beside the version before" in shown.words
        assert ("Rows added" in shown.words) == (first == 100)
    assert "100" in shown.words and "120" in shown.words


def test_more_time_and_nil_returns_from_the_list(own: Store, screen: Callable[..., Any]) -> None:
    shown = screen()
    shown.sign_in("Lead of North East")
    first = next(box for box in shown.app.selectbox if box.label == "Choose a return").value
    fields = {field.label: field for field in shown.app.text_input}
    fields["Day"].set_value("31"), fields["Month"].set_value("2"), fields["Year"].set_value("2099")
    areas = {area.label: area for area in shown.app.text_area}
    areas["Why more time is needed"].set_value("A new system.")
    shown.press("Ask for more time")
    assert "“31 2 2099” is not a day" in shown.words
    {field.label: field for field in shown.app.text_input}["Month"].set_value("3")
    shown.press("Ask for more time")
    assert "MORE-TIME-0001 is sent to the department" in shown.words
    {area.label: area for area in shown.app.text_area}["Why there is nothing to return"].set_value("No such places here.")
    shown.press("Declare a nil return")
    assert "is submitted as a nil return" in shown.words
    (made,) = returns.submissions(own, LOCAL_ADMINISTRATOR)
    assert (made.collection, made.period, made.nil_reason) == (first.collection, first.period, "No such places here.")

    shown.sign_in("DfE evaluator")
    shown.go(DUE)
    shown.press("Refuse it")
    assert "Say why more time is refused" in shown.words
    shown.press("Grant it")
    assert "MORE-TIME-0001 is granted" in shown.words and "31 Mar 2099" in shown.words


def test_queries_are_explained_and_a_new_version_says_why(
    own: Store, screen: Callable[..., Any], ehcp_csv: Callable[..., bytes]
) -> None:
    lines = ehcp_csv(REGION, PERIOD).splitlines()
    shown = screen()
    shown.sign_in("Lead of North East")
    about_the_return(shown)
    shown.upload("autumn.csv", b"\n".join(lines[:-1]))
    shown.press("Check my file")
    assert "Queries: put right or explain (1)" in shown.words
    shown.press("Submit this return")
    assert "Explain each query" in shown.words
    shown.app.text_area[0].set_value("It has sent nothing yet.")
    shown.press("Submit this return")
    assert "Return received" in shown.words
    about_the_return(shown)
    shown.upload("autumn.csv", b"\n".join(lines))
    shown.press("Check my file")
    assert "You have sent this return before" in shown.words
    shown.press("Submit this return")
    assert "give a reason" in shown.words
    shown.app.text_input[0].set_value("The last authority has sent its figures.")
    shown.press("Submit this return")
    assert "AUTUMN-v2" in shown.words and "Takes the place of: EHCP-PROCESS-E12000001-2023-24-AUTUMN-v1" in shown.words


def test_a_lead_sees_the_returns_of_the_own_region_only(
    own: Store, screen: Callable[..., Any], ehcp_csv: Callable[..., bytes]
) -> None:
    for region in (REGION, "E12000007"):
        returns.submit_return(own, LOCAL_ADMINISTRATOR, "ehcp_process", region, PERIOD, "a.csv", ehcp_csv(region, PERIOD))
    shown = screen()
    shown.sign_in("Lead of London")
    shown.go(RETURNS)
    assert "1 return " in shown.words
    assert "E12000007" in shown.words and "E12000001" not in shown.words
    shown.choose("State", "accepted")
    assert "No return fits what you chose." in shown.words
    shown.choose("State", "submitted")
    shown.choose("Period", PERIOD)
    assert "E12000007" in shown.words


def test_words_from_a_file_are_shown_and_never_run(
    own: Store, screen: Callable[..., Any], ehcp_csv: Callable[..., bytes]
) -> None:
    shown = screen()
    shown.sign_in("Lead of North East")
    about_the_return(shown)
    shown.upload("autumn.csv", ehcp_csv(REGION, PERIOD).replace(b",20,", b",<img src=x onerror=alert(1)>,", 1))
    shown.press("Check my file")
    bodies = " ".join(element.proto.body for element in shown.app.get("html"))
    assert "<img" not in bodies and "&lt;img" in bodies


def test_an_administrator_registers_reforms(own: Store, screen: Callable[..., Any], register_csv: Callable[..., bytes]) -> None:
    shown = screen()
    shown.sign_in("Administrator")
    shown.go("pages/reform_register.py")
    assert "Change Programme" in shown.words
    shown.upload("register.csv", register_csv("E06000001,digital_ehcp,2024-01-08,,2,0.5,"))
    shown.press("Check my file")
    shown.press("Register these reforms")
    assert "The register is taken" in shown.words


def test_a_plan_with_a_mistake_is_told(own: Store, screen: Callable[..., Any], tmp_path: Path) -> None:
    shown = screen()
    shown.sign_in("DfE evaluator")
    shown.go("pages/evaluate.py")
    assert "There is no release yet." in shown.words
    shown.upload("plan.yaml", b"plan: mine\n")
    assert "There is a problem" in shown.words and "The plan has no version" in shown.words


def test_without_runs_the_first_screen_says_what_to_do(own: Store, screen: Callable[..., Any]) -> None:
    shown = screen()
    shown.sign_in("DfE evaluator")
    assert "There are no results yet." in shown.words
    shown.press("Evaluate a plan")
    assert shown.app.title[0].value == "Releases, plans and runs"


@pytest.mark.parametrize("change", ["closed", "another role", "another region"])
def test_whoever_loses_an_account_or_role_while_a_screen_is_open_can_do_nothing_there(
    own: Store, screen: Callable[..., Any], ehcp_csv: Callable[..., bytes], change: str
) -> None:
    sent = returns.submit_return(own, LOCAL_ADMINISTRATOR, "ehcp_process", REGION, PERIOD, "a.csv", ehcp_csv(REGION, PERIOD))
    shown = screen()
    shown.sign_in("Approver of North East")
    shown.press("Open this return")
    about = {"role": "approver", "regions": [REGION]}
    about |= {"closed": {}, "another role": {"role": "researcher", "regions": []}, "another region": {"regions": ["E12000007"]}}[
        change
    ]
    save_account(own, LOCAL_ADMINISTRATOR, f"approver-{REGION}", "Approver", **about, active=change != "closed")  # type: ignore[arg-type]
    shown.press("Sign this return")
    assert returns.submission(own, LOCAL_ADMINISTRATOR, sent.reference).status == "submitted"
    assert "Sign this return" not in shown.buttons and sent.reference not in shown.words
    assert ("You are signed out" in shown.words) == (change == "closed")


def test_a_long_pause_signs_out_and_says_so(own: Store, screen: Callable[..., Any]) -> None:
    shown = screen()
    shown.sign_in("Lead of North East")
    shown.app.session_state["last_step"] -= timedelta(minutes=59)
    shown.run()
    assert "Signed in: Lead of North East" in shown.app.sidebar.markdown[1].value
    shown.app.session_state["last_step"] -= timedelta(minutes=61)
    shown.run()
    assert "nothing was done for an hour" in shown.words and shown.app.sidebar.markdown[1].value == "Not signed in"
    shown.run()
    assert "You are signed out" not in shown.words


@pytest.mark.parametrize(
    "headers", [{"X-Forwarded-For": "203.0.113.5"}, {"Origin": "https://evidence.example.org"}, {"Via": "1.1 p"}]
)
def test_a_proxy_on_this_machine_opens_nothing(
    own: Store, screen: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    shown = screen()
    shown.sign_in("Administrator")
    near = {"Host": "127.0.0.1:8501", "Origin": "http://127.0.0.1:8501"}
    monkeypatch.setattr(ContextProxy, "headers", property(lambda _: near))
    shown.run()
    assert "Signed in: Administrator" in shown.app.sidebar.markdown[1].value
    monkeypatch.setattr(ContextProxy, "headers", property(lambda _: {**near, **headers}))
    shown.run()
    assert shown.app.sidebar.markdown[1].value == "Not signed in" and shown.buttons == []


def test_whoever_comes_from_a_provider_is_who_the_account_says_and_nobody_without_one(
    own: Store, screen: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer, here = "https://id.example.org", "https://evidence.example.org/oauth2callback"
    provider = SignIn(f"{issuer}/.well-known/openid-configuration", "evidence", "secret", here, "0" * 32)
    came = [Identity(issuer, "3f9a", datetime.now(UTC), "first")]
    for place in (_identity, _frame):
        monkeypatch.setattr(place, "configured", lambda: provider)
        monkeypatch.setattr(place, "identity", lambda cookies: came[-1])
    shown = screen(host="evidence.example.org")
    assert "You cannot use this service yet" in shown.words and "Issuer https://id.example.org Subject 3f9a" in shown.words
    assert shown.buttons == ["Sign in"] and "development" not in shown.words.casefold()
    save_account(own, LOCAL_ADMINISTRATOR, "3f9a", "Ada", "lead", [REGION], issuer)
    came.append(Identity(issuer, "3f9a", datetime.now(UTC), "second"))
    shown.run()
    assert shown.app.sidebar.markdown[1].value == "Signed in: Ada, regional lead, North East"
    save_account(own, LOCAL_ADMINISTRATOR, "3f9a", "Ada", "lead", [REGION], issuer, active=False)
    shown.run()
    assert "You were signed out: the account was closed." in shown.words
