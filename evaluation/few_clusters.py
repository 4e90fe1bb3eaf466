"""The p-value and interval that stand as the headline when few areas were assigned: which methods, and which of them decides.

The number of treated assignment units G₁ picks the methods; each is in METHODS.md with its own reference, and so are the
simulations that the choice rests on. Where two methods decide, no effect is called clear that one of them doubts: the larger
p-value is the headline, and the interval holds every effect that either of them leaves. From five to eight treated units
randomisation alone decides, whose false alarms are nominal on real series; that another method falls on the other side is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from evaluation.errors import NotEstimable, OptionError, PanelError
from evaluation.inference import Inference
from evaluation.panel import Panel
from evaluation.result import Result

HOLDS = ("randomisation", "wild", "wild_subcluster", "cr2", "conley_taber", "ferman_pinto")  # hold for few treated units
FRAGILE = 4  # up to so many treated assignment units a result is called fragile
LABELS = {
    "randomisation": "Randomisation, t-statistic",
    "placebo_rank": "Randomisation, coefficient",
    "wild_subcluster": "Wild cluster bootstrap, weights by authority",
    "wild": "Wild cluster bootstrap",
    "cr2": "CR2 with Bell–McCaffrey degrees of freedom",
    "clustered": "CR1 with t(G − 1)",
    "conley_taber": "Conley–Taber",
    "ferman_pinto": "Ferman–Pinto",
    "sign_change": "Sign changes",
}
# Names, which begin with a capital inside a sentence too.
NAMED = tuple(LABELS[key] for key in ("cr2", "clustered", "conley_taber", "ferman_pinto"))


def in_text(label: str) -> str:
    """Labels of `LABELS`, alone or put together, as they stand inside a sentence; names of people and of methods stay.

    Args:
        label: as `FewClusters.label` has it, for example “the more careful of Randomisation, t-statistic and Conley–Taber”.
    """
    for one in sorted(LABELS.values(), key=len, reverse=True):
        name, _, kind = one.partition(", ")
        plain = name if name in NAMED else f"{name[0].lower()}{name[1:]}"
        label = label.replace(one, f"{plain} ({kind})" if kind else plain)
    return label


@dataclass(frozen=True)
class Route:
    """For a range of treated assignment units: the methods that decide, those shown beside, and why.

    Attributes:
        most: treated assignment units up to which it holds.
        decide: in order of rank.
        instead: which decides where none of those gives a p-value.
        beside: shown, in order.
        words: why.
    """

    most: int
    decide: tuple[str, ...]
    instead: tuple[str, ...]
    beside: tuple[str, ...]
    words: str


ROUTES = (
    Route(1, ("conley_taber", "ferman_pinto"), (), ("placebo_rank",), "One treated {unit}: it has no variation of its own."),
    Route(
        FRAGILE,
        ("randomisation", "wild_subcluster"),
        (),
        ("cr2", "clustered"),
        "{count} treated {unit}s are few, so the result is fragile.",
    ),
    Route(8, ("randomisation",), ("wild",), ("wild", "wild_subcluster", "cr2", "clustered"), "{count} treated {unit}s."),
    Route(
        10**9,
        ("randomisation", "wild_subcluster"),
        ("wild",),
        ("wild", "cr2", "sign_change", "clustered"),
        "{count} treated {unit}s are enough that how they vary among themselves counts too.",
    ),
)


@dataclass(frozen=True)
class MethodRow:
    """One method's answer on one effect; None where it has none, with `note` saying why."""

    method: str
    label: str
    p_value: float | None
    lower: float | None
    upper: float | None
    std_error: float | None
    df: float | None
    details: Mapping[str, Any]
    note: str
    headline: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Every field as plain JSON; infinite ends as None, said in `note`."""
        return {**self.__dict__, "details": dict(self.details)}


@dataclass(frozen=True)
class FewClusters:
    """The headline's p-value and interval, and every method beside it.

    Attributes:
        treated_units: assignment units with the reform in the effect.
        assignment: the column of the assignment units.
        level: of the intervals.
        estimate: the effect.
        p_value: the largest of the deciding methods'.
        lower, upper: the least range that holds the deciding methods' intervals; an end is None where one of them has none.
        method: the method with that p-value.
        label: the deciding methods in words.
        rule: in plain words, which rule applied.
        fragile: whether so few were treated that the result must be called fragile.
        disagree: whether another method that holds for so few falls on the other side of the level.
        methods: all rows, deciding ones first.
    """

    treated_units: int
    assignment: str
    level: float
    estimate: float
    p_value: float
    lower: float | None
    upper: float | None
    method: str
    label: str
    rule: str
    fragile: bool
    disagree: bool
    methods: tuple[MethodRow, ...]

    @property
    def estimable(self) -> bool:
        """Always True; `NotEstimable` has False."""
        return True

    def to_dict(self) -> dict[str, Any]:
        """Every field as plain JSON."""
        return {**self.__dict__, "methods": [row.to_dict() for row in self.methods]}


def few_clusters(result: Result | NotEstimable, assignment: str, **options: Any) -> FewClusters | NotEstimable:
    """Infer on the overall effect of one outcome; see `few_clusters_by_outcome` for arguments and errors.

    Raises:
        OptionError: the result has several outcomes.
    """
    if isinstance(result, NotEstimable):
        return result
    found = few_clusters_by_outcome(result, assignment, **options)
    if len(found) > 1:
        raise OptionError("few_clusters takes one outcome at a time. Use few_clusters_by_outcome for several.")
    return next(iter(found.values()))


def few_clusters_by_outcome(
    result: Result,
    assignment: str,
    *,
    level: float = 0.95,
    draws: int = 9999,
    seed: int = 1,
    refit_draws: int = 499,
    distribution: bool = False,
    intervals: bool = True,
) -> dict[str, FewClusters | NotEstimable]:
    """Infer on the overall effect of each outcome by the methods that hold for its number of treated assignment units.

    Args:
        result: with a row of kind "overall" or "average" for each outcome (the first such row is taken).
        assignment: column of the units that were assigned: partnerships, with comparison units grouped or alone.
        level: of the intervals; one minus it is the level at which methods are compared.
        draws: of every method that draws; outcomes share them.
        seed: of the draws.
        refit_draws: draws where each reassignment needs the estimator again (see METHODS.md, randomisation).
        distribution: keep the estimates under reassignment in the details of the randomisation row.
        intervals: find them; without, every end is None (simulations need the p-values only).

    Returns:
        For each outcome the headline and all methods, or `NotEstimable` where no deciding method gives a p-value.

    Raises:
        OptionError: no such row.
        PanelError: there is no such column.
    """
    rows = _overall(result)
    name, codes = rows.panel.cluster_codes(assignment)
    treated = [len(np.unique(codes[units])) for units in rows.support.T]
    routes = [next(route for route in ROUTES if count <= route.most) for count in treated]
    asked = _Asked(level, {"draws": draws, "seed": seed}, refit_draws, distribution, intervals)
    wanted = dict.fromkeys(key for route in routes for key in (*route.decide, *route.instead, *route.beside))
    answers = {key: _answers(rows, key, name, asked) for key in wanted}
    return {
        str(outcome): _one(rows, k, name, treated[k], routes[k], answers, level)
        for k, outcome in enumerate(rows.labels["outcome"])
    }


def _one(
    result: Result, k: int, name: str, treated: int, route: Route, answers: Mapping[str, list[MethodRow]], level: float
) -> FewClusters | NotEstimable:
    decide = [answers[key][k] for key in route.decide]
    usable = [row for row in decide if row.p_value is not None]
    usable = usable or [answers[key][k] for key in route.instead if answers[key][k].p_value is not None]
    if not usable:
        notes = "; ".join(dict.fromkeys(row.note for row in decide if row.note))
        reason = f"none of the methods for {treated} treated units by {name} gives a p-value: {notes}"
        return NotEstimable(reason, "Add comparison units, or areas with the reform.", result.estimator, result.aggregate)
    chosen, lower, upper, words = _decide(usable)
    beside = [answers[key][k] for key in route.beside]
    others = [row for row in (*decide, *beside) if row.method in HOLDS and row.p_value is not None]
    apart = [row.label for row in others if _below(row, level) != _below(chosen, level)]
    if apart:
        words = f"{words} On the other side of {1 - level:.0%}: {', '.join(apart)}."
    rule = f"{route.words.format(count=treated, unit=name)} {words}"
    final = tuple(replace(row, headline=row.method == chosen.method) for row in (*decide, *beside))
    ends = (float(chosen.p_value or 0.0), lower, upper)
    estimate, fragile = float(result.estimates[k]), treated <= FRAGILE
    label = chosen.label if len(usable) == 1 else f"the more careful of {_together(usable)}"
    return FewClusters(treated, name, level, estimate, *ends, chosen.method, label, rule, fragile, bool(apart), final)


def _below(row: MethodRow, level: float) -> bool:
    return row.p_value is not None and row.p_value < 1 - level


def _overall(result: Result) -> Result:
    """The first row of the effect as a whole of each outcome."""
    whole = result.labels["kind"].isin(["overall", "average"])
    first = ~result.labels["outcome"].where(whole).duplicated() & whole
    if first.sum() < result.labels["outcome"].nunique():
        raise OptionError(f"{result.aggregate!r} has no row for the effect as a whole. Use aggregate='overall'.")
    keep = first.to_numpy(bool)
    return result if keep.all() else result.rows(keep)


def _decide(usable: list[MethodRow]) -> tuple[MethodRow, float | None, float | None, str]:
    """The row with the largest p-value, the hull of all intervals, and which it was: the set that not all of them reject."""
    largest = max(usable, key=lambda row: row.p_value or 0.0)
    lowers, uppers = [row.lower for row in usable], [row.upper for row in usable]
    lower = None if None in lowers else min(end for end in lowers if end is not None)
    upper = None if None in uppers else max(end for end in uppers if end is not None)
    if len(usable) == 1:
        return largest, lower, upper, f"Shown: {largest.label}."
    said = f"{_together(usable)} decide. Shown: the larger p-value, from {largest.label}, and the range of both intervals."
    return largest, lower, upper, said


def _together(rows: list[MethodRow]) -> str:
    return " and ".join(row.label for row in rows)


@dataclass(frozen=True)
class _Asked:
    level: float
    options: Mapping[str, Any]
    refit_draws: int
    distribution: bool
    intervals: bool


def _ask(key: str, panel: Panel, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Name and options of a method as `Result.inference` takes them."""
    if key in ("randomisation", "placebo_rank"):
        statistic = "t" if key == "randomisation" else "coefficient"
        return "randomisation", {**options, "statistic": statistic}
    if key == "wild_subcluster":
        return "wild_cluster", {**options, "subcluster": panel.unit}
    if key in ("conley_taber", "ferman_pinto"):  # as published they leave the effect itself out of what it is held against
        return key, {**options, "finite_sample": True}
    if key == "wild":
        return "wild_cluster", dict(options)
    return key, {}


