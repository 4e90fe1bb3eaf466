"""The releases of 2025 and 2022 as published, held against a plain reading of their files with the standard library."""

import csv
import io
import zipfile
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from pilots.catalogue import FileAlias, aliases, in_force
from pilots.places import authorities
from pilots.published import ImportReport, measure_values
from pilots.storage import Store

PUBLICATION = "education-health-and-care-plans"
Real = tuple[Store, dict[str, ImportReport]]
# Written down by hand: what the same area is called today, and areas that were divided.
TODAY = {
    "E08000016": "E08000038",
    "E08000019": "E08000039",
    "E10000002": "E06000060",
    "E10000023": "E06000065",
    "E10000027": "E06000066",
    "E08000020": "E08000037",
    "E06000048": "E06000057",
}
DIVIDED = {"E10000006", "E10000021", "E10000009", "E06000028", "E06000029"}
READ_2025 = {
    "plans_issued": ("timeliness_20_week.csv", "plans_issued_den", "All EHC plans issued"),
    "plans_issued_excluding_exceptions": ("timeliness_20_week.csv", "plans_issued_den_ex", "All EHC plans issued"),
    "plans_issued_within_20_weeks": ("timeliness_20_week.csv", "plans_issued_within_20_weeks", "All EHC plans issued"),
    "plans_issued_within_20_weeks_excluding_exceptions": (
        "timeliness_20_week.csv",
        "plans_issued_20_weeks_ex",
        "All EHC plans issued",
    ),
    "new_plans": ("newplans.csv", "new_ehc_plans", "New EHC plans"),
    "new_plans_mainstream": ("newplans.csv", "mainstream_total", "New EHC plans"),
    "requests": ("requests.csv", "requests_received_in_year", "All requests for EHC needs assessments"),
    "requests_refused": ("requests.csv", "requests_decided_not_to_assess", "All requests for EHC needs assessments"),
}


