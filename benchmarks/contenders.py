"""What is timed on the panel of local authorities: how it is drawn, each task of ours, and how each peer does the same.

Errors are by authority throughout. Peers are imported when they are first run, so that a missing one can be named.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from evaluation import Panel, Result, estimate

AUTHORITIES, TERMS, REGIONS = 153, 24, 9
TREATED = (4, 4, 4, 4, 4, 3, 3, 3, 3)  # authorities in each region's partnership: 32
DRAWS = 999

Key = tuple[Any, ...]
Found = dict[Key, tuple[float, float]]  # (aggregate, labels …) → estimate, standard error


def draw(seed: int) -> pd.DataFrame:
    """One row an authority and term: authority, region, term, first_term (0: never), event (-1: never), treated, rate."""
    rng = np.random.default_rng(seed)
    region = np.arange(AUTHORITIES) % REGIONS
    first = np.zeros(AUTHORITIES, int)
    starts = rng.permutation(np.arange(7, 21))[:REGIONS]
    for at, count in enumerate(TREATED):
        first[np.flatnonzero(region == at)[:count]] = starts[at]
    unit, term = np.repeat(np.arange(AUTHORITIES), TERMS), np.tile(np.arange(1, TERMS + 1), AUTHORITIES)
    since = term - first[unit]
    on = (first[unit] > 0) & (since >= 0)
    level, common = rng.normal(0, 2, AUTHORITIES)[unit], rng.normal(0, 1, TERMS)[term - 1]
    shock = rng.normal(0, 0.5, (REGIONS, TERMS))[region[unit], term - 1]
    rate = level + common + shock + rng.normal(0, 1, len(unit)) + on * (1 + 0.1 * since)
    columns = {"authority": unit, "region": region[unit], "term": term, "first_term": first[unit]}
    return pd.DataFrame({**columns, "event": np.where(first[unit] > 0, since, -1), "treated": on.astype(int), "rate": rate})


@dataclass(frozen=True)
class Ours:
    """What of ours a peer is held against: an estimator, its aggregates and its options."""

    estimator: str
    aggregates: tuple[str, ...]
    options: dict[str, Any] = field(default_factory=dict)
    inference: dict[str, Any] = field(default_factory=dict)

    def panel(self, frame: pd.DataFrame) -> Panel:
        """The panel, clustered by authority."""
        return Panel.from_frame(frame, "authority", "term", "first_term", "rate", region="region")

    def results(self, panel: Panel) -> list[Result]:
        """Estimates, by aggregate."""
        made = [estimate(panel, self.estimator, aggregate=name, **self.options) for name in self.aggregates]
        refused = [one for one in made if not isinstance(one, Result)]
        if refused:
            raise RuntimeError(f"{self.estimator} refuses the drawn panel: {refused[0]}")
        return [one for one in made if isinstance(one, Result)]

    def run(self, panel: Panel) -> list[pd.DataFrame]:
        """What is timed: estimates, errors, p-values and intervals."""
        return [result.frame(**self.inference) for result in self.results(panel)]

    def found(self, panel: Panel, factor: str) -> Found:
        """Estimates and errors by label, under one small-sample factor."""
        out: Found = {}
        for result in self.results(panel):
            labels = {"cells": ("cohort", "period"), "calendar": ("period",)}.get(result.aggregate, (result.aggregate,))
            for row in result.frame(factor=factor).to_dict("records"):
                if row["kind"] == "overall":
                    out[("overall",)] = (row["estimate"], row["std_error"])
                elif row["kind"] not in ("reference", "average"):
                    out[(result.aggregate, *(row[name] for name in labels))] = (row["estimate"], row["std_error"])
        return out


@dataclass(frozen=True)
class Peer:
    """One package's way to the same numbers.

    Attributes:
        package: the distribution that must be installed.
        call: how it is called, for the reader.
        run: frame → whatever it returns, errors computed; timed.
        read: that → `Found`; not timed.
        factor: our small-sample factor that its errors are held against.
        lacks: what of the task it does not do, in words.
    """

    package: str
    call: str
    run: Callable[[pd.DataFrame], Any]
    read: Callable[[Any], Found]
    factor: str = "CR1"
    lacks: str = ""


@dataclass(frozen=True)
class Task:
    """One line of the table: ours, its target in milliseconds, its peers, and who has no such thing."""

    name: str
    ours: Ours
    target: float | None
    peers: tuple[Peer, ...]
    without: tuple[str, ...] = ()


def load(name: str) -> Any:
    """A module of a peer, which may be missing."""
    return importlib.import_module(name)


def numbers(frame: pd.DataFrame, kind: str, label: str, value: str, error: str) -> Found:
    """Rows of a peer's table that have an error, by label."""
    table = frame[pd.to_numeric(frame[error], errors="coerce").notna()]
    return {(kind, int(row[label])): (float(row[value]), float(row[error])) for row in table.to_dict("records")}


