"""Multiplier bootstrap: against the analytic error, against known simultaneous quantiles, and its refusals."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from evaluation.errors import OptionError
from evaluation.estimators import estimate
from evaluation.inference.base import group_sums
from evaluation.inference.clustered import clustered
from evaluation.inference.multiplier import DEFAULTS, WEIGHTS, multiplier, multipliers
from evaluation.panel import Panel


@pytest.fixture(scope="module")
def result(golden):
    _, d = golden
    made = Panel.from_frame(d, "authority", "term", "first_term", "rate", cluster=["authority", "region"])
    return estimate(made, "group_time", aggregate="event_time")


@pytest.mark.parametrize("weights", WEIGHTS)
def test_weights_have_mean_0_and_variance_1(weights):
    drawn = multipliers(4_000, 50, weights, 3)
    assert abs(drawn.mean()) < 0.01 and abs((drawn**2).mean() - 1) < 0.02
    if weights == "mammen":
        assert np.unique(drawn) == pytest.approx([(1 - 5**0.5) / 2, (1 + 5**0.5) / 2])
        assert (drawn**3).mean() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_errors_are_the_analytic_ones_within_those_of_the_draws(result, weights):
    """Where many clusters stand behind a row: the range of 9,999 draws has a relative error of 1.2%; 5% is four of them.

    Where few do, the draws are not normal and their range differs from their deviation: on the golden panel, by 10% at most.
    """
    many = _Scored(np.random.default_rng(4).normal(size=(400, 10)))
    for made, tolerance in ((many, 0.05), (result, 0.15)):
        want = clustered(made, None, {"factor": "none", "distribution": "normal"})
        got = multiplier(made, None, {**DEFAULTS, "weights": weights, "draws": 9_999})
        good = np.isfinite(want.std_error)
        assert good.sum() > 8 and np.array_equal(good, np.isfinite(got.std_error))
        assert got.std_error[good] == pytest.approx(want.std_error[good], rel=tolerance)
        correlation = want.covariance / np.outer(want.std_error, want.std_error)
        assert (got.covariance / np.outer(got.std_error, got.std_error))[np.ix_(good, good)] == pytest.approx(
            correlation[np.ix_(good, good)]
        )


def test_algorithm_1_by_hand(result):
    """Callaway, Sant'Anna 2021: ranges of the draws give errors, the 95th of the largest |t| the band."""
    got = multiplier(result, None, DEFAULTS)
    good = np.isfinite(got.std_error)
    codes = result.panel.cluster_codes()[1]
    drawn = multipliers(999, codes.max() + 1, "mammen", DEFAULTS["seed"]) @ group_sums(result.scores, codes)[:, good]
    ordered = np.sort(drawn, axis=0)
    error = (ordered[749] - ordered[249]) / (stats.norm.ppf(0.75) - stats.norm.ppf(0.25))
    assert got.std_error[good] == pytest.approx(error)
    critical = np.sort(np.abs(drawn / error).max(axis=1))[949]
    assert got.details["critical_at_95"]["rate"] == pytest.approx(critical)
    lower, upper = got.interval(0.95)
    assert (upper - lower)[good] / 2 == pytest.approx(critical * error)
    assert critical > 1.96
    outside = np.abs(result.estimates / got.std_error)[good] > critical
    assert np.array_equal(got.p_value[good] <= 0.05, outside)


def test_simultaneous_quantile_of_independent_rows():
    """Twenty independent rows: the 95th of the largest of 20 normal |z| is 3.016; of twenty copies of one, 1.960."""
    rng = np.random.default_rng(2)
    scores = rng.normal(size=(400, 20))
    for made, want in ((scores, stats.norm.ppf(1 - (1 - 0.95 ** (1 / 20)) / 2)), (np.repeat(scores[:, :1], 20, axis=1), 1.96)):
        found = multiplier(_Scored(made), None, {**DEFAULTS, "draws": 9_999, "weights": "rademacher"})
        assert found.details["critical_at_95"]["y"] == pytest.approx(want, rel=0.03)


class _Scored:
    """The least that the method needs: scores of 400 units, half of them treated."""

    own_df = None

    def __init__(self, scores):
        units, rows = scores.shape
        self.scores, self.estimates = scores, np.ones(rows)
        self.labels = pd.DataFrame({"outcome": ["y"] * rows, "kind": ["post"] * rows})
        self.outcomes, self.kinds = np.repeat("y", rows), np.repeat("post", rows)
        self.used = np.ones((units, rows), bool)
        self.support = np.repeat(np.arange(units)[:, None] < units // 2, rows, axis=1)
        self.compared = ~self.support
        self.parameters, self.observations = np.zeros(rows), np.full(rows, 800)
        frame = pd.DataFrame({"u": np.repeat(np.arange(units), 2), "t": [0, 1] * units})
        frame["first"] = np.where(frame["u"] < units // 2, 1, 0)
        frame["y"] = np.sin(np.arange(len(frame)))
        self.panel = Panel.from_frame(frame.assign(first=frame["first"] * frame["t"].max()), "u", "t", "first", "y")


def test_pointwise_and_rows_without_an_error(result):
    found = multiplier(result, None, {**DEFAULTS, "simultaneous": False})
    lower, upper = found.interval(0.9)
    good = np.isfinite(found.std_error)
    assert (upper - lower)[good] / 2 == pytest.approx(found.std_error[good] * stats.norm.ppf(0.95))
    both = multiplier(result, None, DEFAULTS)
    assert np.isnan(both.p_value[~good]).all() and np.isnan(both.interval(0.9)[0][~good]).all()


def test_seeds_and_options(result):
    one, other = (multiplier(result, None, {**DEFAULTS, "seed": seed}).std_error for seed in (1, 2))
    assert not np.allclose(one, other, equal_nan=True, rtol=1e-6)
    again = multiplier(result, None, {**DEFAULTS, "seed": 1}).std_error
    assert np.array_equal(one, again, equal_nan=True)
    for options, words in (
        ({"draws": 3}, "draws must be"),
        ({"weights": "x"}, "weights 'x'"),
        ({"simultaneous": 2}, "simultaneous 2"),
    ):
        with pytest.raises(OptionError, match=words):
            multiplier(result, None, {**DEFAULTS, **options})
