"""Whether a store is the demonstration, and its known true effects. Imports nothing that builds it, so that runs can ask."""

from typing import Any

import pandas as pd

from pilots.demonstration.synthetic import VERSION, programme
from pilots.errors import UserError
from pilots.storage import Store
from pilots.storage.settings import get_setting

SETTING = "demonstration"  # {"seed": …, "version": …, "finished": …}, put into the store when the build begins


def setting(store: Store) -> dict[str, Any] | None:
    """What the store says of its demonstration: seed, version, finished; None on other stores."""
    with store.read() as connection:
        found = get_setting(connection, SETTING)
    return None if found is None else dict(found)


def is_demonstration(store: Store) -> bool:
    """Whether the store holds the synthetic demonstration programme."""
    return setting(store) is not None


def check_version(found: dict[str, Any]) -> None:
    """Stop where the store was built by another version of the synthetic programme.

    Raises:
        UserError: its figures and its true effects would not belong together.
    """
    if found["version"] != VERSION:
        raise UserError(
            f"This store's demonstration was built by version {found['version']} of the synthetic programme; this "
            f"is version {VERSION}. Its true effects are no longer known. Build the demonstration in a new store."
        )


def true_effects(store: Store) -> pd.DataFrame | None:
    """The known true effects of the demonstration, made again from its seed.

    Returns:
        reform, outcome, authority, period, effect (in the outcome's effect unit); other cells have none. None on other stores.

    Raises:
        UserError: another version of the synthetic programme built the store.
    """
    return effects_of(setting(store))


def effects_of(found: dict[str, Any] | None) -> pd.DataFrame | None:
    """The known true effects of a demonstration, from what its store says of it; None of other stores.

    Raises:
        UserError: another version of the synthetic programme built the store.
    """
    if found is None:
        return None
    check_version(found)
    return programme(int(found["seed"])).effects
