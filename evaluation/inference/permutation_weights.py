"""Weights of the linear estimators on complete, unweighted cells, in closed form from the number of units by start.

On such a panel the weight of a cell depends on its unit's start and its period alone, and on how many units have each start. So
one table of starts × periods says all there is about an estimator under an assignment, and many assignments are had at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Sizes:
    """How many units have each start, under D assignments that give the same starts.

    Attributes:
        counts: D × (Q + 1); units by start, those that never start last.
        starts: Q + 1; positions of first treated periods, ascending; at or after `periods` for units that never start.
        periods: T.
    """

    counts: np.ndarray
    starts: np.ndarray
    periods: int

    @property
    def on(self) -> np.ndarray:
        """Whether a start's units are treated in a period: (Q + 1) × T."""
        return np.asarray(self.starts[:, None] <= np.arange(self.periods))

    @property
    def adopts(self) -> np.ndarray:
        """Whether a start lies in the window (Q + 1)."""
        return np.asarray(self.starts < self.periods)


Builder = Callable[[Sizes, str, Mapping[str, Any]], "np.ndarray | None"]


def weights_by_start(estimator: str, sizes: Sizes, aggregate: str, options: Mapping[str, Any]) -> np.ndarray | None:
    """Weights on the cells of a unit of each start, D × (Q + 1) × T, or None where no closed form is known.

    Args:
        estimator: its name in `ESTIMATORS`.
        sizes: units by start; every start of the panel has some under each assignment.
        aggregate: whose overall or average row is meant.
        options: the estimator's own, defaults filled in.
    """
    return BUILDERS[estimator](sizes, aggregate, options) if estimator in BUILDERS else None


def effect_shares(sizes: Sizes, which: np.ndarray, aggregate: str) -> np.ndarray:
    """Weights of cohort × period effects in the overall or average row, D × (Q + 1) × T; they add up to 1.

    `which` ((Q + 1) × T) are the effects there are. Overall and regions: by cells; event times and periods count alike, cohorts
    by their units.
    """
    size = sizes.counts[:, :, None] * which
    if aggregate == "cohort":
        per_period = which / np.maximum(which.sum(axis=1, keepdims=True), 1)
        share = sizes.counts * which.any(axis=1)
        return np.asarray((share / share.sum(axis=1, keepdims=True))[:, :, None] * per_period)
    if aggregate not in ("event_time", "calendar"):
        return np.asarray(size / (sizes.counts @ which.sum(axis=1))[:, None, None])
    row = np.arange(sizes.periods) - (
        sizes.starts[:, None] if aggregate == "event_time" else np.zeros_like(sizes.starts)[:, None]
    )
    found, to = np.unique(row[which], return_inverse=True)
    onto = np.zeros((len(to), len(found)))
    onto[np.arange(len(to)), to.reshape(-1)] = 1.0
    total = size[:, which] @ onto
    size[:, which] /= total[:, to.reshape(-1)] * len(found)
    return size


