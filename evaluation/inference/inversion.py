"""P-values of a null effect from assignments, and intervals as the effects that are not rejected."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evaluation.inference.permutation import Moments

TIE = 1e-9  # relative difference below which two statistics count as equal
STEPS = np.geomspace(0.02, 30.0, 40)  # where the first look for ends is taken, in errors from the estimate
FURTHEST = 1e8  # errors from the estimate beyond which an end counts as none
PRECISION = 5e-7  # of an error


@dataclass(frozen=True, eq=False)
class Reference:
    """Statistics of R assignments, the first as it was, as functions of the effect under the null.

    Attributes:
        effect: 2 × R; on the outcome and on the reform.
        square: 3 × R; squared error: outcome, outcome × reform, reform. (1, 0, 0) where the coefficient is the statistic.
        scale: a length in units of the outcome, to look for ends.
    """

    effect: np.ndarray
    square: np.ndarray
    scale: float

    def p_value(self, null: float = 0.0) -> float:
        """Share of assignments, the real one among them, at least as far from the null as the real one."""
        error = self.square[0] - null * (2 * self.square[1] - null * self.square[2])
        size = (self.effect[0] - null * self.effect[1]) ** 2
        return self._extreme(size, np.maximum(error, 0.0)) / self.effect.shape[1]

    def count_far(self) -> int:
        """Assignments at least as extreme under a null without end."""
        return self._extreme(self.effect[1] ** 2, self.square[2] if self.square[2].any() else self.square[0])

    @staticmethod
    def _extreme(size: np.ndarray, error: np.ndarray) -> int:
        at_least = size * error[0] >= size[0] * error * (1 - 2 * TIE)
        at_least[0] = True
        return int(np.count_nonzero(at_least))


def reference_of(moments: Moments, statistic: str) -> Reference:
    """The reference distribution of the coefficient or of the t-statistic; assignments without an effect are left out."""
    effect, square = moments.effect[:, moments.usable], moments.square[:, moments.usable]
    error = float(np.sqrt(square[0, 0]))
    if statistic == "coefficient":
        square = np.zeros_like(square)
        square[0] = 1.0
        error = float(np.sqrt(np.mean(effect[0] ** 2)))
    return Reference(effect, square, error)


def interval(reference: Reference, level: float) -> tuple[float, float, bool]:
    """Effects that a test at 1 − level does not reject: lower and upper end (±inf: no end), and whether there are gaps inside.

    The ends are those of the hull, to 1e-6 of an error; gaps narrower than the distance between two looks are not seen.
    """
    most = (1 - level) * reference.effect.shape[1] * (1 + 1e-12)
    if reference.count_far() > most:
        return -np.inf, np.inf, False
    if not reference.scale > 0:
        return np.nan, np.nan, False
    forms = _forms(reference)
    centre, ends, gaps = float(reference.effect[0, 0]), [], False
    for side in (-1.0, 1.0):
        steps = STEPS
        kept = _count(forms, side * steps) > most
        while kept[-1] and steps[-1] < FURTHEST:
            further = steps[-1] * np.geomspace(1.5, 100.0, 12)
            steps, kept = np.concatenate([steps, further]), np.concatenate([kept, _count(forms, side * further) > most])
        if kept[-1]:
            ends.append(side * np.inf)
            continue
        last = int(np.flatnonzero(kept)[-1]) if kept.any() else -1
        gaps |= not kept[: last + 1].all()
        near, far = (0.0 if last < 0 else float(steps[last])), float(steps[last + 1])
        ends.append(centre + side * reference.scale * _boundary(forms, side, near, far, most))
    return ends[0], ends[1], gaps


def _forms(reference: Reference) -> np.ndarray:
    """Each assignment is at least as extreme where its quartic in the distance from the estimate, in scales, is not negative.

    The quartic is squared effect × squared error as it was, less squared effect as it was × squared error: 5 × R.
    """
    centre, scale = reference.effect[0, 0], reference.scale
    away, slope = (reference.effect[0] - centre * reference.effect[1]) / scale, reference.effect[1]
    first, second, third = reference.square
    error = np.stack([first - 2 * centre * second + centre**2 * third, -2 * scale * (second - centre * third), scale**2 * third])
    size = np.stack([away**2, -2 * away * slope, slope**2])
    out = np.zeros((5, len(away)))
    for i in range(3):
        for j in range(3):
            out[i + j] += size[i] * error[j, 0]
        out[i + 2] -= (1 - 2 * TIE) * error[i]
    out[:, 0] = 0.0  # the assignment as it was counts always
    return out


def _count(forms: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Assignments at least as extreme under each null, given by its distance from the estimate."""
    far = np.vander(distance, 5, increasing=True) @ forms >= 0
    return np.array([np.count_nonzero(one) for one in far])


def _boundary(forms: np.ndarray, side: float, near: float, far: float, most: float) -> float:
    """Where, between a null that is kept and one that is rejected, the one turns into the other."""
    while far - near > PRECISION * max(1.0, near):
        middle = (near + far) / 2
        if np.count_nonzero((side * middle) ** np.arange(5) @ forms >= 0) > most:
            near = middle
        else:
            far = middle
    return near
