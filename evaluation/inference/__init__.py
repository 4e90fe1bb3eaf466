"""Errors, p-values and intervals of effects. A method is a function of (result, cluster, options) and a line in `INFERENCES`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evaluation.errors import OptionError, check_choice
from evaluation.inference.base import Inference, Method, Scored, group_sums
from evaluation.inference.clustered import clustered, influence
from evaluation.inference.multiplier import DEFAULTS as MULTIPLIER_DEFAULTS
from evaluation.inference.multiplier import multiplier
from evaluation.inference.placebo_groups import DEFAULTS as PLACEBO_DEFAULTS
from evaluation.inference.placebo_groups import conley_taber, ferman_pinto
from evaluation.inference.randomisation import DEFAULTS as RANDOMISATION_DEFAULTS
from evaluation.inference.randomisation import randomisation
from evaluation.inference.sign_change import DEFAULTS as SIGN_DEFAULTS
from evaluation.inference.sign_change import sign_change
from evaluation.inference.small_sample import CR2_DEFAULTS, CR3_DEFAULTS, cr2, cr3
from evaluation.inference.wild import DEFAULTS as WILD_DEFAULTS
from evaluation.inference.wild import wild

INFERENCES: dict[str, tuple[Method, dict[str, Any]]] = {
    "clustered": (clustered, {"factor": "CR1", "distribution": "t"}),
    "influence": (influence, {}),
    "cr2": (cr2, CR2_DEFAULTS),
    "cr3": (cr3, CR3_DEFAULTS),
    "multiplier": (multiplier, MULTIPLIER_DEFAULTS),
    "wild_cluster": (wild, WILD_DEFAULTS),
    "randomisation": (randomisation, RANDOMISATION_DEFAULTS),
    "conley_taber": (conley_taber, PLACEBO_DEFAULTS),
    "ferman_pinto": (ferman_pinto, PLACEBO_DEFAULTS),
    "sign_change": (sign_change, SIGN_DEFAULTS),
}


def infer(result: Scored, name: str, cluster: str | None, options: Mapping[str, Any]) -> Inference:
    """Run one method of `INFERENCES`; unknown names and options raise `OptionError`."""
    check_choice("inference", name, tuple(INFERENCES))
    method, defaults = INFERENCES[name]
    for option in options:
        if option not in defaults:
            listed = ", ".join(defaults) or "none"
            raise OptionError(f"Inference {name!r} has no option {option!r}. Its options are: {listed}.")
    return method(result, cluster, {**defaults, **options})


__all__ = ["INFERENCES", "Inference", "Method", "Scored", "group_sums", "infer"]
