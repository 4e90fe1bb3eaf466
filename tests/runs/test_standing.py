"""Planned and exploratory told apart: seals in time and late, and runs that depart from their plan."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pilots import runs, views
from pilots.__main__ import pilots
from pilots.access import LOCAL_ADMINISTRATOR
from pilots.plans import PlanError, changed, register_plan
from pilots.releases import Release
from pilots.standing import deviations, standing_now
from pilots.storage import Store
from tests.runs.small import one_outcome


def lock_lost(document: dict[str, Any]) -> bool:
    return "planned" in [rule["rule"] for rule in document["questions"][0]["rating"]["rules"] if rule["cost"]]


@pytest.fixture
def early(known: dict[tuple[str, int], Any]) -> dict[tuple[str, int], Any]:
    """The figures that there were before the reform could show: 2024 is the first full year with it."""
    return {key: value for key, value in known.items() if key[1] < 2024}


def test_a_plan_sealed_before_the_results_is_planned_and_one_sealed_after_is_late(
    store: Store, known: Any, early: Any, released: Callable[..., Release]
) -> None:
    released(early, name="before")
    in_time = one_outcome()
    register_plan(store, LOCAL_ADMINISTRATOR, in_time)
    assert standing_now(store, LOCAL_ADMINISTRATOR, in_time).kind == "planned"
    released(known, name="after")
    late = one_outcome(version="3", level=0.9)
    register_plan(store, LOCAL_ADMINISTRATOR, late)
    documents = [runs.evaluate(store, LOCAL_ADMINISTRATOR, plan).document for plan in (in_time, late)]
    assert [one["standing"]["kind"] for one in documents] == ["planned", "sealed_late"]
    assert [lock_lost(one) for one in documents] == [False, True]
    assert [(one["outcome"], one["release"]) for one in documents[1]["standing"]["seen"]] == [("timeliness_20_weeks", "after")]
    assert documents[0]["standing"]["seal"] == documents[0]["plan_digest"] == in_time.digest
    assert "when release “after” of" in documents[1]["standing"]["words"]
    assert [views.run_rows(one)[0]["standing"] for one in documents] == ["planned", "planned late"]


def test_a_seal_after_the_run_changes_neither_the_run_nor_its_rerun(
    store: Store, known: Any, released: Callable[..., Release]
) -> None:
    released(known)
    run = runs.evaluate(store, LOCAL_ADMINISTRATOR, one_outcome())
    assert run.document["standing"]["kind"] == "exploratory" and lock_lost(run.document)
    register_plan(store, LOCAL_ADMINISTRATOR, one_outcome())
    assert runs.rerun(store, LOCAL_ADMINISTRATOR, run.run_id).same


def test_a_changed_plan_is_exploratory_and_lists_where_it_departs(
    store: Store, early: Any, known: Any, released: Callable[..., Release], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PILOTS_DATABASE_URL", str(store.engine.url))

    def said(*typed: str) -> Result:
        return CliRunner().invoke(pilots, list(typed))

    released(early, name="before")
    path = tmp_path / "own.yaml"
    path.write_text(one_outcome().text, encoding="utf-8")
    sealed = json.loads(said("plan", "seal", str(path), "--json").stdout)
    assert sealed["registered"] and sealed["sealed_at"] and sealed["standing"]["kind"] == "planned"
    assert "Planned: sealed on" in said("plan", "show", "ehcp_timeliness").stdout
    released(known, name="after")
    changes = ["--change", "level=0.9", "--change", "comparison.authorities=same_regions"]
    done = json.loads(said("evaluate", "ehcp_timeliness", *changes, "--json").stdout)
    assert done["standing"]["kind"] == "departs" and done["standing"]["seal"] == sealed["digest"] and lock_lost(done)
    assert [(one["key"], one["planned"], one["here"]) for one in done["standing"]["deviations"]] == [
        ("comparison.authorities", "all_others", "same_regions"),
        ("level", "0.95", "0.9"),
    ]
    text = " ".join(said("show", done["run_id"]).stdout.split())
    assert "Exploratory: it departs from version 2 of the plan, sealed on" in text
    assert "Departs from the plan in level: planned 0.95, here 0.9." in text
    assert runs.rerun(store, LOCAL_ADMINISTRATOR, done["run_id"]).same
    planned = json.loads(said("evaluate", "ehcp_timeliness", "--json").stdout)
    assert planned["standing"]["kind"] == "planned" and planned["standing"]["deviations"] == []
    for pair in ("level", "=0.9", "level=[0.9"):
        assert said("evaluate", "ehcp_timeliness", "--change", pair).exit_code == 2
    refused = said("evaluate", "ehcp_timeliness", "--change", "level.deep=1")
    assert refused.exit_code == 1 and "There is no place “level.deep” in the plan" in refused.stderr


def test_deviations_name_what_was_added_and_left_out() -> None:
    found = list(deviations("a: 1\nb: {c: x, d: [1, 2]}\n", "b: {c: y, d: [1, 2]}\ne: true\n"))
    assert [one.words for one in found] == [
        "a: planned 1, here nothing",
        "b.c: planned x, here y",
        "e: planned nothing, here true",
    ]


def test_a_change_that_makes_no_plan_is_told_by_key() -> None:
    with pytest.raises(PlanError, match="level cannot be “95”"):
        changed(one_outcome(), {"level": 95})


def test_runs_from_before_seals_say_what_they_know() -> None:
    old = {"registered_at": "2026-11-01T09:00:00+00:00"}
    assert views.standing_words(old) == ["Planned: registered on 01 Nov 2026, 09:00 GMT."]
    assert views.standing_words({"registered_at": None})[0].startswith("Exploratory")
