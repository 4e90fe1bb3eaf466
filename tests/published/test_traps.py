"""The traps of published files, each in a small release: taken in as far as it goes, and told."""

from collections.abc import Callable

import pytest
from published_small import NAME, REQUESTS, figure, line, told

from pilots.access import LOCAL_ADMINISTRATOR
from pilots.published import ImportReport, import_ees, measure_values, report, vintages
from pilots.storage import Store
from pilots.storage.audit import events
from tests.databases import on_both_at_once

Take = Callable[[str, bytes], ImportReport]
CsvMaker = Callable[..., str]
ZipMaker = Callable[..., bytes]


@on_both_at_once
def test_symbols_blank_and_zero_stay_apart(store: Store, take: Take, make_csv: CsvMaker) -> None:
    signs = ["z", "x", "c", "low", "k", "u", "~", ":", ".", "..", "-"]
    rows = [line(str(2000 + at), "E06000001", sign) for at, sign in enumerate([*signs, "", "0", " 7 ", "1e+05", "12.5"])]
    brought = take(NAME, make_csv(rows).encode())
    found = [figure(store, "plans_issued", str(2000 + at), "E06000001") for at in range(len(rows))]
    assert found[: len(signs)] == [(None, sign) for sign in signs]
    assert found[len(signs) :] == [(None, None), (0.0, None), (7.0, None), (100000.0, None), (12.5, None)]
    assert brought.sections["unreadable"] == []


@pytest.mark.parametrize(
    "text", ["C", "[c]", "n/a", "1_000", "0x1A", "inf", "NaN", "12O", "approx 12", "1e3", "\u0661\u0662", "5*"]
)
def test_text_that_is_neither_is_told_and_never_a_number(store: Store, take: Take, make_csv: CsvMaker, text: str) -> None:
    brought = take(NAME, make_csv([line("2023", "E06000001"), line("2024", "E06000001", text)]).encode())
    assert figure(store, "plans_issued", "2024", "E06000001") == (None, "?")
    where = {"file": NAME, "row": 3, "column": "plans_issued_den", "authority": "E06000001", "period": "2024"}
    assert brought.sections["unreadable"] == [{**where, "found": text}]
    by_name = {entry["outcome"]: entry for entry in brought.outcomes}
    assert by_name["timeliness_20_weeks"]["unusable"] == 1
    assert "1 figure could not be used." in brought.summary()


def test_counts_of_an_outcome(take: Take, make_csv: CsvMaker) -> None:
    rows = [
        line("2023", "E06000001"),
        line("2023", "E06000016", "x"),
        line("2023", "E08000037", ""),
        line("2023", "E06000018", "0"),
    ]
    brought = take(NAME, make_csv(rows).encode())
    entry = next(entry for entry in brought.outcomes if entry["outcome"] == "timeliness_20_weeks")
    assert (entry["authorities"], entry["first"], entry["last"], entry["periods"]) == (4, "2023", "2023", ["2023"])
    # 153 of today less the two that began in April 2023.
    assert (entry["cells"], entry["figures"], entry["missing"]) == (151, 1, 150)
    assert (entry["missing_by_symbol"], entry["blank"], entry["zero_denominator"], entry["absent"]) == ({"x": 1}, 1, 1, 147)
    assert entry["missing"] == sum(entry["missing_by_symbol"].values()) + 1 + 1 + 147


def test_only_totals_of_local_authorities(store: Store, take: Take, make_csv: CsvMaker) -> None:
    text = make_csv([line("2024", "E06000001"), line("2024", "E12000001", "900")])
    text += make_csv([line("2024", "E06000001", "55")], label="Female").split("\n", 1)[1]
    brought = take(NAME, text.encode())
    assert brought.values == 7
    assert figure(store, "plans_issued", "2024", "E06000001") == (100.0, None)
    assert told(brought, "files", file=NAME)[0]["rows"] == 3


@pytest.mark.parametrize("same", [True, False])
def test_duplicated_column_that_is_not_mapped(take: Take, make_csv: CsvMaker, same: bool) -> None:
    columns = [*REQUESTS, "review_meeting_prior_24", "review_meeting_prior_24"]
    cells = ("9", "3", "5", "5" if same else "6")
    text = make_csv([("2024", "E06000001", *cells)], columns, "All requests for EHC needs assessments")
    brought = take("requests.csv", text.encode())
    found = {"file": "requests.csv", "column": "review_meeting_prior_24", "copies": 2, "identical": same, "used": "no"}
    assert brought.sections["duplicated_columns"] == [found]
    assert brought.values == 2


