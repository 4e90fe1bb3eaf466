"""A store with the small programme and one run of it, on each database."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pilots import runs
from pilots.storage import Store
from tests.bundles.small import filled

Stored = tuple[Store, runs.Run]


@pytest.fixture
def any_run(any_store: Store, ehcp_csv: Any, register_csv: Any) -> Stored:
    return any_store, filled(any_store, ehcp_csv, register_csv)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Keeps the store of the first test that asks for one: path of its SQLite file, and its run once it is there."""
    return {"path": tmp_path_factory.mktemp("bundles") / "once.sqlite"}


@pytest.fixture
def stored_run(
    made_once: dict[str, Any], store: Store, fill_from: Callable[[Store, Path], None], ehcp_csv: Any, register_csv: Any
) -> Stored:
    """A store of the test's own with the run in it; made once and copied."""
    if "run" not in made_once:
        first = Store.open(f"sqlite:///{made_once['path']}")
        made_once["run"] = filled(first, ehcp_csv, register_csv)
        first.close()
    fill_from(store, made_once["path"])
    return store, made_once["run"]
