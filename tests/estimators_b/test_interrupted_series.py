from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evaluation import NotEstimable, Panel, Result, estimate
from evaluation.errors import OptionError


def fitted(panel: Panel, **options: Any) -> Result:
    result = estimate(panel, "interrupted_series", **options)
    assert isinstance(result, Result), result
    return result


def refused(panel: Panel, **options: Any) -> NotEstimable:
    result = estimate(panel, "interrupted_series", **options)
    assert isinstance(result, NotEstimable), result
    return result


def error(result: Result) -> np.ndarray:
    return result.inference("influence", cluster=result.panel.unit).std_error


def test_by_hand(table: Callable[..., Panel]) -> None:
    # the mean runs 1, 2, 3, 4 and would go on 5, 6, 7, 8; it is 8, 10, 12, 14: 3, 4, 5, 6 above, 4.5 on average
    panel = table(
        {
            "a": (5, [0.0, 1.0, 2.0, 3.0, 6.0, 9.0, 10.0, 14.0]),
            "b": (5, [2.0, 3.0, 4.0, 5.0, 10.0, 11.0, 14.0, 14.0]),
            "c": (0, [9.0, 1.0, 7.0, 2.0, 5.0, 5.0, 5.0, 5.0]),
        }
    )
    assert fitted(panel).estimates == pytest.approx([4.5], rel=1e-10)
    by_event = fitted(panel, aggregate="event_time")
    assert by_event.labels["event_time"].tolist()[:4] == [0, 1, 2, 3]
    assert by_event.estimates == pytest.approx([3.0, 4.0, 5.0, 6.0, 4.5], rel=1e-10)
    # a series on its line has no residuals, so no error: missing, never zero
    assert np.isnan(error(by_event)).all()
    assert by_event.dropped == (("c", "does not start in 5: an interrupted series compares with nobody"),)


def cochrane_orcutt(y: np.ndarray, start: int) -> tuple[np.ndarray, np.ndarray]:
    """The same model again, by iterated least squares on y_t − ρ y_{t−1} with ρ from autocovariances over n and n − 1."""
    time = np.arange(len(y), dtype=float)
    on = (time >= start).astype(float)
    x = np.column_stack([np.ones(len(y)), time, on, on * (time - start)])
    rho = 0.0
    for _ in range(500):
        xs, ys = x[1:] - rho * x[:-1], y[1:] - rho * y[:-1]
        b = np.linalg.lstsq(xs, ys, rcond=None)[0]
        e = y - x @ b
        e = e - e.mean()
        rho = float((e[1:] @ e[:-1]) / (len(y) - 1) / ((e @ e) / len(y)))
    xs, ys = x[1:] - rho * x[:-1], y[1:] - rho * y[:-1]
    b = np.linalg.lstsq(xs, ys, rcond=None)[0]
    e = ys - xs @ b
    covariance = np.linalg.inv(xs.T @ xs) * (e @ e) / (len(ys) - 4)
    return b, covariance


