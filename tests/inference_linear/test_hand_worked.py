"""Numbers that can be had by hand: two groups of single observations, and four clusters."""

import numpy as np
import pandas as pd
import pytest

from evaluation.inference.regression import regression

Y1, Y0 = np.array([3.0, 5.0, 10.0]), np.array([1.0, 2.0, 4.0, 5.0, 8.0])


@pytest.fixture(scope="module")
def two_groups():
    d = pd.DataFrame({"y": np.concatenate([Y1, Y0]), "d": [1.0] * 3 + [0.0] * 5, "i": range(8)})
    return regression(d, "y", "d", cluster="i")


def test_cr2_of_single_observations_is_welch_with_bell_mccaffrey_df(two_groups):
    """Imbens, Kolesár 2016: variance s1²/3 + s0²/5 = 13/3 + 7.5/5; df (8² × 2 × 4) / (3² × 2 + 5² × 4) = 512/118."""
    got = two_groups.inference("cr2")
    assert got.estimate == pytest.approx(6 - 4)
    assert got.std_error**2 == pytest.approx(13 / 3 + 7.5 / 5)
    assert got.df == pytest.approx(512 / 118)


def test_cr3_of_single_observations_is_the_jackknife(two_groups):
    """Without one observation a mean moves by its residual ÷ (size − 1)."""
    got = two_groups.inference("cr3")
    moves = np.concatenate([(Y1 - 6) / 2, (Y0 - 4) / 4])
    assert got.std_error**2 == pytest.approx(7 / 8 * (moves**2).sum())
    assert got.df == 7
    without = got.details["without"]
    assert without[0] == pytest.approx(7.5 - 4)
    assert without[3] == pytest.approx(6 - 19 / 4)


def test_cr1_of_single_observations(two_groups):
    squares = (((Y1 - 6) / 3) ** 2).sum() + (((Y0 - 4) / 5) ** 2).sum()
    assert two_groups.inference("clustered", factor="CR0").std_error ** 2 == pytest.approx(squares)
    assert two_groups.inference("clustered", factor="CR1S").std_error ** 2 == pytest.approx(squares * 8 / 7 * 7 / 6)


def test_wild_of_four_clusters_by_hand():
    """y = 4, 2 treated; 1, 0 not. Under the null u = y less its mean 7/4: 9/4, 1/4, −3/4, −7/4.

    Draws of v (the first +1) give θ* = (v1 9 + v2 1 + v3 3 + v4 7)/8 and, with residuals from group means, the variance
    ((9 v1 − v2)² + (3 v3 − 7 v4)²)/128; |t*| ≥ |t| only where v is all ones, in one of eight.
    """
    d = pd.DataFrame({"y": [4.0, 2.0, 1.0, 0.0], "d": [1.0, 1.0, 0.0, 0.0], "g": [1, 2, 3, 4]})
    made = regression(d, "y", "d", cluster="g")
    signs = np.array([(1, b, c, e) for b in (1, -1) for c in (1, -1) for e in (1, -1)], float)
    star = signs @ np.array([9, 1, 3, 7]) / 8
    error = np.sqrt(((9 * signs[:, 0] - signs[:, 1]) ** 2 + (3 * signs[:, 2] - 7 * signs[:, 3]) ** 2) / 128)
    t = 2.5 / np.sqrt((2**2 + 1**2) / 8)
    assert abs(star[0] / error[0]) == pytest.approx(t)
    want = np.mean(np.abs(star / error) >= t * (1 - 1e-9))
    got = made.inference("wild_cluster")
    assert (got.p_value, got.details["draws"], got.details["smallest_p"]) == (want, 16, 2 / 16)
    assert made.inference("wild_cluster", ties=False).p_value == want - 1 / 8
    assert (got.lower, got.upper) == (-np.inf, np.inf)  # eight pairs of signs never give a p of 0.05
