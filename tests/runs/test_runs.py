"""The trip from a published release and a plan to evidence, and back again by a rerun, on figures whose answer is known."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pilots import published, releases, runs
from pilots.access import EVALUATOR, LEAD, LOCAL_ADMINISTRATOR, RESEARCHER, Actor, NotAllowed
from pilots.asking import _by_periods_of
from pilots.catalogue import outcome, watched
from pilots.errors import UserError
from pilots.places import alike, authorities, bordering, partnerships
from pilots.plans import Plan, load_plan, named_plan
from pilots.releases import Release, ReleaseChanged
from pilots.storage import Store
from tests.databases import on_both_at_once, on_sqlite_only
from tests.runs.small import one_outcome, small_plan

estimates_alone = on_sqlite_only("estimates are worked out in memory: test_restored.py has the same ones from either database")

Known = dict[tuple[str, int], tuple[int, int]]
LEFT_OUT = {"E09000001", "E06000053"}
RESEARCHER_ACTOR = Actor("rita", "Rita Researcher", RESEARCHER)


def plan(**keys: Any) -> Plan:
    return load_plan(yaml.safe_dump({**yaml.safe_load(named_plan("ehcp_timeliness").text), **keys}))


def answer(run: runs.Run, outcome: str = "timeliness_20_weeks") -> dict[str, Any]:
    return next(one for one in run.document["questions"] if one["outcome"] == outcome)


def by_hand(known: Known, keep: set[str] | None = None) -> float:
    """Mean change of the share from 2023 to 2024, the programme's authorities less the others."""
    treated = set(partnerships()["authority"])
    change: dict[bool, list[float]] = {True: [], False: []}
    for code in {code for code, _ in known} - LEFT_OUT:
        if keep is None or code in keep:
            share = {year: 100 * known[code, year][1] / known[code, year][0] for year in (2023, 2024)}
            change[code in treated].append(share[2024] - share[2023])
    return float(np.mean(change[True]) - np.mean(change[False]))


@pytest.fixture
def run(store: Store, run_once: tuple[Path, runs.Run], fill_from: Callable[[Store, Path], None]) -> runs.Run:
    """The run of the shipped plan on the figures without gaps; made once and copied into each test's own store."""
    path, made = run_once
    fill_from(store, path)
    return made


def test_the_effect_is_the_one_that_a_pencil_gives(run: runs.Run, known: Known) -> None:
    found = answer(run)
    assert found["headline"]["estimate"] == pytest.approx(by_hand(known), rel=1e-12)
    assert found["verdict"]["kind"] == "improved"
    assert found["design"]["treated_units"] == 32
    assert found["design"]["comparison_units"] == 119
    assert found["design"]["cohorts"] == [{"first_treated": "2024", "units": 32}]
    assert found["design"]["clusters"] == {"partnership": 128, "region": 9, "authority": 151}


def test_every_estimator_aggregate_and_clustering_of_the_plan_is_reported(run: runs.Run) -> None:
    have = {(one["estimator"], one["aggregate"], one["cluster"]) for one in answer(run)["results"]}
    for cluster in ("region", "authority"):
        for aggregate in ("overall", "event_time", "cells", "cohort", "calendar"):
            assert ("group_time", aggregate, cluster) in have
        assert ("two_way_fixed_effects", "event_time", cluster) in have
    assert ("group_time", "region", "authority") in have
    assert ("group_time", "region", "region") not in have


def test_the_headline_is_that_of_the_inference_for_few_areas(run: runs.Run) -> None:
    found = answer(run)
    few = found["few_clusters"]
    (shown,) = [one for one in few["methods"] if one["headline"]]
    assert few["treated_units"] == 9 and shown["method"] == "randomisation" and not few["fragile"]
    for name in ("p_value", "lower", "upper"):
        assert found["headline"][name] == few[name] == shown[name]
    (errors,) = [
        one["rows"][0]["std_error"]
        for one in found["results"]
        if (one["estimator"], one["aggregate"], one["cluster"]) == ("group_time", "overall", "partnership")
    ]
    assert found["headline"]["std_error"] == errors


