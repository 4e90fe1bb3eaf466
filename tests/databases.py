"""Which databases a test with `store` runs on: SQLite in the fast suite, PostgreSQL in the slow one, unless it says otherwise."""

import pytest

# Both in the fast suite: for the few tests that would show first what a database does otherwise.
on_both_at_once = pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)


def on_sqlite_only(reason: str) -> pytest.MarkDecorator:
    """SQLite alone, where another database would only take time: `reason` says why it would show nothing."""
    assert len(reason) > 20, "say why another database would show nothing"
    return pytest.mark.parametrize("store", ["sqlite"], indirect=True)
