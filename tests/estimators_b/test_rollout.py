from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evaluation import NotEstimable, Panel, Result, estimate
from evaluation.errors import OptionError

EXACT = 1e-6
AGGREGATES = ("overall", "cells", "event_time", "cohort", "calendar")


def fitted(panel: Panel, **options: Any) -> Result:
    result = estimate(panel, "rollout", **options)
    assert isinstance(result, Result), result
    return result


def refused(panel: Panel, **options: Any) -> NotEstimable:
    result = estimate(panel, "rollout", **options)
    assert isinstance(result, NotEstimable), result
    return result


def errors(result: Result) -> np.ndarray:
    return result.inference("influence", cluster=result.panel.unit).std_error


HAND = {
    "a": (3, [0.0, 1.0, 5.0, 5.0]),
    "b": (3, [0.0, 3.0, 9.0, 9.0]),
    "c": (0, [0.0, 2.0, 2.0, 2.0]),
    "d": (0, [0.0, 4.0, 4.0, 4.0]),
}


def test_by_hand(table: Callable[..., Panel]) -> None:
    # after: (5 + 9)/2 − (2 + 4)/2 = 4; one period before: 2 − 3 = −1; β = 1 gives 4 + 1
    panel = table(HAND)
    plain = fitted(panel, beta="callaway_santanna", errors="neyman")
    assert plain.estimates == pytest.approx([5.0], rel=1e-12)
    # changes of a and b are 4 and 6, of variance 2; of c and d nil: 2/2 + 0/2
    assert errors(plain) == pytest.approx([1.0], rel=1e-12)
    # period 2 has variance 2 in both cohorts: var X̂ = 2/2 + 2/2 = 2; with after: 4/2 + 2/2 = 3; β* = 3/2
    best = fitted(panel, errors="neyman")
    assert best.estimates == pytest.approx([4 + 1.5], rel=1e-12)
    # after less 1.5 × before: 3.5 and 4.5, −1 and −2: 0.5/2 + 0.5/2
    assert errors(best) == pytest.approx([np.sqrt(0.5)], rel=1e-12)


def test_adjusted_error_by_hand(table: Callable[..., Panel]) -> None:
    # slopes of after on period 2: 4/2 = 2 for the treated, −2/2 = −1 for the rest; (2 − 1)² × 2 / 4 units = 1/2 is taken off
    plain = fitted(table(HAND), beta="callaway_santanna")
    assert errors(plain) == pytest.approx([np.sqrt(1.0 - 0.5)], rel=1e-12)
    assert "41.4%" in plain.warnings[1]
    # of the efficient estimate's 1/2 nothing is left: no error, said so, and never a zero
    best = fitted(table(HAND))
    assert best.estimates == pytest.approx([5.5], rel=1e-12)
    assert np.isnan(errors(best)).all()
    assert any("1 of 1 effects have no adjusted error" in warning for warning in best.warnings)


@pytest.mark.parametrize(("beta", "key"), [("efficient", "staggered_simple"), ("callaway_santanna", "staggered_cs_simple")])
def test_equals_staggered_on_the_golden_panel(golden_panel: Panel, reference: dict[str, Any], beta: str, key: str) -> None:
    wanted = reference["panel"][key][0]
    result = fitted(golden_panel, beta=beta)
    assert result.estimates == pytest.approx([wanted["estimate"]], rel=EXACT)
    assert errors(result) == pytest.approx([wanted["se"]], rel=EXACT)
    assert errors(fitted(golden_panel, beta=beta, errors="neyman")) == pytest.approx([wanted["se_neyman"]], rel=EXACT)


@pytest.fixture(scope="module")
def officers(shared: Callable[[str], pd.DataFrame]) -> Panel:
    """The Chicago police set of R's `staggered`, which ../shared does not have yet: a CSV of it there makes these tests run."""
    rows = shared("pj_officer_level_balanced.csv")
    return Panel.from_frame(rows, "uid", "period", "first_trained", "complaints")


