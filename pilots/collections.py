"""What regions are asked for: collections, the periods they are due for, and their contract to read."""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from importlib import resources
from typing import Any

from data_contracts import Contract, ContractError, contracts, load_contract
from data_contracts.asked import is_asked
from pilots.access import Actor, check_actor_can
from pilots.errors import UserError
from pilots.periods import FIRST_YEAR, KINDS, LAST_YEAR, Period, between, containing, london_day, parse
from pilots.storage import Store
from pilots.storage.base import now
from pilots.storage.settings import get_setting, set_setting
from pilots.wording import listed

REGISTER = "reform_register"
ASKED_UNTIL = "asked_until"  # setting of a store: the last day of what returns are asked for, as ISO text; none: without an end


def returned_by_regions() -> dict[str, str]:
    """Label by name of the collections that regions answer: all but the reform register, which is for the whole country."""
    return dict(_titles())


@cache
def _titles() -> tuple[tuple[str, str], ...]:
    """Name and label of each; kept, since contracts ship with the code and every task about a return asks."""
    return tuple((name, load_contract(name).title) for name in contracts() if name != REGISTER)


def periods_due(store: Store, collection: str) -> list[str]:
    """The periods for which a collection is asked for, newest first, from the first that its contract names to the present one.

    Args:
        store: the store that is asked; where the department has set a day, periods that end later are not asked for.
        collection: name of a collection with a period.

    Raises:
        UserError: there is no such collection, or it has no periods.
    """
    contract = _contract(collection)
    kind = contract.period_kind
    if kind not in KINDS:
        raise UserError(f"“{collection}” is not asked for by period. The collections are: {', '.join(returned_by_regions())}.")
    until, last = asked_until(store), containing(london_day(now()), kind)
    begun = [] if last < parse(contract.asked_from) else between(contract.asked_from, str(last))[::-1]
    return [label for label in begun if is_asked(contract, label, until)]


def asked_until(store: Store) -> date | None:
    """The last day of what returns are asked for; None where they are asked for without an end."""
    with store.read() as connection:
        return stored_end(connection)


def stored_end(connection: Any) -> date | None:
    """The same, inside a transaction."""
    until = get_setting(connection, ASKED_UNTIL)
    return None if until is None else date.fromisoformat(until)


@dataclass(frozen=True)
class Asked:
    """Until when returns are asked for.

    Attributes:
        until: the last day; None: without an end. A period that ends later is not asked for.
        last: the last period that is asked for, by kind of period; empty without an end.
    """

    until: date | None
    last: dict[str, str]

    @property
    def words(self) -> str:
        """The same for a reader."""
        if self.until is None:
            return "Returns are asked for without an end: whenever a period has begun, its returns are on the list."
        labels = [parse(label).label for label in self.last.values()]
        last = listed([label[0].lower() + label[1:] for label in labels])
        day = f"{self.until.day} {self.until:%B %Y}"
        return f"Returns are asked for until {day}, and for no period that ends later. The last are those for {last}."

    def to_dict(self) -> dict[str, Any]:
        """The same as plain JSON."""
        return {"until": None if self.until is None else self.until.isoformat(), "last": self.last}


def asked_now(store: Store, actor: Actor) -> Asked:
    """Until when returns are asked for.

    Raises:
        NotAllowed: the actor may not read returns.
    """
    check_actor_can(actor, "read_returns")
    return _asked(asked_until(store))


def set_asked_until(store: Store, actor: Actor, until: date | None) -> Asked:
    """Set until when returns are asked for. What was sent stays, and stays on the list of whoever has to sign or accept it.

    Args:
        store: where.
        actor: an evaluator or an administrator.
        until: the last day; None: without an end.

    Raises:
        NotAllowed: the actor may not.
        UserError: the day is no day of the programme.
    """
    check_actor_can(actor, "set_asked_until")
    if until is not None and not FIRST_YEAR < until.year < LAST_YEAR:
        raise UserError(f"{until.year} is not a year between {FIRST_YEAR} and {LAST_YEAR}. Check the day.")
    detail: dict[str, Any] = {"until": None if until is None else until.isoformat()}
    with store.write(actor, "set_asked_until", ASKED_UNTIL, detail) as connection:
        before = stored_end(connection)
        detail["before"] = None if before is None else before.isoformat()
        set_setting(connection, ASKED_UNTIL, detail["until"])
    return _asked(until)


def _asked(until: date | None) -> Asked:
    if until is None:
        return Asked(None, {})
    kinds = dict.fromkeys(load_contract(name).period_kind for name in returned_by_regions())
    return Asked(until, {kind: str(_last_ended(until, kind)) for kind in kinds if kind in KINDS})


def _last_ended(day: date, kind: str) -> Period:
    """The last period of a kind that has ended by the end of a day."""
    running = containing(day + timedelta(days=1), kind)
    return containing(running.start - timedelta(days=1), kind)


def contract_text(collection: str) -> str:
    """The newest contract of a collection as Open Data Contract Standard YAML.

    Raises:
        UserError: there is no such collection.
    """
    contract = _contract(collection)
    path = resources.files("data_contracts").joinpath("contracts", contract.name, f"{contract.version}.yaml")
    return path.read_text(encoding="utf-8")


def _contract(collection: str) -> Contract:
    try:
        return load_contract(collection)
    except ContractError as error:
        raise UserError(str(error)) from error
