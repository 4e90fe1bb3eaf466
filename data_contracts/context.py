"""What a check knows beside the file: who sends it, for when, the codes of authorities, and what came before."""

import re
from dataclasses import dataclass, field
from datetime import date
from functools import cache

import pandas as pd

_TERM = re.compile(r"^(\d{4})/(\d{2}) (autumn|spring|summer)$")
_YEAR = re.compile(r"^(\d{4})(?:([/-])(\d{2}))?$")
_SPANS = {"autumn": (0, (9, 1), (12, 31)), "spring": (1, (1, 1), (3, 31)), "summer": (1, (4, 1), (8, 31))}


def _no_authorities() -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype=str) for name in ("authority", "name", "old_code", "region", "start", "end")})


@dataclass(frozen=True)
class Context:
    """What a check knows beside the file.

    Attributes:
        region: code of the sender's region (E12…); None checks no region.
        period: the period the return is for; None takes any one period.
        authorities: one row a code: authority, name, old_code, region, start, end (ISO text, blank while in force); with
            `successors` (codes, spaces between) where a code was followed by others. Empty checks no codes.
        previous: typed rows of the region's last accepted return of the same collection; None where there is none.
        known_reforms: names of reforms that the register may hold; empty checks none.
        locked: spells that can no longer be dated back: authority, reform, start; None where there are none.
        today: the day of the check, by which a period is in the future; None checks no future. The caller reads the clock.
        asked_until: the last day of what returns are asked for; None: without an end.
    """

    region: str | None = None
    period: str | None = None
    authorities: pd.DataFrame = field(default_factory=_no_authorities)
    previous: pd.DataFrame | None = None
    known_reforms: tuple[str, ...] = ()
    locked: pd.DataFrame | None = None
    today: date | None = None
    asked_until: date | None = None


@cache
def period_span(text: str) -> tuple[date, date] | None:
    """First and last day of a period; None where the text is no period (`2023/25 autumn` is none: the years do not follow)."""
    term = _TERM.match(text)
    if term:
        year = int(term[1])
        later, first, last = _SPANS[term[3]]
        return (date(year + later, *first), date(year + later, *last)) if _follows(term[1], term[2]) else None
    whole = _YEAR.match(text)
    if not whole or not 1900 <= int(whole[1]) <= 2200:
        return None
    year = int(whole[1])
    if not whole[2]:
        return date(year, 1, 1), date(year, 12, 31)
    if not _follows(whole[1], whole[3]):
        return None
    return (date(year, 9, 1), date(year + 1, 8, 31)) if whole[2] == "/" else (date(year, 4, 1), date(year + 1, 3, 31))


def _follows(first: str, second: str) -> bool:
    return 1900 <= int(first) <= 2200 and int(second) == (int(first) + 1) % 100


def period_kind(text: str) -> str:
    """`term`, `academic year`, `financial year`, `calendar year`, or a blank where the text is no period."""
    if period_span(text) is None:
        return ""
    if " " in text:
        return "term"
    return "academic year" if "/" in text else "financial year" if "-" in text else "calendar year"
