"""R's `did` 2.3.0 on `mpdta` with `~lpop`: as a panel, and as repeated cross-sections (skipped without ../shared)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evaluation import Panel, Result, estimate

TYPES = {
    "simple": ("overall", "kind"),
    "dynamic": ("event_time", "event_time"),
    "group": ("cohort", "cohort"),
    "calendar": ("calendar", "period"),
}
METHOD = {"dr": "doubly_robust", "ipw": "ipw", "reg": "regression"}
CONTROL = {"nevertreated": "never_treated", "notyettreated": "not_yet_treated"}


@pytest.fixture(scope="module")
def rows(shared: Path) -> pd.DataFrame:
    return pd.read_csv(shared / "data" / "did_bench" / "mpdta.csv")


@pytest.fixture(scope="module")
def panel(rows: pd.DataFrame) -> Panel:
    return Panel.from_frame(rows, "countyreal", "year", "first.treat", "lemp", covariates=["lpop"])


def run(panel: Panel, aggregate: str, **options: str) -> Result:
    result = estimate(panel, "group_time", aggregate=aggregate, **options)
    assert isinstance(result, Result)
    return result


def close(ours: float, theirs: float) -> bool:
    return bool(np.isnan(ours)) if np.isnan(theirs) else bool(abs(ours - theirs) <= 1e-6 * abs(theirs))


def calls(shared: Path, kind: str) -> Iterator[tuple[dict[str, str], list[Any]]]:
    rows = pd.read_csv(shared / "golden" / "packages" / f"did_mpdta_{kind}.csv", na_values=["NA"])
    for (method, control, base), part in rows[rows["xformla"] == "~lpop"].groupby(["est_method", "control_group", "base_period"]):
        yield {"method": METHOD[method], "control": CONTROL[control], "base": base}, list(part.itertuples())


def test_group_time_effects(shared: Path, panel: Panel) -> None:
    matched = 0
    for options, theirs in calls(shared, "attgt"):
        table = run(panel, "cells", **options).frame(inference="influence")
        ours: dict[Any, Any] = {(row.cohort, row.period): row for row in table.itertuples()}
        assert set(ours) == {(row.group, row.t) for row in theirs}
        for row in theirs:
            mine = ours[row.group, row.t]
            assert close(mine.estimate, row.att) and close(mine.std_error, row.se), row
            matched += 1
    assert matched == 162


def test_aggregates(shared: Path, panel: Panel) -> None:
    matched = 0
    for options, theirs in calls(shared, "aggte"):
        for kind, (aggregate, column) in TYPES.items():
            table = run(panel, aggregate, **options).frame(inference="influence")
            ours: dict[Any, Any] = {
                getattr(row, column): row for row in table.itertuples() if row.kind in ("pre", "post", "reference")
            }
            whole: Any = list(table.itertuples())[-1]
            for row in (row for row in theirs if row.type == kind):
                mine = whole if np.isnan(row.egt) else ours[row.egt]
                assert close(mine.estimate, row.att) and close(mine.std_error, row.se), row
                matched += 1
    assert matched == 222


def test_repeated_cross_sections(shared: Path, rows: pd.DataFrame, drdid: Callable[..., tuple[float, np.ndarray]]) -> None:
    """Each row is an observation of its own; errors as `drdid_rc` 1.2.3 has them are had with its wrong sign only."""
    reference = json.loads((shared / "golden" / "packages" / "did_mpdta.json").read_text(encoding="utf-8"))
    observations = rows.assign(row=np.arange(len(rows)))
    panel = Panel.from_frame(observations, "row", "year", "first.treat", "lemp", covariates=["lpop"])
    cells = run(panel, "cells", unbalanced="cross_sections")
    faulty = cells.scores.copy()
    for k, theirs in enumerate(reference["rc_attgt"]):
        group, late = theirs["group"], theirs["t"]
        base = group - 1 if late >= group else late - 1
        part = observations[observations["year"].isin([late, base]) & observations["first.treat"].isin([0, group])]
        x = np.column_stack([np.ones(len(part)), part["lpop"]])
        given = [column.to_numpy(float) for column in (part["lemp"], part["year"] == late, part["first.treat"] == group)]
        effect, right = drdid(*given, x, np.ones(len(part)))
        assert (cells.labels["cohort"][k], cells.labels["period"][k]) == (group, late)
        assert close(cells.estimates[k], theirs["att"]) and effect == pytest.approx(theirs["att"], rel=1e-6)
        assert cells.scores[part["row"], k] == pytest.approx(right, rel=1e-6, abs=1e-10)
        faulty[part["row"], k] = drdid(*given, x, np.ones(len(part)), sign=1.0)[1]
        assert close(float(np.sqrt((faulty[:, k] ** 2).sum())), theirs["se"])
    assert len(cells.estimates) == len(reference["rc_attgt"]) == 12
    overall, simple = run(panel, "overall", unbalanced="cross_sections"), reference["rc_dr_lpop_simple"]
    assert close(overall.estimates[0], simple["att"])
    post = (cells.labels["kind"] == "post").to_numpy()
    size = [(panel.cohort == panel.periods.index(group)).sum() for group in cells.labels["cohort"][post]]
    share = np.zeros(len(post))
    share[post] = np.array(size) / sum(size)
    # And `did` 2.3.0 puts the influence of the shares on rows in order of period, cohort and row, as on unbalanced panels.
    order = np.lexsort((np.arange(len(rows)), panel.cohort, (panel.weights[0] > 0).argmax(axis=1)))
    moved = np.empty(len(rows))
    moved[order] = overall.scores[:, 0] - cells.scores @ share
    score = faulty @ share + moved
    assert close(float(np.sqrt(score @ score)), simple["se"])
