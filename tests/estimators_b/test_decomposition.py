from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evaluation import NotEstimable, Panel, Result, estimate
from evaluation.decomposition import BaconDecomposition, bacon_decomposition, two_way_weights
from evaluation.errors import OptionError, PanelError

EXACT = 1e-6


def decomposed(panel: Panel, outcome: str | None = None) -> BaconDecomposition:
    found = bacon_decomposition(panel, outcome)
    assert isinstance(found, BaconDecomposition), found
    return found


def two_way(panel: Panel) -> Result:
    result = estimate(panel, "two_way_fixed_effects")
    assert isinstance(result, Result), result
    return result


def assert_equal_to_bacondecomp(found: BaconDecomposition, wanted: list[dict[str, Any]]) -> None:
    ours = {(one.treated, one.untreated): one for one in found.comparisons}
    assert len(ours) == len(found.comparisons) == len(wanted)
    for row in wanted:
        one = ours[row["treated"], row.get("untreated")]
        assert one.type == row["type"]
        assert one.estimate == pytest.approx(row["estimate"], rel=EXACT)
        assert one.weight == pytest.approx(row["weight"], rel=EXACT)


HAND = {
    "a": (2, [0.0, 4.0, 4.0, 4.0]),
    "b": (4, [0.0, 0.0, 0.0, 6.0]),
    "c": (0, [0.0, 0.0, 0.0, 0.0]),
    "d": (0, [1.0, 1.0, 1.0, 1.0]),
}


def test_by_hand(table: Callable[..., Panel]) -> None:
    # weights before scaling, units × units × periods² × D(1 − D): a–never 2·16·3/16 = 6, b–never 6, a–b 9·2/9 = 2, b–a 2
    found = decomposed(table(HAND))
    rows = {(one.treated, one.untreated): (one.estimate, one.weight) for one in found.comparisons}
    assert rows[2, None] == pytest.approx((4.0, 6 / 16), rel=1e-12)
    assert rows[4, None] == pytest.approx((6.0, 6 / 16), rel=1e-12)
    assert rows[2, 4] == pytest.approx((4.0, 2 / 16), rel=1e-12)
    assert rows[4, 2] == pytest.approx((6.0, 2 / 16), rel=1e-12)
    assert found.estimate == pytest.approx(5.0, rel=1e-12)
    assert found.forbidden == pytest.approx(2 / 16, rel=1e-12)


def test_negative_weights_by_hand(table: Callable[..., Panel]) -> None:
    # D less unit and period means: a 5/16, 5/16, −3/16 from its start on, b and e 5/16 each; they add up to 17/16
    panel = table({**{k: v for k, v in HAND.items() if k != "d"}, "e": (4, [0.0, 0.0, 0.0, 6.0])})
    found = two_way_weights(two_way(panel))
    assert found.frame()["weight"].to_numpy() == pytest.approx(np.array([5, 5, -3, 5, 5]) / 17, rel=1e-10)
    assert (found.cells, found.negative, found.share_negative) == (5, 1, 0.2)
    assert found.sum_negative == pytest.approx(-3 / 17, rel=1e-10)


def test_a_weight_of_zero_is_not_negative(table: Callable[..., Panel]) -> None:
    # with two never treated, a's last cell weighs 1 − 3/4 − 1/2 + 1/4 = 0
    found = two_way_weights(two_way(table(HAND)))
    assert found.frame()["weight"].to_numpy() == pytest.approx([0.25, 0.25, 0.0, 0.5], abs=1e-12)
    assert found.negative == 0


def test_equals_bacondecomp_on_the_golden_panel(golden_panel: Panel, reference: dict[str, Any]) -> None:
    assert_equal_to_bacondecomp(decomposed(golden_panel), reference["panel"]["bacon"])


def test_adds_up_to_the_two_way_number_of_fixest(golden_panel: Panel, reference: dict[str, Any]) -> None:
    wanted = reference["panel"]["twfe_authority"][0]["Estimate"]
    assert decomposed(golden_panel).estimate == pytest.approx(wanted, rel=EXACT)
    assert two_way(golden_panel).estimates == pytest.approx([wanted], rel=EXACT)


def test_equals_bacondecomp_on_mpdta(shared: Callable[[str], pd.DataFrame], reference: dict[str, Any]) -> None:
    panel = Panel.from_frame(shared("mpdta.csv"), "countyreal", "year", "first.treat", "lemp")
    assert_equal_to_bacondecomp(decomposed(panel), reference["mpdta"]["bacon"])


def test_equals_bacondecomp_on_the_castle_doctrine(shared: Callable[[str], pd.DataFrame], reference: dict[str, Any]) -> None:
    rows = shared("castle.csv")[["state", "year", "post", "l_homicide"]]
    first = rows[rows["post"] == 1].groupby("state")["year"].min()
    panel = Panel.from_frame(rows.assign(first=rows["state"].map(first)), "state", "year", "first", "l_homicide")
    assert_equal_to_bacondecomp(decomposed(panel), reference["castle"]["bacon"])


