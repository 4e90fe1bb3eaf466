"""Write the migration from the tables as the migrations make them to those that the code wants: run with a few words on it."""

import sys
import tempfile
from pathlib import Path

from alembic import command

from pilots.storage.migrations.upgrade import configuration, known_versions
from pilots.storage.store import Store


def main(message: str) -> None:
    """Compare in a scratch store and write the file; look it over before it is used."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(f"sqlite:///{Path(folder) / 'scratch.sqlite'}")
        with store.read() as connection:
            number = f"{len(known_versions()) + 1:04d}"
            command.revision(configuration(connection), message, autogenerate=True, rev_id=number)
        store.close()


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]))
