"""What cannot be had is refused by name, and what can be had only weakly is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from evaluation import Inference, OptionError, Panel, PanelError, Result, estimate


def effect(panel: Panel, name: str = "group_time", aggregate: str = "overall", **options: Any) -> Result:
    result = estimate(panel, name, aggregate=aggregate, **options)
    assert isinstance(result, Result)
    return result


@pytest.mark.parametrize(
    ("method", "options", "words"),
    [
        ("randomisation", {"statistic": "z"}, "statistic 'z' does not exist"),
        ("randomisation", {"scheme": "units"}, "scheme 'units' does not exist"),
        ("randomisation", {"draws": 0}, "draws must be a whole number, 1 or more"),
        ("randomisation", {"refit_draws": 2.5}, "refit_draws must be a whole number"),
        ("randomisation", {"seed": -1}, "seed must be a whole number, 0 or more"),
        ("conley_taber", {"draws": True}, "draws must be a whole number"),
        ("ferman_pinto", {"draws": "many"}, "draws must be a whole number"),
        ("sign_change", {"seed": 0.5}, "seed must be a whole number"),
    ],
)
def test_bad_options(
    method: str, options: dict[str, Any], words: str, partnerships: Callable[..., Panel], run: Callable[..., Inference]
) -> None:
    with pytest.raises(OptionError, match=words):
        run(method, effect(partnerships()), "group", **options)


def test_within_region_needs_a_region(partnerships: Callable[..., Panel], run: Callable[..., Inference]) -> None:
    result = effect(replace(partnerships(), region=None))
    with pytest.raises(OptionError, match="needs a region"):
        run("randomisation", result, "group", scheme="within_region")
    with pytest.raises(OptionError, match="needs a region"):
        run("conley_taber", result, "group", within_region=True)
    said = run("randomisation", effect(replace(partnerships(together=1), region=None)), "group", draws=20)
    assert said.details["scheme"] == "groups"
    assert any("different size" in line for line in said.warnings)


def test_a_partnership_across_regions(partnerships: Callable[..., Panel], run: Callable[..., Inference]) -> None:
    panel = partnerships()
    codes, labels = panel.clusters["region"]
    moved = codes.copy()
    moved[0] = 1
    result = effect(replace(panel, clusters={**panel.clusters, "region": (moved, labels)}))
    with pytest.raises(OptionError, match="lies in several regions"):
        run("randomisation", result, "group", scheme="within_region")
    assert run("randomisation", result, "group", draws=20).details["scheme"] == "groups"


def test_refit_is_needed_where_no_kernel_is_exact(partnerships: Callable[..., Panel], run: Callable[..., Inference]) -> None:
    result = effect(partnerships(missing=0.02, regions=3, others=3), "stacked")
    with pytest.raises(PanelError, match="pass refit="):
        run("randomisation", result, "group", refit=None)
    found = run("randomisation", result, "group", refit_draws=30)
    assert found.details["draws"] == 30 and not found.details["enumerated"]
    assert any("fitted again under 30" in line for line in found.warnings)
    assert np.isfinite(found.p_value).all()


def test_wrong_refit_is_noticed(partnerships: Callable[..., Panel], run: Callable[..., Inference]) -> None:
    result = effect(partnerships(missing=0.02, regions=3, others=3), "stacked")
    refused = estimate(replace(result.panel, cohort=np.full(len(result.panel.units), 2)), "stacked")
    with pytest.raises(PanelError, match="Bind it to the same estimator"):
        run("randomisation", result, "group", refit=lambda panel: refused)
    with pytest.raises(PanelError, match="Bind it to the same estimator"):
        run("randomisation", result, "group", refit=lambda panel: estimate(panel, "two_way_fixed_effects"))


def test_estimators_that_cannot_be_reassigned(partnerships: Callable[..., Panel], run: Callable[..., Inference]) -> None:
    panel = partnerships()
    on = panel.cohort[:, None] <= np.arange(len(panel.periods))
    dose = effect(replace(panel, intensity=on * np.linspace(1, 2, len(panel.units))[:, None]), "dose")
    with pytest.raises(PanelError, match="dose cannot be reassigned"):
        run("randomisation", dose, "group")
    own = effect(panel, "synthetic")
    if own.own_df is not None:
        with pytest.raises(OptionError, match="statistic='coefficient'"):
            run("randomisation", own, "group", statistic="t")
        for method in ("conley_taber", "sign_change"):
            with pytest.raises(PanelError, match="errors of its own"):
                run(method, own, "group")


def test_nonlinear_estimates_have_a_p_value_and_no_interval(
    partnerships: Callable[..., Panel], run: Callable[..., Inference]
) -> None:
    panel = partnerships(regions=3, others=3, team=2, together=1, periods=5, starts=(3, 4))
    counts = replace(panel, values=np.round(np.exp(panel.values / 3) * 20))
    result = effect(counts, "extended_two_way", family="poisson")
    found = run("randomisation", result, "group", refit_draws=19)
    assert np.isfinite(found.p_value).all()
    assert np.isnan(found.interval(0.9)).all()
    assert any("no interval by inversion" in line for line in found.warnings)


def test_no_unit_without_the_reform(partnerships: Callable[..., Panel], run: Callable[..., Inference]) -> None:
    panel = partnerships()
    every = np.where(panel.treated, panel.cohort, 6)
    result = effect(replace(panel, cohort=every), control="not_yet_treated")
    for method in ("conley_taber", "sign_change"):
        with pytest.raises(PanelError, match="never adopt"):
            run(method, result, "group")
    found = run("randomisation", result, "group", draws=40)  # starts can be permuted all the same
    assert np.isfinite(found.p_value).all()


def test_sizes_that_do_not_tell(two_periods: Callable[..., Panel], run: Callable[..., Inference]) -> None:
    """Comparison groups of two, a treated group of three: how noise goes with size cannot be seen."""
    group = ["t"] * 3 + ["a", "a", "b", "b", "c", "c"]
    result = effect(two_periods(np.arange(9.0) ** 2, [1] * 3 + [0] * 6, group=group))
    found = run("ferman_pinto", result, "group")
    assert np.isnan(found.p_value).all() and np.isnan(found.interval(0.9)).all()
    assert any("all of one size" in line for line in found.warnings)


def test_other_rows_are_named(partnerships: Callable[..., Panel], run: Callable[..., Inference]) -> None:
    result = effect(partnerships(), aggregate="event_time")
    found = run("randomisation", result, "group", draws=50)
    average = (result.labels["kind"] == "average").to_numpy(bool)
    assert np.isfinite(found.p_value[average]).all() and np.isnan(found.p_value[~average]).all()
    assert np.isfinite(found.interval(0.8)[0][average]).all() and np.isnan(found.interval(0.8)[0][~average]).all()
    assert any("not overall or average" in line for line in found.warnings)


def test_an_outcome_that_never_changes(two_periods: Callable[..., Panel], run: Callable[..., Inference]) -> None:
    found = run("randomisation", effect(two_periods(np.zeros(8), np.arange(8) < 3)))
    assert np.isnan(found.p_value).all()
    assert any("does not vary" in line for line in found.warnings)


def test_sign_change_says_how_small_p_can_be(two_periods: Callable[..., Panel], run: Callable[..., Inference]) -> None:
    change = np.random.default_rng(1).normal(size=15)
    four = run("sign_change", effect(two_periods(change, np.arange(15) < 4)))
    assert four.details["smallest_p"] == 0.125
    assert any("below 0.125" in line for line in four.warnings)
    six = run("sign_change", effect(two_periods(change, np.arange(15) < 6)))
    assert six.details["smallest_p"] == 1 / 32 and not six.warnings
    one = run("sign_change", effect(two_periods(change, np.arange(15) < 1)))
    assert np.isnan(one.p_value).all()
