"""Releases: what was accepted and imported at a moment, frozen under a digest of its content. Evaluations read nothing else."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from data_contracts import load_contract
from pilots.access import Actor, check_actor_can
from pilots.catalogue import Reform, ToldBy, reforms
from pilots.collections import REGISTER
from pilots.errors import UserError
from pilots.frozen import Data, once, released_rows
from pilots.life import ACCEPTED
from pilots.register import all_spells
from pilots.storage import Store
from pilots.storage import releases as stored
from pilots.storage.base import canonical_json, now
from pilots.storage.blobs import bytes_digest
from pilots.storage.published import vintage_values, vintages
from pilots.storage.submissions import stored_submissions
from pilots.typed_rows import as_frame, digest

Progress = Callable[[float, str], None]

# What the digest of a release speaks for. Names, references and moments are not in it: equal content has an equal digest.
_SUBMISSION_CONTENT = ("collection", "region", "period", "contract_version", "sha256", "rows_digest")
_VINTAGE_CONTENT = ("publication", "edition", "order", "alias_version", "sha256", "values_digest")
_VALUES = ["measure", "period", "authority", "source", "value", "symbol"]


class ReleaseError(UserError):
    """A release that cannot be made or is not there; the message says what to do."""


class ReleaseChanged(UserError):
    """What is stored is no longer what was released; the message names everything that changed."""


@dataclass(frozen=True)
class Release:
    """A frozen set of accepted returns and published series.

    Attributes:
        id: its reference, for example `R0001`.
        name: the name to show; no two releases have the same.
        digest: SHA-256 of its content: equal content has an equal digest, in whatever order it came.
        made_at: when, with time zone.
        made_by: subject of the account.
        submissions: one a return, sorted by collection, region and period: reference, collection, region, period, version,
            contract_version, rows (count), sha256 (of the file), rows_digest, late_days (0 in time; None where no
            deadline was known), nil (whether it declares that there is nothing to return).
        vintages: one a published file, sorted by publication and edition: reference, publication, edition, order (among the
            vintages of one edition: a later one restates), alias_version, filename, values (count), sha256 (of the file),
            values_digest.
    """

    id: str
    name: str
    digest: str
    made_at: datetime
    made_by: str
    submissions: list[dict[str, Any]]
    vintages: list[dict[str, Any]]

    def to_dict(self) -> dict[str, Any]:
        """The release as plain JSON, with the number of its returns and series."""
        return {
            "id": self.id,
            "name": self.name,
            "digest": self.digest,
            "made_at": self.made_at.isoformat(timespec="seconds"),
            "made_by": self.made_by,
            "returns": len(self.submissions),
            "series": len(self.vintages),
            "submissions": self.submissions,
            "vintages": self.vintages,
        }


def _release(row: Mapping[str, Any]) -> Release:
    named = {name: row[name] for name in ("name", "digest", "made_at", "made_by", "submissions", "vintages")}
    return Release(id=row["reference"], **named)


def content_digest(submissions: Sequence[Mapping[str, Any]], published: Sequence[Mapping[str, Any]]) -> str:
    """SHA-256 of what a release holds, from the descriptions of its returns and vintages."""
    parts = [
        sorted([one[name] for name in _SUBMISSION_CONTENT] for one in submissions),
        sorted([one[name] for name in _VINTAGE_CONTENT] for one in published),
    ]
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()


def values_digest(values: pd.DataFrame) -> str:
    """SHA-256 of a vintage's figures, in whatever order they are stored."""
    table = values[_VALUES].sort_values(_VALUES).astype(object)
    return hashlib.sha256(canonical_json(table.where(table.notna(), None).values.tolist()).encode()).hexdigest()


def _submission(row: Mapping[str, Any]) -> dict[str, Any]:
    names = ("reference", "collection", "region", "period", "version", "contract_version", "sha256", "rows_digest", "late_days")
    return {**{name: row[name] for name in names}, "rows": row["row_count"], "nil": row["nil_reason"] is not None}


def _vintages(rows: Sequence[Mapping[str, Any]], values: Callable[[str], pd.DataFrame]) -> Iterator[dict[str, Any]]:
    """One description a vintage; `rows` in the order in which they came, `values` gives the figures of one."""
    seen: dict[tuple[str, str], int] = {}
    for row in rows:
        edition = (row["publication"], row["edition"])
        seen[edition] = seen.get(edition, 0) + 1
        figures = values(row["reference"])
        names = ("reference", "publication", "edition", "alias_version", "filename", "sha256")
        facts = {name: row[name] for name in names}
        yield {**facts, "order": seen[edition], "values": len(figures), "values_digest": values_digest(figures)}


