"""Counts of the collection `ehcp_process`: requests, refusals, plans, timeliness, exceptions, digital plans, average weeks."""

from dataclasses import dataclass

import numpy as np

from pilots.demonstration.design import intended_effect
from pilots.demonstration.levels import SHARES, stream, untreated, volumes, with_effect

# A plan with an exception is issued within 20 weeks half as often as one without.
EXCEPTION_FACTOR = 0.5
ROOM = 1 - EXCEPTION_FACTOR
ON_TIME_WEEKS, LATE_WEEKS = 15.5, 16.0  # weeks on average where all plans are in time, and how many more where none is
MOST = 0.97  # of plans without an exception within 20 weeks, without a reform


@dataclass(frozen=True, eq=False)
class Shares:
    """True shares of one collection's outcomes, with and without the reforms: outcome → N × 18."""

    without: dict[str, np.ndarray]
    actual: dict[str, np.ndarray]


def shares(seed: int) -> Shares:
    """The true shares of plans and requests."""
    exceptions, within = untreated(seed, "exceptions"), untreated(seed, "within_20_weeks")
    within = np.minimum(within, np.round(MOST * (1 - ROOM * exceptions), 6))
    more = with_effect(exceptions, intended_effect("exceptions"), SHARES["exceptions"].high + 0.05)  # below half: no query
    faster = with_effect(within, intended_effect("within_20_weeks"), MOST * (1 - ROOM * more))
    digital, refused = untreated(seed, "digital"), untreated(seed, "refused")
    without = {"within": within, "exceptions": exceptions, "digital": digital, "refused": refused}
    actual = {
        "within": faster,
        "exceptions": more,
        "digital": with_effect(digital, intended_effect("digital"), 0.99),
        "refused": refused,
    }
    for one in (without, actual):
        one["weeks"] = (ON_TIME_WEEKS + LATE_WEEKS * (1 - one["within"])) / 100  # in hundreds of weeks
        one["within_excluding"] = np.clip(one["within"] / (1 - ROOM * one["exceptions"]), 0, 1)
    return Shares(without, actual)


def counts(seed: int, true: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The collection's measures by column, N × 18; `average_weeks` is NaN where no plan was issued."""
    rng, expected = stream(seed, 101), volumes(seed)
    requests = rng.poisson(expected)
    refused = rng.binomial(requests, true["refused"])
    issued = rng.poisson(np.round(0.62 * expected, 3))
    exceptions = rng.binomial(issued, true["exceptions"])
    ordinary = issued - exceptions
    within_ordinary = rng.binomial(ordinary, np.round(true["within_excluding"], 6))
    within = within_ordinary + rng.binomial(exceptions, np.round(EXCEPTION_FACTOR * true["within_excluding"], 6))
    digital = rng.binomial(issued, true["digital"])
    late = 1 - within / np.maximum(issued, 1)
    weeks = np.clip(ON_TIME_WEEKS + LATE_WEEKS * late + 0.8 * rng.standard_normal(issued.shape), 9, None)
    weeks = np.where(within == issued, np.minimum(weeks, 19.5), weeks).round(1)
    return {
        "requests": requests,
        "requests_refused": refused,
        "plans_issued": issued,
        "plans_issued_within_20_weeks": within,
        "exceptions": exceptions,
        "exceptions_with_reason": exceptions,
        "plans_issued_excluding_exceptions": ordinary,
        "plans_issued_within_20_weeks_excluding_exceptions": within_ordinary,
        "plans_digital": digital,
        "average_weeks": np.where(issued > 0, weeks, np.nan),
    }
