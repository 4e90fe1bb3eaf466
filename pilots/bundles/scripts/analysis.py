"""The two-way and group-time effects of this run with pandas and linearmodels alone, set beside the run's own numbers.

Run it in the bundle's folder: python analysis.py. The exit code is 1 where a number differs by more than one part in 1e9.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from linearmodels.panel import PanelOLS

TOLERANCE = 1e-9
FOLDER = Path(__file__).resolve().parent


def panel_of(outcome):
    """The cells of an outcome that have a figure, one row an authority and period."""
    frame = pd.read_csv(FOLDER / "panel" / f"{outcome}.csv", dtype={"period": str})
    frame = frame[frame["first_time"] != 1]  # with the reform throughout: no period before it
    return frame[(frame["weight"] > 0) & frame["value"].notna()]


def two_way(frame, aggregate, cluster):
    """Two-way fixed effects: event time (None for the one effect of `overall` and the average) to (estimate, standard error).

    Errors are clustered, times G/(G - 1) and (n - 1)/(n - k), where k counts the effects and the periods, and not the
    authorities, which lie within clusters.
    """
    if aggregate == "overall":
        columns, times = frame[["post"]].astype(float), [None]
    else:
        times = sorted(int(time) for time in frame["event_time"].dropna().unique() if time != -1)
        columns = pd.DataFrame({f"at {time}": (frame["event_time"] == time).astype(float) for time in times})
    index = pd.MultiIndex.from_arrays([frame["unit"], frame["time"]])
    codes = pd.DataFrame({"cluster": pd.factorize(frame[cluster], sort=True)[0]}).set_axis(index)
    model = PanelOLS(
        frame["value"].set_axis(index),
        columns.set_axis(index),
        weights=frame["weight"].set_axis(index),
        entity_effects=True,
        time_effects=True,
    )
    fit = model.fit(cov_type="clustered", clusters=codes, debiased=False, group_debias=True, auto_df=False, count_effects=False)
    n, k = len(frame), columns.shape[1] + frame["time"].nunique()
    covariance = fit.cov.to_numpy() * n / (n - k)
    found = {time: (fit.params.iloc[at], np.sqrt(covariance[at, at])) for at, time in enumerate(times)}
    after = np.array([float(time is not None and time >= 0) for time in times])
    if after.sum():
        share = after / after.sum()
        found[None] = (share @ fit.params.to_numpy(), np.sqrt(share @ covariance @ share))
    return found


def group_time(frame, options):
    """Group-time effects as differences of differences of means: (cohort, period) to (effect, event time, size of the cohort)."""
    wide = frame.pivot(index="unit", columns="time", values="value")
    weight = frame.pivot(index="unit", columns="time", values="weight").reindex(columns=wide.columns)
    times = list(wide.columns)
    first = frame.groupby("unit")["first_time"].first()
    size = weight.bfill(axis=1).iloc[:, 0]
    start = first.where(first.isin(times), np.inf)
    if np.isfinite(start).all():  # nobody is without the reform throughout: the last to start compare, up to their start
        times = [time for time in times if time < start.max()]
        start = start.where(start < start.max(), np.inf)
    never_only = options.get("control", "never_treated") == "never_treated"
    universal = options.get("base", "varying") == "universal"
    found = {}
    for cohort in sorted(set(start[np.isfinite(start)])):
        before = [time for time in times if time < cohort]
        if not before:
            continue
        for time in times if universal else times[1:]:
            base = before[-1] if universal or time >= cohort else times[times.index(time) - 1]
            change = wide[time] - wide[base]
            others = np.isinf(start) if never_only else (start > max(time, base)) & (start != cohort)
            sides = [change[(start == cohort) & change.notna()], change[others & change.notna()]]
            if all(len(side) for side in sides):
                means = [np.average(side, weights=size[side.index]) for side in sides]
                event = times.index(time) - times.index(cohort) if cohort in times else int(time - cohort)
                found[int(cohort), int(time)] = (means[0] - means[1], event, size[start == cohort].sum(), time == base)
    return found


def averaged(effects, keep):
    """Mean of the effects that are kept, by the size of their cohorts; None where there is none."""
    kept = [one for one in effects.values() if keep(one)]
    return np.average([one[0] for one in kept], weights=[one[2] for one in kept]) if kept else None


def found_by(row, frame, periods):
    """(estimate, standard error) of one row of the run, worked out anew; None where these scripts do not cover it."""
    options = json.loads(row["options"])
    event = None if pd.isna(row["event_time"]) else int(row["event_time"])
    if row["estimator"] == "two_way_fixed_effects":
        if options or row["inference"] != "clustered" or row["aggregate"] not in ("overall", "event_time"):
            return None
        return two_way(frame, row["aggregate"], row["cluster"]).get(event)
    if row["estimator"] != "group_time" or set(options) - {"control", "base"} or any(frame.columns.str.startswith("covariate_")):
        return None
    effects = group_time(frame, options)
    if row["aggregate"] == "overall":
        return averaged(effects, lambda one: one[1] >= 0), None
    if row["aggregate"] == "cells":
        return effects[periods.index(row["cohort"]) + 1, periods.index(row["period"]) + 1][0], None
    if row["aggregate"] != "event_time":
        return None
    if event is not None:
        return averaged(effects, lambda one: one[1] == event), None
    after = sorted({one[1] for one in effects.values() if one[1] >= 0})
    return np.mean([averaged(effects, lambda one, at=at: one[1] == at) for at in after]), None


def far(mine, theirs):
    """How far two numbers are apart, as a share of the larger where that is above 1."""
    return 0.0 if pd.isna(theirs) or mine is None else abs(mine - theirs) / max(1.0, abs(theirs))


def main():
    """Work every row out that can be, print it beside the run's, and say whether all agree."""
    expected = pd.read_csv(FOLDER / "expected.csv", dtype={"cohort": str, "period": str})
    rows, worst = [], 0.0
    for outcome, mine in expected.groupby("outcome", sort=False):
        whole = (
            pd.read_csv(FOLDER / "panel" / f"{outcome}.csv", dtype={"period": str}).drop_duplicates("time").sort_values("time")
        )
        frame, periods = panel_of(outcome), list(whole["period"])
        for row in mine.to_dict("records"):
            found = None if row["kind"] == "reference" else found_by(row, frame, periods)
            if found is None:
                continue
            gap = max(far(found[0], row["estimate"]), far(found[1], row["std_error"]))
            worst = max(worst, gap)
            label = {
                name: row[name] for name in ("outcome", "estimator", "aggregate", "cluster", "event_time", "cohort", "period")
            }
            numbers = {"estimate": found[0], "run": row["estimate"], "std_error": found[1], "run_std_error": row["std_error"]}
            rows.append({**label, **numbers, "apart": gap})
    table = pd.DataFrame(rows)
    table.to_csv(FOLDER / "analysis.csv", index=False)
    print(table[table["aggregate"] == "overall"].to_string(index=False))
    print(f"{len(table):,} of {len(expected):,} estimates worked out anew; the largest difference is {worst:.1e}.")
    return 0 if len(table) and worst <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
