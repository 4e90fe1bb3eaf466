"""What does not come: rows left out and symbols in place of figures, whatever the figures are."""

from dataclasses import dataclass

import numpy as np

from pilots.demonstration.design import LAST, NORTH_EAST, TINY, codes_at, places, terms
from pilots.demonstration.levels import stream

ABSENT, UNAVAILABLE, CONFIDENTIAL = 0.010, 0.022, 0.006  # of authority-terms: no row, x in a block of figures, c in it
TINY_CONFIDENTIAL = 0.10  # the smallest authorities hide more often


@dataclass(frozen=True, eq=False)
class Gaps:
    """Gaps of one collection.

    Attributes:
        absent: authority-terms without a row, N × 18.
        symbols: symbol in place of the figures of a block, N × 18 of object, None where there is none: by block.
    """

    absent: np.ndarray
    symbols: dict[str, np.ndarray]


def gaps(seed: int, number: int, blocks: tuple[str, ...]) -> Gaps:
    """Draw the gaps of a collection; the North East sends its last return complete, since a visitor may send it.

    Args:
        seed: of the programme.
        number: of the collection's own random numbers.
        blocks: names of the blocks of figures that are there or not together.
    """
    rng, where = stream(seed, number), places()
    shape = (len(where.codes), len(terms()))
    whole = np.zeros(shape, bool)
    whole[np.array([region == NORTH_EAST for region in where.regions]), terms().index(LAST)] = True
    _, early = codes_at()  # figures that were worked out again for an area of today are there
    absent = (rng.random(shape) < ABSENT) & ~whole & ~early
    tiny = np.array([code in TINY for code in where.codes])[:, None]
    symbols = {}
    for block in blocks:
        draw = rng.random(shape)
        confidential = np.where(tiny, TINY_CONFIDENTIAL, CONFIDENTIAL)
        marks = np.full(shape, None, dtype=object)
        marks[draw < UNAVAILABLE] = "x"
        marks[draw > 1 - confidential] = "c"
        marks[whole] = None
        symbols[block] = marks
    return Gaps(absent, symbols)
