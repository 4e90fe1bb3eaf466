"""Guardrails: hand-worked cases, what the words say, and what must hold for any numbers."""

from __future__ import annotations

import json
from math import inf, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evaluation.errors import NotEstimable, OptionError
from evaluation.families import Guardrail, guardrail

Z = 1.6448536269514722


def found(*numbers: float, **options: Any) -> Guardrail:
    result = guardrail(*numbers, **{"margin": 2.0, "direction": "lower_is_better", "unit": "days", **options})
    assert isinstance(result, Guardrail)
    return result


@pytest.mark.parametrize(
    ("estimate", "error", "kinds", "beyond"),
    [
        (3.0, 1.0, ("harm_seen",), False),  # 3 − 1.645 > 0; 3 + 1.645 > 2
        (5.0, 1.0, ("harm_seen",), True),  # 5 − 1.645 > 2
        (0.0, 1.0, ("harm_ruled_out",), False),  # 1.645 < 2
        (1.0, 0.5, ("harm_seen", "harm_ruled_out"), False),  # 0.18 to 1.82
        (1.0, 1.0, ("cannot_tell",), False),  # −0.64 to 2.64
        (-5.0, 1.0, ("harm_ruled_out",), False),
    ],
)
def test_hand_worked(estimate: float, error: float, kinds: tuple[str, ...], beyond: bool) -> None:
    result = found(estimate, error)
    assert (result.kinds, result.beyond) == (kinds, beyond)
    assert (result.lower, result.upper) == pytest.approx((estimate - Z * error, estimate + Z * error), abs=1e-12)
    assert result.p_harm == pytest.approx(stats.norm.sf(estimate / error), rel=1e-12)
    assert result.p_margin == pytest.approx(stats.norm.cdf((estimate - 2) / error), rel=1e-12)
    other = found(-estimate, error, direction="higher_is_better")
    assert (other.kinds, other.harm, other.lower, other.upper) == (kinds, estimate, result.lower, result.upper)


def test_few_degrees_of_freedom_see_less() -> None:
    # t(0.95; 4) = 2.1318: 1.8 − 2.1318 < 0 although 1.8 − 1.645 > 0.
    assert found(1.8, 1.0).kinds == ("harm_seen",)
    assert found(1.8, 1.0, 4).kinds == ("cannot_tell",)


@pytest.mark.parametrize(
    ("result", "says"),
    [
        (found(5.0, 1.0), "Harm seen, and more than the 2 days that are tolerated: a rise of 5.0 days, at least 3.4 days"),
        (
            found(1.0, 0.5),
            "Harm seen, but less than the 2 days that are tolerated: a rise of 1.0 days, between 0.2 days and 1.8 days",
        ),
        (found(3.0, 1.0), "Whether it is more than the 2 days that are tolerated cannot be told."),
        (found(0.0, 1.0), "A rise as large as the 2 days that are tolerated is ruled out: it is 1.6 days at most"),
        (found(-5.0, 1.0), "No harm: a rise of any size is ruled out"),
        (found(-1.0, 1.0, direction="higher_is_better"), "Cannot tell: a fall of up to 2.6 days is possible"),
        (found(3.0, 1.0, margin=0.0), "Harm seen: a rise of 3.0 days, at least 1.4 days (one-sided 5% tests)."),
    ],
)
def test_words(result: Guardrail, says: str) -> None:
    assert says in result.reading
    assert "-" not in result.reading.replace("one-sided", "")


def test_an_interval_of_resampling_is_asked_for_its_level() -> None:
    asked: list[float] = []

    def interval(level: float) -> tuple[float, float]:
        asked.append(level)
        return 0.1, 1.5

    result = found(1.0, interval=interval)
    assert asked == [pytest.approx(0.9)]
    assert result.kinds == ("harm_seen", "harm_ruled_out")
    assert (result.lower, result.upper) == (0.1, 1.5)
    flipped = found(-1.0, interval=lambda _: (-1.5, -0.1), direction="higher_is_better")
    assert (flipped.kinds, flipped.lower, flipped.upper) == (result.kinds, 0.1, 1.5)


def test_an_interval_without_an_end_tells_nothing() -> None:
    result = found(1.0, interval=lambda _: (-inf, inf))
    assert result.kinds == ("cannot_tell",)
    assert "a rise of any size is possible" in result.reading
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False))["upper"] is None


def test_what_cannot_be_had_is_said() -> None:
    for refused in (
        guardrail(nan, 1.0, margin=1, direction="lower_is_better"),
        guardrail(1.0, nan, margin=1, direction="lower_is_better"),
        guardrail(1.0, margin=1, direction="lower_is_better"),
        guardrail(1.0, 1.0, nan, margin=1, direction="lower_is_better"),
        guardrail(1.0, margin=1, direction="lower_is_better", interval=lambda _: (nan, nan)),
    ):
        assert isinstance(refused, NotEstimable) and refused.reason and refused.remedy


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"margin": -1.0}, "margin must be 0 or more, not -1.0"),
        ({"margin": nan}, "margin must be 0 or more"),
        ({"direction": "up"}, "direction 'up' does not exist"),
        ({"alpha": 0.5}, "alpha must lie between 0 and 0.5"),
        ({"std_error": 0.0}, "must be above 0"),
        ({"interval": lambda _: (2.0, 3.0)}, "must hold the estimate"),
    ],
)
def test_bad_options(options: dict[str, Any], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        guardrail(1.0, **{"std_error": 1.0, "margin": 1.0, "direction": "lower_is_better", **options})


@given(
    estimate=st.floats(-100, 100),
    error=st.floats(0.01, 50),
    df=st.floats(1, 200),
    margin=st.floats(0, 50),
    alpha=st.floats(0.001, 0.4),
)
def test_kinds_are_what_the_p_values_say(estimate: float, error: float, df: float, margin: float, alpha: float) -> None:
    result = guardrail(estimate, error, df, margin=margin, direction="lower_is_better", alpha=alpha)
    assert isinstance(result, Guardrail)
    if abs(result.p_harm - alpha) > 1e-9:
        assert result.harm_seen == (result.p_harm < alpha)
    if abs(result.p_margin - alpha) > 1e-9:
        assert result.harm_ruled_out == (result.p_margin < alpha)
    assert ("cannot_tell" in result.kinds) == (not result.harm_seen and not result.harm_ruled_out)
    assert not (result.beyond and result.harm_ruled_out)


def test_false_alarms_at_the_edges() -> None:
    # At no harm, harm is seen in 5% of draws; at harm of the margin, it is ruled out in 5%. 1,000 draws: error 0.69 points.
    rng = np.random.Generator(np.random.PCG64(1))
    for truth, kind in ((0.0, "harm_seen"), (2.0, "harm_ruled_out")):
        samples = rng.normal(truth, 1.0, (1000, 6))
        errors = samples.std(axis=1, ddof=1) / np.sqrt(6)
        share = np.mean([kind in found(m, e, 5).kinds for m, e in zip(samples.mean(axis=1), errors, strict=True)])
        assert share == pytest.approx(0.05, abs=3 * 0.0069)
