"""Errors, p-values and intervals of effects. A method is a function of (result, cluster, options) and a line in `INFERENCES`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evaluation.errors import OptionError, check_choice
from evaluation.inference.base import Inference, Method, Scored
from evaluation.inference.clustered import cluster_sums, clustered, influence

INFERENCES: dict[str, tuple[Method, dict[str, Any]]] = {
    "clustered": (clustered, {"factor": "CR1", "distribution": "t"}),
    "influence": (influence, {}),
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


__all__ = ["INFERENCES", "Inference", "Method", "Scored", "cluster_sums", "infer"]
