"""Eight units, two periods and one covariate of 0 and 1, to follow with a pencil.

           urban   before  after  change   starts in
  A          1       2       7      5      2
  B          1       1       8      7      2
  C          1       3       9      6      2
  D          0       4       8      4      2
  E          1       2       5      3      never
  F          0       1       2      1      never
  G          0       5       6      1      never
  H          0       2       6      4      never

Towns: treated change by 6 on average, comparison by 3: an effect of 3. Country: 4 less 2: an effect of 2. Three of four
treated are towns: (3 × 3 + 2) ÷ 4 = 2.75. Without the covariate: 5.5 − 2.25 = 3.25.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from evaluation import NotEstimable, Panel, Result, estimate

CHANGES = {
    "A": (1, 2, 5),
    "B": (1, 1, 7),
    "C": (1, 3, 6),
    "D": (0, 4, 4),
    "E": (1, 2, 3),
    "F": (0, 1, 1),
    "G": (0, 5, 1),
    "H": (0, 2, 4),
}
METHODS = ("regression", "ipw", "doubly_robust")


def panel(**changes: dict[str, object]) -> Panel:
    rows = [
        (unit, period, 2 if unit in "ABCD" else 0, urban, before + (period - 1) * change)
        for unit, (urban, before, change) in CHANGES.items()
        for period in (1, 2)
    ]
    frame = pd.DataFrame(rows, columns=["unit", "period", "first", "urban", "y"])
    return Panel.from_frame(frame.assign(**changes), "unit", "period", "first", "y", covariates=["urban"])


def found(given: Panel, **options: str) -> Result:
    result = estimate(given, "group_time", **options)
    assert isinstance(result, Result)
    return result


@pytest.mark.parametrize("method", METHODS)
def test_the_effect(method: str) -> None:
    # Regression: the comparison's change is 2 + 1 × urban; the treated would have had (3 × 3 + 2) ÷ 4 = 2.75 of their 5.5.
    # Inverse probability: three of four towns are treated, one of four in the country: odds 3 for E, ⅓ for F, G, H. Their
    # weighted change is (3 × 3 + ⅓ × 6) ÷ 4 = 2.75. Doubly robust: nothing is left of the regression to weigh.
    assert found(panel(), method=method).estimates[0] == pytest.approx(5.5 - 2.75)


def test_doubly_robust_is_the_default_and_unadjusted_is_had_by_name() -> None:
    assert found(panel()).options["method"] is None
    assert found(panel()).estimates[0] == found(panel(), method="doubly_robust").estimates[0]
    without = found(panel(), method="unadjusted")
    assert without.estimates[0] == pytest.approx(3.25)
    assert without.warnings == ("method='unadjusted': urban changed nothing.",)


@pytest.mark.parametrize("method", METHODS)
def test_the_weights_on_cells(method: str) -> None:
    # Treated ¼ each; E stands for three of the four treated, F, G and H share in the one that is left.
    weights = found(panel(), method=method).weights.toarray().reshape(8, 2)
    after = np.array([3, 3, 3, 3, -9, -1, -1, -1]) / 12
    assert weights == pytest.approx(np.column_stack([-after, after]))


@pytest.mark.parametrize("method", METHODS)
def test_the_error(method: str) -> None:
    # Treated: (change − what the comparison says − 2.75) ÷ 4. Comparison: −share × (change − mean of its kind).
    # A 5 − 3 − 2.75 = −¾, B 1¼, C ¼, D 4 − 2 − 2.75 = −¾, over 4; E nothing, F and G +1/12, H −2/12.
    result = found(panel(), method=method)
    scores = np.array([-3 / 16, 5 / 16, 1 / 16, -3 / 16, 0, 1 / 12, 1 / 12, -1 / 6])
    assert result.scores[:, 0] == pytest.approx(scores)
    assert result.inference("influence").std_error[0] == pytest.approx(np.sqrt((scores**2).sum()))
    assert result.inference().std_error[0] == pytest.approx(np.sqrt((scores**2).sum() * 8 / 7))


def test_a_town_without_comparison_has_no_overlap() -> None:
    # If E were in the country, no comparison unit would be a town.
    alone = panel(urban=[1] * 6 + [0] * 10)
    for method, words in (("ipw", "no overlap"), ("doubly_robust", "no overlap"), ("regression", "too alike in the covariates")):
        refusal = estimate(alone, "group_time", method=method)
        assert isinstance(refusal, NotEstimable)
        assert words in refusal.reason and refusal.remedy.startswith("Use fewer covariates")


def test_repeated_cross_sections() -> None:
    """Four groups of pupils who are not followed: means, with the number of pupils.

             before     after    starts in
    P      4 (10)     8 (30)     2
    Q      6 (30)     9 (10)     2
    R      3 (20)     4 (20)     never
    S      5 (20)     5 (20)     never
    """
    rows = [
        ("P", 1, 2, 4, 10), ("P", 2, 2, 8, 30), ("Q", 1, 2, 6, 30), ("Q", 2, 2, 9, 10),
        ("R", 1, 0, 3, 20), ("R", 2, 0, 4, 20), ("S", 1, 0, 5, 20), ("S", 2, 0, 5, 20),
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["unit", "period", "first", "y", "pupils"])
    result = found(Panel.from_frame(frame, "unit", "period", "first", "y", weight="pupils"), unbalanced="cross_sections")
    # Treated: 5.5 before (40 + 180 over 40), 8.25 after (240 + 90 over 40). Comparison: 4 before, 4.5 after. 2.75 − ½.
    assert result.estimates[0] == pytest.approx(2.25)
    # P: ¾ (8 − 8.25) − ¼ (4 − 5.5) = 3/16, Q its negative. R: −(½ (4 − 4.5) − ½ (3 − 4)) = −¼, S its negative.
    assert result.scores[:, 0] == pytest.approx([3 / 16, -3 / 16, -1 / 4, 1 / 4])