def test_every_check_is_there_and_says_what_it_found(run: runs.Run) -> None:
    found = {one["check"]: one for one in answer(run)["checks"]}
    assert list(found) == [
        "pretrend",
        "pretrend_power",
        "bounds",
        "balance",
        "leave_one_region_out",
        "leave_one_authority_out",
        "placebo_dates",
        "placebo_outcomes",
        "missing_returns",
        "neighbours",
        "co_interventions",
        "series_breaks",
        "specification_curve",
        "influence",
    ]
    for one in found.values():
        assert one["asks"].endswith("?") and one["reading"].endswith("."), one["check"]
        assert (one["number"] is None) == bool(one["not_estimable"]), one["check"]
    assert found["placebo_outcomes"]["not_estimable"]["remedy"] == "List them under placebo_outcomes in the plan."
    assert found["co_interventions"]["not_estimable"]["remedy"] == "List them under co_interventions in the plan."


@estimates_alone
def test_a_plan_can_name_placebo_outcomes_other_programmes_and_looks(run: runs.Run, store: Store) -> None:
    asked = plan(
        placebo_outcomes=["timeliness_20_weeks_excluding_exceptions"],
        co_interventions={"Safety Valve": ["E08000002", "E09000007"]},
        looks={"planned": 4, "look": 2},
        inference={"draws": 199, "seed": 5},
    )
    found = answer(runs.evaluate(store, RESEARCHER_ACTOR, asked))
    rows = {one["check"]: one for one in found["checks"]}
    assert rows["placebo_outcomes"]["rows"][0]["estimate"] == pytest.approx(found["headline"]["estimate"], rel=0.5)
    assert [row["without"] for row in rows["co_interventions"]["rows"]] == ["Safety Valve"]
    assert found["look"]["number"] == 2 and found["look"]["nominal_p"] < 0.05


def test_what_the_screen_needs_beside_the_checks_is_there(run: runs.Run) -> None:
    found = answer(run)
    assert found["bounds"]["original"]["lower"] < found["bounds"]["estimate"] < found["bounds"]["original"]["upper"]
    assert 100 <= len(found["placebo"]["estimates"]) <= 400
    assert found["power"]["detectable"] > 0 and found["power"]["curve"][0]["power"] < 0.1
    assert sum(row["plan"] for row in found["specifications"]["rows"]) == 1
    assert [row["group"] for row in found["leads_partners"]["rows"]] == ["Leads", "Partners"]
    assert len(found["regional"]["rows"]) == 9 and found["regional"]["pooled"]["tau"] >= 0
    assert found["rating"]["of"] == 5 and len(found["reading"]) == 3
    family = run.document["family"]
    assert [row["outcome"] for row in family["rows"]] == ["timeliness_20_weeks", "timeliness_20_weeks_excluding_exceptions"]
    assert all(row["p_value"] <= row["adjusted"] <= 1 for row in family["rows"])


def test_the_warnings_that_belong_to_the_outcome_are_there(run: runs.Run) -> None:
    kinds = {one["kind"] for one in answer(run)["warnings"]}
    assert {"series_break", "partial_period"} <= kinds
    twin = answer(run, "timeliness_20_weeks_excluding_exceptions")
    assert "gameable" in {one["kind"] for one in twin["warnings"]}
    assert "improved without anything being better" in twin["reading"][1] or "more reasons" in twin["reading"][1]
    assert len(twin["reading"]) == 3


@estimates_alone
def test_a_missing_authority_with_the_reform_is_named_with_its_symbol(
    store: Store, known: Known, released: Callable[..., Release]
) -> None:
    released(known, symbols={("E06000016", 2023): "x"})
    found = answer(runs.evaluate(store, RESEARCHER_ACTOR, one_outcome()))
    (said,) = [one["text"] for one in found["warnings"] if one["kind"] == "missing_authority"]
    assert said.startswith("Leicester has no figure for 2023 (“x”).")
    assert found["design"]["missing_treated_cells"] == 1
    kept = {code for code, _ in known} - {"E06000016"}
    assert found["headline"]["estimate"] == pytest.approx(by_hand(known, kept), rel=1e-12)


