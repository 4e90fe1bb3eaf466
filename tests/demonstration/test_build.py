"""A store that was filled through the real tasks, and interrupted on the way."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data_contracts import contracts
from evaluation import Result, estimate
from pilots import accounts, collections, register, releases, returns, runs
from pilots.access import EVALUATOR, LEAD, LOCAL_ADMINISTRATOR, Actor, NotAllowed
from pilots.catalogue import reforms, watched
from pilots.demonstration import (
    DEFAULT_SEED,
    Programme,
    example_files,
    is_demonstration,
    true_effects,
)
from pilots.demonstration.build import RELEASE, build_demonstration, demonstration_plans
from pilots.demonstration.design import LAST, NORTH_EAST
from pilots.demonstration.known import SETTING
from pilots.demonstration.panel import panel_of
from pilots.due import returns_due
from pilots.errors import UserError
from pilots.periods import parse
from pilots.plans import plans, shipped_plans
from pilots.storage import Store
from pilots.storage.settings import set_setting

pytestmark = pytest.mark.slow

OTHERS = 432  # returns of the systems that are sent for fewer terms
ESTIMATED = (
    "ap_taskforce",
    "ap_tiers",
    "ap_tiers_pupils",
    "area_inspection",
    "digital_ehcp",
    "experience",
    "lists_choice",
    "local_partnership_dose",
    "mediation",
    "mediation_appeals",
    "national_standards",
    "places",
    "places_cost",
    "programme_launch",
    "senco_training",
    "tailored_lists",
)


@pytest.fixture
def lead(built: Any) -> Actor:
    return next(one for one in accounts.development_sign_in(built.store) if one.role == LEAD and one.regions == (NORTH_EAST,))


def test_every_return_but_one_is_accepted(built: Any) -> None:
    there = returns.submissions(built.store, LOCAL_ADMINISTRATOR)
    regional = [one for one in there if one.collection != "reform_register"]
    taken = {(one.collection, one.region, one.period) for one in regional if one.status == "accepted"}
    assert len(taken) == 2 * 9 * 18 - 1 + OTHERS
    assert {one.collection for one in there} == set(contracts())
    assert ("ehcp_process", NORTH_EAST, LAST) not in taken
    assert {one.signed_off_by for one in regional if one.status == "accepted"} == {f"approver-E1200000{n}" for n in range(1, 10)}
    assert {one.accepted_by for one in regional} - {None} == {"evaluator"}
    assert {one.submitted_by for one in regional} == {f"lead-E1200000{number}" for number in range(1, 10)}


def test_a_lead_is_asked_for_what_the_programme_left_open_and_nothing_after_its_end(built: Any, lead: Actor) -> None:
    found = {one.key for one in returns_due(built.store, lead)}
    sent = {
        (one.collection, one.region, one.period) for one in returns.submissions(built.store, lead) if one.status == "accepted"
    }
    asked = {
        (name, NORTH_EAST, period)
        for name in collections.returned_by_regions()
        for period in collections.periods_due(built.store, name)
    }
    assert found == asked - sent and sent <= asked, "the demonstration sends nothing that is not asked for"
    assert ("ehcp_process", NORTH_EAST, LAST) in found and len(found) < 25, sorted(found)
    assert max(parse(period).end for *_, period in found) == parse(LAST).end


def test_one_return_was_refused_then_sent_with_a_mistake_then_corrected(built: Any) -> None:
    key = ("ehcp_process", "E12000005", "2024/25 autumn")
    there = returns.submissions(built.store, LOCAL_ADMINISTRATOR, *key)
    assert [(one.version, one.status) for one in there] == [(2, "accepted"), (1, "superseded")]
    assert there[0].supersedes == there[1].reference and "Telford" in str(there[0].reason)
    assert [one["errors"] for one in returns.checks(built.store, LOCAL_ADMINISTRATOR, *key)] == [0, 0, 1]
    first, second = (returns.submission_rows(built.store, LOCAL_ADMINISTRATOR, one.reference) for one in reversed(there))
    differ = (first.astype(object).fillna("") != second.astype(object).fillna("")).any(axis=1)
    assert list(first.loc[differ, "authority"]) == ["E06000020"]


def test_an_interrupted_build_goes_on_where_it_stopped(built: Any) -> None:
    shares = [share for share, _ in built.second]
    assert built.first[-1][0] > 0.1 and built.second[0][0] == 0
    assert shares == sorted(shares) and shares[-1] == 1
    keys = [
        (one.collection, one.region, one.period, one.version) for one in returns.submissions(built.store, LOCAL_ADMINISTRATOR)
    ]
    assert len(keys) == len(set(keys)) == 325 + OTHERS  # 323 returns, one of them twice, the register, and those of other systems


def test_a_finished_build_does_nothing(built: Any) -> None:
    told: list[str] = []
    before = len(returns.checks(built.store, LOCAL_ADMINISTRATOR))
    build_demonstration(built.store, LOCAL_ADMINISTRATOR, progress=lambda share, words: told.append(words))
    assert told == ["The demonstration is there already"]
    assert len(returns.checks(built.store, LOCAL_ADMINISTRATOR)) == before


def test_the_release_holds_all_that_was_accepted(built: Any) -> None:
    evaluator = next(one for one in accounts.development_sign_in(built.store) if one.role == EVALUATOR)
    release = releases.release(built.store, evaluator, RELEASE)
    assert release.to_dict()["returns"] == 324 + OTHERS
    releases.verify(built.store, release)
    spells = register.spells(built.store, evaluator)
    assert {"digital_ehcp", "ap_tiers", "tailored_lists", "mediation", "local_partnership"} < set(spells["reform"])


def test_every_plan_is_registered_and_run_with_its_truth(built: Any) -> None:
    store = built.store
    assert {plan.digest for plan in plans(store, LOCAL_ADMINISTRATOR)} == {plan.digest for plan in demonstration_plans()}
    found = {run.document["plan"]["plan"]: run.document for run in runs.runs(store, LOCAL_ADMINISTRATOR)}
    assert set(found) == {plan.plan for plan in demonstration_plans()}
    assert all(document["synthetic"] for document in found.values())
    for name in ESTIMATED:
        for question in found[name]["questions"]:
            headline, truth = question["headline"], question["truth"]["overall"]
            assert headline["lower"] < headline["estimate"] < headline["upper"]
            assert abs(headline["estimate"] - truth) < 4 * headline["std_error"]
    assert found["mediation"]["questions"][0]["truth"]["overall"] == 0
    for name in set(found) - set(ESTIMATED):
        assert {one["verdict"]["kind"] for one in found[name]["questions"]} == {"not_estimable"}, name
        assert all(one["described"] for one in found[name]["questions"])


def test_every_reform_of_the_catalogue_is_asked_about_or_says_why_not(built: Any) -> None:
    asked = {run.document["reform"] for run in runs.runs(built.store, LOCAL_ADMINISTRATOR)}
    shipped = {plan.reform for plan in shipped_plans()}
    assert {one.id for one in reforms() if not one.not_causal} <= asked | shipped


def test_taskforces_are_asked_about_by_school(built: Any) -> None:
    run = next(one for one in runs.runs(built.store, LOCAL_ADMINISTRATOR) if one.document["plan"]["plan"] == "ap_taskforce")
    for question in run.document["questions"]:
        assert question["units"] == "school" and "in the 20 schools that have it" in question["reading"][0]
        assert (question["design"]["treated_units"], question["design"]["comparison_units"]) == (20, 192)
        assert any("20 schools are left out" in one["text"] for one in question["warnings"])
    roll, pupils = (one["not_estimable"] for one in run.document["harms"])
    assert roll is None and pupils is None, "one is known by school, the other by authority"


def test_how_far_forecasts_were_off_is_described(built: Any) -> None:
    run = next(one for one in runs.runs(built.store, LOCAL_ADMINISTRATOR) if one.document["plan"]["plan"] == "inclusion_plan")
    error = run.document["questions"][0]
    assert error["outcome"] == "inclusion_forecast_error" and error["verdict"]["kind"] == "not_estimable"
    assert {one["period"] for one in error["described"]} == {"2023/24", "2024/25"}
    assert all(1 < one["mean"] < 20 for one in error["described"])


def test_cost_stands_beside_an_effect(built: Any) -> None:
    run = next(one for one in runs.runs(built.store, LOCAL_ADMINISTRATOR) if one.document["plan"]["plan"] == "experience")
    cost = run.document["questions"][0]["cost"]
    assert cost["not_estimable"] is None and cost["lower"] < cost["estimate"] < cost["upper"]


def test_harm_is_told_beside_every_effect(built: Any) -> None:
    for run in runs.runs(built.store, LOCAL_ADMINISTRATOR):
        kinds = {one["outcome"]: one.get("kind") for one in run.document["harms"]}
        asked = [one["outcome"] for one in run.document["questions"]]
        assert list(kinds) == [one.outcome for one in watched(run.document["reform"], asked)], run.document["plan"]
        assert all(one["not_estimable"]["reason"] for one in run.document["harms"] if not one.get("kind"))
        assert all(kind in ("harm_seen", "harm_ruled_out", "cannot_tell", None) for kind in kinds.values())
    digital = next(one for one in runs.runs(built.store, LOCAL_ADMINISTRATOR) if one.document["plan"]["plan"] == "digital_ehcp")
    (exceptions,) = (one for one in digital.document["harms"] if one["outcome"] == "termly_exceptions")
    assert exceptions["kind"] == "harm_seen" and exceptions["margin"] == 2  # the truth is a rise of five points


def test_the_way_through_the_store_loses_nothing(built: Any, made: Programme) -> None:
    run = next(one for one in runs.runs(built.store, LOCAL_ADMINISTRATOR) if one.document["plan"]["plan"] == "ap_tiers")
    for question in run.document["questions"]:
        direct = estimate(panel_of(made, "ap_tiers", question["outcome"]), "group_time", control="not_yet_treated")
        assert isinstance(direct, Result)
        assert question["headline"]["estimate"] == pytest.approx(direct.estimates[0], rel=1e-12)


def test_a_run_is_had_again_to_the_last_bit(built: Any) -> None:
    run = next(one for one in runs.runs(built.store, LOCAL_ADMINISTRATOR) if one.document["plan"]["plan"] == "tailored_lists")
    assert runs.rerun(built.store, LOCAL_ADMINISTRATOR, run.run_id).same


def test_the_store_says_what_it_is_and_knows_the_truth(built: Any, made: Programme) -> None:
    assert is_demonstration(built.store)
    effects = true_effects(built.store)
    assert effects is not None and effects.equals(made.effects)


def test_the_example_files_fit_the_store(built: Any, lead: Actor) -> None:
    key = ("ehcp_process", NORTH_EAST, LAST)
    files = example_files(DEFAULT_SEED)
    bad = returns.check_return(built.store, lead, *key, "with_faults.csv", files["with faults"])
    good = returns.check_return(built.store, lead, *key, "corrected.csv", files["corrected"])
    assert (len(bad.errors), len(bad.queries)) == (3, 1)
    assert (len(good.errors), len(good.queries)) == (0, 0)


def test_other_stores_have_no_truth(store: Store) -> None:
    assert not is_demonstration(store)
    assert true_effects(store) is None


def test_a_store_with_returns_of_its_own_is_left_alone(store: Store, ehcp_csv: Callable[..., bytes]) -> None:
    content = ehcp_csv(NORTH_EAST, "2023/24 autumn")
    returns.submit_return(store, LOCAL_ADMINISTRATOR, "ehcp_process", NORTH_EAST, "2023/24 autumn", "own.csv", content)
    with pytest.raises(UserError, match="not of the demonstration"):
        build_demonstration(store, LOCAL_ADMINISTRATOR)
    assert not is_demonstration(store)


def test_another_seed_needs_another_store(built: Any) -> None:
    with pytest.raises(UserError, match=f"seed {DEFAULT_SEED}, not of seed 7"):
        build_demonstration(built.store, LOCAL_ADMINISTRATOR, seed=7)


def test_figures_of_another_version_have_no_known_truth(store: Store) -> None:
    with store.write(LOCAL_ADMINISTRATOR, "build_demonstration", SETTING) as connection:
        set_setting(connection, SETTING, {"seed": 1, "version": "0", "finished": True})
    with pytest.raises(UserError, match="version 0"):
        true_effects(store)
    with pytest.raises(UserError, match="new store"):
        build_demonstration(store, LOCAL_ADMINISTRATOR, seed=1)


def test_only_an_administrator_builds(store: Store) -> None:
    with pytest.raises(NotAllowed):
        build_demonstration(store, Actor("evaluator", "DfE evaluator", EVALUATOR))


def test_the_plans_ship_with_the_package() -> None:
    folder = Path(__file__).resolve().parents[2] / "pilots" / "demonstration" / "plans"
    assert {plan.plan for plan in demonstration_plans()} == {path.stem for path in folder.glob("*.yaml")}
