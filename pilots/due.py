"""The list of returns: what is asked for from whom until when, in which state each one is, and who has to do what next."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from data_contracts import load_contract
from pilots.access import REGIONAL, Actor, check_actor_can
from pilots.collections import periods_due, returned_by_regions
from pilots.deadlines import PREFIX, began, due_words, first_due, late_words
from pilots.errors import UserError
from pilots.life import NOT_SENT, RETURNED, SIGNED_OFF, STATES, SUBMITTED, WITHDRAWN
from pilots.periods import KINDS, london_day, parse
from pilots.places import region_names
from pilots.storage import Store
from pilots.storage.base import now
from pilots.storage.deadlines import stored_requests
from pilots.storage.submissions import latest_submissions, references_in_force
from pilots.targets import Target

Key = tuple[str, str, str]
WITH_THE_REGION = (NOT_SENT, RETURNED, WITHDRAWN)  # the states in which a deadline still runs


@dataclass(frozen=True)
class DueReturn:
    """One return of the list.

    Attributes:
        collection: what is asked for.
        title: its name in plain English.
        region: code of the region.
        period: of the return.
        due: the day on which it is due, more time included.
        days_left: days from today until then; below 0 once it is past.
        timing: for a reader: when it is due, or how late it came.
        state: of its newest version, one of `pilots.life.STATES`; `not_sent` where there is none.
        state_words: the state for a reader.
        owner: who has to do the next step; blank where nobody has to.
        next_step: what is to be done.
        reference: of the newest version, or None.
        in_force: reference of the accepted version, or None.
        late_days: days by which the newest version came late; None where nothing came or no deadline was known.
        nil: whether the newest version declares that there is nothing to return.
        more_time: reference of a request for more time that waits for the department, or None.
    """

    collection: str
    title: str
    region: str
    period: str
    due: date
    days_left: int
    timing: str
    state: str
    state_words: str
    owner: str
    next_step: str
    reference: str | None
    in_force: str | None
    late_days: int | None
    nil: bool
    more_time: str | None

    @property
    def key(self) -> Key:
        """Collection, region, period."""
        return self.collection, self.region, self.period

    def to_dict(self) -> dict[str, Any]:
        """The return as plain JSON."""
        return {**asdict(self), "due": self.due.isoformat()}


def returns_due(
    store: Store, actor: Actor, region: str | None = None, collection: str | None = None, everything: bool = False
) -> list[DueReturn]:
    """Returns that somebody still has to do something about, the most urgent first; regional roles see those of their regions.

    They are those that are asked for, and those that were sent without being asked for.

    Args:
        store: where.
        actor: who looks.
        region: code of a region, to see its returns only.
        collection: name of a collection, to see its returns only.
        everything: accepted returns too.

    Raises:
        NotAllowed: the actor may not read returns, or not those of this region.
        UserError: there is no such collection.
    """
    check_actor_can(actor, "read_returns", region)
    regions = [region] if region else list(actor.regions) if actor.role in REGIONAL else list(region_names())
    targets = list(_asked(store, collection, regions))
    with store.read() as connection:
        versions = latest_submissions(connection, regions, collection)
        in_force = references_in_force(connection, regions, collection)
        requests = stored_requests(connection, regions)
        begun, today = began(connection), london_day(now())
    newest = {(row["collection"], row["region"], row["period"]): row for row in versions}
    targets += _unasked(newest, {target.key for target in targets})
    made = [
        _due(target, newest.get(target.key), in_force.get(target.key), _of(requests, target.key), begun, today)
        for target in targets
    ]
    shown = [one for one in made if everything or one.owner]
    return sorted(
        shown, key=lambda one: (not one.owner, one.due, -parse(one.period).start.toordinal(), one.collection, one.region)
    )


def _asked(store: Store, collection: str | None, regions: list[str]) -> Iterable[Target]:
    """Every return that is asked for, of the collections that have periods."""
    names = list(returned_by_regions())
    if collection is not None and collection not in names:
        raise UserError(f"There is no return “{collection}”. The returns are: {', '.join(names)}.")
    for name in [collection] if collection else names:
        contract = load_contract(name)
        if contract.period_kind in KINDS:
            yield from (Target(contract, region, period) for period in periods_due(store, name) for region in regions)


def _unasked(newest: dict[Key, dict[str, Any]], asked: set[Key]) -> list[Target]:
    """Returns that were sent for a period that is not asked for: somebody has to sign or accept them all the same."""
    names = returned_by_regions()
    return [
        Target(load_contract(key[0]), *key[1:])
        for key, row in newest.items()
        if key not in asked and key[0] in names and row["status"] != WITHDRAWN
    ]


def _of(requests: list[dict[str, Any]], key: Key) -> list[dict[str, Any]]:
    return [row for row in requests if (row["collection"], row["region"], row["period"]) == key]


def _due(
    target: Target, row: dict[str, Any] | None, in_force: str | None, requests: list[dict[str, Any]], begun: date, today: date
) -> DueReturn:
    granted = [date.fromisoformat(one["until"]) for one in requests if one["granted"]]
    waiting = next((f"{PREFIX}{one['id']:04d}" for one in requests if one["granted"] is None), None)
    due = max([first_due(target, begun), *granted])
    name = NOT_SENT if row is None else row["status"]
    late = None if row is None else row["late_days"]
    state = STATES[name]
    return DueReturn(
        collection=target.collection,
        title=target.contract.title,
        region=target.region,
        period=target.period,
        due=due,
        days_left=(due - today).days,
        timing=due_words(due, today) if name in WITH_THE_REGION else f"came {late_words(late)}" if late_words(late) else "",
        state=name,
        state_words=state.words,
        owner=state.owner,
        next_step=state.next_step,
        reference=None if row is None else row["reference"],
        in_force=in_force,
        late_days=late,
        nil=row is not None and row["nil_reason"] is not None,
        more_time=waiting,
    )


def waiting_for(found: list[DueReturn], actor: Actor) -> list[DueReturn]:
    """Those of a list whose next step is the actor's: a lead's, an approver's, or the department's; an administrator's is any."""
    states = {"lead": WITH_THE_REGION, "approver": (SUBMITTED,), "evaluator": (SIGNED_OFF,)}
    mine = states.get(actor.role, (*WITH_THE_REGION, SUBMITTED, SIGNED_OFF))
    return [one for one in found if one.state in mine]
