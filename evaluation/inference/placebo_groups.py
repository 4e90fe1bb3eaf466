"""Conley–Taber and Ferman–Pinto: comparison groups show what the treated groups' own noise looks like."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from scipy import optimize

from evaluation.errors import OptionError, PanelError
from evaluation.inference.assignment import Groups, check_whole, groups_of, shuffled
from evaluation.inference.base import Inference, Scored
from evaluation.inference.contrasts import NO_COMPARISON, Contrasts, contrasts_of, placed

DEFAULTS: dict[str, Any] = {"draws": 9999, "seed": 1, "within_region": False, "finite_sample": False}
COARSE = 400  # placebo effects below which counting the real one among them changes a p-value by more than 0.005
SHOWN = 2000  # placebo effects kept for the picture
TIE = 1e-9  # of the largest placebo effect


@dataclass(frozen=True, eq=False)
class _Pool:
    """What stands in for one treated group: placebo parts of the effect, and the size of who they come from."""

    parts: np.ndarray
    sizes: np.ndarray
    complete: bool


@dataclass(frozen=True, eq=False)
class Placebo:
    """Distribution of the effect's noise, sorted, from all combinations of stand-ins or random ones.

    Attributes:
        noise: placebo effects, sorted.
        enumerated: whether they are all that there are.
        add: 1 where the real effect is counted among them (random draws, and `finite_sample`), else 0, as published.
    """

    noise: np.ndarray
    enumerated: bool
    add: int = 0

    @property
    def total(self) -> int:
        """Placebo effects, and the real one where it is counted among them."""
        return len(self.noise) + self.add

    def p_value(self, estimate: float) -> float:
        """Two-sided with equal tails; never below 1 ÷ (1 + number of placebo effects)."""
        count, slack = len(self.noise), TIE * float(np.abs(self.noise).max(initial=0.0))
        above = count - int(np.searchsorted(self.noise, estimate - slack, "left"))
        below = int(np.searchsorted(self.noise, estimate + slack, "right"))
        return float(min(1.0, max(2 * (min(above, below) + self.add) / self.total, 1 / (count + 1))))

    def interval(self, estimate: float, level: float) -> tuple[float, float]:
        """Effects that the test at 1 − level does not reject; ±inf where placebo effects are too few for the level."""
        count, alpha = len(self.noise), (1 - level) * (1 + 1e-9)
        if not count:
            return np.nan, np.nan
        needed = math.floor(alpha * self.total / 2 - self.add) + 1
        if needed < 1 or 1 / (count + 1) > alpha:
            return -np.inf, np.inf
        needed = min(needed, (count + 1) // 2)
        return estimate - float(self.noise[count - needed]), estimate - float(self.noise[needed - 1])


def conley_taber(result: Scored, cluster: str | None, options: Mapping[str, Any]) -> Inference:
    """Conley, Taber 2011: the noise of treated groups is that of comparison groups over the same windows; see METHODS.md.

    Raises:
        PanelError: the estimator keeps no weights on cells, or fewer than two units never adopt.
        OptionError: draws is no whole number, or `within_region` without a region or without comparison units in it.
    """
    return _placebo(result, cluster, options, "conley_taber")


def ferman_pinto(result: Scored, cluster: str | None, options: Mapping[str, Any]) -> Inference:
    """Ferman, Pinto 2019: as `conley_taber`, with residuals rescaled to a variance linear in 1 ÷ group size; see METHODS.md.

    Raises:
        PanelError: as `conley_taber`.
        OptionError: as `conley_taber`.
    """
    return _placebo(result, cluster, options, "ferman_pinto")


def _placebo(result: Scored, cluster: str | None, options: Mapping[str, Any], method: str) -> Inference:
    _check(result, options)
    name, codes = result.panel.cluster_codes(cluster)
    groups = groups_of(result.panel, name, codes, split=False)
    count = len(result.estimates)
    p_value, variance = np.full(count, np.nan), np.full(count, np.nan)
    found: dict[int, Placebo] = {}
    warnings, drawn = [], _drawn_sets(groups, options)
    for k in np.flatnonzero((result.labels["kind"] != "reference").to_numpy(bool)):
        placebo = _placebo_of(result, int(k), groups, drawn, options, method == "ferman_pinto")
        if placebo is None:
            warnings.append(_no_scale(result, int(k), groups))
            continue
        found[int(k)] = placebo
        p_value[k] = placebo.p_value(float(result.estimates[k]))
        variance[k] = placebo.noise.var() or np.nan

    def ends(level: float) -> tuple[np.ndarray, np.ndarray]:
        pairs = {k: placebo.interval(float(result.estimates[k]), level) for k, placebo in found.items()}
        both = np.array([pairs.get(k, (np.nan, np.nan)) for k in range(count)])
        return both[:, 0], both[:, 1]

    warnings += _warnings(groups, found, bool(options["finite_sample"]))
    return placed(method, result, groups, p_value, ends, _details(result, found, options), warnings, variance)


def _placebo_of(
    result: Scored,
    k: int,
    groups: Groups,
    drawn: Mapping[int, tuple[np.ndarray, bool]],
    options: Mapping[str, Any],
    by_size: bool,
) -> Placebo | None:
    """The noise of one row; None where its change with size is asked for and cannot be seen."""
    parts = contrasts_of(result, k, groups)
    pools = [_pool(parts, j, groups, drawn, result) for j in range(len(parts.group))]
    if by_size:
        scaled = [_rescaled(pool, _treated_size(parts, j, groups, result)) for j, pool in enumerate(pools)]
        pools = [pool for pool in scaled if pool is not None]
        if len(pools) < len(scaled):
            return None
    placebo = _combined(pools, int(options["draws"]), np.random.Generator(np.random.PCG64(options["seed"])))
    return replace(placebo, add=int(bool(options["finite_sample"]) or not placebo.enumerated))


def _check(result: Scored, options: Mapping[str, Any]) -> None:
    check_whole(options, draws=1, seed=0)
    if options["within_region"] and result.panel.region is None:
        raise OptionError("within_region=True needs a region. Name its column in Panel.from_frame(region=...).")
    if result.own_df is not None:
        raise PanelError(f"{result.estimator} has errors of its own and no weights by group: use the estimator's own errors.")


def _drawn_sets(groups: Groups, options: Mapping[str, Any]) -> dict[int, tuple[np.ndarray, bool]]:
    """For each treated group, who stands in for it: rows of comparison groups (as numbers), and whether these are all."""
    out = {}
    rng = np.random.Generator(np.random.PCG64([options["seed"], 1]))
    comparison = np.flatnonzero(~groups.treated)
    if not len(comparison):
        raise PanelError(NO_COMPARISON)
    for j in np.flatnonzero(groups.treated):
        pool = comparison
        if options["within_region"] and groups.region is not None:
            pool = comparison[groups.region[comparison] == groups.region[j]]
        size = int(groups.size[j]) if groups.alone else 1
        if len(pool) < size:
            raise OptionError(
                f"within_region=True: fewer than {size} comparison units lie in the region of a treated {groups.cluster}. "
                "Use within_region=False."
            )
        draws = int(options["draws"])
        if math.comb(len(pool), size) <= draws:
            sets = np.array(list(combinations(pool.tolist(), size)), dtype=int)
            out[int(j)] = (sets, True)
        else:
            out[int(j)] = (shuffled(pool, size, draws, rng), False)
    return out


def _pool(parts: Contrasts, j: int, groups: Groups, drawn: Mapping[int, tuple[np.ndarray, bool]], result: Scored) -> _Pool:
    """Placebo parts of one treated group: its window's weights on the residual path of each group or set, weighted by size."""
    sets, complete = drawn[int(parts.group[j])]
    mass, carried, sizes = (np.zeros(len(groups.size)) for _ in range(3))
    code, weight = groups.code[parts.units], parts.size[parts.units]
    np.add.at(mass, code, weight)
    np.add.at(carried, code, weight * (parts.residual @ parts.window[j]))
    np.add.at(sizes, code, weight if result.panel.weighted else 1.0)
    sets = sets[(mass[sets] > 0).all(axis=1)]
    return _Pool(carried[sets].sum(axis=1) / mass[sets].sum(axis=1), sizes[sets].sum(axis=1), complete)