def pyfixest_two_way(frame: pd.DataFrame) -> Any:
    return load("pyfixest").feols("rate ~ treated | authority + term", frame, vcov={"CRV1": "authority"})


def linearmodels_two_way(frame: pd.DataFrame) -> Any:
    data = frame.set_index(["authority", "term"])
    model = load("linearmodels").PanelOLS(data["rate"], data[["treated"]], entity_effects=True, time_effects=True)
    fit = model.fit(cov_type="clustered", cluster_entity=True, group_debias=True)
    return fit.params["treated"], fit.std_errors["treated"]


def statsmodels_two_way(frame: pd.DataFrame) -> Any:
    unit, term = (pd.get_dummies(frame[name], drop_first=True, dtype=float) for name in ("authority", "term"))
    design = np.column_stack([frame["treated"], np.ones(len(frame)), unit, term])
    options = {"groups": frame["authority"].to_numpy()}
    fit = load("statsmodels.api").OLS(frame["rate"].to_numpy(), design).fit(cov_type="cluster", cov_kwds=options)
    return fit.params[0], fit.bse[0]


def pyfixest_one(fit: Any) -> Found:
    return {("overall",): (float(fit.coef().iloc[0]), float(fit.se().iloc[0]))}


def pair(found: Any) -> Found:
    return {("overall",): (float(found[0]), float(found[1]))}


def pyfixest_two_stage(second: str) -> Callable[[pd.DataFrame], Any]:
    def run(frame: pd.DataFrame) -> Any:
        stages = {"first_stage": "~ 0 | authority + term", "second_stage": second}
        return load("pyfixest").did2s(frame, yname="rate", treatment="treated", cluster="authority", **stages)

    return run


def pyfixest_events(fit: Any) -> Found:
    table = fit.tidy()
    table["event"] = table.index.str.extract(r"::(-?\d+)")[0].to_numpy()
    return numbers(table, "event_time", "event", "Estimate", "Std. Error")


def pyfixest_saturated(frame: pd.DataFrame) -> Any:
    names = {"yname": "rate", "idname": "authority", "tname": "term", "gname": "first_term"}
    return load("pyfixest").event_study(frame, estimator="saturated", att=False, **names).aggregate()


def diff_diff(name: str, *post_fit: str, **options: Any) -> Callable[[pd.DataFrame], Any]:
    """A run of one of diff-diff's estimators, and the aggregates asked for after the fit."""

    def run(frame: pd.DataFrame) -> Any:
        made = getattr(load("diff_diff"), name)(**options)
        fit = made.fit(frame, outcome="rate", unit="authority", time="term", first_treat="first_term")
        return fit, {kind: fit.aggregate(kind) for kind in post_fit}

    return run


def diff_diff_read(found: Any) -> Found:
    fit, aggregates = found
    if not aggregates:
        return {("overall",): (float(fit.att), float(fit.se))}
    out = numbers(aggregates["event_study"].to_dataframe(), "event_time", "event_time", "att", "se")
    if "group" in aggregates:
        out |= numbers(aggregates["group"].to_dataframe(), "cohort", "label", "att", "se")
        out[("overall",)] = (float(fit.att), float(fit.se))
        for row in fit.to_dataframe().to_dict("records"):
            out[("cells", row["group"], row["time"])] = (row["effect"], row["se"])
    return out


def diff_diff_events(found: Any) -> Found:
    return numbers(found[0].to_dataframe(), "event_time", "relative_period", "effect", "se")


def csdid(draws: int) -> Callable[[pd.DataFrame], Any]:
    def run(frame: pd.DataFrame) -> Any:
        names = {"yname": "rate", "idname": "authority", "tname": "term", "gname": "first_term"}
        made = load("csdid.att_gt").ATTgt(data=frame, control_group="nevertreated", biters=draws or 1000, **names)
        fit = made.fit(est_method="reg", bstrap=draws > 0)
        out = {"cells": dict(fit.results)}
        for kind in ("simple", "dynamic", "group", "calendar"):
            out[kind] = dict(fit.aggte(kind, bstrap=draws > 0, cband=draws > 0).atte)
        return out

    return run


