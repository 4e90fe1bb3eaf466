"""The returns of the programme's other systems: drawn from their true shares, which the reforms move as they should."""

import numpy as np
import pytest

from pilots.demonstration import Programme
from pilots.demonstration.design import intensities, places, terms, time_on


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
    count, out_of = table.values[part], table.values[whole]
    for mine in (keep & (true != without), keep & (true == without)):
        over = (count - out_of * true)[mine].sum()
        assert abs(over) <= 3.5 * np.sqrt((out_of * true * (1 - true))[mine].sum())
    assert (true != without).any() == (share != "appeals")  # strengthened mediation has no effect


def test_training_moves_absence_by_its_dose(made: Programme) -> None:
    mine = made.effects[made.effects["outcome"] == "indicator_absence_with_plan"]
    full = mine.groupby("authority")["effect"].min()
    dose = intensities("senco_training")
    assert len(set(dose.values())) == 4 and set(full.index) == set(dose)
    assert full.to_dict() == pytest.approx({code: -2.5 * level for code, level in dose.items()}, abs=1e-3)


def test_lists_are_offered_while_the_reform_is_on_and_not_after_a_halt(made: Programme) -> None:
    table, at = made.returns["tailored_lists"], places_of(made, "tailored_lists")
    on = time_on("tailored_lists")[at] >= 0
    assert (table.values["lists_offered"][~on] == 0).all() and table.values["lists_offered"][on].mean() > 5


def test_only_authorities_with_a_partnership_meet(made: Programme) -> None:
    table, (authority, _) = made.returns["local_partnerships"], places_of(made, "local_partnerships")
    assert ((table.values["meetings"] > 0) == places().partner[authority]).all()
