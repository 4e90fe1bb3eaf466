"""Multiplier bootstrap over the sums of scores by cluster, with simultaneous bands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import stats

from evaluation.errors import OptionError, check_choice
from evaluation.inference.base import Inference, Scored, group_sums
from evaluation.inference.clustered import clustered

DEFAULTS: dict[str, Any] = {"draws": 999, "weights": "mammen", "simultaneous": True, "seed": 20_230_302}
QUARTILES = float(stats.norm.ppf(0.75) - stats.norm.ppf(0.25))
LARGEST = 4_000_000  # weights of a matrix of draws up to which it is made whole, and kept
BLOCK = 256  # clusters whose weights are drawn together beyond that
GOLDEN = (1 + np.sqrt(5)) / 2
WEIGHTS: dict[str, tuple[np.ndarray, float]] = {  # values, and the probability of the first of two (else all alike)
    "mammen": (np.array([1 - GOLDEN, GOLDEN]), float(GOLDEN / np.sqrt(5))),
    "rademacher": (np.array([-1.0, 1.0]), 0.5),
    "webb": (np.sqrt(np.array([1.5, 1.0, 0.5, 0.5, 1.0, 1.5])) * np.array([-1, -1, -1, 1, 1, 1]), 0.0),
}


@lru_cache(maxsize=4)
def multipliers(draws: int, groups: int, weights: str, seed: int) -> np.ndarray:
    """Weights of clusters, draws × G, with mean 0 and variance 1."""
    out = _drawn(np.random.Generator(np.random.PCG64(seed)), draws, groups, weights)
    out.setflags(write=False)
    return out


def _drawn(random: np.random.Generator, draws: int, groups: int, weights: str) -> np.ndarray:
    values, first = WEIGHTS[weights]
    if weights == "webb":
        return np.asarray(values[random.integers(0, len(values), (draws, groups), dtype=np.uint8)])
    return np.where(random.random((draws, groups)) < first, values[0], values[1])


def resampled(sums: np.ndarray, draws: int, weights: str, seed: int, whole: int = LARGEST) -> np.ndarray:
    """Drawn weights × sums over clusters (G × K): K × draws.

    Where there are more weights than `whole`, too many to be kept, they are drawn for some clusters at a time. Products within
    such a block have single precision and are added up in double: off by less than 1e-5 of a row's error, which 999 draws
    themselves tell to 3% only.
    """
    groups, rows = sums.shape
    if groups * draws <= whole:
        return np.asarray(sums.T @ multipliers(draws, groups, weights, seed).T)
    size = np.sqrt((sums**2).mean(axis=0))
    size[size == 0] = 1.0
    scaled, out, bits = (sums / size).astype(np.float32), np.zeros((rows, draws)), np.random.PCG64(seed)
    low, step, share = _two_values(weights)
    for first in range(0, groups, BLOCK):
        block = scaled[first : first + BLOCK]
        out += block.T @ _picked(bits, (len(block), draws), weights, share)
    return np.asarray(low * sums.sum(axis=0)[:, None] + step * size[:, None] * out)


def _two_values(weights: str) -> tuple[float, float, int]:
    """Low value, what the other has more, and 65,536 × the probability of the other, whole: mean 0 and variance 1 exactly."""
    if weights == "webb":  # six values, which are drawn as they are
        return 0.0, 1.0, 0
    share = round((1 - WEIGHTS[weights][1]) * 2**16)
    odds = share / (2**16 - share)
    return -float(np.sqrt(odds)), float(np.sqrt(odds) + np.sqrt(1 / odds)), share


def _picked(bits: np.random.PCG64, shape: tuple[int, int], weights: str, share: int) -> np.ndarray:
    """1 where the other of two values is drawn, from 16 bits each, and 0 elsewhere; Webb's values as they are."""
    if weights == "webb":
        return _drawn(np.random.Generator(bits), *shape, weights).astype(np.float32)
    count = shape[0] * shape[1]
    drawn = bits.random_raw(-(-count // 4)).astype("<u8", copy=False).view("<u2")[:count]
    return (drawn < share).reshape(shape).astype(np.float32)


def multiplier(result: Scored, cluster: str | None, options: Mapping[str, Any]) -> Inference:
    """Multiplier bootstrap errors and, by default, bands that hold for all rows of an outcome at once; see METHODS.md.

    Options: `draws`, `weights` (mammen, rademacher, webb), `simultaneous`, `seed`.
    """
    _check(options)
    base = clustered(result, cluster, {"factor": "none", "distribution": "normal"})
    if result.own_df is not None:
        return replace(base, name="multiplier", details={"draws": 0})
    codes = result.panel.cluster_codes(cluster)[1]
    sums = group_sums(result.scores, codes)
    good = np.flatnonzero(np.isfinite(base.std_error))
    drawn = resampled(sums[:, good], int(options["draws"]), options["weights"], int(options["seed"]))
    error = np.full(len(base.estimates), np.nan)
    error[good] = _spread(drawn)
    with np.errstate(invalid="ignore", divide="ignore"):
        covariance = base.covariance * np.outer(error, error) / np.outer(base.std_error, base.std_error)
    outcomes = result.labels["outcome"].to_numpy()
    largest = {name: _largest(drawn, error[good], outcomes[good] == name) for name in dict.fromkeys(outcomes[good])}
    kept = {name: options[name] for name in DEFAULTS}
    counts = {"groups": len(sums), "critical_at_95": {name: _critical(values, 0.95) for name, values in largest.items()}}
    found = replace(base, name="multiplier", covariance=covariance, details={**kept, **counts})
    return _simultaneous(found, outcomes, largest) if options["simultaneous"] else found


def _largest(drawn: np.ndarray, error: np.ndarray, mine: np.ndarray) -> np.ndarray:
    """The largest |t| of some rows (K × draws) in each draw, sorted."""
    t = drawn / error[:, None] if mine.all() else drawn[mine] / error[mine, None]
    return np.asarray(np.sort(np.maximum(t.max(axis=0), -t.min(axis=0))))


def _spread(drawn: np.ndarray) -> np.ndarray:
    """Errors from the quartiles of the draws (K × draws) ÷ those of a standard normal."""
    count = drawn.shape[1]
    low, high = int(np.ceil(count * 0.25)) - 1, int(np.ceil(count * 0.75)) - 1
    ordered = np.sort(drawn, axis=1)
    return np.asarray((ordered[:, high] - ordered[:, low]) / QUARTILES)


def _critical(largest: np.ndarray, level: float) -> float:
    """The value that a share `level` of the largest |t| (sorted) does not exceed."""
    return float(largest[min(int(np.ceil(len(largest) * level)), len(largest)) - 1])


def _simultaneous(found: Inference, outcomes: np.ndarray, largest: dict[Any, np.ndarray]) -> Inference:
    """The inference with bands by the largest |t| of an outcome's rows, and p-values that go with them."""
    error = found.std_error
    with np.errstate(invalid="ignore", divide="ignore"):
        t = np.abs(found.estimates / error)
    p = np.full(len(t), np.nan)
    for name, values in largest.items():
        mine = (outcomes == name) & np.isfinite(t)
        p[mine] = (1 + len(values) - np.searchsorted(values, t[mine], side="left")) / (1 + len(values))

    def band(level: float) -> tuple[np.ndarray, np.ndarray]:
        known = {name: _critical(values, level) for name, values in largest.items()}
        critical = np.array([known.get(name, np.nan) for name in outcomes])
        return found.estimates - critical * error, found.estimates + critical * error

    return replace(found, own_p=p, own_interval=band)


def _check(options: Mapping[str, Any]) -> None:
    check_choice("weights", options["weights"], tuple(WEIGHTS))
    check_choice("simultaneous", options["simultaneous"], (True, False))
    for name, least in (("draws", 99), ("seed", 0)):
        value = options[name]
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
            raise OptionError(f"{name} must be a whole number, {least} or more, not {value!r}.")
