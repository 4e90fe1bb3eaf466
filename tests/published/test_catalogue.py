"""The catalogue: every outcome of a publication has its measures, and an unknown name is told to the user."""

import pytest

from pilots.catalogue import CatalogueError, aliases, in_force, outcome, outcomes, publications, reform
from pilots.errors import UserError


def test_outcomes_of_publications_have_their_measures() -> None:
    for entry in outcomes():
        if entry.source in publications():
            given = {measure for alias in aliases(entry.source).files for measure in alias.measures}
            assert set(entry.numerator) | set(entry.denominator) <= given, entry.id


def test_twins_and_directions_are_known() -> None:
    known = {entry.id for entry in outcomes()}
    for entry in outcomes():
        assert entry.gameable_twin is None or entry.gameable_twin in known
        assert bool(entry.gameable_twin) == bool(entry.gameable)
        assert entry.smallest_effect is None or entry.smallest_effect > 0
    assert outcome("timeliness_20_weeks_excluding_exceptions").gameable_twin == "timeliness_20_weeks"


@pytest.mark.parametrize("ask", [outcome, reform, aliases])
def test_unknown_name_is_a_user_error_that_lists_what_there_is(ask) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UserError, match=r"There is no \w+ “nonsense”\. The catalogue has: \w") as caught:
        ask("nonsense")
    assert isinstance(caught.value, CatalogueError) and isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("since", "until", "edition", "used"),
    [
        ("", "", "2025", True),
        ("2026", "", "2025", False),
        ("2025", "", "2025", True),
        ("", "2024", "2025", False),
        ("", "2025", "2025", True),
    ],
)
def test_bounds_of_names(since: str, until: str, edition: str, used: bool) -> None:
    assert in_force(since, until, edition) is used


def test_no_measure_is_read_from_two_columns_of_one_edition() -> None:
    for edition in ("2022", "2025", "2026"):
        for alias in aliases("education-health-and-care-plans").files:
            for _, measures in alias.rows:
                for measure, pairs in measures.items():
                    assert len([column for column, since, until in pairs if in_force(since, until, edition)]) <= 1, measure
