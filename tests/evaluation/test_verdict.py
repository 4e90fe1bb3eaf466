from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation import OptionError, Verdict, not_estimable_verdict, verdict
from evaluation.verdict import DIRECTIONS, KINDS

MINUS = "\N{MINUS SIGN}"
POINTS = "percentage points"


@pytest.mark.parametrize(
    ("numbers", "direction", "kind", "words"),
    [
        ((6.1, 2.0, 10.2, 5.9, None), "higher_is_better", "improved", f"Improved by 6.1 {POINTS} (2.0 to 10.2)"),
        ((-2.6, -4.0, -1.2, 2, None), "lower_is_better", "improved", f"Improved by 2.6 {POINTS} (1.2 to 4.0)"),
        ((-2.6, -4.0, -1.2, 2, None), "higher_is_better", "worsened", f"Worsened by 2.6 {POINTS} (1.2 to 4.0)"),
        ((2.6, 1.2, 4.0, 2, None), "lower_is_better", "worsened", f"Worsened by 2.6 {POINTS} (1.2 to 4.0)"),
        ((-2.6, -4.0, -1.2, 2, None), None, "changed", f"Changed by {MINUS}2.6 {POINTS} ({MINUS}4.0 to {MINUS}1.2)"),
        ((4.0, 0.0003, 8.0, 5, None), "higher_is_better", "improved", f"Improved by 4.0 {POINTS} (just over 0 to 8.0)"),
        ((-4.0, -8.0, -0.0003, 5, None), None, "changed", f"Changed by {MINUS}4.0 {POINTS} ({MINUS}8.0 to just under 0)"),
        (
            (2.6, 1.2, 4.0, 2, 5),
            "higher_is_better",
            "improved",
            f"Improved by 2.6 {POINTS} (1.2 to 4.0), less than the 5 {POINTS} that matter",
        ),
        ((-0.4, -3.0, 3.0, 4.2, 5), "higher_is_better", "no_effect_as_large", f"No effect as large as 5 {POINTS}"),
        ((-0.4, -3.0, 3.0, 4.2, 0.25), None, "cannot_tell", f"Cannot tell: could only have seen 4.2 {POINTS} or more"),
        (
            (-0.4, -8.5, 7.7, 11.6, 5),
            "higher_is_better",
            "cannot_tell",
            f"Cannot tell: could only have seen 11.6 {POINTS} or more",
        ),
        ((0.06, -0.38, 0.5, 0.628, None), None, "cannot_tell", f"Cannot tell: could only have seen 0.63 {POINTS} or more"),
        ((0.06, -0.38, 0.5, None, None), None, "cannot_tell", f"Cannot tell: {MINUS}0.38 to 0.50 {POINTS} are all possible"),
        (
            (1.0, None, None, None, 2),
            "higher_is_better",
            "cannot_tell",
            f"Cannot tell: 1.0 {POINTS}, but how certain that is cannot be said",
        ),
    ],
)
def test_verdicts(numbers: tuple[Any, Any, Any, Any, Any], direction: str | None, kind: str, words: str) -> None:
    assert verdict(*numbers, direction, POINTS, 0.95) == Verdict(kind, words)


def test_another_level_is_said() -> None:
    said = verdict(6.1, 2.0, 10.2, None, None, "higher_is_better", POINTS, 0.9)
    assert said.words == f"Improved by 6.1 {POINTS} (90% interval 2.0 to 10.2)"


def test_not_estimable() -> None:
    said = not_estimable_verdict("all 32 authorities start at once")
    assert said.to_dict() == {"kind": "not_estimable", "words": "Not estimable: all 32 authorities start at once"}
    assert verdict(math.nan, None, None, None, None, None, POINTS, 0.95).kind == "not_estimable"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"direction": "up"}, "direction 'up' does not exist"),
        ({"level": 95}, "level must lie between 0 and 1"),
        ({"smallest_effect": -1.0}, "smallest_effect must be 0 or more"),
        ({"lower": 3.0}, "must hold the estimate"),
    ],
)
def test_bad_input_is_refused(change: dict[str, Any], words: str) -> None:
    good: dict[str, Any] = {
        "estimate": 1.0,
        "lower": -1.0,
        "upper": 2.0,
        "detectable": 1.0,
        "smallest_effect": None,
        "direction": None,
        "unit": POINTS,
        "level": 0.95,
    }
    with pytest.raises(OptionError, match=words):
        verdict(**{**good, **change})


@given(
    estimate=st.floats(-100, 100),
    half=st.floats(0.001, 50),
    smallest=st.none() | st.floats(0, 20),
    direction=st.sampled_from(DIRECTIONS),
)
def test_every_interval_has_one_verdict(estimate: float, half: float, smallest: float | None, direction: str | None) -> None:
    lower, upper = estimate - half, estimate + half
    said = verdict(estimate, lower, upper, 3 * half, smallest, direction, POINTS, 0.95)
    assert said.kind in KINDS
    assert "-" not in said.words, "a hyphen where a minus sign belongs"
    seen = lower > 0 or upper < 0
    assert (said.kind in ("improved", "worsened", "changed")) == seen
    assert (said.kind == "changed") == (seen and direction is None)
    mirrored = verdict(-estimate, -upper, -lower, 3 * half, smallest, direction, POINTS, 0.95)
    if seen and direction:
        assert {said.kind, mirrored.kind} == {"improved", "worsened"}
