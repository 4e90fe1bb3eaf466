"""What is fixed in the demonstration whatever the seed: places, terms, who has which reform when, and the intended effects."""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

import numpy as np
import pandas as pd

from pilots.periods import between, parse
from pilots.places import authorities, code_on, current_authorities, partnerships

FIRST, LAST = "2019/20 autumn", "2024/25 summer"
LAUNCH = date(2023, 9, 19)
NORTH_EAST, NORTH_WEST, YORKSHIRE = "E12000001", "E12000002", "E12000003"
EAST_MIDLANDS, WEST_MIDLANDS, EAST = "E12000004", "E12000005", "E12000006"
LONDON, SOUTH_EAST, SOUTH_WEST = "E12000007", "E12000008", "E12000009"
TINY = ("E09000001", "E06000053", "E06000017")  # City of London, Isles of Scilly, Rutland

_SPRING, _SUMMER, _AUTUMN = "2023/24 spring", "2023/24 summer", "2024/25 autumn"

# First term of each partnership; a partnership that is not named never starts.
STARTS: dict[str, dict[str, str]] = {
    "digital_ehcp": {
        NORTH_EAST: _SPRING,
        EAST_MIDLANDS: _SPRING,
        LONDON: _SPRING,
        NORTH_WEST: _SUMMER,
        WEST_MIDLANDS: _SUMMER,
        SOUTH_EAST: _SUMMER,
        YORKSHIRE: _AUTUMN,
        EAST: _AUTUMN,
        SOUTH_WEST: _AUTUMN,
    },
    "ap_tiers": {
        NORTH_WEST: _SPRING,
        WEST_MIDLANDS: _SPRING,
        EAST: _SPRING,
        YORKSHIRE: _SUMMER,
        LONDON: _SUMMER,
        SOUTH_WEST: _SUMMER,
        NORTH_EAST: _AUTUMN,
        SOUTH_EAST: _AUTUMN,
    },
    "tailored_lists": {
        NORTH_EAST: _SPRING,
        YORKSHIRE: _SPRING,
        EAST: _SPRING,
        WEST_MIDLANDS: _SUMMER,
        SOUTH_EAST: _SUMMER,
        SOUTH_WEST: _SUMMER,
        NORTH_WEST: _AUTUMN,
        LONDON: _AUTUMN,
    },
    "mediation": {
        YORKSHIRE: _SPRING,
        EAST: _SPRING,
        SOUTH_EAST: _SPRING,
        NORTH_EAST: _SUMMER,
        WEST_MIDLANDS: _SUMMER,
        LONDON: _SUMMER,
        SOUTH_WEST: _AUTUMN,
        EAST_MIDLANDS: _AUTUMN,
    },
}
# Reforms of the programme's other systems, of which fewer partnerships take part, or all at once.
MORE_STARTS: dict[str, dict[str, str]] = {
    "national_standards": {
        NORTH_EAST: _SPRING,
        NORTH_WEST: _SPRING,
        EAST_MIDLANDS: _SPRING,
        LONDON: _SPRING,
        WEST_MIDLANDS: _SUMMER,
        EAST: _SUMMER,
        SOUTH_WEST: _SUMMER,
        YORKSHIRE: _AUTUMN,
    },
    "ap_taskforce": {NORTH_EAST: _SPRING, NORTH_WEST: _SPRING, WEST_MIDLANDS: _SUMMER, LONDON: _SUMMER, YORKSHIRE: _AUTUMN},
    "fair_access": dict.fromkeys((NORTH_EAST, WEST_MIDLANDS, LONDON), _SPRING),
    "senco_training": dict.fromkeys(
        (NORTH_EAST, NORTH_WEST, YORKSHIRE, EAST_MIDLANDS, WEST_MIDLANDS, EAST, LONDON, SOUTH_EAST, SOUTH_WEST), _SUMMER
    ),
    "bands_tariffs": dict.fromkeys((NORTH_WEST, EAST, SOUTH_EAST, SOUTH_WEST), _SPRING),
    "inclusion_plan": dict.fromkeys((NORTH_EAST, EAST_MIDLANDS, WEST_MIDLANDS, SOUTH_WEST), _SPRING),
    "places": {NORTH_WEST: _SPRING, WEST_MIDLANDS: _SUMMER, LONDON: _SUMMER, EAST: _AUTUMN, SOUTH_EAST: _AUTUMN},
    "local_partnership": dict.fromkeys(
        (NORTH_EAST, NORTH_WEST, YORKSHIRE, EAST_MIDLANDS, WEST_MIDLANDS, EAST, LONDON, SOUTH_EAST, SOUTH_WEST), _SPRING
    ),
}
TOLD = ("places",)  # its starts come from a return: a project that opened
AT_LAUNCH = ("local_partnership",)  # starts on the day of the launch; spring is its first full term
GRADED = ("senco_training", "local_partnership")  # all start at once, each authority with another dose
_GRADES = (0.2, 0.4, 0.6, 0.8)
# Authorities that start a term after their partnership: Leeds, Brighton and Hove, Enfield.
LATER: dict[tuple[str, str], str] = {
    ("digital_ehcp", "E08000035"): "2024/25 spring",
    ("digital_ehcp", "E06000043"): _AUTUMN,
    ("ap_tiers", "E09000010"): _AUTUMN,
}
# Last term with the reform, and why it stopped.
HALTS: dict[tuple[str, str], tuple[str, str]] = {
    ("tailored_lists", NORTH_EAST): (_AUTUMN, "Halted by the programme between two phases"),
    ("tailored_lists", WEST_MIDLANDS): (_AUTUMN, "Halted by the partnership: no settings could be added to the lists"),
}
# From this term on the partnership is at stage 3 (in use in most places): a new spell.
NEXT_STAGE: dict[tuple[str, str], str] = {("digital_ehcp", NORTH_EAST): _AUTUMN, ("digital_ehcp", LONDON): _AUTUMN}


