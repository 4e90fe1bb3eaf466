"""The store. The only part of the project that imports SQLAlchemy."""

from pilots.storage import audit, evaluations, published, settings
from pilots.storage.base import METADATA
from pilots.storage.store import Store, StoreError

__all__ = ["METADATA", "Store", "StoreError", "audit", "evaluations", "published", "settings"]
