"""Sign changes (approximate randomisation): one estimate for each treated group, and every way to change their signs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.errors import PanelError
from evaluation.inference.assignment import check_whole, groups_of
from evaluation.inference.base import Inference, Scored
from evaluation.inference.contrasts import Contrasts, contrasts_of, placed

DEFAULTS: dict[str, Any] = {"draws": 9999, "seed": 1}
DUST = 1e-10  # weight that counts as none
TIE = 1e-9  # of the largest group effect


@dataclass(frozen=True, eq=False)
class Signs:
    """Where each change of signs is at least as extreme as none: for effects under the null from `low` to `high`.

    With S the groups that change sign, that is between the mean effect of S and the mean effect of the rest.

    Attributes:
        effects: J; one estimate for each treated group.
        low: R sorted lower ends.
        high: R sorted upper ends.
        enumerated: whether all changes of sign were made (S and the rest counted once).
    """

    effects: np.ndarray
    low: np.ndarray
    high: np.ndarray
    enumerated: bool

    def p_value(self, null: float = 0.0) -> float:
        """Share of sign changes at least as extreme as none."""
        slack = TIE * float(np.abs(self.effects).max())
        inside = int((self.low <= null + slack).sum() - (self.high < null - slack).sum())
        return (inside + 1) / (len(self.low) + 1)

    def interval(self, level: float) -> tuple[float, float]:
        """Exact ends: every range contains the mean effect, so they are order statistics; ±inf where signs are too few."""
        allowed = (1 - level) * (1 + 1e-9) * (len(self.low) + 1) - 1
        if allowed < 0:
            return -np.inf, np.inf
        at = math.floor(allowed)
        if at >= len(self.low):
            mean = float(self.effects.mean())
            return mean, mean
        return float(self.low[at]), float(self.high[-1 - at])


def sign_change(result: Scored, cluster: str | None, options: Mapping[str, Any]) -> Inference:
    """Canay, Romano, Shaikh 2017 with one estimate for each treated group; see METHODS.md.

    Raises:
        PanelError: the estimator keeps no weights on cells, or fewer than two units never adopt.
        OptionError: draws or seed is no whole number.
    """
    check_whole(options, draws=1, seed=0)
    if result.own_df is not None:
        raise PanelError(f"{result.estimator} has errors of its own and no weights by group: use the estimator's own errors.")
    name, codes = result.panel.cluster_codes(cluster)
    groups = groups_of(result.panel, name, codes, split=False)
    count, found = len(result.estimates), {}
    warnings: list[str] = []
    for k in np.flatnonzero((result.labels["kind"] != "reference").to_numpy(bool)):
        effects = _group_effects(contrasts_of(result, int(k), groups), name, warnings)
        if len(effects):
            found[int(k)] = _signs(effects, int(options["draws"]), int(options["seed"]))
    warnings += _few(result, found, name)
    p_value = np.array([found[k].p_value() if k in found else np.nan for k in range(count)])

    def ends(level: float) -> tuple[np.ndarray, np.ndarray]:
        both = np.array([found[k].interval(level) if k in found else (np.nan, np.nan) for k in range(count)])
        return both[:, 0], both[:, 1]

    return placed("sign_change", result, groups, p_value, ends, _details(result, found, options), warnings)


def _group_effects(parts: Contrasts, name: str, warnings: list[str]) -> np.ndarray:
    """One effect for each treated group; none for a row about the time before the reform, or that rests on one group."""
    if not (np.abs(parts.scale) > DUST).any():
        return np.zeros(0)
    negative = int((parts.scale < -DUST).sum())
    if negative:
        warnings.append(f"{negative} {name} groups carry a negative weight in all and are left out.")
    usable = parts.scale > DUST
    if usable.sum() < 2:
        warnings.append(f"An effect that rests on one {name} has no sign change: no p-value.")
        return np.zeros(0)
    return np.asarray(parts.own[usable] / parts.scale[usable])


def _signs(effects: np.ndarray, draws: int, seed: int) -> Signs:
    """Ranges of all changes of sign where there are at most `draws`, of random ones beyond."""
    groups = len(effects)
    enumerated = 2 ** (groups - 1) - 1 <= draws and groups < 60
    if enumerated:
        numbers = np.arange(1, 2 ** (groups - 1))
        changed = (numbers[:, None] >> np.arange(groups)) & 1
    else:
        rng = np.random.Generator(np.random.PCG64(seed))
        changed = rng.integers(0, 2, size=(draws, groups))
    taken = changed.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        one = changed @ effects / taken
        other = (1 - changed) @ effects / (groups - taken)
    whole = (taken == 0) | (taken == groups)  # no sign changed, or all: as extreme under any null
    low = np.where(whole, -np.inf, np.minimum(one, other))
    high = np.where(whole, np.inf, np.maximum(one, other))
    return Signs(effects, np.sort(low), np.sort(high), enumerated)


def _few(result: Scored, found: Mapping[int, Signs], name: str) -> list[str]:
    fewest = min((len(signs.effects) for signs in found.values()), default=0)
    if 0 < fewest < 6 and 2.0 ** (1 - fewest) > 0.05:
        return [
            f"Some effects rest on {fewest} {name} groups: no p-value of theirs can be below {2.0 ** (1 - fewest):.3f}. "
            "Five groups reach 0.063, six 0.031."
        ]
    return []


def _details(result: Scored, found: Mapping[int, Signs], options: Mapping[str, Any]) -> dict[str, Any]:
    whole = [k for k in found if result.labels["kind"].iloc[k] in ("overall", "average")]
    every = all(signs.enumerated for signs in found.values())
    return {
        "sign_changes": {str(result.labels["outcome"].iloc[k]): 2 ** len(found[k].effects) for k in whole},
        "draws": min((len(signs.low) for signs in found.values()), default=0),
        "seed": None if every else options["seed"],
        "enumerated": every,
        "smallest_p": max((1 / (len(signs.low) + 1) for signs in found.values()), default=1.0),
        "group_effects": {str(result.labels["outcome"].iloc[k]): [float(effect) for effect in found[k].effects] for k in whole},
        "group_mean": {str(result.labels["outcome"].iloc[k]): float(found[k].effects.mean()) for k in whole},
    }
