"""The synthetic programme of the default seed, and a store that was filled with it, interrupted once on the way."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from pilots.access import LOCAL_ADMINISTRATOR
from pilots.demonstration import Programme, programme
from pilots.demonstration.build import build_demonstration
from pilots.storage import Store


@pytest.fixture(scope="session")
def made() -> Programme:
    return programme()


class Interrupted(Exception):
    """What stops the first build on its way."""


@dataclass(frozen=True)
class Built:
    """A built demonstration, and what was told of the build that was interrupted and of the one that went on."""

    store: Store
    first: list[tuple[float, str]]
    second: list[tuple[float, str]]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    store = Store.open(f"sqlite:///{tmp_path_factory.mktemp('demonstration') / 'store.sqlite'}")
    first: list[tuple[float, str]] = []
    second: list[tuple[float, str]] = []

    def stop_soon(share: float, words: str) -> None:
        first.append((share, words))
        if share > 0.1:
            raise Interrupted

    with pytest.raises(Interrupted):
        build_demonstration(store, LOCAL_ADMINISTRATOR, progress=stop_soon)
    build_demonstration(store, LOCAL_ADMINISTRATOR, progress=lambda share, words: second.append((share, words)))
    yield Built(store, first, second)
    store.close()
