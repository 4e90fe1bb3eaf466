"""What a run's document becomes: pictures with their tables and alt texts, and words. The numbers here are made by hand."""

from typing import Any

import pandas as pd
from faces_filled import result, row

from pilots import views
from pilots.charts import Mark, ends_of, event_study, forest, number, timeline


def test_the_headline_has_true_minus_signs_and_a_p_value_that_is_never_zero(question: dict[str, Any]) -> None:
    words = views.headline_words(question)
    assert words.startswith("Effect \u22126.1 percentage points, 95% interval \u221210.1 to \u22122.1 (p less than 0.001; ")
    assert words.endswith("clustered by region: 9 clusters).")


def test_a_precise_headline_is_shown_with_two_decimals(question: dict[str, Any]) -> None:
    question["headline"] |= {"estimate": 0.061, "std_error": 0.2, "lower": -0.37, "upper": 0.49}
    assert "Effect +0.06 percentage points, 95% interval \u22120.37 to +0.49" in views.headline_words(question)


def test_the_event_study_says_the_same_in_picture_table_and_words(question: dict[str, Any]) -> None:
    shown = views.event_study_picture(question)
    assert shown is not None
    assert list(shown.table["Terms since the start"]) == ["-2", "-1", "0"]
    assert list(shown.table["Effect (percentage points)"]) == ["+0.40", "+0.00", "\u22126.10"]
    assert list(shown.table["True effect (synthetic)"]) == ["+0.00", "+0.00", "\u22125.00"]
    assert shown.table["95% interval"][1] == "none: the others are measured against it"
    assert "Requests refused" in shown.alt
    assert "The one estimate before the start is +0.4 (\u22121.6 to +2.4)." in shown.alt
    drawn = [one for data in shown.spec["datasets"].values() for one in data if one.get("truth") == -5.0]
    assert drawn and drawn[0]["position"] == 0


def test_regions_stand_in_official_order_with_all_together_last(question: dict[str, Any]) -> None:
    shown = views.regional_picture(question)
    assert shown is not None
    assert list(shown.table["Region"]) == ["North East", "London", "All together"]
    assert shown.table["95% interval"][0] == "not known"
    assert list(shown.table["True effect (synthetic)"]) == ["not known", "\u22124.00", "\u22125.00"]


def test_a_region_that_cannot_be_left_out_is_said_and_not_drawn_as_zero(question: dict[str, Any]) -> None:
    shown = views.leave_out_picture(question)
    assert shown is not None
    assert dict(zip(shown.table["Region left out"], shown.table["Effect (percentage points)"], strict=True)) == {
        "North East": "not known",
        "London": "\u22125.00",
        "None left out": "\u22126.10",
    }
    assert "True effect (synthetic)" not in shown.table


def test_the_truth_is_told_with_its_place(question: dict[str, Any]) -> None:
    assert "\u22125.0 percentage points, inside the 95% interval" in views.truth_words(question)
    question["truth"]["overall"] = 1.0
    assert "+1.0 percentage points, outside the 95% interval" in views.truth_words(question)
    question["truth"] = None
    assert views.truth_words(question) == ""


def test_each_check_has_its_number_or_its_reason(question: dict[str, Any]) -> None:
    table = views.belief_table(question)
    assert list(table["Number"]) == ["p = 0.200", "not computable", "5.6 percentage points", "\u22125.0 to \u22125.0"]
    assert table["Plain reading"][1] == "too few periods"


def test_what_is_not_estimable_says_why_wherever_a_number_would_stand(question: dict[str, Any]) -> None:
    refusal = {"reason": "all 32 authorities start at once", "remedy": "Find others to compare with."}
    question["headline"] = {"estimator": "group_time", "cluster": "region", "level": 0.95, "not_estimable": refusal}
    question["results"] = [result(name, [], not_estimable=refusal) for name in ("overall", "event_time", "region")]
    question |= {"smallest_detectable_effect": None, "leave_one_region_out": [], "truth": None}
    question["pretrends"] = [{"cluster": "region", "not_estimable": refusal}]
    assert views.event_study_picture(question) is views.regional_picture(question) is views.leave_out_picture(question) is None
    assert views.headline_words(question) == "Find others to compare with."
    words = "Not estimable: all 32 authorities start at once. Find others to compare with."
    assert views.absent(question, "event_time") == views.absent(question, "region") == words
    estimates = views.estimates_table(question)
    assert estimates.loc[0, "Effect"] == "not estimable" and estimates.loc[0, "95% interval"] == refusal["reason"]
    assert list(views.belief_table(question)["Number"]) == ["not computable", "not computable"]


