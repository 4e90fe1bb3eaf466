"""Cells accounted for, codes by date, identifiers of older files, folders and vintages side by side, each in a small release."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from published_small import NAME, REQUESTS, figure, line, told

from pilots.__main__ import pilots
from pilots.access import LEAD, LOCAL_ADMINISTRATOR, Actor, NotAllowed
from pilots.errors import UserError
from pilots.published import ImportReport, NotReadable, compare_vintages
from pilots.storage import Store

Take = Callable[[str, bytes], ImportReport]
CsvMaker = Callable[..., str]
ZipMaker = Callable[..., bytes]


def test_null_of_a_database_is_blank_where_the_aliases_say_so(store: Store, take: Take, make_csv: CsvMaker) -> None:
    columns = ["ehc_initial_requests", "ehc_assessment_refused"]
    text = make_csv([("2018", "E06000001", "NULL", "3"), ("2018", "E06000016", "0", "null")], columns)
    brought = take("SEN2_MI.csv", text.encode())
    assert (brought.edition, brought.sections["files"][0]["read_as"]) == ("2019", "process to 2018")
    assert figure(store, "requests", "2018", "E06000001") == (None, None)
    assert figure(store, "requests", "2018", "E06000016") == (0.0, None)
    assert figure(store, "requests_refused", "2018", "E06000016") == (None, "?")


def test_january_and_two_terms_are_identifiers_where_the_aliases_say_so(store: Store, take: Take, make_csv: CsvMaker) -> None:
    january = make_csv([("2018", "E06000001", "Total", "7")], ["estab", "Total_EHC"], identifier="January")
    assert take("SEN2_ESTAB_STOCK.csv", january.encode()).edition == "2018"
    assert figure(store, "plans", "2017/18", "E06000001") == (7.0, None)
    terms = make_csv(
        [("202223", "E06000001", "100", "31")], ["sess_possible", "sess_overall"], identifier="Autumn and spring term"
    )
    assert take("pru_absence_2013.csv", terms.encode()).publication == "pupil-absence-in-schools-in-england"
    measure = "sessions_missed_alternative_provision"
    assert figure(store, measure, "2022/23", "E06000001", "EES-0002") == (31.0, None)
    wrong = make_csv([line("2024", "E06000001"), *[("2024", "E06000016", *"1234567")]])
    mixed = wrong.replace(
        "2024,Calendar year,Local authority,E92000001,England,E12000004",
        "2024,January,Local authority,E92000001,England,E12000004",
    )
    assert [row["time_identifier"] for row in take(NAME, mixed.encode()).sections["periods"]] == ["January"]


def test_figures_of_england_alone_are_refused(take: Take) -> None:
    head = "time_identifier,time_period,geographic_level,country_code,new_la_code,school_type,perm_excl"
    text = f"{head}\nAcademic year,201617,National,E92000001,,Total,7720\nAcademic year,201718,National,E92000001,,Total,x\n"
    with pytest.raises(NotReadable, match=r"It is of England as a whole; an outcome is of local authorities\.$") as refusal:
        take("exclusions_by_characteristic.csv", text.encode())
    told = [(row["kind"], row["cells"], row["unused"], row["unaccounted"]) for row in refusal.value.sections["reconciled"]]
    assert told == [("number", 1, 1, 0), ("x", 1, 1, 0), ("other text", 2, 2, 0)]
    assert [(row["rows"], row["values"]) for row in refusal.value.sections["files"]] == [(2, 0)]


def test_a_file_that_is_not_used_has_its_account_beside_those_that_are(
    take: Take, make_csv: CsvMaker, make_zip: ZipMaker, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ages = make_csv([("2021", "E06000001", "7", "z")], ["plans", "share"])
    content = make_zip({NAME: make_csv([line("2021", "E06000001")]), "sen2_age_new_plans.csv": ages, "weather.csv": "a,b\n1,:\n"})
    brought = take("release_2022.zip", content)
    rows = brought.sections["reconciled"]
    told = {(row["file"], row["kind"]): (row["cells"], row["unused"]) for row in rows if row["file"] != NAME}
    assert told == {
        ("sen2_age_new_plans.csv", "number"): (1, 1),
        ("sen2_age_new_plans.csv", "z"): (1, 1),
        ("sen2_age_new_plans.csv", "other text"): (1, 1),  # the breakdown
        ("weather.csv", "number"): (1, 1),
        ("weather.csv", ":"): (1, 1),
    }
    assert not any(row["unused"] for row in rows if row["file"] == NAME) and not any(row["unaccounted"] for row in rows)
    (tmp_path / "release_2022.zip").write_bytes(content)
    monkeypatch.setenv("PILOTS_DATABASE_URL", str(store.engine.url))
    for what in (brought.reference, str(tmp_path / "release_2022.zip")):
        answer = CliRunner().invoke(pilots, ["published", "account", what, "--json"])
        assert json.loads(answer.stdout)["reconciled"] == rows
    text = CliRunner().invoke(pilots, ["published", "account", brought.reference]).stdout
    assert "Every cell is accounted for." in " ".join(text.split()) and "weather.csv" in text
    (tmp_path / "exclusions_by_characteristic.csv").write_text("time_period,perm\n201617,7\n")
    refused = CliRunner().invoke(pilots, ["import-ees", str(tmp_path / "exclusions_by_characteristic.csv"), "--json"])
    assert refused.exit_code == 1 and json.loads(refused.stdout)["reconciled"][0]["unused"] == 1


def test_every_cell_is_accounted_for(take: Take, make_csv: CsvMaker) -> None:
    """One cell of each fate: the counts by kind are those of the file."""
    columns = [*REQUESTS, REQUESTS[1], "brand_new"]
    rows = [
        ("2024", "E06000001", "9", "x", "x", "5"),
        ("2024", "E06000001", "9", "x", "x", "6"),  # once more
        ("2024", "E12000001", "90", "c", "c", ""),  # a region
        ("2022", "E10000006", "z", "low", "low", "7"),  # divided since
        ("202425", "E06000016", "1", ":", ":", "."),  # no calendar year
        ("2024", "E06000018", "", "oops", "oops", "u"),
    ]
    text = make_csv(rows, columns, "All requests for EHC needs assessments")
    text += make_csv([("2024", "E06000001", "4", "~", "~", "-")], columns, label="Male").split("\n", 1)[1]
    brought = take("requests.csv", text.encode())
    found = {
        row.pop("kind"): {key: count for key, count in row.items() if count and key != "file"}
        for row in brought.sections["reconciled"]
    }
    assert found == {
        "number": {
            "cells": 8,
            "stored": 1,
            "aggregate": 1,
            "breakdown": 1,
            "authority": 1,
            "period": 1,
            "no_measure": 2,
            "repeated": 1,
        },
        "x": {"cells": 4, "stored": 1, "repeated": 1, "no_measure": 2},
        "c": {"cells": 2, "aggregate": 2},
        "z": {"cells": 1, "authority": 1},
        "low": {"cells": 2, "authority": 2},
        ":": {"cells": 2, "period": 2},
        ".": {"cells": 1, "period": 1},
        "u": {"cells": 1, "no_measure": 1},
        "~": {"cells": 2, "breakdown": 2},
        "-": {"cells": 1, "breakdown": 1},
        "blank": {"cells": 2, "stored": 1, "aggregate": 1},
        "other text": {"cells": 2, "stored": 1, "no_measure": 1},
    }


@pytest.mark.parametrize(("old", "new"), [("E08000016", "E08000038"), ("E08000019", "E08000039")])
def test_recodes_of_barnsley_and_sheffield_are_checked_by_date(
    store: Store, take: Take, make_csv: CsvMaker, old: str, new: str
) -> None:
    """In force until 30 April 2025: right for 2025, wrong for 2026; the new one is wrong for 2024."""
    rows = [
        line("2023", old, "3"),
        line("2024", new, "4"),
        line("2025", old, "5"),
        line("2026", old, "6"),
        line("2027", new, "7"),
    ]
    brought = take(NAME, make_csv(rows).encode())
    found = {(row["code"], row["kind"]): (row["finding"], row["periods"], row["message"]) for row in brought.sections["codes"]}
    assert {key: fact[:2] for key, fact in found.items()} == {
        (old, "recoded"): (False, "2023, 2025"),
        (new, "early"): (True, "2024"),
        (old, "ended"): (True, "2026"),
    }
    assert new in found[old, "ended"][2] and "2025-04-30" in found[old, "ended"][2]
    assert f"({old}) then." in found[new, "early"][2]
    assert [figure(store, "plans_issued", str(year), new) for year in range(2023, 2028)] == [
        (float(n), None) for n in range(3, 8)
    ]
    assert brought.sections["codes"][0]["finding"] and f"{old} (2026)" in brought.summary()


def test_an_old_code_beside_its_successor_is_told(take: Take, make_csv: CsvMaker) -> None:
    rows = [line("2024", "E08000019"), line("2024", "E08000039"), line("2022", "E10000006"), line("2022", "E06000063")]
    both = told(take(NAME, make_csv(rows).encode()), "codes", kind="both")
    assert [(row["code"], row["authority"], row["periods"], row["finding"]) for row in both] == [
        ("E08000019", "E08000039", "2024", True),
        ("E10000006", "", "2022", True),
    ]
    assert "Cumbria (E10000006) and Cumberland (E06000063), which followed it, both stand for 2022." in both[1]["message"]


def test_two_vintages_side_by_side(store: Store, take: Take, make_csv: CsvMaker) -> None:
    """A figure becomes a symbol in a later vintage, of another edition too; periods that one has alone are no change."""
    early = [line("2023", "E06000001"), line("2024", "E06000001", "100", "90", "60", "58", "94.8")]
    late = [line("2024", "E06000001", "100", "90", "60", "58", "x"), line("2025", "E06000001")]
    for rows in (early, late):
        take(NAME, make_csv(rows).encode())
    found = compare_vintages(store, LOCAL_ADMINISTRATOR, "EES-0001", "EES-0002")
    (change,) = found.changes
    assert (change["name"], change["period"], change["old"], change["new"]) == ("Hartlepool", "2024", "94.8", "x")
    assert (found.common, found.only_before["plans_issued"], found.only_after["plans_issued"]) == (6, "2023", "2025")
    assert found.summary().startswith("EES-0002 beside EES-0001: 1 of 6 figures are different. 7 measures")
    assert list(found.tables()) == ["Figures that differ", "Only in EES-0001", "Only in EES-0002"]
    with pytest.raises(UserError, match="the same vintage"):
        compare_vintages(store, LOCAL_ADMINISTRATOR, "EES-0001", "EES-0001")
    with pytest.raises(UserError, match="no published vintage “EES-0009”"):
        compare_vintages(store, LOCAL_ADMINISTRATOR, "EES-0001", "EES-0009")
    with pytest.raises(NotAllowed):
        compare_vintages(store, Actor("l", "A lead", LEAD, ("E12000001",)), "EES-0001", "EES-0002")


def test_folder_of_pairs(tmp_path: Path, make_csv: CsvMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "pairs"
    folder.mkdir()
    (folder / NAME).write_text(make_csv([line("2024", "E06000001")]))
    (folder / "timeliness_20_week.meta.csv").write_text("col_name\n")
    (folder / "weather.csv").write_text("a,b\n1,2\n")
    monkeypatch.setenv("PILOTS_DATABASE_URL", f"sqlite:///{tmp_path}/folder.sqlite")
    answer = CliRunner().invoke(pilots, ["import-ees", str(folder), "--json"])
    assert answer.exit_code == 0, answer.output
    told_of = json.loads(answer.stdout)
    assert [(one["reference"], one["filename"]) for one in told_of["imported"]] == [("EES-0001", NAME)]
    assert [one["file"] for one in told_of["refused"]] == ["weather.csv"]
