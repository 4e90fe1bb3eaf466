"""What is said of a guardrail that nothing can be set beside."""

import numpy as np
import pandas as pd

from evaluation import Panel
from pilots.catalogue import watched
from pilots.evidence import harms
from pilots.plans import Plan, changed, named_plan


def panel(only_with_reform: bool) -> Panel:
    """Forty authorities over six years, ten with the reform from the fourth on; the others and the time before may be empty."""
    draw = np.random.default_rng(3)
    rows = [(unit, year, 4 if unit < 10 else 0, draw.normal()) for unit in range(40) for year in range(1, 7)]
    frame = pd.DataFrame(rows, columns=["authority", "year", "first", "value"])
    frame["partnership"] = np.where(frame["authority"] < 10, frame["authority"] // 2, 100 + frame["authority"])
    if only_with_reform:
        frame.loc[(frame["first"] == 0) | (frame["year"] < frame["first"]), "value"] = np.nan
    names = {"unit": "authority", "period": "year", "first_treated": "first", "outcome": "value"}
    return Panel.from_frame(frame, **names, cluster="partnership")


def said(plan: Plan, only_with_reform: bool) -> dict[str, object]:
    guardrail = watched("change_programme", ())[0]
    (row,) = harms(plan, [(guardrail, panel(only_with_reform))])
    return row


def test_figures_that_exist_only_with_the_reform_have_nothing_beside_them() -> None:
    plan = changed(named_plan("ehcp_timeliness"), {"inference.draws": 199})
    assert said(plan, False)["kind"] in ("harm_seen", "harm_ruled_out", "cannot_tell")
    refusal = said(plan, True)["not_estimable"]
    assert isinstance(refusal, dict) and refusal["reason"].startswith("figures come only from where and while the reform runs")


def test_an_interrupted_series_says_that_nobody_compares() -> None:
    own = {
        "estimators": [{"name": "interrupted_series"}],
        "headline": {"estimator": "interrupted_series", "cluster": "authority"},
    }
    refusal = said(changed(named_plan("ehcp_timeliness"), own), False)["not_estimable"]
    assert isinstance(refusal, dict) and refusal["reason"].startswith("nobody compares")
