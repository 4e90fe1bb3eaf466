"""What regions are asked for: collections, the periods they are due for, and their contract to read."""

from datetime import date
from functools import cache
from importlib import resources

from data_contracts import Contract, ContractError, contracts, load_contract
from pilots.errors import UserError
from pilots.periods import KINDS, between, containing, london_day, parse
from pilots.storage import Store
from pilots.storage.base import now
from pilots.storage.settings import get_setting

REGISTER = "reform_register"
ASKED_UNTIL = "asked_until"  # setting of a store whose programme is over: its last day, as ISO text


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
        store: the store that is asked; one whose programme is over asks for the periods that ended with it.
        collection: name of a collection with a period.

    Raises:
        UserError: there is no such collection, or it has no periods.
    """
    contract = _contract(collection)
    kind = contract.period_kind
    if kind not in KINDS:
        raise UserError(f"“{collection}” is not asked for by period. The collections are: {', '.join(returned_by_regions())}.")
    with store.read() as connection:
        until = get_setting(connection, ASKED_UNTIL)
    last = containing(london_day(now()), kind)
    asked = [] if last < parse(contract.asked_from) else between(contract.asked_from, str(last))[::-1]
    return asked if until is None else [label for label in asked if parse(label).end <= date.fromisoformat(until)]


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
