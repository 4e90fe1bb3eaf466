"""Periods as the programme writes them: `2024`, `2023/24`, `2023-24`, `2023/24 autumn`; their order, labels and dates."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

CALENDAR = "calendar year"
ACADEMIC = "academic year"
FINANCIAL = "financial year"
TERM = "term"
KINDS = (CALENDAR, ACADEMIC, FINANCIAL, TERM)
TERMS = ("autumn", "spring", "summer")

# First and last (month, day) of each kind; months from 9 (academic) or 4 (financial) on belong to the first year named.
_TERM_SPANS = {"autumn": ((9, 1), (12, 31), 0), "spring": ((1, 1), (3, 31), 1), "summer": ((4, 1), (8, 31), 1)}
_EES_KINDS = {"calendar year": CALENDAR, "reporting year": CALENDAR, "academic year": ACADEMIC, "financial year": FINANCIAL}
_EES_TERMS = {f"{term} term": term for term in TERMS}
_PATTERN = re.compile(r"^(\d{4})(?:([/-])(\d{2}))?(?: (autumn|spring|summer))?$", re.ASCII)
FIRST_YEAR, LAST_YEAR = 1900, 2200  # what lies outside is a slip of the pen


LONDON = ZoneInfo("Europe/London")


class PeriodError(ValueError):
    """A period that cannot be read; the message says what was found and what to write instead."""


@dataclass(frozen=True)
class Period:
    """One period of time.

    Attributes:
        kind: `calendar year`, `academic year`, `financial year` or `term`.
        year: the calendar year in which it begins, or for a term, in which its academic year begins.
        term: `autumn`, `spring` or `summer` for a term, otherwise None.
    """

    kind: str
    year: int
    term: str | None = None

    def __str__(self) -> str:
        """The text by which data and plans name the period."""
        if self.kind == CALENDAR:
            return str(self.year)
        mark = "-" if self.kind == FINANCIAL else "/"
        years = f"{self.year}{mark}{(self.year + 1) % 100:02d}"
        return f"{years} {self.term}" if self.term else years

    @property
    def label(self) -> str:
        """The period in words for a reader, for example `academic year 2023/24`."""
        if self.kind == TERM:
            return f"{str(self.term).capitalize()} term {str(self)[:7]}"
        return str(self) if self.kind == CALENDAR else f"{self.kind} {self}"

    @property
    def start(self) -> date:
        """The first day. Terms run September to December, January to March and April to August."""
        if self.kind == TERM:
            (month, day), _, later = _TERM_SPANS[str(self.term)]
            return date(self.year + later, month, day)
        month = {CALENDAR: 1, ACADEMIC: 9, FINANCIAL: 4}[self.kind]
        return date(self.year, month, 1)

    @property
    def end(self) -> date:
        """The last day."""
        if self.kind == TERM:
            _, (month, day), later = _TERM_SPANS[str(self.term)]
            return date(self.year + later, month, day)
        month, day = {CALENDAR: (12, 31), ACADEMIC: (8, 31), FINANCIAL: (3, 31)}[self.kind]
        return date(self.year if self.kind == CALENDAR else self.year + 1, month, day)

    def next(self) -> "Period":
        """The period of the same kind that follows."""
        if self.kind != TERM:
            return Period(self.kind, self.year + 1)
        position = TERMS.index(str(self.term))
        return Period(TERM, self.year + position // 2, TERMS[(position + 1) % 3])

    def __lt__(self, other: "Period") -> bool:
        """Order by first day, then by last day."""
        return (self.start, self.end) < (other.start, other.end)


def parse(text: str) -> Period:
    """Read a period as this project writes it.

    Args:
        text: `2024`, `2023/24`, `2023-24` (financial year) or `2023/24 autumn`.

    Raises:
        PeriodError: the text is none of these, or the two years do not follow each other.
    """
    match = _PATTERN.match(str(text).strip())
    if match is None:
        raise PeriodError(
            f"“{text}” is not a period. Write a year as 2024, a school year as 2023/24 or a term as 2023/24 autumn."
        )
    year, mark, second, term = _year(match[1], text), match[2], match[3], match[4]
    if second is None:
        if term:
            raise PeriodError(f"“{text}” names a term without its school year. Write {year}/{(year + 1) % 100:02d} {term}.")
        return Period(CALENDAR, year)
    if int(second) != (year + 1) % 100:
        raise PeriodError(f"“{text}” does not join two years that follow each other. Write {year}{mark}{(year + 1) % 100:02d}.")
    if term:
        if mark != "/":
            raise PeriodError(f"“{text}” is a term of a school year. Write it with a slash: {year}/{second} {term}.")
        return Period(TERM, year, term)
    return Period(ACADEMIC if mark == "/" else FINANCIAL, year)


def _year(digits: str, text: str) -> int:
    if not FIRST_YEAR <= int(digits) <= LAST_YEAR:
        raise PeriodError(f"“{text}” is not a year between {FIRST_YEAR} and {LAST_YEAR}. Check the first four digits.")
    return int(digits)


def from_ees(time_period: str, time_identifier: str) -> Period:
    """Read the two time columns of an Explore education statistics file.

    Args:
        time_period: four digits, or six digits that join two consecutive years.
        time_identifier: for example `Calendar year`, `Academic year`, `Autumn term`.

    Raises:
        PeriodError: the two do not fit each other (`202425` marked `Calendar year`), or are unknown here.
    """
    digits, identifier = str(time_period).strip(), str(time_identifier).strip()
    term = _EES_TERMS.get(identifier.lower())
    kind = TERM if term else _EES_KINDS.get(identifier.lower())
    if kind is None:
        raise PeriodError(f"time_identifier “{identifier}” is not one that this platform reads (years and single terms).")
    wanted = 4 if kind == CALENDAR else 6
    if not (digits.isascii() and digits.isdigit()) or len(digits) != wanted:
        raise PeriodError(f"time_period “{digits}” does not fit time_identifier “{identifier}”, which has {wanted} digits.")
    year = _year(digits[:4], digits)
    if wanted == 6 and int(digits[4:]) != (year + 1) % 100:
        raise PeriodError(f"time_period “{digits}” does not join two years that follow each other.")
    return Period(kind, year, term)


def ordered(labels: Iterable[str]) -> list[str]:
    """The distinct labels in order of time."""
    return [str(period) for period in sorted({parse(label) for label in labels})]


def between(first: str, last: str) -> list[str]:
    """All periods from first to last, both included, as labels.

    Raises:
        PeriodError: the two are of different kinds, or last comes before first.
    """
    start, end = parse(first), parse(last)
    if start.kind != end.kind:
        raise PeriodError(f"“{first}” is a {start.kind} and “{last}” a {end.kind}. Give both as the same kind of period.")
    if end < start:
        raise PeriodError(f"“{last}” comes before “{first}”. Give the first period first.")
    labels = [str(start)]
    while start != end:
        start = start.next()
        labels.append(str(start))
    return labels


def containing(day: date, kind: str) -> Period:
    """The period of this kind in which a day falls."""
    year = day.year
    if kind in (ACADEMIC, TERM):
        year -= day.month < 9
    elif kind == FINANCIAL:
        year -= day.month < 4
    if kind != TERM:
        return Period(kind, year)
    return next(
        Period(TERM, year, term) for term in TERMS if Period(TERM, year, term).start <= day <= Period(TERM, year, term).end
    )


def first_full(day: date, kind: str) -> Period:
    """The first period of this kind that begins on or after a day."""
    period = containing(day, kind)
    return period if period.start == day else period.next()


def london_day(moment: datetime) -> date:
    """The day that it is in London at a moment with a time zone, in summer time too."""
    return moment.astimezone(LONDON).date()
