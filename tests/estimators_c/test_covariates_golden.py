"""Every row of R's `did` 2.3.0 with the covariate `~deprivation`, on both golden panels (METHODS.md, "Reference numbers").

On the balanced panel estimates and errors agree to 1e-6. On the unbalanced one two faults of the R packages stand between its
errors and ours; each is rebuilt here apart from our code, so that every error is matched by committing the faults, and ours by
not committing them:
- `DRDID::drdid_rc` 1.2.3 adds the influence of the earlier period's regression with the wrong sign;
- `did` 2.3.0 puts the influence of estimated shares on other units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evaluation import Panel, Result, estimate

TOLERANCE = 1e-6
GOLDEN = Path(__file__).resolve().parents[1] / "golden"
PANELS = ("panel", "panel_unbalanced")
ROWS = {"attgt": 468, "aggte": 566}
METHOD = {"dr": "doubly_robust", "ipw": "ipw", "reg": "regression"}
TYPES = {
    "simple": ("overall", None),
    "dynamic": ("event_time", "event_time"),
    "group": ("cohort", "cohort"),
    "calendar": ("calendar", "period"),
}
KEYS = ["est_method", "control_group", "weights", "base_period", "anticipation"]
Call = tuple[str, str, str, str, int]
Drdid = Callable[..., tuple[float, np.ndarray]]


@cache
def frame(panel: str) -> pd.DataFrame:
    return pd.read_csv(GOLDEN / f"{panel}.csv")


def with_covariate(panel: str, kind: str) -> pd.DataFrame:
    rows = pd.read_csv(GOLDEN / f"{panel}_did_{kind}.csv", keep_default_na=False, na_values=["NA"])
    return rows[rows["xformla"] == "~deprivation"]


def by_call(rows: pd.DataFrame) -> Iterator[tuple[Call, pd.DataFrame]]:
    for key, part in rows.groupby(KEYS):
        method, control, weights, base, ahead = map(str, key)
        yield (method, control, weights, base, int(ahead)), part


@cache
def as_did(panel: str, call: Call, aggregate: str) -> Result:
    """What `did` 2.3.0 estimated: it lost the never treated of these files, so the last cohort compares."""
    method, control, weights, base, ahead = call
    whole = frame(panel)
    rows, ours = (whole, "last_treated") if control == "nevertreated" else (whole[whole["first_term"] > 0], "not_yet_treated")
    weight = None if weights == "none" else weights
    built = Panel.from_frame(rows, "authority", "term", "first_term", "rate", weight=weight, covariates=["deprivation"])
    result = estimate(
        built,
        "group_time",
        aggregate=aggregate,
        method=METHOD[method],
        control=ours,
        base=base,
        anticipation=ahead,
        unbalanced="rows" if panel == "panel_unbalanced" else "pairs",
    )
    assert isinstance(result, Result)
    return result


def close(ours: float, theirs: float) -> bool:
    return bool(abs(ours - theirs) <= TOLERANCE * abs(theirs))


def same_error(ours: float, theirs: float) -> bool:
    return bool(np.isnan(ours)) if np.isnan(theirs) else close(ours, theirs)


def error_of(score: np.ndarray) -> float:
    """√Σψ², missing below 1.5e-7 as in `did`."""
    error = float(np.sqrt(score @ score))
    return error if error > 1.5e-7 else np.nan


def by_authority(
    drdid: Drdid, rows: pd.DataFrame, group: int, late: int, weight: str, sign: float = -1.0
) -> tuple[float, pd.Series]:
    """Effect of one cell from its rows, and influence added up by authority."""
    x = np.column_stack([np.ones(len(rows)), rows["deprivation"]])
    w = np.ones(len(rows)) if weight == "none" else rows[weight].to_numpy(float)
    numbers = (rows["rate"], rows["term"] == late, rows["first_term"] == group)
    effect, influence = drdid(*(column.to_numpy(float) for column in numbers), x, w, sign)
    return effect, pd.Series(influence, index=rows["authority"]).groupby(level=0).sum()


def rebuilt(drdid: Drdid, call: Call, sign: float) -> tuple[np.ndarray, np.ndarray]:
    """Doubly robust effects of the unbalanced panel and their scores (units × effects), cell by cell."""
    _, control, weight, _, ahead = call
    cells = as_did("panel_unbalanced", call, "cells")
    whole = frame("panel_unbalanced")
    whole = whole[(whole["first_term"] > 0) & whole["authority"].isin(cells.units)]
    last = whole["first_term"].max()
    effects, scores = [], []
    for group, late in zip(cells.labels["cohort"], cells.labels["period"], strict=True):
        base = group - ahead - 1 if late >= group or cells.options["base"] == "universal" else late - 1
        if late == base:
            effects.append(0.0)
            scores.append(np.zeros(len(cells.units)))
            continue
        start = whole["first_term"]
        compare = start == last if control == "nevertreated" else (start > max(late, base) + ahead) & (start != group)
        rows = whole[whole["term"].isin([late, base]) & (compare | (start == group))]
        effect, score = by_authority(drdid, rows, group, late, weight, sign)
        effects.append(effect)
        scores.append(score.reindex(list(cells.units), fill_value=0.0).to_numpy())
    return np.array(effects), np.column_stack(scores)


def test_the_balanced_panel_effect_by_effect() -> None:
    matched = 0
    rows = with_covariate("panel", "attgt")
    for call, theirs in by_call(rows):
        ours = as_did("panel", call, "cells").frame(inference="influence").set_index(["cohort", "period"])
        assert len(ours) == len(theirs)
        for row in list[Any](theirs.itertuples()):
            mine: Any = ours.loc[(row.group, row.t)]
            assert close(mine["estimate"], row.att) and same_error(mine["std_error"], row.se), row
            matched += 1
    assert matched == len(rows) == ROWS["attgt"]


# Errors that differ from ours because of the sign in `drdid_rc`: every doubly robust effect but those that are 0 by construction.
WRONG_SIGN = 184


def test_the_unbalanced_panel_effect_by_effect(drdid: Drdid) -> None:
    matched = wrong = 0
    rows = with_covariate("panel_unbalanced", "attgt")
    for call, theirs in by_call(rows):
        result = as_did("panel_unbalanced", call, "cells")
        ours = result.frame(inference="influence").set_index(["cohort", "period"])
        assert len(ours) == len(theirs)
        again = rebuilt(drdid, call, +1.0)[1] if call[0] == "dr" else result.scores
        position = {label: k for k, label in enumerate(ours.index)}
        for row in list[Any](theirs.itertuples()):
            mine: Any = ours.loc[(row.group, row.t)]
            assert close(mine["estimate"], row.att), row
            assert same_error(error_of(again[:, position[row.group, row.t]]), row.se), row
            wrong += not same_error(mine["std_error"], row.se)
            matched += 1
    assert matched == len(rows) == ROWS["attgt"]
    assert wrong == WRONG_SIGN


def test_our_doubly_robust_scores_are_the_formula_with_the_right_sign(drdid: Drdid) -> None:
    calls = [call for call, _ in by_call(with_covariate("panel_unbalanced", "attgt")) if call[0] == "dr"]
    assert len(calls) == 12
    for call in calls:
        ours, (effects, scores) = as_did("panel_unbalanced", call, "cells"), rebuilt(drdid, call, -1.0)
        assert ours.estimates == pytest.approx(effects, rel=1e-8, abs=1e-10)
        assert ours.scores == pytest.approx(scores, rel=1e-7, abs=1e-9)


def test_the_right_sign_is_that_of_the_derivative(drdid: Drdid) -> None:
    # A row's influence is what the effect gains when its weight grows: had by differences, without any formula for influence.
    whole, late, group = frame("panel_unbalanced"), 7, 6
    rows = whole[whole["term"].isin([late, group - 1]) & whole["first_term"].isin([group, 10])].reset_index(drop=True)
    (_, right), (_, wrong) = (by_authority(drdid, rows, group, late, "none", sign) for sign in (-1.0, 1.0))
    moved = {}
    for unit in rows["authority"].unique():
        step = 1e-5 * (rows["authority"] == unit)
        up, down = (by_authority(drdid, rows.assign(weight=1 + way * step), group, late, "weight")[0] for way in (1, -1))
        moved[unit] = (up - down) / 2e-5
    derivative = pd.Series(moved).reindex(right.index)
    assert right.to_numpy() == pytest.approx(derivative.to_numpy(), rel=1e-6, abs=1e-7)
    assert np.abs(wrong - derivative).max() > 0.005


def aggregated_score(cells: Result, scores: np.ndarray, kind: str, at: float, order: np.ndarray | None = None) -> np.ndarray:
    """An aggregate's score from those of the cells; `order` says on which unit each share's influence is put."""
    cohort, period = cells.labels["cohort"].to_numpy(int), cells.labels["period"].to_numpy(int)
    given, seen = cells.panel.weights[0], cells.panel.weights[0] > 0
    own = cells.options["unbalanced"] == "rows"
    size = given.sum(axis=1) / seen.sum(axis=1) if own else given[np.arange(len(given)), seen.argmax(axis=1)]
    count = len(cells.panel.periods)
    starts = np.array([cells.panel.periods[g] if g < count else 0 for g in cells.panel.cohort])
    member = (starts[:, None] == cohort).astype(float)
    post = period >= cohort

    def placed(moved: np.ndarray) -> np.ndarray:
        out = moved.copy()
        if order is not None:
            out[order] = moved
        return out

    def weighted(keep: np.ndarray) -> np.ndarray:
        share = np.where(keep, size @ member, 0.0)
        effect = share @ cells.estimates / share.sum()
        moved = size * (np.where(keep, member, 0.0) @ (cells.estimates - effect)) / share.sum()
        return np.asarray(scores @ (share / share.sum()) + placed(moved))

    if kind == "simple":
        return weighted(post)
    if kind in ("dynamic", "calendar"):
        label = period - cohort if kind == "dynamic" else period
        times = np.unique(label[post]) if np.isnan(at) else [int(at)]
        keep = np.ones(len(post), bool) if kind == "dynamic" else post
        return np.asarray(np.mean([weighted(keep & (label == e)) for e in times], axis=0))
    groups = [g for g in np.unique(cohort) if (post & (cohort == g)).any()] if np.isnan(at) else [int(at)]
    keeps = [post & (cohort == g) for g in groups]
    effects = np.array([cells.estimates[keep].mean() for keep in keeps])
    share = np.array([size[starts == g].sum() for g in groups])
    means = np.column_stack([scores[:, keep].mean(axis=1) for keep in keeps]) @ (share / share.sum())
    if not np.isnan(at):
        return np.asarray(means)
    belongs = np.column_stack([starts == g for g in groups]).astype(float)
    return np.asarray(means + placed(size * (belongs @ (effects - share @ effects / share.sum())) / share.sum()))


def first_appearance(cells: Result) -> np.ndarray:
    """Units in the order of `did`'s influence function: by first period observed, then cohort, then unit."""
    first = (cells.panel.weights[0] > 0).argmax(axis=1)
    return np.lexsort((np.arange(len(first)), cells.panel.cohort, first))


