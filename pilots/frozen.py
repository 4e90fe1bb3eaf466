"""What a release holds, as evaluations read it: from a store, or out of a bundle where there is no store at all."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pandas as pd

from pilots.storage import Store
from pilots.storage import published as stored_published
from pilots.storage import releases as stored_releases


@dataclass(frozen=True, eq=False)
class Frozen:
    """Rows and figures of one release, outside a store.

    Attributes:
        rows: as `released_rows` gives them, with the reference of their submission.
        values: as `vintage_values` gives them, vintages in the order in which they came.
        sources: the collections and publications that were taken along; asking for another is a fault of ours.
    """

    rows: Sequence[Mapping[str, Any]]
    values: pd.DataFrame
    sources: frozenset[str]


@dataclass(frozen=True, eq=False)
class Shared:
    """A store of which the rows of a collection are read once, however many questions of one call rest on them.

    Attributes:
        store: which.
        made: what was read and made of it, by what it is. Whoever takes something leaves it as it is.
    """

    store: Store
    made: dict[Hashable, Any] = field(default_factory=dict)


Data = Store | Frozen | Shared
Made = TypeVar("Made")


def once(data: Data, key: Hashable, make: Callable[[], Made]) -> Made:
    """What `make` gives; where data are shared, the very object that it gave the first time."""
    if not isinstance(data, Shared):
        return make()
    if key not in data.made:
        data.made[key] = make()
    found: Made = data.made[key]
    return found


def released_rows(data: Data, release: str, collection: str) -> list[dict[str, Any]]:
    """The typed rows of a collection in a release, by region, period and row.

    Args:
        data: where the release lies.
        release: its reference.
        collection: name of the collection.

    Returns:
        One mapping a row: region, period, contract_version, row (number in the file), data, and what tells its submission.
    """
    if isinstance(data, Frozen):
        if collection not in data.sources:
            raise RuntimeError(f"{collection} was not taken along with the rest of {release}")
        return [dict(row) for row in data.rows if row["collection"] == collection]
    with _store(data).read() as connection:
        return stored_releases.released_rows(connection, release, collection)


def vintage_values(data: Data, references: Sequence[str], measures: Sequence[str]) -> pd.DataFrame:
    """The figures of some measures in some vintages, one row a figure, vintages in the order in which they came."""
    if isinstance(data, Frozen):
        wanted = data.values["reference"].isin(list(references)) & data.values["measure"].isin(list(measures))
        return data.values[wanted].reset_index(drop=True)
    with _store(data).read() as connection:
        return stored_published.vintage_values(connection, references, measures)


def _store(data: Store | Shared) -> Store:
    return data.store if isinstance(data, Shared) else data
