"""The long table of the Local Authority Interactive Tool: each rule in a small made-up table."""

import io
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from pilots.__main__ import pilots
from pilots.access import LOCAL_ADMINISTRATOR, RESEARCHER, Actor, NotAllowed
from pilots.catalogue import aliases, outcome, outcomes
from pilots.periods import PeriodError
from pilots.places import current_authorities
from pilots.plans import named_plan
from pilots.published import (
    ImportReport,
    NotReadable,
    import_ees,
    import_lait,
    import_published,
    lait_table,
    measure_values,
    vintages,
)
from pilots.published.cells import SPREADSHEET_NUMBER, classified
from pilots.published.lait_mapping import AGGREGATES, authority_of, period_of
from pilots.published.lait_table import COLUMNS, PUBLICATION, is_long_table
from pilots.storage import Store
from tests.databases import on_both_at_once

HEADER = ["Short Desc", "Data item", "Years", "LA and Regions", "Values", "LA Number", "Region"]
NAMES = {
    "805": "Hartlepool",
    "390": "Gateshead",
    "373": "Sheffield",
    "825": "Buckinghamshire",
    "835": "Dorset (Pre LG)",
    "837": "Bournemouth (Pre LG)",
    "838": "Dorset",
    "839": "Bournemouth, Christchurch and Poole",
    "909": "Cumbria",
    "942": "Cumberland",
    "970": "England",
    "980": "North East",
    "990": "South West",
}
Row = tuple[str, str, str, str]
Take = Callable[..., ImportReport]


def table(rows: Iterable[Row], **names: str) -> pd.DataFrame:
    """The long table of (short name, years, LA number, value); names by number are the tool's, or those given."""
    known = {**NAMES, **{key.removeprefix("n"): name for key, name in names.items()}}
    cells = [
        (short, "", years, known.get(number, "Somewhere"), value, number, "NA" if number in AGGREGATES else "North East")
        for short, years, number, value in rows
    ]
    return pd.DataFrame(cells, columns=HEADER)


def as_csv(rows: Iterable[Row], **names: str) -> bytes:
    return table(rows, **names).to_csv(index=False).encode()


def as_parquet(frame: pd.DataFrame) -> bytes:
    held = io.BytesIO()
    frame.to_parquet(held, index=False)
    return held.getvalue()


@pytest.fixture
def bring(store: Store) -> Take:
    """Import rows, or bytes, into the test's store as the local administrator."""

    def take(rows: list[Row] | bytes, filename: str = "lait.csv") -> ImportReport:
        content = rows if isinstance(rows, bytes) else as_csv(rows)
        return import_lait(store, LOCAL_ADMINISTRATOR, filename, content)

    return take


def found(store: Store, measure: str = "published_absence") -> dict[tuple[str, str], Any]:
    """Number, or symbol, by authority and period of a measure as it counts now; None for a blank cell."""
    references = [one["reference"] for one in vintages(store, LOCAL_ADMINISTRATOR)]
    with store.read() as connection:
        rows = measure_values(connection, sorted(references), [measure])
    return {
        (row.authority, row.period): (None if pd.isna(row.value) else row.value) if pd.isna(row.symbol) else row.symbol
        for row in rows.itertuples()
    }


HARTLEPOOL, GATESHEAD = "E06000001", "E08000037"


def test_numbers_symbols_blank_and_zero_stay_apart(store: Store, bring: Take) -> None:
    texts = ["4.0599999999999996", "-", "", "0", "x", "8.4430000000000005E-2", "1E2", "-0.27", "12O", "1E", "E-2", "5%"]
    brought = bring([("TotAbs", str(2011 + at), "805", text) for at, text in enumerate(texts)])
    got = found(store)
    values = [got[HARTLEPOOL, f"{2010 + at}/{11 + at}"] for at in range(len(texts))]
    assert values == [4.06, "-", None, 0.0, "x", 0.08443, 100.0, -0.27, "?", "?", "?", "?"]
    assert [(row["row"], row["found"], row["column"]) for row in brought.sections["unreadable"]] == [
        (10, "12O", "TotAbs"),
        (11, "1E", "TotAbs"),
        (12, "E-2", "TotAbs"),
        (13, "5%", "TotAbs"),
    ]
    assert any("never 0" in note for note in brought.notes)


def test_a_release_of_ees_still_refuses_small_powers_of_ten(store: Store, make_csv: Callable[..., str]) -> None:
    cells = ("8.4E-2", "90", "60", "58", "60", "64.4", "1")
    text = make_csv([("2024", HARTLEPOOL, *cells)])
    brought = import_ees(store, LOCAL_ADMINISTRATOR, "timeliness_20_week.csv", text.encode())
    assert [row["found"] for row in brought.sections["unreadable"]] == ["8.4E-2"]


