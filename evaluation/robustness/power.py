"""Power: the smallest effect that this design finds, by simulation from what the outcome does without the reform."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.random import PCG64, Generator
from scipy import stats

from evaluation.errors import NotEstimable, OptionError
from evaluation.estimators import check_options
from evaluation.panel import Panel
from evaluation.result import Result
from evaluation.robustness.paths import Paths, learn, pick
from evaluation.robustness.refit import Ask, one_outcome, positions, refit
from evaluation.robustness.row import check_between, check_whole, say
from evaluation.robustness.working import Scorer, Working, working_df
from evaluation.words import about, plain

HELD = 4_000_000  # numbers held at once while outcomes are drawn
POINTS = 41
FITTED = ("interrupted_series", "rollout", "synthetic")
LINEAR = "Ask for power with a linear estimator, for example group_time."
Test = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Power:
    """What a design can find.

    Attributes:
        detectable: smallest effect found with `power`, in units of the outcome, by simulation.
        analytic: (t(1 − alpha/2; df) + t(power; df)) × `sampling_sd`.
        nominal: `detectable` of the clustered t with t(G − 1), however often it alarms falsely; None with a supplied test.
        power: probability of finding it.
        alpha: level of the two-sided test.
        df: degrees of freedom of `analytic`.
        cluster: the column clustered by.
        draws: outcomes drawn.
        sampling_sd: standard deviation of the estimate over draws.
        false_alarms: how often the test as it is finds an effect where there is none.
        critical: |t| from which an effect counts as found; None with a supplied test.
        curve: effect and power.
        details: how paths were had: method, autocorrelation, common (correlation within clusters), sd, donors, treated_spread.
        reading: one or two plain sentences.
    """

    detectable: float
    analytic: float
    nominal: float | None
    power: float
    alpha: float
    df: float
    cluster: str
    draws: int
    sampling_sd: float
    false_alarms: float
    critical: float | None
    curve: tuple[tuple[float, float], ...]
    details: Mapping[str, Any] = field(default_factory=dict)
    reading: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Every field as plain JSON; the curve as effect and power by name."""
        out: dict[str, Any] = plain(self.__dict__)
        return {**out, "curve": [{"effect": effect, "power": share} for effect, share in self.curve]}


@dataclass(frozen=True, eq=False)
class _Design:
    """What is needed to draw: the working model of the design, its clusters and the paths of its units."""

    model: Working
    paths: Paths
    codes: np.ndarray
    cluster: str
    factor: float
    groups: int


@dataclass(frozen=True)
class _Found:
    """What a test finds: see `Power`."""

    detectable: float
    nominal: float | None
    false_alarms: float
    critical: float | None
    curve: tuple[tuple[float, float], ...]


def power_by_simulation(
    panel: Panel,
    ask: Ask,
    *,
    draws: int = 2000,
    seed: int = 1,
    power: float = 0.8,
    alpha: float = 0.05,
    effects: np.ndarray | None = None,
    test: Test | None = None,
    calibrate: bool = True,
) -> Power | NotEstimable:
    """The smallest effect found with `power`, from outcomes drawn without the reform under the design as it is.

    Paths are learned from the cells before any treatment (see `paths`), the reform is laid over them as the panel has it,
    missing cells stay missing, and the effect is added to treated cells. The test is the clustered t (CR1) of the estimator's
    weights with residuals under a constant effect; for two-way least squares it is exactly that of `clustered`.

    Args:
        panel: of one outcome.
        ask: a linear estimator, its options, and the cluster.
        draws: outcomes to draw.
        seed: of NumPy's PCG64.
        power: between `alpha` and 1.
        alpha: level of the two-sided test.
        effects: effects for the curve, 0 or more, rising; default up to where it is nearly sure to be found.
        test: outcomes (N × T × B, units and periods of the estimator's panel) → p-values (B); default the clustered t.
        calibrate: take as critical value the larger of t(G − 1)'s and the one that alarms falsely at `alpha` in the draws, so
            that a test which alarms too easily is not called powerful.

    Returns:
        `Power`, or `NotEstimable` where the estimator is not linear, the outcome tells nothing, or the effect has no error.

    Raises:
        OptionError: several outcomes, or an option out of range.
    """
    one_outcome(panel, "power_by_simulation")
    _check(draws, power, alpha, effects)
    design = _design(panel, panel, ask, test is not None)
    if isinstance(design, NotEstimable):
        return design
    return _power(design, draws, seed, power, alpha, effects, test, calibrate)


def power_next_period(panel: Panel, ask: Ask, periods: int = 1, **options: Any) -> Power | NotEstimable:
    """As `power_by_simulation`, with the window longer by `periods` in which everybody is seen.

    Args:
        panel: of one outcome.
        ask: a linear estimator, its options, and the cluster.
        periods: how many more.
        options: those of `power_by_simulation`.
    """
    one_outcome(panel, "power_next_period")
    check_whole("periods", periods, 1)
    given = {"draws": 2000, "seed": 1, "power": 0.8, "alpha": 0.05, "effects": None, "test": None, "calibrate": True}
    for name in options:
        if name not in given:
            raise OptionError(f"power_next_period has no option {name!r}. Its options are: {', '.join(given)}.")
    chosen: dict[str, Any] = {**given, **options}
    _check(chosen["draws"], chosen["power"], chosen["alpha"], chosen["effects"])
    design = _design(panel, extended(panel, periods), ask, chosen["test"] is not None)
    return design if isinstance(design, NotEstimable) else _power(design, **chosen)


