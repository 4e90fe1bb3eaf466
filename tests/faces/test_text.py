import datetime
import json

import numpy as np
import pandas as pd
import pytest

from pilots.commands.text import plain_json, table
from pilots.tables import numeric, texts


def test_a_table_aligns_words_left_and_numbers_right() -> None:
    frame = pd.DataFrame({"Name": ["Leeds", "Bath"], "Plans": ["1,204", "87"]})
    assert table(frame).splitlines() == ["Name   Plans", "-----  -----", "Leeds  1,204", "Bath      87"]


def test_a_table_fits_the_terminal_and_loses_no_word() -> None:
    words = "The column plans_issued is missing from the file that you have sent"
    lines = table(pd.DataFrame({"Row": [1], "What is wrong": [words], "Fix": [words]}), limit=60).splitlines()
    assert max(map(len, lines)) <= 60
    assert all(word in " ".join(lines) for word in words.split())


def test_a_table_without_rows_has_its_headings() -> None:
    assert table(pd.DataFrame({"Run": [], "Made": []})).splitlines()[0] == "Run  Made"


def test_what_is_missing_stays_blank() -> None:
    frame = pd.DataFrame({"a": [None, "x"], "b": [np.nan, 1.5], "c": pd.Series([pd.NA, 3], dtype="Int64")})
    assert texts(frame) == [["", "", ""], ["x", "1.5", "3"]]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "2,000", ""], True),
        (["\u22124.1", "+0.5", "12%"], True),
        (["", ""], False),
        (["2023/24"], False),
        (["1 of 2"], False),
    ],
)
def test_which_columns_hold_numbers(cells: list[str], expected: bool) -> None:
    assert numeric([[cell] for cell in cells]) == [expected]


def test_json_has_no_value_that_other_programs_cannot_read() -> None:
    value = {
        "day": datetime.date(2023, 9, 19),
        "moment": datetime.datetime(2024, 1, 2, 3, 4, tzinfo=datetime.UTC),
        "nothing": [np.nan, pd.NaT, pd.NA, None],
        "numbers": (np.int64(3), np.float64(0.5), np.bool_(True)),
        "rows": pd.DataFrame({"a": [1, None]}),
        7: "seven",
    }
    assert json.loads(plain_json(value)) == {
        "day": "2023-09-19",
        "moment": "2024-01-02T03:04:00+00:00",
        "nothing": [None, None, None, None],
        "numbers": [3, 0.5, True],
        "rows": [{"a": 1.0}, {"a": None}],
        "7": "seven",
    }