@given(st.lists(st.floats(min_value=1e-9, max_value=1e9), min_size=1))
def test_every_spelling_of_a_number_is_that_number_to_the_last_bit(numbers: list[float]) -> None:
    texts = [spelling.format(number) for number in numbers for spelling in ("{:.16e}", "{:.16E}", "{:.20f}")]
    cells = classified(pl.DataFrame({"text": texts, "refused": False}), SPREADSHEET_NUMBER)
    assert cells["value"].to_list() == [float(text) for text in texts]
    assert cells["symbol"].null_count() == len(texts)


@pytest.mark.parametrize(
    ("years", "kind", "period"),
    [
        ("2016", "academic year", "2015/16"),
        ("2000", "academic year", "1999/00"),
        ("2015/16", "academic year", "2015/16"),
        ("2015-16", "academic year", "2015/16"),
        ("2016", "january", "2015/16"),
        ("2016", "calendar year", "2016"),
        ("2016", "financial year", "2015-16"),
        ("2016-17", "financial year", "2016-17"),
        ("2016/17", "financial year", "2016-17"),
    ],
)
def test_years_are_read_by_the_kind_that_the_dictionary_names(years: str, kind: str, period: str) -> None:
    assert str(period_of(years, kind)) == period


@pytest.mark.parametrize(
    ("years", "kind", "words"),
    [
        ("0", "academic year", "“0” is not a year"),
        ("", "academic year", "is not a year"),
        ("0016", "academic year", "is not a year"),
        ("20161", "calendar year", "is not a year"),
        ("\u0662016", "calendar year", "is not a year"),
        ("2015/17", "academic year", "does not join two years that follow each other"),
        ("2015/16", "calendar year", "by calendar year"),
        ("2015/16", "january", "by january"),
    ],
)
def test_years_that_cannot_be_right(years: str, kind: str, words: str) -> None:
    with pytest.raises(PeriodError, match=words):
        period_of(years, kind)


def test_rows_with_a_year_that_cannot_be_right_are_told_and_left_out(store: Store, bring: Take) -> None:
    brought = bring(
        [("CINPermExclusion", "0", "805", "-"), ("CINPermExclusion", "0", "390", "7"), ("CINPermExclusion", "2016", "805", "1")]
    )
    (row,) = brought.sections["periods"]
    assert (row["file"], row["time_period"], row["rows"]) == ("children in need", "0", 2)
    assert "“0” is not a year" in row["reason"] and "CINPermExclusion" in row["reason"]
    assert found(store, "published_excluded_children_in_need") == {(HARTLEPOOL, "2015/16"): 1.0}


def test_each_kind_of_year(store: Store, bring: Take) -> None:
    bring(
        [
            ("SEN_CASES_JAN", "2024", "805", "900"),
            ("SEN_INIT_REQ", "2024", "805", "300"),
            ("Premium", "2023-24", "805", "5000"),
            ("TotPermEx", "2023/24", "805", "0.1"),
        ]
    )
    assert found(store, "plans") == {(HARTLEPOOL, "2023/24"): 900.0}
    assert found(store, "requests") == {(HARTLEPOOL, "2024"): 300.0}
    assert found(store, "pupils_pupil_premium") == {(HARTLEPOOL, "2023-24"): 5000.0}
    assert found(store, "published_permanent_exclusions") == {(HARTLEPOOL, "2023/24"): 0.1}


@pytest.mark.parametrize(
    ("number", "name", "period", "authority", "kind"),
    [
        ("805", "Hartlepool", "2015/16", HARTLEPOOL, "current"),
        ("390", "Gateshead", "2010/11", GATESHEAD, "current"),
        ("373", "Sheffield", "2015/16", "E08000039", "current"),
        ("373", "Sheffield", "2025/26", "E08000039", "current"),
        ("825", "Buckinghamshire", "2018", "E06000060", "current"),
        ("825", "Buckinghamshire", "2024", "E06000060", "current"),
        ("839", "Bournemouth, Christchurch and Poole", "2019/20", "E06000058", "current"),
        ("839", "Bournemouth, Christchurch and Poole", "2017/18", "E06000058", "early"),
        ("837", "Bournemouth (Pre LG)", "2017/18", None, "split"),
        ("909", "Cumbria", "2024/25", None, "split"),
        ("835", "Dorset (Pre LG)", "2017/18", None, "split"),
        ("822", "Bedford Borough", "2017/18", "E06000055", "current"),
        ("999", "Nowhere", "2017/18", None, "unknown"),
        ("", "Hartlepool", "2017/18", None, "unknown"),
        ("805", "Gateshead", "2017/18", None, "name differs"),
        ("805", "A name that nobody knows", "2017/18", HARTLEPOOL, "current"),
    ],
)
def test_numbers_become_the_authorities_of_today(number: str, name: str, period: str, authority: str | None, kind: str) -> None:
    got = authority_of(number, name, period)
    assert (got.code, got.authority, got.kind) == (number, authority, kind)
    assert bool(got.message) == (kind != "current")


