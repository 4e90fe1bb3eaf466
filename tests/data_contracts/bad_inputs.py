"""All of the list of bad inputs; items 1 to 47 are files, in bad_files.py. Loaded by conftest.py."""

from collections.abc import Callable
from typing import Any

from contract_bad_books import AGE_HEADING, AGE_ROWS, AGES, book, cell, last, of_ages, put, query
from contract_bad_books import CASES as BOOK_CASES
from contract_bad_files import CASES as FILE_CASES
from contract_bad_files import HEADING, ROWS, BadFile, Expected, changed, error, note
from contract_tables import as_csv

from data_contracts import Context, check, load_contract

REGION_LESS: dict[str, Any] = {"region": None, "period": None}
PUPIL = "A123456789012"


def figure(item: int, rule: str, *entered: str) -> tuple[BadFile, ...]:
    """Entries in place of a number in C3."""
    return tuple(cell(item, "requests", one, error(rule, 3, "C3")) for one in entered)


def noted(item: int, rule: str, *entered: str, say: Callable[..., Expected] = error) -> tuple[BadFile, ...]:
    """Entries in the note in M3."""
    return tuple(cell(item, "note", one, say(rule, 3, "M3"), same_rows=False) for one in entered)


def more_rows(*changes: dict[str, str]) -> bytes:
    """Rows like the first one, with cells changed."""
    rows = []
    for change in changes:
        row = dict(zip(HEADING, ROWS[0], strict=True)) | change
        rows.append([row[name] for name in HEADING])
    return as_csv([HEADING, *rows])


def place(item: int, name: str, codes: list[str], period: str, *expect: Expected, why: str = "") -> BadFile:
    """Rows of these codes for one period, outside any region."""
    rows = [{"authority": code, "period": period} for code in codes]
    return BadFile(item, f"{name} {period}", lambda: more_rows(*rows), expect, context=REGION_LESS, same_rows=False, why=why)


def many_at_once() -> Any:
    """The last return, in which row 2 had a twelfth of the requests."""
    before = check(load_contract("ehcp_process"), "a.csv", as_csv([HEADING, *ROWS]), Context()).rows
    assert before is not None
    return before.assign(requests=before["requests"].where(before["row"] != 2, 19), period="2022/23 autumn")


FIGURES = (
    *figure(65, "types.thousands", "1,188", "1 188", "1\u00a0188"),
    *figure(65, "types.currency", "£1000"),
    *figure(65, "types.percent_sign", "12%"),
    *figure(65, "types.unit_in_cell", "12 requests"),
    *figure(65, "types.approximate", "approx 12"),
    *figure(65, "types.below_sign", "<5"),
    *figure(65, "types.footnote_mark", "5*"),
    *figure(66, "types.decimal_comma", "12,5"),
    *figure(67, "types.letter_for_digit", "12O", "l2"),
    *figure(68, "types.exponent", "1e3"),
    *figure(68, "types.not_a_number", "inf", "0x1A"),
    *figure(68, "types.unknown_symbol", "NaN"),
    *figure(68, "types.thousands", "1_000"),
    *figure(68, "types.odd_digits", "１２"),
    cell(69, "requests", "-5", error("values.too_small", 3, "C3")),
    *figure(70, "types.odd_minus", "−5"),
    *figure(70, "types.unknown_symbol", "–"),
    *figure(71, "types.unknown_symbol", "*", "[c]", "..", "-", "N/A", ":", "~"),
    *figure(71, "types.symbol_case", "C"),
    cell(72, "requests_refused", "189", error("refused_within_requests", 3, "D3"), query("many_refused", 3, "D3")),
    of_ages(72, "rate against its counts", error("rate_matches", 2, "G2"), rate="9"),
    of_ages(72, "over 100%", error("values.too_large", 2, "G2"), rate="105"),
    BadFile(
        73,
        "proportions",
        lambda: as_csv([AGE_HEADING, *([*row[:5], "1", value] for row, value in zip(AGE_ROWS, ("0.5", "1", "1"), strict=True))]),
        (query("values.proportion", 2, "G2"), *(error("rate_matches", row, f"G{row}") for row in (2, 3, 4))),
        contract=AGES,
    ),
    cell(74, "requests_refused", "", error("types.blank", 3, "D3")),
    cell(74, "requests_refused", "0", same_rows=False, why="0 is a value: there were none"),
    cell(74, "requests_refused", "c", same_rows=False, why="c is a symbol: there is a value, which is not told"),
    of_ages(75, "total shows a part", query("rows.revealed", 2, "D2"), girls="c"),
    of_ages(75, "parts show the total", query("rows.revealed", 2, "C2"), pupils="c", absent="x", rate="x"),
    of_ages(75, "two parts hidden", girls="c", boys="c", why="neither can be worked out"),
    of_ages(76, "parts do not add up", error("add_up", 2, "C2"), girls="41"),
    BadFile(
        77,
        "twelve times last time",
        lambda: as_csv([HEADING, *ROWS]),
        (query("history.large_change", 2, "C2"),),
        context={"previous": many_at_once},
    ),
    cell(77, "requests", "188000", error("values.too_large", 3, "C3")),
)

