from collections.abc import Callable

import pytest

from pilots import accounts, returns
from pilots.access import ACTIONS, ADMINISTRATOR, LEAD, REGIONAL, ROLES, Actor, NotAllowed, actor_can, check_actor_can
from pilots.accounts import AccountError
from pilots.storage import Store, audit


def test_development_accounts_are_added_once(any_store: Store, administrator: Actor) -> None:
    accounts.add_development_accounts(any_store, administrator)
    accounts.add_development_accounts(any_store, administrator)
    found = accounts.development_sign_in(any_store)
    assert [actor.subject for actor in found[:3]] == ["administrator", "evaluator", "researcher"]
    assert [actor.regions for actor in found[3:]] == 2 * [(f"E1200000{number}",) for number in range(1, 10)]
    assert {actor.issuer for actor in found} == {"development"} and {actor.role for actor in found} == set(ROLES)
    with any_store.read() as connection:
        assert len(audit.events(connection, action="manage_accounts")) == 1


def test_closed_development_account_stays_closed(store: Store, administrator: Actor) -> None:
    accounts.add_development_accounts(store, administrator)
    accounts.save_account(store, administrator, "researcher", "Researcher", "researcher", active=False)
    accounts.add_development_accounts(store, administrator)
    assert "researcher" not in {actor.subject for actor in accounts.development_sign_in(store)}
    assert [row["active"] for row in accounts.accounts(store, administrator) if row["subject"] == "researcher"] == [False]


def test_account_is_added_and_changed(store: Store, administrator: Actor) -> None:
    regions = ["E12000002", "E12000001", "E12000002"]
    anna = accounts.save_account(store, administrator, " anna ", "Anna", LEAD, regions)
    assert anna == Actor("anna", "Anna", LEAD, ("E12000001", "E12000002"), "development")
    accounts.save_account(store, administrator, "anna", "Anna B", "evaluator")
    assert [(row["name"], row["role"], row["regions"]) for row in accounts.accounts(store, administrator)] == [
        ("Anna B", "evaluator", [])
    ]
    with pytest.raises(NotAllowed, match="have changed"):
        returns.check_return(store, anna, "ehcp_process", "E12000001", "2023/24 autumn", "a.csv", b"x")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"subject": " "}, "needs a subject and a name"),
        ({"name": ""}, "needs a subject and a name"),
        ({"name": "x" * 201}, "at most 200 characters"),
        ({"role": "minister"}, "There is no role “minister”"),
        ({"regions": ["E13000001"]}, "There is no region “E13000001”"),
        ({"regions": []}, "needs at least one region"),
        ({"role": "evaluator"}, "Regions are for lead and approver only"),
        ({"role": "approver", "regions": []}, "approver needs at least one region"),
        ({"issuer": "local"}, "“local” vouches for no accounts"),
    ],
)
def test_account_that_cannot_be_right_is_refused(
    store: Store, administrator: Actor, given: dict[str, object], words: str
) -> None:
    facts: dict[str, object] = {"subject": "anna", "name": "Anna", "role": LEAD, "regions": ["E12000001"]}
    with pytest.raises(AccountError, match=words):
        accounts.save_account(store, administrator, **{**facts, **given})  # type: ignore[arg-type]
    assert accounts.accounts(store, administrator) == []


def test_administrator_cannot_close_the_own_account(store: Store, people: Callable[[Store], dict[str, Actor]]) -> None:
    me = people(store)["administrator"]
    for change in ({"active": False}, {"role": "researcher"}):
        with pytest.raises(AccountError, match="your own account"):
            accounts.save_account(store, me, me.subject, me.name, **{"role": ADMINISTRATOR, **change})  # type: ignore[arg-type]


def test_only_administrators_manage_accounts(store: Store, people: Callable[[Store], dict[str, Actor]]) -> None:
    for actor in people(store).values():
        if actor.role == ADMINISTRATOR:
            continue
        with pytest.raises(NotAllowed, match="cannot manage accounts"):
            accounts.save_account(store, actor, "eve", "Eve", ADMINISTRATOR)
        with pytest.raises(NotAllowed, match="cannot manage accounts"):
            accounts.accounts(store, actor)
        with pytest.raises(NotAllowed, match="cannot manage accounts"):
            accounts.add_development_accounts(store, actor)


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_check_raises_exactly_where_the_actor_may_not(action: str) -> None:
    for role in ROLES:
        for regions, region in (((), None), (("E12000001",), None), (("E12000001",), "E12000001"), (("E12000001",), "E12000002")):
            actor = Actor("x", "X", role, regions)
            if actor_can(actor, action, region):
                check_actor_can(actor, action, region)
            else:
                with pytest.raises(NotAllowed, match=ACTIONS[action][0]):
                    check_actor_can(actor, action, region)


@pytest.mark.parametrize("role", REGIONAL)
def test_regional_roles_never_act_outside_their_own_regions(role: str) -> None:
    mine = Actor("x", "X", role, ("E12000001",))
    assert not any(actor_can(mine, action, "E12000002") for action in ACTIONS)
    assert {action for action in ACTIONS if actor_can(mine, action, None)} == {"read_returns", "read_register", "make_cells"}


def test_submitting_signing_and_accepting_are_three_roles() -> None:
    allowed = {action: ACTIONS[action][1] for action in ("submit_return", "sign_off_return", "accept_return")}
    assert not allowed["submit_return"] & allowed["sign_off_return"] - {ADMINISTRATOR}
    assert not allowed["sign_off_return"] & allowed["accept_return"] - {ADMINISTRATOR}
    assert not allowed["submit_return"] & allowed["accept_return"] - {ADMINISTRATOR}


def test_refusal_names_who_can() -> None:
    with pytest.raises(NotAllowed, match="Ask an evaluator or an administrator"):
        check_actor_can(Actor("x", "X", "researcher"), "make_release")
    with pytest.raises(NotAllowed, match="A lead acts for their own regions only: E12000001"):
        check_actor_can(Actor("x", "X", LEAD, ("E12000001",)), "submit_return", "E12000002")
