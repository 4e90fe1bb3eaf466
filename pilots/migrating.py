"""The version of a store's tables, and the way back to those of an older platform."""

from dataclasses import asdict, dataclass
from typing import Any

from pilots.access import Actor, check_actor_can
from pilots.errors import UserError
from pilots.storage import Store
from pilots.storage.migrations.upgrade import downgrade, known_versions, stored_version


@dataclass(frozen=True)
class TableVersions:
    """Which tables a store has.

    Attributes:
        before: the version that they were of when the task began.
        now: the version that they are of.
        known: the versions that this platform knows, newest first.
    """

    before: str
    now: str
    known: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON."""
        return {**asdict(self), "known": list(self.known)}

    def text(self) -> str:
        """For a terminal."""
        if self.now == self.known[0]:
            return f"The tables are of version {self.now}, the newest that this platform knows ({', '.join(self.known)})."
        return (
            f"The tables are of version {self.now} now; they were of version {self.before}. This platform brings them up to "
            f"{self.known[0]} again as soon as it opens the store: install the older one before anything else does."
        )


def table_versions(store: Store, actor: Actor) -> TableVersions:
    """Which tables a store has, and which this platform knows.

    Raises:
        NotAllowed: the actor may not change tables.
    """
    check_actor_can(actor, "take_tables_back")
    with store.read() as connection:
        version = str(stored_version(connection))
    return TableVersions(version, version, known_versions())


def take_tables_back(store: Store, actor: Actor, version: str) -> TableVersions:
    """Take the tables back to an older version, with an audit event, in one transaction: whole, or not at all.

    Args:
        store: which nobody else uses meanwhile: screens of this platform cannot work with older tables.
        actor: an administrator.
        version: the version to go back to.

    Raises:
        NotAllowed: the actor may not.
        UserError: there is no such version; StoreError: it is not an older one, or rows would be lost, which the message counts.
            Nothing was changed.
    """
    check_actor_can(actor, "take_tables_back")
    before = table_versions(store, actor)
    if version not in before.known:
        raise UserError(f"There is no version “{version}” of the tables. This platform knows {', '.join(before.known)}.")
    with store.write(actor, "take_tables_back", f"tables {version}", {"from": before.now, "to": version}) as connection:
        downgrade(connection, version)
    return TableVersions(before.now, version, known_versions())
