"""A whole store as one file that either database takes back: rows as JSON lines, bytes as they are, and digests of both."""

import hashlib
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Connection, LargeBinary, Table, func, insert, null, select, text
from sqlalchemy.exc import SQLAlchemyError

from pilots.storage.audit import last_event
from pilots.storage.base import METADATA, Moment, StoreError, stored_json
from pilots.storage.blobs import BLOBS, kept_bytes
from pilots.storage.migrations.upgrade import stored_version

FORMAT = 1
MANIFEST, ROWS, BYTES = "manifest.json", "tables/{}.jsonl", "bytes/{}"
AT_ONCE = 500  # rows that are read or written in one go
Tell = Callable[[float, str], None]


def copied_tables() -> list[Table]:
    """The tables that a backup holds, each after those that it refers to."""
    return [table for table in METADATA.sorted_tables if table.info.get("copied", True)]


class CopyError(StoreError):
    """A backup that cannot be taken back; the message says why and what to do."""


def write_copy(connection: Connection, archive: zipfile.ZipFile, about: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """Write everything that a reading connection sees.

    Args:
        connection: a reading connection: it sees one state, whatever is written meanwhile.
        archive: open for writing.
        about: facts for the manifest: who made it, when, with which code.
        tell: told the share done and what is being done.

    Returns:
        The manifest, which is written last: a file without it is not a whole backup.
    """
    tables = copied_tables()
    sizes = {table.name: _count(connection, table) for table in tables}
    whole, done = max(sum(sizes.values()) + sizes[BLOBS.name], 1), 0
    written: dict[str, dict[str, Any]] = {}
    for table in tables:
        tell(done / whole, f"Copying {table.name.replace('_', ' ')}")
        digest = hashlib.sha256()
        with archive.open(ROWS.format(table.name), "w", force_zip64=True) as member:
            for line in _lines(connection, table):
                member.write(line)
                digest.update(line)
        done += sizes[table.name]
        written[table.name] = {"rows": sizes[table.name], "sha256": digest.hexdigest()}
    there = select(BLOBS.c.sha256).where(BLOBS.c.removed_at.is_(None)).order_by(BLOBS.c.sha256)
    for sha256 in connection.execute(there).scalars().all():
        archive.writestr(BYTES.format(sha256), kept_bytes(connection, sha256) or b"")
        done += 1
        tell(done / whole, "Copying files")
    manifest = {"format": FORMAT, "tables_version": stored_version(connection), **about, "tables": written}
    manifest["audit"] = last_event(connection)
    archive.writestr(MANIFEST, json.dumps(manifest, indent=1))
    return manifest


def _count(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def _lines(connection: Connection, table: Table) -> Iterator[bytes]:
    """The rows of a table by their key, one line of JSON each; bytes stand beside."""
    columns = [column for column in table.columns if not isinstance(column.type, LargeBinary)]
    found = connection.execution_options(yield_per=AT_ONCE).execute(select(*columns).order_by(*table.primary_key.columns))
    for row in found:
        values = [value.isoformat() if isinstance(value, datetime) else value for value in row]
        yield stored_json(dict(zip((column.name for column in columns), values, strict=True))).encode() + b"\n"


def manifest_of(archive: zipfile.ZipFile) -> dict[str, Any]:
    """What a backup says of itself.

    Raises:
        CopyError: it is none, or not a whole one, or of a kind that this code does not know.
    """
    try:
        found: dict[str, Any] = json.loads(archive.read(MANIFEST))
    except (KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise CopyError("This file is not a whole backup: it does not say what is in it. Take another one.") from error
    if found.get("format") != FORMAT:
        raise CopyError("This backup was made by a newer version of the platform. Install that version to restore it.")
    return found


def checked_lines(archive: zipfile.ZipFile, manifest: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    """The rows of one table of a backup; at the end it is checked that they are those that were written.

    Raises:
        CopyError: they are not.
    """
    said, digest, count = manifest["tables"].get(name, {}), hashlib.sha256(), 0
    try:
        with archive.open(ROWS.format(name)) as member:
            for line in member:
                digest.update(line)
                count += 1
                yield json.loads(line)
    except (KeyError, ValueError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise CopyError(f"The backup is damaged: the rows of {name} cannot be read. Take another one.") from error
    if (count, digest.hexdigest()) != (said.get("rows"), said.get("sha256")):
        raise CopyError(f"The backup is damaged: the rows of {name} are not those that were written. Take another one.")


def checked_bytes(archive: zipfile.ZipFile, row: dict[str, Any]) -> bytes:
    """The bytes of one file of a backup; none where they were removed from the store (`pilots.storage.blobs.remove_bytes`).

    Raises:
        CopyError: they are not those that were kept.
    """
    sha256 = str(row.get("sha256"))
    if row.get("removed_at") is not None:
        return b""
    try:
        content = archive.read(BYTES.format(sha256))
    except (KeyError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise CopyError(f"The backup is damaged: the file with SHA-256 {sha256} cannot be read.") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise CopyError(f"The backup is damaged: the file with SHA-256 {sha256} has other bytes. Take another one.")
    return content


def check_copy(archive: zipfile.ZipFile, manifest: dict[str, Any], tell: Tell) -> None:
    """Read all of a backup without keeping it.

    Raises:
        CopyError: something is not as it was written.
    """
    names = [table.name for table in copied_tables()]
    for number, name in enumerate(names):
        tell(number / len(names), f"Checking {name.replace('_', ' ')}")
        for row in checked_lines(archive, manifest, name):
            if name == BLOBS.name:
                checked_bytes(archive, row)


def read_copy(connection: Connection, archive: zipfile.ZipFile, manifest: dict[str, Any], tell: Tell) -> None:
    """Put everything of a backup into an empty store, inside a writing transaction.

    Raises:
        CopyError: the backup is damaged, or its tables are of another version than the store's, or the store is not empty.
    """
    here, there = stored_version(connection), manifest["tables_version"]
    if here != there:
        raise CopyError(
            f"The backup has tables of version {there}, and this platform makes version {here}. Nothing was changed. "
            f"Restore it with the platform that made it ({manifest.get('code_version')}), then open that store with this one."
        )
    filled = next((table.name for table in copied_tables() if _count(connection, table)), None)
    if filled is not None:
        raise CopyError("A backup is restored into an empty store, and this one is not. Nothing was changed. Name a new one.")
    whole, done = max(sum(one["rows"] for one in manifest["tables"].values()), 1), 0
    for table in copied_tables():
        tell(done / whole, f"Restoring {table.name.replace('_', ' ')}")
        for batch in _batches(_values(table, row, archive) for row in checked_lines(archive, manifest, table.name)):
            _put(connection, table, batch)
            done += len(batch)
            tell(done / whole, "")
        go_on_counting(connection, table)
    if last_event(connection) != manifest["audit"]:
        raise CopyError("The backup's last event of the audit log is not the one that it names. Nothing was changed.")


def _put(connection: Connection, table: Table, batch: list[dict[str, Any]]) -> None:
    try:
        connection.execute(insert(table), batch)
    except (SQLAlchemyError, ValueError) as error:
        raise CopyError(f"The rows of {table.name} cannot be stored: {error}. Nothing was changed.") from error


def _batches(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _values(table: Table, row: dict[str, Any], archive: zipfile.ZipFile) -> dict[str, Any]:
    """A row of a backup as the table takes it."""
    made: dict[str, Any] = {}
    for column in table.columns:
        value = row.get(column.name)
        if isinstance(column.type, LargeBinary):
            value = checked_bytes(archive, row)
        elif isinstance(column.type, Moment) and value is not None:
            value = _moment(table, value)
        elif isinstance(column.type, JSON) and value is None and column.nullable:
            value = null()
        made[column.name] = value
    return made


def _moment(table: Table, value: Any) -> datetime:
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:  # damage is found at a table's end, after its rows
        raise CopyError(f"The rows of {table.name} cannot be stored: {error}. Nothing was changed.") from error


def go_on_counting(connection: Connection, table: Table) -> None:
    """Let PostgreSQL number new rows after those that were restored; SQLite does so by itself."""
    if connection.dialect.name != "postgresql" or "id" not in table.columns:
        return
    query = f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), max(id)) FROM {table.name} HAVING max(id) IS NOT NULL"
    connection.execute(text(query))
