"""What can go wrong, said by name: bad input is an exception, "not estimable" is a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn


class PanelError(ValueError):
    """The input cannot be used: the message says what is wrong, where, and what to do."""


class OptionError(PanelError):
    """An option, estimator or method was named that does not exist; the message lists those that do."""


@dataclass(frozen=True)
class NotEstimable:
    """A question that these data cannot answer: a value with a reason, never a zero or a weaker method.

    Attributes:
        reason: why there is no estimate, in plain words.
        remedy: what would make one possible.
        estimator: the estimator that was asked.
        aggregate: the aggregate that was asked.
    """

    reason: str
    remedy: str
    estimator: str = ""
    aggregate: str = ""

    @property
    def estimable(self) -> bool:
        """Always False; a `Result` has True."""
        return False

    def frame(self, *_: object, **__: object) -> NoReturn:
        """Raises `PanelError` with the reason: there is no number to show."""
        raise PanelError(f"There is no estimate: {self.reason}. {self.remedy}")

    def inference(self, *_: object, **__: object) -> NoReturn:
        """Raises `PanelError` with the reason: there is no number to infer from."""
        self.frame()

    def to_dict(self) -> dict[str, str]:
        """Reason and remedy as plain JSON."""
        return {"reason": self.reason, "remedy": self.remedy}


def check_choice(what: str, value: object, choices: tuple[object, ...]) -> None:
    """Raise `OptionError` naming the valid choices when `value` is not one of them."""
    if value not in choices:
        listed = ", ".join(repr(choice) for choice in choices)
        raise OptionError(f"{what} {value!r} does not exist. Choose one of: {listed}.")
