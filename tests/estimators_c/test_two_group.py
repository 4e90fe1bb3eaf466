"""The two-group kernels alone: scores are derivatives by weight, weights are the estimate, what has no comparison is said."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from evaluation.estimators import two_group
from evaluation.estimators.two_group import METHODS, Contrasts, paired, rows_of, stacked

Kernel = Callable[..., Contrasts]
KERNELS = (paired, stacked)


def drawn(seed: int, rows: int = 60, covariates: int = 2) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2, rows, covariates))
    treated = rng.random((2, rows)) < 1 / (1 + np.exp(-x[..., 0] + 0.3))
    weight = rng.uniform(0.5, 2, size=(2, rows))
    outcome = 1 + 2 * x[..., 0] - x[..., -1] + treated + rng.normal(size=(2, rows))
    return x, treated, weight, outcome


def run(kernel: Kernel, method: str, x: np.ndarray, treated: np.ndarray, weight: np.ndarray, outcome: np.ndarray) -> Contrasts:
    return kernel(rows_of(np.where(treated, weight, 0), np.where(treated, 0, weight), x), outcome, method)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("method", METHODS)
def test_a_score_is_what_the_estimate_gains_when_a_weight_grows(kernel: Kernel, method: str) -> None:
    x, treated, weight, outcome = drawn(3)
    found = run(kernel, method, x, treated, weight, outcome)
    for row in range(0, weight.shape[1], 7):
        step = np.zeros_like(weight)
        step[:, row] = 1e-5
        up, down = (run(kernel, method, x, treated, weight * (1 + way * step), outcome).estimates for way in (1, -1))
        assert found.scores[:, row] == pytest.approx((up - down) / 2e-5, rel=1e-5, abs=1e-8)
    assert found.scores.sum(axis=1) == pytest.approx(0.0, abs=1e-10)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("method", METHODS)
def test_contrasts_side_by_side_are_contrasts_alone(kernel: Kernel, method: str) -> None:
    given = drawn(5)
    both = run(kernel, method, *given)
    for k in range(2):
        alone = run(kernel, method, *(array[k : k + 1] for array in given))
        assert alone.estimates == pytest.approx(both.estimates[k : k + 1], rel=1e-9)
        assert alone.scores == pytest.approx(both.scores[k : k + 1], rel=1e-7, abs=1e-10)
        assert (alone.weights * given[3][k]).sum() == pytest.approx(both.estimates[k], rel=1e-12)


@pytest.mark.parametrize("kernel", KERNELS)
def test_without_covariates_the_methods_are_one_difference_of_means(kernel: Kernel) -> None:
    x, treated, weight, outcome = drawn(7)
    found = [run(kernel, method, x[..., :0], treated, weight, outcome) for method in METHODS]
    half = np.arange(weight.shape[1]) < weight.shape[1] // 2
    for k in range(2):
        w, y, d = weight[k], outcome[k], treated[k]

        def mean(keep: np.ndarray, w: np.ndarray = w, y: np.ndarray = y) -> float:
            return float(np.average(y[keep], weights=w[keep]))

        if kernel is paired:
            expected = mean(d) - mean(~d)
        else:
            expected = mean(d & half) - mean(d & ~half) - mean(~d & half) + mean(~d & ~half)
        for one in found:
            assert one.estimates[k] == pytest.approx(expected, rel=1e-10)
            assert one.scores[k] == pytest.approx(found[0].scores[k], rel=1e-8, abs=1e-12)


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_covariate_that_tells_the_groups_apart_has_no_overlap(kernel: Kernel) -> None:
    x, treated, weight, outcome = drawn(11)
    apart = np.concatenate([x, 10.0 * treated[..., None]], axis=2)
    for method in ("ipw", "doubly_robust"):
        found = run(kernel, method, apart, treated, weight, outcome)
        assert (found.problem == two_group.NO_OVERLAP).all() and np.isnan(found.estimates).all()
    found = run(kernel, "regression", apart, treated, weight, outcome)
    assert (found.problem == two_group.SINGULAR).all() and np.isnan(found.estimates).all()


def test_a_stratum_of_comparison_rows_alone_gets_no_weight() -> None:
    # Nobody like them is treated: their propensity is 0, and the rest is the estimate without them.
    x, treated, weight, outcome = drawn(13, covariates=1)
    alone = np.arange(weight.shape[1]) % 5 == 0
    treated = treated & ~alone
    with_them = run(paired, "ipw", alone[None, :, None] * np.ones((2, 1, 1)), treated, weight, outcome)
    without = run(paired, "ipw", x[:, ~alone, :0], treated[:, ~alone], weight[:, ~alone], outcome[:, ~alone])
    assert with_them.estimates == pytest.approx(without.estimates, rel=1e-7)


def test_comparison_rows_at_the_trim_level_get_no_weight() -> None:
    # 997 treated and 2 comparison rows share x = 1: a propensity of .998, between the trim level and no overlap.
    x = np.r_[np.ones(999), np.zeros(400)][None, :, None]
    treated = np.r_[np.ones(997), np.zeros(2), np.ones(200), np.zeros(200)][None].astype(bool)
    outcome = np.random.default_rng(1).normal(size=(1, 1399))
    found = run(paired, "ipw", x, treated, np.ones((1, 1399)), outcome)
    assert found.problem.tolist() == [two_group.FINE] and found.trimmed.tolist() == [2]
    assert (found.weights[0, 997:999] == 0).all() and found.weights[0].sum() == pytest.approx(0.0, abs=1e-12)
    assert found.estimates[0] == pytest.approx(outcome[treated].mean() - outcome[0, 1199:].mean())


def test_rows_with_a_missing_covariate_do_not_enter() -> None:
    x, treated, weight, outcome = drawn(17)
    x[:, :6, 1] = np.nan
    for method in METHODS:
        whole = run(paired, method, x, treated, weight, outcome)
        part = run(paired, method, x[:, 6:], treated[:, 6:], weight[:, 6:], outcome[:, 6:])
        assert whole.estimates == pytest.approx(part.estimates, rel=1e-10)
        assert (whole.scores[:, :6] == 0).all()
