"""The demonstration: a synthetic programme with known true effects.

`build` fills a store with it through the real tasks. It is not imported here: `runs` asks this package for the true effects,
and the build calls `runs`.
"""

from pilots.demonstration.examples import example_files
from pilots.demonstration.known import is_demonstration, true_effects
from pilots.demonstration.synthetic import DEFAULT_SEED, Programme, programme

__all__ = ["DEFAULT_SEED", "Programme", "example_files", "is_demonstration", "programme", "true_effects"]
