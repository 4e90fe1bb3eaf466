"""Counts of the collection `ap_tiers`: placements, pupils, sessions, returns to mainstream and unregistered settings, by tier."""

import numpy as np

from pilots.demonstration.design import intended_effect
from pilots.demonstration.levels import stream, untreated, volumes, with_effect
from pilots.demonstration.process import Shares

TIERS = ("1", "2", "3")
# By tier: placements for each request, part of them that ends in the term, part of the pupils on a mainstream roll.
PLACEMENTS = (0.50, 0.42, 0.40)
ENDED = (0.40, 0.45, 0.45)
ON_ROLL = (1.0, 0.85, 0.30)
TIER_1_RETURNED, TIER_1_STAYING, TIER_3_STAYING = 0.80, 0.85, 0.60


def shares(seed: int) -> Shares:
    """The true shares of placements: returned and sustained of tier 2, returned of tier 3, unregistered of tiers 2 and 3."""
    returned, staying = untreated(seed, "returned"), untreated(seed, "staying")
    sustained, onward = np.round(returned * staying, 6), untreated(seed, "transitional_returned")
    more = with_effect(returned, intended_effect("returned"), 0.97)
    without = {"returned": returned, "sustained": sustained, "onward": onward, "unregistered": untreated(seed, "unregistered")}
    actual = {
        **without,
        "returned": more,
        "sustained": with_effect(sustained, intended_effect("sustained"), 0.98 * more),
        "onward": with_effect(onward, intended_effect("transitional_returned"), 0.97),
    }
    return Shares(without, actual)


def counts(seed: int, true: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The collection's measures by column, N × 18 × 3 tiers."""
    rng, expected = stream(seed, 102), volumes(seed)
    shape = (*expected.shape, len(TIERS))
    placements = rng.poisson(np.round(expected[..., None] * np.array(PLACEMENTS), 3))
    pupils = placements - rng.binomial(np.maximum(placements - 1, 0), 0.06)
    ended = rng.binomial(placements, np.broadcast_to(ENDED, shape))
    returning = np.stack([np.full(expected.shape, TIER_1_RETURNED), true["returned"], true["onward"]], axis=2)
    staying = np.stack(
        [np.full(expected.shape, TIER_1_STAYING), true["sustained"] / true["returned"], np.full(expected.shape, TIER_3_STAYING)],
        axis=2,
    )
    returned = rng.binomial(ended, returning)
    sustained = rng.binomial(returned, np.round(np.clip(staying, 0, 1), 6))
    outside = np.where(np.arange(len(TIERS)) == 0, 0.0, true["unregistered"][..., None])
    unregistered = rng.binomial(placements, outside)
    return {
        "placements": placements,
        "pupils": pupils,
        "sessions": rng.poisson(55.0 * placements),
        "on_mainstream_roll": rng.binomial(pupils, np.broadcast_to(ON_ROLL, shape)),
        "placements_ended": ended,
        "returned_to_mainstream": returned,
        "returned_after_12_weeks": sustained,
        "unregistered": unregistered,
        "unregistered_full_time": rng.binomial(unregistered, 0.01),
    }