@pytest.mark.parametrize(("second", "kept"), [("9", (9.0, None)), ("8", None)])
def test_duplicated_column_that_is_mapped(
    store: Store, take: Take, make_csv: CsvMaker, second: str, kept: tuple[float, None] | None
) -> None:
    text = make_csv([("2024", "E06000001", "9", "3", second)], [*REQUESTS, REQUESTS[0]], "All requests for EHC needs assessments")
    brought = take("requests.csv", text.encode())
    assert figure(store, "requests", "2024", "E06000001") == kept
    assert brought.sections["duplicated_columns"][0]["used"] == ("the first copy" if kept else "no")
    differ = [row["reason"] for row in told(brought, "missing_columns", measure="requests")]
    assert differ == ([] if kept else ["requests_received_in_year stands in the file more than once, and its copies differ"])


def test_mistyped_column_is_told_and_never_guessed(store: Store, take: Take, make_csv: CsvMaker) -> None:
    text = make_csv([line("2024", "E06000001")]).replace("plans_issued_within_20_weeks,", "plans_issued_wihtin_20_weeks,", 1)
    brought = take(NAME, text.encode())
    (unknown,) = told(brought, "unknown_columns", column="plans_issued_wihtin_20_weeks")
    assert unknown["like"] == "plans_issued_within_20_weeks"
    (missing,) = told(brought, "missing_columns", measure="plans_issued_within_20_weeks")
    assert missing["reason"] == "there is no such column"
    assert figure(store, "plans_issued_within_20_weeks", "2024", "E06000001") is None
    assert any("cannot be made from this file" in note and "20 weeks" in note for note in brought.notes)


def test_unknown_column_is_told(take: Take, make_csv: CsvMaker) -> None:
    text = make_csv([("2024", "E06000001", "9", "3", "4")], [*REQUESTS, "brand_new"], "All requests for EHC needs assessments")
    brought = take("requests.csv", text.encode())
    assert brought.sections["unknown_columns"] == [{"file": "requests.csv", "column": "brand_new", "like": ""}]


def test_names_and_labels_of_the_next_edition(store: Store, take: Take, make_csv: CsvMaker, make_zip: ZipMaker) -> None:
    text = make_csv([line("2025", "E06000001")], label="All EHC plans").replace("PC_plans", "pc_plans")
    brought = take("next.zip", make_zip({NAME: text}, "Education, health and care plans\nReporting year 2026\n"))
    assert brought.edition == "2026"
    assert figure(store, "published_pc_within_20_weeks_excluding_exceptions", "2025", "E06000001") == (64.4, None)
    assert told(brought, "unknown_columns") == []


def test_name_of_another_edition_is_not_read(store: Store, take: Take, make_csv: CsvMaker, make_zip: ZipMaker) -> None:
    text = make_csv([line("2024", "E06000001")]).replace("PC_plans", "pc_plans")
    brought = take("release.zip", make_zip({NAME: text}))
    measure = "published_pc_within_20_weeks_excluding_exceptions"
    (missing,) = told(brought, "missing_columns", measure=measure)
    assert missing["reason"] == "pc_plans_issued_20_weeks_ex is in the file, but is not the name of edition 2025"
    assert figure(store, measure, "2024", "E06000001") is None


def test_header_with_mark_spaces_and_quotes(store: Store, take: Take, make_csv: CsvMaker) -> None:
    head, rest = make_csv([line("2024", "E06000001")]).split("\n", 1)
    head = ",".join(f'" {name}\u200b"' for name in head.split(","))
    take(NAME, f"\ufeff{head}\r\n{rest}".encode())
    assert figure(store, "plans_issued", "2024", "E06000001") == (100.0, None)


def test_windows_1252_is_told(take: Take, make_csv: CsvMaker) -> None:
    brought = take(NAME, make_csv([line("2024", "E06000001")]).replace("Hartlepool", "Hartlépool").encode("cp1252"))
    assert any("read as Windows-1252" in note for note in brought.notes)
    assert brought.values == 7


def test_utf_16_and_old_line_ends(store: Store, take: Take, make_csv: CsvMaker) -> None:
    text = make_csv([line("2024", "E06000001")])
    assert take(NAME, text.encode("utf-16")).values == 7
    assert take(NAME, text.replace("\n", "\r").encode()).values == 7


