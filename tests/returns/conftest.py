"""Every task about returns is tried on both databases."""

import pytest

from pilots.storage import Store


@pytest.fixture
def store(any_store: Store) -> Store:
    """An empty store, on each database in turn."""
    return any_store
