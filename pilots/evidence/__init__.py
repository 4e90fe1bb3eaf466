"""The evidence on one outcome of a plan: estimates, inference for few areas, checks, rating and reading, as plain JSON."""

from pilots.evidence.document import evidence, panel_for
from pilots.evidence.harms import harms
from pilots.evidence.together import family, joined

__all__ = ["evidence", "family", "harms", "joined", "panel_for"]