def _free_name(taken: set[str]) -> str:
    base = f"Data as at {now():%d %B %Y}"
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base} ({number})"
    return name


def make_release(store: Store, actor: Actor, name: str | None = None, progress: Progress | None = None) -> Release:
    """Freeze every accepted return, the register included, and every published vintage.

    Args:
        store: where.
        actor: an evaluator or an administrator.
        name: a name that no release has; without it, one with the date.
        progress: told the share done and what is being done.

    Raises:
        NotAllowed: the actor may not.
        ReleaseError: the name is taken or too long, or there is nothing to release.
    """
    check_actor_can(actor, "make_release")
    tell = progress or (lambda share, words: None)
    with store.read() as connection:
        taken = {row["name"] for row in stored.stored_releases(connection)}
        chosen = (name or "").strip() or _free_name(taken)
        _check_name(chosen, taken)
        tell(0.0, "Reading the accepted returns")
        returned = stored_submissions(connection, status=ACCEPTED)
        came = vintages(connection)
        described = []
        for number, one in enumerate(_vintages(came, lambda reference: vintage_values(connection, [reference])), start=1):
            described.append(one)
            tell(0.1 + 0.8 * number / len(came), f"Reading {one['filename']}")
    if not returned and not described:
        raise ReleaseError(
            "There is nothing to release: no return is accepted and no published data is imported. Do one of these first."
        )
    submissions = sorted((_submission(row) for row in returned), key=lambda one: [one[name] for name in _SUBMISSION_CONTENT])
    published = sorted(described, key=lambda one: (one["publication"], one["edition"], one["order"]))
    detail = {"digest": content_digest(submissions, published), "returns": len(submissions), "series": len(published)}
    with store.write(actor, "make_release", chosen, detail) as connection:
        _check_name(chosen, {row["name"] for row in stored.stored_releases(connection)})
        reference = stored.add_release(
            connection,
            submission_ids=[row["id"] for row in returned],
            vintage_ids=[row["id"] for row in came],
            name=chosen,
            digest=detail["digest"],
            made_by=actor.subject,
            submissions=submissions,
            vintages=published,
        )
        made = stored.stored_release(connection, reference)
        detail["reference"] = reference
    tell(1.0, "Done")
    if made is None:
        raise RuntimeError(f"release {reference} was stored but cannot be read back")
    return _release(made)


def _check_name(name: str, taken: set[str]) -> None:
    if name in taken:
        raise ReleaseError(f"There is a release “{name}” already, and releases are never changed. Give another name.")
    if len(name) > 120:
        raise ReleaseError("The name of a release has at most 120 characters. Shorten it.")


def releases(store: Store, actor: Actor) -> list[Release]:
    """All releases, newest first.

    Raises:
        NotAllowed: the actor may not read releases.
    """
    check_actor_can(actor, "read_releases")
    with store.read() as connection:
        return [_release(row) for row in stored.stored_releases(connection)]


def release(store: Store, actor: Actor, reference_or_name: str | None = None) -> Release:
    """One release, by reference or name; without either, the newest.

    Raises:
        NotAllowed: the actor may not read releases.
        ReleaseError: there is no such release, or none at all.
    """
    check_actor_can(actor, "read_releases")
    with store.read() as connection:
        if reference_or_name is not None:
            row = stored.stored_release(connection, reference_or_name)
        else:
            row = next(iter(stored.stored_releases(connection)), None)
    if row is None and reference_or_name is None:
        raise ReleaseError("There is no release yet. Make one: it freezes the accepted returns and the published data.")
    if row is None:
        raise ReleaseError(f"There is no release “{reference_or_name}”. Look up its reference or name in the list of releases.")
    return _release(row)


def collection_rows(store: Data, release: Release, collection: str) -> pd.DataFrame:
    """The typed rows of all returns of a collection that a release has frozen, whatever was submitted since.

    Returns:
        `region`, `row` (number in the file), then the contract's columns as in `Report.rows`; by region, period and row. A column
        that an older version of the contract does not have is missing in its rows.
    """
    return once(store, ("rows", release.id, collection), lambda: _collection_rows(store, release, collection))