def _answers(result: Result, key: str, cluster: str, asked: _Asked) -> list[MethodRow]:
    """One method on every row; where it refuses, the reason stands in each."""
    name, options = _ask(key, result.panel, asked.options)
    if name == "randomisation":
        options["refit_draws"] = asked.refit_draws
    try:
        found = result.inference(name, cluster, **options)
    except PanelError as error:
        return [MethodRow(key, LABELS[key], None, None, None, None, None, {}, str(error))] * len(result.estimates)
    return _read(key, found, asked)


def _read(key: str, found: Inference, asked: _Asked) -> list[MethodRow]:
    nothing = np.full(len(found.estimates), np.nan)
    lower, upper = found.interval(asked.level) if asked.intervals else (nothing, nothing)
    details = {name: value for name, value in found.details.items() if asked.distribution or name != "distribution"}
    rows = []
    for k in range(len(found.estimates)):
        notes = list(found.warnings)
        if np.isinf(lower[k]) or np.isinf(upper[k]):
            notes.append("The interval has no end on one side or both: too few assignments to bound it.")
        p_value, error, df = _finite(found.p_value[k]), _finite(found.std_error[k]), _finite(found.df[k])
        row = MethodRow(key, LABELS[key], p_value, _finite(lower[k]), _finite(upper[k]), error, df, details, " ".join(notes))
        rows.append(row)
    return rows


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