WORDS = (
    *noted(78, "text.runs", '=HYPERLINK("https://example.org")', "+1", "-1+1", "@SUM(1)"),
    cell(78, "note", "\t=1+1", error("text.runs", 3, "M3"), note("types.trimmed", 3, "")),
    book(78, "line break before the sign", put(M3="\r=1+1"), error("text.runs", 3, "M3"), note("types.trimmed", 3, "")),
    cell(78, "authority", '=HYPERLINK("x")', error("values.unknown_authority", 3, "A3"), query("rows.missing_authority")),
    *noted(79, "text.markup", "<script>alert(1)</script>", "<b>"),
    cell(
        79, "note", "'); DROP TABLE submissions; --", same_rows=False, why="a text like any other: it is only ever kept and shown"
    ),
    *noted(80, "text.other_alphabet", "pаid", say=query),
    *noted(80, "text.combining", "cafe\u0301", say=note),
    *noted(80, "text.invisible", "a\u202eb", "a\u200bb"),
    cell(80, "note", "o\u0301\u0302\u0303ver", error("text.invisible", 3, "M3"), note("text.combining", 3, "M3")),
    cell(80, "authority", "Е06000002", error("values.odd_letters", 3, "A3"), query("rows.missing_authority")),
    *noted(81, "text.personal_data", f"Pupil {PUPIL}", "SW1A 1AA", "a.b@example.org", "DoB 12/03/2014", "NHS 943 476 5919"),
    *noted(82, "text.too_long", "x" * 501),
)