@estimates_alone
def test_more_gaps_than_can_be_named_are_counted(store: Store, known: Known, released: Callable[..., Release]) -> None:
    released(known, symbols={(code, 2020): "c" for code in partnerships()["authority"][:9]})
    texts = [one["text"] for one in answer(runs.evaluate(store, RESEARCHER_ACTOR, one_outcome()))["warnings"]]
    assert "9 of 32 authorities with the reform lack a figure for some period (9 cells)." in texts


@on_both_at_once
def test_the_run_says_where_it_comes_from(run: runs.Run, store: Store) -> None:
    document, release = run.document, releases.release(store, LOCAL_ADMINISTRATOR)
    assert document["release_digest"] == release.digest
    assert document["plan_digest"] == named_plan("ehcp_timeliness").digest
    assert document["code_version"].startswith("0.1.0 (source ")
    assert document["synthetic"] is False
    assert answer(run)["truth"] is None
    assert runs.run(store, RESEARCHER_ACTOR, run.run_id) == run
    assert [one.run_id for one in runs.runs(store, RESEARCHER_ACTOR)] == [run.run_id]


@estimates_alone
def test_a_rerun_gives_the_same_numbers_bit_for_bit(run: runs.Run, store: Store) -> None:
    again = runs.rerun(store, RESEARCHER_ACTOR, run.run_id)
    assert again.same
    assert again.differences == ()
    assert again.results_digest == run.document["results_digest"]


def test_a_restatement_changes_nothing_in_a_run_and_the_next_release_sees_it(
    run: runs.Run, store: Store, known: Known, released: Callable[..., Release]
) -> None:
    known["E06000016", 2024] = (200, 10)
    released(known, name="second")
    assert runs.rerun(store, RESEARCHER_ACTOR, run.run_id).same
    later = runs.evaluate(store, RESEARCHER_ACTOR, one_outcome())
    assert answer(later)["headline"]["estimate"] == pytest.approx(by_hand(known), rel=1e-12)
    assert answer(later)["headline"]["estimate"] < answer(run)["headline"]["estimate"]


def test_a_changed_store_is_found_out_before_anything_is_estimated(
    run: runs.Run, store: Store, tamper: Callable[[Store, str, str], None]
) -> None:
    change = "UPDATE published_values SET value = value + 1 WHERE measure = 'plans_issued' AND period = '2024'"
    tamper(store, "published_values", change)
    with pytest.raises(ReleaseChanged):
        runs.rerun(store, RESEARCHER_ACTOR, run.run_id)


@estimates_alone
def test_other_code_is_named_even_where_the_numbers_are_the_same(
    run: runs.Run, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "code_version", lambda: "0.2.0 (source another)")
    again = runs.rerun(store, RESEARCHER_ACTOR, run.run_id)
    assert again.same
    assert "is now 0.2.0 (source another)" in again.text()


def test_differences_name_the_place_the_values_and_their_size() -> None:
    old = {"rows": [{"estimate": 1.0, "label": "a"}, {"estimate": 2.0}], "n": 3}
    new = {"rows": [{"estimate": 1.0, "label": "b"}, {"estimate": 2.5}], "n": 3}
    assert list(runs.differences(old, new)) == [
        "rows[0].label was 'a' and is now 'b'.",
        "rows[1].estimate was 2.0 and is now 2.5 (a relative difference of 2.0e-01).",
    ]
    old = {"questions": [{"outcome": "refused", "results": [{"estimator": "stacked", "cluster": "region", "rows": [1, 2]}]}]}
    new = {"questions": [{"outcome": "refused", "results": [{"estimator": "stacked", "cluster": "region", "rows": [1]}]}]}
    assert list(runs.differences(old, new)) == ["questions[refused].results[stacked region].rows had 2 entries and now has 1."]
    (long,) = runs.differences({"note": None}, {"note": "x" * 5000})
    assert long.startswith("note was None and is now 'xxx") and len(long) < 300


