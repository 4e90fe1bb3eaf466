"""Plans that observe schools: which have the reform from when, and which may compare."""

import pandas as pd
import pytest

from pilots.catalogue import outcome, reform
from pilots.errors import UserError
from pilots.figures import figures, returned_figures
from pilots.plans import PlanError, changed, named_plan
from pilots.releases import rows_meant
from pilots.schools import on_from, without_schools_beside

LEEDS, BARNET = "E08000035", "E09000003"


def units() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "school": ["900101", "900102", "900103"],
            "authority": [LEEDS, LEEDS, BARNET],
            "first_treated": ["2024/25 autumn", None, None],
        }
    )


def test_schools_beside_one_with_the_reform_do_not_compare() -> None:
    kept, words = without_schools_beside(units())
    assert kept["school"].tolist() == ["900101", "900103"] and words[0].startswith("1 school is left out")
    assert without_schools_beside(units()[2:])[1] == []


def test_a_school_has_the_reform_from_its_first_period_on() -> None:
    window = {"window.first": "2023/24 summer", "window.last": "2024/25 spring"}
    about = {"reform": "ap_taskforce", "outcomes": ["taskforce_absence"], "smallest_effect": {}}
    plan = changed(named_plan("ehcp_timeliness"), {"unit": "school", **window, **about})
    assert on_from(units(), plan) == {("900101", "2024/25 autumn"): 1.0, ("900101", "2024/25 spring"): 1.0}
    with pytest.raises(PlanError, match="unit cannot be “pupil”"):
        changed(plan, {"unit": "pupil"})


def test_figures_by_school_are_not_added_up() -> None:
    rows = pd.DataFrame(
        {
            "authority": [LEEDS, LEEDS],
            "school_urn": ["900101", "900102"],
            "period": ["2024/25 autumn"] * 2,
            "sessions_absent": [30, 10],
            "sessions_possible": [100, 100],
            "in_fidelity": [1, 0],
        }
    )
    by_school = returned_figures(rows, outcome("taskforce_absence"), unit="school").rows
    assert by_school[["school", "numerator"]].to_numpy().tolist() == [["900101", 30], ["900102", 10]]
    assert "school" not in returned_figures(rows, outcome("taskforce_absence")).rows
    told = reform("ap_taskforce").schools_from
    assert told is not None and rows_meant(rows, told).tolist() == [True, False]


def test_an_outcome_that_is_known_of_authorities_alone_is_refused() -> None:
    with pytest.raises(UserError, match="known of authorities and not of schools"):
        figures(None, None, outcome("timeliness_20_weeks"), "school")  # type: ignore[arg-type]
