"""Looks: published boundaries, an independent check of the integration, and error over looks where the truth is known."""

from __future__ import annotations

import json
from math import inf, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evaluation.errors import NotEstimable, OptionError
from evaluation.families import Look, LookPlan, plan_looks, spending, take_look

TERMLY = [0.2, 0.4, 0.6, 0.8, 1.0]


def look(*numbers: Any, **options: Any) -> Look:
    found = take_look(*numbers, **options)
    assert isinstance(found, Look)
    return found


@pytest.mark.parametrize(
    ("information", "published"),
    [
        # Lan, DeMets 1983; the same in the manuals of ldbounds and gsDesign, to three decimals.
        (TERMLY, [4.877, 3.357, 2.680, 2.290, 2.031]),
        ([0.5, 1.0], [2.963, 1.969]),
        ([1 / 3, 2 / 3, 1.0], [3.710, 2.511, 1.993]),
        ([0.25, 0.5, 0.75, 1.0], [4.333, 2.963, 2.359, 2.014]),
        ([1.0], [1.960]),
    ],
)
def test_published_boundaries(information: list[float], published: list[float]) -> None:
    assert plan_looks(information).critical == pytest.approx(published, abs=0.0005001)


def test_spending() -> None:
    assert spending(1.0) == pytest.approx(0.05, rel=1e-12)
    assert spending(7.0) == pytest.approx(0.05, rel=1e-12)
    # z(1 − 0.05/4) = 2.2414; ÷ √0.25 = 4.4828; four times its tail.
    assert spending(0.25) == pytest.approx(4 * stats.norm.sf(4.482805), rel=1e-5)


def test_two_looks_by_the_bivariate_normal() -> None:
    # An independent route: the chance not to cross at both looks is a rectangle of a bivariate normal.
    plan = plan_looks([0.4, 0.9])
    first, second = plan.critical
    together = stats.multivariate_normal([0, 0], [[1, np.sqrt(0.4 / 0.9)], [np.sqrt(0.4 / 0.9), 1]])
    inside = together.cdf([first, second], lower_limit=[-first, -second])
    assert 1 - inside == pytest.approx(spending(0.9), abs=1e-6)


@settings(max_examples=25)
@given(gaps=st.lists(st.floats(0.02, 1.0), min_size=1, max_size=6), alpha=st.sampled_from([0.01, 0.05, 0.1]))
def test_all_error_is_spent_whatever_the_steps(gaps: list[float], alpha: float) -> None:
    shares = np.cumsum(gaps) / np.sum(gaps)
    plan = plan_looks(shares.tolist(), alpha)
    assert plan.spent[-1] == pytest.approx(alpha)
    # The same error by drawing the sums of information: 20,000 draws, four and a half Monte Carlo errors.
    draws = np.random.Generator(np.random.PCG64(2)).standard_normal((20_000, len(gaps))) * np.sqrt(np.diff([0, *shares]))
    crossed = (abs(draws.cumsum(axis=1)) / np.sqrt(shares) > np.array(plan.critical)).any(axis=1).mean()
    assert crossed == pytest.approx(alpha, abs=4.5 * np.sqrt(alpha * (1 - alpha) / 20_000))


@pytest.mark.parametrize("first", [0.001, 0.0055, 0.006, 0.0095, 0.0105, 0.02])
def test_a_very_early_look_spends_next_to_nothing(first: float) -> None:
    plan = plan_looks([first, 0.5, 1.0])
    assert plan.critical[0] > 15
    assert plan.critical[1:] == pytest.approx(plan_looks([0.5, 1.0]).critical, abs=1e-9)


def test_many_close_looks_keep_their_precision() -> None:
    plan = plan_looks((np.arange(1, 101) / 100).tolist())
    assert plan.spent[-1] == pytest.approx(0.05)
    assert all(after <= before for before, after in zip(plan.critical, plan.critical[1:], strict=False) if before < inf)
    close = plan_looks([0.5, 0.501, 1.0]).critical
    assert close[0] == pytest.approx(plan_looks([0.5, 1.0]).critical[0], rel=1e-12)
    assert close[2] == pytest.approx(plan_looks([0.501, 1.0]).critical[1], abs=0.002)


def test_a_skipped_look_gives_its_error_to_the_next() -> None:
    whole, without = plan_looks([0.4, 0.6, 0.8]), plan_looks([0.4, 0.8])
    assert without.critical[1] < whole.critical[2]
    assert without.spent[1] == whole.spent[2]
    found = look([0.4, 0.8], 1.0, 0.5, planned=TERMLY)
    assert found.warnings == (
        "Looks planned and not held, at shares of the planned information: 20%, 60%. "
        "What it would have spent went to the next look.",
    )
    extra = look([0.2, 0.3], 1.0, 0.5, planned=TERMLY)
    assert "held and not planned, at shares of the planned information: 30%" in extra.warnings[0]


def test_more_and_less_information_than_planned() -> None:
    over = look([0.5, 1.2], 1.0, 0.4)
    assert (over.final, over.spent) == (True, pytest.approx(0.05))
    assert "more information than planned (120%)" in over.warnings[0]
    # The looks are less alike than with 1: the last boundary is a little higher than 1.969.
    assert plan_looks([0.5, 1.2]).critical[1] > 1.9686
    short = look([0.5, 0.8], 1.0, 0.4, final=True)
    assert short.spent == 0.05 and "80% of the planned information" in short.warnings[0]
    assert plan_looks([0.5, 0.8], final=True).critical[1] < plan_looks([0.5, 0.8]).critical[1]