def test_blank_lines_are_passed_over(take: Take, make_csv: CsvMaker) -> None:
    text = make_csv([line("2024", "E06000001"), line("2023", "E06000001", "oops")])
    brought = take(NAME, text.replace("\n", "\n\n").encode() + b"," * 18 + b"\n")
    assert brought.values == 14
    assert brought.sections["unreadable"][0]["row"] == 5


def test_wrong_time_identifier(store: Store, take: Take, make_csv: CsvMaker) -> None:
    text = make_csv([line("2024", "E06000001"), line("202425", "E06000001"), line("202425", "E08000037")])
    brought = take(NAME, text.encode())
    (wrong,) = brought.sections["periods"]
    assert (wrong["time_period"], wrong["time_identifier"], wrong["rows"]) == ("202425", "Calendar year", 2)
    assert "does not fit" in wrong["reason"]
    assert brought.values == 7
    assert brought.edition == "2025"


def test_january_counts_go_to_their_school_year(store: Store, take: Take, make_csv: CsvMaker, make_zip: ZipMaker) -> None:
    columns = ["establishment_type", "establishment_group", "Total_ehc"]
    rows = [
        ("2022", "E06000001", "Total", "Total", "700"),
        ("2022", "E06000001", "Total", "Mainstream school", "300"),
        ("2022", "E06000001", "Mainstream - Academy", "Mainstream school", "120"),
        ("2022", "E06000001", "Special - Independent", "Special school", "40"),
    ]
    guidance = "Education, health and care plans\n2022 Reporting year\n"
    brought = take("old.zip", make_zip({"sen2_estab_caseload.csv": make_csv(rows, columns)}, guidance))
    assert brought.edition == "2022"
    assert not [note for note in brought.notes if note.startswith("The edition")]
    assert figure(store, "plans", "2021/22", "E06000001") == (700.0, None)
    assert figure(store, "plans_mainstream", "2021/22", "E06000001") == (300.0, None)
    assert figure(store, "plans_independent_special", "2021/22", "E06000001") == (40.0, None)
    assert told(brought, "missing_columns", measure="plans_special")[0]["reason"] == "there is no such row"


def test_ended_and_split_codes(store: Store, take: Take, make_csv: CsvMaker) -> None:
    rows = [
        line("2024", "E10000002", "11"),  # ended in 2020, read as today's Buckinghamshire
        line("2024", "E08000019", "12"),  # Sheffield until 2025: right at the time
        line("2022", "E10000006", "13"),  # Cumbria: right at the time, but divided since
        line("2022", "E06000063", "14"),  # Cumberland before it began
        line("2024", "E99999999", "15"),
    ]
    brought = take(NAME, make_csv(rows).encode())
    assert figure(store, "plans_issued", "2024", "E06000060") == (11.0, None)
    assert figure(store, "plans_issued", "2024", "E08000039") == (12.0, None)
    assert figure(store, "plans_issued", "2022", "E06000063") == (14.0, None)
    kinds = {row["code"]: (row["kind"], row["authority"], row["periods"]) for row in brought.sections["codes"]}
    assert kinds == {
        "E10000002": ("ended", "E06000060", "2024"),
        "E08000019": ("recoded", "E08000039", "2024"),
        "E10000006": ("split", "", "2022"),
        "E06000063": ("early", "E06000063", "2022"),
        "E99999999": ("unknown", "", "2024"),
    }
    assert brought.values == 21


def test_old_and_new_code_of_one_authority(store: Store, take: Take, make_csv: CsvMaker) -> None:
    rows = [line("2024", "E08000019", "12"), line("2024", "E08000039", "13")]
    brought = take(NAME, make_csv(rows).encode())
    assert figure(store, "plans_issued", "2024", "E08000039") is None
    assert figure(store, "plans_issued_excluding_exceptions", "2024", "E08000039") == (90.0, None)
    (differing,) = told(brought, "repeated_rows", measure="plans_issued")
    assert (differing["found"], differing["kept"]) == ("12, 13", "none: they differ")
    assert differing["rows"] == f"{NAME} row 2, {NAME} row 3"
    assert {row["kept"] for row in told(brought, "repeated_rows")} == {"once", "none: they differ"}


def test_repeated_blank_and_symbol_are_not_the_same(store: Store, take: Take, make_csv: CsvMaker) -> None:
    rows = [line("2024", "E06000001", "x", ""), line("2024", "E06000001", "c", "")]
    take(NAME, make_csv(rows).encode())
    assert figure(store, "plans_issued", "2024", "E06000001") is None
    assert figure(store, "plans_issued_excluding_exceptions", "2024", "E06000001") == (None, None)


