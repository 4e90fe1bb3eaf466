"""Which return is meant, and what is known beside its file: what every task about a return asks first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from data_contracts import Context, Contract, ContractError, load_contract
from data_contracts.asked import asked_words, is_asked
from pilots.catalogue import reforms
from pilots.collections import asked_until, returned_by_regions, stored_end
from pilots.errors import UserError
from pilots.life import LIVE
from pilots.periods import PeriodError, london_day, parse
from pilots.places import authorities, region_names
from pilots.storage import Store
from pilots.storage.base import now
from pilots.storage.submissions import latest_submission, latest_with_rows, periods_submitted, stored_rows
from pilots.typed_rows import as_frame

_EXAMPLES = {"term": "2023/24 autumn", "academic year": "2023/24", "financial year": "2023-24"}


@dataclass(frozen=True)
class Target:
    """The return that a file is meant for: contract, region code, period (blank where the collection has none)."""

    contract: Contract
    region: str
    period: str

    @property
    def collection(self) -> str:
        """Name of the collection."""
        return self.contract.name

    @property
    def name(self) -> str:
        """The part of a reference before the version."""
        text = "-".join(part for part in (self.collection, self.region, self.period) if part)
        return "".join(letter if letter.isalnum() else "-" for letter in text).upper()

    @property
    def key(self) -> tuple[str, str, str]:
        """Collection, region, period."""
        return self.collection, self.region, self.period


def collections() -> list[str]:
    """The collections that regions answer: every contract but the reform register, which is for the whole country."""
    return list(returned_by_regions())


def target_of(collection: str, region: str, period: str) -> Target:
    """The return that is meant.

    Raises:
        UserError: there is no such collection, region or period.
    """
    if collection not in collections():
        raise UserError(f"There is no return “{collection}”. The returns are: {', '.join(collections())}.")
    names = region_names()
    if region not in names:
        known = ", ".join(f"{code} ({name})" for code, name in names.items())
        raise UserError(f"There is no region “{region}”. The regions are: {known}.")
    try:
        contract, when = load_contract(collection), parse(period)
    except (ContractError, PeriodError) as error:
        raise UserError(str(error)) from error
    if when.kind != contract.period_kind:
        example = _EXAMPLES.get(contract.period_kind, "2024")
        raise UserError(
            f"{collection} is asked for each {contract.period_kind}, and “{period}” is not one ({when.kind}). "
            f"Write it like {example}."
        )
    return Target(contract, region, str(when))


def check_asked(connection: Any, target: Target) -> None:
    """Stop where a return is not asked for its period; what was sent for it all the same counts as asked for.

    Raises:
        UserError: it is not; the message says for which periods it is.
    """
    until = stored_end(connection)
    if is_asked(target.contract, target.period, until) or latest_submission(connection, *target.key):
        return
    raise UserError(
        f"{target.contract.title} is not asked for {target.period}: it is asked for {asked_words(target.contract, until)}. "
        "Check the period."
    )


def previous_submission(store: Store, target: Target) -> dict[str, Any] | None:
    """The region's last return before this period, as stored; None where there is none.

    A return that was sent back, withdrawn or superseded is none to compare with, and a nil return has no rows.
    """
    with store.read() as connection:
        return latest_before(connection, target, LIVE)


def latest_before(connection: Any, target: Target, states: Sequence[str]) -> dict[str, Any] | None:
    """The newest version, of the last period before a return's, that is in one of these states and not nil; None without one."""
    asked, sent = parse(target.period), periods_submitted(connection, target.collection, target.region)
    earlier = [one for one in map(parse, sent) if one < asked]
    for period in sorted(earlier, key=lambda one: one.start, reverse=True):
        found = latest_with_rows(connection, target.collection, target.region, str(period), states)
        if found is not None:
            return found
    return None


def rows_of(store: Store, submission: Mapping[str, Any]) -> pd.DataFrame:
    """The typed rows of a stored submission."""
    with store.read() as connection:
        rows = stored_rows(connection, [submission["id"]])[submission["id"]]
    return as_frame(load_contract(submission["collection"], submission["contract_version"]), rows)


def previous_rows(store: Store, target: Target) -> pd.DataFrame | None:
    """Typed rows of the region's last return before this period; None where there is none."""
    last = previous_submission(store, target)
    return None if last is None else rows_of(store, last)


def context_of(store: Store, target: Target) -> Context:
    """What a check of the return knows beside its file: region, period, codes, reforms, the last return, today, what is asked."""
    known = tuple(reform.id for reform in reforms())
    previous = previous_rows(store, target)
    return Context(
        target.region,
        target.period,
        authorities(),
        previous,
        known_reforms=known,
        today=london_day(now()),
        asked_until=asked_until(store),
    )
