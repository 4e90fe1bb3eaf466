"""The reform register: who had which reform from when to when. It takes the way of a return, but is one for the whole country."""

from collections.abc import Iterable, Mapping
from datetime import date
from functools import partial
from typing import Any

import pandas as pd

from data_contracts import Context, Finding, Report, load_contract
from pilots.access import REGIONAL, Actor, check_actor_can
from pilots.catalogue import reforms
from pilots.collections import REGISTER
from pilots.life import ACCEPTED
from pilots.periods import containing, london_day
from pilots.places import authorities, partnerships
from pilots.receipts import Receipt
from pilots.storage import Store
from pilots.storage.base import now
from pilots.storage.submissions import latest_submission, stored_submissions
from pilots.targets import Target, rows_of
from pilots.uploads import check_said, examine, receive, repeated, submit

ENGLAND = "E92000001"
LAUNCH = "change_programme"  # its spells ship with the platform, in places/partnerships.csv
COLUMNS = ["region", "authority", "reform", "start", "end", "stage", "intensity", "halted_reason"]
_TASK = "register_reforms"


def _target() -> Target:
    return Target(load_contract(REGISTER), ENGLAND, "")


def _accepted(store: Store) -> pd.DataFrame | None:
    """Typed rows of the newest accepted register: what can no longer be dated back; None where there is none."""
    with store.read() as connection:
        newest = stored_submissions(connection, collection=REGISTER, status=ACCEPTED)
    return rows_of(store, newest[0]) if newest else None


def _context(accepted: pd.DataFrame | None) -> Context:
    known = tuple(reform.id for reform in reforms() if reform.id != LAUNCH)
    locked = None if accepted is None else accepted[["authority", "reform", "start"]]
    return Context(authorities=authorities(), known_reforms=known, locked=locked, today=london_day(now()))


def _told_of_lost_spells(report: Report, accepted: pd.DataFrame | None) -> Report:
    """The report, with a query for each accepted spell that the file leaves out: taking one out can undo a treatment."""
    if accepted is None or report.rows is None:
        return report
    key = ["authority", "reform", "start"]
    kept = set(report.rows[key].itertuples(index=False, name=None))
    lost = [spell for spell in accepted[key].itertuples(index=False, name=None) if spell not in kept]
    found = tuple(_lost_spell(*spell) for spell in lost)
    return report.noted(*found, first=True)


def _lost_spell(authority: str, reform: str, start: date) -> Finding:
    return Finding(
        "history.spell_left_out",
        "query",
        f"The accepted register has a spell of {reform} in {authority} from {start}, which this file leaves out.",
        "Put the spell back in. If it was never one, say why it was registered.",
        column="start",
        value=f"{authority} {reform} {start}",
    )


def check_register(store: Store, actor: Actor, filename: str, content: bytes) -> Report:
    """Check a file for the register without registering it. The bytes and the findings are kept.

    Args:
        store: where to.
        actor: an administrator.
        filename: name of the file.
        content: its bytes.

    Raises:
        NotAllowed: the actor may not. What is wrong in the file is in the report.
    """
    check_actor_can(actor, _TASK)
    target, accepted = _target(), _accepted(store)
    upload = receive(store, actor, _TASK, target, filename, content)
    amend = partial(_told_of_lost_spells, accepted=accepted)
    return examine(store, actor, _TASK, target, upload, _context(accepted), amend).report


def register_reforms(
    store: Store,
    actor: Actor,
    filename: str,
    content: bytes,
    explanations: Mapping[str, str] | None = None,
    reason: str | None = None,
) -> Receipt:
    """Check a file and make it the next version of the register. Starts that were accepted cannot be dated back.

    The register is the department's own: nobody else signs or accepts it.

    Args:
        store: where to.
        actor: an administrator.
        filename: name of the file.
        content: its bytes: every spell, those accepted before included; not those of the programme's launch, which ship.
        explanations: explanation by `Finding.key`, or by rule for all findings of a rule.
        reason: why there is a new version; needed from the second on.

    Returns:
        The receipt. Where the newest version is this very file, its receipt with `repeated` set.

    Raises:
        NotAllowed: the actor may not.
        ReturnNotAccepted: errors, queries without explanation, no reason for a new version, or someone else was first.
    """
    check_actor_can(actor, _TASK)
    target, accepted = _target(), _accepted(store)
    check_said(reason, explanations)
    upload = receive(store, actor, _TASK, target, filename, content)
    with store.read() as connection:
        latest = latest_submission(connection, *target.key)
    again = repeated(store, actor, _TASK, target, upload, latest)
    if again is not None:
        return again
    amend = partial(_told_of_lost_spells, accepted=accepted)
    report = examine(store, actor, _TASK, target, upload, _context(accepted), amend).report
    return submit(store, actor, _TASK, target, upload, report, latest, explanations or {}, reason, accept=True)


def spells(store: Store, actor: Actor) -> pd.DataFrame:
    """Who had which reform from when to when; a regional role sees those of its regions.

    Returns:
        One row a spell: region, authority, reform, start, end (`datetime.date`; None while it goes on), stage (0 to 4; missing
        for the programme's launch, which has none), intensity (0 to 1), halted_reason. First the launch in the 32 authorities,
        then the newest accepted register as it was registered.

    Raises:
        NotAllowed: the actor may not read the register.
    """
    check_actor_can(actor, "read_register")
    accepted = _accepted(store)
    found = all_spells([] if accepted is None else [accepted])
    if actor.role not in REGIONAL:
        return found
    return found[found["region"].isin(actor.regions)].reset_index(drop=True)


def all_spells(registered: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """The spells of the programme's launch, and then those of the registers given, in the columns of `spells`.

    Args:
        registered: typed rows of the contract `reform_register`.
    """
    place = authorities().set_index("authority")["region"]
    parts = [_launch(), *(rows.assign(region=rows["authority"].map(place)) for rows in registered)]
    columns: dict[str, pd.Series] = {}
    for name in COLUMNS:
        values = [None if pd.isna(value) else value for part in parts for value in part[name]]
        columns[name] = pd.Series(values, dtype={"stage": "Int64", "intensity": "Float64"}.get(name, "object"))
    return pd.DataFrame(columns)


def _launch() -> pd.DataFrame:
    table = partnerships()
    return pd.DataFrame(
        {
            "region": table["partnership"],
            "authority": table["authority"],
            "reform": LAUNCH,
            "start": [date.fromisoformat(day) for day in table["launch"]],
            "end": None,
            "stage": None,
            "intensity": 1.0,
            "halted_reason": None,
        }
    )


def drawn_until(spells: pd.DataFrame) -> str:
    """The day (ISO text) up to which open spells are drawn: today, or the end of the term of a date that is still to come."""
    days: list[Any] = [day for name in ("start", "end") for day in spells[name] if day is not None and not pd.isna(day)]
    return max([london_day(now()), *(containing(day, "term").end for day in days)]).isoformat()
