"""One result in words: improved, worsened, no effect as large as X, cannot tell, not estimable; see METHODS.md."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from evaluation.errors import OptionError, check_choice
from evaluation.words import number, places

KINDS = ("improved", "worsened", "changed", "no_effect_as_large", "cannot_tell", "not_estimable")
DIRECTIONS = ("higher_is_better", "lower_is_better", None)


@dataclass(frozen=True)
class Verdict:
    """What is said.

    Attributes:
        kind: one of `KINDS`.
        words: a sentence without its full stop.
    """

    kind: str
    words: str

    def to_dict(self) -> dict[str, str]:
        """Kind and words as plain JSON."""
        return {"kind": self.kind, "words": self.words}


def not_estimable_verdict(reason: str) -> Verdict:
    """The verdict where no effect could be estimated."""
    return Verdict("not_estimable", f"Not estimable: {reason}")


def verdict(
    estimate: float,
    lower: float | None,
    upper: float | None,
    detectable: float | None,
    smallest_effect: float | None,
    direction: str | None,
    unit: str,
    level: float,
) -> Verdict:
    """Say what an interval shows.

    Args:
        estimate: the effect, in `unit`.
        lower: lower end of its interval; None or NaN where there is none.
        upper: upper end.
        detectable: smallest effect that the design finds with 80% power, or None where not known.
        smallest_effect: smallest effect that matters, 0 or more, as declared in the plan; None where nobody has said.
        direction: `higher_is_better`, `lower_is_better`, or None where neither is.
        unit: words for the unit, for example "percentage points".
        level: of the interval.

    Returns:
        `improved`, `worsened` or (without a direction) `changed` where the interval leaves out zero; `no_effect_as_large` where
        it lies within ± `smallest_effect`; else `cannot_tell`.

    Raises:
        OptionError: an unknown direction, a level out of range, a negative smallest effect, or ends the wrong way round.
    """
    check_choice("direction", direction, DIRECTIONS)
    if not 0 < level < 1:
        raise OptionError(f"level must lie between 0 and 1, not {level!r}. Use 0.95 for a 95% interval.")
    if smallest_effect is not None and not smallest_effect >= 0:
        raise OptionError(f"smallest_effect must be 0 or more, not {smallest_effect!r}.")
    if not isfinite(estimate):
        return not_estimable_verdict("the effect is no number")
    if lower is None or upper is None or not (isfinite(lower) and isfinite(upper)):
        size = number(estimate, places(estimate))
        return Verdict("cannot_tell", f"Cannot tell: {size} {unit}, but how certain that is cannot be said")
    if not lower <= estimate <= upper:
        raise OptionError(f"The interval {lower!r} to {upper!r} must hold the estimate {estimate!r}.")
    if lower > 0 or upper < 0:
        return _seen(estimate, lower, upper, smallest_effect, direction, unit, level)
    if smallest_effect and -smallest_effect < lower and upper < smallest_effect:
        return Verdict("no_effect_as_large", f"No effect as large as {smallest_effect:g} {unit}")
    if detectable is None or not isfinite(detectable):
        return Verdict("cannot_tell", f"Cannot tell: {_span(lower, upper, level)} {unit} are all possible")
    size = number(detectable, places(detectable))
    return Verdict("cannot_tell", f"Cannot tell: could only have seen {size} {unit} or more")


def _seen(
    estimate: float, lower: float, upper: float, smallest: float | None, direction: str | None, unit: str, level: float
) -> Verdict:
    """The interval leaves out zero. Improved and worsened give sizes without a sign: the verb says which way."""
    kind, sense = "changed", 1.0
    if direction is not None:
        kind = "improved" if (estimate > 0) == (direction == "higher_is_better") else "worsened"
        sense = 1.0 if estimate > 0 else -1.0
    low, high = sorted((sense * lower, sense * upper))
    keep = places((high - low) / 2)
    words = f"{kind.capitalize()} by {number(sense * estimate, keep)} {unit} ({_span(low, high, level)})"
    if smallest and max(abs(low), abs(high)) < smallest:
        words += f", less than the {smallest:g} {unit} that matter"
    return Verdict(kind, words)


def _span(low: float, high: float, level: float) -> str:
    """The interval; an end that rounds to zero but is not zero is said to be just over or under it."""
    keep = places((high - low) / 2)
    ends = []
    for end in (low, high):
        zero = float(f"{end:.{keep}f}") == 0 and end != 0
        ends.append(f"just {'over' if end > 0 else 'under'} 0" if zero else number(end, keep))
    said = "" if level == 0.95 else f"{100 * level:g}% interval "
    return f"{said}{ends[0]} to {ends[1]}"