def test_every_table_of_a_question_has_rows_and_headings(question: dict[str, Any]) -> None:
    found = views.tables(question)
    assert list(found)[:3] == ["Effect by terms since the start", "Effect by region", "Whether to believe it"]
    assert all(len(frame) and all(map(str, frame.columns)) for frame in found.values())


def test_numbers_are_written_for_readers() -> None:
    assert (number(-4.14), number(0.05, 2), number(None)) == ("\u22124.1", "+0.05", "not known")
    assert ends_of(Mark("x", 0, 1.0, None, None)) == "not known"
    assert ends_of(Mark("x", 0, 1.0, -0.5, 2.5)).replace("\u00a0", " ") == "\u22120.50 to +2.50"


def test_before_and_after_differ_in_shape_as_well_as_in_colour() -> None:
    marks = [Mark("-1", -1, 0.1, -1, 1), Mark("0", 0, 2.0, 1, 3)]
    spec = event_study(marks, outcome="x", unit="points", period="term", level=0.95).spec
    shapes = [layer["encoding"]["shape"]["scale"]["range"] for layer in spec["layer"] if "shape" in layer.get("encoding", {})]
    assert shapes == [["square", "circle"]]


def test_a_forest_of_one_row_is_drawn() -> None:
    shown = forest(
        [Mark("All", 0, 1.0, 0.5, 1.5, strong=True)], title="One", outcome="x", what="region", unit="points", level=0.9
    )
    assert shown.alt == "One: x, in points. All +1.0 (+0.5 to +1.5). Brackets are 90% intervals."


def test_a_stage_that_follows_is_no_stop() -> None:
    spells = pd.DataFrame(
        {
            "region": ["North East", "North East", "London"],
            "authority": ["Hartlepool", "Hartlepool", "Barnet"],
            "start": ["2024-01-01", "2024-09-01", "2024-01-01"],
            "end": ["2024-08-31", None, "2024-12-31"],
            "stage": [2, 3, 2],
            "intensity": [0.5, 0.8, 0.4],
            "halted_reason": ["Next stage reached", None, "Halted"],
        }
    )
    shown = timeline(spells, reform="Tailored lists", last="2025-08-31")
    assert "in 2 local authorities; 1 of 3 spells stopped" in shown.alt
    assert list(shown.table["End"]) == ["2024-08-31", "goes on", "2024-12-31"]
    crosses = [data for data in shown.spec["datasets"].values() if len(data) == 1]
    assert [one["authority"] for data in crosses for one in data] == ["Barnet"]


def test_the_two_way_number_is_taken_apart_with_weights_below_zero_in_plain_sight(question: dict[str, Any]) -> None:
    weights, bacon = views.weights_picture(question), views.bacon_picture(question)
    assert weights is not None and bacon is not None
    assert weights.table.iloc[1].tolist() == ["1", "+0.200", "\u22120.100"]
    assert "those below zero: \u22120.10 in all" in weights.alt
    assert bacon.title == "Which comparisons make the two-way number (140 authorities without a gap)"
    assert bacon.table["Compared with"].tolist() == ["never", "6"]
    assert "With those that have started already: 25% of the weight" in bacon.alt
    assert views.makeup_words(question) == ["Half of all weight in the headline lies on 9 of 40 cells."]
    assert views.carriers_table(question).iloc[0].tolist() == ["Hartlepool", "2023/24 spring", "yes", "+0.0310"]


def test_what_cannot_be_taken_apart_says_why(question: dict[str, Any]) -> None:
    refusal = {"not_estimable": {"reason": "nobody is complete", "remedy": ""}}
    question["makeup"] |= {"bacon": refusal, "two_way_weights": refusal, "carriers": refusal}
    assert views.weights_picture(question) is None and views.bacon_picture(question) is None
    assert views.makeup_words(question)[0] == "The comparisons of the two-way number cannot be shown: nobody is complete."
    assert views.carriers_table(question).empty


def test_estimators_stand_on_one_axis_with_what_each_assumes(question: dict[str, Any]) -> None:
    assert views.estimators_picture(question) is None, "one estimator alone is no comparison"
    question["results"].append(result("overall", [row(-4.0, 2.0)], estimator="two_way_fixed_effects"))
    picture = views.estimators_picture(question)
    assert picture is not None
    assert len(picture.table) == 2
    assumed = views.assumptions_table(question)
    assert assumed["Estimator"].tolist() == ["Group-time (Callaway and Sant\u2019Anna)", "Two-way fixed effects"]