def test_treated_authority_is_missing(take: Take, make_csv: CsvMaker) -> None:
    rows = [line(year, code) for year in ("2022", "2023") for code in ("E06000001", "E06000016", "E06000018")]
    rows.remove(line("2023", "E06000016"))
    rows[rows.index(line("2022", "E06000016"))] = line("2022", "E06000016", "100", "x", "")
    brought = take(NAME, make_csv(rows).encode())
    (gone,) = told(brought, "gaps", authority="E06000016", period="2023")
    assert (gone["name"], gone["programme"], gone["what"], gone["measures"]) == ("Leicester", "East Midlands", "no row", "all")
    (partly,) = told(brought, "gaps", authority="E06000016", period="2022")
    assert partly["what"] == "blank, x"
    assert partly["measures"] == "plans_issued_excluding_exceptions, plans_issued_within_20_weeks"
    assert told(brought, "gaps", authority="E06000001") == []
    assert told(brought, "gaps", authority="E06000063") == []  # Cumberland did not exist on 1 January 2023
    assert "Leicester 2023" in brought.summary()


def test_series_break(take: Take, make_csv: CsvMaker) -> None:
    after = take(NAME, make_csv([line(year, "E06000001") for year in ("2023", "2024")]).encode())
    over = take(NAME, make_csv([line(year, "E06000001") for year in ("2022", "2023")]).encode())
    assert after.sections["breaks"] == []
    (found,) = over.sections["breaks"]
    assert found["period"] == "2023"
    assert "records for each person" in found["text"]
    assert "excluding exceptions" in found["outcomes"]


def test_total_of_the_region_in_the_rows_of_its_authorities(store: Store, take: Take, make_csv: CsvMaker) -> None:
    others = ("500", "400", "55", "57", "9")
    rows = [line("2023", "E12000004", "900", "700", *others), line("2024", "E12000004", "950", "90", *others)]
    rows += [line("2023", code, "900", "70") for code in ("E06000016", "E10000018")]
    rows += [line("2024", "E06000016", "950", "0"), line("2024", "E10000018", "80", "0")]
    rows += [line("2023", "E06000001"), line("2024", "E06000001")]
    brought = take(NAME, make_csv(rows).encode())
    assert figure(store, "plans_issued", "2023", "E06000016") == (None, "?")
    assert figure(store, "plans_issued", "2023", "E10000018") == (None, "?")
    assert figure(store, "plans_issued", "2024", "E06000016") == (950.0, None)  # one alone may be the whole region
    assert figure(store, "plans_issued_excluding_exceptions", "2023", "E06000016") == (70.0, None)
    (found,) = brought.sections["region_totals"]
    assert (found["region"], found["period"], found["found"], found["authorities"]) == ("East Midlands", "2023", "900", 2)
    (gap,) = told(brought, "gaps", authority="E06000016", period="2023")
    assert (gap["what"], gap["measures"]) == ("not usable", "plans_issued")
    assert brought.sections["unreadable"] == []
    assert f"2 figures could not be used. Authorities have the total of their region there: {NAME}, East Midlands 2023." in (
        brought.summary()
    )


def test_files_that_are_not_used_say_why(take: Take, make_csv: CsvMaker, make_zip: ZipMaker) -> None:
    content = make_zip(
        {
            NAME: make_csv([line("2024", "E06000001")]),
            "timeliness_20_week.meta.csv": "col_name\n",
            "weather.csv": "a,b\n1,2\n",
            "sen2_mi.csv": make_csv([line("2021", "E06000001")]),
            "supporting-files/sen2_dmo_dco.csv": "a\n1\n",
            "data/notes.pdf": b"%PDF",
        },
        "Education, health and care plans\nReporting year 2025\n\nFilename: timeliness_20_week.csv\nFilename: caseload.csv\n",
    )
    brought = take("release.zip", content)
    reasons = {row["file"]: row["reason"] for row in brought.sections["files"]}
    assert reasons == {
        NAME: "",
        "timeliness_20_week.meta.csv": "describes a data file",
        "weather.csv": "no file of this name is known (aliases version 1)",
        "sen2_mi.csv": "a file of this name is known up to edition 2023 only",
        "sen2_dmo_dco.csv": "supporting file, not open data in the standard layout",
        "notes.pdf": "not a CSV file",
    }
    assert "The data guidance describes files that are not there: caseload.csv." in brought.notes