def test_published_weights_of_the_mathematics_reform(shared: Callable[[str], pd.DataFrame], reference: dict[str, Any]) -> None:
    panel = Panel.from_frame(shared("math_reform.csv"), "state", "class", "reformyr_math", "incearn_ln")
    found = decomposed(panel).by_type().set_index("type")["weight"].to_dict()
    assert found == pytest.approx(reference["math_reform"]["weights"], abs=5e-6)  # published to five places


def test_adds_up_for_any_balanced_panel(draw: Callable[..., pd.DataFrame], build: Callable[..., Panel]) -> None:
    for seed, starts in enumerate([(0, 3), (0, 3, 5), (3, 5, 7), (0, 2, 4, 9), (1, 0, 4, 6)]):
        panel = build(draw(seed=seed, starts=starts))
        found, whole = decomposed(panel), two_way(panel)
        assert found.estimate == pytest.approx(whole.estimates[0], rel=1e-9)
        assert sum(one.weight for one in found.comparisons) == pytest.approx(1.0, rel=1e-12)
        assert found.dropped == whole.dropped
        weights = two_way_weights(whole)
        assert weights.frame()["weight"].sum() == pytest.approx(1.0, rel=1e-9)


def test_unit_and_period_effects_scale_and_order(draw: Callable[..., pd.DataFrame], build: Callable[..., Panel]) -> None:
    frame = draw()
    plain = decomposed(build(frame)).frame()
    moved = decomposed(build(frame.assign(y=3 * frame["y"] + frame["unit"] % 7 + frame["period"] ** 2))).frame()
    assert moved["estimate"].to_numpy() == pytest.approx(3 * plain["estimate"].to_numpy(), rel=1e-9)
    pd.testing.assert_frame_equal(decomposed(build(frame.sample(frac=1, random_state=1))).frame(), plain)


def test_weights_of_an_unbalanced_weighted_panel_add_up_to_one(
    draw: Callable[..., pd.DataFrame], build: Callable[..., Panel]
) -> None:
    frame = draw().sample(frac=0.9, random_state=3)
    found = two_way_weights(two_way(build(frame.assign(w=1.0 + frame["unit"]), weight="w")))
    assert found.frame()["weight"].sum() == pytest.approx(1.0, rel=1e-9)
    assert found.cells == int(((frame["first"] > 0) & (frame["period"] >= frame["first"])).sum())


def test_one_of_several_outcomes(draw: Callable[..., pd.DataFrame], build: Callable[..., Panel]) -> None:
    frame = draw()
    frame = frame.assign(z=frame["y"] ** 2)
    both = build(frame, outcome=["y", "z"])
    assert decomposed(both, "z").estimate == pytest.approx(decomposed(build(frame, outcome="z")).estimate, rel=1e-12)
    assert two_way_weights(two_way(both), "z").outcome == "z"
    for call in (lambda: bacon_decomposition(both), lambda: two_way_weights(two_way(both))):
        with pytest.raises(PanelError, match="several outcomes"):
            call()


def test_plain_json_and_frozen(golden_panel: Panel) -> None:
    found, weights = decomposed(golden_panel), two_way_weights(two_way(golden_panel))
    text = json.loads(json.dumps(found.to_dict()))
    assert len(text["comparisons"]) == 9
    assert json.loads(json.dumps(weights.to_dict()))["cells"] == 160
    for one in (found, weights):
        assert one.estimable
        with pytest.raises(FrozenInstanceError):
            one.outcome = "other"  # type: ignore[misc]


def test_refuses_by_name(draw: Callable[..., pd.DataFrame], build: Callable[..., Panel]) -> None:
    frame = draw()

    def reason(rows: pd.DataFrame, **changes: Any) -> str:
        found = bacon_decomposition(build(rows, **changes))
        assert isinstance(found, NotEstimable)
        assert found.remedy
        return found.reason

    hole = frame[~((frame["unit"] == 4) & (frame["period"] == 2))]
    assert "unbalanced: 1 unit with missing cells, first 4 in 2" in reason(hole)
    assert "takes no weights" in reason(frame.assign(w=1.0), weight="w")
    assert "start at once" in reason(frame[frame["first"] == 6])
    assert "treated throughout" in reason(frame.assign(first=np.where(frame["first"] > 0, 1, 0)))


def test_two_way_weights_are_of_the_static_number_only(golden_panel: Panel) -> None:
    for name, aggregate in (("two_way_fixed_effects", "event_time"), ("group_time", "overall")):
        result = estimate(golden_panel, name, aggregate=aggregate)
        assert isinstance(result, Result)
        with pytest.raises(OptionError, match="aggregate='overall'"):
            two_way_weights(result)
