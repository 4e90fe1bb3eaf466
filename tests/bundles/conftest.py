"""A store with the small programme and one run of it, on each database."""

import sqlite3
from contextlib import closing
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
    """Keeps the store of the first test that asks for one: path, and its run once it is there."""
    return {"path": tmp_path_factory.mktemp("bundles") / "once.sqlite"}


@pytest.fixture
def stored_run(made_once: dict[str, Any], store: Store, ehcp_csv: Any, register_csv: Any) -> Stored:
    """A store of the test's own with the run in it; made once and copied."""
    own = str(store.engine.url.database)
    if "run" in made_once:
        copied(made_once["path"], Path(own))
    else:
        made_once["run"] = filled(store, ehcp_csv, register_csv)
        copied(Path(own), made_once["path"])
    return store, made_once["run"]


def copied(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(target)) as other:
        one.backup(other)
