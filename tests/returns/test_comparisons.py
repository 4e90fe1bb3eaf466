"""A return beside what came before it: every change is found, totals tie out, and the preview is the evaluator's own figure."""

from collections.abc import Callable

import pandas as pd
import pytest

from data_contracts import load_contract
from pilots import comparisons, returns
from pilots.access import Actor, NotAllowed
from pilots.catalogue import outcomes
from pilots.comparisons import compare_rows, compare_submission, coverage, difference, gaps, given_by_nobody, preview, totals
from pilots.errors import UserError
from pilots.places import names
from pilots.storage import Store

EHCP, NORTH_EAST, NORTH_WEST = "ehcp_process", "E12000001", "E12000002"
AUTUMN, SPRING = "2023/24 autumn", "2023/24 spring"
Csv = Callable[..., bytes]


@pytest.fixture
def lead(store: Store, people: Callable[[Store], dict[str, Actor]]) -> Actor:
    return people(store)[f"lead-{NORTH_EAST}"]


def typed(store: Store, actor: Actor, content: bytes, period: str = AUTUMN) -> pd.DataFrame:
    report = returns.check_return(store, actor, EHCP, NORTH_EAST, period, "return.csv", content)
    assert report.rows is not None, report.summary()
    return report.rows


def send(store: Store, actor: Actor, content: bytes, period: str = AUTUMN, reason: str | None = None) -> str:
    return returns.submit_return(store, actor, EHCP, NORTH_EAST, period, "return.csv", content, reason=reason).reference


def test_every_change_is_found_with_its_size(store: Store, lead: Actor, ehcp_csv: Csv) -> None:
    before = typed(store, lead, ehcp_csv(NORTH_EAST, AUTUMN))
    after = before.copy()
    after.loc[0, "requests"], after.loc[1, "plans_digital"] = 150, 0
    after.loc[2, "plans_digital"], after.loc[2, "plans_digital__symbol"] = pd.NA, "x"
    after.loc[3, "note"] = "Counted again."
    found = difference(load_contract(EHCP), before, after.drop(index=5), "v1", AUTUMN)
    assert found.added == () and found.removed == (f"{names()[before['authority'][5]]} ({before['authority'][5]})",)
    rows = [tuple(row) for row in found.changes[["column", "before", "after"]].itertuples(index=False)]
    assert rows == [
        ("plans_digital", "12", "0"),
        ("requests", "100", "150"),
        ("plans_digital", "12", "x"),
        ("note", "", "Counted again."),
    ]
    assert found.changes["percent"].tolist()[:2] == [-100.0, 50.0] and found.changes["change"][2:].isna().all()
    contract = load_contract(EHCP)
    assert (
        found.same == 11 * (len(contract.columns) - len(contract.key)) - 4
        and "0 rows added, 1 removed, 4 cells changed" in found.summary()
    )
    other = difference(load_contract(EHCP), after.drop(index=5), before, "v2", AUTUMN)
    assert len(other.added) == 1 and other.removed == () and other.changes["change"].dropna().tolist() == [12.0, -50.0]
    # Nothing before: a change that has no per cent comes first, as it is the largest of all.
    assert other.changes["percent"].isna()[0] and other.changes["column"][0] == "plans_digital"


def test_a_return_is_set_beside_the_standing_version_and_the_last_period(store: Store, lead: Actor, ehcp_csv: Csv) -> None:
    rows = typed(store, lead, ehcp_csv(NORTH_EAST, SPRING), SPRING)
    alone = compare_rows(store, lead, EHCP, NORTH_EAST, SPRING, rows)
    assert alone.version is None and alone.last is None
    autumn = send(store, lead, ehcp_csv(NORTH_EAST, AUTUMN, first=90))
    first = send(store, lead, ehcp_csv(NORTH_EAST, SPRING), SPRING)
    changed = typed(store, lead, ehcp_csv(NORTH_EAST, SPRING, first=110), SPRING)
    found = compare_rows(store, lead, EHCP, NORTH_EAST, SPRING, changed)
    assert found.version is not None and found.version.against == first and len(found.version.changes) == 12
    assert found.last is not None and (found.last.against, found.last.period) == (autumn, AUTUMN)
    assert found.last.changes["change"].unique().tolist() == [20.0]
    total = found.totals.set_index("column").loc["requests"]
    assert (total["now"], total["version"], total["last"]) == (sum(range(110, 122)), sum(range(100, 112)), sum(range(90, 102)))
    assert "average_weeks" not in set(found.totals["column"]), "averages do not add up"
    second = send(store, lead, ehcp_csv(NORTH_EAST, SPRING, first=110), SPRING, "A correction.")
    stored = compare_submission(store, lead, second)
    assert stored.version is not None and stored.version.to_dict() == found.version.to_dict()
    plain = stored.to_dict()
    assert plain["totals"][0]["now"] == 1386 and plain["preview"] and plain["coverage"][0]["name"]


