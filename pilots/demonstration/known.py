"""Whether a store is the demonstration, and its known true effects. Imports nothing that builds it, so that runs can ask."""

import pandas as pd

from pilots.demonstration.synthetic import programme
from pilots.storage import Store
from pilots.storage.settings import get_setting

SETTING = "demonstration"  # {"seed": …, "version": …, …}, put into the store when the build begins


def is_demonstration(store: Store) -> bool:
    """Whether the store holds the synthetic demonstration programme."""
    with store.read() as connection:
        return get_setting(connection, SETTING) is not None


def true_effects(store: Store) -> pd.DataFrame | None:
    """The known true effects: reform, outcome, authority, period, effect (in the outcome's effect unit); None on other stores."""
    with store.read() as connection:
        setting = get_setting(connection, SETTING)
    return None if setting is None else programme(int(setting["seed"])).effects
