"""Estimates and errors equal to those of the R packages (see METHODS.md, "Reference numbers"), every row counted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from linearmodels.panel import PanelOLS

from evaluation import Panel, Result, estimate

TOLERANCE = 1e-6
Call = tuple[str, str, str, int]
Frame = Callable[[str], pd.DataFrame]
PANELS = ("panel", "panel_unbalanced")
# Rows of each reference file without covariates: estimators dr, ipw and reg are one and the same there, and all are matched.
ROWS = {"attgt": 468, "aggte": 566}
TYPES = {
    "simple": ("overall", None),
    "dynamic": ("event_time", "event_time"),
    "group": ("cohort", "cohort"),
    "calendar": ("calendar", "period"),
}
KEYS = ["est_method", "control_group", "weights", "base_period", "anticipation"]


def lines(frame: pd.DataFrame) -> list[Any]:
    return list(frame.itertuples())


def close(ours: float, theirs: float) -> bool:
    return bool(abs(ours - theirs) <= TOLERANCE * abs(theirs))


def same_error(ours: float, theirs: float) -> bool:
    return bool(np.isnan(ours)) if np.isnan(theirs) else close(ours, theirs)


@pytest.fixture(scope="module")
def reference(golden: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((golden / "reference.json").read_text(encoding="utf-8"))
    return read


def without_covariates(golden: Path, panel: str, kind: str) -> pd.DataFrame:
    rows = pd.read_csv(golden / f"{panel}_did_{kind}.csv", keep_default_na=False, na_values=["NA"])
    return rows[rows["xformla"] == "~1"]


def by_call(rows: pd.DataFrame) -> Iterator[tuple[Call, pd.DataFrame]]:
    """Rows of each call of `att_gt`: (control, weights, base, anticipation), once for each estimation method."""
    for key, part in rows.groupby(KEYS):
        _, control, weights, base, ahead = map(str, key)
        yield (control, weights, base, int(ahead)), part


def as_did(frame: pd.DataFrame, panel: str, control: str, weights: str, base: str, ahead: int, aggregate: str) -> Result:
    """What `did` 2.3.0 estimated: it lost the never treated of these files (see METHODS.md), so the last cohort compares."""
    rows, ours = (frame, "last_treated") if control == "nevertreated" else (frame[frame["first_term"] > 0], "not_yet_treated")
    weight = None if weights == "none" else weights
    built = Panel.from_frame(rows, "authority", "term", "first_term", "rate", weight=weight, cluster="region")
    unbalanced = "rows" if panel == "panel_unbalanced" else "pairs"
    result = estimate(
        built, "group_time", aggregate=aggregate, control=ours, base=base, anticipation=ahead, unbalanced=unbalanced
    )
    assert isinstance(result, Result)
    return result


@pytest.mark.parametrize("panel", PANELS)
def test_every_group_time_effect_of_did(golden: Path, golden_frame: Frame, panel: str) -> None:
    rows, frame = without_covariates(golden, panel, "attgt"), golden_frame(panel)
    matched = 0
    for key, theirs in by_call(rows):
        result = as_did(frame, panel, *key, "cells")
        ours = result.frame(inference="influence").set_index(["cohort", "period"])
        assert len(ours) == len(theirs), "a cell that the reference does not have"
        for row in lines(theirs):
            mine: Any = ours.loc[(row.group, row.t)]
            assert close(mine["estimate"], row.att), row
            assert same_error(mine["std_error"], row.se), row
            matched += 1
    assert matched == len(rows) == ROWS["attgt"]


@pytest.mark.parametrize("panel", PANELS)
def test_every_aggregate_of_did(golden: Path, golden_frame: Frame, panel: str) -> None:
    rows, frame = without_covariates(golden, panel, "aggte"), golden_frame(panel)
    matched = misplaced = 0
    for key, theirs in by_call(rows):
        cells = as_did(frame, panel, *key, "cells")
        for kind, mine, row in pairs(frame, panel, key, theirs):
            assert close(mine["estimate"], row.att), row
            again = aggregated_error(cells, kind, row.egt)
            assert again == pytest.approx(mine["std_error"], rel=1e-12, nan_ok=True), row
            if panel == "panel":
                assert same_error(mine["std_error"], row.se), row
            else:  # `did` 2.3.0 adds the influence of shares to the wrong units: its error is had only by doing the same
                assert same_error(aggregated_error(cells, kind, row.egt, order=first_appearance(cells)), row.se), row
                misplaced += not same_error(mine["std_error"], row.se)
            matched += 1
    assert matched == len(rows) == ROWS["aggte"]
    assert misplaced == (0 if panel == "panel" else MISPLACED)


MISPLACED = 328  # errors of `panel_unbalanced_did_aggte.csv` that `did` 2.5 gives otherwise


def pairs(frame: pd.DataFrame, panel: str, key: Call, theirs: pd.DataFrame) -> Iterator[tuple[str, pd.Series, Any]]:
    for kind, (aggregate, column) in TYPES.items():
        ours = as_did(frame, panel, *key, aggregate).frame(inference="influence")
        rows = lines(theirs[theirs["type"] == kind])
        assert len(ours) == len(rows), f"{kind}: {len(ours)} rows for {len(rows)}"
        for row in rows:
            whole = np.isnan(row.egt)
            yield kind, ours.iloc[-1] if whole else ours[ours[column] == row.egt].iloc[0], row


def first_appearance(cells: Result) -> np.ndarray:
    """Units in the order of `did`'s influence function: by first period observed, then cohort, then unit."""
    first = (cells.panel.weights[0] > 0).argmax(axis=1)
    return np.lexsort((np.arange(len(first)), cells.panel.cohort, first))