@dataclass(frozen=True)
class Effect:
    """A true effect on a share, in percentage points.

    Attributes:
        reform: that has it.
        share: the share it moves, as the simulation names it.
        ramp: part of the full effect in the first, second, … term; the last one holds from then on.
        full: full effect, in points.
        regional: full effect in regions that differ.
        graded: whether the full effect is that at an intensity of 1, and less where the intensity is.
    """

    reform: str
    share: str
    ramp: tuple[float, ...]
    full: float
    regional: tuple[tuple[str, float], ...] = ()
    graded: bool = False


_RAMP = (1 / 3, 2 / 3, 1.0)
EFFECTS = (
    Effect(
        "digital_ehcp", "within_20_weeks", _RAMP, 16.0, ((LONDON, 20.0), (WEST_MIDLANDS, 20.0), (EAST, 11.0), (SOUTH_WEST, 11.0))
    ),
    Effect("digital_ehcp", "exceptions", _RAMP, 5.0),
    Effect("digital_ehcp", "digital", _RAMP, 60.0),
    Effect("ap_tiers", "returned", (0.5, 1.0), 5.0),
    Effect("ap_tiers", "sustained", (0.5, 1.0), 9.0),
    Effect("tailored_lists", "transitional_returned", (1.0,), 12.0),
    Effect("tailored_lists", "preference_met", (1.0,), 8.0),
    Effect("tailored_lists", "section_i_appeals", (1.0,), -1.5),
    Effect("digital_ehcp", "help_in_time", (0.5, 1.0), 7.0),
    Effect("national_standards", "suspended_with_support", (0.5, 1.0), -0.9),
    Effect("ap_taskforce", "ap_absence", (0.5, 1.0), -4.0),
    Effect("ap_taskforce", "ap_destinations", (0.5, 1.0), 7.0),
    Effect("senco_training", "absence_with_plan", (0.5, 1.0), -2.5, graded=True),
    Effect("places", "plans_independent_special", (0.5, 1.0), -0.8),
    Effect("fair_access", "days_out", (1.0,), -4.0),
    Effect("local_partnership", "services_together", (0.5, 1.0), 12.0, graded=True),
)


@dataclass(frozen=True, eq=False)
class Places:
    """The 153 authorities of today, sorted by code, N = 153 long each.

    Attributes:
        codes, names: of today.
        regions: region of each.
        region: number of the region, 0 to 8, in official order.
        partner: whether it is one of the programme's 32.
    """

    codes: tuple[str, ...]
    names: tuple[str, ...]
    regions: tuple[str, ...]
    region: np.ndarray
    partner: np.ndarray


@cache
def places() -> Places:
    """The authorities of the demonstration."""
    table = current_authorities().sort_values("authority")
    regions = tuple(table["region"])
    number = {code: at for at, code in enumerate(sorted(set(regions)))}
    partner = table["authority"].isin(partnerships()["authority"]).to_numpy()
    region = np.array([number[code] for code in regions])
    return Places(tuple(table["authority"]), tuple(table["name"]), regions, region, partner)


@cache
def terms() -> tuple[str, ...]:
    """The 18 terms, in order."""
    return tuple(between(FIRST, LAST))