@pytest.mark.parametrize(
    ("key", "options"),
    [
        ("staggered_simple", {}),
        ("staggered_cohort", {"aggregate": "cohort"}),
        ("staggered_calendar", {"aggregate": "calendar"}),
        ("staggered_cs", {"beta": "callaway_santanna"}),
        ("staggered_sa", {"beta": "sun_abraham"}),
    ],
)
def test_equals_staggered_on_police_training(
    officers: Panel, reference: dict[str, Any], key: str, options: dict[str, Any]
) -> None:
    wanted = reference["pj"][key][0]
    result, plain = fitted(officers, **options), fitted(officers, **options, errors="neyman")
    assert result.estimates[-1] == pytest.approx(wanted["estimate"], rel=EXACT)
    assert errors(result)[-1] == pytest.approx(wanted["se"], rel=EXACT)
    assert errors(plain)[-1] == pytest.approx(wanted["se_neyman"], rel=EXACT)


def test_event_study_equals_staggered_on_police_training(officers: Panel, reference: dict[str, Any]) -> None:
    wanted = pd.DataFrame(reference["pj"]["staggered_es"])
    for column, how in (("se", "adjusted"), ("se_neyman", "neyman")):
        result = fitted(officers, aggregate="event_time", errors=how)
        rows = result.labels["event_time"].isin(wanted["eventTime"]).to_numpy(bool)
        assert result.estimates[rows] == pytest.approx(wanted["estimate"].to_numpy(), rel=EXACT)
        assert errors(result)[rows] == pytest.approx(wanted[column].to_numpy(), rel=EXACT)


@pytest.mark.parametrize("beta", ("efficient", "callaway_santanna", "sun_abraham"))
@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_weights_times_outcome_is_the_estimate(golden_panel: Panel, beta: str, aggregate: str) -> None:
    result = fitted(golden_panel, beta=beta, aggregate=aggregate)
    assert result.weights @ golden_panel.values[0].ravel() == pytest.approx(result.estimates, rel=1e-10, abs=1e-10)
    assert (result.used == (result.support | result.compared)).all()


def test_with_beta_1_it_is_group_time_with_units_not_yet_treated(golden_panel: Panel) -> None:
    for aggregate in ("overall", "event_time", "cohort", "calendar"):
        ours = fitted(golden_panel, beta="callaway_santanna", aggregate=aggregate)
        theirs = estimate(golden_panel, "group_time", control="not_yet_treated", base="universal", aggregate=aggregate)
        assert isinstance(theirs, Result)
        rows = ours.labels["kind"].isin(["post", "average", "overall"]).to_numpy(bool)
        same = theirs.labels["kind"].isin(["post", "average", "overall"]).to_numpy(bool)
        assert ours.estimates[rows] == pytest.approx(theirs.estimates[same], rel=1e-10)


def test_without_never_treated_the_last_to_start_compare(golden_frame: pd.DataFrame) -> None:
    rows = golden_frame[golden_frame["first_term"] > 0]
    panel = Panel.from_frame(rows, "authority", "term", "first_term", "rate")
    cells = fitted(panel, aggregate="cells").labels
    assert sorted(set(cells["cohort"])) == [6, 8]
    assert cells["period"].max() == 9


def test_reference_row_is_zero_and_pre_rows_come_before(golden_panel: Panel) -> None:
    result = fitted(golden_panel, aggregate="event_time")
    kinds = result.labels.set_index("event_time")["kind"]
    assert kinds.loc[-1] == "reference"
    assert set(kinds.loc[[-9, -2]]) == {"pre"}
    at = (result.labels["kind"] == "reference").to_numpy(bool)
    assert result.estimates[at] == pytest.approx([0.0], abs=0)
    assert np.isnan(result.frame()["std_error"].to_numpy()[at]).all()


