"""A restored backup gives the same numbers: every run is made again there to the same digest."""

from pathlib import Path

import pytest

from pilots import backups, runs
from pilots.access import LOCAL_ADMINISTRATOR
from pilots.storage import Store


@pytest.mark.slow
def test_a_run_is_made_again_from_a_backup_to_the_last_bit(
    run_once: tuple[Path, runs.Run], any_store: Store, tmp_path: Path
) -> None:
    path, made = run_once
    source = Store.open(f"sqlite:///{path}")
    backups.back_up(source, LOCAL_ADMINISTRATOR, tmp_path / "a.zip")
    source.close()
    assert backups.restore(any_store, LOCAL_ADMINISTRATOR, tmp_path / "a.zip").faults == ()
    kept = runs.run(any_store, LOCAL_ADMINISTRATOR, made.run_id)
    assert kept.document == made.document and list(kept.document) == list(made.document)
    again = runs.rerun(any_store, LOCAL_ADMINISTRATOR, made.run_id)
    assert again.same and again.results_digest == made.document["results_digest"], again.text()
