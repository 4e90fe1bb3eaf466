"""Repeated cross-sections: cells of pupils give what the pupils give, errors clustered at or above the group included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evaluation import AGGREGATES, Panel, PanelError, Result, estimate
from evaluation.cells import cells

METHODS = ("unadjusted", "regression", "ipw", "doubly_robust")


@pytest.fixture(scope="module")
def pupils() -> pd.DataFrame:
    """Pupils of 24 schools over 5 terms, none seen twice; `poor` is the school's, `age` the pupil's."""
    rng = np.random.default_rng(5)
    count = rng.integers(5, 25, (24, 5))
    school = np.repeat(np.arange(24), count.sum(axis=1))
    term = np.concatenate([np.repeat(np.arange(1, 6), row) for row in count])
    first = np.array([0, 0, 3, 4])[school % 4]
    poor = rng.normal(size=24)[school]
    on = (first > 0) & (term >= first)
    return pd.DataFrame(
        {
            "pupil": np.arange(len(school)),
            "school": school,
            "region": school // 4,
            "term": term,
            "first": first,
            "poor": poor,
            "age": rng.normal(10, 2, len(school)),
            "y": rng.normal(size=24)[school] + 0.3 * term * poor + on + rng.normal(size=len(school)),
        }
    )


def by_rows(pupils: pd.DataFrame, covariates: tuple[str, ...] = ()) -> Panel:
    return Panel.from_frame(
        pupils, "pupil", "term", "first", "y", cluster=["pupil", "school", "region"], covariates=covariates, region="region"
    )


def by_cells(pupils: pd.DataFrame) -> Panel:
    who = pupils.drop_duplicates("school")[["school", "region", "first"]]
    return Panel.from_cells(
        cells(pupils, "school", "term", ["y"]),
        treatment=who,
        outcome={"y": ("y", None, 1.0)},
        first_treated="first",
        weight="denominator",
        cluster=["school", "region"],
    )


def run(panel: Panel, aggregate: str, **options: Any) -> Result:
    result = estimate(panel, "group_time", aggregate=aggregate, unbalanced="cross_sections", **options)
    assert isinstance(result, Result)
    return result


def equal(rows: Result, cells: Result) -> None:
    pd.testing.assert_frame_equal(rows.labels, cells.labels)
    assert cells.estimates == pytest.approx(rows.estimates, rel=1e-9, abs=1e-10)
    for cluster in ("school", "region"):
        mine, theirs = (result.inference(cluster=cluster) for result in (cells, rows))
        assert mine.std_error == pytest.approx(theirs.std_error, rel=1e-8, nan_ok=True)
        assert mine.df.tolist() == theirs.df.tolist()


@pytest.mark.parametrize("control", ["never_treated", "not_yet_treated", "last_treated"])
@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_cells_are_rows(pupils: pd.DataFrame, aggregate: str, control: str) -> None:
    equal(run(by_rows(pupils), aggregate, control=control), run(by_cells(pupils), aggregate, control=control))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("base", ["varying", "universal"])
def test_cells_are_rows_with_a_covariate_of_the_group(pupils: pd.DataFrame, method: str, base: str) -> None:
    means = pupils.groupby(["school", "term", "region", "first", "poor"], as_index=False).agg(y=("y", "mean"), n=("y", "size"))
    cells = Panel.from_frame(means, "school", "term", "first", "y", weight="n", cluster=["school", "region"], covariates=["poor"])
    for aggregate in ("cells", "overall", "cohort"):
        equal(
            run(by_rows(pupils, ("poor",)), aggregate, method=method, base=base),
            run(cells, aggregate, method=method, base=base),
        )


def test_shares_are_those_of_observations(pupils: pd.DataFrame) -> None:
    cohorts = run(by_cells(pupils), "cohort")
    number = pupils.groupby("first").size()
    effects = cohorts.estimates[:2]
    assert cohorts.estimates[2] == pytest.approx((number[3] * effects[0] + number[4] * effects[1]) / (number[3] + number[4]))


def test_errors_of_single_pupils_need_the_pupils(pupils: pd.DataFrame) -> None:
    rows = run(by_rows(pupils), "overall")
    alone = rows.inference("influence", cluster="pupil").std_error[0]
    assert alone == pytest.approx(float(np.sqrt((rows.scores[:, 0] ** 2).sum())))
    with pytest.raises(PanelError, match="There is no cluster 'pupil' in the panel. It has: school, region"):
        run(by_cells(pupils), "overall").inference("influence", cluster="pupil")


def test_a_pupils_own_covariate_is_used_row_by_row(pupils: pd.DataFrame) -> None:
    whole = run(by_rows(pupils, ("age",)), "cells", method="regression")
    group, late = whole.labels.loc[3, ["cohort", "period"]]
    base = group - 1 if late >= group else late - 1
    rows = pupils[pupils["term"].isin([late, base]) & pupils["first"].isin([0, group])]
    treated = rows[rows["first"] == group]
    fitted = {}
    for term in (late, base):
        part = rows[(rows["first"] == 0) & (rows["term"] == term)]
        fitted[term] = np.polyval(np.polyfit(part["age"], part["y"], 1), treated["age"]).mean()
    change = treated.loc[treated["term"] == late, "y"].mean() - treated.loc[treated["term"] == base, "y"].mean()
    assert whole.estimates[3] == pytest.approx(change - (fitted[late] - fitted[base]))


def test_the_pupil_level_file(shared: Path) -> None:
    pupils = pd.read_csv(shared / "golden" / "packages" / "rc15.csv")
    pupils = pupils.rename(columns={"pid": "pupil", "la": "school", "cohort": "first"})
    assert len(pupils) == 27_540
    for control in ("never_treated", "not_yet_treated"):
        equal(run(by_rows(pupils), "event_time", control=control), run(by_cells(pupils), "event_time", control=control))