def test_period_effects_change_nothing_and_unit_effects_change_the_efficient_estimate_alone(
    draw: Callable[..., pd.DataFrame], build: Callable[..., Panel]
) -> None:
    frame = draw()
    by_period = frame.assign(y=frame["y"] + (frame["period"] % 3) ** 2)
    by_unit = frame.assign(y=frame["y"] + (frame["unit"] * 7) % 11)
    for beta in ("efficient", "callaway_santanna", "sun_abraham"):
        plain = fitted(build(frame), beta=beta, aggregate="event_time")
        moved = fitted(build(by_period), beta=beta, aggregate="event_time")
        assert moved.estimates == pytest.approx(plain.estimates, rel=1e-9, abs=1e-10)
        shifted = fitted(build(by_unit), beta=beta, aggregate="overall").estimates
        # levels are outcomes like others where starts are random: they move β
        assert (shifted == pytest.approx(fitted(build(frame), beta=beta).estimates, rel=1e-9)) == (beta != "efficient")


def test_scaling_scales_and_order_of_rows_does_not_matter(draw: Callable[..., pd.DataFrame], build: Callable[..., Panel]) -> None:
    frame = draw()
    for aggregate in AGGREGATES:
        plain = fitted(build(frame), aggregate=aggregate)
        scaled = fitted(build(frame.assign(y=8 * frame["y"])), aggregate=aggregate)
        assert scaled.estimates == pytest.approx(8 * plain.estimates, rel=1e-10)
        assert errors(scaled) == pytest.approx(8 * errors(plain), rel=1e-8, nan_ok=True)
        mixed = fitted(build(frame.sample(frac=1, random_state=5)), aggregate=aggregate)
        assert (mixed.estimates == plain.estimates).all()
        assert (mixed.scores == plain.scores).all()


def test_says_what_it_assumes(golden_panel: Panel) -> None:
    for how in ("adjusted", "neyman"):
        assert any("start dates are as good as random" in warning for warning in fitted(golden_panel, errors=how).warnings)


def test_refuses_by_name(draw: Callable[..., pd.DataFrame], build: Callable[..., Panel]) -> None:
    frame = draw()
    hole = refused(build(frame[~((frame["unit"] == 4) & (frame["period"] == 2))]))
    assert "1 unit with missing cells, first 4 in 2" in hole.reason
    single = refused(build(frame[(frame["first"] != 6) | (frame["unit"] == 2)]))
    assert "cohorts of one unit (6)" in single.reason
    alone = refused(build(frame[(frame["first"] > 0) | (frame["unit"] == 0)]))
    assert "the units that never adopt" in alone.reason
    assert "start at once" in refused(build(frame[frame["first"] == 6])).reason
    assert "takes no weights" in refused(build(frame.assign(w=1.0), weight="w")).reason
    assert "treated throughout" in refused(build(frame.assign(first=np.where(frame["first"] > 0, 1, 0)))).reason


def test_wrong_options_list_the_right_ones(golden_panel: Panel) -> None:
    with pytest.raises(OptionError, match="sun_abraham"):
        estimate(golden_panel, "rollout", beta="best")
    with pytest.raises(OptionError, match="has no aggregate 'region'"):
        estimate(golden_panel, "rollout", aggregate="region")


def test_unbiased_with_errors_of_the_right_size_where_starts_are_random() -> None:
    periods, starts = 6, np.repeat([0, 0, 4, 5], 10)
    found, said = [], []
    for seed in range(500):
        rng = np.random.default_rng(seed)
        first = rng.permutation(starts)
        level = rng.normal(0, 2, len(first))
        y = level[:, None] + rng.normal(0, 1, (len(first), periods))
        time = np.arange(1, periods + 1)
        y = y + 1.5 * ((first[:, None] > 0) & (time >= first[:, None]))
        frame = pd.DataFrame(
            {
                "unit": np.repeat(np.arange(len(first)), periods),
                "period": np.tile(time, len(first)),
                "first": np.repeat(first, periods),
                "y": y.ravel(),
            }
        )
        result = fitted(Panel.from_frame(frame, "unit", "period", "first", "y"), errors="neyman")
        found.append(result.estimates[0])
        said.append(errors(result)[0])
    spread = np.std(found, ddof=1)
    assert abs(np.mean(found) - 1.5) < 2 * spread / np.sqrt(len(found))
    assert np.mean(said) == pytest.approx(spread, rel=0.1)
