"""Which return is meant, and what is known beside its file: what every task about a return asks first."""

import pandas as pd

from data_contracts import Context, ContractError, contracts, load_contract
from pilots.catalogue import reforms
from pilots.collections import REGISTER
from pilots.errors import UserError
from pilots.periods import PeriodError, parse
from pilots.places import authorities, regions
from pilots.storage import Store
from pilots.storage.base import now
from pilots.storage.submissions import stored_rows, stored_submissions
from pilots.typed_rows import as_frame
from pilots.uploads import Target


def collections() -> list[str]:
    """The collections that regions answer: every contract but the reform register, which is for the whole country."""
    return [name for name in contracts() if name != REGISTER]


def target_of(collection: str, region: str, period: str) -> Target:
    """The return that is meant.

    Raises:
        UserError: there is no such collection, region or period.
    """
    if collection not in collections():
        raise UserError(f"There is no return “{collection}”. The returns are: {', '.join(collections())}.")
    names = regions()
    if region not in set(names["region"]):
        known = ", ".join(f"{code} ({name})" for code, name in zip(names["region"], names["name"], strict=True))
        raise UserError(f"There is no region “{region}”. The regions are: {known}.")
    try:
        contract, when = load_contract(collection), parse(period)
    except (ContractError, PeriodError) as error:
        raise UserError(str(error)) from error
    if when.kind != contract.period_kind:
        example = {"term": "2023/24 autumn", "academic year": "2023/24", "financial year": "2023-24"}.get(
            contract.period_kind, "2024"
        )
        raise UserError(
            f"{collection} is asked for each {contract.period_kind}, and “{period}” is not one ({when.kind}). "
            f"Write it like {example}."
        )
    return Target(contract, region, str(when))


def previous_rows(store: Store, target: Target) -> pd.DataFrame | None:
    """Typed rows of the region's return for the last period before this one; None where there is none."""
    with store.read() as connection:
        earlier = [
            one
            for one in stored_submissions(connection, collection=target.collection, region=target.region)
            if one["status"] != "superseded" and parse(one["period"]) < parse(target.period)
        ]
        if not earlier:
            return None
        last = max(earlier, key=lambda one: (parse(one["period"]).start, one["version"]))
        rows = stored_rows(connection, [last["id"]])[last["id"]]
    return as_frame(load_contract(target.collection, last["contract_version"]), rows)


def context_of(store: Store, target: Target) -> Context:
    """What a check of the return knows beside its file: region, period, codes, reforms, the last return, the day."""
    known = tuple(reform.id for reform in reforms())
    previous = previous_rows(store, target)
    return Context(target.region, target.period, authorities(), previous, known_reforms=known, today=now().date())
