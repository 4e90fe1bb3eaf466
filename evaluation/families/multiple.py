"""Families of outcomes: p-values that keep the error over all outcomes of a family (Romano, Wolf stepdown), with Holm's beside.

The stepdown takes one resampling that all outcomes share, so that it knows how they move together. It may be given (statistics
under reassignment, or of a wild bootstrap, one column an outcome), or is made here from the scores of a result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation import words
from evaluation.errors import NotEstimable, OptionError, PanelError
from evaluation.families.score_bootstrap import ScoreBootstrap, score_bootstrap
from evaluation.result import Result

TIE = 1e-9  # relative size below which two statistics count as equal


@dataclass(frozen=True)
class Outcome:
    """One outcome of a family.

    Attributes:
        label: its name.
        statistic: the observed statistic; NaN where there is none.
        p_value: of this outcome alone, two-sided.
        adjusted_p: by Romano and Wolf's stepdown.
        holm_p: by Holm, from `p_value`.
        shown: whether an effect is shown with the family's error kept.
        note: why the outcome could not be tested, or nothing.
    """

    label: str
    statistic: float
    p_value: float
    adjusted_p: float
    holm_p: float
    shown: bool
    note: str = ""


@dataclass(frozen=True)
class Family:
    """A family of outcomes, in the order given.

    Attributes:
        outcomes: one an outcome.
        alpha: chance of any false alarm in the family.
        draws: resampled statistics behind the p-values.
        smallest_p: smallest p-value that the resampling can reach.
        method: how the resampling was had.
        warnings: what a reader must know.
        reading: what it says, in plain words.
    """

    outcomes: tuple[Outcome, ...]
    alpha: float
    draws: int
    smallest_p: float
    method: str
    warnings: tuple[str, ...]
    reading: str

    @property
    def estimable(self) -> bool:
        """Always True; `NotEstimable` has False."""
        return True

    def to_dict(self) -> dict[str, Any]:
        """Every field as plain JSON."""
        return {**words.plain(self.__dict__), "outcomes": [words.plain(one.__dict__) for one in self.outcomes]}


def stepdown(statistics: np.ndarray, null: np.ndarray, *, identity_included: bool = False) -> np.ndarray:
    """Adjusted two-sided p-values of m hypotheses from resampled statistics that they share.

    Hypotheses are taken from the largest |statistic| on; each is compared with the largest |null statistic| among those not yet
    taken, and no p-value is below that of the one before. Romano, Wolf 2016 (Statistics & Probability Letters 113, equation 4 and
    algorithm); Romano, Wolf 2005 (Econometrica 73, algorithm 4.1).

    Args:
        statistics: m, observed.
        null: draws × m, resampled with all hypotheses true, on the same scale (all studentised, or all of one unit).
        identity_included: whether the observed assignment is one of the draws; else it is added: (1 + count) ÷ (1 + draws).

    Returns:
        m adjusted p-values, in the order given.

    Raises:
        PanelError: shapes that do not fit, or values that are not finite.
    """
    observed, drawn = _checked(statistics, null)
    order = np.argsort(-observed, kind="stable")
    largest = np.maximum.accumulate(drawn[:, order[::-1]], axis=1)[:, ::-1]
    p_values = np.maximum.accumulate(_share(observed[order], largest, identity_included))
    out = np.empty(len(observed))
    out[order] = p_values
    return out


def holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Holm's (1979) step-down adjusted p-values, in the order given.

    As `multipletests` of statsmodels, which a test holds it to; that one sweeps all of memory for garbage at every call.
    """
    p = np.asarray(p_values, float)
    order = np.argsort(p, kind="stable")
    out = np.empty(len(p))
    out[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return out


def _checked(statistics: np.ndarray, null: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    observed, drawn = np.abs(np.asarray(statistics, float)), np.abs(np.asarray(null, float))
    if observed.ndim != 1 or drawn.ndim != 2 or drawn.shape[1] != len(observed) or not drawn.size:
        raise PanelError(f"Resampled statistics must be draws × {observed.size} outcomes, not {drawn.shape}.")
    if not (np.isfinite(observed).all() and np.isfinite(drawn).all()):
        raise PanelError("Observed and resampled statistics must be finite. Leave outcomes without a statistic out.")
    return observed, drawn


def _share(observed: np.ndarray, drawn: np.ndarray, identity_included: bool) -> np.ndarray:
    """Share of draws at least as large, the observed one counted; statistics that differ by rounding are equal."""
    count = (drawn >= observed * (1 - TIE)).sum(axis=0)
    return np.asarray(np.maximum(count, 1) / len(drawn) if identity_included else (1 + count) / (1 + len(drawn)))


def family(
    labels: Sequence[str],
    statistics: Sequence[float] | np.ndarray,
    null: np.ndarray,
    *,
    alpha: float = 0.05,
    identity_included: bool = False,
    method: str = "given",
    warnings: Sequence[str] = (),
) -> Family | NotEstimable:
    """Romano–Wolf and Holm p-values of a family from a ready resampling.

    Args:
        labels: m names.
        statistics: m; NaN where an outcome has none.
        null: draws × m, resampled with all hypotheses true; columns of outcomes without a statistic are not used.
        alpha: chance of any false alarm in the family.
        identity_included: as in `stepdown`.
        method: how the resampling was had, in words.
        warnings: handed on.

    Returns:
        `Family`: outcomes without a statistic stay in it with a note. `NotEstimable` where none has one.

    Raises:
        OptionError: an alpha out of range. PanelError: shapes that do not fit, null statistics that are not finite.
    """
    words.check_share("alpha", alpha, "Use 0.05 for a 5% chance of any false alarm.")
    names, observed, drawn = [str(name) for name in labels], np.asarray(statistics, float), np.asarray(null, float)
    if observed.shape != (len(names),) or drawn.ndim != 2 or drawn.shape[1] != len(names):
        raise PanelError(f"Give one statistic, and one column of resampled statistics, for each of the {len(names)} labels.")
    known = np.isfinite(observed)
    if not known.any():
        return NotEstimable("no outcome of the family has a statistic", "Take errors by a column with more groups.")
    size, sample = _checked(observed[known], drawn[:, known])
    alone = _share(size, sample, identity_included)
    adjusted = stepdown(observed[known], sample, identity_included=identity_included)
    columns = np.full((3, len(names)), np.nan)
    columns[:, known] = alone, adjusted, holm(alone)
    notes = ["" if has else "no effect or no error: not tested" for has in known]
    outcomes = tuple(
        Outcome(name, float(observed[k]), *_numbers(columns[:, k]), bool(columns[1, k] <= alpha), notes[k])
        for k, name in enumerate(names)
    )
    smallest = 1 / len(drawn) if identity_included else 1 / (1 + len(drawn))
    return Family(outcomes, alpha, len(drawn), smallest, method, tuple(warnings), _reading(outcomes, alpha, warnings))


def _numbers(column: np.ndarray) -> tuple[float, float, float]:
    return float(column[0]), float(column[1]), float(column[2])


def outcome_family(
    result: Result | NotEstimable,
    cluster: str | None = None,
    *,
    null: np.ndarray | None = None,
    identity_included: bool = False,
    subcluster: str | None = None,
    alpha: float = 0.05,
    draws: int = 9999,
    seed: int = 1,
) -> Family | NotEstimable:
    """Romano–Wolf and Holm p-values for the outcomes of a result with `aggregate="overall"`.

    Args:
        result: overall effects of several outcomes; a `NotEstimable` is handed back.
        cluster: column to cluster by (the partnership); default the panel's own.
        null: draws × m resampled t-statistics that the outcomes share, from randomisation or a wild bootstrap with errors by the
            same cluster; None: the score bootstrap with the null imposed (see `score_bootstrap`).
        identity_included: whether the observed assignment is one of the draws of `null`.
        subcluster: finer column that signs are drawn by in the score bootstrap; None: the cluster.
        alpha: chance of any false alarm in the family.
        draws: of the score bootstrap.
        seed: of the draws.

    Returns:
        `Family`, or `NotEstimable`: no outcome has an error, or the score bootstrap cannot be had for this result.

    Raises:
        OptionError: the result is not overall, or an option is out of range.
        PanelError: there is no such cluster, or `null` does not fit.
    """
    if isinstance(result, NotEstimable):
        return result
    if result.aggregate != "overall" or (result.labels["kind"] != "overall").any():
        raise OptionError("outcome_family takes overall effects, one an outcome. Use aggregate='overall'.")
    if draws < 99:
        raise OptionError(f"draws must be 99 or more, not {draws!r}.")
    names = result.labels["outcome"].tolist()
    if null is not None:
        found = result.inference("clustered", cluster=cluster, factor="none")
        statistics = found.estimates / found.std_error
        return family(names, statistics, null, alpha=alpha, identity_included=identity_included, method="given")
    made = score_bootstrap(result, cluster, subcluster, draws, seed)
    if isinstance(made, NotEstimable):
        return made
    return _of_scores(made, names, alpha)


def _of_scores(made: ScoreBootstrap, names: list[str], alpha: float) -> Family | NotEstimable:
    known = np.isfinite(made.statistics)
    null = np.where(known, made.null, 0.0)
    return family(names, np.where(known, made.statistics, np.nan), null, alpha=alpha, method=made.method, warnings=made.warnings)


def _reading(outcomes: tuple[Outcome, ...], alpha: float, warnings: Sequence[str]) -> str:
    tested = [one for one in outcomes if not one.note]
    shown = [one for one in tested if one.shown]
    lost = [one.label for one in tested if not one.shown and one.p_value <= alpha]
    text = (
        f"{len(shown)} of {len(tested)} outcomes show an effect with at most a {words.percent(alpha)} chance of any false alarm"
    )
    text += ": " + ", ".join(f"{one.label} ({words.probability(one.adjusted_p)})" for one in shown) + "." if shown else "."
    if lost:
        text += f" Below {alpha:g} alone, but not as one of {len(tested)}: {', '.join(lost)}."
    missing = [one.label for one in outcomes if one.note]
    text += f" Not tested: {', '.join(missing)}." if missing else ""
    return " ".join([text, *warnings])
