"""Row-level regressions against clubSandwich 0.5.8, summclust 0.7.2, dfadjust and fwildclusterboot 0.14.3 (12 clusters)."""

import numpy as np
import pandas as pd
import pytest

from evaluation.errors import OptionError, PanelError
from evaluation.inference.regression import regression
from evaluation.inference.wild import draw, kernel, quadratics

EXACT = 1e-8  # relative: errors and degrees of freedom; the files have 12 digits
WIDTH = 1e-4  # of an interval's width: boottest stops its root search early (7e-7 here, 3e-5 on the unbalanced panel)


@pytest.fixture(scope="module")
def few(few12):
    return regression(few12, "y", "D", "x", ["g", "t"], cluster=["g", "gt"])


@pytest.mark.parametrize("factor", ["CR0", "CR1", "CR1S"])
def test_cr1_with_satterthwaite_df(few, few12_numbers, factor):
    want = few12_numbers["clubSandwich"][factor][0]
    got = few.inference("clustered", factor=factor, df="satterthwaite")
    assert got.estimate == pytest.approx(want["beta"], rel=EXACT)
    assert got.std_error == pytest.approx(want["SE"], rel=EXACT)
    assert got.df == pytest.approx(want["df_Satt"], rel=EXACT)
    assert got.p_value == pytest.approx(want["p_Satt"], rel=EXACT)
    by_clusters = few.inference("clustered", factor=factor)
    assert by_clusters.df == want["df_t"]
    assert by_clusters.p_value == pytest.approx(want["p_t"], rel=EXACT)


def test_cr2_equals_clubsandwich_and_dfadjust(few, few12_numbers):
    want, got = few12_numbers["clubSandwich"]["CR2"][0], few.inference("cr2")
    assert (got.std_error, got.df, got.p_value) == pytest.approx((want["SE"], want["df_Satt"], want["p_Satt"]), rel=EXACT)
    assert (got.std_error, got.df) == pytest.approx((few12_numbers["dfadjust"][0][2], few12_numbers["dfadjust"][0][4]), rel=EXACT)


def test_weighted_cr2_equals_clubsandwich(few12, few12_numbers):
    weighted = regression(few12, "y", "D", "x", ["g", "t"], weight="w", cluster="g")
    want, got = few12_numbers["clubSandwich_wls_CR2"][0], weighted.inference("cr2")
    assert (got.estimate, got.std_error, got.df) == pytest.approx((want["beta"], want["SE"], want["df_Satt"]), rel=EXACT)
    other = weighted.inference("cr2", working="inverse_weights")
    assert abs(other.std_error / got.std_error - 1) > 1e-4


def test_cr3_equals_summclust_where_clubsandwich_was_singular(few, few12_numbers):
    assert "singular" in few12_numbers["clubSandwich"]["CR3"]
    got = few.inference("cr3")
    assert got.std_error == pytest.approx(few12_numbers["CRV3_se_D"], rel=EXACT)
    assert got.p_value == pytest.approx(few12_numbers["summclust"]["tidy"][0]["p_val"], rel=EXACT)
    assert got.details["without"] == pytest.approx(few12_numbers["summclust"]["beta_jack"][0], rel=EXACT)
    assert few.inference("cr3", centre="mean").std_error == pytest.approx(few12_numbers["CRV3J_se_D"], rel=EXACT)


def rows_of(numbers, kind, null):
    return [row for row in numbers["wcb_rademacher_enum"] if row["bt"][-2:] == kind and row["impose_null"] == null]


@pytest.mark.parametrize("kind", ["11", "31"])
@pytest.mark.parametrize("null", [True, False])
def test_wild_p_values_are_exact(few, few12_numbers, kind, null):
    got = few.inference("wild_cluster", type=kind, impose_null=null, ties=False)
    found = rows_of(few12_numbers, kind, null)
    assert len(found) == (2 if kind == "11" else 1)
    for want in found:
        assert (got.p_value, got.details["draws"]) == (want["p"], want["B"])
        assert got.statistic == pytest.approx(want["t"], rel=EXACT)
        if "lo" in want:
            assert (got.lower, got.upper) == pytest.approx((want["lo"], want["hi"]), abs=WIDTH * (want["hi"] - want["lo"]))


@pytest.mark.parametrize("kind", ["13", "33"])
@pytest.mark.parametrize("null", [True, False])
def test_wild_jackknife_p_values_are_exact_once_the_packages_factor_is_undone(few, few12_numbers, kind, null):
    """The package puts G/(G − 1) × (n − 1)/(n − k) on the t of the data and not on those of the draws."""
    (want,) = rows_of(few12_numbers, kind, null)
    factor = 12 / 11 * 1403 / (1404 - 19)
    got = few.inference("wild_cluster", type=kind, impose_null=null, ties=False)
    assert got.statistic / np.sqrt(factor) == pytest.approx(want["t"], rel=EXACT)
    draws = _statistics(few, kind, null)
    t = got.statistic * np.sqrt(11 / 12)
    assert np.mean(draws > t * (1 + 1e-9)) == got.p_value  # the vector of ones ties
    assert np.mean(draws > t / np.sqrt(factor)) == want["p"]