def open_csv(content: bytes, name: str) -> list[list[str]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive, archive.open(f"data/{name}") as handle:
        return list(csv.reader(io.TextIOWrapper(handle, "utf-8-sig")))


def plainly(content: bytes, name: str, column: str, label: str) -> dict[tuple[str, str], str]:
    """Cell by period and today's authority."""
    head, *rows = open_csv(content, name)
    found = {}
    for row in rows:
        cells = dict(zip(head, row, strict=True))
        code = cells["new_la_code"]
        if cells["geographic_level"] == "Local authority" and cells["breakdown"] == label and code not in DIVIDED:
            key = (cells["time_period"], TODAY.get(code, code))
            assert key not in found
            found[key] = cells[column]
    return found


@pytest.mark.parametrize("measure", READ_2025)
def test_stored_figures_are_those_of_the_file(real: Real, release_bytes: Callable[[str], bytes], measure: str) -> None:
    store, _ = real
    wanted = plainly(release_bytes("2025"), *READ_2025[measure])
    if measure == "new_plans":
        # A fault of the file: every authority of Yorkshire and The Humber has the total of the region.
        wrong = [key for key, text in wanted.items() if key[0] == "2022" and text == "6078"]
        assert len(wrong) == 15
        wanted |= dict.fromkeys(wrong, "?")
    with store.read() as connection:
        table = measure_values(connection, ["EES-0001"], [measure])
    assert len(table) == len(wanted)
    for row in table.itertuples():
        text = wanted[(row.period, row.authority)]
        assert row.symbol == text or float(text) == row.value, (row.period, row.authority, text)


@pytest.mark.parametrize(
    ("measure", "rows", "symbols"),
    [
        ("plans_issued", [149, 149, 151, 151, 151, 153], {("2022", "x"): 4, ("2023", "x"): 1}),
        ("plans_issued_excluding_exceptions", [149, 149, 151, 151, 151, 153], {("2022", "x"): 4, ("2023", "x"): 1}),
        ("new_plans", [148, 149, 151, 151, 151, 153], {("2022", "?"): 15}),
        ("new_plans_mainstream", [148, 149, 151, 151, 151, 153], {("2022", "x"): 1}),
        ("requests", [149, 149, 151, 151, 153, 153], {("2023", "x"): 3}),
        ("requests_refused", [149, 149, 151, 151, 153, 153], {("2023", "x"): 3}),
    ],
)
def test_rows_and_symbols_by_year(real: Real, measure: str, rows: list[int], symbols: dict[tuple[str, str], int]) -> None:
    store, _ = real
    with store.read() as connection:
        table = measure_values(connection, ["EES-0001"], [measure])
    assert table.groupby("period").size().to_dict() == dict(zip(map(str, range(2019, 2025)), rows, strict=True))
    marked = table[table["symbol"].notna()]
    assert Counter(zip(marked["period"], marked["symbol"], strict=True)) == symbols
    assert (table["value"].notna() ^ table["symbol"].notna()).all()


@pytest.mark.parametrize(
    ("outcome", "figures", "by_symbol", "absent", "nothing_to_divide", "unusable"),
    [
        ("timeliness_20_weeks", 897, {"x": 5}, 2, 2, 0),
        ("timeliness_20_weeks_excluding_exceptions", 895, {"x": 5}, 2, 4, 0),
        ("new_plans_mainstream", 888, {"x": 1}, 3, 0, 14),
        ("requests_refused", 901, {"x": 3}, 0, 2, 0),
    ],
)
def test_main_outcomes_of_2025(
    real: Real, outcome: str, figures: int, by_symbol: dict[str, int], absent: int, nothing_to_divide: int, unusable: int
) -> None:
    entry = next(entry for entry in real[1]["2025"].outcomes if entry["outcome"] == outcome)
    assert (entry["authorities"], entry["first"], entry["last"]) == (153, "2019", "2024")
    assert entry["periods"] == ["2019", "2020", "2021", "2022", "2023", "2024"]
    assert (entry["cells"], entry["figures"], entry["missing"]) == (906, figures, 906 - figures)
    assert (entry["missing_by_symbol"], entry["blank"], entry["absent"]) == (by_symbol, 0, absent)
    assert (entry["zero_denominator"], entry["unusable"]) == (nothing_to_divide, unusable)


def test_every_outcome_of_the_publication_is_fed(real: Real) -> None:
    fed = {entry["outcome"]: (entry["authorities"], entry["first"], entry["last"]) for entry in real[1]["2025"].outcomes}
    assert len(fed) == 13
    assert {authorities for authorities, _, _ in fed.values()} == {153}
    assert fed["plans_mainstream"][1:] == ("2018/19", "2024/25")
    assert fed["requests_decided_six_weeks"][1:] == ("2023", "2024")


def test_what_2025_could_not_be_used_for(real: Real) -> None:
    told = real[1]["2025"].sections
    assert told["duplicated_columns"] == [
        {"file": "annual_reviews.csv", "column": "review_meeting_prior_24", "copies": 2, "identical": True, "used": "no"}
    ]
    assert [(row["file"], row["period"], row["region"], row["found"], row["authorities"]) for row in told["region_totals"]] == [
        ("newplans.csv", "2022", "Yorkshire and The Humber", "6078", 15)
    ]
    for section in ("unknown_columns", "missing_columns", "periods", "unreadable", "repeated_rows", "restated"):
        assert told[section] == [], section
    gaps = {(row["name"], row["period"], row["file"], row["what"]) for row in told["gaps"] if row["programme"]}
    assert {gap for gap in gaps if gap[0] == "Leicester"} == {
        ("Leicester", "2023", "timeliness_20_week.csv", "no row"),
        ("Leicester", "2023", "newplans.csv", "no row"),
        ("Leicester", "2023", "ceased_plans.csv", "no row"),
        ("Leicester", "2023", "requests.csv", "x"),
        ("Leicester", "2023", "assessments.csv", "x"),
        ("Leicester", "2023/24", "personal_budgets.csv", "x"),
    }
    assert ("Wakefield", "2022", "newplans.csv", "not usable, x") in gaps
    assert {row["period"] for row in told["breaks"]} == {"2023", "2022/23"}
    codes = {(row["code"], row["kind"]): row["periods"] for row in told["codes"]}
    assert codes[("E10000023", "ended")] == "2024, 2023/24 to 2024/25"
    assert codes[("E10000006", "split")] == "2019 to 2022, 2018/19 to 2022/23"
    assert codes[("E08000016", "recoded")] == "2019 to 2024, 2018/19 to 2024/25"
    assert not [kind for _, kind in codes if kind in ("unknown", "early")]


def test_files_of_2025(real: Real) -> None:
    entries = real[1]["2025"].sections["files"]
    assert len([entry for entry in entries if entry["values"]]) == 12
    assert {entry["file"]: entry["reason"] for entry in entries if not entry["values"]} == {
        "SEND Tribunals and appeal rate 2014-2024.csv": "supporting file, not open data in the standard layout",
        "sen2_dmo_dco.csv": "supporting file, not open data in the standard layout",
    }
    assert real[1]["2025"].values == sum(entry["values"] for entry in entries) == 38017


def test_2022(real: Real) -> None:
    brought = real[1]["2022"]
    assert (brought.edition, brought.values, brought.restates) == ("2022", 32810, [])
    assert not [note for note in brought.notes if note.startswith("The edition")]
    assert brought.sections["missing_columns"] == brought.sections["unknown_columns"] == brought.sections["region_totals"] == []
    spans = {entry["outcome"]: (entry["authorities"], entry["first"], entry["last"]) for entry in brought.outcomes}
    assert spans["timeliness_20_weeks"] == (151, "2014", "2021")
    assert spans["plans_mainstream"] == (151, "2014/15", "2021/22")
    assert brought.sections["breaks"] == []
    unused = {entry["file"]: entry["reason"] for entry in brought.sections["files"] if not entry["values"]}
    assert set(unused) == {"sen2_age_caseload.csv", "sen2_age_new_plans.csv"}


def test_2022_figures_are_those_of_the_file(real: Real, release_bytes: Callable[[str], bytes]) -> None:
    store, _ = real
    head, *rows = open_csv(release_bytes("2022"), "sen2_estab_caseload.csv")
    wanted = {}
    for row in rows:
        cells = dict(zip(head, row, strict=True))
        code, year = cells["new_la_code"], int(cells["time_period"])
        if cells["geographic_level"] == "Local authority" and cells["establishment_type"] == "Special - Independent":
            wanted[(f"{year - 1}/{year % 100:02d}", TODAY.get(code, code))] = cells["Total_ehc"]
    wanted = {key: text for key, text in wanted.items() if key[1] not in DIVIDED}
    with store.read() as connection:
        table = measure_values(connection, ["EES-0002"], ["plans_independent_special"])
    found = {(row.period, row.authority): row.symbol if row.symbol == "z" else row.value for row in table.itertuples()}
    assert found == {key: "z" if text == "z" else float(text) for key, text in wanted.items()}


def test_both_editions_together(real: Real) -> None:
    store, _ = real
    with store.read() as connection:
        table = measure_values(connection, ["EES-0001", "EES-0002"], ["plans_issued", "plans"])
    editions = table.groupby(["measure", "period"])["edition"].agg(set)
    assert all(len(found) == 1 for found in editions)
    assert editions[("plans_issued", "2018")] == {"2022"}
    assert editions[("plans_issued", "2019")] == {"2025"}
    assert editions[("plans", "2017/18")] == {"2022"}
    assert editions[("plans", "2018/19")] == {"2025"}
    assert not table.duplicated(["measure", "period", "authority"]).any()


def test_all_authorities_are_those_of_today(real: Real) -> None:
    store, _ = real
    table = authorities()
    today = set(table.loc[table["end"] == "", "authority"])
    with store.read() as connection:
        found = measure_values(connection, ["EES-0001"], ["plans"])
    assert set(found["authority"]) == today
    assert len(today) == 153


@pytest.mark.parametrize("edition", ["2025", "2022"])
def test_every_alias_column_is_in_the_file(release_bytes: Callable[[str], bytes], edition: str) -> None:
    content = release_bytes(edition)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [name.removeprefix("data/") for name in archive.namelist() if name.startswith("data/")]
    read: set[str] = set()
    for name in names:
        (alias,) = [one for one in aliases(PUBLICATION).files if one.matches(name) and in_force(one.since, one.until, edition)]
        read.add(alias.id)
        if not alias.unused:
            check_columns(open_csv(content, name), alias, edition)
    layout = {one.id for one in aliases(PUBLICATION).files if one.until == ("2022" if edition == "2022" else "")}
    assert read == layout


def check_columns(table: list[list[str]], alias: FileAlias, edition: str) -> None:
    head, *rows = table
    conditions = {column for where, _ in alias.rows for column in where}
    for where, measures in alias.rows:
        for measure, pairs in measures.items():
            valid = [column for column, since, until in pairs if in_force(since, until, edition)]
            assert len(valid) == 1 and valid[0] in head, (alias.id, measure)
        places = {head.index(column): value for column, value in where.items()}
        assert any(all(row[at] == value for at, value in places.items()) for row in rows), (alias.id, where)
    if alias.totals_column:
        labels = {row[head.index(alias.totals_column)] for row in rows}
        assert len(labels & set(alias.totals_labels)) == 1, alias.id
    known: list[Any] = [column for column in head[10:] if column not in conditions and column != alias.totals_column]
    assert not [one for one in known if one not in alias.columns and not alias.knows(one) and one != "breakdown_topic"]


def test_a_restated_real_file(take: Callable[[str, bytes], ImportReport], release_bytes: Callable[[str], bytes]) -> None:
    name = "timeliness_20_week.csv"
    with zipfile.ZipFile(io.BytesIO(release_bytes("2025"))) as archive:
        text = archive.read(f"data/{name}").decode("utf-8-sig")
    lewisham = "209,Lewisham,All EHC plans issued,All EHC plans issued,193,193,183,183,94.8,94.8,"
    assert text.count(lewisham) == 1
    first = take(name, text.encode())
    second = take(name, text.replace(lewisham, lewisham.replace("94.8,94.8", "x,x").replace(",183", ",x")).encode())
    assert (first.values, second.values, second.edition) == (6328, 6328, "2025")
    changed = [(row["measure"], row["period"], row["name"], row["old"], row["new"]) for row in second.sections["restated"]]
    assert changed == [
        ("plans_issued_within_20_weeks", "2024", "Lewisham", "183", "x"),
        ("plans_issued_within_20_weeks_excluding_exceptions", "2024", "Lewisham", "183", "x"),
        ("published_pc_within_20_weeks", "2024", "Lewisham", "94.8", "x"),
        ("published_pc_within_20_weeks_excluding_exceptions", "2024", "Lewisham", "94.8", "x"),
    ]