# Aggregated errors of the unbalanced panel that the two faults change.
FAULTY = {"panel": 0, "panel_unbalanced": 424}


@pytest.mark.parametrize("panel", PANELS)
def test_every_aggregate(drdid: Drdid, panel: str) -> None:
    rows = with_covariate(panel, "aggte")
    matched = faulty = 0
    for call, theirs in by_call(rows):
        cells = as_did(panel, call, "cells")
        faults = panel == "panel_unbalanced"
        scores = rebuilt(drdid, call, +1.0)[1] if faults and call[0] == "dr" else cells.scores
        order = first_appearance(cells) if faults else None
        for kind, (aggregate, column) in TYPES.items():
            ours = as_did(panel, call, aggregate).frame(inference="influence")
            part: list[Any] = list(theirs[theirs["type"] == kind].itertuples())
            assert len(ours) == len(part), kind
            for row in part:
                mine = ours.iloc[-1] if np.isnan(row.egt) else ours[ours[column] == row.egt].iloc[0]
                assert close(mine["estimate"], row.att), row
                right = error_of(aggregated_score(cells, cells.scores, kind, row.egt))
                assert right == pytest.approx(mine["std_error"], rel=1e-12, nan_ok=True), row
                assert same_error(error_of(aggregated_score(cells, scores, kind, row.egt, order)), row.se), row
                faulty += not same_error(mine["std_error"], row.se)
                matched += 1
    assert matched == len(rows) == ROWS["aggte"]
    assert faulty == FAULTY[panel]
