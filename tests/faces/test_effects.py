"""The evaluator's screen on a run with every part, section by section, without a browser."""

from collections.abc import Callable
from typing import Any

import pytest
from faces_filled import run_document

from pilots import runs
from pilots.access import LOCAL_ADMINISTRATOR
from pilots.accounts import add_development_accounts
from pilots.runs import Run
from pilots.storage import Store

SECTIONS = {
    "What happened": "Effect by terms since the start",
    "Where": "This is no league table",
    "Whether to believe it": "The effect beside what chance alone would give",
    "What could be seen": "How often an effect of each size would be seen",
    "Other choices": "The effect under other reasonable choices",
    "Harms": "Harm beyond the margin ruled out",
    "Leads and partners": "Leads were chosen on how well they did before",
    "What it is made of": "Who is compared with whom",
}


def run_of(question: dict[str, Any]) -> Run:
    return Run("RUN-0001", run_document([question]))


@pytest.fixture
def shown(database: str, screen: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any]], Any]:
    """The evaluator's screen on one question."""

    def show(question: dict[str, Any]) -> Any:
        store = Store.open(database)
        add_development_accounts(store, LOCAL_ADMINISTRATOR)
        store.close()
        monkeypatch.setattr(runs, "runs", lambda store, actor: [run_of(question)])
        made = screen()
        made.sign_in("DfE evaluator")
        return made

    return show


def section(made: Any, name: str) -> str:
    made.app.radio(key="section").set_value(name)
    made.run()
    return str(made.words)


def test_each_section_shows_its_part_and_no_other(shown: Callable[..., Any], full: dict[str, Any]) -> None:
    made = shown(full)
    assert made.app.title[0].value == "What each reform did"
    for name, words in SECTIONS.items():
        said = section(made, name)
        assert words in said, name
        others = [other for other, its in SECTIONS.items() if other != name and its in said]
        assert others == [], name
        assert f"{full['rating']['locks']} of 5 locks" in said and full["reading"][0] in said and "Results digest" in said


def test_everything_stands_on_one_page_in_its_order(shown: Callable[..., Any], full: dict[str, Any]) -> None:
    made = shown(full)
    section(made, "Everything on one page")
    assert [header.value for header in made.app.header] == [
        "What happened, and when",
        "Where",
        "Whether to believe it",
        "How much could have been seen",
        "Other reasonable choices",
        "Harms",
        "Leads and partners",
        "What the numbers are made of",
        "Where this comes from",
    ]


def test_the_locks_have_words_for_whoever_does_not_see_them(shown: Callable[..., Any], full: dict[str, Any]) -> None:
    made = shown(full)
    bodies = " ".join(element.proto.body for element in made.app.get("html"))
    assert f'role="img" aria-label="{full["rating"]["locks"]} of 5 locks"' in bodies
    assert bodies.count("position:relative;display:inline-block") == 5
    assert bodies.count("background:#12436D") == full["rating"]["locks"]


def test_an_older_run_is_shown_without_the_newer_parts(shown: Callable[..., Any], question: dict[str, Any]) -> None:
    made = shown(question)
    said = section(made, "Everything on one page")
    assert "locks" not in said and "No outcome of this run was watched for harm." in said
    assert "This run does not tell them apart." in said and "p = 0.200" in said


def test_refusals_stand_where_numbers_would(shown: Callable[..., Any], full: dict[str, Any]) -> None:
    refusal = {"not_estimable": {"reason": "one start for all", "remedy": "Wait."}}
    full |= {name: refusal for name in ("bounds", "placebo", "power", "specifications", "regional", "leads_partners")}
    full["checks"] = []
    said = section(shown(full), "Everything on one page")
    assert said.count("Not estimable: one start for all. Wait.") == 6
