"""Four units and four periods, small enough to follow with a pencil.

           period   1  2  3  4     starts in
  A  North          1  2  7  8     3
  B  South          2  3  4  9     4 (or 3, where both start together)
  C  North          1  2  3  4     never
  D  South          3  3  3  5     never

Mean of C and D: 2, 2.5, 3, 4.5.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evaluation import Panel, Result, estimate

OUTCOME = {"A": (1, 2, 7, 8), "B": (2, 3, 4, 9), "C": (1, 2, 3, 4), "D": (3, 3, 3, 5)}
REGION = {"A": "North", "B": "South", "C": "North", "D": "South"}


def panel(starts: dict[str, int]) -> Panel:
    rows = [(u, REGION[u], t + 1, starts.get(u, 0), y) for u, ys in OUTCOME.items() for t, y in enumerate(ys)]
    frame = pd.DataFrame(rows, columns=["unit", "region", "period", "first", "y"])
    return Panel.from_frame(frame, "unit", "period", "first", "y", cluster=["unit", "region"])


STAGGERED, TOGETHER = panel({"A": 3, "B": 4}), panel({"A": 3, "B": 3})


def found(given: Panel, name: str, aggregate: str = "overall", **options: Any) -> Result:
    result = estimate(given, name, aggregate=aggregate, **options)
    assert isinstance(result, Result)
    return result


def by_label(result: Result, *columns: str) -> dict[Any, float]:
    """Estimates by their labels; the average has the label None."""
    labels = [result.labels[column].tolist() for column in columns]
    keys = [tuple(None if pd.isna(value) else value for value in row) for row in zip(*labels, strict=True)]
    return {key[0] if len(key) == 1 else key: float(e) for key, e in zip(keys, result.estimates, strict=True)}


def test_two_by_two() -> None:
    # Before is the mean of periods 1 and 2, after of 3 and 4.
    # Changes: A 7.5 − 1.5 = 6, B 6.5 − 2.5 = 4; C 3.5 − 1.5 = 2, D 4 − 3 = 1.
    result = found(TOGETHER, "two_by_two")
    assert result.estimates[0] == pytest.approx((6 + 4) / 2 - (2 + 1) / 2)
    # Scores: half of each change less its side's mean: ½, −½, −¼, ¼. Their squares add to 5/8; times G/(G−1) = 4/3.
    row = result.frame().iloc[0]
    assert result.scores[:, 0] == pytest.approx([0.5, -0.5, -0.25, 0.25])
    assert row["std_error"] == pytest.approx(np.sqrt(5 / 8 * 4 / 3))
    assert row["df"] == 3


def test_two_by_two_of_one_cohort() -> None:
    # A alone: 6 − 1.5. One treated unit shows nothing of its own variation, so there is no error.
    result = found(STAGGERED, "two_by_two", cohort=3)
    assert result.estimates[0] == pytest.approx(4.5)
    assert np.isnan(result.inference().std_error[0])
    assert "rest on one treated unit" in result.inference().warnings[0]


def test_two_way_static() -> None:
    # Treatment less its unit and period means, in sixteenths; the sum of squares is 272/256.
    sixteenths = np.array([[-5, -5, 7, 3], [-1, -1, -5, 7], [3, 3, -1, -5], [3, 3, -1, -5]])
    outcome = np.array(list(OUTCOME.values()))
    # Times the outcome, by unit: 58, 38, −14, −10 sixteenths: 72/16. The effect is (72/16) ÷ (272/256) = 72/17.
    assert (sixteenths * outcome).sum(axis=1).tolist() == [58, 38, -14, -10]
    result = found(STAGGERED, "two_way_fixed_effects")
    assert result.estimates[0] == pytest.approx(72 / 17)
    assert result.weights.toarray().reshape(4, 4) == pytest.approx(sixteenths / 17)
    # Scores: of each unit, Σ treatment × (outcome − its means) less 72/17 × Σ treatment², over 272/256.
    products, squares = (30, 18, 10, 14), (108, 76, 44, 44)
    effect = Fraction(72, 17)
    scores = [(16 * p - effect * q) / 272 for p, q in zip(products, squares, strict=True)]
    assert sum(scores) == 0
    assert result.scores[:, 0] == pytest.approx([float(s) for s in scores])
    # CR1: 4/3 for four clusters; 15/11 for 16 cells and 5 parameters (a constant, three periods, the treatment).
    variance = sum(s**2 for s in scores) * Fraction(4, 3) * Fraction(15, 11)
    assert result.frame().iloc[0]["std_error"] == pytest.approx(np.sqrt(float(variance)))


def test_two_way_event_study() -> None:
    # One cohort: each effect is the change since period 2, treated less comparison. Treated means 1.5, 2.5, 5.5, 8.5.
    result = found(TOGETHER, "two_way_fixed_effects", "event_time")
    assert by_label(result, "event_time") == pytest.approx({-2: -0.5, -1: 0.0, 0: 2.5, 1: 4.0, None: 3.25})
    assert result.labels["kind"].tolist() == ["pre", "reference", "post", "post", "average"]
    # At 0 the changes are A 5, B 1; C 1, D 0: scores 1, −1, −¼, ¼, squares 17/8; 4/3, and 15/9 for 16 cells and 7 parameters.
    row = result.frame().iloc[2]
    assert row["std_error"] == pytest.approx(np.sqrt(17 / 8 * 4 / 3 * 15 / 9))
    assert np.isnan(result.inference().std_error[1])


def test_group_time_cells() -> None:
    # A since period 2: 7 − 2 less 3 − 2.5; 8 − 2 less 4.5 − 2.5. B since period 3: 9 − 4 less 4.5 − 3.
    # Before the start: on the period before.
    result = found(STAGGERED, "group_time", "cells")
    assert by_label(result, "cohort", "period") == pytest.approx(
        {(3, 2): 0.5, (3, 3): 4.5, (3, 4): 4.0, (4, 2): 0.5, (4, 3): 0.5, (4, 4): 3.5}
    )
    assert result.labels["kind"].tolist() == ["pre", "post", "post", "pre", "pre", "post"]


def test_group_time_cells_of_not_yet_treated() -> None:
    # B compares with A until period 3: changes of B, C, D from 2 to 3 are 1, 1, 0; of A, C, D from 1 to 2 are 1, 1, 0.
    result = found(STAGGERED, "group_time", "cells", control="not_yet_treated")
    assert by_label(result, "cohort", "period") == pytest.approx(
        {(3, 2): 1 / 3, (3, 3): 5 - 2 / 3, (3, 4): 4.0, (4, 2): 1 / 3, (4, 3): 0.5, (4, 4): 3.5}
    )


def test_group_time_cells_on_a_universal_base() -> None:
    # All on the period before the start: A in period 1 is 1 − 2 less 2 − 2.5.
    result = found(STAGGERED, "group_time", "cells", base="universal")
    cells = by_label(result, "cohort", "period")
    assert [cells[3, t] for t in (1, 2, 3, 4)] == pytest.approx([-0.5, 0.0, 4.5, 4.0])
    assert [cells[4, t] for t in (1, 2, 3, 4)] == pytest.approx([-1.0, -0.5, 0.0, 3.5])


def test_group_time_anticipated_by_one_period() -> None:
    # The base is one period earlier: A since period 1, B since period 2.
    cells = by_label(found(STAGGERED, "group_time", "cells", anticipation=1), "cohort", "period")
    assert cells == pytest.approx({(3, 2): 0.5, (3, 3): 5.0, (3, 4): 4.5, (4, 2): 0.5, (4, 3): 0.5, (4, 4): 4.0})


@pytest.mark.parametrize(
    ("aggregate", "column", "expected"),
    [
        ("event_time", "event_time", {-2: 0.5, -1: 0.5, 0: 4.0, 1: 4.0, None: 4.0}),
        ("cohort", "cohort", {3: 4.25, 4: 3.5, None: 3.875}),
        ("calendar", "period", {3: 4.5, 4: 3.75, None: 4.125}),
        ("region", "region", {"North": 4.25, "South": 3.5, None: 4.0}),
        ("overall", "kind", {"overall": 4.0}),
    ],
)
def test_group_time_aggregates(aggregate: str, column: str, expected: dict[Any, float]) -> None:
    # Cells after the start are 4.5 and 4 (A) and 3.5 (B): 12/3 overall. Cohorts: 4.25 and 3.5. Period 4: (4 + 3.5) ÷ 2.
    assert by_label(found(STAGGERED, "group_time", aggregate), column) == pytest.approx(expected)


def test_group_time_errors() -> None:
    # Both start in 3. Changes since 2 in period 3: A 5, B 1; C 1, D 0. In period 4: A 6, B 6; C 2, D 2. Overall their mean.
    result = found(TOGETHER, "group_time")
    assert result.estimates[0] == pytest.approx((2.5 + 4.0) / 2)
    # Scores in 3: 1, −1, −¼, ¼; in 4 all 0; the mean halves them. One cohort: no share is estimated. Factor 4/3.
    assert result.scores[:, 0] == pytest.approx([0.5, -0.5, -0.125, 0.125])
    assert result.frame().iloc[0]["std_error"] == pytest.approx(np.sqrt(17 / 32 * 4 / 3))
    # By region the sums are ½ − ⅛ and its negative: factor 2, 1 degree of freedom.
    row = result.frame(cluster="region").iloc[0]
    assert row["std_error"] == pytest.approx(np.sqrt(2 * 0.375**2 * 2))
    assert row["df"] == 1


def test_regions_have_errors_by_unit_and_none_by_region() -> None:
    frame = found(TOGETHER, "group_time", "region")
    by_region = frame.inference(cluster="region")
    assert np.isnan(by_region.std_error[:2]).all() and np.isfinite(by_region.std_error[2])
    assert by_region.treated_clusters.tolist() == [1, 1, 2]
    assert "2 of 3 effects rest on one treated region" in by_region.warnings[0]


def test_the_influence_of_estimated_shares() -> None:
    # Overall of the staggered panel: cells 4.5 and 4 (A) and 3.5 (B), each a third. A's share is 2 of 3 cells, B's 1 of 3.
    result = found(STAGGERED, "group_time")
    # Each unit's share moves the mean by its cells' effects less 4: A (0.5 + 0) ÷ 3, B −0.5 ÷ 3. C and D: halves of the
    # changes of their side: C in the three cells 1, 2, 1 against means 0.5, 2, 1.5; D 0, 2, 2.
    c = -(1 - 0.5 + 2 - 2 + 1 - 1.5) / 2 / 3
    d = -(0 - 0.5 + 2 - 2 + 2 - 1.5) / 2 / 3
    assert result.scores[:, 0] == pytest.approx([0.5 / 3, -0.5 / 3, c, d])
