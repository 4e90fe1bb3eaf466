"""Plans: the shipped ones load; each way of being wrong is said by name; a registered version stays as it is."""

import pytest
import yaml

from pilots.access import LOCAL_ADMINISTRATOR, Actor, NotAllowed
from pilots.plans import Plan, PlanError, load_plan, named_plan, plans, register_plan, shipped_plans
from pilots.storage import Store
from tests.databases import on_both_at_once

GOOD = named_plan("ehcp_timeliness").text


def changed(**keys: object) -> str:
    document = yaml.safe_load(GOOD)
    for key, value in keys.items():
        if value is None:
            del document[key]
        else:
            document[key] = value
    return yaml.safe_dump(document)


def test_three_plans_ship_and_ask_what_the_programme_asks() -> None:
    found = {plan.plan: plan for plan in shipped_plans()}
    assert set(found) == {"ehcp_timeliness", "new_plans_mainstream", "send_outcomes"}
    assert found["ehcp_timeliness"].outcomes == ("timeliness_20_weeks", "timeliness_20_weeks_excluding_exceptions")
    assert found["ehcp_timeliness"].periods == ["2019", "2020", "2021", "2022", "2023", "2024"]


def test_the_digest_is_of_the_content_and_not_of_its_layout() -> None:
    plan = load_plan(GOOD)
    assert load_plan("# another comment\n" + changed()).digest == plan.digest
    assert load_plan(changed(level=0.9)).digest != plan.digest


@pytest.mark.parametrize(
    "key", ["plan", "version", "title", "question", "reform", "outcomes", "window", "estimators", "headline"]
)
def test_a_missing_key_is_named(key: str) -> None:
    with pytest.raises(PlanError, match=f"The plan has no {key}. Add {key}: "):
        load_plan(changed(**{key: None}))


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"colour": "red"}, "unknown key “colour”"),
        ({"reform": "bigger_schools"}, "There is no reform “bigger_schools”. The catalogue has: "),
        ({"outcomes": ["happiness"]}, "There is no outcome “happiness”"),
        ({"outcomes": ["timeliness_20_weeks", "timeliness_20_weeks"]}, "outcomes names something twice"),
        ({"outcomes": "timeliness_20_weeks"}, "outcomes must be a list"),
        (
            {"outcomes": ["plans_mainstream"], "smallest_effect": {}},
            "comes by academic year, but the window is in calendar years",
        ),
        ({"window": {"first": "2024", "last": "2019"}}, "“2019” comes before “2024”"),
        ({"window": {"first": "2024", "last": "2024"}}, "one period only"),
        ({"window": {"first": "2019"}}, "window must have first and last"),
        ({"window": {"first": "2019", "last": "twenty"}}, "“twenty” is not a period"),
        ({"start": "at once"}, "start cannot be “at once”"),
        ({"weights": "heavy"}, "weights cannot be “heavy”"),
        ({"clusters": ["school"]}, "clusters cannot be “school”"),
        (
            {"clusters": ["authority"], "headline": {"estimator": "group_time", "cluster": "region"}},
            "headline's cluster “region” is not among",
        ),
        ({"comparison": {"authorities": "friends"}}, "comparison: authorities cannot be “friends”"),
        ({"comparison": {"leave_out": ["E99"]}}, "leaves out “E99”"),
        ({"estimators": [{"name": "magic"}]}, "Estimator 'magic' does not exist. Choose one of: "),
        ({"estimators": [{"name": "group_time", "options": {"control": "nobody"}}]}, "'nobody' does not exist"),
        ({"estimators": [{"name": "two_way_fixed_effects"}]}, "headline's estimator “group_time” is not among"),
        ({"level": 95}, "level cannot be “95”"),
        ({"smallest_effect": {"plans": 1}}, "smallest_effect names “plans”"),
        ({"smallest_effect": {"timeliness_20_weeks": 0}}, "Write a number above 0"),
    ],
)
def test_what_is_wrong_is_said_with_what_may_stand_there(keys: dict[str, object], words: str) -> None:
    with pytest.raises(PlanError) as caught:
        load_plan(changed(**keys))
    assert words in str(caught.value)


@pytest.mark.parametrize("text", ["", "- a list", "plan: [unclosed", "just words"])
def test_what_is_no_plan_at_all(text: str) -> None:
    with pytest.raises(PlanError, match="The plan is"):
        load_plan(text)


@on_both_at_once
def test_a_registered_plan_cannot_be_changed(store: Store) -> None:
    plan = load_plan(GOOD)
    register_plan(store, LOCAL_ADMINISTRATOR, plan)
    register_plan(store, LOCAL_ADMINISTRATOR, plan)
    with pytest.raises(PlanError, match="give the new one a new version"):
        register_plan(store, LOCAL_ADMINISTRATOR, load_plan(changed(level=0.9)))
    register_plan(store, LOCAL_ADMINISTRATOR, load_plan(changed(level=0.9, version="3")))
    found: list[Plan] = plans(store, LOCAL_ADMINISTRATOR)
    assert [(one.plan, one.version) for one in found] == [("ehcp_timeliness", "2"), ("ehcp_timeliness", "3")]


def test_a_lead_registers_no_plan(store: Store) -> None:
    lead = Actor("lead", "Lead", "lead", ("E12000001",))
    with pytest.raises(NotAllowed):
        register_plan(store, lead, load_plan(GOOD))