def test_every_authority_of_today_is_found_by_its_number() -> None:
    today = current_authorities()
    got = [authority_of(number, name, "2025/26").authority for number, name in zip(today["old_code"], today["name"], strict=True)]
    assert got == list(today["authority"])


def test_rows_of_authorities_that_do_not_exist_say_nothing(store: Store, bring: Take) -> None:
    brought = bring(
        [
            ("TotAbs", "2018", "837", "4.5"),  # a number of an area that was divided: told and left out
            ("TotAbs", "2022", "837", "-"),  # ended: says nothing
            ("TotAbs", "2018", "839", "-"),  # not begun: says nothing
            ("TotAbs", "2017", "839", "4.7"),  # not begun, with a number: kept and told
            ("TotAbs", "2022", "839", "-"),  # lacking
            ("TotAbs", "2022", "942", "-"),  # began in April 2023: says nothing
            ("TotAbs", "2022", "805", "5"),
            ("TotAbs", "2022", "999", "-"),  # unknown: told although there is no figure
        ]
    )
    assert found(store) == {("E06000058", "2021/22"): "-", ("E06000058", "2016/17"): 4.7, (HARTLEPOOL, "2021/22"): 5.0}
    assert [(row["code"], row["kind"], row["periods"]) for row in brought.sections["codes"]] == [
        ("839", "early", "2016/17"),
        ("999", "unknown", "2021/22"),
        ("837", "split", "2017/18"),
    ]
    assert any(note.startswith("3 rows without a figure are of authorities that did not exist") for note in brought.notes)


def test_england_and_regions_are_counted_and_left_out(store: Store, bring: Take) -> None:
    brought = bring([("TotAbs", "2022", number, "7") for number in ("805", "970", "980", "990")])
    assert found(store) == {(HARTLEPOOL, "2021/22"): 7.0}
    assert any(note.startswith("3 rows of England and its regions are left out") for note in brought.notes)
    (entry,) = brought.sections["files"]
    assert (entry["read_as"], entry["rows"], entry["authority_rows"], entry["values"]) == ("absence", 4, 1, 1)


def test_measures_that_are_not_known_are_told(bring: Take) -> None:
    brought = bring(
        [
            ("TotAbs", "2022", "805", "7"),
            ("TotPerAbsNew", "2022", "805", "7"),
            ("Zzz", "2022", "805", "1"),
            ("CIN", "2022", "805", "1"),
        ]
    )
    assert brought.sections["unknown_measures"] == [
        {"file": "lait.csv", "measure": "TotPerAbsNew", "rows": 1, "like": "TotPerAbNew"},
        {"file": "lait.csv", "measure": "Zzz", "rows": 1, "like": ""},
    ]
    unused = [(entry["read_as"], entry["rows"]) for entry in brought.sections["files"] if entry["reason"]]
    assert unused == [("children in need, rate", 1)]
    lacking = brought.sections["missing_columns"]
    assert {row["file"] for row in lacking} == {"absence"} and len(lacking) == 19
    assert any(note.startswith("The file has nothing on: suspensions and exclusions") for note in brought.notes)


@pytest.mark.parametrize(
    ("second", "kept", "words"), [("7.0", 7.0, "once"), ("8", None, "none: they differ"), ("-", None, "none")]
)
def test_repeated_rows(store: Store, bring: Take, second: str, kept: float | None, words: str) -> None:
    rows = [("TotAbs", "2022", "805", "7"), ("TotAbs", "2022", "805", second), ("TotAbs", "2022", "390", "6")]
    brought = bring(rows)
    assert found(store).get((HARTLEPOOL, "2021/22")) == kept
    (row,) = brought.sections["repeated_rows"]
    assert row["kept"].startswith(words) and row["rows"] == "absence row 2, absence row 3"


def test_the_same_bytes_again_change_nothing(store: Store, bring: Take) -> None:
    first = bring([("TotAbs", "2022", "805", "7")])
    again = bring([("TotAbs", "2022", "805", "7")], "another name.csv")
    assert (first.repeated, again.repeated, again.reference) == (False, True, first.reference)
    assert "Nothing was changed" in again.summary()
    assert len(vintages(store, LOCAL_ADMINISTRATOR)) == 1


