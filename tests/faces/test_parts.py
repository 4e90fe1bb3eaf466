"""What a full document becomes, part by part; and that a part which is absent or refused never leaves a hole or a number."""

from collections.abc import Callable
from typing import Any

import pytest

from pilots import views
from pilots.places import region_names

# Each part with what is made of it alone.
PARTS: dict[str, tuple[Callable[[dict[str, Any]], Any], ...]] = {
    "rating": (views.rating_table, views.locks_words, views.locks_lost),
    "few_clusters": (views.few_clusters_table,),
    "design_card": (views.design_card_table,),
    "bounds": (views.drift_picture, views.bends_picture),
    "placebo": (views.placebo_picture,),
    "power": (views.power_picture, views.returns_table),
    "specifications": (views.specification_picture,),
    "regional": (views.pooled_words,),
    "leads_partners": (views.leads_picture, views.leads_words),
}
REFUSAL = {"not_estimable": {"reason": "there are too few periods", "remedy": "Wait for another term."}}


def test_the_locks_are_told_in_words_with_each_lock_that_was_lost(full: dict[str, Any]) -> None:
    rating = full["rating"]
    assert views.locks_words(full) == f"{rating['locks']} of 5 locks"
    lost = [rule for rule in rating["rules"] if rule["cost"]]
    told = views.locks_lost(full)
    assert len(told) == len(lost) and all(line.endswith(".") and "lost. " in line for line in told)
    table = views.rating_table(full)
    assert len(table) == len(rating["rules"])
    by_lot = table[table["Rule"] == "Chosen by lot"].iloc[0]
    assert (by_lot["Found"], by_lot["Needed"], by_lot["Locks lost"]) == ("no", "yes", "1 lock")
    assert set(table["Locks lost"]) <= {"none", "1 lock", "2 locks"}


def test_a_number_that_is_not_known_is_said_not_to_be(full: dict[str, Any]) -> None:
    full["rating"]["rules"] = [
        {"rule": "power", "label": "Power", "number": None, "threshold": "at most 1", "cost": 1, "reason": "Not known: power."}
    ]
    row = views.rating_table(full).iloc[0]
    assert (row["Found"], row["Why"]) == ("not known", "Not known: power.")


GRAVITY = ("serious concern", "some concern", "cannot be told", "no concern")


def test_checks_are_one_table_with_units_concern_and_refusals(full: dict[str, Any]) -> None:
    table = views.belief_table(full)
    assert list(table.columns) == ["What is asked", "Number", "Concern", "Plain reading"]
    found = dict(zip(table["What is asked"], table["Number"], strict=True))
    assert found["Were the groups on different paths before the reform?"] == "p = 0.410"
    assert found["Does one region carry the effect?"] == "1.9 percentage points"
    ranks = [GRAVITY.index(concern) for concern in table["Concern"]]
    assert ranks == sorted(ranks) and len(set(ranks)) == 4
    (last,) = [row for row in table.to_dict("records") if row["Concern"] == "cannot be told"]
    assert (last["Number"], last["Concern"]) == ("not computable", "cannot be told")
    assert "no outcome was declared beyond the reform’s reach. Name some in the plan." in last["Plain reading"]
    words = views.concerns_words(full)
    assert words.startswith("Of 9 checks, 1 brings serious concern, 3 some, 4 none; 1 cannot be told.")


def test_methods_for_few_partnerships_stand_side_by_side(full: dict[str, Any]) -> None:
    table = views.few_clusters_table(full)
    assert list(table["Method"])[2] == "CR2 with Bell–McCaffrey degrees of freedom (the headline)"
    first = table.iloc[0]
    assert first["95% interval"].replace("\u00a0", " ") == "\u221210.10 to \u22122.10"
    assert "1,000,000,000 reassignments possible; 9,999 drawn; smallest p that can be had less than 0.001" in first["Rests on"]
    assert "6.4 degrees of freedom" in table["Rests on"][2]
    full["few_clusters"]["fragile"] = True
    assert views.few_clusters_words(full).endswith("One of them more or less could change the answer.")


