"""The catalogue against the contracts: every measure, stratum and collection has its place, and a new entry needs no Python."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from data_contracts import contracts, load_contract
from pilots import catalogue
from pilots.catalogue import CatalogueError, guardrails, outcome, outcomes, publications, reforms, watched
from pilots.figures import returned_figures

BESIDE = {"reform_register": "it says who is treated, and has no figures"}


def test_every_outcome_of_a_collection_has_its_measures_and_strata() -> None:
    for entry in outcomes():
        if entry.source in publications():
            continue
        contract = load_contract(entry.source)
        assert {*entry.numerator, *entry.denominator} <= {*contract.measures.values(), "rows"}, entry.id
        assert entry.frequency == contract.period_kind, entry.id
        known = {column.name: column for column in contract.columns if column.stratum}
        for stratum in (*entry.strata, *entry.numerator_strata):
            column = next((one for name, one in known.items() if stratum.startswith(f"{name} ")), None)
            assert column is not None, (entry.id, stratum)
            value = stratum.removeprefix(f"{column.name} ")
            assert not column.choices or value in column.choices, (entry.id, stratum)


def test_every_collection_feeds_an_outcome_or_says_why_not() -> None:
    fed = {entry.source for entry in outcomes()}
    assert set(contracts()) - fed == set(BESIDE)


def test_every_indicator_of_the_dashboard_is_an_outcome() -> None:
    shown = next(one for one in load_contract("inclusion_indicators").columns if one.name == "indicator").choices
    mine = [entry.strata for entry in outcomes() if entry.source == "inclusion_indicators"]
    assert sorted(mine) == sorted((f"indicator {one}",) for one in shown)


def test_every_reform_is_watched_and_every_guardrail_says_why() -> None:
    assert all(watched(reform.id, ()) for reform in reforms())
    assert all(one.why and one.margin > 0 for one in guardrails())
    assert [one.outcome for one in watched("none", ["survey_help_in_time"])] == ["survey_response"]


def test_numbers_of_which_no_sum_has_a_meaning_are_never_divided_or_summed_over_strata() -> None:
    """Medians and means stand alone; staff of a school and budgets of a year repeat."""
    for entry in outcomes():
        alone = {"fair_access_days_out", "mediation_average_days", "average_weeks", "partnership_joint_budget"}
        if alone & {*entry.numerator, *entry.denominator}:
            assert not entry.denominator and not load_contract(entry.source).strata, entry.id
        if "standards_staff" in entry.denominator:
            assert len(entry.strata) == 1, entry.id
        if entry.source == "tailored_lists":
            assert entry.strata in ((), ("fsm yes",), ("fsm no",), ("fsm unknown",)), entry.id


@pytest.fixture
def own_catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the catalogue that a test may add to."""
    folder = tmp_path / "catalogue"
    shutil.copytree(Path(catalogue.__file__).parent, folder)
    caches = (catalogue._outcomes, catalogue._reforms, catalogue._aliases, catalogue.guardrails)
    monkeypatch.setattr(catalogue, "FOLDER", folder)
    for one in caches:
        one.cache_clear()
    yield folder
    monkeypatch.undo()
    for one in caches:
        one.cache_clear()


def test_an_outcome_and_a_guardrail_are_added_without_python(own_catalogue: Path) -> None:
    (own_catalogue / "outcomes" / "own.yaml").write_text(
        "outcomes:\n  - {id: own, label: Cancelled special schools, source: places, numerator: places_planned, "
        "denominator: places_planned, scale: 100, unit: per cent, effect_unit: points, frequency: term, "
        "strata: [kind special free school], numerator_strata: [status cancelled]}\n"
    )
    with (own_catalogue / "guardrails.yaml").open("a") as handle:
        handle.write("\n  - {reform: ap_tiers, outcome: own, harm: rise, margin: 2, why: made up}\n")
    (added,) = (one for one in watched("ap_tiers", ()) if one.outcome == "own")
    assert added.direction == "lower_is_better"
    about = pd.DataFrame(
        {
            "authority": ["E06000001"] * 3,
            "period": ["2024/25 autumn"] * 3,
            "kind": ["special free school", "special free school", "AP free school"],
            "status": ["open", "cancelled", "cancelled"],
            "planned": [60, 20, 500],
        }
    )
    found = returned_figures(about, outcome("own")).rows
    assert found[["numerator", "denominator"]].sum().tolist() == [20, 80]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("{outcome: nothing, reform: ap_tiers, harm: rise, margin: 1, why: x}", "no outcome “nothing”"),
        ("{outcome: termly_requests, reform: nothing, harm: rise, margin: 1, why: x}", "no reform “nothing”"),
        ("{outcome: termly_requests, harm: rise, margin: 1, why: x}", "either a reform or an outcome"),
        ("{outcome: termly_requests, reform: ap_tiers, harm: up, margin: 1, why: x}", "needs harm"),
        ("{outcome: termly_requests, reform: ap_tiers, harm: rise, why: x}", "margin above 0"),
    ],
)
def test_mistakes_in_a_guardrail_are_told(own_catalogue: Path, entry: str, words: str) -> None:
    (own_catalogue / "guardrails.yaml").write_text(f"guardrails:\n  - {entry}\n")
    with pytest.raises(CatalogueError, match=words):
        guardrails()


def test_an_outcome_that_stands_twice_is_told(own_catalogue: Path) -> None:
    shutil.copy(own_catalogue / "outcomes" / "places.yaml", own_catalogue / "outcomes" / "again.yaml")
    with pytest.raises(CatalogueError, match="places_occupancy” twice"):
        outcomes()
