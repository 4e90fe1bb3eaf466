"""Entries of the packages on the public set mpdta; skipped where ../shared is missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evaluation import Panel, Result

Make = Callable[[str], Panel]
Run = Callable[..., Result]
Close = Callable[..., None]
AGGREGATES = {
    "simple": ("overall", None),
    "event": ("event_time", "event_time"),
    "group": ("cohort", "cohort"),
    "calendar": ("calendar", "period"),
}
# etwfe's Poisson errors take their covariance from fixest's fit, which ends at a deviance tolerance of 1e-8 and uses the weights
# of the step before its last: test_etwfe_errors_are_had_by_ending_where_fixest_ends. Slopes are numerical (marginaleffects),
# which leaves up to 1.3e-6 of the linear errors too. Ours are exact: test_oracles.py holds them to a full delta method.
ROUNDED = {"ols": 2e-6, "poisson": 5e-5}


def test_imputation_is_didimputation(mpdta: Make, run: Run, package: Any, close: Close) -> None:
    theirs = package("misc_estimators.json")
    frame = run(mpdta("lemp"), "imputation").frame(factor="none")
    close(frame["estimate"][0], theirs["bjs_static"][0]["estimate"], "static")
    close(frame["std_error"][0], theirs["bjs_static"][0]["std.error"], "static")
    result = run(mpdta("lemp"), "imputation", "event_time", pretrends=3)
    bare, full = result.frame(factor="none").set_index("event_time"), result.frame().set_index("event_time")
    for row in theirs["bjs_es"]:
        event = int(row["term"])
        close(bare.loc[event, "estimate"], row["estimate"], event)
        close((full if event < 0 else bare).loc[event, "std_error"], row["std.error"], event)
    assert len(theirs["bjs_es"]) == 7 == len(bare) - 1


def test_two_stage_is_did2s(mpdta: Make, run: Run, package: Any, close: Close) -> None:
    theirs = package("misc_estimators.json")
    frame = run(mpdta("lemp"), "two_stage").frame(factor="none")
    close(frame["estimate"][0], theirs["did2s_static"][0]["est"], "static")
    close(frame["std_error"][0], theirs["did2s_static"][0]["se"], "static")
    event = run(mpdta("lemp"), "two_stage", "event_time").frame(factor="none").set_index("event_time")
    for row in theirs["did2s_es"]:
        at = int(row["term"].removeprefix("rel::"))
        close(event.loc[at, "estimate"], row["est"], at)
        close(event.loc[at, "std_error"], row["se"], at)
    assert len(theirs["did2s_es"]) == 7 == len(event) - 1


def fixest_rows(rows: pd.DataFrame, model: str) -> pd.DataFrame:
    found = rows[rows["model"] == model]
    assert len(found)
    return found


@pytest.mark.parametrize(
    ("model", "name", "aggregate", "options"),
    [
        ("sunab", "interaction_weighted", "event_time", {}),
        ("sunab_att", "interaction_weighted", "overall", {}),
        ("sunab_cohort", "interaction_weighted", "cohort", {}),
        ("fepois_sunab", "extended_two_way", "event_time", {"control": "never_treated"}),
        ("fepois_sunab_att", "extended_two_way", "overall", {"control": "never_treated"}),
        ("fepois_twfe", "extended_two_way", "overall", {"model": "static"}),
    ],
)
def test_cohort_models_of_fixest(
    mpdta: Make, run: Run, package_rows: Any, close: Close, model: str, name: str, aggregate: str, options: dict[str, Any]
) -> None:
    poisson = {"family": "poisson", "scale": "log"} if model.startswith("fepois") else {}
    frame = run(mpdta("emp" if poisson else "lemp"), name, aggregate, **options, **poisson).frame()
    frame = frame[frame["kind"].isin(["pre", "post", "overall"])].reset_index(drop=True)
    rows = fixest_rows(package_rows("fixest_mpdta.csv"), model)
    assert len(rows) == len(frame)
    for mine, theirs in zip(frame.to_dict("records"), rows.to_dict("records"), strict=True):
        if "event_time" in mine:
            assert theirs["term"] == f"year::{mine['event_time']}"
        close(mine["estimate"], theirs["est"], theirs["term"])
        close(mine["std_error"], theirs["se"], theirs["term"])


@pytest.mark.parametrize("kind", AGGREGATES)
@pytest.mark.parametrize("control", ["notyet", "never"])
@pytest.mark.parametrize("family", ["ols", "poisson"])
def test_extended_two_way_is_etwfe(
    mpdta: Make, run: Run, package: Any, close: Close, family: str, control: str, kind: str
) -> None:
    rows = package("etwfe_dcdh_mpdta.json")[f"etwfe_{family}_{control}_1"][kind]
    aggregate, column = AGGREGATES[kind]
    options = {
        "control": {"notyet": "not_yet_treated", "never": "never_treated"}[control],
        "family": {"ols": "gaussian"}.get(family, family),
        "effects": "cohort",
    }
    frame = run(mpdta({"ols": "lemp", "poisson": "emp"}[family]), "extended_two_way", aggregate, **options).frame()
    frame = frame[frame["kind"] != "average"]
    assert len(frame) == len(rows), "a row that is not matched"
    for row in rows:
        mine = frame.iloc[0] if column is None else frame[frame[column] == row["k"]].iloc[0]
        if "se" not in row:
            assert row["est"] == 0 == mine["estimate"] and mine["kind"] == "reference" and np.isnan(mine["std_error"])
            continue
        close(mine["estimate"], row["est"], row)
        close(mine["std_error"], row["se"], row, ROUNDED[family])


def cohort_dummies(cohort: np.ndarray, year: np.ndarray, cells: list[tuple[int, int]], on: float) -> np.ndarray:
    starts, years = np.unique(cohort[cohort > 0]), np.unique(year)[1:]
    own = [on * ((cohort == g) & (year == t)) for g, t in cells]
    return np.column_stack([np.ones(len(year)), *[cohort == g for g in starts], *[year == t for t in years], *own]).astype(float)


def ended_early(x: np.ndarray, y: np.ndarray, unit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients and clustered covariance of a Poisson fit that begins and ends as fixest's does."""

    def deviance(mean: np.ndarray) -> float:
        return float(2 * (y * np.log(y / mean) - (y - mean)).sum())

    mean = y + 0.1
    before, moved = deviance(mean), np.inf
    while moved >= 1e-8:
        weight, working = mean, np.log(mean) + (y - mean) / mean
        inverse = np.linalg.inv(x.T @ (x * weight[:, None]))
        b = inverse @ (x.T @ (weight * working))
        score, mean = weight * (working - x @ b), np.exp(x @ b)
        moved, before = abs(deviance(mean) - before) / (0.1 + abs(deviance(mean))), deviance(mean)
    sums = pd.DataFrame(x * score[:, None]).groupby(unit).sum().to_numpy()
    (rows, k), units = x.shape, len(sums)
    return b, inverse @ (sums.T @ sums) @ inverse * units / (units - 1) * (rows - 1) / (rows - k)