@on_both_at_once
def test_a_later_file_restates_and_one_with_other_measures_does_not(store: Store, bring: Take) -> None:
    bring([("TotAbs", "2024", "805", "7"), ("Premium", "2025-26", "805", "1")])
    other = bring([("TotPermEx", "2015/16", "805", "1")])
    later = bring([("TotAbs", "2024", "805", "7.5")])
    assert (other.restates, later.restates) == ([], ["LAIT-0001"])
    assert [(row["old"], row["new"]) for row in later.sections["restated"]] == [("7", "7.5")]
    assert found(store) == {(HARTLEPOOL, "2023/24"): 7.5}
    assert found(store, "pupils_pupil_premium") == {(HARTLEPOOL, "2025-26"): 1.0}


def test_csv_parquet_and_zip_give_the_same(store: Store, bring: Take, make_zip: Callable[..., bytes]) -> None:
    frame = table([("TotAbs", "2022", "805", "7.25"), ("TotAbs", "2023", "390", "-")])
    numbers = frame.assign(**{"LA Number": frame["LA Number"].astype(float)})
    only_numbers = numbers.assign(Years=[2022, 2023], Values=[7.25, 6.5])
    kept = []
    for at, content in enumerate(
        [
            frame.to_csv(index=False).encode(),
            numbers.to_csv(index=False).encode("utf-16"),
            as_parquet(frame),
            as_parquet(numbers),
            make_zip({"lait.csv": frame.to_csv(index=False)}, None),
            as_parquet(only_numbers),
        ]
    ):
        assert is_long_table(content) or content[:2] == b"PK"
        bring(content, f"file {at}")
        kept.append(found(store))
    assert kept[0] == {(HARTLEPOOL, "2021/22"): 7.25, (GATESHEAD, "2022/23"): "-"}
    assert kept[:5] == [kept[0]] * 5
    assert kept[5] == {(HARTLEPOOL, "2021/22"): 7.25, (GATESHEAD, "2022/23"): 6.5}


def test_blank_cells_of_parquet_are_blank(store: Store, bring: Take) -> None:
    frame = table([("TotAbs", "2022", "805", "7"), ("TotAbs", "2022", "390", "")])
    bring(as_parquet(frame.assign(Values=["7", None])))
    assert found(store) == {(HARTLEPOOL, "2021/22"): 7.0, (GATESHEAD, "2021/22"): None}


def no_such_column(frame: pd.DataFrame) -> bytes:
    return frame.drop(columns="LA Number").to_csv(index=False).encode()


def twice(frame: pd.DataFrame) -> bytes:
    return pd.concat([frame, frame[["Values"]]], axis=1).to_csv(index=False).encode()


def as_booleans(frame: pd.DataFrame) -> bytes:
    return as_parquet(frame.assign(Values=True))


def long_cell(frame: pd.DataFrame) -> bytes:
    return as_parquet(frame.assign(Values="9" * 5000))


def broken(frame: pd.DataFrame) -> bytes:
    return as_parquet(frame)[:200]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (no_such_column, "has no column LA Number"),
        (twice, "has the column Values more than once"),
        (as_booleans, "Values stored as bool"),
        (long_cell, "a cell of 5,000 characters in Values"),
        (broken, "is a broken Parquet file"),
        (lambda frame: b"", "is empty"),
        (lambda frame: frame.head(0).to_csv(index=False).encode(), "has column names and no rows"),
        (lambda frame: frame.to_csv(index=False).encode() + b"TotAbs,2022\n", "row 3 has 2 cells and the header 7"),
        (lambda frame: as_csv([("Zzz", "2022", "805", "1")]), "gives no figure.*not known: Zzz"),
        (lambda frame: as_csv([("TotAbs", "2022", "970", "1")]), "gives no figure for a local authority"),
        (lambda frame: b"\x00\x01\x02", "is not text"),
    ],
)
def test_what_cannot_be_taken_in_is_refused_in_words(
    store: Store, bring: Take, make: Callable[[pd.DataFrame], bytes], words: str
) -> None:
    with pytest.raises(NotReadable, match=words):
        bring(make(table([("TotAbs", "2022", "805", "7")])))
    assert vintages(store, LOCAL_ADMINISTRATOR) == []