@pytest.mark.parametrize(
    ("number", "unit", "words"),
    [
        (1.0, "share with the same sign", "100% with the same sign"),
        (2.28, "units of the outcome", "2.28 percentage points"),
        (-0.5, "a period", "\u22120.5 a period"),
        (1e-15, "of all", "less than 0.0001 of all"),
        (1234.4, "cells", "1,234 cells"),
        (None, "cells", "none"),
        (0.0004, "p-value", "p less than 0.001"),
    ],
)
def test_a_check_writes_its_number_in_its_unit(full: dict[str, Any], number: float | None, unit: str, words: str) -> None:
    full["checks"] = [{"check": "x", "asks": "?", "number": number, "unit": unit, "reading": "R", "concern": "none"}]
    assert views.checks_table(full)["Number"].tolist() == [words]


def test_an_interval_without_an_end_is_said_not_to_be_known(full: dict[str, Any]) -> None:
    full["few_clusters"]["methods"][0] |= {"lower": None, "std_error": None}
    row = views.few_clusters_table(full).iloc[0]
    assert (row["95% interval"], row["Standard error"]) == ("not known", "none")


def test_other_choices_say_the_unit_of_their_effects(full: dict[str, Any]) -> None:
    assert views.choices_words(full) == f"In {full['unit_label']}: over 48 choices the sign stays."
    full["specifications"] = {
        "rows": [],
        "reading": "Cannot tell: no estimator of the plan estimates this effect in another way.",
    }
    assert views.choices_words(full) == full["specifications"]["reading"]


def test_the_headline_by_a_method_for_few_partnerships(full: dict[str, Any]) -> None:
    full["headline"] |= {"method_label": "Randomisation, t-statistic", "treated_units": 9}
    words = views.headline_words(full)
    assert "(p less than 0.001; by randomisation (t-statistic), 9 partnerships with the reform; standard error 2.0" in words
    full["headline"] |= {"upper": None, "std_error": None}
    assert "95% interval \u221210.1 to no upper end (p less than 0.001; by randomisation" in views.headline_words(full)
    both = "the more careful of Wild cluster bootstrap, weights by authority and CR2 with Bell–McCaffrey degrees of freedom"
    full["headline"] |= {"method_label": both}
    words = "the more careful of wild cluster bootstrap (weights by authority) and CR2 with Bell–McCaffrey degrees of freedom, 9"
    assert words in views.headline_words(full)


def test_sensitivity_is_drawn_for_drift_and_for_bends(full: dict[str, Any]) -> None:
    drift, bends = views.drift_picture(full), views.bends_picture(full)
    assert drift is not None and bends is not None
    assert list(drift.table["Drift, × the largest before"]) == ["as estimated", "0.5", "1", "1.5", "2"]
    assert list(bends.table["Bend a term, in the effect’s unit"])[:2] == ["as estimated", "0"]


def test_power_now_and_after_one_more_term(full: dict[str, Any]) -> None:
    table = views.power_table(full)
    assert list(table.iloc[:, 0]) == [
        "Now, by simulation",
        "Now, by formula",
        "After one more term",
        "Smallest that matters, as declared",
    ]
    assert views.power_picture(full) is not None
    returns = views.returns_table(full)
    assert returns.iloc[0].tolist() == ["Hartlepool", "2023/24 spring", "2.1%"]


def test_an_old_run_has_the_formula_alone(question: dict[str, Any]) -> None:
    assert views.power_table(question).iloc[0].tolist() == ["Now, by formula", "5.6 percentage points"]
    assert views.power_picture(question) is None