def aggregated_error(cells: Result, kind: str, at: float, order: np.ndarray | None = None) -> float:
    """An aggregate's error, worked out from the cells again; `order` says on which unit each share's influence is put."""
    labels, panel = cells.labels, cells.panel
    cohort, period = labels["cohort"].to_numpy(int), labels["period"].to_numpy(int)
    given, seen = panel.weights[0], panel.weights[0] > 0
    own = cells.options["unbalanced"] == "rows"
    size = given.sum(axis=1) / seen.sum(axis=1) if own else given[np.arange(len(given)), seen.argmax(axis=1)]
    starts = np.array([panel.periods[g] if g < len(panel.periods) else 0 for g in panel.cohort])
    member = starts[:, None] == cohort
    post = period >= cohort

    def weighted(keep: np.ndarray) -> np.ndarray:
        share = np.where(keep, size @ member, 0.0)
        effect = share @ cells.estimates / share.sum()
        moved = size * (np.where(keep, member, 0.0) @ (cells.estimates - effect)) / share.sum()
        placed = moved if order is None else np.empty_like(moved)
        if order is not None:
            placed[order] = moved
        return cells.scores @ (share / share.sum()) + placed

    def cohort_mean(keep: np.ndarray) -> np.ndarray:
        return cells.scores[:, keep].mean(axis=1)

    if kind == "simple":
        score = weighted(post)
    elif kind == "dynamic":
        event = period - cohort
        times = np.unique(event[post]) if np.isnan(at) else [int(at)]
        score = np.mean([weighted(event == e) for e in times], axis=0)
    elif kind == "calendar":
        times = np.unique(period[post]) if np.isnan(at) else [int(at)]
        score = np.mean([weighted(post & (period == t)) for t in times], axis=0)
    elif np.isnan(at):
        score = whole_of_cohorts(cells, size, starts, order)
    else:
        score = cohort_mean(post & (cohort == at))
    error = float(np.sqrt(score @ score))
    return error if error > 1e-7 else np.nan


def whole_of_cohorts(cells: Result, size: np.ndarray, starts: np.ndarray, order: np.ndarray | None) -> np.ndarray:
    cohort, period = cells.labels["cohort"].to_numpy(int), cells.labels["period"].to_numpy(int)
    groups = [g for g in np.unique(cohort) if ((cohort == g) & (period >= cohort)).any()]
    keeps = [(cohort == g) & (period >= cohort) for g in groups]
    effects = np.array([cells.estimates[keep].mean() for keep in keeps])
    share = np.array([size[starts == g].sum() for g in groups])
    effect = share @ effects / share.sum()
    moved = size * (np.column_stack([starts == g for g in groups]).astype(float) @ (effects - effect)) / share.sum()
    placed = moved if order is None else np.empty_like(moved)
    if order is not None:
        placed[order] = moved
    return np.column_stack([cells.scores[:, keep].mean(axis=1) for keep in keeps]) @ (share / share.sum()) + placed


def two_way(frame: pd.DataFrame, weight: str | None = None, aggregate: str = "overall") -> Result:
    panel = Panel.from_frame(frame, "authority", "term", "first_term", "rate", weight=weight, cluster=["authority", "region"])
    result = estimate(panel, "two_way_fixed_effects", aggregate=aggregate)
    assert isinstance(result, Result)
    return result


