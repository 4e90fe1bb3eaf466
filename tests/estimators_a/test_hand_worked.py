"""Four units, four periods: numbers that a reader can follow with a pencil.

    period        1  2  3  4
    early         1  1  4  5     starts in 3
    late          2  2  3  6     starts in 4
    never one     0  0  1  1
    never two     4  4  5  5

Untreated cells are unit level (1, 2, 0, 4) plus 0, 0, 1, 1 by period, exactly. So the untreated outcomes of the treated cells are
early: 2, 2; late: 3; and the effects are early in 3: 2; early in 4: 3; late in 4: 3.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log, sqrt

import numpy as np
import pandas as pd
import pytest

from evaluation import Panel, Result

Run = Callable[..., Result]
OUTCOMES = {"early": (1, 1, 4, 5), "late": (2, 2, 3, 6), "one": (0, 0, 1, 1), "two": (4, 4, 5, 5)}
COUNTS = {"early": (1, 1, 6, 8), "late": (3, 3, 6, 12), "one": (2, 2, 4, 4), "two": (4, 4, 8, 8)}
STARTS = {"early": 3, "late": 4, "one": 0, "two": 0}


def panel_of(outcomes: dict[str, tuple[int, ...]]) -> Panel:
    rows = [(unit, t + 1, STARTS[unit], float(y)) for unit, line in outcomes.items() for t, y in enumerate(line)]
    return Panel.from_frame(pd.DataFrame(rows, columns=["unit", "period", "first", "y"]), "unit", "period", "first", "y")


@pytest.fixture(scope="module")
def panel() -> Panel:
    return panel_of(OUTCOMES)


FOUR = ["imputation", "two_stage", "interaction_weighted", "extended_two_way"]


@pytest.mark.parametrize("name", FOUR)
def test_overall_is_the_mean_of_the_three_effects(panel: Panel, run: Run, name: str) -> None:
    assert run(panel, name).estimates == pytest.approx([(2 + 3 + 3) / 3])


@pytest.mark.parametrize("name", FOUR)
def test_each_treated_cell(panel: Panel, run: Run, name: str) -> None:
    frame = run(panel, name, "cells").frame()
    frame = frame[frame["kind"] == "post"]
    assert frame[["cohort", "period", "estimate"]].to_numpy(float) == pytest.approx(np.array([[3, 3, 2], [3, 4, 3], [4, 4, 3]]))


@pytest.mark.parametrize("name", FOUR)
@pytest.mark.parametrize(
    ("aggregate", "rows", "average"),
    [
        ("event_time", {0: 2.5, 1: 3.0}, 2.75),  # 0: early in 3 and late in 4; 1: early in 4
        ("cohort", {3: 2.5, 4: 3.0}, 2.75),  # one unit each
        ("calendar", {3: 2.0, 4: 3.0}, 2.5),
    ],
)
def test_every_average(panel: Panel, run: Run, name: str, aggregate: str, rows: dict[int, float], average: float) -> None:
    frame = run(panel, name, aggregate).frame()
    post = frame[frame["kind"] == "post"]
    assert post["estimate"].tolist() == pytest.approx(list(rows.values()))
    assert frame["estimate"].iloc[-1] == pytest.approx(average)
    assert frame["kind"].iloc[-1] == "average"


def test_weights_of_imputation_on_cells(panel: Panel, run: Run) -> None:
    """Late in 4 counts in full, its own periods before count for −1 together, and the never treated for the opposite."""
    cell = run(panel, "imputation", "cells").weights_frame(2)
    late = cell[cell["unit"] == "late"].set_index("period")["weight"]
    assert late[4] == pytest.approx(1.0)
    assert late[[1, 2, 3]].sum() == pytest.approx(-1.0)
    never = cell[cell["unit"].isin(["one", "two"])].groupby("period")["weight"].sum()
    assert never[4] == pytest.approx(-1.0)
    assert never[[1, 2, 3]].sum() == pytest.approx(1.0)


def test_error_of_two_stage(panel: Panel, run: Run) -> None:
    """First-stage residuals are 0, so what counts is the distance from the mean 8/3: early −2/3 + 1/3, late 1/3; over 3."""
    result = run(panel, "two_stage")
    assert result.scores[:, 0] == pytest.approx([-1 / 9, 1 / 9, 0, 0], abs=1e-12)
    assert result.frame(factor="none")["std_error"][0] == pytest.approx(sqrt(2) / 9)


def test_error_of_imputation_centred_by_event_time(panel: Panel, run: Run) -> None:
    """Event time 0 holds the effects 2 and 3 against 2.5: scores −0.5/3 and 0.5/3; event time 1 has one unit and adds nothing."""
    result = run(panel, "imputation", average_by="event_time")
    assert result.scores[:, 0] == pytest.approx([-1 / 6, 1 / 6, 0, 0], abs=1e-12)


def test_error_of_imputation_left_out(panel: Panel, run: Run) -> None:
    """Each unit's effect at 0 is held against the other's: 2 against 3, 3 against 2. The one effect at 1 is held against 0."""
    result = run(panel, "imputation", average_by="event_time", leave_out=True)
    assert result.scores[:, 0] == pytest.approx([(-1 + 3) / 3, 1 / 3, 0, 0], abs=1e-12)


def test_error_of_imputation_centred_by_cohort(panel: Panel, run: Run) -> None:
    """Early's two cells share a group of one unit: (1/3+1/3)(2/3+3/3)/(2/3)² = 2.5; its score is (2−2.5+3−2.5)/3 = 0."""
    result = run(panel, "imputation", average_by="cohort")
    assert result.scores[:, 0] == pytest.approx([0, 0, 0, 0], abs=1e-12)