@estimates_alone
def test_all_at_once_is_not_estimable_and_says_what_would_help(run: runs.Run, store: Store) -> None:
    found = answer(runs.evaluate(store, RESEARCHER_ACTOR, plan(comparison={"authorities": "programme_only"})))
    assert found["verdict"]["kind"] == "not_estimable"
    assert "start at once" in found["verdict"]["words"]
    assert "estimate" not in found["headline"]
    assert found["reading"][1].endswith("none is given, because any number would mislead.")
    assert found["checks"][0]["concern"] is None


@estimates_alone
def test_a_comparison_by_likeness_or_without_neighbours_is_a_choice_of_the_plan_and_of_the_curve(
    run: runs.Run, store: Store, known: Known
) -> None:
    treated = set(partnerships()["authority"])
    near = {"statistical_neighbours": alike(treated), "not_bordering": {code for code, _ in known} - bordering(treated)}
    words = {"statistical_neighbours": "statistical neighbours", "not_bordering": "without neighbours"}
    curve = {
        row["choices"]["comparison"]: row["estimate"]
        for row in answer(run)["specifications"]["rows"]
        if row["choices"]["estimator"].startswith("Group-time") and row["choices"]["window"] == "from 2019"
        if row["choices"]["weights"] == "alike"
    }
    assert set(curve) == {"as planned", *words.values()}  # nobody starts later
    assert curve["as planned"] == pytest.approx(by_hand(known), rel=1e-12)
    short = {"estimators": [{"name": "group_time"}], "inference": {"draws": 99}}
    for who, codes in near.items():
        chosen = {"authorities": who, "leave_out": sorted(LEFT_OUT)}
        found = answer(runs.evaluate(store, RESEARCHER_ACTOR, plan(comparison=chosen, **short)))
        assert found["design"]["comparison_units"] == len(codes - treated - LEFT_OUT)
        assert found["headline"]["estimate"] == pytest.approx(by_hand(known, treated | codes), rel=1e-12)
        assert curve[words[who]] == pytest.approx(by_hand(known, treated | codes), rel=1e-12)


def test_each_guardrail_has_a_row_whatever_periods_it_comes_by(run: runs.Run) -> None:
    rows = {one["outcome"]: one for one in run.document["harms"]}
    assert set(rows) == {one.outcome for one in watched("change_programme", ["timeliness_20_weeks"])}
    absent = rows["severe_absence_primary"]["not_estimable"]["reason"]
    assert "has no published figures for" in absent and "absence" in absent
    years = _by_periods_of(named_plan("ehcp_timeliness"), outcome("severe_absence_primary"))
    assert (years.periods[0], years.periods[-1], years.plan) == ("2018/19", "2024/25", "ehcp_timeliness")


@estimates_alone
def test_a_comparison_within_regions_and_weights_by_plans(run: runs.Run, store: Store, known: Known) -> None:
    near = answer(runs.evaluate(store, RESEARCHER_ACTOR, one_outcome(comparison={"authorities": "same_regions"})))
    assert near["design"]["comparison_units"] == 121  # every region has a partnership
    weighted = answer(runs.evaluate(store, RESEARCHER_ACTOR, one_outcome(weights="denominator")))
    assert abs(weighted["headline"]["estimate"] - by_hand(known)) > 1e-6


def test_a_window_outside_the_figures_is_refused_with_those_there_are(run: runs.Run, store: Store) -> None:
    with pytest.raises(UserError, match="there are some from 2019 to 2024"):
        runs.evaluate(store, RESEARCHER_ACTOR, plan(window={"first": "2010", "last": "2014"}))


def test_a_reform_that_nobody_has_is_refused(run: runs.Run, store: Store) -> None:
    with pytest.raises(UserError, match="No unit is treated within the window"):
        runs.evaluate(store, RESEARCHER_ACTOR, plan(reform="mediation"))


def test_without_a_release_or_its_figures_the_message_says_what_to_do(store: Store) -> None:
    with pytest.raises(UserError, match="release"):
        runs.evaluate(store, RESEARCHER_ACTOR, named_plan("ehcp_timeliness"))
    with pytest.raises(UserError, match="There is no run “RUN-none” in this store"):
        runs.rerun(store, RESEARCHER_ACTOR, "RUN-none")