def _collection_rows(store: Data, release: Release, collection: str) -> pd.DataFrame:
    rows = released_rows(store, release.id, collection)
    parts = []
    for version in sorted({row["contract_version"] for row in rows}):
        mine = [row for row in rows if row["contract_version"] == version]
        frame = as_frame(load_contract(collection, version), [(row["row"], row["data"]) for row in mine])
        frame.insert(0, "region", pd.Series([row["region"] for row in mine], dtype="object"))
        frame["_place"] = [(row["region"], row["period"], row["row"]) for row in mine]
        parts.append(frame)
    if not parts:
        frame = as_frame(load_contract(collection), [])
        frame.insert(0, "region", pd.Series([], dtype="object"))
        return frame
    together = parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)
    return together.sort_values("_place", kind="stable", ignore_index=True).drop(columns="_place")


def register_spells(store: Data, release: Release) -> pd.DataFrame:
    """The spells of a release: the programme's launch, its register's, and those of reforms whose starts a collection tells.

    Returns:
        The columns of `register.spells`.
    """
    registered = collection_rows(store, release, REGISTER)
    told = [
        _told_spells(collection_rows(store, release, one.spells_from.collection), one) for one in reforms() if one.spells_from
    ]
    return all_spells(rows for rows in [registered, *told] if not rows.empty)


def _told_spells(rows: pd.DataFrame, about: Reform) -> pd.DataFrame:
    """The spells that a collection tells of itself: from the first day that it names for an authority, at full intensity."""
    source = about.spells_from
    if source is None or rows.empty:
        return pd.DataFrame()
    mine = rows[rows_meant(rows, source) & rows[source.date].notna()]
    first = mine.groupby("authority")[source.date].min().rename("start").reset_index()
    facts = {"reform": about.id, "end": None, "stage": None, "intensity": 1.0, "halted_reason": None}
    return first.assign(**facts)


def rows_meant(rows: pd.DataFrame, told: ToldBy) -> np.ndarray:
    """Which rows of a collection are meant, by what stands in their columns."""
    keep = np.ones(len(rows), bool)
    for column, value in told.where:
        keep &= (rows[column].astype(str) == value).to_numpy()
    return keep


def vintage_references(release: Release, publication: str) -> list[str]:
    """References of the vintages of a publication in a release, oldest edition first."""
    return [one["reference"] for one in release.vintages if one["publication"] == publication]


def verify(store: Store, release: Release) -> None:
    """Work out every digest of a release again from the bytes, rows and figures that are stored.

    Raises:
        ReleaseChanged: something is not as it was released; the message names all of it.
    """
    with store.read() as connection:
        rows = stored.released_rows(connection, release.id)
        submissions = stored.released_submissions(connection, release.id)
        came = stored.released_vintages(connection, release.id)
        values = list(_vintages(came, lambda reference: vintage_values(connection, [reference])))
        by_submission = {number: list(mine) for number, mine in groupby(rows, key=lambda row: int(row["submission_id"]))}
        digests = {sha256: bytes_digest(connection, sha256) for sha256 in {row["sha256"] for row in [*submissions, *came]}}
    found = [
        *_changes(release.submissions, [_recomputed(row, by_submission.get(row["id"], [])) for row in submissions]),
        *_changes(release.vintages, values),
        *(f"The file with SHA-256 {old} is {_now_is(new)}." for old, new in sorted(digests.items()) if old != new),
    ]
    if content_digest(release.submissions, release.vintages) != release.digest:
        found.append("The list of what the release holds does not fit its digest.")
    if found:
        raise ReleaseChanged(
            f"Release {release.name} ({release.id}) is not what it was: {' '.join(found)} "
            "Restore the store from a backup, or make a new release."
        )


def _recomputed(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    mine = [(one["row"], one["data"]) for one in rows]
    return {**_submission(row), "rows": len(mine), "rows_digest": digest(mine)}


def _now_is(sha256: str | None) -> str:
    return "no longer in the store" if sha256 is None else f"stored with other bytes ({sha256})"


def _changes(released: Sequence[Mapping[str, Any]], there: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """One sentence for each way in which what is there is not what was released."""
    now_there = {str(one["reference"]): one for one in there}
    for one in released:
        other = now_there.pop(str(one["reference"]), None)
        if other is None:
            yield f"{one['reference']} is no longer part of it."
            continue
        for name in sorted(one):
            if one[name] != other[name]:
                yield f"{one['reference']}: {name.replace('_', ' ')} was {one[name]} and is now {other[name]}."
    yield from (f"{reference} was not part of it." for reference in sorted(now_there))