def test_interaction_weighted_before_the_start(panel: Panel, run: Run) -> None:
    """Early compares with period 2, late with period 3, both with the never treated: (2 − 3) − (0 − 1) = 0 for late at −2."""
    frame = run(panel, "interaction_weighted", "event_time").frame()
    assert frame["event_time"].tolist()[:-1] == [-3, -2, -1, 0, 1]
    assert frame["estimate"].tolist() == pytest.approx([0, 0, 0, 2.5, 3, 2.75], abs=1e-12)
    assert frame["kind"].tolist() == ["pre", "pre", "reference", "post", "post", "average"]


def test_stacked(panel: Panel, run: Run) -> None:
    """The longest window that both starts have is −2 to 0. Early rises 3 where late and the never treated rise 1: 2. Late rises 3
    where the never treated rise 0: 3. Each has half of the treated units: 2.5."""
    frame = run(panel, "stacked", "event_time").frame()
    assert frame["event_time"].tolist()[:-1] == [-2, -1, 0]
    assert frame["estimate"].tolist() == pytest.approx([0.0, 0.0, 2.5, 2.5], abs=1e-12)


def test_local_projections(panel: Panel, run: Run) -> None:
    """At 0: in period 3 one of four starts (effect 2, weight 4·¼·¾ = ¾); in period 4 one of three (effect 3, weight 3·⅓·⅔ = ⅔):
    (2·¾ + 3·⅔)/(¾ + ⅔) = 42/17. At 1: early against the never treated: (5 − 1) − 1 = 3. Reweighted, at 0: (2 + 3)/2."""
    frame = run(panel, "local_projections", "event_time").frame().set_index("event_time")
    assert frame.loc[0, "estimate"] == pytest.approx(42 / 17)
    assert frame.loc[1, "estimate"] == pytest.approx(3.0)
    again = run(panel, "local_projections", "event_time", reweight=True).frame().set_index("event_time")
    assert again.loc[0, "estimate"] == pytest.approx(2.5)


@pytest.mark.parametrize("effects", ["unit", "cohort"])
def test_poisson(run: Run, effects: str) -> None:
    """Untreated means are a level times 1, 1, 2, 2: early's would be 2 and 2 where it has 6 and 8, late's 6 where it has 12."""
    counts = panel_of(COUNTS)
    frame = run(counts, "extended_two_way", "cells", family="poisson", effects=effects).frame()
    assert frame["estimate"].tolist() == pytest.approx([4, 6, 6])
    logs = run(counts, "extended_two_way", "cells", family="poisson", scale="log", effects=effects).frame()
    assert logs["estimate"].tolist() == pytest.approx([log(3), log(4), log(2)])
    assert run(counts, "extended_two_way", family="poisson", effects=effects).estimates == pytest.approx([16 / 3])