def extended(panel: Panel, periods: int) -> Panel:
    """The panel with more periods in which every unit is seen, with its last weight; their outcomes are placeholders."""
    seen = panel.weights > 0
    last = panel.weights.shape[2] - 1 - seen[:, :, ::-1].argmax(axis=2)
    weight = np.take_along_axis(panel.weights, last[:, :, None], axis=2)
    value = np.nan_to_num(np.take_along_axis(panel.values, last[:, :, None], axis=2))

    def longer(array: np.ndarray, end: np.ndarray) -> np.ndarray:
        return np.concatenate([array, np.repeat(end, periods, axis=-1)], axis=-1)

    covariates, intensity = panel.covariate_values, panel.intensity
    return replace(
        panel,
        periods=(*panel.periods, *(f"next {k + 1}" for k in range(periods))),
        values=longer(panel.values, np.where(weight > 0, value, np.nan)),
        weights=longer(panel.weights, weight),
        covariate_values=None if covariates is None else longer(covariates, covariates[:, :, -1:]),
        intensity=None if intensity is None else longer(intensity, intensity[:, -1:]),
    )


def _check(draws: int, power: float, alpha: float, effects: np.ndarray | None) -> None:
    check_whole("draws", draws, 100)
    check_between("alpha", alpha, 0, 1)
    check_between("power", power, alpha, 1)
    if effects is not None:
        grid = np.asarray(effects, float)
        if grid.ndim != 1 or len(grid) < 2 or not (np.diff(grid) > 0).all() or grid[0] < 0:
            raise OptionError("effects must be two or more numbers, 0 or more, each larger than the one before.")


def _design(seen: Panel, wanted: Panel, ask: Ask, own_test: bool) -> _Design | NotEstimable:
    """The design on `wanted`, with paths learned on `seen`."""
    result = refit(wanted, ask)
    if isinstance(result, NotEstimable):
        return result
    model = Working.of(result)
    if isinstance(model, NotEstimable):
        return model
    if ask.estimator in FITTED:
        return NotEstimable(f"the weights of {ask.estimator} are fitted to the outcome, so they change in every draw", LINEAR)
    if not model.constant:
        return NotEstimable(f"{ask.estimator} does not weigh one constant effect as itself", LINEAR)
    name, codes = seen.cluster_codes(ask.cluster)
    ahead = int(check_options(ask.estimator, dict(ask.options)).get("anticipation", 0))
    paths = learn(seen, codes, ahead)
    if isinstance(paths, NotEstimable):
        return paths
    kept = positions(seen, result.panel.units, "power")
    paths = replace(paths, spread=paths.spread[kept])
    return _with_clusters(result, model, paths, name, own_test)


def _with_clusters(result: Result, model: Working, paths: Paths, name: str, own_test: bool) -> _Design | NotEstimable:
    _, codes = result.panel.cluster_codes(name)
    groups = len(np.unique(codes[result.used[:, 0]]))
    sides = (len(np.unique(codes[units[:, 0]])) for units in (result.support, result.compared))
    if min(sides) < 2 and not own_test:
        return NotEstimable(
            f"the effect rests on one {name}, so its test has no error clustered by {name}",
            f"Cluster by {result.panel.unit}, or give a test made for one group.",
        )
    n, k = float(result.observations[0]), float(result.parameters[0])
    factor = groups / (groups - 1.0) * ((n - 1) / (n - k) if k > 0 else 1.0) if groups > 1 else np.nan
    return _Design(model, paths, codes, name, factor, groups)