def test_too_many_rows_and_two_tables_are_refused(
    bring: Take, make_zip: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = table([("TotAbs", "2022", "805", "7"), ("TotAbs", "2022", "390", "7")])
    text = frame.to_csv(index=False)
    with pytest.raises(NotReadable, match="has 2 CSV files"):
        bring(make_zip({"a.csv": text, "b.csv": text}, None))
    monkeypatch.setattr(lait_table, "MAX_ROWS", 1)
    for content in (text.encode(), as_parquet(frame)):
        with pytest.raises(NotReadable, match="has 2 rows; at most 1"):
            bring(content)
    monkeypatch.setattr(lait_table, "MAX_ROWS", 5)
    monkeypatch.setattr(lait_table, "MAX_UNPACKED", 10)
    with pytest.raises(NotReadable, match="unpacks to"):
        bring(as_parquet(frame))


def test_a_parquet_file_without_any_text_column_is_no_long_table(bring: Take) -> None:
    held = io.BytesIO()
    pq.write_table(pa.table({"a": [1]}), held)
    with pytest.raises(NotReadable, match="has no column Short Desc, Years, LA Number"):
        bring(held.getvalue())


def test_only_who_may_imports(store: Store) -> None:
    with pytest.raises(NotAllowed):
        import_lait(store, Actor("rita", "Rita", RESEARCHER), "lait.csv", as_csv([("TotAbs", "2022", "805", "7")]))


def test_the_screen_s_task_takes_either_kind(store: Store, make_csv: Callable[..., str]) -> None:
    text = make_csv([("2024", HARTLEPOOL, "100", "90", "60", "58", "60", "64.4", "1")]).encode()
    rows = as_csv([("TotAbs", "2022", "805", "7")])
    taken = [
        import_published(store, LOCAL_ADMINISTRATOR, name, content)
        for name, content in [("timeliness_20_week.csv", text), ("x", rows)]
    ]
    assert [one.publication for one in taken] == ["education-health-and-care-plans", PUBLICATION]


def test_each_task_names_the_other(store: Store, make_csv: Callable[..., str]) -> None:
    with pytest.raises(NotReadable, match="pilots import-lait"):
        import_ees(store, LOCAL_ADMINISTRATOR, "bds.csv", as_csv([("TotAbs", "2022", "805", "7")]))
    with pytest.raises(NotReadable, match="pilots import-ees"):
        import_lait(store, LOCAL_ADMINISTRATOR, "timeliness_20_week.csv", make_csv([("2024", HARTLEPOOL)]).encode())


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILOTS_DATABASE_URL", f"sqlite:///{tmp_path}/c.sqlite")
    path = tmp_path / "lait.csv"
    path.write_bytes(as_csv([("TotAbs", "2022", "805", "7"), ("PriTotAbs", "2022", "805", "6")]))
    said = CliRunner().invoke(pilots, ["import-lait", str(path), "--json"], catch_exceptions=False)
    told = json.loads(said.stdout)
    assert (said.exit_code, told["publication"], told["values"]) == (0, PUBLICATION, 2)
    assert [entry["outcome"] for entry in told["outcomes"]] == ["absence_primary"]
    path.write_bytes(b"a,b\n1,2\n")
    refused = CliRunner().invoke(pilots, ["import-lait", str(path)], catch_exceptions=False)
    assert refused.exit_code == 1 and "has no column Short Desc" in refused.stderr


def test_the_shipped_plan_and_its_outcomes() -> None:
    plan = named_plan("send_outcomes")
    assert len(plan.outcomes) >= 10 and plan.periods == [f"{year}/{(year + 1) % 100:02d}" for year in range(2015, 2025)]
    mine = [one for one in outcomes() if one.source == PUBLICATION]
    assert len(mine) >= 12 and {one.source for one in map(outcome, plan.outcomes)} == {PUBLICATION}
    for one in mine:
        assert one.smallest_effect is not None and one.unit and one.effect_unit and not one.denominator
        assert all(measure.startswith("published_") for measure in one.numerator)
        assert not one.guardrail or one.direction == "lower_is_better"
    assert all(plan.smallest(name) == outcome(name).smallest_effect for name in plan.outcomes)


def test_no_measure_of_the_tool_is_read_twice() -> None:
    blocks = [block for alias in aliases(PUBLICATION).files for block in alias.rows if block[0]]
    shorts = [where["Short Desc"] for where, _ in blocks] + [name for alias in aliases(PUBLICATION).files for name in alias.left]
    measures = [measure for _, named in blocks for measure in named]
    assert len(shorts) == len(set(shorts)) and len(measures) == len(set(measures))
    assert set(COLUMNS) >= {"Short Desc", "Values"} and all(list(named.values()) == [[("Values", "", "")]] for _, named in blocks)
