"""Balance before the start, and returns that went missing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from evaluation import Panel
from evaluation.robustness import Ask, balance, missing_returns, missing_returns_value
from evaluation.robustness.paths import Paths, learn
from evaluation.robustness.refit import without_cells

Make = Callable[..., Panel]
ASK = Ask("group_time")


def test_balance_is_least_squares_on_unit_means_with_clustered_errors(small: Make) -> None:
    # Tolerance 1e-10: statsmodels' clustered error, its factor G/(G − 1) × (n − 1)/(n − k) taken back to G/(G − 1).
    panel = small(seed=7, starts=(4, 5))
    row = balance(panel).rows[0]
    mean = panel.values[0][:, :3].mean(axis=1)
    fit = sm.OLS(mean, sm.add_constant(panel.treated.astype(float))).fit(
        cov_type="cluster", cov_kwds={"groups": panel.cluster_codes()[1]}
    )
    error = fit.bse[1] * np.sqrt((18 - 2) / (18 - 1))
    assert row["difference"] == pytest.approx(fit.params[1], rel=1e-10)
    assert row["std_error"] == pytest.approx(error, rel=1e-10)
    spread = np.sqrt((mean[panel.treated].var(ddof=1) + mean[~panel.treated].var(ddof=1)) / 2)
    assert row["standardised"] == pytest.approx(row["difference"] / spread)


def test_a_difference_in_level_is_some_and_in_change_serious(small: Make) -> None:
    panel = small(treated=10, others=10, noise=0.3, periods=8, starts=(6,))
    assert balance(panel).rows[1]["kind"] == "change"
    level = replace(panel, values=panel.values + 5 * panel.treated[None, :, None])
    drift = small(treated=10, others=10, noise=0.3, periods=8, starts=(6,), drift=0.4)
    assert balance(level).concern == "some" and "Their levels differed in y" in balance(level).reading
    assert balance(drift).concern == "serious" and "already moving apart in y" in balance(drift).reading
    slopes = balance(drift).rows[1]
    assert slopes["difference"] == pytest.approx(0.4, abs=0.1)


def test_balance_of_covariates_and_of_one_period_before(small: Make) -> None:
    check = balance(small(covariates=["z"], starts=(2,)))
    assert [(row["name"], row["kind"]) for row in check.rows] == [("y", "level"), ("z", "level")]
    assert "cannot be told" in check.reading
    json.dumps(check.to_dict(), allow_nan=False)


def test_balance_needs_a_time_before_and_somebody_to_compare(small: Make) -> None:
    late = small(starts=(4, 6))
    assert "never starts" in balance(late.select(late.treated)).reading
    early = small(starts=(1, 4))
    assert "lies before the first start" in balance(early).reading


def test_slopes_with_gaps_are_least_squares(small: Make) -> None:
    panel = small(treated=2, others=2, periods=6, starts=(6,))
    gone = np.zeros((4, 6), bool)
    gone[0, 1] = gone[2, [0, 3]] = True
    panel = without_cells(panel, gone)
    row = balance(panel, "unit").rows[1]
    slope = []
    for i in range(4):
        seen = ~gone[i, :5]
        slope.append(np.polyfit(np.arange(5)[seen], panel.values[0, i, :5][seen], 1)[0])
    assert row["difference"] == pytest.approx(np.mean(slope[:2]) - np.mean(slope[2:]))


def test_missing_returns_by_hand(small: Make) -> None:
    panel = small(treated=10, others=10, starts=(4,))
    gone = np.zeros((20, 6), bool)
    gone[:5, 3:] = True  # half of the treated are missing from their start on
    gone[10, 0] = True
    check = missing_returns(without_cells(panel, gone), ASK)
    last = check.rows[-1]
    assert last["treated_before"] == 0 and last["treated_after"] == 0.5
    assert last["comparison_before"] == pytest.approx(1 / 30) and last["comparison_after"] == 0
    assert check.number == pytest.approx(0.5) and check.concern == "serious"
    assert [row["period"] for row in check.rows] == [1, 2, 3, 4, 5, 6, None]


def test_complete_and_evenly_missing_returns_are_no_concern(small: Make) -> None:
    panel = small(treated=60, others=120)
    assert missing_returns(panel, ASK).reading == "Every return is in."
    rng = np.random.default_rng(2)
    check = missing_returns(without_cells(panel, rng.random((180, 6)) < 0.03), ASK)
    assert check.concern == "none" and abs(check.number or 1) < 0.05


def test_a_missing_return_of_the_treated_is_worth_most(small: Make) -> None:
    panel = small(treated=6, others=30, starts=(6,))
    gone = np.zeros((36, 6), bool)
    gone[2, 5] = gone[20, 5] = gone[21, 1] = True
    panel_gone = without_cells(panel, gone)
    check = missing_returns_value(panel_gone, Ask("group_time", cluster="unit"))
    assert [(row["unit"], row["period"]) for row in check.rows][0] == (2, 6) and check.rows[0]["treated"]
    # Six treated changes instead of five, against 29 others; s² is the treated units' variance over the others'.
    paths = learn(panel_gone, np.arange(36))
    assert isinstance(paths, Paths)
    s = paths.treated_spread**2
    assert check.number == pytest.approx(1 - np.sqrt((s / 6 + 1 / 29) / (s / 5 + 1 / 29)), rel=1e-9)
    assert check.rows[1]["unit"] == 20 and check.rows[2]["shrinks"] == pytest.approx(0, abs=1e-12)
    assert "that of unit 2 for 6" in check.reading
    assert missing_returns_value(panel, ASK).reading == "No return is missing."


def test_row_order_changes_nothing(small: Make) -> None:
    frame = pd.DataFrame(
        {
            "unit": np.repeat(np.arange(12), 5),
            "period": np.tile(np.arange(5), 12),
            "first": np.repeat([3] * 4 + [0] * 8, 5),
            "y": np.random.default_rng(3).normal(size=60),
        }
    ).drop(index=[4, 17])
    panels = [
        Panel.from_frame(rows, unit="unit", period="period", first_treated="first", outcome="y")
        for rows in (frame, frame.sample(frac=1, random_state=1))
    ]
    for check in (balance, lambda p: missing_returns(p, ASK), lambda p: missing_returns_value(p, ASK)):
        assert check(panels[0]).to_dict() == check(panels[1]).to_dict()
