"""Doses, small enough to follow with a pencil.

           period   1  2  3  4     starts in   dose
  A                 1  2  4  5     3           1
  B                 2  3  9 12     3           3
  C                 1  2  3  4     never
  D                 3  3  3  5     never

Changes since period 2: A 2, 3; B 6, 9; mean of C and D 0.5, 2.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evaluation import NotEstimable, OptionError, Panel, Result, estimate

OUTCOME = {"A": (1, 2, 4, 5), "B": (2, 3, 9, 12), "C": (1, 2, 3, 4), "D": (3, 3, 3, 5)}
DOSES = {"A": (0, 0, 1, 1), "B": (0, 0, 3, 3), "C": (0, 0, 0, 0), "D": (0, 0, 0, 0)}
FIRST = {"A": 3, "B": 3}

Found, Read, Make = Callable[..., Result], Callable[..., dict[Any, float]], Callable[..., pd.DataFrame]


@pytest.fixture
def panel(written: Make, build: Callable[..., Panel]) -> Panel:
    region = {"A": "North", "B": "North", "C": "South", "D": "South"}
    return build(written(OUTCOME, first=FIRST, intensity=DOSES, region=region), intensity="intensity", region="region")


def test_slopes_by_hand(panel: Panel, found: Found, by_label: Read) -> None:
    # In 3: (6 − 2) ÷ (3 − 1) = 2, in 4: (9 − 3) ÷ 2 = 3. Before, 1 on 2: both change by −1: 0.
    overall = found(panel, "dose")
    assert overall.estimates[0] == pytest.approx(2.5)
    event = found(panel, "dose", "event_time")
    assert by_label(event, "event_time") == pytest.approx({-2: 0, -1: 0, 0: 2, 1: 3, None: 2.5})
    assert by_label(found(panel, "dose", "calendar"), "period") == pytest.approx({3: 2, 4: 3, None: 2.5})
    assert overall.weights.toarray().reshape(4, 4).tolist() == [
        [0, 0.5, -0.25, -0.25],
        [0, -0.5, 0.25, 0.25],
        [0, 0, 0, 0],
        [0, 0, 0, 0],
    ]
    assert any("only under strong parallel trends" in warning for warning in overall.warnings)


def test_levels_by_hand(panel: Panel, found: Found, by_label: Read) -> None:
    # A: (2 − 0.5 + 3 − 2) ÷ 2 = 1.25. B: (6 − 0.5 + 9 − 2) ÷ 2 = 6.25. Both: 3.75.
    bins = found(panel, "dose", "cells", bins=2)
    assert by_label(bins, "dose") == pytest.approx({"1 to 2": 1.25, "2 to 3": 6.25, None: 3.75})
    assert bins.labels["mean_dose"].tolist() == [1, 3, 2]
    assert by_label(bins, "dose_from", "dose_to") == pytest.approx({(1, 2): 1.25, (2, 3): 6.25, (None, None): 3.75})
    assert found(panel, "dose", target="level").estimates[0] == pytest.approx(3.75)
    assert any("who chose it" in warning for warning in bins.warnings)


def test_bins_parted_by_the_reader(panel: Panel, found: Found, by_label: Read) -> None:
    # A bin takes its lower end: 3 is in the last. Ends outside the doses, and bins without a unit, are left out.
    assert by_label(found(panel, "dose", "cells", bins=[3]), "dose") == pytest.approx(
        {"1 to 3": 1.25, "3 to 3": 6.25, None: 3.75}
    )
    assert by_label(found(panel, "dose", "cells", bins=[0.5, 1.5, 2.5, 9]), "dose") == pytest.approx(
        {"1 to 1.5": 1.25, "2.5 to 3": 6.25, None: 3.75}
    )


def test_the_error_of_a_slope_by_hand(written: Make, build: Callable[..., Panel], found: Found) -> None:
    # Doses 1, 2, 3 and changes 1, 4, 3: slope (3 − 1) ÷ 2 = 1, fitted 5/3, 8/3, 11/3. Scores: −½, 0, ½ × (−2/3, 4/3, −2/3).
    outcome = {"A": (0, 1), "B": (0, 4), "C": (0, 3)}
    frame = written(outcome, first=dict.fromkeys("ABC", 2), intensity={"A": (0, 1), "B": (0, 2), "C": (0, 3)})
    result = found(build(frame, intensity="intensity"), "dose")
    assert result.estimates[0] == pytest.approx(1)
    assert result.scores[:, 0] == pytest.approx([1 / 3, 0, -1 / 3])
    assert result.inference("influence").std_error[0] == pytest.approx(np.sqrt(2) / 3)
    assert not result.compared.any()  # all start at once: the doses compare with each other


def test_a_curve_by_hand(written: Make, build: Callable[..., Panel], found: Found) -> None:
    # Changes d² at 1, 2, 3: the curve goes through all of them; its slope 2d has the mean 4. Each unit's slope less the mean
    # is its score (÷ 3): −2/3, 0, 2/3.
    outcome = {"A": (0, 1), "B": (0, 4), "C": (0, 9)}
    frame = written(outcome, first=dict.fromkeys("ABC", 2), intensity={"A": (0, 1), "B": (0, 2), "C": (0, 3)})
    result = found(build(frame, intensity="intensity"), "dose", degree=2)
    assert result.estimates[0] == pytest.approx(4)
    assert result.scores[:, 0] == pytest.approx([-2 / 3, 0, 2 / 3])


@pytest.mark.parametrize("control", ["never_treated", "not_yet_treated"])
@pytest.mark.parametrize("degree", [1, 2, 3])
def test_equal_to_a_peer(
    reference: Path, peers: dict[str, Any], build: Callable[..., Panel], found: Found, control: str, degree: int
) -> None:
    # The peer's overall is the mean over cohorts of the mean over periods: here the average of `cohort`. Its error takes the
    # cohorts' shares, and the doses, as given: the same as ours by cohort, and for the slope of a line.
    panel, expected = build(pd.read_csv(reference / "doses.csv"), intensity="intensity"), peers["doses"][f"{control},{degree}"]
    share = np.array([(panel.cohort == cohort).sum() for cohort in np.unique(panel.cohort[panel.treated])])
    for target in ("slope", "level"):
        result = found(panel, "dose", "cohort", control=control, degree=degree, target=target)
        estimate_, error = expected[target]
        assert result.estimates[-1] == pytest.approx(estimate_, rel=1e-9)
        without_shares = float(np.sqrt(((result.scores[:, :-1] @ (share / share.sum())) ** 2).sum()))
        if target == "level" or degree == 1:
            assert without_shares == pytest.approx(error, rel=1e-9)
        else:
            assert without_shares > error


def test_the_slope_is_statsmodels_and_numpys(build: Callable[..., Panel], reference: Path, found: Found) -> None:
    # One cohort and period: an ordinary line through (dose, change), with White's errors.
    frame = pd.read_csv(reference / "doses.csv")
    panel = build(frame[frame["first"].isin([0, 5])], intensity="intensity")
    treated = frame[frame["first"] == 5].pivot(index="unit", columns="period", values="y")
    dose = frame[frame["first"] == 5].groupby("unit")["dose"].first()
    columns = np.column_stack([np.ones(len(dose)), dose])
    change = (treated[6] - treated[4]).to_numpy()
    line = np.linalg.lstsq(columns, change, rcond=None)[0]
    bread = np.linalg.inv(columns.T @ columns)
    meat = columns.T @ (columns * ((change - columns @ line) ** 2)[:, None])
    row = found(panel, "dose", "event_time").inference("influence").frame().set_index("event_time").loc[1]
    assert row["estimate"] == pytest.approx(line[1])
    assert row["std_error"] == pytest.approx(np.sqrt((bread @ meat @ bread)[1, 1]))


@pytest.mark.parametrize("aggregate", ["overall", "event_time", "cohort", "calendar", "region"])
@pytest.mark.parametrize("control", ["never_treated", "not_yet_treated"])
def test_the_level_is_group_time(draw: Make, build: Callable[..., Panel], found: Found, aggregate: str, control: str) -> None:
    panel = build(draw(), intensity="kept", region="region")
    mine = found(panel, "dose", aggregate, target="level", control=control)
    same = found(panel, "group_time", aggregate, control=control, base="universal")
    assert mine.estimates == pytest.approx(same.estimates)
    assert mine.scores == pytest.approx(same.scores, abs=1e-12)


def test_one_cohort_and_two_periods_is_two_by_two(draw: Make, build: Callable[..., Panel], found: Found) -> None:
    panel = build(draw(periods=2, starts=(0, 2)), intensity="kept")
    assert found(panel, "dose", target="level").estimates == pytest.approx(found(panel, "two_by_two").estimates)


def test_the_first_dose_counts_and_changes_are_said(draw: Make, build: Callable[..., Panel], found: Found) -> None:
    frame = draw()
    kept, stopped = build(frame, intensity="kept"), build(frame, intensity="intensity")
    assert found(kept, "dose").estimates == pytest.approx(found(stopped, "dose").estimates)
    assert not any("did not keep" in warning for warning in found(kept, "dose").warnings)
    assert any(warning.startswith("8 units did not keep one dose") for warning in found(stopped, "dose").warnings)


def test_units_without_a_dose_are_left_out(written: Make, build: Callable[..., Panel], found: Found) -> None:
    outcome = {**OUTCOME, "E": (1, 1, 1, 1)}
    frame = written(outcome, first={**FIRST, "E": 3}, intensity={**DOSES, "E": (0, 0, 0, 0)})
    result = found(build(frame, intensity="intensity"), "dose")
    assert result.dropped == (("E", "treated, but its intensity is nowhere above 0: it has no dose"),)
    assert result.estimates[0] == pytest.approx(2.5)


def test_cohorts_with_one_dose_have_no_slope(draw: Make, build: Callable[..., Panel], found: Found) -> None:
    frame = draw()
    frame["kept"] = frame["kept"].mask((frame["first"] == 3) & (frame["kept"] > 0), 1.0)
    result = found(build(frame, intensity="kept"), "dose", "cohort")
    assert result.labels["cohort"].tolist()[0] == 5 and len(result.labels) == 2
    assert any("with too few different doses left out" in warning for warning in result.warnings)


def test_refusals(written: Make, draw: Make, build: Callable[..., Panel]) -> None:
    def refusal(panel: Panel, aggregate: str = "overall", **options: Any) -> NotEstimable:
        result = estimate(panel, "dose", aggregate=aggregate, **options)
        assert isinstance(result, NotEstimable)
        return result

    assert "no intensity" in refusal(build(written(OUTCOME, first=FIRST))).reason
    equal = {**DOSES, "B": (0, 0, 1, 1)}
    alike = refusal(build(written(OUTCOME, first=FIRST, intensity=equal), intensity="intensity"))
    assert alike.reason.startswith("all doses are equal (1)") and "group_time" in alike.remedy
    none = written(OUTCOME, first=FIRST, intensity={u: (0, 0, 0, 0) for u in OUTCOME})
    assert "no treated unit has an intensity above 0" in refusal(build(none, intensity="intensity")).reason
    within = build(written(OUTCOME, first={"A": 3, "B": 4}, intensity={**DOSES, "B": (0, 0, 0, 3)}), intensity="intensity")
    assert "no cohort has 2 or more different doses" in refusal(within).reason
    assert "no cohort has 4 or more different doses" in refusal(build(draw(), intensity="kept"), degree=3).reason
    alone = build(draw().assign(region=lambda f: f["authority"]), intensity="kept", region="region")
    assert "no cohort within one region has 2" in refusal(alone, "region").reason
    together = build(draw(starts=(3,)), intensity="kept")
    assert isinstance(estimate(together, "dose"), Result)
    assert "start at once" in refusal(together, target="level").reason and "target='slope'" in refusal(together, "cells").remedy
    assert "none is never treated" in refusal(build(draw(starts=(3, 5)), intensity="kept"), "cells").reason
    assert "treated throughout" in refusal(build(draw(starts=(0, 1)), intensity="kept")).reason


@pytest.mark.parametrize(
    ("option", "value"),
    [("degree", 0), ("anticipation", -1), ("bins", 0), ("bins", [2, 1]), ("bins", []), ("bins", "3"), ("bins", [1, "x"])],
)
def test_wrong_options_are_refused(panel: Panel, option: str, value: object) -> None:
    with pytest.raises(OptionError, match=option):
        estimate(panel, "dose", **{option: value})
