"""Places: upper-tier local authorities with their codes' dates, the nine regions, the 32 authorities of the programme.

The tables are facts of the Office for National Statistics (codes, names, dates, regions), of council pages (partnerships) and
of the Department (statistical neighbours: Local Authority Interactive Tool, May 2025, Open Government Licence v3.0).
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources

import pandas as pd

from pilots.periods import Period, parse

TODAYS_CODES = date(2025, 9, 1)  # Barnsley and Sheffield have their present codes from May 2025; nothing changed after
CODE_PATTERN = re.compile(r"^E(06|08|09|10)\d{6}$")


@dataclass(frozen=True)
class Resolution:
    """What became of a code: the authority of today, or none and why.

    Attributes:
        code: the code as found.
        authority: the code among today's 153, or None.
        kind: `current`, `recoded` (the code was right at the time), `ended` (an ended code in a later period, recoded),
            `early` (a code before it began), `split` (its area went to several authorities) or `unknown`.
        message: what was done, for the reader; empty for `current`.
        misdated: True where the code was not in force in the period: a finding.
    """

    code: str
    authority: str | None
    kind: str
    message: str = ""
    misdated: bool = False


@cache
def _table(name: str) -> pd.DataFrame:
    with resources.files(__package__).joinpath(name).open(encoding="utf-8") as handle:
        return pd.read_csv(handle, dtype=str, keep_default_na=False)


def _read(name: str) -> pd.DataFrame:
    return _table(name).copy()


@cache
def _authorities() -> pd.DataFrame:
    table = _read("authorities.csv")
    names = regions().set_index("region")["name"]
    table.insert(4, "region_name", table["region"].map(names))
    return table


def regions() -> pd.DataFrame:
    """The nine regions of England: `region` (E12…), `name`."""
    return _read("regions.csv")


def authorities() -> pd.DataFrame:
    """All upper-tier authorities of England since 2009, ended codes included.

    Returns:
        One row a code: authority (GSS code), name, old_code (three digits, blank where none), region, region_name, start, end
        (ISO dates; blank while live), change (how it ended: continues, split, merged, boundary), successors (codes, spaces
        between).
    """
    return _authorities().copy()


@cache
def regions_of() -> dict[str, str]:
    """Region of each of `authorities`, by code; nobody may change it."""
    table = _authorities()
    return dict(zip(table["authority"], table["region"], strict=True))


def current_authorities(on: date | None = None) -> pd.DataFrame:
    """The authorities whose codes are in force on a day: 153 today.

    Args:
        on: the day; without it the codes of today.
    """
    day = (on or TODAYS_CODES).isoformat()
    table = _authorities()
    live = (table["start"] <= day) & ((table["end"] == "") | (table["end"] >= day))
    return table[live].reset_index(drop=True)


def partnerships() -> pd.DataFrame:
    """The 32 authorities of the programme: authority, name, partnership (region), role (lead, joint lead, partner), launch."""
    return _read("partnerships.csv")


def neighbours() -> pd.DataFrame:
    """Which authorities share a land border with one of the programme's 32: authority, neighbour (codes of today).

    Compiled by hand from maps: it serves the check and the comparison that leave out neighbours, and nothing else.
    """
    return _read("neighbours.csv")


def statistical_neighbours(on: date | None = None) -> pd.DataFrame:
    """The ten authorities that are most like each of the 153, as the Department drew them up: not near on the map, but alike.

    From the Local Authority Interactive Tool of May 2025. Areas that had no code of their own on the day are left out.

    Args:
        on: the day whose codes are given; without it the codes of today.

    Returns:
        authority, rank (1 is the most alike), neighbour, closeness (`Extremely close` to `Not close`).
    """
    table = _read("statistical_neighbours.csv").astype({"rank": int})
    if on is not None:
        for column in ("authority", "neighbour"):
            table[column] = [code_on(code, on) for code in table[column]]
        table = table.dropna().reset_index(drop=True)
    return table


def bordering(codes: Collection[str]) -> set[str]:
    """Authorities that share a land border with one of these, as far as borders are known, and are none of them."""
    table = _table("neighbours.csv")
    return set(table.loc[table["authority"].isin(codes), "neighbour"]) - set(codes)


def without_known_borders(codes: Collection[str]) -> list[str]:
    """Those of these authorities whose borders are not known, in order: all that are not of the programme."""
    return sorted(set(codes) - set(_table("neighbours.csv")["authority"]))


def alike(codes: Collection[str]) -> set[str]:
    """Authorities that are among the ten statistical neighbours of one of these, and are none of them (codes of today)."""
    table = _table("statistical_neighbours.csv")
    return set(table.loc[table["authority"].isin(codes), "neighbour"]) - set(codes)


def code_on(code: str, day: date) -> str | None:
    """The code that an area of today had on a day; None where it was no authority of its own, or part of another, then."""
    when: str | None = code
    while when is not None and _by_code()[when]["start"] > day.isoformat():
        when = _same_area_before().get(when)
    return when


@cache
def _same_area_before() -> dict[str, str]:
    return {row["successors"]: code for code, row in _by_code().items() if row["change"] == "continues"}


def names() -> dict[str, str]:
    """Name by code, ended codes included."""
    return dict(_names())


@cache
def _names() -> dict[str, str]:
    table = _authorities()
    return dict(zip(table["authority"], table["name"], strict=True))


def called(code: str) -> str:
    """The name of an authority, or “School 100000” for a school by its URN; a code that is neither stays as it is."""
    return _names().get(code) or (f"School {code}" if re.fullmatch(r"\d{6}", code) else code)


def region_names() -> dict[str, str]:
    """Name by code of the nine regions, in official order."""
    return dict(_region_names())


@cache
def _region_names() -> dict[str, str]:
    table = regions()
    return dict(zip(table["region"], table["name"], strict=True))


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]+", " ", name.lower().replace("&", " and ")).strip()


@cache
def _codes_by_name() -> dict[str, str]:
    table = _authorities().sort_values("start")
    found = {_plain(name): code for name, code in zip(table["name"], table["authority"], strict=True)}
    aliases = _read("aliases.csv")
    found.update({_plain(name): code for name, code in zip(aliases["name"], aliases["authority"], strict=True)})
    return found


def code_for_name(name: str) -> str | None:
    """The code that goes with a name or one of its known variants ("Bedford Borough", "Durham"); None where none is known."""
    return _codes_by_name().get(_plain(name))


@cache
def _by_code() -> dict[str, dict[str, str]]:
    return {str(row["authority"]): {str(k): str(v) for k, v in row.items()} for row in _authorities().to_dict("records")}


def _follow(code: str) -> tuple[str | None, str]:
    """Go along same-area successors: the code of today, or None and the code at which the area was divided."""
    table = _by_code()
    while table[code]["end"]:
        if table[code]["change"] != "continues":
            return None, code
        code = table[code]["successors"]
    return code, code


@cache
def resolve(code: str, period: str | Period) -> Resolution:
    """Find the authority of today behind a code used for a period.

    Args:
        code: a GSS code as found in a file.
        period: the period of the figure, as text or as a Period.

    Returns:
        A Resolution. Ended codes with one successor of the same area are recoded; others are never guessed.
    """
    row = _by_code().get(code)
    if row is None:
        return Resolution(code, None, "unknown", f"{code} is not a code of an upper-tier authority in England.")
    when = parse(period) if isinstance(period, str) else period
    ended_before = bool(row["end"]) and row["end"] < when.start.isoformat()
    authority, last = _follow(code)
    if authority is None:
        heirs = ", ".join(f"{_by_code()[heir]['name']} ({heir})" for heir in _by_code()[last]["successors"].split())
        late = f" although the code ended on {row['end']}" if ended_before else ""
        text = f"{row['name']} ({code}) is used for {when}{late}; its area went to {heirs}. Left out."
        return Resolution(code, None, "split", text, ended_before)
    if ended_before:
        text = f"{row['name']}: {code} ended on {row['end']} but is used for {when}; read as {authority}, the same area."
        return Resolution(code, authority, "ended", text, True)
    if authority != code:
        return Resolution(
            code, authority, "recoded", f"{row['name']}: {code} for {when} is read as today's {authority}, the same area."
        )
    if row["start"] > when.end.isoformat():
        text = f"{row['name']}: {code} is used for {when} but began on {row['start']}.{_was(code)}"
        return Resolution(code, code, "early", text, True)
    return Resolution(code, code, "current")


def _was(code: str) -> str:
    """What the area of a code was before it began, in words."""
    before = [f"{row['name']} ({old})" for old, row in _by_code().items() if code in row["successors"].split()]
    return f" Its area was {' and '.join(before)} then." if before else ""


def used_together(codes: Collection[str]) -> list[tuple[str, str]]:
    """Pairs of an ended code and one that took over its area, wholly or in part, where both are among some codes.

    Args:
        codes: those used for one period; both of a pair would count an area twice.
    """
    found = []
    for old in sorted(set(codes) & set(_by_code())):
        heirs = list(_by_code()[old]["successors"].split())
        for heir in heirs:  # grows while it is walked: heirs of heirs
            heirs += [later for later in _by_code()[heir]["successors"].split() if later not in heirs]
        found += [(old, heir) for heir in heirs if heir in codes]
    return found
