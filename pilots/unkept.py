"""Refused files that may not be kept: those from before the platform removed them at once are looked through and removed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from data_contracts.looking import holds_identifiers
from pilots.access import Actor, check_actor_can
from pilots.storage import Store
from pilots.storage.blobs import NotKept, is_rested_on, kept_bytes, remove_bytes, unused_bytes
from pilots.storage.checks import NOT_KEPT, mark_not_kept, refused_files

Progress = Callable[[float, str], None]
_OF_IMPORT = "left by an import that was refused"


@dataclass(frozen=True)
class Purged:
    """What became of the refused files of a store.

    Attributes:
        looked: how many were looked through.
        found: a row for each that may not be kept: sha256, filename, checks (their numbers), state (why). A file that a refused
            import left has no check, and its name is in the audit log.
        removed: whether their content was removed, or they were only looked for.
    """

    looked: int
    found: tuple[dict[str, Any], ...]
    removed: bool

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON."""
        return {"looked": self.looked, "found": list(self.found), "removed": self.removed}

    def text(self) -> str:
        """For a terminal."""
        if not self.looked:
            return "No refused file is kept."
        many = "1 refused file was" if self.looked == 1 else f"{self.looked:,} refused files were"
        few = "1 of them" if len(self.found) == 1 else f"{len(self.found):,} of them"
        done = "removed; digest, size, name and findings stay" if self.removed else "to be removed; nothing was changed"
        said = f"{many} looked through. {f'The content of {few} is {done}.' if self.found else 'All may be kept.'}"
        return "\n".join([said, *(f"{_name(one)}: {one['state']}" for one in self.found)])


def _name(one: dict[str, Any]) -> str:
    return f"CHECK-{one['checks'][-1]} {one['filename']}" if one["checks"] else f"SHA-256 {one['sha256']}"


def purge(store: Store, actor: Actor, progress: Progress | None = None, only_look: bool = False) -> Purged:
    """Look through every refused file that is kept, and remove what holds identifiers of persons.

    Files are removed at once when they are refused; this finds those that were refused before the platform did so, and
    those whose check died, and files that refused imports of published data left. What a submission or a vintage rests on is
    never touched. Each removal is a transaction with its audit event.

    Args:
        store: where.
        actor: an administrator.
        progress: told the share done and what is being done.
        only_look: change nothing.

    Raises:
        NotAllowed: the actor may not.
    """
    check_actor_can(actor, "purge")
    with store.read() as connection:
        refused = {sha256: rows for sha256, rows in refused_files(connection).items() if not is_rested_on(connection, sha256)}
        left = [{"sha256": one, "filename": "", "checks": [], "state": _OF_IMPORT} for one in unused_bytes(connection)]
    found = [one for one in left if only_look or _removed(store, actor, one)]
    for number, (sha256, rows) in enumerate(refused.items()):
        if progress is not None:
            progress(number / len(refused), "Looking through refused files")
        filename = str(rows[-1]["filename"])
        if holds_identifiers(filename, _content(store, sha256)):
            one = {"sha256": sha256, "filename": filename, "checks": [row["id"] for row in rows], "state": NOT_KEPT}
            found += [one] if only_look or _removed(store, actor, one) else []
    if found and not only_look:
        store.wipe_log()
    return Purged(len(refused) + len(left), tuple(found), not only_look)


def _content(store: Store, sha256: str) -> bytes:
    """The bytes of a file; none where they were removed already."""
    try:
        with store.read() as connection:
            return kept_bytes(connection, sha256) or b""
    except NotKept:
        return b""


def _removed(store: Store, actor: Actor, one: dict[str, Any]) -> bool:
    """Remove a file, unless a submission came to rest on it meanwhile."""
    detail = {"sha256": one["sha256"], "checks": one["checks"], "state": one["state"], "removed": False}
    with store.write(actor, "purge", one["sha256"], detail) as connection:
        detail["removed"] = not is_rested_on(connection, one["sha256"])
        if detail["removed"]:
            for number in one["checks"]:
                mark_not_kept(connection, number)
            remove_bytes(connection, one["sha256"])
    return bool(detail["removed"])