@pytest.mark.parametrize("control", ["notyet", "never"])
def test_etwfe_errors_are_had_by_ending_where_fixest_ends(mpdta: Make, package: Any, control: str) -> None:
    panel = mpdta("emp")
    count, periods = panel.values[0].shape
    years = np.array(panel.periods)
    first = np.array([0 if g >= periods else years[g] for g in panel.cohort])
    unit, year, cohort = np.repeat(np.arange(count), periods), np.tile(years, count), np.repeat(first, periods)
    cells = [(g, t) for g in np.unique(first[first > 0]) for t in years if (t >= g if control == "notyet" else t != g - 1)]
    b, covariance = ended_early(cohort_dummies(cohort, year, cells, 1), panel.values[0].ravel(), unit)
    rows = package("etwfe_dcdh_mpdta.json")[f"etwfe_poisson_{control}_1"]
    for kind in ("simple", "event"):
        for row in (r for r in rows[kind] if r.get("k", 0) >= 0):
            at = (cohort > 0) & (year >= cohort) & ((year - cohort == row["k"]) if "k" in row else True)
            with_reform, without = (cohort_dummies(cohort, year, cells, on)[at] for on in (1, 0))
            up, down = np.exp(with_reform @ b), np.exp(without @ b)
            slope = (up @ with_reform - down @ without) / at.sum()
            assert (up - down).mean() == pytest.approx(row["est"], rel=2e-9)
            assert np.sqrt(slope @ covariance @ slope) == pytest.approx(row["se"], rel=4e-6 if row.get("k") == 1 else 2e-6)


def test_local_projections_are_the_published_rows(mpdta: Make, run: Run, package: Any, close: Close) -> None:
    result = run(mpdta("lemp"), "local_projections", "event_time")
    frame = result.frame().set_index("event_time")
    rows = package("fewtreated_lpdid_pretrends.json")["lpdid_mpdta"]
    for row in rows:
        close(frame.loc[row["h"], "estimate"], row["beta"], row["h"])
        close(frame.loc[row["h"], "std_error"], row["se"], row["h"])
        at = result.labels["event_time"].tolist().index(row["h"])
        assert int(result.support[:, at].sum()) == row["n_treated"]
    assert {row["h"] for row in rows} == set(result.labels["event_time"].dropna()) - {-1, -4}
    assert result.labels["event_time"].min() == -4, "one horizon more than the reference has: the first period of the last cohort"