def test_the_preview_is_the_figure_of_the_evaluation(store: Store, administrator: Actor, ehcp_csv: Csv) -> None:
    content = ehcp_csv(NORTH_EAST, AUTUMN).replace(b",12,21.5", b",x,21.5", 1)
    rows = typed(store, administrator, content)
    shown = preview(EHCP, rows, None).set_index(["outcome", "authority"])
    mine = [outcome for outcome in outcomes() if outcome.source == EHCP]
    assert set(shown.index.get_level_values(0)) == {outcome.id for outcome in mine} and len(mine) >= 4
    for outcome in mine:
        source = comparisons.returned_figures(rows, outcome).rows.set_index("authority")
        for code, row in source.iterrows():
            told = shown.loc[(outcome.id, code)]
            bottom = row["denominator"] if outcome.denominator else 1
            if pd.isna(row["numerator"]):
                assert pd.isna(told["figure"])
            else:
                assert told["figure"] == pytest.approx(outcome.scale * row["numerator"] / bottom)
    digital = shown.loc[[key for key in shown.index if "digital" in key[0]]]
    assert digital["figure"].isna().sum() == 1


def test_coverage_tells_done_missing_and_symbols_apart(store: Store, lead: Actor, ehcp_csv: Csv) -> None:
    content = ehcp_csv(NORTH_EAST, AUTUMN).replace(b",12,21.5", b",c,21.5", 1)
    lines = content.splitlines(keepends=True)
    rows = typed(store, lead, b"".join(lines[:-1]))
    table = coverage(load_contract(EHCP, "1.0.0"), rows, NORTH_EAST, AUTUMN)
    assert len(table) == 12 and table.shape[1] == 2 + 10
    assert set(table.iloc[-1, 2:]) == {"missing"} and table.iloc[-1]["name"] == "Gateshead"
    assert table.iloc[0]["Digital plans"] == "c: confidential" and set(table.iloc[1, 2:]) == {"done"}
    assert given_by_nobody(table) == [] and given_by_nobody(table.assign(**{"Digital plans": "missing"})) == ["Digital plans"]
    assert gaps(table.assign(**{"Digital plans": "missing"})).iloc[0].tolist() == ["Hartlepool", "9 of 9", "", ""]
    folded = gaps(table)
    assert folded.iloc[0].tolist() == ["Hartlepool", "9 of 10", "", "Digital plans (c: confidential)"]
    assert folded.iloc[-1].tolist() == ["Gateshead", "0 of 10", "everything", ""] and folded.iloc[1].tolist()[1:] == [
        "10 of 10",
        "",
        "",
    ]


def test_strata_in_part_are_told() -> None:
    contract = load_contract("ap_tiers")
    measures = [column.name for column in contract.columns if column.measure]
    rows = pd.DataFrame({"authority": ["E06000001"] * 2, "period": AUTUMN, "tier": ["2", "3"]})
    for name in measures:
        rows[name] = pd.Series([5, 5], dtype="Int64")
        rows[f"{name}__symbol"] = None
    rows.loc[1, "placements"], rows.loc[1, "placements__symbol"] = pd.NA, "c"
    table = coverage(contract, rows, NORTH_EAST, AUTUMN).set_index("authority").loc["E06000001"]
    assert table[contract.column("placements").label] == "in part c: confidential"
    assert table[contract.column("sessions").label] == "done"
    total = totals(contract, rows, None, None).set_index("column")
    assert (total.loc["placements", "now"], total.loc["placements", "symbols"]) == (5, 1)
    # A figure over both tiers cannot be made of one of them; one of a tier alone can.
    shown = preview("ap_tiers", rows, None).set_index("outcome")["figure"]
    assert pd.isna(shown["termly_ap_unregistered"]) and shown["termly_ap_returned"] == 100


def test_only_those_who_read_the_regions_returns_compare(
    store: Store, people: Callable[[Store], dict[str, Actor]], ehcp_csv: Csv
) -> None:
    staff = people(store)
    lead = staff[f"lead-{NORTH_EAST}"]
    rows = typed(store, lead, ehcp_csv(NORTH_EAST, AUTUMN))
    reference = send(store, lead, ehcp_csv(NORTH_EAST, AUTUMN))
    compare_submission(store, staff["evaluator"], reference)
    for stranger in (staff[f"lead-{NORTH_WEST}"], staff["researcher"]):
        with pytest.raises(NotAllowed, match="cannot read returns"):
            compare_rows(store, stranger, EHCP, NORTH_EAST, AUTUMN, rows)
        with pytest.raises(NotAllowed, match="cannot read returns"):
            compare_submission(store, stranger, reference)
    with pytest.raises(UserError, match="There is no submission"):
        compare_submission(store, staff["evaluator"], "X-v1")
    with pytest.raises(NotAllowed, match="none of their regions"):  # a lead is not told whether another region has it
        compare_submission(store, lead, "X-v1")