def csdid_read(found: Any) -> Found:
    cells, names = found["cells"], {"dynamic": "event_time", "group": "cohort", "calendar": "calendar"}
    rows = zip(cells["group"], cells["year"], cells["att"], cells["se"], strict=True)
    out: Found = {("cells", int(g), int(t)): (float(effect), float(error)) for g, t, effect, error in rows}
    att, se = (float(np.ravel(found["simple"][part])[0]) for part in ("overall_att", "overall_se"))  # numbers, or arrays of one
    out[("overall",)] = (att, se)
    for kind, name in names.items():
        columns = (np.ravel(found[kind][part]) for part in ("egt", "att_egt", "se_egt"))
        out |= {(name, int(label)): (float(effect), float(error)) for label, effect, error in zip(*columns, strict=True)}
    return out


SHARED = ("cells", "overall", "event_time", "cohort", "calendar")
GROUPS = ("event_study", "group", "simple")
NO_CALENDAR = "no calendar aggregate"
TASKS = (
    Task(
        "two-way, one effect",
        Ours("two_way_fixed_effects", ("overall",)),
        2,
        (
            Peer("pyfixest", "feols", pyfixest_two_way, pyfixest_one),
            Peer("linearmodels", "PanelOLS", linearmodels_two_way, pair, factor="CR1_all_effects"),
            Peer("statsmodels", "OLS with dummies", statsmodels_two_way, pair, factor="CR1_all_effects"),
        ),
        without=("diff-diff (one start only)", "csdid"),
    ),
    Task(
        "group-time, cells and four aggregates",
        Ours("group_time", SHARED),
        None,
        (
            Peer(
                "diff-diff",
                "CallawaySantAnna",
                diff_diff("CallawaySantAnna", *GROUPS, estimation_method="reg"),
                diff_diff_read,
                factor="none",
                lacks=NO_CALENDAR,
            ),
            Peer("csdid", "ATTgt", csdid(0), csdid_read, factor="none"),
        ),
        without=("pyfixest",),
    ),
    Task("group-time, all aggregates, no draws", Ours("group_time", (*SHARED, "region")), 20, (), without=("diff-diff", "csdid")),
    Task(
        f"group-time, {DRAWS} draws",
        Ours("group_time", SHARED, inference={"inference": "multiplier", "draws": DRAWS}),
        20,
        (
            Peer(
                "diff-diff",
                "CallawaySantAnna",
                diff_diff("CallawaySantAnna", *GROUPS, estimation_method="reg", n_bootstrap=DRAWS, seed=1),
                diff_diff_read,
                lacks=NO_CALENDAR,
            ),
            Peer("csdid", "ATTgt", csdid(DRAWS), csdid_read),
        ),
        without=("pyfixest",),
    ),
    Task(
        "imputation, one effect",
        Ours("imputation", ("overall",)),
        10,
        (Peer("diff-diff", "ImputationDiD", diff_diff("ImputationDiD"), diff_diff_read, factor="none"),),
        without=("pyfixest", "csdid"),
    ),
    Task(
        "imputation, event study",
        Ours("imputation", ("event_time",), {"pretrends": 0}),
        10,
        (Peer("diff-diff", "ImputationDiD", diff_diff("ImputationDiD", "event_study"), diff_diff_read, factor="none"),),
        without=("pyfixest", "csdid"),
    ),
    Task(
        "two-stage, one effect",
        Ours("two_stage", ("overall",)),
        10,
        (
            Peer("pyfixest", "did2s", pyfixest_two_stage("~ i(treated, ref=0)"), pyfixest_one, factor="none"),
            Peer("diff-diff", "TwoStageDiD", diff_diff("TwoStageDiD"), diff_diff_read, factor="none"),
        ),
        without=("csdid",),
    ),
    Task(
        "two-stage, event study",
        Ours("two_stage", ("event_time",)),
        10,
        (
            Peer("pyfixest", "did2s", pyfixest_two_stage("~ i(event, ref=-1)"), pyfixest_events, factor="none"),
            Peer(
                "diff-diff",
                "TwoStageDiD",
                diff_diff("TwoStageDiD", "event_study"),
                diff_diff_read,
                factor="none",
                lacks="no rows before",
            ),
        ),
        without=("csdid",),
    ),
    Task(
        "interaction-weighted, event study",
        Ours("interaction_weighted", ("event_time",)),
        10,
        (
            Peer(
                "pyfixest",
                "saturated event study",
                pyfixest_saturated,
                lambda table: numbers(table.reset_index(), "event_time", "period", "Estimate", "Std. Error"),
            ),
            Peer("diff-diff", "SunAbraham", diff_diff("SunAbraham"), diff_diff_events),
        ),
        without=("csdid",),
    ),
)