def _statistics(few, kind, null):
    """|t*| of every draw, without a factor, from the package's own quadratics."""
    codes = few.codes("g")[1]
    top, bottom = quadratics(kernel(few.row, codes, codes, kind, null), draw(12, 9_999, "rademacher", 1))
    at = -few.estimate if null else 0.0
    return np.abs(top[0] - at * top[1]) / np.sqrt(bottom[0] - 2 * at * bottom[1] + at * at * bottom[2])


def test_ties_count_unless_left_out(few):
    """The vector of ones gives the data's own t: with it one pair of 4,096 more."""
    assert few.inference("wild_cluster").p_value - few.inference("wild_cluster", ties=False).p_value == pytest.approx(2 / 4096)
    assert few.inference("wild_cluster").details["smallest_p"] == 2 / 4096


def test_subcluster_and_webb_within_the_error_of_their_draws(few12, few, few12_numbers):
    d = few12.assign(s=np.sin(few12["gt"]))
    made = regression(d, "y", "D", ["x", "s"], ["g", "t"], cluster=["g", "gt"])
    for want in few12_numbers["wcb_subcluster_z_B99999"]:
        got = made.inference(
            "wild_cluster", impose_null=want["impose_null"], subcluster="gt", weights="rademacher", draws=19_999, ties=False
        )
        assert got.statistic == pytest.approx(want["t"], rel=EXACT)
        assert got.p_value == pytest.approx(want["p"], abs=4 * np.sqrt(want["p"] * (1 - want["p"]) * (1 / 19_999 + 1 / 99_999)))
        for end in (want["lo"], want["hi"]):
            at_end = made.inference(
                "wild_cluster", impose_null=want["impose_null"], subcluster="gt", weights="rademacher", draws=19_999, null=end
            )
            assert at_end.p_value == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 * (1 / 19_999 + 1 / 99_999)))
    webb, want = few.inference("wild_cluster", weights="webb", draws=19_999), few12_numbers["wcb_webb_B99999"]
    assert webb.p_value == pytest.approx(want["p"], abs=4 * np.sqrt(0.86 * 0.14 * (1 / 19_999 + 1 / 99_999)))
    assert (webb.lower, webb.upper) == pytest.approx(want["ci"], abs=0.03)


def test_panels_as_rows(golden, panel_numbers):
    name, d = golden
    numbers = panel_numbers[name]
    made = regression(d, "rate", "treated", (), ["authority", "term"], cluster=["region", "authority"])
    for null in (True, False):
        want = numbers[f"wild_rademacher_region_null_{str(null).upper()}"]
        got = made.inference("wild_cluster", impose_null=null, ties=False)
        assert (got.p_value, got.details["draws"]) == (want["p"], want["draws"])
        assert got.statistic == pytest.approx(want["t"], rel=EXACT)
        assert (got.lower, got.upper) == pytest.approx(want["ci"], abs=WIDTH * (want["ci"][1] - want["ci"][0]))
    for cluster in ("authority", "region"):
        want = numbers[f"clubSandwich_CR1_{cluster}"][0]
        got = made.inference("clustered", cluster, df="satterthwaite")
        assert (got.std_error, got.df) == pytest.approx((want["SE"], want["df_Satt"]), rel=EXACT)


def test_refusals(few12, few):
    with pytest.raises(PanelError, match="no column 'z'"):
        regression(few12, "y", "z")
    with pytest.raises(PanelError, match="not numeric"):
        regression(few12.assign(y=few12["y"].astype(str)), "y", "D")
    with pytest.raises(PanelError, match="moves together"):
        regression(few12, "y", "D", absorb=["gt"])
    with pytest.raises(PanelError, match="negative weights"):
        regression(few12.assign(w=-1.0), "y", "D", weight="w")
    with pytest.raises(PanelError, match="to cluster by"):
        few.inference("cr2", cluster="r")
    with pytest.raises(OptionError, match="no option 'draws'"):
        few.inference("cr2", draws=3)
    with pytest.raises(OptionError, match="level"):
        few.inference("cr2", level=95)
    with pytest.raises(PanelError, match="lie in more than one gt"):
        few.inference("wild_cluster", cluster="gt", subcluster="g")
    two = regression(few12[few12["g"].isin([1, 6, 7])], "y", "D", absorb=["g", "t"], cluster="g")
    with pytest.raises(PanelError, match="cannot be estimated without one"):
        two.inference("cr3")


def test_missing_rows_are_left_out_and_counted(few12, few):
    extra = pd.concat([few12, few12.head(5).assign(y=np.nan)], ignore_index=True)
    again = regression(extra, "y", "D", "x", ["g", "t"], cluster="g")
    assert again.dropped == 5
    assert again.inference("cr2").std_error == few.inference("cr2").std_error
