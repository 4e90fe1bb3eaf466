"""The demonstration: a synthetic programme with known true effects, and a store that is filled with it through the real tasks."""

from pilots.demonstration.build import RELEASE, build_demonstration, demonstration_plans
from pilots.demonstration.examples import example_files
from pilots.demonstration.known import is_demonstration, true_effects
from pilots.demonstration.synthetic import DEFAULT_SEED, Programme, programme

__all__ = [
    "DEFAULT_SEED",
    "RELEASE",
    "Programme",
    "build_demonstration",
    "demonstration_plans",
    "example_files",
    "is_demonstration",
    "programme",
    "true_effects",
]
