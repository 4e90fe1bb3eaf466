"""Backups: the whole store as one file that SQLite and PostgreSQL take back alike."""

import hashlib
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pilots import auditing, releases
from pilots.access import LOCAL, Actor, check_actor_can
from pilots.errors import UserError
from pilots.storage import Store, copies
from pilots.storage.base import now
from pilots.tables import moment
from pilots.versions import code_version

Progress = Callable[[float, str], None]
_CHUNK = 1 << 20


class BackupError(UserError):
    """A backup that cannot be made or read; the message says why and what to do."""


@dataclass(frozen=True)
class Backup:
    """What a backup holds.

    Attributes:
        file: its path.
        sha256: digest of the file, to be kept elsewhere.
        made_at: when, in ISO form.
        made_by: subject of the account.
        rows: rows of all tables.
        files: original files, by their content hash.
        mark: last event of the audit log in it, as `pilots audit verify --mark` takes it.
        faults: what is not as it should be in the store it was restored into; none after making or checking one.
    """

    file: str
    sha256: str
    made_at: str
    made_by: str
    rows: int
    files: int
    mark: str
    faults: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON."""
        return {**asdict(self), "faults": list(self.faults)}

    def text(self) -> str:
        """For a terminal."""
        lines = [
            f"{self.rows:,} rows and {self.files:,} files, as at {moment(self.made_at)}, by {self.made_by}.",
            f"SHA-256 of {self.file}: {self.sha256}",
            f"Mark of the audit log, to be kept elsewhere: {self.mark}",
        ]
        return "\n".join([*lines, *self.faults])


def back_up(store: Store, actor: Actor, path: Path, progress: Progress | None = None) -> Backup:
    """Copy one state of the store into a new file. Others go on working meanwhile; nothing in the store is changed.

    Args:
        store: what to copy.
        actor: an administrator.
        path: of the new file.
        progress: told the share done and what is being done.

    Raises:
        NotAllowed: the actor may not.
        BackupError: the file is there already, or cannot be written.
    """
    check_actor_can(actor, "back_up")
    about = {"made_at": now().isoformat(), "made_by": actor.subject, "code_version": code_version()}
    try:
        with path.open("xb") as handle:
            try:
                with store.read() as connection, zipfile.ZipFile(handle, "w", zipfile.ZIP_DEFLATED) as archive:
                    manifest = copies.write_copy(connection, archive, about, progress or _silent)
                handle.flush()
                os.fsync(handle.fileno())
            except BaseException:
                path.unlink()
                raise
    except FileExistsError:
        raise BackupError(f"{path} is there already and was left as it is. Give another name.") from None
    except OSError as error:
        raise BackupError(
            f"{path} cannot be written: {error.strerror}. Check the place and that the disk is not full."
        ) from error
    return _told(path, manifest)


def check_backup(actor: Actor, path: Path, progress: Progress | None = None) -> Backup:
    """Read all of a backup and check every digest, without touching a store.

    Raises:
        NotAllowed: the actor may not restore.
        BackupError: the file cannot be read, or is damaged.
    """
    check_actor_can(actor, "restore")
    with _opened(path) as archive:
        manifest = copies.manifest_of(archive)
        copies.check_copy(archive, manifest, progress or _silent)
    return _told(path, manifest)


def restore(store: Store, actor: Actor, path: Path, progress: Progress | None = None) -> Backup:
    """Fill an empty store from a backup, in one transaction, and check all of it: the audit log, and every release.

    The audit log goes on: its next event tells of the restoring.

    Args:
        store: an empty store, on whichever database.
        actor: who runs the platform on the store's machine: an empty store has no accounts.
        path: of the backup.
        progress: told the share done and what is being done.

    Returns:
        What the backup holds, and in `faults` what was not right in the store that it was made of.

    Raises:
        NotAllowed: the actor may not.
        BackupError: the file cannot be read; CopyError: it is damaged, or the store is not an empty one of its version.
    """
    check_actor_can(actor, "restore")
    if actor.issuer != LOCAL:
        raise BackupError("An empty store knows no accounts. Restore it on its own machine, without --as.")
    with _opened(path) as archive:
        manifest = copies.manifest_of(archive)
        done = _told(path, manifest)
        detail = {"sha256": done.sha256, "made_at": done.made_at, "mark": done.mark}
        with store.write(actor, "restore", path.name, detail) as connection:
            copies.read_copy(connection, archive, manifest, progress or _silent)
    faults = [*auditing.verify_audit(store, actor, [done.mark]).faults]
    for one in releases.releases(store, actor):
        try:
            releases.verify(store, one)
        except releases.ReleaseChanged as error:
            faults.append(str(error))
    return Backup(**{**asdict(done), "faults": tuple(faults)})


def _silent(share: float, words: str) -> None:
    """Nobody watches."""


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile:
        raise BackupError(f"{path} is not a whole backup. Take another one.") from None
    except OSError as error:
        raise BackupError(f"{path} cannot be read: {error.strerror}. Check its name.") from error
    with archive:
        yield archive


def _told(path: Path, manifest: dict[str, Any]) -> Backup:
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while chunk := handle.read(_CHUNK):
            digest.update(chunk)
    rows = {name: one["rows"] for name, one in manifest["tables"].items()}
    made = {"made_at": manifest["made_at"], "made_by": manifest["made_by"], "mark": auditing.mark_of(manifest["audit"])}
    return Backup(str(path), digest.hexdigest(), rows=sum(rows.values()), files=rows.get("blobs", 0), **made)
