"""The life of a return on each database: every state, every step, who may take it, and what is refused with which words."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from pilots import accounts, returns
from pilots.access import ACTIONS, ADMINISTRATOR, LOCAL_ADMINISTRATOR, Actor, NotAllowed
from pilots.errors import UserError
from pilots.life import AT_SUBMISSION, NOT_SENT, STATES, NotPossible
from pilots.receipts import Receipt
from pilots.returns import ReturnNotAccepted
from pilots.storage import Store, audit
from tests.processes import PATIENCE
from tests.returns.threads import side_by_side

EHCP, NORTH_EAST, TERM = "ehcp_process", "E12000001", "2023/24 autumn"
REFERENCE = "EHCP-PROCESS-E12000001-2023-24-AUTUMN-v1"
People = dict[str, Actor]
Csv = Callable[..., bytes]


class Life:
    """A store with its people, and a return to send on its way."""

    def __init__(self, store: Store, people: People, csv: Csv) -> None:
        self.store, self.csv = store, csv
        self.lead, self.approver = people[f"lead-{NORTH_EAST}"], people[f"approver-{NORTH_EAST}"]
        self.evaluator, self.administrator = people["evaluator"], people["administrator"]

    def send(self, first: int = 100, **more: Any) -> str:
        content = self.csv(NORTH_EAST, TERM, first)
        return returns.submit_return(self.store, self.lead, EHCP, NORTH_EAST, TERM, "return.csv", content, **more).reference

    def sign(self, reference: str) -> Receipt:
        return returns.sign_off_return(self.store, self.approver, reference)

    def accept(self, reference: str) -> Receipt:
        return returns.accept_return(self.store, self.evaluator, reference)

    def back(self, reference: str, actor: Actor | None = None) -> Receipt:
        return returns.send_back_return(self.store, actor or self.evaluator, reference, "Hartlepool is a term too old.")

    def withdraw(self, reference: str) -> Receipt:
        return returns.withdraw_return(self.store, self.lead, reference, "Sent for the wrong term.")

    def state(self, reference: str) -> str:
        return returns.submission(self.store, self.lead, reference).status

    def bring_to(self, state: str) -> str:
        """A return in a state, by the shortest way there."""
        reference = self.send()
        if state in ("signed_off", "accepted"):
            self.sign(reference)
        if state == "accepted":
            self.accept(reference)
        elif state == "returned":
            self.back(reference, self.approver)
        elif state == "withdrawn":
            self.withdraw(reference)
        elif state == "superseded":
            self.send(110, reason="A correction.")
        return reference


@pytest.fixture
def life(store: Store, people: Callable[[Store], People], ehcp_csv: Csv) -> Life:
    return Life(store, people(store), ehcp_csv)


@pytest.fixture
def any_life(any_store: Store, people: Callable[[Store], People], ehcp_csv: Csv) -> Life:
    return Life(any_store, people(any_store), ehcp_csv)


def test_whole_life_from_sent_back_to_accepted_and_superseded(any_life: Life) -> None:
    first = any_life.send()
    declined = any_life.back(first, any_life.approver)
    assert (declined.status, declined.status_by) == ("returned", any_life.approver.subject)
    assert declined.status_reason == "Hartlepool is a term too old." and "Hartlepool is a term too old." in declined.text()
    # What was sent back may be sent again as it is, with a reason: it is no repeat.
    with pytest.raises(ReturnNotAccepted, match=f"{first}, sent back.*give a reason"):
        any_life.send()
    second = any_life.send(reason="Checked with Hartlepool: it is right.")
    assert second.endswith("-v2") and any_life.state(first) == "superseded"
    any_life.sign(second)
    any_life.back(second)
    third = any_life.send(120, reason="Hartlepool is put right.")
    any_life.sign(third)
    taken = any_life.accept(third)
    assert (taken.signed_off_by, taken.accepted_by) == (any_life.approver.subject, "evaluator") and "Accepted: " in taken.text()
    fourth = any_life.send(130, reason="Late figures.")
    assert (any_life.state(third), any_life.state(fourth)) == ("accepted", "submitted")
    any_life.sign(fourth)
    any_life.accept(fourth)
    assert any_life.state(third) == "superseded"
    steps = returns.history(any_life.store, any_life.lead, third)
    assert [(one["step"], one["state"], one["by"]) for one in steps] == [
        (1, "submitted", any_life.lead.subject),
        (2, "signed_off", any_life.approver.subject),
        (3, "accepted", "evaluator"),
        (4, "superseded", "evaluator"),
    ]
    assert f"{fourth} has taken its place" in steps[-1]["reason"]
    with any_life.store.read() as connection:
        assert audit.verify(connection) == []
        (event,) = audit.events(connection, action="accept_return", subject=fourth)
    assert event["detail"]["superseded"] == [third]


TASKS: dict[str, Callable[[Life, str], Receipt]] = {
    "signed_off": Life.sign,
    "accepted": Life.accept,
    "returned": Life.back,
    "withdrawn": Life.withdraw,
}


@pytest.mark.parametrize("state", [name for name in STATES if name != NOT_SENT])
def test_every_step_that_the_table_does_not_name_is_refused_with_words(life: Life, state: str) -> None:
    reference = life.bring_to(state)
    assert life.state(reference) == state
    before = len(returns.history(life.store, life.lead, reference))
    for to, task in TASKS.items():
        if to in STATES[state].steps or to == state:
            continue
        with pytest.raises(NotPossible, match=f"{reference} cannot be .*: it is {STATES[state].words}") as told:
            task(life, reference)
        assert STATES[state].next_step in str(told.value) and "That was done on" in str(told.value)
    assert len(returns.history(life.store, life.lead, reference)) == before


@pytest.mark.parametrize(("state", "to"), [(name, to) for name, state in STATES.items() for to in state.steps])
def test_every_step_that_the_table_names_can_be_taken(life: Life, state: str, to: str) -> None:
    reference = life.bring_to(state)
    done = life.back(reference, life.approver) if (state, to) == ("submitted", "returned") else TASKS[to](life, reference)
    assert done.status == to and life.state(reference) == to


def test_the_table_of_states_is_whole() -> None:
    for name, state in STATES.items():
        assert state.words and state.next_step
        assert set(state.steps) <= set(STATES) and set(state.steps.values()) <= set(ACTIONS)
        assert bool(state.owner) == (name not in ("accepted", "superseded"))
    assert {name for name, state in STATES.items() if state.gives_way_at == AT_SUBMISSION} == {
        "submitted",
        "signed_off",
        "returned",
    }


def test_nobody_takes_two_of_the_three_steps(life: Life) -> None:
    sent = returns.submit_return(
        life.store, life.administrator, EHCP, NORTH_EAST, TERM, "return.csv", life.csv(NORTH_EAST, TERM)
    ).reference
    with pytest.raises(NotAllowed, match="submitted this return and so cannot sign off a return too.*administrators included"):
        returns.sign_off_return(life.store, life.administrator, sent)
    life.sign(sent)
    with pytest.raises(NotAllowed, match="submitted this return and so cannot accept a return too"):
        returns.accept_return(life.store, life.administrator, sent)
    life.back(sent)
    second = life.send(110, reason="By the lead.")
    returns.sign_off_return(life.store, life.administrator, second)
    with pytest.raises(NotAllowed, match="signed this return and so cannot accept a return too"):
        returns.accept_return(life.store, life.administrator, second)
    assert life.accept(second).status == "accepted"


def test_each_role_takes_its_own_step_only(life: Life) -> None:
    reference = life.send()
    for task, actors, words in (
        (returns.sign_off_return, (life.lead, life.evaluator), "cannot sign off a return"),
        (returns.accept_return, (life.lead, life.approver), "cannot accept a return"),
    ):
        for actor in actors:
            with pytest.raises(NotAllowed, match=words):
                task(life.store, actor, reference)
    for actor, words in ((life.lead, "in place of signing"), (life.evaluator, "in place of signing")):
        with pytest.raises(NotAllowed, match=words):
            life.back(reference, actor)
    life.sign(reference)
    for actor in (life.lead, life.approver):
        with pytest.raises(NotAllowed, match="cannot send back a return that is signed"):
            life.back(reference, actor)
    with pytest.raises(NotAllowed, match="cannot withdraw a return"):
        returns.withdraw_return(life.store, life.approver, reference, "No.")


def test_an_approver_acts_for_the_own_regions_only(life: Life, people: Callable[[Store], People]) -> None:
    other = people(life.store)["approver-E12000002"]
    reference = life.send()
    assert returns.submissions(life.store, other) == []
    for task in (
        lambda: returns.sign_off_return(life.store, other, reference),
        lambda: returns.send_back_return(life.store, other, reference, "No."),
        lambda: returns.history(life.store, other, reference),
    ):
        with pytest.raises(NotAllowed, match="none of their regions"):
            task()


def test_a_step_taken_twice_by_one_person_does_no_harm_and_another_is_told_who_was_first(life: Life) -> None:
    reference = life.send()
    once = life.sign(reference)
    assert life.sign(reference) == once
    with pytest.raises(NotPossible, match=f"done on .* by {life.approver.subject}"):
        returns.sign_off_return(life.store, life.administrator, reference)
    assert len(returns.history(life.store, life.lead, reference)) == 2


def at_once(tasks: list[Callable[[], object]]) -> list[object]:
    """What each task gives or raises, when all begin in one moment."""
    gate = threading.Barrier(len(tasks))

    def begun(task: Callable[[], object]) -> object:
        gate.wait(timeout=PATIENCE)
        return task()

    return side_by_side([partial(begun, task) for task in tasks])


def test_of_two_steps_at_once_one_wins_and_the_other_is_told(any_life: Life) -> None:
    reference = any_life.send()
    any_life.sign(reference)
    outcomes = at_once([lambda: any_life.accept(reference), lambda: any_life.withdraw(reference)])
    (won,) = [one for one in outcomes if isinstance(one, Receipt)]
    (lost,) = [one for one in outcomes if isinstance(one, NotPossible)]
    assert won.status == any_life.state(reference) and STATES[won.status].words in str(lost) and str(won.status_by) in str(lost)
    assert len(returns.history(any_life.store, any_life.lead, reference)) == 3


def test_signing_a_version_that_a_new_one_replaces_in_this_moment_is_told(any_life: Life) -> None:
    reference = any_life.send()
    newer = any_life.send(110, reason="A correction.")
    with pytest.raises(NotPossible, match=f"superseded by a later version.*{newer} has taken its place"):
        any_life.sign(reference)


@pytest.mark.parametrize("change", ["closed", "another role", "another region"])
def test_a_role_taken_away_stops_the_next_step_of_a_session(any_life: Life, change: str) -> None:
    """A task takes the actor as the session knows it; the store reads the account anew in the transaction of the change."""
    reference, mine = any_life.send(), any_life.approver
    role, regions = ("evaluator", ()) if change == "another role" else ("approver", ("E12000002",))
    accounts.save_account(
        any_life.store, LOCAL_ADMINISTRATOR, mine.subject, mine.name, role, regions, mine.issuer, active=change != "closed"
    )
    with pytest.raises(NotAllowed, match="Nothing was changed"):
        any_life.sign(reference)
    assert any_life.state(reference) == "submitted"
    with any_life.store.read() as connection:
        assert audit.events(connection, action="sign_off_return") == []


def test_reasons_are_asked_for(life: Life) -> None:
    reference = life.send()
    with pytest.raises(UserError, match="Say why it is withdrawn"):
        returns.withdraw_return(life.store, life.lead, reference, "  ")
    with pytest.raises(UserError, match="at most 2,000: shorten it"):
        returns.withdraw_return(life.store, life.lead, reference, "x" * 2001)
    life.sign(reference)
    with pytest.raises(UserError, match="Say why it is sent back"):
        returns.send_back_return(life.store, life.evaluator, reference, "")
    assert life.state(reference) == "signed_off"


def test_what_is_withdrawn_may_be_sent_again_as_it_is(life: Life) -> None:
    first = life.send()
    life.withdraw(first)
    again = returns.submission(life.store, life.lead, life.send(reason="It was the right term after all."))
    assert (again.version, again.supersedes, again.repeated) == (2, first, False)
    assert life.state(first) == "withdrawn"


def test_a_nil_return_takes_the_same_way(any_life: Life) -> None:
    def declare(reason: str) -> Receipt:
        return returns.declare_nil_return(any_life.store, any_life.lead, EHCP, NORTH_EAST, TERM, reason)

    with pytest.raises(UserError, match="Say why there is nothing to return"):
        declare(" ")
    made = declare("The system\n was down.")
    assert (made.reference, made.rows, made.nil_reason) == (REFERENCE, 0, "The system was down.")
    assert "Nothing to return: The system was down." in made.text() and "File:" not in made.text()
    assert declare("The system was down.").repeated
    name, content = returns.original_file(any_life.store, any_life.lead, REFERENCE)
    assert name == "nil return.txt" and b"The system was down." in content
    assert returns.submission_rows(any_life.store, any_life.lead, REFERENCE).empty
    assert returns.findings(any_life.store, any_life.lead, REFERENCE) == []
    any_life.sign(REFERENCE)
    assert any_life.accept(REFERENCE).status == "accepted"
    # Figures that come after all take its place, with a reason.
    second = any_life.send(reason="The figures were found.")
    any_life.sign(second)
    any_life.accept(second)
    assert any_life.state(REFERENCE) == "superseded"


def test_receipt_has_counts_deadline_and_hash(life: Life) -> None:
    content = life.csv(NORTH_EAST, TERM).replace(b",20,60,", b",90,60,", 1)
    made = returns.submit_return(
        life.store, life.lead, EHCP, NORTH_EAST, TERM, "return.csv", content, explanations={"many_refused": "A backlog."}
    )
    for words in (made.reference, made.sha256, "no errors, 1 query, explained, no notes", "received in time", "12 rows"):
        assert words in made.text()
    assert (made.queries, made.notes, made.late_days) == (1, 0, 0)


def test_only_administrators_may_take_any_step() -> None:
    steps = {action for state in STATES.values() for action in state.steps.values()}
    for action in steps:
        assert ADMINISTRATOR in ACTIONS[action][1] and len(ACTIONS[action][1]) == 2