def test_a_release_without_the_publication_says_what_to_import(
    store: Store, known: Known, released: Callable[..., Release]
) -> None:
    released(known)
    with pytest.raises(UserError, match="do not have new_plans_mainstream, new_plans"):
        runs.evaluate(store, RESEARCHER_ACTOR, named_plan("new_plans_mainstream"))


@on_both_at_once
def test_leads_do_not_evaluate_and_do_not_read_runs(run: runs.Run, store: Store) -> None:
    lead = Actor("lena", "Lena Lead", LEAD, ("E12000001",))
    for call in (
        lambda: runs.evaluate(store, lead, named_plan("ehcp_timeliness")),
        lambda: runs.runs(store, lead),
        lambda: runs.run(store, lead, run.run_id),
        lambda: runs.rerun(store, lead, run.run_id),
    ):
        with pytest.raises(NotAllowed):
            call()
    assert runs.runs(store, Actor("eve", "Eve", EVALUATOR))


@estimates_alone
def test_progress_rises_from_nothing_to_all(run: runs.Run, store: Store) -> None:
    told: list[float] = []
    runs.evaluate(store, RESEARCHER_ACTOR, small_plan(), progress=lambda share, words: told.append(share))
    assert told == sorted(told)
    assert told[0] == 0 and told[-1] == pytest.approx(1)


def test_no_city_of_london_and_no_isles_of_scilly(run: runs.Run) -> None:
    assert set(authorities()["authority"]) >= LEFT_OUT
    assert answer(run)["design"]["treated_units"] + answer(run)["design"]["comparison_units"] == 153 - len(LEFT_OUT)


@on_both_at_once
def test_the_vintage_is_found_by_the_edition_of_its_file(run: runs.Run, store: Store) -> None:
    (vintage,) = published.vintages(store, LOCAL_ADMINISTRATOR)
    assert vintage["edition"] == "2025"


def test_the_makeup_adds_up(run: runs.Run) -> None:
    made = answer(run)["makeup"]
    assert sum(one["weight"] for one in made["bacon"]["comparisons"]) == pytest.approx(1)
    two_way = next(one for one in answer(run)["results"] if one["estimator"] == "two_way_fixed_effects")
    assert made["bacon"]["estimate"] == pytest.approx(two_way["rows"][0]["estimate"], rel=1e-9), "no authority has a gap here"
    assert sum(one["positive"] + one["negative"] for one in made["two_way_weights"]["by_event_time"]) == pytest.approx(1)
    assert 0 < made["carriers"]["half"] < made["carriers"]["cells"]
    assert {one["period"] for one in made["carriers"]["largest"]} == {"2023", "2024"}


@estimates_alone
def test_covariates_are_outcomes_of_the_catalogue_and_who_uses_none_says_so(run: runs.Run, store: Store) -> None:
    asked = plan(
        outcomes=["timeliness_20_weeks"],
        smallest_effect={},
        covariates=["timeliness_20_weeks_excluding_exceptions"],
        estimators=[{"name": "group_time", "options": {"base": "universal", "method": "regression"}}, {"name": "imputation"}],
    )
    found = answer(runs.evaluate(store, RESEARCHER_ACTOR, asked))
    assert found["headline"]["estimate"] != answer(run)["headline"]["estimate"]
    said = {one["estimator"]: " ".join(one["warnings"]) for one in found["results"] if one["aggregate"] == "overall"}
    assert "covariate" in said["imputation"] and "covariate" not in said["group_time"]


@estimates_alone
def test_what_needs_data_that_no_collection_has_says_so(run: runs.Run, store: Store) -> None:
    asked = plan(estimators=[{"name": "group_time"}, {"name": "triple_difference"}, {"name": "dose"}])
    found = answer(runs.evaluate(store, RESEARCHER_ACTOR, asked))
    refused = {one["estimator"]: one["not_estimable"] for one in found["results"] if one["aggregate"] == "overall"}
    assert refused["group_time"] is None
    assert refused["triple_difference"]["reason"] and refused["dose"]["reason"]
