from collections.abc import Callable
from datetime import UTC, date, datetime

import pandas as pd
import pytest

from pilots import register, returns
from pilots.access import Actor, NotAllowed
from pilots.catalogue import reforms
from pilots.places import partnerships
from pilots.returns import ReturnNotAccepted
from pilots.storage import Store

HARTLEPOOL = "E06000001,digital_ehcp,2024-01-08,,2,0.5,"
TRAFFORD = "E08000009,tailored_lists,2024-04-15,2024-12-20,3,1,paused by the region"
Csv = Callable[..., bytes]


def rows_of(spells: pd.DataFrame) -> list[tuple[object, ...]]:
    mine = spells[spells["reform"] != "change_programme"].astype(object)
    return list(mine.where(mine.notna(), None).itertuples(index=False, name=None))


def test_without_a_register_the_launch_is_there(store: Store, administrator: Actor) -> None:
    spells = register.spells(store, administrator)
    assert list(spells.columns) == ["region", "authority", "reform", "start", "end", "stage", "intensity", "halted_reason"]
    assert sorted(spells["authority"]) == sorted(partnerships()["authority"]) and len(spells) == 32
    assert set(spells["reform"]) == {"change_programme"} and set(spells["start"]) == {date(2023, 9, 19)}
    assert spells["end"].isna().all() and spells["stage"].isna().all() and (spells["intensity"] == 1).all()


def test_registered_spells_come_back_as_registered(any_store: Store, administrator: Actor, register_csv: Csv) -> None:
    content = register_csv(HARTLEPOOL, "E06000001,tailored_lists,2024-01-08,2024-08-31,1,0.25,next stage", TRAFFORD)
    receipt = register.register_reforms(any_store, administrator, "register.csv", content)
    assert receipt.reference == "REFORM-REGISTER-E92000001-v1" and receipt.status == "accepted" and receipt.rows == 3
    assert (receipt.region, receipt.period) == ("E92000001", "")
    assert rows_of(register.spells(any_store, administrator)) == [
        ("E12000001", "E06000001", "digital_ehcp", date(2024, 1, 8), None, 2, 0.5, None),
        ("E12000001", "E06000001", "tailored_lists", date(2024, 1, 8), date(2024, 8, 31), 1, 0.25, "next stage"),
        ("E12000002", "E08000009", "tailored_lists", date(2024, 4, 15), date(2024, 12, 20), 3, 1.0, "paused by the region"),
    ]


def test_stage_change_is_a_new_spell(store: Store, administrator: Actor, register_csv: Csv) -> None:
    first = "E06000001,digital_ehcp,2024-01-08,2024-08-31,1,0.2,next stage"
    register.register_reforms(store, administrator, "a.csv", register_csv(first))
    register.register_reforms(
        store, administrator, "b.csv", register_csv(first, "E06000001,digital_ehcp,2024-09-01,,3,0.8,"), reason="Stage 3."
    )
    assert [row[5] for row in rows_of(register.spells(store, administrator))] == [1, 3]


@pytest.mark.parametrize(
    ("spell", "rule"),
    [
        ("E06000001,digital_ehcp,2023-09-18,,2,0.5,", "values.too_small"),
        ("E06000001,digital_ehcp,2024-01-08,2024-01-08,2,0.5,ended", "end_after_start"),
        ("E06000001,digital_ehcp,2024-01-08,,0,0.5,", "stage_0_no_intensity"),
        ("E06000001,digital_ehcp,2024-01-08,,2,0,", "no_intensity_stage_0"),
        ("E06000001,digital_plans,2024-01-08,,2,0.5,", "values.unknown_reform"),
        ("E06000001,change_programme,2023-09-19,,2,0.5,", "values.unknown_reform"),
        ("E06999999,digital_ehcp,2024-01-08,,2,0.5,", "values.unknown_authority"),
    ],
)
def test_spell_that_cannot_be_is_an_error(store: Store, administrator: Actor, register_csv: Csv, spell: str, rule: str) -> None:
    report = register.check_register(store, administrator, "register.csv", register_csv(spell))
    assert [(finding.rule, finding.row) for finding in report.errors] == [(rule, 2)]
    with pytest.raises(ReturnNotAccepted, match="There is 1 error"):
        register.register_reforms(store, administrator, "register.csv", register_csv(spell))
    assert rows_of(register.spells(store, administrator)) == []


def test_overlapping_spells_are_an_error(store: Store, administrator: Actor, register_csv: Csv) -> None:
    content = register_csv(HARTLEPOOL, "E06000001,digital_ehcp,2024-03-01,,3,0.9,")
    report = register.check_register(store, administrator, "register.csv", content)
    assert {finding.rule for finding in report.errors} == {"no_overlapping_spells"}