def _by_unit(effects: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Weights of effects shared out among a start's units; none where it has no units."""
    return np.divide(effects, counts[:, :, None], out=np.zeros_like(effects), where=counts[:, :, None] > 0)


def _imputation(sizes: Sizes, aggregate: str, options: Mapping[str, Any]) -> np.ndarray:
    """Unit and period effects of untreated cells. Those treated later are those untreated earlier, so the fit is a recursion.

    The effect of period t is the mean outcome then, less before t, of the units still untreated, plus the mean effect before t.
    What an estimate takes of it is handed back from the last period to the first.
    """
    on, counts = sizes.on, sizes.counts
    left = counts @ ~on
    effects = effect_shares(sizes, on & (left[0] > 0), aggregate)
    by_unit = _by_unit(effects, counts)
    span = (~on).sum(axis=1)
    level = by_unit.sum(axis=2) / span
    taken = (counts * level) @ ~on - effects.sum(axis=1)
    carry = np.zeros(len(counts))
    for t in range(sizes.periods - 1, 0, -1):
        taken[:, t] += carry
        carry += taken[:, t] / t
    taken[:, 0] = 0.0
    pushed = np.divide(taken, left, out=np.zeros_like(taken), where=left > 0)
    before = np.cumsum(pushed / np.maximum(np.arange(sizes.periods), 1), axis=1)
    untreated = (pushed + before)[:, None, :] - (before[:, span - 1] + level)[:, :, None]
    return np.where(on, by_unit, untreated)


def _against_never(sizes: Sizes, effects: np.ndarray, base: np.ndarray) -> np.ndarray:
    """Each effect as the change since its start's base (Q + 1), less that of the units that do not adopt."""
    made = effects.copy()
    for q in np.flatnonzero(sizes.adopts & (base >= 0)):
        made[:, q, base[q]] -= effects[:, q].sum(axis=1)
    compare = ~sizes.adopts
    others = sizes.counts[:, compare].sum(axis=1)
    profile = made.sum(axis=1) / others[:, None]
    made = _by_unit(made, sizes.counts)
    made[:, compare] = -profile[:, None, :]
    return made


def _with_reference(sizes: Sizes, aggregate: str, reference: int) -> np.ndarray:
    base = np.where(sizes.adopts, sizes.starts + reference, -1)
    return _against_never(sizes, effect_shares(sizes, sizes.on & (base >= 0)[:, None], aggregate), base)


def _interaction_weighted(sizes: Sizes, aggregate: str, options: Mapping[str, Any]) -> np.ndarray:
    """Cohorts have an effect in every period but the reference, so each compares with the units that do not adopt."""
    return _with_reference(sizes, aggregate, int(options["reference"]))


def _group_time(sizes: Sizes, aggregate: str, options: Mapping[str, Any]) -> np.ndarray | None:
    if aggregate != "overall" or options["control"] != "never_treated":
        return None
    return _with_reference(sizes, aggregate, -1 - int(options["anticipation"]))


def _extended_two_way(sizes: Sizes, aggregate: str, options: Mapping[str, Any]) -> np.ndarray | None:
    """With leads as interaction-weighted; without them all untreated cells compare, as in imputation."""
    if options["family"] != "gaussian":
        return None
    if options["model"] == "static":
        return _static(sizes)
    return _with_reference(sizes, aggregate, -1) if options["control"] == "never_treated" else _imputation(sizes, aggregate, {})


def _static(sizes: Sizes) -> np.ndarray:
    """Least squares: the treatment less its unit and period means, over its squares."""
    on = sizes.on.astype(float)
    share = sizes.counts @ on / sizes.counts.sum(axis=1, keepdims=True)
    centred = on - on.mean(axis=1, keepdims=True) - (share - share.mean(axis=1, keepdims=True))[:, None, :]
    return np.asarray(centred / np.einsum("dq,dqt->d", sizes.counts, centred**2)[:, None, None])


def _two_way(sizes: Sizes, aggregate: str, options: Mapping[str, Any]) -> np.ndarray | None:
    plain = aggregate == "overall" and options["period_by"] is None and options["covariates"] == "none"
    return _static(sizes) if plain else None


def _two_by_two(sizes: Sizes, aggregate: str, options: Mapping[str, Any]) -> np.ndarray | None:
    """The change of means, for one start."""
    if sizes.adopts.sum() != 1:
        return None
    on = sizes.on[sizes.adopts][0]
    change = on / on.sum() - ~on / (~on).sum()
    sign = np.where(sizes.adopts, 1.0, -1.0) / np.where(
        sizes.adopts, sizes.counts, sizes.counts[:, ~sizes.adopts].sum(1)[:, None]
    )
    return np.asarray(sign[:, :, None] * change)


def _clean(sizes: Sizes, after: int, options: Mapping[str, Any]) -> np.ndarray:
    """Starts whose units compare up to a period: those that start after it, or only those that never do (Q + 1)."""
    never = np.arange(len(sizes.starts)) == len(sizes.starts) - 1
    return never if options["control"] == "never_treated" else (sizes.starts > after) & (sizes.counts[0] > 0)


def _stacked(sizes: Sizes, aggregate: str, options: Mapping[str, Any]) -> np.ndarray | None:
    """Starts whose window has both sides; comparison units carry the start's share of all treated units."""
    counts, starts = sizes.counts, sizes.starts
    here = [int(g) for g, some in zip(starts, counts[0] > 0, strict=True) if some]
    never = bool(counts[0, -1] > 0)
    usable, end = (here[:-1], sizes.periods - 1 if never else here[-1] - 1)
    pre = min(usable) if options["kappa_pre"] is None else int(options["kappa_pre"])
    post = max(end - max(usable), 0) if options["kappa_post"] is None else int(options["kappa_post"])
    time = np.arange(sizes.periods)
    total, parts = np.zeros(len(counts)), []
    for q in np.flatnonzero(sizes.adopts):
        g = int(starts[q])
        clean = _clean(sizes, g + post, options)
        if g - pre < 0 or g + post >= sizes.periods or not counts[0, clean].any():
            continue
        profile = ((time >= g) & (time <= g + post)) / (post + 1.0) - (time == g - 1)
        total = total + counts[:, q]
        parts.append((q, clean, profile))
    if not parts:
        return None
    out = np.zeros((len(counts), len(starts), sizes.periods))
    for q, clean, profile in parts:
        out[:, q] += profile / total[:, None]
        carried = counts[:, q] / (total * counts[:, clean].sum(axis=1))
        out[:, clean] -= (carried[:, None] * profile)[:, None, :]
    return out


def _local_projections(sizes: Sizes, aggregate: str, options: Mapping[str, Any]) -> np.ndarray | None:
    """Horizons count alike; within one a start counts by how evenly it splits its period, or (reweight) by its units."""
    counts, starts, last = sizes.counts, sizes.starts, sizes.periods - 1
    post = last - 1 if options["post"] is None else min(int(options["post"]), last - 1)
    out, found = np.zeros((len(counts), len(starts), sizes.periods)), 0
    for horizon in range(post + 1):
        part, size = np.zeros_like(out), np.zeros(len(counts))
        for q in np.flatnonzero((starts >= 1) & (starts <= last - horizon) & (counts[0] > 0)):
            g = int(starts[q])
            clean = _clean(sizes, g + horizon, options)
            own, others = counts[:, q], counts[:, clean].sum(axis=1)
            if not (others > 0).all():
                continue
            heavy = own if options["reweight"] else own * others / (own + others)
            size += heavy
            for which, units, sign in ((np.array([q]), own, 1.0), (np.flatnonzero(clean), others, -1.0)):
                part[:, which, g + horizon] += sign * (heavy / units)[:, None]
                part[:, which, g - 1] -= sign * (heavy / units)[:, None]
        if (size > 0).all():
            out += part / size[:, None, None]
            found += 1
    return out / found if found else None


BUILDERS: dict[str, Builder] = {
    "extended_two_way": _extended_two_way,
    "group_time": _group_time,
    "imputation": _imputation,
    "interaction_weighted": _interaction_weighted,
    "local_projections": _local_projections,
    "stacked": _stacked,
    "two_by_two": _two_by_two,
    "two_stage": _imputation,
    "two_way_fixed_effects": _two_way,
}