def test_leads_and_partners_and_why_they_are_told_apart(full: dict[str, Any]) -> None:
    shown = views.leads_picture(full)
    assert shown is not None
    assert list(shown.table["Group"]) == ["Leads", "Partners", "All together"]
    assert views.leads_words(full).startswith(
        "Leads less partners: \u22121.8 (\u22125.8 to +2.2) percentage points. Leads were chosen"
    )
    full["leads_partners"]["difference"] = REFUSAL
    assert views.leads_words(full) == "Not estimable: there are too few periods. Wait for another term."


def test_guardrails_of_a_whole_run_stand_together_once(full: dict[str, Any]) -> None:
    table = views.guardrails_table(full, full)
    assert list(table["What is said"]) == ["Harm seen", "Cannot tell", "Harm beyond the margin ruled out"]
    full["guardrails"][0] = {"outcome": "exceptions", "label": "Exceptions", "margin": None, **REFUSAL}
    first = views.guardrails_table(full).iloc[0]
    assert (first["What is said"], first["Effect (interval)"], first["Margin"]) == ("Not estimable", "not known", "none declared")
    assert first["In words"] == "Not estimable: there are too few periods. Wait for another term."


def test_regions_are_read_as_the_effects_by_region_name_them_too(full: dict[str, Any]) -> None:
    """The result of random effects calls its rows regions, its mean overall, and gives a variance."""
    old, names = full["regional"], region_names()
    full["regional"] = {
        "regions": [{**row, "label": row["region"], "region": names[row["region"]]} for row in old["rows"]],
        "overall": {"estimate": -5.0, "lower": -8.0, "upper": -2.0, "tau2": 4.0},
    }
    shown = views.regional_picture(full)
    assert shown is not None and shown.table["Region"].iloc[0] == "North East" and len(shown.table) == 10
    assert "about 2.0 percentage points from it" in views.pooled_words(full)


def test_the_family_is_read_from_the_run() -> None:
    family = {"method": "Romano–Wolf", "rows": [{"outcome": "a", "label": "A", "p_value": 0.01, "adjusted": 0.03, "holm": 0.04}]}
    table = views.family_table({"family": family})
    assert table.iloc[0].tolist() == ["A", "0.010", "0.030", "0.040"]
    assert views.family_table({}).empty


@pytest.mark.parametrize("name", PARTS)
def test_a_part_that_is_absent_or_refused_leaves_no_hole_and_no_number(full: dict[str, Any], name: str) -> None:
    assert all(len(make(full)) if not hasattr(make(full), "spec") else True for make in PARTS[name]), "the full document has it"
    for state in ("absent", None, REFUSAL):
        if state == "absent":
            del full[name]
        else:
            full[name] = state
        made = [make(full) for make in PARTS[name]]
        assert all(one is None or not len(one) for one in made), state
        said = views.refused(full, name)
        assert said == ("Not estimable: there are too few periods. Wait for another term." if state == REFUSAL else "")
        assert views.part(full, name) is None and views.reading_of(full, name) == ""


def test_without_any_newer_part_only_the_tables_of_older_runs_are_left(full: dict[str, Any], question: dict[str, Any]) -> None:
    for name in PARTS:
        full[name] = REFUSAL
    full |= {"checks": [], "guardrails": []}
    assert list(views.tables(full)) == list(views.tables(question))


def test_every_table_of_a_full_document_has_rows_and_headings(full: dict[str, Any]) -> None:
    found = views.tables(full)
    assert list(found)[:4] == [
        "The rating, rule by rule",
        "Effect by terms since the start",
        "Effect by region",
        "Whether to believe it",
    ]
    assert {"Methods for few partnerships", "The effect under other reasonable choices", "Watched for harm"} <= set(found)
    assert all(len(frame) and all(map(str, frame.columns)) for frame in found.values())


def test_no_number_carries_a_hyphen_for_a_minus_sign(full: dict[str, Any]) -> None:
    for title, frame in views.tables(full).items():
        if title.startswith("Effect by terms"):
            continue  # its first column counts terms
        for cell in frame.astype(str).to_numpy().ravel():
            assert not cell.startswith("-") and " -" not in cell and "(-" not in cell, (title, cell)
