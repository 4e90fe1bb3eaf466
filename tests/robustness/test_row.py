from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation import NotEstimable, OptionError
from evaluation.robustness.row import Check, listing, not_told, say
from evaluation.words import about, plain, probability


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "0"),
        (-0.0001234, "−0.000123"),
        (-1.5, "−1.5"),
        (0.999, "0.999"),
        (1.0, "1"),
        (12.345, "12.3"),
        (1234.5, "1,234"),
        (-1e-12, "0"),
        (10.0, "10"),
        (100.0, "100"),
    ],
)
def test_numbers_in_sentences(value: float, words: str) -> None:
    assert say(value) == words


def test_shares_never_round_to_all_or_nothing() -> None:
    assert [about(share) for share in (0, 0.001, 0.5, 0.999, 1)] == ["0%", "less than 1%", "50%", "more than 99%", "100%"]
    assert probability(0.0001) == "p is less than 0.001" and probability(0.0426) == "p = 0.043"
    assert listing([]) == "none" and listing(["a"]) == "a" and listing("abc") == "a, b and c"
    assert listing(range(8), most=5) == "0, 1, 2, 3, 4 and 3 more"


def test_a_check_is_plain_json_without_nan() -> None:
    rows = ({"a": np.float64("nan"), "b": np.int64(3), "c": np.bool_(True), "d": [1.5, float("inf")], "e": {"f": (1,)}},)
    document = Check("x", "Why?", float("nan"), "", "So.", "none", rows).to_dict()
    text = json.dumps(document, allow_nan=False)
    assert json.loads(text) == document
    assert document["number"] is None and document["rows"] == [{"a": None, "b": 3, "c": True, "d": [1.5, None], "e": {"f": [1]}}]


def test_what_cannot_be_told_says_why_and_what_would_help() -> None:
    row = not_told("x", "Why?", NotEstimable("no period lies before", "Widen the window."))
    assert row.concern is None and row.number is None
    assert row.reading == "Cannot tell: no period lies before. Widen the window."
    assert row.to_dict()["not_estimable"] == {"reason": "no period lies before", "remedy": "Widen the window."}


def test_an_unknown_concern_is_refused() -> None:
    with pytest.raises(OptionError, match="concern 'bad' does not exist"):
        Check("x", "Why?", 1.0, "", "So.", "bad")


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e9, max_value=1e9))
def test_said_numbers_keep_three_figures_and_a_real_minus(value: float) -> None:
    words = say(value)
    assert "-" not in words
    back = float(words.replace("−", "-").replace(",", ""))
    assert back == pytest.approx(value, rel=6e-3, abs=6e-7)
    assert plain(value) == value
