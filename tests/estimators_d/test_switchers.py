"""Treatments that go on and off, small enough to follow with a pencil, and what DIDmultiplegtDYN gives.

     treatment      outcome, periods 1 to 4
  A  0 0 1 0        1  2  7  6     starts in 3 and stops again
  B  0 0 0 0        1  2  3  5
  C  1 1 0 0        5  6  4  3     had it before, stops in 3
  D  1 1 1 1        4  4  5  6

A compares with B, C with D. All changes are since period 2, the last before A and C change.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evaluation import NotEstimable, OptionError, Panel, Result, estimate

OUTCOME = {"A": (1, 2, 7, 6), "B": (1, 2, 3, 5), "C": (5, 6, 4, 3), "D": (4, 4, 5, 6)}
PATHS = {"A": (0, 0, 1, 0), "B": (0, 0, 0, 0), "C": (1, 1, 0, 0), "D": (1, 1, 1, 1)}
FIRST = {"A": 3, "C": 1, "D": 1}
MPDTA = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "did_bench" / "mpdta.csv"

Found, Read, Make = Callable[..., Result], Callable[..., dict[Any, float]], Callable[..., pd.DataFrame]


@pytest.fixture
def panel(written: Make, build: Callable[..., Panel]) -> Panel:
    region = {"A": "North", "B": "North", "C": "South", "D": "South"}
    return build(written(OUTCOME, first=FIRST, intensity=PATHS, region=region), intensity="intensity", region="region")


@pytest.fixture
def path_of(written: Make, build: Callable[..., Panel]) -> Callable[..., Panel]:
    """The panel with other paths of treatment; `first` is where each is first above 0."""

    def make(**changes: tuple[float, ...]) -> Panel:
        paths = {**PATHS, **changes}
        first = {u: next((t + 1 for t, x in enumerate(path) if x > 0), 0) for u, path in paths.items()}
        return build(written(OUTCOME, first=first, intensity=paths), intensity="intensity")

    return make


def test_each_effect_is_a_difference_of_differences(panel: Panel, found: Found, by_label: Read) -> None:
    # A in 3: (7 − 2) − (3 − 2) = 4, in 4: (6 − 2) − (5 − 2) = 1. C goes down, so its sign is turned: in 3
    # −((4 − 6) − (5 − 4)) = 3, in 4 −((3 − 6) − (6 − 4)) = 5. Before, in 1: A (1 − 2) − (1 − 2) = 0, C −((5 − 6) − (4 − 4)) = 1.
    cells = found(panel, "switchers", "cells")
    assert by_label(cells, "direction", "baseline", "period") == pytest.approx(
        {("in", 0, 1): 0, ("in", 0, 3): 4, ("in", 0, 4): 1, ("out", 1, 1): 1, ("out", 1, 3): 3, ("out", 1, 4): 5}
    )
    assert cells.labels["kind"].tolist() == ["pre", "post", "post"] * 2


def test_by_time_since_the_first_change(panel: Panel, found: Found, by_label: Read) -> None:
    result = found(panel, "switchers", "event_time")
    assert by_label(result, "event_time") == pytest.approx({-2: 0.5, -1: 0, 0: 3.5, 1: 3, None: 3.25})
    assert result.labels["kind"].tolist() == ["pre", "reference", "post", "post", "average"]


@pytest.mark.parametrize(("which", "total"), [("all", 13 / 3), ("in", 5.0), ("out", 4.0)])
def test_the_total_effect_is_per_unit_of_treatment(panel: Panel, found: Found, which: str, total: float) -> None:
    # A has the reform in one period (in 4 it is back at 0), C is without it in two: 4 + 1 over 1, 3 + 5 over 2, all 13 over 3.
    assert found(panel, "switchers", switchers=which).estimates[0] == pytest.approx(total)


@pytest.mark.parametrize(
    ("aggregate", "column", "expected"),
    [
        ("cohort", "cohort", {3: 13 / 3, None: 13 / 3}),
        ("calendar", "period", {3: 7 / 2, 4: 6 / 1, None: 13 / 3}),
        ("region", "region", {"North": 5.0, "South": 4.0, None: 13 / 3}),
    ],
)
def test_other_aggregates(
    panel: Panel, found: Found, by_label: Read, aggregate: str, column: str, expected: dict[Any, float]
) -> None:
    # Per unit of treatment: in period 4 the effects are 1 and 5, and only C's treatment differs from its start.
    assert by_label(found(panel, "switchers", aggregate), column) == pytest.approx(expected)


def test_nothing_is_divided_by_a_treatment_that_is_back_at_its_start(panel: Panel, found: Found, by_label: Read) -> None:
    # In period 4 A is at 0 again: there is no effect per unit of treatment then.
    result = found(panel, "switchers", "calendar", switchers="in")
    assert by_label(result, "period") == pytest.approx({3: 4, None: 5})
    assert any("1 row left out: treatment is back" in warning for warning in result.warnings)


def test_a_cohort_of_one_takes_the_mean_of_both_sides(panel: Panel, found: Found) -> None:
    # In 3, A changes by 5, B by 1: each is alone, so both take the mean 3, with √(2/1). The effect at 0 is half of A's:
    # scores ½ × √2 × 2 = √2 for A, and −½ × √2 × (−2) = √2 for B. C −2, D 1, mean −½: ½ × √2 × 1½ each.
    result = found(panel, "switchers", "event_time").rows(np.array([False, False, True, False, False]))
    assert result.scores[:, 0] == pytest.approx(np.sqrt(2) * np.array([1, 1, 0.75, 0.75]))
    assert result.inference("influence").std_error[0] == pytest.approx(2.5)


def test_the_error_of_two_cohorts_is_the_textbook_one(written: Make, build: Callable[..., Panel], found: Found) -> None:
    # A and B start in 3. Changes since 2: 5 and 1, against 1 and 0. Sample variances 8 and ½, each over 2 units.
    outcome = {"A": (1, 2, 7, 8), "B": (2, 3, 4, 9), "C": (1, 2, 3, 4), "D": (3, 3, 3, 5)}
    panel = build(written(outcome, first={"A": 3, "B": 3}))
    result = found(panel, "switchers", "event_time", effects=1)
    assert result.estimates[-1] == pytest.approx(2.5)
    assert result.inference("influence").std_error[-1] == pytest.approx(np.sqrt(8 / 2 + 0.5 / 2))
    plain = found(panel, "switchers", "event_time", effects=1, small_sample="none")
    assert plain.inference("influence").std_error[-1] == pytest.approx(np.sqrt((8 / 2 + 0.5 / 2) / 2))


def test_cohorts_part_by_the_treatment_that_they_change_to(written: Make, build: Callable[..., Panel], found: Found) -> None:
    # A, B go to 1 (changes 5, 3), C, D to 2 (changes 9, 11); E, F do not change (0, 2). Means within: 4, 10 and 1.
    outcome = {"A": (0, 5), "B": (0, 3), "C": (0, 9), "D": (0, 11), "E": (0, 0), "F": (0, 2)}
    paths = {"A": (0, 1), "B": (0, 1), "C": (0, 2), "D": (0, 2), "E": (0, 0), "F": (0, 0)}
    panel = build(written(outcome, first=dict.fromkeys("ABCD", 2), intensity=paths), intensity="intensity")
    result = found(panel, "switchers", "event_time", small_sample="none")
    assert result.estimates[1] == pytest.approx(28 / 4 - 1)
    assert result.scores[:, 1] == pytest.approx([0.25, -0.25, -0.25, 0.25, 0.5, -0.5])
    assert found(panel, "switchers").estimates[0] == pytest.approx((28 / 4 - 1) * 4 / (1 + 1 + 2 + 2))


def test_missing_treatment_before_the_change(path_of: Callable[..., Panel], found: Found, by_label: Read) -> None:
    # Between two periods at 0 it was at 0. Right before the change it is not known when A changed: A then stands only for
    # periods in which it is known not to have, and B has nobody to compare with.
    nan = float("nan")
    given = path_of(C=(1, nan, 1, 1), D=(1, 1, 1, 0))
    assert by_label(found(given, "switchers", "cells", placebos=0), "direction", "period") == pytest.approx(
        {("in", 3): 4, ("in", 4): 1, ("out", 4): -((6 - 5) - (3 - 4))}
    )
    undated = path_of(C=(1, 1, nan, 0), D=(1, 1, 0, 0))
    assert by_label(found(undated, "switchers", "cells", placebos=0), "direction", "period") == pytest.approx(
        {("in", 3): 4, ("in", 4): 1}
    )


def test_a_path_on_both_sides_of_its_start_is_used_until_it_crosses(path_of: Callable[..., Panel], found: Found) -> None:
    # C goes from 1 down to ½ in 3 and up to 2 in 4: in 4 it is neither less nor more treatment.
    labels = found(path_of(C=(1, 1, 0.5, 2)), "switchers", "cells", placebos=0).labels
    assert list(zip(labels["direction"], labels["period"], strict=True)) == [("in", 3), ("in", 4), ("out", 3)]


def test_without_intensity_the_path_follows_the_start(written: Make, build: Callable[..., Panel], found: Found) -> None:
    # C and D have the reform throughout and do not change: they are neither switchers nor compared with A.
    result = found(build(written(OUTCOME, first=FIRST)), "switchers", "event_time")
    assert result.estimates.tolist() == pytest.approx([0, 0, 4, 1, 2.5])
    assert not result.used[2:].any()


@pytest.mark.skipif(not MPDTA.exists(), reason="../shared/data/did_bench/mpdta.csv is not here")
def test_equal_to_didmultiplegtdyn_on_mpdta(reference: Path, found: Found) -> None:
    rows = json.loads((reference / "etwfe_dcdh_mpdta.json").read_text(encoding="utf-8"))["dcdh"]
    panel = Panel.from_frame(pd.read_csv(MPDTA), "countyreal", "year", "first.treat", "lemp")
    event = found(panel, "switchers", "event_time", effects=3, placebos=2)
    total = found(panel, "switchers", effects=3)
    got = event.inference("influence").frame().set_index("event_time")
    expected = {e: row for e, row in enumerate(rows["effects"])} | {-2 - p: row for p, row in enumerate(rows["placebos"])}
    for e, row in expected.items():
        assert got.loc[e, ["estimate", "std_error"]].tolist() == pytest.approx([row["Estimate"], row["SE"]], rel=1e-6), e
        assert got.loc[e, ["lower", "upper"]].tolist() == pytest.approx([row["LB CI"], row["UB CI"]], rel=1e-6), e
        at = event.labels["event_time"].eq(e).to_numpy(bool, na_value=False)
        assert event.support[:, at].sum() == row["Switchers"], e
    (row,) = rows["ate"]
    one = total.inference("influence").frame().iloc[0]
    assert one[["estimate", "std_error"]].tolist() == pytest.approx([row["Estimate"], row["SE"]], rel=1e-6)
    assert one[["lower", "upper"]].tolist() == pytest.approx([row["LB CI"], row["UB CI"]], rel=1e-6)


def test_equal_to_a_peer_where_treatment_goes_up_down_and_back(
    reference: Path, peers: dict[str, Any], build: Callable[..., Panel], found: Found, by_label: Read
) -> None:
    frame = pd.read_csv(reference / "switching.csv")
    starts = frame[frame["intensity"] > 0].groupby("unit")["period"].min()
    frame["first"] = frame["unit"].map(starts).fillna(0).astype(int)
    got = by_label(found(build(frame, intensity="intensity"), "switchers", "event_time"), "event_time")
    for horizon, value in peers["switching"]["effects"].items():
        assert got[int(horizon) - 1] == pytest.approx(value, rel=1e-9), horizon
    for horizon, value in peers["switching"]["placebos"].items():
        assert got[int(horizon) - 1] == pytest.approx(value, rel=1e-9), horizon


@pytest.mark.parametrize("starts", [(0, 3, 5), (3, 5, 6)])
def test_on_and_never_off_is_group_time_with_not_yet_treated(
    draw: Make, build: Callable[..., Panel], found: Found, by_label: Read, starts: tuple[int, ...]
) -> None:
    panel = build(draw(starts=starts))
    cells = found(panel, "switchers", "cells", small_sample="none", placebos=0)
    same = found(panel, "group_time", "cells", control="not_yet_treated")
    keep = (same.labels["kind"] == "post").to_numpy()
    assert by_label(cells, "cohort", "period") == pytest.approx(by_label(same.rows(keep), "cohort", "period"))
    assert cells.scores == pytest.approx(same.scores[:, keep], abs=1e-12)
    for aggregate in ("overall", "event_time"):
        mine, other = found(panel, "switchers", aggregate), found(panel, "group_time", aggregate, control="not_yet_treated")
        post = [r.estimates[~r.labels["kind"].isin(["pre", "reference"])] for r in (mine, other)]
        assert post[0] == pytest.approx(post[1])


def test_one_cohort_and_never_treated_is_group_time_before_too(
    draw: Make, build: Callable[..., Panel], found: Found, by_label: Read
) -> None:
    panel = build(draw(starts=(0, 4)))
    mine = by_label(found(panel, "switchers", "event_time"), "event_time")
    other = by_label(found(panel, "group_time", "event_time", base="universal"), "event_time")
    assert mine == pytest.approx(other)


def test_refused_when_nobody_changes_that_way(build: Callable[..., Panel], draw: Make) -> None:
    refusal = estimate(build(draw()), "switchers", switchers="out")
    assert isinstance(refusal, NotEstimable) and "no unit's treatment goes down" in refusal.reason


def test_refused_without_a_stable_comparison(written: Make, build: Callable[..., Panel], path_of: Callable[..., Panel]) -> None:
    everyone = estimate(build(written(OUTCOME, first=dict.fromkeys("ABCD", 3))), "switchers")
    assert isinstance(everyone, NotEstimable) and everyone.reason == "all 4 units change at once"
    alone = estimate(path_of(B=(0.25, 0.25, 0.25, 0.25), C=(1, 1, 1, 1)), "switchers")
    assert isinstance(alone, NotEstimable) and alone.reason.startswith("no stable comparison exists at any period")
    unseen = written({**OUTCOME, "B": (1, 2, float("nan"), float("nan"))}, first={"A": 3})
    refusal = estimate(build(unseen[unseen["unit"].isin(["A", "B"])]), "switchers")
    assert isinstance(refusal, NotEstimable) and "no change has a stable comparison" in refusal.reason


def test_changes_without_a_stable_comparison_are_named(path_of: Callable[..., Panel], found: Found) -> None:
    result = found(path_of(D=(1, 1, 1, 0)), "switchers", "cells")
    warning = next(w for w in result.warnings if "without a stable comparison" in w)
    assert warning.startswith("2 effects without") and "change from 1 in 3, in 4" in warning


def test_units_without_any_intensity_are_left_out(written: Make, build: Callable[..., Panel], found: Found) -> None:
    # D had the reform from the first period on, at an unknown intensity: C has nobody to compare with.
    paths = {**PATHS, "D": (float("nan"),) * 4}
    panel = build(written(OUTCOME, first=FIRST, intensity=paths), intensity="intensity")
    result = found(panel, "switchers", "cells", placebos=0)
    assert result.dropped == (("D", "its intensity is missing throughout"),)
    assert result.labels["direction"].tolist() == ["in", "in"]


@pytest.mark.parametrize(("option", "value"), [("effects", 0), ("effects", 1.5), ("placebos", -1), ("effects", True)])
def test_a_wrong_number_of_horizons_is_refused(panel: Panel, option: str, value: object) -> None:
    with pytest.raises(OptionError, match=option):
        estimate(panel, "switchers", **{option: value})