def test_accepted_start_cannot_be_dated_back(store: Store, administrator: Actor, register_csv: Csv) -> None:
    register.register_reforms(store, administrator, "a.csv", register_csv(HARTLEPOOL))
    earlier = HARTLEPOOL.replace("2024-01-08", "2023-10-02")
    with pytest.raises(ReturnNotAccepted) as caught:
        register.register_reforms(store, administrator, "b.csv", register_csv(earlier), reason="It began before.")
    assert caught.value.report is not None
    assert [finding.rule for finding in caught.value.report.errors] == ["not_dated_back"]
    assert "2024-01-08" in caught.value.report.errors[0].message
    assert rows_of(register.spells(store, administrator))[0][3] == date(2024, 1, 8)


def test_start_of_a_register_that_was_only_checked_is_not_locked(store: Store, administrator: Actor, register_csv: Csv) -> None:
    register.check_register(store, administrator, "a.csv", register_csv(HARTLEPOOL))
    earlier = HARTLEPOOL.replace("2024-01-08", "2023-10-02")
    assert register.register_reforms(store, administrator, "b.csv", register_csv(earlier)).version == 1


def test_accepted_spell_that_is_left_out_must_be_explained(store: Store, administrator: Actor, register_csv: Csv) -> None:
    first = register.register_reforms(store, administrator, "a.csv", register_csv(HARTLEPOOL, TRAFFORD))
    shorter = register_csv(TRAFFORD)
    with pytest.raises(ReturnNotAccepted, match="Explain each query.*history.spell_left_out") as caught:
        register.register_reforms(store, administrator, "b.csv", shorter, reason="Hartlepool did not start.")
    assert caught.value.report is not None
    (query,) = caught.value.report.queries
    assert "digital_ehcp in E06000001 from 2024-01-08" in query.message
    second = register.register_reforms(
        store, administrator, "b.csv", shorter, {query.key: "It was entered by mistake."}, "Hartlepool did not start."
    )
    assert (second.version, second.supersedes) == (2, first.reference)
    assert [row[1] for row in rows_of(register.spells(store, administrator))] == ["E08000009"]
    stored = returns.findings(store, administrator, second.reference)
    assert [one["explanation"] for one in stored if one["rule"] == "history.spell_left_out"] == ["It was entered by mistake."]


def test_same_register_again_gives_the_receipt_it_had(store: Store, administrator: Actor, register_csv: Csv) -> None:
    first = register.register_reforms(store, administrator, "a.csv", register_csv(HARTLEPOOL))
    again = register.register_reforms(store, administrator, "b.csv", register_csv(HARTLEPOOL))
    assert again.repeated and again.reference == first.reference


def test_only_an_administrator_registers_and_a_lead_reads_own_regions(
    store: Store, administrator: Actor, register_csv: Csv, people: Callable[[Store], dict[str, Actor]]
) -> None:
    staff = people(store)
    for subject in ("lead-E12000001", "evaluator", "researcher"):
        with pytest.raises(NotAllowed, match="cannot change the reform register"):
            register.register_reforms(store, staff[subject], "a.csv", register_csv(HARTLEPOOL))
        with pytest.raises(NotAllowed, match="cannot change the reform register"):
            register.check_register(store, staff[subject], "a.csv", register_csv(HARTLEPOOL))
    register.register_reforms(store, staff["administrator"], "a.csv", register_csv(HARTLEPOOL, TRAFFORD))
    mine = register.spells(store, staff["lead-E12000001"])
    assert set(mine["region"]) == {"E12000001"} and mine.index.tolist() == list(range(5))
    assert len(register.spells(store, staff["researcher"])) == 34


def test_open_spells_are_drawn_until_today_in_london_or_the_end_of_a_later_term(
    store: Store, administrator: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    spells = register.spells(store, administrator)
    monkeypatch.setattr(register, "now", lambda: datetime(2026, 6, 30, 23, 30, tzinfo=UTC))  # past midnight in summer time
    assert register.drawn_until(spells) == "2026-07-01"
    spells.loc[0, "start"] = date(2034, 2, 1)
    assert register.drawn_until(spells) == "2034-03-31"


def test_every_reform_but_the_launch_can_be_registered(store: Store, administrator: Actor, register_csv: Csv) -> None:
    names = [reform.id for reform in reforms() if reform.id != "change_programme"]
    content = register_csv(*(f"E06000001,{name},2024-01-08,,2,0.5," for name in names))
    assert register.register_reforms(store, administrator, "a.csv", content).rows == len(names)
