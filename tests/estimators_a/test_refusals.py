"""Each refuses where it must, with the reason and what would make it possible; nothing weaker is given instead."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from evaluation import NotEstimable, OptionError, Panel, PanelError, Result

Run = Callable[..., Result]
Refuse = Callable[..., NotEstimable]
Draw = Callable[..., pd.DataFrame]
Build = Callable[..., Panel]
ALL = ["imputation", "two_stage", "interaction_weighted", "stacked", "local_projections", "extended_two_way"]


@pytest.mark.parametrize("name", ALL)
def test_all_at_once(draw: Draw, build: Build, refuse: Refuse, name: str) -> None:
    assert "at once" in refuse(build(draw(starts=(4,))), name).reason or name == "interaction_weighted"


@pytest.mark.parametrize("name", ALL)
def test_treated_throughout(draw: Draw, build: Build, refuse: Refuse, run: Run, name: str) -> None:
    assert "throughout" in refuse(build(draw(starts=(1, 0))), name).reason
    result = run(build(draw(starts=(1, 0, 4))), name)
    assert len(result.dropped) == 8 and "throughout" in result.dropped[0][1]


@pytest.mark.parametrize("name", ["imputation", "two_stage"])
def test_unit_without_an_untreated_period_is_left_out_with_the_reason(draw: Draw, build: Build, run: Run, name: str) -> None:
    rows = draw()
    late = rows[~((rows["unit"] == 2) & (rows["period"] < rows["first"]))]
    result = run(build(late), name)
    assert result.dropped == ((2, "never observed untreated: its own level is not known"),)
    one_outcome = rows.assign(z=np.where((rows["unit"] == 2) & (rows["period"] < rows["first"]), np.nan, rows["y"]))
    result = run(build(one_outcome, ["y", "z"]), name)
    assert any("z: 1 unit never observed untreated" in words for words in result.warnings)


def test_nobody_is_observed_before_the_start(draw: Draw, build: Build, refuse: Refuse) -> None:
    rows = draw(starts=(0, 4))
    after = rows[(rows["first"] == 0) | (rows["period"] >= 4)]
    assert "before its start" in refuse(build(after), "imputation").reason


@pytest.mark.parametrize("name", ["imputation", "two_stage"])
def test_periods_in_which_nobody_is_untreated_are_left_out(draw: Draw, build: Build, run: Run, name: str) -> None:
    result = run(build(draw(starts=(3, 5))), name, "calendar")
    assert result.labels["period"].dropna().tolist() == [3, 4]
    assert any("nobody comparable is untreated then (5, 6, 7)" in words for words in result.warnings)


def test_units_that_no_untreated_cell_links_are_not_compared(build: Build, refuse: Refuse) -> None:
    """The only untreated unit is seen in other periods than the treated one: no level can be carried over."""
    rows = [("a", t, 3, float(t)) for t in (1, 2, 3, 4)] + [("b", t, 0, float(t)) for t in (3, 4)]
    rows += [("c", t, 5, 1.0 * t) for t in (5, 6)] + [("c", 4, 5, 2.0)]
    frame = pd.DataFrame(rows, columns=["unit", "period", "first", "y"]).assign(region=1)
    made = refuse(build(frame, cluster="unit"), "imputation")
    assert "nobody is untreated at the same time" in made.reason


def test_too_many_leads(draw: Draw, build: Build, run: Run, refuse: Refuse) -> None:
    panel = build(draw(starts=(0, 3)))
    assert "2 leads before the start" in refuse(panel, "imputation", "event_time", pretrends=2).reason
    result = run(panel, "imputation", "event_time")
    assert any("1 of 3 leads" in words for words in result.warnings)
    assert (result.labels["kind"] == "pre").sum() == 1
    assert not (run(panel, "imputation", "event_time", pretrends=0).labels["kind"] == "pre").any()


def test_no_period_but_the_one_before_the_start(draw: Draw, build: Build, refuse: Refuse) -> None:
    panel = build(draw(starts=(0, 2), periods=3))
    assert "1 lead" in refuse(panel, "imputation", "event_time", pretrends=1).reason


@pytest.mark.parametrize("name", ["interaction_weighted", "stacked", "local_projections", "extended_two_way"])
def test_no_never_treated(draw: Draw, build: Build, refuse: Refuse, run: Run, name: str) -> None:
    panel = build(draw(starts=(3, 5)))
    made = refuse(panel, name, control="never_treated")
    assert "never treated" in made.reason and "control=" in made.remedy
    other = "last_treated" if name == "interaction_weighted" else "not_yet_treated"
    assert np.isfinite(run(panel, name, control=other).estimates).all()


def test_last_treated_is_compared_with_before_its_own_start(draw: Draw, build: Build, run: Run) -> None:
    result = run(build(draw(starts=(3, 5))), "interaction_weighted", "cells", control="last_treated")
    assert set(result.labels["cohort"]) == {3} and max(result.labels["period"]) == 4


def test_a_cohort_without_its_reference_period_is_left_out_with_a_notice(draw: Draw, build: Build, run: Run) -> None:
    rows = draw()
    gap = rows[~((rows["first"] == 3) & (rows["period"] == 2))]
    result = run(build(gap), "interaction_weighted", "cells")
    assert set(result.labels["cohort"]) == {5}
    assert any("left out, with nothing to compare with" in words and "3 in 1" in words for words in result.warnings)


@pytest.mark.parametrize("options", [{"kappa_pre": 5, "kappa_post": 1}, {"kappa_pre": 1, "kappa_post": 6}])
def test_empty_window(draw: Draw, build: Build, refuse: Refuse, options: dict[str, int]) -> None:
    made = refuse(build(draw()), "stacked", **options)
    assert "no start has both sides observed" in made.reason and "kappa_pre" in made.remedy


def test_trimmed_cohorts_are_named(draw: Draw, build: Build, run: Run) -> None:
    result = run(build(draw()), "stacked", kappa_pre=3, kappa_post=1)
    assert any("1 cohort trimmed (starts in 3)" in words for words in result.warnings)


def test_no_region(draw: Draw, build: Build, refuse: Refuse) -> None:
    for name in ("imputation", "two_stage"):
        assert "no region" in refuse(build(draw(), cluster="unit"), name, "region").reason


def test_negative_counts(draw: Draw, build: Build, refuse: Refuse) -> None:
    assert "negative" in refuse(build(draw()), "extended_two_way", family="poisson").reason


def test_separation_is_refused_by_name(draw: Draw, build: Build, refuse: Refuse) -> None:
    rows = draw()
    empty = rows.assign(count=np.where((rows["first"] == 5) & (rows["period"] == 6), 0.0, rows["count"]))
    for options in ({}, {"effects": "cohort"}, {"control": "never_treated"}, {"scale": "log"}):
        made = refuse(build(empty, "count"), "extended_two_way", family="poisson", **options)
        assert made.reason.startswith("separation: the outcome is 0 in 6 cells") and "3 in 6" in made.reason
        assert "Join periods or cohorts" in made.remedy


def test_separation_through_levels_before_the_start(draw: Draw, build: Build, refuse: Refuse) -> None:
    """One unit counts nothing before its start and something after: with unit effects its level has no finite value."""
    rows = draw(units=8)
    before = (rows["first"] == 5) & (rows["period"] < 5)
    empty = rows.assign(count=np.where(before, 0.0, rows["count"]))
    assert "separation" in refuse(build(empty, "count"), "extended_two_way", family="poisson").reason


def test_units_and_periods_of_zeros_are_left_out_with_a_notice(draw: Draw, build: Build, run: Run) -> None:
    rows = draw()
    zero = (rows["unit"] == 4) | (rows["period"] == 1)
    result = run(build(rows.assign(count=rows["count"].where(~zero, 0.0)), "count"), "extended_two_way", family="poisson")
    assert any("1 unit left out, the outcome being 0 throughout: 4" in words for words in result.warnings)
    assert any("1 period left out, the outcome being 0 throughout: 1" in words for words in result.warnings)
    without = rows[~zero]
    again = run(build(without, "count"), "extended_two_way", family="poisson")
    assert result.estimates == pytest.approx(again.estimates, rel=1e-9)


def test_an_outcome_of_zeros(draw: Draw, build: Build, refuse: Refuse) -> None:
    assert "0 in every cell" in refuse(build(draw().assign(count=0.0), "count"), "extended_two_way", family="poisson").reason


def test_poisson_keeps_no_weights(draw: Draw, build: Build, run: Run) -> None:
    result = run(build(draw(), "count"), "extended_two_way", family="poisson")
    with pytest.raises(PanelError, match="keeps no weights on cells"):
        _ = result.weights


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("imputation", {"pretrends": -1}, "pretrends must be"),
        ("imputation", {"pretrends": True}, "pretrends must be"),
        ("imputation", {"average_by": "region"}, "average_by"),
        ("two_stage", {"reference": 0}, "reference must be"),
        ("interaction_weighted", {"reference": 1}, "reference must be"),
        ("interaction_weighted", {"control": "not_yet_treated"}, "control"),
        ("stacked", {"kappa_pre": 0}, "kappa_pre must be"),
        ("stacked", {"kappa_post": 1.5}, "kappa_post must be"),
        ("local_projections", {"pre": -1}, "pre must be"),
        ("extended_two_way", {"exposure": True}, "exposure=True is for"),
        ("extended_two_way", {"exposure": True, "family": "poisson"}, "needs a weight"),
        ("extended_two_way", {"scale": "log"}, "scale='log' is for"),
        ("extended_two_way", {"hold_effects": True}, "hold_effects=True is for"),
        ("extended_two_way", {"family": "binomial"}, "family"),
    ],
)
def test_wrong_options_are_named(draw: Draw, build: Build, run: Run, name: str, options: dict[str, object], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        run(build(draw()), name, **options)


def test_one_static_effect_has_no_event_study(draw: Draw, build: Build, run: Run) -> None:
    with pytest.raises(OptionError, match="model='static' has one effect"):
        run(build(draw()), "extended_two_way", "event_time", model="static")


def test_group_of_one_unit_is_said(draw: Draw, build: Build, run: Run) -> None:
    rows = draw(units=8, starts=(0, 0, 3, 5))
    result = run(build(rows[rows["unit"] != 6]), "imputation")
    assert any("hold one treated unit" in words for words in result.warnings)
