"""All reforms on one view: what is said of each outcome, and why nothing is said of a reform."""

from typing import Any

from pilots.catalogue import reforms
from pilots.views import harm_seen_words, harm_words, harms_table, overview_harms, overview_table, overview_words


def document(**changed: Any) -> dict[str, Any]:
    question = {
        "outcome": "termly_exceptions",
        "outcome_label": "Exceptions",
        "verdict": {"kind": "worsened", "words": "Worsened by 5 points"},
        "rating": {"locks": 3, "of": 5},
        "smallest_detectable_effect": {"value": 2.04},
        "unit_label": "points",
        "guardrails": [],
    }
    seen = {"outcome": "termly_exceptions", "label": "Exceptions", "kind": "harm_seen", "beyond": True, "margin": 2.0}
    numbers = {"estimate": 5.0, "lower": 4.0, "upper": 6.0, "words": "Harm seen.", "why": "Flattery.", "unit_label": "points"}
    refused = {"outcome": "other", "label": "Other", "margin": 1.0, "not_estimable": {"reason": "no figures", "remedy": ""}}
    harms = [{**seen, **numbers, "not_estimable": None}, refused]
    made = {"run_id": "RUN-1", "plan": {"plan": "p"}, "reform": "digital_ehcp", "questions": [question], "harms": harms}
    return {**made, "unwatched": ["thinner plans"], **changed}


def test_every_reform_has_a_row_and_the_newest_run_of_a_plan_counts() -> None:
    table = overview_table([document(), document(run_id="RUN-0")])
    assert list(dict.fromkeys(table["Reform"])) == [one.label for one in reforms()]
    (row,) = table[table["Run"] == "RUN-1"].to_dict("records")
    assert (row["What is said"], row["Belief"]) == ("Worsened by 5 points", "3 of 5 locks")
    assert row["Smallest effect that could be seen"].endswith("points") and row["Watched for harm"] == (
        "Harm seen, beyond the margin: Exceptions. Not estimable: 1. No return measures: 1"
    )
    assert "RUN-0" not in set(table["Run"])
    said = table.set_index("Reform")["What is said"]
    assert said["Bands and tariffs (shadow)"].startswith("Not estimable: bands and tariffs are shadow figures")
    assert said["Strengthened mediation"] == "Nothing was asked yet."


def test_harm_is_said_with_its_margin_and_what_no_return_measures() -> None:
    assert harm_words(document()) == [
        "Exceptions: harm seen, beyond the margin",
        "Other: not estimable",
        "No return measures: thinner plans",
    ]
    table = harms_table(document())
    assert list(table["Watched for harm"]) == ["Exceptions", "Other", "Thinner plans"]
    assert list(table["Margin"]) == ["2 points", "1", "none declared"]
    assert list(table["In words"])[1:] == ["Not estimable: no figures.", "Not estimable: no return measures it."]
    assert list(table["Why"]) == ["Flattery.", "", ""]


def test_the_overview_begins_with_how_many_answers_there_are_and_the_harm_that_is_seen() -> None:
    told = overview_words([document(), document(run_id="RUN-0", questions=[])])
    assert told.startswith("Of 1 questions, worsened: 1. ") and overview_words([]) == ""
    (harm,) = overview_harms([document(), document(plan={"plan": "q"})])
    assert harm == "Harm seen with Digital and standard EHC plan: Exceptions." and overview_harms([document(harms=[])]) == []


def test_harm_that_is_seen_stands_beside_every_other_outcome_with_its_size() -> None:
    asked = document()["questions"][0]
    assert harm_seen_words(document(), asked) == []  # the verdict says it
    assert harm_seen_words(document(), {**asked, "outcome": "timeliness"}) == ["Exceptions: harm seen."]


def test_a_run_from_before_guardrails_of_reforms_still_shows() -> None:
    old = document(harms=[], unwatched=[])
    del old["harms"], old["unwatched"]
    assert harm_words(old) == [] and not len(harms_table(old))
