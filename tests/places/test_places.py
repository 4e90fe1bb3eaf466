import re
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from openpyxl import load_workbook

from pilots import places
from pilots.periods import parse
from pilots.places import (
    alike,
    authorities,
    bordering,
    code_for_name,
    code_on,
    current_authorities,
    names,
    partnerships,
    region_names,
    regions,
    resolve,
    statistical_neighbours,
    without_known_borders,
)


def read(shared: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(shared / "data" / name, dtype=str, keep_default_na=False)


def iso(days: pd.Series) -> pd.Series:
    return pd.to_datetime(days, format="%d/%m/%Y", errors="coerce").dt.strftime("%Y-%m-%d").fillna("")


def test_codes_names_regions_and_dates_are_the_official_ones(shared: Path) -> None:
    official = read(shared, "geography/las.csv")
    official = official[official["new_la_code"].str.fullmatch(r"E\d{8}")].reset_index(drop=True)
    official = official.sort_values("new_la_code", ignore_index=True)
    ours = authorities().sort_values("authority", ignore_index=True)
    assert len(ours) == 172
    assert ours["authority"].tolist() == official["new_la_code"].tolist()
    assert ours["name"].tolist() == official["la_name"].tolist()
    assert ours["region"].tolist() == official["parent_geography_code"].tolist()
    assert ours["old_code"].tolist() == official["old_la_code"].replace("x", "").tolist()
    assert ours["start"].tolist() == iso(official["date_of_operation"]).tolist()
    assert ours["end"].tolist() == iso(official["date_of_termination"]).tolist()


def test_regions_are_the_nine_official_ones(shared: Path) -> None:
    official = read(shared, "geography/regions.csv")
    official = official[official["region_code"].str.startswith("E12")]
    assert dict(zip(official["region_code"], official["region_name"], strict=True)) == region_names()
    assert len(regions()) == 9


def test_region_of_every_authority_is_that_of_the_yearly_lookup(shared: Path) -> None:
    lookup = read(shared, "geography/lad_la_region_by_year.csv")[["new_la_code", "region_code"]].drop_duplicates()
    ours = dict(zip(authorities()["authority"], authorities()["region"], strict=True))
    assert {code: ours[code] for code in lookup["new_la_code"]} == dict(lookup.itertuples(index=False, name=None))


def test_the_32_authorities_are_those_of_the_programme(shared: Path) -> None:
    compiled = read(shared, "treatment/change_programme_las.csv").sort_values("new_la_code", ignore_index=True)
    ours = partnerships().sort_values("authority", ignore_index=True)
    assert len(ours) == 32
    assert ours["authority"].tolist() == compiled["new_la_code"].tolist()
    assert ours["name"].tolist() == compiled["la_name"].tolist()
    assert ours["partnership"].map(region_names()).tolist() == compiled["region"].tolist()
    assert ours["role"].isin(["lead", "joint lead"]).tolist() == (compiled["lead"] == "yes").tolist()
    assert {day[:7] for day in ours["launch"]} == set(compiled["programme_launch"])


def test_every_partnership_has_its_leads_and_its_own_region() -> None:
    table = partnerships()
    roles = table.groupby("partnership")["role"].agg(lambda found: sorted(set(found) - {"partner"}))
    assert sorted(roles.index) == list(region_names())
    assert all(role in (["lead"], ["joint lead"]) for role in roles)
    assert (table[table["role"] == "lead"].groupby("partnership").size() == 1).all()
    place = authorities().set_index("authority")
    assert (table["authority"].map(place["region"]) == table["partnership"]).all()
    assert (table["authority"].map(place["name"]) == table["name"]).all()
    assert set(table["launch"]) == {"2023-09-19"} and (table["authority"].map(place["end"]) == "").all()


def test_153_authorities_are_in_force_today_and_152_before_cumbria_was_divided() -> None:
    assert len(current_authorities()) == 153
    assert len(current_authorities(date(2023, 4, 1))) == 153
    assert len(current_authorities(date(2023, 3, 31))) == 152
    assert len(current_authorities(date(2019, 4, 1))) == 151
    for day in (date(2018, 9, 1), date(2022, 1, 1), date(2026, 1, 1)):
        assert current_authorities(day)["name"].is_unique and current_authorities(day)["authority"].is_unique


def test_codes_that_ended_have_successors_that_begin_the_day_after() -> None:
    table = authorities()
    start = dict(zip(table["authority"], table["start"], strict=True))
    for row in table.to_dict("records"):
        assert bool(row["end"]) == bool(row["successors"]) == bool(row["change"])
        for heir in str(row["successors"]).split():
            following = (date.fromisoformat(row["end"]).toordinal() + 1) if row["end"] else 0
            assert date.fromisoformat(start[heir]).toordinal() == following, row


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Bedford Borough", "E06000055"),
        ("Bedford", "E06000055"),
        ("Durham", "E06000047"),
        ("County Durham", "E06000047"),
        ("  herefordshire,  COUNTY OF ", "E06000019"),
        ("Telford & Wrekin", "E06000020"),
        ("Brighton and Hove", "E06000043"),
        ("Atlantis", None),
        ("", None),
    ],
)
def test_names_as_sources_write_them(name: str, code: str | None) -> None:
    assert code_for_name(name) == code