def _treated_size(parts: Contrasts, j: int, groups: Groups, result: Scored) -> float:
    units = groups.code == parts.group[j]
    return float(parts.size[units].sum()) if result.panel.weighted else float(units.sum())


def _rescaled(pool: _Pool, size: float) -> _Pool | None:
    """Placebo parts as if they came from a group of the treated group's size; None where sizes do not tell how."""
    if len(np.unique(pool.sizes)) == 1:
        return pool if np.isclose(pool.sizes[0], size) else None
    unit = float(np.mean(pool.parts**2)) or 1.0
    smallest = float(pool.sizes.min())
    columns = np.column_stack([np.ones(len(pool.parts)), smallest / pool.sizes])
    (level, slope), _ = optimize.nnls(columns, pool.parts**2 / unit)
    variance = level + slope * smallest / pool.sizes
    factor = np.sqrt((level + slope * smallest / size) / np.where(variance > 0, variance, 1.0))
    return _Pool(pool.parts * factor, pool.sizes, pool.complete)


def _combined(pools: list[_Pool], draws: int, rng: np.random.Generator) -> Placebo:
    """Sums over treated groups of one placebo part each, independent: all of them where at most `draws`, else random ones."""
    if not pools:
        return Placebo(np.zeros(0), True)
    ways = math.prod(len(pool.parts) for pool in pools)
    complete = all(pool.complete for pool in pools)
    if ways <= draws or len(pools) == 1:
        noise = np.zeros(1)
        for pool in pools:
            noise = np.add.outer(noise, pool.parts).ravel()
        return Placebo(np.sort(noise), complete)
    noise = np.zeros(draws)
    for pool in pools:
        noise += pool.parts[rng.integers(0, len(pool.parts), size=draws)]
    return Placebo(np.sort(noise), False)


