"""Two authorities, pupils with and without SEN of each: four units and four periods to follow with a pencil.

               period  1  2  3  4
A, with SEN            1  2  8  9     A starts in 3
A, other               1  2  4  4
B, with SEN            2  3  4  6     B never starts
B, other               3  3  3  4
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evaluation import NotEstimable, OptionError, Panel, Result, estimate

OUTCOME = {"A sen": (1, 2, 8, 9), "A other": (1, 2, 4, 4), "B sen": (2, 3, 4, 6), "B other": (3, 3, 3, 4)}
FIRST = {"A sen": 3, "A other": 3}
SEN = {"A sen": 1, "B sen": 1}

Found, Read, Make = Callable[..., Result], Callable[..., dict[Any, float]], Callable[..., pd.DataFrame]


def test_by_hand(written: Make, build: Callable[..., Panel], found: Found, by_label: Read) -> None:
    # Since 2, in 3: A's gap changes by (8 − 2) − (4 − 2) = 4, B's by 1 − 0 = 1: 3. In 4: (7 − 2) − (3 − 1) = 3.
    # Before, 2 on 1: (1 − 1) − (1 − 0) = −1.
    panel = build(written(OUTCOME, first=FIRST, sen=SEN), eligible="sen")
    cells = found(panel, "triple_difference", "cells")
    assert by_label(cells, "cohort", "period") == pytest.approx({(3, 2): -1, (3, 3): 3, (3, 4): 3})
    universal = found(panel, "triple_difference", "event_time", base="universal")
    assert by_label(universal, "event_time") == pytest.approx({-2: 1, -1: 0, 0: 3, 1: 3, None: 3})
    ahead = found(panel, "triple_difference", "cells", anticipation=1)  # the base is period 1
    assert by_label(ahead, "cohort", "period")[3, 3] == pytest.approx((7 - 3) - (2 - 0))
    overall = found(panel, "triple_difference")
    assert overall.estimates[0] == pytest.approx(3)
    assert overall.support[:, 0].tolist() == [False, True, False, False]  # units in order: A other, A sen, B other, B sen
    assert overall.compared[:, 0].tolist() == [False, False, True, True]
    # By hand too: +½ on A's pupils with SEN in 3 and 4 and −1 in 2; the other signs by kind and by authority.
    assert overall.weights.toarray().reshape(4, 4).tolist() == [
        [0, 1, -0.5, -0.5],
        [0, -1, 0.5, 0.5],
        [0, -1, 0.5, 0.5],
        [0, 1, -0.5, -0.5],
    ]


def test_the_error_by_hand(written: Make, build: Callable[..., Panel], found: Found) -> None:
    # Two units of each of the four groups; changes 9, 7 | 3, 1 | 4, 2 | 1, 1. Effect (8 − 2) − (3 − 1) = 4. Scores: half of
    # the change less its group's mean: ±½, ∓½ … Squares: ½ + ½ + ½ + 0 = 1½.
    changes = {"a": 9, "b": 7, "c": 3, "d": 1, "e": 4, "f": 2, "g": 1, "h": 1}
    frame = written({unit: (0, change) for unit, change in changes.items()}, first=dict.fromkeys("abcd", 2))
    frame["sen"] = frame["unit"].isin(list("abef")).astype(int)
    result = found(build(frame, eligible="sen"), "triple_difference")
    assert result.estimates[0] == pytest.approx(4)
    assert result.scores[:, 0] == pytest.approx([0.5, -0.5, -0.5, 0.5, -0.5, 0.5, 0, 0])
    assert result.inference("influence").std_error[0] == pytest.approx(np.sqrt(1.5))
    assert result.frame()["std_error"][0] == pytest.approx(np.sqrt(1.5 * 8 / 7))


@pytest.fixture
def parted(written: Make, build: Callable[..., Panel]) -> Panel:
    """No noise; cohorts and kinds have trends of their own, shares of eligible units differ, the effect is 5."""
    trend = {3: 1.0, 4: 4.0, 0: 10.0}
    rows = [(cohort, sen) for cohort, kinds in {3: (1, 0), 4: (1, 1, 1, 0), 0: (1, 0, 0, 0)}.items() for sen in kinds]
    names = [f"{at:02d}" for at in range(len(rows))]
    outcome = {
        name: tuple(trend[c] * t + 2.0 * sen * t + 5.0 * sen * (0 < c <= t + 1) for t in range(4))
        for name, (c, sen) in zip(names, rows, strict=True)
    }
    first = {name: c for name, (c, _) in zip(names, rows, strict=True)}
    sen = {name: kind for name, (_, kind) in zip(names, rows, strict=True)}
    return build(written(outcome, first=first, sen=sen), eligible="sen")


def test_cohorts_that_compare_are_not_pooled_first(parted: Panel, found: Found) -> None:
    # Pooled, SEN units of the cohorts 4 and never change by 2 + (3 × 4 + 10) ÷ 4 in a period, the others by (4 + 3 × 10) ÷ 4:
    # a gap of −1 where each cohort's own is 2. The effect would be 5 + (2 − (−1)) = 8 in period 3.
    eligible, cohort, change = parted.eligible, parted.cohort, parted.values[0][:, 2] - parted.values[0][:, 1]
    assert eligible is not None
    gaps = [change[who & eligible].mean() - change[who & ~eligible].mean() for who in (cohort == 2, cohort > 2)]
    assert gaps[0] - gaps[1] == pytest.approx(8)
    own = found(parted, "triple_difference", "cells", control="not_yet_treated", combine="size")
    post = (own.labels["kind"] == "post").to_numpy()
    assert own.estimates[post] == pytest.approx([5, 5, 5]) and own.estimates[~post] == pytest.approx(0)
    assert found(parted, "triple_difference").estimates[0] == pytest.approx(5)


def test_efficient_weights_are_one_over_the_variance_of_each_gap(
    written: Make, build: Callable[..., Panel], found: Found
) -> None:
    # Changes from 1 to 2. Cohort 2: 6, 6 | 1, 1: 5. Cohort 3: 2, 0 | 1, 1: gap 0, scores ±½: variance ½. Never: 4, 2 | 2, 0:
    # gap 2, variance 1. Weights 1/½ and 1/1 of 3: untreated gap (2 × 0 + 1 × 2) ÷ 3; by size, alike: 1.
    changes = dict(zip("abcdefghijkl", (6, 6, 1, 1, 2, 0, 1, 1, 4, 2, 2, 0), strict=True))
    first = {**dict.fromkeys("abcd", 2), **dict.fromkeys("efgh", 3)}
    frame = written({unit: (0, change, change) for unit, change in changes.items()}, first=first)
    frame["sen"] = frame["unit"].isin(list("abefij")).astype(int)
    panel = build(frame, eligible="sen")
    options = {"control": "not_yet_treated", "aggregate": "cells"}
    assert found(panel, "triple_difference", **options).estimates[0] == pytest.approx(5 - 2 / 3)
    assert found(panel, "triple_difference", combine="size", **options).estimates[0] == pytest.approx(5 - 1)


def test_a_gap_that_does_not_vary_cannot_be_weighted(parted: Panel) -> None:
    refusal = estimate(parted, "triple_difference", control="not_yet_treated")
    assert isinstance(refusal, NotEstimable) and "does not vary within its two kinds" in refusal.reason
    assert "combine='size'" in refusal.remedy


@pytest.mark.parametrize("control", ["never_treated", "not_yet_treated"])
def test_equal_to_a_peer(reference: Path, peers: dict[str, Any], build: Callable[..., Panel], found: Found, control: str) -> None:
    panel, expected = build(pd.read_csv(reference / "kinds.csv"), eligible="eligible"), peers["kinds"][control]
    cells = found(panel, "triple_difference", "cells", control=control).inference("influence").frame()
    assert len(cells) == len(expected["cells"]) == 10
    many = 0
    for row in cells.itertuples():
        estimate_, error = expected["cells"][f"{float(row.cohort)},{row.period}"]
        assert row.estimate == pytest.approx(estimate_, rel=1e-9)
        # Where several cohorts compare, the peer (as R's triplediff) divides the sum of squared scores by n(n − 1), not n².
        ratio = float(row.std_error) / error
        several = ratio < 1 - 1e-9
        assert ratio == pytest.approx(np.sqrt(89 / 90) if several else 1, rel=1e-9)
        many += several
    assert many == (0 if control == "never_treated" else 4)
    event = found(panel, "triple_difference", "event_time", control=control).inference("influence").frame().iloc[:-1]
    for row in event.itertuples():
        assert [row.estimate, row.std_error] == pytest.approx(expected["event_time"][f"{float(row.event_time)}"], rel=1e-9)
    overall = found(panel, "triple_difference", control=control).inference("influence").frame().iloc[0]
    assert overall[["estimate", "std_error"]].tolist() == pytest.approx(expected["overall"], rel=1e-9)


@pytest.mark.parametrize("aggregate", ["overall", "cells", "event_time", "cohort", "calendar", "region"])
def test_pairs_of_units_are_group_time_on_their_gaps(
    draw: Make, build: Callable[..., Panel], found: Found, aggregate: str
) -> None:
    frame = draw()
    wide = frame.pivot_table(index=["authority", "region", "first", "period"], columns="eligible", values="y")
    gaps = (wide[1] - wide[0]).rename("y").reset_index()
    pairs = found(build(frame, eligible="eligible", cluster="authority", region="region"), "triple_difference", aggregate)
    single = found(build(gaps, unit="authority", region="region"), "group_time", aggregate)
    assert pairs.estimates == pytest.approx(single.estimates)
    assert pairs.inference().std_error == pytest.approx(single.inference().std_error, nan_ok=True)


def test_one_cohort_and_two_periods_is_two_by_two_on_the_gaps(draw: Make, build: Callable[..., Panel], found: Found) -> None:
    frame = draw(periods=2, starts=(0, 2))
    wide = frame.pivot_table(index=["authority", "first", "period"], columns="eligible", values="y")
    gaps = (wide[1] - wide[0]).rename("y").reset_index()
    pairs = found(build(frame, eligible="eligible"), "triple_difference")
    assert pairs.estimates == pytest.approx(found(build(gaps, unit="authority"), "two_by_two").estimates)


def test_the_kinds_of_a_cohort_are_asked_for_by_name(draw: Make, build: Callable[..., Panel]) -> None:
    frame = draw()
    cases = {
        "no unit that starts in 3 is eligible": (frame["first"] != 3) | (frame["eligible"] == 0),
        "no unit that starts in 5 is not eligible": (frame["first"] != 5) | (frame["eligible"] == 1),
        "no unit that never starts is eligible": (frame["first"] != 0) | (frame["eligible"] == 0),
    }
    for reason, keep in cases.items():
        refusal = estimate(build(frame[keep], eligible="eligible"), "triple_difference")
        assert isinstance(refusal, NotEstimable) and refusal.reason == reason
        assert "start of their adopter" in refusal.remedy


def test_refusals(draw: Make, build: Callable[..., Panel]) -> None:
    unsaid = estimate(build(draw()), "triple_difference")
    assert isinstance(unsaid, NotEstimable) and "does not say which units are eligible" in unsaid.reason
    everyone = estimate(build(draw(starts=(3, 5)), eligible="eligible"), "triple_difference")
    assert isinstance(everyone, NotEstimable) and "none is never treated" in everyone.reason
    together = estimate(build(draw(starts=(3,)), eligible="eligible"), "triple_difference", control="not_yet_treated")
    assert isinstance(together, NotEstimable) and "start at once" in together.reason
    before = estimate(build(draw(starts=(0, 1)), eligible="eligible"), "triple_difference")
    assert isinstance(before, NotEstimable) and "treated throughout" in before.reason
    frame = draw()
    unseen = frame.assign(y=frame["y"].where((frame["first"] > 0) | (frame["period"] < 3) | (frame["eligible"] == 1)))
    nobody = estimate(build(unseen, eligible="eligible"), "triple_difference")
    assert isinstance(nobody, NotEstimable) and "no period after the reform" in nobody.reason
    with pytest.raises(OptionError, match="anticipation"):
        estimate(build(frame, eligible="eligible"), "triple_difference", anticipation=-1)


def test_effects_without_all_four_groups_are_counted(draw: Make, build: Callable[..., Panel], found: Found) -> None:
    frame = draw()
    gone = (frame["first"] == 5) & (frame["period"] == 7) & (frame["eligible"] == 0)
    result = found(build(frame.assign(y=frame["y"].mask(gone)), eligible="eligible"), "triple_difference")
    assert "1 effect without all four groups observed left out." in result.warnings