def test_statistical_neighbours_are_the_departments(shared: Path) -> None:
    book = load_workbook(shared / "data" / "lait" / "sn_may_2025.xlsx", read_only=True)
    code_of = dict(zip(current_authorities()["old_code"], current_authorities()["authority"], strict=True))
    official = [
        (code_of[str(row[0])], rank, code_of[str(row[3 + 2 * rank])], str(row[4 + 2 * rank]).strip().capitalize())
        for row in book.worksheets[0].iter_rows(min_row=4, values_only=True)
        if str(row[0]) in code_of
        for rank in range(1, 11)
    ]
    assert len(official) == 1530
    assert list(statistical_neighbours().itertuples(index=False, name=None)) == sorted(official)


def test_statistical_neighbours_stand_under_the_codes_of_the_day() -> None:
    today, before = statistical_neighbours(), statistical_neighbours(date(2025, 4, 30))
    assert len(today) == len(before) == 1530
    recoded = {"E08000038": "E08000016", "E08000039": "E08000019"}  # Barnsley, Sheffield
    for column in ("authority", "neighbour"):
        assert before[column].tolist() == [recoded.get(code, code) for code in today[column]]
        assert set(recoded) < set(today[column])
    assert code_on("E06000063", date(2023, 3, 31)) is None  # Cumberland was part of Cumbria
    then = statistical_neighbours(date(2023, 3, 31))
    assert {"E06000063", "E06000064"}.isdisjoint({*then["authority"], *then["neighbour"]})


def test_neighbours_of_several_are_those_of_each_and_none_of_them() -> None:
    leeds, wakefield = "E08000035", "E08000036"
    assert "E08000038" in bordering([wakefield]) and wakefield in bordering([leeds])
    assert bordering([leeds, wakefield]) == (bordering([leeds]) | bordering([wakefield])) - {leeds, wakefield}
    assert alike([leeds]) == set(statistical_neighbours().query("authority == @leeds")["neighbour"])
    assert without_known_borders(partnerships()["authority"]) == []
    assert without_known_borders([leeds, "E08000038"]) == ["E08000038"]


def test_every_name_of_today_leads_to_its_code() -> None:
    for row in current_authorities().itertuples():
        assert code_for_name(str(row.name)) == row.authority
    assert all(alias in names() for alias in places._read("aliases.csv")["authority"])


@pytest.mark.parametrize(
    ("code", "period", "kind", "authority"),
    [
        ("E06000001", "2024", "current", "E06000001"),
        ("E08000016", "2023/24 autumn", "recoded", "E08000038"),
        ("E08000016", "2025/26 autumn", "ended", "E08000038"),
        ("E10000023", "2022", "recoded", "E06000065"),
        ("E10000006", "2022", "split", None),
        ("E10000006", "2024", "split", None),
        ("E06000063", "2022", "early", "E06000063"),
        ("E08000020", "2011/12", "recoded", "E08000037"),
        ("E10000022", "2008", "recoded", "E06000057"),
        ("E07000026", "2024", "unknown", None),
        ("W06000001", "2024", "unknown", None),
    ],
)
def test_code_used_for_a_period_leads_to_the_authority_of_today(code: str, period: str, kind: str, authority: str | None) -> None:
    found = resolve(code, period)
    assert (found.kind, found.authority) == (kind, authority)
    assert found == resolve(code, parse(period))
    assert (found.message == "") == (kind == "current")
    if kind != "unknown":
        assert kind == "current" or names()[code] in found.message


def test_every_code_of_today_stays_what_it_is_and_no_other_is_given() -> None:
    today = set(current_authorities()["authority"])
    for code in names():
        for period in ("2015", "2020/21", "2025/26 summer"):
            found = resolve(code, period)
            assert found.authority in today | {None}
            assert code not in today or found.authority == code


def test_tables_given_out_can_be_changed_without_harm() -> None:
    authorities().drop(columns="name")
    table = authorities()
    table.loc[0, "name"] = "changed"
    assert authorities().loc[0, "name"] == "Hartlepool"


def test_table_holds_codes_of_the_official_form() -> None:
    table = authorities()
    assert table["authority"].map(lambda code: bool(places.CODE_PATTERN.match(code))).all() and table["authority"].is_unique
    assert table["old_code"].map(lambda code: bool(re.fullmatch(r"\d{3}|", code))).all()