def _no_scale(result: Scored, k: int, groups: Groups) -> str:
    outcome = result.labels["outcome"].iloc[k]
    return (
        f"{outcome}: comparison groups by {groups.cluster} are all of one size and the treated are of another, so how noise "
        "goes with size cannot be seen: no p-value. Use conley_taber."
    )


def _warnings(groups: Groups, found: Mapping[int, Placebo], finite_sample: bool) -> list[str]:
    out = []
    fewest = min((len(placebo.noise) for placebo in found.values()), default=0)
    smallest = max((_smallest(placebo) for placebo in found.values()), default=0.0)
    if smallest > 0.05:
        out.append(f"Only {fewest} placebo effects exist: no p-value can be below {smallest:.3f}.")
    if not finite_sample and 0 < fewest < COARSE:
        out.append(
            f"With {fewest} placebo effects the published p-value can be too small by {2 / fewest:.3f}: with finite_sample=True "
            "the real effect is counted among them."
        )
    if groups.treated.sum() > 1 and (~groups.treated).sum() < 10:
        out.append(f"Few comparison groups by {groups.cluster}: their residuals are a coarse picture of noise.")
    return out


def _details(result: Scored, found: Mapping[int, Placebo], options: Mapping[str, Any]) -> dict[str, Any]:
    """What a reader must know of the whole effect; rows that are neither overall nor average have no picture."""
    whole = [k for k in found if result.labels["kind"].iloc[k] in ("overall", "average")]
    outcome = {k: str(result.labels["outcome"].iloc[k]) for k in whole}
    sizes = {k: np.abs(found[k].noise) for k in whole}
    estimate = {k: abs(float(result.estimates[k])) for k in whole}
    return {
        "draws": min((len(placebo.noise) for placebo in found.values()), default=0),
        "seed": None if all(placebo.enumerated for placebo in found.values()) else options["seed"],
        "enumerated": all(placebo.enumerated for placebo in found.values()),
        "smallest_p": max((_smallest(placebo) for placebo in found.values()), default=1.0),
        "finite_sample": bool(options["finite_sample"]),
        "within_region": bool(options["within_region"]),
        "placebo_rank": {outcome[k]: [int((sizes[k] >= estimate[k] * (1 - TIE)).sum()) + 1, len(sizes[k]) + 1] for k in whole},
        "distribution": {outcome[k]: [float(x) for x in _thinned(found[k].noise)] for k in whole},
    }


def _smallest(placebo: Placebo) -> float:
    """The smallest p-value that can be reached."""
    return max(2 * placebo.add / placebo.total, 1 / (len(placebo.noise) + 1)) if placebo.total else 1.0


def _thinned(noise: np.ndarray) -> np.ndarray:
    """At most `SHOWN` of sorted values, evenly from all of them."""
    if len(noise) <= SHOWN:
        return noise
    return noise[np.linspace(0, len(noise) - 1, SHOWN).round().astype(int)]
