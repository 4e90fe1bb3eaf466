"""The last of the packages' numbers, and a ledger in which no entry of the reference files may be missing.

Public sets that are not copied into the project (mpdta, base_stagg) are read from ../shared; without it, tests of them skip.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evaluation import NotEstimable, OptionError, Panel, PanelError, Result, estimate

TESTS = Path(__file__).resolve().parents[1]
GOLDEN, PACKAGES = TESTS / "golden", TESTS / "estimators_a" / "reference"
PAGE = (TESTS.parent / "evaluation" / "METHODS.md").read_text(encoding="utf-8")
TOLERANCE = 1e-6  # relative, estimates and errors
PANELS = ("panel", "panel_unbalanced")


def read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def close(ours: float, theirs: float, tolerance: float = TOLERANCE) -> None:
    assert abs(ours - theirs) <= tolerance * abs(theirs), f"{ours!r} where the reference has {theirs!r}"


def run(panel: Panel, name: str, aggregate: str = "overall", **options: Any) -> Result:
    result = estimate(panel, name, aggregate=aggregate, **options)
    assert isinstance(result, Result), result
    return result


@pytest.fixture(scope="module")
def mpdta(shared: Path) -> Panel:
    rows = pd.read_csv(shared / "data" / "did_bench" / "mpdta.csv").assign(state=lambda f: f["countyreal"] // 1000)
    return Panel.from_frame(
        rows, "countyreal", "year", "first.treat", "lemp", cluster=["countyreal", "state"], covariates=["lpop"]
    )


@pytest.fixture(scope="module")
def mpdta_rows() -> pd.DataFrame:
    return pd.read_csv(PACKAGES / "fixest_mpdta.csv")


def golden_panel(name: str, **named: Any) -> Panel:
    frame = pd.read_csv(GOLDEN / f"{name}.csv")
    return Panel.from_frame(frame, "authority", "term", "first_term", "rate", cluster=["authority", "region"], **named)


# Two-way, with periods by region and with trends by a covariate.
@pytest.mark.parametrize("panel", PANELS)
def test_period_effects_by_region_are_fixests(panel: str) -> None:
    (theirs,) = read(GOLDEN / "reference.json")[panel]["twfe_region_by_term"]
    ours = run(golden_panel(panel), "two_way_fixed_effects", period_by="region").frame().iloc[0]
    columns = {"estimate": "Estimate", "std_error": "Std. Error", "statistic": "t value", "p_value": "Pr(>|t|)"}
    for column, name in columns.items():
        close(ours[column], theirs[name])


def test_trends_by_a_covariate_are_fixests(mpdta: Panel, mpdta_rows: pd.DataFrame) -> None:
    (theirs,) = mpdta_rows[(mpdta_rows["model"] == "twfe_lpop_x_year") & (mpdta_rows["term"] == "D")].itertuples()
    ours = run(mpdta, "two_way_fixed_effects", covariates="by_period").frame().iloc[0]
    for column, number in {"estimate": theirs.est, "std_error": theirs.se, "statistic": theirs.t, "p_value": theirs.p}.items():
        close(ours[column], number)


@pytest.mark.parametrize("aggregate", ["overall", "event_time"])
@pytest.mark.parametrize("weight", [None, "pupils"])
def test_both_together_are_the_dummy_regression(aggregate: str, weight: str | None) -> None:
    """Gaps, weights, a covariate that moves over time: least squares on all dummies written out."""
    frame = pd.read_csv(GOLDEN / "panel_unbalanced.csv").assign(x=lambda f: f["deprivation"] * (1 + 0.1 * f["term"] ** 0.5))
    panel = Panel.from_frame(
        frame, "authority", "term", "first_term", "rate", weight=weight, cluster=["authority", "region"], covariates=["x"]
    )
    result = run(panel, "two_way_fixed_effects", aggregate, period_by="region", covariates="by_period")
    event = (frame["term"] - frame["first_term"]).where(frame["first_term"] > 0)
    times = [e for e in sorted(event.dropna().unique()) if e != -1]
    terms = [frame["treated"]] if aggregate == "overall" else [event == e for e in times]
    by_region = frame["region"].astype(str) + " " + frame["term"].astype(str)
    dummies = [
        pd.get_dummies(frame["authority"]),
        pd.get_dummies(by_region),
        pd.get_dummies(frame["term"]).mul(frame["x"], axis=0),
    ]
    design = np.column_stack([*terms, *dummies]).astype(float)
    root = np.sqrt(np.ones(len(frame)) if weight is None else frame[weight].to_numpy(float))
    theirs = np.linalg.lstsq(design * root[:, None], frame["rate"].to_numpy() * root, rcond=1e-10)[0]
    shown = ~result.labels["kind"].isin(["reference", "average"])
    assert result.estimates[shown] == pytest.approx(theirs[: len(terms)], rel=1e-8, abs=1e-9)
    cells = np.nan_to_num(result.panel.values[0]).ravel()
    assert result.weights @ cells == pytest.approx(result.estimates, abs=1e-10)


def test_a_cell_without_its_covariate_is_left_out() -> None:
    frame = pd.read_csv(GOLDEN / "panel.csv").assign(x=lambda f: f["deprivation"])
    gone = frame.index[5::37]
    frame.loc[gone, "x"] = np.nan
    named: dict[str, Any] = {"unit": "authority", "period": "term", "first_treated": "first_term", "outcome": "rate"}
    ours = run(Panel.from_frame(frame, **named, covariates=["x"]), "two_way_fixed_effects", covariates="by_period")
    without = frame.drop(index=gone)
    theirs = run(Panel.from_frame(without, **named, covariates=["x"]), "two_way_fixed_effects", covariates="by_period")
    assert ours.estimates == pytest.approx(theirs.estimates, rel=1e-12)
    assert ours.observations[0] == len(without)


def test_what_the_two_options_refuse() -> None:
    panel = golden_panel("panel")
    refused = estimate(panel, "two_way_fixed_effects", covariates="by_period")
    assert isinstance(refused, NotEstimable) and "no covariates" in refused.reason
    with pytest.raises(PanelError, match="no cluster 'county'"):
        estimate(panel, "two_way_fixed_effects", period_by="county")
    with pytest.raises(OptionError, match="by_period"):
        estimate(panel, "two_way_fixed_effects", covariates="level")
    (warning, *_) = run(golden_panel("panel", covariates=["deprivation"]), "two_way_fixed_effects").warnings
    assert "uses no covariates: deprivation changed nothing" in warning
    alone = estimate(panel, "two_way_fixed_effects", period_by="authority")
    assert isinstance(alone, NotEstimable) and "moves together" in alone.reason


# The rest of the packages.
@pytest.mark.parametrize(
    ("vcov", "cluster", "factor"),
    [
        ("CRV1 countyreal (default ssc)", "countyreal", "CR1"),
        ("CRV1 state", "state", "CR1"),
        ("CRV1 countyreal K.fixef=full", "countyreal", "CR1_all_effects"),
    ],
)
def test_the_two_way_number_of_mpdta(mpdta: Panel, mpdta_rows: pd.DataFrame, vcov: str, cluster: str, factor: str) -> None:
    (theirs,) = mpdta_rows[(mpdta_rows["model"] == "twfe") & (mpdta_rows["vcov"] == vcov)].itertuples()
    ours = run(mpdta, "two_way_fixed_effects").frame(cluster=cluster, factor=factor).iloc[0]
    close(ours["estimate"], theirs.est)
    close(ours["std_error"], theirs.se)


def test_the_two_way_number_of_panel153() -> None:
    theirs = read(PACKAGES / "fewtreated_lpdid_pretrends.json")
    frame = pd.read_csv(PACKAGES / "panel153.csv")
    rows = {row["vcov"]: row for row in theirs["fixest_panel153_twfe"]}
    for weight, cluster, row in (
        (None, "la", rows["CRV1_la"]),
        (None, "region", rows["CRV1_region"]),
        (
            "pupils",
            "la",
            {"est": theirs["fixest_panel153_weighted"][0]["Estimate"], "se": theirs["fixest_panel153_weighted"][0]["Std. Error"]},
        ),
    ):
        panel = panel153(frame, weight)
        ours = run(panel, "two_way_fixed_effects").frame(cluster=cluster).iloc[0]
        close(ours["estimate"], row["est"])
        close(ours["std_error"], row["se"])


def panel153(frame: pd.DataFrame, weight: str | None) -> Panel:
    return Panel.from_frame(frame, "la", "term", "cohort", "y", weight=weight, cluster=["la", "region"])


def test_anticipation_of_did(mpdta: Panel) -> None:
    theirs = read(GOLDEN / "did_mpdta.json")["anticipation1_simple"]
    ours = run(mpdta, "group_time", anticipation=1, method="unadjusted").frame(inference="influence").iloc[0]
    close(ours["estimate"], theirs["att"])
    close(ours["std_error"], theirs["se"])


KINDS = {
    "simple": ("overall", None),
    "event": ("event_time", "event_time"),
    "group": ("cohort", "cohort"),
    "calendar": ("calendar", "period"),
}


def test_etwfe_with_a_covariate_and_never_treated_is_group_time_by_regression(mpdta: Panel) -> None:
    """Its linear estimates with never treated as comparison are outcome regressions on the base before the start."""
    theirs = read(PACKAGES / "etwfe_dcdh_mpdta.json")["etwfe_ols_never_lpop"]
    matched = 0
    for kind, (aggregate, column) in KINDS.items():
        frame = run(mpdta, "group_time", aggregate, method="regression", base="universal").frame()
        frame = frame[frame["kind"] != "average"]
        for row in theirs[kind]:
            ours = frame.iloc[0] if column is None else frame[frame[column] == row["k"]].iloc[0]
            close(ours["estimate"], row["est"])
            matched += 1
    assert matched == sum(len(rows) for rows in theirs.values()) == 16


def test_sunab_with_a_covariate(shared: Path) -> None:
    """`sunab` with x1: given its coefficient, taken here from all dummies, ours are the estimates of what is left."""
    frame = pd.read_csv(shared / "data" / "did_bench" / "base_stagg.csv").astype({"year": int, "year_treated": int, "id": int})
    frame["first"] = frame["year_treated"].where(frame["year_treated"] < 1000, 0)
    event = frame["year"] - frame["first"]
    cells = (frame["first"].astype(str) + " " + event.astype(str)).where((frame["first"] > 0) & (event != -1))
    design = np.column_stack([frame["x1"], *map(pd.get_dummies, (frame["id"], frame["year"], cells))]).astype(float)
    slope = float(np.linalg.lstsq(design, frame["y"], rcond=None)[0][0])
    theirs = pd.read_csv(GOLDEN / "fixest_base_stagg_sunab.csv").set_index(["model", "term"])["est"]
    close(slope, theirs["sunab", "x1"])
    panel = Panel.from_frame(frame.assign(left=frame["y"] - slope * frame["x1"]), "id", "year", "first", "left")
    ours = run(panel, "interaction_weighted", "event_time").frame().set_index("event_time")["estimate"]
    named = {int(term.split("::")[1]): number for (model, term), number in theirs.items() if "year::" in term}
    assert len(named) == 17
    for time, number in named.items():
        close(ours[time], number)
    close(run(panel, "interaction_weighted").estimates[0], theirs["sunab_att", "ATT"])


# The ledger: where each entry of the files is matched, or why it is not; METHODS.md names the latter.
MATCHED = {
    "evaluation/test_golden.py": "twfe_authority twfe_region twfe_weighted_authority event_study staggered_cs_simple",
    "evaluation/test_never_treated.py": "did_mpdta_",
    "estimators_a/test_reference_golden.py": """poisson_twfe_offset sunab_event sunab_att did2s_static did2s_event
        imputation_static imputation_event fixest_panel153_fepois_offset""",
    "estimators_a/test_reference_mpdta.py": """bjs_static bjs_es did2s_static did2s_es lpdid_mpdta sunab sunab_att
        sunab_cohort fepois_twfe fepois_sunab fepois_sunab_att""",
    "estimators_b/test_decomposition.py": "bacon",
    "estimators_b/test_rollout.py": """staggered_simple staggered_cs_simple staggered_cohort staggered_calendar staggered_es
        staggered_cs staggered_sa""",
    "estimators_b/test_synthetic.py": "synthdid_cohort8 sdid_prop99",
    "estimators_c/test_mpdta.py": "rc_attgt rc_dr_lpop_simple",
    "estimators_d/test_switchers.py": "dcdh",
    "estimators_all/test_references.py": """twfe_region_by_term twfe_lpop_x_year twfe fixest_panel153_twfe
        fixest_panel153_weighted anticipation1_simple etwfe_ols_never_lpop fixest_base_stagg_sunab""",
}
CALLED = {"sdid_prop99": "prop99"}  # under another name in that test
ETWFE = {f"etwfe_{family}_{control}_1" for family in ("ols", "poisson") for control in ("notyet", "never")}
ARGUED = {"etwfe_ols_notyet_lpop", "etwfe_poisson_notyet_lpop", "etwfe_poisson_never_lpop", "bacon_castle", "DRDID"}
# Of inferences and bounds: the tests of those hold them.
NOT_OF_ESTIMATORS = {
    *(f"clubSandwich_CR{kind}_{cluster}" for kind in (1, 2, 3) for cluster in ("authority", "region")),
    *["crv3_region", "crv3j_region", "wild_rademacher_region_null_TRUE", "wild_rademacher_region_null_FALSE", "honest"],
    *["boot", "cluster_state_boot", "ri_few12", "conley_taber_1treated", "sign_change", "pretrends_BC"],
    *["CR2_panel153_la", "CR2_panel153_region"],
}


def entries() -> Iterator[str]:
    reference = read(GOLDEN / "reference.json")
    yield from (key for panel in PANELS for key in reference[panel])
    for path in (GOLDEN / "did_mpdta.json", *(PACKAGES / f"{name}.json" for name in FILES)):
        yield from (key for key in read(path) if key != "meta")
    yield from pd.read_csv(PACKAGES / "fixest_mpdta.csv")["model"].unique().tolist()
    yield "fixest_base_stagg_sunab"
    yield "did_mpdta_"


FILES = ("etwfe_dcdh_mpdta", "fewtreated_lpdid_pretrends", "misc_estimators")


def matched() -> set[str]:
    return {key for keys in MATCHED.values() for key in keys.split()} | ETWFE


def test_no_entry_is_left_out() -> None:
    known = matched() | ARGUED | NOT_OF_ESTIMATORS
    assert set(entries()) - known == set(), "neither matched nor argued"
    assert known - set(entries()) == set(), "not in the files any more"
    assert not (matched() & (ARGUED | NOT_OF_ESTIMATORS))


@pytest.mark.parametrize("file", MATCHED)
def test_the_tests_read_what_the_ledger_says(file: str) -> None:
    text = (TESTS / file).read_text(encoding="utf-8")
    text = text.split("# The ledger")[0]
    missing = [key for key in MATCHED[file].split() if CALLED.get(key, key) not in text]
    assert not missing, f"{file} does not read {missing}"


def test_what_is_argued_stands_on_the_page() -> None:
    missing = [key for key in ARGUED if f"`{key}`" not in PAGE]
    assert not missing, f"METHODS.md does not name {missing}"


def test_the_published_list_has_no_other_model(shared: Path) -> None:
    """`INDEX.csv` lists 83 numbers; each is of a file of the ledger."""
    with (shared / "golden" / "packages" / "INDEX.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    files = {"did_mpdta_aggte.csv", "fixest_mpdta.csv", *(f"{name}.json" for name in FILES)}
    assert {row["file"] for row in rows} <= files
    assert len(rows) == 83
