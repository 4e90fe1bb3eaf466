"""Planned or exploratory: whether a run does what a plan said, and whether that was sealed before the results could be seen."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import yaml

from data_contracts.contract import YAML
from pilots import register
from pilots.access import Actor, check_actor_can
from pilots.catalogue import Outcome, outcome, publications
from pilots.panels import starts
from pilots.periods import Period, parse
from pilots.plans import Plan
from pilots.published import measure_values
from pilots.storage import Store, evaluations
from pilots.storage.base import canonical_json, now
from pilots.storage.releases import stored_releases
from pilots.tables import moment, short

PLANNED, LATE, DEPARTS, EXPLORATORY = "planned", "sealed_late", "departs", "exploratory"


@dataclass(frozen=True)
class Deviation:
    """One key at which what is run is not what was sealed; both as they stand in the plan's YAML."""

    key: str
    planned: str
    here: str

    @property
    def words(self) -> str:
        """The deviation in a sentence."""
        return f"{self.key.replace('_', ' ')}: planned {self.planned}, here {self.here}"


@dataclass(frozen=True)
class Seen:
    """The first release that held figures of an outcome from after the reform's start, before the plan was sealed."""

    outcome: str
    release: str
    made_at: str


@dataclass(frozen=True)
class Standing:
    """Where a run stands between a plan and a search.

    Attributes:
        kind: `planned` (what was sealed, before any release held figures from after the start), `sealed_late` (what was sealed,
            but after that), `departs` (a plan of this name is sealed, and this is not it) or `exploratory` (nothing was sealed).
        sealed_at: when the plan was sealed, or the plan that it departs from; ISO moment, None where nothing was.
        seal: that plan's digest.
        version: that plan's version.
        seen: of each outcome that could be seen before the seal, where.
        deviations: where the run departs from what was sealed.
    """

    kind: str
    sealed_at: str | None = None
    seal: str | None = None
    version: str | None = None
    seen: tuple[Seen, ...] = ()
    deviations: tuple[Deviation, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Every field as plain JSON, and the words."""
        return {**asdict(self), "seen": [asdict(one) for one in self.seen], "deviations": self._deviations(), "words": self.words}

    def _deviations(self) -> list[dict[str, str]]:
        return [{**asdict(one), "words": one.words} for one in self.deviations]

    @property
    def words(self) -> str:
        """The standing in a sentence."""
        if self.sealed_at is None or self.seal is None:
            return "Exploratory: no plan was sealed before this run."
        sealed = f"sealed on {moment(self.sealed_at)} ({short(self.seal)})"
        if self.kind == PLANNED:
            return f"Planned: {sealed}, before any release held figures from after the start."
        if self.kind == DEPARTS:
            return (
                f"Exploratory: it departs from version {self.version} of the plan, {sealed}, at "
                f"{', '.join(one.key.replace('_', ' ') for one in self.deviations)}."
            )
        first = min(self.seen, key=lambda one: one.made_at)
        return (
            f"Planned, but late: {sealed}, when release “{first.release}” of {moment(first.made_at)} already held figures from "
            "after the start."
        )

    def planned(self, name: str) -> bool:
        """What the rating of one outcome asks: whether what is run was sealed before that outcome's result could be seen."""
        return self.kind in (PLANNED, LATE) and all(one.outcome != name for one in self.seen)


def standing(store: Store, plan: Plan, at: datetime, spells: pd.DataFrame) -> Standing:
    """Where a run of a plan stands.

    Args:
        store: its sealed plans and its releases are looked at.
        plan: what is run.
        at: when; what was sealed later does not count.
        spells: the register, which says from when on figures can show an effect.
    """
    with store.read() as connection:
        rows = [
            row for row in evaluations.registered_plans(connection) if row["plan"] == plan.plan and row["registered_at"] <= at
        ]
        if not rows:
            return Standing(EXPLORATORY)
        own = next((row for row in rows if row["digest"] == plan.digest), None)
        row = own or max(rows, key=lambda one: (one["version"] == plan.version, one["registered_at"]))
        facts = {
            "sealed_at": row["registered_at"].isoformat(timespec="seconds"),
            "seal": row["digest"],
            "version": row["version"],
        }
        if own is None:
            return Standing(DEPARTS, **facts, deviations=tuple(deviations(row["text"], plan.text)))
        seen = tuple(_seen(connection, plan, row["registered_at"], spells))
    return Standing(LATE if seen else PLANNED, **facts, seen=seen)


def standing_now(store: Store, actor: Actor, plan: Plan) -> Standing:
    """Where a run of a plan would stand if it were made now.

    Raises:
        NotAllowed: the actor may not read plans.
    """
    check_actor_can(actor, "read_plans")
    return standing(store, plan, now(), register.spells(store, actor))


def deviations(sealed: str, run: str) -> Iterator[Deviation]:
    """The keys at which two plans differ, one entry each; keys within keys are named with a point between."""
    before, after = (yaml.load(text, Loader=YAML) for text in (sealed, run))
    yield from _differences(before, after, "")


def _differences(planned: Any, here: Any, place: str) -> Iterator[Deviation]:
    if isinstance(planned, dict) and isinstance(here, dict):
        for key in dict.fromkeys([*planned, *here]):
            yield from _differences(planned.get(key), here.get(key), f"{place}.{key}" if place else str(key))
    elif canonical_json(planned) != canonical_json(here):
        yield Deviation(place, _text(planned), _text(here))


def _text(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value, sort_keys=True, ensure_ascii=False).replace('"', "")


def _seen(connection: Any, plan: Plan, sealed_at: datetime, spells: pd.DataFrame) -> Iterator[Seen]:
    """The outcomes of which a release had figures from after the start when the plan was sealed."""
    earlier = [row for row in reversed(stored_releases(connection)) if row["made_at"] <= sealed_at]
    for name in plan.outcomes:
        about = outcome(name)
        first, _ = starts(spells, plan, about.frequency)
        if not first:
            continue
        begun = min(parse(period) for period in first.values())
        for row in earlier:
            if _holds(connection, row, about, begun, parse(plan.last)):
                yield Seen(name, row["name"], row["made_at"].isoformat(timespec="seconds"))
                break


def _holds(connection: Any, release: Mapping[str, Any], about: Outcome, first: Period, last: Period) -> bool:
    """Whether a release has a figure of an outcome in one of these periods."""
    if about.source in publications():
        references = [one["reference"] for one in release["vintages"] if one["publication"] == about.source]
        if not references:
            return False
        values = measure_values(connection, references, list(about.numerator))
        periods = set(values.loc[values["value"].notna(), "period"])
    else:
        periods = {one["period"] for one in release["submissions"] if one["collection"] == about.source}
    return any(not parse(period) < first and not last < parse(period) for period in periods)