def _blocks(design: _Design, draws: int, seed: int) -> list[np.ndarray]:
    """Sizes of blocks of draws: what is held at once stays small."""
    units, periods = design.model.weights.shape
    size = max(1, HELD // (units * periods))
    rng = Generator(PCG64(seed))
    blocks = []
    for first in range(0, draws, size):
        blocks.append(pick(design.paths, design.codes, periods, min(size, draws - first), rng).outcomes())
    return blocks


def _drawn(design: _Design, draws: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Estimates and clustered errors without an effect, one a draw."""
    units, periods = design.model.weights.shape
    scorer, rng = Scorer.of(design.model, design.codes), Generator(PCG64(seed))
    size = max(1, HELD // (units * periods))
    estimates, errors = [], []
    for first in range(0, draws, size):
        effects, scores = scorer.drawn(pick(design.paths, design.codes, periods, min(size, draws - first), rng))
        estimates.append(effects)
        errors.append(np.sqrt(design.factor * np.einsum("gd,gd->d", scores, scores)))
    return np.concatenate(estimates), np.concatenate(errors)


def _power(
    design: _Design,
    draws: int,
    seed: int,
    power: float,
    alpha: float,
    effects: np.ndarray | None,
    test: Test | None,
    calibrate: bool,
) -> Power | NotEstimable:
    estimates, errors = _drawn(design, draws, seed)
    sd = float(np.sqrt((estimates**2).mean()))  # the draws have no effect: their mean is known to be zero
    rest = design.groups - 1.0
    df = min(working_df(design.model, design.codes) or rest, rest) if rest > 0 else np.inf
    analytic = float(stats.t.ppf(1 - alpha / 2, df) + stats.t.ppf(power, df)) * sd
    if test is not None:
        return _with_test(design, test, draws, seed, sd, df, analytic, power, alpha, effects)
    usual = float(stats.t.ppf(1 - alpha / 2, rest))
    size = np.abs(estimates) / errors
    critical = max(usual, float(np.quantile(size, 1 - alpha))) if calibrate else usual

    def found(grid: np.ndarray, limit: float) -> np.ndarray:
        sums = [(np.abs(estimates + sense * effect) > limit * errors).mean() for effect in grid for sense in (1, -1)]
        return np.asarray(sums).reshape(-1, 2).mean(axis=1)

    detectable, curve = _curve(lambda grid: found(grid, critical), analytic, power, effects)
    nominal, _ = _curve(lambda grid: found(grid, usual), analytic, power, None)
    outcome = _Found(detectable, nominal, float((size > usual).mean()), critical, curve)
    return _told(design, outcome, draws, sd, df, analytic, power, alpha)


def _with_test(
    design: _Design,
    test: Test,
    draws: int,
    seed: int,
    sd: float,
    df: float,
    analytic: float,
    power: float,
    alpha: float,
    effects: np.ndarray | None,
) -> Power | NotEstimable:
    """As the clustered t, with a supplied test run on every block of outcomes for every effect."""
    treated = design.model.treated[:, :, None]
    blocks = _blocks(design, draws, seed)

    def found(grid: np.ndarray) -> np.ndarray:
        shares = []
        for effect in grid:
            p_values = np.concatenate([np.asarray(test(block + effect * treated), float) for block in blocks])
            shares.append(float((p_values <= alpha).mean()))
        return np.asarray(shares)

    grid = np.linspace(0, 2 * analytic, 9) if effects is None else effects
    detectable, curve = _curve(found, analytic, power, grid)
    alarms = curve[0][1] if curve[0][0] == 0 else float(found(np.zeros(1))[0])
    return _told(design, _Found(detectable, None, alarms, None, curve), draws, sd, df, analytic, power, alpha)


def _curve(
    found: Callable[[np.ndarray], np.ndarray], analytic: float, power: float, effects: np.ndarray | None
) -> tuple[float, tuple[tuple[float, float], ...]]:
    """The effect at which the curve reaches `power`, by linear interpolation (NaN where it does not), and the curve."""
    grid = np.linspace(0, 1.75 * analytic, POINTS) if effects is None else np.asarray(effects, float)
    share = found(grid)
    for _ in range(6):
        if effects is not None or share.max() >= power:
            break
        grid = grid * 2
        share = found(grid)
    rising = np.maximum.accumulate(share)
    curve = tuple((float(effect), float(one)) for effect, one in zip(grid, share, strict=True))
    if rising[-1] < power:
        return float("nan"), curve
    at = int(np.argmax(rising >= power))
    if at == 0:
        return float(grid[0]), curve
    step = (power - rising[at - 1]) / (rising[at] - rising[at - 1])
    return float(grid[at - 1] + step * (grid[at] - grid[at - 1])), curve


def _told(
    design: _Design, found: _Found, draws: int, sd: float, df: float, analytic: float, power: float, alpha: float
) -> Power | NotEstimable:
    if not np.isfinite(found.detectable):
        return NotEstimable(f"no effect tried is found {about(power)} of the time", "Try larger effects, or a longer window.")
    paths = design.paths
    details = {
        "paths": paths.method,
        "autocorrelation": paths.rho,
        "common": paths.common,
        "sd": paths.sd,
        "treated_spread": paths.treated_spread,
        "donors": len(paths.donors),
    }
    return Power(
        detectable=found.detectable,
        analytic=analytic,
        nominal=found.nominal,
        power=power,
        alpha=alpha,
        df=float(df),
        cluster=design.cluster,
        draws=draws,
        sampling_sd=sd,
        false_alarms=found.false_alarms,
        critical=found.critical,
        curve=found.curve,
        details=details,
        reading=_reading(found, power, alpha),
    )


def _reading(found: _Found, power: float, alpha: float) -> str:
    words = (
        f"A true effect of {say(found.detectable)} would be found {about(power)} of the time; "
        "a smaller one would be missed more often."
    )
    if found.false_alarms <= 1.5 * alpha:
        return words
    stricter = found.critical is not None and found.detectable != found.nominal
    alarms = f"find an effect {about(found.false_alarms)} of the time where there is none"
    if stricter:
        return f"{words} The usual test would {alarms}, so a stricter one is assumed."
    return f"{words} But the test would also {alarms}."
