"""Never treated units against R's `did` 2.3.0 on `mpdta`, whose group column is no integer, so that `did` keeps them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evaluation import Panel, Result, estimate

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared"
DATA, REFERENCE = SHARED / "data" / "did_bench" / "mpdta.csv", SHARED / "golden" / "packages"
TYPES = {
    "simple": ("overall", "kind"),
    "dynamic": ("event_time", "event_time"),
    "group": ("cohort", "cohort"),
    "calendar": ("calendar", "period"),
}
CONTROL = {"nevertreated": "never_treated", "notyettreated": "not_yet_treated"}
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="../shared with mpdta.csv is not here")


@pytest.fixture(scope="module")
def panel() -> Panel:
    return Panel.from_frame(pd.read_csv(DATA), "countyreal", "year", "first.treat", "lemp")


def run(panel: Panel, aggregate: str, control: str, base: str) -> pd.DataFrame:
    result = estimate(panel, "group_time", aggregate=aggregate, control=CONTROL[control], base=base)
    assert isinstance(result, Result)
    return result.frame(inference="influence")


def close(ours: float, theirs: float) -> bool:
    return bool(np.isnan(ours)) if np.isnan(theirs) else bool(abs(ours - theirs) <= 1e-6 * abs(theirs))


def calls(kind: str) -> Iterator[tuple[str, str, list[Any]]]:
    rows = pd.read_csv(REFERENCE / f"did_mpdta_{kind}.csv", na_values=["NA"])
    rows = rows[rows["xformla"] == "~1"]
    for control in CONTROL:
        for base in ("varying", "universal"):
            yield control, base, list(rows[(rows["control_group"] == control) & (rows["base_period"] == base)].itertuples())


def test_group_time_effects(panel: Panel) -> None:
    matched = 0
    for control, base, rows in calls("attgt"):
        ours = {(row.cohort, row.period): row for row in run(panel, "cells", control, base).itertuples()}
        assert set(ours) == {(row.group, row.t) for row in rows}
        for row in rows:
            mine: Any = ours[row.group, row.t]
            assert close(mine.estimate, row.att) and close(mine.std_error, row.se), row
            matched += 1
    assert matched == 162


def test_aggregates(panel: Panel) -> None:
    matched = 0
    for control, base, rows in calls("aggte"):
        for kind, (aggregate, column) in TYPES.items():
            table = run(panel, aggregate, control, base)
            ours = {np.nan if pd.isna(getattr(row, column)) else getattr(row, column): row for row in table.itertuples()}
            whole: Any = list(table.itertuples())[-1]
            for row in (row for row in rows if row.type == kind):
                mine: Any = whole if np.isnan(row.egt) else ours[row.egt]
                assert close(mine.estimate, row.att) and close(mine.std_error, row.se), row
                matched += 1
    assert matched == 222
