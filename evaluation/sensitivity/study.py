"""What the bounds start from: estimates before and after against one period, their covariance, and the effect asked about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.errors import NotEstimable, OptionError, PanelError, check_choice
from evaluation.inference import Inference
from evaluation.result import Result

SINGULAR = 1e-10  # smallest over largest eigenvalue of the correlations below which a covariance counts as singular
ROWS = ("average", "first")
ONE_BASE = "Use group_time with base='universal', stacked, two_way_fixed_effects, interaction_weighted or local_projections."


@dataclass(frozen=True)
class Bound:
    """A confidence set under one restriction on the trend.

    Attributes:
        restriction: relative_magnitudes, relative_smoothness or smoothness.
        value: Mbar (a multiple), or M (units of the outcome a period).
        lower: lower end, in units of the outcome.
        upper: upper end.
        whole: whether all values between the ends belong to the set; where False the ends are those of its hull.
    """

    restriction: str
    value: float
    lower: float
    upper: float
    whole: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Every field as plain JSON."""
        return dict(self.__dict__)


@dataclass(frozen=True, eq=False)
class Study:
    """Estimates of an event study without the period compared with.

    Attributes:
        estimates: before (oldest first), then after (pre + post).
        covariance: of them.
        pre: number of periods before.
        contrast: the effect asked about, in terms of those after (post).
        times: event times (pre + post).
        cluster: the column clustered by.
        clusters: how many.
        notes: what a reader must know of the periods used.
    """

    estimates: np.ndarray
    covariance: np.ndarray
    pre: int
    contrast: np.ndarray
    times: tuple[int, ...] = ()
    cluster: str = ""
    clusters: int = 0
    notes: tuple[str, ...] = ()

    @property
    def estimate(self) -> float:
        """The effect asked about."""
        return float(self.contrast @ self.estimates[self.pre :])

    @property
    def std_error(self) -> float:
        """Its standard error."""
        return float(np.sqrt(self.contrast @ self.covariance[self.pre :, self.pre :] @ self.contrast))

    @property
    def meant(self) -> tuple[int, ...]:
        """Event times that the effect asked about is an average over; none where they are not known."""
        if not self.times:
            return ()
        return tuple(time for time, weight in zip(self.times[self.pre :], self.contrast, strict=True) if weight)


def check_level(level: float) -> float:
    """The level; outside 0 and 1 it raises `OptionError`."""
    if not 0 < level < 1:
        raise OptionError(f"level must lie between 0 and 1, not {level!r}. Use 0.95 for a 95% interval.")
    return level


def check_values(values: Sequence[float]) -> np.ndarray:
    """The values as an array; anything that is not finite or below 0 raises `OptionError`."""
    out = np.array([float(value) for value in values])
    if not (np.isfinite(out) & (out >= 0)).all():
        raise OptionError(f"How far trends may break must be finite and 0 or more, not {list(values)!r}.")
    return out


def as_study(estimates: Any, covariance: Any, pre: int, post: int, contrast: Any) -> Study | NotEstimable:
    """Arrays as a `Study`: wrong shapes raise `PanelError`, too few periods or a singular covariance are a `NotEstimable`."""
    values, spread, wanted = (np.asarray(one, float) for one in (estimates, covariance, contrast))
    count = pre + post
    if values.shape != (count,) or spread.shape != (count, count) or wanted.shape != (post,):
        raise PanelError(
            f"With {pre} periods before and {post} after, estimates must have {count} numbers, covariance {count} × {count} and "
            f"contrast {post}, not {values.shape}, {spread.shape} and {wanted.shape}. Leave the reference period out."
        )
    if not (np.isfinite(values).all() and np.isfinite(spread).all() and np.isfinite(wanted).all() and wanted.any()):
        raise PanelError("Estimates, covariance and contrast must be finite, and the contrast not all zero. Leave such rows out.")
    if not np.allclose(spread, spread.T, rtol=1e-6, atol=1e-12 * np.abs(spread).max()):
        raise PanelError("The covariance is not symmetric. Give the covariance of the estimates in their own order.")
    study = Study(values, (spread + spread.T) / 2, pre, wanted)
    return _refusal(study) or study


def _refusal(study: Study, unit: str = "") -> NotEstimable | None:
    if study.pre < 2:
        return NotEstimable(
            f"{study.pre or 'no'} effect before the start, beside the period compared with, cannot show how far trends move "
            "apart: two are the least",
            "Use a window that begins earlier, or a start with more periods before it.",
        )
    error = np.sqrt(np.maximum(np.diag(study.covariance), 0.0))
    sizes = np.linalg.eigvalsh(study.covariance / np.outer(error, error)) if error.all() else np.zeros(1)
    if sizes[0] > SINGULAR * sizes[-1]:
        return None
    count = len(study.estimates)
    many = f" with {study.clusters} clusters by {study.cluster}" if study.cluster else ""
    finer = f"Cluster by {unit}" if unit and unit != study.cluster else "Cluster by a column with more groups"
    return NotEstimable(
        f"the covariance of the {count} effects before and after is singular{many}: some mix of them would have no error at all",
        f"{finer}, or use fewer periods: before= and after= say how many.",
    )


