"""Explaining queries: kept with the file, offered again where the same query comes again, never applied by itself."""

from collections.abc import Callable
from typing import Any

import pytest

from pilots import explanations, returns
from pilots.access import Actor, NotAllowed
from pilots.errors import UserError
from pilots.returns import ReturnNotAccepted
from pilots.storage import Store

EHCP, NORTH_EAST, TERM, NEXT = "ehcp_process", "E12000001", "2023/24 autumn", "2023/24 spring"
Csv = Callable[..., bytes]


@pytest.fixture
def lead(any_store: Store, people: Callable[[Store], dict[str, Actor]]) -> Actor:
    return people(any_store)[f"lead-{NORTH_EAST}"]


def refusing(csv: Csv, period: str, *rows: int) -> bytes:
    """A return in which the authorities of these rows (2 is the first) refuse most requests, which is a query."""
    lines = csv(NORTH_EAST, period).split(b"\n")
    for row in rows:
        lines[row - 1] = lines[row - 1].replace(b",20,60,", b",90,60,", 1)
    return b"\n".join(lines)


def checked(store: Store, lead: Actor, content: bytes, period: str = TERM) -> str:
    report = returns.check_return(store, lead, EHCP, NORTH_EAST, period, "return.csv", content)
    return str(explanations.newest_check(store, lead, EHCP, NORTH_EAST, period, report.sha256))


def send(store: Store, lead: Actor, content: bytes, period: str = TERM, **more: Any) -> returns.Receipt:
    return returns.submit_return(store, lead, EHCP, NORTH_EAST, period, "return.csv", content, **more)


def test_what_was_said_of_the_same_query_is_offered_and_not_applied(any_store: Store, lead: Actor, ehcp_csv: Csv) -> None:
    first = send(any_store, lead, refusing(ehcp_csv, TERM, 3), explanations={"many_refused": "A backlog was cleared."})
    # The next period: the same authority again, though in another row, and one more.
    lines = refusing(ehcp_csv, NEXT, 3, 5).split(b"\n")
    content = b"\n".join([lines[0], *lines[2:-1], lines[1], b""])
    check = checked(any_store, lead, content, NEXT)
    same, other = explanations.queries_of_check(any_store, lead, check)
    assert (same.row, same.offered, same.offered_from, same.explanation) == (2, "A backlog was cleared.", first.reference, None)
    assert (other.row, other.offered, other.explanation) == (4, None, None)
    with pytest.raises(ReturnNotAccepted, match="Explain each query"):
        send(any_store, lead, content, NEXT)

    carried = explanations.explain_return(any_store, lead, check, {}, carry_forward=True)
    assert [one.explanation for one in carried] == ["A backlog was cleared.", None]
    with pytest.raises(ReturnNotAccepted, match=f"Without explanation: {other.key}"):
        send(any_store, lead, content, NEXT)
    explanations.explain_return(any_store, lead, check, {other.key: "A new panel."})
    sent = send(any_store, lead, content, NEXT)
    assert sent.explanations == {same.key: "A backlog was cleared.", other.key: "A new panel."}


def test_the_version_before_comes_first_and_a_word_of_today_counts(any_store: Store, lead: Actor, ehcp_csv: Csv) -> None:
    send(any_store, lead, refusing(ehcp_csv, TERM, 3), explanations={"many_refused": "Of the term before."})
    send(any_store, lead, refusing(ehcp_csv, NEXT, 3), NEXT, explanations={"many_refused": "Of this term."})
    content = refusing(ehcp_csv, NEXT, 3).replace(b",60,30,", b",60,31,", 1)
    check = checked(any_store, lead, content, NEXT)
    (query,) = explanations.queries_of_check(any_store, lead, check)
    assert query.offered == "Of this term." and str(query.offered_from).endswith("SPRING-v1")
    explanations.explain_return(any_store, lead, check, {"many_refused": "One way."})
    (again,) = explanations.explain_return(any_store, lead, check, {"many_refused": "  Another\n way. "})
    assert again.explanation == "Another way."
    (taken_back,) = explanations.explain_return(any_store, lead, check, {"many_refused": ""})
    assert taken_back.explanation is None
    sent = send(any_store, lead, content, NEXT, explanations={"many_refused": "Said at last."}, reason="One more in time.")
    assert sent.explanations == {"many_refused": "Said at last."}


def test_what_fits_no_query_and_who_may_not_are_told(
    any_store: Store, lead: Actor, ehcp_csv: Csv, people: Callable[[Store], dict[str, Actor]]
) -> None:
    check = checked(any_store, lead, refusing(ehcp_csv, TERM, 3))
    with pytest.raises(UserError, match="fit no query of the file: nonsense"):
        explanations.explain_return(any_store, lead, check, {"nonsense": "Because."})
    with pytest.raises(UserError, match="at most 2,000: shorten it"):
        explanations.explain_return(any_store, lead, check, {"many_refused": "x" * 2001})
    with pytest.raises(UserError, match="by the reference “CHECK-9”"):
        explanations.queries_of_check(any_store, lead, "CHECK-9")
    with pytest.raises(UserError, match="by the reference “X”"):
        explanations.explain_return(any_store, lead, "X", {})
    staff = people(any_store)
    with pytest.raises(NotAllowed, match="cannot explain the queries"):
        explanations.explain_return(any_store, staff["evaluator"], check, {"many_refused": "Because."})
    with pytest.raises(NotAllowed, match="cannot read returns"):
        explanations.queries_of_check(any_store, staff["lead-E12000002"], check)
