"""Deadlines: London days, summer time, a deadline that passes while a file is checked, and more time."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from data_contracts import Report, load_contract
from pilots import deadlines, due, releases, returns, uploads
from pilots.access import Actor, NotAllowed
from pilots.deadlines import DeadlineError, day_of, days_late, due_words, first_due, late_words
from pilots.errors import UserError
from pilots.periods import LONDON, london_day
from pilots.storage import Store, checks
from pilots.targets import target_of

EHCP, NORTH_EAST, TERM = "ehcp_process", "E12000001", "2023/24 autumn"
People = dict[str, Actor]
Csv = Callable[..., bytes]


@pytest.fixture
def staff(any_store: Store, people: Callable[[Store], People]) -> People:
    return people(any_store)


@pytest.fixture
def lead(staff: People) -> Actor:
    return staff[f"lead-{NORTH_EAST}"]


@pytest.mark.parametrize(
    ("utc", "day"),
    [
        ("2025-03-30 00:59", "2025-03-30"),  # the night the clocks go forward
        ("2025-03-30 23:00", "2025-03-31"),  # summer time: midnight in London is 23:00 UTC
        ("2025-03-29 23:30", "2025-03-29"),  # the evening before, winter time still
        ("2025-06-30 22:59", "2025-06-30"),
        ("2025-06-30 23:00", "2025-07-01"),
        ("2025-10-25 23:00", "2025-10-26"),  # summer time still
        ("2025-10-26 23:30", "2025-10-26"),  # the clocks went back that night
        ("2025-12-31 23:59", "2025-12-31"),
    ],
)
def test_a_day_is_a_day_in_london(utc: str, day: str) -> None:
    moment = datetime.fromisoformat(utc).replace(tzinfo=UTC)
    assert london_day(moment).isoformat() == day
    assert days_late(date.fromisoformat(day), moment) == 0
    assert days_late(date.fromisoformat(day) - timedelta(days=2), moment) == 2


def test_words() -> None:
    day = date(2025, 6, 30)
    words = [due_words(day, day + timedelta(days=late)) for late in (-40, -1, 0, 1, 1200)]
    assert words == ["due in 40 days", "due in 1 day", "due today", "1 day late", "1,200 days late"]
    assert [late_words(days) for days in (None, 0, 1, 3)] == ["", "in time", "1 day late", "3 days late"]
    assert day_of(" 9", "3", "2025") == date(2025, 3, 9)
    with pytest.raises(DeadlineError, match="“x 3 2025” is not a day"):
        day_of("x", "3", "2025")


def test_a_period_that_was_over_when_the_store_came_into_use_counts_from_then() -> None:
    target = target_of(EHCP, NORTH_EAST, TERM)
    assert load_contract(EHCP).due_days == 30
    assert first_due(target, date(2023, 9, 1)) == date(2024, 1, 30)
    assert first_due(target, date(2024, 1, 1)) == date(2024, 1, 31)
    assert first_due(target, date(2026, 5, 1)) == date(2026, 5, 31)


def came_at(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    """Let the next file come at a moment: the receipt's clock alone is set."""
    monkeypatch.setattr(checks, "now", lambda: moment)


def midnight_after(day: date) -> datetime:
    """The moment at which a day is over in London."""
    return datetime(day.year, day.month, day.day, tzinfo=LONDON) + timedelta(days=1)


