"""What came late and what does not count any more reaches the evaluator: on figures of returns, from a release to a run."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from pilots import register, releases, returns, runs, staleness, views
from pilots.access import LEAD, LOCAL_ADMINISTRATOR, Actor, NotAllowed
from pilots.demonstration.build import demonstration_plans
from pilots.places import partnerships, region_names
from pilots.plans import Plan, load_plan
from pilots.storage import Store, checks

EHCP, TERMS = "ehcp_process", ("2023/24 autumn", "2023/24 spring", "2023/24 summer", "2024/25 autumn")
LEAD_OF_ALL = Actor("local-lead", "Local lead", LEAD, tuple(region_names()))
LATE = ("E12000001", "2024/25 autumn")
Csv = Callable[..., bytes]


def plan() -> Plan:
    wanted = {"plan": "own", "outcomes": ["termly_requests_refused"], "window": {"first": TERMS[0], "last": TERMS[-1]}}
    shipped = next(one for one in demonstration_plans() if one.plan == "digital_ehcp")
    estimators = [{"name": "group_time", "options": {"control": "not_yet_treated"}}]
    return load_plan(yaml.safe_dump({**yaml.safe_load(shipped.text), **wanted, "estimators": estimators}))


@pytest.fixture
def programme(store: Store, ehcp_csv: Csv, register_csv: Csv, accepted: Callable[[Store, str], Any], monkeypatch: Any) -> Store:
    """Returns of nine regions for four terms, one of them late, with a reform that some authorities start in the third."""
    spells = [f"{code},digital_ehcp,2024-04-01,,2,0.5," for code in partnerships()["authority"][:16]]
    register.register_reforms(store, LOCAL_ADMINISTRATOR, "register.csv", register_csv(*spells))
    for region in region_names():
        for term in TERMS:
            content = ehcp_csv(region, term, 100 + int(region[-1]) + 7 * TERMS.index(term))
            with monkeypatch.context() as clock:
                if (region, term) == LATE:
                    clock.setattr(checks, "now", lambda: datetime.now(UTC) + timedelta(days=40))
                sent = returns.submit_return(store, LEAD_OF_ALL, EHCP, region, term, "r.csv", content)
            accepted(store, sent.reference)
    return store


def test_late_and_stale_are_seen_beside_the_result(
    programme: Store, evaluator: Actor, ehcp_csv: Csv, accepted: Callable[[Store, str], Any]
) -> None:
    release = releases.make_release(programme, evaluator)
    run = runs.evaluate(programme, evaluator, plan(), release)
    (question,) = run.document["questions"]
    assert question["late"]["figures"] == 12 and question["late"]["of"] == 4 * 151
    assert "12 of 604 figures came after the day on which they were due, up to" in str(question["warnings"])
    provenance = views.provenance_table(run.document, question)
    assert dict(provenance.itertuples(index=False, name=None))["Figures that came late"] == "12 of 604"

    assert staleness.stale_runs(programme, evaluator) == {}
    old = f"EHCP-PROCESS-{LATE[0]}-2024-25-AUTUMN-v1"
    assert [one["run_id"] for one in staleness.runs_that_used(programme, LEAD_OF_ALL, old)] == [run.run_id]
    new = returns.submit_return(
        programme, LEAD_OF_ALL, EHCP, *LATE, "r.csv", ehcp_csv(*LATE, 150), reason="A correction."
    ).reference
    assert staleness.stale_runs(programme, evaluator) == {}, "what is not accepted yet takes no place"
    accepted(programme, new)
    (reasons,) = staleness.stale_runs(programme, evaluator).values()
    assert len(reasons) == 1 and f"{old} was superseded on" in reasons[0] and f"{new} has taken its place" in reasons[0]
    assert views.run_rows(run.document, reasons)[0]["stale"] == "yes (1)"
    assert staleness.runs_that_used(programme, LEAD_OF_ALL, new) == []

    again = runs.evaluate(programme, evaluator, plan(), releases.make_release(programme, evaluator, "newer"))
    assert list(staleness.stale_runs(programme, evaluator)) == [run.run_id]
    assert again.run_id != run.run_id and runs.rerun(programme, evaluator, run.run_id).same, "a stale run can be had again"
    returns.send_back_return(programme, evaluator, new, "Not right either.")
    assert set(staleness.stale_runs(programme, evaluator)) == {run.run_id, again.run_id}
    with pytest.raises(NotAllowed, match="cannot read runs"):
        staleness.stale_runs(programme, LEAD_OF_ALL)
    with pytest.raises(NotAllowed, match="cannot read returns"):
        staleness.runs_that_used(programme, Actor("x", "X", LEAD, ("E12000002",)), old)


def test_a_run_on_another_collection_is_not_stale(
    programme: Store, evaluator: Actor, accepted: Callable[[Store, str], Any], register_csv: Csv
) -> None:
    def nothing(reason: str) -> None:
        made = returns.declare_nil_return(programme, LEAD_OF_ALL, "ap_tiers", *LATE, reason)
        accepted(programme, made.reference)

    nothing("No such places here.")
    release = releases.make_release(programme, evaluator)
    runs.evaluate(programme, evaluator, plan(), release)
    assert [one["nil"] for one in release.submissions if one["collection"] == "ap_tiers"] == [True]
    nothing("No such places, checked again.")
    assert staleness.stale_runs(programme, evaluator) == {}
    # The register counts for every run.
    text = register_csv("E06000004,digital_ehcp,2024-04-01,,2,0.5,")
    register.register_reforms(programme, LOCAL_ADMINISTRATOR, "b.csv", text, {"history.spell_left_out": "A test."}, "A test.")
    assert len(staleness.stale_runs(programme, evaluator)) == 1
