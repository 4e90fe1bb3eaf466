"""Tasks of several people side by side."""

import threading
from collections.abc import Callable

from pilots.errors import UserError


def side_by_side(tasks: list[Callable[[], object]]) -> list[object]:
    """What each task gives, or what the user would be told, in the order in which they end."""
    outcomes: list[object] = []

    def run(task: Callable[[], object]) -> None:
        try:
            outcomes.append(task())
        except UserError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=run, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes
