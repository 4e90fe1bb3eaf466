from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilots.periods import (
    ACADEMIC,
    CALENDAR,
    FINANCIAL,
    KINDS,
    TERM,
    TERMS,
    Period,
    PeriodError,
    between,
    containing,
    first_full,
    from_ees,
    ordered,
    parse,
)

KIND = st.sampled_from(KINDS)
DAYS = st.dates(date(1950, 1, 1), date(2150, 12, 31))
PERIODS = st.builds(containing, DAYS, KIND)


@given(PERIODS)
def test_text_is_read_back(period: Period) -> None:
    assert parse(str(period)) == period == parse(f"  {period} ")


@given(DAYS, KIND)
def test_every_day_lies_in_the_period_that_contains_it(day: date, kind: str) -> None:
    period = containing(day, kind)
    assert period.kind == kind and period.start <= day <= period.end


@given(PERIODS)
def test_periods_follow_each_other_without_gap(period: Period) -> None:
    assert period.next().start == period.end + timedelta(days=1)
    assert period < period.next() and not period.next() < period
    assert containing(period.end, period.kind) == period and containing(period.start, period.kind) == period


@given(DAYS, KIND)
def test_first_full_period_begins_on_or_after_the_day(day: date, kind: str) -> None:
    period = first_full(day, kind)
    assert period.start >= day
    assert containing(period.start - timedelta(days=1), kind).start < day or period.start == day


@given(PERIODS, st.integers(0, 40))
def test_between_has_every_period_once_in_order(first: Period, steps: int) -> None:
    last = first
    for _ in range(steps):
        last = last.next()
    labels = between(str(first), str(last))
    assert len(labels) == steps + 1 and labels == ordered(reversed(labels))
    assert all(parse(one).next() == parse(other) for one, other in pairwise(labels))


@given(st.lists(PERIODS, min_size=1, max_size=20))
def test_ordered_is_by_time_and_without_repeats(periods: list[Period]) -> None:
    found = [parse(label) for label in ordered(map(str, periods))]
    assert set(found) == set(periods)
    assert all(one.start <= other.start for one, other in pairwise(found))


@given(PERIODS)
def test_ees_columns_are_read(period: Period) -> None:
    identifier = {CALENDAR: "Calendar year", ACADEMIC: "Academic year", FINANCIAL: "Financial year"}.get(
        period.kind, f"{str(period.term).capitalize()} term"
    )
    digits = str(period.year) if period.kind == CALENDAR else f"{period.year}{(period.year + 1) % 100:02d}"
    assert from_ees(digits, identifier) == period


@pytest.mark.parametrize(
    ("text", "start", "end", "label"),
    [
        ("2024", date(2024, 1, 1), date(2024, 12, 31), "2024"),
        ("2023/24", date(2023, 9, 1), date(2024, 8, 31), "academic year 2023/24"),
        ("2023-24", date(2023, 4, 1), date(2024, 3, 31), "financial year 2023-24"),
        ("1999/00", date(1999, 9, 1), date(2000, 8, 31), "academic year 1999/00"),
        ("2023/24 autumn", date(2023, 9, 1), date(2023, 12, 31), "Autumn term 2023/24"),
        ("2023/24 spring", date(2024, 1, 1), date(2024, 3, 31), "Spring term 2023/24"),
        ("2023/24 summer", date(2024, 4, 1), date(2024, 8, 31), "Summer term 2023/24"),
    ],
)
def test_dates_and_labels(text: str, start: date, end: date, label: str) -> None:
    period = parse(text)
    assert (period.start, period.end, period.label) == (start, end, label)


def test_programme_began_within_the_autumn_term_and_its_first_full_term_is_the_spring() -> None:
    launch = date(2023, 9, 19)
    assert str(containing(launch, TERM)) == "2023/24 autumn"
    assert [str(first_full(launch, kind)) for kind in (TERM, ACADEMIC, FINANCIAL, CALENDAR)] == [
        "2023/24 spring",
        "2024/25",
        "2024-25",
        "2024",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2023/25", "2023/24"),
        ("2023-25", "2023-24"),
        ("2023 autumn", "2023/24 autumn"),
        ("2023-24 autumn", "with a slash: 2023/24 autumn"),
        ("2023/24 winter", "not a period"),
        ("202324", "not a period"),
        ("23/24", "not a period"),
        ("2023/2024", "not a period"),
        ("", "not a period"),
        ("２０２４", "not a period"),
        ("0000", "between 1900 and 2200"),
        ("9999/00", "between 1900 and 2200"),
    ],
)
def test_text_that_is_no_period_is_refused_with_what_to_write(text: str, words: str) -> None:
    with pytest.raises(PeriodError, match=words):
        parse(text)


@pytest.mark.parametrize(
    ("digits", "identifier", "words"),
    [
        ("202425", "Calendar year", "does not fit time_identifier “Calendar year”, which has 4 digits"),
        ("2024", "Academic year", "which has 6 digits"),
        ("202426", "Academic year", "two years that follow each other"),
        ("2024", "Week 12", "is not one that this platform reads"),
        ("20x4", "Calendar year", "does not fit"),
        ("202²", "Calendar year", "does not fit"),
        ("0024", "Calendar year", "between 1900 and 2200"),
    ],
)
def test_ees_columns_that_do_not_fit_each_other_are_refused(digits: str, identifier: str, words: str) -> None:
    with pytest.raises(PeriodError, match=words):
        from_ees(digits, identifier)


def test_reporting_year_is_a_calendar_year() -> None:
    assert from_ees("2024", "Reporting year") == parse("2024")


def test_between_refuses_what_cannot_be() -> None:
    with pytest.raises(PeriodError, match="different|same kind"):
        between("2023", "2024/25")
    with pytest.raises(PeriodError, match="comes before"):
        between("2024", "2023")


def test_terms_of_a_year_are_in_order() -> None:
    assert between("2023/24 autumn", "2024/25 autumn") == [*(f"2023/24 {term}" for term in TERMS), "2024/25 autumn"]