def test_the_interval_is_the_one_for_that_look() -> None:
    # Look 3 of five: nominal p 0.00736; t with 8 df: 3.5643.
    found = look([0.2, 0.4, 0.6], 2.5, 0.8, 8, unit="points")
    assert found.nominal_p == pytest.approx(0.007356, abs=1e-6)
    quantile = stats.t.isf(found.nominal_p / 2, 8)
    assert (found.lower, found.upper) == pytest.approx((2.5 - quantile * 0.8, 2.5 + quantile * 0.8))
    assert not found.shown and "too early to tell" in found.reading
    assert "Look 3: no effect is shown, 2.5 points (95% over all looks: \N{MINUS SIGN}0.4 to 5.4)" in found.reading
    assert look([0.2, 0.4, 0.6], 2.5, 0.8).shown  # with a normal statistic 3.1 is above 2.68
    last = look(TERMLY, 0.1, 0.8, 8)
    assert last.final and "No effect was shown over all looks." in last.reading


def test_own_inference() -> None:
    asked: list[float] = []

    def interval(level: float) -> tuple[float, float]:
        asked.append(level)
        return 0.5, 3.5

    found = look([0.5], 2.0, interval=interval, p_value=0.002)
    assert asked == [pytest.approx(1 - found.nominal_p)]
    assert found.shown and (found.lower, found.upper) == (0.5, 3.5)
    assert found.adjusted_p < 0.05
    early = look([0.002], 2.0, 0.1)
    assert (early.lower, early.upper, early.shown, early.adjusted_p) == (-inf, inf, False, pytest.approx(0.7405, abs=1e-3))
    assert json.loads(json.dumps(early.to_dict(), allow_nan=False))["lower"] is None


@settings(max_examples=20)
@given(statistic=st.floats(0, 6), held=st.integers(1, 5), df=st.sampled_from([5.0, 20.0, inf]))
def test_adjusted_p_says_the_same_as_the_boundary(statistic: float, held: int, df: float) -> None:
    found = look(TERMLY[:held], statistic, 1.0, df)
    assert 0 <= found.p_value <= found.adjusted_p + 1e-6
    if abs(found.adjusted_p - 0.05) > 1e-5:
        assert found.shown == (found.adjusted_p < 0.05) == (found.lower > 0)


def test_one_look_is_no_correction() -> None:
    assert look([1.0], 1.0, 0.5, 10).adjusted_p == pytest.approx(2 * stats.t.sf(2, 10), rel=1e-5)


@pytest.mark.parametrize(
    ("information", "says"),
    [
        ([], "one or more shares above 0"),
        ([0.5, 0.5], "must grow by 0.001 or more"),
        ([0.5, 0.4], "must grow by 0.001 or more"),
        ([0.0, 0.5], "shares above 0"),
        ([0.5, nan], "shares above 0"),
        ([0.5, 1.0, 1.2], "no look after it"),
    ],
)
def test_bad_information(information: list[float], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        plan_looks(information)


def test_what_cannot_be_had() -> None:
    with pytest.raises(OptionError, match="alpha must lie"):
        plan_looks([1.0], 5)
    with pytest.raises(OptionError, match="together, or neither"):
        take_look([1.0], 1.0, p_value=0.1)
    with pytest.raises(OptionError, match="must be above 0"):
        take_look([1.0], 1.0, 0.0)
    for refused in (take_look([1.0], nan, 1.0), take_look([1.0], 1.0), take_look([1.0], 1.0, nan)):
        assert isinstance(refused, NotEstimable) and refused.remedy
    assert isinstance(take_look([1.0], 1.0, interval=lambda _: (nan, nan), p_value=nan), NotEstimable)
    assert isinstance(plan_looks([1.0]), LookPlan)


def crossed(treated: int, compared: int, correlation: float, draws: int, seed: int) -> float:
    """Share of null draws in which any of five termly looks shows an effect: before and after, partnerships on each side."""
    random = np.random.Generator(np.random.PCG64(seed))
    before, after, groups = 6, 5, treated + compared
    noise = random.standard_normal((draws, groups, before + after))
    for t in range(1, before + after):
        noise[:, :, t] = correlation * noise[:, :, t - 1] + np.sqrt(1 - correlation**2) * noise[:, :, t]
    information = 1 / (1 / before + 1 / np.arange(1, after + 1))
    shares = (information / information[-1]).tolist()
    any_shown = np.zeros(draws, bool)
    for k in range(1, after + 1):
        change = noise[:, :, before : before + k].mean(axis=2) - noise[:, :, :before].mean(axis=2)
        one, other = change[:, :treated], change[:, treated:]
        pooled = (one.var(axis=1) * treated + other.var(axis=1) * compared) / (groups - 2)
        t = (one.mean(axis=1) - other.mean(axis=1)) / np.sqrt(pooled * (1 / treated + 1 / compared))
        any_shown |= 2 * stats.t.sf(abs(t), groups - 2) < plan_looks(shares[:k]).nominal_p[-1]
    return float(any_shown.mean())


@pytest.mark.slow
@pytest.mark.parametrize(("treated", "compared"), [(4, 4), (9, 9), (9, 30)])
@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_error_over_five_termly_looks(treated: int, compared: int, correlation: float) -> None:
    # 20,000 draws: Monte Carlo error 0.15 points. Planned 5%, allowed 6%.
    assert crossed(treated, compared, correlation, 20_000, 8) <= 0.06
