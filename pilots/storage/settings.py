"""Settings of a store: a JSON value under a key."""

from typing import Any

from sqlalchemy import JSON, Column, Connection, String, Table, delete, insert, select

from pilots.storage.base import METADATA

SETTINGS = Table(
    "settings",
    METADATA,
    Column("key", String(80), primary_key=True),
    Column("value", JSON, nullable=False),
)


def get_setting(connection: Connection, key: str, default: Any = None) -> Any:
    """The value under a key, or the default."""
    row = connection.execute(select(SETTINGS.c.value).where(SETTINGS.c.key == key)).first()
    return default if row is None else row[0]


def set_setting(connection: Connection, key: str, value: Any) -> None:
    """Put a JSON value under a key, inside a writing transaction."""
    connection.execute(delete(SETTINGS).where(SETTINGS.c.key == key))
    connection.execute(insert(SETTINGS).values(key=key, value=value))
