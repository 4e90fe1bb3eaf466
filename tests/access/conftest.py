"""A store with something of the North East in every state, and everybody who might want to see it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pilots import backups, deadlines, returns
from pilots.access import APPROVER, EVALUATOR, LEAD, LOCAL_ADMINISTRATOR, Actor
from pilots.accounts import add_development_accounts
from pilots.plans import named_plan
from pilots.storage import Store

EHCP, NORTH_EAST, NORTH_WEST = "ehcp_process", "E12000001", "E12000002"
SENDER = Actor("sender", "Sender", LEAD, (NORTH_EAST,))
SIGNER = Actor("signer", "Signer", APPROVER, (NORTH_EAST,))
TAKER = Actor("taker", "Taker", EVALUATOR)


def _people() -> dict[str, Actor]:
    """Every role, and the regional ones for the region itself, for another, and for none; and a role that does not exist."""
    regions = {"own": (NORTH_EAST,), "other": (NORTH_WEST,), "none": ()}
    made = {
        f"{role}-{which}": Actor(f"{role}-{which}", f"The {role} {which}", role, codes)
        for role in ("lead", "approver")
        for which, codes in regions.items()
    }
    made |= {role: Actor(f"the-{role}", f"The {role}", role) for role in ("evaluator", "researcher", "administrator")}
    return {**made, "visitor": Actor("visitor", "The visitor", "visitor", (NORTH_EAST,))}


@dataclass(frozen=True)
class World:
    """A store's file, what is in it by name, and who there is."""

    path: Path
    facts: Any
    people: dict[str, Actor]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("world")
    store = Store.open(f"sqlite:///{folder / 'base.sqlite'}")
    add_development_accounts(store, LOCAL_ADMINISTRATOR)
    content, terms = _ehcp(), ("2021/22 autumn", "2022/23 autumn", "2023/24 autumn")
    sent = [
        returns.submit_return(
            store, SENDER, EHCP, NORTH_EAST, term, "north-east-only.csv", content.replace(b"TERM", term.encode())
        )
        for term in terms
    ]
    for one in sent[:2]:
        returns.sign_off_return(store, SIGNER, one.reference)
    returns.accept_return(store, TAKER, sent[0].reference)
    asked = deadlines.ask_extension(store, SENDER, EHCP, NORTH_EAST, "2025/26 summer", date(2030, 1, 7), "A flood.")
    new = content.replace(b"TERM", b"2023/24 spring")
    report = returns.check_return(store, SENDER, EHCP, NORTH_EAST, "2023/24 spring", "north-east-only.csv", new)
    backups.back_up(store, LOCAL_ADMINISTRATOR, folder / "base.zip")
    facts = SimpleNamespace(
        accepted=sent[0].reference,
        signed=sent[1].reference,
        submitted=sent[2].reference,
        check=returns.checks(store, LOCAL_ADMINISTRATOR)[0]["reference"],
        request=asked.reference,
        sha256=report.sha256,
        report=report,
        content=new,
        plan=named_plan("ehcp_timeliness"),
        backup=folder / "base.zip",
    )
    with store.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    store.close()
    return World(folder / "base.sqlite", facts, _people())


def _ehcp() -> bytes:
    names = "authority,period,requests,requests_refused,plans_issued,plans_issued_within_20_weeks,exceptions"
    names += ",exceptions_with_reason,plans_issued_excluding_exceptions,plans_issued_within_20_weeks_excluding_exceptions"
    names += ",plans_digital,average_weeks"
    codes = [f"E0600000{number}" for number in range(1, 6)] + ["E06000047", "E06000057", "E08000021", "E08000022", "E08000023"]
    codes += ["E08000024", "E08000037"]
    rows = [f"{code},TERM,{100 + number},20,60,30,10,10,50,28,12,21.5" for number, code in enumerate(codes)]
    return "\n".join([names, *rows, ""]).encode()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def fresh(
    request: pytest.FixtureRequest, world: World, tmp_path: Path, fill_from: Callable[[Store, Path], None]
) -> Iterator[Callable[[], Store]]:
    """Makes a store of its own from the world's, as often as it is called; PostgreSQL has one, which is filled anew each time."""
    opened: list[Store] = []

    def copied() -> Store:
        copy = tmp_path / f"{len(opened)}.sqlite"
        copy.write_bytes(world.path.read_bytes())
        return Store.open(f"sqlite:///{copy}")

    def filled() -> Store:
        for store in opened:
            store.close()
        store = Store.open(request.getfixturevalue("emptied")())
        fill_from(store, world.path)
        return store

    def make() -> Store:
        opened.append(copied() if request.param == "sqlite" else filled())
        return opened[-1]

    yield make
    for store in opened:
        store.close()
