"""The returns of the programme's other systems: drawn from their true shares, which the reforms move as they should."""

import numpy as np
import pandas as pd
import pytest

from pilots.catalogue import outcome
from pilots.demonstration import Programme
from pilots.demonstration.design import intensities, places, terms, time_on
from pilots.figures import returned_figures


def places_of(made: Programme, collection: str) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the authority and of the term of each row."""
    table = made.returns[collection]
    row = {code: at for at, code in enumerate(places().codes)}
    column = {term: at for at, term in enumerate(terms())}
    return np.array([row[code] for code in table.authority]), np.array([column[term] for term in table.period])


@pytest.mark.parametrize(
    ("collection", "part", "whole", "share", "rows"),
    [
        ("tailored_lists", "preference_named", "plans_finalised", "preference_met", ""),
        ("tailored_lists", "section_i_appeals", "plans_finalised", "section_i_appeals", ""),
        ("mediation_appeals", "appeals_registered", "appealable_decisions", "appeals", ""),
        ("experience_survey", "agree", "answered", "help_in_time", "question help came in time"),
        ("experience_survey", "agree", "answered", "services_together", "question services worked together"),
        ("ap_taskforce", "sessions_absent", "sessions_possible", "ap_absence", ""),
        ("ap_taskforce", "leavers_in_education_or_work", "leavers", "ap_destinations", ""),
        ("inclusion_indicators", "numerator", "denominator", "suspended_with_support", "indicator suspended with support"),
        ("inclusion_indicators", "numerator", "denominator", "absence_with_plan", "indicator absence with plan"),
    ],
)
def test_figures_have_the_true_shares(made: Programme, collection: str, part: str, whole: str, share: str, rows: str) -> None:
    """Over all rows the figures are off by no more than chance allows, with the reforms and before."""
    table, at = made.returns[collection], places_of(made, collection)
    column, _, value = rows.partition(" ")
    keep = table.cells[column] == value if rows else np.ones(len(table.period), bool)
    both = made.shares[collection]
    true, without = both.actual[share][at], both.without[share][at]
    if collection == "ap_taskforce":  # the second school of an authority has no taskforce
        true = np.where(table.cells["school_urn"].astype(int) % 2 == 0, true, without)
    count, out_of = table.values[part], table.values[whole]
    for mine in (keep & (true != without), keep & (true == without)):
        over = (count - out_of * true)[mine].sum()
        assert abs(over) <= 3.5 * np.sqrt((out_of * true * (1 - true))[mine].sum())
    assert (true != without).any() == (share != "appeals")  # strengthened mediation has no effect


@pytest.mark.parametrize(
    ("name", "reform", "full"),
    [("indicator_absence_with_plan", "senco_training", -2.5), ("survey_together", "local_partnership", 12.0)],
)
def test_what_starts_everywhere_at_once_works_by_its_dose(made: Programme, name: str, reform: str, full: float) -> None:
    mine = made.effects[made.effects["outcome"] == name]
    largest = mine.groupby("authority")["effect"].agg(lambda effects: max(effects, key=abs))
    dose = intensities(reform)
    assert len(set(dose.values())) == 4 and set(largest.index) == set(dose)
    assert largest.to_dict() == pytest.approx({code: full * level for code, level in dose.items()}, abs=1e-3)


def test_the_register_has_the_dose_of_each_partnership_from_the_launch_on(made: Programme) -> None:
    mine = made.spells[made.spells["reform"] == "local_partnership"]
    assert set(mine["start"]) == {"2023-09-19"} and len(mine) == 32
    assert {code: float(level) for code, level in zip(mine["authority"], mine["intensity"], strict=True)} == intensities(
        "local_partnership"
    )


def test_of_two_ap_schools_the_larger_one_has_the_taskforce(made: Programme) -> None:
    table, at = made.returns["ap_taskforce"], places_of(made, "ap_taskforce")
    first = table.cells["school_urn"].astype(int) % 2 == 0
    roll = table.values["pupils_on_roll"]
    assert roll[first].mean() > roll[~first].mean() + 20
    assert (table.values["in_fidelity"] == (first & (time_on("ap_taskforce")[at] >= 0))).all()


def test_forecasts_of_places_stand_beside_what_came(made: Programme) -> None:
    table = made.returns["inclusion_plans"]
    rows = pd.DataFrame(dict(table.cells)).assign(demand=table.values["demand"], plan_version=table.values["plan_version"])
    found = returned_figures(rows, outcome("inclusion_forecast_error")).rows.groupby("period").sum(numeric_only=True)
    assert list(found.index) == ["2023/24", "2024/25"]
    need = ["authority", "need"]
    for year in found.index:
        came = rows[(rows["basis"] == "actual") & (rows["plan_year"] == year)].set_index(need)["demand"]
        expected = rows[(rows["basis"] == "forecast") & (rows["plan_year"] == year) & (rows["period"] == "2023/24")]
        off = (came - expected.set_index(need)["demand"]).abs()
        assert found.loc[year].tolist() == [off.sum(), came.sum()] and off.sum() > 500


def test_lists_are_offered_while_the_reform_is_on_and_not_after_a_halt(made: Programme) -> None:
    table, at = made.returns["tailored_lists"], places_of(made, "tailored_lists")
    on = time_on("tailored_lists")[at] >= 0
    assert (table.values["lists_offered"][~on] == 0).all() and table.values["lists_offered"][on].mean() > 5


def test_only_authorities_with_a_partnership_meet(made: Programme) -> None:
    table, (authority, _) = made.returns["local_partnerships"], places_of(made, "local_partnerships")
    assert ((table.values["meetings"] > 0) == places().partner[authority]).all()