def test_the_day_that_the_bytes_came_counts_though_the_check_ends_later(
    any_store: Store, lead: Actor, ehcp_csv: Csv, monkeypatch: pytest.MonkeyPatch
) -> None:
    with any_store.read() as connection:
        day = deadlines.deadline(connection, target_of(EHCP, NORTH_EAST, TERM))
    last = midnight_after(day)

    def sent(moment: datetime, period: str) -> returns.Receipt:
        came_at(monkeypatch, moment)
        content = ehcp_csv(NORTH_EAST, period)
        return returns.submit_return(any_store, lead, EHCP, NORTH_EAST, period, "return.csv", content)

    check = uploads.check_corrected

    def passes_midnight(*given: Any) -> Report:
        came_at(monkeypatch, last + timedelta(hours=1))
        return check(*given)

    with monkeypatch.context() as slow:
        slow.setattr(uploads, "check_corrected", passes_midnight)
        in_time = sent(last - timedelta(seconds=1), TERM)
    assert (in_time.due, in_time.late_days) == (day.isoformat(), 0) and "received in time" in in_time.text()
    late = sent(last, "2023/24 spring")
    assert late.late_days == 1 and "received 1 day late" in late.text() and late.to_dict()["late_days"] == 1
    assert f"Received: {last:%d %B %Y}, 00:00:00" in late.text(), "told by the clock in London, by which it is late"
    assert sent(last + timedelta(days=30), "2023/24 summer").late_days == 31
    monkeypatch.setattr(due, "now", lambda: midnight_after(day - timedelta(days=31)))
    found = {one.period: one for one in due.returns_due(any_store, lead, collection=EHCP)}
    assert (found["2023/24 spring"].timing, found[TERM].timing) == ("came 1 day late", "came in time")
    assert found["2022/23 summer"].timing == "due in 30 days" and found["2022/23 summer"].owner == "lead"