@pytest.mark.parametrize(
    ("filename", "guidance", "edition", "notes"),
    [
        ("release.zip", "Education, health and care plans\nReporting year 2025\n", "2025", 0),
        ("release.zip", "Education, health and care plans\n2025 Reporting year\n", "2025", 0),
        ("education-health-and-care-plans_2025.zip", None, "2025", 0),
        ("education-health-and-care-plans_2024-25.zip", None, "2025", 0),
        ("release.zip", None, "2025", 0),
        ("release_2024.zip", None, "2024", 1),
        ("release_2024.zip", "Education, health and care plans\nReporting year 2025\n", "2025", 1),
    ],
)
def test_edition(
    take: Take, make_csv: CsvMaker, make_zip: ZipMaker, filename: str, guidance: str | None, edition: str, notes: int
) -> None:
    brought = take(filename, make_zip({NAME: make_csv([line("2024", "E06000001")])}, guidance))
    assert brought.edition == edition
    assert len([note for note in brought.notes if note.startswith("The edition is")]) == notes


def test_edition_of_a_file_by_school_year(take: Take, make_csv: CsvMaker) -> None:
    text = make_csv(
        [("202425", "E06000001", "3", "1")], ["ehcplans", "mainstream_total"], "All EHC plans", identifier="Academic year"
    )
    assert take("caseload.csv", text.encode()).edition == "2025"


@on_both_at_once
def test_the_very_same_bytes_change_nothing(store: Store, take: Take, make_csv: CsvMaker) -> None:
    content = make_csv([line("2024", "E06000001")]).encode()
    first = take(NAME, content)
    again = take("renamed.csv", content)
    assert (first.repeated, again.repeated) == (False, True)
    assert again.reference == first.reference == "EES-0001"
    assert again.filename == NAME
    assert "Nothing was changed" in again.summary()
    assert len(vintages(store, LOCAL_ADMINISTRATOR)) == 1
    with store.read() as connection:
        assert [event["detail"]["step"] for event in events(connection)] == ["imported", "received"]


@on_both_at_once
def test_restatement_is_listed_and_overwrites_nothing(store: Store, take: Take, make_csv: CsvMaker) -> None:
    def rows(percent: str, issued: str) -> list[tuple[str, ...]]:
        return [
            line("2023", "E06000001"),
            line("2024", "E06000001", issued, "90", "60", "58", percent),
            line("2024", "E06000016", "1", "2", "3", "4", ""),
        ]

    take(NAME, make_csv([*rows("94.8", "100"), line("2024", "E08000037")]).encode())
    later = take(NAME, make_csv([*rows("x", "101"), line("2024", "E06000018")]).encode())
    changes = {(row["measure"], row["authority"]): (row["old"], row["new"]) for row in later.sections["restated"]}
    assert changes[("published_pc_within_20_weeks", "E06000001")] == ("94.8", "x")
    assert changes[("plans_issued", "E06000001")] == ("100", "101")
    assert changes[("plans_issued", "E08000037")] == ("100", "no row")
    assert changes[("plans_issued", "E06000018")] == ("no row", "100")
    assert len(changes) == 2 + 7 + 7
    assert {row["period"] for row in later.sections["restated"]} == {"2024"}
    assert later.restates == ["EES-0001"]
    assert "It restates EES-0001: 16 figures are different. The earlier figures are kept." in later.summary()
    assert figure(store, "published_pc_within_20_weeks", "2024", "E06000001") == (94.8, None)
    assert figure(store, "published_pc_within_20_weeks", "2024", "E06000001", "EES-0002") == (None, "x")


def test_other_edition_and_other_file_are_no_restatement(take: Take, make_csv: CsvMaker) -> None:
    take(NAME, make_csv([line("2024", "E06000001")]).encode())
    other = take(
        "requests.csv", make_csv([("2024", "E06000001", "9", "3")], REQUESTS, "All requests for EHC needs assessments").encode()
    )
    earlier = take(NAME, make_csv([line("2023", "E06000001", "5")]).encode())
    assert (other.restates, other.sections["restated"]) == ([], [])
    assert (earlier.edition, earlier.restates) == ("2024", [])


def test_other_bytes_with_the_same_figures(take: Take, make_csv: CsvMaker) -> None:
    text = make_csv([line("2024", "E06000001")])
    take(NAME, text.encode())
    again = take(NAME, text.encode() + b"\n")
    assert (again.repeated, again.restates, again.sections["restated"]) == (False, ["EES-0001"], [])
    assert any("every figure that both have is the same" in note for note in again.notes)