def study_of(
    result: Result,
    row: str,
    cluster: str | None,
    inference: str,
    options: Mapping[str, Any],
    before: int | None,
    after: int | None,
) -> Study | NotEstimable:
    """The `Study` of an event-time result of one outcome; see `bounds` for the arguments and what is refused."""
    check_choice("row", row, ROWS)
    for name, count, least in (("before", before, 2), ("after", after, 1)):
        if count is not None and (isinstance(count, bool) or not isinstance(count, int | np.integer) or count < least):
            raise OptionError(f"{name} must be a whole number of periods, {least} or more, not {count!r}.")
    if result.aggregate != "event_time":
        raise OptionError(f"The bounds need aggregate='event_time', not {result.aggregate!r}. Estimate it so.")
    if result.labels["outcome"].nunique() > 1:
        raise OptionError("The bounds take one outcome at a time. Estimate panel.outcome(name), or keep one with result.rows().")
    if not (result.labels["kind"] == "reference").any():
        return NotEstimable("its effects before and after the start are not measured against one and the same period", ONE_BASE)
    found = result.inference(inference, cluster=cluster, **options)
    base = -1 - int(result.options.get("anticipation", 0))
    ready = _rebased(found, base)
    if isinstance(ready, NotEstimable):
        return ready
    study = _assembled(found, *ready, base, row, before, after)
    if isinstance(study, NotEstimable):
        return study
    return _refusal(study, result.panel.unit) or study


def _rebased(found: Inference, base: int) -> tuple[dict[int, int], np.ndarray, np.ndarray] | NotEstimable:
    """Where each usable event time stands, and estimates and covariance of all rows against the last period before."""
    times, kind = found.labels["event_time"], found.labels["kind"]
    known = np.isfinite(found.std_error) | (kind == "reference").to_numpy(bool)
    at = {int(times[k]): int(k) for k in np.flatnonzero(known & times.notna().to_numpy(bool))}
    if base not in at:
        return NotEstimable(f"there is no estimate for event time {_times([base])}, the last before the reform", ONE_BASE)
    covariance = np.where(np.isfinite(found.covariance), found.covariance, 0.0)
    estimates = np.where(known, found.estimates, 0.0)
    turn = np.eye(len(known))
    turn[:, at[base]] -= 1.0
    return at, turn @ estimates, turn @ covariance @ turn.T


def _assembled(
    found: Inference,
    at: dict[int, int],
    estimates: np.ndarray,
    covariance: np.ndarray,
    base: int,
    row: str,
    before: int | None,
    after: int | None,
) -> Study | NotEstimable:
    """The run of event times without a gap around the base, no longer than asked, with what was left out said."""
    early, late = _run(at, base, -1)[: before or None], _run(at, base, 1)
    late = [time for time in late if after is None or time < after]
    if not late or late[-1] < 0:
        return NotEstimable("the first effect after the start has no standard error", "Cluster by a column with more groups.")
    times = [*early[::-1], *late]
    missing = [time for time in _labels(found) if time not in times and time != base]
    asked = [time for time in missing if (before is None and time < base) or (after is None and time > base)]
    notes = []
    if asked:
        notes.append(f"Not used, for want of an error or behind a gap: event time {_times(asked)}.")
    if base < -1:
        notes.append(f"Event time {_times(range(base + 1, 0))} may hold anticipation: neither before nor after the reform.")
    wanted = np.array([float(time >= 0) if row == "average" else float(time == 0) for time in late])
    pick = [at[time] for time in times]
    return Study(
        estimates[pick],
        covariance[np.ix_(pick, pick)],
        len(early),
        wanted / wanted.sum(),
        tuple(times),
        found.cluster,
        int(found.clusters[pick][np.isfinite(found.std_error[pick])].min()),
        tuple(notes),
    )


def _run(at: Mapping[int, int], base: int, step: int) -> list[int]:
    out: list[int] = []
    while base + step * (len(out) + 1) in at:
        out.append(base + step * (len(out) + 1))
    return out


def _labels(found: Inference) -> list[int]:
    return sorted(int(time) for time in found.labels["event_time"].dropna())


def _times(times: Sequence[int] | range) -> str:
    return ", ".join(str(time).replace("-", "\N{MINUS SIGN}") for time in times)


def said(number: float) -> str:
    """A number in prose: three digits that count, and a real minus sign."""
    return f"{number:.3g}".replace("-", "\N{MINUS SIGN}")
