"""The two-way and group-time effects of this run with pandas and linearmodels alone, set beside the run's own numbers.

Run it in the bundle's folder: python analysis.py. All numbers go to analysis.csv. The exit code is 1 where one differs by more
than one part in 1e9. Errors are clustered ones (CR1) and stand beside those of the run that are the same.
"""

import json
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from linearmodels.panel import PanelOLS

TOLERANCE = 1e-9
FOLDER = Path(__file__).resolve().parent
LABEL = ["outcome", "estimator", "aggregate", "cluster", "event_time", "cohort", "period", "region"]
TEXT = {"cohort": str, "period": str, "region": str}


@cache
def panel_of(outcome):
    """The cells of an outcome that have a figure, one row an authority and period; and the labels of all periods."""
    whole = pd.read_csv(FOLDER / "panel" / f"{outcome}.csv", dtype=TEXT)
    periods = list(whole.drop_duplicates("time").sort_values("time")["period"])
    frame = whole[whole["first_time"] != 1]  # with the reform throughout: no period before it
    return frame[(frame["weight"] > 0) & frame["value"].notna()], periods


@cache
def two_way(outcome, aggregate, cluster):
    """Two-way fixed effects: event time (None for the one effect of `overall` and the average) to (estimate, standard error).

    The factor of the errors is G/(G - 1) times (n - 1)/(n - k), where k counts the effects and the periods, and not the
    authorities, which lie within clusters.
    """
    frame, _ = panel_of(outcome)
    if aggregate == "overall":
        columns, times = frame[["post"]].astype(float), [None]
    else:
        times = sorted(int(time) for time in frame["event_time"].dropna().unique() if time != -1)
        columns = pd.DataFrame({f"at {time}": (frame["event_time"] == time).astype(float) for time in times})
    index = pd.MultiIndex.from_arrays([frame["unit"], frame["time"]])
    codes = pd.DataFrame({"cluster": pd.factorize(frame[cluster], sort=True)[0]}).set_axis(index)
    value, weights = frame["value"].set_axis(index), frame["weight"].set_axis(index)
    model = PanelOLS(value, columns.set_axis(index), weights=weights, entity_effects=True, time_effects=True)
    fit = model.fit(cov_type="clustered", clusters=codes, debiased=False, group_debias=True, auto_df=False, count_effects=False)
    n, k = len(frame), columns.shape[1] + frame["time"].nunique()
    covariance = fit.cov.to_numpy() * n / (n - k)
    found = {time: (fit.params.iloc[at], np.sqrt(covariance[at, at])) for at, time in enumerate(times)}
    after = np.array([float(time is not None and time >= 0) for time in times])
    if after.sum():
        share = after / after.sum()
        found[None] = (share @ fit.params.to_numpy(), np.sqrt(share @ covariance @ share))
    return found


@cache
def group_time(outcome, control, base_period, by_region):
    """Every group-time effect as a difference of differences of means, and what each authority has to do with it.

    Returns:
        effects: cohort, time, event, region, estimate, size (of the cohort), one row an effect.
        scores: authorities × effects; an effect's error is the root of the sum of squares of its scores by cluster.
        members: authorities × effects; who belongs to the cohort.
        entered: authorities × effects; who is in the means.
        who: authorities with region, partnership and size (their weight when first seen).
    """
    frame, periods = panel_of(outcome)
    wide = frame.pivot(index="unit", columns="time", values="value").reindex(columns=range(1, len(periods) + 1))
    who = frame.sort_values("time").groupby("unit")[["authority", "region", "partnership", "weight", "first_time"]].first()
    start = who["first_time"].where(who["first_time"] > 0, np.inf)
    times = list(wide.columns)
    if np.isfinite(start).all():  # nobody is without the reform throughout: the last to start compare, up to their start
        times = [time for time in times if time < start.max()]
        start = start.where(start < start.max(), np.inf)
    rows, scores, members, entered = [], [], [], []
    for cohort in sorted(set(start[np.isfinite(start)])):
        places = sorted(set(who.loc[start == cohort, "region"])) if by_region else [None]
        for time in times if base_period == "universal" else times[1:]:
            base = cohort - 1 if base_period == "universal" or time >= cohort else time - 1
            others = np.isinf(start) if control == "never_treated" else (start > max(time, base)) & (start != cohort)
            change = wide[time] - wide[base]
            for place in places:
                own = (start == cohort) & ((who["region"] == place) | (place is None))
                score, estimate = pd.Series(0.0, index=wide.index), 0.0
                sides = [(own & change.notna(), 1.0), (others & change.notna(), -1.0)]
                if not all(side.any() for side, _ in sides):
                    continue
                for side, sign in sides:
                    share = (who["weight"] * side) / (who["weight"] * side).sum()
                    mean = (share * change.fillna(0.0)).sum()
                    estimate += sign * mean
                    score += sign * share * (change.fillna(0.0) - mean)
                rows.append((int(cohort), time, int(time - cohort), place, estimate, (who["weight"] * own).sum()))
                scores.append(score)
                members.append(own)
                entered.append(sides[0][0] | sides[1][0])
    effects = pd.DataFrame(rows, columns=["cohort", "time", "event", "region", "estimate", "size"])
    return effects, *(np.array(one).T for one in (scores, members, entered)), who


