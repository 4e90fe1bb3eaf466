"""Shares and volumes without any reform: levels, shocks that neighbours have in common, and serial correlation.

Calibrated to a table of authority-years (level, spread between authorities, spread within, first autocorrelation). A term is a
third of a year, so the termly spread and correlation are such that sums over the three terms of a year have the table's yearly
ones, measured as there: spread between = of authorities' means; within = of residuals from authority and year means; AR(1) = of
these residuals, which six years pull down.
"""

from dataclasses import dataclass

import numpy as np

from pilots.demonstration.design import TINY, places, terms

COMMON = (
    0.3  # part of the variance within authorities that the authorities of a partnership have in common, and a region's others
)
_ROUND = 6  # places of a probability: what differs between machines in the last bits never reaches a draw


@dataclass(frozen=True)
class Share:
    """How a share behaves without a reform, in proportions.

    Attributes:
        level: in the first term.
        between: standard deviation of authorities' levels.
        within: standard deviation of the termly path about the level.
        persistence: correlation of a term with the next.
        trend: change a year, the same everywhere.
        low, high: bounds.
    """

    level: float
    between: float
    within: float
    persistence: float
    trend: float = 0.0
    low: float = 0.005
    high: float = 0.98


# The first two are in the table; for the others there is none, and the values are plausible choices.
SHARES = {
    "within_20_weeks": Share(0.60, 0.12, 0.39, 0.79, trend=-0.012, low=0.02, high=0.98),
    "refused": Share(0.24, 0.075, 0.125, 0.60, low=0.04, high=0.60),
    "exceptions": Share(0.05, 0.02, 0.015, 0.60, low=0.005, high=0.20),
    "digital": Share(0.10, 0.05, 0.03, 0.70, low=0.02, high=0.35),
    "returned": Share(0.46, 0.08, 0.07, 0.60, low=0.10, high=0.90),
    "staying": Share(0.66, 0.04, 0.03, 0.60, low=0.20, high=0.95),
    "transitional_returned": Share(0.30, 0.06, 0.05, 0.60, low=0.05, high=0.90),
    "unregistered": Share(0.045, 0.015, 0.012, 0.60, low=0.002, high=0.25),
    "preference_met": Share(0.72, 0.05, 0.05, 0.60, low=0.40, high=0.95),
    "section_i_appeals": Share(0.045, 0.012, 0.010, 0.60, low=0.01, high=0.12),
    "independent_named": Share(0.09, 0.025, 0.012, 0.60, low=0.02, high=0.25),
    "appeals": Share(0.030, 0.008, 0.006, 0.60, low=0.005, high=0.09),
    "agreed": Share(0.70, 0.06, 0.05, 0.60, low=0.40, high=0.95),
    "help_in_time": Share(0.42, 0.06, 0.04, 0.60, low=0.15, high=0.85),
    "survey_response": Share(0.28, 0.04, 0.03, 0.60, low=0.12, high=0.60),
    "ap_absence": Share(0.36, 0.05, 0.025, 0.60, low=0.15, high=0.60),
    "ap_destinations": Share(0.62, 0.06, 0.05, 0.60, low=0.30, high=0.92),
    "days_out": Share(0.15, 0.015, 0.012, 0.60, low=0.08, high=0.19),  # in hundreds of school days
    "fair_refused": Share(0.12, 0.03, 0.02, 0.60, low=0.02, high=0.30),
    "home_educated": Share(0.03, 0.010, 0.008, 0.60, low=0.005, high=0.08),
    "on_time_reviews": Share(0.55, 0.08, 0.05, 0.60, low=0.20, high=0.95),
    "plans_mainstream": Share(0.45, 0.08, 0.015, 0.70, low=0.25, high=0.70),
    "plans_independent_special": Share(0.045, 0.020, 0.005, 0.80, low=0.008, high=0.12),
    "pupils_with_support": Share(0.136, 0.020, 0.004, 0.80, low=0.07, high=0.22),
    "absence_with_support": Share(0.105, 0.012, 0.006, 0.60, low=0.06, high=0.18),
    "absence_with_plan": Share(0.135, 0.015, 0.007, 0.60, low=0.08, high=0.22),
    "suspended_with_support": Share(0.060, 0.012, 0.005, 0.60, low=0.02, high=0.12),
    "in_alternative_provision": Share(0.006, 0.002, 0.0008, 0.60, low=0.001, high=0.02),
    "services_together": Share(0.40, 0.06, 0.03, 0.60, low=0.15, high=0.80),
}
_STREAMS = {name: at for at, name in enumerate(SHARES)}  # each share has random numbers of its own


def stream(seed: int, number: int) -> np.random.Generator:
    """Random numbers for one purpose, the same whatever else is drawn."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, number])))


def shocks(rng: np.random.Generator, persistence: float) -> np.ndarray:
    """Paths of mean 0 and variance 1, N × 18, of which `COMMON` is shared: stationary, each term correlated with the next."""
    where, count = places(), len(terms())
    together, own = rng.standard_normal((18, count)), rng.standard_normal((len(where.codes), count))
    fresh = np.sqrt(COMMON) * together[2 * where.region + where.partner] + np.sqrt(1 - COMMON) * own
    path, step = np.empty_like(fresh), np.sqrt(1 - persistence**2)
    path[:, 0] = fresh[:, 0]
    for term in range(1, count):
        path[:, term] = persistence * path[:, term - 1] + step * fresh[:, term]
    return path


def untreated(seed: int, name: str) -> np.ndarray:
    """A share of `SHARES` without any reform, N × 18."""
    share, rng = SHARES[name], stream(seed, _STREAMS[name])
    level = share.level + share.between * rng.standard_normal((len(places().codes), 1))
    trend = share.trend / 3 * np.arange(len(terms()))
    path = level + trend + share.within * shocks(rng, share.persistence)
    return np.round(np.clip(path, share.low, share.high), _ROUND)


def with_effect(without: np.ndarray, effect: np.ndarray, high: float | np.ndarray) -> np.ndarray:
    """A share with an effect added, as far as there is room below `high`; one that falls keeps a thousandth."""
    raised = np.maximum(without, np.minimum(without + effect, high))
    lowered = np.minimum(without, np.maximum(without + effect, 0.001))
    return np.round(np.where(effect > 0, raised, np.where(effect < 0, lowered, without)), _ROUND)


def volumes(seed: int) -> np.ndarray:
    """Expected requests in each term, N × 18: log-normal sizes, growth of 7% a year, slow changes, more in autumn."""
    rng, codes = stream(seed, 100), places().codes
    county = np.array([code.startswith("E10") for code in codes])
    tiny = np.array([code in TINY for code in codes])
    size = np.where(county, 0.74, -0.13) + 0.36 * rng.standard_normal(len(codes))
    size = np.where(tiny, -3.2 + 0.3 * size, size)
    growth = 0.07 / 3 * np.arange(len(terms()))
    season = np.log(np.tile([1.09, 0.95, 0.96], len(terms()) // 3))
    change = 0.40 * shocks(rng, 0.965)
    return np.round(545 / 3 * np.exp(size[:, None] + growth + season + change), 3)