@pytest.fixture()
def noisy(draw: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    return draw(seed=7, units=12, periods=20, starts=(0, 12))


def test_equals_the_same_model_fitted_by_hand(noisy: pd.DataFrame, build: Callable[..., Panel]) -> None:
    series = noisy[noisy["first"] > 0].groupby("period")["y"].mean().to_numpy()
    b, covariance = cochrane_orcutt(series, 11)
    lines = np.column_stack([np.zeros((9, 2)), np.ones(9), np.arange(9)])
    lines = np.vstack([lines, lines.mean(axis=0)])
    result = fitted(build(noisy), aggregate="event_time")
    assert result.estimates == pytest.approx(lines @ b, rel=1e-6)
    assert error(result) == pytest.approx(np.sqrt(np.diag(lines @ covariance @ lines.T)), rel=1e-6)
    assert result.observations.tolist() == [20] * 10


def test_weights_times_outcome_is_the_estimate(noisy: pd.DataFrame, build: Callable[..., Panel]) -> None:
    sized = noisy.assign(w=1.0 + noisy["unit"])
    for lags in (0, 1, 2):
        for panel in (build(noisy), build(sized, weight="w")):
            result = fitted(panel, lags=lags, aggregate="event_time")
            assert result.weights @ result.panel.values[0].ravel() == pytest.approx(result.estimates, rel=1e-8)
    light, heavy = fitted(build(noisy)).estimates, fitted(build(sized, weight="w")).estimates
    assert abs(light[0] - heavy[0]) > 1e-6


def test_its_error_is_the_same_whatever_the_cluster(noisy: pd.DataFrame, build: Callable[..., Panel]) -> None:
    result = fitted(build(noisy, cluster="region"))
    by_region = result.inference("influence", cluster="region").std_error
    assert by_region == pytest.approx(error(result), rel=1e-12)


def test_is_never_called_causal(noisy: pd.DataFrame, build: Callable[..., Panel]) -> None:
    result = fitted(build(noisy))
    assert any(warning.startswith("Not a causal estimate: no comparison") for warning in result.warnings)
    assert not result.compared.any()


def test_works_where_all_start_at_once(noisy: pd.DataFrame, build: Callable[..., Panel]) -> None:
    together = noisy[noisy["first"] > 0]
    assert fitted(build(together)).estimates == pytest.approx(fitted(build(noisy)).estimates, rel=1e-12)


def test_unit_effects_and_a_line_change_nothing_and_scaling_scales(noisy: pd.DataFrame, build: Callable[..., Panel]) -> None:
    plain = fitted(build(noisy), aggregate="event_time")
    moved = noisy.assign(y=noisy["y"] + (noisy["unit"] * 7) % 5 + 0.3 * noisy["period"])
    assert fitted(build(moved), aggregate="event_time").estimates == pytest.approx(plain.estimates, rel=1e-6)
    scaled = fitted(build(noisy.assign(y=8 * noisy["y"])), aggregate="event_time")
    assert scaled.estimates == pytest.approx(8 * plain.estimates, rel=1e-9)
    assert error(scaled) == pytest.approx(8 * error(plain), rel=1e-9)
    mixed = fitted(build(noisy.sample(frac=1, random_state=2)), aggregate="event_time")
    assert (mixed.estimates == plain.estimates).all()
    assert (mixed.scores == plain.scores).all()


def test_one_start_is_chosen_by_name(draw: Callable[..., pd.DataFrame], build: Callable[..., Panel]) -> None:
    frame = draw(periods=14, starts=(0, 6, 9))
    assert "2 cohorts start at different times (6, 9)" in refused(build(frame)).reason
    alone = fitted(build(frame[frame["first"] != 6]))
    assert fitted(build(frame), cohort=9).estimates == pytest.approx(alone.estimates, rel=1e-12)
    assert "no unit starts in 7" in refused(build(frame), cohort=7).reason


@pytest.mark.parametrize(
    ("periods", "start", "words"),
    [(7, 5, "4 periods before the start and 3 periods from it on"), (9, 3, "2 periods before"), (9, 9, "1 period from it on")],
)
def test_refuses_too_few_points(
    draw: Callable[..., pd.DataFrame], build: Callable[..., Panel], periods: int, start: int, words: str
) -> None:
    assert words in refused(build(draw(periods=periods, starts=(0, start)))).reason


def test_missing_cells_drop_units_by_name_and_gaps_refuse(noisy: pd.DataFrame, build: Callable[..., Panel]) -> None:
    result = fitted(build(noisy[~((noisy["unit"] == 3) & (noisy["period"] == 4))]))
    assert (3, "missing in some period: the mean would change its members") in result.dropped
    gap = noisy.assign(y=noisy["y"].where((noisy["period"] != 4) | (noisy["first"] == 0)))
    assert "no unit is observed in every period" in refused(build(gap)).reason


@pytest.mark.parametrize("lags", (-1, 4, 1.5, True))
def test_wrong_lags_say_what_is_allowed(noisy: pd.DataFrame, build: Callable[..., Panel], lags: Any) -> None:
    with pytest.raises(OptionError, match="lags must be 0, 1, 2 or 3"):
        estimate(build(noisy), "interrupted_series", lags=lags)


def test_unbiased_where_the_trend_would_have_gone_on() -> None:
    found, time = [], np.arange(24)
    on = time >= 14
    for seed in range(500):
        rng = np.random.default_rng(seed)
        noise = np.zeros(24)
        for t in time:
            noise[t] = 0.4 * noise[t - 1] * (t > 0) + rng.normal()
        y = 3 + 0.2 * time + on * (1 + 0.1 * (time - 14)) + noise
        frame = pd.DataFrame({"unit": 1, "period": time, "first": 14, "y": y})
        found.append(fitted(Panel.from_frame(frame, "unit", "period", "first", "y")).estimates[0])
    assert abs(np.mean(found) - (1 + 0.1 * 4.5)) < 2 * np.std(found, ddof=1) / np.sqrt(500)


def test_no_cluster_changes_an_error_that_is_the_series_own(table: Callable[..., Panel]) -> None:
    series = [0.0, 1.2, 1.9, 3.1, 6.0, 9.2, 9.8, 14.1]
    panel = table({"a": (5, series), "b": (5, series[::-1]), "c": (0, series)})
    result = fitted(panel, lags=0)
    by_unit = result.inference(cluster=panel.unit)
    assert by_unit.std_error == pytest.approx(error(result), rel=1e-12)
    assert by_unit.df.tolist() == [8 - 4]
    assert "clustering" in by_unit.warnings[0]