@pytest.mark.parametrize("panel", PANELS)
@pytest.mark.parametrize(
    ("name", "weight", "cluster"),
    [
        ("twfe_authority", None, "authority"),
        ("twfe_region", None, "region"),
        ("twfe_weighted_authority", "pupils", "authority"),
    ],
)
def test_static_two_way_of_fixest(
    golden_frame: Frame, reference: dict[str, Any], panel: str, name: str, weight: str | None, cluster: str
) -> None:
    (theirs,) = reference[panel][name]
    (ours,) = lines(two_way(golden_frame(panel), weight).frame(cluster=cluster))
    assert close(ours.estimate, theirs["Estimate"])
    assert close(ours.std_error, theirs["Std. Error"])
    assert close(ours.statistic, theirs["t value"])
    assert close(ours.p_value, theirs["Pr(>|t|)"])


@pytest.mark.parametrize("panel", PANELS)
def test_event_study_of_fixest(golden_frame: Frame, reference: dict[str, Any], panel: str) -> None:
    theirs = {int(row["term_name"].split("::")[1]): row for row in reference[panel]["event_study"]}
    table = two_way(golden_frame(panel), aggregate="event_time").frame().dropna(subset="std_error")
    ours = {row.event_time: row for row in lines(table[table["kind"] != "average"])}
    assert len(theirs) == len(ours) == 15
    for time, row in theirs.items():
        assert close(ours[time].estimate, row["Estimate"]), time
        assert close(ours[time].std_error, row["Std. Error"]), time
        assert close(ours[time].p_value, row["Pr(>|t|)"]), time


def test_covariance_of_the_event_study_of_fixest(golden_frame: Frame, reference: dict[str, Any]) -> None:
    theirs = reference["panel"]["honest"]
    result = two_way(golden_frame("panel"), aggregate="event_time")
    rows = [k for e in theirs["events"] for k in np.flatnonzero((result.labels["event_time"] == e).fillna(False))]
    assert len(rows) == 7
    ours = result.inference(cluster="authority").covariance[np.ix_(rows, rows)]
    assert result.estimates[rows] == pytest.approx(theirs["betahat"], rel=TOLERANCE)
    assert ours == pytest.approx(np.array(theirs["sigma"]), rel=TOLERANCE)


@pytest.mark.parametrize("panel", PANELS)
@pytest.mark.parametrize("weight", [None, "pupils"])
@pytest.mark.parametrize("cluster", ["authority", "region"])
def test_static_two_way_of_linearmodels(golden_frame: Frame, panel: str, weight: str | None, cluster: str) -> None:
    frame = golden_frame(panel)
    indexed = frame.set_index(["authority", "term"])
    weights = None if weight is None else indexed[weight]
    model = PanelOLS(indexed["rate"], indexed[["treated"]].astype(float), weights=weights, entity_effects=True, time_effects=True)
    theirs = model.fit(
        cov_type="clustered",
        clusters=frame.set_index(["authority", "term"], drop=False)[[cluster]],
        count_effects=True,
        group_debias=True,
    )
    result = two_way(frame, weight)
    ours = result.frame(cluster=cluster, factor="CR1_all_effects").iloc[0]
    assert ours["estimate"] == pytest.approx(theirs.params["treated"], rel=1e-9)
    assert ours["std_error"] == pytest.approx(theirs.std_errors["treated"], rel=1e-9)


def test_event_study_of_linearmodels(golden_frame: Frame) -> None:
    frame = golden_frame("panel_unbalanced")
    result = two_way(frame, aggregate="event_time")
    event = (frame["term"] - frame["first_term"]).where(frame["first_term"] > 0)
    times = [int(e) for e in sorted(event.dropna().unique()) if e != -1]
    columns = pd.DataFrame({f"e{e}": (event == e).astype(float) for e in times})
    indexed = frame.assign(**columns).set_index(["authority", "term"])
    theirs = PanelOLS(indexed["rate"], indexed[list(columns)], entity_effects=True, time_effects=True).fit(
        cov_type="clustered", cluster_entity=True, count_effects=True, group_debias=True
    )
    ours = result.frame(factor="CR1_all_effects")
    ours = ours[~ours["kind"].isin(["reference", "average"])].set_index("event_time")
    assert len(times) == len(ours) == 15
    assert ours["estimate"].to_numpy() == pytest.approx(theirs.params.to_numpy(), rel=1e-9, abs=1e-9)
    assert ours["std_error"].to_numpy() == pytest.approx(theirs.std_errors.to_numpy(), rel=1e-9)


def test_not_yet_treated_overall_of_staggered(golden_frame: Frame, reference: dict[str, Any]) -> None:
    # `staggered_cs` keeps the never treated among those not yet treated: the one reference here that has both.
    (theirs,) = reference["panel"]["staggered_cs_simple"]
    panel = Panel.from_frame(golden_frame("panel"), "authority", "term", "first_term", "rate")
    result = estimate(panel, "group_time", control="not_yet_treated")
    assert isinstance(result, Result)
    assert close(result.estimates[0], theirs["estimate"])
