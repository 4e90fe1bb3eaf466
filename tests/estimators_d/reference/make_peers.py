"""Draws `switching.csv`, `kinds.csv` and `doses.csv`, and writes what diff-diff gives on them to `peers.json`.

Needs diff-diff 3.13.0, which the project does not use otherwise. Run it in this folder: python make_peers.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from diff_diff import ChaisemartinDHaultfoeuille, ContinuousDiD, StaggeredTripleDifference

HERE = Path(__file__).parent


def rows(rng: np.random.Generator, units: int, periods: int) -> pd.DataFrame:
    """Unit, period, and an outcome of unit and period effects and noise."""
    unit, period = np.repeat(np.arange(units), periods), np.tile(np.arange(1, periods + 1), units)
    level, common = rng.normal(0, 2, units)[unit], rng.normal(0, 1, periods)[period - 1]
    return pd.DataFrame({"unit": unit, "period": period, "y": level + common + rng.normal(0, 1, len(unit))})


def switching(rng: np.random.Generator) -> pd.DataFrame:
    """60 units, 7 periods: half begin without the reform, half at 0.5; some go up, some down, some stop again."""
    frame = rows(rng, 60, 7)
    baseline = np.where(np.arange(60) % 2, 0.5, 0.0)
    change = rng.choice([3, 4, 6, 99], 60)
    to = np.where(baseline == 0, rng.choice([0.5, 1.0], 60), rng.choice([0.0, 1.0], 60))
    back = rng.random(60) < 0.3
    on = frame["period"].to_numpy() >= change[frame["unit"]]
    ended = back[frame["unit"]] & (frame["period"].to_numpy() >= change[frame["unit"]] + 2)
    frame["intensity"] = np.where(on & ~ended, to[frame["unit"]], baseline[frame["unit"]])
    frame["y"] += 2 * frame["intensity"]
    return frame


def kinds(rng: np.random.Generator) -> pd.DataFrame:
    """90 units, 6 periods: cohorts that start in 3, in 5 and never, whose shares of eligible units differ."""
    frame = rows(rng, 90, 6)
    first = rng.choice([0, 3, 5], 90)
    eligible = (rng.random(90) < np.where(first == 0, 0.3, np.where(first == 3, 0.5, 0.7))).astype(int)
    frame["first"], frame["eligible"] = first[frame["unit"]], eligible[frame["unit"]]
    on = (frame["first"] > 0) & (frame["period"] >= frame["first"]) & (frame["eligible"] == 1)
    frame["y"] += 1.5 * on + 0.3 * frame["eligible"] * frame["period"]
    return frame


def doses(rng: np.random.Generator) -> pd.DataFrame:
    """90 units, 6 periods: cohorts that start in 3, in 5 and never, with a dose between 0.1 and 1."""
    frame = rows(rng, 90, 6)
    first, dose = rng.choice([0, 3, 5], 90), np.round(rng.uniform(0.1, 1, 90), 3)
    dose = np.where(first > 0, dose, 0.0)
    frame["first"], frame["dose"] = first[frame["unit"]], dose[frame["unit"]]
    on = (frame["first"] > 0) & (frame["period"] >= frame["first"])
    frame["intensity"] = np.where(on, frame["dose"], 0.0)
    frame["y"] += frame["intensity"] + frame["intensity"] ** 2
    return frame


def of_switching(frame: pd.DataFrame) -> dict[str, Any]:
    """Effects by horizon and placebos; estimates only, since its errors leave out the cohorts' n/(n - 1)."""
    fit = ChaisemartinDHaultfoeuille(twfe_diagnostic=False, drop_larger_lower=False).fit(
        frame, "y", "unit", "period", "intensity", L_max=4
    )
    found = {str(k): float(v["effect"]) for k, v in fit.event_study_effects.items()}
    early = {str(k): float(v["effect"]) for k, v in fit.placebo_event_study.items() if np.isfinite(v["effect"])}
    return {"effects": found, "placebos": early}


def of_kinds(frame: pd.DataFrame) -> dict[str, Any]:
    """Estimate and error by cohort and period, for both choices of comparison."""
    out = {}
    for ours, theirs in (("never_treated", "nevertreated"), ("not_yet_treated", "notyettreated")):
        fit = StaggeredTripleDifference(control_group=theirs, estimation_method="reg").fit(
            frame, "y", "unit", "period", "first", "eligible", aggregate="event_study"
        )
        cells = {f"{g},{t}": [float(v["effect"]), float(v["se"])] for (g, t), v in fit.group_time_effects.items()}
        event = {str(e): [float(v["effect"]), float(v["se"])] for e, v in fit.event_study_effects.items()}
        out[ours] = {"cells": cells, "event_time": event, "overall": [float(fit.overall_att), float(fit.overall_se)]}
    return out


def of_doses(frame: pd.DataFrame) -> dict[str, Any]:
    """Mean slope and mean level over cohorts and periods, for polynomials of degree 1 to 3."""
    out = {}
    for ours, theirs in (("never_treated", "never_treated"), ("not_yet_treated", "not_yet_treated")):
        for degree in (1, 2, 3):
            fit = ContinuousDiD(degree=degree, control_group=theirs, base_period="universal").fit(
                frame, "y", "unit", "period", "first", "dose"
            )
            slope = [float(fit.overall_acrt), float(fit.overall_acrt_se)]
            out[f"{ours},{degree}"] = {"slope": slope, "level": [float(fit.overall_att), float(fit.overall_att_se)]}
    return out


def main() -> None:
    """Draw, fit and write."""
    rng = np.random.default_rng(20240919)
    numbers: dict[str, Any] = {"diff-diff": "3.13.0"}
    for name, draw, fit in (("switching", switching, of_switching), ("kinds", kinds, of_kinds), ("doses", doses, of_doses)):
        draw(rng).to_csv(HERE / f"{name}.csv", index=False)
        numbers[name] = fit(pd.read_csv(HERE / f"{name}.csv"))
    (HERE / "peers.json").write_text(json.dumps(numbers, indent=1, allow_nan=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