def test_lateness_goes_into_the_release(
    any_store: Store,
    lead: Actor,
    ehcp_csv: Csv,
    accepted: Callable[[Store, str], Any],
    evaluator: Actor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with any_store.read() as connection:
        day = deadlines.deadline(connection, target_of(EHCP, NORTH_EAST, TERM))
    came_at(monkeypatch, midnight_after(day + timedelta(days=9)))
    sent = returns.submit_return(any_store, lead, EHCP, NORTH_EAST, TERM, "return.csv", ehcp_csv(NORTH_EAST, TERM))
    accepted(any_store, sent.reference)
    release = releases.make_release(any_store, evaluator)
    (one,) = release.submissions
    assert (one["late_days"], one["nil"]) == (sent.late_days, False) and sent.late_days == 10
    releases.verify(any_store, release)


def test_more_time_is_asked_for_granted_once_and_moves_the_deadline(
    any_store: Store, staff: People, lead: Actor, ehcp_csv: Csv, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = target_of(EHCP, NORTH_EAST, TERM)

    def deadline() -> date:
        with any_store.read() as connection:
            return deadlines.deadline(connection, target)

    before = deadline()
    until = before + timedelta(days=10)

    def ask(day: date, reason: str = "A new system.") -> deadlines.Extension:
        return deadlines.ask_extension(any_store, lead, *target.key, day, reason)

    with pytest.raises(UserError, match="Say why more time is needed"):
        ask(until, " ")
    with pytest.raises(DeadlineError, match=f"due on {before:%d %B %Y}. Ask for a day that is later"):
        ask(before)
    asked = ask(until)
    assert (asked.reference, asked.granted, asked.words) == ("MORE-TIME-0001", None, "waits for the department")
    with pytest.raises(DeadlineError, match="asked for already"):
        ask(until + timedelta(days=1))
    (listed,) = [one for one in due.returns_due(any_store, lead, collection=EHCP) if one.period == TERM]
    assert listed.more_time == asked.reference and listed.due == before == deadline()
    with pytest.raises(NotAllowed, match="cannot decide on more time"):
        deadlines.decide_extension(any_store, lead, asked.reference, True)
    with pytest.raises(UserError, match="Say why more time is refused"):
        deadlines.decide_extension(any_store, staff["evaluator"], asked.reference, False, " ")
    granted = deadlines.decide_extension(any_store, staff["evaluator"], asked.reference, True, "Once.")
    assert (granted.granted, granted.decided_by, granted.note) == (True, "evaluator", "Once.") and deadline() == until
    with pytest.raises(DeadlineError, match="was decided already: granted by evaluator"):
        deadlines.decide_extension(any_store, staff["administrator"], asked.reference, False, "No.")
    for unknown in ("MORE-TIME-0009", "X"):
        with pytest.raises(DeadlineError, match=f"There is no request “{unknown}”"):
            deadlines.decide_extension(any_store, staff["evaluator"], unknown, True)
    came_at(monkeypatch, midnight_after(until) - timedelta(seconds=1))
    sent = returns.submit_return(any_store, lead, *target.key, "return.csv", ehcp_csv(NORTH_EAST, TERM))
    assert (sent.due, sent.late_days) == (until.isoformat(), 0)
    refused = deadlines.decide_extension(
        any_store, staff["evaluator"], ask(until + timedelta(days=5)).reference, False, "Enough."
    )
    assert refused.words == "refused" and deadline() == until
    assert [one.reference for one in deadlines.extensions(any_store, lead)] == ["MORE-TIME-0002", "MORE-TIME-0001"]
    assert deadlines.extensions(any_store, staff["lead-E12000002"]) == []


def test_the_list_has_every_return_that_is_asked_for_and_whose_step_is_next(
    any_store: Store, staff: People, lead: Actor, ehcp_csv: Csv
) -> None:
    everything = due.returns_due(any_store, staff["evaluator"], collection=EHCP, everything=True)
    mine = due.returns_due(any_store, lead, collection=EHCP)
    assert len(everything) == 9 * len(mine) and {one.region for one in mine} == {NORTH_EAST}
    assert [one.due for one in mine] == sorted(one.due for one in mine)
    assert due.waiting_for(mine, lead) == mine and due.waiting_for(mine, staff["evaluator"]) == []
    sent = returns.submit_return(any_store, lead, EHCP, NORTH_EAST, TERM, "return.csv", ehcp_csv(NORTH_EAST, TERM))

    def waits_for(subject: str) -> list[str | None]:
        found = due.returns_due(any_store, staff[subject], collection=EHCP)
        return [one.reference for one in due.waiting_for(found, staff[subject]) if one.reference]

    approver = f"approver-{NORTH_EAST}"
    assert (waits_for(approver), waits_for(lead.subject), waits_for("evaluator")) == ([sent.reference], [], [])
    returns.sign_off_return(any_store, staff[approver], sent.reference)
    assert (waits_for(approver), waits_for("evaluator")) == ([], [sent.reference])
    returns.accept_return(any_store, staff["evaluator"], sent.reference)
    assert TERM not in {one.period for one in due.returns_due(any_store, lead, collection=EHCP)}
    (done,) = [one for one in due.returns_due(any_store, lead, collection=EHCP, everything=True) if one.reference]
    assert (done.state, done.in_force, done.owner) == ("accepted", sent.reference, "")
    assert done.to_dict()["due"] == done.due.isoformat()
    with pytest.raises(NotAllowed, match="cannot read returns"):
        due.returns_due(any_store, lead, region="E12000002")


def test_what_was_sent_unasked_waits_for_whoever_has_to_sign_it(any_store: Store, staff: People, ehcp_csv: Csv) -> None:
    before = "2018/19 summer"  # the contract asks from autumn 2019
    lead, approver = staff[f"lead-{NORTH_EAST}"], staff[f"approver-{NORTH_EAST}"]
    assert before not in {one.period for one in due.returns_due(any_store, lead, collection=EHCP)}
    early = (any_store, lead, EHCP, NORTH_EAST, before, "early.csv", ehcp_csv(NORTH_EAST, before))
    with pytest.raises(returns.ReturnNotAccepted, match=r"Without explanation: values\.not_asked@2018/19 summer") as refused:
        returns.submit_return(*early)
    (query,) = refused.value.report.queries
    assert query.message == "This return is not asked for 2018/19 summer: it is asked for from 2019/20 autumn."
    with pytest.raises(UserError, match=r"not asked for 2018/19 summer: it is asked for from 2019/20 autumn\. Check the period"):
        returns.declare_nil_return(any_store, lead, EHCP, NORTH_EAST, before, "Nothing came.")
    with pytest.raises(UserError, match="not asked for 2018/19 summer"):
        deadlines.ask_extension(any_store, lead, EHCP, NORTH_EAST, before, date(2031, 1, 6), "A flood.")
    sent = returns.submit_return(*early, explanations={"values.not_asked": "The department asked for a year before."})
    waiting = due.waiting_for(due.returns_due(any_store, approver), approver)
    assert [(one.reference, one.owner) for one in waiting] == [(sent.reference, "approver")]
    returns.withdraw_return(any_store, lead, sent.reference, "Nobody asked for it.")
    assert before not in {one.period for one in due.returns_due(any_store, lead, collection=EHCP, everything=True)}
