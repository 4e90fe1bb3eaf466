"""The store. The only part of the project that imports SQLAlchemy."""

from pilots.storage import (
    accounts,
    audit,
    blobs,
    checks,
    copies,
    corrections,
    deadlines,
    evaluations,
    pieces,
    published,
    releases,
    sessions,
    settings,
    submissions,
)
from pilots.storage.base import METADATA
from pilots.storage.store import Store, StoreError

__all__ = [
    "METADATA",
    "Store",
    "StoreError",
    "accounts",
    "audit",
    "blobs",
    "checks",
    "copies",
    "corrections",
    "deadlines",
    "evaluations",
    "pieces",
    "published",
    "releases",
    "sessions",
    "settings",
    "submissions",
]
