"""Every entry of reference.json that these estimators have, on both panels, to 1e-6 relative: estimate and error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from evaluation import Panel, Result

PANELS = ("panel", "panel_unbalanced")
Make = Callable[..., Panel]
Run = Callable[..., Result]
Close = Callable[..., None]
Reference = dict[str, Any]


def numbers(row: dict[str, Any]) -> tuple[float, float]:
    values = [value for value in row.values() if not isinstance(value, str)]
    return values[0], values[1]


@pytest.mark.parametrize("panel", PANELS)
def test_imputation_static_is_didimputation(golden_panel: Make, run: Run, reference: Reference, close: Close, panel: str) -> None:
    frame = run(golden_panel(panel), "imputation").frame(factor="none")
    theirs = numbers(reference[panel]["imputation_static"][0])
    close(frame["estimate"][0], theirs[0], "estimate")
    close(frame["std_error"][0], theirs[1], "error")


@pytest.mark.parametrize("panel", PANELS)
def test_imputation_event_study_is_didimputation(
    golden_panel: Make, run: Run, reference: Reference, close: Close, panel: str
) -> None:
    """Effects carry no small-sample factor in didimputation; its test of trends is fixest's regression, with CR1."""
    result = run(golden_panel(panel), "imputation", "event_time", pretrends=4)
    bare, full = result.frame(factor="none").set_index("event_time"), result.frame(factor="CR1").set_index("event_time")
    rows = reference[panel]["imputation_event"]
    for row in rows:
        event = int(row["term"])
        mine, theirs = (full if event < 0 else bare).loc[event], numbers(row)
        close(mine["estimate"], theirs[0], event)
        close(mine["std_error"], theirs[1], event)
    assert len(rows) == 11 == len(result.labels) - 1, "a row that is not matched"


@pytest.mark.parametrize("panel", PANELS)
def test_two_stage_is_did2s(golden_panel: Make, run: Run, reference: Reference, close: Close, panel: str) -> None:
    static = run(golden_panel(panel), "two_stage").frame(factor="none")
    theirs = numbers(reference[panel]["did2s_static"][0])
    close(static["estimate"][0], theirs[0], "static")
    close(static["std_error"][0], theirs[1], "static")
    event = run(golden_panel(panel), "two_stage", "event_time").frame(factor="none").set_index("event_time")
    rows = reference[panel]["did2s_event"]
    for row in rows:
        at = int(row["term_name"].removeprefix("event::"))
        close(event.loc[at, "estimate"], row["Estimate"], at)
        close(event.loc[at, "std_error"], row["Std. Error"], at)
    assert len(rows) == 15 == len(event) - 1, "a row that is not matched"


@pytest.mark.parametrize("panel", PANELS)
def test_interaction_weighted_is_sunab(golden_panel: Make, run: Run, reference: Reference, close: Close, panel: str) -> None:
    overall = run(golden_panel(panel), "interaction_weighted").frame()
    theirs = numbers(reference[panel]["sunab_att"][0])
    close(overall["estimate"][0], theirs[0], "att")
    close(overall["std_error"][0], theirs[1], "att")
    event = run(golden_panel(panel), "interaction_weighted", "event_time").frame().set_index("event_time")
    rows = reference[panel]["sunab_event"]
    for row in rows:
        at = int(row["term_name"].removeprefix("term::"))
        close(event.loc[at, "estimate"], row["Estimate"], at)
        close(event.loc[at, "std_error"], row["Std. Error"], at)
    assert len(rows) == 15 == len(event) - 2, "a row that is not matched"  # beside the reference and the average


@pytest.mark.parametrize("panel", PANELS)
def test_two_way_poisson_with_offset_is_fepois(
    golden_panel: Make, run: Run, reference: Reference, close: Close, panel: str
) -> None:
    built = golden_panel(panel, "count", weight="pupils")
    options = {"family": "poisson", "exposure": True, "model": "static", "scale": "log"}
    frame = run(built, "extended_two_way", **options).frame()
    row = reference[panel]["poisson_twfe_offset"][0]
    close(frame["estimate"][0], row["Estimate"], "estimate")
    close(frame["std_error"][0], row["Std. Error"], "error")


@pytest.mark.parametrize(
    ("weight", "cluster", "key"),
    [(None, "authority", "twfe_authority"), (None, "region", "twfe_region"), ("pupils", "authority", "twfe_weighted_authority")],
)
@pytest.mark.parametrize("panel", PANELS)
def test_static_linear_model_is_two_way_of_fixest(
    golden_panel: Make, run: Run, reference: Reference, close: Close, panel: str, weight: str | None, cluster: str, key: str
) -> None:
    frame = run(golden_panel(panel, weight=weight), "extended_two_way", model="static").frame(cluster=cluster)
    close(frame["estimate"][0], reference[panel][key][0]["Estimate"], key)
    close(frame["std_error"][0], reference[panel][key][0]["Std. Error"], key)


def test_poisson_with_offset_of_panel153(run: Run, package: Any, package_rows: Any, close: Close) -> None:
    built = Panel.from_frame(package_rows("panel153.csv"), "la", "term", "cohort", "count", weight="pupils")
    options = {"family": "poisson", "exposure": True, "model": "static", "scale": "log"}
    frame = run(built, "extended_two_way", **options).frame()
    row = package("fewtreated_lpdid_pretrends.json")["fixest_panel153_fepois_offset"][0]
    close(frame["estimate"][0], row["Estimate"], "estimate")
    close(frame["std_error"][0], row["Std. Error"], "error")