def test_the_newest_edition_counts_by_whole_periods(store: Store, take: Take, make_csv: CsvMaker) -> None:
    def csv(edition: str, *rows: tuple[str, ...]) -> bytes:
        return make_csv([*rows, line(str(int(edition) - 1), "E06000001")]).encode()

    take(NAME, csv("2025", line("2022", "E06000001", "20"), line("2023", "E06000001", "x")))
    take(NAME, csv("2024", line("2021", "E06000001", "1"), line("2022", "E06000001", "2"), line("2022", "E08000037", "3")))
    take(NAME, csv("2025", line("2022", "E06000001", "21")))
    with store.read() as connection:
        table = measure_values(connection, ["EES-0003", "EES-0001", "EES-0002"], ["plans_issued"])
        earlier = measure_values(connection, ["EES-0001", "EES-0002"], ["plans_issued"])
        nothing = measure_values(connection, ["EES-0001"], ["no_such_measure"])
    assert list(table.columns) == ["measure", "period", "authority", "value", "symbol", "source", "edition", "reference"]
    plain = table.astype(object).where(table.notna(), None)
    assert [tuple(row) for row in plain[["period", "authority", "value", "symbol", "reference"]].itertuples(index=False)] == [
        ("2021", "E06000001", 1.0, None, "EES-0002"),
        ("2022", "E06000001", 21.0, None, "EES-0003"),  # Gateshead is in the older edition only: never mixed
        ("2023", "E06000001", None, "x", "EES-0001"),
        ("2024", "E06000001", 100.0, None, "EES-0003"),
    ]
    assert earlier.set_index("period").loc["2022", "reference"] == "EES-0001"
    assert nothing.empty
    assert set(table["source"]) == {f"{NAME}: plans_issued_den"}


@on_both_at_once
def test_someone_else_imports_the_same_file_meanwhile(store: Store, make_csv: CsvMaker) -> None:
    content = make_csv([line("2024", "E06000001")]).encode()
    others: list[ImportReport] = []

    def tell(share: float, words: str) -> None:
        if words.startswith("Storing"):
            second = Store.open(store.engine.url.render_as_string(hide_password=False))
            others.append(import_ees(second, LOCAL_ADMINISTRATOR, NAME, content))
            second.close()

    mine = import_ees(store, LOCAL_ADMINISTRATOR, NAME, content, tell)
    assert (mine.repeated, mine.reference, others[0].repeated) == (True, "EES-0001", False)
    assert [entry["values"] for entry in vintages(store, LOCAL_ADMINISTRATOR)] == [7]


def test_progress_rises_and_ends_at_one(store: Store, make_csv: CsvMaker, make_zip: ZipMaker) -> None:
    heard: list[tuple[float, str]] = []
    content = make_zip({NAME: make_csv([line("2024", "E06000001")])})
    import_ees(store, LOCAL_ADMINISTRATOR, "release.zip", content, lambda share, words: heard.append((share, words)))
    shares = [share for share, _ in heard]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert f"Reading {NAME}" in [words for _, words in heard]


def test_report_is_kept_and_plain(store: Store, take: Take, make_csv: CsvMaker) -> None:
    brought = take(NAME, make_csv([line("2024", "E06000001"), line("202425", "E06000001")]).encode())
    kept = report(store, LOCAL_ADMINISTRATOR, brought.reference)
    assert kept.to_dict() == brought.to_dict()
    plain = kept.to_dict()
    assert plain["title"] == "Education, health and care plans"
    assert plain["periods"][0]["rows"] == 1
    assert plain["received_at"].endswith("+00:00")
    text = kept.text()
    assert text.startswith("Education, health and care plans, edition 2025: 7 figures from 1 file are stored as EES-0001.")
    assert "Rows with a period that cannot be right (1)" in text
    tables = kept.tables()
    assert list(tables["Outcomes"]["Outcome"]) == [entry["label"] for entry in kept.outcomes]
    assert list(tables["Files"].columns) == ["File", "Read as", "Rows", "Rows of authorities", "Figures taken", "Why not used"]
    (listed,) = vintages(store, LOCAL_ADMINISTRATOR)
    assert (listed["reference"], listed["edition"], listed["values"], listed["sha256"]) == ("EES-0001", "2025", 7, kept.sha256)
    assert listed["imported_at"] == kept.received_at