def averaged(found, keep):
    """The mean of the effects that are kept, by the size of their cohorts: estimate, scores, who is in it.

    The sizes are estimated too: an authority more moves the mean towards its own cohort's effect.
    """
    effects, scores, members, entered, who = found
    kept = effects["size"].to_numpy() * keep
    share = kept / kept.sum()
    estimate = share @ effects["estimate"]
    moved = members[:, keep] @ (effects["estimate"][keep] - estimate) / kept.sum()
    return estimate, scores @ share + who["weight"].to_numpy() * moved, entered[:, keep].any(axis=1)


def mean_of(parts):
    """The plain mean of averages."""
    estimates, scores, entered = zip(*parts, strict=True)
    return np.mean(estimates), np.mean(scores, axis=0), np.any(entered, axis=0)


def mean_of_cohorts(found, each):
    """The mean of the cohorts' effects by their sizes, which are estimated."""
    effects, _, members, _, who = found
    first = effects[effects["cohort"].isin(each)].drop_duplicates("cohort")
    size = first["size"].to_numpy()
    estimates, scores, entered = (np.array(one) for one in zip(*each.values(), strict=True))
    estimate = size @ estimates / size.sum()
    moved = members[:, first.index] @ (estimates - estimate) / size.sum()
    return estimate, scores.T @ size / size.sum() + who["weight"].to_numpy() * moved, entered.any(axis=0)


def aggregated(found, row, periods):
    """One row of the run from its group-time effects: estimate, scores, who is in it."""
    effects, scores, members, entered, who = found
    after = (effects["event"] >= 0).to_numpy()
    if row["aggregate"] == "overall":
        return averaged(found, after)
    if row["aggregate"] == "cells":
        where = (periods.index(row["cohort"]) + 1, periods.index(row["period"]) + 1)
        at = effects.index[(effects["cohort"] == where[0]) & (effects["time"] == where[1])][0]
        return effects["estimate"][at], scores[:, at], entered[:, at]
    if row["aggregate"] == "cohort":
        each = {
            one: averaged(found, after & (effects["cohort"] == one).to_numpy()) for one in sorted(set(effects["cohort"][after]))
        }
        return each[periods.index(row["cohort"]) + 1] if pd.notna(row["cohort"]) else mean_of_cohorts(found, each)
    if row["aggregate"] == "region":
        return averaged(found, after & ((effects["region"] == row["region"]).to_numpy() | pd.isna(row["region"])))
    key = {"event_time": "event", "calendar": "time"}[row["aggregate"]]
    label = row["event_time"] if key == "event" else row["period"]
    if pd.notna(label):
        wanted = label if key == "event" else periods.index(label) + 1
        return averaged(found, (effects[key] == wanted).to_numpy() & (after | (key == "event")))
    return mean_of([averaged(found, after & (effects[key] == one).to_numpy()) for one in sorted(set(effects[key][after]))])


def clustered(scores, entered, clusters):
    """The error by clusters, with the factor G/(G - 1)."""
    count = clusters[entered].nunique()
    sums = pd.Series(scores).groupby(clusters.to_numpy()).sum()
    return np.sqrt((sums**2).sum() * count / (count - 1)) if count > 1 else np.nan


def found_by(row):
    """(estimate, standard error or None) of one row of the run, worked out anew; None where this script does not cover it."""
    options, plain = json.loads(row["options"]), row["inference"] == "clustered"
    frame, periods = panel_of(row["outcome"])
    if row["estimator"] == "two_way_fixed_effects" and not options and row["aggregate"] in ("overall", "event_time"):
        event = None if pd.isna(row["event_time"]) else int(row["event_time"])
        estimate, error = two_way(row["outcome"], row["aggregate"], row["cluster"])[event]
        return estimate, error if plain else None
    covariates = frame.columns.str.startswith("covariate_").any()
    if row["estimator"] != "group_time" or set(options) - {"control", "base"} or covariates:
        return None
    choices = (options.get("control", "never_treated"), options.get("base", "varying"))
    found = group_time(row["outcome"], *choices, row["aggregate"] == "region")
    estimate, scores, entered = aggregated(found, row, periods)
    return estimate, clustered(scores, entered, found[-1][row["cluster"]]) if plain else None


def far(mine, theirs):
    """How far two numbers are apart, as a share of the larger where that is above 1."""
    return 0.0 if pd.isna(theirs) or mine is None else abs(mine - theirs) / max(1.0, abs(theirs))


def main():
    """Work every row out that can be, print it beside the run's, and say whether all agree."""
    expected, rows = pd.read_csv(FOLDER / "expected.csv", dtype=TEXT), []
    expected = expected[expected["kind"] != "reference"]
    for row in expected.to_dict("records"):
        found = found_by(row)
        if found is not None:
            gap = np.max([far(found[0], row["estimate"]), far(found[1], row["std_error"])])  # NaN where a number is none
            numbers = {"estimate": found[0], "run": row["estimate"], "std_error": found[1], "run_std_error": row["std_error"]}
            rows.append({**{name: row[name] for name in LABEL}, **numbers, "apart": gap})
    table = pd.DataFrame(rows, columns=[*LABEL, "estimate", "run", "std_error", "run_std_error", "apart"])
    table.to_csv(FOLDER / "analysis.csv", index=False)
    if not len(table):
        print(f"None of the run's estimates ({len(expected):,}) is one that this script covers: see README.md.")
        return 0
    print(table[table["aggregate"] == "overall"].drop(columns=LABEL[4:]).to_string(index=False))
    errors, worst = int((table["std_error"].notna() & table["run_std_error"].notna()).sum()), table["apart"].max(skipna=False)
    print(f"{len(table):,} of {len(expected):,} estimates and {errors:,} of their errors worked out anew.")
    print(f"The largest difference is {worst:.1e}.")
    return 0 if worst <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
