"""The real table of the Local Authority Interactive Tool, where it is at hand: what comes in, and that it agrees with EES."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from pilots.access import LOCAL_ADMINISTRATOR
from pilots.catalogue import aliases, outcomes
from pilots.places import current_authorities
from pilots.published import ImportReport, import_lait, measure_values
from pilots.published.lait_mapping import AGGREGATES, KINDS
from pilots.published.lait_table import PUBLICATION
from pilots.storage import Store

HERE = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "lait"
NAME = "bds_long_send_absence_exclusions.parquet"
Real = tuple[Store, ImportReport]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def lait(lasting_url: Callable[[], str]) -> Iterator[Real]:
    path = HERE / NAME
    if not path.exists():
        pytest.skip(f"the real table is not at hand (../shared/data/lait/{NAME})")
    store = Store.open(lasting_url())
    yield store, import_lait(store, LOCAL_ADMINISTRATOR, NAME, path.read_bytes())
    store.close()


def figures(store: Store, reference: str, measure: str) -> pd.DataFrame:
    with store.read() as connection:
        return measure_values(connection, [reference], [measure])


def test_what_comes_in(lait: Real) -> None:
    _, brought = lait
    assert (brought.edition, brought.values, brought.restates) == ("undated", 96303, [])
    told = brought.sections
    for section in ("unknown_measures", "missing_columns", "unreadable", "repeated_rows", "restated"):
        assert told[section] == [], section
    (wrong,) = told["periods"]
    assert (wrong["time_period"], wrong["rows"], wrong["file"]) == ("0", 158, "children in need")
    split = {(code, "split") for code in ("835", "836", "837", "909", "928")}
    early = {(code, "early") for code in ("838", "942", "943")}
    assert {(row["code"], row["kind"]) for row in told["codes"]} == split | early
    assert sum(entry["rows"] for entry in told["files"]) == 146710
    assert any(note.startswith("7,740 rows of England and its regions") for note in brought.notes)


def test_outcomes_have_enough_authorities(lait: Real) -> None:
    store, brought = lait
    fed = {entry["outcome"]: entry for entry in brought.outcomes}
    mine = [one for one in outcomes() if one.source == PUBLICATION]
    assert set(fed) == {one.id for one in mine} and len(mine) >= 12
    for one in mine:
        rows = figures(store, brought.reference, one.numerator[0])
        counts = rows[rows["value"].notna()].groupby("period").size()
        # Key stage 2 results of children in need are suppressed for some: 138 authorities in the leanest year.
        assert len(counts) >= 7 and counts.median() >= 140 and counts.min() >= 138, one.id


def test_every_figure_is_that_of_the_file(lait: Real) -> None:
    store, brought = lait
    raw = pd.read_parquet(HERE / NAME)
    raw["number"] = raw["LA Number"].astype(int).astype(str)
    today = dict(current_authorities()[["old_code", "authority"]].itertuples(index=False))
    raw = raw[raw["number"].isin(today) & ~raw["number"].isin(AGGREGATES)]
    for short, measure, shift in [
        ("SecTotAbs", "published_absence_secondary", 1),  # “2016” of an academic year is 2015/16
        ("TotPermEx", "published_permanent_exclusions", 0),
        ("EHCP_Initial_req_refused", "published_requests_refused", 0),
    ]:
        mine = raw[(raw["Short Desc"] == short) & (raw["Values"] != "-")]
        wanted = {(today[number], years): float(text) for number, years, text in mine[["number", "Years", "Values"]].values}
        rows = figures(store, brought.reference, measure)
        rows = rows[rows["value"].notna()]
        years = rows["period"].map(lambda period, shift=shift: str(int(period[:4]) + shift) if shift else period)
        assert dict(zip(zip(rows["authority"], years, strict=True), rows["value"], strict=True)) == wanted, short
        assert len(wanted) > 1200


def test_years_are_of_the_kind_that_the_data_dictionary_names(lait: Real) -> None:
    dictionary = pd.read_csv(HERE / "lait_data_dictionary.csv", encoding="utf-8-sig")
    said = dict(dictionary[["Measure_short", "Year_Type"]].drop_duplicates().itertuples(index=False))
    spelt = {"Annual - January": "january"}
    for alias in aliases(PUBLICATION).files:
        for where, _ in alias.rows if not alias.unused else ():
            kind = said[where["Short Desc"]]
            assert spelt.get(kind, kind.lower()) == alias.period and alias.period in KINDS, where


def test_the_pandemic_is_where_it_was(lait: Real) -> None:
    store, brought = lait
    rows = figures(store, brought.reference, "published_absence_primary")
    mean = rows.groupby("period")["value"].mean()
    assert rows[rows["period"] == "2019/20"]["value"].isna().all()
    # The published figure of England: 4.0 per cent of sessions in 2015/16, 6.3 in 2021/22; a mean of authorities is near it.
    assert mean["2015/16"] == pytest.approx(4.0, abs=0.1) and mean["2021/22"] == pytest.approx(6.3, abs=0.1)


@pytest.mark.parametrize(("measure", "cells"), [("plans", 1053), ("requests", 903), ("new_plans", 888)])
def test_counts_agree_with_the_release_of_ees(
    lait: Real, real: tuple[Store, dict[str, ImportReport]], measure: str, cells: int
) -> None:
    """The same count from two sources: same authority, same period. A slip of a year or of a code would show."""
    store, brought = lait
    other, releases = real
    ours, theirs = figures(store, brought.reference, measure), figures(other, releases["2025"].reference, measure)
    both = ours.merge(theirs, on=["authority", "period"], suffixes=("", "_ees")).dropna(subset=["value", "value_ees"])
    assert len(both) == cells and (both["value"] == both["value_ees"]).all()