KEYS = (
    BadFile(83, "identical", lambda: as_csv([HEADING, *ROWS, ROWS[1]]), (error("rows.duplicate", 14, "A14"),)),
    BadFile(
        83,
        "conflicting",
        lambda: as_csv([HEADING, *ROWS, *changed(3, "requests", "187")[1:2]]),
        (error("rows.conflict", 14, "A14"),),
    ),
    last(84, "authority of another region", ["E08000035", *ROWS[0][1:]], error("values.other_region", 14, "A14")),
    BadFile(
        84,
        "file of another region",
        lambda: more_rows({"authority": "E08000035"}, {"authority": "E08000036"}),
        (error("values.other_regions_file"),),
    ),
    *(
        last(85, entered, [entered, *ROWS[0][1:]], error(rule, 14, "A14"))
        for entered, rule in (
            ("E06999999", "values.unknown_authority"),
            ("Hartlepool", "values.name_for_code"),
            ("805", "values.old_code"),
            ("W06000001", "values.other_nation"),
            ("S12000033", "values.other_nation"),
            ("E07000008", "values.district_code"),
            ("e06000001", "values.code_case"),
        )
    ),
    *(
        place(86, f"old code {code}", [code], period, error("values.ended_code", 2, "A2"))
        for code, period in (
            ("E10000006", "2023/24 autumn"),
            ("E10000023", "2023/24 autumn"),
            ("E10000027", "2023/24 autumn"),
            ("E10000021", "2021/22 autumn"),
            ("E10000002", "2020/21 autumn"),
            ("E10000009", "2019/20 autumn"),
            ("E06000028", "2019/20 autumn"),
            ("E06000029", "2019/20 autumn"),
            ("E08000016", "2025/26 autumn"),
            ("E08000019", "2025/26 autumn"),
        )
    ),
    *(
        place(86, f"new code {code}", [code], period, query("values.early_code", 2, "A2"))
        for code, period in (
            ("E06000063", "2022/23 autumn"),
            ("E06000064", "2022/23 autumn"),
            ("E06000061", "2020/21 autumn"),
            ("E06000062", "2020/21 autumn"),
            ("E06000058", "2018/19 autumn"),
            ("E06000059", "2018/19 autumn"),
        )
    ),
    *(
        place(86, f"new code {code}", [code], period, note("values.recoded", 2, "A2"))
        for code, period in (
            ("E06000060", "2018/19 autumn"),
            ("E06000065", "2022/23 autumn"),
            ("E06000066", "2022/23 autumn"),
            ("E08000038", "2024/25 autumn"),
            ("E08000039", "2024/25 autumn"),
        )
    ),
    *(
        place(86, f"in its year {code}", [code], period, why="the code was in force in the period, or in a part of it")
        for code, period in (
            ("E10000006", "2022/23 spring"),
            ("E06000063", "2022/23 summer"),
            ("E08000016", "2024/25 summer"),
            ("E08000038", "2024/25 summer"),
        )
    ),
    *(
        place(86, f"both {old} and {new}", [old, new], "2024/25 summer", error("rows.double_count", 2, "A2"))
        for old, new in (("E08000016", "E08000038"), ("E08000019", "E08000039"))
    ),
    *(
        place(
            86,
            f"both {old} and {new[0]}",
            [*new, old],
            period,
            *(error(rule, 2 + len(new), f"A{2 + len(new)}") for rule in ("rows.double_count", "values.ended_code")),
        )
        for old, new, period in (
            ("E10000006", ["E06000063", "E06000064"], "2023/24 autumn"),
            ("E10000023", ["E06000065"], "2023/24 autumn"),
            ("E10000027", ["E06000066"], "2023/24 autumn"),
            ("E10000021", ["E06000061", "E06000062"], "2021/22 autumn"),
            ("E10000002", ["E06000060"], "2020/21 autumn"),
            ("E10000009", ["E06000058", "E06000059"], "2019/20 autumn"),
        )
    ),
    *(
        cell(87, "period", entered, error("values.not_a_period", 3, "B3"))
        for entered in ("2023/24", "202324", "2023-24", "2023Q3", "Autumn 2023/24", "2023/25 autumn")
    ),
    cell(87, "period", "2023/24 spring", error("values.wrong_period", 3, "B3")),
    BadFile(
        87,
        "mixed periods",
        lambda: as_csv([HEADING, *changed(3, "period", "2023/24 spring")]),
        (error("values.mixed_periods", 3, "B3"),),
        context=REGION_LESS,
    ),
    place(87, "in the future", ["E06000001"], "2029/30 autumn", error("values.future_period", 2, "B2")),
    BadFile(
        88, "an authority missing", lambda: as_csv([HEADING, *ROWS[:-1]]), (query("rows.missing_authority"),), same_rows=False
    ),
    BadFile(
        88,
        "a measure missing",
        lambda: as_csv([cells[:10] + cells[11:] for cells in (HEADING, *ROWS)]),
        (error("shape.missing_column", 1),),
    ),
    BadFile(88, "nil return", lambda: as_csv([HEADING]), (error("shape.no_rows"),)),
    BadFile(
        89,
        "unknown measure",
        lambda: as_csv([[*HEADING, "tribunals"], *([*row, "1"] for row in ROWS)]),
        (note("shape.ignored_column", 1, "O1"),),
    ),
    BadFile(
        89,
        "renamed measure",
        lambda: as_csv([[name.replace("plans_digital", "digital plans issued") for name in HEADING], *ROWS]),
        (note("shape.alias", 1, "K1"),),
    ),
    BadFile(
        89,
        "withdrawn measure",
        lambda: as_csv([[*AGE_HEADING, "excluded"], *([*row, "1"] for row in AGE_ROWS)]),
        (note("shape.withdrawn_column", 1, "H1"),),
        contract=AGES,
        same_rows=False,
    ),
    BadFile(
        90, "the file as it was sent before", lambda: as_csv([HEADING, *ROWS]), (), why="told by the store: test_bad_inputs_kept"
    ),
)

CASES = (*FILE_CASES, *BOOK_CASES, *FIGURES, *WORDS, *KEYS)
