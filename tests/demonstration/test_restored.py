"""The demonstration in PostgreSQL: built once in SQLite, brought there by a backup, and the same in every number."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pilots import auditing, due, releases, returns, runs
from pilots.access import LOCAL_ADMINISTRATOR
from pilots.demonstration import is_demonstration, true_effects
from pilots.storage import Store


@pytest.mark.slow
def test_what_screens_read_is_the_same_from_either_database(
    built_demonstration: Path, postgresql_url: str, fill_from: Callable[[Store, Path], None]
) -> None:
    here, there = Store.open(f"sqlite:///{built_demonstration}"), Store.open(postgresql_url)
    fill_from(there, built_demonstration)
    read = (returns.submissions, returns.checks, releases.releases, runs.runs, due.returns_due)
    for task in read:
        assert task(there, LOCAL_ADMINISTRATOR) == task(here, LOCAL_ADMINISTRATOR), task.__name__  # type: ignore[operator]
    effects = true_effects(there)
    assert is_demonstration(there) and effects is not None and effects.equals(true_effects(here))
    assert auditing.verify_audit(there, LOCAL_ADMINISTRATOR).faults == ()
    again = runs.rerun(there, LOCAL_ADMINISTRATOR, runs.runs(there, LOCAL_ADMINISTRATOR)[0].run_id)
    assert again.same, again.text()
    here.close()
    there.close()