def reform_starts(reform: str) -> dict[str, str]:
    """First term with a reform by authority."""
    planned, where = (STARTS | MORE_STARTS)[reform], places()
    return {
        code: LATER.get((reform, code), planned[region])
        for code, region, partner in zip(where.codes, where.regions, where.partner, strict=True)
        if partner and region in planned
    }


@cache
def time_on(reform: str) -> np.ndarray:
    """Terms since the start of a reform, N × 18: 0 in the first, −1 where it is not in use (not yet, never, or no more)."""
    where, order = places(), terms()
    out = np.full((len(where.codes), len(order)), -1)
    for code, start in reform_starts(reform).items():
        row, first = where.codes.index(code), order.index(start)
        halt = HALTS.get((reform, where.regions[row]))
        last = order.index(halt[0]) if halt else len(order) - 1
        out[row, first : last + 1] = np.arange(last + 1 - first)
    out.setflags(write=False)
    return out


def intensities(reform: str) -> dict[str, float]:
    """Intensity of a reform by authority: half, but for those of which each authority takes up another dose."""
    return {code: _GRADES[at % len(_GRADES)] if reform in GRADED else 0.5 for at, code in enumerate(reform_starts(reform))}


@cache
def intended_effect(share: str) -> np.ndarray:
    """The effect that the reforms would have on a share where there is room for it, as a proportion: N × 18."""
    where = places()
    total = np.zeros((len(where.codes), len(terms())))
    for effect in (one for one in EFFECTS if one.share == share):
        since = time_on(effect.reform)
        regional = dict(effect.regional)
        full = np.array([regional.get(region, effect.full) for region in where.regions])[:, None] / 100
        if effect.graded:
            dose = intensities(effect.reform)
            full = full * np.array([dose.get(code, 0.0) for code in where.codes])[:, None]
        ramp = np.array(effect.ramp)[np.clip(since, 0, len(effect.ramp) - 1)]
        total += np.where(since >= 0, full * ramp, 0.0)
    total.setflags(write=False)
    return total


@cache
def codes_at() -> tuple[np.ndarray, np.ndarray]:
    """The code to report under by authority and term, and whether it began after the term (N × 18 each).

    It is the code in force on the last day of the term. Areas that were divided later (Cumbria, Northamptonshire) are reported
    under the codes of today: their figures were worked out again for the new areas, which the contract takes as a query.
    """
    began = dict(zip(authorities()["authority"], authorities()["start"], strict=True))
    last_days = [parse(term).end for term in terms()]
    codes = np.empty((len(places().codes), len(last_days)), dtype=object)
    for row, today in enumerate(places().codes):
        codes[row] = [code_on(today, day) or today for day in last_days]
    early = np.array([[began[code] > day.isoformat() for code, day in zip(row, last_days, strict=True)] for row in codes])
    return codes, early


@cache
def spells() -> pd.DataFrame:
    """The demonstration's reform register, as the contract `reform_register` has it (dates and numbers as text, blank: none)."""
    where = places()
    region_of = dict(zip(where.codes, where.regions, strict=True))
    rows: list[tuple[str, str, str, str, str, str, str]] = []
    for reform in (one for one in STARTS | MORE_STARTS if one not in TOLD):
        level = intensities(reform)
        for code, term in reform_starts(reform).items():
            start = LAUNCH if reform in AT_LAUNCH else parse(term).start
            rows += _spells_of(reform, code, region_of[code], start, level[code])
    names = ["authority", "reform", "start", "end", "stage", "intensity", "halted_reason"]
    return pd.DataFrame(sorted(rows), columns=names)


def _spells_of(reform: str, code: str, region: str, start: date, level: float) -> list[tuple[str, str, str, str, str, str, str]]:
    halt, next_stage = HALTS.get((reform, region)), NEXT_STAGE.get((reform, region))
    if halt:
        return [(code, reform, start.isoformat(), parse(halt[0]).end.isoformat(), "2", "0.4", halt[1])]
    if next_stage is None:
        return [(code, reform, start.isoformat(), "", "2", f"{level:g}", "")]
    change = parse(next_stage).start
    last_day = (change - timedelta(days=1)).isoformat()
    first = (code, reform, start.isoformat(), last_day, "2", "0.5", "Next stage reached")
    return [first, (code, reform, change.isoformat(), "", "3", "0.8", "")]


def register_file() -> bytes:
    """The register as CSV."""
    return spells().to_csv(index=False, lineterminator="\n").encode()
